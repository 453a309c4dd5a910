"""Landmark files: round trip, the pixel conventions, reasoned sigmas, and one sentence for what is wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cephalon.core import InputError, NoHeadError
from cephalon.observe import FileLandmarks, landmarks_json
from cephalon.observe.canonical import canonical_face
from cephalon.observe.landmark_noise import mediapipe_noise
from cephalon.photo import Photo
from cephalon.values import ExpressionObservation, Observation, PointObservation

from .faces import EXPRESSION_NAMES, projected

PHOTO = Photo.from_array(np.zeros((500, 600, 3), np.uint8), name="a.png")


def write(tmp_path, record, name="a.json"):
    path = tmp_path / name
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return FileLandmarks(path=path, expression_names=EXPRESSION_NAMES, point_counts={"now7": 7})


def mesh(**changes):
    return {"set": "mediapipe478", "points": projected(100.0).tolist()} | changes


# -- reading ----------------------------------------------------------------------------------------------------------


def test_round_trip(tmp_path):
    rng = np.random.default_rng(5)
    covariance = np.tile([[2.0, 0.5], [0.5, 1.0]], (478, 1, 1)) * rng.uniform(1, 2, (478, 1, 1))
    visible = rng.random(478) > 0.1
    sigma = np.full(52, 0.25)
    sigma[-1] = 1.0
    mean = np.append(rng.random(51), 0.0)
    points = PointObservation(set_name="mediapipe478", position=projected(90.0), covariance=covariance, visible=visible)
    wanted = Observation(
        width=600, height=500, points=(points,), expression=ExpressionObservation(mean=mean, sigma=sigma),
        focal35_mm=50.0, source="test",
    )  # fmt: skip
    found = write(tmp_path, landmarks_json(wanted, EXPRESSION_NAMES)).observe(PHOTO)
    np.testing.assert_allclose(found.points[0].position, points.position, atol=6e-4)
    np.testing.assert_allclose(found.points[0].covariance, covariance, atol=1e-5)
    np.testing.assert_array_equal(found.points[0].visible, visible)
    assert found.expression is not None
    np.testing.assert_allclose(found.expression.mean, mean, atol=1e-4)
    np.testing.assert_allclose(found.expression.sigma, sigma)
    assert found.focal35_mm == 50
    assert found.source == "file a.json (test)"


def test_reasoned_sigmas(tmp_path):
    points = write(tmp_path, mesh()).observe(PHOTO).points[0]
    regions = canonical_face().regions
    sigma = np.sqrt(np.trace(points.covariance, axis1=1, axis2=2) / 2)
    assert 0.3 < np.median(sigma[regions["eye"]]) < 5
    assert np.median(sigma[regions["oval"]]) > np.median(sigma[regions["eye"]])


def test_points_of_a_turned_face_are_hidden(tmp_path):
    points = projected(100.0, yaw=55.0)[canonical_face().ibug68]
    record = {"set": "ibug68", "points": points.tolist()}
    hidden = ~write(tmp_path, record).observe(PHOTO).points[0].visible
    assert 0 < hidden.mean() < 0.6
    # The person's left side, at the right of the picture, is the far one.
    assert hidden[16]
    assert not hidden[0]
    record["visible"] = [True] * 68
    assert write(tmp_path, record).observe(PHOTO).points[0].visible.all()


def test_mediapipes_own_points_lose_their_known_bias(tmp_path):
    _, bias, _ = mediapipe_noise().at(0.0)
    if not bias.any():
        pytest.fail("the package ships without its calibrated table")
    found = write(tmp_path, mesh(points=(projected(100.0) + 100 * bias).tolist())).observe(PHOTO).points[0]
    # Not exactly, as the bias also tilts the rough pose from which it is looked up.
    left = np.linalg.norm(found.position - projected(100.0), axis=1).mean()
    assert left < 0.4 * 100 * np.linalg.norm(bias, axis=1).mean()


@pytest.mark.parametrize("sigma", [2.0, [2.0] * 478])
def test_stated_sigma(tmp_path, sigma):
    points = write(tmp_path, mesh(sigma_px=sigma)).observe(PHOTO).points[0]
    np.testing.assert_allclose(points.covariance, np.tile(4 * np.eye(2), (478, 1, 1)))
    np.testing.assert_allclose(points.position, projected(100.0))


def test_expression_by_name(tmp_path):
    record = mesh(expression={"jawOpen": 0.4, "cheekPuff": 0.1}, expression_sigma={"jawOpen": 0.05})
    expression = write(tmp_path, record).observe(PHOTO).expression
    assert expression is not None
    jaw, puff, blink = (EXPRESSION_NAMES.index(name) for name in ("jawOpen", "cheekPuff", "eyeBlinkLeft"))
    assert (expression.mean[jaw], expression.sigma[jaw]) == (0.4, 0.05)
    assert (expression.mean[puff], expression.sigma[puff]) == (0.1, 0.2)
    assert (expression.mean[blink], expression.sigma[blink]) == (0.0, 1.0)
    assert write(tmp_path, mesh()).observe(PHOTO).expression is None


def test_mesh_without_irises(tmp_path):
    points = (
        write(tmp_path, mesh(points=projected(100.0)[:468].tolist(), sigma_px=[1.0] * 468)).observe(PHOTO).points[0]
    )
    assert len(points.position) == 478
    assert points.visible[:468].all()
    assert not points.visible[468:].any()


def test_other_sets_need_a_sigma(tmp_path):
    record = {"set": "now7", "points": [[100 + 10 * i, 200 + i**2] for i in range(7)]}
    with pytest.raises(InputError, match="now7 needs sigma_px"):
        write(tmp_path, record).observe(PHOTO)
    assert write(tmp_path, record | {"sigma_px": 2}).observe(PHOTO).points[0].set_name == "now7"


# -- pixel conventions ------------------------------------------------------------------------------------------------


def ibug(points) -> str:
    rows = "\n".join(f"{x:.3f} {y:.3f}" for x, y in points)
    return f"version: 1\nn_points:  68\n{{\n{rows}\n}}\n"


def test_pts_counts_from_one(tmp_path):
    points = projected(100.0)[canonical_face().ibug68]
    found = write(tmp_path, ibug(points), "a.pts").observe(PHOTO).points[0]
    assert found.set_name == "ibug68"
    np.testing.assert_allclose(found.position, points - 0.5, atol=6e-4)
    sigma = np.sqrt(np.trace(found.covariance, axis1=1, axis2=2) / 2)
    # Percent of an outer eye distance of 100 px: jaw points slide, eyes do not.
    assert np.median(sigma[:17]) > 3 > np.median(sigma[36:48])


def test_points_follow_a_photo_that_was_reduced(tmp_path):
    photo = Photo(rgb_srgb=PHOTO.rgb_srgb, original_size=(1200, 1000))
    with_size = write(tmp_path, mesh(points=projected(200.0, centre=(600, 500)).tolist(), sigma_px=4.0,
                                     image={"width": 1200, "height": 1000})).observe(photo)  # fmt: skip
    without = write(tmp_path, mesh(points=projected(200.0, centre=(600, 500)).tolist(), sigma_px=4.0)).observe(photo)
    for found in (with_size, without):
        np.testing.assert_allclose(found.points[0].position, projected(100.0, centre=(300, 250)))
        np.testing.assert_allclose(found.points[0].covariance, np.tile(4 * np.eye(2), (478, 1, 1)))


# -- what can be wrong ------------------------------------------------------------------------------------------------

WRONG = {
    "not json": ("{", "not valid JSON"),
    "pts called json": ("version: 1", "ending .pts"),
    "a list": ("[1, 2]", "one JSON object"),
    "deep": ("[" * 100_000, "not valid JSON"),
    "no points": ({"set": "ibug68"}, "points is missing"),
    "set unknown": (mesh(set="moon3"), "'moon3' is unknown; known are: ibug68, mediapipe478, now7"),
    "set is a number": (mesh(set=7), "7 is unknown"),
    "newer format": (mesh(format_version=2), "version 2 is unknown"),
    "foreign format": (mesh(format="other"), "'other'"),
    "too few": (mesh(points=[[1, 2]] * 400), "has 478 points, got 400"),
    "words": (mesh(points=[["a", "b"]] * 478), "points"),
    "ragged": (mesh(points=[[1, 2], [1]]), "points"),
    "null": (mesh(points=None), "points"),
    "three columns": (mesh(points=[[1, 2, 3]] * 478), "shape"),
    "nan": (json.dumps(mesh()).replace("[[", "[[NaN, 1], [", 1), "finite"),
    "elsewhere": (mesh(points=(projected(100.0) + 2000).tolist()), "outside the picture a.png"),
    "other picture": (mesh(image={"width": 500, "height": 600}), "500 x 600 px, but a.png has 600 x 500 px"),
    "image nonsense": (mesh(image={"width": "x"}), "image: expected"),
    "image negative": (mesh(image={"width": -600, "height": -500}), "at least 1 px"),
    "image infinite": (mesh(image={"width": 1e999, "height": 1e999}), "at least 1 px"),
    "nothing visible": (mesh(visible=[False] * 478), "no point is visible"),
    "visible too short": (mesh(visible=[True]), "visible"),
    "sigma zero": (mesh(sigma_px=0), "sigma_px: expected numbers above 0"),
    "sigma too short": (mesh(sigma_px=[1.0]), "sigma_px"),
    "covariance negative": (mesh(covariance_px2=[[-1, 0, 1]] * 478), "positive definite"),
    "covariance overflows": (mesh(covariance_px2=[[1, 5, 1]] * 478), "positive definite"),
    "expression unknown": (mesh(expression={"smirk": 1}), "'smirk' is unknown"),
    "expression a list": (mesh(expression=[1]), "object of ARKit names"),
    "expression too large": (mesh(expression={"jawOpen": 30}), "from 0 to 1"),
    "expression a word": (mesh(expression={"jawOpen": "wide"}), "expression"),
    "sigma beyond all pictures": (mesh(sigma_px=1e300), "sigma_px: expected numbers above 0, up to"),
    "all at one place": (mesh(points=[[100, 100]] * 478), "no face"),
    "all on one line": (mesh(points=[[i, 0.5 * i] for i in range(478)]), "no face"),
    "one visible point": (mesh(visible=[True] + [False] * 477), "no face"),
    "expression sigma zero": (mesh(expression={"jawOpen": 0.1}, expression_sigma=0), "expression sigma"),
    "focal length a word": (mesh(focal35_mm="long"), "focal35_mm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(tmp_path, case):
    record, match = WRONG[case]
    with pytest.raises(InputError, match=match) as caught:
        write(tmp_path, record).observe(PHOTO)
    message = str(caught.value)
    assert "a.json" in message
    assert "\n" not in message
    assert len(message) < 500


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("hello", r"no \.pts file"),
        ("n_points: 68\n{\n1 2\n}", "n_points says 68, but 1"),
        ("n_points: 1\n{\n1 2\n}", "68 points of iBUG, got 1"),
        ("n_points: 2\n{\n1 2\n1\n}", "points"),
        ("n_points: 1\n{\n1 x\n}", "two numbers"),
        (ibug(np.full((68, 2), 1e6)), "outside"),
    ],
)
def test_wrong_pts_files(tmp_path, text, match):
    with pytest.raises(InputError, match=match):
        write(tmp_path, text, "a.pts").observe(PHOTO)


def test_files_that_cannot_be_read(tmp_path):
    def read(path):
        FileLandmarks(path=path, expression_names=EXPRESSION_NAMES).observe(PHOTO)

    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.json")
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="not a text file"):
        read(tmp_path / "b.json")
    (tmp_path / "c.json").write_bytes(b" " * 10_000_001)
    with pytest.raises(InputError, match="larger than"):
        read(tmp_path / "c.json")


def test_a_file_holds_one_head(tmp_path):
    source = write(tmp_path, mesh())
    assert source.observe(PHOTO, which=1).points
    with pytest.raises(NoHeadError, match="one head"):
        source.observe(PHOTO, which=2)


def test_the_packaged_demo(demo_files):
    photo = Photo.open(demo_files[0])
    found = FileLandmarks(path=demo_files[1], expression_names=EXPRESSION_NAMES).observe(photo)
    points = found.points[0]
    assert (points.set_name, len(points.position)) == ("mediapipe478", 478)
    assert (points.position[33, 0], points.position[263, 0]) == (pytest.approx(195, abs=4), pytest.approx(255, abs=4))
    assert found.expression is not None
    assert demo_files[0].stat().st_size < 400_000


@pytest.mark.parametrize(
    "change",
    [
        {"focal35_mm": 10**400},
        {"expression": {"jawOpen": 10**400}},
        {"expression": {"jawOpen": 0.1}, "expression_sigma": {"jawOpen": 10**400}},
        {"expression": {"jawOpen": 0.1}, "expression_sigma": {"jawOpen": [1]}},
        {"expression": {"jawOpen": 0.1}, "expression_sigma": {"jawOpen": -0.1}},
        {"expression": {"jawOpen": 0.1}, "expression_sigma": "small"},
        {"image": {"width": 10**400, "height": 5}},
        {"visible": ["no"] * 478},
    ],
)
def test_values_beyond_numbers_are_refused(tmp_path, change):
    with pytest.raises(InputError):
        write(tmp_path, mesh(**change)).observe(PHOTO)
