"""Small folders in the layouts of the data sets, made once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cephalon.cli import main
from tests.evaluate.shapes import face, motion, moved


def write_obj(path: Path, shape, scale: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as file:
        np.savetxt(file, shape.vertices * scale, "v %.8f %.8f %.8f")
        if len(shape.faces):
            np.savetxt(file, shape.faces + 1, "f %d %d %d")


def write_pp(path: Path, points) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = "".join(
        f' <point active="1" name="{i}" x="{x}" z="{z}" y="{y}"/>\n'
        for i, (x, y, z) in enumerate(np.asarray(points).tolist())
    )
    path.write_text(f"<!DOCTYPE PickedPoints>\n<PickedPoints>\n{rows}</PickedPoints>\n")


@pytest.fixture(scope="session")
def now_folder(tmp_path_factory) -> Path:
    """NoW: four subjects with an image in each of two challenges, methods `good` (mm, .npy) and `flat` (metres, .txt)."""
    root = tmp_path_factory.mktemp("now")
    images = []
    for number in range(4):
        subject = f"FaMoS_{number:03d}"
        scan = moved(face(50, 60, seed=number), motion([0.1, 0.2, 0.0], [10, 20, -30]))
        write_obj(root / "scans" / subject / "scan.obj", scan)
        write_pp(root / "landmarks" / subject / "scan.pp", scan.landmarks)
        for image, challenge in enumerate(("multiview_neutral", "selfie")):
            name = f"{subject}/{challenge}/IMG_{image}"
            images.append(f"{name}.jpg")
            good = face(30, 34, seed=number)
            good = moved(good, motion([0, 0.02 * image, 0], [image, 0, 0], 1.01 + 0.01 * image))
            write_obj(root / "good" / f"{name}.obj", good)
            np.save(root / "good" / f"{name}.npy", good.landmarks)
            flat = face(25, 30, seed=100 + image)
            write_obj(root / "flat" / f"{name}.obj", flat, 0.001)
            np.savetxt(root / "flat" / f"{name}.txt", flat.landmarks * 0.001)
    (root / "images.txt").write_text("\n".join(images) + "\n")
    return root


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            code = main(["evaluate", *(str(argument) for argument in arguments)])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def refused(result, *words) -> None:
    """Exit code 2 and one sentence with these words in it."""
    code, _, err = result
    lines = [line for line in err.strip().split("\n") if line.startswith("cephalon:")]
    assert code == 2, err
    assert len(lines) == 1
    assert "Traceback" not in err
    for word in words:
        assert word in lines[0], lines[0]


def arguments(root, *methods):
    return [
        "now",
        "--predictions",
        *methods,
        "--scans",
        root / "scans",
        "--landmarks",
        root / "landmarks",
        "--list",
        root / "images.txt",
    ]
