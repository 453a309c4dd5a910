"""How the parts of a head look: colours, finish, and the painted pictures of eyes, teeth, lashes and a plain skin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cephalon.colour import decode
from cephalon.geometry import interpolate, rasterise_uv
from cephalon.head import HeadModel

Float = NDArray[np.float64]
Image = NDArray[np.uint8]

EYE_TEXTURE_PX = 512

DEFAULT_SKIN_SRGB = (196, 158, 138)

DEFAULT_IRIS_SRGB = ((92, 74, 58), (92, 74, 58))

_TINTS = (
    (("lips_upper", "lips_lower"), (172, 112, 104)),
    (("mouth_cavity",), (84, 34, 34)),
    (("nostrils",), (120, 74, 64)),
    (("eye_sockets",), (160, 96, 88)),
)

_SCLERA_SRGB = ((200, 192, 186), (170, 136, 128))  # at the limbus, at the back

_PUPIL_SRGB = (9, 8, 8)

_MOUTH_SHADE = 0.5  # what lips and cheeks leave of the light on the teeth; a viewer casts no such shadow

_LASH_SRGB = (28, 22, 20)

_INNER_SRGB = (176, 112, 106)

_TEETH_SRGB = (226, 218, 204)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLook:
    """How a part looks: a linear colour factor, an optional sRGB picture (h, w, 3 or 4) in the part's UV, and its finish."""

    base_color_linear: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    image_srgb: Image | None = None
    roughness: float = 0.6
    alpha_mode: Literal["OPAQUE", "MASK", "BLEND"] = "OPAQUE"
    double_sided: bool = False
    specular: float | None = None
    clearcoat: float | None = None


def part_looks(
    model: HeadModel, *, albedo_srgb: Image | None = None, iris_srgb: NDArray[np.uint8] | None = None
) -> dict[str, PartLook]:
    """Return the materials of all parts of a head.

    Parameters
    ----------
    albedo_srgb : (s, s, 3) in the skin's UV; None gives a plain skin tone.
    iris_srgb : (2, 3) colours of the left and right iris; None gives brown.
    """
    if model.topology.uv is None:
        return _plain_looks(model)
    irises = DEFAULT_IRIS_SRGB if iris_srgb is None else iris_srgb
    albedo = plain_albedo(model) if albedo_srgb is None else albedo_srgb
    white = _white(albedo)
    enamel = (_MOUTH_SHADE * white[0], _MOUTH_SHADE * white[1], _MOUTH_SHADE * white[2], 1.0)
    looks = {
        "skin": PartLook(image_srgb=albedo, roughness=0.58, specular=0.5),
        "upper_teeth": PartLook(image_srgb=tooth_picture(), base_color_linear=enamel, roughness=0.25),
        "lower_teeth": PartLook(image_srgb=tooth_picture(), base_color_linear=enamel, roughness=0.25),
        "tongue": PartLook(base_color_linear=_tinted((176, 92, 92), white[0]), roughness=0.4),
    }
    for side, iris in zip(("left", "right"), irises, strict=True):
        radius = iris_radius_uv(model, f"{side}_eye")
        image = eye_picture(np.asarray(iris, dtype=np.uint8), radius, white=white[0])
        looks[f"{side}_eye"] = PartLook(image_srgb=image, roughness=0.12, clearcoat=1.0)
        looks[f"{side}_lashes"] = PartLook(
            base_color_linear=(*_linear(_LASH_SRGB), 1.0),
            image_srgb=lash_picture(),
            roughness=0.8,
            alpha_mode="BLEND",
            double_sided=True,
        )
    return {name: looks.get(name) or _other_look(name, white[0]) for name in model.parts}


def _other_look(name: str, factor: float) -> PartLook:
    """Return the look of a part that only other models have: teeth or the inside of a mouth, one tone."""
    return PartLook(base_color_linear=_tinted(_TEETH_SRGB if "teeth" in name else _INNER_SRGB, factor), roughness=0.35)


def _plain_looks(model: HeadModel) -> dict[str, PartLook]:
    """Return one tone per part, for a model without texture coordinates."""
    tones = {"skin": DEFAULT_SKIN_SRGB, "left_eye": (206, 198, 192), "right_eye": (206, 198, 192)}
    return {
        name: PartLook(base_color_linear=_tinted(tones[name], 1.0), roughness=0.5)
        if name in tones
        else PartLook(base_color_linear=_tinted(_LASH_SRGB, 1.0), double_sided=True)
        if "lashes" in name
        else _other_look(name, 1.0)
        for name in model.parts
    }


def _tinted(srgb: tuple[int, int, int], factor: float) -> tuple[float, float, float, float]:
    red, green, blue = _linear(srgb)
    return red * factor, green * factor, blue * factor, 1.0


def _white(albedo: Image) -> tuple[float, float, float, float]:
    """Return the factor on the painted white of eyes and teeth: a photo that shows dark skin shows them darker too."""
    tone = np.median(albedo[::8, ::8].reshape(-1, 3), axis=0)
    luminance = float(np.dot(_linear((tone[0], tone[1], tone[2])), (0.2126, 0.7152, 0.0722)))
    factor = float(np.clip((luminance / 0.40) ** 0.5, 0.35, 1.0))
    return factor, factor, factor, 1.0


@lru_cache(maxsize=2)
def plain_albedo(model: HeadModel, size: int = 512) -> Image:
    """Paint a skin without a photo: one tone, redder lips, dark inside of the mouth and nostrils; (size, size, 3) sRGB."""
    topology, skin = model.topology, model.parts["skin"]
    assert topology.uv is not None
    assert topology.faces_uv is not None
    raster = rasterise_uv(topology.uv, topology.faces_uv[skin.faces], size)
    image = np.tile(np.asarray(DEFAULT_SKIN_SRGB, dtype=float), (size, size, 1))
    for regions, colour in _TINTS:
        weight = np.clip(sum(model.regions[name] for name in regions), 0, 1)
        share = interpolate(raster, model.faces[skin.faces], weight.astype(np.float64))[..., None]
        image = image * (1 - share) + np.asarray(colour, dtype=float) * share
    painted = np.round(image).astype(np.uint8)
    painted.flags.writeable = False
    return painted


@lru_cache(maxsize=1)
def tooth_picture(size: int = 128) -> Image:
    """Paint teeth: gum below v = 0.35, enamel above, a little darker where it leaves the gum; (size, size, 3) sRGB."""
    v = (1 - (np.arange(size) + 0.5) / size)[:, None, None]
    gum, root, crown = (np.array(c, dtype=float) for c in ((178, 104, 104), (218, 200, 172), (232, 224, 208)))
    enamel = root + (crown - root) * _smooth(v, 0.35, 0.6)
    column = gum + (enamel - gum) * _smooth(v, 0.33, 0.37)
    image = np.round(np.broadcast_to(column, (size, size, 3))).astype(np.uint8)
    image.flags.writeable = False
    return image


def iris_radius_uv(model: HeadModel, part: str) -> float:
    """Return the radius of the iris in the eye's UV chart, whose centre is (0.5, 0.5)."""
    weight = model.regions["iris"]
    polygons = model.polygons[model.parts[part].polygons]
    polygons_uv = model.topology.polygons_uv
    assert polygons_uv is not None
    assert model.topology.uv is not None
    corners_uv = polygons_uv[model.parts[part].polygons]
    iris = (weight[polygons] > 0.5) & (polygons >= 0)
    return float(np.linalg.norm(model.topology.uv[corners_uv[iris]] - 0.5, axis=1).max())


@lru_cache(maxsize=2)
def _eye_fields(radius: float, size: int) -> tuple[NDArray[np.float32], ...]:
    """What all eyeballs share, (size, size, 1) each: brightness of the iris, shares of sclera, pupil and back, shade."""
    rng = np.random.default_rng(7)
    grid = ((np.arange(size) + 0.5) / size - 0.5).astype(np.float32)
    u, v = np.meshgrid(grid, -grid)
    distance = np.hypot(u, v) / np.float32(radius)  # 1 at the limbus
    disc = distance < 1.1
    angle, inside = np.arctan2(v[disc], u[disc]), distance[disc]
    # iris: radial fibres, darker limbal ring and collarette
    waves = np.zeros_like(angle)
    for frequency in (9, 17, 31, 53, 87):
        amount, phase = np.float32(rng.normal() / np.sqrt(frequency)), np.float32(rng.uniform(0, 6.28))
        waves += amount * np.sin(frequency * angle + phase)
    iris = np.ones_like(distance)
    iris[disc] = 1 + 0.28 * waves * np.clip((inside - 0.3) * 2, 0, 1)
    iris[disc] *= (1.18 - 0.42 * np.abs(inside - 0.52)) * (1 - 0.55 * _smooth(inside, 0.82, 1.0))
    # the lids keep light from the upper edge, from the corners and, less, from the lower edge
    up, aside = v / np.float32(radius), np.abs(u) / np.float32(radius)
    shade = 1 - 0.42 * _smooth(up, 0.0, 1.0) - 0.14 * _smooth(-up, 0.45, 1.1)
    shade *= 1 - 0.35 * _smooth(aside, 1.0, 2.3)
    sclera, pupil = _smooth(distance, 0.96, 1.08), 1 - _smooth(distance, 0.33, 0.38)
    back = np.clip((distance - 1) / 1.7, 0, 1)
    fields = (iris, sclera, pupil, back, shade ** (1 / 2.2))
    return tuple(field.astype(np.float32)[..., None] for field in fields)


@lru_cache(maxsize=8)
def _eye_picture(iris: tuple[int, int, int], radius: float, size: int, white_factor: float) -> Image:
    fibres, sclera, pupil, back, shade = _eye_fields(radius, size)
    # sclera: off-white, warmer and redder towards the corners and the back
    front, rear = (np.array(c, dtype=np.float32) * np.float32(white_factor ** (1 / 2.2)) for c in _SCLERA_SRGB)
    colour = np.asarray(iris, dtype=np.float32) * fibres
    colour += sclera * (front + (rear - front) * back - colour)
    colour *= shade
    colour += pupil * (np.array(_PUPIL_SRGB, dtype=np.float32) - colour)
    image = np.clip(np.round(colour), 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image


def eye_picture(
    iris_srgb: NDArray[np.uint8], radius_uv: float, size: int = EYE_TEXTURE_PX, *, white: float = 1.0
) -> Image:
    """Paint an eyeball: pupil, iris with fibres and limbal ring, sclera; (size, size, 3) sRGB, iris in the middle.

    The shade of the lids is painted in, as no real-time viewer casts it: without it eyes stare.

    `white` is a linear factor on the sclera.
    """
    iris = (int(iris_srgb[0]), int(iris_srgb[1]), int(iris_srgb[2]))
    return _eye_picture(iris, round(radius_uv, 6), size, round(white, 3))


@lru_cache(maxsize=1)
def lash_picture(size: int = 512) -> Image:
    """Paint lashes as hairs with alpha, (size, size, 4) sRGB.

    The upper strip has its roots at v = 0.52 and its tips at 0.98, the lower one at 0.48 and 0.02; u runs along the lid.
    """
    rng = np.random.default_rng(11)
    u = ((np.arange(size) + 0.5) / size)[None]
    v = (1 - (np.arange(size) + 0.5) / size)[:, None]
    alpha = np.zeros((size, size))
    for root, tip, count, thickness in ((0.52, 0.98, 96, 0.0034), (0.48, 0.02, 72, 0.0024)):
        along = (v - root) / (tip - root)  # 0 at the roots, 1 at the tips
        strip = np.flatnonzero((along[:, 0] >= 0) & (along[:, 0] < 1))
        rows, along = slice(int(strip[0]), int(strip[-1]) + 1), along[strip]
        for start in (np.arange(count) + rng.uniform(-0.3, 0.3, count)) / count:
            bend, length = rng.normal() * 0.02, rng.uniform(0.6, 1.0)
            width = thickness * np.clip(1 - along / length, 0, 1) ** 0.6
            reach = abs(bend) + thickness + 2 / size
            near = slice(max(int((start - reach) * size), 0), min(int((start + reach) * size) + 1, size))
            away = np.abs(u[:, near] - start - bend * along**2)
            hair = np.clip((width - away) * size + 0.5, 0, 1) * (along < length)
            alpha[rows, near] = np.maximum(alpha[rows, near], hair)
    image = np.full((size, size, 4), 255, dtype=np.uint8)
    image[..., 3] = np.round(alpha * 255)
    image.flags.writeable = False
    return image


def _linear(srgb: tuple[float, float, float]) -> tuple[float, float, float]:
    red, green, blue = decode(np.asarray(srgb) / 255)
    return float(red), float(green), float(blue)


def _smooth(x: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
