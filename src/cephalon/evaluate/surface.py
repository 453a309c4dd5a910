"""A triangle mesh prepared for closest-point queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.evaluate._kernels import FOLLOW, GATHER, PLAIN, search_kernel

FloatArray = npt.NDArray[np.float64]

_LEAF = 3  # triangles in a leaf, at most twice as many
_SLIVER = 1e-8  # height over the longest side
_NEAR = 12  # triangles remembered for a point


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Closest:
    """Closest points on a surface.

    Attributes
    ----------
    point : (n, 3) mm.
    distance : (n,) mm, unsigned.
    face : (n,) int32 triangle that the point lies on.
    feature : (n,) int8 where on it: 0 inside, 1 to 3 on the edge opposite to corner 0 to 2, 4 to 6 at corner 0 to 2.
    slot : (n,) int32, the surface's own number of the triangle, a hint for the next query.
    """

    point: FloatArray
    distance: FloatArray
    face: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int8]
    slot: npt.NDArray[np.int32]


class Track:
    """Which triangles each of n points may find closest while it stays within `reach_mm` of where it was first seen."""

    def __init__(self, count: int, reach_mm: float) -> None:
        self.reach_mm = reach_mm
        self.seen_from: FloatArray = np.zeros((count, 3))
        self.near = np.zeros((count, _NEAR), dtype=np.int32)
        self.count = np.zeros(count, dtype=np.int32)
        self.filled = False


class Surface:
    """A triangle mesh with a bounding-volume tree: built once, asked often.

    The tree is complete and binary; each node's triangles are halved at the median of their centres along the longest
    side. Distances are exact in float64 for any mesh: holes, folds, triangles without area.

    Parameters
    ----------
    vertices : (n, 3) mm.
    faces : (t, 3) triangles, at least one.

    Raises
    ------
    InputError
        If there are no faces, a vertex is not finite, or a face names a vertex that is not there.
    """

    def __init__(self, vertices: npt.ArrayLike, faces: npt.ArrayLike) -> None:
        self.vertices: FloatArray = as_array("vertices", vertices, (None, 3))
        self.faces: npt.NDArray[np.int32] = as_array("faces", faces, (None, 3), np.int32)
        if not len(self.faces):
            raise InputError("the mesh has no triangles, so nothing can lie on it")
        if self.faces.min() < 0 or self.faces.max() >= len(self.vertices):
            raise InputError(f"faces: expected vertex numbers from 0 to {len(self.vertices) - 1}")
        corners = _without_slivers(self.vertices[self.faces])
        self.order, self.leaf_size = _leaf_order(corners.mean(axis=1))
        self.corners: FloatArray = np.ascontiguousarray(corners[self.order].reshape(-1, 9))
        self.boxes = _boxes(corners[self.order], self.leaf_size)

    def closest(
        self, points: npt.ArrayLike, hints: npt.NDArray[np.int32] | None = None, track: Track | None = None
    ) -> Closest:
        """Return the closest points on the surface to `points` (n, 3) mm, finite.

        Parameters
        ----------
        points : (n, 3) mm. Neighbours in space that stand near each other in the array are found quicker.
        hints : (n,) `Closest.slot` of an earlier query for nearby points; makes it quicker, never different.
        track : memory for repeated queries of the same points as they move a little; filled by the first query.
        """
        x: FloatArray = np.ascontiguousarray(points, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != 3:
            raise InputError(f"points: expected shape (any, 3), got {x.shape}")
        if not np.isfinite(x).all():
            raise InputError("points: expected finite numbers, got NaN or infinity")
        n = len(x)
        slot, feature = np.zeros(n, dtype=np.int32), np.zeros(n, dtype=np.int8)
        point, square = np.zeros((n, 3)), np.zeros(n)
        tried = np.full(n, -1, dtype=np.int32) if hints is None else np.ascontiguousarray(hints, dtype=np.int32)
        memory = track or Track(0, 0.0)
        mode = PLAIN if track is None else FOLLOW if track.filled else GATHER
        search_kernel(
            x, self.boxes, self.corners, self.leaf_size, tried, slot, point, square, feature,
            mode, memory.reach_mm, memory.seen_from, memory.near, memory.count,
        )  # fmt: skip
        memory.filled = True
        return Closest(point=point, distance=np.sqrt(square), face=self.order[slot], feature=feature, slot=slot)


def _without_slivers(corners: FloatArray) -> FloatArray:
    """Return corners (t, 3, 3) with triangles of next to no height replaced by their longest side (its end twice).

    The inside of such a triangle cannot be told in floating point; the side differs from it by less than 1e-8 of its length.
    """
    sides = np.roll(corners, -1, axis=1) - corners
    square = (sides**2).sum(axis=2)
    longest = square.argmax(axis=1)
    double_area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    thin = double_area <= _SLIVER * square.max(axis=1)
    if not thin.any():
        return corners
    rows, first = np.flatnonzero(thin), longest[thin]
    start, end = corners[rows, first], corners[rows, (first + 1) % 3]
    mended = corners.copy()
    mended[rows] = np.stack([start, end, end], axis=1)
    return mended


def _leaf_order(centres: FloatArray) -> tuple[npt.NDArray[np.int32], int]:
    """Return the order of triangles in the leaves (some twice, so that all leaves are full), and a leaf's size."""
    count = len(centres)
    depth = max(int(np.ceil(np.log2(max(count / _LEAF, 1.0)))), 0)
    leaves = 1 << depth
    leaf_size = -(-count // leaves)
    order = np.resize(np.arange(count), leaves * leaf_size)
    for level in range(depth):
        rows = order.reshape(1 << level, -1)
        places = centres[rows]
        axis = np.ptp(places, axis=1).argmax(axis=1)
        along = np.take_along_axis(places, axis[:, None, None], axis=2)[..., 0]
        order = np.take_along_axis(rows, np.argsort(along, axis=1, kind="stable"), axis=1).reshape(-1)
    return order.astype(np.int32), leaf_size


def _boxes(corners: FloatArray, leaf_size: int) -> FloatArray:
    """Return the (2 leaves - 1, 6) boxes in heap order from the corners (slots, 3, 3) in leaf order."""
    points = corners.reshape(-1, leaf_size * 3, 3)
    level = np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1)
    levels = [level]
    while len(level) > 1:
        pairs = level.reshape(-1, 2, 6)
        level = np.concatenate([pairs[..., :3].min(axis=1), pairs[..., 3:].max(axis=1)], axis=1)
        levels.append(level)
    return np.ascontiguousarray(np.concatenate(levels[::-1]))


def spatial_order(points: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Return an order of points (n, 3) in which neighbours in space follow each other (a Z-order curve, 10 bits an axis)."""
    x = np.asarray(points, dtype=np.float64)
    if not len(x):
        return np.zeros(0, dtype=np.intp)
    low, span = x.min(axis=0), float(np.ptp(x, axis=0).max()) or 1.0
    cells = ((x - low) * (1023.0 / span)).astype(np.uint32)
    key = np.zeros(len(x), dtype=np.uint32)
    for axis in range(3):
        c = cells[:, axis]
        for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
            c = (c | (c << np.uint32(shift))) & np.uint32(mask)
        key |= c << np.uint32(axis)
    return np.argsort(key, kind="stable")
