"""Published measures of people that the head model is calibrated to, and how they vary with age and build.

All figures are for one mixed population, in mm. Sources, by letter:

A  means and sds averaged over ANSUR I (Gordon et al. 1989, NATICK/TR-89/044), ANSUR II (Gordon et al. 2014,
   NATICK/TR-15/007) and NIOSH 2003 (Zhuang and Bradtmiller 2005, J Occup Environ Hyg 2:567), as far as they have
   the measure; slopes by age and body mass index from a regression on the individuals of ANSUR II.
N  NIOSH 2003 alone.
W  3D Facial Norms at 25 years (Weinberg et al. 2016, Cleft Palate Craniofac J 53:e185); where NIOSH has the measure
   too, its larger sd is taken, since 3D Facial Norms is of European ancestry only.
J  judged from Knezi 2020, Read 2006 and Jayaratne 2013.

Growth is the ratio to the adult of the same sex at ``GROWTH_AGES``: Snyder et al. 1977 (UM-HSRI-77-17, cubic fits
to the yearly means) for head, face and neck, 3D Facial Norms for eyes, nose and lips, Sforza et al. for ears.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

GROWTH_AGES = (3.0, 6.0, 9.0, 12.0, 15.0, 18.0)

Pair = tuple[float, float]
"""A figure for men and for women."""

Curve = tuple[float, float, float, float, float, float]
"""Ratios at ``GROWTH_AGES``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What one measure should be in people, men first.

    Attributes
    ----------
    mean, sd : mm, adults.
    growth : ratios to the adult mean at ``GROWTH_AGES``.
    per_bmi : mm per unit of body mass index, around 27.
    per_decade : mm per ten years of age, around 30, from 18 to 70.
    by_ancestry : mm by which people of each of `builders.head.controls.ANCESTRIES` differ from the mixed population.
    tolerance : how closely one person's measure is to be met, as a share of the sd.
    group_tolerance : the same for the mean of a group. Wide where the point is drawn differently by different surveys
        and on scans (borders of the red of the lips, feet of the nose), or where hair is under the tape.
    """

    mean: Pair
    sd: Pair
    growth: tuple[Curve, Curve]
    per_bmi: Pair = (0.0, 0.0)
    per_decade: Pair = (0.0, 0.0)
    by_ancestry: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tolerance: float = 0.25
    group_tolerance: float = 0.12


_HEAD: tuple[Curve, Curve] = ((0.884, 0.906, 0.928, 0.949, 0.972, 1.0), (0.897, 0.927, 0.953, 0.975, 0.990, 1.0))
_LENGTH: tuple[Curve, Curve] = ((0.900, 0.921, 0.936, 0.950, 0.968, 1.0), (0.926, 0.956, 0.980, 0.990, 0.997, 1.0))
_TOP: tuple[Curve, Curve] = ((0.884, 0.911, 0.934, 0.955, 0.976, 1.0), (0.916, 0.933, 0.947, 0.961, 0.976, 1.0))
_ZYGION: tuple[Curve, Curve] = ((0.786, 0.831, 0.869, 0.906, 0.945, 1.0), (0.825, 0.870, 0.913, 0.952, 0.982, 1.0))
_GONION: tuple[Curve, Curve] = ((0.776, 0.843, 0.885, 0.916, 0.941, 0.980), (0.823, 0.877, 0.910, 0.935, 0.954, 0.98))
_TEMPLE: tuple[Curve, Curve] = ((0.815, 0.850, 0.880, 0.908, 0.941, 0.99), (0.843, 0.897, 0.935, 0.962, 0.980, 0.99))
_DEPTH: tuple[Curve, Curve] = ((0.779, 0.826, 0.872, 0.917, 0.958, 1.0), (0.840, 0.898, 0.944, 0.976, 0.995, 1.0))
_FACE: tuple[Curve, Curve] = ((0.700, 0.757, 0.815, 0.873, 0.932, 1.0), (0.768, 0.826, 0.895, 0.958, 0.990, 1.0))
_NOSE: tuple[Curve, Curve] = ((0.680, 0.760, 0.825, 0.880, 0.930, 0.98), (0.715, 0.805, 0.875, 0.930, 0.970, 0.99))
_NOSTRIL: tuple[Curve, Curve] = ((0.747, 0.822, 0.869, 0.904, 0.932, 0.97), (0.828, 0.881, 0.913, 0.937, 0.956, 0.98))
_TIP: tuple[Curve, Curve] = ((0.663, 0.758, 0.820, 0.867, 0.905, 0.95), (0.696, 0.783, 0.840, 0.882, 0.916, 0.95))
_MOUTH: tuple[Curve, Curve] = ((0.696, 0.775, 0.831, 0.877, 0.920, 0.97), (0.724, 0.804, 0.862, 0.906, 0.942, 0.98))
_EYES: tuple[Curve, Curve] = ((0.860, 0.903, 0.930, 0.950, 0.965, 0.98), (0.900, 0.933, 0.952, 0.966, 0.976, 0.99))
_LID: tuple[Curve, Curve] = ((0.847, 0.887, 0.918, 0.940, 0.958, 0.98), (0.862, 0.898, 0.926, 0.946, 0.962, 0.98))
_LIP: tuple[Curve, Curve] = ((0.732, 0.810, 0.860, 0.898, 0.928, 0.97), (0.854, 0.899, 0.926, 0.946, 0.963, 0.98))
_RED: tuple[Curve, Curve] = ((0.860, 0.903, 0.930, 0.949, 0.964, 0.98), (0.837, 0.886, 0.917, 0.939, 0.957, 0.98))
_EAR: tuple[Curve, Curve] = ((0.830, 0.875, 0.910, 0.945, 0.970, 0.99), (0.880, 0.915, 0.940, 0.965, 0.980, 0.99))
_NECK: tuple[Curve, Curve] = ((0.610, 0.650, 0.700, 0.755, 0.850, 0.95), (0.700, 0.765, 0.825, 0.880, 0.930, 0.97))
_ROUND: tuple[Curve, Curve] = ((0.883, 0.903, 0.924, 0.946, 0.971, 1.0), (0.899, 0.928, 0.956, 0.978, 0.994, 1.0))
_FRONT: tuple[Curve, Curve] = ((0.840, 0.870, 0.900, 0.930, 0.960, 1.0), (0.865, 0.900, 0.935, 0.965, 0.990, 1.0))
_CHIN: tuple[Curve, Curve] = ((0.750, 0.800, 0.845, 0.890, 0.940, 1.0), (0.795, 0.850, 0.905, 0.955, 0.985, 1.0))
_SAME: tuple[Curve, Curve] = ((1.0,) * 6, (1.0,) * 6)

TARGETS: dict[str, Target] = {
    # A
    "head breadth": Target(
        mean=(153.0, 146.4), sd=(5.6, 5.3), growth=_HEAD, per_bmi=(0.50, 0.28), per_decade=(-0.3, -0.2), tolerance=0.15
    ),
    "head length": Target(
        mean=(198.0, 188.2),
        sd=(7.2, 7.2),
        growth=_LENGTH,
        per_bmi=(0.45, 0.45),
        per_decade=(-0.2, -0.2),
        tolerance=0.15,
    ),
    "tragion to top of head": Target(mean=(131.2, 126.5), sd=(6.2, 6.5), growth=_TOP, per_bmi=(0.18, 0.29)),
    "bizygomatic breadth": Target(
        mean=(142.3, 133.8), sd=(6.2, 5.7), growth=_ZYGION, per_bmi=(0.82, 0.62), tolerance=0.15
    ),
    "menton-sellion length": Target(
        mean=(122.6, 113.6), sd=(6.8, 6.2), growth=_FACE, per_bmi=(0.25, 0.32), per_decade=(0.26, 0.37), tolerance=0.15
    ),
    "interpupillary distance": Target(
        mean=(64.6, 62.4), sd=(3.6, 3.7), growth=_EYES, per_bmi=(0.16, 0.15), per_decade=(0.3, 0.2), tolerance=0.15
    ),
    "bitragion subnasale arc": Target(
        mean=(294.1, 279.4), sd=(12.4, 13.0), growth=_ZYGION, per_bmi=(1.4, 1.2), group_tolerance=0.25
    ),
    "head circumference": Target(
        mean=(570.5, 549.0), sd=(16.0, 15.0), growth=_ROUND, per_bmi=(1.66, 1.49), group_tolerance=0.25
    ),
    "bitragion coronal arc": Target(
        mean=(352.0, 338.7), sd=(13.5, 14.3), growth=_TOP, per_bmi=(0.9, 0.8), group_tolerance=0.7
    ),
    "bitragion frontal arc": Target(
        mean=(304.4, 288.4), sd=(11.8, 11.1), growth=_FRONT, per_bmi=(0.9, 0.8), group_tolerance=0.5
    ),
    "bitragion chin arc": Target(
        mean=(330.1, 307.6), sd=(14.4, 14.6), growth=_CHIN, per_bmi=(1.83, 1.60), per_decade=(1.4, 0.5)
    ),
    "bitragion submandibular arc": Target(
        mean=(310.0, 282.0), sd=(15.6, 14.1), growth=_CHIN, per_bmi=(2.47, 1.96), per_decade=(2.6, 1.7)
    ),
    "ear length above tragion": Target(
        mean=(31.9, 28.8), sd=(2.5, 2.3), growth=_EAR, per_bmi=(0.1, 0.07), per_decade=(0.5, 0.35)
    ),
    "ear length": Target(mean=(64.4, 59.6), sd=(4.4, 3.8), growth=_EAR, per_bmi=(0.21, 0.14), per_decade=(1.4, 0.94)),
    "ear breadth": Target(mean=(36.9, 34.0), sd=(2.9, 2.6), growth=_EAR, per_decade=(0.55, 0.53)),
    "neck circumference": Target(
        mean=(402.6, 337.4), sd=(29.4, 26.6), growth=_NECK, per_bmi=(4.9, 3.8), per_decade=(2.0, 1.5)
    ),
    # Snyder 1977: bitragion breadth is 0.945 of bizygomatic breadth, and sellion lies 0.515 (men) or 0.502 (women) of
    # the way from the back of the head to sellion in front of the tragions; sds judged, since the samples are small
    "bitragion breadth": Target(mean=(134.5, 127.0), sd=(5.5, 5.3), growth=_ZYGION, per_bmi=(0.5, 0.4), tolerance=0.2),
    "tragion-sellion depth": Target(mean=(100.0, 92.5), sd=(5.5, 5.3), growth=_DEPTH, tolerance=0.2),
    # N; Africans' noses are 8 to 9 mm broader than North American whites' (Virdi et al. 2019, Maxillofac Plast Reconstr
    # Surg 41:9: 43.2 and 40.7 mm in Kenya), Asians' taken for the mixed population's
    "minimum frontal breadth": Target(mean=(105.7, 103.2), sd=(5.8, 5.5), growth=_TEMPLE),
    "subnasale-sellion length": Target(mean=(51.9, 47.7), sd=(4.1, 3.8), growth=_NOSE, per_decade=(0.2, 0.2)),
    "nose breadth": Target(
        mean=(37.8, 35.8),
        sd=(4.8, 4.9),
        growth=_NOSTRIL,
        per_bmi=(0.1, 0.1),
        per_decade=(0.3, 0.3),
        by_ancestry=(4.5, -0.6, -3.9),
        group_tolerance=0.06,
    ),
    "nose protrusion": Target(mean=(20.8, 18.9), sd=(2.8, 2.7), growth=_TIP),
    # W and N: photographed gonia lie nearer the midline than callipered ones, so the mean is W's
    "bigonial breadth": Target(mean=(103.7, 97.0), sd=(9.0, 8.0), growth=_GONION, per_bmi=(0.7, 0.6), tolerance=0.2),
    "lip length": Target(mean=(50.9, 48.5), sd=(4.3, 4.5), growth=_MOUTH, per_decade=(0.4, 0.4)),
    # W
    "intercanthal distance": Target(mean=(32.7, 31.5), sd=(2.9, 2.7), growth=_EYES),
    "palpebral fissure length": Target(mean=(28.7, 27.8), sd=(1.9, 2.0), growth=_LID),
    "biocular distance": Target(mean=(88.8, 85.6), sd=(4.0, 3.8), growth=_EYES, tolerance=0.2),
    "nose length": Target(mean=(49.6, 47.1), sd=(3.9, 3.4), growth=_NOSE, per_decade=(0.3, 0.3), tolerance=0.2),
    "nasal ala length": Target(mean=(35.1, 31.5), sd=(2.2, 1.8), growth=_TIP, tolerance=0.25, group_tolerance=0.12),
    "subnasal width": Target(mean=(19.2, 17.5), sd=(2.6, 2.3), growth=_NOSTRIL, tolerance=0.25, group_tolerance=0.12),
    "cutaneous lower lip height": Target(
        mean=(12.3, 10.6), sd=(2.5, 2.2), growth=_LIP, tolerance=0.25, group_tolerance=0.12
    ),
    "philtrum width": Target(mean=(13.1, 11.8), sd=(1.7, 1.7), growth=_MOUTH, tolerance=0.25, group_tolerance=0.12),
    # W, less (philtrum) or more (lips) by up to half an sd, since two thirds of the people are not European
    "philtrum length": Target(
        mean=(15.6, 13.6), sd=(2.5, 2.4), growth=_LIP, per_decade=(0.3, 0.3), tolerance=0.25, group_tolerance=0.1
    ),
    "upper vermilion height": Target(
        mean=(8.6, 8.2), sd=(1.6, 1.4), growth=_RED, per_decade=(-0.25, -0.25), tolerance=0.3, group_tolerance=0.12
    ),
    "lower vermilion height": Target(
        mean=(9.7, 9.4), sd=(2.1, 1.7), growth=_RED, per_decade=(-0.15, -0.15), tolerance=0.3, group_tolerance=0.12
    ),
    # J
    "palpebral fissure height": Target(
        mean=(10.0, 10.2), sd=(1.3, 1.3), growth=_SAME, per_decade=(-0.15, -0.15), tolerance=0.25, group_tolerance=0.3
    ),
}
"""Targets by the name of the measure, in the order of the calibration."""

CORRELATED = (
    "head breadth",
    "head length",
    "head circumference",
    "bizygomatic breadth",
    "bigonial breadth",
    "minimum frontal breadth",
    "menton-sellion length",
    "subnasale-sellion length",
    "nose breadth",
    "nose protrusion",
    "lip length",
    "interpupillary distance",
    "bitragion coronal arc",
    "bitragion frontal arc",
    "bitragion subnasale arc",
    "bitragion chin arc",
)

CORRELATIONS = (
    (),
    (0.14,),
    (0.46, 0.72),
    (0.62, 0.15, 0.43),
    (0.40, 0.16, 0.32, 0.65),
    (0.40, 0.33, 0.38, 0.50, 0.38),
    (0.20, 0.37, 0.37, 0.25, 0.19, 0.29),
    (0.05, 0.12, 0.07, -0.00, -0.07, 0.07, 0.49),
    (0.17, 0.19, 0.30, 0.32, 0.29, 0.28, 0.23, -0.07),
    (0.03, 0.16, 0.11, 0.03, -0.01, 0.02, 0.19, 0.33, -0.25),
    (0.12, 0.24, 0.28, 0.27, 0.21, 0.28, 0.23, 0.07, 0.55, -0.05),
    (0.30, 0.29, 0.40, 0.48, 0.33, 0.53, 0.30, 0.02, 0.53, -0.09, 0.42),
    (0.51, 0.27, 0.47, 0.41, 0.28, 0.41, 0.28, 0.09, 0.19, 0.04, 0.16, 0.31),
    (0.38, 0.44, 0.47, 0.51, 0.30, 0.55, 0.32, 0.17, 0.27, 0.09, 0.27, 0.49, 0.57),
    (0.30, 0.39, 0.47, 0.62, 0.52, 0.51, 0.31, 0.06, 0.54, -0.08, 0.47, 0.56, 0.37, 0.70),
    (0.31, 0.40, 0.51, 0.60, 0.56, 0.44, 0.40, 0.04, 0.51, -0.00, 0.46, 0.49, 0.31, 0.57, 0.86),
)
"""Correlations of ``CORRELATED`` within one sex, below the diagonal: NIOSH 2003, mean of men and women."""


def expected(age_years: Float, male: NDArray[np.bool_], bmi: Float, ancestry: Float | None = None) -> Float:
    """Expected measures (p, q) mm of p people, in the order of ``TARGETS``; mixed unless with ancestries (p, 3)."""
    columns = []
    decades = (np.clip(age_years, 18.0, 70.0) - 30.0) / 10.0
    adult = np.clip((age_years - 15.0) / 5.0, 0.0, 1.0)
    for target in TARGETS.values():
        sides = [
            target.mean[i] * _growth(target, i, age_years)
            + target.per_bmi[i] * (bmi - 27.0)
            + adult * target.per_decade[i] * decades
            for i in range(2)
        ]
        shift = 0.0 if ancestry is None else ancestry @ np.array(target.by_ancestry)
        columns.append(np.where(male, sides[0], sides[1]) + shift)
    return np.stack(columns, axis=1)


def spread(age_years: Float, male: NDArray[np.bool_], bmi_sd: float, ancestry: Float) -> Float:
    """Standard deviations (p, q) mm within one sex, without what body mass index and ancestries (p, 3) explain.

    Children's are smaller.
    """
    columns = []
    for target in TARGETS.values():
        sides = []
        for i in range(2):
            left = target.sd[i] ** 2 - (target.per_bmi[i] * bmi_sd) ** 2
            left -= float((ancestry @ np.array(target.by_ancestry)).var())
            sides.append(np.sqrt(max(left, 0.25 * target.sd[i] ** 2)) * _growth(target, i, age_years))
        columns.append(np.where(male, sides[0], sides[1]))
    return np.stack(columns, axis=1)


def _growth(target: Target, sex: int, age_years: Float) -> Float:
    """Ratio (p,) of a measure's mean to that of adults; sex 0 for men, 1 for women."""
    return np.interp(age_years, (*GROWTH_AGES, 21.0), (*target.growth[sex], 1.0))


def target_correlation(of_samples: Float) -> Float:
    """Correlation (q, q) of the measures within one sex: published where known, else that of the samples (q, q)."""
    names = list(TARGETS)
    rows = [names.index(name) for name in CORRELATED]
    correlation = of_samples.copy()
    for i, row in enumerate(CORRELATIONS):
        for j, value in enumerate(row):
            correlation[rows[i], rows[j]] = correlation[rows[j], rows[i]] = value
    values, vectors = np.linalg.eigh(correlation)
    positive = (vectors * np.maximum(values, 0.02)) @ vectors.T
    scale = np.sqrt(np.diag(positive))
    return positive / np.outer(scale, scale)
