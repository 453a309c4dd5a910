"""The main job, from the packaged portrait to files that other programs read."""

import json

import numpy as np
import pytest

from cephalon import Head, HeadModel, InputError, NoHeadError, Photo, reconstruct, save
from cephalon.files.glb import read_glb
from cephalon.files.obj import read_obj
from cephalon.files.png import read_png
from cephalon.observe import FileLandmarks


def test_the_fit_lies_on_the_face(demo_head):
    fitted = demo_head.posterior.photos[0]
    assert demo_head.posterior.status == "converged"
    assert fitted.reprojection_percent < 2.5
    assert fitted.status == "ok"


def test_the_head_is_metric_and_human(demo_head):
    # wide bounds: five standard deviations of adults
    for name, low, high in (
        ("interpupillary distance", 45, 82),
        ("head breadth", 120, 182),
        ("head length", 155, 232),
        ("bizygomatic breadth", 105, 172),
    ):
        measure = demo_head.measure(name)
        assert low < measure.mm < high
        assert 0.3 < measure.sigma_mm < 12
        below, above = measure.interval(0.9)
        assert below < measure.mm < above


def test_the_head_is_a_person_and_not_the_mean(demo_head):
    assert 0.2 < np.sqrt((demo_head.identity**2).mean()) < 2.0


def test_files(saved, demo_head):
    names = {path.name for path in saved.iterdir()}
    assert names == {
        "head.glb", "head.obj", "head.mtl", "albedo.png", "provenance.png", "posterior.npz", "fit.json", "overlay_1.png",
        "report.html",
    }  # fmt: skip
    document = json.loads((saved / "fit.json").read_text())
    assert document["status"] == "converged"
    assert document["photos"][0]["reprojection_px"] == pytest.approx(demo_head.posterior.photos[0].reprojection_px)
    for name, measure in demo_head.measures().items():
        assert document["measures"][name]["mm"] == pytest.approx(measure.mm, rel=1e-6)
        assert document["measures"][name]["sigma_mm"] == pytest.approx(measure.sigma_mm, rel=1e-6)


def test_glb_is_the_head_in_metres_with_its_rig(saved, demo_head):
    found = read_glb(saved / "head.glb")
    assert set(found.primitives[0].morph_names) == set(demo_head.model.expression_names)
    assert [joint.name for joint in found.joints] == list(demo_head.model.joint_names)
    low, high = found.bounds_mm
    vertices = demo_head.mesh().vertices
    np.testing.assert_allclose(high - low, vertices.max(0) - vertices.min(0), atol=4.0)  # one subdivision step apart


def test_obj_is_the_mesh_in_mm(saved, demo_head):
    found = read_obj(saved / "head.obj")
    np.testing.assert_allclose(found.mesh.vertices, demo_head.mesh().vertices, atol=1e-4)
    assert next(iter(found.mesh.groups)) == "skin"
    np.testing.assert_array_equal(found.mesh.polygons[:, :3], demo_head.model.polygons[:, :3])


def test_texture_files(saved, demo_head):
    albedo = read_png(saved / "albedo.png")
    np.testing.assert_array_equal(albedo[..., :3], demo_head.texture.albedo_srgb)
    assert read_png(saved / "provenance.png").shape[:2] == albedo.shape[:2]
    shares = demo_head.texture.shares()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["photo 1"] > 0.15
    assert shares["completed"] > 0.15  # nobody sees the back of a head from the front


def test_saved_heads_load_again(saved, demo_head):
    again = Head.load(saved)
    np.testing.assert_allclose(again.mesh().vertices, demo_head.mesh().vertices, atol=1e-6)
    for name, measure in demo_head.measures().items():
        assert again.measure(name).mm == pytest.approx(measure.mm, abs=1e-5)
        assert again.measure(name).sigma_mm == pytest.approx(measure.sigma_mm, rel=1e-3)
    np.testing.assert_array_equal(again.texture.albedo_srgb, demo_head.texture.albedo_srgb)
    np.testing.assert_array_equal(again.texture.provenance, demo_head.texture.provenance)


def test_same_input_same_bytes(saved, demo_head, tmp_path):
    save(demo_head, tmp_path / "again")
    for path in saved.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes(), path.name


def test_now7_points_are_where_names_say(demo_head):
    points = demo_head.points("now7")
    assert points.shape == (7, 3)
    right_outer, right_inner, left_inner, left_outer, nose, right_mouth, left_mouth = points
    assert right_outer[0] < right_inner[0] < left_inner[0] < left_outer[0]  # +x is the person's left
    assert nose[1] < right_inner[1]
    assert max(right_mouth[1], left_mouth[1]) < nose[1]
    mean = HeadModel.load().points(None, "now7")
    assert np.linalg.norm(points - mean, axis=1).max() < 25


def test_known_pupil_distance_sets_the_scale(demo_files, demo_head):
    from cephalon.reconstruction import ReconstructOptions

    photo, landmarks = demo_files
    plain = demo_head.measure("interpupillary distance")
    wanted = plain.mm + 4
    told = reconstruct([photo], landmarks=[landmarks], ipd_mm=wanted, options=ReconstructOptions(texture=None))
    found = told.measure("interpupillary distance")
    assert abs(found.mm - wanted) < 1.0
    assert found.sigma_mm < plain.sigma_mm
    ratio = told.measure("head breadth").mm / demo_head.measure("head breadth").mm
    assert 1.01 < ratio < 1 + 1.5 * 4 / plain.mm
    assert any(cue.name == "ipd" for cue in told.posterior.cues)


def test_a_photo_without_a_head_is_left_out_of_several(demo_files):
    from cephalon.reconstruction import ReconstructOptions

    photo, landmarks = demo_files
    source = FileLandmarks(path=landmarks, expression_names=HeadModel.load().expression_names)

    class SometimesBlind:
        def observe(self, photo, *, which=None):
            if photo.name == "wall":
                raise NoHeadError("wall: no head found")
            return source.observe(photo, which=which)

    said = []
    wall = Photo.from_array(np.full((64, 64, 3), 128, dtype=np.uint8), name="wall")
    options = ReconstructOptions(texture=None)
    head = reconstruct([photo, wall], landmarks=SometimesBlind(), options=options, progress=said.append)
    assert len(head.photos) == 1
    assert any("left out" in line and "wall" in line for line in said)
    with pytest.raises(NoHeadError, match="no head"):
        reconstruct([wall, wall], landmarks=SometimesBlind(), options=options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ipd_mm": -3.0}, "(?i)pupil|ipd"),
        ({"ipd_mm": 6.4}, "(?i)pupil|ipd"),
        ({"age": 300}, "age"),
        ({"sex": "cat"}, "sex"),
        ({"focal35_mm": 0.0}, "focal"),
        ({"landmarks": []}, "one file per photo"),
        ({"which": [1, 2]}, "which"),
    ],
)
def test_wrong_numbers_get_one_sentence(demo_files, change, message):
    photo, landmarks = demo_files
    with pytest.raises(InputError, match=message) as caught:
        reconstruct([photo], **{"landmarks": [landmarks], **change})
    assert "\n" not in str(caught.value)


def test_the_name_means_the_function_after_every_import():
    import cephalon
    import cephalon.cli
    import cephalon.reconstruction

    assert callable(cephalon.reconstruct)
    assert set(cephalon.__all__) - {"__version__"} <= set(dir(cephalon))
    for name in cephalon.__all__:
        assert getattr(cephalon, name) is not None
