"""The texture of heads whose albedo, light and visibility are known, because we photographed them ourselves."""

import dataclasses

import numpy as np
import pytest

from cephalon.appearance import TextureOptions, make_texture
from cephalon.appearance.light import harmonics
from cephalon.appearance.surface import skin_surface
from cephalon.appearance.texels import skin_texels
from cephalon.colour import linear_from_srgb
from cephalon.core import InputError
from cephalon.export import fine_mesh
from cephalon.photo import Photo

from .stage import IRIS, LIGHT, SKIN, albedo_at_vertices, posterior, shoot

SIZE = 256
OPTIONS = TextureOptions(size=SIZE)


def texture_of(model, shots, options=OPTIONS):
    photos, observations = [s.photo for s in shots], [s.observation for s in shots]
    return make_texture(photos, observations, posterior(model, shots), model, options)


@pytest.fixture(scope="module")
def texels(model):
    return skin_texels(model, SIZE)


@pytest.fixture(scope="module")
def truth(model, texels):
    """True albedo (t, 3), linear, at the texels."""
    return texels.spread(albedo_at_vertices(model)[skin_surface(model).fine_index])


@pytest.fixture(scope="module")
def front(model):
    shot = shoot(model)
    return shot, texture_of(model, [shot])


@pytest.fixture(scope="module")
def side(model):
    shot = shoot(model, yaw_deg=50)
    return shot, texture_of(model, [shot])


def at_texels(texture, texels):
    return (
        linear_from_srgb(texture.albedo_srgb).reshape(-1, 3)[texels.index],
        texture.provenance.reshape(-1)[texels.index],
    )


def region(model, texels, *names):
    return texels.spread(np.max([skin_surface(model).regions[name] for name in names], axis=0))


def outer_skin(model, texels):
    return region(model, texels, "mouth_cavity", "eye_sockets", "nostrils") < 0.05


def log_error(found, truth):
    """Log ratio of the found to the true brightness, its median removed: the exposure is a convention."""
    ratio = np.log(found.mean(1) + 1e-3) - np.log(truth.mean(1) + 1e-3)
    return ratio - np.median(ratio)


def test_albedo_of_seen_skin_is_recovered(model, texels, truth, front):
    found, code = at_texels(front[1], texels)
    seen = (code == 1) & outer_skin(model, texels)
    assert 0.2 < seen.mean() < 0.7
    error = np.abs(log_error(found[seen], truth[seen]))
    assert np.median(error) < 0.05
    assert np.percentile(error, 95) < 0.2
    # the tone: red over green as it is
    tone = np.median(found[seen & (region(model, texels, "cheeks") > 0.9)], axis=0)
    assert tone[0] / tone[1] == pytest.approx(SKIN[0] / SKIN[1], rel=0.06)


def test_light_is_recovered_up_to_scale(front):
    rng = np.random.default_rng(0)
    normals = rng.standard_normal((2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals = normals[normals[:, 2] < -0.5]  # towards the camera
    true = harmonics(normals) @ LIGHT[:, 1]
    found = harmonics(normals) @ front[1].light[0][:, 1]
    ratio = found / true
    assert np.std(ratio) / np.mean(ratio) < 0.10
    assert np.corrcoef(found, true)[0, 1] > 0.95


def test_provenance_says_photo_only_where_the_camera_sees_the_skin(model, texels, side):
    shot, texture = side
    _, code = at_texels(texture, texels)
    fine, surface = fine_mesh(model), skin_surface(model)
    points = shot.fit.camera_from_head.apply(fine.operator @ model.mean)
    place = texels.spread(points[surface.fine_index])
    pixel = shot.fit.camera.project(place.astype(float))
    column, row = np.clip(pixel.astype(int), 0, shot.depth.shape[0] - 1).T
    hidden = place[:, 2] > shot.depth[row, column] + 8.0
    claimed = code == 1
    assert (hidden & claimed).sum() < 0.002 * claimed.sum()
    near_cheek = (region(model, texels, "cheeks") > 0.9) & (texels.spread(surface.left.astype(float)) > 0.9)
    assert (code[near_cheek] == 1).mean() > 0.9
    far_cheek = (region(model, texels, "cheeks") > 0.9) & (texels.spread(surface.left.astype(float)) < 0.1)
    assert (code[far_cheek] == 2).mean() > 0.4


def test_mirrored_skin_is_the_mirror_image(model, texels, truth, side):
    found, code = at_texels(side[1], texels)
    mirrored = (code == 2) & outer_skin(model, texels)
    assert mirrored.mean() > 0.05
    ratio = np.log(found.mean(1)) - np.log(truth.mean(1))
    error = np.abs(ratio[mirrored] - np.median(ratio[code == 1]))
    assert np.median(error) < 0.06


def test_every_skin_texel_has_a_source_and_none_is_black(model, texels, front):
    texture = front[1]
    found, code = at_texels(texture, texels)
    assert set(np.unique(code)) == {1, 2, 3}
    assert texture.provenance_names == ("outside", "photo 1", "mirrored", "completed")
    inside = np.zeros(SIZE * SIZE, dtype=bool)
    inside[texels.index] = True
    assert (texture.provenance.reshape(-1)[~inside] == 0).all()
    assert texture.albedo_srgb.min() > 8
    completed = (code == 3) & outer_skin(model, texels)
    brightness = found[completed].mean(1) / SKIN.mean()
    assert np.percentile(brightness, 1) > 0.45 * np.median(brightness)


def test_the_gutter_repeats_the_border(texels, front):
    picture = front[1].albedo_srgb.reshape(-1, 3)
    assert (picture[texels.gutter] == picture[texels.index[texels.gutter_source]]).all()


def test_background_never_enters(model, texels, front, side):
    for _, texture in (front, side):
        found, _ = at_texels(texture, texels)
        redness = found[:, 0] / np.maximum(found[:, 1], 1e-3)
        skin = outer_skin(model, texels) & (region(model, texels, "lips_upper", "lips_lower") < 0.05)
        assert redness[skin].max() < 2.3  # the skin has 1.5, the background 37


def test_a_fringe_is_cut_off_the_forehead(model, texels):
    fine = fine_mesh(model)
    places = fine.operator @ model.mean
    brow = model.point_set("mediapipe478").positions(model.mean, model.faces)[[105, 334], 1].mean()
    hair = places[:, 1] > brow + 18
    shot = shoot(model, paint={"black": hair})
    found, code = at_texels(texture_of(model, [shot]), texels)
    height = texels.spread(places[skin_surface(model).fine_index])[:, 1]
    bare = outer_skin(model, texels)
    assert (code[(height > brow + 20) & bare] == 1).mean() < 0.02
    above = bare & (height > brow + 18)
    tone = np.median(found[(code == 1) & bare].mean(1))
    assert (found[above].mean(1) < 0.6 * tone).mean() < 0.01
    cheeks = region(model, texels, "cheeks") > 0.9
    assert (code[cheeks] == 1).mean() > 0.5


def test_teeth_do_not_end_up_on_the_lips(model, texels, truth):
    shot = shoot(model, expression={"jawOpen": 0.35, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.6})
    texture = texture_of(model, [shot])
    found, _ = at_texels(texture, texels)
    lips = (region(model, texels, "lips_upper", "lips_lower") > 0.9) & outer_skin(model, texels)
    bright = found[lips].mean(1) > 2.0 * np.median(truth[lips].mean(1))  # skin 1.5, teeth 3.6
    assert bright.mean() < 0.03


def test_photos_of_other_exposure_and_side_leave_no_seam(model, texels, truth):
    shots = [shoot(model, yaw_deg=35), shoot(model, yaw_deg=-35, gain=0.6), shoot(model, gain=0.8)]
    texture = texture_of(model, shots)
    found, code = at_texels(texture, texels)
    assert {1, 2, 3} <= set(np.unique(code))
    assert texture.light.shape == (3, 9, 3)
    seen = (code >= 1) & (code <= 3) & outer_skin(model, texels)
    error = np.abs(log_error(found[seen], truth[seen]))
    assert np.median(error) < 0.05
    # neighbours from two photos differ by no more than neighbours from one
    codes, ratio = texels.image(code), texels.image(np.where(seen, found.mean(1) / truth.mean(1), 0).astype(np.float32))
    step = np.abs(np.diff(ratio, axis=1)) / np.median(ratio[ratio > 0])
    inside = (ratio[:, 1:] > 0) & (ratio[:, :-1] > 0)
    seam = inside & (codes[:, 1:] != codes[:, :-1])
    assert seam.sum() > 30
    assert np.median(step[seam]) < 0.03


def test_iris_colour_is_measured(model):
    texture = texture_of(model, [shoot(model, size=900)])
    assert texture.iris_seen.all()
    found = linear_from_srgb(texture.iris_srgb)
    # blue above green above red, and of the true hue
    assert (found[:, 2] > found[:, 1]).all()
    assert (found[:, 1] > found[:, 0]).all()
    assert found[:, 2] / found[:, 1] == pytest.approx(np.full(2, IRIS[2] / IRIS[1]), rel=0.25)


def test_a_small_eye_keeps_the_default_colour(model):
    texture = texture_of(model, [shoot(model, size=180)])
    assert not texture.iris_seen.any()


def test_transparent_pixels_are_not_used(model, texels, front):
    shot = front[0]
    alpha = np.full(shot.photo.rgb_srgb.shape[:2], 255, dtype=np.uint8)
    alpha[:, : alpha.shape[1] // 2] = 0
    photo = Photo.from_array(shot.photo.rgb_srgb, alpha=alpha)
    half = dataclasses.replace(shot, photo=photo)
    _, code = at_texels(texture_of(model, [half]), texels)
    left = texels.spread(skin_surface(model).left.astype(float)) > 0.5
    assert (code[~left] == 1).mean() < 0.01
    assert (code[left] == 1).mean() > 0.2


def test_a_segmentation_is_obeyed(model, texels, front):
    shot = front[0]
    labels = np.zeros((shot.photo.height, shot.photo.width), dtype=np.uint8)
    labels[: shot.photo.height // 2] = 1
    observation = dataclasses.replace(
        shot.observation, segmentation=labels, segmentation_names=("background", "face skin")
    )
    _, code = at_texels(texture_of(model, [dataclasses.replace(shot, observation=observation)]), texels)
    assert (code[region(model, texels, "chin") > 0.9] == 1).mean() < 0.02


def test_a_head_outside_the_picture_is_completed(model, front):
    shot = front[0]
    pose = shot.fit.camera_from_head
    away = dataclasses.replace(pose, translation=pose.translation + np.array([4000.0, 0, 0]))
    fit = dataclasses.replace(shot.fit, camera_from_head=away, points_px=shot.fit.points_px + 2000)
    texture = texture_of(model, [dataclasses.replace(shot, fit=fit)])
    assert texture.shares()["completed"] > 0.99
    assert texture.albedo_srgb.min() > 8


def test_same_input_same_bytes(model, front):
    again = texture_of(model, [front[0]])
    assert again.albedo_srgb.tobytes() == front[1].albedo_srgb.tobytes()
    assert again.provenance.tobytes() == front[1].provenance.tobytes()
    assert again.light.tobytes() == front[1].light.tobytes()


def test_numbers_of_photos_must_agree(model, front):
    shot = front[0]
    with pytest.raises(InputError, match="expected as many photos"):
        make_texture([shot.photo], [], posterior(model, [shot]), model, OPTIONS)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 10),
        ("least_cosine", 1.0),
        ("edge_margin", 0.0),
        ("shading_range", (1.1, 2.0)),
        ("grain", -1.0),
        ("uneven_brightness", 0.0),
        ("darker", -0.1),
        ("pull_mm", 0.0),
    ],
)
def test_options_are_checked(name, value):
    with pytest.raises(InputError, match=name if name != "size" else "texture size"):
        TextureOptions(**{name: value})
