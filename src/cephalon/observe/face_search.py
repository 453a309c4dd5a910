"""Find faces that a detector misses at first sight: small, large, turned or lying ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cephalon.observe.canonical import FacePose, canonical_face, face_pose
from cephalon.observe.landmarker import RawFace
from cephalon.observe.views import View

Float = NDArray[np.float64]
Uint8 = NDArray[np.uint8]
Detect = Callable[[Uint8], list[RawFace]]

_LONGEST = 512
"""px; the detector itself looks at 128 px, so larger views cost time and show nothing more."""
_CROP = 352
"""px; a crop twice as wide as the face then gives the network, which takes 256 px, about one pixel per pixel."""
_CROP_FACES = 1.9
_WINDOW_FACES = 2.8
_OVERSAMPLING = 1.4
_MISSED = 0.05
_SURE, _LATER = 0.55, 2 / 3
"""Factors on the bound of doubt: below the first a face is settled, and later looks are held to the second."""
# Crops of the second pass: turn (deg), shift (face widths), magnification, mirrored. In pairs, so that an even number
# averages out what the network does differently left and right.
_JITTER = (
    (0.0, (0.00, 0.00), 1.00, False),
    (0.0, (0.00, 0.00), 1.00, True),
    (5.0, (0.03, 0.02), 1.07, False),
    (-5.0, (-0.03, 0.02), 0.95, True),
    (-5.0, (0.02, -0.03), 1.10, False),
    (5.0, (-0.02, -0.04), 0.93, True),
)
MOST_CROPS = len(_JITTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundFace:
    """A face in photo pixels.

    Attributes
    ----------
    points : (478, 2) px, mean over the crops.
    spread : (478, 2, 2) px^2, covariance of one crop's points around the mean.
    scores : ARKit name -> score in [0, 1], mean over the crops.
    pose : rough pose of the mean points.
    crops_found : share of the crops in which the face was found again.
    inconsistency : rms of the points' scatter between crops, as a fraction of the face's size.
    """

    points: Float
    spread: Float
    scores: dict[str, float]
    pose: FacePose
    crops_found: float
    inconsistency: float

    @property
    def centre(self) -> Float:
        """Middle of the face, px."""
        return self.points[: len(canonical_face().positions)].mean(0)

    @property
    def doubt(self) -> float:
        """How badly the crops support the face: their scatter, and what is added for crops without it."""
        return self.inconsistency + _MISSED * (1 - self.crops_found)


def find_faces(rgb: Uint8, detect: Detect, *, crops: int, most_doubt: float) -> list[FoundFace]:
    """Return the faces of a photo from left to right: those of the first kind of view that shows any.

    Every face is measured again in `crops` crops around it, and taken for a mistake if it is more doubtful than
    `most_doubt` allows. The search goes on while a face is not sure: detectors put an upright face on one that stands
    on its head, and only the turned photo tells.
    """
    height, width = rgb.shape[:2]
    faces: list[FoundFace] = []
    for bound, views in _searches(width, height):
        found = _faces_in(rgb, detect, views, crops, bound * most_doubt)
        if not faces:
            faces = found
        else:
            faces = [min([face, *_at(face, found)], key=lambda one: one.doubt) for face in faces]
        if faces and all(_passes(face, _SURE * most_doubt) for face in faces):
            break
    return sorted(faces, key=lambda face: float(face.centre[0]))


def _faces_in(rgb: Uint8, detect: Detect, views: Sequence[View], crops: int, most_doubt: float) -> list[FoundFace]:
    found: list[FoundFace] = []
    for view in views:
        for raw in detect(view.render(rgb)):
            rough = _points_in_photo(raw, view)
            if any(_same_place(rough, other) for other in found):
                continue
            face = measure_face(rgb, detect, rough, crops=crops)
            if face is None or not _passes(face, most_doubt):
                continue
            if not any(_same_place(face.points, other) for other in found):
                found.append(face)
    return found


def _passes(face: FoundFace, most_doubt: float) -> bool:
    """Tell whether a face is believed: crops of one turned far away agree less well, though it is there."""
    return face.doubt <= most_doubt * (1 + abs(face.pose.yaw_deg) / 90)


def _at(face: FoundFace, found: Sequence[FoundFace]) -> list[FoundFace]:
    return [other for other in found if np.linalg.norm(other.centre - face.centre) < face.pose.size_px]


def measure_face(rgb: Uint8, detect: Detect, rough: Float, *, crops: int) -> FoundFace | None:
    """Measure a face whose (478, 2) points are roughly known in jittered crops; None if it is in none of them."""
    pose = face_pose(rough)
    centre, side = _square(rough, pose.roll_deg)
    half = _WINDOW_FACES * side / 2
    low, high = np.maximum(centre - half, 0.0), np.minimum(centre + half, [rgb.shape[1], rgb.shape[0]])
    if (high - low < 1).any():
        return None
    # Crops are taken from one window of the photo, reduced once to a little more than the crops' resolution.
    longest = float((high - low).max()) / max(1.0, side * _CROP_FACES / (_CROP * _OVERSAMPLING))
    window = View.of_box((*low, *high), longest=max(1, round(longest)))
    window_rgb = window.render(rgb)
    points, scores = [], []
    for turn, shift, magnification, flipped in _JITTER[:crops]:
        view = View.of_window(
            centre + side * np.array(shift),
            side * _CROP_FACES * magnification,
            size=_CROP,
            angle_deg=pose.roll_deg + turn,
            flipped=flipped,
        )
        near = [(raw, _points_in_photo(raw, view)) for raw in detect(view.within(window).render(window_rgb))]
        near = [(raw, xy) for raw, xy in near if np.linalg.norm(_middle(xy) - centre) < side / 2]
        if near:
            raw, xy = min(near, key=lambda item: float(np.linalg.norm(_middle(item[1]) - centre)))
            points.append(xy)
            scores.append(_mirrored(raw.scores) if flipped else dict(raw.scores))
    if not points:
        return None
    stack = np.array(points)
    mean = stack.mean(0)
    deviations = stack - mean
    count = len(stack)
    spread = np.einsum("cki,ckj->kij", deviations, deviations) / max(count - 1, 1)
    pose = face_pose(mean)
    scatter = float(np.sqrt(np.trace(spread, axis1=1, axis2=2).mean()))
    return FoundFace(
        points=mean,
        spread=spread,
        scores={name: float(np.mean([one[name] for one in scores])) for name in scores[0]},
        pose=pose,
        crops_found=count / len(_JITTER[:crops]),
        inconsistency=scatter / pose.size_px,
    )


def _searches(width: int, height: int) -> Iterator[tuple[float, Sequence[View]]]:
    """Yield views to look at together, with the factor on the bound of doubt: many looks find faces by chance."""
    whole = (0.0, 0.0, float(width), float(height))
    centre, longest = np.array([width / 2, height / 2]), float(max(width, height))
    yield 1.0, [View.of_box(whole, longest=_LONGEST)]
    # A face that fills the picture, or lacks its border.
    yield 1.0, [View.of_window(centre, 1.5 * longest, size=_LONGEST)]
    yield _LATER, _tiles(width, height, 2)
    tilted = [View.of_window(centre, 1.3 * longest, size=_LONGEST, angle_deg=angle) for angle in (-30.0, 30.0)]
    yield _LATER, tilted
    for quarter_turns in (1, 3, 2):
        yield _LATER, [View.of_box(whole, longest=_LONGEST, quarter_turns=quarter_turns)]
    yield _LATER, _tiles(width, height, 4)


def _tiles(width: int, height: int, parts: int) -> list[View]:
    """Windows of 1 / parts of the photo's width and height, overlapping by half."""
    steps = np.arange(2 * parts - 1) / (2 * parts)
    boxes = [(x, y, x + 1 / parts, y + 1 / parts) for y in steps for x in steps]
    return [
        View.of_box((x0 * width, y0 * height, x1 * width, y1 * height), longest=_LONGEST) for x0, y0, x1, y1 in boxes
    ]


def _points_in_photo(raw: RawFace, view: View) -> Float:
    points = view.to_photo(raw.points[:, :2])
    return points[canonical_face().mirror] if view.flipped else points


def _middle(points: Float) -> Float:
    return points[: len(canonical_face().positions)].mean(0)


def _same_place(points: Float, other: FoundFace) -> bool:
    return bool(np.linalg.norm(_middle(points) - other.centre) < 0.5 * other.pose.size_px)


def _square(points: Float, roll_deg: float) -> tuple[Float, float]:
    """Centre and side of the smallest square along the face's own axes that holds it, px."""
    c, s = np.cos(np.radians(roll_deg)), np.sin(np.radians(roll_deg))
    turn = np.array([[c, s], [-s, c]])
    upright = points[: len(canonical_face().positions)] @ turn.T
    low, high = upright.min(0), upright.max(0)
    return (low + high) / 2 @ turn, float((high - low).max())


def _mirrored(scores: Mapping[str, float]) -> dict[str, float]:
    def other(name: str) -> str:
        if name.endswith("Left"):
            return name.removesuffix("Left") + "Right"
        return name.removesuffix("Right") + "Left" if name.endswith("Right") else name

    return {other(name): score for name, score in scores.items()}
