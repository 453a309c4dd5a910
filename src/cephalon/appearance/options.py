"""Options of the texture, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from cephalon.core import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureOptions:
    """How the skin's texture is made.

    Attributes
    ----------
    size : side of the square texture, texels. 1024 resolves 0.5 mm on the face, about what a 12 Mpx portrait shows.
    least_cosine : skin seen under a flatter angle than this cosine is not used: a texel would be stretched fourfold
        and mixes with what lies behind the silhouette.
    edge_margin : distance kept from silhouettes and from edges where something hides the skin, in fractions of the
        outer eye distance in the photo; about the error of the fit there.
    depth_tolerance_mm : slack of the visibility test; the error of the surface within one pixel.
    shading_range : bounds of the estimated shading, relative to its mean, before it is divided out; beyond them noise
        and highlights would be amplified.
    highlight : log of how much brighter than this person's skin a texel may be before it counts as a highlight and is
        held back to 0.4 of the excess.
    uneven_brightness, uneven_colour : how far plain skin (no lips, brows, lids, beard) may depart from its tone, log:
        small departures are kept as the flush of the skin, large ones are light (cast shadows, lamps near the face,
        the sky's reflection) and are held softly within these bounds. Very large bounds keep everything.
    darker, brighter : how far a detail of plain skin may be darker or brighter than what is around it, log: folds of a
        smile, single hairs and the rims of shadows are held softly within these bounds.
    folds : share by which these bounds of brightness shrink where the photo's expression folds the skin: lines and
        lit cheeks of a smile are not on a neutral face. 0 keeps them.
    pull_mm : distance over which completed skin forgets the nearest seen colour and takes the median tone of the face.
    grain : share of the measured fine structure of the skin that completed skin is given; 1 would look busier than seen
        skin, whose structure is partly in pores and hairs that a grain does not imitate.
    """

    size: int = 1024
    least_cosine: float = 0.28
    edge_margin: float = 0.03
    depth_tolerance_mm: float = 3.0
    shading_range: tuple[float, float] = (0.4, 1.8)
    highlight: float = 0.22
    uneven_brightness: float = 0.09
    uneven_colour: float = 0.04
    darker: float = 0.22
    brighter: float = 0.12
    folds: float = 0.8
    pull_mm: float = 45.0
    grain: float = 0.7

    def __post_init__(self) -> None:
        if not 64 <= self.size <= 8192:
            raise InputError(f"texture size: expected 64 to 8192 texels, got {self.size}")
        if not 0 <= self.least_cosine < 1:
            raise InputError(f"least_cosine: expected 0 to 1, got {self.least_cosine}")
        low, high = self.shading_range
        if not 0 < low < 1 < high:
            raise InputError(f"shading_range: expected a range around 1, got {self.shading_range}")
        bounds = ("uneven_brightness", "uneven_colour", "darker", "brighter")
        for name in ("edge_margin", "depth_tolerance_mm", "highlight", "pull_mm", *bounds):
            if not getattr(self, name) > 0:
                raise InputError(f"{name}: expected a number > 0, got {getattr(self, name)}")
        if not 0 <= self.folds < 1:
            raise InputError(f"folds: expected 0 to below 1, got {self.folds}")
        if not 0 <= self.grain <= 2:
            raise InputError(f"grain: expected 0 to 2, got {self.grain}")
