"""A hand with its forearm: a palm, a thumb and fingers of three joints that bend, with nails."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.synth.piece import Material, Piece, grid_faces, tube

Float = NDArray[np.float64]

_PALM = np.array([  # height above the middle of the palm; half of its width; half of its thickness; mm
    (-62, 25, 21), (-46, 28, 19), (-25, 37, 18), (0, 42, 16), (22, 43, 13.5), (36, 40, 11), (42, 33, 7),
], dtype=np.float64)  # fmt: skip
_FINGERS = ((-30.0, 33.0, 70.0, 8.9), (-10.5, 38.0, 79.0, 9.2), (9.5, 36.0, 74.0, 8.8), (28.0, 28.0, 58.0, 7.6))
"""Of each finger from the forefinger: where it begins (x, y), its length and its radius, mm."""
_JOINTS = np.array([0.0, 0.46, 0.76])
"""Where a finger bends, as a share of its length."""


def _finger(
    start: Float, length: float, radius: float, lean: float, bend: Float
) -> tuple[Float, NDArray[np.int32], Float]:
    """Return a finger's (vertices, faces), and its tip's place and directions (3, 3): middle of the nail, along, out of the nail."""
    t = np.linspace(0, 1, 13)
    turn = sum(b * np.clip((t - j) / 0.10 + 0.5, 0, 1) for b, j in zip(bend, _JOINTS, strict=True))
    step = length / 12 * np.stack([np.sin(lean) * np.cos(turn), np.cos(lean) * np.cos(turn), -np.sin(turn)], axis=1)
    path = start + np.concatenate([np.zeros((1, 3)), np.cumsum(step[:-1], axis=0)])
    knuckles = 0.10 * (np.exp(-(((t - 0.46) / 0.07) ** 2)) + np.exp(-(((t - 0.76) / 0.06) ** 2)))
    width = radius * (1 - 0.22 * t + knuckles) * np.sqrt(np.clip(1 - ((t - 0.86) / 0.155).clip(0) ** 2, 0.02, 1))
    along = step[-1] / np.linalg.norm(step[-1])
    out = np.array([-np.sin(lean) * along[2], -np.cos(lean) * along[2], np.hypot(along[0], along[1])])
    nail = path[-2] + out * radius * 0.52
    return *tube(path, width, sides=9), np.stack([nail, along, out])


def hand(
    place: Float,
    side: float,
    rgb: tuple[float, float, float],
    *,
    rng: np.random.Generator,
    closed: float,
    painted: bool,
) -> list[Piece]:
    """Return a hand that is seen from its back, with the forearm below.

    Parameters
    ----------
    place : (3,) mm, middle of the palm in the head frame; the fingers point up and bend towards -z.
    side : 1 or -1: to which side the little finger lies.
    rgb : linear colour of the skin.
    closed : from 0, fingers stretched, to 1, around a thing.
    painted : whether the nails are.
    """
    skin = Material(label="occluder", rgb=rgb, roughness=0.5, specular=0.026, soft=0.8)
    height, wide, thick = _PALM.T
    angle = np.arange(14) / 14 * 2 * np.pi
    c, s = np.cos(angle), np.sin(angle)
    across, deep = np.sign(c) * np.abs(c) ** 0.8, np.sign(s) * np.abs(s) ** 0.8
    palm = np.stack(
        [wide[:, None] * across, np.broadcast_to(height[:, None], (len(height), 14)), thick[:, None] * deep], axis=-1
    )
    shapes = [(palm.reshape(-1, 3), grid_faces(len(height), 14, closed=True))]
    nails = []
    spread = rng.uniform(0.015, 0.09) * (1 - closed)
    for number, (x, y, length, radius) in enumerate(_FINGERS):
        bend = closed * np.array([0.55, 1.0, 0.6]) + np.abs(rng.normal(0.08, 0.07, 3))
        vertices, faces, nail = _finger(
            np.array([x, y - 8.0, 0.0]), length + 8.0, radius, (number - 1.4) * spread + 0.02 * (number - 1.4), bend
        )
        shapes.append((vertices, faces))
        nails.append((nail, 0.62 * radius))
    bend = np.array([0.25, 0.2 + 0.5 * closed, 0.2 + 0.4 * closed])
    vertices, faces, nail = _finger(np.array([-30.0, -22.0, 3.0]), 82.0, 11.5, -rng.uniform(0.35, 0.75), bend)
    shapes.append((vertices, faces))
    nails.append((nail, 7.0))
    arm = np.linspace(0, 1, 6)[:, None] * np.array([side * rng.uniform(0, 90) * side, -230.0, -20.0]) + [0, -52, 0]
    shapes.append(tube(arm, np.array([25.5, 24, 27, 32, 37, 40.0]), sides=12))
    mirror = np.array([side, 1.0, 1.0])

    def put(shape: tuple[Float, NDArray[np.int32]], material: Material) -> Piece:
        vertices, faces = shape
        # as the face has its hollows, a hand gets less than all of the surrounding light
        return Piece(
            vertices=place + vertices * mirror, faces=faces if side > 0 else faces[:, [0, 2, 1]], material=material,
            occlusion=np.full(len(vertices), 0.8),
        )  # fmt: skip

    pieces = [put(shape, skin) for shape in shapes]
    red = np.array(((0.45, 0.03, 0.05), (0.08, 0.01, 0.02), (0.55, 0.2, 0.2))[int(rng.integers(3))])
    tint = red if painted else np.minimum(np.array(rgb) * 1.12 + [0.03, 0.02, 0.02], 0.9)
    varnish = Material(
        label="occluder", rgb=(float(tint[0]), float(tint[1]), float(tint[2])), roughness=0.25, specular=0.04
    )
    turn = np.arange(8) / 8 * 2 * np.pi
    fan = np.array([[8, (k + 1) % 8, k] for k in range(8)], dtype=np.int32)
    for (centre, along, out), radius in nails:
        beside = np.array([along[1] * out[2] - along[2] * out[1], along[2] * out[0] - along[0] * out[2],
                           along[0] * out[1] - along[1] * out[0]])  # fmt: skip
        rim = centre + radius * (np.cos(turn)[:, None] * beside + 1.35 * np.sin(turn)[:, None] * along)
        pieces.append(put((np.concatenate([rim - out * 0.8, [centre + out * 1.2]]), fan), varnish))
    return pieces
