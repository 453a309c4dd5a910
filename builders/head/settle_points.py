"""Settle MediaPipe's points on the mean head by photos of real people.

The points are traced on portraits of our own heads (`builders.head.trace_mediapipe`). Where a point lies on an edge
(lids, lips, nostrils) that is right for people too; where it lies on smooth skin or slides along the outline (chin,
jaw, sides, cheeks, forehead, brows) the landmarker places it by habit, and the habit differs between renders and
photos, by millimetres. Such a shift, the same for everybody, would bend every face the same way.

Over many adults identity averages out: the mean of (measured - predicted) over frontal photos of different people,
each posed by the edges with the head held near the mean adult, is the shift. Only faces at rest count. It is made
mirror-symmetric, turned into mm on the mean head and added to the traced positions when the points are built. Each
half of the photos checks the other. Only the portraits of `is_development` take part, so that the others can judge the
fit. What this assumes: that the people in the photos are average adults together, and
that the model's mean head is the mean adult, which it is calibrated to be.

    python -m builders.head.settle_points FOLDER... [--model head.npz] [-o builders/head/points_settled.json]

Needs MediaPipe (extra `mediapipe`) and its task file (`cephalon assets get mediapipe` or CEPHALON_MEDIAPIPE_TASK).
Only the averages are stored, no picture and nothing of a single person.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.photo_split import is_development
from builders.head.points import ON_EDGES, SETTLED_FILE, traced_model
from cephalon.core import CephalonError
from cephalon.files.document import write_json
from cephalon.fit import Cues, FitOptions, fit
from cephalon.head import HeadModel
from cephalon.observe import default_source
from cephalon.observe.canonical import canonical_face
from cephalon.photo import Photo
from cephalon.values import Observation

Float = NDArray[np.float64]

FRONTAL_DEG = 12.0
"""Only photos turned less than this: a side shift of a turned head mixes with depth."""

HELD_MEAN = 40.0
"""Tempering of the landmarks: with so little say, identity stays at the mean, the expression at what the landmarker reads."""

AT_REST = (
    (("mouthSmileLeft", "mouthSmileRight"), 0.35),
    (("mouthUpperUpLeft", "mouthUpperUpRight"), 0.15),
    (("jawOpen",), 0.08),
)
"""Greatest scores of a face that counts as neutral: a smile moves cheeks and chin as much as people differ."""

MOST_MM = 6.0
"""Longer shifts are cut: points at the ears slide along the outline, which the fit follows by itself."""

UNSETTLED_WEAKER = 6.0
"""Factor on the sd of the points that are to be settled: the pose comes from the edges (lids, nose, lips)."""

ADULT_YEARS = 40.0


def residuals(photos: list[Path], model: HeadModel) -> Float:
    """Return (photos, 478, 2) measured minus predicted, mm at the point's depth, +x the person's left, +y up."""
    source = default_source(None, model)
    points = model.points(None, "mediapipe478")
    options = FitOptions(tempering=HELD_MEAN)
    weaker = np.ones(len(points))
    weaker[[k for k in range(len(points)) if k not in ON_EDGES and k < 468]] = UNSETTLED_WEAKER**2
    rows = []
    for path in photos:
        try:
            observation = source.observe(Photo.open(path))
            if not _neutral(observation, model):
                continue
            measured = observation.points[0]
            trusted = replace(measured, covariance=measured.covariance * weaker[:, None, None])
            posed = replace(observation, points=(trusted,))
            fitted = fit([posed], model, options, Cues(age_years=ADULT_YEARS)).photos[0]
        except CephalonError as error:
            print(f"left out: {error}")
            continue
        turned = np.diag([1.0, -1.0, -1.0]) @ fitted.camera_from_head.rotation
        if abs(np.degrees(np.arctan2(turned[0, 2], turned[2, 2]))) > FRONTAL_DEG:
            continue
        mm_per_px = fitted.camera_from_head.apply(points)[:, 2] / fitted.camera.focal_px
        upright = (observation.points[0].position - fitted.points_px) * [1.0, -1.0] * mm_per_px[:, None]
        roll = np.arctan2(turned[1, 0], turned[0, 0])
        turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        rows.append(upright @ turn.T)
    return np.array(rows)


def _neutral(observation: Observation, model: HeadModel) -> bool:
    """Tell whether the landmarker reads a face at rest: lips together, no smile."""
    reading = observation.expression
    if reading is None:
        return False
    scores = dict(zip(model.expression_names, reading.mean, strict=True))
    return all(max(scores[name] for name in names) <= most for names, most in AT_REST)


def symmetric_median(rows: Float, mirror: NDArray[np.intp]) -> Float:
    """Return the (478, 2) median over photos, made mirror-symmetric."""
    middle = np.median(rows, axis=0)
    return (middle + middle[mirror] * [-1.0, 1.0]) / 2


def _cut(shift: Float) -> Float:
    return shift * np.minimum(1, MOST_MM / np.maximum(np.linalg.norm(shift, axis=1, keepdims=True), 1e-9))


def main() -> None:
    """Measure the shifts and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="head model asset; default the packaged one")
    parser.add_argument("-o", "--output", type=Path, default=SETTLED_FILE)
    options = parser.parse_args()
    model = traced_model(HeadModel.load(options.model))
    photos = sorted(path for folder in options.folders for path in folder.glob("*.jpg") if is_development(path))
    mirror = canonical_face().mirror
    rows = residuals(photos, model)
    smooth = [k for k in range(rows.shape[1]) if k not in ON_EDGES and k < 468]
    half = [_cut(symmetric_median(rows[start::2], mirror))[smooth] for start in (0, 1)]
    raw = symmetric_median(rows[1::2], mirror)[smooth]
    rms = [float(np.sqrt((x**2).sum(-1).mean())) for x in (raw, raw - half[0])]
    print(
        f"{len(rows)} photos; one half settled by the other: mean shift {rms[0]:.2f} mm before, {rms[1]:.2f} mm after"
    )
    shift = _cut(symmetric_median(rows, mirror))
    write_json(
        options.output,
        {
            "what": "shift of MediaPipe's points on the mean head, photos against renders; mm, +x person's left, +y up",
            "photos": len(rows),
            "half_by_half_rms_mm": {"before": rms[0], "after": rms[1]},
            "offset_mm": np.round(shift, 3),
        },
    )


if __name__ == "__main__":
    main()
