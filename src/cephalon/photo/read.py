"""Picture files as `Photo`: bounds, decoding, orientation, colour profiles."""

from __future__ import annotations

import hashlib
import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from cephalon.core import InputError, MissingExtraError
from cephalon.photo.exif import DAMAGE, UPRIGHT, camera_facts, focal35
from cephalon.photo.record import Photo, Uint8

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS_WHOLE = 50_000_000
"""The same as `MOST_PIXELS` for formats that must be decoded whole: keeps memory under about 600 MB."""

WORKING_PIXELS = 24_000_000
WORKING_SIDE = 6_000
"""Larger photos are reduced to at most this many pixels and this long a side when they are opened."""

SMALLEST_SIDE = 32
"""px; in a smaller picture no head can be measured."""

_MOST_BYTES = 512 * 2**20

_STRIP = 512

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")

_RAW_SUFFIXES = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw"}

_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def open_photo(path: Path, max_pixels: int) -> Photo:
    """Read a picture file, see `Photo.open`."""
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
    except DAMAGE as error:
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
    orientation, camera = camera_facts(image)
    focal35_mm, focal_note = focal35(camera, width, height)
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
        method = Image.Transpose[UPRIGHT[orientation]]
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
    except (ImageCms.PyCMSError, *DAMAGE):
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
