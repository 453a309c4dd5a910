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
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builders.head.base import load_base
from builders.head.landmark_noise import YAW_NODES_DEG, Noise, estimate
from builders.head.landmark_views import collect_in_chunks, draw_person, worn
from builders.head.points import traced_model
from builders.head.portraits import PortraitKit, portrait_camera, portrait_pose
from cephalon.core import CephalonError
from cephalon.fit import FitOptions, fit
from cephalon.head import HeadModel
from cephalon.observe import MediaPipeLandmarks, MediaPipeOptions
from cephalon.observe.canonical import canonical_face, face_pose
from cephalon.photo import Photo

Float = NDArray[np.float64]

FRONTAL_DEG = 25.0
"""Photos turned less than this are compared with portraits."""
JITTERS = 6
"""Variants of a picture in `jitter`."""


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
    return worn(relit.astype(np.uint8), rng=rng), np.concatenate([linear, offset[:, None]], axis=1)


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
        code = draw_person(model, rng=child)
        distance = float(child.uniform(600, 1600))
        place = portrait_pose(child.normal(0, (10, 6, 4)).tolist(), distance)
        rgb, _ = kit.render(model.vertices(code), portrait_camera(640, distance), place, kit.look(rng=child))
        pictures.append(worn(rgb, rng=child))
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
        "traced_mm": np.round(traced.points(None, "mediapipe478"), 1).tolist(),
        "excess_sd_jitter": {name: round(value**0.5, 4) for name, value in moved.items()},
        "excess_sd_after_fit": {name: round(value**0.5, 4) for name, value in left.items()},
    }
    options.output.mkdir(parents=True, exist_ok=True)
    write_record(options.output / "mediapipe_noise.json", record(noise, about))
    np.savez_compressed(options.output / "mediapipe_noise_modes.npz", allow_pickle=False, **mode_arrays(noise))


if __name__ == "__main__":
    main()
