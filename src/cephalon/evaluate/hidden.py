"""Protocol 9: what averages hide. Regions, identity ratio, shrinkage, consistency, calibration; pure functions on arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError

FloatArray = npt.NDArray[np.float64]

LEVELS = (0.5, 0.8, 0.9, 0.95)
YAW_BINS = ((0.0, 15.0), (15.0, 45.0), (45.0, 75.0), (75.0, 110.0))


def yaw_bin(yaw_deg: float) -> str:
    """Return the bin of a yaw angle, by its size: "0-15", "15-45", "45-75" or "75-110" degrees; else "beyond 110"."""
    size = abs(yaw_deg)
    for low, high in YAW_BINS:
        if size < high or (high == YAW_BINS[-1][1] and size == high):
            return f"{low:.0f}-{high:.0f}"
    return "beyond 110"


def by_region(
    distance: npt.ArrayLike, labels: npt.NDArray[np.integer], names: Sequence[str]
) -> dict[str, tuple[float, int]]:
    """Return region -> (mean distance, count) of distances (n,) with labels (n,), -1 for none."""
    d = np.asarray(distance, dtype=np.float64)
    counts = np.bincount(labels + 1, minlength=len(names) + 1)[1:]
    sums = np.bincount(labels + 1, weights=d, minlength=len(names) + 1)[1:]
    return {
        name: (float(total / count), int(count))
        for name, total, count in zip(names, sums, counts, strict=True)
        if count
    }


def identity_ratio(error: float, mean_head_error: float) -> float:
    """Return error / error of the mean head: below 1 a method tells people apart, at 1 it gives everybody the same face."""
    if not mean_head_error > 0:
        raise InputError("identity ratio: the mean head's error has to be above 0")
    return error / mean_head_error


def shrinkage(predicted: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """Return the norm of the predicted deviation from the mean head over that of the true one.

    `|p| / |h|` over the entries that both have: below 1 a method stays nearer to the mean than people do.

    Parameters
    ----------
    predicted, true : deviations from the mean head at the same places, any shape; NaN where there is none.
    """
    p, h = np.asarray(predicted, dtype=np.float64), np.asarray(true, dtype=np.float64)
    both = np.isfinite(p) & np.isfinite(h)
    norm = float(np.linalg.norm(h[both]))
    if not norm > 0:
        raise InputError("shrinkage: the true deviation from the mean head is nothing")
    return float(np.linalg.norm(p[both])) / norm


def consistency(
    predicted: Mapping[str, Sequence[npt.ArrayLike]], true: Mapping[str, npt.ArrayLike]
) -> dict[str, float] | None:
    """Tell how far predictions of one person from different photos lie apart, beside how far people do.

    spread = root mean over persons and pairs of photos of the mean square of p_a - p_b; apart = the same over pairs of
    persons of h_i - h_j; ratio = spread / apart: 0 is perfect, near 1 the photo counts as much as the person.

    Parameters
    ----------
    predicted : person -> deviations from the mean head, one (k,) or (k, 3) array a photo, NaN where there is none.
    true : person -> the true deviation, at the same places.

    Returns
    -------
    spread_mm, apart_mm and ratio; None unless one person has two photos and there are two persons.
    """

    def mean_square(pairs: list[tuple[npt.ArrayLike, npt.ArrayLike]]) -> float | None:
        values = []
        for a, b in pairs:
            square = (np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)) ** 2
            if square.ndim == 2:
                square = square.sum(axis=1)
            if np.isfinite(square).any():
                values.append(float(np.nanmean(square)))
        return float(np.mean(values)) if values else None

    same = [(a, b) for arrays in predicted.values() for i, a in enumerate(arrays) for b in arrays[i + 1 :]]
    people = sorted(true)
    others = [(true[p], true[q]) for i, p in enumerate(people) for q in people[i + 1 :]]
    spread, apart = mean_square(same), mean_square(others)
    if spread is None or not apart:
        return None
    return {"spread_mm": spread**0.5, "apart_mm": apart**0.5, "ratio": (spread / apart) ** 0.5}


def coverage(deviation: npt.ArrayLike, sigma: npt.ArrayLike) -> dict[str, float]:
    """Return the share of deviations inside the central 50, 80, 90 and 95 % intervals of N(0, sigma^2).

    A well calibrated method has the same numbers on both sides: {"50": 0.5, "80": 0.8, ...}.
    """
    from scipy.special import ndtri

    z = np.abs(np.asarray(deviation, dtype=np.float64)) / np.maximum(np.asarray(sigma, dtype=np.float64), 1e-12)
    return {f"{100 * level:.0f}": float((z <= ndtri(0.5 + 0.5 * level)).mean()) for level in LEVELS}
