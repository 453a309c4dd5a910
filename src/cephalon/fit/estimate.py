"""The fit from start to end: build the factors, find starts, minimise, describe the mode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cephalon.fit.factors import LandmarkFactor
from cephalon.fit.initial import Pose, best_combination, starting_poses
from cephalon.fit.options import Cues, FitOptions
from cephalon.fit.points import EYES, point_model, responding_model
from cephalon.fit.posterior import Gaussian, gaussian
from cephalon.fit.problem import Problem, build_problem
from cephalon.fit.size import size_factor
from cephalon.fit.solver import Solution, linearised, solve
from cephalon.fit.terms import group_weights, loss
from cephalon.fit.unknowns import PhotoState, State
from cephalon.head import HeadModel
from cephalon.values import Observation, PhotoFit, Posterior, ScaleCue

Float = NDArray[np.float64]

# Shares of the prior's variance in the landmarks' noise in the first steps: the mean head is far from its points
# at first, and a Student-t would call the person an outlier.
_SLACK = (0.3, 0.03)
# The way is found with this many points of each set and leading modes, and to this many nats; the solution goes on from
# there with all of them.
_COARSE = 120
_COARSE_MODES = 60
_ROUGH = 0.3
# Before the photos are seen: one person in twenty is a child of unknown age, the rest are grown.
_YOUNG_LOG_ODDS = float(np.log(1 / 19))
# A child is tried where the slope at the grown mode promises so many nats at a child's mean distance: the promise is twice
# what the whole way brings, of which the odds and the wider prior take some five.
_PULL = 8.0
_EYE_CORNERS = ("now7", 0, 3)


def fit(
    observations: Sequence[Observation], model: HeadModel, options: FitOptions | None = None, cues: Cues | None = None
) -> Posterior:
    """Return the head that explains the observations of one person best, and the Gaussian around it.

    Minimises the sum of all factors' losses (see `problem.build_problem`) by Levenberg-Marquardt with the
    per-photo unknowns eliminated; the posterior is the Laplace approximation at the mode.

    Parameters
    ----------
    observations : one per photo, all of the same person.
    model : the head model; its point sets must include those of the observations.
    options, cues : assumptions and side knowledge; defaults when not given.

    Returns
    -------
    Posterior
        With `status` "converged" or "not converged" and a `PhotoFit` per observation, in their order.

    Raises
    ------
    InputError
        If an observation does not go with the model, or a cue is out of range.
    NoHeadError
        If a photo has too few visible points to hold a head.
    """
    options, cues = options or FitOptions(), cues or Cues()
    shared_error = 1 + options.between_photos * (len(observations) - 1)
    options = replace(options, tempering=options.tempering * shared_error)
    problem, best = _mode(observations, model, options, cues, young=False)
    if cues.age_years is None and _pull_to_youth(best.state, model) > _PULL:
        rival = _mode(observations, model, options, cues, young=True)
        if _log_evidence(*rival) + _YOUNG_LOG_ODDS > _log_evidence(problem, best):
            problem, best = rival
    return _describe(problem, best, observations, model, options, cues)


def _mode(
    observations: Sequence[Observation], model: HeadModel, options: FitOptions, cues: Cues, *, young: bool
) -> tuple[Problem, Solution]:
    """Return the problem and its mode, of a grown person (or of the age stated) or of a child of unknown age."""
    problem = build_problem(observations, model, options, cues, young=young)
    few = replace(options, modes=min(_COARSE_MODES, problem.layout.modes))
    coarse = build_problem(observations, model, few, cues, young=young).thinned(_COARSE)
    starts = best_combination([_poses(problem, observations[p], p, options) for p in range(len(observations))])
    found = [
        solve(
            coarse.factors,
            _start(coarse, poses),
            coarse.layout,
            coarse.free,
            max_iterations=options.max_iterations,
            tolerance=max(options.tolerance, _ROUGH),
            slack=_SLACK,
        )
        for poses in starts
    ]
    near = min(found, key=lambda solution: solution.energy)
    near = replace(near, state=replace(near.state, identity=_completed(problem, near.state.identity)))
    begin = linearised(problem.factors, near.state, problem.layout)
    size = size_factor(problem, near.state)
    if size is not None:
        problem, begin = replace(problem, factors=(*problem.factors, size)), begin.joined_by(size, near.state)
    best = solve(
        problem.factors,
        near.state,
        problem.layout,
        problem.free,
        max_iterations=options.max_iterations,
        tolerance=options.tolerance,
        begin=begin,
    )
    # a linear term stands in the energy as a parabola far up its side: that height means nothing
    height = 0.0 if size is None else loss(*size.residual(best.state))
    best = replace(best, iterations=near.iterations + best.iterations, energy=best.energy - height)
    return problem, best


def _pull_to_youth(state: State, model: HeadModel) -> float:
    """Return how fast the observations' energy falls from a grown mode on the way to childhood, times its mean length.

    The prior of a grown person is N(0, 1) in the coordinates of growth, so at the mode they are the slope itself.
    """
    growth = model.link.growth
    if growth is None:
        return 0.0
    way = growth.way[:-1].mean(axis=(0, 1))
    coordinates = state.identity[: growth.count]
    return float(coordinates @ way[: len(coordinates)])


def _log_evidence(problem: Problem, solution: Solution) -> float:
    """Return the log density of the observations by Laplace's approximation, but for what all priors of identity share."""
    posterior = np.log(np.diag(gaussian(problem, solution).sqrt_precision)).sum()
    prior = 0.0 if problem.prior_factor is None else np.log(np.diag(problem.prior_factor)).sum()
    return float(-solution.energy - posterior - prior)


def _poses(problem: Problem, observation: Observation, p: int, options: FitOptions) -> list[Pose]:
    """Return the starting poses of a photo, the largest set of points deciding."""
    factor = max(problem.landmarks[p], key=lambda f: len(f.points))
    weights = np.concatenate([problem.prior_mean, np.zeros(problem.layout.expressions)])
    return starting_poses(
        factor.points.positions(weights, np.zeros((2, 2))),
        factor.prior_covariance,
        factor.position,
        factor.covariance,
        size=factor.size,
        focal_px=problem.focal_px[p],
        nu=options.robust_nu,
    )


def _completed(problem: Problem, leading: Float) -> Float:
    """Return the identity (k,) that the prior expects given its first coefficients."""
    identity, count = problem.prior_mean.copy(), len(leading)
    identity[:count] = leading
    if problem.prior_factor is not None and count < len(identity):
        own = np.linalg.solve(problem.prior_factor[:count, :count], leading - problem.prior_mean[:count])
        identity[count:] += problem.prior_factor[count:, :count] @ own
    return identity


def _start(problem: Problem, poses: tuple[Pose, ...]) -> State:
    photos = tuple(
        PhotoState(
            expression=np.zeros(problem.layout.expressions),
            gaze=np.zeros((2, 2)),
            rotation=pose.rotation,
            place=pose.place,
            log_focal=pose.log_focal,
            pivot=pose.pivot,
            radial=0.0,
            field=np.zeros(problem.layout.fields[p]),
        )
        for p, pose in enumerate(poses)
    )
    return State(identity=problem.prior_mean.copy(), iris=0.0, photos=photos)


def _describe(
    problem: Problem,
    solution: Solution,
    observations: Sequence[Observation],
    model: HeadModel,
    options: FitOptions,
    cues: Cues,
) -> Posterior:
    around = gaussian(problem, _widened(solution, options.claim_tempering))
    landmarks = [f for f in solution.factors if isinstance(f, LandmarkFactor)]
    photos = []
    for p, observation in enumerate(observations):
        own = [f for f in landmarks if f.photo == p]
        photos.append(_photo_fit(p, observation, own, solution.state, around, model, options))
    photos = _name_strangers(photos, around.disagreement, options)
    identity = np.zeros(model.identity_count)
    identity[: problem.layout.modes] = solution.state.identity
    precision = np.eye(model.identity_count)
    precision[: problem.layout.modes, : problem.layout.modes] = around.sqrt_precision
    return Posterior(
        identity=identity,
        identity_sqrt_precision=precision,
        photos=tuple(photos),
        cues=_cues(problem, solution, model, options, cues),
        status="converged" if solution.converged else "not converged",
        reason=solution.reason,
        iterations=solution.iterations,
        energy=solution.energy,
        tempering=options.tempering * options.claim_tempering,
    )


def _widened(solution: Solution, times: float) -> Solution:
    """Return the solution with the landmarks' covariance `times` as large and the same offsets of the smooth error."""
    factors = [f.widened(times) if isinstance(f, LandmarkFactor) else f for f in solution.factors]
    photos = tuple(replace(own, field=own.field / np.sqrt(times)) for own in solution.state.photos)
    return replace(solution, factors=factors, state=replace(solution.state, photos=photos))


def _photo_fit(
    p: int,
    observation: Observation,
    factors: list[LandmarkFactor],
    state: State,
    around: Gaussian,
    model: HeadModel,
    options: FitOptions,
) -> PhotoFit:
    own = state.photos[p]
    camera = own.camera(observation.width, observation.height)
    pose = own.camera_from_head()
    errors = np.concatenate([np.linalg.norm(f.predicted(state) - f.position, axis=1) for f in factors])
    reprojection = float(np.median(errors))
    weights = np.concatenate([state.identity, own.expression])
    set_name, right, left = _EYE_CORNERS
    between = 90.0
    if set_name in model.point_sets:
        corners = point_model(model, set_name, options.modes).positions(weights, own.gaze)
        between = float(np.linalg.norm(corners[left] - corners[right]))
    # as wide as it would be seen from the front at this distance, so that a profile is not blamed for being one
    percent = 100.0 * reprojection / (camera.focal_px * between / own.pivot_in_camera[2])
    first = observation.points[0]
    whole = responding_model(model, first.set_name, options.modes, first.response)
    inlier = np.zeros(len(first.position))
    for factor in factors:
        if factor.set_index == 0:
            residual, nu = factor.residual(state)
            most = group_weights(np.zeros((1, 2)), nu)
            inlier[factor.rows] = group_weights(residual, nu) / most
    rotvecs = np.zeros((len(model.joint_names), 3))
    for eye, name in enumerate(EYES):
        if name in model.joint_names:
            rotvecs[model.joint_names.index(name), :2] = own.gaze[eye]
    poor = percent > options.poor_percent
    return PhotoFit(
        camera=camera,
        camera_from_head=pose,
        expression=own.expression,
        joint_rotvecs=rotvecs,
        reprojection_px=reprojection,
        reprojection_percent=percent,
        points_px=camera.project(pose.apply(whole.positions(weights, own.gaze))),
        inlier=inlier,
        focal_sigma=around.focal_sigma[p],
        status="poor" if poor else "ok",
        reason=f"median error {percent:.1f} % of the outer eye distance" if poor else "",
    )


def _name_strangers(photos: list[PhotoFit], apart: Sequence[float], options: FitOptions) -> list[PhotoFit]:
    """Return the photos with those marked whose identity is too far from the others'.

    Of two photos neither is more suspect: both are named. Of more, the worst one is.
    """
    if len(photos) < 2 or max(apart) < options.disagreement:
        return photos
    worst = max(apart)
    marked = []
    for photo, value in zip(photos, apart, strict=True):
        if len(photos) == 2:
            reason = f"the two photos do not show the same head (disagreement {worst:.1f}, expected 1)"
        elif value == worst:
            reason = f"this photo does not go with the others (disagreement {value:.1f}, expected 1)"
        else:
            marked.append(photo)
            continue
        marked.append(replace(photo, status="disagrees", reason=reason))
    return marked


def _cues(
    problem: Problem, solution: Solution, model: HeadModel, options: FitOptions, cues: Cues
) -> tuple[ScaleCue, ...]:
    """Return what fixed the absolute size, each with the value it states and what the fitted head has."""
    state, k = solution.state, problem.layout.modes
    joints = point_model(model, next(iter(model.point_sets)), options.modes)
    between = joints.eye_mean[0] - joints.eye_mean[1]
    basis = joints.eye_basis[0] - joints.eye_basis[1]
    fitted = float(np.linalg.norm(between + basis @ state.identity))
    if not fitted > 0:
        return ()
    expected = between + basis @ problem.prior_mean
    slope = (expected / np.linalg.norm(expected)) @ basis
    spread = slope if problem.prior_factor is None else slope @ problem.prior_factor
    known = ", ".join(problem.covariates)
    found = [
        ScaleCue(
            name=f"identity prior given {known}" if known else "identity prior",
            value=float(np.linalg.norm(expected)),
            sigma=float(np.linalg.norm(spread[:k])),
            unit="mm between the pupils",
            fitted=fitted,
        )
    ]
    if cues.ipd_mm is not None:
        found.append(
            ScaleCue(
                name="ipd", value=cues.ipd_mm, sigma=cues.ipd_sigma_mm, unit="mm between the pupils", fitted=fitted
            )
        )
    if problem.iris and cues.iris_mm is not None:
        found.append(
            ScaleCue(
                name="iris diameter",
                value=cues.iris_mm,
                sigma=cues.iris_sigma_mm,
                unit="mm across",
                fitted=cues.iris_mm + cues.iris_sigma_mm * state.iris,
            )
        )
    return tuple(found)
