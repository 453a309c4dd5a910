"""Where teeth and tongue lie: behind the lips of the mean head, and with them through all modes of identity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase
from builders.head.lips import lip_rings
from builders.head.teeth import LOWER, UPPER, make_arch
from cephalon.geometry import rotation_from_rotvec

Float = NDArray[np.float64]

EDGE_BELOW_MM = 3.0
"""How far the upper middle teeth reach below the line where the lips meet; at rest, lips parted, people show 2 to 3 mm
of them (Vig and Brundo 1978, J Prosthet Dent 39:502)."""

BEHIND_MM = 1.7
"""How far the foremost point of the upper teeth stays behind the inner wall of the upper lip, in the middle."""

LOWER_FROM_UPPER_MM = np.array([0.0, 2.1, -3.2])
"""Overbite and overjet: edge of the lower middle teeth from that of the upper ones."""

OCCLUSAL_TILT_DEG = 8.0
"""The plane of the teeth's edges falls towards the front, against the Frankfurt plane."""

TONGUE_BEHIND_MM, TONGUE_BELOW_MM = 9.0, 6.0
"""The tip of the resting tongue from the lower middle teeth's edge: behind, and its upper side below."""

WALL_RINGS = (3, 6)
"""Rings from the lips' inner edge into the cavity that lie on the lips' inner walls."""

WALL_HALF_MM = 22.0
"""Half width of the walls that carry the teeth: what lies before the front teeth and the premolars."""

SCALE_SHARE, TURN_SHARES = 0.35, (0.25, 0.5, 0.5)
"""How much of the walls' own scale and turn about the three axes the teeth take over: mouths vary more than teeth."""


def place_teeth(base: HeadBase, head: Float) -> Float:
    """A mirror-symmetric head (n, 3) with human teeth, unscaled, behind its closed lips, and the tongue behind them."""
    outside, inside, lip = lip_rings(base)
    middle = np.abs(head[:, 0]) < 2.0
    meeting = head[(lip == 1) & middle & ((outside <= 1) | (inside <= 1)), 1].min()
    wall = head[(lip == 1) & middle & (inside >= WALL_RINGS[0]) & (inside < WALL_RINGS[1]), 2].min()
    turn = rotation_from_rotvec(np.array([np.radians(OCCLUSAL_TILT_DEG), 0.0, 0.0]))
    placed = head.copy()
    upper = make_arch(UPPER, upper=True).points @ turn.T
    front = upper[upper[:, 1] < 0.8 * max(UPPER.height), 2].max()
    edge = np.array([0.0, meeting - EDGE_BELOW_MM, wall - BEHIND_MM - front])
    placed[base.part("upper_teeth")[0]] = upper + edge
    edge = edge + LOWER_FROM_UPPER_MM
    placed[base.part("lower_teeth")[0]] = make_arch(LOWER, upper=False).points @ turn.T + edge
    rows = base.part("tongue")[0]
    tip = head[rows][np.argmax(head[rows, 2])]
    top = head[rows][head[rows, 2] > tip[2] - 15.0, 1].max()
    placed[rows] += [0.0, edge[1] - TONGUE_BELOW_MM - top, edge[2] - TONGUE_BEHIND_MM - tip[2]]
    return placed


def carry_teeth(base: HeadBase, mean: Float, modes: Float) -> Float:
    """Modes (k, n, 3) in which teeth and tongue follow the lips' inner walls by a similarity, linear in the mode.

    Both rows go together, so that everybody bites as the mean does.
    """
    _, inside, lip = lip_rings(base)
    walls = (lip != 0) & (inside >= WALL_RINGS[0]) & (inside < WALL_RINGS[1])
    rows = np.flatnonzero(walls & (np.abs(mean[:, 0]) < WALL_HALF_MM))
    centre = mean[rows].mean(axis=0)
    columns = _similarity(mean[rows] - centre).reshape(-1, 7)
    found = np.linalg.lstsq(columns, modes[:, rows].reshape(len(modes), -1).T, rcond=None)[0]
    found *= np.array([1.0, 1.0, 1.0, SCALE_SHARE, *TURN_SHARES])[:, None]
    carried = modes.copy()
    for name in ("upper_teeth", "lower_teeth", "tongue"):
        part = base.part(name)[0]
        carried[:, part] = np.einsum("vcp,pk->kvc", _similarity(mean[part] - centre), found)
    return carried


def aim_tongue(base: HeadBase, mean: Float, offset: Float) -> Float:
    """The offset (n, 3) of a tongue put out, turned so that the tongue passes between the lips of the mean head (n, 3)."""
    outside, inside, lip = lip_rings(base)
    middle = np.abs(mean[:, 0]) < 2.0
    lips = mean[(lip != 0) & middle & (np.minimum(outside, inside) <= 1)].mean(axis=0)
    rows = base.part("tongue")[0]
    out = mean[rows] + offset[rows]
    at_lips = out[np.abs(out[:, 2] - lips[2]) < 4.0]
    back = out[:, 2].min()
    rise = (lips[1] - at_lips[:, 1].mean()) * np.clip((out[:, 2] - back) / (lips[2] - back), 0.0, 1.0)
    aimed = offset.copy()
    aimed[rows, 1] += rise
    return aimed


def _similarity(arm: Float) -> Float:
    """Derivative (v, 3, 7) of points at arms (v, 3) by a shift, a scale and a turn."""
    columns = np.zeros((len(arm), 3, 7))
    columns[:, [0, 1, 2], [0, 1, 2]] = 1.0
    columns[:, :, 3] = arm
    for axis in range(3):
        columns[:, :, 4 + axis] = np.cross(np.eye(3)[axis], arm)
    return columns
