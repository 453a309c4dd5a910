"""Carrying expressions from another face: exact where the truth is known."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytest.importorskip("builders.head.transfer", reason="the head builder needs the extra build")

from builders.head.expression_places import find_places
from builders.head.expression_source import FOLDER_VARIABLE, expression_file, load_expression_face
from builders.head.transfer import Transfer
from cephalon.geometry import rotation_from_rotvec
from cephalon.head import HeadModel


def bumpy_sheet(count: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """A wavy square sheet of triangles, 60 mm wide."""
    grid = np.linspace(-30, 30, count)
    x, y = np.meshgrid(grid, grid)
    points = np.stack([x.ravel(), y.ravel(), 3 * np.sin(x.ravel() / 9) * np.cos(y.ravel() / 7)], axis=1)
    corner = (np.arange(count - 1)[:, None] * count + np.arange(count - 1)).ravel()
    quads = np.stack([corner, corner + 1, corner + count + 1, corner + count], axis=1)
    return points, np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def whole(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = len(points)
    return np.ones(n, dtype=bool), np.zeros(n), np.zeros(n, dtype=bool)


def test_the_same_face_gives_the_same_offset():
    points, triangles = bumpy_sheet()
    offset = np.stack([np.sin(points[:, 1] / 11), points[:, 0] / 20, np.cos(points[:, 0] / 8)], axis=1)
    carried = Transfer(points, triangles, points, *whole(points)).carry(offset, np.zeros_like(points))
    np.testing.assert_allclose(carried, offset, atol=1e-6)


def test_a_shift_stays_a_shift_whatever_the_other_face():
    points, triangles = bumpy_sheet()
    image = points * [1.1, 0.9, 1.3] + [3.0, -2.0, 5.0]
    shift = np.tile([1.0, -2.0, 0.5], (len(points), 1))
    carried = Transfer(points, triangles, image, *whole(points)).carry(shift, np.zeros_like(points))
    np.testing.assert_allclose(carried, shift, atol=1e-6)


def test_a_turn_turns_our_own_shape():
    """The other face, bulged differently, turns by 20 degrees about the sheet's middle; ours must turn, not copy."""
    points, triangles = bumpy_sheet()
    image = points * [1.0, 1.0, 2.5]
    turn = rotation_from_rotvec([0.0, 0.35, 0.0])
    carried = Transfer(points, triangles, image, *whole(points)).carry(image @ turn.T - image, np.zeros_like(points))
    wanted = points @ turn.T - points
    copied = image @ turn.T - image
    assert np.abs(carried - wanted).mean() < 0.5 * np.abs(copied - wanted).mean()


def test_unmatched_skin_follows_its_guide():
    points, triangles = bumpy_sheet()
    matched = points[:, 0] < 0
    hold = np.where(points[:, 0] > 20, 50.0, 0.0)
    offset = np.where(matched[:, None], [0.0, 4.0, 0.0], np.nan)
    soft = np.zeros(len(points), dtype=bool)
    carried = Transfer(points, triangles, points, matched, hold, soft).carry(
        np.nan_to_num(offset), np.zeros_like(points)
    )
    np.testing.assert_allclose(carried[points[:, 0] < -15, 1], 4.0, atol=0.6)
    np.testing.assert_allclose(carried[points[:, 0] > 25, 1], 0.0, atol=0.3)


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    with pytest.raises(FileNotFoundError, match="--ict"):
        expression_file(None)
    with pytest.raises(FileNotFoundError, match=r"ict_facekit\.npz"):
        expression_file(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no such file"):
        expression_file(None)


@pytest.fixture(scope="module")
def face(data_folder):
    folder = data_folder / "ict_facekit"
    if not (folder / "ict_facekit.npz").is_file():
        pytest.skip("needs ICT-FaceKit's arrays in the data folder")
    if importlib.util.find_spec("anny") is None:
        pytest.skip("needs the extra build")
    return load_expression_face(expression_file(folder))


def test_our_skin_lands_on_theirs(face):
    from builders.head.base import load_base
    from builders.head.regions import build_regions

    model = HeadModel.load()
    base = load_base()
    regions = build_regions(base)
    places = find_places(base, model.mean, model.points(None, "ibug68"), regions, face)
    inner = (regions["face"] > 0.9) & (
        np.max([regions[n] for n in ("mouth_cavity", "eye_sockets", "nostrils")], 0) == 0
    )
    assert places.matched[inner].mean() > 0.97
    assert np.quantile(places.distance_mm[inner & places.matched], 0.95) < 0.6
    assert 0.9 < places.to_head.scale < 1.15
    image = places.carry(places.to_head.apply(face.vertices))
    mirrored = image[base.symmetry] * [-1, 1, 1]
    both = places.matched & places.matched[base.symmetry]
    assert np.quantile(np.abs(image - mirrored)[both], 0.99) < 1.5
    np.testing.assert_allclose(places.weights[places.matched].sum(axis=1), 1)


def test_every_arkit_shape_but_the_tongue_is_there(face):
    names = set(HeadModel.load().expression_names)
    assert names - set(face.expressions) == {"tongueOut"}
    for side in ("Left", "Right"):
        sign = 1 if side == "Left" else -1
        moved = np.linalg.norm(face.expressions[f"eyeBlink{side}"], axis=1) > 3
        assert (sign * face.vertices[moved, 0] > 0).all()
