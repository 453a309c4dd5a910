"""The head model: time to load, to evaluate one head, to take all measures; beside a plain product of FLAME's size.

    python benchmarks/head_model.py [--repeats 50] [--json FILE]

One thread. The peer is what any linear model must do: a float32 product of FLAME's size (5,023 vertices, 300 identity and
100 expression components) in NumPy, evaluated in the same run, without its pose correctives and skinning. Ours is a head
with expression and turned joints, skinned.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402 - after the thread counts are set

_LOAD = "import time; from cephalon.head import HeadModel; t = time.perf_counter(); HeadModel.load(); print(time.perf_counter() - t)"


def timed(call, repeats: int) -> list[float]:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--json")
    options = parser.parse_args()
    from cephalon.head import HeadModel

    loads = [
        float(subprocess.run([sys.executable, "-c", _LOAD], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    model = HeadModel.load()
    rng = np.random.default_rng(0)
    neutral = model.sample(rng=rng)
    posed = model.code(
        identity=neutral.identity,
        expression=rng.uniform(0, 0.5, len(model.expression_names)),
        joints={"head": [0.1, 0.2, 0.0], "left_eye": [0.0, 0.2, 0.0]},
    )
    vertices = model.vertices(neutral)
    basis = rng.standard_normal((400, 5023 * 3)).astype(np.float32)
    weights = rng.standard_normal(400).astype(np.float32)
    rows = {
        "one head, neutral": timed(lambda: model.vertices(neutral), options.repeats),
        "one head, expression and joints": timed(lambda: model.vertices(posed), options.repeats),
        "all measures": timed(lambda: model.measure(vertices), options.repeats),
        "product of FLAME's size (peer)": timed(lambda: weights @ basis, options.repeats),
    }
    peer = statistics.median(rows["product of FLAME's size (peer)"])
    print(f"machine: {platform.processor() or platform.machine()}, one thread; model {len(model.mean)} vertices,")
    print(f"{model.identity_count} identity modes, {len(model.expression_names)} expressions")
    print(f"load, fresh process: {min(loads):.3f} s best, {statistics.median(loads):.3f} s median of 5")
    print(f"{'':34s} median ms   best ms   ratio to peer")
    for name, times in rows.items():
        print(f"{name:34s} {statistics.median(times):9.3f} {times[0]:9.3f} {statistics.median(times) / peer:9.2f}")
    if options.json:
        with open(options.json, "w") as stream:
            json.dump(
                {"load_s": statistics.median(loads), "ms": {k: statistics.median(v) for k, v in rows.items()}}, stream
            )


if __name__ == "__main__":
    main()
