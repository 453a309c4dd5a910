"""Inner loops of the closest-point search and of the alignment's normal equations, compiled when first called."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cephalon.geometry.jit import kernel, typed

Array = Any

# Where on its triangle a closest point lies: inside, on an edge (the corner opposite to it gives the number), at a corner.
INSIDE, EDGE, CORNER = 0, 1, 4
PLAIN, GATHER, FOLLOW = 0, 1, 2


@kernel(
    typed("f8:2 f8:2 f8:2 i8 i4:1 i4:1w f8:2w f8:1w i1:1w i8 f8 f8:2w i4:2w i4:1w"),
    label="closest-point search",
    seconds=4,
)
def search_kernel(
    points: Array,
    boxes: Array,
    corners: Array,
    leaf_size: int,
    hints: Array,
    slot_out: Array,
    closest_out: Array,
    square_out: Array,
    feature_out: Array,
    mode: int,
    reach: float,
    seen_from: Array,
    near: Array,
    near_count: Array,
) -> None:
    """Find the closest point on triangles for each of `points` (n, 3).

    `boxes` (2 leaves - 1, 6) is a complete binary tree in heap order: low and high corner of each node. `corners`
    (leaves * leaf_size, 9) are the triangles in the order of the leaves. `hints` (n,) name for each point a triangle
    that is tried first (-1: none), and the one found for the point before is tried as well; hints change nothing but
    the time, except between triangles at exactly the same distance. Closest point on a triangle as in Ericson,
    Real-Time Collision Detection (2005), 5.1.5.

    Mode 1 (`GATHER`) also writes where each point was (`seen_from`) and which triangles were within its distance plus
    twice `reach` (`near`, `near_count`; -1 if there were too many). In mode 2 (`FOLLOW`) a point that is no farther
    than `reach` from there asks those alone: by the triangle inequality no other can be closest. Mode 0 does neither.
    """
    first_leaf = (boxes.shape[0] - 1) // 2
    stack_node = np.zeros(128, dtype=np.int64)
    stack_square = np.zeros(128, dtype=np.float64)
    found = np.zeros(3, dtype=np.float64)
    spot = np.zeros(3, dtype=np.float64)
    room = near.shape[1]
    kept_slot = np.zeros(room, dtype=np.int32)
    kept_square = np.zeros(room, dtype=np.float64)

    def ratio(top: float, bottom: float) -> float:
        return top / bottom if bottom > 0.0 else 0.0

    def on_triangle(slot: int, px: float, py: float, pz: float, out: Array) -> tuple[float, int]:
        ax, ay, az = corners[slot, 0], corners[slot, 1], corners[slot, 2]
        bx, by, bz = corners[slot, 3], corners[slot, 4], corners[slot, 5]
        cx, cy, cz = corners[slot, 6], corners[slot, 7], corners[slot, 8]
        abx, aby, abz = bx - ax, by - ay, bz - az
        acx, acy, acz = cx - ax, cy - ay, cz - az
        apx, apy, apz = px - ax, py - ay, pz - az
        d1 = abx * apx + aby * apy + abz * apz
        d2 = acx * apx + acy * apy + acz * apz
        bpx, bpy, bpz = px - bx, py - by, pz - bz
        d3 = abx * bpx + aby * bpy + abz * bpz
        d4 = acx * bpx + acy * bpy + acz * bpz
        cpx, cpy, cpz = px - cx, py - cy, pz - cz
        d5 = abx * cpx + aby * cpy + abz * cpz
        d6 = acx * cpx + acy * cpy + acz * cpz
        va = d3 * d6 - d5 * d4
        vb = d5 * d2 - d1 * d6
        vc = d1 * d4 - d3 * d2
        if d1 <= 0.0 and d2 <= 0.0:
            qx, qy, qz, feature = ax, ay, az, 4
        elif d3 >= 0.0 and d4 <= d3:
            qx, qy, qz, feature = bx, by, bz, 5
        elif d6 >= 0.0 and d5 <= d6:
            qx, qy, qz, feature = cx, cy, cz, 6
        elif vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0:
            v = ratio(d1, d1 - d3)
            qx, qy, qz, feature = ax + v * abx, ay + v * aby, az + v * abz, 3
        elif vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0:
            v = ratio(d2, d2 - d6)
            qx, qy, qz, feature = ax + v * acx, ay + v * acy, az + v * acz, 2
        elif va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0:
            v = ratio(d4 - d3, (d4 - d3) + (d5 - d6))
            qx, qy, qz, feature = bx + v * (cx - bx), by + v * (cy - by), bz + v * (cz - bz), 1
        else:
            total = va + vb + vc
            v, w = ratio(vb, total), ratio(vc, total)
            qx, qy, qz, feature = ax + abx * v + acx * w, ay + aby * v + acy * w, az + abz * v + acz * w, 0
        out[0], out[1], out[2] = qx, qy, qz
        return (px - qx) * (px - qx) + (py - qy) * (py - qy) + (pz - qz) * (pz - qz), feature

    def to_box(node: int, px: float, py: float, pz: float) -> float:
        x = max(boxes[node, 0] - px, 0.0, px - boxes[node, 3])
        y = max(boxes[node, 1] - py, 0.0, py - boxes[node, 4])
        z = max(boxes[node, 2] - pz, 0.0, pz - boxes[node, 5])
        return x * x + y * y + z * z

    previous = -1
    for i in range(points.shape[0]):
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        best, best_slot, best_feature = math.inf, -1, 0
        if mode == 2 and near_count[i] > 0:
            dx, dy, dz = px - seen_from[i, 0], py - seen_from[i, 1], pz - seen_from[i, 2]
            if dx * dx + dy * dy + dz * dz <= reach * reach:
                for k in range(near_count[i]):
                    slot = near[i, k]
                    square, feature = on_triangle(slot, px, py, pz, spot)
                    if square < best:
                        best, best_slot, best_feature = square, slot, feature
                        found[0], found[1], found[2] = spot[0], spot[1], spot[2]
        if best_slot < 0:
            for turn in range(2):
                hint = int(hints[i]) if turn == 0 else previous
                if hint >= 0 and hint != best_slot:
                    square, feature = on_triangle(hint, px, py, pz, spot)
                    if square < best:
                        best, best_slot, best_feature = square, hint, feature
                        found[0], found[1], found[2] = spot[0], spot[1], spot[2]
            kept = 0  # triangles in the band, or -1 once there are too many
            extra = 2.0 * reach if mode == 1 else 0.0
            limit = (math.sqrt(best) + extra) ** 2 if mode == 1 else best
            size = 1
            stack_node[0], stack_square[0] = 0, to_box(0, px, py, pz)
            while size > 0:
                size -= 1
                if stack_square[size] > limit:
                    continue
                node = stack_node[size]
                if node >= first_leaf:
                    start = (node - first_leaf) * leaf_size
                    for slot in range(start, start + leaf_size):
                        square, feature = on_triangle(slot, px, py, pz, spot)
                        if square < best:
                            best, best_slot, best_feature = square, slot, feature
                            found[0], found[1], found[2] = spot[0], spot[1], spot[2]
                            limit = (math.sqrt(best) + extra) ** 2 if mode == 1 else best
                        if mode == 1 and kept >= 0 and square <= limit:
                            if kept == room:  # drop those that a smaller distance has put outside
                                kept = 0
                                for k in range(room):
                                    if kept_square[k] <= limit:
                                        kept_slot[kept], kept_square[kept] = kept_slot[k], kept_square[k]
                                        kept += 1
                            if kept == room:
                                kept = -1
                            else:
                                kept_slot[kept], kept_square[kept] = slot, square
                                kept += 1
                    continue
                left, right = 2 * node + 1, 2 * node + 2
                to_left, to_right = to_box(left, px, py, pz), to_box(right, px, py, pz)
                if to_left > to_right:
                    left, right, to_left, to_right = right, left, to_right, to_left
                if to_right <= limit:
                    stack_node[size], stack_square[size] = right, to_right
                    size += 1
                if to_left <= limit:
                    stack_node[size], stack_square[size] = left, to_left
                    size += 1
            if mode == 1:
                count = 0
                for k in range(kept):
                    if kept_square[k] <= limit:
                        near[i, count] = kept_slot[k]
                        count += 1
                near_count[i] = count if kept >= 0 else -1
                seen_from[i, 0], seen_from[i, 1], seen_from[i, 2] = px, py, pz
        slot_out[i], square_out[i], feature_out[i] = best_slot, best, best_feature
        closest_out[i, 0], closest_out[i, 1], closest_out[i, 2] = found[0], found[1], found[2]
        previous = best_slot


@kernel(typed("f8:2 f8:2 f8:1 i4:1 i1:1 f8:2 f8:2 f8:1 b1 f8:1w f8:2w", "f8"), label="alignment equations", seconds=2)
def equations_kernel(
    points: Array,
    closest: Array,
    weights: Array,
    slots: Array,
    features: Array,
    corners: Array,
    rotation: Array,
    centre: Array,
    curved: bool,
    gradient: Array,
    hessian: Array,
) -> float:
    """Sum energy, gradient (7,) and Hessian (7, 7) of 1/2 sum w d^2 over (log scale, rotation, translation) of the mesh.

    Points are in the frame of the mesh's present position, `corners` in the mesh's own, from which `rotation` leads to the
    present one; `centre` is the fixed point of scale and rotation.
    d is the distance to the closest point c of a point x, r = x - c. As the closest point slides along its triangle,
    the second derivative of d^2 / 2 by x is N: n n^T inside a triangle (normal n), I - e e^T on an edge (direction e),
    I at a corner. With `curved` the second-order terms of the motion itself are added, so that the whole is Newton's
    method; without, it is Gauss-Newton, whose Hessian is never indefinite.
    """
    energy = 0.0
    jacobian = np.zeros((3, 7), dtype=np.float64)
    normal = np.zeros(3, dtype=np.float64)
    own = np.zeros(3, dtype=np.float64)
    along = np.zeros(7, dtype=np.float64)
    r = np.zeros(3, dtype=np.float64)
    for i in range(points.shape[0]):
        w = weights[i]
        if w == 0.0:
            continue
        slot, feature = slots[i], features[i]
        qx, qy, qz = points[i, 0] - centre[0], points[i, 1] - centre[1], points[i, 2] - centre[2]
        for axis in range(3):
            r[axis] = points[i, axis] - closest[i, axis]
        square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
        energy += 0.5 * w * square
        # y = c + (x - c - t) / s turned back: dy / d(log s, rotation, translation)
        jacobian[0, 0], jacobian[1, 0], jacobian[2, 0] = -qx, -qy, -qz
        jacobian[0, 1], jacobian[0, 2], jacobian[0, 3] = 0.0, -qz, qy
        jacobian[1, 1], jacobian[1, 2], jacobian[1, 3] = qz, 0.0, -qx
        jacobian[2, 1], jacobian[2, 2], jacobian[2, 3] = -qy, qx, 0.0
        jacobian[0, 4], jacobian[1, 5], jacobian[2, 6] = -1.0, -1.0, -1.0
        for k in range(7):
            slope = jacobian[0, k] * r[0] + jacobian[1, k] * r[1] + jacobian[2, k] * r[2]
            gradient[k] += w * slope
        gradient[0] += w * square
        if feature < 4:
            if feature == 0:
                ux, uy, uz = (
                    corners[slot, 3] - corners[slot, 0],
                    corners[slot, 4] - corners[slot, 1],
                    corners[slot, 5] - corners[slot, 2],
                )
                vx, vy, vz = (
                    corners[slot, 6] - corners[slot, 0],
                    corners[slot, 7] - corners[slot, 1],
                    corners[slot, 8] - corners[slot, 2],
                )
                own[0], own[1], own[2] = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            else:  # the edge opposite to corner feature - 1
                a, b = 3 * (feature % 3), 3 * ((feature + 1) % 3)
                for axis in range(3):
                    own[axis] = corners[slot, b + axis] - corners[slot, a + axis]
            length = math.sqrt(own[0] * own[0] + own[1] * own[1] + own[2] * own[2])
            if length > 0.0:
                own[0], own[1], own[2] = own[0] / length, own[1] / length, own[2] / length
            for axis in range(3):
                normal[axis] = rotation[axis, 0] * own[0] + rotation[axis, 1] * own[1] + rotation[axis, 2] * own[2]
            sign = 1.0 if feature == 0 else -1.0
            for k in range(7):
                along[k] = normal[0] * jacobian[0, k] + normal[1] * jacobian[1, k] + normal[2] * jacobian[2, k]
            for k in range(7):
                for m in range(k, 7):
                    hessian[k, m] += sign * w * along[k] * along[m]
        if feature != 0:
            for k in range(7):
                for m in range(k, 7):
                    hessian[k, m] += w * (
                        jacobian[0, k] * jacobian[0, m]
                        + jacobian[1, k] * jacobian[1, m]
                        + jacobian[2, k] * jacobian[2, m]
                    )
        if not curved:
            continue
        rx, ry, rz = r[0], r[1], r[2]
        dot = rx * qx + ry * qy + rz * qz
        # second derivatives of y, times r; and of the factor s^2 that turns lengths of the mesh's frame into the scan's
        hessian[0, 0] += w * (dot - 4.0 * dot + 2.0 * square)
        crossed_x, crossed_y, crossed_z = qy * rz - qz * ry, qz * rx - qx * rz, qx * ry - qy * rx
        slope_x = jacobian[0, 1] * rx + jacobian[1, 1] * ry + jacobian[2, 1] * rz
        slope_y = jacobian[0, 2] * rx + jacobian[1, 2] * ry + jacobian[2, 2] * rz
        slope_z = jacobian[0, 3] * rx + jacobian[1, 3] * ry + jacobian[2, 3] * rz
        hessian[0, 1] += w * (crossed_x + 2.0 * slope_x)
        hessian[0, 2] += w * (crossed_y + 2.0 * slope_y)
        hessian[0, 3] += w * (crossed_z + 2.0 * slope_z)
        hessian[0, 4] += w * (rx - 2.0 * rx)
        hessian[0, 5] += w * (ry - 2.0 * ry)
        hessian[0, 6] += w * (rz - 2.0 * rz)
        hessian[1, 1] += w * (rx * qx - dot)
        hessian[2, 2] += w * (ry * qy - dot)
        hessian[3, 3] += w * (rz * qz - dot)
        hessian[1, 2] += 0.5 * w * (rx * qy + ry * qx)
        hessian[1, 3] += 0.5 * w * (rx * qz + rz * qx)
        hessian[2, 3] += 0.5 * w * (ry * qz + rz * qy)
        hessian[1, 5] += w * rz
        hessian[1, 6] -= w * ry
        hessian[2, 4] -= w * rz
        hessian[2, 6] += w * rx
        hessian[3, 4] += w * ry
        hessian[3, 5] -= w * rx
    for k in range(7):
        for m in range(k):
            hessian[k, m] = hessian[m, k]
    return energy
