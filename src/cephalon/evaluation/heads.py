"""What the judge may not know: the mean head and Cephalon's own results, as shapes that it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # nothing heavy at the top: the command line's help reads this file
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from cephalon.evaluate.meshes import Shape
    from cephalon.geometry import Mesh
    from cephalon.head import HeadModel

# The parts of a head that a scanner sees, and the regions that its figures are told by; later ones are small.
_PARTS = ("skin", "left_eye", "right_eye")
REGIONS = ("skull", "neck", "ears", "cheeks", "forehead", "chin", "eyes", "nose", "mouth")
_HIDDEN = ("mouth_cavity", "nostrils", "eye_sockets")


def mean_head() -> Shape:
    """Return Cephalon's mean head: skin and eyes, seven landmarks, regions."""
    from cephalon.head import HeadModel

    model = HeadModel.load()
    return head_shape(model, model.mean)


def uv_head() -> Mesh:
    """Return the skin of Cephalon's mean head with its texture coordinates."""
    from cephalon.geometry import Mesh
    from cephalon.head import HeadModel

    model = HeadModel.load()
    skin = model.topology.groups["skin"]
    mesh = model.topology
    uv_rows = None if mesh.polygons_uv is None else mesh.polygons_uv[skin]
    return Mesh(vertices=mesh.vertices, polygons=mesh.polygons[skin], uv=mesh.uv, polygons_uv=uv_rows)


def seen_faces(model: HeadModel) -> NDArray[np.int32]:
    """Return the triangles (t, 3) of a head that a scanner sees: skin without its inner folds, and the eyes."""
    import numpy as np

    faces = np.concatenate([model.faces[model.parts[name].faces] for name in _PARTS if name in model.parts])
    inner = np.zeros(len(model.mean), dtype=bool)
    for name in _HIDDEN:
        if name in model.regions:
            inner |= np.asarray(model.regions[name]) > 0.5
    inner[model.parts["skin"].vertices.stop :] = False
    return faces[~inner[faces].all(axis=1)]


def region_labels(model: HeadModel) -> NDArray[np.int32]:
    """Return the region (n,) of each vertex of the model, a row of `REGIONS`, -1 for none."""
    import numpy as np

    labels = np.full(len(model.mean), -1, dtype=np.int32)
    for number, name in enumerate(REGIONS):
        if name in model.regions:
            labels[np.asarray(model.regions[name]) > 0.5] = number
    return labels


def head_shape(model: HeadModel, vertices: ArrayLike) -> Shape:
    """Return what a scanner sees of a head of the model, as a shape that the judge takes; `vertices` (n, 3) mm."""
    import numpy as np

    from cephalon.evaluate.meshes import Shape

    places = np.asarray(vertices, dtype=np.float64)
    used, faces = np.unique(seen_faces(model), return_inverse=True)
    return Shape(
        vertices=places[used],
        faces=faces.reshape(-1, 3).astype(np.int32),
        landmarks=model.point_set("now7").positions(places, model.faces),
        labels=region_labels(model)[used],
        label_names=REGIONS,
    )


def read_own(folder: Path) -> Shape:
    """Read a result folder of Cephalon: the neutral head with its named points."""
    from cephalon.values import Head

    head = Head.load(folder)
    return head_shape(head.model, head.mesh().vertices)
