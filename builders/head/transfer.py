"""Deformation transfer: an expression of a registered face carried onto the mean head's skin.

Sumner and Popovic 2004 (Deformation Transfer for Triangle Meshes, SIGGRAPH) on one topology: each triangle of our skin
changes as its image on the other face does. Triangles without an image follow a guide, an offset that is right there
but for its place (the mouth cavity with the jaw, the rest of the head still).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

Float = NDArray[np.float64]

REACH_MM = 12.0
"""Changes of shape are taken from the other face's triangles; over distances beyond this, its plain offsets count."""

STRETCH_LIMIT = 4.0
"""Largest singular value of a triangle's change that is believed."""


SOFTNESS = 0.03
"""Weight of the triangles in the cavities beside those of the skin."""


class Transfer:
    """A factored system that carries offsets onto one mesh.

    Parameters
    ----------
    mean : (s, 3) mm, our skin.
    triangles : (t, 3) int.
    image : (s, 3) mm, the registered face's points behind our vertices (ours where none).
    matched : (s,) bool, vertices that have an image.
    hold : (s,) weight with which an unmatched vertex keeps to the guide's place, beside 1 of matched ones.
    soft : (s,) bool, where a triangle without an image may change its shape nearly freely.
    """

    def __init__(
        self,
        mean: Float,
        triangles: NDArray[np.int32],
        image: Float,
        matched: NDArray[np.bool_],
        hold: Float,
        soft: NDArray[np.bool_],
    ) -> None:
        self._triangles, self._matched = triangles, matched
        self._own = matched[triangles].all(axis=1)
        self._image_frames = _frames(image, triangles)
        operator, area = _gradient(mean, triangles)
        self._tangent = operator @ mean
        self._guide_operator = operator
        self._image = image
        vertex_area = np.bincount(triangles.ravel(), np.repeat(area / 3, 3), minlength=len(mean))
        self._position = np.where(matched, 1.0, hold) * vertex_area / REACH_MM**2
        yields = ~self._own & soft[triangles].any(axis=1)
        weight = sparse.diags(np.repeat(area * np.where(yields, SOFTNESS, 1.0), 3))
        self._weighted = (operator.T @ weight).tocsr()
        system = self._weighted @ operator + sparse.diags(self._position + 1e-9)
        self._solver = splu(system.tocsc())

    def carry(self, offset: Float, guide: Float) -> Float:
        """Offsets (s, 3) mm on our skin.

        Parameters
        ----------
        offset : (s, 3) mm, what the image's points do; read where matched.
        guide : (s, 3) mm, what the rest does.
        """
        moved = _frames(self._image + np.where(self._matched[:, None], offset, 0.0), self._triangles)
        change = moved @ np.linalg.inv(self._image_frames) - np.eye(3)
        u, stretch, vt = np.linalg.svd(change + np.eye(3))
        change = (u * np.minimum(stretch, STRETCH_LIMIT)[:, None, :]) @ vt - np.eye(3)
        tangent = self._tangent.reshape(-1, 3, 3)
        wanted = np.einsum("tkc,tdc->tkd", tangent, change)
        guided = (self._guide_operator @ guide).reshape(-1, 3, 3)
        wanted[~self._own] = guided[~self._own]
        goal = np.where(self._matched[:, None], offset, guide)
        return self._solver.solve(self._weighted @ wanted.reshape(-1, 3) + self._position[:, None] * goal)


def _frames(points: Float, triangles: NDArray[np.int32]) -> Float:
    """Two edges and the scaled normal of each triangle as columns, (t, 3, 3)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    normal /= np.sqrt(np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9))
    return np.stack([b - a, c - a, normal], axis=2)


def _gradient(points: Float, triangles: NDArray[np.int32]) -> tuple[sparse.csr_matrix, Float]:
    """Gradient of a field over vertices on each triangle, (3 t, s), and the triangles' areas (t,)."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    double = np.maximum(np.linalg.norm(normal, axis=1), 1e-9)
    normal /= double[:, None]
    rows = (3 * np.arange(len(triangles))[:, None] + np.arange(3)).ravel()
    parts = []
    for corner, edge in ((0, c - b), (1, a - c), (2, b - a)):
        values = np.cross(normal, edge) / double[:, None]
        parts.append((values.ravel(), rows, np.repeat(triangles[:, corner], 3)))
    values, rows, columns = (np.concatenate(x) for x in zip(*parts, strict=True))
    return sparse.csr_matrix((values, (rows, columns)), shape=(3 * len(triangles), len(points))), double / 2
