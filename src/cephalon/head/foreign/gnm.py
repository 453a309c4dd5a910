"""GNM Head v3 (Google): one .npz.

`template_vertex_positions` (n, 3) m, +y up, +z out of the face; `vertex_identity_basis` (253, n, 3) and
`joint_identity_basis` (253, j, 3), whitened; `expression_basis` (383, n, 3); `skinning_weights` (j, n); `quads` (q, 4)
with `quad_uvs` (q, 4, 2), or `triangles`; `template_joint_positions` (j, 3), `joint_parent_indices`, `joint_names`,
`joint_regressor` (j, n); `vertex_groups` (g, n) with `vertex_group_names`; `version`, `variant`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.head.foreign.source import ForeignHead, outward, parts_by_piece, triangles_as_polygons

_KEYS = {"template_vertex_positions", "vertex_identity_basis", "skinning_weights", "joint_names"}
_MM = 1000.0
_LICENCE = "GNM Head: Apache-2.0, (c) Google LLC"
_OBTAIN = "https://github.com/google/GNM or https://huggingface.co/google/gnm-v3"


def is_arrays(keys: set[str]) -> bool:
    """Tell whether an .npz has GNM's keys."""
    return keys >= _KEYS


def read(arrays: dict[str, NDArray[Any]], sha256: str) -> ForeignHead:
    """Read GNM's arrays.

    Raises
    ------
    InputError
        If an array is missing or of another shape than documented.
    """
    vertices = arrays["template_vertex_positions"].astype(np.float64).reshape(-1, 3) * _MM
    n = len(vertices)
    identity = arrays["vertex_identity_basis"].astype(np.float32) * np.float32(_MM)
    polygons, uv, polygons_uv = _topology(arrays, vertices)
    names = tuple(_joint(str(name)) for name in arrays["joint_names"])
    weights = arrays["skinning_weights"].astype(np.float32)
    if weights.shape != (len(names), n):
        raise InputError(f"GNM: expected skinning_weights ({len(names)}, {n}), got {weights.shape}")
    regressor = arrays.get("joint_regressor")
    if regressor is None or regressor.shape != (len(names), n):
        regressor = _regressor(arrays, vertices, weights)
    parents = as_array("GNM joint_parent_indices", arrays["joint_parent_indices"], (None,), np.int32)
    parents = np.where(parents == np.arange(len(parents)), -1, parents)
    if len(parents) != len(names) or (parents >= np.arange(len(parents))).any():
        raise InputError("GNM: joint_parent_indices do not name an earlier joint each")
    parts, inside = _parts(polygons, weights, names, arrays)
    return ForeignHead(
        kind="GNM Head",
        licence=_LICENCE,
        obtain=_OBTAIN,
        vertices=vertices,
        polygons=polygons,
        uv=uv,
        polygons_uv=polygons_uv,
        parts=parts,
        identity=identity,
        joint_names=names,
        joint_parents=parents.astype(np.int32),
        joint_operator=np.asarray(regressor, dtype=np.float64),
        skinning_weights=np.ascontiguousarray(weights.T),
        inside=inside,
        sha256=sha256,
        notes=(
            f"version {arrays.get('version', '?')}, {len(identity)} identity modes (some move eyes, teeth or tongue alone)",
            "its expression components are not ARKit's; pose correctives are not used",
        ),
    )


def _topology(
    arrays: dict[str, NDArray[Any]], vertices: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64] | None, NDArray[np.int32] | None]:
    """Return polygons (quads where the file has them), and uv welded where equal."""
    n = len(vertices)
    if "quads" in arrays and arrays["quads"].ndim == 2 and arrays["quads"].shape[1] == 4:
        polygons, corners = as_array("GNM quads", arrays["quads"], (None, 4), np.int32), arrays.get("quad_uvs")
    elif "triangles" in arrays:
        polygons, corners = triangles_as_polygons(arrays["triangles"]), arrays.get("triangle_uvs")
    else:
        raise InputError("GNM: the file has neither quads nor triangles")
    if polygons.min() < -1 or polygons.max() >= n:
        raise InputError("GNM: a polygon names a vertex that is not there")
    flat = (polygons[:, 3] == polygons[:, 2]) | (polygons[:, 3] == polygons[:, 0])
    polygons = polygons.copy()
    polygons[flat, 3] = -1  # a quad with a corner twice is a triangle
    turned = outward(vertices, polygons)
    if corners is None or corners.shape[:1] != polygons.shape[:1] or not np.isfinite(corners).all():
        return turned, None, None
    size = corners.shape[1]
    uv, index = np.unique(np.round(corners.reshape(-1, 2).astype(np.float64), 7), axis=0, return_inverse=True)
    index = np.asarray(index).reshape(-1, size).astype(np.int32)
    polygons_uv = np.full((len(polygons), 4), -1, dtype=np.int32)
    polygons_uv[:, :size] = index
    polygons_uv[polygons[:, 3] < 0, 3] = -1
    if turned is not polygons:
        reversed_uv = np.where(polygons[:, 3:] >= 0, polygons_uv[:, ::-1], polygons_uv[:, [0, 2, 1, 3]])
        polygons_uv = reversed_uv.astype(np.int32)
    if uv.min() < -1e-6 or uv.max() > 1 + 1e-6:
        return turned, None, None
    return turned, uv, polygons_uv


def _joint(name: str) -> str:
    """Return our name of a joint where there is one: left_eye, right_eye."""
    plain = name.lower()
    if "eye" in plain:
        if plain.startswith(("l_", "left")) or plain.endswith(("_l", "left")):
            return "left_eye"
        if plain.startswith(("r_", "right")) or plain.endswith(("_r", "right")):
            return "right_eye"
    return name


def _regressor(
    arrays: dict[str, NDArray[Any]], vertices: NDArray[np.float64], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (j, n) weights that give the template's joints: of the vertices near each, least norm, sum 1."""
    joints = arrays["template_joint_positions"].astype(np.float64).reshape(-1, 3) * _MM
    if len(joints) != len(weights):
        raise InputError(f"GNM: {len(joints)} joint positions for {len(weights)} joints")
    result = np.zeros(weights.shape)
    for row, joint in zip(result, joints, strict=True):
        near = np.argsort(((vertices - joint) ** 2).sum(1))[:200]
        system = np.concatenate([vertices[near].T, np.ones((1, len(near)))])
        row[near] = np.linalg.lstsq(system, np.append(joint, 1.0), rcond=None)[0]
    return result


def _parts(
    polygons: NDArray[np.int32], weights: NDArray[np.float32], names: tuple[str, ...], arrays: dict[str, NDArray[Any]]
) -> tuple[dict[str, NDArray[np.int64]], NDArray[np.int64] | None]:
    """Cut the mesh into its pieces, and find what lies inside the mouth by the groups' names."""
    n = weights.shape[1]
    rows = zip(arrays.get("vertex_group_names", ()), arrays.get("vertex_groups", ()), strict=False)
    groups = {str(name).lower(): np.asarray(row) > 0.5 for name, row in rows if np.shape(row) == (n,)}
    clear = np.zeros(n, dtype=bool)
    for name, members in groups.items():  # the cornea is a clear shell in front of the iris
        clear |= members & ("cornea" in name)
    inside = [
        np.flatnonzero(members) for name, members in groups.items() if "mouth_sock" in name or "mouth_bag" in name
    ]
    return parts_by_piece(polygons, weights.T, names, clear), inside[0] if inside else None
