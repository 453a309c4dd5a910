"""The skin's texels as surface points: which place of the head each one shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.export import fine_mesh
from cephalon.geometry import rasterise_uv
from cephalon.head import HeadModel

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texels:
    """The t texels of a square texture of side `size` that lie on the skin, in row order (row 0 is v = 1).

    Attributes
    ----------
    index : (t,) flat index into the texture.
    corners : (t, 3) vertices of the fine level; `barycentric` (t, 3) float32 weights.
    mirror : (t,) row of the texel at u -> 1 - u.
    regions : name -> (t,) float32, the model's region weights at the texels.
    """

    size: int
    index: NDArray[np.int64]
    corners: NDArray[np.int32]
    barycentric: NDArray[np.float32]
    mirror: NDArray[np.int64]
    regions: dict[str, NDArray[np.float32]]

    def spread(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """Interpolate attributes of the fine vertices (n, c) at the texels, (t, c) float32."""
        values = values.astype(np.float32)
        weights = self.barycentric
        found = values[self.corners[:, 0]] * weights[:, :1]
        found += values[self.corners[:, 1]] * weights[:, 1:2]
        found += values[self.corners[:, 2]] * weights[:, 2:]
        return found

    def image(self, values: NDArray[Any], fill: Any = 0) -> NDArray[Any]:
        """Lay (t,) or (t, c) values out as a texture (size, size[, c])."""
        picture = np.full((self.size * self.size, *values.shape[1:]), fill, dtype=values.dtype)
        picture[self.index] = values
        return picture.reshape(self.size, self.size, *values.shape[1:])


@lru_cache(maxsize=3)
def skin_texels(model: HeadModel, size: int) -> Texels:
    """Rasterise the skin's UV chart of the model's fine level (kept for the process)."""
    fine = fine_mesh(model)
    skin = fine.parts["skin"].faces
    uv, faces_uv = fine.mesh.uv, fine.mesh.faces_uv
    assert uv is not None and faces_uv is not None
    raster = rasterise_uv(uv, faces_uv[skin], size)
    covered = raster.covered & raster.covered[:, ::-1]  # the chart is symmetric; a texel and its mirror image go together
    index = np.flatnonzero(covered)
    row_of = np.full(size * size, -1, dtype=np.int64)
    row_of[index] = np.arange(len(index))
    row, column = np.divmod(index, size)
    corners = fine.mesh.faces[skin][raster.face_index.reshape(-1)[index]]
    barycentric = raster.barycentric.reshape(-1, 3)[index].astype(np.float32)
    names = list(model.regions)
    weights = (fine.operator @ np.stack([model.regions[name] for name in names], axis=1)).astype(np.float32)
    texels = Texels(
        size=size,
        index=index,
        corners=corners,
        barycentric=barycentric,
        mirror=row_of[row * size + (size - 1 - column)],
        regions={},
    )
    spread = np.clip(texels.spread(weights), 0, 1)
    texels.regions.update({name: spread[:, i] for i, name in enumerate(names)})
    return texels
