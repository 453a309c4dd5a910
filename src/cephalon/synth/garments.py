"""What is sewn onto clothes: shirt collars, button bands, lapels with shirt and tie, strings of hoods, prints.

Strips that lie on the front of the cloth are given by distances from the middle, mm, along rings of the cloth.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.synth.person import Person
from cephalon.synth.piece import Material, Piece, grid_faces, grid_uv, tube

Float = NDArray[np.float64]

_CLOTH = Material(label="clothes", rgb=(1.0, 1.0, 1.0), texture="cloth", roughness=0.85, specular=0.02)
_OPENING = np.array([  # ring of the cloth; half of what a jacket leaves open; to its lapel's outer edge, mm
    (3.0, 40, 47), (4.5, 46, 60), (6.0, 50, 68), (8.0, 49, 82), (9.6, 47, 102), (9.8, 46, 84), (11.5, 42, 98), (13.0, 37, 92),
    (14.0, 31, 80), (15.0, 17, 52), (16.0, 2, 12),
])  # fmt: skip
_TIE = np.array(
    [(0.4, 9), (1.2, 15), (2.2, 13), (3.2, 9), (5.0, 14), (8.0, 18), (11.0, 22), (13.0, 26), (15.0, 33), (16.0, 38)]
)


def sewn(rings: Float, edge: Float, out: Float, azimuth: Float, person: Person) -> list[Piece]:
    """Return what is sewn onto a person's clothes.

    Parameters
    ----------
    rings : (r, 48, 3) mm, the cloth from the neckline down (`body`).
    edge : (48, 3) mm, the neckline on the skin; out : (48, 3) unit, level, away from the neck; azimuth : (48,) rad, 0 in front.
    """
    wear = person.wear
    rng = np.random.default_rng([wear.seed, 2])
    if wear.collar == "shirt":
        rows = np.concatenate([[0.5], np.arange(1.0, 20.0)])
        buttons = wear.frame_rgb if rng.random() < 0.3 else (0.6, 0.58, 0.52)
        half = np.full(len(rows), 15.0)
        return [
            _leaves(edge, out, azimuth, _CLOTH, rng),
            _strip(rings, rows, -half, half, 2.0, _CLOTH),
            _strip(
                rings, rows, half - 0.3, half + 1.2, 2.3, Material(label="clothes", rgb=_shaded(wear.cloth_rgb, 0.45))
            ),
            *_buttons(rings, (3.5, 9.0, 12.6, 14.2, 15.3, 16.3), buttons),
        ]
    if wear.collar == "suit":
        return _jacket(rings, edge, out, azimuth, person, rng)
    if wear.collar == "hood":
        string = Material(label="clothes", rgb=(0.7, 0.7, 0.68) if rng.random() < 0.5 else _shaded(wear.cloth_rgb, 0.6))
        pieces = []
        for sign in (-1.0, 1.0):
            x = sign * (24 + np.linspace(0, 1, 8) * rng.uniform(-4, 8))
            path = _on_front(rings, np.linspace(5.0, rng.uniform(12.5, 14.5), 8), x[:, None])[:, 0] + [0.0, 0.0, 4.0]
            vertices, faces = tube(path, 2.0, sides=5)
            pieces.append(Piece(vertices=vertices, faces=faces, material=string))
        return pieces
    if wear.pattern == "print":
        rows, half = np.linspace(10.5, 15.0, 10), np.full(10, rng.uniform(45, 80))
        printed = Material(label="clothes", rgb=(1.0, 1.0, 1.0), texture="print", roughness=0.85, specular=0.02)
        return [_strip(rings, rows, -half, half, 1.2, printed, columns=9)]
    return []


def _shaded(rgb: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    return (rgb[0] * factor, rgb[1] * factor, rgb[2] * factor)


def _on_front(rings: Float, rows: Float, x: Float) -> Float:
    """Return the cloth's points (k, c, 3) at rings `rows` (k,), between rings too, and distances x (k, c) from the middle, mm."""
    first = np.clip(rows.astype(np.int64), 0, len(rings) - 2)
    t = (rows - first)[:, None, None]
    columns = rings.shape[1]
    front = slice(columns // 4, 3 * columns // 4 + 1)  # azimuths from -90 to 90 degrees, x rising
    ring = rings[first, front] * (1 - t) + rings[first + 1, front] * t
    rising = np.maximum.accumulate(ring[..., 0], axis=1)
    left = np.clip((rising[:, None, :] <= x[..., None]).sum(-1) - 1, 0, rising.shape[1] - 2)
    row = np.arange(len(rows))[:, None]
    x0 = rising[row, left]
    share = np.clip((x - x0) / np.maximum(rising[row, left + 1] - x0, 1e-6), 0, 1)[..., None]
    points = ring[row, left] * (1 - share) + ring[row, left + 1] * share
    points[..., 0] = x
    return points


def _strip(
    rings: Float, rows: Float, left: Float, right: Float, lift: float | Float, material: Material, columns: int = 3
) -> Piece:
    """Return a strip `lift` mm before the cloth, from x = left to x = right (k,) on rings `rows` (k,)."""
    t = np.linspace(0, 1, columns)
    points = _on_front(rings, rows, left[:, None] * (1 - t) + right[:, None] * t)
    high = np.broadcast_to(np.asarray(lift, dtype=np.float64), len(rows))[:, None]
    points[..., 2] += high
    points[..., 1] += 0.7 * high
    repeat = (1.0, 1.0) if material.texture == "print" else (0.4, 5.0)
    return Piece(
        vertices=points.reshape(-1, 3), faces=grid_faces(len(rows), columns), material=material,
        corner_uv=grid_uv(len(rows), columns, repeat=repeat),
    )  # fmt: skip


def _buttons(rings: Float, rows: tuple[float, ...], rgb: tuple[float, float, float]) -> list[Piece]:
    """Return flat buttons in the middle of rings."""
    centre = _on_front(rings, np.array(rows), np.zeros((len(rows), 1)))
    angle = np.arange(8) / 8 * 2 * np.pi
    disc = 5.0 * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    middle = centre + np.array([0.0, 0.0, 1.0])
    vertices = np.concatenate([centre + disc, middle], axis=1) + np.array([0.0, 1.0, 3.0])
    fan = np.array([[8, k, (k + 1) % 8] for k in range(8)])
    faces = (fan[None] + 9 * np.arange(len(rows))[:, None, None]).reshape(-1, 3).astype(np.int32)
    return [
        Piece(vertices=vertices.reshape(-1, 3), faces=faces, material=Material(label="clothes", rgb=rgb, roughness=0.4))
    ]


def _leaves(edge: Float, out: Float, azimuth: Float, material: Material, rng: np.random.Generator) -> Piece:
    """Return a shirt's collar: a band that stands up around the neck, and leaves that fold over it to two points in front."""
    order = (np.argmin(np.abs(azimuth)) + np.arange(1, len(azimuth))) % len(azimuth)  # round the back, open in front
    edge, out, azimuth = edge[order], out[order], azimuth[order]
    spread, reach = rng.uniform(10, 26), rng.uniform(30, 46)
    front = np.clip(1 - np.abs(azimuth) / 0.75, 0, 1)[:, None]
    stand = 9 - 13 * front**1.5  # lower where it is buttoned
    side = np.sign(azimuth)[:, None] * np.array([1.0, 0.0, 0.0])
    tip = side * spread * front - np.array([0.0, 1.0, 0.0]) * (24 + (reach - 16) * front**0.7)
    up = np.array([0.0, 1.0, 0.0])
    rows = [
        edge + out * 3 - 16 * up,
        edge + out * 4 + stand * up,
        edge + out * 7.5 + (stand + 1) * up,
        edge + out * 13 + 0.55 * (tip + stand * up) + up * 2,
        edge + out * (17 + 6 * front) + tip + stand * up * 0.6,
    ]
    count = len(order)
    return Piece(
        vertices=np.concatenate(rows), faces=grid_faces(5, count)[:, [0, 2, 1]], material=material,
        corner_uv=grid_uv(5, count, repeat=(8.0, 0.6))[:, [0, 1, 4, 5, 2, 3]],
    )  # fmt: skip


def _jacket(
    rings: Float, edge: Float, out: Float, azimuth: Float, person: Person, rng: np.random.Generator
) -> list[Piece]:
    """Return a jacket's lapels and collar, with the shirt in its opening, and perhaps a tie; the cloth below is the jacket's."""
    white = np.array([0.62, 0.62, 0.61]) * rng.uniform(0.8, 1.1)
    tint = ((1.0, 1.0, 1.0), (0.6, 0.75, 0.95), (0.95, 0.75, 0.8), (0.08, 0.08, 0.09))[
        int(rng.choice(4, p=[0.6, 0.2, 0.08, 0.12]))
    ]
    shirt = Material(
        label="clothes",
        rgb=(float(white[0] * tint[0]), float(white[1] * tint[1]), float(white[2] * tint[2])),
        roughness=0.8,
    )
    # every ring of the cloth is a row, so that strips lie on its facets
    rows = np.union1d(_OPENING[:, 0], np.arange(3.0, 17.0))
    inner, outer = (np.interp(rows, _OPENING[:, 0], _OPENING[:, k]) for k in (1, 2))
    below = np.concatenate([[0.5, 1.0, 2.0], rows])
    half = np.concatenate([[26.0, 30.0, 36.0], inner]) + 5.0
    pieces = [_strip(rings, below, -half, half, np.interp(below, [0, 4, 16], [0.8, 3.5, 3.5]), shirt, columns=11)]
    pieces.append(_leaves(edge, out, azimuth, shirt, rng))
    lapel = np.interp(rows, [3, 5, 16], [4.0, 6.5, 8.0])
    for sign in (-1.0, 1.0):
        low, high = (inner, outer) if sign > 0 else (-outer, -inner)
        pieces.append(_strip(rings, rows, low, high, lapel, _CLOTH, columns=6))
    # the collar of the jacket lies around the back of the neck and meets the lapels
    columns = (np.argmin(np.abs(azimuth)) + np.arange(1, len(azimuth))) % len(azimuth)
    columns = columns[np.abs(azimuth[columns]) > 0.95]
    around = [rings[2, columns] + out[columns] * 9 + [0, 8, 0], rings[5, columns] + out[columns] * 12 + [0, 2, 0]]
    around.insert(0, rings[3, columns] + out[columns] * 3)
    pieces.append(
        Piece(vertices=np.concatenate(around), faces=grid_faces(3, len(columns))[:, [0, 2, 1]], material=_CLOTH,
              corner_uv=grid_uv(3, len(columns), repeat=(6.0, 0.4))[:, [0, 1, 4, 5, 2, 3]])
    )  # fmt: skip
    if rng.random() < (0.6 if person.sex == "male" else 0.05):
        rows = np.union1d(_TIE[:, 0], np.arange(1.0, 17.0))
        half = np.interp(rows, *_TIE.T)
        tie = Material(label="clothes", rgb=person.wear.cloth_rgb2, roughness=0.5, specular=0.03)
        pieces.append(_strip(rings, rows, -half, half, np.interp(rows, [0, 1, 3, 5], [13, 14, 9, 7]), tie))
    elif shirt.rgb[0] > 0.2:
        pieces += _buttons(rings, (7.0, 11.5, 14.0), (0.6, 0.58, 0.52))
    return pieces
