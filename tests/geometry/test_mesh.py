"""Triangulation, normals, edges and borders, on shapes whose truths are known."""

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import (
    Mesh,
    boundary_loops,
    corner_angles,
    edges,
    euler_characteristic,
    face_areas,
    face_normals,
    half_edges,
    is_manifold,
    rotation_from_rotvec,
    triangulate,
    vertex_normals,
)
from tests.geometry.shapes import CUBE_QUADS, cube, grid, icosphere
from tests.reference import geometry as reference


def test_quads_split_along_0_2_in_order() -> None:
    polygons = np.array([[0, 1, 2, 3], [3, 2, 4, -1], [5, 6, 7, 8]])
    faces, owner = triangulate(polygons)
    np.testing.assert_array_equal(faces, [[0, 1, 2], [0, 2, 3], [3, 2, 4], [5, 6, 7], [5, 7, 8]])
    np.testing.assert_array_equal(owner, [0, 0, 1, 2, 2])
    assert faces.dtype == owner.dtype == np.int32


def test_triangulate_nothing() -> None:
    faces, owner = triangulate(np.zeros((0, 4), dtype=np.int32))
    assert faces.shape == (0, 3)
    assert owner.shape == (0,)


def test_mesh_derives_faces_and_keeps_its_own_copies() -> None:
    vertices = np.random.default_rng(0).normal(size=(5, 3))
    mesh = Mesh(
        vertices=vertices,
        polygons=[[0, 1, 2, 3], [3, 2, 4, -1]],
        uv=np.random.default_rng(0).random((6, 2)),
        polygons_uv=[[0, 1, 2, 3], [3, 2, 5, -1]],
        groups={"flap": [1]},
    )
    np.testing.assert_array_equal(mesh.faces_uv, [[0, 1, 2], [0, 2, 3], [3, 2, 5]])
    np.testing.assert_array_equal(mesh.face_polygon, [0, 0, 1])
    np.testing.assert_array_equal(mesh.groups["flap"], [1])
    vertices[:] = 0
    assert mesh.vertices.any()
    for array in (mesh.vertices, mesh.polygons, mesh.uv, mesh.polygons_uv, mesh.faces, mesh.faces_uv):
        assert not array.flags.writeable


def test_with_vertices_shares_the_topology() -> None:
    mesh = grid(3, 2)
    moved = mesh.with_vertices(mesh.vertices + 1)
    assert moved.faces is mesh.faces
    assert moved.uv is mesh.uv
    np.testing.assert_array_equal(moved.vertices, mesh.vertices + 1)
    with pytest.raises(InputError, match="expected shape"):
        mesh.with_vertices(mesh.vertices[1:])
    with pytest.raises(InputError, match="finite"):
        mesh.with_vertices(mesh.vertices * np.nan)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"polygons": [[0, 1, 2, 9]]}, "below 4"),
        ({"polygons": [[0, -1, 2, 3]]}, "from 0"),
        ({"polygons": [[0, 1, 2, -2]]}, "from 0"),
        ({"polygons": [[0, 1, 2]]}, "expected shape"),
        ({"uv": np.zeros((4, 2))}, "together"),
        ({"uv": np.zeros((4, 2)), "polygons_uv": [[0, 1, 2, -1]]}, "where Mesh.polygons"),
        ({"uv": np.zeros((3, 2)), "polygons_uv": [[0, 1, 2, 3]]}, "below 3"),
        ({"groups": {"g": [1]}}, "polygon numbers"),
    ],
)
def test_broken_meshes_are_refused(fields: dict, message: str) -> None:
    good = {"vertices": np.zeros((4, 3)), "polygons": [[0, 1, 2, 3]]}
    with pytest.raises(InputError, match=message):
        Mesh(**{**good, **fields})


def test_areas_and_normals_of_a_cube() -> None:
    mesh = cube(3.0)
    assert face_areas(mesh.vertices, mesh.faces).sum() == pytest.approx(6 * 9)
    normals = face_normals(mesh.vertices, mesh.faces)
    centres = mesh.vertices[mesh.faces].mean(axis=1)
    assert (np.einsum("td,td->t", normals, centres) > 0).all()
    np.testing.assert_allclose(np.abs(normals).max(axis=1), 1)


def test_corner_angles_sum_to_a_half_turn() -> None:
    rng = np.random.default_rng(0)
    vertices, faces = rng.normal(size=(30, 3)), np.arange(30).reshape(10, 3)
    np.testing.assert_allclose(corner_angles(vertices, faces).sum(axis=1), np.pi)
    np.testing.assert_allclose(corner_angles(np.eye(3), [[0, 1, 2]]), np.pi / 3)
    np.testing.assert_allclose(corner_angles([[0, 0, 0], [1, 0, 0], [0, 1, 0]], [[0, 1, 2]])[0, 0], np.pi / 2)


@pytest.mark.parametrize("seed", range(4))
def test_cube_corners_point_along_the_diagonal_however_its_sides_are_cut(seed: int) -> None:
    rng = np.random.default_rng(seed)
    turned = np.array([np.roll(quad, rng.integers(4)) for quad in CUBE_QUADS])
    vertices = cube().vertices
    normals = vertex_normals(vertices, triangulate(turned)[0])
    np.testing.assert_allclose(normals, vertices / np.sqrt(3), atol=1e-14)


def test_sphere_normals_are_radial() -> None:
    errors = []
    for levels in (2, 3, 4):
        sphere = icosphere(90.0, levels)
        normals = vertex_normals(sphere.vertices, sphere.faces)
        cosine = np.einsum("nd,nd->n", normals, sphere.vertices) / 90.0
        errors.append(np.degrees(np.arccos(cosine.clip(-1, 1)).max()))
    assert errors[2] < 0.2
    assert errors[2] < 0.5 * errors[1] < 0.25 * errors[0]


def test_vertex_normals_agree_with_the_plain_twin_and_turn_with_the_shape() -> None:
    rng = np.random.default_rng(3)
    vertices, faces = rng.normal(size=(40, 3)), rng.integers(0, 39, size=(80, 3))
    faces[0] = (1, 1, 2)  # no area
    normals = vertex_normals(vertices, faces)
    np.testing.assert_allclose(normals, reference.vertex_normals(vertices, faces), atol=1e-12)
    assert not normals[39].any(), "a vertex without a face has no normal"
    rotation = rotation_from_rotvec([0.3, -1.0, 0.4])
    moved = vertex_normals(vertices @ rotation.T * 7 + 3, faces)
    np.testing.assert_allclose(moved, normals @ rotation.T, atol=1e-12)


def test_half_edges_of_mixed_polygons() -> None:
    ends, owner = half_edges(np.array([[0, 1, 2, 3], [3, 2, 4, -1]]))
    np.testing.assert_array_equal(ends, [[0, 1], [1, 2], [2, 3], [3, 0], [3, 2], [2, 4], [4, 3]])
    np.testing.assert_array_equal(owner, [0, 0, 0, 0, 1, 1, 1])


def test_edges_of_a_cube() -> None:
    assert len(edges(CUBE_QUADS)) == 12
    assert len(edges(cube().faces)) == 12 + 6
    assert edges(np.zeros((0, 4), dtype=np.int32)).shape == (0, 2)


def test_closed_shapes_have_no_border() -> None:
    for polygons in (CUBE_QUADS, cube().faces, icosphere(1.0, 1).faces):
        assert boundary_loops(polygons) == []
        assert is_manifold(polygons, closed=True)
        assert euler_characteristic(polygons) == 2


def test_border_of_a_sheet_runs_with_its_polygons() -> None:
    mesh = grid(3, 2)
    (loop,) = boundary_loops(mesh.polygons)
    np.testing.assert_array_equal(loop, [0, 1, 2, 3, 7, 11, 10, 9, 8, 4])
    assert is_manifold(mesh.polygons)
    assert not is_manifold(mesh.polygons, closed=True)
    assert euler_characteristic(mesh.polygons) == 1


def test_border_with_a_hole_and_a_touching_corner() -> None:
    mesh = grid(4, 4)
    ring = np.delete(mesh.polygons, [5], axis=0)
    outer, hole = boundary_loops(ring)
    assert len(outer) == 16
    np.testing.assert_array_equal(hole, [6, 11, 12, 7])
    assert euler_characteristic(ring) == 0
    pinched = np.delete(mesh.polygons, [5, 10], axis=0)  # two holes that share vertex 12
    loops = boundary_loops(pinched)
    assert sorted(len(loop) for loop in loops) == [4, 4, 16]
    assert all(len(set(loop.tolist())) == len(loop) for loop in loops)
    assert not is_manifold(pinched), "vertex 12 has two fans"


def test_what_is_no_manifold() -> None:
    assert is_manifold(np.zeros((0, 3), dtype=np.int32))
    assert is_manifold(np.array([[0, 1, 2], [1, 0, 3]]))
    assert not is_manifold(np.array([[0, 1, 2], [0, 1, 3]])), "turned against each other"
    assert not is_manifold(np.array([[0, 1, 2], [1, 0, 3], [1, 0, 4]])), "three faces at an edge"
    assert not is_manifold(np.array([[0, 1, 2], [0, 3, 4]])), "two fans at a vertex"
    assert not is_manifold(np.array([[0, 1, 0]])), "a vertex twice"


def test_borders_that_do_not_close_are_refused() -> None:
    with pytest.raises(InputError, match="does not close"):
        boundary_loops(np.array([[0, 1, 2], [1, 0, 3], [1, 0, 4]]))
