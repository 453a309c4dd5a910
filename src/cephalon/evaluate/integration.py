"""Protocol 6: depth from normals, by several ways of integration, against the true depth (the normals paper, 4.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError

FloatArray = npt.NDArray[np.float64]

LAMBDAS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
GATE_PX = 7.0
_STEEPEST = 0.02  # smallest n_z: beyond, a slope is no more than noise


def slopes(normals: npt.ArrayLike, mask: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return p = dz/dx = -n_x / n_z and q = dz/dy = -n_y / n_z, (h, w), 0 outside the mask.

    Parameters
    ----------
    normals : (h, w, 3), x to the right, y down as the pixels run, z towards the viewer; depth z in px.
    mask : (h, w) bool.
    """
    n, m = np.asarray(normals, dtype=np.float64), np.asarray(mask, dtype=bool)
    if n.ndim != 3 or n.shape[2] != 3 or m.shape != n.shape[:2]:
        raise InputError(f"normals: expected (h, w, 3) with a mask (h, w), got {n.shape} and {m.shape}")
    z = np.maximum(n[..., 2], _STEEPEST)
    return np.where(m, -n[..., 0] / z, 0.0), np.where(m, -n[..., 1] / z, 0.0)


def weighted_least_squares(p: FloatArray, q: FloatArray, mask: npt.ArrayLike, weight: npt.ArrayLike) -> FloatArray:
    """Return z (h, w), NaN outside the mask, that minimises the weighted squares of slope errors.

        sum over neighbours i, j inside the mask of  w_ij (z_j - z_i - s_ij)^2

    with s_ij the mean slope of both along their direction and w_ij the mean of their weights (h, w). Each connected part
    has mean 0.
    """
    from scipy.sparse import coo_array, csc_array, eye_array
    from scipy.sparse.linalg import splu

    m, w = np.asarray(mask, dtype=bool), np.asarray(weight, dtype=np.float64)
    number = np.full(m.shape, -1)
    number[m] = np.arange(int(m.sum()))
    count = int(m.sum())
    if not count:
        raise InputError("integration: the mask is empty")
    ends, step, strength = [], [], []
    for slope, first, second in ((p, np.s_[:, :-1], np.s_[:, 1:]), (q, np.s_[:-1, :], np.s_[1:, :])):
        both = m[first] & m[second]
        ends.append(np.column_stack([number[first][both], number[second][both]]))
        step.append(0.5 * (slope[first] + slope[second])[both])
        strength.append(0.5 * (w[first] + w[second])[both])
    pairs, s, root = np.concatenate(ends), np.concatenate(step), np.sqrt(np.concatenate(strength))
    rows = np.repeat(np.arange(len(pairs)), 2)
    values = (np.tile([-1.0, 1.0], (len(pairs), 1)) * root[:, None]).reshape(-1)
    system = coo_array((values, (rows, pairs.reshape(-1))), shape=(len(pairs), count)).tocsc()
    normal = csc_array(system.T @ system + 1e-9 * eye_array(count))  # the free constant: the smallest solution
    z = splu(normal).solve(system.T @ (root * s))
    depth: FloatArray = np.full(m.shape, np.nan)
    depth[m] = z - z.mean()
    return depth


def frankot_chellappa(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return z (h, w) by projection on integrable slopes in the Fourier domain (Frankot, Chellappa 1988); periodic borders."""
    h, w = p.shape
    u = 2j * np.pi * np.fft.fftfreq(w)[None, :]
    v = 2j * np.pi * np.fft.fftfreq(h)[:, None]
    square = np.abs(u) ** 2 + np.abs(v) ** 2
    square[0, 0] = 1.0
    spectrum = (np.conj(u) * np.fft.fft2(p) + np.conj(v) * np.fft.fft2(q)) / square
    spectrum[0, 0] = 0.0
    return np.fft.ifft2(spectrum).real


def dct_poisson(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return z (h, w) with the Laplacian that the slopes imply and free borders, by the cosine transform.

    Slopes between neighbours are means of both; outside the mask they are 0.
    """
    from scipy.fft import dctn, idctn

    h, w = p.shape
    along_x, along_y = 0.5 * (p[:, :-1] + p[:, 1:]), 0.5 * (q[:-1, :] + q[1:, :])
    divergence = np.zeros((h, w))
    divergence[:, :-1] += along_x
    divergence[:, 1:] -= along_x
    divergence[:-1, :] += along_y
    divergence[1:, :] -= along_y
    eigen = (2 * np.cos(np.pi * np.arange(w) / w) - 2)[None, :] + (2 * np.cos(np.pi * np.arange(h) / h) - 2)[:, None]
    eigen[0, 0] = 1.0
    spectrum = dctn(divergence, norm="ortho") / eigen
    spectrum[0, 0] = 0.0
    return np.asarray(idctn(spectrum, norm="ortho"))


def way_names(lambdas: tuple[float, ...]) -> tuple[str, ...]:
    """Return the names of the ways of integration, in their order."""
    squares = ("least squares, unweighted" if x == 0 else f"least squares, λ = {x:g}" for x in lambdas)
    return ("Frankot-Chellappa", "DCT Poisson", *squares)


def integrate_all(
    normals: npt.ArrayLike, magnitude: npt.ArrayLike, mask: npt.ArrayLike, lambdas: tuple[float, ...] = LAMBDAS
) -> dict[str, FloatArray]:
    """Return depth (h, w) by way of integration; weights w = 1 / (1 + lambda W) with W the gradient magnitude (h, w)."""
    p, q = slopes(normals, mask)
    size = np.asarray(magnitude, dtype=np.float64)
    if size.shape != p.shape:
        raise InputError(f"magnitude: expected shape {p.shape}, got {size.shape}")
    depths = [frankot_chellappa(p, q), dct_poisson(p, q)]
    for value in lambdas:
        depths.append(weighted_least_squares(p, q, mask, 1.0 / (1.0 + value * np.maximum(size, 0.0))))
    return dict(zip(way_names(lambdas), depths, strict=True))


def depth_figures(
    depth: npt.ArrayLike, truth: npt.ArrayLike, mask: npt.ArrayLike, gate_px: float = GATE_PX
) -> dict[str, float]:
    """Return the figures of protocol 6 for one picture, px.

    The median offset is taken out; errors beyond the gate are counted (`beyond_gate`) and left out; the variance is that of
    the rest inside 3 standard deviations of it; sigma its root. Over pictures, sigma is the root of the mean variance.
    """
    inside = np.asarray(mask, dtype=bool) & np.isfinite(np.asarray(depth)) & np.isfinite(np.asarray(truth))
    if not inside.any():
        raise InputError("integration: no pixel has both an estimated and a true depth")
    error = (np.asarray(depth, dtype=np.float64) - np.asarray(truth, dtype=np.float64))[inside]
    error = error - np.median(error)
    kept = error[np.abs(error) <= gate_px]
    core = kept[np.abs(kept) <= 3 * kept.std()] if len(kept) else kept
    variance = float((core**2).mean()) if len(core) else gate_px**2
    return {
        "sigma_px": variance**0.5,
        "variance_px2": variance,
        "median_px": float(np.median(np.abs(error))),
        "beyond_gate": float(1.0 - len(kept) / len(error)),
    }
