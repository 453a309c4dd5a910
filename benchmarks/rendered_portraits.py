"""The fit on portraits of people whose head is known, through MediaPipe: error, size, intervals, by number of photos.

    python benchmarks/rendered_portraits.py --data DATA [--people 40] [--heads FILE.npz] [--seed 4242] [--keep FOLDER]
        [--json FILE]

Portraits are rendered with CC0 skins, hair, panoramas and backgrounds (`builders.head.portraits`, extra `build`), half of
them with an expression (the first two conditions: the same portrait at rest and with a natural smile), and go through the
landmarker and the fit with the default options, the iris as the only cue. The people are drawn from the head model with a
seed that no calibration used; or `--heads` names an npz with `vertices` (m, n, 3) mm of other heads on the model's topology,
which the model was not built from. The named points are those traced on renders (`traced_model`): the shift that settles
them on photos does not exist here.

Errors are means over people of the distance between true and fitted vertices, face and whole skin, after rigid
alignment over the face (metric) and with scale (shape); a ratio below 1 beats the mean head. `size` is the mean log
ratio of fitted to true size with its standard error; `pitch` mean and sd of fitted minus true pitch in degrees, positive
where the fitted head looks up more. `hold` is the share of all measures of the head inside their stated
intervals. `chi2` is the mean squared error of the best-determined directions of identity in units of what is claimed
(1 is honest; only for people from the model). `--keep` keeps the pictures, by model, heads and seed, and takes what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402 - after the thread counts are set
from numpy.typing import NDArray  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import norm  # noqa: E402

from builders.head.base import load_base  # noqa: E402
from builders.head.points import traced_model  # noqa: E402
from builders.head.portraits import PortraitKit, portrait_camera, portrait_pose, view_angles  # noqa: E402
from cephalon.core import CephalonError  # noqa: E402
from cephalon.fit import fit  # noqa: E402
from cephalon.geometry import Rigid, procrustes  # noqa: E402
from cephalon.head import HeadModel, sample_expressions  # noqa: E402
from cephalon.observe import MediaPipeLandmarks  # noqa: E402
from cephalon.photo import Photo  # noqa: E402
from cephalon.values import Observation, Posterior  # noqa: E402

Float = NDArray[np.float64]

CONDITIONS: dict[str, tuple[float, ...]] = {
    "1 at rest": (0,),
    "1 smiling": (0,),
    "1 frontal": (0,),
    "1 three-quarter": (38,),
    "3 photos": (0, 38, -38),
    "5 photos": (0, 38, -38, 20, -20),
}
"""Yaw in degrees of the photos of each condition, jittered by 5."""
LEVELS = (0.5, 0.8, 0.9, 0.95)
DETERMINED = 15
"""Directions of identity for `chi2`."""


def people(model: HeadModel, count: int, seed: int, heads: Path | None) -> Iterator[tuple[Float, Float | None]]:
    """Yield (n, 3) neutral heads in mm and, for people from the model, their identity."""
    if heads is not None:
        with np.load(heads, allow_pickle=False) as file:
            given = np.asarray(file["vertices"], dtype=np.float64)
        for head in given[:count]:
            yield head, None
        return
    for rng in np.random.default_rng(seed).spawn(count):
        code = model.sample(rng=rng)
        yield model.vertices(code), code.identity


def any_face(model: HeadModel, rng: np.random.Generator) -> Float:
    """Half the time at rest, else a smile, an open jaw, a frown or a pout."""
    expression = np.zeros(len(model.expression_names))
    if rng.random() < 0.5:
        group = str(rng.choice(["mouthSmile", "jawOpen", "browDown", "mouthPucker"]))
        rows = [k for k, name in enumerate(model.expression_names) if name.startswith(group)]
        expression[rows] = rng.uniform(0.15, 0.7)
    return expression


def photographs(
    model: HeadModel,
    kit: PortraitKit,
    source: MediaPipeLandmarks,
    head: Float,
    yaws: tuple[float, ...],
    face: Callable[[np.random.Generator], Float],
    *,
    rng: np.random.Generator,
    keep: str | None,
) -> tuple[list[Observation], list[Rigid]]:
    """Observations of one person from several sides, and the true poses; `keep` is how files of pictures begin."""
    seen, poses = [], []
    for number, yaw in enumerate(yaws):
        posed = head + model.vertices(model.code(expression=face(rng))) - model.mean
        distance = float(np.clip(np.exp(rng.normal(6.8, 0.4)), 400, 3000))
        angles = (yaw + rng.normal(0, 5), rng.normal(0, 6), rng.normal(0, 4))
        pose, look = portrait_pose(angles, distance), kit.look(rng=rng)
        file = None if keep is None else Path(f"{keep}-{number}.png")
        if file is not None and file.exists():
            photo = Photo.open(file)
        else:
            photo = Photo.from_array(kit.render(posed, portrait_camera(640, distance), pose, look)[0])
            if file is not None:
                Image.fromarray(photo.rgb_srgb).save(file)
        try:
            seen.append(source.observe(photo))
        except CephalonError:  # no face found: this photo is missing
            continue
        poses.append(pose)
    return seen, poses


def distances(head: Float, truth: Float, rows: NDArray[np.intp], face: NDArray[np.intp], *, scale: bool) -> float:
    """Mean distance over `rows` after alignment over `face`, mm of the truth."""
    placed = procrustes(head[face], truth[face], with_scale=scale).apply(head)
    return float(np.linalg.norm(placed[rows] - truth[rows], axis=1).mean())


def errors(model: HeadModel, head: Float, truth: Float) -> dict[str, float]:
    """Errors of one head in mm, and the log ratio of its size over the face."""
    face = np.flatnonzero(model.regions["face"] > 0.5)
    skin = np.arange(model.parts["skin"].vertices.stop)
    own, known = model.measure(head), model.measure(truth)
    return {
        "face metric": distances(head, truth, face, face, scale=False),
        "face shape": distances(head, truth, face, face, scale=True),
        "head metric": distances(head, truth, skin, face, scale=False),
        "measures": float(np.mean([abs(own[name] - known[name]) for name in known])),
        "size": -float(np.log(procrustes(head[face], truth[face], with_scale=True).scale)),
    }


def deviations(model: HeadModel, posterior: Posterior, truth: Float) -> list[float]:
    """Errors of all measures in units of their stated sd."""
    head, known = model.vertices(model.code(identity=posterior.identity)), model.measure(truth)
    claimed = model.measures_with_sigma(head, posterior.identity_factor())
    return [(mm - known[name]) / sigma for name, (mm, sigma) in claimed.items()]


def chi2(posterior: Posterior, identity: Float) -> float:
    """Mean squared error, in claimed variances, over the best-determined directions of identity."""
    values, vectors = np.linalg.eigh(posterior.identity_sqrt_precision.T @ posterior.identity_sqrt_precision)
    along = vectors[:, -DETERMINED:].T @ (posterior.identity - identity)
    return float((along**2 * values[-DETERMINED:]).mean())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with skins, hair, panoramas and backgrounds")
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--heads", type=Path, help="npz with vertices (m, n, 3) mm of heads on the model's topology")
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--keep", type=Path, help="folder for the rendered pictures")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    model = HeadModel.load()
    traced = traced_model(model)
    kit = PortraitKit(load_base(), options.data, model.mean)
    source = MediaPipeLandmarks(expression_names=model.expression_names)
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in ("mean head", *CONDITIONS)}
    held: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    honest: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    pitches: dict[str, list[float]] = {name: [] for name in CONDITIONS}
    begin = None
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        begin = str(
            options.keep / f"{model.sha256[:8]}-{options.heads.stem if options.heads else 'own'}-{options.seed}"
        )
    missing = 0
    for index, (truth, identity) in enumerate(people(model, options.people, options.seed, options.heads)):
        rows["mean head"].append(errors(model, model.mean, truth))
        for number, (name, yaws) in enumerate(CONDITIONS.items()):

            def face(rng: np.random.Generator, name: str = name, index: int = index) -> Float:
                if name == "1 at rest":
                    return np.zeros(len(model.expression_names))
                if name == "1 smiling":
                    return sample_expressions(rng=np.random.default_rng([options.seed, index]), kind="smile")[0]
                return any_face(model, rng)

            # at rest and smiling are the same portrait otherwise
            rng = np.random.default_rng([options.seed, index, max(number - 2, -1) + 1000 * (number < 2)])
            keep = None if begin is None else f"{begin}-{index}-{number}"
            seen, poses = photographs(traced, kit, source, truth, yaws, face, rng=rng, keep=keep)
            missing += len(yaws) - len(seen)
            if not seen:
                continue
            posterior = fit(seen, traced)
            rows[name].append(errors(model, model.vertices(model.code(identity=posterior.identity)), truth))
            held[name] += deviations(model, posterior, truth)
            for fitted, pose in zip(posterior.photos, poses, strict=True):
                pitches[name].append(view_angles(fitted.camera_from_head)[1] - view_angles(pose)[1])
            if identity is not None:
                honest[name].append(chi2(posterior, identity))
        print(f"{index + 1:4d}", end="\r", file=sys.stderr, flush=True)
    print(f"{len(rows['mean head'])} people, photos without a face found: {missing}; {platform.machine()}, one thread")
    print("| | face metric mm (ratio) | face shape mm (ratio) | head metric mm (ratio) | measures mm (ratio) | size % | pitch |"
          " 50 / 80 / 90 / 95 % hold | chi2 |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    table = {}
    kinds = ("face metric", "face shape", "head metric", "measures")
    base = {kind: np.mean([row[kind] for row in rows["mean head"]]) for kind in kinds}
    for name, found in rows.items():
        mean = {kind: float(np.mean([row[kind] for row in found])) for kind in kinds}
        sizes = 100 * np.array([row["size"] for row in found])
        inside = (
            [float((np.abs(held[name]) < norm.ppf(0.5 + level / 2)).mean()) for level in LEVELS] if name in held else []
        )
        table[name] = {
            **mean, "size_percent": float(sizes.mean()), "size_se": float(sizes.std() / len(sizes) ** 0.5),
            "pitch_deg": float(np.mean(pitches[name])) if name in pitches else None,
            "pitch_sd_deg": float(np.std(pitches[name])) if name in pitches else None,
            "hold": inside, "chi2": float(np.mean(honest[name])) if honest.get(name) else None,
        }  # fmt: skip
        cells = " | ".join(f"{mean[kind]:.2f} ({mean[kind] / base[kind]:.2f})" for kind in kinds)
        shares = " / ".join(f"{100 * share:.0f}" for share in inside)
        ratio = f"{table[name]['chi2']:.1f}" if table[name]["chi2"] is not None else ""
        pitch = f"{np.mean(pitches[name]):+.1f} ± {np.std(pitches[name]):.1f}" if name in pitches else ""
        print(
            f"| {name} | {cells} | {sizes.mean():+.1f} ± {table[name]['size_se']:.1f} | {pitch} | {shares} | {ratio} |"
        )
    if options.json:
        options.json.write_text(json.dumps({"people": options.people, "seed": options.seed, "rows": table}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
