"""Protocols 3 and 4: MICC Florence (normalised mean error) and BU-3DFE (depth, the normals paper's equation 9)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.now import scan_to_mesh
from cephalon.geometry import rasterise, vertex_normals

FloatArray = npt.NDArray[np.float64]

_PIXEL_MM = 0.25


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


def florence(prediction: Shape, scan: Shape, *, size: str = "diagonal") -> dict[str, float]:
    """Return the figures of protocol 3 for one prediction: rigid alignment, then `normalised_mean_error`.

    Rigid ICP, from the landmarks where both have them, else from several starts (`search.search`). The whole prediction
    counts, so that a head is to be cut to its face first.
    """
    found = scan_to_mesh(prediction, scan, metrical=True)
    move = found.alignment.scan_from_prediction
    used = np.unique(prediction.faces)
    nme = normalised_mean_error(move.apply(prediction.vertices[used]), scan.vertices, size=size)
    return {"nme": nme, "scan_to_mesh_mm": found.mean_mm, "vertices": float(len(used))}


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


def bu3dfe(prediction: Shape, scan: Shape, *, metrical: bool = False) -> tuple[dict[str, float], FloatArray]:
    """Return the figures of protocol 4 for one prediction, and its absolute depth errors (mm).

    Alignment as `florence` (with scale unless metrical), over the whole scan; depth along the scan's z.
    """
    found = scan_to_mesh(prediction, scan, metrical=metrical)
    placed = found.alignment.scan_from_prediction.apply(prediction.vertices)
    points = scan.vertices[found.rows]
    difference = depth_difference(points, placed, prediction.faces)
    figures = depth_figures(difference)
    if len(scan.faces):
        normals = vertex_normals(scan.vertices, scan.faces)[found.rows]
        figures["eq9_mean_mm"], figures["eq9_variance_mm2"] = projected_error(found.alignment.closest, points, normals)
    return figures, np.abs(difference[np.isfinite(difference)])
