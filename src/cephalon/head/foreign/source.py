"""A head model as its own files have it, before it becomes a `HeadModel`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.geometry import connected_pieces

Float = NDArray[np.float64]

MAX_MODEL_BYTES = 1024 * 2**20
MOST_VERTICES = 400_000
MOST_MODES = 1_000
MOST_NUMBERS = 100_000_000
_MOST_JOINTS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForeignHead:
    """What a reader found: arrays in mm, in the model's own frame (any place; +y roughly up, +z roughly out of the face).

    With n vertices, k identity modes, b expressions, j joints:

    Attributes
    ----------
    kind : short name of the family, such as "FLAME".
    licence : of the model, in one sentence; `obtain` : where a user gets it.
    vertices : (n, 3) mm of the mean head. polygons : (m, 4), -1 as fourth corner of a triangle.
    uv, polygons_uv : texture coordinates of the skin, or None.
    parts : name -> polygon numbers; "skin" first. Empty: everything is skin.
    identity : (k, n, 3) float32, mm per standard deviation.
    expression : (b, n, 3) float32, mm at coefficient 1; `expression_names` (b,).
    arkit : whether the expressions have ARKit's names and meaning (then they are used as they are).
    joint_names, joint_parents (j,), joint_operator (j, n) dense weights of the vertices, skinning_weights (n, j); or none.
    inside : vertices that no camera sees from outside (mouth, eye sockets), where the files say them.
    sha256 : of the files.
    notes : what the reader did that a user should know.
    """

    kind: str
    licence: str
    obtain: str
    vertices: Float
    polygons: NDArray[np.int32]
    uv: Float | None = None
    polygons_uv: NDArray[np.int32] | None = None
    parts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    identity: NDArray[np.float32]
    expression: NDArray[np.float32] | None = None
    expression_names: tuple[str, ...] = ()
    arkit: bool = False
    joint_names: tuple[str, ...] = ()
    joint_parents: NDArray[np.int32] | None = None
    joint_operator: NDArray[np.float64] | None = None
    skinning_weights: NDArray[np.float32] | None = None
    inside: NDArray[np.int64] | None = None
    sha256: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check sizes and numbers: what comes from a file is not to be trusted."""
        name = self.kind
        vertices = as_array(f"{name} vertices", self.vertices, (None, 3))
        n = len(vertices)
        if not 50 <= n <= MOST_VERTICES:
            raise InputError(f"{name}: expected 50 to {MOST_VERTICES} vertices, got {n}")
        polygons = as_array(f"{name} polygons", self.polygons, (None, 4), np.int32)
        if not len(polygons) or polygons[:, :3].min() < 0 or polygons.max() >= n:
            raise InputError(f"{name}: a polygon names a vertex that is not there")
        identity = np.asarray(self.identity, dtype=np.float32)
        expression = np.zeros((0, n, 3), np.float32) if self.expression is None else np.asarray(self.expression)
        for what, basis in (("identity", identity), ("expression", expression)):
            if basis.ndim != 3 or basis.shape[1:] != (n, 3) or len(basis) > MOST_MODES:
                raise InputError(
                    f"{name} {what}: expected up to {MOST_MODES} modes of ({n}, 3), got shape {basis.shape}"
                )
            if not np.isfinite(basis).all():
                raise InputError(f"{name} {what}: it holds numbers that are not finite")
        if not len(identity):
            raise InputError(f"{name}: it has no identity modes")
        if len(self.expression_names) != len(expression):
            raise InputError(f"{name}: {len(expression)} expressions, {len(self.expression_names)} names")
        self._check_rig(n)
        self._check_chart(polygons)
        size = float(np.linalg.norm(vertices.max(0) - vertices.min(0)))
        if not 100 <= size <= 3000:
            raise InputError(f"{name}: a head of {size:.3g} mm across: the unit of length is not the documented one")
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "polygons", polygons)
        object.__setattr__(self, "identity", identity)
        object.__setattr__(self, "expression", expression.astype(np.float32, copy=False))

    def _check_rig(self, n: int) -> None:
        """Check joints and skinning weights: all there or none, finite, parents before children."""
        name, j = self.kind, len(self.joint_names)
        rig = (self.joint_parents, self.joint_operator, self.skinning_weights)
        if j == 0 and all(part is None for part in rig):
            return
        if any(part is None for part in rig) or not 0 < j <= _MOST_JOINTS:
            raise InputError(
                f"{name}: expected 1 to {_MOST_JOINTS} joints with parents, positions and weights, or none"
            )
        parents, operator, weights = (np.asarray(part) for part in rig)
        if parents.shape != (j,) or operator.shape != (j, n) or weights.shape != (n, j):
            raise InputError(
                f"{name}: expected {j} parents, joint weights ({j}, {n}) and skinning weights ({n}, {j}),"
                f" got {parents.shape}, {operator.shape} and {weights.shape}"
            )
        if (parents < -1).any() or (parents >= np.arange(j)).any():
            raise InputError(f"{name}: a joint's parent is not an earlier joint")
        if not (np.isfinite(operator).all() and np.isfinite(weights).all()):
            raise InputError(f"{name}: its joints hold numbers that are not finite")

    def _check_chart(self, polygons: NDArray[np.int32]) -> None:
        """Check that texture coordinates are finite and that the polygons name those that are there."""
        if self.uv is None or self.polygons_uv is None:
            return
        uv = as_array(f"{self.kind} uv", self.uv, (None, 2))
        corners = as_array(f"{self.kind} polygons_uv", self.polygons_uv, polygons.shape, np.int32)
        if not len(uv) or corners[:, :3].min() < 0 or corners.max() >= len(uv):
            raise InputError(f"{self.kind}: a polygon names a texture coordinate that is not there")


def triangles_as_polygons(faces: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return triangles (t, 3) as polygons (t, 4)."""
    corners: NDArray[np.int32] = as_array("triangles", np.asarray(faces).reshape(-1, 3), (None, 3), np.int32)
    return np.concatenate([corners, np.full((len(corners), 1), -1, np.int32)], axis=1)


def outward(vertices: Float, polygons: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the polygons so that they are counter-clockwise seen from outside (the signed volume is positive).

    The surface need not be closed: the volume is taken about its centre.
    """
    corner = vertices[polygons[:, :3]] - vertices.mean(0)
    if np.einsum("td,td->", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) >= 0:
        return polygons
    flipped = polygons.copy()
    quad = polygons[:, 3] >= 0
    flipped[quad] = polygons[quad][:, ::-1]
    flipped[~quad, :3] = polygons[~quad][:, [0, 2, 1]]
    return flipped


def parts_by_piece(
    polygons: NDArray[np.int32],
    skinning_weights: NDArray[np.float32],
    joint_names: tuple[str, ...],
    clear: NDArray[np.bool_] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Cut a mesh into connected pieces: the largest is the skin; those that turn with an eye's joint are that eyeball.

    Other pieces (teeth, tongue) become "inner_parts". Pieces made of `clear` vertices (n,) are left out.
    """
    of_polygon = connected_pieces(polygons, len(skinning_weights))
    sizes = np.bincount(of_polygon)
    skin = int(sizes.argmax())
    found: dict[str, list[NDArray[np.int64]]] = {"skin": [np.flatnonzero(of_polygon == skin)]}
    for number in np.flatnonzero(sizes):
        members = np.flatnonzero(of_polygon == number)
        own = polygons[members]
        used = np.unique(own[own >= 0])
        if number == skin or (clear is not None and clear[used].mean() > 0.5):
            continue
        name = "inner_parts"
        for eye in ("left_eye", "right_eye"):
            if eye in joint_names and skinning_weights[used, joint_names.index(eye)].mean() > 0.5:
                name = eye
        found.setdefault(name, []).append(members)
    order = ("skin", "left_eye", "right_eye", "inner_parts")
    return {name: np.concatenate(found[name]) for name in order if name in found}
