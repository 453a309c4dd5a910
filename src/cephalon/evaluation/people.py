"""The people of the open synthetic benchmark: sampled heads, five cameras each, landmarks with stated noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import Camera, Rigid, point_visibility, rasterise_mesh, rotation_from_rotvec, vertex_normals
from cephalon.head import HeadModel
from cephalon.values import Observation, PointObservation

Float = NDArray[np.float64]

PHOTOS = ("front", "three-quarter left", "three-quarter right", "profile", "expression")
POINT_SETS = ("ibug68", "mediapipe478")
_FACING = np.diag([1.0, -1.0, -1.0])
_YAW_DEG = {"front": 0.0, "three-quarter left": 35.0, "three-quarter right": -35.0, "profile": 70.0, "expression": 10.0}
_SIDE_PX = 1000
# Of the fifth photo: how many of the expressions are switched on, and how far at the most.
_SHOWN, _STRONGEST = 0.1, 0.5
EXPRESSION_MEAN = 0.5 * _SHOWN * _STRONGEST


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shot:
    """One camera and what it sees: name of the photo, pose, exact positions (px) and visibility of each point set."""

    name: str
    yaw_deg: float
    camera: Camera
    camera_from_head: Rigid
    exact: tuple[Float, ...]
    visible: tuple[NDArray[np.bool_], ...]
    eye_distance_px: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """A sampled head: its number, identity (k,), neutral vertices (n, 3) mm, five shots, and a source of noise."""

    number: int
    identity: Float
    vertices: Float
    shots: tuple[Shot, ...]
    noise_seed: tuple[int, int]


def draw_person(model: HeadModel, seed: int, number: int) -> Person:
    """Draw a person of the benchmark; the same for the same model, seed and number, whoever else is drawn.

    Identity from the model's prior. Yaw about 0, +-35, 70 and 10 degrees, each with 5 degrees of spread, pitch 6, roll 4;
    distance log-normal about 0.9 m, 35 mm-equivalent focal length log-normal about 45 mm (both with a factor of 1.4). The fifth photo
    has a tenth of the expressions switched on, up to one half.
    """
    rng = np.random.default_rng([seed, number])
    identity = model.sample(rng=rng).identity
    shots = tuple(_shot(model, identity, name, rng) for name in PHOTOS)
    vertices = model.vertices(model.code(identity=identity))
    return Person(number=number, identity=identity, vertices=vertices, shots=shots, noise_seed=(seed, number))


def _shot(model: HeadModel, identity: Float, name: str, rng: np.random.Generator) -> Shot:
    yaw, pitch, roll = np.radians(rng.normal((_YAW_DEG[name], 0.0, 0.0), (5.0, 6.0, 4.0)))
    distance = 900.0 * float(np.exp(rng.normal(0, np.log(1.4))))
    focal35 = 45.0 * float(np.exp(rng.normal(0, np.log(1.4))))
    draw = rng.random(len(model.expression_names)), rng.uniform(0, _STRONGEST, len(model.expression_names))
    expression = np.where(draw[0] < _SHOWN, draw[1], 0.0) if name == "expression" else None
    turn = (
        rotation_from_rotvec(np.array([0.0, yaw, 0.0]))
        @ rotation_from_rotvec(np.array([pitch, 0.0, 0.0]))
        @ rotation_from_rotvec(np.array([0.0, 0.0, roll]))
    )
    place = Rigid(rotation=_FACING @ turn, translation=np.array([0.0, 0.0, distance]))
    camera = Camera.from_focal35(_SIDE_PX, _SIDE_PX, focal35)
    vertices = model.vertices(model.code(identity=identity, expression=expression))
    seen = place.apply(vertices)
    small = Camera.from_focal35(_SIDE_PX // 2, _SIDE_PX // 2, focal35)
    depth = rasterise_mesh(seen, model.faces, small).depth
    normals = vertex_normals(seen, model.faces)
    exact, visible = [], []
    for set_name in POINT_SETS:
        points = model.point_set(set_name)
        positions = points.positions(seen, model.faces)
        facing = points.positions(normals, model.faces)
        facing = facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-9)
        exact.append(camera.project(positions))
        visible.append(point_visibility(positions, camera, depth, normals_cam=facing, tolerance_mm=3.0))
    corners = model.point_set("now7").positions(seen, model.faces)[[0, 3]]
    apart = float(np.linalg.norm(corners[0] - corners[1]) * camera.focal_px / corners[:, 2].mean())
    return Shot(
        name=name, yaw_deg=float(np.degrees(yaw)), camera=camera, camera_from_head=place, exact=tuple(exact),
        visible=tuple(visible), eye_distance_px=apart,
    )  # fmt: skip


def observe(person: Person, shot: int, noise_percent: float, *, hidden: bool = False) -> Observation:
    """Return what a landmarker with independent errors reports of one shot.

    Every point errs by N(0, sigma^2) along x and y, sigma = `noise_percent` of the outer eye distance as it would be seen
    face on at that distance; the observation says so. Points that the camera does not see are absent, unless `hidden`.
    """
    own = person.shots[shot]
    rng = np.random.default_rng([*person.noise_seed, 1 + shot])
    sigma = 0.01 * noise_percent * own.eye_distance_px
    sets = []
    for name, exact, visible in zip(POINT_SETS, own.exact, own.visible, strict=True):
        position = exact + sigma * rng.standard_normal(exact.shape)
        sets.append(
            PointObservation(
                set_name=name,
                position=position,
                covariance=np.tile(sigma**2 * np.eye(2), (len(position), 1, 1)),
                visible=np.ones(len(position), dtype=bool) if hidden else visible,
            )
        )
    return Observation(
        width=own.camera.width,
        height=own.camera.height,
        points=tuple(sets),
        source=f"synthetic, {noise_percent:g} % noise",
    )
