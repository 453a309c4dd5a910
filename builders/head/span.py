"""The wide span of the shape controls: what the artist's controls can make of a head, without a population's prior.

Shape letters: n asset vertices, k modes, p people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from builders.head.base import HeadBase, head_frame
from builders.head.controls import Phenotype, load_local, load_macro, local_offsets, macro_weights

Float = NDArray[np.float64]

SAMPLES = 900
MODES = 160
CONTROL_SD = 0.45
HEAD_AND_NECK_SD = 0.25
"""Independent random controls of the whole head's shape soon give cones, so they are held tighter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A linear space of heads.

    Attributes
    ----------
    mean : (n, 3) mm, head frame.
    modes : (k, n, 3) mm per standard deviation of the wide samples.
    """

    mean: Float
    modes: NDArray[np.float32]


def wide_span(base: HeadBase, rng: np.random.Generator, count: int = SAMPLES, modes: int = MODES) -> Span:
    """Principal components of wide samples of all controls, each in its own head frame, mirrored twins included."""
    controls = load_local(base)
    sd = [HEAD_AND_NECK_SD if c.name.split("/")[0] in ("head", "neck") else CONTROL_SD for c in controls]
    shared = {c.name: rng.standard_normal(count) for c in controls}
    coefficients = np.stack([s * shared[c.name] for c, s in zip(controls, sd, strict=True)], axis=1)
    phenotype = Phenotype(
        age_years=rng.uniform(3.0, 88.0, count),
        masculinity=rng.uniform(0.0, 1.0, count),
        bmi=rng.uniform(15.0, 42.0, count),
        muscle=rng.uniform(0.0, 1.0, count),
        proportions=rng.uniform(0.0, 1.0, count),
        ancestry=rng.dirichlet(np.ones(3), count),
    )
    macro = load_macro(base).reshape(-1, base.vertices.size)
    heads = base.vertices + (macro_weights(phenotype) @ macro).reshape(count, -1, 3)
    heads += local_offsets(controls, np.clip(coefficients, -1.5, 1.5))
    heads = np.stack([head_frame(base, head).points(head) for head in heads])
    mean = heads.mean(axis=0)
    flat = (heads - mean).reshape(count, -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    best = np.argsort(values)[::-1][:modes]
    basis = (vectors[:, best].T @ flat) / np.sqrt(count)
    return Span(mean=mean, modes=basis.reshape(len(best), -1, 3).astype(np.float32))
