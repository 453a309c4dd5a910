"""An outside judge of the synthetic pictures: does MediaPipe find the faces, and are its points where ours are?

    python benchmarks/synth_judge.py PHOTOS [--count 400] [--size 256] [--seed 900] [--json FILE]

PHOTOS is a folder of real portraits. By yaw bin: the share of pictures with a face found, ours beside the real ones (their
yaw by MediaPipe itself where it finds one, else by the `index.json` beside them); and the mean distance of MediaPipe's points
from ours over the points of the bare head that face the camera, in percent of the outer eye distance (in 3-D, projected at the
head's depth). The data of CEPHALON_SYNTH_DATA is used if set. Needs the extra `mediapipe` and its landmarker file.
"""

from __future__ import annotations

import argparse
import json
import os
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image

from cephalon import assets
from cephalon.synth import data_folder, load_library, make_samples
from cephalon.synth.options import PersonOptions, SampleOptions
from cephalon.synth.sample import texture_size

BINS = (0, 15, 45, 75, 111)


def landmarker():
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(assets.find_mediapipe_task())), num_faces=1,
        output_facial_transformation_matrixes=True,
    )  # fmt: skip
    return vision.FaceLandmarker.create_from_options(options)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument(
        "--plain", action="store_true", help="no masks, tinted lenses or occluders: as the real portraits mostly are"
    )
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    judge = landmarker()
    settings = SampleOptions(size=options.size)
    if options.plain:
        settings = SampleOptions(
            size=options.size, occluder=0.0, person=PersonOptions(mask=0.0, tinted=0.2, hat=0.05, headphones=0.0)
        )
    library = load_library(data_folder(), texture_size(settings))
    rows = []
    shifts: list[np.ndarray] = []
    for index in range(options.count):
        sample = make_samples(library, settings, options.seed, index)[0]
        head = sample.record["heads"][0]
        points = sample.arrays["points_mediapipe478"][0]
        found = judge.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(sample.image)))
        error = None
        if found.face_landmarks:
            place = np.array([[p.x, p.y] for p in found.face_landmarks[0]]) * options.size
            model = library.model
            eyes = model.points(model.code(identity=np.array(head["identity"])), "now7")[[0, 3]]
            unit = np.linalg.norm(eyes[0] - eyes[1]) * sample.record["camera"]["focal_px"] / np.median(points[:, 2])
            seen = points[:, 4] > 0.5
            if abs(head["yaw_pitch_roll_deg"][0]) < 20 and abs(head["yaw_pitch_roll_deg"][1]) < 15:
                roll = np.deg2rad(head["yaw_pitch_roll_deg"][2])
                turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
                shifts.append((place - points[:, :2]) @ turn.T / unit * 100)
            error = float(np.linalg.norm(place - points[:, :2], axis=1)[seen].mean() / unit * 100)
        box = head["box"]
        names = library.model.expression_names
        rows.append(
            {
                **dict(zip(("yaw", "pitch", "roll"), head["yaw_pitch_roll_deg"], strict=True)),
                **{name: head[name] for name in ("glasses", "lens_tint", "beard", "hair", "mask", "occluded")},
                "index": index, "height": box[3] - box[1], "error": error, "jaw": head["expression"][names.index("jawOpen")],
            }
        )  # fmt: skip
    real = []
    known = {}
    for index_file in options.photos.rglob("index.json"):
        for record in json.loads(index_file.read_text()):
            known[Path(record["file"]).name] = record.get("yaw_deg")
    for path in sorted(p for p in options.photos.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")):
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        side = min(picture.size)
        left, top = (picture.width - side) // 2, 0
        small = np.asarray(picture.crop((left, top, left + side, top + side)).resize((options.size, options.size)))
        found = judge.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(small)))
        yaw = known.get(path.name)
        if found.facial_transformation_matrixes:
            m = np.array(found.facial_transformation_matrixes[0])
            yaw = float(np.rad2deg(np.arctan2(m[0, 2], m[2, 2])))
        real.append({"found": bool(found.face_landmarks), "yaw": yaw})
    print(f"{len(rows)} synthetic pictures of {options.size} px, {len(real)} real ones cropped and resized alike")
    print("yaw, deg     ours: found    error %   median |   real: found")
    for low, high in pairwise(BINS):
        ours = [r for r in rows if low <= abs(r["yaw"]) < high]
        errors = [r["error"] for r in ours if r["error"] is not None]
        theirs = [r for r in real if r["yaw"] is not None and low <= abs(r["yaw"]) < high]
        print(
            f"{low:3d}-{high:3d}   {len(errors):4d}/{len(ours):4d} {100 * len(errors) / max(len(ours), 1):5.1f} %"
            f"  {np.mean(errors) if errors else float('nan'):7.2f}  {np.median(errors) if errors else float('nan'):7.2f} |"
            f" {sum(r['found'] for r in theirs):4d}/{len(theirs):4d}"
        )
    calm = [
        r
        for r in rows
        if abs(r["yaw"]) < 45 and abs(r["pitch"]) < 20 and abs(r["roll"]) < 30 and not r["mask"] and not r["occluded"]
    ]
    errors = [r["error"] for r in calm if r["error"] is not None]
    print(
        f"posed as portraits are (yaw < 45, pitch < 20, roll < 30, nothing in front): {len(errors)}/{len(calm)} found, "
        f"error mean {np.mean(errors):.2f} %, median {np.median(errors):.2f} %"
    )
    errors = [r["error"] for r in rows if r["error"] is not None]
    fair = [r["error"] for r in rows if r["error"] is not None and abs(r["yaw"]) < 45]
    print(
        f"all: mean error {np.mean(errors):.2f} %, median {np.median(errors):.2f} %; below 45 degrees mean {np.mean(fair):.2f} %"
    )
    print(f"real pictures without a yaw (nothing found, none known): {sum(r['yaw'] is None for r in real)}")
    if shifts:
        middle = np.median(shifts, axis=0)
        spread = np.median(np.abs(np.array(shifts) - middle), axis=0).mean()
        print(
            f"near frontal: median shift of a point {np.linalg.norm(middle, axis=1).mean():.2f} %,"
            f" its scatter {1.48 * spread:.2f} % a coordinate"
        )
        worst = np.argsort(-np.linalg.norm(middle, axis=1))[:12]
        print("points shifted most:", ", ".join(f"{k} ({middle[k, 0]:+.1f}, {middle[k, 1]:+.1f})" for k in worst))
    if options.json:
        options.json.write_text(json.dumps({"ours": rows, "real": real}, indent=1))


if __name__ == "__main__":
    main()
