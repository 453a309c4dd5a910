"""How people look: folds, hair and clothes, against what they must obey on any head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cephalon.geometry import Rigid, rotation_from_rotvec
from cephalon.synth.assemble import assemble
from cephalon.synth.body import clothes
from cephalon.synth.folds import fold_depth, fold_skin
from cephalon.synth.options import PersonOptions
from cephalon.synth.paint import fitting_skins, paint_skin
from cephalon.synth.person import Person, draw_person
from cephalon.synth.strands import cards
from cephalon.synth.yardstick import yardstick

LOCKS = {"style": "strands", "curl": 0.3, "volume": 1.0, "parting": 0.2, "balding": 0.0}


@pytest.fixture(scope="module")
def people(library) -> list[Person]:
    return [draw_person(library.model, PersonOptions(), rng=np.random.default_rng([8, k])) for k in range(600)]


# -- folds --------------------------------------------------------------------------------------------------------------


def test_a_smile_folds_its_own_cheek_and_rest_folds_nothing(library):
    maps = library.maps[256]
    flat = np.full((256 * 256, 4), 200, np.uint8)
    fold_skin(flat, maps.folds, {"mouthSmileLeft": 0.0}, 50.0)
    assert (flat == 200).all()
    smiling = flat.copy()
    fold_skin(smiling, maps.folds, {"mouthSmileLeft": 1.0}, 50.0)
    darker = (smiling[:, 1] < 186).reshape(256, 256) & maps.chart.covered
    x = maps.position[..., 0][darker]
    assert len(x) > 20
    assert (x > -4).all()  # +x is the person's left
    # red light comes through the skin beside the crease
    assert (smiling[darker.ravel(), 0] > smiling[darker.ravel(), 1]).all()
    # the crease of the cheek lies beside the mouth, outside its corner
    points = library.model.point_set("iso")
    corner = points.positions(library.model.mean, library.model.faces)[points.index("ch_l")]
    level = np.abs(maps.position[..., 1] - corner[1]) < 4
    beside = maps.position[..., 0][darker & level]
    assert corner[0] + 1 < np.median(beside) < corner[0] + 20


def test_folds_deepen_with_age_and_movement():
    for name, cause in (("forehead", "browOuterUp"), ("frown", "browDown"), ("outer eye", "eyeSquint")):
        depths = [
            fold_depth(name, "Left", {cause + "Left": move}, age) for age in (10.0, 60.0) for move in (0.0, 0.4, 1.0)
        ]
        assert depths[0] == depths[3] == 0
        assert depths[1] < depths[2] < depths[5]
        assert depths[1] < depths[4]
        assert fold_depth(name, "Right", {cause + "Left": 1.0}, 60.0) == 0


def test_folds_are_shade_and_not_colour(library, shots):
    shot = shots[0]
    actor = shot.scene.actors[0]
    names = library.model.expression_names
    smile = np.array([1.0 if n.startswith(("mouthSmile", "browInnerUp")) else 0.0 for n in names])
    stages = [
        assemble(
            library,
            replace(shot.scene, actors=(replace(actor, expression=e),)),
            np.ones((9, 3)),
            texture=256,
            detail=0.6,
        )
        for e in (0 * smile, smile)
    ]
    albedo, _ = paint_skin(library.maps[256], actor.person)
    assert all(np.array_equal(stage.heads[0].albedo, albedo) for stage in stages)
    first = stages[1].texture_info[0]
    shaded = stages[1].texels[first[0] : first[0] + albedo.size].reshape(albedo.shape)
    assert (shaded != albedo).any(axis=-1).sum() > 100
    assert np.array_equal(stages[0].texels[: albedo.size].reshape(albedo.shape), albedo)


def test_skins_are_of_the_persons_sex_and_age(people):
    names = (
        "middleage_darkskinned_male",
        "old_lightskinned_female",
        "old_darkskinned_male_diffuse",
        "young_lightskinned_female3",
    )
    for person in people[:80]:
        fitting = fitting_skins(names, person)
        assert fitting
        beardless = person.sex == "female" or person.age_years < 14
        assert all(("female" in names[k]) == beardless for k in fitting)
        if person.age_years < 42:
            assert not any(names[k].startswith("old") for k in fitting)
        assert fitting_skins(("", ""), person) == [0, 1]
    child = next(p for p in people if p.age_years < 12)
    assert fitting_skins(("old_male_a", "old_male_b"), child) == [0, 1]  # none fits


# -- hair ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [90.0, 180.0, 300.0, 420.0])
def test_long_hair_leaves_the_face_free_and_ends_where_it_is_cut(library, people, length):
    model = library.model
    for seed in range(6):
        hair = replace(people[0].hair, **LOCKS, length_mm=length, fringe=0.9, seed=seed)
        piece = cards(model, model.mean, hair, 1.0, tied=False)
        p = yardstick(model).to_drawing(piece.vertices)
        assert np.isfinite(p).all()
        face = (np.abs(p[:, 0]) < 42) & (p[:, 2] > 60) & (p[:, 1] < 70) & (p[:, 1] > -100)
        assert face.mean() < 0.01
        # no lock comes out of the throat
        assert ((np.abs(p[:, 0]) < 30) & (p[:, 2] > 0) & (p[:, 1] < -20) & (p[:, 1] > -150)).mean() < 0.01
        # hair of the nape hangs where it grows, however short
        assert np.percentile(p[:, 1], 0.5) == pytest.approx(min(62 - 0.85 * length, -65), abs=25)
        # nothing floats: above the ears, locks lie within 4 cm of the skin
        high = p[:, 1] > 20
        distance = np.linalg.norm(p[high] - [0.0, 30.0, -12.0], axis=1)
        assert distance.max() < 165
        assert np.percentile(distance, 99) < 140


def test_a_fringe_ends_above_the_eyes(library, people):
    model = library.model
    hair = replace(people[0].hair, **LOCKS, length_mm=200.0, fringe=0.1, seed=3)
    p = yardstick(model).to_drawing(cards(model, model.mean, hair, 1.0, tied=False).vertices)
    forehead = p[(np.abs(p[:, 0]) < 25) & (p[:, 2] > 80)]
    assert len(forehead) > 20
    assert forehead[:, 1].min() > 28


def test_long_hair_stays_on_the_shoulders_when_the_head_turns(library, people):
    from cephalon.synth.assemble import _carried

    model = library.model
    hair = replace(people[0].hair, **LOCKS, length_mm=400.0, fringe=0.9, seed=1)
    piece = cards(model, model.mean, hair, 1.0, tied=False)
    turned = _carried(piece, Rigid(rotation=rotation_from_rotvec(np.array([0.2, 0.4, 0.0])), translation=np.zeros(3)))
    moved = np.linalg.norm(turned - piece.vertices, axis=1)
    drawn = yardstick(model).to_drawing(piece.vertices)[:, 1]
    assert moved[drawn < -190].max() < 1e-9
    whole = piece.vertices @ rotation_from_rotvec(np.array([0.2, 0.4, 0.0])).T
    assert np.allclose(turned[drawn > -65], whole[drawn > -65])


def test_hair_has_the_colours_of_people(people):
    colour = np.array([p.hair.rgb for p in people])
    # melanin takes blue most and red least; only dyes break this
    natural = (colour[:, 0] >= colour[:, 1] * 0.9) & (colour[:, 1] >= colour[:, 2] * 0.9)
    assert 0.95 < natural.mean()
    young = np.array([p.age_years < 40 for p in people])
    grey = np.array([p.hair.grey for p in people])
    assert grey[young].mean() < 0.06
    assert grey[[p.age_years > 70 and p.sex == "male" for p in people]].mean() > 0.4
    assert (grey > 0.4).mean() < 0.25


# -- clothes ------------------------------------------------------------------------------------------------------------


def test_clothes_fit_every_person(library, people):
    model = library.model
    seen = set()
    for person in people[:60]:
        neutral = model.vertices(model.code(identity=person.identity))
        pieces = clothes(model, neutral, person)
        seen.add(person.wear.collar)
        chin = neutral[:, 1][model.regions["lips_lower"] > 0.5].min()
        for piece in pieces:
            assert np.isfinite(piece.vertices).all()
            assert piece.material.label == "clothes"
            assert piece.faces.max() < len(piece.vertices)
            # before the ears a collar stands below the mouth
            assert piece.vertices[piece.vertices[:, 2] > 0, 1].max(initial=-np.inf) < chin
    assert seen == {"crew", "v", "shirt", "roll", "hood", "boat", "suit"}


def test_what_is_sewn_on_the_front_lies_before_the_cloth(library, people):
    model = library.model
    person = next(p for p in people if p.wear.collar == "suit" and p.age_years > 20)
    cloth, *sewn = clothes(model, model.mean, person)
    ring = cloth.vertices.reshape(-1, 48, 3)
    for piece in sewn:
        front = piece.vertices[(piece.vertices[:, 1] < -215) & (np.abs(piece.vertices[:, 0]) < 30)]
        for x, y, z in front:
            near = ring[..., 2][
                (np.abs(ring[..., 0] - x) < 15) & (np.abs(ring[..., 1] - y) < 15) & (ring[..., 2] > -20)
            ]
            if len(near):
                assert z > near.min()
