"""USD packages: they pass the rules of usdchecker and hold the scene, read back by Pixar's own library."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files.usd import usdz_bytes, write_usdz
from tests.files.conftest import MORPH_NAMES, make_scene

pxr = pytest.importorskip("pxr", reason="USD needs the extra usd (usd-core)")


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("usd") / "head.usdz"
    write_usdz(path, make_scene())
    return path


def complaints(path: Path) -> list[str]:
    """What the validators that usdchecker runs say of a file."""
    from pxr import Usd, UsdValidation

    registry = UsdValidation.ValidationRegistry()
    validators = registry.GetOrLoadAllValidators()
    assert len(validators) > 20
    stage = Usd.Stage.Open(str(path))
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    return [f"{error.GetName()}: {error.GetMessage()}" for error in errors]


def test_every_rule_of_usdchecker_passes(package) -> None:
    assert complaints(package) == []


def test_the_rules_can_fail(tmp_path) -> None:
    from pxr import Usd

    path = tmp_path / "bare.usda"
    stage = Usd.Stage.CreateNew(str(path))
    stage.DefinePrim("/a")
    stage.GetRootLayer().Save()
    assert complaints(path)


def test_units_points_and_uv_come_back(package) -> None:
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(str(package))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    scene = make_scene()
    meshes = [UsdGeom.Mesh(prim) for prim in stage.Traverse() if prim.IsA(UsdGeom.Mesh)]
    assert len(meshes) == len(scene.primitives)
    for mesh, primitive in zip(meshes, scene.primitives, strict=True):
        np.testing.assert_allclose(np.asarray(mesh.GetPointsAttr().Get()), primitive.positions / 1000, atol=1e-6)
        triangles = np.asarray(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)
        np.testing.assert_array_equal(triangles, primitive.triangles)


def test_a_blend_shape_and_a_turned_joint_move_what_they_should(package) -> None:
    from pxr import Gf, Usd, UsdGeom, UsdSkel, Vt

    scene = make_scene()
    stage = Usd.Stage.Open(str(package))
    animation = UsdSkel.Animation(next(p for p in stage.Traverse() if p.IsA(UsdSkel.Animation)))
    assert tuple(animation.GetBlendShapesAttr().Get()) == MORPH_NAMES
    weights = [0.0] * len(MORPH_NAMES)
    weights[0] = 1.0
    animation.GetBlendShapeWeightsAttr().Set(Vt.FloatArray(weights))
    skeleton = UsdSkel.Skeleton(next(p for p in stage.Traverse() if p.IsA(UsdSkel.Skeleton)))
    joints = list(skeleton.GetJointsAttr().Get())
    assert joints == ["neck", "neck/head", "neck/head/leftEye"]
    animation.CreateJointsAttr(Vt.TokenArray([joints[1]]))
    animation.CreateTranslationsAttr(Vt.Vec3fArray([Gf.Vec3f(0, 0.05, 0.01)]))
    turn = Gf.Quatf(float(np.cos(0.2)), 0, float(np.sin(0.2)), 0)
    animation.CreateRotationsAttr(Vt.QuatfArray([turn]))
    animation.CreateScalesAttr(Vt.Vec3hArray([Gf.Vec3h(1, 1, 1)]))
    root = UsdSkel.Root(stage.GetDefaultPrim())
    assert UsdSkel.BakeSkinning(root, Gf.Interval(0, 0))
    mesh = next(UsdGeom.Mesh(p) for p in stage.Traverse() if p.IsA(UsdGeom.Mesh))
    found = np.asarray(mesh.GetPointsAttr().Get(Usd.TimeCode(0)) or mesh.GetPointsAttr().Get())
    skin = scene.primitives[0]
    assert skin.morph_deltas is not None
    assert skin.joints_weights is not None
    assert skin.joints_indices is not None
    moved = skin.positions + skin.morph_deltas[0]
    pivot = np.asarray(scene.joints[1].position)
    c, s = np.cos(0.4), np.sin(0.4)
    rotation = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    share = (skin.joints_weights / skin.joints_weights.sum(1, keepdims=True) * (skin.joints_indices >= 1)).sum(1)
    expected = moved + share[:, None] * ((moved - pivot) @ rotation.T + pivot - moved)
    np.testing.assert_allclose(found, expected / 1000, atol=2e-5)


def test_pictures_are_in_the_package(package) -> None:
    names = zipfile.ZipFile(package).namelist()
    assert any(name.endswith((".png", ".jpg")) for name in names)


def test_the_same_scene_gives_the_same_bytes() -> None:
    data = usdz_bytes(make_scene())
    assert data == usdz_bytes(make_scene())
    # zip archives state times in steps of two seconds: two runs in one step prove little
    stated = {entry.date_time[:2] for entry in zipfile.ZipFile(io.BytesIO(data)).infolist()}
    assert stated == {(1980, 1)}


@pytest.mark.parametrize("names", [("left eye", "left-eye"), ("Skeleton", "skin")])
def test_names_that_become_the_same_are_refused(names) -> None:
    scene = make_scene()
    renamed = [replace(primitive, name=name) for primitive, name in zip(scene.primitives, names, strict=True)]
    with pytest.raises(InputError, match="would be named"):
        usdz_bytes(replace(scene, primitives=renamed))
