"""What one photo says of the skin: smoothly at the vertices, in full detail at the texels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.blend import Blend, Layer, softly
from cephalon.appearance.filters import blurred
from cephalon.appearance.masks import SkinMask
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import SkinSurface
from cephalon.appearance.texels import Texels
from cephalon.appearance.view import View
from cephalon.colour import linear_from_srgb
from cephalon.geometry.sampling import bilinear
from cephalon.photo import Photo

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Log albedo is clipped to this range: beyond it lie noise and burnt-out pixels.
DARKEST, BRIGHTEST = 0.012, 1.0
_SMOOTH_PX = 1.6
# Log by which a place on a lip may be brighter, paler, purer, of other hue than the lip, and is darker if it is no lip.
_LIP_BRIGHTER, _LIP_PALER, _LIP_PURER, _LIP_HUE, _LIP_DARKER = 0.3, 0.15, 0.25, 0.15, 1.0
_REDDER = 0.05  # log by which a hair may be redder than all else of the person
_FREE = 1e3  # a bound that holds nothing
_EAR = 0.4  # share of an ear's skin that has to be seen; what the ear hides of itself never is


def vertex_weight(view: View, mask: SkinMask, surface: SkinSurface, options: TextureOptions) -> Float32:
    """Return how well a photo sees each vertex, (m,) in [0, 1], by visibility and angle.

    An ear counts if most of it is seen, or not at all: in pieces it is blotchy.
    """
    ramp = np.clip((view.cosine - options.least_cosine) / (0.75 - options.least_cosine), 0, 1)
    weight = (view.seen * ramp**1.5).astype(np.float32)
    there = np.flatnonzero(weight > 0)
    usable = np.zeros(len(weight), dtype=np.float32)
    usable[there] = bilinear(mask.usable, view.grid.place(view.pixel[there]))
    ears = surface.regions["ears"]
    for side in (surface.left, ~surface.left):
        area = ears * side * surface.area_mm2
        if (area * (usable > 0.3)).sum() < _EAR * area.sum():
            weight *= 1 - ears * side
    return weight


def gather_layer(view: View, mask: SkinMask, weight: Float32, options: TextureOptions) -> Layer:
    """Return one photo's smooth log albedo at the vertices, from usable pixels alone; `weight` from `vertex_weight`."""
    linear = linear_from_srgb(view.grid_srgb)
    stack = np.concatenate([linear * mask.usable[..., None], mask.usable[..., None]], axis=2)
    smooth = blurred(stack, _SMOOTH_PX)
    place = view.grid.place(view.pixel)
    there = np.flatnonzero(weight > 0)
    sample = bilinear(smooth, place[there])
    usable = bilinear(mask.usable, place[there])
    colour = sample[:, :3] / np.maximum(sample[:, 3:], 1e-4)
    colour = colour / mask.light.shading(view.normal[there], options.shading_range)
    log_albedo = np.zeros((len(weight), 3), dtype=np.float32)
    log_albedo[there] = np.log(np.clip(colour, DARKEST, BRIGHTEST))
    confidence = np.zeros(len(weight), dtype=np.float32)
    confidence[there] = weight[there] * usable * (sample[:, 3] > 0.05)
    beard = np.zeros(len(weight), dtype=np.float32)
    beard[there] = bilinear(mask.beard, place[there])
    return Layer(log_albedo=log_albedo, confidence=confidence, beard=beard, folded=view.folded)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TexelColours:
    """One photo at the texels that it shows: `rows` (s,) of the texels, `albedo` (s, 3) linear, `weight` (s,) > 0."""

    rows: NDArray[np.intp]
    albedo: Float32
    weight: Float32


def gather_texels(
    photo: Photo,
    view: View,
    mask: SkinMask,
    surface: SkinSurface,
    texels: Texels,
    weight: Float32,
    blended: Blend,
    gain: Float32,
    options: TextureOptions,
) -> TexelColours:
    """Look all texels up that a photo shows.

    Parameters
    ----------
    weight : (m,) from `vertex_weight`.
    blended : the field of colour that details are held to.
    gain : (m, 3) its log factor at the vertices for this photo.
    """
    possible = texels.near(weight > 0)
    factor = gain - np.log(mask.light.shading(view.normal, options.shading_range))
    hair = np.maximum(surface.brows, blended.beard)
    shares = np.stack([blended.plain, hair, 1 - np.float32(options.folds) * view.folded], axis=1)
    vertex_fields = np.concatenate([view.pixel, weight[:, None], factor, blended.log_albedo, shares], axis=1)
    fields = texels.spread(vertex_fields.astype(np.float32), possible)
    grid_place = view.grid.place(fields[:, :2])
    known = fields[:, 2] * bilinear(mask.usable, grid_place)
    used = known > 0.02
    rows, fields, known = possible[used], fields[used], known[used]
    picture = linear_from_srgb(view.fine.cut(photo.rgb_srgb))
    albedo = bilinear(picture, view.fine.place(fields[:, :2]))
    albedo *= np.exp(fields[:, 3:6])
    _hold_details(albedo, fields[:, 6:9], fields[:, 9], fields[:, 11], options)
    lips = np.flatnonzero(texels.spread(surface.lips, rows) > 0.05)
    of_lips = texels.spread(np.column_stack([surface.lips, blended.lips]), rows[lips])
    albedo[lips] = _hold_lips(albedo[lips], of_lips[:, :1], of_lips[:, 1:])
    _hold_hair(albedo, fields[:, 10], _reddest(blended))
    _hold_highlights(albedo, np.exp(blended.tone).astype(np.float32), options)
    return TexelColours(rows=rows, albedo=albedo, weight=known.astype(np.float32))


def _hold_details(albedo: Float32, field: Float32, plain: Float32, unfolded: Float32, options: TextureOptions) -> None:
    """Hold the details of plain skin, in place, near the log albedo of the field (r, 3) around them.

    `unfolded` (r,) in (0, 1] is the share of the bounds that is left where the expression folds the skin.
    """
    rows = np.flatnonzero(plain > 0.05)
    detail = np.log(np.maximum(albedo[rows], 1e-3)) - field[rows]
    brightness = _mean(detail)[:, None]
    detail -= brightness
    excess = detail - softly(detail, 0.75 * options.uneven_colour, 0.75 * options.uneven_colour)
    own = unfolded[rows, None]
    excess += brightness - softly(brightness, options.darker * own, options.brighter * own)
    albedo[rows] *= np.exp(-plain[rows, None] * excess)


def _hold_lips(albedo: Float32, share: Float32, lips: Float32) -> Float32:
    """Return the albedo (r, 3) of lips, held softly near the log colour `lips` (r, 3) in the `share` (r, 1) that is lip.

    They are wet: what is much brighter or paler mirrors a lamp, or is a tooth. What is much darker is hair, or the gap
    between the lips, and stays.
    """
    detail = np.log(np.maximum(albedo, 1e-3)) - lips
    brightness = _mean(detail)[:, None]
    colour = detail - brightness
    pure = lips - _mean(lips)[:, None]
    pure = pure / np.maximum(np.linalg.norm(pure, axis=1, keepdims=True), 1e-3)
    along = (colour * pure).sum(1, keepdims=True)
    held = softly(along, _LIP_PALER, _LIP_PURER) * pure + softly(colour - along * pure, _LIP_HUE, _LIP_HUE)
    held = held + softly(brightness, _FREE, _LIP_BRIGHTER)
    light_enough = np.clip(2 + 2 * brightness / _LIP_DARKER, 0, 1)
    return (albedo * np.exp(share * light_enough * (held - detail))).astype(np.float32)


def _reddest(blended: Blend) -> tuple[float, float]:
    """Most log red over green and least log blue over green of this person's skin, brows and beard."""
    colours = np.stack([blended.tone, blended.brows, blended.tone + blended.tint])
    red, blue = colours[:, 0] - colours[:, 1], colours[:, 2] - colours[:, 1]
    return float(red.max()) + _REDDER, float(blue.min()) - _REDDER


def _hold_hair(albedo: Float32, hair: Float32, reddest: tuple[float, float]) -> None:
    """Hold the colour of hair, in place: red is over green over blue, as melanin leaves them, and no redder than `reddest`.

    What is dark reflects the sky, is noisy in colour, and deep in the shade of a brow skin lights itself red.
    """
    rows = np.flatnonzero(hair > 0.05)
    red, green, blue = (albedo[rows, k] for k in range(3))
    share = np.minimum(2 * hair[rows], 1)
    grey = np.sqrt(np.maximum(red * blue, 1e-8))
    bluer = share * (blue > red)
    red, blue = red + bluer * (grey - red), blue + bluer * (grey - blue)
    green = green + share * (np.clip(green, np.minimum(red, blue), np.maximum(red, blue)) - green)
    # brightness stays, so that less red is more of the others
    before = red + green + blue
    red = red + share * (np.minimum(red, green * np.float32(np.exp(reddest[0]))) - red)
    blue = blue + share * (np.maximum(blue, green * np.float32(np.exp(reddest[1]))) - blue)
    scale = before / np.maximum(red + green + blue, 1e-6)
    albedo[rows] = np.stack([red, green, blue], axis=1) * scale[:, None]


def _mean(rgb: Float32) -> Float32:
    """Mean of three columns (by sums: a reduction over a short axis is much slower)."""
    return (rgb[:, 0] + rgb[:, 1] + rgb[:, 2]) * np.float32(1 / 3)


def _hold_highlights(albedo: Float32, tone: Float32, options: TextureOptions) -> None:
    """Hold back, in place, what is brighter than the skin: shine has the colour of the lamp, so that goes as well."""
    brightness = _mean(albedo)
    limit = np.float32(tone.mean() * np.exp(options.highlight))
    over = np.flatnonzero(brightness > limit)
    excess = np.log(brightness[over] / limit)
    target = limit * np.exp(0.4 * excess)
    share = np.clip(excess / 0.5, 0, 0.8)[:, None]
    colour = albedo[over] / brightness[over, None]
    colour += share * (tone / tone.mean() - colour)
    albedo[over] = colour * target[:, None]
