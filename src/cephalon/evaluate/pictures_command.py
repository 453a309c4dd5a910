"""Commands of the protocols on pictures and arrays: normals, integration, texture, tracking."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cephalon.core import InputError

if TYPE_CHECKING:
    from cephalon.evaluate.command import Above

# name -> (help, the folder of the truth)
_KINDS = {
    "normals": ("normals and mask against the truth", "--truth"),
    "integration": ("ways of integrating normals, against the true depth", "--maps"),
    "texture": ("completed albedo against the true one", "--truth"),
    "tracking": ("depth, photometric error, jitter, drift over sequences", "--truth"),
}


def add_parsers(kinds: Any, above: Above, output: Callable[[argparse.ArgumentParser, str], None]) -> None:
    """Add the four subcommands; `output` adds -o and --force."""
    for name, (text, folder) in _KINDS.items():
        parser = kinds.add_parser(name, help=text)
        if name != "integration":
            parser.add_argument(
                "--predictions", nargs="+", required=True, metavar="[NAME=]DIR", help="one folder for each method"
            )
        else:
            parser.add_argument("--lambdas", default="0,0.1,0.2,0.3,0.4,0.5,0.6", metavar="LIST", help="weights to try")
        if name == "texture":
            parser.add_argument(
                "--mesh",
                type=Path,
                metavar="OBJ",
                help="head with the textures' uv, in mm (default Cephalon's mean head)",
            )
        parser.add_argument(folder, dest="truth", required=True, metavar="DIR")
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
        output(parser, "evaluation")
        parser.set_defaults(run=lambda options: _run(options, above))


def _run(options: argparse.Namespace, above: Above) -> int:
    from cephalon.evaluate import pictures
    from cephalon.evaluate.command import method_folders
    from cephalon.evaluate.layout import folder_of
    from cephalon.evaluate.results import Study
    from cephalon.evaluate.write import check_writable, write_study

    check_writable(options.output, options.force)
    truth = folder_of(options.truth, f"{_KINDS[options.protocol][1].removeprefix('--')}:")
    without_truth = pictures.BASELINES[options.protocol]
    methods: dict[str, Path] = {}
    if options.protocol != "integration":
        folders = method_folders(options.predictions, taken=without_truth)
        methods = {name: folder_of(path, f"predictions of {name}:") for name, path in folders.items()}
    start = time.perf_counter()
    if options.protocol == "normals":
        outcomes = pictures.normals(methods, truth)
    elif options.protocol == "integration":
        outcomes = pictures.integrations(truth, _numbers(options.lambdas))
    elif options.protocol == "texture":
        outcomes = pictures.textures(methods, truth, _head(options.mesh, above))
    else:
        outcomes = pictures.trackings(methods, truth)
    found = list(outcomes)
    if not found:
        raise InputError(f"{truth}: nothing to judge against; see docs/evaluate.md for how the folder has to look")
    names = list(dict.fromkeys(outcome.method for outcome in found))
    study = Study(options.protocol, names, baselines=without_truth)
    for outcome in found:
        study.add(outcome)
    record = {
        "settings": {"predictions": {name: str(path) for name, path in methods.items()}, "truth": str(truth)},
        "seconds": time.perf_counter() - start,
    }
    write_study(study, options, record, above_out=above.out)
    return 0


def _head(path: Path | None, above: Above) -> Any:
    from cephalon.files import read_obj

    mesh = above.uv_head() if path is None else read_obj(path, unit="mm").mesh
    if mesh.uv is None:
        raise InputError(f"--mesh {path}: has no texture coordinates")
    return mesh


def _numbers(words: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in words.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 <= number < 1e6 for number in numbers):
        raise InputError(f"--lambdas: expected numbers from 0 such as 0,0.1, got {words!r}")
    return numbers
