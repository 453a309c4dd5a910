"""The signs of docs/conventions.md, one by one."""

import numpy as np

from cephalon.geometry import Camera, Rigid, rotation_from_rotvec

FACING = np.diag([1.0, -1.0, -1.0])


def project(points, yaw=0.0, pitch=0.0, roll=0.0):
    camera = Camera(width=200, height=100, focal_px=300.0, principal_point=np.array([100.0, 50.0]))
    turn = (
        rotation_from_rotvec(np.array([0.0, yaw, 0.0]))
        @ rotation_from_rotvec(np.array([pitch, 0.0, 0.0]))
        @ rotation_from_rotvec(np.array([0.0, 0.0, roll]))
    )
    pose = Rigid(rotation=FACING @ turn, translation=np.array([0.0, 0.0, 600.0]))
    return camera.project(pose.apply(np.atleast_2d(points).astype(float)))[0]


def test_the_origin_lands_on_the_principal_point():
    np.testing.assert_allclose(project([0, 0, 0]), [100, 50])


def test_left_of_the_person_is_right_in_the_picture_and_up_is_up():
    assert project([10, 0, 0])[0] > 100
    assert project([0, 10, 0])[1] < 50


def test_positive_yaw_moves_the_nose_to_the_right_of_the_picture():
    assert project([0, 0, 100], yaw=0.3)[0] > 100


def test_positive_pitch_looks_down():
    assert project([0, 0, 100], pitch=0.3)[1] > 50


def test_positive_roll_tilts_the_crown_to_the_persons_right():
    # a right-handed turn about +z takes +y (up) towards -x (the person's right)
    assert project([0, 100, 0], roll=0.3)[0] < 100


def test_focal35_is_taken_over_the_diagonal():
    wide = Camera.from_focal35(3600, 2400, 50.0)
    tall = Camera.from_focal35(2400, 3600, 50.0)
    assert np.isclose(wide.focal_px, 5000.0)
    assert np.isclose(tall.focal_px, 5000.0)
