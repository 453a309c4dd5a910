"""What is in front of the camera: people in poses, the camera, the light, the background, and what the sensor does."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import Camera, Rigid, rotation_from_rotvec, rotvec_from_rotation
from cephalon.geometry.camera import FULL_FRAME_DIAGONAL_MM
from cephalon.head import HeadModel
from cephalon.head.model import joint_transforms
from cephalon.synth.expression import gaze_coefficients, sample_expression, speech
from cephalon.synth.light import frame_towards
from cephalon.synth.options import SampleOptions, SensorOptions
from cephalon.synth.person import Person, draw_person
from cephalon.synth.stock import Library

Float = NDArray[np.float64]

HEAD_HEIGHT_MM = 235.0
"""Chin to crown of an average adult with some hair: what "head share" is measured against."""
HEAD_MIDDLE = np.array([0.0, 12.0, 12.0])
CAMERA_FROM_FACING = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Actor:
    """A person in a pose.

    Attributes
    ----------
    expression : (b,) ARKit coefficients, lids' part of the gaze included.
    gaze_deg : yaw to the person's left and pitch up of both eyes, in the skull's frame.
    joint_rotvecs : (j, 3) rad.
    camera_from_head : where the head frame (that of the shoulders) is.
    occluder : seed of a thing held in front, or -1.
    """

    person: Person
    expression: Float
    gaze_deg: tuple[float, float]
    joint_rotvecs: Float
    camera_from_head: Rigid
    occluder: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """A lamp far away: unit direction towards it in camera axes, irradiance / pi by channel, softness of its shadow, mm."""

    direction: tuple[float, float, float]
    rgb: tuple[float, float, float]
    soft_mm: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensor:
    """What the camera does to the light; see `SensorOptions`. `seed` draws the noise.

    `balance` is the share of the light's colour on the faces that the camera's white balance takes away; `gains` err beyond it.
    """

    exposure: float
    balance: float
    gains: tuple[float, float, float]
    noise: float
    blur_px: float
    motion_px: tuple[float, float]
    sharpen: float
    contrast: float
    shrink: float
    grey: bool
    vignette: float
    quality: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """What the pictures of one sitting have in common.

    Attributes
    ----------
    panorama : number in the library; `world_from_camera` (3, 3) how the camera looks into it.
    background : "photo", "panorama" or "made"; `background_number` and `background_seed` pick and make it.
    """

    panorama: int
    world_from_camera: Float
    lamps: tuple[Lamp, ...]
    background: str
    background_number: float
    background_seed: int
    background_blur: float
    sensor: Sensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene(Setting):
    """Everything that one picture shows."""

    camera: Camera
    actors: tuple[Actor, ...]


def draw_scenes(library: Library, options: SampleOptions, *, rng: np.random.Generator) -> list[Scene]:
    """Draw the pictures of one sample: one, or the three of a triple, or the frames of a sequence."""
    if options.family == "group":
        return [_group(library, options, rng)]
    person = draw_person(library.model, options.person, rng=rng, meshes=tuple(library.hair))
    angles = _angles(options, rng)
    setting = _setting(library, options, rng)
    if options.family == "triple":
        return [
            _portrait(library, options, person, (angles[0] + yaw, angles[1], angles[2]), setting, rng, rest=True)
            for yaw in (0.0, -90.0, 90.0)
        ]
    if options.family == "sequence":
        return _sequence(library, options, person, angles, setting, rng)
    return [_portrait(library, options, person, angles, setting, rng)]


def pose_rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float:
    """Return camera_from_head's rotation: diag(1, -1, -1) Ry(yaw) Rx(pitch) Rz(roll), as in docs/conventions.md."""
    angles = np.deg2rad([[0.0, yaw_deg, 0.0], [pitch_deg, 0.0, 0.0], [0.0, 0.0, roll_deg]])
    about_y, about_x, about_z = rotation_from_rotvec(angles)
    return CAMERA_FROM_FACING @ about_y @ about_x @ about_z


def _angles(options: SampleOptions, rng: np.random.Generator) -> tuple[float, float, float]:
    camera = options.camera
    if rng.random() < camera.wide:
        yaw, pitch = rng.uniform(-1, 1, 2) * (camera.yaw_deg[1], camera.pitch_deg[1])
    else:
        yaw = np.clip(camera.yaw_deg[0] * rng.standard_t(4), -camera.yaw_deg[1], camera.yaw_deg[1])
        pitch = np.clip(camera.pitch_deg[0] * rng.standard_t(5), -camera.pitch_deg[1], camera.pitch_deg[1])
    roll = camera.roll_deg[0] * rng.standard_t(4)
    if camera.roll_deg[1] >= 90 and rng.random() < 0.02:
        roll = rng.uniform(-180, 180)
    return float(yaw), float(pitch), float(np.clip(roll, -camera.roll_deg[1], camera.roll_deg[1]))


def _setting(library: Library, options: SampleOptions, rng: np.random.Generator) -> Setting:
    turn = rng.uniform(0, 2 * np.pi)
    tilt = float(np.clip(rng.normal(0, 0.08), -0.3, 0.3))
    about_y, about_x = rotation_from_rotvec(np.array([[0.0, turn, 0.0], [tilt, 0.0, 0.0]]))
    # camera axes (y down, z forward) into the world's (y up): half a turn about x
    world_from_camera = about_y @ about_x @ np.diag([-1.0, -1.0, 1.0])
    lamps = _lamps(options, rng)
    kind = rng.random()
    background = "made"
    if kind < options.photo_background and library.backgrounds:
        background = "photo"
    elif kind < options.photo_background + options.panorama_background:
        background = "panorama"
    return Setting(
        panorama=int(rng.integers(len(library.panoramas))),
        world_from_camera=world_from_camera,
        lamps=lamps,
        background=background,
        background_number=float(rng.random()),
        background_seed=int(rng.integers(1 << 31)),
        background_blur=float(rng.beta(1.2, 1.6)) * 0.03,
        sensor=_sensor(options.sensor, options.light.exposure, options.size, rng),
    )


def _lamps(options: SampleOptions, rng: np.random.Generator) -> tuple[Lamp, ...]:
    count = int(np.searchsorted(np.cumsum(options.light.lamps), rng.random(), side="right").clip(0, 4))
    lamps = []
    for number in range(count):
        direction = rng.normal(size=3) * np.array([1.0, 0.7, 1.0]) + np.array([0.0, -0.45, -0.35])
        if number and rng.random() < 0.5:
            direction[2] = abs(direction[2])  # from behind
        direction /= np.linalg.norm(direction)
        strength = options.light.strength[0] * np.exp(rng.normal(0, options.light.strength[1]))
        if number == 0 and rng.random() < 0.12:
            strength *= 3.0  # a hard side light
        warm = rng.normal(0, options.light.cast)
        rgb = strength * np.exp(np.array([warm, 0.0, -warm]) + rng.normal(0, 0.25 * options.light.cast, 3))
        lamps.append(far_lamp(direction, rgb, float(np.exp(rng.uniform(np.log(1.5), np.log(16.0))))))
    if rng.random() < options.light.flash:
        rgb = np.full(3, float(rng.uniform(0.6, 1.8)))
        lamps = [*lamps[:3], far_lamp(np.array([rng.normal(0, 0.06), rng.normal(-0.08, 0.05), -1.0]), rgb, 2.0)]
    return tuple(lamps)


def far_lamp(direction: Float, rgb: Float, soft_mm: float) -> Lamp:
    """Return a lamp in a direction (3,) of any length."""
    d = direction / np.linalg.norm(direction)
    return Lamp(
        direction=(float(d[0]), float(d[1]), float(d[2])),
        rgb=(float(rgb[0]), float(rgb[1]), float(rgb[2])),
        soft_mm=soft_mm,
    )


def _sensor(options: SensorOptions, exposure: float, size: int, rng: np.random.Generator) -> Sensor:
    gains = np.exp(rng.normal(0, options.white_balance, 3))
    gains /= gains.mean()
    motion = (0.0, 0.0)
    if rng.random() < options.motion:
        angle, length = rng.uniform(0, np.pi), rng.uniform(0.005, 0.04) * size
        motion = (float(np.cos(angle) * length), float(np.sin(angle) * length))
    low, high = options.blur_px
    return Sensor(
        exposure=float(np.exp(rng.normal(0, exposure))),
        balance=float(rng.beta(5.0, 1.4)),
        gains=(float(gains[0]), float(gains[1]), float(gains[2])),
        noise=float(np.exp(rng.uniform(*np.log(options.noise)))),
        blur_px=float(low + (high - low) * rng.random() ** 2) * size / 256,
        motion_px=motion,
        sharpen=float(rng.uniform(0.3, 1.2)) if rng.random() < options.sharpen else 0.0,
        contrast=float(rng.beta(2, 2)),
        shrink=float(rng.uniform(0.3, 0.8)) if rng.random() < options.low_resolution else 1.0,
        grey=bool(rng.random() < options.grey),
        vignette=float(rng.uniform(0, 0.5)) if rng.random() < 0.4 else 0.0,
        quality=int(rng.integers(options.jpeg_quality[0], options.jpeg_quality[1] + 1)),
        seed=int(rng.integers(1 << 31)),
    )


def _portrait(
    library: Library, options: SampleOptions, person: Person, angles: tuple[float, float, float], setting: Setting,
    rng: np.random.Generator, *, rest: bool = False,
) -> Scene:  # fmt: skip
    model = library.model
    neutral = 1.0 if rest else options.person.neutral
    expression = sample_expression(
        model.expression_names, rng=rng, neutral=neutral, closed_mouth=options.person.closed_mouth
    )
    camera, rotation, point = _placed(options, angles, rng)
    actor = _actor(library, options, person, expression, rotation, point, rng, rest=rest)
    if rng.random() < options.occluder:
        actor = replace(actor, occluder=int(rng.integers(1 << 31)))
    return _scene(camera, (actor,), setting)


def _scene(camera: Camera, actors: tuple[Actor, ...], setting: Setting) -> Scene:
    shared = {field.name: getattr(setting, field.name) for field in fields(Setting)}
    return Scene(camera=camera, actors=actors, **shared)


def _placed(
    options: SampleOptions, angles: tuple[float, float, float], rng: np.random.Generator
) -> tuple[Camera, Float, Float]:
    """Return a camera, the skull's rotation, and where the head's middle is (3,) mm in the camera frame."""
    ranges, size = options.camera, options.size
    least = max(ranges.head_share[0], ranges.least_head_px / size)
    share = float(np.exp(rng.uniform(np.log(least), np.log(max(ranges.head_share[1], least * 1.01)))))
    distance = float(np.exp(rng.uniform(*np.log(ranges.distance_mm))))
    # f_px = share size / height * distance, and f_px = focal35 size sqrt 2 / 43.27
    to_focal35 = share * FULL_FRAME_DIAGONAL_MM / (np.sqrt(2) * HEAD_HEIGHT_MM)
    distance = float(np.clip(distance, ranges.focal35_mm[0] / to_focal35, ranges.focal35_mm[1] / to_focal35))
    distance = max(distance, 200.0)
    focal = share * size / HEAD_HEIGHT_MM * distance
    room = min(ranges.shift, max(0.0, 0.5 - 0.42 * share) + 0.04) if ranges.shift < 0.3 else ranges.shift
    shift = rng.uniform(-1, 1, 2) * room * size
    camera = Camera(width=size, height=size, focal_px=focal)
    ray = np.array([shift[0] / focal, shift[1] / focal, 1.0])
    return camera, pose_rotation(*angles), ray * distance


def _actor(
    library: Library, options: SampleOptions, person: Person, expression: Float, rotation: Float, point: Float,
    rng: np.random.Generator, *, rest: bool = False,
) -> Actor:  # fmt: skip
    neck = np.deg2rad(rng.normal(0, options.camera.neck_deg, 3) * [1.0, 1.3, 0.7]).clip(-0.6, 0.6)
    to_camera = -rotation.T @ (point / np.linalg.norm(point))
    yaw, pitch = np.rad2deg(np.arctan2(to_camera[0], to_camera[2])), np.rad2deg(np.arcsin(np.clip(to_camera[1], -1, 1)))
    if abs(yaw) < 32 and abs(pitch) < 24 and (rest or rng.random() < 0.6):
        gaze = (float(yaw + rng.normal(0, 1.5)), float(pitch + rng.normal(0, 1.5)))
    else:
        gaze = (float(np.clip(rng.normal(0, 11), -32, 32)), float(np.clip(rng.normal(-1, 7), -24, 20)))
    return placed_actor(library, person, expression, rotation, point, neck, gaze)


def placed_actor(
    library: Library,
    person: Person,
    expression: Float,
    rotation: Float,
    point: Float,
    neck: Float,
    gaze: tuple[float, float],
) -> Actor:
    """Return an actor whose skull has a rotation (3, 3) and whose head's middle is at a point (3,) of the camera frame.

    `neck` (3,) rad is the skull's turn against the shoulders, half of it in the neck and half in the head joint.
    """
    model = library.model
    rotvecs = np.zeros((len(model.joint_names), 3))
    rotvecs[model.joint_names.index("neck")] = neck / 2
    rotvecs[model.joint_names.index("head")] = neck / 2
    about_y, about_x = rotation_from_rotvec(np.deg2rad([[0.0, gaze[0], 0.0], [-gaze[1], 0.0, 0.0]]))
    rotvecs[[model.joint_names.index(f"{side}_eye") for side in ("left", "right")]] = rotvec_from_rotation(
        about_y @ about_x
    )
    turns, offsets = joint_transforms(_rest_joints(model), model.joint_parents, rotvecs)
    head = model.joint_names.index("head")
    body = rotation @ turns[head].T
    middle = turns[head] @ HEAD_MIDDLE + offsets[head]
    return Actor(
        person=person,
        expression=gaze_coefficients(expression, model.expression_names, gaze),
        gaze_deg=gaze,
        joint_rotvecs=rotvecs,
        camera_from_head=Rigid(rotation=body, translation=point - body @ middle),
    )


@lru_cache(maxsize=2)
def _rest_joints(model: HeadModel) -> Float:
    return model.joints()


def _group(library: Library, options: SampleOptions, rng: np.random.Generator) -> Scene:
    """Several people beside and behind each other, none wholly before another."""
    size = options.size
    setting = _setting(library, options, rng)
    distance = float(np.exp(rng.uniform(*np.log(options.camera.distance_mm))))
    share = float(np.exp(rng.uniform(*np.log(options.camera.head_share))))
    focal = share * size / HEAD_HEIGHT_MM * distance
    camera = Camera(width=size, height=size, focal_px=focal)
    wanted = int(rng.integers(options.people[0], options.people[1] + 1))
    actors: list[Actor] = []
    taken: list[Float] = []
    for _ in range(wanted * 12):
        if len(actors) == wanted:
            break
        depth = distance * float(rng.uniform(0.85, 1.8))
        pixel = rng.uniform(0.08, 0.92, 2) * size * [1.0, 0.8]
        reach = focal * HEAD_HEIGHT_MM / depth
        spot = np.array([pixel[0], pixel[1], reach, depth])
        if reach < options.camera.least_head_px or any(_in_the_way(spot, other) for other in taken):
            continue
        taken.append(spot)
        point = np.array([(pixel[0] - size / 2) / focal, (pixel[1] - size / 2) / focal, 1.0]) * depth
        person = draw_person(library.model, options.person, rng=rng, meshes=tuple(library.hair))
        expression = sample_expression(
            library.model.expression_names,
            rng=rng,
            neutral=options.person.neutral,
            closed_mouth=options.person.closed_mouth,
        )
        rotation = pose_rotation(*_angles(options, rng))
        actors.append(_actor(library, options, person, expression, rotation, point, rng))
    return _scene(camera, tuple(actors), setting)


def _in_the_way(one: Float, other: Float) -> bool:
    """Tell whether of two people (x px, y px, head height px, depth mm) one covers the other's head with head or shoulders."""
    if np.hypot(*(one[:2] - other[:2])) < 0.55 * (one[2] + other[2]):
        return True
    near, far = (one, other) if one[3] < other[3] else (other, one)
    return bool(abs(near[0] - far[0]) < near[2] + 0.4 * far[2] and far[1] > near[1] - 0.2 * near[2])


def _sequence(
    library: Library,
    options: SampleOptions,
    person: Person,
    angles: tuple[float, float, float],
    setting: Setting,
    rng: np.random.Generator,
) -> list[Scene]:
    """A head that turns a little, looks about and speaks, at 25 pictures a second."""
    model, count = library.model, options.frames
    start = sample_expression(model.expression_names, rng=rng, neutral=0.7, closed_mouth=0.6)
    values = speech(model.expression_names, start, count, rng=rng)
    camera, _, point = _placed(options, angles, rng)
    time = np.arange(count) / 25.0
    phase, speed = rng.uniform(0, 2 * np.pi, (6, 1)), rng.uniform(0.15, 0.8, (6, 1))
    sway = np.sin(2 * np.pi * speed * time + phase) * np.array([[14.0], [7.0], [4.0], [8.0], [6.0], [9.0]])
    neck = np.deg2rad(rng.normal(0, options.camera.neck_deg, 3)).clip(-0.5, 0.5)
    hold = np.cumsum(rng.random(count) < 0.04)
    looks = rng.normal(0, 1, (hold[-1] + 1, 2)) * [9.0, 5.0]
    scenes = []
    for k in range(count):
        turned = (angles[0] + sway[0, k], angles[1] + sway[1, k], angles[2] + sway[2, k])
        gaze = (float(np.clip(looks[hold[k], 0], -32, 32)), float(np.clip(looks[hold[k], 1], -24, 20)))
        at = point + np.array([sway[3, k], sway[4, k], sway[5, k]])
        actor = placed_actor(library, person, values[k], pose_rotation(*turned), at, neck, gaze)
        sensor = replace(setting.sensor, seed=setting.sensor.seed + k)
        scenes.append(replace(_scene(camera, (actor,), setting), sensor=sensor))
    return scenes


def lamp_frame(lamp: Lamp) -> Float:
    """Return the rotation (3, 3) from the camera frame into a frame whose z axis follows the lamp's light."""
    return frame_towards(np.array(lamp.direction))
