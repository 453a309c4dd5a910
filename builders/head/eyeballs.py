"""Eyeballs of human size in every sampled person, with the lids laid on them.

MakeHuman's eyeballs are about a sixth too large and swell with the head. Human ones hardly vary: 24.2 mm across in
adults (Bekerman et al. 2014, J Ophthalmol 503645), sd 0.9 mm, with an axial length that grows from 21.8 mm at three
years (Groot et al. 2021) through 22.4 at six and 23.1 at nine (Tideman et al. 2018) to 23.5 mm in adults.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, load_landmarks
from builders.head.eyes import affine_weights, make_eyeball
from builders.head.lids import eyeball_pose

Float = NDArray[np.float64]

RADIUS_MM = 12.1
RADIUS_SD_MM = 0.35

GROWTH = ((3.0, 6.0, 9.0, 15.0, 21.0), (0.928, 0.952, 0.981, 0.996, 1.0))
"""Ages in years, and the eyeball's size as a share of the adult's."""

LID_REACH_MM = 4.0
"""How far from the eyeball's surface the skin follows it, standard deviation of a Gaussian."""

PUPIL_ABOVE_MIDDLE_MM = 0.4
"""How far the pupil lies above the middle of the lid opening: lid margins about 4.6 mm above and 5.4 mm below it."""

MARGIN_WIDTH_MM = 2.0
"""How sharply vertices follow the nearest piece of the lid margin, standard deviation of a Gaussian."""

GAP_SHRINK = 0.95
"""Share of a lid margin's deviation from its mean distance to the ball that is taken away."""

LEAST_GAP_MM = 0.9
"""Least distance of a lid margin to the sclera's ball, so that the bulge of the cornea stays behind the lids."""

LID_EXTENT = 0.85
"""Distance from the gaze axis, as a share of the radius, beyond which the lids move as they do there: the eye corners
lie beside the ball, not on it."""


def fit_eyeballs(
    base: HeadBase, vertices: NDArray[np.float32], age_years: Float, rng: np.random.Generator | None
) -> NDArray[np.float32]:
    """Replace the eyeballs of people (p, n, 3) mm, in axes with +z forward, and move lids and lashes with them.

    The apex of the cornea keeps its depth, so a smaller ball moves forward; its height is set by the lids. Skin and
    lashes near the ball first keep their distance to its surface along z; then the lid margins are laid on it: every
    margin vertex is given nearly the distance to the ball that it has on average, and what lies beside it follows.
    Without `rng` everybody's eyeballs have the mean size of their age.
    """
    fitted = vertices.copy()
    growth = np.interp(age_years, *GROWTH)
    drawn = np.zeros(len(vertices)) if rng is None else np.clip(rng.standard_normal(len(vertices)), -2.5, 2.5)
    radius = (RADIUS_MM + RADIUS_SD_MM * drawn) * growth
    ball = make_eyeball().points
    to_centre = affine_weights(ball, np.zeros((1, 3)))[0]
    to_radius = affine_weights(ball, np.eye(3)) - to_centre
    for name, flip in (("left_eye", 1.0), ("right_eye", -1.0)):
        part = base.part(name)[0]
        eye = vertices[:, part].astype(np.float64)
        centre = np.einsum("v,pvc->pc", to_centre, eye)
        old_radius = np.linalg.norm(np.einsum("av,pvc->pac", to_radius, eye), axis=2).mean(axis=1)
        margin = base.asset_index(load_landmarks()["loops"]["left_lid"])
        margin = margin if name == "left_eye" else base.symmetry[margin]
        new_centre = centre.copy()
        new_centre[:, 1] = _opening_middle(vertices[:, margin].astype(np.float64), centre) + PUPIL_ABOVE_MIDDLE_MM
        new_centre[:, 2] += old_radius - radius
        fitted[:, part] = new_centre[:, None] + radius[:, None, None] * (ball * np.array([flip, 1.0, 1.0]))
        near = _near(base, name)
        old = vertices[:, near].astype(np.float64)
        fitted[:, near, 2] += _follow(old, centre, old_radius, new_centre, radius)
        lids = fitted[:, margin].astype(np.float64)
        step = _lay(lids, new_centre, radius, _gap(lids, new_centre, radius).mean(axis=0))
        fitted[:, near, 2] += step @ _spread(base, margin, near)
    return fitted


def look_ahead(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let the eyes of people (p, n, 3) mm look along +z from between their lids, and lay the lid margins on them anew.

    Measures change a face, its lids more than its eyeballs, and alignment turns it, eyeballs with it. With every eye turned
    back, an eyeball is linear in its centre and radius, so that no mode of identity turns a gaze.
    """
    ahead = vertices.copy()
    ball = make_eyeball().points
    for name, flip in (("left_eye", 1.0), ("right_eye", -1.0)):
        part = base.part(name)[0]
        poses = [eyeball_pose(eye) for eye in vertices[:, part].astype(np.float64)]
        centre, radius = np.stack([pose[0] for pose in poses]), np.array([pose[1] for pose in poses])
        margin = base.asset_index(load_landmarks()["loops"]["left_lid"])
        margin = margin if name == "left_eye" else base.symmetry[margin]
        lids = vertices[:, margin].astype(np.float64)
        usual = _gap(lids, centre, radius).mean(axis=0)
        centre[:, 1] = _opening_middle(lids, centre) + PUPIL_ABOVE_MIDDLE_MM
        ahead[:, part] = centre[:, None] + radius[:, None, None] * (ball * np.array([flip, 1.0, 1.0]))
        near = _near(base, name)
        step = _lay(lids, centre, radius, usual)
        ahead[:, near, 2] += step @ _spread(base, margin, near)
    return ahead


def _opening_middle(margin: Float, centre: Float) -> Float:
    """Height (p,) mm half-way between the lid margins (p, j, 3) straight above and below a pupil at centre (p, 3)."""
    beside = np.exp(-0.5 * ((margin[..., 0] - centre[:, None, 0]) / MARGIN_WIDTH_MM) ** 2)
    upper = margin[..., 1] > margin[..., 1].mean(axis=1, keepdims=True)
    heights = [(beside * half * margin[..., 1]).sum(axis=1) / (beside * half).sum(axis=1) for half in (upper, ~upper)]
    return (heights[0] + heights[1]) / 2


def _near(base: HeadBase, eye: str) -> NDArray[np.int32]:
    """Vertices of skin and lashes that can come within reach of an eyeball, on the base mesh."""
    centre = base.vertices[base.part(eye)[0]].mean(axis=0)
    candidates = np.concatenate(
        [np.arange(rows.start, rows.stop) for rows in (base.part(p)[0] for p in ("skin", eye.replace("eye", "lashes")))]
    )
    distance = np.linalg.norm(base.vertices[candidates] - centre, axis=1)
    return candidates[distance < 14.0 + 6.0 * LID_REACH_MM].astype(np.int32)


def _gap(margin: Float, centre: Float, radius: Float) -> Float:
    """Distance (p, j) mm of lid margins (p, j, 3) from the ball."""
    return np.linalg.norm(margin - centre[:, None], axis=2) - radius[:, None]


def _lay(margin: Float, centre: Float, radius: Float, usual: Float) -> Float:
    """Forward displacement (p, j) mm that brings lid margins (p, j, 3) near a usual distance (j,) to the ball."""
    arm = margin - centre[:, None]
    distance = np.linalg.norm(arm, axis=2)
    wanted = np.maximum(usual, LEAST_GAP_MM)
    return GAP_SHRINK * (wanted - distance + radius[:, None]) * distance / np.maximum(arm[..., 2], 0.5 * distance)


def _spread(base: HeadBase, margin: NDArray[np.int32], near: NDArray[np.int32]) -> Float:
    """Weights (j, v) by which vertices follow the lid margin beside them, on the base mesh."""
    squared = ((base.vertices[margin][:, None] - base.vertices[near][None]) ** 2).sum(axis=2)
    weights = np.exp(-squared / (2 * MARGIN_WIDTH_MM**2)) + 1e-12
    fade = np.exp(-squared.min(axis=0) / (2 * LID_REACH_MM**2))
    return fade * weights / weights.sum(axis=0)


def _follow(old: Float, centre: Float, radius: Float, new_centre: Float, new_radius: Float) -> Float:
    """Forward displacement (p, v) mm of points (p, v, 3) that lie on a ball when the ball is exchanged."""

    def front(at: Float, size: Float) -> Float:
        aside = np.linalg.norm(old[..., :2] - at[:, None, :2], axis=2)
        aside = np.minimum(aside, LID_EXTENT * np.minimum(radius, new_radius)[:, None])
        return at[:, 2:] + np.sqrt(size[:, None] ** 2 - aside**2)

    gap = np.linalg.norm(old - centre[:, None], axis=2) - radius[:, None]
    weight = np.exp(-0.5 * (np.maximum(gap, 0.0) / LID_REACH_MM) ** 2)
    return weight * (front(new_centre, new_radius) - front(centre, radius))
