from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import cephalon.files
from cephalon.core import InputError
from cephalon.files import FORMATS, GltfScene, format_of, read_mesh, write_glb, write_obj, write_ply
from cephalon.geometry import Mesh


def test_the_table_is_complete() -> None:
    for extension, entry in FORMATS.items():
        assert extension == entry.extension == extension.lower()
        assert extension.startswith(".")
        assert (entry.unit is not None) == (entry.up is not None) == (entry.kind == "mesh")


def test_format_of_a_path() -> None:
    assert format_of("a/b/Head.GLB").reader is cephalon.files.read_glb
    with pytest.raises(InputError, match=r"x\.fbx: expected .*\.glb, \.obj, \.ply.*got \.fbx"):
        format_of("x.fbx")
    with pytest.raises(InputError, match="got no extension"):
        format_of("x")
    with pytest.raises(InputError, match=r"\.glb, \.obj, \.ply, \.stl, \.usdz, got \.png"):
        format_of("x.png", kind="mesh")


def test_one_mesh_from_every_format(ball_maker: Callable[..., Mesh], scene: GltfScene, tmp_path: Path) -> None:
    ball = ball_maker(100, 10, 14, (0, 20, 0))
    write_obj(tmp_path / "a.obj", ball)
    write_ply(tmp_path / "a.ply", ball)
    for name in ("a.obj", "a.ply"):
        np.testing.assert_allclose(read_mesh(tmp_path / name).vertices, ball.vertices, atol=1e-4)
    write_glb(tmp_path / "a.glb", scene)
    mesh = read_mesh(tmp_path / "a.glb")
    np.testing.assert_allclose(
        mesh.vertices[: len(scene.primitives[0].positions)], scene.primitives[0].positions, atol=1e-4
    )
    np.testing.assert_allclose(read_mesh(tmp_path / "a.glb", unit="cm").vertices, mesh.vertices / 100)


def test_units_are_never_guessed(tmp_path: Path) -> None:
    (tmp_path / "a.obj").write_bytes(b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="does not say its unit"):
        read_mesh(tmp_path / "a.obj")
    assert read_mesh(tmp_path / "a.obj", unit="m").vertices.max() == 1000
    with pytest.raises(InputError, match="one of mm"):
        read_mesh(tmp_path / "a.obj", unit="ell")


def test_names_are_exported_and_nothing_heavy_is_loaded() -> None:
    assert sorted(cephalon.files.__all__) == list(cephalon.files.__all__)
    assert all(hasattr(cephalon.files, name) for name in cephalon.files.__all__)
    script = "import sys, json, cephalon.files; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"PIL", "numba", "trimesh", "onnxruntime", "torch"} & set(json.loads(done.stdout))
