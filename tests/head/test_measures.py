"""Measures: closed forms, invariances, derivatives against differences, sigma against sampling."""

from __future__ import annotations

import time

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from cephalon.core import InputError
from cephalon.geometry import SurfacePoints, rotation_from_rotvec
from cephalon.head.anatomy import Anatomy, anatomy_of
from cephalon.head.calliper import _convex_hull, arc, tape
from cephalon.head.measures import MEASURES, measure, measure_all, measure_all_with_sigma


@pytest.fixture(scope="module")
def person(model) -> np.ndarray:
    return model.vertices(model.sample(rng=np.random.default_rng(5), age=40, sex="male"))


def cylinder(radius: float, sides: int) -> tuple[np.ndarray, Anatomy]:
    """An upright tube as a head: tragions at x = +-radius, face at +z."""
    angle = 2 * np.pi * np.arange(sides) / sides
    ring = np.stack([radius * np.cos(angle), np.zeros(sides), radius * np.sin(angle)], axis=1)
    vertices = np.concatenate([ring + np.array([0, y, 0]) for y in (-50.0, 50.0)])
    i = np.arange(sides)
    j = (i + 1) % sides
    faces = np.concatenate([np.stack([i, j, j + sides], 1), np.stack([i, j + sides, i + sides], 1)]).astype(np.int32)
    at = {"t_l": 0, "t_r": sides // 2, "front": sides // 4}
    points = SurfacePoints(
        face_index=np.array([int(np.flatnonzero((faces[:sides] == v).any(1))[0]) for v in at.values()]),
        barycentric=np.zeros((3, 3)) + np.eye(3)[0],
        names=tuple(at),
    )
    # rings at -50 and 50: named points lie on the lower one; edges between them cross the plane y = 0
    everything = np.arange(len(vertices))
    anatomy = Anatomy(
        vertex_count=len(vertices),
        names={name: row for row, name in enumerate(at)},
        corners=np.repeat(np.array(list(at.values()))[:, None], 3, axis=1),
        weights=np.asarray(points.barycentric),
        tape_edges=np.stack([everything[:sides], everything[:sides] + sides], axis=1),
        skull=everything,
        cheek=everything,
        crown=everything,
        eyes=(everything[:1], everything[1:2]),
        irises=(everything[:1], everything[1:2]),
    )
    return vertices, anatomy


def test_tape_around_a_cylinder_is_its_perimeter():
    sides, radius = 360, 80.0
    vertices, anatomy = cylinder(radius, sides)
    level = tape(("t_l",), lambda p: (p[0] + np.array([0.0, 50.0, 0.0]), np.array([0.0, 1.0, 0.0]) + 0 * p[0]))
    polygon = 2 * sides * radius * np.sin(np.pi / sides)
    assert level(vertices, anatomy).mm == pytest.approx(polygon, rel=1e-12)


def test_arc_over_a_cylinder_is_half_its_perimeter():
    sides, radius = 360, 80.0
    vertices, anatomy = cylinder(radius, sides)
    vertices[:sides, 1] = 0.0  # the named points lie in the plane y = 0.01
    half = arc(
        ("t_l", "t_r", "front"), lambda p: (p[0] + np.array([0.0, 0.01, 0.0]), np.array([0.0, 1.0, 0.0]) + 0 * p[0])
    )
    assert half(vertices, anatomy).mm == pytest.approx(sides * radius * np.sin(np.pi / sides), rel=1e-3)


def test_convex_hull_agrees_with_qhull():
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = rng.standard_normal((60, 2)) * [3, 1]
        ours = points[_convex_hull(points)]
        theirs = ConvexHull(points)
        perimeter = np.linalg.norm(np.roll(ours, -1, axis=0) - ours, axis=1).sum()
        assert perimeter == pytest.approx(theirs.area, rel=1e-12)  # the "area" of a planar hull is its perimeter


@pytest.mark.parametrize("name", MEASURES)
def test_derivative_meets_differences(model, person, name):
    anatomy = anatomy_of(model)
    found = measure(name, person, anatomy).derivative()
    assert len(np.unique(found.vertices)) == len(found.vertices)
    rng = np.random.default_rng(1)
    for _ in range(3):
        direction = 1e-4 * rng.standard_normal(person.shape)
        ahead, behind = (measure(name, person + sign * direction, anatomy).mm for sign in (1, -1))
        predicted = (direction[found.vertices] * found.gradient).sum()
        assert (ahead - behind) / 2 == pytest.approx(predicted, abs=2e-9 + 1e-5 * abs(predicted))


@pytest.mark.parametrize("name", MEASURES)
def test_measure_scales_with_the_head_and_ignores_its_pose(model, person, name):
    anatomy = anatomy_of(model)
    mm = measure(name, person, anatomy).mm
    assert measure(name, 1.07 * person, anatomy).mm == pytest.approx(1.07 * mm, rel=1e-9)
    turned = person @ rotation_from_rotvec(np.array([0.3, -1.1, 0.4])).T + np.array([200.0, -30.0, 900.0])
    assert measure(name, turned, anatomy).mm == pytest.approx(mm, rel=1e-9)


def test_known_distances(model, person):
    points = dict(zip(model.point_set("iso").names, model.point_set("iso").positions(person, model.faces), strict=True))
    values = measure_all(model, person)
    assert values["nose breadth"] == pytest.approx(np.linalg.norm(points["al_l"] - points["al_r"]), abs=1e-9)
    sides = [np.linalg.norm(points[f"en_{s}"] - points[f"ex_{s}"]) for s in "lr"]
    assert values["palpebral fissure length"] == pytest.approx(np.mean(sides), abs=1e-9)
    eyes = [person[model.parts[f"{s}_eye"].vertices].mean(axis=0) for s in ("left", "right")]
    assert values["interpupillary distance"] == pytest.approx(np.linalg.norm(eyes[0] - eyes[1]), abs=1e-6)


def test_measures_agree_with_each_other(model, person):
    values = measure_all(model, person)
    assert values["head circumference"] > np.pi * values["head breadth"]
    assert values["head circumference"] < 2 * (values["head breadth"] + values["head length"])
    # bald heads: circumference / (length + breadth) is 1.63, sd 0.02 (ANSUR I and II, men)
    assert values["head circumference"] / (values["head breadth"] + values["head length"]) == pytest.approx(
        1.62, abs=0.06
    )
    assert values["intercanthal distance"] < values["interpupillary distance"] < values["biocular distance"]
    for name in ("coronal", "frontal", "subnasale", "chin", "submandibular"):
        assert values[f"bitragion {name} arc"] > 1.5 * values["bitragion breadth"]


def test_names_are_plain_and_defined():
    for name, each in MEASURES.items():
        assert name == each.name == name.lower()
        assert each.definition.endswith(".")
    assert {"interpupillary distance", "head breadth"} <= set(MEASURES)


def test_sigma_meets_sampling(model, person):
    rng = np.random.default_rng(2)
    k = model.identity_count
    factor = 0.15 * rng.standard_normal((k, 12))
    spread = measure_all_with_sigma(model, person, factor)
    exact = measure_all_with_sigma(model, person, None)
    draws = rng.standard_normal((300, 12)) @ factor.T
    heads = person + np.tensordot(draws, model.identity_basis.astype(np.float64), axes=1)
    anatomy = anatomy_of(model)
    for name in ("head breadth", "menton-sellion length", "interpupillary distance", "neck circumference"):
        sampled = np.std([measure(name, head, anatomy).mm for head in heads])
        mm, sigma = spread[name]
        assert mm == pytest.approx(measure(name, person, anatomy).mm)
        assert np.sqrt(sigma**2 - exact[name][1] ** 2) == pytest.approx(sampled, rel=0.2)
        assert exact[name][1] > 0.3


def test_all_measures_take_less_than_a_fiftieth_of_a_second(model, person):
    measure_all(model, person)
    best = min(_seconds(lambda: measure_all(model, person)) for _ in range(7))
    assert best < 0.02


def _seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_wrong_use_says_what_was_wrong(model, person):
    anatomy = anatomy_of(model)
    with pytest.raises(InputError, match="unknown"):
        measure("shoe size", person, anatomy)
    with pytest.raises(InputError, match="vertices"):
        measure("head breadth", person[:10], anatomy)
    with pytest.raises(InputError, match="vertices"):
        measure_all(model, np.full_like(person, np.nan))
