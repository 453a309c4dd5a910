"""Between sRGB and linear light, by tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STEPS = 1 << 14


def _decode(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


_LINEAR = _decode(np.arange(256) / 255).astype(np.float32)
# one entry for each of 2^14 steps of linear light: at most half a grey level off at the dark end
_SRGB = np.round(
    255 * np.where((t := np.arange(_STEPS) / (_STEPS - 1)) <= 0.0031308, 12.92 * t, 1.055 * t ** (1 / 2.4) - 0.055)
).astype(np.uint8)


def linear_from_srgb(srgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Decode sRGB uint8 to linear light in [0, 1]."""
    return _LINEAR.take(srgb)


def srgb_from_linear(linear: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Encode linear light (clipped to [0, 1]) as sRGB uint8."""
    steps = np.clip(linear, 0, 1) * np.float32(_STEPS - 1)
    steps += np.float32(0.5)
    return _SRGB.take(steps.astype(np.int16))
