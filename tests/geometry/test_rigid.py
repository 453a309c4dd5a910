"""Group laws and derivatives of rotations and rigid motions."""

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import (
    Rigid,
    left_jacobian_so3,
    rotation_from_rotvec,
    rotation_jacobian,
    rotvec_from_rotation,
    skew,
)
from tests.reference.geometry import central_difference, exponential

ANGLES = [0.0, 1e-12, 1e-7, 1e-4, 0.0099, 0.0101, 0.5, 1.5, 3.0, np.pi - 1e-7, np.pi]


def axes() -> np.ndarray:
    random = np.random.default_rng(1).normal(size=(6, 3))
    return np.concatenate([np.eye(3), -np.eye(3), random / np.linalg.norm(random, axis=1, keepdims=True)])


def motion(seed: int) -> Rigid:
    rng = np.random.default_rng(seed)
    return Rigid.from_rotvec(rng.normal(size=3), rng.normal(size=3) * 100)


def test_skew_is_the_cross_product() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose(np.einsum("nij,nj->ni", skew(a), b), np.cross(a, b), atol=1e-15)


@pytest.mark.parametrize("angle", [*ANGLES, 4.0, 7.0])
def test_rotation_is_the_matrix_exponential(angle: float) -> None:
    for axis in axes():
        rotation = rotation_from_rotvec(axis * angle)
        np.testing.assert_allclose(rotation, exponential(skew(axis * angle)), atol=1e-13)
        np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-14)


def test_quarter_turn_is_right_handed() -> None:
    np.testing.assert_allclose(rotation_from_rotvec([0, 0, np.pi / 2]) @ [1, 0, 0], [0, 1, 0], atol=1e-15)


@pytest.mark.parametrize("angle", ANGLES)
def test_rotvec_inverts_rotation(angle: float) -> None:
    rotvecs = axes() * angle
    back = rotvec_from_rotation(rotation_from_rotvec(rotvecs))
    if angle == np.pi:  # either sign of the axis is the same half turn
        back *= np.sign(np.sum(back * rotvecs, axis=1, keepdims=True))
    np.testing.assert_allclose(back, rotvecs, atol=1e-9)


def test_long_rotvec_comes_back_as_the_shortest_turn() -> None:
    back = rotvec_from_rotation(rotation_from_rotvec([0, 0, 2 * np.pi - 0.25]))
    np.testing.assert_allclose(back, [0, 0, -0.25], atol=1e-12)


@pytest.mark.parametrize("angle", [0.0, 1e-7, 0.0099, 0.0101, 0.7, 3.0, np.pi])
def test_rotation_jacobian_meets_central_differences(angle: float) -> None:
    for axis in axes():
        numeric = central_difference(rotation_from_rotvec, axis * angle)
        np.testing.assert_allclose(rotation_jacobian(axis * angle), numeric, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 0.0099, 0.0101, 1.0, 3.0])
def test_left_jacobian_by_its_definition(angle: float) -> None:
    for axis in axes():
        w = axis * angle
        back = rotation_from_rotvec(w).T
        numeric = central_difference(lambda v, back=back: rotvec_from_rotation(rotation_from_rotvec(v) @ back), w)
        np.testing.assert_allclose(left_jacobian_so3(w), numeric, atol=1e-8)


def test_batches_have_the_documented_shapes() -> None:
    w = np.random.default_rng(0).normal(size=(2, 4, 3))
    assert skew(w).shape == rotation_from_rotvec(w).shape == left_jacobian_so3(w).shape == (2, 4, 3, 3)
    assert rotvec_from_rotation(rotation_from_rotvec(w)).shape == (2, 4, 3)
    assert rotation_jacobian(w).shape == (2, 4, 3, 3, 3)
    np.testing.assert_allclose(rotation_jacobian(w)[1, 2], rotation_jacobian(w[1, 2]), atol=1e-15)


def test_rigid_group_laws() -> None:
    a, b, c = motion(1), motion(2), motion(3)
    points = np.random.default_rng(4).normal(size=(2, 7, 3)) * 100
    np.testing.assert_allclose((a @ b).apply(points), a.apply(b.apply(points)), atol=1e-10)
    np.testing.assert_allclose(((a @ b) @ c).matrix(), (a @ (b @ c)).matrix(), atol=1e-10)
    np.testing.assert_allclose((a.inverse() @ a).matrix(), np.eye(4), atol=1e-12)
    np.testing.assert_allclose(a.inverse().apply(a.apply(points)), points, atol=1e-11)
    np.testing.assert_allclose((Rigid.identity() @ a).matrix(), a.matrix(), atol=0)
    np.testing.assert_allclose((a @ b).matrix(), a.matrix() @ b.matrix(), atol=1e-10)


def test_distances_survive_a_motion() -> None:
    points = np.random.default_rng(4).normal(size=(9, 3))
    moved = motion(5).apply(points)
    np.testing.assert_allclose(
        np.linalg.norm(moved[1:] - moved[:-1], axis=1), np.linalg.norm(points[1:] - points[:-1], axis=1), rtol=1e-12
    )


def test_solver_step_is_a_left_update_and_does_not_drift() -> None:
    a, w, t = motion(1), np.array([0.1, -0.2, 0.05]), np.array([1.0, 2.0, 3.0])
    stepped = a.updated(w, t)
    np.testing.assert_allclose(stepped.rotation, rotation_from_rotvec(w) @ a.rotation, atol=1e-14)
    np.testing.assert_allclose(stepped.translation, a.translation + t, atol=0)
    for _ in range(2000):
        stepped = stepped.updated(w, t)
    np.testing.assert_allclose(stepped.rotation.T @ stepped.rotation, np.eye(3), atol=1e-14)


@pytest.mark.parametrize(
    ("rotation", "translation", "message"),
    [
        (np.eye(2), np.zeros(3), r"expected shape \(3, 3\)"),
        (np.eye(3) * 1.1, np.zeros(3), "orthonormal"),
        (np.diag([1.0, 1.0, -1.0]), np.zeros(3), "reflection"),
        (np.full((3, 3), np.nan), np.zeros(3), "finite"),
        (np.eye(3), np.zeros(2), r"expected shape \(3\)"),
    ],
)
def test_rigid_refuses_what_is_no_motion(rotation: np.ndarray, translation: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Rigid(rotation=rotation, translation=translation)


def test_rigid_keeps_its_own_read_only_copy() -> None:
    rotation = np.eye(3)
    value = Rigid(rotation=rotation, translation=np.zeros(3))
    rotation[0, 0] = 5
    assert value.rotation[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        value.rotation[0, 0] = 5
