"""Protocols 3 and 4: MICC Florence (normalised mean error) and BU-3DFE (depth, the normals paper's equation 9)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.evaluate.alignment import refine
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.now import ScanToMesh, check_aligned, landmark_start, scan_to_mesh
from cephalon.evaluate.search import search
from cephalon.evaluate.surface import Surface
from cephalon.geometry import rasterise, vertex_normals

FloatArray = npt.NDArray[np.float64]

FACE = ("nose", "mouth", "eyes", "forehead", "cheeks", "chin")
_PIXEL_MM, _HIDDEN_MM = 0.25, 1.0


def normalised_mean_error(points: npt.ArrayLike, scan: npt.ArrayLike, *, size: str = "diagonal") -> float:
    """Return NME = mean_i |p_i - q_i| / d, with q_i the scan point nearest to p_i.

    Parameters
    ----------
    points : (n, 3) mm, the aligned prediction's vertices.
    scan : (m, 3) mm.
    size : d of the *predicted* face's box: "diagonal" (its space diagonal), or "area" (the older square root of width
        times height, along x and y).
    """
    from scipy.spatial import KDTree

    p, q = as_array("points", points, (None, 3)), as_array("scan", scan, (None, 3))
    width = np.ptp(p, axis=0)
    if size not in ("diagonal", "area"):
        raise InputError(f"size: expected diagonal or area, got {size!r}")
    d = float(np.linalg.norm(width)) if size == "diagonal" else float(np.sqrt(width[0] * width[1]))
    if not d > 0:
        raise InputError("the predicted face has no size")
    return float(KDTree(q).query(p)[0].mean()) / d


def florence(prediction: Shape, scan: Shape, *, size: str = "diagonal") -> tuple[dict[str, float], OnScan]:
    """Return the figures of protocol 3 for one prediction, and how it lies on the scan.

    The prediction's vertices are laid on the scan's surface by rigid ICP (`onto_scan`), then `normalised_mean_error`. The
    whole prediction counts, so that a head is to be cut to its face first.
    """
    found = onto_scan(prediction, scan)
    points = found.placed.vertices[found.rows]
    figures = {
        "nme": normalised_mean_error(points, scan.vertices, size=size),
        "mesh_to_scan_mm": float(found.distance.mean()),
        "vertices": float(len(points)),
    }
    return figures, found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OnScan:
    """A prediction laid on a scan by its own vertices.

    Attributes
    ----------
    placed : the prediction, moved.
    rows : (k,) its vertices that count, those of its faces.
    distance : (k,) mm of each to the scan's surface.
    start : which start of the alignment won.
    """

    placed: Shape
    rows: npt.NDArray[np.intp]
    distance: FloatArray
    start: str


def onto_scan(prediction: Shape, scan: Shape) -> OnScan:
    """Lay a prediction on a scan by rigid ICP over its own vertices: a face may be a part of a scanned head.

    Minimises the distances of the prediction's vertices to the scan's surface (to its points if it has no faces), from the
    landmarks where both have them, else from several starts (`search.search`).

    Raises
    ------
    InputError
        If landmarks do not fit, or the prediction ends elsewhere.
    """
    rows = np.unique(prediction.faces).astype(np.intp)
    points = prediction.vertices[rows]
    dots = np.repeat(np.arange(len(scan.vertices), dtype=np.int32)[:, None], 3, axis=1)
    surface = Surface(scan.vertices, scan.faces if len(scan.faces) else dots)
    if prediction.landmarks is not None and scan.landmarks is not None:
        start, _ = landmark_start(prediction.landmarks, scan.landmarks, metrical=True)
        found = refine(surface, points, start.inverse(), with_scale=False, label="landmarks")
    else:
        found = search(surface, points, with_scale=False)
    check_aligned(found)
    move = found.scan_from_prediction.inverse()
    landmarks = None if prediction.landmarks is None else move.apply(prediction.landmarks)
    placed = replace(prediction, vertices=move.apply(prediction.vertices), landmarks=landmarks)
    return OnScan(placed=placed, rows=rows, distance=found.distance, start=found.start)


def cut_to_face(shape: Shape) -> Shape:
    """Return what of a shape with labelled regions is face: from the forehead to the chin, cheek to cheek.

    Raises
    ------
    InputError
        If it has no such regions.
    """
    if shape.labels is None:
        raise InputError("the mean head has no regions, so its face cannot be cut out")
    keep = np.isin(shape.labels, [i for i, name in enumerate(shape.label_names) if name in FACE])
    used, faces = np.unique(shape.faces[keep[shape.faces].all(axis=1)], return_inverse=True)
    if not len(used):
        raise InputError("the mean head has no face among its regions")
    return replace(
        shape, vertices=shape.vertices[used], faces=faces.reshape(-1, 3).astype(np.int32), labels=shape.labels[used]
    )


def depth_difference(scan: npt.ArrayLike, vertices: npt.ArrayLike, faces: npt.ArrayLike) -> FloatArray:
    """Return prediction minus scan along z (n,), mm, at the scan's vertices; NaN where no face lies at that x, y.

    The face seen first from +z is looked up on a grid of 0.25 mm; the depth on it is exact.

    Parameters
    ----------
    scan : (n, 3) mm, +z towards the viewer.
    vertices, faces : the aligned prediction.
    """
    x, v = as_array("scan", scan, (None, 3)), as_array("vertices", vertices, (None, 3))
    f = as_array("faces", faces, (None, 3), np.int32)
    low = np.minimum(x[:, :2].min(axis=0), v[:, :2].min(axis=0)) - 1.0
    high = np.maximum(x[:, :2].max(axis=0), v[:, :2].max(axis=0)) + 1.0
    pixel = max(_PIXEL_MM, float((high - low).max()) / 4000)
    width, height = (np.ceil((high - low) / pixel).astype(int) + 1).tolist()
    front = float(max(v[:, 2].max(), x[:, 2].max())) + 1000.0
    on_grid = np.column_stack([(v[:, :2] - low) / pixel, front - v[:, 2]])
    raster = rasterise(on_grid, f, width, height)
    cell = ((x[:, :2] - low) / pixel).astype(int)
    face = raster.face_index[cell[:, 1], cell[:, 0]]
    difference: FloatArray = np.full(len(x), np.nan)
    hit = np.flatnonzero(face >= 0)
    a, b, c = (v[f[face[hit], corner]] for corner in range(3))
    normal = np.cross(b - a, c - a)
    steep = np.abs(normal[:, 2]) < 1e-3 * np.linalg.norm(normal, axis=1)
    hit, a, normal = hit[~steep], a[~steep], normal[~steep]
    offset = x[hit, :2] - a[:, :2]
    z = a[:, 2] - (offset * normal[:, :2]).sum(axis=1) / normal[:, 2]
    difference[hit] = z - x[hit, 2]
    return difference


def depth_figures(difference: npt.ArrayLike) -> dict[str, float]:
    """Return mean, standard deviation, median and "90 % largest" of absolute depth errors, mm, and the share covered.

    "90 % largest" is read as the mean of the errors above the 90th percentile, the worst tenth.
    """
    d = np.asarray(difference, dtype=np.float64)
    error = np.abs(d[np.isfinite(d)])
    if not len(error):
        raise InputError("prediction and scan do not overlap in x and y")
    tail = error[error >= np.quantile(error, 0.9)]
    return {
        "mean_mm": float(error.mean()),
        "std_mm": float(error.std()),
        "median_mm": float(np.median(error)),
        "worst_tenth_mm": float(tail.mean()),
        "covered": float(len(error) / len(d)),
    }


def projected_error(closest: npt.ArrayLike, scan: npt.ArrayLike, normals: npt.ArrayLike) -> tuple[float, float]:
    """Return mean and variance of e_k = (a_k - b_k) . n_k over the scan's vertices (normals paper, eq. 9), mm and mm^2.

    Over a set of examples, e is the mean of the means and sigma the root of the mean variance.

    Parameters
    ----------
    closest : (n, 3) a_k, points of the aligned prediction that belong to
    scan : (n, 3) b_k, with
    normals : (n, 3) n_k, unit normals of the scan (rows of zeros are left out).
    """
    n = as_array("normals", normals, (None, 3))
    e = ((as_array("closest", closest, (len(n), 3)) - as_array("scan", scan, (len(n), 3))) * n).sum(axis=1)
    e = e[(n**2).sum(axis=1) > 0.5]
    if not len(e):
        raise InputError("the scan has no normals: it needs faces")
    return float(e.mean()), float(e.var())


def bu3dfe(
    prediction: Shape, scan: Shape, *, metrical: bool = False
) -> tuple[dict[str, float], FloatArray, ScanToMesh]:
    """Return the figures of protocol 4 for one prediction, its absolute depth errors (mm), and the alignment.

    Aligned over the whole scan (with scale unless metrical), from the landmarks where both have them, else from several
    starts; depth along the scan's z, at those of its vertices that are seen from there.
    """
    found = scan_to_mesh(prediction, scan, metrical=metrical, reach=np.inf)
    placed = found.alignment.scan_from_prediction.apply(prediction.vertices)
    points = scan.vertices[found.rows]
    difference = depth_difference(points, placed, prediction.faces)
    if len(scan.faces):  # a depth map has one depth at each place: what the scan itself hides does not count
        hidden = np.abs(depth_difference(points, scan.vertices, scan.faces)) > _HIDDEN_MM
        points, difference = points[~hidden], difference[~hidden]
        found = replace(found, rows=found.rows[~hidden], distance=found.distance[~hidden])
        closest = found.alignment.closest[~hidden]
    else:
        closest = found.alignment.closest
    figures = depth_figures(difference)
    if len(scan.faces):
        normals = vertex_normals(scan.vertices, scan.faces)[found.rows]
        figures["eq9_mean_mm"], figures["eq9_variance_mm2"] = projected_error(closest, points, normals)
    return figures, np.abs(difference[np.isfinite(difference)]), found
