"""Speed and exactness of the NoW evaluation beside a peer, in one run.

    python benchmarks/scan_to_mesh.py [--repeat 7] [--folder] [--memory 2000] [--json FILE]

One thread, seeded. The scan is a head drawn from the model, refined to 100,000 vertices of which about 55,000 lie in
NoW's crop, with 0.1 mm of noise; the prediction is the mean head's
skin and eyes, cut to 10,000 triangles. The peer is Gauss-Newton over
libigl's closest points (extra `evaluate`), from the same landmark start, stopped when no point moves by more than 1e-5 mm.
CPU seconds, least of the repeats,
since other work may share the machine. `--folder` times one and two processes over a folder of such scans instead,
`--memory` tells the peak memory along a long run over small ones.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "IGL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402 - after the thread counts are set

from cephalon.evaluate import batch  # noqa: E402 - after the thread counts are set
from cephalon.evaluate.judge import Setting, jobs, judge, prepare  # noqa: E402
from cephalon.evaluate.layout import collect  # noqa: E402
from cephalon.evaluate.meshes import Shape  # noqa: E402
from cephalon.evaluate.now import crop, landmark_start, scan_to_mesh  # noqa: E402
from cephalon.evaluate.results import Study  # noqa: E402
from cephalon.evaluate.surface import Surface, spatial_order  # noqa: E402
from cephalon.evaluation import head_shape, mean_head  # noqa: E402
from cephalon.geometry import Similarity, rotation_from_rotvec  # noqa: E402
from cephalon.head import HeadModel  # noqa: E402
from tests.reference.distance import point_to_mesh  # noqa: E402

SCAN_VERTICES, IN_CROP, PREDICTION_FACES = 100_000, 55_000, 10_000


def inputs(seed: int = 0) -> tuple[Shape, Shape]:
    """Prediction and scan of the sizes above, in the same places every time."""
    model, rng = HeadModel.load(), np.random.default_rng(seed)
    truth = head_shape(model, model.vertices(model.sample(rng=rng)))
    landmarks = truth.landmarks + rng.normal(0, 1.0, (7, 3))
    corners = truth.vertices[truth.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    chosen = rng.choice(len(corners), 12 * SCAN_VERTICES, p=area / area.sum())
    weights = rng.dirichlet(np.ones(3), len(chosen))
    points = np.einsum("kc,kcd->kd", weights, corners[chosen]) + rng.normal(0, 0.1, (len(chosen), 3))
    inside = np.zeros(len(points), dtype=bool)
    inside[crop(points, landmarks)] = True
    rows = np.sort(
        np.concatenate([np.flatnonzero(inside)[:IN_CROP], np.flatnonzero(~inside)[: SCAN_VERTICES - IN_CROP]])
    )
    scan = Shape(vertices=points[rows], faces=np.zeros((0, 3), dtype=np.int32), landmarks=landmarks)
    mean = head_shape(model, model.mean)
    return Shape(vertices=model.mean, faces=model.faces[:PREDICTION_FACES], landmarks=mean.landmarks), scan


def peer(prediction: Shape, scan: Shape, *, metrical: bool) -> np.ndarray:
    """Gauss-Newton over libigl's closest points: crop, Procrustes, refinement, distances."""
    import igl

    points = scan.vertices[crop(scan.vertices, scan.landmarks)]
    points = np.ascontiguousarray(points[spatial_order(points)])
    move, _ = landmark_start(prediction.landmarks, scan.landmarks, metrical=metrical)
    vertices, faces = np.ascontiguousarray(prediction.vertices), prediction.faces.astype(np.int64)
    tree = igl.AABB()
    tree.init(vertices, faces)
    centre = points.mean(0)
    arm = points - centre
    while True:
        square, _, closest = tree.squared_distance(vertices, faces, np.ascontiguousarray(move.inverse().apply(points)))
        distance = np.sqrt(square) * move.scale
        closest = move.apply(closest)
        normal = (points - closest) / np.maximum(distance, 1e-12)[:, None]
        lever = closest - centre
        rows = np.concatenate([np.cross(lever, normal), normal, (normal * lever).sum(1, keepdims=True)], axis=1)
        rows = rows[:, : 6 if metrical else 7]
        step = np.linalg.solve(rows.T @ rows, rows.T @ distance)
        reach = np.abs(arm).max()
        if np.abs(step[:3]).sum() * reach + np.abs(step[3:6]).sum() + np.abs(step[6:]).sum() * reach < 1e-5:
            return distance
        turn, grow = rotation_from_rotvec(step[:3]), 1.0 + (0.0 if metrical else float(step[6]))
        u, _, vt = np.linalg.svd(turn @ move.rotation)
        move = Similarity(
            scale=move.scale * grow,
            rotation=u @ vt,
            translation=centre + grow * (turn @ (move.translation - centre)) + step[3:6],
        )


def least(function, repeat: int) -> float:
    """Least CPU seconds of several runs, after one to warm up."""
    function()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def speed(repeat: int) -> dict:
    prediction, scan = inputs()
    record: dict = {"scan_vertices": len(scan.vertices), "prediction_faces": len(prediction.faces)}
    try:
        import igl
    except ImportError:
        igl = None
        print("the peer is not installed: pip install 'cephalon[evaluate]'")
    rows = crop(scan.vertices, scan.landmarks)
    points = np.ascontiguousarray(scan.vertices[rows][spatial_order(scan.vertices[rows])])
    record["in_crop"] = len(points)
    surface = Surface(prediction.vertices, prediction.faces)
    record["one distance pass"] = {"ours_s": least(lambda: surface.closest(points), repeat)}
    if igl is not None:
        tree, faces = igl.AABB(), prediction.faces.astype(np.int64)
        vertices = np.ascontiguousarray(prediction.vertices)
        tree.init(vertices, faces)
        record["one distance pass"]["peer_s"] = least(lambda: tree.squared_distance(vertices, faces, points), repeat)
    for metrical, aim in ((True, 0.30), (False, 0.20)):
        name = "metrical" if metrical else "non-metrical"
        entry = {"aim_s": aim, "ours_s": least(lambda m=metrical: scan_to_mesh(prediction, scan, metrical=m), repeat)}
        found = scan_to_mesh(prediction, scan, metrical=metrical)
        entry["ours_mm"] = [found.median_mm, found.mean_mm, found.std_mm]
        entry["passes"] = found.alignment.iterations
        if igl is not None:
            entry["peer_s"] = least(lambda m=metrical: peer(prediction, scan, metrical=m), max(repeat // 2, 1))
            theirs = peer(prediction, scan, metrical=metrical)
            entry["peer_mm"] = [float(np.median(theirs)), float(theirs.mean()), float(theirs.std())]
            entry["energy_ours_minus_peer_mm2"] = float((found.distance**2).mean() - (theirs**2).mean())
        placed = found.alignment.scan_from_prediction.apply(prediction.vertices)
        some = np.random.default_rng(0).choice(len(found.rows), 400, replace=False)
        slow = point_to_mesh(scan.vertices[found.rows[some]], placed, prediction.faces, chunk=16)
        entry["largest_difference_to_brute_force_mm"] = float(np.abs(slow - found.distance[some]).max())
        record[name] = entry
    return record


def write_folder(root: Path, people: int, images: int, *, dense: bool) -> None:
    """Write a NoW folder of scans and predictions of one method; scans of 100,000 vertices, or of the model's own if not dense."""
    model, rng = HeadModel.load(), np.random.default_rng(1)
    for person in range(people):
        scan = inputs(seed=person)[1] if dense else head_shape(model, model.vertices(model.sample(rng=rng)))
        for kind in ("scans", "landmarks"):
            (root / kind).mkdir(parents=True, exist_ok=True)
        np.savetxt(root / "scans" / f"P{person:03d}.obj", scan.vertices, "v %.5f %.5f %.5f")
        np.save(root / "landmarks" / f"P{person:03d}.npy", scan.landmarks)
        for image in range(images):
            shape = head_shape(
                model, model.vertices(model.code(identity=0.3 * rng.standard_normal(model.identity_count)))
            )
            place = root / "method" / f"P{person:03d}" / "neutral"
            place.mkdir(parents=True, exist_ok=True)
            with open(place / f"{image:04d}.obj", "w") as file:
                np.savetxt(file, shape.vertices, "v %.5f %.5f %.5f")
                np.savetxt(file, shape.faces + 1, "f %d %d %d")
            np.save(place / f"{image:04d}.npy", shape.landmarks)


def spent() -> float:
    """CPU seconds of this process and of its children that have ended."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def folder(people: int, images: int) -> dict:
    """Time one and two processes over a folder of dense scans: by the clock, and in CPU seconds.

    On a machine with other work the clock says little. What two idle cores would take is bounded from below by the CPU
    seconds of the busier of parent and workers: the workers share theirs evenly, the parent's come on top of one core's.
    """
    record: dict = {"items": people * images}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_folder(root, people=people, images=images, dense=True)
        found = collect({"method": root / "method"}, root / "scans", root / "landmarks")
        setting = Setting(protocol="now", baseline=mean_head())
        prepare()
        for workers in (1, 2):
            clock, cpu, own = time.perf_counter(), spent(), time.process_time()
            study, first = Study("now", ["mean head", "method"]), 0.0
            for _, outcomes in batch.run(judge, jobs(found.items, setting), workers=workers, prepare=prepare):
                first = first or time.perf_counter() - clock
                for outcome in outcomes:
                    study.add(outcome)
            record[f"{workers} process{'es' if workers > 1 else ''}"] = {
                "clock_s": time.perf_counter() - clock,
                "first_result_s": first,
                "cpu_s": spent() - cpu,
                "cpu_of_the_parent_s": time.process_time() - own,
                "outcomes": len(study.rows),
            }
    one, two = record["1 process"], record["2 processes"]
    record["times as fast by the clock"] = one["clock_s"] / two["clock_s"]
    record["times as fast on two idle cores, from CPU seconds"] = one["cpu_s"] / (0.5 * two["cpu_s"])
    return record


def memory(items: int) -> dict:
    """Peak memory along a run of many items: the same few small meshes over and over, under new names."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_folder(root, people=8, images=5, dense=False)
        found = collect({"method": root / "method"}, root / "scans", root / "landmarks")
        setting = Setting(protocol="now", baseline=mean_head())
        many = [
            replace(found.items[i % len(found.items)], name=f"P{i % 100:03d}/neutral/{i:05d}") for i in range(items)
        ]
        many.sort(key=lambda item: str(item.scan))  # a hundred subjects, as NoW has
        study, peaks = Study("now", ["mean head", "method"]), {}
        for number, (_, outcomes) in enumerate(batch.run(judge, jobs(many, setting))):
            for outcome in outcomes:
                study.add(outcome)
            done = len(study.rows) // 2
            if number == 0 or done >= 200 * (len(peaks)):
                peaks[str(done)] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        count = study.document()["methods"]["method"]["pooled"]["count"]
        peaks[f"{items} and the report's figures"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"peak_mb_after_items": peaks, "distances_pooled": count}


def show(record: dict) -> None:
    """Print the table of `speed`."""
    print(
        f"{record['scan_vertices']} scan vertices, {record['in_crop']} in the crop, {record['prediction_faces']} faces, one thread"
    )
    print(f"{'task':20} {'ours s':>8} {'peer s':>8} {'ratio':>6} {'aim s':>6}   median / mean / std mm, ours; peer")
    for task in ("one distance pass", "metrical", "non-metrical"):
        entry = record[task]
        theirs = entry.get("peer_s")
        ratio = f"{entry['ours_s'] / theirs:.2f}" if theirs else "-"
        figures = "; ".join(" ".join(f"{x:.6f}" for x in entry[k]) for k in ("ours_mm", "peer_mm") if k in entry)
        print(
            f"{task:20} {entry['ours_s']:8.3f} {theirs or float('nan'):8.3f} {ratio:>6} {entry.get('aim_s', '-'):>6}   {figures}"
        )
    for task in ("metrical", "non-metrical"):
        print(
            f"{task}: largest difference to brute force {record[task]['largest_difference_to_brute_force_mm']:.1e} mm"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--folder", action="store_true", help="one and two processes over a folder, nothing else")
    parser.add_argument("--people", type=int, default=12, help="scans of the folder, 8 images each")
    parser.add_argument("--memory", type=int, metavar="ITEMS", help="peak memory over so many items, nothing else")
    parser.add_argument("--json")
    options = parser.parse_args()
    if options.memory:
        record = memory(options.memory)
    elif options.folder:
        record = folder(options.people, 8)
    else:
        record = speed(options.repeat)
        show(record)
    if options.memory or options.folder:
        print(json.dumps(record, indent=1))
    record["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, 1 thread; load {os.getloadavg()[0]:.1f}"
    print(record["machine"])
    if options.json:
        Path(options.json).write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
