"""What the points of one photo have in common: from the table to the observation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.observe.canonical import canonical_face
from cephalon.observe.landmark_noise import default_noise, mediapipe_noise, roll_matrix, rotate
from cephalon.values import PointObservation


@pytest.mark.parametrize("yaw_deg", [-75.0, -33.0, 0.0, 20.0, 60.0])
def test_common_errors_are_a_part_of_the_covariance(yaw_deg: float) -> None:
    noise = mediapipe_noise()
    covariance, _, _ = noise.at(yaw_deg)
    common = noise.common(yaw_deg)
    assert common is not None
    assert common.shape[:2] == (478, 2)
    shared = common @ common.transpose(0, 2, 1)
    assert (np.linalg.eigvalsh(covariance - shared) > 0).all()
    share = np.trace(shared, axis1=1, axis2=2).sum() / np.trace(covariance, axis1=1, axis2=2).sum()
    assert 0.3 < share < 0.7


def test_common_errors_of_a_mirrored_face_are_mirrored() -> None:
    noise, mirror = mediapipe_noise(), canonical_face().mirror
    right, left = noise.common(30.0), noise.common(-30.0)
    assert right is not None
    assert left is not None
    np.testing.assert_allclose(left[mirror] * np.array([[-1.0], [1.0]]), right, atol=1e-12)


def test_neighbours_err_together() -> None:
    common = mediapipe_noise().common(0.0)
    assert common is not None
    flat = common / np.linalg.norm(common, axis=2, keepdims=True)

    def likeness(a: int, b: int) -> float:
        return float((flat[a] * flat[b]).sum(axis=1).mean())

    # neighbours on the cheek, on the upper lip; cheek and brow of the other side
    assert likeness(205, 50) > 0.5
    assert likeness(0, 37) > 0.5
    assert abs(likeness(205, 334)) < 0.4


def test_without_modes_nothing_is_common() -> None:
    assert default_noise().common(10.0) is None


def test_modes_that_explain_everything_are_refused() -> None:
    noise = default_noise()
    modes = np.ones((len(noise.yaw_deg), 478, 2, 1))
    with pytest.raises(InputError, match="less than all variance"):
        replace(noise, modes=modes)


def test_an_observation_takes_only_less_than_its_covariance() -> None:
    covariance, zero = np.tile(np.eye(2), (3, 1, 1)), np.zeros((3, 2))
    seen = np.ones(3, dtype=bool)

    def observation(size: float) -> PointObservation:
        common = np.full((3, 2, 1), size)
        return PointObservation(set_name="any", position=zero, covariance=covariance, visible=seen, common=common)

    assert observation(0.5).common is not None
    with pytest.raises(InputError, match="common"):
        observation(1.0)


def test_roll_turns_common_errors_as_it_turns_covariances() -> None:
    covariance, _, _ = mediapipe_noise().at(20.0)
    common = mediapipe_noise().common(20.0)
    assert common is not None
    turned = roll_matrix(25.0) @ common
    expected, _ = rotate(common @ common.transpose(0, 2, 1), np.zeros((478, 2)), 25.0)
    np.testing.assert_allclose(turned @ turned.transpose(0, 2, 1), expected, atol=1e-12)
    assert covariance.shape == (478, 2, 2)
