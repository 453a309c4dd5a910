"""All texels: the photos where they see the skin, its mirror image, and what neither knows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cephalon.appearance.blend import Blend
from cephalon.appearance.brows import BROWS_COVER
from cephalon.appearance.filters import box_mean
from cephalon.appearance.gather import TexelColours
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import SkinSurface
from cephalon.appearance.texels import Texels
from cephalon.colour import srgb_from_linear

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Weight at which a photo begins to cover what lies beneath, and covers it wholly.
_BEGIN, _FULL = 0.06, 0.50
_STREAKS = 2.6  # stretch of a texel at which grain is left out
_GRAIN, _HAIRS = (0.004, 0.012, 0.05), (0.02, 0.08, 0.25)  # least, usual and most structure of skin and of beards
_BLACK = 0.015  # linear albedo of black hair
# Linear factors on the skin's own tone where skin turns inwards.
_INSIDE_MOUTH = np.array([0.34, 0.17, 0.16])
_INSIDE_NOSE = np.array([0.42, 0.30, 0.28])
_LID_LINING = np.array([0.85, 0.62, 0.58])


def compose(
    texels: Texels,
    surface: SkinSurface,
    colours: Sequence[TexelColours],
    blend: Blend,
    options: TextureOptions,
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lay photos over their mirror image over the completed skin.

    Returns
    -------
    albedo (s, s, 3) sRGB with a gutter around the chart, and provenance (s, s): 0 outside, 1... the photos, then
    mirrored, completed.
    """
    count, photos = len(texels.index), len(colours)
    albedo = np.zeros((count, 3), dtype=np.float32)
    total = np.zeros(count, dtype=np.float32)
    best = np.zeros(count, dtype=np.float32)
    sharp = np.zeros(count, dtype=np.float32)
    code = np.full(count, photos + 2, dtype=np.uint8)
    for number, found in enumerate(colours):
        # the fourth power lets the best photo win: two photos of one wrinkle, a texel apart, would blur it
        power = found.weight**4 if photos > 1 else found.weight
        albedo[found.rows] += found.albedo * power[:, None]
        sharp[found.rows] += power
        total[found.rows] = np.maximum(total[found.rows], found.weight)
        ahead = found.weight > best[found.rows]
        code[found.rows[ahead]] = number + 1
        best[found.rows[ahead]] = found.weight[ahead]
    shown = sharp > 0
    albedo[shown] /= sharp[shown, None]

    cover = np.clip((total - _BEGIN) / (_FULL - _BEGIN), 0, 1)
    open_rows = np.flatnonzero(cover < 1)
    beneath = np.exp(texels.spread(blend.log_albedo, open_rows))
    # stretched texels would draw the grain out into streaks
    skin = surface.even * (surface.regions["cheeks"] + surface.regions["forehead"]) * (1 - blend.beard)
    grain = options.grain * _grain(texels, skin, albedo, cover, _GRAIN)
    if blend.beard.any():
        hairs = options.grain * _grain(texels, surface.grows * blend.beard, albedo, cover, _HAIRS)
        grain = grain + blend.beard * (hairs - grain)
    even = np.clip((_STREAKS - texels.stretch) / _STREAKS, 0, 1) * np.asarray(grain, dtype=np.float32)
    noise = _noise(texels.size).reshape(-1)[texels.index[open_rows]]
    beneath *= np.exp(texels.spread(even, open_rows) * noise)[:, None]
    brows = np.flatnonzero(texels.brows[open_rows] > 0)
    beneath[brows] += texels.brows[open_rows[brows], None] * (_hair_of_brows(blend) - beneath[brows])
    other = texels.mirror[open_rows]
    mirror_cover = cover[other]
    mirrored = np.flatnonzero(mirror_cover > 0)
    rows = open_rows[mirrored]
    colour = albedo[other[mirrored]] * np.exp(texels.spread(blend.mirror_gain, rows))
    beneath[mirrored] += mirror_cover[mirrored, None] * (colour - beneath[mirrored])
    own = cover[open_rows, None]
    albedo[open_rows] = albedo[open_rows] * own + beneath * (1 - own)
    code[open_rows] = np.where(own[:, 0] >= 0.5, code[open_rows], np.where(mirror_cover >= 0.5, photos + 1, photos + 2))
    _turn_inwards(texels, surface, albedo, code, blend, photos + 2)

    picture = texels.image(srgb_from_linear(albedo)).reshape(-1, 3)
    tone = srgb_from_linear(np.exp(blend.tone))
    outside = np.ones(len(picture), dtype=bool)
    outside[texels.index] = False
    picture[outside] = tone
    picture[texels.gutter] = picture[texels.index[texels.gutter_source]]
    return picture.reshape(texels.size, texels.size, 3), texels.image(code)


def _hair_of_brows(blend: Blend) -> Float32:
    """Return the linear albedo (3,) of hairs that, as dense as brows are drawn, make skin look like these brows."""
    skin, brows = np.exp(blend.tone), np.exp(blend.brows)
    return np.maximum(skin + (brows - skin) / BROWS_COVER, _BLACK).astype(np.float32)


def _turn_inwards(
    texels: Texels,
    surface: SkinSurface,
    albedo: Float32,
    code: NDArray[np.uint8],
    blend: Blend,
    completed: int,
) -> None:
    """Colour the inside of the mouth, the nostrils and the linings of the lids, in place."""
    tone = np.exp(blend.tone)
    for region, factor in (
        ("mouth_cavity", _INSIDE_MOUTH),
        ("nostrils", _INSIDE_NOSE),
        ("eye_sockets", _LID_LINING),
    ):
        weight = surface.regions[region]
        near = texels.near(weight > 0)
        share = texels.spread(weight, near)[:, None]
        albedo[near] += share * ((tone * factor).astype(np.float32) - albedo[near])
        code[near[share[:, 0] > 0.5]] = completed


def _grain(
    texels: Texels, where: NDArray[np.floating], albedo: Float32, cover: Float32, usual: tuple[float, float, float]
) -> float:
    """Return the relative sd of the fine structure that the photos show on the vertices of which `where` (m,) is large.

    It is held between the first and the last of `usual`; the second stands for one that they do not show.
    """
    used = (where[texels.corners[:, 0]] > 0.6) & (cover >= 1)
    if used.sum() < 500:
        return usual[1]
    # half of the face is enough
    row, column = np.divmod(texels.index, texels.size)
    left = column < texels.size // 2
    used &= left if (used & left).sum() * 2 >= used.sum() else ~left
    row, column = row[used] - row[used].min(), column[used] - column[used].min()
    stack = np.zeros((row.max() + 1, column.max() + 1, 2), dtype=np.float32)
    stack[row, column, 0] = albedo[used] @ np.full(3, 1 / 3, dtype=np.float32)
    stack[row, column, 1] = 1
    smooth = box_mean(stack, 7)
    inside = smooth[..., 1] > 0.99
    if inside.sum() < 200:
        return usual[1]
    relative = stack[inside][:, 0] / np.maximum(smooth[inside][:, 0], 1e-3) - 1
    return float(np.clip(1.4826 * np.median(np.abs(relative)), usual[0], usual[2]))


@lru_cache(maxsize=2)
def _noise(size: int) -> Float32:
    """Fine structure of unit variance, the same for everyone: octaves of one, two and four texels, tiled (kept)."""
    rng = np.random.default_rng(3)
    tile = min(size, 256)
    total = np.zeros((tile, tile), dtype=np.float32)
    for sigma, share in ((0.7, 0.5), (1.4, 0.6), (3.0, 0.6)):
        field = ndimage.gaussian_filter(rng.standard_normal((tile, tile), dtype=np.float32), sigma, mode="wrap")
        total += share * field / field.std()
    total /= total.std()
    repeats = -(-size // tile)
    whole = np.tile(total, (repeats, repeats))[:size, :size]
    whole.flags.writeable = False
    return whole
