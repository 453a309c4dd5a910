"""Compiled inner loops that make colours: shading of samples, and the skin's texture. Arrays as in `_kernels`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cephalon.geometry.jit import kernel
from cephalon.synth._kernels import signature

Array = Any


@kernel(
    signature("i2 s3 s2 i2 s2 u1 s2 s2 s1 u1 l2 d2 d3 s3 d2 s3 s4 d1 u2 s4 i2 u1 s2 S3 U2 S2"),
    label="renderer",
    seconds=20,
)
def shade_kernel(
    solid_face: Array, solid_weights: Array, solid_depth: Array, faces: Array, corner_uv: Array, face_material: Array, attributes: Array,
    materials: Array, texels: Array, texel_label: Array, texture_info: Array, lamps: Array,
    shadow_maps_from_camera: Array, shadow_maps: Array,
    world_from_camera: Array,
    mirror: Array, glossy: Array, camera: Array, layer_count: Array, layer_rows: Array, layer_faces: Array,
    layer_material: Array, layer_attributes: Array, image: Array, label: Array, transmitted: Array,
) -> None:  # fmt: skip
    """Shade the layers and, where they let light pass, the solids behind them, into `image` (h, w, 3), given as zeros.

    `solid_face`, `solid_weights` and `solid_depth` come from the rasteriser, `layer_count` and `layer_rows` from `layers_kernel`.
    `camera` is (focal, cx, cy). `label` (h, w) and `transmitted` (h, w), the share of light that passes the layers, are filled.
    """
    height, width = label.shape
    focal, centre_x, centre_y = camera[0], camera[1], camera[2]
    number_of_lamps = lamps.shape[0]
    map_side = shadow_maps.shape[1]
    mirror_h, mirror_w = mirror.shape[0], mirror.shape[1]
    glossy_h, glossy_w = glossy.shape[1], glossy.shape[2]

    def arrives(lamp: int, px: float, py: float, pz: float, taps: int) -> float:
        # Share of a lamp's light at a point, by so many taps (up to five) of the shadow map.
        m = shadow_maps_from_camera[lamp]
        u = m[0, 0] * px + m[0, 1] * py + m[0, 2] * pz + m[0, 3]
        v = m[1, 0] * px + m[1, 1] * py + m[1, 2] * pz + m[1, 3]
        z = m[2, 0] * px + m[2, 1] * py + m[2, 2] * pz + m[2, 3]
        soft = lamps[lamp, 6]
        bias = lamps[lamp, 7]
        lit, weight = 0.0, 1.0 / taps
        z -= bias
        if taps == 1:
            row, column = int(v), int(u)
            if row < 0 or column < 0 or row >= map_side or column >= map_side or z <= shadow_maps[lamp, row, column]:
                lit = 1.0
            return lit
        up, down, left, right = int(v - soft), int(v + soft), int(u - soft), int(u + soft)
        if up < 0 or left < 0 or down >= map_side or right >= map_side:
            for tap in range(taps):
                dx = soft if tap in (1, 2) else (-soft if tap > 2 else 0.0)
                dy = soft if tap in (1, 3) else (-soft if tap in (2, 4) else 0.0)
                row, column = int(v + dy), int(u + dx)
                if row < 0 or column < 0 or row >= map_side or column >= map_side:
                    lit += weight
                elif z <= shadow_maps[lamp, row, column]:
                    lit += weight
            return lit
        lit += weight if z <= shadow_maps[lamp, int(v), int(u)] else 0.0
        lit += weight if z <= shadow_maps[lamp, down, right] else 0.0
        lit += weight if z <= shadow_maps[lamp, up, right] else 0.0
        lit += weight if z <= shadow_maps[lamp, down, left] else 0.0
        lit += weight if z <= shadow_maps[lamp, up, left] else 0.0
        return lit

    def around(dx: float, dy: float, dz: float) -> tuple[float, float]:
        # Place in an octahedral picture of the surroundings (share of height, share of width) of a camera direction.
        wx = world_from_camera[0, 0] * dx + world_from_camera[0, 1] * dy + world_from_camera[0, 2] * dz
        wy = world_from_camera[1, 0] * dx + world_from_camera[1, 1] * dy + world_from_camera[1, 2] * dz
        wz = world_from_camera[2, 0] * dx + world_from_camera[2, 1] * dy + world_from_camera[2, 2] * dz
        scale = 1.0 / max(abs(wx) + abs(wy) + abs(wz), 1e-9)
        u, v = wx * scale, wz * scale
        if wy < 0.0:
            u, v = (1.0 - abs(v)) * (1.0 if u >= 0.0 else -1.0), (1.0 - abs(u)) * (1.0 if v >= 0.0 else -1.0)
        return 0.5 + 0.5 * v, 0.5 + 0.5 * u

    for row in range(height):
        for column in range(width):
            f = solid_face[row, column]
            layers = layer_count[row, column]
            transmitted[row, column] = 1.0
            label[row, column] = 0
            if f < 0 and layers == 0:
                continue
            ray_x, ray_y = (column + 0.5 - centre_x) / focal, (row + 0.5 - centre_y) / focal
            length = math.sqrt(ray_x * ray_x + ray_y * ray_y + 1.0)
            view_x, view_y, view_z = -ray_x / length, -ray_y / length, -1.0 / length
            kind = np.uint8(0)
            through = 1.0
            ar, ag, ab = 0.0, 0.0, 0.0
            for number in range(layers):
                z, g = layer_rows[row, column, number, 0], int(layer_rows[row, column, number, 1])
                w0, w1 = layer_rows[row, column, number, 2], layer_rows[row, column, number, 3]
                w2 = 1.0 - w0 - w1
                alpha, bright = layer_rows[row, column, number, 4], layer_rows[row, column, number, 5]
                i, j, k = layer_faces[g, 0], layer_faces[g, 1], layer_faces[g, 2]
                m = layer_material[g]
                nx = w0 * layer_attributes[i, 0] + w1 * layer_attributes[j, 0] + w2 * layer_attributes[k, 0]
                ny = w0 * layer_attributes[i, 1] + w1 * layer_attributes[j, 1] + w2 * layer_attributes[k, 1]
                nz = w0 * layer_attributes[i, 2] + w1 * layer_attributes[j, 2] + w2 * layer_attributes[k, 2]
                scale = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                facing = (nx * view_x + ny * view_y + nz * view_z) * scale
                if facing < 0.0:
                    scale, facing = -scale, -facing
                nx, ny, nz = nx * scale, ny * scale, nz * scale
                cr = w0 * layer_attributes[i, 3] + w1 * layer_attributes[j, 3] + w2 * layer_attributes[k, 3]
                cg = w0 * layer_attributes[i, 4] + w1 * layer_attributes[j, 4] + w2 * layer_attributes[k, 4]
                cb = w0 * layer_attributes[i, 5] + w1 * layer_attributes[j, 5] + w2 * layer_attributes[k, 5]
                share = w0 * layer_attributes[i, 6] + w1 * layer_attributes[j, 6] + w2 * layer_attributes[k, 6]
                red, green, blue = materials[m, 0] * bright, materials[m, 1] * bright, materials[m, 2] * bright
                sr, sg, sb = 0.0, 0.0, 0.0
                px, py, pz = ray_x * z, ray_y * z, z
                if materials[m, 8] == 2.0:
                    # a lens: a mirror's share of what it faces, and its tint
                    rx, ry, rz = 2 * facing * nx - view_x, 2 * facing * ny - view_y, 2 * facing * nz - view_z
                    at_h, at_w = around(rx, ry, rz)
                    r0, c0 = min(int(at_h * mirror_h), mirror_h - 1), min(int(at_w * mirror_w), mirror_w - 1)
                    fresnel = materials[m, 4] + (1.0 - materials[m, 4]) * (1.0 - min(facing, 1.0)) ** 5
                    ar += through * fresnel * min(mirror[r0, c0, 0], 6.0)
                    ag += through * fresnel * min(mirror[r0, c0, 1], 6.0)
                    ab += through * fresnel * min(mirror[r0, c0, 2], 6.0)
                    ar += through * alpha * red * cr
                    ag += through * alpha * green * cg
                    ab += through * alpha * blue * cb
                    alpha = alpha + (1 - alpha) * fresnel
                else:
                    tx = w0 * layer_attributes[i, 8] + w1 * layer_attributes[j, 8] + w2 * layer_attributes[k, 8]
                    ty = w0 * layer_attributes[i, 9] + w1 * layer_attributes[j, 9] + w2 * layer_attributes[k, 9]
                    tz = w0 * layer_attributes[i, 10] + w1 * layer_attributes[j, 10] + w2 * layer_attributes[k, 10]
                    scale = 1.0 / max(math.sqrt(tx * tx + ty * ty + tz * tz), 1e-9)
                    tx, ty, tz = tx * scale, ty * scale, tz * scale
                    for lamp in range(number_of_lamps):
                        lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
                        cosine = nx * lx + ny * ly + nz * lz
                        wrapped = 0.3 + 0.7 * cosine
                        if wrapped <= 0.0:
                            continue
                        # light goes some way into hair; what lies deeper is seen through strands, which blur its shadow
                        taps = 5 if number == 0 else 1
                        lit = arrives(lamp, px + 9.0 * lx, py + 9.0 * ly, pz + 9.0 * lz, taps) * (0.4 + 0.6 * share)
                        if lit == 0.0:
                            continue
                        along = tx * lx + ty * ly + tz * lz
                        across = math.sqrt(max(1.0 - along * along, 0.0))
                        hx, hy, hz = lx + view_x, ly + view_y, lz + view_z
                        hl = 1.0 / max(math.sqrt(hx * hx + hy * hy + hz * hz), 1e-9)
                        th_ = (tx * hx + ty * hy + tz * hz) * hl
                        sine = max(1.0 - th_ * th_, 0.0)
                        # Kajiya and Kay's two lobes: one white and narrow, one in the hair's colour and broad.
                        narrow, broad = 0.07 * sine**40, 0.9 * sine**9
                        diffuse = lit * wrapped * across
                        shine = lit * max(wrapped, 0.0)
                        cr += diffuse * lamps[lamp, 3] + shine * broad * lamps[lamp, 3]
                        cg += diffuse * lamps[lamp, 4] + shine * broad * lamps[lamp, 4]
                        cb += diffuse * lamps[lamp, 5] + shine * broad * lamps[lamp, 5]
                        sr += shine * narrow * lamps[lamp, 3]
                        sg += shine * narrow * lamps[lamp, 4]
                        sb += shine * narrow * lamps[lamp, 5]
                    # the surroundings' highlight, seen across the strand
                    rx, ry, rz = 2 * facing * nx - view_x, 2 * facing * ny - view_y, 2 * facing * nz - view_z
                    at_h, at_w = around(rx, ry, rz)
                    r0, c0 = min(int(at_h * glossy_h), glossy_h - 1), min(int(at_w * glossy_w), glossy_w - 1)
                    sheen = 0.014 * share * bright * bright
                    sr += sheen * glossy[1, r0, c0, 0]
                    sg += sheen * glossy[1, r0, c0, 1]
                    sb += sheen * glossy[1, r0, c0, 2]
                    ar += through * alpha * (red * cr + sr)
                    ag += through * alpha * (green * cg + sg)
                    ab += through * alpha * (blue * cb + sb)
                before = through
                through *= 1.0 - alpha
                if before > 0.5 and through <= 0.5:
                    kind = np.uint8(materials[m, 9])
                if through < 0.02:
                    through = 0.0
                    break
            if f >= 0 and through > 0.0:
                w0, w1, w2 = solid_weights[row, column, 0], solid_weights[row, column, 1], solid_weights[row, column, 2]
                i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
                m = face_material[f]
                nx = w0 * attributes[i, 0] + w1 * attributes[j, 0] + w2 * attributes[k, 0]
                ny = w0 * attributes[i, 1] + w1 * attributes[j, 1] + w2 * attributes[k, 1]
                nz = w0 * attributes[i, 2] + w1 * attributes[j, 2] + w2 * attributes[k, 2]
                scale = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                facing = nx * view_x + ny * view_y + nz * view_z
                if facing < 0.0 and materials[m, 10] == 0.0:  # of heads, the inside is never seen
                    scale = -scale
                nx, ny, nz = nx * scale, ny * scale, nz * scale
                facing = nx * view_x + ny * view_y + nz * view_z
                red, green, blue = materials[m, 0], materials[m, 1], materials[m, 2]
                gloss = 1.0
                painted = np.uint8(255)
                texture = int(materials[m, 5])
                if texture >= 0:
                    u = w0 * corner_uv[f, 0] + w1 * corner_uv[f, 2] + w2 * corner_uv[f, 4]
                    v = w0 * corner_uv[f, 1] + w1 * corner_uv[f, 3] + w2 * corner_uv[f, 5]
                    start, th, tw = texture_info[texture, 0], texture_info[texture, 1], texture_info[texture, 2]
                    tx, ty = (u - math.floor(u)) * tw - 0.5, (1.0 - (v - math.floor(v))) * th - 0.5
                    c0, r0 = math.floor(tx), math.floor(ty)
                    fx, fy = tx - c0, ty - r0
                    c1, r1 = c0 + 1, r0 + 1
                    c1, r1 = c1 if c1 < tw else 0, r1 if r1 < th else 0
                    c0, r0 = c0 if c0 >= 0 else tw - 1, r0 if r0 >= 0 else th - 1
                    p00, p01 = start + 4 * (r0 * tw + c0), start + 4 * (r0 * tw + c1)
                    p10, p11 = start + 4 * (r1 * tw + c0), start + 4 * (r1 * tw + c1)
                    painted = texel_label[start // 4 + (r1 if fy > 0.5 else r0) * tw + (c1 if fx > 0.5 else c0)]
                    a00, a01, a10, a11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
                    red *= a00 * texels[p00] + a01 * texels[p01] + a10 * texels[p10] + a11 * texels[p11]
                    green *= (
                        a00 * texels[p00 + 1] + a01 * texels[p01 + 1] + a10 * texels[p10 + 1] + a11 * texels[p11 + 1]
                    )
                    blue *= (
                        a00 * texels[p00 + 2] + a01 * texels[p01 + 2] + a10 * texels[p10 + 2] + a11 * texels[p11 + 2]
                    )
                    if materials[m, 10] > 0.0:
                        gloss = (
                            a00 * texels[p00 + 3]
                            + a01 * texels[p01 + 3]
                            + a10 * texels[p10 + 3]
                            + a11 * texels[p11 + 3]
                        )
                share = w0 * attributes[i, 6] + w1 * attributes[j, 6] + w2 * attributes[k, 6]
                lr = w0 * attributes[i, 3] + w1 * attributes[j, 3] + w2 * attributes[k, 3]
                lg = w0 * attributes[i, 4] + w1 * attributes[j, 4] + w2 * attributes[k, 4]
                lb = w0 * attributes[i, 5] + w1 * attributes[j, 5] + w2 * attributes[k, 5]
                soft = materials[m, 6]
                rough = min(max(materials[m, 3] - 0.28 * (gloss - 0.5) * materials[m, 10], 0.05), 1.0)
                specular = materials[m, 4] * (gloss if materials[m, 10] > 0.0 else 1.0)
                depth = solid_depth[row, column]
                px, py, pz = ray_x * depth + 2.5 * nx, ray_y * depth + 2.5 * ny, depth + 2.5 * nz
                sr, sg, sb = 0.0, 0.0, 0.0
                a2 = rough * rough * rough * rough
                for lamp in range(number_of_lamps):
                    lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
                    cosine = nx * lx + ny * ly + nz * lz
                    if cosine <= -0.3 * soft:
                        continue
                    lit = arrives(lamp, px, py, pz, 5)
                    if lit == 0.0:
                        continue
                    # Light that enters skin comes out beyond the terminator too, the red most.
                    wr, wg, wb = 0.28 * soft, 0.12 * soft, 0.08 * soft
                    lr += lit * lamps[lamp, 3] * max(cosine + wr, 0.0) / (1 + wr)
                    lg += lit * lamps[lamp, 4] * max(cosine + wg, 0.0) / (1 + wg)
                    lb += lit * lamps[lamp, 5] * max(cosine + wb, 0.0) / (1 + wb)
                    if cosine > 0.0 and facing > 0.0:
                        hx, hy, hz = lx + view_x, ly + view_y, lz + view_z
                        hl = 1.0 / max(math.sqrt(hx * hx + hy * hy + hz * hz), 1e-9)
                        nh = (nx * hx + ny * hy + nz * hz) * hl
                        lh = (lx * hx + ly * hy + lz * hz) * hl
                        d = nh * nh * (a2 - 1.0) + 1.0
                        fresnel = specular + (1.0 - specular) * (1.0 - lh) ** 5
                        # GGX with Kelemen's visibility term; lamps hold irradiance / pi, so the pi of the lobe cancels.
                        lobe = a2 / (d * d) * fresnel / (4.0 * max(lh * lh, 0.05)) * cosine * lit
                        sr += lobe * lamps[lamp, 3]
                        sg += lobe * lamps[lamp, 4]
                        sb += lobe * lamps[lamp, 5]
                if specular > 0.0 and share > 0.0:
                    rx, ry, rz = 2 * facing * nx - view_x, 2 * facing * ny - view_y, 2 * facing * nz - view_z
                    at_h, at_w = around(rx, ry, rz)
                    grazing = (1.0 - min(max(facing, 0.0), 1.0)) ** 5
                    fresnel = (specular + (1.0 - specular) * grazing * (1.0 - rough) ** 2) * share
                    if rough < 0.15:
                        r0, c0 = min(int(at_h * mirror_h), mirror_h - 1), min(int(at_w * mirror_w), mirror_w - 1)
                        er, eg, eb = mirror[r0, c0, 0], mirror[r0, c0, 1], mirror[r0, c0, 2]
                        er, eg, eb = min(er, 20.0), min(eg, 20.0), min(eb, 20.0)
                    else:
                        level = 1 if rough > 0.45 else 0
                        r0, c0 = min(int(at_h * glossy_h), glossy_h - 1), min(int(at_w * glossy_w), glossy_w - 1)
                        er, eg, eb = glossy[level, r0, c0, 0], glossy[level, r0, c0, 1], glossy[level, r0, c0, 2]
                    sr += fresnel * er
                    sg += fresnel * eg
                    sb += fresnel * eb
                ar += through * (red * lr + sr)
                ag += through * (green * lg + sg)
                ab += through * (blue * lb + sb)
                if kind == 0:
                    kind = painted if painted != 255 else np.uint8(materials[m, 9])
            image[row, column, 0], image[row, column, 1], image[row, column, 2] = ar, ag, ab
            label[row, column] = kind
            transmitted[row, column] = through


@kernel(signature("s3 s3 f8 s3 s3 s2 s1 u2 u1 S3 U2"), label="renderer", seconds=20)
def skin_kernel(
    first: Array, second: Array, mix: float, masks: Array, noise: Array, brow: Array, values: Array, bare: Array, classes: Array,
    out: Array, label: Array,
) -> None:  # fmt: skip
    """Paint the skin's albedo and gloss `out` (s, s, 4) and its classes `label` (s, s); see `paint.paint_skin` for `values`."""
    size = out.shape[0]
    tone_r, tone_g, tone_b = values[0], values[1], values[2]
    detail, lip_amount, lip_r, lip_g, lip_b = values[3], values[4], values[5], values[6], values[7]
    shadow_amount, shadow_r, shadow_g, shadow_b = values[8], values[9], values[10], values[11]
    blush, freckles, wrinkles, under_eye, oil = values[12], values[13], values[14], values[15], values[16]
    stubble, hair_r, hair_g, hair_b, brow_strength = values[17], values[18], values[19], values[20], values[21]
    scalp_paint, brow_thin, beard_full, beard_goatee, beard_moustache, keep_scalp = (
        values[22], values[23], values[24], values[25], values[26], values[27])  # fmt: skip
    lip_tone = values[28]
    scalp_r, scalp_g, scalp_b = values[29], values[30], values[31]
    for r in range(size):
        for c in range(size):
            if bare[r, c] == 255:
                continue  # no skin here, nor near
            lips, cheeks, nose, ears = masks[r, c, 0], masks[r, c, 1], masks[r, c, 2], masks[r, c, 3]
            scalp = masks[r, c, 6]
            cavity, lid = masks[r, c, 13], masks[r, c, 14]
            medium, coarse, strands, spots = noise[r, c, 1], noise[r, c, 2], noise[r, c, 3], noise[r, c, 4]
            strength = detail * (1.0 - scalp * (1.0 - keep_scalp))
            red = tone_r + strength * (first[r, c, 0] * (1 - mix) + second[r, c, 0] * mix)
            green = tone_g + strength * (first[r, c, 1] * (1 - mix) + second[r, c, 1] * mix)
            blue = tone_b + strength * (first[r, c, 2] * (1 - mix) + second[r, c, 2] * mix)
            # blood under the skin: cheeks, nose, ears, and patches
            blood = blush * (0.55 * cheeks + 0.4 * nose + 0.5 * ears) + 0.035 * coarse + 0.02 * medium
            blood += lid * 0.18 + lips * lip_tone
            dark = under_eye * 0.35 * masks[r, c, 5]
            fleck = freckles * masks[r, c, 11] * min(max((spots - 1.1) * 2.2, 0.0), 1.0) * (1.0 - lips)
            mole = min(max((spots - 3.35) * 4.0, 0.0), 1.0) * 1.2
            pigment = 0.55 * fleck + mole + dark + 0.025 * medium
            red = math.exp(red - np.float32(0.10) * blood - np.float32(0.75) * pigment)
            green = math.exp(green - np.float32(0.75) * blood - pigment)
            blue = math.exp(blue - np.float32(0.60) * blood - np.float32(1.15) * pigment)
            # make-up
            a = lip_amount * lips
            red, green, blue = red * (1 - a) + a * lip_r, green * (1 - a) + a * lip_g, blue * (1 - a) + a * lip_b
            a = shadow_amount * masks[r, c, 4]
            red, green, blue = (
                red * (1 - a) + a * shadow_r,
                green * (1 - a) + a * shadow_g,
                blue * (1 - a) + a * shadow_b,
            )
            # hair that is painted: cropped scalp, stubble, brows
            area = max(beard_full * masks[r, c, 7], beard_goatee * masks[r, c, 8], beard_moustache * masks[r, c, 9])
            hairs = min(max(0.5 + 0.55 * strands, 0.0), 1.0)
            # towards its edge a beard thins out hair by hair
            a = max(stubble * masks[r, c, 7] * (0.35 + 0.5 * hairs) * 0.55, min(1.7 * area - 0.8 * (1.0 - hairs), area))
            a = max(a, 0.0)
            brows = brow_strength * brow[r, c] * (1.0 - brow_thin * (1.0 - brow[r, c]))
            a = max(a, brows)
            red, green, blue = red * (1 - a) + a * hair_r, green * (1 - a) + a * hair_g, blue * (1 - a) + a * hair_b
            b = scalp_paint * scalp * (0.72 + 0.28 * hairs)
            red, green, blue = red * (1 - b) + b * scalp_r, green * (1 - b) + b * scalp_g, blue * (1 - b) + b * scalp_b
            a = max(a, b)
            kind = bare[r, c]
            if brows > 0.4:
                kind = classes[0]
            elif area > 0.35:
                kind = classes[1]
            elif scalp_paint * scalp > 0.4:
                kind = classes[2]
            label[r, c] = kind
            shade = 1.0 - wrinkles * (0.24 * masks[r, c, 10])
            inside = 1.0 - 0.55 * cavity
            wet_r, wet_g, wet_b = 0.24, 0.075, 0.065
            red = (red * (1 - cavity) + wet_r * cavity * inside) * shade
            green = (green * (1 - cavity) + wet_g * cavity * inside) * shade
            blue = (blue * (1 - cavity) + wet_b * cavity * inside) * shade * shade
            nostril = 1.0 - 0.5 * masks[r, c, 15]
            gloss = (0.35 + 0.62 * oil * (0.4 + 0.8 * nose + 0.3 * cheeks)) * (
                1.0 + 0.30 * noise[r, c, 0] + 0.14 * medium
            )
            gloss = gloss * (1 - a) * shade + lips * (0.22 + 0.4 * lip_amount) + 0.5 * cavity
            out[r, c, 0] = min(max(red * nostril, 0.002), 0.95)
            out[r, c, 1] = min(max(green * nostril, 0.002), 0.95)
            out[r, c, 2] = min(max(blue * nostril, 0.002), 0.95)
            out[r, c, 3] = min(max(gloss, 0.05), 1.6)
