"""Points bound to the mesh, and the nearest places on triangles, on edges and on the face's outer skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase
from builders.head.regions import build_regions
from cephalon.geometry import triangulate
from cephalon.head.foreign.closest import closest_barycentric

Float = NDArray[np.float64]
Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corners:
    """k points of the mesh as three vertices and their weights each (k, 3); a weight may be 0."""

    vertices: Ints
    weights: Float

    def positions(self, head: Float) -> Float:
        """Positions (k, 3) on head vertices (n, 3)."""
        return np.einsum("kc,kcd->kd", self.weights, head[self.vertices])

    def take(self, rows: Sequence[int]) -> Corners:
        """Some of the points, in that order."""
        return Corners(vertices=self.vertices[list(rows)], weights=self.weights[list(rows)])

    def mirrored(self, symmetry: Ints) -> Corners:
        """The points on the other side."""
        return Corners(vertices=symmetry[self.vertices], weights=self.weights)


def join(parts: Sequence[Corners]) -> Corners:
    """All points of several groups, one after the other."""
    return Corners(
        vertices=np.concatenate([part.vertices for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
    )


class Surface:
    """Nearest points on the face's outer skin (no ears, neck, cavities) of one head."""

    def __init__(self, base: HeadBase, head: Float) -> None:
        regions = build_regions(base)
        self.head = head
        self.faces = triangulate(base.polygons)[0]
        skin = len(triangulate(base.polygons[base.part("skin")[1]])[0])
        allowed = np.arange(len(self.faces)) < skin
        for name, limit in (
            ("ears", 0.5),
            ("neck", 0.5),
            ("mouth_cavity", 0.99),
            ("eye_sockets", 0.99),
            ("nostrils", 0.9),
        ):
            allowed &= ~(regions[name][self.faces] >= limit).all(axis=1)
        self.rows = np.flatnonzero(allowed & (head[self.faces].mean(axis=1)[:, 2] > -10))
        edges = np.unique(
            np.sort(np.concatenate([self.faces[self.rows][:, pair] for pair in ([0, 1], [1, 2], [2, 0])])), axis=0
        )
        self.midline = edges[(base.symmetry[edges] == edges).all(axis=1)]

    def nearest(self, points: Float, *, midline: bool = False, depth_weight: float = 1.0) -> Corners:
        """Nearest surface points of positions (k, 3) mm; on the midline's edges if wanted.

        Distances along z count `depth_weight` times: below 1, x and y are met better than z.
        """
        if midline:
            found = [nearest_on_edges(self.head, point, self.midline) for point in points]
            return Corners(vertices=np.array([v for v, _ in found]), weights=np.array([w for _, w in found]))
        triangles = self.faces[self.rows]
        metric = np.array([1.0, 1.0, depth_weight])
        vertices, weights = [], []
        for point in points:
            barycentric, distance = closest_on_triangles(point * metric, self.head[triangles] * metric)
            best = int(np.argmin(distance))
            vertices.append(triangles[best])
            weights.append(barycentric[best])
        return Corners(vertices=np.array(vertices), weights=np.array(weights))


def closest_on_triangles(point: Float, triangles: Float) -> tuple[Float, Float]:
    """Barycentric weights (t, 3) and distance (t,) of the point on each triangle (t, 3, 3) nearest to a point (3,) or (t, 3)."""
    points = np.broadcast_to(point, (len(triangles), 3))
    barycentric = closest_barycentric(points, triangles)
    return barycentric, np.linalg.norm(np.einsum("tc,tcd->td", barycentric, triangles) - points, axis=1)


def nearest_on_edges(head: Float, point: Float, edges: Ints) -> tuple[Ints, Float]:
    """Vertices (3,) and weights (3,) of the point on edges (e, 2) nearest to a position (3,); the third weight is 0."""
    start, along = head[edges[:, 0]], head[edges[:, 1]] - head[edges[:, 0]]
    t = np.clip(((point - start) * along).sum(axis=1) / (along**2).sum(axis=1), 0, 1)
    best = int(np.argmin(np.linalg.norm(start + t[:, None] * along - point, axis=1)))
    return edges[best][[0, 1, 1]], np.array([1 - t[best], t[best], 0.0])
