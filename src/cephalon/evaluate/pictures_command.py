"""Commands of the protocols on pictures and arrays: normals, integration, texture, tracking."""

from __future__ import annotations

import argparse
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cephalon.core import CephalonError, InputError

if TYPE_CHECKING:
    from cephalon.evaluate.command import Above
    from cephalon.evaluate.judge import Outcome

_MAX_BYTES = 1024 * 2**20

# name -> (help, the folder of the truth, what its files hold)
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
        parser.add_argument(folder, dest="truth", required=True, metavar="DIR")
        parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default 0)")
        output(parser, "evaluation")
        parser.set_defaults(run=lambda options: _run(options, above))


def _run(options: argparse.Namespace, above: Above) -> int:
    from cephalon.evaluate.command import method_folders
    from cephalon.evaluate.layout import folder_of
    from cephalon.evaluate.results import Study
    from cephalon.evaluate.write import check_writable, write_study

    check_writable(options.output, options.force)
    truth = folder_of(options.truth, "truth:")
    start = time.perf_counter()
    if options.protocol == "integration":
        methods: dict[str, Path] = {}
        outcomes = list(_integration(truth, _numbers(options.lambdas)))
    else:
        methods = {
            name: folder_of(path, f"predictions of {name}:")
            for name, path in method_folders(options.predictions).items()
        }
        outcomes = [
            outcome
            for method, folder in methods.items()
            for outcome in _JUDGES[options.protocol](method, folder, truth)
        ]
        if options.protocol == "texture":
            outcomes = [*_texture_baselines(truth), *outcomes]
    if not outcomes:
        raise InputError(f"{truth}: nothing to judge against; see docs/evaluate.md for how the folder has to look")
    study = Study(options.protocol, list(dict.fromkeys(outcome.method for outcome in outcomes)))
    for outcome in outcomes:
        study.add(outcome)
    record = {
        "settings": {"predictions": {name: str(path) for name, path in methods.items()}, "truth": str(truth)},
        "seconds": time.perf_counter() - start,
    }
    write_study(study, options, record, above_out=above.out)
    return 0


def _numbers(words: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(word) for word in words.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(0 <= number < 1e6 for number in numbers):
        raise InputError(f"--lambdas: expected numbers from 0 such as 0,0.1, got {words!r}")
    return numbers


# -- reading ----------------------------------------------------------------------------------------------------------


def read_arrays(path: Path, needed: tuple[str, ...]) -> dict[str, Any]:
    """Read an .npz file of named arrays (no pickle), or say which are missing."""
    import numpy as np

    from cephalon.files import read_bytes

    try:
        with np.load(
            io.BytesIO(read_bytes(path, max_bytes=_MAX_BYTES, what="array file")), allow_pickle=False
        ) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: not a readable .npz file ({error})") from error
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise InputError(f"{path}: expected arrays {', '.join(needed)}; missing: {', '.join(missing)}")
    return arrays


def _named(folder: Path, suffix: str) -> list[str]:
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in sorted(folder.rglob(f"*{suffix}"))]
    return [name for name in names if not name.endswith((".seen", ".skin"))]


def _judged(method: str, name: str, figures: Callable[[], dict[str, float]]) -> Outcome:
    from cephalon.evaluate.judge import Outcome

    empty = Outcome(method=method, name=name, subject=name.partition("/")[0], group="")
    try:
        return replace(empty, figures=figures())
    except CephalonError as error:
        return replace(empty, reason=str(error))
    except (ValueError, TypeError, ArithmeticError, MemoryError) as error:
        return replace(empty, reason=f"could not be judged ({type(error).__name__}: {error})")


def _needs(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"the prediction is missing: no {path}")
    return path


# -- the four ---------------------------------------------------------------------------------------------------------


def _normals(method: str, folder: Path, truth: Path) -> Iterator[Outcome]:
    from cephalon.evaluate.normals import normal_figures

    def figures(name: str) -> dict[str, float]:
        true = read_arrays(truth / f"{name}.npz", ("normals", "mask"))
        own = read_arrays(_needs(folder / f"{name}.npz"), ("normals", "mask"))
        return normal_figures(own["normals"], true["normals"], own["mask"], true["mask"])

    for name in _named(truth, ".npz"):
        yield _judged(method, name, lambda name=name: figures(name))


def _integration(maps: Path, lambdas: tuple[float, ...]) -> Iterator[Outcome]:
    from cephalon.evaluate.integration import depth_figures, integrate_all

    for name in _named(maps, ".npz"):
        try:
            arrays = read_arrays(maps / f"{name}.npz", ("normals", "magnitude", "mask", "depth"))
            ways = integrate_all(arrays["normals"], arrays["magnitude"], arrays["mask"], lambdas)
        except CephalonError as error:
            reason = error
            yield _judged("least squares, unweighted", name, lambda reason=reason: _raise(reason))
            continue
        for way, depth in ways.items():
            yield _judged(way, name, lambda d=depth, a=arrays: depth_figures(d, a["depth"], a["mask"]))


def _raise(error: Exception) -> dict[str, float]:
    raise error


def _picture(path: Path) -> Any:
    import numpy as np

    from cephalon.files import read_png

    image = read_png(path).astype(np.float64) / 255.0
    return np.repeat(image[..., None], 3, axis=-1) if image.ndim == 2 else image[..., :3]


def _true_texture(truth: Path, name: str) -> tuple[Any, Any, Any]:
    seen = truth / f"{name}.seen.png"
    skin = truth / f"{name}.skin.png"
    if not seen.is_file():
        raise InputError(f"{seen}: no such file; it has to be white where the photo shows the skin")
    return (
        _picture(truth / f"{name}.png"),
        _picture(seen)[..., 0] > 0.5,
        _picture(skin)[..., 0] > 0.5 if skin.is_file() else None,
    )


def _texture(method: str, folder: Path, truth: Path) -> Iterator[Outcome]:
    from cephalon.evaluate.texture import texture_figures

    def figures(name: str) -> dict[str, float]:
        true, seen, skin = _true_texture(truth, name)
        return texture_figures(_picture(_needs(folder / f"{name}.png")), true, seen, skin)

    for name in _named(truth, ".png"):
        yield _judged(method, name, lambda name=name: figures(name))


def _texture_baselines(truth: Path) -> Iterator[Outcome]:
    from cephalon.evaluate.texture import baselines, texture_figures

    def figures(name: str, kind: str) -> dict[str, float]:
        true, seen, skin = _true_texture(truth, name)
        return texture_figures(baselines(true, seen, skin)[kind], true, seen, skin)

    for kind in ("mean skin", "mirrored", "mirrored + smooth fill"):
        for name in _named(truth, ".png"):
            yield _judged(kind, name, lambda name=name, kind=kind: figures(name, kind))


def _tracking(method: str, folder: Path, truth: Path) -> Iterator[Outcome]:
    from cephalon.evaluate import tracking

    def figures(name: str) -> dict[str, float]:
        true = read_arrays(truth / f"{name}.npz", ())
        own = read_arrays(_needs(folder / f"{name}.npz"), ())
        found: dict[str, float] = {}
        if "depth" in true and "depth" in own:
            found["depth_rmse_mm"] = tracking.depth_rmse(own["depth"], true["depth"])
        if {"image", "mask"} <= set(true) and "image" in own:
            found["photo_rmse"] = tracking.photometric_rmse(own["image"], true["image"], true["mask"])
        if "landmarks" in own:
            found["jitter_px"] = tracking.jitter(own["landmarks"])
        if "neutral" in own:
            found["drift_mm"] = tracking.identity_drift(own["neutral"])
        if not found:
            raise InputError(f"{folder / name}.npz: expected some of the arrays depth, image, landmarks, neutral")
        return found

    for name in _named(truth, ".npz"):
        yield _judged(method, name, lambda name=name: figures(name))


_JUDGES = {"normals": _normals, "texture": _texture, "tracking": _tracking}
