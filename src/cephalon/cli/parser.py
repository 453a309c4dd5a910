"""The words of the command line: every subcommand, its options and their help."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NoReturn

from cephalon import __version__
from cephalon.cli import commands as jobs
from cephalon.cli.say import out, say


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"cephalon: {message} (see  {self.prog} --help)\n")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all subcommands; `options.run(options)` does the work."""
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
        help="another head model: ICT-FaceKit, FLAME, Basel Face Model, GNM Head, anny (see docs/models.md)",
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
    reconstruct.set_defaults(run=jobs.reconstruct)

    demo = commands.add_parser("demo", help="run the main job on the portrait that comes with Cephalon")
    _output(demo, "demo-out")
    demo.set_defaults(run=jobs.demo)

    head = commands.add_parser("head", help="a head that nobody has: sampled from the model")
    head.add_argument("--age", type=float, metavar="YEARS", help="of the person (default: any)")
    head.add_argument("--sex", choices=["female", "male"], help="of the person (default: any)")
    head.add_argument(
        "--seed", type=_seed, default=None, help="which person; without it, the mean of what you asked for"
    )
    head.add_argument(
        "--expression", nargs="*", default=[], metavar="NAME=WEIGHT", help="ARKit coefficients, for example jawOpen=0.5"
    )
    head.add_argument(
        "--sheet", type=Path, metavar="PNG", help="instead of a head: a picture of the model's modes and people"
    )
    head.add_argument("-o", "--output", type=Path, metavar="FILE", help="head.glb, .obj, .ply, .stl or .usdz")
    head.add_argument("--force", action="store_true", help="write over a file that is there")
    head.set_defaults(run=jobs.head)

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
    convert.set_defaults(run=jobs.convert)

    synth = commands.add_parser("synth", help="synthetic people: pictures with exact truth, as WebDataset shards")
    synth.add_argument("-n", "--count", type=int, default=1000, metavar="N", help="how many samples (default 1000)")
    synth.add_argument("-S", "--size", type=int, default=256, metavar="PX", help="side of the pictures (default 256)")
    synth.add_argument("--seed", type=int, default=0, help="another seed, other people (default 0)")
    synth.add_argument("--family", choices=["portrait", "triple", "sequence", "group"], default="portrait")
    synth.add_argument(
        "--options", type=Path, metavar="JSON", help="ranges to draw from, instead of a family's (see docs/synth.md)"
    )
    synth.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="skins, hair and light (default: CEPHALON_SYNTH_DATA, what was fetched, or made up)",
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
    synth.set_defaults(run=jobs.synth)

    info = commands.add_parser(
        "info", help="what a file holds: photo, GLB, OBJ, PLY, STL, landmarks, head model, fit.json, code"
    )
    info.add_argument("file", type=Path, metavar="FILE", help="the file, or a result folder")
    info.add_argument("--json", action="store_true", help="print one JSON object")
    info.set_defaults(run=jobs.info)

    _evaluate(commands)

    assets = commands.add_parser("assets", help="files that Cephalon uses: list them, or fetch an optional one")
    assets.add_argument("action", choices=["list", "get"])
    assets.add_argument(
        "name",
        nargs="?",
        help="mediapipe (landmarks), makehuman (skins and hair of synthetic people) or hdri (their light)",
    )
    assets.set_defaults(run=jobs.assets)

    licenses = commands.add_parser("licenses", help="licences of the code, the model, the weights and the data")
    licenses.set_defaults(run=jobs.licenses)

    cite = commands.add_parser("cite", help="how to cite Cephalon and what it stands on")
    cite.set_defaults(run=jobs.cite)
    return parser


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > 30:
        raise argparse.ArgumentTypeError(f"expected a whole number from 0, got {text[:40]!r}")
    return int(text)


def _output(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(default), metavar="DIR", help=f"folder to write (default {default})"
    )
    parser.add_argument("--force", action="store_true", help="write even if the folder holds other things")


def _evaluate(commands: Any) -> None:
    from cephalon.evaluate.command import Above, add_parser
    from cephalon.evaluation import mean_head, read_own, uv_head

    def bench(options: argparse.Namespace) -> int:
        from cephalon.evaluation.bench import bench

        return bench(options, say=say, out=out)

    def example(options: argparse.Namespace) -> int:
        from cephalon.evaluation.example import example

        return example(options, say=say, out=out)

    above = Above(
        mean_head=mean_head, uv_head=uv_head, read_own=read_own, bench=bench, example=example, say=say, out=out
    )
    add_parser(commands, above)
