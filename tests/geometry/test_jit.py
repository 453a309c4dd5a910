"""Lazy compilation, the cache on disk, and what happens when there is no place for one."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cephalon.geometry.jit import Kernel

SMALL_RASTER = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
import cephalon.geometry as geometry
print("numba" in sys.modules)
raster = geometry.rasterise([[1, 1, 9.0], [8, 1, 9.0], [1, 8, 9.0]], [[0, 1, 2]], 9, 9)
print(int(raster.covered.sum()))
"""


def run(code: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_numba_loads_late_and_says_once_what_it_does(tmp_path: Path) -> None:
    message = "compiling the rasteriser (once, about 3 s)"
    environment = {"NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_DISABLE_JIT": "0"}
    assert run(SMALL_RASTER, **environment) == ["False", message, "21"]
    assert run(SMALL_RASTER, **environment) == ["False", "21"]


def test_works_without_compiling() -> None:
    assert run(SMALL_RASTER, NUMBA_DISABLE_JIT="1") == ["False", "21"]


def double(values: Any) -> None:
    for i in range(values.size):
        values[i] *= 2


def doubler() -> Kernel:
    return Kernel(double, lambda types: types.void(types.float64[::1]), "doubler", 1)


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the folder of the source nor the user's cache can be written to."""
    caching = pytest.importorskip("numba.core.caching")
    import numba

    if numba.config.DISABLE_JIT:
        pytest.skip("compilation is switched off")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    for name in vars(caching):
        if name.endswith(("CacheLocator", "CacheLocatorFsAgnostic")) and "UserProvided" not in name:
            locator = getattr(caching, name)
            if hasattr(locator, "from_function"):
                monkeypatch.setattr(locator, "from_function", classmethod(lambda cls, *arguments: None))


def works(kernel: Kernel) -> bool:
    import numpy as np

    values = np.arange(3.0)
    kernel(values)
    return values.tolist() == [0, 2, 4]


@pytest.mark.usefixtures("homeless")
def test_cache_moves_to_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    caplog.set_level(logging.INFO, logger="cephalon")
    assert works(doubler())
    (folder,) = tmp_path.iterdir()
    assert list(folder.rglob("*.nbi"))
    assert folder.stat().st_mode & 0o077 == 0
    assert works(doubler())
    assert [record.message for record in caplog.records] == ["compiling the doubler (once, about 1 s)"]


@pytest.mark.usefixtures("homeless")
def test_a_temporary_folder_open_to_others_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "getuid"):
        pytest.skip("no owners of files here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = tmp_path / f"cephalon-numba-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    assert works(doubler())
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("homeless")
def test_no_temporary_folder_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "is" / "not" / "there"))
    assert works(doubler())


@pytest.mark.usefixtures("homeless")
def test_a_damaged_cache_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert works(doubler())
    for file in tmp_path.rglob("*.nb?"):
        file.write_bytes(b"no longer code")
    caplog.set_level(logging.DEBUG, logger="cephalon")
    assert works(doubler())
    assert "not kept on disk" in caplog.text


@pytest.mark.usefixtures("homeless")
def test_a_mistake_in_a_kernel_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def broken(values: Any) -> None:
        values.no_such_thing()

    from numba.core.errors import TypingError

    with pytest.raises(TypingError):
        Kernel(broken, lambda types: types.void(types.float64[::1]), "broken", 1)(None)
