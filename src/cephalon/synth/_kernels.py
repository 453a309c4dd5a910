"""Compiled inner loops of the renderer. Arrays come prepared by `render`; shapes: n vertices, t triangles, h x w samples.

Vertex attributes (n, 12) float32: normal (0-2), surrounding light / pi (3-5), its share that arrives (6), opacity (7), strand
direction (8-10), 1 on heads (11).
Material rows (m, 12) float32: rgb (0-2), roughness (3), specular (4), texture number or -1 (5),
softness (6), alpha (7), kind (8: 0 solid, 1 hair, 2 lens), label (9), gloss from the texture's alpha (10), casts a
shadow (11). Lamps (l, 8)
float64: unit direction towards the lamp in camera axes (0-2), rgb irradiance / pi (3-5), softness in texels (6), bias mm (7).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cephalon.geometry.jit import kernel

Array = Any


def _types(types: Any) -> dict[str, Any]:
    def readonly(dtype: Any, ndim: int) -> Any:
        return types.Array(dtype, ndim, "C", readonly=True)

    return {
        "f8": types.float64, "d1": readonly(types.float64, 1), "d2": readonly(types.float64, 2), "d3": readonly(types.float64, 3),
        "s1": readonly(types.float32, 1), "s2": readonly(types.float32, 2),
        "s3": readonly(types.float32, 3), "s4": readonly(types.float32, 4),
        "i2": readonly(types.int32, 2), "i3": readonly(types.int32, 3), "i1": readonly(types.int32, 1),
        "l1": readonly(types.int64, 1), "l2": readonly(types.int64, 2), "q3": readonly(types.uint64, 3),
        "u1": readonly(types.uint8, 1), "u2": readonly(types.uint8, 2), "u3": readonly(types.uint8, 3),
        "D2": types.Array(types.float64, 2, "C"), "S1": types.Array(types.float32, 1, "C"), "S2": types.Array(types.float32, 2, "C"),
        "S3": types.Array(types.float32, 3, "C"), "S4": types.Array(types.float32, 4, "C"), "I2": types.Array(types.int32, 2, "C"),
        "U2": types.Array(types.uint8, 2, "C"), "U3": types.Array(types.uint8, 3, "C"), "B2": types.Array(types.int8, 2, "C"),
    }  # fmt: skip


def signature(names: str) -> Any:
    def build(types: Any) -> Any:
        table = _types(types)
        return types.void(*[table[name] for name in names.split()])

    return build


@kernel(signature("d2 i2 D2"), label="renderer", seconds=20)
def normals_kernel(vertices: Array, faces: Array, normals: Array) -> None:
    """Fill unit vertex normals (n, 3), given as zeros: face normals weighted by the corner's angle."""
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        vx, vy, vz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        wx, wy, wz = vx - ux, vy - uy, vz - uz
        cx, cy, cz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        area = math.sqrt(cx * cx + cy * cy + cz * cz)
        if not area > 0.0:
            continue
        at_i = math.atan2(area, ux * vx + uy * vy + uz * vz)
        at_j = math.atan2(area, -(ux * wx + uy * wy + uz * wz))
        at_k = math.pi - at_i - at_j
        for vertex, angle in ((i, at_i), (j, at_j), (k, at_k)):
            scale = angle / area
            normals[vertex, 0] += scale * cx
            normals[vertex, 1] += scale * cy
            normals[vertex, 2] += scale * cz
    for v in range(normals.shape[0]):
        length = math.sqrt(normals[v, 0] ** 2 + normals[v, 1] ** 2 + normals[v, 2] ** 2)
        if length > 0.0:
            for c in range(3):
                normals[v, c] /= length


@kernel(signature("d2 d2 i2 s2 u1 s2 s2 s1 l2 S2"), label="renderer", seconds=20)
def shadow_kernel(
    vertices: Array, matrix: Array, faces: Array, corner_uv: Array, face_material: Array, materials: Array, attributes: Array,
    texels: Array, texture_info: Array, depth: Array,
) -> None:  # fmt: skip
    """Fill an orthographic depth picture (given as infinity) of vertices (n, 3), which `matrix` (3, 4) takes to texels and mm.

    See-through faces, which have a texture, block where their alpha exceeds 0.45; all faces are solid if `texture_info` is empty.
    """
    height, width = depth.shape
    solid = texture_info.shape[0] == 0
    count = vertices.shape[0]
    points, first_column, first_row = np.zeros((count, 3)), np.zeros(count, np.int32), np.zeros(count, np.int32)
    for v in range(count):
        for c in range(3):
            points[v, c] = (
                matrix[c, 0] * vertices[v, 0]
                + matrix[c, 1] * vertices[v, 1]
                + matrix[c, 2] * vertices[v, 2]
                + matrix[c, 3]
            )
        # the first column and row whose centres do not lie before the vertex
        first_column[v] = math.ceil(min(max(points[v, 0], 0.0), width + 1.0) - 0.5)
        first_row[v] = math.ceil(min(max(points[v, 1], 0.0), height + 1.0) - 0.5)

    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, x1 = (
            min(first_column[i], first_column[j], first_column[k]), max(first_column[i], first_column[j], first_column[k]))  # fmt: skip
        y0, y1 = min(first_row[i], first_row[j], first_row[k]), max(first_row[i], first_row[j], first_row[k])
        if x0 == x1 or y0 == y1:
            continue  # no centre of a texel in its box
        x1, y1 = min(x1, width) - 1, min(y1, height) - 1
        blocks, texture, th, tw = 1.0, 0, 0, 0
        if not solid:
            blocks = materials[face_material[f], 7] * materials[face_material[f], 11]
            if blocks < 0.45:
                continue  # a clear lens lets light through; a tinted one shades
            texture = int(materials[face_material[f], 5])
            th, tw = texture_info[texture, 1], texture_info[texture, 2]
        ax, ay, bx, by, cx, cy = points[i, 0], points[i, 1], points[j, 0], points[j, 1], points[k, 0], points[k, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not (area < 0.0 or (area > 0.0 and (not solid or materials[face_material[f], 10] == 0.0))):
            continue  # of heads, what faces away from the lamp lies in the shade of the rest
        inverse = 1.0 / area
        # weights as functions of x along a row: w = d x + r
        d0, d1 = (by - cy) * inverse, (cy - ay) * inverse
        d2 = -d0 - d1
        n0, n1, n2 = -1.0 / d0, -1.0 / d1, -1.0 / d2
        for row in range(y0, y1 + 1):
            py = row + 0.5
            r0 = (bx * (cy - py) - cx * (by - py)) * inverse
            r1 = (cx * (ay - py) - ax * (cy - py)) * inverse
            # where all three weights d x + r of the row can be 0 or more, with a margin
            e0, e1, e2 = r0 * n0, r1 * n1, (1.0 - r0 - r1) * n2
            low = max(x0 + 0.5, e0 if d0 > 0.0 else 0.0, e1 if d1 > 0.0 else 0.0, e2 if d2 > 0.0 else 0.0)
            high = min(x1 + 0.5, e0 if d0 < 0.0 else 1e9, e1 if d1 < 0.0 else 1e9, e2 if d2 < 0.0 else 1e9)
            for column in range(math.ceil(low - 0.501), math.floor(high - 0.499) + 1):
                px = column + 0.5
                w0 = d0 * px + r0
                w1 = d1 * px + r1
                w2 = 1.0 - w0 - w1
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                z = np.float32(w0 * points[i, 2] + w1 * points[j, 2] + w2 * points[k, 2])
                if z >= depth[row, column]:
                    continue
                if not solid:
                    u = w0 * corner_uv[f, 0] + w1 * corner_uv[f, 2] + w2 * corner_uv[f, 4]
                    v = w0 * corner_uv[f, 1] + w1 * corner_uv[f, 3] + w2 * corner_uv[f, 5]
                    tx, ty = int((u - math.floor(u)) * tw), int((1.0 - (v - math.floor(v))) * th)
                    tx, ty = min(tx, tw - 1), min(ty, th - 1)
                    alpha = texels[texture_info[texture, 0] + 2 * (ty * tw + tx) + 1] * blocks
                    alpha *= w0 * attributes[i, 7] + w1 * attributes[j, 7] + w2 * attributes[k, 7]
                    if alpha < 0.45:
                        continue
                depth[row, column] = z


@kernel(signature("d2 d1 i2 s2 u1 s2 s2 s1 l2 S2 U2 S4"), label="renderer", seconds=20)
def layers_kernel(
    vertices: Array, camera: Array, faces: Array, corner_uv: Array, face_material: Array, materials: Array, attributes: Array,
    texels: Array, texture_info: Array, limit: Array, count: Array, rows: Array,
) -> None:  # fmt: skip
    """Collect for each sample the nearest see-through surfaces before the solid one, nearest first.

    `vertices` (n, 3) are in the frame of the camera, `camera` is (focal, cx, cy). `count` (h, w) is given as zeros; `rows`
    (h, w, K, 6) = (depth, face, two perspective-correct weights, alpha, brightness), side by side because what is read together should
    lie together, are filled up to `count`. Of more than K the farthest are lost. A surface of alpha 0.94 and more counts as opaque:
    what lies behind it is not collected, whatever the order of the faces. `limit` (h, w) is given as the depth of solids, and lowered.
    """
    height, width = count.shape
    most = rows.shape[2]
    number = vertices.shape[0]
    x, y, inverse_depth = np.zeros(number), np.zeros(number), np.zeros(number)
    first_column, first_row = np.zeros(number, np.int32), np.zeros(number, np.int32)
    for v in range(number):
        z = vertices[v, 2]
        if not z > 1e-3:
            first_column[v] = -1  # behind the camera: its faces are not drawn
            continue
        inverse_depth[v] = 1.0 / z
        x[v] = camera[0] * (vertices[v, 0] * inverse_depth[v]) + camera[1]
        y[v] = camera[0] * (vertices[v, 1] * inverse_depth[v]) + camera[2]
        # the first column and row whose centres do not lie before the vertex
        first_column[v] = math.ceil(min(max(x[v], 0.0), width + 1.0) - 0.5)
        first_row[v] = math.ceil(min(max(y[v], 0.0), height + 1.0) - 0.5)

    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        x0, x1 = (
            min(first_column[i], first_column[j], first_column[k]), max(first_column[i], first_column[j], first_column[k]))  # fmt: skip
        y0, y1 = min(first_row[i], first_row[j], first_row[k]), max(first_row[i], first_row[j], first_row[k])
        if x0 == x1 or y0 == y1 or x0 < 0:
            continue  # no centre of a sample in its box
        x1, y1 = min(x1, width) - 1, min(y1, height) - 1
        ax, ay, bx, by, cx, cy = x[i], y[i], x[j], y[j], x[k], y[k]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if not (area < 0.0 or area > 0.0):
            continue
        inverse = 1.0 / area
        q0, q1, q2 = inverse_depth[i], inverse_depth[j], inverse_depth[k]
        texture, face_alpha = int(materials[face_material[f], 5]), materials[face_material[f], 7]
        start, th, tw = texture_info[texture, 0], texture_info[texture, 1], texture_info[texture, 2]
        d0, d1 = (by - cy) * inverse, (cy - ay) * inverse
        d2 = -d0 - d1
        n0, n1, n2 = -1.0 / d0, -1.0 / d1, -1.0 / d2
        for row in range(y0, y1 + 1):
            py = row + 0.5
            s0 = (bx * (cy - py) - cx * (by - py)) * inverse
            s1 = (cx * (ay - py) - ax * (cy - py)) * inverse
            # where all three weights d x + r of the row can be 0 or more, with a margin
            e0, e1, e2 = s0 * n0, s1 * n1, (1.0 - s0 - s1) * n2
            low = max(x0 + 0.5, e0 if d0 > 0.0 else 0.0, e1 if d1 > 0.0 else 0.0, e2 if d2 > 0.0 else 0.0)
            high = min(x1 + 0.5, e0 if d0 < 0.0 else 1e9, e1 if d1 < 0.0 else 1e9, e2 if d2 < 0.0 else 1e9)
            for column in range(math.ceil(low - 0.501), math.floor(high - 0.499) + 1):
                px = column + 0.5
                w0 = d0 * px + s0
                w1 = d1 * px + s1
                w2 = 1.0 - w0 - w1
                if w0 < 0.0 or w1 < 0.0 or w2 < 0.0:
                    continue
                w0, w1, w2 = w0 * q0, w1 * q1, w2 * q2
                z = 1.0 / (w0 + w1 + w2)
                if z >= limit[row, column]:
                    continue
                filled = count[row, column]
                if filled == most and z >= rows[row, column, most - 1, 0]:
                    continue
                w0, w1, w2 = w0 * z, w1 * z, w2 * z
                u = w0 * corner_uv[f, 0] + w1 * corner_uv[f, 2] + w2 * corner_uv[f, 4]
                v = w0 * corner_uv[f, 1] + w1 * corner_uv[f, 3] + w2 * corner_uv[f, 5]
                tx, ty = (u - math.floor(u)) * tw - 0.5, (1.0 - (v - math.floor(v))) * th - 0.5
                c0, r0 = math.floor(tx), math.floor(ty)
                fx, fy = tx - c0, ty - r0
                c1, r1 = c0 + 1, r0 + 1
                c1, r1 = c1 if c1 < tw else 0, r1 if r1 < th else 0
                c0, r0 = c0 if c0 >= 0 else tw - 1, r0 if r0 >= 0 else th - 1
                p00, p01 = start + 2 * (r0 * tw + c0), start + 2 * (r0 * tw + c1)
                p10, p11 = start + 2 * (r1 * tw + c0), start + 2 * (r1 * tw + c1)
                alpha = (texels[p00 + 1] * (1 - fx) + texels[p01 + 1] * fx) * (1 - fy) + (
                    texels[p10 + 1] * (1 - fx) + texels[p11 + 1] * fx
                ) * fy
                alpha *= face_alpha * (w0 * attributes[i, 7] + w1 * attributes[j, 7] + w2 * attributes[k, 7])
                if alpha < 0.02:
                    continue
                bright = (texels[p00] * (1 - fx) + texels[p01] * fx) * (1 - fy) + (
                    texels[p10] * (1 - fx) + texels[p11] * fx
                ) * fy
                if alpha >= 0.94:
                    alpha = 1.0
                    limit[row, column] = z
                    # what was collected behind it goes
                    while filled > 0 and rows[row, column, filled - 1, 0] >= z:
                        filled -= 1
                    count[row, column] = filled
                place = min(filled, most - 1)
                while place > 0 and rows[row, column, place - 1, 0] > z:
                    for c in range(6):
                        rows[row, column, place, c] = rows[row, column, place - 1, c]
                    place -= 1
                rows[row, column, place, 0] = z
                rows[row, column, place, 1] = f
                rows[row, column, place, 2] = w0
                rows[row, column, place, 3] = w1
                rows[row, column, place, 4] = min(alpha, 1.0)
                rows[row, column, place, 5] = bright
                if filled < most:
                    count[row, column] = filled + 1


@kernel(signature("d2 i2 u1 s2 I2"), label="renderer", seconds=20)
def facing_kernel(vertices: Array, faces: Array, face_material: Array, materials: Array, out: Array) -> None:
    """Copy faces (t, 3), but collapse those of heads' skin that face away from a camera at the origin: they are never seen."""
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        if materials[face_material[f], 10] > 0.0:
            ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
            ux, uy, uz = vertices[j, 0] - ax, vertices[j, 1] - ay, vertices[j, 2] - az
            vx, vy, vz = vertices[k, 0] - ax, vertices[k, 1] - ay, vertices[k, 2] - az
            if ax * (uy * vz - uz * vy) + ay * (uz * vx - ux * vz) + az * (ux * vy - uy * vx) > 0.0:
                j, k = i, i
        out[f, 0], out[f, 1], out[f, 2] = i, j, k


@kernel(signature("i2 s3 i2 s2 S3"), label="renderer", seconds=20)
def unit_kernel(face_index: Array, weights: Array, faces: Array, normals: Array, out: Array) -> None:
    """Spread normals of vertices (n, 3 or more) over a raster (h, w) as unit vectors; `out` (h, w, 3) is given as zeros."""
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            f = face_index[row, column]
            if f < 0:
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            w0, w1, w2 = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            x = w0 * normals[i, 0] + w1 * normals[j, 0] + w2 * normals[k, 0]
            y = w0 * normals[i, 1] + w1 * normals[j, 1] + w2 * normals[k, 1]
            z = w0 * normals[i, 2] + w1 * normals[j, 2] + w2 * normals[k, 2]
            square = x * x + y * y + z * z
            if square > 0.0:
                scale = 1.0 / math.sqrt(square)
                out[row, column, 0], out[row, column, 1], out[row, column, 2] = x * scale, y * scale, z * scale


@kernel(signature("i2 s3 i2 d2 d2 d1 d1 s2 s2 f8 S3 S2"), label="renderer", seconds=20)
def texels_kernel(
    face_index: Array, weights: Array, faces: Array, vertices: Array, normals: Array, origin: Array, camera: Array, solid_depth: Array,
    transmitted: Array, tolerance: float, position: Array, visible: Array,
) -> None:  # fmt: skip
    """Place each texel of a chart in space, relative to `origin`, and tell how much of its light arrives at the camera.

    `camera` is (focal, cx, cy) of the picture `transmitted` (h, w); `solid_depth` may be finer. A texel is seen if it faces the camera
    and is no deeper, by more than `tolerance` mm, than the deepest of the four samples around it, as `geometry.point_visibility` has it.
    """
    height, width = transmitted.shape
    fine_h, fine_w = solid_depth.shape
    fine = fine_w / width
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            f = face_index[row, column]
            if f < 0:
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            w0, w1, w2 = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            x = w0 * vertices[i, 0] + w1 * vertices[j, 0] + w2 * vertices[k, 0]
            y = w0 * vertices[i, 1] + w1 * vertices[j, 1] + w2 * vertices[k, 1]
            z = w0 * vertices[i, 2] + w1 * vertices[j, 2] + w2 * vertices[k, 2]
            position[row, column, 0] = x - origin[0]
            position[row, column, 1] = y - origin[1]
            position[row, column, 2] = z - origin[2]
            nx = w0 * normals[i, 0] + w1 * normals[j, 0] + w2 * normals[k, 0]
            ny = w0 * normals[i, 1] + w1 * normals[j, 1] + w2 * normals[k, 1]
            nz = w0 * normals[i, 2] + w1 * normals[j, 2] + w2 * normals[k, 2]
            if z <= 0.0 or nx * x + ny * y + nz * z >= 0.0:
                continue
            px, py = camera[0] * x / z + camera[1], camera[0] * y / z + camera[2]
            if px < 0.0 or py < 0.0 or px >= width or py >= height:
                continue
            c, r = math.floor(px * fine - 0.5), math.floor(py * fine - 0.5)
            c0, c1 = max(c, 0), min(c + 1, fine_w - 1)
            r0, r1 = max(r, 0), min(r + 1, fine_h - 1)
            deepest = max(solid_depth[r0, c0], solid_depth[r0, c1], solid_depth[r1, c0], solid_depth[r1, c1])
            if z <= deepest + tolerance:
                visible[row, column] = transmitted[int(py), int(px)]


@kernel(signature("u2 s4 i2 s2 d1 S3 S2"), label="renderer", seconds=20)
def surface_kernel(
    count: Array, rows: Array, layer_faces: Array, layer_attributes: Array, camera: Array, normals: Array, depth: Array,
) -> None:  # fmt: skip
    """Put the layers that hide more than half of what is behind them before the solids in `normals` (h, w, 3) and `depth` (h, w)."""
    for row in range(count.shape[0]):
        for column in range(count.shape[1]):
            through = 1.0
            for number in range(count[row, column]):
                through *= 1.0 - rows[row, column, number, 4]
                if through <= 0.5:
                    g = int(rows[row, column, number, 1])
                    w0, w1 = rows[row, column, number, 2], rows[row, column, number, 3]
                    w2 = 1.0 - w0 - w1
                    i, j, k = layer_faces[g, 0], layer_faces[g, 1], layer_faces[g, 2]
                    nx = w0 * layer_attributes[i, 0] + w1 * layer_attributes[j, 0] + w2 * layer_attributes[k, 0]
                    ny = w0 * layer_attributes[i, 1] + w1 * layer_attributes[j, 1] + w2 * layer_attributes[k, 1]
                    nz = w0 * layer_attributes[i, 2] + w1 * layer_attributes[j, 2] + w2 * layer_attributes[k, 2]
                    scale = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                    away = nx * (column + 0.5 - camera[1]) / camera[0] + ny * (row + 0.5 - camera[2]) / camera[0] + nz
                    if away > 0.0:
                        scale = -scale
                    normals[row, column, 0], normals[row, column, 1], normals[row, column, 2] = (
                        nx * scale,
                        ny * scale,
                        nz * scale,
                    )
                    depth[row, column] = rows[row, column, number, 0]
                    break
