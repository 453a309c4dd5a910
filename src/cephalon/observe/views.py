"""Views of a photo: a window of it, turned, scaled and maybe mirrored, with the map back to the photo's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Uint8 = NDArray[np.uint8]

_FILL = (124, 116, 104)
_REDUCE_FROM = 1.5
"""Photo px per view px from which bilinear sampling alone would skip pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A window of a photo.

    Attributes
    ----------
    size : (width, height) of the view, px.
    photo_from_view : (2, 3) affine map of pixel positions (pixel-centre convention).
    """

    size: tuple[int, int]
    photo_from_view: Float

    @staticmethod
    def of_window(centre: Float, side: float, *, size: int, angle_deg: float = 0.0, flipped: bool = False) -> View:
        """Return the view of a square window of the photo, `side` px wide, scaled to `size` px.

        A picture whose content is turned clockwise by `angle_deg` is upright in the view.
        """
        scale, angle = side / size, np.radians(angle_deg)
        cosine, sine = np.cos(angle) * scale, np.sin(angle) * scale
        linear = np.array([[cosine, -sine], [sine, cosine]]) @ np.diag([-1.0 if flipped else 1.0, 1.0])
        middle = np.array([size / 2, size / 2])
        return View(size=(size, size), photo_from_view=np.column_stack([linear, centre - linear @ middle]))

    @staticmethod
    def of_box(box: tuple[float, float, float, float], *, longest: int, quarter_turns: int = 0) -> View:
        """Return the view of the box (x0, y0, x1, y1), its longer side at most `longest` px, turned back by quarters.

        `quarter_turns` counts clockwise quarters by which the content is turned in the photo.
        """
        x0, y0, x1, y1 = box
        scale = max(1.0, max(x1 - x0, y1 - y0) / longest)
        width, height = (x1 - x0) / scale, (y1 - y0) / scale
        if quarter_turns % 2:
            width, height = height, width
        angle = np.pi / 2 * quarter_turns
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).round(12)
        size = (max(1, round(width)), max(1, round(height)))
        middle = np.array(size) / 2
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
        return View(size=size, photo_from_view=np.column_stack([linear, centre - linear @ middle]))

    @property
    def scale(self) -> float:
        """Photo pixels per view pixel."""
        return float(np.sqrt(abs(np.linalg.det(self.photo_from_view[:, :2]))))

    @property
    def flipped(self) -> bool:
        """Whether the view is a mirror image."""
        return bool(np.linalg.det(self.photo_from_view[:, :2]) < 0)

    def to_photo(self, points: Float) -> Float:
        """Map (..., 2) positions in the view to the photo."""
        return points @ self.photo_from_view[:, :2].T + self.photo_from_view[:, 2]

    def within(self, base: View) -> View:
        """Return this view as a view of the picture that `base` renders."""
        turn = np.linalg.inv(base.photo_from_view[:, :2])
        linear = turn @ self.photo_from_view[:, :2]
        offset = turn @ (self.photo_from_view[:, 2] - base.photo_from_view[:, 2])
        return View(size=self.size, photo_from_view=np.column_stack([linear, offset]))

    def render(self, rgb: Uint8) -> Uint8:
        """Return the view's pixels; smoothed before reduction, one colour outside the photo."""
        from PIL import Image

        height, width = rgb.shape[:2]
        linear, offset = self.photo_from_view[:, :2], self.photo_from_view[:, 2]
        w, h = self.size
        corners = self.to_photo(np.array([[0, 0], [w, 0], [0, h], [w, h]], dtype=np.float64))
        margin = 3 * self.scale + 2
        x0, y0 = np.clip(np.floor(corners.min(0) - margin), 0, [width, height]).astype(int)
        x1, y1 = np.clip(np.ceil(corners.max(0) + margin), 0, [width, height]).astype(int)
        if x1 - x0 < 1 or y1 - y0 < 1:
            return np.full((h, w, 3), _FILL, dtype=np.uint8)
        pixels, factor = rgb[y0:y1, x0:x1], int(self.scale / _REDUCE_FROM)
        if factor > 1:
            pixels = _block_means(pixels, factor)
        part, stretch = Image.fromarray(pixels), np.full(2, float(max(factor, 1)))
        if (left := self.scale / stretch[0]) > _REDUCE_FROM:
            reduced = np.maximum(1, np.round(np.array(part.size) / left)).astype(int)
            stretch *= np.array(part.size) / reduced
            part = part.resize((int(reduced[0]), int(reduced[1])), Image.Resampling.HAMMING)
        # view px -> px of the reduced part
        linear = linear / stretch[:, None]
        offset = (offset - [x0, y0]) / stretch
        coefficients = (linear[0, 0], linear[0, 1], offset[0], linear[1, 0], linear[1, 1], offset[1])
        seen = part.transform((w, h), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR, fillcolor=_FILL)
        return np.asarray(seen)


def _block_means(rgb: Uint8, factor: int) -> Uint8:
    """Return the means of blocks of factor x factor px (fewer at the right and lower end), strip by strip."""
    from PIL import Image

    rows = factor * max(1, 256 // factor)
    strips = [Image.fromarray(rgb[y : y + rows]).reduce(factor) for y in range(0, len(rgb), rows)]
    return np.concatenate([np.asarray(strip) for strip in strips])
