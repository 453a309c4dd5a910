"""What a posed face needs beyond the sum of its shapes: pairs that clash, lids that follow the gaze and clear the eyeball.

A linear model adds shapes; real lids slide over a ball, and two shapes that move the same skin do not add up. Three
small terms mend that, all zero for a neutral face:

- *pairs*: for each listed pair (i, j) of shapes an offset C_ij, scaled by e_i e_j;
- *gaze*: turning an eye's joint raises that eye's eyeLookUp, -Down, -In or -Out to what the turn asks for;
- *lids*: the blink travels as far as this person's eye is open, lids that then still leave a slit meet as those of the mean
  head do, and lids that would sink into the eyeball, with the bulge of the cornea where the gaze puts it, are pushed out
  along its radius.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cephalon.geometry import rotation_from_rotvec

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]

SIDES = ("Left", "Right")

GAZE_DEG = {"Down": 30.0, "Up": 25.0, "In": 35.0, "Out": 35.0}
"""Turn of the eye at which its eyeLook shape is fully there. The shapes carry no angle; at these the upper lid's margin
keeps its place on the iris when the eye looks down, and lags behind it, as lids do, when it looks up."""

FULL_MOTION_MM = 2.0
"""A lid vertex that has moved so far keeps its whole distance from the eyeball, one at rest what it has."""

CLOSING_FROM = 0.4
"""From this coefficient of the blink on lids are brought together, by the square of how far it is on its way to 1."""

SPREADING = 3
"""Averagings by which the neighbours of a pushed vertex take part."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidMeeting:
    """Where the two lids of one eye meet; h places along the upper lid's margin, l lid vertices.

    Attributes
    ----------
    upper : (h,) margin vertices of the upper lid.
    lower, share : (h, 2) margin vertices of the lower lid beside each, and how much of the second counts, (h,).
    gap_mm : (h,) height of the upper above the lower one in the mean head's shut eye; mostly negative: lids overlap.
    moving : (l, h) sparse, how lid vertices move along +y where the gap is 1 mm too wide.
    """

    upper: NDArray[np.int64]
    lower: NDArray[np.int64]
    share: Float
    gap_mm: Float
    moving: sparse.csr_matrix

    def excess_mm(self, moved: Float) -> Float:
        """Return by how much more the lids of a face (n, 3) stand open than those of the mean head's shut eye, (h,)."""
        low = moved[self.lower, 1]
        return moved[self.upper, 1] - (1 - self.share) * low[:, 0] - self.share * low[:, 1] - self.gap_mm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidContact:
    """The skin that slides on one eyeball.

    With l lid vertices, a lash vertices, o of the eyeball.

    Attributes
    ----------
    rows, lash_rows, ball_rows : (l,), (a,) and (o,) vertices of the model; the last on the sclera's sphere.
    clearance_mm : (l,) least distance from the eyeball of skin that has moved by `FULL_MOTION_MM`; less for less.
    averaging : (l, l) sparse, mean over the neighbours.
    carrying : (a, l) sparse, how lashes follow the lid.
    opening : (2 h,) vertices of the upper lid's margin, then as many of the lower one's.
    cornea : angle from the gaze axis where the cornea's bulge ends, degrees, and its height as a share of the radius.
    joint : index of the eye's joint.
    meeting : where the lids meet; None in an asset of an earlier build.
    """

    rows: NDArray[np.int64]
    lash_rows: NDArray[np.int64]
    ball_rows: NDArray[np.int64]
    clearance_mm: Float
    averaging: sparse.csr_matrix
    carrying: sparse.csr_matrix
    opening: NDArray[np.int64]
    cornea: tuple[float, float]
    joint: int
    meeting: LidMeeting | None = None

    def close(self, moved: Float, blink: float) -> None:
        """Let the lids of a face (n, 3) whose blink has a coefficient meet, in place."""
        if self.meeting is None or blink <= CLOSING_FROM:
            return
        excess = np.maximum(self.meeting.excess_mm(moved), 0.0)
        if not excess.any():
            return
        strength = ((min(blink, 1.0) - CLOSING_FROM) / (1.0 - CLOSING_FROM)) ** 2
        step = strength * (self.meeting.moving @ excess)
        moved[self.rows, 1] += step
        moved[self.lash_rows, 1] += self.carrying @ step

    def gap(self, points: Float, centre: Float, radius: float, gaze: Float) -> tuple[Float, Float]:
        """Distance (l,) of points (l, 3) from the eyeball that looks along `gaze`, and unit vectors away from it."""
        away = points - centre
        length = np.sqrt((away * away).sum(axis=1))
        away = away / np.maximum(length, 1e-9)[:, None]
        end, height = self.cornea
        angle = np.degrees(np.arccos(np.clip(away @ gaze, -1.0, 1.0)))
        inside = np.clip(1 - angle / end, 0, 1)
        return length - radius * (1 + height * inside * inside * (3 - 2 * inside)), away

    def clear(self, moved: Float, rest: Float, centre: Float, gaze: Float) -> None:
        """Push the lids of a face (n, 3) off its eyeball, in place; `rest` (l, 3) are its lids at rest."""
        radius = float(np.sqrt(((moved[self.ball_rows] - centre) ** 2).sum(axis=1)).mean())
        at_rest, _ = self.gap(rest, centre, radius, _FORWARD)
        lids = moved[self.rows]
        gap, away = self.gap(lids, centre, radius, gaze)
        motion = np.minimum(np.sqrt(((lids - rest) ** 2).sum(axis=1)) / FULL_MOTION_MM, 1.0)
        push = np.maximum(np.minimum(at_rest, self.clearance_mm) * (1 - motion) + self.clearance_mm * motion - gap, 0)
        if not push.any():
            return
        for _ in range(SPREADING):
            push = np.maximum(push, self.averaging @ push)
        step = push[:, None] * away
        moved[self.rows] += step
        moved[self.lash_rows] += self.carrying @ step

    def opening_mm(self, vertices: NDArray[np.floating]) -> float:
        """Return how far an eye of a neutral head (n, 3) is open in its middle, mm."""
        upper, lower = vertices[self.opening, 1].reshape(2, -1)
        return float((upper - lower).mean())


_FORWARD = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Correctives:
    """All that is added to the linear expressions.

    Attributes
    ----------
    pairs : (q, 2) shapes; pair_rows (r,) the vertices that any of them moves; pair_offsets (q, r, 3) mm at e_i e_j = 1.
    lids : of the left and the right eye; none in an asset that has none.
    """

    pairs: NDArray[np.int64]
    pair_rows: NDArray[np.int64]
    pair_offsets: Float32
    lids: tuple[LidContact, ...]

    @staticmethod
    def none() -> Correctives:
        """Return correctives that do nothing."""
        return Correctives(
            pairs=np.zeros((0, 2), dtype=np.int64),
            pair_rows=np.zeros(0, dtype=np.int64),
            pair_offsets=np.zeros((0, 0, 3), dtype=np.float32),
            lids=(),
        )

    @staticmethod
    def from_arrays(arrays: Mapping[str, NDArray], joint_names: Sequence[str]) -> Correctives:
        """Read the arrays of an asset; `none` where it has no such arrays."""
        if "pair_index" not in arrays:
            return Correctives.none()
        scale = arrays["pair_scale"].astype(np.float32)[:, None, None]
        cornea = arrays["lid_cornea"].astype(np.float64)
        lids = []
        for name in ("left_eye", "right_eye"):
            rows, lash = arrays[f"lid_{name}_rows"].astype(np.int64), arrays[f"lid_{name}_lash_rows"].astype(np.int64)
            averaging = _sparse(arrays, f"lid_{name}_averaging", (len(rows), len(rows)))
            carrying = _sparse(arrays, f"lid_{name}_carrying", (len(lash), len(rows)))
            lids.append(
                LidContact(
                    rows=rows,
                    lash_rows=lash,
                    ball_rows=arrays[f"lid_{name}_ball_rows"].astype(np.int64),
                    clearance_mm=arrays[f"lid_{name}_clearance"].astype(np.float64),
                    averaging=averaging,
                    carrying=carrying,
                    opening=arrays[f"lid_{name}_opening"].astype(np.int64),
                    cornea=(float(cornea[0]), float(cornea[1])),
                    joint=list(joint_names).index(name),
                    meeting=_meeting(arrays, f"lid_{name}_meeting", len(rows)),
                )
            )
        return Correctives(
            pairs=arrays["pair_index"].astype(np.int64),
            pair_rows=arrays["pair_rows"].astype(np.int64),
            pair_offsets=arrays["pair_i16"] * scale,
            lids=tuple(lids),
        )

    def weights(self, expression: Float, names: Sequence[str], joint_rotvecs: Float | None) -> Float:
        """Return the coefficients (b,) with those of the lids raised to what the eyes' turns ask for."""
        if joint_rotvecs is None or not self.lids:
            return expression
        raised = expression.copy()
        for lid, side in zip(self.lids, SIDES, strict=True):
            down, left = np.degrees(joint_rotvecs[lid.joint, :2])
            outwards = left if side == "Left" else -left
            asked = {"Down": down, "Up": -down, "Out": outwards, "In": -outwards}
            for way, angle in asked.items():
                row = names.index(f"eyeLook{way}{side}")
                raised[row] = max(raised[row], min(max(angle / GAZE_DEG[way], 0.0), 1.0))
        return raised

    def add_pairs(self, moved: Float, expression: Float) -> None:
        """Add the pairs' offsets to a face (n, 3), in place."""
        product = (expression[self.pairs[:, 0]] * expression[self.pairs[:, 1]]).astype(np.float32)
        active = np.flatnonzero(product)
        if len(active):
            offset = np.tensordot(product[active], self.pair_offsets[active], axes=1)
            moved[self.pair_rows] += offset

    def close_lids(self, moved: Float, expression: Float, names: Sequence[str]) -> None:
        """Let the lids of blinking eyes meet, in place: of a face (n, 3) with coefficients (b,)."""
        for lid, side in zip(self.lids, SIDES, strict=False):  # an asset may have no lids
            lid.close(moved, float(expression[names.index(f"eyeBlink{side}")]))

    def clear_lids(self, moved: Float, rest: Sequence[Float], centres: Float, joint_rotvecs: Float | None) -> None:
        """Push both eyes' lids off the eyeballs, in place; `rest` as `LidContact.clear`, `centres` (j, 3) of all joints."""
        for lid, own in zip(self.lids, rest, strict=True):
            gaze = _FORWARD if joint_rotvecs is None else rotation_from_rotvec(joint_rotvecs[lid.joint]) @ _FORWARD
            lid.clear(moved, own, centres[lid.joint], gaze)


def _meeting(arrays: Mapping[str, NDArray], name: str, count: int) -> LidMeeting | None:
    if f"{name}_upper" not in arrays:
        return None
    upper = arrays[f"{name}_upper"].astype(np.int64)
    return LidMeeting(
        upper=upper,
        lower=arrays[f"{name}_lower"].astype(np.int64),
        share=arrays[f"{name}_share"].astype(np.float64),
        gap_mm=arrays[f"{name}_gap"].astype(np.float64),
        moving=_sparse(arrays, f"{name}_moving", (count, len(upper))),
    )


def _sparse(arrays: Mapping[str, NDArray], name: str, shape: tuple[int, int]) -> sparse.csr_matrix:
    row, column, value = (arrays[f"{name}_{part}"] for part in ("row", "col", "val"))
    return sparse.csr_matrix((value.astype(np.float64), (row.astype(np.int64), column.astype(np.int64))), shape=shape)
