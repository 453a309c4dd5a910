"""Bias, covariance, common errors and response of landmarks, estimated from views of portraits.

Units and frame of every figure, and the method, as in `builders.head.calibrate_landmarks`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from builders.head.landmark_views import POINTS, Views, mirrored
from cephalon.values import ShapeResponse

Float = NDArray[np.float64]

LANDMARKS = 468

YAW_NODES_DEG = (0.0, 15.0, 30.0, 45.0, 60.0, 75.0)

FAILURE = 3.0
"""Views whose mean error is this many times the usual one at their yaw are failures, not noise."""

MODES = 56
"""Common modes kept at each yaw node."""

COMMON_SHARE = 0.5
"""Part of the measured common variance that the modes carry."""

WINSOR = 4.0
"""Errors beyond this many sd are pulled in to it."""

RESPONSE_SHAPES = 50
"""Principal components of shape that the response follows; 40 to 80 explain the same of held-out views."""

RESPONSE_RIDGE = 100.0
"""Views with what shrinks the response to half, in units of the whitened components."""

FOLDS = 4

PITCH_RIDGE = 1e3
"""Views times square degrees: what the pitch slopes are shrunk with, about ten views."""

DISTANCE_BINS_MM = (1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """What the estimate yields, in the units and frame of the module; b yaw nodes, all >= 0.

    Attributes
    ----------
    bias : (b, 478, 2) seen minus true at pitch 0; bias_per_pitch : (b, 478, 2) its change per degree of pitch.
    covariance : (b, 478, 2, 2) of the rest.
    field_share, field_length_mm : (b,) the correlation of that rest between two points at distance d on the mean head
        is field_share * exp(-d^2 / (2 field_length_mm^2)).
    effective_points : (b,) number of independent points that would scatter as much together: half the participation
        ratio of the correlation matrix's eigenvalues.
    modes : (b, 478, 2, q) common errors in units of the covariance's Cholesky factor L: an error is
        L (modes @ c + rest), c ~ N(0, I), rest independent with variance 1 - sum_q modes^2.
    response : how the points follow the shape; explained : (b,) share of the variance of unseen views that it explains.
    views : (b,) weight of the views behind each node, in views.
    failed : (b,) share of views that were left out as failures.
    """

    bias: Float
    bias_per_pitch: Float
    covariance: Float
    field_share: Float
    field_length_mm: Float
    effective_points: Float
    modes: Float
    response: ShapeResponse
    explained: Float
    views: Float
    failed: Float


def estimate(views: Views, mirror: NDArray[np.intp], mean_points: Float) -> Noise:
    """Bias, covariance and correlation at the yaw nodes from views and their mirror images.

    Parameters
    ----------
    mirror : (478,) the point on the other side.
    mean_points : (478, 3) mm on the mean head, for distances between points.
    """
    nodes = np.array([-YAW_NODES_DEG[1], *YAW_NODES_DEG])
    both = Views.joined([views, mirrored(views, mirror)])
    inside = (both.angles_deg[:, 0] > nodes[0]) & (both.angles_deg[:, 0] < nodes[-1])
    both = Views(**{f.name: getattr(both, f.name)[inside] for f in fields(Views)})
    person = np.tile(np.arange(len(views.error)), 2)[inside]
    yaw, pitch = both.angles_deg[:, :2].T
    hats = np.stack([np.interp(yaw, nodes, row) for row in np.eye(len(nodes))], axis=1)
    design = np.concatenate([hats, hats * pitch[:, None]], axis=1)
    kept, bias = _bias(both.error, hats, design)
    shapes, probe = _shapes(both.deviation[kept])
    for _ in range(2):  # bias and response in turn
        rest = both.error - np.tensordot(design, bias, 1)
        shift = _regressed(rest[kept], both.projection[kept], shapes)
        foreseen = np.zeros_like(both.error)
        foreseen[kept] = _foreseen(both.projection[kept], shapes, shift)
        kept_before = kept
        kept, bias = _bias(both.error - foreseen, hats, design)
        kept &= kept_before
        shapes = _components(both.deviation[kept], probe)
    rest = (both.error - np.tensordot(design, bias, 1))[kept]
    unexplained = rest - _cross_foreseen(rest, both.projection[kept], shapes, person[kept])
    explained = np.array(
        [
            1 - (w @ unexplained.reshape(len(rest), -1) ** 2).sum() / (w @ rest.reshape(len(rest), -1) ** 2).sum()
            for w in hats[kept, 1:].T
        ]
    )
    rest = unexplained
    covariance, correlation, modes = [], [], []
    for weights in hats[kept, 1:].T:
        covariance.append(_robust_covariance(rest, weights))
        white = _whitened(rest, weights, covariance[-1])
        correlation.append(_correlation(white, mean_points))
        modes.append(_common_modes(white))
    share, length, effective = np.array(correlation).T
    count = len(nodes)
    return Noise(
        bias=bias[1:count],
        bias_per_pitch=bias[count + 1 :],
        covariance=np.array(covariance),
        field_share=share,
        field_length_mm=length,
        effective_points=effective,
        modes=np.array(modes),
        response=ShapeResponse(probe=probe, shift=shift),
        explained=explained,
        views=hats[kept, 1:].sum(axis=0),
        failed=1 - np.array([(hats[kept, b].sum() / hats[:, b].sum()) for b in range(1, count)]),
    )


def _bias(error: Float, hats: Float, design: Float) -> tuple[NDArray[np.bool_], Float]:
    """Which views are no failures, and the coefficients (2 nodes, 478, 2) of the design; both settled in turns."""
    count = hats.shape[1]
    kept, bias = np.ones(len(error), dtype=bool), np.zeros((design.shape[1], *error.shape[1:]))
    for _ in range(5):
        ridge = np.diag(np.r_[np.full(count, 1e-6), np.full(count, PITCH_RIDGE)])
        system = design[kept].T @ design[kept] + ridge
        flat = np.linalg.solve(system, design[kept].T @ error[kept].reshape(kept.sum(), -1))
        bias = flat.reshape(bias.shape)
        size = np.linalg.norm(error - np.tensordot(design, bias, 1), axis=2).mean(axis=1)
        usual = hats @ np.array([_weighted_median(size[kept], hats[kept, b]) for b in range(count)])
        kept = size < FAILURE * usual
    return kept, bias


def _shapes(deviation: Float) -> tuple[Float, Float]:
    """Whitened leading components (v, q) of the landmarks' deviations, and the probe (q, 478, 3) that reads them.

    The irises are left out: they tell the gaze.
    """
    flat = deviation[:, :LANDMARKS].reshape(len(deviation), -1).astype(np.float64)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    leading = np.flatnonzero(values > 1e-6 * values[-1])[::-1][:RESPONSE_SHAPES]
    probe = np.zeros((len(leading), POINTS, 3))
    probe[:, :LANDMARKS] = (vectors[:, leading] / np.sqrt(values[leading])).T.reshape(-1, LANDMARKS, 3)
    return _components(deviation, probe), probe


def _components(deviation: Float, probe: Float) -> Float:
    return deviation.reshape(len(deviation), -1) @ probe.reshape(len(probe), -1).T


def _regressed(rest: Float, projection: Float, shapes: Float) -> Float:
    """Shift (478, 3, q) mm per whitened component that explains errors (v, 478, 2) best, by ridge regression."""
    spread = np.sqrt((rest**2).mean(axis=0))
    pulled = np.clip(rest, -WINSOR * spread, WINSOR * spread)
    design = np.einsum("vij,vq->vijq", projection, shapes).reshape(2 * len(rest), -1)
    # the ridge counts views: one view gives a component the square of its projection
    unit = float((projection**2).sum(axis=(1, 2)).mean()) / 3
    system = design.T @ design + RESPONSE_RIDGE * unit * np.eye(design.shape[1])
    shift = np.linalg.solve(system, design.T @ pulled.transpose(0, 2, 1).reshape(len(design), -1))
    shift = shift.reshape(3, -1, POINTS).transpose(2, 0, 1)
    shift[LANDMARKS:] = 0
    return shift


def _foreseen(projection: Float, shapes: Float, shift: Float) -> Float:
    """Errors (v, 478, 2) that the response foresees."""
    return np.einsum("vij,kjv->vki", projection, shift @ shapes.T)


def _cross_foreseen(rest: Float, projection: Float, shapes: Float, person: NDArray[np.intp]) -> Float:
    """The same, each view by a regression on other people."""
    foreseen = np.zeros_like(rest)
    for fold in range(FOLDS):
        out = person % FOLDS == fold
        foreseen[out] = _foreseen(projection[out], shapes[out], _regressed(rest[~out], projection[~out], shapes[~out]))
    return foreseen


def _weighted_median(values: Float, weights: Float) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _robust_covariance(rest: Float, weights: Float) -> Float:
    """Covariance (478, 2, 2) of residuals (v, 478, 2) with those beyond `WINSOR` of their own sd pulled in to it."""
    covariance = np.einsum("v,vki,vkj->kij", weights, rest, rest) / weights.sum()
    for _ in range(10):
        inverse = np.linalg.inv(covariance)
        mahalanobis = np.sqrt(np.einsum("vki,kij,vkj->vk", rest, inverse, rest))
        pulled = rest * np.minimum(1, WINSOR / np.maximum(mahalanobis, 1e-12))[..., None]
        covariance = np.einsum("v,vki,vkj->kij", weights, pulled, pulled) / weights.sum()
    return covariance


def _whitened(rest: Float, weights: Float, covariance: Float) -> Float:
    """Residuals (v, 478, 2) in units of the covariance's Cholesky factor, times sqrt(weight), unit sums of squares."""
    white = np.einsum("kij,vkj->vki", np.linalg.inv(np.linalg.cholesky(covariance)), rest)
    white *= np.minimum(1, WINSOR / np.maximum(np.linalg.norm(white, axis=2, keepdims=True), 1e-12))
    white = white[weights > 0] * np.sqrt(weights[weights > 0])[:, None, None]
    return white / np.sqrt((white**2).sum(axis=0))


def _common_modes(white: Float) -> Float:
    """Leading principal components (478, 2, q) of whitened residuals, `COMMON_SHARE` of their variance.

    The sample's own correlations are noisy; the rest of the variance is left independent (linear shrinkage), which on
    held-out views makes the identity's posterior about three times less overconfident than a Gaussian correlation does.
    """
    _, values, rows = np.linalg.svd(white.reshape(len(white), -1), full_matrices=False)
    modes = np.zeros((white[0].size, MODES))
    count = min(MODES, len(values))
    modes[:, :count] = rows[:count].T * values[:count] * np.sqrt(COMMON_SHARE)
    return modes.reshape(POINTS, 2, MODES)


def _correlation(white: Float, points: Float) -> tuple[float, float, float]:
    """Share and length (mm) of the smooth common error, and the effective number of points (see `Noise`)."""
    flat = white.reshape(len(white), -1)
    values = np.linalg.svd(flat, compute_uv=False) ** 2
    effective = values.sum() ** 2 / (values**2).sum() / 2
    correlation = np.einsum("vki,vli->kl", white, white)[:LANDMARKS, :LANDMARKS] / 2
    distance = np.linalg.norm(points[:LANDMARKS, None] - points[None, :LANDMARKS], axis=2)
    rows, columns = np.triu_indices(LANDMARKS, 1)
    bins = np.digitize(distance[rows, columns], DISTANCE_BINS_MM)
    middle, height = [], []
    for bin_index in range(1, len(DISTANCE_BINS_MM)):
        here = bins == bin_index
        middle.append(distance[rows, columns][here].mean())
        height.append(correlation[rows, columns][here].mean())

    def misfit(parameters: Float) -> Float:
        share, log_length = parameters
        return share * np.exp(-0.5 * (np.array(middle) / np.exp(log_length)) ** 2) - height

    share, log_length = least_squares(misfit, [0.8, np.log(20.0)]).x
    return float(np.clip(share, 0, 0.98)), float(np.exp(log_length)), float(effective)
