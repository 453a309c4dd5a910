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

from cephalon.geometry.jit import kernel, typed

# Elements of these are used as numbers, which the stubs of numpy do not allow for indices that are not int.
Array = Any

SMALLEST = 5e-324
CULL_NOTHING, CULL_BACK = 0, 1


@kernel(typed("f8:1 f8:1 f8:1 i4:2 i8 i4:2w f4:3w f4:2w"), label="rasteriser", seconds=3)
def rasterise_kernel(
    x: Array,
    y: Array,
    inverse_depth: Array,
    faces: Array,
    cull: int,
    face_index: npt.NDArray[np.int32],
    barycentric: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float32],
) -> None:
    """Fill `face_index`, `barycentric` and `depth` (given as zeros) from vertices x, y, 1/z and faces."""
    height, width = face_index.shape
    flat_face, flat_barycentric, flat_depth = face_index.reshape(-1), barycentric.reshape(-1), depth.reshape(-1)
    # Indices are unsigned, for which numba skips its test for negative ones.
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)

    def edge(px: float, py: float, qx: float, qy: float, sign: float) -> tuple[float, float, float, float]:
        # The edge function a * x + b * y + c, positive inside, evaluated from the end that comes first by (y, x).
        a, b = sign * (py - qy), sign * (qx - px)
        c = -(a * px + b * py) if py < qy or (py == qy and px < qx) else -(a * qx + b * qy)
        # Of centres on an edge (value 0), the triangle gets those on its left and top edges: the least value that
        # counts as inside is 0 there and the smallest positive number elsewhere.
        least = 0.0 if a > 0.0 or (a == 0.0 and b > 0.0) else SMALLEST
        return a, b, c, least

    def narrowed(left: float, right: float, a: float, crossing: float) -> tuple[float, float]:
        # An edge bounds a row from the left (a > 0) or from the right (a < 0).
        left = crossing if (a > 0.0) & (crossing > left) else left
        right = crossing if (a < 0.0) & (crossing < right) else right
        return left, right

    # First pass: which face is nearest. While this runs, `face_index` holds face + 1, `depth` holds 1/z, and
    # `barycentric` holds the shares of the corners in 1/z.
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
        first_column = math.ceil(max(low_x, 0.0) - 0.5)
        last_column = math.floor(min(high_x, float(width)) - 0.5)
        first_row = math.ceil(max(low_y, 0.0) - 0.5)
        last_row = math.floor(min(high_y, float(height)) - 0.5)
        if last_column < first_column or last_row < first_row:
            continue  # no pixel centre in its box
        sign = 1.0 if area > 0.0 else -1.0
        a0, b0, c0, least0 = edge(bx, by, cx, cy, sign)
        a1, b1, c1, least1 = edge(cx, cy, ax, ay, sign)
        a2, b2, c2, least2 = edge(ax, ay, bx, by, sign)
        slope0 = -1.0 / a0 if a0 != 0.0 else 0.0
        slope1 = -1.0 / a1 if a1 != 0.0 else 0.0
        slope2 = -1.0 / a2 if a2 != 0.0 else 0.0
        per_area = 1.0 / (sign * area)
        q0, q1, q2 = inverse_depth[i] * per_area, inverse_depth[j] * per_area, inverse_depth[k] * per_area
        for row in range(first_row, last_row + 1):
            centre_y = row + 0.5
            r0, r1, r2 = b0 * centre_y + c0, b1 * centre_y + c1, b2 * centre_y + c2
            # The stretch between the edges, with a margin: the exact test below decides at its ends.
            left, right = narrowed(first_column + 0.5, last_column + 0.5, a0, r0 * slope0)
            left, right = narrowed(left, right, a1, r1 * slope1)
            left, right = narrowed(left, right, a2, r2 * slope2)
            if left > right + 1.0:
                continue
            for column in range(math.ceil(left - 0.501), math.floor(right - 0.499) + 1):
                centre_x = column + 0.5
                e0, e1, e2 = a0 * centre_x + r0, a1 * centre_x + r1, a2 * centre_x + r2
                w0, w1, w2 = e0 * q0, e1 * q1, e2 * q2
                nearness = np.float32(w0 + w1 + w2)
                pixel = np.uint64(row * width + column)
                # One branch for the four conditions: where triangles are a few pixels wide, each branch is a guess.
                if (e0 >= least0) & (e1 >= least1) & (e2 >= least2) & (nearness > flat_depth[pixel]):
                    flat_depth[pixel] = nearness
                    flat_face[pixel] = face + 1
                    flat_barycentric[three * pixel] = w0
                    flat_barycentric[three * pixel + one] = w1
                    flat_barycentric[three * pixel + two] = w2

    # Second pass: depths and weights from their reciprocals and shares.
    for place in range(height * width):
        pixel = np.uint64(place)
        flat_face[pixel] -= 1
        distance = np.float32(1.0) / flat_depth[pixel]  # infinity where there is nothing
        scale = distance if flat_depth[pixel] > 0.0 else np.float32(0.0)
        flat_depth[pixel] = distance
        flat_barycentric[three * pixel] *= scale
        flat_barycentric[three * pixel + one] *= scale
        flat_barycentric[three * pixel + two] *= scale


def rasterise_plain(
    x: Array,
    y: Array,
    inverse_depth: Array,
    faces: Array,
    cull: int,
    face_index: npt.NDArray[np.int32],
    barycentric: npt.NDArray[np.float32],
    depth: npt.NDArray[np.float32],
) -> None:
    """Do what `rasterise_kernel` does, one face at a time over all pixels of its bounding box."""
    height, width = face_index.shape
    nearest = np.zeros((height, width), dtype=np.float32)
    face_index[...] = -1
    for face, (i, j, k) in enumerate(faces):
        corner = [(x[i], y[i]), (x[j], y[j]), (x[k], y[k])]
        (ax, ay), (bx, by), (cx, cy) = corner
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not (area < 0 or (area > 0 and cull == CULL_NOTHING)) or np.isinf(area):
            continue
        columns = _centres_between(min(ax, bx, cx), max(ax, bx, cx), width)
        rows = _centres_between(min(ay, by, cy), max(ay, by, cy), height)
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
            weights.append(e * (near * (1.0 / (sign * area))))
        nearness = weights[0] + weights[1] + weights[2]
        box = np.ix_(rows, columns)
        wins = inside & (nearness.astype(np.float32) > nearest[box])
        in_box = np.nonzero(wins)
        pixels = rows[in_box[0]], columns[in_box[1]]
        nearest[pixels] = nearness[wins]
        face_index[pixels] = face
        barycentric[pixels] = np.stack([weight[wins] for weight in weights], axis=-1)
    depth[...] = np.float32(1) / nearest
    barycentric *= np.where(nearest > 0, depth, np.float32(0))[..., None]


def _centres_between(low: float, high: float, count: int) -> npt.NDArray[np.intp]:
    """Return the pixels from 0 to count - 1 whose centres lie in [low, high]."""
    first = math.ceil(min(max(low, 0.0), count) - 0.5)
    last = math.floor(max(min(high, count), 0.0) - 0.5)
    return np.arange(first, last + 1)
