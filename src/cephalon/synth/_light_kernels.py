"""Compiled inner loops between meshes and pictures: light on vertices, samples into pixels, maps of numbers. Arrays as in `_kernels`."""

from __future__ import annotations

import math
from typing import Any

from cephalon.geometry.jit import kernel
from cephalon.synth._kernels import signature

Array = Any


@kernel(signature("d2 i2 d2 l1 D2 S2"), label="renderer", seconds=20)
def light_kernel(
    vertices: Array, faces: Array, harmonics: Array, two_sided: Array, normals: Array, attributes: Array
) -> None:
    """Fill normal and light of the vertices that are no head's, in place; faces count by their area, `normals` is given as zeros.

    `harmonics` (9, 3) are radiance coefficients times the cosine lobe's / pi. A vertex that has a normal keeps it. With
    two_sided[0] the light is that of the side that faces the camera.
    """
    for f in range(faces.shape[0]):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        if attributes[i, 11] > 0.0:
            continue
        ux, uy, uz = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        vx, vy, vz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        cx, cy, cz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for vertex in (i, j, k):
            normals[vertex, 0] += cx
            normals[vertex, 1] += cy
            normals[vertex, 2] += cz
    for v in range(vertices.shape[0]):
        if attributes[v, 11] > 0.0:
            continue
        x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
        if attributes[v, 0] != 0.0 or attributes[v, 1] != 0.0 or attributes[v, 2] != 0.0:
            x, y, z = float(attributes[v, 0]), float(attributes[v, 1]), float(attributes[v, 2])
        length = math.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            x, y, z = x / length, y / length, z / length
        attributes[v, 0], attributes[v, 1], attributes[v, 2] = x, y, z
        if two_sided[0] != 0 and x * vertices[v, 0] + y * vertices[v, 1] + z * vertices[v, 2] > 0.0:
            x, y, z = -x, -y, -z
        share = attributes[v, 6]
        for c in range(3):
            # the basis of `light.sh_basis`
            value = 0.28209479 * harmonics[0, c]
            value += 0.48860251 * (y * harmonics[1, c] + z * harmonics[2, c] + x * harmonics[3, c])
            value += 1.09254843 * (x * y * harmonics[4, c] + y * z * harmonics[5, c] + x * z * harmonics[7, c])
            value += 0.31539157 * (3 * z * z - 1) * harmonics[6, c] + 0.54627422 * (x * x - y * y) * harmonics[8, c]
            attributes[v, 3 + c] = max(value, 0.0) * share
        attributes[v, 6] = min(share, 1.0)


@kernel(signature("s3 i2 s2 d1 s3 l1 S3 S2"), label="renderer", seconds=20)
def resolve_kernel(
    image: Array,
    solid_face: Array,
    passed: Array,
    exposure: Array,
    behind: Array,
    side: Array,
    linear: Array,
    transmitted: Array,
) -> None:
    """Average side[0]^2 samples a pixel: the exposed light with what shows from behind, and the share that layers let through."""
    s = side[0]
    share = 1.0 / (s * s)
    for row in range(linear.shape[0]):
        for column in range(linear.shape[1]):
            red, green, blue, through, open_share = 0.0, 0.0, 0.0, 0.0, 0.0
            for r in range(row * s, (row + 1) * s):
                for c in range(column * s, (column + 1) * s):
                    red += min(image[r, c, 0] * exposure[0], 30.0)
                    green += min(image[r, c, 1] * exposure[1], 30.0)
                    blue += min(image[r, c, 2] * exposure[2], 30.0)
                    through += passed[r, c]
                    if solid_face[r, c] < 0:
                        open_share += passed[r, c]
            transmitted[row, column] = through * share
            open_share *= share
            linear[row, column, 0] = red * share + open_share * behind[row, column, 0]
            linear[row, column, 1] = green * share + open_share * behind[row, column, 1]
            linear[row, column, 2] = blue * share + open_share * behind[row, column, 2]


@kernel(signature("i2 s3 s2 l1 s2 u1 S2 S3 B2 U2"), label="renderer", seconds=20)
def places_kernel(
    face_index: Array, weights: Array, raster_depth: Array, faces_a_head: Array, corner_uv: Array, part_of_face: Array, depth: Array,
    uv: Array, head_index: Array, part: Array,
) -> None:  # fmt: skip
    """Fill depth, uv, number of the head and of its part where a raster of heads shows something; given as those of nothing."""
    count = faces_a_head[0]
    for row in range(face_index.shape[0]):
        for column in range(face_index.shape[1]):
            f = face_index[row, column]
            if f < 0:
                continue
            own = f % count
            w0, w1, w2 = weights[row, column, 0], weights[row, column, 1], weights[row, column, 2]
            uv[row, column, 0] = w0 * corner_uv[own, 0] + w1 * corner_uv[own, 2] + w2 * corner_uv[own, 4]
            uv[row, column, 1] = w0 * corner_uv[own, 1] + w1 * corner_uv[own, 3] + w2 * corner_uv[own, 5]
            depth[row, column] = raster_depth[row, column]
            head_index[row, column] = f // count
            part[row, column] = part_of_face[own]


@kernel(signature("s3 i2 u1 U3"), label="renderer", seconds=20)
def codes_kernel(albedo: Array, face_index: Array, table: Array, code: Array) -> None:
    """Average the albedo (s, s, 4) into the texels of `code` (c, c, 3), c dividing s, where the chart shows a face, coded by a table."""
    step = albedo.shape[0] // code.shape[0]
    scale = (table.shape[0] - 1.0) / (step * step)
    for row in range(code.shape[0]):
        for column in range(code.shape[1]):
            if face_index[row, column] < 0:
                continue
            for c in range(3):
                total = 0.0
                for r in range(row * step, (row + 1) * step):
                    for d in range(column * step, (column + 1) * step):
                        total += albedo[r, d, c]
                code[row, column, c] = table[int(min(max(total * scale, 0.0), table.shape[0] - 1.0) + 0.5)]
