"""What a landmarker says of portraits of our heads, beside the truth.

Units and frame of every figure as in `builders.head.calibrate_landmarks`.
"""

from __future__ import annotations

import io
import os
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from builders.head.portraits import PortraitKit, portrait_camera, portrait_pose
from cephalon.head import HeadCode, HeadModel
from cephalon.observe import MediaPipeLandmarks
from cephalon.photo import Photo

Float = NDArray[np.float64]

POINTS = 478

CHUNK = 100
"""Portraits drawn between two files of the work folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What was seen in v portraits, and the truth.

    Attributes
    ----------
    error : (v, 478, 2) seen minus true, in the units and frame of the module.
    angles_deg : (v, 3) estimated yaw, pitch and roll.
    deviation : (v, 478, 3) mm of the true points from those of the mean head, head frame.
    projection : (v, 2, 3) what a shift in the head frame, mm, is in the unit and frame of the errors.
    """

    error: Float
    angles_deg: Float
    deviation: Float
    projection: Float

    @staticmethod
    def joined(parts: list[Views]) -> Views:
        """The views of several chunks."""
        return Views(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Views)})


def collect_in_chunks(
    model: HeadModel, kit: PortraitKit, source: MediaPipeLandmarks, count: int, *, rng: np.random.Generator, work: Path
) -> Views:
    """Draw portraits of `count` people and compare; chunks found in the folder `work` are read instead."""
    work.mkdir(parents=True, exist_ok=True)
    children, parts, start = rng.spawn(count), [], time.monotonic()
    for first in range(0, count, CHUNK):
        path = work / f"views_{model.sha256[:12]}_{first:06d}_{min(first + CHUNK, count):06d}.npz"
        if not path.is_file():
            part = collect(model, kit, source, children[first : first + CHUNK])
            temporary = path.with_suffix(".tmp.npz")
            np.savez(temporary, allow_pickle=False, **asdict(part))
            os.replace(temporary, path)
        with np.load(path, allow_pickle=False) as file:
            parts.append(Views(**{name: file[name] for name in file.files}))
        done = min(first + CHUNK, count)
        rate = done / (time.monotonic() - start)
        print(f"{done} of {count} portraits, {rate:.1f} a second", end="\r", file=sys.stderr, flush=True)
    return Views.joined(parts)


def collect(
    model: HeadModel, kit: PortraitKit, source: MediaPipeLandmarks, children: list[np.random.Generator]
) -> Views:
    """Draw a portrait of one person with each generator and compare; those without a face found are left out."""
    errors, angles, deviations, projections = [], [], [], []
    mean = model.points(None, "mediapipe478")
    for child in children:
        code = draw_person(model, rng=child)
        head = model.vertices(code)
        look = kit.look(rng=child)
        yaw = float(child.uniform(-75, 75))
        pitch = float(np.clip(child.normal(0, 9), -25, 25))
        distance = float(np.clip(np.exp(child.normal(np.log(900), 0.5)), 350, 3000))
        camera = portrait_camera(int(child.choice([320, 480, 640])), distance, share=float(child.uniform(0.5, 0.8)))
        place = portrait_pose(
            (yaw, pitch, float(child.normal(0, 7))), distance, shift_mm=child.normal(0, 15, 2).tolist()
        )
        rgb, _ = kit.render(head, camera, place, look)
        faces = source.find(Photo.from_array(worn(rgb, rng=child)))
        if not faces:
            continue
        face = max(faces, key=lambda found: found.pose.size_px)
        truth = model.point_set("mediapipe478").positions(kit.with_gaze(head, look.gaze_deg), model.faces)
        in_camera = place.apply(truth)
        error = (face.points - camera.project(in_camera)) / face.pose.size_px
        if np.median(np.linalg.norm(error, axis=1)) > 0.5:
            continue
        roll = np.deg2rad(face.pose.roll_deg)
        upright = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        errors.append(error @ upright)
        angles.append((face.pose.yaw_deg, face.pose.pitch_deg, face.pose.roll_deg))
        deviations.append(truth - mean)
        scale = camera.focal_px / np.median(in_camera[:, 2]) / face.pose.size_px
        projections.append(scale * upright.T @ place.rotation[:2])
    return Views(
        error=np.array(errors).reshape(-1, POINTS, 2),
        angles_deg=np.array(angles).reshape(-1, 3),
        deviation=np.array(deviations, dtype=np.float32).reshape(-1, POINTS, 3),
        projection=np.array(projections).reshape(-1, 2, 3),
    )


def draw_person(model: HeadModel, *, rng: np.random.Generator) -> HeadCode:
    """Draw an identity, and in half of the cases a face of one to four actions."""
    identity = model.sample(rng=rng).identity
    if rng.random() < 0.5:
        return HeadCode(identity=identity)
    names = model.expression_names
    expression = np.zeros(len(names))
    for name in rng.choice(len(names), size=int(rng.integers(1, 5)), replace=False):
        weight = rng.uniform(0.1, 0.8)
        expression[name] = weight
        for one, other in (("Left", "Right"), ("Right", "Left")):
            if names[name].endswith(one):
                expression[names.index(names[name].removesuffix(one) + other)] = weight * rng.uniform(0.7, 1.0)
    return HeadCode(identity=identity, expression=np.clip(expression, 0, 1))


def worn(rgb: NDArray[np.uint8], *, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The picture as a camera and a JPEG file would leave it: a little blurred, noisy and compressed."""
    picture = Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.0))))
    noisy = np.asarray(picture, dtype=np.float64) + rng.normal(0, rng.uniform(0, 5), rgb.shape)
    memory = io.BytesIO()
    Image.fromarray(np.clip(np.round(noisy), 0, 255).astype(np.uint8)).save(
        memory, "jpeg", quality=int(rng.integers(60, 96))
    )
    return np.array(Image.open(memory))


def mirrored(views: Views, mirror: NDArray[np.intp]) -> Views:
    """The views of the mirror images."""
    return Views(
        error=views.error[:, mirror] * [-1.0, 1.0],
        angles_deg=views.angles_deg * [-1.0, 1.0, -1.0],
        deviation=views.deviation[:, mirror] * [-1.0, 1.0, 1.0],
        projection=np.array([[-1.0], [1.0]]) * views.projection * [-1.0, 1.0, 1.0],
    )
