"""The colour of the irises, measured in the photos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.contours import CONTOURS, inside
from cephalon.appearance.view import View
from cephalon.colour import linear_from_srgb, srgb_from_linear
from cephalon.export import DEFAULT_IRIS_SRGB
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import Observation, PhotoFit

Float = NDArray[np.float64]

IRIS_RADIUS_MM = 5.85
LEAST_RADIUS_PX = 4.0
LEAST_SAMPLES = 10
_PUPIL, _LIMBUS = 0.48, 0.88  # of the iris's radius: beyond the widest usual pupil, within the dark ring
# Eyes lie in the shade of brows and lashes; the white of the eye, of about this linear brightness, tells how deep.
_SCLERA = 0.45
_MOST_GAIN = 1.6
_MOST_TO_GREEN = np.array([2.6, 1.0, 2.6])  # no iris is redder or bluer in linear light
_TURNED = 0.75  # least cosine between the gaze and the direction to the camera


def iris_colours(
    photos: Sequence[Photo],
    observations: Sequence[Observation],
    fits: Sequence[PhotoFit],
    views: Sequence[View],
    uncovered: Sequence[bool],
    model: HeadModel,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return (2, 3) sRGB colours of the left and right iris, and whether each was seen.

    Takes the pixels of the disc between pupil and limbus that lie inside the measured opening between the lids, drops
    the darkest (lashes, pupil) and the brighter half (highlights, sclera), and returns the median. The disc's centre is
    measured where the landmarks have one, else it is the fitted eye's. Shade is made good by the white of the eye. An
    eye that no photo shows takes the other's colour.
    """
    colours = np.array(DEFAULT_IRIS_SRGB, dtype=np.uint8)
    seen = np.zeros(2, dtype=bool)
    for side, name in enumerate(("left", "right")):
        found = [
            _iris_pixels(photo, observation, fitted, placed, model, name)
            for photo, observation, fitted, placed, shown in zip(
                photos, observations, fits, views, uncovered, strict=True
            )
            if shown
        ]
        pixels = np.concatenate(found) if found else np.zeros((0, 3))
        if len(pixels) >= LEAST_SAMPLES:
            brightness = pixels.mean(1)
            # the brighter half holds the reflections of windows and lamps
            low, high = np.percentile(brightness, (10, 55))
            middle = np.median(pixels[(brightness >= low) & (brightness <= high)], axis=0)
            colours[side] = srgb_from_linear(np.minimum(middle, _MOST_TO_GREEN * middle[1]))
            seen[side] = True
    if seen.any() and not seen.all():
        colours[~seen] = colours[seen]
    return colours, seen


def _iris_pixels(
    photo: Photo, observation: Observation, fitted: PhotoFit, placed: View, model: HeadModel, side: str
) -> Float:
    nothing = np.zeros((0, 3))
    pupil = model.regions["pupil"][model.parts[f"{side}_eye"].vertices]
    if pupil.max() < 0.5:
        return nothing
    eye = placed.vertices[model.parts[f"{side}_eye"].vertices]
    front = eye[pupil > 0.5].mean(0)
    points = fitted.camera_from_head.apply(np.stack([front, eye.mean(0)]))
    gaze = points[0] - points[1]
    facing = -float(gaze @ points[0]) / (np.linalg.norm(gaze) * np.linalg.norm(points[0]) + 1e-9)
    radius = IRIS_RADIUS_MM * fitted.camera.focal_px / max(points[0, 2], 1.0)
    if facing < _TURNED or radius < LEAST_RADIUS_PX:
        return nothing
    centre = fitted.camera.project(points[:1])[0]
    measured = observation.points[0]
    contours = CONTOURS.get(measured.set_name)
    opening = None
    if contours is not None:
        which = 1 if side == "left" else 0
        opening = measured.position[list(contours.eyes[which])]
        ring = contours.irises[which]
        if ring and measured.visible[ring[0]]:
            centre = measured.position[ring[0]]
    box = np.array([centre - 1.8 * radius, centre + 1.8 * radius])
    left, top = np.floor(box[0]).astype(int)
    right, low = np.ceil(box[1]).astype(int)
    if left < 0 or top < 0 or right > photo.width or low > photo.height or not np.isfinite(box).all():
        return nothing
    x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, low) + 0.5)
    distance = np.hypot(x - centre[0], y - centre[1]) / radius
    used = (distance > _PUPIL) & (distance < _LIMBUS)
    linear = linear_from_srgb(photo.rgb_srgb[top:low, left:right])
    gain = 1.0
    if opening is not None:
        open_here = inside(x, y, opening, margin=0.12 * radius)
        used &= open_here
        white = linear[open_here & (distance > 1.1)].mean(1)
        if len(white) >= LEAST_SAMPLES:
            gain = float(np.clip(_SCLERA / max(float(np.percentile(white, 70)), 1e-3), 1.0, _MOST_GAIN))
    return linear[used].astype(float) * gain
