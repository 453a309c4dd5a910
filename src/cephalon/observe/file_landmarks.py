"""Landmarks from a file: Cephalon's JSON, or a `.pts` file in the manner of iBUG.

The JSON holds one object:

    {"format": "cephalon-landmarks", "format_version": 1,
     "image": {"width": 512, "height": 512},
     "set": "mediapipe478",
     "points": [[x, y], ...],
     "sigma_px": 1.5,                      optional: one number, or one per point
     "covariance_px2": [[xx, xy, yy], ...] optional, instead of sigma_px
     "visible": [true, ...],               optional
     "expression": {"jawOpen": 0.1, ...},  optional, ARKit names; names left out are unknown
     "expression_sigma": 0.2,              optional: one number, or one per name
     "focal35_mm": 50.0,                   optional
     "source": "by hand"}                  optional

Positions are pixels of the upright picture (EXIF orientation applied) in its full size, x right, y down; the centre of
the top-left pixel is (0.5, 0.5). A `.pts` file counts from 1, with the centre of the top-left pixel at (1, 1): 0.5 is
taken off. Points without a sigma get that of their region; points of the set "mediapipe478" without a sigma are taken
for MediaPipe's own, whose known bias is then removed too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, NoHeadError, as_array
from cephalon.files.bounded import read_bytes
from cephalon.observe.canonical import face_pose
from cephalon.observe.landmark_noise import LandmarkNoise, ibug68_noise, mediapipe_noise, roll_matrix, rotate
from cephalon.photo import Photo
from cephalon.values import ExpressionObservation, Observation, PointObservation

Float = NDArray[np.float64]

FORMAT, FORMAT_VERSION = "cephalon-landmarks", 1
_MOST_BYTES = 10_000_000
_MOST_SIGMA_PX = 1e5
_COUNTS = {"mediapipe478": 478, "ibug68": 68}
_MESH_POINTS = 468
"""The face mesh without the irises, as older landmarkers give it."""
_EXPRESSION_SIGMA, _UNREAD_SIGMA = 0.2, 1.0
_SAME_ASPECT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLandmarks:
    """The landmarks of one head in one photo, from a file.

    Attributes
    ----------
    path : a `.json` or `.pts` file, see the module.
    expression_names : the head model's names, which give the order of the coefficients.
    point_counts : points by set name, for sets beyond "mediapipe478" and "ibug68".
    """

    path: str | os.PathLike[str]
    expression_names: Sequence[str]
    point_counts: Mapping[str, int] = field(default_factory=dict)

    def observe(self, photo: Photo, *, which: int | None = None) -> Observation:
        """Read the file for a photo.

        Raises
        ------
        InputError
            If the file cannot be read, is damaged, or belongs to a picture of another shape.
        NoHeadError
            If `which` is not 1: a file holds one head.
        """
        path = Path(self.path)
        if which is not None and which != 1:
            raise NoHeadError(
                f"{path}: head {which} was asked for, but a landmark file holds one head; leave --face out"
            )
        record = read_record(path)
        try:
            return self._observation(record, photo, path.name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def _observation(self, record: Mapping[str, Any], photo: Photo, name: str) -> Observation:
        set_name = record.get("set")
        counts = {**self.point_counts, **_COUNTS}
        if not isinstance(set_name, str) or set_name not in counts:
            raise InputError(f"the set of points {set_name!r} is unknown; known are: {', '.join(sorted(counts))}")
        points = as_array("points", record["points"], (None, 2))
        visible = np.ones(len(points), dtype=bool)
        if record.get("visible") is not None:
            visible = np.array(as_array("visible", record["visible"], (len(points),), bool))
        scale = _scale(record.get("image"), photo)
        covariance = _stated_covariance(record, len(points))
        if set_name == "mediapipe478" and len(points) == _MESH_POINTS:
            absent = counts[set_name] - len(points)
            points = np.vstack([points, np.tile(points.mean(0), (absent, 1))])
            visible = np.concatenate([visible, np.zeros(absent, dtype=bool)])
            if covariance is not None:
                covariance = np.concatenate([covariance, np.tile(np.eye(2), (absent, 1, 1))])
        if len(points) != counts[set_name]:
            raise InputError(f"the set {set_name} has {counts[set_name]} points, got {len(points)}")
        if not visible.any():
            raise InputError("no point is visible")
        points = points * scale
        inside = ((points >= 0) & (points <= [photo.width, photo.height])).all(1)
        if 2 * np.count_nonzero(inside & visible) < np.count_nonzero(visible):
            raise InputError(
                f"most points lie outside the picture {photo.name}; check that file and photo belong together"
            )
        _check_spread(points[visible])
        common = response = None
        if covariance is not None:
            covariance = covariance * np.outer(scale, scale)
        else:
            covariance, bias, hidden, common = _reasoned_covariance(set_name, points)
            response = _table(set_name).response
            points = points - bias
            if record.get("visible") is None:
                visible &= ~hidden
        focal35 = record.get("focal35_mm", photo.focal35_mm)
        if focal35 is not None and not (isinstance(focal35, (int, float)) and 4 <= focal35 <= 4000):
            raise InputError(f"focal35_mm: expected a number of 4 to 4000 mm, got {focal35!r}")
        source = record.get("source")
        return Observation(
            width=photo.width,
            height=photo.height,
            points=(
                PointObservation(
                    set_name=set_name,
                    position=points,
                    covariance=covariance,
                    visible=visible,
                    common=common,
                    response=response,
                ),
            ),
            expression=self._expression(record),
            focal35_mm=focal35,
            source=f"file {name}" + (f" ({source})" if isinstance(source, str) and source else ""),
        )

    def _expression(self, record: Mapping[str, Any]) -> ExpressionObservation | None:
        values = record.get("expression")
        if values is None:
            return None
        sigmas = record.get("expression_sigma", _EXPRESSION_SIGMA)
        if not isinstance(values, Mapping):
            raise InputError("expression: expected an object of ARKit names and numbers")
        unknown = sorted(set(values) - set(self.expression_names))
        if unknown:
            raise InputError(f"expression {unknown[0]!r} is unknown; the names are ARKit's, for example jawOpen")
        mean = [values.get(name, 0.0) for name in self.expression_names]
        sigma = [
            _UNREAD_SIGMA
            if name not in values
            else (sigmas.get(name, _EXPRESSION_SIGMA) if isinstance(sigmas, Mapping) else sigmas)
            for name in self.expression_names
        ]
        observed = ExpressionObservation(
            mean=np.array(as_array("expression", mean, (len(mean),))),
            sigma=np.array(as_array("expression_sigma", sigma, (len(mean),))),
        )
        if (observed.sigma <= 0).any():
            raise InputError("expression_sigma: expected numbers above 0")
        if (observed.mean < 0).any() or (observed.mean > 1).any():
            raise InputError("expression: expected numbers from 0 to 1")
        return observed


def landmarks_json(observation: Observation, expression_names: Sequence[str]) -> str:
    """Return the JSON text of an observation's first point set, which `FileLandmarks` reads back."""
    points = observation.points[0]
    record: dict[str, Any] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "image": {"width": observation.width, "height": observation.height},
        "set": points.set_name,
        "points": points.position.round(3).tolist(),
        "covariance_px2": points.covariance[:, [0, 0, 1], [0, 1, 1]].round(5).tolist(),
        "visible": points.visible.tolist(),
    }
    if observation.expression is not None:
        read = [i for i, sigma in enumerate(observation.expression.sigma) if sigma < _UNREAD_SIGMA]
        for key, values in (
            ("expression", observation.expression.mean),
            ("expression_sigma", observation.expression.sigma),
        ):
            record[key] = {expression_names[i]: round(float(values[i]), 4) for i in read}
    if observation.focal35_mm is not None:
        record["focal35_mm"] = observation.focal35_mm
    record["source"] = observation.source
    rows = [f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in record.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


# -- parts of the file ------------------------------------------------------------------------------------------------


def read_record(path: Path) -> Mapping[str, Any]:
    """Return what a landmark file says, as plain data, without a photo to check it against.

    Raises
    ------
    InputError
        If the file cannot be read or is no landmark file.
    """
    text = _read_text(path)
    try:
        return _read_pts(text) if path.suffix.lower() == ".pts" else _read_json(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _read_text(path: Path) -> str:
    data = read_bytes(path, max_bytes=_MOST_BYTES, what="landmark file (.json or .pts)")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not a text file; give a landmark file (.json or .pts)") from error


def _read_json(text: str) -> Mapping[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"is not valid JSON ({error}); a file of 68 points in iBUG's manner needs the ending .pts"
        ) from error
    if not isinstance(record, Mapping):
        raise InputError("expected one JSON object with the fields set and points")
    if record.get("format", FORMAT) != FORMAT or record.get("format_version", FORMAT_VERSION) != FORMAT_VERSION:
        found = f"{record.get('format')!r} version {record.get('format_version')!r}"
        raise InputError(f"format {found} is unknown; this Cephalon reads {FORMAT} version {FORMAT_VERSION}")
    if "points" not in record:
        raise InputError("the field points is missing")
    return record


def _read_pts(text: str) -> Mapping[str, Any]:
    body = re.search(r"\{([^{}]*)\}", text)
    if body is None:
        raise InputError("is no .pts file: expected  n_points: 68  and a list of positions in braces")
    try:
        numbers = [[float(word) for word in line.split()] for line in body.group(1).splitlines() if line.strip()]
        points = as_array("points", numbers, (None, 2))
    except ValueError as error:
        raise InputError(f"a position is not two numbers ({error})") from error
    stated = re.search(r"n_points\s*:\s*(\d+)", text)
    if stated is not None and int(stated.group(1)) != len(points):
        raise InputError(
            f"n_points says {stated.group(1)[:20]}, but {len(points)} positions follow; the file is damaged"
        )
    if len(points) != _COUNTS["ibug68"]:
        raise InputError(f"expected the 68 points of iBUG, got {len(points)}")
    return {"set": "ibug68", "points": points - 0.5}


def _scale(image: Any, photo: Photo) -> Float:
    """Return photo pixels per file pixel along x and y."""
    width, height = photo.original_size or (photo.width, photo.height)
    if image is not None:
        try:
            width, height = float(image["width"]), float(image["height"])
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise InputError('image: expected {"width": px, "height": px}') from error
        if not (np.isfinite([width, height]).all() and min(width, height) >= 1):
            raise InputError(f"image: expected a size of at least 1 px, got {width} x {height}")
        if abs(np.log(width / height * photo.height / photo.width)) > _SAME_ASPECT:
            raise InputError(
                f"was made for a picture of {width:.0f} x {height:.0f} px, but {photo.name} has "
                f"{photo.width} x {photo.height} px; give the file of this photo"
            )
    return np.array([photo.width / width, photo.height / height])


def _check_spread(points: Float) -> None:
    """Refuse points (k, 2) px from which no pose follows: all at one place or along one line."""
    longer, shorter = np.linalg.svd(points - points.mean(0), compute_uv=False) if len(points) > 1 else (0.0, 0.0)
    if shorter < max(1.0, 0.02 * longer):
        raise InputError("the visible points lie at one place or along one line: they show no face")


def _stated_covariance(record: Mapping[str, Any], count: int) -> Float | None:
    if record.get("covariance_px2") is not None:
        terms = as_array("covariance_px2", record["covariance_px2"], (count, 3))
        return terms[:, [[0, 1], [1, 2]]]
    if record.get("sigma_px") is None:
        return None
    sigma = record["sigma_px"]
    if isinstance(sigma, (int, float)) and not isinstance(sigma, bool):
        sigma = [float(sigma)] * count
    sigma = as_array("sigma_px", sigma, (count,))
    if not ((sigma > 0) & (sigma <= _MOST_SIGMA_PX)).all():
        raise InputError(f"sigma_px: expected numbers above 0, up to {_MOST_SIGMA_PX:.0f}")
    return sigma[:, None, None] ** 2 * np.eye(2)


def _reasoned_covariance(set_name: str, points: Float) -> tuple[Float, Float, NDArray[np.bool_], Float | None]:
    """Return covariance (k, 2, 2) px^2, bias (k, 2) px, hidden (k,) and common part of points without a sigma."""
    noise = _table(set_name)
    pose = face_pose(points, set_name)
    size = max(pose.size_px, 1.0)
    covariance, bias, hidden = noise.at(pose.yaw_deg, pose.pitch_deg)
    covariance, bias = rotate(covariance, bias, pose.roll_deg)
    common = noise.common(pose.yaw_deg)
    common = None if common is None else size * (roll_matrix(pose.roll_deg) @ common)
    return covariance * size**2, bias * size, hidden, common


def _table(set_name: str) -> LandmarkNoise:
    tables = {"mediapipe478": mediapipe_noise, "ibug68": ibug68_noise}
    if set_name not in tables:
        raise InputError(f"the set {set_name} needs sigma_px, the error of each point in px")
    return tables[set_name]()
