"""From a scene's numbers to meshes in the camera frame: heads, clothes, hair, with materials and textures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import Rigid, rotation_from_rotvec
from cephalon.head import HeadModel
from cephalon.head.model import HeadCode, joint_transforms
from cephalon.synth._light_kernels import light_kernel
from cephalon.synth.body import clothes
from cephalon.synth.folds import fold_skin
from cephalon.synth.hair import hair_pieces
from cephalon.synth.hair_textures import layer_textures
from cephalon.synth.labels import LABELS
from cephalon.synth.light import irradiance_coefficients, rotate_sh
from cephalon.synth.paint import (
    EYE_UV_SCALE,
    paint_cloth,
    paint_eye,
    paint_print,
    paint_skin,
    shared_textures,
    skin_tone,
)
from cephalon.synth.piece import Material, Piece, vertex_normals_fast
from cephalon.synth.scene import Actor, Scene
from cephalon.synth.stock import Library
from cephalon.synth.wear import occluder, worn

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosedHead:
    """An actor's bare head in the camera frame.

    Attributes
    ----------
    neutral, posed : (n, 3) mm, head frame: at rest, and with expression and joints.
    vertices : (n, 3) mm, camera frame; normals : (n, 3) unit, angle-weighted.
    skull_from_head : motion of the skull against the shoulders.
    albedo : (s, s, 4) uint8, the skin's albedo in sRGB, and its gloss in hundredths.
    """

    actor: Actor
    neutral: Float
    posed: Float
    vertices: Float
    normals: Float
    skull_from_head: Rigid
    albedo: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Geometry:
    """Meshes as the kernels want them; `attributes` and `materials` as in `_kernels`."""

    vertices: Float
    faces: NDArray[np.int32]
    corner_uv: Float32
    face_material: NDArray[np.uint8]
    attributes: Float32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """Everything of a scene that can be drawn: solids, layers, what they look like, and the bare heads."""

    heads: tuple[PosedHead, ...]
    solids: Geometry
    layers: Geometry
    materials: Float32
    texels: NDArray[np.uint8]
    texel_labels: NDArray[np.uint8]
    texture_info: NDArray[np.int64]
    layer_texels: Float32
    layer_texture_info: NDArray[np.int64]


def pose_head(model: HeadModel, actor: Actor) -> tuple[Float, Float, Rigid]:
    """Return the neutral head and the posed one, (n, 3) mm in the head frame, and skull_from_head."""
    identity = actor.person.identity
    code = HeadCode(identity=identity, expression=actor.expression, joint_rotvecs=actor.joint_rotvecs)
    neutral, posed = model.neutral_and_posed(code)
    turns, offsets = joint_transforms(model.joints(neutral), model.joint_parents, actor.joint_rotvecs)
    head = model.joint_names.index("head")
    u, _, vt = np.linalg.svd(turns[head])
    return neutral, posed, Rigid(rotation=u @ vt, translation=offsets[head])


def _carried(piece: Piece, skull: Rigid) -> Float:
    """Return a piece's vertices (n, 3) mm in the head frame when the skull has turned."""
    if not piece.rides:
        return piece.vertices
    turned = skull.apply(piece.vertices)
    return turned if piece.hold is None else piece.vertices + piece.hold[:, None] * (turned - piece.vertices)


class _Builder:
    """Collects pieces of one kind and the look they share."""

    def __init__(self) -> None:
        self.vertices: list[Float] = []
        self.faces: list[NDArray[np.int32]] = []
        self.uv: list[Float32] = []
        self.face_material: list[NDArray[np.uint8]] = []
        self.attributes: list[Float32] = []
        self.count = 0

    def add(
        self, vertices: Float, faces: NDArray[np.int32], uv: Float32, material: NDArray[np.uint8], attributes: Float32
    ) -> None:
        self.vertices.append(vertices)
        self.faces.append(faces + np.int32(self.count))
        self.uv.append(uv)
        self.face_material.append(material)
        self.attributes.append(attributes)
        self.count += len(vertices)

    def done(self) -> Geometry:
        if not self.vertices:
            empty = np.zeros((0, 3))
            return Geometry(
                vertices=empty, faces=empty.astype(np.int32), corner_uv=np.zeros((0, 6), np.float32),
                face_material=np.zeros(0, np.uint8), attributes=np.zeros((0, 12), np.float32),
            )  # fmt: skip
        return Geometry(
            vertices=np.ascontiguousarray(np.concatenate(self.vertices)),
            faces=np.ascontiguousarray(np.concatenate(self.faces)).astype(np.int32),
            corner_uv=np.ascontiguousarray(np.concatenate(self.uv)),
            face_material=np.concatenate(self.face_material),
            attributes=np.ascontiguousarray(np.concatenate(self.attributes)),
        )


def assemble(library: Library, scene: Scene, harmonics: Float, *, texture: int, detail: float) -> Stage:
    """Build the meshes of a scene.

    Parameters
    ----------
    harmonics : (9, 3) radiance coefficients of the surroundings in camera axes.
    texture : side of the skin's texture; the library must hold maps of that size.
    detail : of the hair; 1 for pictures of 256 px.
    """
    model = library.model
    solids, layers = _Builder(), _Builder()
    textures: list[NDArray[np.uint8]] = []
    texture_labels: list[NDArray[np.uint8] | None] = []
    texture_number: dict[str, int] = {}
    layer_used: dict[str, int] = {}
    materials: list[list[float]] = []
    known: dict[Material, int] = {}
    heads = []
    layer_sources = layer_textures()

    def put_texture(name: str, image: NDArray[np.uint8], labels: NDArray[np.uint8] | None = None) -> int:
        if name not in texture_number:
            texture_number[name] = len(textures)
            textures.append(image)
            texture_labels.append(labels)
        return texture_number[name]

    def material_row(material: Material, texture_index: int, gloss: bool = False) -> int:
        row = [
            *material.rgb, material.roughness, material.specular, float(texture_index), material.soft, material.alpha,
            float(("solid", "hair", "lens").index(material.kind)), float(LABELS[material.label]), float(gloss), float(material.casts),
        ]  # fmt: skip
        materials.append(row)
        return len(materials) - 1

    for number, actor in enumerate(scene.actors):
        neutral, posed, skull = pose_head(model, actor)
        cam = actor.camera_from_head
        vertices = cam.apply(posed)
        normals = vertex_normals_fast(vertices, model.faces)
        albedo, labels = paint_skin(library.maps[texture], actor.person)
        heads.append(
            PosedHead(
                actor=actor,
                neutral=neutral,
                posed=posed,
                vertices=vertices,
                normals=normals,
                skull_from_head=skull,
                albedo=albedo,
            )
        )
        skin = put_texture(f"skin {number}", albedo, labels)
        eye = put_texture(f"eye {number}", paint_eye(actor.person))
        _add_head(library, heads[-1], harmonics, solids, material_row, skin, eye)
        pieces = [
            *clothes(model, posed, actor.person),
            *worn(model, neutral, posed, actor.person),
            *hair_pieces(model, library.hair, neutral, posed, actor.person, detail=detail),
        ]
        if actor.occluder >= 0:
            tone = skin_tone(actor.person.skin.melanin, actor.person.skin.blood)
            pieces += occluder(model, posed, tone, rng=np.random.default_rng(actor.occluder))
        known.clear()
        for piece in pieces:
            material = piece.material
            if material not in known:
                index = -1
                if material.layer:
                    name = material.texture
                    layer_used.setdefault(name, len(layer_used))
                    index = layer_used[name]
                elif material.texture == "cloth":
                    index = put_texture(f"cloth {number}", paint_cloth(actor.person))
                elif material.texture == "print":
                    index = put_texture(f"print {number}", paint_print(actor.person))
                elif material.texture:
                    index = put_texture(material.texture, shared_textures()[material.texture])
                known[material] = material_row(material, index)
            row = known[material]
            placed = cam.apply(_carried(piece, skull))
            turn = cam.rotation @ skull.rotation if piece.rides else cam.rotation
            _add_piece(layers if material.layer else solids, piece, placed, turn, row)
    starts = np.cumsum([0] + [t.size for t in textures])
    info = np.array([[s, *t.shape[:2]] for s, t in zip(starts[:-1], textures, strict=True)], dtype=np.int64).reshape(
        -1, 3
    )
    texel_labels = [
        np.full(t.size // 4, 255, np.uint8) if m is None else m.ravel()
        for t, m in zip(textures, texture_labels, strict=True)
    ]
    layer_images = [library.hair[n[5:]].texture if n.startswith("mesh:") else layer_sources[n] for n in layer_used] or [
        layer_sources[""]
    ]
    layer_starts = np.cumsum([0] + [t.size for t in layer_images])
    layer_info = np.array(
        [[s, *t.shape[:2]] for s, t in zip(layer_starts[:-1], layer_images, strict=True)], dtype=np.int64
    )
    if not textures:
        textures, texel_labels, info = (
            [np.full((1, 1, 4), 255, np.uint8)],
            [np.full(1, 255, np.uint8)],
            np.array([[0, 1, 1]], np.int64),
        )
    texels = np.concatenate([t.ravel() for t in textures])
    for number, head in enumerate(heads):
        start, height, width = info[texture_number[f"skin {number}"]]
        expression = dict(zip(model.expression_names, head.actor.expression.tolist(), strict=True))
        own = texels[start : start + 4 * height * width].reshape(-1, 4)
        fold_skin(own, library.maps[texture].folds, expression, head.actor.person.age_years)
    solid_mesh, layer_mesh = solids.done(), layers.done()
    _light_pieces(solid_mesh, harmonics, two_sided=False)
    _light_pieces(layer_mesh, harmonics, two_sided=True)
    return Stage(
        heads=tuple(heads),
        solids=solid_mesh,
        layers=layer_mesh,
        materials=np.array(materials, dtype=np.float32).reshape(-1, 12),
        texels=texels,
        texel_labels=np.concatenate(texel_labels),
        texture_info=info,
        layer_texels=np.concatenate([t.ravel() for t in layer_images]),
        layer_texture_info=layer_info,
    )


def solid_faces(model: HeadModel) -> int:
    """Number of the model's first faces that are solid: all but the lashes."""
    return model.parts["left_lashes"].faces.start


def _add_head(
    library: Library,
    head: PosedHead,
    harmonics: Float,
    solids: _Builder,
    material_row: Callable[..., int],
    skin: int,
    eye: int,
) -> None:
    model = library.model
    count, parts = solid_faces(model), model.parts
    n = parts["left_lashes"].vertices.start
    turn = head.actor.camera_from_head.rotation @ head.skull_from_head.rotation
    local = rotate_sh(harmonics, turn.T)
    names = model.expression_names
    opening = float(np.clip(head.actor.expression[names.index("jawOpen")] * 2.0, 0, 1))
    transfer = library.transfer[:n] * np.float32(1 - opening) + library.transfer_open[:n] * np.float32(opening)
    inside = _mouth_parts(model)[:n]
    transfer = np.where(inside[:, None], library.transfer_open[:n], transfer)
    transfer = _eye_transfer(model, head, transfer)
    light = np.maximum(transfer @ local.astype(np.float32), 0.0)
    share = np.clip(transfer[:, 0] / 0.28209, 0, 1)
    attributes = np.zeros((n, 12), dtype=np.float32)
    attributes[:, :3] = head.normals[:n]
    attributes[:, 3:6] = light
    attributes[:, 6] = share
    attributes[:, 11] = 1.0  # has its light already
    face_material = np.zeros(count, dtype=np.uint8)
    look = {
        "skin": Material(label="skin", rgb=(1.0, 1.0, 1.0), roughness=0.46, specular=0.028, soft=1.0),
        "white": Material(label="eyes", rgb=(1.0, 1.0, 1.0), roughness=0.12, specular=0.025),
        "iris": Material(label="iris", rgb=(1.0, 1.0, 1.0), roughness=0.06, specular=0.03),
        "teeth": Material(label="teeth", rgb=(0.58, 0.52, 0.43), roughness=0.25, specular=0.035),
        "tongue": Material(label="mouth", rgb=(0.34, 0.11, 0.10), roughness=0.3, specular=0.03),
    }
    rows = {}
    for name, material in look.items():
        index = {"skin": skin, "white": eye, "iris": eye}.get(name, -1)
        rows[name] = material_row(material, index, gloss=name == "skin")
    face_material[parts["skin"].faces] = rows["skin"]
    iris = _iris_faces(model)
    for side in ("left_eye", "right_eye"):
        faces = parts[side].faces
        face_material[faces] = np.where(iris[faces], rows["iris"], rows["white"])
    for name in ("upper_teeth", "lower_teeth"):
        face_material[parts[name].faces] = rows["teeth"]
    face_material[parts["tongue"].faces] = rows["tongue"]
    solids.add(head.vertices[:n], model.faces[:count], _head_uv(model), face_material, attributes)


_CACHE: dict[tuple[str, str], Any] = {}


def _cached(model: HeadModel, key: str, make: Callable[[], Any]) -> Any:
    place = (model.sha256, key)
    if place not in _CACHE:
        _CACHE[place] = make()
    return _CACHE[place]


def _head_uv(model: HeadModel) -> Float32:
    def make() -> Float32:
        assert model.topology.uv is not None
        assert model.topology.faces_uv is not None
        uv = model.topology.uv[model.topology.faces_uv[: solid_faces(model)]].astype(np.float32)
        for side in ("left_eye", "right_eye"):
            faces = model.parts[side].faces
            uv[faces] = np.clip((uv[faces] - 0.5) * EYE_UV_SCALE + 0.5, 0.004, 0.996)
        return np.ascontiguousarray(uv.reshape(-1, 6))

    return _cached(model, "uv", make)


def _iris_faces(model: HeadModel) -> NDArray[np.bool_]:
    return _cached(model, "iris", lambda: (model.regions["iris"] + model.regions["pupil"])[model.faces].min(1) > 0.5)


def _mouth_parts(model: HeadModel) -> NDArray[np.bool_]:
    def make() -> NDArray[np.bool_]:
        inside = model.regions["mouth_cavity"] > 0.5
        for name in ("upper_teeth", "lower_teeth", "tongue"):
            inside[model.parts[name].vertices] = True
        return inside

    return _cached(model, "mouth", make)


def _eye_transfer(model: HeadModel, head: PosedHead, transfer: Float32) -> Float32:
    """Give a turned eyeball's vertices the shade of where they are now, not of where they were at rest."""
    transfer = transfer.copy()
    for side in ("left", "right"):
        part = model.parts[f"{side}_eye"].vertices
        joint = model.joint_names.index(f"{side}_eye")
        if not head.actor.joint_rotvecs[joint].any():
            continue
        rest = model.mean[part] - model.mean[part].mean(0)
        rest /= np.linalg.norm(rest, axis=1, keepdims=True)
        now = rest @ rotation_from_rotvec(head.actor.joint_rotvecs[joint]).T
        nearest = np.argmax(now @ rest.T, axis=1)
        transfer[part] = transfer[part][nearest]
    return transfer


def _add_piece(builder: _Builder, piece: Piece, placed: Float, turn: Float, row: int) -> None:
    """Add a piece without its normals and light, which `_light_pieces` works out for all at once."""
    count = len(placed)
    attributes = np.zeros((count, 12), dtype=np.float32)
    attributes[:, 6] = 1.0 if piece.occlusion is None else piece.occlusion
    attributes[:, 7] = 1.0 if piece.opacity is None else piece.opacity
    if piece.tangents is not None:
        attributes[:, 8:11] = piece.tangents @ turn.T
    if piece.normals is not None:
        attributes[:, :3] = piece.normals @ turn.T
    uv = np.zeros((len(piece.faces), 6), np.float32) if piece.corner_uv is None else piece.corner_uv
    builder.add(placed, piece.faces, uv, np.full(len(piece.faces), row, np.uint8), attributes)


def _light_pieces(mesh: Geometry, harmonics: Float, *, two_sided: bool) -> None:
    """Fill normals (where there are none) and light of what is no head, in place; see `light_kernel`."""
    light_kernel(
        mesh.vertices, mesh.faces, irradiance_coefficients(harmonics), np.array([int(two_sided)]), np.zeros_like(mesh.vertices),
        mesh.attributes,
    )  # fmt: skip
