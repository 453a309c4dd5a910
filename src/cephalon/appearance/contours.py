"""Which points of the known landmark sets go around the eyes, the brows, the lips and the face."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contours:
    """Rows of a landmark set, each group in order along its contour; left and right are the person's.

    Attributes
    ----------
    eyes : right and left opening between the lids, closed loops.
    inner_lips : the opening of the mouth, closed loop.
    brows : right and left brow; loops, or open lines where the set has only one edge.
    outline : closed loop around the face, along the jaw and over the brows or the forehead.
    sliding : points that lie on the outline of the face: they move along it with the view and say little.
    irises : right and left: centre, then ring; empty where the set has none.
    """

    eyes: tuple[tuple[int, ...], tuple[int, ...]]
    inner_lips: tuple[int, ...]
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
        brows=((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)),
        outline=_OVAL,
        sliding=_OVAL,
        irises=((468, 469, 470, 471, 472), (473, 474, 475, 476, 477)),
    ),
    "ibug68": Contours(
        eyes=(tuple(range(36, 42)), tuple(range(42, 48))),
        inner_lips=tuple(range(60, 68)),
        brows=(tuple(range(17, 22)), tuple(range(22, 27))),
        outline=(*range(17), *range(26, 16, -1)),
        sliding=tuple(range(17)),
    ),
}
