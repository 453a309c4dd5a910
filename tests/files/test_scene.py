from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files import (
    GltfJoint,
    GltfMaterial,
    GltfPrimitive,
    GltfScene,
    png_bytes,
    primitive_from_polygons,
    split_at_uv_seams,
    strongest_joints,
)
from cephalon.geometry import Mesh

QUAD = np.array([[0, 1, 2, 3]])


def split_slowly(polygons: np.ndarray, polygons_uv: np.ndarray) -> tuple[list, list, list]:
    """The same by the definition: first copies in vertex order, then further copies by (vertex, uv)."""
    pairs = sorted(
        {(v, t) for p, q in zip(polygons, polygons_uv, strict=True) for v, t in zip(p, q, strict=True) if v >= 0}
    )
    first = [pair for i, pair in enumerate(pairs) if i == 0 or pairs[i - 1][0] != pair[0]]
    order = first + [pair for pair in pairs if pair not in first]
    triangles = []
    for p, q in zip(polygons, polygons_uv, strict=True):
        for corners in ((0, 1, 2), (0, 2, 3)):
            if p[corners[2]] >= 0:
                triangles.append([order.index((p[c], q[c])) for c in corners])
    return [v for v, _ in order], [t for _, t in order], triangles


def test_split_agrees_with_its_definition(ball_maker: Callable[..., Mesh]) -> None:
    ball = ball_maker(10, 5, 6, (0, 0, 0))
    assert ball.polygons_uv is not None
    rng = np.random.default_rng(0)
    for _ in range(5):
        shuffled = rng.permutation(len(ball.polygons))
        polygons, polygons_uv = ball.polygons[shuffled], ball.polygons_uv[shuffled]
        split = split_at_uv_seams(polygons, polygons_uv)
        vertex_index, uv_index, triangles = split_slowly(polygons, polygons_uv)
        assert split.vertex_index.tolist() == vertex_index
        assert split.uv_index.tolist() == uv_index
        assert split.triangles.tolist() == triangles
        assert split.vertex_index[: len(ball.vertices)].tolist() == list(range(len(ball.vertices)))


def test_split_of_nothing_and_of_wrong_tables() -> None:
    empty = split_at_uv_seams(np.zeros((0, 4), int), np.zeros((0, 4), int))
    assert [len(part) for part in empty] == [0, 0, 0]
    with pytest.raises(InputError, match="triangles"):
        split_at_uv_seams(QUAD, np.array([[0, 1, 2, -1]]))
    with pytest.raises(InputError, match="from 0"):
        split_at_uv_seams(np.array([[0, -1, 2, 3]]), QUAD)
    with pytest.raises(InputError, match="shape"):
        split_at_uv_seams(QUAD, QUAD[:, :3])


def test_strongest_joints() -> None:
    indices, weights = strongest_joints([[0.1, 0.2, 0.3, 0.05, 0.35], [0, 0, 2, 0, 0], [0.5, 0.5, 0, 0, 0]])
    assert indices.tolist() == [[4, 2, 1, 0], [2, 0, 0, 0], [0, 1, 0, 0]]
    np.testing.assert_allclose(weights[0], np.array([0.35, 0.3, 0.2, 0.1]) / 0.95)
    assert weights[1:].tolist() == [[1, 0, 0, 0], [0.5, 0.5, 0, 0]]
    assert strongest_joints(np.ones((2, 1)))[0].tolist() == [[0, 0, 0, 0]] * 2
    for bad in ([[0.0, 0.0]], [[-1.0, 2.0]]):
        with pytest.raises(InputError, match="skinning weights"):
            strongest_joints(bad)


def test_primitive_from_polygons_gathers_every_array(ball_maker: Callable[..., Mesh]) -> None:
    ball = ball_maker(10, 5, 6, (0, 0, 0))
    assert ball.uv is not None
    assert ball.polygons_uv is not None
    n = len(ball.vertices)
    part = slice(4, 14)
    weights = np.zeros((n, 7))
    weights[np.arange(n), np.arange(n) % 7] = 1
    deltas = np.arange(2 * n * 3, dtype=np.float32).reshape(2, n, 3)
    primitive = primitive_from_polygons(
        name="part",
        vertices=ball.vertices,
        polygons=ball.polygons[part],
        uv=ball.uv,
        polygons_uv=ball.polygons_uv[part],
        normals=ball.vertices / 10,
        skinning_weights=weights,
        morph_deltas=deltas,
        morph_normals=-deltas,
        material=3,
    )
    split = split_at_uv_seams(ball.polygons[part], ball.polygons_uv[part])
    rows = split.vertex_index
    assert (primitive.positions == ball.vertices[rows]).all()
    assert (primitive.uv == ball.uv[split.uv_index]).all()
    assert (primitive.normals == ball.vertices[rows] / 10).all()
    assert (primitive.morph_deltas == deltas[:, rows]).all()
    assert (primitive.morph_normals == -deltas[:, rows]).all()
    assert primitive.joints_indices is not None
    assert (primitive.joints_indices[:, 0] == rows % 7).all()
    assert primitive.material == 3
    bare = primitive_from_polygons(name="bare", vertices=ball.vertices, polygons=ball.polygons)
    assert (bare.positions == ball.vertices).all()
    assert (bare.triangles == ball.faces).all()
    for wrong, message in (
        ({"uv": ball.uv}, "together"),
        ({"polygons": ball.polygons + n}, "below"),
        ({"uv": ball.uv[:3], "polygons_uv": ball.polygons_uv}, "uv numbers below 3"),
    ):
        with pytest.raises(InputError, match=message):
            primitive_from_polygons(**({"name": "x", "vertices": ball.vertices, "polygons": ball.polygons} | wrong))


def triangle(**changes: Any) -> GltfPrimitive:
    return GltfPrimitive(**({"name": "t", "positions": np.eye(3), "triangles": np.array([[0, 1, 2]])} | changes))


FOUR = {"joints_indices": np.tile([0, 1, 2, 3], (3, 1)), "joints_weights": np.full((3, 4), 0.25)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"positions": np.eye(3)[:, :2]}, "shape"),
        ({"positions": np.full((3, 3), np.nan)}, "finite"),
        ({"positions": np.zeros((0, 3))}, "at least one"),
        ({"triangles": np.zeros((0, 3))}, "at least one"),
        ({"triangles": np.array([[0, 1, 3]])}, "from 0 to 2"),
        ({"triangles": np.array([[0, 1, -1]])}, "from 0 to 2"),
        ({"normals": np.zeros((2, 3))}, "shape"),
        ({"uv": np.zeros((3, 3))}, "shape"),
        ({"joints_indices": np.zeros((3, 4))}, "together"),
        (FOUR | {"joints_weights": np.zeros((3, 4))}, "at least one > 0"),
        (FOUR | {"joints_weights": np.array([[2.0, -1, 0, 0]] * 3)}, "joint weights >= 0"),
        (FOUR | {"joints_indices": np.array([[0, 1, 1, 2]] * 3)}, "a joint twice"),
        (FOUR | {"joints_indices": np.array([[0, 1, -1, 2]] * 3)}, "from 0"),
        ({"morph_deltas": np.zeros((2, 4, 3))}, "shape"),
        ({"morph_normals": np.zeros((2, 3, 3))}, "need normals"),
        ({"morph_deltas": np.zeros((2, 3, 3)), "normals": np.eye(3), "morph_normals": np.zeros((1, 3, 3))}, "shape"),
    ],
)
def test_wrong_primitives(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        triangle(**changes)


def test_a_joint_of_weight_zero_may_be_named_twice() -> None:
    triangle(joints_indices=np.zeros((3, 4)), joints_weights=np.array([[1.0, 0, 0, 0]] * 3))


def test_records_do_not_share_or_change() -> None:
    positions = np.eye(3)
    primitive = triangle(positions=positions)
    positions[0] = 7
    assert primitive.positions[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        primitive.positions[0] = 7


PICTURED = GltfMaterial(name="m", normal_image=png_bytes(np.zeros((1, 1), np.uint8)))
ROOT = GltfJoint(name="neck", parent=-1, position=(0, 0, 0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"primitives": ()}, "at least one primitive"),
        ({"morph_names": ("a", "a")}, "once"),
        ({"morph_names": ("a",)}, "expected 1 morph targets as the scene names, got 0"),
        ({"primitives": (triangle(material=1),), "materials": (GltfMaterial(name="m"),)}, "material below 1"),
        ({"joints": (ROOT,)}, "needs joint weights"),
        ({"primitives": (triangle(**FOUR),)}, "needs joint weights"),
        ({"primitives": (triangle(**FOUR),), "joints": (ROOT,)}, "joint indices below 1"),
        ({"joints": (ROOT, GltfJoint(name="neck", parent=0, position=(0, 0, 0)))}, "once"),
        ({"joints": (ROOT, GltfJoint(name="b", parent=-1, position=(0, 0, 0)))}, "root"),
        ({"joints": (ROOT, GltfJoint(name="b", parent=2, position=(0, 0, 0)))}, "parent before"),
        ({"joints": (ROOT, GltfJoint(name="b", parent=1, position=(0, 0, 0)))}, "parent before"),
        ({"joints": (GltfJoint(name="b", parent=0, position=(0, 0, 0)),)}, "root"),
        ({"joints": (ROOT,), "name": "neck"}, "has that name too"),
        ({"primitives": (triangle(material=0),), "materials": (PICTURED,)}, "needs uv"),
        ({"primitives": (triangle(material=0, uv=np.eye(3)[:, :2]),), "materials": (PICTURED,)}, "needs normals"),
    ],
)
def test_wrong_scenes(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GltfScene(**({"primitives": (triangle(),)} | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"roughness": 1.5}, "roughness from 0 to 1"),
        ({"base_color": (1, 1, 1)}, "shape"),
        ({"base_color": (1, 1, 1, 2)}, "base_color"),
        ({"ior": 0.5}, "ior"),
        ({"clearcoat": -1.0}, "clearcoat"),
        ({"alpha_mode": "CUT"}, "OPAQUE, MASK or BLEND"),
        ({"normal_scale": float("nan")}, "normal_scale"),
        ({"base_color_image": b"GIF89a"}, "PNG or JPEG"),
    ],
)
def test_wrong_materials(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GltfMaterial(**({"name": "m"} | changes))
