"""Shapes whose truths are known in closed form."""

from __future__ import annotations

import numpy as np

from cephalon.geometry import Mesh, edges, rotation_from_rotvec

CUBE_QUADS = np.array(
    [[4, 5, 6, 7], [1, 0, 3, 2], [5, 1, 2, 6], [0, 4, 7, 3], [7, 6, 2, 3], [0, 1, 5, 4]], dtype=np.int32
)


def cube(side: float = 2.0) -> Mesh:
    """A cube about the origin, quads counter-clockwise from outside: front (+z) first."""
    corners = [[x, y, z] for z in (-1, 1) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
    return Mesh(vertices=0.5 * side * np.array(corners, dtype=float), polygons=CUBE_QUADS)


def icosphere(radius: float = 1.0, levels: int = 3) -> Mesh:
    """A sphere of 20 * 4**levels triangles about the origin."""
    golden = (1 + 5**0.5) / 2
    vertices = np.array([[0, a, b * golden] for a in (-1, 1) for b in (-1, 1)], dtype=float)
    vertices = np.concatenate([vertices, np.roll(vertices, 1, axis=1), np.roll(vertices, 2, axis=1)])
    faces = []
    for i in range(12):
        for j in range(i + 1, 12):
            for k in range(j + 1, 12):
                a, b, c = vertices[[i, j, k]]
                if max(np.linalg.norm(a - b), np.linalg.norm(b - c), np.linalg.norm(c - a)) < 2.1:
                    outside = np.dot(np.cross(b - a, c - a), a) > 0
                    faces.append((i, j, k) if outside else (i, k, j))
    faces = np.array(faces, dtype=np.int32)
    for _ in range(levels):
        sides = edges(faces)
        number = {tuple(side): len(vertices) + row for row, side in enumerate(sides.tolist())}
        middle = [
            [number[min(f[a], f[b]), max(f[a], f[b])] for a, b in ((0, 1), (1, 2), (2, 0))] for f in faces.tolist()
        ]
        vertices = np.concatenate([vertices, 0.5 * vertices[sides].sum(axis=1)])
        (a, b, c), (d, e, f) = faces.T, np.array(middle).T
        faces = np.concatenate([np.stack(t, axis=1) for t in ((a, d, f), (d, b, e), (f, e, c), (d, e, f))])
    vertices *= radius / np.linalg.norm(vertices, axis=1, keepdims=True)
    return Mesh.from_triangles(vertices, faces)


def grid(columns: int, rows: int) -> Mesh:
    """A flat sheet of unit quads in the plane z = 0, seen from +z, with uv over the unit square."""
    x, y = np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    quads = np.stack([corner, corner + 1, corner + columns + 2, corner + columns + 1], axis=1)
    return Mesh(vertices=vertices, polygons=quads, uv=vertices[:, :2] / (columns, rows), polygons_uv=quads)


def in_camera(
    vertices: np.ndarray, distance: float, rotvec: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> np.ndarray:
    """Turn points and put them `distance` mm before the camera; y up becomes y down, +z faces the camera."""
    return vertices @ rotation_from_rotvec(rotvec).T * (1.0, -1.0, -1.0) + (0.0, 0.0, distance)
