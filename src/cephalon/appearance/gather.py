"""What one photo says of the skin: for each texel a colour, and how far to trust it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cephalon.appearance.options import TextureOptions
from cephalon.appearance.texels import Texels
from cephalon.export import fine_mesh
from cephalon.geometry import point_visibility, rasterise_mesh, vertex_normals
from cephalon.geometry.sampling import pyramid, trilinear
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import PhotoFit

Float = NDArray[np.float64]

DEPTH_PX = 640


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gathered:
    """One photo's view of the texels.

    Attributes
    ----------
    rgb_srgb : (t, 3) float32, 0 to 255, of the photo at the texel; 0 where it is not seen.
    pixel : (t, 2) px where the texel lies in the photo (after the warp).
    normal : (t, 3) float32 unit, camera frame.
    weight : (t,) float32 >= 0, 0 where the photo does not see the texel.
    """

    rgb_srgb: NDArray[np.float32]
    pixel: NDArray[np.float32]
    normal: NDArray[np.float32]
    weight: NDArray[np.float32]


def posed_vertices(model: HeadModel, identity: Float, fitted: PhotoFit) -> Float:
    """Return the model's vertices (n, 3) mm, head frame, as they are in a photo: with its expression and gaze."""
    joints = dict(zip(model.joint_names, fitted.joint_rotvecs, strict=True))
    return model.vertices(model.code(identity=identity, expression=fitted.expression, joints=joints))


def gather(
    photo: Photo,
    fitted: PhotoFit,
    vertices: Float,
    model: HeadModel,
    texels: Texels,
    options: TextureOptions,
    *,
    eye_distance_px: float,
) -> Gathered:
    """Look every texel up in a photo.

    Parameters
    ----------
    vertices : (n, 3) mm, head frame, posed for this photo.
    eye_distance_px : the outer eye distance in the photo, the scale of all margins.
    """
    fine = fine_mesh(model)
    points = fitted.camera_from_head.apply(fine.operator @ vertices)
    normals = vertex_normals(points, fine.mesh.faces)
    place = texels.spread(points).astype(np.float64)
    normal = texels.spread(normals)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)

    camera = fitted.camera
    reduced = camera.scaled(min(1.0, DEPTH_PX / max(camera.width, camera.height)))
    shown = np.ones(len(fine.mesh.faces), dtype=bool)
    for name, part in fine.parts.items():
        shown[part.faces] = "lashes" not in name
    depth = rasterise_mesh(points, fine.mesh.faces[shown], reduced).depth
    pixel = camera.project(place)
    pixel = np.where(np.isfinite(pixel), pixel, -1e6)
    seen = point_visibility(
        place, reduced, depth, normals_cam=normal, tolerance_mm=options.depth_tolerance_mm, min_cosine=options.least_cosine
    )
    clear = _distance_to_edges(depth, reduced.width / camera.width, pixel)
    margin = options.edge_margin * eye_distance_px
    cosine = -np.einsum("nd,nd->n", normal, place) / np.linalg.norm(place, axis=1)
    ramp = np.clip((cosine - options.least_cosine) / (0.75 - options.least_cosine), 0, 1)
    inside = (pixel > 1).all(1) & (pixel[:, 0] < camera.width - 1) & (pixel[:, 1] < camera.height - 1)
    weight = seen * inside * ramp**2 * np.clip(clear / margin - 0.5, 0, 1)

    steps = pyramid(photo.rgb_srgb.astype(np.float32), 4)
    rgb = np.zeros((len(texels.index), 3), dtype=np.float32)
    used = weight > 0
    texel_mm = 420.0 / texels.size  # the chart is about 420 mm across
    level = np.log2(np.maximum(camera.focal_px / np.median(place[used, 2]) * texel_mm, 1e-3)) if used.any() else 0.0
    rgb[used] = trilinear(steps, pixel[used], np.full(int(used.sum()), max(level, 0.0)))
    return Gathered(
        rgb_srgb=rgb, pixel=pixel.astype(np.float32), normal=normal, weight=weight.astype(np.float32)
    )


def _distance_to_edges(depth: NDArray[np.float32], factor: float, pixel: Float) -> Float:
    """Distance (px of the photo) from each pixel position to the next silhouette or depth edge of the depth picture."""
    finite = np.where(np.isfinite(depth), depth, 1e5)
    jump = np.maximum(
        np.abs(np.diff(finite, axis=0, append=finite[-1:])), np.abs(np.diff(finite, axis=1, append=finite[:, -1:]))
    )
    distance = ndimage.distance_transform_edt(jump < 8.0)
    rows, columns = depth.shape
    x = np.clip((pixel[:, 0] * factor).astype(int), 0, columns - 1)
    y = np.clip((pixel[:, 1] * factor).astype(int), 0, rows - 1)
    return distance[y, x] / factor
