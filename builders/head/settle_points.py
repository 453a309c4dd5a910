"""Settle MediaPipe's points on the mean head by photos of real people.

The points are traced on portraits of our own heads (`builders.head.trace_mediapipe`). Where a point lies on an edge (lids,
lips, nostrils) that is right for people too; where it lies on smooth skin or slides along the outline (chin, jaw, sides,
cheeks, forehead, brows) the landmarker places it by habit, and the habit differs between renders and photos: by 4 mm at
the chin. Such a shift, the same for everybody, would make every face too short.

Over many adults identity averages out: the mean of (measured - predicted) over frontal photos of different people, each
posed with the head held near the mean adult, is the shift. It is made mirror-symmetric, turned into mm on the mean head and
added to the traced positions when the points are built. One half of the photos (every second file) is used, the other half
checks. What this assumes: that the people in the photos are average adults together, and that the model's mean head is
the mean adult, which it is calibrated to be.

    python -m builders.head.settle_points FOLDER... [--model head.npz] [-o builders/head/points_settled.json]

Needs MediaPipe (extra `mediapipe`) and its task file (`cephalon assets get mediapipe` or CEPHALON_MEDIAPIPE_TASK). Only the
averages are stored, no picture and nothing of a single person.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cephalon.core import CephalonError
from cephalon.files.document import write_json
from cephalon.fit import Cues, FitOptions, fit
from cephalon.head import HeadModel
from cephalon.observe import default_source
from cephalon.observe.canonical import canonical_face
from cephalon.photo import Photo

Float = NDArray[np.float64]

SETTLED_FILE = Path(__file__).parent / "points_settled.json"
FRONTAL_DEG = 12.0
"""Only photos turned less than this: a side shift of a turned head mixes with depth."""

HELD_MEAN = 40.0
"""Tempering of the landmarks: with so little say, identity stays at the mean and only pose, camera and expression move."""

ADULT_YEARS = 40.0


def residuals(photos: list[Path], model: HeadModel) -> Float:
    """Return (photos, 478, 2) measured minus predicted, mm at the point's depth, +x the person's left, +y up."""
    source = default_source(None, model)
    points = model.points(None, "mediapipe478")
    options = FitOptions(tempering=HELD_MEAN, expression_mean=5.0, expression_sigma=5.0)
    rows = []
    for path in photos:
        try:
            observation = source.observe(Photo.open(path))
            fitted = fit([observation], model, options, Cues(age_years=ADULT_YEARS)).photos[0]
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


def symmetric_median(rows: Float, mirror: NDArray[np.intp]) -> Float:
    """Return the (478, 2) median over photos, made mirror-symmetric."""
    middle = np.median(rows, axis=0)
    return (middle + middle[mirror] * [-1.0, 1.0]) / 2


def main() -> None:
    """Measure the shifts and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--model", type=Path, help="head model asset; default the packaged one")
    parser.add_argument("-o", "--output", type=Path, default=SETTLED_FILE)
    options = parser.parse_args()
    model = HeadModel.load(options.model)
    photos = sorted(path for folder in options.folders for path in folder.glob("*.jpg"))
    mirror = canonical_face().mirror
    used, check = residuals(photos[::2], model), residuals(photos[1::2], model)
    shift = symmetric_median(used, mirror)
    left = check.mean(0) - shift
    before = json.loads(SETTLED_FILE.read_text()) if SETTLED_FILE.exists() else None
    total = shift + (np.array(before["offset_mm"]) if before is not None else 0.0)
    rms = [float(np.sqrt((x**2).sum(-1).mean())) for x in (symmetric_median(check, mirror), left)]
    print(f"{len(used)} photos used, {len(check)} held out; mean shift there {rms[0]:.2f} mm, after settling {rms[1]:.2f} mm")
    write_json(
        options.output,
        {
            "what": "shift of MediaPipe's points on the mean head, photos against renders; mm, +x person's left, +y up",
            "photos": len(used),
            "held_out_photos": len(check),
            "held_out_rms_before_mm": rms[0],
            "held_out_rms_after_mm": rms[1],
            "offset_mm": np.round(total, 3),
        },
    )


if __name__ == "__main__":
    main()
