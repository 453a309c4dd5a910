"""Closest points on a triangle mesh, for registration."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import face_normals

Float = NDArray[np.float64]
Int = NDArray[np.intp]

_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """Where points fell: `face` (p,), `barycentric` (p, 3), `position` (p, 3) mm, `distance` (p,) mm, `normal` (p, 3)."""

    face: Int
    barycentric: Float
    position: Float
    distance: Float
    normal: Float


@dataclass(slots=True, eq=False)
class Surface:
    """A triangle mesh prepared for closest-point queries.

    A query tests the `candidates` triangles whose centroids are nearest. That is exact where triangles are of similar
    size; beside much larger ones the answer may lie on a neighbour (registration does not mind).
    """

    vertices: Float
    faces: NDArray[np.int32]
    candidates: int = 16
    normals: Float = field(init=False)
    _tree: Any = field(init=False)

    def __post_init__(self) -> None:
        from scipy.spatial import KDTree

        self.normals = face_normals(self.vertices, self.faces)
        self._tree = KDTree(self.vertices[self.faces].mean(axis=1))

    def closest(self, points: Float, normals: Float | None = None, *, least_cosine: float = 0.0) -> Hit:
        """Return the closest point to each of `points` (p, 3).

        With `normals` (p, 3), a triangle that faces another way (cosine below `least_cosine`) counts as 10 mm farther,
        so that the upper lip does not land on the lower one, nor the front of the ear on its back.
        """
        k = min(self.candidates, len(self.faces))
        parts: list[tuple[NDArray[Any], ...]] = []
        for start in range(0, len(points), _BLOCK):
            p = points[start : start + _BLOCK]
            near = np.asarray(self._tree.query(p, k=k)[1]).reshape(len(p), k)
            corners = self.vertices[self.faces[near]]
            weights = closest_barycentric(np.repeat(p[:, None], k, axis=1), corners)
            place = np.einsum("pkc,pkcd->pkd", weights, corners)
            distance = np.linalg.norm(place - p[:, None], axis=2)
            cost = distance
            if normals is not None:
                cosine = np.einsum("pkd,pd->pk", self.normals[near], normals[start : start + _BLOCK])
                cost = distance + 10.0 * (cosine < least_cosine)
            best = cost.argmin(axis=1)
            rows = np.arange(len(p))
            parts.append((near[rows, best], weights[rows, best], place[rows, best], distance[rows, best]))
        face, barycentric, position, distance = (np.concatenate(column) for column in zip(*parts, strict=True))
        return Hit(face, barycentric, position, distance, self.normals[face])


def closest_barycentric(points: Float, corners: Float) -> Float:
    """Return barycentric weights (..., 3) of the points of triangles (..., 3, 3) closest to points (..., 3).

    The projection onto the plane where it falls inside, else the best of the three edges.
    """
    a, b, c = corners[..., 0, :], corners[..., 1, :], corners[..., 2, :]
    ab, ac, ap = b - a, c - a, points - a
    d00, d01, d11 = _dot(ab, ab), _dot(ab, ac), _dot(ac, ac)
    d20, d21 = _dot(ap, ab), _dot(ap, ac)
    area = d00 * d11 - d01 * d01
    safe = np.where(area > 1e-12, area, 1.0)
    v, w = (d11 * d20 - d01 * d21) / safe, (d00 * d21 - d01 * d20) / safe
    inside = (area > 1e-12) & (v >= 0) & (w >= 0) & (v + w <= 1)
    best = np.stack([1 - v - w, v, w], axis=-1)
    nearest = np.full(points.shape[:-1], np.inf)
    edge = np.zeros_like(best)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        start, side = corners[..., i, :], corners[..., j, :] - corners[..., i, :]
        t = np.clip(_dot(points - start, side) / np.maximum(_dot(side, side), 1e-12), 0, 1)
        square = ((start + t[..., None] * side - points) ** 2).sum(-1)
        closer = square < nearest
        nearest = np.where(closer, square, nearest)
        candidate = np.zeros_like(best)
        candidate[..., i], candidate[..., j] = 1 - t, t
        edge = np.where(closer[..., None], candidate, edge)
    return np.where(inside[..., None], best, edge)


def _dot(u: Float, v: Float) -> Float:
    return np.einsum("...d,...d->...", u, v)
