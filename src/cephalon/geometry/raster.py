"""A z-buffer rasteriser: which face each pixel sees, where on it, and how deep.

Fill rule: a pixel belongs to a triangle if its centre lies inside, or on a left or top edge, so that triangles that
share an edge leave no gap between them and cover no pixel twice. Corners are rounded to 1/4096 px first, which makes
the test exact. Of equally deep triangles (in float32) the one with the lowest number wins. A triangle is left out as
a whole if it has no area, or if a corner is not finite or not in front of the camera: nothing is clipped, so a
triangle that crosses the camera plane is not drawn. Lens distortion moves corners; edges stay straight.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.geometry._raster_kernel import CULL_BACK, CULL_NOTHING, rasterise_kernel, rasterise_plain
from cephalon.geometry.camera import Camera
from cephalon.geometry.mesh import vertex_normals

FloatArray = npt.NDArray[np.float64]
Backend = Literal["numba", "numpy"]
Cull = Literal["none", "back"]

# Corner coordinates are rounded to this fraction of a pixel (see _raster_kernel).
_SUBPIXEL = 4096.0
# Depths outside this range (mm) cannot be held as a float32 reciprocal with full precision.
_NEAREST_MM, _FARTHEST_MM = 1e-6, 1e30
_MAX_SIDE = 32768


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Raster:
    """What each pixel of an image sees of a mesh.

    Attributes
    ----------
    face_index : (h, w) int32 triangle, -1 for none.
    barycentric : (h, w, 3) float32 weights of its corners at the pixel centre, perspective-correct; 0 for none.
    depth : (h, w) float32 z in the camera frame, mm; infinity for none.
    """

    face_index: npt.NDArray[np.int32]
    barycentric: npt.NDArray[np.float32]
    depth: npt.NDArray[np.float32]

    @property
    def covered(self) -> npt.NDArray[np.bool_]:
        """(h, w), True where a pixel sees a face."""
        return self.face_index >= 0


def rasterise(
    vertices_pixel: npt.ArrayLike,
    faces: npt.ArrayLike,
    width: int,
    height: int,
    *,
    cull: Cull = "none",
    backend: Backend = "numba",
) -> Raster:
    """Rasterise triangles given in pixels.

    Parameters
    ----------
    vertices_pixel : (n, 3) x px, y px, depth mm. The centre of the top-left pixel is (0.5, 0.5). A vertex that is
        not finite, or whose depth is not in (1e-6, 1e30), takes its triangles out of the picture.
    faces : (t, 3) vertex numbers.
    width, height : image size, px, up to 32768.
    cull : "back" leaves out triangles seen from behind: those clockwise on the screen.
    backend : "numba" for the compiled kernel, "numpy" for the slow plain twin with the same result bit for bit.

    Raises
    ------
    InputError
        On wrong shapes or sizes, or vertex numbers out of range.
    """
    vertices = np.asarray(vertices_pixel, dtype=np.float64)
    triangles = np.ascontiguousarray(faces, dtype=np.int32)
    if triangles.size == 0:
        triangles = triangles.reshape(0, 3)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"vertices_pixel: expected shape (any, 3), got {vertices.shape}")
    if triangles.ndim != 2 or triangles.shape[1] != 3:
        raise InputError(f"faces: expected shape (any, 3), got {triangles.shape}")
    if triangles.size and (triangles.min() < 0 or triangles.max() >= len(vertices)):
        raise InputError(f"faces: expected vertex numbers from 0 to {len(vertices) - 1}")
    for name, side in (("width", width), ("height", height)):
        if int(side) != side or not 1 <= side <= _MAX_SIDE:
            raise InputError(f"{name}: expected a whole number from 1 to {_MAX_SIDE}, got {side!r}")
    if cull not in ("none", "back"):
        raise InputError(f"cull: expected 'none' or 'back', got {cull!r}")
    if backend not in ("numba", "numpy"):
        raise InputError(f"backend: expected 'numba' or 'numpy', got {backend!r}")

    size = (int(height), int(width))
    face_index = np.zeros(size, dtype=np.int32)
    barycentric = np.zeros((*size, 3), dtype=np.float32)
    depth = np.zeros(size, dtype=np.float32)
    with np.errstate(all="ignore"):
        z = vertices[:, 2]
        x = np.where((z > _NEAREST_MM) & (z < _FARTHEST_MM), np.rint(vertices[:, 0] * _SUBPIXEL) / _SUBPIXEL, np.nan)
        y = np.rint(vertices[:, 1] * _SUBPIXEL) / _SUBPIXEL
        run = rasterise_kernel if backend == "numba" else rasterise_plain
        run(x, y, 1.0 / z, triangles, CULL_BACK if cull == "back" else CULL_NOTHING, face_index, barycentric, depth)
    return Raster(face_index=face_index, barycentric=barycentric, depth=depth)


def rasterise_mesh(
    vertices_cam: npt.ArrayLike,
    faces: npt.ArrayLike,
    camera: Camera,
    *,
    cull: Cull = "none",
    backend: Backend = "numba",
) -> Raster:
    """Rasterise a mesh of the camera frame.

    Parameters
    ----------
    vertices_cam : (n, 3) mm, OpenCV axes.
    faces : (t, 3) vertex numbers, counter-clockwise seen from outside.
    camera : gives projection and image size. Vertices beyond the fold of its distortion are not drawn.
    cull : "back" leaves out faces whose outside points away from the camera.
    backend : as in `rasterise`.
    """
    vertices = np.asarray(vertices_cam, dtype=np.float64)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise InputError(f"vertices_cam: expected shape (any, 3), got {vertices.shape}")
    return rasterise(_on_screen(vertices, camera), faces, camera.width, camera.height, cull=cull, backend=backend)


def _on_screen(points_cam: FloatArray, camera: Camera) -> FloatArray:
    """Return x px, y px, depth mm; NaN where a point is behind the camera or beyond the fold of the lens."""
    with np.errstate(all="ignore"):
        screen = np.concatenate([camera.project(points_cam), points_cam[:, 2:]], axis=1)
        if camera.k1 != 0.0 or camera.k2 != 0.0:
            off_axis = np.hypot(points_cam[:, 0], points_cam[:, 1])
            screen[off_axis >= camera.fold_radius() * points_cam[:, 2]] = np.nan
    return screen


def rasterise_uv(
    uv: npt.ArrayLike, faces_uv: npt.ArrayLike, size: int | tuple[int, int], *, backend: Backend = "numba"
) -> Raster:
    """Tell for each texel which triangle it belongs to and where.

    Parameters
    ----------
    uv : (k, 2) in [0, 1], origin bottom left.
    faces_uv : (t, 3) rows of `uv`.
    size : texels per side, or (height, width). Row 0 of the result is the top of the texture: v = 1.

    Returns
    -------
    Raster with depth 1 where a face lies. The texel of row r and column c has its centre at
    u = (c + 0.5) / width, v = 1 - (r + 0.5) / height. Where faces overlap, the lowest number wins.
    """
    height, width = (size, size) if isinstance(size, int) else size
    uv = np.asarray(uv, dtype=np.float64)
    if uv.ndim != 2 or uv.shape[1] != 2:
        raise InputError(f"uv: expected shape (any, 2), got {uv.shape}")
    texels = np.stack([uv[:, 0] * width, (1.0 - uv[:, 1]) * height, np.ones(len(uv))], axis=1)
    return rasterise(texels, faces_uv, width, height, backend=backend)


def interpolate(
    raster: Raster, faces: npt.NDArray[np.integer], attributes: npt.ArrayLike, *, fill: float = 0.0
) -> npt.NDArray[np.floating]:
    """Spread attributes of vertices over the pixels.

    Parameters
    ----------
    raster : from `rasterise` and its kin.
    faces : (t, 3) rows of `attributes`; another indexing of the same triangles will do (`faces_uv` for uv).
    attributes : (n, c), or (n,).
    fill : value of pixels that see nothing.

    Returns
    -------
    (h, w, c), or (h, w); float32 for float32 attributes, otherwise float64.

    Raises
    ------
    InputError
        If the picture shows a face that `faces` does not have.
    """
    values = np.asarray(attributes)
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    flat = values.reshape(len(values), -1)
    covered = raster.covered
    seen = raster.face_index[covered]
    if seen.size and seen.max() >= len(faces):
        raise InputError(f"the raster shows face {seen.max()}, but there are only {len(faces)} faces")
    corners = np.asarray(faces)[seen].reshape(-1, 3)
    weights = raster.barycentric[covered].astype(values.dtype)
    picture = np.full((*covered.shape, flat.shape[1]), fill, dtype=values.dtype)
    blended = weights[:, :1] * flat[corners[:, 0]]
    blended += weights[:, 1:2] * flat[corners[:, 1]]
    blended += weights[:, 2:] * flat[corners[:, 2]]
    picture[covered] = blended
    return picture.reshape(*covered.shape, *values.shape[1:])


def point_visibility(
    points_cam: npt.ArrayLike,
    camera: Camera,
    depth: npt.NDArray[np.floating],
    *,
    normals_cam: npt.ArrayLike | None = None,
    tolerance_mm: float = 1.0,
    min_cosine: float = 0.0,
) -> npt.NDArray[np.bool_]:
    """Tell which points the camera sees, given the depth picture of the surface they lie on.

    A point is seen if it projects into the image and is no deeper, by more than `tolerance_mm`, than the deepest of
    the four pixel centres around it. On a flat surface the deepest of the four is never in front of the point,
    however oblique the view, so the tolerance has to cover curvature only. The price is that a point hidden by less
    than a pixel beside a silhouette counts as seen; `normals_cam` removes those that face away.

    Parameters
    ----------
    points_cam : (n, 3) mm.
    camera : the camera of the depth picture, or one of another scale with the same field of view.
    depth : (h, w) mm, infinity where there is nothing: `Raster.depth`. NaN counts as nothing.
    normals_cam : (n, 3) unit outward normals; points that face away from the camera are then not seen.
    tolerance_mm : slack of the depth test.
    min_cosine : least cosine between normal and direction to the camera.

    Returns
    -------
    (n,) bool.
    """
    points = np.asarray(points_cam, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise InputError(f"points_cam: expected shape (any, 3), got {points.shape}")
    height, width = depth.shape
    screen = _on_screen(points, camera)
    with np.errstate(invalid="ignore"):
        inside = (screen[:, 0] >= 0) & (screen[:, 0] <= camera.width)
        inside &= (screen[:, 1] >= 0) & (screen[:, 1] <= camera.height)
    pixel = np.where(inside[:, None], screen[:, :2], 0.0) * (width / camera.width, height / camera.height)
    corner = np.floor(pixel - 0.5).astype(np.intp)
    deepest = np.full(len(points), -np.inf)
    for shift_x in (0, 1):
        for shift_y in (0, 1):
            column = (corner[:, 0] + shift_x).clip(0, width - 1)
            row = (corner[:, 1] + shift_y).clip(0, height - 1)
            deepest = np.maximum(deepest, depth[row, column])
    seen = inside & ~(points[:, 2] > deepest + tolerance_mm)
    if normals_cam is not None:
        normals = np.asarray(normals_cam, dtype=np.float64)
        if normals.shape != points.shape:
            raise InputError(f"normals_cam: expected shape {points.shape}, got {normals.shape}")
        facing = -np.einsum("nd,nd->n", normals, points)
        seen &= facing > min_cosine * np.linalg.norm(points, axis=1)
    return seen


def vertex_visibility(
    vertices_cam: npt.ArrayLike,
    faces: npt.ArrayLike,
    camera: Camera,
    *,
    tolerance_mm: float = 1.0,
    min_cosine: float = 0.0,
    depth: npt.NDArray[np.floating] | None = None,
    backend: Backend = "numba",
) -> npt.NDArray[np.bool_]:
    """Tell which vertices of a mesh the camera sees.

    Parameters
    ----------
    vertices_cam : (n, 3) mm.
    faces : (t, 3), counter-clockwise seen from outside.
    camera : gives projection and image size; the z-buffer has its resolution.
    tolerance_mm, min_cosine : as in `point_visibility`, with angle-weighted vertex normals.
    depth : depth picture, if there is one already.
    backend : as in `rasterise`.

    Returns
    -------
    (n,) bool; False for vertices without a face.
    """
    vertices = np.asarray(vertices_cam, dtype=np.float64)
    triangles = np.asarray(faces)
    if depth is None:
        depth = rasterise_mesh(vertices, triangles, camera, backend=backend).depth
    normals = vertex_normals(vertices, triangles)
    return point_visibility(
        vertices, camera, depth, normals_cam=normals, tolerance_mm=tolerance_mm, min_cosine=min_cosine
    )
