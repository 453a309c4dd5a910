"""MediaPipe's face landmarker, quiet and in pixels. All contact with the package `mediapipe` is here."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, MissingExtraError

MOST_FACES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFace:
    """One face as the landmarker gave it: `points` (478, 3) px of the given picture, `scores` by ARKit name."""

    points: NDArray[np.float64]
    scores: Mapping[str, float]


class Landmarker:
    """A loaded face landmarker."""

    def __init__(self, task_path: Path) -> None:
        with _quiet():
            try:
                import mediapipe
                from mediapipe.tasks.python import BaseOptions, vision
            except ImportError as error:
                raise MissingExtraError("finding landmarks in photos", "mediapipe") from error
            options = vision.FaceLandmarkerOptions(
                # A buffer, because the library's own file reader fails on some paths.
                base_options=BaseOptions(model_asset_buffer=task_path.read_bytes()),
                output_face_blendshapes=True,
                num_faces=MOST_FACES,
            )
            try:
                self._landmarker = vision.FaceLandmarker.create_from_options(options)
            except (RuntimeError, ValueError, OSError) as error:
                raise InputError(
                    f"{task_path}: MediaPipe cannot load this landmarker file; type  cephalon assets get mediapipe"
                ) from error
            self._image: Any = mediapipe.Image
            self._format = mediapipe.ImageFormat.SRGB

    def detect(self, rgb: NDArray[np.uint8]) -> list[RawFace]:
        """Find up to five faces in an upright (h, w, 3) picture."""
        height, width = rgb.shape[:2]
        with _quiet():
            found = self._landmarker.detect(self._image(image_format=self._format, data=np.ascontiguousarray(rgb)))
        faces = []
        for landmarks, blendshapes in zip(found.face_landmarks, found.face_blendshapes, strict=True):
            points = np.array([(p.x * width, p.y * height, p.z * width) for p in landmarks])
            if np.isfinite(points).all():
                faces.append(RawFace(points=points, scores={s.category_name: float(s.score) for s in blendshapes}))
        return faces


def load_landmarker(task_path: Path) -> Landmarker:
    """Load a landmarker file; the last one is kept, as loading takes a quarter of a second."""
    try:
        state = task_path.stat()
    except OSError as error:
        raise InputError(f"{task_path}: no such landmarker file; type  cephalon assets get mediapipe") from error
    return _loaded(task_path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=1)
def _loaded(task_path: Path, _mtime_ns: int, _size: int) -> Landmarker:
    return Landmarker(task_path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what native code writes to stderr nowhere; exceptions are not touched."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = None
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()
        with suppress(OSError):
            saved = os.dup(2)
        if saved is None:
            yield
            return
        try:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 2)
            os.close(nowhere)
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
