"""A small GLB of a head-like thing, written without the product's own writer: skin, eyes, shapes, joints, a texture."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np


def png(rgb: np.ndarray) -> bytes:
    """(h, w, 3) uint8 to PNG."""
    height, width, _ = rgb.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), rgb.reshape(height, -1)], axis=1).tobytes()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 6)) + chunk(b"IEND", b"")


@dataclass
class Part:
    """One primitive: arrays in metres, uv with the origin at the top left, deltas by shape name."""

    name: str
    positions: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    joint: str
    shapes: dict[str, np.ndarray] = field(default_factory=dict)
    image: bytes | None = None
    colour: tuple[float, float, float, float] = (1, 1, 1, 1)
    blend: bool = False
    normals: np.ndarray | None = None


def normals(positions: np.ndarray, faces: np.ndarray) -> np.ndarray:
    cross = np.cross(positions[faces[:, 1]] - positions[faces[:, 0]], positions[faces[:, 2]] - positions[faces[:, 0]])
    total = np.zeros_like(positions, dtype=float)
    for corner in range(3):
        np.add.at(total, faces[:, corner], cross)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def build_glb(parts: list[Part], joints: dict[str, tuple[str | None, tuple[float, float, float]]]) -> bytes:
    """Join parts and joints (name -> parent, place in metres) to a GLB; every part carries the shapes of all parts."""
    blob = bytearray()
    doc: dict = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "bufferViews": [],
        "accessors": [],
        "materials": [],
        "meshes": [],
    }
    doc |= {"nodes": [], "textures": [], "images": [], "skins": []}

    def view(data: bytes) -> int:
        blob.extend(b"\0" * (-len(blob) % 4))
        doc["bufferViews"].append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        blob.extend(data)
        return len(doc["bufferViews"]) - 1

    def accessor(array: np.ndarray, kind: str, component: int, *, bounds: bool = False) -> int:
        entry = {"bufferView": view(array.tobytes()), "componentType": component, "count": len(array), "type": kind}
        if bounds:
            entry |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        doc["accessors"].append(entry)
        return len(doc["accessors"]) - 1

    names = list(joints)
    shapes = sorted({shape for part in parts for shape in part.shapes})
    for part in parts:
        material: dict = {
            "name": part.name,
            "pbrMetallicRoughness": {"baseColorFactor": part.colour, "metallicFactor": 0},
        }
        material["pbrMetallicRoughness"]["roughnessFactor"] = 0.55
        if part.image is not None:
            doc["images"].append({"bufferView": view(part.image), "mimeType": "image/png"})
            doc["textures"].append({"source": len(doc["images"]) - 1})
            material["pbrMetallicRoughness"]["baseColorTexture"] = {"index": len(doc["textures"]) - 1}
        if part.blend:
            material["alphaMode"] = "BLEND"
        doc["materials"].append(material)
        count = len(part.positions)
        joint = np.zeros((count, 4), np.uint8)
        joint[:, 0] = names.index(part.joint)
        weight = np.zeros((count, 4), np.float32)
        weight[:, 0] = 1
        position = part.positions.astype(np.float32)
        normal = part.normals if part.normals is not None else normals(part.positions, part.faces)
        primitive = {
            "attributes": {
                "POSITION": accessor(position, "VEC3", 5126, bounds=True),
                "NORMAL": accessor(normal.astype(np.float32), "VEC3", 5126),
                "TEXCOORD_0": accessor(part.uv.astype(np.float32), "VEC2", 5126),
                "JOINTS_0": accessor(joint, "VEC4", 5121),
                "WEIGHTS_0": accessor(weight, "VEC4", 5126),
            },
            "indices": accessor(part.faces.astype(np.uint32).reshape(-1), "SCALAR", 5125),
            "material": len(doc["materials"]) - 1,
        }
        if shapes:
            zero = np.zeros((count, 3), np.float32)
            deltas = [part.shapes.get(shape, zero).astype(np.float32) for shape in shapes]
            primitive["targets"] = [{"POSITION": accessor(delta, "VEC3", 5126, bounds=True)} for delta in deltas]
        doc["meshes"].append({"name": part.name, "primitives": [primitive], "extras": {"targetNames": shapes}})
    for name, (parent, place) in joints.items():
        origin = np.array(joints[parent][1]) if parent else np.zeros(3)
        node: dict = {"name": name, "translation": (np.array(place) - origin).tolist()}
        children = [names.index(other) for other in names if joints[other][0] == name]
        doc["nodes"].append(node | ({"children": children} if children else {}))
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(names), 1, 1))
    inverse[:, 3, :3] = [[-x for x in joints[name][1]] for name in names]
    doc["skins"].append(
        {"joints": list(range(len(names))), "inverseBindMatrices": accessor(inverse.reshape(-1, 16), "MAT4", 5126)}
    )
    for at, part in enumerate(parts):
        doc["nodes"].append({"name": part.name, "mesh": at, "skin": 0})
    roots = [names.index(name) for name in names if joints[name][0] is None]
    doc["scenes"] = [{"nodes": roots + list(range(len(names), len(doc["nodes"])))}]
    doc = {key: value for key, value in doc.items() if value != []}
    blob.extend(b"\0" * (-len(blob) % 4))
    doc["buffers"] = [{"byteLength": len(blob)}]
    text = json.dumps(doc).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(blob)
    return (
        struct.pack("<4sII", b"glTF", 2, total)
        + struct.pack("<II", len(text), 0x4E4F534A)
        + text
        + struct.pack("<II", len(blob), 0x004E4942)
        + bytes(blob)
    )


def ball(
    radii: tuple[float, float, float], centre: tuple[float, float, float], rings: int, segments: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An ellipsoid with poles on the y axis: positions, uv (v down), faces counter-clockwise from outside."""
    polar, around = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(-np.pi, np.pi, segments + 1), indexing="ij"
    )
    unit = np.stack([np.sin(polar) * np.sin(around), np.cos(polar), np.sin(polar) * np.cos(around)], axis=-1).reshape(
        -1, 3
    )
    uv = np.stack([(around + np.pi) / (2 * np.pi), polar / np.pi], axis=-1).reshape(-1, 2)
    grid = np.arange((rings + 1) * (segments + 1)).reshape(rings + 1, segments + 1)
    a, b, c, d = (part.reshape(-1) for part in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    return unit * radii + centre, uv, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


SHAPES = (
    "jawOpen",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "mouthSmileLeft",
    "mouthSmileRight",
    "jawLeft",
    "browInnerUp",
    "tongueOut",
    "cheekPuff",
    "noseSneerLeft",
)


def toy_head() -> bytes:
    """A head of ellipsoids: nose, jaw that opens, two eyes on joints, lashes that are see-through."""
    points, uv, faces = ball((0.075, 0.115, 0.095), (0, 0, 0), 40, 64)
    nose = np.exp(-((points[:, 0] / 0.012) ** 2 + ((points[:, 1] + 0.005) / 0.02) ** 2)) * (points[:, 2] > 0)
    points[:, 2] += 0.025 * nose
    low = np.clip(-points[:, 1] / 0.115 - 0.3, 0, 1)[:, None] * (points[:, 2:] > 0)
    shapes = {name: np.zeros_like(points) for name in SHAPES}
    shapes["jawOpen"] = low * np.array([0, -0.06, -0.015])
    shapes["jawLeft"] = low * np.array([0.02, 0, 0])
    for name, sign in (("mouthSmileLeft", 1), ("mouthSmileRight", -1)):
        shapes[name] = low * (sign * points[:, :1] > 0) * np.array([0.012 * sign, 0.012, 0])
    rows = np.linspace(0, 1, 64)[:, None, None]
    image = (np.array([214, 170, 146]) * (1 - 0.25 * rows) + np.zeros((64, 64, 3))).astype(np.uint8)
    parts = [Part(name="skin", positions=points, uv=uv, faces=faces, joint="head", shapes=shapes, image=png(image))]
    joints: dict[str, tuple[str | None, tuple[float, float, float]]] = {
        "neck": (None, (0, -0.1, -0.02)),
        "head": ("neck", (0, -0.05, 0)),
    }
    for side, sign in (("left", 1), ("right", -1)):
        centre = (0.03 * sign, 0.025, 0.075)
        eye, eye_uv, eye_faces = ball((0.012, 0.012, 0.012), centre, 16, 24)
        white = np.full((64, 64, 3), 240, np.uint8)
        white[24:40, 26:38] = (40, 70, 90)
        joints[f"{side}_eye"] = ("head", centre)
        parts.append(
            Part(name=f"{side}_eye", positions=eye, uv=eye_uv, faces=eye_faces, joint=f"{side}_eye", image=png(white))
        )
        lash, lash_uv, lash_faces = ball((0.014, 0.002, 0.014), (0.03 * sign, 0.036, 0.076), 6, 12)
        parts.append(
            Part(
                name=f"{side}_lashes",
                positions=lash,
                uv=lash_uv,
                faces=lash_faces,
                joint="head",
                colour=(0.1, 0.08, 0.07, 0.8),
                blend=True,
            )
        )
    return build_glb(parts, joints)
