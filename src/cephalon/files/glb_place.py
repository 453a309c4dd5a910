"""Where the nodes and skins of a GLB file put its vertices at rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.files.glb_decode import DamagedError, vector

FloatArray = npt.NDArray[np.float64]


def blended_transforms(weights: FloatArray, indices: npt.NDArray[np.integer], transforms: FloatArray) -> FloatArray:
    """Return (n, 4, 4) weighted sums of the transforms (j, 4, 4) by weights and indices (n, 4)."""
    blended = np.zeros((len(weights), 4, 4))
    for corner in range(indices.shape[1]):
        blended += weights[:, corner, None, None] * transforms[indices[:, corner]]
    return blended


def placed_points(positions: FloatArray, transforms: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Move (n, 3) metres by (1 or n, 4, 4); the second value turns directions, None where nothing is moved.

    Transforms within 1e-6 of the identity (a skin's rounding at rest) move nothing, so that our own files come back
    as they were written.
    """
    if np.abs(transforms - np.eye(4)).max(initial=0.0) < 1e-6:
        return positions, None
    moved = np.einsum("nij,nj->ni", transforms[:, :3, :3], positions) + transforms[:, :3, 3]
    if not np.isfinite(moved).all():
        raise DamagedError("its transforms move vertices to infinity")
    return moved, transforms[:, :3, :3]


def turned_normals(normals: FloatArray, directions: FloatArray | None) -> FloatArray:
    """Turn unit normals (n, 3) by the inverse transposes of `directions` (1 or n, 3, 3), None for not at all."""
    if directions is None:
        return normals
    cofactors = np.stack([np.cross(directions[:, (i + 1) % 3], directions[:, (i + 2) % 3]) for i in range(3)], axis=1)
    turned = np.einsum("nij,nj->ni", cofactors, normals)
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    return np.nan_to_num(turned / np.where(length > 0, length, 1.0))


def local_transform(entry: dict[str, Any], place: str) -> FloatArray:
    """Return a node's matrix (4, 4), given as such or as translation, rotation (quaternion xyzw) and scale."""
    if "matrix" in entry:
        return vector(entry["matrix"], 16, f"{place}: matrix").reshape(4, 4).T
    shift = vector(entry.get("translation", [0, 0, 0]), 3, f"{place}: translation")
    x, y, z, w = vector(entry.get("rotation", [0, 0, 0, 1]), 4, f"{place}: rotation")
    scale = vector(entry.get("scale", [1, 1, 1]), 3, f"{place}: scale")
    transform = np.eye(4)
    transform[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    transform[:3, :3] *= scale
    transform[:3, 3] = shift
    return transform
