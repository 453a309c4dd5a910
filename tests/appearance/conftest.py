"""What several tests of the appearance look at: the texels of a small texture, and where the mean head's skin lies."""

from __future__ import annotations

import pytest

from cephalon.appearance.texels import skin_texels
from cephalon.export import fine_mesh


@pytest.fixture(scope="package")
def texels(model):
    """Texels of a texture of 256 px."""
    return skin_texels(model, 256)


@pytest.fixture(scope="package")
def places(model):
    """Fine vertices (n, 3) mm of the mean head."""
    return fine_mesh(model).operator @ model.mean
