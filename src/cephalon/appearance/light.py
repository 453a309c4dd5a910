"""Light as order-2 spherical harmonics of the surface normal, estimated from the skin and divided out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def harmonics(normals: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the nine real basis functions 1, y, z, x, xy, yz, 3z^2 - 1, xz, x^2 - y^2 at unit normals (t, 3), (t, 9).

    Without their normalising constants (Ramamoorthi and Hanrahan 2001, eq. 3); nine of them hold over 98 % of what a
    Lambertian surface shows of any light.
    """
    x, y, z = (normals[:, i].astype(np.float32) for i in range(3))
    return np.stack([np.ones_like(x), y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Light:
    """The light of one photo.

    Attributes
    ----------
    coefficients : (9, 3), camera frame, linear RGB; times `harmonics` they give what this skin sends to the camera.
    reference : (3,) that radiance averaged over the skin of the face that the photo shows.

    Shading 1 is the reference: what the even skin of the face shows on average. So the albedo keeps the photo's skin
    tone, with the colour of its light: one photo cannot tell a dark skin in bright light from a light one in dim light.
    """

    coefficients: Float
    reference: Float

    def shading(self, normals: NDArray[np.floating], limits: tuple[float, float]) -> NDArray[np.float32]:
        """Return the (t, 3) shading relative to the reference, held softly between `limits`."""
        relative = harmonics(normals) @ (self.coefficients / self.reference).astype(np.float32)
        return np.clip(relative, *limits)


def estimate_light(
    normals: NDArray[np.floating], rgb_linear: NDArray[np.floating], weights: NDArray[np.floating], *, rounds: int = 8
) -> Light:
    """Fit the light that shaded skin of one colour.

    With m the median colour and rgb / m the relative radiance, first its brightness, then what each channel adds to it:

        minimise  sum w rho(y - H(n) L) + sum_k r_k L_k^2,

    by iteratively reweighted least squares with Huber's rho (bent at one robust standard deviation), so that beards and
    highlights have little say, yet no half of a face is dropped. The ridge r stands for lights as they are met: broad
    ones more often than sharp ones, nearly white rather than coloured.

    Without any weight the light is even.

    Parameters
    ----------
    normals : (t, 3) unit, any frame (the light comes out in the same).
    rgb_linear : (t, 3).
    weights : (t,) >= 0.
    """
    used = weights > 0.02
    if used.sum() < 30:
        flat = np.zeros((9, 3))
        flat[0] = 0.4
        return Light(coefficients=flat, reference=flat[0].copy())
    basis = harmonics(normals[used]).astype(np.float64)
    weights = weights[used].astype(np.float64)
    median = np.maximum(np.median(rgb_linear[used], axis=0), 1e-3)
    relative = rgb_linear[used] / median
    brightness = relative.mean(1)
    light = np.zeros((9, 3))
    light += _huber(basis, brightness, weights, _RIDGE_BRIGHTNESS, rounds)[:, None]
    for channel in range(3):
        light[:, channel] += _huber(basis, relative[:, channel] - brightness, weights, _RIDGE_COLOUR, 3)
    mean = (basis @ light * weights[:, None]).sum(0) / weights.sum()
    return Light(coefficients=light * median, reference=np.maximum(mean * median, 1e-4))


_RIDGE_BRIGHTNESS = np.array([0.0, 0.01, 0.01, 0.01, 0.08, 0.08, 0.08, 0.08, 0.08])
_RIDGE_COLOUR = np.array([0.0, 0.15, 0.15, 0.15, 1.0, 1.0, 1.0, 1.0, 1.0])


def _huber(basis: Float, value: Float, weights: Float, ridge: Float, rounds: int) -> Float:
    robust, solution = weights, np.zeros(basis.shape[1])
    for _ in range(rounds):
        weighted = basis * robust[:, None]
        total = max(robust.sum(), 1e-9)
        solution = np.linalg.solve(weighted.T @ basis / total + np.diag(ridge), weighted.T @ value / total)
        residual = np.abs(value - basis @ solution)
        scale = 1.4826 * np.median(residual) + 0.02
        robust = weights * np.minimum(1, scale / np.maximum(residual, 1e-9))
    return solution
