"""The identity of a head: sampled people become a mean, principal components and a link to age and sex.

Shape letters: n asset vertices, p people, k identity modes, f features of the link.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from builders.head.alignment import alignment_weights, onto, without_motion
from builders.head.base import HeadBase, head_frame
from builders.head.bite import carry_teeth
from builders.head.calibration import calibrate
from builders.head.cavities import follow_skin, settle_nostrils
from builders.head.childhood import GROWN_YEARS, GROWTH_MODES, TEMPO, YEARS, growth_modes, mean_children, yearly
from builders.head.controls import ANCESTRIES, average_adult
from builders.head.corners import ease_corners
from builders.head.craniofacial import craniofacial_points
from builders.head.eyeballs import fit_eyeballs, look_ahead
from builders.head.lids import clear_lids, hold_lids
from builders.head.lips import close_lips, seal_lips
from builders.head.people import People, draw_people, weight_of_bmi
from builders.head.regions import build_regions
from builders.head.register import Registered
from cephalon.geometry import face_areas, face_normals, triangulate
from cephalon.head.anatomy import Anatomy
from cephalon.head.link import Growth, LinearLink, features

Float = NDArray[np.float64]

PEOPLE_COUNT = 1200
MODES_AT_MOST = 200
VARIANCE_KEPT = 0.999

CHILD_VARIETY, CHILD_DETAIL, COARSE_MODES = 0.9, 0.4, 12.0
"""Spread of people of three years as a share of the adults': in the largest components, which make the size, as their
measures spread (Snyder et al. 1977); less in those of detail, since brows, noses and chins are not yet formed."""

CORRELATION_AT_MOST = 0.96
"""Of adults' features with a direction of z: what is known of a person leaves some freedom everywhere."""

FEATURES = ("ageing", "sex", "weight", "african", "asian")

FOLDS_AT_MOST = 12
"""People in whom more triangles of the outer face fold over are left out: the controls' extremes crumple lips, lids."""

FLOOR_MM = 0.7
"""Least residual sigma: what artist-made shapes miss of a scanned head even where the samples are spanned."""

REGION_IMPORTANCE = {"face": 4.0, "ears": 0.5, "neck": 0.2, "mouth_cavity": 0.05, "eye_sockets": 0.05, "nostrils": 0.1}
"""Weight per area of a region in the metric of the principal components; elsewhere on the skin it is 1."""

PART_IMPORTANCE = 0.1
"""Weight per area of eyes, teeth, tongue and lashes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityBasis:
    """The identity arrays of the asset.

    Attributes
    ----------
    mean : (n, 3) mm, head frame, mirror-symmetric.
    basis : (k, n, 3) mm per standard deviation of z ~ N(0, I), those of growth first, then by variance in the
        metric; every mode is mirror-symmetric or mirror-antisymmetric.
    residual_mm : (n,) sd per axis of what the span does not hold.
    link : how z goes with age, sex, weight and ancestry, and the way back to childhood.
    variance_kept : share of the adults' variance, in the metric, that the modes hold.
    """

    mean: Float
    basis: Float
    residual_mm: Float
    link: LinearLink
    variance_kept: float


def build_identity(
    base: HeadBase,
    scanned: Registered,
    rng: np.random.Generator,
    count: int = PEOPLE_COUNT,
    refine: Callable[[Float], Float] = lambda mean: mean,
) -> IdentityBasis:
    """Draw `count` adults and summarise the sound ones among them: their mean, components, and the link to covariates.

    The mean head (n, 3) mm is passed through `refine`, which adds what no person drawn has.

    The components are whitened over adults. Children take the first modes, which are growth's own, and vary in the
    others as the adults do.
    """
    people, vertices = calibrated_people(base, scanned, rng, count)
    to_head = head_frame(base, symmetric_mean(vertices, base.symmetry))
    vertices = in_touch(base, to_head.points(vertices).astype(np.float32))
    importance = vertex_importance(base)
    mean, components, scores, kept, missed = principal_components(
        vertices, base.symmetry, importance, MODES_AT_MOST - GROWTH_MODES
    )
    del vertices
    mean = refine(mean)
    components = follow_skin(base, components)
    components = hold_lids(base, mean, carry_teeth(base, mean, seal_lips(base, mean, components)))
    link = link_of(people, scores, FEATURES)
    growing, growth = childhood(base, mean, components, link, importance)
    cross = np.concatenate([np.zeros((GROWTH_MODES, len(FEATURES))), link.cross])
    return IdentityBasis(
        mean=mean,
        basis=np.concatenate([growing, components]),
        residual_mm=np.hypot(missed, FLOOR_MM),
        link=replace(link, cross=cross, growth=growth),
        variance_kept=kept,
    )


def childhood(
    base: HeadBase, mean: Float, components: Float, link: LinearLink, importance: Float
) -> tuple[Float, Growth]:
    """Modes of growth (g, n, 3) mm for the adults' mean (n, 3) and components (k, n, 3), and the way along them."""
    of_grown = np.stack([link.condition(age=GROWN_YEARS, sex=sex)[0] for sex in ("male", "female")])
    grown = np.tensordot(of_grown, components, axes=1)
    children = mean_children(base, mean + grown, base_anatomy(base, average_adult(base)))
    rank = np.arange(len(components))
    variety = CHILD_DETAIL + (CHILD_VARIETY - CHILD_DETAIL) * np.exp(-rank / COARSE_MODES)
    share = (np.array(YEARS) - YEARS[0]) / (GROWN_YEARS - YEARS[0])
    kept = variety + (1.0 - variety) * share[:, None]
    ways = children - mean - np.einsum("ak,sk,knc->asnc", kept, of_grown, components, optimize=True)
    ways = (ways + ways[:, :, base.symmetry] * np.array([-1.0, 1.0, 1.0])) / 2
    ways = carry_teeth(base, mean, follow_skin(base, ways.reshape(-1, *mean.shape))).reshape(ways.shape)
    modes, path, _ = growth_modes(ways, importance)
    ages, way = yearly(path)
    variety = np.concatenate([np.ones(GROWTH_MODES), variety])
    return modes, Growth(ages=ages, way=way[:, ::-1], variety=variety, tempo=TEMPO)


def link_of(people: People, scores: Float, names: tuple[str, ...]) -> LinearLink:
    """Joint Gaussian of the named features and scores (p, k)."""
    table = feature_table(people, names)
    mean = table.mean(axis=0)
    centred, apart = table - mean, scores - scores.mean(axis=0)
    covariance, cross = centred.T @ centred / len(scores), apart.T @ centred / len(scores)
    root = np.linalg.cholesky(covariance)
    left, shares, right = np.linalg.svd(np.linalg.solve(root, cross.T).T, full_matrices=False)
    cross = (left * np.minimum(shares, CORRELATION_AT_MOST)) @ right @ root.T
    return LinearLink(names=names, mean=mean, covariance=covariance, cross=cross)


def calibrated_people(
    base: HeadBase, scanned: Registered, rng: np.random.Generator, count: int = PEOPLE_COUNT
) -> tuple[People, NDArray[np.float32]]:
    """Draw `count` people; return the sound ones, with vertices (p, n, 3) mm: aligned, of human measures and eyes."""
    people = draw_people(base, scanned, count, rng)
    rigid = alignment_weights(base)
    vertices = align(base, people.vertices, rigid)
    anatomy = base_anatomy(base, average_adult(base))
    modes = without_motion(scanned.mean, scanned.modes, rigid)
    vertices = calibrate(base, vertices, people, anatomy, modes)
    vertices = fit_eyeballs(base, vertices, people.age_years, rng)
    for _ in range(2):  # lids and lips shift a few measures, which are mended once more
        eased = close_lips(base, clear_lids(base, ease_corners(base, vertices)))
        vertices = calibrate(base, eased, people, anatomy, modes, rounds=1)
    vertices = settle_nostrils(base, close_lips(base, clear_lids(base, vertices)))
    kept = folded_faces(base, vertices) <= FOLDS_AT_MOST
    return people.take(kept), align(base, vertices[kept], rigid)


def in_touch(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """People (p, n, 3) mm in the frame of the head whose eyes look ahead, with lids on them and lips closed."""
    ahead = look_ahead(base, vertices)
    return settle_nostrils(base, close_lips(base, clear_lids(base, ease_corners(base, ahead))))


def folded_faces(base: HeadBase, vertices: NDArray[np.float32]) -> NDArray[np.intp]:
    """Number (p,) of triangles of the outer face that turn their back, against the mean of the people (p, n, 3)."""
    regions = build_regions(base)
    hidden = np.max([regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)
    outer = (regions["face"] > 0.5) & (hidden < 0.5)
    faces = triangulate(base.polygons[base.part("skin")[1]])[0]
    faces = faces[outer[faces].all(axis=1)]
    upright = face_normals(vertices.mean(axis=0, dtype=np.float64), faces)
    normals = (face_normals(head.astype(np.float64), faces) for head in vertices)
    return np.array([np.count_nonzero((normal * upright).sum(axis=1) < 0) for normal in normals])


def base_anatomy(base: HeadBase, mean: Float) -> Anatomy:
    """What the measures need to know, before there is an asset; `mean` is a head (n, 3) mm to search areas on."""
    faces = triangulate(base.polygons)[0]
    skin = triangulate(base.polygons[base.part("skin")[1]])[0]
    return Anatomy.build(
        mean=mean,
        faces=faces,
        skin_faces=slice(0, len(skin)),
        points=craniofacial_points(base),
        symmetry=base.symmetry,
        eyes=(base.part("left_eye")[0], base.part("right_eye")[0]),
        regions=build_regions(base),
    )


def symmetric_mean(vertices: NDArray[np.float32], symmetry: NDArray[np.int32]) -> Float:
    """Mean (n, 3) of people and of their mirror images."""
    mean = vertices.mean(axis=0, dtype=np.float64)
    return (mean + mean[symmetry] * np.array([-1.0, 1.0, 1.0])) / 2.0


def vertex_importance(base: HeadBase) -> Float:
    """Weights (n,) mm^2 of the metric: a vertex's share of the surface times the importance of its region."""
    faces = triangulate(base.polygons)[0]
    area = np.zeros(len(base.vertices))
    np.add.at(area, faces.reshape(-1), np.repeat(face_areas(base.vertices, faces) / 3.0, 3))
    regions = build_regions(base)
    factor = np.ones(len(area))
    for name, importance in REGION_IMPORTANCE.items():
        factor *= importance ** regions[name]
    factor[base.part("skin")[0].stop :] = PART_IMPORTANCE
    return area * factor


def align(base: HeadBase, vertices: NDArray[np.float32], weights: Float) -> NDArray[np.float32]:
    """Remove rigid motion between people, keeping size, and put their mean in the head frame.

    Weighted Procrustes without scale to a reference that is the mean of the aligned people, twice.
    """
    aligned = vertices
    for _ in range(2):
        aligned = onto(aligned.mean(axis=0, dtype=np.float64), aligned, weights)
    to_head = head_frame(base, aligned.mean(axis=0, dtype=np.float64))
    return to_head.points(aligned).astype(np.float32)


def principal_components(
    vertices: NDArray[np.float32], symmetry: NDArray[np.int32], importance: Float, at_most: int
) -> tuple[Float, Float, Float, float, Float]:
    """Principal components of people in a weighted metric, each symmetric or antisymmetric under the mirror.

    A head splits orthogonally into its mirror-symmetric and antisymmetric part; both are analysed alone and
    their modes merged by variance.

    Returns
    -------
    mean : (n, 3) mm, symmetric.
    basis : (k, n, 3) mm per standard deviation.
    scores : (p, k) z of the people, of zero mean and unit variance.
    kept : share of the variance held.
    missed : (n,) mm, sd per axis of what the modes leave.
    """
    count, n, _ = vertices.shape
    flip = np.array([-1.0, 1.0, 1.0], dtype=np.float32)
    mirrored = vertices[:, symmetry] * flip
    mean = symmetric_mean(vertices, symmetry)
    scale = np.repeat(np.sqrt(importance / importance.sum()), 3).astype(np.float32)
    found = []
    total = 0.0
    for sign in (1.0, -1.0):
        half = (vertices + sign * mirrored) / 2.0
        half -= half.mean(axis=0)
        flat = half.reshape(count, -1)
        weighted = flat * scale
        values, vectors = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
        total += values.sum()
        best = np.argsort(values)[::-1][:at_most]
        found.append((values[best], vectors[:, best], flat))
    variances = np.concatenate([found[0][0], found[1][0]])
    order = np.argsort(variances)[::-1][:at_most]
    enough = int(np.searchsorted(np.cumsum(variances[order]) / total, VARIANCE_KEPT)) + 1
    order = order[:enough]
    first = len(found[0][0])
    scores = np.stack([found[int(i >= first)][1][:, i % first] for i in order], axis=1) * np.sqrt(count)
    basis = np.stack([found[int(i >= first)][2].T @ scores[:, j] / count for j, i in enumerate(order)])
    left = found[0][2] + found[1][2] - (scores @ basis).astype(np.float32)
    missed = np.sqrt((left.reshape(count, n, 3) ** 2).mean(axis=(0, 2)))
    return mean, basis.reshape(-1, n, 3), scores, float(variances[order].sum() / total), missed


def feature_table(people: People, names: tuple[str, ...]) -> Float:
    """The named features (p, f) of the people, as `cephalon.head.link.features` gives them."""
    rows = [
        features(
            age=float(age),
            sex="male" if male else "female",
            weight=float(weight),
            ancestry=dict(zip(ANCESTRIES, proportions.tolist(), strict=True)),
        )
        for age, male, weight, proportions in zip(
            people.age_years, people.male, weight_of_bmi(people.bmi), people.ancestry, strict=True
        )
    ]
    return np.array([[row[name] for name in names] for row in rows])
