"""Glasses, hats, masks, headphones, and things held in front of the face; all built from a few measures of the head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.head import HeadModel
from cephalon.synth.hand import hand
from cephalon.synth.person import Person
from cephalon.synth.piece import Material, Piece, grid_faces, grid_uv, tube
from cephalon.synth.wrap import SKULL_CENTRE, grid

Float = NDArray[np.float64]


def worn(model: HeadModel, neutral: Float, posed: Float, person: Person) -> list[Piece]:
    """Return what a person has on the head.

    Parameters
    ----------
    neutral : (n, 3) mm, the neutral head, on which what rides on the skull is built.
    posed : (n, 3) mm, with expression and neck, on which the mask lies.
    """
    pieces: list[Piece] = []
    rng = np.random.default_rng([person.wear.seed, 1])
    if person.wear.glasses:
        pieces += glasses(model, neutral, person, rng)
    if person.wear.hat:
        pieces += hat(model, neutral, person, rng)
    if person.wear.mask:
        pieces += mask(model, posed, person, rng)
    if person.wear.headphones:
        pieces += headphones(model, neutral, person)
    return pieces


def _point(model: HeadModel, vertices: Float, name: str) -> Float:
    points = model.point_set("iso")
    row = points.index(name)
    return points.barycentric[row] @ vertices[model.faces[points.face_index[row]]]


_SHAPES = {  # width, height mm, exponent of the superellipse, how far the upper outer corner is drawn up
    "round": (46, 44, 2.0, 0.0), "rectangle": (53, 33, 4.5, 0.0), "oval": (51, 36, 2.2, 0.0), "aviator": (58, 50, 2.6, -0.12),
    "square": (52, 44, 4.0, 0.0), "cat": (54, 40, 3.0, 0.22),
}  # fmt: skip


def glasses(model: HeadModel, neutral: Float, person: Person, rng: np.random.Generator) -> list[Piece]:
    """Return frame and lenses: rims 12 to 14 mm before the corneas, arms to the ears."""
    width, height, power, lift = _SHAPES[person.wear.glasses]
    scale = (
        float(np.exp(rng.normal(0, 0.06)))
        * (0.86 if person.age_years < 13 else 1.0)
        * (1.12 if person.wear.lens_tint > 0.5 else 1.0)
    )
    width, height = width * scale, height * scale
    eyes = [neutral[model.parts[f"{side}_eye"].vertices] for side in ("left", "right")]
    front = max(float(e[:, 2].max()) for e in eyes)
    eye_y = float(np.mean([e[:, 1].mean() for e in eyes]))
    half_ipd = float(np.mean([abs(e[:, 0].mean()) for e in eyes]))
    sellion = _point(model, neutral, "se")
    z0 = max(front + rng.uniform(10.5, 13.0), float(sellion[2]) + 3.0)
    centre_x = max(half_ipd + 1.0, width / 2 + rng.uniform(8.0, 9.5))
    y0 = eye_y - rng.uniform(2.0, 6.0)
    angle = np.linspace(0, 2 * np.pi, 41)[:-1]
    c, s = np.cos(angle), np.sin(angle)
    x = width / 2 * np.sign(c) * np.abs(c) ** (2 / power)
    y = height / 2 * np.sign(s) * np.abs(s) ** (2 / power) + lift * height * 0.5 * (x / (width / 2)) * (s > 0)
    wrap = rng.uniform(0.0008, 0.0018)
    thick = float(rng.choice([0.9, 1.3, 2.2, 2.9]))
    metal = thick < 1.5
    frame = Material(
        label="glasses", rgb=person.wear.frame_rgb, roughness=0.25 if metal else 0.35, specular=0.35 if metal else 0.05
    )
    tint = person.wear.lens_tint
    lens = Material(
        label="glasses", kind="lens", layer=True, rgb=(0.02, 0.02, 0.022) if tint else (0.9, 0.9, 0.9), alpha=tint if tint else 0.03,
        specular=0.05 + person.wear.lens_mirror, roughness=0.02,
    )  # fmt: skip
    skin = neutral[model.parts["skin"].vertices]
    body = (model.regions["ears"][: len(skin)] < 0.2) & (np.abs(skin[:, 1] - eye_y - 8) < 12)
    pieces: list[Piece] = []
    for sign in (1.0, -1.0):
        outline = np.stack([sign * (centre_x + x), y0 + y, z0 - wrap * (centre_x + x) ** 2], axis=1)
        vertices, faces = tube(outline, thick, sides=6, closed=True)
        pieces.append(Piece(vertices=vertices, faces=faces, material=frame, rides=True))
        middle = np.array([[sign * centre_x, y0, z0 - wrap * centre_x**2 + 0.8]])
        fan = np.array([[40, k, (k + 1) % 40] for k in range(40)], dtype=np.int32)
        pieces.append(
            Piece(
                vertices=np.concatenate([outline, middle]),
                faces=fan if sign > 0 else fan[:, [0, 2, 1]],
                material=lens,
                rides=True,
            )
        )
        ear = _point(model, neutral, "t_l" if sign > 0 else "t_r")
        hinge = np.array(
            [sign * (centre_x + width / 2 + 2), y0 + height * 0.22, z0 - wrap * (centre_x + width / 2) ** 2 - 2]
        )
        behind = np.array([sign * (abs(ear[0]) + 1.5), ear[1] + 21, ear[2] - 12])
        t = np.linspace(0, 1, 12)[:, None]
        arm = hinge * (1 - t) + behind * t
        for k in range(1, 12):
            near = body & (np.abs(skin[:, 2] - arm[k, 2]) < 9) & (skin[:, 0] * sign > 0)
            if near.any():
                arm[k, 0] = sign * max(abs(arm[k, 0]), float(np.abs(skin[near, 0]).max()) + 1.5)
        tip = arm[-1] + np.array([[-2.0 * sign, -10.0, -9.0], [-5.0 * sign, -26.0, -13.0]])
        vertices, faces = tube(np.concatenate([arm, tip]), max(1.0, thick * 0.8), sides=5)
        pieces.append(Piece(vertices=vertices, faces=faces, material=frame, rides=True))
    inner = centre_x - width / 2
    t = np.linspace(-1, 1, 9)
    bridge = np.stack(
        [t * inner, y0 + height * 0.12 + 4.5 * (1 - t * t), z0 + 2.0 * (1 - t * t) - wrap * inner**2 * t * t], axis=1
    )
    vertices, faces = tube(bridge, thick, sides=6)
    pieces.append(Piece(vertices=vertices, faces=faces, material=frame, rides=True))
    return pieces


def hat(model: HeadModel, neutral: Float, person: Person, rng: np.random.Generator) -> list[Piece]:
    """Return a beanie, a cap with a visor, a hat with a brim, a hood or a head scarf."""
    kind = person.wear.hat
    points, rows, columns, azimuth = grid(model, f"hat {kind}")
    skin = points.positions(neutral, model.faces).reshape(rows, columns, 3)
    out = skin - SKULL_CENTRE
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    thick = {"beanie": 7.0, "cap": 8.0, "brim": 9.0, "hood": 16.0, "scarf": 9.0}[kind] + (
        4.0 if person.hair.style not in ("none", "shaved") else 0
    )
    shell = skin + out * thick
    # cloth bridges hollows: the radius of a row is smoothed around the head
    if kind == "beanie":
        shell[:4, :, 1] += np.array([9.0, 7.0, 4.0, 1.0])[:, None] * rng.uniform(0, 1.2)
    if kind in ("cap", "brim"):
        crown = np.linspace(1, 0, rows)[:, None]
        shell[..., 1] += crown * rng.uniform(4, 26 if kind == "brim" else 12)
    edge = shell[-1]
    cloth = Material(
        label="hat",
        rgb=person.wear.hat_rgb,
        texture="knit" if kind in ("beanie", "scarf", "hood") else "",
        roughness=0.9,
    )
    vertices = np.concatenate([shell.reshape(-1, 3), skin[-1] + out[-1] * 1.5])
    pieces = [
        Piece(vertices=vertices, faces=grid_faces(rows + 1, columns, closed=True)[:, [0, 2, 1]], material=cloth, rides=True,
              corner_uv=grid_uv(rows + 1, columns, closed=True, repeat=(10, 4))[:, [0, 1, 4, 5, 2, 3]])
    ]  # fmt: skip
    top = np.concatenate([shell[0], shell[0].mean(0, keepdims=True) + np.array([0, 2, 0])])
    fan = np.array([[columns, (k + 1) % columns, k] for k in range(columns)], dtype=np.int32)
    pieces.append(Piece(vertices=top, faces=fan[:, [0, 2, 1]], material=cloth, rides=True))
    if kind == "beanie":
        roll, faces = tube(edge + np.array([0, 6, 0]), 6.5, sides=8, closed=True)
        pieces.append(Piece(vertices=roll, faces=faces, material=cloth, rides=True))
    if kind in ("hood", "scarf"):
        roll, faces = tube(edge, 5.0, sides=6, closed=True)
        pieces.append(Piece(vertices=roll, faces=faces, material=cloth, rides=True))
    if kind in ("cap", "brim"):
        reach = (
            68 * np.clip(np.cos(azimuth * 0.95), 0, 1) ** 0.45 * (np.abs(azimuth) < 1.25)
            if kind == "cap"
            else np.full(columns, rng.uniform(38, 75))
        )
        flat = np.stack([np.sin(azimuth), 0 * azimuth, np.cos(azimuth)], axis=1)
        droop = -0.22 if kind == "cap" else rng.uniform(-0.15, 0.12)
        rim = edge + flat * reach[:, None] + np.array([0, 1, 0]) * (droop * reach)[:, None]
        if kind == "cap":
            rim[:, 1] -= 0.0016 * rim[:, 0] ** 2
        brim = np.concatenate([edge, rim, rim + np.array([0, -2.5, 0]), edge + np.array([0, -3.0, 0])])
        pieces.append(
            Piece(vertices=brim, faces=grid_faces(4, columns, closed=True)[:, [0, 2, 1]], material=cloth, rides=True)
        )
    return pieces


def mask(model: HeadModel, posed: Float, person: Person, rng: np.random.Generator) -> list[Piece]:
    """Return a face mask from the nose's bridge to below the chin, with straps to the ears."""
    points, rows, columns, _ = grid(model, "mask")
    skin = points.positions(posed, model.faces).reshape(rows, columns, 3)
    axis = np.array([0.0, 0.0, 10.0])
    flat = (skin - axis) * [1, 0, 1]
    radius = np.linalg.norm(flat, axis=-1)
    # cloth spans hollows: never inside the mean of its neighbours
    taut = radius.copy()
    for _ in range(24):
        around = taut.copy()
        around[1:-1, 1:-1] = (taut[:-2, 1:-1] + taut[2:, 1:-1] + taut[1:-1, :-2] + taut[1:-1, 2:]) / 4
        taut = np.maximum(radius, around)
    out = flat / radius[..., None]
    cloth = skin + out * ((taut - radius) + 7.0)[..., None]
    cloth[..., 1] += rng.normal(0, 0.3, (rows, 1))
    # under the chin, where the skin turns away from the axis, it hangs below
    cloth[-3:, :, 1] -= np.array([2.0, 5.0, 9.0])[:, None]
    material = Material(label="mask", rgb=person.wear.mask_rgb, roughness=0.9, texture="pleats")
    pieces = [
        Piece(vertices=cloth.reshape(-1, 3), faces=grid_faces(rows, columns), material=material,
              corner_uv=grid_uv(rows, columns))
    ]  # fmt: skip
    for sign, column in ((1.0, columns - 1), (-1.0, 0)):
        ear = _point(model, posed, "t_l" if sign > 0 else "t_r")
        for row, target in ((1, [sign * 5, 20, -8]), (rows - 2, [sign * 5, -25, -8])):
            path = np.linspace(cloth[row, column], ear + np.array(target), 6)
            vertices, faces = tube(path + np.array([sign * 2, 0, 0]), 1.3, sides=5)
            pieces.append(Piece(vertices=vertices, faces=faces, material=Material(label="mask", rgb=(0.8, 0.8, 0.8))))
    return pieces


def ellipsoid(centre: Float, radii: Float, *, rows: int = 9, columns: int = 14) -> tuple[Float, NDArray[np.int32]]:
    """Return an ellipsoid (vertices, faces), mm."""
    theta = np.linspace(0.02, np.pi - 0.02, rows)[:, None]
    phi = np.arange(columns) / columns * 2 * np.pi
    unit = np.stack(
        [np.sin(theta) * np.sin(phi), np.cos(theta) * np.ones_like(phi), np.sin(theta) * np.cos(phi)], axis=-1
    )
    return (centre + unit * radii).reshape(-1, 3), grid_faces(rows, columns, closed=True)


def headphones(model: HeadModel, neutral: Float, person: Person) -> list[Piece]:
    """Return a band over the head and two cups over the ears."""
    left, right = _point(model, neutral, "t_l"), _point(model, neutral, "t_r")
    top = float(neutral[:, 1].max())
    material = Material(label="headphones", rgb=person.wear.frame_rgb, roughness=0.4, specular=0.05)
    angle = np.linspace(-0.5, np.pi + 0.5, 26)
    half = (left[0] - right[0]) / 2 + 14
    height = top + 9 - (left[1] + 10)
    arc = np.stack([half * np.cos(angle), left[1] + 10 + height * np.sin(angle), np.full(26, left[2] - 12)], axis=1)
    pieces = []
    for shift in (-6, 6):
        vertices, faces = tube(arc + np.array([0, 0, shift]), 5.0, sides=7)
        pieces.append(Piece(vertices=vertices, faces=faces, material=material, rides=True))
    for ear, sign in ((left, 1.0), (right, -1.0)):
        vertices, faces = ellipsoid(ear + np.array([sign * 15, 3, -12]), np.array([15.0, 38.0, 31.0]))
        pieces.append(Piece(vertices=vertices, faces=faces, material=material, rides=True))
    return pieces


def occluder(model: HeadModel, posed: Float, skin_rgb: Float, *, rng: np.random.Generator) -> list[Piece]:
    """Return something held before the face: a hand, a cup, a microphone, a telephone or a ball."""
    nose = _point(model, posed, "prn")
    kind = int(rng.integers(5))
    low = np.array([rng.uniform(-55, 55), rng.uniform(-120, -15), nose[2] + rng.uniform(6, 45)])
    tone = (float(skin_rgb[0]), float(skin_rgb[1]), float(skin_rgb[2]))
    colours = rng.random(3) ** 2
    thing = Material(
        label="occluder",
        rgb=(float(colours[0]), float(colours[1]), float(colours[2])),
        roughness=float(rng.uniform(0.1, 0.8)),
        specular=0.05,
    )
    radius = float(rng.uniform(20, 45))
    pieces: list[Piece] = []

    def add(shape: tuple[Float, NDArray[np.int32]], material: Material) -> None:
        pieces.append(Piece(vertices=shape[0], faces=shape[1], material=material))

    if kind == 1:
        t = np.linspace(0, 1, 2)[:, None]
        add(tube(low + t * np.array([0, -95.0, 8.0]), np.array([42.0, 34.0]), sides=20), thing)
    elif kind == 2:
        add(
            ellipsoid(low, np.array([24.0, 24.0, 24.0])),
            Material(label="occluder", rgb=(0.03, 0.03, 0.03), roughness=0.5, specular=0.1),
        )
        add(
            tube(low + np.linspace(0, 1, 2)[:, None] * np.array([rng.uniform(-60, 60), -190.0, 60.0]), 13.0, sides=12),
            thing,
        )
    elif kind == 3:
        corner = np.array([[-36, -75, 0], [36, -75, 0], [36, 75, 0], [-36, 75, 0]], dtype=float)
        box = np.concatenate([corner, corner + np.array([0, 0, 9])]) + low
        faces = np.array(
            [
                [0, 2, 1],
                [0, 3, 2],
                [4, 5, 6],
                [4, 6, 7],
                [0, 1, 5],
                [0, 5, 4],
                [1, 2, 6],
                [1, 6, 5],
                [2, 3, 7],
                [2, 7, 6],
                [3, 0, 4],
                [3, 4, 7],
            ]
        )
        add((box, faces.astype(np.int32)), thing)
    elif kind == 4:
        add(ellipsoid(low, np.array([radius] * 3)), thing)
    side = 1.0 if rng.random() < 0.5 else -1.0
    # a hand alone, or around the front of the thing
    before = (0.0, 40.0, 10.0, 14.0, radius - 4)[kind]
    palm = low + (np.array([side * 6.0, -78.0 + 20.0 * (kind == 1), before]) if kind else np.array([0.0, -25.0, 0.0]))
    closed = float(rng.uniform(0.35, 0.8)) if kind else float(rng.beta(1.0, 3.0))
    pieces += hand(palm, side, tone, rng=rng, closed=closed, painted=bool(rng.random() < 0.2))
    return pieces
