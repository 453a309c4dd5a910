"""Building blocks of measures: calliper and tape, each with its derivative by the vertices.

Shape letters: n vertices of a head, h handles (points that a measure is made of), m vertices that a derivative
touches, q corners of a tape.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cephalon.head.anatomy import Anatomy, Int

Float = NDArray[np.float64]

Function = Callable[[Float, Anatomy], "Measured"]
"""(vertices (n, 3) mm, anatomy) -> `Measured`."""

FRAME = ("t_l", "t_r", "or_l", "or_r")
"""Named points that give the directions of a head."""

PAIRED = frozenset("en ex ps pi or al ac sbal cph ch ft zy go eu t sa sba pra pa obs obi".split())
"""Named points that have a left and a right one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Derivative:
    """Derivative of a measure by the vertices.

    Attributes
    ----------
    vertices : (m,) vertices that move the measure, each once.
    gradient : (m, 3) its derivative by their positions, mm per mm.
    """

    vertices: Int
    gradient: Float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """A measure taken on a head.

    Attributes
    ----------
    mm : the value.
    derivative : () -> `Derivative`, worked out when called.
    """

    mm: float
    derivative: Callable[[], Derivative]


class Handles:
    """Points that a measure is made of, each a weighted sum of vertices.

    Parameters
    ----------
    vertices : (n, 3) mm.
    points : named points to begin with.
    """

    def __init__(self, vertices: Float, anatomy: Anatomy, points: tuple[str, ...] = ()) -> None:
        self._vertices, self._anatomy = vertices, anatomy
        self._sources: list[tuple[Int, Float]] = []
        for name in points:
            row = anatomy.names[name]
            self._sources.append((anatomy.corners[row], anatomy.weights[row]))

    def add_centre(self, indices: Int) -> None:
        """Add the mean of some vertices (k,)."""
        self._sources.append((indices, np.full(len(indices), 1.0 / len(indices))))

    def positions(self) -> Float:
        """Return the handles' positions (h, 3)."""
        return np.stack([weights @ self._vertices[indices] for indices, weights in self._sources])

    def apply(self, function: Callable[[Any], Any]) -> Measured:
        """Measure a real-analytic function of the handles' positions (h, 3) that gives mm."""
        positions = self.positions()
        return Measured(
            mm=float(function(positions)), derivative=lambda: self.gather(complex_step(function, positions))
        )

    def gather(self, by_handle: Float, indices: Int | None = None, by_vertex: Float | None = None) -> Derivative:
        """Carry a derivative by handles (h, 3), and one by some vertices (k, 3), over to the vertices."""
        where = [source[0] for source in self._sources]
        what = [weights[:, None] * g for (_, weights), g in zip(self._sources, by_handle, strict=True)]
        if indices is not None and by_vertex is not None:
            where.append(indices)
            what.append(by_vertex)
        vertices, place = np.unique(np.concatenate(where), return_inverse=True)
        gradient = np.zeros((len(vertices), 3))
        np.add.at(gradient, place, np.concatenate(what))
        return Derivative(vertices=vertices, gradient=gradient)


def complex_step(function: Callable[[Any], Any], positions: Float) -> Float:
    """Derivative (h, 3, ...) of a real-analytic function of positions (h, 3), to rounding.

    f'(x) = Im f(x + i e) / e with e = 1e-20 (Squire and Trapp 1998): no difference is taken, so nothing cancels.
    """
    step = 1e-20
    rows = []
    for index in np.ndindex(positions.shape):
        moved = positions.astype(np.complex128)
        moved[index] += 1j * step
        rows.append(np.imag(function(moved)) / step)
    return np.reshape(rows, (*positions.shape, *np.shape(rows[0])))


def length(vector: Any) -> Any:
    """Euclidean length along the last axis, fit for complex steps."""
    return np.sqrt((vector * vector).sum(-1))


def dot(a: Any, b: Any) -> Any:
    """Scalar product, fit for complex steps."""
    return (a * b).sum(-1)


def axes(frame: Any) -> Any:
    """Unit axes x, y, z of a head as rows (3, 3), from the positions (4, 3) of the points ``FRAME``.

    x runs from the right to the left tragion, z forward in the Frankfurt plane, y up.
    """
    left, right, orbitale_l, orbitale_r = frame
    x = left - right
    x = x / length(x)
    z = (orbitale_l + orbitale_r - left - right) / 2
    z = z - dot(z, x) * x
    z = z / length(z)
    return np.stack([x, np.cross(z, x), z])


# -- calliper -------------------------------------------------------------------------------------------------------


def from_points(names: tuple[str, ...], function: Callable[[Any], Any]) -> Function:
    """Return the measure `function` of the positions (h, 3) of named points."""

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        return Handles(vertices, anatomy, names).apply(function)

    return measure


def distance(a: str, b: str) -> Function:
    """Return the straight distance of two named points."""
    return from_points((a, b), lambda p: length(p[0] - p[1]))


def both_sides(names: tuple[str, ...], function: Callable[[Any], Any]) -> Function:
    """Return the mean of `function` on the left and on the right; midline points serve both."""
    count = len(names)
    all_names = tuple(f"{name}_{side}" if name in PAIRED else name for side in "lr" for name in names)
    return from_points(all_names, lambda p: (function(p[:count]) + function(p[count:])) / 2)


def sides_distance(a: str, b: str) -> Function:
    """Return the mean of the left and the right straight distance of two points."""
    return both_sides((a, b), lambda p: length(p[0] - p[1]))


def breadth(area: Callable[[Anatomy], Int]) -> Function:
    """Return the extent along x over the vertices of an area."""

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy, FRAME)
        across = vertices[area(anatomy)] @ axes(handles.positions())[0]
        for extreme in (np.argmax(across), np.argmin(across)):
            handles.add_centre(area(anatomy)[[extreme]])
        return handles.apply(lambda p: dot(p[4] - p[5], axes(p[:4])[0]))

    return measure


def farthest(point: str, area: Callable[[Anatomy], Int]) -> Function:
    """Return the distance of a named point to the farthest vertex of an area."""

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy, (point,))
        handles.add_centre(area(anatomy)[[np.argmax(length(vertices[area(anatomy)] - handles.positions()[0]))]])
        return handles.apply(lambda p: length(p[0] - p[1]))

    return measure


def height_over(points: tuple[str, ...], area: Callable[[Anatomy], Int]) -> Function:
    """Return the height, along y, of the highest vertex of an area over the mean of named points."""

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy, (*FRAME, *points))
        up = axes(handles.positions()[:4])[1]
        handles.add_centre(area(anatomy)[[np.argmax(vertices[area(anatomy)] @ up)]])
        return handles.apply(lambda p: dot(p[-1] - p[4:-1].mean(0), axes(p[:4])[1]))

    return measure


def between_centres(groups: Callable[[Anatomy], tuple[Int, Int]]) -> Function:
    """Return the distance between the means of two groups of vertices."""

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy)
        for group in groups(anatomy):
            handles.add_centre(group)
        return handles.apply(lambda p: length(p[0] - p[1]))

    return measure


def mean_breadth(groups: Callable[[Anatomy], tuple[Int, Int]]) -> Function:
    """Return the mean over groups of their extent along x."""

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy, FRAME)
        x = axes(handles.positions())[0]
        for group in groups(anatomy):
            across = vertices[group] @ x
            for extreme in (np.argmax(across), np.argmin(across)):
                handles.add_centre(group[[extreme]])
        return handles.apply(lambda p: dot(p[4] - p[5] + p[6] - p[7], axes(p[:4])[0]) / 2)

    return measure


# -- tape -----------------------------------------------------------------------------------------------------------


def tape(points: tuple[str, ...], plane: Callable[[Any], tuple[Any, Any]]) -> Function:
    """Return the closed tape in a plane: the perimeter of the convex hull of the skin's section.

    Parameters
    ----------
    points : named points that place the plane.
    plane : their positions (h, 3) -> a point (3,) of the plane and its normal (3,), of any length.
    """

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy, points)
        return _tape(vertices, anatomy, handles, plane, anchors=())

    return measure


def arc(points: tuple[str, ...], plane: Callable[[Any], tuple[Any, Any]]) -> Function:
    """Return the open tape in a plane from the first named point to the second, on the side of the third.

    It is the perimeter of the convex hull of the two ends and of the section on that side, less the chord.

    Parameters
    ----------
    points : named points; the first two are the ends and lie in the plane.
    plane : as in `tape`.
    """

    def measure(vertices: Float, anatomy: Anatomy) -> Measured:
        handles = Handles(vertices, anatomy, points)
        return _tape(vertices, anatomy, handles, plane, anchors=(0, 1))

    return measure


def _tape(
    vertices: Float,
    anatomy: Anatomy,
    handles: Handles,
    plane: Callable[[Any], tuple[Any, Any]],
    anchors: tuple[int, ...],
) -> Measured:
    """Length of a tape and its derivative: a corner on edge (a, b) is a + t (b - a), t = n.(o - a) / n.(b - a)."""
    at = handles.positions()
    origin, normal = plane(at)
    height = (vertices - origin) @ normal
    edges = anatomy.tape_edges
    edges = edges[height[edges[:, 0]] * height[edges[:, 1]] < 0]
    a, b = vertices[edges[:, 0]], vertices[edges[:, 1]]
    t = height[edges[:, 0]] / (height[edges[:, 0]] - height[edges[:, 1]])
    corners = a + t[:, None] * (b - a)
    if anchors:
        start, end, side = at[0], at[1], at[2]
        inward = np.cross(normal, end - start)
        keep = ((corners - start) @ inward) * ((side - start) @ inward) > 0
        edges, a, b, t, corners = edges[keep], a[keep], b[keep], t[keep], corners[keep]
    cloud = np.concatenate([at[list(anchors)], corners])
    hull = _convex_hull(_in_plane(cloud, normal))
    step = np.roll(cloud[hull], -1, axis=0) - cloud[hull]
    sides = length(step)
    chord = at[0] - at[1] if anchors else np.zeros(3)

    def derivative() -> Derivative:
        direction = step / sides[:, None]
        by_corner = np.zeros_like(cloud)
        by_corner[hull] = np.roll(direction, 1, axis=0) - direction
        if anchors:
            by_corner[0] -= chord / length(chord)
            by_corner[1] += chord / length(chord)
        pull = by_corner[len(anchors) :]
        slide = dot(pull, b - a) / ((b - a) @ normal)
        by_vertex = pull - slide[:, None] * normal
        jacobian = complex_step(lambda p: np.stack(plane(p)), at)
        by_handle = jacobian[:, :, 0] @ (slide.sum() * normal) - jacobian[:, :, 1] @ (slide @ (corners - origin))
        by_handle[list(anchors)] += by_corner[: len(anchors)]
        indices = np.concatenate([edges[:, 0], edges[:, 1]])
        return handles.gather(
            by_handle, indices, np.concatenate([(1 - t)[:, None] * by_vertex, t[:, None] * by_vertex])
        )

    return Measured(mm=float(sides.sum() - length(chord)), derivative=derivative)


def _in_plane(points: Float, normal: Float) -> Float:
    """Coordinates (q, 2) of points of a plane in some orthonormal basis of it."""
    unit = normal / length(normal)
    u = np.cross(unit, np.eye(3)[np.argmin(np.abs(unit))])
    u = u / length(u)
    return np.stack([points @ u, points @ np.cross(unit, u)], axis=1)


def _convex_hull(points: Float) -> Int:
    """Corners of the convex hull of points (q, 2), in order (monotone chain, Andrew 1979)."""
    order = np.lexsort((points[:, 1], points[:, 0])).tolist()
    xs, ys = points[:, 0].tolist(), points[:, 1].tolist()

    def chain(sequence: list[int]) -> list[int]:
        kept: list[int] = []
        for i in sequence:
            while len(kept) > 1:
                j, k = kept[-1], kept[-2]
                if (xs[j] - xs[k]) * (ys[i] - ys[k]) > (ys[j] - ys[k]) * (xs[i] - xs[k]):
                    break
                kept.pop()
            kept.append(i)
        return kept[:-1]

    return np.array(chain(order) + chain(order[::-1]), dtype=np.intp)
