"""The command line: what it writes, and one clear sentence with the right exit code for whatever goes wrong."""

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from cephalon.cli import main
from cephalon.files.glb import read_glb
from cephalon.files.png import read_png, write_png


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def one_sentence(text: str) -> bool:
    lines = [line for line in text.strip().split("\n") if line.startswith("cephalon:")]
    return len(lines) == 1 and "Traceback" not in text


def test_help_is_quick_and_light():
    code = "import sys; sys.argv = ['cephalon', '--help']\nfrom cephalon.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print([m for m in ('numba', 'scipy', 'PIL', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")
    assert "reconstruct" in done.stdout


def test_reconstruct_writes_what_it_says(run, demo_files, tmp_path):
    photo, landmarks = demo_files
    code, out, _ = run("reconstruct", photo, "--landmarks", landmarks, "-o", "head", "--no-texture", "--no-report")
    assert code == 0
    assert "interpupillary distance" in out
    assert (tmp_path / "head/head.glb").is_file()
    assert not (tmp_path / "head/report.html").exists()
    code, out, _ = run("info", "head/head.glb", "--json")
    assert code == 0
    assert "jawOpen" in json.loads(out)["morph_targets"]
    code, out, _ = run("info", "head")
    assert code == 0
    assert "converged" in out


def test_json_goes_to_stdout_alone(run, demo_files):
    photo, landmarks = demo_files
    code, out, _ = run(
        "reconstruct", photo, "--landmarks", landmarks, "-o", "o", "--no-texture", "--no-report", "--json"
    )
    assert code == 0
    assert json.loads(out)["measures"]["head breadth"]["mm"] > 100


def test_head_of_nobody(run, tmp_path):
    assert run("head", "--age", "34", "--sex", "female", "--seed", "7", "-o", "a.glb")[0] == 0
    assert run("head", "--age", "34", "--sex", "female", "--seed", "7", "-o", "b.glb")[0] == 0
    assert run("head", "--age", "34", "--sex", "male", "--seed", "7", "-o", "c.glb")[0] == 0
    assert (tmp_path / "a.glb").read_bytes() == (tmp_path / "b.glb").read_bytes()
    woman, man = (read_glb(tmp_path / name).primitives[0].positions for name in ("a.glb", "c.glb"))
    assert np.abs(woman - man).max() > 1
    assert run("head", "-o", "mean.obj", "--expression", "jawOpen=1")[0] == 0
    assert (tmp_path / "mean.mtl").is_file()


def test_sheet(run, tmp_path):
    assert run("head", "--sheet", "modes.png")[0] == 0
    assert read_png(tmp_path / "modes.png").std() > 20


@pytest.mark.parametrize(
    "arguments",
    [
        ("head",),
        ("head", "-o", "head.fbx"),
        ("head", "--age", "2", "-o", "h.glb"),
        ("head", "--age", "nan", "-o", "h.glb"),
        ("head", "-o", "h.glb", "--expression", "jawOpen=2"),
        ("head", "-o", "h.glb", "--expression", "smile=1"),
        ("head", "-o", "h.glb", "--expression", "jawOpen"),
        ("head", "-o", "missing/folder/h.glb"),
        ("head", "-o", "h.glb", "--seed", "-1"),
        ("head", "--sheet", "sheet.txt"),
        ("head", "-o", "x" * 300 + ".glb"),
        ("convert", "nothing.obj", "-o", "h.stl"),
        ("convert", "nothing.png", "-o", "h.stl"),
        ("info", "nothing.glb"),
        ("assets", "get"),
        ("assets", "get", "moon"),
        ("reconstruct",),
        ("frobnicate",),
        (),
    ],
)
def test_wrong_use_is_two(run, arguments):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.strip()
    assert "Traceback" not in err


def _truncated(source: Path, target: Path) -> None:
    data = source.read_bytes()
    target.write_bytes(data[: len(data) // 3])


@pytest.mark.parametrize("case", ["missing", "folder", "text", "truncated", "empty", "tiny"])
def test_unreadable_photos(run, demo_files, tmp_path, case):
    photo = tmp_path / "photo.jpg"
    if case == "folder":
        photo.mkdir()
    elif case == "text":
        photo.write_text("not an image")
    elif case == "truncated":
        _truncated(demo_files[0], photo)
    elif case == "empty":
        photo.write_bytes(b"")
    elif case == "tiny":
        write_png(photo, np.zeros((2, 2, 3), dtype=np.uint8))
    code, _, err = run("reconstruct", photo, "--landmarks", demo_files[1], "-o", "out")
    assert code == 2
    assert one_sentence(err), err
    assert not (tmp_path / "out").exists()


def test_info_on_each_kind_of_file(run, demo_files, tmp_path):
    photo, landmarks = demo_files
    assert "512" in run("info", photo)[1]
    assert "mediapipe478" in run("info", landmarks)[1]
    code, out, _ = run("info", Path(str(photo)).parents[1] / "head.npz", "--json")
    assert code == 0
    assert json.loads(out)["expressions"] == 52
    assert run("head", "-o", "mean.obj")[0] == 0
    assert "skin" in run("info", "mean.obj")[1]
    (tmp_path / "code.json").write_text('{"schema": "cephalon.code", "model": {"name": "M"}, "identity": [0.5, 1]}')
    assert "2 numbers" in run("info", "code.json")[1]
    (tmp_path / "code.json").write_text('{"schema": "cephalon.code"}')
    code, _, err = run("info", "code.json")
    assert (code, one_sentence(err)) == (2, True)
    (tmp_path / "page.html").write_text("<html>")
    code, _, err = run("info", "page.html")
    assert (code, one_sentence(err)) == (2, True)
    assert "info knows photos" in err
    (tmp_path / "strange.json").write_text("[1, 2]")
    code, _, err = run("info", "strange.json")
    assert code == 2
    assert one_sentence(err), err


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", 2),
        ("[]", 2),
        ('{"set": "mediapipe478", "points": [[1, 2]]}', 2),
        ('{"set": "nonsense", "points": []}', 2),
        ('{"set": "ibug68", "points": ' + json.dumps([[float(i), "x"] for i in range(68)]) + "}", 2),
    ],
)
def test_bad_landmark_files(run, demo_files, tmp_path, text, code):
    (tmp_path / "points.json").write_text(text)
    found, _, err = run("reconstruct", demo_files[0], "--landmarks", "points.json", "-o", "out")
    assert found == code
    assert one_sentence(err), err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "option", [("--ipd", "0"), ("--ipd", "nan"), ("--age", "-1"), ("--focal35", "0"), ("--focal35", "inf")]
)
def test_impossible_numbers(run, demo_files, tmp_path, option):
    photo, landmarks = demo_files
    code, _, err = run("reconstruct", photo, "--landmarks", landmarks, "-o", "out", *option)
    assert code == 2
    assert one_sentence(err), err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_things_is_left_alone(run, demo_files, tmp_path):
    photo, landmarks = demo_files
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years of work")
    code, _, err = run("reconstruct", photo, "--landmarks", landmarks, "-o", "mine")
    assert code == 2
    assert "--force" in err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_unwritable_folder(run, demo_files, tmp_path, locked):
    photo, landmarks = demo_files
    place = locked(tmp_path / "locked")
    for arguments in (
        ("reconstruct", photo, "--landmarks", landmarks, "-o", place / "out"),
        ("head", "-o", place / "head.glb"),
        ("head", "-o", place / "head.obj"),
    ):
        code, _, err = run(*arguments)
        assert code == 2
        assert one_sentence(err), err
        assert "permission" in err
    assert not list(place.iterdir())


def test_full_disk_leaves_nothing(run, demo_files, tmp_path, monkeypatch):
    photo, landmarks = demo_files
    real = os.write

    def full(handle, data):
        if len(data) > 100_000:
            raise OSError(28, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr(os, "write", full)
    code, _, err = run("reconstruct", photo, "--landmarks", landmarks, "-o", "out", "--no-texture", "--no-report")
    monkeypatch.undo()
    assert code == 2
    assert "full" in err
    assert not [path for path in tmp_path.iterdir() if path.name != "points.json"]


def test_lists(run):
    code, out, _ = run("licenses")
    assert code == 0
    assert "Apache-2.0" in out
    assert "CC0" in out
    code, out, _ = run("assets", "list")
    assert code == 0
    assert "mediapipe" in out
    code, out, _ = run("cite")
    assert code == 0
    assert "@software" in out


def test_nothing_is_written_over_without_force(run, tmp_path):
    (tmp_path / "a.mtl").write_text("mine")
    (tmp_path / "b.glb").write_text("mine")
    for name in ("a.obj", "b.glb"):
        code, _, err = run("head", "-o", name)
        assert code == 2
        assert "--force" in err
    assert (tmp_path / "a.mtl").read_text() == "mine"
    assert run("head", "-o", "a.obj", "--force")[0] == 0
    assert b"newmtl" in (tmp_path / "a.mtl").read_bytes()


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**5))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (0, 10)])
def test_pictures_of_impossible_size(run, demo_files, tmp_path, size):
    (tmp_path / "bomb.png").write_bytes(_png_header(*size))
    for command in (("reconstruct", "bomb.png", "--landmarks", demo_files[1], "-o", "out"), ("info", "bomb.png")):
        code, _, err = run(*command)
        assert code == 2
        assert one_sentence(err), err
    assert [path.name for path in tmp_path.iterdir()] == ["bomb.png"]


@pytest.mark.parametrize(
    "ending", ["glb", "obj", "ply", "stl", "json", "pts", "npz", "pkl", "mat", "h5", "png", "usdz"]
)
@pytest.mark.parametrize("content", [b"", b"hello world\n1 2 3\n", bytes(range(256)) * 20, b"PK\x03\x04" + bytes(50)])
def test_garbage_in_any_kind_of_file(run, tmp_path, ending, content):
    """`info` and `convert` say in one sentence what is wrong, and write nothing."""
    (tmp_path / f"g.{ending}").write_bytes(content)
    for command in (
        ("info", f"g.{ending}"),
        ("convert", f"g.{ending}", "--unit", "mm", "-o", "c.stl"),
        ("convert", f"g.{ending}", "--unit", "mm", "--to", f"g.{ending}", "-o", "c.obj"),
    ):
        code, _, err = run(*command)
        assert code == 2, err
        assert one_sentence(err), err
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02cposix\nsystem\n.", b"\x89HDF\r\n\x1a\n" + bytes(99), b"PK\x05\x06" + bytes(18)]
)
def test_a_model_that_is_none(run, demo_files, tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    photo, landmarks = demo_files
    code, _, err = run("reconstruct", photo, "--landmarks", landmarks, "--model", "m", "-o", "out")
    assert code == 2
    assert one_sentence(err), err
    assert not (tmp_path / "out").exists()


def test_a_result_that_is_not_complete(run, tmp_path):
    (tmp_path / "fit.json").write_text('{"schema": "cephalon.fit", "format_version": 1, "photos": 5}')
    for command in (("info", "fit.json"), ("convert", "fit.json", "-o", "c.obj")):
        code, _, err = run(*command)
        assert code == 2
        assert one_sentence(err), err


def test_info_on_stl(run):
    assert run("head", "-o", "head.stl")[0] == 0
    code, out, _ = run("info", "head.stl", "--json")
    assert code == 0
    assert json.loads(out)["closed"] is True


def test_python_m(tmp_path):
    done = subprocess.run([sys.executable, "-m", "cephalon", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cephalon 0.")
