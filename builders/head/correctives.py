"""Arrays for `cephalon.head.correctives`: offsets for pairs of shapes that clash, and the skin that slides on the eyes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from builders.head.base import HeadBase
from builders.head.expressions import ARKIT_NAMES, LID_INWARD, LID_OUTWARD
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

UPPER_SHARE = 0.8
"""How much of what is missing between the lids of a shut eye the upper one goes; the rest is the lower one's."""

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
        shut = mean + offsets[ARKIT_NAMES.index(f"eyeBlink{side.capitalize()}")]
        for name, values in _lid_arrays(base, mean, shut, side).items():
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


def _lid_arrays(base: HeadBase, mean: Float, shut: Float, side: str) -> dict[str, NDArray]:
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
    moving = _meeting(arrays, mean, shut, side)
    for name, matrix in (("averaging", averaging), ("carrying", carrying), ("meeting_moving", moving)):
        arrays[f"{name}_row"] = matrix.row.astype(np.int32)
        arrays[f"{name}_col"] = matrix.col.astype(np.int32)
        arrays[f"{name}_val"] = matrix.data.astype(np.float32)
    return arrays


def _meeting(arrays: dict[str, NDArray], mean: Float, shut: Float, side: str) -> sparse.coo_matrix:
    """Add to the arrays of a lid where its margins meet, and return how lid vertices move there, (l, h)."""
    lids, rows = find_lids(side), arrays["rows"]
    margin = np.flatnonzero(lids.outward == 0)
    x, y = mean[: len(lids.upper), 0], shut[:, 1]
    ends = margin[[np.argmin(x[margin]), np.argmax(x[margin])]]
    upper, low = (np.setdiff1d(margin[lids.upper[margin] == half], ends) for half in (True, False))
    upper = upper[np.argsort(x[upper])]
    low = np.concatenate([ends[:1], low[np.argsort(x[low])], ends[1:]])
    behind = np.clip(np.searchsorted(x[low], x[upper]) - 1, 0, len(low) - 2)
    lower = np.stack([low[behind], low[behind + 1]], axis=1)
    share = (x[upper] - x[lower[:, 0]]) / (x[lower[:, 1]] - x[lower[:, 0]])
    arrays["meeting_upper"], arrays["meeting_lower"] = upper.astype(np.int32), lower.astype(np.int32)
    arrays["meeting_share"] = share.astype(np.float32)
    gap = y[upper] - (1 - share) * y[lower[:, 0]] - share * y[lower[:, 1]]
    arrays["meeting_gap"] = gap.astype(np.float32)
    weight = np.zeros(len(lids.upper))
    for rings, shares in ((lids.outward, LID_OUTWARD), (lids.inward, LID_INWARD)):
        near = np.flatnonzero(rings < len(shares))
        weight[near] = np.array(shares)[rings[near]]
    weight *= np.where(lids.upper, -UPPER_SHARE, 1 - UPPER_SHARE)
    between = np.stack([np.interp(x[rows], x[upper], unit, left=0, right=0) for unit in np.eye(len(upper))], axis=1)
    return sparse.coo_matrix(weight[rows, None] * between)


def _opening(mean: Float, outward: NDArray[np.int64], upper: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Margin vertices of the middle two thirds of the eye: the upper ones, then as many lower ones."""
    margin = np.flatnonzero(outward == 0)
    x = mean[margin, 0]
    middle, half = (x.min() + x.max()) / 2, np.ptp(x) / 2
    lines = [margin[side[margin] & (np.abs(x - middle) < 2 / 3 * half)] for side in (upper, ~upper)]
    count = min(map(len, lines))
    nearest = [line[np.argsort(np.abs(mean[line, 0] - middle), kind="stable")[:count]] for line in lines]
    return np.concatenate(nearest).astype(np.int32)
