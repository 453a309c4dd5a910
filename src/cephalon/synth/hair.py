"""Hair: strands on cards, fur in shells, MakeHuman's meshes, lashes and beards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.head import HeadModel
from cephalon.synth.hair_textures import FUR_LAYERS
from cephalon.synth.maps import beard_weight
from cephalon.synth.mhclo import BoundMesh
from cephalon.synth.person import Hair, Person
from cephalon.synth.piece import Material, Piece, cross, vertex_normals_fast
from cephalon.synth.strands import cards, scalp
from cephalon.synth.wrap import SKULL_CENTRE

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]


def hair_pieces(
    model: HeadModel,
    meshes: Mapping[str, BoundMesh],
    neutral: Float,
    posed: Float,
    person: Person,
    *,
    detail: float = 1.0,
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
        pieces += _fur(
            model,
            neutral,
            scalp(model, hair.balding),
            hair,
            6 + 16 * hair.volume * (0.4 + 0.6 * (hair.length_mm / 80) % 1),
            "hair",
            detail,
        )
    elif style == "afro":
        pieces += _fur(model, neutral, scalp(model, hair.balding), hair, 18 + 30 * hair.volume, "hair", 1.3 * detail)
    elif style in ("strands", "tied"):
        locks = cards(model, neutral, hair, detail, tied=style == "tied")
        if covered:
            locks = _below_hat(locks)
        pieces.append(locks)
        pieces += _under(model, neutral, hair, 2)
    if hair.beard != "none" and hair.beard_mm > 1.5 and not person.wear.mask:
        pieces += _fur(
            model, posed, beard(model, hair.beard), hair, hair.beard_mm * 1.3, "beard", 0.8 * detail, rides=False
        )
    return pieces


@lru_cache(maxsize=8)
def beard(model: HeadModel, kind: str) -> Float:
    """Weights (n,) of a beard; see `maps.beard_weight`."""
    return beard_weight(model, kind)


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
    return local.reshape(-1, 3).astype(np.int32), used.astype(np.intp), uv


def _skin_normals(model: HeadModel, vertices: Float) -> Float:
    """Unit normals (k, 3) of the skin's vertices, which come first."""
    part = model.parts["skin"]
    return vertex_normals_fast(vertices[: part.vertices.stop], model.faces[part.faces])


def _fur(
    model: HeadModel,
    vertices: Float,
    weight: Float,
    hair: Hair,
    length: float,
    label: str,
    detail: float,
    *,
    rides: bool = True,
) -> list[Piece]:
    """Shells over the skin, each with the strands that reach it (Lengyel et al. 2001)."""
    faces, used, uv = _fur_mesh(model, weight.astype(np.float16).tobytes())
    normals = _skin_normals(model, vertices)[used]
    grow = weight[used]
    p = vertices[used]
    comb = np.stack(
        [
            0.5 * hair.parting * np.ones(len(p)),
            -0.4 - 0.3 * (label == "beard") * np.ones(len(p)),
            -0.35 * np.sign(p[:, 2]),
        ],
        axis=1,
    )
    rng = np.random.default_rng(hair.seed)
    layers = int(np.clip(round((3 + length / 4) * detail), 3, FUR_LAYERS))
    lumps = np.zeros(len(p))
    for _ in range(4):
        lumps += np.sin(p @ rng.normal(0, 0.09, 3) + rng.uniform(0, 6))
    reach = length * (1 + 0.12 * lumps)
    if label == "beard":
        # trimmed around the mouth, so that the lips stay free
        mouth = 0.5 * (
            vertices[model.regions["lips_upper"] > 0.5].mean(0) + vertices[model.regions["lips_lower"] > 0.5].mean(0)
        )
        away = np.hypot(p[:, 0] - mouth[0], 1.2 * (p[:, 1] - mouth[1]))
        reach = reach * np.clip((away - 16) / 32, 0.15, 1.0)
    pieces = []
    for layer in range(layers - 1, -1, -1):  # from outside: what is hidden is then found so at once
        t = (layer + 0.6) / layers
        move = normals * (reach * t * grow**0.7)[:, None] + comb * (0.35 * reach * t * t * grow)[:, None]
        texture = f"fur{min(FUR_LAYERS - 1, int(t * FUR_LAYERS))}"
        pieces.append(
            Piece(
                vertices=p + move, faces=faces,
                material=Material(label=label, kind="hair", layer=True, rgb=_colour(hair, 0.75 + 0.35 * t), texture=texture,
                                  casts=layer % 3 == 1),
                corner_uv=uv * np.float32(5.0), tangents=normals + 0.5 * comb,
                occlusion=np.full(len(p), 0.35 + 0.65 * t), opacity=np.clip(grow * 1.6, 0, 1), rides=rides,
            )
        )  # fmt: skip
    return pieces


def _under(model: HeadModel, neutral: Float, hair: Hair, layers: int) -> list[Piece]:
    """A dense cap under cards, so that no skin shines through."""
    weight = scalp(model, 0.6 * hair.balding)
    faces, used, uv = _fur_mesh(model, weight.astype(np.float16).tobytes())
    normals = _skin_normals(model, neutral)[used]
    # combed back along the skull: strands that stood up would be dark from above
    lying = cross(normals, np.broadcast_to(np.array([1.0, 0.0, 0.0]), normals.shape))
    return [
        Piece(
            vertices=neutral[used] + normals * (0.8 + 1.6 * k) * weight[used][:, None], faces=faces,
            material=Material(label="hair", kind="hair", layer=True, rgb=_colour(hair, 0.8), texture="fur0", casts=False),
            corner_uv=uv * np.float32(5.0) + np.float32(0.37 * k),
            tangents=lying, occlusion=np.full(len(used), 0.75), opacity=np.clip(weight[used] * 1.5, 0, 1), rides=True,
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
    # women's are fuller on the mean, and mascara makes them so
    alpha = 0.5 + 0.25 * (person.sex == "female" and person.age_years > 12) + 0.4 * person.skin.shadow_amount
    for side in ("left", "right"):
        part = model.parts[f"{side}_lashes"]
        uv = model.topology.uv[model.topology.faces_uv[part.faces]].reshape(-1, 6).astype(np.float32)
        pieces.append(
            Piece(
                vertices=posed[part.vertices], faces=(model.faces[part.faces] - part.vertices.start).astype(np.int32), corner_uv=uv,
                material=Material(label="eyes", kind="hair", layer=True, rgb=(0.008, 0.006, 0.005), texture="lashes",
                                  alpha=min(alpha, 0.97)),
                occlusion=np.full(part.vertices.stop - part.vertices.start, 0.6),
            )
        )  # fmt: skip
    return pieces


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
        occlusion=piece.occlusion, normals=piece.normals, hold=piece.hold,
    )  # fmt: skip
