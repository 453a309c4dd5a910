"""What several rooms' tests share: one reconstruction of the packaged portrait, made once."""

from __future__ import annotations

import errno
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def model():
    """The packaged head model."""
    from cephalon.head import HeadModel

    return HeadModel.load()


@pytest.fixture(scope="session")
def ours(model):
    """The packaged head model, beside other people's."""
    return model


@pytest.fixture(scope="session")
def flame_file(model, tmp_path_factory) -> Path:
    """A head model in FLAME's layout, pickled as its authors do, made from our own."""
    from tests.head.foreign_files import write_flame_pickle

    path = tmp_path_factory.mktemp("flame") / "generic_model.pkl"
    write_flame_pickle(path, model)
    return path


@pytest.fixture(scope="session")
def demo_files() -> tuple[Path, Path]:
    """The packaged portrait and its landmark file."""
    folder = Path(str(resources.files("cephalon") / "data" / "demo"))
    return folder / "collins.jpg", folder / "collins.json"


@pytest.fixture(scope="session")
def demo_head(demo_files):
    """The head of the packaged portrait, texture 512 px."""
    from cephalon.appearance import TextureOptions
    from cephalon.reconstruction import ReconstructOptions, reconstruct

    photo, landmarks = demo_files
    return reconstruct([photo], landmarks=[landmarks], options=ReconstructOptions(texture=TextureOptions(size=512)))


@pytest.fixture(scope="session")
def saved(demo_head, tmp_path_factory) -> Path:
    """The folder with the files of `demo_head`; read it, leave it as it is."""
    from cephalon import save

    folder = tmp_path_factory.mktemp("result") / "out"
    save(demo_head, folder)
    return folder


@pytest.fixture
def locked(monkeypatch) -> Callable[[Path], Path]:
    """Make a folder into which nothing can be written; for the superuser, who may, the system's refusal is played."""

    def make(folder: Path) -> Path:
        folder.mkdir(mode=0o500)
        if os.name == "posix" and os.geteuid() != 0:
            return folder

        def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(path: Any, *arguments: Any, **named: Any) -> Any:
                if (
                    isinstance(path, (str, os.PathLike))
                    and folder in Path(path).parents
                    and arguments[:1] != (os.O_RDONLY,)
                ):
                    raise PermissionError(errno.EACCES, "Permission denied", str(path))
                return real(path, *arguments, **named)

            return call

        for name in ("open", "mkdir"):
            monkeypatch.setattr(os, name, refusing(getattr(os, name)))
        return folder

    return make


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real photos and scans, if there is one (CEPHALON_TEST_DATA, or ../shared/data beside the checkout)."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CEPHALON_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no folder of real photos: set CEPHALON_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def blender() -> Callable[[Path, Path], dict[str, Any]]:
    """Blender, run outside: opens a GLB, returns what it holds. The Python with bpy is CEPHALON_BPY_PYTHON or this one."""
    python = os.environ.get("CEPHALON_BPY_PYTHON")
    if python is None:
        if importlib.util.find_spec("bpy") is None:
            pytest.skip("Blender as a module (bpy) is not installed, nor named by CEPHALON_BPY_PYTHON")
        python = sys.executable

    def run(source: Path, target: Path) -> dict[str, Any]:
        script = Path(__file__).parent / "files" / "blender_facts.py"
        done = subprocess.run(
            [python, script, source, target], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr[-2000:]
        with np.load(target) as arrays:
            return {name: arrays[name] for name in arrays.files}

    return run
