"""What a face has of hair stays, to where hair ends; what an expression folds goes: rendered cases with known truth."""

import dataclasses

import numpy as np
import pytest

from cephalon.appearance import TextureOptions, make_texture
from cephalon.appearance.folds import folded
from cephalon.appearance.gather import _hold_hair
from cephalon.appearance.surface import skin_surface
from cephalon.appearance.view import posed_vertices
from cephalon.appearance.whiskers import whiskers
from cephalon.colour import linear_from_srgb, srgb_from_linear
from cephalon.core import InputError
from cephalon.photo import Photo

from .stage import posterior, shoot

SIZE = 256
OPTIONS = TextureOptions(size=SIZE)
SMILE = dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 0.8)
LAUGH = {**SMILE, "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5}


def look(model, texels, shot, options=OPTIONS):
    """Return brightness (t,), linear, over that of the forehead, and provenance codes (t,) at the texels."""
    texture = make_texture([shot.photo], [shot.observation], posterior(model, [shot]), model, options)
    albedo = linear_from_srgb(texture.albedo_srgb).reshape(-1, 3)[texels.index].mean(1)
    forehead = texels.spread(skin_surface(model).regions["forehead"]) > 0.9
    return albedo / np.median(albedo[forehead]), texture.provenance.reshape(-1)[texels.index]


def at_texels(model, texels, values):
    """Carry values (n,) of the fine vertices over to the texels."""
    return texels.spread(np.asarray(values, dtype=np.float32)[skin_surface(model).fine_index])


def fold_of_cheek(model, places):
    """Fine vertices (n,) of a line, 3 mm wide, from each wing of the nose past the corner of the mouth."""
    nose, mouth = model.point_set("now7").positions(model.mean, model.faces)[[4, 6]]
    start, end = np.array([18.0, nose[1] + 4]), np.array([mouth[0] + 9, mouth[1] - 12])
    here = np.stack([np.abs(places[:, 0]), places[:, 1]], axis=1) - start
    along = (here @ (end - start)) / ((end - start) @ (end - start))
    away = np.linalg.norm(here - np.clip(along, 0, 1)[:, None] * (end - start), axis=1)
    return (away < 2.2) & (places[:, 2] > 60)


def test_a_smile_folds_the_cheeks_and_a_neutral_face_nothing(model):
    surface = skin_surface(model)
    face = surface.regions["neck"] == 0
    identity = np.zeros(model.identity_count)
    amounts = []
    for expression in (None, SMILE):
        shot = shoot(model, expression=expression, size=200)
        posed = posed_vertices(model, identity, shot.fit)
        amounts.append(folded(model, surface, identity, shot.fit, posed))
    assert amounts[0][face].max() == 0
    assert np.median(amounts[1][surface.regions["mouth"] > 0.9]) > 0.8
    assert amounts[1][surface.regions["forehead"] > 0.9].max() < 0.1
    assert amounts[1].max() <= 1


def test_the_shade_of_a_smiles_fold_is_not_in_the_albedo(model, texels, places):
    line = fold_of_cheek(model, places)
    assert line.sum() > 80
    shade = np.where(line, 0.55, 1.0)
    here = at_texels(model, texels, line) > 0.9
    dark = {}
    for name, expression, options in (
        ("neutral", None, OPTIONS),
        ("laugh", LAUGH, OPTIONS),
        ("kept", LAUGH, TextureOptions(size=SIZE, folds=0.0)),
    ):
        found, code = look(model, texels, shoot(model, expression=expression, shade=shade, size=900), options)
        seen = here & (code == 1)
        assert seen.sum() > 50
        dark[name] = 1 - np.median(found[seen])
    # a line on a neutral face is this person's own; the same line in a smile is the smile's
    assert dark["neutral"] > 0.12
    assert dark["kept"] > 0.12
    assert dark["laugh"] < 0.4 * dark["kept"]


def test_folds_option_is_checked():
    with pytest.raises(InputError, match="folds"):
        TextureOptions(folds=1.0)


def hairy(model, grown, **options):
    """Return a shot with hairs, dark strokes of 2 px, on the fine vertices (n,) that are `grown`."""
    bare = shoot(model, size=900, **options)
    shaded = shoot(model, size=900, shade=np.where(grown, 0.2, 1.0), **options)
    light = linear_from_srgb(bare.photo.rgb_srgb)
    there = linear_from_srgb(shaded.photo.rgb_srgb).mean(2) < 0.5 * light.mean(2)
    strokes = np.random.default_rng(0).normal(0.2, 0.15, (450, 450)).clip(0.02, 0.6).repeat(2, 0).repeat(2, 1)
    picture = srgb_from_linear(light * np.where(there, strokes, 1.0)[..., None])
    return dataclasses.replace(bare, photo=Photo.from_array(picture))


def chin_patch(model, places):
    """Fine vertices (n,) of a beard on the lower half of the chin and under it, 32 mm wide; the cheeks and lips are bare."""
    chin = skin_surface(model)
    rows = chin.fine_index[chin.regions["chin"] > 0.5]
    middle = places[rows].mean(0)
    return (np.abs(places[:, 0]) < 16) & (places[:, 1] < middle[1]) & (places[:, 2] > middle[2] - 22)


@pytest.mark.parametrize("yaw_deg", [0.0, 30.0])
def test_a_beard_on_the_chin_alone_stays(model, texels, places, yaw_deg):
    patch = chin_patch(model, places)
    assert patch.sum() > 50
    with_hair = hairy(model, patch, yaw_deg=yaw_deg)
    found, code = look(model, texels, with_hair)
    here = (at_texels(model, texels, patch) > 0.9) & (code == 1)
    assert here.sum() > 30
    assert np.median(found[here]) < 0.45


def test_a_beard_goes_on_under_the_jaw_and_fades_to_the_neck(model, texels, places):
    surface = skin_surface(model)
    grown = np.zeros(len(places), dtype=bool)
    grown[surface.fine_index] = surface.grows > 0.5
    found, code = look(model, texels, hairy(model, grown))
    bare, _ = look(model, texels, shoot(model, size=900))
    grows, neck = texels.spread(surface.grows), texels.spread(surface.regions["neck"])
    completed = (code == 3) & (at_texels(model, texels, np.abs(places[:, 0]) < 40) > 0.9)
    under = completed & (grows > 0.6)
    between = completed & (grows > 0.05) & (grows < 0.4) & (neck > 0.5)
    beyond = completed & (grows == 0) & (neck > 0.9)
    assert min(under.sum(), between.sum(), beyond.sum()) > 20
    ratio = found / bare
    dark, middle, none = (np.median(ratio[part]) for part in (under, between, beyond))
    assert dark < 0.75
    assert dark + 0.05 < middle < none
    assert none == pytest.approx(1, abs=0.15)


def test_whiskers_of_a_bare_face_are_none(model):
    surface = skin_surface(model)
    count = len(surface.mirror)
    tone = np.log(np.array([0.5, 0.35, 0.3]))
    nothing = whiskers(
        np.tile(tone, (count, 1)),
        np.ones(count, dtype=np.float32),
        np.ones(count, dtype=np.float32),
        tone,
        np.ones(count, dtype=bool),
        surface,
    )
    assert not nothing.density.any()
    assert not nothing.tint.any()


def test_whiskers_keep_what_is_seen_and_end_where_beards_end(model):
    surface = skin_surface(model)
    places = surface.operator @ model.mean
    tone, tint = np.log(np.array([0.5, 0.35, 0.3])), np.array([-1.2, -1.0, -0.9])
    seen = (surface.grows > 0.01) & (places[:, 0] < 0)  # the person's right half
    mean = tone + np.where(seen[:, None], tint, 0.0)
    sure = seen.astype(np.float32)
    found = whiskers(mean, sure, sure, tone, seen, surface)
    assert found.tint == pytest.approx(tint)
    inside = seen & (surface.grows > 0.9) & (places[:, 0] < -8)
    assert found.density[inside] == pytest.approx(np.ones(inside.sum()), abs=0.1)
    near, far = (
        (places[:, 0] > low) & (places[:, 0] < high) & (surface.grows > 0.9) for low, high in ((1, 6), (30, 40))
    )
    assert np.median(found.density[near]) > 0.7
    assert np.median(found.density[far]) < np.median(found.density[near])
    assert found.density[surface.grows == 0].max() == 0


def test_light_on_the_ridge_of_the_brows_goes(model, texels, places):
    surface = skin_surface(model)
    ridge = np.zeros(len(places), dtype=bool)
    ridge[surface.fine_index] = surface.regions["brows"] > 0.5
    found, code = look(model, texels, shoot(model, shade=np.where(ridge, 1.6, 1.0)))
    here = (at_texels(model, texels, ridge) > 0.9) & (code == 1)
    assert here.sum() > 50
    assert np.median(found[here]) < 1.25


def test_hair_is_neither_blue_nor_green():
    rng = np.random.default_rng(2)
    albedo = rng.uniform(0.01, 0.5, (500, 3)).astype(np.float32)
    before = albedo.copy()
    hair = np.zeros(500, dtype=np.float32)
    hair[:250] = 1
    _hold_hair(albedo, hair, (9.0, -9.0))
    assert (albedo[250:] == before[250:]).all()
    red, green, blue = albedo[:250].T
    assert (blue <= red * 1.0001).all()
    assert (green <= red * 1.0001).all()
    warm = (before[:250, 0] >= before[:250, 1]) & (before[:250, 1] >= before[:250, 2])
    assert albedo[:250][warm] == pytest.approx(before[:250][warm])
