from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files import (
    GltfJoint,
    GltfMaterial,
    GltfPrimitive,
    GltfScene,
    glb_bytes,
    jpeg_bytes,
    parse_glb,
    png_bytes,
    read_glb,
    write_glb,
)

Maker = Callable[..., GltfScene]
Validate = Callable[[Path], dict[str, Any]]


def document(data: bytes) -> dict[str, Any]:
    (size,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + size])


def test_khronos_validator_has_nothing_to_say(scene: GltfScene, tmp_path: Path, validate: Validate) -> None:
    write_glb(tmp_path / "a.glb", scene)
    issues = validate(tmp_path / "a.glb")
    assert (issues["numErrors"], issues["numWarnings"], issues["numInfos"], issues["numHints"]) == (0, 0, 0, 0), issues


def variants() -> dict[str, dict[str, Any]]:
    """Scenes at the borders of what can be said."""
    flat = {"positions": np.eye(3) * 100, "triangles": np.array([[0, 1, 2]])}
    many = 70_000
    rng = np.random.default_rng(0)
    ring = rng.normal(size=(many, 3)) * 50
    strip = np.stack([np.arange(many - 2), np.arange(1, many - 1), np.arange(2, many)], axis=1)
    few = np.zeros((2, many, 3), np.float32)
    few[0, 69_000] = 3
    joints = [GltfJoint(name=f"j{i}", parent=i - 1, position=(0.1 * i, 1 / 3 * i, -7)) for i in range(300)]
    loose = rng.random((many, 4)) ** 6
    indices = np.stack([np.arange(many) % 290 + i for i in range(4)], axis=1)
    picture = np.zeros((4, 4, 3), np.uint8)
    return {
        "a bare triangle": {"primitives": [GltfPrimitive(name="t", **flat)]},
        "a material without picture": {
            "primitives": [GltfPrimitive(name="t", material=0, **flat)],
            "materials": [GltfMaterial(name="m", alpha_mode="MASK", alpha_cutoff=0.3)],
        },
        "jpeg, normal map, pbr map": {
            "primitives": [
                GltfPrimitive(
                    name="t", uv=np.array([[0, 0], [1.5, 0], [0, 1.5]]), normals=np.eye(3), material=0, **flat
                )
            ],
            "materials": [
                GltfMaterial(
                    name="m",
                    base_color_image=jpeg_bytes(picture),
                    normal_image=png_bytes(picture + 128),
                    normal_scale=0.5,
                    metallic_roughness_image=png_bytes(picture),
                )
            ],
        },
        "all targets empty": {
            "primitives": [
                GltfPrimitive(name="a", morph_deltas=np.zeros((2, 3, 3)), **flat),
                GltfPrimitive(
                    name="b",
                    morph_deltas=np.zeros((2, 4, 3)),
                    positions=np.eye(4)[:, :3],
                    triangles=np.array([[1, 2, 3]]),
                ),
            ],
            "morph_names": ["x", "y"],
        },
        "no normals, zero normals": {
            "primitives": [
                GltfPrimitive(name="a", normals=np.zeros((3, 3)), **flat),
                GltfPrimitive(name="b", normals=np.eye(3) * 1e-9, **flat),
            ]
        },
        "more than 65,535 vertices, 300 joints, loose weights": {
            "primitives": [
                GltfPrimitive(
                    name="big",
                    positions=ring,
                    triangles=strip,
                    morph_deltas=few,
                    joints_indices=indices,
                    joints_weights=loose,
                )
            ],
            "joints": joints,
            "morph_names": ["one vertex", "none"],
        },
    }


@pytest.mark.parametrize("name", list(variants()))
def test_borders_are_valid(name: str, tmp_path: Path, validate: Validate) -> None:
    write_glb(tmp_path / "a.glb", GltfScene(**variants()[name]))
    issues = validate(tmp_path / "a.glb")
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues


def test_what_comes_back(scene: GltfScene, tmp_path: Path) -> None:
    write_glb(tmp_path / "a.glb", scene)
    loaded = read_glb(tmp_path / "a.glb")
    assert loaded.generator == "Cephalon"
    assert loaded.copyright == "CC0-1.0"
    assert loaded.extras == scene.extras
    assert loaded.morph_names == tuple(scene.morph_names)
    assert [p.name for p in loaded.primitives] == ["skin", "left_eye"]
    for ours, theirs in zip(scene.primitives, loaded.primitives, strict=True):
        np.testing.assert_allclose(theirs.positions, ours.positions, atol=1e-5)
        assert (theirs.triangles == ours.triangles).all()
        assert ours.normals is not None
        assert ours.uv is not None
        assert theirs.normals is not None
        np.testing.assert_allclose(theirs.normals, ours.normals, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(theirs.normals, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(theirs.uv, ours.uv, atol=1e-6)
        np.testing.assert_allclose(theirs.morph_deltas, ours.morph_deltas, atol=1e-6)
        assert ours.joints_weights is not None
        assert theirs.joints_weights is not None
        np.testing.assert_allclose(theirs.joints_weights, ours.joints_weights, atol=1e-6)
        used = ours.joints_weights > 0
        assert theirs.joints_indices is not None
        assert ours.joints_indices is not None
        assert (theirs.joints_indices[used] == ours.joints_indices[used]).all()
    for ours, theirs in zip(scene.joints, loaded.joints, strict=True):
        assert (ours.name, ours.parent) == (theirs.name, theirs.parent)
        np.testing.assert_allclose(ours.position, theirs.position, atol=1e-4)
    assert loaded.materials == tuple(scene.materials)
    low, high = loaded.bounding_box_m
    np.testing.assert_allclose(low, [-0.1, -0.08, -0.1], atol=1e-6)
    np.testing.assert_allclose(high, [0.1, 0.12, 0.1], atol=1e-6)


def test_same_scene_same_bytes(scene_maker: Maker) -> None:
    assert glb_bytes(scene_maker()) == glb_bytes(scene_maker())


def test_millimetres_become_metres_and_v_is_flipped(scene: GltfScene) -> None:
    data = glb_bytes(scene)
    table = document(data)
    assert table["accessors"][0]["max"] == pytest.approx([0.1, 0.12, 0.1], abs=1e-6)
    uv = table["accessors"][table["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]]
    view = table["bufferViews"][uv["bufferView"]]
    start = 20 + struct.unpack("<I", data[12:16])[0] + 8 + view["byteOffset"] + uv.get("byteOffset", 0)
    stored = np.frombuffer(data, "<f4", uv["count"] * 2, start).reshape(-1, 2)
    ours = scene.primitives[0].uv
    assert ours is not None
    np.testing.assert_allclose(stored, np.stack([ours[:, 0], 1 - ours[:, 1]], axis=1), atol=1e-7)


def test_structure_that_viewers_rely_on(scene: GltfScene) -> None:
    table = document(glb_bytes(scene))
    assert len(table["meshes"]) == 1
    (mesh,) = table["meshes"]
    assert mesh["extras"]["targetNames"] == list(scene.morph_names)
    assert mesh["weights"] == [0.0] * 4
    assert {len(primitive["targets"]) for primitive in mesh["primitives"]} == {4}
    skinned = [node for node in table["nodes"] if "skin" in node]
    assert len(skinned) == 1
    assert set(skinned[0]) == {"name", "mesh", "skin"}
    assert table["skins"][0]["skeleton"] == 1
    assert table["scenes"][0]["nodes"] == [0, 1]
    assert len(table["images"]) == 1  # the same picture in two materials
    names = [node["name"] for node in table["nodes"]]
    assert len(set(names)) == len(names)
    for view in table["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
    for primitive in mesh["primitives"]:
        for target in primitive["targets"]:
            assert {"min", "max"} <= set(table["accessors"][target["POSITION"]])


def test_sparse_where_it_saves_and_shared_zeros(scene_maker: Maker) -> None:
    scene = scene_maker()
    table = document(glb_bytes(scene))
    skin, eye = table["meshes"][0]["primitives"]
    of = table["accessors"]
    opened, blink, other_blink, tongue = (of[t["POSITION"]] for t in skin["targets"])
    assert "sparse" in opened
    assert blink["sparse"]["count"] >= 4  # four vertices and their copies at the seam
    assert "sparse" not in other_blink  # it moves everything
    assert "sparse" not in tongue  # it moves nothing
    assert len({t["POSITION"] for t in eye["targets"][:3]}) == 1
    zeros = {t["POSITION"] for t in eye["targets"][:3]} | {skin["targets"][3]["POSITION"]}
    assert len({of[i]["bufferView"] for i in zeros}) == 1
    assert all(a["sparse"]["count"] * 14 < a["count"] * 12 for a in of if "sparse" in a)


def test_tiny_displacements_are_dropped_and_the_limit_is_a_setting(scene_maker: Maker) -> None:
    deltas = np.zeros((1, 3, 3), np.float32)
    deltas[0, 1] = 5e-4
    primitive = GltfPrimitive(name="t", positions=np.eye(3), triangles=np.array([[0, 1, 2]]), morph_deltas=deltas)
    scene = GltfScene(primitives=[primitive], morph_names=["a"])
    dropped, kept = parse_glb(glb_bytes(scene)), parse_glb(glb_bytes(scene, morph_epsilon_mm=0))
    assert dropped.primitives[0].morph_deltas is not None
    assert kept.primitives[0].morph_deltas is not None
    assert not dropped.primitives[0].morph_deltas.any()
    np.testing.assert_allclose(kept.primitives[0].morph_deltas, deltas, rtol=1e-6)


def test_weights_sum_to_one_in_float32() -> None:
    rng = np.random.default_rng(3)
    weights = rng.random((20_000, 4)) ** 8 + 1e-30
    primitive = GltfPrimitive(
        name="t",
        positions=rng.normal(size=(20_000, 3)),
        triangles=np.array([[0, 1, 2]]),
        joints_indices=np.tile([0, 1, 2, 3], (20_000, 1)),
        joints_weights=weights,
    )
    joints = [GltfJoint(name=f"{i}", parent=i - 1, position=(0, 0, 0)) for i in range(4)]
    loaded = parse_glb(glb_bytes(GltfScene(primitives=[primitive], joints=joints)))
    stored = loaded.primitives[0].joints_weights
    assert stored is not None
    assert np.abs(stored.sum(axis=1) - 1).max() < 1.3e-7
    assert stored.min() >= 0


def test_extras_that_json_cannot_hold(scene_maker: Maker) -> None:
    for extras in ({"a": {1}}, {"a": float("nan")}):
        with pytest.raises(InputError, match="extras"):
            glb_bytes(scene_maker(extras=extras))


def test_tangents_run_along_u(scene_maker: Maker) -> None:
    from cephalon.files.tangents import vertex_tangents

    skin = scene_maker(rows=40, columns=60).primitives[0]
    assert skin.normals is not None
    assert skin.uv is not None
    tangents = vertex_tangents(skin.positions, skin.normals, skin.uv, skin.triangles)
    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(np.einsum("nc,nc->n", tangents[:, :3], skin.normals), 0, atol=1e-9)
    x, y, z = (skin.positions - [0, 20, 0]).T
    expected = np.stack([z, 0 * y, -x], axis=1)  # u grows with the angle from +z to +x
    length = np.linalg.norm(expected, axis=1)
    inner = length > 20
    cosine = np.einsum("nc,nc->n", tangents[inner, :3], expected[inner] / length[inner, None])
    assert cosine.min() > 0.99
    assert (tangents[inner, 3] == 1).all()
    mirrored = vertex_tangents(skin.positions, skin.normals, skin.uv * [-1, 1], skin.triangles)
    np.testing.assert_allclose(mirrored[inner], -tangents[inner], atol=1e-9)
    blank = vertex_tangents(skin.positions, skin.normals, skin.uv * 0, skin.triangles)
    np.testing.assert_allclose(np.linalg.norm(blank[:, :3], axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(np.einsum("nc,nc->n", blank[:, :3], skin.normals), 0, atol=1e-9)


def test_too_large_for_the_format(monkeypatch: pytest.MonkeyPatch, scene: GltfScene) -> None:
    from cephalon.files import gltf

    class Huge(bytes):
        def __len__(self) -> int:
            return 2**32

    monkeypatch.setattr(gltf._Writer, "finish", lambda self: (Huge(), []))
    with pytest.raises(InputError, match="4 GiB"):
        glb_bytes(scene)


def test_trimesh_reads_it(scene: GltfScene, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    write_glb(tmp_path / "a.glb", scene)
    loaded = trimesh.load_scene(tmp_path / "a.glb", process=False)
    geometries = list(loaded.geometry.values())
    assert len(geometries) == 2
    for ours, theirs in zip(scene.primitives, geometries, strict=True):
        np.testing.assert_allclose(theirs.vertices, ours.positions / 1000, atol=1e-5)
        assert (theirs.faces == ours.triangles).all()
        np.testing.assert_allclose(theirs.visual.uv, ours.uv, atol=1e-6)
        assert theirs.visual.material.baseColorTexture.size == (64, 64)
