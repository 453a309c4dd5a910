"""Locks of hair as ribbons that grow along a comb and lie on the skull; those that fall are in `long_hair`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import SurfacePoints
from cephalon.head import HeadModel
from cephalon.synth.long_hair import fall
from cephalon.synth.maps import scalp_weight
from cephalon.synth.person import Hair
from cephalon.synth.piece import Material, Piece, cross
from cephalon.synth.wrap import SKULL_CENTRE, around
from cephalon.synth.yardstick import Yardstick, yardstick

Float = NDArray[np.float64]

_AZIMUTHS, _ELEVATIONS = 32, 17
_SEGMENTS = 10
_KNOT = np.array([0.0, 15.0, -120.0])
"""Where hair is tied behind the drawing head, mm."""
_STRANDS_SPAN = 0.22
"""How much of the texture of strands one ribbon shows across."""


@lru_cache(maxsize=2)
def _full_scalp(model: HeadModel) -> Float:
    return scalp_weight(model)


def scalp(model: HeadModel, balding: float) -> Float:
    """Weights (n,) of the hair on the head; balding draws the hairline back and thins the crown."""
    weight = _full_scalp(model).copy()
    if balding > 0.2:
        p = model.mean
        temple = np.exp(-(((np.abs(p[:, 0]) - 34) / 18) ** 2) - ((p[:, 2] - 62) / 26) ** 2 - ((p[:, 1] - 86) / 26) ** 2)
        crown = np.exp(-((np.hypot(p[:, 0], p[:, 2] + 42) / 46) ** 2)) * (p[:, 1] > 60)
        front = np.clip((p[:, 2] + 10) / 60, 0, 1) * (p[:, 1] > 60)
        strength = np.clip((balding - 0.2) * 1.6, 0, 1)
        weight = np.clip(weight - strength * np.maximum(1.6 * temple, np.maximum(1.5 * crown, 0.9 * front)), 0, 1)
    return weight


@lru_cache(maxsize=2)
def _support(model: HeadModel) -> tuple[SurfacePoints, Float]:
    """Skin points over a grid of directions from the skull's centre, and the grid's elevations."""
    elevation = np.linspace(-0.45 * np.pi, 0.49 * np.pi, _ELEVATIONS)
    azimuth = (np.arange(_AZIMUTHS) / _AZIMUTHS - 0.5) * 2 * np.pi
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    return around(model, "skull", a, e), elevation


def _radii(model: HeadModel, drawn: Float) -> Float:
    points, _ = _support(model)
    skin = points.positions(drawn, model.faces)
    return np.linalg.norm(skin - SKULL_CENTRE, axis=1).reshape(_ELEVATIONS, _AZIMUTHS)


def _radius_at(radii: Float, direction: Float) -> Float:
    """Distance (n,) of the skin from the skull's centre in unit directions (n, 3)."""
    elevation = np.arcsin(np.clip(direction[:, 1], -1, 1))
    row = np.clip((elevation / np.pi + 0.45) / 0.94 * (_ELEVATIONS - 1), 0, _ELEVATIONS - 1.001)
    column = (np.arctan2(direction[:, 0], direction[:, 2]) / (2 * np.pi) + 0.5) % 1.0 * _AZIMUTHS
    r, c = row.astype(int), column.astype(int) % _AZIMUTHS
    a, b = row - r, column - column.astype(int)
    c1 = (c + 1) % _AZIMUTHS
    low = radii[r, c] * (1 - b) + radii[r, c1] * b
    high = radii[r + 1, c] * (1 - b) + radii[r + 1, c1] * b
    return low * (1 - a) + high * a


@lru_cache(maxsize=2)
def _roots(model: HeadModel) -> tuple[NDArray[np.intp], Float]:
    """Skin faces with hair, and the cumulative share of their area."""
    weight = _full_scalp(model)
    faces = model.faces[model.parts["skin"].faces]
    a, b, c = (model.mean[faces[:, k]] for k in range(3))
    area = np.linalg.norm(cross(b - a, c - a), axis=1) * (weight[faces].min(1) > 0.35)
    chosen = np.flatnonzero(area > 0)
    return chosen, np.cumsum(area[chosen]) / area[chosen].sum()


def cards(model: HeadModel, neutral: Float, hair: Hair, detail: float, *, tied: bool) -> Piece:
    """Locks as ribbons that leave the scalp along the comb; grown on the drawing head."""
    rng = np.random.default_rng(hair.seed)
    measure = yardstick(model, neutral)
    drawn = measure.to_drawing(neutral)
    chosen, cumulative = _roots(model)
    short = hair.length_mm < 85
    count = int((420 if short or tied else 340) * np.clip(detail, 0.6, 1.5))
    faces = model.faces[
        chosen[np.searchsorted(cumulative, (np.arange(count) + rng.random(count)) / count).clip(0, len(chosen) - 1)]
    ]
    bary = rng.dirichlet((1.0, 1.0, 1.0), count)
    root = np.einsum("kc,kcd->kd", bary, drawn[faces])
    keep = np.einsum("kc,kc->k", bary, scalp(model, hair.balding)[faces]) > rng.random(count) * 0.6
    root = root[keep]
    radii = _radii(model, drawn)
    layer = rng.random(len(root))
    if short or tied:
        curve = _combed(root, layer, radii, hair, rng, tied=tied)
        bright = np.zeros(len(root))
    else:
        curve, bright = fall(root, layer, lambda way: _radius_at(radii, way), hair, rng)
    if tied:
        tail = _tail(_KNOT, float(np.clip(hair.length_mm, 60, 300)), hair, rng)
        curve, layer = np.concatenate([curve, tail]), np.concatenate([layer, rng.random(len(tail))])
        bright = np.zeros(len(curve))
    width = (8.0 if short else 15.0 if tied else 16.5) / np.sqrt(np.clip(detail, 0.6, 1.5))
    return _ribbons(curve, layer, bright, hair, measure, rng, width=width, taper=0.45 if short or tied else 0.25)


def _combed(root: Float, layer: Float, radii: Float, hair: Hair, rng: np.random.Generator, *, tied: bool) -> Float:
    """Locks (m, segments + 1, 3) that grow step by step along the skull: short ones, and those drawn to a knot."""
    count = len(root)
    out = root - SKULL_CENTRE
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    length = hair.length_mm * np.exp(rng.normal(0, 0.12, count))
    front = np.clip((root[:, 2] - 10) / 50, 0, 1) * np.clip((root[:, 1] - 55) / 25, 0, 1)
    side = np.where(root[:, 0] > 22 * hair.parting, 1.0, -1.0)
    if tied:
        comb = _KNOT - root
        comb /= np.linalg.norm(comb, axis=1, keepdims=True)
        length = np.minimum(np.linalg.norm(_KNOT - root, axis=1) * 1.15, 190)
    else:
        sweep = hair.fringe * 2 - 1
        comb = np.stack(
            [0.7 * side * (1 - front * 0.3), -0.35 - 0.5 * np.clip(-root[:, 2] / 60, 0, 1), 0.6 * sweep * front - 0.3],
            axis=1,
        )
    comb = comb + rng.normal(0, 0.16, (count, 3))
    lift = 0.30 * hair.volume * (0.3 if tied else 1.0)
    offset = 2.0 + layer * (7.0 + 9.0 * (hair.volume - 0.4)) * 0.45
    direction = comb + lift * out
    point = root + out * 0.5
    path = [point]
    step = length / _SEGMENTS
    phase, speed = rng.uniform(0, 2 * np.pi, count), (0.05 + 0.12 * hair.curl) * np.exp(rng.normal(0, 0.2, count))
    for k in range(_SEGMENTS):
        direction = direction / np.linalg.norm(direction, axis=1, keepdims=True)
        point = point + direction * step[:, None]
        way = point - SKULL_CENTRE
        distance = np.linalg.norm(way, axis=1)
        way = way / distance[:, None]
        wanted = _radius_at(radii, way) + offset * min(1.0, (k + 1) / 3)
        inside = np.clip(wanted - distance, 0, None) * (way[:, 1] > -0.75)
        # hair lies on the skull: what stands off is drawn in, and it grows along the surface, not out of it
        standing = np.clip(distance - wanted, 0, None) * 0.65
        point = point + way * (inside - standing)[:, None]
        outward = np.clip((direction * way).sum(1), 0, None)
        direction = direction - 0.8 * outward[:, None] * way
        # hair beside the face does not fall over it
        before = (point[:, 2] > 38) & (point[:, 1] < 62)
        edge = np.interp(point[:, 1], [-120, -60, 0, 40, 62], [52, 58, 68, 62, 52])
        push = np.where(before & (np.abs(point[:, 0]) < edge), edge - np.abs(point[:, 0]), 0.0)
        point[:, 0] += np.where(point[:, 0] >= 0, 1, -1) * push * 0.8
        pull: Float = (_KNOT - point) * 0.012 if tied else np.array([0.0, -0.10, 0.0])
        tangent = point - path[-1]
        tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
        across = cross(tangent, way)
        curl = hair.curl * 0.7 * np.sin(phase + speed * (k + 1) * step)
        direction = 0.75 * tangent + 0.25 * direction + pull + across * curl[:, None] + rng.normal(0, 0.05, (count, 3))
        path.append(point)
    return np.stack(path, axis=1)


def _tail(knot: Float, length: float, hair: Hair, rng: np.random.Generator) -> Float:
    """Locks of a pony tail (m, segments + 1, 3)."""
    count = 46
    angle, spread = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.random(count))
    t = np.linspace(0, 1, _SEGMENTS + 1)[None, :, None]
    start = knot + np.array([0, 0, 8.0])
    bulge = np.sin(np.pi * np.clip(t, 0, 1) ** 0.7) * 20 + 4
    ring = np.stack([np.cos(angle) * spread, 0 * angle, np.sin(angle) * spread], axis=1)[:, None]
    fall = np.concatenate([0 * t, -length * t, -38 * np.sin(np.pi * 0.55 * t)], axis=2)
    wave = hair.curl * 6 * np.sin(6 * t + angle[:, None, None])
    return start + fall + ring * bulge + wave * np.array([1.0, 0.0, 0.4])


def _ribbons(
    curve: Float, layer: Float, bright: Float, hair: Hair, measure: Yardstick, rng: np.random.Generator, *,
    width: float, taper: float,
) -> Piece:  # fmt: skip
    """Ribbons along curves (m, p, 3) of the drawing head; the piece is the head's.

    `layer` (m,) goes from 0, innermost, to 1; `bright` (m,) is the logarithm of a factor on a lock's brightness.
    """
    count, points = curve.shape[:2]
    along = np.gradient(curve, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    out = curve - (SKULL_CENTRE - np.array([0.0, 40.0, 0.0]))
    out /= np.linalg.norm(out, axis=2, keepdims=True)
    across = cross(along, out)
    across /= np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-6)
    turn = rng.normal(0, 0.35 if taper > 0.3 else 0.14, (count, 1, 1))
    across = across * np.cos(turn) + out * np.sin(turn)
    t = np.linspace(0, 1, points)[None, :, None]
    half = 0.5 * width * np.exp(rng.normal(0, 0.25, (count, 1, 1))) * (1 - taper * t**2)
    vertices = np.stack([curve - across * half, curve + across * half], axis=2).reshape(-1, 3)
    # Locks are lit as the body of hair that they are part of, not as boards that each stand at an angle of their own.
    body = curve - np.stack(
        [0 * curve[..., 0], np.minimum(curve[..., 1], SKULL_CENTRE[1]), 0 * curve[..., 2] - 14.0], axis=-1
    )
    body /= np.maximum(np.linalg.norm(body, axis=2, keepdims=True), 1e-6)
    body = body + rng.normal(0, 0.16, (count, 1, 3)) + 0.12 * across
    body /= np.linalg.norm(body, axis=2, keepdims=True)
    faces, uv_rows = _ribbon_faces(count, points)
    u0 = rng.random((count, 1, 1))
    uv = uv_rows + u0[..., None] * np.array([1, 0, 1, 0, 1, 0], np.float32)
    deep = 0.55 + 0.45 * layer[:, None]
    shade = (
        np.exp(rng.normal(0, 0.08, (count, 1)) + bright[:, None])
        * deep
        * (0.8 + 0.2 * np.clip(np.arange(points)[None] / 3.0, 0, 1))
    )
    return Piece(
        vertices=measure.from_drawing(vertices), faces=faces, corner_uv=uv.reshape(-1, 6).astype(np.float32),
        tangents=np.repeat(along.reshape(-1, 3), 2, axis=0), normals=np.repeat(body.reshape(-1, 3), 2, axis=0), rides=True,
        material=Material(label="hair", kind="hair", layer=True, rgb=hair.rgb, texture="strands"),
        occlusion=np.repeat(np.clip(shade, 0, 1.2).reshape(-1), 2),
        hold=np.clip((vertices[:, 1] + 185.0) / 115.0, 0.0, 1.0),
    )  # fmt: skip


@lru_cache(maxsize=8)
def _ribbon_faces(count: int, points: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Faces of `count` ribbons of `points` pairs of vertices, and their corner uv (1, points - 1, 2, 6) but for a shift of u."""
    base = (np.arange(count) * 2 * points)[:, None] + 2 * np.arange(points - 1)
    first, second = np.stack([base, base + 1, base + 3], -1), np.stack([base, base + 3, base + 2], -1)
    faces = np.stack([first, second], axis=2).reshape(-1, 3).astype(np.int32)
    v = np.arange(points) / (points - 1)
    v0, v1, left, right = v[:-1], v[1:], 0 * v[1:], 0 * v[1:] + _STRANDS_SPAN
    uv = np.stack(
        [np.stack([left, v0, right, v0, right, v1], -1), np.stack([left, v0, right, v1, left, v1], -1)], axis=1
    )
    return faces, uv[None].astype(np.float32)
