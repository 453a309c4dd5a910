"""Build src/cephalon/data/demo/: the portrait of `cephalon demo` and its landmarks.

    python -m builders.demo                        (extras build and mediapipe, and the landmarker file)

The picture is NASA's portrait of Eileen Collins (public domain), as scikit-image ships it. Its landmarks are written to
a file, so that the demo needs neither MediaPipe nor the network. They are the landmarker's own points: what they are
worth is looked up when they are read.
"""

from __future__ import annotations

import json
from pathlib import Path

from cephalon.head import HeadModel
from cephalon.observe import MediaPipeLandmarks, MediaPipeOptions, landmarks_json
from cephalon.photo import Photo

FOLDER = Path(__file__).parents[1] / "src/cephalon/data/demo"
QUALITY = 95


def main() -> None:
    from PIL import Image
    from skimage.data import astronaut

    FOLDER.mkdir(parents=True, exist_ok=True)
    picture = FOLDER / "collins.jpg"
    Image.fromarray(astronaut()).save(picture, quality=QUALITY, subsampling=0, optimize=True)
    model = HeadModel.load()
    options = MediaPipeOptions(crops=6, noise="none")
    source = MediaPipeLandmarks(expression_names=model.expression_names, options=options)
    record = json.loads(landmarks_json(source.observe(Photo.open(picture)), model.expression_names))
    del record["covariance_px2"], record["visible"]
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in record.items()]
    (FOLDER / "collins.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
