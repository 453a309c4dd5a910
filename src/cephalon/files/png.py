"""Pictures in memory to PNG or JPEG bytes, and PNG files back, bounded."""

from __future__ import annotations

import io
import os
import struct

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.files.bounded import StrPath, read_bytes

MAX_PNG_BYTES = 512 * 2**20
MAX_PNG_PIXELS = 8192 * 8192
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_bytes(image: NDArray[np.uint8], *, level: int = 6) -> bytes:
    """A picture as PNG, without time stamps or text: same pixels, same bytes (on one zlib).

    Parameters
    ----------
    image : (h, w), (h, w, 1), (h, w, 3) or (h, w, 4) uint8: grey, sRGB, or sRGB with straight alpha; row 0 is the
        top.
    level : zlib effort 0 to 9. On a 2048 x 2048 texture level 1 is about six times faster than 6.

    Raises
    ------
    InputError
        For another shape or dtype, an empty picture, or a level outside 0 to 9.
    """
    if not 0 <= level <= 9:
        raise InputError(f"PNG level: expected 0 to 9, got {level!r}")
    return _encoded(_checked(image, (1, 3, 4)), "PNG", compress_level=level)


def jpeg_bytes(image: NDArray[np.uint8], *, quality: int = 92) -> bytes:
    """A picture, (h, w) or (h, w, 3) uint8 sRGB, as JPEG without chroma subsampling: lossy, for textures inside a GLB.

    Raises
    ------
    InputError
        As `png_bytes`; quality is 1 to 95.
    """
    if not 1 <= quality <= 95:
        raise InputError(f"JPEG quality: expected 1 to 95, got {quality!r}")
    return _encoded(_checked(image, (1, 3)), "JPEG", quality=quality, subsampling=0)


def write_png(path: StrPath, image: NDArray[np.uint8], *, level: int = 6) -> None:
    """Write `png_bytes(image)` in one step.

    Raises
    ------
    InputError
        As `png_bytes` and `atomic.write_bytes`.
    """
    write_bytes(path, png_bytes(image, level=level))


def read_png(path: StrPath, *, max_pixels: int = MAX_PNG_PIXELS) -> NDArray[np.uint8]:
    """Read an 8-bit PNG: (h, w) grey, (h, w, 3) sRGB or (h, w, 4) with alpha; palettes are resolved. Row 0 is the top.

    Raises
    ------
    InputError
        If the file is no PNG, is damaged or truncated, has 16 bits a channel or more than `max_pixels` pixels.
    """
    from PIL import Image

    where = os.fspath(path)
    data = read_bytes(path, max_bytes=MAX_PNG_BYTES, what="PNG picture")
    width, height, depth = _header(data, where)
    if width * height > max_pixels:
        raise InputError(f"{where} has {width} x {height} pixels, the limit is {max_pixels} pixels")
    if depth > 8:
        raise InputError(f"{where} has {depth} bits a channel: expected a PNG of 8 bits a channel")
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            picture.load()
            has_alpha = picture.has_transparency_data
            mode = "RGBA" if has_alpha else "L" if picture.mode in ("1", "L") else "RGB"
            return np.array(picture if picture.mode == mode else picture.convert(mode), dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise InputError(f"{where} is a damaged or truncated PNG ({error})") from error


def image_size(data: bytes) -> tuple[str, int, int] | None:
    """(mime type, width, height) of PNG or JPEG bytes from their headers alone; None if they are neither."""
    if data.startswith(_SIGNATURE) and len(data) >= 33:
        width, height = struct.unpack(">II", data[16:24])
        return "image/png", width, height
    if data.startswith(b"\xff\xd8\xff"):
        at = 2
        while at + 9 < len(data) and data[at] == 0xFF:
            marker, length = data[at + 1], struct.unpack(">H", data[at + 2 : at + 4])[0]
            if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
                height, width = struct.unpack(">HH", data[at + 5 : at + 9])
                return "image/jpeg", width, height
            at += 2 + length
    return None


def _header(data: bytes, where: str) -> tuple[int, int, int]:
    if not data.startswith(_SIGNATURE):
        raise InputError(f"{where} is not a PNG picture")
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise InputError(f"{where} is a damaged or truncated PNG (no header)")
    if b"IEND" not in data:
        raise InputError(f"{where} is a damaged or truncated PNG (no end)")
    width, height = struct.unpack(">II", data[16:24])
    return width, height, data[24]


def _checked(image: NDArray[np.uint8], channels: tuple[int, ...]) -> NDArray[np.uint8]:
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.dtype != np.uint8:
        raise InputError(f"picture: expected uint8, got {array.dtype}")
    if array.ndim not in (2, 3) or (1 if array.ndim == 2 else array.shape[2]) not in channels or array.size == 0:
        text = ", ".join(str(c) for c in channels)
        raise InputError(
            f"picture: expected (height, width) or (height, width, channels) with {text} channels, got {array.shape}"
        )
    return np.ascontiguousarray(array)


def _encoded(array: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(array).save(stream, kind, **options)
    return stream.getvalue()
