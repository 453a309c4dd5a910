"""What the fit looks for, where each unknown sits in a vector, and how a step changes it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cephalon.geometry import Camera, Rigid, rotation_from_rotvec

Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoState:
    """The unknowns of one photo.

    Attributes
    ----------
    expression : (b,) coefficients in [0, 1].
    gaze : (2, 2) rad, turn of the left and the right eye about x (down) and y (to the person's left).
    rotation : (3, 3) camera_from_head; a step turns it on the left, about the pivot.
    place : (3,) where the pivot is seen, px from the principal point, and the log of its scale in px per mm.
    log_focal : log of the focal length in px. With the pivot's image and scale as the other unknowns, the valley along
        which distance and focal length grow together runs along this axis and is straight.
    pivot : (3,) mm, a point in the middle of the measured ones (head frame); not an unknown.
    radial : distortion k1.
    field : coefficients of the landmarks' smooth error, N(0, 1) each.
    """

    expression: Float
    gaze: Float
    rotation: Float
    place: Float
    log_focal: float
    radial: float
    field: Float
    pivot: Float

    @property
    def pivot_in_camera(self) -> Float:
        """Position of the pivot in the camera frame, (3,) mm."""
        mm_per_px = np.exp(-self.place[2])
        return mm_per_px * np.array([self.place[0], self.place[1], np.exp(self.log_focal)])

    def camera(self, width: int, height: int) -> Camera:
        """Return the camera of a photo of that size, principal point in the centre."""
        return Camera(width=width, height=height, focal_px=float(np.exp(self.log_focal)), k1=self.radial)

    def seen(self, points: Float) -> Float:
        """Return points (m, 3) mm of the head in the camera frame; as `camera_from_head` has it, without its checks."""
        return (points - self.pivot) @ self.rotation.T + self.pivot_in_camera

    def camera_from_head(self) -> Rigid:
        """Return the head's pose."""
        return Rigid(rotation=self.rotation, translation=self.pivot_in_camera - self.rotation @ self.pivot)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """All unknowns: who it is, how wide the iris is, and each photo's own.

    Attributes
    ----------
    identity : (k,) whitened.
    iris : the person's iris diameter as a deviation from the population's mean, in its sd.
    """

    identity: Float
    iris: float
    photos: tuple[PhotoState, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where unknowns sit: a shared vector (identity, iris), and a vector per photo.

    Attributes
    ----------
    modes : identity modes k; the shared vector has k + 1 entries.
    expressions : number b of expression coefficients.
    fields : coefficients of the smooth landmark error in each photo.
    """

    modes: int
    expressions: int
    fields: tuple[int, ...]

    @property
    def shared(self) -> int:
        """Length of the shared vector."""
        return self.modes + 1

    @property
    def expression(self) -> slice:
        """Place of the expression in a photo's vector."""
        return slice(0, self.expressions)

    @property
    def gaze(self) -> slice:
        """Place of the gaze (left x, left y, right x, right y)."""
        return slice(self.expressions, self.expressions + 4)

    @property
    def rotation(self) -> slice:
        """Place of the rotation step."""
        return slice(self.expressions + 4, self.expressions + 7)

    @property
    def place(self) -> slice:
        """Place of the pivot's image and log scale."""
        return slice(self.expressions + 7, self.expressions + 10)

    @property
    def focal(self) -> int:
        """Place of the log focal length."""
        return self.expressions + 10

    @property
    def radial(self) -> int:
        """Place of the radial distortion."""
        return self.expressions + 11

    @property
    def field(self) -> slice:
        """Place of the smooth landmark error (to the end)."""
        return slice(self.own, None)

    @property
    def own(self) -> int:
        """Length of a photo's vector without the smooth landmark error."""
        return self.expressions + 12

    def photo(self, index: int) -> int:
        """Length of a photo's vector."""
        return self.own + self.fields[index]

    def moved(self, state: State, shared: Float, photos: tuple[Float, ...]) -> State:
        """Return the state after a step; expression coefficients stop at their bounds."""
        moved = []
        for old, step in zip(state.photos, photos, strict=True):
            turn = rotation_from_rotvec(step[self.rotation]) @ old.rotation
            u, _, vt = np.linalg.svd(turn)
            moved.append(
                PhotoState(
                    expression=np.clip(old.expression + step[self.expression], 0.0, 1.0),
                    gaze=old.gaze + step[self.gaze].reshape(2, 2),
                    rotation=u @ vt,
                    place=old.place + step[self.place],
                    log_focal=old.log_focal + float(step[self.focal]),
                    radial=old.radial + float(step[self.radial]),
                    field=old.field + step[self.field],
                    pivot=old.pivot,
                )
            )
        return replace(
            state,
            identity=state.identity + shared[: self.modes],
            iris=state.iris + float(shared[-1]),
            photos=tuple(moved),
        )
