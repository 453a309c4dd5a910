"""What faces people make in the pictures: the natural ones of the head model's prior, and grimaces beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cephalon.head.expression_prior import INDEX, SHARES, sample_expressions

Float = NDArray[np.float64]


def _both(name: str, weight: float) -> dict[str, float]:
    return {name + "Left": weight, name + "Right": weight}


GRIMACES: Mapping[str, Mapping[str, float]] = {
    "disgust": {**_both("noseSneer", 0.7), **_both("mouthUpperUp", 0.4), **_both("browDown", 0.4), **_both("mouthFrown", 0.3)},
    "fear": {**_both("eyeWide", 0.6), "browInnerUp": 0.6, **_both("mouthStretch", 0.5), "jawOpen": 0.15},
    "pout": {"mouthPucker": 0.6, "mouthFunnel": 0.2},
    "puff": {"cheekPuff": 0.7, "mouthPucker": 0.2},
    "tongue": {"jawOpen": 0.4, "tongueOut": 0.8},
    "doubt": {"browOuterUpLeft": 0.6, "browDownRight": 0.4, "mouthPressRight": 0.3},
    "shout": {"jawOpen": 0.7, **_both("mouthLowerDown", 0.4), **_both("mouthUpperUp", 0.2), **_both("browDown", 0.3)},
    "shift": {"jawLeft": 0.5, "mouthLeft": 0.5},
}  # fmt: skip
"""Faces that are pulled on purpose, at full strength; mixed and exaggerated they go beyond what the prior holds for natural."""

GRIMACE_SHARE = 0.15
"""Of the faces that are not at rest."""

_OPENS = ("jawOpen", "mouthUpperUp", "mouthLowerDown", "tongue", "mouthFunnel", "mouthClose")


def sample_expression(
    names: Sequence[str], *, rng: np.random.Generator, neutral: float = 0.3, closed_mouth: float = 0.4
) -> Float:
    """Draw one expression: at rest, natural (`head.expression_prior.sample_expressions`), or a grimace.

    The coefficients of gaze (eyeLook*) are 0: see `gaze_coefficients`.

    Parameters
    ----------
    names : (b,) ARKit names in the model's order.
    neutral : chance of a face at rest.
    closed_mouth : chance, otherwise, that jaw and lips stay closed.

    Returns
    -------
    (b,) in [0, 1].
    """
    kinds = [kind for kind in SHARES if kind != "neutral"]
    bounds = np.cumsum([SHARES[kind] for kind in kinds])
    draw = rng.random()
    pulled = rng.random() < GRIMACE_SHARE
    kind = "neutral"
    if draw >= neutral and not pulled:
        kind = kinds[min(int(np.searchsorted(bounds, rng.random() * bounds[-1])), len(kinds) - 1)]
    values = sample_expressions(rng=rng, kind=kind)[0]
    if draw >= neutral:
        if pulled:
            values = np.clip(values + _grimace(rng), 0.0, 1.0)
        if rng.random() < closed_mouth:
            values[[row for name, row in INDEX.items() if name.startswith(_OPENS)]] = 0.0
    values[[row for name, row in INDEX.items() if name.startswith("eyeLook")]] = 0.0
    return values[[INDEX[name] for name in names]]


def _grimace(rng: np.random.Generator) -> Float:
    """One or two pulled faces, to the left or the right, in the order of the prior's names."""
    values = np.zeros(len(INDEX))
    mirrored = rng.random() < 0.5
    for number, pose in enumerate(rng.choice(len(GRIMACES), size=int(rng.integers(1, 3)), replace=False)):
        strength = float(rng.uniform(0.4, 1.3)) * (0.5 if number else 1.0)
        for name, weight in GRIMACES[list(GRIMACES)[pose]].items():
            other = name.replace("Left", "#").replace("Right", "Left").replace("#", "Right")
            values[INDEX[other if mirrored else name]] += weight * strength
    return values


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

    The prior's mouth shapes of speech follow each other about seven times a second, eased by a cosine; a blink takes 0.25 s
    and comes every four seconds or so.
    """
    index = {name: i for i, name in enumerate(names)}
    count = int(np.ceil(frames / frames_per_second * 7)) + 2
    shapes = sample_expressions(rng=rng, count=count, kind="speech")[:, [INDEX[name] for name in names]]
    mouth = np.array([name.startswith(("jaw", "mouth")) for name in names])
    stops = shapes * mouth * (rng.random((count, 1)) < 0.8)
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
