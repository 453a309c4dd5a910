from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files import ObjMaterial, mtl_bytes, obj_bytes, read_obj, write_obj
from cephalon.files.mtl import parse_mtl
from cephalon.files.obj import parse_obj
from cephalon.geometry import Mesh, vertex_normals

MATERIALS = {
    "skin": ObjMaterial(name="skin", color=(1, 1, 1), roughness=0.5, texture="albedo.png"),
    "left_eye": ObjMaterial(name="eye", color=(0.9, 0.9, 0.88), opacity=0.5),
}


@pytest.fixture(scope="module")
def two(ball_maker: Callable[..., Mesh]) -> Mesh:
    """Skin first, then an eye; quads and triangles, uv of both in one table."""
    skin, eye = ball_maker(100, 10, 14, (0.1, 20, 0)), ball_maker(12, 6, 8, (31, 30, 85))
    assert skin.uv is not None
    assert eye.uv is not None
    assert skin.polygons_uv is not None
    assert eye.polygons_uv is not None

    def shifted(table: np.ndarray, by: int) -> np.ndarray:
        return np.where(table >= 0, table + by, -1)

    m = len(skin.polygons)
    return Mesh(
        vertices=np.concatenate([skin.vertices, eye.vertices]),
        polygons=np.concatenate([skin.polygons, shifted(eye.polygons, len(skin.vertices))]),
        uv=np.concatenate([skin.uv, eye.uv]),
        polygons_uv=np.concatenate([skin.polygons_uv, shifted(eye.polygons_uv, len(skin.uv))]),
        groups={"skin": np.arange(m), "left_eye": np.arange(m, m + len(eye.polygons))},
    )


def test_round_trip(two: Mesh, tmp_path: Path) -> None:
    normals = vertex_normals(two.vertices, two.faces)
    write_obj(tmp_path / "head.obj", two, normals=normals, materials=MATERIALS, comment="Cephalon head\nneutral")
    loaded = read_obj(tmp_path / "head.obj")
    assert loaded.unit == "mm"
    np.testing.assert_allclose(loaded.mesh.vertices, two.vertices, atol=5.1e-6)
    np.testing.assert_allclose(loaded.mesh.uv, two.uv, atol=5.1e-8)
    assert (loaded.mesh.polygons == two.polygons).all()
    assert (loaded.mesh.polygons_uv == two.polygons_uv).all()
    assert list(loaded.mesh.groups) == ["skin", "left_eye"]
    assert all((loaded.mesh.groups[name] == two.groups[name]).all() for name in two.groups)
    assert loaded.materials == {m.name: m for m in MATERIALS.values()}
    assert loaded.group_materials == {"skin": "skin", "left_eye": "eye"}
    text = (tmp_path / "head.obj").read_text()
    assert text.startswith("# Cephalon head\n# neutral\n# units: mm\n")
    assert "-0.00000" not in text
    assert "\nmtllib head.mtl\n" in text


def test_trimesh_reads_the_same_mesh_in_the_same_order(two: Mesh, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    bare = Mesh(vertices=two.vertices, polygons=two.polygons)
    write_obj(tmp_path / "head.obj", bare)
    loaded = trimesh.load_mesh(tmp_path / "head.obj", process=False, maintain_order=True)
    np.testing.assert_allclose(loaded.vertices, two.vertices, atol=1e-5)
    ours = {tuple(sorted(face)) for face in two.faces.tolist()}
    assert {tuple(sorted(face)) for face in loaded.faces.tolist()} == ours
    loaded.export(tmp_path / "theirs.obj", include_normals=False)
    again = read_obj(tmp_path / "theirs.obj", unit="mm").mesh
    np.testing.assert_allclose(again.vertices, two.vertices, atol=1e-5)
    write_obj(tmp_path / "textured.obj", two, materials=MATERIALS)
    (tmp_path / "albedo.png").write_bytes(b"")
    parts = trimesh.load_scene(tmp_path / "textured.obj", process=False, skip_materials=True)
    assert sum(len(part.faces) for part in parts.geometry.values()) == len(two.faces)


def test_same_mesh_same_bytes(two: Mesh) -> None:
    assert obj_bytes(two) == obj_bytes(two)
    assert mtl_bytes(MATERIALS) == mtl_bytes(MATERIALS)


def test_polygons_without_group_come_last(two: Mesh) -> None:
    part = Mesh(vertices=two.vertices, polygons=two.polygons, groups={"left_eye": two.groups["left_eye"]})
    loaded = parse_obj(obj_bytes(part), where="x").mesh
    assert list(loaded.groups) == ["left_eye", "unnamed"]
    assert (loaded.polygons[loaded.groups["unnamed"]] == two.polygons[two.groups["skin"]]).all()
    assert parse_obj(obj_bytes(Mesh(vertices=two.vertices, polygons=two.polygons)), where="x").mesh.groups == {}


def test_units() -> None:
    text = b"v 1 2 3\nv 0 0 0\nv 1 0 0\nf 1 2 3\n"
    unknown = parse_obj(text, where="x")
    assert unknown.unit is None
    assert unknown.mesh.vertices[0].tolist() == [1, 2, 3]
    assert parse_obj(text, where="x", unit="m").mesh.vertices[0].tolist() == [1000, 2000, 3000]
    declared = parse_obj(b"# File Units: CM\n" + text, where="x")
    assert declared.unit == "cm"
    assert declared.mesh.vertices[0].tolist() == [10, 20, 30]
    assert parse_obj(b"# units: cm\n" + text, where="x", unit="m").unit == "m"
    with pytest.raises(InputError, match="one of mm, cm, m, in"):
        parse_obj(text, where="x", unit="feet")


def test_what_other_programs_write() -> None:
    text = (
        b"\xef\xbb\xbf# made elsewhere\r\nmtllib x.mtl\r\no a name\r\n"
        b"v 0 0 0 0.5 0.5 0.5\r\nv 1 0 0 1\r\nv 1 1 0\r\nv 0 1 0\r\nv 0.5 2 0\r\nvn 0 0 1\r\nvt 0.5 0.5 0\r\nvt 1\r\n"
        b"s off\r\nusemtl my mat\r\nf 1/1/1 2/2/1 3/1/1 4/1/1 5/1/1\r\ng second\r\n"
        b"f -4/-1 -3/-2 \\\r\n -2/-1\r\nl 1 2\r\nf 1/1 2/1 3/1 4/1"
    )
    loaded = parse_obj(text.replace(b"vt 1\r\n", b"vt 1 0\r\n"), where="x")
    assert loaded.mesh.polygons.tolist() == [[0, 1, 2, -1], [0, 2, 3, -1], [0, 3, 4, -1], [1, 2, 3, -1], [0, 1, 2, 3]]
    assert loaded.mesh.polygons_uv is not None
    assert loaded.mesh.polygons_uv[3].tolist() == [1, 0, 1, -1]
    assert {name: group.tolist() for name, group in loaded.mesh.groups.items()} == {
        "a name": [0, 1, 2],
        "second": [3, 4],
    }
    assert loaded.group_materials == {"a name": "my_mat", "second": "my_mat"}
    partly = parse_obj(b"v 0 0 0\nv 1 0 0\nv 1 1 0\nvt 0 0\nf 1/1 2/1 3/1\nf 1 2 3\n", where="x")
    assert partly.mesh.uv is None
    points = parse_obj(b"v 0 0 0\nv 1 0 0\n", where="x")
    assert points.mesh.polygons.shape == (0, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no vertices"),
        (b"\x00\x01\x02" * 100, "no vertices"),
        (b"v 1 2\n", "line 1: expected 3 finite numbers"),
        (b"v 1 2 x\n", "line 1: expected 3"),
        (b"v 1 2 nan\n", "line 1: expected 3"),
        (b"\n\nv 1 2 1e999\n", "line 3: expected 3"),
        (b"vt x 1\n", "line 1: expected 2 finite numbers after vt"),
        (b"v 0 0 0\nf 1 1\n", "line 2: a polygon needs"),
        (b"v 0 0 0\nf 1 1 2\n", "vertex 2 of 1"),
        (b"v 0 0 0\nf 1 1 0\n", "line 2"),
        (b"v 0 0 0\nf 1 1 -2\n", "line 2: a corner"),
        (b"v 0 0 0\nf 1 1 99999999999999999999\n", "line 2: a corner"),
        (b"v 0 0 0\nf 1 1 x\n", "line 2: expected vertex numbers"),
        (b"v 0 0 0\nf 1 1 1.5\n", "line 2: expected vertex numbers"),
        (b"v 0 0 0\nf 1 1 " + b"9" * 5000 + b"\n", "line 2: expected vertex numbers"),
        (b"v 0 0 0\nvt 0 0\nf 1/1 1/1 1/2\n", "texture coordinate 2 of 1"),
        (b"v 0 0 0\nvt 0 0\nf 1/1 1/1 1/-2\n", "line 3"),
    ],
)
def test_wrong_files(text: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_bytes(text)
    with pytest.raises(InputError, match=message) as caught:
        read_obj(tmp_path / "a.obj")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_truncated_and_flipped(two: Mesh) -> None:
    data = obj_bytes(two)
    rng = np.random.default_rng(0)
    for cut in rng.integers(0, len(data), 40):
        bad = bytearray(data[:cut] if cut % 2 else data)
        for at in rng.integers(0, max(len(bad), 1), 3):
            if bad:
                bad[at] = rng.integers(256)
        try:
            parse_obj(bytes(bad), where="x")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_materials_are_looked_for_beside_only(two: Mesh, tmp_path: Path) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    (tmp_path / "secret.mtl").write_text("newmtl x\n")
    for name in ("../secret.mtl", str(tmp_path / "secret.mtl"), "..", "missing.mtl"):
        (inside / "a.obj").write_bytes(b"mtllib " + name.encode() + b"\n" + obj_bytes(two))
        assert read_obj(inside / "a.obj").materials == {}


def test_mtl_of_other_programs() -> None:
    text = b"Kd 1 1 1\n\nnewmtl a b\n  Kd 0.5 2 -1\nd 0.25\nNs 10\nmap_Kd my picture.jpg\nKd x\n"
    text += b"newmtl\nnewmtl c\nPr nan\n\xff"
    materials = parse_mtl(text)
    assert materials["a_b"] == ObjMaterial(name="a_b", color=(0.5, 1, 0), opacity=0.25, texture="my picture.jpg")
    assert materials["c"] == ObjMaterial(name="c")


def test_wrong_use(two: Mesh) -> None:
    overlapping = Mesh(vertices=two.vertices, polygons=two.polygons, groups={"a": [0, 1], "b": [1]})  # type: ignore[dict-item]
    with pytest.raises(InputError, match="polygon 1 is in several groups"):
        obj_bytes(overlapping)
    with pytest.raises(InputError, match="no group 'nose'"):
        obj_bytes(two, group_materials={"nose": "skin"})
    with pytest.raises(InputError, match="without blanks"):
        obj_bytes(two, group_materials={"skin": "my skin"})
    with pytest.raises(InputError, match="shape"):
        obj_bytes(two, normals=np.zeros((3, 3)))
    with pytest.raises(InputError, match="one line"):
        ObjMaterial(name="a", texture="x\nnewmtl y")
    with pytest.raises(InputError, match="opacity"):
        ObjMaterial(name="a", opacity=2)
    with pytest.raises(InputError, match="two different"):
        mtl_bytes({"a": ObjMaterial(name="x"), "b": ObjMaterial(name="x", opacity=0)})


def test_a_head_is_read_in_under_a_second(ball_maker: Callable[..., Mesh]) -> None:
    data = obj_bytes(ball_maker(100, 80, 140, (0, 0, 0)))
    start = time.process_time()
    assert len(parse_obj(data, where="x").mesh.vertices) == 79 * 140 + 2
    assert time.process_time() - start < 5  # 0.1 s on an idle machine; the rest is for a busy one
