"""Expressions of ICT-FaceKit (USC Institute for Creative Technologies, MIT licence), by ARKit's names.

Its shapes were sculpted on faces scanned in a light stage: lips, lids and cheeks move as real ones do. The file is
``ict_facekit.npz``: `vertices` (v, 3) cm, `faces` (m, 4) with -1 as fourth corner of a triangle, `expression` (e, v, 3),
`expression_names`, `part_names` and `part_face_range` (the last one included), `landmarks68`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.regions import ring_numbers
from cephalon.geometry import boundary_loops

Float = NDArray[np.float64]

FOLDER_VARIABLE = "CEPHALON_ICT"
"""Environment variable with the folder of ICT-FaceKit's arrays."""

FILE = "ict_facekit.npz"

MM_PER_UNIT = 10.0

LID_MARGIN_RING = 2
LIP_LINE_RING = 7
"""Rings of vertices from the sockets' borders at which the lids' margins and the line between the lips lie."""

BOTH_SIDES = ("browInnerUp", "cheekPuff")
"""ARKit's shapes that ICT-FaceKit has for each side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpressionFace:
    """ICT-FaceKit's neutral mean and its expressions, in mm, axes as the head frame's, origin its own.

    Attributes
    ----------
    vertices : (v, 3) all parts.
    triangles : (t, 3) int, the outer skin of face, head and neck.
    expressions : ARKit name -> (v, 3) offsets at coefficient 1.
    landmarks68 : (68,) int vertices in iBUG's order.
    lids : the margin of the left lid, (k,) int, in order around.
    lips : the line along which the lips touch, (k,) int, in order around.
    """

    vertices: Float
    triangles: NDArray[np.int64]
    expressions: Mapping[str, Float]
    landmarks68: NDArray[np.int64]
    lids: NDArray[np.int64]
    lips: NDArray[np.int64]


def expression_file(folder: Path | None) -> Path:
    """Return the path of the arrays in a folder (None: the one that `FOLDER_VARIABLE` names).

    Raises
    ------
    FileNotFoundError
        If no folder was named or the file is not in it.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if folder is None and not named:
        raise FileNotFoundError(
            f"the expressions are made from ICT-FaceKit's: give the folder of {FILE} by --ict or {FOLDER_VARIABLE} "
            "(github.com/ICT-VGL/ICT-FaceKit, MIT licence)"
        )
    path = (folder or Path(str(named))) / FILE
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; it holds ICT-FaceKit's arrays")
    return path


def load_expression_face(path: Path) -> ExpressionFace:
    """Read the arrays of `expression_file`."""
    with np.load(path, allow_pickle=False) as data:
        vertices = data["vertices"].astype(np.float64) * MM_PER_UNIT
        faces = data["faces"].astype(np.int64)
        parts = {str(n): r for n, r in zip(data["part_names"], data["part_face_range"], strict=True)}
        shapes = {
            str(n): e.astype(np.float64) * MM_PER_UNIT
            for n, e in zip(data["expression_names"], data["expression"], strict=True)
        }
        landmarks = data["landmarks68"].astype(np.int64)
    skin = faces[parts["face"][0] : parts["head_and_neck"][1] + 1]
    skin = np.where(skin < 0, skin[:, [2]], skin)
    loops = sorted(boundary_loops(skin), key=len)
    left_socket = next(loop for loop in loops if vertices[loop, 0].min() > 0)
    mouth = next(loop for loop in loops if np.ptp(vertices[loop, 0]) < 100 and abs(vertices[loop, 0].mean()) < 5)
    triangles = np.concatenate([skin[:, [0, 1, 2]], skin[skin[:, 2] != skin[:, 3]][:, [0, 2, 3]]])
    return ExpressionFace(
        vertices=vertices,
        triangles=triangles,
        expressions=_by_arkit_names(shapes),
        landmarks68=landmarks,
        lids=_ring(skin, left_socket, LID_MARGIN_RING, len(vertices)),
        lips=_ring(skin, mouth, LIP_LINE_RING, len(vertices)),
    )


def _by_arkit_names(shapes: Mapping[str, Float]) -> dict[str, Float]:
    named = {}
    for name, offsets in shapes.items():
        named[name.replace("_L", "Left").replace("_R", "Right")] = offsets
    for name in BOTH_SIDES:
        named[name] = named.pop(f"{name}Left") + named.pop(f"{name}Right")
    return named


def _ring(polygons: NDArray[np.int64], start: NDArray[np.int32], number: int, count: int) -> NDArray[np.int64]:
    """Vertices of the ring so many polygons away from a border, in order around the border's middle."""
    rings = ring_numbers(polygons, start, np.zeros(len(polygons), dtype=bool), count)
    ring = np.flatnonzero(rings == number)
    near = (rings[polygons] == number).any(axis=1)
    edges = {(int(a), int(b)) for q in polygons[near] for a, b in zip(q, np.roll(q, -1), strict=True) if a != b}
    following = {a: [b for b in ring.tolist() if (a, b) in edges or (b, a) in edges] for a in ring.tolist()}
    path = [int(ring[0])]
    while True:
        ahead = [b for b in following[path[-1]] if b not in path[-2:] and b != path[0]]
        if not ahead or len(path) >= len(ring):
            return np.array(path)
        path.append(ahead[0])
