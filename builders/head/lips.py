"""Lips that touch: MakeHuman's neutral mouth stands a little open, and its shapes open it further."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, load_landmarks
from builders.head.regions import cavity_polygons, ring_numbers

OVERLAP_MM = 0.3
"""How far closed lips press into each other."""

OUTWARD = (1.0, 1.0, 0.85, 0.6, 0.35, 0.15, 0.05)
INWARD = (1.0, 1.0, 1.0, 0.8, 0.5, 0.25, 0.1)
"""How much of the closing each ring of vertices takes part in, from the lips' inner edge."""

TEETH_CLEARANCE_MM = 1.2
TEETH_RINGS = (10, 5)
"""Rings of vertices from the lips' edge, over the face and into the cavity, that must stay before the teeth."""

TEETH_SPREAD = 4

OWN_SHAPE = (0.0, 0.6, 0.0, 0.0)
"""Share of a mode's change of height, beyond that of the line where the lips touch, which stays to the edge and the rings
beside it: the inner ones, unseen, would only run through the other lip."""

PLACES = np.linspace(-0.995, 0.995, 61)
"""Places along the mouth, 0 the middle, 1 the left corner."""


def close_lips(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the lips of people (p, n, 3) mm, in axes with +y up, together (or apart where they intersect).

    At each place along the mouth the lowest point of the upper lip and the highest of the lower are moved to
    their middle height; the skin around and the cavity's front follow.
    """
    left, weight, lines = _mouth_lines(base)
    right = base.symmetry[left]
    moved = np.flatnonzero(weight)
    share = -0.5 * weight[moved]
    taper = np.clip((1 - np.abs(PLACES)) / 0.015, 0, 1)
    closed = vertices.copy()
    for person in closed:
        middle, half_width = (person[left, 0] + person[right, 0]) / 2, (person[left, 0] - person[right, 0]) / 2
        place = (person[:, 0] - middle) / half_width
        low = np.min([np.interp(PLACES, place[line], person[line, 1]) for line in lines[1]], axis=0)
        high = np.max([np.interp(PLACES, place[line], person[line, 1]) for line in lines[-1]], axis=0)
        gap = (low - high + OVERLAP_MM) * taper
        person[moved, 1] += (share * np.interp(place[moved], PLACES, gap, left=0.0, right=0.0)).astype(np.float32)
    return closed


def _mouth_lines(base: HeadBase) -> tuple[int, NDArray[np.float64], dict[int, list[NDArray[np.intp]]]]:
    """The left corner, how far each vertex goes with its lip (n,), negative for the lower, and lines along each lip."""
    outside, inside, lip = lip_rings(base)
    weight = np.zeros(len(base.vertices))
    for rings, shares in ((outside, OUTWARD), (inside, INWARD)):
        near = np.flatnonzero(rings < len(shares))
        weight[near] = np.array(shares)[rings[near]]
    loop = base.asset_index(load_landmarks()["loops"]["mouth"])
    left = int(loop[np.argmax(base.vertices[loop, 0])])
    lines: dict[int, list[NDArray[np.intp]]] = {1: [], -1: []}
    for rings, ring in ((outside, 0), (outside, 1), (inside, 1), (inside, 2)):
        for sign, chosen in lines.items():
            line = np.flatnonzero((rings == ring) & (lip == sign))
            chosen.append(line[np.argsort(base.vertices[line, 0])])
    return left, weight * lip, lines


def seal_lips(base: HeadBase, mean: NDArray[np.float64], modes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Modes (k, n, 3) of identity that keep the lips of a mean head (n, 3) together.

    At each place along the mouth the two lines that touch on the mean head get the same change of height, in a frame that
    stands still: what a mode moves sideways changes the height there by the slope of the mouth.
    """
    left, weight, lines = _mouth_lines(base)
    half_width = mean[left, 0]
    place = mean[:, 0] / half_width
    taper = np.clip((1 - np.abs(PLACES)) / 0.015, 0, 1)
    heights = {k: np.stack([np.interp(PLACES, place[line], mean[line, 1]) for line in of]) for k, of in lines.items()}
    nearest = {1: heights[1].argmin(axis=0), -1: heights[-1].argmax(axis=0)}
    slopes = {k: np.gradient(height, PLACES * half_width, axis=1) for k, height in heights.items()}
    moved = np.flatnonzero(weight)
    sealed = modes.copy()
    for mode, result in zip(modes, sealed, strict=True):
        change = {}
        for sign, of_lip in lines.items():
            rows = [
                np.interp(PLACES, place[line], mode[line, 1]) - slope * np.interp(PLACES, place[line], mode[line, 0])
                for line, slope in zip(of_lip, slopes[sign], strict=True)
            ]
            change[sign] = np.choose(nearest[sign], rows)
            for line, row, share in zip(of_lip, rows, OWN_SHAPE, strict=True):
                own = taper * (1 - share) * (row - change[sign])
                result[line, 1] -= np.interp(place[line], PLACES, own, left=0.0, right=0.0)
        gap = np.interp(place[moved], PLACES, taper * (change[1] - change[-1]), left=0.0, right=0.0)
        result[moved, 1] -= 0.5 * weight[moved] * gap
    return sealed


def clear_teeth(base: HeadBase, mean: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """What to add to an offset (n, 3) mm of the mean head (n, 3) so that the lips ride over the teeth, (n, 3).

    A lip vertex keeps `TEETH_CLEARANCE_MM`, or what it has at rest, before the teeth behind it.
    """
    outside, inside, lip = lip_rings(base)
    push = np.zeros(len(mean))
    for sign, parts in ((1, ("upper_teeth",)), (-1, ("upper_teeth", "lower_teeth"))):
        rows = np.flatnonzero((lip == sign) & ((outside < TEETH_RINGS[0]) | (inside < TEETH_RINGS[1])))
        teeth = np.concatenate([np.r_[base.part(part)[0]] for part in parts])
        at_rest = mean[rows, 2] - _front(mean[rows], mean[teeth])
        moved = mean + offset
        gap = moved[rows, 2] - _front(moved[rows], moved[teeth])
        push[rows] = np.maximum(np.minimum(at_rest, TEETH_CLEARANCE_MM) - gap, 0)
    polygons = base.polygons[base.part("skin")[1]]
    for _ in range(TEETH_SPREAD):
        heard, count = np.zeros(len(push)), np.zeros(len(push))
        for k in range(4):
            np.add.at(heard, polygons[:, k], push[polygons].mean(axis=1))
            np.add.at(count, polygons[:, k], 1.0)
        push = np.maximum(push, heard / np.maximum(count, 1))
    return push[:, None] * np.array([0.0, 0.0, 1.0])


def _front(points: NDArray[np.float64], teeth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth z (k,) of the foremost tooth behind each point (k, 3); far back where there is none."""
    beside = np.abs(points[:, None, 0] - teeth[None, :, 0]) < 1.5
    level = np.abs(points[:, None, 1] - teeth[None, :, 1]) < 3.0
    return np.where(beside & level, teeth[None, :, 2], -1e3).max(axis=1)


def lip_rings(base: HeadBase) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rings (n,) from the lips' inner edge over the face and into the cavity, and the lip as in `_sides`."""
    skin_vertices, rows = base.part("skin")
    polygons = base.polygons[rows]
    loop = base.asset_index(load_landmarks()["loops"]["mouth"])
    hole = cavity_polygons(base)["mouth_cavity"][rows]
    pad = np.full(len(base.vertices) - skin_vertices.stop, 999)
    outside = np.concatenate([ring_numbers(polygons, loop, hole, skin_vertices.stop), pad])
    inside = np.concatenate([ring_numbers(polygons, loop, ~hole, skin_vertices.stop), pad])
    return outside, inside, _sides(base, polygons, loop, np.minimum(outside, inside))


def _sides(
    base: HeadBase, polygons: NDArray[np.int32], loop: NDArray[np.int32], rings: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Which lip each vertex near the mouth hangs on, (n,): 1 upper, -1 lower, 0 neither (the corners).

    The two corners part the lips' inner edge; the rings then inherit from ring to ring.
    """
    x, y = base.vertices[loop, 0], base.vertices[loop, 1]
    turned = np.roll(loop, -int(np.argmax(x)))
    other = int(np.argmin(base.vertices[turned, 0]))
    first, second = turned[1:other], turned[other + 1 :]
    sign = 1.0 if base.vertices[first, 1].mean() > y.mean() else -1.0
    vote = np.zeros(len(base.vertices))
    vote[first], vote[second] = sign, -sign
    for ring in range(1, max(len(OUTWARD), len(INWARD), *TEETH_RINGS)):
        voters = polygons[(rings[polygons] == ring).any(axis=1)]
        spoken = np.where(rings[voters] == ring - 1, vote[voters], 0).sum(axis=1)
        heard = np.zeros(len(vote))
        np.add.at(heard, voters.ravel(), np.repeat(spoken, 4))
        fresh = np.flatnonzero(rings == ring)
        vote[fresh] = np.sign(heard[fresh])
    return vote
