"""Made-up textures of see-through layers: fur, strands, lashes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

FUR_LAYERS = 8


@lru_cache(maxsize=1)
def layer_textures() -> Mapping[str, Float32]:
    """Return the made-up textures of see-through layers: name -> (h, w, 2) brightness around 1, and alpha."""
    rng = np.random.default_rng(11)
    textures = {"lashes": _lash_texture(rng), "strands": _strand_texture(rng), "": np.ones((1, 1, 2), np.float32)}
    side = 256
    noise = rng.random((side, side))
    blurred = noise.copy()
    for axis in (0, 1):
        blurred = (blurred + np.roll(blurred, 1, axis) + np.roll(blurred, -1, axis)) / 3
    order = np.argsort(np.argsort(blurred.ravel())).reshape(side, side) / side**2
    bright = np.exp(0.5 * (order - 0.5)).astype(np.float32)
    for layer in range(FUR_LAYERS):
        # a share of the strands ends below each shell
        least = 0.12 + 0.62 * (layer / FUR_LAYERS) ** 1.3
        alpha = np.clip((order - least) / 0.18, 0, 1) * 0.95
        textures[f"fur{layer}"] = np.stack([bright, alpha.astype(np.float32)], axis=-1)
    return textures


def _lash_texture(rng: np.random.Generator) -> Float32:
    """Lashes in the chart of the lash parts: roots at v = 0.52 (upper) and 0.48 (lower), tips at the chart's ends."""
    height = width = 192
    alpha = np.zeros((height, width))
    for upper in (True, False):
        count = 72 if upper else 44
        for k in range(count):
            u = 0.02 + 0.96 * (k + rng.random()) / count
            t = np.linspace(0, 1, 100)
            reach = (0.40 if upper else 0.24) * rng.uniform(0.7, 1.0) * (0.6 + 0.4 * np.sin(np.pi * u))
            v = 0.52 + reach * t if upper else 0.48 - reach * t
            x = (u + 0.05 * (u - 0.45) * t * 2) * width
            column, row = np.clip(x.astype(int), 0, width - 1), np.clip(((1 - v) * height).astype(int), 0, height - 1)
            alpha[row, column] = np.maximum(alpha[row, column], (1 - 0.75 * t) * (1.0 if upper else 0.55))
    # wide enough not to vanish between samples
    alpha = np.maximum(alpha, 0.6 * np.maximum(np.roll(alpha, 1, 1), np.roll(alpha, -1, 1)))
    return np.stack([np.ones_like(alpha), alpha], axis=-1).astype(np.float32)


def _strand_texture(rng: np.random.Generator) -> Float32:
    """Strands along v for locks; u repeats."""
    height, width = 128, 256
    streak = rng.normal(0, 1, width)
    streak = (streak + 0.6 * np.roll(streak, 1) + 0.6 * np.roll(streak, -1)) / 1.3
    broad = rng.normal(0, 1, width)
    for _ in range(24):
        broad = (broad + np.roll(broad, 1) + np.roll(broad, -1)) / 3
    broad /= broad.std()
    bright = np.exp(0.20 * streak + 0.10 * broad)[None].repeat(height, 0)
    ends = np.clip(0.86 + 0.16 * rng.normal(0, 1, width), 0.45, 1.0)
    v = (1 - (np.arange(height) + 0.5) / height)[:, None]
    # roots come out of the hair below, not out of a cut edge
    alpha = np.clip((ends - v) / 0.16, 0, 1) * np.clip(0.88 + 0.22 * streak, 0.15, 1.0)[None] * np.clip(v / 0.07, 0, 1)
    return np.stack([bright, alpha * np.ones((height, 1))], axis=-1).astype(np.float32)
