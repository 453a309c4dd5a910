"""Protocol 11: errors by region with correspondence, after REALY (Chai et al. 2022) and arXiv 2505.18025."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.evaluate.alignment import refine
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.now import ScanToMesh
from cephalon.evaluate.surface import Surface
from cephalon.geometry import edges, procrustes

FloatArray = npt.NDArray[np.float64]

# Those of the protocol; a neck is bent and clothed and tells no head from another.
REGIONS = ("nose", "mouth", "eyes", "forehead", "cheeks", "chin", "ears", "skull")
_FEWEST = 60
_STIFFNESS = (50.0, 20.0, 8.0, 3.0, 1.0, 0.4)


def vertex_to_vertex(
    prediction: npt.ArrayLike, truth: npt.ArrayLike, rows: npt.NDArray | None = None, *, with_scale: bool = False
) -> FloatArray:
    """Return distances (k,) mm between vertices of a shared topology after the best rigid (or similarity) alignment.

    Parameters
    ----------
    prediction, truth : (n, 3) mm, row by row the same vertex.
    rows : (k,) vertices that are aligned and counted; all when not given.
    """
    a = as_array("prediction", prediction, (None, 3))
    b = as_array("truth", truth, (len(a), 3))
    if rows is not None:
        a, b = a[rows], b[rows]
    return np.linalg.norm(procrustes(a, b, with_scale=with_scale).apply(a) - b, axis=1)


def nonrigid_register(
    vertices: npt.ArrayLike,
    faces: npt.ArrayLike,
    surface: Surface,
    *,
    stiffness: Sequence[float] = _STIFFNESS,
    reach_mm: float = 15.0,
) -> FloatArray:
    """Return vertices (n, 3) moved onto a surface, smoothly (non-rigid ICP with one displacement a vertex).

    For each stiffness alpha, high to low, the displacements d minimise

        sum_i w_i | v_i + d_i - c_i |^2 + alpha sum_(i,j) | d_i - d_j |^2

    over the vertices and the edges (i, j), with c_i closest to the vertex where it last stood and w_i 0 beyond
    `reach_mm`, else 1 (Amberg, Romdhani, Vetter 2007 with translations for affine maps).

    Raises
    ------
    InputError
        If no vertex lies within reach.
    """
    from scipy.sparse import coo_array, csc_array, diags_array
    from scipy.sparse.linalg import splu

    v = as_array("vertices", vertices, (None, 3))
    pairs = edges(np.asarray(faces, dtype=np.int32))
    count = len(v)
    signs = np.tile([1.0, -1.0], len(pairs))
    difference = coo_array((signs, (np.repeat(np.arange(len(pairs)), 2), pairs.reshape(-1))), shape=(len(pairs), count))
    smooth = csc_array(difference.T @ difference)
    moved = v.copy()
    for alpha in stiffness:
        for _ in range(2):
            found = surface.closest(moved)
            weight = (found.distance < reach_mm).astype(np.float64)
            if not weight.any():
                raise InputError("no point of the region lies within reach of the scan")
            system = csc_array(alpha * smooth + diags_array(weight + 1e-9))
            moved = v + splu(system).solve(weight[:, None] * (found.point - v))
    return moved


def submesh(
    vertices: FloatArray, faces: npt.NDArray[np.integer], keep: npt.NDArray[np.bool_]
) -> tuple[FloatArray, npt.NDArray]:
    """Return the vertices and faces of the faces whose corners are all kept."""
    chosen = faces[keep[faces].all(axis=1)]
    used, inverse = np.unique(chosen, return_inverse=True)
    return vertices[used], inverse.reshape(-1, 3).astype(np.int32)


def region_errors(
    prediction: Shape, scan: Shape, found: ScanToMesh, labels: npt.NDArray[np.integer], names: Sequence[str]
) -> dict[str, float]:
    """Return region -> mean error, mm, of one prediction.

    For each region of the scan: rigid alignment of the prediction by that region's points alone, from the global
    alignment; the part of the prediction that lies there; its non-rigid registration to the scan, which gives every
    vertex a corresponding place on the scan; the error is the distance of the rigidly aligned vertex to that place.

    Parameters
    ----------
    prediction, scan : mm; the scan has faces.
    found : the global comparison; `labels` are of its scan vertices (`found.rows`), -1 for none, rows of `names`.

    Raises
    ------
    InputError
        If the scan has no faces, or no region is large enough.
    """
    if not len(scan.faces):
        raise InputError("the regions protocol needs a scan with faces")
    mesh = Surface(prediction.vertices, prediction.faces)
    target = Surface(scan.vertices, scan.faces)  # all of it: at the border of a crop there is nothing to correspond to
    errors: dict[str, float] = {}
    for number, name in enumerate(names):
        points = scan.vertices[found.rows[labels == number]]
        if name not in REGIONS or len(points) < _FEWEST:
            continue
        own = refine(
            mesh, points, found.alignment.scan_from_prediction, with_scale=False, max_iterations=30, coarse=False
        )
        move = own.scan_from_prediction
        touched = np.zeros(len(prediction.vertices), dtype=bool)
        touched[prediction.faces[np.unique(own.face)].reshape(-1)] = True
        part, part_faces = submesh(prediction.vertices, prediction.faces, touched)
        if len(part) < 10:
            continue
        placed = move.apply(part)
        registered = nonrigid_register(placed, part_faces, target)
        place = target.closest(registered).point
        errors[name] = float(np.linalg.norm(placed - place, axis=1).mean())
    if not errors:
        raise InputError("no region of the scan has enough vertices")
    return errors
