"""Options of the texture, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from cephalon.core import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureOptions:
    """How the skin's texture is made.

    Attributes
    ----------
    size : side of the square texture, texels. 1024 resolves 0.4 mm on the face, about what a 12 Mpx portrait shows.
    least_cosine : skin seen under a flatter angle than this cosine is not used: a texel would be stretched fivefold
        and mixes with what lies behind the silhouette.
    edge_margin : distance kept from silhouettes and from edges where something hides the skin, in fractions of the outer
        eye distance in the photo; about the error of the fit there.
    depth_tolerance_mm : slack of the visibility test; the error of the surface within one pixel.
    shading_range : bounds of the estimated shading, relative to its mean, before it is divided out; beyond them noise and
        highlights would be amplified.
    """

    size: int = 1024
    least_cosine: float = 0.2
    edge_margin: float = 0.03
    depth_tolerance_mm: float = 2.0
    shading_range: tuple[float, float] = (0.4, 1.8)

    def __post_init__(self) -> None:
        if not 64 <= self.size <= 8192:
            raise InputError(f"texture size: expected 64 to 8192 texels, got {self.size}")
        if not 0 <= self.least_cosine < 1:
            raise InputError(f"least_cosine: expected 0 to 1, got {self.least_cosine}")
        low, high = self.shading_range
        if not 0 < low < 1 < high:
            raise InputError(f"shading_range: expected a range around 1, got {self.shading_range}")
