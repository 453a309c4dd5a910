"""The linear-Gaussian link between what one may know of a person (age, sex, ...) and the identity coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array

Float = NDArray[np.float64]

SEXES = {"female": -1.0, "male": 1.0}
ANCESTRIES = ("african", "asian", "caucasian")
YOUNGEST, OLDEST = 3.0, 90.0


def features(
    *,
    age: float | None = None,
    sex: str | None = None,
    weight: float | None = None,
    ancestry: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Return the features that are known given the covariates, by name.

    Parameters
    ----------
    age : years, 3 to 90. Gives "growth" = min(age / 18, 1), since heads and faces grow nearly evenly from 3 to 18 years
        (Snyder et al. 1977), and "ageing" = max(age - 20, 0) / 10.
    sex : "female" or "male". Gives "sex" = -1 or +1; with an age also "sex_mature" = sex * logistic((age - 14) / 2).
    weight : 0 (thin) to 1 (heavy), 0.5 average; the model's own control, not kilograms.
    ancestry : proportions by name ("african", "asian", "caucasian"), normalised to sum 1.

    Raises
    ------
    InputError
        If a value is out of range or a name unknown.
    """
    known: dict[str, float] = {}
    if age is not None:
        if not YOUNGEST <= age <= OLDEST:
            raise InputError(f"age: expected {YOUNGEST:.0f} to {OLDEST:.0f} years, got {age:g}")
        known["growth"] = min(age / 18, 1.0)
        known["ageing"] = max(age - 20, 0) / 10
    if sex is not None:
        if sex not in SEXES:
            raise InputError(f"sex: expected female or male, got {sex!r}")
        known["sex"] = SEXES[sex]
        if age is not None:
            known["sex_mature"] = SEXES[sex] / (1 + float(np.exp(-(age - 14) / 2)))
    if weight is not None:
        if not 0 <= weight <= 1:
            raise InputError(f"weight: expected 0 to 1, got {weight:g}")
        known["weight"] = float(weight)
    if ancestry is not None:
        unknown = set(ancestry) - set(ANCESTRIES)
        total = sum(ancestry.values())
        if unknown or total <= 0 or min(ancestry.values()) < 0:
            raise InputError(f"ancestry: expected proportions >= 0 of {', '.join(ANCESTRIES)}, got {dict(ancestry)}")
        for name in ANCESTRIES[:-1]:  # the last follows from the sum
            known[name] = ancestry.get(name, 0.0) / total
    return known


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearLink:
    """Joint Gaussian of f features y and the whitened identity z (k,), whose marginal is N(0, I).

    Attributes
    ----------
    names : (f,) names of the features, as `features` returns them.
    mean, covariance : (f,) and (f, f) of the features in the sampled population.
    cross : (k, f) covariance of z with the features.
    """

    names: tuple[str, ...]
    mean: Float
    covariance: Float
    cross: Float

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> LinearLink:
        """Read `link_names`, `link_mean`, `link_cov` and `link_cross` of a head model asset."""
        names = tuple(str(x) for x in arrays["link_names"])
        f = len(names)
        return LinearLink(
            names=names,
            mean=as_array("link_mean", arrays["link_mean"], (f,)),
            covariance=as_array("link_cov", arrays["link_cov"], (f, f)),
            cross=as_array("link_cross", arrays["link_cross"], (None, f)),
        )

    def condition(self, **covariates: Any) -> tuple[Float, Float]:
        """Return mean (k,) and factor F (k, k) of z given any subset of the covariates: z ~ N(mean, F F^T).

        Gaussian conditioning on the features S that are known:
        mean = C_zS C_SS^-1 (y_S - m_S), covariance = I - C_zS C_SS^-1 C_Sz.

        Raises
        ------
        InputError
            If a covariate is out of range (see `features`).
        """
        known = features(**covariates)
        k = len(self.cross)
        index = [i for i, name in enumerate(self.names) if name in known]
        if not index:
            return np.zeros(k), np.eye(k)
        value = np.array([known[self.names[i]] for i in index])
        inner = self.covariance[np.ix_(index, index)]
        gain = np.linalg.solve(inner, self.cross[:, index].T).T
        remaining = np.eye(k) - gain @ self.cross[:, index].T
        eigenvalues, eigenvectors = np.linalg.eigh((remaining + remaining.T) / 2)
        return gain @ (value - self.mean[index]), eigenvectors * np.sqrt(np.clip(eigenvalues, 1e-6, None))
