"""Commands of the picture protocols on small folders, and the report in a browser."""

import json
import time

import numpy as np
import pytest

from cephalon.cli import main
from cephalon.core import InputError
from cephalon.evaluate.maps import colours, head_frame
from cephalon.evaluate.page import page_html
from cephalon.evaluate.pictures import read_arrays
from cephalon.files.png import write_png
from tests.evaluate.shapes import face
from tests.evaluate.test_protocols import bump
from tests.report.browser import Browser, find_chrome


def run(*arguments) -> int:
    try:
        return main(["evaluate", *(str(argument) for argument in arguments)])
    except SystemExit as stop:
        return stop.code


def record(folder):
    return json.loads((folder / "out/evaluate.json").read_text())


def test_normals_command(tmp_path):
    n, _, mask = bump(32)
    for name, tilt in (("truth", 0.0), ("mine", 0.1)):
        (tmp_path / name).mkdir()
        for i in range(3):
            np.savez(tmp_path / name / f"p{i}.npz", normals=n + np.array([tilt, 0, 0]), mask=mask)
    (tmp_path / "mine/p2.npz").unlink()
    assert (
        run("normals", "--predictions", tmp_path / "mine", "--truth", tmp_path / "truth", "-o", tmp_path / "out") == 0
    )
    found = record(tmp_path)
    assert found["methods"]["mine"]["failed"] == 1
    assert 3 < found["methods"]["mine"]["means"]["mean_deg"] < 6


def test_integration_command(tmp_path):
    n, depth, mask = bump(48)
    (tmp_path / "maps").mkdir()
    np.savez(tmp_path / "maps/one.npz", normals=n, magnitude=np.zeros_like(depth), mask=mask, depth=depth)
    np.savez(tmp_path / "maps/two.npz", normals=n)
    assert run("integration", "--maps", tmp_path / "maps", "--lambdas", "0,0.1", "-o", tmp_path / "out") == 0
    found = record(tmp_path)
    ways = ["flat", "Frankot-Chellappa", "DCT Poisson", "least squares, unweighted", "least squares, λ = 0.1"]
    assert list(found["methods"]) == ways
    assert all(found["methods"][way]["failed"] == 1 for way in ways)  # the broken file counts in every row
    assert found["methods"]["flat"]["means"]["sigma_px"] > 1
    assert "missing: magnitude" in found["failures"][0]["reason"]
    assert found["methods"]["least squares, unweighted"]["means"]["sigma_px"] < 0.1


def test_texture_command(tmp_path):
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 255, (32, 32, 3)).astype(np.uint8)
    seen = np.zeros((32, 32), np.uint8)
    seen[:, :12] = 255
    for name in ("truth", "mine"):
        (tmp_path / name).mkdir()
        write_png(tmp_path / name / "anna.png", truth)
    write_png(tmp_path / "truth/anna.seen.png", seen)
    assert (
        run("texture", "--predictions", tmp_path / "mine", "--truth", tmp_path / "truth", "-o", tmp_path / "out") == 0
    )
    found = record(tmp_path)["methods"]
    assert list(found) == ["mean skin", "mirrored", "mirrored + smooth fill", "mine"]
    assert found["mine"]["means"]["mse_other_side"] == 0
    assert found["mean skin"]["means"]["mse_other_side"] > 0.001
    assert found["mine"]["means"]["mse_unseen"] == 0
    assert found["mirrored"]["means"]["mse_unseen"] > 0.01
    assert found["mirrored"]["means"]["mse_seen"] == 0


def test_tracking_command(tmp_path):
    shape = face(8, 9).vertices
    for name, off in (("truth", 0.0), ("mine", 4.0)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "clip.npz", depth=np.full((3, 5, 5), 600.0 + off), neutral=np.stack([shape] * 3))
    assert (
        run("tracking", "--predictions", tmp_path / "mine", "--truth", tmp_path / "truth", "-o", tmp_path / "out") == 0
    )
    found = record(tmp_path)
    assert found["methods"]["mine"]["means"]["depth_rmse_mm"] == pytest.approx(4)
    assert found["methods"]["flat"]["means"]["depth_rmse_mm"] == 0  # the truth is a plane
    assert list(found["methods"]) == ["flat", "mine"]
    np.savez(tmp_path / "mine/clip.npz", neutral=np.stack([shape] * 3))
    run("tracking", "--predictions", tmp_path / "mine", "--truth", tmp_path / "truth", "-o", tmp_path / "out")
    assert any("mine has no depth in clip" in note for note in record(tmp_path)["notes"])


def test_a_folder_where_all_predictions_are_missing_is_an_error(tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "truth").mkdir()
    n, _, mask = bump(16)
    np.savez(tmp_path / "truth/one.npz", normals=n, mask=mask)
    assert (
        run("normals", "--predictions", tmp_path / "mine", "--truth", tmp_path / "truth", "-o", tmp_path / "out") == 2
    )
    assert "the prediction is missing" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_arrays_that_are_none(tmp_path):
    (tmp_path / "words.npz").write_text("no")
    np.savez(tmp_path / "text.npz", depth=np.array(["a", "b"]))
    np.savez(tmp_path / "objects.npz", depth=np.array([{}, 1], dtype=object))
    for name, reason in (
        ("words", "not a readable"),
        ("text", "no array of numbers"),
        ("objects", "missing: depth .* not read"),
    ):
        with pytest.raises(InputError, match=reason):
            read_arrays(tmp_path / f"{name}.npz", ("depth",))


@pytest.mark.parametrize("protocol", ["normals", "texture", "tracking"])
def test_missing_folders(tmp_path, protocol, capsys):
    (tmp_path / "truth").mkdir()
    assert run(protocol, "--predictions", tmp_path / "no", "--truth", tmp_path / "truth", "-o", tmp_path / "out") == 2
    assert "no such folder" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    assert run(protocol, "--predictions", tmp_path / "mine", "--truth", tmp_path / "truth", "-o", tmp_path / "out") == 2
    assert "nothing to judge" in capsys.readouterr().err


def test_colours_run_from_the_first_to_the_last():
    found = colours([0.0, 2.5, 5.0, 99.0])
    assert np.array_equal(found[2], found[3])
    assert not np.array_equal(found[0], found[1])


def test_head_frame_is_a_rotation():
    frame = head_frame(face().landmarks)
    assert np.allclose(frame @ frame.T, np.eye(3))
    assert np.linalg.det(frame) == pytest.approx(1)
    assert np.array_equal(head_frame(None), np.eye(3))


def document(method="<script>alert(1)</script>"):
    entry = {
        "items": 3, "failed": 1, "subjects": 3, "pooled": {"count": 9, "median_mm": 1.0, "mean_mm": 1.2, "std_mm": 0.9},
        "interval95": {"mean_mm": [1.0, 1.4]}, "means": {}, "main_interval95": [], "main_values": [1.0, 1.2],
        "curve": {"mm": [0.0, 3.5, 7.0], "share": [0.0, 0.9, 1.0]}, "by": {}, "hidden": {"regions_mm": {"nose": 1.0}},
    }  # fmt: skip
    return {
        "protocol": "now", "metrical": False, "cephalon": "0", "baselines": ["mean head"],
        "main_figure": "mean_mm", "methods": {"mean head": entry, method: entry},
        "paired_tests": [], "failures": [{"method": method, "name": "x\u202ey", "reason": "a & b"}], "published": None,
        "notes": [], "settings": {"predictions": {"a": "/x"}},
    }  # fmt: skip


def test_page_escapes_and_asks_for_nothing():
    page = page_html(document())
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert page == page_html(document())


def test_page_opens_in_a_browser(tmp_path):
    chrome = find_chrome()
    if chrome is None:
        pytest.skip("no Chromium: set CEPHALON_CHROME")
    (tmp_path / "page.html").write_text(page_html(document("a method")))
    with Browser(chrome) as browser:
        browser.call("Page.navigate", url=(tmp_path / "page.html").as_uri())
        deadline = time.monotonic() + 30
        while browser.evaluate("document.querySelectorAll('section').length && document.readyState") != "complete":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert (
            browser.evaluate("getComputedStyle(document.querySelector('th')).textAlign") == "left"
        )  # the style applies
        assert browser.evaluate("document.querySelector('#curves svg').getBoundingClientRect().height") > 100
        assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert browser.problems == []
        assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []
