"""Between sRGB and linear light (IEC 61966-2-1): the curve on floats in [0, 1], and tables for pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_STEPS = 1 << 14


def decode(srgb: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
    """Return linear light of sRGB values, both floats in [0, 1], of any shape."""
    x = np.asarray(srgb)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def encode(linear: npt.ArrayLike) -> npt.NDArray[np.floating[Any]]:
    """Return sRGB values of linear light, both floats in [0, 1], of any shape."""
    x = np.asarray(linear)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


_LINEAR = decode(np.arange(256) / 255).astype(np.float32)
# one entry for each of 2^14 steps of linear light: at most half a grey level off at the dark end
_SRGB = np.round(255 * encode(np.arange(_STEPS) / (_STEPS - 1))).astype(np.uint8)


def linear_from_srgb(srgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Decode sRGB uint8 to linear light in [0, 1]."""
    return _LINEAR.take(srgb)


def srgb_from_linear(linear: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Encode linear light (clipped to [0, 1]) as sRGB uint8."""
    steps = np.clip(linear, 0, 1) * np.float32(_STEPS - 1)
    steps += np.float32(0.5)
    return _SRGB.take(steps.astype(np.int16))
