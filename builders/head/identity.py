"""The identity of a head: sampled people become a mean, principal components and a link to age and sex.

Shape letters: n asset vertices, p people, k identity modes, f features of the link.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, head_frame
from builders.head.calibration import calibrate
from builders.head.craniofacial import craniofacial_points
from builders.head.eyeballs import fit_eyeballs
from builders.head.lids import clear_lids
from builders.head.lips import close_lips
from builders.head.people import People, average_adult, draw_people, weight_of_bmi
from builders.head.regions import build_regions
from cephalon.geometry import face_areas, face_normals, triangulate
from cephalon.head.anatomy import Anatomy
from cephalon.head.link import features

Float = NDArray[np.float64]

PEOPLE_COUNT = 3000
MODES_AT_MOST = 150
VARIANCE_KEPT = 0.999

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
    basis : (k, n, 3) mm per standard deviation of z ~ N(0, I), ordered by variance in the metric;
        every mode is mirror-symmetric or mirror-antisymmetric.
    residual_mm : (n,) sd per axis of what the span does not hold.
    link_names : f names of features of age, sex, weight and ancestry.
    link_mean, link_cov, link_cross : (f,), (f, f), (k, f) joint moments of the features and z.
    variance_kept : share of the sampled variance, in the metric, that the modes hold.
    """

    mean: Float
    basis: Float
    residual_mm: Float
    link_names: tuple[str, ...]
    link_mean: Float
    link_cov: Float
    link_cross: Float
    variance_kept: float


def build_identity(base: HeadBase, rng: np.random.Generator, count: int = PEOPLE_COUNT) -> IdentityBasis:
    """Draw `count` people and summarise the sound ones among them as a linear-Gaussian model."""
    people, vertices = calibrated_people(base, rng, count)
    mean, basis, scores, kept, missed = principal_components(vertices, base.symmetry, vertex_importance(base))
    names, table = feature_table(people)
    link_mean = table.mean(axis=0)
    centred = table - link_mean
    return IdentityBasis(
        mean=mean,
        basis=basis,
        residual_mm=np.hypot(missed, FLOOR_MM),
        link_names=names,
        link_mean=link_mean,
        link_cov=centred.T @ centred / len(table),
        link_cross=scores.T @ centred / len(table),
        variance_kept=kept,
    )


def calibrated_people(
    base: HeadBase, rng: np.random.Generator, count: int = PEOPLE_COUNT
) -> tuple[People, NDArray[np.float32]]:
    """Draw `count` people; return the sound ones, with vertices (p, n, 3) mm: aligned, of human measures and eyes."""
    people = draw_people(base, count, rng)
    rigid = alignment_weights(base)
    vertices = align(base, people.vertices, rigid)
    vertices = calibrate(vertices, people, base_anatomy(base, average_adult(base)), base.symmetry)
    vertices = fit_eyeballs(base, vertices, people.age_years, rng)
    vertices = close_lips(base, clear_lids(base, vertices))
    kept = folded_faces(base, vertices) <= FOLDS_AT_MOST
    return people.take(kept), align(base, vertices[kept], rigid)


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


def alignment_weights(base: HeadBase) -> Float:
    """Weights (n,) for the removal of rigid motion: skull and face, no ears, neck, cavities or parts."""
    regions = build_regions(base)
    keep = np.maximum(regions["face"], regions["skull"])
    for name in ("ears", "neck", "mouth_cavity", "eye_sockets", "nostrils"):
        keep = keep * (1.0 - regions[name])
    keep[base.part("skin")[0].stop :] = 0.0
    return keep


def align(base: HeadBase, vertices: NDArray[np.float32], weights: Float) -> NDArray[np.float32]:
    """Remove rigid motion between people, keeping size, and put their mean in the head frame.

    Weighted Procrustes without scale to a reference that is the mean of the aligned people, twice.
    """
    used = weights > 0.01
    w = weights[used] / weights[used].sum()
    reference = vertices[:, used].mean(axis=0, dtype=np.float64)
    rotations = np.zeros((len(vertices), 3, 3))
    for _ in range(2):
        target = reference - w @ reference
        centres = np.einsum("v,pvc->pc", w, vertices[:, used])
        centred = vertices[:, used] - centres[:, None]
        u, _, vt = np.linalg.svd(np.einsum("va,v,pvb->pab", target, w, centred))
        u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
        rotations = u @ vt
        reference = np.einsum("pab,pvb->va", rotations, centred) / len(vertices)
    aligned = np.einsum("pab,pvb->pva", rotations, vertices - centres[:, None]).astype(np.float32)
    to_head = head_frame(base, aligned.mean(axis=0, dtype=np.float64))
    return to_head.points(aligned).astype(np.float32)


def principal_components(
    vertices: NDArray[np.float32], symmetry: NDArray[np.int32], importance: Float
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
        best = np.argsort(values)[::-1][:MODES_AT_MOST]
        found.append((values[best], vectors[:, best], flat))
    variances = np.concatenate([found[0][0], found[1][0]])
    order = np.argsort(variances)[::-1][:MODES_AT_MOST]
    enough = int(np.searchsorted(np.cumsum(variances[order]) / total, VARIANCE_KEPT)) + 1
    order = order[:enough]
    first = len(found[0][0])
    scores = np.stack([found[int(i >= first)][1][:, i % first] for i in order], axis=1) * np.sqrt(count)
    basis = np.stack([found[int(i >= first)][2].T @ scores[:, j] / count for j, i in enumerate(order)])
    left = found[0][2] + found[1][2] - (scores @ basis).astype(np.float32)
    missed = np.sqrt((left.reshape(count, n, 3) ** 2).mean(axis=(0, 2)))
    return mean, basis.reshape(-1, n, 3), scores, float(variances[order].sum() / total), missed


def feature_table(people: People) -> tuple[tuple[str, ...], Float]:
    """Features (p, f) of the people and their names, as `cephalon.head.link.features` gives them."""
    ancestries = ("african", "asian", "caucasian")
    rows = [
        features(
            age=float(age),
            sex="male" if male else "female",
            weight=float(weight),
            ancestry=dict(zip(ancestries, proportions.tolist(), strict=True)),
        )
        for age, male, weight, proportions in zip(
            people.age_years, people.male, weight_of_bmi(people.bmi), people.ancestry, strict=True
        )
    ]
    names = tuple(rows[0])
    return names, np.array([[row[name] for name in names] for row in rows])
