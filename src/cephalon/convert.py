"""A head from one format or one model's topology to another's."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.files.document import write_json
from cephalon.files.formats import FORMATS, read_mesh
from cephalon.files.obj import obj_bytes
from cephalon.files.ply import ply_bytes
from cephalon.files.stl import stl_bytes
from cephalon.geometry import Mesh, connected_pieces, face_areas
from cephalon.head import HeadModel
from cephalon.head.foreign import Carried, carry_head, carry_surface
from cephalon.values import Head

Distances = dict[str, dict[str, float]]
_WRITTEN = (".glb", ".obj", ".ply", ".stl", ".usdz", ".json")
_MESH_ALONE = (".obj", ".ply", ".stl")


def convert(
    path: str | Path,
    output: str | Path,
    *,
    source: HeadModel | None = None,
    target: HeadModel | None = None,
    carry: bool = False,
    unit: str | None = None,
    fitted: bool = False,
) -> Distances:
    """Convert a head.

    Parameters
    ----------
    path : a folder that `save` wrote, its fit.json, or a mesh file of a head (.glb, .obj, .ply, .stl).
    output : the file to write. With `carry`, .obj, .ply and .stl hold the target's topology laid on the given head;
        .glb and .usdz, and everything with `fitted`, hold the target model's closest person with its rig; .json holds
        that person's code.
    source : the head model of a fit.json; None for ours.
    target : the model to carry to; None for ours.
    unit : of a mesh file that does not say its own.

    Returns
    -------
    With `carry`: "mesh" (the carried topology) and "code" (the model's closest person) -> median and 95 % distance to
    the given surface, mm.

    Raises
    ------
    InputError
        If a file cannot be read or written, or the surface is not a head.
    """
    path, output = Path(path), Path(output)
    suffix = output.suffix.lower()
    if suffix not in _WRITTEN:
        raise InputError(f"{output}: expected a file name ending in one of {', '.join(_WRITTEN)}")
    head = _head(path, source)
    if not carry:
        if head is not None:
            if suffix == ".json":
                raise InputError(f"{output}: a code is written with --to; without it, give a mesh format")
            head.write_mesh(output)
        else:
            _write_mesh(output, read_mesh(path, unit=unit))
        return {}
    model = target or HeadModel.load()
    if head is not None:
        carried = carry_head(head.model, head.code, model)
    else:
        mesh = read_mesh(path, unit=unit)
        vertices, faces = _largest_piece(mesh)
        carried = carry_surface(vertices, faces, model)
    _write_carried(output, model, carried, fitted=fitted)
    return carried.distances_mm


def _head(path: Path, model: HeadModel | None) -> Head | None:
    """Read a result; None for a mesh file."""
    if path.is_dir():
        return Head.load(path, model=model)
    if path.suffix.lower() == ".json":
        if path.name != "fit.json":
            raise InputError(f"{path}: of .json files only the fit.json of a result folder holds a head")
        return Head.load(path.parent, model=model)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    entry = FORMATS.get(path.suffix.lower())
    if entry is None or entry.kind != "mesh":
        raise InputError(f"{path}: expected a result folder, a fit.json, or a .glb, .obj, .ply or .stl file")
    return None


def _largest_piece(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Weld equal vertices and keep the largest connected piece: the skin, without eyes, teeth and lashes."""
    vertices, number = np.unique(np.round(mesh.vertices, 4), axis=0, return_inverse=True)
    faces = np.asarray(number).reshape(-1)[mesh.faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    if not len(faces):
        raise InputError("this mesh has no triangles: a head's surface is needed")
    of_face = connected_pieces(faces, len(vertices))
    faces = faces[of_face == np.bincount(of_face, weights=face_areas(vertices, faces)).argmax()]
    used, number = np.unique(faces, return_inverse=True)
    return vertices[used], np.asarray(number).reshape(-1, 3).astype(np.int32)


def _write_carried(output: Path, model: HeadModel, carried: Carried, *, fitted: bool) -> None:
    suffix = output.suffix.lower()
    if suffix == ".json":
        write_json(
            output,
            {
                "schema": "cephalon.code",
                "schema_version": 1,
                "model": {"name": model.meta.get("name", ""), "sha256": model.sha256},
                "identity": [round(float(x), 5) for x in carried.code.identity],
                "distances_mm": carried.distances_mm,
            },
        )
    elif fitted or suffix not in _MESH_ALONE:
        Head(model=model, identity=carried.code.identity).write_mesh(output)
    else:
        _write_mesh(output, model.topology.with_vertices(carried.vertices))


def _write_mesh(output: Path, mesh: Mesh) -> None:
    suffix = output.suffix.lower()
    if not len(mesh.faces):
        raise InputError(f"{output}: the mesh has vertices alone, no polygons")
    if suffix == ".obj":
        write_bytes(output, obj_bytes(mesh, comment="Cephalon"))
    elif suffix == ".ply":
        write_bytes(output, ply_bytes(mesh, quads=True))
    elif suffix == ".stl":
        write_bytes(output, stl_bytes(mesh))
    else:
        raise InputError(
            f"{output}: a bare mesh has no rig; give .obj, .ply or .stl, or carry it to a head model with --to cephalon"
        )
