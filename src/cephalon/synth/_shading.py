"""The compiled inner loop that paints the skin's texture, and what bytes of textures mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from cephalon.colour import linear_from_srgb
from cephalon.geometry.jit import kernel
from cephalon.synth._kernels import signature

Array = Any


LINEAR = linear_from_srgb(np.arange(256, dtype=np.uint8))
GLOSS = 100.0
"""What the gloss of a texture is multiplied with to become a byte; its colours are sRGB bytes."""
_EXP_LOW, _EXP_STEPS = -9.0, 512
_EXP = np.exp(_EXP_LOW + np.arange(10 * _EXP_STEPS) / _EXP_STEPS).astype(np.float32)
"""The exponential from -9 to 1, exact to a thousandth: finer than bytes of sRGB."""


@kernel(signature("s3 s3 f8 s3 s3 s2 s1 u2 u1 u1 U3 U2"), label="renderer", seconds=20)
def skin_kernel(
    first: Array, second: Array, mix: float, masks: Array, noise: Array, brow: Array, values: Array, bare: Array, classes: Array,
    srgb: Array, out: Array, label: Array,
) -> None:  # fmt: skip
    """Paint the skin's albedo and gloss `out` (s, s, 4), in bytes, and its classes `label` (s, s); see `paint.paint_skin` for `values`.

    `srgb` are the sRGB bytes of linear values from 0 to 1.
    """
    size, last = out.shape[0], srgb.shape[0] - 1

    def exponential(x: float) -> float:
        return _EXP[min(max(int((x - _EXP_LOW) * _EXP_STEPS + 0.5), 0), _EXP.shape[0] - 1)]

    tone_r, tone_g, tone_b = values[0], values[1], values[2]
    detail, lip_amount, lip_r, lip_g, lip_b = values[3], values[4], values[5], values[6], values[7]
    shadow_amount, shadow_r, shadow_g, shadow_b = values[8], values[9], values[10], values[11]
    blush, freckles, wrinkles, under_eye, oil = values[12], values[13], values[14], values[15], values[16]
    stubble, hair_r, hair_g, hair_b, brow_strength = values[17], values[18], values[19], values[20], values[21]
    scalp_paint, brow_thin, beard_full, beard_goatee, beard_moustache, keep_scalp = (
        values[22], values[23], values[24], values[25], values[26], values[27])  # fmt: skip
    lip_tone = values[28]
    scalp_r, scalp_g, scalp_b = values[29], values[30], values[31]
    for r in range(size):
        for c in range(size):
            if bare[r, c] == 255:
                continue  # no skin here, nor near
            lips, cheeks, nose, ears = masks[r, c, 0], masks[r, c, 1], masks[r, c, 2], masks[r, c, 3]
            scalp = masks[r, c, 6]
            cavity, lid = masks[r, c, 13], masks[r, c, 14]
            medium, coarse, strands, spots = noise[r, c, 1], noise[r, c, 2], noise[r, c, 3], noise[r, c, 4]
            strength = detail * (1.0 - scalp * (1.0 - keep_scalp))
            red = tone_r + strength * (first[r, c, 0] * (1 - mix) + second[r, c, 0] * mix)
            green = tone_g + strength * (first[r, c, 1] * (1 - mix) + second[r, c, 1] * mix)
            blue = tone_b + strength * (first[r, c, 2] * (1 - mix) + second[r, c, 2] * mix)
            # blood under the skin: cheeks, nose, ears, and patches
            blood = blush * (0.55 * cheeks + 0.4 * nose + 0.5 * ears) + 0.035 * coarse + 0.02 * medium
            blood += lid * 0.18 + lips * lip_tone
            dark = under_eye * 0.35 * masks[r, c, 5]
            fleck = freckles * masks[r, c, 11] * min(max((spots - 1.1) * 2.2, 0.0), 1.0) * (1.0 - lips)
            mole = min(max((spots - 3.35) * 4.0, 0.0), 1.0) * 1.2
            pigment = 0.55 * fleck + mole + dark + 0.025 * medium
            red = exponential(red - np.float32(0.10) * blood - np.float32(0.75) * pigment)
            green = exponential(green - np.float32(0.75) * blood - pigment)
            blue = exponential(blue - np.float32(0.60) * blood - np.float32(1.15) * pigment)
            # make-up
            a = lip_amount * lips
            red, green, blue = red * (1 - a) + a * lip_r, green * (1 - a) + a * lip_g, blue * (1 - a) + a * lip_b
            a = shadow_amount * masks[r, c, 4]
            red, green, blue = (
                red * (1 - a) + a * shadow_r,
                green * (1 - a) + a * shadow_g,
                blue * (1 - a) + a * shadow_b,
            )
            # hair that is painted: cropped scalp, stubble, brows
            area = max(beard_full * masks[r, c, 7], beard_goatee * masks[r, c, 8], beard_moustache * masks[r, c, 9])
            hairs = min(max(0.5 + 0.55 * strands, 0.0), 1.0)
            # towards its edge a beard thins out hair by hair
            a = max(stubble * masks[r, c, 7] * (0.35 + 0.5 * hairs) * 0.55, min(1.7 * area - 0.8 * (1.0 - hairs), area))
            a = max(a, 0.0)
            brows = brow_strength * brow[r, c] * (1.0 - brow_thin * (1.0 - brow[r, c]))
            a = max(a, brows)
            red, green, blue = red * (1 - a) + a * hair_r, green * (1 - a) + a * hair_g, blue * (1 - a) + a * hair_b
            b = scalp_paint * scalp * (0.72 + 0.28 * hairs)
            red, green, blue = red * (1 - b) + b * scalp_r, green * (1 - b) + b * scalp_g, blue * (1 - b) + b * scalp_b
            a = max(a, b)
            kind = bare[r, c]
            if brows > 0.4:
                kind = classes[0]
            elif area > 0.35:
                kind = classes[1]
            elif scalp_paint * scalp > 0.4:
                kind = classes[2]
            label[r, c] = kind
            shade = 1.0 - wrinkles * (0.24 * masks[r, c, 10])
            inside = 1.0 - 0.55 * cavity
            wet_r, wet_g, wet_b = 0.24, 0.075, 0.065
            red = (red * (1 - cavity) + wet_r * cavity * inside) * shade
            green = (green * (1 - cavity) + wet_g * cavity * inside) * shade
            blue = (blue * (1 - cavity) + wet_b * cavity * inside) * shade * shade
            nostril = 1.0 - 0.5 * masks[r, c, 15]
            gloss = (0.35 + 0.62 * oil * (0.4 + 0.8 * nose + 0.3 * cheeks)) * (
                1.0 + 0.30 * noise[r, c, 0] + 0.14 * medium
            )
            gloss = gloss * (1 - a) * shade + lips * (0.22 + 0.4 * lip_amount) + 0.5 * cavity
            out[r, c, 0] = srgb[int(min(max(red * nostril, 0.002), 0.95) * last + 0.5)]
            out[r, c, 1] = srgb[int(min(max(green * nostril, 0.002), 0.95) * last + 0.5)]
            out[r, c, 2] = srgb[int(min(max(blue * nostril, 0.002), 0.95) * last + 0.5)]
            out[r, c, 3] = int(min(max(gloss, 0.05), 1.6) * GLOSS + 0.5)
