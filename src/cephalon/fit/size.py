"""What the joint mode gets wrong about the size, and the term that mends it.

One photo shows shape only up to size: a head of size s at distance s t looks the same for every s. The priors state
deviations in millimetres: the same picture with a larger head takes larger deviations x of shape and larger coefficients
of expression, and the energy Q of their priors rises with log s by x Q'(x). So the joint mode of size and shape prefers
small heads, the more the further a face is from the mean, though nobody believes that a special face makes a head small:
what is said of shape and of a smile is meant in proportion to the head. The term -k log s with k = x Q'(x) takes that slope
away. The prior of the size itself stays as it is, as do all factors that know a length.

If the landmarks' errors are as told and people as the prior has them, k is on average the number of directions of shape
and expression that the landmarks determine, and so -k log s is also what moves the joint mode to that of the marginal
posterior of the size (Laplace's approximation, Tierney and Kadane 1986, section 3: integrating out the determined shape
gives a factor s^k). Counting directions instead would trust both assumptions: a landmarker that likes average faces
shows a quarter of the |z|^2 that was expected, and the count then makes heads 5 % too large (rendered portraits of known
heads).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.fit.factors import LinearFactor
from cephalon.fit.problem import Problem
from cephalon.fit.unknowns import State

Float = NDArray[np.float64]

_WEAK = 1e-2
"""sd^-1 of the parabola that stands for the linear term: its own curvature is 1e-4, against 1 of the prior."""


def size_factor(problem: Problem, state: State) -> LinearFactor | None:
    """Return the factor -k log s, linearised in the identity at a mode without it; None without landmarks."""
    slope = size_slope(problem, state)
    steepness = float(np.linalg.norm(slope))
    if not steepness > 0:
        return None
    # (a x - c / a)^2 / 2 has the slope -c at 0 and the small curvature a^2
    return LinearFactor.of(
        None,
        "identity",
        _WEAK * slope[None] / steepness,
        slice(0, problem.layout.modes),
        np.array([prior_slope(problem, state, slope) * steepness / _WEAK]),
    )


def size_slope(problem: Problem, state: State) -> Float:
    """Return d log s / d identity (k,); s is the root of the summed squared distances of all points from their centre."""
    modes = problem.layout.modes
    slopes = []
    for points in (factor.points for own in problem.landmarks for factor in own):
        if len(points) < 2:  # one point has no size
            continue
        basis = points.basis[:, :, :modes].reshape(-1, modes)
        centred = points.mean + (basis @ state.identity).reshape(-1, 3)
        centred = (centred - centred.mean(0)).reshape(-1)
        slopes.append((centred @ basis) / (centred @ centred))
    return np.mean(slopes, axis=0) if slopes else np.zeros(modes)


def prior_slope(problem: Problem, state: State, slope: Float) -> float:
    """Return x Q'(x): how fast the priors' energy rises with the log of the size where the picture stays the same.

    x are the identity's deviation from the prior's mean, without the direction (k,) `slope` of the size, and the
    expressions of all photos; Q are the priors of the one and, with what was read of it, of the other. Where the
    reading asks for more expression than the landmarks allow, the slope may be negative.
    """
    total = 0.0
    for factor in problem.factors:
        if isinstance(factor, LinearFactor) and factor.kind == "identity":
            residual = factor.residual(state)[0][:, 0]
            # with z = mean + L w, the prior's energy is |w|^2 / 2 and log s changes along L^T slope
            along = slope if problem.prior_factor is None else slope @ problem.prior_factor
            along = along / np.linalg.norm(along)
            total += float(residual @ residual - (along @ residual) ** 2)
        elif isinstance(factor, LinearFactor) and factor.kind == "expression":
            expression = state.photos[factor.photo or 0].expression
            residual = factor.residual(state)[0][:, 0]
            total += float((factor.matrix @ expression) @ residual)
    return total
