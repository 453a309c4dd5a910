"""The 52 ARKit blendshapes on the asset's vertices.

MakeHuman's facial actions, mended where they fail on the mean head: lids meet when they close, and lashes ride
on the lid's edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import ACTIONS, HeadBase, RigidMap
from builders.head.lids import clearance, eyeball_pose, find_lids
from builders.head.parts import lash_grids
from builders.head.regions import cavity_polygons

Float = NDArray[np.float64]

ARKIT_NAMES = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""ARKit's blend shape locations in the order of its documentation."""

LID_OVERLAP_MM = 0.7
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

LASH_ROOT_REACH_MM = 5.0
"""Lid vertices within about this distance carry a lash."""


def build_expressions(base: HeadBase, mean: Float, to_head: RigidMap) -> Float:
    """Offsets (52, n, 3) mm at coefficient 1, head frame.

    Parameters
    ----------
    base : the topology.
    mean : (n, 3) mm, the head on which the actions must look right.
    to_head : from MakeHuman's axes to the head frame.
    """
    offsets = np.stack([to_head.offsets(base.target(f"{ACTIONS}{name}")) for name in ARKIT_NAMES])
    _silence_strays(offsets, mean, base)
    blink = ARKIT_NAMES.index("eyeBlinkLeft")
    offsets[blink] += _meeting(mean + offsets[blink], base)
    for left, name in enumerate(ARKIT_NAMES):
        if name.startswith("eye") and name.endswith("Left"):
            offsets[left] += _way_round_the_ball(mean, offsets[left], base, closed=left == blink)
            offsets[ARKIT_NAMES.index(name.replace("Left", "Right"))] = offsets[left][base.symmetry] * [-1, 1, 1]
    for offset in offsets:
        _carry_lashes(offset, mean, base)
    return offsets


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


def _carry_lashes(offset: Float, mean: Float, base: HeadBase) -> None:
    """Set the lashes' rows of one offset (n, 3): every column moves with the lid's edge at its root.

    Upper lashes turn with the lid as it closes; lower ones keep their direction, else they would stand up.
    """
    for side in ("left", "right"):
        lids = find_lids(side)
        for strip, (vertices, coordinates) in lash_grids(base, f"{side}_lashes").items():
            edge = np.flatnonzero((lids.outward <= 2) & (lids.upper == (strip == "upper")))
            for column in range(coordinates[:, 1].max() + 1):
                lash = vertices[coordinates[:, 1] == column]
                root = vertices[(coordinates[:, 1] == column) & (coordinates[:, 0] <= 1)]
                distance = np.linalg.norm(mean[edge] - mean[root].mean(axis=0), axis=1)
                weight = np.exp(-0.5 * (distance / LASH_ROOT_REACH_MM) ** 2)
                rotation, centre, goal = _rigid(mean[edge], (mean + offset)[edge], weight)
                if strip == "lower":
                    rotation = np.eye(3)
                offset[lash] = (mean[lash] - centre) @ rotation.T + goal - mean[lash]


def _rigid(source: Float, target: Float, weight: Float) -> tuple[Float, Float, Float]:
    """Weighted rigid motion of points (k, 3): rotation (3, 3), centre of the source and of the target."""
    weight = weight / weight.sum()
    centre, goal = weight @ source, weight @ target
    u, _, vt = np.linalg.svd((target - goal).T @ (weight[:, None] * (source - centre)))
    u[:, 2] *= np.linalg.det(u @ vt)
    return u @ vt, centre, goal
