"""What is drawn how often: one record of ranges per family of samples, with presets."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from cephalon.core import InputError

Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonOptions:
    """Who is drawn, and what they wear. Chances are probabilities in [0, 1].

    Attributes
    ----------
    age_years : uniform range, within 3 to 90.
    melanin : range of the pigment's optical depth, 0 (palest) to 2.4 (darkest).
    neutral, closed_mouth : chance of a face at rest; of a mouth kept shut otherwise.
    bald, glasses, tinted, hat, mask, headphones, scarf, beard, makeup : chances (of beards and make-up: among adults).
    """

    age_years: Range = (5.0, 85.0)
    melanin: Range = (0.0, 2.3)
    neutral: float = 0.3
    closed_mouth: float = 0.4
    bald: float = 0.06
    glasses: float = 0.24
    tinted: float = 0.3
    hat: float = 0.10
    mask: float = 0.03
    headphones: float = 0.04
    scarf: float = 0.10
    beard: float = 0.38
    makeup: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraOptions:
    """Where the camera stands and what of the picture the head takes.

    Attributes
    ----------
    distance_mm : log-uniform range of the distance to the head.
    focal35_mm : range within which the 35 mm-equivalent focal length of the picture stays.
    head_share : range of head height / picture height; the lower end is also bounded by `least_head_px`.
    least_head_px : no head is smaller than this, px.
    shift : largest shift of the head's middle from the picture's middle, as a share of the picture.
    yaw_deg, pitch_deg, roll_deg : (standard deviation, limit) of the view; yaw and pitch have heavy tails up to the limit.
    wide : chance that yaw and pitch are drawn uniformly up to the limits instead.
    neck_deg : standard deviation of the neck's own turn, against the shoulders.
    """

    distance_mm: Range = (250.0, 3500.0)
    focal35_mm: Range = (20.0, 400.0)
    head_share: Range = (0.35, 1.0)
    least_head_px: float = 24.0
    shift: float = 0.10
    yaw_deg: Range = (28.0, 110.0)
    pitch_deg: Range = (12.0, 60.0)
    roll_deg: Range = (9.0, 180.0)
    wide: float = 0.15
    neck_deg: float = 9.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LightOptions:
    """Light.

    Attributes
    ----------
    lamps : chances of 0, 1, 2, 3 and 4 lamps besides the surroundings.
    strength : log-normal (median, sigma) of a lamp's irradiance relative to the surroundings.
    exposure : log-normal sigma of the exposure around a well exposed face.
    cast : standard deviation of the logarithm of the colour cast of a lamp.
    flash : chance that a lamp sits on the camera.
    """

    lamps: tuple[float, float, float, float, float] = (0.42, 0.3, 0.16, 0.08, 0.04)
    strength: Range = (0.8, 0.6)
    exposure: float = 0.22
    cast: float = 0.18
    flash: float = 0.08


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorOptions:
    """What the camera does to the picture.

    Attributes
    ----------
    noise : log-uniform range of the noise's standard deviation at mid grey, in 1/255 sRGB.
    blur_px : range of the standard deviation of defocus, px (squared-uniform: sharp pictures are common).
    motion : chance of motion blur; its length is up to 4 % of the picture.
    sharpen : chance of unsharp masking.
    white_balance : standard deviation of the logarithm of the channels' gains.
    low_resolution : chance that the picture was taken smaller and enlarged.
    grey : chance of a black and white picture.
    jpeg_quality : range of the JPEG quality.
    """

    noise: Range = (0.3, 7.0)
    blur_px: Range = (0.0, 1.0)
    motion: float = 0.05
    sharpen: float = 0.25
    white_balance: float = 0.06
    low_resolution: float = 0.10
    grey: float = 0.03
    jpeg_quality: tuple[int, int] = (45, 97)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOptions:
    """Everything that says what a family of samples looks like; the same record and seed give the same samples.

    Attributes
    ----------
    family : "portrait", "triple" (front, left, right of one person under one light), "sequence" (a head that moves and
        speaks) or "group" (several people in one picture).
    size : side of the square picture, px.
    frames : pictures of a sequence.
    occluder : chance that something is held in front.
    photo_background, panorama_background : chances of a photo or a crop of the lighting panorama behind; otherwise a
        procedural one.
    people : range of the number of people of a group.
    layers : write the truth maps, not only the picture and the record.
    supersample : samples per side of a pixel.
    """

    family: str = "portrait"
    size: int = 256
    frames: int = 12
    occluder: float = 0.07
    photo_background: float = 0.45
    panorama_background: float = 0.35
    people: tuple[int, int] = (2, 5)
    layers: bool = True
    supersample: int = 2
    person: PersonOptions = field(default_factory=PersonOptions)
    camera: CameraOptions = field(default_factory=CameraOptions)
    light: LightOptions = field(default_factory=LightOptions)
    sensor: SensorOptions = field(default_factory=SensorOptions)

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise InputError(f"family: expected one of {', '.join(FAMILIES)}, got {self.family!r}")
        if not 32 <= self.size <= 1024:
            raise InputError(f"size: expected 32 to 1024 px, got {self.size}")
        if not 1 <= self.supersample <= 4:
            raise InputError(f"supersample: expected 1 to 4, got {self.supersample}")
        if not 1 <= self.frames <= 1000:
            raise InputError(f"frames: expected 1 to 1000, got {self.frames}")
        if not 1 <= self.people[0] <= self.people[1] <= 12:
            raise InputError(f"people: expected a range within 1 to 12, got {self.people}")
        if not 3 <= self.person.age_years[0] <= self.person.age_years[1] <= 90:
            raise InputError(f"age_years: expected a range within 3 to 90 years, got {self.person.age_years}")
        for part in (self, self.person, self.camera, self.light, self.sensor):
            for name in _CHANCES[type(part).__name__]:
                if not 0 <= getattr(part, name) <= 1:
                    raise InputError(f"{name}: expected a chance from 0 to 1, got {getattr(part, name)}")
            for name, (low, high) in _BOUNDS.get(type(part).__name__, {}).items():
                value = getattr(part, name)
                both = value if isinstance(value, tuple) else (value, value)
                if not low <= both[0] <= both[1] <= high:
                    raise InputError(f"{name}: expected numbers from {low:g} to {high:g}, the lower first, got {value}")
        if min(self.light.lamps) < 0 or not abs(sum(self.light.lamps) - 1) < 1e-6:
            raise InputError(f"lamps: expected five chances whose sum is 1, got {self.light.lamps}")
        if not (0 < self.light.strength[0] <= 100 and 0 <= self.light.strength[1] <= 3):
            raise InputError(f"strength: expected a median up to 100 and a sigma up to 3, got {self.light.strength}")
        for name in ("yaw_deg", "pitch_deg", "roll_deg"):
            if not all(0 <= angle <= 180 for angle in getattr(self.camera, name)):
                raise InputError(
                    f"{name}: expected a deviation and a limit of 0 to 180, got {getattr(self.camera, name)}"
                )

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self), sort_keys=True)

    @staticmethod
    def from_json(text: str) -> SampleOptions:
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            If the text is not such a record.
        """
        try:
            record = json.loads(text)
            if not isinstance(record, dict):
                raise InputError("not a record of sample options (expected a JSON object)")
            parts = {name: _record(kind, record.pop(name)) for name, kind in _PARTS.items()}
            return _record(SampleOptions, {**record, **parts})
        except KeyError as error:
            raise InputError(f"not a record of sample options (it has no {error})") from error
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"not a record of sample options ({error})") from error

    def with_size(self, size: int) -> SampleOptions:
        """Return the same family at another picture size, px."""
        return replace(self, size=size)


FAMILIES = ("portrait", "triple", "sequence", "group")
_PARTS = {"person": PersonOptions, "camera": CameraOptions, "light": LightOptions, "sensor": SensorOptions}
_CHANCES = {
    "SampleOptions": ("occluder", "photo_background", "panorama_background"),
    "PersonOptions": tuple(f.name for f in fields(PersonOptions) if f.name not in ("age_years", "melanin")),
    "CameraOptions": ("wide",),
    "LightOptions": ("flash",),
    "SensorOptions": ("motion", "sharpen", "low_resolution", "grey"),
}
_BOUNDS = {
    "PersonOptions": {"melanin": (0, 2.4)},
    "CameraOptions": {
        "distance_mm": (100, 100_000), "focal35_mm": (4, 4000), "head_share": (0.01, 2), "least_head_px": (1, 1024), "shift": (0, 1),
        "neck_deg": (0, 90),
    },
    "LightOptions": {"exposure": (0, 3), "cast": (0, 3)},
    "SensorOptions": {"noise": (1e-6, 255), "blur_px": (0, 50), "white_balance": (0, 3), "jpeg_quality": (1, 100)},
}  # fmt: skip
"""Within which numbers lie, and ranges, the lower end first."""


def _record(kind: type, values: dict[str, Any]) -> Any:
    known = {f.name: f.default for f in fields(kind)}
    for name, value in values.items():
        if name not in known:
            raise InputError(f"{kind.__name__} has no field {name[:40]!r}")
        if known[name] is not MISSING and not _alike(value, known[name]):
            raise InputError(f"{name}: expected something like {json.dumps(known[name])}, got {repr(value)[:40]}")
    return kind(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()})


def _alike(value: Any, default: Any) -> bool:
    """Tell whether a value from a file is of the default's kind: finite numbers, whole ones, words, as many as there."""
    if isinstance(default, tuple):
        return isinstance(value, list) and len(value) == len(default) and all(map(_alike, value, default))
    if isinstance(default, float):
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
    return type(value) is type(default) and (not isinstance(value, int) or abs(value) < 2**31)


def family_options(family: str, size: int = 256) -> SampleOptions:
    """Return the preset ranges of a family."""
    if family == "triple":
        # the front and side pictures of one sitting: yaw about 0 and 90 degrees with the small errors of a person posing
        return SampleOptions(
            family=family, size=size, occluder=0.0,
            camera=CameraOptions(distance_mm=(600.0, 3000.0), head_share=(0.5, 0.85), yaw_deg=(5.0, 15.0), pitch_deg=(5.0, 15.0),
                                 roll_deg=(4.0, 12.0), wide=0.0, neck_deg=3.0),
            person=PersonOptions(glasses=0.1, hat=0.0, mask=0.0, headphones=0.0, scarf=0.05),
        )  # fmt: skip
    if family == "group":
        return SampleOptions(
            family=family,
            size=size,
            camera=CameraOptions(
                distance_mm=(900.0, 5000.0),
                head_share=(0.12, 0.45),
                shift=0.5,
                pitch_deg=(7.0, 25.0),
                roll_deg=(5.0, 25.0),
            ),
        )
    return SampleOptions(family=family, size=size)
