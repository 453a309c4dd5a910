"""Non-rigid registration of our mean head onto another surface: in our span first, then freely.

1. Rigid: iterated closest points of the face from several starting heights.
2. In the span: identity, pose and one factor of size, by point-to-plane distances with robust weights (the way of
   Amberg et al. 2007, "Optimal step nonrigid ICP", with a statistical head in place of the stiffness).
3. Free: displacements of the skin with a Laplacian stiffness that is let go step by step.

Mouth cavity, eye sockets and nostrils take no part in the matching: they follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import SurfacePoints, edges, procrustes, rotation_from_rotvec, vertex_normals
from cephalon.head.foreign.closest import Surface
from cephalon.head.model import HeadModel

Float = NDArray[np.float64]

HIDDEN = ("mouth_cavity", "eye_sockets", "nostrils")
_SPAN_STEPS = ((25.0, 3.0), (15.0, 2.0), (10.0, 1.5), (8.0, 1.0), (6.0, 1.0), (5.0, 0.8), (5.0, 0.8), (4.0, 0.7))
_FREE_STEPS = (30.0, 10.0, 4.0, 2.0, 1.0, 0.6, 0.6)
_SIZE_SIGMA = 0.08
_ANCHOR_WEIGHT = 0.25 / 1.5**2
_FREE_ANCHOR = 0.3
_LEAST_COVERED = 0.25
_MOST_IDENTITY_RMS = 2.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Registration:
    """Our head on another surface.

    Attributes
    ----------
    vertices : (n, 3) mm, our skin and parts in the other surface's frame.
    rotation, translation, scale : the other's frame from ours, as the span step left it.
    distance_mm : (m,) from each of our visible skin vertices to the other surface, infinite where it has none near.
    used : (m,) rows of those vertices.
    covered : share of them within 5 mm of the other surface.
    identity_rms : root mean square of our identity coefficients in the span step: 1 for a usual person of our prior.
    """

    vertices: Float
    rotation: Float
    translation: Float
    scale: float
    distance_mm: Float
    used: NDArray[np.intp]
    covered: float
    identity_rms: float

    def report(self) -> dict[str, float]:
        """Return median and 95 % distance (mm) over what is covered, and the covered share."""
        near = self.distance_mm[self.distance_mm < 5.0]
        median, far = np.percentile(near, (50, 95)) if len(near) else (np.inf, np.inf)
        return {"median_mm": float(median), "percentile95_mm": float(far), "covered": float(self.covered)}

    @property
    def is_head(self) -> bool:
        """Whether the other surface is a head: a person not too strange comes near it, and it covers a face at least."""
        return self.covered >= _LEAST_COVERED and self.identity_rms <= _MOST_IDENTITY_RMS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Anchors:
    """Places that are known on both: points of our skin and where they are on the other surface, (p, 3) mm.

    They hold with a sd of 1.5 mm each, tempered by 4, since neighbours err together.
    """

    points: SurfacePoints
    positions: Float


def register(
    model: HeadModel, vertices: Float, faces: NDArray[np.int32], *, anchors: Anchors | None = None
) -> Registration:
    """Register our mean head to a skin surface.

    Parameters
    ----------
    model : whose mean, span and named points are used.
    vertices, faces : (v, 3) mm and (t, 3), the other skin, outward; +y roughly up, +z roughly out of the face.
    anchors : places known on both; without them, surfaces alone are matched, and lips may slide by a few mm.
    """
    surface = Surface(np.asarray(vertices, dtype=np.float64), faces)
    skin = model.parts["skin"]
    hidden = np.max([model.regions[name] for name in HIDDEN], axis=0)[skin.vertices] > 0.3
    used = np.flatnonzero(~hidden)
    z, rotation, translation, scale = _in_span(model, surface, used, *_start(model, surface, anchors), anchors)
    shape = model.mean + np.tensordot(z, model.identity_basis[: len(z)].astype(np.float64), axes=1)
    start = scale * shape @ rotation.T + translation
    moved_skin = _free(model, surface, start, used, anchors)
    result = _with_parts(model, start, moved_skin)
    normals = vertex_normals(result, model.faces[skin.faces])
    hit = surface.closest(result[used], normals[used], least_cosine=0.3)
    off_border = np.einsum("pd,pd->p", hit.normal, normals[used]) > 0.3
    distance = np.where(off_border, hit.distance, np.inf)
    return Registration(
        vertices=result,
        rotation=rotation,
        translation=translation,
        scale=scale,
        distance_mm=distance,
        used=used,
        covered=float((distance < 5.0).mean()),
        identity_rms=float(np.sqrt(np.mean(z**2))),
    )


def _start(model: HeadModel, surface: Surface, anchors: Anchors | None) -> tuple[Float, Float, float]:
    if anchors is None:
        return _rigid_start(model, surface)
    moved = procrustes(anchors.points.positions(model.mean, model.faces), anchors.positions)
    return moved.rotation, moved.translation, 1.0


def _rigid_start(model: HeadModel, surface: Surface) -> tuple[Float, Float, float]:
    """Iterated closest points of the face, from starting places along the other surface; the best one counts."""
    skin = model.parts["skin"]
    front = np.flatnonzero((model.regions["face"][skin.vertices] > 0.5) & (model.mean[skin.vertices][:, 2] > 50))
    hidden = np.max([model.regions[name] for name in HIDDEN], axis=0)[front] > 0.3
    front = front[~hidden][::3]
    source = model.mean[front]
    normals = vertex_normals(model.mean, model.faces[skin.faces])[front]
    low, high = surface.vertices.min(0), surface.vertices.max(0)
    middle = float(np.median(surface.vertices[:, 0]))
    best: tuple[float, Float, Float] | None = None
    for height in np.linspace(low[1], high[1], 13)[1:-1]:
        band = np.abs(surface.vertices[:, 1] - height) < 15
        if not band.any():
            continue
        nose = source[source[:, 2].argmax()]
        shift = np.array([middle, height, surface.vertices[band][:, 2].max()]) - nose
        rotation, translation = np.eye(3), shift
        cost = np.inf
        for step in range(25):
            points = source @ rotation.T + translation
            hit = surface.closest(points, normals @ rotation.T, least_cosine=0.5)
            reach = np.percentile(hit.distance, 80)
            near = hit.distance <= max(reach, 1.0)
            cost = float(np.mean(np.minimum(hit.distance, 10.0)))
            if step > 8 and cost > 8.0:
                break
            moved = procrustes(source[near], hit.position[near])
            rotation, translation = moved.rotation, moved.translation
        if best is None or cost < best[0]:
            best = (cost, rotation, translation)
    assert best is not None
    return best[1], best[2], 1.0


def _in_span(
    model: HeadModel,
    surface: Surface,
    used: NDArray[np.intp],
    rotation: Float,
    translation: Float,
    scale: float,
    anchors: Anchors | None,
) -> tuple[Float, Float, Float, float]:
    """Fit identity, pose and size; return the coefficients, and pose and size."""
    k = min(model.identity_count, 100)
    z = np.zeros(k)
    chosen = used[:: max(1, len(used) // 1800)]
    triangles = model.faces[model.parts["skin"].faces]
    ears = model.regions["ears"][chosen].astype(np.float64)
    basis = model.identity_basis[:k].astype(np.float64)
    own = basis[:, chosen]
    for reach, sigma in _SPAN_STEPS:
        for _ in range(3):
            shape = model.mean + np.tensordot(z, basis, axes=1)
            normals = vertex_normals(shape, triangles)[chosen] @ rotation.T
            local = shape[chosen] @ rotation.T
            points = scale * local + translation
            hit = surface.closest(points, normals, least_cosine=0.3)
            facing = np.einsum("pd,pd->p", hit.normal, normals) > 0.3
            weight = facing / (1 + (hit.distance / reach) ** 2) ** 2 * (1 - 0.7 * ears) / sigma**2
            weight[hit.distance > 3 * reach] = 0.0
            residual = np.einsum("pd,pd->p", hit.normal, points - hit.position)
            moved = scale * own @ rotation.T
            jacobian = np.concatenate(
                [
                    np.einsum("pd,kpd->pk", hit.normal, moved),
                    np.cross(scale * local, hit.normal),
                    hit.normal,
                    np.einsum("pd,pd->p", hit.normal, local)[:, None],
                ],
                axis=1,
            )
            # neighbouring vertices err together: 1800 matches are not 1800 measurements
            matrix = jacobian.T @ (jacobian * (0.2 * weight)[:, None])
            right = -jacobian.T @ (0.2 * weight * residual)
            if anchors is not None:
                more, error = _at_anchors(model, anchors, shape, basis, rotation, translation, scale)
                robust = _ANCHOR_WEIGHT / (1 + (error / 6.0) ** 2)
                matrix += more.T @ (more * robust[:, None])
                right -= more.T @ (robust * error)
            matrix[np.arange(k), np.arange(k)] += 1.0
            right[:k] -= z
            matrix[-1, -1] += 1 / _SIZE_SIGMA**2
            right[-1] -= (scale - 1) / _SIZE_SIGMA**2
            step = np.linalg.solve(matrix + 1e-9 * np.eye(len(matrix)), right)
            z = z + step[:k]
            turned = rotation_from_rotvec(step[k : k + 3])
            rotation = turned @ rotation
            translation = translation + step[k + 3 : k + 6]
            scale = float(np.clip(scale + step[-1], 0.6, 1.6))
    return z, rotation, translation, scale


def _at_anchors(
    model: HeadModel, anchors: Anchors, shape: Float, basis: Float, rotation: Float, translation: Float, scale: float
) -> tuple[Float, Float]:
    """Return the derivative (3 p, k + 7) of the anchors' places by all unknowns, and how far they are off (3 p,)."""
    place = anchors.points.positions(shape, model.faces) @ rotation.T
    error = (scale * place + translation - anchors.positions).reshape(-1)
    corners = basis[:, model.faces[anchors.points.face_index]]
    by_identity = scale * np.einsum("pc,kpcd->kpd", anchors.points.barycentric, corners) @ rotation.T
    eye = np.eye(3)
    turn = np.stack([np.cross(eye[axis], scale * place) for axis in range(3)], axis=-1)
    columns = [by_identity.transpose(1, 2, 0), turn, np.broadcast_to(eye, (len(place), 3, 3)), place[..., None]]
    return np.concatenate(columns, axis=2).reshape(len(error), -1), error


def _free(model: HeadModel, surface: Surface, start: Float, used: NDArray[np.intp], anchors: Anchors | None) -> Float:
    """Return the skin (s, 3) after free displacements: point-to-plane plus a little point-to-point."""
    from scipy import sparse
    from scipy.sparse.linalg import cg

    skin = model.parts["skin"]
    count = skin.vertices.stop
    triangles = model.faces[skin.faces]
    pairs = edges(triangles)
    ones = np.ones(len(pairs))
    incidence = sparse.coo_matrix(
        (np.concatenate([ones, -ones]), (np.tile(np.arange(len(pairs)), 2), pairs.T.reshape(-1))),
        shape=(len(pairs), count),
    ).tocsr()
    stiff = sparse.kron(incidence.T @ incidence, sparse.eye(3)).tocsr()
    rest = start[:count]
    moved = rest.copy()
    pull = None
    if anchors is not None:
        at = anchors.points.operator(len(model.mean), model.faces)[:, :count]
        wish = anchors.positions - anchors.points.positions(start, model.faces)
        pull = (
            _FREE_ANCHOR * sparse.kron(at.T @ at, sparse.eye(3)),
            _FREE_ANCHOR * np.asarray(at.T @ wish).reshape(-1),
        )
    for stiffness in _FREE_STEPS:
        normals = vertex_normals(moved, triangles)
        hit = surface.closest(moved[used], normals[used], least_cosine=0.3)
        facing = np.einsum("pd,pd->p", hit.normal, normals[used]) > 0.3
        weight = facing / (1 + (hit.distance / 4.0) ** 2) ** 2
        weight[hit.distance > 12] = 0
        n = hit.normal
        blocks = weight[:, None, None] * (n[:, :, None] * n[:, None, :] + 0.05 * np.eye(3))
        index = 3 * used[:, None] + np.arange(3)
        row = np.repeat(index[:, :, None], 3, axis=2).reshape(-1)
        column = np.repeat(index[:, None, :], 3, axis=1).reshape(-1)
        data = sparse.coo_matrix((blocks.reshape(-1), (row, column)), shape=(3 * count, 3 * count))
        wanted = np.zeros((count, 3))
        wanted[used] = np.einsum("pij,pj->pi", blocks, hit.position - rest[used])
        matrix = (data + stiffness * stiff + 1e-6 * sparse.eye(3 * count)).tocsr()
        right = wanted.reshape(-1)
        if pull is not None:
            matrix, right = (matrix + pull[0]).tocsr(), right + pull[1]
        by_diagonal = 1.0 / matrix.diagonal()
        solution, _ = cg(
            matrix, right, x0=(moved - rest).reshape(-1), rtol=1e-5, maxiter=400, M=sparse.diags(by_diagonal)
        )
        moved = rest + solution.reshape(-1, 3)
    return moved


def _with_parts(model: HeadModel, start: Float, skin: Float) -> Float:
    """Let the parts follow the skin around them: each by the mean move of the skin within its reach."""
    from scipy.spatial import KDTree

    moved = start.copy()
    moved[: len(skin)] = skin
    tree = KDTree(start[: len(skin)])
    for name, part in model.parts.items():
        if name == "skin":
            continue
        own = start[part.vertices]
        near = np.unique(np.asarray(tree.query(own, k=4)[1]))
        fit = procrustes(start[near], skin[near], with_scale=True)
        moved[part.vertices] = fit.apply(own)
    return moved
