"""Faces made of formulas, for tests: a bumpy ellipsoid patch with seven landmarks, and spheres."""

from __future__ import annotations

import numpy as np

from cephalon.evaluate.meshes import Shape
from cephalon.geometry import Similarity, rotation_from_rotvec

# Where the seven points lie, as shares of the grid (across, up).
PLACES = ((0.2, 0.68), (0.4, 0.68), (0.6, 0.68), (0.8, 0.68), (0.5, 0.4), (0.36, 0.22), (0.64, 0.22))


def face(columns: int = 60, rows: int = 70, *, seed: int | None = None, size: float = 1.0) -> Shape:
    """A face-like sheet, mm: eyes, nose, mouth as bumps; `seed` draws a person."""
    rng = np.random.default_rng(seed)
    change = rng.normal(0, 1, 6) if seed is not None else np.zeros(6)
    u, v = np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows))
    points = np.stack([surface_point(a, b, change) for a, b in zip(u.ravel(), v.ravel(), strict=True)]) * size
    faces = []
    for r in range(rows - 1):
        for c in range(columns - 1):
            i = r * columns + c
            faces += [(i, i + 1, i + columns + 1), (i, i + columns + 1, i + columns)]
    landmarks = np.stack([surface_point(a, b, change) for a, b in PLACES]) * size
    return Shape(vertices=points, faces=np.array(faces, dtype=np.int32), landmarks=landmarks)


def surface_point(u: float, v: float, change: np.ndarray) -> np.ndarray:
    """A place on the sheet of a person with six numbers."""
    x = (u - 0.5) * (150 + 5 * change[0])
    y = (v - 0.5) * (190 + 6 * change[1])
    z = 60 - 0.006 * x**2 - 0.003 * y**2
    z += (22 + 2 * change[2]) * np.exp(-((x / 11) ** 2) - ((y + 12) / 26) ** 2)
    for side in (-1, 1):
        z -= (7 + change[3]) * np.exp(-(((x - side * 33) / 15) ** 2) - ((y - 34) / 11) ** 2)
    z += (4 + change[4]) * np.exp(-((x / 26) ** 2) - ((y + 53) / 9) ** 2)
    z += (3 + change[5]) * np.exp(-((x / 22) ** 2) - ((y + 84) / 14) ** 2)
    return np.array([x, y, z])


def moved(shape: Shape, move: Similarity) -> Shape:
    """The shape after a motion."""
    landmarks = None if shape.landmarks is None else move.apply(shape.landmarks)
    return Shape(vertices=move.apply(shape.vertices), faces=shape.faces, landmarks=landmarks)


def motion(rotvec, translation, scale=1.0) -> Similarity:
    """A similarity from numbers."""
    return Similarity(scale=scale, rotation=rotation_from_rotvec(rotvec), translation=np.array(translation, float))


def sphere(radius: float, rings: int = 40, segments: int = 80) -> tuple[np.ndarray, np.ndarray]:
    """Vertices on a sphere about the origin, and triangles."""
    theta = np.linspace(0, np.pi, rings + 1)[1:-1]
    phi = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    t, p = np.meshgrid(theta, phi, indexing="ij")
    body = np.stack([np.sin(t) * np.cos(p), np.sin(t) * np.sin(p), np.cos(t)], -1).reshape(-1, 3)
    vertices = radius * np.concatenate([body, [[0, 0, 1], [0, 0, -1]]])
    faces = []
    for r in range(rings - 2):
        for s in range(segments):
            a, b = r * segments + s, r * segments + (s + 1) % segments
            faces += [(a, a + segments, b), (b, a + segments, b + segments)]
    top, bottom, last = len(body), len(body) + 1, (rings - 2) * segments
    for s in range(segments):
        faces += [(top, s, (s + 1) % segments), (bottom, last + (s + 1) % segments, last + s)]
    return vertices, np.array(faces, dtype=np.int32)
