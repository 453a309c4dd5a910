"""Levenberg-Marquardt on shared and per-photo unknowns, the latter eliminated photo by photo (Schur complement).

The landmarks' smooth error is linear and Gaussian: it is eliminated first, undamped, and never meets the rest of the solver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from cephalon.fit.terms import Factor, gauss_newton, loss
from cephalon.fit.unknowns import Layout, State

Float = NDArray[np.float64]

_FIRST_DAMPING = 1e-3
_LEAST_DAMPING = 1e-8
_MOST_DAMPING = 1e8
_BOUND_PASSES = 6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Eliminated:
    """The smooth error of one photo, minimised out: it follows the others' step d as -L^-T (rows d + offset).

    Attributes
    ----------
    root : (f, f) lower L, L L^T = the smooth error's own block of the normal equations.
    by_shared, by_own : (f, s) and (f, q), L^-1 times the coupling.
    offset : (f,), L^-1 times its gradient.
    """

    root: Float
    by_shared: Float
    by_own: Float
    offset: Float

    def step(self, shared: Float, own: Float) -> Float:
        """Return the smooth error's step that goes with the others'."""
        right = self.by_shared @ shared + self.by_own @ own + self.offset
        return -solve_triangular(self.root, right, lower=True, trans=1, check_finite=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class System:
    """Normal equations with the block shape of the problem, the smooth errors eliminated.

    Attributes
    ----------
    energy : the factors' losses at the state, nats.
    shared : (s, s) and `shared_gradient` (s,).
    of_photo, of_photo_gradient : per photo, its share of these two.
    own : per photo (q, q); `own_gradient` (q,); `cross` (s, q).
    eliminated : per photo, how its smooth error follows.
    """

    energy: float
    shared: Float
    shared_gradient: Float
    of_photo: tuple[Float, ...]
    of_photo_gradient: tuple[Float, ...]
    own: tuple[Float, ...]
    own_gradient: tuple[Float, ...]
    cross: tuple[Float, ...]
    eliminated: tuple[Eliminated, ...]


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


def normal_equations(factors: Sequence[Factor], state: State, layout: Layout, *, exact: bool = False) -> System:
    """Return the normal equations of the factors at a state.

    With `exact`, the losses' own curvature (for a posterior) takes the place of the bound that makes steps safe.
    """
    s, photos = layout.shared, range(len(state.photos))
    full = [np.zeros((s + layout.photo(p),) * 2) for p in photos]
    gradients = [np.zeros(len(block)) for block in full]
    shared, shared_gradient, total = np.zeros((s, s)), np.zeros(s), 0.0
    for factor in factors:
        terms = factor.terms(state)
        total += loss(terms.residual, terms.nu)
        residual, jacobian = gauss_newton(terms, exact=exact)
        if factor.photo is None:
            target, gradient = shared, shared_gradient
        else:
            target, gradient = full[factor.photo], gradients[factor.photo]
        columns = terms.columns
        place = (columns, columns) if isinstance(columns, slice) else np.ix_(columns, columns)
        if terms.gram is not None:
            target[place] += terms.gram
        elif exact:
            target[place] += jacobian.T @ jacobian
        else:  # a step is as good for seven digits; where it leads is for the gradient and the energy to say
            single = jacobian.astype(np.float32)
            target[place] += single.T @ single
        gradient[terms.columns] += jacobian.T @ residual
    eliminated = tuple(_eliminate(full[p], gradients[p], s, s + layout.own) for p in photos)
    rest = slice(s, s + layout.own)
    return System(
        energy=total,
        shared=shared + sum(block[:s, :s] for block in full),
        shared_gradient=shared_gradient + sum(gradient[:s] for gradient in gradients),
        of_photo=tuple(block[:s, :s] for block in full),
        of_photo_gradient=tuple(gradient[:s] for gradient in gradients),
        own=tuple(block[rest, rest] for block in full),
        own_gradient=tuple(gradient[rest] for gradient in gradients),
        cross=tuple(block[:s, rest] for block in full),
        eliminated=eliminated,
    )


def _eliminate(block: Float, gradient: Float, s: int, start: int) -> Eliminated:
    """Take the unknowns from `start` on out of a photo's block and gradient, both changed in place."""
    root = np.asarray(np.linalg.cholesky(block[start:, start:]), dtype=np.float64)
    right = np.column_stack([block[start:, :start], gradient[start:]])
    rows = solve_triangular(root, right, lower=True, check_finite=False)
    coupling, offset = rows[:, :-1], rows[:, -1]
    block[:start, :start] -= coupling.T @ coupling
    gradient[:start] -= coupling.T @ offset
    return Eliminated(root=root, by_shared=coupling[:, :s], by_own=coupling[:, s:], offset=offset)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Linearised:
    """Factors as held at a state, and their normal equations there."""

    factors: tuple[Factor, ...]
    system: System

    def joined_by(self, factor: Factor, state: State) -> Linearised:
        """Return it with one more factor on shared unknowns that fill a slice."""
        terms = factor.terms(state)
        residual, jacobian = gauss_newton(terms)
        shared, gradient = self.system.shared.copy(), self.system.shared_gradient.copy()
        shared[terms.columns, terms.columns] += jacobian.T @ jacobian
        gradient[terms.columns] += jacobian.T @ residual
        total = self.system.energy + loss(terms.residual, terms.nu)
        return Linearised(
            factors=(*self.factors, factor),
            system=replace(self.system, energy=total, shared=shared, shared_gradient=gradient),
        )


def linearised(factors: Sequence[Factor], state: State, layout: Layout, *, slack: float = 0.0) -> Linearised:
    """Return the factors held at a state with that slack (see `Factor.held`), and their normal equations."""
    held = tuple(factor.held(state, slack) for factor in factors)
    return Linearised(factors=held, system=normal_equations(held, state, layout))


def solve(
    factors: Sequence[Factor],
    state: State,
    layout: Layout,
    free: Sequence[NDArray[np.bool_]],
    *,
    max_iterations: int,
    tolerance: float,
    slack: Sequence[float] = (),
    begin: Linearised | None = None,
) -> Solution:
    """Minimise the factors' energy from a state.

    Parameters
    ----------
    free : per photo (q,) bool, False for unknowns that stay where they are; the smooth error is always free.
    tolerance : nats; done when what is left to gain, by the last two gains as a geometric series, is less.
    slack : the share of the prior's variance that landmark noise gets in the first steps (see `Factor.held`); 0
        after these.
    begin : the factors linearised at `state` with the first slack, where that has been done.

    Notes
    -----
    Damping as Nielsen (1999): the diagonal of the normal matrix times mu, mu lowered by how well the quadratic
    foretold the gain. A coefficient at its bound that the gradient pushes outwards leaves the system for that step
    (Bertsekas 1982).
    """
    damping, growth = _FIRST_DAMPING, 2.0
    reason = f"no convergence in {max_iterations} steps"
    iteration, taken, converged, before = 0, 0, False, 0.0

    def at(state: State) -> Linearised:
        share = slack[taken] if taken < len(slack) else 0.0
        return linearised(factors, state, layout, slack=share)

    now = at(state) if begin is None else begin
    while iteration < max_iterations:
        iteration += 1
        shared_step, own_steps, foretold = _step(now.system, state, layout, free, damping)
        trial = layout.moved(state, shared_step, own_steps)
        gain = now.system.energy - energy(now.factors, trial)
        last = taken >= len(slack) and _left(gain if gain > 0 else foretold, before) < tolerance
        if gain > 0:
            state, taken, before = trial, taken + 1, gain
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
            now = at(state)
    held = tuple(factor.held(state, 0.0) for factor in factors)
    return Solution(
        state=state,
        factors=held,
        energy=energy(held, state),
        iterations=iteration,
        converged=converged,
        reason=reason,
    )


def _left(gain: float, before: float) -> float:
    """Return what is left to gain if each step gains the same share of the one before it, at most half."""
    share = min(gain / before, 0.5) if before > 0 else 0.5
    return gain * share / (1 - share)


def at_bound(system: System, state: State, layout: Layout, photo: int) -> NDArray[np.bool_]:
    """Return which of a photo's unknowns (without the smooth error) are on a bound, the energy falling beyond it, (q,)."""
    gradient = system.own_gradient[photo]
    stuck = np.zeros(len(gradient), dtype=bool)
    e, slope = state.photos[photo].expression, gradient[layout.expression]
    stuck[layout.expression] = ((e <= 0) & (slope >= 0)) | ((e >= 1) & (slope <= 0))
    return stuck


def _step(
    system: System, state: State, layout: Layout, free: Sequence[NDArray[np.bool_]], damping: float
) -> tuple[Float, tuple[Float, ...], float]:
    """Return the damped step (shared, per photo) inside the bounds, and the fall in energy that the quadratic foretells.

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
        offset = system.eliminated[p].offset
        foretold += 0.5 * float(offset @ offset)
    whole = tuple(
        np.concatenate([step, gone.step(shared, step)]) for step, gone in zip(steps, system.eliminated, strict=True)
    )
    return shared, whole, foretold


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
