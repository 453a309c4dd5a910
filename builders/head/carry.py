"""ICT-FaceKit's expressions carried onto the mean head: skin by deformation transfer, teeth and tongue with the jaw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from builders.head.base import HeadBase
from builders.head.expression_places import Correspondence
from builders.head.expression_source import ExpressionFace
from builders.head.lids import find_lids
from builders.head.lips import lip_rings
from builders.head.transfer import Transfer
from cephalon.geometry import triangulate

Float = NDArray[np.float64]

FREE_MM, STILL_MM = 8.0, 38.0
"""Unmatched skin nearer than the first to matched skin is free, farther than the second it stays."""

STILL_WEIGHT = 50.0

FLESH_MM = 6.0
"""Walls of the mouth cavity nearer to the skin than about this move with it, deeper ones with jaw and palate."""

WALL_RING, WALL_WEIGHT = 2, 1.0
"""From this ring inwards of the lips' edge the cavity's walls are held, and how much, beside 1 of the skin."""

SOCKET_RING, SOCKET_WEIGHT = 5, 5.0
"""The same for the eye sockets, which stay with the orbit."""


def carry_expressions(
    base: HeadBase,
    mean: Float,
    regions: dict[str, Float],
    face: ExpressionFace,
    places: Correspondence,
    makehuman: dict[str, Float],
) -> dict[str, Float]:
    """Offsets (n, 3) mm by ARKit name, for every shape that ICT-FaceKit has; eyes and lashes are left at rest.

    Parameters
    ----------
    base : the topology.
    mean : (n, 3) mm.
    regions : name -> (n,).
    face : the other model.
    places : where our vertices lie on it.
    makehuman : ARKit name -> (n, 3) mm, MakeHuman's shapes, which the mouth's inside follows.
    """
    skin, rows = base.part("skin")
    count = skin.stop
    theirs = places.to_head.apply(face.vertices)
    matched = places.matched[:count]
    image = np.where(places.matched[:, None], places.carry(theirs), mean)[:count]
    cavity = regions["mouth_cavity"]
    chin = regions["chin"] > 0.9
    soft = (cavity > 0) | (regions["eye_sockets"] > 0) | (regions["nostrils"] > 0)
    triangles = triangulate(base.polygons[rows])[0]
    hold = _hold(base, mean, regions, places.matched, soft)
    transfer = Transfer(mean[:count], triangles, image, matched, hold[:count], soft[:count])
    flesh, near = _flesh(mean, places.matched, cavity > 0)
    gums = _in_front_of(base, mean, places.matched)
    turn = places.to_head.scale * places.to_head.rotation.T
    carried = {}
    for name, shape in face.expressions.items():
        moved = shape @ turn
        ours = places.carry(moved)
        within = makehuman[name] if name in makehuman else np.zeros_like(mean)
        if name.startswith("jaw"):
            within = within * _share(ours, within, chin)
        guide = cavity[:, None] * within + flesh[:, None] * (near @ (ours - within))
        offset = np.zeros_like(mean)
        offset[:count] = transfer.carry(ours[:count], guide[:count])
        for part in ("lower_teeth", "tongue"):
            offset[base.part(part)[0]] = within[base.part(part)[0]]
            if name.startswith("jaw"):
                offset[base.part(part)[0]] += gums @ (ours - within)
        carried[name] = offset
    return carried


def _hold(
    base: HeadBase, mean: Float, regions: dict[str, Float], matched: NDArray[np.bool_], soft: NDArray[np.bool_]
) -> Float:
    """Weights (n,) with which unmatched vertices keep their place."""
    away = cKDTree(mean[matched]).query(mean)[0]
    hold = np.where(soft, 0.0, STILL_WEIGHT * np.clip((away - FREE_MM) / (STILL_MM - FREE_MM), 0, 1) ** 2)
    inside = lip_rings(base)[1]
    hold[(inside >= WALL_RING) & (inside < 900) & (regions["mouth_cavity"] > 0)] = WALL_WEIGHT
    for side in ("left", "right"):
        inwards = np.pad(find_lids(side).inward, (0, len(mean) - base.part("skin")[0].stop), constant_values=999)
        hold[(inwards >= SOCKET_RING) & (inwards < 40) & (regions["eye_sockets"] > 0.9)] = SOCKET_WEIGHT
    return hold


def _flesh(mean: Float, matched: NDArray[np.bool_], cavity: NDArray[np.bool_]) -> tuple[Float, sparse.csr_matrix]:
    """How much each vertex of the cavity goes with the skin near it (n,), and the mean of that skin (n, n)."""
    inner, outer = np.flatnonzero(cavity & ~matched), np.flatnonzero(matched)
    distance, nearest = cKDTree(mean[outer]).query(mean[inner], k=8)
    weight = 1 / (distance + 1.0) ** 2
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.repeat(inner, nearest.shape[1])
    near = sparse.csr_matrix((weight.ravel(), (rows, outer[nearest].ravel())), shape=(len(mean), len(mean)))
    flesh = np.zeros(len(mean))
    flesh[inner] = np.exp(-0.5 * (distance[:, 0] / FLESH_MM) ** 2)
    return flesh, near


def _in_front_of(base: HeadBase, mean: Float, matched: NDArray[np.bool_]) -> Float:
    """Weights (n,) of the skin before the lower front teeth; what moves it moves the jaw."""
    teeth = mean[base.part("lower_teeth")[0]]
    front = teeth[teeth[:, 2] > teeth[:, 2].max() - FLESH_MM].mean(axis=0)
    weight = matched * np.exp(-0.5 * (np.linalg.norm(mean - front, axis=1) / (2 * FLESH_MM)) ** 2)
    return weight / weight.sum()


def _share(ours: Float, theirs: Float, where: NDArray[np.bool_]) -> float:
    """How much of one motion (n, 3) another makes at some vertices."""
    return float((ours[where] * theirs[where]).sum() / (theirs[where] ** 2).sum())
