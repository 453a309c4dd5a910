"""Light as order-2 spherical harmonics of the surface normal, estimated from the skin and divided out."""

from __future__ import annotations

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


def estimate_light(
    normals: NDArray[np.floating],
    rgb_linear: NDArray[np.floating],
    weights: NDArray[np.floating],
    *,
    rounds: int = 6,
    ridge: float = 0.02,
) -> Float:
    """Fit the light that shaded skin of one colour.

    Minimises sum w rho(rgb - H(n) L) + ridge |L_1..8|^2 by iteratively reweighted least squares (Tukey's biweight at 4.7
    robust standard deviations), so brows, beards and highlights lose their say.

    Parameters
    ----------
    normals : (t, 3) unit, any frame (the light comes out in the same).
    rgb_linear : (t, 3).
    weights : (t,) >= 0.

    Returns
    -------
    (9, 3) coefficients, skin colour included.
    """
    basis = harmonics(normals).astype(np.float64)
    robust = weights.astype(np.float64)
    light = np.zeros((9, 3))
    penalty = np.diag([0.0] + [1.0] * 8) * ridge
    for _ in range(rounds):
        total = max(robust.sum(), 1e-9)
        gram = (basis * robust[:, None]).T @ basis / total + penalty
        light = np.linalg.solve(gram, (basis * robust[:, None]).T @ rgb_linear / total)
        residual = np.abs(rgb_linear - basis @ light).mean(1)
        scale = 1.4826 * np.median(residual[weights > 0]) + 1e-4
        robust = weights * np.clip(1 - (residual / (4.7 * scale)) ** 2, 0, None) ** 2
    return light


def shading(normals: NDArray[np.floating], light: Float, limits: tuple[float, float]) -> NDArray[np.float32]:
    """Return the (t, 3) shading relative to the mean over the front of the face, clipped to `limits`.

    Shading 1 is what the skin that faces the front shows on average, so that the albedo keeps the photo's skin tone:
    one photo cannot tell a dark skin in bright light from a light one in dim light.
    """
    reference = np.maximum(light[0] + 0.0, 1e-4)
    relative = harmonics(normals) @ (light / reference).astype(np.float32)
    return np.clip(relative, *limits)
