"""Named regions of the head as weights in [0, 1] per vertex.

The topology is fixed, so a region is drawn once, on the neutral base mesh in the head frame: by edge
rings around lids and lips, by outlines in the frontal picture, and by heights. Hard masks are then
softened over the mesh so that their borders blend.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from builders.head.base import HeadBase, head_frame, load_landmarks
from builders.head.eyes import CORNEA_ANGLE_DEG, IRIS_ANGLE_DEG, PUPIL_ANGLE_DEG, make_eyeball

FRONTAL_OUTLINES_MM = {
    "nose": [(0, 24), (7, 22), (10, 14), (13, 2), (21, -8), (22, -22), (17, -29), (0, -30)],
    "mouth": [(0, -27), (16, -27), (26, -36), (34, -47), (28, -60), (17, -67), (0, -67)],
    "brows": [(0, 25), (12, 27), (24, 32), (40, 32), (56, 24), (58, 30), (50, 40), (34, 45), (15, 43), (0, 38)],
    "chin": [(0, -62), (18, -64), (27, -72), (29, -84), (22, -96), (0, -100)],
}
"""Outlines of the left half in the frontal picture, (x, y) mm in the head frame of the neutral base."""

FACE_OUTLINE_MM = [
    (0, 50), (28, 50), (48, 44), (60, 30), (66, 8), (64, -18), (58, -45), (48, -66), (34, -82), (18, -93), (0, -96),
]  # fmt: skip
"""Outline of the face (brow to chin, cheek to cheek), as ``FRONTAL_OUTLINES_MM``."""

EYE_ANGLES_DEG = {
    "pupil": (0.0, PUPIL_ANGLE_DEG),
    "iris": (0.0, IRIS_ANGLE_DEG),
    "cornea": (0.0, CORNEA_ANGLE_DEG),
    "sclera": (CORNEA_ANGLE_DEG, 180.0),
}
"""Regions of the eyeball, by the angle from its gaze axis; the cornea covers the iris, the iris the pupil."""

REGION_NAMES = (
    "face",
    "forehead",
    "brows",
    "eyes",
    "nose",
    "cheeks",
    "mouth",
    "lips_upper",
    "lips_lower",
    "chin",
    "jaw",
    "ears",
    "skull",
    "neck",
    "mouth_cavity",
    "eye_sockets",
    "nostrils",
    "sclera",
    "cornea",
    "iris",
    "pupil",
)
"""Names of the regions in their order."""


def inside_loop(polygons: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """Polygons reached from the left side of a closed vertex loop without crossing it.

    Parameters
    ----------
    polygons : (m, 4) int.
    loop : (k,) int, closed, in order.

    Returns
    -------
    (m,) bool.
    """
    owner = {
        (int(a), int(b)): row
        for row, corners in enumerate(polygons)
        for a, b in zip(corners, np.roll(corners, -1), strict=True)
    }
    edges = set(zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True))
    stack = [owner[edge] for edge in edges]
    inside = np.zeros(len(polygons), dtype=bool)
    inside[stack] = True
    while stack:
        corners = polygons[stack.pop()].tolist()
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            row = owner.get((b, a), -1)
            if (a, b) not in edges and row >= 0 and not inside[row]:
                inside[row] = True
                stack.append(row)
    return inside


def mirrored_loop(loop: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """The loop on the other side, keeping its inside on its left."""
    return symmetry[loop][::-1]


def cavity_polygons(base: HeadBase) -> dict[str, np.ndarray]:
    """Masks (m,) bool over all polygons: ``mouth_cavity``, ``eye_sockets``."""
    loops = load_landmarks()["loops"]
    skin = base.polygons[base.part("skin")[1]]
    left_lid = base.asset_index(loops["left_lid"])
    masks = {
        "mouth_cavity": inside_loop(skin, base.asset_index(loops["mouth"])),
        "eye_sockets": inside_loop(skin, left_lid) | inside_loop(skin, mirrored_loop(left_lid, base.symmetry)),
    }
    pad = np.zeros(len(base.polygons) - len(skin), dtype=bool)
    return {name: np.concatenate([mask, pad]) for name, mask in masks.items()}


def ring_numbers(polygons: np.ndarray, start: np.ndarray, blocked: np.ndarray, n_vertices: int) -> np.ndarray:
    """Number of polygon rings from the start vertices, (n,) int; 999 where never reached.

    Parameters
    ----------
    polygons : (m, 4) int.
    start : (k,) int, ring 0.
    blocked : (m,) bool, polygons that are not walked over.
    n_vertices : n.
    """
    rings = np.full(n_vertices, 999)
    rings[start] = 0
    walkable = polygons[~blocked]
    ring = 0
    while True:
        touched = np.unique(walkable[(rings[walkable] == ring).any(axis=1)])
        fresh = touched[rings[touched] == 999]
        if not len(fresh):
            return rings
        ring += 1
        rings[fresh] = ring


def build_regions(base: HeadBase) -> dict[str, np.ndarray]:
    """All regions, name -> (n,) float64 in [0, 1], in the order of ``REGION_NAMES``."""
    points = head_frame(base, base.vertices).points(base.vertices)
    marks = load_landmarks()
    skin_vertices, skin_polygons = base.part("skin")
    skin = base.polygons[skin_polygons]
    n_skin = skin_vertices.stop
    cavities = cavity_polygons(base)
    mouth_hole = cavities["mouth_cavity"][skin_polygons]
    sockets = cavities["eye_sockets"][skin_polygons]
    x, y, z = np.abs(points[:n_skin, 0]), points[:n_skin, 1], points[:n_skin, 2]

    lip_loop = base.asset_index(marks["loops"]["mouth"])
    left_lid = base.asset_index(marks["loops"]["left_lid"])
    lid_loops = np.concatenate([left_lid, base.symmetry[left_lid]])
    lip_rings = ring_numbers(skin, lip_loop, mouth_hole, n_skin)
    lid_rings = ring_numbers(skin, lid_loops, sockets, n_skin)
    depth = base.asset_index([marks["vertices"]["left_nostril_depth"]])
    depth = np.concatenate([depth, base.symmetry[depth]])
    nostril = ring_numbers(skin, depth, np.zeros(len(skin), dtype=bool), n_skin) <= 3

    hidden = np.zeros(n_skin, dtype=bool)
    hidden[np.unique(skin[mouth_hole | sockets])] = True
    hidden[np.concatenate([lip_loop, lid_loops])] = False
    mouth_inside = np.zeros(n_skin, dtype=bool)
    mouth_inside[np.unique(skin[mouth_hole])] = True
    normals = _vertex_normals(points[:n_skin], skin)
    outer = ~hidden
    frontal = outer & (z > 30)
    ear = np.zeros(n_skin, dtype=bool)
    ear_block = (base.hm08_index[:n_skin] >= 12010) & (base.hm08_index[:n_skin] <= 12370)
    ear_index = np.flatnonzero(ear_block & (np.abs(y + 3) < 31) & (np.abs(z + 12) < 20))
    ear[ear_index] = True
    ear[base.symmetry[ear_index]] = True

    hard = {name: frontal & _inside_outline(x, y, outline) for name, outline in FRONTAL_OUTLINES_MM.items()}
    hard["face"] = frontal & (z > 38) & _inside_outline(x, y, FACE_OUTLINE_MM) & (normals[:, 1] > -0.9)
    lip_centre = points[lip_loop, 1].mean()
    upper = y > lip_centre
    hard["lips_upper"] = outer & (lip_rings <= 3) & upper
    hard["lips_lower"] = outer & (lip_rings <= 4) & ~upper
    hard["mouth"] |= hard["lips_upper"] | hard["lips_lower"]
    hard["nose"] &= ~hard["mouth"]
    hard["chin"] &= ~hard["mouth"] & (normals[:, 1] > -0.8)
    hard["eyes"] = outer & (lid_rings <= 6) & ~hard["brows"] & ~hard["nose"]
    hard["forehead"] = outer & (y > 36) & (y < 92) & (z > 38) & (x < 62) & ~hard["brows"]
    below_jaw = (y < -88 + 0.42 * np.maximum(0, 78 - z)) & (normals[:, 1] < 0.2) | (y < -100)
    neck = outer & ~ear & ((y < -0.45 * (z + 45) - 30) | below_jaw) & ((z < 62) | (y < -100))
    hard["neck"] = neck & ~hard["chin"]
    hard["ears"] = ear
    jaw_line = outer & ~hard["neck"] & ~ear & ~hard["chin"] & ~hard["mouth"]
    hard["jaw"] = jaw_line & (y < -42 - 0.35 * np.maximum(0, z)) | (jaw_line & (y < -28) & (z < 34) & (z > -12))
    hard["cheeks"] = outer & (z > 20) & (y < 16) & ~hard["jaw"] & ~ear
    for other in ("nose", "mouth", "eyes", "chin", "neck", "brows"):
        hard["cheeks"] &= ~hard[other]
    named = np.zeros(n_skin, dtype=bool)
    for name in ("forehead", "brows", "eyes", "nose", "cheeks", "mouth", "chin", "jaw", "ears", "neck"):
        named |= hard[name]
    hard["skull"] = outer & ~named
    hard["nostrils"] = nostril
    soft = {
        "mouth_cavity": _depth_weight(skin, lip_loop, mouth_hole, n_skin),
        "eye_sockets": _depth_weight(skin, lid_loops, sockets, n_skin),
    }
    lid_edge = np.zeros(n_skin, dtype=bool)
    lid_edge[np.unique(skin[sockets])] = True
    hard["eyes"] |= (soft["eye_sockets"] < 1) & lid_edge
    hard["lips_upper"] |= (soft["mouth_cavity"] < 1) & mouth_inside & upper
    hard["lips_lower"] |= (soft["mouth_cavity"] < 1) & mouth_inside & ~upper

    smooth = _smoothing(skin, n_skin)
    crisp = {"lips_upper", "lips_lower", "nostrils"}
    regions = {}
    for name in REGION_NAMES:
        weight = np.zeros(len(base.vertices))
        if name in soft:
            weight[:n_skin] = soft[name]
        elif name in hard:
            values = hard[name].astype(np.float64)
            for _ in range(0 if name in crisp else 2):
                values = smooth @ values
            weight[:n_skin] = values
        elif name in EYE_ANGLES_DEG:
            low, high = EYE_ANGLES_DEG[name]
            angle = make_eyeball().angles_deg
            for part in ("left_eye", "right_eye"):
                weight[base.part(part)[0]] = (angle >= low - 1e-6) & (angle <= high + 1e-6)
        regions[name] = (weight + weight[base.symmetry]) / 2
    return regions


def _depth_weight(polygons: np.ndarray, loops: np.ndarray, inside: np.ndarray, n_vertices: int) -> np.ndarray:
    """Weights (n,) of a cavity: 0 on the wet edge of lips or lids (two rings inwards), 1 from the third ring on."""
    rings = ring_numbers(polygons, loops, ~inside, n_vertices)
    return np.where(rings < 999, np.clip((rings - 1) / 2, 0, 1), 0.0)


def _inside_outline(x: np.ndarray, y: np.ndarray, outline: list[tuple[float, float]]) -> np.ndarray:
    """Even-odd test of points against a closed polygon, with the midline x = 0 counted as inside."""
    corners = np.array(outline, dtype=np.float64)
    corners[corners[:, 0] == 0, 0] = -1.0
    inside = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return inside


def _vertex_normals(points: np.ndarray, polygons: np.ndarray) -> np.ndarray:
    """Area-weighted unit normals (n, 3)."""
    cross = np.cross(points[polygons[:, 2]] - points[polygons[:, 0]], points[polygons[:, 3]] - points[polygons[:, 1]])
    normals = np.zeros_like(points)
    for corner in range(4):
        np.add.at(normals, polygons[:, corner], cross)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _smoothing(polygons: np.ndarray, n_vertices: int) -> sparse.csr_matrix:
    """Averaging with the edge neighbours: half the vertex itself, half their mean."""
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n_vertices,) * 2)
    adjacency.data[:] = 1.0
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    return 0.5 * (sparse.identity(n_vertices) + sparse.diags(1 / degree) @ adjacency).tocsr()
