"""Nostrils that stay inside the nose: their depth is no shape that scans show or controls vary with care."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from builders.head.base import HeadBase, load_base
from builders.head.controls import average_adult
from builders.head.regions import build_regions
from cephalon.geometry import procrustes

Float = NDArray[np.float64]

DEPTH_KEPT = 0.3
"""Share of MakeHuman's nostrils' depth that is kept, so that they end inside every nose."""

FADE_RINGS = 2
"""Over so many rings from the rim the depth takes over its own shape."""


def settle_nostrils(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the inside of the nostrils of people (p, n, 3) mm where their rims say: a similarity of the average adult's."""
    settled = vertices.copy()
    usual = average_adult(base)
    for rim, inside, share in _nostrils():
        middle = usual[rim].mean(axis=0)
        shape = middle + DEPTH_KEPT * (usual[inside] - middle)
        for person in settled:
            found = procrustes(usual[rim], person[rim].astype(np.float64), with_scale=True)
            person[inside] += (share[:, None] * (found.apply(shape) - person[inside])).astype(np.float32)
    return settled


@cache
def _nostrils() -> tuple[tuple[NDArray[np.intp], NDArray[np.intp], Float], ...]:
    """Of each side: the rim's vertices, those inside, and how far each follows (0 to 1)."""
    base = load_base()
    count = base.part("skin")[0].stop
    polygons = base.polygons[base.part("skin")[1]]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    joined = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    nostril = build_regions(base)["nostrils"][:count] > 0.5
    ring = np.where(nostril, -1, 0)
    for step in range(1, 40):
        ring[(ring < 0) & (joined @ ((ring >= 0) * 1.0) > 0)] = step
    sides = []
    for sign in (1.0, -1.0):
        here = nostril & (sign * base.vertices[:count, 0] > 0)
        inside = np.flatnonzero(here & (ring > 1))
        sides.append((np.flatnonzero(here & (ring == 1)), inside, np.clip((ring[inside] - 1) / FADE_RINGS, 0.0, 1.0)))
    return tuple(sides)
