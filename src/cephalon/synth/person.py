"""Who is in the picture: everything that stays when the same person is photographed again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.head import HeadModel
from cephalon.head.link import features
from cephalon.synth.options import PersonOptions

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skin:
    """Look of the skin.

    Attributes
    ----------
    melanin, blood : optical depths of the pigments (see `skin.skin_tone`).
    detail : two numbers in [0, 1): which textures are mixed; `mix` the share of the second.
    freckles, wrinkles, blush, stubble, oil, under_eye : strengths in [0, 1].
    lip_tint : (3,) factor on the lips' colour; lip_amount, shadow_amount : make-up strengths; shadow_rgb : (3,) linear.
    brow : number in [0, 1) that picks the shape; brow_strength : opacity.
    seed : of the procedural parts.
    """

    melanin: float
    blood: float
    detail: tuple[float, float]
    mix: float
    freckles: float
    wrinkles: float
    blush: float
    stubble: float
    oil: float
    under_eye: float
    lip_rgb: tuple[float, float, float]
    lip_amount: float
    shadow_rgb: tuple[float, float, float]
    shadow_amount: float
    brow: float
    brow_strength: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hair:
    """Hair of the head and the face.

    Attributes
    ----------
    style : "none", "shaved", "short", "afro", "strands", "tied" or "mesh:NAME" of the data folder.
    rgb : (3,) linear colour; grey : share of white hair.
    length_mm, curl, volume, parting, fringe : shape of procedural strands.
    beard : "none", "full", "goatee" or "moustache"; beard_mm its length.
    seed : of the strands.
    """

    style: str
    rgb: tuple[float, float, float]
    grey: float
    length_mm: float
    curl: float
    volume: float
    parting: float
    fringe: float
    balding: float
    beard: str
    beard_mm: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wear:
    """What the person has on. None or "" where there is nothing; `seed` draws the shapes' details."""

    glasses: str
    lens_tint: float
    lens_mirror: float
    frame_rgb: tuple[float, float, float]
    hat: str
    hat_rgb: tuple[float, float, float]
    mask: bool
    mask_rgb: tuple[float, float, float]
    headphones: bool
    scarf: bool
    collar: str
    cloth_rgb: tuple[float, float, float]
    cloth_rgb2: tuple[float, float, float]
    pattern: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """A person who does not exist.

    Attributes
    ----------
    identity : (k,) whitened coefficients of the head model.
    age_years, sex, ancestry : what the identity was drawn given.
    iris_rgb : (3,) linear; iris_kind : number in [0, 1) that picks the texture; pupil : share of the iris's radius.
    """

    identity: Float
    age_years: float
    sex: str
    ancestry: tuple[float, float, float]
    iris_rgb: tuple[float, float, float]
    iris_kind: float
    pupil: float
    skin: Skin
    hair: Hair
    wear: Wear


_IRISES = {
    "brown": (0.075, 0.032, 0.012), "dark": (0.025, 0.012, 0.006), "amber": (0.17, 0.085, 0.025), "green": (0.12, 0.13, 0.055),
    "blue": (0.14, 0.21, 0.30), "grey": (0.19, 0.21, 0.22),
}  # fmt: skip
_HAIRS = {
    "black": (0.010, 0.008, 0.007), "dark brown": (0.028, 0.017, 0.011), "brown": (0.070, 0.038, 0.020),
    "light brown": (0.15, 0.085, 0.042), "blond": (0.36, 0.25, 0.125), "red": (0.20, 0.062, 0.020),
}  # fmt: skip
_DYES = ((0.05, 0.10, 0.35), (0.35, 0.03, 0.12), (0.25, 0.08, 0.30), (0.03, 0.22, 0.18))


def draw_identity(
    model: HeadModel, *, rng: np.random.Generator, age: float, sex: str, ancestry: dict[str, float]
) -> Float:
    """Draw whitened identity coefficients given covariates, by Matheron's rule.

    With (y, z) jointly Gaussian, z + C_zS C_SS^-1 (y* - y_S) of a joint draw (y, z) follows the distribution of z given
    y_S = y*. Same law as `HeadModel.sample`, without its eigenvalue decomposition for every person.
    """
    link = model.link
    known = features(age=age, sex=sex, ancestry=ancestry)
    index = [i for i, name in enumerate(link.names) if name in known]
    value = np.array([known[link.names[i]] for i in index])
    cross, spread, gain = _matheron(model, tuple(index))
    z = rng.standard_normal(len(cross))
    drawn = link.mean[index] + cross.T @ z + spread @ rng.standard_normal(len(index))
    return link.younger(z + gain @ (value - drawn), age=age, sex=sex, rng=rng)


@lru_cache(maxsize=8)
def _matheron(model: HeadModel, index: tuple[int, ...]) -> tuple[Float, Float, Float]:
    """Return the covariates' covariance with z (k, c), the root of what z leaves of theirs (c, c), and the gain (k, c)."""
    rows = list(index)
    inner: Float = model.link.covariance[np.ix_(rows, rows)]
    cross: Float = model.link.cross[:, rows]
    rest = inner - cross.T @ cross
    spread, axes = np.linalg.eigh((rest + rest.T) / 2)
    root: Float = np.asarray(axes * np.sqrt(np.clip(spread, 0.0, None)), dtype=np.float64)
    gain: Float = np.asarray(np.linalg.solve(inner, cross.T).T, dtype=np.float64)
    return cross, root, gain


def draw_person(
    model: HeadModel, options: PersonOptions, *, rng: np.random.Generator, meshes: tuple[str, ...] = ()
) -> Person:
    """Draw a person.

    Parameters
    ----------
    meshes : names of hair meshes there are.
    """
    age = float(rng.uniform(*options.age_years))
    sex = "female" if rng.random() < 0.5 else "male"
    shares = rng.dirichlet((0.35, 0.35, 0.35))
    ancestry: dict[str, float] = {"african": float(shares[0]), "asian": float(shares[1]), "caucasian": float(shares[2])}
    identity = draw_identity(model, rng=rng, age=age, sex=sex, ancestry=ancestry)
    low, high = options.melanin
    centre = 1.75 * shares[0] + 0.55 * shares[1] + 0.28 * shares[2]
    melanin = float(np.clip(rng.normal(centre, 0.28), low, high))
    adult = age >= 17
    iris = _choose(rng, ("brown", "dark", "amber", "green", "blue", "grey"), _iris_shares(melanin))
    return Person(
        identity=identity,
        age_years=age,
        sex=sex,
        ancestry=(float(shares[0]), float(shares[1]), float(shares[2])),
        iris_rgb=_jitter(rng, _IRISES[iris], 0.2),
        iris_kind=float(rng.random()),
        pupil=float(np.clip(rng.normal(0.36, 0.08), 0.2, 0.6)),
        skin=_draw_skin(rng, options, melanin, age, sex),
        hair=_draw_hair(rng, options, melanin, age, sex, meshes),
        wear=_draw_wear(rng, options, adult),
    )


def _iris_shares(melanin: float) -> list[float]:
    dark = float(np.clip((melanin - 0.25) / 0.6, 0, 1))
    light = [0.25, 0.05, 0.15, 0.15, 0.28, 0.12]
    return [(1 - dark) * a + dark * b for a, b in zip(light, [0.5, 0.46, 0.04, 0.0, 0.0, 0.0], strict=True)]


def _choose(rng: np.random.Generator, names: tuple[str, ...], shares: list[float]) -> str:
    total = np.cumsum(shares)
    return names[int(np.searchsorted(total, rng.random() * total[-1], side="right").clip(0, len(names) - 1))]


def _jitter(rng: np.random.Generator, rgb: tuple[float, float, float], sigma: float) -> tuple[float, float, float]:
    common = rng.normal(0, sigma)
    values = [float(c * np.exp(common + rng.normal(0, 0.3 * sigma))) for c in rgb]
    return (values[0], values[1], values[2])


def _draw_skin(rng: np.random.Generator, options: PersonOptions, melanin: float, age: float, sex: str) -> Skin:
    painted = sex == "female" and age > 16 and rng.random() < options.makeup
    lips = ((0.45, 0.06, 0.07), (0.50, 0.16, 0.15), (0.25, 0.03, 0.06), (0.55, 0.25, 0.22))[int(rng.integers(4))]
    shade = ((0.05, 0.035, 0.03), (0.14, 0.07, 0.05), (0.05, 0.06, 0.12), (0.16, 0.08, 0.12))[int(rng.integers(4))]
    shaving = sex == "male" and age > 17
    return Skin(
        melanin=melanin,
        blood=float(np.clip(rng.normal(0.15, 0.22), -0.25, 0.8)),
        detail=(float(rng.random()), float(rng.random())),
        mix=float(rng.uniform(0, 0.5)),
        freckles=float(rng.uniform(0.3, 1.0)) if melanin < 0.7 and rng.random() < 0.18 else 0.0,
        wrinkles=float(np.clip((age - 28) / 45 + rng.normal(0, 0.12), 0, 1.1)),
        blush=float(np.clip(rng.normal(0.25, 0.2) + (0.25 if painted else 0.0), 0, 1)),
        stubble=float(rng.beta(0.9, 1.3)) if shaving else 0.0,
        oil=float(rng.beta(1.6, 3.0)),
        under_eye=float(rng.beta(1.5, 3.0)),
        lip_rgb=_jitter(rng, lips, 0.25),
        lip_amount=float(rng.uniform(0.25, 0.95)) if painted else 0.0,
        shadow_rgb=shade,
        shadow_amount=float(rng.uniform(0.1, 0.7)) if painted else 0.0,
        brow=float(rng.random()),
        brow_strength=float(np.clip(rng.normal(0.85 if sex == "male" else 0.7, 0.15), 0.35, 1.0)),
        seed=int(rng.integers(1 << 31)),
    )


def _draw_hair(
    rng: np.random.Generator, options: PersonOptions, melanin: float, age: float, sex: str, meshes: tuple[str, ...]
) -> Hair:
    dark = float(np.clip((melanin - 0.15) / 0.5, 0, 1))
    light = [0.12, 0.24, 0.26, 0.16, 0.17, 0.05]
    shares = [(1 - dark) * a + dark * b for a, b in zip(light, [0.7, 0.25, 0.05, 0, 0, 0], strict=True)]
    colour = _jitter(rng, _HAIRS[_choose(rng, tuple(_HAIRS), shares)], 0.3)
    if age > 13 and rng.random() < 0.04:
        colour = _jitter(rng, _DYES[int(rng.integers(len(_DYES)))], 0.2)
    grey = float(np.clip(rng.normal((age - 55) / 32, 0.28), 0, 1))
    if sex == "female" and rng.random() < 0.5:
        grey *= 0.25  # dyed
    white = np.array([0.36, 0.35, 0.335])
    rgb = np.array(colour) * (1 - grey) + white * grey
    male = sex == "male"
    if male and age > 25 and rng.random() < options.bald + max(0.0, (age - 40) / 250):
        style = "none"
    elif male:
        curly = 0.22 if melanin > 1.2 else 0.03
        style = _choose(rng, ("shaved", "short", "afro", "strands", "mesh"), [0.14, 0.22, curly, 0.2, 0.36])
    else:
        curly = 0.22 if melanin > 1.2 else 0.03
        style = _choose(
            rng, ("shaved", "short", "afro", "strands", "tied", "mesh"), [0.01, 0.03, curly, 0.46, 0.16, 0.26]
        )
    if style == "mesh":
        fitting = [m for m in meshes if male == m.startswith("short") or (not male and m == "short04")]
        if rng.random() < 0.85:
            fitting = [m for m in fitting if m not in ("bob01", "bob02")] or fitting  # their fringes hide an eye
        style = "mesh:" + fitting[int(rng.integers(len(fitting)))] if fitting else "strands"
    length = float(rng.uniform(25, 80) if male and rng.random() < 0.85 else rng.uniform(90, 420))
    bearded = male and age > 19 and rng.random() < options.beard
    beard = _choose(rng, ("full", "goatee", "moustache"), [0.6, 0.25, 0.15]) if bearded else "none"
    return Hair(
        style=style,
        rgb=(float(rgb[0]), float(rgb[1]), float(rgb[2])),
        grey=grey,
        length_mm=length,
        curl=float(rng.beta(0.8, 2.2)) + (0.5 if melanin > 1.4 else 0.0),
        volume=float(np.clip(rng.normal(1.0, 0.3), 0.4, 1.8)),
        parting=float(rng.uniform(-1, 1)),
        fringe=float(rng.random()),
        balding=float(np.clip(rng.normal((age - 45) / 40, 0.25), 0, 1)) if male else 0.0,
        beard=beard,
        beard_mm=float(np.exp(rng.normal(1.1, 0.65))),
        seed=int(rng.integers(1 << 31)),
    )


def _draw_wear(rng: np.random.Generator, options: PersonOptions, adult: bool) -> Wear:
    glasses, tint, mirror = "", 0.0, 0.0
    if rng.random() < options.glasses:
        glasses = ("round", "rectangle", "oval", "aviator", "square", "cat")[int(rng.integers(6))]
        if rng.random() < options.tinted:
            tint = float(rng.uniform(0.4, 0.97))
            mirror = float(rng.uniform(0.1, 0.6)) if rng.random() < 0.3 else 0.0
    hat = ("beanie", "cap", "brim", "hood", "scarf")[int(rng.integers(5))] if rng.random() < options.hat else ""
    mask = bool(rng.random() < options.mask)
    collars = ("crew", "v", "shirt", "roll", "hood", "boat")
    frame = ((0.01, 0.01, 0.012), (0.08, 0.03, 0.012), (0.30, 0.29, 0.28), (0.42, 0.30, 0.12), (0.25, 0.02, 0.03))
    return Wear(
        glasses=glasses,
        lens_tint=tint,
        lens_mirror=mirror,
        frame_rgb=_jitter(rng, frame[int(rng.integers(len(frame)))], 0.3),
        hat=hat,
        hat_rgb=_cloth(rng),
        mask=mask,
        mask_rgb=_cloth(rng) if rng.random() < 0.5 else (0.55, 0.72, 0.80),
        headphones=bool(rng.random() < options.headphones) and not hat,
        scarf=bool(rng.random() < options.scarf),
        collar=collars[int(rng.integers(len(collars)))],
        cloth_rgb=_cloth(rng),
        cloth_rgb2=_cloth(rng),
        pattern=_choose(rng, ("plain", "stripes", "checks", "knit", "spots"), [0.5, 0.14, 0.12, 0.18, 0.06]),
        seed=int(rng.integers(1 << 31)),
    )


def _cloth(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw a fabric's linear colour: many greys, blues and earth tones, some strong ones."""
    value = float(np.exp(rng.uniform(np.log(0.015), np.log(0.75))))
    saturation = float(rng.beta(1.0, 2.2))
    hue = rng.random()
    wheel = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    rgb = value * (1 - saturation + saturation * wheel)
    return (float(rgb[0]), float(rgb[1]), float(rgb[2]))
