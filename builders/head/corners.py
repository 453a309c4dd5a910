"""The corners of mouth and eyes, where many small polygons meet and crumple, are evened out."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from builders.head.base import HeadBase, load_base, load_landmarks

MOUTH_REACH_MM, EYE_REACH_MM = 3.0, 1.5
"""How far around the corners the skin is evened out, standard deviation of a Gaussian."""

STEPS = 8
"""Averagings with the neighbours."""


def ease_corners(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Even out the skin at the corners of mouth and eyes of people (p, n, 3), by a linear map that is the same for all."""
    rows, whole = _easing()
    count = base.part("skin")[0].stop
    eased = vertices.copy()
    for person in eased:
        person[rows] = whole @ person[:count]
    return eased


@cache
def _easing() -> tuple[NDArray[np.intp], sparse.csr_matrix]:
    """Vertices (k,) near the corners and their new places as means of skin vertices, (k, n_skin)."""
    base = load_base()
    count = base.part("skin")[0].stop
    at = base.vertices[:count]
    weight = np.zeros(count)
    for name, reach in (("mouth", MOUTH_REACH_MM), ("left_lid", EYE_REACH_MM)):
        loop = base.asset_index(load_landmarks()["loops"][name])
        for corner in (loop[np.argmax(base.vertices[loop, 0])], loop[np.argmin(base.vertices[loop, 0])]):
            for vertex in (corner, base.symmetry[corner]):
                weight = np.maximum(weight, np.exp(-0.5 * (np.linalg.norm(at - at[vertex], axis=1) / reach) ** 2))
    weight[weight < 0.01] = 0.0
    polygons = base.polygons[base.part("skin")[1]]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    joined = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    joined.data[:] = 1.0
    mean = sparse.diags(0.5 * weight / np.asarray(joined.sum(axis=1)).ravel()) @ joined
    step = sparse.csr_matrix(sparse.identity(count) - sparse.diags(0.5 * weight) + mean)
    rows = np.flatnonzero(weight)
    whole = step[rows]
    for _ in range(STEPS - 1):
        whole = whole @ step
    return rows, sparse.csr_matrix(whole)
