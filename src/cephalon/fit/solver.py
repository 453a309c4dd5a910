"""Levenberg-Marquardt on shared and per-photo unknowns, the latter eliminated photo by photo (Schur complement)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from cephalon.fit.terms import Factor, gauss_newton, loss
from cephalon.fit.unknowns import Layout, State

Float = NDArray[np.float64]

_FIRST_DAMPING = 1e-3
_LEAST_DAMPING = 1e-8
_MOST_DAMPING = 1e8
_BOUND_PASSES = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class System:
    """Normal equations with the block shape of the problem.

    Attributes
    ----------
    shared : (s, s) and `shared_gradient` (s,).
    own : per photo (q, q); `own_gradient` (q,); `cross` (s, q).
    """

    shared: Float
    shared_gradient: Float
    own: tuple[Float, ...]
    own_gradient: tuple[Float, ...]
    cross: tuple[Float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solution:
    """Where the solver stopped, the factors as they were held there, and why it stopped."""

    state: State
    factors: tuple[Factor, ...]
    energy: float
    iterations: int
    converged: bool
    reason: str


def energy(factors: Sequence[Factor], state: State) -> float:
    """Return the sum of all factors' losses, nats."""
    return sum(loss(*factor.residual(state)) for factor in factors)


def normal_equations(
    factors: Sequence[Factor], state: State, layout: Layout, *, exact: bool = False, only: int | None = None
) -> System:
    """Return the normal equations of the factors at a state.

    Parameters
    ----------
    exact : use the losses' own curvature (for a posterior) in place of the bound that makes steps safe.
    only : take the factors of that photo alone.
    """
    s = layout.shared
    shared, shared_gradient = np.zeros((s, s)), np.zeros(s)
    full = [np.zeros((s + layout.photo(p),) * 2) for p in range(len(state.photos))]
    gradients = [np.zeros(len(block)) for block in full]
    for factor in factors:
        if only is not None and factor.photo != only:
            continue
        terms = factor.terms(state)
        residual, jacobian = gauss_newton(terms, exact=exact)
        if factor.photo is None:
            target, gradient = shared, shared_gradient
        else:
            target, gradient = full[factor.photo], gradients[factor.photo]
        if isinstance(terms.columns, slice):
            target[terms.columns, terms.columns] += jacobian.T @ jacobian
        else:
            target[np.ix_(terms.columns, terms.columns)] += jacobian.T @ jacobian
        gradient[terms.columns] += jacobian.T @ residual
    for block, gradient in zip(full, gradients, strict=True):
        shared += block[:s, :s]
        shared_gradient += gradient[:s]
    return System(
        shared=shared,
        shared_gradient=shared_gradient,
        own=tuple(block[s:, s:] for block in full),
        own_gradient=tuple(gradient[s:] for gradient in gradients),
        cross=tuple(block[:s, s:] for block in full),
    )


def solve(
    factors: Sequence[Factor],
    state: State,
    layout: Layout,
    free: Sequence[NDArray[np.bool_]],
    *,
    max_iterations: int,
    tolerance: float,
    slack: Sequence[float] = (),
) -> Solution:
    """Minimise the factors' energy from a state.

    Parameters
    ----------
    free : per photo (q,) bool, False for unknowns that stay where they are.
    slack : the share of the prior's variance that landmark noise gets in the first steps (see `Factor.held`); 0
        after these.

    Notes
    -----
    Damping as Nielsen (1999): the diagonal of the normal matrix times mu, mu lowered by how well the quadratic
    foretold the gain. A coefficient at its bound that the gradient pushes outwards leaves the system for that step
    (Bertsekas 1982).
    """
    damping, growth = _FIRST_DAMPING, 2.0
    reason = f"no convergence in {max_iterations} steps"
    iteration, taken, converged = 0, 0, False

    def linearised() -> tuple[tuple[Factor, ...], System, float]:
        share = slack[taken] if taken < len(slack) else 0.0
        held = tuple(factor.held(state, share) for factor in factors)
        return held, normal_equations(held, state, layout), energy(held, state)

    held, system, current = linearised()
    while iteration < max_iterations:
        iteration += 1
        shared_step, own_steps, foretold = _step(system, state, layout, free, damping)
        trial = layout.moved(state, shared_step, own_steps)
        gain = current - energy(held, trial)
        last = taken >= len(slack) and (gain if gain > 0 else foretold) < tolerance
        if gain > 0:
            state, taken = trial, taken + 1
            ratio = gain / max(foretold, 1e-12)
            damping, growth = max(damping * max(1 / 5, 1 - (2 * ratio - 1) ** 3), _LEAST_DAMPING), 2.0
        else:
            damping, growth = damping * growth, growth * 2
        if last:
            converged, reason = True, ""
            break
        if damping > _MOST_DAMPING:
            reason = "no step lowers the energy although the gradient is not zero"
            break
        if gain > 0:
            held, system, current = linearised()
    held = tuple(factor.held(state, 0.0) for factor in factors)
    return Solution(
        state=state,
        factors=held,
        energy=energy(held, state),
        iterations=iteration,
        converged=converged,
        reason=reason,
    )


def at_bound(system: System, state: State, layout: Layout, photo: int) -> NDArray[np.bool_]:
    """Return which of a photo's unknowns sit on a bound with the energy falling beyond it, (q,)."""
    gradient = system.own_gradient[photo]
    stuck = np.zeros(len(gradient), dtype=bool)
    e, slope = state.photos[photo].expression, gradient[layout.expression]
    stuck[layout.expression] = ((e <= 0) & (slope >= 0)) | ((e >= 1) & (slope <= 0))
    return stuck


def _step(
    system: System, state: State, layout: Layout, free: Sequence[NDArray[np.bool_]], damping: float
) -> tuple[Float, tuple[Float, ...], float]:
    """Return the damped step (shared, per photo) inside the bounds, and the fall in energy that the quadratic
    foretells.

    Coefficients that a step would carry over a bound are put on it and the rest is solved anew, a few times.
    """
    open_ = [free[p] & ~at_bound(system, state, layout, p) for p in range(len(system.own))]
    steps = [np.zeros(len(own)) for own in system.own]
    shared = np.zeros(len(system.shared))
    for _ in range(_BOUND_PASSES):
        shared = _solve_open(system, open_, steps, damping)
        crossed = False
        for p, step in enumerate(steps):
            e, change = state.photos[p].expression, step[layout.expression]
            low, high = (e + change < 0) & (change < 0), (e + change > 1) & (change > 0)
            change[low], change[high] = -e[low], 1 - e[high]
            over = (low | high) & open_[p][layout.expression]
            open_[p][layout.expression] &= ~over
            crossed |= bool(over.any())
        if not crossed:
            break
    foretold = -float(system.shared_gradient @ shared) - 0.5 * float(shared @ system.shared @ shared)
    for p, step in enumerate(steps):
        foretold -= float(system.own_gradient[p] @ step)
        foretold -= float(shared @ (system.cross[p] @ step)) + 0.5 * float(step @ (system.own[p] @ step))
    return shared, tuple(steps), foretold


def _solve_open(system: System, open_: Sequence[NDArray[np.bool_]], steps: Sequence[Float], damping: float) -> Float:
    """Solve the damped equations for the open unknowns, the others' given; fill `steps`, return the shared step."""
    reduced = system.shared + damping * np.diag(np.diag(system.shared))
    right = -system.shared_gradient
    solved = []
    for p, own in enumerate(system.own):
        use, fixed = np.flatnonzero(open_[p]), np.flatnonzero(~open_[p] & (steps[p] != 0))
        gradient = system.own_gradient[p][use]
        if len(fixed):
            gradient = gradient + own[np.ix_(use, fixed)] @ steps[p][fixed]
            right = right - system.cross[p][:, fixed] @ steps[p][fixed]
        block = own[np.ix_(use, use)]
        block[np.diag_indices_from(block)] *= 1 + damping
        factor = cho_factor(block, lower=True, check_finite=False, overwrite_a=True)
        cross = system.cross[p][:, use]
        together = cho_solve(factor, np.column_stack([cross.T, -gradient]), check_finite=False)
        reduced -= cross @ together[:, :-1]
        right = right + cross @ (-together[:, -1])
        solved.append((use, together))
    shared = cho_solve(cho_factor(reduced, lower=True, check_finite=False), right, check_finite=False)
    for step, (use, together) in zip(steps, solved, strict=True):
        step[use] = together[:, -1] - together[:, :-1] @ shared
    return shared
