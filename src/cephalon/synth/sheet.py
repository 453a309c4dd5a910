"""Contact sheets: many pictures at a glance, and a few with their truth beside them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cephalon.synth.labels import LABEL_COLOURS
from cephalon.synth.sample import Sample

Image = NDArray[np.uint8]


def contact_sheet(images: Sequence[Image], columns: int = 8) -> Image:
    """Return pictures of one size (h, w, 3) side by side, row by row."""
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.full((rows * height, columns * width, 3), 32, dtype=np.uint8)
    for number, image in enumerate(images):
        r, c = divmod(number, columns)
        sheet[r * height : (r + 1) * height, c * width : (c + 1) * width] = image
    return sheet


def overlay(sample: Sample, set_name: str = "mediapipe478") -> Image:
    """Return the picture with its named points: green where seen, red where hidden, and the heads' boxes."""
    picture = sample.image.copy()
    height, width = picture.shape[:2]
    for head, points in zip(sample.record["heads"], sample.arrays[f"points_{set_name}"], strict=True):
        left, top, right, bottom = (int(np.clip(v, 0, height - 1)) for v in head["box"])
        picture[[top, bottom], left : right + 1] = (255, 220, 0)
        picture[top : bottom + 1, [left, right]] = (255, 220, 0)
        for x, y, _, visible, _, _ in points:
            if 0 <= x < width and 0 <= y < height:
                picture[int(y), int(x)] = (60, 255, 60) if visible else (255, 50, 50)
    return picture


def truth_row(sample: Sample) -> list[Image]:
    """Return a sample's picture and its maps as pictures of the same size."""
    arrays = sample.arrays
    size = sample.image.shape[0]
    mask = arrays["depth"] > 0
    colours = np.array(LABEL_COLOURS, dtype=np.uint8)
    pictures = [sample.image, overlay(sample), colours[arrays["label"]]]
    for name in ("normals", "visible_normals"):
        lit = np.any(arrays[name] != 0, axis=-1)
        shown = (arrays[name] * [1, -1, -1] * 0.5 + 0.5) * 255
        pictures.append(np.where(lit[..., None], shown, 0).astype(np.uint8))
    depth = arrays["depth"]
    near, far = (depth[mask].min(), depth[mask].max()) if mask.any() else (0.0, 1.0)
    pictures.append(
        np.repeat(np.where(mask, 255 - 225 * (depth - near) / max(far - near, 1e-6), 0)[..., None], 3, -1).astype(
            np.uint8
        )
    )
    steep = 255 * (1 - 1 / (1 + 0.5 * arrays["gradient"]))
    pictures.append(np.repeat(steep[..., None], 3, -1).astype(np.uint8))
    uv = np.concatenate([arrays["uv"] * 255, np.zeros((*mask.shape, 1))], -1)
    pictures.append(np.where(mask[..., None], uv, 0).astype(np.uint8))
    if "position_map" in arrays:
        for image in (
            np.clip(arrays["position_map"] * 0.8 + 128, 0, 255),
            arrays["albedo_srgb"] * (0.3 + 0.7 * arrays["albedo_visible"][..., None]),
        ):
            rows = (np.arange(size) * image.shape[0] // size).astype(int)
            pictures.append(image[rows][:, rows].astype(np.uint8))
    return pictures
