"""The rasteriser's inner loop: the compiled form and its plain NumPy twin.

Both evaluate the same float64 expressions in the same order, so their results are equal bit for bit.

Vertices come with x and y rounded to 1/4096 px. Within +-8192 px the edge functions are then exact in float64
(26-bit differences times 25-bit coordinates), so a pixel centre on a common edge gives exactly 0 from both sides
and the top-left rule hands it to one triangle alone. Farther out they are rounded, yet alike from both sides,
because each edge is evaluated from its smaller end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.geometry.jit import kernel

EXACT_PIXELS = 8192.0
CULL_NOTHING, CULL_BACK = 0, 1


def _signature(types: Any) -> Any:
    def readonly(dtype: Any, ndim: int) -> Any:
        return types.Array(dtype, ndim, "C", readonly=True)

    vector = readonly(types.float64, 1)
    return types.void(
        vector,
        vector,
        vector,
        readonly(types.int32, 2),
        types.int64,
        types.Array(types.int32, 2, "C"),
        types.Array(types.float32, 3, "C"),
        types.Array(types.float32, 2, "C"),
    )


@kernel(_signature, label="rasteriser", seconds=4)
def rasterise_kernel(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    inverse_depth: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int32],
    cull: int,
    face_index: npt.NDArray[np.int32],
    barycentric: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float32],
) -> None:
    """Fill `face_index`, `barycentric` and `depth` (given as zeros) from vertices x, y, 1/z and faces."""
    height, width = face_index.shape
    # First pass: which face is nearest. `face_index` holds face + 1 and `depth` holds 1/z while this runs.
    for face in range(faces.shape[0]):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        ax, ay, bx, by, cx, cy = x[i], y[i], x[j], y[j], x[k], y[k]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not (area < 0.0 or (area > 0.0 and cull == 0)):
            continue  # no area, NaN, or seen from behind
        low_x, high_x = min(ax, bx, cx), max(ax, bx, cx)
        low_y, high_y = min(ay, by, cy), max(ay, by, cy)
        if not (high_x > 0.0 and high_y > 0.0 and low_x < width and low_y < height and abs(area) < math.inf):
            continue
        first_column = int(math.ceil(max(low_x, 0.0) - 0.5))
        last_column = int(math.floor(min(high_x, float(width)) - 0.5))
        first_row = int(math.ceil(max(low_y, 0.0) - 0.5))
        last_row = int(math.floor(min(high_y, float(height)) - 0.5))
        if last_column < first_column or last_row < first_row:
            continue
        # Edge functions e = a * x + b * y + c, positive inside; edge 0 is opposite to corner 0, and so on.
        sign = 1.0 if area > 0.0 else -1.0
        a0, b0 = sign * (by - cy), sign * (cx - bx)
        a1, b1 = sign * (cy - ay), sign * (ax - cx)
        a2, b2 = sign * (ay - by), sign * (bx - ax)
        c0 = -(a0 * bx + b0 * by) if by < cy or (by == cy and bx < cx) else -(a0 * cx + b0 * cy)
        c1 = -(a1 * cx + b1 * cy) if cy < ay or (cy == ay and cx < ax) else -(a1 * ax + b1 * ay)
        c2 = -(a2 * ax + b2 * ay) if ay < by or (ay == by and ax < bx) else -(a2 * bx + b2 * by)
        # A centre on an edge belongs to the triangle whose left or top edge it is.
        owns0 = a0 > 0.0 or (a0 == 0.0 and b0 > 0.0)
        owns1 = a1 > 0.0 or (a1 == 0.0 and b1 > 0.0)
        owns2 = a2 > 0.0 or (a2 == 0.0 and b2 > 0.0)
        total = sign * area
        q0, q1, q2 = inverse_depth[i] / total, inverse_depth[j] / total, inverse_depth[k] / total
        for row in range(first_row, last_row + 1):
            centre_y = row + 0.5
            r0, r1, r2 = b0 * centre_y + c0, b1 * centre_y + c1, b2 * centre_y + c2
            for column in range(first_column, last_column + 1):
                centre_x = column + 0.5
                e0, e1, e2 = a0 * centre_x + r0, a1 * centre_x + r1, a2 * centre_x + r2
                if e0 < 0.0 or e1 < 0.0 or e2 < 0.0:
                    continue
                if (e0 == 0.0 and not owns0) or (e1 == 0.0 and not owns1) or (e2 == 0.0 and not owns2):
                    continue
                nearness = np.float32(e0 * q0 + e1 * q1 + e2 * q2)
                if nearness > depth[row, column]:
                    depth[row, column] = nearness
                    face_index[row, column] = face + 1
    # Second pass: the weights and the depth of the winners, run by run along each row.
    for row in range(height):
        centre_y = row + 0.5
        current = -1
        for column in range(width):
            face = face_index[row, column] - 1
            face_index[row, column] = face
            if face < 0:
                depth[row, column] = math.inf
                continue
            if face != current:
                current = face
                i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
                ax, ay, bx, by, cx, cy = x[i], y[i], x[j], y[j], x[k], y[k]
                area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
                sign = 1.0 if area > 0.0 else -1.0
                a0, b0 = sign * (by - cy), sign * (cx - bx)
                a1, b1 = sign * (cy - ay), sign * (ax - cx)
                a2, b2 = sign * (ay - by), sign * (bx - ax)
                c0 = -(a0 * bx + b0 * by) if by < cy or (by == cy and bx < cx) else -(a0 * cx + b0 * cy)
                c1 = -(a1 * cx + b1 * cy) if cy < ay or (cy == ay and cx < ax) else -(a1 * ax + b1 * ay)
                c2 = -(a2 * ax + b2 * ay) if ay < by or (ay == by and ax < bx) else -(a2 * bx + b2 * by)
                r0, r1, r2 = b0 * centre_y + c0, b1 * centre_y + c1, b2 * centre_y + c2
                total = sign * area
                q0, q1, q2 = inverse_depth[i] / total, inverse_depth[j] / total, inverse_depth[k] / total
            centre_x = column + 0.5
            w0, w1, w2 = (a0 * centre_x + r0) * q0, (a1 * centre_x + r1) * q1, (a2 * centre_x + r2) * q2
            distance = 1.0 / (w0 + w1 + w2)
            barycentric[row, column, 0] = w0 * distance
            barycentric[row, column, 1] = w1 * distance
            barycentric[row, column, 2] = w2 * distance
            depth[row, column] = distance


def rasterise_plain(
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    inverse_depth: npt.NDArray[np.float64],
    faces: npt.NDArray[np.int32],
    cull: int,
    face_index: npt.NDArray[np.int32],
    barycentric: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float32],
) -> None:
    """Do what `rasterise_kernel` does, one face at a time over all pixels of its bounding box."""
    height, width = face_index.shape
    nearest = np.zeros((height, width), dtype=np.float32)
    face_index[...] = -1
    depth[...] = np.inf
    for face, (i, j, k) in enumerate(faces):
        corner = [(x[i], y[i]), (x[j], y[j]), (x[k], y[k])]
        (ax, ay), (bx, by), (cx, cy) = corner
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not (area < 0 or (area > 0 and cull == CULL_NOTHING)) or np.isinf(area):
            continue
        columns = np.arange(max(0, np.ceil(min(ax, bx, cx, width) - 0.5)), min(width, max(ax, bx, cx, 0) + 0.5))
        rows = np.arange(max(0, np.ceil(min(ay, by, cy, height) - 0.5)), min(height, max(ay, by, cy, 0) + 0.5))
        columns, rows = columns.astype(np.intp), rows.astype(np.intp)
        if not (columns.size and rows.size):
            continue
        sign = 1.0 if area > 0 else -1.0
        inside = np.ones((len(rows), len(columns)), dtype=bool)
        weights = []
        for (px, py), (qx, qy), near in (
            (corner[1], corner[2], inverse_depth[i]),
            (corner[2], corner[0], inverse_depth[j]),
            (corner[0], corner[1], inverse_depth[k]),
        ):
            a, b = sign * (py - qy), sign * (qx - px)
            c = -(a * px + b * py) if (py, px) < (qy, qx) else -(a * qx + b * qy)
            e = a * (columns + 0.5) + (b * (rows + 0.5) + c)[:, None]
            inside &= (e >= 0) if (a > 0 or (a == 0 and b > 0)) else (e > 0)
            weights.append(e * (near / (sign * area)))
        nearness = weights[0] + weights[1] + weights[2]
        box = np.ix_(rows, columns)
        wins = inside & (nearness.astype(np.float32) > nearest[box])
        winner_rows, winner_columns = rows[np.nonzero(wins)[0]], columns[np.nonzero(wins)[1]]
        distance = 1.0 / nearness[wins]
        nearest[winner_rows, winner_columns] = nearness[wins]
        face_index[winner_rows, winner_columns] = face
        depth[winner_rows, winner_columns] = distance
        for corner_number in range(3):
            barycentric[winner_rows, winner_columns, corner_number] = weights[corner_number][wins] * distance
