"""Mean heads of boys and girls from 3 years on, and the few modes of identity in which people grow.

Surveys measure few children, and no scans of children are at hand. So a child of an age and sex is made of three things:

- the shape of the controls' child, who is an artist's adult in little, enlarged until its skull has the size that Snyder
  et al. 1977 (UM-HSRI-77-17) measured;
- a share of what scanned adults have beyond the controls' adult: brows, nose and the folds of the lids ripen with age;
- measures of skull, face, ears and neck as published, imposed by smooth bends of that child's own head.

A child is no far-out adult, so growth has modes of its own, which hold the whole way from child to adult, also where
adults differ in the same directions.

Shape letters: n asset vertices, a ages, g growth modes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from builders.head.alignment import alignment_weights, onto
from builders.head.anthropometry import TARGETS, expected
from builders.head.base import HeadBase
from builders.head.calibration import measure_slopes, smooth_gain, take_measures
from builders.head.cavities import settle_nostrils
from builders.head.controls import Phenotype, average_adult, load_macro, macro_weights
from builders.head.corners import ease_corners
from builders.head.eyeballs import fit_eyeballs, look_ahead
from builders.head.lids import clear_lids, neighbour_averaging
from builders.head.lips import close_lips
from builders.head.regions import build_regions
from cephalon.head.anatomy import Anatomy

Float = NDArray[np.float64]

YEARS = (3.0, 6.0, 9.0, 12.0, 15.0, 18.0)
GROWN_YEARS = 20.0

ARTIST_YEARS = (-3.0, 2.0, 6.0, 11.0, 15.0, 18.5)
"""Age of the controls whose shape, not size, is taken at ``YEARS``."""

SKULL_SCALE = (1.21, 1.14, 1.09, 1.04, 1.024, 1.01)
"""By how much the controls' child is enlarged: mean of head length, breadth and height against Snyder's."""

RIPE = (0.3, 0.4, 0.5, 0.65, 0.85, 1.0)
"""Share of what scanned adults have beyond the controls' adult; squared on the skull, whose round form children keep."""

FEATURES_OF_ADULTS_FROM = 12.0
"""Up to this age measures are as published; then they go over to what the model's adults have."""

ROUNDS = 5
"""Measures are not linear in the vertices, so the steps are repeated."""

EVENED = 12
"""How often a bend of the skull is averaged among neighbours, so that a calliper's point leaves no bump."""

GROWTH_MODES = 3
GROWTH_SIGMA = 50.0
"""How many units of the growth modes a child of three years is from the grown.

Growth modes take part in z ~ N(0, I) like all others; with a unit as small as this an adult hardly moves along them.
"""

UNMEASURED = {
    "bitragion coronal arc": 8.0,
    "bitragion frontal arc": 3.0,
    "bitragion subnasale arc": 3.0,
    "head circumference": 1.5,
    "subnasal width": 2.0,
    "minimum frontal breadth": 4.0,
}
"""How much wider than adults' the tolerance of measures is that no survey of children took or that took them otherwise:
arcs over the skull follow from its length, breadth and height."""

TEMPO = 0.07
"""Standard deviation of how old a child looks, as a share of its age: skeletal age is apart by a year at fourteen."""


def mean_children(base: HeadBase, grown: Float, anatomy: Anatomy) -> Float:
    """Heads (a, 2, n, 3) mm at ``YEARS``, boys first, whose grown are (2, n, 3) mm, laid rigidly on these."""
    rigid = alignment_weights(base)
    children = np.stack(
        [_shapes(base, head, male, rigid) for head, male in zip(grown, (1.0, 0.0), strict=True)], axis=1
    )
    heads = children.reshape(-1, *grown.shape[1:]).astype(np.float32)
    age, male = np.repeat(YEARS, 2), np.tile([True, False], len(YEARS))
    goal = _goal(age, male, take_measures(grown.astype(np.float32), anatomy))
    heads = _measured(base, heads, goal, anatomy, ROUNDS)
    heads = fit_eyeballs(base, heads, age, None)
    for _ in range(2):  # lids and lips shift a few measures, which are mended once more
        heads = close_lips(base, clear_lids(base, ease_corners(base, heads)))
        heads = _measured(base, heads, goal, anatomy, 1)
    for sex, head in enumerate(grown):
        heads[sex::2] = onto(head, heads[sex::2], rigid)
    heads = look_ahead(base, heads)
    heads = settle_nostrils(base, close_lips(base, clear_lids(base, ease_corners(base, heads))))
    mirrored = heads[:, base.symmetry] * np.array([-1.0, 1.0, 1.0])
    return ((heads.astype(np.float64) + mirrored) / 2).reshape(children.shape)


def growth_modes(ways: Float, importance: Float) -> tuple[Float, Float, float]:
    """Orthogonal modes of the ways (a, 2, n, 3) mm from the grown to children, in the metric of the weights (n,).

    Returns
    -------
    modes : (g, n, 3) mm, all of one size in the metric: a way's length is its distance in the coordinates.
    path : (a, 2, g) coordinates of the ways.
    missed_mm : root mean square over the metric and the ways of what the modes leave.
    """
    weight = np.repeat(np.sqrt(importance / importance.sum()), 3)
    flat = ways.reshape(-1, weight.size) * weight
    left, lengths, right = np.linalg.svd(flat, full_matrices=False)
    unit = np.linalg.norm(flat.reshape(len(ways), 2, -1)[0], axis=1).mean() / GROWTH_SIGMA
    kept = slice(0, GROWTH_MODES)
    modes = (right[kept] * unit / weight).reshape(-1, *ways.shape[2:])
    path = (left[:, kept] * lengths[kept] / unit).reshape(len(ways), 2, -1)
    return modes, path, float(np.sqrt((lengths[GROWTH_MODES:] ** 2).sum() / len(flat)))


def yearly(path: Float) -> tuple[Float, Float]:
    """Ages (y,) in years, one each, and a path (a, 2, g) at ``YEARS`` as coordinates there (y, 2, g), 0 when grown.

    Monotone between the given ages wherever these are.
    """
    ages = np.arange(YEARS[0], GROWN_YEARS + 1.0)
    whole = np.concatenate([path, np.zeros((1, *path.shape[1:]))])
    return ages, PchipInterpolator((*YEARS, GROWN_YEARS), whole, axis=0)(ages)


def _shapes(base: HeadBase, grown: Float, masculinity: float, rigid: Float) -> Float:
    """Children (a, n, 3) at ``YEARS`` before they are measured: enlarged controls' children, partly ripe."""
    age = np.array([*ARTIST_YEARS, GROWN_YEARS + 1.0])
    one = np.ones(len(age))
    phenotype = Phenotype(
        age_years=age,
        masculinity=masculinity * one,
        bmi=24.0 * one,
        muscle=0.5 * one,
        proportions=0.5 * one,
        ancestry=np.full((len(age), 3), 1.0 / 3.0),
    )
    macro = load_macro(base).reshape(-1, base.vertices.size)
    heads = base.vertices + (macro_weights(phenotype) @ macro).reshape(-1, *base.vertices.shape)
    scale = np.array([*SKULL_SCALE, 1.0])[:, None, None]
    heads = onto(average_adult(base), (scale * heads).astype(np.float32), rigid).astype(np.float64)
    beyond = onto(heads[-1], grown[None].astype(np.float32), rigid)[0] - heads[-1]
    regions = build_regions(base)
    skull = np.maximum(regions["skull"], regions["forehead"])[:, None]
    ripe = np.array(RIPE)[:, None, None] ** (1.0 + skull)
    return heads[:-1] + ripe * beyond


def _goal(age_years: Float, male: NDArray[np.bool_], of_grown: Float) -> Float:
    """Measures (p, q) mm of children whose grown, of both sexes, have (2, q)."""
    one = np.full(len(age_years), 27.0)
    published = expected(age_years, male, one)
    apart = of_grown / expected(np.full(2, 21.0), np.array([True, False]), one[:2])
    share = np.clip((age_years - FEATURES_OF_ADULTS_FROM) / (GROWN_YEARS - FEATURES_OF_ADULTS_FROM), 0.0, 1.0)
    return published * np.where(male[:, None], apart[0], apart[1]) ** share[:, None]


def _measured(
    base: HeadBase, heads: NDArray[np.float32], goal: Float, anatomy: Anatomy, rounds: int
) -> NDArray[np.float32]:
    """Heads (p, n, 3) bent smoothly towards measures (p, q) mm, each by the derivatives of its own measures."""
    moved = heads.copy()
    skull = np.flatnonzero(build_regions(base)["skull"] > 0)
    averaging = neighbour_averaging(base, skull)
    share = build_regions(base)["skull"][skull, None]
    scale = goal / np.array([np.mean(target.mean) for target in TARGETS.values()])
    scale *= np.array([UNMEASURED.get(name, 1.0) for name in TARGETS])
    for _ in range(rounds):
        change = goal - take_measures(moved, anatomy)
        for person, (head, by, size) in enumerate(zip(moved, change, scale, strict=True)):
            slopes = measure_slopes(head.astype(np.float64), anatomy)
            gain = smooth_gain(base, slopes, anatomy, head, size)
            bend = np.tensordot(by.astype(np.float32), gain, axes=1)
            for _ in range(EVENED):
                bend[skull] += share * (averaging @ bend[skull] - bend[skull])
            moved[person] += bend
    for name in ("left_eye", "right_eye"):  # the balls are moved, not bent
        rows = base.part(name)[0]
        moved[:, rows] = heads[:, rows] + (moved[:, rows] - heads[:, rows]).mean(axis=1, keepdims=True)
    return moved
