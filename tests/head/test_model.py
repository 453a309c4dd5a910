"""The head model as a value: evaluation, posing, sampling, and refusal of what is no asset."""

import io

import numpy as np
import pytest

from cephalon import InputError
from cephalon.geometry import rotation_from_rotvec
from cephalon.head import HeadCode, HeadModel


def test_it_is_linear(model):
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((2, model.identity_count))
    sum_of_moves = model.vertices(HeadCode(identity=a)) + model.vertices(HeadCode(identity=b)) - model.mean
    np.testing.assert_allclose(model.vertices(HeadCode(identity=a + b)), sum_of_moves, atol=1e-3)
    plain = model.mean + np.tensordot(a, model.identity_basis.astype(float), axes=1)
    np.testing.assert_allclose(model.vertices(HeadCode(identity=a)), plain, atol=1e-3)


def test_expression_adds_its_shape(model):
    code = model.code(expression={"jawOpen": 0.5})
    shape = model.expression_basis[model.expression_names.index("jawOpen")]
    np.testing.assert_allclose(model.vertices(code, linear=True) - model.mean, 0.5 * shape, atol=1e-4)


def test_posing_is_plain_linear_blend_skinning(model):
    rng = np.random.default_rng(2)
    identity, rotvecs = (
        rng.standard_normal(model.identity_count),
        0.3 * rng.standard_normal((len(model.joint_names), 3)),
    )
    rotvecs[[model.joint_names.index(name) for name in ("left_eye", "right_eye")]] = 0.0  # these move the lids too
    neutral = model.vertices(HeadCode(identity=identity))
    positions = model.joints(neutral)
    found = model.vertices(HeadCode(identity=identity, joint_rotvecs=rotvecs))
    world = []
    for j, parent in enumerate(model.joint_parents):
        own = np.eye(4)
        own[:3, :3] = rotation_from_rotvec(rotvecs[j])
        own[:3, 3] = positions[j] - own[:3, :3] @ positions[j]
        world.append(own if parent < 0 else world[parent] @ own)
    homogeneous = np.concatenate([neutral, np.ones((len(neutral), 1))], axis=1)
    expected = sum(
        w[:, None] * (homogeneous @ matrix.T)[:, :3] for w, matrix in zip(model.skinning_weights.T, world, strict=True)
    )
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_rest_and_pose_together_are_the_two_alone(model):
    rng = np.random.default_rng(4)
    identity = rng.standard_normal(model.identity_count)
    expression, rotvecs = rng.uniform(0, 0.5, 52), 0.2 * rng.standard_normal((len(model.joint_names), 3))
    at_rest = model.vertices(HeadCode(identity=identity))
    for code in (
        HeadCode(identity=identity, expression=expression, joint_rotvecs=rotvecs),
        HeadCode(identity=identity[:7]),
        HeadCode(identity=identity),
    ):
        neutral, posed = model.neutral_and_posed(code)
        np.testing.assert_array_equal(neutral, model.vertices(HeadCode(identity=code.identity)))
        np.testing.assert_array_equal(posed, model.vertices(code))
        posed += 1.0  # never the same array
        np.testing.assert_array_equal(neutral, model.vertices(HeadCode(identity=code.identity)))
    assert np.abs(model.vertices(HeadCode(identity=identity[:7])) - at_rest).max() > 1


def test_eyes_turn_about_their_centre_and_only_their_lids_follow(model):
    turned = model.vertices(model.code(joints={"left_eye": [0.0, 0.4, 0.0]}))
    moved = np.linalg.norm(turned - model.mean, axis=1)
    eye = np.zeros(len(moved), dtype=bool)
    eye[model.parts["left_eye"].vertices] = True
    centre = model.joints()[model.joint_names.index("left_eye")]
    beside = np.linalg.norm(model.mean - centre, axis=1) < 35
    assert moved[eye].max() > 3
    assert not (moved[~eye & ~beside] > 1e-3).any()
    assert moved[~eye].max() < 3
    before, after = (np.linalg.norm(v[eye] - centre, axis=1) for v in (model.mean, turned))
    np.testing.assert_allclose(before, after, atol=1e-3)


def test_the_collar_stays_when_the_head_turns(model):
    from cephalon.geometry import boundary_loops

    skin = model.polygons[model.parts["skin"].polygons]
    collar = np.unique(np.concatenate(boundary_loops(skin)))
    turned = model.vertices(model.code(joints={"head": [0.0, 0.5, 0.0]}))
    assert np.abs(turned[collar] - model.mean[collar]).max() < 0.5
    nose = model.point_set("now7").positions(turned, model.faces)[4] - model.points(None, "now7")[4]
    assert nose[0] > 30  # a turn about +y takes the nose to the person's left


def test_samples_follow_what_is_known(model):
    drawn = np.array([model.sample(rng=np.random.default_rng(i), age=40, sex="male").identity for i in range(200)])
    mean, factor = model.link.condition(age=40, sex="male")
    np.testing.assert_allclose(drawn.mean(0), mean, atol=5 / np.sqrt(200))
    assert np.linalg.norm(factor) < np.sqrt(model.identity_count) + 1e-6
    men, women = (
        model.measure(model.vertices(HeadCode(identity=model.link.condition(age=40, sex=sex)[0])))
        for sex in ("male", "female")
    )
    assert men["head breadth"] > women["head breadth"] + 2
    assert men["menton-sellion length"] > women["menton-sellion length"] + 4
    same = [model.sample(rng=np.random.default_rng(5)).identity for _ in range(2)]
    np.testing.assert_array_equal(*same)


def test_log_prior_is_the_standard_normal(model):
    from scipy.stats import norm

    z = np.random.default_rng(3).standard_normal(model.identity_count)
    assert model.log_prior(HeadCode(identity=z)) == pytest.approx(norm.logpdf(z).sum())


def test_unknown_names_are_refused(model):
    with pytest.raises(InputError, match="expression 'smile'"):
        model.code(expression={"smile": 1.0})
    with pytest.raises(InputError, match="joint"):
        model.code(joints={"elbow": [0, 0, 0]})
    with pytest.raises(InputError, match="point set"):
        model.points(None, "ibug49")
    with pytest.raises(InputError, match="modes"):
        model.vertices(HeadCode(identity=np.zeros(model.identity_count + 1)))


def test_assets_that_are_none(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        HeadModel.load(tmp_path / "nothing.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(InputError, match="not a readable head model"):
        HeadModel.load(tmp_path / "text.npz")
    buffer = io.BytesIO()
    np.savez(buffer, meta_json=np.frombuffer(b'{"format_version": 99}', dtype=np.uint8))
    (tmp_path / "new.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="format 99"):
        HeadModel.load(tmp_path / "new.npz")
    buffer = io.BytesIO()
    np.savez(buffer, meta_json=np.frombuffer(b'{"format_version": 1}', dtype=np.uint8))
    (tmp_path / "poor.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="damaged"):
        HeadModel.load(tmp_path / "poor.npz")
    (tmp_path / "objects.npz").write_bytes(_object_array())
    with pytest.raises(InputError):
        HeadModel.load(tmp_path / "objects.npz")


def _object_array() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, meta_json=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()
