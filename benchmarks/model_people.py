"""Sampled people of the head model beside published anthropometry.

    PYTHONPATH=. python benchmarks/model_people.py [--model head.npz] [--count 300] [--sheet people.png]

Prints Markdown tables: men and women of 18 to 60 years (means, standard deviations, correlations within a sex), children
by age and sex, ageing of adults. Targets are those of `builders.head.anthropometry`, which names the surveys; a mean is
met within 3 % (children 4 %), a standard deviation within 20 %, a correlation within 0.15. The sheet shows 100 people of
3 to 90 years, front and profile.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.anthropometry import CORRELATED, CORRELATIONS, TARGETS, expected
from cephalon.head import HeadModel
from cephalon.head.anatomy import anatomy_of
from cephalon.head.measures import MEASURES

Float = NDArray[np.float64]
SEXES = ("male", "female")
CHILD_AGES = (3.0, 6.0, 9.0, 12.0, 15.0, 18.0)
CHILD_MEASURES = ("head breadth", "head length", "head circumference", "bizygomatic breadth", "menton-sellion length")
AGEING = ("ear length", "ear breadth", "nose length", "subnasale-sellion length", "nose breadth", "philtrum length",
          "lip length", "upper vermilion height", "menton-sellion length", "palpebral fissure height")  # fmt: skip


def measures(model: HeadModel, heads: list[Float]) -> Float:
    """Measures (p, q) mm of heads, in the order of the targets."""
    anatomy = anatomy_of(model)
    return np.array([[MEASURES[name].function(head, anatomy).mm for name in TARGETS] for head in heads])


def draw(model: HeadModel, rng: np.random.Generator, count: int, sex: str, ages: Float | None) -> list[Float]:
    """Heads (n, 3) of one sex, of the ages given or evenly of 18 to 60 years."""
    drawn = rng.uniform(18, 60, count) if ages is None else ages
    return [model.vertices(model.sample(rng=rng, age=float(age), sex=sex)) for age in drawn]


def adults(model: HeadModel, rng: np.random.Generator, count: int) -> None:
    print("| measure | men mean | target | sd | target | women mean | target | sd | target | met |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    taken = [measures(model, draw(model, rng, count, sex, None)) for sex in SEXES]
    met_means = met_sds = 0
    for row, (name, target) in enumerate(TARGETS.items()):
        cells, good_mean, good_sd = [], [], []
        for i, values in enumerate(taken):
            mean, sd = values[:, row].mean(), values[:, row].std()
            cells += [f"{mean:.1f}", f"{target.mean[i]:.1f}", f"{sd:.1f}", f"{target.sd[i]:.1f}"]
            good_mean.append(abs(mean / target.mean[i] - 1) <= 0.03)
            good_sd.append(abs(sd / target.sd[i] - 1) <= 0.20)
        met_means, met_sds = met_means + sum(good_mean), met_sds + sum(good_sd)
        missed = [f"mean {s}" for s, g in zip("mw", good_mean, strict=True) if not g]
        missed += [f"sd {s}" for s, g in zip("mw", good_sd, strict=True) if not g]
        print(f"| {name} | " + " | ".join(cells) + f" | {'yes' if not missed else 'no: ' + ', '.join(missed)} |")
    total = 2 * len(TARGETS)
    print(f"\nmeans within 3 %: {met_means} of {total}; standard deviations within 20 %: {met_sds} of {total}")
    names = list(TARGETS)
    columns = [names.index(name) for name in CORRELATED]
    found = np.mean([np.corrcoef(values[:, columns].T) for values in taken], axis=0)
    apart = [
        (abs(found[i, j] - value), CORRELATED[i], CORRELATED[j], found[i, j], value)
        for i, line in enumerate(CORRELATIONS)
        for j, value in enumerate(line)
    ]
    apart.sort(reverse=True)
    inside = sum(a[0] <= 0.15 for a in apart)
    print(f"correlations within 0.15 of NIOSH 2003: {inside} of {len(apart)}; farthest:")
    for _, a, b, value, goal in apart[:5]:
        print(f"  {a} and {b}: {value:.2f}, published {goal:.2f}")


def children(model: HeadModel) -> None:
    print("\n| measure | sex | " + " | ".join(f"{age:.0f} y" for age in CHILD_AGES) + " |")
    print("|---|---|" + "---|" * len(CHILD_AGES))
    rows = [list(TARGETS).index(name) for name in CHILD_MEASURES]
    worst = 0.0
    for sex in SEXES:
        heads = []
        for age in CHILD_AGES:
            z = model.link.condition(age=age, sex=sex)[0]
            heads.append(model.mean + np.tensordot(z, model.identity_basis.astype(np.float64), axes=1))
        found = measures(model, heads)[:, rows]
        ages = np.array(CHILD_AGES)
        goal = expected(ages, np.full(len(ages), sex == "male"), np.full(len(ages), 27.0))[:, rows]
        worst = max(worst, float(np.abs(found / goal - 1).max()))
        for column, name in enumerate(CHILD_MEASURES):
            cells = [
                f"{f:.0f} ({100 * (f / g - 1):+.1f} %)" for f, g in zip(found[:, column], goal[:, column], strict=True)
            ]
            print(f"| {name} | {sex} | " + " | ".join(cells) + " |")
    print(f"\nfarthest from the published mean: {100 * worst:.1f} %")


def ageing(model: HeadModel) -> None:
    print("\n| measure | 25 y | 45 y | 65 y | 80 y |\n|---|---|---|---|---|")
    heads = []
    for age in (25.0, 45.0, 65.0, 80.0):
        z = model.link.condition(age=age)[0]
        heads.append(model.mean + np.tensordot(z, model.identity_basis.astype(np.float64), axes=1))
    found = measures(model, heads)
    for name in AGEING:
        print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in found[:, list(TARGETS).index(name)]) + " |")


def sheet(model: HeadModel, rng: np.random.Generator, path: Path) -> None:
    """Draw 100 people of 3 to 90 years, ordered by age, front above profile."""
    from PIL import Image

    from cephalon.report.pictures import FRONT, PROFILE, picture, side_by_side

    ages = np.concatenate([np.linspace(3, 17, 20), np.linspace(18, 90, 80)])
    heads = [model.vertices(model.sample(rng=rng, age=float(a), sex=SEXES[i % 2])) for i, a in enumerate(ages)]
    rows = []
    for start in range(0, len(heads), 10):
        for view in (FRONT, PROFILE):
            rows.append([picture(model, head, view, 170) for head in heads[start : start + 10]])
    Image.fromarray(side_by_side(rows)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    model = HeadModel.load(options.model)
    if options.sheet is not None:
        sheet(model, np.random.default_rng(options.seed), options.sheet)
        return
    adults(model, np.random.default_rng(options.seed), options.count)
    children(model)
    ageing(model)


if __name__ == "__main__":
    main()
