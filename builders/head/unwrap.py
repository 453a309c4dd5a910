"""The skin's uv: one symmetric chart without flips or overlaps.

The skin is a disk (its one boundary is the collar). Cut along the back midline up to the crown, the left
half is a disk too: its boundary runs down the front midline (through the mouth cavity), along the collar
and up the seam. The half is mapped to a half disc by Tutte's embedding (Tutte 1963; bijective for a convex
boundary, and every quad convex), with the front midline on the straight side. It is then relaxed to low
distortion by scalable locally injective mappings (Rabinovich et al. 2017, "SLIM") of the symmetric Dirichlet
energy against target triangles: the corners of the quads in 3D, scaled by how much texture their region
deserves. The front midline stays on u = 0, so the right half is the exact mirror image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from builders.head.base import HeadBase
from builders.head.regions import cavity_polygons, ring_numbers

SEAM_TOP_Z_MM = 5.0
"""The seam climbs the back midline and ends where the crown has this z in the head frame."""

SCALES = {
    "face": 1.0,
    "ears": 0.55,
    "forehead": 0.62,
    "jaw": 0.5,
    "cheeks": 0.65,
    "chin": 0.7,
    "skull": 0.28,
    "neck": 0.27,
    "nostrils": 0.6,
}
"""Length of texture per length of skin, relative to the face."""

EFFORT = {"face": 4.0, "nostrils": 0.5}
"""Weight of a region's distortion; 1 elsewhere."""

CAVITY_SHRINK_PER_RING = 0.25
"""Mouth cavity and eye sockets have full size at the opening's edge, less with each further ring of polygons."""

CAVITY_SCALE_MIN = 0.2
CAVITY_EFFORT_MIN = 0.15

MARGIN = 1 / 128
"""Empty border of the unit square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The skin's texture coordinates.

    Attributes
    ----------
    uv : (k, 2) float64 in [0, 1], symmetric about u = 0.5.
    polygons_uv : (m, 4) int32, parallel to the skin's polygons.
    """

    uv: np.ndarray
    polygons_uv: np.ndarray


def unwrap_skin(base: HeadBase, points: np.ndarray, regions: dict[str, np.ndarray], iterations: int = 200) -> Chart:
    """Unwrap the skin.

    Parameters
    ----------
    base : the topology.
    points : (n, 3) mm, head frame, exactly symmetric.
    regions : name -> (n,) weights.
    iterations : SLIM iterations.
    """
    vertex_slice, polygon_slice = base.part("skin")
    polygons = base.polygons[polygon_slice]
    is_left = points[polygons, 0].mean(axis=1) > 0
    used, local = np.unique(polygons[is_left], return_inverse=True)
    quads = local.reshape(-1, 4)
    # all four corners of every quad: if they are positive, the quad is convex, and so are its parts when subdivided
    faces = np.concatenate([np.roll(quads, -k, axis=1)[:, [3, 0, 1]] for k in range(4)])
    xyz = points[used]
    boundary = _boundary(quads)
    on_midline = base.symmetry[used] == used
    front = _front_midline(boundary, on_midline, xyz)

    depth = _cavity_depth(base, polygons)
    scale, effort = _targets(regions, used, faces, depth[used])
    uv = _tutte(quads, boundary, front)
    uv = _slim(uv, xyz, faces, front, scale=scale, effort=effort, iterations=iterations)

    half = np.full((vertex_slice.stop, 2), np.nan)
    half[used] = uv
    low = np.array([-uv[:, 0].max(), uv[:, 1].min()])
    extent = np.array([2 * uv[:, 0].max(), np.ptp(uv[:, 1])])
    to_unit = (1 - 2 * MARGIN) / extent.max()
    offset = 0.5 - (low + extent / 2) * to_unit

    front_vertices = used[front]
    n = vertex_slice.stop
    left_uv = half * to_unit + offset
    left_uv[front_vertices, 0] = 0.5
    keep_left = used
    right_of = base.symmetry[used]
    shared = np.isin(used, front_vertices)
    left_row = np.full(n, -1)
    left_row[keep_left] = np.arange(len(keep_left))
    right_row = np.full(n, -1)
    right_row[right_of[~shared]] = len(keep_left) + np.arange(np.count_nonzero(~shared))
    right_row[right_of[shared]] = left_row[used[shared]]
    right_uv = left_uv[used[~shared]] * [-1, 1] + [1, 0]
    polygons_uv = np.where(is_left[:, None], left_row[polygons], right_row[polygons])
    return Chart(uv=np.concatenate([left_uv[keep_left], right_uv]), polygons_uv=polygons_uv.astype(np.int32))


def _boundary(quads: np.ndarray) -> np.ndarray:
    """The one boundary loop of a disk, in the direction of its quads."""
    edges = {(int(a), int(b)) for quad in quads for a, b in zip(quad, np.roll(quad, -1), strict=True)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loop = [min(following)]
    while (ahead := following[loop[-1]]) != loop[0]:
        loop.append(ahead)
    if len(loop) != len(following):
        raise ValueError(f"the half skin should be a disk, but its {len(following)} border edges form several loops")
    return np.array(loop)


def _front_midline(boundary: np.ndarray, on_midline: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    """The boundary's run along the front midline, from the seam's top to the collar (or back)."""
    seam = on_midline & (xyz[:, 2] < SEAM_TOP_Z_MM) & (xyz[:, 1] > np.interp(xyz[:, 2], [-70, 0], [-400, 60]))
    is_front = on_midline[boundary] & ~seam[boundary]
    start = int(np.flatnonzero(is_front & ~np.roll(is_front, 1))[0])
    run = np.roll(boundary, -start)
    length = int(np.argmin(np.roll(is_front, -start)))
    return run[:length]


def _cavity_depth(base: HeadBase, polygons: np.ndarray) -> np.ndarray:
    """Rings of polygons inwards from the openings' edges, (n,) int; 0 on the outer skin and the edges."""
    inner = np.logical_or.reduce(list(cavity_polygons(base).values()))[: len(polygons)]
    edge = np.intersect1d(polygons[inner], polygons[~inner])
    rings = ring_numbers(polygons, edge, ~inner, int(polygons.max()) + 1)
    return np.where(rings < 999, rings, 0)


def _targets(
    regions: dict[str, np.ndarray], used: np.ndarray, faces: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Texture scale and weight of each face, (t,) each."""
    scale, total = np.full(len(used), 0.5e-9), np.full(len(used), 1e-9)
    for name, value in SCALES.items():
        sharp = regions[name][used] ** 2
        scale += value * sharp
        total += sharp
    scale /= total
    effort = np.ones(len(used))
    for name, value in EFFORT.items():
        effort *= value ** regions[name][used]
    shrink = np.clip(1 - CAVITY_SHRINK_PER_RING * (depth - 1), CAVITY_SCALE_MIN, 1)
    scale = np.where(depth > 0, shrink, scale)
    effort = np.where(depth > 0, np.maximum(shrink**2, CAVITY_EFFORT_MIN), effort)
    return scale[faces].mean(axis=1), effort[faces].mean(axis=1)


def _tutte(quads: np.ndarray, boundary: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Tutte embedding into a half disc whose straight side carries the front midline; its quads are convex."""
    n = int(quads.max()) + 1
    start = int(np.flatnonzero(boundary == front[0])[0])
    loop = np.roll(boundary, -start)
    rest = loop[len(front) :]
    fixed = np.zeros((n, 2))
    along = np.linspace(1.0, -1.0, len(front))
    fixed[front] = np.stack([np.zeros(len(front)), along], axis=1)
    angle = np.linspace(-np.pi / 2, np.pi / 2, len(rest) + 2)[1:-1]
    fixed[rest] = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    a, b = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
    adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
    adjacency.data[:] = 1.0
    laplacian = sparse.diags(np.asarray(adjacency.sum(axis=1)).ravel()) - adjacency
    free = np.setdiff1d(np.arange(n), loop)
    solver = splu(laplacian[free][:, free].tocsc())
    uv = fixed.copy()
    uv[free] = solver.solve(np.ascontiguousarray(-(laplacian[free][:, loop] @ fixed[loop])))
    return uv


def _slim(
    uv: np.ndarray,
    xyz: np.ndarray,
    faces: np.ndarray,
    front: np.ndarray,
    *,
    scale: np.ndarray,
    effort: np.ndarray,
    iterations: int,
) -> np.ndarray:
    """Minimise the symmetric Dirichlet energy by SLIM, keeping every face positive and ``front`` on u = 0.

    Parameters
    ----------
    uv : (n, 2) bijective start.
    xyz : (n, 3) mm.
    faces : (t, 3).
    front : (k,) vertices held on u = 0.
    scale, effort : (t,) target scale and weight of the faces.
    iterations : how many.
    """
    n = len(xyz)
    rest = _flat_triangles(xyz, faces) * scale[:, None, None]
    areas = np.abs(np.linalg.det(rest)) / 2
    weight = effort * areas / areas.sum()
    gradient = _gradient_operators(rest, faces, n)
    keep = np.ones(2 * n, dtype=bool)
    keep[front] = False
    uv = uv * np.sqrt(areas.sum() / _signed_areas(uv, faces).sum())
    energy = _energy(uv, gradient, weight)
    for _ in range(iterations):
        jacobian = _jacobians(uv, gradient)
        u, sigma, vt = np.linalg.svd(jacobian)
        rotation = u @ vt
        sigma = np.maximum(sigma, 1e-12)
        slope = 2 * (sigma - sigma**-3)
        apart = np.abs(sigma - 1) > 1e-6
        strength = np.sqrt(np.where(apart, slope / (2 * np.where(apart, sigma - 1, 1.0)), 4.0))
        shape = (u * strength[:, None, :]) @ np.swapaxes(u, 1, 2)
        matrix, right = _slim_system(shape, rotation, gradient, weight)
        # a whisker of proximal term keeps the vertical shift determined
        matrix = matrix + 1e-9 * sparse.identity(2 * n)
        right = right + 1e-9 * uv.T.ravel()
        solution = np.zeros(2 * n)
        solution[keep] = splu(matrix[keep][:, keep].tocsc(), permc_spec="MMD_AT_PLUS_A").solve(right[keep])
        step = solution.reshape(2, n).T - uv
        uv, new_energy = _line_search(uv, step, faces, gradient, weight, energy)
        if energy - new_energy < 1e-7 * energy:
            break
        energy = new_energy
    return uv


def _flat_triangles(xyz: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Edge matrices (t, 2, 2): columns are the edges 0-1 and 0-2 laid isometrically in the plane."""
    first = xyz[faces[:, 1]] - xyz[faces[:, 0]]
    second = xyz[faces[:, 2]] - xyz[faces[:, 0]]
    length = np.linalg.norm(first, axis=1)
    along = (first * second).sum(axis=1) / length
    across = np.linalg.norm(np.cross(first, second), axis=1) / length
    return np.stack([np.stack([length, along], axis=1), np.stack([np.zeros_like(length), across], axis=1)], axis=1)


def _gradient_operators(rest: np.ndarray, faces: np.ndarray, n: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Sparse (t, n) operators of d/dx and d/dy on the flat target triangles."""
    inverse = np.linalg.inv(rest)
    rows = np.repeat(np.arange(len(faces)), 3)
    operators = []
    for axis in range(2):
        values = np.stack(
            [-inverse[:, 0, axis] - inverse[:, 1, axis], inverse[:, 0, axis], inverse[:, 1, axis]], axis=1
        )
        operators.append(sparse.csr_matrix((values.ravel(), (rows, faces.ravel())), shape=(len(faces), n)))
    return operators[0], operators[1]


def _jacobians(uv: np.ndarray, gradient: tuple[sparse.csr_matrix, sparse.csr_matrix]) -> np.ndarray:
    """Jacobians (t, 2, 2) of the map from the target triangles to uv."""
    return np.stack([gradient[0] @ uv, gradient[1] @ uv], axis=2)


def _energy(uv: np.ndarray, gradient: tuple[sparse.csr_matrix, sparse.csr_matrix], weight: np.ndarray) -> float:
    """Weighted symmetric Dirichlet energy, infinite if a face is not positive (4 for an isometry)."""
    jacobian = _jacobians(uv, gradient)
    determinant = jacobian[:, 0, 0] * jacobian[:, 1, 1] - jacobian[:, 0, 1] * jacobian[:, 1, 0]
    if determinant.min() <= 0:
        return np.inf
    squared = (jacobian**2).sum(axis=(1, 2))
    return float((weight * squared * (1 + determinant**-2.0)).sum())


def _slim_system(
    shape: np.ndarray,
    rotation: np.ndarray,
    gradient: tuple[sparse.csr_matrix, sparse.csr_matrix],
    weight: np.ndarray,
) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Normal equations of sum weight |shape (J - rotation)|^2 in the unknowns (u..., v...)."""
    square = np.swapaxes(shape, 1, 2) @ shape
    blocks = []
    right = []
    for i in range(2):
        row = []
        total = 0.0
        for j in range(2):
            factor = sparse.diags(weight * square[:, i, j])
            row.append(gradient[0].T @ factor @ gradient[0] + gradient[1].T @ factor @ gradient[1])
            for axis in range(2):
                total = total + gradient[axis].T @ (weight * square[:, i, j] * rotation[:, j, axis])
        blocks.append(row)
        right.append(total)
    return sparse.bmat(blocks, format="csr"), np.concatenate(right)


def _line_search(
    uv: np.ndarray,
    step: np.ndarray,
    faces: np.ndarray,
    gradient: tuple[sparse.csr_matrix, sparse.csr_matrix],
    weight: np.ndarray,
    energy: float,
) -> tuple[np.ndarray, float]:
    """Backtrack from just before the first face collapses until the energy falls."""
    length = min(1.0, 0.9 * _collapse_time(uv, step, faces))
    for _ in range(60):
        trial = uv + length * step
        trial_energy = _energy(trial, gradient, weight)
        if trial_energy < energy:
            return trial, trial_energy
        length *= 0.6
    return uv, energy


def _collapse_time(uv: np.ndarray, step: np.ndarray, faces: np.ndarray) -> float:
    """Smallest positive t at which a face of ``uv + t step`` has no area (Smith and Schaefer 2015)."""
    e1, e2 = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    d1, d2 = step[faces[:, 1]] - step[faces[:, 0]], step[faces[:, 2]] - step[faces[:, 0]]
    a = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    b = e1[:, 0] * d2[:, 1] - e1[:, 1] * d2[:, 0] + d1[:, 0] * e2[:, 1] - d1[:, 1] * e2[:, 0]
    c = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        root = np.sqrt(b * b - 4 * a * c)
        q = -0.5 * (b + np.where(b < 0, -1.0, 1.0) * root)
        times = np.concatenate([q / a, c / q])
    times = times[np.isfinite(times) & (times > 0)]
    return float(times.min()) if len(times) else np.inf


def _signed_areas(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Signed areas of uv triangles (t,)."""
    e1, e2 = uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]
    return (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]) / 2
