"""Laying a prediction on a scan of which nothing is known: several starts of trimmed ICP."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.evaluate.alignment import Alignment, refine
from cephalon.evaluate.surface import Surface
from cephalon.geometry import Similarity

FloatArray = npt.NDArray[np.float64]

_FEW, _MORE, _FINALISTS = 250, 1500, 6
_KEEP = 0.9


def search(surface: Surface, points: npt.ArrayLike, *, with_scale: bool, keep: float = _KEEP) -> Alignment:
    """Align a mesh with scan points of unknown pose, by trimmed ICP from several starts; all points count in the end.

    Starts are the 24 turns of a cube about the prediction's middle and the turn as it stands, each with the scan's
    middle at the prediction's middle and half-way out to each side of it (a scan of a face lies on the front of a head),
    and the place as it stands. A short trimmed refinement on 250 points ranks them; the best six go on with 1,500,
    the best of these with all points, trimmed to `keep` first, then untrimmed. The start that won is named in the result.

    Parameters
    ----------
    surface : the prediction, mm.
    points : (n, 3) mm.
    with_scale : also find the scale, from that of equal size; only once the pose is found.
    keep : share of the points that counts while the pose is looked for.

    Raises
    ------
    InputError
        If there are too few points.
    """
    x = np.ascontiguousarray(points, dtype=np.float64)
    if len(x) < 50:
        raise InputError(f"a search for the alignment needs at least 50 scan points, got {len(x)}")
    rng = np.random.default_rng(0)  # a fixed subset: the same input gives the same answer
    shuffled = rng.permutation(len(x))
    few, more = x[np.sort(shuffled[:_FEW])], x[np.sort(shuffled[:_MORE])]
    ranked = []
    for label, start in _starts(surface, x):
        found = refine(surface, few, start, with_scale=False, keep=keep, max_iterations=8, settled_mm=1.0, label=label)
        ranked.append((found.rms_mm, label, found.scan_from_prediction))
    ranked.sort(key=lambda entry: entry[0])
    finals = []
    for _, label, start in _distinct(ranked, few):
        found = refine(surface, more, start, with_scale=False, keep=keep, settled_mm=0.05, label=label)
        if with_scale:
            found = refine(
                surface, more, found.scan_from_prediction, with_scale=True, keep=keep, settled_mm=0.05, label=label
            )
        finals.append(found)
    best = min(finals, key=lambda found: found.rms_mm)
    trimmed = refine(
        surface, x, best.scan_from_prediction, with_scale=with_scale, keep=keep, settled_mm=0.05, label=best.start
    )
    return refine(surface, x, trimmed.scan_from_prediction, with_scale=with_scale, label=best.start)


def _distinct(ranked: list[tuple[float, str, Similarity]], probe: FloatArray) -> list[tuple[float, str, Similarity]]:
    """Return the best few that end at different places."""
    chosen: list[tuple[float, str, Similarity]] = []
    for entry in ranked:
        place = entry[2].inverse().apply(probe)
        if all(np.abs(place - other[2].inverse().apply(probe)).max() > 2.0 for other in chosen):
            chosen.append(entry)
        if len(chosen) == _FINALISTS:
            break
    return chosen


def _starts(surface: Surface, x: FloatArray) -> list[tuple[str, Similarity]]:
    mesh = surface.vertices[np.unique(surface.faces)]
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    middle, half = 0.5 * (low + high), 0.5 * (high - low)
    scan_middle = 0.5 * (x.min(axis=0) + x.max(axis=0))
    starts = [("as it stands", Similarity(scale=1.0, rotation=np.eye(3), translation=np.zeros(3)))]
    anchors = [("middle on middle", middle)]
    for axis, sign in product(range(3), (1, -1)):
        anchors.append(
            (
                f"scan at the prediction's {'+' if sign > 0 else '-'}{'xyz'[axis]} side",
                middle + sign * 0.6 * half * np.eye(3)[axis],
            )
        )
    for number, rotation in enumerate(_cube()):
        turn = "unturned" if number == 0 else f"turn {number} of the cube"
        for name, anchor in anchors:
            move = Similarity(scale=1.0, rotation=rotation, translation=scan_middle - rotation @ anchor)
            starts.append((f"{turn}, {name}", move))
    return starts


def _cube() -> list[FloatArray]:
    """Return the 24 rotations of a cube, the identity first."""
    turns = []
    for order in permutations(range(3)):
        for signs in product((1.0, -1.0), repeat=3):
            matrix = np.zeros((3, 3))
            matrix[np.arange(3), list(order)] = signs
            if np.linalg.det(matrix) > 0:
                turns.append(matrix)
    return turns
