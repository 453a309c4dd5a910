"""A tiny photographer: renders a head of known albedo under a known light, with perfect landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cephalon.appearance.light import harmonics
from cephalon.colour import srgb_from_linear
from cephalon.export import fine_mesh
from cephalon.geometry import Camera, Rigid, interpolate, rasterise_mesh, rotation_from_rotvec, vertex_normals
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import Observation, PhotoFit, PointObservation, Posterior

SKIN = np.array([0.46, 0.30, 0.24])
LIPS = np.array([0.36, 0.15, 0.15])
IRIS = np.array([0.05, 0.13, 0.30])
PAINTS = {"black": np.full(3, 0.012), "hair": np.array([0.12, 0.05, 0.02]), "red": np.array([0.7, 0.02, 0.04])}
BACKGROUND = np.array([0.75, 0.02, 0.02])
# white, from the upper left of the picture (camera frame: x right, y down, z away), harmonics as in `harmonics`
LIGHT = np.array([0.80, -0.22, -0.30, -0.16, 0.02, 0.0, 0.03, 0.03, 0.0])[:, None] * np.ones(3)
_FACING = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, kw_only=True)
class Shot:
    photo: Photo
    observation: Observation
    fit: PhotoFit
    face: np.ndarray  # (h, w) index of the fine face that each pixel shows, -1 for none
    depth: np.ndarray


def skin_albedo(places: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """Albedo (k, 3) at places (k, 3) mm on the mean head: symmetric, gently patterned, lips redder."""
    pattern = 1 + 0.05 * np.sin(places[:, 1] / 6) * np.cos(np.abs(places[:, 0]) / 5)
    return (SKIN + lips[:, None] * (LIPS - SKIN)) * pattern[:, None]


def albedo_at_vertices(model: HeadModel) -> np.ndarray:
    """True albedo of all fine vertices; eyeballs white with a blue iris, teeth bright."""
    fine = fine_mesh(model)
    places = fine.operator @ model.mean
    spread = {name: np.clip(fine.operator @ weight, 0, 1) for name, weight in model.regions.items()}
    albedo = skin_albedo(places, np.maximum(spread["lips_upper"], spread["lips_lower"]))
    for name, part in fine.parts.items():
        if name != "skin":
            albedo[np.unique(fine.mesh.faces[part.faces])] = 0.8
    iris = np.maximum(spread["iris"], spread["pupil"])[:, None]
    albedo += iris * (IRIS - albedo)
    return albedo


def shoot(
    model: HeadModel,
    *,
    yaw_deg: float = 0.0,
    light: np.ndarray = LIGHT,
    gain: float = 1.0,
    expression: dict[str, float] | None = None,
    size: int = 620,
    paint: dict[str, np.ndarray] | None = None,
    shade: np.ndarray | float = 1.0,
) -> Shot:
    """Photograph the mean head.

    `paint` gives fine-vertex masks by name of a colour in `PAINTS`, which covers the skin as hair or a straw would;
    `shade` is a factor on the light of each fine vertex.
    """
    code = model.code(expression=expression)
    vertices = model.vertices(code)
    fine = fine_mesh(model)
    camera = Camera.from_focal35(size, size, 85.0)
    rotation = _FACING @ rotation_from_rotvec(np.array([0.0, -np.deg2rad(yaw_deg), 0.0]))
    centre = vertices.mean(0) + np.array([0.0, 20, 20])
    pose = Rigid(rotation=rotation, translation=np.array([0, 0, 1100.0]) - rotation @ centre)
    points = pose.apply(fine.operator @ vertices)
    shown = np.ones(len(fine.mesh.faces), dtype=bool)
    for name, part in fine.parts.items():
        shown[part.faces] = "lashes" not in name
    numbers = np.flatnonzero(shown)
    raster = rasterise_mesh(points, fine.mesh.faces[shown], camera)
    albedo = albedo_at_vertices(model)
    for name, mask in (paint or {}).items():
        albedo = np.where(mask[:, None], PAINTS[name], albedo)
    normals = vertex_normals(points, fine.mesh.faces)
    shading = harmonics(normals) @ light
    colour = interpolate(raster, fine.mesh.faces[shown], albedo * shading * np.reshape(shade, (-1, 1)) * gain)
    colour[~raster.covered] = BACKGROUND
    face = np.where(raster.covered, numbers[raster.face_index], -1)
    place = camera.project(pose.apply(model.points(code, "mediapipe478")))
    photo = Photo.from_array(srgb_from_linear(colour), name=f"yaw {yaw_deg}")
    observation = Observation(
        width=size,
        height=size,
        points=(
            PointObservation(
                set_name="mediapipe478",
                position=place,
                covariance=np.tile(np.eye(2), (len(place), 1, 1)),
                visible=np.ones(len(place), dtype=bool),
            ),
        ),
        source="synthetic",
    )
    fit = PhotoFit(
        camera=camera,
        camera_from_head=pose,
        expression=np.zeros(52) if code.expression is None else code.expression,
        joint_rotvecs=np.zeros((len(model.joint_names), 3)),
        reprojection_px=0.0,
        reprojection_percent=0.0,
        points_px=place,
        inlier=np.ones(len(place)),
        focal_sigma=0.05,
    )
    return Shot(photo=photo, observation=observation, fit=fit, face=face, depth=raster.depth)


def posterior(model: HeadModel, shots: list[Shot]) -> Posterior:
    k = model.identity_count
    return Posterior(
        identity=np.zeros(k),
        identity_sqrt_precision=np.eye(k),
        photos=tuple(shot.fit for shot in shots),
        cues=(),
        status="converged",
    )
