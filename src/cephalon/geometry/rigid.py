"""Rotations, rotation vectors and rigid motions.

A rotation is a (3, 3) matrix in values and a rotation vector (axis times angle, rad) as an unknown. Unknowns
update on the left: `R <- exp([w]) R`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array

FloatArray = npt.NDArray[np.float64]

# Below this angle (rad) the closed forms lose digits to cancellation; the Taylor series is exact to 1e-17 there.
_SMALL_ANGLE = 1e-2
_ORTHONORMAL_TOLERANCE = 1e-5


def skew(v: npt.ArrayLike) -> FloatArray:
    """Return the cross-product matrix: `skew(v) @ x == np.cross(v, x)`.

    Parameters
    ----------
    v : (..., 3) vectors.

    Returns
    -------
    (..., 3, 3) antisymmetric matrices.
    """
    v = np.asarray(v, dtype=np.float64)
    matrix = np.zeros((*v.shape[:-1], 3, 3))
    matrix[..., 0, 1] = -v[..., 2]
    matrix[..., 0, 2] = v[..., 1]
    matrix[..., 1, 0] = v[..., 2]
    matrix[..., 1, 2] = -v[..., 0]
    matrix[..., 2, 0] = -v[..., 1]
    matrix[..., 2, 1] = v[..., 0]
    return matrix


def _turn_coefficients(theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return sin(t)/t and (1 - cos t)/t^2, accurate at every angle."""
    small = theta < _SMALL_ANGLE
    safe = np.where(small, 1.0, theta)
    square = theta * theta
    half_sine = np.sin(0.5 * safe)
    a = np.where(small, 1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0)), np.sin(safe) / safe)
    b = np.where(
        small,
        0.5 * (1.0 - square / 12.0 * (1.0 - square / 30.0 * (1.0 - square / 56.0))),
        2.0 * half_sine * half_sine / safe**2,
    )
    return a, b


def _arc_coefficient(theta: FloatArray) -> FloatArray:
    """Return (t - sin t)/t^3, accurate at every angle."""
    small = theta < _SMALL_ANGLE
    safe = np.where(small, 1.0, theta)
    square = theta * theta
    return np.where(
        small,
        (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))) / 6.0,
        (safe - np.sin(safe)) / safe**3,
    )


def rotation_from_rotvec(rotvec: npt.ArrayLike) -> FloatArray:
    """Return the rotation `exp([w])` of a rotation vector (Rodrigues' formula).

    Parameters
    ----------
    rotvec : (..., 3) axis times angle, rad. Any length; zero gives the identity.

    Returns
    -------
    (..., 3, 3) rotation matrices.
    """
    w = np.asarray(rotvec, dtype=np.float64)
    a, b = _turn_coefficients(np.linalg.norm(w, axis=-1))
    k = skew(w)
    return np.eye(3) + a[..., None, None] * k + b[..., None, None] * (k @ k)


def rotvec_from_rotation(rotation: npt.ArrayLike) -> FloatArray:
    """Return the rotation vector of the shortest turn, of length in [0, pi].

    The axis is read from the largest column of the unit quaternion's outer product (Shepperd's choice of the
    largest pivot), so the half turn is as accurate as any other angle. Its sign there is arbitrary.

    Parameters
    ----------
    rotation : (..., 3, 3) rotation matrices.

    Returns
    -------
    (..., 3) rotation vectors, rad.
    """
    r = np.asarray(rotation, dtype=np.float64)
    m = [[r[..., i, j] for j in range(3)] for i in range(3)]
    # Columns of 4 q q^T for q = (w, x, y, z); each is q scaled by 4 times one of its own components.
    outer = np.stack(
        [
            np.stack([1 + m[0][0] + m[1][1] + m[2][2], m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]], -1),
            np.stack([m[2][1] - m[1][2], 1 + m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[0][2] + m[2][0]], -1),
            np.stack([m[0][2] - m[2][0], m[0][1] + m[1][0], 1 - m[0][0] + m[1][1] - m[2][2], m[1][2] + m[2][1]], -1),
            np.stack([m[1][0] - m[0][1], m[0][2] + m[2][0], m[1][2] + m[2][1], 1 - m[0][0] - m[1][1] + m[2][2]], -1),
        ],
        axis=-1,
    )
    pivot = np.argmax(np.diagonal(outer, axis1=-2, axis2=-1), axis=-1)
    quaternion = np.take_along_axis(outer, pivot[..., None, None], axis=-1)[..., 0]
    quaternion = quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True)
    quaternion = np.where(quaternion[..., :1] < 0, -quaternion, quaternion)
    imaginary = quaternion[..., 1:]
    sine = np.linalg.norm(imaginary, axis=-1)
    cosine = quaternion[..., 0]
    # angle / sin(angle / 2) tends to 2 as the angle vanishes.
    tiny = sine < 1e-9
    factor = np.where(tiny, 2.0 / cosine.clip(0.5), 2.0 * np.arctan2(sine, cosine) / np.where(tiny, 1.0, sine))
    return imaginary * factor[..., None]


def left_jacobian_so3(rotvec: npt.ArrayLike) -> FloatArray:
    """Return J with `exp([w + d]) = exp([J d]) exp([w])` to first order in d.

    Parameters
    ----------
    rotvec : (..., 3) w, rad.

    Returns
    -------
    (..., 3, 3) left Jacobians of SO(3).
    """
    w = np.asarray(rotvec, dtype=np.float64)
    theta = np.linalg.norm(w, axis=-1)
    b, c = _turn_coefficients(theta)[1], _arc_coefficient(theta)
    k = skew(w)
    return np.eye(3) + b[..., None, None] * k + c[..., None, None] * (k @ k)


def rotation_jacobian(rotvec: npt.ArrayLike) -> FloatArray:
    """Return the derivative of `rotation_from_rotvec`.

    Parameters
    ----------
    rotvec : (..., 3) w, rad.

    Returns
    -------
    (..., 3, 3, 3) array whose entry [..., i, j, k] is dR_ij / dw_k.
    """
    w = np.asarray(rotvec, dtype=np.float64)
    # dR/dw_k = [J e_k] R: the columns of the left Jacobian are the spatial turns.
    turns = np.swapaxes(left_jacobian_so3(w), -1, -2)
    derivative = skew(turns) @ rotation_from_rotvec(w)[..., None, :, :]
    return np.moveaxis(derivative, -3, -1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rigid:
    """A rigid motion `X_to = rotation @ X_from + translation`; name variables `to_from_from`.

    `camera_from_head @ head_from_eye` reads as a chain and is `camera_from_eye`.

    Attributes
    ----------
    rotation : (3, 3) rotation matrix (orthonormal to 1e-5, determinant +1).
    translation : (3,) mm, in the frame the motion leads to.

    Raises
    ------
    InputError
        On wrong shapes, on NaN or infinity, or if `rotation` is no rotation.
    """

    rotation: FloatArray
    translation: FloatArray

    def __post_init__(self) -> None:
        """Check the fields and keep read-only copies."""
        rotation = as_array("Rigid.rotation", self.rotation, (3, 3))
        check_rotation("Rigid.rotation", rotation)
        object.__setattr__(self, "rotation", rotation)
        object.__setattr__(self, "translation", as_array("Rigid.translation", self.translation, (3,)))

    @classmethod
    def identity(cls) -> Rigid:
        """Return the motion that moves nothing."""
        return cls(rotation=np.eye(3), translation=np.zeros(3))

    @classmethod
    def from_rotvec(cls, rotvec: npt.ArrayLike, translation: npt.ArrayLike) -> Rigid:
        """Return the motion of a rotation vector (3,) rad and a translation (3,) mm."""
        rotvec = as_array("rotvec", rotvec, (3,))
        return cls(rotation=rotation_from_rotvec(rotvec), translation=np.asarray(translation, dtype=np.float64))

    def apply(self, points: npt.ArrayLike) -> FloatArray:
        """Move points (..., 3), mm, into the frame the motion leads to."""
        return np.asarray(points, dtype=np.float64) @ self.rotation.T + self.translation

    def inverse(self) -> Rigid:
        """Return the motion the other way round."""
        back = self.rotation.T
        return Rigid(rotation=back, translation=-(back @ self.translation))

    def matrix(self) -> FloatArray:
        """Return the homogeneous (4, 4) matrix."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.rotation
        matrix[:3, 3] = self.translation
        return matrix

    def updated(self, rotvec: npt.ArrayLike, translation: npt.ArrayLike) -> Rigid:
        """Return the motion after a solver step: `R <- exp([rotvec]) R`, `t <- t + translation`.

        The product is brought back to the nearest rotation, so thousands of steps do not drift.
        """
        product = rotation_from_rotvec(as_array("rotvec", rotvec, (3,))) @ self.rotation
        u, _, vt = np.linalg.svd(product)
        return Rigid(rotation=u @ vt, translation=self.translation + np.asarray(translation, dtype=np.float64))

    def __matmul__(self, other: Rigid) -> Rigid:
        """Compose: `(a @ b).apply(x) == a.apply(b.apply(x))`."""
        return Rigid(rotation=self.rotation @ other.rotation, translation=self.apply(other.translation))


def check_rotation(name: str, rotation: npt.NDArray[Any]) -> None:
    """Raise InputError unless the (3, 3) matrix is orthonormal with determinant +1."""
    error = float(np.abs(rotation.T @ rotation - np.eye(3)).max())
    if error > _ORTHONORMAL_TOLERANCE:
        raise InputError(f"{name}: expected an orthonormal (3, 3) matrix, its columns are off by {error:.2g}")
    if np.linalg.det(rotation) < 0:
        raise InputError(f"{name}: expected a rotation, got a reflection (determinant -1)")
