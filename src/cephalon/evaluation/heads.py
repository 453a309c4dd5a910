"""What the judge may not know: the mean head and Cephalon's own results, as shapes that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # nothing heavy at the top: the command line's help reads this file
    from cephalon.evaluate.meshes import Shape
    from cephalon.head import HeadModel

# The parts of a head that a scanner sees, and the regions that its figures are told by; later ones are small.
_PARTS = ("skin", "left_eye", "right_eye")
_REGIONS = ("skull", "neck", "ears", "cheeks", "forehead", "chin", "eyes", "nose", "mouth")
_HIDDEN = ("mouth_cavity", "nostrils", "eye_sockets")


def mean_head() -> Shape:
    """Return Cephalon's mean head: skin and eyes, seven landmarks, regions."""
    from cephalon.head import HeadModel

    model = HeadModel.load()
    return head_shape(model, model.mean)


def head_shape(model: HeadModel, vertices: object) -> Shape:
    """Return what a scanner sees of a head of the model, as a shape that the judge takes; `vertices` (n, 3) mm."""
    import numpy as np

    from cephalon.evaluate.meshes import Shape

    places = np.asarray(vertices, dtype=np.float64)
    labels = np.full(len(places), -1, dtype=np.int32)
    for number, name in enumerate(_REGIONS):
        if name in model.regions:
            labels[np.asarray(model.regions[name]) > 0.5] = number
    faces = np.concatenate([model.faces[model.parts[name].faces] for name in _PARTS if name in model.parts])
    inner = np.zeros(len(places), dtype=bool)
    for name in _HIDDEN:
        if name in model.regions:
            inner |= np.asarray(model.regions[name]) > 0.5
    inner[model.parts["skin"].vertices.stop :] = False
    faces = faces[~inner[faces].all(axis=1)]
    return Shape(
        vertices=places,
        faces=faces,
        landmarks=model.point_set("now7").positions(places, model.faces),
        labels=labels,
        label_names=_REGIONS,
    )


def read_own(folder: Path) -> Shape:
    """Read a result folder of Cephalon: the neutral head with its named points."""
    from cephalon.values import Head

    head = Head.load(folder)
    return head_shape(head.model, head.mesh().vertices)
