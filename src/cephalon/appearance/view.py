"""One photo as the skin sees it: where each vertex lies in it, and two crops of the picture around the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.filters import distance_to
from cephalon.appearance.folds import folded
from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import SkinSurface
from cephalon.appearance.warp import landmark_warp
from cephalon.export import fine_mesh
from cephalon.geometry import Raster, rasterise, vertex_normals
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import Observation, PhotoFit

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Outer eye distance in the crop on which masks are made, px: a pixel is about 1.1 mm.
GRID_EYE_PX = 80.0
# Depth pictures are finer, so that lids and nose wings hide what they hide.
_DEPTH_FACTOR = 2.0
# A step in depth of this many mm, from one pixel to the next, is an edge with something behind it; the wings of the
# nose stand out by less.
_STEP_MM = 12.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crop:
    """A resampled piece of a photo: crop px = (photo px - origin) * scale."""

    origin: Float
    scale: float
    width: int
    height: int

    def place(self, pixel: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return crop coordinates (..., 2) of photo coordinates."""
        return (pixel - self.origin.astype(pixel.dtype)) * pixel.dtype.type(self.scale)

    def cut(self, picture: NDArray[np.uint8], *, nearest: bool = False) -> NDArray[np.uint8]:
        """Resample the piece out of a photo-sized picture (h, w) or (h, w, 3)."""
        from PIL import Image

        left, top = np.floor(self.origin).astype(int)
        right = min(int(np.ceil(self.origin[0] + self.width / self.scale)), picture.shape[1])
        low = min(int(np.ceil(self.origin[1] + self.height / self.scale)), picture.shape[0])
        box = (
            self.origin[0] - left,
            self.origin[1] - top,
            min(self.origin[0] - left + self.width / self.scale, right - left),
            min(self.origin[1] - top + self.height / self.scale, low - top),
        )
        method = Image.Resampling.NEAREST if nearest else Image.Resampling.BILINEAR
        piece = Image.fromarray(np.ascontiguousarray(picture[top:low, left:right]))
        return np.asarray(piece.resize((self.width, self.height), method, box=box, reducing_gap=2.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One photo's geometry over the m skin vertices, and its crops.

    Attributes
    ----------
    eye_px : outer eye distance at the head's depth, px of the photo, as if seen from the front.
    pixel : (m, 2) px of the photo, after the warp onto the measured landmarks.
    normal : (m, 3) unit, camera frame. cosine : (m,) between normal and direction to the camera.
    seen : (m,) bool.
    vertices : (n, 3) mm, head frame, the model's vertices as posed in this photo.
    folded : (m,) in [0, 1], how far the expression folds the skin.
    grid : the crop on which masks are made; `grid_srgb` (h, w, 3) uint8 its picture, `raster` what its pixels show:
        faces of the skin surface, -1 for anything else.
    edge_px, outline_px : (h, w) distance of its pixels to the next step in depth, and to the outline of the head.
    fine : the crop in which texels are looked up, about one pixel per texel.
    """

    eye_px: float
    pixel: Float
    normal: Float32
    cosine: Float32
    seen: NDArray[np.bool_]
    vertices: Float
    folded: Float32
    grid: Crop
    grid_srgb: NDArray[np.uint8]
    raster: Raster
    edge_px: Float32
    outline_px: Float32
    fine: Crop


def posed_vertices(model: HeadModel, identity: Float, fitted: PhotoFit) -> Float:
    """Return the model's vertices (n, 3) mm, head frame, as they are in a photo: with its expression and gaze."""
    joints = dict(zip(model.joint_names, fitted.joint_rotvecs, strict=True))
    return model.vertices(model.code(identity=identity, expression=fitted.expression, joints=joints))


def eye_distance_px(model: HeadModel, fitted: PhotoFit, vertices: Float) -> float:
    """Return the outer eye distance at the head's distance, px, as if seen from the front."""
    corners = model.point_set("now7").positions(vertices, model.faces)[[0, 3]]
    depth = float(fitted.camera_from_head.apply(corners)[:, 2].mean())
    return float(np.linalg.norm(corners[0] - corners[1])) * fitted.camera.focal_px / depth


def view(
    photo: Photo,
    observation: Observation,
    fitted: PhotoFit,
    model: HeadModel,
    surface: SkinSurface,
    identity: Float,
    options: TextureOptions,
    *,
    texel_mm: float,
) -> View:
    """Place the skin in a photo.

    Parameters
    ----------
    identity : (k,) of the person.
    texel_mm : side of a texel, which sets the resolution of the fine crop.
    """
    mesh = fine_mesh(model)
    vertices = posed_vertices(model, identity, fitted)
    points = fitted.camera_from_head.apply(mesh.operator @ vertices)
    eye_px = eye_distance_px(model, fitted, vertices)
    pixel = fitted.camera.project(points)
    usable = np.isfinite(pixel[:, 0]) & np.isfinite(pixel[:, 1])
    pixel = np.where(usable[:, None], pixel, -1e4)
    pixel += landmark_warp(observation, fitted, eye_px).at(pixel)

    skin = surface.fine_index
    box = _box(pixel[skin[usable[skin]]], eye_px, photo.width, photo.height)
    grid = _crop(box, GRID_EYE_PX / eye_px)
    px_per_mm = fitted.camera.focal_px / float(np.median(points[skin, 2]))
    fine = _crop(box, min(1.0, 1.2 / (px_per_mm * texel_mm)))

    shown = np.asarray(usable[mesh.mesh.faces].all(axis=1), dtype=bool)
    for name, part in mesh.parts.items():
        if "lashes" in name:
            shown[part.faces] = False
    faces = mesh.mesh.faces[shown]
    placed = np.column_stack([grid.place(pixel), points[:, 2]])
    factor = _DEPTH_FACTOR
    raster = rasterise(placed * (factor, factor, 1.0), faces, int(grid.width * factor), int(grid.height * factor))
    seen = _visible(placed[skin] * (factor, factor, 1.0), raster.depth, options.depth_tolerance_mm)
    # the grid's own picture is every second pixel of it
    step = int(factor)
    skin_part = mesh.parts["skin"].faces
    number = np.full(len(shown), -1, dtype=np.int32)
    number[skin_part] = np.arange(skin_part.stop - skin_part.start, dtype=np.int32)
    number = number[shown]
    small = Raster(
        face_index=np.append(number, np.int32(-1))[raster.face_index[::step, ::step]],
        barycentric=raster.barycentric[::step, ::step],
        depth=raster.depth[::step, ::step],
    )
    normal = vertex_normals(points, mesh.mesh.faces)[skin]
    towards = points[skin] / np.linalg.norm(points[skin], axis=1, keepdims=True)
    cosine = -np.einsum("nd,nd->n", normal, towards)
    inside = ((pixel[skin] > 1) & (pixel[skin] < (photo.width - 1, photo.height - 1))).all(1)
    return View(
        eye_px=eye_px,
        pixel=pixel[skin],
        normal=normal.astype(np.float32),
        cosine=cosine.astype(np.float32),
        seen=seen & inside & (cosine > options.least_cosine),
        vertices=vertices,
        folded=folded(model, surface, identity, fitted, vertices),
        grid=grid,
        grid_srgb=grid.cut(photo.rgb_srgb),
        raster=small,
        edge_px=_distance_to_edges(small.depth),
        outline_px=distance_to(~np.isfinite(small.depth)),
        fine=fine,
    )


def _box(pixel: Float, eye_px: float, width: int, height: int) -> Float:
    """Box (left, top, right, bottom) of the head, with a margin, in the photo; all of it if the head is outside."""
    whole = np.array([0.0, 0.0, width, height])
    if not len(pixel):
        return whole
    margin = 0.25 * eye_px
    low = np.clip(np.floor(pixel.min(0) - margin), 0, (width, height))
    high = np.clip(np.ceil(pixel.max(0) + margin), 0, (width, height))
    return np.concatenate([low, high]) if (high - low >= 8).all() else whole


def _crop(box: Float, scale: float) -> Crop:
    width, height = (max(2, int((box[2 + i] - box[i]) * scale)) for i in range(2))
    return Crop(origin=box[:2], scale=scale, width=width, height=height)


def _visible(placed: NDArray[np.floating], depth: Float32, tolerance_mm: float) -> NDArray[np.bool_]:
    """Tell which points (m, 3: x, y px, depth mm) are no deeper than the deepest of the four pixels around them."""
    height, width = depth.shape
    column, row = (np.floor(placed[:, i] - 0.5).astype(np.intp) for i in range(2))
    inside = (column >= 0) & (row >= 0) & (column < width - 1) & (row < height - 1)
    column, row = np.where(inside, column, 0), np.where(inside, row, 0)
    deepest = np.maximum.reduce([depth[row + down, column + right] for down in (0, 1) for right in (0, 1)])
    return inside & (placed[:, 2] <= deepest + tolerance_mm)


def _distance_to_edges(depth: Float32) -> Float32:
    """Distance (grid px) of each pixel to the next silhouette or step in depth."""
    finite = np.where(np.isfinite(depth), depth, np.float32(1e5))
    step = np.zeros(depth.shape, dtype=bool)
    down = np.abs(np.diff(finite, axis=0)) > _STEP_MM
    right = np.abs(np.diff(finite, axis=1)) > _STEP_MM
    step[:-1] |= down
    step[1:] |= down
    step[:, :-1] |= right
    step[:, 1:] |= right
    return distance_to(step)
