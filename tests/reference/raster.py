"""Slow and obvious rasterisation, by another road than the library's.

Coverage in exact integers on the 1/4096 px lattice, with the fill rule as its definition: the pixel centre is moved by
an infinitesimal step to the right and a still smaller one down. Depth and weights from the intersection of the
pixel's ray with the triangle in space.
"""

from __future__ import annotations

import numpy as np

LATTICE = 4096


def covers(triangle: np.ndarray, width: int, height: int) -> np.ndarray:
    """(h, w) bool: which pixel centres lie in the triangle (3, 2) px."""
    corners = [[round(float(value) * LATTICE) for value in corner] for corner in triangle]
    (ax, ay), (bx, by), (cx, cy) = corners
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    if area == 0:
        return np.zeros((height, width), dtype=bool)
    if area < 0:
        corners = [corners[0], corners[2], corners[1]]
    centre_x = (np.arange(width, dtype=np.int64) * LATTICE + LATTICE // 2)[None, :]
    centre_y = (np.arange(height, dtype=np.int64) * LATTICE + LATTICE // 2)[:, None]
    inside = np.ones((height, width), dtype=bool)
    for (px, py), (qx, qy) in zip(corners, [*corners[1:], corners[0]], strict=True):
        # side(x, y) = (qx - px)(y - py) - (qy - py)(x - px); a step right adds py - qy, a step down qx - px.
        side = (qx - px) * (centre_y - py) - (qy - py) * (centre_x - px)
        right, down = py - qy, qx - px
        inside &= (side > 0) | ((side == 0) & (right > 0)) | ((side == 0) & (right == 0) & (down > 0))
    return inside


def rasterise(vertices: np.ndarray, faces: np.ndarray, width: int, height: int) -> tuple[np.ndarray, ...]:
    """Face number, weights and depth of every pixel, for finite vertices (n, 3) [x px, y px, depth]."""
    face_index = np.full((height, width), -1, dtype=np.int32)
    barycentric = np.zeros((height, width, 3))
    depth = np.full((height, width), np.inf)
    for face, triangle in enumerate(vertices[faces]):
        if not (triangle[:, 2] > 0).all():
            continue
        for row, column in np.argwhere(covers(triangle[:, :2], width, height)):
            # In a camera of focal length 1, pixel (x, y) at depth z is the point z (x, y, 1).
            corners = np.concatenate([triangle[:, :2], np.ones((3, 1))], axis=1) * triangle[:, 2:]
            share = np.linalg.solve(corners.T, np.array([column + 0.5, row + 0.5, 1.0]))
            distance = 1.0 / share.sum()
            if distance < depth[row, column]:
                depth[row, column] = distance
                face_index[row, column] = face
                barycentric[row, column] = share * distance
    return face_index, barycentric, depth
