"""The head's 52 expressions beside ICT-FaceKit's of the same names: a table of distances, and a picture.

    PYTHONPATH=. python benchmarks/expressions.py --ict FOLDER [--model head.npz] [--sheet docs/expressions.jpg]

Ours are compared with ICT's offsets at the places of ICT's neutral face where our vertices lie after registration, on the skin
that both show; a vertex counts where ICT moves it by more than 0.5 mm. Sides are alike, so the left one stands for both. The
picture has two columns for each shape, both sides together: ours, ICT-FaceKit's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builders.head.base import load_base
from builders.head.expression_places import Correspondence, find_places
from builders.head.expression_source import ExpressionFace, expression_file, load_expression_face
from builders.head.regions import build_regions
from cephalon.geometry import Camera, Rigid, interpolate, rasterise_mesh, vertex_normals
from cephalon.head import HeadModel

Float = NDArray[np.float64]

MOVED_MM = 0.5
ONE_SIDED = ("jawLeft", "mouthLeft")
COLUMNS, CELL_PX, SPAN_MM, DISTANCE_MM = 4, 230, 165.0, 1200.0
LAMP = np.array([-0.5, -0.6, -0.6])


def row(model: HeadModel, places: Correspondence, face: ExpressionFace, name: str) -> tuple[float, float, float, float]:
    """Root mean square and 99 % quantile of the distance, the largest motion, all mm, and ours as a share of theirs."""
    turn = places.to_head.scale * places.to_head.rotation.T
    theirs = places.carry(face.expressions[name] @ turn)[places.matched]
    ours = model.expression_basis[model.expression_names.index(name)].astype(np.float64)[places.matched]
    moved = np.linalg.norm(theirs, axis=1) > MOVED_MM
    apart = np.linalg.norm(ours - theirs, axis=1)[moved]
    share = float((ours * theirs).sum() / (theirs**2).sum())
    return (
        float(np.sqrt((apart**2).mean())),
        float(np.quantile(apart, 0.99)),
        float(np.linalg.norm(theirs, axis=1).max()),
        share,
    )


def drawn(vertices: Float, faces: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A grey picture of a face from the front, square, sRGB."""
    flip = np.diag([1.0, -1.0, -1.0])
    pose = Rigid(rotation=flip, translation=np.array([0.0, 0.0, DISTANCE_MM]) - flip @ np.array([0.0, -20.0, 60.0]))
    size = 2 * CELL_PX
    points = pose.apply(vertices)
    raster = rasterise_mesh(points, faces, Camera(width=size, height=size, focal_px=size * DISTANCE_MM / SPAN_MM))
    normals = interpolate(raster, faces, vertex_normals(points, faces).astype(np.float32))
    normals /= np.maximum(np.linalg.norm(normals, axis=2, keepdims=True), 1e-9)
    light = 0.25 + 0.75 * np.clip(normals @ (LAMP / np.linalg.norm(LAMP)), 0, None)
    grey = np.where(raster.covered, 40 + 190 * light ** (1 / 1.6), 95).astype(np.float32)
    small = grey.reshape(CELL_PX, 2, CELL_PX, 2).mean(axis=(1, 3))
    return np.repeat(small[..., None], 3, axis=2).astype(np.uint8)


def sheet(model: HeadModel, places: Correspondence, face: ExpressionFace, names: list[str]) -> Image.Image:
    """Ours and theirs side by side, `COLUMNS` shapes in a row."""
    kept = np.concatenate([np.arange(p.faces.start, p.faces.stop) for n, p in model.parts.items() if "lashes" not in n])
    neutral, turn = places.to_head.apply(face.vertices), places.to_head.scale * places.to_head.rotation.T
    cells = []
    for name in names:
        both = {name} if name in ONE_SIDED else {name, name.replace("Left", "Right")}
        ours = model.vertices(model.code(expression=dict.fromkeys(both, 1.0)))
        theirs = neutral + sum(face.expressions[one] @ turn for one in both)
        cells.append(np.concatenate([drawn(ours, model.faces[kept]), drawn(theirs, face.triangles)], axis=1))
    while len(cells) % COLUMNS:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.concatenate(cells[i : i + COLUMNS], axis=1) for i in range(0, len(cells), COLUMNS)]
    return Image.fromarray(np.concatenate(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ict", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    model, base = HeadModel.load(options.model), load_base()
    face = load_expression_face(expression_file(options.ict))
    mean = np.asarray(model.mean, dtype=np.float64)
    places = find_places(base, mean, model.points(None, "ibug68"), build_regions(base), face)
    names = [name for name in model.expression_names if name in face.expressions and not name.endswith("Right")]
    print("| shape | rms mm | 99 % mm | ICT moves up to mm | ours / ICT |\n|---|---|---|---|---|")
    for name in names:
        rms, most, size, share = row(model, places, face, name)
        print(f"| {name} | {rms:.2f} | {most:.2f} | {size:.1f} | {share:.2f} |")
    if options.sheet:
        sheet(model, places, face, names).save(options.sheet, quality=85)


if __name__ == "__main__":
    main()
