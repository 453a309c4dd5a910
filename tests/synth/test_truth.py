"""Each kind of truth against an independent computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from cephalon.geometry import Camera, Rigid, bilinear
from cephalon.synth.labels import LABELS
from cephalon.synth.sample import decode, encode, make_samples, view_angles
from cephalon.synth.scene import pose_rotation
from cephalon.synth.truth import depth_gradient, head_box, named_points, prn_position_map


def first_hits(origins, directions, vertices, faces):
    """Distance, in lengths of `directions`, and face of the first triangle each ray meets (Moeller and Trumbore), plainly."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    distance, face = np.full(len(origins), np.inf), np.full(len(origins), -1)
    for row, (o, d) in enumerate(zip(origins, directions, strict=True)):
        e1, e2 = b - a, c - a
        p = np.cross(d, e2)
        det = (e1 * p).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = o - a
            u = (s * p).sum(1) / det
            q = np.cross(s, e1)
            v = (q @ d) / det
            t = (e2 * q).sum(1) / det
            t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6), t, np.inf)
        if np.isfinite(t).any():
            distance[row], face[row] = t.min(), int(t.argmin())
    return distance, face


def bare(shot):
    model = shot.stock.model
    return shot.rendering.stage.heads[0].vertices, model.faces[: model.parts["left_lashes"].faces.start]


def test_depth_mask_and_part_are_what_rays_meet(shots):
    rng = np.random.default_rng(0)
    for shot in shots[:3]:
        vertices, faces = bare(shot)
        camera = shot.scene.camera
        rows, columns = rng.integers(0, camera.height, 120), rng.integers(0, camera.width, 120)
        rays = camera.unproject(np.stack([columns + 0.5, rows + 0.5], 1), np.ones(120))
        depth, face = first_hits(np.zeros_like(rays), rays, vertices, faces)
        mask = shot.maps.mask[rows, columns]
        assert (mask == np.isfinite(depth)).mean() > 0.99
        both = mask & np.isfinite(depth)
        assert both.sum() > 10
        assert np.abs(shot.maps.depth[rows, columns][both] / depth[both] - 1).max() < 1e-4
        parts = list(shot.stock.model.parts.values())
        for f, part in zip(face[both], shot.maps.part[rows, columns][both], strict=True):
            assert parts[part].faces.start <= f < parts[part].faces.stop


def test_normals_agree_with_differences_of_depth(shots):
    for shot in shots:
        camera, depth, mask = shot.scene.camera, shot.maps.depth, shot.maps.mask
        y, x = np.mgrid[: camera.height, : camera.width] + 0.5
        points = camera.unproject(np.stack([x, y], -1), depth)
        right, down = points[1:-1, 2:] - points[1:-1, :-2], points[2:, 1:-1] - points[:-2, 1:-1]
        found = np.cross(down, right)
        found /= np.maximum(np.linalg.norm(found, axis=-1, keepdims=True), 1e-12)
        inner = mask[1:-1, 1:-1] & mask[1:-1, 2:] & mask[1:-1, :-2] & mask[2:, 1:-1] & mask[:-2, 1:-1]
        inner &= shot.maps.gradient[1:-1, 1:-1] < 2.0
        cosine = (found * shot.maps.normals[1:-1, 1:-1]).sum(-1)[inner]
        assert np.median(np.rad2deg(np.arccos(np.clip(cosine, -1, 1)))) < 5.0
        assert np.allclose(np.linalg.norm(shot.maps.normals[mask], axis=-1), 1.0, atol=1e-5)
        assert not shot.maps.normals[~mask].any()


def test_gradient_is_that_of_depth(shots):
    for shot in shots:
        depth, mask = shot.maps.depth.astype(np.float64), shot.maps.mask
        head = shot.rendering.stage.heads[0]
        middle = (head.actor.camera_from_head @ head.skull_from_head).apply(np.array([[0.0, 12.0, 12.0]]))[0]
        scaled = depth * shot.scene.camera.focal_px / middle[2]
        slope_y, slope_x = np.gradient(scaled)
        inner = np.zeros_like(mask)
        inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[1:-1, 2:] & mask[1:-1, :-2] & mask[2:, 1:-1] & mask[:-2, 1:-1]
        assert np.allclose(shot.maps.gradient[inner], np.hypot(slope_x, slope_y)[inner], rtol=1e-3, atol=1e-3)
        assert not shot.maps.gradient[~mask].any()
        # on smooth parts it is the slope of the normal, tan of the angle to the view, up to perspective
        n = shot.maps.normals[inner]
        slope = np.hypot(n[:, 0], n[:, 1]) / np.maximum(-n[:, 2], 1e-3)
        gentle = slope < 1
        assert np.median(np.abs(slope - shot.maps.gradient[inner])[gentle]) < 0.15


def test_gradient_of_a_plane_and_a_step():
    y, x = np.mgrid[:9, :9].astype(np.float32)
    plane = 500 + 3 * x + 4 * y
    assert np.allclose(depth_gradient(plane, 0.5), 2.5, atol=1e-4)
    step = np.where(x < 4, 100.0, 140.0).astype(np.float32)
    assert np.allclose(depth_gradient(step, 1.0)[:, [3, 4]], 20.0)
    hole = plane.copy()
    hole[:, 5:] = 0
    assert np.allclose(depth_gradient(hole, 0.5)[:, :5], 2.5, atol=1e-4)
    assert not depth_gradient(hole, 0.5)[:, 5:].any()


def test_points_lie_where_the_head_of_the_record_puts_them(library, options):
    sample = make_samples(library, options, 3, 1)[0]
    head, camera = sample.record["heads"][0], sample.record["camera"]
    model = library.model
    code = model.code(identity=np.array(head["identity"]), expression=np.array(head["expression"]))
    code = type(code)(identity=code.identity, expression=code.expression, joint_rotvecs=np.array(head["joint_rotvecs"]))
    matrix = np.array(head["camera_from_head"])
    placed = model.vertices(code) @ matrix[:3, :3].T + matrix[:3, 3]
    for name, points in model.point_sets.items():
        where = points.positions(placed, model.faces)
        pixel = where[:, :2] / where[:, 2:] * camera["focal_px"] + camera["principal_point"]
        found = sample.arrays[f"points_{name}"][0]
        assert np.abs(found[:, :2] - pixel).max() < 0.02
        assert np.abs(found[:, 2] - where[:, 2]).max() < 0.1


def test_visibility_of_points_is_what_rays_meet(shots):
    agree = total = 0
    for shot in shots:
        model, stage = shot.stock.model, shot.rendering.stage
        points = named_points(shot.stock, shot.scene, shot.rendering, 0, shot.maps)["mediapipe478"]
        rows = np.arange(0, 478, 6)
        placed = model.point_set("mediapipe478").positions(stage.heads[0].vertices, model.faces)[rows]
        for mesh, seen in (
            (bare(shot), points.bare[rows]),
            ((stage.solids.vertices, stage.solids.faces), points.weight[rows] > 0),
        ):
            distance, _ = first_hits(np.zeros_like(placed), placed, *mesh)
            gap = (1 - distance) * np.linalg.norm(placed, axis=1)  # mm that something lies before the point
            # a thin layer before a point (lips that touch, a lid on the eye) is within the tolerance
            sure = (gap > 6) | (gap < 1)
            inside = ((points.position[rows] > 0) & (points.position[rows] < shot.scene.camera.width)).all(1)
            agree += ((gap < 1) == seen)[sure & inside].sum()
            total += (sure & inside).sum()
    assert total > 300
    assert agree / total > 0.92  # the rest lies at edges, within a pixel of 2 to 3 mm


def test_position_map_is_the_mesh(shots):
    for shot in shots[:3]:
        model, head = shot.stock.model, shot.rendering.stage.heads[0]
        assert model.topology.uv is not None
        assert model.topology.faces_uv is not None
        skin = model.parts["skin"]
        corner, corner_uv = model.faces[skin.faces].ravel(), model.topology.faces_uv[skin.faces].ravel()
        uv = model.topology.uv[corner_uv]
        inner = (np.abs(uv - 0.5).max(1) < 0.3) & (model.regions["mouth_cavity"][corner] == 0)
        inner &= (model.regions["eye_sockets"][corner] == 0) & (model.regions["ears"][corner] == 0)
        place = np.stack([uv[:, 0] * 256, (1 - uv[:, 1]) * 256], 1)[inner]
        found = bilinear(shot.over.position, place) + shot.over.origin
        error = np.linalg.norm(found - head.vertices[corner[inner]], axis=1)
        assert np.median(error) < 0.3
        assert np.percentile(error, 99) < 2.0
        pixels = bilinear(prn_position_map(shot.over, shot.scene.camera), place)
        assert np.median(np.abs(pixels[:, :2] - shot.scene.camera.project(head.vertices[corner[inner]]))) < 0.3


def test_texels_called_visible_are_those_in_the_picture(shots):
    right = total = 0
    for shot in shots:
        camera = shot.scene.camera
        seen = shot.over.visible > 0.9
        points = shot.over.position[seen] + shot.over.origin
        row, column = np.nonzero(seen)
        uv = np.stack([(column + 0.5) / 256, 1 - (row + 0.5) / 256], 1)
        pixel = camera.project(points).astype(int)
        inside = ((pixel >= 0) & (pixel < camera.width)).all(1)
        pixel, uv = pixel[inside], uv[inside]
        skin = shot.maps.part[pixel[:, 1], pixel[:, 0]] == 0
        off = np.abs(shot.maps.uv[pixel[:, 1], pixel[:, 0]] - uv).max(1)
        right += (skin & (off < 0.04)).sum()
        total += len(uv)
    assert total > 2000
    assert right / total > 0.95


def test_labels_match_the_parts(shots):
    for shot in shots:
        label, part = shot.maps.label, shot.maps.part
        names = list(shot.stock.model.parts)
        eyes = np.isin(label, [LABELS["eyes"], LABELS["iris"]])
        iris = label == LABELS["iris"]
        allowed = [names.index(n) for n in ("left_eye", "right_eye")]
        if iris.sum() > 20:
            assert np.isin(part[iris], allowed).mean() > 0.8
        lips = label == LABELS["lips"]
        if lips.sum() > 20:
            # a class is that of most of the pixel, a part that of its centre: they meet within a pixel
            assert binary_dilation(part == 0, np.ones((3, 3)))[lips].mean() > 0.98
            assert (part[lips] == 0).mean() > 0.7
        assert (shot.maps.visible_depth[label == LABELS["background"]] == 0).mean() > 0.95
        assert (label[shot.maps.visible_depth > 0] > 0).mean() > 0.95
        assert eyes.sum() < 0.1 * eyes.size


def test_the_visible_surface_is_never_behind_the_bare_head(shots):
    for shot in shots:
        both = shot.maps.mask & (shot.maps.visible_depth > 0)
        assert both.sum() > 500
        assert (shot.maps.visible_depth <= shot.maps.depth + 1e-3)[both].all()
        hair = both & (shot.maps.label == LABELS["hair"])
        if hair.sum() > 50:
            assert (shot.maps.visible_depth < shot.maps.depth)[hair].mean() > 0.8


def test_box_and_gaze(shots):
    for shot in shots:
        left, top, right, bottom = head_box(shot.stock, shot.scene, shot.rendering, 0)
        iso = named_points(shot.stock, shot.scene, shot.rendering, 0, shot.maps)["ibug68"].position
        assert left <= iso[:, 0].min() + 0.5
        assert iso[:, 0].max() <= right + 0.5
        assert top <= iso[:, 1].min() + 0.5
        assert iso[:, 1].max() <= bottom + 0.5


def test_gaze_directions_follow_the_eyes(library, options):
    for index in range(4):
        sample = make_samples(library, options, 8, index)[0]
        head = sample.record["heads"][0]
        yaw, pitch = np.deg2rad(head["gaze_deg"])
        in_skull = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        wanted = np.array(head["camera_from_skull"])[:3, :3] @ in_skull
        for way in np.array(head["gaze_camera"]):
            assert np.rad2deg(np.arccos(np.clip(way @ wanted, -1, 1))) < 4.0


def test_view_angles_are_those_of_the_conventions():
    for angles in ((0.0, 0.0, 0.0), (40.0, 10.0, -20.0), (-95.0, 30.0, 150.0)):
        assert np.allclose(view_angles(pose_rotation(*angles)), angles, atol=1e-9)
    camera = Camera(width=100, height=100, focal_px=300)
    nose = np.array([[0.0, 0.0, 110.0]])

    def seen(*angles):
        return camera.project(Rigid(rotation=pose_rotation(*angles), translation=np.array([0, 0, 800.0])).apply(nose))[
            0
        ]

    assert seen(30, 0, 0)[0] > 50  # to the person's left: right in the picture
    assert seen(0, 20, 0)[1] > 50  # pitch > 0 looks down


def test_bytes_hold_the_truth(library, options):
    sample = make_samples(library, options, 2, 0)[0]
    back = decode(encode(sample))
    assert back.record == sample.record
    assert np.array_equal(back.image, sample.image)
    assert set(back.arrays) == set(sample.arrays)
    bounds = {"normals": 2e-5, "visible_normals": 2e-5, "uv": 1e-5, "position_map": 4.1e-3, "albedo_visible": 2.1e-3}
    for name, array in sample.arrays.items():
        assert np.abs(back.arrays[name].astype(float) - array).max() <= bounds.get(name, 0.0)


@pytest.mark.parametrize("family", ["triple", "sequence", "group"])
def test_families(library, family):
    from dataclasses import replace

    from cephalon.synth.options import family_options

    options = replace(family_options(family, 96), frames=3)
    samples = make_samples(library, options, 1, 0)
    assert len(samples) == {"triple": 3, "sequence": 3, "group": 1}[family]
    heads = [s.record["heads"] for s in samples]
    if family == "triple":
        yaws = [h[0]["yaw_pitch_roll_deg"][0] for h in heads]
        assert abs(yaws[0]) < 16
        assert -106 < yaws[1] < -74
        assert 74 < yaws[2] < 106
    if family != "group":
        assert all(h[0]["identity"] == heads[0][0]["identity"] for h in heads)
        assert all(s.record["light"] == samples[0].record["light"] for s in samples)
    else:
        assert 1 <= len(heads[0]) <= 5
        assert samples[0].arrays["points_ibug68"].shape == (len(heads[0]), 68, 6)
        assert samples[0].arrays["head_index"].max() < len(heads[0])


def test_light_once_a_pixel_is_that_of_its_samples(library, options, monkeypatch):
    """The shared light of a pixel against a light for every sample; classes and what passes are those of the samples."""
    from cephalon.synth import render as room
    from cephalon.synth.scene import draw_scenes

    def pixels(array):
        return array.reshape(array.shape[0] // 2, 2, array.shape[1] // 2, 2, *array.shape[2:])

    calls = []
    kernel = room.shade_kernel
    monkeypatch.setattr(room, "shade_kernel", lambda *arguments: (calls.append(arguments), kernel(*arguments)))
    for seed in range(3):
        scene = draw_scenes(library, options, rng=np.random.default_rng([5, seed]))[0]
        room.render(library, scene, supersample=2, texture=256)
        image, label, transmitted, open_share = calls[-1][-4:]
        shape = calls[-1][0].shape
        fine = [np.zeros((*shape, *a.shape[2:]), a.dtype) for a in (image, label, transmitted, open_share)]
        kernel(*calls[-1][:-4], *fine)

        # a lens mirrors by its angle, which is found once a pixel, too
        assert np.allclose(pixels(fine[2]).mean(axis=(1, 3)), transmitted, atol=0.02)
        assert np.allclose(pixels(fine[3]).mean(axis=(1, 3)), open_share, atol=0.02)
        assert np.mean(np.abs(pixels(fine[2]).mean(axis=(1, 3)) - transmitted) > 1e-6) < 0.03
        wanted = pixels(fine[0]).mean(axis=(1, 3))
        lit = wanted.max(-1) > 0
        assert lit.mean() > 0.2
        error = np.abs(image - wanted).max(-1)[lit] / wanted.max(-1)[lit]
        assert np.median(error) < 0.01
        assert np.percentile(error, 95) < 0.12
        votes = np.stack([(pixels(fine[1]) == k).sum(axis=(1, 3)) for k in range(len(LABELS))], -1)
        assert (votes.argmax(-1) == label).mean() > 0.998
