"""Nostrils and the mouth's cavity stay inside the head: their depth is no shape that scans show."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from builders.head.base import HeadBase, load_base
from builders.head.controls import average_adult
from builders.head.lips import lip_rings
from builders.head.regions import build_regions
from cephalon.geometry import procrustes, triangulate, vertex_normals

Float = NDArray[np.float64]

DEPTH_KEPT = 0.3
"""Share of MakeHuman's nostrils' depth that is kept, so that they end inside every nose."""

OVER_MM = 5.0
"""How far around the nearest skin moves the cavity along, standard deviation of a Gaussian."""

THICKNESS_MM = 7.0
"""Least thickness of cheeks and lips around the mean head's mouth."""

RIM_RINGS = 5
"""Rings of the mouth's cavity, from the lips' edge, that are led by both the edge and the depth."""

OVER_SHARE = 1.5
"""How much the last of these holds to the skin over it, so that a thin lip keeps its inner wall behind it."""

DEEPENING_STEPS = 2
"""Rings of the cavity around what is deepened that go along in part."""

FADE_RINGS = 2
"""Over so many rings from the rim the depth takes over its own shape."""


def settle_nostrils(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put the inside of the nostrils of people (p, n, 3) mm where their rims say: a similarity of the average adult's."""
    settled = vertices.copy()
    usual = average_adult(base)
    for rim, inside, share in _nostrils():
        middle = usual[rim].mean(axis=0)
        shape = middle + DEPTH_KEPT * (usual[inside] - middle)
        for person in settled:
            found = procrustes(usual[rim], person[rim].astype(np.float64), with_scale=True)
            person[inside] += (share[:, None] * (found.apply(shape) - person[inside])).astype(np.float32)
    return settled


def follow_skin(base: HeadBase, modes: Float) -> Float:
    """Modes (k, n, 3) in which cavities have no life of their own, so that they do not come out of the face.

    The inside of the nostrils moves with their rims alone, harmonic between them; the depth of the mouth's cavity moves
    with the skin that lies over it, and what is between that and the lips' edge is nearly harmonic.
    """
    followed = modes.copy()
    joined = _joined(base)
    laplacian = sparse.csr_matrix(sparse.diags(np.asarray(joined.sum(axis=1)).ravel()) - joined)
    cavity, over, shares, depth = _mouth()
    of_skin = np.einsum("ir,krc->kic", shares, modes[:, over])
    followed[:, cavity] += depth[:, None] * (of_skin - modes[:, cavity])
    rim, between, deep, share = _mouth_rings()
    ends = np.concatenate([rim, deep])
    inner = sparse.csc_matrix(laplacian[between][:, between] + sparse.diags(share))
    side = -np.einsum("ie,kec->ikc", laplacian[between][:, ends].toarray(), followed[:, ends])
    side += (share[:, None] * followed[:, between].transpose(1, 0, 2).reshape(len(between), -1)).reshape(side.shape)
    solved = np.asarray(spsolve(inner, side.reshape(len(between), -1)))
    followed[:, between] = solved.reshape(side.shape).transpose(1, 0, 2)
    for rim, inside, _ in _nostrils():
        weights = -spsolve(laplacian[inside][:, inside].tocsc(), laplacian[inside][:, rim].tocsc()).toarray()
        weights /= weights.sum(axis=1, keepdims=True)
        followed[:, inside] = np.einsum("ir,krc->kic", weights, modes[:, rim])
    return followed


@cache
def _mouth() -> tuple[NDArray[np.intp], NDArray[np.intp], Float, Float]:
    """The cavity's vertices (i,), outer skin (r,), weights (i, r) of the skin over them, and how deep they are (0 to 1)."""
    base = load_base()
    count = base.part("skin")[0].stop
    regions = build_regions(base)
    hidden = np.max([regions[name][:count] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)
    at = average_adult(base)[:count]
    cavity, over = np.flatnonzero(regions["mouth_cavity"][:count] > 0), np.flatnonzero(hidden == 0)
    squared = ((at[cavity][:, None] - at[over][None]) ** 2).sum(axis=2)
    shares = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / (2 * OVER_MM**2))
    return cavity, over, shares / shares.sum(axis=1, keepdims=True), regions["mouth_cavity"][cavity]


@cache
def _mouth_rings() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], Float]:
    """Vertices of the lips' inner edge, of the ``RIM_RINGS`` rings of the cavity behind it, and of the ring after those.

    Last, how much each of those between holds to the skin over it, against 1 to each neighbour.
    """
    inside = lip_rings(load_base())[1]
    between = np.flatnonzero((inside > 0) & (inside <= RIM_RINGS))
    share = OVER_SHARE * (inside[between] - 1) / (RIM_RINGS - 1)
    return np.flatnonzero(inside == 0), between, np.flatnonzero(inside == RIM_RINGS + 1), share


def deepen_mouth(base: HeadBase, head: Float) -> Float:
    """A head (n, 3) whose mouth's cavity lies at least ``THICKNESS_MM`` under the skin, but for the lips.

    The depth is taken under the skin beside the red of the lips: at the opening the nearest skin is that of the other lip.
    """
    count = base.part("skin")[0].stop
    cavity, over, _, depth = _mouth()
    regions = build_regions(base)
    over = over[np.maximum(regions["lips_upper"], regions["lips_lower"])[over] < 0.1]
    normals = vertex_normals(head[:count], triangulate(base.polygons[base.part("skin")[1]])[0])
    joined = _joined(base)[cavity][:, cavity]
    averaging = sparse.csr_matrix(sparse.diags(1 / np.maximum(np.asarray(joined.sum(axis=1)).ravel(), 1)) @ joined)
    deepened = head.copy()
    for _ in range(2):
        apart = deepened[cavity][:, None] - head[over][None]
        nearest = np.argmin((apart**2).sum(axis=2), axis=1)
        out = normals[over[nearest]]
        under = -(apart[np.arange(len(cavity)), nearest] * out).sum(axis=1)
        push = ((depth == 1.0) * np.maximum(THICKNESS_MM - under, 0.0))[:, None] * out
        for _ in range(DEEPENING_STEPS):
            push = np.where(np.linalg.norm(push, axis=1, keepdims=True) > 0, push, averaging @ push)
        deepened[cavity] -= depth[:, None] * push
    return (deepened + deepened[base.symmetry] * [-1.0, 1.0, 1.0]) / 2.0


def _joined(base: HeadBase) -> sparse.csr_matrix:
    """Which skin vertices share an edge, (n_skin, n_skin) of 0 and 1."""
    count = base.part("skin")[0].stop
    polygons = base.polygons[base.part("skin")[1]]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    joined = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
    joined.data[:] = 1.0
    return joined


@cache
def _nostrils() -> tuple[tuple[NDArray[np.intp], NDArray[np.intp], Float], ...]:
    """Of each side: the rim's vertices, those inside, and how far each follows (0 to 1)."""
    base = load_base()
    count = base.part("skin")[0].stop
    joined = _joined(base)
    nostril = build_regions(base)["nostrils"][:count] > 0.5
    ring = np.where(nostril, -1, 0)
    for step in range(1, 40):
        ring[(ring < 0) & (joined @ ((ring >= 0) * 1.0) > 0)] = step
    sides = []
    for sign in (1.0, -1.0):
        here = nostril & (sign * base.vertices[:count, 0] > 0)
        inside = np.flatnonzero(here & (ring > 1))
        sides.append((np.flatnonzero(here & (ring == 1)), inside, np.clip((ring[inside] - 1) / FADE_RINGS, 0.0, 1.0)))
    return tuple(sides)
