"""From light to a picture: blur, exposure, noise, tone curve, sharpening, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cephalon.synth._light_kernels import blur_kernel, develop_kernel
from cephalon.synth.scene import Sensor

Float32 = NDArray[np.float32]

_STEPS = 4096
_CURVE = np.linspace(0, 1, _STEPS)
_SRGB = np.where(_CURVE <= 0.0031308, 12.92 * _CURVE, 1.055 * _CURVE ** (1 / 2.4) - 0.055).astype(np.float32)
_WAVE = np.sin(2 * np.pi * (_SRGB - 0.5))
_LIGHT = np.arange(4 * _STEPS, dtype=np.float32) / np.float32(_STEPS - 1)
_SHOULDER = 1 - np.exp(-1.25 * _LIGHT)


def expose(linear: Float32, sensor: Sensor) -> tuple[NDArray[np.uint8], bytes]:
    """Take a picture of linear light (h, w, 3): return it as sRGB uint8, as decoded from the JPEG bytes returned with it."""
    height, width = linear.shape[:2]
    light = linear
    if sensor.blur_px > 0.25:
        light = _blurred(light, sensor.blur_px)
    if max(abs(sensor.motion_px[0]), abs(sensor.motion_px[1])) > 0.5:
        light = _moved(light, sensor.motion_px)
    # A shoulder for highlights, more or less of it, and the S curve of cameras and of people who like their pictures strong.
    toned = np.clip(_LIGHT + (_SHOULDER - _LIGHT) * np.float32(0.3 + 0.4 * sensor.contrast), 0, 1)
    curve = _SRGB + np.float32(0.01 + 0.09 * sensor.contrast) * _WAVE
    tone = curve[(toned * (_STEPS - 1) + 0.5).astype(np.int32)]
    slope = 0.218 * 2.2 / 0.5  # d linear / d sRGB at mid grey
    saturation = 0.0 if sensor.grey else 0.95 + 0.2 * sensor.contrast
    values = np.array([*sensor.gains, sensor.vignette, sensor.noise / 255 * slope, saturation, _STEPS - 1.0])
    dice = np.random.default_rng(sensor.seed).integers(0, 1 << 64, light.shape, dtype=np.uint64)
    code = np.zeros(light.shape, dtype=np.uint8)
    develop_kernel(light, dice, values, tone, code)
    picture = Image.fromarray(code)
    if sensor.shrink < 1:
        small = (max(8, round(width * sensor.shrink)), max(8, round(height * sensor.shrink)))
        picture = picture.resize(small, Image.Resampling.BOX).resize((width, height), Image.Resampling.BICUBIC)
    if sensor.sharpen:
        picture = picture.filter(ImageFilter.UnsharpMask(radius=1.2, percent=int(100 * sensor.sharpen), threshold=1))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=sensor.quality, subsampling=0 if sensor.quality > 88 else 2)
    data = stream.getvalue()
    with Image.open(io.BytesIO(data)) as decoded:
        return np.asarray(decoded.convert("RGB")), data


def _blurred(light: Float32, sigma: float) -> Float32:
    """Blur by a Gaussian of `sigma` px, cut off at 2.5 of it; what lies outside is the picture mirrored at its border."""
    reach = np.arange(int(2.5 * sigma + 0.5) + 1)
    weights = np.exp(-0.5 * (reach / sigma) ** 2)
    result = np.zeros_like(light)
    blur_kernel(light, (weights / (2 * weights.sum() - weights[0])).astype(np.float32), np.zeros_like(light), result)
    return result


def _moved(light: Float32, motion: tuple[float, float]) -> Float32:
    """Average light along a path of `motion` px, in bilinear steps of at most a pixel; what lies outside is as the border."""
    length = float(np.hypot(*motion))
    count = int(np.clip(np.ceil(length), 2, 16))
    taps: dict[tuple[int, int], float] = {}
    for t in np.linspace(-0.5, 0.5, count):
        dx, dy = t * motion[0], t * motion[1]
        x, y = int(np.floor(dx)), int(np.floor(dy))
        for row, column, share in (
            (y, x, (1 - dy + y) * (1 - dx + x)), (y, x + 1, (1 - dy + y) * (dx - x)),
            (y + 1, x, (dy - y) * (1 - dx + x)), (y + 1, x + 1, (dy - y) * (dx - x)),
        ):  # fmt: skip
            taps[row, column] = taps.get((row, column), 0.0) + share / count
    height, width = light.shape[:2]
    edge = int(np.ceil(length / 2)) + 1
    wide = np.pad(light, ((edge, edge), (edge, edge), (0, 0)), mode="edge")
    total = np.zeros_like(light)
    for (row, column), share in taps.items():
        if share > 0:
            total += np.float32(share) * wide[edge + row : edge + row + height, edge + column : edge + column + width]
    return total
