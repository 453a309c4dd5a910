"""Hair: strands on cards, fur in shells, MakeHuman's meshes, lashes and beards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import vertex_normals
from cephalon.head import HeadModel
from cephalon.synth.maps import beard_weight, scalp_weight
from cephalon.synth.mhclo import BoundMesh
from cephalon.synth.person import Hair, Person
from cephalon.synth.piece import Material, Piece
from cephalon.synth.wrap import SKULL_CENTRE, around

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

FUR_LAYERS = 8
_AZIMUTHS, _ELEVATIONS = 32, 17
_SEGMENTS = 10


def hair_pieces(
    model: HeadModel, meshes: Mapping[str, BoundMesh], neutral: Float, posed: Float, person: Person, *, detail: float = 1.0
) -> list[Piece]:
    """Return the see-through layers of a person's hair, beard and lashes.

    Parameters
    ----------
    neutral : (n, 3) mm, the neutral head: what grows on the skull is built on it and rides with it.
    posed : (n, 3) mm, with expression and neck: lashes and beard.
    detail : 1 for pictures of 256 px; scales the number of cards and shells.
    """
    hair = person.hair
    pieces = _lashes(model, posed, person)
    covered = person.wear.hat != ""
    style = hair.style
    if covered and style not in ("none", "strands", "tied"):
        style = "shaved"
    if covered and person.wear.hat in ("hood", "scarf"):
        style = "shaved" if style != "none" else "none"
    if style.startswith("mesh:"):
        mesh = meshes.get(style[5:])
        style = "strands" if mesh is None else style
        if mesh is not None:
            pieces.append(_mesh_piece(mesh, neutral - model.mean, hair))
            pieces += _under(model, neutral, hair, 2)
    if style == "short":
        pieces += _fur(model, neutral, scalp(model, hair.balding), hair, 6 + 16 * hair.volume * (0.4 + 0.6 * (hair.length_mm / 80) % 1), "hair", detail)
    elif style == "afro":
        pieces += _fur(model, neutral, scalp(model, hair.balding), hair, 18 + 30 * hair.volume, "hair", 1.3 * detail)
    elif style in ("strands", "tied"):
        cards = _cards(model, neutral, hair, detail, tied=style == "tied")
        if covered:
            cards = _below_hat(cards)
        pieces.append(cards)
        pieces += _under(model, neutral, hair, 3)
    if hair.beard != "none" and hair.beard_mm > 1.5 and not person.wear.mask:
        pieces += _fur(model, posed, beard(model, hair.beard), hair, hair.beard_mm * 1.3, "beard", 0.8 * detail, rides=False)
    return pieces


@lru_cache(maxsize=8)
def beard(model: HeadModel, kind: str) -> Float:
    """Weights (n,) of a beard; see `maps.beard_weight`."""
    return beard_weight(model, kind)


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


def _colour(hair: Hair, factor: float = 1.0) -> tuple[float, float, float]:
    return (hair.rgb[0] * factor, hair.rgb[1] * factor, hair.rgb[2] * factor)


@lru_cache(maxsize=16)
def _fur_mesh(model: HeadModel, key: bytes) -> tuple[NDArray[np.int32], NDArray[np.intp], Float32]:
    """Faces (renumbered), vertices used, corner uv of the skin where a weight grows hair."""
    weight = np.frombuffer(key, dtype=np.float16)
    skin = model.parts["skin"].faces
    faces = model.faces[skin]
    assert model.topology.uv is not None
    assert model.topology.faces_uv is not None
    chosen = (weight[faces] > 0.02).any(1)
    used, local = np.unique(faces[chosen], return_inverse=True)
    uv = model.topology.uv[model.topology.faces_uv[skin][chosen]].reshape(-1, 6).astype(np.float32)
    return local.reshape(-1, 3).astype(np.int32), used, uv


def _fur(
    model: HeadModel, vertices: Float, weight: Float, hair: Hair, length: float, label: str, detail: float, *, rides: bool = True
) -> list[Piece]:
    """Shells over the skin, each with the strands that reach it (Lengyel et al. 2001)."""
    faces, used, uv = _fur_mesh(model, weight.astype(np.float16).tobytes())
    normals = vertex_normals(vertices, model.faces)[used]
    grow = weight[used]
    p = vertices[used]
    comb = np.stack([0.5 * hair.parting * np.ones(len(p)), -0.4 - 0.3 * (label == "beard") * np.ones(len(p)), -0.35 * np.sign(p[:, 2])], axis=1)
    rng = np.random.default_rng(hair.seed)
    layers = int(np.clip(round((3 + length / 4) * detail), 3, FUR_LAYERS))
    lumps = np.zeros(len(p))
    for _ in range(4):
        lumps += np.sin(p @ rng.normal(0, 0.09, 3) + rng.uniform(0, 6))
    reach = length * (1 + 0.12 * lumps)
    if label == "beard":
        # trimmed around the mouth, so that the lips stay free
        mouth = 0.5 * (vertices[model.regions["lips_upper"] > 0.5].mean(0) + vertices[model.regions["lips_lower"] > 0.5].mean(0))
        away = np.hypot(p[:, 0] - mouth[0], 1.2 * (p[:, 1] - mouth[1]))
        reach = reach * np.clip((away - 16) / 32, 0.15, 1.0)
    pieces = []
    for layer in range(layers - 1, -1, -1):  # from outside: what is hidden is then found so at once
        t = (layer + 0.6) / layers
        move = normals * (reach * t * grow ** 0.7)[:, None] + comb * (0.35 * reach * t * t * grow)[:, None]
        texture = f"fur{min(FUR_LAYERS - 1, int(t * FUR_LAYERS))}"
        pieces.append(
            Piece(
                vertices=p + move, faces=faces,
                material=Material(label=label, kind="hair", layer=True, rgb=_colour(hair, 0.75 + 0.35 * t), texture=texture,
                                  casts=layer % 3 == 1),
                corner_uv=uv * np.float32(5.0), tangents=normals + 0.5 * comb, occlusion=np.full(len(p), 0.35 + 0.65 * t), opacity=np.clip(grow * 1.6, 0, 1), rides=rides,
            )
        )  # fmt: skip
    return pieces


def _under(model: HeadModel, neutral: Float, hair: Hair, layers: int) -> list[Piece]:
    """A dense cap under cards, so that no skin shines through."""
    weight = scalp(model, 0.6 * hair.balding)
    faces, used, uv = _fur_mesh(model, weight.astype(np.float16).tobytes())
    normals = vertex_normals(neutral, model.faces)[used]
    return [
        Piece(
            vertices=neutral[used] + normals * (0.8 + 1.6 * k) * weight[used][:, None], faces=faces,
            material=Material(label="hair", kind="hair", layer=True, rgb=_colour(hair, 0.6), texture="fur0", casts=False),
            corner_uv=uv * np.float32(5.0) + np.float32(0.37 * k), tangents=normals, occlusion=np.full(len(used), 0.4), opacity=np.clip(weight[used] * 1.5, 0, 1), rides=True,
        )
        for k in reversed(range(layers))
    ]  # fmt: skip


def _mesh_piece(mesh: BoundMesh, shift: Float, hair: Hair) -> Piece:
    vertices = mesh.on(shift)
    centre = np.array([0.0, 20.0, -12.0])
    out = vertices - centre
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    vertices = vertices + out * (3.0 + 6.0 * (hair.volume - 0.6))
    rng = np.random.default_rng(hair.seed)
    for _ in range(3):
        vertices = vertices + out * (1.5 * np.sin(vertices @ rng.normal(0, 0.05, 3) + rng.uniform(0, 6)))[:, None]
    down = np.array([0.0, -1.0, 0.0]) - out * (-out[:, 1:2])
    return Piece(
        vertices=vertices, faces=mesh.faces, corner_uv=mesh.corner_uv, tangents=down, rides=True,
        material=Material(label="hair", kind="hair", layer=True, rgb=_colour(hair), texture="mesh:" + mesh.name),
        occlusion=np.full(len(vertices), 0.85),
    )  # fmt: skip


def _lashes(model: HeadModel, posed: Float, person: Person) -> list[Piece]:
    assert model.topology.faces_uv is not None
    assert model.topology.uv is not None
    pieces = []
    made_up = person.skin.shadow_amount
    for side in ("left", "right"):
        part = model.parts[f"{side}_lashes"]
        uv = model.topology.uv[model.topology.faces_uv[part.faces]].reshape(-1, 6).astype(np.float32)
        pieces.append(
            Piece(
                vertices=posed[part.vertices], faces=(model.faces[part.faces] - part.vertices.start).astype(np.int32), corner_uv=uv,
                material=Material(label="eyes", kind="hair", layer=True, rgb=(0.008, 0.006, 0.005), texture="lashes", alpha=0.55 + 0.4 * made_up),
                occlusion=np.full(part.vertices.stop - part.vertices.start, 0.6),
            )
        )  # fmt: skip
    return pieces


@lru_cache(maxsize=2)
def _support(model: HeadModel) -> tuple[object, Float]:
    """Skin points over a grid of directions from the skull's centre, and the grid's elevations."""
    elevation = np.linspace(-0.45 * np.pi, 0.49 * np.pi, _ELEVATIONS)
    azimuth = (np.arange(_AZIMUTHS) / _AZIMUTHS - 0.5) * 2 * np.pi
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    return around(model, "skull", a, e), elevation


def _radii(model: HeadModel, neutral: Float) -> Float:
    points, _ = _support(model)
    skin = points.positions(neutral, model.faces)  # pyright: ignore
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
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1) * (weight[faces].min(1) > 0.35)
    chosen = np.flatnonzero(area > 0)
    return chosen, np.cumsum(area[chosen]) / area[chosen].sum()


def _cards(model: HeadModel, neutral: Float, hair: Hair, detail: float, *, tied: bool) -> Piece:
    """Locks as ribbons that leave the scalp along the comb, fall, and slide off the head."""
    rng = np.random.default_rng(hair.seed)
    chosen, cumulative = _roots(model)
    short = hair.length_mm < 85
    count = int((420 if short else 430) * np.clip(detail, 0.6, 1.5))
    faces = model.faces[chosen[np.searchsorted(cumulative, (np.arange(count) + rng.random(count)) / count).clip(0, len(chosen) - 1)]]
    bary = rng.dirichlet((1.0, 1.0, 1.0), count)
    root = np.einsum("kc,kcd->kd", bary, neutral[faces])
    keep = np.einsum("kc,kc->k", bary, scalp(model, hair.balding)[faces]) > rng.random(count) * 0.6
    root = root[keep]
    count = len(root)
    radii = _radii(model, neutral)
    out = root - SKULL_CENTRE
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    length = hair.length_mm * np.exp(rng.normal(0, 0.12, count))
    front = np.clip((root[:, 2] - 10) / 50, 0, 1) * np.clip((root[:, 1] - 55) / 25, 0, 1)
    side = np.where(root[:, 0] > 22 * hair.parting, 1.0, -1.0)
    fringe = hair.fringe < 0.35
    length = np.where(front > 0.3, np.minimum(length, (48 if fringe else 400)), length)
    target = np.array([0.0, 15.0, -120.0])
    if tied:
        comb = target - root
        comb /= np.linalg.norm(comb, axis=1, keepdims=True)
        length = np.minimum(np.linalg.norm(target - root, axis=1) * 1.15, 190)
    elif short:
        sweep = hair.fringe * 2 - 1
        comb = np.stack([0.7 * side * (1 - front * 0.3), -0.35 - 0.5 * np.clip(-root[:, 2] / 60, 0, 1), 0.6 * sweep * front - 0.3], axis=1)
    else:
        back = np.where(fringe, 0.9 * front, -0.75 * front)
        comb = np.stack([0.9 * side, np.full(count, -0.35), back - 0.15], axis=1)
    comb = comb + rng.normal(0, 0.16, (count, 3))
    lift = (0.30 if short else 0.22) * hair.volume * (0.3 if tied else 1.0)
    layer = rng.random(count)
    offset = 2.0 + layer * (7.0 + 9.0 * (hair.volume - 0.4)) * (0.45 if tied or short else 1.0)
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
        # while over the skull, hair lies on it: what stands off is drawn in
        above = np.clip((point[:, 1] - 5.0) / 40.0, 0, 1) if not short else 1.0
        standing = np.clip(distance - wanted, 0, None) * 0.65 * above
        point = point + way * (inside - standing)[:, None]
        # and it grows along the surface, not out of it
        outward = np.clip((direction * way).sum(1), 0, None) * above
        direction = direction - 0.8 * outward[:, None] * way
        # hair beside the face does not fall over it
        before = (point[:, 2] > 38) & (point[:, 1] < 62) & ~(fringe & (front > 0.3))
        edge = np.interp(point[:, 1], [-120, -60, 0, 40, 62], [52, 58, 68, 62, 52])
        push = np.where(before & (np.abs(point[:, 0]) < edge), edge - np.abs(point[:, 0]), 0.0)
        point[:, 0] += np.where(point[:, 0] >= 0, 1, -1) * push * 0.8
        gravity = 0.42 if not (tied or short) else (0.10 if short else 0.0)
        pull: Float = np.array([0.0, -gravity, 0.0])
        if tied:
            pull = (target - point) * 0.012
        tangent = point - path[-1]
        tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-6)
        across = np.cross(tangent, way)
        curl = hair.curl * 0.7 * np.sin(phase + speed * (k + 1) * step)
        direction = 0.75 * tangent + 0.25 * direction + pull + across * curl[:, None] + rng.normal(0, 0.05, (count, 3))
        path.append(point)
    curve = np.stack(path, axis=1)
    extra_uv = None
    if tied:
        tail = _tail(target, float(np.clip(hair.length_mm, 60, 300)), hair, rng)
        curve = np.concatenate([curve, tail])
        count = len(curve)
        del extra_uv
    return _ribbons(curve, hair, rng, width=(8.0 if short else 15.0) / np.sqrt(np.clip(detail, 0.6, 1.5)))


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


def _ribbons(curve: Float, hair: Hair, rng: np.random.Generator, *, width: float) -> Piece:
    count, points = curve.shape[:2]
    along = np.gradient(curve, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    out = curve - (SKULL_CENTRE + [0, -40, 0])
    out /= np.linalg.norm(out, axis=2, keepdims=True)
    across = np.cross(along, out)
    across /= np.maximum(np.linalg.norm(across, axis=2, keepdims=True), 1e-6)
    turn = rng.normal(0, 0.35, (count, 1, 1))
    across = across * np.cos(turn) + out * np.sin(turn)
    t = np.linspace(0, 1, points)[None, :, None]
    half = 0.5 * width * np.exp(rng.normal(0, 0.25, (count, 1, 1))) * (1 - 0.45 * t**2)
    vertices = np.stack([curve - across * half, curve + across * half], axis=2).reshape(-1, 3)
    base = (np.arange(count) * 2 * points)[:, None] + 2 * np.arange(points - 1)
    first = np.stack([base, base + 1, base + 3], -1)
    second = np.stack([base, base + 3, base + 2], -1)
    faces = np.stack([first, second], axis=2).reshape(-1, 3).astype(np.int32)
    u0 = rng.random((count, 1)) * np.ones((1, points - 1))
    span = 0.22
    v0, v1 = (np.arange(points - 1) / (points - 1))[None] + 0 * u0, (np.arange(1, points) / (points - 1))[None] + 0 * u0
    uv_first = np.stack([u0, v0, u0 + span, v0, u0 + span, v1], -1)
    uv_second = np.stack([u0, v0, u0 + span, v1, u0, v1], -1)
    uv = np.stack([uv_first, uv_second], axis=2).reshape(-1, 6).astype(np.float32)
    shade = np.exp(rng.normal(0, 0.12, (count, 1))) * (0.5 + 0.5 * np.clip(np.arange(points)[None] / 4.0, 0, 1))
    return Piece(
        vertices=vertices, faces=faces, corner_uv=uv, tangents=np.repeat(along.reshape(-1, 3), 2, axis=0), rides=True,
        material=Material(label="hair", kind="hair", layer=True, rgb=_colour(hair), texture="strands"),
        occlusion=np.repeat(np.clip(shade, 0, 1.2).reshape(-1), 2),
    )  # fmt: skip


def _below_hat(piece: Piece) -> Piece:
    """Leave out locks that lie under a hat."""
    p = piece.vertices
    azimuth = np.abs(np.rad2deg(np.arctan2(p[:, 0] - SKULL_CENTRE[0], p[:, 2] - SKULL_CENTRE[2])))
    line = np.interp(azimuth, [0, 35, 90, 180], [78, 74, 36, 0])
    faces = piece.faces[(p[piece.faces, 1] < line[piece.faces]).all(1)]
    keep = (p[piece.faces, 1] < line[piece.faces]).all(1)
    assert piece.corner_uv is not None
    return Piece(
        vertices=p, faces=faces, corner_uv=piece.corner_uv[keep], tangents=piece.tangents, rides=True, material=piece.material,
        occlusion=piece.occlusion,
    )  # fmt: skip


# -- textures -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def layer_textures() -> Mapping[str, Float32]:
    """Return the made-up textures of see-through layers: name -> (h, w, 2) brightness around 1, and alpha."""
    rng = np.random.default_rng(11)
    textures = {"lashes": _lash_texture(rng), "strands": _strand_texture(rng), "": np.ones((1, 1, 2), np.float32)}
    side = 256
    noise = rng.random((side, side))
    blurred = noise.copy()
    for axis in (0, 1):
        blurred = (blurred + np.roll(blurred, 1, axis) + np.roll(blurred, -1, axis)) / 3
    order = np.argsort(np.argsort(blurred.ravel())).reshape(side, side) / side**2
    bright = np.exp(0.5 * (order - 0.5)).astype(np.float32)
    for layer in range(FUR_LAYERS):
        # a share of the strands ends below each shell
        least = 0.12 + 0.62 * (layer / FUR_LAYERS) ** 1.3
        alpha = np.clip((order - least) / 0.10, 0, 1) * 0.95
        textures[f"fur{layer}"] = np.stack([bright, alpha.astype(np.float32)], axis=-1)
    return textures


def _lash_texture(rng: np.random.Generator) -> Float32:
    """Lashes in the chart of the lash parts: roots at v = 0.52 (upper) and 0.48 (lower), tips at the chart's ends."""
    height = width = 192
    alpha = np.zeros((height, width))
    for upper in (True, False):
        count = 72 if upper else 44
        for k in range(count):
            u = 0.02 + 0.96 * (k + rng.random()) / count
            t = np.linspace(0, 1, 100)
            reach = (0.40 if upper else 0.24) * rng.uniform(0.7, 1.0) * (0.6 + 0.4 * np.sin(np.pi * u))
            v = 0.52 + reach * t if upper else 0.48 - reach * t
            x = (u + 0.05 * (u - 0.45) * t * 2) * width
            column, row = np.clip(x.astype(int), 0, width - 1), np.clip(((1 - v) * height).astype(int), 0, height - 1)
            alpha[row, column] = np.maximum(alpha[row, column], (1 - 0.75 * t) * (1.0 if upper else 0.55))
    # wide enough not to vanish between samples
    alpha = np.maximum(alpha, 0.6 * np.maximum(np.roll(alpha, 1, 1), np.roll(alpha, -1, 1)))
    return np.stack([np.ones_like(alpha), alpha], axis=-1).astype(np.float32)


def _strand_texture(rng: np.random.Generator) -> Float32:
    """Strands along v for locks; u repeats."""
    height, width = 128, 256
    streak = rng.normal(0, 1, width)
    streak = (streak + 0.6 * np.roll(streak, 1) + 0.6 * np.roll(streak, -1)) / 1.3
    broad = rng.normal(0, 1, width)
    for _ in range(24):
        broad = (broad + np.roll(broad, 1) + np.roll(broad, -1)) / 3
    broad /= broad.std()
    bright = np.exp(0.28 * streak + 0.12 * broad)[None].repeat(height, 0)
    ends = np.clip(0.86 + 0.16 * rng.normal(0, 1, width), 0.45, 1.0)
    v = (1 - (np.arange(height) + 0.5) / height)[:, None]
    alpha = np.clip((ends - v) / 0.16, 0, 1) * np.clip(0.88 + 0.22 * streak, 0.15, 1.0)[None]
    return np.stack([bright, alpha * np.ones((height, 1))], axis=-1).astype(np.float32)
