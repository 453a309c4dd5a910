"""The Gaussian around the mode: marginal precision of the identity, focal lengths, and photos that do not belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from cephalon.fit.problem import Problem
from cephalon.fit.solver import Solution, System, at_bound, normal_equations
from cephalon.fit.unknowns import Layout, State

Float = NDArray[np.float64]

LEAST_PRECISION = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gaussian:
    """What a mode's curvature says.

    Attributes
    ----------
    sqrt_precision : (k, k) upper triangular R, R^T R = marginal precision of the identity.
    focal_sigma : per photo, sd of the log focal length.
    disagreement : per photo, how far its own identity lies from that of all the others: chi-square over its
        expectation; 0 for a single photo.
    """

    sqrt_precision: Float
    focal_sigma: tuple[float, ...]
    disagreement: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Marginal:
    """The normal equations at a mode with the photos' own unknowns eliminated: (s, s) precision of the shared ones."""

    system: System
    blocks: list[OwnBlock]
    precision: Float
    factor: tuple[Float, bool]

    def identity_precision(self, modes: int) -> Float:
        """Return the (k, k) marginal precision of the identity, the iris eliminated as well."""
        own, iris = self.precision[:modes, :modes], self.precision[:modes, modes]
        return own - np.outer(iris, iris) / self.precision[modes, modes]


def marginal(system: System, state: State, layout: Layout, free: Sequence[NDArray[np.bool_]]) -> Marginal:
    """Eliminate the photos' own unknowns at a state, bounds as soft walls; `free` as given to the solver."""
    blocks = [_own_block(system, layout, state, p, free[p]) for p in range(len(state.photos))]
    precision = system.shared.copy()
    for block in blocks:
        precision -= block.cross @ cho_solve(block.factor, block.cross.T, check_finite=False)
    precision = (precision + precision.T) / 2
    factor = cho_factor(precision, lower=True, check_finite=False)
    return Marginal(system=system, blocks=blocks, precision=precision, factor=factor)


def gaussian(problem: Problem, solution: Solution, free: Sequence[NDArray[np.bool_]] | None = None) -> Gaussian:
    """Return the Laplace approximation at the solver's mode; `free` as given to the solver, by default the problem's."""
    layout = problem.layout
    system = normal_equations(solution.factors, solution.state, layout, exact=True)
    around = marginal(system, solution.state, layout, problem.free if free is None else free)
    blocks, shared = around.blocks, around.factor
    upper = np.asarray(np.linalg.cholesky(around.identity_precision(layout.modes)).T, dtype=np.float64)
    focal = []
    for block in blocks:
        unit = (block.use == layout.focal).astype(float)
        if not unit.any():
            focal.append(0.0)
            continue
        column = cho_solve(block.factor, unit, check_finite=False)
        through = block.cross @ column
        focal.append(float(np.sqrt(unit @ column + through @ cho_solve(shared, through, check_finite=False))))
    return Gaussian(
        sqrt_precision=upper,
        focal_sigma=tuple(focal),
        disagreement=_disagreement(around, layout.modes) if len(blocks) > 1 else (0.0,),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnBlock:
    """The free unknowns of one photo: their places, Cholesky factor, coupling to the shared ones, walls."""

    use: NDArray[np.intp]
    factor: tuple[Float, bool]
    cross: Float
    wall: Float


def _own_block(system: System, layout: Layout, state: State, p: int, free: NDArray[np.bool_]) -> OwnBlock:
    """Return a photo's block with bounds as soft walls.

    A coefficient that a slope g presses against its bound has nearly the density g exp(-g e), whose variance is 1
    / g^2: it stays in the Gaussian with that much more precision, neither free nor known exactly.
    """
    own, gradient = system.own[p].copy(), system.own_gradient[p]
    stuck = at_bound(system, state, layout, p)
    wall = np.where(stuck, gradient**2, 0.0)
    own[np.diag_indices_from(own)] += wall + LEAST_PRECISION
    use = np.flatnonzero(free)
    factor = cho_factor(own[np.ix_(use, use)], lower=True, check_finite=False)
    return OwnBlock(use=use, factor=factor, cross=system.cross[p][:, use], wall=wall[use])


def _disagreement(around: Marginal, k: int) -> tuple[float, ...]:
    """Return for each photo the chi-square between its identity and the others', over its expectation.

    With L_p the information of photo p on the shared unknowns, g_p its slope at the joint mode and L the precision
    of all: without p the mode moves by (L - L_p)^-1 g_p, alone p's moves by -L_p^+ g_p. The distance between both
    is judged in the directions that p itself sees (information above 1, the prior's own).
    """
    found = []
    for p, block in enumerate(around.blocks):
        right = np.column_stack([block.cross.T, around.system.own_gradient[p][block.use]])
        together = cho_solve(block.factor, right, check_finite=False)
        own = (around.system.of_photo[p] - block.cross @ together[:, :-1])[:k, :k]
        slope = (around.system.of_photo_gradient[p] - block.cross @ together[:, -1])[:k]
        values, vectors = np.linalg.eigh((own + own.T) / 2)
        seen = values > 1.0
        if not seen.any():
            found.append(0.0)
            continue
        axes, information = vectors[:, seen], values[seen]
        others = around.precision[:k, :k] - (own + own.T) / 2
        values, vectors = np.linalg.eigh(others)
        inverse = (vectors / np.maximum(values, 0.5)) @ vectors.T  # the prior alone gives 1
        apart = axes.T @ (inverse @ slope) + (axes.T @ slope) / information
        spread = axes.T @ inverse @ axes + np.diag(1.0 / information)
        found.append(float(apart @ np.linalg.solve(spread, apart)) / int(seen.sum()))
    return tuple(found)
