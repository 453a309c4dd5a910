"""The pieces of the texture by themselves: colour tables, light, warp, surface, blending."""

import dataclasses

import numpy as np
import pytest

from cephalon.appearance.blend import Layer, blend
from cephalon.appearance.contours import inside
from cephalon.appearance.light import estimate_light, harmonics
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import laplacian_of, skin_surface
from cephalon.appearance.texels import skin_texels
from cephalon.appearance.warp import landmark_warp
from cephalon.colour import linear_from_srgb, srgb_from_linear
from cephalon.values import PointObservation

from .stage import shoot


def test_srgb_round_trip():
    levels = np.arange(256, dtype=np.uint8)
    assert (srgb_from_linear(linear_from_srgb(levels)) == levels).all()
    assert linear_from_srgb(np.array([0, 255], dtype=np.uint8)).tolist() == [0.0, 1.0]
    assert srgb_from_linear(np.array([-1.0, 2.0])).tolist() == [0, 255]


def test_light_survives_a_beard():
    rng = np.random.default_rng(1)
    normals = rng.standard_normal((4000, 3))
    normals[:, 2] = -np.abs(normals[:, 2]) - 0.3
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    true = np.array([0.7, -0.2, -0.2, 0.15, 0, 0, 0, 0, 0])
    colour = (harmonics(normals) @ true)[:, None] * np.array([0.5, 0.35, 0.3])
    colour[:600] *= 0.4
    found = estimate_light(normals, colour, np.ones(4000)).shading(normals[600:], (0.01, 10.0))[:, 0]
    expected = harmonics(normals[600:]) @ true
    ratio = found / expected
    assert np.std(ratio) / np.mean(ratio) < 0.06


def test_light_without_skin_is_even():
    light = estimate_light(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0))
    normals = np.eye(3)
    assert light.shading(normals, (0.4, 1.8)) == pytest.approx(np.ones((3, 3)))


def test_warp_takes_points_onto_the_measured_ones_and_fades(model):
    shot = shoot(model, size=300)
    eye_px = 60.0
    place = shot.fit.points_px
    shift = np.stack([2 + 0.01 * (place[:, 0] - 150), np.full(len(place), -1.0)], axis=1)
    points = dataclasses.replace(shot.observation.points[0], position=place + shift)
    observation = dataclasses.replace(shot.observation, points=(points,))
    warp = landmark_warp(observation, shot.fit, eye_px)
    nose = [1, 4, 5, 195, 33, 263, 61, 291]
    assert warp.at(place[nose]) == pytest.approx(shift[nose], abs=0.35)
    assert np.abs(warp.at(np.array([[0.0, 0.0], [-500.0, 50.0], [299.0, 299.0]]))).max() < 1.0


def test_warp_ignores_wrong_points_and_other_sets(model):
    shot = shoot(model, size=300)
    place = shot.fit.points_px.copy()
    place[1] += 200
    points = dataclasses.replace(shot.observation.points[0], position=place)
    warp = landmark_warp(dataclasses.replace(shot.observation, points=(points,)), shot.fit, 60.0)
    assert np.abs(warp.at(shot.fit.points_px)).max() < 0.1
    few = PointObservation(
        set_name="now7", position=place[:7], covariance=np.tile(np.eye(2), (7, 1, 1)), visible=np.ones(7, dtype=bool)
    )
    none = landmark_warp(dataclasses.replace(shot.observation, points=(few,)), shot.fit, 60.0)
    assert (none.at(place) == 0).all()


def test_surface_is_symmetric_and_its_laplacian_knows_constants(model):
    surface = skin_surface(model)
    assert (surface.mirror[surface.mirror] == np.arange(len(surface.mirror))).mean() > 0.999
    places = surface.operator @ model.mean
    assert np.abs(places[surface.mirror] * (-1, 1, 1) - places).max() < 2.0
    laplacian = laplacian_of(surface.edges, surface.edge_weight, len(places))
    ones = np.ones(len(places))
    assert np.abs(laplacian @ ones).max() < 1e-9
    # integral of the squared gradient of a linear function: its slope squared times the area it is tangent to
    energy = places[:, 1] @ (laplacian @ places[:, 1])
    assert 0 < energy < 2 * surface.area_mm2.sum()


def test_texels_lie_where_the_chart_says(model):
    texels = skin_texels(model, 128)
    assert (texels.mirror[texels.mirror] == np.arange(len(texels.index))).all()
    assert texels.barycentric.sum(1) == pytest.approx(np.ones(len(texels.index)), abs=1e-5)
    places = texels.spread((skin_surface(model).operator @ model.mean).astype(np.float32))
    away = np.linalg.norm(places[texels.mirror] * (-1, 1, 1) - places, axis=1)
    assert np.median(away) < 1.0
    assert 1.0 < texels.scale < 10.0


def test_blend_joins_two_exposures(model):
    surface = skin_surface(model)
    places = surface.operator @ model.mean
    true = np.log(np.array([0.4, 0.3, 0.25])) + 0.0005 * places[:, 1:2]
    front = np.clip(surface.regions["face"] * 1.2, 0, 1)
    left = (front * np.clip(0.5 + places[:, 0] / 30, 0, 1)).astype(np.float32)
    right = (front * np.clip(0.5 - places[:, 0] / 30, 0, 1)).astype(np.float32)
    options = TextureOptions(uneven_brightness=1e3, uneven_colour=1e3, darker=1e3, brighter=1e3)
    beard = np.zeros(len(places), dtype=np.float32)
    layers = [
        Layer(log_albedo=true.astype(np.float32), confidence=left, beard=beard, folded=beard),
        Layer(log_albedo=(true + 0.5).astype(np.float32), confidence=right, beard=beard, folded=beard),
    ]
    found = blend(layers, surface, options)
    face = (surface.regions["face"] > 0.9) & (surface.regions["lips_upper"] + surface.regions["lips_lower"] < 0.1)
    off = found.log_albedo[face] - true[face]
    assert np.std(off) < 0.03
    assert np.isfinite(found.log_albedo).all()
    # what is completed goes to the tone
    back = surface.regions["skull"] * (places[:, 2] < -60) > 0.9
    assert np.abs(found.log_albedo[back] - found.tone).max() < 0.1


def test_blend_of_nothing_is_a_plain_skin(model):
    surface = skin_surface(model)
    count = len(surface.mirror)
    nothing = np.zeros(count, dtype=np.float32)
    layer = Layer(log_albedo=np.zeros((count, 3), dtype=np.float32), confidence=nothing, beard=nothing, folded=nothing)
    found = blend([layer], surface, TextureOptions())
    assert found.log_albedo.max() < 0
    assert np.exp(found.tone) == pytest.approx([0.50, 0.33, 0.26])


def test_inside_polygon():
    square = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10]])
    x, y = np.meshgrid([-1.0, 1.5, 5.5, 11.0], [0.5, 5.5, 9.5])
    assert inside(x, y, square, margin=0.0).tolist() == [[False, True, True, False]] * 3
    assert inside(x, y, square, margin=1.0).tolist() == [
        [False] * 4,
        [False, True, True, False],
        [False] * 4,
    ]
