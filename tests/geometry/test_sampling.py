"""Reading between pixels."""

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import bilinear, halved, pyramid, trilinear
from tests.reference import geometry as reference


def image(height: int = 6, width: int = 8, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, channels))


def places(count: int = 60) -> np.ndarray:
    return np.random.default_rng(1).uniform(-2, 11, size=(count, 2))


def test_pixel_centres_give_the_pixels() -> None:
    picture = image()
    y, x = np.mgrid[:6, :8]
    points = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], axis=1)
    np.testing.assert_allclose(bilinear(picture, points), picture.reshape(-1, 3), atol=1e-15)


def test_a_linear_picture_is_read_exactly_with_its_gradient() -> None:
    y, x = np.mgrid[:6, :8] + 0.5
    picture = np.stack([2 * x - 3 * y + 1, x * y], axis=-1)
    points = np.random.default_rng(0).uniform((0.5, 0.5), (7.5, 5.5), size=(50, 2))
    values, slope = bilinear(picture, points, gradient=True)
    np.testing.assert_allclose(values[:, 0], 2 * points[:, 0] - 3 * points[:, 1] + 1, atol=1e-12)
    np.testing.assert_allclose(values[:, 1], points[:, 0] * points[:, 1], atol=1e-12)
    np.testing.assert_allclose(slope[:, 0], np.tile([2.0, -3.0], (50, 1)), atol=1e-12)
    np.testing.assert_allclose(slope[:, 1], points[:, ::-1], atol=1e-12)


@pytest.mark.parametrize("shape", [(6, 8, 3), (1, 8, 1), (6, 1, 2), (1, 1, 3)])
def test_twin_everywhere_also_beyond_the_border(shape: tuple[int, int, int]) -> None:
    picture = image(*shape)
    values, slope = bilinear(picture, places(), gradient=True)
    expected = [reference.bilinear(picture, x, y) for x, y in places()]
    np.testing.assert_allclose(values, expected, atol=1e-13)
    step = 1e-7
    for axis in range(2):
        shift = np.eye(2)[axis] * step
        numeric = (bilinear(picture, places() + shift) - bilinear(picture, places() - shift)) / (2 * step)
        np.testing.assert_allclose(slope[..., axis], numeric, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.bool_])
def test_dtypes(dtype: type) -> None:
    picture = (image() * 200 > 100).astype(dtype)
    values = bilinear(picture, places())
    assert values.dtype == (np.float32 if dtype is np.float32 else np.float64)
    np.testing.assert_allclose(values, bilinear(picture.astype(float), places()), atol=1e-6)


def test_grey_pictures_and_no_points() -> None:
    grey = image()[..., 0]
    np.testing.assert_allclose(bilinear(grey, places()), bilinear(image(), places())[:, 0])
    values, slope = bilinear(grey, places(), gradient=True)
    assert values.shape == (60,)
    assert slope.shape == (60, 2)
    assert bilinear(image(), np.zeros((0, 2))).shape == (0, 3)


@pytest.mark.parametrize(
    ("picture", "points", "message"),
    [
        (np.zeros((0, 4, 3)), [[1, 1]], "with pixels"),
        (np.zeros(4), [[1, 1]], "with pixels"),
        (np.zeros((4, 4)), [1, 1], "points: expected shape"),
        (np.zeros((4, 4)), [[1, np.nan]], "finite"),
    ],
)
def test_bad_input_is_refused(picture: np.ndarray, points: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bilinear(picture, points)


def test_halving_keeps_the_mean_and_the_places() -> None:
    picture = image(8, 6)
    half = halved(picture)
    assert half.shape == (4, 3, 3)
    np.testing.assert_allclose(half[1, 2], picture[2:4, 4:6].mean(axis=(0, 1)))
    np.testing.assert_allclose(half.mean(axis=(0, 1)), picture.mean(axis=(0, 1)))
    np.testing.assert_allclose(halved(picture[:7, :5])[3, 2], picture[6, 4])
    np.testing.assert_allclose(halved(picture[:7, :5])[3, 1], picture[6, 2:4].mean(axis=0))
    with pytest.raises(InputError, match="with pixels"):
        halved(np.zeros(3))


def test_pyramid_ends_with_one_pixel() -> None:
    assert [step.shape for step in pyramid(image(5, 9))] == [(5, 9, 3), (3, 5, 3), (2, 3, 3), (1, 2, 3), (1, 1, 3)]
    assert len(pyramid(image(), 2)) == 2
    assert pyramid(image().astype(np.float32))[1].dtype == np.float32
    assert pyramid(np.full((4, 4), 8, dtype=np.uint8))[2][0, 0] == 8


def test_trilinear_blends_levels() -> None:
    steps = pyramid(image(8, 8))
    points = places()
    np.testing.assert_allclose(trilinear(steps, points, 0.0), bilinear(steps[0], points))
    np.testing.assert_allclose(trilinear(steps, points, -3.0), bilinear(steps[0], points))
    np.testing.assert_allclose(trilinear(steps, points, 1.0), bilinear(steps[1], points / 2), atol=1e-14)
    between = 0.75 * bilinear(steps[1], points / 2) + 0.25 * bilinear(steps[2], points / 4)
    np.testing.assert_allclose(trilinear(steps, points, np.full(60, 1.25)), between, atol=1e-14)
    np.testing.assert_allclose(trilinear(steps, points, 99.0), np.tile(image(8, 8).mean(axis=(0, 1)), (60, 1)))
    np.testing.assert_allclose(trilinear(steps[:1], points, 5.0), bilinear(steps[0], points))
    grey = pyramid(image(8, 8)[..., 0])
    np.testing.assert_allclose(trilinear(grey, points, 1.25), between[:, 0], atol=1e-14)
