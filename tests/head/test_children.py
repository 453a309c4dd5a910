"""The packaged head model's children: of measured size, round-headed, and on modes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.geometry import face_normals, vertex_normals
from cephalon.head.anatomy import anatomy_of
from cephalon.head.measures import MEASURES
from tests.head.test_identity import ADULTS, face_vertices, head_of, measured

# boys and girls of 3, 6, ... 18 years, as shares of the adult means above: Snyder et al. 1977 (UM-HSRI-77-17)
CHILD_AGES = (3, 6, 9, 12, 15, 18)
CHILDREN = {
    "head breadth": ((0.884, 0.906, 0.928, 0.949, 0.972, 1.0), (0.897, 0.927, 0.953, 0.975, 0.990, 1.0)),
    "head length": ((0.900, 0.921, 0.936, 0.950, 0.968, 1.0), (0.926, 0.956, 0.980, 0.990, 0.997, 1.0)),
    "head circumference": ((0.883, 0.903, 0.924, 0.946, 0.971, 1.0), (0.899, 0.928, 0.956, 0.978, 0.994, 1.0)),
    "bizygomatic breadth": ((0.786, 0.831, 0.869, 0.906, 0.945, 1.0), (0.825, 0.870, 0.913, 0.952, 0.982, 1.0)),
    "menton-sellion length": ((0.700, 0.757, 0.815, 0.873, 0.932, 1.0), (0.768, 0.826, 0.895, 0.958, 0.990, 1.0)),
}


@pytest.mark.parametrize("name", CHILDREN)
def test_children_have_published_means(model, name):
    anatomy = anatomy_of(model)
    for row, sex in enumerate(("male", "female")):
        for age, share in zip(CHILD_AGES, CHILDREN[name][row], strict=True):
            expected = ADULTS[name][row][0] * share
            found = MEASURES[name].function(head_of(model, age=age, sex=sex), anatomy).mm
            assert found == pytest.approx(expected, rel=0.04), (sex, age)


def test_children_are_no_part_of_the_prior(model):
    """The unknown person is an adult, and one standard deviation of growth's modes is nothing against adults' variety."""
    rng = np.random.default_rng(11)
    heads = [model.vertices(model.sample(rng=rng)) for _ in range(100)]
    lengths = measured(model, "menton-sellion length", heads)
    assert lengths.min() > 90  # six-year-olds have 93, so that this one in a hundred adults has a very short face
    assert lengths.mean() == pytest.approx(118, rel=0.03)
    face, growth = face_vertices(model), model.link.growth.count
    size = np.sqrt((model.identity_basis[:, face].astype(np.float64) ** 2).sum(axis=2).mean(axis=1))
    assert np.linalg.norm(size[:growth]) < 0.12 * np.linalg.norm(size)


def test_children_take_growths_modes_and_are_no_caricatures_in_the_others(model):
    """In adults' modes a child is as near the mean as an adult; those of growth it leaves step by step."""
    growth = model.link.growth.count
    for sex in ("male", "female"):
        means = np.array([model.link.condition(age=age, sex=sex)[0] for age in (*range(3, 20), 20)])
        assert np.linalg.norm(means[:, growth:], axis=1).max() < 3
        away = np.linalg.norm(means[:, :growth], axis=1)
        assert (np.diff(away) < 0).all()
        assert away[0] < 60
        assert away[-1] == pytest.approx(0, abs=1e-6)
        steps = np.linalg.norm(np.diff(means[:, :growth], axis=0), axis=1)
        assert steps.max() < 3 * steps.mean()
    middle, factor = model.link.condition_young()
    for age in (3, 8, 14, 18):
        off = np.linalg.solve(factor, model.link.condition(age=age)[0] - middle)
        assert np.linalg.norm(off) < 3.5, age


def test_children_grow(model):
    """From year to year no head or face becomes smaller, and most of the face's growth comes after the skull's."""
    ages = (3, 5, 7, 9, 11, 13, 15, 17)
    grown = {}
    for sex in ("male", "female"):
        heads = np.stack([head_of(model, age=age, sex=sex) for age in ages])
        for name in (
            *CHILDREN,
            "tragion to top of head",
            "ear length",
            "nose protrusion",
            "lip length",
            "neck circumference",
        ):
            values = measured(model, name, heads)
            assert np.diff(values).min() > -0.002 * values[0], (name, sex)
            grown[name] = values[0] / values[-1]
    assert grown["menton-sellion length"] < grown["bizygomatic breadth"] < grown["head length"]


@pytest.mark.parametrize("sex", ["male", "female"])
def test_childrens_skulls_are_round_and_smooth(model, sex):
    """No dents or edges: the skull's surface turns from vertex to vertex nearly as evenly as the adults' mean does.

    Head breadth is 0.76 of head length at three years (Snyder et al. 1977).
    """
    skin = model.parts["skin"]
    faces = model.faces[skin.faces]
    smooth = (model.regions["skull"] > 0.9) & (model.regions["ears"] < 0.05) & (model.regions["neck"] < 0.05)
    sides = np.unique(np.sort(np.concatenate([faces[:, :2], faces[:, 1:]]), axis=1), axis=0)
    sides = sides[smooth[sides].all(axis=1)]

    def turns(head: np.ndarray) -> np.ndarray:
        normals = vertex_normals(head, model.faces)
        along = head[sides[:, 1]] - head[sides[:, 0]]
        bend = ((normals[sides[:, 1]] - normals[sides[:, 0]]) * along).sum(axis=1) / (along**2).sum(axis=1)
        return bend * 80.0  # times the radius of a head: 1 on a ball

    usual = turns(model.mean)
    vault = (model.mean[sides, 1] > 45).all(axis=1)  # mm above the ears
    for age in (3, 5, 8, 14):
        own = turns(head_of(model, age=age, sex=sex))
        assert own.std() < 1.35 * usual.std(), age
        assert np.percentile(own, 99) < np.percentile(usual, 99) + 0.4, age
        assert np.percentile(own[vault], 1) > -0.5, age
    breadth, length = (
        measured(model, name, [head_of(model, age=3, sex=sex)])[0] for name in ("head breadth", "head length")
    )
    assert 0.73 < breadth / length < 0.82


def test_single_children_are_sound(model):
    """Of 40 children of 3 to 17 years no face folds, lids lie on the eyeballs, and no two are alike."""
    rng = np.random.default_rng(5)
    inside = np.zeros(len(model.mean), dtype=bool)
    inside[face_vertices(model)] = True
    faces = model.faces[model.parts["skin"].faces]
    faces = faces[inside[faces].all(axis=1)]
    points = model.point_set("iso")
    margins = [points.index(f"{name}_{side}") for name in ("ps", "pi") for side in "lr"]
    heads, turned = [], []
    for i, age in enumerate(np.linspace(3, 17, 40)):
        sex = "male" if i % 2 else "female"
        head = model.vertices(model.sample(rng=rng, age=float(age), sex=sex))
        upright = face_normals(head_of(model, age=float(age), sex=sex), faces)
        turned.append(((face_normals(head, faces) * upright).sum(axis=1) < 0).mean())
        at = points.positions(head, model.faces)[margins]
        for part, rows in (("left_eye", [0, 2]), ("right_eye", [1, 3])):
            ball = head[model.parts[part].vertices]
            radius = np.ptp(ball[:, 0]) / 2 / np.sin(np.radians(80.0))
            gap = np.linalg.norm(at[rows] - (ball[-1] + [0, 0, radius]), axis=1) - radius
            assert -0.3 < gap.min() < gap.max() < 4.0, (age, gap)
        heads.append(head)
    assert np.mean(turned) < 0.004
    apart = np.stack(heads)[:, face_vertices(model)]
    apart = apart - apart.mean(axis=1, keepdims=True)
    assert np.sqrt(((apart[1:] - apart[:-1]) ** 2).sum(-1).mean(-1)).min() > 2.0
