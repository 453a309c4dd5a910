"""The MakeHuman base mesh cut to head and neck, and the shape targets restricted to it.

What `builders.head.makehuman` reads, cut and joined; see `target_names` there for the names of targets.

How to use it
-------------
>>> from builders.head.base import load_base
>>> base = load_base()                                    # doctest: +SKIP
>>> raw = base.vertices                                   # doctest: +SKIP
>>> raw = raw + 0.5 * base.target("head/head-oval")       # doctest: +SKIP
>>> raw = raw + base.target("faceunits/jawOpen")          # doctest: +SKIP
>>> to_head = head_frame(base, raw)                       # doctest: +SKIP
>>> head = to_head.points(raw); delta = to_head.offsets(base.target("faceunits/jawOpen"))  # doctest: +SKIP

``base.vertices`` and everything ``base.target`` returns have one row per vertex of the *asset* (skin
first, then the parts, see ``base.part_names``), in millimetres and in MakeHuman's own axes (+x the
person's left, +y up, +z forward, origin in the body's middle). Targets are linear, so they may be
mixed freely before or after the rigid map into the head frame. ``base.hm08_index`` gives the hm08
vertex behind each asset vertex; asset vertices are a fixed linear map of the hm08 vertices
(``base.operator``), which is a plain selection wherever ``hm08_index >= 0``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import sparse

from builders.head.eyes import affine_weights, fit_sphere, make_eyeball
from builders.head.makehuman import ACTIONS, Hm08, hm08_target, load_hm08, load_landmarks
from builders.head.teeth import LOWER, UPPER, make_arch

PART_NAMES = (
    "skin",
    "left_eye",
    "right_eye",
    "upper_teeth",
    "lower_teeth",
    "tongue",
    "left_lashes",
    "right_lashes",
)
"""Parts of the asset in their order; the skin comes first."""

PART_GROUPS = {
    "left_eye": ("helper-l-eye",),
    "right_eye": ("helper-r-eye",),
    "upper_teeth": ("helper-upper-teeth",),
    "lower_teeth": ("helper-lower-teeth",),
    "tongue": ("helper-tongue",),
    "left_lashes": ("helper-l-eyelashes-1", "helper-l-eyelashes-2"),
    "right_lashes": ("helper-r-eyelashes-1", "helper-r-eyelashes-2"),
}
"""hm08 face groups of every part but the skin."""

UPPER_TEETH_FROM_LIPS_MM = np.array([0.0, -1.6, -1.5])
LOWER_TEETH_FROM_LIPS_MM = np.array([0.0, 0.5, -4.7])
"""Biting edge of the front teeth from the mean of the lips' inner edge on the base mesh, head frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadBase:
    """The head cut out of hm08: the asset's topology without its own uv.

    With n vertices and m polygons in asset order (skin first, then ``part_names``).

    Attributes
    ----------
    vertices : (n, 3) float64, mm, MakeHuman's axes, the neutral base mesh without any target.
    polygons : (m, 4) int32, counter-clockwise from outside; -1 as fourth corner of a triangle.
    makehuman_uv : (t, 2) float64, MakeHuman's own texture coordinates of the skin (to carry over its skins).
    polygons_makehuman_uv : (skin polygons, 4) int32 into ``makehuman_uv``.
    part_names : names of the parts.
    part_vertices, part_polygons : (p, 2) int32, [start, stop) of each part.
    symmetry : (n,) int32, the vertex on the other side.
    hm08_index : (n,) int32, the hm08 vertex behind each vertex, -1 where it is a blend of several.
    operator : (n, 19158) sparse; ``operator @ hm08_vertices`` are the asset's vertices.
    motion_operator : (n, 19158) sparse, the same for facial actions: they leave eyeballs and upper teeth alone.
    """

    vertices: np.ndarray
    polygons: np.ndarray
    makehuman_uv: np.ndarray
    polygons_makehuman_uv: np.ndarray
    part_names: tuple[str, ...]
    part_vertices: np.ndarray
    part_polygons: np.ndarray
    symmetry: np.ndarray
    hm08_index: np.ndarray
    operator: sparse.csr_matrix
    motion_operator: sparse.csr_matrix

    def target(self, name: str) -> np.ndarray:
        """Offsets of one shape target on the asset's vertices.

        Parameters
        ----------
        name : as in :func:`target_names`, e.g. ``"head/head-oval"`` or ``"faceunits/jawOpen"``.

        Returns
        -------
        (n, 3) float64, mm, MakeHuman's axes.
        """
        operator = self.motion_operator if name.startswith(ACTIONS) else self.operator
        return operator @ hm08_target(name)

    def part(self, name: str) -> tuple[slice, slice]:
        """Vertex and polygon slices of a part."""
        k = self.part_names.index(name)
        return slice(*self.part_vertices[k].tolist()), slice(*self.part_polygons[k].tolist())

    def asset_index(self, hm08_vertices: Iterable[int]) -> np.ndarray:
        """Asset vertices behind hm08 vertices; raises ``KeyError`` for one that the head lacks."""
        where = {int(h): i for i, h in enumerate(self.hm08_index) if h >= 0}
        return np.array([where[int(h)] for h in hm08_vertices], dtype=np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class RigidMap:
    """A rotation (3, 3) and a translation (3,) mm: x -> rotation @ x + translation."""

    rotation: np.ndarray
    translation: np.ndarray

    def points(self, points: np.ndarray) -> np.ndarray:
        """Map points (..., 3)."""
        return points @ self.rotation.T + self.translation

    def offsets(self, offsets: np.ndarray) -> np.ndarray:
        """Map differences of points (..., 3): rotation only."""
        return offsets @ self.rotation.T


@cache
def load_base() -> HeadBase:
    """Cut head and neck out of hm08 and put the parts behind the skin."""
    hm08 = load_hm08()
    skin_rows = _above_collar(hm08.polygons["body"], hm08.vertices)
    skin = hm08.polygons["body"][skin_rows]
    pieces = {"skin": _selected(skin, hm08)}
    for side in ("left", "right"):
        pieces[f"{side}_eye"] = _eye(hm08, right=side == "right")
        groups = PART_GROUPS[f"{side}_lashes"]
        pieces[f"{side}_lashes"] = _selected(np.concatenate([hm08.polygons[group] for group in groups]), hm08)
    pieces["upper_teeth"] = _teeth(hm08, upper=True)
    pieces["lower_teeth"] = _teeth(hm08, upper=False)
    pieces["tongue"] = _selected(hm08.polygons[PART_GROUPS["tongue"][0]], hm08)

    ordered = [pieces[name] for name in PART_NAMES]
    starts = np.cumsum([0] + [piece.operator.shape[0] for piece in ordered])
    polygon_ends = np.cumsum([0] + [len(piece.polygons) for piece in ordered])
    polygons = np.concatenate(
        [np.where(piece.polygons < 0, -1, piece.polygons + at) for piece, at in zip(ordered, starts[:-1], strict=True)]
    )
    operator = sparse.vstack([piece.operator for piece in ordered], format="csr")
    vertices = operator @ hm08.vertices
    symmetry = _symmetry(pieces, dict(zip(PART_NAMES, starts[:-1].tolist(), strict=True)), hm08.mirror)
    used_uv, uv_flat = np.unique(hm08.polygons_uv["body"][skin_rows], return_inverse=True)
    skin_uv = uv_flat.reshape(-1, 4).astype(np.int32)
    columns = (np.arange(4) + _quad_turns(polygons, vertices, symmetry)[:, None]) % 4
    return HeadBase(
        vertices=vertices,
        polygons=np.take_along_axis(polygons, columns, axis=1).astype(np.int32),
        makehuman_uv=hm08.uv[used_uv],
        polygons_makehuman_uv=np.take_along_axis(skin_uv, columns[: len(skin_uv)], axis=1),
        part_names=PART_NAMES,
        part_vertices=np.stack([starts[:-1], starts[1:]], axis=1).astype(np.int32),
        part_polygons=np.stack([polygon_ends[:-1], polygon_ends[1:]], axis=1).astype(np.int32),
        symmetry=symmetry,
        hm08_index=np.concatenate([piece.hm08_index for piece in ordered]).astype(np.int32),
        operator=operator,
        motion_operator=sparse.vstack([piece.motion for piece in ordered], format="csr"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part before it is joined, with its own numbering.

    Attributes
    ----------
    operator : (n, 19158), the vertices as a map of hm08's, through all shapes of people.
    motion : (n, 19158), how they follow hm08 through facial actions.
    polygons : (m, 4), -1 as fourth corner of a triangle.
    hm08_index : (n,), -1 where a vertex is a blend.
    mirror : (n,), the mirror image in the same numbering of this part or of its twin; None follows hm08's table.
    """

    operator: sparse.csr_matrix
    motion: sparse.csr_matrix
    polygons: np.ndarray
    hm08_index: np.ndarray
    mirror: np.ndarray | None = None


def _selected(polygons: np.ndarray, hm08: Hm08) -> _Piece:
    """A part made of hm08's own polygons, vertices in ascending order."""
    index, local = np.unique(polygons, return_inverse=True)
    operator = _scattered(np.ones((len(index), 1)), index[:, None], hm08)
    return _Piece(operator=operator, motion=operator, polygons=local.reshape(-1, 4), hm08_index=index)


def _scattered(weights: np.ndarray, columns: np.ndarray, hm08: Hm08) -> sparse.csr_matrix:
    """Sparse rows (n, 19158) of weights (n, c) at hm08 vertices (n, c) or (c,)."""
    columns = np.broadcast_to(columns, weights.shape)
    rows = np.repeat(np.arange(len(weights)), weights.shape[1])
    shape = (len(weights), len(hm08.vertices))
    return sparse.csr_matrix((weights.ravel(), (rows, columns.ravel())), shape=shape)


def _eye(hm08: Hm08, *, right: bool) -> _Piece:
    """An eyeball bound to MakeHuman's; the right one is the left one's mirror image. Facial actions leave it."""
    eyeball = make_eyeball()
    cage_index = np.unique(hm08.polygons[PART_GROUPS["left_eye"][0]])
    centre, radius = fit_sphere(hm08.vertices[cage_index])
    weights = affine_weights((hm08.vertices[cage_index] - centre) / radius, eyeball.points)
    polygons = eyeball.polygons
    if right:
        cage_index = hm08.mirror[cage_index]
        polygons = np.where(polygons[:, 3:] >= 0, polygons[:, [0, 3, 2, 1]], polygons[:, [0, 2, 1, 3]])
    operator = _scattered(weights, cage_index, hm08)
    count = np.arange(len(weights))
    return _Piece(operator=operator, motion=0 * operator, polygons=polygons, hm08_index=0 * count - 1, mirror=count)


def _teeth(hm08: Hm08, *, upper: bool) -> _Piece:
    """A row of teeth: shape and size follow MakeHuman's helper affinely, the place follows the lips' inner edge.

    Facial actions move it with the helper alone, so the upper row stands still and the lower follows the jaw.
    """
    arch = make_arch(UPPER if upper else LOWER, upper=upper)
    lips = np.array(load_landmarks()["loops"]["mouth"])
    to_head = hm08_head_frame()
    anchor = to_head.points(hm08.vertices[lips]).mean(axis=0) * [0, 1, 1]
    place = anchor + (UPPER_TEETH_FROM_LIPS_MM if upper else LOWER_TEETH_FROM_LIPS_MM)
    cage_index = np.unique(hm08.polygons[PART_GROUPS["upper_teeth" if upper else "lower_teeth"][0]])
    cage = to_head.points(hm08.vertices[cage_index])
    motion = _symmetric_rows(affine_weights(cage, place + arch.points), cage_index, arch.mirror, hm08)
    of_anchor = _symmetric_rows(affine_weights(cage, anchor[None]), cage_index, np.zeros(1, dtype=int), hm08)
    lip_mean = _scattered(np.full((1, len(lips)), 1 / len(lips)), lips, hm08)
    every = sparse.csr_matrix(np.ones((len(arch.points), 1)))
    return _Piece(
        operator=(motion + every @ (lip_mean - of_anchor)).tocsr(),
        motion=motion,
        polygons=arch.polygons,
        hm08_index=np.full(len(arch.points), -1),
        mirror=arch.mirror,
    )


def _symmetric_rows(weights: np.ndarray, index: np.ndarray, mirror: np.ndarray, hm08: Hm08) -> sparse.csr_matrix:
    """Rows (n, 19158) of weights (n, c) at hm08 vertices (c,), made exactly mirror-symmetric."""
    mirrored = _scattered(weights[mirror], hm08.mirror[index], hm08)
    return 0.5 * (_scattered(weights, index, hm08) + mirrored)


def _symmetry(pieces: dict[str, _Piece], starts: dict[str, int], hm08_mirror: np.ndarray) -> np.ndarray:
    """Mirror table of the joined vertices (n,) int32."""
    tables = []
    for name in PART_NAMES:
        side, _, rest = name.partition("_")
        other = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side, name)
        table = pieces[name].mirror
        if table is None:
            table = np.searchsorted(pieces[other].hm08_index, hm08_mirror[pieces[name].hm08_index])
        tables.append(starts[other] + table)
    return np.concatenate(tables).astype(np.int32)


def _quad_turns(polygons: np.ndarray, vertices: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """By how many corners to turn each quad (m,) so that the split 0-2 runs along its shorter diagonal.

    Quads are later split between their corners 0 and 2. The choice is the same on both sides of the head.
    """
    lengths = [
        np.linalg.norm(vertices[polygons[:, k]] - vertices[polygons[:, k + 2]], axis=1)
        + np.linalg.norm(vertices[symmetry[polygons[:, k]]] - vertices[symmetry[polygons[:, k + 2]]], axis=1)
        for k in range(2)
    ]
    shorter = lengths[1] < lengths[0] - 1e-9
    return np.where((polygons[:, 3] >= 0) & shorter, 1, 0)


def head_frame(base: HeadBase, vertices: np.ndarray) -> RigidMap:
    """The rigid map of given asset vertices into the head frame.

    Origin midway between the two tragions; +x from the right to the left tragion; the xz-plane is
    the Frankfurt plane (tragions and orbitalia); +z out of the face, +y up.

    Parameters
    ----------
    vertices : (n, 3) mm, in any frame.
    """
    return _frankfurt(vertices[base.asset_index(_frankfurt_marks())])


def hm08_head_frame() -> RigidMap:
    """The rigid map of the neutral base mesh into the head frame."""
    return _frankfurt(load_hm08().vertices[_frankfurt_marks()])


def _frankfurt_marks() -> list[int]:
    """hm08 vertices: left and right tragion, left and right orbitale."""
    marks, mirror = load_landmarks()["vertices"], load_hm08().mirror
    tragion, orbitale = marks["left_tragion"], marks["left_orbitale"]
    return [tragion, int(mirror[tragion]), orbitale, int(mirror[orbitale])]


def _frankfurt(marks: np.ndarray) -> RigidMap:
    """Head frame of left and right tragion, left and right orbitale (4, 3)."""
    left_tragion, right_tragion, left_orbitale, right_orbitale = marks
    origin = (left_tragion + right_tragion) / 2
    x = left_tragion - right_tragion
    x = x / np.linalg.norm(x)
    forward = (left_orbitale + right_orbitale) / 2 - origin
    z = forward - (forward @ x) * x
    z = z / np.linalg.norm(z)
    rotation = np.stack([x, np.cross(z, x), z])
    return RigidMap(rotation=rotation, translation=-rotation @ origin)


def _above_collar(polygons: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Rows of the body's polygons on the head's side of the collar loop, ascending."""
    neighbours: dict[int, set[int]] = {}
    polygons_of_edge: dict[frozenset[int], list[int]] = {}
    for row, corners in enumerate(polygons.tolist()):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
            polygons_of_edge.setdefault(frozenset((a, b)), []).append(row)
    loop = _edge_loop(polygons, neighbours, polygons_of_edge, vertices)
    fence = {frozenset(edge) for edge in zip(loop, loop[1:] + loop[:1], strict=True)}
    crown = int(np.argmax(vertices[polygons].mean(axis=1)[:, 1]))
    seen, stack = {crown}, [crown]
    while stack:
        corners = polygons[stack.pop()].tolist()
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            edge = frozenset((a, b))
            if edge in fence:
                continue
            for row in polygons_of_edge[edge]:
                if row not in seen:
                    seen.add(row)
                    stack.append(row)
    return np.array(sorted(seen), dtype=np.int32)


def _edge_loop(
    polygons: np.ndarray,
    neighbours: dict[int, set[int]],
    polygons_of_edge: dict[frozenset[int], list[int]],
    vertices: np.ndarray,
) -> list[int]:
    """The closed edge loop around the neck through its front vertex, walking straight on at each vertex."""
    start = load_landmarks()["vertices"]["collar_front"]
    loop = [start, max(neighbours[start], key=lambda v: vertices[v, 0])]
    while True:
        previous, current = loop[-2:]
        beside = {int(v) for row in polygons_of_edge[frozenset((previous, current))] for v in polygons[row]}
        (ahead,) = neighbours[current] - beside
        if ahead == start:
            return loop
        loop.append(ahead)
