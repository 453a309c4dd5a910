"""Moves sampled people so that their measures have published means, spreads and correlations.

Every person is moved along the directions in which the samples themselves vary with the measures: with V the
vertices, m the measures and S = Cov(m) within covariates, the least change (in the Mahalanobis sense of the samples)
that alters the measures by d is

    V += d^T (S + L)^-1 Cov(m, V),

L a diagonal tolerance. d takes a person from m = E[m | c] + e to m' = target(c) + D T e, where c are age, sex and
body mass index and T is the map of least mean square displacement that carries the samples' correlation to the
published one (optimal transport between Gaussians). This is Jeffrey's rule for Gaussians: the distribution given
the measures stays the samples', the distribution of the measures becomes the published one.

A full calibration to scans would replace `people.py` by registered scans and keep this step as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.anthropometry import TARGETS, expected, spread, target_correlation
from builders.head.people import People
from cephalon.head.anatomy import Anatomy
from cephalon.head.measures import MEASURES

Float = NDArray[np.float64]

ROUNDS = 3
"""Measures are not linear in the vertices, so the step is repeated."""

ADULT_YEARS = 18.0


def take_measures(vertices: NDArray[np.float32], anatomy: Anatomy) -> Float:
    """Measures (p, q) mm of people (p, n, 3), in the order of ``TARGETS``."""
    functions = [MEASURES[name].function for name in TARGETS]
    return np.array([[function(head.astype(np.float64), anatomy).mm for function in functions] for head in vertices])


def calibrate(
    vertices: NDArray[np.float32], people: People, anatomy: Anatomy, symmetry: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the people (p, n, 3) mm moved to the targets; the input is left alone."""
    moved = vertices.copy()
    design = _design(people)
    adult = people.age_years >= ADULT_YEARS
    goal = expected(people.age_years, people.male, people.bmi)
    sd = spread(people.age_years, people.male, float(people.bmi[adult].std()))
    flip = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    for _ in range(ROUNDS):
        measured = take_measures(moved, anatomy)
        rest = measured - design @ np.linalg.lstsq(design, measured, rcond=None)[0]
        unit = rest / np.where(
            people.male[:, None], rest[adult & people.male].std(0), rest[adult & ~people.male].std(0)
        )
        correlation = np.corrcoef(unit[adult].T)
        wanted = goal + sd * (unit @ _transport(correlation, target_correlation(correlation)))
        directions = _directions(moved, rest, design, adult)
        directions = (directions + directions[:, symmetry] * flip) / 2
        moved += np.einsum("pq,qnc->pnc", (wanted - measured).astype(np.float32), directions, optimize=True)
    return moved


def _design(people: People) -> Float:
    """Covariates (p, d) that the expected measures are regressed on: own terms for each sex, children and adults."""
    age, adult = people.age_years / 10.0, people.age_years >= ADULT_YEARS
    columns = []
    for group in (people.male & adult, ~people.male & adult, people.male & ~adult, ~people.male & ~adult):
        columns += [group * term for term in (np.ones_like(age), age, age**2, people.bmi / 10.0)]
    return np.stack(columns, axis=1)


def _directions(
    vertices: NDArray[np.float32], rest: Float, design: Float, adult: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """How the vertices go along with each measure alone, (q, n, 3) mm per mm, from adults within covariates."""
    flat = vertices[adult].reshape(int(adult.sum()), -1)
    kept, measures = design[adult][:, design[adult].any(axis=0)], rest[adult]
    fit = np.linalg.lstsq(kept, measures, rcond=None)[0]
    measures = measures - kept @ fit
    together = measures.T @ measures / len(measures)
    tolerance = np.array([target.tolerance for target in TARGETS.values()]) ** 2 * np.diag(together)
    weights = np.linalg.solve(together + np.diag(tolerance), measures.T / len(measures))
    return (weights.astype(np.float32) @ flat).reshape(len(weights), -1, 3)


def _transport(source: Float, goal: Float) -> Float:
    """Symmetric map T (q, q) with T source T = goal that moves least: s^-1/2 (s^1/2 g s^1/2)^1/2 s^-1/2."""
    root = _power(source, 0.5)
    inverse = _power(source, -0.5)
    return inverse @ _power(root @ goal @ root, 0.5) @ inverse


def _power(matrix: Float, exponent: float) -> Float:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 1e-9) ** exponent) @ vectors.T
