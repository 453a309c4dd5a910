"""The parts that samples are made of: light, layers, people, expressions, skin, sensor."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from cephalon.core import InputError
from cephalon.geometry import rotation_from_rotvec, vertex_normals
from cephalon.head.expression_prior import INDEX, sample_expressions
from cephalon.synth._kernels import facing_kernel, layers_kernel, shadow_kernel
from cephalon.synth._light_kernels import blur_kernel, develop_kernel
from cephalon.synth.expression import GRIMACES, gaze_coefficients, sample_expression, speech
from cephalon.synth.light import (
    directions_of,
    fibonacci_sphere,
    frame_towards,
    irradiance,
    octahedral_directions,
    prepare_panorama,
    rotate_sh,
    sh_basis,
    transfer_vectors,
)
from cephalon.synth.options import (
    FAMILIES,
    CameraOptions,
    LightOptions,
    PersonOptions,
    SampleOptions,
    SensorOptions,
    family_options,
)
from cephalon.synth.paint import skin_tone
from cephalon.synth.person import draw_identity
from cephalon.synth.piece import vertex_normals_fast
from cephalon.synth.scene import Sensor
from cephalon.synth.sensor import _moved, expose
from cephalon.synth.statistics import describe, population

# -- light --------------------------------------------------------------------------------------------------------------


def test_harmonics_are_orthonormal():
    direction, solid = directions_of(64, 128)
    basis = sh_basis(direction)
    assert np.allclose(np.einsum("hwi,hwj,hw->ij", basis, basis, solid), np.eye(9), atol=2e-3)
    assert solid.sum() == pytest.approx(4 * np.pi, rel=1e-3)


def test_harmonics_turn_with_the_light():
    rng = np.random.default_rng(0)
    coefficients = rng.normal(size=(9, 3))
    turn = rotation_from_rotvec(rng.normal(size=3))
    ways = fibonacci_sphere(50)
    assert np.allclose(
        sh_basis(ways @ turn.T) @ rotate_sh(coefficients, turn), sh_basis(ways) @ coefficients, atol=1e-9
    )


def test_an_even_surrounding_gives_irradiance_pi_and_has_no_sun():
    panorama = prepare_panorama("even", np.full((128, 256, 3), 3.7))
    assert np.allclose(irradiance(panorama.harmonics, fibonacci_sphere(20)), 1.0, atol=2e-3)
    assert panorama.sun_rgb.max() < 1e-9


def test_a_bright_spot_becomes_the_sun_and_no_light_is_lost():
    rgb = np.full((128, 256, 3), 0.5)
    direction, solid = directions_of(128, 256)
    sun = np.array([0.6, 0.64, 0.48])
    spot = direction @ sun > np.cos(0.06)
    rgb[spot] = 100.0
    panorama = prepare_panorama("sun", rgb)
    assert panorama.sun_direction @ sun > 0.999
    mean = (rgb.mean(-1) * solid).sum() / (4 * np.pi)
    # the part of the radiance in the harmonics' first coefficient, and in the sun
    kept = panorama.harmonics[0, 0] * 0.28209479 * 4 * np.pi
    assert (kept + panorama.sun_rgb[0] * np.pi) == pytest.approx((rgb[..., 0] / mean * solid).sum(), rel=2e-3)


def test_octahedral_picture_is_what_the_shader_looks_up():
    ways = octahedral_directions(32)
    assert np.allclose(np.linalg.norm(ways, axis=-1), 1)
    scale = 1 / np.abs(ways).sum(-1)
    u, v = ways[..., 0] * scale, ways[..., 2] * scale
    below = ways[..., 1] < 0
    folded_u = np.where(below, (1 - np.abs(v)) * np.sign(u), u)
    folded_v = np.where(below, (1 - np.abs(u)) * np.sign(v), v)
    rows, columns = np.mgrid[:32, :32]
    assert np.array_equal(((0.5 + 0.5 * folded_v) * 32).astype(int), rows)
    assert np.array_equal(((0.5 + 0.5 * folded_u) * 32).astype(int), columns)


def sphere(rows=24, columns=32, radius=50.0):
    from cephalon.synth.wear import ellipsoid

    return ellipsoid(np.zeros(3), np.full(3, radius), rows=rows, columns=columns)


def test_a_convex_body_shades_itself_only_by_its_normal():
    vertices, faces = sphere()
    normals = vertex_normals(vertices, faces)
    transfer = transfer_vectors(vertices, faces, count=400, pixels=128)
    light = np.random.default_rng(1).normal(size=(9, 3)) * 0.2 + np.array([3.0] + [0.0] * 8)[:, None]
    found, wanted = transfer @ light, irradiance(light, normals)
    inner = slice(64, -64)
    assert np.abs(found - wanted)[inner].max() < 0.06
    # a plate above takes the light from above
    plate = np.array([[-400.0, 70, -400], [400, 70, -400], [400, 70, 400], [-400, 70, 400]])
    shaded = transfer_vectors(
        vertices, faces, count=400, pixels=256, blockers=(plate, np.array([[0, 1, 2], [0, 2, 3]], np.int32))
    )
    top = normals[:, 1] > 0.95
    assert (shaded[top, 0] < 0.35 * transfer[top, 0]).all()


def test_shadow_map_is_the_nearest_depth():
    rng = np.random.default_rng(2)
    points = rng.uniform(2, 38, (24, 3))
    faces = rng.permutation(24).reshape(-1, 3).astype(np.int32)
    depth = np.full((40, 40), np.inf, np.float32)
    still = np.eye(3, 4)
    look = np.zeros((8, 6), np.float32), np.zeros(8, np.uint8)
    attributes = np.ones((24, 12), np.float32)
    texels, solid, textures = np.ones(2, np.float32), np.zeros((0, 3), np.int64), np.array([[0, 1, 1]])
    material = np.zeros((1, 12), np.float32)
    shadow_kernel(points, still, faces, *look, material, attributes, texels, solid, depth)
    # turned and moved on the way into the picture, the same
    turn = rotation_from_rotvec(np.array([0.3, -0.2, 0.9]))
    moved = np.full((40, 40), np.inf, np.float32)
    matrix = np.ascontiguousarray(np.concatenate([turn.T, -turn.T @ np.array([[3.0], [5.0], [7.0]])], axis=1))
    shadow_kernel(points @ turn.T + [3.0, 5.0, 7.0], matrix, faces, *look, material, attributes, texels, solid, moved)
    assert (np.isclose(moved, depth, rtol=1e-4) | (np.isinf(moved) & np.isinf(depth))).mean() > 0.998
    # as see-through faces of full alpha they cast the same shadow; of little alpha, or if they cast none, none
    empty = np.full((40, 40), np.inf, np.float32)
    for alpha, casts, found in ((1.0, 1.0, depth), (0.3, 1.0, empty), (1.0, 0.0, empty)):
        again = np.full((40, 40), np.inf, np.float32)
        material[0, 7], material[0, 11] = alpha, casts
        shadow_kernel(points, still, faces, *look, material, attributes, texels, textures, again)
        assert np.array_equal(again, found)
    wanted = np.full((40, 40), np.inf)
    y, x = np.mgrid[:40, :40] + 0.5
    for a, b, c in points[faces]:
        system = np.linalg.inv(np.array([a, b, c]) @ np.diag([1, 1, 0]) + np.array([[0, 0, 1]] * 3))
        weights = np.stack([x, y, np.ones_like(x)], -1) @ system
        inside = (weights >= 0).all(-1)
        wanted = np.where(inside, np.minimum(wanted, weights @ np.array([a[2], b[2], c[2]])), wanted)
    differing = ~np.isclose(depth, wanted, rtol=1e-4)
    assert differing.sum() <= 2  # centres on an edge


def test_lamp_frames_are_rotations_that_look_down_the_light():
    for way in fibonacci_sphere(40):
        turn = frame_towards(way)
        assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
        assert np.allclose(turn @ way, [0, 0, -1], atol=1e-12)


# -- rasters ------------------------------------------------------------------------------------------------------------


def test_compiled_normals_are_the_geometry_rooms():
    vertices, faces = sphere()
    vertices = vertices + np.random.default_rng(0).normal(0, 1, vertices.shape)
    assert np.allclose(vertex_normals_fast(vertices, faces), vertex_normals(vertices, faces), atol=1e-9)


def test_layers_are_sorted_and_complete():
    rng = np.random.default_rng(3)
    count, side, most = 14, 24, 8
    corners = rng.uniform(-4, side + 4, (count, 3, 2))
    z = rng.uniform(50, 150, (count, 3))
    solid = np.where(np.arange(side) < 12, 100.0, np.inf).astype(np.float32)[None].repeat(side, 0)
    # a camera of focal length 1 that looks at them so that they lie there
    vertices = np.concatenate([corners * z[..., None], z[..., None]], axis=-1).reshape(-1, 3)
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    alpha = rng.uniform(0.1, 0.9, count).astype(np.float32)
    found = np.zeros((side, side), np.uint8)
    rows = np.zeros((side, side, most, 6), np.float32)
    materials = np.zeros((count, 12), np.float32)
    materials[:, 7] = alpha
    layers_kernel(
        vertices, np.array([1.0, 0.0, 0.0]), faces, np.zeros((count, 6), np.float32), np.arange(count, dtype=np.uint8), materials,
        np.ones((3 * count, 12), np.float32), np.ones(2, np.float32), np.array([[0, 1, 1]]), solid, found, rows,
    )  # fmt: skip
    depth, face, opacity = rows[..., 0], rows[..., 1], rows[..., 4]
    mismatches = 0
    for row in range(side):
        for column in range(side):
            hits = []
            for f in range(count):
                a, b, c = corners[f]
                system = np.array([[a[0], b[0], c[0]], [a[1], b[1], c[1]], [1, 1, 1]])
                w = np.linalg.solve(system, [column + 0.5, row + 0.5, 1])
                if (w >= 0).all():
                    hits.append((1 / (w @ (1 / z[f])), f))
            hits = sorted(h for h in hits if h[0] < solid[row, column])[:most]
            n = found[row, column]
            same = n == len(hits) and all(face[row, column, k] == h[1] for k, h in enumerate(hits))
            mismatches += not same
            if same and n:
                assert np.allclose(depth[row, column, :n], [h[0] for h in hits], rtol=1e-4)
                assert np.allclose(opacity[row, column, :n], alpha[[h[1] for h in hits]], atol=1e-5)
    assert found.max() > 3
    assert mismatches == 0


def test_only_skin_that_faces_away_collapses():
    vertices, faces = sphere()
    vertices = vertices + np.array([0.0, 0.0, 400.0])
    materials = np.zeros((2, 12), np.float32)
    materials[1, 10] = 1.0  # skin
    kinds = (np.arange(len(faces)) % 2).astype(np.uint8)
    out = np.zeros_like(faces)
    facing_kernel(vertices, faces, kinds, materials, out)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    away = (np.cross(b - a, c - a) * a).sum(1) > 0
    gone = (out == out[:, :1]).all(1)
    assert away.mean() > 0.4
    assert np.array_equal(gone, away & (kinds == 1))
    assert np.array_equal(out[~gone], faces[~gone])


# -- the sensor's kernels -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [0.3, 0.9, 2.2])
def test_blur_is_scipys(sigma):
    light = np.random.default_rng(0).random((19, 9, 3), dtype=np.float32)
    reach = np.arange(int(2.5 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (reach / sigma) ** 2)
    found = np.zeros_like(light)
    kernel = (weights / (2 * weights.sum() - weights[0])).astype(np.float32)
    blur_kernel(light, kernel, np.zeros_like(light), found)
    assert np.allclose(found, gaussian_filter(light, (sigma, sigma, 0), truncate=2.5), atol=1e-6)


def test_noise_has_the_deviation_asked_for():
    light = np.full((200, 200, 3), 0.218, np.float32)
    dice = np.random.default_rng(1).integers(0, 1 << 64, light.shape, dtype=np.uint64)
    code = np.zeros(light.shape, np.uint8)
    tone = np.linspace(0, 4, 4001).astype(np.float32)  # as it comes
    develop_kernel(light, dice, np.array([1.0, 1.0, 1.0, 0.0, 0.05, 1.0, 1000.0]), tone, code)
    assert code.mean() / 255 == pytest.approx(0.218, abs=5e-4)
    assert code.std() / 255 == pytest.approx(0.05, rel=0.02)
    # nothing of a picture's noise is that of its neighbour
    assert abs(np.corrcoef(code[:, 1:, 0].ravel(), code[:, :-1, 0].ravel())[0, 1]) < 0.02


# -- people -------------------------------------------------------------------------------------------------------------


def test_identities_follow_the_models_conditional_law(library):
    model = library.model
    given = {"age": 62.0, "sex": "female", "ancestry": {"african": 0.2, "asian": 0.5, "caucasian": 0.3}}
    rng = np.random.default_rng(0)
    drawn = np.array([draw_identity(model, rng=rng, **given) for _ in range(6000)])
    mean, factor = model.link.condition(**given)
    covariance = factor @ factor.T
    assert np.abs(drawn.mean(0) - mean).max() < 5 / np.sqrt(6000)
    assert np.abs(np.cov(drawn.T) - covariance).max() < 7 / np.sqrt(6000)


def test_expressions_are_those_of_the_prior_and_grimaces(library):
    names = library.model.expression_names
    at = {n: i for i, n in enumerate(names)}
    assert all(set(pose) <= set(names) for pose in GRIMACES.values())
    rng = np.random.default_rng(0)
    drawn = np.array([sample_expression(names, rng=rng) for _ in range(600)])
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert not drawn[:, [i for n, i in at.items() if n.startswith("eyeLook")]].any()
    # at rest and without grimaces the law is the prior's own
    rest = np.array([sample_expression(names, rng=rng, neutral=1.0) for _ in range(1500)])
    prior = sample_expressions(rng=np.random.default_rng(1), count=1500, kind="neutral")
    for name, column in at.items():
        if not name.startswith("eyeLook"):
            ours, theirs = rest[:, column], prior[:, INDEX[name]]
            assert abs(ours.mean() - theirs.mean()) < 5 * np.hypot(ours.std(), theirs.std()) / np.sqrt(1500) + 1e-9
    # blinks of both eyes, winks of one, mouths that stay shut, and faces that the prior does not draw
    lids = np.sort(drawn[:, [at["eyeBlinkLeft"], at["eyeBlinkRight"]]], axis=1)
    assert 0.01 < (lids[:, 0] > 0.6).mean() < 0.12
    assert 0.004 < ((lids[:, 1] > 0.7) & (lids[:, 0] < 0.3)).mean() < 0.06
    shut = np.array([sample_expression(names, rng=rng, closed_mouth=1.0, neutral=0.0) for _ in range(50)])
    assert not shut[:, [at["jawOpen"], at["tongueOut"]]].any()
    assert (drawn[:, at["tongueOut"]] > 0.3).any()
    turned = gaze_coefficients(drawn[0], names, (20.0, -10.0))
    assert turned[at["eyeLookOutLeft"]] == turned[at["eyeLookInRight"]] == pytest.approx(20 / 30)
    assert turned[at["eyeLookInLeft"]] == 0
    assert turned[at["eyeLookDownLeft"]] == pytest.approx(0.4)


def test_speech_moves_smoothly_and_blinks(library):
    names = library.model.expression_names
    values = speech(names, np.zeros(len(names)), 250, rng=np.random.default_rng(4))
    at = {n: i for i, n in enumerate(names)}
    assert values[:, at["jawOpen"]].std() > 0.03
    # eased by a cosine over 25 / 7 pictures, the jaw moves at most pi / 2 of its mean pace between shut and the widest shape
    widest = values[:, at["jawOpen"]].max()
    assert np.abs(np.diff(values[:, at["jawOpen"]])).max() < np.pi / 2 * widest * 7 / 25 + 1e-9
    assert values[:, at["eyeBlinkLeft"]].max() > 0.6


def test_skin_tones_span_the_palest_and_the_darkest():
    pale, dark = skin_tone(0.0, 0.0), skin_tone(2.2, 0.2)
    assert pale[0] > 0.6
    assert 0.06 < dark[0] < 0.16
    for melanin in np.linspace(0, 2.3, 8):
        tone = skin_tone(float(melanin), 0.2)
        assert tone[0] > tone[1] > tone[2]
    assert (skin_tone(0.5, 0.8) / skin_tone(0.5, 0.0))[0] > (skin_tone(0.5, 0.8) / skin_tone(0.5, 0.0))[1]


def test_sensor_is_exact_about_what_it_hands_out():
    import io

    from PIL import Image

    linear = np.full((64, 64, 3), 0.18, np.float32)
    base = Sensor(
        exposure=1.0, balance=1.0,
        gains=(1.0, 1.0, 1.0), noise=4.0, blur_px=0.0, motion_px=(0.0, 0.0), sharpen=0.0, contrast=0.0, shrink=1.0,
        grey=False, vignette=0.0, quality=97, seed=3,
    )  # fmt: skip
    image, data = expose(linear, base)
    with Image.open(io.BytesIO(data)) as decoded:
        assert np.array_equal(np.asarray(decoded.convert("RGB")), image)
    assert image.std() == pytest.approx(4.0, rel=0.35)
    assert np.array_equal(expose(linear, base)[0], image)
    assert not np.array_equal(expose(linear, replace(base, seed=4))[0], image)
    grey = expose(linear * np.array([1, 0.5, 0.2], np.float32), replace(base, grey=True))[0].astype(int)
    assert np.abs(grey[..., 0] - grey[..., 2]).max() <= 1
    edge = np.zeros((64, 64, 3), np.float32)
    edge[:, 32:] = 0.5
    sharp = expose(edge, replace(base, noise=0.4))[0].astype(int)
    soft = expose(edge, replace(base, noise=0.4, motion_px=(8.0, 0.0)))[0].astype(int)
    assert np.abs(np.diff(sharp[32, :, 1])).max() > 2 * np.abs(np.diff(soft[32, :, 1])).max()


def test_motion_blur_averages_along_the_way():
    from scipy.ndimage import map_coordinates

    rng = np.random.default_rng(8)
    light = rng.random((24, 30, 3), dtype=np.float32)
    for motion in ((3.3, 2.1), (-8.0, 4.0), (0.0, 5.5), (22.0, 9.0)):
        count = int(np.clip(np.ceil(np.hypot(*motion)), 2, 16))
        y, x = np.mgrid[0:24, 0:30].astype(float)
        wanted = np.mean(
            [
                np.stack(
                    [
                        map_coordinates(light[..., c], [y + t * motion[1], x + t * motion[0]], order=1, mode="nearest")
                        for c in range(3)
                    ],
                    axis=-1,
                )
                for t in np.linspace(-0.5, 0.5, count)
            ],
            axis=0,
        )
        assert np.abs(_moved(light, motion) - wanted).max() < 2e-6


# -- options ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_options_round_trip(family):
    options = family_options(family, 160)
    assert SampleOptions.from_json(options.to_json()) == options
    assert options.with_size(64).size == 64


@pytest.mark.parametrize(
    "make",
    [
        lambda: SampleOptions(size=8),
        lambda: SampleOptions(family="crowd"),
        lambda: SampleOptions(supersample=0),
        lambda: SampleOptions(occluder=1.5),
        lambda: SampleOptions(person=PersonOptions(glasses=-0.1)),
        lambda: SampleOptions(person=PersonOptions(age_years=(1.0, 20.0))),
        lambda: SampleOptions(people=(3, 2)),
        lambda: SampleOptions.from_json("{}"),
        lambda: SampleOptions.from_json('{"person": {"height": 3}, "camera": {}, "light": {}, "sensor": {}}'),
        lambda: SampleOptions.from_json("[]"),
        lambda: SampleOptions.from_json("[" * 100_000),
        lambda: SampleOptions(camera=CameraOptions(distance_mm=(900.0, 300.0))),
        lambda: SampleOptions(camera=CameraOptions(distance_mm=(-1.0, 300.0))),
        lambda: SampleOptions(camera=CameraOptions(yaw_deg=(10.0, float("nan")))),
        lambda: SampleOptions(camera=CameraOptions(wide=2.0)),
        lambda: SampleOptions(light=LightOptions(lamps=(0.5, 0.5, 0.5, 0.0, 0.0))),
        lambda: SampleOptions(light=LightOptions(strength=(0.0, 0.5))),
        lambda: SampleOptions(sensor=SensorOptions(noise=(0.0, 3.0))),
        lambda: SampleOptions(sensor=SensorOptions(jpeg_quality=(0, 90))),
    ],
)
def test_wrong_options_are_refused(make):
    with pytest.raises(InputError):
        make()


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("camera", "shift", None), ("camera", "shift", "0.1"), ("camera", "shift", True), ("camera", "distance_mm", [300.0]),
        ("camera", "distance_mm", [300.0, 1e999]), ("camera", "least_head_px", 10**400), ("sensor", "jpeg_quality", [45.5, 97]),
        ("person", "glasses", [[0.1]]), ("light", "lamps", {}),
    ],
)  # fmt: skip
def test_values_of_another_kind_are_refused(part, field, value):
    record = json.loads(SampleOptions().to_json())
    record[part][field] = value
    with pytest.raises(InputError, match=field):
        SampleOptions.from_json(json.dumps(record))


def test_statistics_count_heads():
    head = {
        "age_years": 33.0, "melanin": 0.4, "yaw_pitch_roll_deg": [-50.0, 12.0, 3.0], "box": [0, 0, 50, 100], "sex": "female",
        "hair": "afro",
        "beard": "none", "glasses": "", "hat": "cap", "mask": True, "headphones": False, "occluded": False,
    }  # fmt: skip
    counts = population([{"heads": [head, {**head, "yaw_pitch_roll_deg": [5.0, 0.0, 0.0]}]}, {"heads": []}])
    assert (counts["pictures"], counts["heads"], counts["mask"]) == (2, 2, 2)
    assert counts["yaw"]["counts"] == [1, 0, 1, 0]
    assert counts["glasses"] == {"none": 2}
    assert any("30-45: 100 %" in line for line in describe(counts))
