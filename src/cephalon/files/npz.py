"""NumPy archives (.npz) read with bounds and without pickles."""

from __future__ import annotations

import io
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError

MAX_UNPACKED_BYTES = 1024 * 2**20
# What zipfile and numpy raise on damaged bytes.
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, tokenize.TokenError, OSError, EOFError, ValueError, TypeError, KeyError,
    IndexError, AttributeError, SyntaxError, OverflowError, MemoryError, RuntimeError, NotImplementedError, RecursionError,
)  # fmt: skip


def npz_names(data: bytes, *, where: str, what: str = "archive of arrays") -> set[str]:
    """Return the names of the arrays in an archive; raises as `read_npz`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except _DAMAGE as error:
        raise _unreadable(where, what, error) from error


def read_npz(
    data: bytes, *, where: str, what: str = "archive of arrays", max_unpacked: int = MAX_UNPACKED_BYTES
) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive by name; those that would need a pickle are left out.

    Every array is checked against its own header before memory is taken for it; `where` and `what` name the file and its
    kind in messages.

    Raises
    ------
    InputError
        If the archive is damaged, unpacks to more than `max_unpacked` bytes, or an array claims more than it holds.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > max_unpacked:
                raise InputError(f"{where}: it unpacks to more than {max_unpacked / 2**30:.3g} GiB")
            for entry in entries:
                if entry.filename.endswith(".npy"):
                    with archive.open(entry) as stream:
                        array = _array(stream.read(), f"{where}: {entry.filename[:80]}")
                    if array is not None:
                        found[entry.filename.removesuffix(".npy")] = array
    except InputError:
        raise
    except _DAMAGE as error:
        raise _unreadable(where, what, error) from error
    return found


def read_npy(data: bytes, *, where: str) -> NDArray[Any]:
    """Return the array of numbers of a .npy file.

    Raises
    ------
    InputError
        If it is damaged, claims more than it holds, or holds no numbers.
    """
    try:
        array = _array(data, where)
    except InputError:
        raise
    except _DAMAGE as error:
        raise _unreadable(where, ".npy file", error) from error
    if array is None or array.dtype.kind not in "fiu":
        raise InputError(f"{where}: expected an array of numbers")
    return array


def _array(data: bytes, where: str) -> NDArray[Any] | None:
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        return None
    count = 1
    for size in shape:
        count *= size
    if count * dtype.itemsize != len(data) - stream.tell():
        raise InputError(f"{where} claims {count} numbers and holds others; get the file anew")
    flat = np.frombuffer(data, dtype=dtype, offset=stream.tell(), count=count) if count else np.zeros(0, dtype)
    return flat.reshape(shape, order="F" if fortran else "C")


def _unreadable(where: str, what: str, error: BaseException) -> InputError:
    text = " ".join(str(error).split()) or type(error).__name__
    return InputError(f"{where}: not a readable {what} ({text:.100}); get the file anew")
