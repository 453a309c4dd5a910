"""The few picture filters that the masks need, with plain types."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]


def distance_to(shape: Bool) -> Float32:
    """Distance (px) of each pixel to the next one of `shape`, 0 in it; infinite where there is none."""
    if not shape.any():
        return np.full(shape.shape, np.inf, dtype=np.float32)
    distance: Any = ndimage.distance_transform_edt(~shape)
    return distance.astype(np.float32)


def pieces(shape: Bool, *, diagonal: bool = False) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the connected pieces of `shape` from 1 on, 0 elsewhere; return the numbers and the area of each, px^2."""
    structure = np.ones((3, 3)) if diagonal else None
    found: Any = ndimage.label(shape, structure=structure)
    return found[0], np.bincount(found[0].reshape(-1), minlength=found[1] + 1)


def extents(numbers: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Return the longer side of the box around each numbered piece, (count + 1,) px, 0 for number 0."""
    boxes: Any = ndimage.find_objects(numbers, max_label=count)
    sides = [0 if box is None else max(side.stop - side.start for side in box) for box in boxes]
    return np.array([0, *sides], dtype=np.int64)


def eroded(shape: Bool, steps: int) -> Bool:
    """Take `steps` pixels off the border of `shape`."""
    return np.asarray(ndimage.binary_erosion(shape, iterations=steps), dtype=bool)


def dilated(shape: Bool, steps: int) -> Bool:
    """Add `steps` pixels around `shape`."""
    return np.asarray(ndimage.binary_dilation(shape, iterations=steps), dtype=bool)


def box_mean(picture: Float32, side: int) -> Float32:
    """Mean over squares of `side` px; of pictures (h, w, c) each channel by itself."""
    size: Any = (side, side, *([1] * (picture.ndim - 2)))
    return np.asarray(ndimage.uniform_filter(picture, size), dtype=np.float32)


def blurred(picture: Float32, sigma: float) -> Float32:
    """Gaussian blur; of pictures (h, w, c) each channel by itself."""
    sigmas = (sigma, sigma, *([0.0] * (picture.ndim - 2)))
    return np.asarray(ndimage.gaussian_filter(picture, sigmas, truncate=2.5), dtype=np.float32)
