"""The left and right lids: which vertices they are, and how they keep clear of the eyeball."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from builders.head.base import HeadBase, load_base, load_landmarks
from builders.head.eyes import CORNEA_ANGLE_DEG, CORNEA_BULGE, affine_weights, make_eyeball
from builders.head.parts import lash_grids
from builders.head.regions import cavity_polygons, ring_numbers

Float = NDArray[np.float64]

OUTWARD_CLEARANCE_MM = (0.35, 0.65, 0.85, 0.95, 0.95, 0.85, 0.7, 0.5)
INWARD_CLEARANCE_MM = (0.35, 0.05)
"""Least distance from the eyeball of each ring of vertices from the lids' inner edge, over the skin and inwards."""

LASH_REACH_MM = 3.0
"""Lid vertices within about this distance move a lash along."""


HELD_SHARE, HELD_RINGS, HELD_GAP_MM = 0.6, 14, 2.5
"""Share of a mode's change of the skin's distance from the eyeball that is taken away, in how many rings from the lids'
edge, and up to which distance; at twice that all is left."""

LID_OVERLAP_RINGS = 6.0
"""Rings over which the lids' own motion fades into that of the skin around."""

LASH_ROOT_REACH_MM = 5.0
"""Lid vertices within about this distance carry a lash along when a shape moves them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lids:
    """The lids of one eye.

    Attributes
    ----------
    outward, inward : (s,) int, rings of skin vertices from the lids' inner edge over the skin and into the socket.
    upper : (s,) bool, above the line between the eye's corners.
    """

    outward: NDArray[np.int64]
    inward: NDArray[np.int64]
    upper: NDArray[np.bool_]

    def least_clearance(self) -> Float:
        """Clearance (s,) mm that each skin vertex needs from the eyeball; -inf where it needs none."""
        needed = np.full(len(self.upper), -np.inf)
        for rings, clearances in ((self.outward, OUTWARD_CLEARANCE_MM), (self.inward, INWARD_CLEARANCE_MM)):
            for ring, clearance in enumerate(clearances):
                needed[rings == ring] = clearance
        return needed


@cache
def find_lids(side: str) -> Lids:
    """The lids of the ``left`` or ``right`` eye on the packaged topology."""
    base = load_base()
    skin_vertices, rows = base.part("skin")
    polygons = base.polygons[rows]
    loop = base.asset_index(load_landmarks()["loops"]["left_lid"])
    hole = cavity_polygons(base)["eye_sockets"][rows]
    count = skin_vertices.stop
    outward = ring_numbers(polygons, loop, hole, count)
    inward = ring_numbers(polygons, loop, ~hole, count)
    x, y = base.vertices[:count, 0], base.vertices[:count, 1]
    inner, outer = loop[np.argmin(x[loop])], loop[np.argmax(x[loop])]
    upper = y > np.interp(x, [x[inner], x[outer]], [y[inner], y[outer]])
    order = np.arange(count) if side == "left" else base.symmetry[:count]
    return Lids(outward=outward[order], inward=inward[order], upper=upper[order])


def eyeball_pose(eye: Float) -> tuple[Float, float]:
    """Centre (3,) and radius, mm, of an eyeball's vertices (v, 3)."""
    ball = make_eyeball().points
    centre = affine_weights(ball, np.zeros((1, 3)))[0] @ eye
    axes = affine_weights(ball, np.eye(3)) @ eye - centre
    return centre, float(np.linalg.norm(axes, axis=1).mean())


def clearance(points: Float, centre: Float, radius: float) -> tuple[Float, Float]:
    """Distance (k,) mm of points (k, 3) from an eyeball that gazes along +z, and unit vectors (k, 3) away from it."""
    away = points - centre
    length = np.linalg.norm(away, axis=1, keepdims=True)
    away = away / np.maximum(length, 1e-9)
    angle = np.rad2deg(np.arccos(np.clip(away[:, 2], -1, 1)))
    inside = np.clip(1 - angle / CORNEA_ANGLE_DEG, 0, 1)
    surface = radius * (1 + CORNEA_BULGE * inside**2 * (3 - 2 * inside))
    return length[:, 0] - surface, away


def clear_lids(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Push the lids of people (p, n, 3) mm, +z forward, off the eyeballs where they sink in, and the lashes along."""
    cleared = vertices.copy()
    for side in ("left", "right"):
        lids = find_lids(side)
        needed = lids.least_clearance()
        near = np.flatnonzero(np.isfinite(needed))
        averaging = neighbour_averaging(base, near)
        carried = lash_carriers(base, side, near)
        eye = base.part(f"{side}_eye")[0]
        for person in cleared:
            centre, radius = eyeball_pose(person[eye].astype(np.float64))
            gap, away = clearance(person[near].astype(np.float64), centre, radius)
            push = _spread(np.maximum(needed[near] - gap, 0), averaging)[:, None] * away
            person[near] += push.astype(np.float32)
            for lash, weights in carried:
                person[lash] += (weights @ push).astype(np.float32)
    return cleared


def hold_lids(base: HeadBase, mean: Float, modes: Float) -> Float:
    """Modes (k, n, 3) in which the skin around the eyes keeps its distance from the eyeballs more nearly than in people.

    The modes are linear and the ball is near: some people in a hundred would show it through the skin beside the lids.
    """
    held = modes.copy()
    ball = make_eyeball().points
    to_centre = affine_weights(ball, np.zeros((1, 3)))[0]
    for side in ("left", "right"):
        lids, eye = find_lids(side), base.part(f"{side}_eye")[0]
        centre, radius = eyeball_pose(mean[eye])
        arm = mean[eye] - centre
        moved = np.einsum("v,kvc->kc", to_centre, modes[:, eye])
        swelling = np.einsum("kvc,vc->k", modes[:, eye] - moved[:, None], arm) / (arm**2).sum() * radius
        rows = np.flatnonzero((lids.outward > 1) & (lids.outward < HELD_RINGS))
        gap, away = clearance(mean[rows], centre, radius)
        share = HELD_SHARE * np.clip(2 - gap / HELD_GAP_MM, 0, 1)
        share = share * np.clip((HELD_RINGS - lids.outward[rows]) / 4, 0, 1)
        change = np.einsum("krc,rc->kr", modes[:, rows] - moved[:, None], away) - swelling[:, None]
        held[:, rows] -= (share * change)[..., None] * away
    return held


def _spread(push: Float, averaging: sparse.csr_matrix) -> Float:
    """Let neighbours take part in a push (k,), so that it leaves no dents; nobody is pushed less than before."""
    for _ in range(3):
        push = np.maximum(push, averaging @ push)
    return push


def neighbour_averaging(base: HeadBase, near: NDArray[np.intp]) -> sparse.csr_matrix:
    """Mean over the edge neighbours among the skin vertices ``near`` (k,), (k, k)."""
    polygons = base.polygons[base.part("skin")[1]]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    count = base.part("skin")[0].stop
    adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    chosen = adjacency[near][:, near]
    return sparse.csr_matrix(sparse.diags(1 / np.maximum(np.asarray(chosen.sum(axis=1)).ravel(), 1)) @ chosen)


def lash_carriers(base: HeadBase, side: str, near: NDArray[np.intp]) -> list[tuple[NDArray[np.int32], Float]]:
    """Lash vertices (l,) of each strip's column and the weights (k,) with which the lid vertices carry them."""
    lids = find_lids(side)
    carriers = []
    for strip, (vertices, coordinates) in lash_grids(base, f"{side}_lashes").items():
        edge = (lids.outward[near] <= 2) & (lids.upper[near] == (strip == "upper"))
        for column in range(coordinates[:, 1].max() + 1):
            lash = vertices[coordinates[:, 1] == column]
            root = vertices[(coordinates[:, 1] == column) & (coordinates[:, 0] <= 1)]
            distance = np.linalg.norm(base.vertices[near] - base.vertices[root].mean(axis=0), axis=1)
            weights = edge * np.exp(-0.5 * (distance / LASH_REACH_MM) ** 2)
            carriers.append((lash, weights / weights.sum()))
    return carriers


def carry_lashes(offset: Float, mean: Float, base: HeadBase) -> None:
    """Set the lashes' rows of one offset (n, 3): every column moves with the lid's edge at its root.

    Upper lashes turn with the lid as it closes; lower ones keep their direction, else they would stand up.
    """
    for side in ("left", "right"):
        lids = find_lids(side)
        for strip, (vertices, coordinates) in lash_grids(base, f"{side}_lashes").items():
            edge = np.flatnonzero((lids.outward <= 2) & (lids.upper == (strip == "upper")))
            for column in range(coordinates[:, 1].max() + 1):
                lash = vertices[coordinates[:, 1] == column]
                root = vertices[(coordinates[:, 1] == column) & (coordinates[:, 0] <= 1)]
                distance = np.linalg.norm(mean[edge] - mean[root].mean(axis=0), axis=1)
                weight = np.exp(-0.5 * (distance / LASH_ROOT_REACH_MM) ** 2)
                rotation, centre, goal = _rigid(mean[edge], (mean + offset)[edge], weight)
                if strip == "lower":
                    rotation = np.eye(3)
                offset[lash] = (mean[lash] - centre) @ rotation.T + goal - mean[lash]


def _rigid(source: Float, target: Float, weight: Float) -> tuple[Float, Float, Float]:
    """Weighted rigid motion of points (k, 3): rotation (3, 3), centre of the source and of the target."""
    weight = weight / weight.sum()
    centre, goal = weight @ source, weight @ target
    u, _, vt = np.linalg.svd((target - goal).T @ (weight[:, None] * (source - centre)))
    u[:, 2] *= np.linalg.det(u @ vt)
    return u @ vt, centre, goal
