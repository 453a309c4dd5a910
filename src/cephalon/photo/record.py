"""`Photo`: one picture, upright, with what its file says about the camera."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from cephalon.core import InputError

if TYPE_CHECKING:
    pass

Uint8 = NDArray[np.uint8]

MOST_PIXELS = 200_000_000
"""Default bound on the pixels that a file's header may announce (formats that can be decoded at a smaller size)."""


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
        from cephalon.photo.read import open_photo

        return open_photo(Path(path), max_pixels)

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
