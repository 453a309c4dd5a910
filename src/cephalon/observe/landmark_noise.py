"""How wrong landmarks are: covariance, bias and hidden points by yaw, in units of the frontal outer eye distance.

The calibrated table (data/mediapipe_noise.json) comes from renders of our own heads, where the truth is known. Where
there is none, and for landmarks from other sources, a reasoned table by region is used.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.observe.canonical import canonical_face
from cephalon.values import ShapeResponse

Float = NDArray[np.float64]

# sd of a point in a frontal photo, as a fraction of the outer eye distance: rims and corners are sharp, cheeks are not.
_SIGMA = {
    "iris": 0.010, "eye": 0.010, "lid": 0.015, "brow": 0.020, "nose": 0.012, "lips": 0.012, "mouth": 0.018,
    "oval": 0.040, "border": 0.030, "skin": 0.025,
}  # fmt: skip
_ALONG_CONTOUR = 1.5
"""Points of the face's outline slide along it: their sd in that direction is larger by this factor."""
_HIDDEN_SIGMA = 0.15
"""A point with a larger sd says nothing; it counts as hidden."""
_MOST_PITCH_DEG = 30.0
_YAW_BINS = tuple(range(0, 91, 15))


@dataclass(frozen=True, slots=True, kw_only=True)
class LandmarkNoise:
    """Error of the k points of a set at several yaw angles; x to the right and y down in the roll-free face.

    Attributes
    ----------
    yaw_deg : (b,) ascending; if all are >= 0, faces turned the other way use the mirrored table.
    covariance : (b, k, 2, 2) in squares of the frontal outer eye distance.
    bias : (b, k, 2) measured minus true, in that distance, at pitch 0.
    bias_per_pitch_deg : (b, k, 2) its change with each degree of pitch; None for none.
    hidden : (b, k) bool, points not to be used.
    modes : (b, k, 2, q) common errors of the points of one photo, None if not measured: with L the Cholesky factor of a
        point's covariance an error is L (modes @ c + rest), c ~ N(0, I), rest independent.
    response : how the points follow the head's shape, None if not measured; bias and covariance are then of the rest.
    mirror : (k,) index of the mirrored point.
    """

    yaw_deg: Float
    covariance: Float
    bias: Float
    hidden: NDArray[np.bool_]
    mirror: NDArray[np.intp]
    bias_per_pitch_deg: Float | None = None
    modes: Float | None = None
    response: ShapeResponse | None = None

    def __post_init__(self) -> None:
        yaw = as_array("yaw_deg", self.yaw_deg, (None,))
        b, k = len(yaw), len(self.mirror)
        if b == 0 or (np.diff(yaw) <= 0).any():
            raise InputError("landmark noise: yaw_deg must ascend")
        object.__setattr__(self, "yaw_deg", yaw)
        object.__setattr__(self, "covariance", as_array("covariance", self.covariance, (b, k, 2, 2)))
        object.__setattr__(self, "bias", as_array("bias", self.bias, (b, k, 2)))
        slope = np.zeros((b, k, 2)) if self.bias_per_pitch_deg is None else self.bias_per_pitch_deg
        object.__setattr__(self, "bias_per_pitch_deg", as_array("bias_per_pitch_deg", slope, (b, k, 2)))
        object.__setattr__(self, "hidden", as_array("hidden", self.hidden, (b, k), bool))
        if self.modes is not None:
            modes = as_array("modes", self.modes, (b, k, 2, None), np.float32)
            object.__setattr__(self, "modes", modes)
            if (np.einsum("bkiq,bkiq->bki", modes, modes) >= 1).any() or self.yaw_deg[0] < 0:
                raise InputError("landmark noise: modes must explain less than all variance, at yaw angles >= 0")
        if (np.linalg.eigvalsh(self.covariance) <= 0).any():
            raise InputError("landmark noise: every covariance must be positive definite")

    def at(self, yaw_deg: float, pitch_deg: float = 0.0) -> tuple[Float, Float, NDArray[np.bool_]]:
        """Return covariance (k, 2, 2), bias (k, 2) and hidden (k,) at a yaw (linear between the bins) and a pitch.

        A point counts as hidden if it is so at the nearer bin. Beyond 30 degrees of pitch the bias changes no more.
        """
        pitch = float(np.clip(pitch_deg, -_MOST_PITCH_DEG, _MOST_PITCH_DEG))
        biases = self.bias + pitch * np.asarray(self.bias_per_pitch_deg)
        mirrored = yaw_deg < 0 and self.yaw_deg[0] >= 0
        yaw = float(np.clip(-yaw_deg if mirrored else yaw_deg, self.yaw_deg[0], self.yaw_deg[-1]))
        upper = int(np.clip(np.searchsorted(self.yaw_deg, yaw), 1, max(len(self.yaw_deg) - 1, 1)))
        if len(self.yaw_deg) == 1:
            covariance, bias, hidden = self.covariance[0], biases[0], self.hidden[0]
        else:
            low, high = self.yaw_deg[upper - 1], self.yaw_deg[upper]
            t = (yaw - low) / (high - low)
            covariance = (1 - t) * self.covariance[upper - 1] + t * self.covariance[upper]
            bias = (1 - t) * biases[upper - 1] + t * biases[upper]
            hidden = self.hidden[upper if t >= 0.5 else upper - 1]
        if mirrored:
            reflect = np.diag([-1.0, 1.0])
            covariance = reflect @ covariance[self.mirror] @ reflect
            bias, hidden = bias[self.mirror] @ reflect, hidden[self.mirror]
        return covariance, bias, hidden

    def common(self, yaw_deg: float) -> Float | None:
        """Return the common errors (k, 2, q) at a yaw, those of the nearest bin; None if they were not measured."""
        if self.modes is None:
            return None
        covariance, _, _ = self.at(abs(yaw_deg))
        nearest = int(np.argmin(np.abs(self.yaw_deg - abs(yaw_deg))))
        common = np.linalg.cholesky(covariance) @ self.modes[nearest]
        return common[self.mirror] * np.array([[-1.0], [1.0]]) if yaw_deg < 0 else common

    def subset(self, indices: NDArray[np.intp], mirror: NDArray[np.intp]) -> LandmarkNoise:
        """Return the table of chosen points, with the mirror permutation among them."""
        return LandmarkNoise(
            yaw_deg=self.yaw_deg,
            covariance=self.covariance[:, indices],
            bias=self.bias[:, indices],
            bias_per_pitch_deg=np.asarray(self.bias_per_pitch_deg)[:, indices],
            hidden=self.hidden[:, indices],
            mirror=mirror,
        )


@lru_cache(maxsize=1)
def default_noise() -> LandmarkNoise:
    """Return the reasoned table of the set "mediapipe478".

    The sd of a region grows with yaw as 1 + (yaw / 40 deg)^2, and on the far side of the face by up to another factor
    of 1 + 2 (yaw / 60 deg)^2 at the outline, because points there slide along the surface or are guessed.
    """
    face = canonical_face()
    frontal = face.per_point(_SIGMA)
    # Iris points have no rest position; they sit between the corners of their eye.
    right_iris, left_iris = face.positions[[33, 133]].mean(0), face.positions[[362, 263]].mean(0)
    positions = np.vstack([face.positions, np.tile(right_iris, (5, 1)), np.tile(left_iris, (5, 1))])
    shape = np.tile(np.eye(2), (len(frontal), 1, 1))
    oval = face.regions["oval"]
    outline = positions[oval, :2] * [1.0, -1.0]
    order = np.argsort(np.arctan2(*(outline - outline.mean(0)).T))
    tangent = np.empty_like(outline)
    tangent[order] = np.roll(outline[order], -1, axis=0) - np.roll(outline[order], 1, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    shape[oval] += (_ALONG_CONTOUR**2 - 1) * tangent[:, :, None] * tangent[:, None, :]
    covariance, hidden = [], []
    far = np.clip(positions[:, 0] / np.abs(positions[:, 0]).max(), 0.0, 1.0)
    for yaw in _YAW_BINS:
        sigma = frontal * (1 + (yaw / 40) ** 2) * (1 + 2 * (yaw / 60) ** 2 * far)
        covariance.append(sigma[:, None, None] ** 2 * shape)
        hidden.append(sigma > _HIDDEN_SIGMA)
    return LandmarkNoise(
        yaw_deg=np.array(_YAW_BINS, dtype=np.float64),
        covariance=np.array(covariance),
        bias=np.zeros((len(_YAW_BINS), len(frontal), 2)),
        hidden=np.array(hidden),
        mirror=face.mirror,
    )


@lru_cache(maxsize=1)
def ibug68_noise() -> LandmarkNoise:
    """Return the reasoned table of the set "ibug68": that of the mesh points at the same places."""
    face = canonical_face()
    where = {int(point): i for i, point in enumerate(face.ibug68)}
    mirror = np.array([where[int(face.mirror[point])] for point in face.ibug68], dtype=np.intp)
    return default_noise().subset(face.ibug68, mirror)


@lru_cache(maxsize=1)
def mediapipe_noise() -> LandmarkNoise:
    """Return the calibrated table of the package, or the reasoned one if the package has none."""
    folder = resources.files("cephalon") / "data"
    resource = folder / "mediapipe_noise.json"
    if not resource.is_file():
        return default_noise()
    with np.load(io.BytesIO((folder / "mediapipe_noise_modes.npz").read_bytes()), allow_pickle=False) as arrays:
        modes = arrays["modes_i8"] * arrays["mode_scale"][:, None, None]
        response = None
        if "response_probe" in arrays.files:
            response = ShapeResponse(probe=arrays["response_probe"], shift=arrays["response_shift"])
    return noise_from_record(json.loads(resource.read_text(encoding="utf-8")), modes, response)


def noise_from_record(
    record: Mapping[str, Any], modes: Float | None = None, response: ShapeResponse | None = None
) -> LandmarkNoise:
    """Read a calibration record of the set "mediapipe478", with the common modes (b, k, 2, q) and the response.

    Raises
    ------
    InputError
        If a field is missing, has another shape, or the format is unknown.
    """
    if record.get("format_version") != 1:
        raise InputError(f"landmark noise: format {record.get('format_version')!r} is unknown; this Cephalon reads 1")
    mirror = canonical_face().mirror
    k = len(mirror)
    if "yaw_deg" not in record or not ("covariance" in record or "sigma" in record):
        raise InputError("landmark noise: expected the fields yaw_deg and covariance (or sigma)")
    yaw = as_array("yaw_deg", record["yaw_deg"], (None,))
    b = len(yaw)
    if "covariance" in record:
        covariance = as_array("covariance", record["covariance"], (b, k, 2, 2))
    else:
        covariance = as_array("sigma", record["sigma"], (b, k))[:, :, None, None] ** 2 * np.eye(2)
    hidden = record.get("hidden")
    if hidden is None:
        hidden = np.sqrt(np.trace(covariance, axis1=2, axis2=3) / 2) > _HIDDEN_SIGMA
    return LandmarkNoise(
        yaw_deg=yaw,
        covariance=covariance,
        bias=np.zeros((b, k, 2)) if record.get("bias") is None else record["bias"],
        bias_per_pitch_deg=record.get("bias_per_pitch_deg"),
        hidden=hidden,
        mirror=mirror,
        modes=modes,
        response=response,
    )


def rotate(covariance: Float, vectors: Float, roll_deg: float) -> tuple[Float, Float]:
    """Turn (k, 2, 2) covariances and (k, 2) vectors from the roll-free face into the picture."""
    turn = roll_matrix(roll_deg)
    return turn @ covariance @ turn.T, vectors @ turn.T


def roll_matrix(roll_deg: float) -> Float:
    """Return the (2, 2) rotation from the roll-free face into the picture."""
    c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    return np.array([[c, -s], [s, c]])
