"""From observations, options and cues to the list of factors: the one place that knows which factors there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, NoHeadError
from cephalon.fit.factors import (
    CameraFactor,
    ExclusionFactor,
    IpdFactor,
    IrisFactor,
    LandmarkFactor,
    LinearFactor,
)
from cephalon.fit.options import Cues, FitOptions
from cephalon.fit.points import IRIS_ROWS, PointModel, point_model, responding_model, smooth_modes
from cephalon.fit.terms import Factor, square_root
from cephalon.fit.unknowns import Layout
from cephalon.geometry import Camera
from cephalon.head import HeadModel
from cephalon.values import Observation, PointObservation

Float = NDArray[np.float64]

# ARKit coefficients that move the same skin opposite ways.
_EXCLUDE = (
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    ("mouthSmileLeft", "mouthFrownLeft"),
    ("mouthSmileRight", "mouthFrownRight"),
    ("mouthSmileLeft", "mouthPucker"),
    ("mouthSmileRight", "mouthPucker"),
    ("mouthStretchLeft", "mouthPucker"),
    ("mouthStretchRight", "mouthPucker"),
    ("eyeBlinkLeft", "eyeWideLeft"),
    ("eyeBlinkRight", "eyeWideRight"),
    ("eyeSquintLeft", "eyeWideLeft"),
    ("eyeSquintRight", "eyeWideRight"),
    ("browDownLeft", "browOuterUpLeft"),
    ("browDownRight", "browOuterUpRight"),
    ("eyeLookInLeft", "eyeLookOutLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("eyeLookUpLeft", "eyeLookDownLeft"),
    ("eyeLookUpRight", "eyeLookDownRight"),
    ("mouthRollLower", "mouthShrugLower"),
    ("mouthFunnel", "mouthPucker"),
)
# The first stays below the second: lips close only against an opening jaw.
_ORDERED = (("mouthClose", "jawOpen"),)
# Left and right names that are no pair: to the left and to the right are two moves of one thing.
_UNPAIRED = ("jawLeft", "mouthLeft", "eyeLookInLeft", "eyeLookOutLeft")
_CROSS_PAIRS = (("eyeLookInLeft", "eyeLookOutRight"), ("eyeLookOutLeft", "eyeLookInRight"))

# Relative sd of a measured iris diameter beside the landmarks' own: lids, lashes and blur (4.3 % mean error is
# published for depth from such a ring, both eyes together).
_IRIS_MEASURE_SIGMA = 0.05
_IRIS_LEAST_PX = 3.0
# A ring whose narrow axis is below this share of the wide one is a closing lid or a wild guess.
_IRIS_LEAST_ROUND = 0.6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """All factors of a fit, by what they are about, and which unknowns are free.

    Attributes
    ----------
    factors : every factor.
    landmarks : per photo, those that are landmarks (also in `factors`).
    free : per photo, which of its unknowns are estimated (the smooth error always is).
    focal_px : per photo, the prior's median.
    prior_mean, prior_factor : identity ~ N(mean, factor factor^T) before any photo; None for the unit matrix.
    covariates : names of what is known of the person and moved that prior.
    """

    layout: Layout
    factors: tuple[Factor, ...]
    landmarks: tuple[tuple[LandmarkFactor, ...], ...]
    iris: tuple[IrisFactor, ...]
    free: tuple[NDArray[np.bool_], ...]
    focal_px: tuple[float, ...]
    prior_mean: Float
    prior_factor: Float | None
    covariates: tuple[str, ...]

    def thinned(self, most: int) -> Problem:
        """Return the problem with evenly picked rows, at most that many, of each set of landmarks."""
        thin = {id(f): f.thinned(most) for own in self.landmarks for f in own if len(f.points) > most}
        return replace(
            self,
            factors=tuple(thin.get(id(f), f) for f in self.factors),
            landmarks=tuple(tuple(thin.get(id(f), f) for f in own) for own in self.landmarks),
        )


def build_problem(
    observations: Sequence[Observation], model: HeadModel, options: FitOptions, cues: Cues, *, young: bool = False
) -> Problem:
    """Return the factors for a set of observations of one person; `young` says that it is a child of unknown age.

    Raises
    ------
    InputError
        If an observation names a point set that the model lacks, or has another number of points.
    NoHeadError
        If a photo has no visible point.
    """
    if not observations:
        raise InputError("fit: expected at least one observation")
    b = len(model.expression_names)
    used = [[_usable(seen, model, options) for seen in observation.points] for observation in observations]
    fields = tuple(sum(_field_size(seen, model, options) for seen in o.points) for o in observations)
    k = model.identity_count if options.modes is None else min(options.modes, model.identity_count)
    layout = Layout(modes=k, expressions=b, fields=fields)
    factors: list[Factor] = []
    prior_mean, prior_factor = _identity_prior(model, cues, k, factors, young=young)
    everyone = point_model(model, next(iter(model.point_sets)), options.modes)
    if cues.ipd_mm is not None:
        factors.append(
            IpdFactor(
                eye_mean=everyone.eye_mean, eye_basis=everyone.eye_basis, ipd_mm=cues.ipd_mm, sigma_mm=cues.ipd_sigma_mm
            )
        )
    factors.append(LinearFactor.of(None, "iris", np.eye(1), slice(k, k + 1)))
    landmarks, irises, free, focals = [], [], [], []
    for p, observation in enumerate(observations):
        own, iris, sees_eyes = _photo_landmarks(p, observation, used[p], model, layout, options, cues, prior_factor)
        if sum(len(factor.points) for factor in own) < 4:
            raise NoHeadError(f"photo {p + 1}: a head's pose needs at least 4 visible points")
        landmarks.append(tuple(own))
        irises += iris
        factors += [*own, *iris]
        focal_px, camera = _camera_factor(p, observation, layout, options)
        focals.append(focal_px)
        factors.append(camera)
        factors += _expression_factors(p, observation, model, layout, options)
        factors.append(_gaze_factor(p, layout, options))
        s, q = layout.shared, layout.photo(p)
        factors.append(LinearFactor.of(p, "field", np.eye(fields[p]), slice(s + layout.field.start, s + q)))
        mask = np.ones(layout.own, dtype=bool)
        mask[layout.gaze] = sees_eyes
        mask[layout.radial] = options.radial
        free.append(mask)
    return Problem(
        layout=layout,
        factors=tuple(factors),
        landmarks=tuple(landmarks),
        iris=tuple(irises),
        free=tuple(free),
        focal_px=tuple(focals),
        prior_mean=prior_mean,
        prior_factor=prior_factor,
        covariates=("youth",) * young + tuple(cues.covariates()),
    )


def _identity_prior(
    model: HeadModel, cues: Cues, k: int, factors: list[Factor], *, young: bool
) -> tuple[Float, Float | None]:
    covariates = cues.covariates()
    if not covariates and not young:
        factors.append(LinearFactor.of(None, "identity", np.eye(k), slice(0, k)))
        return np.zeros(k), None
    mean, factor = (model.link.condition_young if young else model.link.condition)(**covariates)
    mean, covariance = mean[:k], (factor @ factor.T)[:k, :k]
    lower: Float = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    whiten: Float = np.asarray(np.linalg.inv(lower), dtype=np.float64)
    factors.append(LinearFactor.of(None, "identity", whiten, slice(0, k), whiten @ mean))
    return mean, lower


def _usable(seen: PointObservation, model: HeadModel, options: FitOptions) -> NDArray[np.intp]:
    """Return the rows of a point observation that take part: visible, and of an iris its centre alone.

    The ring's size is a cue of its own (`IrisFactor`); as points, the model's iris would be believed to be exact.
    """
    points = point_model(model, seen.set_name, options.modes)
    if len(points) != len(seen.position):
        raise InputError(f"{seen.set_name}: the model has {len(points)} points, the observation {len(seen.position)}")
    use = np.array(seen.visible)
    for _, ring in IRIS_ROWS.get(seen.set_name, ()):
        use[list(ring)] = False
    return np.flatnonzero(use)


def _field_size(seen: PointObservation, model: HeadModel, options: FitOptions) -> int:
    shift = 2 if seen.common_sigma_px > 0 else 0
    if options.field_share == 0:
        return shift
    if seen.common is not None:
        return seen.common.shape[2] + shift
    return 2 * smooth_modes(model, seen.set_name, options.field_length_mm).shape[1] + shift


def _photo_landmarks(
    p: int,
    observation: Observation,
    used: Sequence[NDArray[np.intp]],
    model: HeadModel,
    layout: Layout,
    options: FitOptions,
    cues: Cues,
    prior_factor: Float | None,
) -> tuple[list[LandmarkFactor], list[IrisFactor], bool]:
    landmarks, irises, start, sees_eyes = [], [], 0, False
    size = (observation.width, observation.height)
    for index, (seen, rows) in enumerate(zip(observation.points, used, strict=True)):
        whole = point_model(model, seen.set_name, options.modes)
        count = _field_size(seen, model, options)
        columns, start = slice(start, start + count), start + count
        field, rest = _smooth_error(seen, rows, model, options, count)
        points = responding_model(model, seen.set_name, options.modes, seen.response).take(rows)
        sees_eyes |= bool((points.eye_weight > 0.99).any())
        if len(rows):
            landmarks.append(
                LandmarkFactor(
                    photo=p,
                    layout=layout,
                    size=size,
                    set_index=index,
                    rows=rows,
                    points=points,
                    position=seen.position[rows],
                    covariance=rest,
                    field=field,
                    field_columns=columns,
                    prior_covariance=_prior_spread(points, prior_factor, options),
                    residual_scale=options.residual_scale * float(np.sqrt(options.tempering)),
                    expression_residual=options.expression_residual * float(np.sqrt(options.tempering)),
                    nu=options.robust_nu,
                )
            )
        if cues.iris_mm is not None:
            irises += _iris_factor(p, seen, whole, layout, options, cues, cues.iris_mm)
    return landmarks, irises, sees_eyes


def _smooth_error(
    seen: PointObservation, rows: NDArray[np.intp], model: HeadModel, options: FitOptions, count: int
) -> tuple[Float, Float]:
    """Split a set's covariance into a common field (m, 2, q) px per coefficient and an independent rest (m, 2, 2).

    The field is what the observation says of it, else smooth over the face.
    """
    covariance = options.tempering * seen.covariance[rows]
    field = np.zeros((len(rows), 2, count))
    if options.field_share > 0 and seen.common is not None:
        common = np.sqrt(options.tempering) * seen.common[rows]
        field[:, :, : common.shape[2]] = common
        covariance = covariance - common @ common.transpose(0, 2, 1)
    elif options.field_share > 0:
        modes = smooth_modes(model, seen.set_name, options.field_length_mm)[rows] * np.sqrt(options.field_share)
        root = square_root(covariance)
        q = modes.shape[1]
        field[:, :, :q] = root[:, :, :1] * modes[:, None, :]
        field[:, :, q : 2 * q] = root[:, :, 1:] * modes[:, None, :]
        covariance = covariance * (1.0 - (modes**2).sum(axis=1))[:, None, None]
    if seen.common_sigma_px > 0:
        field[:, 0, -2] = field[:, 1, -1] = seen.common_sigma_px
    return field, covariance


def _prior_spread(points: PointModel, prior_factor: Float | None, options: FitOptions) -> Float:
    identity = points.basis[:, :, : points.modes]
    if prior_factor is not None:
        identity = identity @ prior_factor
    expression = points.basis[:, :, points.modes :] * (2 * options.expression_mean)
    return np.einsum("mak,mbk->mab", identity, identity) + np.einsum("mak,mbk->mab", expression, expression)


def _iris_factor(
    p: int, seen: PointObservation, whole: PointModel, layout: Layout, options: FitOptions, cues: Cues, iris_mm: float
) -> list[IrisFactor]:
    rows, diameters, sigmas = [], [], []
    for centre, ring in IRIS_ROWS.get(seen.set_name, ()):
        index = list(ring)
        if not seen.visible[[centre, *ring]].all():
            continue
        side, top, other, bottom = seen.position[index]
        # An ellipse seen at four points a quarter turn apart: its half axes are the singular values of two half
        # diagonals.
        wide, narrow = 2 * np.linalg.svd(0.5 * np.column_stack([other - side, bottom - top]), compute_uv=False)
        if wide < _IRIS_LEAST_PX or narrow < _IRIS_LEAST_ROUND * wide:
            continue
        noise = np.sqrt(np.trace(seen.covariance[index].mean(axis=0)) * options.tempering) / wide
        rows.append(centre)
        diameters.append(float(wide))
        sigmas.append(float(np.hypot(_IRIS_MEASURE_SIGMA, noise)))
    if not rows:
        return []
    return [
        IrisFactor(
            photo=p,
            layout=layout,
            points=whole.take(np.array(rows)),
            diameter_px=np.array(diameters),
            sigma=np.array(sigmas),
            iris_mm=iris_mm,
            iris_sigma_mm=cues.iris_sigma_mm,
            nu=options.robust_nu,
        )
    ]


def _camera_factor(p: int, observation: Observation, layout: Layout, options: FitOptions) -> tuple[float, CameraFactor]:
    known = observation.focal35_mm is not None
    focal35 = observation.focal35_mm if observation.focal35_mm is not None else options.focal35_mm
    focal_px = Camera.from_focal35(observation.width, observation.height, focal35).focal_px
    return focal_px, CameraFactor(
        photo=p,
        layout=layout,
        log_focal=float(np.log(focal_px)),
        log_focal_sigma=options.known_focal_log_sigma if known else options.focal35_log_sigma,
        log_distance=float(np.log(options.distance_mm)),
        log_distance_sigma=options.distance_log_sigma,
        radial_sigma=options.radial_sigma,
    )


_READ_SIGMA = 0.25
"""A coefficient read with a smaller sd counts as read: it is not also held to be sparse."""


def _expression_factors(
    p: int, observation: Observation, model: HeadModel, layout: Layout, options: FitOptions
) -> list[Factor]:
    names = model.expression_names
    place = {name: i for i, name in enumerate(names)}
    b, start = len(names), layout.shared + layout.expression.start
    columns = slice(start, start + b)
    sigma = options.expression_sigma
    reading = (
        observation.expression if observation.expression is not None and b == len(observation.expression.mean) else None
    )
    # e / mean + e^2 / (2 sigma^2) = (e / sigma + sigma / mean)^2 / 2 + constant. Sparseness is for what nobody has read:
    # a face that reads as a smile is not to be talked out of it.
    sparse = np.ones(b) if reading is None else (reading.sigma >= _READ_SIGMA).astype(float)
    rows, target = [np.eye(b) / sigma], [-sparse * sigma / options.expression_mean]
    pairs = [
        (name, name.removesuffix("Left") + "Right")
        for name in names
        if name.endswith("Left") and name not in _UNPAIRED and name.removesuffix("Left") + "Right" in place
    ]
    pairs += [pair for pair in _CROSS_PAIRS if pair[0] in place and pair[1] in place]
    if pairs:
        difference = np.zeros((len(pairs), b))
        for row, (left, right) in enumerate(pairs):
            difference[row, place[left]], difference[row, place[right]] = 1.0, -1.0
        rows.append(difference / options.pair_sigma)
        target.append(np.zeros(len(pairs)))
    if reading is not None:
        rows.append(np.diag(1.0 / reading.sigma))
        target.append(reading.mean / reading.sigma)

    def indices(table: tuple[tuple[str, str], ...], side: int) -> NDArray[np.intp]:
        return np.array([place[pair[side]] for pair in table if pair[0] in place and pair[1] in place], dtype=np.intp)

    return [
        LinearFactor.of(p, "expression", np.concatenate(rows), columns, np.concatenate(target)),
        ExclusionFactor(
            photo=p,
            layout=layout,
            first=indices(_EXCLUDE, 0),
            second=indices(_EXCLUDE, 1),
            lower=indices(_ORDERED, 0),
            upper=indices(_ORDERED, 1),
            sigma=options.exclusion_sigma,
        ),
    ]


def _gaze_factor(p: int, layout: Layout, options: FitOptions) -> LinearFactor:
    start = layout.shared + layout.gaze.start
    columns = slice(start, start + 4)
    together = np.array([[1.0, 0.0, -1.0, 0.0], [0.0, 1.0, 0.0, -1.0]])
    rows = np.concatenate(
        [np.eye(4) / np.radians(options.gaze_sigma_deg), together / np.radians(options.vergence_sigma_deg)]
    )
    return LinearFactor.of(p, "gaze", rows, columns)
