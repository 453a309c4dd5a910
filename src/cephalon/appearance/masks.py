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
from scipy import ndimage, sparse
from scipy.sparse.linalg import cg

from cephalon.appearance.colour import linear_from_srgb
from cephalon.appearance.contours import CONTOURS
from cephalon.appearance.filters import blurred, box_mean, dilated, distance_to, eroded, extents, pieces
from cephalon.appearance.light import Light, estimate_light
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import SkinSurface
from cephalon.appearance.view import GRID_EYE_PX, View
from cephalon.geometry import interpolate
from cephalon.geometry.sampling import bilinear
from cephalon.photo import Photo
from cephalon.values import Observation

Float32 = NDArray[np.float32]

# Lengths on the grid, px.
_EYE = GRID_EYE_PX
_LASHES = 0.042 * _EYE  # kept around an eye's opening: the lashes and the lid's edge
_CORNER = 0.05 * _EYE  # and beyond the outer corner
_TEETH = 0.026 * _EYE  # kept around the opening of the mouth
_AJAR = 0.06 * _EYE  # height of a mouth that shows teeth; closed lips are skin up to their line
_BEYOND = 2.5  # px over which the photo fades in beyond them
_BROW = 0.030 * _EYE
_HOLE = 0.03 * _EYE**2  # px^2
_ISLAND = 0.06 * _EYE**2
_BESIDE = 0.11 * _EYE
_LID = 0.11 * _EYE  # around an eye's opening, make-up and the crease's shadow are this person's

# Glasses: log of how much darker a frame is than what it runs across, its greatest width and its least length (px), and
# the share of the plain skin around the eyes that it covers.
_FRAME = 0.55
_FRAME_PX = 13
_FRAME_LENGTH = 0.3 * _EYE
_FRAME_SHARE = 0.08
_BEARD = -0.5  # log brightness of a beard against the skin
_BEARD_ROUGH, _STUBBLE_ROUGH = 0.075, 0.065  # texture (sd of log brightness) of beard and of stubble
_STUBBLE, _LITTLE = -0.25, -0.15  # log brightness of the lower face with stubble; above the other there is no beard
_BEARD_SHARE = 0.17  # of what is around the mouth
_LENS = -0.8  # log brightness around the eyes against the skin, below which dark glasses hide them
_UNLIKE_EYES = 3.9  # or sds from the skin: mirrors
_WIRE = 0.13  # log of how much darker or brighter a wire is than what it runs across, a pixel being as wide as the wire
_WIRE_UNLIKE = 1.7  # sds from the skin
_WIRE_PX = 7
_WIRE_SPAN = 1.0 * _EYE  # a line over the bridge of the nose that is longer is no wrinkle
_INTRUDER = 4.5  # sds from the skin from which what reaches into the face lies on it
_HAIRLINE = 0.22 * _EYE  # over which the photo fades out towards the hair

# Names of segments that count as skin, if the observation brings a segmentation.
_SKIN_SEGMENTS = ("skin", "face", "nose", "ear", "neck", "brow", "lip", "beard")

_DARK = 0.03  # added to linear light before taking logs: below it a photo holds noise


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
    lips = np.maximum(regions["lips_upper"], regions["lips_lower"])
    inner = np.clip(regions["mouth_cavity"] + regions["eye_sockets"] + regions["nostrils"], 0, 1)
    fields = [view.normal, np.stack([surface.trust, surface.even, inner, surface.low, lips], axis=1)]
    fields += [regions[name][:, None] for name in zone_names]
    shown = interpolate(view.raster, surface.faces, np.concatenate(fields, axis=1).astype(np.float32))
    normal = shown[..., :3]
    trust, even, inner, low, lips = (shown[..., i] for i in range(3, 8))
    zones = {name: shown[..., 8 + i] for i, name in enumerate(zone_names)}
    hit = view.raster.covered

    shapes = _Shapes.of(observation, view)
    blocked = shapes.openings | ~hit | (inner > 0.5)
    blocked |= _excluded(photo, observation, view)
    core = np.where(blocked, 0, even * trust).astype(np.float32)
    if core.sum() < 200:
        core = np.where(blocked, 0, even).astype(np.float32)
    light = _light(normal, linear, core)
    model = _SkinColour.of(linear, normal, light, core)
    dark = 0.5 * np.clip(zones["eyes"] + shapes.lids, 0, 1) - 0.1 * np.clip(zones["neck"] + zones["jaw"], 0, 1)
    distance, brightness = model.distance(
        linear, normal, light, dark=dark.astype(np.float32), bright=np.float32(0.35) * even
    )

    covered = _dark_glasses(distance, brightness, shapes, hit)
    if covered:
        blocked |= (shapes.brows > 0) | (shapes.from_eyes < 0.2 * _EYE)
    frames = np.zeros_like(hit) if covered else _frames(distance, brightness, model.luminance_sd, shapes, zones, hit)
    limit = 2.8 - 0.9 * np.clip(zones["skull"] + zones["ears"], 0, 1) - 1.3 * zones["neck"] - 0.3 * zones["jaw"]
    if not covered:
        limit = limit + 1.5 * np.maximum(shapes.lids, shapes.brows)
    prior = 1 / (1 + np.exp(np.clip(1.8 * (distance - limit), -30, 30)))
    own = (trust * low**2 if covered else np.maximum(trust, 0.9 * shapes.brow_cores)) * shapes.face
    grown = low * np.clip(zones["mouth"] + zones["chin"] + zones["jaw"] + zones["cheeks"], 0, 1) * ~blocked
    around_mouth = np.where((zones["mouth"] > 0.5) & (lips < 0.05), grown, 0)
    lower_face = np.where((zones["mouth"] + zones["chin"] > 0.6) & (lips < 0.05), grown, 0)
    beard = model.beard(linear, normal, light, grown.astype(np.float32), around_mouth, lower_face)
    own_colour = dilated(lips > 0.3, 5) | (zones["nose"] > 0.3) | (beard > 0.3)
    intruders = _intruders(distance, shapes, hit, own_colour)
    if intruders.any():
        # an unrecognised beard is dark on both sides; what is skin on the other side is no beard
        bearded = (grown > 0.3) & (brightness < _BEARD)
        intruders &= ~bearded | (_other_side((distance < _INTRUDER / 2) & hit, view, surface) > 0.5)
    own = np.where(intruders, 0, np.maximum(own, beard))
    prior = np.maximum(prior, 0.98 * own)
    sure = np.where(own > 0.5, 2.0 * own, 0.05 + 0.4 * (2 * prior - 1) ** 2)
    prior = np.where(hit & ~intruders, prior, 0.0)
    sure = np.where(intruders, 3.0, np.where(frames, 0.05, np.where(hit, sure, 0.03)))
    probability = _consistent(view.grid_srgb, prior.astype(np.float32), sure.astype(np.float32))

    # hair reaches in from outside: what is closed in by skin is a shadow, a mole, a highlight
    good = probability > 0.5
    good = good & ~shapes.openings if covered else _without_holes(good | shapes.openings | frames) & ~intruders
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
    usable *= np.clip(1 - 1.5 * blurred(frames.astype(np.float32), 1.2), 0, 1)
    usable *= np.clip(shapes.beyond / _BEYOND, 0, 1)
    usable = np.where(blocked, 0, usable).astype(np.float32)
    better = (usable * even * np.clip(trust + 0.5, 0, 1)).astype(np.float32)
    return SkinMask(
        usable=usable,
        beard=blurred(beard, 1.5),
        light=_light(normal, linear, better) if better.sum() > 200 else light,
        eyes_covered=covered,
    )


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


def _dark_glasses(distance: Float32, brightness: Float32, shapes: _Shapes, hit: NDArray[np.bool_]) -> bool:
    """Tell whether dark glasses hide the eyes: all around them, further than make-up goes, is dark or not of skin."""
    around = (shapes.from_eyes > _LASHES) & (shapes.from_eyes < 0.2 * _EYE) & hit & (shapes.brows == 0)
    if around.sum() < 50:
        return False
    return bool(np.median(distance[around]) > _UNLIKE_EYES or np.median(brightness[around]) < _LENS)


def _intruders(
    distance: Float32, shapes: _Shapes, hit: NDArray[np.bool_], own: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Find what lies on the face and reaches in from outside: a lock of hair, a straw, a hand.

    Its pixels are far from this skin and hang together with what is not the face; a mole, a nostril or the corner of
    the mouth is closed in by skin. `own` (h, w) is what is the person's although unlike skin: lips, nostrils, beard.
    """
    unlike = (distance > _INTRUDER) & ~shapes.openings & ~own & ~shapes.brow_cores & (shapes.lids < 0.5)
    numbers, area = pieces(unlike | ~hit)
    outside = np.zeros(len(area), dtype=bool)
    outside[numbers[~shapes.face]] = True
    outside[0] = False
    return dilated(outside[numbers] & hit & shapes.face, 2)


def _frames(
    distance: Float32,
    brightness: Float32,
    luminance_sd: float,
    shapes: _Shapes,
    zones: dict[str, Float32],
    hit: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Find the frames of glasses: dark lines around the eyes where no face has any.

    A line is what a morphological closing of the brightness fills and long: no shadow and no wrinkle is taken for
    one. Where lids, lashes and brows are not, the surroundings of the eyes are plain skin; if lines cover a part of
    it, the person wears glasses, and all dark lines around the eyes, brows excepted, are frame.
    """
    if not shapes.eyes.any():
        return np.zeros_like(hit)
    closed = np.asarray(ndimage.grey_closing(brightness, (_FRAME_PX, _FRAME_PX)))
    line = (closed - brightness > max(_FRAME, 1.3 * luminance_sd)) & (brightness < -0.3) & (distance > 2.0)
    line &= (shapes.from_eyes < 0.45 * _EYE) & hit & ~shapes.openings & ~shapes.brow_cores
    numbers, area = pieces(line, diagonal=True)
    line = (extents(numbers, len(area) - 1) >= _FRAME_LENGTH)[numbers]
    plain = (shapes.from_eyes < 0.24 * _EYE) & hit & (shapes.lids == 0) & (shapes.brows == 0) & (zones["skull"] < 0.5)
    if plain.sum() < 50:
        return np.zeros_like(hit)
    if line[plain].mean() >= _FRAME_SHARE:
        return dilated(line, 4)
    return _wires(distance, brightness, shapes, hit, plain)


def _wires(
    distance: Float32,
    brightness: Float32,
    shapes: _Shapes,
    hit: NDArray[np.bool_],
    plain: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Find the wires of thin glasses: a fine line, dark or bright, that runs from eye to eye over the bridge of the nose.

    No wrinkle does. If there is one, the other long fine lines around the eyes are its rims.
    """
    size = (_WIRE_PX, _WIRE_PX)
    below = np.asarray(ndimage.grey_closing(brightness, size)) - brightness
    below = np.maximum(below, brightness - np.asarray(ndimage.grey_opening(brightness, size)))
    fine = (below > max(_WIRE, 3 * float(np.median(below[plain])))) & (distance > _WIRE_UNLIKE)
    fine &= (shapes.from_eyes < 0.45 * _EYE) & hit & ~shapes.openings & ~shapes.brow_cores
    numbers, area = pieces(dilated(fine, 1), diagonal=True)
    length = extents(numbers, len(area) - 1)
    crossing = np.zeros(len(area), dtype=bool)
    crossing[numbers[shapes.bridge]] = True
    crossing[0] = False
    if not (crossing & (length >= _WIRE_SPAN)).any():
        return np.zeros_like(hit)
    rims = crossing | (length >= _FRAME_LENGTH)
    rims[0] = False
    return dilated(rims[numbers] & fine & (shapes.lids < 0.5), 2)


def _other_side(shape: NDArray[np.bool_], view: View, surface: SkinSurface) -> Float32:
    """Tell of each pixel how far the place opposite on the face is seen in `shape` (h, w); (h, w) in [0, 1]."""
    there = np.zeros(len(view.pixel), dtype=np.float32)
    rows = np.flatnonzero(view.seen)
    there[rows] = bilinear(shape.astype(np.float32), view.grid.place(view.pixel[rows]))
    return interpolate(view.raster, surface.faces, there[surface.mirror][:, None])[..., 0]


def _light(normal: Float32, linear: Float32, weight: Float32) -> Light:
    used = weight > 0.1
    return estimate_light(normal[used], linear[used], weight[used])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shapes:
    """Drawn from the measured landmarks, (h, w) each: the eyes between the lids and, a little wider,
    all `openings`, mouth included (bool), and the distance `beyond` them (px); lids and brows
    (0 to 1), the brows as measured, what lies within the outline of the face, the bridge of the nose,
    and the distance from the eyes (px).
    """

    eyes: NDArray[np.bool_]
    openings: NDArray[np.bool_]
    beyond: Float32
    lids: Float32
    brows: Float32
    brow_cores: NDArray[np.bool_]
    face: NDArray[np.bool_]
    bridge: NDArray[np.bool_]
    from_eyes: Float32

    @staticmethod
    def of(observation: Observation, view: View) -> _Shapes:
        shape = (view.grid.height, view.grid.width)
        contours = CONTOURS.get(observation.points[0].set_name)
        if contours is None:
            nothing = np.zeros(shape, dtype=np.float32)
            none = np.zeros(shape, dtype=bool)
            return _Shapes(
                eyes=none,
                openings=none,
                beyond=distance_to(none),
                lids=nothing,
                brows=nothing,
                brow_cores=none,
                face=~none,
                bridge=none,
                from_eyes=distance_to(none),
            )
        points = view.grid.place(observation.points[0].position)
        loops = [points[list(loop)] for loop in contours.eyes]
        eyes = _filled(shape, loops)
        from_eyes = distance_to(eyes)
        corners = _filled(shape, [_beyond_outer_corner(loops[k], loops[1 - k]) for k in range(2)])
        mouth = _filled(shape, [points[list(contours.inner_lips)]])
        inner = points[list(contours.inner_lips)]
        height = mouth.sum() / max(float(np.ptp(inner[:, 0])), 1.0)
        teeth = _TEETH * float(np.clip((height - 1) / _AJAR, 0.3, 1))
        beyond = np.minimum(distance_to(eyes | corners) - _LASHES, distance_to(mouth) - teeth)
        brows = _filled(shape, [points[list(loop)] for loop in contours.brows])
        return _Shapes(
            eyes=eyes,
            openings=beyond <= 0,
            beyond=beyond.astype(np.float32),
            lids=np.clip(2 - 2 * from_eyes / _LID, 0, 1).astype(np.float32),
            brows=np.clip(1.5 - distance_to(brows) / _BROW, 0, 1).astype(np.float32),
            brow_cores=brows,
            face=eroded(_filled(shape, [points[list(contours.outline)]]), 1),
            bridge=_filled(shape, [_between(*loops)]),
            from_eyes=from_eyes,
        )


def _between(right: NDArray[np.floating], left: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the polygon (4, 2) across the bridge of the nose: the middle third between the eyes, an eye's width high."""
    across = left.mean(0) - right.mean(0)
    middle = 0.5 * (left.mean(0) + right.mean(0))
    down = np.array([-across[1], across[0]])
    return np.stack([middle + x * across + y * down for x, y in ((-0.08, -0.1), (0.08, -0.1), (0.08, 0.3), (-0.08, 0.3))])


def _beyond_outer_corner(eye: NDArray[np.floating], other: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the line (2, 2) from an eye's outer corner on, over which its lashes lie."""
    away = eye - other.mean(0)
    outer = eye[np.argmax((away**2).sum(1))]
    direction = outer - eye.mean(0)
    return np.stack([outer, outer + direction * (_CORNER / max(float(np.linalg.norm(direction)), 1e-6))])


def _filled(shape: tuple[int, int], loops: list[NDArray[np.floating]]) -> NDArray[np.bool_]:
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
    """The skin of this person after the light is divided out: log luminance and two log chromas, and its texture."""

    mean: NDArray[np.floating]
    luminance_sd: float
    chroma_precision: NDArray[np.floating]
    texture: float

    @staticmethod
    def of(linear: Float32, normal: Float32, light: Light, core: Float32) -> _SkinColour:
        feature, texture = _features(linear, normal, light)
        used = core > 0.3
        if used.sum() < 30:
            return _SkinColour(mean=np.zeros(3), luminance_sd=0.25, chroma_precision=np.eye(2) / 0.08**2, texture=0.05)
        samples = feature[used]
        mean, spread = np.zeros(3), np.ones(3)
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

    def beard(self, linear: Float32, normal: Float32, light: Light, grown: Float32, around_mouth: Float32, lower_face: Float32) -> Float32:
        """How surely each pixel shows this person's beard, (h, w) in [0, 1].

        If a good part of what is `around_mouth` (h, w, 0 to 1) is darker than skin and not redder, it is a beard, and
        what looks alike where beards can grow (`grown`) is as well.
        """
        feature, texture = _features(linear, normal, light)
        off = feature - self.mean.astype(np.float32)
        inside = around_mouth > 0.5
        dark = inside & (off[..., 0] < _BEARD)
        below = lower_face > 0.6
        if dark.sum() < 30 or not below.any() or np.median(off[below, 0]) > _LITTLE:
            return np.zeros_like(grown)
        stubble = np.zeros_like(grown)
        if np.median(texture[below]) > _STUBBLE_ROUGH and np.median(off[below, 0]) < _STUBBLE:
            stubble = np.float32(0.7) * grown
        hairy = float(np.median(texture[dark]))
        if hairy < _BEARD_ROUGH:
            return stubble
        mean = np.median(off[dark], axis=0)
        # shadows on skin are redder than the skin, hair is not
        if dark.sum() < (_BEARD_SHARE + 0.5 * max(float(mean[1]), 0.0)) * inside.sum():
            return stubble
        spread = np.maximum(1.5 * 1.4826 * np.median(np.abs(off[dark] - mean), axis=0), (0.3, 0.08, 0.08))
        unlike = (((off - mean) / spread) ** 2).sum(2)
        rough = np.clip(2 * texture / hairy - 0.5, 0, 1)  # a shadow is smooth
        return np.maximum(stubble, grown * rough * np.clip(2 - unlike / 6, 0, 1)).astype(np.float32)


def _features(linear: Float32, normal: Float32, light: Light) -> tuple[Float32, Float32]:
    """Log luminance and chromas (h, w, 3) of the colour over what the light predicts, and the local texture (h, w)."""
    predicted = light.reference.astype(np.float32) * light.shading(normal.reshape(-1, 3), (0.25, 2.5))
    offset = np.float32(_DARK) * np.maximum(light.reference, 0.05).astype(np.float32) / np.float32(0.4)
    ratio = np.log(linear + offset) - np.log(predicted.reshape(linear.shape) + offset)
    feature = np.stack([ratio.mean(2), ratio[..., 0] - ratio[..., 1], ratio[..., 2] - ratio[..., 1]], axis=2)
    brightness = np.asarray(np.log(linear.mean(2) + offset.mean()), dtype=np.float32)
    high = np.asarray(brightness - box_mean(brightness, 5), dtype=np.float32)
    return feature, np.sqrt(np.maximum(box_mean(high * high, 5), 0))


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
