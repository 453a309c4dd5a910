"""Radiance pictures (.hdr, RGBE), as panoramas are published, and how one is known by its light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError

_MOST_PIXELS = 1 << 25
_MOST_BYTES = 160 * 2**20
_STRIP = 64

CELLS = (4, 8)
"""Rows and columns of the cells whose mean light identifies a panorama."""
TOLERANCE = 0.02
"""Largest accepted difference of a cell's mean radiance, as a share of the cell's brightest channel.

Readers of RGBE differ by half a step of the mantissa, up to 0.4 % of a pixel's brightest channel; records round by less.
"""


def cell_radiance(rgb: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the mean linear radiance (4, 8, 3) of the cells of a panorama (h, w, 3), h a multiple of 4 and w of 8.

    It does not change when a picture is reduced by averaging blocks within cells.

    Raises
    ------
    InputError
        If the sides are no such multiples.
    """
    rows, columns = CELLS
    height, width = rgb.shape[:2]
    if height % rows or width % columns:
        raise InputError(
            f"panorama: expected sides that are multiples of {rows} and {columns} px, got {height} x {width}"
        )
    blocks = np.asarray(rgb, dtype=np.float64).reshape(rows, height // rows, columns, width // columns, 3)
    return blocks.mean(axis=(1, 3))


def light_difference(found: NDArray[np.float64], expected: NDArray[np.float64]) -> float:
    """Return the largest difference of two `cell_radiance`, as a share of the expected cell's brightest channel."""
    scale = np.maximum(expected.max(-1, keepdims=True), 1e-9)
    difference = np.abs(found - expected) / scale
    return float(difference.max()) if np.isfinite(difference).all() else float("inf")


def read_hdr(path: Path) -> NDArray[np.float32]:
    """Return the linear radiance (h, w, 3) of a Radiance picture with rows from above (Ward 1991; run lengths by byte plane).

    Raises
    ------
    InputError
        If the file cannot be read, is not such a picture, is cut off, or has more than 33 million pixels.
    """
    try:
        if not path.is_file():  # a pipe would be waited for, a device read for ever
            raise InputError(f"{path}: expected a Radiance picture (.hdr), found no regular file there")
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(data) > _MOST_BYTES:
        raise InputError(f"{path}: larger than {_MOST_BYTES // 2**20} MiB, the limit for a panorama; save it smaller")
    return decode_hdr(data, str(path))


def decode_hdr(data: bytes, name: str) -> NDArray[np.float32]:
    """Return what `read_hdr` does of a file's bytes; `name` stands in messages."""
    head, mark, rest = data.partition(b"\n\n")
    line, _, body = rest.partition(b"\n")
    words = line.split()
    if (
        not head.startswith((b"#?RADIANCE", b"#?RGBE"))
        or not mark
        or len(words) != 4
        or (words[0], words[2]) != (b"-Y", b"+X")
        or not all(word.isdigit() and len(word) < 8 for word in words[1::2])
    ):
        raise InputError(f"{name}: not a Radiance picture (.hdr) with rows from above")
    if b"\nFORMAT=" in head and b"\nFORMAT=32-bit_rle_rgbe" not in head:
        raise InputError(f"{name}: its colours are not RGBE; save it as FORMAT=32-bit_rle_rgbe")
    height, width = int(words[1]), int(words[3])
    if not 0 < height * width <= _MOST_PIXELS:
        raise InputError(f"{name}: {width} x {height} px are more than a panorama has")
    try:
        pixels = _unpacked(body, height, width)
    except IndexError as error:
        raise InputError(f"{name}: the picture is cut off") from error
    radiance = np.zeros((height, width, 3), dtype=np.float32)
    for top in range(0, height, _STRIP):  # as a whole the steps between would take ten times the picture
        rows = pixels[top : top + _STRIP]
        scale = np.where(rows[..., 3] > 0, np.ldexp(1.0, rows[..., 3].astype(np.int32) - 136), 0.0)
        radiance[top : top + _STRIP] = (rows[..., :3] + 0.5 * (rows[..., 3:] > 0)) * scale[..., None]
    return radiance


def _unpacked(body: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Return (h, w, 4) bytes: flat pixels, or each row's four planes in runs."""
    raw = np.frombuffer(body, dtype=np.uint8)
    pixels = np.zeros((height, width, 4), dtype=np.uint8)
    at = 0
    for row in range(height):
        if not (8 <= width < 32768 and raw[at] == 2 and raw[at + 1] == 2 and raw[at + 2] < 128):
            if at + 4 * width > len(raw):
                raise IndexError
            pixels[row] = raw[at : at + 4 * width].reshape(width, 4)
            at += 4 * width
            continue
        at += 4
        for plane in range(4):
            column = 0
            while column < width:
                count = int(raw[at])
                run = count > 128
                count -= 128 * run
                if count == 0 or column + count > width or at + 1 + count * (not run) > len(raw):
                    raise IndexError
                pixels[row, column : column + count, plane] = raw[at + 1] if run else raw[at + 1 : at + 1 + count]
                at += 2 if run else 1 + count
                column += count
    return pixels
