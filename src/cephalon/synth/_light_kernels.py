"""Compiled inner loops between meshes and pictures: light on vertices, samples into pixels, maps of numbers. Arrays as in `_kernels`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cephalon.geometry.jit import kernel
from cephalon.synth._kernels import signature
from cephalon.synth._shading import LINEAR

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


@kernel(signature("s3 s2 d1 S3"), label="renderer", seconds=20)
def expose_kernel(image: Array, open_share: Array, exposure: Array, linear: Array) -> None:
    """Put the exposed light of an image (h, w, 3) before `linear` (h, w, 3), which shows by the open share (h, w) of each pixel."""
    for row in range(linear.shape[0]):
        for column in range(linear.shape[1]):
            through = open_share[row, column]
            for c in range(3):
                light = min(image[row, column, c] * exposure[c], 30.0)
                linear[row, column, c] = light + through * linear[row, column, c]


@kernel(signature("s3 s1 S3 S3"), label="renderer", seconds=20)
def blur_kernel(light: Array, weights: Array, work: Array, out: Array) -> None:
    """Blur (h, w, c) along columns into `work`, then along rows into `out`, by an even kernel's weights (middle first).

    The picture is mirrored at its border; the kernel reaches at most as far as the picture is wide and high.
    """
    height, width, channels = light.shape
    source, half, target = light.reshape(height, -1), work.reshape(height, -1), out.reshape(height, -1)
    reach = weights.shape[0] - 1
    for row in range(height):
        for c in range(width * channels):
            half[row, c] = weights[0] * source[row, c]
        for k in range(1, weights.shape[0]):
            above = source[row - k if row >= k else k - row - 1]
            below = source[row + k if row + k < height else 2 * height - 1 - row - k]
            for c in range(width * channels):
                half[row, c] += weights[k] * (above[c] + below[c])
        # away from the ends of the row, in one go
        first, count = reach * channels, max(width - 2 * reach, 0) * channels
        middle, into = half[row, first : first + count], target[row, first : first + count]
        for c in range(count):
            into[c] = weights[0] * middle[c]
        for k in range(1, weights.shape[0] if count > 0 else 0):
            left = half[row, first - k * channels : first - k * channels + count]
            right = half[row, first + k * channels : first + k * channels + count]
            for c in range(count):
                into[c] += weights[k] * (left[c] + right[c])
        for step in range(min(2 * reach, width)):
            column = step if step < reach else width - 1 - (step - reach)
            for c in range(channels):
                total = weights[0] * half[row, column * channels + c]
                for k in range(1, weights.shape[0]):
                    before = column - k if column >= k else k - column - 1
                    after = column + k if column + k < width else 2 * width - 1 - column - k
                    total += weights[k] * (half[row, before * channels + c] + half[row, after * channels + c])
                target[row, column * channels + c] = total


@kernel(signature("s3 q3 d1 s1 U3"), label="renderer", seconds=20)
def develop_kernel(light: Array, dice: Array, values: Array, tone: Array, code: Array) -> None:
    """Turn linear light (h, w, 3) into an 8-bit picture `code` (h, w, 3), with noise out of 64 random bits a value.

    `values` are the gains of the channels (0-2), the vignette (3), the noise at mid grey as linear light (4), the saturation (5), and
    how many entries of `tone`, which gives sRGB values of light from 0, go to a unit of light (6).
    """
    height, width = code.shape[0], code.shape[1]
    last = tone.shape[0] - 1
    red_gain, green_gain, blue_gain, vignette, sigma, saturation, steps = values
    shot, read = 0.85 * sigma / math.sqrt(0.218), 0.15 * sigma
    sixteen, low = np.uint64(16), np.uint64(0xFFFF)
    unit = (
        math.sqrt(3.0) / 65535.5
    )  # the sum of four even draws of 16 bits, less its mean, times this has a deviation of 1

    def toned(value: float, bits: int) -> float:
        # Shot noise grows with the root of the light, read noise does not: both as parts of the deviation at mid grey.
        total = (
            (bits & low) + ((bits >> sixteen) & low) + ((bits >> (sixteen + sixteen)) & low) + (bits >> np.uint64(48))
        )
        noise = (np.int64(total) - 131070) * unit
        value += noise * (shot * math.sqrt(max(value, 0.0)) + read)
        return tone[min(int(max(value, 0.0) * steps + 0.5), last)]

    for row in range(height):
        y = -1.0 + 2.0 * row / max(height - 1, 1)
        for column in range(width):
            x = -1.0 + 2.0 * column / max(width - 1, 1)
            dimmed = 1.0 - vignette * 0.5 * (x * x + y * y)
            red = toned(light[row, column, 0] * red_gain * dimmed, dice[row, column, 0])
            green = toned(light[row, column, 1] * green_gain * dimmed, dice[row, column, 1])
            blue = toned(light[row, column, 2] * blue_gain * dimmed, dice[row, column, 2])
            grey = 0.299 * red + 0.587 * green + 0.114 * blue
            red, green, blue = (
                grey + (red - grey) * saturation, grey + (green - grey) * saturation, grey + (blue - grey) * saturation)  # fmt: skip
            code[row, column, 0] = int(min(max(red, 0.0), 1.0) * 255 + 0.5)
            code[row, column, 1] = int(min(max(green, 0.0), 1.0) * 255 + 0.5)
            code[row, column, 2] = int(min(max(blue, 0.0), 1.0) * 255 + 0.5)


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


@kernel(signature("u3 i2 u1 U3"), label="renderer", seconds=20)
def codes_kernel(albedo: Array, face_index: Array, srgb: Array, code: Array) -> None:
    """Average the sRGB bytes `albedo` (s, s, 4), as light, into the texels of `code` (c, c, 3), c dividing s, where the chart has a face.

    `srgb` are the bytes of linear values from 0 to 1.
    """
    step = albedo.shape[0] // code.shape[0]
    scale = (srgb.shape[0] - 1.0) / (step * step)
    for row in range(code.shape[0]):
        for column in range(code.shape[1]):
            if face_index[row, column] < 0:
                continue
            for c in range(3):
                if step == 1:
                    code[row, column, c] = albedo[row, column, c]
                    continue
                total = 0.0
                for r in range(row * step, (row + 1) * step):
                    for d in range(column * step, (column + 1) * step):
                        total += LINEAR[albedo[r, d, c]]
                code[row, column, c] = srgb[int(total * scale + 0.5)]
