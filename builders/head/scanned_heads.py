"""Write scanned heads on our topology: ``python -m builders.head.scanned_heads -o heads.npz --ict ICT-FaceKit``.

Heads drawn from ICT-FaceKit's statistics (weights N(0, 1)), registered freely, with human eyeballs between their lids:
people who were not corrected to any table and lie in no span of ours, to try the model and the fit on. The file holds
``vertices`` (m, n, 3) float32 mm in the head frame and ``weights`` (m, k), the scanned model's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.alignment import alignment_weights
from builders.head.base import HeadBase, load_base
from builders.head.cavities import settle_nostrils
from builders.head.eyeballs import fit_eyeballs
from builders.head.ict import FOLDER_VARIABLE, ict_folder, load_ict
from builders.head.identity import align
from builders.head.lids import clear_lids
from builders.head.lips import close_lips
from builders.head.people import SCANNED_AGE_YEARS
from builders.head.register import Registered, register
from builders.head.span import wide_span

SEED = 977


def scanned_heads(
    base: HeadBase, scanned: Registered, weights: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Heads (p, n, 3) mm of scanned weights (p, k), aligned among each other in the head frame."""
    offsets = weights.astype(np.float32) @ scanned.modes.reshape(len(scanned.modes), -1)
    vertices = scanned.mean.astype(np.float32) + offsets.reshape(len(weights), *scanned.mean.shape)
    vertices = fit_eyeballs(base, vertices, np.full(len(weights), SCANNED_AGE_YEARS), rng)
    vertices = settle_nostrils(base, close_lips(base, clear_lids(base, vertices)))
    return align(base, vertices, alignment_weights(base))


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(prog="python -m builders.head.scanned_heads", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--ict", type=Path, help=f"folder of ICT-FaceKit; default: the variable {FOLDER_VARIABLE}")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    base, ict = load_base(), load_ict(ict_folder(arguments.ict))
    of_span, of_heads = np.random.default_rng(arguments.seed).spawn(2)
    scanned = register(base, ict, wide_span(base, of_span))
    weights = of_heads.standard_normal((arguments.count, len(ict.modes)))
    vertices = scanned_heads(base, scanned, weights, of_heads)
    np.savez(arguments.output, allow_pickle=False, vertices=vertices, weights=weights.astype(np.float32))


if __name__ == "__main__":
    main()
