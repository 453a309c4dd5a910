"""The 52 ARKit blendshapes on the asset's vertices.

ICT-FaceKit's, carried over (MakeHuman's facial actions where it has none, in the mouth and under the chin), mended where
they fail on the mean head: lids meet when they close and keep clear of the eyeballs, lips ride over the teeth, lashes on
the lids' edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from builders.head.base import ACTIONS, HeadBase, RigidMap
from builders.head.bite import aim_tongue
from builders.head.carry import carry_expressions
from builders.head.expression_places import find_places
from builders.head.expression_source import ExpressionFace
from builders.head.lids import carry_lashes, clearance, eyeball_pose, find_lids
from builders.head.lips import clear_teeth, close_lips
from builders.head.regions import cavity_polygons
from cephalon.head.expression_prior import ARKIT_NAMES

Float = NDArray[np.float64]

TAKEN = {"noseSneerLeft": 0.6, "noseSneerRight": 0.6}
"""Share of ICT-FaceKit's shape where it is not the whole: its sneer bares the teeth."""

LIPS_STAY_SHUT = (
    "jawForward", "jawLeft", "jawRight", "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft",
    "mouthSmileRight", "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthRollLower", "mouthPressLeft",
    "mouthPressRight", "cheekPuff", "cheekSquintLeft", "cheekSquintRight",
)  # fmt: skip
"""Shapes that alone leave the mouth shut."""

JAW_SHAPES = ("jawOpen",)
"""Shapes whose skin under the chin and on the neck is MakeHuman's: necks differ more than faces do."""

BELOW_STEPS = 6
"""Averagings that soften the border between the two."""

STILL_MM, MOVING_MM = 0.05, 0.3
"""A vertex that a shape carried over moves less than the first stays, from the second on it moves as it should."""

LID_OVERLAP_MM = 1.6
"""How far the upper lid reaches over the lower one's edge when closed, so that other people's lids meet too."""

LID_OUTWARD = (1.0, 1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
LID_INWARD = (1.0, 1.0, 0.9, 0.6, 0.3)
"""How much of the lids' meeting each ring of vertices takes part in, from the lid's inner edge."""

ON_THE_WAY = (0.25, 0.4, 0.5, 0.6, 0.75, 1.0)
"""Coefficients at which a lid, which moves along a chord, must not cut through the eyeball."""

CLEARANCE_SHARE = 0.45
"""Share of the resting lid's least distance from the eyeball that the moving lid keeps."""

CLOSED_CLEARANCE_MM = 1.5
"""Least distance of the closed lid's outer side from the eyeball of the mean head, so that other people's corneas,
further forward, stay covered too."""

PUSH_REACH_MM = 4.0
"""How far around a vertex that must keep clear of the eyeball the lid comes along."""


def build_expressions(
    base: HeadBase,
    mean: Float,
    to_head: RigidMap,
    regions: dict[str, Float],
    ibug68: Float,
    face: ExpressionFace,
) -> Float:
    """Offsets (52, n, 3) mm at coefficient 1, head frame.

    Parameters
    ----------
    base : the topology.
    mean : (n, 3) mm, the head on which the actions must look right.
    to_head : from MakeHuman's axes to the head frame.
    regions : name -> (n,) weights.
    ibug68 : (68, 3) mm, landmarks of the mean head.
    face : the face whose expressions are carried over.
    """
    offsets = np.stack([to_head.offsets(base.target(f"{ACTIONS}{name}")) for name in ARKIT_NAMES])
    _take_over(offsets, base, mean, regions, ibug68, face)
    _silence_strays(offsets, mean, base)
    for left, name in enumerate(ARKIT_NAMES):
        if name.startswith("eye") and name.endswith("Left"):
            closed = name.startswith("eyeBlink")
            if closed:
                offsets[left] += _meeting(mean + offsets[left], base)
            offsets[left] += _way_round_the_ball(mean, offsets[left], base, closed=closed)
    for left, name in enumerate(ARKIT_NAMES):
        right = _other_side(left)
        mirrored = offsets[left][base.symmetry] * [-1, 1, 1]
        if right == left:
            offsets[left] = (offsets[left] + mirrored) / 2
        elif "Left" in name:
            offsets[right] = mirrored
    for row, name in enumerate(ARKIT_NAMES):
        if name.startswith(("mouth", "cheek", "nose", "jaw")) and name != "mouthClose":
            offsets[row] += clear_teeth(base, mean, offsets[row])
    _close_mouths(offsets, base, mean)
    out = ARKIT_NAMES.index("tongueOut")
    offsets[out] = aim_tongue(base, mean, offsets[out])
    for offset in offsets:
        carry_lashes(offset, mean, base)
    return offsets


def _other_side(index: int) -> int:
    """Row of the shape of the other side, or the same row."""
    name = ARKIT_NAMES[index]
    swapped = name.replace("Left", "@").replace("Right", "Left").replace("@", "Right")
    return ARKIT_NAMES.index(swapped)


def _take_over(
    offsets: Float, base: HeadBase, mean: Float, regions: dict[str, Float], ibug68: Float, face: ExpressionFace
) -> None:
    """Put the other face's shapes in the place of MakeHuman's offsets (52, n, 3), but for what `TAKEN` leaves."""
    places = find_places(base, mean, ibug68, regions, face)
    carried = carry_expressions(base, mean, regions, face, places, dict(zip(ARKIT_NAMES, offsets.copy(), strict=True)))
    below = _smoothed(base, np.maximum(regions["neck"], 0.0), BELOW_STEPS)[:, None]
    for row, name in enumerate(ARKIT_NAMES):
        if name in carried:
            share = TAKEN.get(name, 1.0)
            mixed = share * carried[name] + (1 - share) * offsets[row]
            if name in JAW_SHAPES:
                mixed = (1 - below) * mixed + below * offsets[row]
            size = np.linalg.norm(mixed, axis=1, keepdims=True)
            offsets[row] = mixed * np.clip((size - STILL_MM) / (MOVING_MM - STILL_MM), 0, 1)


def _smoothed(base: HeadBase, weight: Float, steps: int) -> Float:
    """A weight (n,) averaged with its neighbours on the skin."""
    polygons = base.polygons[base.part("skin")[1]]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    n = len(weight)
    adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    for _ in range(steps):
        weight = np.where(degree > 0, 0.5 * weight + 0.5 * (adjacency @ weight) / np.maximum(degree, 1), weight)
    return weight


def _close_mouths(offsets: Float, base: HeadBase, mean: Float) -> None:
    """Keep the lips together where they stay shut, and make mouthClose shut those of an open jaw, as ARKit defines it."""
    for name in LIPS_STAY_SHUT:
        shut = (mean + offsets[ARKIT_NAMES.index(name)])[None].astype(np.float32)
        offsets[ARKIT_NAMES.index(name)] = close_lips(base, shut)[0].astype(np.float64) - mean
    row = ARKIT_NAMES.index("mouthClose")
    open_jaw = mean + offsets[ARKIT_NAMES.index("jawOpen")]
    closed = (open_jaw + offsets[row])[None].astype(np.float32)
    offsets[row] = close_lips(base, closed)[0].astype(np.float64) - open_jaw


def _silence_strays(offsets: Float, mean: Float, base: HeadBase) -> None:
    """Drop what the eyes' targets move by mistake: the mouth cavity and the other eye's socket."""
    mouth = np.unique(base.polygons[cavity_polygons(base)["mouth_cavity"]])
    for k, name in enumerate(ARKIT_NAMES):
        if name.startswith("eye"):
            side = 1.0 if name.endswith("Left") else -1.0
            offsets[k] *= np.clip((side * mean[:, :1] + 2.0) / 6.0, 0, 1)
            offsets[k, mouth] = 0.0


def _meeting(closed: Float, base: HeadBase) -> Float:
    """What closed left lids (n, 3) lack for meeting, (n, 3) mm: the upper's lowest line on the lower's highest."""
    lids = find_lids("left")
    loop = np.flatnonzero(lids.outward == 0)
    x = closed[:, 0]
    ends = x[loop].min(), x[loop].max()
    places = np.linspace(*ends, 41)
    lines: dict[bool, list[Float]] = {True: [], False: []}
    for rings, ring in ((lids.outward, 0), (lids.outward, 1), (lids.inward, 1), (lids.inward, 2)):
        for half, values in lines.items():
            line = np.flatnonzero((rings == ring) & (lids.upper == half))
            line = line[np.argsort(x[line])]
            values.append(np.interp(places, x[line], closed[line, 1]))
    low, high = np.min(lines[True], axis=0), np.max(lines[False], axis=0)
    taper = np.clip(np.minimum(places - ends[0], ends[1] - places) / 2.0, 0, 1)
    gap = np.maximum(low - high + LID_OVERLAP_MM, 0) * taper
    count = len(lids.upper)
    weight = np.zeros(count)
    for rings, shares in ((lids.outward, LID_OUTWARD), (lids.inward, LID_INWARD)):
        near = np.flatnonzero(rings < len(shares))
        weight[near] = np.array(shares)[rings[near]]
    mending = np.zeros_like(closed)
    share = np.where(lids.upper, -0.7, 0.3) * weight
    mending[:count, 1] = share * np.interp(x[:count], places, gap, left=0, right=0)
    return mending


def _way_round_the_ball(mean: Float, offset: Float, base: HeadBase, *, closed: bool) -> Float:
    """What to add to an action of the left lids (n, 3) mm so that they do not cut through the eyeball on their way.

    With ``closed``, the lids end up `CLOSED_CLEARANCE_MM` off the ball.
    """
    lids = find_lids("left")
    count = len(lids.upper)
    centre, radius = eyeball_pose(mean[base.part("left_eye")[0]])
    moving = np.abs(offset[:count]).max(axis=1) > 0.05
    bound = np.flatnonzero(moving & (lids.outward < 14))
    on_the_way = CLEARANCE_SHARE * np.maximum(lids.least_clearance()[bound], 0.5)
    at_the_end = np.where(closed & (lids.outward[bound] >= 2), CLOSED_CLEARANCE_MM, on_the_way)
    push = np.zeros(len(bound))
    for share in ON_THE_WAY:
        gap, _ = clearance(mean[bound] + share * offset[bound], centre, radius)
        needed = at_the_end if share == 1.0 else on_the_way
        push = np.maximum(push, np.maximum(needed - gap, 0) / share)
    near = np.flatnonzero(np.minimum(lids.outward, lids.inward) < 16)
    distance = np.linalg.norm(mean[near][:, None] - mean[bound][None], axis=2)
    shared = (push * np.exp(-0.5 * (distance / PUSH_REACH_MM) ** 2)).max(axis=1, initial=0.0)
    _, away = clearance(mean[near] + 0.5 * offset[near], centre, radius)
    added = np.zeros_like(mean)
    added[near] = shared[:, None] * away
    return added
