"""Natural expressions: combinations that faces make, as ARKit coefficients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]


def _both(name: str, weight: float) -> dict[str, float]:
    return {name + "Left": weight, name + "Right": weight}


POSES: Mapping[str, Mapping[str, float]] = {
    "smile": {**_both("mouthSmile", 0.6), **_both("cheekSquint", 0.35), **_both("eyeSquint", 0.2), **_both("mouthDimple", 0.15)},
    "grin": {
        **_both("mouthSmile", 0.75), "jawOpen": 0.1, **_both("mouthUpperUp", 0.35), **_both("mouthLowerDown", 0.3),
        **_both("cheekSquint", 0.5), **_both("eyeSquint", 0.35), **_both("mouthStretch", 0.15),
    },
    "laugh": {
        **_both("mouthSmile", 0.8), "jawOpen": 0.38, **_both("mouthUpperUp", 0.4), **_both("mouthLowerDown", 0.25),
        **_both("cheekSquint", 0.6), **_both("eyeSquint", 0.5),
    },
    "sad": {**_both("mouthFrown", 0.5), "browInnerUp": 0.6, "mouthShrugLower": 0.3},
    "anger": {**_both("browDown", 0.7), **_both("noseSneer", 0.3), **_both("mouthPress", 0.4), **_both("eyeSquint", 0.3)},
    "surprise": {"jawOpen": 0.4, "browInnerUp": 0.6, **_both("browOuterUp", 0.6), **_both("eyeWide", 0.6)},
    "disgust": {**_both("noseSneer", 0.7), **_both("mouthUpperUp", 0.4), **_both("browDown", 0.4), **_both("mouthFrown", 0.3)},
    "fear": {**_both("eyeWide", 0.6), "browInnerUp": 0.6, **_both("mouthStretch", 0.5), "jawOpen": 0.15},
    "pout": {"mouthPucker": 0.6, "mouthFunnel": 0.2},
    "puff": {"cheekPuff": 0.7, "mouthPucker": 0.2},
    "smirk": {"mouthSmileLeft": 0.5, "mouthLeft": 0.25, "cheekSquintLeft": 0.3},
    "tongue": {"jawOpen": 0.4, "tongueOut": 0.8},
    "doubt": {"browOuterUpLeft": 0.6, "browDownRight": 0.4, "mouthPressRight": 0.3},
    "shout": {"jawOpen": 0.7, **_both("mouthLowerDown", 0.4), **_both("mouthUpperUp", 0.2), **_both("browDown", 0.3)},
}  # fmt: skip
"""Prototypes at full strength."""

VISEMES: tuple[Mapping[str, float], ...] = (
    {"jawOpen": 0.30, **_both("mouthLowerDown", 0.2)},
    {"jawOpen": 0.15, **_both("mouthStretch", 0.25), **_both("mouthUpperUp", 0.15), **_both("mouthLowerDown", 0.15)},
    {"jawOpen": 0.2, "mouthFunnel": 0.5},
    {"jawOpen": 0.08, "mouthPucker": 0.5},
    {"mouthClose": 0.1, "jawOpen": 0.1, **_both("mouthPress", 0.3)},
    {"mouthRollLower": 0.3, **_both("mouthUpperUp", 0.2), "jawOpen": 0.05},
)
"""Mouth shapes of speech (a, e, o, u, m, f)."""

_EYE_LOOK = {("eyeLookIn", "eyeLookOut"), ("eyeLookDown", "eyeLookUp")}


def sample_expression(
    names: Sequence[str], *, rng: np.random.Generator, neutral: float = 0.3, closed_mouth: float = 0.4
) -> Float:
    """Draw one natural expression.

    One or two prototypes of a common strength, or a mouth shape of speech, with a little of everything (a Gamma draw
    per pair, left and right alike but for 15 %), now and then a blink, a wink or half-closed lids. The coefficients of
    gaze (eyeLook*) stay 0: see `gaze_coefficients`.

    Parameters
    ----------
    names : (b,) ARKit names in the model's order.
    neutral : chance of a face nearly at rest.
    closed_mouth : chance, otherwise, that jaw and lips stay closed.

    Returns
    -------
    (b,) in [0, 1].
    """
    weights: dict[str, float] = dict.fromkeys(names, 0.0)
    kind = rng.random()
    if kind >= neutral:
        if rng.random() < 0.3:
            _add(weights, VISEMES[int(rng.integers(len(VISEMES)))], float(rng.uniform(0.4, 1.3)))
        chosen = rng.choice(len(POSES), size=int(rng.integers(1, 3)), replace=False, p=_POSE_SHARE)
        keys = list(POSES)
        for number, pose in enumerate(chosen):
            _add(weights, POSES[keys[pose]], float(rng.uniform(0.2, 1.15)) * (0.5 if number else 1.0))
        if rng.random() < closed_mouth:
            for name in weights:
                if name.startswith(
                    ("jawOpen", "mouthUpperUp", "mouthLowerDown", "tongue", "mouthFunnel", "mouthClose")
                ):
                    weights[name] = 0.0
    for name in names:
        if not name.startswith(("eyeLook", "tongue", "mouthClose", "jaw")) and not name.endswith("Right"):
            extra = float(rng.gamma(0.25, 0.09))
            weights[name] += extra
            mirror = name[: -len("Left")] + "Right"
            if name.endswith("Left") and mirror in weights:
                weights[mirror] += extra
    lids = rng.random()
    if lids < 0.06:
        closed = (1.0, 1.0) if lids < 0.04 else ((1.0, 0.05) if rng.random() < 0.5 else (0.05, 1.0))
        weights["eyeBlinkLeft"], weights["eyeBlinkRight"] = closed
    else:
        droop = float(np.clip(rng.normal(0.12, 0.10), 0, 0.7))
        for side in ("Left", "Right"):
            weights["eyeBlink" + side] = droop
    values = np.array([weights[name] for name in names])
    values *= np.exp(rng.normal(0, 0.15, len(names)))
    return np.clip(values, 0.0, 1.0)


_POSE_SHARE = np.array([0.26, 0.20, 0.09, 0.06, 0.06, 0.06, 0.04, 0.04, 0.05, 0.02, 0.06, 0.01, 0.03, 0.02])


def _add(weights: dict[str, float], pose: Mapping[str, float], strength: float) -> None:
    for name, weight in pose.items():
        if name in weights:
            weights[name] += weight * strength


def gaze_coefficients(values: Float, names: Sequence[str], gaze_deg: tuple[float, float]) -> Float:
    """Return the expression with the lids' part in a gaze (yaw to the person's left, pitch up, degrees).

    ARKit's eyeLook coefficients are 1 at about 30 degrees sideways and 25 up or down.
    """
    yaw, pitch = gaze_deg
    changed = values.copy()
    table = {
        "eyeLookOutLeft": yaw / 30, "eyeLookInRight": yaw / 30, "eyeLookInLeft": -yaw / 30, "eyeLookOutRight": -yaw / 30,
        "eyeLookUpLeft": pitch / 25, "eyeLookUpRight": pitch / 25, "eyeLookDownLeft": -pitch / 25, "eyeLookDownRight": -pitch / 25,
    }  # fmt: skip
    for name, value in table.items():
        if name in names:
            changed[list(names).index(name)] = np.clip(value, 0.0, 1.0)
    return changed


def speech(
    names: Sequence[str], start: Float, frames: int, *, rng: np.random.Generator, frames_per_second: float = 25.0
) -> Float:
    """Return (frames, b) coefficients of a face that speaks and blinks, around an expression `start` (b,).

    Mouth shapes follow each other about seven times a second, eased by a cosine; a blink takes 0.25 s and comes every
    four seconds or so.
    """
    index = {name: i for i, name in enumerate(names)}
    count = int(np.ceil(frames / frames_per_second * 7)) + 2
    stops = np.zeros((count, len(names)))
    for row in stops:
        shape = VISEMES[int(rng.integers(len(VISEMES)))]
        strength = rng.uniform(0.2, 1.2) if rng.random() < 0.8 else 0.0
        for name, weight in shape.items():
            row[index[name]] = weight * strength
    at = np.arange(frames) / frames_per_second * 7 + rng.random()
    cell = at.astype(np.int64)
    ease = (0.5 - 0.5 * np.cos(np.pi * (at - cell)))[:, None]
    values = start + stops[cell] * (1 - ease) + stops[cell + 1] * ease
    time = np.arange(frames) / frames_per_second
    moment = float(rng.exponential(2.0))
    while moment < frames / frames_per_second:
        lid = np.clip(1.0 - np.abs(time - moment) / 0.125, 0, 1)
        for side in ("Left", "Right"):
            values[:, index["eyeBlink" + side]] = np.maximum(values[:, index["eyeBlink" + side]], lid)
        moment += float(0.3 + rng.exponential(4.0))
    return np.clip(values, 0.0, 1.0)
