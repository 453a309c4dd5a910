"""Every factor's Jacobian against central differences, and the losses against their formulas."""

from dataclasses import replace

import numpy as np
import pytest

from cephalon.fit import Cues, FitOptions
from cephalon.fit.estimate import _poses, _start
from cephalon.fit.points import _eye_turns, point_model, smooth_modes
from cephalon.fit.problem import build_problem
from cephalon.fit.terms import Terms, gauss_newton, group_weights, inverse_square_root, loss, square_root
from cephalon.geometry import rotation_from_rotvec, rotation_jacobian
from cephalon.values import ExpressionObservation
from tests.fit.synthetic import draw_expression, pose, see


@pytest.fixture(scope="module")
def problem(model):
    rng = np.random.default_rng(3)
    truth = rng.standard_normal(model.identity_count)
    seen = see(model, truth, rng=rng, place=pose(20, -5), expression=draw_expression(model, rng), iris_mm=12.0)
    reading = ExpressionObservation(mean=np.full(52, 0.2), sigma=np.full(52, 0.1))
    first = replace(seen.observation, expression=reading)
    points = replace(first.points[0], common_sigma_px=2.0)
    second = see(model, truth, rng=rng, set_name="ibug68").observation
    observations = [replace(first, points=(points, second.points[0])), second]
    options = FitOptions(radial=True)
    cues = Cues(ipd_mm=60.0, age_years=30, sex="female")
    problem = build_problem(observations, model, options, cues)
    poses = tuple(_poses(problem, observations[p], p, options)[0] for p in range(2))
    state = _start(problem, poses)
    layout = problem.layout
    steps = [0.05 * rng.standard_normal(layout.photo(p)) for p in range(2)]
    for step in steps:
        step[layout.expression] = rng.uniform(0.1, 0.5, layout.expressions)
    state = layout.moved(state, 0.3 * rng.standard_normal(layout.shared), tuple(steps))
    return problem, state


def test_every_jacobian_is_the_derivative(problem):
    problem, state = problem
    layout = problem.layout
    rng = np.random.default_rng(4)
    kinds = set()
    for factor in problem.factors:
        held = factor.held(state, 0.1)
        terms = held.terms(state)
        np.testing.assert_allclose(terms.residual, held.residual(state)[0])
        p = factor.photo or 0
        full = np.zeros((terms.residual.size, layout.shared + layout.photo(p)))
        full[:, terms.columns] = terms.jacobian
        for _ in range(3):
            direction = rng.standard_normal(full.shape[1])

            def residual(amount, held=held, direction=direction, p=p):
                own = [np.zeros(layout.photo(q)) for q in range(2)]
                own[p] = amount * direction[layout.shared :]
                return held.residual(layout.moved(state, amount * direction[: layout.shared], tuple(own)))[0].ravel()

            numeric = (residual(1e-6) - residual(-1e-6)) / 2e-6
            np.testing.assert_allclose(full @ direction, numeric, rtol=2e-5, atol=2e-5 * np.abs(numeric).max() + 1e-6)
        kinds.add(type(factor).__name__)
    assert kinds == {"LandmarkFactor", "LinearFactor", "ExclusionFactor", "CameraFactor", "IrisFactor", "IpdFactor"}


def test_the_gradient_is_that_of_the_loss(problem):
    problem, state = problem
    factor = next(f for f in problem.factors if f.photo == 0).held(state, 0.0)
    residual, jacobian = gauss_newton(factor.terms(state))
    layout, rng = problem.layout, np.random.default_rng(5)
    direction = rng.standard_normal(layout.shared + layout.photo(0))

    def energy(amount):
        own = (amount * direction[layout.shared :], np.zeros(layout.photo(1)))
        return loss(*factor.residual(layout.moved(state, amount * direction[: layout.shared], own)))

    numeric = (energy(1e-6) - energy(-1e-6)) / 2e-6
    assert float(residual @ jacobian @ direction) == pytest.approx(numeric, rel=1e-4)


def test_student_loss_and_its_two_quadratics():
    angle = np.arange(7.0)
    length = np.array([0.1, 0.5, 1.0, 1.5, 1.95, 5.0, 50.0])
    residual = length[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    jacobian = np.eye(14)
    nu = 4.0
    terms = Terms(residual=residual, jacobian=jacobian, columns=slice(0, 14), nu=nu)
    gradient, rows = gauss_newton(terms)
    step = 1e-4

    def energy(change):
        return loss((residual.ravel() + change).reshape(7, 2), nu)

    numeric = [(energy(step * e) - energy(-step * e)) / (2 * step) for e in np.eye(14)]
    np.testing.assert_allclose(rows.T @ gradient, numeric, atol=1e-6)
    hessian = np.array(
        [
            [
                (energy(step * (a + b)) - energy(step * a) - energy(step * b) + energy(0 * a)) / step**2
                for b in np.eye(14)
            ]
            for a in np.eye(14)
        ]
    )
    its_residual, exact = gauss_newton(terms, exact=True)
    np.testing.assert_allclose(exact.T @ its_residual, numeric, atol=1e-6)  # the same gradient
    inner = np.arange(8)  # the first four groups: inside the convex part of the loss
    np.testing.assert_allclose((exact.T @ exact)[np.ix_(inner, inner)], hessian[np.ix_(inner, inner)], atol=1e-3)
    # the default bounds the curvature from above, everywhere
    assert np.linalg.eigvalsh(rows.T @ rows - hessian).min() > -1e-3
    weights = group_weights(residual, nu)
    assert weights[0] == pytest.approx(1.5, rel=0.05)
    assert weights[-1] < 0.02


def test_square_roots_of_covariances():
    rng = np.random.default_rng(1)
    a = rng.standard_normal((20, 2, 2))
    covariance = a @ a.transpose(0, 2, 1) + 0.01 * np.eye(2)
    root = square_root(covariance)
    np.testing.assert_allclose(root @ root, covariance, atol=1e-12)
    w = inverse_square_root(covariance)
    np.testing.assert_allclose(w @ covariance @ w, np.tile(np.eye(2), (20, 1, 1)), atol=1e-9)


@pytest.mark.parametrize("name", ["mediapipe478", "ibug68", "now7"])
def test_point_models_agree_with_the_head_model(model, name):
    rng = np.random.default_rng(6)
    z, e, gaze = rng.standard_normal(model.identity_count), rng.random(52), 0.2 * rng.standard_normal((2, 2))
    joints = {"left_eye": np.append(gaze[0], 0), "right_eye": np.append(gaze[1], 0)}
    whole = model.vertices(model.code(identity=z, expression=e, joints=joints), linear=True)
    expected = model.point_set(name).positions(whole, model.faces)
    points = point_model(model, name)
    np.testing.assert_allclose(points.positions(np.concatenate([z, e]), gaze), expected, atol=1e-3)
    np.testing.assert_allclose(points.jacobian(np.concatenate([z, e]), gaze)[0], expected, atol=1e-3)
    rows = np.arange(len(points))[::-3]
    np.testing.assert_allclose(points.take(rows).positions(np.concatenate([z, e]), gaze), expected[rows], atol=1e-3)


@pytest.mark.parametrize("size", [0.0, 1e-6, 0.009, 0.0101, 0.3, 2.0])
def test_eye_turns_are_rodrigues_formula(size):
    gaze = size * np.array([[0.6, -0.8], [-0.28, 0.96]])
    rotvecs = np.column_stack([gaze, np.zeros(2)])
    change, derivative = _eye_turns(gaze)
    np.testing.assert_allclose(change, rotation_from_rotvec(rotvecs) - np.eye(3), atol=1e-14)
    expected = rotation_jacobian(rotvecs)[..., :2]
    np.testing.assert_allclose(derivative.transpose(0, 3, 2, 1), expected, atol=1e-11)


def test_smooth_modes_span_the_kernel(model):
    modes = smooth_modes(model, "ibug68", 25.0)
    points = model.points(None, "ibug68")
    kernel = np.exp(-0.5 * ((points[:, None] - points) ** 2).sum(-1) / 25.0**2)
    assert modes.shape[1] < 34
    assert np.abs(modes @ modes.T - kernel).max() < 0.2
    assert np.trace(modes @ modes.T) > 0.97 * len(points)
    assert ((modes**2).sum(1) <= 1 + 1e-9).all()
