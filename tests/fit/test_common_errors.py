"""Errors that the points of one photo have in common, as the observation states them."""

from dataclasses import replace

import numpy as np
import pytest

from cephalon.fit import Cues, FitOptions, fit
from cephalon.fit.factors import LandmarkFactor
from cephalon.fit.problem import build_problem
from tests.fit.synthetic import see


@pytest.fixture(scope="module")
def stated(model):
    """An observation whose points shift together by 0.9 of their sd along x and turn together by 0.3 of it."""
    seen = see(model, np.zeros(model.identity_count), rng=np.random.default_rng(8), field_share=0.0)
    points = seen.observation.points[0]
    sigma = float(np.sqrt(points.covariance[0, 0, 0]))
    around = points.position - points.position.mean(0)
    turn = around @ np.array([[0.0, 1.0], [-1.0, 0.0]]) / np.abs(around).max()
    common = sigma * np.stack([np.tile([0.9, 0.0], (len(turn), 1)), 0.3 * turn], axis=2)
    return replace(seen.observation, points=(replace(points, common=common),))


@pytest.mark.parametrize("tempering", [1.0, 2.5])
def test_field_and_rest_make_up_the_covariance(model, stated, tempering):
    options = FitOptions(tempering=tempering)
    problem = build_problem([stated], model, options, Cues())
    (factor,) = [f for f in problem.factors if isinstance(f, LandmarkFactor)]
    together = factor.covariance + factor.field @ factor.field.transpose(0, 2, 1)
    np.testing.assert_allclose(together, tempering * stated.points[0].covariance[factor.rows], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(factor.field, np.sqrt(tempering) * stated.points[0].common[factor.rows])


def test_a_common_error_that_looks_like_a_person_is_not_believed(model):
    """Where the points may err together as the first mode of adults moves them, they say little of that mode."""
    first = model.link.growth.count
    zero, one = np.zeros(model.identity_count), np.eye(model.identity_count)[first]
    seen = see(model, one, rng=np.random.default_rng(8), field_share=0.0)
    exact = [
        seen.camera.project(seen.camera_from_head.apply(model.points(model.code(identity=z), "mediapipe478")))
        for z in (zero, one)
    ]
    common = 3.0 * (exact[1] - exact[0])[:, :, None]
    points = seen.observation.points[0]
    wider = points.covariance + common @ common.transpose(0, 2, 1)
    options = FitOptions(tempering=1.0, claim_tempering=1.0, between_photos=0.0)
    told = replace(points, covariance=wider, common=common)
    for observed, believed in ((told, False), (replace(points, covariance=points.covariance), True)):
        posterior = fit([replace(seen.observation, points=(observed,))], model, options)
        sigma = float(np.sqrt(posterior.identity_covariance()[first, first]))
        assert (sigma < 0.7) == believed
        if believed:
            assert abs(posterior.identity[first] - 1) < 3 * sigma
