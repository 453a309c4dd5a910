"""How fast synthetic people are made: images per second of one process on one core, everything and all truth.

    python benchmarks/synth.py [--sizes 128 256] [--count 60] [--data DIR] [--json FILE]

The default family (hair, glasses, shadows, all maps), seeds apart from any data set. Per picture the processor time of this
process (not the clock's: other work on the machine does not count), after a warm-up of 10; mean, median and 90 % over pictures, by
stage: drawing the scene, rendering, the sensor with JPEG, truth; and writing the bytes of a shard, apart.
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


def measure(size: int, count: int, data: Path | None) -> dict:
    options = SampleOptions(size=size)
    library = load_library(data, stage.texture_size(options))
    clock = time.process_time
    parts: dict[str, list[float]] = {"render": [], "sensor": []}

    def timed(name, function):
        def run(*arguments, **named):
            start = clock()
            try:
                return function(*arguments, **named)
            finally:
                parts[name].append(clock() - start)

        return run

    stage.render, stage.expose = timed("render", stage.render), timed("sensor", stage.expose)
    seconds, writing = [], []
    for index in range(count + 10):
        start = clock()
        sample = make_samples(library, options, 424_242, index)[0]
        seconds.append(clock() - start)
        start = clock()
        data_bytes = sum(map(len, encode(sample).values()))
        writing.append(clock() - start)
    seconds = np.array(seconds[10:])
    mean = float(seconds.mean())
    return {
        "size": size, "count": count, "images_per_second": 1 / mean, "target": TARGETS.get(size), "ms_mean": 1e3 * mean,
        "ms_median": 1e3 * float(np.median(seconds)), "ms_90": 1e3 * float(np.percentile(seconds, 90)),
        "ms_render": 1e3 * float(np.mean(parts["render"][10:])), "ms_sensor": 1e3 * float(np.mean(parts["sensor"][10:])),
        "ms_encode": 1e3 * float(np.mean(writing[10:])), "bytes": data_bytes,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [measure(size, options.count, data_folder(options.data)) for size in options.sizes]
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
