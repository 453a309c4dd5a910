"""Meshes of quads and triangles, their normals, edges and borders.

Polygons run counter-clockwise seen from outside. A row of `polygons` holds four vertex numbers, or three and -1
for a triangle. A quad 0-1-2-3 is always split into 0-1-2 and 0-2-3, so that a triangulated face number means the
same triangle everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array

if TYPE_CHECKING:
    from typing import Self

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mesh:
    """A polygon mesh with optional texture coordinates and named groups of polygons.

    Attributes
    ----------
    vertices : (n, 3) float64, mm.
    polygons : (m, 4) int32 vertex numbers, the fourth -1 for a triangle.
    uv : (k, 2) float64 texture coordinates, origin bottom left, or None.
    polygons_uv : (m, 4) int32 rows of `uv`, -1 where `polygons` has it, or None; together with `uv` or not at all.
    groups : names of polygon sets, each an int32 array of polygon numbers.
    faces : (t, 3) int32 triangles, in the order of the polygons (derived).
    faces_uv : (t, 3) int32 rows of `uv` of those triangles, or None (derived).
    face_polygon : (t,) int32 polygon of each triangle (derived).

    Raises
    ------
    InputError
        On wrong shapes, numbers outside their range, or uv without polygons_uv.
    """

    vertices: FloatArray
    polygons: IntArray
    uv: FloatArray | None = None
    polygons_uv: IntArray | None = None
    groups: Mapping[str, IntArray] = field(default_factory=dict)
    faces: IntArray = field(init=False, repr=False)
    faces_uv: IntArray | None = field(init=False, repr=False)
    face_polygon: IntArray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the fields, keep read-only copies, triangulate."""
        vertices = as_array("Mesh.vertices", self.vertices, (None, 3))
        polygons = as_array("Mesh.polygons", self.polygons, (None, 4), np.int32)
        _check_polygons("Mesh.polygons", polygons, len(vertices))
        uv = polygons_uv = None
        if (self.uv is None) != (self.polygons_uv is None):
            raise InputError("Mesh: uv and polygons_uv come together or not at all")
        if self.uv is not None and self.polygons_uv is not None:
            uv = as_array("Mesh.uv", self.uv, (None, 2))
            polygons_uv = as_array("Mesh.polygons_uv", self.polygons_uv, (len(polygons), 4), np.int32)
            _check_polygons("Mesh.polygons_uv", polygons_uv, len(uv))
            if not np.array_equal(polygons[:, 3] < 0, polygons_uv[:, 3] < 0):
                raise InputError("Mesh.polygons_uv: expected triangles (-1) where Mesh.polygons has them")
        groups: dict[str, IntArray] = {}
        for name, members in self.groups.items():
            group = as_array(f"Mesh.groups[{name!r}]", members, (None,), np.int32)
            if group.size and (group.min() < 0 or group.max() >= len(polygons)):
                raise InputError(f"Mesh.groups[{name!r}]: expected polygon numbers from 0 to {len(polygons) - 1}")
            groups[str(name)] = group
        faces, face_polygon = triangulate(polygons)
        faces_uv = None if polygons_uv is None else triangulate(polygons_uv)[0]
        values = {
            "vertices": vertices,
            "polygons": polygons,
            "uv": uv,
            "polygons_uv": polygons_uv,
            "groups": groups,
            "faces": faces,
            "faces_uv": faces_uv,
            "face_polygon": face_polygon,
        }
        for name, value in values.items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @classmethod
    def from_triangles(cls, vertices: npt.ArrayLike, faces: npt.ArrayLike) -> Mesh:
        """Return a mesh of triangles alone: vertices (n, 3) mm, faces (t, 3)."""
        triangles = as_array("faces", faces, (None, 3), np.int32)
        polygons = np.concatenate([triangles, np.full((len(triangles), 1), -1, np.int32)], axis=1)
        return cls(vertices=np.asarray(vertices, dtype=np.float64), polygons=polygons)

    def with_vertices(self, vertices: npt.ArrayLike) -> Self:
        """Return the same topology at other vertices (n, 3) mm; nothing else is checked or copied again."""
        moved = as_array("vertices", vertices, self.vertices.shape)
        other = object.__new__(type(self))
        for name in self.__slots__:
            object.__setattr__(other, name, getattr(self, name))
        object.__setattr__(other, "vertices", moved)
        return other


def _check_polygons(name: str, polygons: IntArray, count: int) -> None:
    """Raise InputError unless the first three columns are in [0, count) and the fourth in [-1, count)."""
    if not polygons.size:
        return
    if polygons[:, :3].min() < 0 or polygons[:, 3].min() < -1:
        raise InputError(f"{name}: expected numbers from 0 (and -1 as the fourth of a triangle)")
    if polygons.max() >= count:
        raise InputError(f"{name}: expected numbers below {count}, got {polygons.max()}")


def triangulate(polygons: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """Split quads 0-1-2-3 into 0-1-2 and 0-2-3.

    Parameters
    ----------
    polygons : (m, 4), -1 as the fourth number of a triangle.

    Returns
    -------
    faces : (t, 3) int32, in the order of the polygons.
    face_polygon : (t,) int32 polygon of each triangle.
    """
    is_quad = polygons[:, 3] >= 0
    first = np.arange(len(polygons)) + np.cumsum(is_quad) - is_quad
    faces = np.zeros((len(polygons) + int(is_quad.sum()), 3), dtype=np.int32)
    faces[first] = polygons[:, :3]
    faces[first[is_quad] + 1] = polygons[is_quad][:, [0, 2, 3]]
    face_polygon = np.repeat(np.arange(len(polygons), dtype=np.int32), np.where(is_quad, 2, 1))
    return faces, face_polygon


def _sides(vertices: npt.ArrayLike, faces: npt.NDArray[np.integer]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the sides of triangles, 0 to 1, 1 to 2 and 2 to 0, each (3, t): components first, for speed."""
    columns = np.ascontiguousarray(np.asarray(vertices, dtype=np.float64).T)
    a, b, c = (columns[:, np.ascontiguousarray(corner)] for corner in np.asarray(faces).reshape(-1, 3).T)
    return b - a, c - b, a - c


def _cross(u: FloatArray, v: FloatArray) -> FloatArray:
    """Return cross products of vectors (3, t)."""
    return np.stack([u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]])


def _dot(u: FloatArray, v: FloatArray) -> FloatArray:
    """Return dot products of vectors (3, t)."""
    return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]


def _unit(vectors: FloatArray) -> FloatArray:
    """Return vectors (3, t) at length 1; those without a direction stay zero."""
    length = np.sqrt(_dot(vectors, vectors))
    return vectors / np.where(length > 0, length, 1.0)


def face_areas(vertices: npt.ArrayLike, faces: npt.NDArray[np.integer]) -> FloatArray:
    """Return the areas (t,), mm^2, of triangles: vertices (n, 3) mm, faces (t, 3)."""
    first, second, _ = _sides(vertices, faces)
    cross = _cross(first, second)
    return 0.5 * np.sqrt(_dot(cross, cross))


def face_normals(vertices: npt.ArrayLike, faces: npt.NDArray[np.integer]) -> FloatArray:
    """Return the outward unit normals (t, 3) of triangles; zero for a triangle without area."""
    first, second, _ = _sides(vertices, faces)
    return np.ascontiguousarray(_unit(_cross(first, second)).T)


def corner_angles(vertices: npt.ArrayLike, faces: npt.NDArray[np.integer]) -> FloatArray:
    """Return the angles (t, 3), rad, at the corners of triangles; all zero for a triangle without area."""
    sides = _sides(vertices, faces)
    cross = _cross(sides[0], sides[1])
    return np.ascontiguousarray(_angles(sides, np.sqrt(_dot(cross, cross))).T)


def _angles(sides: tuple[FloatArray, FloatArray, FloatArray], double_area: FloatArray) -> FloatArray:
    """Return the angles (3, t) at the corners from the sides and twice the area."""
    ab, bc, ca = sides
    at_a, at_b = np.arctan2(double_area, -_dot(ab, ca)), np.arctan2(double_area, -_dot(bc, ab))
    return np.where(double_area > 0, np.stack([at_a, at_b, np.pi - at_a - at_b]), 0.0)


def vertex_normals(vertices: npt.ArrayLike, faces: npt.NDArray[np.integer]) -> FloatArray:
    """Return unit normals at vertices: face normals weighted by the corner's angle.

    `n_v = sum_f a_(f,v) n_f / |sum_f a_(f,v) n_f|` over the faces around v, with a the angle of f at v (normals
    paper, eq. 2). Unlike area weights, the result does not depend on how a flat region is cut into triangles.

    Parameters
    ----------
    vertices : (n, 3) mm.
    faces : (t, 3) triangles.

    Returns
    -------
    (n, 3); zero at vertices without a face of some area.
    """
    faces = np.asarray(faces).reshape(-1, 3)
    sides = _sides(vertices, faces)
    cross = _cross(sides[0], sides[1])
    double_area = np.sqrt(_dot(cross, cross))
    normals = cross / np.where(double_area > 0, double_area, 1.0)
    angles = _angles(sides, double_area)
    corner_index = faces.T.reshape(-1)
    count = len(np.asarray(vertices))
    summed: FloatArray = np.zeros((3, count))
    for axis in range(3):
        summed[axis] = np.bincount(corner_index, weights=(angles * normals[axis]).reshape(-1), minlength=count)
    return np.ascontiguousarray(_unit(summed).T)


def half_edges(polygons: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
    """List the directed edges of polygons.

    Parameters
    ----------
    polygons : (m, 3) triangles or (m, 4) with -1 as the fourth number of a triangle.

    Returns
    -------
    ends : (h, 2) int32 from and to vertex, in the polygon's direction.
    owner : (h,) int32 polygon of each.
    """
    polygons = np.asarray(polygons, dtype=np.int32)
    following = np.roll(polygons, -1, axis=1)
    if polygons.shape[1] == 4:
        is_triangle = polygons[:, 3] < 0
        following[is_triangle, 2] = polygons[is_triangle, 0]
    ends = np.stack([polygons, following], axis=-1).reshape(-1, 2)
    owner = np.repeat(np.arange(len(polygons), dtype=np.int32), polygons.shape[1])
    real = ends[:, 0] >= 0
    return ends[real], owner[real]


def edges(polygons: npt.NDArray[np.integer]) -> IntArray:
    """Return the undirected edges (e, 2) int32, each once, smaller vertex first, sorted.

    `polygons` are (m, 3) triangles or (m, 4) with -1 as the fourth number of a triangle.
    """
    ends, _ = half_edges(polygons)
    return np.unique(np.sort(ends, axis=1), axis=0).reshape(-1, 2)


def _edge_keys(ends: IntArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return one number for each directed edge, and for its opposite."""
    span = np.int64(ends.max()) + 1 if ends.size else np.int64(1)
    return ends[:, 0] * span + ends[:, 1], ends[:, 1] * span + ends[:, 0]


def connected_pieces(polygons: npt.NDArray[np.integer], count: int) -> npt.NDArray[np.int32]:
    """Return the number of the connected piece of each polygon, (m,), counted from 0.

    Parameters
    ----------
    polygons : (m, 3) triangles or (m, 4) with -1 as the fourth number of a triangle; two of them that share a vertex
        are of one piece.
    count : number of vertices.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    polygons = np.asarray(polygons)
    sides = [polygons[:, [0, 1]], polygons[:, [1, 2]]]
    if polygons.shape[1] == 4:
        sides.append(polygons[polygons[:, 3] >= 0][:, [2, 3]])
    ends = np.concatenate(sides)
    links = coo_array((np.ones(len(ends), dtype=np.int8), ends.T), shape=(count, count))
    _, piece = connected_components(links, directed=False)
    return np.unique(piece[polygons[:, 0]], return_inverse=True)[1].reshape(-1).astype(np.int32)


def boundary_loops(polygons: npt.NDArray[np.integer]) -> list[IntArray]:
    """Return the borders of a surface as closed loops of vertices.

    Each loop runs in the direction of its polygons' edges (the surface lies to its left, seen from outside), starts
    at its smallest vertex, and visits no vertex twice; loops are sorted by first vertex. A vertex where two borders
    touch is in two loops.

    Parameters
    ----------
    polygons : (m, 3) triangles or (m, 4) with -1 as the fourth number of a triangle.

    Raises
    ------
    InputError
        If the border edges do not close, because three or more polygons meet at an edge.
    """
    ends, _ = half_edges(polygons)
    keys, opposite = _edge_keys(ends)
    border = ends[~np.isin(keys, opposite)]
    outgoing: dict[int, list[int]] = {}
    for start, stop in border[np.lexsort((border[:, 1], border[:, 0]))][::-1].tolist():
        outgoing.setdefault(start, []).append(stop)
    loops: list[IntArray] = []
    for seed in sorted(outgoing):
        while outgoing[seed]:
            path, place = [seed], {seed: 0}
            while path:
                choices = outgoing.get(path[-1])
                if not choices:
                    if len(path) == 1:
                        break
                    raise InputError(
                        f"the border does not close at vertex {path[-1]}: an edge there has three polygons"
                    )
                vertex = choices.pop()
                if vertex in place:
                    cut = place[vertex]
                    loop = path[cut:]
                    for member in path[cut + 1 :]:
                        del place[member]
                    path = path[: cut + 1]
                    first = loop.index(min(loop))
                    loops.append(np.array(loop[first:] + loop[:first], dtype=np.int32))
                else:
                    place[vertex] = len(path)
                    path.append(vertex)
    return sorted(loops, key=lambda loop: loop.tolist())


def is_manifold(polygons: npt.NDArray[np.integer], *, closed: bool = False) -> bool:
    """Tell whether polygons form an oriented 2-manifold, with or without border.

    True if every directed edge occurs once, no polygon uses a vertex twice, and the polygons around each vertex form
    one fan; with `closed`, also every edge has its opposite.

    Parameters
    ----------
    polygons : (m, 3) triangles or (m, 4) with -1 as the fourth number of a triangle.
    closed : forbid borders.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends, owner = half_edges(polygons)
    if not len(ends):
        return True
    keys, opposite = _edge_keys(ends)
    corner_keys = np.stack([owner, ends[:, 0]], axis=1)
    if len(np.unique(keys)) != len(keys) or len(np.unique(corner_keys, axis=0)) != len(corner_keys):
        return False
    order = np.argsort(keys)
    slot = np.minimum(np.searchsorted(keys, opposite, sorter=order), len(keys) - 1)
    twin = order[slot]
    paired = np.flatnonzero(keys[twin] == opposite)
    if closed and len(paired) != len(keys):
        return False
    # A corner is known by the half-edge that leaves it. Across an edge u-v, the corners at u are joined, those at v
    # by the same edge seen from the other side: half-edge h leaves u, the one after its twin leaves u too.
    following = _following(ends, owner)
    joined = coo_array((np.ones(len(paired)), (paired, following[twin[paired]])), shape=(len(ends), len(ends)))
    fans, _ = connected_components(joined, directed=False)
    return fans == len(np.unique(ends[:, 0]))


def _following(ends: IntArray, owner: IntArray) -> npt.NDArray[np.intp]:
    """Return for each half-edge the next one around its polygon (half-edges of a polygon are consecutive)."""
    following = np.arange(1, len(ends) + 1)
    last = np.flatnonzero(np.append(owner[1:] != owner[:-1], True))
    following[last] = np.append(0, last[:-1] + 1)
    return following


def euler_characteristic(polygons: npt.NDArray[np.integer]) -> int:
    """Return vertices - edges + polygons of the vertices in use: 2 for a sphere, 1 for a disc, 0 for a tube."""
    used = np.asarray(polygons)
    return len(np.unique(used[used >= 0])) - len(edges(used)) + len(used)
