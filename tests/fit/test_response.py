"""A landmarker that draws faces towards the usual one, and errors that photos of one person share."""

from dataclasses import replace

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.fit import FitOptions, fit
from cephalon.fit.points import point_model
from cephalon.values import ShapeResponse
from tests.fit.synthetic import pose, region_error, see

OPTIONS = FitOptions(residual_scale=0.0, expression_residual=0.0, claim_tempering=1.0, between_photos=0.0)
HABIT = 0.4
"""Share by which deviations from the mean head are read too small."""


@pytest.fixture(scope="module")
def response(model):
    points = point_model(model, "mediapipe478")
    basis = points.basis[:468].reshape(3 * 468, -1)
    shapes = np.zeros((478, 3, 40))
    shapes[:468] = np.linalg.svd(basis, full_matrices=False)[0][:, :40].reshape(468, 3, 40)
    return ShapeResponse(probe=shapes.transpose(2, 0, 1), shift=-HABIT * shapes)


def habitual(model, identity, response, place):
    """What such a landmarker sees of a person, with little noise besides."""
    seen = see(model, identity, rng=np.random.default_rng(3), place=place, sigma_mm=0.3)
    points = model.points(model.code(identity=identity), "mediapipe478")
    stray = response.of((points - model.points(None, "mediapipe478"))[:, :, None])[:, :, 0]
    moved = seen.camera.project(place.apply(points + stray)) - seen.camera.project(place.apply(points))
    (noisy,) = seen.observation.points
    return replace(noisy, position=noisy.position + moved), seen.observation


def test_the_response_is_a_linear_map_of_deviations(response):
    rng = np.random.default_rng(0)
    one, other = rng.standard_normal((2, 478, 3, 2))
    np.testing.assert_allclose(response.of(2 * one - other), 2 * response.of(one) - response.of(other), atol=1e-12)
    np.testing.assert_allclose(response.of(response.shift / -HABIT), response.shift, atol=1e-12)
    assert (response.of(one)[468:] == 0).all()
    with pytest.raises(InputError):
        ShapeResponse(probe=np.zeros((4, 478, 3)), shift=np.zeros((478, 3, 5)))


def test_known_habits_are_undone(model, response):
    rng = np.random.default_rng(11)
    errors = {"known": [], "ignored": []}
    sizes = {"known": [], "ignored": [], "true": []}
    for _ in range(4):
        identity = rng.standard_normal(model.identity_count)
        points, observation = habitual(model, identity, response, pose(15, 3, 0, 800))
        sizes["true"].append(np.linalg.norm(identity[:10]))
        for name, given in (("known", response), ("ignored", None)):
            posterior = fit([replace(observation, points=(replace(points, response=given),))], model, OPTIONS)
            assert posterior.status == "converged"
            errors[name].append(region_error(model, posterior.identity, identity))
            sizes[name].append(np.linalg.norm(posterior.identity[:10]))
            if name == "known":
                # the points are where such a landmarker is expected to put them, not where they are on the head
                off = np.linalg.norm(posterior.photos[0].points_px - points.position, axis=1)[:468]
                assert np.median(off) < 2.0
    assert np.mean(errors["known"]) < 0.75 * np.mean(errors["ignored"])
    # heads come out too alike where the habit is not known
    assert np.mean(sizes["ignored"]) < np.mean(sizes["known"])


def test_a_response_belongs_to_its_points(model, response):
    points, _ = habitual(model, np.zeros(model.identity_count), response, pose())
    short = ShapeResponse(probe=response.probe[:, :68], shift=response.shift[:68])
    with pytest.raises(InputError, match="response"):
        replace(points, response=short)


def test_copies_of_a_photo_tell_no_more_than_one_if_errors_are_shared(model):
    seen = see(model, np.zeros(model.identity_count), rng=np.random.default_rng(5)).observation
    claims = {}
    for between in (0.0, 1.0):
        options = replace(OPTIONS, between_photos=between)
        claims[between] = [
            np.log(np.linalg.svd(fit([seen] * count, model, options).identity_factor())[1]).sum() for count in (1, 3)
        ]
    one, three = claims[1.0]
    assert three == pytest.approx(one, abs=0.25 * abs(claims[0.0][1] - one))
    assert claims[0.0][1] < one - 5
    assert fit([seen] * 3, model, replace(OPTIONS, between_photos=0.5)).tempering == 2.0
    with pytest.raises(InputError, match="between_photos"):
        FitOptions(between_photos=1.2)
