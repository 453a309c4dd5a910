"""An outside judge of the synthetic pictures: does MediaPipe find the faces, and are its points where ours are?

    python benchmarks/synth_judge.py PHOTOS... [--count 400] [--size 256] [--seed 900] [--plain] [--json FILE] [--worst FILE]

PHOTOS are folders of real portraits, with `index.json` files that may state a `yaw_deg`, and GIFs of turning heads. By yaw:
the share of pictures with a face found, ours beside the real ones, by MediaPipe as it comes and by a lenient one (thresholds at
0.1: at a yaw of 45 degrees and more the judge as it comes finds few faces of any kind). A real picture's yaw is MediaPipe's own; where
it finds nothing that of the index, a GIF's neighbouring frames', or unknown.

And the mean distance of MediaPipe's points from ours over the points of the bare head that face the camera, in percent of the
outer eye distance (in 3-D, projected at the head's depth): as it is, and after MediaPipe's own known errors are taken off (the
package's table of its bias and of its pull towards a mean face, measured on other pictures than these). --worst draws the worst 20,
MediaPipe's points red and ours green. The data of CEPHALON_SYNTH_DATA is used if set. Needs the extra `mediapipe` and its landmarker file.
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
from PIL import Image, ImageSequence

from cephalon import assets
from cephalon.observe.canonical import face_pose
from cephalon.observe.landmark_noise import mediapipe_noise, roll_matrix
from cephalon.synth import data_folder, load_library, make_samples
from cephalon.synth.options import PersonOptions, SampleOptions
from cephalon.synth.sample import texture_size

BINS = (0, 15, 45, 75, 111)
SET = "mediapipe478"
REGIONS = ("brows", "eyes", "nose", "lips", "oval", "irises", "rest")


def landmarkers() -> list[vision.FaceLandmarker]:
    """Return the judge as it comes, and the lenient one."""
    made = []
    for least in (0.5, 0.1):
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=str(assets.find_mediapipe_task())), num_faces=1,
            output_facial_transformation_matrixes=True, min_face_detection_confidence=least, min_face_presence_confidence=least,
        )  # fmt: skip
        made.append(vision.FaceLandmarker.create_from_options(options))
    return made


def regions() -> dict[str, np.ndarray]:
    """Return the points of each part of the face, by MediaPipe's own contours."""
    links = vision.FaceLandmarksConnections

    def of(*names: str) -> set[int]:
        return {i for n in names for link in getattr(links, f"FACE_LANDMARKS_{n}") for i in (link.start, link.end)}

    found = {
        "brows": of("LEFT_EYEBROW", "RIGHT_EYEBROW"), "eyes": of("LEFT_EYE", "RIGHT_EYE"), "nose": of("NOSE"), "lips": of("LIPS"),
        "oval": of("FACE_OVAL"), "irises": set(range(468, 478)),
    }  # fmt: skip
    found["rest"] = set(range(478)).difference(*found.values())
    return {name: np.array(sorted(rows)) for name, rows in found.items()}


def seen_by(judge: vision.FaceLandmarker, picture: np.ndarray):
    return judge.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(picture)))


def known_error(sample, model, unit: float) -> np.ndarray:
    """Return (478, 2) px by which MediaPipe is known to stray on this head: its pull to a mean face, and its bias at the view."""
    head, camera = sample.record["heads"][0], sample.record["camera"]
    noise = mediapipe_noise()
    pose = face_pose(sample.arrays[f"points_{SET}"][0][:, :2])
    strays = noise.at(pose.yaw_deg, pose.pitch_deg)[1] @ roll_matrix(pose.roll_deg).T * unit
    if noise.response is not None:
        points = model.point_set(SET)
        own, mean = (
            points.positions(v, model.faces)
            for v in (model.vertices(model.code(identity=np.array(head["identity"]))), model.mean)
        )
        pulled = noise.response.of((own - mean)[..., None])[..., 0] @ np.array(head["camera_from_skull"])[:3, :3].T
        strays = strays + pulled[:, :2] * camera["focal_px"] / np.median(sample.arrays[f"points_{SET}"][0][:, 2:3])
    return strays


def judge_ours(judges, library, settings: SampleOptions, seed: int, count: int) -> list[dict]:
    """Return a row for each synthetic picture."""
    model, rows = library.model, []
    for index in range(count):
        sample = make_samples(library, settings, seed, index)[0]
        head, points = sample.record["heads"][0], sample.arrays[f"points_{SET}"][0]
        found = seen_by(judges[0], sample.image)
        row = {
            **dict(zip(("yaw", "pitch", "roll"), head["yaw_pitch_roll_deg"], strict=True)),
            **{name: head[name] for name in ("glasses", "lens_tint", "beard", "hair", "mask", "occluded", "sex", "age_years")},
            "index": index, "found": bool(found.face_landmarks), "error": None,
        }  # fmt: skip
        row["lenient"] = row["found"] or bool(seen_by(judges[1], sample.image).face_landmarks)
        if row["found"]:
            place = np.array([[p.x, p.y] for p in found.face_landmarks[0]]) * settings.size
            eyes = model.points(model.code(identity=np.array(head["identity"])), "now7")[[0, 3]]
            unit = np.linalg.norm(eyes[0] - eyes[1]) * sample.record["camera"]["focal_px"] / np.median(points[:, 2])
            seen = points[:, 4] > 0.5
            off = (place - points[:, :2]) / unit * 100
            left = off - known_error(sample, model, unit) / unit * 100
            turn = roll_matrix(face_pose(points[:, :2]).roll_deg)
            row |= {
                "error": float(np.linalg.norm(off, axis=1)[seen].mean()), "after": float(np.linalg.norm(left, axis=1)[seen].mean()),
                # upright
                "off": off @ turn, "seen": seen, "left": left @ turn, "place": place, "ours": points[:, :2], "image": sample.image,
            }  # fmt: skip
        rows.append(row)
    return rows


def real_pictures(places: list[Path], size: int):
    """Yield (name, picture, yaw or None, clip) of photos and of the frames of GIFs, squares of `size` px."""
    known = {}
    files = [file for place in places for file in (sorted(place.rglob("*")) if place.is_dir() else [place])]
    for index_file in (file for file in files if file.name == "index.json"):
        records = json.loads(index_file.read_text())
        known |= {Path(r["file"]).name: r.get("yaw_deg") for r in records if isinstance(r, dict) and "file" in r}
    for path in (file for file in files if file.suffix.lower() in (".jpg", ".jpeg", ".png", ".gif")):
        with Image.open(path) as opened:
            for number, frame in enumerate(ImageSequence.Iterator(opened)):
                picture = frame.convert("RGB")
                side = min(picture.size)
                left = (picture.width - side) // 2
                square = picture.crop((left, 0, left + side, side)).resize((size, size))
                yield f"{path.name} {number}", np.asarray(square), known.get(path.name), path.suffix.lower() == ".gif"


def judge_real(judges, places: list[Path], size: int) -> list[dict]:
    """Return a row for each real picture."""
    rows = []
    for name, picture, stated, clip in real_pictures(places, size):
        found, yaw = seen_by(judges[0], picture), stated
        if found.facial_transformation_matrixes:
            m = np.array(found.facial_transformation_matrixes[0])
            yaw = float(np.rad2deg(np.arctan2(m[0, 2], m[2, 2])))
        row = {"name": name, "found": bool(found.face_landmarks), "yaw": yaw, "clip": clip}
        row["lenient"] = row["found"] or bool(seen_by(judges[1], picture).face_landmarks)
        rows.append(row)
    for k, row in enumerate(rows):
        if row["yaw"] is None and row["clip"]:
            beside = [r["yaw"] for r in rows[max(k - 1, 0) : k + 2] if r["clip"] and r["yaw"] is not None]
            row["yaw"] = float(np.mean(beside)) if beside else None
    return rows


def mean(values) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def report(rows: list[dict], real: list[dict]) -> None:
    """Print the tables."""
    print("yaw, deg   ours: found       lenient        error, %  median  after known errors |  real: found  lenient")
    for low, high in pairwise(BINS):
        ours = [r for r in rows if low <= abs(r["yaw"]) < high]
        hits = [r for r in ours if r["found"]]
        theirs = [r for r in real if r["yaw"] is not None and low <= abs(r["yaw"]) < high]
        share = [100 * mean([r[k] for r in ours]) for k in ("found", "lenient")]
        print(
            f"{low:3d}-{high:3d}   {len(hits):4d}/{len(ours):4d} {share[0]:5.1f} %  {share[1]:5.1f} %"
            f"  {mean([r['error'] for r in hits]):13.2f}  {np.median([r['error'] for r in hits] or [np.nan]):6.2f}"
            f"  {mean([r['after'] for r in hits]):18.2f} |"
            f"  {sum(r['found'] for r in theirs):4d}/{len(theirs):4d}  {sum(r['lenient'] for r in theirs):4d}"
        )
    unknown = [r for r in real if r["yaw"] is None]
    print(
        f"real pictures of unknown yaw (profiles: nothing found as it comes): {len(unknown)}, lenient {sum(r['lenient'] for r in unknown)}"
    )
    calm = [
        r
        for r in rows
        if abs(r["yaw"]) < 45 and abs(r["pitch"]) < 20 and abs(r["roll"]) < 30 and not r["mask"] and not r["occluded"]
    ]
    hits = [r for r in calm if r["found"]]
    for what, key in (("", "error"), (" after its known errors", "after")):
        errors = [r[key] for r in hits]
        print(
            f"posed as portraits are (yaw < 45, pitch < 20, roll < 30, nothing in front): {len(hits)}/{len(calm)} found, "
            f"error{what} mean {mean(errors):.2f} %, median {np.median(errors):.2f} %"
        )
    near = [r for r in hits if abs(r["yaw"]) < 20 and abs(r["pitch"]) < 15]
    print("near frontal, by region: mean error, %; of it the median shift (right, down); after known errors")
    if near:
        off, left = np.array([r["off"] for r in near]), np.array([r["left"] for r in near])
        for name, part in regions().items():
            middle = np.median(off[:, part], axis=0)
            print(
                f"  {name:7s} {np.linalg.norm(off[:, part], axis=2).mean():5.2f}  {np.linalg.norm(middle, axis=1).mean():5.2f}"
                f" ({np.abs(middle[:, 0]).mean():.1f}, {middle[:, 1].mean():+.1f})  {np.linalg.norm(left[:, part], axis=2).mean():5.2f}"
            )
        middle = np.median(off, axis=0)
        worst = np.argsort(-np.linalg.norm(middle, axis=1))[:12]
        print("  points shifted most:", ", ".join(f"{k} ({middle[k, 0]:+.1f}, {middle[k, 1]:+.1f})" for k in worst))


def draw_worst(rows: list[dict], path: Path, count: int = 20, side: int = 320) -> None:
    """Write a sheet of the pictures posed as portraits with the largest errors."""
    hits = [r for r in rows if r["found"] and abs(r["yaw"]) < 45 and abs(r["pitch"]) < 20 and abs(r["roll"]) < 30]
    hits = sorted((r for r in hits if not r["mask"] and not r["occluded"]), key=lambda r: -r["error"])[:count]
    sheet = Image.new("RGB", (5 * side, -(-len(hits) // 5) * side))
    for k, row in enumerate(hits):
        scale = side / row["image"].shape[0]
        picture = Image.fromarray(row["image"]).resize((side, side))
        for points, colour in ((row["ours"], (40, 255, 40)), (row["place"], (255, 40, 40))):
            for x, y in points * scale:
                if 0 <= x < side and 0 <= y < side:
                    picture.putpixel((int(x), int(y)), colour)
        sheet.paste(picture, (k % 5 * side, k // 5 * side))
    sheet.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument(
        "--plain", action="store_true", help="no masks, tinted lenses or occluders: as the real portraits mostly are"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worst", type=Path, metavar="PNG")
    options = parser.parse_args()
    judges = landmarkers()
    settings = SampleOptions(size=options.size)
    if options.plain:
        settings = SampleOptions(
            size=options.size, occluder=0.0, person=PersonOptions(mask=0.0, tinted=0.2, hat=0.05, headphones=0.0)
        )
    library = load_library(data_folder(), texture_size(settings))
    rows = judge_ours(judges, library, settings, options.seed, options.count)
    real = judge_real(judges, options.photos, options.size)
    print(f"{len(rows)} synthetic pictures of {options.size} px, {len(real)} real ones cropped and resized alike")
    report(rows, real)
    if options.worst:
        draw_worst(rows, options.worst)
    if options.json:
        kept = [{k: v for k, v in r.items() if not isinstance(v, np.ndarray)} for r in rows]
        options.json.write_text(json.dumps({"ours": kept, "real": real}, indent=1))


if __name__ == "__main__":
    main()
