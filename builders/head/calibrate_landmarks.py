"""What MediaPipe's landmarks are worth on our heads: bias, covariance and common errors by yaw.

Portraits of sampled people (other seeds than those that placed the points), half of them with expressions, go through
the same landmark source that photos go through; what it says is compared with the projected named points as they were
traced on such portraits, before they were settled on photos:

    python -m builders.head.calibrate_landmarks --data DATA --task face_landmarker.task [--work FOLDER]

The portraits are drawn in chunks, which a killed run leaves in the work folder for the next.

Units and frame of every figure: fractions of the frontal outer eye distance as `observe` estimates it; x to the right
and y down in the picture turned upright by the estimated roll; yaw as estimated, positive when the person turns to
their own left. A view and its mirror image count as two.

Method. Errors e (478, 2) of all views are explained as bias(yaw) + pitch * slope(yaw) + response + noise. The first two
are linear between the yaw nodes (least squares with hat functions). The response is what the landmarker makes of the
person's shape: it has seen many faces and draws each a little towards the usual one, so that part of the error is a
linear function of the head. It is regressed (ridge) on the leading principal components of the points' deviations from
the mean head, as a shift in the head frame, alike at all yaws. Without it the fit takes the habit for shape, and more
photos only make it surer: a quarter of the errors' variance, 40 % below 30 degrees of yaw. The noise is what is left of
views by which that regression was not made (four folds). The covariance at a node is the mean of the residuals' outer products,
weighted with the node's hat function. What the points of one photo have in common is kept in two forms: as share and
length of a Gaussian correlation over the face, and as the leading principal components of the whitened residuals,
shrunk.

Photos are not portraits: `jitter` and `residual_after_fit` measure how much the points move, and how far from the
fitted head they stay, on photos and on portraits alike; where photos do worse, the difference of the mean squares is
added to the covariance, region by region.

Shape letters: v views, b yaw nodes, k = 478 points, q common modes or shapes of the response.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.optimize import least_squares

from builders.head.base import load_base
from builders.head.points import traced_model
from builders.head.portraits import PortraitKit, portrait_camera, portrait_pose
from cephalon.core import CephalonError
from cephalon.fit import FitOptions, fit
from cephalon.head import HeadCode, HeadModel
from cephalon.observe import MediaPipeLandmarks, MediaPipeOptions
from cephalon.observe.canonical import canonical_face, face_pose
from cephalon.photo import Photo
from cephalon.values import ShapeResponse

Float = NDArray[np.float64]

POINTS = 478
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
CHUNK = 100
"""Portraits drawn between two files of the work folder."""
PITCH_RIDGE = 1e3
"""Views times square degrees: what the pitch slopes are shrunk with, about ten views."""
FRONTAL_DEG = 25.0
"""Photos turned less than this are compared with portraits."""
JITTERS = 6
"""Variants of a picture in `jitter`."""
DISTANCE_BINS_MM = (1.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What was seen in v portraits, and the truth.

    Attributes
    ----------
    error : (v, 478, 2) seen minus true, in the units and frame of the module.
    angles_deg : (v, 3) estimated yaw, pitch and roll.
    deviation : (v, 478, 3) mm of the true points from those of the mean head, head frame.
    projection : (v, 2, 3) what a shift in the head frame, mm, is in the unit and frame of the errors.
    """

    error: Float
    angles_deg: Float
    deviation: Float
    projection: Float

    @staticmethod
    def joined(parts: list[Views]) -> Views:
        """The views of several chunks."""
        return Views(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Views)})


def collect_in_chunks(
    model: HeadModel, kit: PortraitKit, source: MediaPipeLandmarks, count: int, *, rng: np.random.Generator, work: Path
) -> Views:
    """Draw portraits of `count` people and compare; chunks found in the folder `work` are read instead."""
    work.mkdir(parents=True, exist_ok=True)
    children, parts, start = rng.spawn(count), [], time.monotonic()
    for first in range(0, count, CHUNK):
        path = work / f"views_{model.sha256[:12]}_{first:06d}_{min(first + CHUNK, count):06d}.npz"
        if not path.is_file():
            part = collect(model, kit, source, children[first : first + CHUNK])
            temporary = path.with_suffix(".tmp.npz")
            np.savez(temporary, allow_pickle=False, **asdict(part))
            os.replace(temporary, path)
        with np.load(path, allow_pickle=False) as file:
            parts.append(Views(**{name: file[name] for name in file.files}))
        done = min(first + CHUNK, count)
        rate = done / (time.monotonic() - start)
        print(f"{done} of {count} portraits, {rate:.1f} a second", end="\r", file=sys.stderr, flush=True)
    return Views.joined(parts)


def collect(
    model: HeadModel, kit: PortraitKit, source: MediaPipeLandmarks, children: list[np.random.Generator]
) -> Views:
    """Draw a portrait of one person with each generator and compare; those without a face found are left out."""
    errors, angles, deviations, projections = [], [], [], []
    mean = model.points(None, "mediapipe478")
    for child in children:
        code = _person(model, rng=child)
        head = model.vertices(code)
        look = kit.look(rng=child)
        yaw = float(child.uniform(-75, 75))
        pitch = float(np.clip(child.normal(0, 9), -25, 25))
        distance = float(np.clip(np.exp(child.normal(np.log(900), 0.5)), 350, 3000))
        camera = portrait_camera(int(child.choice([320, 480, 640])), distance, share=float(child.uniform(0.5, 0.8)))
        place = portrait_pose(
            (yaw, pitch, float(child.normal(0, 7))), distance, shift_mm=child.normal(0, 15, 2).tolist()
        )
        rgb, _ = kit.render(head, camera, place, look)
        faces = source.find(Photo.from_array(_worn(rgb, rng=child)))
        if not faces:
            continue
        face = max(faces, key=lambda found: found.pose.size_px)
        truth = model.point_set("mediapipe478").positions(kit.with_gaze(head, look.gaze_deg), model.faces)
        in_camera = place.apply(truth)
        error = (face.points - camera.project(in_camera)) / face.pose.size_px
        if np.median(np.linalg.norm(error, axis=1)) > 0.5:
            continue
        roll = np.deg2rad(face.pose.roll_deg)
        upright = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        errors.append(error @ upright)
        angles.append((face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg))
        deviations.append(truth - mean)
        scale = camera.focal_px / np.median(in_camera[:, 2]) / face.pose.size_px
        projections.append(scale * upright.T @ place.rotation[:2])
    return Views(
        error=np.array(errors).reshape(-1, POINTS, 2),
        angles_deg=np.array(angles).reshape(-1, 3),
        deviation=np.array(deviations, dtype=np.float32).reshape(-1, POINTS, 3),
        projection=np.array(projections).reshape(-1, 2, 3),
    )


def _person(model: HeadModel, *, rng: np.random.Generator) -> HeadCode:
    """Draw an identity, and in half of the cases a face of one to four actions."""
    identity = model.sample(rng=rng).identity
    if rng.random() < 0.5:
        return HeadCode(identity=identity)
    names = model.expression_names
    expression = np.zeros(len(names))
    for name in rng.choice(len(names), size=int(rng.integers(1, 5)), replace=False):
        weight = rng.uniform(0.1, 0.8)
        expression[name] = weight
        for one, other in (("Left", "Right"), ("Right", "Left")):
            if names[name].endswith(one):
                expression[names.index(names[name].removesuffix(one) + other)] = weight * rng.uniform(0.7, 1.0)
    return HeadCode(identity=identity, expression=np.clip(expression, 0, 1))


def _worn(rgb: NDArray[np.uint8], *, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as a camera and a JPEG file would leave it: a little blurred, noisy and compressed."""
    picture = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.0))))
    noisy = np.asarray(picture, dtype=np.float64) + rng.normal(0, rng.uniform(0, 5), rgb.shape)
    memory = io.BytesIO()
    Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8)).save(
        memory, "jpeg", quality=int(rng.integers(60, 96))
    )
    return np.array(Image.open(memory))


def mirrored(views: Views, mirror: NDArray[np.intp]) -> Views:
    """The views of the mirror images."""
    return Views(
        error=views.error[:, mirror] * [-1.0, 1.0],
        angles_deg=views.angles_deg * [-1.0, 1.0, -1.0],
        deviation=views.deviation[:, mirror] * [-1.0, 1.0, 1.0],
        projection=np.array([[-1.0], [1.0]]) * views.projection * [-1.0, 1.0, 1.0],
    )


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


def record(noise: Noise, about: dict[str, object]) -> dict[str, object]:
    """The table as plain data, format 1, as `cephalon.observe` reads it; rounded to 1e-4 (variances to 1e-7)."""
    return {
        "format_version": 1,
        "about": about,
        "yaw_deg": list(YAW_NODES_DEG),
        "bias": np.round(noise.bias, 4).tolist(),
        "bias_per_pitch_deg": np.round(noise.bias_per_pitch, 5).tolist(),
        "covariance": np.round(noise.covariance, 7).tolist(),
        "field_share": np.round(noise.field_share, 3).tolist(),
        "field_length_mm": np.round(noise.field_length_mm, 1).tolist(),
        "effective_points": np.round(noise.effective_points, 1).tolist(),
        "views": np.round(noise.views).tolist(),
        "failed": np.round(noise.failed, 3).tolist(),
    }


def mode_arrays(noise: Noise) -> dict[str, NDArray[np.generic]]:
    """The common modes and the response as arrays.

    `modes_i8` (b, 478, 2, q) int8 times `mode_scale` (b, q), rows as `yaw_deg` (b,); `response_probe` (q, 478, 3) and
    `response_shift` (478, 3, q) float16.
    """
    scale = np.maximum(np.abs(noise.modes).max(axis=(1, 2)) / 127, 1e-9).astype(np.float32)
    return {
        "yaw_deg": np.array(YAW_NODES_DEG),
        "modes_i8": np.round(noise.modes / scale[:, None, None]).astype(np.int8),
        "mode_scale": scale,
        "response_probe": noise.response.probe.astype(np.float16),
        "response_shift": noise.response.shift.astype(np.float16),
    }


def write_record(path: Path, found: dict[str, object]) -> None:
    """Write the table as JSON with one line per field, at once or not at all."""
    lines = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in found.items()]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    os.replace(temporary, path)


def jitter(source: MediaPipeLandmarks, pictures: list[NDArray[np.uint8]], *, rng: np.random.Generator) -> Float:
    """How much the points move when a picture is turned, scaled, relit and worn a little: variances (p, 478).

    Mean square per axis over `JITTERS` variants about their mean, in the module's unit; pictures in which a variant
    shows no face are left out.
    """
    variances = []
    for picture in pictures:
        seen, sizes = [], []
        for child in rng.spawn(JITTERS):
            turned, back = _varied(picture, rng=child)
            faces = source.find(Photo.from_array(turned))
            if faces:
                face = max(faces, key=lambda found: found.pose.size_px)
                seen.append(face.points @ back[:, :2].T + back[:, 2])
                sizes.append(face.pose.size_px * np.sqrt(abs(np.linalg.det(back[:, :2]))))
        if len(seen) == JITTERS:
            scatter = (np.array(seen) - np.mean(seen, axis=0)) / np.mean(sizes)
            variances.append((scatter**2).sum(axis=0).mean(axis=1) / (JITTERS - 1))
    return np.array(variances)


def _varied(picture: NDArray[np.uint8], *, rng: np.random.Generator) -> tuple[NDArray[np.uint8], Float]:
    """A variant of a picture (h, w, 3) and the affine map (2, 3) from its pixels back to the picture's."""
    height, width = picture.shape[:2]
    angle, scale = np.deg2rad(rng.uniform(-10, 10)), np.exp(rng.uniform(-0.2, 0.2))
    linear = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / scale
    middle = np.array([width, height]) / 2
    offset = middle - linear @ (middle + rng.uniform(-0.03, 0.03, 2) * width)
    coefficients = tuple(np.concatenate([linear, offset[:, None]], axis=1).reshape(-1))
    image = Image.fromarray(picture).transform(
        (width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC, fillcolor=(128, 128, 128)
    )
    relit = 255 * (np.asarray(image) / 255) ** np.exp(rng.uniform(-0.35, 0.35))
    return _worn(relit.astype(np.uint8), rng=rng), np.concatenate([linear, offset[:, None]], axis=1)


def residual_after_fit(source: MediaPipeLandmarks, model: HeadModel, pictures: list[NDArray[np.uint8]]) -> Float:
    """Mean square per axis (p, 478) of seen minus fitted points, in the module's unit, for frontal pictures.

    `source` must remove the bias; pictures without a single face, or turned by more than `FRONTAL_DEG`, are left out.
    """
    rows = []
    for picture in pictures:
        try:
            observation = source.observe(Photo.from_array(picture))
            fitted = fit([observation], model, FitOptions()).photos[0]
        except CephalonError:
            continue
        seen = observation.points[0].position
        pose = face_pose(seen)
        if abs(pose.yaw_deg) < FRONTAL_DEG:
            rows.append(((seen - fitted.points_px) ** 2).mean(axis=1) / pose.size_px**2)
    return np.array(rows)


def excess_by_region(photos: Float, portraits: Float) -> dict[str, float]:
    """How much larger the median mean square of a region is on photos than on portraits, both (p, 478); at least 0."""
    return {
        name: max(0.0, float(np.median(photos[:, rows].mean(axis=1)) - np.median(portraits[:, rows].mean(axis=1))))
        for name, rows in canonical_face().regions.items()
    }


def frontal_portraits(
    model: HeadModel, kit: PortraitKit, count: int, *, rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    """Portraits of `count` people as people are photographed: nearly frontal, half of them with an expression."""
    pictures = []
    for child in rng.spawn(count):
        code = _person(model, rng=child)
        distance = float(child.uniform(600, 1600))
        place = portrait_pose(child.normal(0, (10, 6, 4)).tolist(), distance)
        rgb, _ = kit.render(model.vertices(code), portrait_camera(640, distance), place, kit.look(rng=child))
        pictures.append(_worn(rgb, rng=child))
    return pictures


def main() -> None:
    """Measure and write the table and its modes."""
    parser = argparse.ArgumentParser(description="Calibrate MediaPipe's landmarks on portraits of our own heads.")
    task = os.environ.get("CEPHALON_MEDIAPIPE_TASK")
    parser.add_argument("--data", type=Path, required=True, help="folder of the portraits' data")
    parser.add_argument("--task", type=Path, default=task, help="the landmarker file; default CEPHALON_MEDIAPIPE_TASK")
    parser.add_argument("--views", type=int, default=2000)
    parser.add_argument("--compared", type=int, default=40, help="photos and portraits to compare")
    parser.add_argument("--seed", type=int, default=9001)
    parser.add_argument("--work", type=Path, help="folder that keeps finished chunks; default a temporary one")
    parser.add_argument("-o", "--output", type=Path, default=Path("src/cephalon/data"), help="folder for both files")
    options = parser.parse_args()
    if options.task is None:
        parser.error("--task is needed (or CEPHALON_MEDIAPIPE_TASK)")
    rng, rng_portraits, rng_jitter = np.random.default_rng(options.seed).spawn(3)
    model = HeadModel.load()
    traced = traced_model(model)
    kit = PortraitKit(load_base(), options.data, model.mean)
    raw = MediaPipeLandmarks(
        expression_names=model.expression_names, task_path=options.task, options=MediaPipeOptions(noise="none")
    )
    with tempfile.TemporaryDirectory() as place:
        work = options.work or Path(place)
        views = collect_in_chunks(traced, kit, raw, options.views, rng=rng, work=work / f"seed_{options.seed}")
    noise = estimate(views, canonical_face().mirror, traced.points(None, "mediapipe478"))
    paths = sorted((options.data / "photos" / "stock").glob("*.jpg"))[: options.compared]
    photos = [np.array(Photo.open(path).rgb_srgb) for path in paths]
    portraits = frontal_portraits(traced, kit, options.compared, rng=rng_portraits)
    corrected = replace(raw, options=MediaPipeOptions())
    moved = excess_by_region(jitter(raw, photos, rng=rng_jitter), jitter(raw, portraits, rng=rng_jitter))
    left = excess_by_region(
        residual_after_fit(corrected, model, photos), residual_after_fit(corrected, traced, portraits)
    )
    extra = canonical_face().per_point({name: max(moved[name], left[name]) for name in moved})
    noise = replace(noise, covariance=noise.covariance + extra[None, :, None, None] * np.eye(2))
    about = {
        "points": "mediapipe478 as traced on portraits, before they were settled on photos",
        "unit": "frontal outer eye distance; x right, y down, upright",
        "views": len(views.error),
        "explained_by_response": np.round(noise.explained, 3).tolist(),
        "seed": options.seed,
        "model_sha256": model.sha256,
        "excess_sd_jitter": {name: round(value**0.5, 4) for name, value in moved.items()},
        "excess_sd_after_fit": {name: round(value**0.5, 4) for name, value in left.items()},
    }
    write_record(options.output / "mediapipe_noise.json", record(noise, about))
    np.savez_compressed(options.output / "mediapipe_noise_modes.npz", allow_pickle=False, **mode_arrays(noise))


if __name__ == "__main__":
    main()
