"""The fit on synthetic people: error beside the mean head's, intervals, size, time beside scipy's general least squares.

    python benchmarks/fit.py [--people 40] [--seed 0] [--json FILE]

One thread, seeded; prints tables in Markdown. People are drawn from the head model and photographed from several sides;
their MediaPipe points carry 0.8 mm of noise, 82 % of it smooth over the face, exactly as the fit is told (so this measures
the estimator, not a landmarker). Expressions are drawn from the fit's prior, or sparser with `--expressions sparse`. Errors
are means over people, after rigid alignment without scale; a ratio below 1 beats the mean head. Intervals are those of all
measures. Size is the mean of log(fitted / true), of the root of the summed squared distances of the points from their
centre. Times are of the process. The peer minimises the same energy from the same start with the same derivatives, dense,
by `scipy.optimize.least_squares` (trust region with bounds).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402 - after the thread counts are set
from scipy.optimize import least_squares  # noqa: E402
from scipy.stats import norm  # noqa: E402

from cephalon.fit import Cues, FitOptions, fit  # noqa: E402
from cephalon.fit.estimate import _poses, _start  # noqa: E402
from cephalon.fit.problem import build_problem  # noqa: E402
from cephalon.fit.solver import solve  # noqa: E402
from cephalon.geometry import left_jacobian_so3, procrustes  # noqa: E402
from cephalon.head import HeadModel  # noqa: E402
from tests.fit.synthetic import draw_expression, expressions_of_prior, pose, see  # noqa: E402

PHOTOS = (1, 2, 3, 5)
YAWS_DEG = (0, 30, -30, 50, -15)
LEVELS = (0.5, 0.8, 0.9, 0.95)
OPTIONS = FitOptions(residual_scale=0.0, expression_residual=0.0, claim_tempering=1.0, between_photos=0.0)
CUES = Cues(iris_mm=None)


def photographs(model: HeadModel, identity, expressions, rng) -> list:
    return [
        see(
            model,
            identity,
            rng=rng,
            place=pose(yaw + rng.normal(0, 5), rng.normal(0, 6), rng.normal(0, 4), float(np.exp(rng.normal(6.8, 0.4)))),
            focal35_mm=float(np.exp(rng.normal(np.log(OPTIONS.focal35_mm), 0.4))),
            expression=expression,
        ).observation
        for yaw, expression in zip(YAWS_DEG, expressions, strict=True)
    ]


def vertex_error(vertices, truth, rows) -> float:
    a, b = vertices[rows], truth[rows]
    return float(np.linalg.norm(procrustes(a, b).apply(a) - b, axis=1).mean())


def draw_expressions(model: HeadModel, people: int, kind: str, rng) -> np.ndarray:
    """(people, photos, 52) coefficients."""
    count = people * len(YAWS_DEG)
    if kind == "prior":
        drawn = expressions_of_prior(model, OPTIONS, count, rng)
    else:
        drawn = np.array([draw_expression(model, rng) for _ in range(count)])
    return drawn.reshape(people, len(YAWS_DEG), -1)


def log_size(model: HeadModel, identity) -> float:
    points = model.points(model.code(identity=identity), "mediapipe478")
    return float(np.log(np.linalg.norm(points - points.mean(0))))


def accuracy(model: HeadModel, people: int, seed: int, kind: str) -> dict:
    rng = np.random.default_rng(seed)
    expressions = draw_expressions(model, people, kind, rng)
    skin = np.arange(model.parts["skin"].vertices.stop)
    regions = {"face": np.flatnonzero(model.regions["face"] > 0.5), "head": skin}
    errors = {count: {name: [] for name in (*regions, "measures")} for count in (0, *PHOTOS)}
    deviations = {count: [] for count in PHOTOS}
    times = {count: [] for count in PHOTOS}
    converged = {count: 0 for count in PHOTOS}
    sizes = {count: [] for count in (0, *PHOTOS)}
    fit(photographs(model, np.zeros(model.identity_count), expressions[0], rng)[:1], model, OPTIONS, CUES)  # warm-up
    for own_expressions in expressions:
        identity = rng.standard_normal(model.identity_count)
        truth = model.vertices(model.code(identity=identity))
        measured = model.measure(truth)
        seen = photographs(model, identity, own_expressions, rng)
        for count in (0, *PHOTOS):
            vertices, found = model.mean, np.zeros(model.identity_count)
            if count:
                start = time.process_time()
                posterior = fit(seen[:count], model, OPTIONS, CUES)
                times[count].append(1e3 * (time.process_time() - start) / count)
                found = posterior.identity
                converged[count] += posterior.status == "converged"
                vertices = model.vertices(model.code(identity=posterior.identity))
                claimed = model.measures_with_sigma(vertices, posterior.identity_factor())
                # the model's residual is no part of these people
                floor = model.measures_with_sigma(vertices, np.zeros_like(posterior.identity_factor()))
                for name, (mm, sigma) in claimed.items():
                    spread = np.sqrt(max(sigma**2 - floor[name][1] ** 2, 1e-6))
                    deviations[count].append((mm - measured[name]) / spread)
            for name, rows in regions.items():
                errors[count][name].append(vertex_error(vertices, truth, rows))
            sizes[count].append(log_size(model, found) - log_size(model, identity))
            own = model.measure(vertices)
            errors[count]["measures"].append(np.mean([abs(own[name] - measured[name]) for name in measured]))
    rows = {}
    for count in PHOTOS:
        rows[count] = {
            "converged": f"{converged[count]}/{people}",
            "ms_per_photo": round(statistics.median(times[count]), 1),
            "ms_per_photo_least": round(min(times[count]), 1),
            "ms_per_photo_90": round(float(np.quantile(times[count], 0.9)), 1),
            "coverage": {
                f"{level:.0%}": round(float((np.abs(deviations[count]) < norm.ppf(0.5 + level / 2)).mean()), 3)
                for level in LEVELS
            },
        }
        for name, of in (("size", count), ("size_of_mean_head", 0)):
            rows[count][name] = {
                "bias_percent": round(100 * float(np.mean(sizes[of])), 2),
                "standard_error": round(100 * float(np.std(sizes[of], ddof=1) / np.sqrt(people)), 2),
                "spread": round(100 * float(np.std(sizes[of], ddof=1)), 2),
            }
        for name in (*regions, "measures"):
            ours, mean = float(np.mean(errors[count][name])), float(np.mean(errors[0][name]))
            rows[count][name] = {"mm": round(ours, 2), "mean_head_mm": round(mean, 2), "ratio": round(ours / mean, 3)}
    return rows


def peer(model: HeadModel) -> dict:
    """Time of our solver and of scipy's on one photo: same factors, start, derivatives and bounds."""
    rng = np.random.default_rng(1)
    expressions = draw_expressions(model, 1, "sparse", rng)[0]
    observation = photographs(model, rng.standard_normal(model.identity_count), expressions, rng)[1]
    problem = build_problem([observation], model, OPTIONS, CUES)
    start = _start(problem, (_poses(problem, observation, 0, OPTIONS)[0],))
    layout, s = problem.layout, problem.layout.shared
    ours_ms = []
    for _ in range(5):
        begin = time.process_time()
        found = solve(
            problem.factors, start, layout, problem.free, max_iterations=40, tolerance=0.02, slack=(0.3, 0.03)
        )
        ours_ms.append(1e3 * (time.process_time() - begin))
    held = found.factors
    use = np.concatenate([np.ones(s, dtype=bool), problem.free[0], np.ones(layout.fields[0], dtype=bool)])
    turn = s + layout.rotation.start

    def state(x):
        full = np.zeros(len(use))
        full[use] = x
        return layout.moved(start, full[:s], (full[s:],)), full

    def rows(x, derivatives):
        at, full = state(x)
        chain = left_jacobian_so3(full[turn : turn + 3])
        parts = []
        for factor in held:
            residual, nu = factor.residual(at)
            if nu is None:
                scale, bend = np.ones(len(residual)), np.zeros(len(residual))
            else:  # r times sqrt(2 loss / r^2): the same energy as a plain sum of squares
                square = np.maximum((residual**2).sum(1), 1e-12)
                rho = 0.5 * (nu + residual.shape[1]) * np.log1p(square / nu)
                scale = np.sqrt(2 * rho / square)
                slope = 0.5 * (nu + residual.shape[1]) / (nu + square)
                bend = 2 * (slope * square - rho) / (square**2 * scale)
            if not derivatives:
                parts.append((scale[:, None] * residual).reshape(-1))
                continue
            terms = factor.terms(at)
            own = np.zeros((residual.size, len(use)))
            own[:, terms.columns] = terms.jacobian
            own[:, turn : turn + 3] = own[:, turn : turn + 3] @ chain
            grouped = own.reshape(*residual.shape, -1)
            along = np.einsum("gd,gdc->gc", residual, grouped)
            grouped = scale[:, None, None] * grouped + (bend[:, None] * residual)[:, :, None] * along[:, None]
            parts.append(grouped.reshape(residual.size, -1)[:, use])
        return np.concatenate(parts)

    low, high = np.full(len(use), -np.inf), np.full(len(use), np.inf)
    low[s : s + layout.expressions], high[s : s + layout.expressions] = -1e-9, 1.0
    first = np.zeros(int(use.sum()))
    scipy_ms = []
    for _ in range(2):
        begin = time.process_time()
        other = least_squares(
            lambda x: rows(x, False),
            first,
            jac=lambda x: rows(x, True),
            bounds=(low[use], high[use]),
            x_scale="jac",
            ftol=1e-4,
            max_nfev=200,
        )
        scipy_ms.append(1e3 * (time.process_time() - begin))
    return {
        "ours_ms": round(min(ours_ms), 1),
        "ours_energy": round(found.energy, 2),
        "ours_steps": found.iterations,
        "scipy_ms": round(min(scipy_ms), 1),
        "scipy_energy": round(float(other.cost), 2),
        "scipy_steps": int(other.nfev),
        "ratio": round(min(ours_ms) / min(scipy_ms), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--expressions", choices=("prior", "sparse"), default="prior")
    parser.add_argument("--json")
    options = parser.parse_args()
    model = HeadModel.load()
    rows = accuracy(model, options.people, options.seed, options.expressions)
    print("| photos | face mm | ratio | whole head mm | ratio | measures mm | ratio | ms a photo: median, least |")
    print("|---|---|---|---|---|---|---|---|")
    for count, row in rows.items():
        cells = " | ".join(f"{row[name]['mm']:.2f} | {row[name]['ratio']:.2f}" for name in ("face", "head", "measures"))
        print(f"| {count} | {cells} | {row['ms_per_photo']:.0f}, {row['ms_per_photo_least']:.0f} |")
    print("\n| photos | 50 / 80 / 90 / 95 % intervals hold | size bias | spread | mean head's bias | spread |")
    print("|---|---|---|---|---|---|")
    for count, row in rows.items():
        held = " / ".join(f"{100 * share:.0f}" for share in row["coverage"].values())
        cells = " | ".join(
            f"{row[name]['bias_percent']:+.2f} ± {row[name]['standard_error']:.2f} % | {row[name]['spread']:.1f} %"
            for name in ("size", "size_of_mean_head")
        )
        print(f"| {count} | {held} % | {cells} |")
    print(f"\nconverged: {', '.join(row['converged'] for row in rows.values())}")
    beside = peer(model)
    print(
        f"one photo, same energy and start, without the size term: ours {beside['ours_ms']:.0f} ms to "
        f"{beside['ours_energy']} nats, scipy {beside['scipy_ms']:.0f} ms to {beside['scipy_energy']} nats, "
        f"ratio {beside['ratio']}"
    )
    if options.json:
        record = {
            "photos": rows,
            "peer": beside,
            "people": options.people,
            "seed": options.seed,
            "expressions": options.expressions,
            "model_sha256": model.sha256,
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, 1 thread",
            "python": platform.python_version(),
            "numpy": np.__version__,
        }
        Path(options.json).write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
