"""The whole fit on people whose head is known: shape, size, camera, cues, strangers, and what cannot be fitted."""

from dataclasses import replace

import numpy as np
import pytest

from cephalon.core import InputError, NoHeadError
from cephalon.fit import Cues, FitOptions, fit
from tests.fit.synthetic import draw_expression, pose, region_error, see

OPTIONS = FitOptions(residual_scale=0.0, expression_residual=0.0, claim_tempering=1.0, between_photos=0.0)


@pytest.fixture(scope="module")
def people(model):
    rng = np.random.default_rng(20)
    return rng.standard_normal((6, model.identity_count))


def views(model, identity, count, seed, **kw):
    rng = np.random.default_rng(seed)
    yaws = (0, 30, -30, 15, -15)
    return [
        see(
            model,
            identity,
            rng=rng,
            place=pose(yaws[p], 4 * (-1) ** p, 2, 700 + 150 * p),
            focal35_mm=40 + 10 * p,
            expression=draw_expression(model, rng),
            **kw,
        )
        for p in range(count)
    ]


def test_a_person_is_found_and_more_photos_find_more(model, people):
    errors = {0: [], 1: [], 3: []}
    for i, z in enumerate(people):
        errors[0].append(region_error(model, np.zeros_like(z), z))
        seen = [view.observation for view in views(model, z, 3, seed=i)]
        for count in (1, 3):
            posterior = fit(seen[:count], model, OPTIONS)
            assert posterior.status == "converged", posterior.reason
            assert [photo.status for photo in posterior.photos] == ["ok"] * count
            assert posterior.photos[0].reprojection_percent < 2
            errors[count].append(region_error(model, posterior.identity, z))
    mean, one, three = (float(np.mean(errors[count])) for count in (0, 1, 3))
    assert 0.1 * mean < one < 0.6 * mean
    assert 0.1 * mean < three < 0.9 * one


def test_pose_camera_gaze_and_expression_are_found(model, people):
    rng = np.random.default_rng(5)
    expression = np.zeros(52)
    expression[[model.expression_names.index("jawOpen"), model.expression_names.index("mouthPucker")]] = 0.5, 0.4
    gaze = np.radians([[-12.0, 14.0], [-12.0, 14.0]])
    seen = see(
        model, people[0], rng=rng, place=pose(18, -6, 5, 600), expression=expression, gaze=gaze, focal_known=True
    )
    photo = fit([seen.observation], model, OPTIONS).photos[0]
    turn = photo.camera_from_head.rotation @ seen.camera_from_head.rotation.T
    assert np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))) < 3
    assert photo.camera.focal_px == pytest.approx(seen.camera.focal_px, rel=0.06)
    assert photo.distance_mm == pytest.approx(600, rel=0.12)
    up, aside = np.degrees(photo.joint_rotvecs[-2:, :2]).T
    np.testing.assert_allclose(aside, 14, atol=5)
    assert -14 < up.mean() < -3  # the lids give less way to a look up than to one aside: it comes out short
    assert photo.expression[model.expression_names.index("jawOpen")] == pytest.approx(0.5, abs=0.15)
    assert 0 <= photo.expression.min() <= photo.expression.max() <= 1
    assert np.linalg.norm(photo.points_px - seen.observation.points[0].position, axis=1).mean() < 12
    assert photo.inlier.shape == (478,)
    assert 0 <= photo.inlier.min() <= photo.inlier.max() <= 1


def test_a_known_focal_length_is_kept_and_an_unknown_one_is_unsure(model, people):
    known, unknown = (
        fit([see(model, people[1], rng=np.random.default_rng(1), focal_known=k).observation], model, OPTIONS).photos[0]
        for k in (True, False)
    )
    assert known.focal_sigma < 0.035
    assert known.camera.focal35_mm == pytest.approx(50, rel=0.08)
    assert unknown.focal_sigma > 2 * known.focal_sigma


def test_size_cues_act_and_are_named(model, people):
    observation = see(model, people[2], rng=np.random.default_rng(2), iris_mm=11.7).observation
    found = {}
    alone = fit([observation], model, OPTIONS, Cues(iris_mm=None))
    unaided = model.measure(model.vertices(model.code(identity=alone.identity)))["interpupillary distance"]
    for name, cues in (
        ("none", Cues(iris_mm=None)),
        ("iris", Cues()),
        ("small", Cues(iris_mm=None, ipd_mm=unaided - 3, ipd_sigma_mm=0.3)),
        ("large", Cues(iris_mm=None, ipd_mm=unaided + 3, ipd_sigma_mm=0.3)),
        ("child", Cues(iris_mm=None, age_years=4)),
        ("man", Cues(iris_mm=None, age_years=40, sex="male")),
    ):
        posterior = fit([observation], model, OPTIONS, cues)
        found[name] = {cue.name: cue for cue in posterior.cues}
    assert list(found["none"]) == ["identity prior"]
    assert found["iris"]["iris diameter"].fitted == pytest.approx(11.7, abs=1.0)
    assert found["small"]["ipd"].fitted == pytest.approx(unaided - 3, abs=1)
    assert found["large"]["ipd"].fitted == pytest.approx(unaided + 3, abs=1)
    child, man = (next(iter(found[k].values())) for k in ("child", "man"))
    assert "age" in child.name
    assert child.fitted < man.fitted - 1  # of a grown person with eyes close together
    assert child.value < man.value - 5


def test_a_photo_of_somebody_else_is_named(model, people):
    own = [view.observation for view in views(model, people[3], 3, seed=7)]
    stranger = see(model, people[4], rng=np.random.default_rng(8), place=pose(-10)).observation
    together = fit([*own[:2], stranger, own[2]], model, OPTIONS)
    assert [photo.status for photo in together.photos] == ["ok", "ok", "disagrees", "ok"]
    assert "does not go with the others" in together.photos[2].reason
    two = fit([own[0], stranger], model, OPTIONS)
    assert [photo.status for photo in two.photos] == ["disagrees", "disagrees"]


def test_the_order_of_photos_does_not_matter_and_runs_repeat(model, people):
    seen = [view.observation for view in views(model, people[5], 3, seed=9)]
    first, again, turned = (fit(s, model, OPTIONS) for s in (seen, seen, seen[::-1]))
    assert first.identity.tobytes() == again.identity.tobytes()
    assert first.identity_sqrt_precision.tobytes() == again.identity_sqrt_precision.tobytes()
    np.testing.assert_allclose(turned.identity, first.identity, atol=0.05)


@pytest.mark.parametrize(("set_name", "yaw"), [("now7", 0), ("now7", 30), ("ibug68", 0), ("ibug68", 60)])
def test_few_points_and_turned_heads_converge(model, people, set_name, yaw):
    observation = see(model, people[0], rng=np.random.default_rng(3), set_name=set_name, place=pose(yaw)).observation
    posterior = fit([observation], model, OPTIONS)
    assert posterior.status == "converged", posterior.reason
    rotation = posterior.photos[0].camera_from_head.rotation
    found = np.degrees(np.arctan2(rotation[0, 2], -rotation[2, 2]))
    assert found == pytest.approx(yaw, abs=12 if set_name == "now7" else 6)
    assert np.abs(posterior.identity).max() < 4


def test_half_of_a_profile_is_enough(model, people):
    """A head turned by 75 degrees whose far side is hidden."""
    seen = see(model, people[1], rng=np.random.default_rng(4), place=pose(75)).observation
    points = seen.points[0]
    toward = model.points(None, "mediapipe478")[:, 0] < 10
    observation = replace(seen, points=(replace(points, visible=toward),))
    posterior = fit([observation], model, OPTIONS)
    assert posterior.status == "converged", posterior.reason
    assert posterior.photos[0].reprojection_percent < 2.5
    assert (posterior.photos[0].inlier[~toward] == 0).all()
    assert region_error(model, posterior.identity, people[1]) < region_error(model, np.zeros_like(people[1]), people[1])


def test_fewer_modes_leave_the_rest_at_their_prior(model, people):
    observation = see(model, people[2], rng=np.random.default_rng(6), set_name="ibug68").observation
    posterior = fit([observation], model, replace(OPTIONS, modes=10))
    assert (posterior.identity[10:] == 0).all()
    np.testing.assert_array_equal(posterior.identity_sqrt_precision[10:, 10:], np.eye(model.identity_count - 10))


def test_what_cannot_be_fitted_says_why(model, people):
    good = see(model, people[0], rng=np.random.default_rng(0)).observation
    points = good.points[0]
    with pytest.raises(InputError, match="at least one"):
        fit([], model)
    with pytest.raises(NoHeadError, match="at least 4"):
        fit([replace(good, points=(replace(points, visible=np.arange(478) < 3),))], model)
    with pytest.raises(NoHeadError, match="one spot"):
        fit([replace(good, points=(replace(points, position=np.full((478, 2), 7.0)),))], model)
    with pytest.raises(InputError, match="unknown"):
        fit([replace(good, points=(replace(points, set_name="nobody"),))], model)
    with pytest.raises(InputError, match="478"):
        fit([replace(good, points=(replace(points, set_name="ibug68"),))], model)
    with pytest.raises(InputError, match="age"):
        fit([good], model, cues=Cues(age_years=200))
    with pytest.raises(InputError, match="ipd_mm"):
        Cues(ipd_mm=6.3)
    with pytest.raises(InputError, match="robust_nu"):
        FitOptions(robust_nu=-1)
    with pytest.raises(InputError, match="modes"):
        FitOptions(modes=0)


def test_noise_that_fits_nothing_is_poor_or_far_from_a_person(model, people):
    rng = np.random.default_rng(12)
    good = see(model, people[0], rng=rng).observation
    points = replace(good.points[0], position=rng.uniform(200, 800, (478, 2)))
    posterior = fit([replace(good, points=(points,))], model, OPTIONS)
    assert posterior.photos[0].status == "poor"
    assert "outer eye distance" in posterior.photos[0].reason


def test_the_rest_of_the_modes_follows_the_prior(model):
    from cephalon.fit.estimate import _completed
    from cephalon.fit.problem import build_problem

    observation = see(model, np.zeros(model.identity_count), rng=np.random.default_rng(0)).observation
    problem = build_problem([observation], model, OPTIONS, Cues(iris_mm=None, age_years=6))
    leading = np.random.default_rng(1).standard_normal(20)
    whole = _completed(problem, leading)
    np.testing.assert_array_equal(whole[:20], leading)
    covariance = problem.prior_factor @ problem.prior_factor.T
    weights = np.linalg.solve(covariance[:20, :20], leading - problem.prior_mean[:20])
    np.testing.assert_allclose(whole[20:], problem.prior_mean[20:] + covariance[20:, :20] @ weights, atol=1e-9)
