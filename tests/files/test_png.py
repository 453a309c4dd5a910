from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cephalon.core import InputError
from cephalon.files import image_size, jpeg_bytes, png_bytes, read_png, write_png

SHAPES = [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 1), (300, 200, 3)]


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_round_trip(shape: tuple[int, ...], level: int, tmp_path: Path) -> None:
    image = noise(shape)
    write_png(tmp_path / "a.png", image, level=level)
    back = read_png(tmp_path / "a.png")
    assert back.dtype == np.uint8
    assert (back == image.reshape(back.shape)).all()
    assert back.ndim == (3 if image.ndim == 3 and image.shape[2] > 1 else 2)
    assert png_bytes(image, level=level) == (tmp_path / "a.png").read_bytes() == png_bytes(image.copy(), level=level)
    assert image_size(png_bytes(image)) == ("image/png", shape[1], shape[0])


def test_strided_views_are_fine() -> None:
    image = noise((20, 30, 4))
    assert png_bytes(image[::2, ::-1, :3]) == png_bytes(image[::2, ::-1, :3].copy())


def test_no_time_no_text() -> None:
    data = png_bytes(noise((5, 5, 3)))
    chunks, at = [], 8
    while at < len(data):
        chunks.append(data[at + 4 : at + 8])
        at += 12 + int.from_bytes(data[at : at + 4], "big")
    assert set(chunks) == {b"IHDR", b"IDAT", b"IEND"}


def test_jpeg_is_close_and_stable() -> None:
    y, x = np.mgrid[0:64, 0:48]
    image = np.stack([x * 4, y * 3, 255 - x * 2], axis=-1).astype(np.uint8)
    data = jpeg_bytes(image)
    assert data == jpeg_bytes(image)
    assert image_size(data) == ("image/jpeg", 48, 64)
    back = np.array(Image.open(io.BytesIO(data)))
    assert np.abs(back.astype(int) - image).mean() < 2
    assert image_size(jpeg_bytes(image[:, :, 0])) == ("image/jpeg", 48, 64)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
)
def test_wrong_pictures(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="picture: expected"):
        png_bytes(image)


def test_wrong_settings() -> None:
    with pytest.raises(InputError, match="0 to 9"):
        png_bytes(noise((2, 2)), level=10)
    with pytest.raises(InputError, match="1 to 95"):
        jpeg_bytes(noise((2, 2)), quality=100)
    with pytest.raises(InputError, match="picture: expected"):
        jpeg_bytes(noise((2, 2, 4)))


def test_other_kinds_of_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    rgb = Image.fromarray(noise((6, 6, 3)))
    rgb.quantize(8).save(path)
    assert read_png(path).shape == (6, 6, 3)
    rgb.quantize(8).save(path, transparency=3)
    assert read_png(path).shape == (6, 6, 4)
    rgb.convert("LA").save(path)
    assert read_png(path).shape == (6, 6, 4)
    rgb.convert("1").save(path)
    assert set(np.unique(read_png(path))) <= {0, 255}
    Image.fromarray(np.zeros((6, 6), np.uint16)).save(path)
    with pytest.raises(InputError, match="16 bits"):
        read_png(path)


def test_damaged_and_hostile(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    good = png_bytes(noise((40, 40, 3)))
    for cut in [0, 3, 8, 20, 32, 33, 60, len(good) // 2, len(good) - 20]:
        path.write_bytes(good[:cut])
        with pytest.raises(InputError, match="PNG") as caught:
            read_png(path)
        assert "\n" not in str(caught.value)
    rng = np.random.default_rng(1)
    for _ in range(100):
        bad = bytearray(good)
        for at in rng.integers(8, 80, 3):
            bad[at] = rng.integers(256)
        path.write_bytes(bytes(bad))
        try:
            read_png(path)
        except InputError:
            pass
    huge = bytearray(good)
    huge[16:24] = b"\x00\x00\xff\xff" * 2
    path.write_bytes(bytes(huge))
    with pytest.raises(InputError, match="65535 x 65535"):
        read_png(path)
    path.write_bytes(jpeg_bytes(noise((4, 4))))
    with pytest.raises(InputError, match="not a PNG"):
        read_png(path)


def test_sizes_of_other_bytes() -> None:
    assert image_size(b"") is None
    assert image_size(b"GIF89a" + bytes(100)) is None
    assert image_size(b"\xff\xd8\xff" + b"\xff" * 10_000) is None
    assert image_size(png_bytes(noise((4, 4)))[:20]) is None
