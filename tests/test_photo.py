"""Photos: every kind of picture becomes upright 8-bit sRGB, and bad input one clear sentence."""

from __future__ import annotations

import hashlib
import importlib.util
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from cephalon.core import InputError, MissingExtraError
from cephalon.photo import SMALLEST_SIDE, WORKING_PIXELS, WORKING_SIDE, Photo

RED, GREEN, BLUE, WHITE = (200, 30, 40), (30, 180, 60), (40, 50, 190), (240, 240, 240)


def quadrants(width: int = 96, height: int = 64) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    image = np.zeros((height, width, 3), dtype=np.uint8)
    image[: height // 2, : width // 2], image[: height // 2, width // 2 :] = RED, GREEN
    image[height // 2 :, : width // 2], image[height // 2 :, width // 2 :] = BLUE, WHITE
    return Image.fromarray(image)


def corners(photo: Photo) -> list[tuple[int, ...]]:
    rgb, y, x = photo.rgb_srgb, photo.height // 4, photo.width // 4
    return [tuple(int(v) for v in rgb[r, c]) for r in (y, -y) for c in (x, -x)]


def assert_close(found, wanted, tolerance=6):
    assert np.abs(np.array(found, dtype=int) - np.array(wanted, dtype=int)).max() <= tolerance, (found, wanted)


# -- orientation ------------------------------------------------------------------------------------------------------


# What a camera stores so that the tag turns it back into `quadrants()`.
STORED = {
    1: lambda im: im,
    2: lambda im: im.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    3: lambda im: im.transpose(Image.Transpose.ROTATE_180),
    4: lambda im: im.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    5: lambda im: im.transpose(Image.Transpose.TRANSPOSE),
    6: lambda im: im.transpose(Image.Transpose.ROTATE_90),
    7: lambda im: im.transpose(Image.Transpose.TRANSVERSE),
    8: lambda im: im.transpose(Image.Transpose.ROTATE_270),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff"])
def test_orientation(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo{suffix}"
    options = {"quality": 95} if suffix in (".jpg", ".webp") else {}
    STORED[orientation](quadrants()).save(path, exif=exif.tobytes(), **options)
    photo = Photo.open(path)
    assert (photo.width, photo.height) == photo.original_size == (96, 64)
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE])


def test_orientation_turns_alpha_too(tmp_path):
    image = quadrants().convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.arange(96, dtype=np.uint8), (64, 1))))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "a.png", exif=exif.tobytes())
    photo = Photo.open(tmp_path / "a.png")
    assert photo.alpha is not None
    np.testing.assert_array_equal(photo.alpha[10], np.arange(96))


def test_nonsense_orientation_is_ignored(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 77
    quadrants().save(tmp_path / "a.png", exif=exif.tobytes())
    assert_close(corners(Photo.open(tmp_path / "a.png")), [RED, GREEN, BLUE, WHITE])


# -- focal length -----------------------------------------------------------------------------------------------------


def with_camera(path, camera: dict, size=(96, 64)):
    exif = Image.Exif()
    exif.get_ifd(0x8769).update(camera)
    quadrants(*size).save(path, exif=exif.tobytes())
    return Photo.open(path)


def test_focal_length_stated(tmp_path):
    assert with_camera(tmp_path / "a.jpg", {0xA405: 26}).focal35_mm == 26


def test_focal_length_from_the_focal_plane(tmp_path):
    # 960 x 640 px on a sensor of 24 x 16 mm: 40 px per mm; 35 mm there is 52.5 mm on 36 x 24 mm.
    camera = {0x920A: 35.0, 0xA20E: 40 * 25.4, 0xA210: 2, 0xA002: 960, 0xA003: 640}
    assert with_camera(tmp_path / "a.jpg", camera).focal35_mm == pytest.approx(52.5, rel=1e-3)
    camera |= {0xA20E: 400.0, 0xA210: 3}
    assert with_camera(tmp_path / "b.jpg", camera).focal35_mm == pytest.approx(52.5, rel=1e-3)


@pytest.mark.parametrize("camera", [{}, {0x920A: 35.0}, {0xA405: 0}, {0x920A: 35.0, 0xA20E: 1000.0, 0xA210: 99}])
def test_focal_length_unknown(tmp_path, camera):
    photo = with_camera(tmp_path / "a.jpg", camera)
    assert photo.focal35_mm is None
    assert photo.notes == ()


def test_focal_length_of_a_cropped_photo_is_not_used(tmp_path):
    photo = with_camera(tmp_path / "a.jpg", {0xA405: 26, 0xA002: 4000, 0xA003: 3000})
    assert photo.focal35_mm is None
    assert "cropped" in photo.notes[0]
    # Reduced without cropping, or turned: still good.
    assert with_camera(tmp_path / "b.jpg", {0xA405: 26, 0xA002: 4800, 0xA003: 3200}).focal35_mm == 26
    assert with_camera(tmp_path / "c.jpg", {0xA405: 26, 0xA002: 3200, 0xA003: 4800}).focal35_mm == 26


def test_focal_length_not_believed(tmp_path):
    photo = with_camera(tmp_path / "a.jpg", {0xA405: 60000})
    assert photo.focal35_mm is None
    assert "not believed" in photo.notes[0]


# -- kinds of pixels --------------------------------------------------------------------------------------------------


def test_grey(tmp_path):
    quadrants().convert("L").save(tmp_path / "a.png")
    photo = Photo.open(tmp_path / "a.png")
    assert photo.alpha is None
    np.testing.assert_array_equal(photo.rgb_srgb[..., 0], np.asarray(quadrants().convert("L")))
    np.testing.assert_array_equal(photo.rgb_srgb[..., 0], photo.rgb_srgb[..., 2])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    ramp = np.tile(np.linspace(0, 65535, 256).round().astype(np.uint16), (40, 1))
    Image.fromarray(ramp).save(tmp_path / f"a{suffix}")
    photo = Photo.open(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(photo.rgb_srgb[5, :, 1], np.arange(256))


def test_sixteen_bit_rgb_is_scaled(tmp_path):
    # Pillow does not write 16-bit RGB: a PNG by hand.
    import zlib

    ramp = np.linspace(0, 65535, 128).round().astype(">u2")
    rows = b"".join(b"\0" + np.stack([ramp, ramp[::-1], ramp], axis=-1).astype(">u2").tobytes() for _ in range(40))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 128, 40, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    photo = Photo.open(tmp_path / "a.png")
    assert_close(photo.rgb_srgb[3, :, 0], np.linspace(0, 255, 128), tolerance=1)
    assert_close(photo.rgb_srgb[3, :, 1], np.linspace(255, 0, 128), tolerance=1)


def test_thirty_two_bit_values_are_refused(tmp_path):
    Image.fromarray(np.full((40, 40), 0.5, dtype=np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(InputError, match=r"floating-point.*save it with 8 or 16 bits"):
        Photo.open(tmp_path / "a.tiff")
    Image.fromarray(np.full((40, 40), 1 << 20, dtype=np.int32)).save(tmp_path / "b.tiff")
    with pytest.raises(InputError, match="32-bit"):
        Photo.open(tmp_path / "b.tiff")


def test_alpha(tmp_path):
    image = quadrants().convert("RGBA")
    image.putalpha(Image.fromarray(np.tile(np.linspace(0, 255, 96).astype(np.uint8), (64, 1))))
    image.save(tmp_path / "a.png")
    photo = Photo.open(tmp_path / "a.png")
    assert photo.alpha is not None
    assert photo.alpha.shape == (64, 96)
    assert (photo.alpha[0, 0], photo.alpha[0, -1]) == (0, 255)
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE], 0)
    image.putalpha(255)
    image.save(tmp_path / "b.png")
    assert Photo.open(tmp_path / "b.png").alpha is None


def test_palette_with_a_transparent_colour(tmp_path):
    image = quadrants().quantize(8)
    transparent = image.getpixel((0, 0))
    image.save(tmp_path / "a.png", transparency=transparent)
    photo = Photo.open(tmp_path / "a.png")
    assert photo.alpha is not None
    assert (photo.alpha[0, 0], photo.alpha[0, -1]) == (0, 255)
    assert_close(corners(photo)[1:], [GREEN, BLUE, WHITE])
    image.save(tmp_path / "b.gif")
    assert_close(corners(Photo.open(tmp_path / "b.gif")), [RED, GREEN, BLUE, WHITE])


def test_one_bit(tmp_path):
    quadrants().convert("1", dither=Image.Dither.NONE).save(tmp_path / "a.png")
    assert set(np.unique(Photo.open(tmp_path / "a.png").rgb_srgb)) == {0, 255}


def test_cmyk_without_a_profile_says_so(tmp_path):
    quadrants().convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    photo = Photo.open(tmp_path / "a.jpg")
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE], 8)
    assert "CMYK" in photo.notes[0]


def icc_profile(primaries_xyz_d50: np.ndarray, gamma: float, name: str) -> bytes:
    """Return a minimal ICC version 2 matrix profile; rows of the matrix are the XYZ of red, green, blue."""

    def fixed(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    def xyz(values) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(fixed(v) for v in values)

    text = name.encode() + b"\0"
    description = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * (4 + 4 + 2 + 1 + 67)
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    tags = [(b"desc", description), (b"cprt", b"text\0\0\0\0none\0"), (b"wtpt", xyz((0.9642, 1.0, 0.8249)))]
    tags += [(key, xyz(row)) for key, row in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries_xyz_d50, strict=True)]
    tags += [(key, curve) for key in (b"rTRC", b"gTRC", b"bTRC")]
    table, data, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags:
        table += key + struct.pack(">II", offset + len(data), len(value))
        data += value + b"\0" * (-len(value) % 4)
    body = struct.pack(">I", len(tags)) + table + data
    header = struct.pack(">I4sI4s4s4s", 128 + len(body), b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += b"\0" * 12 + b"acsp" + b"\0" * 24 + struct.pack(">I", 0) + fixed(0.9642) + fixed(1.0) + fixed(0.8249)
    return header.ljust(128, b"\0") + body


# Display P3, adapted to D50 (rows: XYZ of red, green, blue).
P3_XYZ = np.array([[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]])


def p3_to_srgb(rgb: np.ndarray, gamma: float) -> np.ndarray:
    """The same by textbook matrices (sRGB's own transfer function at the end)."""
    srgb_xyz = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])
    linear = np.clip((rgb / 255.0) ** gamma @ P3_XYZ @ np.linalg.inv(srgb_xyz), 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_wide_gamut_becomes_srgb(tmp_path, mode):
    colours = np.array([[180, 90, 70], [90, 140, 100], [100, 110, 160], [128, 128, 128]], dtype=np.uint8)
    image = Image.fromarray(np.repeat(np.repeat(colours.reshape(2, 2, 3), 32, 0), 32, 1)).convert(mode)
    image.save(tmp_path / "a.png", icc_profile=icc_profile(P3_XYZ, 2.2, "Display P3"))
    photo = Photo.open(tmp_path / "a.png")
    assert photo.notes == ()
    assert_close(corners(photo), p3_to_srgb(colours, 2.2).round(), 2)
    # The conversion does something: a saturated red grows redder in sRGB's narrower gamut.
    assert corners(photo)[0][0] > 185


def test_srgb_profile_changes_nothing(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    quadrants().save(tmp_path / "a.png", icc_profile=profile)
    photo = Photo.open(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.rgb_srgb, np.asarray(quadrants()))
    assert photo.notes == ()


@pytest.mark.parametrize("profile", [b"not a profile", icc_profile(P3_XYZ, 2.2, "Display P3")[:200]])
def test_damaged_profile_is_ignored_and_said(tmp_path, profile):
    quadrants().save(tmp_path / "a.png", icc_profile=profile)
    photo = Photo.open(tmp_path / "a.png")
    np.testing.assert_array_equal(photo.rgb_srgb, np.asarray(quadrants()))
    assert "profile" in photo.notes[0]


def test_rgb_profile_on_a_grey_picture(tmp_path):
    Image.new("L", (64, 64), 128).save(tmp_path / "a.png", icc_profile=icc_profile(P3_XYZ, 1.0, "linear"))
    photo = Photo.open(tmp_path / "a.png")
    assert_close(photo.rgb_srgb[5, 5], [188] * 3, 1)


def test_animation_gives_the_first_frame_and_a_note(tmp_path):
    frames = [quadrants(), Image.new("RGB", (96, 64), (9, 9, 9)), Image.new("RGB", (96, 64), (99, 9, 9))]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    photo = Photo.open(tmp_path / "a.webp")
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE])
    assert "3 frames" in photo.notes[0]


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="pillow-heif is not installed")
def test_heic(tmp_path):
    import pillow_heif

    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 26
    image = quadrants(192, 128)
    image.info["exif"] = exif.tobytes()
    pillow_heif.from_pillow(image).save(tmp_path / "a.heic", quality=95)
    photo = Photo.open(tmp_path / "a.heic")
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE], 12)
    assert photo.focal35_mm == 26


def test_heic_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic" + b"\0" * 200)
    with pytest.raises(MissingExtraError, match=r"cephalon\[heif\]"):
        Photo.open(tmp_path / "a.heic")


# -- size -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "size"), [(".jpg", (7000, 2000)), (".png", (1600, 6400))])
def test_large_photos_are_reduced(tmp_path, suffix, size):
    quadrants(*size).save(tmp_path / f"a{suffix}")
    photo = Photo.open(tmp_path / f"a{suffix}")
    assert max(photo.width, photo.height) == WORKING_SIDE
    assert photo.width * photo.height <= WORKING_PIXELS
    assert photo.original_size == size
    assert photo.scale == pytest.approx(WORKING_SIDE / max(size), rel=1e-3)
    assert "reduced" in photo.notes[0]
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE])


def test_reduction_keeps_positions(tmp_path):
    """A dot stays where it was, to a small part of a pixel: reducing is a pure scale."""
    image = np.zeros((900, 7200), dtype=np.uint8)
    rows, columns = np.mgrid[:900, :7200] + 0.5
    image = (255 * np.exp(-((columns - 5000.0) ** 2 + (rows - 300.0) ** 2) / (2 * 20.0**2))).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    photo = Photo.open(tmp_path / "a.png")
    weight = photo.rgb_srgb[..., 0].astype(float)
    rows, columns = np.mgrid[: photo.height, : photo.width] + 0.5
    centre = np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(centre / photo.scale, [5000, 300], atol=0.05)


def test_decompression_bomb(tmp_path):
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 1_000_000
    with pytest.raises(InputError, match=r"megapixels; save it smaller"):
        Photo.open(tmp_path / "bomb.png")
    Image.new("1", (10_000, 9_000)).save(tmp_path / "small_bomb.png")
    with pytest.raises(InputError, match=r"10000 x 9000 px is more than the bound of 50 megapixels"):
        Photo.open(tmp_path / "small_bomb.png")


def test_jpeg_header_that_announces_too_much(tmp_path):
    quadrants().save(tmp_path / "a.jpg")
    data = bytearray((tmp_path / "a.jpg").read_bytes())
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", 65000, 65000)
    (tmp_path / "a.jpg").write_bytes(bytes(data))
    with pytest.raises(InputError, match="65000 x 65000 px is more than the bound of 200 megapixels"):
        Photo.open(tmp_path / "a.jpg")


def test_bound_can_be_lowered(tmp_path):
    quadrants().save(tmp_path / "a.png")
    with pytest.raises(InputError, match="more than the bound"):
        Photo.open(tmp_path / "a.png", max_pixels=1000)


@pytest.mark.parametrize("size", [(1, 1), (SMALLEST_SIDE - 1, 500), (500, 2)])
def test_too_small(tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=f"{size[0]} x {size[1]} px is too small"):
        Photo.open(tmp_path / "a.png")


# -- bad input --------------------------------------------------------------------------------------------------------


def one_sentence(path, match: str):
    with pytest.raises(InputError, match=match) as caught:
        Photo.open(path)
    assert caught.value.exit_code == 2
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    assert len(message) < 400


def test_no_such_file(tmp_path):
    one_sentence(tmp_path / "nothing.jpg", "no such file")


def test_folder(tmp_path):
    one_sentence(tmp_path, "is a folder")


@pytest.mark.parametrize(
    ("content", "match"), [(b"", "empty"), (b"not an image", "not a picture"), (b"\xff\xd8\xff", "damaged")]
)
def test_not_an_image(tmp_path, content, match):
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    one_sentence(path, match)


def test_impossible_name(tmp_path):
    with pytest.raises(InputError):
        Photo.open(tmp_path / "nul\0byte.jpg")
    with pytest.raises(InputError):
        Photo.open(tmp_path / ("x" * 5000))


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_named_pipe_does_not_hang(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.jpg")
    one_sentence(tmp_path / "pipe.jpg", "not a regular file")


def test_raw_files_are_named(tmp_path):
    (tmp_path / "a.CR2").write_bytes(b"II*\0" + b"\0" * 100)
    one_sentence(tmp_path / "a.CR2", "camera raw")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".gif", ".bmp"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_truncated(tmp_path, suffix, share):
    rng = np.random.default_rng(1)
    path = tmp_path / f"a{suffix}"
    Image.fromarray(rng.integers(0, 255, (80, 90, 3), dtype=np.uint8)).save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    one_sentence(path, "damaged or cut short|not a picture")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tiff", ".gif"])
def test_garbled_bytes_never_escape_as_other_errors(tmp_path, suffix):
    rng = np.random.default_rng(7)
    path = tmp_path / f"a{suffix}"
    quadrants().save(path, exif=_some_exif()) if suffix != ".gif" else quadrants().save(path)
    data = np.frombuffer(path.read_bytes(), dtype=np.uint8)
    for _ in range(60):
        broken = data.copy()
        places = rng.integers(0, len(data) if rng.random() < 0.5 else min(len(data), 300), 6)
        broken[places] = rng.integers(0, 256, 6)
        path.write_bytes(broken.tobytes())
        try:
            photo = Photo.open(path)
        except InputError:
            continue
        assert photo.rgb_srgb.dtype == np.uint8


def _some_exif() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA405: 26, 0x920A: 4.2})
    return exif.tobytes()


# -- the value --------------------------------------------------------------------------------------------------------


def test_name_and_hash(tmp_path):
    quadrants().save(tmp_path / "a.png")
    photo = Photo.open(str(tmp_path / "a.png"))
    assert photo.name == "a.png"
    assert photo.sha256 == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()


def test_from_array():
    array = np.asarray(quadrants()).copy()
    photo = Photo.from_array(array, focal35_mm=50)
    array[:] = 0
    assert_close(corners(photo), [RED, GREEN, BLUE, WHITE], 0)
    assert not photo.rgb_srgb.flags.writeable
    assert photo.focal35_mm == 50
    assert photo.scale == 1
    assert photo.sha256 == Photo.from_array(np.asarray(quadrants())).sha256
    assert Photo.from_array(array[..., 0]).rgb_srgb.shape == (64, 96, 3)
    rgba = np.dstack([array, np.full((64, 96), 7, np.uint8)])
    alpha = Photo.from_array(rgba).alpha
    assert alpha is not None
    assert (alpha == 7).all()


@pytest.mark.parametrize(
    ("array", "options", "match"),
    [
        (np.zeros((40, 40, 3)), {}, "uint8"),
        (np.zeros((40, 40, 5), np.uint8), {}, "expected an array"),
        (np.zeros((40,), np.uint8), {}, "expected an array"),
        (np.zeros((0, 40, 3), np.uint8), {}, "at least 1 x 1"),
        (np.zeros((40, 40, 3), np.uint8), {"alpha": np.zeros((4, 4), np.uint8)}, "alpha"),
        (np.zeros((40, 40, 4), np.uint8), {"alpha": np.zeros((40, 40), np.uint8)}, "twice"),
        (np.zeros((40, 40, 3), np.uint8), {"focal35_mm": -3}, "focal35_mm"),
        (np.zeros((40, 40, 3), np.uint8), {"focal35_mm": float("nan")}, "focal35_mm"),
    ],
)
def test_from_array_says_no(array, options, match):
    with pytest.raises(InputError, match=match):
        Photo.from_array(array, **options)


def test_importing_photo_loads_no_image_library():
    code = "import sys, cephalon.photo; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
