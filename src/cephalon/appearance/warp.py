"""A smooth shift of the picture that takes the fitted landmarks onto the measured ones.

The fit leaves 1 to 3 % of the eye distance. On the mesh that is a lip painted beside the lip, so the lookup is bent:
the residuals (measured - predicted) are taken as samples of a smooth field and interpolated by Gaussian-process
regression (kriging; the kernel is a sum of a broad and a narrow Gaussian), which fades to zero away from the landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from cephalon.appearance.contours import CONTOURS
from cephalon.geometry.sampling import bilinear
from cephalon.values import Observation, PhotoFit

Float = NDArray[np.float64]

# All lengths in fractions of the outer eye distance.
_BROAD, _NARROW = 0.35, 0.10
_SD_BROAD, _SD_NARROW = 0.02, 0.015
_NOISE = 0.006
_GRID = 0.06
_REACH = 0.9
# A landmark that is off by more than this is wrong, not misplaced.
_LARGEST = 0.12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Warp:
    """A field of shifts, px, on a regular grid: `shift` (rows, columns, 2), first sample at `origin`, `step` apart."""

    origin: Float
    step: float
    shift: NDArray[np.float32]

    def at(self, pixel: Float) -> Float:
        """Return the shift (n, 2) at positions (n, 2), px; zero outside the field."""
        if not self.shift.size:
            return np.zeros_like(pixel)
        place = (pixel - self.origin) / self.step
        inside = ((place >= 0) & (place <= (self.shift.shape[1] - 1, self.shift.shape[0] - 1))).all(1)
        shift = np.zeros_like(pixel)
        shift[inside] = bilinear(self.shift, place[inside] + 0.5)
        return shift


def landmark_warp(observation: Observation, fitted: PhotoFit, eye_px: float) -> Warp:
    """Return the warp of one photo, from its first point set and the fit's prediction of it."""
    measured = observation.points[0]
    nothing = Warp(origin=np.zeros(2), step=1.0, shift=np.zeros((0, 0, 2), dtype=np.float32))
    if len(measured.position) != len(fitted.points_px):
        return nothing
    residual = measured.position - fitted.points_px
    used = measured.visible & (fitted.inlier > 0.25) & np.isfinite(fitted.points_px).all(1)
    used &= np.linalg.norm(np.where(np.isfinite(residual), residual, np.inf), axis=1) < _LARGEST * eye_px
    contours = CONTOURS.get(measured.set_name)
    if contours is not None:
        used[list(contours.sliding)] = False
        for ring in contours.irises:
            used[list(ring)] = False
    if used.sum() < 4:
        return nothing
    places, residual = fitted.points_px[used] / eye_px, residual[used] / eye_px
    gram = _kernel(places, places)
    gram[np.diag_indices_from(gram)] += _NOISE**2
    weights = cho_solve(cho_factor(gram), residual)
    low, high = places.min(0) - _REACH, places.max(0) + _REACH
    columns, rows = (np.ceil((high - low) / _GRID).astype(int) + 1).tolist()
    x, y = np.meshgrid(low[0] + _GRID * np.arange(columns), low[1] + _GRID * np.arange(rows))
    shift = _kernel(np.stack([x.ravel(), y.ravel()], axis=1), places) @ weights
    return Warp(
        origin=low * eye_px, step=_GRID * eye_px, shift=(shift * eye_px).reshape(rows, columns, 2).astype(np.float32)
    )


def _kernel(a: Float, b: Float) -> Float:
    squared = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0)
    broad = np.exp(squared * (-0.5 / _BROAD**2))
    return _SD_BROAD**2 * broad + _SD_NARROW**2 * np.exp(squared * (-0.5 / _NARROW**2))
