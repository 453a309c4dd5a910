"""Points that live on a surface: a face and barycentric weights, so that they exist on every head of a topology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError, as_array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

FloatArray = npt.NDArray[np.float64]

_SUM_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurfacePoints:
    """Named points on a triangulated surface.

    Attributes
    ----------
    face_index : (k,) int32 into the triangulated faces (`Mesh.faces`).
    barycentric : (k, 3) float64 weights of the face's three corners; each row sums to 1 (to 1e-4, as stored in
        float32) and holds nothing below -1e-4.
    names : k anatomical names, or none at all.

    Raises
    ------
    InputError
        On wrong shapes, negative face numbers, rows that do not sum to 1, or another count of names.
    """

    face_index: npt.NDArray[np.int32]
    barycentric: FloatArray
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the fields and keep read-only copies."""
        face_index = as_array("SurfacePoints.face_index", self.face_index, (None,), np.int32)
        barycentric = as_array("SurfacePoints.barycentric", self.barycentric, (len(face_index), 3))
        if face_index.size and face_index.min() < 0:
            raise InputError(f"SurfacePoints.face_index: expected numbers from 0, got {face_index.min()}")
        if barycentric.size:
            error = float(np.abs(barycentric.sum(axis=1) - 1.0).max())
            if error > _SUM_TOLERANCE:
                raise InputError(f"SurfacePoints.barycentric: expected rows that sum to 1, one is off by {error:.2g}")
            if barycentric.min() < -_SUM_TOLERANCE:
                raise InputError(f"SurfacePoints.barycentric: expected weights from 0, got {barycentric.min():.2g}")
        names = tuple(str(name) for name in self.names)
        if names and len(names) != len(face_index):
            raise InputError(f"SurfacePoints.names: expected {len(face_index)} names or none, got {len(names)}")
        object.__setattr__(self, "face_index", face_index)
        object.__setattr__(self, "barycentric", barycentric)
        object.__setattr__(self, "names", names)

    def __len__(self) -> int:
        """Return the number of points."""
        return len(self.face_index)

    def index(self, name: str) -> int:
        """Return the row of a name; InputError if there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise InputError(f"no surface point is called {name!r}") from None

    def take(self, rows: Sequence[int] | npt.NDArray[np.integer]) -> SurfacePoints:
        """Return the points of some rows, in that order."""
        rows = np.asarray(rows, dtype=np.intp)
        names = tuple(self.names[row] for row in rows) if self.names else ()
        return SurfacePoints(face_index=self.face_index[rows], barycentric=self.barycentric[rows], names=names)

    def positions(self, vertices: npt.ArrayLike, faces: npt.NDArray[np.integer]) -> FloatArray:
        """Return where the points lie on a mesh.

        Parameters
        ----------
        vertices : (n, 3) mm, or (n, c) of any other attribute of vertices.
        faces : (t, 3) triangulated faces.

        Returns
        -------
        (k, 3) mm, or (k, c).

        Raises
        ------
        InputError
            If a point's face does not exist in `faces`.
        """
        corners = self._corners(faces)
        return np.einsum("kc,kcd->kd", self.barycentric, np.asarray(vertices, dtype=np.float64)[corners])

    def operator(self, n_vertices: int, faces: npt.NDArray[np.integer]) -> csr_array:
        """Return the sparse (k, n_vertices) matrix with `operator @ vertices == positions(vertices, faces)`."""
        from scipy.sparse import csr_array

        corners = self._corners(faces)
        if corners.size and corners.max() >= n_vertices:
            raise InputError(f"faces name vertex {corners.max()}, but there are only {n_vertices} vertices")
        starts = np.arange(0, 3 * len(self) + 1, 3)
        return csr_array((self.barycentric.reshape(-1), corners.reshape(-1), starts), shape=(len(self), n_vertices))

    def _corners(self, faces: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Return the (k, 3) vertex numbers of the points' faces."""
        if len(self) and self.face_index.max() >= len(faces):
            raise InputError(f"a surface point lies on face {self.face_index.max()}, the mesh has {len(faces)} faces")
        return np.asarray(faces)[self.face_index].reshape(-1, 3)
