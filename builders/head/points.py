"""Named point sets of the head model: ``mediapipe478``, ``ibug68``, ``now7`` and ``iso``.

MediaPipe's points come from ``points_mediapipe478.json`` (see `builders.head.trace_mediapipe`); those that mean the
lid margin or the lip line are moved onto that edge loop of the mesh, and the irises lie on the eyeballs' iris
rings. The iBUG 68 points follow from their annotation scheme: lids, lips and brows along the curves that
MediaPipe's points trace on our mesh, the jaw line on the outline of the mean head seen from the front.

Every set is mirror-symmetric to the last bit: a right point uses the mirrored triangle with the same weights.

Shape letters: n head vertices, k points.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, load_base
from builders.head.craniofacial import craniofacial_points
from builders.head.eyes import IRIS_ANGLE_DEG, fit_sphere
from builders.head.on_surface import Corners, Surface, join, nearest_on_edges
from builders.head.regions import build_regions, cavity_polygons, load_landmarks, ring_numbers
from cephalon.geometry import Camera, SurfacePoints, face_normals, rasterise_mesh, triangulate
from cephalon.head import HeadModel

Float = NDArray[np.float64]
Ints = NDArray[np.int32]

MEDIAPIPE_FILE = Path(__file__).parent / "points_mediapipe478.json"

SETTLED_FILE = Path(__file__).parent / "points_settled.json"

SETTLED_DEPTH_WEIGHT = 0.5
"""Shifts are measured across the view of frontal photos. On the sides of the head, which run along that view, a shift of
2 mm must not become one of 20 mm in depth."""

# fmt: off
ON_EDGES = frozenset((
    # lids and the rows beside them, lips, nose: seen by their edges, right as traced
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 263, 249, 390, 373,
    374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 61, 146, 91, 181, 84, 17, 314, 405,
    321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 78, 95, 88, 178, 87, 14, 317, 402,
    318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191, 76, 77, 90, 180, 85, 16, 315, 404,
    320, 307, 306, 408, 304, 303, 302, 11, 72, 73, 74, 184, 62, 96, 89, 179, 86, 15, 316, 403,
    319, 325, 292, 407, 272, 271, 268, 12, 38, 41, 42, 183, 1, 2, 4, 19, 94, 97, 98, 99,
    20, 238, 241, 242, 141, 125, 44, 45, 220, 115, 48, 64, 102, 49, 131, 129, 219, 326, 327, 328,
    250, 458, 461, 462, 370, 354, 274, 275, 440, 344, 278, 294, 331, 279, 360, 358, 439, 59, 60, 75,
    79, 166, 218, 235, 237, 239, 240, 289, 290, 305, 309, 392, 438, 455, 457, 459, 460,
    # brows: where their hair grows on the textured portraits
    70, 63, 105, 66, 107, 55, 65, 52, 53, 46, 300, 293, 334, 296, 336, 285, 295, 282, 283, 276,
    124, 156, 353, 383, 68, 298, 104, 333, 69, 299, 108, 337, 113, 225, 224, 223, 222, 221, 342, 445, 444, 443, 442, 441,
))
# fmt: on
"""MediaPipe points that mean an edge of the face."""

LEFT_LID = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
"""MediaPipe's left lid margin, from the outer corner over the upper lid to the inner corner and back."""

LEFT_INNER_UPPER_LIP = (415, 310, 311, 312, 13)
LEFT_INNER_LOWER_LIP = (324, 318, 402, 317, 14)
"""MediaPipe's lip line beside the corner, left half, outwards in."""

LIP_LINE_RINGS = {"upper": 1, "lower": 0}
"""Edge rings, counted from the mouth's edge loop, that meet in the lip line when the mouth is closed: the upper lip
overhangs the lower one."""

IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
"""Right and left iris: centre, then the ring in the picture's right, top, left, bottom (checked on photos)."""

LEFT_MOUTH_CORNER = (291, 308)
"""MediaPipe's outer and inner left mouth corner."""

BETWEEN_MOUTH_CORNERS = {306: 1 / 3, 292: 2 / 3}
"""MediaPipe's points in the row between these corners, by their share of the way; closer than they can be traced."""

OUTER_UPPER_LIP = (291, 409, 270, 269, 267, 0)
OUTER_LOWER_LIP = (291, 375, 321, 405, 314, 17)
INNER_UPPER_LIP = (308, *LEFT_INNER_UPPER_LIP)
INNER_LOWER_LIP = (308, *LEFT_INNER_LOWER_LIP)
UPPER_BROW = (300, 293, 334, 296, 336)
LOWER_BROW = (276, 283, 282, 295, 285)

BROW_SHARE = 0.35
"""How far below MediaPipe's upper brow line the iBUG brow line runs, as a share of the way to its lower line."""

BROW_TAIL_SHARE = 0.4
"""How far the iBUG brow reaches beyond MediaPipe's, as a share of MediaPipe's outermost stretch of the brow."""

JAW_POINTS = 17
JAW_HINDMOST_MM = 8.0
"""The jaw line stays in front of this z: the cheek just before the ear."""
JAW_UNDERSIDE = -0.8
"""Triangles whose normal points down further than this belong to the underside of the jaw, not to its outline."""
JAW_DISTANCE_MM = 1500.0
"""Camera distance from which the jaw line's outline is taken."""

SIDES = ("right", "left")


def traced_model(model: HeadModel, offset: Float | None = None) -> HeadModel:
    """Return the head model with MediaPipe's points as traced on renders, moved by `offset` (478, 2) mm if given."""
    base = load_base()
    corners = mediapipe_points(base, model.mean, offset)
    points = _on_faces(corners, triangulate(base.polygons)[0], list(model.point_set("mediapipe478").names))
    return dataclasses.replace(model, point_sets={**model.point_sets, "mediapipe478": points})


def build_points(base: HeadBase, mean: Float, offset: Float | None = None) -> dict[str, SurfacePoints]:
    """All point sets.

    Parameters
    ----------
    mean : (n, 3) mm, the mean head in the head frame, mirror-symmetric.
    offset : (478, 2) mm by which MediaPipe's points, and those that follow them, are moved from where they were traced.
    """
    faces = triangulate(base.polygons)[0]
    skin_faces = faces[: len(triangulate(base.polygons[base.part("skin")[1]])[0])]
    mediapipe = mediapipe_points(base, mean, offset)
    craniofacial = craniofacial_points(base)
    ibug, ibug_names = ibug_points(base, mean, mediapipe)
    now, now_names = now_points(mediapipe, craniofacial, skin_faces)
    return {
        "mediapipe478": _on_faces(mediapipe, faces, [f"mediapipe {k}" for k in range(478)]),
        "ibug68": _on_faces(ibug, faces, ibug_names),
        "now7": _on_faces(now, faces, now_names),
        "iso": craniofacial,
    }


def settled_offset() -> Float | None:
    """Shifts (478, 2) mm, +x the person's left, +y up, that `builders.head.settle_points` measured on photos."""
    if not SETTLED_FILE.exists():
        return None
    return np.array(json.loads(SETTLED_FILE.read_text(encoding="utf-8"))["offset_mm"])


def mediapipe_points(base: HeadBase, mean: Float, offset: Float | None = None) -> Corners:
    """MediaPipe's 478 points on the mean head (n, 3) mm, as traced on renders and moved by `offset` (478, 2) mm."""
    record = json.loads(MEDIAPIPE_FILE.read_text(encoding="utf-8"))
    traced = np.array(record["hm08_vertices"])
    vertices = base.asset_index(traced.reshape(-1)).reshape(traced.shape)
    weights = np.array(record["weights"])
    weights /= weights.sum(axis=1, keepdims=True)
    mirror = np.array(record["mirror"])
    corners = Corners(vertices=vertices, weights=weights)
    if offset is not None:
        corners = _settled(corners, offset, mean, mirror, Surface(base, mean), base.symmetry)
    vertices, weights = corners.vertices, corners.weights
    position = corners.positions(mean)
    lid_edges, lip_edges = _left_lid_edges(base), _lip_line_edges(base)
    moved = {k: nearest_on_edges(mean, position[k], lid_edges) for k in LEFT_LID}
    for points, lip in ((LEFT_INNER_UPPER_LIP, "upper"), (LEFT_INNER_LOWER_LIP, "lower")):
        moved |= {k: nearest_on_edges(mean, position[k], lip_edges[lip]) for k in points}
        middle = points[-1]
        on_midline = np.unique(lip_edges[lip][base.symmetry[lip_edges[lip]] == lip_edges[lip]])
        nearest = on_midline[np.argmin(np.linalg.norm(mean[on_midline] - position[middle], axis=1))]
        moved[middle] = np.repeat(nearest, 3), np.array([1.0, 0.0, 0.0])
    surface, outer, inner = Surface(base, mean), *position[list(LEFT_MOUTH_CORNER)]
    for k, share in BETWEEN_MOUTH_CORNERS.items():
        placed = surface.nearest((outer + share * (inner - outer))[None])
        moved[k] = placed.vertices[0], placed.weights[0]
    for k, (pair, weight) in moved.items():
        vertices[k], weights[k] = pair, weight
        if mirror[k] != k:
            vertices[mirror[k]], weights[mirror[k]] = base.symmetry[pair], weight
    return join([Corners(vertices=vertices, weights=weights), *[iris_points(base, mean, side) for side in SIDES]])


def _settled(
    corners: Corners, offset: Float, mean: Float, mirror: NDArray[np.intp], surface: Surface, symmetry: Ints
) -> Corners:
    """Move the points that lie on no edge by the shifts measured on photos (see `builders.head.settle_points`)."""
    position = corners.positions(mean)
    vertices, weights = corners.vertices.copy(), corners.weights.copy()
    for k in range(len(position)):
        if k in ON_EDGES or (position[k, 0] < 0 and mirror[k] != k):
            continue  # the right side follows from the left one
        wanted = position[k] + [offset[k, 0], offset[k, 1], 0.0]
        found = surface.nearest(wanted[None], midline=bool(mirror[k] == k), depth_weight=SETTLED_DEPTH_WEIGHT)
        vertices[k], weights[k] = found.vertices[0], found.weights[0]
        if mirror[k] != k:
            vertices[mirror[k]], weights[mirror[k]] = symmetry[vertices[k]], weights[k]
    return Corners(vertices=vertices, weights=weights)


def iris_points(base: HeadBase, mean: Float, side: str) -> Corners:
    """Apex of the cornea and the iris ring's vertices towards +x, +y, -x, -y of one eye ("left", "right")."""
    rows = np.arange(*base.part_vertices[base.part_names.index(f"{side}_eye")])
    ball = mean[rows]
    centre, _ = fit_sphere(ball)
    direction = (ball - centre) / np.linalg.norm(ball - centre, axis=1, keepdims=True)
    apex = int(np.argmax(direction[:, 2]))
    rim = np.deg2rad(IRIS_ANGLE_DEG)
    aims = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]]) * np.sin(rim)
    aims = np.concatenate([aims, np.full((4, 1), np.cos(rim))], axis=1)
    chosen = rows[[apex, *np.argmax(aims @ direction.T, axis=1)]]
    return Corners(vertices=np.repeat(chosen[:, None], 3, axis=1), weights=np.tile([1.0, 0.0, 0.0], (5, 1)))


def ibug_points(base: HeadBase, mean: Float, mediapipe: Corners) -> tuple[Corners, tuple[str, ...]]:
    """The 68 points of the iBUG annotation, with names, from the mean head and MediaPipe's points on it."""
    symmetry = base.symmetry
    surface = Surface(base, mean)

    def along(curve: Sequence[int], shares: Sequence[float], axis: int = 0) -> Corners:
        """Points on the polyline of MediaPipe points at shares of its extent along an axis, laid onto the skin."""
        path = mediapipe.take(curve).positions(mean)
        return surface.nearest(_polyline(path, np.abs(path[:, axis] - path[-1, axis]), shares))

    jaw = jaw_line(base, mean, surface)
    upper, lower = (mediapipe.take(line).positions(mean) for line in (UPPER_BROW, LOWER_BROW))
    brow_path = upper + BROW_SHARE * (lower - upper)
    brow_path[0] += BROW_TAIL_SHARE * (brow_path[0] - brow_path[1])
    brow = surface.nearest(brow_path)
    bridge_path = mediapipe.take((168, 6, 197, 195, 5, 4)).positions(mean)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(bridge_path, axis=0), axis=1))])
    bridge = surface.nearest(_polyline(bridge_path, length, np.array([0.0, 1 / 3, 2 / 3, 1.0])), midline=True)
    nostrils = mediapipe.take((2, 326, 327))
    lids = mediapipe.take((263, 387, 385, 362, 380, 373))
    outer_upper = along(OUTER_UPPER_LIP, (0.26, 0.63))
    outer_lower = along(OUTER_LOWER_LIP, (0.28, 0.64))
    inner_upper = along(INNER_UPPER_LIP, (0.31,))
    inner_lower = along(INNER_LOWER_LIP, (0.31,))
    corner, inner_corner = mediapipe.take((291,)), mediapipe.take((308,))

    def both(left: Corners, order_left: Sequence[int], middle: Corners | None = None) -> list[Corners]:
        """Right points from the outside in, a middle point, left points from the inside out (`order_left`)."""
        right = left.take(order_left[::-1]).mirrored(symmetry)
        return [right, *([middle] if middle else []), left.take(order_left)]

    eye_left = [3, 2, 1, 0, 5, 4]
    eye_right = [0, 1, 2, 3, 4, 5]
    parts = [
        *both(jaw, range(1, len(jaw.weights)), jaw.take((0,))),
        *both(brow.take(range(5)[::-1]), range(5)),
        bridge,
        *both(nostrils, (1, 2), nostrils.take((0,))),
        lids.take(eye_right).mirrored(symmetry),
        lids.take(eye_left),
        *both(join([outer_upper, corner]), range(3), mediapipe.take((0,))),
        outer_lower.take((1, 0)),
        mediapipe.take((17,)),
        outer_lower.take((0, 1)).mirrored(symmetry),
        *both(join([inner_upper, inner_corner]), range(2), mediapipe.take((13,))),
        inner_lower,
        mediapipe.take((14,)),
        inner_lower.mirrored(symmetry),
    ]
    names = (
        [f"jaw line {k}" for k in range(JAW_POINTS)]
        + [f"right brow {k}" for k in ("outer end", "outer quarter", "middle", "inner quarter", "inner end")]
        + [f"left brow {k}" for k in ("inner end", "inner quarter", "middle", "outer quarter", "outer end")]
        + ["nose bridge top", "nose bridge upper", "nose bridge lower", "nose tip"]
        + ["right nostril outer", "right nostril inner", "nose bottom", "left nostril inner", "left nostril outer"]
        + [f"right {k}" for k in _EYE_NAMES]
        + [f"left {_EYE_NAMES[k]}" for k in (3, 2, 1, 0, 5, 4)]
        + ["right mouth corner", "right upper lip outer", "right upper lip peak", "upper lip middle"]
        + ["left upper lip peak", "left upper lip outer", "left mouth corner"]
        + ["left lower lip outer", "left lower lip inner", "lower lip middle"]
        + ["right lower lip inner", "right lower lip outer"]
        + ["right lip line corner", "right upper lip line", "upper lip line middle", "left upper lip line"]
        + ["left lip line corner", "left lower lip line", "lower lip line middle", "right lower lip line"]
    )
    return join(parts), tuple(names)


_EYE_NAMES = (
    "eye outer corner",
    "upper lid outer third",
    "upper lid inner third",
    "eye inner corner",
    "lower lid inner third",
    "lower lid outer third",
)


def now_points(mediapipe: Corners, craniofacial: SurfacePoints, skin_faces: Ints) -> tuple[Corners, tuple[str, ...]]:
    """The seven points of the NoW benchmark: eye corners from right to left, nose bottom, mouth corners."""
    subnasale = craniofacial.index("sn")
    nose = Corners(
        vertices=skin_faces[craniofacial.face_index[[subnasale]]],
        weights=np.array(craniofacial.barycentric[[subnasale]]),
    )
    names = ("right eye outer corner", "right eye inner corner", "left eye inner corner", "left eye outer corner")
    names += ("nose bottom", "right mouth corner", "left mouth corner")
    return join([mediapipe.take((33, 133, 362, 263)), nose, mediapipe.take((61, 291))]), names


def jaw_line(base: HeadBase, mean: Float, surface: Surface) -> Corners:
    """Chin and the left half of the iBUG jaw line (9 points, chin first), evenly spaced on the face's outline.

    The outline is that of the face without ears and neck, seen from the front, from the outer eye corner's height
    down to the chin.
    """
    size, reach = 1024, 240.0
    camera = Camera(width=size, height=size, focal_px=size / reach * JAW_DISTANCE_MM)
    centre, normal = mean[surface.faces].mean(axis=1), face_normals(mean, surface.faces)
    rows = surface.rows[(centre[surface.rows, 2] > JAW_HINDMOST_MM) & (normal[surface.rows, 1] > JAW_UNDERSIDE)]
    cam = mean * [1.0, -1.0, -1.0] + [0.0, -20.0, JAW_DISTANCE_MM]
    raster = rasterise_mesh(cam, surface.faces[rows], camera)
    covered = raster.covered
    outer = mean[base.asset_index(load_landmarks()["loops"]["left_lid"])]
    top = outer[np.argmax(outer[:, 0]), 1]
    face = surface.faces[rows[raster.face_index[covered]]]
    position = np.einsum("pc,pcd->pd", raster.barycentric[covered].astype(np.float64), mean[face])
    middle = np.array([0.0, -30.0])
    offset = position[:, :2] - middle
    bearing = np.arctan2(offset[:, 0], -offset[:, 1])
    outline = []
    for bin_start in np.linspace(0, np.pi, 361)[:-1]:
        here = (bearing >= bin_start) & (bearing < bin_start + np.pi / 360)
        if here.any():
            outline.append(position[here][np.argmax(np.linalg.norm(offset[here], axis=1))])
    path = np.array(outline)
    path = path[: int(np.argmax(path[:, 1] > top)) + 1]
    path[0, 0] = 0.0
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path[:, :2], axis=0), axis=1))])
    half = (JAW_POINTS - 1) // 2
    points = surface.nearest(_polyline(path, length, np.linspace(0, 1, half + 1)))
    chin = surface.nearest(path[:1], midline=True)
    return join([chin, points.take(range(1, half + 1))])


def _polyline(path: Float, parameter: Float, shares: Sequence[float] | Float) -> Float:
    """Points on a polyline (p, 3) where its monotonic parameter (p,) takes given shares of its span, (k, 3)."""
    span = (parameter - parameter.min()) / np.ptp(parameter)
    order = np.argsort(span)
    return np.stack([np.interp(shares, span[order], path[order, axis]) for axis in range(3)], axis=1)


def _left_lid_edges(base: HeadBase) -> Ints:
    """Edges (e, 2) of the left lid margin."""
    loop = base.asset_index(load_landmarks()["loops"]["left_lid"])
    return np.stack([loop, np.roll(loop, -1)], axis=1)


def _lip_line_edges(base: HeadBase) -> dict[str, Ints]:
    """Edges (e, 2) along which the "upper" and the "lower" lip meet when the mouth is closed, see `LIP_LINE_RINGS`."""
    regions = build_regions(base)
    skin = base.polygons[base.part("skin")[1]]
    blocked = cavity_polygons(base)["mouth_cavity"][: len(skin)]
    mouth = base.asset_index(load_landmarks()["loops"]["mouth"])
    ring = ring_numbers(skin, mouth, blocked, base.part("skin")[0].stop)
    edges = np.unique(np.sort(np.concatenate([skin[:, [i, (i + 1) % 4]] for i in range(4)]), axis=1), axis=0)
    found = {}
    for lip, number in LIP_LINE_RINGS.items():
        on_lip = (ring == number) & (regions[f"lips_{lip}"][: len(ring)] > 0.5)
        found[lip] = edges[on_lip[edges].all(axis=1)]
    return found


def _on_faces(points: Corners, faces: Ints, names: Sequence[str]) -> SurfacePoints:
    """The points as entries of the triangulated faces (t, 3): the first triangle that has all corners with weight."""
    of_vertex: dict[int, set[int]] = {}
    wanted = set(points.vertices.reshape(-1).tolist())
    for row, face in enumerate(faces.tolist()):
        for vertex in face:
            if vertex in wanted:
                of_vertex.setdefault(vertex, set()).add(row)
    rows, barycentric = [], []
    for vertices, weights in zip(points.vertices.tolist(), points.weights, strict=True):
        used = [vertex for vertex, weight in zip(vertices, weights, strict=True) if weight > 0]
        row = min(set.intersection(*[of_vertex[vertex] for vertex in used]))
        placed = np.zeros(3)
        for vertex, weight in zip(vertices, weights, strict=True):
            placed[faces[row].tolist().index(vertex) if weight > 0 else 0] += weight
        rows.append(row)
        barycentric.append(placed)
    return SurfacePoints(
        face_index=np.array(rows, dtype=np.int32), barycentric=np.array(barycentric), names=tuple(names)
    )
