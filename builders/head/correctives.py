"""Arrays for `cephalon.head.correctives`: offsets for pairs of shapes that clash, and the skin that slides on the eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from builders.head.base import HeadBase
from builders.head.expressions import ARKIT_NAMES
from builders.head.eyes import CORNEA_ANGLE_DEG, CORNEA_BULGE, make_eyeball
from builders.head.lids import (
    LID_OVERLAP_RINGS,
    carry_lashes,
    find_lids,
    lash_carriers,
    neighbour_averaging,
)
from builders.head.lips import clear_teeth

Float = NDArray[np.float64]

BLINK_WITH = ("eyeLookDown", "eyeLookUp", "eyeWide", "eyeSquint")
"""Shapes of the lids that a closed eye must not add to its own: it is closed whatever the other one does."""

SHUT_RINGS = 6
"""So many rings around the lids' edge leave the other shape's motion out altogether."""

MOUTH_PAIRS = tuple(
    ("jawOpen", name)
    for name in (
        "mouthSmileLeft", "mouthSmileRight", "mouthFunnel", "mouthPucker", "mouthStretchLeft", "mouthStretchRight",
        "mouthDimpleLeft", "mouthDimpleRight", "mouthShrugLower", "mouthPressLeft", "mouthPressRight", "mouthRollLower",
    )
)  # fmt: skip
"""Shapes that pull the lower lip back over the teeth of an open jaw."""

LEAST_MM = 0.05
"""Smaller offsets are dropped."""

LEAST_PAIR_MM = 0.4
"""A pair whose largest offset is smaller is no clash."""

SKIN_MM, COVER_MM, COVER_RINGS = 1.0, 1.7, (3, 14)
"""Least distance from the eyeball of moved skin, and of the rings that come to lie over the cornea: between their vertices,
far apart in a wide lid, its apex must not come through."""


def build_correctives(base: HeadBase, mean: Float, offsets: Float) -> dict[str, NDArray]:
    """All arrays of the correctives, by name in the asset.

    Parameters
    ----------
    base : the topology.
    mean : (n, 3) mm.
    offsets : (52, n, 3) mm, the expressions.
    """
    pairs, added = _pairs(base, mean, offsets)
    rows = np.flatnonzero((np.linalg.norm(added, axis=2) > LEAST_MM).any(axis=0))
    scale = np.abs(added[:, rows]).max(axis=(1, 2)) / 32767
    arrays = {
        "pair_index": np.array(pairs, dtype=np.int32),
        "pair_rows": rows.astype(np.int32),
        "pair_scale": scale.astype(np.float32),
        "pair_i16": np.round(added[:, rows] / scale[:, None, None]).astype(np.int16),
        "lid_cornea": np.array([CORNEA_ANGLE_DEG, CORNEA_BULGE], dtype=np.float32),
    }
    for side in ("left", "right"):
        for name, values in _lid_arrays(base, mean, side).items():
            arrays[f"lid_{side}_eye_{name}"] = values
    return arrays


def _pairs(base: HeadBase, mean: Float, offsets: Float) -> tuple[list[tuple[int, int]], Float]:
    """Pairs (q) of shapes and their offsets (q, n, 3)."""
    index = {name: row for row, name in enumerate(ARKIT_NAMES)}
    pairs, added = [], []
    for side in ("Left", "Right"):
        lids = find_lids(side.lower())
        near = np.zeros(len(mean))
        near[: len(lids.upper)] = np.clip(
            1 - (np.minimum(lids.outward, lids.inward) - SHUT_RINGS) / LID_OVERLAP_RINGS, 0, 1
        )
        for name in BLINK_WITH:
            pairs.append((index[f"eyeBlink{side}"], index[f"{name}{side}"]))
            offset = -near[:, None] * offsets[index[f"{name}{side}"]]
            carry_lashes(offset, mean, base)
            added.append(offset)
    for first, second in MOUTH_PAIRS:
        i, j = index[first], index[second]
        alone = clear_teeth(base, mean, offsets[i]) + clear_teeth(base, mean, offsets[j])
        offset = np.maximum(clear_teeth(base, mean, offsets[i] + offsets[j]) - alone, 0)
        if np.abs(offset).max() > LEAST_PAIR_MM:
            pairs.append((i, j))
            added.append(offset)
    return pairs, np.stack(added)


def _lid_arrays(base: HeadBase, mean: Float, side: str) -> dict[str, NDArray]:
    lids = find_lids(side)
    needed = np.maximum(lids.least_clearance(), np.where(lids.outward < COVER_RINGS[1], SKIN_MM, -np.inf))
    covering = (lids.outward >= COVER_RINGS[0]) & (lids.outward < COVER_RINGS[1]) & lids.upper
    needed[covering] = np.maximum(needed[covering], COVER_MM)
    rows = np.flatnonzero(np.isfinite(needed))
    averaging = neighbour_averaging(base, rows).tocoo()
    carried = lash_carriers(base, side, rows)
    lash_rows = np.concatenate([lash for lash, _ in carried])
    weights = np.concatenate([np.tile(w, (len(lash), 1)) for lash, w in carried])
    weights[weights < 0.01 * weights.max(axis=1, keepdims=True)] = 0.0
    carrying = sparse.coo_matrix(weights / weights.sum(axis=1, keepdims=True))
    ball = make_eyeball()
    start = base.part(f"{side}_eye")[0].start
    arrays: dict[str, NDArray] = {
        "rows": rows.astype(np.int32),
        "lash_rows": lash_rows.astype(np.int32),
        "ball_rows": (start + np.flatnonzero(ball.angles_deg > CORNEA_ANGLE_DEG + 1)).astype(np.int32),
        "clearance": needed[rows].astype(np.float32),
        "opening": _opening(mean, lids.outward, lids.upper),
    }
    for name, matrix in (("averaging", averaging), ("carrying", carrying)):
        arrays[f"{name}_row"] = matrix.row.astype(np.int32)
        arrays[f"{name}_col"] = matrix.col.astype(np.int32)
        arrays[f"{name}_val"] = matrix.data.astype(np.float32)
    return arrays


def _opening(mean: Float, outward: NDArray[np.int64], upper: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Margin vertices of the middle two thirds of the eye: the upper ones, then as many lower ones."""
    margin = np.flatnonzero(outward == 0)
    x = mean[margin, 0]
    middle, half = (x.min() + x.max()) / 2, np.ptp(x) / 2
    lines = [margin[side[margin] & (np.abs(x - middle) < 2 / 3 * half)] for side in (upper, ~upper)]
    count = min(map(len, lines))
    nearest = [line[np.argsort(np.abs(mean[line, 0] - middle), kind="stable")[:count]] for line in lines]
    return np.concatenate(nearest).astype(np.int32)
