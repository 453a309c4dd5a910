"""What the tests of this room share: names, projected canonical faces, and a detector that knows the truth."""

from __future__ import annotations

import numpy as np

from cephalon.observe.canonical import canonical_face
from cephalon.observe.landmarker import RawFace
from cephalon.observe.views import View

# ARKit's names in the order of its documentation.
EXPRESSION_NAMES = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose",
    "mouthFunnel", "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper",
    "mouthPressLeft", "mouthPressRight", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft",
    "mouthUpperUpRight", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip


def head_rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> np.ndarray:
    """Rotation of a face in axes x right, y up, z to the viewer: pitch (nose up), then yaw (nose right), then roll."""
    y, p, r = np.radians([yaw_deg, pitch_deg, roll_deg])
    up = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    right = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    clockwise = np.array([[np.cos(r), np.sin(r), 0], [-np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return clockwise @ right @ up


def projected(size_px=100.0, yaw=0.0, pitch=0.0, roll=0.0, centre=(300.0, 250.0)) -> np.ndarray:
    """(478, 2) px: the canonical face from afar; the irises lie between the corners of their eye."""
    face = canonical_face()
    irises = [face.positions[[a, b]].mean(0) for a, b in ((33, 133), (362, 263)) for _ in range(5)]
    turned = np.vstack([face.positions, irises]) @ head_rotation(yaw, pitch, roll).T
    return turned[:, :2] * [1, -1] * size_px / face.outer_eye_distance + np.array(centre)


class Tagged(np.ndarray):
    """Pixels that know which part of the photo they show."""

    photo_from_pixels = np.eye(3)

    @staticmethod
    def of(height: int, width: int, photo_from_pixels: np.ndarray) -> Tagged:
        pixels = np.zeros((height, width, 3), np.uint8).view(Tagged)
        pixels.photo_from_pixels = photo_from_pixels
        return pixels


def render_tagged(view: View, rgb: Tagged) -> Tagged:
    """What `View.render` is replaced by: no pixels, only where they come from."""
    width, height = view.size
    return Tagged.of(height, width, rgb.photo_from_pixels @ np.vstack([view.photo_from_view, [0, 0, 1]]))


class TrueDetector:
    """A detector that knows the faces of a `Tagged` photo.

    It answers only for faces that it can see: large enough in the view, and not turned too far from upright.
    """

    def __init__(self, faces, *, noise_px=0.0, least_share=0.0, most_roll_deg=180.0, seed=0):
        self.faces = faces
        self.noise_px, self.least_share, self.most_roll_deg = noise_px, least_share, most_roll_deg
        self.rng = np.random.default_rng(seed)
        self.calls = 0

    def __call__(self, view_rgb):
        self.calls += 1
        map_ = view_rgb.photo_from_pixels[:2]
        back = np.linalg.inv(map_[:, :2])
        mirrored = np.linalg.det(back) < 0
        found = []
        for points in self.faces:
            seen = (points - map_[:, 2]) @ back.T
            seen = seen + self.rng.normal(0, self.noise_px, seen.shape) * np.sqrt(abs(np.linalg.det(back)))
            seen = seen[canonical_face().mirror] if mirrored else seen
            height, width = view_rgb.shape[:2]
            middle = seen.mean(0)
            eyes = seen[263] - seen[33]
            if not (0 < middle[0] < width and 0 < middle[1] < height):
                continue
            if np.ptp(seen, axis=0).max() < self.least_share * max(width, height):
                continue
            if abs(np.degrees(np.arctan2(eyes[1], eyes[0]))) > self.most_roll_deg:
                continue
            left = 0.2 if mirrored else 0.8
            scores = {"mouthSmileLeft": left, "mouthSmileRight": 1 - left, "jawOpen": 0.3, "_neutral": 0.0}
            found.append(RawFace(points=np.column_stack([seen, np.zeros(len(seen))]), scores=scores))
        return found
