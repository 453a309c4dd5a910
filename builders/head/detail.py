"""The fine shape of lips, lids and nostrils, which MakeHuman's controls do not have, from ICT-FaceKit's mean of scanned faces.

Where the lips meet at the corners of the mouth, MakeHuman's mesh ends in a hard slit; real lips taper into a soft fold.
Our mean head is registered onto the scanned mean; of the difference near these edges the coarse part, which is size
and place, stays ours, the fine part is theirs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from builders.head.base import HeadBase, load_landmarks
from builders.head.craniofacial import craniofacial_points
from builders.head.expression_places import Correspondence
from builders.head.expression_source import ExpressionFace
from builders.head.lids import find_lids
from builders.head.lips import lip_rings
from builders.head.regions import build_regions
from cephalon.geometry import face_areas, triangulate

Float = NDArray[np.float64]

FINE_MM = 6.0
"""What is smaller is fine: the standard deviation of the Gaussian that tells the coarse part."""

REACH_MM = 6.0
"""How far from the edges of lips and lids the detail reaches, standard deviation of a Gaussian."""

LEAST_SHARE = 0.02
"""Where less of the detail would be taken, none is."""

HELD_MM = 6.0
"""How far around an anthropometric landmark the skin is moved along to put it back in its place."""

CANTHUS_MM = 4.0
"""How far around the inner corner of the eye nothing is taken, standard deviation of a Gaussian: there the other face's
lids meet before their corner, which on our margin, open to the caruncle, would make a crease."""

DEEP_RINGS = {"mouth": 6, "socket": 4}
"""Rings of the cavities, from the lips' and the lids' edges, that follow; what is deeper stays."""


def take_detail(base: HeadBase, mean: Float, face: ExpressionFace, places: Correspondence) -> Float:
    """A mean head (n, 3) mm with the fine shape of lips, lids and nostrils of another face; its landmarks stay in their places.

    Parameters
    ----------
    base : the topology.
    mean : (n, 3) mm, head frame.
    face : the other face, neutral.
    places : where our vertices lie on it.
    """
    loops = load_landmarks()["loops"]
    lid = base.asset_index(loops["left_lid"])
    edges = (base.asset_index(loops["mouth"]), lid, base.symmetry[lid], _around_nostrils(base))
    aim = places.carry(places.to_head.apply(face.vertices)) - mean
    area = _vertex_areas(base, mean)
    offset = np.zeros_like(mean)
    for edge in edges:
        part = _fine_part(mean, aim, np.flatnonzero(places.matched), mean[edge], area)
        if edge is edges[1] or edge is edges[2]:
            inner = mean[edge[np.argmin(np.abs(mean[edge, 0]))]]
            part *= 1 - np.exp(-0.5 * (np.linalg.norm(mean - inner, axis=1, keepdims=True) / CANTHUS_MM) ** 2)
        offset += part
    _lead_cavities(base, offset)
    _hold_landmarks(base, mean, offset)
    return mean + (offset + offset[base.symmetry] * [-1.0, 1.0, 1.0]) / 2.0


def _fine_part(mean: Float, aim: Float, matched: NDArray[np.intp], edge: Float, area: Float) -> Float:
    """The fine part (n, 3) of the displacements `aim` (n, 3) near an edge (k, 3)."""
    away = np.linalg.norm(mean[matched][:, None] - edge[None], axis=2).min(axis=1)
    near = matched[away < 3.0 * (REACH_MM + FINE_MM)]
    away = away[away < 3.0 * (REACH_MM + FINE_MM)]
    squared = ((mean[near][:, None] - mean[near][None]) ** 2).sum(axis=2)
    kernel = area[near] * np.exp(-squared / (2 * FINE_MM**2))
    fine = aim[near] - kernel @ aim[near] / kernel.sum(axis=1, keepdims=True)
    share = np.exp(-0.5 * (away / REACH_MM) ** 2)
    share = np.clip((share - LEAST_SHARE) / (1.0 - LEAST_SHARE), 0.0, 1.0)
    part = np.zeros_like(mean)
    part[near] = share[:, None] * fine
    return part


def _vertex_areas(base: HeadBase, mean: Float) -> Float:
    """A third of the area (n,) mm^2 of the triangles around each vertex."""
    faces = triangulate(base.polygons)[0]
    area = np.zeros(len(mean))
    np.add.at(area, faces.reshape(-1), np.repeat(face_areas(mean, faces) / 3.0, 3))
    return area


def _around_nostrils(base: HeadBase) -> NDArray[np.intp]:
    """Skin vertices beside the nostrils."""
    nostrils = build_regions(base)["nostrils"] > 0.5
    polygons = base.polygons[base.part("skin")[1]]
    beside = np.unique(polygons[nostrils[polygons].any(axis=1)])
    return beside[~nostrils[beside]]


def _lead_cavities(base: HeadBase, offset: Float) -> None:
    """Let nostrils and the first rings of mouth and sockets follow their edges, harmonic up to what is deeper, in place."""
    skin, rows = base.part("skin")
    count = skin.stop
    inside = lip_rings(base)[1][:count]
    free = (inside > 0) & (inside <= DEEP_RINGS["mouth"])
    free |= build_regions(base)["nostrils"][:count] > 0.0
    deep = (inside > DEEP_RINGS["mouth"]) & (inside < 900)
    for side in ("left", "right"):
        inwards = find_lids(side).inward
        free |= (inwards > 0) & (inwards <= DEEP_RINGS["socket"])
        deep |= (inwards > DEEP_RINGS["socket"]) & (inwards < 900)
    offset[:count][deep] = 0.0
    polygons = base.polygons[rows]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    joined = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    laplacian = sparse.csr_matrix(sparse.diags(np.asarray(joined.sum(axis=1)).ravel()) - joined)
    moved, held = np.flatnonzero(free), np.flatnonzero(~free)
    inner = sparse.csc_matrix(laplacian[moved][:, moved])
    offset[moved] = -spsolve(inner, laplacian[moved][:, held] @ offset[held])


def _hold_landmarks(base: HeadBase, mean: Float, offset: Float) -> None:
    """Take from offsets (n, 3), in place, a smooth field that would move the anthropometric landmarks."""
    points = craniofacial_points(base)
    faces = triangulate(base.polygons)[0]
    at = points.positions(mean, faces)
    shift = points.positions(offset, faces)
    touched = (np.linalg.norm(shift, axis=1) > 1e-3) & (np.array(points.names) != "sto")
    at, shift = at[touched], shift[touched]
    among = np.exp(-((at[:, None] - at[None]) ** 2).sum(axis=2) / (2 * HELD_MM**2))
    weights = np.linalg.solve(among + 1e-3 * np.eye(len(at)), shift)
    skin = base.part("skin")[0]
    reach = np.exp(-((mean[skin][:, None] - at[None]) ** 2).sum(axis=2) / (2 * HELD_MM**2))
    offset[skin] -= reach @ weights
