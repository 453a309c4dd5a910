"""From a head model, a code and pictures to what the file writers take: materials, a glTF scene, OBJ groups."""

from cephalon.export.fine import FINE_POLYGONS, FineMesh, fine_mesh
from cephalon.export.looks import DEFAULT_IRIS_SRGB, DEFAULT_SKIN_SRGB, PartLook, part_looks
from cephalon.export.scene import head_glb, head_obj, head_scene

__all__ = [
    "DEFAULT_IRIS_SRGB",
    "DEFAULT_SKIN_SRGB",
    "FINE_POLYGONS",
    "FineMesh",
    "PartLook",
    "fine_mesh",
    "head_glb",
    "head_obj",
    "head_scene",
    "part_looks",
]
