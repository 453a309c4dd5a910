"""What the shape controls know of children that no survey measures: the round, steep forehead and the short neck.

MakeHuman's children are adults in little where surveys of children say that the skull is nearly grown at three years and
the face is not. So a child's shape is the controls' child of an effective age, enlarged until its skull has the size that
Snyder et al. 1977 (UM-HSRI-77-17) measured; the measures of the face are imposed on that in `builders.head.calibration`.

Shape letters: n asset vertices, p people, f form coordinates.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from builders.head.alignment import alignment_weights, onto
from builders.head.base import HeadBase, load_base
from builders.head.controls import Phenotype, average_adult, load_macro, macro_weights
from builders.head.craniofacial import craniofacial_points
from builders.head.regions import build_regions
from cephalon.geometry import triangulate

Float = NDArray[np.float64]

YEARS = (3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 21.0)
ARTIST_YEARS = (-3.0, 2.0, 6.0, 11.0, 15.0, 18.5, 21.0)
"""Age of the controls whose shape, not size, is taken at these years."""

SKULL_SCALE = (1.21, 1.14, 1.09, 1.04, 1.024, 1.01, 1.0)
"""By how much the controls' child is enlarged: mean of head length, breadth and height against Snyder's."""

NECK_SCALE = (1.08, 1.07, 1.06, 1.04, 1.02, 1.0, 1.0)
"""The same for the neck, which grows with the body."""

SKULL_POINTS, NECK_POINTS = 30, 12


def artist_years(age_years: Float) -> tuple[Float, Float]:
    """Age (p,) of the controls and the enlargement (p,) that make people of an age."""
    return np.where(age_years < YEARS[-1], np.interp(age_years, YEARS, ARTIST_YEARS), age_years), np.interp(
        age_years, YEARS, SKULL_SCALE
    )


def form_rows(base: HeadBase) -> Float:
    """Form coordinates as linear maps (f, n, 3): places on skull, forehead and neck from the middle of the tragions.

    Each is the mean of both sides of the head.
    """
    points = craniofacial_points(base)
    faces = triangulate(base.polygons)[0]
    rows = []
    for vertex in np.concatenate(_places()):
        for axis, flip in enumerate((-1.0, 1.0, 1.0)):
            row = np.zeros((len(base.vertices), 3))
            row[vertex, axis] += 0.5
            row[base.symmetry[vertex], axis] += 0.5 * flip
            for name in ("t_l", "t_r") if axis else ():
                k = points.names.index(name)
                np.add.at(row[:, axis], faces[points.face_index[k]], -0.5 * points.barycentric[k])
            rows.append(row)
    return np.stack(rows)


def form_change(age_years: Float) -> Float:
    """How the form coordinates (p, f) mm of people of an age differ from those of adults, by the controls."""
    return np.stack([np.interp(age_years, YEARS, column) for column in _changes().T], axis=1)


@cache
def _changes() -> Float:
    """The same at ``YEARS``, (7, f)."""
    base = load_base()
    rows = form_rows(base)
    one = np.ones(len(YEARS))
    phenotype = Phenotype(
        age_years=np.array(ARTIST_YEARS),
        masculinity=0.5 * one,
        bmi=23.0 * one,
        muscle=0.5 * one,
        proportions=0.5 * one,
        ancestry=np.full((len(one), 3), 1.0 / 3.0),
    )
    macro = load_macro(base).reshape(-1, base.vertices.size)
    heads = base.vertices + (macro_weights(phenotype) @ macro).reshape(-1, *base.vertices.shape)
    heads = onto(average_adult(base), heads.astype(np.float32), alignment_weights(base)).reshape(len(one), -1)
    forms = heads @ rows.reshape(len(rows), -1).T
    skull = 3 * len(_places()[0])
    forms[:, :skull] *= np.array(SKULL_SCALE)[:, None]
    forms[:, skull:] *= np.array(NECK_SCALE)[:, None]
    return forms - forms[-1]


@cache
def _places() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Vertices of the left half, evenly spread: on skull and forehead, and on the neck."""
    base, regions = load_base(), build_regions(load_base())
    at = average_adult(base)
    left = (at[:, 0] > -0.01) & (np.arange(len(at)) < base.part("skin")[0].stop)
    skull = left & (np.maximum(regions["skull"], regions["forehead"]) > 0.5) & (regions["ears"] < 0.1)
    neck = left & (regions["neck"] > 0.5)
    return _spread(at, np.flatnonzero(skull), SKULL_POINTS), _spread(at, np.flatnonzero(neck), NECK_POINTS)


def _spread(at: Float, candidates: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """As many of the candidates as asked, each the farthest from those before."""
    chosen = [int(candidates[np.argmax(at[candidates, 1])])]
    distance = np.linalg.norm(at[candidates] - at[chosen[0]], axis=1)
    while len(chosen) < count:
        chosen.append(int(candidates[np.argmax(distance)]))
        distance = np.minimum(distance, np.linalg.norm(at[candidates] - at[chosen[-1]], axis=1))
    return np.array(chosen)
