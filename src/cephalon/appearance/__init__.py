"""Appearance: texture with provenance, light, iris colour."""

from cephalon.appearance.options import TextureOptions
from cephalon.appearance.texture import make_texture

__all__ = ["TextureOptions", "make_texture"]
