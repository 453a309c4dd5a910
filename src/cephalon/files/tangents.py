"""Tangents at vertices, which glTF wants beside a normal map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def vertex_tangents(
    positions: npt.NDArray[np.floating],
    normals: npt.NDArray[np.floating],
    uv: npt.NDArray[np.floating],
    triangles: npt.NDArray[np.integer],
) -> npt.NDArray[np.float64]:
    """Return unit tangents (n, 4): the direction of growing u in the surface, and the side of growing v.

    Each triangle's tangent dP/du is weighted by the angle at the corner (as MikkTSpace does), summed at the vertices
    and made orthogonal to the normal; the fourth number, 1 or -1, makes `cross(normal, tangent) * w` point to growing
    v (origin bottom left). Where uv says nothing, any direction across the normal is returned.

    Parameters
    ----------
    positions, normals : (n, 3), normals of length 1.
    uv : (n, 2), origin bottom left, one per vertex (vertices are split at seams already).
    triangles : (t, 3).
    """
    corners, chart = positions[triangles], uv[triangles]
    (e1, e2), (d1, d2) = ((x[:, 1] - x[:, 0], x[:, 2] - x[:, 0]) for x in (corners, chart))
    area = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    sign = np.sign(area)[:, None]
    along_u = _unit(sign * (e1 * d2[:, 1:] - e2 * d1[:, 1:]))
    along_v = _unit(sign * (e2 * d1[:, :1] - e1 * d2[:, :1]))
    summed_u, summed_v = np.zeros(positions.shape), np.zeros(positions.shape)
    for corner in range(3):
        a = _unit(corners[:, (corner + 1) % 3] - corners[:, corner])
        b = _unit(corners[:, (corner + 2) % 3] - corners[:, corner])
        angle = np.arccos(np.clip(np.einsum("tc,tc->t", a, b), -1.0, 1.0))[:, None]
        for axis in range(3):
            vertex = triangles[:, corner]
            summed_u[:, axis] += np.bincount(vertex, (angle * along_u)[:, axis], minlength=len(positions))
            summed_v[:, axis] += np.bincount(vertex, (angle * along_v)[:, axis], minlength=len(positions))
    tangents = _unit(_across(summed_u, normals))
    lost = np.linalg.norm(tangents, axis=1) < 0.5
    if lost.any():  # cross the normal with the axis it has least of
        axes = np.eye(3)[np.abs(normals[lost]).argmin(axis=1)]
        tangents[lost] = _unit(_across(axes, normals[lost]))
    side = np.where(np.einsum("nc,nc->n", np.cross(normals, tangents), summed_v) < 0, -1.0, 1.0)
    return np.concatenate([tangents, side[:, None]], axis=1)


def _across(vectors: npt.NDArray[np.float64], normals: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    return vectors - normals * np.einsum("nc,nc->n", vectors, normals)[:, None]


def _unit(vectors: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-20, vectors / np.maximum(length, 1e-20), 0.0)
