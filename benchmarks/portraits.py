"""The main job on a folder of real portraits: share reconstructed, reprojection, time by stage, memory, cold start.

    python benchmarks/portraits.py FOLDER [--limit N] [--json FILE] [--texture-size 1024] [--cold] [--half held-out]

Runs in one process, one thread, landmarks from MediaPipe (extra `mediapipe`, its file from `cephalon assets get mediapipe`
or CEPHALON_MEDIAPIPE_TASK). The first photo is run twice and the first run is left out of the times (warm-up). `--cold`
measures the whole command on one photo in a fresh process besides. `--half held-out` takes only the portraits by which no
point was settled and nothing was chosen (`builders.head.photo_split`).

Means of the fitted measures are printed beside those of surveys of men and women: a check of size and of what smiles do
to identity, as far as the people in the photos are average adults.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

MEASURES = (
    "interpupillary distance",
    "head breadth",
    "head length",
    "bizygomatic breadth",
    "bigonial breadth",
    "menton-sellion length",
    "nose breadth",
    "lip length",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--texture-size", type=int, default=1024)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--half", choices=("all", "development", "held-out"), default="all")
    options = parser.parse_args()

    from builders.head.anthropometry import TARGETS
    from builders.head.photo_split import is_development
    from cephalon.appearance import TextureOptions
    from cephalon.core import CephalonError
    from cephalon.reconstruction import ReconstructOptions, reconstruct, save

    photos = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if options.half != "all":
        photos = [p for p in photos if is_development(p) == (options.half == "development")]
    photos = photos[: options.limit]
    if not photos:
        print(f"{options.folder}: no photos", file=sys.stderr)
        return 2
    settings = ReconstructOptions(texture=TextureOptions(size=options.texture_size))
    stages: dict[str, list[float]] = {}
    rows, failed = [], []
    with tempfile.TemporaryDirectory() as place:
        for index, photo in enumerate([photos[0], *photos]):
            start = time.perf_counter()
            try:
                head = reconstruct([photo], options=settings)
            except CephalonError as error:
                if index:
                    failed.append((photo.name, str(error)))
                continue
            seconds = {**head.timings_s, **save(head, Path(place) / "out", force=True)}
            if not index:
                continue
            seconds["everything"] = time.perf_counter() - start
            for stage, value in seconds.items():
                stages.setdefault(stage, []).append(value)
            fitted = head.posterior.photos[0]
            rows.append(
                {
                    "photo": photo.name,
                    "status": fitted.status,
                    "converged": head.posterior.status == "converged",
                    "reprojection_px": fitted.reprojection_px,
                    "reprojection_percent": fitted.reprojection_percent,
                    "identity_rms": float((head.identity**2).mean() ** 0.5),
                    "measures_mm": {name: head.measure(name).mm for name in MEASURES},
                }
            )
            print(
                f"{index:4d}/{len(photos)} {photo.name:28s} {fitted.status:9s} {fitted.reprojection_percent:5.2f} %"
                f"  {seconds['everything']:5.2f} s", file=sys.stderr, flush=True,
            )  # fmt: skip
    good = [row for row in rows if row["converged"] and row["status"] == "ok"]
    percents = sorted(row["reprojection_percent"] for row in rows)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"machine: {platform.processor() or platform.machine()}, {os.cpu_count()} cores, one thread used")
    print(f"portraits: {len(photos)}; reconstructed {len(rows)}, of these converged and plausible {len(good)}")
    print(
        f"reprojection, % of the outer eye distance: median {statistics.median(percents):.2f}, worst {percents[-1]:.2f}"
    )
    print("stage           median s    90 % s")
    for stage, values in stages.items():
        values.sort()
        print(f"{stage:14s} {statistics.median(values):9.3f} {values[int(0.9 * (len(values) - 1))]:9.3f}")
    print("fitted measure, mm             mean    sd   (surveys: men, women)")
    for name in MEASURES:
        values = [row["measures_mm"][name] for row in rows]
        men, women = TARGETS[name].mean
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        print(f"{name:28s} {statistics.mean(values):6.1f} {spread:5.1f}   ({men:.1f}, {women:.1f})")
    rms = statistics.median(row["identity_rms"] for row in rows)
    print(f"identity coefficients, root mean square: median {rms:.2f} (people: 1)")
    print(f"peak memory of the process: {memory:.0f} MB")
    cold = _cold(photos[0]) if options.cold else None
    if cold is not None:
        print(f"cold start of the command, one photo: {cold:.1f} s")
    for name, why in failed:
        print(f"not reconstructed: {name}: {why}")
    if options.json:
        document = {
            "rows": rows,
            "failed": failed,
            "seconds": {stage: statistics.median(values) for stage, values in stages.items()},
            "memory_mb": memory,
            "cold_s": cold,
        }
        options.json.write_text(json.dumps(document, indent=1))
    return 0


def _cold(photo: Path) -> float:
    with tempfile.TemporaryDirectory() as place:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "cephalon", "reconstruct", photo, "-o", Path(place) / "out"],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
