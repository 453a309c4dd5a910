"""What an expression does beyond its shapes stays out of the neutral head."""

from dataclasses import replace

import numpy as np

from cephalon.fit import Cues, FitOptions, fit
from cephalon.fit.estimate import _poses, _start
from cephalon.fit.points import point_model, responding_model, smooth_modes
from cephalon.fit.problem import build_problem
from cephalon.values import ExpressionObservation, ShapeResponse
from tests.fit.synthetic import pose, region_error, see

EXACT = FitOptions(residual_scale=0.0, expression_residual=0.0, claim_tempering=1.0, between_photos=0.0)


def smile_of(model):
    amounts = {"mouthSmile": 0.8, "mouthUpperUp": 0.4, "cheekSquint": 0.4}
    return np.array(
        [next((v for k, v in amounts.items() if name.startswith(k)), 0.0) for name in model.expression_names]
    )


def own_smile(model, identity, rng):
    """A smile that deviates from its shapes by a third of its way, neighbouring points alike; read, with some error."""
    smile, place = smile_of(model), pose(8, 2, 0, 900)
    seen = see(model, identity, rng=rng, place=place, expression=smile, focal_known=True)
    rest = model.points(model.code(identity=identity), "mediapipe478")
    posed = model.points(model.code(identity=identity, expression=smile), "mediapipe478")
    modes = smooth_modes(model, "mediapipe478", 15.0)
    way = np.linalg.norm(posed - rest, axis=1)[:, None]
    other = posed + 0.33 * way * (modes @ rng.standard_normal((modes.shape[1], 3)))
    (points,) = seen.observation.points
    moved = seen.camera.project(place.apply(other)) - seen.camera.project(place.apply(posed))
    read = np.clip(smile + 0.1 * rng.standard_normal(len(smile)), 0, 1)
    expression = ExpressionObservation(mean=read, sigma=np.full(len(read), 0.15))
    return replace(seen.observation, points=(replace(points, position=points.position + moved),), expression=expression)


def test_a_smile_of_ones_own_is_no_identity(model):
    rng = np.random.default_rng(21)
    errors = {0.0: [], 0.5: []}
    for _ in range(5):
        identity = rng.standard_normal(model.identity_count)
        observation = own_smile(model, identity, rng)
        for share, found in errors.items():
            posterior = fit([observation], model, replace(EXACT, expression_residual=share), Cues(iris_mm=None))
            assert posterior.status == "converged"
            found.append(region_error(model, posterior.identity, identity))
    assert np.mean(errors[0.5]) < 0.9 * np.mean(errors[0.0])


def test_the_noise_grows_with_what_the_expression_moves(model):
    observation = see(model, np.zeros(model.identity_count), rng=np.random.default_rng(1)).observation
    problem = build_problem([observation], model, replace(EXACT, expression_residual=0.4), Cues(iris_mm=None))
    state = _start(problem, (_poses(problem, observation, 0, EXACT)[0],))
    (factor,) = problem.landmarks[0]

    def covariance(expression):
        photo = replace(state.photos[0], expression=expression)
        root = np.linalg.inv(factor.held(replace(state, photos=(photo,)), 0.0).whitening)
        return root @ root

    smile = smile_of(model)
    more = covariance(smile) - covariance(np.zeros(len(smile)))
    way = np.linalg.norm(factor.points.basis[:, :, factor.points.modes :] @ smile, axis=1)
    across = np.linalg.norm(more, axis=(1, 2))
    assert np.corrcoef(across, way**2)[0, 1] > 0.99
    px_per_mm = np.exp(state.photos[0].place[2])
    # both axes of the picture: 0.4 of the way each, where the surface's direction does not matter
    most = way.argmax()
    np.testing.assert_allclose(np.sqrt(np.linalg.eigvalsh(more[most])), 0.4 * way[most] * px_per_mm, rtol=0.1)


def test_a_habit_of_heads_leaves_expressions_alone(model):
    points = point_model(model, "mediapipe478")
    rng = np.random.default_rng(2)
    response = ShapeResponse(probe=rng.standard_normal((3, 478, 3)), shift=rng.standard_normal((478, 3, 3)))
    seen = responding_model(model, "mediapipe478", None, response)
    k = points.modes
    np.testing.assert_array_equal(seen.basis[:, :, k:], points.basis[:, :, k:])
    np.testing.assert_allclose(seen.basis[:, :, :k] - points.basis[:, :, :k], response.of(points.basis[:, :, :k]))
    assert responding_model(model, "mediapipe478", None, response) is seen
    assert responding_model(model, "mediapipe478", None, None) is point_model(model, "mediapipe478", None)
