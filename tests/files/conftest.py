"""A small head-like scene that uses everything the writers can write, and the Khronos validator."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cephalon.files import GltfJoint, GltfMaterial, GltfScene, png_bytes, primitive_from_polygons
from cephalon.geometry import Mesh, vertex_normals

MORPH_NAMES = ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "tongueOut")


def ball(radius_mm: float, rows: int, columns: int, centre: tuple[float, float, float]) -> Mesh:
    """A sphere of quads with triangles at the poles; its uv has a seam at the front and one column per pole corner."""
    polar = np.linspace(0, np.pi, rows + 1)[1:-1]
    around = np.linspace(0, 2 * np.pi, columns, endpoint=False)
    ring = np.stack([np.sin(around), np.zeros(columns), np.cos(around)], axis=1)
    rings = [np.sin(p) * ring + np.array([0, np.cos(p), 0]) for p in polar]
    vertices = np.concatenate([[[0, 1, 0]], *rings, [[0, -1, 0]]]) * radius_mm + np.array(centre)
    last = len(vertices) - 1
    polygons, polygons_uv = [], []
    grid = columns + 1
    for c in range(columns):
        d = (c + 1) % columns
        polygons.append([0, 1 + c, 1 + d, -1])
        polygons_uv.append([c, grid + c, grid + c + 1, -1])
        for r in range(rows - 2):
            a, b = 1 + r * columns, 1 + (r + 1) * columns
            polygons.append([a + c, b + c, b + d, a + d])
            ua, ub = (r + 1) * grid, (r + 2) * grid
            polygons_uv.append([ua + c, ub + c, ub + c + 1, ua + c + 1])
        bottom = 1 + (rows - 2) * columns
        polygons.append([bottom + d, bottom + c, last, -1])
        polygons_uv.append([(rows - 1) * grid + c + 1, (rows - 1) * grid + c, rows * grid + c, -1])
    v, u = np.meshgrid(1 - np.linspace(0, 1, rows + 1), np.linspace(0, 1, grid), indexing="ij")
    uv = np.stack([u.ravel(), v.ravel()], axis=1)
    return Mesh(vertices=vertices, polygons=np.array(polygons), uv=uv, polygons_uv=np.array(polygons_uv))


def texture() -> np.ndarray:
    y, x = np.mgrid[0:64, 0:64]
    return np.stack([x * 4, y * 4, 128 + 0 * x], axis=-1).astype(np.uint8)


def make_scene(rows: int = 12, columns: int = 16, **changes: Any) -> GltfScene:
    """A skin and an eye (two primitives, two materials), three joints, four targets, one picture."""
    skin, eye = ball(100, rows, columns, (0, 20, 0)), ball(12, 8, 10, (31, 30, 85))
    joints = (
        GltfJoint(name="neck", parent=-1, position=(0.0, -60.0, -10.0)),
        GltfJoint(name="head", parent=0, position=(0.0, -10.0, 0.0)),
        GltfJoint(name="leftEye", parent=1, position=(31.0, 30.0, 85.0)),
    )
    y = (skin.vertices[:, 1] - 20) / 100
    weights = np.stack([np.clip(-y, 0, 1), 1 - np.clip(-y, 0, 1), 0 * y], axis=1)
    deltas = np.zeros((4, len(y), 3), dtype=np.float32)
    deltas[0, y < -0.3, 1] = -8.0
    deltas[1, 5:9] = [1.0, -2.0, 0.5]
    deltas[2] = (skin.vertices * 0.05).astype(np.float32)
    normal_deltas = np.zeros_like(deltas)
    normal_deltas[0, y < -0.3, 2] = 0.25
    eye_deltas = np.zeros((4, len(eye.vertices), 3), dtype=np.float32)
    eye_deltas[3, :, 2] = 0.5
    settings: dict[str, Any] = {
        "primitives": (
            primitive_from_polygons(
                name="skin",
                vertices=skin.vertices,
                polygons=skin.polygons,
                uv=skin.uv,
                polygons_uv=skin.polygons_uv,
                normals=vertex_normals(skin.vertices, skin.faces),
                skinning_weights=weights,
                morph_deltas=deltas,
                morph_normals=normal_deltas,
                material=0,
            ),
            primitive_from_polygons(
                name="left_eye",
                vertices=eye.vertices,
                polygons=eye.polygons,
                uv=eye.uv,
                polygons_uv=eye.polygons_uv,
                normals=vertex_normals(eye.vertices, eye.faces),
                skinning_weights=np.tile([0.0, 0.0, 1.0], (len(eye.vertices), 1)),
                morph_deltas=eye_deltas,
                material=1,
            ),
        ),
        "materials": (
            GltfMaterial(name="skin", base_color_image=png_bytes(texture()), roughness=0.6, ior=1.4, specular=0.8),
            GltfMaterial(
                name="eye",
                base_color=(0.9, 0.9, 0.88, 0.5),
                base_color_image=png_bytes(texture()),
                roughness=0.1,
                alpha_mode="BLEND",
                double_sided=True,
                clearcoat=1.0,
                clearcoat_roughness=0.05,
                transmission=0.0,
            ),
        ),
        "joints": joints,
        "morph_names": MORPH_NAMES,
        "extras": {"cephalon": {"format_version": 1}},
        "copyright": "CC0-1.0",
    }
    return GltfScene(**(settings | changes))


@pytest.fixture(scope="session")
def scene() -> GltfScene:
    return make_scene()


@pytest.fixture(scope="session")
def scene_maker() -> Callable[..., GltfScene]:
    return make_scene


@pytest.fixture(scope="session")
def ball_maker() -> Callable[..., Mesh]:
    return ball


@pytest.fixture(scope="session")
def validate() -> Callable[[Path], dict[str, Any]]:
    """The Khronos validator's `issues` of a file; skips the test where the validator cannot be had."""
    path = Path(__file__).parents[1] / "tools" / "gltf_validator.py"
    spec = importlib.util.spec_from_file_location("gltf_validator", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)

    def judge(file: Path) -> dict[str, Any]:
        try:
            return module.validate(file)["issues"]
        except module.ValidatorMissingError as error:
            if os.environ.get("CEPHALON_REQUIRE_VALIDATOR"):
                raise
            pytest.skip(str(error))

    return judge
