"""The command line: parses, then calls. Results go to stdout (or to files), everything else to stderr.

Exit codes: 0 done; 1 a fault of Cephalon; 2 wrong use or unreadable input; 3 no head found.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from cephalon import __version__
from cephalon.core import CephalonError, InputError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"cephalon: {message} (see  {self.prog} --help)\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def _out(text: str) -> None:
    print(text)  # noqa: T201


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help(sys.stderr)
        return 2
    _quiet_threads()
    try:
        return options.run(options) or 0
    except CephalonError as error:
        _say(f"cephalon: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("cephalon: stopped")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        _say("cephalon: not enough memory; use smaller photos, fewer photos or a smaller texture")
        return 2
    except Exception as error:
        if os.environ.get("CEPHALON_DEBUG"):
            raise
        _say(
            f"cephalon: a fault of ours ({type(error).__name__}: {error}); set CEPHALON_DEBUG=1 to see where, and please report it"
        )
        return 1


def _quiet_threads() -> None:
    """Log to stderr what the library says while it works (for example that it compiles once)."""
    import logging

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("cephalon")
    if not logger.handlers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cephalon",
        description="Photos of a person in, a whole head out: metric, textured, rigged, with honest intervals.",
    )
    parser.add_argument("--version", action="version", version=f"cephalon {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)

    reconstruct = commands.add_parser("reconstruct", help="photos of one person -> one head")
    reconstruct.add_argument("photos", nargs="+", metavar="PHOTO", help="one or more pictures of the same person")
    reconstruct.add_argument(
        "--landmarks", nargs="+", metavar="FILE", help="landmark files, one per photo (.json, .pts)"
    )
    reconstruct.add_argument(
        "--face", type=int, metavar="N", help="which head, from the left, where a photo shows several"
    )
    reconstruct.add_argument(
        "--ipd", type=float, metavar="MM", help="distance of the pupils, if known: fixes the scale"
    )
    reconstruct.add_argument("--age", type=float, metavar="YEARS", help="age, if known")
    reconstruct.add_argument("--sex", choices=["female", "male"], help="sex, if known")
    reconstruct.add_argument(
        "--model",
        metavar="PATH",
        help="another head model: ICT-FaceKit, FLAME, Basel Face Model, GNM Head (see docs/models.md)",
    )
    reconstruct.add_argument("--focal35", type=float, metavar="MM", help="35 mm-equivalent focal length of the photos")
    reconstruct.add_argument(
        "--texture-size",
        type=int,
        choices=[512, 1024, 2048],
        default=1024,
        metavar="PX",
        help="512, 1024 or 2048 (default 1024)",
    )
    reconstruct.add_argument("--no-texture", action="store_true", help="geometry only")
    reconstruct.add_argument(
        "--also",
        nargs="+",
        choices=["ply", "stl", "usdz"],
        default=[],
        metavar="FORMAT",
        help="further files: ply (sigma and provenance at the vertices), stl (closed, for printing), usdz",
    )
    reconstruct.add_argument("--no-report", action="store_true", help="no overlays and no report.html")
    _output(reconstruct, "out")
    reconstruct.add_argument("--json", action="store_true", help="print the result's fit.json on stdout")
    reconstruct.set_defaults(run=_reconstruct)

    demo = commands.add_parser("demo", help="run the main job on the portrait that comes with Cephalon")
    _output(demo, "demo-out")
    demo.set_defaults(run=_demo)

    head = commands.add_parser("head", help="a head that nobody has: sampled from the model")
    head.add_argument("--age", type=float, metavar="YEARS")
    head.add_argument("--sex", choices=["female", "male"])
    head.add_argument("--seed", type=int, default=None, help="which person; without it, the mean of what you asked for")
    head.add_argument(
        "--expression", nargs="*", default=[], metavar="NAME=WEIGHT", help="ARKit coefficients, for example jawOpen=0.5"
    )
    head.add_argument(
        "--sheet", type=Path, metavar="PNG", help="instead of a head: a picture of the model's modes and people"
    )
    head.add_argument("-o", "--output", type=Path, metavar="FILE", help="head.glb, .obj, .ply, .stl or .usdz")
    head.set_defaults(run=_head)

    convert = commands.add_parser("convert", help="a head into another format, or into another model's topology")
    convert.add_argument(
        "input", type=Path, metavar="INPUT", help="a result folder or fit.json, or a .glb, .obj, .ply, .stl"
    )
    convert.add_argument("--to", metavar="MODEL", help="carry it to this head model (a path, or cephalon)")
    convert.add_argument("--from", dest="source", metavar="MODEL", help="the head model that a fit.json belongs to")
    convert.add_argument("--unit", choices=["mm", "cm", "m", "in"], help="of a mesh file that does not say its own")
    convert.add_argument("--fitted", action="store_true", help="with --to: write the model's closest person, rigged")
    convert.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=".glb, .obj, .ply, .stl, .usdz, or .json (the code)",
    )
    convert.add_argument("--force", action="store_true", help="write over a file that is there")
    convert.set_defaults(run=_convert)

    synth = commands.add_parser("synth", help="synthetic people: pictures with exact truth, as WebDataset shards")
    synth.add_argument("-n", "--count", type=int, default=1000, metavar="N", help="how many samples (default 1000)")
    synth.add_argument("-S", "--size", type=int, default=256, metavar="PX", help="side of the pictures (default 256)")
    synth.add_argument("--seed", type=int, default=0, help="another seed, other people (default 0)")
    synth.add_argument("--family", choices=["portrait", "triple", "sequence", "group"], default="portrait")
    synth.add_argument("--options", type=Path, metavar="JSON", help="ranges to draw from; see docs/synth.md")
    synth.add_argument(
        "--data", type=Path, metavar="DIR", help="skins, hair and light (default: CEPHALON_SYNTH_DATA, or made up)"
    )
    synth.add_argument("--workers", type=int, default=None, metavar="W", help="processes (default: one per core)")
    synth.add_argument("--on", choices=["processes", "ray"], default="processes", help="where the work is done")
    synth.add_argument(
        "--sheet", action="store_true", help="also write sheet.png and truth.png: a look at the first samples"
    )
    synth.add_argument(
        "--open-benchmark", action="store_true", help="write the open benchmark of N people instead of shards"
    )
    synth.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder to write")
    synth.add_argument(
        "--force", action="store_true", help="with --open-benchmark: write even if the folder holds other things"
    )
    synth.set_defaults(run=_synth)

    info = commands.add_parser("info", help="what a file holds: photo, GLB, OBJ, landmarks, head model, fit.json")
    info.add_argument("file", type=Path)
    info.add_argument("--json", action="store_true")
    info.set_defaults(run=_info)

    _evaluate(commands)

    assets = commands.add_parser("assets", help="files that Cephalon uses: list them, or fetch an optional one")
    assets.add_argument("action", choices=["list", "get"])
    assets.add_argument(
        "name", nargs="?", help="mediapipe (landmarks) or makehuman (skins and hair of synthetic people)"
    )
    assets.set_defaults(run=_assets)

    licenses = commands.add_parser("licenses", help="licences of the code, the model, the weights and the data")
    licenses.set_defaults(run=_licenses)

    cite = commands.add_parser("cite", help="how to cite Cephalon and what it stands on")
    cite.set_defaults(run=_cite)
    return parser


def _output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(default), metavar="DIR", help=f"folder to write (default {default})"
    )
    parser.add_argument("--force", action="store_true", help="write even if the folder holds other things")


def _reconstruct(options: argparse.Namespace) -> int:
    from cephalon.appearance import TextureOptions
    from cephalon.reconstruction import ReconstructOptions, reconstruct

    settings = ReconstructOptions(texture=None if options.no_texture else TextureOptions(size=options.texture_size))
    _check_writable(options.output, options.force)
    head = reconstruct(
        options.photos,
        model=_model(options.model),
        landmarks=options.landmarks,
        which=options.face,
        ipd_mm=options.ipd,
        age=options.age,
        sex=options.sex,
        focal35_mm=options.focal35,
        options=settings,
        progress=_say,
    )
    return _finish(head, options, report=not options.no_report, as_json=options.json, also=options.also)


def _model(path: str | None) -> Any:
    """Load another head model and say what it brings; None for no path."""
    if path is None:
        return None
    from cephalon.head.foreign import load_model

    _say(f"reading the head model {path}")
    model = load_model(path)
    if model.meta.get("foreign"):
        found = model.meta["registration"]
        _say(
            f"{model.meta['name']}: {len(model.mean)} vertices, {model.identity_count} identity modes; our mean head lies"
            f" {found['median_mm']:.2f} mm from it (median; 95 % within {found['percentile95_mm']:.1f} mm)"
        )
        _say(f"  expressions: {model.meta['expressions']}; joints: {model.meta['joints']}; eyes: {model.meta['eyes']}")
        _say(f"  licence: {model.meta['licence']}")
    return model


def _demo(options: argparse.Namespace) -> int:
    from importlib import resources

    from cephalon.reconstruction import reconstruct

    _check_writable(options.output, options.force)
    folder = resources.files("cephalon") / "data" / "demo"
    with resources.as_file(folder) as place:
        head = reconstruct([place / "collins.jpg"], landmarks=[place / "collins.json"], progress=_say)
    return _finish(head, options, report=True, as_json=False)


def _check_writable(folder: Path, force: bool) -> None:
    """Say no before the work rather than after it: a trial of the output folder."""
    from cephalon.files.atomic import OutputFolder

    probe = OutputFolder(folder, force=force)
    try:
        with probe:
            raise _Probe
    except _Probe:
        pass


class _Probe(Exception):
    pass


def _finish(head: Any, options: argparse.Namespace, *, report: bool, as_json: bool, also: Sequence[str] = ()) -> int:
    from cephalon.reconstruction import save

    start = time.perf_counter()
    save(head, options.output, force=options.force, report=report, also=also)
    seconds = sum(head.timings_s.values()) + time.perf_counter() - start
    if as_json:
        _out((options.output / "fit.json").read_text(encoding="utf-8").rstrip())
        return 0
    posterior = head.posterior
    _out(f"head found: {posterior.status}{f' ({posterior.reason})' if posterior.reason else ''}, {seconds:.1f} s")
    for photo, fitted in zip(head.photos, posterior.photos, strict=True):
        _out(
            f"  {photo.name}: {fitted.status}, {fitted.reprojection_px:.1f} px = {fitted.reprojection_percent:.1f} % of the outer"
            f" eye distance, camera {fitted.camera.focal35_mm:.0f} mm equivalent at {fitted.distance_mm / 1000:.2f} m"
            f"{f'; {fitted.reason}' if fitted.reason else ''}"
        )
    _out(
        "  scale from: " + ", ".join(f"{cue.name} ({cue.value:g} ± {cue.sigma:g} {cue.unit})" for cue in posterior.cues)
    )
    for name, measure in head.measures().items():
        if name in (
            "interpupillary distance",
            "head breadth",
            "head length",
            "bizygomatic breadth",
            "menton-sellion length",
        ):
            low, high = measure.interval(0.9)
            _out(f"  {name}: {measure.mm:.1f} mm, 90 % between {low:.1f} and {high:.1f}")
    where = options.output / ("report.html" if report else "head.glb")
    _out(f"open {where} in a browser, {options.output / 'head.glb'} in Blender")
    return 0


def _head(options: argparse.Namespace) -> int:
    import numpy as np

    from cephalon.head import HeadModel
    from cephalon.values import Head

    if (options.output is None) == (options.sheet is None):
        raise InputError("head: say either  -o head.glb  (or head.obj) or  --sheet modes.png")
    model = HeadModel.load()
    if options.sheet is not None:
        from cephalon.files.png import write_png
        from cephalon.report.pictures import model_sheet

        write_png(options.sheet, model_sheet(model, seed=options.seed or 0))
        _out(f"wrote {options.sheet}")
        return 0
    if options.output.suffix.lower() not in (".glb", ".obj", ".ply", ".stl", ".usdz"):
        raise InputError(f"{options.output}: expected a file name ending in .glb, .obj, .ply, .stl or .usdz")
    if options.seed is None:
        identity = model.link.condition(age=options.age, sex=options.sex)[0]
    else:
        rng = np.random.default_rng(options.seed)
        identity = model.sample(rng=rng, age=options.age, sex=options.sex).identity
    head = Head(model=model, identity=identity)
    head.write_mesh(options.output, expression=_weights(options.expression))
    for name, measure in head.measures().items():
        if name in ("interpupillary distance", "head breadth", "head length"):
            _out(f"{name}: {measure.mm:.1f} mm")
    _out(f"wrote {options.output}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from cephalon.convert import convert

    if options.output.exists() and not options.force:
        raise InputError(f"{options.output} is there already; add --force to write over it")
    models = [None if name in (None, "cephalon") else _model(name) for name in (options.source, options.to)]
    found = convert(
        options.input,
        options.output,
        source=models[0],
        target=models[1],
        carry=options.to is not None,
        unit=options.unit,
        fitted=options.fitted,
    )
    for name, distance in found.items():
        _out(f"{name}: median {distance['median_mm']:.2f} mm, 95 % within {distance['percentile95_mm']:.2f} mm")
    _out(f"wrote {options.output}")
    return 0


def _synth(options: argparse.Namespace) -> int:
    from cephalon.synth.command import run

    return run(options, out=_out)


def _weights(pairs: Sequence[str]) -> dict[str, float]:
    weights = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        try:
            weights[name] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(f"--expression: expected NAME=WEIGHT, for example jawOpen=0.5, got {pair!r}")
        if not 0 <= weights[name] <= 1:
            raise InputError(f"--expression: expected a weight from 0 to 1, got {pair!r}")
    return weights


def _info(options: argparse.Namespace) -> int:
    from cephalon.describe import describe

    found = describe(options.file)
    if options.json:
        _out(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            _out(f"{name}: {value if not isinstance(value, list) else ', '.join(map(str, value))}")
    return 0


def _evaluate(commands: Any) -> None:
    from cephalon.evaluate.command import Above, add_parser
    from cephalon.evaluation import mean_head, read_own

    def bench(options: argparse.Namespace) -> int:
        from cephalon.evaluation.bench import bench

        return bench(options, say=_say, out=_out)

    add_parser(commands, Above(mean_head=mean_head, read_own=read_own, bench=bench, say=_say, out=_out))


def _assets(options: argparse.Namespace) -> int:
    from cephalon import assets

    if options.action == "list":
        for line in assets.listing():
            _out(line)
        return 0
    if not options.name:
        raise InputError(f"assets get: say which; known are: {', '.join((*assets.fetchable(), *assets.collections()))}")
    path = assets.get(options.name, progress=_say)
    _out(f"{options.name} is in {path}")
    return 0


def _licenses(options: argparse.Namespace) -> int:
    from cephalon import assets

    del options
    for line in assets.licenses():
        _out(line)
    return 0


def _cite(options: argparse.Namespace) -> int:
    from importlib import resources

    del options
    _out((resources.files("cephalon") / "data" / "cite.txt").read_text(encoding="utf-8").rstrip())
    return 0


if __name__ == "__main__":
    sys.exit(main())
