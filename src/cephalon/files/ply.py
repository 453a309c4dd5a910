"""PLY files: polygons with any number of float values at the vertices (sigma in mm, for example), order kept."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.files.atomic import write_bytes
from cephalon.files.bounded import StrPath, read_bytes
from cephalon.files.obj import UNITS_MM
from cephalon.geometry import Mesh

MAX_PLY_BYTES = 512 * 2**20
_MAX_HEADER_BYTES = 64 * 1024
_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
_UNIT_COMMENT = re.compile(r"\bunits?\b\s*[:=]?\s*(mm|cm|m|in)\b", re.IGNORECASE)
Number = TypeVar("Number", int, float)

_POSITION = ("x", "y", "z")
_INDEX_NAMES = ("vertex_indices", "vertex_index")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PlyFile:
    """What a PLY file holds.

    Attributes
    ----------
    mesh : vertices in the file's order and, with the unit known, in mm; quads kept, larger polygons cut into fans.
    unit : "mm", "cm", "m" or "in" as asked for or declared by a comment; None if nobody said.
    attributes : every other number at the vertices by its name, (n,) float64, as stored.
    comments : the header's comments.
    """

    mesh: Mesh
    unit: str | None
    attributes: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    comments: tuple[str, ...] = ()


def ply_bytes(
    mesh: Mesh,
    attributes: Mapping[str, npt.ArrayLike] | None = None,
    *,
    colours_srgb: npt.NDArray[np.uint8] | None = None,
    comment: str = "",
    quads: bool = False,
) -> bytes:
    """Return a mesh in mm as a binary little-endian PLY file.

    Parameters
    ----------
    mesh : positions are stored as float32; uv and groups are not stored.
    attributes : (n,) numbers at the vertices by name, stored as float32; the names have no blanks.
    colours_srgb : (n, 3) at the vertices, stored as red, green, blue of one byte each, as viewers expect.
    comment : lines for the header.
    quads : keep quads; otherwise every polygon is written as triangles, since some readers take no mixture.

    Raises
    ------
    InputError
        For an attribute of another length, one that is not finite, or a name PLY cannot hold.
    """
    count = len(mesh.vertices)
    columns = [np.asarray(mesh.vertices[:, axis], dtype="<f4") for axis in range(3)]
    names: list[str] = list(_POSITION)
    for name, values in (attributes or {}).items():
        taken = (*names, "red", "green", "blue")
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) is None or name in taken:
            raise InputError(f"attribute {name!r}: expected a new name of letters, digits and _")
        columns.append(as_array(f"attribute {name!r}", values, (count,), "<f4"))
        names.append(name)
    lines = ["ply", "format binary_little_endian 1.0", "comment units: mm"]
    lines += [f"comment {line}".rstrip() for line in comment.splitlines()]
    lines += [f"element vertex {count}", *(f"property float {name}" for name in names)]
    body = np.stack(columns, axis=1)
    if colours_srgb is not None:
        lines += [f"property uchar {name}" for name in ("red", "green", "blue")]
        colours = as_array("colours_srgb", colours_srgb, (count, 3), np.uint8)
        body = np.concatenate([np.ascontiguousarray(body).view(np.uint8), colours], axis=1)
    polygons = mesh.polygons
    if not quads:
        polygons = np.concatenate([mesh.faces, np.full((len(mesh.faces), 1), -1, np.int32)], axis=1)
    lines += [f"element face {len(polygons)}", "property list uchar int vertex_indices", "end_header"]
    header = ("\n".join(lines) + "\n").encode("ascii", errors="replace")
    return header + body.tobytes() + _polygon_bytes(polygons)


def write_ply(
    path: StrPath,
    mesh: Mesh,
    attributes: Mapping[str, npt.ArrayLike] | None = None,
    *,
    comment: str = "",
    quads: bool = False,
) -> None:
    """Write `ply_bytes` in one step.

    Raises
    ------
    InputError
        As `ply_bytes` and `atomic.write_bytes`.
    """
    write_bytes(path, ply_bytes(mesh, attributes, comment=comment, quads=quads))


def read_ply(path: StrPath, *, unit: str | None = None, max_bytes: int = MAX_PLY_BYTES) -> PlyFile:
    """Read a PLY file, binary or text.

    Parameters
    ----------
    path : of the file.
    unit : "mm", "cm", "m" or "in"; None looks for a comment such as `units: mm`.
    max_bytes : largest file that is read.

    Raises
    ------
    InputError
        If the file cannot be read, is truncated, its header is wrong, or a polygon names a vertex that is not there.
    """
    where = os.fspath(path)
    data = read_bytes(path, max_bytes=max_bytes, what="PLY file")
    return parse_ply(data, unit=unit, where=where)


def parse_ply(data: bytes, *, where: str, unit: str | None = None) -> PlyFile:
    """`read_ply` for bytes at hand; `where` names them in messages."""
    order, elements, comments, start = _header(data, where)
    if unit is None:
        found = _UNIT_COMMENT.search("\n".join(comments))
        unit = found.group(1).lower() if found else None
    elif unit not in UNITS_MM:
        raise InputError(f"unit: expected one of {', '.join(UNITS_MM)}, got {unit!r}")
    body = _Body(data, start, order, where)
    vertices: npt.NDArray[np.float64] | None = None
    attributes: dict[str, npt.NDArray[np.float64]] = {}
    polygons = np.zeros((0, 4), dtype=np.int32)
    for element in elements:
        if element.name == "vertex":
            columns = body.table(element)
            if any(axis not in columns for axis in _POSITION):
                raise InputError(f"{where}: its vertices have no x, y and z")
            vertices = np.stack([columns.pop(axis) for axis in _POSITION], axis=1)
            attributes = columns
        elif element.name == "face":
            polygons = body.polygons(element)
        elif any(kind.startswith("list") for kind in element.types):
            break  # a list of an element nobody asked for: what follows it cannot be found cheaply
        else:
            body.table(element)
    if vertices is None or not len(vertices):
        raise InputError(f"{where} has no vertices")
    if not np.isfinite(vertices).all():
        raise InputError(f"{where}: its vertices are not all finite")
    if polygons.size and (polygons[:, :3].min() < 0 or polygons.max() >= len(vertices)):
        raise InputError(f"{where}: a polygon names a vertex that is not there")
    mesh = Mesh(vertices=vertices * UNITS_MM.get(unit or "mm", 1.0), polygons=polygons)
    return PlyFile(mesh=mesh, unit=unit, attributes=attributes, comments=tuple(comments))


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of the header: its name, how many, and its properties; a list's type reads "list u1 i4"."""

    name: str
    count: int
    names: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


def _header(data: bytes, where: str) -> tuple[str, list[_Element], list[str], int]:
    """Return byte order ("=" for text), elements, comments, and where the body starts."""
    end = re.search(rb"^end_header[ \t]*\r?\n", data[:_MAX_HEADER_BYTES], re.MULTILINE)
    if not data.startswith(b"ply") or end is None:
        raise InputError(f"{where} is not a PLY file")
    order = ""
    elements: list[_Element] = []
    comments: list[str] = []
    for line in data[: end.start()].decode("utf-8", errors="replace").splitlines()[1:]:
        words = line.split()
        if not words or words[0] == "obj_info":
            continue
        try:
            if words[0] == "comment":
                comments.append(line.strip()[len("comment") :].strip())
            elif words[0] == "format":
                order = _ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(_Element(words[1], int(words[2])))
            elif words[0] == "property" and words[1] == "list":
                elements[-1].types.append(f"list {_TYPES[words[2]]} {_TYPES[words[3]]}")
                elements[-1].names.append(words[4])
            elif words[0] == "property":
                elements[-1].types.append(_TYPES[words[1]])
                elements[-1].names.append(words[2])
            else:
                raise KeyError(words[0])
        except (KeyError, IndexError, ValueError) as error:
            raise InputError(f"{where}: the header line {line.strip()[:80]!r} is not PLY") from error
    if not order or any(element.count < 0 for element in elements):
        raise InputError(f"{where}: its PLY header is incomplete")
    return order, elements, comments, end.end()


class _Body:
    """Reads elements one after the other, never past the end."""

    def __init__(self, data: bytes, start: int, order: str, where: str) -> None:
        self._data = data
        self._at = start
        self._order = order
        self._where = where
        self._words = data[start:].split() if order == "=" else []
        self._word = 0

    def table(self, element: _Element) -> dict[str, npt.NDArray[np.float64]]:
        """Return the columns of an element without lists."""
        if any(kind.startswith("list") for kind in element.types):
            raise InputError(f"{self._where}: lists at {element.name} are not read")
        if len(set(element.names)) != len(element.names):
            raise InputError(f"{self._where}: {element.name} has a property twice")
        width = len(element.names)
        if not width:
            return {}
        if self._order == "=":
            numbers = np.array(self._take_words(element.count * width, float)).reshape(-1, width)
            return {name: numbers[:, i].copy() for i, name in enumerate(element.names)}
        fields = [(name, self._order + kind) for name, kind in zip(element.names, element.types, strict=True)]
        rows = self._take(np.dtype(fields), element.count)
        with np.errstate(invalid="ignore"):  # positions that are not finite are refused later
            return {name: rows[name].astype(np.float64) for name in element.names}

    def polygons(self, element: _Element) -> npt.NDArray[np.int32]:
        """Return an element of one list of corners each (and plain properties, skipped) as (m, 4)."""
        lists = [i for i, kind in enumerate(element.types) if kind.startswith("list")]
        if len(lists) != 1 or element.names[lists[0]] not in _INDEX_NAMES:
            raise InputError(f"{self._where}: expected one list, vertex_indices, at each face")
        if self._order == "=":
            return self._text_polygons(element, lists[0])
        _, size_kind, index_kind = element.types[lists[0]].split()
        if "f" in size_kind + index_kind:
            raise InputError(f"{self._where}: expected whole numbers in vertex_indices")
        before = [(f"b{i}", self._order + kind) for i, kind in enumerate(element.types[: lists[0]])]
        after = [(f"a{i}", self._order + kind) for i, kind in enumerate(element.types[lists[0] + 1 :])]
        head = np.dtype([*before, ("size", self._order + size_kind)])
        pieces: list[npt.NDArray[np.int64]] = []
        done = 0
        while done < element.count:  # runs of polygons with the same number of corners are read in one go
            size = int(np.frombuffer(self._data, head, count=1, offset=self._room(head.itemsize))["size"][0])
            self._check_corners(size)
            row = np.dtype([*head.descr, ("corners", self._order + index_kind, (size,)), *after])
            most = min(element.count - done, (len(self._data) - self._at) // row.itemsize)
            if most < 1:
                raise InputError(f"{self._where} is truncated")
            length, step = 0, 64
            while length < most:
                rows = np.frombuffer(self._data, row, count=min(step, most - length), offset=self._at)
                other = np.flatnonzero(rows["size"] != size)
                rows = rows[: other[0]] if len(other) else rows
                pieces.append(_in_fours(rows["corners"].astype(np.int64)))
                length += len(rows)
                self._at += len(rows) * row.itemsize
                if len(other):
                    break
                step = min(step * 8, 2**20)
            done += length
        return self._indices(np.concatenate(pieces) if pieces else np.zeros((0, 4), dtype=np.int64))

    def _text_polygons(self, element: _Element, place: int) -> npt.NDArray[np.int32]:
        after = len(element.types) - place - 1
        pieces: list[npt.NDArray[np.int64]] = []
        for _ in range(element.count):
            self._take_words(place, float)
            size = self._take_words(1, int)[0]
            self._check_corners(size)
            pieces.append(_in_fours(np.array([self._take_words(size, int)], dtype=np.int64)))
            self._take_words(after, float)
        return self._indices(np.concatenate(pieces) if pieces else np.zeros((0, 4), dtype=np.int64))

    def _check_corners(self, size: int) -> None:
        if not 3 <= size <= 255:
            raise InputError(f"{self._where}: a polygon has {size} corners, expected 3 to 255")

    def _indices(self, polygons: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        if polygons.size and (polygons.max() >= 2**31 or polygons.min() < -1):
            raise InputError(f"{self._where}: a polygon names a vertex that is not there")
        return polygons.astype(np.int32)

    def _room(self, size: int) -> int:
        if self._at + size > len(self._data):
            raise InputError(f"{self._where} is truncated")
        return self._at

    def _take(self, dtype: np.dtype, count: int) -> npt.NDArray:
        rows = (
            np.frombuffer(self._data, dtype, count=count, offset=self._room(dtype.itemsize * count))
            if count
            else (np.zeros(0, dtype))
        )
        self._at += dtype.itemsize * count
        return rows

    def _take_words(self, count: int, convert: Callable[[bytes], Number]) -> list[Number]:
        if self._word + count > len(self._words):
            raise InputError(f"{self._where} is truncated")
        words = self._words[self._word : self._word + count]
        self._word += count
        try:
            numbers = [convert(word) for word in words]
        except ValueError as error:
            raise InputError(f"{self._where}: its text holds something that is not a number") from error
        if any(abs(number) >= 2**62 for number in numbers):
            raise InputError(f"{self._where}: it holds a number that is too large")
        return numbers


def _in_fours(corners: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return polygons (m, c) as (m', 4): triangles with -1, quads as they are, larger ones as fans of triangles."""
    count = corners.shape[1]
    if count == 4:
        return corners
    fans = [np.stack([corners[:, 0], corners[:, i], corners[:, i + 1]], axis=1) for i in range(1, count - 1)]
    triangles = np.stack(fans, axis=1).reshape(-1, 3)
    return np.concatenate([triangles, np.full((len(triangles), 1), -1)], axis=1)


def _polygon_bytes(polygons: npt.NDArray[np.int32]) -> bytes:
    """Return the face element: a count and the corners, triangles and quads mixed in their order."""
    sizes = np.where(polygons[:, 3] >= 0, 4, 3)
    corners = np.ascontiguousarray(polygons, dtype="<i4").view(np.uint8).reshape(-1, 16)
    rows = np.concatenate([sizes[:, None].astype(np.uint8), corners], axis=1)
    kept = np.arange(17)[None, :] < (1 + 4 * sizes)[:, None]
    return rows[kept].tobytes()
