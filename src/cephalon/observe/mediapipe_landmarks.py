"""Landmarks and expression by MediaPipe's face landmarker (extra `mediapipe`)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cephalon import assets
from cephalon.core import InputError, NoHeadError
from cephalon.observe.canonical import canonical_face
from cephalon.observe.face_search import MOST_CROPS, FoundFace, find_faces
from cephalon.observe.landmark_noise import mediapipe_noise, roll_matrix, rotate
from cephalon.observe.landmarker import Landmarker, load_landmarker
from cephalon.photo import Photo
from cephalon.values import ExpressionObservation, Observation, PointObservation

Float = NDArray[np.float64]

_EXPRESSION_SIGMA = 0.2
_UNREAD_SIGMA = 1.0
"""For what the landmarker does not tell: as good as nothing said."""
# On 131 portraits, relaxed and smiling: scores that stayed at 0 whatever the face did say nothing (as does tongueOut,
# which the landmarker does not have); eyeSquint stood at 0.4 in the median; the sideways and drooping ones hardly ever
# answer.
# Brows, squint, pucker and the like stand at 0.3 to 0.6 on many faces at rest, by the build of brow and lips.
_VAGUE_SIGMA = 0.35
_VAGUE_SIDED = (
    "browDown", "browOuterUp", "eyeSquint", "eyeWide", "eyeLookUp", "eyeLookDown", "eyeLookIn", "eyeLookOut", "jaw",
    "mouth", "mouthFrown", "mouthDimple", "mouthPress",
)  # fmt: skip
_VAGUE = (
    *(name + side for name in _VAGUE_SIDED for side in ("Left", "Right")), "browInnerUp", "mouthPucker",
    "mouthFunnel", "mouthShrugUpper", "mouthShrugLower", "mouthRollUpper", "mouthRollLower",
)  # fmt: skip
_SILENT = ("jawForward", "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "noseSneerLeft", "noseSneerRight")
_EXPRESSION_SIGMAS = (
    {"jawOpen": 0.05, "mouthSmileLeft": 0.12, "mouthSmileRight": 0.12, "eyeBlinkLeft": 0.15, "eyeBlinkRight": 0.15}
    | dict.fromkeys(_VAGUE, _VAGUE_SIGMA)
    | dict.fromkeys(_SILENT, _UNREAD_SIGMA)
)
_SHUT = 0.6
"""From this eyeBlink score on the iris is behind the lid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPipeOptions:
    """Options of `MediaPipeLandmarks`.

    Attributes
    ----------
    crops : crops of the second pass, 1 to 6, over which points are averaged; each takes about 10 ms.
    most_doubt : bound on `FoundFace.doubt` of a face seen from the front; it grows with yaw as 1 + |yaw| / 90 deg.
    least_relative_size : without a chosen number, faces smaller than this share of the largest do not count.
    noise : "table" claims the covariance of the landmark noise table and removes its bias; "none" claims only the
        scatter between crops (for calibration).
    """

    crops: int = 4
    most_doubt: float = 0.045
    least_relative_size: float = 1 / 3
    noise: str = "table"

    def __post_init__(self) -> None:
        if not 1 <= self.crops <= MOST_CROPS:
            raise InputError(f"crops: expected 1 to {MOST_CROPS}, got {self.crops}")
        for name in ("most_doubt", "least_relative_size"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected a number from 0 to 1, got {getattr(self, name)!r}")
        if self.noise not in ("table", "none"):
            raise InputError(f"noise: expected 'table' or 'none', got {self.noise!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPipeLandmarks:
    """All 478 points and the expression scores of MediaPipe's face landmarker.

    A photo is searched whole, then padded, in tiles, tilted and turned by quarters, until a face is found that is found
    again in crops around it; the points are the mean over those crops.

    Attributes
    ----------
    expression_names : the head model's names, which give the order of the coefficients.
    task_path : the landmarker file; None looks where `cephalon.assets.find_mediapipe_task` looks.
    options : see `MediaPipeOptions`.
    """

    expression_names: Sequence[str]
    task_path: str | os.PathLike[str] | None = None
    options: MediaPipeOptions = field(default_factory=MediaPipeOptions)

    def find(self, photo: Photo) -> list[FoundFace]:
        """Return all faces that were found, from left to right (empty if there is none)."""
        detect = self._landmarker().detect
        return find_faces(_opaque(photo), detect, crops=self.options.crops, most_doubt=self.options.most_doubt)

    def observe(self, photo: Photo, *, which: int | None = None) -> Observation:
        """Measure one head in a photo.

        Parameters
        ----------
        which : number of the head, counted from 1 at the left of the photo; may be left out if there is only one.

        Raises
        ------
        NoHeadError
            If there is no head, several and `which` is None, or fewer than `which`.
        """
        if which is not None and which < 1:
            raise InputError(f"face number: expected 1 or more, counted from the left, got {which}")
        faces = self.find(photo)
        face, remark = choose(faces, photo.name, which, self.options.least_relative_size)
        return self._observation(photo, face, remark)

    def _landmarker(self) -> Landmarker:
        return load_landmarker(assets.find_mediapipe_task(self.task_path))

    def _observation(self, photo: Photo, face: FoundFace, remark: str) -> Observation:
        size, roll = face.pose.size_px, face.pose.roll_deg
        # The smallest spread keeps the matrix positive definite when all crops agree.
        covariance = face.spread + (1e-3 * size) ** 2 * np.eye(2)
        position = face.points
        visible = np.ones(len(position), dtype=bool)
        common = response = None
        if self.options.noise == "table":
            noise = mediapipe_noise()
            response = noise.response
            table, bias, hidden = noise.at(face.pose.yaw_deg, face.pose.pitch_deg)
            table, bias = rotate(table, bias, roll)
            common = noise.common(face.pose.yaw_deg)
            common = None if common is None else size * (roll_matrix(roll) @ common)
            covariance = covariance + table * size**2
            position = position - bias * size
            visible = ~hidden
            iris = canonical_face().regions["iris"]
            for side, members in (("Right", iris[:5]), ("Left", iris[5:])):
                if face.scores.get(f"eyeBlink{side}", 0.0) > _SHUT:
                    visible[members] = False
        visible &= _in_picture(position, photo)
        turned = round(roll / 90) % 4
        if turned:
            remark += f", face turned by {round(roll):d} degrees"
        return Observation(
            width=photo.width,
            height=photo.height,
            points=(
                PointObservation(
                    set_name="mediapipe478",
                    position=position,
                    covariance=covariance,
                    visible=visible,
                    common=common,
                    response=response,
                ),
            ),
            expression=self._expression(face),
            focal35_mm=photo.focal35_mm,
            source="MediaPipe face landmarker" + remark,
        )

    def _expression(self, face: FoundFace) -> ExpressionObservation:
        mean, sigma = [], []
        for name in self.expression_names:
            mean.append(min(max(face.scores.get(name, 0.0), 0.0), 1.0))
            sigma.append(_EXPRESSION_SIGMAS.get(name, _EXPRESSION_SIGMA) if name in face.scores else _UNREAD_SIGMA)
        return ExpressionObservation(mean=np.array(mean), sigma=np.array(sigma))


def choose(
    faces: Sequence[FoundFace], name: str, which: int | None, least_relative_size: float
) -> tuple[FoundFace, str]:
    """Return the wanted face (faces come from left to right) and a remark for the record.

    Raises
    ------
    NoHeadError
        As `MediaPipeLandmarks.observe`; the message lists the heads by position.
    """
    if not faces:
        raise NoHeadError(
            f"{name}: no head found; use a sharp photo that shows a face with both eyes, or give landmarks in a file"
        )
    heads = f"{len(faces)} head{'s' if len(faces) > 1 else ''} found"
    listed = ", ".join(f"{i} at ({f.centre[0]:.0f}, {f.centre[1]:.0f}) px" for i, f in enumerate(faces, 1))
    if which is not None:
        if which > len(faces):
            raise NoHeadError(f"{name}: head {which} was asked for, but {heads}: {listed}; choose one of them")
        return faces[which - 1], (f", head {which} of {len(faces)} from the left" if len(faces) > 1 else "")
    largest = max(face.pose.size_px for face in faces)
    main = [face for face in faces if face.pose.size_px >= least_relative_size * largest]
    if len(main) > 1:
        raise NoHeadError(
            f"{name}: {heads}: {listed}, counted from the left; say which with --face N (N = 1 to {len(faces)})"
        )
    return main[0], (f", the largest of {len(faces)} heads" if len(faces) > 1 else "")


def _opaque(photo: Photo) -> NDArray[np.uint8]:
    """Return the photo's colours; where it is transparent, mid-grey."""
    if photo.alpha is None:
        return photo.rgb_srgb
    weight = photo.alpha[:, :, None].astype(np.uint16)
    return ((photo.rgb_srgb * weight + 128 * (255 - weight) + 127) // 255).astype(np.uint8)


def _in_picture(position: Float, photo: Photo) -> NDArray[np.bool_]:
    """Return which points lie on the photo's opaque pixels: beyond its border they are invented."""
    column, row = np.floor(position).astype(int).T
    inside = (column >= 0) & (row >= 0) & (column < photo.width) & (row < photo.height)
    if photo.alpha is not None:
        inside[inside] = photo.alpha[row[inside], column[inside]] > 127
    return inside
