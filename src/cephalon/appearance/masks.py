"""Where a photo shows the bare skin of the face, and not hair, glasses, teeth, eyes, clothes or what lies behind.

A soft segmentation on a small crop (a pixel is about a millimetre): every pixel gets a prior probability from where it
lies on the fitted head and from how far its colour and its texture are from this person's own skin once the light is
divided out; then the probabilities are made consistent along the picture's edges by solving

    (L + D) p = D p0,

L the Laplacian of the pixel grid weighted by colour similarity and D the confidence in p0: the random walker with
priors (Grady 2005, "Multilabel random walker image segmentation using prior models").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import cg

from cephalon.appearance.before import INTRUDER, brows_apart, dark_glasses, frames, intruders
from cephalon.appearance.filters import blurred, box_mean, dilated, distance_to, eroded, pieces
from cephalon.appearance.light import Light, estimate_light
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.shapes import Shapes
from cephalon.appearance.skin import BEARD, SkinColour
from cephalon.appearance.surface import SkinSurface
from cephalon.appearance.view import GRID_EYE_PX, View
from cephalon.colour import linear_from_srgb
from cephalon.geometry import interpolate
from cephalon.geometry.sampling import bilinear
from cephalon.photo import Photo
from cephalon.values import Observation

Float32 = NDArray[np.float32]

# Lengths on the grid, px.
_EYE = GRID_EYE_PX
_BEYOND = 2.5  # px over which the photo fades in beyond them
_HOLE = 0.03 * _EYE**2  # px^2
_ISLAND = 0.06 * _EYE**2
_BESIDE = 0.11 * _EYE

_REDDER_THAN_LIPS = 0.7  # log red over green, against the lips' median
_BROW_HIDDEN = 0.35  # share of a brow behind a frame from which all of it is left out
_HAIRLINE = 0.22 * _EYE  # over which the photo fades out towards the hair

# Names of segments that count as skin, if the observation brings a segmentation.
_SKIN_SEGMENTS = ("skin", "face", "nose", "ear", "neck", "brow", "lip", "beard")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkinMask:
    """What a photo may be used for.

    Attributes
    ----------
    usable : (h, w) float32 in [0, 1] on the view's grid: how far a pixel may be used as skin.
    beard : (h, w) float32 in [0, 1]: how surely it shows a beard.
    light : of the photo, from the pixels that are skin.
    eyes_covered : dark glasses hide both eyes.
    """

    usable: Float32
    beard: Float32
    light: Light
    eyes_covered: bool


def skin_mask(
    photo: Photo, observation: Observation, view: View, surface: SkinSurface, options: TextureOptions
) -> SkinMask:
    """Segment the skin in one photo and estimate the photo's light on it."""
    linear = linear_from_srgb(view.grid_srgb)
    regions = surface.regions
    zone_names = ("eyes", "mouth", "chin", "cheeks", "skull", "ears", "neck", "jaw", "forehead", "nose")
    inner = np.clip(regions["mouth_cavity"] + regions["eye_sockets"] + regions["nostrils"], 0, 1)
    fields = [
        view.normal,
        np.stack([surface.trust, surface.even, inner, surface.low, surface.lips, surface.grows], axis=1),
    ]
    fields += [regions[name][:, None] for name in zone_names]
    shown = interpolate(view.raster, surface.faces, np.concatenate(fields, axis=1).astype(np.float32))
    normal = shown[..., :3]
    trust, even, inner, low, lips, grows = (shown[..., i] for i in range(3, 9))
    zones = {name: shown[..., 9 + i] for i, name in enumerate(zone_names)}
    hit = view.raster.covered

    shapes = Shapes.of(observation, view)
    blocked = shapes.openings | ~hit | (inner > 0.5)
    blocked |= _excluded(photo, observation, view)
    core = np.where(blocked, 0, even * trust).astype(np.float32)
    if core.sum() < 200:
        core = np.where(blocked, 0, even).astype(np.float32)
    light = _light(normal, linear, core)
    model = SkinColour.of(linear, normal, light, core)
    dark = 0.5 * np.clip(zones["eyes"] + shapes.lids, 0, 1) - 0.1 * np.clip(zones["neck"] + zones["jaw"], 0, 1)
    distance, brightness = model.distance(
        linear, normal, light, dark=dark.astype(np.float32), bright=np.float32(0.35) * even
    )

    covered = dark_glasses(distance, brightness, shapes, hit)
    if covered:
        blocked |= (shapes.brows > 0) | (shapes.from_eyes < 0.2 * _EYE)
    apart = brows_apart(brightness, shapes)
    rims = np.zeros_like(hit)
    if not covered:
        rims = frames(distance, brightness, model.luminance_sd, shapes, zones, hit, apart)
    limit = 2.8 - 0.9 * np.clip(zones["skull"] + zones["ears"], 0, 1) - 1.3 * zones["neck"] - 0.3 * zones["jaw"]
    if not covered:
        limit = limit + 1.5 * np.maximum(shapes.lids, shapes.brows)
    prior = 1 / (1 + np.exp(np.clip(1.8 * (distance - limit), -30, 30)))
    own = (trust * low**2 if covered else np.maximum(trust, 0.9 * shapes.brow_cores)) * shapes.face
    grown = grows * ~blocked
    around_mouth = np.where((zones["mouth"] > 0.5) & (lips < 0.05), grown, 0)
    lower_face = np.where((zones["mouth"] + zones["chin"] > 0.6) & (lips < 0.05), grown, 0)
    around_chin = grown * np.clip(zones["mouth"] + zones["chin"] + zones["jaw"] + zones["neck"], 0, 1)
    beard = model.beard(linear, normal, light, grown.astype(np.float32), around_mouth, lower_face)
    tuft = model.tuft(linear, normal, light, around_chin, ~blocked, distance_to(~shapes.face))
    beard = np.maximum(beard, tuft)
    own_colour = _of_lips(linear, lips, shapes) | (zones["nose"] > 0.3) | (beard > 0.3) | dilated(apart, 1)
    things = intruders(distance, shapes, hit, own_colour)
    if things.any():
        # an unrecognised beard is dark on both sides; what is skin on the other side is no beard
        bearded = (grown > 0.3) & (brightness < BEARD)
        things &= ~bearded | (_other_side((distance < INTRUDER / 2) & hit, view, surface) > 0.5)
    own = np.where(things, 0, np.maximum(own, beard))
    prior = np.maximum(prior, 0.98 * own)
    sure = np.where(own > 0.5, 2.0 * own, 0.05 + 0.4 * (2 * prior - 1) ** 2)
    prior = np.where(hit & ~things, prior, 0.0)
    sure = np.where(things, 3.0, np.where(rims, 0.05, np.where(hit, sure, 0.03)))
    probability = _consistent(view.grid_srgb, prior.astype(np.float32), sure.astype(np.float32))

    # hair reaches in from outside: what is closed in by skin is a shadow, a mole, a highlight
    good = probability > 0.5
    good = good & ~shapes.openings if covered else _without_holes(good | shapes.openings | rims) & ~things
    good = _without_islands(eroded(good, 2), trust > 0.5, zones["ears"] > 0.5)
    # beside hair and cloth, what is not quite skin is their shadow or their last strands
    beside = ~dilated(good | shapes.openings, 3)
    good &= (distance_to(beside) > _BESIDE) | (distance < 1.6) | (own > 0.5)
    to_hair = distance_to(beside & (shapes.from_eyes > 0.4 * _EYE))
    soft = blurred(good.astype(np.float32), 1.5)
    # lips and lids border on teeth and eyes, which their own shapes keep out
    inner_edge = np.clip(zones["mouth"] + zones["eyes"], 0, 1) > 0.5
    clear = np.where(inner_edge, view.outline_px, view.edge_px) / (options.edge_margin * _EYE)
    usable = np.clip((soft - 0.55) / 0.4, 0, 1) * np.clip(clear - 0.5, 0, 1)
    scalp = np.clip(zones["skull"] + zones["forehead"], 0, 1) * (1 - np.clip(shapes.brows + shapes.lids, 0, 1))
    usable *= 1 - scalp * (1 - np.clip((to_hair - 4) / _HAIRLINE, 0, 1))
    usable *= np.clip(1 - 1.5 * blurred(rims.astype(np.float32), 1.2), 0, 1)
    if rims.any():
        usable *= 1 - shapes.brows * _brows_behind((usable < 0.5) | ~apart, shapes)
    usable *= np.clip(shapes.beyond / _BEYOND, 0, 1)
    usable = np.where(blocked, 0, usable).astype(np.float32)
    # a beard is dark by itself, not by the light
    better = (usable * even * np.clip(trust + 0.5, 0, 1) * (1 - np.clip(2 * beard, 0, 1))).astype(np.float32)
    if better.sum() > 200:
        light = _light(normal, linear, better)
    return SkinMask(
        usable=usable,
        beard=blurred(beard, 1.5),
        light=light,
        eyes_covered=covered,
    )


def _of_lips(linear: Float32, lips: Float32, shapes: Shapes) -> NDArray[np.bool_]:
    """Find the lips and what is beside them, but not what is much redder than they are: a straw between them."""
    near = dilated(lips > 0.3, 5)
    red = np.log(linear[..., 0] + 0.02) - np.log(linear[..., 1] + 0.02)
    sample = (lips > 0.5) & ~shapes.openings
    if sample.sum() < 30:
        return near
    return near & (red < np.median(red[sample]) + _REDDER_THAN_LIPS)


def _brows_behind(lost: NDArray[np.bool_], shapes: Shapes) -> Float32:
    """Tell of each pixel whether it is of a brow of which a good part is lost: half a brow is odder than a painted one."""
    numbers, _ = pieces(shapes.brows > 0)
    cores = np.where(shapes.brow_cores, numbers, 0)
    area = np.bincount(cores.reshape(-1), minlength=int(numbers.max()) + 1)
    hidden = np.bincount(cores[lost], minlength=len(area)) > _BROW_HIDDEN * area
    hidden[0] = False
    return hidden[numbers].astype(np.float32)


def _without_holes(good: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill the small holes that skin closes in on all sides."""
    holes, area = pieces(~good)
    small = area < _HOLE
    small[np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])] = False
    small[0] = False
    return good | small[holes]


def _without_islands(good: NDArray[np.bool_], face: NDArray[np.bool_], ears: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop small pieces of what looks like skin: gaps between strands of hair, a hand, a shirt of that colour.

    A piece apart from the face has to be large to be believed, unless it is an ear.
    """
    numbers, area = pieces(good)
    count = len(area)
    of_face = np.bincount(numbers[face], minlength=count) > _ISLAND / 4
    of_ear = np.bincount(numbers[ears], minlength=count) > 0.7 * area
    large = area >= np.where(of_face | of_ear, 1, 4) * _ISLAND
    large[0] = False
    return large[numbers]


def _other_side(shape: NDArray[np.bool_], view: View, surface: SkinSurface) -> Float32:
    """Tell of each pixel how far the place opposite on the face is seen in `shape` (h, w); (h, w) in [0, 1]."""
    there = np.zeros(len(view.pixel), dtype=np.float32)
    rows = np.flatnonzero(view.seen)
    there[rows] = bilinear(shape.astype(np.float32), view.grid.place(view.pixel[rows]))
    return interpolate(view.raster, surface.faces, there[surface.mirror][:, None])[..., 0]


def _light(normal: Float32, linear: Float32, weight: Float32) -> Light:
    used = weight > 0.1
    return estimate_light(normal[used], linear[used], weight[used])


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


def _consistent(srgb: NDArray[np.uint8], prior: Float32, sure: Float32) -> Float32:
    """Solve (L + D) p = D p0 on the pixel grid."""
    height, width = prior.shape
    colour = srgb.astype(np.float32) / np.float32(255)
    smooth = 0.5 * (colour + box_mean(colour, 3))
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
    offsets: Any = [0, 1, -1, width, -width]
    matrix: Any = sparse.diags(
        [diagonal.ravel(), -right.ravel()[:-1], -right.ravel()[:-1], -down.ravel(), -down.ravel()],
        offsets,
        shape=(count, count),
        format="csr",
    )
    scale = 1 / diagonal.ravel()
    solved, _ = cg(
        matrix,
        (sure * prior).ravel().astype(np.float64),
        x0=prior.ravel().astype(np.float64),
        rtol=3e-3,
        maxiter=60,
        M=sparse.diags(scale),
    )
    return np.clip(solved, 0, 1).reshape(height, width).astype(np.float32)
