"""Beards that no photo shows to their end: this person's own, continued to where beards end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from cephalon.appearance.surface import SkinSurface, laplacian_of

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

_SURE = 0.5  # how surely a place shows a beard, to be taken as a sample of it
_DARKER = 0.2  # log brightness by which such a sample is darker than the skin, at least
_LEAST_MM2 = 120.0  # of samples: less is no beard
_REACH_MM = 40.0  # over which an unseen beard thins out by itself
_HELD_MM = 2.0  # within which it joins the seen one
_DENSEST = 1.25  # density against where it is dense


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whiskers:
    """How densely a beard grows, (m,) in [0, 1.25] of its median; as seen, and continued where it is not.

    `tint` (3,) is the log colour that density 1 adds to the skin's tone.
    """

    density: Float32
    tint: Float


def whiskers(
    mean: Float, total: Float32, beard: Float32, tone: Float, seen: NDArray[np.bool_], surface: SkinSurface
) -> Whiskers:
    """Continue what is seen of a beard over skin that no photo shows.

    The density minimises the integral of its squared gradient, held to what is seen, and to none where no beards grow.

    Parameters
    ----------
    mean : (m, 3) log albedo that the photos show; `total` (m,) how far to trust it; `seen` (m,) where it is sure.
    beard : (m,) how surely the photos show a beard. `tone` : (3,) log albedo of the skin.
    """
    off = mean - tone
    dark = -off.mean(1)
    sample = seen & (beard > _SURE) & (dark > _DARKER)
    if surface.area_mm2[sample].sum() < _LEAST_MM2:
        return Whiskers(density=np.zeros(len(mean), dtype=np.float32), tint=np.zeros(3))
    # where it is dense, not where skin shows through
    tint = _not_blue(tone + np.median(off[sample & (dark >= np.percentile(dark[sample], 60))], axis=0)) - tone
    density = np.clip(dark / -tint.mean(), 0, _DENSEST) * np.clip(2 * beard, 0, 1) * seen
    # only where beards grow, and the next vertices, take part
    row = np.full(len(mean), -1)
    rows = np.flatnonzero(surface.grows > 0.01)
    row[rows] = np.arange(len(rows))
    ends = row[surface.edges]
    inside = (ends >= 0).all(1)
    pull = 1 / _REACH_MM**2 + (1 - surface.grows[rows]) ** 2 / (0.3 * _REACH_MM) ** 2
    pull = np.where(seen[rows], np.clip(total[rows], 0, 1) / _HELD_MM**2, pull) * surface.area_mm2[rows]
    matrix = laplacian_of(ends[inside], surface.edge_weight[inside], len(rows)) + sparse.diags(pull)
    factor = splu(
        sparse.csc_matrix(matrix), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    density[rows] = factor.solve(pull * density[rows])
    density *= np.clip(3 * surface.grows, 0, 1)
    return Whiskers(density=np.clip(density, 0, _DENSEST).astype(np.float32), tint=tint)


def _not_blue(log_albedo: Float) -> Float:
    """Return a colour of hair (3,): grey, where the photo's shadows make it blue or green."""
    red, green, blue = log_albedo
    if blue > red:
        red = blue = 0.5 * (red + blue)
    return np.array([red, min(green, max(red, blue)), blue])
