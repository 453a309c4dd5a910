"""What the stages hand to each other: observations, posteriors, textures, measures.

Photo -> `Observation` -> `Posterior` -> `Texture` -> `Head` -> files. Every record is frozen, checks its fields once and
makes its arrays read-only; derived values are functions of them. Frames and units: docs/conventions.md.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.geometry import Camera, Rigid

Float = NDArray[np.float64]


def _set(record: object, name: str, value: object) -> None:
    object.__setattr__(record, name, value)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShapeResponse:
    """How an estimator's points follow the shape of a head: not fully, since it has a habit of average faces.

    Where the k surface points of a head lie by x (k, 3) mm from those of the mean head, the estimator puts them at
    x + shift @ (probe . x), still mm in the head frame. It holds for every head model with the same named points.

    Attributes
    ----------
    probe : (q, k, 3) directions of shape, per mm.
    shift : (k, 3, q) mm of each point per unit of probe.
    """

    probe: Float
    shift: Float

    def __post_init__(self) -> None:
        probe = as_array("probe", self.probe, (None, None, 3))
        _set(self, "probe", probe)
        _set(self, "shift", as_array("shift", self.shift, (probe.shape[1], 3, len(probe))))

    def of(self, deviations: Float) -> Float:
        """Return (k, 3, c) mm by which the points stray, for c deviations (k, 3, c) mm from the mean head."""
        return self.shift @ np.tensordot(self.probe, deviations, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointObservation:
    """Positions of the points of one named set in one photo, with their uncertainty.

    Attributes
    ----------
    set_name : a point set of the head model, for example "ibug68" or "mediapipe478".
    position : (k, 2) px, pixel-centre convention; rows with `visible` False hold any finite number.
    covariance : (k, 2, 2) px^2, symmetric positive definite: what the estimator claims, calibrated.
    visible : (k,) bool; False means absent (not measured, cut off, hidden beyond use).
    common_sigma_px : sd of an error shared by all points of this photo (a shift of the whole set), 0 if none is modelled.
    common : (k, 2, q) px, the part of the covariance that the points have in common, if it was measured: an error is
        common @ c + rest with c ~ N(0, I) and independent rests of covariance - common common^T. None if unknown.
    response : how the points follow the head's shape, if it was measured; the covariance is then what is left.
    """

    set_name: str
    position: Float
    covariance: Float
    visible: NDArray[np.bool_]
    common_sigma_px: float = 0.0
    common: Float | None = None
    response: ShapeResponse | None = None

    def __post_init__(self) -> None:
        position = as_array("position", self.position, (None, 2))
        _set(self, "position", position)
        covariance = as_array("covariance", self.covariance, (len(position), 2, 2))
        _set(self, "covariance", covariance)
        _set(self, "visible", as_array("visible", self.visible, (len(position),), bool))
        determinant = covariance[:, 0, 0] * covariance[:, 1, 1] - covariance[:, 0, 1] * covariance[:, 1, 0]
        if (determinant <= 0).any() or (covariance[:, 0, 0] <= 0).any():
            raise InputError("covariance: every point needs a positive definite 2 x 2 matrix in px^2")
        if not (np.isfinite(self.common_sigma_px) and self.common_sigma_px >= 0):
            raise InputError(f"common_sigma_px: expected a number >= 0, got {self.common_sigma_px!r}")
        if self.common is not None:
            common = as_array("common", self.common, (len(position), 2, None))
            _set(self, "common", common)
            if (np.linalg.eigvalsh(covariance - common @ common.transpose(0, 2, 1)) <= 0).any():
                raise InputError("common: expected less than the covariance of every point")
        if self.response is not None and len(self.response.shift) != len(position):
            raise InputError(f"response: expected {len(position)} points, got {len(self.response.shift)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionObservation:
    """An estimator's reading of the 52 ARKit coefficients: `mean` and `sigma`, both (52,)."""

    mean: Float
    sigma: Float

    def __post_init__(self) -> None:
        _set(self, "mean", as_array("expression mean", self.mean, (52,)))
        _set(self, "sigma", as_array("expression sigma", self.sigma, (52,)))
        if (self.sigma <= 0).any():
            raise InputError("expression sigma: expected numbers > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One head in one photo, as an estimator (or the user) saw it.

    Attributes
    ----------
    width, height : size of the photo, px.
    points : the measured point sets.
    expression : a reading of the expression coefficients, if the source gives one.
    focal35_mm : 35 mm-equivalent focal length from the picture's own record or the user; None if unknown.
    segmentation : (height, width) uint8 labels, indices into `segmentation_names`; None if there is none.
    source : who measured, for the report ("file landmarks.json", "MediaPipe face landmarker").
    """

    width: int
    height: int
    points: tuple[PointObservation, ...]
    expression: ExpressionObservation | None = None
    focal35_mm: float | None = None
    segmentation: NDArray[np.uint8] | None = None
    segmentation_names: tuple[str, ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise InputError(f"observation: expected a picture size >= 1 px, got {self.width} x {self.height}")
        if not self.points:
            raise InputError("observation: expected at least one point set")
        if self.segmentation is not None:
            labels = as_array("segmentation", self.segmentation, (self.height, self.width), np.uint8)
            _set(self, "segmentation", labels)
            if int(labels.max(initial=0)) >= len(self.segmentation_names):
                raise InputError("segmentation: a label has no name in segmentation_names")


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoFit:
    """What the fit found for one photo.

    Attributes
    ----------
    camera : the pinhole camera of the photo, px.
    camera_from_head : the head's pose; mm.
    expression : (52,) ARKit coefficients in [0, 1].
    joint_rotvecs : (j, 3) rad, rotation of each joint of the model about its rest position (gaze is in the eye joints).
    reprojection_px : median distance between measured and predicted points, px.
    reprojection_percent : the same in percent of the outer eye distance in this photo.
    points_px : (k, 2) predicted positions of the first point set, px, for overlays.
    inlier : (k,) weight in [0, 1] that each point kept after the robust fit.
    focal_sigma : sd of log focal length.
    status : "ok", or "disagrees" when this photo does not go with the others, or "poor" for a large error.
    """

    camera: Camera
    camera_from_head: Rigid
    expression: Float
    joint_rotvecs: Float
    reprojection_px: float
    reprojection_percent: float
    points_px: Float
    inlier: Float
    focal_sigma: float
    status: str = "ok"
    reason: str = ""

    @property
    def distance_mm(self) -> float:
        """Distance from the camera to the head's origin, mm."""
        return float(np.linalg.norm(self.camera_from_head.translation))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleCue:
    """One source of absolute size: `name`, the value it states with its sd (unit in `unit`), and what the fit says of it."""

    name: str
    value: float
    sigma: float
    unit: str
    fitted: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """The Gaussian around the joint MAP: shared identity, and a `PhotoFit` per photo.

    Attributes
    ----------
    identity : (k,) whitened coefficients of the mode.
    identity_sqrt_precision : (k, k) upper triangular R with R^T R = marginal precision of the identity
        (per-photo unknowns eliminated), after tempering.
    tempering : factor that the data's covariance was multiplied by (1 = none), stated, never silent.
    cues : the scale cues that acted.
    status : "converged" or "not converged"; `reason` says why in words.
    """

    identity: Float
    identity_sqrt_precision: Float
    photos: tuple[PhotoFit, ...]
    cues: tuple[ScaleCue, ...]
    status: str
    reason: str = ""
    iterations: int = 0
    energy: float = 0.0
    tempering: float = 1.0

    def __post_init__(self) -> None:
        _set(self, "identity", as_array("identity", self.identity, (None,)))
        k = len(self.identity)
        _set(self, "identity_sqrt_precision", as_array("identity_sqrt_precision", self.identity_sqrt_precision, (k, k)))

    def identity_factor(self) -> Float:
        """Return (k, k) F with F F^T = covariance of the identity: sample as identity + F @ N(0, I)."""
        from scipy.linalg import solve_triangular

        return solve_triangular(self.identity_sqrt_precision, np.eye(len(self.identity)), lower=False)

    def identity_covariance(self) -> Float:
        """Return the (k, k) covariance of the identity."""
        factor = self.identity_factor()
        return factor @ factor.T

    def sample_identity(self, *, rng: np.random.Generator, count: int = 1) -> Float:
        """Draw (count, k) identities from the posterior."""
        return self.identity + rng.standard_normal((count, len(self.identity))) @ self.identity_factor().T


@dataclass(frozen=True, slots=True, kw_only=True)
class Texture:
    """The skin's appearance in the model's skin UV (image row 0 is v = 1).

    Attributes
    ----------
    albedo_srgb : (s, s, 3) uint8, light divided out.
    provenance : (s, s) uint8 codes, names in `provenance_names`: which photo a texel came from, mirrored, completed, outside.
    provenance_names : name of each code, for example ("outside", "photo 1", "mirrored", "completed").
    iris_srgb : (2, 3) uint8 colour of the left and right iris.
    iris_seen : (2,) bool, False where the colour is a default.
    light : (p, 9, 3) spherical-harmonic coefficients of the light in each photo, camera frame, linear RGB.
    """

    albedo_srgb: NDArray[np.uint8]
    provenance: NDArray[np.uint8]
    provenance_names: tuple[str, ...]
    iris_srgb: NDArray[np.uint8]
    iris_seen: NDArray[np.bool_]
    light: Float

    def __post_init__(self) -> None:
        albedo = as_array("albedo_srgb", self.albedo_srgb, (None, None, 3), np.uint8)
        _set(self, "albedo_srgb", albedo)
        _set(self, "provenance", as_array("provenance", self.provenance, albedo.shape[:2], np.uint8))
        _set(self, "iris_srgb", as_array("iris_srgb", self.iris_srgb, (2, 3), np.uint8))
        _set(self, "iris_seen", as_array("iris_seen", self.iris_seen, (2,), bool))
        _set(self, "light", as_array("light", self.light, (None, 9, 3)))
        if int(self.provenance.max(initial=0)) >= len(self.provenance_names):
            raise InputError("provenance: a code has no name in provenance_names")

    def shares(self) -> dict[str, float]:
        """Share of the skin's texels from each source (without "outside")."""
        counts = np.bincount(self.provenance.reshape(-1), minlength=len(self.provenance_names)).astype(float)
        inside = {name: counts[i] for i, name in enumerate(self.provenance_names) if name != "outside"}
        total = max(sum(inside.values()), 1.0)
        return {name: count / total for name, count in inside.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A length on the head with its posterior sd, both mm."""

    mm: float
    sigma_mm: float

    def __float__(self) -> float:
        """Return the length itself, mm."""
        return self.mm

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Return the central interval that holds `level` of the posterior, mm."""
        from scipy.special import ndtri

        half = float(ndtri(0.5 + level / 2)) * self.sigma_mm
        return self.mm - half, self.mm + half
