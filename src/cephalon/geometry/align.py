"""Closed-form alignment of two point sets (Procrustes)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array

FloatArray = npt.NDArray[np.float64]

# Second singular value over the first below which points are on one line and a turn about it is free.
_RANK_TOLERANCE = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Similarity:
    """The map `y = scale * rotation @ x + translation`.

    Attributes
    ----------
    scale : above 0, without unit.
    rotation : (3, 3) orthonormal; determinant -1 only where a reflection was allowed.
    translation : (3,) mm.
    """

    scale: float
    rotation: FloatArray
    translation: FloatArray

    def __post_init__(self) -> None:
        """Check the fields and keep read-only copies."""
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"Similarity.scale: expected a finite number above 0, got {self.scale}")
        rotation = as_array("Similarity.rotation", self.rotation, (3, 3))
        if np.abs(rotation.T @ rotation - np.eye(3)).max() > 1e-5:
            raise InputError("Similarity.rotation: expected an orthonormal (3, 3) matrix")
        object.__setattr__(self, "scale", float(self.scale))
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", as_array("Similarity.translation", self.translation, (3,)))

    def apply(self, points: npt.ArrayLike) -> FloatArray:
        """Map points (..., 3), mm."""
        return self.scale * (np.asarray(points, dtype=np.float64) @ self.rotation.T) + self.translation

    def inverse(self) -> Similarity:
        """Return the map the other way round."""
        back = self.rotation.T
        return Similarity(scale=1.0 / self.scale, rotation=back, translation=-(back @ self.translation) / self.scale)


def procrustes(
    source: npt.ArrayLike,
    target: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    *,
    with_scale: bool = False,
    allow_reflection: bool = False,
) -> Similarity:
    """Return the similarity that moves `source` onto `target` with the least weighted sum of squares.

    Minimises `sum_i w_i |s R x_i + t - y_i|^2` by one singular value decomposition (Umeyama 1991, eqs. 34-43;
    the weighted form replaces means and covariance by weighted ones).

    Parameters
    ----------
    source, target : (n, 3) mm, matched row by row.
    weights : (n,) not negative, inverse variances up to a factor; all 1 when not given.
    with_scale : also estimate the scale; otherwise it is 1.
    allow_reflection : let the rotation have determinant -1 where that fits better.

    Raises
    ------
    InputError
        If fewer than three points carry weight, or if the points of either set lie on one line or in one spot,
        so that the rotation is not determined.
    """
    x = as_array("source", source, (None, 3))
    y = as_array("target", target, (len(x), 3))
    w = np.ones(len(x)) if weights is None else as_array("weights", weights, (len(x),))
    if w.size and w.min() < 0:
        raise InputError(f"weights: expected numbers from 0, got {w.min():.3g}")
    count = int(np.count_nonzero(w))
    if count < 3:
        raise InputError(f"alignment needs at least 3 points with weight, got {count}")
    w = w / w.sum()
    x_mean, y_mean = w @ x, w @ y
    x_centred, y_centred = x - x_mean, y - y_mean
    root = np.sqrt(w)[:, None]
    for name, centred, mean in (("source", x_centred, x_mean), ("target", y_centred, y_mean)):
        spread = np.linalg.svd(root * centred, compute_uv=False)
        if spread[1] <= _RANK_TOLERANCE * max(spread[0], 1e-6 * float(np.abs(mean).max())):
            raise InputError(f"the {name} points lie on one line or in one spot, so no rotation aligns them uniquely")
    covariance = (w[:, None] * y_centred).T @ x_centred
    u, singular, vt = np.linalg.svd(covariance)
    signs = np.ones(3)
    if not allow_reflection and np.linalg.det(u) * np.linalg.det(vt) < 0:
        signs[2] = -1.0
    # The turn is unique only if the two smallest (signed) singular values do not cancel: Umeyama's rank condition.
    if singular[1] + signs[2] * singular[2] <= _RANK_TOLERANCE * singular[0]:
        raise InputError("source and target do not match: more than one rotation aligns them equally well")
    rotation = (u * signs) @ vt
    scale = float((singular * signs).sum() / (w @ (x_centred**2).sum(axis=1))) if with_scale else 1.0
    if not scale > 0:
        raise InputError("source and target do not match: the best scale is not above 0")
    return Similarity(scale=scale, rotation=rotation, translation=y_mean - scale * (rotation @ x_mean))
