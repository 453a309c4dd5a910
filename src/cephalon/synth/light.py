"""Light: panoramas, their irradiance as spherical harmonics, their reflections, lamps, and how a head shades itself.

World frame: +y up, the panorama's middle column lies towards +z, its right towards -x when seen from inside (so a
camera that looks along +z sees the panorama as it is). Camera frame as everywhere (y down, z forward).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from cephalon.geometry import Camera, rasterise_mesh, vertex_normals

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_COSINE = np.array([np.pi] + [2 * np.pi / 3] * 3 + [np.pi / 4] * 5)
"""What a cosine lobe does to each band (Ramamoorthi and Hanrahan 2001, eq. 8)."""


def sh_basis(directions: NDArray[np.floating]) -> Float:
    """Return the nine orthonormal real spherical harmonics of order 2 at unit vectors (..., 3), (..., 9)."""
    x, y, z = np.moveaxis(np.asarray(directions, dtype=np.float64), -1, 0)
    return np.stack(
        [
            np.full_like(x, 0.28209479), 0.48860251 * y, 0.48860251 * z, 0.48860251 * x, 1.09254843 * x * y,
            1.09254843 * y * z, 0.31539157 * (3 * z * z - 1), 1.09254843 * x * z, 0.54627422 * (x * x - y * y),
        ],
        axis=-1,
    )  # fmt: skip


def fibonacci_sphere(count: int) -> Float:
    """Return `count` nearly even unit vectors (count, 3)."""
    k = np.arange(count) + 0.5
    y = 1 - 2 * k / count
    angle, radius = np.pi * (1 + np.sqrt(5)) * k, np.sqrt(1 - y * y)
    return np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], axis=1)


_ROTATION_NODES = fibonacci_sphere(32)
_FROM_NODES = np.linalg.pinv(sh_basis(_ROTATION_NODES))


def rotate_sh(coefficients: Float, to_from: Float) -> Float:
    """Return the coefficients (9, c) of a function seen in another frame: x_to = R x_from, exact for order 2."""
    return _FROM_NODES @ (sh_basis(_ROTATION_NODES @ to_from) @ coefficients)


def irradiance_coefficients(coefficients: Float) -> Float:
    """Return the coefficients (9, c) of irradiance / pi, by normal, of radiance coefficients (9, c)."""
    return coefficients * (_COSINE / np.pi)[:, None]


def irradiance(coefficients: Float, normals: NDArray[np.floating]) -> Float:
    """Return irradiance / pi (..., c) of radiance coefficients (9, c) at unit normals (..., 3), not below 0."""
    return np.maximum(sh_basis(normals) @ irradiance_coefficients(coefficients), 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panorama:
    """A lit surrounding, normalised so that its mean radiance is 1.

    Attributes
    ----------
    rgb : (h, 2h, 3) float32 linear radiance, for backgrounds and mirrors.
    harmonics : (9, 3) radiance coefficients in the world frame, without the part that went into the sun.
    sun_direction : (3,) unit, towards the brightest region; sun_rgb : (3,) its irradiance / pi at normal incidence.
    mirror : (128, 128, 3) float32, the panorama in octahedral form (see `octahedral_directions`).
    glossy : (2, 40, 40, 3) float32, the same blurred for two roughnesses.
    """

    name: str
    rgb: Float32
    harmonics: Float
    sun_direction: Float
    sun_rgb: Float
    mirror: Float32
    glossy: Float32


def octahedral_directions(side: int) -> Float:
    """Return the unit vectors (side, side, 3) of an octahedral picture: x along columns, z along rows, +y in the middle."""
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    x, z = np.meshgrid(axis, axis)
    y = 1 - np.abs(x) - np.abs(z)
    fold = np.maximum(-y, 0)
    d = np.stack([x - np.sign(x) * fold, y, z - np.sign(z) * fold], axis=-1)
    return d / np.linalg.norm(d, axis=-1, keepdims=True)


def directions_of(height: int, width: int) -> tuple[Float, Float]:
    """Return the unit vectors (h, w, 3) and solid angles (h, w) of a panorama's pixels in the world frame."""
    theta = (np.arange(height) + 0.5) / height * np.pi
    phi = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    sine = np.sin(theta)[:, None]
    up = np.cos(theta)[:, None] * np.ones(width)
    direction = np.stack([-sine * np.sin(phi), up, sine * np.cos(phi)], axis=-1)
    solid = (sine * (np.pi / height) * (2 * np.pi / width)) * np.ones(width)
    return direction, solid


def prepare_panorama(name: str, rgb: NDArray[np.floating]) -> Panorama:
    """Analyse a panorama (h, 2 h, 3) of linear radiance, h a multiple of 128.

    What is brighter than eight times the mean goes into one directional lamp, the "sun" (its cast shadows are sharp,
    which order-2 harmonics cannot show); the rest into harmonics.
    """
    full = np.maximum(np.asarray(rgb, dtype=np.float64), 0.0)
    half = full.shape[0] // 128
    if half > 1:
        full = full[: 128 * half, : 256 * half].reshape(128, half, 256, half, 3).mean(axis=(1, 3))
    direction, solid = directions_of(*full.shape[:2])
    mean = (full.mean(-1) * solid).sum() / (4 * np.pi)
    full = full / max(mean, 1e-9)
    luminance = full.mean(-1)
    clipped = full * np.minimum(1.0, 8.0 / np.maximum(luminance, 1e-9))[..., None]
    excess = (full - clipped) * solid[..., None]
    energy = excess.sum(axis=(0, 1))
    weighted = np.einsum("hwc,hwd->d", excess, direction)
    length = np.linalg.norm(weighted)
    sun = weighted / length if length > 1e-9 else np.array([0.0, 1.0, 0.0])
    harmonics = np.einsum("hwk,hwc->kc", sh_basis(direction), clipped * solid[..., None])
    return Panorama(
        name=name,
        rgb=full.astype(np.float32),
        harmonics=harmonics,
        sun_direction=sun,
        sun_rgb=np.minimum(energy / np.pi, 3.0),
        mirror=_seen_in(full, octahedral_directions(128)).astype(np.float32),
        glossy=np.stack([_blurred(clipped, 30.0), _blurred(clipped, 7.0)]).astype(np.float32),
    )


def _seen_in(rgb: Float, directions: Float) -> Float:
    """Return the panorama's radiance in world directions (..., 3)."""
    height, width = rgb.shape[:2]
    row = np.arccos(np.clip(directions[..., 1], -1, 1)) / np.pi * height
    column = (np.arctan2(-directions[..., 0], directions[..., 2]) / (2 * np.pi) + 0.5) * width
    return rgb[np.clip(row.astype(int), 0, height - 1), column.astype(int) % width]


def _blurred(rgb: Float, power: float) -> Float:
    """Return the panorama averaged with a lobe max(cos, 0)^power around each direction of an octahedral picture."""
    step = rgb.shape[0] // 32
    small = rgb.reshape(32, step, 64, step, 3).mean(axis=(1, 3)) if step > 1 else rgb
    lobe = _lobe(power)
    side = round(len(lobe) ** 0.5)
    return (lobe @ small.reshape(-1, 3)).reshape(side, side, 3)


@lru_cache(maxsize=2)
def _lobe(power: float, side: int = 40) -> Float:
    """Weights (side^2, 32 * 64) of a panorama's cells in each direction of an octahedral picture; rows sum to 1."""
    source, solid = directions_of(32, 64)
    target = octahedral_directions(side)
    lobe = np.maximum(target.reshape(-1, 3) @ source.reshape(-1, 3).T, 0.0) ** power * solid.reshape(-1)
    return lobe / lobe.sum(1, keepdims=True)


def procedural_panorama(name: str, *, rng: np.random.Generator) -> Panorama:
    """Return a made-up surrounding: sky, ground and a few bright windows or clouds."""
    height = 128
    direction, _ = directions_of(height, 2 * height)
    up = direction[..., 1:2]
    warm = rng.uniform(-1, 1)
    sky = np.array([0.9 + 0.25 * warm, 1.0, 1.1 - 0.25 * warm]) * float(np.exp(rng.normal(0.2, 0.5)))
    horizon = sky * rng.uniform(0.6, 1.6) * np.array([1.1, 1.0, 0.9])
    ground = np.array([0.32, 0.28, 0.24]) * float(np.exp(rng.normal(0, 0.5)))
    blend = np.clip(up * 1.6, 0, 1) ** 0.6
    rgb = np.where(up > 0, horizon * (1 - blend) + sky * blend, ground * (1 + 0.4 * up))
    for _ in range(int(rng.integers(1, 6))):
        centre = rng.normal(size=3) * np.array([1.0, 0.45, 1.0]) + np.array([0, 0.35, 0])
        centre /= np.linalg.norm(centre)
        width = float(np.exp(rng.uniform(np.log(0.04), np.log(0.6))))
        power = float(np.exp(rng.uniform(np.log(1.5), np.log(60.0))))
        tint = np.exp(rng.normal(0, 0.12, 3))
        rgb = rgb + power * tint * np.exp(-(1 - direction @ centre) / width**2)[..., None]
    noise = (
        gaussian_filter(rng.normal(0, 1, (height, 2 * height, 3)), (6, 6, 0), mode="wrap")
        * 20
        * np.array([1.0, 0.9, 0.9])
    )
    return prepare_panorama(name, rgb * np.exp(0.3 * (0.7 * noise[..., :1] + 0.3 * noise)))


# -- how a head shades itself -------------------------------------------------------------------------------------------


def transfer_vectors(
    vertices: Float,
    faces: NDArray[np.int32],
    *,
    count: int = 192,
    pixels: int = 192,
    blockers: tuple[Float, NDArray[np.int32]] | None = None,
) -> Float:
    """Return for each vertex what order-2 light gives it, shadows of the mesh itself included.

    Precomputed radiance transfer (Sloan et al. 2002) for diffuse surfaces: the coefficients (n, 9) of
    V(w) max(n . w, 0) / pi, with V the visibility, found from depth pictures out of `count` directions. Times radiance
    coefficients they give irradiance / pi.

    Parameters
    ----------
    vertices, faces : the mesh, mm.
    blockers : vertices and faces of what else stands in the light; what lies outside the mesh's outline shades nothing.
    """
    normals = vertex_normals(vertices, faces)
    everything, all_faces = vertices, faces
    if blockers is not None:
        everything = np.concatenate([vertices, blockers[0]])
        all_faces = np.concatenate([faces, blockers[1] + len(vertices)]).astype(np.int32)
    centre = (vertices.max(0) + vertices.min(0)) / 2
    reach = float(np.linalg.norm(vertices - centre, axis=1).max())
    distance = 60 * reach
    camera = Camera(width=pixels, height=pixels, focal_px=0.49 * pixels / reach * distance)
    directions = fibonacci_sphere(count)
    result = np.zeros((len(vertices), 9))
    total = np.zeros(len(vertices))
    for direction, basis in zip(directions, sh_basis(directions), strict=True):
        rotation = frame_towards(direction)
        cam = (everything - centre) @ rotation.T + np.array([0.0, 0.0, distance])
        depth = rasterise_mesh(cam, all_faces, camera).depth
        own = cam[: len(vertices)]
        pixel = np.clip(camera.project(own).astype(np.int64), 0, pixels - 1)
        cosine = np.maximum(normals @ direction, 0.0)
        total += cosine
        cosine *= own[:, 2] < depth[pixel[:, 1], pixel[:, 0]] + 3.0
        result += cosine[:, None] * basis
    # The mean of cos over the sphere is 1/4; dividing by the sum found makes up for the uneven directions.
    return result / np.maximum(total, 1e-9)[:, None]


def frame_towards(direction: Float) -> Float:
    """Return the rotation (3, 3) into a camera that looks along -`direction` (its z axis), level as far as it can be."""
    x, y, z = (float(value) for value in direction)
    length = (x * x + y * y + z * z) ** 0.5
    x, y, z = -x / length, -y / length, -z / length
    # (z axis) x (0, 1, 0), or x (1, 0, 0) where that is too near
    right = (-z, 0.0, x) if abs(y) < 0.95 else (0.0, z, -y)
    length = (right[0] ** 2 + right[1] ** 2 + right[2] ** 2) ** 0.5
    a, b, c = right[0] / length, right[1] / length, right[2] / length
    return np.array([[a, b, c], [y * c - z * b, z * a - x * c, x * b - y * a], [x, y, z]])
