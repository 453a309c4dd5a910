"""Where a fit starts: the mean head's pose in each photo by scaled orthography, then perspective; rivals are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cephalon.core import NoHeadError
from cephalon.fit.terms import group_weights, inverse_square_root, loss
from cephalon.geometry import Camera, rotation_from_rotvec, skew

Float = NDArray[np.float64]

_STEPS = 15
# Turns of the first guess (rad, about the camera's x and y axes) from which a second pose is sought: a flat or
# one-sided set of points looks nearly the same from two sides.
_TURNS = ((0.0, 0.0), (0.0, 0.9), (0.0, -0.9), (0.7, 0.0), (-0.7, 0.0))
_SAME_ANGLE = 0.15
_CLEAR = 40  # this many points leave no second pose
_MOST_DAMPING = 1e6
_LARGEST_TURN = 0.6  # rad in one step
_TOLERANCE = 0.05  # nats
_ENOUGH = 120  # more points than this add time and nothing else
_RIVAL_ENERGY = 6.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose:
    """A pose of the mean head, in the unknowns of `PhotoState`, and its energy in nats."""

    rotation: Float
    place: Float
    log_focal: float
    pivot: Float
    energy: float


def starting_poses(
    points: Float,
    spread: Float,
    position: Float,
    covariance: Float,
    *,
    size: tuple[int, int],
    focal_px: float,
    nu: float,
) -> list[Pose]:
    """Return poses of the mean head that explain the points, best first; more than one only where they rival.

    Parameters
    ----------
    points, spread : (m, 3) mm and (m, 3, 3) mm^2: the mean head's points and how far people's differ from them.
    position, covariance : (m, 2) px and (m, 2, 2) px^2.
    focal_px : the focal length to assume.

    Raises
    ------
    NoHeadError
        If the points do not fix a pose: fewer than 4, or all in one spot or on one line.
    """
    if len(points) < 4:
        raise NoHeadError(f"a head's pose needs at least 4 visible points, got {len(points)}")
    if len(points) > _ENOUGH:
        rows = np.linspace(0, len(points) - 1, _ENOUGH).round().astype(int)
        points, spread, position, covariance = points[rows], spread[rows], position[rows], covariance[rows]
    first = _scaled_orthography(points, position, size=size, focal_px=focal_px)
    found: list[Pose] = []
    for about_x, about_y in _TURNS if len(points) < _CLEAR else _TURNS[:1]:
        turn = rotation_from_rotvec(np.array([about_x, about_y, 0.0]))
        start = replace(first, rotation=turn @ first.rotation)
        pose = _refine(start, points, spread, position, covariance, size=size, nu=nu)
        if all(_angle(pose.rotation, other.rotation) > _SAME_ANGLE for other in found):
            found.append(pose)
        else:
            same = next(i for i, other in enumerate(found) if _angle(pose.rotation, other.rotation) <= _SAME_ANGLE)
            if pose.energy < found[same].energy:
                found[same] = pose
    found.sort(key=lambda pose: pose.energy)
    return [pose for pose in found if pose.energy < found[0].energy + _RIVAL_ENERGY]


def _angle(a: Float, b: Float) -> float:
    return float(np.arccos(np.clip((np.trace(a @ b.T) - 1) / 2, -1, 1)))


def _scaled_orthography(points: Float, position: Float, *, size: tuple[int, int], focal_px: float) -> Pose:
    """Solve u = s P X + c by least squares, reweighted against far points; P becomes the nearest rows of a rotation."""
    centre = np.array(size) / 2
    weights = np.ones(len(points))
    rows, offset = np.zeros((2, 3)), np.zeros(2)
    for _ in range(5):
        total = weights.sum()
        mean, middle = weights @ points / total, weights @ position / total
        a, b = points - mean, position - middle
        gram = (weights[:, None] * a).T @ a
        # a ridge of 1 % keeps the depth of a flat set of points from running away
        rows = np.linalg.solve(gram + 0.01 * np.trace(gram) * np.eye(3), (weights[:, None] * a).T @ b).T
        offset = middle - rows @ mean
        error = np.linalg.norm(position - points @ rows.T - offset, axis=1)
        scale = max(float(np.median(error)), 1e-6)
        weights = 1.0 / (1.0 + (error / (2.0 * scale)) ** 2)
    u, singular, vt = np.linalg.svd(rows)
    if not (singular[1] > 1e-3 * singular[0] > 0):
        raise NoHeadError("the measured points lie in one spot or on one line, so they show no head")
    two = u @ vt[:2]
    pivot = points.mean(axis=0)
    return Pose(
        rotation=np.vstack([two, np.cross(two[0], two[1])]),
        place=np.append(rows @ pivot + offset - centre, np.log(singular.mean())),
        log_focal=float(np.log(focal_px)),
        pivot=pivot,
        energy=np.inf,
    )


def _refine(
    pose: Pose, points: Float, spread: Float, position: Float, covariance: Float, *, size: tuple[int, int], nu: float
) -> Pose:
    """Levenberg-Marquardt on the six numbers of the pose, Student-t, noise = network's + how people differ."""
    camera = Camera(width=size[0], height=size[1], focal_px=float(np.exp(pose.log_focal)))
    arms = points - pose.pivot
    damping = 1e-3

    def in_camera(rotation: Float, place: Float) -> Float:
        return arms @ rotation.T + np.exp(-place[2]) * np.array([place[0], place[1], camera.focal_px])

    for _ in range(_STEPS):
        pixels, d_point, _ = camera.project_jacobian(in_camera(pose.rotation, pose.place))
        if not np.isfinite(pixels).all():
            break
        across = d_point @ pose.rotation
        whitening = inverse_square_root(covariance + across @ spread @ across.transpose(0, 2, 1))
        residual = np.einsum("mab,mb->ma", whitening, pixels - position)
        current = loss(residual, nu)
        pose = replace(pose, energy=current)
        d_point = whitening @ d_point
        mm_per_px = np.exp(-pose.place[2])
        pivot = mm_per_px * np.array([pose.place[0], pose.place[1], camera.focal_px])
        columns = [
            -d_point @ skew(arms @ pose.rotation.T),
            mm_per_px * d_point[:, :, :2],
            -(d_point @ pivot)[:, :, None],
        ]
        root = np.sqrt(group_weights(residual, nu))
        jacobian = (root[:, None, None] * np.concatenate(columns, axis=2)).reshape(-1, 6)
        gradient = jacobian.T @ (root[:, None] * residual).reshape(-1)
        hessian = jacobian.T @ jacobian
        gain = 0.0
        while damping < _MOST_DAMPING:
            step = -np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
            step *= min(1.0, _LARGEST_TURN / max(float(np.linalg.norm(step[:3])), 1e-12))
            rotation, place = rotation_from_rotvec(step[:3]) @ pose.rotation, pose.place + step[3:]
            error = camera.project(in_camera(rotation, place)) - position
            found = loss(np.nan_to_num(np.einsum("mab,mb->ma", whitening, error), nan=1e6), nu)
            if found < current:
                gain = current - found
                pose, damping = replace(pose, rotation=rotation, place=place, energy=found), max(damping / 5, 1e-8)
                break
            damping *= 10
        if gain < _TOLERANCE:
            break
    return pose


def best_combination(starts: Sequence[list[Pose]]) -> list[tuple[Pose, ...]]:
    """Return starts for a set of photos: the best pose of each, then each rival in turn with the others' best."""
    best = tuple(poses[0] for poses in starts)
    combinations = [best]
    for p, poses in enumerate(starts):
        combinations += [(*best[:p], rival, *best[p + 1 :]) for rival in poses[1:]]
    return combinations
