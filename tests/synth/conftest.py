"""A library without any data folder, and a few pictures rendered with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from cephalon.synth.options import CameraOptions, SampleOptions
from cephalon.synth.render import Rendering, render
from cephalon.synth.scene import Scene, draw_scenes
from cephalon.synth.stock import Library, load_library
from cephalon.synth.truth import HeadMaps, Maps, head_maps, picture_maps

SIZE = 96


@dataclass(frozen=True)
class Shot:
    stock: Library
    scene: Scene
    rendering: Rendering
    maps: Maps
    over: HeadMaps


@pytest.fixture(scope="session")
def library() -> Library:
    return load_library(None, 256)


@pytest.fixture(scope="session")
def options() -> SampleOptions:
    camera = CameraOptions(
        head_share=(0.6, 0.8), shift=0.02, yaw_deg=(25.0, 60.0), pitch_deg=(8.0, 20.0), roll_deg=(6.0, 20.0), wide=0.0
    )
    return replace(SampleOptions(size=SIZE), camera=camera)


@pytest.fixture(scope="session")
def shots(library, options) -> list[Shot]:
    found = []
    for seed in range(5):
        scene = draw_scenes(library, options, rng=np.random.default_rng([5, seed]))[0]
        rendering = render(library, scene, supersample=2, texture=256)
        found.append(
            Shot(
                library, scene, rendering, picture_maps(library, scene, rendering), head_maps(library, scene, rendering)
            )
        )
    return found
