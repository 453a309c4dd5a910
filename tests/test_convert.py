"""Heads between formats and between topologies."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cephalon.cli import main
from cephalon.convert import convert
from cephalon.core import InputError
from cephalon.files import read_mesh, read_ply
from cephalon.head.foreign import adopt, carry_head, read_foreign
from cephalon.reconstruction import save
from cephalon.values import Head


@pytest.fixture(scope="module")
def somebody(ours) -> Head:
    z = np.zeros(ours.identity_count)
    first = ours.link.growth.count  # growth alone hardly moves a grown person
    z[first : first + 6] = (1.2, -0.8, 0.5, 1.0, -1.1, 0.6)
    return Head(model=ours, identity=z)


def test_a_head_carried_to_another_topology_lies_on_itself_and_keeps_its_code(ours, flame_file, somebody) -> None:
    other = adopt(read_foreign(flame_file), ours)
    carried = carry_head(ours, somebody.code, other)
    assert carried.distances_mm["mesh"]["median_mm"] < 0.15
    assert carried.distances_mm["mesh"]["percentile95_mm"] < 0.6
    # the other model is made of our first twelve modes, so it has this very person
    assert carried.distances_mm["code"]["median_mm"] < 0.4
    named = slice(ours.link.growth.count, ours.link.growth.count + 6)
    np.testing.assert_allclose(carried.code.identity[named], somebody.identity[named], atol=0.35)
    # and back again
    back = carry_head(other, carried.code, ours)
    assert back.distances_mm["code"]["median_mm"] < 0.5


def test_a_glb_is_carried_back_to_our_model(ours, somebody, tmp_path) -> None:
    somebody.write_mesh(tmp_path / "head.glb")
    found = convert(tmp_path / "head.glb", tmp_path / "code.json", carry=True)
    code = json.loads((tmp_path / "code.json").read_text())
    assert code["schema"] == "cephalon.code"
    assert code["model"]["sha256"] == ours.sha256
    assert found["code"]["median_mm"] < 0.4
    measured = ours.measure(ours.vertices(ours.code(identity=np.array(code["identity"]))))
    expected = somebody.measures()
    for name in ("head breadth", "bizygomatic breadth", "menton-sellion length"):
        assert abs(measured[name] - expected[name].mm) < 2.0, name


def test_ply_has_sigma_and_provenance_at_every_vertex(demo_head, tmp_path) -> None:
    demo_head.write_mesh(tmp_path / "head.ply")
    found = read_ply(tmp_path / "head.ply")
    assert found.unit == "mm"
    np.testing.assert_allclose(found.mesh.vertices, demo_head.mesh().vertices, atol=1e-4)
    np.testing.assert_allclose(found.attributes["sigma_mm"], demo_head.vertex_sigma(), rtol=1e-5)
    names = demo_head.texture.provenance_names
    skin = demo_head.model.parts["skin"].vertices
    codes = found.attributes["provenance"][skin].astype(int)
    assert set(codes) <= set(range(len(names)))
    assert any(f"{i} = {name}" in "\n".join(found.comments) for i, name in enumerate(names))
    root = demo_head.model.point_set("iso").index("se")
    corner = demo_head.model.faces[demo_head.model.point_set("iso").face_index[root]]
    assert all(names[codes[v]] not in ("outside", "completed") for v in corner)  # the photo shows the root of the nose
    assert {"red", "green", "blue"} <= set(found.attributes)


def test_formats_of_a_result(demo_head, tmp_path) -> None:
    demo_head.save(tmp_path / "out", also=["ply"])
    assert (tmp_path / "out" / "head.ply").exists()
    with pytest.raises(InputError, match="ply, stl, usdz"):
        demo_head.save(tmp_path / "other", also=["fbx"])
    assert main(["convert", str(tmp_path / "out"), "-o", str(tmp_path / "again.obj")]) == 0
    again = read_mesh(tmp_path / "again.obj")
    np.testing.assert_allclose(again.vertices, demo_head.mesh().vertices, atol=1e-3)
    assert main(["convert", str(tmp_path / "out"), "-o", str(tmp_path / "again.obj")]) == 2  # it is there already


def test_bare_meshes_have_no_rig(tmp_path, somebody) -> None:
    somebody.write_mesh(tmp_path / "a.obj")
    with pytest.raises(InputError, match="no rig"):
        convert(tmp_path / "a.obj", tmp_path / "a.glb")
    convert(tmp_path / "a.obj", tmp_path / "a.ply")
    np.testing.assert_allclose(
        read_mesh(tmp_path / "a.ply").vertices, read_mesh(tmp_path / "a.obj").vertices, atol=1e-4
    )


def test_reconstruct_on_another_model(demo_files, flame_file, tmp_path, capsys) -> None:
    photo, landmarks = demo_files
    arguments = ["reconstruct", str(photo), "--landmarks", str(landmarks), "--model", str(flame_file)]
    assert main([*arguments, "-o", str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert "FLAME" in said.err
    assert "no texture: FLAME has no texture coordinates" in said.err
    document = json.loads((tmp_path / "out" / "fit.json").read_text())
    assert document["model"]["name"] == "FLAME"
    assert document["photos"][0]["status"] == "ok"
    report = (tmp_path / "out" / "report.html").read_text()
    assert "Max Planck" in report  # the model's licence, not ours
    assert b"Max Planck" in (tmp_path / "out" / "head.glb").read_bytes()
    assert main([*arguments, "--age", "40", "-o", str(tmp_path / "again")]) == 2
    assert "does not know how age" in capsys.readouterr().err


def test_info_on_another_model_and_on_ply(flame_file, somebody, tmp_path, capsys) -> None:
    assert main(["info", str(flame_file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["name"] == "FLAME"
    assert found["registration"]["median_mm"] < 0.1
    somebody.write_mesh(tmp_path / "a.ply")
    assert main(["info", str(tmp_path / "a.ply")]) == 0
    assert "sigma_mm" in capsys.readouterr().out


def test_another_json_file_does_not_stand_for_the_result_beside_it(demo_head, tmp_path) -> None:
    save(demo_head, tmp_path / "out", report=False)
    (tmp_path / "out" / "code.json").write_text("{}")
    with pytest.raises(InputError, match=r"fit\.json"):
        convert(tmp_path / "out" / "code.json", tmp_path / "c.obj")
    assert not (tmp_path / "c.obj").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("expression", 10**400), ("expression", "x"), ("joint_rotvecs", [1]), ("reprojection_px", None)]
)
def test_a_damaged_result_is_one_sentence(demo_head, tmp_path, key, value) -> None:
    save(demo_head, tmp_path / "out", report=False)
    path = tmp_path / "out" / "fit.json"
    document = json.loads(path.read_text())
    entry = document["photos"][0]
    if isinstance(entry[key], dict):
        entry[key][next(iter(entry[key]))] = value
    else:
        entry[key] = value
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        Head.load(tmp_path / "out")
    assert "\n" not in str(caught.value)
