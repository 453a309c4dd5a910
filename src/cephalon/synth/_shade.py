"""The compiled inner loop that shades samples. Arrays as in `_kernels`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cephalon.geometry.jit import kernel
from cephalon.synth._kernels import signature
from cephalon.synth._shading import GLOSS, LINEAR

Array = Any

_GROUPS = 16
"""Most samples of a pixel: options allow four a side."""
_KEPT = 32
"""Most faces of layers whose light is kept for a pixel; beyond that the last place is used again."""


@kernel(
    signature("i2 s3 s2 i2 s2 u1 s2 s2 u1 u1 l2 d2 d3 s3 d2 s3 s4 d1 u2 s4 i2 u1 s2 S3 U2 S2 S2"),
    label="renderer",
    seconds=20,
)
def shade_kernel(
    solid_face: Array, solid_weights: Array, solid_depth: Array, faces: Array, corner_uv: Array, face_material: Array, attributes: Array,
    materials: Array, texels: Array, texel_label: Array, texture_info: Array, lamps: Array,
    shadow_maps_from_camera: Array, shadow_maps: Array,
    world_from_camera: Array,
    mirror: Array, glossy: Array, camera: Array, layer_count: Array, layer_rows: Array, layer_faces: Array,
    layer_material: Array, layer_attributes: Array, image: Array, label: Array, transmitted: Array, open_share: Array,
) -> None:  # fmt: skip
    """Shade the layers and, where they let light pass, the solids behind them: `image` (h, w, 3), the mean of s x s samples a pixel.

    What is seen, its class, texture and opacity are found at each sample; its light once in a pixel for each face of a layer, and for
    solids that are alike there (one material, near in normal and depth): light changes slowly where edges and textures do not. Where one
    face fills a pixel, and its texture is no finer than the pixel, all of this is found at the pixel's middle.

    `solid_face`, `solid_weights` and `solid_depth` (s h, s w) come from the rasteriser, `layer_count` and `layer_rows` from
    `layers_kernel`; `camera` is (focal, cx, cy) of the samples. `label` (h, w) becomes the class of the most samples, the lowest of
    equals; `transmitted` (h, w) the share of light that passes the layers, `open_share` (h, w) of it what meets no solid. `image` is
    given as zeros.
    """
    height, width = label.shape
    side = solid_face.shape[0] // height
    focal, centre_x, centre_y = camera[0], camera[1], camera[2]
    number_of_lamps = lamps.shape[0]
    map_side = shadow_maps.shape[1]
    mirror_h, mirror_w = mirror.shape[0], mirror.shape[1]
    glossy_h, glossy_w = glossy.shape[1], glossy.shape[2]
    # of each layer's face met in a pixel: diffuse light (0-2), highlight (3-5), highlight per brightness (6-8), a lens's reflectance (9)
    lit_face, lit_light = np.zeros(_KEPT, np.int64), np.zeros((_KEPT, 10))
    # of solids that are alike: material (0), first normal (1-3), first depth (4), samples (5), and sums over these: normal (6-8), light
    # (9-11), its share that arrives (12), place (13-15), gloss (16), albedo that is seen (17-19), what layers let through (20)
    group = np.zeros((_GROUPS, 21))
    kinds, votes = np.zeros(_GROUPS, np.uint8), np.zeros(256, np.int64)

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

    def light_layer(slot: int, g: int, z: float, w0: float, w1: float, ray_x: float, ray_y: float, first: bool) -> None:
        # Light on a point of a layer's face, into `lit_light`.
        w2 = 1.0 - w0 - w1
        i, j, k = layer_faces[g, 0], layer_faces[g, 1], layer_faces[g, 2]
        m = layer_material[g]
        px, py, pz = ray_x * z, ray_y * z, z
        length = math.sqrt(ray_x * ray_x + ray_y * ray_y + 1.0)
        view_x, view_y, view_z = -ray_x / length, -ray_y / length, -1.0 / length
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
        sr, sg, sb = 0.0, 0.0, 0.0
        er, eg, eb = 0.0, 0.0, 0.0
        fresnel = 0.0
        rx, ry, rz = 2 * facing * nx - view_x, 2 * facing * ny - view_y, 2 * facing * nz - view_z
        at_h, at_w = around(rx, ry, rz)
        if materials[m, 8] == 2.0:
            # a lens: a mirror's share of what it faces, and its tint
            r0, c0 = min(int(at_h * mirror_h), mirror_h - 1), min(int(at_w * mirror_w), mirror_w - 1)
            fresnel = materials[m, 4] + (1.0 - materials[m, 4]) * (1.0 - min(facing, 1.0)) ** 5
            sr = fresnel * min(mirror[r0, c0, 0], 6.0)
            sg = fresnel * min(mirror[r0, c0, 1], 6.0)
            sb = fresnel * min(mirror[r0, c0, 2], 6.0)
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
                taps = 5 if first else 1
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
            r0, c0 = min(int(at_h * glossy_h), glossy_h - 1), min(int(at_w * glossy_w), glossy_w - 1)
            er = 0.014 * share * glossy[1, r0, c0, 0]
            eg = 0.014 * share * glossy[1, r0, c0, 1]
            eb = 0.014 * share * glossy[1, r0, c0, 2]
        lit_light[slot, 0], lit_light[slot, 1], lit_light[slot, 2] = cr, cg, cb
        lit_light[slot, 3], lit_light[slot, 4], lit_light[slot, 5] = sr, sg, sb
        lit_light[slot, 6], lit_light[slot, 7], lit_light[slot, 8] = er, eg, eb
        lit_light[slot, 9] = fresnel

    def light_group(number: int) -> tuple[float, float, float]:
        # What a pixel sees of solids that are alike.
        m = int(group[number, 0])
        share_of_one = 1.0 / group[number, 5]
        nx, ny, nz = group[number, 6], group[number, 7], group[number, 8]
        scale = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
        nx, ny, nz = nx * scale, ny * scale, nz * scale
        lr, lg, lb = group[number, 9] * share_of_one, group[number, 10] * share_of_one, group[number, 11] * share_of_one
        share, gloss = group[number, 12] * share_of_one, group[number, 16] * share_of_one
        px, py, pz = (
            group[number, 13] * share_of_one,
            group[number, 14] * share_of_one,
            group[number, 15] * share_of_one,
        )
        scale = -1.0 / math.sqrt(px * px + py * py + pz * pz)
        view_x, view_y, view_z = px * scale, py * scale, pz * scale
        facing = nx * view_x + ny * view_y + nz * view_z
        px, py, pz = px + 2.5 * nx, py + 2.5 * ny, pz + 2.5 * nz
        soft = materials[m, 6]
        rough = min(max(materials[m, 3] - 0.28 * (gloss - 0.5) * materials[m, 10], 0.05), 1.0)
        specular = materials[m, 4] * (gloss if materials[m, 10] > 0.0 else 1.0)
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
        through = group[number, 20]
        return (
            group[number, 17] * lr + through * sr,
            group[number, 18] * lg + through * sg,
            group[number, 19] * lb + through * sb,
        )

    def blend(p00: int, p01: int, p10: int, p11: int, a00: float, a01: float, a10: float, a11: float) -> float:
        total = a00 * LINEAR[texels[p00]] + a01 * LINEAR[texels[p01]]
        return float(total + a10 * LINEAR[texels[p10]] + a11 * LINEAR[texels[p11]])

    def alike(number: int, m: int, nx: float, ny: float, nz: float, z: float) -> bool:
        # Whether a sample is like those of a group: normals within 14 degrees, depths within four samples.
        return (
            group[number, 0] == m
            and nx * group[number, 1] + ny * group[number, 2] + nz * group[number, 3] > 0.97
            and abs(z - group[number, 4]) < 4.0 * z / focal
        )

    for row in range(height):
        for column in range(width):
            top, left = row * side, column * side
            f = solid_face[top, left]
            met, plain = False, f >= 0
            for r in range(top, top + side):
                for c in range(left, left + side):
                    met = met or solid_face[r, c] >= 0 or layer_count[r, c] > 0
                    plain = plain and solid_face[r, c] == f and layer_count[r, c] == 0
            transmitted[row, column], open_share[row, column] = 1.0, 1.0
            label[row, column] = 0
            if not met:
                continue
            samples = side * side
            w0, w1, w2, z = 0.0, 0.0, 0.0, 0.0
            if plain:
                # one face alone: its middle stands for all samples, unless they lie more than a texel and a half apart
                r, c = top + side - 1, left + side - 1
                d0 = solid_weights[r, c, 0] - solid_weights[top, left, 0]
                d1 = solid_weights[r, c, 1] - solid_weights[top, left, 1]
                texture = int(materials[face_material[f], 5])
                if texture >= 0:
                    du = d0 * (corner_uv[f, 0] - corner_uv[f, 4]) + d1 * (corner_uv[f, 2] - corner_uv[f, 4])
                    dv = d0 * (corner_uv[f, 1] - corner_uv[f, 5]) + d1 * (corner_uv[f, 3] - corner_uv[f, 5])
                    plain = max(abs(du) * texture_info[texture, 2], abs(dv) * texture_info[texture, 1]) < 1.5
            if plain:
                for r in range(top, top + side):
                    for c in range(left, left + side):
                        w0, w1, z = w0 + solid_weights[r, c, 0], w1 + solid_weights[r, c, 1], z + solid_depth[r, c]
                w0, w1, z = w0 / samples, w1 / samples, z / samples
                w2 = 1.0 - w0 - w1
                samples = 1
            slots, groups = 0, 0
            ar, ag, ab, passed, unmet = 0.0, 0.0, 0.0, 0.0, 0.0
            for sample in range(samples):
                r, c = top + sample // side, left + sample % side
                ray_x, ray_y = (c + 0.5 - centre_x) / focal, (r + 0.5 - centre_y) / focal
                if plain:
                    ray_x, ray_y = (left + 0.5 * side - centre_x) / focal, (top + 0.5 * side - centre_y) / focal
                kind, through = np.uint8(0), 1.0
                for number in range(layer_count[r, c]):
                    g = int(layer_rows[r, c, number, 1])
                    alpha, bright = layer_rows[r, c, number, 4], layer_rows[r, c, number, 5]
                    m = layer_material[g]
                    slot = 0
                    while slot < slots and lit_face[slot] != g:
                        slot += 1
                    if slot == slots:
                        slot = min(slot, _KEPT - 1)
                        slots = slot + 1
                        lit_face[slot] = g
                        light_layer(
                            slot, g, layer_rows[r, c, number, 0], layer_rows[r, c, number, 2], layer_rows[r, c, number, 3], ray_x, ray_y,
                            number == 0,
                        )  # fmt: skip
                    red, green, blue = materials[m, 0] * bright, materials[m, 1] * bright, materials[m, 2] * bright
                    a = through * alpha
                    mirrored = lit_light[slot, 9]
                    s = through if mirrored > 0.0 else a
                    ar += a * (red * lit_light[slot, 0] + bright * lit_light[slot, 6]) + s * lit_light[slot, 3]
                    ag += a * (green * lit_light[slot, 1] + bright * lit_light[slot, 7]) + s * lit_light[slot, 4]
                    ab += a * (blue * lit_light[slot, 2] + bright * lit_light[slot, 8]) + s * lit_light[slot, 5]
                    alpha = alpha + (1 - alpha) * mirrored
                    before = through
                    through *= 1.0 - alpha
                    if before > 0.5 and through <= 0.5:
                        kind = np.uint8(materials[m, 9])
                    if through < 0.02:
                        through = 0.0
                        break
                passed += through
                f = solid_face[r, c]
                if f < 0:
                    unmet += through
                elif through > 0.0:
                    if not plain:
                        w0, w1, w2 = solid_weights[r, c, 0], solid_weights[r, c, 1], solid_weights[r, c, 2]
                        z = solid_depth[r, c]
                    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
                    m = face_material[f]
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
                        red *= blend(p00, p01, p10, p11, a00, a01, a10, a11)
                        green *= blend(p00 + 1, p01 + 1, p10 + 1, p11 + 1, a00, a01, a10, a11)
                        blue *= blend(p00 + 2, p01 + 2, p10 + 2, p11 + 2, a00, a01, a10, a11)
                        if materials[m, 10] > 0.0:
                            p00, p01, p10, p11 = p00 + 3, p01 + 3, p10 + 3, p11 + 3
                            gloss = (
                                a00 * texels[p00] + a01 * texels[p01] + a10 * texels[p10] + a11 * texels[p11]
                            ) / GLOSS
                    if kind == 0:
                        kind = painted if painted != 255 else np.uint8(materials[m, 9])
                    nx = w0 * attributes[i, 0] + w1 * attributes[j, 0] + w2 * attributes[k, 0]
                    ny = w0 * attributes[i, 1] + w1 * attributes[j, 1] + w2 * attributes[k, 1]
                    nz = w0 * attributes[i, 2] + w1 * attributes[j, 2] + w2 * attributes[k, 2]
                    scale = 1.0 / max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-9)
                    if nx * ray_x + ny * ray_y + nz > 0.0 and materials[m, 10] == 0.0:
                        scale = -scale  # of heads, the inside is never seen
                    nx, ny, nz = nx * scale, ny * scale, nz * scale
                    number = 0
                    while number < groups and not alike(number, m, nx, ny, nz, z):
                        number += 1
                    if number == groups:
                        groups += 1
                        for part in range(5, 21):
                            group[number, part] = 0.0
                        group[number, 0], group[number, 4] = m, z
                        group[number, 1], group[number, 2], group[number, 3] = nx, ny, nz
                    group[number, 5] += 1.0
                    group[number, 6] += nx
                    group[number, 7] += ny
                    group[number, 8] += nz
                    for part in range(3, 7):
                        group[number, 6 + part] += (
                            w0 * attributes[i, part] + w1 * attributes[j, part] + w2 * attributes[k, part]
                        )
                    group[number, 13] += ray_x * z
                    group[number, 14] += ray_y * z
                    group[number, 15] += z
                    group[number, 16] += gloss
                    group[number, 17] += through * red
                    group[number, 18] += through * green
                    group[number, 19] += through * blue
                    group[number, 20] += through
                kinds[sample] = kind
                votes[kind] += 1
            for number in range(groups):
                red, green, blue = light_group(number)
                ar, ag, ab = ar + red, ag + green, ab + blue
            part_of_pixel = 1.0 / samples
            image[row, column, 0], image[row, column, 1] = ar * part_of_pixel, ag * part_of_pixel
            image[row, column, 2] = ab * part_of_pixel
            transmitted[row, column], open_share[row, column] = passed * part_of_pixel, unmet * part_of_pixel
            most = kinds[0]
            for sample in range(samples):
                kind = kinds[sample]
                if votes[kind] > votes[most] or (votes[kind] == votes[most] and kind < most):
                    most = kind
            for sample in range(samples):
                votes[kinds[sample]] = 0
            label[row, column] = most
