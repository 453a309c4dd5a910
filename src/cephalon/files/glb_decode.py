"""The ground floor of the GLB reader: chunks, and accessors decoded without trust in any number the file gives."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_JSON_CHUNK_BYTES = 16 * 2**20
MOST_ENTRIES = 200_000
_FREE_BUDGET = 256 * 2**20
_BUDGET_PER_BYTE = 24

_COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_NORMALISED_BY = {"<i1": 127.0, "<u1": 255.0, "<i2": 32767.0, "<u2": 65535.0}

FloatArray = npt.NDArray[np.float64]


class DamagedError(Exception):
    """Something in the file is wrong; the message says what and where. `parse_glb` makes an `InputError` of it."""


def chunks(data: bytes) -> tuple[bytes, memoryview]:
    """Return the JSON chunk and the binary chunk (empty if there is none)."""
    if len(data) < 12 or data[:4] != b"glTF":
        raise DamagedError("it does not start as a GLB file does")
    version, length = struct.unpack("<II", data[4:12])
    if version != 2:
        raise DamagedError(f"it has version {version}, expected 2")
    if length > len(data):
        raise DamagedError(f"it is truncated: {len(data)} bytes of {length}")
    view = memoryview(data)[:length]
    at, found = 12, []
    while at + 8 <= length and len(found) < 2:
        size, kind = struct.unpack("<I4s", view[at : at + 8])
        if at + 8 + size > length:
            raise DamagedError(f"the chunk at byte {at} claims {size} bytes, more than the file has")
        found.append((kind, view[at + 8 : at + 8 + size]))
        at += 8 + size
    if not found or found[0][0] != b"JSON":
        raise DamagedError("its first chunk is not JSON")
    if len(found[0][1]) > MAX_JSON_CHUNK_BYTES:
        raise DamagedError(f"its JSON chunk is larger than {MAX_JSON_CHUNK_BYTES // 2**20} MiB")
    binary = found[1][1] if len(found) > 1 and found[1][0] == b"BIN\0" else memoryview(b"")
    return bytes(found[0][1]), binary


class Document:
    """A glTF document and its binary chunk; every look into it is checked, every allocation charged to a budget first.

    Parameters
    ----------
    table : the JSON chunk.
    binary : the binary chunk.
    size : bytes of the file, which set the budget.
    """

    def __init__(self, table: dict[str, Any], binary: memoryview, size: int) -> None:
        self.table = table
        self._binary = binary
        self._budget = _FREE_BUDGET + _BUDGET_PER_BYTE * size
        self._decoded: dict[int, npt.NDArray[Any]] = {}

    def entries(self, name: str) -> list[Any]:
        """Return a list of the document by its name, empty if it is not there."""
        value = self.table.get(name, [])
        if not isinstance(value, list):
            raise DamagedError(f"{name} is not a list")
        if len(value) > MOST_ENTRIES:
            raise DamagedError(f"{name} has {len(value)} entries, the limit is {MOST_ENTRIES}")
        return value

    def entry(self, name: str, index: Any, place: str) -> dict[str, Any]:
        """Return one object of such a list."""
        items = self.entries(name)
        number = whole(index, f"{place}: index into {name}")
        if number >= len(items):
            raise DamagedError(f"{place}: there is no entry {number} in {name}")
        item = items[number]
        if not isinstance(item, dict):
            raise DamagedError(f"{name}[{number}] is not an object")
        return item

    def charge(self, amount: int, place: str) -> None:
        """Take bytes from the budget before they are allocated."""
        self._budget -= amount
        if self._budget < 0:
            raise DamagedError(f"{place}: it would need much more memory than its size warrants")

    def view(self, index: Any, place: str) -> tuple[memoryview, int]:
        """Return the bytes of a buffer view and its byte stride (0 if packed)."""
        view = self.entry("bufferViews", index, place)
        if view.get("buffer") != 0:
            raise DamagedError(f"{place}: buffers outside the GLB file are not read")
        buffer = self.entry("buffers", 0, place)
        if "uri" in buffer:
            raise DamagedError(f"{place}: buffers outside the GLB file are not read")
        offset = whole(view.get("byteOffset", 0), f"{place}: byteOffset")
        length = whole(view.get("byteLength"), f"{place}: byteLength")
        stride = whole(view.get("byteStride", 0), f"{place}: byteStride")
        if offset + length > len(self._binary):
            raise DamagedError(f"{place}: its buffer view ends at byte {offset + length} of {len(self._binary)}")
        if stride and not 4 <= stride <= 252:
            raise DamagedError(f"{place}: expected a byteStride from 4 to 252, got {stride}")
        return self._binary[offset : offset + length], stride

    def _strided(self, entry: Mapping[str, Any], dtype: str, width: int, count: int, place: str) -> npt.NDArray[Any]:
        """Return a view (count, width) of packed or interleaved numbers of the binary chunk."""
        data, stride = self.view(entry.get("bufferView"), place)
        offset = whole(entry.get("byteOffset", 0), f"{place}: byteOffset")
        item = np.dtype(dtype).itemsize
        stride = stride or item * width
        if stride < item * width:
            raise DamagedError(f"{place}: a byteStride of {stride} is less than one element")
        if count and offset + stride * (count - 1) + item * width > len(data):
            raise DamagedError(f"{place}: {count} elements do not fit into its buffer view of {len(data)} bytes")
        if not count:
            return np.zeros((0, width), dtype=dtype)
        return np.ndarray((count, width), dtype, buffer=data, offset=offset, strides=(stride, item))

    def accessor(self, index: Any, kinds: tuple[str, ...], place: str) -> npt.NDArray[Any]:
        """Return a decoded accessor (count, width): float32 if it holds floats or is normalised, else integers."""
        number = whole(index, place)
        if number not in self._decoded:
            self._decoded[number] = self._decode(self.entry("accessors", number, place), f"accessor {number}")
            self._decoded[number].flags.writeable = False
        array = self._decoded[number]
        if array.shape[1] not in [_WIDTHS[kind] for kind in kinds]:
            raise DamagedError(f"{place}: expected an accessor of type {' or '.join(kinds)}")
        return array

    def _decode(self, entry: dict[str, Any], place: str) -> npt.NDArray[Any]:
        dtype = choice(entry.get("componentType"), _COMPONENTS, f"{place}: componentType")
        width = choice(entry.get("type"), _WIDTHS, f"{place}: type")
        count = whole(entry.get("count"), f"{place}: count")
        self.charge(count * width * 4 + 64, place)
        if "bufferView" in entry:
            array = np.array(self._strided(entry, dtype, width, count, place))
        else:
            array = np.zeros((count, width), dtype=dtype)
        if "sparse" in entry:
            sparse = subtable(entry, "sparse", place)
            places = subtable(sparse, "indices", f"{place}: sparse")
            moved = whole(sparse.get("count"), f"{place}: sparse count")
            if moved > count:
                raise DamagedError(f"{place}: it has {moved} sparse values for {count} elements")
            kind = choice(places.get("componentType"), _COMPONENTS, f"{place}: sparse indices: componentType")
            if kind not in ("<u1", "<u2", "<u4"):
                raise DamagedError(f"{place}: expected sparse indices of an unsigned type")
            rows = self._strided(places, kind, 1, moved, f"{place}: sparse indices")[:, 0].astype(np.int64)
            if moved and (rows.max() >= count or (np.diff(rows) <= 0).any()):
                raise DamagedError(f"{place}: expected increasing sparse indices below {count}")
            values = subtable(sparse, "values", f"{place}: sparse")
            array[rows] = self._strided(values, dtype, width, moved, f"{place}: sparse values")
        if entry.get("normalized") is True and dtype in _NORMALISED_BY:
            array = np.maximum(array.astype(np.float32) / np.float32(_NORMALISED_BY[dtype]), np.float32(-1))
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise DamagedError(f"{place}: it holds NaN or infinity")
        return array


def vector(value: Any, length: int, place: str) -> FloatArray:
    """Return a list of `length` numbers, each below 1e12 in size, as an array, or raise DamagedError."""
    if not isinstance(value, list) or len(value) != length:
        raise DamagedError(f"{place}: expected {length} numbers")
    numbers = [real(item, place) for item in value]
    if any(abs(number) > 1e12 for number in numbers):
        raise DamagedError(f"{place}: expected numbers below 1e12")
    return np.array(numbers)


def real(value: Any, place: str) -> float:
    """Return a finite number, or raise DamagedError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DamagedError(f"{place}: expected a number, got {value!r:.40}")
    if abs(value) > 1e300:
        raise DamagedError(f"{place}: expected a number below 1e300")
    return float(value)


def whole(value: Any, place: str) -> int:
    """Return a whole number from 0 to 2^40, or raise DamagedError."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**40:
        raise DamagedError(f"{place}: expected a whole number from 0, got {value!r:.40}")
    return value


def whole_numbers(value: Any, place: str) -> list[int]:
    """Return a list of whole numbers, or raise DamagedError."""
    if not isinstance(value, list) or len(value) > MOST_ENTRIES:
        raise DamagedError(f"{place}: expected a list of numbers")
    return [whole(item, place) for item in value]


def choice(value: Any, table: Mapping[Any, Any], place: str) -> Any:
    """Return what the table has for a key, or raise DamagedError."""
    if not isinstance(value, int | str) or value not in table:
        raise DamagedError(f"{place}: expected one of {', '.join(map(str, table))}, got {value!r:.40}")
    return table[value]


def subtable(parent: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    """Return the object that `parent` holds by a name, or raise DamagedError."""
    value = parent.get(name)
    if not isinstance(value, dict):
        raise DamagedError(f"{place}: it has no {name}")
    return value


def optional_text(value: Any) -> str | None:
    """Return a text cut to 1,000 characters, None for anything else."""
    return value[:1000] if isinstance(value, str) and value else None
