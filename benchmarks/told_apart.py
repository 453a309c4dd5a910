"""Whether fitted heads are told apart: two sheets for the eye, and identity distances between photos of one person.

    python benchmarks/told_apart.py FOLDER -o OUT [--count 12] [--seed 1] [--half held-out]

Writes `photos.png` (numbered) and `heads.png` (lettered: the same people's neutral grey heads without texture, front and
profile, in another order) and `key.json`, which says who is who: match them first, look then. By chance one of `count` is right.

Prints, for people of whom the folder has several photos (`people/NAME/*`), the distance between the identities fitted to
each photo alone, within a person and between persons, in units of the posterior's own uncertainty, and how often the
nearest other photo is of the same person (with the chance level).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402 - after the thread counts are set
from numpy.typing import NDArray  # noqa: E402
from PIL import Image, ImageDraw  # noqa: E402

from benchmarks.contact_sheet import crop  # noqa: E402
from builders.head.photo_split import is_development, person  # noqa: E402
from cephalon.core import CephalonError  # noqa: E402
from cephalon.fit import fit  # noqa: E402
from cephalon.head import HeadModel  # noqa: E402
from cephalon.observe import default_source  # noqa: E402
from cephalon.photo import Photo  # noqa: E402
from cephalon.report.pictures import View, picture  # noqa: E402
from cephalon.values import Posterior  # noqa: E402

SIZE = 300


def fitted(photo: Path, model: HeadModel) -> tuple[Photo, Posterior] | None:
    """Photo and fit, or None where no head is found."""
    try:
        opened = Photo.open(photo)
        return opened, fit([default_source(None, model).observe(opened)], model)
    except CephalonError as error:
        print(f"left out: {error}", file=sys.stderr)
        return None


def sheets(photos: list[Path], model: HeadModel, out: Path, *, rng: np.random.Generator) -> None:
    """Write the two sheets and the key."""
    found = [(path, pair) for path in photos if (pair := fitted(path, model)) is not None]
    order = rng.permutation(len(found))
    faces = [crop(posterior, photo.rgb_srgb, SIZE) for _, (photo, posterior) in found]
    heads = []
    for row in order:
        vertices = model.vertices(model.code(identity=found[row][1][1].identity))
        views = [face(picture(model, vertices, View(yaw_deg=yaw), round(1.5 * SIZE))) for yaw in (0, 40, 90)]
        heads.append(np.concatenate(views, axis=1))
    letters = [chr(ord("A") + k) for k in range(len(found))]
    numbered(faces, [str(k + 1) for k in range(len(found))], 6).save(out / "photos.png")
    numbered(heads, letters, 2).save(out / "heads.png")
    key = {letters[k]: {"number": int(row) + 1, "photo": found[row][0].name} for k, row in enumerate(order)}
    (out / "key.json").write_text(json.dumps(key, indent=1))


def face(cell: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The head without the neck, out of a picture of the whole."""
    height, width = cell.shape[:2]
    return cell[: round(0.8 * height), round(0.14 * width) : round(0.86 * width)]


def numbered(cells: list[NDArray[np.uint8]], labels: list[str], columns: int) -> Image.Image:
    """Cells in rows with a label in the corner of each."""
    height, width = cells[0].shape[:2]
    sheet = Image.new("RGB", (columns * width, -(-len(cells) // columns) * height), "white")
    pen = ImageDraw.Draw(sheet)
    for k, (cell, label) in enumerate(zip(cells, labels, strict=True)):
        corner = (k % columns * width, k // columns * height)
        sheet.paste(Image.fromarray(np.ascontiguousarray(cell)), corner)
        pen.text((corner[0] + 8, corner[1] + 4), label, fill="red", font_size=36)
    return sheet


def verification(folder: Path, model: HeadModel) -> None:
    """Print how photos of one person agree with each other."""
    names, posteriors = [], []
    for path in sorted((folder / "people").glob("*/*.jpg")):
        pair = fitted(path, model)
        if pair is not None:
            names.append(person(path))
            posteriors.append(pair[1])
    count = len(names)
    distance = np.full((count, count), np.inf)
    for a in range(count):
        for b in range(a):
            apart = posteriors[a].identity - posteriors[b].identity
            joint = posteriors[a].identity_covariance() + posteriors[b].identity_covariance()
            # against what two people of the prior are apart, so that unknown directions do not count
            gain = np.linalg.inv(joint) - np.linalg.inv(joint + 2 * np.eye(len(apart)))
            distance[a, b] = distance[b, a] = float(apart @ gain @ apart)
    same = np.array([[x == y for x in names] for y in names])
    upper = np.triu_indices(count, 1)
    within, between = distance[upper][same[upper]], distance[upper][~same[upper]]
    nearest = np.mean([same[k, int(np.argmin(distance[k]))] for k in range(count)])
    chance = np.mean([(same[k].sum() - 1) / (count - 1) for k in range(count)])
    auc = float((within[:, None] < between[None]).mean())
    print(f"{count} photos of {len(set(names))} people: median distance within {np.median(within):.1f}, "
          f"between {np.median(between):.1f}; a pair of one person is nearer than a pair of two in {auc:.0%} of cases; "
          f"nearest photo is of the same person for {nearest:.0%} (chance {chance:.0%})")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", choices=("all", "development", "held-out"), default="held-out")
    options = parser.parse_args()
    model = HeadModel.load()
    options.output.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(options.seed)
    photos = {person(p): p for p in sorted(options.folder.rglob("*.jpg")) if p.parent.parent.name != "people"}
    chosen = [
        p for p in photos.values() if options.half == "all" or is_development(p) == (options.half == "development")
    ]
    sheets([chosen[k] for k in rng.choice(len(chosen), options.count, replace=False)], model, options.output, rng=rng)
    verification(options.folder, model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
