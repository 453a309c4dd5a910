"""ICT-FaceKit: the folder of OBJ files as its authors ship it, or one .npz with the same arrays.

The folder (FaceXModel) holds `generic_neutral_mesh.obj`, `identity000.obj` ... and one OBJ per expression, all of one
topology, in centimetres, +y up, +z out of the face; `vertex_indices.json` lists the expressions. A person is the neutral
mesh plus the identities' offsets times N(0, 1), as the project's own sampling script draws them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.files.bounded import read_bytes
from cephalon.files.document import parse_json
from cephalon.files.obj import read_obj
from cephalon.head.foreign.source import ForeignHead

NEUTRAL = "generic_neutral_mesh.obj"
_MM = 10.0
_MAX_OBJ_BYTES = 64 * 2**20
_LICENCE = "ICT-FaceKit: MIT licence, (c) 2020 USC Institute for Creative Technologies"
_OBTAIN = "https://github.com/ICT-VGL/ICT-FaceKit"
# Polygon ranges of the published mesh ("Full model" table of its README). Lacrimal fluid, eye blend and eye occlusion
# are films for a renderer's shading, lashes are cards that need the authors' picture of hairs: they are left out.
_POLYGONS = 26384
_PARTS = {
    "skin": (0, 14034),
    "left_eye": (21496, 23094),
    "right_eye": (23094, 24692),
    "gums_and_tongue": (14034, 17006),
    "teeth": (17006, 21496),
}
_INSIDE = (11248, 14062)  # vertices of the mouth's and the eyes' sockets
_BOTH = {"browInnerUp": ("browInnerUp_L", "browInnerUp_R"), "cheekPuff": ("cheekPuff_L", "cheekPuff_R")}


def is_folder(path: Path) -> bool:
    """Tell whether a folder is ICT-FaceKit's (or has it as `FaceXModel`)."""
    return (path / NEUTRAL).is_file() or (path / "FaceXModel" / NEUTRAL).is_file()


def read_folder(path: Path) -> ForeignHead:
    """Read the folder of OBJ files.

    Raises
    ------
    InputError
        If the neutral mesh or the identities are missing, or a file has another topology.
    """
    folder = path if (path / NEUTRAL).is_file() else path / "FaceXModel"
    neutral = read_obj(folder / NEUTRAL, unit="cm", max_bytes=_MAX_OBJ_BYTES).mesh
    digest = hashlib.sha256(read_bytes(folder / NEUTRAL, max_bytes=_MAX_OBJ_BYTES))
    names: list[str] = []
    listed = folder / "vertex_indices.json"
    if listed.is_file():
        data = parse_json(read_bytes(listed, max_bytes=2**22), where=str(listed))
        names = [str(name) for name in data.get("expressions", [])]

    def offsets(files: list[Path]) -> NDArray[np.float32]:
        found = np.zeros((len(files), *neutral.vertices.shape), np.float32)
        for i, file in enumerate(files):
            digest.update(read_bytes(file, max_bytes=_MAX_OBJ_BYTES))
            mesh = read_obj(file, unit="cm", max_bytes=_MAX_OBJ_BYTES).mesh
            if mesh.vertices.shape != neutral.vertices.shape:
                raise InputError(f"{file}: {len(mesh.vertices)} vertices, the neutral mesh has {len(neutral.vertices)}")
            found[i] = mesh.vertices - neutral.vertices
        return found

    identities = sorted(folder.glob("identity[0-9][0-9][0-9].obj"))[:200]
    if not identities:
        raise InputError(f"{folder}: no identity000.obj beside {NEUTRAL}")
    names = [name for name in names if Path(name).name == name and (folder / f"{name}.obj").is_file()]
    notes = (f"{len(identities)} identities and {len(names)} expressions found in the folder",)
    return _head(
        neutral.vertices,
        neutral.polygons,
        neutral.uv,
        neutral.polygons_uv,
        offsets(identities),
        offsets([folder / f"{name}.obj" for name in names]),
        names,
        digest.hexdigest(),
        notes,
    )


def is_arrays(keys: set[str]) -> bool:
    """Tell whether an .npz holds ICT-FaceKit's arrays."""
    return {"vertices", "faces", "identity", "expression", "expression_names", "part_names"} <= keys


def read_arrays(arrays: dict[str, NDArray[Any]], sha256: str) -> ForeignHead:
    """Read the arrays `vertices`, `faces`, `uv`, `face_uv`, `identity`, `expression`, `expression_names` (cm)."""
    return _head(
        arrays["vertices"].astype(np.float64) * _MM,
        arrays["faces"],
        arrays["uv"].astype(np.float64),
        arrays["face_uv"],
        arrays["identity"].astype(np.float32) * np.float32(_MM),
        arrays["expression"].astype(np.float32) * np.float32(_MM),
        [str(name) for name in arrays["expression_names"]],
        sha256,
        (),
    )


def _head(
    vertices: NDArray[np.float64],
    polygons: NDArray[np.int32],
    uv: NDArray[np.float64] | None,
    polygons_uv: NDArray[np.int32] | None,
    identity: NDArray[np.float32],
    expression: NDArray[np.float32],
    names: list[str],
    sha256: str,
    notes: tuple[str, ...],
) -> ForeignHead:
    if len(polygons) != _POLYGONS:
        raise InputError(
            f"ICT-FaceKit: expected the published mesh of {_POLYGONS} polygons, got {len(polygons)} polygons"
        )
    shapes, arkit_names = _arkit(expression, names)
    return ForeignHead(
        kind="ICT-FaceKit",
        licence=_LICENCE,
        obtain=_OBTAIN,
        vertices=vertices,
        polygons=polygons,
        uv=None if uv is None else _one_chart(uv),
        polygons_uv=polygons_uv,
        parts={name: np.arange(*span) for name, span in _PARTS.items()},
        identity=identity,
        expression=shapes,
        expression_names=arkit_names,
        arkit=len(arkit_names) >= 40,
        inside=np.arange(*_INSIDE),
        sha256=sha256,
        notes=(
            *notes,
            "centimetres, taken as shipped: its mean head is about 4 % larger than ours",
            "films over the eyes (lacrimal fluid, blend, occlusion) and lashes are left out",
            "a person is neutral + identities x N(0, 1), as its own sampling script does",
        ),
    )


def _arkit(expression: NDArray[np.float32], names: list[str]) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Return the shapes by ARKit's names: _L and _R spelled out, the two halves of browInnerUp and cheekPuff joined."""
    at = {name: i for i, name in enumerate(names)}
    shapes: dict[str, NDArray[np.float32]] = {}
    halves = {half for pair in _BOTH.values() for half in pair}
    for name, i in at.items():
        if name in halves or name.startswith(("PupilDilate", "cheekRaiser")):
            continue
        shapes[name.replace("_L", "Left").replace("_R", "Right")] = expression[i]
    for name, pair in _BOTH.items():
        if all(half in at for half in pair):
            shapes[name] = expression[at[pair[0]]] + expression[at[pair[1]]]
    stacked = np.stack(list(shapes.values())) if shapes else np.zeros((0, *expression.shape[1:]), np.float32)
    return stacked, tuple(shapes)


def _one_chart(uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one chart for the skin: the face's tile above, the tile of the back of the head below it.

    The published coordinates put each material into a unit tile of its own. Both tiles are symmetric about their
    middle, so the chart is symmetric about u = 0.5. Tiles of other parts are folded back into [0, 1].
    """
    tile = np.floor(uv[:, 0])
    u = uv[:, 0] - tile
    v = np.where(tile == 0, 0.34 + 0.66 * uv[:, 1], np.where(tile == 1, 0.33 * uv[:, 1], uv[:, 1]))
    return np.stack([u, v], axis=1)
