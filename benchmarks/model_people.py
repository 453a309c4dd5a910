"""Sampled people of the head model beside published anthropometry.

    PYTHONPATH=. python benchmarks/model_people.py [--model head.npz] [--count 300] [--sheet people.png]
        [--groups groups.png]

Prints Markdown tables: men and women of 18 to 60 years (means, standard deviations, correlations within a sex), children
by age and sex, ageing of adults. Targets are those of `builders.head.anthropometry`, which names the surveys; a mean is
met within 3 % (children 4 %), a standard deviation within 20 %, a correlation within 0.15. The sheet shows 100 people of
3 to 90 years, front and profile; the sheet of groups shows the mean man, woman, ancestry and age, from 0, 40 and 90 degrees.

Last come the shares of the face's variance that groups explain: the variance of the surface (vertices weighted by area,
all coordinates) after generalised Procrustes superimposition without and with removal of size, regressed on the groups.
`--count` people of each sex (25 years), of each pure ancestry, of mixed ancestries (Dirichlet(0.4)), and evenly of 25 to
70 years. Chance alone explains one part in the number of people. d' is the distance of the sexes' means in standard
deviations within a sex: of the whole head's code, and of the size-free face alone (Fisher's discriminant of 30 principal
components, on people it was not fitted to).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from builders.head.anthropometry import CORRELATED, CORRELATIONS, TARGETS, expected
from cephalon.geometry import face_areas
from cephalon.head import HeadModel
from cephalon.head.anatomy import anatomy_of
from cephalon.head.measures import MEASURES

Float = NDArray[np.float64]
SEXES = ("male", "female")
CHILD_AGES = (3.0, 6.0, 9.0, 12.0, 15.0, 18.0)
CHILD_MEASURES = ("head breadth", "head length", "head circumference", "bizygomatic breadth", "menton-sellion length")
AGEING = ("ear length", "ear breadth", "nose length", "subnasale-sellion length", "nose breadth", "philtrum length",
          "lip length", "upper vermilion height", "menton-sellion length", "palpebral fissure height")  # fmt: skip

ANCESTRIES = ("african", "asian", "caucasian")
COMPONENTS = 30
PUBLISHED = {
    "sex": "about 13 % (Claes et al. 2014, PLoS Genet 10:e1004224: West African and European ancestry; figure not checked in its text)",
    "ancestry, pure": "none found",
    "ancestry, mixed": "about 10 % (Claes et al. 2014)",
    "age, 25 to 70 years": "none found",
}
PUBLISHED_TOLD_APART = (
    "89 % of teenagers by 3D shape, Abbas et al. 2017, Comput Vis Media 3:315; people tell nearly all adults by photos "
    "without hair, considerably fewer by scans without texture, Bruce et al. 1993, Perception 22:131"
)


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


def outer_face(model: HeadModel) -> tuple[NDArray[np.intp], Float]:
    """Vertices (m,) of the face's outer skin and their shares (m,) of its area."""
    hidden = np.max([model.regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)
    area = np.zeros(len(model.mean))
    skin = model.faces[model.parts["skin"].faces]
    np.add.at(area, skin.reshape(-1), np.repeat(face_areas(model.mean, skin) / 3, 3))
    vertices = np.flatnonzero((model.regions["face"] > 0.5) & (hidden < 0.5))
    return vertices, area[vertices] / area[vertices].sum()


def superimposed(faces: Float, weights: Float, *, sized: bool) -> Float:
    """Faces (p, m, 3) after weighted generalised Procrustes superimposition, of unit centroid size unless `sized`."""
    faces = faces - np.einsum("v,pvc->pc", weights, faces)[:, None]
    if not sized:
        faces = faces / np.sqrt(np.einsum("v,pvc->p", weights, faces**2))[:, None, None]
    for _ in range(3):
        u, _, vt = np.linalg.svd(np.einsum("va,v,pvb->pab", faces.mean(axis=0), weights, faces, optimize=True))
        faces = np.einsum("pab,pvb->pva", u @ vt, faces)
    return faces


def share(faces: Float, weights: Float, table: Float) -> float:
    """Share of the faces' variance that a linear regression on a table (p, f) explains."""
    rest = (faces - faces.mean(axis=0)) * np.sqrt(weights)[:, None]
    flat = rest.reshape(len(faces), -1)
    q, _ = np.linalg.qr(table - table.mean(axis=0))
    return float(((q.T @ flat) ** 2).sum() / (flat**2).sum())


def sexes_apart(faces: Float, male: NDArray[np.bool_]) -> tuple[float, float]:
    """d' and share of people told right by a linear discriminant of the faces, fitted to every other person."""
    flat = (faces - faces.mean(axis=0)).reshape(len(faces), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    scores = vectors[:, -COMPONENTS:] * np.sqrt(values[-COMPONENTS:])
    fitted = np.arange(len(faces)) % 4 < 2
    means = [scores[fitted & (male == who)].mean(axis=0) for who in (True, False)]
    within = scores[fitted] - np.where(male[fitted, None], means[0], means[1])
    along = (scores - (means[0] + means[1]) / 2) @ np.linalg.solve(within.T @ within, means[0] - means[1])
    men, women = along[~fitted & male], along[~fitted & ~male]
    told = (np.count_nonzero(men > 0) + np.count_nonzero(women <= 0)) / (len(men) + len(women))
    return float((men.mean() - women.mean()) / np.sqrt((men.var() + women.var()) / 2)), told


def groups(model: HeadModel, rng: np.random.Generator, count: int) -> None:
    """Print what sex, ancestry and age explain of the face, and how far apart the sexes are."""
    vertices, weights = outer_face(model)

    def faces(people: list[dict]) -> tuple[Float, Float]:
        drawn = np.stack([model.vertices(model.sample(rng=rng, **each))[vertices] for each in people])
        return superimposed(drawn, weights, sized=True), superimposed(drawn, weights, sized=False)

    male = np.arange(2 * count) % 2 == 0
    ages = np.linspace(25.0, 70.0, count)
    pure = [{name: 1.0} for name in ANCESTRIES for _ in range(count)]
    mixed = rng.dirichlet(np.full(3, 0.4), count)
    of_mixed = [{"age": 25.0, "ancestry": dict(zip(ANCESTRIES, row.tolist(), strict=True))} for row in mixed]
    tables = {
        "sex": ([{"age": 25.0, "sex": SEXES[1 - int(who)]} for who in male], male[:, None].astype(float)),
        "ancestry, pure": (
            [{"age": 25.0, "ancestry": each} for each in pure],
            np.repeat(np.eye(3)[:, :2], count, axis=0),
        ),
        "ancestry, mixed": (of_mixed, mixed[:, :2]),
        "age, 25 to 70 years": ([{"age": float(age)} for age in ages], ages[:, None]),
    }
    print("\n| share of the face's variance by | with size | without | published |\n|---|---|---|---|")
    by_sex = None
    for name, (people, table) in tables.items():
        sized, free = faces(people)
        by_sex = free if by_sex is None else by_sex
        print(
            f"| {name} | {100 * share(sized, weights, table):.1f} % | {100 * share(free, weights, table):.1f} % "
            f"| {PUBLISHED[name]} |"
        )
    (man, factor), (woman, _) = (model.link.condition(age=25.0, sex=sex) for sex in SEXES)
    of_code = np.linalg.norm(np.linalg.lstsq(factor, man - woman, rcond=None)[0])
    of_face, told = sexes_apart(by_sex, male)
    print(f"\nd' of sex: {of_code:.2f} in the code, {of_face:.2f} in the size-free face; {100 * told:.0f} % told apart")
    print(f"(published: {PUBLISHED_TOLD_APART})")
    spread = [model.vertices(model.sample(rng=rng, age=35.0))[vertices] for _ in range(2 * count)]
    total = superimposed(np.stack(spread), weights, sized=True).var(axis=0).sum(axis=1) @ weights
    print(f"sd of the face at 35 years, size included: {np.sqrt(total):.2f} mm")


def groups_sheet(model: HeadModel, path: Path) -> None:
    """Draw the mean man and woman, ancestries and ages, three views of each."""
    from PIL import Image

    from cephalon.report.pictures import View, picture, side_by_side

    shown = [{"age": 25.0, "sex": sex} for sex in SEXES]
    shown += [{"age": 25.0, "sex": sex, "ancestry": {name: 1.0}} for sex in SEXES for name in ANCESTRIES]
    shown += [{"age": age, "sex": sex} for sex in SEXES for age in (25.0, 45.0, 65.0, 85.0)]
    heads = []
    for known in shown:
        z = model.link.condition(**known)[0]
        heads.append(model.mean + np.tensordot(z, model.identity_basis.astype(np.float64), axes=1))
    rows = []
    for row in (heads[:8], heads[8:]):
        for yaw in (0.0, 40.0, 90.0):
            rows.append([picture(model, head, View(yaw_deg=yaw), 300) for head in row])
    Image.fromarray(side_by_side(rows)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--groups", type=Path)
    options = parser.parse_args()
    model = HeadModel.load(options.model)
    if options.sheet is not None:
        sheet(model, np.random.default_rng(options.seed), options.sheet)
        return
    if options.groups is not None:
        groups_sheet(model, options.groups)
        return
    adults(model, np.random.default_rng(options.seed), options.count)
    children(model)
    ageing(model)
    groups(model, np.random.default_rng(options.seed), options.count)


if __name__ == "__main__":
    main()
