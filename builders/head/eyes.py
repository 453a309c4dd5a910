"""The eyeball's mesh: a fine sphere with a slight corneal bulge, bound affinely to MakeHuman's coarse one.

MakeHuman's helper eyeball has 72 vertices on a sphere, without any edge at the iris. Ours has a ring of
vertices at the pupil's and at the iris's border. Each of its vertices is the affine image of a point of the
unit ball under the map that the 72 helper vertices undergo (least squares), so it follows every shape
target linearly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEGMENTS = 24

IRIS_ANGLE_DEG = 28.9
"""Angle between gaze axis and iris border: 11.7 mm across on a ball of 12.1 mm radius."""

PUPIL_ANGLE_DEG = 10.0

CORNEA_ANGLE_DEG = 33.0
"""Where the corneal bulge runs out into the sclera."""

CORNEA_BULGE = 0.035
"""Height of the bulge at the apex, relative to the ball's radius."""

RING_ANGLES_DEG = (
    5.0, PUPIL_ANGLE_DEG, 16.0, 22.5, IRIS_ANGLE_DEG, CORNEA_ANGLE_DEG,
    39.0, 46.0, 55.0, 66.0, 80.0, 100.0, 125.0, 152.0,
)  # fmt: skip
"""Angles of the vertex rings from the gaze axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyeball:
    """One eyeball around the origin, gazing along +z, radius 1.

    Attributes
    ----------
    points : (n, 3); the first is the cornea's apex, the last the back pole, rings between.
    polygons : (m, 4) int32, -1 as fourth of the triangles at the poles; counter-clockwise from outside.
    uv : (k, 2), the gaze axis at (0.5, 0.5), distance from it proportional to the angle (0.48 at the back).
    polygons_uv : (m, 4) int32.
    angles_deg : (n,) angle from the gaze axis.
    """

    points: np.ndarray
    polygons: np.ndarray
    uv: np.ndarray
    polygons_uv: np.ndarray
    angles_deg: np.ndarray


def make_eyeball() -> Eyeball:
    """Build the eyeball's mesh and radial uv."""
    rings = np.deg2rad(RING_ANGLES_DEG)
    around = 2 * np.pi * np.arange(SEGMENTS) / SEGMENTS
    theta = np.concatenate([[0.0], np.repeat(rings, SEGMENTS), [np.pi]])
    phi = np.concatenate([[0.0], np.tile(around, len(rings)), [0.0]])
    inside = np.clip(1 - np.rad2deg(theta) / CORNEA_ANGLE_DEG, 0, 1)
    radius = 1 + CORNEA_BULGE * inside**2 * (3 - 2 * inside)
    direction = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1)
    back = len(theta) - 1

    this, ahead = np.arange(SEGMENTS), np.roll(np.arange(SEGMENTS), -1)
    polygons = [np.stack([np.zeros_like(this), 1 + this, 1 + ahead, np.full_like(this, -1)], axis=1)]
    for ring in range(len(rings) - 1):
        near, far = 1 + ring * SEGMENTS, 1 + (ring + 1) * SEGMENTS
        polygons.append(np.stack([near + this, far + this, far + ahead, near + ahead], axis=1))
    last = 1 + (len(rings) - 1) * SEGMENTS
    polygons.append(np.stack([last + this, np.full_like(this, back), last + ahead, np.full_like(this, -1)], axis=1))
    all_polygons = np.concatenate(polygons).astype(np.int32)

    # the back pole's triangles get a uv vertex each, on the circle's rim
    reach = 0.48 * theta / np.pi
    uv = 0.5 + reach[:, None] * np.stack([np.cos(phi), np.sin(phi)], axis=1)
    middle = around + np.pi / SEGMENTS
    rim = 0.5 + 0.48 * np.stack([np.cos(middle), np.sin(middle)], axis=1)
    all_uv = all_polygons.copy()
    all_uv[-SEGMENTS:, 1] = back + this

    return Eyeball(
        points=direction * radius[:, None],
        polygons=all_polygons,
        uv=np.concatenate([uv[:back], rim]),
        polygons_uv=all_uv,
        angles_deg=np.rad2deg(theta),
    )


def fit_sphere(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (3,) and radius of the least-squares sphere through points (k, 3)."""
    system = np.c_[2 * points, np.ones(len(points))]
    solution = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return solution[:3], float(np.sqrt(solution[3] + solution[:3] @ solution[:3]))


def affine_weights(cage: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Weights (n, c) that carry points (n, 3) along with the least-squares affine map of a cage (c, 3)."""
    return np.c_[np.ones(len(points)), points] @ np.linalg.pinv(np.c_[np.ones(len(cage)), cage])
