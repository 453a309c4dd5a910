"""Meshes and landmarks of any method, read from files, checked, in mm."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array
from cephalon.files import format_of, read_bytes, read_glb, read_json, read_obj, read_ply
from cephalon.files.npz import read_npy
from cephalon.files.obj import MAX_OBJ_BYTES, UNITS_MM
from cephalon.geometry import Mesh

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int32]

# Across the longest diagonal of its box, mm: a cropped child's face and a bust with shoulders lie well within.
SMALLEST_MM, LARGEST_MM = 70.0, 1500.0
# Where the unit is told from the size the limits are a factor of ten apart, so that no size fits two units.
_TOLD_MM = (100.0, 1000.0)
MESH_SUFFIXES = (".obj", ".ply", ".glb")
LANDMARK_SUFFIXES = (".npy", ".txt", ".pp", ".lnd", ".json")
_MAX_LANDMARK_BYTES = 4 * 2**20

# The seven points of the NoW challenge in its order, and where they stand among iBUG's 68.
NOW7 = (
    "right eye, outer corner", "right eye, inner corner", "left eye, inner corner", "left eye, outer corner",
    "nose bottom", "right mouth corner", "left mouth corner",
)  # fmt: skip
_NOW7_IN_68 = (36, 39, 42, 45, 33, 48, 54)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shape:
    """A mesh as it is judged.

    Attributes
    ----------
    vertices : (n, 3) mm.
    faces : (t, 3) triangles; may be empty for a scan.
    landmarks : (7, 3) mm in the order `NOW7`, or None.
    sigma : (n,) mm, the standard deviation that a method claims for each vertex, or None.
    labels : (n,) int32 region of each vertex, -1 for none, rows of `label_names`; None if unknown.
    label_names : names of the regions.
    unit : of the file.
    unit_from : "given", "declared by the file" or "told from its size".
    """

    vertices: FloatArray
    faces: IntArray
    landmarks: FloatArray | None = None
    sigma: FloatArray | None = None
    labels: IntArray | None = None
    label_names: tuple[str, ...] = ()
    unit: str = "mm"
    unit_from: str = "given"

    def __post_init__(self) -> None:
        """Check shapes; keep read-only copies."""
        object.__setattr__(self, "vertices", as_array("vertices", self.vertices, (None, 3)))
        object.__setattr__(self, "faces", as_array("faces", self.faces, (None, 3), np.int32))
        for name, shape in (("landmarks", (7, 3)), ("sigma", (len(self.vertices),))):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, as_array(name, value, shape))
        if self.labels is not None:
            object.__setattr__(self, "labels", as_array("labels", self.labels, (len(self.vertices),), np.int32))


def load_shape(
    path: str | Path, *, unit: str | None = None, assumed: str | None = None, what: str = "prediction"
) -> Shape:
    """Read a mesh (.obj, .ply, .glb) in mm.

    Parameters
    ----------
    path : of the file; polygons of more than three corners are cut into triangles.
    unit : "mm", "cm" or "m"; None takes what the file declares, else what makes the size that of a head: the three
        leave no doubt, as they differ by factors of ten and a hundred.
    assumed : the unit where none is given or declared (scans: mm by their protocols); None tells it from the size.
    what : in messages, "prediction" or "scan". A prediction has to have faces.

    Raises
    ------
    InputError
        If the file cannot be read, has no vertices (a prediction: no faces), a number is not finite, or its size is
        impossible for a head in the given unit; the message names the unit that would do.
    """
    path = Path(path)
    mesh, declared, sigma = _read(path)
    where = f"{what} {path}"
    if what == "prediction" and not len(mesh.faces):
        raise InputError(f"{where} has no faces: a surface is needed to measure distances to")
    used = np.unique(mesh.faces) if len(mesh.faces) else np.arange(len(mesh.vertices))
    size = float(np.linalg.norm(np.ptp(mesh.vertices[used], axis=0)))
    chosen, origin = _unit(where, size, unit, declared, assumed)
    scale = UNITS_MM[chosen]
    return Shape(
        vertices=mesh.vertices * scale,
        faces=mesh.faces,
        sigma=None if sigma is None else sigma * scale,
        unit=chosen,
        unit_from=origin,
    )


def _unit(where: str, size: float, unit: str | None, declared: str | None, assumed: str | None) -> tuple[str, str]:
    if unit is not None and unit not in ("mm", "cm", "m"):
        raise InputError(f"unit: expected mm, cm or m, got {unit!r}")
    fitting = [name for name in ("mm", "cm", "m") if _TOLD_MM[0] <= size * UNITS_MM[name] < _TOLD_MM[1]]
    for name, origin in ((unit, "given"), (declared, "declared by the file"), (assumed, "assumed, as none is given")):
        if name is None:
            continue
        if not SMALLEST_MM <= size * UNITS_MM[name] <= LARGEST_MM:
            hint = f"; in {fitting[0]} it would be {size * UNITS_MM[fitting[0]]:.0f} mm" if fitting else ""
            raise InputError(
                f"{where} is {size * UNITS_MM[name]:.4g} mm across if its unit is {name} ({origin}): impossible for a head{hint}"
            )
        return name, origin
    if not fitting:
        raise InputError(f"{where} is {size:.4g} units across: no head in mm, cm or m; say its unit, or mend the file")
    return fitting[0], "told from its size"


def _read(path: Path) -> tuple[Mesh, str | None, FloatArray | None]:
    """Return the mesh in the file's own numbers, the unit it declares, and sigma at the vertices if it has any."""
    entry = format_of(path, kind="mesh")
    if entry.extension == ".glb":
        mesh = read_glb(path).mesh()
        return mesh.with_vertices(mesh.vertices / UNITS_MM["m"]), "m", None
    if entry.extension == ".ply":
        found = read_ply(path)
        scale = UNITS_MM[found.unit or "mm"]
        sigma = found.attributes.get("sigma_mm", found.attributes.get("sigma"))
        return found.mesh.with_vertices(found.mesh.vertices / scale), found.unit, sigma
    data = read_bytes(path, max_bytes=MAX_OBJ_BYTES, what="OBJ file")
    quick = _quick_obj(data)
    if quick is not None and b"unit" not in data[:4096]:
        return quick, None, None
    loaded = read_obj(path)
    return loaded.mesh.with_vertices(loaded.mesh.vertices / UNITS_MM[loaded.unit or "mm"]), loaded.unit, None


_CORNER_REST = re.compile(rb"/[^\s]*")


def _quick_obj(data: bytes) -> Mesh | None:
    """Return the mesh of a plain OBJ file of triangles, ten times as quick as the whole reader; None if it is not plain."""
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    vertex_lines = [line[2:] for line in lines if line.startswith(b"v ")]
    face_lines = [line[2:] for line in lines if line.startswith(b"f ")]
    try:
        numbers = np.array(b" ".join(vertex_lines).split(), dtype=np.float64)
        corners = np.array(_CORNER_REST.sub(b"", b" ".join(face_lines)).split(), dtype=np.int64)
    except ValueError:
        return None
    if not vertex_lines or len(numbers) % len(vertex_lines) or len(corners) != 3 * len(face_lines):
        return None
    width = len(numbers) // len(vertex_lines)
    if width not in (3, 4, 6, 7) or not np.isfinite(numbers).all() or b"\\\n" in data:
        return None
    if corners.size and (corners.min() < 1 or corners.max() > len(vertex_lines)):
        return None
    return Mesh.from_triangles(numbers.reshape(-1, width)[:, :3], (corners - 1).reshape(-1, 3))


# -- landmarks --------------------------------------------------------------------------------------------------------


def load_landmarks(path: str | Path) -> FloatArray:
    """Read the seven landmarks of the NoW challenge, (7, 3) in the file's own unit, in the order `NOW7`.

    Read are MeshLab's picked points (`.pp`), text (`.txt` and Stirling's `.lnd`: three numbers a line, or four of which
    the first counts the lines), `.npy` and JSON (`{"points": [[x, y, z], ...]}`). Files of 51 or 68 points are taken as
    iBUG's and the seven picked out.

    Raises
    ------
    InputError
        If the file cannot be read, a number is not finite, or it does not hold 7, 51 or 68 points.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in LANDMARK_SUFFIXES:
        raise InputError(f"{path}: expected landmarks in one of {', '.join(LANDMARK_SUFFIXES)}")
    if suffix == ".json":
        points = read_json(path).get("points")
        try:
            values = np.array(points, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            values = np.zeros(0)
    else:
        data = read_bytes(path, max_bytes=_MAX_LANDMARK_BYTES, what="landmark file")
        values = {".npy": _npy, ".txt": _text, ".lnd": _text, ".pp": _picked}[suffix](data, path)
    if values.size not in (21, 153, 204) or values.ndim > 2:
        raise InputError(f"{path}: expected 7 landmarks of x, y, z (or iBUG's 51 or 68), got shape {values.shape}")
    values = values.reshape(-1, 3)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: its landmarks are not all finite")
    if len(values) == 7:
        return values.astype(np.float64)
    return values[np.array(_NOW7_IN_68) - (17 if len(values) == 51 else 0)].astype(np.float64)


def _npy(data: bytes, path: Path) -> npt.NDArray:
    return read_npy(data, where=str(path))


def _text(data: bytes, path: Path) -> npt.NDArray:
    words = data.decode("utf-8", errors="replace").replace(",", " ").replace(";", " ").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{path}: expected three numbers a line and nothing else") from error
    numbered = values.reshape(-1, 4) if values.size == 28 else np.zeros((0, 4))
    if len(numbered) and np.array_equal(numbered[:, 0], np.arange(1, 8)):
        return numbered[:, 1:]
    return values


_POINT = re.compile(r"<point\b[^>]*>")
_ATTRIBUTE = re.compile(r"""\b(x|y|z|active)\s*=\s*["']([^"']*)["']""")


def _picked(data: bytes, path: Path) -> npt.NDArray:
    """Return the active points of MeshLab's picked-points XML, in the order of the file."""
    rows = []
    for tag in _POINT.findall(data.decode("utf-8", errors="replace")):
        fields = dict(_ATTRIBUTE.findall(tag))
        if fields.get("active", "1") == "0":
            continue
        try:
            rows.append([float(fields[axis]) for axis in "xyz"])
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: a point without x, y and z") from error
    return np.array(rows)


def find_file(folder: Path, stem: str, suffixes: tuple[str, ...]) -> Path | None:
    """Return the first of `folder/stem + suffix` that is a file, or None."""
    for suffix in suffixes:
        path = folder / f"{stem}{suffix}"
        if path.is_file():
            return path
    return None


def folder_of(path: str | os.PathLike[str], what: str) -> Path:
    """Return a folder's path, or say that it is not there."""
    folder = Path(path)
    if not folder.is_dir():
        raise InputError(
            f"{what} {folder}: {'expected a folder, this is a file' if folder.exists() else 'no such folder'}"
        )
    return folder
