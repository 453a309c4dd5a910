"""Wavefront OBJ and MTL that keep every vertex in its place: quads stay quads, nothing is merged or reordered."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.files.atomic import write_files
from cephalon.files.bounded import StrPath, read_bytes
from cephalon.files.mtl import MAX_MTL_BYTES, ObjMaterial, check_name, mtl_bytes, parse_mtl
from cephalon.geometry import Mesh

MAX_OBJ_BYTES = 512 * 2**20
UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "in": 25.4}

_UNIT_COMMENT = re.compile(rb"^#.*?\bunits?\b\s*[:=]?\s*(mm|cm|m|in)\b", re.IGNORECASE | re.MULTILINE)
_UNNAMED = "unnamed"

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ObjFile:
    """What an OBJ file holds.

    Attributes
    ----------
    mesh : vertices in the file's order and, with `unit_mm` known, in mm; one group for each `o` or `g` name. Polygons
        of five or more corners are cut into triangles as a fan.
    unit : "mm", "cm", "m" or "in" as asked for or declared by a comment; None if nobody said, then the numbers are
        the file's own.
    materials : of the MTL file, by name (empty if there is none or it cannot be read).
    group_materials : material name of each group that has one (its first).
    """

    mesh: Mesh
    unit: str | None
    materials: Mapping[str, ObjMaterial] = field(default_factory=dict)
    group_materials: Mapping[str, str] = field(default_factory=dict)


def obj_bytes(
    mesh: Mesh,
    *,
    normals: npt.ArrayLike | None = None,
    group_materials: Mapping[str, str] | None = None,
    mtl_name: str | None = None,
    comment: str = "",
) -> bytes:
    """Return a mesh as OBJ text: vertices in their order, mm to 5 decimals, uv origin bottom left.

    Parameters
    ----------
    mesh : its groups are written one after the other in their order (skin first), each as an `o`; polygons in no
        group come last.
    normals : (n, 3) at the vertices, or None.
    group_materials : material name of each group.
    mtl_name : file name of the material library, beside the OBJ file.
    comment : put at the top, any number of lines.

    Raises
    ------
    InputError
        If a polygon is in two groups, a material is given to an unknown group, or a name has blanks.
    """
    materials = dict(group_materials or {})
    groups = _disjoint_groups(mesh)
    for group, material in materials.items():
        check_name("material name", material)
        if group not in groups:
            raise InputError(f"group_materials: the mesh has no group {group!r}")
    lines = [f"# {line}" for line in comment.splitlines()]
    lines += ["# units: mm", "# +x to the person's left, +y up, +z out of the face"]
    if mtl_name is not None:
        check_name("mtl_name", mtl_name, spaces=True)
        lines.append(f"mtllib {mtl_name}")
    lines += _number_lines("v", mesh.vertices, 5)
    if mesh.uv is not None:
        lines += _number_lines("vt", mesh.uv, 7)
    if normals is not None:
        lines += _number_lines("vn", as_array("normals", normals, mesh.vertices.shape), 5)
    texts = _polygon_texts(mesh, normals is not None)
    for name, members in groups.items():
        check_name("group name", name)
        lines.append(f"o {name}")
        if name in materials:
            lines.append(f"usemtl {materials[name]}")
        lines += [texts[polygon] for polygon in members.tolist()]
    return ("\n".join(lines) + "\n").encode("utf-8")


def write_obj(
    path: StrPath,
    mesh: Mesh,
    *,
    normals: npt.ArrayLike | None = None,
    materials: Mapping[str, ObjMaterial] | None = None,
    comment: str = "",
) -> None:
    """Write a mesh in mm, and beside it the MTL file of the same name if there are materials.

    Parameters
    ----------
    path : of the OBJ file.
    mesh, normals, comment : as in `obj_bytes`.
    materials : material of each group, by the group's name. Textures are named, not written.

    Raises
    ------
    InputError
        As `obj_bytes` and `atomic.write_bytes`.
    """
    mtl_path = Path(path).with_suffix(".mtl")
    names = {group: material.name for group, material in (materials or {}).items()}
    data = obj_bytes(
        mesh, normals=normals, group_materials=names, mtl_name=mtl_path.name if materials else None, comment=comment
    )
    write_files({mtl_path: mtl_bytes(materials), path: data} if materials else {path: data})


def read_obj(path: StrPath, *, unit: str | None = None, max_bytes: int = MAX_OBJ_BYTES) -> ObjFile:
    """Read an OBJ file and the MTL file it names, if that lies beside it.

    Parameters
    ----------
    path : of the OBJ file.
    unit : "mm", "cm", "m" or "in"; None looks for a comment such as `# units: mm`.
    max_bytes : largest file that is read.

    Raises
    ------
    InputError
        If the file cannot be read, a line is not OBJ (the message gives its number), a polygon names a vertex that
        is not there, or there are no vertices.
    """
    where = os.fspath(path)
    data = read_bytes(path, max_bytes=max_bytes, what="OBJ file")
    parsed = parse_obj(data, where=where, unit=unit)
    library = _library_name(data)
    if library is None:
        return parsed
    try:
        materials = parse_mtl(read_bytes(Path(path).parent / library, max_bytes=MAX_MTL_BYTES, what="MTL file"))
    except InputError:
        materials = {}
    return ObjFile(mesh=parsed.mesh, unit=parsed.unit, materials=materials, group_materials=parsed.group_materials)


def parse_obj(data: bytes, *, where: str, unit: str | None = None) -> ObjFile:
    """`read_obj` for bytes at hand, without materials; `where` names them in messages."""
    if unit is None:
        found = _UNIT_COMMENT.search(data)
        unit = found.group(1).decode().lower() if found else None
    elif unit not in UNITS_MM:
        raise InputError(f"unit: expected one of {', '.join(UNITS_MM)}, got {unit!r}")
    scan = _Scan(where)
    for number, line in enumerate(_joined(data).split(b"\n"), 1):
        scan.line(number, line)
    if not scan.vertices:
        raise InputError(f"{where} has no vertices")
    vertices = np.array(scan.vertices)
    uv = np.array(scan.uv).reshape(-1, 2)
    polygons, polygons_uv = scan.polygons(len(vertices), len(uv))
    return ObjFile(
        mesh=Mesh(
            vertices=vertices * UNITS_MM.get(unit or "mm", 1.0),
            polygons=polygons,
            uv=uv if polygons_uv is not None else None,
            polygons_uv=polygons_uv,
            groups=scan.groups(),
        ),
        unit=unit,
        group_materials=scan.group_materials,
    )


class _Scan:
    """Collects the lines of an OBJ file; numbers are converted in one go afterwards."""

    def __init__(self, where: str) -> None:
        self.vertices: list[list[float]] = []
        self.uv: list[list[float]] = []
        self.group_materials: dict[str, str] = {}
        self._where = where
        self._corners: list[tuple[int, int, int, int]] = []
        self._corners_uv: list[tuple[int, int, int, int]] = []
        self._group_of: list[int] = []
        self._group_names: dict[str, int] = {}
        self._group = -1
        self._group_name = ""
        self._material: str | None = None

    def line(self, number: int, line: bytes) -> None:
        words = line.split()
        if not words:
            return
        key = words[0]
        if key == b"v":
            self.vertices.append(self._numbers(number, words, 3))
        elif key == b"vt":
            self.uv.append(self._numbers(number, [*words, b"0"], 2))
        elif key == b"f":
            self._face(number, words[1:])
        elif key in (b"o", b"g"):
            name = b" ".join(words[1:]).decode("utf-8", errors="replace")
            self._start_group(name)
        elif key == b"usemtl":
            self._material = b"_".join(words[1:]).decode("utf-8", errors="replace") or None

    def _numbers(self, number: int, words: list[bytes], count: int) -> list[float]:
        try:
            numbers = [float(word) for word in words[1 : count + 1]]
        except ValueError:
            numbers = []
        if len(numbers) < count or not all(map(math.isfinite, numbers)):
            raise InputError(f"{self._where}, line {number}: expected {count} finite numbers after {words[0].decode()}")
        return numbers

    def _start_group(self, name: str) -> None:
        self._group_name = name or _UNNAMED
        self._group = self._group_names.setdefault(self._group_name, len(self._group_names))

    def _face(self, number: int, words: list[bytes]) -> None:
        if len(words) < 3:
            raise InputError(f"{self._where}, line {number}: a polygon needs at least 3 corners")
        places: list[int] = []
        places_uv: list[int] = []
        try:
            for word in words:
                parts = word.split(b"/")
                place = int(parts[0])
                places.append(_row(place, len(self.vertices)))
                if len(parts) > 1 and parts[1]:
                    places_uv.append(_row(int(parts[1]), len(self.uv)))
        except ValueError as error:
            raise InputError(f"{self._where}, line {number}: expected vertex numbers such as 7 or 7/9/7") from error
        if min(places) < 0 or max(places) >= 2**31 or (places_uv and not 0 <= min(places_uv) <= max(places_uv) < 2**31):
            raise InputError(f"{self._where}, line {number}: a corner names a vertex that is not there")
        if len(places_uv) != len(places):
            places_uv = []
        if self._group < 0:
            self._start_group("")
        if self._material is not None:
            self.group_materials.setdefault(self._group_name, self._material)
        for a, b, c, d in _pieces(len(places)):
            self._corners.append((places[a], places[b], places[c], places[d] if d >= 0 else -1))
            self._corners_uv.append(
                (places_uv[a], places_uv[b], places_uv[c], places_uv[d] if d >= 0 else -1) if places_uv else _NO_UV
            )
            self._group_of.append(self._group)

    def polygons(self, vertices: int, uv: int) -> tuple[IntArray, IntArray | None]:
        polygons = np.array(self._corners, dtype=np.int32).reshape(-1, 4)
        polygons_uv = np.array(self._corners_uv, dtype=np.int32).reshape(-1, 4)
        if polygons.size and polygons.max() >= vertices:
            raise InputError(f"{self._where}: a polygon names vertex {polygons.max() + 1} of {vertices}")
        if not uv or not len(polygons) or (polygons_uv[:, 0] < 0).any():
            return polygons, None  # texture coordinates on a part of the polygons are no chart
        if polygons_uv.max() >= uv:
            raise InputError(f"{self._where}: a polygon names texture coordinate {polygons_uv.max() + 1} of {uv}")
        return polygons, polygons_uv

    def groups(self) -> dict[str, IntArray]:
        group_of = np.array(self._group_of, dtype=np.int32)
        order = np.argsort(group_of, kind="stable").astype(np.int32)
        bounds = np.searchsorted(group_of[order], np.arange(len(self._group_names) + 1))
        members = {name: order[bounds[i] : bounds[i + 1]] for name, i in self._group_names.items()}
        if list(members) == [_UNNAMED]:
            return {}
        return {name: polygons for name, polygons in members.items() if len(polygons)}


_NO_UV = (-1, -1, -1, -1)


def _row(number: int, count: int) -> int:
    """Return the row an OBJ number means: from 1, or from -1 backwards; -1 if it means none."""
    return number - 1 if number > 0 else count + number if number < 0 else -1


def _pieces(corners: int) -> list[tuple[int, int, int, int]]:
    """Return how a polygon is stored: as itself up to 4 corners, else as a fan of triangles."""
    if corners <= 4:
        return [(0, 1, 2, 3 if corners == 4 else -1)]
    return [(0, i, i + 1, -1) for i in range(1, corners - 1)]


def _joined(data: bytes) -> bytes:
    """Undo other systems' line ends and the continuation of a line by a backslash."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\\\n", b" ")


def _library_name(data: bytes) -> str | None:
    """Return the first `mtllib` name if it is a plain file name (nothing outside the OBJ's folder is opened)."""
    found = re.search(rb"^mtllib[ \t]+([^\r\n]+)", data, re.MULTILINE)
    if found is None:
        return None
    name = found.group(1).strip().decode("utf-8", errors="replace")
    return name if name and not set("/\\:\0") & set(name) and name not in (".", "..") else None


def _number_lines(key: str, rows: npt.NDArray[np.floating], decimals: int) -> list[str]:
    rounded = np.round(rows, decimals) + 0.0  # + 0.0 turns -0 into 0
    pattern = " ".join([key] + [f"%.{decimals}f"] * rows.shape[1])
    return [pattern % tuple(row) for row in rounded.tolist()]


def _polygon_texts(mesh: Mesh, has_normals: bool) -> list[str]:
    """Return one `f` line for each polygon."""
    rows = (mesh.polygons + 1).tolist()
    if mesh.polygons_uv is None:
        pattern = "{0}//{0}" if has_normals else "{0}"
        return ["f " + " ".join(pattern.format(v) for v in row if v) for row in rows]
    pattern = "{0}/{1}/{0}" if has_normals else "{0}/{1}"
    rows_uv = (mesh.polygons_uv + 1).tolist()
    return [
        "f " + " ".join(pattern.format(v, t) for v, t in zip(row, row_uv, strict=True) if v)
        for row, row_uv in zip(rows, rows_uv, strict=True)
    ]


def _disjoint_groups(mesh: Mesh) -> dict[str, IntArray]:
    """Return the groups of a mesh, and the polygons of none as `unnamed` at the end."""
    times = np.zeros(len(mesh.polygons), dtype=np.int64)
    for members in mesh.groups.values():
        np.add.at(times, members, 1)
    if (times > 1).any():
        raise InputError(f"polygon {int(np.argmax(times > 1))} is in several groups: an OBJ file holds it in one")
    groups = dict(mesh.groups)
    rest = np.flatnonzero(times == 0).astype(np.int32)
    if len(rest):
        groups[_UNNAMED] = np.concatenate([groups[_UNNAMED], rest]) if _UNNAMED in groups else rest
    return groups
