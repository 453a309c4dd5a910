"""The judge: the field's protocols as pure functions on arrays, and commands over folders. It knows no head model.

>>> from cephalon.evaluate import Shape, scan_to_mesh
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cephalon.evaluate.alignment import Alignment, refine
    from cephalon.evaluate.meshes import Shape, load_landmarks, load_shape
    from cephalon.evaluate.now import ScanToMesh, crop, landmark_start, scan_to_mesh
    from cephalon.evaluate.search import search
    from cephalon.evaluate.summary import Summary, paired_test, pooled
    from cephalon.evaluate.surface import Surface

_WHERE = {
    "Alignment": "alignment",
    "ScanToMesh": "now",
    "Shape": "meshes",
    "Summary": "summary",
    "Surface": "surface",
    "crop": "now",
    "landmark_start": "now",
    "load_landmarks": "meshes",
    "load_shape": "meshes",
    "paired_test": "summary",
    "pooled": "summary",
    "refine": "alignment",
    "scan_to_mesh": "now",
    "search": "search",
}

__all__ = [
    "Alignment",
    "ScanToMesh",
    "Shape",
    "Summary",
    "Surface",
    "crop",
    "landmark_start",
    "load_landmarks",
    "load_shape",
    "paired_test",
    "pooled",
    "refine",
    "scan_to_mesh",
    "search",
]


def __getattr__(name: str) -> Any:
    """Load what is asked for when it is asked for: the command line's help needs none of it."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"cephalon.evaluate.{_WHERE[name]}"), name)
