"""Texture coordinates of the parts: each has the unit square for itself.

Eyeballs are radial about the gaze axis; teeth (gum below v = 0.35) and lashes are strips; the tongue has its
upper side on the left and its lower side on the right.
"""

from __future__ import annotations

import numpy as np

from builders.head.base import PART_GROUPS, HeadBase, load_hm08
from builders.head.eyes import make_eyeball
from builders.head.teeth import LOWER, UPPER, make_arch


def unwrap_part(base: HeadBase, name: str, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chart of one part.

    Parameters
    ----------
    base : the topology.
    name : any part but the skin.
    points : (n, 3) mm, head frame.

    Returns
    -------
    uv : (k, 2) in [0, 1].
    polygons_uv : (m, 4) int32 into ``uv``, parallel to the part's polygons.
    """
    vertices, rows = base.part(name)
    polygons = np.where(base.polygons[rows] < 0, -1, base.polygons[rows] - vertices.start)
    if name.endswith("_eye"):
        return _eye_chart(polygons, mirrored=name == "right_eye")
    if name.endswith("_teeth"):
        arch = make_arch(UPPER if name == "upper_teeth" else LOWER, upper=name == "upper_teeth")
        return arch.uv, polygons.astype(np.int32)
    if name.endswith("_lashes"):
        return _lash_chart(base, name), polygons.astype(np.int32)
    return _two_sided_chart(polygons, points[vertices])


def grid_coordinates(polygons: np.ndarray) -> np.ndarray:
    """Row and column of every vertex of a rectangular grid of quads.

    Parameters
    ----------
    polygons : (m, 4) quads over vertices 0..n-1 forming one open grid with a common winding.

    Returns
    -------
    (n, 2) int, the longer side along the second column.

    Raises
    ------
    ValueError
        If the polygons are not one grid.
    """
    coordinates = np.full((int(polygons.max()) + 1, 2), -1000)
    coordinates[polygons[0]] = [[0, 0], [0, 1], [1, 1], [1, 0]]
    waiting = list(range(1, len(polygons)))
    while waiting:
        left = []
        for row in waiting:
            for a, b, c, d in (np.roll(polygons[row], -k) for k in range(4)):
                if coordinates[a, 0] > -1000 and coordinates[b, 0] > -1000:
                    step = coordinates[b] - coordinates[a]
                    away = np.array([step[1], -step[0]])
                    coordinates[c], coordinates[d] = coordinates[b] + away, coordinates[a] + away
                    break
            else:
                left.append(row)
        if len(left) == len(waiting):
            raise ValueError("the polygons are not one grid")
        waiting = left
    coordinates -= coordinates.min(axis=0)
    rows, columns = coordinates.max(axis=0) + 1
    if rows * columns != len(coordinates):
        raise ValueError(f"a grid of {rows} x {columns} should have {rows * columns} vertices, not {len(coordinates)}")
    return coordinates if columns >= rows else coordinates[:, ::-1]


def _eye_chart(polygons: np.ndarray, *, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """Radial chart of an eyeball; the right eye's is the mirror image of the left's."""
    eyeball = make_eyeball()
    if not mirrored:
        return eyeball.uv, eyeball.polygons_uv
    quad = polygons[:, 3:] >= 0
    turned = np.where(quad, eyeball.polygons_uv[:, [0, 3, 2, 1]], eyeball.polygons_uv[:, [0, 2, 1, 3]])
    return eyeball.uv * [-1, 1] + [1, 0], turned.astype(np.int32)


def _unit_grid(coordinates: np.ndarray, u: tuple[float, float], v: tuple[float, float]) -> np.ndarray:
    """Rows of a grid spread over the range v, columns over the range u."""
    share = coordinates / coordinates.max(axis=0)
    return np.stack([u[0] + (u[1] - u[0]) * share[:, 1], v[0] + (v[1] - v[0]) * share[:, 0]], axis=1)


def lash_grids(base: HeadBase, name: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The two strips of an eye's lashes.

    Returns
    -------
    ``"lower"`` and ``"upper"`` -> (vertices, coordinates): the asset's vertices of the strip (k,) and their
    (row, column), row 0 at the lid's inner edge, the last row at the tips, column 0 at the inner eye corner.
    """
    hm08 = load_hm08()
    strips = {}
    for strip, group in zip(("lower", "upper"), PART_GROUPS[name], strict=True):
        polygons = hm08.polygons[group]
        index, local = np.unique(polygons, return_inverse=True)
        coordinates = grid_coordinates(local.reshape(-1, 4))
        points = hm08.vertices[index]
        if points[coordinates[:, 0] == 0, 2].mean() > points[coordinates[:, 0] == coordinates[:, 0].max(), 2].mean():
            coordinates[:, 0] = coordinates[:, 0].max() - coordinates[:, 0]
        lateral = np.abs(points[:, 0])
        if lateral[coordinates[:, 1] == 0].mean() > lateral[coordinates[:, 1] == coordinates[:, 1].max()].mean():
            coordinates[:, 1] = coordinates[:, 1].max() - coordinates[:, 1]
        strips[strip] = (base.asset_index(index), coordinates)
    return strips


def _lash_chart(base: HeadBase, name: str) -> np.ndarray:
    """Chart (n, 2) of an eye's lashes: upper strip in the upper half; u along the lid, roots towards v = 0.5."""
    start = base.part(name)[0].start
    uv = np.zeros((base.part(name)[0].stop - start, 2))
    for strip, (vertices, coordinates) in lash_grids(base, name).items():
        v = (0.52, 0.98) if strip == "upper" else (0.48, 0.02)
        uv[vertices - start] = _unit_grid(coordinates, (0.02, 0.98), v)
    if name == "right_lashes":
        uv[:, 0] = 1 - uv[:, 0]
    return uv


def _two_sided_chart(polygons: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Chart of a flat body: what faces up in the left half, what faces down in the right, tip down."""
    normals = np.cross(points[polygons[:, 2]] - points[polygons[:, 0]], points[polygons[:, 3]] - points[polygons[:, 1]])
    side = (normals[:, 1] < 0).astype(np.int64)
    pairs = polygons + side[:, None] * len(points)
    used, polygons_uv = np.unique(pairs, return_inverse=True)
    low, extent = points.min(axis=0), np.ptp(points, axis=0)
    size = max(2 * extent[0], extent[2]) / 0.96
    vertex, half = used % len(points), used // len(points)
    across = (points[vertex, 0] - low[0] - extent[0] / 2) / size
    along = (points[vertex, 2] - low[2] - extent[2] / 2) / size
    u = np.where(half == 0, 0.25 + across, 0.75 - across)
    return np.stack([u, 0.5 - along], axis=1), polygons_uv.reshape(polygons.shape).astype(np.int32)
