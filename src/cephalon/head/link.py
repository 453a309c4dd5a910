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
_GROWING, _GROWN = 16.0, 20.0


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
        (Snyder et al. 1977), its square "growth_squared", and "ageing" = max(age - 20, 0) / 10.
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
        known["growth_squared"] = known["growth"] ** 2
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
    """Joint Gaussian of f features y and the identity z (k,).

    For adults, whose z is N(0, I) when nothing is known of them. Whoever is known to be young has a Gaussian of
    their own, `young`; between 16 and 20 years the two are blended.

    Attributes
    ----------
    names : (f,) names of the features, as `features` returns them.
    mean, covariance : (f,) and (f, f) of the features in the sampled population.
    cross : (k, f) covariance of z with the features.
    centre, spread : (k,) and (k, k), mean and covariance of z; 0 and I for adults.
    young : the link of people of 3 to 20 years, or None where the model has one link for all ages.
    """

    names: tuple[str, ...]
    mean: Float
    covariance: Float
    cross: Float
    centre: Float
    spread: Float
    young: LinearLink | None = None

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> LinearLink:
        """Read `link_names`, `link_mean`, `link_cov`, `link_cross` of a head model asset, and `link_young_...` if any.

        The young also bring `link_young_centre` and `link_young_spread`.
        """
        return _read(arrays, "link", _read(arrays, "link_young", None) if "link_young_names" in arrays else None)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads, float32."""
        found: dict[str, NDArray[Any]] = {}
        for prefix, link in (("link", self), ("link_young", self.young)):
            if link is not None:
                found[f"{prefix}_names"] = np.array(link.names)
                for key, value in (("mean", link.mean), ("cov", link.covariance), ("cross", link.cross)):
                    found[f"{prefix}_{key}"] = value.astype(np.float32)
        if self.young is not None:
            found["link_young_centre"] = self.young.centre.astype(np.float32)
            found["link_young_spread"] = self.young.spread.astype(np.float32)
        return found

    def condition(self, **covariates: Any) -> tuple[Float, Float]:
        """Return mean (k,) and factor F (k, k) of z given any subset of the covariates: z ~ N(mean, F F^T).

        Gaussian conditioning on the features S that are known:
        mean = c + C_zS C_SS^-1 (y_S - m_S), covariance = C_zz - C_zS C_SS^-1 C_Sz.

        Raises
        ------
        InputError
            If a covariate is out of range (see `features`).
        """
        known = features(**covariates)
        mean, covariance = self._given(known)
        age = covariates.get("age")
        if self.young is not None and age is not None and age < _GROWN:
            grown = float(np.clip((age - _GROWING) / (_GROWN - _GROWING), 0.0, 1.0))
            of_young, spread = self.young._given(known)
            mean = grown * mean + (1 - grown) * of_young
            covariance = grown * covariance + (1 - grown) * spread
        if not known:
            return mean, np.eye(len(mean))
        eigenvalues, eigenvectors = np.linalg.eigh((covariance + covariance.T) / 2)
        return mean, eigenvectors * np.sqrt(np.clip(eigenvalues, 1e-6, None))

    def _given(self, known: Mapping[str, float]) -> tuple[Float, Float]:
        """Mean (k,) and covariance (k, k) of z given features."""
        index = [i for i, name in enumerate(self.names) if name in known]
        if not index:
            return self.centre, self.spread
        value = np.array([known[self.names[i]] for i in index])
        gain = np.linalg.solve(self.covariance[np.ix_(index, index)], self.cross[:, index].T).T
        return self.centre + gain @ (value - self.mean[index]), self.spread - gain @ self.cross[:, index].T


def _read(arrays: Mapping[str, NDArray[Any]], prefix: str, young: LinearLink | None) -> LinearLink:
    names = tuple(str(x) for x in arrays[f"{prefix}_names"])
    f = len(names)
    cross = as_array(f"{prefix}_cross", arrays[f"{prefix}_cross"], (None, f))
    k = len(cross)
    own = f"{prefix}_centre" in arrays
    return LinearLink(
        names=names,
        mean=as_array(f"{prefix}_mean", arrays[f"{prefix}_mean"], (f,)),
        covariance=as_array(f"{prefix}_cov", arrays[f"{prefix}_cov"], (f, f)),
        cross=cross,
        centre=as_array(f"{prefix}_centre", arrays[f"{prefix}_centre"], (k,)) if own else np.zeros(k),
        spread=as_array(f"{prefix}_spread", arrays[f"{prefix}_spread"], (k, k)) if own else np.eye(k),
        young=young,
    )
