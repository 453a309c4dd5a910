"""What two heads share once one is registered to the other: places, regions, named points, mirror vertices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cephalon.geometry import SurfacePoints, vertex_normals
from cephalon.head.foreign.closest import Surface
from cephalon.head.foreign.register import HIDDEN
from cephalon.head.model import HeadModel, Part

Float = NDArray[np.float64]

EYES = ("left_eye", "right_eye")
_IRIS_RADIUS_MM = 5.85
_PUPIL_RADIUS_MM = 2.0


def sampled_on(
    template: HeadModel, ours: Float, vertices: Float, faces: NDArray[np.int32], parts: Mapping[str, Part]
) -> Any:
    """Return the sparse (n, n_ours) matrix that gives each foreign vertex its place on our head's surface.

    Skin falls on skin and an eyeball on the same eyeball; other parts (teeth, tongue) on the nearest of all.
    """
    normals = vertex_normals(vertices, faces)
    whole = None
    blocks = []
    for name, part in parts.items():
        if name in template.parts:
            own = template.parts[name].faces
            offset, target = own.start, Surface(ours, template.faces[own])
        else:
            whole = whole or Surface(ours, template.faces)
            offset, target = 0, whole
        points = vertices[part.vertices]
        hit = target.closest(points, normals[part.vertices], least_cosine=0.0)
        corners = template.faces[offset + hit.face]
        rows = np.repeat(np.arange(part.vertices.start, part.vertices.stop), 3)
        blocks.append((rows, corners.reshape(-1), hit.barycentric.reshape(-1)))
    rows, columns, values = (np.concatenate([block[i] for block in blocks]) for i in range(3))
    return sparse.csr_matrix((values, (rows, columns)), shape=(len(vertices), len(ours)))


def carried_regions(
    template: HeadModel, to_ours: Any, vertices: Float, parts: Mapping[str, Part], inside: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Return our regions' weights at the foreign vertices (n,); iris, pupil and sclera by angle from the optical axis.

    `inside` (n,) are vertices that the model's own files place within the mouth or behind the lids.
    """
    names = list(template.regions)
    weights = np.clip(to_ours @ np.stack([template.regions[name] for name in names], axis=1), 0, 1)
    regions = {name: weights[:, i].astype(np.float32) for i, name in enumerate(names)}
    of_eye = ("sclera", "cornea", "iris", "pupil")
    for name, weight in regions.items():
        for part in parts.values():
            if (part.name in EYES) != (name in of_eye):
                weight[part.vertices] = 0.0
    for name in EYES:
        own = parts[name].vertices
        angle, radius = from_axis(vertices[own])
        across = radius * np.sin(np.minimum(angle, np.pi / 2))
        front = angle < np.pi / 2
        regions["iris"][own] = front & (across < _IRIS_RADIUS_MM + 0.2)
        regions["pupil"][own] = front & (across < _PUPIL_RADIUS_MM)
        regions["sclera"][own] = ~(front & (across < _IRIS_RADIUS_MM + 0.2))
    if inside.any():
        known = np.zeros(len(vertices), dtype=bool)
        known[: len(inside)] = inside
        low = vertices[:, 1] < 0
        for name, here in (("mouth_cavity", known & low), ("eye_sockets", known & ~low)):
            regions[name][parts["skin"].vertices] = here[parts["skin"].vertices]
        for name, weight in regions.items():
            if name not in (*HIDDEN, *of_eye):
                weight[known] = 0.0
    for weight in regions.values():
        weight.flags.writeable = False
    return regions


def from_axis(eye: Float) -> tuple[Float, float]:
    """Return each vertex's angle from the optical axis (+z through the ball's centre) and the ball's radius, mm."""
    centre, radius = ball(eye)
    away = eye - centre
    return np.arccos(np.clip(away[:, 2] / np.maximum(np.linalg.norm(away, axis=1), 1e-9), -1, 1)), radius


def ball(points: Float) -> tuple[Float, float]:
    """Return centre (3,) and radius of the sphere closest to points (p, 3) in the algebraic sense."""
    matrix = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(matrix, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(max(solution[3] + centre @ centre, 1e-6)))


def carried_points(
    template: HeadModel, ours: Float, vertices: Float, faces: NDArray[np.int32], parts: Mapping[str, Part]
) -> tuple[dict[str, SurfacePoints], dict[str, float]]:
    """Place our named points on the foreign surface; return them and, by set, the 95 % distance they had to it."""
    part_of_face = np.full(len(template.faces), "skin", dtype=object)
    for name, part in template.parts.items():
        part_of_face[part.faces] = name if name in parts else "skin"
    normals = vertex_normals(ours, template.faces)
    surfaces = {name: Surface(vertices, faces[parts[name].faces]) for name in ("skin", *EYES)}
    sets, away = {}, {}
    for name, points in template.point_sets.items():
        place = points.positions(ours, template.faces)
        direction = points.positions(normals, template.faces)
        face_index = np.zeros(len(points), dtype=np.int32)
        barycentric = np.zeros((len(points), 3))
        distance = np.zeros(len(points))
        for part, surface in surfaces.items():
            here = part_of_face[points.face_index] == part
            if not here.any():
                continue
            target = place[here]
            if part in EYES:  # two eyeballs of different size: what counts is the direction from the centre
                centre, radius = ball(vertices[parts[part].vertices])
                mine, _ = ball(ours[template.parts[part].vertices])
                target = target - mine
                target = centre + radius * target / np.linalg.norm(target, axis=1, keepdims=True)
            hit = surface.closest(target, None if part in EYES else direction[here])
            face_index[here] = parts[part].faces.start + hit.face
            barycentric[here] = hit.barycentric
            distance[here] = hit.distance
        sets[name] = SurfacePoints(face_index=face_index, barycentric=barycentric, names=points.names)
        away[name] = round(float(np.percentile(distance, 95)), 3)
    return sets, away


def mirror_vertices(vertices: Float, parts: Mapping[str, Part]) -> NDArray[np.int32]:
    """Return for each vertex the one nearest to its mirror image, in the same part or in its twin."""
    from scipy.spatial import KDTree

    twin = {name: name.replace("left", "right") if "left" in name else name.replace("right", "left") for name in parts}
    result = np.arange(len(vertices), dtype=np.int32)
    for name, part in parts.items():
        other = parts.get(twin[name], part).vertices
        nearest = KDTree(vertices[other]).query(vertices[part.vertices] * (-1, 1, 1))[1]
        result[part.vertices] = other.start + np.asarray(nearest)
    return result
