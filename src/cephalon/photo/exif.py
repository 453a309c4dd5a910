"""What a picture's EXIF record says: which way is up, and the focal length."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

_DIAGONAL_35_MM = float(np.hypot(36.0, 24.0))

# What codecs raise on damaged bytes.
DAMAGE = (
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
UPRIGHT = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE",
    6: "ROTATE_270", 7: "TRANSVERSE", 8: "ROTATE_90",
}  # fmt: skip


def camera_facts(image: Image.Image) -> tuple[int, Mapping[int, Any]]:
    """Return the orientation (1 to 8) and the camera part of the EXIF record; damaged records count as absent."""
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        camera = dict(exif.get_ifd(_EXIF_IFD))
    except DAMAGE:
        return 1, {}
    return (int(orientation) if orientation in UPRIGHT else 1), camera


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if np.isfinite(number) and number > 0 else None


def focal35(camera: Mapping[int, Any], width: int, height: int) -> tuple[float | None, str | None]:
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
