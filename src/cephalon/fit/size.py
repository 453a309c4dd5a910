"""What the joint mode gets wrong about the size, and the term that mends it.

One photo shows shape only up to size: a head of size s at distance s t looks the same for every s. The deviations that
shape it cost |z|^2 in millimetres, so the joint mode of size and shape prefers small heads: the same picture with k
determined directions of shape costs s^2 times as much. The posterior itself has no such preference: integrating the shape
out gives the determinant of its curvature, which falls with s^-2 in each determined direction, that is a factor s^k. The
term -k log s added to the energy moves the mode to where the marginal posterior of the size has its own (Laplace's
approximation, Tierney and Kadane 1986, section 3).

What is a length on the head counts: identity and expression. Pose, focal length and the landmarks' smooth error do not:
turned, shifted or enlarged in the photo, a large head far away moves as many pixels as a small one nearby.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from scipy.special import erfcx

from cephalon.fit.factors import LandmarkFactor, LinearFactor
from cephalon.fit.posterior import LEAST_PRECISION, marginal
from cephalon.fit.problem import Problem
from cephalon.fit.solver import Linearised, normal_equations
from cephalon.fit.unknowns import State

Float = NDArray[np.float64]

_WEAK = 1e-2
"""sd^-1 of the parabola that stands for the linear term: its own curvature is 1e-4, against 1 of the prior."""
_SITE_ROUNDS = 4  # within 1 % of the limit


def size_factor(problem: Problem, state: State, begin: Linearised) -> LinearFactor | None:
    """Return the factor -k log s, linearised in the identity; None without landmarks.

    k counts the directions of identity and of expression that the landmarks determine (`determined_directions`): the
    millimetres of a smile shrink with the head just as those of a nose do. s is the root of the summed squared
    distances of all landmarks' surface points from their centre. `begin` are the problem's factors, linearised at the
    state.
    """
    landmarks = [f for f in begin.factors if isinstance(f, LandmarkFactor)]
    modes = problem.layout.modes
    slopes = []
    for factor in landmarks:
        points = factor.points
        basis = points.basis.reshape(3 * len(points), -1)
        weights = np.append(state.identity, np.zeros(basis.shape[1] - modes))
        centred = points.mean + (basis @ weights).reshape(-1, 3)
        centred = (centred - centred.mean(0)).reshape(-1)
        slopes.append((centred @ basis)[:modes] / (centred @ centred))
    if not slopes:
        return None
    slope = np.mean(slopes, axis=0)
    steepness = float(np.linalg.norm(slope))
    if not steepness > 0:
        return None
    determined = determined_directions(problem, state, begin)
    # (a x - c / a)^2 / 2 has the slope -c at 0 and the small curvature a^2
    return LinearFactor.of(
        None,
        "identity",
        _WEAK * slope[None] / steepness,
        slice(0, modes),
        np.array([determined * steepness / _WEAK]),
    )


def determined_directions(problem: Problem, state: State, begin: Linearised) -> float:
    """Return how many directions of identity, and of expression in all photos, the landmarks determine at a state.

    With Q the energy of all but the landmarks, and x these n unknowns: n - E[x Q'(x)] + x0 Q'(x0), the mean over the
    posterior and x0 the mode. For a Gaussian Q that is the trace of 1 - C P, C the covariance and P the precision
    without landmarks; a direction that only its prior holds counts 0, one that only landmarks hold counts 1. Expression
    ends at its bounds, so its mean and covariance are those of a Gaussian that is cut off there.

    The landmarks' curvature is the solver's bound, not the Student-t's own; where all errors are as told it finds 1 %
    more directions than the latter does at the mode.
    """
    layout, k = problem.layout, problem.layout.modes
    around = marginal(begin.system, state, layout, problem.free)
    others = [factor for factor in begin.factors if not isinstance(factor, LandmarkFactor)]
    prior = normal_equations(others, state, layout, exact=True)
    unit = np.eye(len(around.precision))[:, :k]
    covariance = cho_solve(around.factor, unit, check_finite=False)[:k]
    total = k - float((covariance * prior.shared[:k, :k]).sum())
    for p, block in enumerate(around.blocks):
        places = np.flatnonzero(block.use < layout.expressions)
        own = block.use[places]
        unit = np.zeros((len(block.use), len(places)))
        unit[places, np.arange(len(places))] = 1.0
        alone = cho_solve(block.factor, unit, check_finite=False)
        # the joint covariance of the photo's expression: alone, and through the shared unknowns
        through = block.cross @ alone
        joint = alone[places] + through.T @ cho_solve(around.factor, through, check_finite=False)
        mode = state.photos[p].expression[own]
        slope = np.where(block.wall[places] > 0, around.system.own_gradient[p][own], 0.0)
        shift, spread = _inside_bounds(mode, slope, joint, block.wall[places])
        precision = prior.own[p][np.ix_(own, own)]
        total += len(places) - float((spread * precision).sum())
        total -= float(shift @ (prior.own_gradient[p][own] + precision @ (mode + shift)))
    return max(total, 0.0)


def _inside_bounds(mode: Float, slope: Float, covariance: Float, wall: Float) -> tuple[Float, Float]:
    """Return mean minus mode (b,), and covariance (b, b), of a Gaussian with a slope at the mode, cut off at 0 and 1.

    `covariance` has the walls' precision in it. The cuts become Gaussian sites of the same moments, a few times over
    (expectation propagation, Minka 2001).
    """
    bare = np.linalg.inv(covariance)
    np.fill_diagonal(bare, np.diag(bare) - wall)
    # measured from the mode: exp(-slope d - d bare d / 2), the sites exp(push d - d site d / 2); at first these hold the mode
    site, push = wall, slope
    mean, spread = np.zeros_like(mode), covariance
    for _ in range(_SITE_ROUNDS):
        variance = np.diag(spread)
        cavity = np.maximum(1.0 / variance - site, LEAST_PRECISION)
        centre = (mean / variance - push) / cavity
        inside, left = _cut_off(mode + centre, cavity)
        site = np.maximum(1.0 / left - cavity, 0.0)
        push = (site + cavity) * (inside - mode) - cavity * centre
        spread = np.asarray(np.linalg.inv(bare + np.diag(site)), dtype=np.float64)
        mean = spread @ (push - slope)
    return mean, spread


def _cut_off(centre: Float, precision: Float) -> tuple[Float, Float]:
    """Return mean and variance of Gaussians cut off at the nearer of the bounds 0 and 1; the other is taken as far."""
    high = centre > 0.5
    sd = 1.0 / np.sqrt(precision)
    below = -np.where(high, 1.0 - centre, centre) / sd
    hazard = np.sqrt(2 / np.pi) / erfcx(below / np.sqrt(2))
    share = np.clip(1 - hazard * (hazard - below), 1e-6, 1.0)
    mean = centre + np.where(high, -sd, sd) * hazard
    return np.asarray(mean, dtype=np.float64), np.asarray(sd * sd * share, dtype=np.float64)
