"""Arrays of numbers from MATLAB 5 files (MathWorks, "MAT-File Format", 2023), read with bounds.

Nothing but full real numeric matrices is understood: cells, structures, sparse and complex arrays, text and objects are
passed over. Every size in the file is checked against the bytes that are there.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError

_MATRIX, _COMPRESSED = 14, 15
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_NUMERIC_CLASSES = range(6, 16)
_COMPLEX = 0x08
_HEADER_BYTES = 128
_MOST_NAME_AND_SHAPE_BYTES = 4096


def read_mat5(data: bytes, names: Collection[str], *, most_numbers: int) -> dict[str, NDArray[np.generic]]:
    """Return the named matrices of a file by name, those that are there and are full real matrices of numbers.

    Raises
    ------
    InputError
        If the file is damaged, or a named matrix states more than `most_numbers` numbers.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if len(data) < _HEADER_BYTES or order is None:
        raise InputError("not a MATLAB 5 file")
    found: dict[str, NDArray[np.generic]] = {}
    try:
        for kind, body in _elements(memoryview(data)[_HEADER_BYTES:], order):
            # of a compressed element the beginning is looked at first
            start = _inflated(body, _MOST_NAME_AND_SHAPE_BYTES) if kind == _COMPRESSED else None
            matrix = _matrix(kind, body, order) if start is None else _matrix(_kind(start, order), start[8:], order)
            if matrix is None or matrix.name not in names:
                continue
            matrix.check(most_numbers)
            whole = body if start is None else _inflated(body, _MOST_NAME_AND_SHAPE_BYTES + matrix.most_bytes)[8:]
            found[matrix.name] = matrix.values(whole, order)
    except (struct.error, zlib.error, ValueError, IndexError, KeyError, OverflowError) as error:
        raise InputError(f"a damaged MATLAB 5 file ({error})") from error
    return found


class _Matrix:
    """Name, shape and place of the numbers of a full real matrix."""

    def __init__(self, name: str, shape: tuple[int, ...], numbers_at: int) -> None:
        self.name = name
        self._shape = shape
        self._at = numbers_at

    def check(self, most_numbers: int) -> None:
        if min(self._shape) < 0 or math.prod(self._shape) > most_numbers:
            raise InputError(
                f"{self.name} of size {' x '.join(map(str, self._shape))} is not what its layout documents"
            )

    @property
    def most_bytes(self) -> int:
        """Of its numbers, whatever type they are stored as."""
        return 8 * math.prod(self._shape)

    def values(self, body: memoryview, order: str) -> NDArray[np.generic]:
        kind, raw, _ = _element(body, self._at, order)
        dtype = np.dtype(order + _STORED[kind])
        if len(raw) != math.prod(self._shape) * dtype.itemsize:
            raise ValueError(f"{self.name} states another size than it has")
        return np.frombuffer(raw, dtype=dtype).reshape(self._shape, order="F")


def _kind(data: memoryview, order: str) -> int:
    return struct.unpack(f"{order}I", data[:4])[0]


def _matrix(kind: int, body: memoryview, order: str) -> _Matrix | None:
    """Read what comes before the numbers of an element; None for what is no full real matrix of numbers."""
    if kind != _MATRIX:
        return None
    _, flags, at = _element(body, 0, order)
    word = _kind(flags, order)
    if word & 0xFF not in _NUMERIC_CLASSES or (word >> 8) & _COMPLEX:
        return None
    stored, shape, at = _element(body, at, order)
    if stored != 5 or not 2 <= len(shape) // 4 <= 8:
        raise ValueError("its dimensions are not stated")
    _, name, at = _element(body, at, order)
    sizes = struct.unpack(f"{order}{len(shape) // 4}i", shape)
    return _Matrix(str(name, "ascii", "replace"), sizes, at)


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    at = 0
    while at + 8 <= len(data):
        kind, body, after = _element(data, at, order)
        yield kind, body
        at = at + 8 + len(body) if kind == _COMPRESSED else after  # compressed elements are not padded


def _element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Return type and bytes of the element at a place, and where the next one starts (elements are padded to 8)."""
    first, size = struct.unpack(f"{order}2I", data[at : at + 8])
    if first >> 16:  # a small element: size and type in one word, up to four bytes in the next
        size = first >> 16
        if size > 4:
            raise ValueError("a small element states more than four bytes")
        return first & 0xFFFF, data[at + 4 : at + 4 + size], at + 8
    if at + 8 + size > len(data):
        raise ValueError("it is cut short")
    return first, data[at + 8 : at + 8 + size], at + 8 + size + -size % 8


def _inflated(data: memoryview, most: int) -> memoryview:
    return memoryview(zlib.decompressobj().decompress(data, most))
