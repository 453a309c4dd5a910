"""Folds of moving skin: furrows beside a smiling mouth, across a raised brow, between frowning brows, around narrowed eyes.

A fold is a share of light that does not reach the skin, by texel, times how far the face moves there and how old it is. It is shade,
not colour: pictures show it, the albedo of the truth maps does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_MOVED_BY: dict[str, dict[str, float]] = {
    "cheek": {"mouthSmile": 0.75, "cheekSquint": 0.25, "noseSneer": 0.5, "mouthUpperUp": 0.45, "mouthStretch": 0.2, "mouthDimple": 0.3},
    "corner": {"mouthDimple": 0.8, "mouthSmile": 0.45, "mouthFrown": 0.5, "mouthPress": 0.3},
    "forehead": {"browInnerUp": 0.55, "browOuterUp": 0.6},
    "frown": {"browDown": 0.9},
    "outer eye": {"eyeSquint": 0.5, "cheekSquint": 0.6, "mouthSmile": 0.35},
    "lower lid": {"cheekSquint": 0.6, "eyeSquint": 0.5, "mouthSmile": 0.3},
    "nose": {"noseSneer": 1.0},
}  # fmt: skip
"""Fold -> what moves the skin there and how much; the coefficients of the face's side count."""
_DEPTH = {
    "cheek": 0.42,
    "corner": 0.35,
    "forehead": 0.30,
    "frown": 0.34,
    "outer eye": 0.28,
    "lower lid": 0.26,
    "nose": 0.30,
}
"""Share of the light that a fold at its deepest takes away."""
_YOUNG = {"cheek": 0.7, "corner": 0.8, "forehead": 0.5, "frown": 0.55, "outer eye": 0.3, "lower lid": 0.7, "nose": 0.8}
"""How deep folds of the young are, as a share; full depth is reached at 60 years."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fold:
    """One fold on one side of the face.

    Attributes
    ----------
    name : key of the tables above; side : "Left" or "Right" of the person.
    texels : (k,) numbers of texels, row by row; share : (k,) float32, of the light taken away, up to 1; below 0 on the ridge.
    """

    name: str
    side: str
    texels: NDArray[np.int64]
    share: Float32


def make_folds(
    p: Float, mouth: tuple[float, float], eye: tuple[float, float], skin: NDArray[np.bool_]
) -> tuple[Fold, ...]:
    """Return the folds over a chart.

    Parameters
    ----------
    p : (s, s, 3) mm of the texels on the drawing head.
    mouth, eye : (x, y) mm of the left corner of the mouth and of the middle of the left eye.
    skin : (s, s) where there is skin that folds.
    """
    x, y, front = np.abs(p[..., 0]), p[..., 1], skin & (p[..., 2] > 35)

    def bump(value: Float, width: float) -> Float:
        return np.exp(-((value / width) ** 2))

    def ends(value: Float, low: float, high: float, soft: float) -> Float:
        return np.clip((value - low) / soft, 0, 1) * np.clip((high - value) / soft, 0, 1)

    def furrow(d: Float, width: float) -> Float:
        # a dark crease with a bulge on its outer side, which catches light
        return bump(d, width) + 0.45 * bump(d - 0.6 * width, 2.4 * width) - 0.22 * bump(d - 3.6 * width, 1.8 * width)

    mouth_x, mouth_y = mouth
    line = np.interp(
        y, [mouth_y - 14, mouth_y, mouth_y + 14, -28, -18], [mouth_x + 13, mouth_x + 11, mouth_x + 6, 23, 18]
    )
    level = y + 2.5 * np.sin(x / 11.0) + 1.6 * np.sin(p[..., 0] / 6.3 + 0.7)
    lines = (0.5 + 0.5 * np.sin(2 * np.pi * level / 9.5)) ** 3
    fan = np.arctan2(y - eye[1], x - eye[0] - 9)
    away = np.hypot(x - eye[0] - 9, y - eye[1])
    below = np.hypot((x - eye[0]) / 1.5, y - eye[1] - 5)
    drawn = {
        "cheek": furrow(x - line, 1.7) * ends(y, mouth_y - 12, -15, 9),
        "corner": furrow(np.hypot(x - mouth_x - 2, (y - mouth_y) / 2.2) - 4.5, 1.2)
        * ends(x, mouth_x + 2, mouth_x + 14, 3),
        "forehead": (lines - 0.25) * ends(y, 44, 82, 9) * np.clip((52 - x) / 16, 0, 1),
        "frown": furrow(x - 8.5 + 0.10 * (y - 34), 1.4) * ends(y, 22, 48, 8),
        "outer eye": (0.5 + 0.5 * np.cos(9 * fan + 0.6)) ** 3 * ends(away, 8, 26, 7) * (np.abs(fan) < 0.9),
        "lower lid": furrow(18.5 - below, 1.4) * ends(eye[1] - y, 5, 19, 3) * ends(x, eye[0] - 14, eye[0] + 17, 7),
        "nose": (0.5 + 0.5 * np.sin(2 * np.pi * (y + 0.35 * x) / 5.0)) ** 2
        * ends(y, 4, 24, 5)
        * np.clip((12 - x) / 5, 0, 1),
    }
    found = []
    for name, share in drawn.items():
        for side, sign in (("Left", 1.0), ("Right", -1.0)):
            # the sides share what lies in the middle
            own = share * np.clip(0.5 + sign * p[..., 0] / 6.0, 0, 1) * front
            texels = np.flatnonzero(np.abs(own) > 0.02)
            found.append(Fold(name=name, side=side, texels=texels, share=own.ravel()[texels].astype(np.float32)))
    return tuple(found)


def fold_depth(name: str, side: str, expression: Mapping[str, float], age_years: float) -> float:
    """Return the share of light, 0 to 1, that a fold takes away at its deepest for ARKit coefficients and an age."""
    moved = sum(
        weight * (expression.get(cause + side, 0.0) or expression.get(cause, 0.0))
        for cause, weight in _MOVED_BY[name].items()
    )
    old = float(np.clip((age_years - 15) / 45, 0, 1))
    return _DEPTH[name] * min(moved, 1.0) * (_YOUNG[name] + (1 - _YOUNG[name]) * old)


def fold_skin(
    texels: NDArray[np.uint8], folds: tuple[Fold, ...], expression: Mapping[str, float], age_years: float
) -> None:
    """Shade the folds of a face in its texels (k, 4) of albedo, sRGB, and gloss, in place."""
    for fold in folds:
        depth = fold_depth(fold.name, fold.side, expression, age_years)
        if depth > 0.02:
            taken = np.float32(depth) * fold.share
            # sRGB is nearly a power of light; light that comes through the skin fills creases with red
            red, other = (1 - np.float32(0.7) * taken) ** np.float32(1 / 2.2), (1 - taken) ** np.float32(1 / 2.2)
            for channel, factor in enumerate((red, other, other, 1 - taken)):
                texels[fold.texels, channel] = np.clip(texels[fold.texels, channel] * factor + 0.5, 0, 255)
