"""What is before the face: glasses, hair and things that reach in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cephalon.appearance.filters import dilated, extents, pieces
from cephalon.appearance.shapes import LASHES, Shapes
from cephalon.appearance.view import GRID_EYE_PX

Float32 = NDArray[np.float32]

_EYE = GRID_EYE_PX
# Glasses: log of how much darker a frame is than what it runs across, its greatest width and its least length (px), and
# the share of the plain skin around the eyes that it covers.
_FRAME = 0.55
_FRAME_PX = 13
_FRAME_LENGTH = 0.3 * _EYE
_FRAME_SHARE = 0.08
_FRAME_SURE, _FRAME_BRIDGE = 0.18, 10  # a share that is enough by itself; px of the bridge that it crosses else
_LENS = -0.8  # log brightness around the eyes against the skin, below which dark glasses hide them
_UNLIKE_EYES = 3.9  # or sds from the skin: mirrors
_WIRE = 0.13  # log of how much darker or brighter a wire is than what it runs across, a pixel being as wide as the wire
_WIRE_UNLIKE = 1.7  # sds from the skin
_WIRE_PX = 7
_WIRE_SIDE = round(0.16 * _EYE)  # px on both sides of the bridge of the nose that a wire reaches, and no wrinkle
_WIRE_REACH = 0.8 * _EYE  # from the eyes, if glasses sit low
_AROUND_EYES = 0.45 * _EYE  # where frames usually are
_BROW_EDGE_PX = 4
_JOINED_PX = 3  # between two pieces of one rim
# Brows: share of their log darkness, and least log darkness, of what counts as dark; px above and below the place of their
# hair that are looked at; least hair in a column, px; share of the columns in which skin parts hair from what is beneath.
_APART_DARK, _APART_LEAST, _APART_ABOVE, _APART_BELOW, _APART_HAIR, _APART_SHARE = 0.6, 0.2, 4, 7, 2, 0.6
INTRUDER = 4.5  # sds from the skin from which what reaches into the face lies on it


def dark_glasses(distance: Float32, brightness: Float32, shapes: Shapes, hit: NDArray[np.bool_]) -> bool:
    """Tell whether dark glasses hide the eyes: all around them, further than make-up goes, is dark or not of skin."""
    around = (shapes.from_eyes > LASHES) & (shapes.from_eyes < 0.2 * _EYE) & hit & (shapes.brows == 0)
    if around.sum() < 50:
        return False
    return bool(np.median(distance[around]) > _UNLIKE_EYES or np.median(brightness[around]) < _LENS)


def intruders(distance: Float32, shapes: Shapes, hit: NDArray[np.bool_], own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Find what lies on the face and reaches in from outside: a lock of hair, a straw, a hand.

    Its pixels are far from this skin and hang together with what is not the face; a mole, a nostril or the corner of
    the mouth is closed in by skin. `own` (h, w) is what is the person's although unlike skin: lips, nostrils, beard.
    """
    unlike = (distance > INTRUDER) & ~shapes.openings & ~own & ~shapes.brow_cores & (shapes.lids < 0.5)
    numbers, area = pieces(unlike | ~hit)
    outside = np.zeros(len(area), dtype=bool)
    outside[numbers[~shapes.face]] = True
    outside[0] = False
    return dilated(outside[numbers] & hit & shapes.face, 2)


def brows_apart(brightness: Float32, shapes: Shapes) -> NDArray[np.bool_]:
    """Find the brows (h, w) that skin parts from what is dark beneath: no frame runs into them, none hides them.

    Down most columns there has to be hair, and from the middle of the brow on skin, within a few px of where hair is
    expected to end.
    """
    apart = np.zeros_like(shapes.brow_cores)
    numbers, area = pieces(shapes.brow_cores)
    for k in range(1, len(area)):
        rows, columns = np.nonzero(numbers == k)
        level = min(_APART_DARK * float(np.percentile(brightness[rows, columns], 25)), -_APART_LEAST)
        found, brow = 0, np.zeros_like(apart)
        across = np.unique(columns)
        for column in across:
            own = rows[columns == column]
            start = int(own.mean())
            light = brightness[start : own.max() + _APART_BELOW, column] > level
            stretch = np.s_[max(own.min() - _APART_ABOVE, 0) : start + int(light.argmax()), column]
            hair = brightness[stretch] <= level
            if light.any() and _APART_HAIR <= hair.sum() < len(own) + _APART_ABOVE:
                found += 1
                brow[stretch] = hair
                brow[own, column] = True
        if found > _APART_SHARE * len(across):
            apart |= brow
    return apart


def frames(
    distance: Float32,
    brightness: Float32,
    luminance_sd: float,
    shapes: Shapes,
    zones: dict[str, Float32],
    hit: NDArray[np.bool_],
    apart: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Find the frames of glasses: dark lines around the eyes where no face has any.

    A line is what a morphological closing of the brightness fills and long: no shadow and no wrinkle is taken for
    one. Where lids, lashes and brows are not, the surroundings of the eyes are plain skin; if lines cover a part of
    it, the person wears glasses, and all dark lines around the eyes, brows excepted, are frame. Brows that stand
    `apart` (h, w) are none of it.
    """
    if not shapes.eyes.any():
        return np.zeros_like(hit)
    closed = np.asarray(ndimage.grey_closing(brightness, (_FRAME_PX, _FRAME_PX)))
    line = (closed - brightness > max(_FRAME, 1.3 * luminance_sd)) & (brightness < -0.3) & (distance > 2.0)
    line &= (shapes.from_eyes < _AROUND_EYES) & hit & ~shapes.openings & ~shapes.brow_cores & ~dilated(apart, 2)
    numbers, area = pieces(line, diagonal=True)
    line = (extents(numbers, len(area) - 1) >= _FRAME_LENGTH)[numbers]
    plain = (shapes.from_eyes < 0.24 * _EYE) & hit & (shapes.lids == 0) & (shapes.brows == 0) & (zones["skull"] < 0.5)
    if plain.sum() < 50:
        return np.zeros_like(hit)
    share = line[plain].mean()
    # neither lips nor the edges of brows are lines
    free = hit & (zones["mouth"] < 0.1) & ~dilated(apart, _BROW_EDGE_PX)
    fine, numbers, length = _fine_lines(distance, brightness, shapes, free, plain)
    # creases around squeezed eyes cover as much as a thin frame, but they do not cross the bridge of the nose
    if share >= _FRAME_SHARE and (share >= _FRAME_SURE or (line & shapes.bridge).sum() >= _FRAME_BRIDGE):
        rims = dilated(line, 4)
    else:
        rims = _wires(fine, numbers, length, shapes)
    if rims.any():
        # rims of metal are dark here and bright there, and may lie low on the nose: what goes on from a rim is one
        joined = np.zeros(len(length), dtype=bool)
        joined[numbers[dilated(rims, _JOINED_PX)]] = True
        joined &= length >= _FRAME_LENGTH
        joined[0] = False
        rims |= dilated(joined[numbers] & fine & (shapes.lids < 0.5), 2)
    return rims & ~apart


def _fine_lines(
    distance: Float32,
    brightness: Float32,
    shapes: Shapes,
    hit: NDArray[np.bool_],
    plain: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int64]]:
    """Find fine lines (h, w), dark or bright, on the upper face; number those that hang together, with their lengths, px."""
    size = (_WIRE_PX, _WIRE_PX)
    contrast = np.asarray(ndimage.grey_closing(brightness, size)) - brightness
    contrast = np.maximum(contrast, brightness - np.asarray(ndimage.grey_opening(brightness, size)))
    fine = (contrast > max(_WIRE, 3 * float(np.median(contrast[plain])))) & (distance > _WIRE_UNLIKE)
    fine &= (shapes.from_eyes < _WIRE_REACH) & hit & ~shapes.openings & ~shapes.brow_cores
    numbers, area = pieces(dilated(fine, 1), diagonal=True)
    return fine, numbers, extents(numbers, len(area) - 1)


def _wires(
    fine: NDArray[np.bool_], numbers: NDArray[np.int32], length: NDArray[np.int64], shapes: Shapes
) -> NDArray[np.bool_]:
    """Find the wires of thin glasses: a fine line that runs from eye to eye over the bridge of the nose.

    No wrinkle does. If there is one, the other long fine lines around the eyes are its rims.
    """
    crossing = np.zeros(len(length), dtype=bool)
    crossing[numbers[shapes.bridge]] = True
    crossing[0] = False
    # a wrinkle ends beside the nose
    columns = np.nonzero(shapes.bridge)[1]
    left, right = (np.zeros(len(length), dtype=bool) for _ in range(2))
    left[numbers[:, : max(columns.min() - _WIRE_SIDE, 0)]] = True
    right[numbers[:, columns.max() + _WIRE_SIDE :]] = True
    if not (crossing & left & right).any():
        return np.zeros_like(fine)
    near = np.zeros(len(length), dtype=bool)
    near[numbers[shapes.from_eyes < _AROUND_EYES]] = True
    rims = crossing | (near & (length >= _FRAME_LENGTH))
    rims[0] = False
    return dilated(rims[numbers] & fine & (shapes.lids < 0.5), 2)
