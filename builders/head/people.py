"""Drawing people: covariates, macro coordinates and local controls, and the heads they give.

The spreads are a starting point that looks like people; measured means and spreads are imposed afterwards in
`builders.head.calibration`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import truncnorm

from builders.head.alignment import alignment_weights, onto, without_motion
from builders.head.base import HeadBase, load_base
from builders.head.controls import (
    AGE_ANCHORS_YEARS,
    ANCESTRIES,
    BMI_ANCHORS,
    LocalControl,
    Phenotype,
    average_adult,
    load_local,
    load_macro,
    local_offsets,
    macro_weights,
)
from builders.head.register import Registered

Float = NDArray[np.float64]

SCANNED_AGE_YEARS = 30.0
"""Taken as the age of the scanned people."""

EXPLAINED = 0.75
"""Most of the scanned variance that sex, build and ancestry may account for in any direction."""

OUTSIDE = 0.36
"""Share kept of what the controls do with sex, build and ancestry that the scans do not show: much of it is style.

None of its size is kept: how large groups are is for surveys to say."""

NOISE_MM = 1.0
PATCHES = 3.0
"""How far the controls' surface is from scanned ones, and over how many independent patches of it.

An artist's error is one of the whole face, not of single patches. Taken for accurate (200 patches), a man of the controls
is ten scanned standard deviations from a woman, mostly along modes of little variance, and what may be left of him is
hardly seen; with three he is three, along the modes in which people differ most.
"""

EXACT_PATCHES = 200.0
"""The same where the scanned weights of a surface are asked for, style included."""

MASCULINITY_SD = 0.2
"""How much people of one sex differ along the controls' difference of the sexes, whose length is 0.92."""

AGEING = 1.4
"""How much more a face ages than in the controls, whose people of 88 years look like some 65 (judged on renders)."""

GROUP_SD = {"head": 0.02, "neck": 0.05, "asym": 0.03, "ears": 0.05}
"""Standard deviations of the local controls by folder, on top of the scanned variety; others have ``FACE_SD``."""

FACE_SD = 0.03

WEIGHT_DRIFT = {
    "head/head-fat-decr-incr": 0.35,
    "neck/neck-double-decr-incr": 0.5,
    "cheek/cheek-volume-decr-incr": 0.3,
}
"""Drift of local controls from the average to the heavy."""

AGE_DRIFT = {
    "head/head-age-decr-incr": 0.3,
    "neck/neck-double-decr-incr": 0.15,
    "eyes/eye-bag-decr-incr": 0.1,
    "eyes/eye-eyefold-down-up": -0.15,
    "ears/ear-lobe-decr-incr": 0.4,
    "nose/nose-point-down-up": -0.2,
    "cheek/cheek-trans-down-up": -0.12,
    "cheek/cheek-inner-decr-incr": -0.15,
    "forehead/forehead-temple-decr-incr": -0.3,
    "mouth/mouth-lowerlip-volume-decr-incr": -0.25,
    "mouth/mouth-upperlip-volume-decr-incr": -0.3,
    "mouth/mouth-scale-depth-decr-incr": -0.25,
    "mouth/mouth-angles-down-up": -0.1,
    "mouth/mouth-laugh-lines-in-out": -0.15,
    "chin/chin-jaw-drop-decr-incr": 0.12,
}
"""Drift of local controls from 25 to 75 years: sagging cheeks, hollow temples, folds beside the mouth, thin and receding
lips, a drooping tip of the nose, lids that cover more of the eye (Windhager et al. 2019, Am J Phys Anthropol 169:678;
Veleminska et al. 2022, Sci Rep 12:21821). The signs are theirs, the sizes judged on renders."""

SEX_DRIFT = {
    "eyebrows/eyebrows-trans-backward-forward": 0.15,
    "eyebrows/eyebrows-trans-down-up": -0.126,
    "forehead/forehead-nubian-decr-incr": -0.032,
    "forehead/forehead-trans-backward-forward": -0.063,
    "eyes/eye-scale-decr-incr": -0.084,
    "nose/nose-hump-decr-incr": 0.154,
    "nose/nose-point-down-up": -0.105,
    "nose/nose-width1-decr-incr": 0.154,
    "cheek/cheek-bones-decr-incr": -0.084,
    "mouth/mouth-lowerlip-volume-decr-incr": -0.126,
    "mouth/mouth-upperlip-volume-decr-incr": -0.126,
    "chin/chin-width-decr-incr": 0.126,
    "chin/chin-prominent-decr-incr": 0.084,
    "chin/chin-jaw-drop-decr-incr": 0.105,
    "head/head-square": 0.084,
}
"""Half the difference of local controls between grown men and women, men's sign. In men brow ridge and glabella stand
forward and lower and the forehead slopes back from them, the nose is large and its root broad, chin and jaw stand out;
in women the forehead is upright and round, eyes, cheeks and lips are fuller (Bruce et al. 1993, Perception 22:131;
Claes et al. 2012, J Anat 221:97; Kesterke et al. 2016, Biol Sex Differ 7:23). The signs are theirs, the sizes judged on
renders and by the share of the face's variance that sex has (`benchmarks/model_people.py`)."""

CONTROL_SD = {
    "ears/ear-shape-pointed-shape-triangle": 0.03,
    "ears/ear-trans-down-up": 0.04,
    "head/head-trans-in-out": 0.0,
    "head/head-trans-down-up": 0.0,
    "head/head-trans-backward-forward": 0.02,
    "neck/neck-trans-in-out": 0.0,
    "neck/measure-neck-height-decr-incr": 0.03,
    "neck/neck-scale-vert-decr-incr": 0.03,
}
"""Standard deviations of single controls: caricatures are held back, a turned or shifted neck is pose, not identity."""

SIDE_RATIO = 0.25
"""Standard deviation of the left-right difference of a paired control, as a share of the control's own."""

SMOOTH_FIELDS = ((80.0, 0.3), (40.0, 0.3), (22.0, 0.2))
"""Smooth random deformations, for what the scanned modes do not hold: (correlation length mm, sd per axis mm)."""

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
    age_years : (p,) 18 to 90.
    male : (p,) bool.
    bmi : (p,) kg / m^2.
    ancestry : (p, 3) proportions of ``ANCESTRIES``.
    vertices : (p, n, 3) mm, nearly in the head frame.
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


def draw_people(base: HeadBase, scanned: Registered, count: int, rng: np.random.Generator) -> People:
    """Draw people of known age, sex, weight and ancestry whose heads vary as the scanned ones do.

    Adults are of 18 to 85 years, 43 in the mean; body mass index is log-normal around 26 with 17 %; ancestry is
    Dirichlet(0.4, 0.4, 0.4), so most people have one or two ancestries, half and half men and women.

    The scans come without covariates. With B the scanned modes and D(c) how the controls move a young adult with
    sex, build and ancestry, a person is

        mean + B (S w(c) + (I - P)^(1/2) e) + OUTSIDE (D(c) - B S w(c)) + controls' growth, ageing and detail,

    w(c) the scanned weights that explain D(c) best, e ~ N(0, I). S shrinks what the controls claim to at most
    ``EXPLAINED`` of the scanned variance in any direction. P is the covariance of S w and of what scanned weights show
    of the style beside it, at most ``EXPLAINED`` as well: young adults as a whole vary nearly as the scans, and what is
    known of a person says where among them to look.
    """
    age = 18.0 + 67.0 * rng.beta(1.2, 2.0, count)
    male = rng.permutation(count) % 2 == 0
    bmi = 26.0 * np.exp(0.17 * _normal(rng, (count,)))
    ancestry = rng.dirichlet(np.full(len(ANCESTRIES), 0.4), count)
    masculine = np.where(male, 0.46, -0.46) + MASCULINITY_SD * _normal(rng, (count,))
    grown = Phenotype(
        age_years=np.full(count, SCANNED_AGE_YEARS),
        masculinity=0.5 + masculine,
        bmi=bmi,
        muscle=np.clip(np.where(male, 0.55, 0.42) + 0.12 * _normal(rng, (count,)), 0.0, 1.0),
        proportions=rng.uniform(0.1, 0.9, count),
        ancestry=ancestry,
    )
    rigid = alignment_weights(base)
    average = average_adult(base)
    young = _controlled(base, grown, None, average, rigid)
    coefficients = _local_coefficients(load_local(base), age, weight_of_bmi(bmi), masculine / 0.46, rng)
    vertices = _controlled(base, replace(grown, age_years=age), coefficients, average, rigid) - young
    difference = young - average.astype(np.float32)
    difference -= difference.mean(axis=0)
    del young
    modes = without_motion(scanned.mean, scanned.modes, rigid)
    claimed = _explain(modes, difference, scanned.covered, PATCHES)
    claimed = claimed @ _shares(np.cov(claimed.T))[0]
    flat = modes.reshape(len(modes), -1)
    style = difference - (claimed.astype(np.float32) @ flat).reshape(difference.shape)
    style = np.float32(OUTSIDE) * _without_size(scanned.mean, style, rigid)
    rest = _shares(np.cov((claimed + _explain(modes, style, scanned.covered, EXACT_PATCHES)).T))[1]
    vertices += style
    own = _normal(rng, (count, len(modes))) @ rest
    vertices += ((claimed + own).astype(np.float32) @ flat).reshape(difference.shape)
    vertices += scanned.mean.astype(np.float32)
    for start in range(0, count, BATCH):
        rows = slice(start, start + BATCH)
        for length_mm, sd_mm in SMOOTH_FIELDS:
            vertices[rows] += sd_mm * smooth_fields(base, length_mm, len(vertices[rows]), rng)
    return People(age_years=age, male=male, bmi=bmi, ancestry=ancestry, vertices=vertices)


def _controlled(
    base: HeadBase,
    phenotype: Phenotype,
    coefficients: Float | None,
    reference: Float,
    rigid: Float,
) -> NDArray[np.float32]:
    """Heads (p, n, 3) of the controls, moved rigidly onto the reference (n, 3)."""
    weights, macro = _aged_weights(phenotype), load_macro(base).reshape(-1, base.vertices.size)
    controls = load_local(base)
    heads = np.zeros((len(weights), *base.vertices.shape), dtype=np.float32)
    for start in range(0, len(weights), BATCH):
        rows = slice(start, start + BATCH)
        heads[rows] = base.vertices + (weights[rows] @ macro).reshape(-1, *base.vertices.shape)
        if coefficients is not None:
            heads[rows] += local_offsets(controls, coefficients[rows])
        heads[rows] = onto(reference, heads[rows], rigid)
    return heads


def _aged_weights(phenotype: Phenotype) -> Float:
    """Weights (p, m) of the macro shapes, with ``AGEING`` times what they change from 21 years on."""
    grown = macro_weights(replace(phenotype, age_years=np.minimum(phenotype.age_years, AGE_ANCHORS_YEARS[2])))
    return grown + AGEING * (macro_weights(phenotype) - grown)


def _explain(modes: NDArray[np.float32], difference: NDArray[np.float32], covered: Float, patches: float) -> Float:
    """Weights (p, k) of the scanned modes that explain differences (p, n, 3) best, N(0, I) their prior."""
    flat = modes.reshape(len(modes), -1).astype(np.float64)
    precision = np.repeat(covered / covered.sum(), 3) * patches / NOISE_MM**2
    weighted = flat * precision
    inner = weighted @ flat.T + np.eye(len(flat))
    return np.linalg.solve(inner, (weighted.astype(np.float32) @ difference.reshape(len(difference), -1).T)).T


def _without_size(reference: Float, offsets: NDArray[np.float32], weights: Float) -> NDArray[np.float32]:
    """Offsets (p, n, 3) of a head (n, 3) without their even enlargement, by weighted least squares."""
    arm = reference - weights @ reference / weights.sum()
    pull = (arm * weights[:, None] / (weights @ (arm**2).sum(axis=1))).astype(np.float32)
    return offsets - np.einsum("pnc,nc->p", offsets, pull)[:, None, None] * arm.astype(np.float32)


def _shares(claimed: Float) -> tuple[Float, Float]:
    """Symmetric maps (k, k): shrinking of claimed weights of this covariance, and the root of what is left of I."""
    values, vectors = np.linalg.eigh(claimed)
    factor = np.sqrt(np.minimum(values, EXPLAINED) / np.maximum(values, 1e-12))
    left = np.sqrt(1.0 - np.minimum(np.maximum(values, 0.0), EXPLAINED))
    return (vectors * factor) @ vectors.T, (vectors * left) @ vectors.T


def smooth_fields(base: HeadBase, length_mm: float, count: int, rng: np.random.Generator) -> Float:
    """Random smooth displacements (p, n, 3) of about unit sd per axis in the mirror-symmetric part.

    A Gaussian process with kernel exp(-d^2 / (2 length^2)) of the base mesh's distances, as in Gaussian process
    morphable models (Luethi et al. 2018, IEEE TPAMI 40:1860), so that parts that touch move together. The kernel is
    held by Nystroem's method on vertices that lie half a length apart.
    """
    factor = kernel_factor(length_mm)
    field = np.einsum("nm,pmc->pnc", factor, rng.standard_normal((count, factor.shape[1], 3)), optimize=True)
    mirrored = field[:, base.symmetry] * np.array([-1.0, 1.0, 1.0])
    return ((field + mirrored) + SMOOTH_SIDE_RATIO * (field - mirrored)) / np.sqrt(2.0)


@cache
def kernel_factor(length_mm: float) -> Float:
    """Return the factor B (n, m) of the kernel on the base mesh's vertices, B B^T = K nearly."""
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
    controls: list[LocalControl], age_years: Float, weight: Float, masculine: Float, rng: np.random.Generator
) -> Float:
    """Coefficients (p, c): normal, both sides of a pair coupled, some drifting with age, weight and sex.

    `masculine` (p,) is 1 for the usual man and -1 for the usual woman.
    """
    ageing = np.clip(age_years - 25.0, 0.0, None) / 50.0
    heavy = 2.0 * weight - 1.0
    drift = {name: slope * heavy for name, slope in WEIGHT_DRIFT.items()}
    for table, amount in ((AGE_DRIFT, ageing), (SEX_DRIFT, masculine)):
        for name, slope in table.items():
            drift[name] = drift.get(name, 0.0) + slope * amount
    shared: dict[str, Float] = {}
    columns = []
    for control in controls:
        sd = CONTROL_SD.get(control.name, GROUP_SD.get(control.name.split("/")[0], FACE_SD))
        if control.name not in shared:
            shared[control.name] = drift.get(control.name, 0.0) + sd * _normal(rng, age_years.shape)
        own = SIDE_RATIO * sd * _normal(rng, age_years.shape) if control.side else 0.0
        columns.append(shared[control.name] + own)
    return np.stack(columns, axis=1)
