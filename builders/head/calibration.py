"""Moves sampled people so that their measures have published means, spreads and correlations.

Vertices are moved by conditional expectation: under a Gaussian of displacements with covariance K, the most probable
displacement that changes the measures by d is

    u = K G^T (G K G^T + L)^-1 d,

G the derivative of the measures by the vertices of the mean head and L a diagonal tolerance. Two kinds of change go
two ways.

*What groups have on the average* (the scanned and the measured people, the sexes, the ages) differs by E[m | c] between
the published and the sampled people, c being age, sex and body mass index, and ancestry where a survey has it. It is
changed under smooth Gaussian processes and stretches: a callipers' pressure or a population's build must not be bent into
the detail of single features.

*What one person has beyond that*, e = m - E[m | c], goes to D T e, where D are the published spreads and T is the map of
least mean square displacement that carries the samples' correlation to the published one (optimal transport between
Gaussians). It is changed under the scanned people's own covariance, so that a person moves as people differ. This is
Jeffrey's rule for Gaussians: the distribution given the measures stays the samples', that of the measures becomes the
published one.

Shape letters: n asset vertices, p people, q measures, k scanned modes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.anthropometry import TARGETS, expected, spread, target_correlation
from builders.head.base import HeadBase
from builders.head.people import SMOOTH_FIELDS, People, kernel_factor
from cephalon.head.anatomy import Anatomy
from cephalon.head.measures import MEASURES

Float = NDArray[np.float64]

ROUNDS = 4
"""Measures are not linear in the vertices, so the steps are repeated."""

GROUP_FIELDS = ((100.0, 3.0), (50.0, 1.0), (25.0, 0.8))
STRETCH_SD = 0.15
"""The smooth processes between groups, (correlation length mm, sd per axis mm), and the sd of their stretches."""

HELD = (("ch", "sto"), ("al", "prn"), ("ex", "en"))
HELD_MM = 0.2
"""Pairs of points whose difference in height and depth a change of measures leaves alone within this tolerance: no
survey measures the slant of the mouth, the nose's wings and the eyes, so it stays as scanned."""

HELD_SKULL = (("tr", "g"), ("v", "tr"))
"""The same, in depth alone, for a child: the slope of its forehead, which a shear of the skull would lay back."""

SPREAD = 0.93
"""Share of the published spreads that is aimed at: the rest is the observers' error in placing points and callipers."""

EYES_SD_MM = 0.8
"""How freely the eyeballs move sideways between their lids."""


def take_measures(vertices: NDArray[np.float32], anatomy: Anatomy) -> Float:
    """Measures (p, q) mm of people (p, n, 3), in the order of ``TARGETS``."""
    functions = [MEASURES[name].function for name in TARGETS]
    return np.array([[function(head.astype(np.float64), anatomy).mm for function in functions] for head in vertices])


def calibrate(
    base: HeadBase,
    vertices: NDArray[np.float32],
    people: People,
    anatomy: Anatomy,
    modes: NDArray[np.float32],
    rounds: int = ROUNDS,
) -> NDArray[np.float32]:
    """Return the people (p, n, 3) mm moved to the targets; the input is left alone.

    Parameters
    ----------
    modes : (k, n, 3) mm, the scanned modes.
    """
    moved = vertices.copy()
    held = _held(anatomy, vertices.shape[1])
    design = _design(people)
    goal = expected(people.age_years, people.male, people.bmi, people.ancestry)
    sd = SPREAD * spread(people.age_years, people.male, float(people.bmi.std()), people.ancestry)
    of_ancestry = np.array([any(target.by_ancestry) for target in TARGETS.values()])
    with_ancestry = np.hstack([design, people.ancestry[:, :-1]])
    for _ in range(rounds):
        slopes = measure_slopes(moved.mean(axis=0, dtype=np.float64), anatomy)
        measured = take_measures(moved, anatomy)
        usual = design @ np.linalg.lstsq(design, measured, rcond=None)[0]
        by_ancestry = with_ancestry @ np.linalg.lstsq(with_ancestry, measured, rcond=None)[0]
        usual = np.where(of_ancestry, by_ancestry, usual)
        rest = measured - usual
        unit = rest / np.where(people.male[:, None], rest[people.male].std(0), rest[~people.male].std(0))
        correlation = np.corrcoef(unit.T)
        own = sd * (unit @ _transport(correlation, target_correlation(correlation))) - rest
        middle = moved.mean(axis=0)
        by_group = _gain(base, slopes, held, GROUP_FIELDS, stretched=middle, modes=None)
        by_person = _gain(base, slopes, held, SMOOTH_FIELDS, stretched=None, modes=modes)
        for change, gain in ((goal - usual, by_group), (own, by_person)):
            moved += (change.astype(np.float32) @ gain.reshape(len(gain), -1)).reshape(moved.shape)
    for eye in ("left_eye", "right_eye"):  # the balls are moved, not bent
        rows = base.part(eye)[0]
        moved[:, rows] = vertices[:, rows] + (moved[:, rows] - vertices[:, rows]).mean(axis=1, keepdims=True)
    return moved


def _eyes_apart(base: HeadBase) -> Float:
    """Field (n,) that is 1 on the left eyeball and -1 on the right one."""
    field = np.zeros(len(base.vertices))
    field[base.part("left_eye")[0]], field[base.part("right_eye")[0]] = 1.0, -1.0
    return field


def smooth_gain(
    base: HeadBase, slopes: Float, anatomy: Anatomy, head: NDArray[np.float32], scale: Float
) -> NDArray[np.float32]:
    """Smooth displacement (q, n, 3) mm of one head (n, 3) for a change of each measure alone by 1 mm.

    `slopes` (q, n, 3) are the derivatives there; tolerances go with the measures' `scale` (q,) against adults'.
    """
    held = _held(anatomy, len(head), skull=True)
    return _gain(base, slopes, held, GROUP_FIELDS, stretched=head, modes=None, scale=scale)


def measure_slopes(mean: Float, anatomy: Anatomy) -> Float:
    """Derivative (q, n, 3) of the measures by the vertices of a head (n, 3)."""
    slopes = np.zeros((len(TARGETS), *mean.shape))
    for row, name in enumerate(TARGETS):
        derivative = MEASURES[name].function(mean, anatomy).derivative()
        np.add.at(slopes[row], derivative.vertices, derivative.gradient)
    return slopes


def _held(anatomy: Anatomy, count: int, *, skull: bool = False) -> Float:
    """Derivative (h, n, 3) of the differences of ``HELD``, mean of both sides, in height and depth.

    With `skull` also of those of ``HELD_SKULL``, in depth.
    """
    pairs = [(pair, axis) for pair in HELD for axis in (1, 2)] + [(pair, 2) for pair in HELD_SKULL if skull]
    rows = np.zeros((len(pairs), count, 3))
    for row, ((moving, fixed), axis) in zip(rows, pairs, strict=True):
        for name, sign in ((moving, 0.5), (fixed, -0.5)):
            for side in ("_l", "_r"):
                point = anatomy.names[name + side if name + side in anatomy.names else name]
                np.add.at(row[:, axis], anatomy.corners[point], sign * anatomy.weights[point])
    return rows


def _gain(
    base: HeadBase,
    slopes: Float,
    held: Float,
    fields: tuple[tuple[float, float], ...],
    *,
    stretched: NDArray[np.float32] | None,
    modes: NDArray[np.float32] | None,
    scale: Float | float = 1.0,
) -> NDArray[np.float32]:
    """Mirror-symmetric displacement (q, n, 3) mm for a change of each measure alone by 1 mm.

    Tolerances are those of adults times `scale`.
    """
    factors = [sd_mm * kernel_factor(length_mm) for length_mm, sd_mm in fields]
    factors.append(EYES_SD_MM * _eyes_apart(base)[:, None])
    if stretched is not None:
        factors.append(STRETCH_SD * stretched)
    factor = np.hstack(factors)
    count, slopes = len(slopes), np.concatenate([slopes, held])
    pulled = np.einsum("qnc,nm->qmc", slopes, factor, optimize=True)
    spread_out = np.einsum("nm,qmc->qnc", factor, pulled, optimize=True)
    together = np.einsum("qmc,rmc->qr", pulled, pulled, optimize=True)
    shares = [target.group_tolerance for target in TARGETS.values()]
    if modes is not None:
        by_mode = slopes.reshape(len(slopes), -1) @ modes.reshape(len(modes), -1).T
        spread_out += (by_mode @ modes.reshape(len(modes), -1)).reshape(spread_out.shape)
        together += by_mode @ by_mode.T
        shares = [target.tolerance for target in TARGETS.values()]
    of_measures = [share * sum(target.sd) / 2 for share, target in zip(shares, TARGETS.values(), strict=True)]
    tolerance = [*(np.array(of_measures) * scale), *[HELD_MM] * len(held)]
    gain = np.einsum("qr,rnc->qnc", np.linalg.inv(together + np.diag(np.square(tolerance)))[:count], spread_out)
    return ((gain + gain[:, base.symmetry] * [-1.0, 1.0, 1.0]) / 2).astype(np.float32)


def _design(people: People) -> Float:
    """Covariates (p, d) that the expected measures are regressed on: own terms for each sex."""
    age = people.age_years / 10.0
    columns = []
    for group in (people.male, ~people.male):
        columns += [group * term for term in (np.ones_like(age), age, age**2, people.bmi / 10.0)]
    return np.stack(columns, axis=1)


def _transport(source: Float, goal: Float) -> Float:
    """Symmetric map T (q, q) with T source T = goal that moves least: s^-1/2 (s^1/2 g s^1/2)^1/2 s^-1/2."""
    root = _power(source, 0.5)
    inverse = _power(source, -0.5)
    return inverse @ _power(root @ goal @ root, 0.5) @ inverse


def _power(matrix: Float, exponent: float) -> Float:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-9) ** exponent) @ vectors.T
