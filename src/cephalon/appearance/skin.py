"""The colour of one person's skin and beard in one photo, and how far each pixel is from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cephalon.appearance.filters import box_mean, dilated, eroded, pieces
from cephalon.appearance.light import Light

Float32 = NDArray[np.float32]

BEARD = -0.5  # log brightness of a beard against the skin
_BEARD_ROUGH, _STUBBLE_ROUGH = 0.072, 0.095  # texture (sd of log brightness) of a face with beard, and all of stubble
_BEARD_SHARE = 0.17  # of what is around the mouth
_DARKER = 0.25  # weight of being still darker than most of the beard
# Small beards: side of the square that the closing fills, px; log of how much darker they are than what is around them;
# log red over green by which they may be redder than the skin; least area inside, px^2; least roughness.
_TUFT_PX, _TUFT, _TUFT_RED, _TUFT_AREA, _TUFT_ROUGH = 31, 0.55, 0.12, 40, 0.12
_TUFT_DEEP, _TUFT_UNDER = 0.65, 0.9  # log darkness that they have at least, and more of it where they face down
# What is further inside the outline of the face than this (px) is on the face; the share of a small beard that is there,
# if it is no shadow of the jaw; how much rougher than on the face it has to be elsewhere.
_TUFT_WITHIN, _TUFT_ON_FACE, _TUFT_ROUGHER = 6, 0.3, 0.07
_DARK = 0.03  # added to linear light before taking logs: below it a photo holds noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkinColour:
    """The skin of this person after the light is divided out: log luminance and two log chromas, and its texture."""

    mean: NDArray[np.floating]
    luminance_sd: float
    chroma_precision: NDArray[np.floating]
    texture: float

    @staticmethod
    def of(linear: Float32, normal: Float32, light: Light, core: Float32) -> SkinColour:
        """Measure the skin on the pixels of the `core` (h, w), 0 to 1, of a picture in linear light (h, w, 3)."""
        feature, texture = _features(linear, normal, light)
        used = core > 0.3
        if used.sum() < 30:
            return SkinColour(mean=np.zeros(3), luminance_sd=0.25, chroma_precision=np.eye(2) / 0.08**2, texture=0.05)
        samples = feature[used]
        mean, spread = np.zeros(3), np.ones(3)
        for _ in range(3):
            mean = np.median(samples, axis=0)
            spread = 1.4826 * np.median(np.abs(samples - mean), axis=0) + 1e-3
            samples = samples[(np.abs(samples - mean) < 3 * spread).all(1)]
        covariance = np.cov(samples[:, 1:].T) * 1.5 + np.eye(2) * 0.05**2
        return SkinColour(
            mean=mean,
            luminance_sd=float(spread[0]),
            chroma_precision=np.linalg.inv(covariance),
            texture=float(np.median(texture[used])),
        )

    def distance(
        self, linear: Float32, normal: Float32, light: Light, *, dark: Float32, bright: Float32
    ) -> tuple[Float32, Float32]:
        """How many standard deviations each pixel is from this skin, and its log brightness over it; (h, w) each.

        `dark` and `bright` (h, w) widen the tolerance to shadow and to shine, in log brightness.
        """
        feature, texture = _features(linear, normal, light)
        off = (feature - self.mean).astype(np.float32)
        below = np.maximum(np.clip(1.6 * self.luminance_sd, 0.20, 0.35) + dark, 0.12)
        above = max(2.0 * self.luminance_sd, 0.32) + bright
        luminance = np.where(off[..., 0] < 0, off[..., 0] / below, off[..., 0] / above)
        chroma = np.einsum("...i,ij,...j->...", off[..., 1:], self.chroma_precision.astype(np.float32), off[..., 1:])
        # shine takes the colour of the lamp
        chroma = np.maximum(chroma, 0) / (1 + 4 * bright * np.clip(off[..., 0], 0, 1) / 0.35) ** 2
        rough = np.log2((texture + 0.015) / (self.texture + 0.015))
        return np.sqrt(luminance**2 + chroma) + np.clip(rough - 1.0, 0, 3), off[..., 0]

    def beard(
        self, linear: Float32, normal: Float32, light: Light, grown: Float32, around_mouth: Float32, lower_face: Float32
    ) -> Float32:
        """How surely each pixel shows this person's beard, (h, w) in [0, 1].

        If the `lower_face` (h, w, 0 to 1) is rough and a good part of what is `around_mouth` darker than skin and not
        redder, it is a beard, and what looks alike where beards can grow (`grown`) is as well.
        """
        feature, texture = _features(linear, normal, light)
        off = feature - self.mean.astype(np.float32)
        inside = around_mouth > 0.5
        dark = inside & (off[..., 0] < BEARD)
        below = lower_face > 0.6
        roughness = float(np.median(texture[below])) if below.any() else 0.0
        if dark.sum() < 30 or roughness < _BEARD_ROUGH:
            return np.zeros_like(grown)
        stubble = np.float32(0.7) * grown if roughness > _STUBBLE_ROUGH else np.zeros_like(grown)
        mean = np.median(off[dark], axis=0)
        # shadows on skin are redder than the skin, hair is not
        if dark.sum() < (_BEARD_SHARE + 0.5 * max(float(mean[1]), -0.15)) * inside.sum():
            return stubble
        spread = np.maximum(1.5 * 1.4826 * np.median(np.abs(off[dark] - mean), axis=0), (0.3, 0.08, 0.08))
        away = (off - mean) / spread
        away[..., 0] *= np.where(away[..., 0] < 0, np.float32(_DARKER), 1)  # where it is dense it is darker
        unlike = (away**2).sum(2)
        rough = np.clip(2 * texture / np.median(texture[dark]) - 0.5, 0, 1)  # a shadow is smooth
        return np.maximum(stubble, grown * rough * np.clip(2 - unlike / 6, 0, 1)).astype(np.float32)

    def tuft(
        self,
        linear: Float32,
        normal: Float32,
        light: Light,
        lower_face: NDArray[np.floating],
        hit: NDArray[np.bool_],
        within: Float32,
    ) -> Float32:
        """How surely each pixel shows a small beard, on the chin or the lip alone, (h, w) in [0, 1].

        It is a spot of the `lower_face` (h, w, 0 to 1), much darker than what is around it on all sides (a morphological
        closing fills it), not redder than skin, and rough: a shadow is red or smooth. About the edge of the jaw and beneath
        it, where the jaw's shadow, collars and hands are, it has to be rougher than on the face itself: `within` (h, w) is
        the distance of each pixel from the outside of the face's outline, px.
        """
        feature, texture = _features(linear, normal, light)
        # what is not the head is held to be dark: the shadow at its border is no spot
        brightness = np.where(hit, feature[..., 0] - np.float32(self.mean[0]), np.float32(-3))
        closed = np.asarray(ndimage.grey_closing(box_mean(brightness.astype(np.float32), 3), (_TUFT_PX, _TUFT_PX)))
        redder = feature[..., 1] - np.float32(self.mean[1])
        spot = (closed - brightness > _TUFT) & (brightness < BEARD) & (redder < _TUFT_RED) & (lower_face > 0.5) & hit
        spot &= box_mean(texture, 9) > 0.6 * _TUFT_ROUGH
        # the edge of a shadow is not its inside
        numbers, _ = pieces(spot, diagonal=True)
        inside = np.where(eroded(spot, 1), numbers, 0)
        area = np.bincount(inside.reshape(-1), minlength=int(numbers.max()) + 1)
        rough = np.bincount(inside.reshape(-1), texture.reshape(-1), len(area)) / np.maximum(area, 1)
        facing_down = np.bincount(inside.reshape(-1), normal[..., 1].reshape(-1), len(area)) / np.maximum(area, 1)
        shade = np.bincount(inside.reshape(-1), brightness.reshape(-1), len(area)) / np.maximum(area, 1)
        on_face = np.bincount(inside.reshape(-1), (within > _TUFT_WITHIN).reshape(-1), len(area)) / np.maximum(area, 1)
        hairy = _TUFT_ROUGH + _TUFT_ROUGHER * np.maximum(1 - on_face / _TUFT_ON_FACE, 0)
        # the underside of a chin is in the shade
        deep = shade < -_TUFT_DEEP - _TUFT_UNDER * np.maximum(facing_down, 0)
        good = (area >= _TUFT_AREA) & (rough > hairy) & deep
        good[0] = False
        return dilated(good[numbers], 2).astype(np.float32) * (brightness < 0.4 * BEARD)


def _features(linear: Float32, normal: Float32, light: Light) -> tuple[Float32, Float32]:
    """Log luminance and chromas (h, w, 3) of the colour over what the light predicts, and the local texture (h, w)."""
    predicted = light.reference.astype(np.float32) * light.shading(normal.reshape(-1, 3), (0.25, 2.5))
    offset = np.float32(_DARK) * np.maximum(light.reference, 0.05).astype(np.float32) / np.float32(0.4)
    ratio = np.log(linear + offset) - np.log(predicted.reshape(linear.shape) + offset)
    feature = np.stack([ratio.mean(2), ratio[..., 0] - ratio[..., 1], ratio[..., 2] - ratio[..., 1]], axis=2)
    brightness = np.asarray(np.log(linear.mean(2) + offset.mean()), dtype=np.float32)
    high = np.asarray(brightness - box_mean(brightness, 5), dtype=np.float32)
    return feature, np.sqrt(np.maximum(box_mean(high * high, 5), 0))
