"""What faces people make: a generative prior over the 52 ARKit coefficients, and its Gaussian summary.

No statistics of ARKit coefficients in portraits are published under a licence that we could use. So this prior is built
from what the coefficients mean and from what is known of facial actions; its numbers are judgements, not measurements:

- which actions occur together: the emotion prototypes of Ekman and Friesen's FACS (1978; Investigator's Guide, Ekman,
  Friesen and Hager 2002), read through ARKit's names: happiness AU 6 + 12 (cheekSquint, mouthSmile), surprise 1 + 2 + 5B +
  26 (brows up, eyeWide, jawOpen), fear 1 + 2 + 4 + 5 + 20 + 26, anger 4 + 5 + 7 + 23, disgust 9 + 15 + 16, sadness 1 + 4 +
  15;
- speech: mouth shapes of the MPEG-4 viseme classes (ISO/IEC 14496-2, Annex C), a mixture of two neighbours in time;
- both sides move together except where they are meant not to (wink, lopsided smile); both eyes look the same way;
- opposite actions of one part exclude each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError

Float = NDArray[np.float64]

ARKIT_NAMES = (
    "eyeBlinkLeft", "eyeLookDownLeft", "eyeLookInLeft", "eyeLookOutLeft", "eyeLookUpLeft", "eyeSquintLeft",
    "eyeWideLeft", "eyeBlinkRight", "eyeLookDownRight", "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight",
    "eyeSquintRight", "eyeWideRight", "jawForward", "jawLeft", "jawRight", "jawOpen", "mouthClose", "mouthFunnel",
    "mouthPucker", "mouthLeft", "mouthRight", "mouthSmileLeft", "mouthSmileRight", "mouthFrownLeft",
    "mouthFrownRight", "mouthDimpleLeft", "mouthDimpleRight", "mouthStretchLeft", "mouthStretchRight",
    "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthPressLeft", "mouthPressRight",
    "mouthLowerDownLeft", "mouthLowerDownRight", "mouthUpperUpLeft", "mouthUpperUpRight", "browDownLeft",
    "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "cheekSquintLeft",
    "cheekSquintRight", "noseSneerLeft", "noseSneerRight", "tongueOut",
)  # fmt: skip
"""ARKit's blend shape locations in the order of its documentation."""

INDEX: Mapping[str, int] = {name: row for row, name in enumerate(ARKIT_NAMES)}

_NOT_PAIRED = ("jaw", "mouthLeft", "eyeLookIn", "eyeLookOut")

PAIRS = (
    *((n, f"{n[:-4]}Right") for n in ARKIT_NAMES if n.endswith("Left") and not n.startswith(_NOT_PAIRED)),
    ("eyeLookInLeft", "eyeLookOutRight"),
    ("eyeLookOutLeft", "eyeLookInRight"),
)
"""Coefficients of the left and right side that go together; eyes look the same way, so one's In is the other's Out."""

EXCLUSIONS = (
    ("jawLeft", "jawRight"),
    ("mouthLeft", "mouthRight"),
    *((f"mouthSmile{s}", f"mouthFrown{s}") for s in ("Left", "Right")),
    *((f"{n}{s}", "mouthPucker") for n in ("mouthSmile", "mouthStretch") for s in ("Left", "Right")),
    *((f"mouthSmile{s}", "mouthFunnel") for s in ("Left", "Right")),
    *((f"{n}{s}", f"eyeWide{s}") for n in ("eyeBlink", "eyeSquint") for s in ("Left", "Right")),
    *((f"browDown{s}", f"browOuterUp{s}") for s in ("Left", "Right")),
    *((f"eyeLook{a}{s}", f"eyeLook{b}{s}") for a, b in (("In", "Out"), ("Up", "Down")) for s in ("Left", "Right")),
    ("mouthRollLower", "mouthShrugLower"),
    ("mouthFunnel", "mouthPucker"),
    ("mouthFunnel", "mouthRollLower"),
    ("cheekPuff", "jawOpen"),
    ("tongueOut", "mouthClose"),
)
"""Pairs that move the same skin opposite ways: not both are large (in samples their product stays below `LARGEST_BOTH`)."""

LARGEST_BOTH = 0.1

ORDERED = (("mouthClose", "jawOpen"),)
"""The first stays below the second: lips close only against an opening jaw."""

SHARES: Mapping[str, float] = {
    "neutral": 0.30, "speech": 0.20, "smile": 0.30, "strong": 0.08, "lids": 0.06, "wink": 0.02, "asymmetric": 0.04,
}  # fmt: skip
"""How often each kind of face is met in photos of people: mostly at rest, smiling or speaking."""

_SMILE = {
    "mouthSmile": (0.8, 1.0, 1.0), "cheekSquint": (0.2, 0.7, 0.8), "eyeSquint": (0.1, 0.5, 0.7),
    "mouthDimple": (0.0, 0.4, 0.5), "mouthStretch": (0.0, 0.4, 0.4), "mouthUpperUp": (0.1, 0.5, 0.5),
    "mouthLowerDown": (0.0, 0.4, 0.4), "jawOpen": (0.0, 0.4, 0.4), "mouthPress": (0.0, 0.3, 0.2),
    "browInnerUp": (0.0, 0.3, 0.2), "browOuterUp": (0.0, 0.3, 0.15),
}  # fmt: skip
_STRONG: tuple[Mapping[str, tuple[float, float, float]], ...] = (
    {  # surprise
        "browInnerUp": (0.6, 1.0, 1.0), "browOuterUp": (0.6, 1.0, 1.0), "eyeWide": (0.4, 1.0, 1.0),
        "jawOpen": (0.2, 0.9, 0.9), "mouthFunnel": (0.0, 0.4, 0.3),
    },
    {  # fear
        "browInnerUp": (0.5, 1.0, 1.0), "browOuterUp": (0.1, 0.3, 0.7), "browDown": (0.1, 0.3, 0.7),
        "eyeWide": (0.4, 1.0, 1.0), "mouthStretch": (0.3, 1.0, 1.0), "jawOpen": (0.1, 0.5, 0.8),
        "mouthLowerDown": (0.1, 0.6, 0.5),
    },
    {  # anger
        "browDown": (0.6, 1.0, 1.0), "eyeSquint": (0.2, 0.7, 0.8), "mouthPress": (0.3, 0.9, 0.6),
        "mouthRollLower": (0.1, 0.5, 0.4), "mouthRollUpper": (0.1, 0.4, 0.3), "noseSneer": (0.1, 0.6, 0.5),
        "mouthFrown": (0.0, 0.5, 0.5), "jawForward": (0.0, 0.4, 0.3),
    },
    {  # disgust
        "noseSneer": (0.6, 1.0, 1.0), "mouthUpperUp": (0.3, 0.9, 0.9), "browDown": (0.2, 0.7, 0.7),
        "cheekSquint": (0.3, 0.8, 0.8), "eyeSquint": (0.2, 0.6, 0.7), "mouthFrown": (0.1, 0.6, 0.6),
        "mouthShrugLower": (0.1, 0.5, 0.5), "tongueOut": (0.3, 1.0, 0.08),
    },
    {  # sadness
        "browInnerUp": (0.5, 1.0, 1.0), "browDown": (0.0, 0.3, 0.5), "mouthFrown": (0.4, 1.0, 1.0),
        "mouthShrugLower": (0.1, 0.6, 0.6), "eyeSquint": (0.0, 0.4, 0.5), "eyeLookDown": (0.0, 0.5, 0.4),
    },
    {  # laughter
        "mouthSmile": (0.7, 1.0, 1.0), "jawOpen": (0.3, 0.8, 1.0), "cheekSquint": (0.5, 1.0, 1.0),
        "eyeSquint": (0.4, 1.0, 1.0), "mouthUpperUp": (0.3, 0.8, 0.9), "mouthLowerDown": (0.2, 0.7, 0.8),
        "eyeBlink": (0.0, 0.6, 0.4), "noseSneer": (0.0, 0.3, 0.3),
    },
    {  # a pulled face: blown cheeks, pursed or shifted mouth
        "cheekPuff": (0.4, 1.0, 0.4), "mouthPucker": (0.4, 1.0, 0.5), "mouthLeft": (0.3, 1.0, 0.25),
        "mouthRight": (0.3, 1.0, 0.25), "jawLeft": (0.3, 1.0, 0.15), "jawRight": (0.3, 1.0, 0.15),
        "browInnerUp": (0.0, 0.6, 0.4),
    },
)  # fmt: skip
_VISEMES: tuple[Mapping[str, float], ...] = (
    {},  # silence
    {"mouthClose": 0.06, "jawOpen": 0.08, "mouthPress": 0.35, "mouthRollLower": 0.2, "mouthRollUpper": 0.2},  # p b m
    {"jawOpen": 0.1, "mouthRollLower": 0.4, "mouthUpperUp": 0.2, "mouthShrugLower": 0.1},  # f v
    {"jawOpen": 0.16, "mouthLowerDown": 0.3, "mouthUpperUp": 0.1, "mouthStretch": 0.1},  # th t d n l
    {"jawOpen": 0.14, "mouthStretch": 0.1, "mouthLowerDown": 0.2},  # k g
    {"jawOpen": 0.1, "mouthFunnel": 0.45, "mouthUpperUp": 0.15, "mouthLowerDown": 0.25},  # ch sh
    {"jawOpen": 0.06, "mouthStretch": 0.25, "mouthLowerDown": 0.4, "mouthUpperUp": 0.2, "mouthDimple": 0.15},  # s z
    {"jawOpen": 0.12, "mouthFunnel": 0.25, "mouthPucker": 0.2},  # r
    {"jawOpen": 0.45, "mouthLowerDown": 0.3, "mouthUpperUp": 0.15},  # a
    {"jawOpen": 0.25, "mouthStretch": 0.25, "mouthLowerDown": 0.3, "mouthDimple": 0.1},  # e
    {"jawOpen": 0.12, "mouthStretch": 0.35, "mouthDimple": 0.2, "mouthSmile": 0.15},  # i
    {"jawOpen": 0.3, "mouthFunnel": 0.5},  # o
    {"jawOpen": 0.12, "mouthPucker": 0.6},  # u
)
_AT_REST = (
    "browDown", "browInnerUp", "browOuterUp", "eyeSquint", "mouthPress", "mouthShrugLower", "mouthShrugUpper",
    "mouthRollLower", "mouthRollUpper", "mouthPucker", "mouthFrown", "mouthSmile", "mouthStretch", "mouthDimple",
    "noseSneer", "jawForward", "jawOpen", "mouthLowerDown", "mouthUpperUp", "cheekSquint",
)  # fmt: skip
_REST_MEAN = 0.04
_SIDE_SIGMA = 0.06
"""Relative sd of the two sides' difference in a face that means to be symmetric."""

_GAZE_SIGMA_DEG = (12.0, 7.0)
"""Sd of the eyes' turn aside and up or down: people mostly look into the camera."""


FLOOR_SIGMA = 0.04
"""Added to the summary's standard deviations, in quadrature."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpressionPrior:
    """The Gaussian summary of `sample_expressions`, for a fit.

    The density is far from Gaussian: most coefficients are 0 in most faces. What the summary is good for is what goes
    with what. A fit may take the energy (e - mean)^T cov^-1 (e - mean) / 2 together with the bounds 0 <= e <= 1, and,
    for each exclusion, (e_i e_j / sigma)^2 / 2 with a sigma of about 0.05.

    Attributes
    ----------
    names : the coefficients' names, b of them.
    mean : (b,).
    cov : (b, b), positive definite.
    pairs, exclusions, ordered : (q, 2) rows of `names`; see the constants of the same name.
    """

    names: tuple[str, ...]
    mean: Float
    cov: Float
    pairs: NDArray[np.intp]
    exclusions: NDArray[np.intp]
    ordered: NDArray[np.intp]

    def take(self, names: tuple[str, ...]) -> ExpressionPrior:
        """Return the prior of some coefficients, in that order.

        Raises
        ------
        InputError
            If a name is not ARKit's.
        """
        for name in names:
            if name not in self.names:
                raise InputError(f"expression {name!r} is unknown; the names are ARKit's, for example jawOpen")
        rows = np.array([self.names.index(name) for name in names], dtype=np.intp)
        place = {int(row): new for new, row in enumerate(rows)}

        def kept(pairs: NDArray[np.intp]) -> NDArray[np.intp]:
            both = [(place[int(i)], place[int(j)]) for i, j in pairs if int(i) in place and int(j) in place]
            return np.array(both, dtype=np.intp).reshape(-1, 2)

        return ExpressionPrior(
            names=tuple(names),
            mean=self.mean[rows],
            cov=self.cov[np.ix_(rows, rows)],
            pairs=kept(self.pairs),
            exclusions=kept(self.exclusions),
            ordered=kept(self.ordered),
        )


@lru_cache(maxsize=1)
def expression_prior() -> ExpressionPrior:
    """Return the Gaussian summary over `ARKIT_NAMES`, from 10,000 samples with a fixed seed (kept for the process).

    `FLOOR_SIGMA` is added in quadrature to every standard deviation, so that rare actions can be fitted.
    """
    drawn = sample_expressions(rng=np.random.default_rng(52), count=10_000)
    cov = np.cov(drawn, rowvar=False) + FLOOR_SIGMA**2 * np.eye(len(ARKIT_NAMES))
    mean = drawn.mean(axis=0)
    tables = (PAIRS, EXCLUSIONS, ORDERED)
    rows = [np.array([(INDEX[a], INDEX[b]) for a, b in table], dtype=np.intp) for table in tables]
    for array in (mean, cov, *rows):
        array.flags.writeable = False
    return ExpressionPrior(names=ARKIT_NAMES, mean=mean, cov=cov, pairs=rows[0], exclusions=rows[1], ordered=rows[2])


def sample_expressions(*, rng: np.random.Generator, count: int = 1, kind: str | None = None) -> Float:
    """Draw faces, (count, 52) coefficients in [0, 1] in the order of `ARKIT_NAMES`.

    Parameters
    ----------
    rng : source of randomness.
    count : number of faces.
    kind : one of `SHARES`; None draws from all of them by their shares.

    Raises
    ------
    InputError
        If the kind is unknown.
    """
    if kind is not None and kind not in SHARES:
        raise InputError(f"expression kind {kind!r} is unknown; known are: {', '.join(SHARES)}")
    names = list(SHARES)
    shares = np.array([SHARES[name] for name in names])
    kinds = rng.choice(len(names), size=count, p=shares / shares.sum())
    if kind is not None:
        kinds[:] = names.index(kind)
    faces = _at_rest(count, rng)
    for number, name in enumerate(names):
        rows = np.flatnonzero(kinds == number)
        if len(rows) and name != "neutral":
            faces[rows] = np.maximum(faces[rows], _KINDS[name](len(rows), rng))
    return _lawful(faces)


def _at_rest(count: int, rng: np.random.Generator) -> Float:
    """Faces at rest: traces of a few actions, open eyes that look about where the camera is, slow blinks of the lids."""
    faces = np.zeros((count, len(ARKIT_NAMES)))
    for name in _AT_REST:
        trace = rng.exponential(_REST_MEAN, count) * (rng.random(count) < 0.5)
        _put(faces, name, trace, rng)
    _put(faces, "eyeBlink", rng.uniform(0, 0.15, count), rng)
    side, down = (sigma * rng.standard_normal(count) for sigma in _GAZE_SIGMA_DEG)
    turn = {"Out": side / 35, "In": -side / 35}
    for way, value in turn.items():
        other = "In" if way == "Out" else "Out"
        faces[:, INDEX[f"eyeLook{way}Left"]] = np.clip(value, 0, 1)
        faces[:, INDEX[f"eyeLook{other}Right"]] = np.clip(value, 0, 1)
    for side_name in ("Left", "Right"):
        faces[:, INDEX[f"eyeLookDown{side_name}"]] = np.clip(down / 30, 0, 1)
        faces[:, INDEX[f"eyeLookUp{side_name}"]] = np.clip(-down / 25, 0, 1)
    return faces


def _put(faces: Float, name: str, value: Float, rng: np.random.Generator, sigma: float = _SIDE_SIGMA) -> None:
    """Set an action, in place: of both sides with a small relative difference, or the one without sides."""
    if name in INDEX:
        faces[:, INDEX[name]] = np.maximum(faces[:, INDEX[name]], value)
        return
    tilt = sigma * rng.standard_normal(len(faces))
    for side, sign in (("Left", 1), ("Right", -1)):
        row = INDEX[f"{name}{side}"]
        faces[:, row] = np.maximum(faces[:, row], value * (1 + sign * tilt))


def _acted(table: Mapping[str, tuple[float, float, float]], strength: Float, rng: np.random.Generator) -> Float:
    """Faces whose actions have a range at full strength and a probability each."""
    faces = np.zeros((len(strength), len(ARKIT_NAMES)))
    for name, (low, high, chance) in table.items():
        value = strength * rng.uniform(low, high, len(strength)) * (rng.random(len(strength)) < chance)
        _put(faces, name, value, rng)
    return faces


def _smile(count: int, rng: np.random.Generator) -> Float:
    return _acted(_SMILE, rng.beta(2.0, 1.5, count), rng)


def _strong(count: int, rng: np.random.Generator) -> Float:
    which = rng.integers(len(_STRONG), size=count)
    faces = np.zeros((count, len(ARKIT_NAMES)))
    for number, table in enumerate(_STRONG):
        rows = np.flatnonzero(which == number)
        faces[rows] = _acted(table, rng.uniform(0.6, 1.0, len(rows)), rng)
    return faces


def _speech(count: int, rng: np.random.Generator) -> Float:
    """Two neighbouring mouth shapes mixed, of any effort; sometimes with a smile."""
    shapes = np.zeros((len(_VISEMES), len(ARKIT_NAMES)))
    for row, viseme in enumerate(_VISEMES):
        for name, value in viseme.items():
            for full in (name,) if name in INDEX else (f"{name}Left", f"{name}Right"):
                shapes[row, INDEX[full]] = value
    first, second = rng.integers(len(shapes), size=(2, count))
    mix = rng.random((count, 1))
    faces = (shapes[first] * mix + shapes[second] * (1 - mix)) * rng.uniform(0.5, 1.4, (count, 1))
    faces *= 1 + 0.1 * rng.standard_normal(faces.shape)
    smiling = rng.random(count) < 0.25
    faces[smiling] = np.maximum(faces[smiling], 0.5 * _smile(int(smiling.sum()), rng))
    return np.clip(faces, 0, 1)


def _lids(count: int, rng: np.random.Generator) -> Float:
    """Lids on their way: from half to quite closed, alike on both sides."""
    faces = np.zeros((count, len(ARKIT_NAMES)))
    _put(faces, "eyeBlink", rng.beta(2.0, 1.0, count), rng, sigma=0.02)
    _put(faces, "eyeSquint", rng.uniform(0, 0.3, count), rng)
    return faces


def _wink(count: int, rng: np.random.Generator) -> Float:
    """One eye shut with its cheek raised; the other one open."""
    faces = np.zeros((count, len(ARKIT_NAMES)))
    left = rng.random(count) < 0.5
    closed = rng.uniform(0.8, 1.0, count)
    for side, on in (("Left", left), ("Right", ~left)):
        faces[:, INDEX[f"eyeBlink{side}"]] = np.where(on, closed, rng.uniform(0, 0.25, count))
        faces[:, INDEX[f"cheekSquint{side}"]] = on * rng.uniform(0.2, 0.8, count)
        faces[:, INDEX[f"mouthSmile{side}"]] = on * rng.uniform(0.0, 0.6, count)
        faces[:, INDEX[f"eyeSquint{side}"]] = rng.uniform(0.0, 0.4, count)
    return faces


def _asymmetric(count: int, rng: np.random.Generator) -> Float:
    """A lopsided smile, smirk, raised brow or sneer: one side acts, the other follows a little."""
    faces = np.zeros((count, len(ARKIT_NAMES)))
    left = rng.random(count) < 0.5
    for name in ("mouthSmile", "mouthDimple", "browOuterUp", "browDown", "noseSneer", "mouthUpperUp", "mouthFrown"):
        value = rng.uniform(0.2, 0.9, count) * (rng.random(count) < 0.3)
        follows = rng.uniform(0.0, 0.4, count)
        for side, leads in (("Left", left), ("Right", ~left)):
            faces[:, INDEX[f"{name}{side}"]] = value * np.where(leads, 1.0, follows)
    return faces


_KINDS = {
    "speech": _speech, "smile": _smile, "strong": _strong, "lids": _lids, "wink": _wink, "asymmetric": _asymmetric,
}  # fmt: skip


def _lawful(faces: Float) -> Float:
    """Faces (c, 52) within [0, 1] that break no exclusion and no order: the smaller one gives way."""
    faces = np.clip(faces, 0, 1)
    for first, second in EXCLUSIONS:
        a, b = faces[:, INDEX[first]], faces[:, INDEX[second]]
        larger = np.maximum(a, b)
        allowed = np.minimum(1.0, LARGEST_BOTH / np.maximum(larger, LARGEST_BOTH))
        faces[:, INDEX[first]] = np.where(a < b, np.minimum(a, allowed), a)
        faces[:, INDEX[second]] = np.where(b <= a, np.minimum(b, allowed), b)
    for lower, upper in ORDERED:
        faces[:, INDEX[lower]] = np.minimum(faces[:, INDEX[lower]], faces[:, INDEX[upper]])
    return faces
