"""STL files: triangles alone, in mm by custom (the format has no unit, no names, no shared vertices)."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.files.bounded import StrPath, read_bytes
from cephalon.geometry import Mesh, face_normals

MAX_STL_BYTES = 512 * 2**20
_HEADER_BYTES = 80
_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def stl_bytes(mesh: Mesh, *, comment: str = "") -> bytes:
    """Return a mesh in mm as a binary STL file: float32, one record for each triangle.

    Vertices are not shared in the file; readers weld those that are equal to the bit, which they are here.
    """
    records = np.zeros(len(mesh.faces), dtype=_RECORD)
    records["corners"] = mesh.vertices.astype(np.float32)[mesh.faces]
    records["normal"] = face_normals(mesh.vertices, mesh.faces)
    text = f"Cephalon, units: mm. {comment}".encode("ascii", errors="replace")[:_HEADER_BYTES]
    return text.ljust(_HEADER_BYTES) + np.uint32(len(records)).astype("<u4").tobytes() + records.tobytes()


def write_stl(path: StrPath, mesh: Mesh, *, comment: str = "") -> None:
    """Write `stl_bytes` in one step; InputError as `atomic.write_bytes`."""
    write_bytes(path, stl_bytes(mesh, comment=comment))


def read_stl(path: StrPath, *, max_bytes: int = MAX_STL_BYTES) -> Mesh:
    """Read a binary or text STL file; equal vertices are welded. The numbers are taken as they are (mm by custom).

    Raises
    ------
    InputError
        If the file cannot be read, is truncated, or holds no triangle or numbers that are not finite.
    """
    where = os.fspath(path)
    data = read_bytes(path, max_bytes=max_bytes, what="STL file")
    count = int(np.frombuffer(data[80:84].ljust(4, b"\0"), "<u4")[0])
    if len(data) == 84 + 50 * count and count:
        with np.errstate(invalid="ignore"):  # what is not finite is refused below
            corners = np.frombuffer(data, _RECORD, count=count, offset=84)["corners"].astype(np.float64)
    elif data.lstrip()[:5].lower() == b"solid":
        corners = _text(data, where)
    else:
        raise InputError(f"{where} is not an STL file, or it is truncated")
    if not len(corners) or not np.isfinite(corners).all():
        raise InputError(f"{where}: expected triangles of finite numbers")
    vertices, index = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    return Mesh.from_triangles(vertices, np.asarray(index).reshape(-1, 3))


def _text(data: bytes, where: str) -> npt.NDArray[np.float64]:
    rows = [line.split()[1:4] for line in data.splitlines() if line.strip().lower().startswith(b"vertex")]
    try:
        numbers = np.array([[float(word) for word in row] for row in rows], dtype=np.float64).reshape(-1, 3, 3)
    except ValueError as error:
        raise InputError(f"{where}: its text holds something else than triangles") from error
    return numbers
