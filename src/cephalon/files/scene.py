"""What a GLB file holds, as plain records: primitives, materials, joints; and the split of vertices at uv seams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.files.png import image_size
from cephalon.geometry import triangulate

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int32]

INFLUENCES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class GltfMaterial:
    """A metallic-roughness material of glTF 2.0.

    Attributes
    ----------
    name : what viewers show.
    base_color : linear red, green, blue and alpha, 0 to 1; multiplies the picture.
    base_color_image : PNG or JPEG bytes, sRGB, or None.
    metallic, roughness : 0 to 1; multiply the blue and green channel of `metallic_roughness_image`.
    metallic_roughness_image : PNG or JPEG bytes, linear data, or None.
    normal_image : PNG or JPEG bytes of a tangent-space normal map (+y up), or None.
    normal_scale : strength of the normal map.
    alpha_mode : "OPAQUE", "MASK" (cut at `alpha_cutoff`: lashes) or "BLEND".
    double_sided : draw the inside too.
    ior, specular, transmission, clearcoat, clearcoat_roughness : values of the KHR_materials extensions of these
        names (index of refraction, 0 or >= 1; the others 0 to 1); None leaves the extension out. Viewers that do
        not know one ignore it.

    Raises
    ------
    InputError
        For numbers outside their range or bytes that are neither PNG nor JPEG.
    """

    name: str
    base_color: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    base_color_image: bytes | None = field(default=None, repr=False)
    metallic: float = 0.0
    roughness: float = 1.0
    metallic_roughness_image: bytes | None = field(default=None, repr=False)
    normal_image: bytes | None = field(default=None, repr=False)
    normal_scale: float = 1.0
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "OPAQUE"
    alpha_cutoff: float = 0.5
    double_sided: bool = False
    ior: float | None = None
    specular: float | None = None
    transmission: float | None = None
    clearcoat: float | None = None
    clearcoat_roughness: float | None = None

    def __post_init__(self) -> None:
        """Check the ranges and the pictures' first bytes."""
        color = as_array(f"material {self.name!r}: base_color", self.base_color, (4,))
        object.__setattr__(self, "base_color", tuple(color.tolist()))
        unit = {name: getattr(self, name) for name in ("metallic", "roughness", "alpha_cutoff", *UNIT_EXTENSIONS)}
        unit |= {f"base_color[{i}]": c for i, c in enumerate(self.base_color)}
        for name, value in unit.items():
            if value is not None and not 0.0 <= value <= 1.0:
                raise InputError(f"material {self.name!r}: expected {name} from 0 to 1, got {value}")
        if self.ior is not None and not (self.ior == 0.0 or 1.0 <= self.ior < 100.0):
            raise InputError(f"material {self.name!r}: expected ior 0 or from 1, got {self.ior}")
        if not 0.0 <= self.normal_scale < 1e6:
            raise InputError(f"material {self.name!r}: expected normal_scale from 0, got {self.normal_scale}")
        if self.alpha_mode not in ("OPAQUE", "MASK", "BLEND"):
            raise InputError(
                f"material {self.name!r}: expected alpha_mode OPAQUE, MASK or BLEND, got {self.alpha_mode!r:.60}"
            )
        for name in ("base_color_image", "metallic_roughness_image", "normal_image"):
            data = getattr(self, name)
            if data is not None and image_size(bytes(data)) is None:
                raise InputError(f"material {self.name!r}: expected {name} to be the bytes of a PNG or JPEG file")


UNIT_EXTENSIONS = ("specular", "transmission", "clearcoat", "clearcoat_roughness")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GltfPrimitive:
    """One piece of surface with one material. Head frame, mm; corners counter-clockwise from outside.

    Attributes
    ----------
    name : of the part.
    positions : (n, 3) float64 mm.
    triangles : (t, 3) int32.
    material : index into `GltfScene.materials`, or None.
    normals : (n, 3) float64 or None; the writer scales them to length 1 (a zero one becomes +z).
    uv : (n, 2) float64, origin bottom left, or None.
    joints_indices : (n, 4) int32 indices into `GltfScene.joints`, or None; together with `joints_weights`.
    joints_weights : (n, 4) float64 >= 0, at least one > 0 in each row; the writer makes rows sum to 1.
    morph_deltas : (b, n, 3) float32 mm, what morph target b adds at weight 1, or None for no targets.
    morph_normals : (b, n, 3) float32, what it adds to the unit normals, or None.

    Raises
    ------
    InputError
        For wrong shapes, numbers that are not finite, or indices outside their range.
    """

    name: str
    positions: FloatArray
    triangles: IntArray
    material: int | None = None
    normals: FloatArray | None = None
    uv: FloatArray | None = None
    joints_indices: IntArray | None = None
    joints_weights: FloatArray | None = None
    morph_deltas: Float32Array | None = None
    morph_normals: Float32Array | None = None

    def __post_init__(self) -> None:
        """Check every array against the number of vertices and keep read-only copies."""
        label = f"primitive {self.name!r}"
        positions = as_array(f"{label}: positions", self.positions, (None, 3))
        n = len(positions)
        if not n or not len(self.triangles):
            raise InputError(f"{label}: expected at least one vertex and one triangle")
        triangles = as_array(f"{label}: triangles", self.triangles, (None, 3), np.int32)
        if triangles.min() < 0 or triangles.max() >= n:
            raise InputError(f"{label}: expected triangles with vertex numbers from 0 to {n - 1}")
        if (self.joints_indices is None) != (self.joints_weights is None):
            raise InputError(f"{label}: joints_indices and joints_weights come together or not at all")
        if self.morph_normals is not None and (self.morph_deltas is None or self.normals is None):
            raise InputError(f"{label}: morph_normals need normals and morph_deltas")
        targets = None if self.morph_deltas is None else len(self.morph_deltas)
        checked: dict[str, npt.NDArray[Any]] = {"positions": positions, "triangles": triangles}
        shapes: dict[str, tuple[tuple[int | None, ...], npt.DTypeLike]] = {
            "normals": ((n, 3), np.float64),
            "uv": ((n, 2), np.float64),
            "joints_indices": ((n, INFLUENCES), np.int32),
            "joints_weights": ((n, INFLUENCES), np.float64),
            "morph_deltas": ((None, n, 3), np.float32),
            "morph_normals": ((targets, n, 3), np.float32),
        }
        for name, (shape, dtype) in shapes.items():
            value = getattr(self, name)
            if value is not None:
                checked[name] = as_array(f"{label}: {name}", value, shape, dtype)
        if "joints_weights" in checked:
            _check_weights(label, checked["joints_indices"], checked["joints_weights"])
        for name, array in checked.items():
            object.__setattr__(self, name, array)

    @property
    def morph_count(self) -> int:
        """Number of morph targets."""
        return 0 if self.morph_deltas is None else len(self.morph_deltas)


@dataclass(frozen=True, slots=True, kw_only=True)
class GltfJoint:
    """A joint of the skeleton: its name, the index of its parent (-1: root) and its rest position (3,) mm."""

    name: str
    parent: int
    position: tuple[float, float, float]

    def __post_init__(self) -> None:
        """Check that the position is three finite numbers."""
        position = as_array(f"joint {self.name!r}: position", self.position, (3,))
        object.__setattr__(self, "position", tuple(position.tolist()))


@dataclass(frozen=True, slots=True, kw_only=True)
class GltfScene:
    """One head as glTF sees it: one mesh of several primitives, one skin, one set of morph targets.

    Attributes
    ----------
    primitives : at least one; all with the same number of morph targets.
    materials : what `GltfPrimitive.material` counts.
    joints : parents before children, exactly one root; empty for a mesh without skin.
    morph_names : (b,) names of the morph targets, ARKit's for a head.
    name : of the mesh and its node; no joint's name, since viewers rename what is named twice.
    extras : anything JSON can say, stored in the file's `asset.extras`.
    copyright : licence and credit line, or None.

    Raises
    ------
    InputError
        If the parts do not fit each other.
    """

    primitives: Sequence[GltfPrimitive]
    materials: Sequence[GltfMaterial] = ()
    joints: Sequence[GltfJoint] = ()
    morph_names: Sequence[str] = ()
    name: str = "cephalon_head"
    extras: Mapping[str, Any] = field(default_factory=dict)
    copyright: str | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit each other."""
        for name in ("primitives", "materials", "joints", "morph_names"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not self.primitives:
            raise InputError("a scene needs at least one primitive")
        if len(set(self.morph_names)) != len(self.morph_names):
            raise InputError("morph_names: expected every name once")
        self._check_joints()
        for primitive in self.primitives:
            label = f"primitive {primitive.name!r}"
            if primitive.morph_count != len(self.morph_names):
                raise InputError(
                    f"{label}: expected {len(self.morph_names)} morph targets as the scene names, "
                    f"got {primitive.morph_count}"
                )
            if primitive.material is not None and not 0 <= primitive.material < len(self.materials):
                raise InputError(f"{label}: expected a material below {len(self.materials)}, got {primitive.material}")
            self._check_pictures(primitive)
            if (primitive.joints_indices is None) != (not self.joints):
                raise InputError(
                    f"{label}: a scene with joints needs joint weights on every primitive, one without none"
                )
            if primitive.joints_indices is not None and primitive.joints_indices.max() >= len(self.joints):
                raise InputError(f"{label}: expected joint indices below {len(self.joints)}")

    def _check_pictures(self, primitive: GltfPrimitive) -> None:
        if primitive.material is None:
            return
        material = self.materials[primitive.material]
        pictures = (material.base_color_image, material.metallic_roughness_image, material.normal_image)
        if primitive.uv is None and any(picture is not None for picture in pictures):
            raise InputError(f"primitive {primitive.name!r}: its material has a picture, so it needs uv")
        if primitive.normals is None and material.normal_image is not None:
            raise InputError(f"primitive {primitive.name!r}: its material has a normal map, so it needs normals")

    def _check_joints(self) -> None:
        names = [joint.name for joint in self.joints]
        if len(set(names)) != len(names):
            raise InputError("joints: expected every name once")
        if self.name in names:
            raise InputError(f"scene name {self.name!r}: a joint has that name too, viewers would rename one of them")
        for index, joint in enumerate(self.joints):
            if (joint.parent == -1) != (index == 0) or not -1 <= joint.parent < max(index, 1):
                raise InputError(
                    f"joint {joint.name!r}: expected the root (parent -1) first and every parent before its children, "
                    f"got parent {joint.parent} at {index}"
                )


class SeamSplit(NamedTuple):
    """Vertices as glTF wants them, one uv each: `vertex_index` (g,), `uv_index` (g,), `triangles` (t, 3), all int32."""

    vertex_index: IntArray
    uv_index: IntArray
    triangles: IntArray


def split_at_uv_seams(polygons: npt.NDArray[np.integer], polygons_uv: npt.NDArray[np.integer]) -> SeamSplit:
    """Split vertices that have several texture coordinates, and quads into triangles.

    The first copies of all used vertices come first, in the order of the vertices, then the further copies, in the
    order of (vertex, uv). So a part whose vertices are all used keeps their numbers. Unused vertices are left out.

    Parameters
    ----------
    polygons : (m, 4) vertex numbers, the fourth -1 for a triangle.
    polygons_uv : (m, 4) rows of the uv table, -1 at the same places.

    Returns
    -------
    SeamSplit
        Glb vertex i is vertex `vertex_index[i]` with uv `uv_index[i]`.

    Raises
    ------
    InputError
        If the two tables differ in shape, or where the triangles are.
    """
    polygons = as_array("polygons", polygons, (None, 4), np.int32)
    polygons_uv = as_array("polygons_uv", polygons_uv, polygons.shape, np.int32)
    if not np.array_equal(polygons[:, 3] < 0, polygons_uv[:, 3] < 0):
        raise InputError("polygons_uv: expected triangles (-1) where polygons has them")
    if polygons.size and min(polygons[:, :3].min(), polygons_uv[:, :3].min()) < 0:
        raise InputError("polygons, polygons_uv: expected numbers from 0 (and -1 as the fourth of a triangle)")
    corners = triangulate(polygons)[0].reshape(-1).astype(np.int64)
    corners_uv = triangulate(polygons_uv)[0].reshape(-1).astype(np.int64)
    span = int(corners_uv.max(initial=0)) + 1
    keys, inverse = np.unique(corners * span + corners_uv, return_inverse=True)
    vertex = keys // span
    is_copy = np.zeros(len(keys), dtype=bool)
    is_copy[1:] = vertex[1:] == vertex[:-1]
    order = np.argsort(is_copy, kind="stable")
    rank = np.zeros(len(keys), dtype=np.int32)
    rank[order] = np.arange(len(keys), dtype=np.int32)
    return SeamSplit(
        vertex_index=vertex[order].astype(np.int32),
        uv_index=(keys[order] % span).astype(np.int32),
        triangles=rank[inverse.reshape(-1)].reshape(-1, 3),
    )


def strongest_joints(weights: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
    """Keep the four strongest joints of each vertex.

    Parameters
    ----------
    weights : (n, j) skinning weights >= 0.

    Returns
    -------
    joints_indices : (n, 4) int32, strongest first, ties by joint number; 0 where the weight is 0.
    joints_weights : (n, 4) float64, rows sum to 1.

    Raises
    ------
    InputError
        If a row has no positive weight.
    """
    table = as_array("skinning weights", weights, (None, None))
    wide = np.zeros((len(table), max(INFLUENCES, table.shape[1])))
    wide[:, : table.shape[1]] = table
    indices = np.argsort(-wide, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(wide, indices, axis=1)
    if (kept < 0).any() or (table < 0).any() or (kept.sum(axis=1) <= 0).any():
        raise InputError("skinning weights: expected numbers >= 0 with at least one > 0 in each row")
    return np.where(kept > 0, indices, 0).astype(np.int32), kept / kept.sum(axis=1, keepdims=True)


def primitive_from_polygons(
    *,
    name: str,
    vertices: npt.ArrayLike,
    polygons: npt.NDArray[np.integer],
    uv: npt.NDArray[np.floating] | None = None,
    polygons_uv: npt.NDArray[np.integer] | None = None,
    normals: npt.NDArray[np.floating] | None = None,
    skinning_weights: npt.NDArray[np.floating] | None = None,
    morph_deltas: npt.NDArray[np.floating] | None = None,
    morph_normals: npt.NDArray[np.floating] | None = None,
    material: int | None = None,
) -> GltfPrimitive:
    """Return the primitive of some polygons of a larger mesh: vertices gathered, split at seams, quads cut.

    Parameters
    ----------
    name : of the primitive.
    vertices : (n, 3) mm of the whole mesh; `normals` (n, 3), `skinning_weights` (n, j), `morph_deltas` (b, n, 3) mm
        and `morph_normals` (b, n, 3) belong to the same n vertices, each may be None.
    polygons, polygons_uv : (m, 4) of this part, into the whole mesh's `vertices` and `uv` (k, 2).
    material : index into the scene's materials.

    Raises
    ------
    InputError
        For uv without polygons_uv, and as `split_at_uv_seams` and `GltfPrimitive`.
    """
    if (uv is None) != (polygons_uv is None):
        raise InputError(f"primitive {name!r}: uv and polygons_uv come together or not at all")
    split = split_at_uv_seams(polygons, polygons if polygons_uv is None else polygons_uv)
    points = np.asarray(vertices, dtype=np.float64)
    rows = split.vertex_index
    if rows.size and rows.max() >= len(points):
        raise InputError(f"primitive {name!r}: expected vertex numbers below {len(points)}, got {rows.max()}")
    if uv is not None and split.uv_index.size and split.uv_index.max() >= len(uv):
        raise InputError(f"primitive {name!r}: expected uv numbers below {len(uv)}, got {split.uv_index.max()}")
    joints = None if skinning_weights is None else strongest_joints(skinning_weights[rows])
    return GltfPrimitive(
        name=name,
        positions=points[rows],
        triangles=split.triangles,
        material=material,
        normals=None if normals is None else np.asarray(normals, dtype=np.float64)[rows],
        uv=None if uv is None else np.asarray(uv, dtype=np.float64)[split.uv_index],
        joints_indices=None if joints is None else joints[0],
        joints_weights=None if joints is None else joints[1],
        morph_deltas=None if morph_deltas is None else np.asarray(morph_deltas, dtype=np.float32)[:, rows],
        morph_normals=None if morph_normals is None else np.asarray(morph_normals, dtype=np.float32)[:, rows],
    )


def _check_weights(label: str, indices: IntArray, weights: FloatArray) -> None:
    if indices.min() < 0:
        raise InputError(f"{label}: expected joint indices from 0, got {indices.min()}")
    if weights.min() < 0 or (weights.sum(axis=1) <= 0).any():
        raise InputError(f"{label}: expected joint weights >= 0 with at least one > 0 in each row")
    used = np.where(weights > 0, indices, -1 - np.arange(INFLUENCES))
    ordered = np.sort(used, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise InputError(f"{label}: a vertex names a joint twice")
