"""What measures need to know of a head's topology: named points, search areas, edges a tape may touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import SurfacePoints

if TYPE_CHECKING:
    from cephalon.head.model import HeadModel

Float = NDArray[np.float64]
Int = NDArray[np.intp]

ABOVE_EAR_MM = 3.0
"""How far above the top of the ear the search for the widest place of the skull begins."""

BEFORE_EAR_MM = 12.0
"""How far in front of the tragion the search for the widest place of the cheek arch begins."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anatomy:
    """What measures know of a topology.

    Attributes
    ----------
    vertex_count : n.
    names : row of each named point.
    corners, weights : (p, 3) vertices and barycentric weights of the named points.
    tape_edges : (e, 2) edges of the skin that a tape may touch: no ears, no cavities.
    skull, cheek, crown : vertices among which head breadth, bizygomatic breadth and the top and the back are searched.
    eyes : vertices of the left and of the right eyeball.
    irises : vertices of the left and of the right iris.
    """

    vertex_count: int
    names: Mapping[str, int]
    corners: Int
    weights: Float
    tape_edges: Int
    skull: Int
    cheek: Int
    crown: Int
    eyes: tuple[Int, Int]
    irises: tuple[Int, Int]

    @staticmethod
    def build(
        *,
        mean: Float,
        faces: NDArray[np.integer],
        skin_faces: slice,
        points: SurfacePoints,
        symmetry: NDArray[np.integer],
        eyes: tuple[slice, slice],
        regions: Mapping[str, NDArray[np.floating]],
    ) -> Anatomy:
        """Find edges and search areas on the mean head.

        Parameters
        ----------
        mean : (n, 3) mm, the mean head in the head frame.
        faces : (t, 3); those in `skin_faces` are the skin.
        points : the set ``iso``.
        symmetry : (n,) mirror vertices.
        eyes : vertex ranges of the left and right eyeball.
        regions : weights (n,) of at least ears, mouth_cavity, eye_sockets, nostrils, iris.
        """
        skin = np.asarray(faces)[skin_faces]
        names = {name: row for row, name in enumerate(points.names)}
        at = dict(zip(points.names, points.positions(mean, faces), strict=True))
        hidden = np.max([regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0) > 0.5
        allowed = ~hidden & (regions["ears"] < 0.5)
        edges = np.unique(np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]], skin[:, [2, 0]]]), axis=1), axis=0)
        on_skin = np.zeros(len(mean), dtype=bool)
        on_skin[skin] = True
        _, y, z = mean.T
        skull = on_skin & ~hidden & (y > at["sa_l"][1] + ABOVE_EAR_MM)
        cheek = on_skin & ~hidden & (y > at["sn"][1]) & (y < at["ex_l"][1]) & (z > at["t_l"][2] + BEFORE_EAR_MM)
        middle = on_skin & ~hidden & (np.asarray(symmetry) == np.arange(len(mean)))
        return Anatomy(
            vertex_count=len(mean),
            names=names,
            corners=np.asarray(faces)[points.face_index].astype(np.intp),
            weights=points.barycentric / points.barycentric.sum(axis=1, keepdims=True),
            tape_edges=edges[allowed[edges].all(axis=1)].astype(np.intp),
            skull=np.flatnonzero(skull),
            cheek=np.flatnonzero(cheek),
            crown=np.flatnonzero(middle & (y > at["t_l"][1] - 20) & (z < at["g"][2] - 30)),
            eyes=(_range(eyes[0]), _range(eyes[1])),
            irises=(_members(regions["iris"], eyes[0]), _members(regions["iris"], eyes[1])),
        )


def _range(part: slice) -> Int:
    return np.arange(part.start, part.stop)


def _members(weights: NDArray[np.floating], part: slice) -> Int:
    return part.start + np.flatnonzero(weights[part] > 0.5)


@lru_cache(maxsize=4)
def anatomy_of(model: HeadModel) -> Anatomy:
    """Return the anatomy of a head model, kept for the last few models."""
    return Anatomy.build(
        mean=model.mean,
        faces=model.faces,
        skin_faces=model.parts["skin"].faces,
        points=model.point_set("iso"),
        symmetry=model.symmetry,
        eyes=(model.parts["left_eye"].vertices, model.parts["right_eye"].vertices),
        regions=model.regions,
    )
