"""One closed outer surface of a head, for printing: eyes and mouth closed, the neck capped by a flat foot.

Eye sockets and the inside of the mouth are cut away along the lids and lips; the slits are closed from the upper to the
lower side, over the eyeball or straight from lip to lip. The collar is drawn down to a plane and filled. What is left is one solid
without a cavity; eyeballs, teeth and lashes as parts are not in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.geometry import Mesh, boundary_loops, connected_pieces, vertex_normals
from cephalon.head.model import HeadModel

Float = NDArray[np.float64]
Int = NDArray[Any]

FOOT_MM = 4.0
"""How far below the lowest point of the collar the flat foot lies."""

_ROWS = 5
_MOST_GROWTH = 10
_UNTANGLING = 12
_NEAR_MM = 4.0
_AROUND_MM = 10.0
_CUT = ("eye_sockets", "mouth_cavity")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solid:
    """A closed surface, mm, and what a printer needs to know of it.

    Attributes
    ----------
    mesh : closed, outward.
    volume_mm3 : of the solid.
    thinnest_mm : least distance through the solid between two sides that face away from each other (1 % quantile of
        the thin places; ears and lids). The solid is filled; it has no other wall.
    crossings : pairs of triangles that cross each other and could not be parted by smoothing (at lips, lids and ears, where
        skin touches skin).
    """

    mesh: Mesh
    volume_mm3: float
    thinnest_mm: float
    crossings: int


def printable_solid(
    model: HeadModel, vertices: Float, *, operator: Any = None, skin: NDArray[np.integer] | None = None
) -> Solid:
    """Return the closed outer surface of a head.

    Parameters
    ----------
    vertices : (n, 3) mm, a neutral head.
    operator, skin : a finer level: (n_fine, n) matrix from the model's vertices, and its (t, 3) skin triangles.

    Raises
    ------
    InputError
        If the model is of a face alone, or its skin has no opening at the neck.
    """
    from scipy.spatial import KDTree

    if "head length" in model.meta.get("not_measured", ()):
        raise InputError("printable solid: this model has a face but no back of the head")

    vertices = np.asarray(vertices, dtype=np.float64)
    balls = _eyeballs(model, vertices)
    weights = np.stack([model.regions[name] for name in _CUT], axis=1).astype(np.float64)
    if operator is not None:
        vertices, weights = np.asarray(operator @ vertices), np.asarray(operator @ weights)
    faces = np.asarray(model.faces[model.parts["skin"].faces] if skin is None else skin)
    cut = weights[faces].min(axis=1).max(axis=1) > 0.5
    opened = vertices[np.unique(faces[cut])] if cut.any() else vertices[:1]
    best: tuple[Int, Mesh] | None = None
    for _ in range(_MOST_GROWTH + 1):
        result = _closed(vertices, _largest_piece(faces[~cut], len(vertices)), balls)
        close = KDTree(opened).query(result.vertices, distance_upper_bound=_AROUND_MM)[0] < _AROUND_MM
        local = result.faces[close[result.faces].all(axis=1)]
        crossed = local[crossing_triangles(result.vertices, local).reshape(-1)]
        if best is None or len(crossed) < len(best[0]):
            best = (crossed, result)
        if not len(crossed):
            break
        # where lips press on each other the slit lies farther out: cut one ring more and close again
        edge = np.zeros(len(vertices), dtype=bool)
        edge[faces[cut]] = True
        places = result.vertices[crossed].mean(axis=1)
        edge &= KDTree(places).query(vertices, distance_upper_bound=_NEAR_MM)[0] < _NEAR_MM
        cut |= edge[faces].any(axis=1)
    assert best is not None
    result, crossings = untangled(best[1])
    return Solid(
        mesh=result,
        volume_mm3=volume(result.vertices, result.faces),
        thinnest_mm=thinnest(result.vertices, result.faces),
        crossings=crossings,
    )


def untangled(mesh: Mesh) -> tuple[Mesh, int]:
    """Even out the skin where triangles cross (an ear lobe that sinks into the neck), and return what crossings are left."""
    from scipy.sparse import csr_matrix

    faces, vertices = mesh.faces, mesh.vertices.copy()
    pairs = crossing_triangles(vertices, faces)
    fewest, best = len(pairs), vertices.copy()
    if not fewest:
        return mesh, 0
    a, b = faces.reshape(-1), np.roll(faces, -1, axis=1).reshape(-1)
    joined = csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(len(vertices),) * 2)
    degree = np.asarray(joined.sum(axis=1)).ravel()
    crossed = np.zeros(len(vertices))
    for _ in range(_UNTANGLING):
        crossed[faces[pairs.reshape(-1)]] = 1.0
        near = np.flatnonzero(np.maximum(crossed, joined @ crossed))
        vertices[near] += 0.5 * ((joined @ vertices)[near] / degree[near, None] - vertices[near])
        pairs = crossing_triangles(vertices, faces)
        if len(pairs) < fewest:
            fewest, best = len(pairs), vertices.copy()
        if not fewest:
            break
    return Mesh.from_triangles(best, faces), fewest


def _closed(vertices: Float, faces: Int, balls: list[tuple[Float, float]]) -> Mesh:
    """Close every border of the skin: the lowest by a foot, the others as slits."""
    loops = [loop for loop in boundary_loops(faces) if len(loop) >= 3]
    if not loops:
        raise InputError("printable solid: the skin has no opening at the neck")
    collar = min(range(len(loops)), key=lambda i: vertices[loops[i], 1].mean())
    pieces, points, count = [faces], [vertices], len(vertices)
    for i, loop in enumerate(loops):
        added, triangles = (
            _foot(vertices, loop, count) if i == collar else _lid(vertices, loop, count, balls, _chords(faces, loop))
        )
        points.append(added)
        pieces.append(triangles)
        count += len(added)
    closed = np.concatenate(pieces)
    used, numbers = np.unique(closed, return_inverse=True)
    return Mesh.from_triangles(np.concatenate(points)[used], numbers.reshape(-1, 3))


def volume(vertices: Float, faces: NDArray[np.integer]) -> float:
    """Return the signed volume enclosed by triangles, mm^3."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("td,td->", a, np.cross(b, c)) / 6)


def _largest_piece(faces: Int, count: int) -> Int:
    of_face = connected_pieces(faces, count)
    return faces[of_face == np.bincount(of_face).argmax()]


def _eyeballs(model: HeadModel, vertices: Float) -> list[tuple[Float, float]]:
    balls = []
    for name in ("left_eye", "right_eye"):
        part = model.parts.get(name)
        if part is None or part.vertices.stop > len(vertices):
            continue
        eye = vertices[part.vertices]
        centre = (eye.min(0) + eye.max(0)) / 2
        balls.append((centre, float(np.median(np.linalg.norm(eye - centre, axis=1)))))
    return balls


def _chords(faces: Int, loop: Int) -> set[tuple[int, int]]:
    """Edges of the skin between two vertices of a border that are no neighbours on it, lower number first."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    edges = edges[np.isin(edges, loop).all(axis=1)]
    border = {tuple(sorted(pair)) for pair in zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True)}
    return {(a, b) for a, b in edges.tolist()} - border


def _lid(
    vertices: Float, loop: Int, start: int, balls: list[tuple[Float, float]], taken: set[tuple[int, int]]
) -> tuple[Float, NDArray[np.integer]]:
    """Close a slit: join its upper to its lower side, straight across, or over the eyeball if it is one's.

    The sides part at the outermost points along x (the corners of an eye or of the mouth). No edge that is `taken` is laid again,
    for then four triangles would meet in it.
    """
    rim = vertices[loop]
    first, last = int(rim[:, 0].argmin()), int(rim[:, 0].argmax())
    one = np.roll(loop, -first)[: (last - first) % len(loop) + 1]
    two = np.roll(loop, -last)[: (first - last) % len(loop) + 1][::-1]
    middle = rim.mean(0)
    ball = next((found for found in balls if np.linalg.norm(middle - found[0]) < 1.6 * found[1]), None)
    rows: list[NDArray[np.integer]] = [np.asarray(one)]
    added = np.zeros((0, 3))
    if ball is not None and min(len(one), len(two)) > 3:
        along = np.linspace(0, 1, max(len(one), len(two)))[1:-1]
        sides = [_along(vertices[side], along) for side in (one, two)]
        for share in np.arange(1, _ROWS) / _ROWS:
            row = (1 - share) * sides[0] + share * sides[1]
            away = row - ball[0]
            on_ball = ball[0] + ball[1] * away / np.linalg.norm(away, axis=1, keepdims=True)
            row = row + 4 * share * (1 - share) * (on_ball - row)
            numbers = start + len(added) + np.arange(len(row))
            rows.append(np.concatenate([one[:1], numbers, one[-1:]]))
            added = np.concatenate([added, row])
    rows.append(np.asarray(two))
    placed = np.concatenate([vertices, np.zeros((start - len(vertices), 3)), added])
    strips = [_zip(placed, upper, lower, taken) for upper, lower in pairwise(rows)]
    return added, np.concatenate(strips)


def _along(chain: Float, share: Float) -> Float:
    """Return points of a polyline (k, 3) at shares (s,) of its length."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(chain, axis=0), axis=1))])
    return np.stack([np.interp(share * length[-1], length, chain[:, axis]) for axis in range(3)], axis=1)


def _zip(
    vertices: Float, one: NDArray[np.integer], two: NDArray[np.integer], taken: set[tuple[int, int]]
) -> NDArray[np.integer]:
    """Join two chains of vertex numbers by triangles, over the shorter free diagonal; `one` runs as the border does."""

    def length(a: int, b: int) -> float:
        used = (min(a, b), max(a, b)) in taken
        return float(np.linalg.norm(vertices[a] - vertices[b])) + (1e6 if used else 0.0)

    i = j = 0
    triangles = []
    while i + 1 < len(one) or j + 1 < len(two):
        a, b = one[i], two[j]
        step_one = length(int(one[i + 1]), int(b)) if i + 1 < len(one) else np.inf
        step_two = length(int(a), int(two[j + 1])) if j + 1 < len(two) else np.inf
        if step_one <= step_two:
            triangles.append((one[i + 1], a, b))
            i += 1
        else:
            triangles.append((a, b, two[j + 1]))
            j += 1
    found = np.array(triangles).reshape(-1, 3)
    same = (found[:, 0] == found[:, 1]) | (found[:, 1] == found[:, 2]) | (found[:, 2] == found[:, 0])
    return found[~same]


def _foot(vertices: Float, loop: Int, start: int) -> tuple[Float, NDArray[np.integer]]:
    rim = vertices[loop]
    down = rim.copy()
    down[:, 1] = rim[:, 1].min() - FOOT_MM
    middle = down.mean(0)
    rings = [down + share * (middle - down) for share in (0.0, 0.35, 0.7)]
    return _rings(loop, rings, middle, start)


def _rings(loop: Int, rings: list[Float], middle: Float, start: int) -> tuple[Float, NDArray[np.integer]]:
    """Join a border loop to rings of as many points and to a last point; the loop runs with the surface to its left."""
    k = len(loop)
    numbers = [np.asarray(loop, dtype=np.int64)] + [start + i * k + np.arange(k) for i in range(len(rings))]
    triangles = []
    for outer, inner in pairwise(numbers):
        following, further = np.roll(outer, -1), np.roll(inner, -1)
        triangles += [np.stack([following, outer, inner], axis=1), np.stack([following, inner, further], axis=1)]
    top = np.full(k, start + len(rings) * k)
    triangles.append(np.stack([np.roll(numbers[-1], -1), numbers[-1], top], axis=1))
    return np.concatenate([*rings, middle[None]]), np.concatenate(triangles)


def thinnest(vertices: Float, faces: NDArray[np.integer], reach_mm: float = 8.0) -> float:
    """Return how thin the solid gets, mm: 1 % quantile, over places thinner than `reach_mm`, of the way through.

    The way through at a vertex is the distance to the nearest triangle's middle that lies behind it and faces away.
    """
    from scipy.spatial import KDTree

    normals = vertex_normals(vertices, faces)
    middles = vertices[faces].mean(axis=1)
    corner = vertices[faces]
    facing = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    distance, near = KDTree(middles).query(vertices, k=min(64, len(faces)), distance_upper_bound=reach_mm)
    known = np.isfinite(distance)
    near = np.where(known, near, 0)
    way = middles[near] - vertices[:, None]
    behind = -np.einsum("vkd,vd->vk", way, normals)
    away = np.einsum("vkd,vd->vk", facing[near], normals) < -0.5
    through = known & away & (behind > 0.8 * distance)
    least = np.where(through, distance, np.inf).min(axis=1)
    least = least[np.isfinite(least)]
    return float(np.quantile(least, 0.01)) if len(least) else reach_mm


def crossing_triangles(vertices: Float, faces: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return pairs (p, 2) of triangles without a common vertex that cross: an edge of one pierces the other."""
    from scipy.spatial import KDTree

    if not len(faces):
        return np.zeros((0, 2), dtype=np.int64)
    corner = vertices[faces]
    middle = corner.mean(axis=1)
    radius = np.linalg.norm(corner - middle[:, None], axis=2).max(axis=1)
    size = np.floor(np.log2(np.maximum(radius, 1e-3))).astype(int)
    found = []
    for step in np.unique(size):  # each triangle against those of its size and smaller: few candidates at any density
        own, others = np.flatnonzero(size == step), np.flatnonzero(size <= step)
        reach = 2.0 ** (step + 2)
        lists = KDTree(middle[others]).query_ball_point(middle[own], np.minimum(2 * radius[own], reach))
        counts = np.array([len(entry) for entry in lists])
        inner = np.concatenate([np.asarray(entry, dtype=np.int64) for entry in lists]) if counts.sum() else own[:0]
        found.append(np.stack([np.repeat(own, counts), others[inner]], axis=1))
    pairs = np.concatenate(found)
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0)
    near = np.linalg.norm(middle[pairs[:, 0]] - middle[pairs[:, 1]], axis=1) < radius[pairs].sum(axis=1)
    shared = (faces[pairs[:, 0]][:, :, None] == faces[pairs[:, 1]][:, None, :]).any(axis=(1, 2))
    pairs = pairs[near & ~shared]
    crossed = np.zeros(len(pairs), dtype=bool)
    for first, second in ((0, 1), (1, 0)):
        one, other = corner[pairs[:, first]], corner[pairs[:, second]]
        for i in range(3):
            crossed |= _pierces(one[:, i], one[:, (i + 1) % 3], other)
    return pairs[crossed]


def _pierces(start: Float, stop: Float, triangle: Float) -> NDArray[np.bool_]:
    """Tell which segments pass through which triangles (Moeller and Trumbore 1997), all (p, 3) and (p, 3, 3)."""
    a, b, c = triangle[:, 0], triangle[:, 1], triangle[:, 2]
    way, ab, ac = stop - start, b - a, c - a
    h = np.cross(way, ac)
    volume_six = np.einsum("pd,pd->p", ab, h)
    inverse = 1.0 / np.where(np.abs(volume_six) > 1e-12, volume_six, np.inf)
    s = start - a
    u = inverse * np.einsum("pd,pd->p", s, h)
    q = np.cross(s, ab)
    v = inverse * np.einsum("pd,pd->p", way, q)
    t = inverse * np.einsum("pd,pd->p", ac, q)
    small = 1e-9
    return (
        (np.abs(volume_six) > 1e-12) & (u > small) & (v > small) & (u + v < 1 - small) & (t > small) & (t < 1 - small)
    )
