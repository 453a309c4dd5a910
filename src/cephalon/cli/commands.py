"""What the subcommands do: each takes the parsed options, calls the library, prints, and returns its exit code."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cephalon.cli.say import out, say
from cephalon.core import InputError


def reconstruct(options: argparse.Namespace) -> int:
    """Photos of one person -> a folder with one head."""
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
        progress=say,
    )
    return _finish(head, options, report=not options.no_report, as_json=options.json, also=options.also)


def _model(path: str | None) -> Any:
    """Load another head model and say what it brings; None for no path."""
    if path is None:
        return None
    from cephalon.head.foreign import load_model

    say(f"reading the head model {path}")
    model = load_model(path)
    if model.meta.get("foreign"):
        found = model.meta["registration"]
        say(
            f"{model.meta['name']}: {len(model.mean)} vertices, {model.identity_count} identity modes; our mean head lies"
            f" {found['median_mm']:.2f} mm from it (median; 95 % within {found['percentile95_mm']:.1f} mm)"
        )
        say(f"  expressions: {model.meta['expressions']}; joints: {model.meta['joints']}; eyes: {model.meta['eyes']}")
        say(f"  licence: {model.meta['licence']}")
    return model


def demo(options: argparse.Namespace) -> int:
    """The packaged portrait -> a folder with one head."""
    from importlib import resources

    from cephalon.reconstruction import reconstruct

    _check_writable(options.output, options.force)
    folder = resources.files("cephalon") / "data" / "demo"
    with resources.as_file(folder) as place:
        head = reconstruct([place / "collins.jpg"], landmarks=[place / "collins.json"], progress=say)
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


def _check_new(path: Path, force: bool) -> None:
    """Say no where a file would be written over, an .obj file's .mtl included."""
    for place in (path, path.with_suffix(".mtl")) if path.suffix.lower() == ".obj" else (path,):
        if place.is_file() and not force:
            raise InputError(f"{place} is there already; add --force to write over it")


class _Probe(Exception):
    pass


def _finish(head: Any, options: argparse.Namespace, *, report: bool, as_json: bool, also: Sequence[str] = ()) -> int:
    from cephalon.reconstruction import save

    start = time.perf_counter()
    save(head, options.output, force=options.force, report=report, also=also)
    seconds = sum(head.timings_s.values()) + time.perf_counter() - start
    if as_json:
        out((options.output / "fit.json").read_text(encoding="utf-8").rstrip())
        return 0
    posterior = head.posterior
    out(f"head found: {posterior.status}{f' ({posterior.reason})' if posterior.reason else ''}, {seconds:.1f} s")
    for photo, fitted in zip(head.photos, posterior.photos, strict=True):
        out(
            f"  {photo.name}: {fitted.status}, {fitted.reprojection_px:.1f} px = {fitted.reprojection_percent:.1f} % of the outer"
            f" eye distance, camera {fitted.camera.focal35_mm:.0f} mm equivalent at {fitted.distance_mm / 1000:.2f} m"
            f"{f'; {fitted.reason}' if fitted.reason else ''}"
        )
    out(
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
            out(f"  {name}: {measure.mm:.1f} mm, 90 % between {low:.1f} and {high:.1f}")
    where = options.output / ("report.html" if report else "head.glb")
    out(f"open {where} in a browser, {options.output / 'head.glb'} in Blender")
    return 0


def head(options: argparse.Namespace) -> int:
    """A sampled head, or a picture of the model's modes -> a file."""
    import numpy as np

    from cephalon.head import HeadModel
    from cephalon.values import Head

    if (options.output is None) == (options.sheet is None):
        raise InputError("head: say either  -o head.glb  (or head.obj) or  --sheet modes.png")
    model = HeadModel.load()
    _check_new(options.sheet or options.output, options.force)
    if options.sheet is not None:
        if options.sheet.suffix.lower() != ".png":
            raise InputError(f"{options.sheet}: expected a file name ending in .png")
        from cephalon.files.png import write_png
        from cephalon.report.pictures import model_sheet

        write_png(options.sheet, model_sheet(model, seed=options.seed or 0))
        out(f"wrote {options.sheet}")
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
            out(f"{name}: {measure.mm:.1f} mm")
    out(f"wrote {options.output}")
    return 0


def convert(options: argparse.Namespace) -> int:
    """A head -> another format, or another model's topology."""
    from cephalon.convert import convert

    _check_new(options.output, options.force)
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
        out(f"{name}: median {distance['median_mm']:.2f} mm, 95 % within {distance['percentile95_mm']:.2f} mm")
    out(f"wrote {options.output}")
    return 0


def synth(options: argparse.Namespace) -> int:
    """Synthetic people -> shards of pictures with truth."""
    from cephalon.synth.command import run

    return run(options, out=out)


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


def info(options: argparse.Namespace) -> int:
    """What a file holds -> stdout."""
    from cephalon.describe import describe

    found = describe(options.file)
    if options.json:
        out(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            out(f"{name}: {value if not isinstance(value, list) else ', '.join(map(str, value))}")
    return 0


def assets(options: argparse.Namespace) -> int:
    """List the files that Cephalon uses, or fetch an optional one."""
    from cephalon import assets

    if options.action == "list":
        for line in assets.listing():
            out(line)
        return 0
    if not options.name:
        raise InputError(f"assets get: say which; known are: {', '.join((*assets.fetchable(), *assets.collections()))}")
    path = assets.get(options.name, progress=say)
    out(f"{options.name} is in {path}")
    return 0


def licenses(options: argparse.Namespace) -> int:
    """Licences of code, model, weights and data -> stdout."""
    from cephalon import assets

    del options
    for line in assets.licenses():
        out(line)
    return 0


def cite(options: argparse.Namespace) -> int:
    """How to cite -> stdout."""
    from importlib import resources

    del options
    out((resources.files("cephalon") / "data" / "cite.txt").read_text(encoding="utf-8").rstrip())
    return 0
