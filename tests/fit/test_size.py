"""The size of heads is not biased: what the priors of shape and expression say of it in passing is taken away."""

from dataclasses import replace

import numpy as np
import pytest

from cephalon.fit import Cues, FitOptions, fit
from cephalon.fit.estimate import _poses, _start
from cephalon.fit.factors import LinearFactor
from cephalon.fit.problem import build_problem
from cephalon.fit.size import prior_slope, size_factor, size_slope
from cephalon.fit.solver import energy
from cephalon.head import HeadModel
from cephalon.values import ExpressionObservation
from tests.fit.synthetic import expressions_of_prior, pose, see


@pytest.fixture(scope="module")
def model():
    return HeadModel.load()


@pytest.fixture(scope="module", params=[{}, {"age_years": 8.0, "sex": "female"}], ids=["anybody", "a girl of 8"])
def problem_and_state(request, model):
    """A problem and a state anywhere: some identity, a face with something read of it."""
    rng = np.random.default_rng(6)
    b = len(model.expression_names)
    observation = see(model, rng.standard_normal(model.identity_count), rng=rng, focal_known=True).observation
    read = ExpressionObservation(mean=rng.uniform(0, 1, b), sigma=rng.uniform(0.1, 1.0, b))
    options = FitOptions(residual_scale=0.0, expression_residual=0.0)
    problem = build_problem(
        [replace(observation, expression=read)], model, options, Cues(iris_mm=None, **request.param)
    )
    state = _start(problem, (_poses(problem, observation, 0, options)[0],))
    step = np.zeros(problem.layout.photo(0))
    step[problem.layout.expression] = rng.uniform(0.1, 0.9, b)
    shared = np.append(rng.standard_normal(problem.layout.modes), 0.0)
    return problem, problem.layout.moved(state, shared, (step,))


def test_the_slope_of_the_size(problem_and_state):
    problem, state = problem_and_state
    rng = np.random.default_rng(1)
    points = problem.landmarks[0][0].points

    def log_size(identity):
        x = points.positions(np.append(identity, np.zeros(problem.layout.expressions)), np.zeros((2, 2)))
        return np.log(np.linalg.norm(x - x.mean(0)))

    way = rng.standard_normal(problem.layout.modes)
    central = (log_size(state.identity + 1e-4 * way) - log_size(state.identity - 1e-4 * way)) / 2e-4
    assert size_slope(problem, state) @ way == pytest.approx(central, rel=1e-5)


def test_one_point_has_no_size(problem_and_state):
    problem, state = problem_and_state
    factor = problem.landmarks[0][0]
    lone = replace(problem, landmarks=((factor, factor.thinned(1)),))
    np.testing.assert_array_equal(size_slope(lone, state), size_slope(problem, state))
    assert size_factor(replace(problem, landmarks=((factor.thinned(1),),)), state) is None


def test_the_slope_of_the_priors(problem_and_state):
    """The energy of the priors where shape and expression grow in proportion and the size's own coordinate stays."""
    problem, state = problem_and_state
    priors = [f for f in problem.factors if isinstance(f, LinearFactor) and f.kind in ("identity", "expression")]
    slope = size_slope(problem, state)
    covariance = np.eye(len(slope)) if problem.prior_factor is None else problem.prior_factor @ problem.prior_factor.T
    away = state.identity - problem.prior_mean
    # split so that both parts are independent under the prior: cov slope is the direction that the size brings along
    of_size = covariance @ slope * (slope @ away) / (slope @ covariance @ slope)

    def priors_energy(times):
        photo = replace(state.photos[0], expression=times * state.photos[0].expression)
        identity = problem.prior_mean + of_size + times * (away - of_size)
        return energy(priors, replace(state, identity=identity, photos=(photo,)))

    central = (priors_energy(1 + 1e-4) - priors_energy(1 - 1e-4)) / 2e-4
    assert prior_slope(problem, state, slope) == pytest.approx(central, rel=1e-6)


def test_nothing_to_mend_for_the_mean_head(problem_and_state):
    problem, state = problem_and_state
    photo = replace(state.photos[0], expression=np.zeros(problem.layout.expressions))
    state = replace(state, identity=problem.prior_mean, photos=(photo,))
    assert prior_slope(problem, state, size_slope(problem, state)) == pytest.approx(0.0, abs=1e-9)
    # and without a prior on shape that knows the size's direction, that direction does not count
    slope = size_slope(problem, state)
    covariance = np.eye(len(slope)) if problem.prior_factor is None else problem.prior_factor @ problem.prior_factor.T
    larger = replace(state, identity=problem.prior_mean + 3 * covariance @ slope / np.sqrt(slope @ covariance @ slope))
    assert prior_slope(problem, larger, slope) == pytest.approx(0.0, abs=1e-6)


def test_the_factor_has_that_slope(problem_and_state):
    problem, state = problem_and_state
    slope = size_slope(problem, state)
    count = prior_slope(problem, state, slope)
    factor = size_factor(problem, state)
    terms = factor.terms(replace(state, identity=np.zeros(problem.layout.modes)))
    gradient = terms.jacobian.T @ terms.residual[:, 0]
    np.testing.assert_allclose(gradient, -count * slope, rtol=1e-9, atol=1e-12)


def mean_log_size(people: int, seed: int) -> tuple[float, float]:
    """Mean of log(size found / true size) over people, and its standard error; noise and faces are what the fit assumes."""
    model = HeadModel.load()
    rng = np.random.default_rng(seed)
    options = FitOptions(residual_scale=0.0, expression_residual=0.0, claim_tempering=1.0, between_photos=0.0)
    expressions = expressions_of_prior(model, options, people, np.random.default_rng(seed + 1))
    found = []
    for expression in expressions:
        z = rng.standard_normal(model.identity_count)
        place = pose(rng.uniform(-30, 30), rng.uniform(-10, 10), 0.0, 900.0)
        seen = see(model, z, rng=rng, place=place, focal_known=True, expression=expression)
        posterior = fit([seen.observation], model, options, Cues(iris_mm=None))
        sizes = [
            np.linalg.norm(points - points.mean(0))
            for points in (
                model.points(model.code(identity=identity), "mediapipe478") for identity in (posterior.identity, z)
            )
        ]
        found.append(np.log(sizes[0] / sizes[1]))
    return float(np.mean(found)), float(np.std(found) / np.sqrt(people))


def test_size_is_not_biased():
    mean, error = mean_log_size(24, seed=4)
    # without the term it is -0.029 +- 0.003
    assert abs(mean) < 0.009 + 2 * error


@pytest.mark.slow
def test_size_is_not_biased_over_many():
    mean, error = mean_log_size(150, seed=5)
    print(f"log size {mean:+.4f} +- {error:.4f}")
    assert abs(mean) < 0.007 + 2 * error
