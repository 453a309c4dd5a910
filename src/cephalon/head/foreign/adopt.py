"""From a foreign head to a `HeadModel`: everything that it lacks is carried over from our mean head by registration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cephalon.core import InputError
from cephalon.geometry import Mesh, triangulate, vertex_normals
from cephalon.head.correctives import Correctives
from cephalon.head.foreign.closest import Surface
from cephalon.head.foreign.correspond import (
    EYES,
    ball,
    carried_points,
    carried_regions,
    from_axis,
    mirror_vertices,
    sampled_on,
)
from cephalon.head.foreign.register import Registration, register
from cephalon.head.foreign.source import ForeignHead
from cephalon.head.link import LinearLink
from cephalon.head.model import HeadModel, Part

Float = NDArray[np.float64]
Int = NDArray[np.int64]


def adopt(source: ForeignHead, template: HeadModel) -> HeadModel:
    """Return a foreign head as a `HeadModel` in our head frame (mm; the size is the model's own, nothing is rescaled).

    Our mean head is registered to the foreign mean (see `register`). Then, by closest points between the two:

    - named points and regions are ours, placed on the foreign surface;
    - joints and skinning weights are the model's own where it has them, else ours; the eyes' joints sit at the centres
      of the eyeballs;
    - expressions are the model's own where they are ARKit's, else our 52 shapes, carried over;
    - eyeballs are the model's own; a head that has none gets ours, behind its lids;
    - `residual_mm`, what the identity space cannot represent, is measured: 60 people of our model, carried to the
      foreign topology and fitted in its space.

    `meta["registration"]` has the distances; `meta["expressions"]`, `meta["joints"]`, `meta["eyes"]` say whose they are.

    Raises
    ------
    InputError
        If the surface is not a head that our mean head can be registered to.
    """
    polygons, parts, kept, order = _parts_in_order(source)
    vertices = source.vertices[kept]
    skin = parts["skin"]
    triangles, _ = triangulate(polygons[skin.polygons])
    found = register(template, vertices, triangles)
    if not found.is_head:
        raise InputError(
            f"{source.kind}: its mean surface is no head ({100 * found.covered:.0f} % of a head's skin lies near it, as a"
            f" person {found.identity_rms:.1f} times as strange as usual); expected a head or a face, +y up and +z out of the face"
        )
    turn, origin = _head_frame(template, found)
    vertices = (vertices - origin) @ turn.T
    ours = (found.vertices - origin) @ turn.T
    identity = (source.identity[:, kept] @ turn.T.astype(np.float32)).astype(np.float32)
    assert source.expression is not None
    expression = (source.expression[:, kept] @ turn.T.astype(np.float32)).astype(np.float32)

    if not all(name in parts for name in EYES):
        vertices, polygons, parts, identity, expression = _with_our_eyes(
            template, ours, vertices, polygons, parts, identity, expression
        )
        eyes = "ours, placed by registration"
    else:
        eyes = "the model's own"
    faces, _ = triangulate(polygons)
    to_ours = sampled_on(template, ours, vertices, faces, parts)
    inside = np.isin(kept, source.inside) if source.inside is not None else np.zeros(len(kept), dtype=bool)
    regions = carried_regions(template, to_ours, vertices, parts, inside)
    point_sets, away = carried_points(template, ours, vertices, faces, parts)
    joints = _joints(source, template, ours, vertices, faces, parts, to_ours, kept)
    names, whose = template.expression_names, "our 52 shapes, carried over by registration"
    carried = _carried_expressions(template, to_ours)
    if source.arkit:
        missing = [name for name in names if name not in source.expression_names]
        whose = "the model's own, by ARKit's names" + (f"; ours for {', '.join(missing)}" if missing else "")
        for i, name in enumerate(names):
            if name not in missing:
                carried[i] = expression[source.expression_names.index(name)]
    expression = carried
    for name in EYES:  # gaze is the joints' matter
        expression[:, parts[name].vertices] = 0.0
    uv, polygons_uv = _uv(source, order, polygons, parts, vertices)
    topology = Mesh(
        vertices=vertices,
        polygons=polygons,
        uv=uv,
        polygons_uv=polygons_uv,
        groups={name: np.arange(p.polygons.start, p.polygons.stop, dtype=np.int32) for name, p in parts.items()},
    )
    flat = np.concatenate([identity, expression]).reshape(len(identity) + len(expression), -1)
    flat.flags.writeable = False
    k, n = len(identity), len(vertices)
    identity, expression = flat[:k].reshape(k, n, 3), flat[k:].reshape(-1, n, 3)
    rows, columns, values = joints["weights"]
    joint_mean = np.zeros((len(joints["names"]), 3))
    np.add.at(joint_mean, rows, values[:, None] * vertices[columns])
    basis = np.zeros((len(joints["names"]), k, 3))
    np.add.at(basis, rows, values[:, None, None] * identity[:, columns].transpose(1, 0, 2))
    return HeadModel(
        topology=topology,
        parts=parts,
        identity_basis=identity,
        expression_basis=expression,
        expression_names=names,
        residual_mm=_residual(template, to_ours, identity, parts),
        symmetry=mirror_vertices(vertices, parts),
        regions=regions,
        point_sets=point_sets,
        joint_names=joints["names"],
        joint_parents=joints["parents"],
        joint_weights=(rows, columns, values),
        skinning_weights=joints["skinning"],
        correctives=Correctives.none(),
        link=LinearLink(
            names=(),
            mean=np.zeros(0),
            covariance=np.zeros((0, 0)),
            cross=np.zeros((k, 0)),
        ),
        meta={
            "name": source.kind,
            "licence": source.licence,
            "obtain": source.obtain,
            "foreign": True,
            "registration": found.report(),
            "points_away_mm": away,
            "expressions": whose,
            "joints": joints["whose"],
            "eyes": eyes,
            "texture": "its own chart" if source.uv is not None else "none: the model has no texture coordinates",
            "notes": list(source.notes),
            "not_measured": _not_measured(template, ours, found),
            "vertices_kept": _ranges(kept),
        },
        sha256=source.sha256,
        _flat=flat,
        _joint_mean=joint_mean,
        _joint_basis=np.ascontiguousarray(basis.transpose(1, 0, 2)),
        _lid_shapes=(),
        _lid_travel=(),
    )


def _parts_in_order(source: ForeignHead) -> tuple[NDArray[np.int32], dict[str, Part], Int, Int]:
    """Sort polygons and vertices by part; drop vertices that no part uses.

    Returns polygons of the kept vertices, the parts, the kept vertices' old numbers, and the polygons' old numbers.
    """
    named = dict(source.parts) or {"skin": np.arange(len(source.polygons))}
    if next(iter(named)) != "skin":
        raise InputError(f"{source.kind}: its first part is not the skin")
    new_number = np.full(len(source.vertices), -1, dtype=np.int64)
    kept: list[Int] = []
    count = 0
    spans = []
    for members in named.values():
        own = source.polygons[members]
        used = np.unique(own[own >= 0])
        fresh = used[new_number[used] < 0]
        new_number[fresh] = count + np.arange(len(fresh))
        spans.append(slice(count, count + len(fresh)))
        count += len(fresh)
        kept.append(fresh.astype(np.int64))
    order = np.concatenate([np.asarray(members, dtype=np.int64) for members in named.values()])
    old = source.polygons[order]
    polygons = np.where(old >= 0, new_number[old], -1).astype(np.int32)
    face_starts = np.concatenate([[0], np.cumsum(1 + (polygons[:, 3] >= 0))])
    parts, start = {}, 0
    for (name, members), span in zip(named.items(), spans, strict=True):
        stop = start + len(members)
        faces = slice(int(face_starts[start]), int(face_starts[stop]))
        parts[name] = Part(name=name, vertices=span, polygons=slice(start, stop), faces=faces)
        start = stop
    return polygons, parts, np.concatenate(kept), order


def _head_frame(template: HeadModel, found: Registration) -> tuple[Float, Float]:
    """Return rotation and origin of our head frame in the foreign one: tragions and orbitalia, as carried over."""
    at = dict(
        zip(
            template.point_set("iso").names,
            template.point_set("iso").positions(found.vertices, template.faces),
            strict=True,
        )
    )
    origin = (at["t_l"] + at["t_r"]) / 2
    x = at["t_l"] - at["t_r"]
    x /= np.linalg.norm(x)
    forward = (at["or_l"] + at["or_r"]) / 2 - origin
    y = np.cross(forward, x)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)]), origin


def _with_our_eyes(
    template: HeadModel,
    ours: Float,
    vertices: Float,
    polygons: NDArray[np.int32],
    parts: dict[str, Part],
    identity: NDArray[np.float32],
    expression: NDArray[np.float32],
) -> tuple[Float, NDArray[np.int32], dict[str, Part], NDArray[np.float32], NDArray[np.float32]]:
    """Put our eyeballs behind the foreign lids; each moves as one with the mean of the skin nearest to it."""
    from scipy.spatial import KDTree

    skin = vertices[parts["skin"].vertices]
    tree = KDTree(skin)
    faces = sum(1 + (polygons[:, 3] >= 0))
    for name in EYES:
        if name in parts:
            continue
        own = template.parts[name]
        eye = ours[own.vertices]
        near = np.unique(np.asarray(tree.query(eye[eye[:, 2] > np.median(eye[:, 2])], k=3)[1]))
        quads = template.polygons[own.polygons]
        added = np.where(quads >= 0, quads - own.vertices.start + len(vertices), -1).astype(np.int32)
        count = 2 * int((added[:, 3] >= 0).sum()) + int((added[:, 3] < 0).sum())
        parts = {
            **parts,
            name: Part(
                name=name,
                vertices=slice(len(vertices), len(vertices) + len(eye)),
                polygons=slice(len(polygons), len(polygons) + len(added)),
                faces=slice(int(faces), int(faces) + count),
            ),
        }
        faces += count
        vertices = np.concatenate([vertices, eye])
        polygons = np.concatenate([polygons, added])
        move = identity[:, near].mean(axis=1, keepdims=True)
        identity = np.concatenate([identity, np.repeat(move, len(eye), axis=1)], axis=1)
        still = np.zeros((len(expression), len(eye), 3), np.float32)
        expression = np.concatenate([expression, still], axis=1)
    return vertices, polygons, parts, identity, expression


def _not_measured(template: HeadModel, ours: Float, found: Registration) -> list[str]:
    """Return the measures that need skin which the foreign surface does not have (a face alone has no crown)."""
    from cephalon.head.anatomy import anatomy_of
    from cephalon.head.measures import MEASURES

    bare = np.zeros(len(ours), dtype=bool)
    bare[found.used[found.distance_mm > 5.0]] = True
    anatomy = anatomy_of(template)
    missing = []
    for name, each in MEASURES.items():
        derivative = each.function(ours, anatomy).derivative()
        strength = np.abs(derivative.gradient).sum(axis=1)
        if (bare[derivative.vertices] & (strength > 0.02)).any():
            missing.append(name)
    return missing


def _joints(
    source: ForeignHead,
    template: HeadModel,
    ours: Float,
    vertices: Float,
    faces: NDArray[np.int32],
    parts: Mapping[str, Part],
    to_ours: Any,
    kept: Int,
) -> dict[str, Any]:
    """Return names, parents, (rows, columns, values) of joint positions, skinning weights, and whose they are."""
    own = bool(source.joint_names)
    extra = len(vertices) - len(kept)
    if own:
        names, parents = source.joint_names, np.asarray(source.joint_parents, dtype=np.int32)
        assert source.joint_operator is not None
        assert source.skinning_weights is not None
        operator = sparse.lil_matrix(np.concatenate([source.joint_operator[:, kept], np.zeros((len(names), extra))], 1))
        skinning = np.concatenate([source.skinning_weights[kept], np.zeros((extra, len(names)), np.float32)])
    else:
        names, parents = template.joint_names, template.joint_parents
        # our skin's vertices as points of the foreign skin: then our joints are sums of foreign vertices
        skin = template.parts["skin"].vertices
        surface = Surface(vertices, faces[parts["skin"].faces])
        hit = surface.closest(ours[skin], vertex_normals(ours, template.faces)[skin])
        corners = faces[parts["skin"].faces][hit.face]
        rows = np.repeat(np.arange(skin.start, skin.stop), 3)
        sampled = sparse.csr_matrix(
            (hit.barycentric.reshape(-1), (rows, corners.reshape(-1))), shape=(len(ours), len(vertices))
        )
        operator = (template.joint_operator @ sampled).tolil()
        skinning = np.asarray(to_ours @ template.skinning_weights, dtype=np.float32)
    for name in EYES:
        if name not in names:
            continue
        row, part = names.index(name), parts[name].vertices
        if not own or extra:
            operator[row] = 0
            operator[row, part.start : part.stop] = 1.0 / (part.stop - part.start)
        skinning[part] = 0.0
        skinning[part, row] = 1.0
    total = skinning.sum(axis=1, keepdims=True)
    found = operator.tocoo()
    return {
        "names": tuple(names),
        "parents": parents,
        "weights": (found.row.astype(np.int32), found.col.astype(np.int32), found.data.astype(np.float64)),
        "skinning": skinning / np.where(total > 0, total, 1.0),
        "whose": "the model's own" if own else "ours, carried over by registration",
    }


def _carried_expressions(template: HeadModel, to_ours: Any) -> NDArray[np.float32]:
    basis = template.expression_basis
    stacked = basis.transpose(1, 0, 2).reshape(basis.shape[1], -1)
    moved = np.asarray(to_ours.astype(np.float32) @ stacked, dtype=np.float32)
    return np.ascontiguousarray(moved.reshape(len(moved), -1, 3).transpose(1, 0, 2))


def _uv(
    source: ForeignHead, order: Int, polygons: NDArray[np.int32], parts: Mapping[str, Part], vertices: Float
) -> tuple[Float | None, NDArray[np.int32] | None]:
    """Return the skin's own chart, and for each eyeball the chart our pictures of eyes are painted in.

    That chart is azimuthal about the optical axis: the distance from (0.5, 0.5) is the angle from the axis over 2 pi.
    """
    if source.uv is None or source.polygons_uv is None:
        return None, None
    uv = [np.asarray(source.uv, dtype=np.float64)]
    corners = np.full((len(polygons), 4), -1, dtype=np.int32)
    corners[: len(order)] = source.polygons_uv[order]
    count = len(uv[0])
    for name in EYES:
        part = parts[name]
        eye = vertices[part.vertices]
        angle, _ = from_axis(eye)
        away = eye - ball(eye)[0]
        around = np.arctan2(away[:, 1], away[:, 0])
        uv.append(0.5 + (angle / (2 * np.pi))[:, None] * np.stack([np.cos(around), np.sin(around)], axis=1))
        own = polygons[part.polygons]
        corners[part.polygons] = np.where(own >= 0, own - part.vertices.start + count, -1)
        count += len(eye)
    return np.concatenate(uv), corners


def _residual(
    template: HeadModel, to_ours: Any, identity: NDArray[np.float32], parts: Mapping[str, Part], people: int = 60
) -> NDArray[np.float32]:
    """Return (n,) sd per axis, mm, of what the identity space leaves of our model's people."""
    rng = np.random.default_rng(0)
    skin = parts["skin"].vertices
    rows = np.arange(skin.start, skin.stop, max(1, (skin.stop - skin.start) // 2000))
    k = len(identity)
    own = identity[:, rows].reshape(k, -1).astype(np.float64)
    rigid = _rigid_modes(template, to_ours, rows)
    design = np.concatenate([own, rigid]).T
    prior = np.concatenate([np.ones(k), np.full(len(rigid), 1e-6)])
    sigma = 1.0
    normal = np.linalg.inv(design.T @ design / sigma**2 + np.diag(prior)) @ design.T / sigma**2
    square = np.zeros(len(rows))
    for _ in range(people):
        moved = template.vertices(template.sample(rng=rng)) - template.mean
        delta = (to_ours[rows] @ moved).reshape(-1)
        left = delta - design @ (normal @ delta)
        square += (left.reshape(-1, 3) ** 2).mean(1)
    known = np.sqrt(square / people + np.asarray(to_ours[rows] @ template.residual_mm) ** 2)
    from scipy.spatial import KDTree

    place = np.asarray(to_ours @ template.mean)
    nearest = KDTree(place[rows]).query(place, k=min(4, len(rows)))[1]
    return known[nearest].mean(axis=1).astype(np.float32)


def _rigid_modes(template: HeadModel, to_ours: Any, rows: NDArray[np.intp]) -> Float:
    """Turns and shifts (6, 3 r): a person of the one model may lie a little differently in the other's frame."""
    place = np.asarray(to_ours[rows] @ template.mean)
    turns = [np.cross(axis, place).reshape(-1) / 100 for axis in np.eye(3)]
    shifts = [np.tile(axis, len(place)) for axis in np.eye(3)]
    return np.stack([*turns, *shifts])


def _ranges(numbers: Int) -> list[list[int]]:
    """Return numbers as [start, stop) ranges in their order."""
    if not len(numbers):
        return []
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    starts, stops = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(numbers)]])
    return [[int(numbers[a]), int(numbers[b - 1]) + 1] for a, b in zip(starts, stops, strict=True)]
