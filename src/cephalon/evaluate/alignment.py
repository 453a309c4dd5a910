"""Moving a prediction onto a scan: refinement over closest points, and a search when nothing is known of the pose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.evaluate._kernels import equations_kernel
from cephalon.evaluate.surface import Closest, Surface, Track, spatial_order
from cephalon.geometry import Similarity, rotation_from_rotvec

FloatArray = npt.NDArray[np.float64]

_COARSE_POINTS, _COARSE_MM = 2000, 0.1  # their minimum lies within tenths of a mm of that of all points
_BEND_STEP_MM = 1.0
_SHORT_MM = 2e-3  # steps below this are Newton's own
_SETTLED_MM = 2e-5
_TRACK_MM = 0.2  # how far points may move before their triangles are searched anew


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """Where a prediction came to lie on a scan.

    Attributes
    ----------
    scan_from_prediction : the motion of the prediction, mm.
    distance : (n,) mm of every scan point to the moved surface.
    face : (n,) int32 closest triangle of the prediction.
    closest : (n, 3) mm closest point, on the moved surface.
    rms_mm : root mean square of the distances that counted (weights, trimming).
    iterations : passes over all points.
    converged : the next step would move no point by more than asked for (2e-5 mm).
    start : which start won, in words ("landmarks", or the start of a search).
    """

    scan_from_prediction: Similarity
    distance: FloatArray
    face: npt.NDArray[np.int32]
    closest: FloatArray
    rms_mm: float
    iterations: int
    converged: bool
    start: str


def refine(
    surface: Surface,
    points: npt.ArrayLike,
    start: Similarity,
    *,
    with_scale: bool,
    keep: float = 1.0,
    max_iterations: int = 60,
    coarse: bool = True,
    settled_mm: float = _SETTLED_MM,
    label: str = "given",
) -> Alignment:
    """Minimise the scan-to-mesh distance over the motion of the mesh.

        E(s, R, t) = 1/2 sum_i min_{c on mesh} | x_i - (s R c + t) |^2

    by Newton's method on closest points (see `_kernels.equations_kernel`), damped where the energy would rise, first on
    a few thousand of the points, then on all. The local minimum is that of the official NoW evaluation's minimiser,
    reached to 2e-5 mm of motion.

    Parameters
    ----------
    surface : the prediction, mm.
    points : (n, 3) mm scan points, at least 4.
    start : where to start from.
    with_scale : also move the scale; otherwise it stays that of `start`.
    keep : share of the points that counts, those nearest at each pass (trimmed ICP); 1 counts all.
    max_iterations : of each of both rounds.
    coarse : start on a part of the points; the minimum is the same unless the start lies far away.
    settled_mm : stop when the next step would move no point by more than this.
    label : kept in the result.

    Raises
    ------
    InputError
        If there are fewer than 4 points or one is not finite.
    """
    x = np.ascontiguousarray(points, dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != 3 or len(x) < 4:
        raise InputError(f"alignment: expected at least 4 scan points of shape (any, 3), got {x.shape}")
    order = spatial_order(x)
    x = x[order]
    move, bend = start, None
    if coarse and len(x) > 2 * _COARSE_POINTS:
        part = np.ascontiguousarray(x[:: len(x) // _COARSE_POINTS])
        task = _Task(surface, part, with_scale, keep)
        place, _, _ = _minimise(task, move, max_iterations, _COARSE_MM, None)
        move, bend = place.move, _bend(task, place)
    task = _Task(surface, x, with_scale, keep, track_mm=_TRACK_MM)
    place, count, converged = _minimise(task, move, max_iterations, settled_mm, bend)
    move, found = place.move, place.found
    back = np.argsort(order, kind="stable")
    counted = max(int(np.ceil(keep * len(x))), 1)
    return Alignment(
        scan_from_prediction=move,
        distance=found.distance[back] * move.scale,
        face=found.face[back],
        closest=move.apply(found.point)[back],
        rms_mm=float(np.sqrt(2 * place.energy / counted)),
        iterations=count,
        converged=converged,
        start=label,
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """A motion of the mesh; energy, gradient and Hessian there, all unknowns measured by the outermost point's mm."""

    move: Similarity
    found: Closest
    energy: float
    gradient: FloatArray
    hessian: FloatArray


class _Task:
    """One minimisation: the points, which unknowns are free, and the tree's memory of the points."""

    def __init__(self, surface: Surface, x: FloatArray, with_scale: bool, keep: float, track_mm: float = 0.0) -> None:
        self.surface, self.x, self.keep = surface, x, keep
        self.centre: FloatArray = np.ascontiguousarray(x.mean(axis=0))
        self.reach = float(np.abs(x - self.centre).max()) or 1.0
        self.unit = np.array([*4 * [1.0 / self.reach], 1.0, 1.0, 1.0])[0 if with_scale else 1 :]
        self._track_mm, self._track = track_mm, None

    def look(self, move: Similarity, hints: npt.NDArray[np.int32] | None) -> _Place:
        """Find the closest points under a motion, and the equations there."""
        if self._track_mm and self._track is None:
            self._track = Track(len(self.x), self._track_mm / move.scale)
        found = self.surface.closest(move.inverse().apply(self.x), hints, self._track)
        weights: FloatArray = np.ones(len(self.x))
        if self.keep < 1.0:
            counted = max(int(np.ceil(self.keep * len(self.x))), 1)
            weights[:] = 0.0
            weights[np.argpartition(found.distance, counted - 1)[:counted]] = 1.0
        gradient: FloatArray = np.zeros(7)
        hessian: FloatArray = np.zeros((7, 7))
        closest = np.ascontiguousarray(move.apply(found.point))
        rotation = np.ascontiguousarray(move.rotation, dtype=np.float64)
        energy = equations_kernel(
            self.x, closest, weights, found.slot, found.feature, self.surface.corners, rotation, self.centre, True,
            gradient, hessian,
        )  # fmt: skip
        u = self.unit
        return _Place(
            move, found, float(energy), u * gradient[-len(u) :], u[:, None] * hessian[-len(u) :, -len(u) :] * u
        )

    def moved(self, move: Similarity, step: FloatArray) -> Similarity:
        """Return the motion after a step."""
        full = np.zeros(7)
        full[-len(step) :] = self.unit * step
        return _moved(move, full, self.centre)


def _minimise(
    task: _Task, move: Similarity, most: int, settled: float, bend: FloatArray | None
) -> tuple[_Place, int, bool]:
    """Return the minimum, the passes it took and whether it settled.

    `bend` (per point) is what `_bend` found; it serves while steps are long, and learns from the gradients at both ends of
    each step (symmetric rank one: the Hessian's lack is what explains their difference). Once steps are short no gradient
    jumps lie within them and Newton's own Hessian is exact.
    """
    place = task.look(move, None)
    extra = np.zeros_like(place.hessian) if bend is None else bend * len(task.x)
    damping, count = 0.0, 1
    while count < most:
        step = _step(place.gradient, place.hessian + extra, damping)
        if float(np.abs(step).sum()) < _SHORT_MM:
            step = _step(place.gradient, place.hessian, damping)
        size = float(np.abs(step).sum())
        if size < settled:
            return place, count, True
        trial = task.look(task.moved(place.move, step), place.found.slot)
        count += 1
        lack = trial.gradient - place.gradient - (place.hessian + extra) @ step
        along = float(lack @ step)
        if abs(along) > 1e-8 * float(np.linalg.norm(lack) * np.linalg.norm(step)):
            extra = extra + np.outer(lack, lack) / along
        if trial.energy <= place.energy * (1 + 1e-13):
            place, damping = trial, damping / 10 if damping > 1e-6 else 0.0
        elif size < 100 * settled:  # rounding and jumps decide: this is the minimum to what can be told
            return place, count, True
        else:
            damping = max(10 * damping, 1e-3)
    return place, count, False


def _bend(task: _Task, place: _Place) -> FloatArray:
    """Return what Newton's Hessian lacks of the curvature over a step of about 1 mm, per point.

    Newton's Hessian is that of each closest point's own triangle, edge or corner. Where points cross a fold of the
    mesh, gradients jump; over a step that adds up to a curvature which only differences of gradients tell.
    """
    count = len(task.unit)
    slopes: FloatArray = np.zeros((count, count))
    for i, direction in enumerate(np.eye(count)):
        there = task.look(task.moved(place.move, _BEND_STEP_MM * direction), place.found.slot)
        slopes[i] = (there.gradient - place.gradient) / _BEND_STEP_MM
    return (0.5 * (slopes + slopes.T) - place.hessian) / len(task.x)


def _step(gradient: FloatArray, hessian: FloatArray, damping: float) -> FloatArray:
    """Return Newton's step where the Hessian is positive definite, else one with its eigenvalues lifted: downhill."""
    values, vectors = np.linalg.eigh(hessian)
    top = max(float(np.abs(values).max()), 1e-300)
    lifted = np.maximum(np.abs(values), 1e-6 * top) + damping * top
    return -(vectors @ ((vectors.T @ gradient) / lifted))


def _moved(move: Similarity, step: FloatArray, centre: FloatArray) -> Similarity:
    """Return the motion after x -> centre + e^s exp(w) (x - centre) + t, on the left."""
    turn = rotation_from_rotvec(step[1:4])
    grow = float(np.exp(np.clip(step[0], -0.5, 0.5)))
    u, _, vt = np.linalg.svd(turn @ move.rotation)  # keeps rounding from adding up
    translation = centre + grow * (turn @ (move.translation - centre)) + step[4:7]
    return Similarity(scale=move.scale * grow, rotation=u @ vt, translation=translation)
