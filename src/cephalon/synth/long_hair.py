"""Long hair: locks that leave a parting, lie over the skull to the level of the ears, and fall from there in strands.

Each lock is a great circle on the skull from its root to where it drops, and from there a hanging curve before or behind the
shoulder. Locks that drop side by side wave together and are drawn together towards their ends, as hair does. Positions are mm on
the drawing head (`yardstick`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cephalon.synth.person import Hair
from cephalon.synth.wrap import SKULL_CENTRE

Float = NDArray[np.float64]

SEGMENTS = 12
_STRANDS = 22
_DROP_RAD = -0.20
"""Elevation from the skull's centre where hair leaves the head: the middle of the ears."""
_BROW_MM, _SHOULDER_MM = 46.0, -168.0


def fall(
    root: Float, layer: Float, radius: Callable[[Float], Float], hair: Hair, rng: np.random.Generator
) -> tuple[Float, Float]:
    """Return curves (m, SEGMENTS + 1, 3) mm from roots (m, 3), and the logarithm (m,) of each lock's brightness.

    Parameters
    ----------
    layer : (m,) from 0, innermost, to 1.
    radius : distance (k,) of the skin from the skull's centre in unit directions (k, 3).
    """
    count = len(root)
    tucked, forward = rng.random() < 0.22, rng.random() < 0.6
    opening = np.deg2rad(rng.uniform(92, 108) if tucked else rng.uniform(56, 72))
    layered = rng.uniform(0.0, 0.45)
    way = root - SKULL_CENTRE
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    azimuth, elevation = np.arctan2(way[:, 0], way[:, 2]), np.arcsin(np.clip(way[:, 1], -1, 1))
    # what grows on top falls to the side of the parting, the front beside the face; what grows lower falls where it is
    top = np.clip((elevation - 0.6) / 0.45, 0, 1)
    side = np.where(root[:, 0] > 22 * hair.parting * (top > 0.3), 1.0, -1.0)
    back = np.clip((72 - root[:, 2]) / 160, 0, 1)
    drop = top * (opening + (3.1 - opening) * back**0.85) + (1 - top) * np.maximum(np.abs(azimuth), opening)
    drop = side * np.clip(drop + rng.normal(0, 0.09, count), 0.9 * opening, 3.14)
    low = np.minimum(_DROP_RAD, elevation - 0.05)
    fringe, drop, low = _fringe(root, azimuth, drop, low, hair, rng)
    goal = np.stack([np.sin(drop) * np.cos(low), np.sin(low), np.cos(drop) * np.cos(low)], axis=1)
    angle = np.arccos(np.clip((way * goal).sum(1), -1, 0.9999))
    cut = 62 - 0.85 * hair.length_mm
    end = cut + rng.normal(0, 7, count) + layered * (40 - cut) * rng.random(count) ** 2
    drop_y = SKULL_CENTRE[1] + 90 * np.sin(low)
    lying = 98 * angle
    hanging = np.where(fringe, 0.0, np.clip(drop_y - end, 1.0, None))
    s = np.linspace(0, 1, SEGMENTS + 1)[None] * (lying + hanging)[:, None]
    # over the skull
    t = np.clip(s / np.maximum(lying, 1.0)[:, None], 0, 1)
    sine = np.sin(angle)[:, None]
    direction = (
        way[:, None] * (np.sin((1 - t) * angle[:, None]) / sine)[..., None]
        + goal[:, None] * (np.sin(t * angle[:, None]) / sine)[..., None]
    )
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    body = 2.0 + layer * (5.0 + 9.0 * hair.volume)
    lift = (2.0 * hair.volume * top * layer)[:, None] * np.sin(np.pi * t**0.6)
    off = body[:, None] * np.clip(t * 3 + 0.15 + 0.5 * top[:, None], 0, 1) + lift
    # its own weight presses hair to the crown
    off = off * (1 - 0.75 * np.clip((direction[..., 1] - 0.35) / 0.55, 0, 1))
    off = np.where(fringe[:, None], np.minimum(off, 3.0 + 5.0 * layer[:, None]), off)
    far = radius(direction.reshape(-1, 3)).reshape(t.shape) + off
    curve = SKULL_CENTRE + direction * far[..., None]
    strand = ((drop / np.pi * 0.5 + 0.5) * _STRANDS + rng.normal(0, 0.35, count)).astype(np.int64) % _STRANDS
    middle = (2 * (strand + 0.5) / _STRANDS - 1) * np.pi
    curve += _hang(curve[:, -1], np.clip(s - lying[:, None], 0, None), drop, middle, layer, hair, forward, rng)
    bright = _gather(curve, s, drop, strand, ~fringe, hair, rng)
    return curve, bright


def _fringe(
    root: Float, azimuth: Float, drop: Float, low: Float, hair: Hair, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], Float, Float]:
    """Let the front of some fall over the forehead to the brows; return which, and where (azimuth, elevation) each ends."""
    if hair.fringe > 0.3:
        return np.zeros(len(root), dtype=bool), drop, low
    chosen = (root[:, 2] > 52) & (root[:, 1] > 78) & (np.abs(azimuth) < 0.85)
    sweep = rng.normal(0, 0.25)
    ends = np.arcsin(np.clip((_BROW_MM + rng.normal(0, 3.0, len(root)) - SKULL_CENTRE[1]) / 108, -0.5, 0.9))
    ends = ends - 0.25 * np.clip(np.abs(azimuth) - 0.35, 0, None)
    across = np.clip(1.12 * azimuth + sweep + rng.normal(0, 0.04, len(root)), -0.95, 0.95)
    return chosen, np.where(chosen, across, drop), np.where(chosen, ends, low)


def _hang(
    last: Float,
    below: Float,
    drop: Float,
    strand: Float,
    layer: Float,
    hair: Hair,
    forward: bool,
    rng: np.random.Generator,
) -> Float:
    """Return how far (m, p, 3) points that hang `below` mm (m, p) from where locks leave the skull, `last` (m, 3), lie from there.

    `drop` and `strand` (m,) are the azimuths of the lock and of the strand it is part of.
    """
    y = last[:, 1:2] - below
    to_shoulder = np.clip(below / np.maximum(last[:, 1:2] - _SHOULDER_MM, 1.0), 0, 1)
    beyond = np.clip(_SHOULDER_MM - y, 0, None)
    # a strand lies on the chest as a whole, or on the back
    before = np.abs(strand) < (1.8 if forward else 1.25)
    side = np.where(strand > 0, 1.0, -1.0)
    x_end = np.where(before, 62 + 26 * np.clip(np.abs(drop) - 0.9, 0, 1), np.clip(np.abs(last[:, 0]), 0, 78))
    x_end = x_end + rng.normal(0, 5.0, len(last))
    z_end = np.where(before, 38 + 18 * layer, np.minimum(last[:, 2], -70) - 34 - 12 * layer)
    z_far = np.where(before, 0.22, -0.30)
    bulge = (4.0 + 10.0 * hair.volume * layer)[:, None] * np.sin(np.pi * to_shoulder)
    ease = to_shoulder**1.7
    x = last[:, :1] * (1 - ease) + (side * x_end)[:, None] * ease + bulge * np.sin(drop)[:, None]
    z = last[:, 2:] * (1 - ease) + z_end[:, None] * ease + bulge * np.cos(drop)[:, None] + z_far[:, None] * beyond
    return np.stack([x - last[:, :1], -below, z - last[:, 2:]], axis=-1) * (below > 0)[..., None]


def _gather(
    curve: Float, s: Float, drop: Float, strand: NDArray[np.int64], loose: NDArray[np.bool_], hair: Hair,
    rng: np.random.Generator,
) -> Float:  # fmt: skip
    """Wave the locks of a strand together and draw them together, in place; return the strands' brightness for each lock."""
    number = np.maximum(np.bincount(strand, loose, _STRANDS), 1)
    along = np.linspace(0, 1, curve.shape[1])
    middle = np.stack(
        [
            np.stack([np.bincount(strand, curve[:, k, axis] * loose, _STRANDS) / number for axis in (0, 2)], axis=1)
            for k in range(curve.shape[1])
        ],
        axis=1,
    )[strand]
    pull = (0.3 * np.clip((along - 0.5) / 0.5, 0, 1) ** 1.5)[None] * loose[:, None]
    curve[..., 0] += (middle[..., 0] - curve[..., 0]) * pull
    curve[..., 2] += (middle[..., 1] - curve[..., 2]) * pull
    # waves that the segments can show; frizz beyond them is left to the texture
    curl = min(hair.curl, 1.0)
    length = max(120 - 80 * curl, 2.8 * float(s[:, -1].mean()) / SEGMENTS)
    phase = rng.uniform(0, 2 * np.pi, _STRANDS)[strand] + rng.normal(0, 0.5, len(drop))
    size = (0.8 + 8.0 * curl) * np.clip((s - 70) / 120, 0, 1) * loose[:, None]
    turn = 2 * np.pi * s / length + phase[:, None]
    curve[..., 0] += size * (np.cos(drop)[:, None] * np.sin(turn) + 0.6 * np.sin(drop)[:, None] * np.cos(turn))
    curve[..., 2] += size * (-np.sin(drop)[:, None] * np.sin(turn) + 0.6 * np.cos(drop)[:, None] * np.cos(turn))
    stray = (rng.random(len(drop)) < 0.05) * rng.normal(0, 4.0, len(drop))
    hanging = np.clip(along * 2 - 1, 0, 1)[None, :, None]
    curve += stray[:, None, None] * hanging * rng.normal(0, 1, (len(drop), 1, 3))
    return rng.normal(0, 0.16, _STRANDS)[strand]
