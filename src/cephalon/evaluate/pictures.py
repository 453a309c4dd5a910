"""Judging pictures and arrays in folders: normals, integration, texture, tracking; each with a row that knows nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cephalon.core import InputError
from cephalon.evaluate import integration, tracking
from cephalon.evaluate.judge import Outcome, why
from cephalon.evaluate.normals import normal_figures
from cephalon.evaluate.texture import baselines, other_side_figures, texture_figures
from cephalon.files import read_bytes, read_obj, read_png
from cephalon.files.npz import read_npz

if TYPE_CHECKING:
    from cephalon.geometry import Mesh

FLAT = "flat"
COMPLETIONS = ("mean skin", "mirrored", "mirrored + smooth fill")
BASELINES = {"normals": (FLAT,), "integration": (FLAT,), "texture": COMPLETIONS, "tracking": (FLAT,)}
_MAX_BYTES = 1024 * 2**20
_CLIP = ("depth", "image", "landmarks", "neutral")

Figures = Callable[[str], dict[str, float]]


# -- reading ----------------------------------------------------------------------------------------------------------


def read_arrays(path: Path, needed: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Read an .npz file of named arrays of numbers (no pickle, 1 GiB unpacked at the most), or say what is missing."""
    data = read_bytes(path, max_bytes=_MAX_BYTES, what="array file")
    arrays = read_npz(data, where=str(path), what=".npz file", max_unpacked=_MAX_BYTES)
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise InputError(
            f"{path}: expected arrays {', '.join(needed)}; missing: {', '.join(missing)} (arrays of Python objects are not read)"
        )
    for name in (name for name in arrays if name in (*needed, *_CLIP, "mask")):
        if arrays[name].dtype.kind not in "fiub":
            raise InputError(f"{path}: {name} is no array of numbers")
    return arrays


def named(folder: Path, suffix: str) -> list[str]:
    """Return the names, without suffix, of the files in a folder and below that are judged against."""
    names = [path.relative_to(folder).as_posix().removesuffix(suffix) for path in sorted(folder.rglob(f"*{suffix}"))]
    return [name for name in names if not name.endswith((".seen", ".skin"))]


def _judged(method: str, name: str, figures: Figures, notes: tuple[str, ...] = ()) -> Outcome:
    empty = Outcome(method=method, name=name, subject=name.partition("/")[0], group="", notes=notes)
    try:
        return replace(empty, figures=figures(name))
    except Exception as error:
        return replace(empty, reason=why(error))


def _needs(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"the prediction is missing: no {path}")
    return path


# -- normals ----------------------------------------------------------------------------------------------------------


def normals(methods: dict[str, Path], truth: Path) -> Iterator[Outcome]:
    """Judge `METHOD/name.npz` by `TRUTH/name.npz`, both with `normals` and `mask`; "flat" faces the viewer everywhere."""

    def flat(name: str) -> dict[str, float]:
        true = read_arrays(truth / f"{name}.npz", ("normals", "mask"))
        plane = np.broadcast_to([0.0, 0.0, 1.0], true["normals"].shape)
        return normal_figures(plane, true["normals"], true["mask"], true["mask"])

    for name in named(truth, ".npz"):
        yield _judged(FLAT, name, flat)
    for method, folder in methods.items():

        def figures(name: str, folder: Path = folder) -> dict[str, float]:
            true = read_arrays(truth / f"{name}.npz", ("normals", "mask"))
            own = read_arrays(_needs(folder / f"{name}.npz"), ("normals", "mask"))
            return normal_figures(own["normals"], true["normals"], own["mask"], true["mask"])

        for name in named(truth, ".npz"):
            yield _judged(method, name, figures)


# -- integration ------------------------------------------------------------------------------------------------------


def integrations(maps: Path, lambdas: tuple[float, ...]) -> Iterator[Outcome]:
    """Integrate `MAPS/name.npz` in every way and compare with its `depth`; "flat" is a plane. A bad file fails in all."""
    ways = (FLAT, *integration.way_names(lambdas))
    for name in named(maps, ".npz"):
        try:
            arrays = read_arrays(maps / f"{name}.npz", ("normals", "magnitude", "mask", "depth"))
            depths = integration.integrate_all(arrays["normals"], arrays["magnitude"], arrays["mask"], lambdas)
        except Exception as error:
            for way in ways:
                yield replace(_judged(way, name, lambda _: {}), reason=why(error))
            continue
        depths[FLAT] = np.zeros(arrays["depth"].shape)
        for way in ways:

            def figures(_: str, depth: Any = depths[way], own: dict[str, Any] = arrays) -> dict[str, float]:
                return integration.depth_figures(depth, own["depth"], own["mask"])

            yield _judged(way, name, figures)


# -- texture ----------------------------------------------------------------------------------------------------------


def textures(methods: dict[str, Path], truth: Path, head: Mesh) -> Iterator[Outcome]:
    """Judge `METHOD/name.png` by `TRUTH/name.png`; the head that shows the other side is `TRUTH/name.obj`, else `head`."""

    def both(name: str, texture: Callable[[Any, Any, Any], Any]) -> dict[str, float]:
        true, seen, skin = _true_texture(truth, name)
        albedo = texture(true, seen, skin)
        own = truth / f"{name}.obj"
        mesh = read_obj(own, unit="mm").mesh if own.is_file() else head
        return {**texture_figures(albedo, true, seen, skin), **other_side_figures(albedo, true, seen, mesh)}

    for kind in COMPLETIONS:

        def simple(name: str, kind: str = kind) -> dict[str, float]:
            return both(name, lambda true, seen, skin: baselines(true, seen, skin)[kind])

        for name in named(truth, ".png"):
            yield _judged(kind, name, simple)
    for method, folder in methods.items():

        def figures(name: str, folder: Path = folder) -> dict[str, float]:
            return both(name, lambda *_: _picture(_needs(folder / f"{name}.png")))

        for name in named(truth, ".png"):
            yield _judged(method, name, figures)


def _picture(path: Path) -> npt.NDArray[np.float64]:
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


# -- tracking ---------------------------------------------------------------------------------------------------------


def trackings(methods: dict[str, Path], truth: Path) -> Iterator[Outcome]:
    """Judge `METHOD/name.npz` by `TRUTH/name.npz`; "flat" is a plane at each frame's true median depth."""

    def flat(name: str) -> dict[str, float]:
        true = read_arrays(truth / f"{name}.npz", ("depth",))["depth"].astype(np.float64)
        known = np.where(np.isfinite(true) & (true > 0), true, np.nan)
        frames = known.reshape(len(known), -1)
        middle = np.array([np.nanmedian(frame) if np.isfinite(frame).any() else np.nan for frame in frames])
        return {"depth_rmse_mm": tracking.depth_rmse(np.broadcast_to(middle[:, None, None], true.shape), true)}

    names = named(truth, ".npz")
    for name in names:
        outcome = _judged(FLAT, name, flat)
        if not outcome.reason or "missing: depth" not in outcome.reason:  # a clip without true depth has no such row
            yield outcome
    for method, folder in methods.items():
        for name in names:
            lacking: list[str] = []

            def figures(name: str, folder: Path = folder, lacking: list[str] = lacking) -> dict[str, float]:
                true = read_arrays(truth / f"{name}.npz", ())
                own = read_arrays(_needs(folder / f"{name}.npz"), ())
                lacking += [kind for kind in _CLIP if kind in true and kind not in own]
                return _clip(own, true, folder / f"{name}.npz")

            outcome = _judged(method, name, figures)
            note = (f"{method} has no {' and no '.join(lacking)} in {name}: it counts in no mean of those",)
            yield replace(outcome, notes=note if lacking and not outcome.reason else ())


def _clip(own: dict[str, Any], true: dict[str, Any], path: Path) -> dict[str, float]:
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
        raise InputError(
            f"{path}: expected some of the arrays {', '.join(_CLIP)}, with their truth where they have one"
        )
    return found
