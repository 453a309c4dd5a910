"""The colour of the irises, measured in the photos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cephalon.export import DEFAULT_IRIS_SRGB
from cephalon.geometry import point_visibility, rasterise_mesh, vertex_normals
from cephalon.geometry.sampling import bilinear
from cephalon.head import HeadModel
from cephalon.photo import Photo
from cephalon.values import PhotoFit

Float = NDArray[np.float64]

LEAST_SAMPLES = 24


def iris_colours(
    photos: Sequence[Photo], fits: Sequence[PhotoFit], vertices: Sequence[Float], model: HeadModel
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return (2, 3) sRGB colours of the left and right iris, and whether each was seen.

    Takes the photos' pixels on the fitted iris between pupil and limbus that no lid covers, drops the darkest and the
    brightest (lashes, pupil, highlights), and returns the median. An eye that no photo shows takes the other's colour.
    """
    colours = np.array(DEFAULT_IRIS_SRGB, dtype=np.uint8)
    seen = np.zeros(2, dtype=bool)
    for side, part in enumerate(("left_eye", "right_eye")):
        samples = [
            found
            for photo, fitted, posed in zip(photos, fits, vertices, strict=True)
            if len(found := _iris_pixels(photo, fitted, posed, model, part))
        ]
        pixels = np.concatenate(samples) if samples else np.zeros((0, 3))
        if len(pixels) >= LEAST_SAMPLES:
            brightness = pixels.mean(1)
            low, high = np.percentile(brightness, (25, 80))
            middle = pixels[(brightness >= low) & (brightness <= high)]
            colours[side] = np.round(np.median(middle, axis=0))
            seen[side] = True
    if seen.any() and not seen.all():
        colours[~seen] = colours[seen]
    return colours, seen


def _iris_pixels(photo: Photo, fitted: PhotoFit, vertices: Float, model: HeadModel, part: str) -> Float:
    points = fitted.camera_from_head.apply(vertices)
    faces = model.faces[model.parts[part].faces]
    rim = model.regions["iris"] * (1 - model.regions["pupil"])
    chosen = faces[(rim[faces] > 0.5).all(1)]
    if not len(chosen):
        return np.zeros((0, 3))
    # a grid of points on each iris triangle
    grid = np.array([(i + 1 / 3, j + 1 / 3, 0) for i in range(4) for j in range(4 - i)]) / 4
    grid[:, 2] = 1 - grid[:, 0] - grid[:, 1]
    places = np.einsum("gk,tkd->tgd", grid, points[chosen]).reshape(-1, 3)
    normals = vertex_normals(points, model.faces)
    normals = np.einsum("gk,tkd->tgd", grid, normals[chosen]).reshape(-1, 3)
    shown = np.ones(len(model.faces), dtype=bool)
    for name, other in model.parts.items():
        shown[other.faces] = "lashes" not in name
    camera = fitted.camera.scaled(min(1.0, 1024 / max(fitted.camera.width, fitted.camera.height)))
    depth = rasterise_mesh(points, model.faces[shown], camera).depth
    visible = point_visibility(places, camera, depth, normals_cam=normals, tolerance_mm=0.8, min_cosine=0.3)
    pixel = fitted.camera.project(places[visible])
    height, width = photo.rgb_srgb.shape[:2]
    pixel = pixel[((pixel >= 0) & (pixel <= (width, height))).all(1)]
    if not len(pixel):
        return np.zeros((0, 3))
    return np.asarray(bilinear(photo.rgb_srgb.astype(np.float32), pixel), dtype=float)
