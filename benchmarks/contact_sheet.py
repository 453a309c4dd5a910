"""A sheet of portraits beside the heads made from them: one row a person, or two persons a row.

    python benchmarks/contact_sheet.py -o docs/portraits.jpg PHOTO... [--columns 2] [--size 220] [--views photo,front,...]

Views: photo, overlay, clay, clay45, clay90 (grey: front, three-quarter, profile), front, left45, right45, left, back.
Only photos whose licence allows it belong into the docs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from cephalon.core import CephalonError
from cephalon.reconstruction import reconstruct
from cephalon.report.build import head_overlays
from cephalon.report.pictures import View, picture, side_by_side

VIEWS = {"front": 0, "left45": 45, "right45": -45, "left": 90, "back": 180}
CLAY = {"clay": 0, "clay45": 45, "clay90": 90}


def crop(posterior, image: np.ndarray, size: int) -> np.ndarray:
    """Cut the head out of a picture of the photo (any scale), a square of `size` px."""
    fitted = posterior.photos[0]
    factor = image.shape[1] / fitted.camera.width
    centre = fitted.camera.project(fitted.camera_from_head.apply(np.array([[0.0, -10.0, 0.0]])))[0] * factor
    reach = 165.0 * fitted.camera.focal_px / fitted.distance_mm * factor
    box = tuple(round(x) for x in (*(centre - reach), *(centre + reach)))
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(image)).crop(box).resize((size, size), Image.Resampling.LANCZOS)
    )


def row(photo: Path, views: list[str], size: int) -> list[np.ndarray]:
    """Reconstruct one photo and draw its views."""
    head = reconstruct([photo])
    vertices, looks = head.mesh().vertices, head.looks()
    cells = []
    for view in views:
        if view == "photo":
            cells.append(crop(head.posterior, head.photos[0].rgb_srgb, size))
        elif view == "overlay":
            cells.append(crop(head.posterior, head_overlays(head)[0], size))
        elif view in CLAY:
            cells.append(picture(head.model, vertices, View(yaw_deg=CLAY[view]), size))
        else:
            cells.append(picture(head.model, vertices, View(yaw_deg=VIEWS[view]), size, looks=looks))
    return cells


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--size", type=int, default=220)
    parser.add_argument("--views", default="photo,front,left45,left")
    options = parser.parse_args()
    views = options.views.split(",")
    cells: list[list[np.ndarray]] = []
    for photo in options.photos:
        try:
            cells.append(row(photo, views, options.size))
            print(photo.name, file=sys.stderr)
        except CephalonError as error:
            print(f"left out: {error}", file=sys.stderr)
    step = options.columns
    rows = [[cell for cells_of in cells[i : i + step] for cell in cells_of] for i in range(0, len(cells), step)]
    Image.fromarray(side_by_side(rows)).save(options.output, quality=88)
    return 0


if __name__ == "__main__":
    sys.exit(main())
