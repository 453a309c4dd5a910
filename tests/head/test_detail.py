"""Fine shape taken from another face: the fine part comes over, size and place do not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

pytest.importorskip("builders.head.detail", reason="the head builder needs the extra build")
if importlib.util.find_spec("anny") is None:
    pytest.skip("the package anny is not installed (extra build)", allow_module_level=True)

from builders.head.base import load_base
from builders.head.craniofacial import craniofacial_points
from builders.head.detail import take_detail
from builders.head.expression_places import Correspondence
from builders.head.expression_source import ExpressionFace
from builders.head.regions import build_regions
from cephalon.geometry import Similarity, triangulate
from cephalon.head import HeadModel


def taken(mean: np.ndarray, change: np.ndarray) -> np.ndarray:
    """What a head takes from a face that is the same but for a change (n, 3), all of whose outer skin was matched."""
    base = load_base()
    regions = build_regions(base)
    hidden = np.max([regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)
    matched = (hidden == 0) & (np.arange(len(mean)) < base.part("skin")[0].stop)
    none = np.zeros(0, dtype=np.int64)
    face = ExpressionFace(
        vertices=mean + change,
        triangles=np.zeros((0, 3), dtype=np.int64),
        expressions={},
        landmarks68=none,
        lids=none,
        lips=none,
    )
    places = Correspondence(
        to_head=Similarity(scale=1.0, rotation=np.eye(3), translation=np.zeros(3)),
        matched=matched,
        corners=np.repeat(np.arange(len(mean))[:, None], 3, axis=1),
        weights=np.tile([1.0, 0.0, 0.0], (len(mean), 1)),
        distance_mm=np.zeros(len(mean)),
    )
    return take_detail(base, mean, face, places) - mean


def beside_corners(mean: np.ndarray, model: HeadModel, out_mm: float) -> np.ndarray:
    """Weights (n,) of a dent of 2 mm radius beside both corners of the mouth."""
    names = list(model.point_set("iso").names)
    corners = [
        model.points(None, "iso")[names.index(name)] + [sign * out_mm, 0, 0]
        for name, sign in (("ch_l", 1), ("ch_r", -1))
    ]
    return np.sum([np.exp(-((mean - at) ** 2).sum(axis=1) / 8.0) for at in corners], axis=0)


def test_place_and_size_stay_ours(model):
    mean = model.mean.astype(np.float64)
    coarse = np.array([4.0, -7.0, 3.0]) + 0.05 * (mean - mean.mean(axis=0))
    assert np.abs(coarse).max() > 5
    assert np.abs(taken(mean, coarse)).max() < 0.5


def test_a_fold_beside_the_lips_comes_over(model):
    mean = model.mean.astype(np.float64)
    dent = beside_corners(mean, model, 5.0)[:, None] * np.array([0.0, 0.0, -2.0])
    offset = taken(mean, dent)
    deepest = np.argmin(dent[:, 2])
    assert offset[deepest, 2] < 0.35 * dent[deepest, 2]
    one_side = np.column_stack([np.abs(mean[:, 0]), mean[:, 1:]])
    far = np.linalg.norm(one_side - one_side[deepest], axis=1) > 30
    np.testing.assert_allclose(offset[far], 0, atol=0.05)


def test_landmarks_stay_and_the_mirror_holds(model):
    mean = model.mean.astype(np.float64)
    base = load_base()
    shift = beside_corners(mean, model, 0.0)[:, None] * np.array([0.0, 1.5, -2.0])
    offset = taken(mean, shift)
    points = craniofacial_points(base)
    moved = np.linalg.norm(points.positions(offset, triangulate(base.polygons)[0]), axis=1)
    held = np.array([name != "sto" for name in points.names])
    assert np.abs(offset).max() > 0.3
    assert moved[held].max() < 0.1
    np.testing.assert_allclose(offset[model.symmetry] * [-1, 1, 1], offset, atol=1e-9)
