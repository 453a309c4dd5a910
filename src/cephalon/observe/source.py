"""What a landmark source is, and which one to take."""

from __future__ import annotations

import importlib.util
import os
from typing import Protocol

from cephalon import assets
from cephalon.core import InputError
from cephalon.head import HeadModel
from cephalon.observe.file_landmarks import FileLandmarks
from cephalon.observe.mediapipe_landmarks import MediaPipeLandmarks
from cephalon.photo import Photo
from cephalon.values import Observation


class LandmarkSource(Protocol):
    """Anything that measures a head in a photo."""

    def observe(self, photo: Photo, *, which: int | None = None) -> Observation:
        """Measure one head; `which` counts heads from 1 at the left and may be left out if there is only one.

        Raises
        ------
        NoHeadError
            If there is no head, several and `which` is None, or fewer than `which`.
        """
        ...


def default_source(path: str | os.PathLike[str] | None, model: HeadModel) -> LandmarkSource:
    """Return the landmarks of a file if one is given, else MediaPipe if it is installed.

    Raises
    ------
    InputError
        If neither is there; the message names the line to type.
    """
    names = model.expression_names
    if path is not None:
        counts = {name: len(points.names) for name, points in model.point_sets.items()}
        return FileLandmarks(path=path, expression_names=names, point_counts=counts)
    steps = []
    if importlib.util.find_spec("mediapipe") is None:
        steps.append("pip install 'cephalon[mediapipe]'")
    try:
        task = assets.find_mediapipe_task()
    except InputError:
        if os.environ.get(assets.TASK_VARIABLE):
            raise
        task = None
        steps.append("cephalon assets get mediapipe")
    if steps:
        raise InputError(
            f"nothing to find landmarks with; type  {' && '.join(steps)}  or give a landmark file with --landmarks"
        )
    return MediaPipeLandmarks(expression_names=names, task_path=task)
