"""The head model seen through one point set: a small linear model, quick to evaluate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import rotation_from_rotvec, rotation_jacobian
from cephalon.head import HeadModel

Float = NDArray[np.float64]

EYES = ("left_eye", "right_eye")

# Rows of a set that show the iris: (centre, ring of four in order: side, top, other side, bottom) of the left and
# right eye.
IRIS_ROWS: dict[str, tuple[tuple[int, tuple[int, int, int, int]], ...]] = {
    "mediapipe478": ((473, (474, 475, 476, 477)), (468, (469, 470, 471, 472))),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PointModel:
    """m surface points as a linear function of k identity and b expression coefficients, and of the gaze.

    What `HeadModel.correctives` add to the sum (clashing shapes, lids that follow gaze and eyeball) is left out: 0.02 mm
    on average over MediaPipe's points of faces drawn from the expression prior, 0.13 mm on the lids' margins.

    Attributes
    ----------
    mean : (m, 3) mm on the mean head.
    basis : (m, 3, k + b) mm per coefficient.
    modes : k.
    eye_rows : (r,) rows that an eye joint moves; `eye_weight` (r, 2) their skinning weights of the left and right eye.
    eye_mean, eye_basis : (2, 3) and (2, 3, k) the eye joints' positions.
    residual_mm : (m,) sd per axis of what the identity space cannot represent there.
    """

    mean: Float
    basis: Float
    modes: int
    eye_rows: NDArray[np.intp]
    eye_weight: Float
    eye_mean: Float
    eye_basis: Float
    residual_mm: Float

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.mean)

    def take(self, rows: NDArray[np.intp]) -> PointModel:
        """Return the model of some rows, in that order."""
        place = np.full(len(self.mean), -1)
        place[self.eye_rows] = np.arange(len(self.eye_rows))
        kept = np.flatnonzero(place[rows] >= 0)
        return replace(
            self,
            mean=self.mean[rows],
            basis=np.ascontiguousarray(self.basis[rows]),
            eye_rows=kept,
            eye_weight=self.eye_weight[place[rows][kept]],
            residual_mm=self.residual_mm[rows],
        )

    def positions(self, weights: Float, gaze: Float) -> Float:
        """Return the (m, 3) points in mm of k + b coefficients and the (2, 2) gaze."""
        points = self.mean + (self.basis.reshape(-1, self.basis.shape[2]) @ weights).reshape(-1, 3)
        if len(self.eye_rows) and gaze.any():
            points[self.eye_rows] += self._eye_turn(points[self.eye_rows], weights, gaze)
        return points

    def _joints(self, weights: Float) -> Float:
        return self.eye_mean + self.eye_basis @ weights[: self.modes]

    def _eye_turn(self, points: Float, weights: Float, gaze: Float) -> Float:
        joints = self._joints(weights)
        turned = np.zeros_like(points)
        for eye in range(2):
            change = rotation_from_rotvec(np.append(gaze[eye], 0.0)) - np.eye(3)
            turned += self.eye_weight[:, eye, None] * ((points - joints[eye]) @ change.T)
        return turned

    def jacobian(self, weights: Float, gaze: Float) -> tuple[Float, Float, Float]:
        """Return positions (m, 3), their derivative by coefficients (m, 3, k + b), of `eye_rows` by gaze (r, 3, 4)."""
        points = self.mean + (self.basis.reshape(-1, self.basis.shape[2]) @ weights).reshape(-1, 3)
        by_gaze = np.zeros((len(self.eye_rows), 3, 4))
        if not len(self.eye_rows):
            return points, self.basis, by_gaze
        joints = self._joints(weights)
        rest = points[self.eye_rows]
        basis, turn = self.basis, np.zeros_like(rest)
        if gaze.any():
            basis = self.basis.copy()
        for eye in range(2):
            rotvec = np.append(gaze[eye], 0.0)
            weight = self.eye_weight[:, eye, None]
            arm = rest - joints[eye]
            derivative = rotation_jacobian(rotvec)
            by_turn = np.einsum("abw,rb->raw", derivative[..., :2], arm)
            by_gaze[:, :, 2 * eye : 2 * eye + 2] = weight[..., None] * by_turn
            if gaze.any():
                change = rotation_from_rotvec(rotvec) - np.eye(3)
                turn += weight * (arm @ change.T)
                moved = np.einsum("ab,rbc->rac", change, self.basis[self.eye_rows])
                moved[:, :, : self.modes] -= change @ self.eye_basis[eye]
                basis[self.eye_rows] += weight[..., None] * moved
        points[self.eye_rows] += turn
        return points, basis, by_gaze


@lru_cache(maxsize=16)
def point_model(model: HeadModel, set_name: str, modes: int | None = None) -> PointModel:
    """Return the point model of a named set (kept for the process, by model and set).

    Raises
    ------
    InputError
        If the model has no set of that name.
    """
    points = model.point_set(set_name)
    corners = model.faces[points.face_index]
    weights = points.barycentric
    k = model.identity_count if modes is None else min(modes, model.identity_count)

    def at_points(field: NDArray[np.floating]) -> Float:
        of_corners = np.asarray(field, dtype=np.float64)[corners].reshape(*corners.shape, -1)
        return np.einsum("pc,pcd->pd", weights, of_corners)

    b = len(model.expression_names)
    basis = np.empty((len(points), 3, k + b))
    for start, count, source in ((0, k, model.identity_basis), (k, b, model.expression_basis)):
        for i in range(count):
            basis[:, :, start + i] = at_points(source[i])
    residual = np.sqrt(at_points(model.residual_mm[:, None] ** 2)[:, 0])
    eye_index = [model.joint_names.index(name) for name in EYES if name in model.joint_names]
    if len(eye_index) == len(EYES):
        eye_weight = at_points(model.skinning_weights[:, eye_index])
        operator = model.joint_operator[eye_index]
        eye_mean = operator @ model.mean
        flat = model.identity_basis[:k].transpose(1, 2, 0).reshape(len(model.mean), -1)
        eye_basis = np.asarray(operator @ flat, dtype=np.float64).reshape(2, 3, k)
    else:
        eye_weight, eye_mean, eye_basis = np.zeros((len(points), 2)), np.zeros((2, 3)), np.zeros((2, 3, k))
    eye_rows = np.flatnonzero(eye_weight.any(axis=1))
    return PointModel(
        mean=at_points(model.mean),
        basis=basis,
        modes=k,
        eye_rows=eye_rows,
        eye_weight=eye_weight[eye_rows],
        eye_mean=np.asarray(eye_mean),
        eye_basis=eye_basis,
        residual_mm=residual,
    )


@lru_cache(maxsize=16)
def smooth_modes(model: HeadModel, set_name: str, length_mm: float) -> Float:
    """Return (m, q) modes F of a smooth random field over a set's points: F F^T ~ exp(-d^2 / (2 length^2)).

    q is the smallest number of eigenvectors that hold 97 % of the field's variance.
    """
    points = model.point_set(set_name).positions(model.mean, model.faces)
    square = ((points[:, None] - points[None]) ** 2).sum(-1)
    values, vectors = np.linalg.eigh(np.exp(-0.5 * square / length_mm**2))
    order = np.argsort(values)[::-1]
    values = np.clip(values[order], 0.0, None)
    count = int(np.searchsorted(np.cumsum(values), 0.97 * values.sum())) + 1
    modes = vectors[:, order[:count]]
    # eigenvectors have a free sign: fix it, so that the same input gives the same bytes everywhere
    modes *= np.sign(modes[np.abs(modes).argmax(axis=0), np.arange(count)])
    return modes * np.sqrt(values[:count])
