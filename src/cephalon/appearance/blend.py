"""The smooth part of the blending: one field of log colour over the whole skin, in the gradient domain.

Each photo gives a smooth log albedo at the vertices it sees. The blended field F takes its *gradients* from the best
source of each place (a photo, or the other side's mirror image) and none where nothing is known, and is held to the
photos' own colours where they are sure:

    minimise  sum_edges w_ij (F_j - F_i - g_ij)^2  +  sum_i d_i (F_i - target_i)^2,

Poisson editing (Perez et al. 2003) with a screening term, on the surface instead of a picture, so that neither the
borders of photos, nor the mirror line, nor the seam of the chart at the back of the head shows. What F - (the source's
own colour) says is then the gain by which the source's texels are multiplied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from cephalon.appearance.options import TextureOptions
from cephalon.appearance.surface import SkinSurface, laplacian_of
from cephalon.appearance.whiskers import whiskers

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

SURE = 0.25  # confidence from which a photo counts as seeing a place
_HOLD_MM = 2.0  # within this distance a lone photo's own colours win over smoothness
_FLAT_MM = 5.0  # skin that varies over larger distances than some three times this is flattened
_BEARD = 0.35  # log brightness by which skin may depart from its tone
_GREYER = 0.12  # log red over green by which a beard is greyer
_BORDER = 0.15  # log brightness by which a border may be darker than the skin and still lead on
_LIGHTEST_SKIN = np.array([0.70, 0.49, 0.41])  # linear albedo of very fair skin
_WHITE = 0.30  # log overexposure from which a photo says nothing of the colour of skin
_LIPS_MM = 2.5  # within this distance lips that no photo shows take the colour of lips
_LIP_SAMPLES = 25  # vertices of a lip that have to be shown for its colour
_BROWS = 0.3  # log brightness by which brows are darker than the skin, at least
_BROWS_SHOWN = 0.25  # share of both that photos have to show, for their colour to be that of brows
_HOLD_SEVERAL_MM = 12.0  # of several photos, colours may move over this distance to meet


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Layer:
    """One photo's smooth log albedo (m, 3) at the skin's vertices, how far to trust it (m,), its beard (m,), and where
    its expression folds the skin (m,).
    """

    log_albedo: Float32
    confidence: Float32
    beard: Float32
    folded: Float32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blend:
    """The blended field and the gains that take the sources to it.

    Attributes
    ----------
    log_albedo : (m, 3) everywhere on the skin.
    gains : per photo (m, 3): log factor of its texels.
    mirror_gain : (m, 3): log factor of the blended photos' texels of the other side.
    plain : (m,) in [0, 1]: skin without lips, brows, lids and beard.
    tone : (3,) log albedo of this person's skin, the median over the face.
    brows : (3,) of the brows. lips : (m, 3) of the lip of each place, upper or lower.
    beard : (m,) in [0, 1], how densely a beard grows, seen or continued. tint : (3,) what it adds to the log tone.
    """

    log_albedo: Float32
    gains: tuple[Float32, ...]
    mirror_gain: Float32
    plain: Float32
    tone: Float
    brows: Float
    lips: Float
    beard: Float32
    tint: Float


def blend(layers: Sequence[Layer], surface: SkinSurface, options: TextureOptions) -> Blend:
    """Solve for the one field of colour of all photos, and what none of them shows."""
    confidence = np.stack([layer.confidence for layer in layers])
    colour = np.stack([layer.log_albedo for layer in layers]).astype(np.float64)
    colour += _gains_between(colour, confidence)[:, None]
    total = confidence.sum(0)
    share = confidence**2 / np.maximum((confidence**2).sum(0), 1e-9)
    mean = (colour * share[..., None]).sum(0)
    tone = _tone(mean, total, surface)
    beard = np.max([layer.beard for layer in layers], axis=0)
    plain = (surface.plain * (1 - beard)).astype(np.float32)
    folds = (np.stack([layer.folded for layer in layers]) * share).sum(0)
    light = _uneven_light(mean, total, tone, plain, 1 - options.folds * folds, surface, options)
    light += _overexposed(tone)
    tone = tone - _overexposed(tone)
    colour -= light
    mean -= light

    photos = len(layers)
    seen = total > SURE
    label = np.where(seen, confidence.argmax(0), -1)
    mirrored = ~seen & seen[surface.mirror]
    label[mirrored] = photos
    label = label.astype(np.int64)
    sources = np.concatenate([colour, mean[surface.mirror][None]])
    known = np.concatenate([confidence > 0.02, (total > 0.02)[surface.mirror][None]])

    i, j = surface.edges.T
    chosen = np.where(label[i] >= 0, label[i], label[j])
    other = np.where(label[j] >= 0, label[j], label[i])
    both = (chosen >= 0) & (label[i] >= 0) & (label[j] >= 0)
    grown = whiskers(mean, total, beard, tone, seen, surface)
    unseen = grown.density[:, None] * grown.tint
    gradient = np.where(both[:, None], 0.0, unseen[j] - unseen[i])
    part = np.zeros(len(i))
    for source in (chosen, other):
        usable = both & known[source, i] & known[source, j]
        gradient[usable] += (sources[source, j] - sources[source, i])[usable]
        part += usable
    gradient /= np.where(both, np.maximum(part, 1), 1)[:, None]

    hold = _HOLD_MM if photos == 1 else _HOLD_SEVERAL_MM
    held = np.clip(total / 0.6, 0, 1) ** 2 / hold**2 * seen
    pull = np.where(label == photos, 1 / _HOLD_SEVERAL_MM**2, ~seen / options.pull_mm**2)
    strength = (held + pull) * surface.area_mm2
    target = np.where(seen[:, None], mean, tone + unseen)
    target[mirrored] = mean[surface.mirror[mirrored]]
    lips = surface.lips * (label < 0)
    lips_colour = _lips(mean, total, tone, surface)
    target += lips[:, None] * (lips_colour - target)
    strength += lips / _LIPS_MM**2 * surface.area_mm2
    # a border much darker than the skin, but for its beard, is a hairline or a shadow: it keeps to itself
    darker = np.clip(tone.mean() + unseen.mean(1) - mean.mean(1), 0, None) * seen * (1 - surface.lips)
    weight = surface.edge_weight / np.where(seen[i] & seen[j], 1, 1 + (np.maximum(darker[i], darker[j]) / _BORDER) ** 2)
    flow = weight[:, None] * gradient
    right = strength[:, None] * target
    for axis in range(3):
        right[:, axis] += np.bincount(j, weights=flow[:, axis], minlength=len(right))
        right[:, axis] -= np.bincount(i, weights=flow[:, axis], minlength=len(right))
    field = _solve(laplacian_of(surface.edges, weight, len(mean)) + sparse.diags(strength), right)

    gains = [_spread_out(field - layer.log_albedo, layer.confidence > 0.02, surface) for layer in layers]
    mirror_gain = _spread_out(field - mean[surface.mirror], (total > 0.02)[surface.mirror], surface)
    brows = _brows(mean, total, tone, grown.tint, surface)
    return Blend(
        log_albedo=field.astype(np.float32),
        brows=brows,
        lips=lips_colour,
        beard=np.minimum(grown.density, 1),
        tint=grown.tint,
        gains=tuple(gains),
        mirror_gain=mirror_gain,
        plain=plain,
        tone=tone,
    )


def _solve(matrix: Any, right: Float) -> Float:
    """Solve a symmetric positive definite sparse system by SuperLU."""
    factor = splu(
        sparse.csc_matrix(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    return factor.solve(right)


def _lips(mean: Float, total: Float, tone: Float, surface: SkinSurface) -> Float:
    """Log albedo (m, 3) of the upper and of the lower lip: one colour, two brightnesses, as photos show them.

    A lip that they do not show is like the other; if they show none, it is somewhat darker and redder than the skin.
    """
    lips = surface.lips * (1 - surface.regions["mouth_cavity"]) * total > 0.25
    if lips.sum() <= _LIP_SAMPLES:
        return np.tile(tone + np.log(np.array([0.84, 0.62, 0.64])), (len(mean), 1))
    # shine, teeth and skin make lips pale
    redness = mean[:, 0] - mean[:, 1]
    colour = np.median(mean[lips & (redness >= np.median(redness[lips]))], axis=0)
    colour = np.tile(colour - colour.mean(), (len(mean), 1))
    for half in (surface.upper, ~surface.upper):
        shown = lips & half if (lips & half).sum() > _LIP_SAMPLES else lips
        colour[half] += np.median(mean[shown].mean(1))
    return colour


def _brows(mean: Float, total: Float, tone: Float, tint: Float, surface: SkinSurface) -> Float:
    """Median log albedo of the brows that the photos show; else like the beard, or somewhat darker than the skin."""
    brows = surface.brows > 0.4
    used = brows & (total > 0.4)
    shown = surface.area_mm2[used].sum() > _BROWS_SHOWN * surface.area_mm2[brows].sum()
    usual = tone + (0.7 * tint if tint.any() else np.log(np.array([0.50, 0.47, 0.46])))
    seen = np.median(mean[used], axis=0) if shown else usual
    return np.minimum(seen, tone - _BROWS)


def _tone(mean: Float, total: Float, surface: SkinSurface) -> Float:
    """Median log albedo over the even skin of the face that the photos show."""
    for weight in (total * surface.even, total):
        used = weight > 0.3
        if used.sum() > 30:
            return np.median(mean[used], axis=0)
    return np.log(np.array([0.50, 0.33, 0.26]))


def softly(value: NDArray[Any], low: float | NDArray[Any], high: float | NDArray[Any]) -> NDArray[Any]:
    """Hold a value between -low and high: the identity near 0, its slope falls to 0 at the bounds."""
    bound = np.where(value < 0, np.asarray(low, dtype=value.dtype), np.asarray(high, dtype=value.dtype))
    return bound * np.tanh(value / bound)


def _uneven_light(
    mean: Float,
    total: Float,
    tone: Float,
    plain: Float32,
    unfolded: Float,
    surface: SkinSurface,
    options: TextureOptions,
) -> Float:
    """Log colour (m, 3) by which the skin departs from its tone, in the part held to be light.

    Spherical harmonics know no cast shadow. What is left of them is split into what varies slowly over the skin and the
    rest (folds, edges of shadows); of both, little departures from the tone are the skin's own, and large ones light.
    Where the expression folds the skin (`unfolded` (m,) < 1), so much less of their brightness is the skin's own.
    """
    off = mean - tone
    grey = np.clip((off[:, 1] - off[:, 0]) / _GREYER, 0, 1)  # beards are less red than skin, shadows on skin are not
    robust = np.exp(-grey * (off.mean(1) / _BEARD) ** 2)
    weight = np.minimum(total, 1) * surface.even * robust * (plain / np.maximum(surface.plain, 1e-3))
    weight *= surface.area_mm2
    if weight.sum() < 100:
        return np.zeros_like(mean)
    # only what is seen takes part
    seen = np.flatnonzero(total > 0.01)
    row = np.full(len(total), -1)
    row[seen] = np.arange(len(seen))
    ends = row[surface.edges]
    inside = (ends[:, 0] >= 0) & (ends[:, 1] >= 0)
    laplacian = laplacian_of(ends[inside], surface.edge_weight[inside] * _FLAT_MM**2, len(seen))
    slow = np.zeros_like(off)
    pull = sparse.diags(weight[seen] + 0.03 * surface.area_mm2[seen])
    slow[seen] = _solve(laplacian + pull, weight[seen, None] * off[seen])
    own = unfolded[:, None]
    colour = options.uneven_colour * np.sqrt(own)  # blood moves less than light
    kept = _held(slow, options.uneven_brightness * own, options.uneven_brightness * own, colour)
    kept += _held(off - slow, 0.6 * options.darker * own, 0.6 * options.brighter * own, 0.5 * colour)
    # where the slow part does not belong to plain skin it is still the light around
    around = slow - _held(slow, options.uneven_brightness, options.uneven_brightness, options.uneven_colour)
    around += _folds_of_beards(off, total, 1 - unfolded, plain, surface, options)
    # brows and beards are darker than the skin: what is brighter there is light as well
    removed = (off - kept).mean(1)
    share = np.where(removed > 0, surface.bare, plain)[:, None]
    return share * (off - kept) + (1 - share) * around


def _folds_of_beards(
    off: Float, total: Float, folds: Float, plain: Float32, surface: SkinSurface, options: TextureOptions
) -> Float:
    """Log colour (m, 3) by which folds shade a beard: what is unlike the beard around, where the skin folds."""
    here = folds * surface.grows * (1 - plain) * (total > 0.01)
    nothing = np.zeros_like(off)
    if (here > 0.2).sum() < 50:
        return nothing
    rows = np.flatnonzero((total > 0.01) & (surface.grows > 0.02))
    row = np.full(len(off), -1)
    row[rows] = np.arange(len(rows))
    ends = row[surface.edges]
    inside = (ends >= 0).all(1)
    weight = np.minimum(total, 1)[rows] * surface.area_mm2[rows]
    laplacian = laplacian_of(ends[inside], surface.edge_weight[inside] * _FLAT_MM**2, len(rows))
    around = _solve(laplacian + sparse.diags(weight + 1e-3), weight[:, None] * off[rows])
    apart = off[rows] - around
    bound = 0.5 * options.darker
    nothing[rows] = here[rows, None] * (apart - _held(apart, bound, bound, options.uneven_colour))
    return nothing


def _held(log_colour: Float, darker: float | Float, brighter: float | Float, colour: float | Float) -> Float:
    """Hold brightness and colour of a departure (m, 3), log, between bounds."""
    brightness = log_colour.mean(1, keepdims=True)
    return softly(brightness, darker, brighter) + softly(log_colour - brightness, colour, colour)


def _overexposed(tone: Float) -> Float:
    """Log colour (3,) by which a photo shows skin brighter and whiter than any skin is."""
    brightest = np.log(_LIGHTEST_SKIN)
    over = float(np.clip(tone.mean() - brightest.mean(), 0, None))
    whiter = np.clip((tone - tone.mean()) - (brightest - brightest.mean()), -1, 1)
    return over + whiter * min(over / _WHITE, 1.0)


def _gains_between(colour: Float, confidence: Float32) -> Float:
    """Log gain (p, 3) that takes each photo's colours to those of the photo that sees most; robust, on the overlaps."""
    gains = np.zeros((len(colour), 3))
    order = np.argsort(-confidence.sum(1), kind="stable")
    done = [int(order[0])]
    for k in order[1:]:
        weight = np.minimum(confidence[k], confidence[done].max(0))
        used = weight > SURE
        if used.sum() >= 30:
            placed = colour[done] + gains[done][:, None]
            share = confidence[done][..., None]
            reference = (placed * share).sum(0) / np.maximum(share.sum(0), 1e-9)
            gains[k] = np.median((reference - colour[k])[used], axis=0)
        done.append(int(k))
    return gains


def _spread_out(values: Float, known: NDArray[np.bool_], surface: SkinSurface) -> Float32:
    """Carry values a few vertices beyond where they are known, by means over neighbours; 0 further out."""
    result = np.where(known[:, None], values, 0.0)
    i, j = surface.edges.T
    reached = known.copy()
    for _ in range(3):
        count = np.bincount(i, weights=reached[j], minlength=len(values))
        count += np.bincount(j, weights=reached[i], minlength=len(values))
        new = ~reached & (count > 0)
        for axis in range(3):
            column = result[:, axis]
            total = np.bincount(i, weights=(column * reached)[j], minlength=len(values))
            total += np.bincount(j, weights=(column * reached)[i], minlength=len(values))
            column[new] = (total / np.maximum(count, 1))[new]
        reached |= new
    return result.astype(np.float32)
