"""Which points of the known landmark sets go around the eyes, the brows, the lips and the face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.head import HeadModel

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contours:
    """Rows of a landmark set, each group in order along its contour; left and right are the person's.

    Attributes
    ----------
    eyes : right and left opening between the lids, closed loops.
    inner_lips : the opening of the mouth, closed loop.
    outer_lips : the border of the red of the lips, closed loop.
    brows : right and left brow; loops, or open lines where the set has only one edge. The hair lies lower: `brow_hair`.
    outline : closed loop around the face, along the jaw and over the brows or the forehead.
    sliding : points that lie on the outline of the face: they move along it with the view and say little.
    irises : right and left: centre, then ring; empty where the set has none.
    """

    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    inner_lips: tuple[int, ...]
    outer_lips: tuple[int, ...]
    brows: tuple[tuple[int, ...], tuple[int, ...]]
    outline: tuple[int, ...]
    sliding: tuple[int, ...]
    irises: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


_OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)

CONTOURS = {
    "mediapipe478": Contours(
        eyes=(
            (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7),
            (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249),
        ),
        inner_lips=(78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95),
        outer_lips=(61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146),
        brows=((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)),
        outline=_OVAL,
        sliding=_OVAL,
        irises=((468, 469, 470, 471, 472), (473, 474, 475, 476, 477)),
    ),
    "ibug68": Contours(
        eyes=(tuple(range(36, 42)), tuple(range(42, 48))),
        inner_lips=tuple(range(60, 68)),
        outer_lips=tuple(range(48, 60)),
        brows=(tuple(range(17, 22)), tuple(range(22, 27))),
        outline=(*range(17), *range(26, 16, -1)),
        sliding=tuple(range(17)),
    ),
}


def contoured_set(model: HeadModel) -> str | None:
    """Return the name of the model's landmark set that outlines the brows as loops, if it has one."""
    return next((name for name in CONTOURS if name in model.point_sets and len(CONTOURS[name].brows[0]) > 5), None)


def inside(x: Float, y: Float, loop: NDArray[np.floating], *, margin: float = 0.0) -> NDArray[np.bool_]:
    """Tell which places `x`, `y` (any shape) lie in a polygon (k, 2) by the even-odd rule.

    `margin`, in their unit, is the distance that they keep from its upper and its lower edge.
    """
    result = np.ones(x.shape, dtype=bool)
    for shift in (-margin, margin) if margin else (0.0,):
        crossings = np.zeros(x.shape, dtype=bool)
        for (x0, y0), (x1, y1) in zip(loop, np.roll(loop, -1, axis=0), strict=True):
            between = (y0 > y + shift) != (y1 > y + shift)
            at = x0 + (y + shift - y0) * (x1 - x0) / np.where(y1 == y0, 1e-9, y1 - y0)
            crossings ^= between & (x < at)
        result &= crossings
    return result


# MediaPipe draws brows above their hair: by this share of the outer eye distance from middle to middle (median of 85 brows,
# quartiles 0.04 and 0.07).
_BROWS_LOWER = 0.05


def brow_hair(brow: NDArray[np.floating], eye: NDArray[np.floating], across: float) -> NDArray[np.floating]:
    """Return the outline (k, d) of the hair of a brow, from the brow (k, d) and the eye (j, d) that a set draws.

    `across` is the distance of the outer corners of the eyes, in their unit. An open line is returned as it is.
    """
    if len(brow) < 6:
        return brow
    towards = eye.mean(0) - brow.mean(0)
    return brow + towards * (_BROWS_LOWER * across / max(float(np.linalg.norm(towards)), 1e-9))
