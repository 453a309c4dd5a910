"""What a GLB file holds, decoded: its primitives in mm at rest, its materials and joints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.files.png import image_size
from cephalon.files.scene import GltfJoint, GltfMaterial
from cephalon.geometry import Mesh

_MM_PER_M = 1e3

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GlbPrimitive:
    """One primitive of a file, placed in the file's world at rest.

    Attributes
    ----------
    name : of the primitive (our `extras.name`), else of its mesh.
    mesh : name of its mesh.
    positions : (n, 3) float64 mm.
    triangles : (t, 3) int32.
    material : index into `GlbFile.materials`, or None.
    normals : (n, 3) float64 unit vectors, or None.
    uv : (n, 2) float64, origin bottom left, or None.
    joints_indices : (n, 4) int32 into `GlbFile.joints`, or None.
    joints_weights : (n, 4) float64, or None.
    morph_names : (b,) names of its targets; "target 3" where the file gives none.
    morph_deltas : (b, n, 3) float32 mm, or None.
    """

    name: str
    mesh: str
    positions: FloatArray
    triangles: npt.NDArray[np.int32]
    material: int | None = None
    normals: FloatArray | None = None
    uv: FloatArray | None = None
    joints_indices: npt.NDArray[np.int32] | None = None
    joints_weights: FloatArray | None = None
    morph_names: tuple[str, ...] = ()
    morph_deltas: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GlbFile:
    """What a GLB file holds.

    Attributes
    ----------
    byte_size : of the file.
    generator, copyright : what the file says about itself, or None.
    extras : of the asset.
    extensions : names of the extensions in use.
    primitives : in the order of the nodes.
    materials : every material; pictures as stored bytes.
    joints : the joints of all skins, parents before children where the file's order allows; positions in mm.
    animations : number of animations (not decoded).
    """

    byte_size: int
    generator: str | None
    copyright: str | None
    extras: Mapping[str, Any] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    primitives: tuple[GlbPrimitive, ...] = ()
    materials: tuple[GltfMaterial, ...] = ()
    joints: tuple[GltfJoint, ...] = ()
    animations: int = 0

    @property
    def morph_names(self) -> tuple[str, ...]:
        """Names of all morph targets, each once, in the order of appearance."""
        return tuple(dict.fromkeys(name for primitive in self.primitives for name in primitive.morph_names))

    @property
    def bounding_box_m(self) -> FloatArray:
        """Lowest and highest corner, (2, 3) metres, at rest; zeros for a file without triangles."""
        return self.bounds_mm / _MM_PER_M

    @property
    def bounds_mm(self) -> FloatArray:
        """Lowest and highest corner, (2, 3) mm, at rest; zeros for a file without triangles."""
        if not self.primitives:
            return np.zeros((2, 3))
        low = np.min([primitive.positions.min(axis=0) for primitive in self.primitives], axis=0)
        high = np.max([primitive.positions.max(axis=0) for primitive in self.primitives], axis=0)
        return np.stack([low, high])

    def mesh(self) -> Mesh:
        """Return all primitives as one mesh in mm, vertices in file order, one group for each primitive.

        Raises
        ------
        InputError
            If the file has no triangles.
        """
        if not self.primitives:
            raise InputError("the GLB file has no triangles")
        starts = np.cumsum([0, *(len(primitive.positions) for primitive in self.primitives)])
        triangles = np.concatenate([p.triangles + s for p, s in zip(self.primitives, starts, strict=False)])
        polygons = np.concatenate([triangles, np.full((len(triangles), 1), -1)], axis=1).astype(np.int32)
        groups: dict[str, npt.NDArray[np.int32]] = {}
        at = 0
        for primitive in self.primitives:
            name, copy = primitive.name, 1
            while name in groups:
                copy += 1
                name = f"{primitive.name} {copy}"
            groups[name] = np.arange(at, at + len(primitive.triangles), dtype=np.int32)
            at += len(primitive.triangles)
        has_uv = all(primitive.uv is not None for primitive in self.primitives)
        uv = np.concatenate([p.uv for p in self.primitives if p.uv is not None]) if has_uv else None
        return Mesh(
            vertices=np.concatenate([primitive.positions for primitive in self.primitives]),
            polygons=polygons,
            uv=uv,
            polygons_uv=polygons if has_uv else None,
            groups=groups,
        )

    def summary(self) -> dict[str, Any]:
        """Return what `cephalon info` shows, as plain values JSON can hold."""
        low, high = self.bounding_box_m
        return {
            "format": "GLB",
            "bytes": self.byte_size,
            "generator": self.generator,
            "copyright": self.copyright,
            "vertices": sum(len(primitive.positions) for primitive in self.primitives),
            "triangles": sum(len(primitive.triangles) for primitive in self.primitives),
            "bounding_box_m": {"low": low.tolist(), "high": high.tolist()},
            "primitives": [
                {
                    "name": primitive.name,
                    "vertices": len(primitive.positions),
                    "triangles": len(primitive.triangles),
                    "material": None if primitive.material is None else self.materials[primitive.material].name,
                    "morph_targets": len(primitive.morph_names),
                    "uv": primitive.uv is not None,
                    "normals": primitive.normals is not None,
                    "skinned": primitive.joints_indices is not None,
                }
                for primitive in self.primitives
            ],
            "materials": [_material_summary(material) for material in self.materials],
            "joints": [{"name": joint.name, "parent": joint.parent} for joint in self.joints],
            "morph_names": list(self.morph_names),
            "extensions": list(self.extensions),
            "animations": self.animations,
            "extras": dict(self.extras),
        }


def _material_summary(material: GltfMaterial) -> dict[str, Any]:
    pictures = {}
    for name in ("base_color", "metallic_roughness", "normal"):
        data = getattr(material, f"{name}_image")
        size = None if data is None else image_size(data)
        if data is not None and size is not None:
            pictures[name] = {"type": size[0], "width": size[1], "height": size[2], "bytes": len(data)}
    return {"name": material.name, "alpha_mode": material.alpha_mode, "pictures": pictures}
