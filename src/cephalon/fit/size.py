"""What the joint mode gets wrong about the size, and the term that mends it.

One photo shows shape only up to size: a head of size s at distance s t looks the same for every s. The deviations that
shape it cost |z|^2 in millimetres, so the joint mode of size and shape prefers small heads: the same picture with k
determined directions of shape costs s^2 times as much. The posterior itself has no such preference: integrating the shape
out gives the determinant of its curvature, which falls with s^-2 in each determined direction, that is a factor s^k. The
term -k log s added to the energy moves the mode to where the marginal posterior of the size has its own (Laplace's
approximation, Tierney and Kadane 1986, section 3).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.fit.factors import LandmarkFactor, LinearFactor
from cephalon.fit.posterior import determined_directions
from cephalon.fit.problem import Problem
from cephalon.fit.solver import Linearised
from cephalon.fit.unknowns import State

Float = NDArray[np.float64]

_WEAK = 1e-2
"""sd^-1 of the parabola that stands for the linear term: its own curvature is 1e-4, against 1 of the prior."""


def size_factor(problem: Problem, state: State, begin: Linearised) -> LinearFactor | None:
    """Return the factor -k log s, linearised in the identity at a state; None without landmarks.

    `begin` are the factors there.

    k counts the directions of identity and of expression that the landmarks determine (`determined_directions`): the
    millimetres of a smile shrink with the head just as those of a nose do. s is the root of the summed squared
    distances of all landmarks' surface points from their centre.
    """
    landmarks = [f for f in begin.factors if isinstance(f, LandmarkFactor)]
    modes = problem.layout.modes
    slopes = []
    for factor in landmarks:
        points = factor.points
        centred = points.mean + points.basis[:, :, :modes] @ state.identity
        centred = centred - centred.mean(0)
        moved = points.basis[:, :, :modes] - points.basis[:, :, :modes].mean(0)
        slopes.append(np.einsum("pd,pdk->k", centred, moved) / (centred**2).sum())
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
