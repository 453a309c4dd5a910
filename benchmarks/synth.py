"""How fast synthetic people are made: images per second of one process on one core, everything and all truth.

    python benchmarks/synth.py [--sizes 128 256] [--count 60] [--repeats 3] [--data DIR] [--json FILE]

The default family (hair, glasses, shadows, all maps), seeds apart from any data set. Each picture is made several times, and the
least processor time of this process counts (not the clock's; what other work on the machine takes from caches and memory still
does: see the load that is printed), after a warm-up of 10; mean, median and 90 % over pictures; of it rendering, and the sensor with
JPEG; and encoding the bytes of a shard, apart.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - after the thread counts are set

from cephalon.synth import SampleOptions, data_folder, encode, load_library, make_samples  # noqa: E402
from cephalon.synth import sample as stage  # noqa: E402

TARGETS = {128: 40.0, 256: 15.0}


def measure(size: int, count: int, repeats: int, data: Path | None) -> dict:
    options = SampleOptions(size=size)
    library = load_library(data, stage.texture_size(options))
    clock = time.process_time
    spent: dict[str, float] = {}

    def timed(name, function):
        def run(*arguments, **named):
            start = clock()
            try:
                return function(*arguments, **named)
            finally:
                spent[name] = clock() - start

        return run

    kept = stage.render, stage.expose
    stage.render, stage.expose = timed("render", kept[0]), timed("sensor", kept[1])
    rows = []
    for index in range(count + 10):
        best: dict[str, float] = {}
        for _ in range(repeats):
            start = clock()
            sample = make_samples(library, options, 424_242, index)[0]
            spent["picture"] = clock() - start
            start = clock()
            data_bytes = sum(map(len, encode(sample).values()))
            spent["encode"] = clock() - start
            best = {name: min(value, best.get(name, np.inf)) for name, value in spent.items()}
        rows.append(best)
    stage.render, stage.expose = kept
    ms = {name: np.array([1e3 * row[name] for row in rows[10:]]) for name in rows[0]}
    mean = float(ms["picture"].mean())
    return {
        "size": size, "count": count, "repeats": repeats, "images_per_second": 1e3 / mean, "target": TARGETS.get(size), "ms_mean": mean,
        "ms_median": float(np.median(ms["picture"])), "ms_90": float(np.percentile(ms["picture"], 90)),
        "ms_render": float(ms["render"].mean()), "ms_sensor": float(ms["sensor"].mean()), "ms_encode": float(ms["encode"].mean()),
        "bytes": data_bytes,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [measure(size, options.count, options.repeats, data_folder(options.data)) for size in options.sizes]
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; one process, one thread"
    )
    for row in rows:
        print(
            f"{row['size']} px: {row['images_per_second']:.1f} images/s (aim {row['target']}); {row['ms_mean']:.1f} ms mean,"
            f" {row['ms_median']:.1f} median, {row['ms_90']:.1f} at 90 %; of it render {row['ms_render']:.1f},"
            f" sensor {row['ms_sensor']:.1f}; encoding for disk {row['ms_encode']:.1f} ms besides"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
