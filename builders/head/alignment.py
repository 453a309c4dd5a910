"""Rigid motion between heads, and its removal.

Shape letters: n asset vertices, p people, k modes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase
from builders.head.regions import build_regions

Float = NDArray[np.float64]


def alignment_weights(base: HeadBase) -> Float:
    """Weights (n,) for the removal of rigid motion: skull and face, no ears, neck, cavities or parts."""
    regions = build_regions(base)
    keep = np.maximum(regions["face"], regions["skull"])
    for name in ("ears", "neck", "mouth_cavity", "eye_sockets", "nostrils"):
        keep = keep * (1.0 - regions[name])
    keep[base.part("skin")[0].stop :] = 0.0
    return keep


def onto(reference: Float, vertices: NDArray[np.float32], weights: Float) -> NDArray[np.float32]:
    """Move people (p, n, 3) rigidly onto a head (n, 3): weighted Procrustes without scale."""
    used = weights > 0.01
    w = weights[used] / weights[used].sum()
    middle = w @ reference[used]
    centres = np.einsum("v,pvc->pc", w, vertices[:, used])
    centred = vertices[:, used] - centres[:, None]
    u, _, vt = np.linalg.svd(np.einsum("va,v,pvb->pab", reference[used] - middle, w, centred))
    u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
    aligned = np.einsum("pab,pvb->pva", (u @ vt).astype(np.float32), vertices - centres[:, None].astype(np.float32))
    return aligned + middle.astype(np.float32)


def without_motion(reference: Float, modes: NDArray[np.float32], weights: Float) -> NDArray[np.float32]:
    """Offsets (k, n, 3) of a head (n, 3) without their rigid part: weighted least squares over turns and shifts."""
    w = weights / weights.sum()
    arm = reference - w @ reference
    motions = np.zeros((6, *reference.shape))
    for axis in range(3):
        motions[axis] = np.cross(np.eye(3)[axis], arm)
        motions[3 + axis, :, axis] = 1.0
    flat = motions.reshape(6, -1)
    weighted = flat * np.repeat(w, 3)
    amount = np.linalg.solve(weighted @ flat.T, weighted @ modes.reshape(len(modes), -1).T.astype(np.float64))
    return (modes.reshape(len(modes), -1) - amount.T @ flat).reshape(modes.shape).astype(np.float32)
