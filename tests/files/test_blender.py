"""Blender, run outside as `python -m pip install bpy` brings it, opens our GLB and moves it.

The Python that has bpy is named by CEPHALON_BPY_PYTHON, or is the one that runs the tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cephalon.files import GltfScene, write_glb

pytestmark = pytest.mark.slow


def y_up(points: np.ndarray) -> np.ndarray:
    """Blender's z-up metres to glTF's y-up metres."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], axis=-1)


def test_blender_opens_it(scene: GltfScene, tmp_path: Path, blender: Callable[..., dict[str, Any]]) -> None:
    write_glb(tmp_path / "a.glb", scene)
    found = blender(tmp_path / "a.glb", tmp_path / "facts.npz")
    facts = json.loads(str(found["facts"]))
    assert facts["keys"] == ["Basis", *scene.morph_names]
    assert facts["materials"] == ["skin", "eye"]
    assert facts["images"] == ["skin_base_color"]
    assert facts["matrix_world"] == np.eye(4).tolist()

    rest = np.concatenate([p.positions for p in scene.primitives]) / 1000
    np.testing.assert_allclose(y_up(found["key Basis"]), rest, atol=1e-5)
    for index, name in enumerate(scene.morph_names):
        deltas = [p.morph_deltas[index] for p in scene.primitives if p.morph_deltas is not None]
        np.testing.assert_allclose(y_up(found[f"key {name}"]), rest + np.concatenate(deltas) / 1000, atol=1e-5)

    assert list(facts["bones"]) == [joint.name for joint in scene.joints]
    for joint in scene.joints:
        np.testing.assert_allclose(
            y_up(np.array(facts["bones"][joint.name])), np.array(joint.position) / 1000, atol=1e-5
        )
        parent = None if joint.parent < 0 else scene.joints[joint.parent].name
        assert facts["parents"][joint.name] == parent
    strongest = np.concatenate([p.joints_indices[:, 0] for p in scene.primitives if p.joints_indices is not None])
    assert facts["dominant"] == [scene.joints[i].name for i in strongest]

    uv = np.concatenate([p.uv for p in scene.primitives if p.uv is not None])
    np.testing.assert_allclose(found["uv"], uv[found["loops"]], atol=1e-5)  # Blender's origin is ours


def test_jaw_and_head_move_as_skinning_says(
    scene: GltfScene, tmp_path: Path, blender: Callable[..., dict[str, Any]]
) -> None:
    """jawOpen at 1 and the head bone turned in Blender: the same vertices as our own linear blend skinning."""
    write_glb(tmp_path / "a.glb", scene)
    found = blender(tmp_path / "a.glb", tmp_path / "facts.npz")
    posed = y_up(found["posed"]) * 1000
    rest = np.concatenate([p.positions + p.morph_deltas[0] for p in scene.primitives if p.morph_deltas is not None])
    weights = np.zeros((len(rest), 3))
    at = 0
    for primitive in scene.primitives:
        assert primitive.joints_indices is not None
        assert primitive.joints_weights is not None
        rows = np.arange(at, at + len(primitive.positions))
        np.add.at(weights, (rows[:, None], primitive.joints_indices), primitive.joints_weights)
        at += len(rows)
    head_weight = weights[:, 1] + weights[:, 2]
    pivot = np.array(scene.joints[1].position)
    rigid = head_weight > 0.999
    still = head_weight < 1e-6
    np.testing.assert_allclose(posed[still], rest[still], atol=0.01)
    a, b = rest[rigid] - pivot, posed[rigid] - pivot
    np.testing.assert_allclose(np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1), atol=0.01)
    u, _, vt = np.linalg.svd(a.T @ b)
    rotation = (u @ vt).T
    np.testing.assert_allclose(b, a @ rotation.T, atol=0.01)
    assert np.arccos((np.trace(rotation) - 1) / 2) == pytest.approx(0.3, abs=1e-3)
    blended = head_weight[:, None] * ((rest - pivot) @ rotation.T + pivot) + (1 - head_weight)[:, None] * rest
    np.testing.assert_allclose(posed, blended, atol=0.02)
