"""STL files, and the closed solid that is printed: judged by trimesh and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import KDTree

from cephalon.core import InputError
from cephalon.files import read_mesh
from cephalon.files.stl import read_stl, stl_bytes, write_stl
from cephalon.geometry import Mesh
from cephalon.head.solid import Solid, crossing_triangles, printable_solid, thinnest, untangled, volume
from tests.files.conftest import ball


@pytest.fixture(scope="module", params=["mean", "somebody"])
def vertices(request, model) -> np.ndarray:
    return model.vertices(None if request.param == "mean" else model.sample(rng=np.random.default_rng(5)))


@pytest.fixture(scope="module")
def solid(model, vertices) -> Solid:
    return printable_solid(model, vertices)


def test_the_head_is_one_closed_solid_to_trimesh(solid, tmp_path) -> None:
    trimesh = pytest.importorskip("trimesh")
    write_stl(tmp_path / "head.stl", solid.mesh)
    loaded = trimesh.load(tmp_path / "head.stl")  # welds equal vertices, as a slicer does
    assert loaded.is_watertight
    assert loaded.is_winding_consistent
    assert loaded.body_count == 1
    assert loaded.euler_number == 2  # a sphere: no handle, no cavity
    assert loaded.volume > 3e6
    assert loaded.volume == pytest.approx(solid.volume_mm3, rel=1e-4)


def test_nothing_crosses_and_walls_are_stated(solid) -> None:
    assert solid.crossings == 0
    assert 0.8 < solid.thinnest_mm < 8


def test_skin_that_crosses_itself_is_parted_there_alone() -> None:
    sound = ball(20.0, 24, 32, (0.0, 0.0, 0.0))
    torn = sound.vertices.copy()
    top = int(np.argmax(torn[:, 2]))
    edge = np.linalg.norm(torn - torn[top], axis=1)
    beyond = np.array([np.sin(0.6), 0.1, np.cos(0.6)])
    torn[top], torn[np.argsort(edge)[1]] = 18.0 * beyond, 22.0 * beyond
    assert len(crossing_triangles(torn, sound.faces)) > 0
    mended, left = untangled(Mesh.from_triangles(torn, sound.faces))
    assert left == 0
    assert len(crossing_triangles(mended.vertices, sound.faces)) == 0
    far = edge > 8 * np.sort(edge)[1]
    assert far.any()
    np.testing.assert_array_equal(mended.vertices[far], torn[far])
    assert untangled(sound) == (sound, 0)


def test_the_foot_is_flat_and_the_face_is_untouched(solid, model, vertices) -> None:
    placed = solid.mesh.vertices
    low = placed[:, 1].min()
    assert (np.abs(placed[:, 1] - low) < 1e-6).sum() > 40
    skin = vertices[: model.parts["skin"].vertices.stop]
    assert low < skin[:, 1].min() - 3
    away = KDTree(placed).query(skin[model.regions["nose"][: len(skin)] > 0.5])[0]
    assert away.max() == 0


def test_crossings_are_counted() -> None:
    apart = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.2, 1], [0.3, 0.2, 2], [0.2, 0.3, 2]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    assert len(crossing_triangles(apart, faces)) == 0
    through = apart.copy()
    through[3, 2] = -1
    assert crossing_triangles(through, faces).tolist() == [[0, 1]]
    sphere = ball(50, 20, 30, (0, 0, 0))
    assert len(crossing_triangles(sphere.vertices, sphere.faces)) == 0
    other = ball(50, 20, 30, (60.3, 1.1, 2.2))
    both = np.concatenate([sphere.vertices, other.vertices])
    found = crossing_triangles(both, np.concatenate([sphere.faces, other.faces + len(sphere.vertices)]))
    # the two spheres meet in a circle of radius sqrt(50^2 - 30^2): each pair crosses it
    assert len(found) > 40
    at = both[np.concatenate([sphere.faces, other.faces + len(sphere.vertices)])[found[:, 0]]].mean(1)
    assert np.abs(np.hypot(at[:, 1] - 0.5, at[:, 2] - 1.1) - 40).max() < 8


def test_volume_and_thickness_of_known_bodies() -> None:
    sphere = ball(50, 60, 80, (1, 2, 3))
    assert volume(sphere.vertices, sphere.faces) == pytest.approx(4 / 3 * np.pi * 50**3, rel=5e-3)
    grid = np.linspace(-20, 20, 41)
    x, y = np.meshgrid(grid, grid)
    top = np.stack([x, y, np.full_like(x, 1.5)], -1).reshape(-1, 3)
    bottom = top * (1, 1, -1)
    i = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = (q.reshape(-1) for q in (i[:-1, :-1], i[:-1, 1:], i[1:, 1:], i[1:, :-1]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    plate = np.concatenate([faces, faces[:, ::-1] + len(top)])
    assert thinnest(np.concatenate([top, bottom]), plate) == pytest.approx(3.0, abs=0.3)


def test_binary_and_text_come_back(tmp_path: Path) -> None:
    mesh = ball(30, 8, 10, (0, 0, 0))
    write_stl(tmp_path / "a.stl", mesh, comment="a ball")
    data = (tmp_path / "a.stl").read_bytes()
    assert len(data) == 84 + 50 * len(mesh.faces)
    again = read_stl(tmp_path / "a.stl")
    assert len(again.vertices) == len(mesh.vertices)
    corners = np.sort(mesh.vertices[mesh.faces].astype(np.float32).reshape(-1, 3), axis=0)
    np.testing.assert_array_equal(np.sort(again.vertices[again.faces].reshape(-1, 3), axis=0), corners)
    lines = ["solid x"]
    for triangle in mesh.vertices[mesh.faces][:5]:
        lines += [
            "facet normal 0 0 1",
            "outer loop",
            *(f"vertex {p[0]} {p[1]} {p[2]}" for p in triangle),
            "endloop",
            "endfacet",
        ]
    (tmp_path / "b.stl").write_text("\n".join([*lines, "endsolid x"]))
    text = read_stl(tmp_path / "b.stl")
    np.testing.assert_allclose(text.vertices[text.faces], mesh.vertices[mesh.faces][:5], atol=1e-9)
    with pytest.raises(InputError, match="unit"):
        read_mesh(tmp_path / "a.stl")
    assert read_mesh(tmp_path / "a.stl", unit="cm").vertices.max() == pytest.approx(300, rel=1e-3)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 20, b"\0" * 84, b"solid x\nvertex a b c\n"])
def test_what_is_no_stl_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.stl").write_bytes(content)
    with pytest.raises(InputError):
        read_stl(tmp_path / "x.stl")


def test_truncated_stl_is_refused(tmp_path: Path) -> None:
    data = stl_bytes(Mesh.from_triangles(np.eye(3), [[0, 1, 2]]))
    (tmp_path / "x.stl").write_bytes(data[:-1])
    with pytest.raises(InputError, match="truncated"):
        read_stl(tmp_path / "x.stl")


@pytest.mark.parametrize("seed", [2, 5, 8, 9])
def test_closing_a_slit_lays_no_edge_twice(model, seed) -> None:
    """Slits whose corner is not their outermost point: every edge has two triangles all the same."""
    head = model.vertices(model.sample(rng=np.random.default_rng(seed)))
    faces = np.asarray(printable_solid(model, head).mesh.faces)
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
