"""Time the rasteriser beside a peer in the same run, on one thread.

    python benchmarks/rasterize.py [--json] [--repeats N]

Task: from vertices in the camera frame to face number, weights and depth of every pixel, of a head of 20,000
triangles that moves in every frame (nothing may be prepared). Ours: `rasterise_mesh`, projection included. Peer:
Embree through embreex, where that is installed (tree rebuilt for every frame, one ray per pixel, directions prepared
outside the clock); otherwise the plain NumPy twin, with few repeats. Both are warmed up and take turns, and neither
uses a second thread. Times are by the wall clock: close other programs first.
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
from collections.abc import Callable
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np

from cephalon.geometry import Camera, face_areas, rasterise_mesh, triangulate

TRIANGLES = 20_000
LIMIT_MS = {256: 2.0, 512: 5.0}


def head() -> tuple[np.ndarray, np.ndarray, str]:
    """Vertices (mm, head frame), exactly 20,000 triangles, and a name."""
    file = Path(str(resources.files("cephalon"))) / "data" / "head.npz"
    if file.exists():
        with np.load(file) as asset:
            vertices, polygons = asset["vertices"].astype(float), asset["polygons"]
        name = "the head model with all parts, its largest quads cut into four"
    else:
        vertices, polygons = bumpy_sphere()
        name = "a bumpy sphere, its largest quads cut into four"
    faces, owner = triangulate(polygons)
    cuts = (TRIANGLES - len(faces)) // 2
    area = np.bincount(owner, weights=face_areas(vertices, faces))
    chosen = np.argsort(np.where(polygons[:, 3] >= 0, -area, 0.0), kind="stable")[:cuts]
    centre = len(vertices) + np.arange(cuts)
    vertices = np.concatenate([vertices, vertices[polygons[chosen]].mean(axis=1)])
    pieces = {row: [] for row in range(len(polygons))}
    for row, middle in zip(chosen.tolist(), centre.tolist(), strict=True):
        a, b, c, d = polygons[row].tolist()
        pieces[row] = [(a, b, middle), (b, c, middle), (c, d, middle), (d, a, middle)]
    whole = {row: [] for row in range(len(polygons))}
    for face, row in zip(faces.tolist(), owner.tolist(), strict=True):
        whole[row].append(face)
    cut = np.array([face for row in pieces for face in (pieces[row] or whole[row])], dtype=np.int32)
    return vertices, cut, name


def bumpy_sphere(columns: int = 92, rows: int = 61) -> tuple[np.ndarray, np.ndarray]:
    """An egg of head size with waves: quads, open at the poles."""
    polar, around = np.meshgrid(
        np.linspace(0.05, np.pi - 0.05, rows + 1), np.arange(columns) * 2 * np.pi / columns, indexing="ij"
    )
    radius = 90 * (1 + 0.05 * np.sin(5 * polar) * np.cos(7 * around))
    vertices = np.stack(
        [
            radius * np.sin(polar) * np.sin(around),
            1.3 * radius * np.cos(polar),
            radius * np.sin(polar) * np.cos(around),
        ],
        axis=-1,
    ).reshape(-1, 3)
    corner = np.arange(rows)[:, None] * columns + np.arange(columns)
    right = np.arange(rows)[:, None] * columns + (np.arange(columns) + 1) % columns
    quads = np.stack([corner, corner + columns, right + columns, right], axis=-1).reshape(-1, 4)
    return vertices, quads.astype(np.int32)


def embree_caster(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> Callable[[], np.ndarray] | None:
    """A frame of the peer, which returns face numbers; None if embreex is not installed."""
    try:
        from embreex import rtcore_scene
        from embreex.mesh_construction import TriangleMesh
    except ImportError:
        return None
    row, column = np.mgrid[: camera.height, : camera.width]
    pixels = np.stack([column.ravel() + 0.5, row.ravel() + 0.5], axis=1)
    rays = camera.unproject(pixels, np.ones(len(pixels))).astype(np.float32)
    origins = np.zeros_like(rays)

    def frame() -> np.ndarray:
        scene = rtcore_scene.EmbreeScene()
        TriangleMesh(scene, vertices[faces].astype(np.float32))
        hits = scene.run(origins, rays, output=True)  # primID, u, v, tfar (= depth, as rays have z = 1)
        return hits["primID"].reshape(camera.height, camera.width)

    return frame


def twin(vertices: np.ndarray, faces: np.ndarray, camera: Camera) -> Callable[[], np.ndarray]:
    """A frame of the plain NumPy twin, which returns face numbers."""
    return lambda: rasterise_mesh(vertices, faces, camera, backend="numpy").face_index


def timed(*tasks: tuple[Callable[[], object], int]) -> list[dict[str, float]]:
    """Median and 10 % to 90 % spread, ms, of tasks that take turns; each with its number of repeats.

    Besides the wall clock, the processor time of the thread: on a busy machine it is nearer to the truth.
    """
    times: list[list[float]] = [[] for _ in tasks]
    busy: list[list[float]] = [[] for _ in tasks]
    for task, repeats in tasks:
        for _ in range(min(5, repeats)):
            task()
    for turn in range(max(repeats for _, repeats in tasks)):
        for (task, repeats), kept, spent in zip(tasks, times, busy, strict=True):
            if turn < repeats:
                start, start_busy = time.perf_counter(), time.thread_time()
                task()
                spent.append(1e3 * (time.thread_time() - start_busy))
                kept.append(1e3 * (time.perf_counter() - start))
    return [
        {
            "median_ms": statistics.median(kept),
            "p10_ms": float(np.quantile(kept, 0.1)),
            "p90_ms": float(np.quantile(kept, 0.9)),
            "cpu_median_ms": statistics.median(spent),
            "repeats": len(kept),
        }
        for kept, spent in zip(times, busy, strict=True)
    ]


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0] if names else cpu
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    versions = {name: metadata.version(name) for name in ("numpy", "numba", "embreex") if _installed(name)}
    return {
        "cpu": cpu or "unknown",
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": versions,
        "commit": commit or "unknown",
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def measure(repeats: int) -> dict[str, Any]:
    vertices, faces, name = head()
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    # Seen from 1 m, a little from the side, the head fills nine tenths of the picture's height.
    angle = np.radians(20.0)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    in_camera = (vertices - 0.5 * (low + high)) @ turn.T * (1, -1, -1) + (0, 0, 1000.0)
    focal_share = 0.9 / np.ptp(in_camera[:, 1] / in_camera[:, 2])
    rows = []
    for side, limit in LIMIT_MS.items():
        camera = Camera(width=side, height=side, focal_px=focal_share * side)
        ours = rasterise_mesh(in_camera, faces, camera)
        peer_name, peer_repeats, peer = "Embree", max(5, repeats // 3), embree_caster(in_camera, faces, camera)
        if peer is None:
            peer_name, peer_repeats, peer = "NumPy twin", 3, twin(in_camera, faces, camera)
        agreement = float((peer() == ours.face_index).mean())

        def run(camera: Camera = camera) -> object:
            return rasterise_mesh(in_camera, faces, camera)

        def run_culled(camera: Camera = camera) -> object:
            return rasterise_mesh(in_camera, faces, camera, cull="back")

        mine, culled, theirs = timed((run, repeats), (run_culled, repeats), (peer, peer_repeats))
        rows.append(
            {
                "size": side,
                "covered": float(ours.covered.mean()),
                "ours": mine,
                "ours_back_faces_culled": culled,
                "peer": peer_name,
                "theirs": theirs,
                "ratio": theirs["median_ms"] / mine["median_ms"],
                "same_face": agreement,
                "limit_ms": limit,
                "within_limit": mine["median_ms"] <= limit,
            }
        )
    return {
        "task": "rasterise a moving head",
        "triangles": len(faces),
        "mesh": name,
        "rows": rows,
        "machine": machine(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    parser.add_argument("--repeats", type=int, default=101, help="frames timed for ours (default 101)")
    options = parser.parse_args()
    result = measure(max(1, options.repeats))
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{result['triangles']} triangles: {result['mesh']}; one thread; median ms (10 % to 90 %)")
    line = "{:>4}  {:>7}  {:20} {:>6}  {:>6}  {:10} {:24} {:>6} {:>9}  {}".format
    print(line("size", "covered", "ours", "(cpu)", "culled", "peer", "theirs", "ratio", "same face", "limit"))
    for row in result["rows"]:
        mine, theirs = row["ours"], row["theirs"]
        print(
            line(
                row["size"],
                f"{row['covered']:.0%}",
                f"{mine['median_ms']:.2f} ({mine['p10_ms']:.2f}-{mine['p90_ms']:.2f})",
                f"{mine['cpu_median_ms']:.2f}",
                f"{row['ours_back_faces_culled']['median_ms']:.2f}",
                row["peer"],
                f"{theirs['median_ms']:.1f} ({theirs['p10_ms']:.1f}-{theirs['p90_ms']:.1f})",
                f"{row['ratio']:.1f}",
                f"{row['same_face']:.2%}",
                f"{row['limit_ms']:.0f} ms {'kept' if row['within_limit'] else 'MISSED'}",
            )
        )
    facts = result["machine"]
    print(
        f"{facts['cpu']}, {facts['cores']} cores, load {facts['load_average']}, {facts['system']}, "
        f"Python {facts['python']}, {facts['versions']}, commit {facts['commit']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
