"""The search for faces, with a detector whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.observe.face_search import MOST_CROPS, find_faces, measure_face
from cephalon.observe.landmarker import RawFace
from cephalon.observe.views import View

from .faces import Tagged, TrueDetector, projected, render_tagged

RGB = Tagged.of(500, 600, np.eye(3))
MOST_DOUBT = 0.045


@pytest.fixture(autouse=True)
def no_pixels(monkeypatch):
    monkeypatch.setattr(View, "render", render_tagged)


def search(detector, crops=4):
    return find_faces(RGB, detector, crops=crops, most_doubt=MOST_DOUBT)


def assert_at(face, points, tolerance=1e-6):
    assert np.abs(face.points - points).max() < tolerance


@pytest.mark.parametrize("pose", [{}, {"yaw": 40.0}, {"yaw": -25.0, "pitch": 10.0, "roll": 20.0}, {"roll": 95.0}])
def test_a_plain_face_takes_one_look_and_its_crops(pose):
    points = projected(80.0, **pose)
    detector = TrueDetector([points])
    (face,) = search(detector)
    assert_at(face, points)
    assert detector.calls == 1 + 4
    assert face.crops_found == 1
    assert face.inconsistency < 0.01
    assert face.pose.size_px == pytest.approx(80, rel=0.01)


@pytest.mark.parametrize("crops", [1, 2, MOST_CROPS])
def test_mirrored_crops_are_mirrored_back(crops):
    detector = TrueDetector([projected(80.0, yaw=15.0)])
    (face,) = search(detector, crops)
    assert_at(face, detector.faces[0])
    assert face.scores["mouthSmileLeft"] == pytest.approx(0.8)
    assert face.scores["mouthSmileRight"] == pytest.approx(0.2)
    assert face.scores["jawOpen"] == pytest.approx(0.3)


def test_averaging_lowers_the_noise_and_the_spread_tells_it():
    points = projected(90.0)
    errors, spreads = {}, []
    for crops in (1, MOST_CROPS):
        found = [
            measure_face(RGB, TrueDetector([points], noise_px=1.5, seed=s), points, crops=crops) for s in range(12)
        ]
        errors[crops] = np.sqrt(np.mean([(face.points - points) ** 2 for face in found if face is not None]))
        spreads += [np.trace(f.spread, axis1=1, axis2=2).mean() / 2 for f in found if f is not None and crops > 1]
    assert errors[1] == pytest.approx(1.5, rel=0.2)
    assert errors[MOST_CROPS] == pytest.approx(1.5 / np.sqrt(MOST_CROPS), rel=0.25)
    assert np.sqrt(np.mean(spreads)) == pytest.approx(1.5, rel=0.15)


def test_a_small_face_is_found_in_a_tile():
    detector = TrueDetector([projected(18.0, centre=(420.0, 330.0))], least_share=0.1)
    (face,) = search(detector)
    assert_at(face, detector.faces[0])
    assert detector.calls > 5


def test_a_tiny_face_is_found_in_the_smallest_tiles():
    detector = TrueDetector([projected(9.0, centre=(500.0, 100.0))], least_share=0.1)
    (face,) = search(detector)
    assert_at(face, detector.faces[0])


@pytest.mark.parametrize("roll", [90.0, -90.0, 180.0, 50.0])
def test_a_turned_face_is_found(roll):
    detector = TrueDetector([projected(70.0, roll=roll)], most_roll_deg=35.0)
    (face,) = search(detector)
    assert_at(face, detector.faces[0])
    assert abs((face.pose.roll_deg - roll + 180) % 360 - 180) < 1


def test_an_upright_face_imagined_on_one_that_stands_on_its_head_is_corrected():
    truth = projected(70.0, roll=180.0)

    class Imagines(TrueDetector):
        def __call__(self, view_rgb):
            found = super().__call__(view_rgb)
            if found:
                return found
            self.faces, kept = [projected(70.0) + self.rng.normal(0, 3.0, 2)], self.faces
            wrong = super().__call__(view_rgb)
            self.faces = kept
            noisy = [one.points + self.rng.normal(0, 0.025 * np.ptp(one.points), one.points.shape) for one in wrong]
            return [RawFace(points=points, scores=one.scores) for points, one in zip(noisy, wrong, strict=True)]

    (face,) = search(Imagines([truth], most_roll_deg=60.0))
    assert_at(face, truth)


def test_faces_come_from_left_to_right_and_once():
    centres = [(450.0, 200.0), (120.0, 300.0), (290.0, 220.0)]
    detector = TrueDetector([projected(40.0, centre=c) for c in centres])
    assert [round(float(face.centre[0]), -1) for face in search(detector)] == [120, 290, 450]
    tiled = TrueDetector([projected(14.0, centre=c) for c in centres], least_share=0.06)
    assert len(search(tiled)) == 3


def test_what_is_not_found_again_is_a_mistake():
    class OnceOnly(TrueDetector):
        def __call__(self, view_rgb):
            found = super().__call__(view_rgb)
            return found if abs(np.linalg.det(view_rgb.photo_from_pixels)) > 1.3 else []

    detector = OnceOnly([projected(60.0)])
    assert search(detector) == []
    assert detector.calls > 50


def test_points_that_jump_from_crop_to_crop_are_a_mistake():
    assert search(TrueDetector([projected(60.0)], noise_px=8.0)) == []


def test_nothing_in_the_photo():
    assert search(TrueDetector([])) == []


def test_rough_points_beyond_the_photo():
    assert measure_face(RGB, TrueDetector([]), projected(50.0, centre=(-900.0, -900.0)), crops=2) is None
