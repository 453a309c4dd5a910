"""The stock read from a folder as MakeHuman publishes its files: made by the test, from the head model itself."""

from __future__ import annotations

import os

import numpy as np
import pytest
from PIL import Image

from cephalon.assets.radiance import read_hdr
from cephalon.core import InputError
from cephalon.synth.mhclo import base_mesh, bind_meshes, makehuman_chart
from cephalon.synth.options import SampleOptions
from cephalon.synth.sample import make_samples
from cephalon.synth.stock import load_library


def obj_text(vertices, uv, polygons, polygons_uv) -> str:
    lines = [f"v {x:.6f} {y:.6f} {z:.6f}" for x, y, z in vertices] + [f"vt {u:.8f} {v:.8f}" for u, v in uv]
    for row, row_uv in zip(polygons, polygons_uv, strict=True):
        lines.append("f " + " ".join(f"{a + 1}/{b + 1}" for a, b in zip(row, row_uv, strict=True) if a >= 0))
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def folder(library, tmp_path_factory):
    """A base mesh that is our skin, a hair mesh of four of its polygons, a skin of two colours."""
    model = library.model
    place = tmp_path_factory.mktemp("stock") / "makehuman_cc0"
    skin = model.polygons[model.parts["skin"].polygons]
    uv, polygons_uv = makehuman_chart()
    count = model.parts["skin"].vertices.stop
    (place / "hair" / "cap01").mkdir(parents=True)
    (place / "skins").mkdir()
    (place / "base.obj").write_text(obj_text(model.mean[:count] / 100, uv, skin, polygons_uv))
    top = skin[np.argsort(-model.mean[skin[:, 0], 1])[:4]]
    rows, local = np.unique(top, return_inverse=True)
    grid = np.random.default_rng(0).random((len(rows), 2))
    local = local.reshape(-1, 4)
    (place / "hair" / "cap01" / "cap01.obj").write_text(obj_text(model.mean[rows] / 100, grid, local, local))
    binding = ["name cap01", "obj_file cap01.obj", "verts 0", *(str(row) for row in rows)]
    (place / "hair" / "cap01" / "cap01.mhclo").write_text("\n".join(binding) + "\n")
    picture = np.full((512, 512, 3), (190, 140, 120), np.uint8)
    picture[:256] = (200, 120, 100)
    Image.fromarray(picture).save(place / "skins" / "plain.png")
    return place.parent, rows


def test_a_bound_mesh_lies_where_its_base_vertices_are(library, folder):
    place, rows = folder
    body = base_mesh(place / "makehuman_cc0")
    assert body is not None
    mesh = bind_meshes(library.model, body, place / "makehuman_cc0" / "hair")["cap01"]
    assert np.abs(mesh.vertices - library.model.mean[rows]).max() < 0.01
    assert mesh.faces.shape == (8, 3)
    # it follows the skin beneath it
    shift = np.zeros((len(library.model.mean), 3))
    shift[:] = (1.0, -2.0, 3.0)
    assert np.allclose(mesh.on(shift) - mesh.vertices, (1.0, -2.0, 3.0))


def test_a_stock_as_published_is_read_and_drawn(library, folder):
    place, _ = folder
    stock = load_library(place, 256)
    assert set(stock.hair) == {"cap01"}
    assert stock.source == "1 skins, 1 hair meshes, 24 panoramas"
    assert len(stock.panoramas) > 1  # made up: there are none
    # the skin's two halves, by the height in MakeHuman's chart, divided by the tone of the cheeks
    maps = stock.maps[256]
    uv, polygons_uv = makehuman_chart()
    corner = library.model.polygons[library.model.parts["skin"].polygons]
    upper = np.zeros(len(library.model.mean), bool)
    upper[corner[corner >= 0]] = uv[polygons_uv[corner >= 0], 1] > 0.55
    flat = (maps.masks[..., 0] < 0.01) & maps.chart.covered
    ratio = np.exp(maps.relative[0][flat])
    ends = np.unique(np.round(ratio[:, 2], 2), return_counts=True)
    two = ends[0][np.argsort(-ends[1])[:2]]
    assert sorted(two)[1] / sorted(two)[0] == pytest.approx((120 / 100) ** 2.2, rel=0.06)
    sample = make_samples(stock, SampleOptions(size=64), 3, 0)[0]
    assert sample.image.shape == (64, 64, 3)


def rgbe(rgb):
    """Bytes (h, w, 4) of linear radiance."""
    mantissa, exponent = np.frexp(rgb.max(-1))
    scale = np.where(rgb.max(-1) > 0, mantissa * 256 / np.maximum(rgb.max(-1), 1e-30), 0)
    return np.concatenate([rgb * scale[..., None], np.where(scale > 0, exponent + 128, 0)[..., None]], -1).astype(
        np.uint8
    )


def run_lengths(plane) -> bytes:
    out, at = b"", 0
    while at < len(plane):
        run = 1
        while at + run < len(plane) and run < 127 and plane[at + run] == plane[at]:
            run += 1
        if run > 2:
            out += bytes([128 + run, plane[at]])
            at += run
        else:
            out += bytes([1, plane[at]])
            at += 1
    return out


@pytest.mark.parametrize("packed", [False, True])
def test_radiance_pictures_are_read(tmp_path, packed):
    rgb = np.exp(np.random.default_rng(1).normal(0, 3, (6, 20, 3)))
    rgb[2, 3:15] = (5.0, 2.0, 0.1)
    rgb[4] = 0
    pixels = rgbe(rgb)
    body = pixels.tobytes()
    if packed:
        body = b"".join(bytes([2, 2, 0, 20]) + b"".join(run_lengths(row[:, c]) for c in range(4)) for row in pixels)
    path = tmp_path / "a.hdr"
    path.write_bytes(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 6 +X 20\n" + body)
    found = read_hdr(path)
    # half a step of the shared exponent, 1 / 256 of the largest channel
    assert (np.abs(found - rgb) <= rgb.max(-1, keepdims=True) / 200).all()
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InputError, match="cut off"):
        read_hdr(path)
    path.write_bytes(b"#?EXR\n")
    with pytest.raises(InputError, match="not a Radiance picture"):
        read_hdr(path)


def test_a_damaged_stock_is_refused(tmp_path):
    (tmp_path / "hdri").mkdir()
    (tmp_path / "hdri" / "x.npz").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"x\.npz: not a readable"):
        load_library(tmp_path, 256)


@pytest.mark.parametrize(
    ("head", "match"),
    [
        (b"#?RADIANCE\n\n-Y 1e3 +X 4\n", "not a Radiance"),
        (b"#?RADIANCE\n\n-Y \xd9\xa3 +X 4\n", "not a Radiance"),
        (b"#?RADIANCE\n\n-Y " + b"9" * 5000 + b" +X 4\n", "not a Radiance"),
        (b"#?RADIANCE\n\n-Y 99999 +X 99999\n", "more than a panorama"),
        (b"#?RADIANCE\nFORMAT=32-bit_rle_xyze\n\n-Y 1 +X 4\n", "not RGBE"),
    ],
)
def test_hostile_radiance_pictures_are_one_sentence(tmp_path, head, match):
    (tmp_path / "a.hdr").write_bytes(head + bytes(16))
    with pytest.raises(InputError, match=match):
        read_hdr(tmp_path / "a.hdr")


def test_a_radiance_picture_has_to_be_a_file(tmp_path):
    (tmp_path / "large.hdr").write_bytes(b"")
    os.truncate(tmp_path / "large.hdr", 2**30)
    with pytest.raises(InputError, match="larger than"):
        read_hdr(tmp_path / "large.hdr")
    os.symlink("/dev/zero", tmp_path / "endless.hdr")
    for path in (tmp_path, tmp_path / "none.hdr", tmp_path / "endless.hdr"):
        with pytest.raises(InputError, match="no regular file"):
            read_hdr(path)


@pytest.mark.parametrize("kind", ["npz of text", "npz cut short", "picture"])
def test_any_damage_of_the_stock_is_one_sentence(tmp_path, kind):
    for name in ("hdri", "backgrounds"):
        (tmp_path / name).mkdir()
    place = tmp_path / "hdri" / "x.npz"
    np.savez(place, rgb=np.array(["text"]) if kind == "npz of text" else np.ones((128, 256, 3)))
    if kind == "npz cut short":
        place.write_bytes(place.read_bytes()[:-200])
    elif kind == "picture":  # a picture that would unpack to 400 million pixels
        place.unlink()
        Image.new("1", (20000, 20000)).save(tmp_path / "backgrounds" / "x.jpg", "PNG")
    with pytest.raises(InputError, match=r"x\.npz|rgb|cannot be read") as caught:
        load_library(tmp_path, 256)
    assert "\n" not in str(caught.value)
