"""The 478-point face mesh at rest, and the rough pose of a face from its points.

The canonical positions only serve to start and to scale: how large a face is, which way it looks, whether points look
like a face at all. The head model never sees them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError

Float = NDArray[np.float64]

OUTER_EYE_CORNERS = (33, 263)
"""Right and left outer eye corner of the set "mediapipe478"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanonicalFace:
    """MediaPipe's canonical face and what belongs to its numbering.

    Attributes
    ----------
    positions : (468, 3) cm, +x to the person's left, +y up, +z out of the face; the iris points have none.
    mirror : (478,) index of the mirrored point.
    regions : indices of the points of each region (iris, eye, lid, brow, nose, lips, mouth, oval, border, skin).
    ibug68 : (68,) the point of the mesh that lies where the iBUG annotation has its point.
    """

    positions: Float
    mirror: NDArray[np.intp]
    regions: Mapping[str, NDArray[np.intp]]
    ibug68: NDArray[np.intp]

    @property
    def outer_eye_distance(self) -> float:
        """Distance of the outer eye corners, cm."""
        right, left = OUTER_EYE_CORNERS
        return float(np.linalg.norm(self.positions[right] - self.positions[left]))

    def per_point(self, by_region: Mapping[str, float]) -> Float:
        """Spread one number per region to the (478,) points."""
        values = np.zeros(len(self.mirror))
        for name, members in self.regions.items():
            values[members] = by_region[name]
        return values


@lru_cache(maxsize=1)
def canonical_face() -> CanonicalFace:
    """Load the canonical face from the package."""
    record = json.loads((resources.files("cephalon") / "data" / "mediapipe_mesh.json").read_text(encoding="utf-8"))
    arrays = {
        "positions": np.array(record["positions"], dtype=np.float64),
        "mirror": np.array(record["mirror"], dtype=np.intp),
        "ibug68": np.array(record["ibug68"], dtype=np.intp),
    }
    regions = {name: np.array(members, dtype=np.intp) for name, members in record["regions"].items()}
    for array in (*arrays.values(), *regions.values()):
        array.flags.writeable = False
    return CanonicalFace(**arrays, regions=regions)


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePose:
    """How a face lies in a picture, by a scaled-orthographic fit of the canonical face.

    Attributes
    ----------
    size_px : outer eye distance as it would be seen from the front, px. The unit of all landmark sigmas.
    yaw_deg : > 0 when, with the face set upright, the nose points right (the person turned to the own left).
    pitch_deg : > 0 when the nose then points up.
    roll_deg : angle of the line from the right to the left eye against the x axis (y down): > 0 is clockwise.
    residual : rms distance between points and fitted canonical face, as a fraction of `size_px`.
    """

    size_px: float
    yaw_deg: float
    pitch_deg: float
    roll_deg: float
    residual: float


def face_pose(points: Float, set_name: str = "mediapipe478") -> FacePose:
    """Fit the canonical face to (k, 2) points of the set "mediapipe478" or "ibug68", px.

    Least squares of x = P X + t with P (2, 3); P is then replaced by the nearest scaled pair of orthonormal rows.
    """
    canonical = canonical_face()
    if set_name == "mediapipe478":
        source, target = canonical.positions, np.asarray(points, dtype=np.float64)[: len(canonical.positions), :2]
    elif set_name == "ibug68":
        # The jaw points slide along the contour with yaw; the others do not.
        source, target = canonical.positions[canonical.ibug68[17:]], np.asarray(points, dtype=np.float64)[17:, :2]
    else:
        raise InputError(f"landmark set {set_name!r} has no rough pose; known are mediapipe478 and ibug68")
    target = target * [1.0, -1.0]
    centred_source, centred_target = source - source.mean(0), target - target.mean(0)
    projection = np.linalg.lstsq(centred_source, centred_target, rcond=None)[0].T
    u, singular, vt = np.linalg.svd(projection, full_matrices=False)
    rows = u @ vt
    # Best scale for these rows: <P, rows> weighted by the spread of the points.
    seen = centred_source @ rows.T
    scale = max(float((seen * centred_target).sum() / (seen * seen).sum()), 1e-9) if singular[0] > 0 else 1e-9
    residual = np.sqrt(((scale * seen - centred_target) ** 2).sum(1).mean())
    right, up = rows
    out = np.cross(right, up)
    # Columns of the rotation are where the head's own axes point (x right, y up, z to the viewer); it is taken apart as
    # roll after yaw after pitch, so that yaw and pitch are those of the face once it is set upright.
    roll = np.arctan2(-up[0], right[0])
    nose = np.array(
        [np.cos(roll) * right[2] - np.sin(roll) * up[2], np.sin(roll) * right[2] + np.cos(roll) * up[2], out[2]]
    )
    size = scale * canonical.outer_eye_distance
    return FacePose(
        size_px=size,
        yaw_deg=float(np.degrees(np.arctan2(nose[0], nose[2]))),
        pitch_deg=float(np.degrees(np.arctan2(nose[1], np.hypot(nose[0], nose[2])))),
        roll_deg=float(np.degrees(roll)),
        residual=float(residual / size),
    )
