"""Pictures in: files and arrays become `Photo`, upright 8-bit sRGB with what the file says about its camera."""

from cephalon.photo.read import MOST_PIXELS_WHOLE, SMALLEST_SIDE, WORKING_PIXELS, WORKING_SIDE
from cephalon.photo.record import MOST_PIXELS, Photo

__all__ = ["MOST_PIXELS", "MOST_PIXELS_WHOLE", "SMALLEST_SIDE", "WORKING_PIXELS", "WORKING_SIDE", "Photo"]
