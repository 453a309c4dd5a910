"""Protocol 8: a tracked sequence against its truth (after MICA's supplement)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.geometry import procrustes


def depth_rmse(depth: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the root mean square of depth errors, mm, over pixels (t, h, w) where both are finite and above 0."""
    d, r = np.asarray(depth, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if d.shape != r.shape:
        raise InputError(f"depth: expected shape {r.shape}, got {d.shape}")
    both = np.isfinite(d) & np.isfinite(r) & (d > 0) & (r > 0)
    if not both.any():
        raise InputError("depth: no pixel has both an estimated and a true depth")
    return float(np.sqrt(((d - r)[both] ** 2).mean()))


def photometric_rmse(rendered: npt.ArrayLike, photo: npt.ArrayLike, mask: npt.ArrayLike) -> float:
    """Return the root mean square difference of colours in [0, 1], pictures (t, h, w, 3), inside a mask (t, h, w)."""
    a, b, m = np.asarray(rendered, dtype=np.float64), np.asarray(photo, dtype=np.float64), np.asarray(mask, dtype=bool)
    if a.shape != b.shape or a.shape[:-1] != m.shape:
        raise InputError(f"pictures: expected shape {b.shape} with a mask {b.shape[:-1]}, got {a.shape} and {m.shape}")
    if not m.any():
        raise InputError("pictures: the mask is empty")
    return float(np.sqrt(((a - b)[m] ** 2).mean()))


def jitter(points: npt.ArrayLike) -> float:
    """Return the root mean square of the second difference in time, u(t-1) - 2 u(t) + u(t+1), of points (t, k, d)."""
    u = np.asarray(points, dtype=np.float64)
    if u.ndim != 3 or len(u) < 3:
        raise InputError(f"landmarks: expected (frames, points, axes) with at least 3 frames, got {u.shape}")
    second = u[:-2] - 2 * u[1:-1] + u[2:]
    return float(np.sqrt((second**2).sum(axis=-1).mean()))


def identity_drift(neutral: npt.ArrayLike) -> float:
    """Return how far the neutral shape (t, n, 3), mm, strays over a sequence: rms distance to its mean, rigidly aligned."""
    v = np.asarray(neutral, dtype=np.float64)
    if v.ndim != 3 or v.shape[2] != 3 or len(v) < 2:
        raise InputError(f"neutral shapes: expected (frames, vertices, 3) with at least 2 frames, got {v.shape}")
    placed = np.stack([procrustes(frame, v[0]).apply(frame) for frame in v])
    placed = np.stack([procrustes(frame, placed.mean(axis=0)).apply(frame) for frame in placed])
    return float(np.sqrt(((placed - placed.mean(axis=0)) ** 2).sum(axis=-1).mean()))
