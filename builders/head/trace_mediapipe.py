"""Where MediaPipe's face landmarks lie on our topology, found by showing it portraits of our heads.

Run by hand when the topology, the mean head or the landmarker changes; its result, ``points_mediapipe478.json``, is what
`builders.head.points` reads, so building the asset needs no MediaPipe:

    python -m builders.head.trace_mediapipe --data DATA --task face_landmarker.task

Many heads are drawn from many sides; for each landmark the surface point is sought whose projections come nearest
to what the landmarker said (all heads share the topology), weighted by how squarely each view sees it. Left and
right are made mirror images. Points that mean an anatomical edge (lids, lips) are moved onto that edge loop of
the mesh by `builders.head.points`.

Shape letters: v views, k landmarks, n head vertices, s heads, c candidate surface points.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, load_base
from builders.head.on_surface import nearest_on_edges
from builders.head.portraits import PortraitKit, portrait_camera, portrait_pose
from builders.head.regions import build_regions
from cephalon.geometry import Camera, Rigid, triangulate, vertex_normals
from cephalon.head import HeadModel

Float = NDArray[np.float64]
Detector = Callable[[NDArray[np.uint8]], "Float | None"]

LANDMARKS = 468
"""Landmarks of the face mesh; the ten of the irises follow from the eyeballs."""

YAWS_DEG = (0.0, 0.0, 18.0, -18.0, 36.0, -36.0, 52.0, -52.0)
"""Sides from which each person is drawn, varied by some degrees."""

SIZE_PX = 512

SEARCH_MM = 22.0
"""How far from the meeting point of its rays a landmark's surface point is sought."""

REFINE_MM = 3.0
"""The same around the best point of the coarse grid, on a finer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One portrait: which head (row), camera and pose, and the landmarks (468, 2) px that were seen."""

    head: int
    camera: Camera
    camera_from_head: Rigid
    landmarks: Float


@contextmanager
def mediapipe_detector(task: Path) -> Iterator[Detector]:
    """MediaPipe's face landmarker: picture (h, w, 3) uint8 -> (478, 2) px, or None where it finds no face."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    import mediapipe
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(task)), num_faces=1, min_face_detection_confidence=0.3
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:

        def detect(rgb: NDArray[np.uint8]) -> Float | None:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
            found = landmarker.detect(image).face_landmarks
            if not found:
                return None
            height, width = rgb.shape[:2]
            return np.array([[point.x * width, point.y * height] for point in found[0]])

        yield detect


def read_canonical(path: Path) -> tuple[Float, NDArray[np.int32]]:
    """MediaPipe's canonical face: vertices (468, 3) mm and triangles (898, 3)."""
    vertices, faces = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if fields and fields[0] == "v":
            vertices.append([10 * float(x) for x in fields[1:4]])
        elif fields and fields[0] == "f":
            faces.append([int(corner.split("/")[0]) - 1 for corner in fields[1:4]])
    return np.array(vertices), np.array(faces, dtype=np.int32)


def mirror_pairs(canonical: Float) -> NDArray[np.int32]:
    """Landmark (468,) on the other side of the face, from the canonical face's symmetry."""
    mirrored = canonical * [-1.0, 1.0, 1.0]
    return np.argmin(np.linalg.norm(mirrored[:, None] - canonical, axis=2), axis=1).astype(np.int32)


def collect_views(kit: PortraitKit, heads: Float, detect: Detector, *, rng: np.random.Generator) -> list[View]:
    """Draw every head (s, n, 3) from several sides and keep what the landmarker saw."""
    views = []
    for row, head in enumerate(heads):
        for yaw in YAWS_DEG:
            angles = (yaw + rng.normal(0, 5), rng.normal(0, 8), rng.normal(0, 4))
            distance = float(rng.uniform(500, 1400))
            camera = portrait_camera(SIZE_PX, distance)
            place = portrait_pose(angles, distance)
            seen = detect(kit.render(head, camera, place, kit.look(rng=rng))[0])
            if seen is not None:
                views.append(View(head=row, camera=camera, camera_from_head=place, landmarks=seen[:LANDMARKS]))
    return views


def triangulate_points(views: list[View]) -> Float:
    """Points (468, 3) mm of the head frame nearest to the rays of the landmarks, as if all heads were alike."""
    origin = np.stack([view.camera_from_head.inverse().translation for view in views])
    ray = np.stack(
        [view.camera.unproject(view.landmarks, np.ones(LANDMARKS)) @ view.camera_from_head.rotation for view in views]
    )
    ray /= np.linalg.norm(ray, axis=2, keepdims=True)
    across = np.eye(3) - ray[..., :, None] * ray[..., None, :]
    weight = np.ones(ray.shape[:2])
    point = np.zeros((LANDMARKS, 3))
    for _ in range(20):
        system = np.einsum("vk,vkab->kab", weight, across)
        right = np.einsum("vk,vkab,vb->ka", weight, across, origin)
        point = np.linalg.solve(system, right[..., None])[..., 0]
        miss = np.einsum("vkab,vkb->vka", across, point[None] - origin[:, None])
        weight = 1 / np.sqrt(1 + (np.linalg.norm(miss, axis=2) / 2) ** 2)
    return point


def mirrored_views(views: list[View], pairs: NDArray[np.int32], first_head: int) -> list[View]:
    """The views of the mirrored heads, whose rows start at `first_head`."""
    flip = np.array([-1.0, 1.0, 1.0])
    return [
        View(
            head=view.head + first_head,
            camera=view.camera,
            camera_from_head=Rigid(
                rotation=flip[:, None] * view.camera_from_head.rotation * flip,
                translation=view.camera_from_head.translation * flip,
            ),
            landmarks=(view.landmarks * [-1.0, 1.0] + [view.camera.width, 0.0])[pairs],
        )
        for view in views
    ]


def face_grid(rows: NDArray[np.intp], steps: int) -> tuple[NDArray[np.intp], Float]:
    """Points spread over triangles: rows (c,) and barycentric weights (c, 3), steps (steps + 1) / 2 per triangle."""
    grid = np.array([(i + 1 / 3, j + 1 / 3) for i in range(steps) for j in range(steps - i)]) / steps
    weights = np.concatenate([1 - grid.sum(axis=1, keepdims=True), grid], axis=1)
    return np.repeat(rows, len(weights)), np.tile(weights, (len(rows), 1))


def place_points(
    views: list[View],
    heads: Float,
    mean: Float,
    corners: NDArray[np.int32],
    barycentric: Float,
    start: Float,
    search_mm: float,
) -> tuple[NDArray[np.int64], Float]:
    """Choose for each landmark the candidate point whose projections come nearest to the landmarks seen.

    The cost of a candidate is the mean over views of sqrt(1 + (distance / 2 mm)^2), weighted with the square of the
    cosine at which the view sees the candidate.

    Parameters
    ----------
    heads : (s, n, 3) mm, the heads of the views. mean : (n, 3) mm.
    corners, barycentric : (c, 3) head vertices and weights of the candidates.
    start : (468, 3) mm, first guess on the mean head; candidates within `search_mm` of it are tried.

    Returns
    -------
    choice : (468,) candidate. cost : (468,) mm, as a distance.
    """
    position = np.einsum("cw,cwd->cd", barycentric, mean[corners])
    normal = np.einsum("cw,cwd->cd", barycentric, vertex_normals(mean, corners)[corners])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    near = [np.flatnonzero(np.linalg.norm(position - point, axis=1) < search_mm) for point in start]
    total = [np.zeros(len(found)) for found in near]
    weight = [np.full(len(found), 1e-9) for found in near]
    for view in views:
        cam = view.camera_from_head.apply(np.einsum("cw,cwd->cd", barycentric, heads[view.head][corners]))
        pixel = view.camera.project(cam)
        turned = normal @ view.camera_from_head.rotation.T
        facing = np.clip(-np.einsum("cd,cd->c", turned, cam) / np.linalg.norm(cam, axis=1), 0.02, 1.0) ** 2
        mm_per_px = cam[:, 2] / view.camera.focal_px
        for k, found in enumerate(near):
            distance = np.linalg.norm(pixel[found] - view.landmarks[k], axis=1) * mm_per_px[found]
            total[k] += facing[found] * (np.sqrt(1 + (distance / 2) ** 2) - 1)
            weight[k] += facing[found]
    choice, cost = np.zeros(len(start), dtype=np.int64), np.zeros(len(start))
    for k, found in enumerate(near):
        mean_cost = total[k] / weight[k]
        best = int(np.argmin(mean_cost))
        choice[k], cost[k] = found[best], 2 * np.sqrt((mean_cost[best] + 1) ** 2 - 1)
    return choice, cost


def outer_faces(base: HeadBase, mean: Float, faces: NDArray[np.int32]) -> NDArray[np.intp]:
    """Rows of the triangles on which a landmark may lie: the face's outer skin, without ears, neck and cavities."""
    regions = build_regions(base)
    allowed = np.arange(len(faces)) < 2 * base.part_polygons[0, 1]
    for name, limit in (("ears", 0.5), ("mouth_cavity", 0.99), ("eye_sockets", 0.99), ("nostrils", 0.9), ("neck", 0.7)):
        allowed &= ~(regions[name][faces] >= limit).all(axis=1)
    centre = mean[faces].mean(axis=1)
    return np.flatnonzero(allowed & (centre[:, 2] > -10) & (centre[:, 1] < 110))


def trace(
    base: HeadBase, mean: Float, heads: Float, views: list[View], pairs: NDArray[np.int32]
) -> tuple[NDArray[np.int32], Float, Float]:
    """Surface points of the 468 landmarks from views of heads (s, n, 3): corners and weights (468, 3), cost (468,).

    Left and right are mirror images; landmarks on the midline lie on midline edges.
    """
    faces = triangulate(base.polygons)[0]
    allowed = outer_faces(base, mean, faces)
    views = views + mirrored_views(views, pairs, len(heads))
    heads = np.concatenate([heads, heads[:, base.symmetry] * [-1.0, 1.0, 1.0]])
    free = triangulate_points(views)
    free = (free + free[pairs] * [-1.0, 1.0, 1.0]) / 2
    rows, weights = face_grid(allowed, 3)
    choice, _ = place_points(views, heads, mean, faces[rows], weights, free, SEARCH_MM)
    position = np.einsum("cw,cwd->cd", weights, mean[faces[rows]])
    coarse = position[choice]
    close = np.linalg.norm(position[:, None] - coarse, axis=2).min(axis=1) < REFINE_MM
    rows, weights = face_grid(np.unique(rows[close]), 9)
    choice, cost = place_points(views, heads, mean, faces[rows], weights, coarse, REFINE_MM)
    corners, weights = faces[rows[choice]], weights[choice]
    position = np.einsum("kw,kwd->kd", weights, mean[corners])
    midline = midline_edges(base)
    for k in range(LANDMARKS):
        if pairs[k] == k:
            corners[k], weights[k] = nearest_on_edges(mean, position[k], midline)
        elif position[k, 0] < 0:
            corners[k], weights[k] = base.symmetry[corners[pairs[k]]], weights[pairs[k]]
    return corners.astype(np.int32), weights, cost


def midline_edges(base: HeadBase) -> NDArray[np.int32]:
    """Edges (e, 2) of the skin whose both ends lie on the midline."""
    skin = base.polygons[base.part("skin")[1]]
    edges = np.concatenate([skin[:, [i, (i + 1) % 4]] for i in range(4)])
    return edges[(base.symmetry[edges] == edges).all(axis=1)]


def main() -> None:
    """Draw portraits, run the landmarker, place the points, write the JSON file."""
    parser = argparse.ArgumentParser(description="Find MediaPipe's landmarks on the head's topology.")
    task = os.environ.get("CEPHALON_MEDIAPIPE_TASK")
    parser.add_argument("--data", type=Path, required=True, help="folder of the portraits' data")
    parser.add_argument("--task", type=Path, default=task, help="the landmarker file; default CEPHALON_MEDIAPIPE_TASK")
    parser.add_argument("--model", type=Path, help="head asset of this topology; default: the packaged one")
    parser.add_argument("--people", type=int, default=60)
    parser.add_argument("--seed", type=int, default=478)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "points_mediapipe478.json")
    options = parser.parse_args()
    if options.task is None:
        parser.error("--task is needed (or CEPHALON_MEDIAPIPE_TASK)")
    rng = np.random.default_rng(options.seed)
    base, model = load_base(), HeadModel.load(options.model)
    mean = model.mean
    heads = np.stack([model.vertices(model.sample(rng=rng, age=30.0)) for _ in range(options.people)])
    canonical, _ = read_canonical(options.data / "mediapipe" / "canonical_face_model.obj")
    pairs = mirror_pairs(canonical)
    with mediapipe_detector(options.task) as detect:
        views = collect_views(PortraitKit(base, options.data, mean), heads, detect, rng=rng)
    corners, weights, cost = trace(base, mean, heads, views, pairs)
    record = {
        "about": "MediaPipe's 468 face landmarks on the hm08 mesh: three vertices and their weights each; cost_mm is "
        "the robust mean distance to the landmarker's answers. Written by builders.head.trace_mediapipe.",
        "people": options.people,
        "seed": options.seed,
        "views": len(views),
        "hm08_vertices": base.hm08_index[corners].tolist(),
        "weights": np.round(weights, 5).tolist(),
        "cost_mm": np.round(cost, 2).tolist(),
        "mirror": pairs.tolist(),
    }
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
    options.output.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
