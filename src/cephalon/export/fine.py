"""The finer level of a head's mesh, on which its files and textures are made: round lids and lips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from cephalon.core import InputError
from cephalon.geometry import Mesh, subdivision
from cephalon.head import HeadModel, Part

FINE_POLYGONS = 12_000
"""A model with more polygons than this is fine as it is: its files and textures use its own mesh."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FineMesh:
    """The model's topology after one Catmull-Clark step: `operator` (n_fine, n) carries vertices, shapes and weights."""

    mesh: Mesh
    operator: Any
    parts: Mapping[str, Part]


@lru_cache(maxsize=2)
def fine_mesh(model: HeadModel) -> FineMesh:
    """Return the subdivided level of a model, or a fine model as it is (kept for the process)."""
    from scipy.sparse import identity

    if len(model.polygons) > FINE_POLYGONS:
        return FineMesh(mesh=model.topology, operator=identity(len(model.mean), format="csr"), parts=model.parts)
    try:
        fine = subdivision(model.topology)
    except InputError:
        if model.meta.get("foreign"):  # a mesh that is not a manifold everywhere cannot be made finer
            return FineMesh(mesh=model.topology, operator=identity(len(model.mean), format="csr"), parts=model.parts)
        raise
    # every polygon becomes one quad per corner, in order, so the parts stay contiguous
    corners = np.concatenate([[0], np.cumsum(np.where(model.polygons[:, 3] >= 0, 4, 3))])
    parts = {}
    for name, part in model.parts.items():
        start, stop = int(corners[part.polygons.start]), int(corners[part.polygons.stop])
        used = np.unique(fine.mesh.polygons[start:stop])
        span = slice(int(used.min()), int(used.max()) + 1)  # not contiguous: the range that holds them
        parts[name] = Part(name=name, vertices=span, polygons=slice(start, stop), faces=slice(2 * start, 2 * stop))
    return FineMesh(mesh=fine.mesh, operator=fine.operator, parts=parts)
