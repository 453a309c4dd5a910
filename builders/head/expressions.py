"""The 52 ARKit blendshapes on the asset's vertices."""

from __future__ import annotations

import numpy as np

from builders.head.base import HeadBase, RigidMap

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


def build_expressions(base: HeadBase, to_head: RigidMap) -> np.ndarray:
    """Offsets (52, n, 3) mm at coefficient 1, head frame."""
    offsets = np.stack([to_head.offsets(base.target(f"faceunits/{name}")) for name in ARKIT_NAMES])
    for part in ("left_eye", "right_eye"):
        offsets[:, base.part(part)[0]] = 0.0
    return offsets
