"""Slow, obvious distances: every point against every triangle, in plain NumPy, by another formula than the kernel's."""

import numpy as np


def segment_square(points, a, b):
    """Squared distance of points (n, 1, 3) to segments (t, 3), (n, t)."""
    along = b - a
    length = (along**2).sum(-1)
    share = ((points - a) * along).sum(-1) / np.where(length > 0, length, 1.0)
    share = np.where(length > 0, np.clip(share, 0.0, 1.0), 0.0)
    return ((points - a - share[..., None] * along) ** 2).sum(-1)


def point_to_mesh(points, vertices, faces, chunk=64):
    """Distance (n,) of points to the nearest triangle: the plane's where the foot lies inside, else the nearest edge's."""
    points, (a, b, c) = np.asarray(points, float), np.moveaxis(np.asarray(vertices, float)[faces], 1, 0)
    normal = np.cross(b - a, c - a)
    area = (normal**2).sum(-1)
    longest = np.max([((b - a) ** 2).sum(-1), ((c - b) ** 2).sum(-1), ((a - c) ** 2).sum(-1)], axis=0)
    flat = np.sqrt(area) > 1e-7 * longest  # of a sliver's inside nothing can be told: its edges are as near
    unit = normal / np.sqrt(np.where(area > 0, area, 1.0))[:, None]
    out = []
    for start in range(0, len(points), chunk):
        p = points[start : start + chunk, None, :]
        height = ((p - a) * unit).sum(-1)
        foot = p - height[..., None] * unit
        inside = np.broadcast_to(flat, height.shape).copy()
        for u, v in ((a, b), (b, c), (c, a)):
            inside &= (np.cross(v - u, foot - u) * unit).sum(-1) >= 0
        square = np.minimum.reduce([segment_square(p, a, b), segment_square(p, b, c), segment_square(p, c, a)])
        square = np.where(inside, height**2, square)
        out.append(np.sqrt(square.min(axis=1)))
    return np.concatenate(out)
