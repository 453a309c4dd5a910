"""One table of the file formats, and reading a mesh from any of them, in mm."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from cephalon.core import InputError
from cephalon.files.bounded import StrPath
from cephalon.files.document import read_json, write_json
from cephalon.files.glb import read_glb
from cephalon.files.gltf import write_glb
from cephalon.files.obj import UNITS_MM, read_obj, write_obj
from cephalon.files.ply import read_ply, write_ply
from cephalon.files.png import read_png, write_png
from cephalon.files.stl import read_stl, write_stl
from cephalon.files.usd import write_usdz
from cephalon.geometry import Mesh


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A file format.

    Attributes
    ----------
    extension : with the dot, lower case.
    what : in words, for messages.
    kind : "mesh", "picture" or "document".
    reader, writer : functions whose first argument is the path; no reader for a format that is only written.
    unit : of lengths in the file as we write it: "m", "mm", or None.
    up : the axis that points up in the file, or None.
    extra : the optional dependency group it needs, or None.
    """

    extension: str
    what: str
    kind: Literal["mesh", "picture", "document"]
    writer: Callable[..., None]
    reader: Callable[..., Any] | None = None
    unit: str | None = None
    up: str | None = None
    extra: str | None = None


FORMATS: dict[str, Format] = {
    entry.extension: entry
    for entry in (
        Format(extension=".glb", what="binary glTF", kind="mesh", reader=read_glb, writer=write_glb, unit="m", up="+y"),
        Format(
            extension=".obj", what="Wavefront OBJ", kind="mesh", reader=read_obj, writer=write_obj, unit="mm", up="+y"
        ),
        Format(extension=".ply", what="PLY", kind="mesh", reader=read_ply, writer=write_ply, unit="mm", up="+y"),
        Format(extension=".stl", what="STL", kind="mesh", reader=read_stl, writer=write_stl, unit="mm", up="+y"),
        Format(extension=".usdz", what="USD package", kind="mesh", writer=write_usdz, unit="m", up="+y", extra="usd"),
        Format(extension=".png", what="PNG picture", kind="picture", reader=read_png, writer=write_png),
        Format(extension=".json", what="JSON document", kind="document", reader=read_json, writer=write_json),
    )
}


def format_of(path: StrPath, *, kind: str | None = None) -> Format:
    """Return the format of a path by its extension (in any case).

    Raises
    ------
    InputError
        If the extension is not in the table, or not of the wanted kind; the message lists those that are.
    """
    extension = Path(path).suffix.lower()
    known = {name: entry for name, entry in FORMATS.items() if kind is None or entry.kind == kind}
    if extension not in known:
        raise InputError(
            f"{os.fspath(path)}: expected a file name that ends with one of {', '.join(known)}, "
            f"got {extension or 'no extension'}"
        )
    return known[extension]


def read_mesh(path: StrPath, *, unit: str | None = None) -> Mesh:
    """Read the mesh of a GLB, OBJ, PLY or STL file, in mm.

    Parameters
    ----------
    path : of the file.
    unit : "mm", "cm", "m" or "in", of the numbers in an OBJ, PLY or STL file that does not declare it. GLB is in metres by
        its standard; a `unit` given for it replaces that (some programs write other units).

    Raises
    ------
    InputError
        If the file cannot be read, or its unit is neither declared nor given: units are never guessed.
    """
    if unit is not None and unit not in UNITS_MM:
        raise InputError(f"unit: expected one of {', '.join(UNITS_MM)}, got {unit!r}")
    entry = format_of(path, kind="mesh")
    if entry.reader is read_glb:
        mesh = read_glb(path).mesh()
        scale = 1.0 if unit is None else UNITS_MM[unit] / UNITS_MM["m"]
        return mesh if scale == 1.0 else mesh.with_vertices(np.asarray(mesh.vertices) * scale)
    if entry.reader is None:
        raise InputError(
            f"{os.fspath(path)}: {entry.what} files are written, not read; give a GLB, OBJ, PLY or STL file"
        )
    if entry.reader is read_stl:
        if unit is None:
            raise InputError(f"{os.fspath(path)} does not say its unit of length: give one of {', '.join(UNITS_MM)}")
        mesh = read_stl(path)
        return mesh if unit == "mm" else mesh.with_vertices(np.asarray(mesh.vertices) * UNITS_MM[unit])
    loaded = entry.reader(path, unit=unit)
    if loaded.unit is None:
        raise InputError(f"{os.fspath(path)} does not say its unit of length: give one of {', '.join(UNITS_MM)}")
    return loaded.mesh
