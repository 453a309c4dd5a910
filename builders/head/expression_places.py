"""Non-rigid registration of the mean head onto ICT-FaceKit's neutral face: where on it each of our vertices lies.

Optimal-step non-rigid ICP (Amberg, Romdhani and Vetter 2007, CVPR) with a Laplacian of the displacement as stiffness,
point-to-plane distances, and the lids' margins, the line between the lips and iBUG's landmarks as anchors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from builders.head.base import HeadBase, load_landmarks
from builders.head.expression_source import ExpressionFace
from builders.head.on_surface import closest_on_triangles
from builders.head.regions import mirrored_loop
from cephalon.geometry import Similarity, face_normals, procrustes, triangulate, vertex_normals

Float = NDArray[np.float64]

STIFFNESS = (400.0, 150.0, 60.0, 25.0, 10.0, 5.0, 3.0, 2.0, 1.5, 1.0)
"""Weight of the displacement's Laplacian, from stiff to soft."""

FARTHEST_MM = (30.0, 25.0, 20.0, 15.0, 10.0, 8.0, 6.0, 5.0, 5.0, 5.0)
"""Pairs farther apart do not count."""

LEAST_COSINE = 0.5
"""Least cosine between the normals of a pair."""

TANGENTIAL = 0.02
"""Weight of the distance along the surface beside that across it."""

CURVE_WEIGHT, LANDMARK_WEIGHT = 4.0, 0.3

RIGID_ROWS = (27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45, 48, 51, 54, 57)
ANCHOR_ROWS = (27, 28, 29, 30, 31, 32, 33, 34, 35, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59)
"""Rows of iBUG's 68 that align the heads and that hold the registration."""

CANDIDATES = 10
"""Triangles near in their middles among which the nearest is sought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Correspondence:
    """Places on ICT-FaceKit's face for vertices of ours.

    Attributes
    ----------
    to_head : similarity from ICT's axes to the head frame.
    matched : (n,) bool, vertices that have a place.
    corners : (n, 3) int and weights (n, 3): the place; meaningless where not matched.
    distance_mm : (n,) left between the registered vertex and its place.
    """

    to_head: Similarity
    matched: NDArray[np.bool_]
    corners: NDArray[np.int64]
    weights: Float
    distance_mm: Float

    def carry(self, field: Float) -> Float:
        """Values (n, c) at our vertices of a field (v, c) over ICT's."""
        return np.einsum("nk,nkc->nc", self.weights, field[self.corners])


def find_places(
    base: HeadBase, mean: Float, ibug68: Float, regions: dict[str, Float], face: ExpressionFace
) -> Correspondence:
    """Register the skin of the mean head (n, 3) mm, with landmarks (68, 3), onto an ICT face."""
    rows = list(RIGID_ROWS)
    to_head = procrustes(face.vertices[face.landmarks68[rows]], ibug68[rows], with_scale=True)
    target = to_head.apply(face.vertices)
    skin = base.part("skin")[0].stop
    triangles = triangulate(base.polygons[base.part("skin")[1]])[0]
    takes_part = _visible(mean, regions)[:skin]
    anchors, anchor_weight = _anchors(base, mean, ibug68, target, face)
    laplacian = _laplacian(triangles, skin)
    stiffness = sparse.kron(laplacian.T @ laplacian, sparse.identity(3)).tocsc()
    target_normals = face_normals(target, face.triangles)
    tree = cKDTree(target[face.triangles].mean(axis=1))
    at = mean[:skin].copy()
    for stiff, farthest in zip(STIFFNESS, FARTHEST_MM, strict=True):
        place, _, normal, distance = _nearest(at, vertex_normals(at, triangles), target, face, tree, target_normals)
        use = takes_part & (distance < farthest)
        pull = use[:, None, None] * (normal[:, :, None] * normal[:, None, :] + TANGENTIAL * np.eye(3))
        pull += anchor_weight[:, None, None] * np.eye(3)
        goal = np.einsum("nij,nj->ni", pull - anchor_weight[:, None, None] * np.eye(3), place - mean[:skin])
        goal += anchor_weight[:, None] * (anchors - mean[:skin])
        system = stiff * stiffness + sparse.block_diag(list(pull + 1e-6 * np.eye(3)), format="csc")
        at = mean[:skin] + splu(system.tocsc()).solve(goal.ravel()).reshape(-1, 3)
    place, found, _, distance = _nearest(at, vertex_normals(at, triangles), target, face, tree, target_normals)
    return _joined(len(mean), to_head, takes_part & (distance < FARTHEST_MM[-1]), found, distance)


def _joined(
    n: int, to_head: Similarity, matched: NDArray[np.bool_], found: tuple[NDArray[np.int64], Float], distance: Float
) -> Correspondence:
    pad = n - len(matched)
    return Correspondence(
        to_head=to_head,
        matched=np.pad(matched, (0, pad)),
        corners=np.pad(found[0], ((0, pad), (0, 0))),
        weights=np.pad(found[1], ((0, pad), (0, 0))),
        distance_mm=np.pad(distance, (0, pad)),
    )


def _visible(mean: Float, regions: dict[str, Float]) -> NDArray[np.bool_]:
    """Vertices (n,) of skin that both models show: not in cavities, not on ears, not the back of the head."""
    hidden = np.max([regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils", "ears")], axis=0)
    return (hidden < 0.02) & (mean[:, 2] > -25) & (mean[:, 1] < 70) & (mean[:, 1] > -140)


def _anchors(base: HeadBase, mean: Float, ibug68: Float, target: Float, face: ExpressionFace) -> tuple[Float, Float]:
    """Positions (s, 3) where skin vertices must go and their weights (s,), 0 for none."""
    skin = base.part("skin")[0].stop
    goal, weight = mean[:skin].copy(), np.zeros(skin)
    near = cKDTree(mean[:skin]).query(ibug68)[1]
    for row in ANCHOR_ROWS:
        goal[near[row]] = mean[near[row]] + target[face.landmarks68[row]] - ibug68[row]
        weight[near[row]] = LANDMARK_WEIGHT
    left = base.asset_index(load_landmarks()["loops"]["left_lid"])
    mouth = base.asset_index(load_landmarks()["loops"]["mouth"])
    theirs = target[face.lids]
    for loop, curve in (
        (left, theirs),
        (mirrored_loop(left, base.symmetry), theirs * [-1, 1, 1]),
        (mouth, target[face.lips]),
    ):
        goal[loop] = _along(mean[loop], curve)
        weight[loop] = CURVE_WEIGHT
    return goal, weight


def _along(loop: Float, curve: Float) -> Float:
    """Points (k, 3) of a closed curve where a loop's points (k, 3) lie, both parted at their corners in x."""
    placed = np.zeros_like(loop)
    for upper in (True, False):
        ours, theirs = _half(loop, upper=upper), _half(curve, upper=upper)
        share, path = _arc(loop[ours]), _arc(curve[theirs])
        for axis in range(3):
            placed[ours, axis] = np.interp(share, path, curve[theirs, axis])
    return placed


def _half(loop: Float, *, upper: bool) -> NDArray[np.intp]:
    """Rows of a closed loop (k, 3) from its least to its greatest x along the upper or lower way, both included."""
    turned = np.roll(np.arange(len(loop)), -int(np.argmin(loop[:, 0])))
    end = int(np.argmax(loop[turned, 0]))
    ways = turned[: end + 1], np.r_[turned[0], turned[end:][::-1]]
    heights = [loop[way[1:-1], 1].mean() for way in ways]
    return ways[int(np.argmax(heights) if upper else np.argmin(heights))]


def _arc(path: Float) -> Float:
    """Share (k,) of a path's length at its points (k, 3)."""
    length = np.r_[0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))]
    return length / length[-1]


def _nearest(
    points: Float, normals: Float, target: Float, face: ExpressionFace, tree: cKDTree, target_normals: Float
) -> tuple[Float, tuple[NDArray[np.int64], Float], Float, Float]:
    """Place (k, 3), its (corners, weights), its normal and the distance, on triangles that face the same way."""
    _, candidates = tree.query(points, k=CANDIDATES)
    best = np.full(len(points), np.inf)
    corners, weights = np.zeros((len(points), 3), dtype=np.int64), np.zeros((len(points), 3))
    normal = np.zeros_like(points)
    for rows in np.asarray(candidates).T:
        barycentric, distance = closest_on_triangles(points, target[face.triangles[rows]])
        facing = np.einsum("kc,kc->k", normals, target_normals[rows]) > LEAST_COSINE
        better = facing & (distance < best)
        best[better] = distance[better]
        corners[better], weights[better] = face.triangles[rows[better]], barycentric[better]
        normal[better] = target_normals[rows[better]]
    place = np.einsum("kc,kcd->kd", weights, target[corners])
    place[~np.isfinite(best)] = points[~np.isfinite(best)]
    return place, (corners, weights), normal, best


def _laplacian(triangles: NDArray[np.int32], count: int) -> sparse.csr_matrix:
    """Uniform Laplacian (s, s) of the triangles' edges."""
    a, b = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    adjacency.data[:] = 1.0
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    return sparse.csr_matrix(sparse.identity(count) - sparse.diags(1 / np.maximum(degree, 1)) @ adjacency)
