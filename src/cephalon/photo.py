"""Pictures in: files and arrays become `Photo`, upright 8-bit sRGB with what the file says about its camera."""

from __future__ import annotations

import hashlib
import os
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from cephalon.core import InputError, MissingExtraError

if TYPE_CHECKING:
    from PIL import Image

Uint8 = NDArray[np.uint8]

MOST_PIXELS = 200_000_000
"""Default bound on the pixels that a file's header may announce (formats that can be decoded at a smaller size)."""
MOST_PIXELS_WHOLE = 50_000_000
"""The same for formats that must be decoded whole: keeps memory under about 600 MB."""
WORKING_PIXELS = 24_000_000
WORKING_SIDE = 6_000
"""Larger photos are reduced to at most this many pixels and this long a side when they are opened."""
SMALLEST_SIDE = 32
"""px; in a smaller picture no head can be measured."""

_MOST_BYTES = 512 * 2**20
_STRIP = 512
_DIAGONAL_35_MM = float(np.hypot(36.0, 24.0))
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
_RAW_SUFFIXES = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
# What codecs raise on damaged bytes.
_CODEC_ERRORS = (
    OSError, ValueError, TypeError, SyntaxError, EOFError, KeyError, IndexError, OverflowError, ArithmeticError,
    AttributeError, RuntimeError, NotImplementedError, MemoryError, struct.error, zlib.error,
)  # fmt: skip

# EXIF tags.
_EXIF_IFD = 0x8769
_FOCAL_LENGTH, _FOCAL_LENGTH_35 = 0x920A, 0xA405
_PLANE_X_RESOLUTION, _PLANE_UNIT = 0xA20E, 0xA210
_PIXEL_X, _PIXEL_Y = 0xA002, 0xA003
_ORIENTATION = 0x0112
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# EXIF orientation -> the transposition that sets the picture upright.
_UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One picture, upright, in 8-bit sRGB.

    Attributes
    ----------
    rgb_srgb : (h, w, 3) uint8. Where `alpha` is 0 the colour means nothing.
    alpha : (h, w) uint8 opacity; None if the picture is opaque.
    focal35_mm : focal length equivalent to a 36 x 24 mm frame by its diagonal, mm; None if the file does not say.
    name : what to call the photo in messages and reports (the file's name without its folder).
    sha256 : of the file's bytes, or of the array.
    original_size : (width, height) of the upright picture in the file, px, before any reduction.
    notes : what happened on the way in that the user should know, one sentence each.
    """

    rgb_srgb: Uint8
    alpha: Uint8 | None = None
    focal35_mm: float | None = None
    name: str = "photo"
    sha256: str = ""
    original_size: tuple[int, int] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        rgb = _read_only("rgb_srgb", self.rgb_srgb, (None, None, 3))
        if rgb.size == 0:
            raise InputError(
                f"{self.name}: expected a picture of at least 1 x 1 px, got {rgb.shape[1]} x {rgb.shape[0]}"
            )
        object.__setattr__(self, "rgb_srgb", rgb)
        if self.alpha is not None:
            object.__setattr__(self, "alpha", _read_only("alpha", self.alpha, rgb.shape[:2]))
        if self.focal35_mm is not None and not (np.isfinite(self.focal35_mm) and 4 <= self.focal35_mm <= 4000):
            raise InputError(f"{self.name}: focal35_mm must lie between 4 and 4000 mm, got {self.focal35_mm!r}")
        if self.original_size is None:
            object.__setattr__(self, "original_size", (rgb.shape[1], rgb.shape[0]))

    @property
    def width(self) -> int:
        """Width in px."""
        return self.rgb_srgb.shape[1]

    @property
    def height(self) -> int:
        """Height in px."""
        return self.rgb_srgb.shape[0]

    @property
    def scale(self) -> float:
        """Pixels here per pixel of the file's picture: 1, or less if the photo was reduced when it was opened."""
        original = self.original_size or (self.width, self.height)
        return self.width / original[0]

    @staticmethod
    def open(path: str | os.PathLike[str], *, max_pixels: int = MOST_PIXELS) -> Photo:
        """Read a picture file.

        EXIF orientation is applied; 16-bit, grey, palette, CMYK and wide-gamut pictures become 8-bit sRGB (by the
        embedded colour profile if there is one); of an animation the first frame is taken; a photo of more than 24
        megapixels or 6000 px is reduced. Formats: JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000, PPM, and HEIC with
        the extra `heif`.

        Parameters
        ----------
        max_pixels : refuse a file whose header announces more (guards against decompression bombs).

        Raises
        ------
        InputError
            If the file is missing, no picture, damaged, too large or too small. The message says what to do.
        MissingExtraError
            If the file is HEIC and the reader for it is not installed.
        """
        return _open(Path(path), max_pixels)

    @staticmethod
    def from_array(
        rgb_srgb: npt.ArrayLike,
        *,
        alpha: npt.ArrayLike | None = None,
        focal35_mm: float | None = None,
        name: str = "array",
    ) -> Photo:
        """Make a photo of an array: (h, w, 3) or grey (h, w), or (h, w, 4) with alpha; uint8 sRGB.

        Raises
        ------
        InputError
            If the array has another shape or is not uint8 (floats are refused: their range would be a guess).
        """
        array = np.asarray(rgb_srgb)
        if array.dtype != np.uint8:
            raise InputError(f"{name}: expected an array of uint8 sRGB values 0 to 255, got dtype {array.dtype}")
        if array.ndim == 2:
            array = np.repeat(array[:, :, None], 3, axis=2)
        if array.ndim != 3 or array.shape[2] not in (3, 4):
            raise InputError(f"{name}: expected an array (h, w), (h, w, 3) or (h, w, 4), got shape {array.shape}")
        if array.shape[2] == 4:
            if alpha is not None:
                raise InputError(f"{name}: alpha is given twice, in the fourth channel and by itself; give it once")
            alpha = array[:, :, 3]
        digest = hashlib.sha256(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array).data)
        return Photo(
            rgb_srgb=array[:, :, :3],
            alpha=None if alpha is None else np.asarray(alpha),
            focal35_mm=focal35_mm,
            name=name,
            sha256=digest.hexdigest(),
        )


def _read_only(name: str, value: NDArray[Any], shape: tuple[int | None, ...]) -> Uint8:
    """Return `value` read-only; copied unless nobody can write to it already (photos are large)."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(w is None or w == s for w, s in zip(shape, array.shape, strict=True))
    if not fits or array.dtype != np.uint8:
        wanted = "(" + ", ".join("any" if w is None else str(w) for w in shape) + ")"
        raise InputError(f"{name}: expected uint8 of shape {wanted}, got {array.dtype} of shape {array.shape}")
    base = array
    while isinstance(base, np.ndarray) and not base.flags.writeable and base.base is not None:
        base = base.base
    if not array.flags.c_contiguous or (isinstance(base, np.ndarray) and base.flags.writeable):
        array = array.copy()
    array.flags.writeable = False
    return array


# -- reading a file ---------------------------------------------------------------------------------------------------


def _open(path: Path, max_pixels: int) -> Photo:
    name = path.name or str(path)
    _check_file(path)
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # Codecs warn of what they repair; what they cannot repair is an error.
            warnings.simplefilter("ignore")
            head = file.read(32)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            return _decode(file, head, name, sha256, max_pixels)
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: no permission to read this file; change its permissions or copy it") from error
    except _CODEC_ERRORS as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: the picture is damaged or cut short ({text:.100}); get or export the file anew"
        ) from error


def _check_file(path: Path) -> None:
    try:
        exists, is_folder, is_file = path.exists(), path.is_dir(), path.is_file()
        size = path.stat().st_size if is_file else 0
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be opened ({error}); check the path") from error
    if is_folder:
        raise InputError(f"{path}: is a folder; name the photos in it, for example {path / 'photo.jpg'}")
    if not exists:
        raise InputError(f"{path}: no such file; check the path and the spelling")
    if not is_file:
        raise InputError(f"{path}: is not a regular file; save the picture to a file first")
    if size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); get or export it anew")
    if size > _MOST_BYTES:
        raise InputError(
            f"{path}: {size / 2**20:.0f} MiB is more than the {_MOST_BYTES // 2**20} MiB that are read; save it smaller"
        )
    if path.suffix.lower() in _RAW_SUFFIXES:
        raise InputError(f"{path}: is a camera raw file; export it as JPEG or PNG first")


def _decode(file: BinaryIO, head: bytes, name: str, sha256: str, max_pixels: int) -> Photo:
    from PIL import Image

    image = _header(file, head, name)
    width, height = image.size
    whole = image.format not in ("JPEG", "MPO", "HEIF")
    bound = min(max_pixels, MOST_PIXELS_WHOLE) if whole else max_pixels
    if width * height > bound:
        raise InputError(
            f"{name}: {width} x {height} px is more than the bound of {bound / 1e6:.0f} megapixels; "
            "save it smaller and try again"
        )
    if min(width, height) < SMALLEST_SIDE:
        raise InputError(
            f"{name}: {width} x {height} px is too small to measure a head; use a picture of at least "
            f"{SMALLEST_SIDE} x {SMALLEST_SIDE} px"
        )
    notes = []
    frames = getattr(image, "n_frames", 1)
    if image.format != "MPO" and frames > 1:
        notes.append(f"an animation of {frames} frames; the first one was taken")
        image.seek(0)
    orientation, camera = _exif(image)
    focal35_mm, focal_note = _focal35(camera, width, height)
    if focal_note:
        notes.append(focal_note)
    profile = image.info.get("icc_profile")
    if image.format == "TIFF":
        # This decoder sets the picture upright itself.
        image.load()
        orientation, (width, height) = 1, image.size
    reduction = min(1.0, WORKING_SIDE / max(width, height), float(np.sqrt(WORKING_PIXELS / (width * height))))
    target = (max(1, round(width * reduction)), max(1, round(height * reduction)))
    if reduction < 1:
        image.draft(None, target)
    image.load()
    image = _eight_bit(image, name)
    if image.size != target:
        # The full-size picture is let go as soon as the smaller one exists.
        image = image.resize(target, Image.Resampling.LANCZOS, reducing_gap=3.0)
    if reduction < 1:
        notes.append(f"reduced from {width} x {height} to {target[0]} x {target[1]} px")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    rgb, colour_note = _srgb(image, profile)
    if colour_note:
        notes.append(colour_note)
    if orientation != 1:
        method = Image.Transpose[_UPRIGHT[orientation]]
        rgb = rgb.transpose(method)
        alpha = None if alpha is None else alpha.transpose(method)
        if orientation >= 5:
            width, height = height, width
    alpha_array = None if alpha is None else np.asarray(alpha)
    if alpha_array is not None and alpha_array.min() == 255:
        alpha_array = None
    return Photo(
        rgb_srgb=_pixels(rgb),
        alpha=alpha_array,
        focal35_mm=focal35_mm,
        name=name,
        sha256=sha256,
        original_size=(width, height),
        notes=tuple(notes),
    )


def _header(file: BinaryIO, head: bytes, name: str) -> Image.Image:
    """Read the header alone and return the lazy image; sizes are checked before anything is decoded."""
    from PIL import Image, JpegImagePlugin, UnidentifiedImageError

    if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
        return _heif(file, name)
    try:
        if head.startswith(b"\xff\xd8\xff"):
            # Not Image.open: its own bound lies below that of current phones, and a JPEG can be decoded reduced.
            return JpegImagePlugin.jpeg_factory(file)
        return Image.open(file, formats=_FORMATS)
    except UnidentifiedImageError as error:
        raise InputError(f"{name}: is not a picture that can be read; use JPEG, PNG, WebP, TIFF or HEIC") from error
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{name}: the picture is larger than the bound of {MOST_PIXELS_WHOLE / 1e6:.0f} megapixels; "
            "save it smaller and try again"
        ) from error


def _heif(file: BinaryIO, name: str) -> Image.Image:
    try:
        import pillow_heif
    except ImportError as error:
        raise MissingExtraError(f"{name}: reading HEIC photos", "heif") from error
    heif = pillow_heif.open_heif(file, convert_hdr_to_8bit=True)
    width, height = heif.size
    if width * height > MOST_PIXELS_WHOLE:
        raise InputError(
            f"{name}: {width} x {height} px is more than the bound of {MOST_PIXELS_WHOLE / 1e6:.0f} megapixels; "
            "save it smaller and try again"
        )
    image = heif.to_pillow()
    image.format = "HEIF"
    return image


def _exif(image: Image.Image) -> tuple[int, Mapping[int, Any]]:
    """Return the orientation (1 to 8) and the camera part of the EXIF record; damaged records count as absent."""
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        camera = dict(exif.get_ifd(_EXIF_IFD))
    except _CODEC_ERRORS:
        return 1, {}
    return (int(orientation) if orientation in _UPRIGHT else 1), camera


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def _focal35(camera: Mapping[int, Any], width: int, height: int) -> tuple[float | None, str | None]:
    """Return the 35 mm-equivalent focal length that the EXIF record states or implies, and a note if it is not usable.

    Where only the focal length f and the focal plane's resolution r (pixels per mm) are given, the record's own picture
    size (W, H) gives f * 43.27 mm / (diagonal of (W, H) / r).
    """
    record_width, record_height = _number(camera.get(_PIXEL_X)), _number(camera.get(_PIXEL_Y))
    if record_width and record_height:
        ratio = (max(width, height) / min(width, height)) / (
            max(record_width, record_height) / min(record_width, record_height)
        )
        if abs(np.log(ratio)) > 0.02:
            return None, "cropped after it was taken, so its focal length was not used"
    stated = _number(camera.get(_FOCAL_LENGTH_35))
    if stated is None:
        focal, resolution = _number(camera.get(_FOCAL_LENGTH)), _number(camera.get(_PLANE_X_RESOLUTION))
        unit = _UNIT_MM.get(camera.get(_PLANE_UNIT, 2))
        if focal is None or resolution is None or unit is None:
            return None, None
        diagonal_px = float(np.hypot(record_width or width, record_height or height))
        stated = focal * _DIAGONAL_35_MM / (diagonal_px / resolution * unit)
    if not 6 <= stated <= 1500:
        return None, f"its record states a 35 mm-equivalent focal length of {stated:.4g} mm, which was not believed"
    return stated, None


def _eight_bit(image: Image.Image, name: str) -> Image.Image:
    """Return the image in mode L, LA, RGB, RGBA or CMYK, 8 bits a channel, scaled and not clipped."""
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
            raise InputError(f"{name}: has 32-bit values, whose range is unknown; save it with 8 or 16 bits a channel")
        table = ((np.arange(65536) * 255 + 32767) // 65535).astype(np.uint8)
        return Image.fromarray(table[values.astype(np.uint16, copy=False)])
    if image.mode == "F":
        raise InputError(
            f"{name}: has floating-point values, whose range is unknown; save it with 8 or 16 bits a channel"
        )
    if image.mode in ("P", "PA", "L", "RGB") and (image.mode == "PA" or "transparency" in image.info):
        return image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        return image
    plain = {"1": "L", "La": "LA", "RGBa": "RGBA"}
    return image.convert(plain.get(image.mode, "RGB"))


def _srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str | None]:
    """Return the image in mode RGB as sRGB, and a note on its colours if there is something to say."""
    from PIL import ImageCms

    if image.mode == "LA":
        image = image.getchannel("L")
    elif image.mode == "RGBA":
        image = image.convert("RGB")
    approximate = "CMYK without a usable colour profile; its colours are approximate" if image.mode == "CMYK" else None
    if not profile:
        return (image if image.mode == "RGB" else image.convert("RGB")), approximate
    ignored = approximate or "its colour profile could not be used and was ignored"
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        facts: Any = source.profile
        space = facts.xcolor_space.strip()
        if space == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) != image.mode:
            return image.convert("RGB"), ignored
        if (facts.profile_description or "").startswith("sRGB"):
            return (image if image.mode == "RGB" else image.convert("RGB")), None
        intent = ImageCms.Intent.PERCEPTUAL if image.mode == "CMYK" else ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(
            image,
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=intent,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, *_CODEC_ERRORS):
        return image.convert("RGB"), ignored
    return (converted, None) if converted is not None else (image.convert("RGB"), ignored)


def _pixels(image: Image.Image) -> Uint8:
    """Return the pixels of an RGB image, read-only; strip by strip, as a whole they would be held three times."""
    width, height = image.size
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    for top in range(0, height, _STRIP):
        pixels[top : top + _STRIP] = np.asarray(image.crop((0, top, width, min(top + _STRIP, height))))
    pixels.flags.writeable = False
    return pixels
