"""The packaged head model's topology, uv, rig and expressions keep what the code relies on."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.geometry import (
    Camera,
    Rigid,
    boundary_loops,
    euler_characteristic,
    face_areas,
    is_manifold,
    rasterise_mesh,
    subdivision,
    triangulate,
)
from cephalon.head.model import HeadCode, HeadModel

ARKIT = """
eyeBlinkLeft eyeLookDownLeft eyeLookInLeft eyeLookOutLeft eyeLookUpLeft eyeSquintLeft eyeWideLeft eyeBlinkRight
eyeLookDownRight eyeLookInRight eyeLookOutRight eyeLookUpRight eyeSquintRight eyeWideRight jawForward jawLeft jawRight
jawOpen mouthClose mouthFunnel mouthPucker mouthLeft mouthRight mouthSmileLeft mouthSmileRight mouthFrownLeft
mouthFrownRight mouthDimpleLeft mouthDimpleRight mouthStretchLeft mouthStretchRight mouthRollLower mouthRollUpper
mouthShrugLower mouthShrugUpper mouthPressLeft mouthPressRight mouthLowerDownLeft mouthLowerDownRight mouthUpperUpLeft
mouthUpperUpRight browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight noseSneerLeft noseSneerRight tongueOut
""".split()

MIRROR = np.array([-1.0, 1.0, 1.0])


def cyclic(polygon) -> tuple[int, ...]:
    """A polygon's corners from its smallest on, without the -1 of triangles."""
    corners = [int(v) for v in polygon if v >= 0]
    first = corners.index(min(corners))
    return tuple(corners[first:] + corners[:first])


def signed_areas(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    a, b, c = (uv[faces[:, k]] for k in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def front_view(model: HeadModel, code: HeadCode | None, centre, span_mm: float, pitch_deg: float = 0.0) -> np.ndarray:
    """Names of the parts seen in a narrow front view, (h, w); '' for none."""
    pixels, distance = 220, 1500.0
    pitch = np.deg2rad(pitch_deg)
    up = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    rotation = np.diag([1.0, -1.0, -1.0]) @ up
    pose = Rigid(rotation=rotation, translation=np.array([0, 0, distance]) - rotation @ np.asarray(centre))
    camera = Camera(width=pixels, height=pixels, focal_px=pixels * distance / span_mm)
    raster = rasterise_mesh(pose.apply(model.vertices(code)), model.faces, camera)
    seen = np.full(raster.face_index.shape, "", dtype="U16")
    for name, part in model.parts.items():
        seen[(raster.face_index >= part.faces.start) & (raster.face_index < part.faces.stop)] = name
    return seen


def test_parts_are_contiguous_and_own_their_vertices(model):
    names = ["skin", "left_eye", "right_eye", "upper_teeth", "lower_teeth", "tongue", "left_lashes", "right_lashes"]
    assert list(model.parts) == names
    at_vertex = at_polygon = 0
    for part in model.parts.values():
        assert (part.vertices.start, part.polygons.start) == (at_vertex, at_polygon)
        at_vertex, at_polygon = part.vertices.stop, part.polygons.stop
        used = np.unique(model.polygons[part.polygons])
        np.testing.assert_array_equal(used[used >= 0], np.arange(part.vertices.start, part.vertices.stop))
    assert at_vertex == len(model.mean)
    assert at_polygon == len(model.polygons)
    assert (model.polygons[model.parts["skin"].polygons] >= 0).all(), "the skin is all quads"


def test_skin_is_a_disk_whose_border_is_the_collar(model):
    skin = model.polygons[model.parts["skin"].polygons]
    assert is_manifold(model.polygons)
    assert euler_characteristic(skin) == 1
    (collar,) = boundary_loops(skin)
    assert (model.mean[collar, 1] < -80).all()
    for part in ("left_eye", "right_eye", "tongue"):
        assert is_manifold(model.polygons[model.parts[part].polygons], closed=True)
    assert (face_areas(model.mean, model.faces) > 1e-4).all()


@pytest.mark.parametrize("name", ["skin", "left_eye", "right_eye", "tongue", "upper_teeth", "lower_teeth"])
def test_polygons_face_outwards(model, name):
    faces = model.faces[model.parts[name].faces]
    loops = boundary_loops(faces)
    corners = [model.mean[faces]]
    for loop in loops:  # close each border with a fan
        fan = np.stack([model.mean[np.roll(loop, -1)], model.mean[loop]], axis=1)
        corners.append(np.concatenate([fan, np.broadcast_to(model.mean[loop].mean(axis=0), (len(loop), 1, 3))], axis=1))
    a, b, c = np.moveaxis(np.concatenate(corners), 1, 0)
    assert np.einsum("ti,ti->", a, np.cross(b, c)) > 0


def test_left_and_right_are_mirror_images(model):
    symmetry = model.symmetry
    np.testing.assert_array_equal(symmetry[symmetry], np.arange(len(symmetry)))
    np.testing.assert_allclose(model.mean[symmetry] * MIRROR, model.mean, atol=1e-4)
    polygons = {cyclic(p) for p in model.polygons}
    mirrored = {cyclic([symmetry[v] for v in p[::-1] if v >= 0]) for p in model.polygons}
    assert polygons == mirrored
    faces = {cyclic(f) for f in model.faces}
    assert faces == {cyclic(symmetry[f[::-1]]) for f in model.faces}, "quads must be split alike on both sides"


@pytest.mark.parametrize("level", ["coarse", "subdivided"])
def test_uv_has_no_flips_and_no_overlaps(model, level):
    mesh = model.topology if level == "coarse" else subdivision(model.topology).mesh
    assert mesh.uv is not None
    assert mesh.faces_uv is not None
    assert mesh.polygons_uv is not None
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1
    skin = np.arange(len(mesh.polygons)) < (model.parts["skin"].polygons.stop * (1 if level == "coarse" else 4))
    chart = mesh.polygons_uv[skin]
    assert (signed_areas(mesh.uv, triangulate(chart)[0]) > 0).all()
    # one disk, all faces positive, a border that does not cross itself: the chart is one-to-one
    assert euler_characteristic(chart) == 1
    (border,) = boundary_loops(chart)
    assert not crosses_itself(mesh.uv[border])
    for name in ("left_eye", "right_eye", "upper_teeth", "lower_teeth", "left_lashes", "right_lashes"):
        part = mesh.groups[name]
        assert (signed_areas(mesh.uv, triangulate(mesh.polygons_uv[part])[0]) > 0).all(), name


def crosses_itself(loop: np.ndarray) -> bool:
    """Whether two edges of a closed polyline (k, 2) that are not neighbours meet."""
    a, b = loop, np.roll(loop, -1, axis=0)

    def side(p, q, r):
        return np.sign((q - p)[..., 0] * (r - p)[..., 1] - (q - p)[..., 1] * (r - p)[..., 0])

    p, q, r, s = a[:, None], b[:, None], a[None], b[None]
    meets = (side(p, q, r) * side(p, q, s) <= 0) & (side(r, s, p) * side(r, s, q) <= 0)
    apart = (np.arange(len(loop))[:, None] - np.arange(len(loop))[None]) % len(loop)
    return bool(meets[(apart > 1) & (apart < len(loop) - 1)].any())


def test_crosses_itself_knows_a_bow_tie():
    assert crosses_itself(np.array([[0, 0], [1, 1], [1, 0], [0, 1.0]]))
    assert not crosses_itself(np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]]))


def test_uv_is_symmetric_and_its_seam_is_at_the_back(model):
    uv, polygons_uv = model.topology.uv, model.topology.polygons_uv
    skin = model.parts["skin"].polygons
    places: dict[int, set[tuple[float, float]]] = {}
    for polygon, corners in zip(model.polygons[skin], polygons_uv[skin], strict=True):
        for vertex, corner in zip(polygon, corners, strict=True):
            places.setdefault(int(vertex), set()).add(tuple(np.round(uv[corner], 5).tolist()))
    for vertex, found in places.items():
        twin = places[int(model.symmetry[vertex])]
        flipped = np.array(sorted((1 - u, v) for u, v in twin))
        np.testing.assert_allclose(np.array(sorted(found)), flipped, atol=3e-5)
    seam = [vertex for vertex, found in places.items() if len(found) > 1]
    assert np.abs(model.mean[seam, 0]).max() < 1e-3
    assert model.mean[seam, 2].max() < 15, "the seam stays behind the ears"
    front = [v for v in places if abs(model.mean[v, 0]) < 1e-3 and model.mean[v, 2] > 20]
    assert all(abs(u - 0.5) < 1e-5 for v in front for u, _ in places[v])


def test_face_has_its_share_of_the_chart_and_little_stretch(model):
    faces, faces_uv = model.faces[model.parts["skin"].faces], model.topology.faces_uv[model.parts["skin"].faces]
    areas = signed_areas(model.topology.uv, faces_uv)
    weight = model.regions["face"][faces].mean(axis=1)
    assert (areas * weight).sum() / areas.sum() >= 0.35
    hidden = (model.regions["mouth_cavity"] + model.regions["eye_sockets"])[faces].max(axis=1)
    in_face = (weight > 0.5) & (hidden == 0)
    stretch = anisotropy(model.mean, faces, model.topology.uv, faces_uv)
    assert np.quantile(stretch[in_face], 0.5) < 1.4
    assert np.quantile(stretch[in_face], 0.95) < 2.2


def anisotropy(vertices, faces, uv, faces_uv) -> np.ndarray:
    """Largest over smallest stretch of the map from each triangle to uv."""
    first, second = vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    length = np.linalg.norm(first, axis=1)
    along = (first * second).sum(axis=1) / length
    across = np.linalg.norm(np.cross(first, second), axis=1) / length
    flat = np.stack([np.stack([length, along], 1), np.stack([np.zeros_like(length), across], 1)], axis=1)
    edges_uv = np.stack([uv[faces_uv[:, k]] - uv[faces_uv[:, 0]] for k in (1, 2)], axis=2)
    singular = np.linalg.svd(edges_uv @ np.linalg.inv(flat), compute_uv=False)
    return singular[:, 0] / singular[:, 1]


def test_skinning_weights(model):
    weights = model.skinning_weights
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert weights.min() >= 0
    assert model.joint_names == ("root", "neck", "head", "left_eye", "right_eye")
    assert model.joint_parents.tolist() == [-1, 0, 1, 2, 2]
    for name in model.parts:
        if name != "skin":
            joint = name if name in model.joint_names else "head"
            assert (weights[model.parts[name].vertices, model.joint_names.index(joint)] == 1).all()
    (collar,) = boundary_loops(model.polygons[model.parts["skin"].polygons])
    assert (weights[collar, 0] == 1).all()
    assert (weights[model.regions["face"] > 0.99, 2] > 0.95).all()


def test_joints_follow_the_identity(model):
    rng = np.random.default_rng(3)
    for code in (None, *(HeadCode(identity=rng.standard_normal(model.identity_count)) for _ in range(3))):
        vertices = model.vertices(code)
        joints = dict(zip(model.joint_names, model.joints(vertices), strict=True))
        for side in ("left", "right"):
            ball = model.parts[f"{side}_eye"].vertices
            back = vertices[ball][model.regions["sclera"][ball] > 0.5]
            distance = np.linalg.norm(back - joints[f"{side}_eye"], axis=1)
            assert np.ptp(distance) < 0.1 * distance.mean()
            assert 8 < distance.mean() < 16
        assert joints["neck"][1] < joints["head"][1] < joints["left_eye"][1]
        assert joints["left_eye"][0] > 20 > -20 > joints["right_eye"][0]


def test_iris_has_human_size(model):
    for side in ("left", "right"):
        ball = model.parts[f"{side}_eye"].vertices
        iris = model.mean[ball][model.regions["iris"][ball] > 0.5]
        assert 11.2 < np.ptp(iris[:, 0]) < 12.2


def test_pupils_lie_between_the_lids(model):
    """Lid margins about 4 to 5 mm above and 5 mm below the pupil: neither sleepy nor staring."""
    margin = model.correctives.lids[0].meeting
    rng = np.random.default_rng(4)
    above = []
    for code in (None, *(model.sample(rng=rng) for _ in range(20))):
        head = model.vertices(code)
        pupil = model.joints(head)[model.joint_names.index("left_eye")]
        lower = np.unique(margin.lower)
        lower = lower[np.argsort(head[lower, 0])]
        upper = margin.upper[np.argsort(head[margin.upper, 0])]
        heights = [np.interp(pupil[0], head[lid, 0], head[lid, 1]) - pupil[1] for lid in (upper, lower)]
        above.append(-sum(heights) / 2)
        if code is None:
            assert 3.5 < heights[0] < 5.0
            assert -6.0 < heights[1] < -4.5
    assert abs(np.mean(above) - 0.4) < 0.3
    assert np.abs(above).max() < 1.5


def test_corners_of_the_mouth_taper(model):
    """The slit between the lips ends within a fold, short of the visible corner, so that no notch is seen."""
    names = list(model.point_set("ibug68").names)
    visible, slit = (model.points(None, "ibug68")[names.index(f"left {name} corner")] for name in ("mouth", "lip line"))
    assert 3.0 < visible[0] - slit[0] < 6.0


def test_expressions_are_arkits_and_mirrored(model):
    assert list(model.expression_names) == ARKIT
    index = {name: i for i, name in enumerate(ARKIT)}
    for name, i in index.items():
        offset = model.expression_basis[i]
        assert np.abs(offset).max() > 0.5, name
        other = name.replace("Left", "@").replace("Right", "Left").replace("@", "Right")
        if other != name:
            twin = model.expression_basis[index[other]][model.symmetry] * MIRROR
            assert np.abs(offset - twin).max() < 2.0, name
        for still in ("left_eye", "right_eye", "upper_teeth"):
            assert np.abs(offset[model.parts[still].vertices]).max() < 0.2, (name, still)
    left = model.mean[:, 0] > 5
    assert np.abs(model.expression_basis[index["eyeBlinkLeft"]][~left]).max() < 0.6
    jaw = model.expression_basis[index["jawOpen"]]
    assert jaw[model.parts["lower_teeth"].vertices, 1].mean() < -8
    assert jaw[model.parts["tongue"].vertices, 1].mean() < -4
    for name, sign in (("jawLeft", 1), ("jawRight", -1), ("mouthLeft", 1), ("mouthRight", -1)):
        assert sign * model.expression_basis[index[name]][model.regions["lips_lower"] > 0.5, 0].mean() > 1


@pytest.mark.parametrize("pitch_deg", [-15, 0, 15])
def test_lids_close(model, pitch_deg):
    centre = model.joints()[model.joint_names.index("left_eye")] + [0, 0, 12]
    open_eye = front_view(model, None, centre, 45, pitch_deg)
    assert (open_eye == "left_eye").sum() > 2000
    closed = front_view(model, model.code(expression={"eyeBlinkLeft": 1.0}), centre, 45, pitch_deg)
    assert (closed == "left_eye").sum() == 0


def test_lips_are_closed_until_the_jaw_opens(model):
    lips = model.regions["lips_upper"] + model.regions["lips_lower"] > 0.5
    centre = model.mean[lips].mean(axis=0)
    inner = ["upper_teeth", "lower_teeth", "tongue"]
    assert np.isin(front_view(model, None, centre, 70), inner).sum() == 0
    opened = front_view(model, model.code(expression={"jawOpen": 0.6}), centre, 70)
    for name in inner:
        assert (opened == name).sum() > 30, name
    smile = dict.fromkeys(("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight"), 0.7)
    laughing = front_view(model, model.code(expression={**smile, "jawOpen": 0.2}), centre, 70)
    assert (laughing == "upper_teeth").sum() > 500
    shut = front_view(model, model.code(expression={"jawOpen": 0.6, "mouthClose": 0.6}), centre, 70)
    assert np.isin(shut, inner).sum() < 60


def test_teeth_lie_as_in_people(model):
    """Upper incisors reach 1 to 4 mm below the upper lip, the lower ones bite behind them, all behind the lips."""
    upper_lip = model.mean[(model.regions["lips_upper"] > 0.5) & (np.abs(model.mean[:, 0]) < 2)]
    lowest = upper_lip[np.argmin(upper_lip[:, 1])]
    edges = {}
    for name, sign in (("upper_teeth", -1), ("lower_teeth", 1)):
        teeth = model.mean[model.parts[name].vertices]
        front = teeth[np.abs(teeth[:, 0]) < 6]
        edges[name] = front[np.argmax(sign * front[:, 1])]
        assert 48 < np.ptp(teeth[:, 0]) < 66
    assert 1.0 < lowest[1] - edges["upper_teeth"][1] < 4.0
    assert 1.0 < edges["lower_teeth"][1] - edges["upper_teeth"][1] < 4.0
    assert 1.0 < edges["upper_teeth"][2] - edges["lower_teeth"][2] < 6.0
    assert 3.0 < lowest[2] - edges["upper_teeth"][2] < 16.0


def test_teeth_stay_behind_lips_and_cheeks(model):
    """Where teeth are seen in a smile or in any shape alone, the outer skin is not behind them, in ten people."""
    rng = np.random.default_rng(5)
    smile = dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 1.0)
    moods = [{}, smile, {**smile, "jawOpen": 0.5}, {**smile, "cheekSquintLeft": 0.5, "cheekSquintRight": 0.5}]
    moods += [{name: 1.0} for name in ARKIT if name.startswith(("jaw", "mouth", "cheek", "nose"))]
    skin = model.faces[model.parts["skin"].faces]
    outer = model.regions["mouth_cavity"][skin].max(axis=1) < 0.5
    teeth = np.zeros(len(model.faces), dtype=bool)
    for name in ("upper_teeth", "lower_teeth"):
        teeth[model.parts[name].faces] = True
    through = 0
    for _ in range(10):
        identity = model.sample(rng=rng).identity
        for mood in moods:
            head = model.vertices(model.code(identity=identity, expression=mood))
            middle = head[model.regions["lips_upper"] > 0.5].mean(axis=0) - [0.0, 12.0, 0.0]
            flip = np.diag([1.0, -1.0, -1.0])
            pose = Rigid(rotation=flip, translation=np.array([0, 0, 1500.0]) - flip @ middle)
            camera = Camera(width=90, height=90, focal_px=90 * 1500 / 90)
            whole = rasterise_mesh(pose.apply(head), model.faces, camera)
            bare = rasterise_mesh(pose.apply(head), skin, camera)
            seen = whole.covered & bare.covered
            through += int((teeth[whole.face_index[seen]] & outer[bare.face_index[seen]]).any())
    assert through <= 2  # of 420: lips rolled over the teeth


def test_regions(model):
    names = "face forehead brows eyes nose cheeks mouth lips_upper lips_lower chin jaw ears skull neck mouth_cavity"
    assert set(names.split()) <= set(model.regions)
    for name, weight in model.regions.items():
        assert 0 <= weight.min() <= weight.max() <= 1, name
        assert weight.max() > 0.9, name
        np.testing.assert_allclose(weight, weight[model.symmetry], atol=1 / 255)
    covered = np.sum([model.regions[n] for n in names.split()[1:]] + [model.regions["eye_sockets"]], axis=0)
    assert covered[model.parts["skin"].vertices].min() > 0.4
