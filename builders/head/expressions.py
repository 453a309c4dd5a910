"""The 52 ARKit blendshapes on the asset's vertices.

MakeHuman's facial actions, mended where they fail on the mean head: lids meet when they close, and lashes ride
on the lid's edge.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import ACTIONS, HeadBase, RigidMap, load_landmarks
from builders.head.parts import lash_grids
from builders.head.regions import cavity_polygons, ring_numbers

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

LID_OVERLAP_MM = 0.5
"""How far the upper lid reaches over the lower one's edge when closed, so that other people's lids meet too."""

LID_OUTWARD = (1.0, 1.0, 0.9, 0.75, 0.5, 0.25, 0.1)
LID_INWARD = (1.0, 1.0, 0.9, 0.6, 0.3)
"""How much of the lids' mending each ring of vertices takes part in, from the lid's inner edge."""

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
    lids = _left_lid_rings(base)
    left, right = ARKIT_NAMES.index("eyeBlinkLeft"), ARKIT_NAMES.index("eyeBlinkRight")
    offsets[left] += _closing(mean + offsets[left], base, lids)
    offsets[right] = offsets[left][base.symmetry] * [-1, 1, 1]
    for offset in offsets:
        _carry_lashes(offset, mean, base, lids)
    return offsets


def _left_lid_rings(base: HeadBase) -> dict[str, NDArray[np.int64] | NDArray[np.bool_]]:
    """Rings (n,) outwards and inwards from the left lids' inner edge, and whether a vertex is on the upper lid."""
    skin_vertices, rows = base.part("skin")
    polygons = base.polygons[rows]
    loop = base.asset_index(load_landmarks()["loops"]["left_lid"])
    hole = cavity_polygons(base)["eye_sockets"][rows]
    count = skin_vertices.stop
    rings = {
        "outward": ring_numbers(polygons, loop, hole, count),
        "inward": ring_numbers(polygons, loop, ~hole, count),
    }
    x, y = base.vertices[:count, 0], base.vertices[:count, 1]
    inner, outer = loop[np.argmin(x[loop])], loop[np.argmax(x[loop])]
    corner_line = np.interp(x, [x[inner], x[outer]], [y[inner], y[outer]])
    return rings | {"upper": y > corner_line}


def _closing(closed: Float, base: HeadBase, lids: dict) -> Float:
    """What closed lids (n, 3) lack for meeting, (n, 3) mm: the upper lid's lowest line on the lower's highest."""
    loop = base.asset_index(load_landmarks()["loops"]["left_lid"])
    x = closed[:, 0]
    ends = x[loop].min(), x[loop].max()
    places = np.linspace(*ends, 41)
    count = len(lids["upper"])
    lines = {True: [], False: []}
    for direction, ring in (("outward", 0), ("outward", 1), ("inward", 1), ("inward", 2)):
        for half, values in lines.items():
            line = np.flatnonzero((lids[direction] == ring) & (lids["upper"] == half))
            line = line[np.argsort(x[line])]
            values.append(np.interp(places, x[line], closed[line, 1]))
    low, high = np.min(lines[True], axis=0), np.max(lines[False], axis=0)
    taper = np.clip(np.minimum(places - ends[0], ends[1] - places) / 2.0, 0, 1)
    gap = np.maximum(low - high + LID_OVERLAP_MM, 0) * taper
    weight = np.zeros(count)
    for direction, shares in (("outward", LID_OUTWARD), ("inward", LID_INWARD)):
        near = np.flatnonzero(lids[direction] < len(shares))
        weight[near] = np.array(shares)[lids[direction][near]]
    mending = np.zeros_like(closed)
    share = np.where(lids["upper"], -0.7, 0.3) * weight
    mending[:count, 1] = share * np.interp(x[:count], places, gap, left=0, right=0)
    return mending


def _carry_lashes(offset: Float, mean: Float, base: HeadBase, lids: dict) -> None:
    """Set the lashes' rows of one offset (n, 3): every column moves with the lid's edge at its root.

    Upper lashes turn with the lid as it closes; lower ones keep their direction, else they would stand up.
    """
    for name in ("left_lashes", "right_lashes"):
        flip = np.array([-1.0 if name == "right_lashes" else 1.0, 1.0, 1.0])
        for strip, (vertices, coordinates) in lash_grids(base, name).items():
            edge = np.flatnonzero((lids["outward"] <= 2) & (lids["upper"] == (strip == "upper")))
            if name == "right_lashes":
                edge = base.symmetry[edge]
            for column in range(coordinates[:, 1].max() + 1):
                lash = vertices[coordinates[:, 1] == column]
                root = vertices[(coordinates[:, 1] == column) & (coordinates[:, 0] <= 1)]
                distance = np.linalg.norm(mean[edge] - mean[root].mean(axis=0), axis=1)
                weight = np.exp(-0.5 * (distance / LASH_ROOT_REACH_MM) ** 2)
                rotation, centre, goal = _rigid(mean[edge] * flip, (mean + offset)[edge] * flip, weight)
                if strip == "lower":
                    rotation = np.eye(3)
                moved = (mean[lash] * flip - centre) @ rotation.T + goal
                offset[lash] = moved * flip - mean[lash]


def _rigid(source: Float, target: Float, weight: Float) -> tuple[Float, Float, Float]:
    """Weighted rigid motion of points (k, 3): rotation (3, 3), centre of the source and of the target."""
    weight = weight / weight.sum()
    centre, goal = weight @ source, weight @ target
    u, _, vt = np.linalg.svd((target - goal).T @ (weight[:, None] * (source - centre)))
    u[:, 2] *= np.linalg.det(u @ vt)
    return u @ vt, centre, goal
