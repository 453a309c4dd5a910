"""`cephalon evaluate ...`: arguments, folders, progress; the work is done by the pure functions of this room."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cephalon.core import InputError

if TYPE_CHECKING:
    from cephalon.evaluate.meshes import Shape
    from cephalon.geometry import Mesh

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """What this room must not know and is handed down.

    Attributes
    ----------
    mean_head : returns Cephalon's mean head with landmarks and regions.
    uv_head : returns Cephalon's mean head as a mesh with texture coordinates, mm, head axes.
    read_own : reads a folder that Cephalon wrote; a function that a worker process can import.
    bench : runs the open synthetic benchmark with the parsed arguments.
    example : writes a small folder to try the kit on, with the parsed arguments.
    say, out : write a line to stderr, to stdout.
    """

    mean_head: Callable[[], Shape]
    uv_head: Callable[[], Mesh]
    read_own: Callable[[Path], Shape]
    bench: Callable[[argparse.Namespace], int]
    example: Callable[[argparse.Namespace], int]
    say: Say
    out: Say


def add_parser(commands: Any, above: Above) -> None:
    """Add the subcommand `evaluate` to the command line."""
    evaluate = commands.add_parser("evaluate", help="judge meshes of any method by the field's protocols")
    kinds = evaluate.add_subparsers(dest="protocol", metavar="PROTOCOL", required=True)

    mesh = kinds.add_parser("mesh", help="one prediction against one scan")
    mesh.add_argument(
        "prediction", type=Path, metavar="PREDICTION", help=".obj, .ply, .glb or a folder that Cephalon wrote"
    )
    mesh.add_argument("scan", type=Path, metavar="SCAN")
    _sizes(mesh)
    mesh.add_argument(
        "--landmarks-prediction", type=Path, metavar="FILE", help="7 points in NoW's order: .npy .txt .pp .lnd .json"
    )
    mesh.add_argument("--landmarks-scan", type=Path, metavar="FILE")
    mesh.add_argument("--quirks", action="store_true", help="the official NoW code's two habits (see the docs)")
    mesh.add_argument("--map", type=Path, metavar="PNG", help="also write the error map from three sides")
    mesh.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON ('-' for stdout)")
    mesh.set_defaults(run=lambda options: _mesh(options, above))

    helps = {
        "now": "NoW: single photo to neutral face, non-metrical or metrical",
        "stirling": "Stirling/ESRC, aligned as NoW or by landmarks alone",
        "florence": "MICC Florence: normalised mean error",
        "bu3dfe": "BU-3DFE: depth error and the normals paper's equation 9",
        "regions": "by region with non-rigid correspondence (after REALY)",
    }
    for name, text in helps.items():
        parser = kinds.add_parser(name, help=text)
        _folders(parser)
        _sizes(parser)
        if name in ("now", "stirling"):
            parser.add_argument(
                "--quirks", action="store_true", help="the official NoW code's two habits (see the docs)"
            )
        if name == "stirling":
            parser.add_argument("--landmarks-only", action="store_true", help="the original protocol: no refinement")
        if name == "florence":
            parser.add_argument(
                "--size", choices=["diagonal", "area"], default="diagonal", help="what the error is divided by"
            )
        parser.add_argument(
            "--baseline", type=Path, metavar="FILE", help="another mean head than Cephalon's, landmarks beside it"
        )
        parser.add_argument("--no-baseline", action="store_true", help="no mean head")
        parser.set_defaults(run=lambda options: _batch(options, above))

    from cephalon.evaluate.pictures_command import add_parsers

    add_parsers(kinds, above, _output)
    bench = kinds.add_parser(
        "bench", help="the open synthetic benchmark: Cephalon's own fit on sampled heads, no licence needed"
    )
    bench.add_argument("--size", type=int, default=200, metavar="N", help="people (default 200)")
    bench.add_argument(
        "--noise", default="2.5,1", metavar="LIST", help="landmark noise in %% of the outer eye distance"
    )
    bench.add_argument("--seed", type=int, default=20261121, metavar="N")
    bench.add_argument("--workers", type=int, default=1, metavar="N")
    bench.add_argument(
        "--resume",
        type=Path,
        metavar="DIR",
        help="keep finished people here, and take those of an earlier run of the same code",
    )
    _output(bench, "bench-out")
    bench.set_defaults(run=above.bench)
    example = kinds.add_parser("example", help="write a small folder in NoW's layout, made from sampled heads, to try")
    example.add_argument("--people", type=int, default=6, metavar="N", help="default 6")
    example.add_argument("--seed", type=int, default=7, metavar="N")
    _output(example, "example")
    example.set_defaults(run=above.example)


def _folders(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--predictions", nargs="+", required=True, metavar="[NAME=]DIR",
        help="one folder for each method; two or more are compared side by side",
    )  # fmt: skip
    parser.add_argument("--scans", required=True, metavar="DIR")
    parser.add_argument("--landmarks", metavar="DIR", help="of the scans: .pp, .txt, .npy, .lnd or .json")
    parser.add_argument("--list", metavar="FILE", help="image list: what has to be there, one a line")
    parser.add_argument(
        "--facts", metavar="CSV", help="what is known of images or subjects: name, yaw_deg, photos, age, sex, skin_tone"
    )
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
    _output(parser, "evaluation")


def _sizes(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrical", action="store_true", help="keep the prediction's size")
    parser.add_argument(
        "--unit", choices=["m", "cm", "mm"], help="of the predictions; else as declared, or told from the size"
    )
    parser.add_argument(
        "--scan-unit", choices=["m", "cm", "mm"], help="of the scans (default mm, unless the file declares it)"
    )


def _output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(default), metavar="DIR", help=f"folder to write (default {default})"
    )
    parser.add_argument("--force", action="store_true", help="write even if the folder holds other things")


# -- one mesh ---------------------------------------------------------------------------------------------------------


def _mesh(options: argparse.Namespace, above: Above) -> int:
    from cephalon.evaluate.layout import load_prediction, load_scan
    from cephalon.evaluate.meshes import load_landmarks
    from cephalon.evaluate.now import scan_to_mesh, with_landmarks
    from cephalon.files import json_bytes, write_bytes, write_json

    if (options.landmarks_prediction is None) != (options.landmarks_scan is None) and not options.prediction.is_dir():
        raise InputError("give --landmarks-prediction and --landmarks-scan together, or neither")
    own = options.prediction.is_dir()
    if options.landmarks_prediction is None and not own:
        from cephalon.evaluate.meshes import load_shape

        prediction = load_shape(options.prediction, unit=options.unit)
    else:
        prediction = load_prediction(options.prediction, unit=options.unit, own=above.read_own)
    if options.landmarks_prediction is not None:
        prediction = with_landmarks(prediction, load_landmarks(options.landmarks_prediction))
    scan = load_scan(options.scan, options.landmarks_scan, unit=options.scan_unit)
    start = time.perf_counter()
    found = scan_to_mesh(prediction, scan, metrical=options.metrical, quirks=options.quirks)
    seconds = time.perf_counter() - start
    move = found.alignment.scan_from_prediction
    by_landmarks = found.landmark_rms_mm is not None
    if by_landmarks:
        alignment = "landmarks, then refined over closest points"
    else:
        alignment = f"several starts of ICP (won by: {found.alignment.start})"
    notes = []
    if not by_landmarks:
        notes.append("no landmarks of both were given: the pose was searched and the whole scan counts")
    if prediction.unit_from == "told from its size":
        notes.append(f"prediction: unit {prediction.unit}, told from its size")
    document: dict[str, Any] = {
        "schema": "cephalon.evaluate.mesh",
        "format_version": 1,
        "prediction": str(options.prediction),
        "scan": str(options.scan),
        "metrical": bool(options.metrical),
        "median_mm": found.median_mm,
        "mean_mm": found.mean_mm,
        "std_mm": found.std_mm,
        "alignment": alignment,
        "scan_vertices": len(scan.vertices),
        "scan_vertices_counted": len(found.distance),
        "transform": {
            "scale": move.scale,
            "rotation": move.rotation.tolist(),
            "translation_mm": move.translation.tolist(),
            "converged": found.alignment.converged,
            "passes": found.alignment.iterations,
        },
        "landmark_rms_mm": found.landmark_rms_mm,
        "units": {"prediction": prediction.unit, "scan": scan.unit},
        "seconds": seconds,
        "notes": notes,
    }
    if options.map is not None:
        from cephalon.evaluate.maps import error_map

        picture = error_map(scan, found.rows, found.distance)
        if picture is None:
            raise InputError(f"{options.scan} has no faces: there is nothing to draw")
        write_bytes(options.map, picture)
    for note in notes:
        above.say(note)
    if options.json is not None and str(options.json) == "-":
        above.out(json_bytes(document).decode("utf-8").rstrip())
        return 0
    if options.json is not None:
        write_json(options.json, document)
    above.out(
        f"median {found.median_mm:.4f} mm, mean {found.mean_mm:.4f} mm, std {found.std_mm:.4f} mm over"
        f" {len(found.distance)} of {len(scan.vertices)} scan vertices; aligned by {alignment}"
    )
    return 0


# -- folders ----------------------------------------------------------------------------------------------------------


def method_folders(arguments: list[str], taken: Sequence[str] = ("mean head",)) -> dict[str, str]:
    """Return name -> folder of `[NAME=]DIR` arguments; the folder's own name where none is given, none that is `taken`."""
    methods: dict[str, str] = {}
    for argument in arguments:
        name, equals, folder = argument.partition("=")
        if not equals:
            name, folder = Path(argument).resolve().name or "predictions", argument
        if not name or name in methods or name in taken:
            raise InputError(f"--predictions: every method needs a name of its own, got {argument!r}; write NAME=DIR")
        methods[name] = folder
    return methods


def _batch(options: argparse.Namespace, above: Above) -> int:
    from cephalon.evaluate import batch
    from cephalon.evaluate.faces3d import cut_to_face
    from cephalon.evaluate.judge import MEAN_HEAD, Setting, jobs, judge, prepare
    from cephalon.evaluate.layout import collect, load_prediction, read_facts
    from cephalon.evaluate.results import Study
    from cephalon.evaluate.write import check_writable, write_study

    check_writable(options.output, options.force)
    methods = method_folders(options.predictions)
    found = collect(methods, options.scans, options.landmarks, options.list)
    if options.protocol in ("now", "stirling") and options.landmarks is None:
        raise InputError(f"{options.protocol}: give the scans' landmarks with --landmarks DIR")
    baseline = None
    if options.protocol == "regions" and (options.no_baseline or options.baseline is not None):
        raise InputError(
            "regions: the regions are those of Cephalon's mean head; leave --baseline and --no-baseline away"
        )
    if options.baseline is not None:
        other = load_prediction(options.baseline, unit=None, own=above.read_own)
        if options.protocol in ("now", "stirling") and other.landmarks is None:
            raise InputError(
                f"--baseline {options.baseline}: no landmarks lie beside it (.npy, .txt, .pp, .lnd or .json)"
            )
        baseline = replace(other, labels=None, label_names=())
    elif not options.no_baseline:
        baseline = above.mean_head()
        if options.protocol == "florence":  # a head's size would be another divisor than a face's
            baseline = cut_to_face(baseline)
    setting = Setting(
        protocol=options.protocol,
        metrical=options.metrical or options.protocol == "florence",
        unit=options.unit,
        scan_unit=options.scan_unit,
        quirks=getattr(options, "quirks", False),
        landmarks_only=getattr(options, "landmarks_only", False),
        size=getattr(options, "size", "diagonal"),
        baseline=baseline,
    )
    names = ([MEAN_HEAD] if baseline is not None else []) + list(methods)
    facts = read_facts(options.facts) if options.facts else None
    study = Study(options.protocol, names, metrical=setting.metrical, facts=facts, quoted=not setting.landmarks_only)
    study.notes += found.notes
    start = shown = time.perf_counter()
    total = len(found.items)
    done = 0
    todo = jobs(found.items, setting, above.read_own)
    for job, outcomes in batch.run(judge, todo, workers=options.workers, prepare=prepare):
        for outcome in outcomes:
            study.add(outcome)
        done += len(job.items)
        now = time.perf_counter()
        if now - shown > 5:
            shown = now
            above.say(f"{done} of {total}, {done / (now - start):.1f} a second, {len(study.failures)} failures")
    seconds = time.perf_counter() - start
    record = {
        "settings": {
            "metrical": setting.metrical, "unit": setting.unit, "scan_unit": setting.scan_unit, "quirks": setting.quirks,
            "landmarks_only": setting.landmarks_only, "size": setting.size, "workers": options.workers,
            "predictions": methods, "scans": str(options.scans), "landmarks": str(options.landmarks or ""),
        },
        "seconds": seconds,
    }  # fmt: skip
    write_study(study, options, record, items=found.items, setting=setting, own=above.read_own, above_out=above.out)
    return 0
