"""What several rooms' tests share: one reconstruction of the packaged portrait, made once."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


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
def data_folder() -> Path:
    """The folder of real photos and scans, if there is one (CEPHALON_TEST_DATA, or ../shared/data beside the checkout)."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CEPHALON_TEST_DATA", beside))
    if not folder.is_dir():
        pytest.skip("no folder of real photos: set CEPHALON_TEST_DATA")
    return folder
