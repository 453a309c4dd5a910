"""Where a photo shows the bare skin of the face, and not hair, glasses, teeth, eyes, clothes or what lies behind.

A soft segmentation on a small crop (a pixel is about a millimetre): every pixel gets a prior probability from where it
lies on the fitted head and from how far its colour and its texture are from this person's own skin once the light is
divided out; then the probabilities are made consistent along the picture's edges by solving

    (L + D) p = D p0,

L the Laplacian of the pixel grid weighted by colour similarity and D the confidence in p0: the random walker with priors
(Grady 2005, "Multilabel random walker image segmentation using prior models").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg

from cephalon.appearance.colour import linear_from_srgb
from cephalon.appearance.contours import CONTOURS
from cephalon.appearance.light import Light, estimate_light
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import SkinSurface
from cephalon.appearance.view import GRID_EYE_PX, View
from cephalon.geometry import interpolate
from cephalon.photo import Photo
from cephalon.values import Observation

Float32 = NDArray[np.float32]

# Lengths on the grid, px.
_EYE = GRID_EYE_PX
_LASHES = 0.030 * _EYE  # kept around an eye's opening: the lashes and the lid's edge
_TEETH = 0.012 * _EYE  # kept around the opening of the mouth
_BROW = 0.030 * _EYE
_LID = 0.11 * _EYE  # around an eye's opening, make-up and the crease's shadow are this person's

# Names of segments that count as skin, if the observation brings a segmentation.
_SKIN_SEGMENTS = ("skin", "face", "nose", "ear", "neck", "brow", "lip", "beard")

_DARK = 0.03  # added to linear light before taking logs: below it a photo holds noise


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkinMask:
    """What a photo may be used for.

    Attributes
    ----------
    usable : (h, w) float32 in [0, 1] on the view's grid: how far a pixel may be used as skin.
    light : of the photo, from the pixels that are skin.
    eyes_covered : dark glasses hide both eyes.
    """

    usable: Float32
    light: Light
    eyes_covered: bool


def skin_mask(
    photo: Photo, observation: Observation, view: View, surface: SkinSurface, options: TextureOptions
) -> SkinMask:
    """Segment the skin in one photo and estimate the photo's light on it."""
    linear = linear_from_srgb(view.grid_srgb)
    regions = surface.regions
    zone_names = ("eyes", "brows", "forehead", "skull", "ears", "neck", "jaw")
    inner = np.clip(regions["mouth_cavity"] + regions["eye_sockets"] + regions["nostrils"], 0, 1)
    fields = [view.normal, surface.trust[:, None], surface.even[:, None], inner[:, None]]
    fields += [regions[name][:, None] for name in zone_names]
    shown = interpolate(view.raster, surface.faces, np.concatenate(fields, axis=1).astype(np.float32))
    normal = shown[..., :3]
    trust, even, inner = (shown[..., i] for i in range(3, 6))
    zones = {name: shown[..., 6 + i] for i, name in enumerate(zone_names)}
    hit = view.raster.covered & (view.edge_px > 1)

    shapes = _Shapes.of(observation, view)
    blocked = shapes.openings | ~hit | (inner > 0.5)
    blocked |= _excluded(photo, observation, view)
    core = np.where(blocked, 0, even * trust).astype(np.float32)
    if core.sum() < 200:
        core = np.where(blocked, 0, even).astype(np.float32)
    light = _light(normal, linear, core)
    model = _SkinColour.of(linear, normal, light, core)
    distance = model.distance(linear, normal, light, dark=0.5 * np.clip(zones["eyes"] + shapes.lids, 0, 1))

    lids = (zones["eyes"] > 0.5) & ~shapes.openings & hit
    covered = bool(lids.sum() > 20 and np.median(distance[lids]) > 4.5)
    limit = 2.8 - 0.9 * np.clip(zones["skull"] + zones["ears"] + zones["neck"], 0, 1) - 0.3 * zones["jaw"]
    prior = 1 / (1 + np.exp(np.clip(1.8 * (distance - limit), -30, 30)))
    own = trust if covered else np.maximum.reduce([trust, 0.85 * shapes.lids, 0.9 * shapes.brows])
    prior = np.maximum(prior, 0.98 * own)
    sure = np.where(own > 0.5, 2.0 * own, 0.05 + 0.4 * (2 * prior - 1) ** 2)
    prior = np.where(hit, prior, 0.0)
    sure = np.where(hit, sure, 0.03)
    probability = _consistent(view.grid_srgb, prior.astype(np.float32), sure.astype(np.float32))

    good = (probability > 0.5) & ~blocked
    good = ndimage.binary_erosion(good, iterations=1)
    soft = ndimage.gaussian_filter(good.astype(np.float32), 1.2)
    usable = np.clip((soft - 0.5) / 0.45, 0, 1)
    margin = options.edge_margin * _EYE
    usable = np.where(blocked, 0, usable * np.clip(view.edge_px / margin - 0.5, 0, 1)).astype(np.float32)
    better = usable * even * np.clip(trust + 0.5, 0, 1)
    return SkinMask(
        usable=usable, light=_light(normal, linear, better) if better.sum() > 200 else light, eyes_covered=covered
    )


def _light(normal: Float32, linear: Float32, weight: Float32) -> Light:
    used = weight > 0.1
    return estimate_light(normal[used], linear[used], weight[used])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shapes:
    """Drawn from the measured landmarks, (h, w) each: openings of eyes and mouth (bool), lids and brows (0 to 1)."""

    openings: NDArray[np.bool_]
    lids: Float32
    brows: Float32

    @staticmethod
    def of(observation: Observation, view: View) -> _Shapes:
        shape = (view.grid.height, view.grid.width)
        contours = CONTOURS.get(observation.points[0].set_name)
        if contours is None:
            nothing = np.zeros(shape, dtype=np.float32)
            return _Shapes(openings=np.zeros(shape, dtype=bool), lids=nothing, brows=nothing)
        points = view.grid.place(observation.points[0].position)
        eyes = _filled(shape, [points[list(loop)] for loop in contours.eyes])
        mouth = _filled(shape, [points[list(contours.inner_lips)]])
        brows = _filled(shape, [points[list(loop)] for loop in contours.brows])
        from_eyes = ndimage.distance_transform_edt(~eyes) if eyes.any() else np.full(shape, np.inf)
        from_brows = ndimage.distance_transform_edt(~brows) if brows.any() else np.full(shape, np.inf)
        from_mouth = ndimage.distance_transform_edt(~mouth) if mouth.any() else np.full(shape, np.inf)
        return _Shapes(
            openings=(from_eyes <= _LASHES) | (from_mouth <= _TEETH),
            lids=np.clip(2 - 2 * from_eyes / _LID, 0, 1).astype(np.float32),
            brows=np.clip(1.5 - from_brows / _BROW, 0, 1).astype(np.float32),
        )


def _filled(shape: tuple[int, int], loops: list[NDArray[np.float64]]) -> NDArray[np.bool_]:
    from PIL import Image, ImageDraw

    picture = Image.new("L", (shape[1], shape[0]))
    draw = ImageDraw.Draw(picture)
    for loop in loops:
        draw.polygon([(float(x) - 0.5, float(y) - 0.5) for x, y in loop], fill=255, outline=255)
    return np.asarray(picture) > 0


def _excluded(photo: Photo, observation: Observation, view: View) -> NDArray[np.bool_]:
    """Pixels that the photo's alpha or a given segmentation rules out."""
    out = np.zeros((view.grid.height, view.grid.width), dtype=bool)
    if photo.alpha is not None:
        out |= view.grid.cut(photo.alpha) < 250
    if observation.segmentation is not None:
        names = [name.lower() for name in observation.segmentation_names]
        skin = np.array([any(word in name for word in _SKIN_SEGMENTS) for name in names] or [False])
        skin &= np.array(["background" not in name for name in names] or [False])
        out |= ~skin[view.grid.cut(observation.segmentation, nearest=True)]
    return out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _SkinColour:
    """This person's skin after the light is divided out: log luminance and two log chromas, and its fine texture."""

    mean: NDArray[np.float64]
    luminance_sd: float
    chroma_precision: NDArray[np.float64]
    texture: float

    @staticmethod
    def of(linear: Float32, normal: Float32, light: Light, core: Float32) -> _SkinColour:
        feature, texture = _features(linear, normal, light)
        used = core > 0.3
        if used.sum() < 30:
            return _SkinColour(mean=np.zeros(3), luminance_sd=0.25, chroma_precision=np.eye(2) / 0.08**2, texture=0.05)
        samples = feature[used]
        for _ in range(3):
            mean = np.median(samples, axis=0)
            spread = 1.4826 * np.median(np.abs(samples - mean), axis=0) + 1e-3
            samples = samples[(np.abs(samples - mean) < 3 * spread).all(1)]
        covariance = np.cov(samples[:, 1:].T) * 1.5 + np.eye(2) * 0.05**2
        return _SkinColour(
            mean=mean,
            luminance_sd=float(spread[0]),
            chroma_precision=np.linalg.inv(covariance),
            texture=float(np.median(texture[used])),
        )

    def distance(self, linear: Float32, normal: Float32, light: Light, *, dark: Float32) -> Float32:
        """How many standard deviations each pixel is from this skin, (h, w); `dark` widens the tolerance to shadow."""
        feature, texture = _features(linear, normal, light)
        off = (feature - self.mean).astype(np.float32)
        below = np.maximum(1.6 * self.luminance_sd, 0.20) + dark
        above = max(2.0 * self.luminance_sd, 0.32)
        luminance = np.where(off[..., 0] < 0, off[..., 0] / below, off[..., 0] / above)
        chroma = np.einsum("...i,ij,...j->...", off[..., 1:], self.chroma_precision.astype(np.float32), off[..., 1:])
        rough = np.log2((texture + 0.015) / (self.texture + 0.015))
        return np.sqrt(luminance**2 + chroma) + np.clip(rough - 1.0, 0, 3)


def _features(linear: Float32, normal: Float32, light: Light) -> tuple[Float32, Float32]:
    """Log luminance and chromas (h, w, 3) of the colour over what the light predicts, and the local texture (h, w)."""
    predicted = light.reference.astype(np.float32) * light.shading(normal.reshape(-1, 3), (0.25, 2.5))
    offset = np.float32(_DARK) * np.maximum(light.reference, 0.05).astype(np.float32) / np.float32(0.4)
    ratio = np.log(linear + offset) - np.log(predicted.reshape(linear.shape) + offset)
    feature = np.stack([ratio.mean(2), ratio[..., 0] - ratio[..., 1], ratio[..., 2] - ratio[..., 1]], axis=2)
    brightness = np.log(linear.mean(2) + offset.mean())
    high = brightness - ndimage.uniform_filter(brightness, 5)
    return feature, np.sqrt(np.maximum(ndimage.uniform_filter(high * high, 5), 0))


def _consistent(srgb: NDArray[np.uint8], prior: Float32, sure: Float32) -> Float32:
    """Solve (L + D) p = D p0 on the pixel grid."""
    height, width = prior.shape
    colour = srgb.astype(np.float32) / 255
    smooth = 0.5 * (colour + ndimage.uniform_filter(colour, (3, 3, 1)))
    right = np.exp(-((np.diff(smooth, axis=1) ** 2).sum(2)) / (2 * 0.035**2)) + 1e-3
    down = np.exp(-((np.diff(smooth, axis=0) ** 2).sum(2)) / (2 * 0.035**2)) + 1e-3
    diagonal = sure.astype(np.float64)
    for part, first, second in (
        (right, np.s_[:, :-1], np.s_[:, 1:]),
        (down, np.s_[:-1], np.s_[1:]),
    ):
        diagonal[first] += part
        diagonal[second] += part
    right = np.pad(right, ((0, 0), (0, 1)))
    count = height * width
    matrix: Any = sparse.diags(
        [diagonal.ravel(), -right.ravel()[:-1], -right.ravel()[:-1], -down.ravel(), -down.ravel()],
        [0, 1, -1, width, -width],
        shape=(count, count),
        format="csr",
    )
    scale = 1 / diagonal.ravel()
    solved, _ = cg(
        matrix, (sure * prior).ravel().astype(np.float64), x0=prior.ravel().astype(np.float64), rtol=3e-3, maxiter=60,
        M=sparse.diags(scale),
    )
    return np.clip(solved, 0, 1).reshape(height, width).astype(np.float32)


