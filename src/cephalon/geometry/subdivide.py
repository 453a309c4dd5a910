"""One level of Catmull-Clark subdivision as a fixed linear map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.geometry.mesh import Mesh, half_edges

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subdivision:
    """A finer mesh and the linear map that makes its vertices.

    With n vertices, e edges and m polygons before: vertex i < n moves a little and keeps its number, n + k lies on
    edge k of `edges(polygons)`, n + e + p in polygon p.

    Attributes
    ----------
    mesh : the finer mesh, quads only; polygon p of the coarse mesh becomes as many quads as it has corners, one
        after the other in the order of the coarse polygons; groups follow. Its uv, if any, are interpolated
        linearly, so seams and the charts' outlines stay.
    operator : (n + e + m, n) sparse, rows sum to 1; `operator @ x` carries anything linear on the vertices along:
        positions, blendshape offsets, skinning weights, region weights.
    """

    mesh: Mesh
    operator: csr_array


def subdivision(mesh: Mesh) -> Subdivision:
    """Subdivide a mesh once after Catmull and Clark.

    With F the mean of the polygons' centroids around an inner vertex of valence k, R the mean of the midpoints of
    its edges and P the vertex [1]:

    - polygon point: the centroid of its corners;
    - edge point: the mean of its two ends and the centroids of its two polygons;
    - inner vertex: (F + 2 R + (k - 3) P) / k.

    Borders do not shrink: a border vertex stays, and the point of a border edge lies on the interpolating
    four-point curve [2], (-a + 9 b + 9 c - d) / 16 along the border, or half-way if an end is a corner (a vertex
    of one polygon alone).

    Parameters
    ----------
    mesh : an oriented 2-manifold, with or without border; every vertex in a polygon.

    Raises
    ------
    InputError
        If an edge belongs to more than two polygons, two polygons are turned against each other, two borders touch
        in a vertex, or a vertex is in no polygon.

    References
    ----------
    [1] Catmull, Clark: Recursively generated B-spline surfaces on arbitrary topological meshes. CAD 10, 1978.
    [2] Dyn, Levin, Gregory: A 4-point interpolatory subdivision scheme for curve design. CAGD 4, 1987.

    Examples
    --------
    >>> square = Mesh(vertices=[[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], polygons=[[0, 1, 2, 3]])
    >>> fine = subdivision(square)
    >>> fine.mesh.vertices[-1].tolist(), fine.operator.shape
    ([0.5, 0.5, 0.0], (9, 4))
    """
    from scipy.sparse import csr_array, vstack

    polygons = mesh.polygons
    n, m = len(mesh.vertices), len(polygons)
    ends, owner = half_edges(polygons)
    edge_ends, edge_of = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    e = len(edge_ends)
    inner = np.bincount(edge_of, minlength=e) == 2
    _check(mesh, ends, inner[edge_of])

    corners = np.bincount(owner, minlength=m)
    centroid = csr_array((1 / corners[owner], (owner, ends[:, 0])), shape=(m, n))
    middle = csr_array((np.full(2 * e, 0.5), (np.repeat(np.arange(e), 2), edge_ends.reshape(-1))), shape=(e, n))
    beside = csr_array((np.full(len(owner), 0.5), (edge_of, owner)), shape=(e, m))
    edge_points = _rows(inner) @ (0.5 * middle + 0.5 * (beside @ centroid))
    edge_points = edge_points + _border_points(ends, edge_of, inner, polygons, n)

    border = np.zeros(n, dtype=bool)
    border[edge_ends[~inner]] = True
    valence = np.bincount(edge_ends.reshape(-1), minlength=n)
    around = csr_array((np.ones(len(owner)), (ends[:, 0], owner)), shape=(n, m))
    spokes = csr_array((np.ones(2 * e), (edge_ends.reshape(-1), np.repeat(np.arange(e), 2))), shape=(n, e))
    vertex_points = _rows(~border / valence**2) @ (around @ centroid + 2 * (spokes @ middle))
    vertex_points = vertex_points + _rows(np.where(border, 1.0, (valence - 3) / valence))

    operator = csr_array(vstack([vertex_points, edge_points, centroid], format="csr"))
    operator.eliminate_zeros()
    operator.sort_indices()
    uv, fine_uv = _finer_uv(mesh)
    first = np.concatenate([[0], np.cumsum(corners)])
    groups = {
        name: np.array([q for p in members for q in range(first[p], first[p + 1])], dtype=np.int32)
        for name, members in mesh.groups.items()
    }
    fine = Mesh(
        vertices=operator @ mesh.vertices,
        polygons=_finer(ends[:, 0], owner, edge_of, n, e),
        uv=uv,
        polygons_uv=fine_uv,
        groups=groups,
    )
    return Subdivision(mesh=fine, operator=operator)


def _rows(weights: npt.NDArray[np.float64] | npt.NDArray[np.bool_]) -> csr_array:
    """Diagonal matrix that scales rows."""
    from scipy.sparse import csr_array

    index = np.arange(len(weights))
    return csr_array((weights.astype(np.float64), (index, index)), shape=(len(weights),) * 2)


def _check(mesh: Mesh, ends: IntArray, inner: npt.NDArray[np.bool_]) -> None:
    """Raise InputError unless edges, borders and vertices are as `subdivision` needs them."""
    loose = len(mesh.vertices) - len(np.unique(ends[:, 0]))
    if loose:
        raise InputError(f"subdivision: {loose} vertices are in no polygon; drop them first")
    if len(np.unique(ends, axis=0)) != len(ends):
        raise InputError("subdivision: an edge has more than two polygons, or two that are turned against each other")
    starts = ends[~inner, 0]
    if len(np.unique(starts)) != len(starts):
        raise InputError("subdivision: two borders touch in a vertex; split it first")


def _border_points(
    ends: IntArray, edge_of: npt.NDArray[np.intp], inner: npt.NDArray[np.bool_], polygons: IntArray, n: int
) -> csr_array:
    """Rule (e, n) of the points on border edges; rows of inner edges are empty."""
    from scipy.sparse import csr_array

    on_border = ~inner[edge_of]
    b, c = ends[on_border].T
    rows = edge_of[on_border]
    before, after = np.zeros(n, dtype=np.intp), np.zeros(n, dtype=np.intp)
    before[c], after[b] = b, c
    corner = np.bincount(polygons[polygons >= 0], minlength=n) == 1
    straight = corner[b] | corner[c]
    near, far = np.where(straight, 0.5, 9 / 16), np.where(straight, 0.0, -1 / 16)
    values = np.concatenate([far, near, near, far])
    columns = np.concatenate([before[b], b, c, after[c]])
    return csr_array((values, (np.tile(rows, 4), columns)), shape=(len(inner), n))


def _finer(start: IntArray, owner: IntArray, edge_of: npt.NDArray[np.intp], n: int, e: int) -> IntArray:
    """Quads (h, 4), one per corner: vertex, edge point ahead, polygon point, edge point behind."""
    behind = np.arange(-1, len(owner) - 1)
    first = np.flatnonzero(np.append(True, owner[1:] != owner[:-1]))
    behind[first] = np.append(first[1:], len(owner)) - 1
    return np.stack([start, n + edge_of, n + e + owner, n + edge_of[behind]], axis=1).astype(np.int32)


def _finer_uv(mesh: Mesh) -> tuple[FloatArray | None, IntArray | None]:
    """Texture coordinates of the finer mesh: midpoints of edges and centroids of polygons in the charts."""
    if mesh.uv is None or mesh.polygons_uv is None:
        return None, None
    ends, owner = half_edges(mesh.polygons_uv)
    edge_ends, edge_of = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    count = np.bincount(owner)[:, None]
    centroid = np.stack([np.bincount(owner, weights=mesh.uv[ends[:, 0], axis]) for axis in range(2)], axis=1) / count
    uv = np.concatenate([mesh.uv, mesh.uv[edge_ends].mean(axis=1), centroid])
    return uv, _finer(ends[:, 0], owner, edge_of, len(mesh.uv), len(edge_ends))
