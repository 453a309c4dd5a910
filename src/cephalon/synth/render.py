"""The renderer: z-buffered solids, sorted see-through layers, lamps with shadow maps, surroundings by harmonics."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cephalon.colour import linear_from_srgb
from cephalon.geometry import Camera, rasterise_mesh
from cephalon.synth._kernels import facing_kernel, layers_kernel, shadow_kernel
from cephalon.synth._light_kernels import expose_kernel
from cephalon.synth._shade import shade_kernel
from cephalon.synth.assemble import Stage, assemble
from cephalon.synth.labels import LABELS
from cephalon.synth.light import frame_towards, rotate_sh, sh_basis
from cephalon.synth.scene import Lamp, Scene, far_lamp
from cephalon.synth.stock import Library

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

MOST_LAYERS = 8
_SHADOW_PX = 192
_KEY_SHARE = 0.45


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layers:
    """What `layers_kernel` collects: sorted see-through surfaces per sample, their number (h, w) and rows (h, w, K, 6)."""

    count: NDArray[np.uint8]
    rows: Float32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rendering:
    """A scene as light.

    Attributes
    ----------
    linear : (h, w, 3) float32 exposed linear light, before the sensor, at the picture's size.
    label : (h, w) uint8 class; see `labels.LABELS`. The class with the most samples in the pixel; the lower number of equals.
    transmitted : (h, w) float32 share of light from the solids that passes hair and lenses.
    solid_depth : (s h, s w) float32 mm of solids at every sample, infinity for none.
    stage : the meshes.
    """

    linear: Float32
    label: NDArray[np.uint8]
    transmitted: Float32
    solid_depth: Float32
    stage: Stage


def render(library: Library, scene: Scene, *, supersample: int, texture: int) -> Rendering:
    """Render a scene."""
    panorama = library.panoramas[scene.panorama]
    camera_from_world = scene.world_from_camera.T
    harmonics = rotate_sh(panorama.harmonics, camera_from_world)
    lamps = list(scene.lamps)
    if panorama.sun_rgb.max() > 0.02:
        sun = camera_from_world @ panorama.sun_direction
        lamps.append(far_lamp(sun, panorama.sun_rgb, 2.5))
    key = _key_light(harmonics)
    if key is not None:
        lamp, harmonics = key
        lamps.append(lamp)
    detail = float(np.clip((scene.camera.width / 256) ** 0.7, 0.6, 1.3))
    stage = assemble(library, scene, harmonics, texture=texture, detail=detail)
    fine = scene.camera.scaled(float(supersample))
    solids, soft = stage.solids, stage.layers
    seen = np.zeros_like(solids.faces)
    facing_kernel(solids.vertices, solids.faces, solids.face_material, stage.materials, seen)
    solid = rasterise_mesh(solids.vertices, seen, fine)
    layers = collect_layers(stage, fine, solid.depth)
    rows, matrices, maps = _shadows(stage, lamps, scene.camera.width)
    height, width = scene.camera.height, scene.camera.width
    image, label = np.zeros((height, width, 3), dtype=np.float32), np.zeros((height, width), dtype=np.uint8)
    transmitted, open_share = np.zeros((height, width), dtype=np.float32), np.zeros((height, width), dtype=np.float32)
    shade_kernel(
        solid.face_index, solid.barycentric, solid.depth, solids.faces, solids.corner_uv, solids.face_material, solids.attributes,
        stage.materials, stage.texels, stage.texel_labels, stage.texture_info, rows, matrices, maps, scene.world_from_camera,
        panorama.mirror, panorama.glossy, np.array([fine.focal_px, *fine.principal_point]), layers.count, layers.rows,
        soft.faces, soft.face_material, soft.attributes, image, label, transmitted, open_share,
    )  # fmt: skip
    exposure = scene.sensor.exposure * _exposure(stage, image, label, scene.sensor.balance)
    linear = background(library, scene, height, width, exposure)
    expose_kernel(image, open_share, exposure, linear)
    return Rendering(linear=linear, label=label, transmitted=transmitted, solid_depth=solid.depth, stage=stage)


def collect_layers(stage: Stage, camera: Camera, solid_depth: Float32) -> Layers:
    """Return the see-through surfaces before the solid ones, sorted, for each sample of a camera.

    The arrays hold until this thread's next call with a camera of that size.
    """
    mesh = stage.layers
    height, width = solid_depth.shape
    count = np.zeros((height, width), dtype=np.uint8)
    rows = _layer_memory(height, width)
    if len(mesh.faces):
        layers_kernel(
            mesh.vertices, np.array([camera.focal_px, *camera.principal_point]), mesh.faces, mesh.corner_uv, mesh.face_material,
            stage.materials, mesh.attributes, stage.layer_texels, stage.layer_texture_info, solid_depth.copy(), count, rows,
        )  # fmt: skip
    return Layers(count=count, rows=rows)


_MEMORY = threading.local()


def _layer_memory(height: int, width: int) -> Float32:
    """Return rows for `layers_kernel`, the same ones again for a size: only what `count` tells of them is ever read.

    Fresh memory costs a page fault for every four kilobytes touched, which took a tenth of a picture's time.
    """
    kept = _MEMORY.__dict__.setdefault("kept", {})
    if (height, width) not in kept:
        if len(kept) > 3:
            kept.clear()
        kept[height, width] = np.zeros((height, width, MOST_LAYERS, 6), dtype=np.float32)
    return kept[height, width]


def _key_light(harmonics: Float) -> tuple[Lamp, Float] | None:
    """Take part of the surroundings' directed light into a lamp with a broad shadow, so that hair and hats shade the face.

    A lamp of irradiance / pi e from d has the coefficients e pi Y(d); what is taken leaves the harmonics.
    """
    first = harmonics[1:4].mean(axis=1)[[2, 0, 1]]
    length = float(np.linalg.norm(first))
    if length < 0.08 * abs(harmonics[0].mean()):
        return None
    direction = first / length
    basis = sh_basis(direction)
    rgb = _KEY_SHARE * (basis[1:4] @ harmonics[1:4]) / (np.pi * (basis[1:4] @ basis[1:4]))
    rgb = np.maximum(rgb, 0.0)
    return far_lamp(direction, rgb, 14.0), harmonics - np.pi * basis[:, None] * rgb


def _shadows(stage: Stage, lamps: list[Lamp], width: int) -> tuple[Float, Float, Float32]:
    """Render an orthographic depth picture for each lamp: kernel rows (l, 8), matrices (l, 3, 4), pictures (l, s, s).

    Small pictures (of `width` px) make do with coarser shadows.
    """
    count = len(lamps)
    rows, matrices = np.zeros((count, 8)), np.zeros((count, 3, 4))
    heads = (
        np.concatenate([head.vertices[: len(head.vertices)] for head in stage.heads])
        if stage.heads
        else np.zeros((1, 3))
    )
    low, high = heads.min(0) - 40, heads.max(0) + 40
    centre, reach = (low + high) / 2, float(np.linalg.norm(high - low)) / 2
    least = int(np.clip(_SHADOW_PX * width // 192, _SHADOW_PX // 2, _SHADOW_PX))
    side = int(np.clip(least * reach / 260.0, least, 640))
    maps = np.full((count, side, side), np.inf, dtype=np.float32)
    casters = ((stage.solids, np.zeros((0, 3), np.int64)), (stage.layers, stage.layer_texture_info))
    scale = side / (2 * reach)
    for number, lamp in enumerate(lamps):
        turn = frame_towards(np.array(lamp.direction))
        offset = -turn @ centre
        matrices[number, 0] = [*(turn[0] * scale), offset[0] * scale + side / 2]
        matrices[number, 1] = [*(turn[1] * scale), offset[1] * scale + side / 2]
        matrices[number, 2] = [*turn[2], offset[2]]
        for mesh, texture_info in casters:
            shadow_kernel(
                mesh.vertices, matrices[number], mesh.faces, mesh.corner_uv, mesh.face_material, stage.materials, mesh.attributes,
                stage.layer_texels, texture_info, maps[number],
            )  # fmt: skip
        soft = max(1.0, lamp.soft_mm * scale / 1.5)
        rows[number] = [*lamp.direction, *lamp.rgb, soft, 2.5 + 1.1 * soft / scale]
    return rows, matrices, maps


def _exposure(stage: Stage, image: Float32, label: NDArray[np.uint8], balance: float) -> Float:
    """Factors (3,) that bring the faces to a well exposed grey; darker skins stay darker.

    With `balance` 1 the colour of the light on the faces is taken away, as a camera's white balance has it; with 0 it stays.
    """
    skin = (label == LABELS["skin"]) | (label == LABELS["lips"]) | (label == LABELS["mask"])
    if skin.sum() < 12:
        skin = label > 0
    if not skin.any():
        return np.ones(3)
    weights = np.array([0.2126, 0.7152, 0.0722])
    light = np.maximum(image[skin].mean(axis=0, dtype=np.float64), 1e-6)
    albedo = (
        np.mean([linear_from_srgb(h.albedo[::16, ::16, :3]).mean(axis=(0, 1)) for h in stage.heads], axis=0)
        if stage.heads
        else np.full(3, 0.35)
    )
    target = 0.33 * (max(float(albedo.mean()), 0.03) / 0.3) ** 0.42
    cast = light / np.maximum(albedo, 1e-3)
    gains = np.clip((float(weights @ cast) / cast) ** balance, 0.5, 2.0)
    return np.clip(gains * target / max(float(weights @ (gains * light)), 1e-4), 0.05, 40.0)


def background(library: Library, scene: Scene, height: int, width: int, exposure: Float) -> Float32:
    """Return what lies behind everything, (h, w, 3) linear light; the surroundings' own is exposed by factors (3,)."""
    rng = np.random.default_rng(scene.background_seed)
    if scene.background == "photo" and library.backgrounds:
        picture = library.backgrounds[
            min(int(scene.background_number * len(library.backgrounds)), len(library.backgrounds) - 1)
        ]
        ph, pw = picture.shape[:2]
        side = min(ph, pw) * rng.uniform(0.45, 1.0)
        x0, y0 = rng.uniform(0, pw - side), rng.uniform(0, ph - side)
        cut = Image.fromarray(picture).resize(
            (width, height), Image.Resampling.BILINEAR, box=(x0, y0, x0 + side, y0 + side)
        )
        if rng.random() < 0.5:
            cut = cut.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        result = _LINEAR[np.asarray(_defocused(cut, scene.background_blur * width))] * np.float32(
            rng.uniform(0.55, 1.35)
        )
        return result
    if scene.background == "panorama":
        panorama = library.panoramas[scene.panorama].rgb
        step = 4
        ys, xs = np.mgrid[0 : height // step + 2, 0 : width // step + 2] * step + 0.5
        focal = scene.camera.focal_px * width / scene.camera.width
        # a lens that wide would show the panorama's own pixels: the background is seen at no less than 40 degrees
        focal = min(focal, 1.4 * width)
        ray = np.stack([(xs - width / 2) / focal, (ys - height / 2) / focal, np.ones(xs.shape)], -1)
        world = ray / np.linalg.norm(ray, axis=-1, keepdims=True) @ scene.world_from_camera.T
        row = np.arccos(np.clip(world[..., 1], -1, 1)) / np.pi * panorama.shape[0]
        column = (np.arctan2(-world[..., 0], world[..., 2]) / (2 * np.pi) + 0.5) * panorama.shape[1]
        small = _roll_off(_panorama_at(panorama, row, column) * exposure)
        coded = Image.fromarray((np.sqrt(small / 4.0) * 255).astype(np.uint8))
        coded = coded.resize((small.shape[1] * step, small.shape[0] * step), Image.Resampling.BICUBIC).crop(
            (0, 0, width, height)
        )
        coded = np.asarray(_defocused(coded, max(0.01, scene.background_blur) * width), dtype=np.float32) / 255
        return (4.0 * coded**2).astype(np.float32)
    return _made_background(rng, height, width)


def _panorama_at(panorama: Float32, row: Float, column: Float) -> Float:
    """Return a panorama's radiance (..., 3) between its pixels."""
    height, width = panorama.shape[:2]
    r, c = np.clip(row - 0.5, 0, height - 1.001), (column - 0.5) % width
    r0, c0 = r.astype(int), c.astype(int)
    fr, fc = (r - r0)[..., None], (c - c0)[..., None]
    c0, c1 = c0 % width, (c0 + 1) % width
    return (panorama[r0, c0] * (1 - fc) + panorama[r0, c1] * fc) * (1 - fr) + (
        panorama[r0 + 1, c0] * (1 - fc) + panorama[r0 + 1, c1] * fc
    ) * fr


def _roll_off(light: Float) -> Float:
    """Bring light (..., 3) beyond 0.35 down softly to 0.95 and less, hue kept, as a camera that saves its highlights: a sky stays blue."""
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    over = np.maximum(brightest - 0.35, 0.0)
    return light * ((np.minimum(brightest, 0.35) + over / (1.0 + over / 0.6)) / brightest)


def _made_background(rng: np.random.Generator, height: int, width: int) -> Float32:
    """A wall: one colour or a gradient, often greyish, with light falling off, some with soft shapes or a pattern."""
    grey = rng.random() ** 1.5 * 0.9 + 0.01
    tint = np.exp(rng.normal(0, 0.6 if rng.random() < 0.3 else 0.15, 3))
    ends = grey * tint * np.exp(rng.normal(0, 0.35, (2, 2, 1))) * np.exp(rng.normal(0, 0.08, (2, 2, 3)))
    code = Image.fromarray((np.clip(ends, 0, 1) ** 0.5 * 255).astype(np.uint8))
    wall = (np.asarray(code.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32) / 255) ** 2
    if rng.random() < 0.55:
        return wall.astype(np.float32)
    shape = (int(rng.integers(2, 12)), int(rng.integers(2, 12)), 3)
    cells = rng.normal(0, 1, (*shape[:2], 1)) * rng.uniform(0.1, 0.9) + rng.normal(0, rng.uniform(0.02, 0.3), shape)
    rough = Image.fromarray((np.clip(0.5 + 0.2 * cells, 0, 1) * 255).astype(np.uint8))
    rough = rough.resize((width, height), Image.Resampling.BICUBIC if rng.random() < 0.75 else Image.Resampling.NEAREST)
    lumps = np.asarray(_defocused(rough, 0.01 * width), dtype=np.float32) / 255
    return (wall * np.exp(4.0 * (lumps - 0.5))).astype(np.float32)


_LINEAR = np.where((t := np.arange(256) / 255) <= 0.04045, t / 12.92, ((t + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _defocused(picture: Image.Image, radius: float) -> Image.Image:
    from PIL import ImageFilter

    return (
        picture.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius * 0.7))
        if radius > 0.5
        else picture
    )
