"""Build src/cephalon/data/mediapipe_mesh.json: what Cephalon knows of the 478 points before it has seen a photo.

    python -m builders.landmark_mesh canonical_face_model.obj

The input is MediaPipe's canonical face model (Apache-2.0); regions come from the connections in the package
`mediapipe`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).parents[1] / "src/cephalon/data/mediapipe_mesh.json"
# The 68 points of the iBUG annotation on MediaPipe's mesh (jaw points only roughly: they lie on the contour).
IBUG68 = [
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
]  # fmt: skip
# Iris: centre, then four points of the rim. The mirrored rim runs the other way round.
IRIS_MIRROR = [473, 476, 475, 474, 477, 468, 471, 470, 469, 472]


def build(model: Path) -> dict:
    """Return the record as plain data."""
    from mediapipe.tasks.python.vision import FaceLandmarksConnections as Connections
    from scipy.spatial import cKDTree

    lines = model.read_text().splitlines()
    positions = np.array([[float(x) for x in line.split()[1:4]] for line in lines if line.startswith("v ")])
    distance, mirror = cKDTree(positions).query(positions * [-1.0, 1.0, 1.0])
    if len(positions) != 468 or distance.max() > 1e-6:
        raise SystemExit(f"{model}: expected 468 mirror-symmetric points")

    def ends(*names: str) -> set[int]:
        return {i for name in names for c in getattr(Connections, f"FACE_LANDMARKS_{name}") for i in (c.start, c.end)}

    neighbours: dict[int, set[int]] = {i: set() for i in range(468)}
    for connection in Connections.FACE_LANDMARKS_TESSELATION:
        neighbours[connection.start].add(connection.end)
        neighbours[connection.end].add(connection.start)

    def ring(core: set[int]) -> set[int]:
        return set().union(*(neighbours[i] for i in core)) - core

    eye, lips = ends("LEFT_EYE", "RIGHT_EYE"), ends("LIPS")
    brow, oval = ends("LEFT_EYEBROW", "RIGHT_EYEBROW"), ends("FACE_OVAL")
    nose = ends("NOSE") - {168}
    nose |= {i for i in ring(nose) if abs(positions[i, 0]) < 2.2 and positions[i, 1] < 2.2}
    # Rims and soft folds lie beside the feature that they belong to.
    lid = (ring(eye) | ring(ring(eye) | eye)) - brow - nose
    mouth = ring(lips) - nose
    border = ring(oval)
    regions: dict[str, list[int]] = {"iris": list(range(468, 478))}
    taken: set[int] = set()
    ordered = {"eye": eye, "lips": lips, "brow": brow, "oval": oval, "nose": nose, "lid": lid, "mouth": mouth}
    for name, members in (ordered | {"border": border}).items():
        regions[name] = sorted(members - taken)
        taken |= members
    regions["skin"] = sorted(set(range(468)) - taken)
    return {
        "format_version": 1,
        "source": "canonical_face_model.obj and FaceLandmarksConnections of google-ai-edge/mediapipe",
        "licence": "Apache-2.0",
        "unit": "cm; x to the person's left, y up, z out of the face",
        "positions": positions.round(6).tolist(),
        "mirror": [*map(int, mirror), *IRIS_MIRROR],
        "regions": regions,
        "ibug68": IBUG68,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="canonical_face_model.obj")
    record = build(parser.parse_args().model)
    rows = [f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in record.items()]
    OUTPUT.write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
