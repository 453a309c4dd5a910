"""What the fit may assume: every weight is a standard deviation in a physical unit, every default has its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cephalon.core import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOptions:
    """How photos are believed to come about.

    Landmarks
    ---------
    robust_nu : degrees of freedom of the Student-t of landmark errors. 4: a point ten sigma off keeps a tenth of
        its say.
    field_share : share of a landmark's variance that its neighbours have too. An estimator that has seen the whole face
        errs in patches, not in single points; 478 points are not 478 measurements. Used where the observation
        does not say itself what its points have in common; 0 takes all errors for independent, whatever it says.
    field_length_mm : how far such an error reaches over the face (sd of a Gaussian kernel).
    tempering : the landmarks' covariance is multiplied by this when the mode is sought; 1 believes the observation.
    claim_tempering : the same again, for the Gaussian around the mode alone. On renders of known heads all measures then
        lie inside their 50 / 80 / 90 / 95 % intervals in 51 / 80 / 90 / 95 % of cases, with 1 in 48 / 77 / 87 / 93 %; the
        15 best-determined directions of identity err by sqrt(1.7) of what is claimed, with 1 by sqrt(2.5): the
        estimator's errors have a longer tail of common parts than the table holds. The product of both is stated in
        the result.
    between_photos : correlation of a point's error between photos of one person. What a landmarker misreads in a face
        it misreads in every photo of it: P photos inform as P / (1 + between_photos (P - 1)) independent ones, and the
        landmarks' covariance is multiplied by that denominator. 0 for errors that are new in each photo. With 0.6 the
        best-determined directions err about as much in units of what is claimed with three and five photos of rendered
        heads as with one; the heads themselves hardly depend on it.
    residual_scale : factor on the model's `residual_mm` (what the identity space cannot represent); 0 for heads
        that were sampled from the model itself.

    Expression
    ----------
    expression_residual : sd per axis of where a point is, as a share of how far the expression moves it there. Nobody
        smiles exactly by the 52 shapes; without this, what a smile does beyond them becomes part of the neutral head.
        Residuals of smiling photos under the identity of the same people at rest are 0.15 to 0.25 of the way; those of
        neighbours go together, which this leaves out and the larger number makes up for. 0 for faces that were made of
        the shapes.
    expression_mean, expression_sigma : each of the 52 coefficients has the density exp(-e / mean - e^2 / (2
        sigma^2)) on [0, 1]: most are 0 in any photo, a few are large, and the energy stays convex.
    pair_sigma : sd of the difference between the left and right one of a pair.
    exclusion_sigma : sd of the product of two coefficients that move the same skin opposite ways (smile and frown).
    gaze_sigma_deg : sd of the eyes' turn away from straight ahead. People look at the camera; a turned head turns them.
    vergence_sigma_deg : sd of the difference between both eyes' turns.

    Camera
    ------
    focal35_mm, focal35_log_sigma : log-normal prior of the 35 mm-equivalent focal length without a record of it. Phones
        have 24-28 mm (selfies too), portrait lenses 50-135 mm, and cropping a picture lengthens it: 45 mm, factor 1.65.
    known_focal_log_sigma : the same where the focal length is recorded; 3 % is the rounding of such records.
    distance_mm, distance_log_sigma : log-normal prior of the camera's distance: from a selfie at 0.35 m to a
        portrait at 3 m.
    radial : estimate a radial distortion k1 with sd `radial_sigma`. Off: one face does not tell it from its shape.

    Solver
    ------
    modes : number of identity modes to estimate, the rest stay 0; None for all.
    max_iterations : Levenberg-Marquardt steps at most.
    tolerance : stop when no more than this is left to gain (nats), as the last two steps foretell: far below what
        the data can tell.
    poor_percent : a photo whose median error is above this share of the outer eye distance is "poor".
    disagreement : a photo is named when its identity lies this many times farther from the others' than both claim
        (ratio of chi-square to its expectation).
    """

    robust_nu: float = 4.0
    field_share: float = 0.82
    field_length_mm: float = 20.0
    tempering: float = 1.0
    claim_tempering: float = 2.0
    between_photos: float = 0.6
    residual_scale: float = 1.0

    expression_residual: float = 0.5
    expression_mean: float = 0.12
    expression_sigma: float = 0.7
    pair_sigma: float = 0.1
    exclusion_sigma: float = 0.05
    gaze_sigma_deg: float = 15.0
    vergence_sigma_deg: float = 3.0

    focal35_mm: float = 45.0
    focal35_log_sigma: float = 0.5
    known_focal_log_sigma: float = 0.03
    distance_mm: float = 1000.0
    distance_log_sigma: float = 0.8
    radial: bool = False
    radial_sigma: float = 0.05

    modes: int | None = None
    max_iterations: int = 40
    tolerance: float = 0.02
    poor_percent: float = 6.0
    disagreement: float = 4.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "radial":
                continue
            if item.name == "modes":
                if value is not None and not (isinstance(value, int) and value >= 1):
                    raise InputError(f"modes: expected a whole number from 1 or None, got {value!r}")
                continue
            low_is_fine = item.name in ("residual_scale", "expression_residual", "field_share", "between_photos")
            if not (isinstance(value, (int, float)) and 0 <= value < float("inf") and (value > 0 or low_is_fine)):
                raise InputError(f"{item.name}: expected a finite number above 0, got {value!r}")
        if not self.field_share < 1:
            raise InputError(f"field_share: expected a share below 1, got {self.field_share}")
        if self.between_photos > 1:
            raise InputError(f"between_photos: expected a correlation from 0 to 1, got {self.between_photos}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cues:
    """What is known of the person beside the photos; each that is given becomes a factor and is named in the result.

    Attributes
    ----------
    ipd_mm, ipd_sigma_mm : interpupillary distance for far sight, mm. An optician's instrument is good to 0.5 mm and the
        model's eye centres stand for pupils at infinity to about the same.
    age_years, sex, weight, ancestry : as in `cephalon.head.link.features`; they move the identity prior.
    iris_mm, iris_sigma_mm : visible iris diameter across, mm, in the population; used where the landmarks have
        iris rings. None switches the cue off.
    """

    ipd_mm: float | None = None
    ipd_sigma_mm: float = 0.7
    age_years: float | None = None
    sex: str | None = None
    weight: float | None = None
    ancestry: Mapping[str, float] | None = None
    iris_mm: float | None = 11.7
    iris_sigma_mm: float = 0.5

    def __post_init__(self) -> None:
        bounds = {
            "ipd_mm": (20.0, 100.0),
            "ipd_sigma_mm": (0.01, 20.0),
            "iris_mm": (5.0, 20.0),
            "iris_sigma_mm": (0.01, 5.0),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise InputError(f"{name}: expected {low:g} to {high:g} mm, got {value!r}")

    def covariates(self) -> dict[str, object]:
        """Return what moves the identity prior, by the names `HeadModel.link.condition` takes."""
        given = {"age": self.age_years, "sex": self.sex, "weight": self.weight, "ancestry": self.ancestry}
        return {name: value for name, value in given.items() if value is not None}
