"""The rasteriser: counts and depths known in closed form, coverage exactly once, twins, and a nasty list."""

import numpy as np
import pytest
from scipy.spatial import Delaunay

from cephalon.core import InputError
from cephalon.geometry import (
    Camera,
    Raster,
    interpolate,
    point_visibility,
    rasterise,
    rasterise_mesh,
    rasterise_uv,
    vertex_normals,
    vertex_visibility,
)
from tests.geometry.shapes import cube, grid, icosphere, in_camera
from tests.reference import raster as reference

both = pytest.mark.parametrize("backend", ["numba", "numpy"])


def same(a: Raster, b: Raster) -> None:
    np.testing.assert_array_equal(a.face_index, b.face_index)
    np.testing.assert_array_equal(a.barycentric, b.barycentric)
    np.testing.assert_array_equal(a.depth, b.depth)


def soup(seed: int, count: int = 25, size: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    """Random triangles through each other, partly off the screen."""
    rng = np.random.default_rng(seed)
    vertices = np.column_stack([rng.uniform(-10, size + 10, (3 * count, 2)), rng.uniform(300, 900, 3 * count)])
    return vertices, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


# ---- known truths ----------------------------------------------------------------------------------------------


@both
def test_result_has_the_documented_types(backend: str) -> None:
    raster = rasterise(*soup(0), 17, 11, backend=backend)
    assert (raster.face_index.shape, raster.face_index.dtype) == ((11, 17), np.int32)
    assert (raster.barycentric.shape, raster.barycentric.dtype) == ((11, 17, 3), np.float32)
    assert (raster.depth.shape, raster.depth.dtype) == ((11, 17), np.float32)
    np.testing.assert_array_equal(raster.covered, np.isfinite(raster.depth))
    assert not raster.barycentric[~raster.covered].any()
    np.testing.assert_allclose(raster.barycentric[raster.covered].sum(axis=-1), 1, atol=1e-6)
    assert raster.barycentric.min() >= 0


@both
def test_front_of_a_cube_covers_the_pixels_it_should(backend: str) -> None:
    mesh, camera = cube(100.0), Camera(width=61, height=47, focal_px=220.0)
    raster = rasterise_mesh(in_camera(mesh.vertices, 600.0), mesh.faces, camera, backend=backend)
    half = 220.0 * 50 / 550  # the front side is 550 mm away: 20 px to each side of (30.5, 23.5)
    inside_x = np.abs(np.arange(61) + 0.5 - 30.5) <= half
    inside_y = np.abs(np.arange(47) + 0.5 - 23.5) <= half
    # Both borders lie on pixel centres: the left and top ones are in, the right and bottom ones are out.
    assert inside_x.sum() == inside_y.sum() == 41
    assert raster.covered.sum() == 40 * 40
    assert raster.covered[3:43, 10:50].all()
    assert set(np.unique(raster.face_index)) == {-1, 0, 1}
    np.testing.assert_allclose(raster.depth[raster.covered], 550.0, rtol=1e-6)


@both
def test_barycentrics_lead_back_to_the_point_on_the_ray(backend: str) -> None:
    mesh, camera = cube(100.0), Camera(width=64, height=64, focal_px=90.0)
    vertices = in_camera(mesh.vertices, 200.0, (0.5, 0.7, 0.2))  # close and oblique: strong perspective
    raster = rasterise_mesh(vertices, mesh.faces, camera, backend=backend)
    found = interpolate(raster, mesh.faces, vertices)[raster.covered]
    row, column = np.nonzero(raster.covered)
    expected = camera.unproject(np.stack([column, row], axis=1) + 0.5, raster.depth[raster.covered])
    np.testing.assert_allclose(found, expected, atol=2e-3)  # corners are rounded to 1/4096 px, weights to float32
    assert len(found) > 1000


def test_sphere_depth() -> None:
    mesh, camera = icosphere(90.0, 4), Camera(width=80, height=80, focal_px=200.0)
    raster = rasterise_mesh(in_camera(mesh.vertices, 600.0), mesh.faces, camera)
    row, column = np.nonzero(raster.covered)
    ray = camera.unproject(np.stack([column, row], axis=1) + 0.5, np.ones(len(row)))
    # |s ray - (0, 0, 600)| = 90
    a, b, c = (ray**2).sum(axis=1), -2 * 600.0, 600.0**2 - 90.0**2
    depth = (-b - np.sqrt(np.maximum(b * b - 4 * a * c, 0))) / (2 * a)
    inner = np.hypot(ray[:, 0], ray[:, 1]) < 0.12
    np.testing.assert_allclose(raster.depth[raster.covered][inner], depth[inner], atol=0.5)
    disc = np.pi * (200.0 * 90.0) ** 2 / (600.0**2 - 90.0**2)
    assert raster.covered.sum() == pytest.approx(disc, rel=0.02)


def test_the_nearer_of_two_sheets_is_seen() -> None:
    vertices = np.array([[0, 0, 500], [20, 0, 500], [0, 20, 500], [0, 0, 499], [20, 0, 499], [0, 20, 499.0]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    for order in (faces, faces[::-1]):
        raster = rasterise(vertices, order, 20, 20)
        assert set(np.unique(order[raster.face_index[raster.covered]])) == {3, 4, 5}


@both
def test_back_faces_can_be_left_out(backend: str) -> None:
    mesh, camera = icosphere(90.0, 2), Camera(width=40, height=40, focal_px=100.0)
    vertices = in_camera(mesh.vertices, 600.0)
    everything = rasterise_mesh(vertices, mesh.faces, camera, backend=backend)
    front = rasterise_mesh(vertices, mesh.faces, camera, cull="back", backend=backend)
    same(everything, front)
    inside_out = rasterise_mesh(vertices, mesh.faces[:, ::-1], camera, cull="back", backend=backend)
    assert inside_out.depth[20, 20] > 680
    assert everything.depth[20, 20] < 520


# ---- the fill rule ---------------------------------------------------------------------------------------------


def triangulation(seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A triangulated square around all pixels, many corners on pixel centres and borders; faces turned at random."""
    rng = np.random.default_rng(seed)
    inner = rng.uniform(0, size, (40, 2))
    inner[:20] = np.round(inner[:20] * 2) / 2
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], dtype=float)
    points = np.unique(np.concatenate([corners, inner]), axis=0)
    faces = Delaunay(points).simplices.astype(np.int32)
    for face in faces:
        face[:] = np.roll(face, rng.integers(3))
        if rng.random() < 0.5:
            face[:2] = face[1::-1]
    return points, faces


@pytest.mark.parametrize("seed", range(6))
def test_triangulations_cover_every_pixel_exactly_once(seed: int) -> None:
    size = 24
    points, faces = triangulation(seed, size)
    vertices = np.column_stack([points, np.full(len(points), 500.0)])
    count = sum(rasterise(vertices, face[None], size, size).covered.astype(int) for face in faces)
    np.testing.assert_array_equal(count, 1)


@pytest.mark.parametrize("scale", [1e5, 1e9])
def test_huge_neighbours_cover_every_pixel_exactly_once(scale: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        through = rng.integers(0, 32, (2, 2)) + 0.5  # the common edge passes through two pixel centres, nearly
        direction = through[1] - through[0] + (1e-3, 0)
        a, b = through[0] - direction * scale, through[1] + direction * scale
        side = np.array([-direction[1], direction[0]]) * scale
        vertices = np.array([[*a, 500], [*b, 500], [*(a + side), 500], [*(b - side), 500]])
        one, two = (rasterise(vertices, [face], 32, 32).covered for face in ([0, 1, 2], [1, 0, 3]))
        assert not (one & two).any()
        assert (one | two).all()


@both
@pytest.mark.parametrize("seed", range(3))
def test_coverage_agrees_with_exact_integers(backend: str, seed: int) -> None:
    points, faces = triangulation(seed, 16)
    vertices = np.column_stack([points, np.full(len(points), 500.0)])
    for face in faces:
        covered = rasterise(vertices, face[None], 16, 16, backend=backend).covered
        np.testing.assert_array_equal(covered, reference.covers(points[face], 16, 16))


@both
def test_equal_depths_go_to_the_lowest_face(backend: str) -> None:
    vertices = np.array([[0, 0, 500], [9, 0, 500], [0, 9, 500.0]])
    faces = np.array([[0, 1, 1], [0, 1, 2], [0, 1, 2], [0, 2, 1]])
    raster = rasterise(vertices, faces, 10, 10, backend=backend)
    assert set(np.unique(raster.face_index)) == {-1, 1}


# ---- twins -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cull", ["none", "back"])
@pytest.mark.parametrize("seed", range(4))
def test_kernel_and_plain_twin_are_equal_to_the_bit(seed: int, cull: str) -> None:
    vertices, faces = soup(seed)
    same(*(rasterise(vertices, faces, 40, 33, cull=cull, backend=backend) for backend in ("numba", "numpy")))


@both
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_rays_through_triangles(seed: int, backend: str) -> None:
    vertices, faces = soup(seed, count=12, size=24)
    vertices[:, :2] = np.rint(vertices[:, :2] * 4096) / 4096
    raster = rasterise(vertices, faces, 24, 24, backend=backend)
    face_index, barycentric, depth = reference.rasterise(vertices, faces, 24, 24)
    np.testing.assert_array_equal(raster.face_index, face_index)
    np.testing.assert_allclose(raster.barycentric, barycentric, atol=1e-6)
    np.testing.assert_allclose(raster.depth, depth, rtol=1e-6)


NAN, INF = np.nan, np.inf
GOOD = [[2.0, 1.0, 500.0], [10.0, 1.0, 500.0], [2.0, 9.0, 500.0]]
NASTY = {
    "nothing": (np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int32)),
    "no faces": (GOOD, []),
    "one point": ([[5, 5, 500]] * 3, [[0, 1, 2]]),
    "one vertex thrice": (GOOD, [[0, 0, 0]]),
    "a line": ([[1, 1, 500], [5, 5, 500], [9, 9, 500]], [[0, 1, 2]]),
    "thinner than the lattice": ([[1, 1, 500], [9, 9, 500], [5, 5.00001, 500]], [[0, 1, 2]]),
    "behind": ([[2, 1, -500], [9, 3, -500], [4, 8, -500]], [[0, 1, 2]]),
    "crossing the camera plane": ([[2, 1, -500], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "in the camera plane": ([[2, 1, 0], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "nearly in it": ([[2, 1, 1e-300], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "at infinity": ([[2, 1, INF], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "NaN depth": ([[2, 1, NAN], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "NaN x": ([[NAN, 1, 500], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "NaN y": ([[2, 1, 500], [9, NAN, 500], [4, 8, 500]], [[0, 1, 2]]),
    "infinite x": ([[INF, 1, 500], [9, 3, 500], [4, 8, 500]], [[0, 1, 2]]),
    "beyond numbers": ([[-1e300, -1e300, 500], [1e300, -1e300, 500], [0, 1e300, 500]], [[0, 1, 2]]),
    "off the left": ([[-9, 1, 500], [-2, 3, 500], [-4, 8, 500]], [[0, 1, 2]]),
    "off the right": ([[19, 1, 500], [22, 3, 500], [14, 8, 500]], [[0, 1, 2]]),
    "above": ([[1, -19, 500], [2, -3, 500], [4, -8, 500]], [[0, 1, 2]]),
    "below": ([[1, 19, 500], [2, 13, 500], [4, 18, 500]], [[0, 1, 2]]),
    "between the centres": ([[3.6, 3.6, 500], [4.4, 3.6, 500], [4.0, 4.4, 500]], [[0, 1, 2]]),
}


@both
@pytest.mark.parametrize("case", NASTY)
def test_nasty_triangles_leave_no_trace(case: str, backend: str) -> None:
    vertices, faces = NASTY[case]
    raster = rasterise(vertices, faces, 12, 10, backend=backend)
    assert not raster.covered.any()
    assert np.isinf(raster.depth).all()
    assert not raster.barycentric.any()


@both
@pytest.mark.parametrize("case", NASTY)
def test_nasty_triangles_do_not_disturb_a_good_one(case: str, backend: str) -> None:
    vertices, faces = (np.asarray(part).reshape(-1, 3) for part in NASTY[case])
    alone = rasterise(GOOD, [[0, 1, 2]], 12, 10, backend=backend)
    together = rasterise(
        np.concatenate([GOOD, vertices]), np.concatenate([[[0, 1, 2]], faces + 3]).astype(int), 12, 10, backend=backend
    )
    same(alone, together)
    assert alone.covered.sum() == 28  # 7 + 6 + ... + 1: the centres on the slanted edge are not its own


HUGE = {
    "1e4": np.array([[-1e4, -1e4], [2e4, -1e4], [-1e4, 2e4]]),
    "1e7": np.array([[-1e7, -1e7], [2e7, -1e7], [-1e7, 2e7]]),
    "1e100": np.array([[-1e100, -1e100], [2e100, -1e100], [-1e100, 2e100]]),
}


@pytest.mark.parametrize("case", HUGE)
def test_huge_triangles_fill_the_screen(case: str) -> None:
    vertices = np.column_stack([HUGE[case], [400.0, 500.0, 600.0]])
    kernel, plain = (rasterise(vertices, [[0, 1, 2]], 9, 7, backend=backend) for backend in ("numba", "numpy"))
    same(kernel, plain)
    assert kernel.covered.all()
    np.testing.assert_allclose(kernel.barycentric.sum(axis=-1), 1, atol=1e-6)
    expected = 1 / np.mean(1 / np.array([400.0, 500.0, 600.0]))
    np.testing.assert_allclose(kernel.depth, expected, rtol=2e-3)


def test_one_pixel() -> None:
    raster = rasterise([[0, 0, 5], [2, 0, 5], [0, 2, 5.0]], [[0, 1, 2]], 1, 1)
    assert raster.face_index[0, 0] == 0
    np.testing.assert_allclose(raster.barycentric[0, 0], [0.5, 0.25, 0.25])


# ---- invariances -----------------------------------------------------------------------------------------------


def test_moving_by_whole_pixels_moves_the_picture() -> None:
    vertices, faces = soup(3)
    whole = rasterise(vertices, faces, 60, 60)
    moved = rasterise(vertices - (7, 11, 0), faces, 40, 40)
    np.testing.assert_array_equal(moved.face_index, whole.face_index[11:51, 7:47])
    np.testing.assert_allclose(moved.depth, whole.depth[11:51, 7:47], rtol=1e-6)


def test_order_of_faces_and_corners_does_not_matter() -> None:
    vertices, faces = soup(4)
    first = rasterise(vertices, faces, 40, 40)
    order = np.random.default_rng(0).permutation(len(faces))
    second = rasterise(vertices, np.roll(faces[order], 1, axis=1)[:, [0, 2, 1]], 40, 40)
    np.testing.assert_array_equal(np.where(second.covered, order[second.face_index], -1), first.face_index)
    np.testing.assert_allclose(second.depth, first.depth, rtol=1e-6)


def test_input_is_not_changed_and_may_be_read_only() -> None:
    vertices, faces = soup(5)
    before = vertices.copy(), faces.copy()
    vertices.flags.writeable = faces.flags.writeable = False
    first = rasterise(vertices, faces, 30, 30)
    np.testing.assert_array_equal(vertices, before[0])
    np.testing.assert_array_equal(faces, before[1])
    same(first, rasterise(np.asfortranarray(vertices), faces.astype(np.int64), 30, 30))


def test_a_lens_that_folds_back_draws_nothing_from_beyond_the_fold() -> None:
    camera = Camera(width=40, height=40, focal_px=30.0, k1=-0.3)
    beyond = camera.fold_radius() * 1.8  # the polynomial would bring it back to the middle of the image
    vertices = np.array([[beyond, 0, 1], [beyond, 0.3, 1], [beyond + 0.1, 0, 1.0]]) * 100
    assert np.all(np.abs(camera.project(vertices) - 20) < 20)
    assert not rasterise_mesh(vertices, [[0, 1, 2]], camera).covered.any()


# ---- texels, interpolation, visibility -------------------------------------------------------------------------


def test_texels_of_a_sheet() -> None:
    mesh = grid(4, 2)
    raster = rasterise_uv(mesh.uv, mesh.faces_uv, (16, 32))
    assert raster.covered.all()
    assert (raster.depth == 1).all()
    np.testing.assert_array_equal(np.bincount(mesh.face_polygon[raster.face_index].ravel()), 64)
    uv = interpolate(raster, mesh.faces_uv, mesh.uv)
    np.testing.assert_allclose(uv[..., 0], np.tile((np.arange(32) + 0.5) / 32, (16, 1)), atol=1e-6)
    np.testing.assert_allclose(uv[..., 1], np.tile(1 - (np.arange(16)[:, None] + 0.5) / 16, (1, 32)), atol=1e-6)
    # Row 0 is the top of the texture: v = 1, the sheet's last row of quads.
    assert mesh.face_polygon[raster.face_index[0, 0]] == 4
    assert mesh.face_polygon[raster.face_index[15, 0]] == 0
    assert rasterise_uv(mesh.uv, mesh.faces_uv, 8).depth.shape == (8, 8)


def test_interpolation_keeps_shape_dtype_and_fill() -> None:
    vertices, faces = soup(0)
    raster = rasterise(vertices, faces, 30, 20)
    depth = interpolate(raster, faces, vertices[:, 2], fill=np.inf)
    assert depth.shape == (20, 30)
    np.testing.assert_allclose(depth, raster.depth, rtol=1e-6)
    colours = interpolate(raster, faces, np.ones((len(vertices), 4), dtype=np.float32), fill=-1)
    assert colours.dtype == np.float32
    np.testing.assert_allclose(colours, np.where(raster.covered, 1, -1)[..., None].repeat(4, -1), atol=1e-6)
    with pytest.raises(InputError, match="face"):
        interpolate(raster, faces[:1], vertices)


def test_visible_part_of_a_sphere_is_the_cap() -> None:
    mesh, camera = icosphere(90.0, 3), Camera(width=200, height=200, focal_px=500.0)
    vertices = in_camera(mesh.vertices, 600.0, (0.1, 0.2, 0.3))
    seen = vertex_visibility(vertices, mesh.faces, camera)
    towards = -np.einsum("nd,nd->n", vertices - (0, 0, 600), vertices) / 90 / np.linalg.norm(vertices, axis=1)
    assert seen[towards > 0.05].all()
    assert not seen[towards < -0.05].any()
    strict = vertex_visibility(vertices, mesh.faces, camera, min_cosine=0.5)
    assert strict[towards > 0.55].all()
    assert not strict[towards < 0.45].any()


def test_visibility_needs_no_tolerance_on_oblique_planes() -> None:
    mesh, camera = grid(12, 12), Camera(width=50, height=50, focal_px=60.0)
    vertices = in_camera(mesh.vertices * 10 - (60, 60, 0), 300.0, (0.0, 1.35, 0.0))
    depth = rasterise_mesh(vertices, mesh.faces, camera).depth
    assert point_visibility(vertices, camera, depth, tolerance_mm=1e-3).all()


def test_hidden_points_are_hidden() -> None:
    mesh, camera = grid(10, 10), Camera(width=60, height=60, focal_px=120.0)
    wall = in_camera(mesh.vertices * 10 - (50, 50, 0), 400.0)
    behind = wall[5 * 11 + 5] * 1.25
    depth = rasterise_mesh(wall, mesh.faces, camera).depth
    points = np.array([behind, [0, 0, 399], [0, 0, 401.5], [0, 0, -400], [1000, 0, 400], [110, 0, 500]])
    seen = point_visibility(points, camera, depth, tolerance_mm=2.0)
    np.testing.assert_array_equal(seen, [False, True, True, False, False, True])
    towards = np.tile([0.0, 0.0, -1.0], (6, 1))
    np.testing.assert_array_equal(point_visibility(points, camera, depth, normals_cam=towards, tolerance_mm=2.0), seen)
    assert not point_visibility(points, camera, depth, normals_cam=-towards).any()


def test_a_depth_picture_of_another_scale_will_do() -> None:
    mesh, camera = icosphere(90.0, 3), Camera(width=200, height=200, focal_px=500.0)
    vertices = in_camera(mesh.vertices, 600.0)
    small = rasterise_mesh(vertices, mesh.faces, camera.scaled(0.5)).depth
    normals = vertex_normals(vertices, mesh.faces)
    full = vertex_visibility(vertices, mesh.faces, camera)
    half = point_visibility(vertices, camera, small, normals_cam=normals)
    assert (full == half).mean() > 0.98
    np.testing.assert_array_equal(vertex_visibility(vertices, mesh.faces, camera, depth=small), half)


# ---- wrong use -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vertices_pixel": np.zeros((3, 2))}, "vertices_pixel"),
        ({"faces": [[0, 1]]}, "faces: expected shape"),
        ({"faces": [[0, 1, 3]]}, "from 0 to 2"),
        ({"faces": [[0, 1, -1]]}, "from 0 to 2"),
        ({"width": 0}, "width"),
        ({"height": 100000}, "height"),
        ({"width": 2.5}, "width"),
        ({"cull": "front"}, "cull"),
        ({"backend": "opengl"}, "backend"),
    ],
)
def test_wrong_use_is_refused(change: dict, message: str) -> None:
    good = {"vertices_pixel": GOOD, "faces": [[0, 1, 2]], "width": 5, "height": 5}
    with pytest.raises(InputError, match=message):
        rasterise(**{**good, **change})


def test_wrong_shapes_are_refused_elsewhere_too() -> None:
    camera = Camera(width=5, height=5, focal_px=5.0)
    depth = np.zeros((5, 5))
    with pytest.raises(InputError, match="uv"):
        rasterise_uv(np.zeros((3, 3)), [[0, 1, 2]], 8)
    with pytest.raises(InputError, match="vertices_cam"):
        rasterise_mesh(np.zeros((3, 2)), [[0, 1, 2]], camera)
    with pytest.raises(InputError, match="points_cam"):
        point_visibility(np.zeros(3), camera, depth)
    with pytest.raises(InputError, match="normals_cam"):
        point_visibility(np.zeros((2, 3)), camera, depth, normals_cam=np.zeros((3, 3)))
