"""Pictures of the error on a scan, from three sides."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cephalon.evaluate.correspondence import submesh
from cephalon.evaluate.meshes import Shape
from cephalon.files import png_bytes
from cephalon.geometry import interpolate, rasterise, rotation_from_rotvec, vertex_normals

FloatArray = npt.NDArray[np.float64]

# From nothing to `TOP_MM`: told apart by the colour-blind, light to dark only at the far end.
RAMP = np.array(
    [[226, 232, 236], [142, 196, 205], [86, 160, 148], [160, 176, 84], [236, 190, 74], [230, 126, 60], [196, 58, 66], [116, 20, 76]],
    dtype=np.float64,
)  # fmt: skip
TOP_MM = 5.0
SIDES_DEG = (-55.0, 0.0, 55.0)


def colours(distance: npt.ArrayLike, top_mm: float = TOP_MM) -> FloatArray:
    """Return sRGB colours (n, 3), 0 to 255, of distances (n,) mm; everything above `top_mm` has the last colour."""
    at = np.clip(np.asarray(distance, dtype=np.float64) / top_mm, 0.0, 1.0) * (len(RAMP) - 1)
    low = np.minimum(at.astype(int), len(RAMP) - 2)
    share = (at - low)[:, None]
    return RAMP[low] * (1 - share) + RAMP[low + 1] * share


def head_frame(landmarks: npt.ArrayLike | None) -> FloatArray:
    """Return the rotation (3, 3) to +x the person's left, +y up, +z out of the face, from seven landmarks; identity without."""
    if landmarks is None:
        return np.eye(3)
    p = np.asarray(landmarks, dtype=np.float64)
    x = p[3] - p[0] + p[2] - p[1]
    up = 0.25 * (p[0] + p[1] + p[2] + p[3]) - 0.5 * (p[5] + p[6])
    x = x / np.linalg.norm(x)
    up = up - (up @ x) * x
    up = up / np.linalg.norm(up)
    return np.stack([x, up, np.cross(x, up)])


def error_map(
    shape: Shape, rows: npt.NDArray[np.integer], distance: npt.ArrayLike, *, size: int = 320, top_mm: float = TOP_MM
) -> bytes | None:
    """Return a PNG of a mesh coloured by distance, from the person's right, front and left; None without faces.

    Parameters
    ----------
    shape : what was measured at, the scan in most protocols.
    rows, distance : (k,) its vertices that count, and their errors, mm; the others are left out.
    size : height, px. Background transparent; orthographic, one scale for all three.
    """
    if not len(shape.faces):
        return None
    inside = np.zeros(len(shape.vertices), dtype=bool)
    inside[rows] = True
    value: FloatArray = np.zeros(len(shape.vertices))
    value[rows] = distance
    part, faces = submesh(shape.vertices, shape.faces, inside)
    if not len(faces):
        return None
    kept = np.unique(shape.faces[inside[shape.faces].all(axis=1)])
    paint = colours(value[kept], top_mm)
    turned = (part - 0.5 * (part.min(axis=0) + part.max(axis=0))) @ head_frame(shape.landmarks).T
    normals = vertex_normals(turned, faces)
    turns = [rotation_from_rotvec(np.array([0.0, np.radians(-side), 0.0])) for side in SIDES_DEG]
    across = np.quantile(np.abs(np.stack([turned @ turn.T for turn in turns])[..., 0]), 0.999)
    half = np.array([max(float(across), 1e-9), max(float(np.quantile(np.abs(turned[:, 1]), 0.999)), 1e-9)])
    fitting = 0.485 * size / float(half.max())
    width = 2 * int(np.ceil(fitting * half[0] + 0.015 * size))
    views = []
    for turn in turns:
        seen, n = turned @ turn.T, normals @ turn.T
        pixel = np.column_stack(
            [0.5 * width + fitting * seen[:, 0], 0.5 * size - fitting * seen[:, 1], 2000.0 - seen[:, 2]]
        )
        views.append(_shaded(pixel, faces, n, paint, (size, width)))
    return png_bytes(np.concatenate(views, axis=1), level=6)


def _shaded(
    pixel: FloatArray, faces: npt.NDArray, normals: FloatArray, paint: FloatArray, size: tuple[int, int]
) -> npt.NDArray[np.uint8]:
    """Return an (h, w, 4) view of (height, width), drawn at twice the size and averaged."""
    fine, (height, width) = 2, size
    doubled = pixel * np.array([fine, fine, 1.0])
    raster = rasterise(doubled, faces, fine * width, fine * height)
    colour = interpolate(raster, faces, np.concatenate([paint, normals], axis=1))
    n = colour[..., 3:]
    n = n / np.maximum(np.linalg.norm(n, axis=-1, keepdims=True), 1e-9)
    light = np.array([-0.3, 0.45, 0.84])
    shade = 0.62 + 0.38 * np.clip(np.abs(n @ (light / np.linalg.norm(light))), 0.0, 1.0)
    rgba = np.zeros((fine * height, fine * width, 4))
    rgba[..., :3] = colour[..., :3] * shade[..., None]
    rgba[..., 3] = 255.0
    rgba[~raster.covered] = 0.0
    blocks = rgba.reshape(height, fine, width, fine, 4).sum(axis=(1, 3))
    alpha = blocks[..., 3:] / (255.0 * fine * fine)
    out = np.concatenate([blocks[..., :3] / np.maximum(alpha * fine * fine, 1e-9), 255.0 * alpha], axis=-1)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)
