"""A piece of a scene: a mesh with a material."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cephalon.synth._kernels import normals_kernel
from cephalon.synth.labels import LABELS

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Kept = TypeVar("Kept", bound=NDArray[Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """How a surface looks.

    Attributes
    ----------
    label : class in the segmentation.
    rgb : linear albedo, multiplied with the texture.
    roughness, specular : of the highlight: GGX width, reflectance at normal incidence.
    texture : name of the texture, "" for none: "skin", "eye", "cloth", "hair:..."; see `render`.
    soft : how far light creeps beyond the terminator (skin), 0 to 1.
    alpha : opacity factor of a see-through layer; 1 and not `layer` is solid.
    layer : whether it is blended (hair, lashes, lenses) instead of solid.
    casts : whether it throws a shadow; inner shells of hair need not.
    kind : "solid", "hair" (lit along its strands) or "lens" (mirrors what is in front).
    """

    label: str
    rgb: tuple[float, float, float] = (0.5, 0.5, 0.5)
    roughness: float = 0.6
    specular: float = 0.03
    texture: str = ""
    soft: float = 0.0
    alpha: float = 1.0
    layer: bool = False
    casts: bool = True
    kind: str = "solid"

    def __post_init__(self) -> None:
        assert self.label in LABELS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A mesh with a material.

    Attributes
    ----------
    vertices : (n, 3) mm, head frame (of the neutral pose if `rides`).
    faces : (t, 3) int32.
    material : Material.
    corner_uv : (t, 6) float32 u, v of the three corners, or None.
    tangents : (n, 3) directions of the strands, or None.
    normals : (n, 3) unit vectors by which it is lit, or None for those of the mesh.
    occlusion : (n,) share of the surrounding light that arrives, or None for 1.
    opacity : (n,) factor on the alpha of a see-through layer, or None for 1.
    rides : whether it turns with the skull (hair, glasses, hats) rather than staying with the shoulders.
    hold : (n,) share in which what rides turns with the skull, or None for 1: long hair lies on the shoulders.
    """

    vertices: Float
    faces: NDArray[np.int32]
    material: Material
    corner_uv: Float32 | None = None
    tangents: Float | None = None
    normals: Float | None = None
    occlusion: Float | None = None
    opacity: Float | None = None
    rides: bool = False
    hold: Float | None = None


def vertex_normals_fast(vertices: Float, faces: NDArray[np.int32]) -> Float:
    """Return what `geometry.vertex_normals` returns, compiled."""
    normals = np.zeros_like(vertices)
    normals_kernel(np.ascontiguousarray(vertices), np.ascontiguousarray(faces), normals)
    return normals


def cross(a: Float, b: Float) -> Float:
    """Return cross products of vectors (..., 3); `numpy.cross` costs a multiple on small arrays."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)


def _frozen(array: Kept) -> Kept:
    """Make an array that is kept and shared read-only."""
    array.flags.writeable = False
    return array


@lru_cache(maxsize=128)
def grid_faces(rows: int, columns: int, *, closed: bool = False) -> NDArray[np.int32]:
    """Return triangles (t, 3) of a grid of vertices (rows x columns, row by row); `closed` joins the last column to the first."""
    last = columns if closed else columns - 1
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(last), indexing="ij")
    following = (c + 1) % columns
    a, b, d, e = r * columns + c, r * columns + following, (r + 1) * columns + c, (r + 1) * columns + following
    return _frozen(np.stack([np.stack([a, d, e], -1), np.stack([a, e, b], -1)], axis=2).reshape(-1, 3).astype(np.int32))


@lru_cache(maxsize=128)
def grid_uv(rows: int, columns: int, *, closed: bool = False, repeat: tuple[float, float] = (1.0, 1.0)) -> Float32:
    """Return the corner uv (t, 6) of `grid_faces`: u along a row, v down the rows, times `repeat`."""
    last = columns if closed else columns - 1
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(last), indexing="ij")
    u0, u1 = c / last * repeat[0], (c + 1) / last * repeat[0]
    v0, v1 = r / (rows - 1) * repeat[1], (r + 1) / (rows - 1) * repeat[1]
    first = np.stack([u0, v0, u0, v1, u1, v1], -1)
    second = np.stack([u0, v0, u1, v1, u1, v0], -1)
    return _frozen(np.stack([first, second], axis=2).reshape(-1, 6).astype(np.float32))


def tube(
    path: Float, radius: float | Float, *, sides: int = 8, closed: bool = False
) -> tuple[Float, NDArray[np.int32]]:
    """Return a tube (vertices, faces) around a path (k, 3) mm."""
    following = np.roll(path, -1, 0) if closed else np.concatenate([path[1:], path[-1:]])
    before = np.roll(path, 1, 0) if closed else np.concatenate([path[:1], path[:-1]])
    along = following - before
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    up = np.where(np.abs(along[:, 1:2]) < 0.9, np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]))
    side = cross(along, up)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = cross(along, side)
    angle = np.arange(sides) / sides * 2 * np.pi
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * other[:, None]
    width = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(path))
    vertices = path[:, None] + ring * width[:, None, None]
    return vertices.reshape(-1, 3), _tube_faces(len(path), sides, closed)


@lru_cache(maxsize=64)
def _tube_faces(count: int, sides: int, closed: bool) -> NDArray[np.int32]:
    faces = grid_faces(count, sides, closed=True)
    if closed:
        last = grid_faces(2, sides, closed=True)
        faces = np.concatenate([faces, np.where(last < sides, last + (count - 1) * sides, last - sides)])
    return _frozen(faces.astype(np.int32))
