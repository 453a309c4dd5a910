"""The linear head model: mean + identity + expression, posed by linear blend skinning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.geometry import Mesh, SurfacePoints, rotation_from_rotvec
from cephalon.head.correctives import SIDES, Correctives
from cephalon.head.link import LinearLink

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadCode:
    """The coordinates of one head: who (`identity`), what face it makes (`expression`), how it is held (`joint_rotvecs`).

    Attributes
    ----------
    identity : (k,) whitened, N(0, I) under the prior.
    expression : (52,) ARKit coefficients in [0, 1], in the order of `HeadModel.expression_names`.
    joint_rotvecs : (j, 3) rad, rotation of each joint about its rest position, in the head frame.
    """

    identity: Float
    expression: Float | None = None
    joint_rotvecs: Float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "identity", as_array("identity", self.identity, (None,)))
        if self.expression is not None:
            object.__setattr__(self, "expression", as_array("expression", self.expression, (None,)))
        if self.joint_rotvecs is not None:
            object.__setattr__(self, "joint_rotvecs", as_array("joint_rotvecs", self.joint_rotvecs, (None, 3)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A named piece of the head (skin, left_eye, ...): contiguous ranges of vertices, polygons and triangles."""

    name: str
    vertices: slice
    polygons: slice
    faces: slice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeadModel:
    """A whole head as a linear space around a mean, with parts, regions, named points and a rig.

    With n vertices (all parts, skin first), k identity modes, 52 expressions, j joints:

        v(z, e) = mean + sum_i z_i identity_basis_i + sum_b e_b expression_basis_b                (mm, head frame)

    and, where e or an eye's turn is not 0, what `correctives` add; followed by linear blend skinning about the joints of
    v(z, 0).

    Attributes
    ----------
    topology : the mean head as a `Mesh` (quads kept, uv; groups by part name).
    identity_basis : (k, n, 3) float32, mm per standard deviation of the prior.
    expression_basis : (52, n, 3) float32, mm at coefficient 1.
    residual_mm : (n,) sd of what the span cannot represent, mm per axis.
    symmetry : (n,) index of each vertex's mirror image.
    regions : name -> (n,) weights in [0, 1].
    point_sets : name -> `SurfacePoints` on the triangulated faces.
    joint_weights : (rows, columns, values) of the sparse (j, n) weights that give joint positions from neutral vertices.
    joint_parents : (j,) index of the parent, -1 for a root.
    skinning_weights : (n, j), rows sum to 1.
    link : how age, sex, weight and ancestry shift the identity.
    correctives : what clashing shapes, gaze and lids add to the sum, see `Correctives`.
    meta : what the asset says of itself (version, licences, seed, command, figures).
    sha256 : hash of the asset file, kept with every result.
    """

    topology: Mesh
    parts: Mapping[str, Part]
    identity_basis: Float32
    expression_basis: Float32
    expression_names: tuple[str, ...]
    residual_mm: Float32
    symmetry: NDArray[np.int32]
    regions: Mapping[str, Float32]
    point_sets: Mapping[str, SurfacePoints]
    joint_names: tuple[str, ...]
    joint_parents: NDArray[np.int32]
    joint_weights: tuple[NDArray[np.int32], NDArray[np.int32], Float]
    skinning_weights: Float32
    link: LinearLink
    correctives: Correctives
    meta: Mapping[str, Any]
    sha256: str
    _flat: Float32 = field(repr=False)
    _joint_mean: Float = field(repr=False)
    _joint_basis: Float = field(repr=False)
    _lid_shapes: tuple[Float32, ...] = field(repr=False)
    _lid_travel: tuple[Float, ...] = field(repr=False)

    # -- loading ------------------------------------------------------------------------------------------------

    @staticmethod
    def load(path: str | Path | None = None) -> HeadModel:
        """Load a head model asset; without a path, the one in the package (kept for the process).

        Raises
        ------
        InputError
            If the file is missing, damaged, too large, or of a format version that this Cephalon does not know.
        """
        from cephalon.head.asset import packaged_model, read_model

        return packaged_model() if path is None else read_model(path)

    # -- sizes and topology -------------------------------------------------------------------------------------

    @property
    def identity_count(self) -> int:
        """Number k of identity modes."""
        return len(self.identity_basis)

    @property
    def mean(self) -> Float:
        """Vertices of the mean head, (n, 3) mm."""
        return self.topology.vertices

    @property
    def faces(self) -> NDArray[np.int32]:
        """Triangles of all parts, (t, 3); those of the skin come first."""
        return self.topology.faces

    @property
    def polygons(self) -> NDArray[np.int32]:
        """Quads (and triangles with -1 as fourth corner) of all parts, (m, 4)."""
        return self.topology.polygons

    # -- evaluation ---------------------------------------------------------------------------------------------

    def code(
        self,
        *,
        identity: Float | None = None,
        expression: Mapping[str, float] | Float | None = None,
        joints: Mapping[str, Any] | None = None,
    ) -> HeadCode:
        """Build a code from names: expression coefficients and joint rotation vectors (rad) by name.

        Raises
        ------
        InputError
            If a name is unknown or a size is wrong.
        """
        z = (
            np.zeros(self.identity_count)
            if identity is None
            else as_array("identity", identity, (self.identity_count,))
        )
        e = None
        if isinstance(expression, Mapping):
            e = np.zeros(len(self.expression_names))
            for name, weight in expression.items():
                if name not in self.expression_names:
                    raise InputError(f"expression {name!r} is unknown; the names are ARKit's, for example jawOpen")
                e[self.expression_names.index(name)] = weight
        elif expression is not None:
            e = as_array("expression", expression, (len(self.expression_names),))
        rotvecs = None
        if joints:
            rotvecs = np.zeros((len(self.joint_names), 3))
            for name, rotvec in joints.items():
                if name not in self.joint_names:
                    raise InputError(f"joint {name!r} is unknown; known are: {', '.join(self.joint_names)}")
                rotvecs[self.joint_names.index(name)] = rotvec
        return HeadCode(identity=z, expression=e, joint_rotvecs=rotvecs)

    def vertices(self, code: HeadCode | None = None, *, linear: bool = False) -> Float:
        """Return the (n, 3) vertices of a code in mm, head frame (None: the mean).

        With `linear`, without `correctives`: mean, identity and expression added up and skinned, as the fit has it.
        """
        if code is None:
            return self.mean
        return self._posed(self._shaped(code, linear=linear), code)

    def neutral_and_posed(self, code: HeadCode) -> tuple[Float, Float]:
        """Return the vertices of a code's person at rest and of the code itself: as two calls of `vertices`, in less time."""
        neutral = self._neutral(code.identity)
        posed = self._posed(self._expressed(neutral, code), code)
        return neutral, posed.copy() if posed is neutral else posed

    def expression_offsets(self, identity: Float | None = None) -> Float32:
        """Return one person's own blendshapes, (52, n, 3) mm at coefficient 1: the basis, with lids that fit their eyes.

        For formats without combination shapes (glTF): a shape alone, at 1, gives what `vertices` gives; pairs are not in
        it. Where a lid's straight way would cut through the eyeball, the shape is raised so that it is clear half-way too.
        """
        z = np.zeros(0) if identity is None else identity
        neutral = self._shaped(HeadCode(identity=z))
        offsets = self.expression_basis.copy()
        for row, name in enumerate(self.expression_names):
            if not name.startswith("eye") or not self.correctives.lids:
                continue
            weights = np.zeros(len(self.expression_names))
            weights[row] = 1.0
            offset = self._shaped(HeadCode(identity=z, expression=weights)) - neutral
            half = neutral + 0.5 * offset
            cleared = half.copy()
            self._clear_lids(cleared, z, None)
            offsets[row] = offset + 2 * (cleared - half)
        return offsets

    def _lids_travel(self, identity: Float, expression: Float) -> Float:
        """Return the coefficients (b,) with each blink made longer or shorter as this person's eye is open."""
        travelled = expression.copy()
        for travel, side in zip(self._lid_travel, SIDES, strict=False):  # an asset may have no lids
            row = self.expression_names.index(f"eyeBlink{side}")
            travelled[row] *= np.clip(1 + travel[: len(identity)] @ identity, 0.5, 1.6)
        return travelled

    def _shaped(self, code: HeadCode, *, linear: bool = False) -> Float:
        return self._expressed(self._neutral(code.identity), code, linear=linear)

    def _neutral(self, identity: Float) -> Float:
        count = len(identity)
        if count > self.identity_count:
            raise InputError(f"identity: this model has {self.identity_count} modes, got {count} coefficients")
        return self.mean + (identity.astype(np.float32) @ self._flat[:count]).reshape(-1, 3)

    def _expressed(self, neutral: Float, code: HeadCode, *, linear: bool = False) -> Float:
        """Return a person's neutral head (n, 3) with a code's expression, not posed; without one, the same array."""
        b = len(self.expression_names)
        expression = np.zeros(b) if code.expression is None else code.expression
        if len(expression) != b:
            raise InputError(f"expression: expected {b} coefficients, got {len(expression)}")
        if not linear:
            expression = self.correctives.weights(expression, self.expression_names, code.joint_rotvecs)
        if not expression.any():
            return neutral
        asked, expression = expression, expression if linear else self._lids_travel(code.identity, expression)
        shaped = neutral + (expression.astype(np.float32) @ self._flat[self.identity_count :]).reshape(-1, 3)
        if not linear:
            self.correctives.add_pairs(shaped, expression)
            self.correctives.close_lids(shaped, asked, self.expression_names)
            self._clear_lids(shaped, code.identity, code.joint_rotvecs)
        return shaped

    def _clear_lids(self, shaped: Float, identity: Float, rotvecs: Float | None) -> None:
        """Push the lids of a person's face (n, 3) off the eyeballs, in place."""
        lids = self.correctives.lids
        if lids:
            z = np.asarray(identity, dtype=np.float32)
            rest = [
                self.mean[lid.rows] + (z @ shapes[: len(z)]).reshape(-1, 3)
                for lid, shapes in zip(lids, self._lid_shapes, strict=True)
            ]
            self.correctives.clear_lids(shaped, rest, self._joint_positions(identity), rotvecs)

    def _joint_positions(self, identity: Float) -> Float:
        return self._joint_mean + np.tensordot(identity, self._joint_basis[: len(identity)], axes=1)

    def _posed(self, shaped: Float, code: HeadCode) -> Float:
        if code.joint_rotvecs is None or not np.any(code.joint_rotvecs):
            return shaped
        positions = self._joint_positions(code.identity)
        rotations, offsets = joint_transforms(positions, self.joint_parents, code.joint_rotvecs)
        moves = np.concatenate([rotations - np.eye(3), offsets[:, :, None]], axis=2).reshape(len(positions), 12)
        blended = (self.skinning_weights @ moves.astype(np.float32)).reshape(-1, 3, 4)
        return shaped + np.einsum("nij,nj->ni", blended[..., :3], shaped) + blended[..., 3]

    def mesh(self, code: HeadCode | None = None) -> Mesh:
        """Return the mesh of a code: the model's topology with that head's vertices, mm."""
        return self.topology if code is None else self.topology.with_vertices(self.vertices(code))

    def joints(self, vertices: Float | None = None) -> Float:
        """Return joint positions (j, 3) mm of a neutral head's vertices (None: the mean head)."""
        rows, columns, values = self.joint_weights
        positions = np.zeros((len(self.joint_names), 3))
        np.add.at(positions, rows, values[:, None] * (self.mean if vertices is None else vertices)[columns])
        return positions

    @property
    def joint_operator(self) -> Any:
        """The same as a scipy sparse (j, n) matrix."""
        from scipy.sparse import csr_matrix

        rows, columns, values = self.joint_weights
        return csr_matrix((values, (rows, columns)), shape=(len(self.joint_names), len(self.mean)))

    def point_set(self, name: str) -> SurfacePoints:
        """Return a named point set.

        Raises
        ------
        InputError
            If the model has no set of that name.
        """
        if name not in self.point_sets:
            raise InputError(f"point set {name!r} is unknown; known are: {', '.join(sorted(self.point_sets))}")
        return self.point_sets[name]

    def points(self, code: HeadCode | None, set_name: str) -> Float:
        """Return the (k, 3) positions of a named point set on the head of a code, mm."""
        return self.point_set(set_name).positions(self.vertices(code), self.faces)

    # -- statistics ---------------------------------------------------------------------------------------------

    def sample(self, *, rng: np.random.Generator, **covariates: Any) -> HeadCode:
        """Draw a person: from the whole prior, or given any of `age`, `sex`, ... (see `LinearLink.condition`)."""
        if not any(value is not None for value in covariates.values()):
            return HeadCode(identity=rng.standard_normal(self.identity_count))
        mean, factor = self.link.condition(**covariates)
        return HeadCode(identity=mean + factor @ rng.standard_normal(factor.shape[1]))

    def log_prior(self, code: HeadCode) -> float:
        """Return the log density of the identity under N(0, I), up to the constant of its dimension included."""
        z = code.identity
        return float(-0.5 * (z @ z) - 0.5 * len(z) * np.log(2 * np.pi))

    # -- measures -----------------------------------------------------------------------------------------------

    def measure(self, mesh: Mesh | Float) -> dict[str, float]:
        """Return every measure of a neutral head with this topology, mm by name."""
        from cephalon.head.measures import measure_all

        return measure_all(self, mesh.vertices if isinstance(mesh, Mesh) else mesh)

    def measures_with_sigma(self, vertices: Float, identity_factor: Float | None) -> dict[str, tuple[float, float]]:
        """Return name -> (mm, sd mm): posterior of the identity (factor F, covariance F F^T) plus the model's residual."""
        from cephalon.head.measures import measure_all_with_sigma

        return measure_all_with_sigma(self, vertices, identity_factor)


def joint_transforms(positions: Float, parents: NDArray[np.int32], rotvecs: Float) -> tuple[Float, Float]:
    """Return world rotations (j, 3, 3) and offsets (j, 3) of a joint tree: x -> R_j x + o_j for a point bound to joint j.

    Parents come before their children. Each joint turns by exp([rotvec]) about its rest position, after its parent.
    """
    local = rotation_from_rotvec(np.asarray(rotvecs, dtype=np.float64))
    rotations, offsets = np.empty_like(local), np.empty_like(positions)
    for j, parent in enumerate(parents):
        own_offset = positions[j] - local[j] @ positions[j]
        if parent < 0:
            rotations[j], offsets[j] = local[j], own_offset
        else:
            rotations[j] = rotations[parent] @ local[j]
            offsets[j] = rotations[parent] @ own_offset + offsets[parent]
    return rotations, offsets
