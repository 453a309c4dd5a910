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
    age : years, 3 to 90. Gives "ageing" = max(age - 20, 0) / 10; how the young differ is `Growth`.
    sex : "female" or "male". Gives "sex" = -1 or +1.
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
        known["ageing"] = max(age - 20, 0) / 10
    if sex is not None:
        if sex not in SEXES:
            raise InputError(f"sex: expected female or male, got {sex!r}")
        known["sex"] = SEXES[sex]
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
class Growth:
    """How the young differ from the grown: a way through a few coordinates of z that is theirs alone.

    A young person is the grown one that it will be, brought nearer to the mean, plus the way back at its age:

        z = variety(age) z_grown + way(age, sex) + tempo of its own along the way.

    Attributes
    ----------
    ages : (y,) years, ascending; the last is when people are grown.
    way : (y, 2, g) at these ages, girls first, in the first g coordinates of z; 0 when grown.
    variety : (k,) how much people of the first age vary in each coordinate of z, as a share of the grown.
    tempo : sd of how old somebody looks, as a share of the age.
    """

    ages: Float
    way: Float
    variety: Float
    tempo: float

    @property
    def count(self) -> int:
        """Number g of coordinates that growth takes, the first ones of z."""
        return self.way.shape[2]

    def at(self, age: float, sex: str | None = None) -> tuple[Float, Float, Float]:
        """Return the variety (k,), the way (g,) and its covariance (g, g) at an age, of one sex or of both together."""
        share = (age - self.ages[0]) / (self.ages[-1] - self.ages[0])
        variety = self.variety + (1.0 - self.variety) * float(np.clip(share, 0.0, 1.0))
        chosen = list(SEXES) if sex is None else [sex]
        ways = np.stack([self._of(age, one) for one in chosen])
        step = 0.5
        faster = np.stack([self._of(age + step, one) - self._of(age - step, one) for one in chosen]) / (2 * step)
        jitter = np.einsum("sa,sb->ab", faster, faster) / len(chosen) * (self.tempo * age) ** 2
        middle = ways.mean(axis=0)
        return variety, middle, jitter + (ways - middle).T @ (ways - middle) / len(chosen)

    def _of(self, age: float, sex: str) -> Float:
        """Coordinates (g,) of the way, straight on before the first age and still after the last."""
        own = self.way[:, list(SEXES).index(sex)]
        if age < self.ages[0]:
            return own[0] + (age - self.ages[0]) * (own[1] - own[0]) / (self.ages[1] - self.ages[0])
        return np.array([np.interp(age, self.ages, column) for column in own.T])


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearLink:
    """Joint Gaussian of f features y and the identity z (k,) of the grown, z ~ N(0, I), and how the young differ.

    Attributes
    ----------
    names : (f,) names of the features, as `features` returns them.
    mean, covariance : (f,) and (f, f) of the features in the sampled population.
    cross : (k, f) covariance of z with the features.
    growth : how those who are not grown differ from the grown, or None where the model knows no children.
    """

    names: tuple[str, ...]
    mean: Float
    covariance: Float
    cross: Float
    growth: Growth | None = None

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray[Any]]) -> LinearLink:
        """Read `link_names`, `link_mean`, `link_cov`, `link_cross` of a head model asset, and `link_growth_...` if any."""
        names = tuple(str(x) for x in arrays["link_names"])
        f = len(names)
        cross = as_array("link_cross", arrays["link_cross"], (None, f))
        growth = None
        if "link_growth_ages" in arrays:
            ages = as_array("link_growth_ages", arrays["link_growth_ages"], (None,))
            growth = Growth(
                ages=ages,
                way=as_array("link_growth_way", arrays["link_growth_way"], (len(ages), 2, None)),
                variety=as_array("link_growth_variety", arrays["link_growth_variety"], (len(cross),)),
                tempo=float(as_array("link_growth_tempo", arrays["link_growth_tempo"], ())),
            )
        return LinearLink(
            names=names,
            mean=as_array("link_mean", arrays["link_mean"], (f,)),
            covariance=as_array("link_cov", arrays["link_cov"], (f, f)),
            cross=cross,
            growth=growth,
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `from_arrays` reads, float32."""
        found: dict[str, NDArray[Any]] = {
            "link_names": np.array(self.names),
            "link_mean": self.mean.astype(np.float32),
            "link_cov": self.covariance.astype(np.float32),
            "link_cross": self.cross.astype(np.float32),
        }
        if self.growth is not None:
            found["link_growth_ages"] = self.growth.ages.astype(np.float32)
            found["link_growth_way"] = self.growth.way.astype(np.float32)
            found["link_growth_variety"] = self.growth.variety.astype(np.float32)
            found["link_growth_tempo"] = np.array(self.growth.tempo, dtype=np.float32)
        return found

    def condition(self, **covariates: Any) -> tuple[Float, Float]:
        """Return mean (k,) and factor F (k, k) of z given any subset of the covariates: z ~ N(mean, F F^T).

        Gaussian conditioning on the features S that are known: mean = C_zS C_SS^-1 (y_S - m_S),
        covariance = I - C_zS C_SS^-1 C_Sz. Nobody is young unless the age says so.

        Raises
        ------
        InputError
            If a covariate is out of range (see `features`).
        """
        known = features(**covariates)
        mean, covariance = self._given(known)
        age = covariates.get("age")
        if self.growth is not None and age is not None and age < self.growth.ages[-1]:
            mean, covariance = self._young(mean, covariance, age, covariates.get("sex"))
        if not known:
            return mean, np.eye(len(mean))
        return mean, _factor(covariance)

    def condition_young(self, **covariates: Any) -> tuple[Float, Float]:
        """Return the same for someone of unknown age who is not grown: of any age of `growth`, each as likely.

        Raises
        ------
        InputError
            If the model knows no children, an age is given, or a covariate is out of range (see `features`).
        """
        if self.growth is None or covariates.get("age") is not None:
            raise InputError("the young of unknown age: expected a model of children and no age")
        ages = self.growth.ages[:-1]
        grown = self._given(features(**covariates, age=float(self.growth.ages[-1])))
        each = [self._young(*grown, float(age), covariates.get("sex")) for age in ages]
        means = np.stack([mean for mean, _ in each])
        middle = means.mean(axis=0)
        covariance = np.mean([spread for _, spread in each], axis=0) + (means - middle).T @ (means - middle) / len(ages)
        return middle, _factor(covariance)

    def younger(self, identity: Float, *, age: float, sex: str, rng: np.random.Generator) -> Float:
        """Return the identity (k,) of a young person given that of the grown one; of `age` from `growth.ages` on, itself."""
        if self.growth is None or age >= self.growth.ages[-1]:
            return identity
        looks = age * (1.0 + self.growth.tempo * rng.standard_normal())
        variety, way, _ = self.growth.at(looks, sex)
        young = variety * identity
        young[: self.growth.count] += way
        return young

    def _young(self, mean: Float, covariance: Float, age: float, sex: str | None) -> tuple[Float, Float]:
        """Mean (k,) and covariance (k, k) of young people whose grown have these."""
        assert self.growth is not None
        variety, way, spread = self.growth.at(age, sex)
        g = self.growth.count
        mean, covariance = variety * mean, variety[:, None] * covariance * variety
        mean[:g] += way
        covariance[:g, :g] += spread
        return mean, covariance

    def _given(self, known: Mapping[str, float]) -> tuple[Float, Float]:
        """Mean (k,) and covariance (k, k) of z given features."""
        k = len(self.cross)
        index = [i for i, name in enumerate(self.names) if name in known]
        if not index:
            return np.zeros(k), np.eye(k)
        value = np.array([known[self.names[i]] for i in index])
        gain = np.linalg.solve(self.covariance[np.ix_(index, index)], self.cross[:, index].T).T
        return gain @ (value - self.mean[index]), np.eye(k) - gain @ self.cross[:, index].T


def _factor(covariance: Float) -> Float:
    """F (k, k) with F F^T the covariance."""
    eigenvalues, eigenvectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return eigenvectors * np.sqrt(np.clip(eigenvalues, 1e-6, None))
