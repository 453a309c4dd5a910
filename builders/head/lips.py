"""Lips that touch: MakeHuman's neutral mouth stands a little open, and its shapes open it further."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, load_landmarks
from builders.head.regions import cavity_polygons, ring_numbers

OVERLAP_MM = 0.15
"""How far closed lips press into each other."""

OUTWARD = (1.0, 1.0, 0.85, 0.6, 0.35, 0.15, 0.05)
INWARD = (1.0, 1.0, 1.0, 0.8, 0.5, 0.25, 0.1)
"""How much of the closing each ring of vertices takes part in, from the lips' inner edge."""

PLACES = np.linspace(-0.98, 0.98, 41)
"""Places along the mouth, 0 the middle, 1 the left corner."""

USED_TO = 0.93
"""Vertices nearer than this to a corner (as places) do not say how far the lips are apart; they fan out there."""


def close_lips(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the lips of people (p, n, 3) mm, in axes with +y up, together (or apart where they intersect).

    At each place along the mouth the lowest point of the upper lip and the highest of the lower are moved to
    their middle height; the skin around and the cavity's front follow.
    """
    outside, inside, upper = _lip_rings(base)
    weight = np.zeros(len(base.vertices))
    for rings, shares in ((outside, OUTWARD), (inside, INWARD)):
        near = np.flatnonzero(rings < len(shares))
        weight[near] = np.array(shares)[rings[near]]
    loop = base.asset_index(load_landmarks()["loops"]["mouth"])
    left = loop[np.argmax(base.vertices[loop, 0])]
    right = base.symmetry[left]
    base_place = base.vertices[:, 0] / base.vertices[left, 0]
    lines = {half: [] for half in (True, False)}
    for rings, ring in ((outside, 0), (outside, 1), (inside, 1), (inside, 2)):
        for half, chosen in lines.items():
            line = np.flatnonzero((rings == ring) & (upper == half) & (np.abs(base_place) < USED_TO))
            chosen.append(line[np.argsort(base_place[line])])
    moved = np.flatnonzero(weight > 0)
    share = np.where(upper[moved], -0.5, 0.5) * weight[moved]
    taper = np.clip((1 - np.abs(PLACES)) / 0.08, 0, 1)
    closed = vertices.copy()
    for person in closed:
        middle, half_width = (person[left, 0] + person[right, 0]) / 2, (person[left, 0] - person[right, 0]) / 2
        place = (person[:, 0] - middle) / half_width
        low = np.min([np.interp(PLACES, place[line], person[line, 1]) for line in lines[True]], axis=0)
        high = np.max([np.interp(PLACES, place[line], person[line, 1]) for line in lines[False]], axis=0)
        gap = (low - high + OVERLAP_MM) * taper
        person[moved, 1] += (share * np.interp(place[moved], PLACES, gap, left=0.0, right=0.0)).astype(np.float32)
    return closed


def _lip_rings(base: HeadBase) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Rings (n,) from the lips' inner edge over the face and into the cavity, and who hangs on the upper lip."""
    skin_vertices, rows = base.part("skin")
    polygons = base.polygons[rows]
    loop = base.asset_index(load_landmarks()["loops"]["mouth"])
    hole = cavity_polygons(base)["mouth_cavity"][rows]
    pad = np.full(len(base.vertices) - skin_vertices.stop, 999)
    outside = np.concatenate([ring_numbers(polygons, loop, hole, skin_vertices.stop), pad])
    inside = np.concatenate([ring_numbers(polygons, loop, ~hole, skin_vertices.stop), pad])
    return outside, inside, _is_upper(base, polygons, loop, np.minimum(outside, inside))


def _is_upper(
    base: HeadBase, polygons: NDArray[np.int32], loop: NDArray[np.int32], rings: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether a vertex near the lips hangs on the upper half of their inner edge, decided ring by ring."""
    points = base.vertices
    corner = loop[np.argmax(points[loop, 0])]
    middle = loop[np.argsort(np.abs(points[loop, 0]))[:2]]
    line = (points[corner, 1] + points[middle, 1].mean()) / 2
    vote = np.zeros(len(points))
    vote[loop] = np.sign(points[loop, 1] - line)
    for ring in range(1, max(len(OUTWARD), len(INWARD))):
        voters = polygons[(rings[polygons] == ring).any(axis=1)]
        spoken = np.where(rings[voters] == ring - 1, vote[voters], 0).sum(axis=1)
        heard = np.zeros(len(points))
        np.add.at(heard, voters.ravel(), np.repeat(spoken, 4))
        fresh = np.flatnonzero(rings == ring)
        vote[fresh] = np.sign(heard[fresh])
    return vote > 0
