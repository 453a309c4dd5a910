"""The pinhole camera with optional radial distortion, and its Jacobians.

Frame: OpenCV's (+x right, +y down, +z away from the camera). Pixels: x right, y down, the centre of the top-left
pixel is (0.5, 0.5), the image spans [0, width] x [0, height], so resizing is a pure scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array

FloatArray = npt.NDArray[np.float64]

# Diagonal of the 36 mm x 24 mm frame, to which the EXIF 35 mm equivalent refers (CIPA DCG-001).
FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_UNDISTORT_STEPS = 50
_UNDISTORT_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Camera:
    """A pinhole camera: `pixel = focal_px * d(r) * (x/z, y/z) + principal_point`.

    `r^2 = (x/z)^2 + (y/z)^2` and `d(r) = 1 + k1 r^2 + k2 r^4` (Brown's radial terms, as in OpenCV).

    Attributes
    ----------
    width, height : image size, px.
    focal_px : focal length, px (> 0).
    principal_point : (2,) px; the image centre when not given.
    k1, k2 : radial distortion, without unit.

    Raises
    ------
    InputError
        On sizes or focal lengths that are not positive, or on non-finite numbers.
    """

    width: int
    height: int
    focal_px: float
    principal_point: FloatArray = None  # pyright: ignore[reportAssignmentType]  # filled in __post_init__
    k1: float = 0.0
    k2: float = 0.0

    def __post_init__(self) -> None:
        """Check the fields; put the principal point in the centre when it is not given."""
        for name in ("width", "height"):
            value = getattr(self, name)
            if int(value) != value or value < 1:
                raise InputError(f"Camera.{name}: expected a whole number of pixels above 0, got {value!r}")
            object.__setattr__(self, name, int(value))
        for name in ("focal_px", "k1", "k2"):
            value = float(getattr(self, name))
            if not math.isfinite(value):
                raise InputError(f"Camera.{name}: expected a finite number, got {value}")
            object.__setattr__(self, name, value)
        if self.focal_px <= 0:
            raise InputError(f"Camera.focal_px: expected a focal length above 0 px, got {self.focal_px}")
        centre = (0.5 * self.width, 0.5 * self.height) if self.principal_point is None else self.principal_point
        object.__setattr__(self, "principal_point", as_array("Camera.principal_point", centre, (2,)))

    @classmethod
    def from_focal35(cls, width: int, height: int, focal35_mm: float) -> Camera:
        """Return the camera of a 35 mm-equivalent focal length (mm, as in EXIF, by the frame's diagonal)."""
        if not focal35_mm > 0:
            raise InputError(f"focal35_mm: expected a focal length above 0 mm, got {focal35_mm}")
        focal_px = focal35_mm * math.hypot(width, height) / FULL_FRAME_DIAGONAL_MM
        return cls(width=width, height=height, focal_px=focal_px)

    @classmethod
    def from_fov(cls, width: int, height: int, vertical_deg: float) -> Camera:
        """Return the camera of a vertical field of view, degrees in (0, 180)."""
        if not 0 < vertical_deg < 180:
            raise InputError(f"vertical_deg: expected an angle between 0 and 180 degrees, got {vertical_deg}")
        return cls(width=width, height=height, focal_px=0.5 * height / math.tan(math.radians(0.5 * vertical_deg)))

    @property
    def intrinsics(self) -> FloatArray:
        """The (3, 3) calibration matrix, px."""
        cx, cy = self.principal_point
        return np.array([[self.focal_px, 0.0, cx], [0.0, self.focal_px, cy], [0.0, 0.0, 1.0]])

    @property
    def focal35_mm(self) -> float:
        """The 35 mm-equivalent focal length, mm, by the frame's diagonal."""
        return self.focal_px * FULL_FRAME_DIAGONAL_MM / math.hypot(self.width, self.height)

    @property
    def fov_deg(self) -> tuple[float, float]:
        """The full horizontal and vertical angle of view, degrees, without distortion."""
        horizontal = 2.0 * math.degrees(math.atan(0.5 * self.width / self.focal_px))
        vertical = 2.0 * math.degrees(math.atan(0.5 * self.height / self.focal_px))
        return horizontal, vertical

    def scaled(self, factor: float) -> Camera:
        """Return the camera of the image resized by `factor` (width and height rounded to whole pixels, at least 1).

        Pixel coordinates scale by `factor` exactly; only the image's border is rounded.
        """
        if not factor > 0:
            raise InputError(f"factor: expected a scale above 0, got {factor}")
        return Camera(
            width=max(1, round(self.width * factor)),
            height=max(1, round(self.height * factor)),
            focal_px=self.focal_px * factor,
            principal_point=self.principal_point * factor,
            k1=self.k1,
            k2=self.k2,
        )

    def project(self, points_cam: npt.ArrayLike) -> FloatArray:
        """Project points of the camera frame to pixels.

        Parameters
        ----------
        points_cam : (..., 3) mm.

        Returns
        -------
        (..., 2) px; NaN for points that are not in front of the camera (z <= 0).
        """
        points = np.asarray(points_cam, dtype=np.float64)
        # Column by column: broadcasting over an axis of length two costs numpy several times more.
        per_depth = 1.0 / np.where(points[..., 2] > 0, points[..., 2], np.nan)
        x, y = points[..., 0] * per_depth, points[..., 1] * per_depth
        focal: float | FloatArray = self.focal_px
        if self.k1 != 0.0 or self.k2 != 0.0:
            radius2 = x * x + y * y
            focal = focal * (1.0 + radius2 * (self.k1 + radius2 * self.k2))
        pixels = np.zeros((*points.shape[:-1], 2))
        pixels[..., 0] = focal * x + self.principal_point[0]
        pixels[..., 1] = focal * y + self.principal_point[1]
        return pixels

    def project_jacobian(self, points_cam: npt.ArrayLike) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Project points and differentiate.

        Parameters
        ----------
        points_cam : (..., 3) mm.

        Returns
        -------
        pixels : (..., 2) px, as `project`.
        d_point : (..., 2, 3) d pixels / d point, px/mm.
        d_focal : (..., 2) d pixels / d focal_px.

        All are NaN for points that are not in front of the camera.
        """
        points = np.asarray(points_cam, dtype=np.float64)
        ray = self._normalised(points)
        x, y = ray[..., 0], ray[..., 1]
        radius2 = x * x + y * y
        distortion = 1.0 + radius2 * (self.k1 + radius2 * self.k2)
        slope = 2.0 * (self.k1 + 2.0 * radius2 * self.k2)  # d distortion / d x = slope * x
        d_focal = distortion[..., None] * ray
        pixels = self.focal_px * d_focal + self.principal_point
        per_depth = self.focal_px / np.where(points[..., 2] > 0, points[..., 2], np.nan)
        d_point = np.zeros((*ray.shape[:-1], 2, 3))
        d_point[..., 0, 0] = per_depth * (distortion + slope * x * x)
        d_point[..., 0, 1] = d_point[..., 1, 0] = per_depth * slope * x * y
        d_point[..., 1, 1] = per_depth * (distortion + slope * y * y)
        # The ray does not change when the point moves along it, so the third column follows from the others.
        d_point[..., :, 2] = -(d_point[..., :, 0] * x[..., None] + d_point[..., :, 1] * y[..., None])
        return pixels, d_point, d_focal

    def distortion_jacobian(self, points_cam: npt.ArrayLike) -> FloatArray:
        """Return d pixels / d (k1, k2), (..., 2, 2) px, for points (..., 3) mm of the camera frame."""
        ray = self._normalised(points_cam)
        radius2 = ray[..., 0] ** 2 + ray[..., 1] ** 2
        powers = np.stack([radius2, radius2 * radius2], axis=-1)
        return self.focal_px * ray[..., :, None] * powers[..., None, :]

    def unproject(self, pixels: npt.ArrayLike, depth: npt.ArrayLike) -> FloatArray:
        """Return the points of the camera frame at given pixels and depths.

        Parameters
        ----------
        pixels : (..., 2) px.
        depth : (...) z coordinate, mm (not the distance along the ray).

        Returns
        -------
        (..., 3) mm; NaN where the distortion has no inverse (a pixel beyond the fold of `r d(r)`).
        """
        ray = self._undistort((np.asarray(pixels, dtype=np.float64) - self.principal_point) / self.focal_px)
        depth = np.asarray(depth, dtype=np.float64)[..., None]
        return np.concatenate([ray * depth, np.broadcast_to(depth, (*ray.shape[:-1], 1))], axis=-1)

    def fold_radius(self) -> float:
        """Return the r = tan(angle off axis) at which `r d(r)` stops growing; infinity without such a fold.

        Points beyond it are projected back into the image by the polynomial, which no lens does.
        """
        # d/dr (r + k1 r^3 + k2 r^5) = 1 + 3 k1 s + 5 k2 s^2 with s = r^2: the smallest positive root.
        roots = np.roots(np.trim_zeros([5.0 * self.k2, 3.0 * self.k1, 1.0], "f"))
        positive = roots[np.isreal(roots) & (roots.real > 0)].real
        return float(np.sqrt(positive.min())) if positive.size else math.inf

    def _normalised(self, points_cam: npt.ArrayLike) -> FloatArray:
        """Return (x/z, y/z), NaN behind the camera."""
        points = np.asarray(points_cam, dtype=np.float64)
        depth = np.where(points[..., 2:] > 0, points[..., 2:], np.nan)
        return points[..., :2] / depth

    def _undistort(self, distorted: FloatArray) -> FloatArray:
        """Solve `r d(r) = |distorted|` for r by Newton's method, kept inside the fold radius."""
        if self.k1 == 0.0 and self.k2 == 0.0:
            return distorted
        target = np.linalg.norm(distorted, axis=-1)
        fold = self.fold_radius()
        radius = np.minimum(target, 0.99 * fold)
        for _ in range(_UNDISTORT_STEPS):
            square = radius * radius
            error = radius * (1.0 + square * (self.k1 + square * self.k2)) - target
            slope = 1.0 + square * (3.0 * self.k1 + 5.0 * square * self.k2)
            step = error / np.maximum(slope, 1e-6)
            radius = np.clip(radius - step, 0.0, fold)
            if np.all(np.abs(step) <= _UNDISTORT_TOLERANCE * (1.0 + target)):
                break
        square = radius * radius
        found = np.abs(radius * (1.0 + square * (self.k1 + square * self.k2)) - target) <= 1e-9 * (1.0 + target)
        ratio = np.where(target > 0, radius / np.where(target > 0, target, 1.0), 1.0)
        return np.where(found[..., None], distorted * ratio[..., None], np.nan)
