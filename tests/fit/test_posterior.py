"""The Gaussian around the mode against sampling, and its intervals against the truth."""

import numpy as np
import pytest
from scipy.stats import norm

from cephalon.fit import Cues, FitOptions, fit
from cephalon.fit.estimate import _poses, _start
from cephalon.fit.points import point_model
from cephalon.fit.posterior import gaussian
from cephalon.fit.problem import build_problem
from cephalon.fit.solver import energy, normal_equations, solve
from tests.fit.synthetic import expressions_of_prior, pose, see

LEVELS = (0.5, 0.8, 0.9, 0.95)


def test_the_gaussian_agrees_with_sampling(model):
    # three modes, pose and focal length of one photo; expression fixed, so that a random walk mixes
    options = FitOptions(
        modes=3, residual_scale=0.0, expression_residual=0.0, field_share=0.0, claim_tempering=1.0, between_photos=0.0
    )
    rng = np.random.default_rng(8)
    truth = np.zeros(model.identity_count)
    truth[:3] = [1.0, -0.5, 0.3]
    observation = see(model, truth, rng=rng, set_name="ibug68", sigma_mm=2.0, field_share=0.0).observation
    problem = build_problem([observation], model, options, Cues())
    free = (problem.free[0].copy(),)
    free[0][problem.layout.expression] = False
    start = _start(problem, (_poses(problem, observation, 0, options)[0],))
    layout, s = problem.layout, problem.layout.shared
    found = solve(problem.factors, start, layout, free, max_iterations=60, tolerance=1e-9, slack=(0.3,))
    assert found.converged
    assert layout.fields == (0,)
    use = np.flatnonzero(np.concatenate([np.ones(s, dtype=bool), free[0]]))
    system = normal_equations(found.factors, found.state, layout, exact=True)
    full = np.block([[system.shared, system.cross[0]], [system.cross[0].T, system.own[0]]])[np.ix_(use, use)]
    root = np.linalg.inv(np.linalg.cholesky(full)).T

    def at(x):
        step = np.zeros(s + layout.photo(0))
        step[use] = x
        return energy(found.factors, layout.moved(found.state, step[:s], (step[s:],)))

    x, current, kept, accepted = np.zeros(len(use)), at(np.zeros(len(use))), [], 0
    for step in range(9000):
        trial = x + 0.75 * root @ rng.standard_normal(len(use))
        value = at(trial)
        if np.log(rng.random()) < current - value:
            x, current = trial, value
            accepted += 1
        if step >= 500:
            kept.append(x[:3])
    sampled = np.cov(np.array(kept).T)
    assert 0.1 < accepted / 9000 < 0.7
    around = gaussian(problem, found, free)
    factor = np.linalg.inv(around.sqrt_precision)
    ratio = np.sqrt(np.diag(sampled) / np.diag(factor @ factor.T))
    np.testing.assert_allclose(ratio, 1.0, atol=0.15)
    shift = np.mean(kept, axis=0) / np.sqrt(np.diag(sampled))
    assert np.abs(shift).max() < 0.3  # the mode is the mean, to what the chain can tell


def lengths(model, count=60):
    """Distances between pairs of named points all over the head: a function of the identity with its derivative."""
    points = point_model(model, "iso")
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, len(points), (2, count))
    first, second = first[first != second], second[first != second]
    basis = points.basis[:, :, : points.modes]

    def measure(z):
        positions = points.mean + basis @ z
        between = positions[first] - positions[second]
        length = np.linalg.norm(between, axis=1)
        slope = np.einsum("pd,pdk->pk", between / length[:, None], basis[first] - basis[second])
        return length, slope

    return measure


def coverage(model, people, photos, set_name, seed):
    rng = np.random.default_rng(seed)
    options = FitOptions(residual_scale=0.0, expression_residual=0.0, claim_tempering=1.0, between_photos=0.0)
    measure = lengths(model)
    expressions = iter(expressions_of_prior(model, options, people * photos, np.random.default_rng(seed + 1)))
    deviations, whitened = [], []
    for _ in range(people):
        z = rng.standard_normal(model.identity_count)
        observations = []
        for _ in range(photos):
            place = pose(rng.uniform(-35, 35), rng.uniform(-12, 12), rng.uniform(-5, 5), np.exp(rng.normal(6.8, 0.4)))
            focal = float(np.exp(rng.normal(np.log(options.focal35_mm), 0.4)))
            seen = see(
                model, z, rng=rng, place=place, focal35_mm=focal, expression=next(expressions), set_name=set_name
            )
            observations.append(seen.observation)
        posterior = fit(observations, model, options, Cues(iris_mm=None))
        assert posterior.status == "converged", posterior.reason
        length, slope = measure(posterior.identity)
        sigma = np.linalg.norm(slope @ posterior.identity_factor(), axis=1)
        deviations.append((length - measure(z)[0]) / sigma)
        whitened.append(posterior.identity_sqrt_precision @ (posterior.identity - z))
    return np.array(deviations), np.array(whitened)


def shares(values):
    return {level: float((np.abs(values) < norm.ppf(0.5 + level / 2)).mean()) for level in LEVELS}


def test_intervals_hold_the_truth_on_a_few_people(model):
    deviations, whitened = coverage(model, 14, 1, "ibug68", seed=1)
    for level, share in shares(whitened).items():
        assert share == pytest.approx(level, abs=0.05)
    # lengths share the scale, so few people tell little: bounds from both sides
    assert 0.6 < np.sqrt((deviations**2).mean()) < 1.5


@pytest.mark.slow
@pytest.mark.parametrize(("photos", "set_name"), [(1, "mediapipe478"), (1, "ibug68"), (3, "mediapipe478")])
def test_intervals_hold_the_truth(model, photos, set_name):
    deviations, whitened = coverage(model, 150, photos, set_name, seed=2)
    print(photos, set_name, "lengths", shares(deviations), "identity", shares(whitened))
    for level, share in shares(whitened).items():
        assert share == pytest.approx(level, abs=0.03)
    for level, share in shares(deviations).items():
        assert share == pytest.approx(level, abs=0.05)
