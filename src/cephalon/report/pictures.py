"""Pictures of heads without a graphics card: turntables, overlays on photos, contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.colour import linear_from_srgb, srgb_from_linear
from cephalon.export import PartLook, fine_mesh
from cephalon.geometry import Camera, Rigid, interpolate, rasterise_mesh, rotation_from_rotvec, vertex_normals
from cephalon.geometry.sampling import bilinear
from cephalon.head import HeadModel
from cephalon.values import Observation, PhotoFit

Float = NDArray[np.float64]
Image = NDArray[np.uint8]

BACKGROUND = (92, 97, 104)
CLAY = (0.52, 0.49, 0.46)
_FACING = np.diag([1.0, -1.0, -1.0])
# Two soft lamps and a fill in the camera frame (x right, y down, z away): direction to the lamp, strength.
_LAMPS = (((-0.45, -0.55, -0.70), 0.75), ((0.75, -0.25, -0.60), 0.30), ((0.0, 0.9, -0.40), 0.10))
_AMBIENT = 0.26
_EYE_GLOSS = 0.6  # a small bright reflection
# Grey clay shows shape alone, so its light comes from the side and from above, with little fill.
_CLAY_LAMPS = (((-0.80, -0.75, -0.45), 1.15), ((0.95, -0.10, -0.25), 0.22))
_CLAY_AMBIENT = 0.10


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Where a picture is taken from: `yaw_deg` > 0 shows the person's left side, `pitch_deg` > 0 looks from above."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0


FRONT, THREE_QUARTER, PROFILE, BACK = View(), View(yaw_deg=45), View(yaw_deg=90), View(yaw_deg=180)


def view_camera(
    vertices: Float, view: View, size: int, *, focal35_mm: float = 85.0, fill: float = 0.90
) -> tuple[Camera, Rigid]:
    """Return a square camera and pose that frame the whole head from `view`, centred on its bounding box."""
    camera = Camera.from_focal35(size, size, focal35_mm)
    centre = (vertices.min(0) + vertices.max(0)) / 2
    radius = np.linalg.norm(vertices - centre, axis=1).max()
    distance = radius * camera.focal_px / (fill * size / 2)
    turn = rotation_from_rotvec(np.array([np.deg2rad(view.pitch_deg), 0, 0])) @ rotation_from_rotvec(
        np.array([0, -np.deg2rad(view.yaw_deg), 0])
    )
    rotation = _FACING @ turn
    return camera, Rigid(rotation=rotation, translation=np.array([0.0, 0.0, distance]) - rotation @ centre)


def render(
    model: HeadModel,
    vertices: Float,
    camera: Camera,
    camera_from_head: Rigid,
    *,
    looks: Mapping[str, PartLook] | None = None,
    skin_srgb: Image | None = None,
    supersample: int = 2,
    subdivide: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shade a head with soft lamps fixed to the camera.

    Parameters
    ----------
    vertices : (n, 3) mm, head frame, in the model's order.
    looks : materials by part; None renders grey clay.
    skin_srgb : an image in the skin's UV that replaces the skin's own, for example a map of sigma.

    Returns
    -------
    rgb_linear (h, w, 3) and coverage (h, w) in [0, 1].
    """
    fine = fine_mesh(model) if subdivide else None
    mesh = model.topology.with_vertices(vertices) if fine is None else fine.mesh.with_vertices(fine.operator @ vertices)
    parts = model.parts if fine is None else fine.parts
    big = camera.scaled(supersample) if supersample > 1 else camera
    points = camera_from_head.apply(mesh.vertices)
    normals = vertex_normals(points, mesh.faces)
    faces_uv, table = mesh.faces_uv, mesh.uv
    part_of_face = np.zeros(len(mesh.faces), dtype=np.int32)
    for i, part in enumerate(parts.values()):
        part_of_face[part.faces] = i
    names = list(parts)
    see_through = {name for name in names if looks and name in looks and looks[name].alpha_mode != "OPAQUE"}
    if looks is None:
        see_through = {name for name in names if "lashes" in name}
    layers = [[name for name in names if name not in see_through]]
    if see_through and looks is not None:
        layers.append([name for name in names if name in see_through])
    colour = np.zeros((big.height, big.width, 3), dtype=np.float32)
    alpha = np.zeros((big.height, big.width), dtype=np.float32)
    depth = np.full((big.height, big.width), np.inf, dtype=np.float32)
    for layer in layers:
        chosen = np.flatnonzero(np.isin(part_of_face, [names.index(name) for name in layer]))
        faces = mesh.faces[chosen]
        raster = rasterise_mesh(points, faces, big)
        hit = (raster.face_index >= 0) & (raster.depth < depth + 0.3)
        if not hit.any():
            continue
        normal = interpolate(raster, faces, normals.astype(np.float32))[hit]
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        face = chosen[raster.face_index[hit]]
        base = np.tile(np.asarray(CLAY, dtype=np.float32), (len(face), 1))
        opacity = np.ones(len(face), dtype=np.float32)
        gloss = np.full(len(face), 0.04, dtype=np.float32)
        if looks is not None and faces_uv is not None and table is not None:
            uv = interpolate(raster, faces_uv[chosen], table.astype(np.float32))[hit]
            for name in layer:
                here = part_of_face[face] == names.index(name)
                if here.any() and name in looks:
                    image = skin_srgb if name == "skin" and skin_srgb is not None else looks[name].image_srgb
                    base[here], opacity[here] = _look_colour(looks[name], image, uv[here])
                    gloss[here] = _EYE_GLOSS if "eye" in name else 0.035
        elif looks is not None:  # a model without texture coordinates has one tone for each part
            for name in layer:
                base[part_of_face[face] == names.index(name)] = looks[name].base_color_linear[:3]
        lit = base * _light(normal, clay=looks is None)[:, None] + _shine(normal, gloss)[:, None]
        colour[hit] = lit * opacity[:, None] + colour[hit] * (1 - opacity[:, None])
        alpha[hit] = np.maximum(alpha[hit], opacity)
        depth[hit] = np.minimum(depth[hit], raster.depth[hit])
    return _reduced(colour, supersample, camera), _reduced(alpha, supersample, camera)


def _reduced(image: NDArray[np.float32], factor: int, camera: Camera) -> NDArray[np.float32]:
    """Average blocks of `factor` x `factor` pixels (by strided sums: a reduction over two axes is much slower)."""
    image = image[: camera.height * factor, : camera.width * factor]
    rows = sum(image[i::factor] for i in range(factor))
    assert isinstance(rows, np.ndarray)
    blocks = sum(rows[:, i::factor] for i in range(factor))
    assert isinstance(blocks, np.ndarray)
    return blocks / np.float32(factor * factor)


def _look_colour(
    look: PartLook, image: Image | None, uv: NDArray[np.floating]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    factor = np.asarray(look.base_color_linear, dtype=np.float32)
    if image is None:
        return np.tile(factor[:3], (len(uv), 1)), np.full(len(uv), factor[3], dtype=np.float32)
    height, width = image.shape[:2]
    pixel = np.stack([uv[:, 0] * width, (1 - uv[:, 1]) * height], axis=1)
    texel = bilinear(image.astype(np.float32), pixel)
    rgb = linear_from_srgb(np.clip(np.round(texel[:, :3]), 0, 255).astype(np.uint8)) * factor[:3]
    opacity = texel[:, 3] / 255 * factor[3] if image.shape[2] == 4 else np.full(len(uv), factor[3])
    return rgb, opacity.astype(np.float32)


def _light(normal: Float, *, clay: bool) -> NDArray[np.float32]:
    total = np.full(len(normal), _CLAY_AMBIENT if clay else _AMBIENT, dtype=np.float32)
    wrap = 0.05 if clay else 0.25  # light creeps a little around the edge, as it does on skin
    for direction, strength in _CLAY_LAMPS if clay else _LAMPS:
        towards = (np.asarray(direction) / np.linalg.norm(direction)).astype(np.float32)
        total += strength * np.clip((normal @ towards + wrap) / (1 + wrap), 0, None)
    return total


def _shine(normal: Float, gloss: NDArray[np.float32]) -> NDArray[np.float32]:
    half = np.asarray(_LAMPS[0][0]) / np.linalg.norm(_LAMPS[0][0]) + np.array([0.0, 0.0, -1.0])
    cosine = np.clip(normal @ (half / np.linalg.norm(half)), 0, None)
    wet = gloss == _EYE_GLOSS
    return (gloss * np.where(wet, cosine**250, cosine**40)).astype(np.float32)


def compose(rgb_linear: NDArray[np.float32], coverage: NDArray[np.float32], background: Any = BACKGROUND) -> Image:
    """Put a rendering over a plain sRGB colour or over a picture (h, w, 3) uint8; return sRGB uint8."""
    back = np.broadcast_to(np.asarray(background, dtype=np.float32), (*coverage.shape, 3))
    front = srgb_from_linear(rgb_linear / np.maximum(coverage, 1e-6)[..., None]).astype(np.float32)
    return np.round(front * coverage[..., None] + back * (1 - coverage[..., None])).astype(np.uint8)


def picture(
    model: HeadModel,
    vertices: Float,
    view: View,
    size: int,
    *,
    looks: Mapping[str, PartLook] | None = None,
    skin_srgb: Image | None = None,
    background: tuple[int, int, int] = BACKGROUND,
) -> Image:
    """Render one square picture of a head from a view; grey clay without `looks`."""
    camera, pose = view_camera(vertices, view, size)
    return compose(*render(model, vertices, camera, pose, looks=looks, skin_srgb=skin_srgb), background)


def turntable(
    model: HeadModel, vertices: Float, *, looks: Mapping[str, PartLook] | None = None, size: int = 320, count: int = 8
) -> list[Image]:
    """Render a head from `count` sides, once around, beginning at the front."""
    return [picture(model, vertices, View(yaw_deg=360 * i / count), size, looks=looks) for i in range(count)]


def side_by_side(
    rows: Sequence[Sequence[Image]], gap: int = 4, background: tuple[int, int, int] = (40, 42, 46)
) -> Image:
    """Join rows of equally sized pictures into one sheet; short rows are filled with the background."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = np.empty((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), dtype=np.uint8)
    sheet[:] = background
    for r, row in enumerate(rows):
        for c, image in enumerate(row):
            sheet[r * (height + gap) :][:height, c * (width + gap) :][:, :width] = image
    return sheet


def overlay(
    model: HeadModel,
    vertices: Float,
    rgb_srgb: Image,
    fit: PhotoFit,
    observation: Observation,
    *,
    long_side: int = 1024,
    strength: float = 0.55,
) -> Image:
    """Draw the fitted head over its photo: grey shading mixed in, measured points green, predicted points red.

    `vertices` are those of this photo (with its expression and gaze), (n, 3) mm, head frame.
    """
    from PIL import Image as Pillow

    height, width = rgb_srgb.shape[:2]
    factor = min(1.0, long_side / max(width, height))
    camera = fit.camera.scaled(factor)
    photo = Pillow.fromarray(np.ascontiguousarray(rgb_srgb)).resize(
        (camera.width, camera.height), Pillow.Resampling.LANCZOS
    )
    colour, coverage = render(model, vertices, camera, fit.camera_from_head, supersample=1)
    mixed = compose(colour, coverage * np.float32(strength), np.asarray(photo))
    canvas = mixed.astype(np.float32)
    radius = max(1.0, 0.0016 * max(camera.width, camera.height))
    measured = observation.points[0]
    _dots(canvas, fit.points_px * factor, radius, (230, 60, 60))
    _dots(canvas, measured.position[measured.visible] * factor, radius, (60, 220, 90))
    return np.round(canvas).astype(np.uint8)


def _dots(canvas: NDArray[np.float32], centres: Float, radius: float, colour: tuple[int, int, int]) -> None:
    """Stamp round dots with soft edges at (k, 2) px onto an image, in place; what lies outside is left out."""
    height, width = canvas.shape[:2]
    reach = int(np.ceil(radius + 1))
    for x, y in centres[np.isfinite(centres).all(1)]:
        left, top = int(x) - reach, int(y) - reach
        columns = np.arange(max(left, 0), min(left + 2 * reach + 1, width))
        rows = np.arange(max(top, 0), min(top + 2 * reach + 1, height))
        if not len(columns) or not len(rows):
            continue
        distance = np.hypot(columns[None] + 0.5 - x, rows[:, None] + 0.5 - y)
        cover = np.clip(radius + 0.5 - distance, 0, 1)[..., None].astype(np.float32)
        patch = canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        patch += cover * (np.asarray(colour, dtype=np.float32) - patch)


def model_sheet(model: HeadModel, *, seed: int = 0, size: int = 220, modes: int = 6, people: int = 6) -> Image:
    """Draw what the model is: its first modes at -2.5 and +2.5 sd around the mean, then sampled people, grey.

    Rows of modes: front and profile at -2.5 sd, the mean, front and profile at +2.5 sd. Rows of people: three people a
    row, front and profile.
    """
    rows = []
    mean = picture(model, model.mean, FRONT, size)
    growth = model.link.growth
    first = 0 if growth is None else growth.count  # an adult hardly moves along the modes of growth
    for mode in range(first, min(first + modes, model.identity_count)):
        row = []
        for amount in (-2.5, 2.5):
            z = np.zeros(model.identity_count)
            z[mode] = amount
            vertices = model.vertices(model.code(identity=z))
            row.append([picture(model, vertices, view, size) for view in (FRONT, PROFILE)])
        rows.append([*row[0], mean, *row[1]])
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(people):
        vertices = model.vertices(model.sample(rng=rng))
        drawn += [picture(model, vertices, view, size) for view in (FRONT, PROFILE)]
    rows += [drawn[start : start + 4] for start in range(0, len(drawn), 4)]
    return side_by_side(rows)
