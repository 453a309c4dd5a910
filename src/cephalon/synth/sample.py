"""A sample: the picture, its maps and its record; how one is made from a seed, and how it becomes bytes."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.files.document import parse_json
from cephalon.files.npz import read_npz
from cephalon.photo.exif import DAMAGE
from cephalon.synth.labels import LABELS
from cephalon.synth.options import SampleOptions
from cephalon.synth.render import Rendering, render
from cephalon.synth.scene import Scene, draw_scenes
from cephalon.synth.sensor import expose
from cephalon.synth.stock import Library, load_library
from cephalon.synth.truth import gaze_directions, head_box, head_maps, named_points, picture_maps

FORMAT_VERSION = 1
POSITION_STEP_MM = 1 / 128
"""Unit of the position map's int16 on disk."""
_MOST_SIDE = 4096
_MOST_UNPACKED_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """A photograph of people who do not exist, and the truth about it.

    Attributes
    ----------
    key : name within a dataset.
    image : (h, w, 3) uint8 sRGB; jpeg : the bytes it is decoded from.
    arrays : name -> truth; see docs/synth.md for each.
    record : camera, people, light: numbers and words, JSON-able.
    """

    key: str
    image: NDArray[np.uint8]
    jpeg: bytes
    arrays: Mapping[str, NDArray[Any]]
    record: Mapping[str, Any]


def texture_size(options: SampleOptions) -> int:
    """Side of the skin's texture for a picture size."""
    return 256 if options.size <= 160 else 512 if options.size <= 400 else 1024


def make_samples(library: Library, options: SampleOptions, seed: int, index: int) -> list[Sample]:
    """Make the pictures of one index: one, or those of a triple or a sequence. The same arguments give the same bytes."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
    scenes = draw_scenes(library, options, rng=rng)
    base = f"{seed:04d}_{index:08d}"
    return [
        make_sample(library, options, scene, base if len(scenes) == 1 else f"{base}_{number:03d}")
        for number, scene in enumerate(scenes)
    ]


def make_sample(library: Library, options: SampleOptions, scene: Scene, key: str) -> Sample:
    """Render one scene and gather its truth."""
    rendering = render(library, scene, supersample=options.supersample, texture=texture_size(options))
    image, jpeg = expose(rendering.linear, scene.sensor)
    arrays: dict[str, NDArray[Any]] = {}
    maps = picture_maps(library, scene, rendering)
    count = len(scene.actors)
    if options.layers:
        arrays |= {
            "label": maps.label, "head_index": maps.head_index, "normals": maps.normals, "depth": maps.depth,
            "gradient": maps.gradient, "uv": maps.uv, "part": maps.part, "visible_normals": maps.visible_normals,
            "visible_depth": maps.visible_depth,
        }  # fmt: skip
        if count == 1:
            over = head_maps(library, scene, rendering)
            arrays |= {
                "position_map": over.position, "position_origin": over.origin, "albedo_srgb": over.albedo_srgb,
                "albedo_visible": over.visible,
            }  # fmt: skip
    points = [named_points(library, scene, rendering, k, maps) for k in range(count)]
    for name in library.model.point_sets:
        rows = [
            np.column_stack([p[name].position, p[name].depth, p[name].visible, p[name].bare, p[name].weight])
            for p in points
        ]
        arrays[f"points_{name}"] = np.array(rows, dtype=np.float32).reshape(count, -1, 6)
    record = _record(library, options, scene, rendering, key)
    return Sample(key=key, image=image, jpeg=jpeg, arrays=arrays, record=record)


def _record(library: Library, options: SampleOptions, scene: Scene, rendering: Rendering, key: str) -> dict[str, Any]:
    camera = scene.camera
    heads = []
    for number, actor in enumerate(scene.actors):
        person, head = actor.person, rendering.stage.heads[number]
        skull = actor.camera_from_head @ head.skull_from_head
        yaw, pitch, roll = view_angles(skull.rotation)
        heads.append(
            {
                "box": _list(head_box(library, scene, rendering, number)),
                "camera_from_head": _list(actor.camera_from_head.matrix()),
                "camera_from_skull": _list(skull.matrix()),
                "yaw_pitch_roll_deg": [round(yaw, 3), round(pitch, 3), round(roll, 3)],
                "identity": _list(person.identity),
                "expression": _list(actor.expression),
                "joint_rotvecs": _list(actor.joint_rotvecs),
                "gaze_deg": _list(np.array(actor.gaze_deg)),
                "gaze_camera": _list(gaze_directions(library, rendering, number)),
                "age_years": round(person.age_years, 2),
                "sex": person.sex,
                "ancestry": dict(
                    zip(("african", "asian", "caucasian"), (round(a, 4) for a in person.ancestry), strict=True)
                ),
                "melanin": round(person.skin.melanin, 4),
                "iris_rgb_linear": _list(np.array(person.iris_rgb)),
                "hair": person.hair.style,
                "beard": person.hair.beard,
                "glasses": person.wear.glasses,
                "lens_tint": round(person.wear.lens_tint, 3),
                "hat": person.wear.hat,
                "mask": person.wear.mask,
                "headphones": person.wear.headphones,
                "occluded": actor.occluder >= 0,
            }
        )
    return {
        "format_version": FORMAT_VERSION,
        "key": key,
        "family": options.family,
        "head_model_sha256": library.model.sha256,
        "camera": {
            "width": camera.width, "height": camera.height, "focal_px": camera.focal_px, "principal_point": _list(camera.principal_point),
            "focal35_mm": round(camera.focal35_mm, 3),
        },
        "light": {
            "surroundings": library.panoramas[scene.panorama].name,
            "world_from_camera": _list(scene.world_from_camera),
            "lamps": [{"direction": list(lamp.direction), "rgb": list(lamp.rgb), "soft_mm": lamp.soft_mm} for lamp in scene.lamps],
        },
        "background": scene.background,
        "heads": heads,
    }  # fmt: skip


def view_angles(camera_from_skull: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return yaw, pitch and roll in degrees of a rotation (3, 3) = diag(1, -1, -1) Ry(yaw) Rx(pitch) Rz(roll)."""
    r = np.diag([1.0, -1.0, -1.0]) @ camera_from_skull
    pitch = np.arcsin(np.clip(-r[1, 2], -1, 1))
    return (
        float(np.rad2deg(np.arctan2(r[0, 2], r[2, 2]))),
        float(np.rad2deg(pitch)),
        float(np.rad2deg(np.arctan2(r[1, 0], r[1, 1]))),
    )


def _list(array: NDArray[np.floating]) -> list[Any]:
    return np.round(np.asarray(array, dtype=np.float64), 7).tolist()


def iterate(
    options: SampleOptions, seed: int, *, library: Library | None = None, start: int = 0, stop: int | None = None
) -> Iterator[Sample]:
    """Yield samples for training without touching the disk: those of indices start, start + 1, ... (to stop, or for ever).

    Sample i of a seed is the same whatever else was drawn; several loaders share a seed by taking different ranges.
    """
    library = library or load_library(None, texture_size(options))
    index = start
    while stop is None or index < stop:
        yield from make_samples(library, options, seed, index)
        index += 1


# -- bytes --------------------------------------------------------------------------------------------------------------


def encode(sample: Sample) -> dict[str, bytes]:
    """Return the members of a sample in a shard: extension -> bytes (jpg, json, npz).

    Unit vectors are stored as int16 / 32767, uv as uint16 / 65535, the position map as int16 / 128 mm; the rest as it is.
    """
    packed = {name: _pack(name, array) for name, array in sample.arrays.items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in packed.items():
            inner = io.BytesIO()
            np.lib.format.write_array(inner, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(
                zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), inner.getvalue(), zipfile.ZIP_DEFLATED, 1
            )
    text = json.dumps(sample.record, separators=(",", ":"), sort_keys=True)
    return {"jpg": sample.jpeg, "json": text.encode(), "npz": stream.getvalue()}


def decode(members: Mapping[str, bytes]) -> Sample:
    """Return the sample of its members (jpg, json, npz), arrays in their natural units.

    Raises
    ------
    InputError
        If a member is missing, damaged, or larger than a sample's.
    """
    from PIL import Image

    missing = [name for name in ("jpg", "json", "npz") if name not in members]
    if missing:
        raise InputError(f"lacks its {' and '.join(missing)}; get or make the shard anew")
    try:
        with Image.open(io.BytesIO(members["jpg"]), formats=["JPEG"]) as picture:
            if max(picture.size) > _MOST_SIDE:
                raise InputError(f"has a picture of {picture.width} x {picture.height} px, {_MOST_SIDE} are allowed")
            image = np.asarray(picture.convert("RGB"))
        arrays = read_npz(members["npz"], where="its arrays", max_unpacked=_MOST_UNPACKED_BYTES)
        arrays = {name: _unpack(name, array) for name, array in arrays.items()}
    except DAMAGE as error:
        raise InputError(f"is damaged ({error}); get or make the shard anew") from error
    record = parse_json(members["json"], where="its record")
    if not isinstance(record.get("key"), str):
        raise InputError("has a record without its key; get or make the shard anew")
    return Sample(key=record["key"], image=image, jpeg=members["jpg"], arrays=arrays, record=record)


def _pack(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if name.endswith("normals"):
        return np.round(array * 32767).astype(np.int16)
    if name == "uv":
        return np.round(array * 65535).astype(np.uint16)
    if name == "position_map":
        return np.clip(np.round(array / POSITION_STEP_MM), -32768, 32767).astype(np.int16)
    if name == "albedo_visible":
        return np.round(array * 255).astype(np.uint8)
    return array


def _unpack(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if name.endswith("normals"):
        return (array / 32767).astype(np.float32)
    if name == "uv":
        return (array / 65535).astype(np.float32)
    if name == "position_map":
        return (array * POSITION_STEP_MM).astype(np.float32)
    if name == "albedo_visible":
        return (array / 255).astype(np.float32)
    return array


__all__ = [
    "LABELS",
    "Sample",
    "decode",
    "encode",
    "iterate",
    "make_sample",
    "make_samples",
    "texture_size",
    "view_angles",
]
