"""Protocol 7: completed albedo against the true one (the head proposal, 4.3)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError

FloatArray = npt.NDArray[np.float64]

_WINDOW_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def structural_similarity(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Return the SSIM map (h, w) of two pictures (h, w, c) with values in [0, 1], mean over channels.

        SSIM = (2 m_a m_b + C1)(2 s_ab + C2) / ((m_a^2 + m_b^2 + C1)(s_a^2 + s_b^2 + C2))

    with a Gaussian window of 1.5 px, C1 = 0.01^2, C2 = 0.03^2 (Wang, Bovik, Sheikh, Simoncelli 2004).
    """
    from scipy.ndimage import gaussian_filter

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 3:
        raise InputError(f"pictures: expected two of the same shape (h, w, c), got {x.shape} and {y.shape}")

    def blur(values: FloatArray) -> FloatArray:
        return gaussian_filter(values, (_WINDOW_SIGMA, _WINDOW_SIGMA, 0.0), truncate=3.5)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = _K1**2, _K2**2
    return (((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean(axis=-1)


def texture_figures(
    albedo: npt.ArrayLike, truth: npt.ArrayLike, seen: npt.ArrayLike, skin: npt.ArrayLike | None = None
) -> dict[str, float]:
    """Return MSE, PSNR (dB) and SSIM over unseen, seen and all texels.

    Parameters
    ----------
    albedo, truth : (h, w, 3) in [0, 1].
    seen : (h, w) bool, texels that the photo shows.
    skin : (h, w) bool, texels that count; all when not given.
    """
    a, t = np.asarray(albedo, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    s = np.asarray(seen, dtype=bool)
    k = np.ones(s.shape, dtype=bool) if skin is None else np.asarray(skin, dtype=bool)
    if a.shape != t.shape or a.shape[:2] != s.shape or k.shape != s.shape:
        raise InputError(f"texture: expected the same size everywhere, got {a.shape}, {t.shape} and {s.shape}")
    square = ((a - t) ** 2).mean(axis=-1)
    similar = structural_similarity(a, t)
    figures: dict[str, float] = {}
    for name, rows in (("unseen", k & ~s), ("seen", k & s), ("all", k)):
        if not rows.any():
            continue
        mse = float(square[rows].mean())
        figures[f"mse_{name}"] = mse
        figures[f"psnr_db_{name}"] = float(-10 * np.log10(max(mse, 1e-12)))
        figures[f"ssim_{name}"] = float(similar[rows].mean())
    return figures


def baselines(truth: npt.ArrayLike, seen: npt.ArrayLike, skin: npt.ArrayLike | None = None) -> dict[str, FloatArray]:
    """Return what costs nothing: mean of the seen skin; mirrored about u = 0.5; mirrored with the rest filled smoothly.

    All keep the seen texels as they are in the truth.
    """
    t, s = np.asarray(truth, dtype=np.float64), np.asarray(seen, dtype=bool)
    k = np.ones(s.shape, dtype=bool) if skin is None else np.asarray(skin, dtype=bool)
    s = s & k
    if not s.any():
        raise InputError("texture: no texel is seen")
    mean = t[s].mean(axis=0)
    flat = np.where(s[..., None], t, mean)
    mirror_seen = s[:, ::-1]
    mirrored = np.where(s[..., None], t, np.where(mirror_seen[..., None], t[:, ::-1], mean))
    known = s | mirror_seen
    return {
        "mean skin": flat,
        "mirrored": mirrored,
        "mirrored + smooth fill": _filled(np.where(known[..., None], mirrored, 0.0), known),
    }


def _filled(values: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Return values with unknown texels filled from known ones through wider and wider Gaussians (normalised convolution)."""
    from scipy.ndimage import gaussian_filter

    out, done = values.copy(), known.copy()
    sigma = 2.0
    while not done.all() and sigma < 4 * max(known.shape):
        weight = gaussian_filter(known.astype(np.float64), sigma)
        blurred = gaussian_filter(values * known[..., None], (sigma, sigma, 0.0))
        new = ~done & (weight > 1e-3)
        out[new] = blurred[new] / weight[new, None]
        done |= new
        sigma *= 2
    out[~done] = values[known].mean(axis=0)
    return out
