"""Shoulders with clothes and scarves; what is sewn onto them is in `garments`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import boundary_loops
from cephalon.head import HeadModel
from cephalon.synth.garments import sewn
from cephalon.synth.person import Person
from cephalon.synth.piece import Material, Piece, cross, grid_faces, grid_uv, tube
from cephalon.synth.wrap import NECK_AXIS, grid

Float = NDArray[np.float64]

_HIPS = ((14, 1.06), (40, 1.11), (80, 1.13), (130, 1.12), (200, 1.1), (300, 1.05), (520, 0.95), (900, 0.9))
"""How far below the shoulders the trunk's rings lie, mm, and their width by the shoulders'."""


@lru_cache(maxsize=4)
def _collar(model: HeadModel) -> NDArray[np.int32]:
    """The skin's lower border, ordered from behind over the person's right, front and left."""
    loop = max(boundary_loops(model.polygons[model.parts["skin"].polygons]), key=len)
    p = model.mean[loop] - model.mean[loop].mean(0)
    return loop[np.argsort(np.arctan2(p[:, 0], p[:, 2]))]


def _outwards(rows: Float) -> Float:
    """Return unit vectors (r, c, 3) out of a closed grid of points (r, c, 3) around the neck, rows from above."""
    around = np.roll(rows, -1, axis=1) - np.roll(rows, 1, axis=1)
    down = np.gradient(rows, axis=0)
    out = cross(down, around)
    # where rows meet at the skin's border there is no way down: the row above knows
    length = np.linalg.norm(out, axis=-1, keepdims=True)
    flat = (rows - NECK_AXIS) * [1.0, 0.0, 1.0]
    out = np.where(length > 1e-3, out / np.maximum(length, 1e-3), flat / np.linalg.norm(flat, axis=-1, keepdims=True))
    return out / np.maximum(np.linalg.norm(out, axis=-1, keepdims=True), 1e-9)


def torso(model: HeadModel, *, collar: str = "crew") -> Piece:
    """Return the mean head's grey shoulders and chest, which begin at a neckline on the neck's skin.

    `collar` is "crew", "v", "shirt", "suit", "roll", "hood" or "boat"; "none" begins at the skin's lower border.
    """
    rings = _rings(model, model.mean, collar, 1.0, np.random.default_rng(0))
    return _cloth(rings, Material(label="clothes", rgb=(0.4, 0.4, 0.4)))


def _cloth(rings: Float, material: Material) -> Piece:
    count, columns = rings.shape[:2]
    return Piece(
        vertices=rings.reshape(-1, 3),
        faces=grid_faces(count, columns, closed=True)[:, [0, 2, 1]],
        material=material,
        corner_uv=grid_uv(count, columns, closed=True, repeat=(10.0, 9.0))[:, [0, 1, 4, 5, 2, 3]],
    )


def _rings(model: HeadModel, head: Float, collar: str, width: float, folds: np.random.Generator) -> Float:
    """Return closed rings of points (r, 48, 3) mm from the neckline over the shoulders to the hips.

    Parameters
    ----------
    head : (n, 3) mm of the posed head.
    width : of the shoulders, 1 for an average man.
    folds : draws how the cloth hangs.
    """
    points, rows, columns, azimuth = grid(model, f"neckline {collar}")
    neck = points.positions(head, model.faces).reshape(rows, columns, 3)
    thick = {"roll": 4.5, "hood": 4.0, "shirt": 3.0, "suit": 3.0}.get(collar, 2.0)
    neck = neck + _outwards(neck) * (thick + np.linspace(0, 3.0, rows)[:, None, None])
    border = head[_collar(model)]
    low = neck[-1]
    sine, cosine = np.sin(azimuth), np.cos(azimuth)
    a = 203 * width
    b = 96 * (0.5 + 0.5 * width)
    middle_z = float(border[:, 2].mean()) - 14
    ring_x = a * np.sign(sine) * np.abs(sine) ** 0.75
    ring_z = middle_z + b * np.sign(cosine) * np.abs(cosine) ** 0.8
    drop = 32 + 62 * np.clip(cosine, 0, 1) + 74 * np.clip(-cosine, 0, 1) + 2 * np.abs(sine)
    shoulder = np.stack([ring_x, float(border[:, 1].mean()) - drop, ring_z], axis=-1)
    t = np.linspace(0, 1, 7)[1:, None, None]
    slope = low * (1 - t) + shoulder * t
    slope[..., 1] += 7 * np.sin(np.pi * t[..., 0]) * (0.3 + np.abs(sine))
    # down to the hips, so that nobody in a group floats
    fall, grow = np.array(_HIPS).T[..., None]
    trunk = np.stack(
        [
            shoulder[:, 0] * grow,
            shoulder[:, 1] - fall,
            middle_z + (shoulder[:, 2] - middle_z) * (1 + 0.25 * np.minimum(1.0, fall / 120)),
        ],
        axis=-1,
    )
    rings = np.concatenate([slope, trunk])
    # the arms hang beside the chest: a furrow from the armpit down parts them, before and behind
    number = np.arange(len(rings))[:, None]
    from_middle = np.minimum(np.abs(azimuth), np.pi - np.abs(azimuth))
    parted = np.clip((number - 4) / 3, 0, 1) * np.sign(cosine)
    rings[..., 2] -= parted * (15 * _hump(from_middle, 0.82, 0.13) - 9 * _hump(from_middle, 1.2, 0.24)) * width
    # cloth hangs in folds, deeper farther from the neck, that run on from ring to ring
    k, phase = folds.integers(3, 10, 3), folds.uniform(0, 2 * np.pi, 3)
    slant = folds.uniform(-0.7, 0.7, 3)
    angle = k * azimuth[:, None] + phase + slant * number[..., None]
    depth = 0.5 + 0.3 * number
    rings[..., 2] += depth * 0.6 * np.sin(angle).sum(-1) * cosine
    rings[..., 1] += depth * 0.3 * np.sin(angle + 1.0).sum(-1)
    return np.concatenate([neck, rings])


def _hump(value: Float, centre: float, width: float) -> Float:
    return np.exp(-(((value - centre) / width) ** 2))


def clothes(model: HeadModel, vertices: Float, person: Person) -> list[Piece]:
    """Return shoulders, collar and scarf of a person on posed vertices (n, 3) mm."""
    growth = float(np.interp(person.age_years, [3, 8, 13, 18], [0.62, 0.74, 0.9, 1.0]))
    rng = np.random.default_rng(person.wear.seed)
    width = growth * (0.9 if person.sex == "female" else 1.0) * float(np.exp(rng.normal(0, 0.05)))
    collar = person.wear.collar
    cloth = Material(label="clothes", rgb=(1.0, 1.0, 1.0), texture="cloth", roughness=0.85, specular=0.02)
    rings = _rings(model, vertices, collar, width, rng)
    pieces = [_cloth(rings, cloth)]
    points, rows, columns, azimuth = grid(model, f"neckline {collar}")
    edge = points.positions(vertices, model.faces).reshape(rows, columns, 3)
    out = edge[0] - NECK_AXIS
    out[:, 1] = 0
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    pieces += sewn(rings, edge[0], out, azimuth, person)
    if collar in ("crew", "roll", "boat", "v"):
        rim, faces = tube(edge[0] + out * 2.2, 2.6 if collar != "roll" else 6.0, sides=6, closed=True)
        pieces.append(Piece(vertices=rim, faces=faces, material=cloth, corner_uv=np.zeros((len(faces), 6), np.float32)))
    elif collar == "hood":
        thickness = 12 + 14 * np.clip(-np.cos(azimuth), 0, 1)
        rim, faces = tube(edge[2] + out * 12, thickness, sides=8, closed=True)
        pieces.append(Piece(vertices=rim, faces=faces, material=cloth, corner_uv=np.zeros((len(faces), 6), np.float32)))
    if person.wear.scarf:
        lift = rng.uniform(-14, 8)
        for turn in range(2):
            wobble = 1 + 0.25 * np.sin(azimuth * 2 + rng.uniform(0, 6)) + 0.15 * np.sin(azimuth * 5 + rng.uniform(0, 6))
            path = edge[1] + out * (13 + 7 * turn) + [0, lift - 24 * turn, 0]
            rim, faces = tube(path, 15 * wobble, sides=9, closed=True)
            uv = np.tile(np.array([0, 0, 0.3, 0.1, 0.2, 0.4], np.float32), (len(faces), 1))
            colour = person.wear.hat_rgb
            pieces.append(
                Piece(
                    vertices=rim,
                    faces=faces,
                    material=Material(label="clothes", rgb=colour, roughness=0.95),
                    corner_uv=uv,
                )
            )
    return pieces
