"""Where an expression folds the skin: what a photo shows there is the fold's own shade, which a neutral face has not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cephalon.appearance.surface import SkinSurface
from cephalon.geometry import vertex_normals
from cephalon.head import HeadModel
from cephalon.values import PhotoFit

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

# Bending that counts as much as stretching by 1: radians.
_BEND = 2.0
# Deformation at which folds begin to be taken out, and at which they wholly are. A closed mouth at rest stays below
# 0.03 by the fit's noise; a broad smile moves cheeks by 0.1 and the corners of the mouth by 0.3.
_BEGIN, _FULL = 0.03, 0.11
_ROUNDS = 4  # of averaging over neighbours, some 5 mm: a fold shades its surroundings


def folded(model: HeadModel, surface: SkinSurface, identity: Float, fitted: PhotoFit, posed: Float) -> Float32:
    """Return how far the expression of a photo folds the skin at each of its m vertices, (m,) in [0, 1].

    The deformation is the root mean square, over the edges at a vertex, of the log ratio of their lengths with and
    without the expression, plus the angle by which the normal turns (rad) over 2.

    Parameters
    ----------
    identity : (k,) of the person.
    posed : (n, 3) mm, the model's vertices in this photo.
    """
    joints = dict(zip(model.joint_names, fitted.joint_rotvecs, strict=True))
    neutral = model.vertices(model.code(identity=identity, joints=joints))
    with_it, without = surface.operator @ posed, surface.operator @ neutral
    i, j = surface.edges.T
    lengths = [np.linalg.norm(places[i] - places[j], axis=1) + 1e-3 for places in (with_it, without)]
    squared = np.log(lengths[0] / lengths[1]) ** 2
    count = len(with_it)
    edges = np.bincount(i, minlength=count) + np.bincount(j, minlength=count)
    stretched = np.sqrt((np.bincount(i, squared, count) + np.bincount(j, squared, count)) / np.maximum(edges, 1))
    cosine = np.einsum("nd,nd->n", vertex_normals(with_it, surface.faces), vertex_normals(without, surface.faces))
    field = stretched + np.arccos(np.clip(cosine, -1, 1)) / _BEND
    for _ in range(_ROUNDS):
        around = np.bincount(i, field[j], count) + np.bincount(j, field[i], count)
        field = 0.5 * (field + around / np.maximum(edges, 1))
    face = np.clip((field - _BEGIN) / (_FULL - _BEGIN), 0, 1)
    neck = surface.regions["neck"] * (1 - surface.grows)  # every turn of the head folds it
    return np.maximum(face, neck).astype(np.float32)
