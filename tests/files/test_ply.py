from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files import ply_bytes, read_ply, write_ply
from cephalon.files.ply import parse_ply
from cephalon.geometry import Mesh


@pytest.fixture(scope="module")
def mixed(ball_maker: Callable[..., Mesh]) -> Mesh:
    return ball_maker(100, 10, 14, (0.1, 20, 0))  # per column a triangle, quads, a triangle


def test_round_trip_with_attributes(mixed: Mesh, tmp_path: Path) -> None:
    n = len(mixed.vertices)
    sigma, part = np.linspace(0.1, 3, n), np.arange(n)
    write_ply(tmp_path / "a.ply", mixed, {"sigma_mm": sigma, "part": part}, comment="Cephalon\nneutral", quads=True)
    loaded = read_ply(tmp_path / "a.ply")
    assert loaded.unit == "mm"
    assert loaded.comments == ("units: mm", "Cephalon", "neutral")
    np.testing.assert_array_equal(loaded.mesh.vertices, mixed.vertices.astype(np.float32))
    assert (loaded.mesh.polygons == mixed.polygons).all()
    assert list(loaded.attributes) == ["sigma_mm", "part"]
    np.testing.assert_array_equal(loaded.attributes["sigma_mm"], sigma.astype(np.float32))
    assert (loaded.attributes["part"] == part).all()
    assert ply_bytes(mixed) == ply_bytes(mixed)


def test_trimesh_reads_it(mixed: Mesh, tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    write_ply(tmp_path / "a.ply", mixed, {"sigma_mm": np.ones(len(mixed.vertices))})
    loaded = trimesh.load_mesh(tmp_path / "a.ply", process=False)
    np.testing.assert_allclose(loaded.vertices, mixed.vertices, atol=1e-5)
    assert (loaded.faces == mixed.faces).all()
    assert (loaded.metadata["_ply_raw"]["vertex"]["data"]["sigma_mm"] == 1).all()
    assert (read_ply(tmp_path / "a.ply").mesh.faces == mixed.faces).all()


@pytest.mark.parametrize("encoding", ["ascii", "binary"])
def test_what_trimesh_writes(mixed: Mesh, tmp_path: Path, encoding: str) -> None:
    trimesh = pytest.importorskip("trimesh")
    other = trimesh.Trimesh(
        mixed.vertices, mixed.faces, process=False, vertex_colors=np.full((len(mixed.vertices), 4), 9)
    )
    other.export(tmp_path / "a.ply", encoding=encoding, vertex_normal=True)
    loaded = read_ply(tmp_path / "a.ply", unit="m")
    np.testing.assert_allclose(loaded.mesh.vertices, mixed.vertices * 1000, rtol=1e-5, atol=0.1)
    assert (loaded.mesh.faces == mixed.faces).all()
    assert {"nx", "ny", "nz", "red"} <= set(loaded.attributes)


HEAD = "ply\nformat {} 1.0\ncomment made by hand\nelement vertex 4\nproperty {} x\nproperty {} y\nproperty {} z\n"
FACES = "element face 2\nproperty uchar flags\nproperty list uchar {} vertex_index\nproperty float weight\nend_header\n"


@pytest.mark.parametrize(("name", "order"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
@pytest.mark.parametrize(("real", "kind"), [("float", "f4"), ("double", "f8"), ("short", "i2")])
@pytest.mark.parametrize(("index", "width"), [("int", "i4"), ("uint", "u4"), ("ushort", "u2")])
def test_binary_of_all_sorts(name: str, order: str, real: str, kind: str, index: str, width: str) -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    data = (HEAD.format(name, real, real, real) + FACES.format(index)).encode()
    data += points.astype(order + kind).tobytes()
    for corners in ([0, 1, 2, 3], [0, 2, 3]):
        data += (
            bytes([7, len(corners)])
            + np.array(corners, order + width).tobytes()
            + np.array(2.5, order + "f4").tobytes()
        )
    loaded = parse_ply(data, where="x")
    assert loaded.unit is None
    assert loaded.comments == ("made by hand",)
    assert loaded.mesh.vertices.tolist() == points.tolist()
    assert loaded.mesh.polygons.tolist() == [[0, 1, 2, 3], [0, 2, 3, -1]]


def test_text_with_fans_and_other_elements() -> None:
    text = (
        "ply\nformat ascii 1.0\nobj_info x\nelement camera 1\nproperty float f\nelement vertex 5\n"
        "property float x\nproperty float y\nproperty float z\nproperty float q\nelement face 2\n"
        "property list uchar int vertex_indices\nelement strip 1\nproperty list int int vertex_indices\nend_header\n"
        "50\n0 0 0 1\n1 0 0 2\n1 1 0 3\n0 1 0 4\n-1 0 0 nan\n5 0 1 2 3 4\n3 0 1 2\n2 0 0\n"
    )
    loaded = parse_ply(text.replace("\n", "\r\n").encode(), where="x")
    assert loaded.mesh.polygons.tolist() == [[0, 1, 2, -1], [0, 2, 3, -1], [0, 3, 4, -1], [0, 1, 2, -1]]
    assert loaded.attributes["q"][:4].tolist() == [1, 2, 3, 4]


def changed(text: str, old: str, new: str) -> bytes:
    assert old in text
    return text.replace(old, new).encode()


TEXT = (
    "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    "element face 1\nproperty list uchar int vertex_indices\nend_header\n0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n"
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ply\n", "pla\n", "not a PLY file"),
        ("end_header", "end", "not a PLY file"),
        ("format ascii 1.0", "format morse 1.0", "header line"),
        ("format ascii 1.0\n", "", "incomplete"),
        ("vertex 3", "vertex many", "header line"),
        ("vertex 3", "vertex -3", "incomplete"),
        ("vertex 3", "vertex 999999999999", "truncated"),
        ("vertex 3", "vertex 0", "0 corners"),
        ("vertex 3", "box 3", "no vertices"),
        ("face 1", "face 999999999999", "truncated"),
        ("float z", "float w", "no x, y and z"),
        ("float z", "float x", "twice"),
        ("float z", "list uchar int z", "lists at vertex"),
        ("float z", "quad z", "header line"),
        ("property float x", "propriety float x", "header line"),
        ("vertex_indices", "corners", "expected one list"),
        ("0 1 0\n", "0 1 x\n", "not a number"),
        ("0 1 0\n", "0 1 nan\n", "not all finite"),
        ("0 1 0\n", "0 1 1e99\n", "too large"),
        ("3 0 1 2", "3 0 1 3", "not there"),
        ("3 0 1 2", "3 0 1 -1", "not there"),
        ("3 0 1 2", "3 0 1 99999999999", "not there"),
        ("3 0 1 2", "2 0 1 2", "2 corners"),
        ("3 0 1 2", "3 0 1", "truncated"),
    ],
)
def test_wrong_files(old: str, new: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(changed(TEXT, old, new))
    with pytest.raises(InputError, match=message) as caught:
        read_ply(tmp_path / "a.ply")
    assert "\n" not in str(caught.value)


def test_truncated_and_flipped(mixed: Mesh) -> None:
    data = ply_bytes(mixed, {"sigma_mm": np.ones(len(mixed.vertices))})
    for cut in [*range(0, 300, 7), *range(300, len(data), 501), len(data) - 1]:
        with pytest.raises(InputError) as caught:
            parse_ply(data[:cut], where="x")
        assert "\n" not in str(caught.value)
    rng = np.random.default_rng(0)
    refusals = 0
    for _ in range(300):
        bad = bytearray(data)
        for at in rng.integers(0, 250 if rng.random() < 0.5 else len(data), 3):
            bad[at] = rng.integers(256)
        try:
            parse_ply(bytes(bad), where="x")
        except InputError:
            refusals += 1
    assert refusals > 100


def test_huge_counts_need_no_memory() -> None:
    for count in (2**31, 2**62, 10**18):
        for element in ("vertex 3", "face 1"):
            data = changed(TEXT, element, f"{element.split()[0]} {count}").replace(b"ascii", b"binary_little_endian")
            with pytest.raises(InputError, match=r"truncated|corners"):
                parse_ply(data, where="x")


def test_wrong_use(mixed: Mesh) -> None:
    n = len(mixed.vertices)
    with pytest.raises(InputError, match="shape"):
        ply_bytes(mixed, {"a": np.zeros(n - 1)})
    with pytest.raises(InputError, match="finite"):
        ply_bytes(mixed, {"a": np.full(n, np.nan)})
    for name in ("x", "a b", "", "1a", "a\nend_header"):
        with pytest.raises(InputError, match="name"):
            ply_bytes(mixed, {name: np.zeros(n)})
    with pytest.raises(InputError, match="one of mm"):
        parse_ply(TEXT.encode(), where="x", unit="mile")
