"""Projection, its derivatives, and its inverse."""

import math

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import Camera
from tests.reference.geometry import central_difference

CAMERAS = {
    "pinhole": Camera(width=640, height=480, focal_px=700.0),
    "off-centre": Camera(width=640, height=480, focal_px=900.0, principal_point=np.array([300.0, 250.0])),
    "barrel": Camera(width=640, height=480, focal_px=500.0, k1=-0.2, k2=0.03),
    "pincushion": Camera(width=640, height=480, focal_px=500.0, k1=0.15, k2=0.05),
    "folding": Camera(width=640, height=480, focal_px=500.0, k1=-0.3),
}
camera_of_all = pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)


def points() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(20, 3)) * (90, 90, 60) + (0, 0, 500)


def test_known_pixels() -> None:
    camera = Camera(width=200, height=100, focal_px=300.0)
    np.testing.assert_allclose(camera.project([0, 0, 1000]), [100, 50])
    np.testing.assert_allclose(camera.project([100, -50, 1000]), [130, 35])
    np.testing.assert_allclose(camera.intrinsics, [[300, 0, 100], [0, 300, 50], [0, 0, 1]])
    distorted = Camera(width=200, height=100, focal_px=300.0, k1=0.5, k2=-1.0)
    r2 = 0.1**2 + 0.05**2
    np.testing.assert_allclose(
        distorted.project([100, -50, 1000]), np.array([100, 50]) + (1 + 0.5 * r2 - r2**2) * np.array([30, -15])
    )


@camera_of_all
def test_jacobians_meet_central_differences(camera: Camera) -> None:
    for point in points():
        pixel, d_point, d_focal = camera.project_jacobian(point)
        np.testing.assert_allclose(pixel, camera.project(point), rtol=1e-14)
        np.testing.assert_allclose(d_point, central_difference(camera.project, point, 1e-3), rtol=1e-6, atol=1e-8)

        def with_focal(focal: np.ndarray, point: np.ndarray = point) -> np.ndarray:
            return changed(camera, focal_px=float(focal[0])).project(point)

        def with_distortion(k: np.ndarray, point: np.ndarray = point) -> np.ndarray:
            return changed(camera, k1=float(k[0]), k2=float(k[1])).project(point)

        numeric = central_difference(with_focal, [camera.focal_px], 1e-3)[:, 0]
        np.testing.assert_allclose(d_focal, numeric, rtol=1e-6, atol=1e-9)
        numeric = central_difference(with_distortion, [camera.k1, camera.k2], 1e-5)
        np.testing.assert_allclose(camera.distortion_jacobian(point), numeric, rtol=1e-6, atol=1e-7)


def changed(camera: Camera, **fields: float) -> Camera:
    values = {name: getattr(camera, name) for name in ("width", "height", "focal_px", "principal_point", "k1", "k2")}
    return Camera(**{**values, **fields})


@camera_of_all
def test_unproject_inverts_project(camera: Camera) -> None:
    cloud = points()
    back = camera.unproject(camera.project(cloud), cloud[:, 2])
    np.testing.assert_allclose(back, cloud, rtol=1e-9, atol=1e-7)


def test_unproject_says_where_the_lens_has_no_inverse() -> None:
    camera = CAMERAS["folding"]
    fold = camera.fold_radius()
    assert fold == pytest.approx(math.sqrt(1 / 0.9))
    edge = fold * (1 - 0.3 * fold**2) * camera.focal_px
    pixels = camera.principal_point + np.array([[0.99 * edge, 0], [1.01 * edge, 0]])
    back = camera.unproject(pixels, np.array([1000.0, 1000.0]))
    assert np.isfinite(back[0]).all()
    assert np.isnan(back[1, :2]).all()


def test_fold_radius_of_other_lenses() -> None:
    assert CAMERAS["pinhole"].fold_radius() == math.inf
    assert CAMERAS["pincushion"].fold_radius() == math.inf
    lens = Camera(width=9, height=9, focal_px=9.0, k1=-0.5, k2=0.02)
    r = lens.fold_radius()
    assert 1 + 3 * lens.k1 * r**2 + 5 * lens.k2 * r**4 == pytest.approx(0, abs=1e-12)


@camera_of_all
def test_what_is_not_in_front_is_nan(camera: Camera) -> None:
    pixels, d_point, d_focal = camera.project_jacobian([[0, 0, 0], [1, 2, -5], [0, 0, 10.0]])
    for value in (pixels, d_point, d_focal):
        assert np.isnan(value[:2]).all()
        assert np.isfinite(value[2]).all()


@camera_of_all
def test_resizing_is_a_pure_scale(camera: Camera) -> None:
    np.testing.assert_allclose(camera.scaled(0.37).project(points()), 0.37 * camera.project(points()), rtol=1e-12)
    assert camera.scaled(0.5).width == 320
    assert camera.scaled(1e-9).height == 1


@camera_of_all
def test_points_along_a_ray_share_a_pixel(camera: Camera) -> None:
    np.testing.assert_allclose(camera.project(points() * 1.7), camera.project(points()), rtol=1e-12)


def test_focal_length_as_photographers_say_it() -> None:
    full_frame = Camera.from_focal35(3600, 2400, 50.0)
    assert full_frame.focal_px == pytest.approx(5000)
    assert full_frame.focal35_mm == pytest.approx(50)
    assert full_frame.fov_deg[0] == pytest.approx(39.6, abs=0.01)
    assert full_frame.fov_deg[1] == pytest.approx(26.99, abs=0.01)
    assert Camera.from_fov(100, 300, 40.0).fov_deg[1] == pytest.approx(40)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 0}, "width"),
        ({"height": 2.5}, "height"),
        ({"focal_px": 0.0}, "focal_px"),
        ({"focal_px": math.nan}, "finite"),
        ({"k1": math.inf}, "k1"),
        ({"principal_point": [1.0]}, "principal_point"),
    ],
)
def test_impossible_cameras_are_refused(fields: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Camera(**{"width": 10, "height": 10, "focal_px": 10.0, **fields})


def test_impossible_lenses_are_refused() -> None:
    with pytest.raises(InputError, match="focal35_mm"):
        Camera.from_focal35(10, 10, 0.0)
    with pytest.raises(InputError, match="vertical_deg"):
        Camera.from_fov(10, 10, 180.0)
    with pytest.raises(InputError, match="factor"):
        CAMERAS["pinhole"].scaled(0.0)
