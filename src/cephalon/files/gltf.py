"""Binary glTF 2.0 (GLB) written by hand: primitives, materials, one skin, sparse morph targets.

Millimetres become metres, uv flips from bottom left to top left; the axes are glTF's own (+y up, +z to the front).
All arrays of one kind share one buffer view, so a head with 52 targets has about a dozen of them. Same scene, same
bytes.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.files.bounded import StrPath
from cephalon.files.png import image_size
from cephalon.files.scene import UNIT_EXTENSIONS, GltfMaterial, GltfPrimitive, GltfScene
from cephalon.files.tangents import vertex_tangents

GENERATOR = "Cephalon"
_M_PER_MM = 1e-3
_ARRAY_BUFFER, _ELEMENT_ARRAY_BUFFER = 34962, 34963
_UBYTE, _USHORT, _UINT, _FLOAT = 5121, 5123, 5125, 5126
_DTYPES = {_UBYTE: "<u1", _USHORT: "<u2", _UINT: "<u4", _FLOAT: "<f4"}
_LINEAR, _MIPMAP_LINEAR, _REPEAT, _CLAMP_TO_EDGE = 9729, 9987, 10497, 33071
_MOST_SHORT_INDEX = 65_535


def write_glb(path: StrPath, scene: GltfScene, *, morph_epsilon_mm: float = 1e-3) -> None:
    """Write the scene as a GLB file in one step; see `glb_bytes`.

    Raises
    ------
    InputError
        As `glb_bytes` and `atomic.write_bytes`.
    """
    write_bytes(path, glb_bytes(scene, morph_epsilon_mm=morph_epsilon_mm))


def glb_bytes(scene: GltfScene, *, morph_epsilon_mm: float = 1e-3) -> bytes:
    """Return the scene as the bytes of a GLB file.

    The file has one node with one mesh (its `extras.targetNames` are the morph names, all weights 0) and, if there
    are joints, one skin whose root joint is the second node of the scene. Each morph target is stored dense or
    sparse, whichever is smaller; targets that move nothing share one array of zeros. Joint weights sum to 1 in
    float32, equal pictures are stored once.

    Parameters
    ----------
    scene : what to write.
    morph_epsilon_mm : displacements shorter than this are stored as 0 (a micrometre by default; normals' changes
        shorter than its number of radians likewise).

    Raises
    ------
    InputError
        If the file would not fit into GLB's 4 GiB.
    """
    writer = _Writer()
    document: dict[str, Any] = {"asset": {"version": "2.0", "generator": GENERATOR}}
    if scene.copyright:
        document["asset"]["copyright"] = scene.copyright
    if scene.extras:
        document["asset"]["extras"] = dict(scene.extras)
    document["scene"] = 0
    document["scenes"] = [{"nodes": [0, 1] if scene.joints else [0]}]
    nodes: list[dict[str, Any]] = [{"name": scene.name, "mesh": 0}]
    document["nodes"] = nodes
    primitives = [_primitive(writer, scene, primitive, morph_epsilon_mm) for primitive in scene.primitives]
    mesh: dict[str, Any] = {"name": scene.name, "primitives": primitives}
    if scene.morph_names:
        mesh["weights"] = [0.0] * len(scene.morph_names)
        mesh["extras"] = {"targetNames": list(scene.morph_names)}
    document["meshes"] = [mesh]
    if scene.joints:
        nodes[0]["skin"] = 0
        nodes.extend(_joint_nodes(scene))
        document["skins"] = [_skin(writer, scene)]
    if scene.materials:
        pictures = _Pictures()
        document["materials"] = [_material(pictures, material) for material in scene.materials]
        used = sorted({name for m in document["materials"] for name in m.get("extensions", ())})
        if used:
            document["extensionsUsed"] = used
        if pictures.data:
            document["textures"] = [{"sampler": 0, "source": i} for i in range(len(pictures.data))]
            document["images"] = [
                {"name": name, "bufferView": writer.blob(f"picture {name}", data), "mimeType": _mime(data)}
                for data, name in pictures.data.items()
            ]
            wrap = _CLAMP_TO_EDGE if _inside_one_picture(scene) else _REPEAT
            sampler = {"magFilter": _LINEAR, "minFilter": _MIPMAP_LINEAR, "wrapS": wrap, "wrapT": wrap}
            document["samplers"] = [sampler]
    binary, views = writer.finish()
    document["accessors"] = writer.accessors
    document["bufferViews"] = views
    document["buffers"] = [{"byteLength": len(binary)}]
    try:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"extras: expected values that JSON can hold ({error})") from error
    return _container(text.encode("utf-8"), binary)


def _inside_one_picture(scene: GltfScene) -> bool:
    """Tell whether no texture coordinate leaves 0 to 1: then borders must not mix with the opposite side."""
    charts = [primitive.uv for primitive in scene.primitives if primitive.uv is not None]
    return all(uv.min() >= 0.0 and uv.max() <= 1.0 for uv in charts)


def _container(text: bytes, binary: bytes) -> bytes:
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    if total >= 2**32:
        raise InputError(f"a GLB file holds less than 4 GiB, this scene needs {total / 2**30:.1f} GiB")
    head = struct.pack("<4sII", b"glTF", 2, total) + struct.pack("<I4s", len(text), b"JSON")
    return b"".join((head, text, struct.pack("<I4s", len(binary), b"BIN\0"), binary))


@dataclass(slots=True)
class _Pool:
    """Bytes of one buffer view in the making."""

    view: dict[str, Any]
    chunks: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, data: bytes, align: int) -> int:
        padding = -self.size % align
        offset = self.size + padding
        self.chunks.append(b"\0" * padding + data)
        self.size = offset + len(data)
        return offset


class _Writer:
    """Collects accessors and the arrays behind them, one pool (later a buffer view) for each kind of array."""

    def __init__(self) -> None:
        self.accessors: list[dict[str, Any]] = []
        self._pools: dict[str, _Pool] = {}
        self._indices: dict[str, int] = {}
        self._zeros: dict[int, int] = {}
        self._most_zeros = 0

    def pool(self, name: str, **view: Any) -> tuple[int, _Pool]:
        if name not in self._pools:
            self._indices[name] = len(self._pools)
            self._pools[name] = _Pool(view=view)
        return self._indices[name], self._pools[name]

    def blob(self, name: str, data: bytes) -> int:
        index, pool = self.pool(name)
        pool.add(data, 4)
        return index

    def accessor(self, pool: str, array: npt.NDArray[Any], component: int, kind: str, *, bounds: bool = False) -> int:
        """Store an array (n, c) whose rows are a multiple of 4 bytes, or (n,) indices; return the accessor's index."""
        packed = np.ascontiguousarray(array, dtype=_DTYPES[component])
        view: dict[str, Any] = {}
        if pool == "indices":
            view = {"target": _ELEMENT_ARRAY_BUFFER}
        elif pool != "inverse bind matrices":
            view = {"byteStride": packed.dtype.itemsize * packed.shape[1], "target": _ARRAY_BUFFER}
        index, store = self.pool(f"{pool} {component}", **view)
        offset = store.add(packed.tobytes(), 4)
        entry = _entry({"bufferView": index}, offset, component, len(packed), kind)
        if bounds:
            entry |= _bounds(packed)
        return self._append(entry)

    def morph(self, deltas: npt.NDArray[np.float32], *, bounds: bool) -> int:
        """Store one morph target's (n, 3) float32, sparse if that is smaller; return the accessor's index."""
        count = len(deltas)
        moved = np.flatnonzero(deltas.any(axis=1))
        if not len(moved):
            return self._zero_morph(count)
        component = _USHORT if count <= _MOST_SHORT_INDEX else _UINT
        sparse_size = len(moved) * (12 + np.dtype(_DTYPES[component]).itemsize)
        if sparse_size >= count * 12:
            return self.accessor("morph", deltas, _FLOAT, "VEC3", bounds=bounds)
        indices_view, indices = self.pool(f"sparse indices {component}")
        values_view, values = self.pool("sparse values")
        indices_at = indices.add(moved.astype(_DTYPES[component]).tobytes(), 4)
        values_at = values.add(np.ascontiguousarray(deltas[moved], dtype="<f4").tobytes(), 4)
        entry = _entry({}, 0, _FLOAT, count, "VEC3")
        if bounds:
            entry |= _bounds(deltas)
        places = {"bufferView": indices_view, "byteOffset": indices_at, "componentType": component}
        entry["sparse"] = {
            "count": len(moved),
            "indices": places,
            "values": {"bufferView": values_view, "byteOffset": values_at},
        }
        return self._append(entry)

    def _zero_morph(self, count: int) -> int:
        """Return an accessor of zeros; all of them look at the same bytes, which `finish` makes long enough."""
        if count not in self._zeros:
            index, _ = self.pool("zeros", byteStride=12, target=_ARRAY_BUFFER)
            zero = {"max": [0.0, 0.0, 0.0], "min": [0.0, 0.0, 0.0]}
            self._zeros[count] = self._append(_entry({"bufferView": index}, 0, _FLOAT, count, "VEC3") | zero)
            self._most_zeros = max(self._most_zeros, count)
        return self._zeros[count]

    def _append(self, entry: dict[str, Any]) -> int:
        self.accessors.append(entry)
        return len(self.accessors) - 1

    def finish(self) -> tuple[bytes, list[dict[str, Any]]]:
        """Return the binary chunk (a multiple of 4 bytes) and the buffer views into it."""
        if "zeros" in self._pools:
            self._pools["zeros"].add(bytes(12 * self._most_zeros), 4)
        chunks: list[bytes] = []
        views = []
        at = 0
        for pool in self._pools.values():
            views.append({"buffer": 0, "byteOffset": at, "byteLength": pool.size, **pool.view})
            chunks += [*pool.chunks, b"\0" * (-pool.size % 4)]
            at += pool.size + -pool.size % 4
        return b"".join(chunks), views


def _entry(view: dict[str, int], offset: int, component: int, count: int, kind: str) -> dict[str, Any]:
    at = {"byteOffset": offset} if offset else {}
    return {**view, **at, "componentType": component, "count": count, "type": kind}


def _bounds(array: npt.NDArray[Any]) -> dict[str, list[float]]:
    # The exact value of each float32 as a double, so that a reader's comparison is an equality; + 0.0 turns -0 to 0.
    low, high = array.min(axis=0) + np.float32(0), array.max(axis=0) + np.float32(0)
    return {"max": [float(x) for x in high], "min": [float(x) for x in low]}


def _primitive(writer: _Writer, scene: GltfScene, primitive: GltfPrimitive, epsilon_mm: float) -> dict[str, Any]:
    meters = np.asarray(primitive.positions * _M_PER_MM, dtype=np.float32)
    attributes = {"POSITION": writer.accessor("positions", meters, _FLOAT, "VEC3", bounds=True)}
    if primitive.normals is not None:
        normals = _unit_normals(primitive.normals)
        attributes["NORMAL"] = writer.accessor("normals", normals, _FLOAT, "VEC3")
        mapped = primitive.material is not None and scene.materials[primitive.material].normal_image is not None
        if mapped and primitive.uv is not None:
            tangents = vertex_tangents(primitive.positions, normals, primitive.uv, primitive.triangles)
            attributes["TANGENT"] = writer.accessor("tangents", tangents, _FLOAT, "VEC4")
    if primitive.uv is not None:
        flipped = np.stack([primitive.uv[:, 0], 1.0 - primitive.uv[:, 1]], axis=1)
        attributes["TEXCOORD_0"] = writer.accessor("uv", flipped, _FLOAT, "VEC2")
    if primitive.joints_indices is not None and primitive.joints_weights is not None:
        weights = _float32_weights(primitive.joints_weights)
        indices = np.where(weights > 0, primitive.joints_indices, 0)
        component = _UBYTE if indices.max() < 256 else _USHORT
        attributes["JOINTS_0"] = writer.accessor("joints", indices, component, "VEC4")
        attributes["WEIGHTS_0"] = writer.accessor("weights", weights, _FLOAT, "VEC4")
    corners = primitive.triangles.reshape(-1)
    component = _USHORT if len(meters) <= _MOST_SHORT_INDEX else _UINT
    entry: dict[str, Any] = {
        "attributes": attributes,
        "indices": writer.accessor("indices", corners, component, "SCALAR"),
    }
    if primitive.material is not None:
        entry["material"] = primitive.material
    if primitive.morph_deltas is not None and len(primitive.morph_deltas):
        entry["targets"] = _targets(writer, primitive.morph_deltas, primitive.morph_normals, epsilon_mm)
    entry["extras"] = {"name": primitive.name}
    return entry


def _targets(
    writer: _Writer,
    morph_deltas: npt.NDArray[np.float32],
    morph_normals: npt.NDArray[np.float32] | None,
    epsilon: float,
) -> list[dict[str, int]]:
    targets: list[dict[str, int]] = []
    for index, deltas in enumerate(morph_deltas):
        meters = _without_small(deltas, epsilon) * np.float32(_M_PER_MM)
        target = {"POSITION": writer.morph(meters, bounds=True)}
        if morph_normals is not None:
            target["NORMAL"] = writer.morph(_without_small(morph_normals[index], epsilon), bounds=False)
        targets.append(target)
    return targets


def _without_small(deltas: npt.NDArray[np.float32], epsilon: float) -> npt.NDArray[np.float32]:
    small = np.einsum("nc,nc->n", deltas, deltas) < epsilon * epsilon
    return np.where(small[:, None], np.float32(0), deltas)


def _unit_normals(normals: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    unit = np.where(length > 1e-12, normals / np.maximum(length, 1e-12), [0.0, 0.0, 1.0])
    return unit.astype(np.float32)


def _float32_weights(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Round rows to float32 so that they sum to 1 within a unit in the last place: the largest takes the rest."""
    rounded = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    rows, largest = np.arange(len(rounded)), rounded.argmax(axis=1)
    others = rounded.astype(np.float64)
    others[rows, largest] = 0.0
    rounded[rows, largest] = (1.0 - others.sum(axis=1)).astype(np.float32)
    return rounded


def _joint_nodes(scene: GltfScene) -> list[dict[str, Any]]:
    """Return one node for each joint; joint j is node j + 1."""
    nodes: list[dict[str, Any]] = []
    for index, joint in enumerate(scene.joints):
        origin = scene.joints[joint.parent].position if joint.parent >= 0 else (0.0, 0.0, 0.0)
        offset = [(here - there) * _M_PER_MM for here, there in zip(joint.position, origin, strict=True)]
        node: dict[str, Any] = {"name": joint.name}
        children = [child + 1 for child, other in enumerate(scene.joints) if other.parent == index]
        if children:
            node["children"] = children
        if any(offset):
            node["translation"] = [float(np.float32(x)) for x in offset]
        nodes.append(node)
    return nodes


def _skin(writer: _Writer, scene: GltfScene) -> dict[str, Any]:
    matrices = np.tile(np.eye(4, dtype=np.float32), (len(scene.joints), 1, 1))
    matrices[:, 3, :3] = [[-x * _M_PER_MM for x in joint.position] for joint in scene.joints]  # column-major
    accessor = writer.accessor("inverse bind matrices", matrices.reshape(-1, 16), _FLOAT, "MAT4")
    joints = list(range(1, len(scene.joints) + 1))
    return {"name": f"{scene.name}_rig", "inverseBindMatrices": accessor, "skeleton": 1, "joints": joints}


class _Pictures:
    """Numbers pictures and names them after their first use; equal bytes get one number."""

    def __init__(self) -> None:
        self.data: dict[bytes, str] = {}

    def texture(self, data: bytes, name: str) -> dict[str, Any]:
        if name in self.data.values():
            name = f"{name}_{len(self.data)}"
        self.data.setdefault(data, name)
        return {"index": list(self.data).index(data)}


def _mime(data: bytes) -> str:
    size = image_size(data)
    return "image/png" if size is None else size[0]


def _material(pictures: _Pictures, material: GltfMaterial) -> dict[str, Any]:
    surface: dict[str, Any] = {
        "baseColorFactor": list(material.base_color),
        "metallicFactor": material.metallic,
        "roughnessFactor": material.roughness,
    }
    entry: dict[str, Any] = {"name": material.name, "pbrMetallicRoughness": surface}
    if material.base_color_image is not None:
        surface["baseColorTexture"] = pictures.texture(material.base_color_image, f"{material.name}_base_color")
    if material.metallic_roughness_image is not None:
        surface["metallicRoughnessTexture"] = pictures.texture(
            material.metallic_roughness_image, f"{material.name}_metallic_roughness"
        )
    if material.normal_image is not None:
        scale = {} if material.normal_scale == 1.0 else {"scale": material.normal_scale}
        entry["normalTexture"] = pictures.texture(material.normal_image, f"{material.name}_normal") | scale
    if material.alpha_mode != "OPAQUE":
        entry["alphaMode"] = material.alpha_mode
    if material.alpha_mode == "MASK":
        entry["alphaCutoff"] = material.alpha_cutoff
    if material.double_sided:
        entry["doubleSided"] = True
    extensions = material_extensions(material)
    if extensions:
        entry["extensions"] = extensions
    return entry


def material_extensions(material: GltfMaterial) -> dict[str, dict[str, float]]:
    """Return the KHR_materials extensions a material asks for, by their glTF names."""
    extensions: dict[str, dict[str, float]] = {}
    if material.ior is not None:
        extensions["KHR_materials_ior"] = {"ior": material.ior}
    for name in UNIT_EXTENSIONS:
        value = getattr(material, name)
        if value is not None:
            family = name.removesuffix("_roughness")
            key = "clearcoatRoughnessFactor" if name == "clearcoat_roughness" else f"{name}Factor"
            extensions.setdefault(f"KHR_materials_{family}", {})[key] = value
    return extensions
