"""A head from one model's topology to another's, and the code that comes closest in the other model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError
from cephalon.geometry import SurfacePoints, procrustes, vertex_normals
from cephalon.head.foreign.closest import Surface
from cephalon.head.foreign.register import Anchors, register
from cephalon.head.model import HeadCode, HeadModel

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Carried:
    """A head in another model's topology.

    Attributes
    ----------
    vertices : (n, 3) mm in our head frame, the other topology lying on the given head; the skin's detail is kept.
    code : the identity of the other model that comes closest; `fitted` (n, 3) its vertices, in the same place.
    distances_mm : "mesh" (the carried vertices to the given surface) and "code" (the fitted ones to it): median, 95 %.
    """

    vertices: Float
    code: HeadCode
    fitted: Float
    distances_mm: dict[str, dict[str, float]]


def carry_head(source: HeadModel, code: HeadCode, target: HeadModel) -> Carried:
    """Carry a head of one model to another model's topology.

    Parameters
    ----------
    source, code : the head as it is; its identity alone is carried, the expression is neutral.
    target : the model to carry it to.
    """
    neutral = HeadCode(identity=code.identity)
    skin = source.parts["skin"]
    vertices = source.vertices(neutral)
    anchors = _common_points(source, vertices, target)
    return carry_surface(vertices[skin.vertices], source.faces[skin.faces], target, anchors=anchors)


def _common_points(source: HeadModel, vertices: Float, target: HeadModel) -> Anchors | None:
    """Return the skin's named points that both models have: they keep lips and lids from sliding."""
    skin = target.parts["skin"].vertices.stop
    found = []
    for name in ("mediapipe478", "iso"):
        if name in source.point_sets and name in target.point_sets:
            points = target.point_set(name)
            on_skin = np.flatnonzero((target.faces[points.face_index] < skin).all(axis=1))
            found.append((points.take(on_skin), source.point_set(name).positions(vertices, source.faces)[on_skin]))
    if not found:
        return None
    points = SurfacePoints(
        face_index=np.concatenate([points.face_index for points, _ in found]),
        barycentric=np.concatenate([points.barycentric for points, _ in found]),
    )
    return Anchors(points=points, positions=np.concatenate([places for _, places in found]))


def carry_surface(
    vertices: Float, faces: NDArray[np.int32], target: HeadModel, *, anchors: Anchors | None = None
) -> Carried:
    """Lay a model's topology on any head's skin by registration; find the model's code that comes closest.

    Parameters
    ----------
    vertices, faces : (v, 3) mm and (t, 3), a head's skin, outward; +y roughly up, +z roughly out of the face.
    target : the model whose topology and code are wanted.
    anchors : points of the target's skin whose places on the given head are known.

    Raises
    ------
    InputError
        If the surface is not a head that the model can be registered to.
    """
    vertices = np.asarray(vertices, dtype=np.float64)
    found = register(target, vertices, faces, anchors=anchors)
    if not found.is_head:
        raise InputError(
            f"this surface is no head with +y up and +z out of the face ({100 * found.covered:.0f} % of the model's skin"
            f" lies near it, as a person {found.identity_rms:.1f} times as strange as usual)"
        )
    z, pose = _closest_code(target, found.vertices, found.used, found.distance_mm)
    fitted = pose.apply(target.vertices(HeadCode(identity=z)))
    surface = Surface(vertices, faces)
    near = found.distance_mm < 5.0
    distances = {}
    triangles = target.faces[target.parts["skin"].faces]
    for name, placed in (("mesh", found.vertices), ("code", fitted)):
        rows = found.used[near]
        distance = surface.closest(placed[rows], vertex_normals(placed, triangles)[rows]).distance
        median, far = np.percentile(distance, (50, 95))
        distances[name] = {"median_mm": round(float(median), 3), "percentile95_mm": round(float(far), 3)}
    distances["mesh"]["covered"] = round(found.covered, 3)
    return Carried(
        vertices=found.vertices, code=HeadCode(identity=z), fitted=np.asarray(fitted), distances_mm=distances
    )


def _closest_code(target: HeadModel, placed: Float, used: NDArray[np.intp], distance: Float) -> tuple[Float, Any]:
    """Return z and a pose (no scale) with the vertices of z closest to `placed`, under the prior.

    Each vertex counts with the model's own residual; neighbours err together, so their number is tempered by 10.
    """
    rows = used[distance < 5.0]
    basis = target.identity_basis[:, rows].astype(np.float64)
    k = len(basis)
    sigma = np.maximum(np.asarray(target.residual_mm, dtype=np.float64)[rows], 0.3)
    weight = np.repeat(1.0 / (10 * sigma**2), 3)
    flat = basis.reshape(k, -1)
    normal = (flat * weight) @ flat.T + np.eye(k)
    z = np.zeros(k)
    pose = procrustes(target.mean[rows], placed[rows])
    for _ in range(12):
        wanted = pose.inverse().apply(placed[rows]) - target.mean[rows]
        z = np.asarray(np.linalg.solve(normal, (flat * weight) @ wanted.reshape(-1)), dtype=np.float64)
        pose = procrustes(target.mean[rows] + np.tensordot(z, basis, axes=1), placed[rows])
    return z, pose
