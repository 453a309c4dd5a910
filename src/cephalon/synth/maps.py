"""What the skin's texture is painted from, in the chart of the skin: relative skins, masks, brows, noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from cephalon.geometry import Raster, bilinear, interpolate, rasterise
from cephalon.head import HeadModel
from cephalon.synth.folds import Fold, make_folds
from cephalon.synth.labels import LABELS
from cephalon.synth.mhclo import BoundMesh
from cephalon.synth.yardstick import yardstick

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

MASKS = (
    "lips", "cheeks", "nose", "ears", "eye_shadow", "under_eye", "scalp", "full", "goatee", "moustache", "wrinkles", "freckles",
    "neck", "cavity", "lid_rim", "nostril",
)  # fmt: skip
"""Order of the layers of `SkinMaps.masks`."""

NOISE = ("fine", "medium", "coarse", "strands", "spots", "veins")
_XY_PX_PER_MM = 5.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SkinMaps:
    """Painter's material for one texture size s.

    Attributes
    ----------
    chart : which skin triangle each texel shows.
    position : (s, s, 3) float32 mm on the mean head.
    relative : (k, s, s, 3) float32 logarithm of skins divided by their own tone.
    names : (k,) names of the skins, which may say "female" or "male", and "young", "middleage" or "old"; "" of made-up ones.
    masks : (s, s, m) float32 in [0, 1], in the order of `MASKS`.
    noise : (s, s, 6) float32 of mean 0 and deviation 1, in the order of `NOISE`.
    brows : (b, s, s) float32 opacity.
    labels : (s, s) uint8 class of the bare skin, 255 beyond four texels from the chart.
    folds : of moving skin.
    """

    chart: Raster
    position: Float32
    relative: Float32
    names: tuple[str, ...]
    masks: Float32
    noise: Float32
    brows: Float32
    labels: NDArray[np.uint8]
    folds: tuple[Fold, ...]


def make_skin_maps(
    model: HeadModel, chart: Raster, skins: Sequence[tuple[str, Float32]], brow_meshes: Sequence[BoundMesh]
) -> SkinMaps:
    """Work out the maps of skins with their names; without skins, plain ones are made up."""
    part = model.parts["skin"]
    faces = model.faces[part.faces]
    size = chart.face_index.shape[0]
    attributes = {name: weight.astype(np.float64) for name, weight in model.regions.items()}
    region = {name: interpolate(chart, faces, weight).astype(np.float64) for name, weight in attributes.items()}
    position = interpolate(chart, faces, model.mean).astype(np.float64)
    masks = _masks(model, region, position)
    rng = np.random.default_rng(20251121)
    noise = _noise(size, chart.covered, rng)
    relative = [_relative(skin, region, chart.covered) for _, skin in skins]
    names = tuple(name for name, _ in skins)
    if not relative:
        relative = [_plain_relative(noise, masks, rng) for _ in range(3)]
    brows = [_brow_map(model, mesh, position, region) for mesh in brow_meshes]
    brows += [_drawn_brow(model, k, position, region) for k in range(8 if not brows else 4)]
    filled = [np.log(_filled(b, chart.covered)) for b in relative]
    return SkinMaps(
        chart=chart,
        position=position.astype(np.float32),
        relative=np.stack(filled),
        names=names or ("",) * len(filled),
        masks=_filled(np.stack([masks[name] for name in MASKS], axis=-1).astype(np.float32), chart.covered),
        noise=noise,
        brows=np.stack(brows).astype(np.float32),
        folds=_folds(model, position, region, chart.covered),
        labels=np.where(np.asarray(distance_transform_edt(~chart.covered)) > 4, 255, _labels(region)).astype(np.uint8),
    )


def _folds(model: HeadModel, position: Float, region: dict[str, Float], covered: NDArray[np.bool_]) -> tuple[Fold, ...]:
    measure = yardstick(model)
    points = model.point_set("iso")
    mouth = measure.to_drawing(points.positions(model.mean, model.faces)[points.index("ch_l")])
    eye = measure.to_drawing(model.joints()[model.joint_names.index("left_eye")])
    skin = covered & (region["mouth_cavity"] < 0.3) & (region["eye_sockets"] < 0.5)
    skin &= region["lips_upper"] + region["lips_lower"] < 0.3
    return make_folds(measure.to_drawing(position), (mouth[0], mouth[1]), (eye[0], eye[1]), skin)


def _step(value: Float, low: float, high: float) -> Float:
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _bump(value: Float, centre: float, width: float) -> Float:
    return np.exp(-(((value - centre) / width) ** 2))


def _masks(model: HeadModel, region: dict[str, Float], position: Float) -> dict[str, Float]:
    """Return the layers of `MASKS` at points (..., 3) of the mean head, whose regions' weights are given."""
    measure = yardstick(model)
    p = measure.to_drawing(position)
    x, y, z = np.abs(p[..., 0]), p[..., 1], p[..., 2]
    lips = np.clip(region["lips_upper"] + region["lips_lower"], 0, 1)
    points = model.point_set("iso")
    at = {
        name: measure.to_drawing(points.positions(model.mean, model.faces)[points.index(name)])
        for name in ("ch_l", "sn")
    }
    mouth_y, mouth_x = at["ch_l"][1], at["ch_l"][0]
    eye = measure.to_drawing(model.joints()[model.joint_names.index("left_eye")])
    outside = 1 - np.clip(region["mouth_cavity"] * 1.5, 0, 1)
    azimuth = np.abs(np.rad2deg(np.arctan2(p[..., 0], z - 5.0)))
    hairline = np.interp(azimuth, [0, 30, 45, 60, 75, 95, 120, 180], [86, 84, 72, 46, 12, -2, -42, -58])
    # no ruler drew it: it wanders, and hair thins out towards it
    way = p[..., 0]
    hairline = (
        hairline + 2.5 * np.sin(way / 9.0 + 1.0) + 1.5 * np.sin(way / 3.7 + z / 5.0) + 1.2 * np.sin(z / 4.1 - 2.0)
    )
    not_ear = 1 - np.clip(region["ears"] * 2, 0, 1)
    scalp = _step(y - hairline, -8, 9) * not_ear * outside  # the throat lies behind the face, too
    front = _step(z, -5, 25)
    jaw_line = np.interp(x, [0, 20, 40, 55, 66, 75], [-200, -200, -190, -150, -120, -110])
    cheek_line = np.interp(x, [0, 30, 45, 55, 62, 70, 80], [-52, -50, -45, -36, -10, 12, 20])
    full = _step(cheek_line - y, -3, 9) * _step(y - jaw_line, -12, 12) * front * (y > -135) * not_ear
    full *= 1 - _step(-y, 108, 128)
    under_nose = _bump(y, (at["sn"][1] + mouth_y) / 2 + 1, 9) * (y > mouth_y - 14) * _step(-(y - at["sn"][1]), 1.5, 5)
    moustache = under_nose * _step(mouth_x + 9 - x, -5, 5) * (z > 60)
    goatee = np.clip(_step(30 - x, -4, 10) * _step(mouth_y - 7 - y, -2, 6) * front * (y > -125), 0, 1)
    goatee = np.maximum(goatee, _bump(x, mouth_x + 7, 6) * _bump(y, mouth_y - 5, 16) * front)
    bare = outside * (1 - np.clip(lips * 3.0, 0, 1)) * (1 - _step(region["nose"], 0.4, 0.9))
    full = np.maximum(full * _step(np.hypot(x / (mouth_x + 6), (y - mouth_y) / 13), 0.8, 1.15), moustache) * bare
    lid = _bump(np.hypot(x - eye[0], 1.4 * (y - eye[1] - 5)), 0, 15) * (z > 55)
    below = _bump(x, eye[0] - 3, 13) * _bump(y, eye[1] - 15, 5) * (z > 55)
    forehead = _bump(x, 0, 38) * _step(y, 42, 52) * (1 - _step(y, 74, 90)) * front
    crow = _bump(x, eye[0] + 24, 9) * _bump(y, eye[1] - 2, 12)
    fold = (
        _bump(x - np.interp(y, [mouth_y - 18, mouth_y, -28, -18], [34, 32, 24, 19]), 0, 2.4)
        * _bump(y, mouth_y + 10, 18)
        * front
    )
    # furrows of the forehead: uneven in height, broken here and there
    level = y + 2.5 * np.sin(x / 11.0) + 1.6 * np.sin(p[..., 0] / 6.3 + 0.7) + 2.0 * np.sin(y / 13.0)
    lines = (0.5 + 0.5 * np.sin(2 * np.pi * level / 9.5)) * (0.72 + 0.28 * np.sin(p[..., 0] / 7.7 + y / 5.0))
    crow_lines = 0.5 + 0.5 * np.sin(14 * np.arctan2(y - eye[1], x - eye[0] - 8))
    return {
        "lips": lips * outside,
        "cheeks": _bump(x, 44, 19) * _bump(y, -16, 21) * front,
        "nose": _step(region["nose"], 0.3, 0.9) * _bump(y, -20, 16),
        "ears": region["ears"],
        "eye_shadow": lid * (y > eye[1] + 1) * (1 - region["brows"]),
        "under_eye": below,
        "scalp": scalp,
        "full": full,
        "goatee": np.clip(np.maximum(goatee, moustache) * bare, 0, 1),
        "moustache": moustache * bare,
        "wrinkles": np.clip(forehead * lines**4 + 0.8 * crow * crow_lines**4 + 0.9 * fold, 0, 1),
        "freckles": np.clip(_bump(x, 30, 32) * _bump(y, -4, 26) * front + 0.25, 0, 1) * (1 - lips),
        "neck": region["neck"],
        "cavity": np.clip(region["mouth_cavity"] * 1.4, 0, 1),
        "lid_rim": np.clip(region["eye_sockets"] * 1.2, 0, 1),
        "nostril": region["nostrils"],
    }


def _noise(size: int, covered: NDArray[np.bool_], rng: np.random.Generator) -> Float32:
    scale = size / 512
    white = rng.standard_normal((6, size, size))
    layers = [
        white[0],
        gaussian_filter(white[1], 3.0 * scale),
        gaussian_filter(white[2], 14.0 * scale),
        gaussian_filter(white[3], (1.6 * scale, 0.45 * scale)),
        gaussian_filter(white[4], 1.1 * scale),
        np.abs(gaussian_filter(white[5], 5.0 * scale)),
    ]
    del covered
    return np.stack([(layer - layer.mean()) / layer.std() for layer in layers], axis=-1).astype(np.float32)


def _relative(skin: Float32, region: dict[str, Float], covered: NDArray[np.bool_]) -> Float32:
    """Divide a skin by its own tone; what it does not show (mouth, sockets) becomes 1, and nearly so its painted brows."""
    known = covered & (skin.sum(-1) > 1e-4)
    face = known & (region["cheeks"] > 0.5)
    tone = np.median(skin[face], axis=0)
    relative = np.clip(skin / np.maximum(tone, 1e-4), 0.04, 4.0)
    hidden = np.maximum(np.clip(1.6 * region["mouth_cavity"], 0, 1), 0.85 * np.clip(1.4 * region["brows"], 0, 1))
    relative = relative * (1 - hidden[..., None]) + hidden[..., None]
    relative[~known] = 1.0
    return relative.astype(np.float32)


def _plain_relative(noise: Float32, masks: dict[str, Float], rng: np.random.Generator) -> Float32:
    """A made-up skin: mottled, lips redder, ears and nose a little, sockets darker."""
    mottle = (
        0.02 * noise[..., 0]
        + 0.03 * noise[..., 1] * rng.uniform(0.6, 1.4)
        + 0.04 * noise[..., 2] * rng.uniform(0.5, 1.5)
    )
    relative = np.exp(mottle[..., None] * np.array([0.8, 1.0, 1.1]))
    red = 0.55 * masks["lips"] + 0.12 * masks["cheeks"] + 0.12 * masks["nose"] + 0.15 * masks["ears"]
    relative *= np.exp(-red[..., None] * np.array([0.25, 0.95, 0.75]))
    relative *= np.exp(-0.25 * masks["under_eye"] - 0.2 * masks["eye_shadow"])[..., None]
    return relative.astype(np.float32)


def _filled(image: Float32, covered: NDArray[np.bool_]) -> Float32:
    """Spread values over the border of the chart, so that bilinear samples at seams see no gap."""
    near = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    assert near is not None
    return np.ascontiguousarray(image[near[0], near[1]])


def _labels(region: dict[str, Float]) -> NDArray[np.uint8]:
    shape = region["ears"].shape
    labels = np.full(shape, LABELS["skin"], dtype=np.uint8)
    labels[region["neck"] > 0.5] = LABELS["neck"]
    labels[region["ears"] > 0.5] = LABELS["ears"]
    labels[region["mouth_cavity"] > 0.5] = LABELS["mouth"]
    labels[np.maximum(region["lips_upper"], region["lips_lower"]) > 0.5] = LABELS["lips"]
    return labels


# -- brows --------------------------------------------------------------------------------------------------------------


def _front_window(model: HeadModel) -> tuple[Float, tuple[int, int]]:
    """Left top corner (x, y) mm and size (h, w) px of a frontal picture that holds both brows."""
    brows = model.mean[model.regions["brows"] > 0.1]
    low, high = brows.min(0)[:2] - 14, brows.max(0)[:2] + 14
    extent = (high - low) * _XY_PX_PER_MM
    return np.array([low[0], high[1]]), (int(extent[1]), int(extent[0]))


_BROW_ROWS = ((336, 285), (296, 295), (334, 282), (293, 283), (300, 276))
"""Points of the set mediapipe478 above and below the left brow, from within."""


def _brow_line(model: HeadModel) -> Float:
    """Return where the left brow's named points are: (2, 5) distances from the middle, rising, and heights, mm."""
    points = model.points(None, "mediapipe478")
    middle = np.array([(points[upper] + points[lower]) / 2 for upper, lower in _BROW_ROWS])
    return middle[np.argsort(middle[:, 0]), :2].T


def _on_line(picture: Float, corner: Float, line: Float) -> Float:
    """Move the columns of a frontal picture of both brows up or down, smoothly, so that they lie on the named points' line."""
    height, width = picture.shape
    x = np.abs(corner[0] + (np.arange(width) + 0.5) / _XY_PX_PER_MM)
    y = corner[1] - (np.arange(height) + 0.5) / _XY_PX_PER_MM
    total = picture.sum(0)
    kept = total > 0.15 * np.percentile(total, 90)
    centre = (picture * y[:, None]).sum(0)[kept] / total[kept]
    rise = np.polyfit(x[kept], np.interp(x[kept], *line) - centre, 2)
    moved = np.polyval(rise, np.clip(x, *x[kept][[np.argmin(x[kept]), np.argmax(x[kept])]]))
    return np.stack([np.interp(y[::-1] - moved[c], y[::-1], picture[::-1, c])[::-1] for c in range(width)], axis=1)


def _from_front(picture: Float, corner: Float, position: Float, region: dict[str, Float]) -> Float:
    """Carry a frontal picture (h, w) over to the chart."""
    x = (position[..., 0] - corner[0]) * _XY_PX_PER_MM
    y = (corner[1] - position[..., 1]) * _XY_PX_PER_MM
    inside = (x > 0) & (y > 0) & (x < picture.shape[1]) & (y < picture.shape[0]) & (position[..., 2] > 45)
    inside &= (region["eye_sockets"] < 0.3) & (region["ears"] < 0.1)
    result = np.zeros(x.shape)
    result[inside] = bilinear(picture, np.stack([x[inside], y[inside]], axis=1))
    return result


def _brow_map(model: HeadModel, mesh: BoundMesh, position: Float, region: dict[str, Float]) -> Float:
    """Opacity of a brow mesh on the skin behind it, seen from the front."""
    corner, (height, width) = _front_window(model)
    x = (mesh.vertices[:, 0] - corner[0]) * _XY_PX_PER_MM
    y = (corner[1] - mesh.vertices[:, 1]) * _XY_PX_PER_MM
    raster = rasterise(np.stack([x, y, 500 - mesh.vertices[:, 2]], axis=1), mesh.faces, width, height)
    seen = raster.covered
    uv = mesh.corner_uv.reshape(-1, 3, 2)[raster.face_index[seen]]
    place = np.einsum("pc,pcd->pd", raster.barycentric[seen], uv)
    side = mesh.texture.shape[0]
    picture = np.zeros((height, width))
    picture[seen] = bilinear(mesh.texture[..., 1], np.stack([place[:, 0] * side, (1 - place[:, 1]) * side], axis=1))
    picture = _on_line(gaussian_filter(picture, 1.0), corner, _brow_line(model))
    return np.clip(1.5 * _from_front(picture, corner, position, region), 0, 0.97)


def _drawn_brow(model: HeadModel, number: int, position: Float, region: dict[str, Float]) -> Float:
    """Opacity of a brow drawn hair by hair along the named points' line, on the chart."""
    rng = np.random.default_rng([31, number])
    line = _brow_line(model)
    inner, outer = float(line[0, 0]), float(line[0, -1])
    thick, arch = rng.uniform(2.2, 4.2), rng.uniform(-1.0, 1.0)
    corner, (height, width) = np.array([-70.0, float(line[1].mean()) + 35]), (350, 700)
    picture = np.zeros((height, width))
    for sign in (-1, 1):
        count = int(rng.uniform(420, 700))
        s = rng.random(count)
        along = inner + s * (outer - inner)
        centre = np.interp(along, *line) + arch * (np.sin(np.pi * s) - 0.6)
        across = (rng.random(count) - 0.5) * 2 * thick * (1 - 0.75 * s**2) * np.clip(0.55 + s * 3, 0, 1)
        angle = np.deg2rad(80 - 75 * np.clip(s * 1.6, 0, 1) + rng.normal(0, 9, count))
        length = rng.uniform(4.0, 7.5, count)
        t = np.linspace(0, 1, 24)
        hair_x = sign * (along[:, None] + np.cos(angle)[:, None] * length[:, None] * t)
        rise = np.sin(angle)[:, None] * length[:, None] * (t * (1 - 0.3 * t) - 0.4)  # about its own middle
        hair_y = (centre + across)[:, None] + rise
        column = ((hair_x - corner[0]) * _XY_PX_PER_MM).astype(int).clip(0, width - 1)
        row = ((corner[1] - hair_y) * _XY_PX_PER_MM).astype(int).clip(0, height - 1)
        np.add.at(picture, (row, column), 0.5 * (1 - 0.7 * t)[None].repeat(count, 0))
    return _from_front(np.clip(gaussian_filter(picture, 0.9) * 1.1, 0, 0.97), corner, position, region)


def scalp_weight(model: HeadModel) -> Float:
    """Return (n,) weights in [0, 1] of vertices where hair grows on the head; see the mask `scalp`."""
    region = {name: weight.astype(np.float64) for name, weight in model.regions.items()}
    weight = _masks(model, region, model.mean)["scalp"]
    weight[model.parts["skin"].vertices.stop :] = 0.0
    return weight


def beard_weight(model: HeadModel, kind: str) -> Float:
    """Return (n,) weights in [0, 1] of vertices where a beard of a kind grows."""
    region = {name: weight.astype(np.float64) for name, weight in model.regions.items()}
    weight = _masks(model, region, model.mean)[kind]
    weight[model.parts["skin"].vertices.stop :] = 0.0
    return weight
