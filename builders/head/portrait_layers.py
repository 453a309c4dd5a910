"""Brows, lashes and hair of synthetic portraits: MakeHuman meshes bound to the skin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from builders.head.base import HeadBase
from builders.head.makehuman import MM_PER_UNIT
from cephalon.geometry import triangulate

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A mesh bound to the skin (brows, lashes, hair).

    Attributes
    ----------
    corners : (v, 3) int32 head vertices that carry each vertex.
    weights : (v, 3) float64, rows sum to 1.
    offsets : (v, 3) float64 mm, in the head frame's axes.
    faces : (t, 3) int32; faces_uv : (t, 3) int32; uv : (k, 2).
    rgba : (s, s, 4) float32 in [0, 1], sRGB.
    """

    corners: NDArray[np.int32]
    weights: Float
    offsets: Float
    faces: NDArray[np.int32]
    faces_uv: NDArray[np.int32]
    uv: Float
    rgba: NDArray[np.float32]

    def vertices(self, head: Float) -> Float:
        """Vertices (v, 3) mm on a head (n, 3)."""
        return np.einsum("vc,vcd->vd", self.weights, head[self.corners]) + self.offsets


def load_layer(base: HeadBase, folder: Path, name: str) -> Layer:
    """Read a MakeHuman .mhclo binding with its OBJ and texture."""
    bindings, reading = [], False
    for line in (folder / f"{name}.mhclo").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "verts":
            reading = True
        elif reading and fields[0].lstrip("-").isdigit():
            bindings.append(
                [float(x) for x in fields] if len(fields) == 9 else [float(fields[0])] * 3 + [1.0, 0, 0, 0, 0, 0]
            )
        elif fields[0] in ("weights", "delete_verts"):
            reading = False
    table = np.array(bindings)
    vertices, uv, polygons, polygons_uv = 0, [], [], []
    for line in (folder / f"{name}.obj").read_text(encoding="utf-8").splitlines():
        fields = line.split()
        if not fields:
            continue
        if fields[0] == "v":
            vertices += 1
        elif fields[0] == "vt":
            uv.append([float(x) for x in fields[1:3]])
        elif fields[0] == "f":
            corners = [corner.split("/") for corner in fields[1:]]
            polygons.append([int(c[0]) - 1 for c in corners] + [-1] * (4 - len(corners)))
            polygons_uv.append([int(c[1]) - 1 for c in corners] + [-1] * (4 - len(corners)))
    texture = next(p for p in sorted(folder.glob("*.png")) if "normal" not in p.stem)
    where = {int(h): i for i, h in enumerate(base.hm08_index) if h >= 0}
    known = np.array([all(int(v) in where for v in row[:3]) for row in table])
    table = np.where(known[:, None], table, table[np.argmax(known)])
    quads = np.array(polygons, dtype=np.int32)
    keep = known[quads].all(axis=1)
    return Layer(
        corners=np.array([[where[int(v)] for v in row[:3]] for row in table], dtype=np.int32),
        weights=table[:, 3:6],
        offsets=table[:, 6:9] * MM_PER_UNIT,
        faces=triangulate(quads[keep])[0],
        faces_uv=triangulate(np.array(polygons_uv, dtype=np.int32)[keep])[0],
        uv=np.array(uv),
        rgba=np.asarray(Image.open(texture).convert("RGBA"), dtype=np.float32) / 255,
    )


def scalp_weights(base: HeadBase, head: Float) -> Float:
    """Weight (n,) of a plain hair cap: above a hairline that runs from the forehead over the temples to the nape."""
    azimuth = np.abs(np.rad2deg(np.arctan2(head[:, 0], head[:, 2] - 5.0)))
    line = np.interp(azimuth, [0, 30, 45, 60, 75, 95, 120, 180], [82, 80, 70, 45, 8, -5, -45, -60])
    weight = np.clip((head[:, 1] - line) / 6.0, 0, 1)
    ears = np.linalg.norm(base.target("ears/l-ear-scale-incr") + base.target("ears/r-ear-scale-incr"), axis=1) > 0.05
    weight[ears] = 0.0
    weight[base.part("skin")[0].stop :] = 0.0
    return weight
