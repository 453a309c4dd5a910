"""The canonical face and the rough pose."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.observe.canonical import canonical_face, face_pose

from .faces import projected


def test_mirror_table():
    face = canonical_face()
    np.testing.assert_array_equal(face.mirror[face.mirror], np.arange(478))
    np.testing.assert_allclose(face.positions[face.mirror[:468]], face.positions * [-1, 1, 1], atol=1e-9)
    assert (face.mirror[468], face.mirror[473]) == (473, 468)


def test_regions_share_out_all_points():
    face = canonical_face()
    members = np.concatenate(list(face.regions.values()))
    np.testing.assert_array_equal(np.sort(members), np.arange(478))
    for members in face.regions.values():
        np.testing.assert_array_equal(np.sort(face.mirror[members]), members)


def test_right_and_left_are_the_persons():
    face = canonical_face()
    assert face.positions[33, 0] < 0 < face.positions[263, 0]
    assert face.outer_eye_distance == pytest.approx(8.892, abs=1e-3)
    assert np.argmax(face.positions[:, 2]) == 4


def test_ibug68_lies_where_it_should():
    face = canonical_face()
    points = face.positions[face.ibug68]
    assert len(set(face.ibug68)) == 68
    # Its own mirror order: jaw 0..16 reversed, outer eye corners 36 and 45, mouth corners 48 and 54.
    for a, b in ((0, 16), (8, 8), (17, 26), (31, 35), (36, 45), (39, 42), (48, 54), (60, 64), (51, 51), (57, 57)):
        np.testing.assert_allclose(points[a], points[b] * [-1, 1, 1], atol=1e-6)
    assert points[8, 1] < points[57, 1] < points[30, 1] < points[27, 1] < points[19, 1]


@pytest.mark.parametrize("set_name", ["mediapipe478", "ibug68"])
@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (35, 0, 0), (-60, 10, 5), (10, -30, 0), (0, 25, 93), (20, 5, 178)]
)
def test_pose_of_a_projected_face(set_name, yaw, pitch, roll):
    points = projected(137.0, yaw, pitch, roll)
    if set_name == "ibug68":
        points = points[canonical_face().ibug68]
    pose = face_pose(points, set_name)
    found = (pose.size_px, pose.yaw_deg, pose.pitch_deg, pose.roll_deg)
    np.testing.assert_allclose(found, (137.0, yaw, pitch, roll), atol=1e-6)
    assert pose.residual < 1e-6


def test_pose_is_robust_to_noise():
    rng = np.random.default_rng(3)
    pose = face_pose(projected(100.0, 30.0, -10.0, 4.0) + rng.normal(0, 2.0, (478, 2)))
    np.testing.assert_allclose((pose.size_px, pose.yaw_deg, pose.pitch_deg), (100, 30, -10), atol=1.5)
    assert 0.02 < pose.residual < 0.04


def test_points_that_are_no_face_have_a_large_residual():
    rng = np.random.default_rng(3)
    assert face_pose(rng.uniform(0, 500, (478, 2))).residual > 1


def test_all_points_in_one_place():
    pose = face_pose(np.full((478, 2), 7.0))
    assert np.isfinite([pose.size_px, pose.yaw_deg, pose.roll_deg]).all()


def test_unknown_set():
    with pytest.raises(InputError, match="no rough pose"):
        face_pose(np.zeros((7, 2)), "now7")
