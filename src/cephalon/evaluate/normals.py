"""Protocol 5: normals and mask against the truth (the normals paper, table 1)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError

FloatArray = npt.NDArray[np.float64]

SHARES_DEG = (10.0, 20.0, 30.0)


def angles_deg(normals: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """Return the angles (...,), degrees, between vectors (..., 3) of any length above 0.

    atan2(|n x t|, n . t), which is exact for small angles too, where the arc cosine is not.
    """
    n, t = np.asarray(normals, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if n.shape != t.shape or n.shape[-1:] != (3,):
        raise InputError(f"normals: expected two arrays of the same shape (..., 3), got {n.shape} and {t.shape}")
    return np.degrees(np.arctan2(np.linalg.norm(np.cross(n, t), axis=-1), (n * t).sum(axis=-1)))


def mask_figures(mask: npt.ArrayLike, truth: npt.ArrayLike) -> dict[str, float]:
    """Return precision = |M and M*| / |M| and recall = |M and M*| / |M*| of a mask M against the true one M*."""
    m, t = np.asarray(mask, dtype=bool), np.asarray(truth, dtype=bool)
    if m.shape != t.shape:
        raise InputError(f"mask: expected shape {t.shape}, got {m.shape}")
    if not m.any() or not t.any():
        raise InputError("mask: the estimated or the true mask is empty")
    both = float((m & t).sum())
    return {"mask_precision": both / float(m.sum()), "mask_recall": both / float(t.sum())}


def normal_figures(
    normals: npt.ArrayLike, truth: npt.ArrayLike, mask: npt.ArrayLike, true_mask: npt.ArrayLike
) -> dict[str, float]:
    """Return the figures of protocol 5 for one picture.

    Angles (mean, standard deviation, shares below 10, 20 and 30 degrees) count where both masks agree.

    Parameters
    ----------
    normals, truth : (h, w, 3), same frame.
    mask, true_mask : (h, w) bool.
    """
    m, t = np.asarray(mask, dtype=bool), np.asarray(true_mask, dtype=bool)
    figures = mask_figures(m, t)
    both = m & t
    if not both.any():
        raise InputError("the estimated and the true mask do not overlap")
    angle = angles_deg(np.asarray(normals)[both], np.asarray(truth)[both])
    shares = {f"below_{limit:.0f}_deg": float((angle < limit).mean()) for limit in SHARES_DEG}
    return {"mean_deg": float(angle.mean()), "std_deg": float(angle.std()), **shares, **figures}
