from __future__ import annotations

import json
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files import GltfScene, glb_bytes, json_bytes, parse_glb, read_glb

Document = dict[str, Any]


def chunks(data: bytes) -> tuple[Document, bytes]:
    (size,) = struct.unpack("<I", data[12:16])
    return json.loads(data[20 : 20 + size]), data[20 + size + 8 :]


def container(table: Document | bytes, binary: bytes = b"") -> bytes:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    parts = (struct.pack("<4sII", b"glTF", 2, total), struct.pack("<I4s", len(text), b"JSON"), text)
    return b"".join((*parts, struct.pack("<I4s", len(binary), b"BIN\0"), binary))


TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype="<f4")


def simple(**changes: Any) -> tuple[Document, bytes]:
    """One triangle without indices, one node."""
    table: Document = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36}],
    }
    return table | changes, TRIANGLE.tobytes()


def positions(table: Document, binary: bytes) -> np.ndarray:
    return parse_glb(container(table, binary)).primitives[0].positions


# ---- what other programs write


def test_a_bare_triangle() -> None:
    loaded = parse_glb(container(*simple()))
    np.testing.assert_array_equal(loaded.primitives[0].positions, TRIANGLE * 1000)
    assert loaded.primitives[0].triangles.tolist() == [[0, 1, 2]]
    assert loaded.mesh().groups["mesh 0"].tolist() == [0]
    assert loaded.generator is None
    json_bytes(loaded.summary())


def test_nodes_place_meshes() -> None:
    half = np.sqrt(0.5)
    nodes = [
        {"children": [1, 2], "translation": [1, 2, 3], "scale": [2, 2, 2]},
        {"mesh": 0, "rotation": [0, 0, half, half]},
        {"mesh": 0, "matrix": [0, 1, 0, 0, -1, 0, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]},
    ]
    loaded = parse_glb(container(*simple(nodes=nodes)))
    turned = TRIANGLE @ np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(loaded.primitives[0].positions, (turned * 2 + np.array([1, 2, 3])) * 1000, atol=1e-3)
    np.testing.assert_allclose(
        loaded.primitives[1].positions, ((turned + np.array([5, 6, 7])) * 2 + np.array([1, 2, 3])) * 1000, atol=1e-3
    )
    assert list(loaded.mesh().groups) == ["mesh 0", "mesh 0 2"]


def test_without_a_scene_every_root_counts() -> None:
    table, binary = simple(nodes=[{"mesh": 0}, {"children": [0], "translation": [1, 0, 0]}])
    del table["scene"], table["scenes"]
    np.testing.assert_allclose(positions(table, binary), (TRIANGLE + np.array([1, 0, 0])) * 1000)


def test_normals_turn_with_the_inverse_transpose() -> None:
    table, binary = simple(nodes=[{"mesh": 0, "scale": [1, 4, 1]}])
    table["meshes"][0]["primitives"][0]["attributes"]["NORMAL"] = 1
    normals = np.tile(np.array([np.sqrt(0.5), np.sqrt(0.5), 0], dtype="<f4"), (3, 1))
    table["accessors"].append({"bufferView": 1, "componentType": 5126, "count": 3, "type": "VEC3"})
    table["bufferViews"].append({"buffer": 0, "byteOffset": 36, "byteLength": 36})
    loaded = parse_glb(container(table, binary + normals.tobytes())).primitives[0].normals
    np.testing.assert_allclose(loaded, np.tile(np.array([4, 1, 0]) / np.sqrt(17), (3, 1)), atol=1e-6)


def test_interleaved_and_quantised() -> None:
    rows = np.zeros(3, dtype=[("p", "<i2", 4), ("t", "<u2", 2)])
    rows["p"][:, :3] = TRIANGLE * 32767
    rows["t"] = [[0, 65535], [65535, 65535], [0, 0]]
    table, _ = simple(extensionsRequired=["KHR_mesh_quantization"])
    table["accessors"] = [
        {"bufferView": 0, "componentType": 5122, "normalized": True, "count": 3, "type": "VEC3"},
        {"bufferView": 0, "byteOffset": 8, "componentType": 5123, "normalized": True, "count": 3, "type": "VEC2"},
    ]
    table["bufferViews"] = [{"buffer": 0, "byteLength": 36, "byteStride": 12}]
    table["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = 1
    primitive = parse_glb(container(table, rows.tobytes())).primitives[0]
    np.testing.assert_allclose(primitive.positions, TRIANGLE * 1000, atol=1e-3)
    np.testing.assert_allclose(primitive.uv, [[0, 0], [1, 0], [0, 1]], atol=1e-6)


def test_sparse_over_a_base_and_over_nothing() -> None:
    table, binary = simple()
    binary += np.array([2, 0], "<u2").tobytes() + np.array([[7, 8, 9]], "<f4").tobytes()
    table["bufferViews"] += [
        {"buffer": 0, "byteOffset": 36, "byteLength": 2},
        {"buffer": 0, "byteOffset": 40, "byteLength": 12},
    ]
    sparse = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5123},
        "values": {"bufferView": 2},
    }
    table["accessors"][0]["sparse"] = sparse
    expected = TRIANGLE.copy()
    expected[2] = [7, 8, 9]
    np.testing.assert_array_equal(positions(table, binary), expected * 1000)
    del table["accessors"][0]["bufferView"]
    expected[:2] = 0
    np.testing.assert_array_equal(positions(table, binary), expected * 1000)


def test_a_bent_skin_at_rest() -> None:
    """Joints that stand elsewhere than their inverse bind matrices say move the mesh; its own node does not."""
    table, binary = simple(
        nodes=[{"mesh": 0, "skin": 0, "translation": [9, 9, 9]}, {"name": "root", "translation": [0, 0, 5]}],
        scenes=[{"nodes": [0, 1]}],
        skins=[{"joints": [1]}],
    )
    table["meshes"][0]["primitives"][0]["attributes"] |= {"JOINTS_0": 1, "WEIGHTS_0": 2}
    binary += bytes(12) + np.tile(np.array([1, 0, 0, 0], "<f4"), (3, 1)).tobytes()
    table["bufferViews"] += [
        {"buffer": 0, "byteOffset": 36, "byteLength": 12},
        {"buffer": 0, "byteOffset": 48, "byteLength": 48},
    ]
    table["accessors"] += [
        {"bufferView": 1, "componentType": 5121, "count": 3, "type": "VEC4"},
        {"bufferView": 2, "componentType": 5126, "count": 3, "type": "VEC4"},
    ]
    loaded = parse_glb(container(table, binary))
    np.testing.assert_allclose(loaded.primitives[0].positions, (TRIANGLE + np.array([0, 0, 5])) * 1000)
    assert [(j.name, j.parent, j.position) for j in loaded.joints] == [("root", -1, (0, 0, 5000))]


def test_mesh_of_our_own_file(scene: GltfScene) -> None:
    mesh = parse_glb(glb_bytes(scene)).mesh()
    assert list(mesh.groups) == ["skin", "left_eye"]
    assert mesh.uv is not None
    assert len(mesh.vertices) == len(mesh.uv) == sum(len(p.positions) for p in scene.primitives)
    assert len(mesh.groups["left_eye"]) == len(scene.primitives[1].triangles)


def test_summary(scene: GltfScene) -> None:
    summary = parse_glb(glb_bytes(scene)).summary()
    json_bytes(summary)
    assert summary["morph_names"] == list(scene.morph_names)
    assert summary["materials"][0]["pictures"]["base_color"]["width"] == 64
    assert [p["name"] for p in summary["primitives"]] == ["skin", "left_eye"]
    assert summary["bounding_box_m"]["high"][1] == pytest.approx(0.12)


def test_a_file_without_meshes() -> None:
    loaded = parse_glb(container({"asset": {"version": "2.0"}}))
    assert loaded.bounding_box_m.tolist() == [[0, 0, 0], [0, 0, 0]]
    with pytest.raises(InputError, match="no triangles"):
        loaded.mesh()


# ---- what is wrong


def refused(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_glb(data, where="head.glb")
    assert str(caught.value).startswith("head.glb is not a readable GLB file: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not start"),
        (b"glTF", "does not start"),
        (b"{}" * 20, "does not start"),
        (struct.pack("<4sII", b"glTF", 1, 12), "version 1"),
        (struct.pack("<4sII", b"glTF", 2, 2**32 - 1), "truncated: 12 bytes of 4294967295"),
        (struct.pack("<4sII", b"glTF", 2, 12), "first chunk"),
        (struct.pack("<4sIII4s", b"glTF", 2, 20, 2**31, b"JSON"), "claims 2147483648 bytes"),
        (container(b"[]"), "top level"),
        (container(b"{"), "not valid JSON"),
        (container(b"[" * 100_000), "nested too deeply"),
        (container({}), "no asset"),
        (container({"asset": {}, "nodes": 3}), "nodes is not a list"),
        (container({"asset": {}, "extensionsRequired": ["KHR_draco_mesh_compression"]}), "KHR_draco_mesh_compression"),
    ],
)
def test_wrong_containers(data: bytes, message: str) -> None:
    refused(data, message)


ACCESSOR = {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}
SPARSE = {"count": 1, "indices": {"bufferView": 0, "componentType": 5123}, "values": {"bufferView": 0}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accessors": []}, "no entry 0 in accessors"),
        ({"accessors": [3]}, "not an object"),
        ({"accessors": [ACCESSOR | {"count": 4}]}, "4 elements do not fit"),
        ({"accessors": [ACCESSOR | {"count": 2**39}]}, "more memory"),
        ({"accessors": [ACCESSOR | {"count": -1}]}, "whole number"),
        ({"accessors": [ACCESSOR | {"count": 2.5}]}, "whole number"),
        ({"accessors": [ACCESSOR | {"count": True}]}, "whole number"),
        ({"accessors": [ACCESSOR | {"count": 0}]}, "no vertices"),
        ({"accessors": [ACCESSOR | {"count": 2}]}, "2 corners make no triangles"),
        ({"accessors": [ACCESSOR | {"byteOffset": 1}]}, "do not fit"),
        ({"accessors": [ACCESSOR | {"type": "VEC9"}]}, "type"),
        ({"accessors": [ACCESSOR | {"type": "VEC2"}]}, "type VEC3"),
        ({"accessors": [ACCESSOR | {"componentType": []}]}, "componentType"),
        ({"accessors": [ACCESSOR | {"bufferView": 7}]}, "no entry 7"),
        ({"accessors": [{"componentType": 5126, "count": 10**9, "type": "VEC3"}]}, "more memory"),
        ({"accessors": [ACCESSOR | {"sparse": SPARSE | {"count": 4}}]}, "4 sparse values for 3"),
        ({"accessors": [ACCESSOR | {"sparse": {"count": 1}}]}, "no indices"),
        ({"accessors": [ACCESSOR | {"sparse": SPARSE | {"count": 3}}]}, "increasing sparse indices"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 37}]}, "ends at byte 37 of 36"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 36, "byteOffset": 2**39}]}, "ends at byte"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 36, "byteStride": 1}]}, "byteStride"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 36, "byteStride": 8}]}, "less than one element"),
        ({"bufferViews": [{"buffer": 1, "byteLength": 36}]}, "outside the GLB"),
        ({"buffers": [{"uri": "x.bin"}]}, "outside the GLB"),
        ({"scenes": [{"nodes": [4]}]}, "no entry 4 in nodes"),
        ({"scene": 5}, "no entry 5 in scenes"),
        ({"nodes": [{"children": [0]}]}, "own ancestor"),
        ({"nodes": [{"children": [1]}, {"children": [0]}]}, "own ancestor"),
        ({"nodes": [{"mesh": 3}]}, "no entry 3 in meshes"),
        ({"nodes": [{"mesh": 0, "matrix": [1]}]}, "16 numbers"),
        ({"nodes": [{"mesh": 0, "scale": ["1", 1, 1]}]}, "expected a number"),
        ({"nodes": [{"mesh": 0, "scale": [1e300, 1, 1]}]}, "below 1e12"),
        ({"meshes": [{}]}, "list of primitives"),
        ({"meshes": [{"primitives": [0]}]}, "not an object"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 1}]}]}, "mode 1"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 0}]}]}, "SCALAR"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "material": 0}]}]}, "no material 0"),
        ({"meshes": [{"primitives": [{"attributes": {}}]}]}, "POSITION"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "targets": [{}] * 5000}]}]}, "4096 morph"),
        ({"skins": [{"joints": [5]}]}, "not in the scene"),
        ({"skins": [{}]}, "joints"),
        ({"materials": [{"pbrMetallicRoughness": {"baseColorFactor": [1]}}]}, "four numbers"),
        ({"materials": [{"pbrMetallicRoughness": {"roughnessFactor": 7}}]}, "roughness"),
        ({"materials": [{"alphaMode": []}]}, "OPAQUE"),
        ({"materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]}, "no entry 0 in textures"),
    ],
)
def test_wrong_documents(changes: Document, message: str) -> None:
    refused(container(*simple(**changes)), message)


def test_numbers_that_are_not_finite() -> None:
    table, _ = simple()
    broken = TRIANGLE.copy()
    broken[1, 1] = np.nan
    refused(container(table, broken.tobytes()), "NaN")
    large = np.full((3, 3), 3e38, "<f4")
    assert np.isfinite(positions(table, large.tobytes())).all()
    table["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": 0}]
    refused(container(table, large.tobytes()), "infinity")
    chain: list[Document] = [{"children": [i + 1], "scale": [1e12] * 3} for i in range(40)]
    refused(container(*simple(nodes=[*chain, {"mesh": 0}])), "not finite")


def test_long_chains_of_nodes_need_no_stack() -> None:
    nodes: list[Document] = [{"children": [i + 1]} for i in range(5_000)]
    table, binary = simple(nodes=[*nodes, {"mesh": 0}])
    np.testing.assert_array_equal(positions(table, binary), TRIANGLE * 1000)


def test_small_files_with_large_claims_stay_small() -> None:
    table, binary = simple(accessors=[{"componentType": 5126, "count": 300_000, "type": "VEC3"}])
    table["meshes"][0]["primitives"][0]["targets"] = [{"POSITION": 0}] * 4000
    tracemalloc.start()
    try:
        refused(container(table, binary), "more memory")
        assert tracemalloc.get_traced_memory()[1] < 300 * 2**20
    finally:
        tracemalloc.stop()
    many = [{"primitives": [{"attributes": {"POSITION": 0}}] * 5000}]
    hostile = simple(meshes=many, nodes=[{"mesh": 0}] * 1000, scenes=[{"nodes": list(range(1000))}])
    start = time.process_time()
    refused(container(*hostile), "more memory")
    assert time.process_time() - start < 30


def test_every_truncation_is_one_sentence(scene: GltfScene) -> None:
    data = glb_bytes(scene)
    for cut in [*range(0, 200), *range(200, len(data), 997), *range(len(data) - 20, len(data))]:
        refused(data[:cut], ".")
        head = bytearray(data[:cut])
        if cut >= 12:
            head[8:12] = struct.pack("<I", cut)  # and the length made to fit
            refused(bytes(head), ".")


def test_flipped_bytes_never_crash(scene: GltfScene) -> None:
    data = glb_bytes(scene)
    (size,) = struct.unpack("<I", data[12:16])
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(600):
        bad = bytearray(data)
        for at in rng.integers(0, 20 + size if rng.random() < 0.8 else len(data), rng.integers(1, 4)):
            bad[at] = rng.integers(256)
        try:
            json_bytes(parse_glb(bytes(bad)).summary())
        except InputError:
            refusals += 1
    assert refusals > 300


def test_numbers_of_the_document_replaced_never_crash(scene: GltfScene) -> None:
    """Every number of our own file in turn becomes something hostile."""
    table, binary = chunks(glb_bytes(scene))
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
            if isinstance(item, dict | list):
                collect(item)
            places.append((value, key))

    collect(table)
    rng = np.random.default_rng(0)
    hostile = [-1, 0, 1, 3, 255, 2**31, 2**32, 2**53, 10**30, 1.5, 1e300, True, None, "x", [], {}, [[]], [1, 2]]
    messages = set()
    for parent, key in places:
        old = parent[key]
        for choice in rng.choice(len(hostile), 2, replace=False):
            parent[key] = hostile[choice]
            try:
                json_bytes(parse_glb(container(table, binary)).summary())
            except InputError as error:
                messages.add(str(error))
        parent[key] = old
    assert not any("\n" in message for message in messages)
    assert len(messages) > 150
    parse_glb(container(table, binary))


def test_paths(tmp_path: Path, scene: GltfScene) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_glb(tmp_path / "no.glb")
    (tmp_path / "a.glb").write_bytes(glb_bytes(scene))
    with pytest.raises(InputError, match="larger than"):
        read_glb(tmp_path / "a.glb", max_bytes=1000)


def test_same_targets_sparse_or_dense(scene_maker: Callable[..., GltfScene]) -> None:
    scene = scene_maker(rows=30, columns=30)
    loaded = parse_glb(glb_bytes(scene, morph_epsilon_mm=0))
    for ours, theirs in zip(scene.primitives, loaded.primitives, strict=True):
        assert ours.morph_deltas is not None
        expected = ours.morph_deltas * np.float32(1e-3) * np.float32(1e3)
        assert (theirs.morph_deltas == expected).all()
