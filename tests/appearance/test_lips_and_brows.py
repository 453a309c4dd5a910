"""Lips keep their colour as far as they go, brows stay where hair is: rendered cases with known truth."""

import dataclasses

import numpy as np
import pytest

from cephalon.appearance import TextureOptions, make_texture
from cephalon.appearance.brows import BROWS_COVER, drawn_brows
from cephalon.appearance.contours import CONTOURS, brow_hair, inside
from cephalon.appearance.gather import _hold_hair, _hold_lips
from cephalon.appearance.light import Light
from cephalon.appearance.skin import SkinColour
from cephalon.appearance.surface import skin_surface
from cephalon.colour import linear_from_srgb
from cephalon.photo import Photo

from . import stage
from .stage import SKIN, posterior, shoot
from .test_intruders import draw, pictured

SIZE = 256
OPTIONS = TextureOptions(size=SIZE)
ROUGE = np.array([0.42, 0.07, 0.09])
SMILE = {"jawOpen": 0.15, **dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 0.7)}
SET = CONTOURS["mediapipe478"]


@pytest.fixture(autouse=True)
def rouge(monkeypatch):
    monkeypatch.setitem(stage.PAINTS, "rouge", ROUGE)
    monkeypatch.setitem(stage.PAINTS, "shine", np.array([0.75, 0.62, 0.62]))


def look(model, texels, shot):
    """Return linear albedo (t, 3) and provenance codes (t,) at the texels."""
    texture = make_texture([shot.photo], [shot.observation], posterior(model, [shot]), model, OPTIONS)
    albedo = linear_from_srgb(texture.albedo_srgb).reshape(-1, 3)[texels.index]
    return albedo, texture.provenance.reshape(-1)[texels.index]


def at_texels(model, texels, values):
    """Carry values (n,) of the fine vertices over to the texels."""
    return texels.spread(np.asarray(values, dtype=np.float32)[skin_surface(model).fine_index])


def made_up(model, places):
    """Fine vertices (n,) inside the outer contour of the lips."""
    loop = model.point_set("mediapipe478").positions(model.mean, model.faces)[list(SET.outer_lips)]
    near = (places[:, 2] > loop[:, 2].min() - 4) & (np.abs(places[:, 1] - loop[:, 1].mean()) < 20)
    return near & inside(places[:, 0], places[:, 1], loop[:, :2])


def hair_of_brows(model, places):
    """Fine vertices (n,) of brows as they lie under the points of landmarkers."""
    points = model.point_set("mediapipe478").positions(model.mean, model.faces)
    across = float(np.linalg.norm(points[33] - points[263]))
    found = np.zeros(len(places), dtype=bool)
    for brow, eye in zip(SET.brows, SET.eyes, strict=True):
        loop = brow_hair(points[list(brow)], points[list(eye)], across)
        found |= inside(places[:, 0], places[:, 1], loop[:, :2]) & (places[:, 2] > loop[:, 2].min() - 6)
    return found


@pytest.mark.parametrize("expression", [None, SMILE])
def test_lips_are_red_up_to_where_landmarks_outline_them(model, texels, places, expression):
    painted = made_up(model, places)
    surface = skin_surface(model)
    found, code = look(model, texels, shoot(model, expression=expression, paint={"rouge": painted}, size=900))
    model_lips = np.maximum(surface.regions["lips_upper"], surface.regions["lips_lower"])
    beyond = (at_texels(model, texels, painted) > 0.95) & (texels.spread(model_lips) < 0.2) & (code == 1)
    assert beyond.sum() > 20
    redness = np.median(found[beyond, 0] / found[beyond, 1])
    assert redness > 0.7 * ROUGE[0] / ROUGE[1]  # the skin's is 0.26 of it
    # the skin beside them is none of them
    skin = (texels.spread(surface.lips) == 0) & (texels.spread(surface.regions["mouth"]) > 0.9) & (code == 1)
    assert np.median(found[skin, 0] / found[skin, 1]) < 1.3 * SKIN[0] / SKIN[1]


def test_shine_on_lips_takes_their_colour(model, texels, places):
    painted = made_up(model, places)
    lower = skin_surface(model).regions["lips_lower"]
    middle = places[skin_surface(model).fine_index][lower > 0.9, 1].mean()
    shine = painted & (np.abs(places[:, 0]) < 12) & (np.abs(places[:, 1] - middle) < 2.5)
    assert shine.sum() > 20
    found, code = look(model, texels, shoot(model, paint={"rouge": painted, "shine": shine}, size=900))
    here = (at_texels(model, texels, shine) > 0.9) & (code == 1)
    assert here.sum() > 10
    assert np.median(found[here, 0] / found[here, 1]) > 0.4 * ROUGE[0] / ROUGE[1]  # shine's own: 0.2 of it
    assert np.median(found[here].mean(1)) < 2 * ROUGE.mean()  # shine's own: 3.4 times


def test_lips_are_held_in_one_direction_only():
    lips = np.log(np.tile(ROUGE, (4, 1))).astype(np.float32)
    albedo = np.exp(lips) * np.array([[1.0], [0.15], [2.5], [1.0]], dtype=np.float32)
    albedo[3] = [0.6, 0.55, 0.55]  # a tooth
    held = _hold_lips(albedo, np.ones((4, 1), dtype=np.float32), lips)
    assert held[:2] == pytest.approx(albedo[:2], rel=1e-3)  # as it is, and hair
    assert held[2].mean() < 1.4 * ROUGE.mean()
    assert held[3, 0] / held[3, 1] > 3
    assert _hold_lips(albedo, np.zeros((4, 1), dtype=np.float32), lips) == pytest.approx(albedo)


def half_frames(canvas, eyes, apart):
    """Dark upper rims of glasses, and the bridge, below the brows."""
    width = round(0.08 * apart)
    for x, y in eyes:
        canvas.arc(
            (x - 0.42 * apart, y - 0.17 * apart, x + 0.42 * apart, y + 0.4 * apart), 170, 370, (15, 15, 18), width
        )
    middle = eyes.mean(0)
    canvas.line((middle[0] - 0.12 * apart, middle[1], middle[0] + 0.12 * apart, middle[1]), (15, 15, 18), width)


def test_brows_above_frames_are_the_photos(model, texels, places):
    hair = hair_of_brows(model, places)
    assert hair.sum() > 60
    shot = draw(shoot(model, paint={"hair": hair}, size=900), half_frames)
    found, code = look(model, texels, shot)
    here = at_texels(model, texels, hair) > 0.9
    assert (code[here] == 1).mean() > 0.6
    tone = np.median(found[texels.spread(skin_surface(model).regions["cheeks"]) > 0.9].mean(1))
    assert np.median(found[here].mean(1)) < 0.5 * tone
    # and the frame is not
    lids = (texels.spread(skin_surface(model).regions["eyes"]) > 0.9) & ~here & (code == 1)
    assert (found[lids].mean(1) < 0.25 * tone).mean() < 0.05


def test_a_brow_that_a_frame_hides_is_drawn(model, texels, places):
    def bar(canvas, eyes, apart):
        half_frames(canvas, eyes, apart)
        for x, y in eyes:
            canvas.line(
                (x - 0.45 * apart, y - 0.3 * apart, x + 0.45 * apart, y - 0.3 * apart), (15, 15, 18), round(0.2 * apart)
            )

    found, code = look(model, texels, draw(shoot(model, paint={"hair": hair_of_brows(model, places)}, size=900), bar))
    core = texels.brows > 0.6
    assert (code[core] == 3).mean() > 0.8
    tone = np.median(found[texels.spread(skin_surface(model).regions["cheeks"]) > 0.9].mean(1))
    assert 0.2 < np.median(found[core].mean(1)) / tone < 0.9


def test_drawn_brows_are_hairs_as_dense_at_every_size(model):
    covers = {size: drawn_brows(model, size) for size in (256, 1024)}
    for cover in covers.values():
        assert 0 <= cover.min() < cover.max() <= 1
        assert np.abs(cover - cover[:, ::-1]).mean() < 0.2 * cover.mean()  # both alike, but for the pixels they fall on
    coarse = covers[1024].reshape(256, 4, 256, 4).mean((1, 3))
    assert covers[256].sum() == pytest.approx(coarse.sum(), rel=0.03)
    solid = coarse > 0.5
    assert coarse[solid].mean() == pytest.approx(BROWS_COVER, abs=0.12)
    # fine structure runs along the brow, not across it: it is hair, not blotches
    inside_brow = covers[1024][1:-1, 1:-1] > 0.3
    along = np.abs(np.diff(covers[1024], axis=1))[1:-1, 1:][inside_brow].mean()
    across = np.abs(np.diff(covers[1024], axis=0))[1:, 1:-1][inside_brow].mean()
    assert across > 1.5 * along


def test_hair_has_the_colours_of_hair():
    rng = np.random.default_rng(4)
    albedo = rng.uniform(0.01, 0.5, (4000, 3)).astype(np.float32)
    before = albedo.copy()
    _hold_hair(albedo, np.ones(4000, dtype=np.float32), (0.4, -0.5))
    red, green, blue = albedo.T
    assert (red >= green * 0.999).all()
    assert (green >= blue * 0.999).all()
    assert (np.log(red / green) < 0.401).all()
    assert (np.log(blue / green) > -0.501).all()
    fine = (before[:, 0] > before[:, 1]) & (before[:, 1] > before[:, 2])
    fine &= (np.log(before[:, 0] / before[:, 1]) < 0.4) & (np.log(before[:, 2] / before[:, 1]) > -0.5)
    assert fine.sum() > 10
    assert albedo[fine] == pytest.approx(before[fine], rel=1e-4)


def metal(canvas, eyes, apart):
    """Thin rims, low on the nose: the bridge and what joins it, and the lower halves by themselves."""
    width, grey = max(2, round(0.03 * apart)), (245, 245, 245)
    middle = eyes.mean(0) + np.array([0, 0.2 * apart])
    canvas.line((middle[0] - 0.42 * apart, middle[1], middle[0] + 0.42 * apart, middle[1]), grey, width)
    for x, y in eyes:
        canvas.arc((x - 0.38 * apart, y, x + 0.4 * apart, y + 0.7 * apart), 30, 150, grey, width)


def test_bright_rims_low_on_the_nose_leave_no_line(model, texels, places):
    shot = shoot(model, size=900)
    wired = draw(shot, metal)
    below = np.maximum(*(texels.spread(skin_surface(model).regions[name]) for name in ("cheeks", "nose"))) > 0.9
    under = below & (
        pictured(model, texels, places, wired).mean(1) > 1.6 * pictured(model, texels, places, shot).mean(1)
    )
    assert under.sum() > 60
    bare, _ = look(model, texels, shot)
    found, code = look(model, texels, wired)
    assert np.median((found / bare).mean(1)[under]) < 1.03
    assert (code[below] == 1).mean() > 0.4


def test_the_shade_under_a_jaw_is_no_beard(model, texels, places):
    # dark and somewhat rough, from the edge of the jaw down, as collars, hands and shadows are
    chin = model.point_set("mediapipe478").positions(model.mean, model.faces)[152]
    dark = np.exp(-(((places[:, 1] - chin[1] + 5) / 6) ** 2) / 2 - (places[:, 0] / 18) ** 2 / 2) * (
        places[:, 2] > chin[2] - 30
    )
    plain, shaded = shoot(model, size=900), shoot(model, size=900, shade=np.exp(-2.6 * dark))
    there = shaded.photo.rgb_srgb.mean(2) < 0.8 * plain.photo.rgb_srgb.mean(2)
    grain = np.exp(np.random.default_rng(0).normal(0, 0.16, (450, 450))).repeat(2, 0).repeat(2, 1)
    picture = np.clip(shaded.photo.rgb_srgb * np.where(there, grain, 1)[..., None], 0, 255).astype(np.uint8)
    shot = dataclasses.replace(shaded, photo=Photo.from_array(picture))
    bare, _ = look(model, texels, plain)
    found, _ = look(model, texels, shot)
    under = at_texels(model, texels, dark) > 0.6
    assert under.sum() > 50
    assert np.median((found / bare).mean(1)[under]) > 0.5  # as a beard: under 0.2


@pytest.mark.parametrize(("within", "rough", "beard"), [(20, 0.13, True), (0, 0.13, False), (0, 0.6, True)])
def test_a_small_beard_off_the_face_has_to_be_rougher(within, rough, beard):
    rng = np.random.default_rng(1)
    picture = np.full((80, 80, 3), 0.4, dtype=np.float32)
    spot = np.s_[29:51, 27:53]
    picture[spot] *= 0.25 * np.exp(rng.normal(0, rough, (22, 26, 1)))
    normal = np.zeros((80, 80, 3), dtype=np.float32)
    normal[..., 2] = -1
    light = Light(coefficients=np.eye(9)[:, :1] * np.full(3, 0.4), reference=np.full(3, 0.4))
    core = np.ones((80, 80), dtype=np.float32)
    core[18:62, 16:64] = 0
    skin = SkinColour.of(picture, normal, light, core)
    everywhere = np.ones((80, 80))
    found = skin.tuft(picture, normal, light, everywhere, everywhere > 0, np.full((80, 80), within, dtype=np.float32))
    assert (found[36:44, 34:46] > 0.5).mean() == pytest.approx(float(beard), abs=0.2)
    assert found[core > 0].max() == 0
