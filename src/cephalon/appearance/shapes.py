"""The parts of a face as the measured landmarks draw them on the crop of a photo."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.contours import CONTOURS, brow_hair
from cephalon.appearance.filters import distance_to, eroded
from cephalon.appearance.view import GRID_EYE_PX, View
from cephalon.values import Observation

Float32 = NDArray[np.float32]

# Lengths on the grid, px.
_EYE = GRID_EYE_PX
LASHES = 0.042 * _EYE  # kept around an eye's opening: the lashes and the lid's edge
_CORNER = 0.05 * _EYE  # and beyond the outer corner
_TEETH = 0.026 * _EYE  # kept around the opening of the mouth
_AJAR = 0.06 * _EYE  # height of a mouth that shows teeth; closed lips are skin up to their line
_BROW = 0.030 * _EYE
_LID = 0.11 * _EYE  # around an eye's opening, make-up and the crease's shadow are this person's


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shapes:
    """Drawn from the measured landmarks, (h, w) each: the eyes between the lids and, a little wider,
    all `openings`, mouth included (bool), and the distance `beyond` them (px); lids and brows
    (0 to 1), the hair of the brows, what lies within the outline of the face, the bridge of the nose,
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
    def of(observation: Observation, view: View) -> Shapes:
        """Draw the shapes of one photo; empty ones if its landmarks are of an unknown set."""
        shape = (view.grid.height, view.grid.width)
        contours = CONTOURS.get(observation.points[0].set_name)
        if contours is None:
            nothing = np.zeros(shape, dtype=np.float32)
            none = np.zeros(shape, dtype=bool)
            return Shapes(
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
        beyond = np.minimum(distance_to(eyes | corners) - LASHES, distance_to(mouth) - teeth)
        hair = [brow_hair(points[list(brow)], eye, _EYE) for brow, eye in zip(contours.brows, loops, strict=True)]
        brows = _filled(shape, hair)
        return Shapes(
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
    return np.stack(
        [middle + x * across + y * down for x, y in ((-0.08, -0.1), (0.08, -0.1), (0.08, 0.3), (-0.08, 0.3))]
    )


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
