"""From light to a picture: blur, exposure, noise, tone curve, sharpening, JPEG."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from cephalon.synth.scene import Sensor

Float32 = NDArray[np.float32]

_STEPS = 4096
_CURVE = np.linspace(0, 1, _STEPS)
_SRGB = np.where(_CURVE <= 0.0031308, 12.92 * _CURVE, 1.055 * _CURVE ** (1 / 2.4) - 0.055).astype(np.float32)


def expose(linear: Float32, sensor: Sensor) -> tuple[NDArray[np.uint8], bytes]:
    """Take a picture of linear light (h, w, 3): return it as sRGB uint8, as decoded from the JPEG bytes returned with it."""
    height, width = linear.shape[:2]
    light = linear * np.array(sensor.gains, dtype=np.float32)
    if sensor.vignette:
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        light = light * (1 - sensor.vignette * 0.5 * (x * x + y * y)).astype(np.float32)[..., None]
    if sensor.blur_px > 0.25:
        light = gaussian_filter(light, (sensor.blur_px, sensor.blur_px, 0), truncate=2.5)
    if max(abs(sensor.motion_px[0]), abs(sensor.motion_px[1])) > 0.5:
        light = _moved(light, sensor.motion_px)
    rng = np.random.default_rng(sensor.seed)
    # Shot noise grows with the root of the light, read noise does not: both as parts of the deviation at mid grey.
    slope = 0.218 * 2.2 / 0.5  # d linear / d sRGB at mid grey
    sigma = sensor.noise / 255 * slope
    noise = rng.standard_normal(light.shape, dtype=np.float32)
    light = light + noise * (np.sqrt(np.maximum(light, 0) / 0.218) * (0.85 * sigma) + 0.15 * sigma)
    light = np.maximum(light, 0)
    # A shoulder for highlights, more or less of it.
    rolled = 1 - np.exp(-1.25 * light)
    toned = np.clip(light + (rolled - light) * np.float32(0.3 + 0.4 * sensor.contrast), 0, 1)
    # the S curve of cameras and of people who like their pictures strong
    curve = _SRGB + np.float32(0.01 + 0.09 * sensor.contrast) * np.sin(2 * np.pi * (_SRGB - 0.5))
    code = curve[(toned * (_STEPS - 1) + 0.5).astype(np.int32)]
    grey = code @ np.array([0.299, 0.587, 0.114], np.float32)
    code = grey[..., None] + (code - grey[..., None]) * np.float32(0.95 + 0.2 * sensor.contrast)
    if sensor.grey:
        code = np.repeat(code @ np.array([0.299, 0.587, 0.114], np.float32)[:, None], 3, axis=-1)
    picture = Image.fromarray((np.clip(code, 0, 1) * 255 + 0.5).astype(np.uint8))
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
