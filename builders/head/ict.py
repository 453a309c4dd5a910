"""Reads the ICT Face Model Light: a mean head and identity modes from light-stage scans, as millimetres.

The model (github.com/ICT-VGL/ICT-FaceKit, MIT licence) is not part of this repository. `load_ict` takes its folder
with the original OBJ files, or one with them packed as ``ict_facekit.npz`` (arrays ``vertices`` (v, 3) cm, ``faces``
(f, 4) with -1 as the fourth corner of a triangle, ``identity`` (k, v, 3) cm, ``landmarks68`` (68,)).
Its own sampling script draws identities as ``modes x N(0, 1)``; so does `IctModel.heads`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.geometry import triangulate

Float = NDArray[np.float64]

FOLDER_VARIABLE = "CEPHALON_ICT"
"""Environment variable that names the model's folder where no option does."""

SKIN_POLYGONS = 11_144
"""The parts "face" and "head and neck" come first, as the model's description lists them; sockets and parts follow."""

LANDMARKS_FILE = "vertex_indices.json"
MM_PER_UNIT = 10.0
COLLAR_MM = -130.0
"""Below this height, in its own frame, the bust is shoulders and chest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class IctModel:
    """The outer skin of the model.

    Attributes
    ----------
    mean : (v, 3) mm, its own frame: +x the person's left, +y up, +z forward.
    modes : (k, v, 3) mm per standard deviation.
    faces : (t, 3) triangles of face, ears, skull and neck.
    landmarks : (68,) vertices in the iBUG order.
    """

    mean: Float
    modes: NDArray[np.float32]
    faces: NDArray[np.int32]
    landmarks: NDArray[np.int32]

    def heads(self, count: int, rng: np.random.Generator) -> tuple[Float, NDArray[np.float32]]:
        """Draw identities: weights (p, k) ~ N(0, I) and their offsets (p, v, 3) mm from the mean."""
        weights = rng.standard_normal((count, len(self.modes)))
        return weights, self.offsets(weights)

    def offsets(self, weights: Float) -> NDArray[np.float32]:
        """Offsets (p, v, 3) mm from the mean of weights (p, k)."""
        flat = weights.astype(np.float32) @ self.modes.reshape(len(self.modes), -1)
        return flat.reshape(len(weights), *self.mean.shape)


def ict_folder(given: Path | None = None) -> Path:
    """The model's folder, by argument or by ``CEPHALON_ICT``.

    Raises
    ------
    InputError
        If none is named or it does not exist.
    """
    named = given if given is not None else os.environ.get(FOLDER_VARIABLE)
    if named is None:
        raise InputError(
            "the head's statistics come from ICT-FaceKit, which is not in this repository: clone "
            f"github.com/ICT-VGL/ICT-FaceKit and name its folder by --ict or the variable {FOLDER_VARIABLE}"
        )
    folder = Path(named)
    if not folder.is_dir():
        raise InputError(f"ICT-FaceKit: {folder} is not a folder")
    return folder


@cache
def load_ict(folder: Path) -> IctModel:
    """Read the model.

    Raises
    ------
    InputError
        If the folder holds neither layout.
    """
    packed = folder / "ict_facekit.npz"
    if packed.is_file():
        with np.load(packed, allow_pickle=False) as arrays:
            vertices, polygons = arrays["vertices"], arrays["faces"]
            identity, landmarks = arrays["identity"], arrays["landmarks68"]
    else:
        vertices, polygons, identity, landmarks = _read_original(folder)
    faces = triangulate(polygons[:SKIN_POLYGONS].astype(np.int32))[0]
    used = int(faces.max()) + 1
    mean = vertices[:used].astype(np.float64) * MM_PER_UNIT
    above = mean[:, 1] > COLLAR_MM
    return IctModel(
        mean=mean,
        modes=np.ascontiguousarray(identity[:, :used].astype(np.float32) * np.float32(MM_PER_UNIT)),
        faces=faces[above[faces].all(axis=1)],
        landmarks=landmarks.astype(np.int32),
    )


def _read_original(
    folder: Path,
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float32], NDArray[np.int_]]:
    """Vertices, polygons, identity offsets and landmarks of the folder as the project publishes it."""
    import json

    root = folder / "FaceXModel" if (folder / "FaceXModel").is_dir() else folder
    neutral, shapes = root / "generic_neutral_mesh.obj", sorted(root.glob("identity[0-9]*.obj"))
    if not neutral.is_file() or not shapes or not (root / LANDMARKS_FILE).is_file():
        raise InputError(
            f"ICT-FaceKit: {folder} holds neither ict_facekit.npz nor generic_neutral_mesh.obj with shapes"
        )
    vertices, polygons = _read_obj(neutral)
    identity = np.stack([_read_obj(shape)[0] - vertices for shape in shapes]).astype(np.float32)
    indices = json.loads((root / LANDMARKS_FILE).read_text(encoding="utf-8"))
    landmarks = next((indices[key] for key in indices if "68" in key or "landmark" in key.lower()), None)
    if landmarks is None or len(landmarks) != 68:
        raise InputError(f"ICT-FaceKit: {root / LANDMARKS_FILE} holds no 68 landmarks")
    return vertices, polygons, identity, np.array(landmarks)


def _read_obj(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Vertices (v, 3) and polygons (f, 4) of an OBJ file of triangles and quads."""
    vertices, polygons = [], []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("v "):
                vertices.append(line.split()[1:4])
            elif line.startswith("f "):
                corners = [int(word.split("/")[0]) - 1 for word in line.split()[1:]]
                polygons.append([*corners, -1][:4] if len(corners) == 3 else corners)
    return np.array(vertices, dtype=np.float64), np.array(polygons, dtype=np.int32)
