# pyright: reportAttributeAccessIssue=false, reportOptionalOperand=false
# h5py tells groups from data sets at run time.
"""The Basel Face Models: 2009 (.mat, MATLAB 5 or 7.3) and 2017 / 2019 (.h5, Statismo layout).

2009 (Paysan et al.): `shapeMU` (3n, 1) micrometres, `shapePC` (3n, 199) orthonormal, `shapeEV` (199, 1) standard
deviations, `tl` (t, 3) triangles from 1, seen from inside. 2017 and 2019 (Gerig et al.): `shape/model/mean` (3n,) mm,
`shape/model/pcaBasis` (3n, 199) orthonormal, `shape/model/pcaVariance` (199,), `shape/representer/cells` (3, t). Their
colour and expression spaces are principal components and are not used; expressions are ours, carried over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, MissingExtraError, as_array
from cephalon.files.bounded import read_bytes
from cephalon.head.foreign.mat5 import read_mat5
from cephalon.head.foreign.source import MAX_MODEL_BYTES, MOST_NUMBERS, ForeignHead, outward, triangles_as_polygons

Float = NDArray[np.float64]

_LICENCE = "Basel Face Model {year}: University of Basel; for non-commercial research after registration"
_OBTAIN = {
    "2009": "https://faces.dmi.unibas.ch/bfm/ (registration)",
    "2017 / 2019": "https://faces.dmi.unibas.ch/bfm/bfm2019.html (registration)",
}
_MM_OF_MICROMETRES = 1e-3
_NAMES_2009 = ("shapeMU", "shapePC", "shapeEV", "tl")


def read_mat(path: Path, sha256: str) -> ForeignHead:
    """Read 01_MorphableModel.mat of the model of 2009.

    Raises
    ------
    InputError
        If the file is damaged or not of the documented layout.
    """
    data = read_bytes(path, max_bytes=MAX_MODEL_BYTES, what="head model")
    try:
        values = (
            _mat73(path) if b"MATLAB 7.3" in data[:128] else read_mat5(data, _NAMES_2009, most_numbers=MOST_NUMBERS)
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    missing = set(_NAMES_2009) - set(values)
    if missing:
        raise InputError(
            f"{path}: a Basel Face Model of 2009 has {', '.join(sorted(missing))} as arrays of numbers; this file does not"
        )
    mean = np.asarray(values["shapeMU"], dtype=np.float64).reshape(-1) * _MM_OF_MICROMETRES
    sd = np.asarray(values["shapeEV"], dtype=np.float64).reshape(-1) * _MM_OF_MICROMETRES
    return _head(
        "2009", mean, np.asarray(values["shapePC"]), sd, as_array("tl", values["tl"], (None, 3), np.int64) - 1, sha256
    )


def read_h5(path: Path, sha256: str) -> ForeignHead:
    """Read a model of 2017 or 2019 (needs h5py).

    Raises
    ------
    MissingExtraError
        Without h5py.
    InputError
        If the file is damaged or not of the documented layout.
    """
    names = {
        "mean": "shape/model/mean",
        "basis": "shape/model/pcaBasis",
        "variance": "shape/model/pcaVariance",
        "cells": "shape/representer/cells",
    }
    values = _hdf5(path, names)
    cells = as_array("shape/representer/cells", values["cells"], (None, None), np.int64)
    triangles = cells.T if cells.shape[0] == 3 else cells
    sd = np.sqrt(np.maximum(values["variance"].astype(np.float64).reshape(-1), 0))
    return _head("2017 / 2019", values["mean"].astype(np.float64).reshape(-1), values["basis"], sd, triangles, sha256)


def _mat73(path: Path) -> dict[str, NDArray[Any]]:
    """MATLAB 7.3 is HDF5 with axes in the other order."""
    found = _hdf5(path, {name: name for name in _NAMES_2009})
    return {name: value.T for name, value in found.items()}


def _hdf5(path: Path, names: dict[str, str]) -> dict[str, NDArray[Any]]:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(f"{path}: reading HDF5 files", "models") from error
    try:
        with h5py.File(path, "r") as file:
            found = {}
            for key, name in names.items():
                if name not in file or not isinstance(file[name], h5py.Dataset):
                    raise InputError(f"{path}: a Basel Face Model has {name}; this file does not")
                entry = file[name]
                if entry.file != file or entry.external or entry.is_virtual:
                    raise InputError(f"{path}: {name} lies in another file; only the file itself is read")
                if entry.size is None or entry.size > MOST_NUMBERS or entry.dtype.kind not in "fiu":
                    raise InputError(f"{path}: {name} is not an array of the documented size")
                found[key] = np.asarray(entry)
            return found
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: not a readable HDF5 file ({error})") from error


def _head(
    year: str, mean: Float, basis: NDArray[Any], sd: Float, triangles: NDArray[np.int64], sha256: str
) -> ForeignHead:
    if len(mean) % 3 or basis.shape != (len(mean), len(sd)):
        raise InputError(
            f"Basel Face Model {year}: expected a mean of 3n numbers and a basis (3n, modes),"
            f" got {mean.shape} and {basis.shape} for {len(sd)} modes"
        )
    vertices = mean.reshape(-1, 3)
    n = len(vertices)
    scaled = (np.asarray(basis, dtype=np.float32) * sd.astype(np.float32)).reshape(n, 3, -1)
    return ForeignHead(
        kind=f"Basel Face Model {year}",
        licence=_LICENCE.format(year=year),
        obtain=_OBTAIN[year],
        vertices=vertices,
        polygons=outward(vertices, triangles_as_polygons(triangles)),
        identity=np.ascontiguousarray(np.moveaxis(scaled, 2, 0)),
        sha256=sha256,
        notes=(
            "no eyeballs, joints, expressions by name nor texture coordinates of its own: eyes, joints and expressions"
            " are ours",
            "its colour and expression components are not used",
        ),
    )
