"""From a head model, a code and looks to what the file writers take: a glTF scene, OBJ groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.colour import encode
from cephalon.export.fine import fine_mesh
from cephalon.export.looks import PartLook
from cephalon.files.gltf import glb_bytes
from cephalon.files.obj import ObjMaterial, mtl_bytes, obj_bytes
from cephalon.files.png import jpeg_bytes, png_bytes
from cephalon.files.scene import GltfJoint, GltfMaterial, GltfScene, primitive_from_polygons
from cephalon.geometry import vertex_normals
from cephalon.head import HeadModel
from cephalon.head.licence import model_licence

Float = NDArray[np.float64]
Image = NDArray[np.uint8]


def head_scene(
    model: HeadModel,
    identity: Float,
    looks: Mapping[str, PartLook],
    *,
    expression: Mapping[str, float] | None = None,
    extras: Mapping[str, Any] | None = None,
    subdivide: bool = True,
    morphs: bool = True,
) -> GltfScene:
    """Return a neutral head with its rig as a glTF scene: one primitive per part, 52 morph targets, the joints.

    Parameters
    ----------
    identity : (k,) whitened coefficients.
    looks : materials by part (see `part_looks`).
    expression : coefficients that are baked into the rest shape (a posed copy); usually none.
    subdivide : write the finer level, whose lids and lips are round.
    """
    neutral = model.vertices(model.code(identity=identity))
    vertices = neutral if not expression else model.vertices(model.code(identity=identity, expression=expression))
    topology, parts, weights = model.topology, model.parts, np.asarray(model.skinning_weights, dtype=np.float64)
    deltas = model.expression_offsets(identity) if morphs else None
    if subdivide:
        fine = fine_mesh(model)
        topology, parts, weights = fine.mesh, fine.parts, np.clip(fine.operator @ weights, 0, None)
        vertices = fine.operator @ vertices
        if deltas is not None:
            stacked = deltas.transpose(1, 0, 2).reshape(deltas.shape[1], -1)
            moved = fine.operator.astype(np.float32) @ stacked
            deltas = np.ascontiguousarray(moved.reshape(len(moved), -1, 3).transpose(1, 0, 2))
    normals = vertex_normals(vertices, topology.faces)
    changes = None if deltas is None else _normal_changes(vertices, deltas, topology.faces, normals)
    materials, primitives = [], []
    for index, (name, part) in enumerate(parts.items()):
        materials.append(_material(name, looks[name]))
        primitives.append(
            primitive_from_polygons(
                name=name,
                vertices=vertices,
                polygons=topology.polygons[part.polygons],
                uv=topology.uv,
                polygons_uv=None if topology.polygons_uv is None else topology.polygons_uv[part.polygons],
                normals=normals,
                skinning_weights=weights,
                morph_deltas=deltas,
                morph_normals=changes,
                material=index,
            )
        )
    licence = model_licence(model)
    joints = [
        GltfJoint(name=name, parent=int(parent), position=tuple(position))
        for name, parent, position in zip(model.joint_names, model.joint_parents, model.joints(neutral), strict=True)
    ]
    return GltfScene(
        primitives=primitives,
        materials=materials,
        joints=joints,
        morph_names=model.expression_names if morphs else (),
        extras=extras or {},
        copyright=f"Head model: {licence.origin}; {licence.licence}",
    )


def head_glb(model: HeadModel, identity: Float, looks: Mapping[str, PartLook], **options: Any) -> bytes:
    """Return a head as the bytes of a GLB file; options as `head_scene`."""
    return glb_bytes(head_scene(model, identity, looks, **options), morph_epsilon_mm=0.02)


def _normal_changes(
    vertices: Float, deltas: NDArray[np.float32], faces: NDArray[np.int32], normals: Float
) -> NDArray[np.float32]:
    """Change of the unit normals under each morph target, (b, n, 3); zero away from what a target moves."""
    changes = np.zeros_like(deltas)
    for target, delta in zip(changes, deltas, strict=True):
        moved = np.maximum(np.maximum(np.abs(delta[:, 0]), np.abs(delta[:, 1])), np.abs(delta[:, 2])) > 0.02
        touched = faces[_any_corner(moved, faces)]
        if not len(touched):
            continue
        around = np.zeros(len(vertices), dtype=bool)
        around[touched.reshape(-1)] = True
        near = faces[_any_corner(around, faces)]
        # the faces near by alone, on numbers of their own: most targets move little of the head
        used = np.zeros(len(vertices), dtype=bool)
        used[near.reshape(-1)] = True
        rows = np.flatnonzero(used)
        number = np.zeros(len(vertices), dtype=np.int32)
        number[rows] = np.arange(len(rows), dtype=np.int32)
        bent = vertex_normals(vertices[rows] + delta[rows], number[near])
        target[around] = bent[number[around]] - normals[around]
    return changes


def _any_corner(chosen: NDArray[np.bool_], faces: NDArray[np.int32]) -> NDArray[np.bool_]:
    return chosen[faces[:, 0]] | chosen[faces[:, 1]] | chosen[faces[:, 2]]


def _material(name: str, look: PartLook) -> GltfMaterial:
    image = None
    if look.image_srgb is not None:
        image = (
            png_bytes(look.image_srgb, level=4)
            if look.image_srgb.shape[2] == 4
            else jpeg_bytes(look.image_srgb, quality=92)
        )
    return GltfMaterial(
        name=name,
        base_color=look.base_color_linear,
        base_color_image=image,
        roughness=look.roughness,
        alpha_mode=look.alpha_mode,
        double_sided=look.double_sided,
        specular=look.specular,
        clearcoat=look.clearcoat,
        clearcoat_roughness=None if look.clearcoat is None else 0.05,
    )


def head_obj(
    model: HeadModel,
    vertices: Float,
    looks: Mapping[str, PartLook],
    *,
    texture_name: str | None = None,
    material_name: str = "head",
) -> tuple[bytes, bytes]:
    """Return the head as the bytes of an OBJ file (mm, quads, skin first) and of its MTL file `<material_name>.mtl`."""
    materials = {}
    for name, look in looks.items():
        red, green, blue, alpha = look.base_color_linear
        textured = name == "skin" and texture_name is not None
        color = (1.0, 1.0, 1.0) if textured else _srgb((red, green, blue))
        if look.image_srgb is not None and not textured:
            color = _mean_srgb(look.image_srgb)
        materials[name] = ObjMaterial(
            name=name,
            color=color,
            opacity=alpha if look.alpha_mode == "OPAQUE" else 0.5,
            roughness=look.roughness,
            texture=texture_name if textured else None,
        )
    mesh = model.topology.with_vertices(vertices)
    comment = f"Cephalon head, neutral; head model {model.meta.get('name', '')} {model.sha256[:12]}"
    obj = obj_bytes(
        mesh, group_materials={name: name for name in looks}, mtl_name=f"{material_name}.mtl", comment=comment
    )
    return obj, mtl_bytes(materials)


def _srgb(linear: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = encode(linear)
    return float(red), float(green), float(blue)


def _mean_srgb(image: Image) -> tuple[float, float, float]:
    red, green, blue = image[..., :3].reshape(-1, 3).mean(0) / 255
    return float(red), float(green), float(blue)
