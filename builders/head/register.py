"""Registers our template to the scanned mean of `builders.head.ict` and carries its modes onto our topology.

Three steps:

1. *Within the span* of the shape controls: named points, then closest points (point-to-plane), Gauss-Newton over the
   span's coefficients and a rigid motion.
2. *Freely*: displacements u of our skin's vertices that minimise

       sum_i (n_i . (x_i + u_i - c_i))^2 + a sum_anchors |.|^2 + s |L (x + u - x0)|^2

   with c_i the closest point of the scanned mean and the stiffness s lowered step by step (Amberg et al. 2007, CVPR,
   with a Laplacian in place of local affine maps). Mouth cavity, eye sockets, nostrils and the parts take no part in
   the matching; they follow. u is kept mirror-symmetric.
3. *Carrying*: the scanned model has one topology for everybody, so correspondence is found once: every sample j of its
   surface gets its place on our registered surface, S_j v. A scanned head p is then registered by

       min_v sum_j a_j |S_j v - p_j|^2 + s |L (v - m)|^2,

   which is linear in p: one factorisation registers any number of heads, and modes go over as modes. What it misses is
   measured head by head (`benchmarks/model_expressiveness.py`).

Shape letters: n asset vertices, v scanned vertices, k modes, s samples of the scanned surface.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from builders.head.base import HeadBase
from builders.head.cavities import follow_skin
from builders.head.craniofacial import craniofacial_points
from builders.head.ict import IctModel
from builders.head.points import build_points
from builders.head.regions import build_regions
from builders.head.span import Span
from cephalon.geometry import face_areas, face_normals, procrustes, rotation_from_rotvec, triangulate, vertex_normals

Float = NDArray[np.float64]

EAR_ANCHORS = {"t": 7326, "sa": 6844, "sba": 7122, "pa": 6836, "obs": 7428, "obi": 7112}
"""Scanned model's vertices of landmarks of the left ear, chosen on renders."""

OUTLINE = frozenset(range(17))
"""The first 17 of the 68 points lie on the outline of the face, which is no place on the skin."""

MOUTH_CORNERS = {"ch_r": 48, "ch_l": 54}
INNER_CORNERS = frozenset((48, 54, 60, 64))
"""Where the lips part is drawn differently in the two models: only the corner of the crease, cheilion, is the same."""

ANCHOR_SIGMA_MM = 1.5
STIFFNESS = tuple(np.geomspace(30.0, 0.15, 14))
REACH_MM = tuple(np.geomspace(15.0, 3.0, 14))
"""Weight of the Laplacian and farthest closest point, step by step."""

SAME_SIDE = 0.5
"""Least cosine between the normals of a pair of corresponding points."""

CARRY_REACH_MM = 1.5
CARRY_STIFFNESS = 0.02
CAVITY_STIFFNESS = 0.1
"""Weight of the Laplacian, and of the differences between neighbours in the cavities: those follow their rims and do
not carry a slope of the rims on into the depth."""

PART_REACH_MM = {"teeth": 12.0, "tongue": 12.0, "lashes": 1.5, "eye": 3.0}
"""How far away skin moves a part, standard deviation of a Gaussian; eyes go as one with their lids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """The scanned model on our topology.

    Attributes
    ----------
    mean : (n, 3) mm, head frame, mirror-symmetric.
    modes : (k, n, 3) mm per standard deviation of the scanned model.
    covered : (n,) share of a skin vertex that scanned surface samples determine, 0 for parts and cavities.
    """

    mean: Float
    modes: NDArray[np.float32]
    covered: Float


def register(base: HeadBase, ict: IctModel, span: Span) -> Registered:
    """Register the scanned mean within the span, then freely, and carry the modes over."""
    anchors = _anchors(base, ict, span.mean)
    rigid = procrustes(ict.mean[anchors.scanned], anchors.places(span.mean), with_scale=False)
    scanned = rigid.apply(ict.mean)
    scanned_modes = (ict.modes @ rigid.rotation.T.astype(np.float32)).astype(np.float32)
    surface = ScannedSurface.build(scanned, ict.faces)
    skin = _Skin.build(base)
    fitted = _within_span(span, surface, anchors, skin)
    free = _freely(base, fitted, surface, anchors, skin)
    carrier = _Carrier.build(base, free, surface, skin)
    mean = free + carrier.carry((surface.samples(scanned) - carrier.operator @ free[: skin.count])[None])[0]
    mean = (mean + mean[base.symmetry] * [-1, 1, 1]) / 2
    modes = carrier.carry(np.stack([surface.samples(mode) for mode in scanned_modes.astype(np.float64)]))
    modes = follow_skin(base, modes)
    return Registered(mean=mean, modes=modes.astype(np.float32), covered=carrier.covered)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Anchors:
    """Named points on both: corners (a, 3) and weights (a, 3) on our vertices, vertices (a,) of the scanned model."""

    corners: NDArray[np.int32]
    weights: Float
    scanned: NDArray[np.intp]

    def places(self, vertices: Float) -> Float:
        return np.einsum("ac,acx->ax", self.weights, vertices[self.corners])


def _anchors(base: HeadBase, ict: IctModel, mean: Float) -> _Anchors:
    """The iBUG points inside the face, and points of both ears.

    Not settled on photos: the mean head must not depend on a landmarker's habits (2 mm of them moved mouth and chin by 4).
    """
    faces = triangulate(base.polygons)[0]
    ibug, iso = build_points(base, mean)["ibug68"], craniofacial_points(base)
    pairs = [(ibug, row, int(ict.landmarks[row])) for row in range(68) if row not in OUTLINE | INNER_CORNERS]
    pairs += [(iso, iso.names.index(name), int(ict.landmarks[row])) for name, row in MOUTH_CORNERS.items()]
    for name, vertex in EAR_ANCHORS.items():
        for side, flip in (("l", 1.0), ("r", -1.0)):
            twin = np.linalg.norm(ict.mean - ict.mean[vertex] * [flip, 1, 1], axis=1)
            pairs.append((iso, iso.names.index(f"{name}_{side}"), int(np.argmin(twin))))
    return _Anchors(
        corners=np.array([faces[points.face_index[row]] for points, row, _ in pairs]),
        weights=np.array([points.barycentric[row] for points, row, _ in pairs]),
        scanned=np.array([vertex for _, _, vertex in pairs]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScannedSurface:
    """The scanned mean's surface: vertices, triangles, normals, which triangles end at a hole, and how to sample it."""

    vertices: Float
    faces: NDArray[np.int32]
    normals: Float
    edge: NDArray[np.bool_]
    sampler: sparse.csr_matrix
    area: Float
    sample_normals: Float

    @staticmethod
    def build(vertices: Float, faces: NDArray[np.int32]) -> ScannedSurface:
        sides = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        unique, uses = np.unique(sides, axis=0, return_counts=True)
        border = np.zeros(len(vertices), dtype=bool)
        border[unique[uses == 1]] = True
        # samples are the used vertices and the middles of the triangles; area is shared between them
        used = np.unique(faces)
        rows = np.concatenate([np.arange(len(used)), len(used) + np.repeat(np.arange(len(faces)), 3)])
        columns = np.concatenate([used, faces.reshape(-1)])
        values = np.concatenate([np.ones(len(used)), np.full(faces.size, 1 / 3)])
        sampler = sparse.csr_matrix((values, (rows, columns)), shape=(len(used) + len(faces), len(vertices)))
        areas = face_areas(vertices, faces)
        share = np.zeros(len(vertices))
        np.add.at(share, faces.reshape(-1), np.repeat(areas / 6, 3))
        normals = vertex_normals(vertices, faces)
        return ScannedSurface(
            vertices=vertices,
            faces=faces,
            normals=face_normals(vertices, faces),
            edge=border[faces].any(axis=1),
            sampler=sampler,
            area=np.concatenate([share[used], areas / 2]),
            sample_normals=np.concatenate([normals[used], face_normals(vertices, faces)]),
        )

    def samples(self, values: Float) -> Float:
        """Values (s, 3) at the samples of a field (v, 3)."""
        return self.sampler @ values

    def closest(self, points: Float) -> tuple[Float, NDArray[np.intp], Float]:
        """Closest points (p, 3), their triangles (p,) and distances (p,) mm."""
        return closest_points(points, self.vertices, self.faces)


def closest_points(points: Float, vertices: Float, faces: NDArray[np.int32]) -> tuple[Float, NDArray[np.intp], Float]:
    """Closest points (p, 3) on a triangle mesh, their triangles (p,) and distances (p,)."""
    import igl

    found: Any = igl.point_mesh_squared_distance(
        np.ascontiguousarray(points), np.ascontiguousarray(vertices), np.ascontiguousarray(faces.astype(np.int64))
    )
    return found[2], found[1].reshape(-1).astype(np.intp), np.sqrt(found[0].reshape(-1))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skin:
    """Our skin: vertex count, triangles, who takes part in the matching, graph Laplacian, differences in cavities."""

    count: int
    faces: NDArray[np.int32]
    matched: NDArray[np.bool_]
    laplacian: sparse.csr_matrix
    cavities: sparse.csr_matrix
    regions: Mapping[str, Float]

    @staticmethod
    def build(base: HeadBase) -> _Skin:
        rows, polygon_rows = base.part("skin")
        polygons = base.polygons[polygon_rows]
        count = rows.stop
        a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
        adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(count, count))
        adjacency.data[:] = 1.0
        degree = np.asarray(adjacency.sum(axis=1)).ravel()
        regions = build_regions(base)
        hidden = np.max([regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)[:count]
        sides = np.unique(np.sort(np.stack([a, b], axis=1), axis=1), axis=0)
        sides = sides[(hidden[sides] > 0.01).any(axis=1)]
        differences = sparse.csr_matrix(
            (
                np.tile([1.0, -1.0], len(sides)),
                (np.repeat(np.arange(len(sides)), 2), sides.reshape(-1)),
            ),
            shape=(len(sides), count),
        )
        return _Skin(
            count=count,
            faces=triangulate(polygons)[0],
            matched=hidden < 0.01,
            cavities=sparse.csr_matrix(differences.T @ differences),
            laplacian=sparse.csr_matrix(sparse.identity(count) - sparse.diags(1 / degree) @ adjacency),
            regions=regions,
        )


def _match(
    skin: _Skin, vertices: Float, surface: ScannedSurface, reach_mm: float
) -> tuple[NDArray[np.intp], Float, Float]:
    """Skin vertices (m,) with a counterpart, its place (m, 3) and its normal (m, 3)."""
    chosen = np.flatnonzero(skin.matched)
    place, face, distance = surface.closest(vertices[chosen])
    ours = vertex_normals(vertices[: skin.count], skin.faces)[chosen]
    agree = (ours * surface.normals[face]).sum(axis=1) > SAME_SIDE
    good = agree & (distance < reach_mm) & ~surface.edge[face]
    return chosen[good], place[good], surface.normals[face][good]


def _within_span(span: Span, surface: ScannedSurface, anchors: _Anchors, skin: _Skin) -> Float:
    """The head (n, 3) of the span that is nearest to the scanned mean."""
    goal = surface.vertices[anchors.scanned]
    coefficients = np.zeros(len(span.modes))
    rotation, translation = np.eye(3), np.zeros(3)
    basis = span.modes.astype(np.float64)
    at_anchors = np.einsum("ac,kacx->kax", anchors.weights, basis[:, anchors.corners])
    for step in range(16):
        raw = span.mean + np.tensordot(coefficients, basis, axes=1)
        head = raw @ rotation.T + translation
        sigma = 3.0 if step < 6 else 1.5
        blocks, sides = [], []
        near = anchors.places(head)
        moved = np.einsum("kax,yx->ayk", at_anchors, rotation).reshape(-1, len(basis)) / sigma
        blocks.append(np.hstack([moved, _rigid_columns(near).reshape(-1, 6) / sigma]))
        sides.append(((goal - near) / sigma).reshape(-1))
        if step >= 3:
            rows, place, normal = _match(skin, head, surface, 25.0 if step < 8 else 10.0)
            moved = np.einsum("kmx,yx,my->mk", basis[:, rows], rotation, normal)
            turned = np.einsum("my,myr->mr", normal, _rigid_columns(head[rows]))
            weight = np.sqrt(200.0 / len(rows))
            blocks.append(np.hstack([moved, turned]) * weight)
            sides.append(weight * (normal * (place - head[rows])).sum(axis=1))
        prior = np.hstack([np.eye(len(basis)), np.zeros((len(basis), 6))])
        matrix, side = np.vstack([*blocks, prior]), np.concatenate([*sides, -coefficients])
        found = np.linalg.lstsq(matrix, side, rcond=None)[0]
        coefficients = coefficients + found[:-6]
        turn = rotation_from_rotvec(found[-6:-3])
        rotation, translation = turn @ rotation, turn @ translation + found[-3:]
    raw = span.mean + np.tensordot(coefficients, basis, axes=1)
    return raw @ rotation.T + translation


def _rigid_columns(points: Float) -> Float:
    """Derivative (p, 3, 6) of points by a small turn and a shift."""
    columns = np.zeros((len(points), 3, 6))
    columns[:, 0, 1], columns[:, 0, 2] = points[:, 2], -points[:, 1]
    columns[:, 1, 0], columns[:, 1, 2] = -points[:, 2], points[:, 0]
    columns[:, 2, 0], columns[:, 2, 1] = points[:, 1], -points[:, 0]
    columns[:, [0, 1, 2], [3, 4, 5]] = 1.0
    return columns


def _freely(base: HeadBase, start: Float, surface: ScannedSurface, anchors: _Anchors, skin: _Skin) -> Float:
    """Skin moved onto the scanned mean by falling stiffness; the parts go along. Returns (n, 3) mm."""
    n = skin.count
    rows = np.repeat(np.arange(len(anchors.corners)), 3)
    pick = sparse.csr_matrix(
        (anchors.weights.reshape(-1), (rows, anchors.corners.reshape(-1))), shape=(len(anchors.corners), n)
    )
    goal = surface.vertices[anchors.scanned]
    bend = sparse.kron(skin.laplacian.T @ skin.laplacian, sparse.identity(3)).tocsr()
    pins = sparse.kron(pick.T @ pick, sparse.identity(3)).tocsr() / ANCHOR_SIGMA_MM**2
    original = start[:n]
    current = original.copy()
    symmetry = base.symmetry[:n]
    for stiffness, reach in zip(STIFFNESS, REACH_MM, strict=True):
        chosen, place, normal = _match(skin, np.vstack([current, start[n:]]), surface, reach)
        columns = (3 * chosen[:, None] + np.arange(3)).reshape(-1)
        planes = sparse.csr_matrix(
            (normal.reshape(-1), (np.repeat(np.arange(len(chosen)), 3), columns)), shape=(len(chosen), 3 * n)
        )
        system = (planes.T @ planes + pins + stiffness * bend + 1e-4 * sparse.identity(3 * n)).tocsc()
        side = planes.T @ (normal * (place - current[chosen])).sum(axis=1)
        side += (pick.T @ (goal - pick @ current)).reshape(-1) / ANCHOR_SIGMA_MM**2
        side -= stiffness * (bend @ (current - original).reshape(-1))
        step = splu(system).solve(side).reshape(n, 3)
        current = current + (step + step[symmetry] * [-1, 1, 1]) / 2
    moved = _part_weights(base, skin) @ (current - original)
    return start + np.vstack([current - original, moved])


def _part_weights(base: HeadBase, skin: _Skin) -> sparse.csr_matrix:
    """Weights (n - n_skin, n_skin) by which parts follow the skin around them on the base mesh."""
    at = base.vertices
    blocks = []
    lids = np.flatnonzero(
        (skin.regions["eyes"][: skin.count] > 0.2) | (skin.regions["eye_sockets"][: skin.count] > 0.2)
    )
    mouth = np.flatnonzero(
        (skin.regions["mouth_cavity"] + skin.regions["lips_upper"] + skin.regions["lips_lower"])[: skin.count] > 0.5
    )
    for name in base.part_names[1:]:
        rows = base.part(name)[0]
        kind = name.split("_")[-1]
        reach, carriers = PART_REACH_MM[kind], mouth if kind in ("teeth", "tongue") else lids
        points = at[rows]
        squared = ((points[:, None] - at[carriers][None]) ** 2).sum(axis=2)
        weights = np.exp(-(squared - squared.min(axis=1, keepdims=True)) / (2 * reach**2))
        if kind == "eye":
            weights[:] = np.exp(-squared.min(axis=0) / (2 * reach**2))
        weights /= weights.sum(axis=1, keepdims=True)
        block = sparse.lil_matrix((len(points), skin.count))
        block[:, carriers] = np.where(weights > 1e-6, weights, 0.0)
        blocks.append(block.tocsr())
    return sparse.csr_matrix(sparse.vstack(blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Carrier:
    """The factored linear map from fields on the scanned surface's samples to our vertices."""

    operator: sparse.csr_matrix
    weight: Float
    factor: Any
    parts: sparse.csr_matrix
    covered: Float

    @staticmethod
    def build(base: HeadBase, ours: Float, surface: ScannedSurface, skin: _Skin) -> _Carrier:
        """Find every sample's place on our registered head `ours` (n, 3) and factor the normal equations."""
        samples = surface.samples(surface.vertices)
        place, face, distance = closest_points(samples, ours[: skin.count], skin.faces)
        agree = (surface.sample_normals * face_normals(ours[: skin.count], skin.faces)[face]).sum(axis=1) > SAME_SIDE
        seen = skin.matched[skin.faces].all(axis=1)[face]
        good = agree & seen & (distance < CARRY_REACH_MM)
        weights = _barycentric(place, ours[skin.faces[face]])
        columns, rows = skin.faces[face].reshape(-1), np.repeat(np.arange(len(samples)), 3)
        operator = sparse.csr_matrix((weights.reshape(-1), (rows, columns)), shape=(len(samples), skin.count))
        weight = np.where(good, surface.area / surface.area[good].mean(), 0.0)
        system = operator.T @ sparse.diags(weight) @ operator
        covered = np.asarray(system.diagonal())
        system = system + CARRY_STIFFNESS * skin.laplacian.T @ skin.laplacian + CAVITY_STIFFNESS * skin.cavities
        system = system + 1e-6 * sparse.identity(skin.count)
        return _Carrier(
            operator=operator,
            weight=weight,
            factor=splu(system.tocsc()),
            parts=_part_weights(base, skin),
            covered=np.concatenate([np.clip(covered / 0.1, 0, 1), np.zeros(len(ours) - skin.count)]),
        )

    def carry(self, fields: Float) -> Float:
        """Fields (p, n, 3) on our vertices of fields (p, s, 3) on the samples."""
        count = len(fields)
        flat = fields.transpose(1, 0, 2).reshape(fields.shape[1], -1)
        solved = self.factor.solve(self.operator.T @ (self.weight[:, None] * flat))
        whole = np.vstack([solved, self.parts @ solved])
        return whole.reshape(len(whole), count, 3).transpose(1, 0, 2)


def _barycentric(points: Float, triangles: Float) -> Float:
    """Barycentric weights (p, 3) of points (p, 3) in the planes of triangles (p, 3, 3)."""
    a, b = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    rest = points - triangles[:, 0]
    aa, ab, bb = (a * a).sum(1), (a * b).sum(1), (b * b).sum(1)
    ra, rb = (rest * a).sum(1), (rest * b).sum(1)
    below = np.maximum(aa * bb - ab * ab, 1e-18)
    v, w = (bb * ra - ab * rb) / below, (aa * rb - ab * ra) / below
    return np.clip(np.stack([1 - v - w, v, w], axis=1), 0.0, 1.0)
