"""Joints and skinning weights.

Five joints: a root that stays with the collar, neck, head and the two eyes. Joint positions are fixed linear
combinations of vertices, so they follow the identity.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import cKDTree

from builders.head.base import HeadBase
from builders.head.eyes import fit_sphere
from builders.head.makehuman import load_hm08, read_rig_weights
from builders.head.regions import cavity_polygons

JOINT_NAMES = ("root", "neck", "head", "left_eye", "right_eye")
JOINT_PARENTS = (-1, 0, 1, 2, 2)

SHARES = {
    "root": {"spine01": 1.0, "spine02": 1.0, "clavicle": 1.0, "shoulder01": 1.0, "neck01": 0.35},
    "neck": {"neck01": 0.65, "neck02": 0.85, "neck03": 0.45},
    "head": {"neck02": 0.15, "neck03": 0.55},
}
"""How much of a MakeHuman bone's weight (both sides) goes to a joint; the face's many bones all go to the head."""

SMOOTHING_STEPS = 12
"""Averagings with the neighbours, so that the neck bends without creases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """Joints of the head.

    Attributes
    ----------
    names, parents : joints, each after its parent; -1 for the root.
    operator : (j, n) sparse, ``operator @ vertices`` are the joints' positions; rows sum to 1.
    weights : (n, j) linear blend skinning weights, rows sum to 1.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    operator: sparse.coo_matrix
    weights: np.ndarray


def build_rig(base: HeadBase) -> Rig:
    """Joints and weights from MakeHuman's default rig."""
    hm08 = load_hm08()
    n = len(base.vertices)
    skin = base.part("skin")[0]
    collar = _collar(base)
    cubes = {"neck": "joint-neck", "head": "joint-head"}
    rows = {"root": np.zeros(n)}
    rows["root"][collar] = 1 / len(collar)
    for joint, cube in cubes.items():
        position = hm08.vertices[np.unique(hm08.polygons[cube])].mean(axis=0)
        near = np.flatnonzero(np.linalg.norm((base.vertices[: skin.stop] - position), axis=1) < 95)
        rows[joint] = np.zeros(n)
        rows[joint][near] = _least_weights(base.vertices[near], position)
    for joint in ("left_eye", "right_eye"):
        vertices = base.part(joint)[0]
        cage = hm08.vertices[np.unique(hm08.polygons[f"helper-{joint[0]}-eye"])]
        rows[joint] = np.zeros(n)
        rows[joint][vertices] = _least_weights(base.vertices[vertices], fit_sphere(cage)[0])
    operator = np.stack([rows[name] for name in JOINT_NAMES])
    return Rig(
        names=JOINT_NAMES,
        parents=JOINT_PARENTS,
        operator=sparse.coo_matrix(operator),
        weights=_weights(base, collar),
    )


def _least_weights(points: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Weights (k,) summing to 1 that carry points (k, 3) to a position, as equal as possible."""
    system = np.concatenate([points.T, np.ones((1, len(points)))])
    even = np.full(len(points), 1 / len(points))
    missing = np.append(position, 1.0) - system @ even
    return even + np.linalg.lstsq(system, missing, rcond=None)[0]


def _collar(base: HeadBase) -> np.ndarray:
    """Vertices of the skin's open edge."""
    polygons = base.polygons[base.part("skin")[1]]
    edges = {(int(a), int(b)) for corners in polygons for a, b in zip(corners, np.roll(corners, -1), strict=True)}
    return np.unique([a for a, b in edges if (b, a) not in edges])


def _weights(base: HeadBase, collar: np.ndarray) -> np.ndarray:
    """Skinning weights (n, j)."""
    n_hm08 = len(load_hm08().vertices)
    bones = read_rig_weights()
    by_joint = {name: np.zeros(n_hm08) for name in JOINT_NAMES}
    for joint, shares in SHARES.items():
        for bone, share in shares.items():
            for full in (bone, f"{bone}.L", f"{bone}.R"):
                if full in bones:
                    by_joint[joint][bones[full][:, 0].astype(np.int64)] += share * bones[full][:, 1]
    skin = base.part("skin")[0]
    weights = np.zeros((len(base.vertices), len(JOINT_NAMES)))
    for j, joint in enumerate(JOINT_NAMES):
        weights[skin, j] = by_joint[joint][base.hm08_index[skin]]
    weights[skin, 2] += np.maximum(0, 1 - weights[skin].sum(axis=1))
    weights[skin] /= weights[skin].sum(axis=1, keepdims=True)

    polygons = base.polygons[base.part("skin")[1]]
    a, b = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    adjacency = sparse.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(skin.stop,) * 2)
    averaging = sparse.diags(1 / np.asarray(adjacency.sum(axis=1)).ravel()) @ adjacency
    fixed = np.zeros((len(collar), len(JOINT_NAMES)))
    fixed[:, 0] = 1.0
    pure_head = weights[skin, 2] > 0.999
    for _ in range(SMOOTHING_STEPS):
        weights[collar] = fixed
        weights[skin] = 0.5 * weights[skin] + 0.5 * (averaging @ weights[skin])
        weights[: skin.stop][pure_head] = [0, 0, 1, 0, 0]
    weights[collar] = fixed
    _follow_the_outside(base, weights)
    for name in base.part_names[1:]:
        joint = name if name in JOINT_NAMES else "head"
        weights[base.part(name)[0], JOINT_NAMES.index(joint)] = 1.0
    return (weights + _swap_eyes(weights[base.symmetry])) / 2


def _follow_the_outside(base: HeadBase, weights: np.ndarray) -> None:
    """Give the mouth cavity the weights of the skin around it, lest its back pierce the neck when the head turns."""
    skin = base.part("skin")[0]
    hole = cavity_polygons(base)["mouth_cavity"][base.part("skin")[1]]
    polygons = base.polygons[base.part("skin")[1]]
    inside = np.unique(polygons[hole])
    outside = np.setdiff1d(np.arange(skin.stop), inside)
    distance, nearest = cKDTree(base.vertices[outside]).query(base.vertices[inside], k=12)
    closeness = 1 / (distance + 2.0) ** 2
    closeness /= closeness.sum(axis=1, keepdims=True)
    weights[inside] = np.einsum("vk,vkj->vj", closeness, weights[outside[nearest]])


def _swap_eyes(weights: np.ndarray) -> np.ndarray:
    """Weights (n, j) as the mirrored head has them."""
    return weights[:, [0, 1, 2, 4, 3]]
