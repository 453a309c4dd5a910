"""GLB files read back: bounded, without recursion, without trust in any number the file gives.

For `cephalon info`, for tests and for judging heads of other programs. Static and skinned meshes are placed as the
file's nodes place them at rest; sparse and quantised accessors are decoded; compressed geometry (Draco, meshopt) is
refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.files.bounded import StrPath, read_bytes
from cephalon.files.document import parse_json
from cephalon.files.glb_decode import (
    DamagedError,
    Document,
    chunks,
    optional_text,
    real,
    subtable,
    whole,
    whole_numbers,
)
from cephalon.files.glb_file import GlbFile, GlbPrimitive
from cephalon.files.glb_place import blended_transforms, local_transform, placed_points, turned_normals
from cephalon.files.png import image_size
from cephalon.files.scene import UNIT_EXTENSIONS, GltfJoint, GltfMaterial

MAX_GLB_BYTES = 2**30
_MOST_TARGETS = 4096
_PRIMITIVE_BYTES = 16 * 1024
_MM_PER_M = 1e3
_READABLE = ("KHR_mesh_quantization", "KHR_texture_transform", "KHR_lights_punctual", "EXT_texture_webp")

__all__ = ["MAX_GLB_BYTES", "GlbFile", "GlbPrimitive", "parse_glb", "read_glb"]

FloatArray = npt.NDArray[np.float64]


def read_glb(path: StrPath, *, max_bytes: int = MAX_GLB_BYTES) -> GlbFile:
    """Read a GLB file: geometry, materials, morph targets, joints.

    Memory is bounded by 256 MiB plus a multiple of the file's size (50 at worst), whatever the file claims.

    Raises
    ------
    InputError
        If the file cannot be read, is truncated or contradicts itself, needs an extension that is not read here (Draco,
        meshopt), or has primitives that are no triangles. One sentence, with the path and the place in the file.
    """
    return parse_glb(read_bytes(path, max_bytes=max_bytes, what="GLB file"), where=os.fspath(path))


def parse_glb(data: bytes, *, where: str = "GLB") -> GlbFile:
    """`read_glb` for bytes at hand; `where` names them in messages."""
    try:
        text, binary = chunks(data)
        table = parse_json(text, where="its JSON chunk")
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found and refused
            return _Reader(Document(table, binary, len(data)), len(data)).file()
    except DamagedError as error:
        raise InputError(f"{where} is not a readable GLB file: {error}") from None
    except InputError as error:
        raise InputError(f"{where} is not a readable GLB file: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class _Node:
    """A node of the scene: its number, its mesh and skin (or None), its transform to the world (4, 4) metres."""

    index: int
    mesh: int | None
    skin: int | None
    world: FloatArray


class _Reader:
    """Makes a `GlbFile` of one document."""

    def __init__(self, document: Document, size: int) -> None:
        self._document = document
        self._size = size

    def file(self) -> GlbFile:
        self._check_extensions()
        asset = subtable(self._document.table, "asset", "the document")
        nodes, parents = self._nodes()
        joints, joint_numbers = self._joints(nodes, parents)
        materials = tuple(self._material(i) for i in range(len(self._document.entries("materials"))))
        primitives: list[GlbPrimitive] = []
        for node in nodes.values():
            if node.mesh is not None:
                primitives.extend(self._mesh(node, nodes, joint_numbers, len(materials)))
        extras = asset.get("extras")
        used = self._document.table.get("extensionsUsed", [])
        return GlbFile(
            byte_size=self._size,
            generator=optional_text(asset.get("generator")),
            copyright=optional_text(asset.get("copyright")),
            extras=extras if isinstance(extras, dict) else {},
            extensions=tuple(str(name)[:200] for name in used) if isinstance(used, list) else (),
            primitives=tuple(primitives),
            materials=materials,
            joints=joints,
            animations=len(self._document.entries("animations")),
        )

    def _check_extensions(self) -> None:
        required = self._document.table.get("extensionsRequired", [])
        for name in required if isinstance(required, list) else [required]:
            if name not in _READABLE and not str(name).startswith("KHR_materials_"):
                raise DamagedError(
                    f"it needs the extension {str(name)[:80]}, which is not read here: export it without"
                )

    # ---- nodes, skins

    def _nodes(self) -> tuple[dict[int, _Node], dict[int, int]]:
        """Return the nodes of the scene (all, if there is no scene) in depth-first order, and parents by number."""
        entries = self._document.entries("nodes")
        scenes = self._document.entries("scenes")
        if scenes:
            scene = self._document.entry("scenes", self._document.table.get("scene", 0), "scene")
            roots = whole_numbers(scene.get("nodes", []), "scene: nodes")
        else:
            children = {
                c for e in entries if isinstance(e, dict) for c in whole_numbers(e.get("children", []), "children")
            }
            roots = [i for i in range(len(entries)) if i not in children]
        nodes: dict[int, _Node] = {}
        parents: dict[int, int] = {}
        pending = [(root, -1) for root in reversed(roots)]
        while pending:
            number, parent = pending.pop()
            entry = self._document.entry("nodes", number, "node")
            if number in nodes:
                raise DamagedError(f"node {number} has several parents or is its own ancestor")
            place = f"node {number}"
            local = local_transform(entry, place)
            mesh = None if "mesh" not in entry else whole(entry["mesh"], f"{place}: mesh")
            skin = None if "skin" not in entry else whole(entry["skin"], f"{place}: skin")
            world = local if parent < 0 else nodes[parent].world @ local
            if not np.isfinite(world).all():
                raise DamagedError(f"{place}: its transform is not finite")
            nodes[number] = _Node(index=number, mesh=mesh, skin=skin, world=world)
            parents[number] = parent
            children = whole_numbers(entry.get("children", []), f"{place}: children")
            pending.extend((child, number) for child in reversed(children))
        return nodes, parents

    def _joints(self, nodes: dict[int, _Node], parents: dict[int, int]) -> tuple[tuple[GltfJoint, ...], dict[int, int]]:
        """Return the joints of all skins, each once, and joint numbers by node number."""
        numbers: dict[int, int] = {}
        for index in range(len(self._document.entries("skins"))):
            for node in whole_numbers(
                self._document.entry("skins", index, "skin").get("joints"), f"skin {index}: joints"
            ):
                if node not in nodes:
                    raise DamagedError(f"skin {index}: its joint, node {node}, is not in the scene")
                numbers.setdefault(node, len(numbers))
        above: dict[int, int] = {-1: -1}  # nearest joint above each node; parents come before children in `parents`
        for node, parent in parents.items():
            above[node] = parent if parent in numbers else above[parent]
        joints = []
        for node in numbers:
            ancestor = above[node]
            name = optional_text(self._document.entry("nodes", node, "node").get("name")) or f"node {node}"
            x, y, z = (nodes[node].world[:3, 3] * _MM_PER_M).tolist()
            joints.append(GltfJoint(name=name, parent=numbers.get(ancestor, -1), position=(x, y, z)))
        return tuple(joints), numbers

    def _skin_transforms(self, index: int, nodes: dict[int, _Node]) -> tuple[list[int], FloatArray]:
        """Return a skin's node numbers and its joints' transforms of the mesh at rest (j, 4, 4) metres."""
        place = f"skin {index}"
        skin = self._document.entry("skins", index, place)
        numbers = whole_numbers(skin.get("joints"), f"{place}: joints")
        world = np.array([nodes[number].world for number in numbers]).reshape(-1, 4, 4)
        if "inverseBindMatrices" not in skin:
            return numbers, world
        inverse = self._document.accessor(skin["inverseBindMatrices"], ("MAT4",), f"{place}: inverseBindMatrices")
        if len(inverse) < len(numbers):
            raise DamagedError(f"{place}: {len(inverse)} inverse bind matrices for {len(numbers)} joints")
        column_major = inverse[: len(numbers)].astype(np.float64).reshape(-1, 4, 4)
        return numbers, world @ column_major.transpose(0, 2, 1)

    # ---- meshes

    def _mesh(
        self, node: _Node, nodes: dict[int, _Node], joint_numbers: dict[int, int], materials: int
    ) -> Iterator[GlbPrimitive]:
        mesh = self._document.entry("meshes", node.mesh, f"node {node.index}")
        mesh_name = optional_text(mesh.get("name")) or f"mesh {node.mesh}"
        extras = mesh.get("extras")
        names = extras.get("targetNames") if isinstance(extras, dict) else None
        primitives = mesh.get("primitives")
        if not isinstance(primitives, list):
            raise DamagedError(f"mesh {node.mesh}: it has no list of primitives")
        for number, entry in enumerate(primitives):
            place = f"mesh {node.mesh}, primitive {number}"
            if not isinstance(entry, dict):
                raise DamagedError(f"{place} is not an object")
            yield self._primitive(entry, place, mesh_name, names, node, nodes, joint_numbers, materials)

    def _primitive(
        self,
        entry: dict[str, Any],
        place: str,
        mesh_name: str,
        target_names: Any,
        node: _Node,
        nodes: dict[int, _Node],
        joint_numbers: dict[int, int],
        materials: int,
    ) -> GlbPrimitive:
        if entry.get("mode", 4) != 4:
            raise DamagedError(f"{place}: expected triangles (mode 4), got mode {entry.get('mode')!r:.20}")
        attributes = subtable(entry, "attributes", place)
        count = len(self._document.accessor(attributes.get("POSITION"), ("VEC3",), f"{place}: POSITION"))
        if not count:
            raise DamagedError(f"{place}: it has no vertices")
        self._document.charge(_PRIMITIVE_BYTES + count * 8 * 16, place)

        def attribute(name: str, *kinds: str) -> npt.NDArray[Any] | None:
            if name not in attributes:
                return None
            array = self._document.accessor(attributes[name], kinds, f"{place}: {name}")
            if len(array) != count:
                raise DamagedError(f"{place}: {len(array)} {name} for {count} vertices")
            return array

        positions = np.asarray(self._document.accessor(attributes["POSITION"], ("VEC3",), place), dtype=np.float64)
        normals = attribute("NORMAL", "VEC3")
        uv = attribute("TEXCOORD_0", "VEC2")
        indices, weights = attribute("JOINTS_0", "VEC4"), attribute("WEIGHTS_0", "VEC4")
        material = entry.get("material")
        if material is not None and whole(material, f"{place}: material") >= materials:
            raise DamagedError(f"{place}: there is no material {material}")
        joints: npt.NDArray[np.int32] | None = None
        transforms: FloatArray = node.world[None]
        if node.skin is not None and indices is not None and weights is not None:
            numbers, skin = self._skin_transforms(node.skin, nodes)
            self._document.charge(count * 8 * 32 + len(numbers) * 8 * 32, place)
            if indices.dtype.kind == "f" or indices.max() >= len(numbers):
                raise DamagedError(f"{place}: expected joint numbers below {len(numbers)}")
            transforms = blended_transforms(weights.astype(np.float64), indices, skin)
            joints = np.array([joint_numbers[number] for number in numbers], dtype=np.int32)[indices]
        placed, directions = placed_points(positions, transforms)
        names, deltas = self._targets(entry, place, count, directions, target_names)
        name = entry.get("extras", {}).get("name") if isinstance(entry.get("extras"), dict) else None
        return GlbPrimitive(
            name=optional_text(name) or mesh_name,
            mesh=mesh_name,
            positions=placed * _MM_PER_M,
            triangles=self._triangles(entry, count, place),
            material=material,
            normals=None if normals is None else turned_normals(np.asarray(normals, np.float64), directions),
            uv=None if uv is None else np.stack([uv[:, 0], 1.0 - uv[:, 1].astype(np.float64)], axis=1),
            joints_indices=joints,
            joints_weights=None if joints is None or weights is None else weights.astype(np.float64),
            morph_names=names,
            morph_deltas=deltas,
        )

    def _triangles(self, entry: dict[str, Any], count: int, place: str) -> npt.NDArray[np.int32]:
        if "indices" not in entry:
            corners = np.arange(count, dtype=np.int32)
        else:
            corners = self._document.accessor(entry["indices"], ("SCALAR",), f"{place}: indices")[:, 0]
            if corners.dtype.kind != "u":
                raise DamagedError(f"{place}: expected indices of an unsigned type")
        if len(corners) % 3 or not len(corners):
            raise DamagedError(f"{place}: {len(corners)} corners make no triangles")
        if corners.max() >= count:
            raise DamagedError(f"{place}: corner {corners.max()} of {count} vertices")
        self._document.charge(len(corners) * 4, place)
        return corners.reshape(-1, 3).astype(np.int32)

    def _targets(
        self, entry: dict[str, Any], place: str, count: int, directions: FloatArray | None, target_names: Any
    ) -> tuple[tuple[str, ...], npt.NDArray[np.float32] | None]:
        targets = entry.get("targets", [])
        if not isinstance(targets, list) or len(targets) > _MOST_TARGETS:
            raise DamagedError(f"{place}: expected a list of at most {_MOST_TARGETS} morph targets")
        if not targets:
            return (), None
        self._document.charge(len(targets) * count * 12, f"{place}: targets")
        deltas = np.zeros((len(targets), count, 3), dtype=np.float32)
        for number, target in enumerate(targets):
            label = f"{place}, target {number}"
            if not isinstance(target, dict):
                raise DamagedError(f"{label} is not an object")
            if "POSITION" in target:
                moved = self._document.accessor(target["POSITION"], ("VEC3",), f"{label}: POSITION")
                if len(moved) != count:
                    raise DamagedError(f"{label}: {len(moved)} displacements for {count} vertices")
                turned = moved if directions is None else np.einsum("nij,nj->ni", directions, moved)
                deltas[number] = turned * np.float32(_MM_PER_M)
        if not np.isfinite(deltas).all():
            raise DamagedError(f"{place}: its morph targets move vertices to infinity")
        given = target_names if isinstance(target_names, list) else []
        texts = [optional_text(given[i]) if i < len(given) else None for i in range(len(targets))]
        return tuple(text or f"target {i}" for i, text in enumerate(texts)), deltas

    # ---- materials

    def _picture(self, texture: Any, place: str) -> bytes | None:
        """Return the stored bytes of a texture's picture; None for pictures outside the file or of other kinds."""
        if not isinstance(texture, dict):
            return None
        source = self._document.entry("textures", texture.get("index"), place).get("source")
        if source is None:
            return None
        image = self._document.entry("images", source, place)
        if "bufferView" not in image:
            return None
        data = self._document.view(image["bufferView"], f"{place}: picture")[0]
        self._document.charge(len(data), place)
        stored = bytes(data)
        return stored if image_size(stored) is not None else None

    def _material(self, index: int) -> GltfMaterial:
        place = f"material {index}"
        entry = self._document.entry("materials", index, place)
        surface = entry.get("pbrMetallicRoughness", {})
        extensions = entry.get("extensions", {})
        surface = surface if isinstance(surface, dict) else {}
        extensions = extensions if isinstance(extensions, dict) else {}
        optional: dict[str, float | None] = {"ior": _extension(extensions, "KHR_materials_ior", "ior", place)}
        for name in UNIT_EXTENSIONS:
            key = "clearcoatRoughnessFactor" if name == "clearcoat_roughness" else f"{name}Factor"
            family = f"KHR_materials_{name.removesuffix('_roughness')}"
            optional[name] = _extension(extensions, family, key, place)
        color = surface.get("baseColorFactor", [1.0, 1.0, 1.0, 1.0])
        if not isinstance(color, list) or len(color) != 4:
            raise DamagedError(f"{place}: expected a baseColorFactor of four numbers")
        red, green, blue, alpha = (real(value, f"{place}: baseColorFactor") for value in color)
        normal = entry.get("normalTexture")
        scale = normal.get("scale", 1.0) if isinstance(normal, dict) else 1.0
        return GltfMaterial(
            name=optional_text(entry.get("name")) or place,
            base_color=(red, green, blue, alpha),
            base_color_image=self._picture(surface.get("baseColorTexture"), place),
            metallic=real(surface.get("metallicFactor", 1.0), f"{place}: metallicFactor"),
            roughness=real(surface.get("roughnessFactor", 1.0), f"{place}: roughnessFactor"),
            metallic_roughness_image=self._picture(surface.get("metallicRoughnessTexture"), place),
            normal_image=self._picture(normal, place),
            normal_scale=real(scale, f"{place}: normalTexture scale"),
            alpha_mode=entry.get("alphaMode", "OPAQUE"),
            alpha_cutoff=real(entry.get("alphaCutoff", 0.5), f"{place}: alphaCutoff"),
            double_sided=entry.get("doubleSided") is True,
            **optional,
        )


def _extension(extensions: dict[str, Any], name: str, key: str, place: str) -> float | None:
    value = extensions.get(name)
    if not isinstance(value, dict) or key not in value:
        return None
    return real(value[key], f"{place}: {name}")
