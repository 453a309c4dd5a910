"""Protocols 1 and 2: NoW (Sanyal et al. 2019) and its use on Stirling/ESRC; also the plain mesh-to-scan comparison."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.evaluate.alignment import Alignment, refine
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.search import search
from cephalon.evaluate.surface import Surface
from cephalon.geometry import Similarity, procrustes

FloatArray = npt.NDArray[np.float64]

# Share of the outer eye distance (about 90 mm): landmarks that disagree by more after Procrustes belong to other places.
_SUSPICIOUS, _IMPOSSIBLE = 0.06, 0.16
NOW_REACH, STIRLING_REACH = 1.4, 1.2  # of the crop, see `crop_ball`
_FAR_MM = 30.0  # a face whose median distance is larger did not come to lie on the scan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanToMesh:
    """One comparison.

    Attributes
    ----------
    distance : (k,) mm, of the scan's vertices that count.
    rows : (k,) their numbers in the scan.
    alignment : how the prediction was laid on the scan.
    initial : the motion that refinement started from.
    landmark_rms_mm : of the seven points after Procrustes; None without landmarks.
    """

    distance: FloatArray
    rows: npt.NDArray[np.intp]
    alignment: Alignment
    initial: Similarity
    landmark_rms_mm: float | None

    @property
    def median_mm(self) -> float:
        """Median distance."""
        return float(np.median(self.distance))

    @property
    def mean_mm(self) -> float:
        """Mean distance."""
        return float(self.distance.mean())

    @property
    def rmse_mm(self) -> float:
        """Root mean square distance (the 3DRMSE of Feng et al. 2018)."""
        return float(np.sqrt((self.distance**2).mean()))

    @property
    def std_mm(self) -> float:
        """Standard deviation of the distances (of this population: divided by their number)."""
        return float(self.distance.std())


def crop_ball(landmarks: npt.ArrayLike, reach: float = NOW_REACH) -> tuple[FloatArray, float]:
    """Return centre (3,) and radius, mm, of the ball that NoW crops a scan to.

    With the landmarks p0 ... p6 in NoW's order and m = (p1 + p2) / 2 midway between the inner eye corners:

        c = p4 + 0.3 (m - p4),    r = reach (|p0 - p3| + |m - p4|) / 2

    The reach is 1.4 in NoW; 1.2 in the competition of Feng et al. (2018) on Stirling/ESRC.
    """
    p = as_array("landmarks", landmarks, (7, 3))
    middle = 0.5 * (p[1] + p[2])
    nose = middle - p[4]
    return p[4] + 0.3 * nose, float(0.5 * reach * (np.linalg.norm(p[0] - p[3]) + np.linalg.norm(nose)))


def crop(points: npt.ArrayLike, landmarks: npt.ArrayLike, reach: float = NOW_REACH) -> npt.NDArray[np.intp]:
    """Return the numbers of the points (n, 3) inside NoW's ball (its surface belongs to it)."""
    centre, radius = crop_ball(landmarks, reach)
    return np.flatnonzero(((np.asarray(points, dtype=np.float64) - centre) ** 2).sum(axis=1) <= radius**2)


def landmark_start(
    prediction: npt.ArrayLike, scan: npt.ArrayLike, *, metrical: bool, quirks: bool = False
) -> tuple[Similarity, float]:
    """Return the motion that lays seven landmarks of a prediction on those of a scan, and their rms distance, mm.

    Non-metrical: the similarity of least squares (rotation, translation, scale). Metrical: rotation and translation.
    With `quirks` two habits of the official code: a reflection is taken where it fits better, and the metrical
    translation is the one that belongs to the similarity with scale, applied without that scale.

    Raises
    ------
    InputError
        If the points cannot be laid on each other as they stand, which means another order, other points, or a mirrored
        mesh; the order that would do is named if there is one.
    """
    source, target = as_array("landmarks", prediction, (7, 3)), as_array("landmarks", scan, (7, 3))
    _check_order(source, target)
    scaled = procrustes(source, target, with_scale=True, allow_reflection=quirks)
    if not metrical:
        start = scaled
    elif quirks:
        start = Similarity(scale=1.0, rotation=scaled.rotation, translation=scaled.translation)
    else:
        start = procrustes(source, target)
    rms = float(np.sqrt(((start.apply(source) - target) ** 2).sum(axis=1).mean()))
    return start, rms


def _check_order(source: FloatArray, target: FloatArray) -> None:
    eyes = float(np.linalg.norm(target[0] - target[3])) or 1.0
    share = _misfit(source[None], target)[0] / eyes
    if share < _SUSPICIOUS:
        return
    orders = np.array(list(permutations(range(7))))
    shares = _misfit(source[orders], target) / eyes
    best = int(shares.argmin())
    if shares[best] < 0.5 * share:
        order = " ".join(str(number + 1) for number in orders[best])
        raise InputError(
            f"the landmarks are in another order: as they stand they miss the scan's by {share * eyes:.1f} mm (rms), in the "
            f"order {order} by {shares[best] * eyes:.1f} mm; expected are outer right eye, inner right, inner left, outer "
            "left, nose bottom, right and left mouth corner"
        )
    if share > _IMPOSSIBLE:
        raise InputError(
            f"the landmarks of prediction and scan do not fit: {share * eyes:.1f} mm (rms) apart after alignment; are they "
            "of the same points, in the same unit, and is the mesh not mirrored?"
        )


def _misfit(sources: FloatArray, target: FloatArray) -> FloatArray:
    """Return the rms distance after the best similarity of each of the (m, 7, 3) sources to the (7, 3) target."""
    x = sources - sources.mean(axis=1, keepdims=True)
    y = target - target.mean(axis=0)
    u, singular, vt = np.linalg.svd(np.einsum("ka,mkb->mab", y, x))
    singular[:, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))
    spread = (x**2).sum(axis=(1, 2))
    explained = singular.sum(axis=1) ** 2 / np.maximum(spread, 1e-300)
    return np.sqrt(np.maximum((y**2).sum() - explained, 0.0) / len(y))


def scan_to_mesh(
    prediction: Shape,
    scan: Shape,
    *,
    metrical: bool,
    quirks: bool = False,
    surface: Surface | None = None,
    refined: bool = True,
    reach: float = NOW_REACH,
) -> ScanToMesh:
    """Compare a prediction with a scan as the NoW challenge does (protocol 1).

    1. Crop the scan to NoW's ball around its landmarks (`crop_ball`).
    2. Lay the prediction's landmarks on the scan's (`landmark_start`).
    3. Refine rotation, translation and, non-metrically, scale by the distances of the cropped scan's vertices to the
       prediction's surface (`alignment.refine`); not if `refined` is False (Stirling's original protocol).
    4. The error is the distance of each cropped vertex to the moved surface, closest point on a triangle, unsigned.

    Without landmarks of both, the whole scan counts and the pose is searched (`search.search`).

    Parameters
    ----------
    prediction, scan : mm; the scan's faces are not used.
    metrical : keep the prediction's size.
    quirks : see `landmark_start`.
    surface : the prediction's, if it is at hand.
    refined : see 3.
    reach : of the crop, see `crop_ball`.

    Raises
    ------
    InputError
        If landmarks do not fit, the crop is empty, or no alignment was found.
    """
    surface = surface or Surface(prediction.vertices, prediction.faces)
    rms = None
    if prediction.landmarks is not None and scan.landmarks is not None:
        rows = crop(scan.vertices, scan.landmarks, reach)
        if len(rows) < 100:
            raise InputError(
                f"the crop around the scan's landmarks holds {len(rows)} vertices: are scan and landmarks in the same "
                "unit and place?"
            )
        _check_on_mesh(surface, prediction.landmarks)
        initial, rms = landmark_start(prediction.landmarks, scan.landmarks, metrical=metrical, quirks=quirks)
        points = scan.vertices[rows]
        if refined:
            alignment = refine(surface, points, initial, with_scale=not metrical, label="landmarks")
        else:
            alignment = _placed(surface, points, initial)
    else:
        rows = np.arange(len(scan.vertices))
        points = scan.vertices
        alignment = search(surface, points, with_scale=not metrical)
        initial = alignment.scan_from_prediction
    check_aligned(alignment, initial)
    return ScanToMesh(distance=alignment.distance, rows=rows, alignment=alignment, initial=initial, landmark_rms_mm=rms)


def _check_on_mesh(surface: Surface, landmarks: FloatArray) -> None:
    away = float(np.median(surface.closest(landmarks).distance))
    if away > _FAR_MM:
        raise InputError(
            f"the prediction's landmarks do not lie on its mesh: {away:.0f} mm away (median); are both in the same unit and place?"
        )


def _placed(surface: Surface, points: FloatArray, move: Similarity) -> Alignment:
    """Return the distances under a motion as it is."""
    found = surface.closest(move.inverse().apply(points))
    distance = found.distance * move.scale
    return Alignment(
        scan_from_prediction=move, distance=distance, face=found.face, closest=move.apply(found.point),
        rms_mm=float(np.sqrt((distance**2).mean())), iterations=1, converged=True, start="landmarks alone",
    )  # fmt: skip


def check_aligned(alignment: Alignment, initial: Similarity | None = None) -> None:
    """Refuse an alignment that ended elsewhere: faces far apart, or a scale that ran away from `initial`.

    Raises
    ------
    InputError
        With the median distance in the message.
    """
    median = float(np.median(alignment.distance))
    growth = 1.0 if initial is None else alignment.scan_from_prediction.scale / initial.scale
    if median > _FAR_MM or not 0.5 < growth < 2.0:
        raise InputError(
            f"the prediction cannot be laid on the scan: median distance {median:.1f} mm"
            + (f", scale changed by {growth:.2f} in refinement" if not 0.5 < growth < 2.0 else "")
        )


def scale_error_percent(prediction: Shape, scan: Shape, found: ScanToMesh, surface: Surface) -> float:
    """Return by how many per cent the prediction is too large (+) or small (-).

    100 (1 / s - 1) with s the scale of the best similarity, refined from where `found` ended.
    """
    points = scan.vertices[found.rows][:: max(len(found.rows) // 8000, 1)]
    freed = refine(surface, points, found.alignment.scan_from_prediction, with_scale=True, coarse=False)
    return 100.0 * (1.0 / freed.scan_from_prediction.scale - 1.0)


def with_landmarks(shape: Shape, landmarks: npt.ArrayLike | None, unit: str | None = None) -> Shape:
    """Return the shape with landmarks given in the unit of its file (or in `unit`)."""
    if landmarks is None:
        return shape
    from cephalon.files.obj import UNITS_MM

    return replace(shape, landmarks=np.asarray(landmarks, dtype=np.float64) * UNITS_MM[unit or shape.unit])
