"""Textures of one person: skin, eyes, clothes. (h, w, 4) uint8: sRGB colour, and gloss in hundredths; row 0 is v = 1."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.colour import srgb_from_linear
from cephalon.synth._shading import GLOSS, skin_kernel
from cephalon.synth.labels import LABELS
from cephalon.synth.maps import SkinMaps
from cephalon.synth.person import Person

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]

SRGB = srgb_from_linear(np.linspace(0, 1, 1 << 14))
"""sRGB bytes of linear values from 0 to 1, for kernels."""

_PALE = np.array([0.66, 0.455, 0.365])
_MELANIN = np.array([0.80, 1.0, 1.22])
_BLOOD = np.array([0.10, 0.75, 0.60])
EYE_TEXTURE_PX = 80
EYE_UV_SCALE = 2.2
"""The eye's texture covers the middle 1 / 2.2 of the eye's chart, where iris and the seen white lie."""


def skin_tone(melanin: float, blood: float) -> Float:
    """Return the linear albedo (3,) of skin: a pale skin seen through pigment and blood, by Beer and Lambert's law.

    rgb = pale exp(-melanin m - blood b), with the pigments' absorption by channel m and b set so that the palest and the
    darkest skins of measured palettes are met (linear sRGB near (0.66, 0.46, 0.37) and (0.10, 0.05, 0.03)).
    """
    return _PALE * np.exp(-melanin * _MELANIN - 0.5 * blood * _BLOOD)


def fitting_skins(names: tuple[str, ...], person: Person) -> list[int]:
    """Return the numbers of the skins that a person may have by their names; all, where none fits.

    A man's skin shows a shaven beard, so women and children get none of those; and the young get no skins of the old.
    """
    male = person.sex == "male" and person.age_years > 14
    unlike = ("old_" if person.age_years < 42 else " ", "female" if male else "_male")
    fitting = [k for k, name in enumerate(names) if not any(word in name for word in unlike)]
    return fitting or list(range(len(names)))


def paint_skin(maps: SkinMaps, person: Person) -> tuple[Bytes, Bytes]:
    """Return the skin's albedo with gloss in the fourth channel, (s, s, 4), and its classes (s, s)."""
    skin, hair = person.skin, person.hair
    fitting = fitting_skins(maps.names, person)
    first, second = (maps.relative[fitting[min(int(d * len(fitting)), len(fitting) - 1)]] for d in skin.detail)
    brow = maps.brows[min(int(skin.brow * len(maps.brows)), len(maps.brows) - 1)]
    tone = skin_tone(skin.melanin, skin.blood)
    bristle = np.minimum(np.array(hair.rgb), np.array([0.22, 0.17, 0.12])) * 0.75
    # between the hairs of a head the scalp shows their colour in shade
    scalp = np.array(hair.rgb) * (1.0 if hair.style in ("shaved", "short", "afro") else 0.7)
    cropped = {"shaved": 0.72, "short": 0.85, "afro": 0.9}.get(hair.style, 0.0 if hair.style == "none" else 0.85)
    if person.wear.hat in ("hood", "scarf"):
        cropped = 0.0
    bald = hair.style == "none"
    beard = 0.55 + 0.3 * min(1.0, hair.beard_mm / 6)
    # Darker skins show lips less in red and more by depth.
    values = np.array(
        [
            *np.log(tone), 0.85, skin.lip_amount, *np.array(skin.lip_rgb) * (0.4 + 0.9 * tone.mean()),
            skin.shadow_amount, *np.array(skin.shadow_rgb) * (0.3 + 1.5 * tone.mean()),
            skin.blush, skin.freckles, min(skin.wrinkles, 1.0), skin.under_eye, skin.oil,
            skin.stubble, *bristle, skin.brow_strength, cropped * (1 - 0.7 * hair.balding if not bald else 0.0), skin.brow_thin,
            beard if hair.beard == "full" else 0.0, beard if hair.beard == "goatee" else 0.0, beard if hair.beard == "moustache" else 0.0,
            0.0 if bald else 0.35, 0.12, *scalp,
        ],
        dtype=np.float32,
    )  # fmt: skip
    albedo = np.zeros((*brow.shape, 4), dtype=np.uint8)
    labels = maps.labels.copy()
    classes = np.array([LABELS["brows"], LABELS["beard"], LABELS["hair"]], dtype=np.uint8)
    skin_kernel(
        first, second, float(skin.mix), maps.masks, maps.noise, brow, values, maps.labels, classes, SRGB, albedo, labels
    )
    return albedo, labels


def _coded(colour: NDArray[np.floating], gloss: NDArray[np.floating] | float = 1.0) -> Bytes:
    """Return the bytes (h, w, 4) of a linear colour (h, w, 3) and a gloss (h, w)."""
    coded = np.zeros((*colour.shape[:2], 4), dtype=np.uint8)
    coded[..., :3] = srgb_from_linear(colour)
    coded[..., 3] = np.round(np.asarray(gloss) * GLOSS)
    return coded


@lru_cache(maxsize=1)
def _polar() -> tuple[Float, Float]:
    """Radius (1 at the limbus) and angle of the eye texture's texels. IRIS_UV is the limbus' radius in the chart."""
    side = EYE_TEXTURE_PX
    axis = ((np.arange(side) + 0.5) / side - 0.5) / EYE_UV_SCALE
    x, y = np.meshgrid(axis, -axis)
    return np.hypot(x, y) / 0.0770667, np.arctan2(y, x)


@lru_cache(maxsize=16)
def _eye_pattern(number: int) -> tuple[Float32, Float32]:
    """What an iris's fibres and limbal ring, and a white's veins and far parts, leave of their colours: (h, w) and (h, w, 3)."""
    rho, angle = _polar()
    rng = np.random.default_rng([17, number])
    fibres = np.zeros(rho.shape)
    for order in (17, 31, 47, 71):
        fibres += np.cos(order * angle + rng.uniform(0, 6) + rng.uniform(-2, 2) * rho) / 4
    veins = np.clip(np.sin(9 * angle + 5 * np.sin(3 * rho + rng.uniform(0, 6))) - 0.93, 0, 1) * np.clip(
        rho - 1.25, 0, 1
    )
    iris = np.exp(0.42 * fibres) * (1 - 0.72 * np.clip((rho - 0.80) / 0.2, 0, 1) ** 1.5)
    white = 1 - np.clip((rho - 1.2) * 0.10, 0, 0.35)[..., None] * np.array([0.3, 1.0, 0.9])
    white = white * (1 - 1.6 * veins[..., None] * np.array([0.15, 0.8, 0.8]))
    return iris.astype(np.float32), white.astype(np.float32)


@lru_cache(maxsize=1)
def _lid_shade() -> Float32:
    """Share of light (80, 80) that the upper lid and its lashes leave to the ball below them."""
    rho, angle = _polar()
    return (1 - 0.4 * np.clip((rho * np.sin(angle) - 0.45) / 0.6, 0, 1)).astype(np.float32)


def paint_eye(person: Person) -> Bytes:
    """Return an eyeball's texture (80, 80, 4): pupil, fibres, limbal ring, veined white; wetness in the fourth channel."""
    rho = _polar()[0].astype(np.float32)
    iris, white = _eye_pattern(person.skin.seed % 16)
    collarette = np.exp(-(((rho - np.float32(person.pupil + 0.16)) / np.float32(0.12)) ** 2))
    rim = np.clip((1.02 - rho) / 0.07 + 0.5, 0, 1)
    hole = np.clip((person.pupil - rho) / 0.04 + 0.5, 0, 1)
    bright = iris * (1 + 0.35 * collarette)
    warm = (1.35, 1.05, 0.75) if person.iris_kind < 0.6 else (1.0, 1.0, 1.0)
    age = float(np.clip((person.age_years - 10) / 80, 0, 1))
    colour = np.zeros((*rho.shape, 3), dtype=np.float32)
    for c, (sclera, yellowed) in enumerate(((0.60, 0.12), (0.565, 0.2), (0.535, 0.3))):
        ring = bright * person.iris_rgb[c] * (1 + (warm[c] - 1) * collarette)
        ball = white[..., c] * (sclera * (1 - age * yellowed))
        colour[..., c] = (ball + (ring - ball) * rim) * (1 - hole) + 0.003 * hole
        colour[..., c] *= _lid_shade()
    return _coded(colour, np.where(rho < 1.15, 1.0, 0.75))


@lru_cache(maxsize=1)
def _weave() -> Float32:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:64, 0:64]
    knit = 0.72 + 0.28 * np.abs(np.sin((x + 4 * np.abs((y % 8) / 8 - 0.5)) * 2 * np.pi / 8)) * (
        0.8 + 0.2 * np.sin(y * 2 * np.pi / 8)
    )
    fine = 0.94 + 0.06 * rng.standard_normal((64, 64))
    return np.stack([knit * fine, fine], axis=-1).astype(np.float32)


def paint_cloth(person: Person) -> Bytes:
    """Return a fabric's texture (64, 64, 4)."""
    y, x = np.mgrid[0:64, 0:64]
    weave = _weave()
    first, second = np.array(person.wear.cloth_rgb), np.array(person.wear.cloth_rgb2)
    pattern = person.wear.pattern
    if pattern == "stripes":
        share = ((y // 8) % 2).astype(float)
    elif pattern == "checks":
        share = 0.5 * ((y // 8) % 2) + 0.5 * ((x // 8) % 2)
    elif pattern == "spots":
        share = (np.hypot(x % 16 - 7.5, y % 16 - 7.5) < 4).astype(float)
    else:
        share = np.zeros((64, 64))
    rgb = first * (1 - share[..., None]) + second * share[..., None]
    rgb = rgb * (weave[..., :1] if pattern == "knit" else weave[..., 1:])
    return _coded(np.clip(rgb, 0.005, 0.9))


@lru_cache(maxsize=8)
def _motif(number: int) -> Float:
    """Shares (48, 64) of the second colour in a print on the chest: lines like writing, a disc, stripes, a shield, blocks."""
    rng = np.random.default_rng([23, number])
    y, x = np.mgrid[0:48, 0:64]
    if number % 4 == 0:
        words = rng.random((6, 64)) < 0.6
        return ((y % 16 > 4) & words[(y // 8).clip(0, 5), x] & (y > 6) & (y < 42) & (x > 4) & (x < 60)).astype(float)
    if number % 4 == 1:
        away = np.hypot(x - 31.5, (y - 23.5) * 1.2)
        return ((away < 20) & ~((away > 12) & (away < 16))).astype(float)
    if number % 4 == 2:
        return ((np.abs(x - 31.5) + 1.2 * np.abs(y - 20) < 24) & ((x + y) // 6 % 2 == 0)).astype(float)
    return (rng.random((4, 5))[(y - 4).clip(0, 39) // 10, (x - 7).clip(0, 49) // 10] < 0.5) * (
        (x > 7) & (x < 57) & (y > 4) & (y < 44)
    )


def paint_print(person: Person) -> Bytes:
    """Return the texture (48, 64, 4) of a print on plain cloth."""
    share = _motif(person.wear.seed % 8)[..., None]
    rgb = np.array(person.wear.cloth_rgb) * (1 - share) + np.array(person.wear.cloth_rgb2) * share
    return _coded(np.clip(rgb * _weave()[:48, :, 1:], 0.005, 0.9))


@lru_cache(maxsize=1)
def shared_textures() -> dict[str, Bytes]:
    """Return the textures that all people share: name -> (h, w, 4)."""
    row = np.arange(64) / 64
    fold = (0.86 + 0.14 * np.abs(np.sin(3 * np.pi * np.clip((row - 0.2) / 0.6, 0, 1))))[:, None, None]
    return {"knit": _coded(np.repeat(_weave()[..., :1], 3, -1)), "pleats": _coded(fold * np.ones((64, 64, 3)))}
