"""Drawing people: covariates, macro coordinates and local controls, and the heads they give.

The spreads are a starting point that looks like people; measured means and spreads are imposed afterwards in
`builders.head.calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

from builders.head.base import HeadBase, head_frame, load_base
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

CHILD_SHARE = 0.05
"""Share of people of 3 to 18 years; small, so that the prior of somebody of unknown age stays that of an adult."""

CHILD_VARIETY = 0.65
"""Spread of controls and smooth deformations at three years, as a share of the adults'."""

GROUP_SD = {"head": 0.06, "neck": 0.08, "asym": 0.1}
"""Standard deviation of the local controls by folder; the others have ``FACE_SD``."""

FACE_SD = 0.16

CONTROL_SD = {
    "ears/ear-shape-pointed-shape-triangle": 0.05,
    "ears/ear-trans-down-up": 0.08,
    "eyes/eye-bag-decr-incr": 0.10,
    "eyes/eye-bag-height-decr-incr": 0.10,
    "eyes/eye-bag-in-out": 0.10,
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

SIZE_SD = 0.02
"""Standard deviation of the overall size, as a share."""

STRETCH_SD = (0.02, 0.025, 0.025)
"""Standard deviations of the stretch along x, y and z on top, as shares."""

SMOOTH_FIELDS = ((80.0, 1.4), (40.0, 0.9), (22.0, 0.45))
"""Smooth random deformations on top of the artist's shapes: (correlation length mm, sd per axis mm)."""

SMOOTH_SIDE_RATIO = 0.22
"""Standard deviation of the mirror-antisymmetric part of the smooth deformations, as a share of the symmetric one."""

TRUNCATION_SD = 2.6
"""Normal draws of controls beyond this are drawn again."""

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

    def take(self, kept: NDArray[np.bool_]) -> People:
        """Return some of the people, by a mask (p,)."""
        return People(**{field.name: getattr(self, field.name)[kept] for field in fields(self)})


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
    bmi = 26.0 * np.exp(0.17 * _normal(rng, (count,)))
    ancestry = rng.dirichlet(np.full(len(ANCESTRIES), 0.4), count)
    phenotype = Phenotype(
        age_years=age,
        masculinity=np.where(male, 0.96, 0.04) + 0.1 * _normal(rng, (count,)),
        bmi=bmi,
        muscle=np.clip(np.where(male, 0.55, 0.42) + 0.12 * _normal(rng, (count,)), 0.0, 1.0),
        proportions=rng.uniform(0.1, 0.9, count),
        ancestry=ancestry,
    )
    controls = load_local(base)
    stretch = 1.0 + SIZE_SD * _normal(rng, (count, 1, 1)) + np.array(STRETCH_SD) * _normal(rng, (count, 1, 3))
    variety = np.interp(age, (3.0, 18.0), (CHILD_VARIETY, 1.0))
    coefficients = variety[:, None] * _local_coefficients(controls, age, weight_of_bmi(bmi), rng)
    weights = macro_weights(phenotype)
    macro = load_macro(base).reshape(weights.shape[1], -1)
    vertices = np.zeros((count, *base.vertices.shape), dtype=np.float32)
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        vertices[rows] = (
            base.vertices
            + (weights[rows] @ macro).reshape(-1, *base.vertices.shape)
            + local_offsets(controls, coefficients[rows])
        ) * stretch[rows]
        for length_mm, sd_mm in SMOOTH_FIELDS:
            vertices[rows] += (
                sd_mm * variety[rows, None, None] * smooth_fields(base, length_mm, len(vertices[rows]), rng)
            )
    return People(age_years=age, male=male, bmi=bmi, ancestry=ancestry, vertices=vertices)


def average_adult(base: HeadBase) -> Float:
    """The controls' average adult (n, 3) mm in the head frame: between the sexes and ancestries, 30 years old."""
    one = np.ones(1)
    phenotype = Phenotype(
        age_years=30.0 * one,
        masculinity=0.5 * one,
        bmi=25.0 * one,
        muscle=0.5 * one,
        proportions=0.5 * one,
        ancestry=np.full((1, 3), 1.0 / 3.0),
    )
    raw = base.vertices + np.einsum("m,mnc->nc", macro_weights(phenotype)[0], load_macro(base))
    return head_frame(base, raw).points(raw)


def smooth_fields(base: HeadBase, length_mm: float, count: int, rng: np.random.Generator) -> Float:
    """Random smooth displacements (p, n, 3) of about unit sd per axis in the mirror-symmetric part.

    A Gaussian process with kernel exp(-d^2 / (2 length^2)) of the base mesh's distances, as in Gaussian process
    morphable models (Luethi et al. 2018, IEEE TPAMI 40:1860), so that parts that touch move together. The kernel is
    held by Nystroem's method on vertices that lie half a length apart.
    """
    factor = _kernel_factor(length_mm)
    field = np.einsum("nm,pmc->pnc", factor, rng.standard_normal((count, factor.shape[1], 3)), optimize=True)
    mirrored = field[:, base.symmetry] * np.array([-1.0, 1.0, 1.0])
    return ((field + mirrored) + SMOOTH_SIDE_RATIO * (field - mirrored)) / np.sqrt(2.0)


@cache
def _kernel_factor(length_mm: float) -> Float:
    """Factor B (n, m) of the kernel on the base mesh's vertices, B B^T = K nearly."""
    vertices = load_base().vertices
    chosen = [0]
    nearest = np.linalg.norm(vertices - vertices[0], axis=1)
    while nearest.max() > 0.5 * length_mm:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(vertices - vertices[chosen[-1]], axis=1))

    def kernel(a: Float, b: Float) -> Float:
        return np.exp(-((a[:, None] - b[None]) ** 2).sum(-1) / (2 * length_mm**2))

    inner = np.linalg.cholesky(kernel(vertices[chosen], vertices[chosen]) + 1e-6 * np.eye(len(chosen)))
    return np.linalg.solve(inner, kernel(vertices[chosen], vertices)).T


def _normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Standard normal draws, truncated at ``TRUNCATION_SD``."""
    return truncnorm.rvs(-TRUNCATION_SD, TRUNCATION_SD, size=shape, random_state=rng)


def _local_coefficients(
    controls: list[LocalControl], age_years: Float, weight: Float, rng: np.random.Generator
) -> Float:
    """Coefficients (p, c): normal, both sides of a pair coupled, some drifting with age and weight."""
    ageing = np.clip(age_years - 25.0, 0.0, None) / 50.0
    heavy = 2.0 * weight - 1.0
    drift = {
        "head/head-fat-decr-incr": 0.35 * heavy,
        "head/head-age-decr-incr": 0.15 * ageing,
        "neck/neck-double-decr-incr": 0.5 * heavy + 0.15 * ageing,
        "cheek/cheek-volume-decr-incr": 0.3 * heavy,
        "eyes/eye-bag-decr-incr": 0.25 * ageing,
        "ears/ear-lobe-decr-incr": 0.3 * ageing,
        "nose/nose-point-down-up": -0.1 * ageing,
    }
    shared: dict[str, Float] = {}
    columns = []
    for control in controls:
        sd = CONTROL_SD.get(control.name, GROUP_SD.get(control.name.split("/")[0], FACE_SD))
        if control.name not in shared:
            shared[control.name] = drift.get(control.name, 0.0) + sd * _normal(rng, age_years.shape)
        own = SIDE_RATIO * sd * _normal(rng, age_years.shape) if control.side else 0.0
        columns.append(shared[control.name] + own)
    return np.stack(columns, axis=1)
