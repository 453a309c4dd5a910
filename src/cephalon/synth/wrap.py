"""Grids laid around a head: points of the skin found by angle and height, so that clothes fit every head."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import SurfacePoints, rasterise
from cephalon.head import HeadModel
from cephalon.synth.yardstick import yardstick

Float = NDArray[np.float64]

_PX = 720
_LOWEST_MM, _REACH_MM = -260.0, 420.0
SKULL_CENTRE = np.array([0.0, 30.0, -12.0])
NECK_AXIS = np.array([0.0, 0.0, -36.0])
FACE_AXIS = np.array([0.0, 0.0, 10.0])


def _unwrapped(
    model: HeadModel, centre: Float, *, sphere: bool, region: str
) -> tuple[NDArray[np.int32], NDArray[np.float32], Callable[[Float], Float]]:
    """Picture of the skin by azimuth and height (or elevation) around a centre: faces, weights, and height -> row."""
    part = model.parts["skin"]
    keep = np.flatnonzero(
        (model.regions["mouth_cavity"] < 0.3) & (model.regions["nostrils"] < 0.3) & (model.regions["eye_sockets"] < 0.6)
    )
    flag = np.zeros(len(model.mean), dtype=bool)
    flag[keep] = True
    if region:
        flag &= model.regions[region] > 0.15
    faces = model.faces[part.faces]
    chosen = np.flatnonzero(flag[faces].all(1))
    p = model.mean - centre
    azimuth = np.arctan2(p[:, 0], p[:, 2]) / (2 * np.pi) + 0.5
    radius = np.hypot(p[:, 0], p[:, 2])
    if sphere:
        height = np.arctan2(p[:, 1], radius) / np.pi + 0.5
        radius = np.linalg.norm(p, axis=1)
    else:
        height = (model.mean[:, 1] - _LOWEST_MM) / _REACH_MM
    # Triangles that cross the back are drawn on both sides of the picture; the outermost surface wins.
    corner = azimuth[faces[chosen]]
    crossing = corner.max(1) - corner.min(1) > 0.5
    corner = np.where(crossing[:, None] & (corner < 0.5), corner + 1, corner)
    corner = np.concatenate([corner, corner[crossing] - 1])
    chosen = np.concatenate([chosen, chosen[crossing]])
    screen = np.stack([corner * _PX, (1 - height[faces[chosen]]) * _PX, 1000.0 - radius[faces[chosen]]], axis=-1)
    raster = rasterise(screen.reshape(-1, 3), np.arange(3 * len(chosen)).reshape(-1, 3), _PX, _PX)
    index = np.where(raster.covered, chosen[raster.face_index], -1).astype(np.int32)
    return (
        index,
        raster.barycentric,
        (lambda v: v / np.pi + 0.5) if sphere else (lambda v: (v - _LOWEST_MM) / _REACH_MM),
    )


@lru_cache(maxsize=8)
def _cached(model: HeadModel, kind: str) -> tuple[NDArray[np.int32], NDArray[np.float32], Callable[[Float], Float]]:
    centre = {"skull": SKULL_CENTRE, "neck": NECK_AXIS, "face": FACE_AXIS}[kind]
    return _unwrapped(model, centre, sphere=kind == "skull", region="neck" if kind == "neck" else "")


def around(model: HeadModel, kind: str, azimuth: Float, height: Float) -> SurfacePoints:
    """Return the skin's points at azimuths (rad, 0 in front, towards +x) and heights.

    Parameters
    ----------
    kind : "skull" (heights are elevations, rad, around `SKULL_CENTRE`), "neck" or "face" (heights are y of the mean head).
    azimuth, height : any shape; where the skin has no such point the nearest row of that azimuth is taken.
    """
    index, barycentric, to_row = _cached(model, kind)
    x = (azimuth / (2 * np.pi) + 0.5) % 1.0
    column = np.clip((x * _PX).astype(np.int64), 0, _PX - 1).ravel()
    row = np.clip(((1 - to_row(height)) * _PX).astype(np.int64), 0, _PX - 1).ravel()
    faces = np.zeros(column.size, dtype=np.int32)
    weights = np.zeros((column.size, 3))
    filled = np.flatnonzero((index >= 0).any(0))
    for k, (c, r) in enumerate(zip(column, row, strict=True)):
        c = filled[np.argmin(np.abs(filled - c))]  # noqa: PLW2901
        rows = np.flatnonzero(index[:, c] >= 0)
        nearest = rows[np.argmin(np.abs(rows - r))]
        faces[k], weights[k] = index[nearest, c], barycentric[nearest, c]
    weights = np.clip(weights, 0, None)
    return SurfacePoints(face_index=faces, barycentric=weights / weights.sum(1, keepdims=True))


@lru_cache(maxsize=64)
def grid(model: HeadModel, name: str) -> tuple[SurfacePoints, int, int, Float]:
    """Return a named grid: its points row by row, rows, columns and azimuths (columns,).

    Heights below are those of the drawing head (see `yardstick`).
    """
    place = yardstick(model).height
    columns = 48
    azimuth = (np.arange(columns) / columns - 0.5) * 2 * np.pi
    front, side = np.cos(azimuth), np.abs(np.sin(azimuth))
    if name.startswith("neckline "):
        border = around(model, "neck", azimuth, np.full(columns, _LOWEST_MM + 1))
        lower = border.positions(model.mean, model.faces)[:, 1]
        upper = {
            "crew": -124 - 42 * np.clip(front, 0, 1) ** 1.5 - 8 * side,
            "v": -124 - 74 * np.clip(front, 0, 1) ** 3 - 10 * side,
            "shirt": -106 - 36 * np.clip(front, 0, 1) - 6 * side,
            "suit": -106 - 36 * np.clip(front, 0, 1) - 6 * side,
            "roll": -84 - 14 * np.clip(front, 0, 1) - 4 * side,
            "hood": -114 - 46 * np.clip(front, 0, 1) - 4 * side,
            "boat": -136 - 60 * np.clip(front, 0, 1) - 14 * side,
            "none": np.full(columns, -1e3),
        }[name.split()[1]]
        return _grid(model, "neck", azimuth, np.maximum(place(upper), lower), lower, 7)
    if name.startswith("hat "):
        # elevations (deg) of the brim by azimuth: front, side, back
        a, b, c = {
            "beanie": (24, 0, -20),
            "cap": (22, 8, -6),
            "brim": (25, 11, 0),
            "hood": (35, -25, -50),
            "scarf": (38, -38, -62),
        }[name.split()[1]]
        lower = np.deg2rad(np.interp(np.abs(np.rad2deg(azimuth)), [0, 35, 90, 180], [a, a - 2, b, c]))
        return _grid(model, "skull", azimuth, np.full(columns, np.deg2rad(88.0)), lower, 10)
    if name == "mask":
        columns = 25
        azimuth = np.deg2rad(np.linspace(-78, 78, columns))
        spread = np.abs(azimuth) / azimuth.max()
        upper = np.interp(spread, [0, 0.12, 0.3, 1.0], [2, -6, -20, -38])
        lower = np.interp(spread, [0, 0.5, 1.0], [-104, -96, -58])
        return _grid(model, "face", azimuth, place(upper), place(lower), 11)
    raise KeyError(name)


def _grid(
    model: HeadModel, kind: str, azimuth: Float, upper: Float, lower: Float, rows: int
) -> tuple[SurfacePoints, int, int, Float]:
    t = np.linspace(0, 1, rows)[:, None]
    height = upper * (1 - t) + lower * t
    return around(model, kind, np.broadcast_to(azimuth, height.shape), height), rows, len(azimuth), azimuth
