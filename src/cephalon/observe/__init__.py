"""Photos -> observations: landmarks from a file or from a landmarker, with what they are worth."""

from cephalon.observe.file_landmarks import FileLandmarks, landmarks_json, read_record
from cephalon.observe.mediapipe_landmarks import MediaPipeLandmarks, MediaPipeOptions
from cephalon.observe.source import LandmarkSource, default_source

__all__ = [
    "FileLandmarks",
    "LandmarkSource",
    "MediaPipeLandmarks",
    "MediaPipeOptions",
    "default_source",
    "landmarks_json",
    "read_record",
]
