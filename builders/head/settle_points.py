"""Settle MediaPipe's points on the mean head by photos of real people.

The points are traced on portraits of our own heads (`builders.head.trace_mediapipe`). Where a point lies on an edge
(lids, lips, nostrils) that is right for people too; where it lies on smooth skin or slides along the outline (chin,
jaw, sides, cheeks, forehead, brows) the landmarker places it by habit, and the habit differs between renders and
photos, by millimetres. Such a shift, the same for everybody, would bend every face the same way.

Over many adults identity averages out: the median of (measured - predicted) over frontal photos of different people,
each posed with the head held near the mean adult, is the shift. It is made mirror-symmetric, turned into mm on the mean
head and added to the traced positions when the points are built.

Only faces at rest count. The points along the sides of the head (temples, before the ears, jaw) stay as traced, and say with
the edges (lids, nose, lips) how a head is posed; where ears were marked by hand (`ears_seen.json`), they say it too. A
landmark table that is not of the present head is fatal here: a stale one had the sides 12 mm too high, which passed for
looking up by 5 degrees, and gave every face a long nose. `benchmarks/ears.py` is the check.

Each half of the photos checks the other. Only the portraits of `is_development` take part, so that the others can judge the
fit. What this assumes: that the people in the photos are average adults together, and
that the model's mean head is the mean adult, which it is calibrated to be.

    python -m builders.head.settle_points FOLDER... [--model head.npz] [-o builders/head/points_settled.json]

Needs MediaPipe (extra `mediapipe`) and its task file (`cephalon assets get mediapipe` or CEPHALON_MEDIAPIPE_TASK).
Only the averages are stored, no picture and nothing of a single person.
"""

from __future__ import annotations

import argparse
import functools
import json
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
from cephalon.values import Observation, PointObservation

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
"""Longer shifts of points on the front are cut: the face is not that different on photos."""

SIDES_MM = 45.0
"""Points less far in front of the ears than this are the sides."""

EAR_SIGMA_MM = (8.0, 1.0)
"""Sd of a marked ear's place across and along the upright picture: ears stand off differently, their height tells."""

EARS_FILE = Path(__file__).parent / "ears_seen.json"

UNSETTLED_WEAKER = 6.0
"""Factor on the sd of the points that are to be settled: the pose comes from the edges (lids, nose, lips)."""

ADULT_YEARS = 40.0


def residuals(photos: list[Path], model: HeadModel, trusted: NDArray[np.bool_]) -> Float:
    """Return (photos, 478, 2) measured minus predicted, mm at the point's depth, +x the person's left, +y up.

    Parameters
    ----------
    trusted : (478,) points that the pose comes from; the others have little say.
    """
    source = default_source(None, model)
    points = model.points(None, "mediapipe478")
    options = FitOptions(tempering=HELD_MEAN)
    weaker = np.where(trusted, 1.0, UNSETTLED_WEAKER**2)
    rows = []
    for path in photos:
        marked = seen_ears(path)
        try:
            observation = source.observe(Photo.open(path))
            if not _neutral(observation, model):
                continue
            measured = observation.points[0]
            seen = [replace(measured, covariance=measured.covariance * weaker[:, None, None])]
            if marked:
                seen.append(ear_observation(marked, model, px_per_mm(measured, points)))
            fitted = fit(
                [replace(observation, points=tuple(seen))], model, options, Cues(age_years=ADULT_YEARS)
            ).photos[0]
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


def seen_ears(photo: Path) -> dict[str, list[float]]:
    """Marked ear points of a photo of the data folder, px by name ("sa_l" the top, "sba_l" the lobe, ...)."""
    return _ears().get(f"{photo.parent.name}/{photo.stem}", {})


@functools.cache
def _ears() -> dict[str, dict[str, list[float]]]:
    return json.loads(EARS_FILE.read_text(encoding="utf-8"))["photos"]


def ear_observation(marked: dict[str, list[float]], model: HeadModel, px_mm: float) -> PointObservation:
    """Marked ear points as an observation of the set "iso"; `px_mm` is the photo's scale, px per mm."""
    names = list(model.point_set("iso").names)
    position, visible = np.zeros((len(names), 2)), np.zeros(len(names), dtype=bool)
    rows = [names.index(name) for name in marked]
    position[rows], visible[rows] = list(marked.values()), True
    covariance = np.tile(np.diag(np.square(EAR_SIGMA_MM)) * px_mm**2, (len(names), 1, 1))
    return PointObservation(set_name="iso", position=position, covariance=covariance, visible=visible)


def px_per_mm(measured: PointObservation, points: Float) -> float:
    """Scale of a frontal photo from the outer corners of the eyes (33, 263)."""
    apart = np.linalg.norm(measured.position[33] - measured.position[263])
    return float(apart / np.linalg.norm(points[33] - points[263]))


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
    return shift * np.minimum(1, MOST_MM / np.maximum(np.linalg.norm(shift, axis=1), 1e-9))[:, None]


def settle(photos: list[Path], model: HeadModel) -> tuple[Float, dict[str, float]]:
    """Return the shifts (478, 2) mm, and how well one half of the photos foretells the other."""
    mirror = canonical_face().mirror
    traced = traced_model(model)
    edges = np.isin(np.arange(478), [*ON_EDGES, *range(468, 478)])
    sides = ~edges & (traced.points(None, "mediapipe478")[:, 2] < SIDES_MM)
    front = ~edges & ~sides
    rows = residuals(photos, traced, edges | sides)
    halves = [symmetric_median(rows[start::2], mirror) for start in (0, 1)]
    before, after = halves[1][front], (halves[1] - _cut(halves[0]))[front]
    offset = np.zeros((478, 2))
    offset[front] = _cut(symmetric_median(rows, mirror))[front]
    rms = [float(np.sqrt((x**2).sum(-1).mean())) for x in (before, after)]
    return offset, {"photos": len(rows), "before_mm": rms[0], "after_mm": rms[1]}


def main() -> None:
    """Measure the shifts and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="head model asset; default the packaged one")
    parser.add_argument("-o", "--output", type=Path, default=SETTLED_FILE)
    options = parser.parse_args()
    photos = sorted(path for folder in options.folders for path in folder.glob("*.jpg") if is_development(path))
    shift, record = settle(photos, HeadModel.load(options.model))
    print(record)
    write_json(
        options.output,
        {
            "what": "shift of MediaPipe's points on the mean head, photos against renders; mm, +x person's left, +y up",
            "half_by_half": record,
            "offset_mm": np.round(shift, 3),
        },
    )


if __name__ == "__main__":
    main()
