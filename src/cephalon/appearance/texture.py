"""The texture from start to end: place the skin in each photo, segment, divide the light out, blend, complete."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cephalon.appearance.blend import blend
from cephalon.appearance.complete import compose
from cephalon.appearance.eyes import iris_colours
from cephalon.appearance.gather import gather_layer, gather_texels, vertex_weight
from cephalon.appearance.masks import skin_mask
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import skin_surface
from cephalon.appearance.texels import skin_texels
from cephalon.appearance.view import view
from cephalon.core import InputError
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import Observation, Posterior, Texture


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

    Raises
    ------
    InputError
        If the numbers of photos, observations and fitted photos differ, or there are more than 250.
    """
    options = options or TextureOptions()
    if not len(photos) == len(observations) == len(posterior.photos):
        raise InputError(
            f"texture: expected as many photos and observations as were fitted ({len(posterior.photos)}), "
            f"got {len(photos)} and {len(observations)}"
        )
    if not 1 <= len(photos) <= 250:
        raise InputError(f"texture: expected 1 to 250 photos, got {len(photos)}")
    surface, texels = skin_surface(model), skin_texels(model, options.size)
    views, masks, weights, layers = [], [], [], []
    for photo, observation, fitted in zip(photos, observations, posterior.photos, strict=True):
        placed = view(photo, observation, fitted, model, surface, posterior.identity, options, texel_mm=texels.scale)
        mask = skin_mask(photo, observation, placed, surface, options)
        weight = vertex_weight(placed, mask, surface, options)
        views.append(placed)
        masks.append(mask)
        weights.append(weight)
        layers.append(gather_layer(placed, mask, weight, options))
    blended = blend(layers, surface, options)
    colours = [
        gather_texels(photo, placed, mask, surface, texels, weight, blended, gain, options)
        for photo, placed, mask, weight, gain in zip(photos, views, masks, weights, blended.gains, strict=True)
    ]
    albedo, provenance = compose(texels, surface, colours, blended, options)
    uncovered = [not mask.eyes_covered for mask in masks]
    irises, iris_seen = iris_colours(photos, observations, posterior.photos, views, uncovered, model)
    return Texture(
        albedo_srgb=albedo,
        provenance=provenance,
        provenance_names=("outside", *(f"photo {i + 1}" for i in range(len(photos))), "mirrored", "completed"),
        iris_srgb=irises,
        iris_seen=iris_seen,
        light=np.stack([mask.light.coefficients for mask in masks]),
    )
