"""People drawn from the head model, seen by cameras, with landmark noise that is exactly what the fit assumes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cephalon.fit import Cues, FitOptions
from cephalon.fit.factors import ExclusionFactor, LinearFactor
from cephalon.fit.points import IRIS_ROWS, smooth_modes
from cephalon.fit.problem import build_problem
from cephalon.geometry import Camera, Rigid, rotation_from_rotvec
from cephalon.head import HeadModel
from cephalon.values import Observation, PointObservation

FACING = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True)
class Seen:
    observation: Observation
    camera: Camera
    camera_from_head: Rigid
    identity: np.ndarray
    expression: np.ndarray


def pose(yaw_deg: float = 0.0, pitch_deg: float = 0.0, roll_deg: float = 0.0, distance_mm: float = 800.0) -> Rigid:
    turn = (
        rotation_from_rotvec(np.radians([0.0, yaw_deg, 0.0]))
        @ rotation_from_rotvec(np.radians([pitch_deg, 0.0, 0.0]))
        @ rotation_from_rotvec(np.radians([0.0, 0.0, roll_deg]))
    )
    return Rigid(rotation=FACING @ turn, translation=np.array([0.0, 0.0, distance_mm]))


def see(
    model: HeadModel,
    identity: np.ndarray,
    *,
    rng: np.random.Generator,
    place: Rigid | None = None,
    focal35_mm: float = 50.0,
    focal_known: bool = False,
    expression: np.ndarray | None = None,
    gaze: np.ndarray | None = None,
    set_name: str = "mediapipe478",
    sigma_mm: float = 0.8,
    field_share: float = 0.82,
    field_length_mm: float = 20.0,
    outliers: float = 0.0,
    iris_mm: float | None = None,
    size: tuple[int, int] = (1000, 1000),
) -> Seen:
    """Photograph a head and measure its points with noise of `sigma_mm` on the face, a share of it smooth."""
    place = place or pose()
    camera = Camera.from_focal35(*size, focal35_mm)
    expression = np.zeros(len(model.expression_names)) if expression is None else expression
    joints = None
    if gaze is not None:
        joints = {name: np.append(turn, 0.0) for name, turn in zip(("left_eye", "right_eye"), gaze, strict=True)}
    code = model.code(identity=identity, expression=expression, joints=joints)
    exact = camera.project(place.apply(model.points(code, set_name)))
    sigma = sigma_mm * camera.focal_px / place.translation[2]
    smooth = np.sqrt(field_share) * smooth_modes(model, set_name, field_length_mm)
    rest = np.sqrt(1 - (smooth**2).sum(1))[:, None]
    noise = smooth @ rng.standard_normal((smooth.shape[1], 2)) + rest * rng.standard_normal((len(exact), 2))
    seen = exact + sigma * noise
    if outliers:
        wild = rng.random(len(seen)) < outliers
        seen[wild] += 25 * sigma * rng.standard_normal((wild.sum(), 2))
    for centre, ring in IRIS_ROWS.get(set_name, ()):
        if iris_mm is not None:  # a round iris of a known size around its centre
            radius = 0.5 * iris_mm * camera.focal_px / place.apply(model.points(code, set_name))[centre, 2]
            seen[list(ring)] = seen[centre] + radius * np.array([[1, 0], [0, -1], [-1, 0], [0, 1]])
    covariance = np.tile(sigma**2 * np.eye(2), (len(seen), 1, 1))
    points = PointObservation(
        set_name=set_name, position=seen, covariance=covariance, visible=np.ones(len(seen), dtype=bool)
    )
    observation = Observation(
        width=size[0], height=size[1], points=(points,), focal35_mm=focal35_mm if focal_known else None
    )
    return Seen(observation, camera, place, identity, expression)


def draw_expression(model: HeadModel, rng: np.random.Generator) -> np.ndarray:
    """A few coefficients away from 0: sparser than the fit's prior."""
    return np.where(rng.random(len(model.expression_names)) < 0.1, rng.uniform(0, 0.5, len(model.expression_names)), 0)


def expressions_of_prior(model: HeadModel, options: FitOptions, count: int, rng: np.random.Generator) -> np.ndarray:
    """Draw (count, b) coefficients from the very density that the fit believes in, by Metropolis steps in all chains."""
    seen = see(model, np.zeros(model.identity_count), rng=np.random.default_rng(0)).observation
    factors = build_problem([seen], model, options, Cues()).factors
    (linear,) = [f for f in factors if isinstance(f, LinearFactor) and f.kind == "expression"]
    (apart,) = [f for f in factors if isinstance(f, ExclusionFactor)]

    def energy(e: np.ndarray) -> np.ndarray:
        excess = np.maximum(e[:, apart.lower] - e[:, apart.upper], 0.0)
        together = np.hstack([e[:, apart.first] * e[:, apart.second], excess]) / apart.sigma
        return 0.5 * ((e @ linear.matrix.T - linear.target) ** 2).sum(1) + 0.5 * (together**2).sum(1)

    e = np.minimum(rng.exponential(options.expression_mean, (count, len(model.expression_names))), 0.9)
    current = energy(e)
    for step in range(60 * e.shape[1]):
        trial = e.copy()
        trial[:, step % e.shape[1]] += (0.05, 0.25)[step // e.shape[1] % 2] * rng.standard_normal(count)
        value = np.where((trial >= 0).all(1) & (trial <= 1).all(1), energy(trial), np.inf)
        accept = np.log(rng.random(count)) < current - value
        e[accept], current[accept] = trial[accept], value[accept]
    return e


def region_error(model: HeadModel, identity: np.ndarray, truth: np.ndarray, region: str = "face") -> float:
    """Mean distance between vertices of a region, mm, after the rigid motion that fits best is taken away."""
    from cephalon.geometry import procrustes

    rows = model.regions[region] > 0.5
    a = model.vertices(model.code(identity=identity))[rows]
    b = model.vertices(model.code(identity=truth))[rows]
    return float(np.linalg.norm(procrustes(a, b).apply(a) - b, axis=1).mean())
