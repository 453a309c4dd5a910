"""One texture from several views, and what no view shows: mirrored, then completed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cephalon.appearance.texels import Texels

GUTTER = 8
_COARSE = 128


def complete(
    texels: Texels, albedos: Sequence[NDArray[np.float32]], weights: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Blend the views and fill the rest.

    Parameters
    ----------
    albedos : per photo (t, 3) linear.
    weights : per photo (t,) >= 0.

    Returns
    -------
    albedo (s, s, 3) sRGB uint8 with a gutter around the chart, provenance (s, s) uint8: 0 outside, 1... the photos, then
    mirrored, completed.
    """
    from cephalon.appearance.texture import srgb_from_linear

    stack = np.stack(weights)
    total = stack.sum(0)
    blended = sum(a * w[:, None] for a, w in zip(albedos, stack**2, strict=True)) / np.maximum((stack**2).sum(0), 1e-9)[:, None]
    label = np.where(total > 0.05, 1 + stack.argmax(0), 0)
    mirrored = (label == 0) & (label[texels.mirror] > 0)
    own = np.clip(total / 0.3, 0, 1)
    other = np.clip(total[texels.mirror] / 0.3, 0, 1) * (1 - own)
    skin = np.median(blended[total > 0.5], axis=0) if (total > 0.5).any() else np.array([0.5, 0.36, 0.3])
    colour = blended * own[:, None] + blended[texels.mirror] * other[:, None]
    known = own + other
    filled = _membrane(texels, colour, known, skin)
    result = colour + filled * (1 - np.clip(known, 0, 1))[:, None]
    count = len(albedos)
    provenance = np.where(label > 0, label, np.where(mirrored, count + 1, count + 2)).astype(np.uint8)
    picture = texels.image(srgb_from_linear(result))
    inside = np.zeros(texels.size**2, dtype=bool)
    inside[texels.index] = True
    nearest = ndimage.distance_transform_edt(
        ~inside.reshape(texels.size, texels.size), return_distances=False, return_indices=True
    )
    return picture[nearest[0], nearest[1]], texels.image(provenance)


def _membrane(texels: Texels, colour: NDArray, known: NDArray, skin: NDArray) -> NDArray[np.float32]:
    """Fill smoothly from what is known, pulled to the skin's median colour, by a pyramid of weighted means."""
    image = texels.image(np.concatenate([colour, known[:, None]], axis=1).astype(np.float32))
    out = np.zeros_like(image[..., :3])
    weight = np.zeros_like(image[..., :1])
    for sigma in (texels.size / 128, texels.size / 48, texels.size / 20):
        blur = np.stack([ndimage.gaussian_filter(image[..., c], sigma, truncate=3) for c in range(4)], axis=-1)
        left = np.clip(1 - weight, 0, 1)
        trust = np.clip(blur[..., 3:] * 4, 0, 1) * left
        out += trust * blur[..., :3] / np.maximum(blur[..., 3:], 1e-6)
        weight += trust
    out += (1 - weight) * skin
    return out.reshape(-1, 3)[texels.index]
