"""MediaPipe's landmarker on real pictures; everything that needs it is skipped without it."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cephalon import assets
from cephalon.core import InputError, MissingExtraError, NoHeadError
from cephalon.observe import FileLandmarks, MediaPipeLandmarks, MediaPipeOptions
from cephalon.observe.canonical import face_pose
from cephalon.observe.face_search import FoundFace
from cephalon.observe.mediapipe_landmarks import choose
from cephalon.photo import Photo

from .faces import EXPRESSION_NAMES, projected

# -- which head (no landmarker needed) --------------------------------------------------------------------------------


def found(size: float, x: float) -> FoundFace:
    points = projected(size, centre=(x, 200.0))
    pose = face_pose(points)
    return FoundFace(points=points, spread=np.zeros((478, 2, 2)), scores={}, pose=pose, crops_found=1, inconsistency=0)


def test_no_head():
    with pytest.raises(NoHeadError, match=r"^party\.jpg: no head found; use a sharp photo") as caught:
        choose([], "party.jpg", None, 0.3)
    assert caught.value.exit_code == 3


def test_several_heads_are_listed():
    heads = [found(50, 100), found(60, 300)]
    with pytest.raises(NoHeadError, match=r"2 heads found: 1 at \(100, \d+\) px, 2 at \(300, \d+\) px.*--face N"):
        choose(heads, "party.jpg", None, 0.3)
    assert choose(heads, "party.jpg", 2, 0.3)[0] is heads[1]
    assert "head 2 of 2" in choose(heads, "party.jpg", 2, 0.3)[1]
    with pytest.raises(NoHeadError, match="head 3 was asked for, but 2 heads found"):
        choose(heads, "party.jpg", 3, 0.3)


def test_far_smaller_heads_do_not_count():
    heads = [found(10, 100), found(60, 300), found(11, 500)]
    face, remark = choose(heads, "party.jpg", None, 1 / 3)
    assert face is heads[1]
    assert "largest of 3" in remark
    assert choose(heads, "party.jpg", 1, 1 / 3)[0] is heads[0]


@pytest.mark.parametrize("options", [{"crops": 0}, {"crops": 7}, {"most_doubt": -1}, {"noise": "some"}])
def test_options_are_checked(options):
    with pytest.raises(InputError, match=next(iter(options))):
        MediaPipeOptions(**options)


def test_without_the_package(monkeypatch, tmp_path):
    from cephalon.observe import landmarker

    task = tmp_path / "a.task"
    task.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setitem(sys.modules, "mediapipe.tasks", None)
    with pytest.raises(MissingExtraError, match=r"cephalon\[mediapipe\]"):
        landmarker.Landmarker(task)


def test_without_the_file(monkeypatch, tmp_path):
    monkeypatch.setenv(assets.TASK_VARIABLE, str(tmp_path / "none.task"))
    with pytest.raises(InputError, match=assets.TASK_VARIABLE):
        MediaPipeLandmarks(expression_names=EXPRESSION_NAMES).find(Photo.from_array(np.zeros((64, 64, 3), np.uint8)))


# -- with the landmarker ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source() -> MediaPipeLandmarks:
    if importlib.util.find_spec("mediapipe") is None:
        pytest.skip("the extra mediapipe is not installed")
    try:
        assets.find_mediapipe_task()
    except InputError:
        pytest.skip("MediaPipe's landmarker file is not there: cephalon assets get mediapipe")
    return MediaPipeLandmarks(expression_names=EXPRESSION_NAMES)


@pytest.fixture(scope="module")
def portrait(demo_files) -> Photo:
    return Photo.open(demo_files[0])


@pytest.fixture(scope="module")
def observed(source, portrait):
    return source.observe(portrait)


def test_the_demo_portrait(observed, portrait, demo_files):
    points = observed.points[0]
    assert (observed.width, observed.height) == (portrait.width, portrait.height)
    assert points.set_name == "mediapipe478"
    assert points.visible.all()
    stored = FileLandmarks(path=demo_files[1], expression_names=EXPRESSION_NAMES).observe(portrait).points[0]
    size = face_pose(stored.position).size_px
    assert np.abs(points.position - stored.position).max() < 0.03 * size
    ratio = np.linalg.det(points.covariance) / np.linalg.det(stored.covariance)
    assert 1 < np.median(ratio) < 1.6
    sigma = np.sqrt(np.trace(points.covariance, axis1=1, axis2=2) / 2) / size
    assert 0.005 < np.median(sigma) < 0.06
    named = dict(
        zip(EXPRESSION_NAMES, zip(observed.expression.mean, observed.expression.sigma, strict=True), strict=True)
    )
    assert named["mouthSmileLeft"][0] > 0.5
    assert named["eyeBlinkLeft"][0] < 0.4
    assert named["tongueOut"] == (0.0, 1.0)
    assert observed.source == "MediaPipe face landmarker"


def test_same_photo_same_answer(observed, source, portrait):
    again = source.observe(portrait)
    np.testing.assert_array_equal(again.points[0].position, observed.points[0].position)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_turned_photos(observed, source, portrait, quarters):
    turned = Photo.from_array(np.rot90(portrait.rgb_srgb, -quarters))
    observation = source.observe(turned)
    w, h = portrait.width, portrait.height
    x, y = observed.points[0].position.T
    wanted = {1: (h - y, x), 2: (w - x, h - y), 3: (y, w - x)}[quarters]
    size = face_pose(observed.points[0].position).size_px
    error = np.linalg.norm(observation.points[0].position - np.column_stack(wanted), axis=1) / size
    assert np.median(error) < 0.03
    assert "turned by" in observation.source


def test_mirrored_photo_swaps_left_and_right(observed, source, portrait):
    observation = source.observe(Photo.from_array(portrait.rgb_srgb[:, ::-1]))
    x, y = observed.points[0].position.T
    size = face_pose(observed.points[0].position).size_px
    from cephalon.observe.canonical import canonical_face

    wanted = np.column_stack([portrait.width - x, y])[canonical_face().mirror]
    assert np.median(np.linalg.norm(observation.points[0].position - wanted, axis=1)) < 0.01 * size


def test_enlarged_photo_has_the_same_points(observed, source, portrait):
    """Half a pixel of one scale is a pixel and a half of another: a shift in the convention would show."""
    large = Image.fromarray(portrait.rgb_srgb).resize(
        (portrait.width * 4, portrait.height * 4), Image.Resampling.BICUBIC
    )
    observation = source.observe(Photo.from_array(np.asarray(large)))
    size = face_pose(observed.points[0].position).size_px
    shift = (observation.points[0].position / 4 - observed.points[0].position).mean(0)
    assert np.abs(shift).max() < 0.006 * size


def test_two_heads(source, portrait):
    both = Photo.from_array(np.hstack([portrait.rgb_srgb, portrait.rgb_srgb]), name="both.png")
    with pytest.raises(NoHeadError, match=r"both\.png: 2 heads found: 1 at \(2\d\d, \d+\) px, 2 at \(7\d\d, \d+\) px"):
        source.observe(both)
    left, right = source.observe(both, which=1), source.observe(both, which=2)
    shift = (right.points[0].position - left.points[0].position).mean(0)
    np.testing.assert_allclose(shift, [portrait.width, 0], atol=1)
    with pytest.raises(NoHeadError, match="head 3"):
        source.observe(both, which=3)
    with pytest.raises(InputError, match="1 or more"):
        source.observe(both, which=0)


def test_no_head_in_noise_or_in_one_colour(source):
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for array in (noise, np.zeros((64, 64, 3), np.uint8), np.full((33, 2000, 3), 200, np.uint8)):
        with pytest.raises(NoHeadError):
            source.observe(Photo.from_array(array))


def test_small_and_large_faces(source, portrait):
    face = portrait.rgb_srgb[20:220, 120:320]
    canvas = np.full((1500, 1500, 3), 127, np.uint8)
    canvas[900:1100, 300:500] = face
    small = source.observe(Photo.from_array(canvas))
    assert 300 < small.points[0].position[:, 0].mean() < 500
    close = source.observe(Photo.from_array(portrait.rgb_srgb[55:190, 165:285]))
    assert not close.points[0].visible.all() or close.points[0].position.min() >= 0


def test_points_beyond_the_border_or_on_transparent_pixels_are_not_used(source, portrait):
    cut = portrait.rgb_srgb[:, :240]
    points = source.observe(Photo.from_array(cut)).points[0]
    assert 0.05 < (~points.visible).mean() < 0.7
    assert (points.position[points.visible, 0] <= 240).all()
    alpha = np.full((portrait.height, portrait.width), 255, np.uint8)
    alpha[:, 250:] = 0
    points = source.observe(Photo.from_array(portrait.rgb_srgb, alpha=alpha)).points[0]
    assert (points.position[points.visible, 0] <= 250).all()


def test_raw_points_for_calibration(source, portrait, observed):
    raw = MediaPipeLandmarks(expression_names=EXPRESSION_NAMES, options=MediaPipeOptions(noise="none")).observe(
        portrait
    )
    size = face_pose(raw.points[0].position).size_px
    sigma = np.sqrt(np.trace(raw.points[0].covariance, axis1=1, axis2=2) / 2) / size
    assert np.median(sigma) < 0.015
    assert raw.points[0].visible.all()


def test_a_file_that_is_no_landmarker(source, tmp_path, portrait):
    task = tmp_path / "a.task"
    task.write_bytes(b"no landmarker")
    with pytest.raises(InputError, match="cannot load this landmarker file"):
        MediaPipeLandmarks(expression_names=EXPRESSION_NAMES, task_path=task).find(portrait)


def test_nothing_is_written_to_stderr(source, demo_files):
    code = (
        "from cephalon.observe import MediaPipeLandmarks\n"
        "from cephalon.photo import Photo\n"
        f"MediaPipeLandmarks(expression_names={EXPRESSION_NAMES!r}).observe(Photo.open({str(demo_files[0])!r}))\n"
    )
    environment = {**os.environ, assets.TASK_VARIABLE: str(assets.find_mediapipe_task())}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.slow
def test_found_rates_on_real_photos(source, data_folder: Path):
    """Portraits: all but one full profile; pictures without a face: none."""
    counts = {}
    for kind, pattern in (("photos", "photos/**/*.jpg"), ("backgrounds", "backgrounds/*.jpg")):
        found = [len(source.find(Photo.open(path))) for path in sorted(data_folder.glob(pattern))]
        counts[kind] = (sum(n == 1 for n in found), sum(n > 1 for n in found), len(found))
    one, several, total = counts["photos"]
    assert one >= 0.98 * total
    assert several == 0
    one, several, _ = counts["backgrounds"]
    assert one + several == 0
