"""Judging one item: reads the files, runs a protocol for every method and for the mean head, says what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from cephalon.core import CephalonError, InputError
from cephalon.evaluate import correspondence, faces3d, hidden
from cephalon.evaluate.alignment import refine
from cephalon.evaluate.layout import Item, OwnReader, load_prediction, load_scan
from cephalon.evaluate.meshes import Shape
from cephalon.evaluate.now import NOW_REACH, STIRLING_REACH, ScanToMesh, scale_error_percent, scan_to_mesh
from cephalon.evaluate.surface import Surface
from cephalon.geometry import Similarity, face_normals

FloatArray = npt.NDArray[np.float64]

MEAN_HEAD = "mean head"
PROTOCOLS = ("now", "stirling", "florence", "bu3dfe", "regions")
_FIELD_POINTS, _FIELD_REACH_MM, _ASIDE_MM = 600, 20.0, 3.0
_TOGETHER = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is asked of every item.

    Attributes
    ----------
    protocol : one of `PROTOCOLS`.
    metrical : keep the predictions' size.
    unit : of the predictions; None: declared by the file or told from its size.
    scan_unit : of the scans; None: declared by the file, else mm.
    quirks : two habits of the official NoW code, see `now.landmark_start`.
    landmarks_only : Stirling's original protocol, no refinement, a smaller crop.
    size : Florence's normaliser, "diagonal" or "area".
    baseline : the mean head with landmarks and regions; None for none.
    """

    protocol: str = "now"
    metrical: bool = False
    unit: str | None = None
    scan_unit: str | None = None
    quirks: bool = False
    landmarks_only: bool = False
    size: str = "diagonal"
    baseline: Shape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Items that share a scan, with the setting, as they go to a worker."""

    items: tuple[Item, ...]
    setting: Setting
    own: OwnReader | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcome:
    """What came of one method on one item.

    Attributes
    ----------
    method, name, subject, group : which.
    reason : why it failed, "" if it did not.
    figures : plain numbers for the table of items.
    distance : (n,) mm, what is pooled; empty where the protocol pools nothing.
    regions : region -> (mean mm, count).
    predicted, true : (k,) mm deviations from the mean head at fixed places, for protocol 9; None if not to be had.
    notes : remarks, for example on a unit that was told from the size.
    start : which start of the alignment won.
    """

    method: str
    name: str
    subject: str
    group: str
    reason: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    distance: FloatArray = field(default_factory=lambda: np.zeros(0))
    regions: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    predicted: FloatArray | None = None
    true: FloatArray | None = None
    notes: tuple[str, ...] = ()
    start: str = ""


def prepare() -> None:
    """Load what every item needs: the compiled search and equations, SciPy's tree of points."""
    import scipy.spatial

    del scipy
    square = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    still = Similarity(scale=1.0, rotation=np.eye(3), translation=np.zeros(3))
    refine(Surface(square, [[0, 1, 2], [0, 2, 3]]), square + 0.1, still, with_scale=False, max_iterations=1)


def jobs(items: Sequence[Item], setting: Setting, own: OwnReader | None = None) -> list[Job]:
    """Return jobs of up to eight neighbouring items with the same scan, so that it is read once for them."""
    found: list[Job] = []
    key: object = None
    for item in items:
        if found and key == (item.scan, item.scan_landmarks) and len(found[-1].items) < _TOGETHER:
            found[-1] = Job(items=(*found[-1].items, item), setting=setting, own=own)
        else:
            found.append(Job(items=(item,), setting=setting, own=own))
        key = (item.scan, item.scan_landmarks)
    return found


def judge(job: Job) -> list[Outcome]:
    """Return an outcome of the mean head (if there is one) and of each method for each item.

    Nothing that is wrong with a file raises: it is an outcome with a reason.
    """
    setting, first = job.setting, job.items[0]
    try:
        if first.scan is None:
            raise InputError(f"there is no scan for {first.name}")
        scan = load_scan(first.scan, first.scan_landmarks, unit=setting.scan_unit)
        if setting.protocol in ("now", "stirling") and scan.landmarks is None:
            raise InputError(f"scan {first.scan}: there are no landmarks for it")
    except Exception as error:
        return [
            _outcome(item, method, reason=why(error))
            for item in job.items
            for method in ([MEAN_HEAD] if setting.baseline is not None else []) + list(item.predictions)
        ]
    mean: dict[str, Any] = {}
    frame: _Frame | None = None
    if setting.baseline is not None:
        mean, frame = _guarded(setting.baseline, scan, setting, None, is_mean=True)
    outcomes: list[Outcome] = []
    for item in job.items:
        if setting.baseline is not None:
            outcomes.append(_outcome(item, MEAN_HEAD, **mean))
        for method, path in item.predictions.items():
            try:
                prediction = _prediction(item, method, path, job)
            except Exception as error:
                outcomes.append(_outcome(item, method, reason=why(error)))
                continue
            fields, _ = _guarded(prediction, scan, setting, frame, is_mean=False)
            if prediction.unit_from == "told from its size":
                fields["notes"] = (f"{method}: unit {prediction.unit}, told from the size of the meshes",)
            outcomes.append(_outcome(item, method, **fields))
    return outcomes


def _outcome(item: Item, method: str, **fields: Any) -> Outcome:
    return Outcome(method=method, name=item.name, subject=item.subject, group=item.group, **fields)


def _prediction(item: Item, method: str, path: Path | None, job: Job) -> Shape:
    if path is None:
        raise InputError(f"the prediction is missing: no {item.name} among those of {method}")
    prediction = load_prediction(path, unit=job.setting.unit, own=job.own)
    if job.setting.protocol in ("now", "stirling") and prediction.landmarks is None:
        raise InputError(f"{path}: no landmarks lie beside it (.npy, .txt, .pp or .json of the same name)")
    return prediction


def _guarded(
    prediction: Shape, scan: Shape, setting: Setting, frame: _Frame | None, *, is_mean: bool
) -> tuple[dict[str, Any], _Frame | None]:
    try:
        return _one(prediction, scan, setting, frame, is_mean=is_mean)
    except Exception as error:
        return {"reason": why(error)}, frame


def why(error: Exception) -> str:
    """Return the reason to list for an item that failed: a long run goes on whatever one file does to it."""
    if isinstance(error, CephalonError):
        return str(error)
    return f"could not be judged ({type(error).__name__}: {error})"


@dataclass(frozen=True, slots=True)
class _Frame:
    """The mean head laid on the scan: labels of the scan's vertices, and places where deviations are taken."""

    labels: npt.NDArray[np.int32] | None
    names: tuple[str, ...]
    mean_mm: float
    places: FloatArray
    normals: FloatArray
    true: FloatArray


def _one(
    prediction: Shape, scan: Shape, setting: Setting, frame: _Frame | None, *, is_mean: bool
) -> tuple[dict[str, Any], _Frame | None]:
    if setting.protocol == "florence":
        figures, laid = faces3d.florence(prediction, scan, size=setting.size)
        return {"figures": figures, "start": laid.start}, frame
    if setting.protocol == "bu3dfe":
        figures, distance, found = faces3d.bu3dfe(prediction, scan, metrical=setting.metrical)
        return {"figures": figures, "distance": distance, "start": found.alignment.start}, frame
    surface = Surface(prediction.vertices, prediction.faces)
    found = compared(prediction, scan, setting, surface)
    figures = now_figures(found)
    if np.array_equal(prediction.faces, scan.faces):  # one topology: the same rows are the same places
        moved = found.alignment.scan_from_prediction.apply(prediction.vertices[found.rows])
        figures["vertex_mm"] = float(np.linalg.norm(moved - scan.vertices[found.rows], axis=1).mean())
    if setting.metrical:
        figures["scale_error_percent"] = scale_error_percent(prediction, scan, found, surface)
    if is_mean:
        frame = _frame(prediction, scan, found)
    fields: dict[str, Any] = {"figures": figures, "distance": found.distance, "start": found.alignment.start}
    if frame is not None:
        figures["identity_ratio"] = hidden.identity_ratio(found.mean_mm, frame.mean_mm) if frame.mean_mm > 0 else np.nan
        if frame.labels is not None:
            fields["regions"] = hidden.by_region(found.distance, frame.labels, frame.names)
        if not is_mean:
            fields["predicted"], fields["true"] = _field(found, surface, frame), frame.true
            figures["shrinkage"] = hidden.shrinkage(fields["predicted"], frame.true)
    if prediction.sigma is not None:
        spread = prediction.sigma[prediction.faces[found.alignment.face]].mean(axis=1)
        spread = spread * found.alignment.scan_from_prediction.scale
        for level, share in hidden.coverage(found.distance, spread).items():
            figures[f"coverage_{level}"] = share
    if setting.protocol == "regions":
        if frame is None or frame.labels is None:
            raise InputError("the regions protocol needs the mean head with its regions as baseline")
        regions = correspondence.region_errors(prediction, scan, found, frame.labels, frame.names)
        figures |= {f"{name}_mm": value for name, value in regions.items()}
        figures["regions_mean_mm"] = float(np.mean(list(regions.values())))
    return fields, frame


def compared(prediction: Shape, scan: Shape, setting: Setting, surface: Surface | None = None) -> ScanToMesh:
    """Return the comparison that a setting asks for (`now.scan_to_mesh`)."""
    return scan_to_mesh(
        prediction, scan, metrical=setting.metrical, quirks=setting.quirks, surface=surface,
        refined=not setting.landmarks_only, reach=STIRLING_REACH if setting.landmarks_only else NOW_REACH,
    )  # fmt: skip


def now_figures(found: ScanToMesh) -> dict[str, float]:
    """Return the figures of a comparison as plain numbers."""
    figures = {
        "median_mm": found.median_mm,
        "mean_mm": found.mean_mm,
        "std_mm": found.std_mm,
        "rmse_mm": found.rmse_mm,
        "vertices": float(len(found.distance)),
        "scale": found.alignment.scan_from_prediction.scale,
        "passes": float(found.alignment.iterations),
    }
    if found.landmark_rms_mm is not None:
        figures["landmark_rms_mm"] = found.landmark_rms_mm
    return figures


def _frame(mean: Shape, scan: Shape, found: ScanToMesh) -> _Frame:
    from scipy.spatial import KDTree

    move = found.alignment.scan_from_prediction
    labels, chosen = None, np.arange(len(mean.faces))
    if mean.labels is not None:
        of_faces = mean.labels[mean.faces].max(axis=1)
        labels = of_faces[found.alignment.face]
        inner = [i for i, name in enumerate(mean.label_names) if name in faces3d.FACE]
        chosen = np.flatnonzero(np.isin(of_faces, inner))
    chosen = chosen[:: max(len(chosen) // _FIELD_POINTS, 1)]
    placed = move.apply(mean.vertices)
    places, normals = placed[mean.faces[chosen]].mean(axis=1), face_normals(placed, mean.faces)[chosen]
    points = scan.vertices[found.rows]
    near, row = KDTree(points).query(places)
    true = ((points[row] - places) * normals).sum(axis=1)
    aside = np.sqrt(np.maximum(near**2 - true**2, 0.0))
    true[(near > _FIELD_REACH_MM) | (aside > _ASIDE_MM)] = np.nan  # the scan does not reach there
    return _Frame(labels, mean.label_names, found.mean_mm, places, normals, true)


def _field(found: ScanToMesh, surface: Surface, frame: _Frame) -> FloatArray:
    """Return how far the prediction lies outside of the mean head at the frame's places, mm, along its normals."""
    move = found.alignment.scan_from_prediction
    nearest = surface.closest(move.inverse().apply(frame.places))
    field_mm = ((move.apply(nearest.point) - frame.places) * frame.normals).sum(axis=1)
    field_mm[nearest.distance * move.scale > _FIELD_REACH_MM] = np.nan
    return field_mm
