"""Reading pictures at places between pixels, and making smaller pictures.

The centre of the top-left pixel is (0.5, 0.5). Beyond the centres of the border pixels the picture goes on with the
border's values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError

FloatArray = npt.NDArray[np.floating]

# Points handled at a time: what a chunk needs stays in the processor's cache.
_CHUNK = 16384


@overload
def bilinear(image: npt.NDArray, points: npt.ArrayLike, *, gradient: Literal[False] = False) -> FloatArray: ...
@overload
def bilinear(
    image: npt.NDArray, points: npt.ArrayLike, *, gradient: Literal[True]
) -> tuple[FloatArray, FloatArray]: ...
def bilinear(
    image: npt.NDArray, points: npt.ArrayLike, *, gradient: bool = False
) -> FloatArray | tuple[FloatArray, FloatArray]:
    """Interpolate an image bilinearly.

    Parameters
    ----------
    image : (h, w, c) or (h, w), any numeric dtype; computed in float32 if it is that, otherwise in float64.
    points : (n, 2) x and y, px; finite.
    gradient : also return the derivative of the values along x and y. It is 0 across a clamped border, and on a line
        of pixel centres that of the cell to the right and below.

    Returns
    -------
    values : (n, c) or (n,).
    d_point : (n, c, 2) or (n, 2) d values / d point, per px; only with `gradient`.

    Raises
    ------
    InputError
        On wrong shapes, an empty image, or points that are not finite.
    """
    image = np.asarray(image)
    place = np.asarray(points, dtype=np.float64)
    if image.ndim not in (2, 3) or 0 in image.shape[:2]:
        raise InputError(f"image: expected shape (h, w) or (h, w, c) with pixels, got {image.shape}")
    if place.ndim != 2 or place.shape[1] != 2:
        raise InputError(f"points: expected shape (any, 2), got {place.shape}")
    if not np.isfinite(place).all():
        raise InputError("points: expected finite pixel positions, got NaN or infinity")
    dtype = np.dtype(np.float32 if image.dtype == np.float32 else np.float64)
    flat = image.reshape(image.shape[0] * image.shape[1], -1)
    values = np.zeros((len(place), flat.shape[1]), dtype=dtype)
    d_point = np.zeros((len(place), flat.shape[1], 2), dtype=dtype) if gradient else None
    for start in range(0, len(place), _CHUNK):
        part = slice(start, start + _CHUNK)
        slopes = None if d_point is None else d_point[part]
        _bilinear_chunk(flat, image.shape[0], image.shape[1], place[part], values[part], slopes)
    values = values.reshape(len(place), *image.shape[2:])
    return values if d_point is None else (values, d_point.reshape(*values.shape, 2))


def _bilinear_chunk(
    flat: npt.NDArray,
    height: int,
    width: int,
    place: npt.NDArray[np.float64],
    values: FloatArray,
    slopes: FloatArray | None,
) -> None:
    """Fill `values` (n, c), and `slopes` (n, c, 2) if wanted, from the pixels `flat` (h * w, c)."""
    limit = np.array([width - 1, height - 1], dtype=np.float64)
    shifted = np.clip(place - 0.5, 0.0, limit)
    cell = np.minimum(shifted.astype(np.intp), np.maximum(limit.astype(np.intp) - 1, 0))
    fraction = (shifted - cell).astype(values.dtype)
    fx, fy = fraction[:, :1], fraction[:, 1:]
    corner = cell[:, 1] * width + cell[:, 0]
    right, down = min(1, width - 1), min(1, height - 1) * width
    top_left, top_right, low_left, low_right = (
        flat.take(corner + step, axis=0).astype(values.dtype, copy=False) for step in (0, right, down, right + down)
    )
    top = top_left + fx * (top_right - top_left)
    low = low_left + fx * (low_right - low_left)
    values[...] = top + fy * (low - top)
    if slopes is not None:
        inner = (place >= 0.5) & (place < limit + 0.5)
        slopes[..., 0] = ((1 - fy) * (top_right - top_left) + fy * (low_right - low_left)) * inner[:, :1]
        slopes[..., 1] = (low - top) * inner[:, 1:]


def halved(image: npt.NDArray) -> FloatArray:
    """Return the image at half the size, each pixel the mean of the up to four pixels beneath it.

    `image` is (h, w, c) or (h, w); the result has ceil(h / 2) rows and ceil(w / 2) columns. Of an odd side the last
    pixel stands for itself, so pixel coordinates scale by exactly 1/2. float32 stays float32, all else gives float64.
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3) or 0 in image.shape[:2]:
        raise InputError(f"image: expected shape (h, w) or (h, w, c) with pixels, got {image.shape}")
    values = image if image.dtype == np.float32 else image.astype(np.float64)
    odd = [(0, side % 2) for side in values.shape[:2]] + [(0, 0)] * (values.ndim - 2)
    if odd[0][1] or odd[1][1]:
        values = np.pad(values, odd, mode="edge")
    rows = values[0::2] + values[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) * values.dtype.type(0.25)


def pyramid(image: npt.NDArray, levels: int | None = None) -> list[FloatArray]:
    """Return the image and its halves: [full, 1/2, 1/4, ...], down to one pixel if `levels` is not given."""
    image = np.asarray(image)
    steps: list[FloatArray] = [image if image.dtype == np.float32 else image.astype(np.float64)]
    while (levels is None or len(steps) < levels) and max(steps[-1].shape[:2]) > 1:
        steps.append(halved(steps[-1]))
    return steps


def trilinear(steps: Sequence[FloatArray], points: npt.ArrayLike, level: npt.ArrayLike) -> FloatArray:
    """Interpolate a pyramid bilinearly in place and linearly in level, against aliasing when a texture shrinks.

    Parameters
    ----------
    steps : from `pyramid`.
    points : (n, 2) px of the full image.
    level : (n,) log2 of the width in px that one sample stands for; clipped to the levels there are.

    Returns
    -------
    (n, c) or (n,).
    """
    place = np.asarray(points, dtype=np.float64)
    wanted = np.broadcast_to(np.asarray(level, dtype=np.float64), len(place)).clip(0, len(steps) - 1)
    below = np.minimum(wanted.astype(np.intp), max(len(steps) - 2, 0))
    values = np.zeros((len(place), *steps[0].shape[2:]), dtype=steps[0].dtype)
    for number, step in enumerate(steps):
        share = np.where(below == number, 1 - (wanted - below), np.where(below + 1 == number, wanted - below, 0.0))
        rows = np.flatnonzero(share > 0)
        if rows.size:
            weight = share[rows].astype(values.dtype).reshape(-1, *([1] * (values.ndim - 1)))
            values[rows] += weight * bilinear(step, place[rows] * 0.5**number)
    return values
