"""Lengths that follow the head: what is drawn in millimetres of one head, placed on any other.

Hairlines, beards, necklines, locks and masks are drawn in the millimetres of a drawing head, whose named points lie at the
levels and depths below. A yardstick carries positions between a head and the drawing: piecewise linear in height and depth
between the named points, with one factor for widths. So the drawings fit another head asset, and a child.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.head import HeadModel

Float = NDArray[np.float64]

LEVELS = (
    ("nf", -130.4), ("gn", -98.5), ("sl", -71.9), ("sto", -53.7), ("sn", -33.4), ("t_l", 0.0), ("en_l", 18.0), ("tr", 102.9),
    ("v", 128.2),
)  # fmt: skip
"""Names of points and their heights y on the drawing head, mm, from below."""
DEPTHS = (("op", -97.2), ("t_l", 0.0), ("ex_l", 74.3), ("prn", 116.1))
"""Names of points and their depths z on the drawing head, mm, from behind."""
WIDTHS = (("eu_l", 73.3), ("zy_l", 66.9), ("ex_l", 44.1))
"""Names of points and their distances from the middle on the drawing head, mm; the mean of the ratios counts."""
_BEYOND_MM = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Yardstick:
    """Where named points are, on a head and on the drawing.

    Attributes
    ----------
    levels, depths : (2, k) increasing, mm: on the head, and on the drawing.
    width : the head's widths by the drawing's.
    """

    levels: Float
    depths: Float
    width: float

    def to_drawing(self, points: Float) -> Float:
        """Return where points (..., 3) of the head lie on the drawing, mm."""
        return np.stack(
            [points[..., 0] / self.width, self.level(points[..., 1]), np.interp(points[..., 2], *self.depths)], axis=-1
        )

    def from_drawing(self, points: Float) -> Float:
        """Return where points (..., 3) of the drawing lie on the head, mm."""
        heights, depths = np.interp(points[..., 1], *self.levels[::-1]), np.interp(points[..., 2], *self.depths[::-1])
        return np.stack([points[..., 0] * self.width, heights, depths], axis=-1)

    def level(self, heights: Float) -> Float:
        """Return heights y of the head as heights of the drawing, mm."""
        return np.interp(heights, *self.levels)

    def height(self, levels: Float) -> Float:
        """Return heights y of the drawing as heights of the head, mm."""
        return np.interp(levels, *self.levels[::-1])


def yardstick(model: HeadModel, neutral: Float | None = None) -> Yardstick:
    """Return the yardstick of a neutral head's vertices (n, 3) mm; None: of the mean head."""
    vertices = model.mean if neutral is None else neutral
    points = model.point_set("iso")
    names = [*dict.fromkeys(name for table in (LEVELS, DEPTHS, WIDTHS) for name, _ in table)]
    rows = [points.index(name) for name in names]
    faces = model.faces[points.face_index[rows]]
    placed = dict(zip(names, np.einsum("kc,kcd->kd", points.barycentric[rows], vertices[faces]), strict=True))
    return Yardstick(
        levels=_table([placed[name][1] for name, _ in LEVELS], [value for _, value in LEVELS]),
        depths=_table([placed[name][2] for name, _ in DEPTHS], [value for _, value in DEPTHS]),
        width=float(np.mean([placed[name][0] / value for name, value in WIDTHS])),
    )


def _table(own: list[float], drawn: list[float]) -> Float:
    """Return (2, k + 2) increasing; beyond the named points millimetres stay millimetres."""
    # points that an unusual head has in another order, or nearly in one place, keep a millimetre between them
    least = np.arange(len(own), dtype=np.float64)
    rising = np.maximum.accumulate(np.array(own) - least) + least
    ends = np.array(
        [[rising[0] - _BEYOND_MM, rising[-1] + _BEYOND_MM], [drawn[0] - _BEYOND_MM, drawn[-1] + _BEYOND_MM]]
    )
    middle = np.stack([rising, np.array(drawn)])
    return np.concatenate([ends[:, :1], middle, ends[:, 1:]], axis=1)
