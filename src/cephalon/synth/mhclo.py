"""MakeHuman's meshes (hair, brows) laid on our head: read, moved to the mean head, made to follow every head.

A .mhclo file says where each vertex lies relative to three vertices of MakeHuman's base mesh. The meshes are built on
that base mesh, carried over to our mean head by the map between their skins, and then follow the nearest skin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import KDTree

from cephalon.files.bounded import read_bytes
from cephalon.files.npz import read_npz
from cephalon.geometry import procrustes, triangulate
from cephalon.head import HeadModel

Float = NDArray[np.float64]

_MM_PER_UNIT = 100.0
_BOARDS = ("afro01",)
"""Meshes of loose squares: without the picture that cuts them out they are boards, so they are left out then."""
_NEIGHBOURS = 6
_TEXTURE_PX = 512
_MOST_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BoundMesh:
    """A mesh that follows the skin.

    Attributes
    ----------
    vertices : (v, 3) mm on the mean head; faces : (t, 3) int32; corner_uv : (t, 6) float32.
    nearest, weights : (v, 6) skin vertices that carry each vertex, rows sum to 1.
    texture : (s, s, 2) float32: brightness around 1, and alpha; row 0 is v = 1.
    """

    name: str
    vertices: Float
    faces: NDArray[np.int32]
    corner_uv: NDArray[np.float32]
    nearest: NDArray[np.int32]
    weights: Float
    texture: NDArray[np.float32]

    def on(self, skin_shift: Float) -> Float:
        """Return the vertices (v, 3) mm on a head whose skin lies `skin_shift` (n, 3) mm from the mean head's."""
        return self.vertices + np.einsum("vk,vkd->vd", self.weights, skin_shift[self.nearest])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjArrays:
    """An OBJ file's numbers: vertices (n, 3), uv (k, 2), polygons and polygons_uv (m, 4) from 0, -1 for no fourth corner."""

    vertices: Float
    uv: NDArray[np.float32]
    polygons: NDArray[np.int32]
    polygons_uv: NDArray[np.int32]


def base_mesh(folder: Path) -> ObjArrays | None:
    """Return MakeHuman's base mesh hm08, decimetres, from base.obj or base_mesh_hm08.npz of a folder; None if neither is there."""
    if (folder / "base.obj").is_file():
        return _read_obj(folder / "base.obj")
    path = folder / "base_mesh_hm08.npz"
    if not path.is_file():
        return None
    archive = read_npz(read_bytes(path, max_bytes=_MOST_BYTES), where=str(path), what="base mesh")
    return ObjArrays(
        vertices=archive["vertices"].astype(np.float64),
        uv=archive["uv"],
        polygons=archive["faces"],
        polygons_uv=archive["face_uv"],
    )


def bind_meshes(model: HeadModel, body: ObjArrays, folder: Path) -> Mapping[str, BoundMesh]:
    """Read every mesh of a folder of MakeHuman assets, bound to its base mesh; those that lack a binding are left out."""
    base, base_uv, base_faces, base_faces_uv = body.vertices, body.uv, body.polygons, body.polygons_uv
    makehuman_uv, polygons_uv = makehuman_chart()
    where = {tuple(row): number for number, row in enumerate(np.round(base_uv.astype(np.float64), 6))}
    to_base_uv = np.array([where[tuple(row)] for row in np.round(makehuman_uv.astype(np.float64), 6)])
    vertex_of_uv = np.zeros(len(base_uv), dtype=np.int64)
    corners = base_faces_uv >= 0
    vertex_of_uv[base_faces_uv[corners]] = base_faces[corners]
    skin = model.polygons[model.parts["skin"].polygons]
    used = (skin >= 0) & (polygons_uv >= 0)
    count = model.parts["skin"].vertices.stop
    base_index = np.zeros(count, dtype=np.int64)
    base_index[skin[used]] = vertex_of_uv[to_base_uv[polygons_uv[used]]]
    ours, theirs = model.mean[:count], base[base_index] * _MM_PER_UNIT
    outside = (
        (model.regions["mouth_cavity"][:count] < 0.5)
        & (model.regions["eye_sockets"][:count] < 0.9)
        & (model.regions["nostrils"][:count] < 0.5)
    )
    outer = np.flatnonzero(outside)
    similarity = procrustes(theirs[outer], ours[outer], with_scale=True)
    tree = KDTree(ours[outer])
    their_tree = KDTree(similarity.apply(theirs[outer]))
    residual = ours[outer] - similarity.apply(theirs[outer])
    bound = {}
    for place in sorted(p for p in folder.glob("*") if p.is_dir()):
        if place.name in _BOARDS and not _pictures(place):
            continue
        for path in sorted(place.glob("*.mhclo"))[:1]:
            raw = _read(path, base)
            if raw is None:
                continue
            vertices, faces, corner_uv = raw
            moved = similarity.apply(vertices * _MM_PER_UNIT)
            rows, weights = _near(their_tree, moved, 12)
            moved = moved + np.einsum("vk,vkd->vd", weights, residual[rows])
            rows, weights = _near(tree, moved, _NEIGHBOURS)
            bound[place.name] = BoundMesh(
                name=place.name,
                vertices=moved,
                faces=faces,
                corner_uv=corner_uv,
                nearest=outer[rows].astype(np.int32),
                weights=weights,
                texture=_texture(place),
            )
    return bound


def makehuman_chart() -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return MakeHuman's uv (k, 2) of our skin and its polygons (m, 4) in it, parallel to the skin's polygons."""
    from importlib import resources

    with (resources.files("cephalon") / "data" / "head.npz").open("rb") as file, np.load(file) as asset:
        return asset["makehuman_uv"], asset["makehuman_polygons_uv"]


def _near(tree: KDTree, points: Float, count: int) -> tuple[NDArray[np.intp], Float]:
    distance, rows = tree.query(points, k=count)
    weights = 1 / (distance + 4.0) ** 2
    return np.asarray(rows, dtype=np.intp), weights / weights.sum(1, keepdims=True)


def _pictures(folder: Path) -> list[Path]:
    return [p for p in sorted(folder.glob("*.png")) if "normal" not in p.stem]


def _texture(folder: Path) -> NDArray[np.float32]:
    """Brightness around 1 and alpha (s, s, 2); streaks along v where the folder has no picture."""
    pictures = _pictures(folder)
    if pictures:
        with Image.open(pictures[0]) as opened:
            size = (_TEXTURE_PX, _TEXTURE_PX)
            rgba = np.asarray(opened.convert("RGBA").resize(size, Image.Resampling.BOX), dtype=np.float32) / 255
        grey = rgba[..., :3].mean(-1) ** 2.2
        opaque = rgba[..., 3] > 0.5
        scale = float(np.median(grey[opaque])) if opaque.any() else 1.0
        # the pictures have their highlights painted in, which real light is to make
        bright = np.clip(grey / max(scale, 1e-4), 0.05, 4.0) ** 0.45
        return np.stack([np.clip(bright, 0.45, 1.6), rgba[..., 3]], axis=-1).astype(np.float32)
    rng = np.random.default_rng(5)
    streaks = rng.normal(0, 1, _TEXTURE_PX)
    streaks = np.convolve(np.tile(streaks, 3), np.ones(3) / 3, "same")[_TEXTURE_PX : 2 * _TEXTURE_PX]
    bright = np.exp(0.35 * streaks)[None].repeat(_TEXTURE_PX, 0)
    alpha = np.clip(1.1 + 0.35 * streaks, 0.35, 1.0)[None].repeat(_TEXTURE_PX, 0)
    return np.stack([bright, alpha], axis=-1).astype(np.float32)


def _read(path: Path, base: Float) -> tuple[Float, NDArray[np.int32], NDArray[np.float32]] | None:
    """Vertices on the base mesh (v, 3) in its unit, triangles and the uv of their corners."""
    rows: list[list[float]] = []
    scale = np.ones(3)
    reading = False
    obj = path.with_suffix(".obj")
    for line in read_bytes(path, max_bytes=_MOST_BYTES).decode("utf-8", errors="replace").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "obj_file":
            obj = path.parent / words[1]
        elif words[0] in ("x_scale", "y_scale", "z_scale"):
            axis = "xyz".index(words[0][0])
            scale[axis] = abs(base[int(words[1]), axis] - base[int(words[2]), axis]) / float(words[3])
        elif words[0] == "verts":
            reading = True
        elif reading and words[0].lstrip("-").isdigit():
            rows.append([float(w) for w in words] if len(words) >= 9 else [float(words[0])] * 3 + [1.0, 0, 0, 0, 0, 0])
        elif words[0] in ("weights", "delete_verts"):
            reading = False
    mesh = _read_obj(obj)
    if len(rows) != len(mesh.vertices) or not len(mesh.polygons):
        return None
    table = np.array(rows)
    placed = np.einsum("vc,vcd->vd", table[:, 3:6], base[table[:, :3].astype(np.int64)]) + table[:, 6:9] * scale
    faces, _ = triangulate(mesh.polygons)
    faces_uv, _ = triangulate(mesh.polygons_uv)
    return placed, faces, mesh.uv[faces_uv].reshape(-1, 6)


def _read_obj(path: Path) -> ObjArrays:
    """Read vertices, uv and the polygons that have uv; `files.obj` reads whole meshes and welds, which indices here must not be."""
    vertices, uv, polygons, polygons_uv = [], [], [], []
    for line in read_bytes(path, max_bytes=_MOST_BYTES).decode("utf-8", errors="replace").splitlines():
        words = line.split()
        if words[:1] == ["v"]:
            vertices.append([float(w) for w in words[1:4]])
        elif words[:1] == ["vt"]:
            uv.append([float(w) for w in words[1:3]])
        elif words[:1] == ["f"]:
            corner = [w.split("/") for w in words[1:5]]
            if all(len(c) > 1 and c[1] for c in corner):
                polygons.append([int(c[0]) - 1 for c in corner] + [-1] * (4 - len(corner)))
                polygons_uv.append([int(c[1]) - 1 for c in corner] + [-1] * (4 - len(corner)))
    return ObjArrays(
        vertices=np.array(vertices, dtype=np.float64).reshape(-1, 3),
        uv=np.array(uv, dtype=np.float32).reshape(-1, 2),
        polygons=np.array(polygons, dtype=np.int32).reshape(-1, 4),
        polygons_uv=np.array(polygons_uv, dtype=np.int32).reshape(-1, 4),
    )
