"""Head model assets: a `HeadModel` from the bytes of its .npz file."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np

from cephalon.core import InputError
from cephalon.files.bounded import read_bytes
from cephalon.files.npz import read_npz
from cephalon.geometry import Mesh, SurfacePoints
from cephalon.head.correctives import Correctives
from cephalon.head.link import LinearLink
from cephalon.head.model import HeadModel, Part

FORMAT_VERSION = 1
MAX_ASSET_BYTES = 2**30

_MOST_VERTICES = 400_000

_MOST_MODES = 1_000


@lru_cache(maxsize=1)
def packaged_model() -> HeadModel:
    """Return the head model that comes with the package (kept for the process)."""
    return parse_model((resources.files("cephalon") / "data" / "head.npz").read_bytes(), "the package's head model")


def read_model(path: str | Path) -> HeadModel:
    """Read a head model asset; raises `InputError` as `HeadModel.load`."""
    data = read_bytes(path, max_bytes=MAX_ASSET_BYTES, what="head model asset")
    return parse_model(data, str(path))


def parse_model(data: bytes, name: str) -> HeadModel:
    """`read_model` for bytes at hand; `name` names them in messages."""
    arrays = read_npz(data, where=name, what="head model asset")
    try:
        meta = json.loads(arrays.pop("meta_json").tobytes())
    except (ValueError, KeyError) as error:
        raise InputError(f"{name}: not a head model asset ({error}); get the file anew") from error
    found = meta.get("format_version") if isinstance(meta, dict) else None
    if found != FORMAT_VERSION:
        raise InputError(
            f"{name}: head model format {found}, this Cephalon reads format {FORMAT_VERSION}; update one of them"
        )
    try:
        n, k = len(arrays["vertices"]), len(arrays["identity_i16"])
        if n > _MOST_VERTICES or k > _MOST_MODES:
            raise InputError(
                f"{name}: {n} vertices and {k} modes are more than the bounds {_MOST_VERTICES} and {_MOST_MODES}"
            )
        parts_names = [str(x) for x in arrays["part_names"]]
        polygon_is_quad = arrays["polygons"][:, 3] >= 0
        face_starts = np.concatenate([[0], np.cumsum(1 + polygon_is_quad)])
        parts = {}
        groups = {}
        for part, (v0, v1), (p0, p1) in zip(parts_names, arrays["part_vertices"], arrays["part_polygons"], strict=True):
            faces = slice(int(face_starts[p0]), int(face_starts[p1]))
            parts[part] = Part(
                name=part, vertices=slice(int(v0), int(v1)), polygons=slice(int(p0), int(p1)), faces=faces
            )
            groups[part] = np.arange(p0, p1, dtype=np.int32)
        topology = Mesh(
            vertices=arrays["vertices"].astype(np.float64),
            polygons=arrays["polygons"],
            uv=arrays["uv"].astype(np.float64),
            polygons_uv=arrays["polygons_uv"],
            groups=groups,
        )
        expression_names = tuple(str(x) for x in arrays["expression_names"])
        flat = np.empty((k + len(expression_names), n * 3), dtype=np.float32)
        for target, key in ((flat[:k], "identity"), (flat[k:], "expression")):
            scale = arrays[f"{key}_scale"].astype(np.float32)[:, None]
            np.multiply(arrays[f"{key}_i16"].reshape(len(scale), -1), scale, out=target)
        flat.flags.writeable = False
        sets = [
            key[len("points_") : -len("_face")] for key in arrays if key.startswith("points_") and key.endswith("_face")
        ]
        point_sets = {
            s: SurfacePoints(
                face_index=arrays[f"points_{s}_face"],
                barycentric=arrays[f"points_{s}_bary"].astype(np.float64),
                names=tuple(str(x) for x in arrays[f"points_{s}_names"]),
            )
            for s in sets
        }
        joint_names = tuple(str(x) for x in arrays["joint_names"])
        joint_weights = (
            arrays["joint_row"].astype(np.int32),
            arrays["joint_col"].astype(np.int32),
            arrays["joint_val"].astype(np.float64),
        )
        weights = arrays["skinning_weights"].astype(np.float32)
        regions = {
            str(r): w.astype(np.float32) / 255
            for r, w in zip(arrays["region_names"], arrays["region_weights"], strict=True)
        }
        joint_basis = np.zeros((len(joint_names), k, 3))
        rows, columns, values = joint_weights
        moving = flat[:k].reshape(k, n, 3)[:, columns].transpose(1, 0, 2)
        np.add.at(joint_basis, rows, values[:, None, None] * moving)
        joint_mean = np.zeros((len(joint_names), 3))
        np.add.at(joint_mean, rows, values[:, None] * topology.vertices[columns])
        basis = flat[:k].reshape(k, n, 3)
        mean = topology.vertices
        correctives = Correctives.from_arrays(arrays, joint_names)
        return HeadModel(
            topology=topology,
            parts=parts,
            identity_basis=basis,
            expression_basis=flat[k:].reshape(-1, n, 3),
            expression_names=expression_names,
            residual_mm=arrays["residual_mm"].astype(np.float32),
            symmetry=arrays["symmetry"].astype(np.int32),
            regions=regions,
            point_sets=point_sets,
            joint_names=joint_names,
            joint_parents=arrays["joint_parents"].astype(np.int32),
            joint_weights=joint_weights,
            skinning_weights=weights / weights.sum(1, keepdims=True),
            link=LinearLink.from_arrays(arrays),
            correctives=correctives,
            meta=meta,
            sha256=hashlib.sha256(data).hexdigest(),
            _flat=flat,
            _joint_mean=joint_mean,
            _joint_basis=np.ascontiguousarray(joint_basis.transpose(1, 0, 2)),
            _lid_shapes=tuple(np.ascontiguousarray(basis[:, lid.rows].reshape(k, -1)) for lid in correctives.lids),
            _lid_travel=tuple(
                np.array([lid.opening_mm(mode) for mode in basis]) / lid.opening_mm(mean) for lid in correctives.lids
            ),
        )
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise InputError(f"{name}: the head model asset is damaged ({error}); get the file anew") from error
