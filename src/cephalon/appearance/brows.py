"""Brows that no photo shows: hairs drawn into the chart, where landmark sets place brows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cephalon.appearance.contours import CONTOURS, brow_hair, contoured_set
from cephalon.appearance.filters import blurred
from cephalon.head import HeadModel

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_CANVAS = 4096  # side of the chart in which a hair is one pixel wide: 0.12 mm on the face
_LAYERS, _HAIRS = 5, 160  # hairs of one layer cover each other, layers add up
_LENGTH = 0.14  # of a hair, of the length of the brow
_MASS = 0.45  # cover by hairs too fine to be drawn
BROWS_COVER = 0.75  # mean cover in the middle of a brow
_EYES_ACROSS = 3.0  # distance of the outer corners of the eyes, in eyes
_SOFT = 0.012  # softness of the mass's edge, of the length of the brow


def drawn_brows(model: HeadModel, size: int) -> Float32:
    """Return how far hairs of brows cover each texel of a usual face, (size, size) in [0, 1], row 0 at v = 1.

    In the middle of a brow the cover is 0.75 on average. Without a landmark set that outlines brows there are none.
    """
    cover = np.zeros((size, size), dtype=np.float32)
    name = contoured_set(model)
    uv, faces_uv = model.topology.uv, model.topology.faces_uv
    if name is None or uv is None or faces_uv is None:
        return cover
    points = model.point_set(name)
    place = np.einsum("kc,kcd->kd", points.barycentric, uv[faces_uv[points.face_index]])
    place[:, 1] = 1 - place[:, 1]
    for brow, eye in zip(CONTOURS[name].brows, CONTOURS[name].eyes, strict=True):
        across = float(np.linalg.norm(place[list(eye)].max(0) - place[list(eye)].min(0))) * _EYES_ACROSS
        _draw(cover, brow_hair(place[list(brow)], place[list(eye)], across))
    return cover


def _draw(cover: Float32, loop: NDArray[np.floating]) -> None:
    """Draw one brow, in place, into its loop (k, 2), fractions of the chart: the upper edge inwards, the lower outwards."""
    half = len(loop) // 2
    edges = loop[:half], loop[: half - 1 : -1]
    length = float(np.linalg.norm(np.diff(0.5 * (edges[0] + edges[1]), axis=0), axis=1).sum())
    size = len(cover)
    scale = max(1, round(_CANVAS / size))
    # a whole number of texels, with room for the hairs that stand out
    low = np.floor((loop.min(0) - _LENGTH * length) * size).astype(int)
    high = np.ceil((loop.max(0) + _LENGTH * length) * size).astype(int)
    width, height = (high - low).tolist()
    if (low < 0).any() or (high > size).any():
        return
    layers = np.zeros((height * scale, width * scale), dtype=np.float32)
    rng = np.random.default_rng(5)  # the same brow on both sides, for everyone
    for _ in range(_LAYERS):
        picture = Image.new("L", (width * scale, height * scale))
        draw = ImageDraw.Draw(picture)
        for hair in _hairs(edges, length, rng):
            draw.line([tuple(point) for point in (hair * size - low) * scale], fill=255)
        layers += np.asarray(picture, dtype=np.float32) / np.float32(255 * _LAYERS)
    drawn = layers.reshape(height, scale, width, scale).mean((1, 3))
    mass = _mass(edges, (width, height), low, size, length)
    middle = mass > 0.9
    hairs = drawn / max(float(drawn[middle].mean()), 1e-6) if middle.any() else drawn
    found = np.clip(BROWS_COVER * (_MASS * mass + (1 - _MASS) * hairs), 0, 1)
    here = cover[low[1] : high[1], low[0] : high[0]]
    np.maximum(here, found, out=here)


def _between(edges: tuple[NDArray[np.floating], NDArray[np.floating]], inwards: Float, up: Float) -> Float:
    """Return places (n, 2) in a brow, by how far `inwards` (n,) and how far `up` (n,) they are, 0 to 1 each."""
    knots = np.linspace(0, 1, len(edges[0]))
    upper, lower = (np.stack([np.interp(inwards, knots, edge[:, i]) for i in (0, 1)], axis=1) for edge in edges)
    return lower + up[:, None] * (upper - lower)


def _hairs(edges: tuple[NDArray[np.floating], NDArray[np.floating]], length: float, rng: np.random.Generator) -> Float:
    """Return hairs (n, 4, 2), lines of four points: upright at the inner end, then along the brow, towards its middle."""
    inwards, up = rng.beta(1.2, 1.0, _HAIRS), rng.uniform(0, 1, _HAIRS)
    root = _between(edges, inwards, up)
    along = _between(edges, np.maximum(inwards - 0.08, 0), up) - _between(edges, np.minimum(inwards + 0.08, 1), up)
    across = _between(edges, inwards, np.ones(_HAIRS)) - _between(edges, inwards, np.zeros(_HAIRS))
    along, across = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9) for v in (along, across))
    rise = np.where(inwards > 0.75, 0.3 + 3 * (inwards - 0.75) - 0.4 * up, 0.4 - 0.8 * up) + rng.normal(0, 0.15, _HAIRS)
    direction = along + rise[:, None] * across
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = length * _LENGTH * rng.uniform(0.5, 1.0, _HAIRS)
    step = np.linspace(0, 1, 4)[None, :, None]
    # a hair bends over, along the brow
    return root[:, None] + reach[:, None, None] * step * (
        direction[:, None] + 0.5 * step * (along - direction)[:, None]
    )


def _mass(
    edges: tuple[NDArray[np.floating], NDArray[np.floating]],
    shape: tuple[int, int],
    low: NDArray[np.int_],
    size: int,
    length: float,
) -> Float32:
    """Return the soft area (h, w) of a brow, thinner at both ends."""
    inwards, up = np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 2))
    place = (_between(edges, inwards.ravel(), up.ravel()).reshape(2, -1, 2) * size - low) * 4
    picture = Image.new("L", (shape[0] * 4, shape[1] * 4))
    draw = ImageDraw.Draw(picture)
    taper = np.clip(np.minimum(inwards[0] / 0.25, (1 - inwards[0]) / 0.2), 0.25, 1)
    for k in range(place.shape[1] - 1):
        quad = [tuple(p) for p in (place[0, k], place[0, k + 1], place[1, k + 1], place[1, k])]
        draw.polygon(quad, fill=int(255 * taper[k]))
    soft = max(_SOFT * length * size, 0.6)
    found = np.asarray(picture, dtype=np.float32).reshape(shape[1], 4, shape[0], 4).mean((1, 3)) / np.float32(255)
    return blurred(found, soft)
