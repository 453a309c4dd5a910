"""What is said of many distances: pooled figures, intervals by subject, cumulative curves, paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError

FloatArray = npt.NDArray[np.float64]

CURVE_MM = np.linspace(0.0, 7.0, 141)
_CLASS_MM, _CLASSES = 0.001, 60_000
_EXACT_UP_TO = 1_000_000
_DRAWS, _BLOCK = 2000, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Figures of a pool of distances, mm: count, median, mean, standard deviation (by n), shares below `CURVE_MM`."""

    count: int
    median_mm: float
    mean_mm: float
    std_mm: float
    curve: FloatArray

    def plain(self) -> dict[str, float | int]:
        """Return the figures without the curve."""
        return {
            "count": self.count,
            "median_mm": self.median_mm,
            "mean_mm": self.mean_mm,
            "std_mm": self.std_mm,
        }


class Pool:
    """Distances of many images, pooled; memory stays flat however many there are.

    Up to a million values are kept as they are and the median is exact. Beyond, they are counted in classes of
    1 um and the median interpolated in its class, which with so many values is good to some 1e-5 mm. Mean, standard
    deviation and count are exact either way.
    """

    def __init__(self, exact_up_to: int = _EXACT_UP_TO) -> None:
        self._exact_up_to = exact_up_to
        self._parts: list[FloatArray] | None = []
        self._classes: npt.NDArray[np.int64] | None = None
        self.count, self._mean, self._square = 0, 0.0, 0.0

    def add(self, distances: npt.ArrayLike) -> None:
        """Add distances (n,), mm."""
        values: FloatArray = np.asarray(distances, dtype=np.float64).reshape(-1)
        if not len(values):
            return
        total = self.count + len(values)
        mean = float(values.mean())
        shift = mean - self._mean  # Chan's way of joining means and sums of squares
        self._square += float(((values - mean) ** 2).sum()) + shift * shift * self.count * len(values) / total
        self._mean += shift * len(values) / total
        self.count = total
        if self._parts is not None:
            self._parts.append(values)
            if total > self._exact_up_to:
                parts, self._parts = self._parts, None
                self._classes = np.zeros(_CLASSES + 1, dtype=np.int64)
                for part in parts:
                    self._class(part)
        else:
            self._class(values)

    def _class(self, values: FloatArray) -> None:
        assert self._classes is not None
        numbers = np.minimum(values / _CLASS_MM, _CLASSES).astype(np.int64)
        self._classes += np.bincount(numbers, minlength=_CLASSES + 1)

    def summary(self) -> Summary:
        """Return the figures.

        Raises
        ------
        InputError
            If the pool is empty.
        """
        if not self.count:
            raise InputError("no distances to summarise: every item failed")
        if self._parts is not None:
            values = np.sort(np.concatenate(self._parts))
            median = float(np.median(values))
            curve = np.searchsorted(values, CURVE_MM, side="right") / len(values)
        else:
            assert self._classes is not None
            below = np.concatenate([[0], np.cumsum(self._classes)])
            edges = _CLASS_MM * np.arange(len(below))
            median = float(np.interp(0.5 * self.count, below, edges))
            curve = np.interp(CURVE_MM, edges, below / self.count)
        std = float(np.sqrt(self._square / self.count))
        return Summary(count=self.count, median_mm=median, mean_mm=self._mean, std_mm=std, curve=curve)


def pooled(distances: Sequence[npt.ArrayLike]) -> Summary:
    """Return the figures of several arrays of distances taken together."""
    pool = Pool()
    for part in distances:
        pool.add(part)
    return pool.summary()


class SubjectPools:
    """Histograms by subject (10 um), enough to draw whole subjects again for an interval: a few kB a subject, nothing an image."""

    _WIDTH, _COUNT = 0.01, 3000

    def __init__(self) -> None:
        self._counts: dict[str, npt.NDArray[np.uint32]] = {}  # up to the last class that is not empty
        self._sums: dict[str, FloatArray] = {}

    def add(self, subject: str, distances: npt.ArrayLike) -> None:
        """Add distances (n,), mm, of a subject."""
        values: FloatArray = np.asarray(distances, dtype=np.float64).reshape(-1)
        numbers = np.minimum(values / self._WIDTH, self._COUNT).astype(np.int64)
        counts = np.bincount(numbers).astype(np.uint32)
        sums = np.array([len(values), values.sum(), (values**2).sum()])
        if subject in self._counts:
            short, long = sorted((self._counts[subject], counts), key=len)
            long[: len(short)] += short
            self._counts[subject] = long
            self._sums[subject] += sums
        else:
            self._counts[subject], self._sums[subject] = counts, sums

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self._counts)

    def intervals(
        self, *, rng: np.random.Generator, level: float = 0.95, draws: int = _DRAWS
    ) -> dict[str, list[float]]:
        """Return percentile-bootstrap intervals of the pooled median, mean and standard deviation, mm.

        Subjects, not images or vertices, are drawn with replacement: those of one person are not independent. With
        fewer than three subjects there is no interval, and the result is empty.
        """
        if len(self) < 3:
            return {}
        names = sorted(self._counts)
        counts: FloatArray = np.zeros((len(names), max(map(len, self._counts.values()))))
        for row, name in zip(counts, names, strict=True):
            row[: len(self._counts[name])] = self._counts[name]
        sums = np.stack([self._sums[name] for name in names])
        edges = self._WIDTH * np.arange(counts.shape[1] + 1)
        medians, means, stds = np.zeros(draws), np.zeros(draws), np.zeros(draws)
        for draw in range(draws):
            weights = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names)).astype(np.float64)
            below = np.concatenate([[0.0], np.cumsum(weights @ counts)])
            medians[draw] = np.interp(0.5 * below[-1], below, edges)
            n, total, square = weights @ sums
            means[draw] = total / n
            stds[draw] = np.sqrt(max(square / n - means[draw] ** 2, 0.0))
        tails = [0.5 - 0.5 * level, 0.5 + 0.5 * level]
        return {
            name: [float(x) for x in np.quantile(values, tails)]
            for name, values in (("median_mm", medians), ("mean_mm", means), ("std_mm", stds))
        }


def mean_interval(
    by_subject: Mapping[str, float], *, rng: np.random.Generator, level: float = 0.95, draws: int = _DRAWS
) -> list[float]:
    """Return the percentile-bootstrap interval of the mean over subjects; empty with fewer than three."""
    values = np.array([by_subject[name] for name in sorted(by_subject)])
    if len(values) < 3:
        return []
    means = values[rng.integers(0, len(values), (draws, len(values)))].mean(axis=1)
    return [float(x) for x in np.quantile(means, [0.5 - 0.5 * level, 0.5 + 0.5 * level])]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTest:
    """Two methods on the same subjects: mean difference a - b (mm or as given), its interval, and the p-value.

    `p_value` is that of the sign-flip permutation test of "no difference": exact up to 12 subjects, else by 20,000
    seeded draws; None with fewer than 5 subjects, which cannot show anything at 5 %.
    """

    subjects: int
    difference: float
    interval: list[float]
    p_value: float | None
    better: str


def paired_test(
    a: Mapping[str, float], b: Mapping[str, float], *, names: tuple[str, str], rng: np.random.Generator
) -> PairedTest:
    """Compare two methods by their mean error for each subject that both have.

    Raises
    ------
    InputError
        If they have no subject in common.
    """
    common = sorted(set(a) & set(b))
    if not common:
        raise InputError(f"{names[0]} and {names[1]} have no subject in common")
    difference = np.array([a[name] - b[name] for name in common])
    observed = float(difference.mean())
    n = len(common)
    p_value = None
    if n >= 5:
        if n <= 12:
            signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
            means = signs @ difference / n
            p_value = float((np.abs(means) >= abs(observed) * (1 - 1e-12)).mean())
        else:
            blocks = [(rng.integers(0, 2, (_BLOCK, n)) * 2.0 - 1.0) @ difference / n for _ in range(20_000 // _BLOCK)]
            means = np.concatenate(blocks)
            p_value = float(((np.abs(means) >= abs(observed) * (1 - 1e-12)).sum() + 1) / (len(means) + 1))
    interval = mean_interval(dict(zip(common, difference.tolist(), strict=True)), rng=rng)
    better = names[0] if observed < 0 else names[1] if observed > 0 else "neither"
    return PairedTest(subjects=n, difference=observed, interval=interval, p_value=p_value, better=better)
