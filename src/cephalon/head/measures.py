"""Measures of a head in millimetres, as anthropometry defines them, with derivatives by the vertices.

A measure is a pure function of the vertices of a neutral head with the model's topology. It does not depend on
where the head is or how it is turned: directions come from the head itself (x from the right to the left tragion,
the Frankfurt plane through the tragions and the mean of the orbitalia). Points are those of the set ``iso``.

A tape measure is the perimeter of the convex hull of a plane section of the skin, ears left out. Where a measure
looks for an extremum (the widest place, the convex hull), the derivative holds the chosen vertices fixed, which is
exact wherever the extremum is unique.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, as_array
from cephalon.head.anatomy import Anatomy, anatomy_of
from cephalon.head.calliper import (
    FRAME,
    Derivative,
    Function,
    Measured,
    arc,
    axes,
    between_centres,
    both_sides,
    breadth,
    distance,
    dot,
    farthest,
    from_points,
    height_over,
    length,
    mean_breadth,
    sides_distance,
    tape,
)

if TYPE_CHECKING:
    from cephalon.head.model import HeadModel

Float = NDArray[np.float64]

RESIDUAL_RANGE_MM = 15.0
"""Standard deviation of the Gaussian kernel by which the model's residual is correlated along the skin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A named measure.

    Attributes
    ----------
    name : plain English, lower case, such as "interpupillary distance".
    definition : one sentence.
    function : (vertices (n, 3) mm, anatomy) -> `Measured`.
    """

    name: str
    definition: str
    function: Function


def _along_ear(p: Any) -> Any:
    """Part of tragion - superaurale along the ear's long axis; p: sa, sba, t."""
    return dot(p[0] - p[2], p[0] - p[1]) / length(p[0] - p[1])


def _across_ear(p: Any) -> Any:
    """Part of preaurale - postaurale square to the ear's long axis; p: sa, sba, pra, pa."""
    axis = (p[0] - p[1]) / length(p[0] - p[1])
    across = p[2] - p[3]
    return length(across - dot(across, axis) * axis)


def _sagittal(p: Any) -> Any:
    """Unit normal x of the sagittal plane from the tragions p[0] (left) and p[1]."""
    return (p[0] - p[1]) / length(p[0] - p[1])


def _front_and_back(p: Any) -> tuple[Any, Any]:
    """Plane through a front point p[2] and a back point p[3], level from side to side; tragions p[0], p[1]."""
    return p[2], np.cross(p[3] - p[2], _sagittal(p))


def _through_three(p: Any) -> tuple[Any, Any]:
    """Plane through the first three points."""
    return p[0], np.cross(p[1] - p[0], p[2] - p[0])


def _coronal(p: Any) -> tuple[Any, Any]:
    """Plane through the tragions and upright; p: t_l, t_r, v, then the rest of the frame."""
    return p[0], axes(np.stack([p[0], p[1], p[3], p[4]]))[2]


_MEASURES = (
    Measure(
        name="head breadth",
        definition="Greatest width of the skull above the ears.",
        function=breadth(lambda a: a.skull),
    ),
    Measure(
        name="head length",
        definition="Straight from glabella to the farthest midline point at the back of the head.",
        function=farthest("g", lambda a: a.crown),
    ),
    Measure(
        name="head circumference",
        definition="Tape around the bald head through glabella and the back of the head (opisthocranion).",
        function=tape(("t_l", "t_r", "g", "op"), _front_and_back),
    ),
    Measure(
        name="tragion to top of head",
        definition="Height of the top of the head over the tragions, square to the Frankfurt plane.",
        function=height_over(("t_l", "t_r"), lambda a: a.crown),
    ),
    Measure(
        name="head height",
        definition="Height of the top of the head over menton, square to the Frankfurt plane.",
        function=height_over(("me",), lambda a: a.crown),
    ),
    Measure(name="bitragion breadth", definition="Straight from tragion to tragion.", function=distance("t_l", "t_r")),
    Measure(
        name="tragion-sellion depth",
        definition="Forward distance, in the Frankfurt plane, from the tragions to sellion.",
        function=from_points((*FRAME, "se"), lambda p: dot(p[4] - (p[0] + p[1]) / 2, axes(p[:4])[2])),
    ),
    Measure(
        name="bitragion coronal arc",
        definition="Tape from tragion over the top of the head to tragion, in the upright plane through both.",
        function=arc(("t_l", "t_r", "v", "or_l", "or_r"), _coronal),
    ),
    Measure(
        name="bitragion frontal arc",
        definition="Tape from tragion over the forehead at glabella to tragion.",
        function=arc(("t_l", "t_r", "g"), _through_three),
    ),
    Measure(
        name="bitragion subnasale arc",
        definition="Tape from tragion under the nose (subnasale) to tragion.",
        function=arc(("t_l", "t_r", "sn"), _through_three),
    ),
    Measure(
        name="bitragion chin arc",
        definition="Tape from tragion over the front of the chin (gnathion) to tragion.",
        function=arc(("t_l", "t_r", "gn"), _through_three),
    ),
    Measure(
        name="bitragion submandibular arc",
        definition="Tape from tragion under the jaw, through the angle between jaw and neck (cervicale), to tragion.",
        function=arc(("t_l", "t_r", "c"), _through_three),
    ),
    Measure(
        name="bizygomatic breadth",
        definition="Greatest width of the cheek arches between the heights of subnasale and the eye corners.",
        function=breadth(lambda a: a.cheek),
    ),
    Measure(
        name="bigonial breadth",
        definition="Straight between the jaw angles (gonia).",
        function=distance("go_l", "go_r"),
    ),
    Measure(
        name="minimum frontal breadth",
        definition="Straight between the deepest points of the temples beside the brows (frontotemporalia).",
        function=distance("ft_l", "ft_r"),
    ),
    Measure(
        name="menton-sellion length",
        definition="Straight from sellion, the deepest point of the nasal root, to menton, the lowest of the chin.",
        function=distance("se", "me"),
    ),
    Measure(name="face height", definition="Straight from nasion to gnathion.", function=distance("n", "gn")),
    Measure(
        name="subnasale-sellion length",
        definition="Straight from sellion to subnasale.",
        function=distance("se", "sn"),
    ),
    Measure(name="nose height", definition="Straight from nasion to subnasale.", function=distance("n", "sn")),
    Measure(
        name="nose length",
        definition="Straight from nasion to the tip of the nose (pronasale).",
        function=distance("n", "prn"),
    ),
    Measure(
        name="nose breadth",
        definition="Straight between the wings of the nose (alaria).",
        function=distance("al_l", "al_r"),
    ),
    Measure(name="nose protrusion", definition="Straight from subnasale to pronasale.", function=distance("sn", "prn")),
    Measure(
        name="nasal ala length",
        definition="Straight from the crest of the wing to the tip of the nose, mean of both sides.",
        function=sides_distance("ac", "prn"),
    ),
    Measure(
        name="subnasal width",
        definition="Straight between the feet of the wings of the nose (subalaria).",
        function=distance("sbal_l", "sbal_r"),
    ),
    Measure(
        name="interpupillary distance",
        definition="Distance of the pupils looking far away, that is, of the eyeball centres.",
        function=between_centres(lambda a: a.eyes),
    ),
    Measure(
        name="intercanthal distance",
        definition="Straight between the inner eye corners (endocanthia).",
        function=distance("en_l", "en_r"),
    ),
    Measure(
        name="biocular distance",
        definition="Straight between the outer eye corners (exocanthia).",
        function=distance("ex_l", "ex_r"),
    ),
    Measure(
        name="palpebral fissure length",
        definition="Straight from the inner to the outer corner of an eye, mean of both.",
        function=sides_distance("en", "ex"),
    ),
    Measure(
        name="palpebral fissure height",
        definition="Straight between the lid margins through the pupil, mean of both eyes.",
        function=sides_distance("ps", "pi"),
    ),
    Measure(
        name="iris diameter",
        definition="Width of the iris, mean of both eyes.",
        function=mean_breadth(lambda a: a.irises),
    ),
    Measure(
        name="lip length",
        definition="Straight between the corners of the mouth (cheilia).",
        function=distance("ch_l", "ch_r"),
    ),
    Measure(
        name="philtrum length",
        definition="Straight from subnasale to the upper vermilion border (labiale superius).",
        function=distance("sn", "ls"),
    ),
    Measure(
        name="philtrum width",
        definition="Straight between the peaks of the upper lip.",
        function=distance("cph_l", "cph_r"),
    ),
    Measure(
        name="upper lip height",
        definition="Straight from subnasale to the lip line (stomion).",
        function=distance("sn", "sto"),
    ),
    Measure(
        name="upper vermilion height",
        definition="Straight from the upper vermilion border to the lip line, midline.",
        function=distance("ls", "sto"),
    ),
    Measure(
        name="lower vermilion height",
        definition="Straight from the lip line to the lower vermilion border, midline.",
        function=distance("sto", "li"),
    ),
    Measure(
        name="cutaneous lower lip height",
        definition="Straight from the lower vermilion border to the chin fold (sublabiale).",
        function=distance("li", "sl"),
    ),
    Measure(
        name="ear length",
        definition="Straight from the top of the ear to the bottom of the lobe, mean of both ears.",
        function=sides_distance("sa", "sba"),
    ),
    Measure(
        name="ear length above tragion",
        definition="From tragion to the top of the ear along the ear's long axis, mean of both ears.",
        function=both_sides(("sa", "sba", "t"), _along_ear),
    ),
    Measure(
        name="ear breadth",
        definition="From the front of the ear's root to the helix, square to the ear's long axis, mean of both ears.",
        function=both_sides(("sa", "sba", "pra", "pa"), _across_ear),
    ),
    Measure(
        name="neck circumference",
        definition="Tape around the neck below the larynx, square to the neck's axis.",
        function=tape(("t_l", "t_r", "nf", "nb"), _front_and_back),
    ),
)

MEASURES: dict[str, Measure] = {measure.name: measure for measure in _MEASURES}
"""All measures by name."""


def measure(name: str, vertices: Float, anatomy: Anatomy) -> Measured:
    """Take one measure, with its derivative.

    Parameters
    ----------
    name : a key of `MEASURES`.
    vertices : (n, 3) mm, a neutral head.

    Raises
    ------
    InputError
        If the name is unknown or the vertices do not fit the topology.
    """
    if name not in MEASURES:
        raise InputError(f"measure {name!r} is unknown; known are: {', '.join(MEASURES)}")
    return MEASURES[name].function(as_array("vertices", vertices, (anatomy.vertex_count, 3)), anatomy)


def measure_all(model: HeadModel, vertices: Float) -> dict[str, float]:
    """Take every measure of a neutral head (n, 3) mm that the model's surface has: name -> mm."""
    anatomy = anatomy_of(model)
    checked = as_array("vertices", vertices, (anatomy.vertex_count, 3))
    return {name: each.function(checked, anatomy).mm for name, each in _measurable(model).items()}


def _measurable(model: HeadModel) -> dict[str, Measure]:
    """Return the measures without those that need skin which the model lacks (a model of the face has no crown)."""
    missing = model.meta.get("not_measured", ())
    return {name: each for name, each in MEASURES.items() if name not in missing}


def measure_all_with_sigma(
    model: HeadModel, vertices: Float, identity_factor: Float | None
) -> dict[str, tuple[float, float]]:
    """Take every measure with its standard deviation: name -> (mm, sd mm).

    With g the measure's derivative by the vertices, B the identity basis, F the factor and R the covariance of the
    model's residual,

        sd^2 = |F^T B g|^2 + g^T R g,   R_ij = r_i r_j exp(-|v_i - v_j|^2 / (2 range^2)) per axis.

    Parameters
    ----------
    vertices : (n, 3) mm, a neutral head.
    identity_factor : (k, j) with covariance F F^T of the identity, or None for an identity known exactly.
    """
    anatomy = anatomy_of(model)
    checked = as_array("vertices", vertices, (anatomy.vertex_count, 3))
    results = {}
    for name, each in _measurable(model).items():
        measured = each.function(checked, anatomy)
        derivative = measured.derivative()
        variance = residual_variance(derivative, checked, model.residual_mm)
        if identity_factor is not None:
            by_identity = np.einsum("kmc,mc->k", model.identity_basis[:, derivative.vertices], derivative.gradient)
            variance += float(((np.asarray(identity_factor).T @ by_identity) ** 2).sum())
        results[name] = (measured.mm, float(np.sqrt(variance)))
    return results


def residual_variance(derivative: Derivative, vertices: Float, residual_mm: NDArray[np.floating]) -> float:
    """Variance (mm^2) of a measure by the model's residual field (n,) mm, correlated along the skin."""
    at = vertices[derivative.vertices]
    squared = ((at[:, None] - at[None]) ** 2).sum(-1)
    pull = derivative.gradient * residual_mm[derivative.vertices, None]
    return float(np.einsum("ic,ic->", pull, np.exp(-squared / (2 * RESIDUAL_RANGE_MM**2)) @ pull))
