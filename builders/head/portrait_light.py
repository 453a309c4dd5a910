"""Light on synthetic portraits: irradiance of panoramas (order-2 spherical harmonics), ambient occlusion, sRGB."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import Camera, rasterise_mesh, vertex_normals

Float = NDArray[np.float64]


def ambient_occlusion(vertices: Float, faces: NDArray[np.int32]) -> Float:
    """Share (n,) of the sky that each vertex sees, cosine weighted, from depth maps out of 96 directions."""
    count, size = 96, 256
    k = np.arange(count) + 0.5
    height = 1 - 2 * k / count
    angle = np.pi * (1 + np.sqrt(5)) * k
    radius = np.sqrt(1 - height**2)
    directions = np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)
    normals = vertex_normals(vertices, faces)
    centre = (vertices.max(axis=0) + vertices.min(axis=0)) / 2
    reach = float(np.linalg.norm(vertices - centre, axis=1).max())
    distance = 40 * reach
    camera = Camera(width=size, height=size, focal_px=0.48 * size / reach * distance)
    seen, total = np.zeros(len(vertices)), np.zeros(len(vertices))
    for direction in directions:
        up = np.array([0.0, 1.0, 0.0]) if abs(direction[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
        z = -direction
        x = np.cross(z, -up)
        x /= np.linalg.norm(x)
        rotation = np.stack([x, np.cross(z, x), z])
        cam = (vertices - centre) @ rotation.T + np.array([0.0, 0.0, distance])
        raster = rasterise_mesh(cam, faces, camera)
        pixel = np.clip(camera.project(cam).astype(np.int64), 0, size - 1)
        free = cam[:, 2] < raster.depth[pixel[:, 1], pixel[:, 0]] + 1.5
        cosine = np.maximum(normals @ direction, 0)
        seen += cosine * free
        total += cosine
    return 0.12 + 0.88 * np.sqrt(seen / np.maximum(total, 1e-9))


def _basis(normal: Float) -> Float:
    """Real spherical harmonics of order 2 at unit vectors (..., 3), (..., 9)."""
    x, y, z = np.moveaxis(normal, -1, 0)
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        axis=-1,
    )


def project_panorama(panorama: Float) -> Float:
    """Irradiance coefficients (9, 3) of a panorama (h, w, 3), in camera axes (y down); Ramamoorthi & Hanrahan 2001."""
    height, width = panorama.shape[:2]
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = (np.arange(width) + 0.5) / width * 2 * np.pi
    up = np.cos(theta)[:, None] * np.ones(width)
    normal = np.stack([np.sin(theta)[:, None] * np.sin(phi), -up, np.sin(theta)[:, None] * np.cos(phi)], axis=-1)
    solid = np.sin(theta)[:, None, None] * (np.pi / height) * (2 * np.pi / width)
    coefficients = np.einsum("hwk,hwc->kc", _basis(normal), panorama * solid)
    cosine_lobe = np.array([np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5)
    return coefficients * cosine_lobe[:, None] / np.pi


def irradiance(harmonics: Float, normal: Float) -> Float:
    """Light (..., 3) that reaches surfaces with normals (..., 3)."""
    unit = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    return np.maximum(_basis(unit) @ harmonics, 0.02)
