"""Synthetic portraits of our heads, real enough for a face landmarker trained on photos.

The skin comes from MakeHuman's CC0 textures through MakeHuman's own uv; brows, lashes and hair are MakeHuman
meshes bound to the skin; the iris is painted by angle; light is a panorama's irradiance (order-2 spherical
harmonics) with ambient occlusion; the background is a photo without people. None of this ends up in the
product: the portraits only measure where a landmarker sees our surface points, and how well.

Frames as in docs/conventions.md: head frame +x to the person's left, +y up, +z out of the face; camera frame
OpenCV's. `pose` says how yaw, pitch and roll are defined.

Shape letters: n vertices of the head, h x w pixels, p covered pixels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builders.head.base import HeadBase
from builders.head.eyes import IRIS_ANGLE_DEG, PUPIL_ANGLE_DEG, fit_sphere
from builders.head.portrait_layers import Layer, load_layer, scalp_weights
from builders.head.portrait_light import (
    ambient_occlusion,
    irradiance,
    project_panorama,
)
from cephalon.colour import decode, encode
from cephalon.geometry import (
    Camera,
    Raster,
    Rigid,
    rasterise_mesh,
    rotation_from_rotvec,
    triangulate,
    vertex_normals,
)

Float = NDArray[np.float64]

HEAD_TO_CAMERA = np.diag([1.0, -1.0, -1.0])
"""Rotation of a head that looks straight into the camera."""

BROWS = ("eyebrow001", "eyebrow003", "eyebrow004", "eyebrow006", "eyebrow008", "eyebrow010", "eyebrow012")
LASHES = ("eyelashes01", "eyelashes02")
HAIR = ("", "short01", "short02", "short03", "short04")
DARK_SKINS = ("middleage_darkskinned_male", "old_darkskinned_male", "young_darkskinned_male")
HAIR_RGB = ((22, 18, 16), (45, 32, 24), (82, 58, 40), (120, 92, 62), (150, 145, 140))
IRISES = ("blue_eye", "brown_eye", "brownlight_eye", "green_eye", "grey_eye")


def pose(yaw_deg: float, pitch_deg: float, roll_deg: float) -> Float:
    """Rotation (3, 3) camera_from_head of a head turned in front of the camera.

    Yaw turns about +y (positive: the person turns to their own left, which is the right side of the picture),
    pitch about -x (positive: looks up), roll about -z (positive: clockwise in the picture). They act in the order
    yaw, pitch, roll: R = diag(1, -1, -1) Rz(-roll) Rx(-pitch) Ry(yaw).
    """
    angles = np.deg2rad([[0.0, yaw_deg, 0.0], [-pitch_deg, 0.0, 0.0], [0.0, 0.0, -roll_deg]])
    about_y, about_x, about_z = rotation_from_rotvec(angles)
    return HEAD_TO_CAMERA @ about_z @ about_x @ about_y


def view_angles(camera_from_head: Rigid) -> tuple[float, float]:
    """Yaw and pitch in degrees from which the camera sees the head, signs as in `pose`.

    With c = -R^T t the camera's position in the head frame: yaw = atan2(-c_x, c_z), pitch = -asin(c_y / |c|).
    """
    x, y, z = -camera_from_head.rotation.T @ camera_from_head.translation
    return float(np.rad2deg(np.arctan2(-x, z))), float(np.rad2deg(-np.arcsin(y / np.sqrt(x * x + y * y + z * z))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a portrait looks like, besides shape and pose.

    Attributes
    ----------
    skin, brows, lashes, hair, iris, light, background : names of files; hair may be "" for none.
    cap : whether the scalp is painted in the hair's colour.
    hair_rgb : sRGB of hair and brows.
    light_turn_deg : how far the panorama is turned about the vertical.
    gaze_deg : yaw and pitch of both eyes in the head frame, signs as in `pose`.
    exposure : factor on the light.
    """

    skin: str
    brows: str
    lashes: str
    hair: str
    cap: bool
    hair_rgb: tuple[int, int, int]
    iris: str
    light: str
    light_turn_deg: float
    background: str
    gaze_deg: tuple[float, float]
    exposure: float


class PortraitKit:
    """Everything that portraits are made of, read once.

    Parameters
    ----------
    base : the head's topology with MakeHuman's uv.
    data : folder with `makehuman_cc0`, `hdri` and `backgrounds`.
    reference : (n, 3) mm, head frame: an average adult, on which scalp and occlusion are worked out.
    """

    def __init__(self, base: HeadBase, data: Path, reference: Float) -> None:
        self.base = base
        self.data = data
        self.faces, self.face_polygon = triangulate(base.polygons)
        self.faces_uv = triangulate(base.polygons_makehuman_uv)[0]
        """(skin triangles, 3) int32 into MakeHuman's uv; the skin comes first."""
        self._cache: dict[str, object] = {}
        crop = json.loads((data / "makehuman_cc0" / "skins" / "crop.json").read_text(encoding="utf-8"))
        self._crop_box = crop["crop_box_pixels_left_top_right_bottom"]
        self._texture_size = crop["full_texture_size"][0]
        box = crop["uv_of_crop"]
        u, v = np.moveaxis(base.makehuman_uv[self.faces_uv], -1, 0)
        inside = np.zeros(len(self.faces), dtype=bool)
        inside[: len(u)] = ((u >= box["u_min"]) & (v >= box["v_min"]) & (v <= box["v_max"])).all(axis=1)
        part_of_polygon = np.zeros(len(base.polygons), dtype=np.int32)
        for k, (start, stop) in enumerate(base.part_polygons):
            part_of_polygon[start:stop] = k
        self.face_part = part_of_polygon[self.face_polygon]
        self.textured = inside
        self.plain_rgb = self._plain_colours(reference)
        self.drawn = self.faces[
            ~np.isin(self.face_part, [base.part_names.index(s + "_lashes") for s in ("left", "right")])
        ]
        self.drawn_rows = np.flatnonzero(
            ~np.isin(self.face_part, [base.part_names.index(s + "_lashes") for s in ("left", "right")])
        )
        self.occlusion = ambient_occlusion(reference, self.drawn)
        self.scalp = scalp_weights(base, reference)
        self.skins = tuple(sorted(p.stem for p in (data / "makehuman_cc0" / "skins").glob("*.jpg")))
        self.lights = tuple(sorted(p.stem for p in (data / "hdri").glob("*.npz") if "night" not in p.stem))
        self.backgrounds = tuple(sorted(p.name for p in (data / "backgrounds").glob("*.jpg")))

    def look(self, *, rng: np.random.Generator) -> Look:
        """Draw a look."""
        skin = str(rng.choice(self.skins))
        tints = HAIR_RGB[:2] if skin in DARK_SKINS else HAIR_RGB
        hair = str(rng.choice(HAIR))
        return Look(
            skin=skin,
            brows=str(rng.choice(BROWS)),
            lashes=str(rng.choice(LASHES)),
            hair=hair,
            cap=bool(hair) or bool(rng.random() < 0.7),
            hair_rgb=tints[int(rng.integers(len(tints)))],
            iris="brown_eye" if skin in DARK_SKINS else str(rng.choice(IRISES)),
            light=str(rng.choice(self.lights)),
            light_turn_deg=float(rng.uniform(0, 360)),
            background=str(rng.choice(self.backgrounds)),
            gaze_deg=(float(rng.normal(0, 8)), float(rng.normal(0, 5))),
            exposure=float(np.exp(rng.normal(0, 0.15))),
        )

    def render(
        self, head: Float, camera: Camera, camera_from_head: Rigid, look: Look
    ) -> tuple[NDArray[np.uint8], Raster]:
        """Draw a portrait.

        Parameters
        ----------
        head : (n, 3) mm, head frame.

        Returns
        -------
        rgb : (h, w, 3) uint8, sRGB, antialiased.
        raster : at twice the camera's resolution, face numbers into the whole head's triangles (`faces`).
        """
        fine = camera.scaled(2.0)
        head = self.with_gaze(head, look.gaze_deg)
        cam = camera_from_head.apply(head)
        raster = rasterise_mesh(cam, self.drawn, fine)
        image = self._background(look.background, fine.height, fine.width)
        covered = raster.face_index >= 0
        rows = self.drawn_rows[raster.face_index[covered]]
        barycentric = raster.barycentric[covered].astype(np.float64)
        corners = self.faces[rows]
        position = np.einsum("pc,pcd->pd", barycentric, head[corners])
        normals = vertex_normals(head, self.faces)
        normal = np.einsum("pc,pcd->pd", barycentric, normals[corners])
        shade = np.einsum("pc,pc->p", barycentric, self.occlusion[corners])
        albedo = self._skin_albedo(look, rows, barycentric)
        if look.cap:
            amount = np.einsum("pc,pc->p", barycentric, self.scalp[corners])[:, None]
            albedo = albedo * (1 - amount) + _linear(np.array(look.hair_rgb, dtype=np.float64)) * amount
        for side in ("left_eye", "right_eye"):
            part = self.base.part_names.index(side)
            here = self.face_part[rows] == part
            centre, _ = fit_sphere(head[self.base.part(side)[0]])
            albedo[here], normal[here] = self._eye(position[here] - centre, look)
        light = self._light(look, camera_from_head)
        linear = albedo * irradiance(light, normal @ camera_from_head.rotation.T) * shade[:, None]
        image[covered] = np.clip(linear * look.exposure, 0, 1)
        for kind, name in (("eyebrows", look.brows), ("eyelashes", look.lashes), ("hair", look.hair)):
            if name:
                self._draw_layer(image, raster.depth, head, fine, camera_from_head, kind, name, look, light)
        small = image.reshape(camera.height, 2, camera.width, 2, 3).mean(axis=(1, 3))
        whole = Raster(
            face_index=np.where(covered, self.drawn_rows[raster.face_index], -1).astype(np.int32),
            barycentric=raster.barycentric,
            depth=raster.depth,
        )
        return np.round(encode(np.clip(small, 0, 1)) * 255).astype(np.uint8), whole

    def with_gaze(self, head: Float, gaze_deg: tuple[float, float]) -> Float:
        """The head (n, 3) with both eyeballs turned by (yaw, pitch) about their centres, signs as in `pose`."""
        turned = head.copy()
        rotation = _gaze_rotation(gaze_deg)
        for side in ("left_eye", "right_eye"):
            rows = self.base.part(side)[0]
            centre, _ = fit_sphere(head[rows])
            turned[rows] = (head[rows] - centre) @ rotation.T + centre
        return turned

    def layer(self, kind: str, name: str) -> Layer:
        """Brows, lashes or hair by name, bound to this topology."""
        key = f"{kind}/{name}"
        if key not in self._cache:
            self._cache[key] = load_layer(self.base, self.data / "makehuman_cc0" / kind / name, name)
        layer = self._cache[key]
        assert isinstance(layer, Layer)
        return layer

    def _plain_colours(self, reference: Float) -> Float:
        """Linear colour (t, 3) of faces without texture; NaN where the skin's own average belongs."""
        rgb = np.full((len(self.faces), 3), np.nan)
        names = self.base.part_names
        for part, colour in (
            ("tongue", (150, 70, 70)),
            ("upper_teeth", (225, 215, 200)),
            ("lower_teeth", (225, 215, 200)),
        ):
            rgb[self.face_part == names.index(part)] = _linear(np.array(colour, dtype=np.float64))
        centre = reference[self.faces].mean(axis=1)
        hidden = (self.face_part == 0) & ~self.textured
        mouth = hidden & (np.abs(centre[:, 0]) < 40) & (centre[:, 1] < 0) & (centre[:, 1] > -75) & (centre[:, 2] > 20)
        rgb[mouth] = _linear(np.array((110, 45, 42), dtype=np.float64))
        lids = hidden & (np.abs(centre[:, 0]) < 60) & (centre[:, 1] > 0) & (centre[:, 2] > 20)
        rgb[lids] = _linear(np.array((190, 125, 110), dtype=np.float64))
        return rgb

    def _skin_albedo(self, look: Look, rows: NDArray[np.intp], barycentric: Float) -> Float:
        key = f"skin/{look.skin}"
        if key not in self._cache:
            path = self.data / "makehuman_cc0" / "skins" / f"{look.skin}.jpg"
            self._cache[key] = _linear(np.asarray(Image.open(path).convert("RGB"), dtype=np.float64))
        texture = self._cache[key]
        assert isinstance(texture, np.ndarray)
        skin_rows = np.minimum(rows, len(self.faces_uv) - 1)
        uv = np.einsum("pc,pcd->pd", barycentric, self.base.makehuman_uv[self.faces_uv[skin_rows]])
        left, top = self._crop_box[:2]
        x = uv[:, 0] * self._texture_size - left
        y = (1 - uv[:, 1]) * self._texture_size - top
        albedo = _bilinear(texture, x, y)
        neck = np.median(texture[: len(texture) // 8, -60:].reshape(-1, 3), axis=0)
        plain = self.plain_rgb[rows]
        plain = np.where(np.isnan(plain), neck, plain)
        return np.where(self.textured[rows][:, None], albedo, plain)

    def _eye(self, ray: Float, look: Look) -> tuple[Float, Float]:
        """Albedo and normal of points (p, 3) given relative to the eyeball's centre."""
        gaze = _gaze_rotation(look.gaze_deg)[:, 2]
        normal = ray / np.linalg.norm(ray, axis=1, keepdims=True)
        angle = np.rad2deg(np.arccos(np.clip(normal @ gaze, -1, 1)))
        rim = np.interp(angle, [0.75 * IRIS_ANGLE_DEG, IRIS_ANGLE_DEG], [1.0, 0.35])
        sclera = _linear(np.array([196.0, 186.0, 180.0])) * (0.55 + 0.45 * normal[:, 2:] ** 2)
        in_iris = np.clip((IRIS_ANGLE_DEG - angle) / 2 + 0.5, 0, 1)[:, None]
        in_pupil = np.clip((PUPIL_ANGLE_DEG - angle) / 1.5 + 0.5, 0, 1)[:, None]
        colour = sclera * (1 - in_iris) + self._iris_rgb(look.iris) * rim[:, None] * in_iris
        return colour * (1 - in_pupil) + 0.004 * in_pupil, normal

    def _iris_rgb(self, name: str) -> Float:
        """Mean linear colour of an iris texture's iris ring."""
        key = f"iris/{name}"
        if key not in self._cache:
            path = self.data / "makehuman_cc0" / "eyes" / "materials" / f"{name}.png"
            pixels = np.asarray(Image.open(path).convert("RGB").resize((256, 256)), dtype=np.float64)
            y, x = np.mgrid[:256, :256]
            saturated = pixels.reshape(-1, 3)[(np.hypot(x - 128, y - 128).reshape(-1) < 128)]
            chroma = saturated.max(axis=1) - saturated.min(axis=1)
            self._cache[key] = _linear(np.median(saturated[chroma > np.quantile(chroma, 0.85)], axis=0))
        value = self._cache[key]
        assert isinstance(value, np.ndarray)
        return value

    def _light(self, look: Look, camera_from_head: Rigid) -> Float:
        """Spherical harmonics (9, 3) of the panorama's irradiance in camera axes, scaled to a well exposed face."""
        key = f"light/{look.light}"
        if key not in self._cache:
            with np.load(self.data / "hdri" / f"{look.light}.npz") as archive:
                self._cache[key] = np.minimum(archive["rgb"].astype(np.float64), 60.0)
        panorama = self._cache[key]
        assert isinstance(panorama, np.ndarray)
        shift = round(look.light_turn_deg / 360 * panorama.shape[1])
        harmonics = project_panorama(np.roll(panorama, shift, axis=1))
        directions = np.array([[0.0, 0.0, -1.0], [0.5, -0.3, -0.8], [-0.5, -0.3, -0.8]])
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        bright = irradiance(harmonics, directions).mean()
        harmonics = harmonics / bright
        harmonics[1:] *= 0.8
        return harmonics * 1.05

    def _background(self, name: str, height: int, width: int) -> Float:
        picture = Image.open(self.data / "backgrounds" / name).convert("RGB")
        return _linear(np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float64))

    def _draw_layer(
        self,
        image: Float,
        depth: NDArray[np.float32],
        head: Float,
        camera: Camera,
        camera_from_head: Rigid,
        kind: str,
        name: str,
        look: Look,
        light: Float,
    ) -> None:
        layer = self.layer(kind, name)
        vertices = layer.vertices(head)
        raster = rasterise_mesh(camera_from_head.apply(vertices), layer.faces, camera)
        margin = 6.0 if kind == "hair" else 3.0
        seen = (raster.face_index >= 0) & (raster.depth < depth + margin)
        rows = raster.face_index[seen]
        barycentric = raster.barycentric[seen].astype(np.float64)
        uv = np.einsum("pc,pcd->pd", barycentric, layer.uv[layer.faces_uv[rows]])
        size = len(layer.rgba)
        rgba = _bilinear(layer.rgba, uv[:, 0] % 1 * size, (1 - uv[:, 1]) % 1 * size)
        normals = vertex_normals(vertices, layer.faces)
        normal = np.einsum("pc,pcd->pd", barycentric, normals[layer.faces[rows]]) @ camera_from_head.rotation.T
        facing = np.where(normal[:, 2:] > 0, -normal, normal)
        tint = _linear(np.array(look.hair_rgb, dtype=np.float64))
        strand = _linear(rgba[:, :3] * 255).mean(axis=1, keepdims=True)
        if kind == "hair":
            colour = tint * np.clip(strand / max(float(strand.mean()), 1e-4), 0.3, 2.5) if len(strand) else strand
        elif kind == "eyebrows":
            colour = np.broadcast_to(0.7 * tint, facing.shape)
        else:
            colour = np.full_like(facing, 0.006)
        alpha = rgba[:, 3:] * (0.85 if kind == "eyebrows" else 1.0)
        drawn = np.clip(colour * irradiance(light, facing), 0, 1)
        image[seen] = image[seen] * (1 - alpha) + drawn * alpha


def _gaze_rotation(gaze_deg: tuple[float, float]) -> Float:
    """Rotation (3, 3) of an eyeball in the head frame."""
    about_y, about_x = rotation_from_rotvec(np.deg2rad([[0.0, gaze_deg[0], 0.0], [-gaze_deg[1], 0.0, 0.0]]))
    return about_y @ about_x


def _linear(srgb_255: Float) -> Float:
    """SRGB values in [0, 255] to linear light in [0, 1]."""
    return decode(np.asarray(srgb_255) / 255)


def _bilinear(texture: NDArray[np.floating], x: Float, y: Float) -> Float:
    """Texture (h, w, c) at pixel positions x, y (p,), pixel centres at (0.5, 0.5), clamped at the border."""
    height, width = texture.shape[:2]
    x = np.clip(x - 0.5, 0, width - 1.001)
    y = np.clip(y - 0.5, 0, height - 1.001)
    column, row = x.astype(np.int64), y.astype(np.int64)
    a, b = (x - column)[:, None], (y - row)[:, None]
    upper = texture[row, column] * (1 - a) + texture[row, column + 1] * a
    lower = texture[row + 1, column] * (1 - a) + texture[row + 1, column + 1] * a
    return upper * (1 - b) + lower * b


def portrait_camera(size: int, distance_mm: float, face_mm: float = 260.0, share: float = 0.7) -> Camera:
    """Square camera in whose picture a head of `face_mm` at `distance_mm` takes `share` of the height."""
    return Camera(width=size, height=size, focal_px=share * size / face_mm * distance_mm)


def portrait_pose(
    angles_deg: Sequence[float], distance_mm: float, *, aim: Float | None = None, shift_mm: Sequence[float] = (0.0, 0.0)
) -> Rigid:
    """Pose of a head turned by (yaw, pitch, roll) whose point `aim` (3,) mm lies `shift_mm` off the optical axis."""
    rotation = pose(*angles_deg)
    centre = np.array([0.0, 0.0, 30.0]) if aim is None else aim
    return Rigid(rotation=rotation, translation=np.array([*shift_mm, distance_mm]) - rotation @ centre)
