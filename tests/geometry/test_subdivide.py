"""One Catmull-Clark level against closed forms, a slow twin, and its own promises."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.geometry import Mesh, boundary_loops, edges, euler_characteristic, is_manifold, subdivision, triangulate
from tests.geometry.shapes import cube, grid, icosphere

MIXED = Mesh(
    vertices=[[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 1.8, 0.3], [2, 0.4, 0.2]],
    polygons=[[0, 1, 2, 3], [3, 2, 4, -1], [1, 5, 2, -1]],
)


def naive_catmull_clark(mesh: Mesh) -> dict[str, np.ndarray]:
    """Vertex, edge and polygon points by the book, one at a time (closed meshes)."""
    polygons = [[v for v in row if v >= 0] for row in mesh.polygons.tolist()]
    x = mesh.vertices
    centroids = np.array([x[p].mean(axis=0) for p in polygons])
    edge_points = []
    for a, b in edges(mesh.polygons).tolist():
        beside = [i for i, p in enumerate(polygons) if a in p and b in p]
        edge_points.append((x[a] + x[b] + centroids[beside].sum(axis=0)) / 4)
    vertex_points = []
    for v in range(len(x)):
        around = [i for i, p in enumerate(polygons) if v in p]
        spokes = [(x[a] + x[b]) / 2 for a, b in edges(mesh.polygons).tolist() if v in (a, b)]
        k = len(spokes)
        vertex_points.append((centroids[around].mean(axis=0) + 2 * np.mean(spokes, axis=0) + (k - 3) * x[v]) / k)
    return {"vertex": np.array(vertex_points), "edge": np.array(edge_points), "polygon": centroids}


@pytest.mark.parametrize("mesh", [cube(), icosphere(levels=1)], ids=["cube", "icosphere"])
def test_agrees_with_the_slow_twin(mesh):
    fine = subdivision(mesh)
    truth = naive_catmull_clark(mesh)
    expected = np.concatenate([truth["vertex"], truth["edge"], truth["polygon"]])
    np.testing.assert_allclose(fine.mesh.vertices, expected, atol=1e-12)


def test_cube_corner_by_hand():
    fine = subdivision(cube(2.0))
    # F = mean of three face centres (1/3 along each axis), R = mean of three midpoints (2/3): (1/3 + 4/3) / 3
    np.testing.assert_allclose(np.abs(fine.mesh.vertices[:8]), 5 / 9)


@pytest.mark.parametrize(
    "mesh", [cube(), icosphere(levels=1), grid(4, 3), MIXED], ids=["cube", "ball", "grid", "mixed"]
)
def test_topology_and_linearity(mesh):
    fine = subdivision(mesh)
    assert is_manifold(fine.mesh.polygons)
    assert (fine.mesh.polygons >= 0).all()
    assert euler_characteristic(fine.mesh.polygons) == euler_characteristic(mesh.polygons)
    assert len(boundary_loops(fine.mesh.polygons)) == len(boundary_loops(mesh.polygons))
    assert len(fine.mesh.polygons) == np.count_nonzero(mesh.polygons >= 0)
    np.testing.assert_allclose(fine.operator.sum(axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(fine.operator @ mesh.vertices, fine.mesh.vertices, atol=1e-12)
    rng = np.random.default_rng(0)
    affine, shift = rng.normal(size=(3, 3)), rng.normal(size=3)
    moved = subdivision(mesh.with_vertices(mesh.vertices @ affine + shift))
    np.testing.assert_allclose(moved.mesh.vertices, fine.mesh.vertices @ affine + shift, atol=1e-12)


def test_keeps_orientation():
    fine = subdivision(cube()).mesh
    corners = fine.vertices[fine.faces]
    volume = np.einsum("ti,ti->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    assert 0 < volume < 8


def test_flat_grid_stays_a_regular_flat_grid_and_its_border_does_not_shrink():
    mesh = grid(4, 3)
    fine = subdivision(mesh).mesh
    twice = np.unique(np.round(2 * fine.vertices[:, :2], 9), axis=0)
    assert len(twice) == 9 * 7
    np.testing.assert_allclose(twice, np.round(twice), atol=1e-9)
    np.testing.assert_allclose(fine.vertices[:, 2], 0)


def test_round_border_keeps_its_radius():
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(24)], axis=1)
    here = np.arange(24)
    ahead = np.roll(here, -1)
    tube = Mesh(
        vertices=np.concatenate([ring, ring + np.array([0.0, 0.0, 1.0])]),
        polygons=np.stack([here, ahead, ahead + 24, here + 24], axis=1),
    )
    fine = subdivision(tube).mesh
    rim = np.unique(np.concatenate(boundary_loops(fine.polygons)))
    assert len(rim) == 96
    np.testing.assert_allclose(np.linalg.norm(fine.vertices[rim, :2], axis=1), 1, atol=2e-4)


def test_uv_are_interpolated_and_seams_kept():
    mesh = grid(3, 2)
    fine = subdivision(mesh).mesh
    assert fine.uv is not None
    assert fine.polygons_uv is not None
    np.testing.assert_allclose(fine.uv[fine.polygons_uv], fine.vertices[fine.polygons][..., :2] / [3, 2], atol=1e-12)

    # the same sheet with every quad in a chart of its own
    corners = np.arange(24).reshape(6, 4)
    apart = Mesh(
        vertices=mesh.vertices,
        polygons=mesh.polygons,
        uv=mesh.uv[mesh.polygons_uv].reshape(-1, 2),
        polygons_uv=corners,
    )
    finer = subdivision(apart).mesh
    assert finer.polygons_uv is not None
    assert len(finer.uv) == 6 * 9
    np.testing.assert_allclose(finer.uv[finer.polygons_uv], fine.uv[fine.polygons_uv], atol=1e-12)


def test_groups_and_polygon_order_follow():
    mesh = Mesh(vertices=MIXED.vertices, polygons=MIXED.polygons, groups={"triangles": [1, 2], "none": []})
    fine = subdivision(mesh).mesh
    assert fine.groups["triangles"].tolist() == [4, 5, 6, 7, 8, 9]
    assert fine.groups["none"].tolist() == []
    for row, quad in enumerate(fine.polygons.tolist()):
        parent = 0 if row < 4 else 1 + (row - 4) // 3
        assert quad[0] in mesh.polygons[parent]


def test_triangulation_covers_the_same_plane():
    fine = subdivision(grid(2, 2)).mesh
    faces, _ = triangulate(fine.polygons)
    a, b, c = np.moveaxis(fine.vertices[faces][..., :2], 1, 0)
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (areas > 0).all()
    assert areas.sum() == pytest.approx(4)


@pytest.mark.parametrize(
    ("polygons", "count", "word"),
    [
        ([[0, 1, 2, -1]], 4, "no polygon"),
        ([[0, 1, 2, -1], [0, 1, 3, -1]], 4, "turned"),
        ([[0, 1, 2, -1], [0, 3, 4, -1]], 5, "touch"),
    ],
)
def test_refuses_what_it_cannot_subdivide(polygons, count, word):
    vertices = np.random.default_rng(1).normal(size=(count, 3))
    with pytest.raises(InputError, match=word):
        subdivision(Mesh(vertices=vertices, polygons=np.array(polygons)))
