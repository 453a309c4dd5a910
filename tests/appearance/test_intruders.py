"""What lies on a face or falls on it, hair, glasses, a straw, a shadow, is no skin: rendered cases with known truth."""

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw

from cephalon.appearance import TextureOptions, make_texture
from cephalon.appearance.blend import softly
from cephalon.appearance.contours import CONTOURS
from cephalon.appearance.surface import skin_surface
from cephalon.colour import linear_from_srgb
from cephalon.geometry import bilinear
from cephalon.photo import Photo

from .stage import SKIN, albedo_at_vertices, posterior, shoot

SIZE = 256
OPTIONS = TextureOptions(size=SIZE)


@pytest.fixture(scope="module")
def plain(model, texels):
    return look(model, texels, shoot(model))


def look(model, texels, shot, options=OPTIONS):
    """Return linear albedo (t, 3) and provenance codes (t,) at the texels."""
    texture = make_texture([shot.photo], [shot.observation], posterior(model, [shot]), model, options)
    albedo = linear_from_srgb(texture.albedo_srgb).reshape(-1, 3)[texels.index]
    return albedo, texture.provenance.reshape(-1)[texels.index]


def region(model, texels, name, side=None):
    weight = texels.spread(skin_surface(model).regions[name])
    if side is None:
        return weight > 0.9
    left = texels.spread(skin_surface(model).left.astype(np.float32)) > 0.5
    return (weight > 0.9) & (left if side == "left" else ~left)


def draw(shot, shapes):
    """Return the shot with `shapes(draw, eyes)` drawn onto its photo; eyes: centres (2, 2) px and their distance."""
    picture = Image.fromarray(shot.photo.rgb_srgb.copy())
    points = shot.observation.points[0].position
    eyes = np.stack([points[list(loop)].mean(0) for loop in CONTOURS["mediapipe478"].eyes])
    shapes(ImageDraw.Draw(picture), eyes, float(np.linalg.norm(eyes[1] - eyes[0])))
    return dataclasses.replace(shot, photo=Photo.from_array(np.asarray(picture)))


def pictured(model, texels, places, shot):
    """Return the photo's own linear colours (t, 3) where the texels are, as a texture without any judgement would take them."""
    fitted = posterior(model, [shot]).photos[0]
    where = texels.spread(places[skin_surface(model).fine_index].astype(np.float32)).astype(np.float64)
    pixel = fitted.camera.project(fitted.camera_from_head.apply(where))
    return bilinear(linear_from_srgb(shot.photo.rgb_srgb), pixel)


def test_a_lock_over_a_cheek_is_not_in_the_albedo(model, texels, places, plain):
    eyes = model.point_set("now7").positions(model.mean, model.faces)[0]
    lock = (places[:, 0] > 34) & (places[:, 2] > 0)
    shot = shoot(model, paint={"hair": lock})
    assert lock.sum() > 300
    found, code = look(model, texels, shot)
    height = texels.spread(places[skin_surface(model).fine_index].astype(np.float32))
    covered = region(model, texels, "cheeks", "left") & (height[:, 0] > 37) & (height[:, 1] < eyes[1] - 15)
    assert covered.sum() > 30
    assert (code[covered] == 1).mean() < 0.03
    ratio = found[covered].mean(1) / plain[0][covered].mean(1)
    assert np.percentile(ratio, 5) > 0.75
    # the other cheek is still the photo's own
    other = region(model, texels, "cheeks", "right")
    assert (code[other] == 1).mean() > 0.85 * (plain[1][other] == 1).mean()


def test_a_straw_is_not_on_the_chin(model, texels, places):
    surface = skin_surface(model)
    mouth = places[surface.fine_index][surface.regions["lips_lower"] > 0.9, 1].mean()
    straw = (np.abs(places[:, 0]) < 5) & (places[:, 1] < mouth - 5) & (places[:, 2] > 20)
    shot = shoot(model, paint={"red": straw})
    chin = region(model, texels, "chin")
    raw = pictured(model, texels, places, shot)[chin]
    assert (raw[:, 0] / raw[:, 1] > 2 * SKIN[0] / SKIN[1]).sum() > 30  # the photo has it there
    found, _ = look(model, texels, shot)
    assert (found[chin, 0] / found[chin, 1]).max() < 1.5 * SKIN[0] / SKIN[1]


def test_a_cast_shadow_is_attenuated(model, texels, places):
    shade = np.where(places[:, 0] > 8, 0.45, 1.0)  # a hard edge down the face, contrast 0.8 in log
    free = dataclasses.replace(OPTIONS, uneven_brightness=1e3, uneven_colour=1e3, darker=1e3, brighter=1e3)
    across = texels.spread(places[skin_surface(model).fine_index, 0].astype(np.float32))
    seen = [look(model, texels, shoot(model, shade=shade), options) for options in (OPTIONS, free)]
    for name in ("forehead", "cheeks"):  # like beside like: a forehead is no cheek, even without a shadow
        contrast = []
        for found, code in seen:
            even = region(model, texels, name) & (code == 1)
            dark, lit = even & (across > 20) & (across < 32), even & (across > -16) & (across < -4)
            assert min(dark.sum(), lit.sum()) > 10
            contrast.append(float(np.log(np.median(found[lit].mean(1)) / np.median(found[dark].mean(1)))))
        assert contrast[1] > 0.37  # harmonics alone cannot
        assert contrast[0] < 0.6 * contrast[1]


def test_a_beard_stays(model, texels, places):
    surface = skin_surface(model)
    spread = {name: np.zeros(len(places)) for name in ("chin", "jaw", "mouth", "lips_upper", "lips_lower")}
    for name, weights in spread.items():
        weights[surface.fine_index] = surface.regions[name]
    grown = np.maximum.reduce([spread["chin"], spread["jaw"], spread["mouth"]]) > 0.5
    grown &= (spread["lips_upper"] + spread["lips_lower"] < 0.1) & (places[:, 2] > 40)
    rng = np.random.default_rng(0)
    hairs = np.where(grown, np.clip(rng.normal(0.25, 0.15, len(places)), 0.03, 0.6), 1.0)
    found, code = look(model, texels, shoot(model, shade=hairs))
    chin = region(model, texels, "chin") & (code == 1)
    cheeks = region(model, texels, "cheeks") & (code == 1)
    assert chin.sum() > 50
    assert np.median(found[chin].mean(1)) < 0.6 * np.median(found[cheeks].mean(1))


def wires(canvas, eyes, apart):
    width = max(2, round(0.025 * apart))
    for x, y in eyes:
        canvas.ellipse(
            (x - 0.42 * apart, y - 0.3 * apart, x + 0.42 * apart, y + 0.42 * apart), outline=(40, 38, 36), width=width
        )
    middle = eyes.mean(0)
    canvas.line(
        (middle[0] - 0.1 * apart, middle[1], middle[0] + 0.1 * apart, middle[1]), fill=(40, 38, 36), width=width
    )


def test_wires_of_glasses_leave_no_line(model, texels, places, plain):
    shot = shoot(model)
    wired = draw(shot, wires)
    below = region(model, texels, "cheeks")
    bare, raw = (pictured(model, texels, places, each)[below].mean(1) for each in (shot, wired))
    under = raw / bare < 0.5
    assert under.sum() > 30  # the photo has them there
    found, code = look(model, texels, wired)
    darker = (found.mean(1) / plain[0].mean(1))[below]
    assert np.percentile(darker, 1) > 0.8
    assert darker[under].min() > 0.7
    # what is not under the wires is still the photo's
    assert (code[below] == 1).mean() > 0.6 * (plain[1][below] == 1).mean()


def test_dark_glasses_give_neither_iris_nor_lens_but_brows(model, texels, plain):
    def lenses(canvas, eyes, apart):
        for x, y in eyes:
            canvas.ellipse((x - 0.48 * apart, y - 0.4 * apart, x + 0.48 * apart, y + 0.45 * apart), fill=(12, 12, 14))

    shot = draw(shoot(model, size=900), lenses)
    texture = make_texture([shot.photo], [shot.observation], posterior(model, [shot]), model, OPTIONS)
    assert not texture.iris_seen.any()
    found, _ = look(model, texels, shot)
    tone = np.median(found[region(model, texels, "cheeks")].mean(1))
    assert found[region(model, texels, "cheeks")].mean(1).min() > 0.6 * tone
    brows = texels.brows > 0.7
    assert brows.sum() > 30
    assert 0.3 * tone < np.median(found[brows].mean(1)) < 0.85 * tone


def test_an_overexposed_photo_gives_skin_not_white(model, texels):
    found, code = look(model, texels, shoot(model, gain=4.0))
    skin = region(model, texels, "cheeks") & (code == 1)
    red, green, blue = np.median(found[skin], axis=0)
    assert 0.35 < (red + green + blue) / 3 < 0.62
    assert red > green * 1.15
    assert green > blue


def test_softly_is_the_identity_near_zero_and_bounded():
    x = np.linspace(-3, 3, 601)
    held = softly(x, 0.2, 0.1)
    assert (np.diff(held) >= 0).all()
    assert held.min() >= -0.2
    assert held.max() <= 0.1
    small = np.abs(x) < 0.03
    assert held[small] == pytest.approx(x[small], abs=1e-3)


def test_texels_near_vertices(model, texels):
    chosen = np.random.default_rng(1).random(len(skin_surface(model).mirror)) < 0.01
    assert (texels.near(chosen) == np.flatnonzero(chosen[texels.corners].any(1))).all()


def test_truth_is_kept_where_nothing_is_wrong(model, texels, plain):
    truth = texels.spread(albedo_at_vertices(model)[skin_surface(model).fine_index])
    for name in ("cheeks", "lips_lower"):
        here = region(model, texels, name) & (plain[1] == 1)
        ratio = plain[0][here] / truth[here]
        ratio /= np.median(plain[0][region(model, texels, "cheeks")] / truth[region(model, texels, "cheeks")], axis=0)
        assert np.median(np.abs(np.log(ratio))) < 0.08
