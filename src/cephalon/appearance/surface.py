"""The skin as a fine surface: the vertices on which all smooth fields (weights, gains, filling colours) live."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import KDTree

from cephalon.appearance.contours import CONTOURS, brow_hair, contoured_set, inside
from cephalon.export import fine_mesh
from cephalon.geometry import face_areas, vertex_normals
from cephalon.head import HeadModel

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkinSurface:
    """The m skin vertices of a model's fine level, and what depends on the model alone.

    Attributes
    ----------
    fine_index : (m,) their rows in the fine mesh.
    operator : (m, n) csr, from the model's vertices.
    faces : (t, 3) rows of the m vertices, in the order of the fine mesh's skin faces.
    regions : name -> (m,) float32 weight.
    mirror : (m,) row of the mirror image. left : (m,) bool, on the person's left side.
    edges : (e, 2) and `edge_weight` (e,) their cotangent weights on the mean head: `laplacian_of` them is positive
        semidefinite, and x^T L x the integral of the squared gradient.
    area_mm2 : (m,) of the mean head.
    trust : (m,) float32 in [0, 1]: how surely a vertex of the face shows this person's skin (or beard, or brow)
        whenever the camera sees it; 0 where hair, glasses or clothes are common.
    low : (m,) float32, 1 below the base of the nose, 0 from half its length upwards: where beards grow.
    grows : (m,) float32, where beards grow: that, before the ears, fading out under the jaw towards the neck.
    brows : (m,) float32 in [0, 1], where brows may have hair: less than the model's region, which is all that they move.
    lips : (m,) float32 in [0, 1], the red of the lips: the model's own regions, and what landmark sets outline.
    upper : (m,) bool, above the corners of the mouth.
    even : (m,) float32, skin of one colour, on which the light is measured.
    bare : (m,) float32, all but lips and, in part, lids.
    plain : (m,) float32, skin without colours of its own: all but lips, brows and, in part, lids.
    """

    fine_index: NDArray[np.int64]
    operator: Any
    faces: NDArray[np.int32]
    regions: dict[str, Float32]
    mirror: NDArray[np.int64]
    left: NDArray[np.bool_]
    edges: NDArray[np.int32]
    edge_weight: Float
    area_mm2: Float
    trust: Float32
    low: Float32
    grows: Float32
    brows: Float32
    lips: Float32
    upper: NDArray[np.bool_]
    even: Float32
    bare: Float32
    plain: Float32


@lru_cache(maxsize=2)
def skin_surface(model: HeadModel) -> SkinSurface:
    """Return the skin's fine surface (kept for the process)."""
    fine = fine_mesh(model)
    fine_faces = fine.mesh.faces[fine.parts["skin"].faces]
    fine_index = np.unique(fine_faces)
    row_of = np.full(len(fine.mesh.vertices), -1, dtype=np.int64)
    row_of[fine_index] = np.arange(len(fine_index))
    faces = row_of[fine_faces].astype(np.int32)
    operator = sparse.csr_matrix(fine.operator[fine_index])
    names = list(model.regions)
    spread = np.clip(operator @ np.stack([model.regions[name] for name in names], axis=1), 0, 1).astype(np.float32)
    regions = {name: np.ascontiguousarray(spread[:, i]) for i, name in enumerate(names)}
    vertices = operator @ model.mean
    edges, weights = _cotangents(vertices, faces)
    count = len(vertices)
    area = np.bincount(faces.reshape(-1), weights=np.repeat(face_areas(vertices, faces) / 3, 3), minlength=count)
    normal = vertex_normals(vertices, faces)
    inner = np.clip(1 - regions["mouth_cavity"] - regions["eye_sockets"] - regions["nostrils"], 0, 1)
    front = np.clip((normal[:, 2] - 0.35) / 0.35, 0, 1)
    # glasses and fringes reach down from above: trust begins below the eyes
    eyes, nose = (model.point_set("now7").positions(model.mean, model.faces)[rows, 1].mean() for rows in ([1, 2], [4]))
    below = (eyes - vertices[:, 1]) / (eyes - nose)  # 0 at the inner corners of the eyes, 1 at the base of the nose
    nose_trust, cheek_trust = np.clip(below / 0.3, 0, 1), np.clip((below - 0.4) / 0.5, 0, 1)
    lips = _lips(model, vertices, regions)
    trust = np.maximum.reduce(
        [
            regions["nose"] * nose_trust,
            regions["mouth"],
            lips,
            0.9 * regions["chin"] * front,
            0.85 * regions["cheeks"] * front * cheek_trust,
        ]
    )
    low = np.clip((below - 0.5) / 0.5, 0, 1)
    even = np.maximum.reduce([regions[name] for name in ("forehead", "cheeks", "nose", "chin", "mouth")])
    even = even * (1 - regions["brows"]) * (1 - regions["eyes"]) * (1 - lips)
    bare = (1 - np.clip(1.3 * lips, 0, 1)) * (1 - 0.6 * regions["eyes"])
    brows = np.clip(1.5 * regions["brows"], 0, 1) * _near_brows(model, vertices)
    return SkinSurface(
        fine_index=fine_index.astype(np.int64),
        operator=operator,
        faces=faces,
        regions=regions,
        mirror=_mirror_rows(model, operator),
        left=vertices[:, 0] > 0,
        edges=edges,
        edge_weight=weights,
        area_mm2=np.maximum(area, 1e-3),
        trust=(trust * inner).astype(np.float32),
        low=low.astype(np.float32),
        grows=(_grows(vertices, regions, low, lips) * inner).astype(np.float32),
        brows=brows.astype(np.float32),
        lips=lips.astype(np.float32),
        upper=vertices[:, 1] > model.point_set("now7").positions(model.mean, model.faces)[5:, 1].mean(),
        even=(even * inner).astype(np.float32),
        bare=(bare * inner).astype(np.float32),
        plain=(bare * (1 - brows) * inner).astype(np.float32),
    )


_LIP_EDGE_MM = 1.2  # over which the red of the lips fades into the skin


def _lips(model: HeadModel, vertices: Float, regions: dict[str, Float32]) -> Float:
    """Return the red of the lips (m,), 0 to 1: the model's regions, and all that landmark sets outline, seen from ahead.

    The model's regions leave the upper half of the upper lip out, which landmarks on photos do not.
    """
    lips = np.maximum(regions["lips_upper"], regions["lips_lower"]).astype(np.float64)
    name = contoured_set(model)
    if name is None:
        return lips
    points = model.point_set(name).positions(model.mean, model.faces)
    loop = points[list(CONTOURS[name].outer_lips), :2]
    near = np.flatnonzero(regions["mouth"] + lips > 0.01)
    place = vertices[near, :2]
    along = np.linspace(0, 1, 20, endpoint=False)[:, None, None]
    border = (loop + along * (np.roll(loop, -1, axis=0) - loop)).reshape(-1, 2)
    away = np.asarray(KDTree(border).query(place)[0])
    depth = np.where(inside(place[:, 0], place[:, 1], loop), away, -away)
    outlined = np.clip(0.5 + depth / _LIP_EDGE_MM, 0, 1) * (1 - regions["mouth_cavity"][near])
    lips[near] = np.maximum(lips[near], outlined)
    return lips


_BROW_MM = 4.0  # around the usual brow hair may be


def _near_brows(model: HeadModel, vertices: Float) -> Float:
    """Return how near each vertex (m,) is to the brows, 0 to 1: the ridge above them is skin, with its shades."""
    name = contoured_set(model)
    if name is None:
        return np.ones(len(vertices))
    places = model.point_set(name).positions(model.mean, model.faces)
    eyes = [places[list(loop)] for loop in CONTOURS[name].eyes]
    corners = model.point_set("now7").positions(model.mean, model.faces)[[0, 3]]
    across = float(np.linalg.norm(corners[0] - corners[1]))
    filled = []
    for loop, eye in zip(CONTOURS[name].brows, eyes, strict=True):
        brow = brow_hair(places[list(loop)], eye, across)
        half = len(brow) // 2
        along = np.linspace(0, half - 1, 4 * half)
        knots = np.arange(half)
        edges = [
            np.stack([np.interp(along, knots, side[:, axis]) for axis in range(3)], axis=1)
            for side in (brow[:half], brow[: half - 1 : -1])
        ]
        filled += [edges[0] + share * (edges[1] - edges[0]) for share in np.linspace(0, 1, 5)]
    away = np.asarray(KDTree(np.concatenate(filled)).query(vertices)[0])
    return np.clip(1.75 - away / _BROW_MM, 0, 1)


_UNDER_JAW_MM = 32.0  # how far a beard reaches down from the jaw, on the mean head
_BEFORE_EARS_MM = 16.0  # over which it begins before the ears


def _grows(vertices: Float, regions: dict[str, Float32], low: Float, lips: Float) -> Float:
    """Return where beards grow (m,), 0 to 1."""
    face = np.clip(regions["mouth"] + regions["chin"] + regions["jaw"] + regions["cheeks"], 0, 1) * low
    jaw = (regions["jaw"] + regions["chin"] > 0.5) & (vertices[:, 2] > 0)
    if not jaw.any():
        return face
    away = np.asarray(KDTree(vertices[jaw]).query(vertices)[0])
    below = regions["neck"] * np.clip(1 - away / _UNDER_JAW_MM, 0, 1)
    return np.maximum(face, below) * np.clip(vertices[:, 2] / _BEFORE_EARS_MM, 0, 1) * (1 - np.clip(1.3 * lips, 0, 1))


def laplacian_of(edges: NDArray[Any], weights: Float, count: int) -> Any:
    """Return the Laplacian (count, count), csr, of a graph with weighted edges (e, 2)."""
    adjacency = sparse.coo_matrix((weights, (edges[:, 0], edges[:, 1])), shape=(count, count)).tocsr()
    adjacency = adjacency + adjacency.T
    return sparse.csr_matrix(sparse.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency)


def _mirror_rows(model: HeadModel, operator: Any) -> NDArray[np.int64]:
    """Pair fine vertices by what they are made of: the mean head need not be exactly symmetric."""
    marks = np.random.default_rng(0).standard_normal((operator.shape[1], 3))
    nearest = KDTree(operator @ marks).query(operator @ marks[model.symmetry])[1]
    return np.asarray(nearest, dtype=np.int64)


def _cotangents(vertices: Float, faces: NDArray[np.int32]) -> tuple[NDArray[np.int32], Float]:
    """Return edges (e, 2) with i < j and their cotangent weights, kept above a small positive bound."""
    total: dict[str, Any] = {"pairs": [], "weights": []}
    for k in range(3):
        i, j, apex = faces[:, k], faces[:, (k + 1) % 3], faces[:, (k + 2) % 3]
        a, b = vertices[i] - vertices[apex], vertices[j] - vertices[apex]
        cross = np.maximum(np.linalg.norm(np.cross(a, b), axis=1), 1e-6)
        total["pairs"].append(np.sort(np.stack([i, j], axis=1), axis=1))
        total["weights"].append(0.5 * np.einsum("nd,nd->n", a, b) / cross)
    pairs, weights = np.concatenate(total["pairs"]), np.concatenate(total["weights"])
    key = pairs[:, 0].astype(np.int64) * len(vertices) + pairs[:, 1]
    unique, place = np.unique(key, return_inverse=True)
    summed = np.bincount(place, weights=weights, minlength=len(unique))
    edges = np.stack(np.divmod(unique, len(vertices)), axis=1).astype(np.int32)
    return edges, np.clip(summed, 0.05, 5.0).astype(np.float64)
