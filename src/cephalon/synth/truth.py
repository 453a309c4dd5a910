"""What a picture shows, exactly: maps aligned with its pixels, maps over the skin's chart, and named points.

All maps are sampled at pixel centres, (column + 0.5, row + 0.5). "Head" means the bare head with neck to the collar, eyes,
teeth and tongue: hair, glasses, hats and clothes are looked through. The "visible" maps show what the camera sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import Camera, Raster, SurfacePoints, point_visibility, rasterise_mesh, rasterise_uv
from cephalon.head import HeadModel
from cephalon.synth._kernels import surface_kernel, texels_kernel, unit_kernel
from cephalon.synth._light_kernels import codes_kernel, places_kernel
from cephalon.synth.assemble import PosedHead, solid_faces
from cephalon.synth.paint import SRGB
from cephalon.synth.render import Rendering, collect_layers
from cephalon.synth.scene import HEAD_MIDDLE, Scene
from cephalon.synth.stock import Library

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

POSITION_MAP_PX = 256
_TOLERANCE_MM = 2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Maps:
    """Truth of one picture, h x w pixels; see the module for what head and visible mean.

    Attributes
    ----------
    label : (h, w) uint8; see `labels.LABELS`.
    head_index : (h, w) int8 number of the head, -1 for none; `mask` is its being >= 0.
    normals : (h, w, 3) float32 unit, camera frame, interpolated between vertices; 0 outside.
    depth : (h, w) float32 mm, 0 outside.
    gradient : (h, w) float32: W, the magnitude of the gradient of depth in px per px, see `depth_gradient`.
    uv : (h, w, 2) float32 in the chart of the part, 0 outside; part : (h, w) uint8 number of the part, 255 outside.
    visible_normals, visible_depth : the same of what is seen; where hair hides more than half, of the hair.
    """

    label: NDArray[np.uint8]
    head_index: NDArray[np.int8]
    normals: Float32
    depth: Float32
    gradient: Float32
    uv: Float32
    part: NDArray[np.uint8]
    visible_normals: Float32
    visible_depth: Float32

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(h, w), True where a pixel shows the bare head."""
        return self.head_index >= 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeadMaps:
    """Truth of one head over the skin's chart, 256 x 256 texels; row 0 is v = 1.

    Attributes
    ----------
    position : (256, 256, 3) float32 mm: where each texel's skin point is, camera axes, relative to `origin`.
    origin : (3,) mm, camera frame: the middle of the head.
    albedo_srgb : (256, 256, 3) uint8 colour of the skin without light, sRGB-coded.
    visible : (256, 256) float32 share of its light that reaches the camera; 0 where hidden.
    """

    position: Float32
    origin: Float
    albedo_srgb: NDArray[np.uint8]
    visible: Float32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NamedPoints:
    """Named points of one head in the picture.

    Attributes
    ----------
    position : (k, 2) px; depth : (k,) mm.
    visible : (k,) bool, seen by the camera past hair, glasses and things; bare : (k,) bool, seen if nothing were before the head.
    weight : (k,) share of the point's light that reaches the camera, 0 if hidden or outside the picture.
    """

    position: Float
    depth: Float
    visible: NDArray[np.bool_]
    bare: NDArray[np.bool_]
    weight: Float


def picture_maps(library: Library, scene: Scene, rendering: Rendering) -> Maps:
    """Return the maps of a rendered scene."""
    model, camera = library.model, scene.camera
    heads = rendering.stage.heads
    height, width = camera.height, camera.width
    count, n = solid_faces(model), len(model.mean)
    vertices = np.concatenate([h.vertices for h in heads]) if heads else np.zeros((0, 3))
    normals = np.concatenate([h.normals for h in heads]) if heads else np.zeros((0, 3))
    faces = (
        np.concatenate([model.faces[:count] + n * k for k in range(len(heads))])
        if heads
        else np.zeros((0, 3), np.int32)
    )
    raster = rasterise_mesh(vertices, faces, camera)
    uv = np.zeros((height, width, 2), dtype=np.float32)
    part = np.full((height, width), 255, dtype=np.uint8)
    head_index = np.full((height, width), -1, dtype=np.int8)
    depth = np.zeros((height, width), dtype=np.float32)
    places_kernel(
        raster.face_index, raster.barycentric, raster.depth, np.array([count]), _corner_uv(model), _part_of_face(model), depth, uv,
        head_index, part,
    )  # fmt: skip
    z_ref = float(np.median([_middle(h)[2] for h in heads])) if heads else 1.0
    visible_normals, visible_depth = _visible(rendering, camera)
    return Maps(
        label=rendering.label,
        head_index=head_index,
        normals=_unit_normals(raster, faces, normals.astype(np.float32)),
        depth=depth,
        gradient=depth_gradient(depth, camera.focal_px / z_ref),
        uv=uv,
        part=part,
        visible_normals=visible_normals,
        visible_depth=visible_depth,
    )


def depth_gradient(depth: Float32, px_per_mm: float) -> Float32:
    """Return W = |grad d| (h, w) of d = depth x px per mm, in px per px: 0 where depth is 0 (nothing).

    Central differences between the neighbours on both sides, one-sided where a neighbour shows nothing; so it is small on
    surfaces that face the camera and large across edges, where integration must not trust the normals (there the weight of
    a pixel is 1 / (1 + 0.1 W)).
    """
    covered = depth > 0
    d = depth * np.float32(px_per_mm)
    total = np.zeros_like(d)
    for axis in (0, 1):
        ahead, behind = np.zeros_like(d), np.zeros_like(d)
        has_ahead, has_behind = np.zeros_like(covered), np.zeros_like(covered)
        low, high = [slice(None)] * 2, [slice(None)] * 2
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        ahead[tuple(low)], has_ahead[tuple(low)] = d[tuple(high)], covered[tuple(high)]
        behind[tuple(high)], has_behind[tuple(high)] = d[tuple(low)], covered[tuple(low)]
        ahead = np.where(has_ahead, ahead, d)
        behind = np.where(has_behind, behind, d)
        steps = has_ahead.astype(np.float32) + has_behind
        slope = (ahead - behind) / np.maximum(steps, 1)
        total += slope * slope
    return np.where(covered, np.sqrt(total), 0).astype(np.float32)


def _middle(head: PosedHead) -> Float:
    return head.actor.camera_from_head.apply(head.skull_from_head.apply(HEAD_MIDDLE[None]))[0]


def _unit_normals(raster: Raster, faces: NDArray[np.int32], normals: Float32) -> Float32:
    out = np.zeros((*raster.face_index.shape, 3), dtype=np.float32)
    unit_kernel(raster.face_index, raster.barycentric, np.ascontiguousarray(faces), normals, out)
    return out


def _visible(rendering: Rendering, camera: Camera) -> tuple[Float32, Float32]:
    stage = rendering.stage
    raster = rasterise_mesh(stage.solids.vertices, stage.solids.faces, camera)
    normals = _unit_normals(raster, stage.solids.faces, stage.solids.attributes)
    depth = np.where(raster.covered, raster.depth, 0).astype(np.float32)
    layers = collect_layers(stage, camera, raster.depth)
    surface_kernel(
        layers.count, layers.rows, stage.layers.faces, stage.layers.attributes,
        np.array([camera.focal_px, *camera.principal_point]), normals, depth,
    )  # fmt: skip
    return normals, depth


def head_maps(library: Library, scene: Scene, rendering: Rendering, number: int = 0) -> HeadMaps:
    """Return the maps over the chart of one head."""
    model = library.model
    head = rendering.stage.heads[number]
    chart, faces = _chart(model)
    origin = _middle(head)
    shape = chart.face_index.shape
    code = np.zeros((*shape, 3), dtype=np.uint8)
    codes_kernel(head.albedo, chart.face_index, SRGB, code)
    placed, visible = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    lens = np.array([scene.camera.focal_px, *scene.camera.principal_point])
    texels_kernel(
        chart.face_index, chart.barycentric, faces, head.vertices, head.normals, origin, lens, rendering.solid_depth, rendering.transmitted,
        _TOLERANCE_MM, placed, visible,
    )  # fmt: skip
    return HeadMaps(position=placed, origin=origin, albedo_srgb=code, visible=visible)


def _light_that_arrives(camera: Camera, rendering: Rendering, points: Float, normals: NDArray[np.floating]) -> Float:
    """Share (p,) of the light of surface points that reaches the camera: 0 if a solid hides them, less behind hair."""
    seen = point_visibility(points, camera, rendering.solid_depth, normals_cam=normals, tolerance_mm=_TOLERANCE_MM)
    pixel = np.nan_to_num(camera.project(points), nan=-1.0)
    column = np.clip(pixel[:, 0].astype(np.int64), 0, camera.width - 1)
    row = np.clip(pixel[:, 1].astype(np.int64), 0, camera.height - 1)
    return np.where(seen, rendering.transmitted[row, column], 0.0)


def named_points(
    library: Library, scene: Scene, rendering: Rendering, number: int, maps: Maps
) -> dict[str, NamedPoints]:
    """Return every named point set of one head in the picture."""
    model, camera = library.model, scene.camera
    head = rendering.stage.heads[number]
    points, slices = _all_points(model)
    placed = points.positions(head.vertices, model.faces)
    normals = points.positions(head.normals, model.faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    weight = _light_that_arrives(camera, rendering, placed, normals)
    bare_depth = np.where(maps.mask, maps.depth, np.inf)
    bare = point_visibility(placed, camera, bare_depth, normals_cam=normals, tolerance_mm=_TOLERANCE_MM)
    position = np.nan_to_num(camera.project(placed), nan=-1.0)
    return {
        name: NamedPoints(
            position=position[rows],
            depth=placed[rows, 2],
            visible=weight[rows] > 0.5,
            bare=bare[rows],
            weight=weight[rows],
        )
        for name, rows in slices.items()
    }


@lru_cache(maxsize=2)
def _all_points(model: HeadModel) -> tuple[SurfacePoints, dict[str, slice]]:
    sets = model.point_sets
    starts = np.cumsum([0] + [len(p) for p in sets.values()])
    every = SurfacePoints(
        face_index=np.concatenate([p.face_index for p in sets.values()]),
        barycentric=np.concatenate([p.barycentric for p in sets.values()]),
    )
    return every, {name: slice(int(a), int(b)) for name, a, b in zip(sets, starts[:-1], starts[1:], strict=True)}


def head_box(library: Library, scene: Scene, rendering: Rendering, number: int) -> Float:
    """Return left, top, right, bottom px of the bare head without its neck; it may reach beyond the picture."""
    model = library.model
    pixel = scene.camera.project(rendering.stage.heads[number].vertices[_without_neck(model)])
    pixel = pixel[np.isfinite(pixel).all(1)]
    return np.concatenate([pixel.min(0), pixel.max(0)])


def gaze_directions(library: Library, rendering: Rendering, number: int) -> Float:
    """Return (2, 3) unit vectors of the left and right gaze, camera frame: from the eye's centre through its pupil."""
    model, head = library.model, rendering.stage.heads[number]
    result = np.zeros((2, 3))
    for row, side in enumerate(("left_eye", "right_eye")):
        part = model.parts[side].vertices
        eye, pupil = head.vertices[part], model.regions["pupil"][part] > 0.5
        way = eye[pupil].mean(0) - eye.mean(0)
        result[row] = way / np.linalg.norm(way)
    return result


@lru_cache(maxsize=2)
def _without_neck(model: HeadModel) -> NDArray[np.intp]:
    skin = np.arange(len(model.mean)) < model.parts["skin"].vertices.stop
    return np.flatnonzero(skin & (model.regions["neck"] < 0.5))


@lru_cache(maxsize=2)
def _chart(model: HeadModel) -> tuple[Raster, NDArray[np.int32]]:
    assert model.topology.uv is not None
    assert model.topology.faces_uv is not None
    skin = model.parts["skin"].faces
    return rasterise_uv(model.topology.uv, model.topology.faces_uv[skin], POSITION_MAP_PX), model.faces[skin]


@lru_cache(maxsize=2)
def _corner_uv(model: HeadModel) -> Float32:
    assert model.topology.uv is not None
    assert model.topology.faces_uv is not None
    return np.ascontiguousarray(model.topology.uv[model.topology.faces_uv].reshape(-1, 6), dtype=np.float32)


@lru_cache(maxsize=2)
def _part_of_face(model: HeadModel) -> NDArray[np.uint8]:
    table = np.zeros(len(model.faces), dtype=np.uint8)
    for number, part in enumerate(model.parts.values()):
        table[part.faces] = number
    return table


def prn_position_map(maps: HeadMaps, camera: Camera) -> Float32:
    """Return the position map as PRNet defines it: (256, 256, 3) x px, y px, and z px towards the camera.

    x and y are where the skin point lies in the picture; z is its depth before the head's middle, scaled to pixels there
    (Feng et al. 2018, section 3.1, with a perspective camera in place of their weak perspective one).
    """
    points = maps.position + maps.origin
    pixel = camera.project(points)
    z = -(maps.position[..., 2]) * camera.focal_px / maps.origin[2]
    covered = np.any(maps.position != 0, axis=-1)
    return np.where(covered[..., None], np.concatenate([pixel, z[..., None]], axis=-1), 0).astype(np.float32)
