"""FLAME: the authors' .pkl (read as data, nothing in it runs) or an .npz with the same keys.

Keys (Li et al. 2017; files of 2017, 2020, 2023): `v_template` (5023, 3) m, `shapedirs` (5023, 3, 400) whitened: 300 of
identity, then 100 of expression, `f` (9976, 3), `J_regressor` (5, 5023) sparse, `weights` (5023, 5), `kintree_table`
(2, 5); the joints are root, neck, jaw, left eye, right eye. Pose correctives (`posedirs`) are not used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.head.foreign.pickled import Record
from cephalon.head.foreign.source import ForeignHead, outward, parts_by_piece, triangles_as_polygons

_KEYS = {"v_template", "shapedirs", "f", "J_regressor", "weights"}
_IDENTITIES = 300
_JOINTS = ("root", "neck", "jaw", "left_eye", "right_eye")
_PARENTS = (-1, 0, 1, 1, 1)
_LICENCE = (
    "FLAME: by the Max Planck Society; FLAME 2023 Open is CC BY 4.0, the other versions are for non-commercial research"
)
_OBTAIN = "https://flame.is.tue.mpg.de (registration)"


def is_arrays(keys: set[str]) -> bool:
    """Tell whether a mapping has FLAME's keys."""
    return keys >= _KEYS


def read(values: dict[str, Any], sha256: str) -> ForeignHead:
    """Read FLAME's arrays.

    Raises
    ------
    InputError
        If an array is missing or of another shape than documented.
    """
    vertices = 1000.0 * dense(values["v_template"]).astype(np.float64).reshape(-1, 3)
    n = len(vertices)
    shapes = dense(values["shapedirs"]).reshape(n, 3, -1)
    faces = as_array("FLAME f", dense(values["f"]), (None, 3), np.int64)
    weights = dense(values["weights"]).astype(np.float32)
    regressor = dense(values["J_regressor"]).astype(np.float64)
    if weights.shape != (n, len(_JOINTS)) or regressor.shape != (len(_JOINTS), n):
        raise InputError(
            f"FLAME: expected weights ({n}, 5) and J_regressor (5, {n}), got {weights.shape} and {regressor.shape}"
        )
    identities = _IDENTITIES if shapes.shape[2] > _IDENTITIES else shapes.shape[2]
    polygons = outward(vertices, triangles_as_polygons(faces))
    identity = 1000.0 * np.moveaxis(shapes[:, :, :identities], 2, 0)
    return ForeignHead(
        kind="FLAME",
        licence=_LICENCE,
        obtain=_OBTAIN,
        vertices=vertices,
        polygons=polygons,
        parts=parts_by_piece(polygons, weights, _JOINTS),
        identity=np.ascontiguousarray(identity, dtype=np.float32),
        joint_names=_JOINTS,
        joint_parents=np.array(_PARENTS, dtype=np.int32),
        joint_operator=regressor,
        skinning_weights=weights,
        sha256=sha256,
        notes=(
            f"{identities} identity modes; its {shapes.shape[2] - identities} expression modes are not ARKit's",
            "pose correctives are not used",
        ),
    )


def dense(value: Any) -> NDArray[Any]:
    """Return an array from what a file holds: an array, a sparse matrix as read from a pickle, or a chumpy record.

    Raises
    ------
    InputError
        If it is none of these, or an index of the sparse matrix is out of range.
    """
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value
    if isinstance(value, np.ndarray) and value.dtype == object and value.shape == ():
        return dense(value.item())
    if isinstance(value, Record):
        state = value.state
        if isinstance(state, dict):
            if {"data", "indices", "indptr"} <= state.keys():
                return _compressed(value.name, state)
            for key in ("x", "a", "_cached_value", "_value"):
                if key in state:
                    return dense(state[key])
    raise InputError(f"FLAME: expected an array, got {getattr(value, 'name', type(value).__name__)}")


def _compressed(name: str, state: dict[str, Any]) -> NDArray[np.float64]:
    from scipy import sparse

    shape = tuple(int(x) for x in state.get("_shape", state.get("shape", ())))
    data, indices, indptr = (np.asarray(state[key]) for key in ("data", "indices", "indptr"))
    by_column = "csc" in name
    if len(shape) != 2 or max(shape) > 1_000_000 or shape[0] * shape[1] > 50_000_000 or not len(indptr):
        raise InputError(f"FLAME: a sparse matrix of shape {shape} is not what its layout documents")
    minor, major = shape if by_column else shape[::-1]
    bad = len(indptr) != major + 1 or len(data) != len(indices) or (np.diff(indptr) < 0).any()
    if bad or (len(indices) and (indices.min() < 0 or indices.max() >= minor)) or indptr[-1] != len(data):
        raise InputError("FLAME: a sparse matrix names an entry that is not there")
    kind = sparse.csc_matrix if by_column else sparse.csr_matrix
    return np.asarray(kind((data.astype(np.float64), indices, indptr), shape=shape).toarray())
