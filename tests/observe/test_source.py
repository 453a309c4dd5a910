"""Which landmark source is taken, and what to type when there is none."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from cephalon import assets
from cephalon.core import InputError
from cephalon.observe import FileLandmarks, LandmarkSource, MediaPipeLandmarks, default_source

from .faces import EXPRESSION_NAMES

MODEL = SimpleNamespace(expression_names=EXPRESSION_NAMES, point_sets={"now7": SimpleNamespace(names=tuple("abcdefg"))})


@pytest.fixture
def world(monkeypatch, tmp_path):
    """Whether the package and the file are there, as each test likes it."""
    monkeypatch.delenv(assets.TASK_VARIABLE, raising=False)
    monkeypatch.setenv(assets.DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setattr(assets, "_beside_checkout", list)

    def arrange(*, package: bool, task: bool):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: object() if package else None)
        if task:
            path = tmp_path / "data" / "mediapipe" / "face_landmarker.task"
            path.parent.mkdir(parents=True)
            path.write_bytes(b"x")

    return arrange


def test_a_file_comes_first(world):
    world(package=False, task=False)
    source: LandmarkSource = default_source("a.json", MODEL)
    assert isinstance(source, FileLandmarks)
    assert source.point_counts == {"now7": 7}


def test_mediapipe(world):
    world(package=True, task=True)
    assert isinstance(default_source(None, MODEL), MediaPipeLandmarks)


@pytest.mark.parametrize(
    ("package", "task", "line"),
    [
        (False, False, r"type  pip install 'cephalon\[mediapipe\]' && cephalon assets get mediapipe  or"),
        (True, False, r"type  cephalon assets get mediapipe  or"),
        (False, True, r"type  pip install 'cephalon\[mediapipe\]'  or"),
    ],
)
def test_the_line_to_type(world, package, task, line):
    world(package=package, task=task)
    with pytest.raises(InputError, match=line):
        default_source(None, MODEL)


def test_a_wrong_variable_is_named(world, monkeypatch, tmp_path):
    world(package=True, task=False)
    monkeypatch.setenv(assets.TASK_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(InputError, match=assets.TASK_VARIABLE):
        default_source(None, MODEL)
