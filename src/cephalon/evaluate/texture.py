"""Protocol 7: completed albedo against the true one (the head proposal, 4.3), texel by texel and seen from the other side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.geometry import Mesh, bilinear, interpolate, rasterise, rasterise_uv, rotation_from_rotvec

FloatArray = npt.NDArray[np.float64]

_SIDE_DEG, _FAR_MM = 45.0, 2000.0
_WINDOW_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03


def structural_similarity(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Return the SSIM map (h, w) of two pictures (h, w, c) with values in [0, 1], mean over channels.

        SSIM = (2 m_a m_b + C1)(2 s_ab + C2) / ((m_a^2 + m_b^2 + C1)(s_a^2 + s_b^2 + C2))

    with a Gaussian window of 1.5 px, C1 = 0.01^2, C2 = 0.03^2 (Wang, Bovik, Sheikh, Simoncelli 2004).
    """
    from scipy.ndimage import gaussian_filter

    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 3:
        raise InputError(f"pictures: expected two of the same shape (h, w, c), got {x.shape} and {y.shape}")

    def blur(values: FloatArray) -> FloatArray:
        return gaussian_filter(values, (_WINDOW_SIGMA, _WINDOW_SIGMA, 0.0), truncate=3.5)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    c1, c2 = _K1**2, _K2**2
    return (((2 * mx * my + c1) * (2 * cov + c2)) / ((mx * mx + my * my + c1) * (vx + vy + c2))).mean(axis=-1)


def texture_figures(
    albedo: npt.ArrayLike, truth: npt.ArrayLike, seen: npt.ArrayLike, skin: npt.ArrayLike | None = None
) -> dict[str, float]:
    """Return MSE, PSNR (dB) and SSIM over unseen, seen and all texels.

    Parameters
    ----------
    albedo, truth : (h, w, 3) in [0, 1].
    seen : (h, w) bool, texels that the photo shows.
    skin : (h, w) bool, texels that count; all when not given.
    """
    a, t = np.asarray(albedo, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    s = np.asarray(seen, dtype=bool)
    k = np.ones(s.shape, dtype=bool) if skin is None else np.asarray(skin, dtype=bool)
    if a.shape != t.shape or a.shape[:2] != s.shape or k.shape != s.shape:
        raise InputError(f"texture: expected the same size everywhere, got {a.shape}, {t.shape} and {s.shape}")
    return _figures(a, t, {"unseen": k & ~s, "seen": k & s, "all": k})


def _figures(a: FloatArray, t: FloatArray, where: Mapping[str, npt.NDArray[np.bool_]]) -> dict[str, float]:
    """Return MSE, PSNR and SSIM of two pictures over named masks; nothing of a mask that is empty."""
    square = ((a - t) ** 2).mean(axis=-1)
    similar = structural_similarity(a, t)
    figures: dict[str, float] = {}
    for name, rows in where.items():
        if not rows.any():
            continue
        mse = float(square[rows].mean())
        figures[f"mse_{name}"] = mse
        figures[f"psnr_db_{name}"] = float(-10 * np.log10(max(mse, 1e-12)))
        figures[f"ssim_{name}"] = float(similar[rows].mean())
    return figures


def baselines(truth: npt.ArrayLike, seen: npt.ArrayLike, skin: npt.ArrayLike | None = None) -> dict[str, FloatArray]:
    """Return what costs nothing: mean of the seen skin; mirrored about u = 0.5; mirrored with the rest filled smoothly.

    All keep the seen texels as they are in the truth.
    """
    t, s = np.asarray(truth, dtype=np.float64), np.asarray(seen, dtype=bool)
    k = np.ones(s.shape, dtype=bool) if skin is None else np.asarray(skin, dtype=bool)
    s = s & k
    if not s.any():
        raise InputError("texture: no texel is seen")
    mean = t[s].mean(axis=0)
    flat = np.where(s[..., None], t, mean)
    mirror_seen = s[:, ::-1]
    mirrored = np.where(s[..., None], t, np.where(mirror_seen[..., None], t[:, ::-1], mean))
    known = s | mirror_seen
    return {
        "mean skin": flat,
        "mirrored": mirrored,
        "mirrored + smooth fill": _filled(np.where(known[..., None], mirrored, 0.0), known),
    }


def _filled(values: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Return values with unknown texels filled from known ones through wider and wider Gaussians (normalised convolution)."""
    from scipy.ndimage import gaussian_filter

    out, done = values.copy(), known.copy()
    sigma = 2.0
    while not done.all() and sigma < 4 * max(known.shape):
        weight = gaussian_filter(known.astype(np.float64), sigma)
        blurred = gaussian_filter(values * known[..., None], (sigma, sigma, 0.0))
        new = ~done & (weight > 1e-3)
        out[new] = blurred[new] / weight[new, None]
        done |= new
        sigma *= 2
    out[~done] = values[known].mean(axis=0)
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSide:
    """Two textures on one head as the other side shows them: yaw of the view (degrees), pictures (h, w, 3), and a mask."""

    yaw_deg: float
    albedo: FloatArray
    truth: FloatArray
    mask: npt.NDArray[np.bool_]


def seen_yaw_deg(seen: npt.ArrayLike, mesh: Mesh) -> float:
    """Return the yaw, degrees, from which a photo saw texels `seen` (h, w): that of their mean normal on the head.

    0 is face on, positive the person's left (the head's axes: +x the person's left, +y up, +z out of the face).

    Raises
    ------
    InputError
        If the mesh has no texture coordinates or no texel of it is seen.
    """
    faces_uv, uv = _unwrapped(mesh)
    s = np.asarray(seen, dtype=bool)
    raster = rasterise_uv(uv, faces_uv, (s.shape[0], s.shape[1]))
    counts = np.bincount(raster.face_index[s & raster.covered], minlength=len(mesh.faces))
    if not counts.any():
        raise InputError("texture: none of the seen texels lies on the mesh")
    corners = mesh.vertices[mesh.faces]
    twice_area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    texels = np.bincount(raster.face_index[raster.covered], minlength=len(mesh.faces))
    towards = ((counts / np.maximum(texels, 1))[:, None] * twice_area).sum(axis=0)
    return float(np.degrees(np.arctan2(towards[0], towards[2])))


def other_side(
    albedo: npt.ArrayLike, truth: npt.ArrayLike, seen: npt.ArrayLike, mesh: Mesh, *, size: int = 256
) -> OtherSide:
    """Render two textures on the same head from the side that the photo did not see (protocol 7).

    Orthographic and without light, so that the pictures differ by the texture alone. The view is the photo's (`seen_yaw_deg`)
    mirrored, and at least 45 degrees from the front.

    Parameters
    ----------
    albedo, truth : (h, w, 3) in [0, 1], in the mesh's texture coordinates.
    seen : (h, w) bool, texels that the photo shows.
    mesh : mm, head axes, with texture coordinates (origin bottom left).
    size : pixels a side.

    Raises
    ------
    InputError
        As `seen_yaw_deg`, and for arrays that do not belong together.
    """
    a, t = np.asarray(albedo, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    s = np.asarray(seen, dtype=bool)
    if a.shape != t.shape or a.shape[:2] != s.shape:
        raise InputError(f"texture: expected the same size everywhere, got {a.shape}, {t.shape} and {s.shape}")
    faces_uv, uv = _unwrapped(mesh)
    yaw = seen_yaw_deg(s, mesh)
    view = -float(np.copysign(max(abs(yaw), _SIDE_DEG), yaw))
    turned = mesh.vertices @ rotation_from_rotvec(np.array([0.0, -np.radians(view), 0.0])).T
    used = turned[np.unique(mesh.faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    middle, pixels_per_mm = 0.5 * (low + high), 0.96 * size / float((high - low)[:2].max())
    pixel = np.column_stack(
        [
            0.5 * size + pixels_per_mm * (turned[:, 0] - middle[0]),
            0.5 * size - pixels_per_mm * (turned[:, 1] - middle[1]),
            _FAR_MM - turned[:, 2],
        ]
    )
    raster = rasterise(pixel, mesh.faces, size, size, cull="back")
    place = interpolate(raster, faces_uv, uv) * [1.0, -1.0] + [0.0, 1.0]
    texel = place.reshape(-1, 2) * [s.shape[1], s.shape[0]]
    blank = ~raster.covered[..., None]
    pictures = [np.where(blank, 0.0, bilinear(x, texel).reshape(size, size, 3)) for x in (a, t)]
    return OtherSide(yaw_deg=view, albedo=pictures[0], truth=pictures[1], mask=raster.covered)


def other_side_figures(
    albedo: npt.ArrayLike, truth: npt.ArrayLike, seen: npt.ArrayLike, mesh: Mesh
) -> dict[str, float]:
    """Return MSE, PSNR (dB) and SSIM of `other_side` over the pixels that show the head, and the view's yaw."""
    found = other_side(albedo, truth, seen, mesh)
    return {**_figures(found.albedo, found.truth, {"other_side": found.mask}), "other_side_yaw_deg": found.yaw_deg}


def _unwrapped(mesh: Mesh) -> tuple[npt.NDArray[np.int32], FloatArray]:
    if mesh.uv is None or mesh.faces_uv is None:
        raise InputError("texture: the mesh has no texture coordinates")
    return mesh.faces_uv, mesh.uv
