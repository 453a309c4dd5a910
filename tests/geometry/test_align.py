"""Procrustes alignment: recovery of known maps, optimality, and data that determine nothing."""

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import Similarity, procrustes, rotation_from_rotvec
from tests.reference.geometry import horn


def cloud(seed: int, count: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 3)) * (80, 50, 30) + (10, -20, 600)


def known(scale: float) -> Similarity:
    rotation = rotation_from_rotvec([0.4, -2.0, 0.9])
    return Similarity(scale=scale, rotation=rotation, translation=np.array([30.0, -7.0, 400.0]))


def cost(found: Similarity, x: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    return float(w @ ((found.apply(x) - y) ** 2).sum(axis=1))


@pytest.mark.parametrize("scale", [1.0, 0.02, 35.0])
@pytest.mark.parametrize("count", [3, 4, 50])
def test_a_known_map_is_recovered(scale: float, count: int) -> None:
    x, truth = cloud(0, count), known(scale)
    weights = np.random.default_rng(1).uniform(0.1, 3, count)
    found = procrustes(x, truth.apply(x), weights, with_scale=True)
    assert found.scale == pytest.approx(scale)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-9)
    np.testing.assert_allclose(found.apply(x), truth.apply(x), atol=1e-9 * max(1, scale) * 1e3)
    np.testing.assert_allclose(found.inverse().apply(found.apply(x)), x, atol=1e-8)


def test_flat_points_are_turned_not_mirrored() -> None:
    x = cloud(0) * (1, 1, 0)
    truth = known(1.0)
    found = procrustes(x, truth.apply(x), allow_reflection=False)
    np.testing.assert_allclose(found.rotation, truth.rotation, atol=1e-10)


def test_mirror_images() -> None:
    x = cloud(0)
    y = x * (-1, 1, 1)
    turned = procrustes(x, y)
    assert np.linalg.det(turned.rotation) == pytest.approx(1)
    assert cost(turned, x, y, np.ones(12)) > 1
    mirrored = procrustes(x, y, allow_reflection=True)
    assert np.linalg.det(mirrored.rotation) == pytest.approx(-1)
    np.testing.assert_allclose(mirrored.apply(x), y, atol=1e-9)


def test_rigid_result_agrees_with_horns_quaternions() -> None:
    rng = np.random.default_rng(5)
    x = cloud(0)
    y = known(1.0).apply(x) + rng.normal(size=x.shape) * 4
    weights = rng.uniform(0, 2, len(x))
    found = procrustes(x, y, weights)
    rotation, translation = horn(x, y, weights)
    assert found.scale == 1
    np.testing.assert_allclose(found.rotation, rotation, atol=1e-10)
    np.testing.assert_allclose(found.translation, translation, atol=1e-7)


@pytest.mark.parametrize("with_scale", [False, True])
def test_no_neighbour_is_better(with_scale: bool) -> None:
    rng = np.random.default_rng(6)
    x = cloud(0)
    y = known(1.3).apply(x) + rng.normal(size=x.shape) * 10
    weights = rng.uniform(0.1, 2, len(x))
    best = procrustes(x, y, weights, with_scale=with_scale)
    least = cost(best, x, y, weights)
    for _ in range(200):
        step = rng.normal(size=7) * 1e-3
        near = Similarity(
            scale=best.scale * (1 + step[6]) if with_scale else 1.0,
            rotation=rotation_from_rotvec(step[:3]) @ best.rotation,
            translation=best.translation + step[3:6] * 100,
        )
        assert cost(near, x, y, weights) >= least


def test_a_point_without_weight_has_no_say() -> None:
    x = cloud(0)
    y = known(1.0).apply(x)
    y[4] += 1000
    weights = np.ones(12)
    weights[4] = 0
    np.testing.assert_allclose(procrustes(x, y, weights).rotation, known(1.0).rotation, atol=1e-10)
    np.testing.assert_allclose(
        procrustes(x, y, 7 * weights).translation, procrustes(x, y, weights).translation, atol=1e-9
    )


LINE = np.outer(np.arange(5.0), [1.0, 2.0, 3.0]) + 100
SPOT = np.full((5, 3), 123.4)


@pytest.mark.parametrize(
    ("source", "target", "weights", "message"),
    [
        (cloud(0, 2), cloud(1, 2), None, "at least 3 points"),
        (np.zeros((0, 3)), np.zeros((0, 3)), None, "at least 3 points"),
        (cloud(0, 5), cloud(1, 5), [1, 1, 0, 0, 0], "at least 3 points with weight, got 2"),
        (LINE, cloud(0, 5), None, "source points lie on one line"),
        (cloud(0, 5), LINE, None, "target points lie on one line"),
        (SPOT, cloud(0, 5), None, "source points lie on one line or in one spot"),
        (cloud(0, 5), SPOT, None, "target"),
        (cloud(0, 5), cloud(0, 4), None, "target: expected shape"),
        (cloud(0, 5), cloud(0, 5), [1, 1, 1, 1, -1], "from 0"),
        (cloud(0, 5), cloud(0, 5) * np.nan, None, "finite"),
    ],
)
def test_what_determines_no_rotation_is_refused(source, target, weights, message: str) -> None:
    with pytest.raises(InputError, match=message):
        procrustes(source, target, weights)


def test_an_undecided_turn_is_refused() -> None:
    tetrahedron = np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    with pytest.raises(InputError, match="more than one rotation"):
        procrustes(tetrahedron, -tetrahedron)


def test_impossible_similarities_are_refused() -> None:
    with pytest.raises(InputError, match="scale"):
        Similarity(scale=0.0, rotation=np.eye(3), translation=np.zeros(3))
    with pytest.raises(InputError, match="orthonormal"):
        Similarity(scale=1.0, rotation=2 * np.eye(3), translation=np.zeros(3))
