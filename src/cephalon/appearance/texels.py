"""The skin's texels as surface points: which place of the head each one shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.brows import drawn_brows
from cephalon.appearance.surface import SkinSurface, skin_surface
from cephalon.export import fine_mesh
from cephalon.geometry import Raster, rasterise_uv
from cephalon.head import HeadModel

GUTTER = 12
_BORDER = -2  # around the texture: neither skin nor gutter


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texels:
    """The t texels of a square texture of side `size` that lie on the skin, in row order (row 0 is v = 1).

    Attributes
    ----------
    index : (t,) int32 flat index into the texture.
    corners : (t, 3) int32 rows of the skin surface's vertices; `barycentric` (t, 3) float32 weights.
    mirror : (t,) int32 row of the texel at u -> 1 - u.
    gutter : (g,) flat index of the texels around the chart, `gutter_source` (g,) row of the skin texel each repeats.
    scale : side of a texel on the mean head, mm (median over the face).
    brows : (t,) float32 in [0, 1], how far hairs of brows cover the skin, on a usual face.
    stretch : (m,) at the surface's vertices, longer axis of a texel on the head over `scale`.
    """

    size: int
    index: NDArray[np.int32]
    corners: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    mirror: NDArray[np.int32]
    gutter: NDArray[np.int32]
    gutter_source: NDArray[np.int32]
    scale: float
    brows: NDArray[np.float32]
    stretch: NDArray[np.float32]

    def spread(self, values: NDArray[Any], rows: NDArray[np.intp] | None = None) -> NDArray[np.float32]:
        """Interpolate attributes of the surface's vertices (m,) or (m, c) at the texels (or some `rows`), float32."""
        flat = np.ascontiguousarray(values, dtype=np.float32).reshape(len(values), -1)
        corners = self.corners if rows is None else self.corners.take(rows, axis=0)
        weights = self.barycentric if rows is None else self.barycentric.take(rows, axis=0)
        found = flat.take(corners[:, 0], axis=0)
        found *= weights[:, :1]
        for k in (1, 2):
            more = flat.take(corners[:, k], axis=0)
            more *= weights[:, k : k + 1]
            found += more
        return found if values.ndim > 1 else found[:, 0]

    def near(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Return the rows of the texels of which a corner is among the `chosen` (m,) vertices."""
        any_corner = chosen.take(self.corners[:, 0])
        for k in (1, 2):
            any_corner |= chosen.take(self.corners[:, k])
        return np.flatnonzero(any_corner)

    def image(self, values: NDArray[Any], fill: Any = 0) -> NDArray[Any]:
        """Lay (t,) or (t, c) values out as a texture (size, size[, c])."""
        picture = np.full((self.size * self.size, *values.shape[1:]), fill, dtype=values.dtype)
        picture[self.index] = values
        return picture.reshape(self.size, self.size, *values.shape[1:])


@lru_cache(maxsize=3)
def skin_texels(model: HeadModel, size: int) -> Texels:
    """Rasterise the skin's UV chart of the model's fine level (kept for the process)."""
    fine, surface = fine_mesh(model), skin_surface(model)
    uv, faces_uv = fine.mesh.uv, fine.mesh.faces_uv
    assert uv is not None
    assert faces_uv is not None
    raster = rasterise_uv(uv, faces_uv[fine.parts["skin"].faces], size)
    # our chart is symmetric: a texel and its mirror image go together; another model's chart may not be
    symmetric = not model.meta.get("foreign")
    covered = raster.covered & raster.covered[:, ::-1] if symmetric else raster.covered
    index = np.flatnonzero(covered).astype(np.int32)
    row_of = np.full(size * size, -1, dtype=np.int32)
    row_of[index] = np.arange(len(index), dtype=np.int32)
    row, column = np.divmod(index, size)
    face = raster.face_index.reshape(-1)[index]
    gutter, source = _gutter(row_of.reshape(size, size))
    # side of a texel: area on the head over area in the chart, of the faces of the face
    triangles = (surface.operator @ model.mean)[surface.faces]
    area = 0.5 * np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    here = surface.regions["face"][surface.faces].min(1) > 0.5
    texels_per_face = np.bincount(face, minlength=len(area))
    scale = float(np.sqrt(area[here].sum() / max(texels_per_face[here].sum(), 1)))
    return Texels(
        size=size,
        index=index,
        corners=surface.faces[face],
        barycentric=raster.barycentric.reshape(-1, 3)[index].astype(np.float32),
        mirror=row_of[row * size + (size - 1 - column)] if symmetric else _mirrored(model, surface, raster, index),
        gutter=gutter,
        gutter_source=source,
        scale=scale,
        brows=drawn_brows(model, size).reshape(-1)[index],
        stretch=_stretch(triangles, uv[faces_uv[fine.parts["skin"].faces]] * size, surface.faces) / np.float32(scale),
    )


def _stretch(triangles: NDArray[Any], chart: NDArray[Any], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return the longer axis (m,), mm, of a texel on the surface: the larger singular value of d place / d texel."""
    edge = chart[:, 1:] - chart[:, :1]
    inverse = np.linalg.inv(edge + np.eye(2) * 1e-9)
    jacobian = inverse @ (triangles[:, 1:] - triangles[:, :1])
    metric = jacobian @ jacobian.transpose(0, 2, 1)
    half = 0.5 * (metric[:, 0, 0] + metric[:, 1, 1])
    largest = half + np.sqrt((0.5 * (metric[:, 0, 0] - metric[:, 1, 1])) ** 2 + metric[:, 0, 1] ** 2)
    axis = np.repeat(np.sqrt(largest), 3)
    corners = faces.reshape(-1)
    return (np.bincount(corners, axis) / np.maximum(np.bincount(corners), 1)).astype(np.float32)


def _mirrored(model: HeadModel, surface: SkinSurface, raster: Raster, index: NDArray[np.int32]) -> NDArray[np.int32]:
    """Pair texels by where they lie on the mean head: each with the one nearest to its mirror image."""
    from scipy.spatial import KDTree

    corners = surface.faces[raster.face_index.reshape(-1)[index]]
    weights = raster.barycentric.reshape(-1, 3)[index]
    place = np.einsum("tc,tcd->td", weights, (surface.operator @ model.mean)[corners])
    return np.asarray(KDTree(place).query(place * (-1, 1, 1))[1]).astype(np.int32)


def _gutter(row_of: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Grow the chart outwards texel by texel; return the grown texels and the skin texel that each one repeats."""
    wide = row_of.shape[1] + 2
    grown = np.pad(row_of, 1, constant_values=_BORDER).reshape(-1)
    steps = np.array([-wide, wide, -1, 1])
    skin = grown >= 0
    beside = np.zeros_like(skin)
    for step in steps:
        beside |= np.roll(skin, step)
    front = np.flatnonzero(beside & (grown == -1))
    new = [front[:0]]
    for _ in range(GUTTER):
        if not len(front):
            break
        sources = grown[front + steps[:, None]]
        nearest = np.full(len(front), -1, dtype=np.int32)
        for there in sources:
            nearest = np.where((nearest < 0) & (there >= 0), there, nearest)
        grown[front] = nearest
        new.append(front)
        around = np.unique(front + steps[:, None])
        front = around[grown[around] == -1]
    found = np.sort(np.concatenate(new))
    row, column = np.divmod(found, wide)
    return ((row - 1) * (wide - 2) + column - 1).astype(np.int32), grown[found]
