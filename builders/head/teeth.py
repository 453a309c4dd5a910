"""Rows of teeth: fourteen crowns and their gum per jaw, built from the teeth's usual sizes.

MakeHuman's helper teeth are one smooth band. Ours are drawn in the helper's place and follow it affinely; the
height is taken from the lips, which the shape targets move further than the helper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class JawSizes:
    """Sizes of one jaw's teeth, mm, from the midline to the second molar (7 each), after Wheeler's averages.

    Attributes
    ----------
    width, height : of the crowns.
    edge : thickness at the biting edge or surface.
    neck : thickness at the gum.
    level : how far the biting edge stays behind that of the middle teeth.
    half_breadth, depth : half axes of the ellipse on which the outer surfaces stand.
    """

    width: tuple[float, ...]
    height: tuple[float, ...]
    edge: tuple[float, ...]
    neck: tuple[float, ...]
    level: tuple[float, ...]
    half_breadth: float
    depth: float


UPPER = JawSizes(
    width=(8.5, 6.5, 7.5, 7.0, 7.0, 10.0, 9.0),
    height=(10.0, 9.0, 10.0, 8.5, 8.0, 7.5, 7.0),
    edge=(1.4, 1.3, 2.0, 5.0, 5.2, 8.0, 8.0),
    neck=(6.5, 6.0, 7.5, 8.5, 8.5, 10.0, 10.0),
    level=(0.0, 0.7, 0.1, 0.6, 0.8, 1.0, 1.2),
    half_breadth=28.0,
    depth=47.0,
)
LOWER = JawSizes(
    width=(5.2, 5.8, 6.8, 7.0, 7.1, 11.0, 10.5),
    height=(8.8, 9.2, 10.5, 8.5, 8.0, 7.5, 7.0),
    edge=(1.3, 1.3, 2.0, 4.5, 5.0, 8.0, 8.0),
    neck=(5.8, 6.2, 7.5, 7.8, 8.0, 10.0, 10.0),
    level=(0.0, 0.0, -0.2, 0.4, 0.6, 0.9, 1.0),
    half_breadth=25.8,
    depth=45.0,
)

ROW_V = (0.02, 0.35, 0.5, 0.65, 0.78, 0.98)
"""v of the profile's rows: outer gum, gum line, bulge, outer edge, inner edge, inner gum; the gum is v < 0.35."""

GUM_MM = 6.0
"""Height of the gum that is modelled above the gum line."""

ACROSS = (-0.5, -0.34, 0.0, 0.34)
"""Places of a tooth's columns in shares of its width; -0.5 is the groove shared with the neighbour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arch:
    """One row of teeth about its own origin: the midline of the front teeth's biting edge, on their outer side.

    Attributes
    ----------
    points : (n, 3) mm, +x the person's left, +y up, +z forward; column after column from the right to the left.
    polygons : (m, 4) int32, counter-clockwise from outside.
    uv : (n, 2): u along the arch, v as ``ROW_V``.
    mirror : (n,) int32, the vertex on the other side.
    """

    points: np.ndarray
    polygons: np.ndarray
    uv: np.ndarray
    mirror: np.ndarray


def make_arch(sizes: JawSizes, *, upper: bool) -> Arch:
    """Build one row of teeth from its sizes."""
    starts = np.concatenate([[0.0], np.cumsum(sizes.width)])
    place, tooth, across = [], [], []
    for k, width in enumerate(sizes.width):
        for share in ACROSS:
            place.append(starts[k] + (share + 0.5) * width)
            tooth.append(k)
            across.append(abs(share))
    place.append(starts[-1])
    tooth.append(len(sizes.width) - 1)
    across.append(0.5)
    half = np.stack([_profile(sizes, k, a) for k, a in zip(tooth, across, strict=True)])
    grooves = np.arange(len(ACROSS), len(half) - 1, len(ACROSS))
    before = np.stack([_profile(sizes, tooth[g] - 1, 0.5) for g in grooves])
    half[grooves] = (half[grooves] + before) / 2

    foot, normal = _ellipse(np.array(place), sizes.half_breadth, sizes.depth)
    outward, down = half[..., :1], half[..., 1:]
    left = foot[:, None] + outward * normal[:, None]
    left = np.concatenate([left, down * (1.0 if upper else -1.0)], axis=2)[..., [0, 2, 1]]
    right = left[:0:-1] * [-1, 1, 1]
    points = np.concatenate([right, left])
    columns, rows = points.shape[:2]
    number = np.arange(columns * rows).reshape(columns, rows)
    quads = np.stack([number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]], axis=-1).reshape(-1, 4)
    along = np.concatenate([-np.array(place)[:0:-1], place])
    u = 0.5 - 0.48 * along / starts[-1]
    if not upper:
        quads = quads[:, ::-1]
        u = 1 - u
    uv = np.stack([np.repeat(u, rows), np.tile(ROW_V, columns)], axis=1)
    return Arch(
        points=points.reshape(-1, 3),
        polygons=quads.astype(np.int32),
        uv=uv,
        mirror=number[::-1].ravel().astype(np.int32),
    )


def _profile(sizes: JawSizes, k: int, across: float) -> np.ndarray:
    """Outline (6, 2) of tooth k in the plane across the arch: outward and towards the gum, mm, rows as ``ROW_V``."""
    side = across / 0.5
    groove = side > 0.99
    edge = sizes.level[k] + (1.5 if groove else 0.35 * side)
    gum = sizes.level[k] + sizes.height[k] - (1.6 * side if not groove else 2.4)
    bulge = edge + 0.55 * (gum - edge)
    sunk = 1.3 if groove else 0.35 * side
    inner = min(sizes.edge[k] + 0.4, sizes.neck[k])
    back = -inner + (0.5 if groove else 0.0)
    return np.array(
        [
            [0.3, gum + GUM_MM],
            [0.1 - 0.6 * sunk, gum],
            [0.75 - sunk, bulge],
            [-sunk, edge],
            [min(back, -sunk - 0.3), edge + (0.3 if sizes.edge[k] < 3 else 0.8)],
            [-sizes.neck[k], gum],
        ]
    )


def _ellipse(place: np.ndarray, half_breadth: float, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (k, 2) and outward normals in (x, z) at given arc lengths from the front of an ellipse's half."""
    angle = np.linspace(0, np.pi / 2 * 1.1, 4001)
    curve = np.stack([half_breadth * np.sin(angle), depth * (np.cos(angle) - 1)], axis=1)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.interp(place, length, angle)
    normal = np.stack([np.sin(at) / half_breadth, np.cos(at) / depth], axis=1)
    foot = np.stack([half_breadth * np.sin(at), depth * (np.cos(at) - 1)], axis=1)
    return foot, normal / np.linalg.norm(normal, axis=1, keepdims=True)
