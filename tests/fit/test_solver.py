"""The elimination photo by photo against one dense solve; bounds; the mode against a general minimiser."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from cephalon.fit import Cues, FitOptions
from cephalon.fit.estimate import _poses, _start
from cephalon.fit.problem import build_problem
from cephalon.fit.solver import _step, energy, linearised, normal_equations, solve
from cephalon.fit.terms import gauss_newton, group_weights
from tests.fit.synthetic import draw_expression, pose, see

OPTIONS = FitOptions(modes=12, residual_scale=0.0, expression_residual=0.0)


def problem_of(model, count, options=OPTIONS, set_name="ibug68", seed=1):
    rng = np.random.default_rng(seed)
    truth = np.zeros(model.identity_count)
    truth[: options.modes] = rng.standard_normal(options.modes)
    observations = [
        see(
            model,
            truth,
            rng=rng,
            place=pose(25 * p - 20, 3),
            set_name=set_name,
            expression=draw_expression(model, rng),
        ).observation
        for p in range(count)
    ]
    problem = build_problem(observations, model, options, Cues())
    poses = tuple(_poses(problem, observations[p], p, options)[0] for p in range(count))
    return problem, _start(problem, poses), truth


def dense(factors, state, layout):
    """Normal equations of all unknowns, smooth errors included: matrix, gradient, and where each photo's part begins."""
    s = layout.shared
    starts = np.cumsum([s, *(layout.photo(p) for p in range(len(state.photos)))])
    matrix, gradient = np.zeros((starts[-1], starts[-1])), np.zeros(starts[-1])
    for factor in factors:
        terms = factor.terms(state)
        residual, jacobian = gauss_newton(terms)
        p = factor.photo or 0
        places = np.concatenate([np.arange(s), np.arange(starts[p], starts[p + 1])])[terms.columns]
        matrix[np.ix_(places, places)] += jacobian.T @ jacobian
        gradient[places] += jacobian.T @ residual
    return matrix, gradient, starts


def test_eliminating_the_smooth_errors_is_a_schur_complement(model):
    problem, state, _ = problem_of(model, 2)
    layout, s = problem.layout, problem.layout.shared
    now = linearised(problem.factors, state, layout, slack=0.3)
    system = now.system
    matrix, gradient, starts = dense(now.factors, state, layout)
    field = np.concatenate([np.arange(starts[p] + layout.own, starts[p + 1]) for p in range(2)])
    assert len(field) > 60
    rest = np.setdiff1d(np.arange(starts[-1]), field)
    right = np.column_stack([matrix[np.ix_(field, rest)], gradient[field]])
    through = np.linalg.solve(matrix[np.ix_(field, field)], right)
    gradient = gradient[rest] - matrix[np.ix_(rest, field)] @ through[:, -1]
    matrix = matrix[np.ix_(rest, rest)] - matrix[np.ix_(rest, field)] @ through[:, :-1]
    np.testing.assert_allclose(system.shared, matrix[:s, :s], rtol=1e-6, atol=1e-7 * np.abs(matrix).max())
    # the matrix is in single precision, and it couples the gradients
    found = np.concatenate([system.shared_gradient, *system.own_gradient])
    np.testing.assert_allclose(found, gradient, atol=1e-5 * np.abs(gradient).max())
    for p in range(2):
        own = slice(s + p * layout.own, s + (p + 1) * layout.own)
        atol = 1e-6 * np.abs(matrix[own, own]).max()
        np.testing.assert_allclose(system.own[p], matrix[own, own], rtol=1e-5, atol=atol)
        np.testing.assert_allclose(system.cross[p], matrix[:s, own], rtol=1e-5, atol=atol)
    total = system.shared - sum(system.of_photo)
    alone = [f for f in now.factors if f.photo is None]
    np.testing.assert_allclose(
        total, dense(alone, state, layout)[0][:s, :s], rtol=1e-5, atol=1e-7 * np.abs(system.shared).max()
    )
    assert system.energy == pytest.approx(energy(now.factors, state))


def test_the_schur_step_is_the_dense_step(model):
    problem, state, _ = problem_of(model, 3)
    layout, s = problem.layout, problem.layout.shared
    # no bound near: the expression in the middle, and a small slope
    own = [np.zeros(layout.photo(p)) for p in range(3)]
    for step in own:
        step[layout.expression] = 0.5
    state = layout.moved(state, np.zeros(s), tuple(own))
    now = linearised(problem.factors, state, layout, slack=0.3)
    small = 1e-3
    system = replace(
        now.system,
        shared_gradient=small * now.system.shared_gradient,
        own_gradient=tuple(small * gradient for gradient in now.system.own_gradient),
        eliminated=tuple(replace(gone, offset=small * gone.offset) for gone in now.system.eliminated),
    )
    matrix, gradient, starts = dense(now.factors, state, layout)
    gradient *= small
    free = [np.ones_like(mask) for mask in problem.free]
    damping = 0.1
    # damped are all but the smooth errors, by the diagonal that is left after their elimination
    diagonal = np.zeros(len(matrix))
    diagonal[:s] = np.diag(system.shared)
    for p in range(3):
        diagonal[starts[p] : starts[p] + layout.own] = np.diag(system.own[p])
    expected = np.linalg.solve(matrix + damping * np.diag(diagonal), -gradient)
    shared, steps, foretold = _step(system, state, layout, free, damping)
    # the matrix is in single precision
    np.testing.assert_allclose(np.concatenate([shared, *steps]), expected, rtol=1e-3, atol=1e-7)
    assert foretold == pytest.approx(-gradient @ expected - 0.5 * expected @ matrix @ expected, rel=1e-4)


def test_the_mode_is_a_minimum_inside_the_bounds(model):
    problem, state, _ = problem_of(model, 2)
    found = solve(
        problem.factors, state, problem.layout, problem.free, max_iterations=60, tolerance=1e-9, slack=(0.3, 0.03)
    )
    assert found.converged, found.reason
    system = normal_equations(found.factors, found.state, problem.layout)
    scale = np.sqrt(np.diag(system.shared))
    np.testing.assert_allclose(system.shared_gradient / scale, 0, atol=1e-3)
    for p, (gradient, own) in enumerate(zip(system.own_gradient, system.own, strict=True)):
        e = found.state.photos[p].expression
        assert e.min() >= 0
        assert e.max() <= 1
        slope = np.where(problem.free[p], gradient / np.sqrt(np.diag(own) + 1e-12), 0)
        of_expression = slope[problem.layout.expression]
        assert of_expression[e == 0].min() > -1e-3  # pressed against the lower bound
        assert np.abs(of_expression[(e > 0) & (e < 1)]).max() < 1e-3
        assert (e == 0).any()
        slope[problem.layout.expression] = 0
        np.testing.assert_allclose(slope, 0, atol=1e-3)


def test_a_general_minimiser_finds_the_same_mode(model):
    problem, state, _ = problem_of(
        model, 1, FitOptions(modes=6, residual_scale=0.0, expression_residual=0.0, field_share=0.0)
    )
    free = [problem.free[0].copy()]
    free[0][problem.layout.expression] = False
    found = solve(problem.factors, state, problem.layout, free, max_iterations=60, tolerance=1e-9, slack=())
    held = found.factors
    layout, s = problem.layout, problem.layout.shared
    use = np.concatenate([np.ones(s, dtype=bool), free[0]])

    def moved(x):
        full = np.zeros(len(use))
        full[use] = x
        return layout.moved(found.state, full[:s], (full[s:],))

    def residuals(x):
        at = moved(x)
        values = []
        for factor in held:
            residual, nu = factor.residual(at)
            square = (residual**2).sum(1)
            if nu is None:
                values.append(residual.ravel())
            else:  # sqrt(2 loss) keeps the energy while each group stays one number
                values.append(np.sqrt((nu + residual.shape[1]) * np.log1p(square / nu)))
        return np.concatenate(values)

    assert 0.5 * (residuals(np.zeros(use.sum())) ** 2).sum() == pytest.approx(found.energy)
    rng = np.random.default_rng(0)
    start = 1e-2 * rng.standard_normal(use.sum())
    other = least_squares(residuals, start, x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-10)
    assert other.cost >= found.energy - 1e-4
    assert other.cost == pytest.approx(found.energy, abs=0.05)


def test_the_way_through_fewer_points_leads_to_the_same_mode(model):
    problem, state, _ = problem_of(model, 1, set_name="mediapipe478")
    common = {"layout": problem.layout, "free": problem.free, "max_iterations": 100}
    fewer = problem.thinned(120)
    assert [len(f.points) for f in fewer.landmarks[0]] == [120]
    coarse = solve(fewer.factors, state, tolerance=0.3, slack=(0.3, 0.03), **common)
    begin = linearised(problem.factors, coarse.state, problem.layout)
    found = solve(problem.factors, coarse.state, tolerance=0.02, begin=begin, **common)
    straight = solve(problem.factors, state, tolerance=1e-8, slack=(0.3, 0.03), **common)
    assert found.converged
    assert straight.converged
    assert found.iterations < straight.iterations
    assert found.energy == pytest.approx(straight.energy, abs=0.05)
    np.testing.assert_allclose(found.state.identity, straight.state.identity, atol=0.03)


def test_damping_rescues_a_bad_start(model):
    problem, state, _ = problem_of(model, 1)
    rng = np.random.default_rng(2)
    bad = problem.layout.moved(
        state,
        2 * rng.standard_normal(problem.layout.shared),
        (
            0.15
            * rng.standard_normal(problem.layout.photo(0))
            * np.append(problem.free[0], np.ones(problem.layout.fields[0])),
        ),
    )
    arguments = {"max_iterations": 80, "tolerance": 0.01, "slack": (0.3, 0.03)}
    good = solve(problem.factors, state, problem.layout, problem.free, **arguments)
    rescued = solve(problem.factors, bad, problem.layout, problem.free, **arguments)
    assert rescued.converged
    assert energy(rescued.factors, rescued.state) < good.energy + 10
    np.testing.assert_allclose(rescued.state.identity, good.state.identity, atol=0.3)


def test_too_few_steps_say_so(model):
    problem, state, _ = problem_of(model, 1)
    found = solve(problem.factors, state, problem.layout, problem.free, max_iterations=2, tolerance=1e-9)
    assert not found.converged
    assert "2 steps" in found.reason


def test_wild_points_lose_their_say(model):
    options = FitOptions(modes=12, residual_scale=0.0, expression_residual=0.0)
    rng = np.random.default_rng(9)
    truth = rng.standard_normal(model.identity_count) * (np.arange(model.identity_count) < 12)
    clean = see(model, truth, rng=np.random.default_rng(1)).observation
    dirty = see(model, truth, rng=np.random.default_rng(1), outliers=0.2).observation
    wild = np.linalg.norm(clean.points[0].position - dirty.points[0].position, axis=1) > 12
    found = []
    for observation in (clean, dirty):
        problem = build_problem([observation], model, options, Cues(iris_mm=None))
        start = _start(problem, (_poses(problem, observation, 0, options)[0],))
        found.append(
            solve(
                problem.factors,
                start,
                problem.layout,
                problem.free,
                max_iterations=60,
                tolerance=0.02,
                slack=(0.3, 0.03),
            )
        )
    landmark = next(f for f in found[1].factors if f.photo == 0)
    weights = group_weights(*landmark.residual(found[1].state))
    assert np.median(weights[wild[landmark.rows]]) < 0.2
    assert np.median(weights[~wild[landmark.rows]]) > 0.9
    error = [np.linalg.norm(f.state.identity - truth[:12]) for f in found]
    assert error[1] < 1.5 * error[0] + 0.5
