"""The size of heads is not biased: the mode of shape and size is mended towards the marginal of the size."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import truncnorm

from cephalon.fit import Cues, FitOptions, fit
from cephalon.fit.estimate import _poses, _start
from cephalon.fit.factors import LandmarkFactor
from cephalon.fit.problem import build_problem
from cephalon.fit.size import _cut_off, _inside_bounds, determined_directions
from cephalon.fit.solver import Linearised, linearised, normal_equations
from cephalon.head import HeadModel
from tests.fit.synthetic import expressions_of_prior, pose, see


@pytest.mark.parametrize(
    ("centre", "precision"),
    [(-4.15, 2.0), (-0.3, 100.0), (0.02, 100.0), (0.3, 400.0), (1.4, 50.0), (0.95, 200.0), (-50.0, 9.0)],
)
def test_a_gaussian_cut_off_at_a_bound(centre, precision):
    sd = precision**-0.5
    exact = truncnorm((0 - centre) / sd, (1 - centre) / sd, loc=centre, scale=sd)
    mean, variance = _cut_off(np.array([centre]), np.array([precision]))
    assert mean[0] == pytest.approx(exact.mean(), abs=2e-4)
    assert variance[0] == pytest.approx(exact.var(), rel=0.01)


def test_gaussians_cut_off_together():
    """Two coefficients that go together, pressed to 0, and a third that is free: against a sum over a grid."""
    mode, slope = np.array([0.0, 0.0, 0.4]), np.array([8.0, 4.0, 0.0])
    bare = np.array([[50.0, -20.0, 20.0], [-20.0, 50.0, 0.0], [20.0, 0.0, 60.0]])
    wall = np.append(slope[:2] ** 2, 0.0)
    shift, spread = _inside_bounds(mode, slope, np.linalg.inv(bare + np.diag(wall)), wall)
    axis = (np.arange(100) + 0.5) / 100
    d = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3) - mode
    weight = np.exp(-d @ slope - 0.5 * np.einsum("ni,ij,nj->n", d, bare, d))
    weight /= weight.sum()
    mean = weight @ d
    np.testing.assert_allclose(shift, mean, rtol=0.06)  # the method's own error
    np.testing.assert_allclose(spread, (weight[:, None] * (d - mean)).T @ (d - mean), atol=0.001)


@pytest.fixture(scope="module")
def problem_and_state():
    model = HeadModel.load()
    rng = np.random.default_rng(6)
    observation = see(model, rng.standard_normal(model.identity_count), rng=rng, focal_known=True).observation
    options = FitOptions(residual_scale=0.0)
    problem = build_problem([observation], model, options, Cues(iris_mm=None))
    return problem, _start(problem, (_poses(problem, observation, 0, options)[0],))


def test_priors_alone_determine_nothing(problem_and_state):
    problem, state = problem_and_state
    others = tuple(f for f in problem.factors if not isinstance(f, LandmarkFactor))
    begin = Linearised(factors=others, system=normal_equations(others, state, problem.layout))
    count = determined_directions(problem, state, begin)
    assert count < 0.02 * (problem.layout.modes + problem.layout.expressions)


def test_the_count_is_the_slope_of_the_determinant(problem_and_state):
    """With a head s times as large, s times as far, a millimetre is 1 / s as large in the photo."""
    problem, state = problem_and_state
    layout, s = problem.layout, problem.layout.shared
    step = np.zeros(layout.photo(0))
    step[layout.expression] = 0.5  # so far from the bounds, with precise landmarks, that they do not matter
    state = layout.moved(state, np.zeros(s), (step,))
    precise = tuple(
        replace(f, covariance=1e-3 * f.covariance, field=0.03 * f.field) if isinstance(f, LandmarkFactor) else f
        for f in problem.factors
    )
    # residuals of 0, so that the curvature is that of the landmarks alone
    precise = tuple(replace(f, position=f.predicted(state)) if isinstance(f, LandmarkFactor) else f for f in precise)
    begin = linearised(precise, state, layout)
    others = [f for f in begin.factors if not isinstance(f, LandmarkFactor)]

    def whole(factors):
        system = normal_equations(factors, state, layout)
        return np.block([[system.shared, system.cross[0]], [system.cross[0].T, system.own[0]]])

    prior = whole(others)
    data = whole(begin.factors) - prior
    use = np.flatnonzero(np.concatenate([np.ones(s, dtype=bool), problem.free[0]]))
    millimetres = np.zeros(len(data))
    millimetres[: layout.modes] = millimetres[s : s + layout.expressions] = 1.0

    def half_log_det(log_size):
        scale = np.exp(-log_size * millimetres)
        return 0.5 * np.linalg.slogdet((prior + scale[:, None] * data * scale)[np.ix_(use, use)])[1]

    slope = (half_log_det(1e-4) - half_log_det(-1e-4)) / 2e-4
    assert determined_directions(problem, state, begin) == pytest.approx(-slope, rel=0.02)
    assert 60 < -slope < layout.modes + layout.expressions


def mean_log_size(people: int, seed: int) -> tuple[float, float]:
    """Mean of log(size found / true size) over people, and its standard error; noise and faces are what the fit assumes."""
    model = HeadModel.load()
    rng = np.random.default_rng(seed)
    options = FitOptions(residual_scale=0.0, claim_tempering=1.0, between_photos=0.0)
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
