"""The texture from start to end: gather, divide the light out, blend, mirror, complete."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.complete import complete
from cephalon.appearance.eyes import iris_colours
from cephalon.appearance.gather import gather, posed_vertices
from cephalon.appearance.light import estimate_light, shading
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.texels import Texels, skin_texels
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import Observation, PhotoFit, Posterior, Texture

Float = NDArray[np.float64]

# Regions whose skin has one colour; the light is measured on them.
_EVEN = ("forehead", "cheeks", "nose", "chin")
_UNEVEN = ("brows", "eyes", "lips_upper", "lips_lower", "nostrils", "mouth_cavity", "eye_sockets")


def make_texture(
    photos: Sequence[Photo],
    observations: Sequence[Observation],
    posterior: Posterior,
    model: HeadModel,
    options: TextureOptions | None = None,
) -> Texture:
    """Gather the skin's albedo from all photos, fill what none of them shows, and say where every texel came from.

    Parameters
    ----------
    photos, observations : one per `posterior.photos`, in its order.

    Returns
    -------
    Texture in the model's skin UV, with provenance "outside", "photo 1", ..., "mirrored", "completed".
    """
    options = options or TextureOptions()
    texels = skin_texels(model, options.size)
    posed = [posed_vertices(model, posterior.identity, fitted) for fitted in posterior.photos]
    albedos, weights, lights = [], [], []
    for photo, fitted, vertices in zip(photos, posterior.photos, posed, strict=True):
        seen = gather(
            photo, fitted, vertices, model, texels, options, eye_distance_px=eye_distance_px(model, fitted, vertices)
        )
        linear = linear_from_srgb(seen.rgb_srgb)
        light = estimate_light(seen.normal, linear, seen.weight * _even(texels))
        albedos.append(linear / shading(seen.normal, light, options.shading_range))
        weights.append(seen.weight)
        lights.append(light)
    rgb, provenance = complete(texels, albedos, weights)
    irises, iris_seen = iris_colours(photos, posterior.photos, posed, model)
    names = ("outside", *(f"photo {i + 1}" for i in range(len(photos))), "mirrored", "completed")
    del observations
    return Texture(
        albedo_srgb=rgb,
        provenance=provenance,
        provenance_names=names,
        iris_srgb=irises,
        iris_seen=iris_seen,
        light=np.stack(lights),
    )


def eye_distance_px(model: HeadModel, fitted: PhotoFit, vertices: Float) -> float:
    """Return the outer eye distance at the head's distance, px, as if seen from the front."""
    corners = model.point_set("now7").positions(vertices, model.faces)[[0, 3]]
    depth = float(fitted.camera_from_head.apply(corners)[:, 2].mean())
    return float(np.linalg.norm(corners[0] - corners[1])) * fitted.camera.focal_px / depth


def _even(texels: Texels) -> NDArray[np.float32]:
    weight = np.clip(sum(texels.regions[name] for name in _EVEN), 0, 1)
    for name in _UNEVEN:
        weight = weight * (1 - texels.regions[name])
    return np.asarray(weight, dtype=np.float32)


def linear_from_srgb(srgb: NDArray[np.floating]) -> NDArray[np.float32]:
    """Decode sRGB (0 to 255, any fraction) to linear light in [0, 1]."""
    x = srgb.astype(np.float32) / np.float32(255)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_from_linear(linear: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Encode linear light in [0, 1] as sRGB uint8."""
    x = np.clip(linear, 0, 1)
    encoded = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.power(np.maximum(x, 1e-9), 1 / 2.4) - 0.055)
    return np.round(encoded * 255).astype(np.uint8)
