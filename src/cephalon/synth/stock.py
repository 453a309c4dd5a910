"""What people are dressed in: skins, brows, hair, panoramas and backgrounds, read once from a folder or made up.

The folder holds `makehuman_cc0` (skins, hair, eyebrows), `hdri` and `backgrounds`, each of which may be missing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cephalon.assets import synth_data_dir
from cephalon.assets.radiance import read_hdr
from cephalon.core import InputError, as_array
from cephalon.files.bounded import read_bytes
from cephalon.files.npz import read_npz
from cephalon.geometry import Raster, bilinear, interpolate, rasterise_uv, triangulate
from cephalon.head import HeadModel
from cephalon.photo.exif import DAMAGE
from cephalon.synth.light import Panorama, prepare_panorama, procedural_panorama, transfer_vectors
from cephalon.synth.maps import SkinMaps, make_skin_maps
from cephalon.synth.mhclo import BoundMesh, base_mesh, bind_meshes, makehuman_chart

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

DATA_VARIABLES = ("CEPHALON_SYNTH_DATA", "CEPHALON_TEST_DATA")
TEXTURE_SIZES = (256, 512, 1024)
_BACKGROUND_PX = 512
_MOST_BYTES = 512 * 2**20
_HEAD_ISLAND = (1288, 336, 2048, 1768, 2048)
"""Where the head lies in MakeHuman's skins, px: left, top, right, bottom, of a picture of that side."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Library:
    """Everything that samples are made of, besides numbers.

    Attributes
    ----------
    model : the head model.
    transfer, transfer_open : (n, 9) how the mean head shades itself, mouth shut and open (see `light.transfer_vectors`).
    maps : texture size -> `SkinMaps`.
    hair : name -> `BoundMesh` with alpha.
    panoramas, backgrounds : at least one of the first; the second (h, w, 3) sRGB uint8, maybe none.
    source : where it came from, for the record of a dataset.
    """

    model: HeadModel
    transfer: Float32
    transfer_open: Float32
    maps: Mapping[int, SkinMaps]
    hair: Mapping[str, BoundMesh]
    panoramas: tuple[Panorama, ...]
    backgrounds: tuple[NDArray[np.uint8], ...]
    source: str


def data_folder(path: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the folder with skins, hair and light: the argument, what the environment names, what was fetched, or None.

    Raises
    ------
    InputError
        If a named folder does not exist.
    """
    for value in (path, *(os.environ.get(name) for name in DATA_VARIABLES)):
        if value:
            folder = Path(value)
            if not folder.is_dir():
                raise InputError(f"{folder}: no such folder with data for synthetic people")
            return folder
    fetched = synth_data_dir()
    return fetched if fetched.is_dir() else None


@lru_cache(maxsize=2)
def load_library(folder: Path | None, texture: int = 512, model: HeadModel | None = None) -> Library:
    """Read a folder (None: everything made up) and work out what all samples share, for one texture size.

    Raises
    ------
    InputError
        If a file in the folder cannot be read.
    """
    model = model or HeadModel.load()
    faces = model.faces[: model.parts["left_lashes"].faces.start]
    open_head = model.vertices(model.code(expression={"jawOpen": 0.55, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4}))
    from cephalon.synth.body import torso

    bust = torso(model, collar="none")  # what any neckline leaves bare must not be dark
    hidden = np.arange(len(model.mean)) < model.parts["left_lashes"].vertices.start
    transfer, transfer_open = (
        np.where(hidden[:, None], transfer_vectors(v, faces, blockers=(bust.vertices, bust.faces)), 0.0).astype(
            np.float32
        )
        for v in (model.mean, open_head)
    )
    chart = skin_chart(model, texture)
    skins: list[tuple[str, Float32]] = []
    panoramas: list[Panorama] = []
    backgrounds: list[NDArray[np.uint8]] = []
    hair: Mapping[str, BoundMesh] = {}
    brows: list[BoundMesh] = []
    try:
        if folder is not None:
            skins = _read_skins(folder / "makehuman_cc0" / "skins", model, chart)
            for path in sorted((folder / "hdri").glob("*.npz")):
                archive = read_npz(read_bytes(path, max_bytes=_MOST_BYTES), where=str(path), what="panorama")
                panoramas.append(prepare_panorama(path.stem, as_array("rgb", archive["rgb"], (None, None, 3))))
            for path in sorted((folder / "hdri").glob("*.hdr")):
                panoramas.append(prepare_panorama(path.stem, read_hdr(path)))
            for path in sorted((folder / "backgrounds").glob("*.jpg")):
                with Image.open(path) as picture:
                    small = picture.convert("RGB")
                small.thumbnail((_BACKGROUND_PX, _BACKGROUND_PX))
                backgrounds.append(np.asarray(small))
            base = base_mesh(folder / "makehuman_cc0")
            if base is not None:
                hair = bind_meshes(model, base, folder / "makehuman_cc0" / "hair")
                brows = list(bind_meshes(model, base, folder / "makehuman_cc0" / "eyebrows").values())
    except (*DAMAGE, Image.DecompressionBombError) as error:
        raise InputError(
            f"{folder}: a file of the data for synthetic people cannot be read ({error}); remove it or get it anew"
        ) from error
    if not panoramas:
        panoramas = [procedural_panorama(f"made {k}", rng=np.random.default_rng([77, k])) for k in range(24)]
    return Library(
        model=model,
        transfer=transfer,
        transfer_open=transfer_open,
        maps={texture: make_skin_maps(model, chart, skins, brows)},
        hair=hair,
        panoramas=tuple(panoramas),
        backgrounds=tuple(backgrounds),
        source="made up"
        if folder is None
        else f"{len(skins)} skins, {len(hair)} hair meshes, {len(panoramas)} panoramas",
    )


def skin_chart(model: HeadModel, size: int) -> Raster:
    """Return which skin triangle each texel of the skin's chart shows."""
    assert model.topology.uv is not None
    assert model.topology.faces_uv is not None
    return rasterise_uv(model.topology.uv, model.topology.faces_uv[model.parts["skin"].faces], size)


def _read_skins(folder: Path, model: HeadModel, chart: Raster) -> list[tuple[str, Float32]]:
    """Return names and linear textures (s, s, 3) of the folder's skins in our chart, 0 where the picture does not reach."""
    if not folder.is_dir():
        return []
    left, top, right, bottom, full = _HEAD_ISLAND
    if (folder / "crop.json").is_file():  # pictures cut beforehand
        crop = json.loads((folder / "crop.json").read_text(encoding="utf-8"))
        left, top, right, bottom = crop["crop_box_pixels_left_top_right_bottom"]
        full = crop["full_texture_size"][0]
    uv, polygons_uv = makehuman_chart()
    place = interpolate(chart, triangulate(polygons_uv)[0], uv.astype(np.float64))
    x, y = place[..., 0] * full - left, (1 - place[..., 1]) * full - top
    # Triangles of the mouth and the eye sockets lie on other islands of MakeHuman's chart.
    inside = chart.covered & (x > 1) & (y > 1) & (x < right - left - 1) & (y < bottom - top - 1)
    skins = []
    for path in sorted([*folder.glob("*.jpg"), *folder.glob("*.png")]):
        with Image.open(path) as opened:
            whole = opened.convert("RGB")
        if whole.width == whole.height:  # the whole body's chart, of any size
            scale = whole.width / full
            box = (left * scale, top * scale, right * scale, bottom * scale)
            whole = whole.resize((right - left, bottom - top), Image.Resampling.BILINEAR, box=box)
        picture = np.asarray(whole, dtype=np.float32) / 255
        linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4).astype(np.float32)
        texture = np.zeros((*inside.shape, 3), dtype=np.float32)
        texture[inside] = bilinear(linear, np.stack([x[inside], y[inside]], axis=1))
        skins.append((path.stem, texture))
    return skins
