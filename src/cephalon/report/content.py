"""What a report page is made of: plain records, checked once, that any pipeline can fill."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.files.png import png_bytes
from cephalon.values import provenance_colours

RGB = tuple[int, int, int]

# Pale (sure) to deep blue (unsure): even steps for the eye, also in grey and for the colour-blind.
SIGMA_STOPS: tuple[RGB, ...] = ((247, 243, 226), (183, 217, 193), (96, 171, 172), (52, 108, 150), (52, 44, 98))

_IMAGE_TYPES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def image_type(what: str, data: bytes) -> str:
    """Return the MIME type of a PNG, JPEG or WebP picture.

    Raises
    ------
    InputError
        If the bytes are none of these (SVG, which can hold script, is none of these).
    """
    for magic, name in _IMAGE_TYPES:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    raise InputError(f"{what}: expected the bytes of a PNG, JPEG or WebP picture, got {data[:8]!r}")


def _finite(what: str, value: float | None, *, least: float = 0.0) -> None:
    if value is not None and not (math.isfinite(value) and value >= least):
        raise InputError(f"{what}: expected a finite number >= {least:g}, got {value!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture (PNG, JPEG or WebP bytes) and the words under it."""

    label: str
    image: bytes

    def __post_init__(self) -> None:
        image_type(f"picture {self.label!r}", self.image)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoRow:
    """One photo: what went in, what the fit made of it.

    Attributes
    ----------
    name : file name, shown as it is (escaped).
    image, overlay : the photo and the fitted head drawn over it; PNG, JPEG or WebP bytes, the same shape best.
    status : "ok", "disagrees" (does not go with the other photos), "poor" (large error), or "left out".
    reason : one sentence, empty if there is nothing to say.
    reprojection_px, reprojection_percent : median distance of measured and predicted points, px and % of the outer eye
        distance; None if there was no fit.
    focal_px, focal35_mm, distance_mm : the photo's camera as found.
    source : who measured the points.
    camera_position_mm : (3,) where the camera stood, head frame, mm; gives the page its button "same view in 3D".
    expression : ARKit weights found in this photo; gives the page its preset "as in photo k".
    """

    name: str
    image: bytes | None = None
    overlay: bytes | None = None
    status: str = "ok"
    reason: str = ""
    reprojection_px: float | None = None
    reprojection_percent: float | None = None
    focal_px: float | None = None
    focal35_mm: float | None = None
    distance_mm: float | None = None
    source: str = ""
    camera_position_mm: tuple[float, float, float] | None = None
    expression: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, data in (("photo", self.image), ("overlay", self.overlay)):
            if data is not None:
                image_type(f"{what} of {self.name!r}", data)
        for name in ("reprojection_px", "reprojection_percent", "focal_px", "focal35_mm", "distance_mm"):
            _finite(f"{name} of {self.name!r}", getattr(self, name))
        if self.camera_position_mm is not None:
            position = as_array(f"camera_position_mm of {self.name!r}", self.camera_position_mm, (3,))
            if not position.any():
                raise InputError(f"camera_position_mm of {self.name!r}: the camera cannot be inside the head")
        for shape, weight in self.expression.items():
            _finite(f"expression {shape!r} of {self.name!r}", weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class CueRow:
    """One source of absolute size that acted: what it states (`value` +- `sigma`, in `unit`) and what the fit found."""

    name: str
    value: float
    sigma: float
    unit: str = "mm"
    fitted: float | None = None

    def __post_init__(self) -> None:
        _finite(f"cue {self.name!r}", self.value, least=-math.inf)
        _finite(f"sigma of cue {self.name!r}", self.sigma)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigmaMap:
    """How sure the shape is at each place of the skin, as colours: best made by `of_uv` or `of_vertices`.

    Attributes
    ----------
    low_mm, high_mm : sd in mm at the two ends of `stops`.
    png : picture in the skin's UV, its first row at v = 1, as the albedo has it; or
    vertex_rgb : (n, 3) uint8 sRGB, one row per vertex of the GLB's skin (material "skin"), in file order.
    stops : evenly spaced colours of the scale, for the legend; those of `sigma_colours` unless other ones were used.
    """

    low_mm: float
    high_mm: float
    png: bytes | None = None
    vertex_rgb: NDArray[np.uint8] | None = None
    stops: tuple[RGB, ...] = SIGMA_STOPS

    def __post_init__(self) -> None:
        _finite("low_mm", self.low_mm)
        _finite("high_mm", self.high_mm, least=self.low_mm)
        if len(self.stops) < 2:
            raise InputError("sigma map: expected at least two colours for the scale")
        if self.png is not None and self.vertex_rgb is None:
            image_type("sigma map", self.png)
        elif self.vertex_rgb is not None and self.png is None:
            object.__setattr__(self, "vertex_rgb", as_array("vertex_rgb", self.vertex_rgb, (None, 3), np.uint8))
        else:
            raise InputError("sigma map: expected either a picture or colours per vertex")

    @classmethod
    def of_vertices(
        cls, sigma_mm: NDArray[Any], *, low_mm: float | None = None, high_mm: float | None = None
    ) -> SigmaMap:
        """Colour `sigma_mm` (n,), one sd per vertex of the GLB's skin; the range defaults to its 2 and 98 % points."""
        sigma = as_array("sigma_mm", sigma_mm, (None,))
        low, high = _sigma_range(sigma, low_mm, high_mm)
        return cls(low_mm=low, high_mm=high, vertex_rgb=sigma_colours(sigma, low, high))

    @classmethod
    def of_uv(
        cls,
        sigma_mm: NDArray[Any],
        inside: NDArray[np.bool_],
        *,
        low_mm: float | None = None,
        high_mm: float | None = None,
    ) -> SigmaMap:
        """Colour `sigma_mm` (s, s), one sd per texel of the skin's UV; only texels `inside` count.

        The others take over their nearest neighbour inside, so that no seam shows. The range defaults to the 2 % and
        98 % points inside.
        """
        from scipy.ndimage import distance_transform_edt

        mask = as_array("inside", inside, (None, None), bool)
        sigma = as_array("sigma_mm", sigma_mm, mask.shape, finite=False)
        low, high = _sigma_range(as_array("sigma_mm inside", sigma[mask], (None,)), low_mm, high_mm)
        _, nearest = distance_transform_edt(~mask, return_indices=True)  # pyright: ignore[reportGeneralTypeIssues]
        return cls(low_mm=low, high_mm=high, png=png_bytes(sigma_colours(sigma[tuple(nearest)], low, high)))


def _sigma_range(sigma_mm: NDArray[Any], low_mm: float | None, high_mm: float | None) -> tuple[float, float]:
    if sigma_mm.size == 0:
        raise InputError("sigma map: there is nothing to colour")
    low = float(np.percentile(sigma_mm, 2)) if low_mm is None else low_mm
    return low, max(float(np.percentile(sigma_mm, 98)), low) if high_mm is None else high_mm


def sigma_colours(sigma_mm: NDArray[Any], low_mm: float, high_mm: float) -> NDArray[np.uint8]:
    """Colours (..., 3) uint8 sRGB of standard deviations (...) in mm, linear along `SIGMA_STOPS`."""
    stops = np.array(SIGMA_STOPS, dtype=float)
    place = np.clip((np.asarray(sigma_mm, dtype=float) - low_mm) / max(high_mm - low_mm, 1e-9), 0, 1) * (len(stops) - 1)
    first = np.minimum(place.astype(int), len(stops) - 2)
    return np.round(stops[first] + (stops[first + 1] - stops[first]) * (place - first)[..., None]).astype(np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenanceMap:
    """Where each texel's colour came from: a picture in the skin's UV; per source its name, colour and share."""

    png: bytes
    sources: tuple[tuple[str, RGB, float], ...]

    def __post_init__(self) -> None:
        image_type("provenance map", self.png)
        for name, _, share in self.sources:
            _finite(f"share of {name!r}", share)

    @classmethod
    def of_codes(
        cls, codes: NDArray[np.uint8], names: tuple[str, ...], shares: Mapping[str, float] | None = None
    ) -> ProvenanceMap:
        """Colour a map of codes (s, s), indices into `names`; "outside" counts for nothing.

        `shares` gives each name's share of the skin; without it texels are counted.
        """
        codes = as_array("codes", codes, (None, None), np.uint8)
        if int(codes.max(initial=0)) >= len(names):
            raise InputError(f"provenance: code {int(codes.max())} has no name among {len(names)}")
        palette = np.array(provenance_colours(names), dtype=np.uint8)
        if shares is None:
            counts = np.bincount(codes.reshape(-1), minlength=len(names)).astype(float)
            inside = sum(count for name, count in zip(names, counts, strict=True) if name != "outside") or 1.0
            shares = {name: count / inside for name, count in zip(names, counts, strict=True)}
        sources = tuple(
            (name, (int(r), int(g), int(b)), float(shares.get(name, 0.0)))
            for name, (r, g, b) in zip(names, palette, strict=True)
            if name != "outside"
        )
        return cls(png=png_bytes(palette[codes]), sources=sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything that a report page shows.

    Attributes
    ----------
    title : headline, for example the person's or the folder's name.
    glb : the head: one GLB with all its pictures inside; the skin's material is called "skin".
    status : "converged", "not converged", or "sampled" for a head that no photo was the source of.
    reason : why, in words; may be empty.
    photos, turntable, cues : rows in the order of the page.
    measures : name -> (mm, sigma_mm); the page makes 90 % intervals of them.
    highlights : measures to show large at the top, at most four; default the first ones.
    sigma, provenance : maps of the skin; a missing one leaves its switch away.
    notes : further sentences for the status, for example warnings of a stage.
    options : options of every stage, plain data as for JSON.
    versions : component -> version.
    licences : (what, licence, remark); three.js, which the page holds, is added by itself.
    citation : how to cite, plain text (BibTeX keeps its lines).
    """

    title: str
    glb: bytes
    status: str = "converged"
    reason: str = ""
    photos: tuple[PhotoRow, ...] = ()
    turntable: tuple[Picture, ...] = ()
    measures: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    highlights: tuple[str, ...] = ()
    cues: tuple[CueRow, ...] = ()
    sigma: SigmaMap | None = None
    provenance: ProvenanceMap | None = None
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    licences: tuple[tuple[str, str, str], ...] = ()
    citation: str = ""

    def __post_init__(self) -> None:
        if self.status not in ("converged", "not converged", "sampled"):
            raise InputError(f"status: expected 'converged', 'not converged' or 'sampled', got {self.status!r}")
        for name, (mm, sigma_mm) in self.measures.items():
            _finite(f"measure {name!r}", mm, least=-math.inf)
            _finite(f"sigma of measure {name!r}", sigma_mm)
        for name in self.highlights:
            if name not in self.measures:
                raise InputError(f"highlight {name!r} is none of the measures")
        check_glb(self.glb)


def check_glb(glb: bytes) -> None:
    """See that the bytes are a GLB that needs no other file.

    Raises
    ------
    InputError
        If they are no GLB 2.0, or point to a file or address outside.
    """
    if len(glb) < 20 or glb[:4] != b"glTF":
        raise InputError(f"glb: expected a binary glTF, got {len(glb)} bytes that begin with {glb[:4]!r}")
    version, total, length, kind = struct.unpack("<IIII", glb[4:20])
    if version != 2 or total != len(glb) or kind != 0x4E4F534A or 20 + length > len(glb):
        raise InputError("glb: the file is damaged or is not version 2 of binary glTF")
    try:
        document = json.loads(glb[20 : 20 + length])
        parts = [part for name in ("buffers", "images") for part in document.get(name, [])]
        outside = [part["uri"] for part in parts if not str(part.get("uri", "data:")).startswith("data:")]
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        raise InputError("glb: its JSON part cannot be read") from error
    if outside:
        raise InputError(f"glb: it points to another file ({outside[0]!r:.80}); everything must be inside")
