"""The head model seen through one point set: a small linear model, quick to evaluate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.head import HeadModel
from cephalon.values import ShapeResponse

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

    def responding(self, response: ShapeResponse | None) -> PointModel:
        """Return where an estimator with that response is expected to put the points; the mean head's stay.

        The habit is one of average *heads*. What a face does is not pulled to rest: on photos a smile's points move as
        far as the shapes say, though on renders, whose skin does not fold, a landmarker moves them less.
        """
        if response is None:
            return self
        basis = self.basis.copy()
        basis[:, :, : self.modes] += response.of(self.basis[:, :, : self.modes])
        return replace(self, basis=basis)

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
        for eye, change in enumerate(_eye_turns(gaze)[0]):
            turned += self.eye_weight[:, eye, None] * ((points - joints[eye]) @ change.T)
        return turned

    def jacobian(self, weights: Float, gaze: Float) -> tuple[Float, Float, Float]:
        """Return positions (m, 3) and, of `eye_rows`, the derivative by coefficients (r, 3, k + b) and gaze (r, 3, 4).

        The derivative of all other rows by the coefficients is `basis`.
        """
        points = self.mean + (self.basis.reshape(-1, self.basis.shape[2]) @ weights).reshape(-1, 3)
        by_gaze = np.zeros((len(self.eye_rows), 3, 4))
        if not len(self.eye_rows):
            return points, self.basis[:0], by_gaze
        joints = self._joints(weights)
        rest = points[self.eye_rows]
        still = self.basis[self.eye_rows]
        basis, turn = still.copy(), np.zeros_like(rest)
        changes, derivatives = _eye_turns(gaze)
        for eye, change in enumerate(changes):
            weight = self.eye_weight[:, eye, None]
            arm = rest - joints[eye]
            by_turn = arm @ derivatives[eye]
            by_gaze[:, :, 2 * eye : 2 * eye + 2] = weight[..., None] * by_turn.transpose(1, 2, 0)
            turn += weight * (arm @ change.T)
            moved = change @ still
            moved[:, :, : self.modes] -= change @ self.eye_basis[eye]
            basis += weight[..., None] * moved
        points[self.eye_rows] += turn
        return points, basis, by_gaze


def _eye_turns(gaze: Float) -> tuple[Float, Float]:
    """Return what a gaze adds to a point: R - 1 of both eyes, (2, 3, 3), and dR^T / d(x, y), (2, 2, 3, 3).

    Rodrigues' formula for an axis in the xy-plane, R = 1 + a K + b K^2, in plain numbers: two eyes are too few for numpy.
    """
    found = [_eye_turn(x, y) for x, y in gaze.tolist()]
    return np.array([turn for turn, _ in found]), np.array([derivative for _, derivative in found])


def _eye_turn(x: float, y: float) -> tuple[list[list[float]], list[list[list[float]]]]:
    t = x * x + y * y
    if t < 1e-4:
        a, b = 1 - t / 6 * (1 - t / 20), 0.5 - t / 24 * (1 - t / 30)
        # the derivatives of a and b by the angle, over the angle
        da, db = -1 / 3 + t / 30 * (1 - t / 28), -1 / 12 + t / 180 * (1 - 3 * t / 112)
    else:
        angle = math.sqrt(t)
        a, b = math.sin(angle) / angle, (1 - math.cos(angle)) / t
        da, db = (math.cos(angle) - a) / t, (a - 2 * b) / t
    turn = [[-b * y * y, b * x * y, a * y], [b * x * y, -b * x * x, -a * x], [-a * y, a * x, -b * t]]
    by_x = [
        [-db * x * y * y, y * (db * x * x + b), -da * x * y],
        [y * (db * x * x + b), -x * (db * x * x + 2 * b), da * x * x + a],
        [da * x * y, -da * x * x - a, -x * (db * t + 2 * b)],
    ]
    by_y = [
        [-y * (db * y * y + 2 * b), x * (db * y * y + b), -da * y * y - a],
        [x * (db * y * y + b), -db * y * x * x, da * x * y],
        [da * y * y + a, -da * x * y, -y * (db * t + 2 * b)],
    ]
    return turn, [by_x, by_y]


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
def responding_model(model: HeadModel, set_name: str, modes: int | None, response: ShapeResponse | None) -> PointModel:
    """Return the point model of a named set as an estimator with that response sees it (kept for the process)."""
    return point_model(model, set_name, modes).responding(response)


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
