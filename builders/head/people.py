"""Drawing people: covariates, macro coordinates and local controls, and the heads they give.

The spreads are a starting point that looks like people; measured means and spreads are imposed afterwards in
`builders.head.calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase
from builders.head.controls import (
    ANCESTRIES,
    BMI_ANCHORS,
    LocalControl,
    Phenotype,
    load_local,
    load_macro,
    local_offsets,
    macro_weights,
)

Float = NDArray[np.float64]

CHILD_SHARE = 0.08
"""Share of people of 3 to 18 years; small, so that the prior of somebody of unknown age stays that of an adult."""

GROUP_SD = {"head": 0.06, "neck": 0.08, "asym": 0.13}
"""Standard deviation of the local controls by folder; the others have ``FACE_SD``."""

FACE_SD = 0.16

CONTROL_SD = {
    "ears/ear-shape-pointed-shape-triangle": 0.05,
    "ears/ear-trans-down-up": 0.08,
    "forehead/forehead-nubian-decr-incr": 0.06,
    "forehead/forehead-scale-vert-decr-incr": 0.10,
    "head/head-trans-in-out": 0.0,
    "head/head-trans-down-up": 0.0,
    "head/head-trans-backward-forward": 0.04,
    "neck/neck-trans-in-out": 0.0,
    "neck/measure-neck-height-decr-incr": 0.05,
    "neck/neck-scale-vert-decr-incr": 0.05,
}
"""Standard deviations of single controls: caricatures are held back, a turned or shifted neck is pose, not identity."""

SIDE_RATIO = 0.25
"""Standard deviation of the left-right difference of a paired control, as a share of the control's own."""

BATCH = 200
"""People per batch, to bound memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """p drawn people.

    Attributes
    ----------
    age_years : (p,) 3 to 90.
    male : (p,) bool.
    bmi : (p,) kg / m^2; in children the index of an adult of the same build.
    ancestry : (p, 3) proportions of ``ANCESTRIES``.
    vertices : (p, n, 3) mm, MakeHuman's axes, not aligned.
    """

    age_years: Float
    male: NDArray[np.bool_]
    bmi: Float
    ancestry: Float
    vertices: NDArray[np.float32]


def weight_of_bmi(bmi: Float) -> Float:
    """Map a body mass index to the weight control: 0 thin, 0.5 average, 1 heavy."""
    return np.interp(bmi, BMI_ANCHORS, (0.0, 0.5, 1.0))


def draw_people(base: HeadBase, count: int, rng: np.random.Generator) -> People:
    """Draw people broad in age, sex, weight and ancestry, and build their heads.

    Adults are uniform in age from 18 to 85; body mass index is log-normal around 26 with 17 %; ancestry is
    Dirichlet(0.4, 0.4, 0.4), so most people have one or two ancestries, half and half men and women.
    """
    child = rng.random(count) < CHILD_SHARE
    age = np.where(child, rng.uniform(3.0, 18.0, count), rng.uniform(18.0, 85.0, count))
    male = np.arange(count) % 2 == 0
    bmi = 26.0 * np.exp(0.17 * rng.standard_normal(count))
    ancestry = rng.dirichlet(np.full(len(ANCESTRIES), 0.4), count)
    phenotype = Phenotype(
        age_years=age,
        masculinity=np.where(male, 0.92, 0.08) + 0.12 * rng.standard_normal(count),
        bmi=bmi,
        muscle=np.clip(np.where(male, 0.55, 0.42) + 0.12 * rng.standard_normal(count), 0.0, 1.0),
        proportions=rng.uniform(0.1, 0.9, count),
        ancestry=ancestry,
    )
    controls = load_local(base)
    coefficients = _local_coefficients(controls, age, weight_of_bmi(bmi), rng)
    weights = macro_weights(phenotype)
    macro = load_macro(base).reshape(weights.shape[1], -1)
    vertices = np.zeros((count, *base.vertices.shape), dtype=np.float32)
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        vertices[rows] = (
            base.vertices
            + (weights[rows] @ macro).reshape(-1, *base.vertices.shape)
            + local_offsets(controls, coefficients[rows])
        )
    return People(age_years=age, male=male, bmi=bmi, ancestry=ancestry, vertices=vertices)


def _local_coefficients(
    controls: list[LocalControl], age_years: Float, weight: Float, rng: np.random.Generator
) -> Float:
    """Coefficients (p, c): normal, both sides of a pair coupled, some drifting with age and weight."""
    ageing = np.clip(age_years - 25.0, 0.0, None) / 50.0
    heavy = 2.0 * weight - 1.0
    drift = {
        "head/head-fat-decr-incr": 0.35 * heavy,
        "head/head-age-decr-incr": 0.3 * ageing,
        "neck/neck-double-decr-incr": 0.5 * heavy + 0.15 * ageing,
        "cheek/cheek-volume-decr-incr": 0.3 * heavy,
        "eyes/eye-bag-decr-incr": 0.3 * ageing,
        "mouth/mouth-laugh-lines-in-out": -0.3 * ageing,
        "ears/ear-lobe-decr-incr": 0.3 * ageing,
        "nose/nose-point-down-up": -0.1 * ageing,
    }
    shared: dict[str, Float] = {}
    columns = []
    for control in controls:
        sd = CONTROL_SD.get(control.name, GROUP_SD.get(control.name.split("/")[0], FACE_SD))
        if control.name not in shared:
            shared[control.name] = drift.get(control.name, 0.0) + sd * rng.standard_normal(len(age_years))
        own = SIDE_RATIO * sd * rng.standard_normal(len(age_years)) if control.side else 0.0
        columns.append(shared[control.name] + own)
    return np.stack(columns, axis=1)
