"""Distances and alignment against slow independent computations, and known answers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from cephalon.core import InputError
from cephalon.evaluate.alignment import refine
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.now import crop, crop_ball, landmark_start, scale_error_percent, scan_to_mesh
from cephalon.evaluate.surface import Surface, Track, spatial_order
from tests.evaluate.shapes import face, motion, moved, sphere
from tests.reference.distance import point_to_mesh

EXACT_MM = 1e-6


def nasty_mesh(rng):
    """A soup: slivers, a point, a line, duplicates, far corners."""
    vertices = rng.normal(0, 40, (120, 3))
    faces = rng.integers(0, 120, (200, 3)).astype(np.int32)
    faces[0] = 3, 3, 3
    faces[1] = 4, 4, 5
    vertices[7] = 0.5 * (vertices[8] + vertices[9])
    faces[2] = 7, 8, 9
    faces[3] = faces[4]
    vertices[11] = vertices[12] + 1e-9
    faces[5] = 11, 12, 13
    return vertices, faces


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_of_brute_force(seed):
    rng = np.random.default_rng(seed)
    vertices, faces = nasty_mesh(rng)
    points = np.concatenate(
        [rng.normal(0, 60, (300, 3)), vertices[:20], 0.5 * (vertices[faces[:20, 0]] + vertices[faces[:20, 1]])]
    )
    found = Surface(vertices, faces).closest(points)
    assert np.abs(found.distance - point_to_mesh(points, vertices, faces)).max() < EXACT_MM
    assert np.abs(np.linalg.norm(points - found.point, axis=1) - found.distance).max() < 1e-9
    on_own = [point_to_mesh(p[None], vertices, faces[f][None])[0] for p, f in zip(found.point, found.face, strict=True)]
    assert max(on_own) < EXACT_MM  # the face that is named holds the point


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 100])
def test_small_meshes(count):
    rng = np.random.default_rng(count)
    vertices = rng.normal(0, 10, (count + 2, 3))
    faces = np.stack([np.arange(count), np.arange(count) + 1, np.arange(count) + 2], 1).astype(np.int32)
    points = rng.normal(0, 20, (50, 3))
    assert (
        np.abs(Surface(vertices, faces).closest(points).distance - point_to_mesh(points, vertices, faces)).max()
        < EXACT_MM
    )


@pytest.mark.parametrize("reach", [0.1, 3.0])
def test_tracked_points_find_the_same(reach):
    """Points that move by less and by more than the remembered reach, with hints right and wrong."""
    rng = np.random.default_rng(5)
    shape = face(30, 35)
    surface = Surface(shape.vertices, shape.faces)
    points = shape.vertices[::3] + rng.normal(0, 2, (len(shape.vertices[::3]), 3))
    track = Track(len(points), reach)
    first = surface.closest(points, None, track)
    wrong = rng.integers(0, len(surface.corners), len(points)).astype(np.int32)
    for step in (0.0, 0.05, 1.0, 5.0):
        shifted = points + rng.normal(0, step, points.shape)
        plain = surface.closest(shifted).distance
        assert np.abs(surface.closest(shifted, first.slot, track).distance - plain).max() < 1e-12
        assert np.abs(surface.closest(shifted, wrong).distance - plain).max() < 1e-12


def test_libigl_agrees():
    igl = pytest.importorskip("igl", reason="the outside oracle libigl is not installed (extra evaluate)")
    shape, rng = face(), np.random.default_rng(1)
    points = rng.uniform(-120, 120, (2000, 3))
    theirs = igl.point_mesh_squared_distance(points, shape.vertices, shape.faces.astype(np.int64))[0]
    assert np.abs(Surface(shape.vertices, shape.faces).closest(points).distance - np.sqrt(theirs)).max() < EXACT_MM


def test_spatial_order_is_a_permutation():
    points = np.random.default_rng(0).normal(size=(1000, 3))
    assert sorted(spatial_order(points)) == list(range(1000))
    assert len(spatial_order(np.zeros((0, 3)))) == 0


def slow_refine(prediction, points, start, with_scale):
    """The same minimum by scipy over brute-force distances; unknowns about the points' centre."""
    centre = points.mean(0)

    def mesh(x):
        placed = start.apply(prediction.vertices) - centre
        grow = np.exp(x[6]) if with_scale else 1.0
        return grow * Rotation.from_rotvec(x[:3]).apply(placed) + centre + 50 * x[3:6]

    def residual(x):
        return point_to_mesh(points, mesh(x), prediction.faces, chunk=256)

    found = least_squares(residual, np.zeros(7 if with_scale else 6), xtol=1e-10, ftol=1e-12, gtol=1e-10, max_nfev=40)
    return residual(found.x)


@pytest.mark.parametrize("with_scale", [False, True])
def test_refinement_finds_the_minimum_of_a_general_solver(with_scale):
    prediction = face(9, 11)
    points = face(6, 8, seed=3).vertices
    start = motion([0.01, -0.02, 0.01], [0.5, 1.0, -0.5], 1.01 if with_scale else 1.0)
    fast = refine(Surface(prediction.vertices, prediction.faces), points, start, with_scale=with_scale)
    slow = slow_refine(prediction, points, start, with_scale)
    assert fast.converged
    # never above the general solver's minimum, which stops a little earlier on a function with folds
    assert (fast.distance**2).sum() <= (slow**2).sum() * (1 + 1e-9)
    assert np.sqrt((slow**2).mean()) - np.sqrt((fast.distance**2).mean()) < 1e-3
    place = fast.scan_from_prediction
    assert (
        np.abs(fast.distance - point_to_mesh(points, place.apply(prediction.vertices), prediction.faces)).max()
        < EXACT_MM
    )


@pytest.mark.parametrize("metrical", [True, False])
def test_same_optimum_from_perturbed_starts(metrical):
    prediction, scan = face(), face(120, 140, seed=7)
    reference = scan_to_mesh(prediction, scan, metrical=metrical)
    surface, points, rng = (
        Surface(prediction.vertices, prediction.faces),
        scan.vertices[reference.rows],
        np.random.default_rng(0),
    )
    for _ in range(4):
        kick = motion(rng.normal(0, 0.04, 3), rng.normal(0, 3, 3), 1.0 if metrical else 1.03)
        begin = reference.alignment.scan_from_prediction
        start = replace(
            begin,
            scale=begin.scale * kick.scale,
            rotation=kick.rotation @ begin.rotation,
            translation=begin.translation + kick.translation,
        )
        other = refine(surface, points, start, with_scale=not metrical)
        assert other.converged
        assert abs(other.distance.mean() - reference.mean_mm) < 1e-4
        assert np.abs(other.distance - reference.distance).max() < 2e-2


def test_the_gradient_vanishes_at_the_minimum():
    """Energy by brute force rises in every direction of motion."""
    prediction, points = face(14, 16), face(9, 11, seed=1).vertices
    found = refine(
        Surface(prediction.vertices, prediction.faces), points, motion([0, 0, 0], [0, 0, 0]), with_scale=True
    )
    place = found.scan_from_prediction.apply(prediction.vertices)

    def energy(x):
        turned = np.exp(x[6]) * Rotation.from_rotvec(x[:3]).apply(place) + x[3:6]
        return 0.5 * (point_to_mesh(points, turned, prediction.faces, chunk=512) ** 2).sum()

    centre = energy(np.zeros(7))
    for axis, step in enumerate([1e-3] * 3 + [0.1] * 3 + [1e-3]):
        for sign in (-1, 1):
            assert energy(sign * step * np.eye(7)[axis]) > centre


def test_crop_follows_the_equation():
    p = face().landmarks
    middle = (p[1] + p[2]) / 2
    centre, radius = crop_ball(p)
    assert np.allclose(centre, p[4] + 0.3 * (middle - p[4]))
    assert radius == pytest.approx(1.4 * (np.linalg.norm(p[0] - p[3]) + np.linalg.norm(middle - p[4])) / 2)
    points = face().vertices
    inside = np.linalg.norm(points - centre, axis=1) <= radius
    assert np.array_equal(crop(points, p), np.flatnonzero(inside))
    assert 0.2 < inside.mean() < 0.95


@pytest.mark.parametrize("metrical", [True, False])
def test_known_answers(metrical):
    scan = face(seed=2)
    equal = scan_to_mesh(scan, scan, metrical=metrical)
    assert equal.median_mm < EXACT_MM
    assert equal.mean_mm < EXACT_MM
    shifted = moved(scan, motion([0.4, -0.9, 0.2], [300, -20, 55]))
    assert scan_to_mesh(shifted, scan, metrical=metrical).distance.max() < EXACT_MM
    grown = moved(scan, motion([0.1, 0.2, 0.3], [5, 5, 5], 1.1))
    error = scan_to_mesh(grown, scan, metrical=metrical).mean_mm
    assert error > 0.5 if metrical else error < EXACT_MM


def test_scale_error_is_told_in_per_cent():
    scan = face(seed=2)
    grown = moved(scan, motion([0, 0, 0], [0, 0, 0], 1.1))
    found = scan_to_mesh(grown, scan, metrical=True)
    assert scale_error_percent(grown, scan, found, Surface(grown.vertices, grown.faces)) == pytest.approx(10, abs=1e-3)


def test_spheres():
    """A scan on a sphere of radius 80 and a prediction of 78: 2 mm wherever the facets' own error is small."""
    vertices, faces = sphere(78.0)
    inner_edge = 78 * (1 - np.cos(np.pi / 40))
    points = np.random.default_rng(0).normal(size=(1500, 3))
    points = 80 * points / np.linalg.norm(points, axis=1, keepdims=True)
    surface, start = Surface(vertices, faces), motion([0, 0, 0], [1, 0, 0])
    metrical = refine(surface, points, start, with_scale=False, max_iterations=12)
    assert metrical.distance.min() > 2 - inner_edge
    assert metrical.distance.max() < 2 + 2 * inner_edge
    free = refine(surface, points, start, with_scale=True, max_iterations=12)
    assert free.scan_from_prediction.scale == pytest.approx(80 / 78, rel=2e-3)
    assert free.distance.mean() < 0.2


def test_search_without_landmarks_finds_turned_heads():
    prediction, scan = face(20, 24), face(40, 46, seed=4)
    straight = scan_to_mesh(replace(prediction, landmarks=None), scan, metrical=True)
    turned = moved(scan, motion([1.0, 2.0, -0.5], [400, -90, 1000]))
    found = scan_to_mesh(replace(prediction, landmarks=None), turned, metrical=True)
    assert len(found.rows) == len(scan.vertices)
    assert found.median_mm == pytest.approx(straight.median_mm, abs=1e-3)
    assert "cube" in found.alignment.start or "stands" in found.alignment.start


def test_official_quirks():
    """The metrical code takes the translation of the scaled alignment; where sizes agree that changes nothing."""
    scan, prediction = face(seed=2), face(seed=5, size=1.05)
    plain, _ = landmark_start(prediction.landmarks, scan.landmarks, metrical=True)
    odd, _ = landmark_start(prediction.landmarks, scan.landmarks, metrical=True, quirks=True)
    scaled, _ = landmark_start(prediction.landmarks, scan.landmarks, metrical=False)
    assert plain.scale == odd.scale == 1
    assert np.allclose(odd.translation, scaled.translation)
    assert not np.allclose(odd.translation, plain.translation)
    a, b = (scan_to_mesh(prediction, scan, metrical=True, quirks=q) for q in (False, True))
    assert a.mean_mm == pytest.approx(b.mean_mm, abs=1e-4)


def test_landmarks_in_another_order_are_found_out():
    scan = face(seed=2)
    for order, shown in (([3, 2, 1, 0, 4, 6, 5], "4 3 2 1 5 7 6"), ([4, 0, 1, 2, 3, 5, 6], "2 3 4 5 1 6 7")):
        wrong = replace(scan, landmarks=scan.landmarks[order])
        with pytest.raises(InputError, match=f"another order.*{shown}"):
            scan_to_mesh(wrong, scan, metrical=False)
    mirrored = Shape(vertices=scan.vertices * [-1, 1, 1], faces=scan.faces, landmarks=scan.landmarks * [-1, 1, 1])
    with pytest.raises(InputError):
        scan_to_mesh(
            replace(mirrored, landmarks=mirrored.landmarks + np.outer(np.arange(7), [9, -14, 11])), scan, metrical=True
        )


def test_scan_elsewhere_than_its_landmarks():
    scan = face(seed=2)
    with pytest.raises(InputError, match="same unit and place"):
        scan_to_mesh(scan, replace(scan, landmarks=scan.landmarks + 5000), metrical=True)


def test_wrong_arrays():
    with pytest.raises(InputError, match="no triangles"):
        Surface(np.zeros((3, 3)), np.zeros((0, 3)))
    with pytest.raises(InputError, match="vertex numbers"):
        Surface(np.zeros((3, 3)), [[0, 1, 3]])
    surface = Surface(np.eye(3), [[0, 1, 2]])
    with pytest.raises(InputError, match="finite"):
        surface.closest([[0, 0, np.nan]])
    with pytest.raises(InputError, match="shape"):
        surface.closest([0, 0, 0])
    with pytest.raises(InputError, match="at least 4"):
        refine(surface, np.zeros((3, 3)), motion([0, 0, 0], [0, 0, 0]), with_scale=False)
