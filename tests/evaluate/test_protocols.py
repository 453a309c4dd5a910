"""The protocols' figures on inputs whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.evaluate import faces3d, hidden, integration, normals, texture, tracking
from cephalon.evaluate.correspondence import nonrigid_register, region_errors, vertex_to_vertex
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.now import scan_to_mesh
from cephalon.evaluate.summary import Pool, SubjectPools, mean_interval, paired_test, pooled
from cephalon.evaluate.surface import Surface
from cephalon.geometry import Mesh
from tests.evaluate.shapes import face, motion, moved, sphere

# -- summaries --------------------------------------------------------------------------------------------------------


def test_pooled_figures_are_those_of_all_values_together():
    rng = np.random.default_rng(0)
    parts = [rng.gamma(2, 0.6, n) for n in (1000, 50, 3111)]
    everything = np.concatenate(parts)
    for pool in (Pool(), Pool(exact_up_to=500)):
        for part in parts:
            pool.add(part)
        found = pool.summary()
        assert found.count == len(everything)
        assert found.mean_mm == pytest.approx(everything.mean(), abs=1e-12)
        assert found.std_mm == pytest.approx(everything.std(), abs=1e-12)
        assert found.median_mm == pytest.approx(np.median(everything), abs=1e-3)
        assert found.curve[20] == pytest.approx((everything <= 1.0).mean(), abs=2e-3)
        assert found.curve[0] == 0
    assert pooled(parts).median_mm == np.median(everything)  # exact where there are few
    with pytest.raises(InputError, match="no distances"):
        Pool().summary()


def test_classes_are_fine_enough_for_many_values():
    rng = np.random.default_rng(1)
    pool, kept = Pool(exact_up_to=1000), []
    for _ in range(20):
        values = rng.gamma(2, 0.5, 100_000)
        pool.add(values)
        kept.append(values)
    assert pool.summary().median_mm == pytest.approx(np.median(np.concatenate(kept)), abs=5e-5)


def test_intervals_are_by_subject():
    """A hundred images of one person are one person: with the spread between people alone the interval is wide."""
    rng = np.random.default_rng(2)
    pools = SubjectPools()
    centres = rng.normal(1.5, 0.3, 30)
    for number, centre in enumerate(centres):
        for _ in range(5):
            pools.add(f"s{number}", np.abs(rng.normal(centre, 0.01, 400)))
    low, high = pools.intervals(rng=np.random.default_rng(0))["mean_mm"]
    assert low < centres.mean() < high
    assert 0.5 < (high - low) / (2 * 1.96 * centres.std() / np.sqrt(30)) < 1.5
    few = SubjectPools()
    few.add("a", [1.0])
    assert few.intervals(rng=rng) == {}


def test_interval_covers_the_mean():
    rng, hits = np.random.default_rng(3), 0
    for _ in range(200):
        values = {str(i): float(x) for i, x in enumerate(rng.normal(0, 1, 25))}
        low, high = mean_interval(values, rng=rng, draws=400)
        hits += low < 0 < high
    assert 0.86 < hits / 200 < 0.99


def test_paired_test():
    rng = np.random.default_rng(4)
    base = {str(i): float(x) for i, x in enumerate(rng.normal(2, 1, 10))}
    better = {k: v - 0.1 - 0.01 * float(rng.random()) for k, v in base.items()}
    found = paired_test(better, base, names=("a", "b"), rng=rng)
    assert found.better == "a"
    assert found.p_value == pytest.approx(2 / 2**10)  # all ten signs alike, exact
    assert paired_test(base, base, names=("a", "b"), rng=rng).p_value == 1
    many = {str(i): float(x) for i, x in enumerate(rng.normal(0, 1, 40))}
    noisy = {k: v + float(rng.normal(0, 1)) for k, v in many.items()}
    assert 0 < paired_test(many, noisy, names=("a", "b"), rng=rng).p_value <= 1
    with pytest.raises(InputError, match="no subject"):
        paired_test({"a": 1.0}, {"b": 1.0}, names=("x", "y"), rng=rng)


def test_p_values_are_uniform_without_a_difference():
    rng = np.random.default_rng(5)
    p = []
    for _ in range(300):
        a = {str(i): float(x) for i, x in enumerate(rng.normal(0, 1, 8))}
        b = {str(i): float(x) for i, x in enumerate(rng.normal(0, 1, 8))}
        p.append(paired_test(a, b, names=("a", "b"), rng=rng).p_value)
    assert 0.02 < np.mean(np.array(p) < 0.1) < 0.17


# -- protocol 9 -------------------------------------------------------------------------------------------------------


def test_hidden_figures():
    labels = np.array([0, 0, 1, -1])
    assert hidden.by_region([1, 3, 5, 9], labels, ("nose", "chin", "ears")) == {"nose": (2.0, 2), "chin": (5.0, 1)}
    assert hidden.identity_ratio(0.5, 2.0) == 0.25
    assert hidden.shrinkage([1, 0, np.nan], [2, 0, 5]) == 0.5
    assert [hidden.yaw_bin(x) for x in (0, -14.9, 15, 74, -110, 111)] == [
        "0-15",
        "0-15",
        "15-45",
        "45-75",
        "75-110",
        "beyond 110",
    ]
    with pytest.raises(InputError):
        hidden.identity_ratio(1.0, 0.0)
    with pytest.raises(InputError):
        hidden.shrinkage([1.0], [0.0])


def test_consistency_of_noise_and_of_a_constant():
    rng = np.random.default_rng(0)
    true = {str(i): rng.normal(0, 1, 500) for i in range(20)}
    noisy = {k: [v + rng.normal(0, 0.5, 500) for _ in range(3)] for k, v in true.items()}
    found = hidden.consistency(noisy, true)
    assert found["ratio"] == pytest.approx(0.5, abs=0.03)  # sqrt(2) 0.5 over sqrt(2) 1
    assert hidden.consistency({"a": [true["0"]] * 2}, true)["ratio"] == 0
    assert hidden.consistency({"a": [true["0"]]}, true) is None


def test_coverage_of_honest_intervals():
    sigma = np.random.default_rng(0).uniform(0.5, 3, 40_000)
    error = np.random.default_rng(1).normal(0, sigma)
    for level, share in hidden.coverage(error, sigma).items():
        assert share == pytest.approx(float(level) / 100, abs=0.01)
    assert hidden.coverage(error, sigma / 2)["90"] < 0.65


# -- protocols 3, 4, 11 -----------------------------------------------------------------------------------------------


def test_normalised_mean_error():
    points = np.array([[0.0, 0, 0], [30, 0, 0], [30, 40, 0]])
    scan = points + np.array([0.0, 0, 5])
    assert faces3d.normalised_mean_error(points, scan) == pytest.approx(5 / 50)
    assert faces3d.normalised_mean_error(points, scan, size="area") == pytest.approx(5 / np.sqrt(1200))
    with pytest.raises(InputError, match="diagonal or area"):
        faces3d.normalised_mean_error(points, scan, size="volume")
    scan = face(seed=1)
    figures, laid = faces3d.florence(moved(scan, motion([0.1, 0, 0], [5, 5, 5])), scan)
    assert figures["nme"] < 1e-6
    assert laid.start == "landmarks"


def test_florence_lays_a_face_on_a_whole_head():
    """A face cut from a head, turned and moved, without landmarks: the rest of the head must not pull at it."""
    ball, faces = sphere(90.0, 40, 60)
    bump = np.exp(-((ball[:, :2] - [10.0, -5.0]) ** 2).sum(1) / 300.0) * (ball[:, 2] > 0)
    ear = np.exp(-((ball - [-88.0, 0.0, 0.0]) ** 2).sum(1) / 200.0)
    head = ball * np.array([0.8, 1.1, 1.0]) + np.outer(25 * bump, [0, 0, 1.0]) + np.outer(12 * ear, [-1.0, 0, 0])
    chosen = faces[(head[faces][..., 2] > 25).all(1)]
    used, inverse = np.unique(chosen, return_inverse=True)
    part = Shape(vertices=head[used], faces=inverse.reshape(-1, 3).astype(np.int32))
    away = moved(part, motion([0.1, -0.2, 0.1], [15, -10, 30]))
    figures, laid = faces3d.florence(away, Shape(vertices=head, faces=faces))
    assert figures["nme"] < 1e-5
    assert laid.start != "landmarks"


def test_the_face_of_a_labelled_head():
    whole = face(20, 22)
    labels = np.where(whole.vertices[:, 1] > 0, 0, 1).astype(np.int32)
    part = faces3d.cut_to_face(replace(whole, labels=labels, label_names=("skull", "nose")))
    assert 0 < len(part.vertices) < len(whole.vertices)
    assert part.vertices[:, 1].max() <= 0
    assert set(part.labels) == {1}
    with pytest.raises(InputError, match="no regions"):
        faces3d.cut_to_face(whole)


def test_depth_of_a_raised_and_tilted_plane():
    grid = np.stack(np.meshgrid(np.linspace(-50, 50, 11), np.linspace(-50, 50, 11)), -1).reshape(-1, 2)
    cell = np.arange(121).reshape(11, 11)[:-1, :-1].ravel()
    faces = np.concatenate([np.stack([cell, cell + 1, cell + 12], 1), np.stack([cell, cell + 12, cell + 11], 1)])
    plane = np.column_stack([grid, 3 + 0.2 * grid[:, 0]])
    scan = np.column_stack([0.8 * grid, np.zeros(len(grid))])
    difference = faces3d.depth_difference(scan, plane, faces)
    assert np.allclose(difference, 3 + 0.2 * scan[:, 0], atol=1e-9)
    outside = faces3d.depth_difference(scan + np.array([500.0, 0, 0]), plane, faces)
    assert np.isnan(outside).all()
    figures = faces3d.depth_figures(np.append(np.arange(-50.0, 51), np.nan))
    assert figures["median_mm"] == pytest.approx(25)
    assert figures["worst_tenth_mm"] == pytest.approx(48, abs=0.6)
    assert figures["covered"] == pytest.approx(101 / 102)


def test_equation_nine():
    normals = np.tile([0.0, 0, 1], (4, 1))
    scan = np.zeros((4, 3))
    closest = np.array([[9.0, 0, 1], [0, 9, 3], [0, 0, 1], [0, 0, 3]])
    assert faces3d.projected_error(closest, scan, normals) == (2.0, 1.0)


def test_bu3dfe_of_an_equal_face_is_nothing():
    scan = face(seed=3)
    figures, errors, _ = faces3d.bu3dfe(moved(scan, motion([0.05, 0, 0], [3, 2, 1])), scan, metrical=True)
    assert figures["mean_mm"] < 1e-5
    assert figures["eq9_variance_mm2"] < 1e-9
    assert len(errors) > 1000


def test_vertex_to_vertex():
    truth = face(seed=1)
    assert vertex_to_vertex(moved(truth, motion([1, 2, 3], [4, 5, 6])).vertices, truth.vertices).max() < 1e-9
    grown = moved(truth, motion([1, 2, 3], [4, 5, 6], 1.2)).vertices
    assert vertex_to_vertex(grown, truth.vertices, with_scale=True).max() < 1e-9
    assert vertex_to_vertex(grown, truth.vertices).mean() > 5


def test_nonrigid_registration_reaches_the_surface_and_stays_smooth():
    vertices, faces = sphere(50.0, 20, 40)
    target, target_faces = sphere(53.0, 40, 80)
    moved_to = nonrigid_register(vertices, faces, Surface(target, target_faces))
    radius = np.linalg.norm(moved_to, axis=1)
    assert np.abs(radius - 53).max() < 0.6
    tangential = moved_to / radius[:, None] - vertices / 50
    assert np.linalg.norm(tangential, axis=1).max() < 0.02
    with pytest.raises(InputError, match="reach"):
        nonrigid_register(vertices + 900, faces, Surface(target, target_faces))


def test_regions_find_what_a_plain_distance_does_not():
    """A mouth that slid by 8 mm along the face: nearest points hardly notice, correspondence does."""
    scan = face(80, 90)
    labels = np.full(len(scan.vertices), -1)
    names = ("nose", "mouth")
    for number, (low, high) in enumerate(((-35, 10), (-75, -40))):
        labels[(np.abs(scan.vertices[:, 0]) < 30) & (scan.vertices[:, 1] > low) & (scan.vertices[:, 1] < high)] = number
    found = scan_to_mesh(scan, scan, metrical=True)
    same = region_errors(scan, scan, found, labels[found.rows], names)
    assert max(same.values()) < 1e-3
    other = face(70, 80, seed=8)
    found = scan_to_mesh(other, scan, metrical=True)
    errors = region_errors(other, scan, found, labels[found.rows], names)
    assert set(errors) == set(names)
    assert all(0.01 < value < 8 for value in errors.values())
    with pytest.raises(InputError, match="faces"):
        region_errors(
            other, type(scan)(vertices=scan.vertices, faces=np.zeros((0, 3))), found, labels[found.rows], names
        )


# -- protocols 5 to 8 -------------------------------------------------------------------------------------------------


def test_normals_turned_by_a_known_angle():
    truth = np.tile([0.0, 0, 1], (20, 20, 1))
    turned = truth.copy()
    turned[:10] = [np.sin(np.radians(15)), 0, np.cos(np.radians(15))]
    mask = np.ones((20, 20), dtype=bool)
    smaller = mask.copy()
    smaller[:, :5] = False
    figures = normals.normal_figures(turned, truth, smaller, mask)
    assert figures["mean_deg"] == pytest.approx(7.5)
    assert figures["below_10_deg"] == 0.5
    assert figures["below_20_deg"] == 1
    assert figures["mask_precision"] == 1
    assert figures["mask_recall"] == 0.75
    assert normals.angles_deg([0, 0, 1e-3], [0, 0, 5]) == 0
    assert normals.angles_deg([1e-9, 0, 1], [0, 0, 1]) == pytest.approx(np.degrees(1e-9))
    with pytest.raises(InputError, match="empty"):
        normals.mask_figures(mask & False, mask)


def bump(size=64):
    y, x = np.mgrid[:size, :size] - (size - 1) / 2
    radius = 0.36 * size
    depth = 0.3 * size * np.exp(-(x**2 + y**2) / (0.5 * radius**2))
    p, q = depth * -2 * x / (0.5 * radius**2), depth * -2 * y / (0.5 * radius**2)
    length = np.sqrt(p**2 + q**2 + 1)
    return np.stack([-p, -q, np.ones_like(p)], -1) / length[..., None], depth, x**2 + y**2 < (1.25 * radius) ** 2


def test_integration_recovers_a_smooth_bump():
    n, depth, mask = bump()
    ways = integration.integrate_all(n, np.zeros_like(depth), mask, (0.0, 0.1))
    figures = {name: integration.depth_figures(z, depth, mask) for name, z in ways.items()}
    assert figures["least squares, unweighted"]["sigma_px"] < 0.05
    assert figures["least squares, λ = 0.1"]["sigma_px"] == pytest.approx(
        figures["least squares, unweighted"]["sigma_px"]
    )
    everywhere = np.ones_like(mask)
    for name in ("Frankot-Chellappa", "DCT Poisson"):
        z = integration.integrate_all(n, np.zeros_like(depth), everywhere, ())[name]
        assert integration.depth_figures(z, depth, everywhere)["sigma_px"] < 0.3


def test_weights_help_where_normals_cannot_see_a_step():
    """A step of 10 px that no normal shows, along a whole column, flagged by the magnitude W: weights let the surface tear.

    The two sides hang together by a bridge of a few rows that has no step; there the normals are right.
    """
    n, depth, _ = bump()
    flat = np.zeros_like(n)
    flat[..., 2] = 1.0
    torn = np.zeros_like(depth)
    torn[:50, 32:] = 10.0 * np.linspace(1, 0, 50)[:, None]  # fades towards the bridge
    tilted = flat.copy()
    tilted[:50, 32:, 1] = 10.0 / 49  # -dz/dy on the right side
    magnitude = np.zeros_like(depth)
    magnitude[:50, 31:33] = 1e4
    mask = np.ones_like(depth, dtype=bool)
    ways = integration.integrate_all(tilted, magnitude, mask, (0.0, 0.5))
    plain, weighted = (
        integration.depth_figures(ways[name], torn, mask, 1e9)["sigma_px"]
        for name in ("least squares, unweighted", "least squares, λ = 0.5")
    )
    assert weighted < 0.3 * plain


def test_depth_figures_gate_and_offset():
    truth = np.zeros((10, 10))
    depth = truth + 5.0
    depth[0, :5] = 100.0
    figures = integration.depth_figures(depth, truth, np.ones((10, 10), bool))
    assert figures["beyond_gate"] == pytest.approx(0.05)
    assert figures["sigma_px"] == 0


def test_texture_figures_and_baselines():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, (40, 40, 3))
    seen = np.zeros((40, 40), dtype=bool)
    seen[:, :15] = True
    figures = texture.texture_figures(truth + 0.1, truth, seen)
    assert figures["mse_unseen"] == pytest.approx(0.01)
    assert figures["psnr_db_all"] == pytest.approx(20)
    assert texture.texture_figures(truth, truth, seen)["ssim_all"] == pytest.approx(1)
    symmetric = 0.5 * (truth + truth[:, ::-1])
    found = texture.baselines(symmetric, seen)
    assert np.allclose(found["mirrored"][:, 25:], symmetric[:, 25:])
    assert np.allclose(found["mean skin"][:, 20], symmetric[seen].mean(0))
    flat = np.full((40, 40, 3), 0.4)
    assert np.allclose(texture.baselines(flat, seen)["mirrored + smooth fill"], 0.4)
    with pytest.raises(InputError, match="seen"):
        texture.baselines(flat, seen & False)


def unwrapped_face() -> Mesh:
    """The face of formulas with its grid as texture coordinates: u from the person's right to the left."""
    columns, rows = 30, 35
    shape = face(columns, rows)
    uv = np.stack(np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows)), -1).reshape(-1, 2)
    polygons = np.column_stack([shape.faces, np.full(len(shape.faces), -1, np.int32)])
    return Mesh(vertices=shape.vertices, polygons=polygons, uv=uv, polygons_uv=polygons)


def test_the_other_side_is_the_one_that_the_photo_did_not_see():
    mesh, rng = unwrapped_face(), np.random.default_rng(3)
    truth = rng.uniform(0.2, 0.8, (60, 60, 3))
    seen = np.zeros((60, 60), dtype=bool)
    seen[:, 35:] = True  # high u: the person's left
    assert 15 < texture.seen_yaw_deg(seen, mesh) < 45
    assert -45 < texture.seen_yaw_deg(seen[:, ::-1], mesh) < -15
    wrong_there, wrong_here = truth.copy(), truth.copy()
    wrong_there[:, :8] += 0.2
    wrong_here[:, -8:] += 0.2
    there, here = (texture.other_side_figures(t, truth, seen, mesh) for t in (wrong_there, wrong_here))
    assert there["other_side_yaw_deg"] == -45
    assert there["mse_other_side"] > 0.005  # some 13 % of the width, seen broadside
    assert here["mse_other_side"] < 0.2 * there["mse_other_side"]  # turned away
    assert texture.other_side_figures(truth, truth, seen, mesh)["ssim_other_side"] == pytest.approx(1)
    shifted = texture.other_side_figures(truth + 0.1, truth, seen, mesh)
    assert shifted["mse_other_side"] == pytest.approx(0.01)
    assert shifted["psnr_db_other_side"] == pytest.approx(20)
    with pytest.raises(InputError, match="no texture coordinates"):
        texture.other_side(truth, truth, seen, Mesh(vertices=mesh.vertices, polygons=mesh.polygons))
    with pytest.raises(InputError, match="seen"):
        texture.seen_yaw_deg(seen & False, mesh)


def test_the_other_side_shows_the_texture_where_it_belongs():
    """Texels painted with their own place: the picture has to show for each pixel the place on the head that it sees."""
    mesh = unwrapped_face()
    v, u = np.mgrid[0:100, 0:100]
    paint = np.dstack([(u + 0.5) / 100, 1 - (v + 0.5) / 100, np.zeros((100, 100))])
    seen = np.ones((100, 100), dtype=bool)
    seen[:, :50] = False
    found = texture.other_side(paint, paint, seen, mesh, size=200)
    turn = np.radians(found.yaw_deg)
    shown = mesh.vertices @ np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    low, high = shown.min(0), shown.max(0)
    scale = 0.96 * 200 / (high - low)[:2].max()
    row, column = np.argwhere(found.mask)[::997].T
    places = np.column_stack([column + 0.5 - 100, 100 - row - 0.5]) / scale + 0.5 * (low + high)[:2]
    for place, colour in zip(places, found.truth[row, column], strict=True):
        near = np.argsort(np.linalg.norm(shown[:, :2] - place, axis=1))[:12]
        assert np.abs(mesh.uv[near] - colour[:2]).max(axis=1).min() < 0.06


def test_ssim_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics", reason="the outside oracle scikit-image is not installed")
    rng = np.random.default_rng(1)
    a = rng.uniform(0, 1, (48, 48, 3))
    b = np.clip(a + rng.normal(0, 0.2, a.shape), 0, 1)
    _, theirs = metrics.structural_similarity(a, b, channel_axis=2, data_range=1.0, gaussian_weights=True, sigma=1.5,
                                              use_sample_covariance=False, full=True)  # fmt: skip
    assert np.allclose(texture.structural_similarity(a, b), theirs.mean(-1), atol=1e-10)


def test_tracking_figures():
    depth = np.full((3, 4, 4), 500.0)
    off = depth + 3
    off[0, 0, 0] = np.nan
    assert tracking.depth_rmse(off, depth) == pytest.approx(3)
    pictures = np.zeros((3, 4, 4, 3))
    assert tracking.photometric_rmse(pictures + 0.2, pictures, np.ones((3, 4, 4), bool)) == pytest.approx(0.2)
    steady = np.arange(6.0)[:, None, None] * np.ones((1, 5, 2))
    assert tracking.jitter(steady) == 0
    shaking = steady.copy()
    shaking[2] += 1
    assert tracking.jitter(shaking) > 0.5
    shape = face(10, 12).vertices
    turned = np.stack([moved(face(10, 12), motion([0, 0.1 * t, 0], [t, 0, 0])).vertices for t in range(4)])
    assert tracking.identity_drift(turned) < 1e-9
    assert tracking.identity_drift(np.stack([shape, 1.02 * shape])) > 0.3
    for wrong in (lambda: tracking.jitter(steady[:2]), lambda: tracking.identity_drift(turned[:1]),
                  lambda: tracking.depth_rmse(depth * 0, depth)):  # fmt: skip
        with pytest.raises(InputError):
            wrong()
