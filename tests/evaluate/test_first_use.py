"""`cephalon evaluate` as a researcher meets it: the docs' recipe, files as their owners give them, files that want too much."""

import json
import shlex
import time
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.evaluate.layout import read_facts
from cephalon.evaluate.meshes import load_landmarks
from tests.evaluate.conftest import arguments, refused, write_obj
from tests.evaluate.shapes import face, motion, moved


def test_the_recipe_of_the_docs(run, tmp_path):
    """The first lines of docs/evaluate.md, as they stand there: from nothing to a report within five minutes."""
    page = (Path(__file__).parents[2] / "docs" / "evaluate.md").read_text(encoding="utf-8")
    install, *lines = page.split("```sh\n", 1)[1].split("```", 1)[0].strip().splitlines()
    assert install.startswith("pip install")
    start = time.monotonic()
    for line in lines:
        program, verb, *arguments = shlex.split(line)
        assert (program, verb) == ("cephalon", "evaluate")
        code, _, err = run(*arguments)
        assert code == 0, err
    assert time.monotonic() - start < 300
    record = json.loads((tmp_path / "now-out/evaluate.json").read_text())
    mean, one, two = (
        record["methods"][name]["pooled"]["mean_mm"] for name in ("mean head", "one-photo", "with-profile")
    )
    assert two < one < 0.7 * mean
    assert record["failures"] == []
    assert (tmp_path / "now-out/report.html").stat().st_size > 100_000
    assert set(record["methods"]["one-photo"]["by"]["group"]) == {"front", "three-quarter"}
    refused(run("example", "--people", "0"), "--people")


def test_lists_and_landmarks_as_their_owners_give_them(run, now_folder, tmp_path):
    """An image list with folders in front, and Stirling's numbered landmarks."""
    names = [f"release/photos/FaMoS_00{i}/selfie/IMG_1.jpg" for i in range(4)]
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "points").mkdir()
    for i in range(4):
        points = load_landmarks(now_folder / f"landmarks/FaMoS_00{i}/scan.pp")
        rows = [f"{k} {x} {y} {z}" for k, (x, y, z) in enumerate(points.tolist(), 1)]
        (tmp_path / f"points/FaMoS_00{i}.lnd").write_text("\n".join(rows) + "\n")
    folders = ("--scans", now_folder / "scans", "--landmarks", "points", "--list", "list.txt")
    code, *_ = run("stirling", "--landmarks-only", "--predictions", now_folder / "good", *folders, "-o", "out")
    record = json.loads((tmp_path / "out/evaluate.json").read_text())
    assert code == 0
    assert record["methods"]["good"]["items"] == 4
    assert record["methods"]["good"]["failed"] == 0
    assert any("last three parts" in note for note in record["notes"])
    means = record["methods"]["good"]["means"]
    assert means["rmse_mm"] > means["mean_mm"]
    run("stirling", "--predictions", now_folder / "good", *folders, "-o", "out")
    as_now = json.loads((tmp_path / "out/evaluate.json").read_text())["methods"]["good"]["means"]["vertices"]
    assert as_now > 1.2 * means["vertices"]  # a ball of 1.4 holds more than one of 1.2
    (tmp_path / "other.txt").write_text("nobody/selfie/a.jpg\n")
    refused(run(*arguments(now_folder, now_folder / "good")[:-1], "other.txt"), "other.txt", "none of its 1 images")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\0")
    refused(run(*arguments(now_folder, now_folder / "good")[:-1], "picture.txt"), "picture.txt", "text file")


def test_one_topology_gives_vertex_to_vertex_errors(run, tmp_path):
    scan = face(40, 46, seed=1)
    write_obj(tmp_path / "scans/a.obj", scan)
    write_obj(tmp_path / "mine/a/x/p.obj", moved(face(40, 46, seed=2), motion([0, 0.1, 0], [3, 4, 5])))
    (tmp_path / "landmarks").mkdir()
    np.save(tmp_path / "landmarks/a.npy", scan.landmarks)
    np.save(tmp_path / "mine/a/x/p.npy", motion([0, 0.1, 0], [3, 4, 5]).apply(face(40, 46, seed=2).landmarks))
    code, *_ = run(
        "now", "--predictions", "mine", "--scans", "scans", "--landmarks", "landmarks", "--metrical", "-o", "out"
    )
    means = json.loads((tmp_path / "out/evaluate.json").read_text())["methods"]["mine"]["means"]
    assert code == 0
    assert means["vertex_mm"] > means["mean_mm"]


def test_files_that_want_too_much(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 3), }"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    (tmp_path / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    (tmp_path / "deep.json").write_text('{"points":' + "[" * 100_000)
    for name in ("huge.npy", "deep.json"):
        with pytest.raises(InputError, match=name):
            load_landmarks(tmp_path / name)


@pytest.mark.parametrize("text", ["name,age\na,\x00\rb", "name,age\n" + "x" * 200_000, "age\n3\n", ""])
def test_a_table_of_facts_that_is_none_is_one_sentence(tmp_path, text):
    (tmp_path / "facts.csv").write_bytes(text.encode())
    with pytest.raises(InputError, match="CSV table") as caught:
        read_facts(tmp_path / "facts.csv")
    assert "\n" not in str(caught.value)
