"""Where the fit puts the ears of real people, which no landmark shows it: an outside check of pitch and skull.

    python benchmarks/ears.py PHOTOS [--half held-out] [--offset points_settled.json]

PHOTOS is the folder with congress/, stock/ ... whose ears were marked by hand (`builders/head/ears_seen.json`). Ears lie
100 mm behind the face: 1 degree of pitch moves them by 1.7 mm. Prints, by photo and pooled, how far the fitted ear lies
under the marked one (tops and lobes, mm at the ear's depth), and the pitch before and after the ears are told to the fit.
`--offset` tries other shifts of the named points than the packaged ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from builders.head.photo_split import is_development
from builders.head.points import traced_model
from builders.head.settle_points import EARS_FILE, ear_observation, px_per_mm
from cephalon.core import CephalonError
from cephalon.fit import Cues, FitOptions, fit
from cephalon.head import HeadCode, HeadModel
from cephalon.observe import default_source
from cephalon.photo import Photo
from cephalon.values import PhotoFit, Posterior


def pitch_up_deg(fitted: PhotoFit) -> float:
    """Angle by which the head looks up, degrees."""
    forward = fitted.camera_from_head.rotation @ [0.0, 0.0, 1.0]
    return float(np.degrees(np.arctan2(-forward[1], -forward[2])))


def ears_low_mm(posterior: Posterior, model: HeadModel, marked: dict[str, list[float]]) -> float:
    """How far the fitted ear points lie under the marked ones on average, mm."""
    fitted = posterior.photos[0]
    names = list(model.point_set("iso").names)
    at = fitted.camera_from_head.apply(model.points(HeadCode(identity=posterior.identity), "iso"))
    px = fitted.camera.project(at)
    low = [
        (px[names.index(name), 1] - y) * at[names.index(name), 2] / fitted.camera.focal_px
        for name, (_, y) in marked.items()
    ]
    return float(np.mean(low))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--half", choices=("all", "development", "held-out"), default="held-out")
    parser.add_argument("--offset", type=Path)
    options = parser.parse_args()
    model = HeadModel.load()
    if options.offset:
        model = traced_model(model, np.array(json.loads(options.offset.read_text(encoding="utf-8"))["offset_mm"]))
    source = default_source(None, model)
    points = model.points(None, "mediapipe478")
    rows = []
    for name, marked in json.loads(EARS_FILE.read_text(encoding="utf-8"))["photos"].items():
        path = options.photos / f"{name}.jpg"
        if options.half != "all" and is_development(path) != (options.half == "development"):
            continue
        try:
            observation = source.observe(Photo.open(path))
        except CephalonError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        seen = observation.points[0]
        told = replace(observation, points=(seen, ear_observation(marked, model, px_per_mm(seen, points))))
        free, held = (fit([x], model, FitOptions(), Cues()) for x in (observation, told))
        row = (
            pitch_up_deg(free.photos[0]),
            pitch_up_deg(held.photos[0]),
            ears_low_mm(free, model, marked),
            ears_low_mm(held, model, marked),
            free.photos[0].reprojection_percent,
        )
        rows.append(row)
        print(
            f"{name:32s} pitch {row[0]:6.1f} -> {row[1]:6.1f} deg, ears low {row[2]:6.1f} -> {row[3]:5.1f} mm,"
            f" points {row[4]:.2f} %",
            flush=True,
        )
    table = np.array(rows)
    print(
        f"{len(rows)} photos, {options.half}: ears low {np.median(table[:, 2]):.1f} mm (median), spread"
        f" {np.std(table[:, 2]):.1f}; pitch moves by {np.mean(table[:, 1] - table[:, 0]):.1f} +- "
        f"{np.std(table[:, 1] - table[:, 0]):.1f} deg when the ears are told; points {np.median(table[:, 4]):.2f} %"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
