"""The builder's registration of scanned heads, on a small made model, and rigid motion between heads."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("builders.head.register", reason="the head builder needs the extra build")

from builders.head.alignment import onto, without_motion
from builders.head.ict import FOLDER_VARIABLE, ict_folder, load_ict
from builders.head.register import ScannedSurface
from cephalon.core import InputError
from cephalon.geometry import rotation_from_rotvec


def cube() -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=np.float64) * 10
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4)]  # the side z = max stays open
    return corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32)


def test_rigid_motion_is_removed_exactly():
    rng = np.random.default_rng(0)
    head = rng.normal(size=(40, 3)) * 50
    turn = rotation_from_rotvec(np.array([0.2, -0.4, 0.1]))
    moved = (head @ turn.T + [5.0, -3.0, 8.0])[None].astype(np.float32)
    np.testing.assert_allclose(onto(head, moved, np.ones(40))[0], head, atol=1e-4)


def test_modes_lose_their_motion_and_nothing_else():
    rng = np.random.default_rng(1)
    head, weights = rng.normal(size=(40, 3)) * 50, rng.uniform(0.1, 1, 40)
    mode = rng.normal(size=(1, 40, 3)).astype(np.float32)
    motion = np.cross(np.array([0.01, 0.02, -0.03]), head)[None] + np.array([1.0, 2.0, 3.0])
    once = without_motion(head, mode, weights)
    np.testing.assert_allclose(without_motion(head, (mode + motion).astype(np.float32), weights), once, atol=1e-4)
    np.testing.assert_allclose(without_motion(head, once, weights), once, atol=1e-4)


def test_surface_samples_carry_area_and_know_holes():
    corners, faces = cube()
    surface = ScannedSurface.build(corners, faces)
    assert surface.area.sum() == pytest.approx(500.0)
    np.testing.assert_allclose(surface.samples(corners)[len(corners) :], corners[faces].mean(axis=1))
    assert surface.edge.any()
    place, _, distance = surface.closest(np.array([[5.0, 5.0, -2.0]]))
    np.testing.assert_allclose(place[0], [5.0, 5.0, 0.0])
    assert distance[0] == pytest.approx(2.0)


def test_missing_model_is_one_clear_sentence(tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    with pytest.raises(InputError, match="ICT-FaceKit"):
        ict_folder()
    with pytest.raises(InputError, match="holds neither"):
        load_ict(tmp_path)
