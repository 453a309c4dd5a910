"""The packaged head model's identity: people of human measures, all different, of every age."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.geometry import face_normals
from cephalon.head.anatomy import anatomy_of
from cephalon.head.measures import MEASURES
from cephalon.head.model import HeadModel

# mm, mean and standard deviation of men and of women. Head breadth to interpupillary distance: averages of ANSUR I
# (Gordon et al. 1989), ANSUR II (Gordon et al. 2014) and NIOSH 2003 (Zhuang and Bradtmiller 2005). Nose breadth:
# NIOSH 2003. Face height and lip length: 3D Facial Norms (Weinberg et al. 2016) at 25 years.
ADULTS = {
    "head breadth": ((153.0, 5.6), (146.4, 5.3)),
    "head length": ((198.0, 7.2), (188.2, 7.2)),
    "bizygomatic breadth": ((142.3, 6.2), (133.8, 5.7)),
    "menton-sellion length": ((122.6, 6.8), (113.6, 6.2)),
    "interpupillary distance": ((64.6, 3.6), (62.4, 3.7)),
    "nose breadth": ((37.8, 4.8), (35.8, 4.9)),
    "face height": ((126.6, 6.6), (118.0, 5.8)),
    "lip length": ((50.1, 3.8), (47.9, 3.5)),
}

# mm, boys and girls: the adult means above times the ratio to adults in Snyder et al. 1977 (UM-HSRI-77-17)
CHILDREN = {
    ("head breadth", 6): (138.6, 135.7),
    ("bizygomatic breadth", 6): (118.2, 116.4),
    ("menton-sellion length", 6): (92.8, 93.8),
    ("head breadth", 12): (145.2, 142.7),
    ("bizygomatic breadth", 12): (128.9, 127.4),
    ("menton-sellion length", 12): (107.0, 108.8),
}

MIRROR = np.array([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def model() -> HeadModel:
    return HeadModel.load()


@pytest.fixture(scope="module")
def adults(model) -> dict[str, np.ndarray]:
    """100 men and 100 women of 20 to 60 years, (100, n, 3) mm each."""
    rng = np.random.default_rng(7)
    return {
        sex: np.stack([model.vertices(model.sample(rng=rng, age=age, sex=sex)) for age in rng.uniform(20, 60, 100)])
        for sex in ("male", "female")
    }


def face_vertices(model: HeadModel) -> np.ndarray:
    hidden = np.max([model.regions[name] for name in ("mouth_cavity", "eye_sockets", "nostrils")], axis=0)
    return np.flatnonzero((model.regions["face"] > 0.5) & (hidden < 0.5))


def measured(model: HeadModel, name: str, heads: np.ndarray) -> np.ndarray:
    anatomy = anatomy_of(model)
    return np.array([MEASURES[name].function(head, anatomy).mm for head in heads])


@pytest.mark.parametrize("name", ADULTS)
@pytest.mark.parametrize(("sex", "row"), [("male", 0), ("female", 1)])
def test_adults_have_published_means_and_spreads(model, adults, name, sex, row):
    mean, sd = ADULTS[name][row]
    values = measured(model, name, adults[sex])
    assert values.mean() == pytest.approx(mean, rel=0.05)
    assert values.std() == pytest.approx(sd, rel=0.3)  # the error of the sd of 100 people alone is 7 %


@pytest.mark.parametrize(("name", "age"), CHILDREN)
def test_children_have_published_means(model, name, age):
    anatomy = anatomy_of(model)
    for sex, expected in zip(("male", "female"), CHILDREN[name, age], strict=True):
        mean, _ = model.link.condition(age=age, sex=sex)
        head = model.mean + np.tensordot(mean, model.identity_basis.astype(np.float64), axes=1)
        assert MEASURES[name].function(head, anatomy).mm == pytest.approx(expected, rel=0.06)


def test_people_differ_as_people_do(model, adults):
    """Faces of one sex, laid over each other, are apart everywhere: no two alike, and no feature is frozen."""
    face = face_vertices(model)
    for heads in adults.values():
        faces = heads[:50, face] - heads[:50, face].mean(axis=1, keepdims=True)
        apart = np.sqrt(((faces[:, None] - faces[None]) ** 2).sum(-1).mean(-1))
        assert apart[np.triu_indices(50, 1)].min() > 2.0
        assert np.median(apart[np.triu_indices(50, 1)]) > 4.0
        spread = faces.std(axis=0)
        assert np.percentile(np.linalg.norm(spread, axis=1), 5) > 1.5


def test_detail_varies_too(model, adults):
    """What is left of the faces once smooth variation (15 mm) is taken out still varies by some tenths of a mm."""
    face = face_vertices(model)
    at = model.mean[face]
    kernel = np.exp(-((at[:, None] - at[None]) ** 2).sum(-1) / (2 * 15.0**2))
    kernel /= kernel.sum(axis=1, keepdims=True)
    difference = adults["female"][:, face] - adults["female"][:, face].mean(axis=0)
    detail = difference - np.einsum("vw,pwc->pvc", kernel, difference)
    assert np.sqrt((detail**2).sum(-1).mean()) > 0.6


def test_no_caricatures(model, adults):
    for heads in adults.values():
        index = measured(model, "head breadth", heads) / measured(model, "head length", heads)
        assert index.min() > 0.62
        assert index.max() < 0.95
        height = measured(model, "tragion to top of head", heads)
        assert height.min() > 100
        assert height.max() < 160


def test_faces_do_not_fold(model, adults):
    """Hardly any triangle of the outer face turns its back, against the mean head."""
    inside = np.zeros(len(model.mean), dtype=bool)
    inside[face_vertices(model)] = True
    faces = model.faces[model.parts["skin"].faces]
    faces = faces[inside[faces].all(axis=1)]
    upright = face_normals(model.mean, faces)
    heads = np.concatenate(list(adults.values()))
    turned = np.array([((face_normals(head, faces) * upright).sum(axis=1) < 0).mean() for head in heads])
    assert turned.mean() < 0.001
    assert turned.max() < 0.03


def test_eyes_are_of_human_size(model, adults):
    heads = np.concatenate([heads[:20] for heads in adults.values()])
    iris = measured(model, "iris diameter", heads)
    assert iris.mean() == pytest.approx(11.7, abs=0.2)  # Ruefer et al. 2005, Gharaee et al. 2014, Hashemi et al. 2015
    assert np.abs(iris - 11.7).max() < 1.2
    globe = np.ptp(heads[:, model.parts["left_eye"].vertices, 0], axis=1)
    assert globe.mean() == pytest.approx(24.1, abs=0.4)  # Bekerman et al. 2014


def test_lids_lie_on_the_eyeballs(model, adults):
    heads = np.concatenate([heads[:30] for heads in adults.values()])
    points = model.point_set("iso")
    margins = [points.index(f"{name}_{side}") for name in ("ps", "pi") for side in "lr"]
    for head in heads:
        at = points.positions(head, model.faces)[margins]
        for part, rows in (("left_eye", [0, 2]), ("right_eye", [1, 3])):
            ball = head[model.parts[part].vertices]
            back = ball[-1]
            centre = back + np.array([0, 0, np.ptp(ball[:, 0]) / 2])
            gap = np.linalg.norm(at[rows] - centre, axis=1) - np.ptp(ball[:, 0]) / 2
            assert gap.min() > 0.0
            assert gap.max() < 4.0


def test_faces_are_a_little_asymmetric(model, adults):
    """Mean distance of a face to its mirror image: 0.96 +- 0.52 mm in 600 children (Chou et al. 2019)."""
    face = face_vertices(model)
    heads = np.concatenate(list(adults.values()))
    mirrored = heads[:, model.symmetry] * MIRROR
    assert 0.5 < np.linalg.norm((heads - mirrored)[:, face], axis=2).mean() < 1.4


def test_mean_is_symmetric_and_modes_are_symmetric_or_antisymmetric(model):
    np.testing.assert_allclose(model.mean[model.symmetry] * MIRROR, model.mean, atol=0.02)
    basis = model.identity_basis.astype(np.float64)
    mirrored = basis[:, model.symmetry] * MIRROR
    size = np.linalg.norm(basis, axis=(1, 2))
    odd = np.minimum(np.linalg.norm(basis - mirrored, axis=(1, 2)), np.linalg.norm(basis + mirrored, axis=(1, 2)))
    assert (odd / size).max() < 0.01


def test_modes_are_whitened_and_independent_of_scale(model):
    """A person without covariates is N(0, I), and the link never claims more than the prior's variance."""
    rng = np.random.default_rng(3)
    z = np.stack([model.sample(rng=rng).identity for _ in range(2000)])
    assert np.abs(z.mean(axis=0)).max() < 0.12
    assert np.abs(z.std(axis=0) - 1).max() < 0.1
    explained = model.link.cross @ np.linalg.solve(model.link.covariance, model.link.cross.T)
    values = np.linalg.eigvalsh((explained + explained.T) / 2)
    assert values.max() < 1.0
    assert values.min() > -1e-6


def test_conditioning_moves_the_mean_and_narrows(model):
    wide, narrow = model.link.condition(sex="female"), model.link.condition(sex="female", age=30, weight=0.5)
    assert np.trace(narrow[1] @ narrow[1].T) < np.trace(wide[1] @ wide[1].T) < model.identity_count
    thin, heavy = model.link.condition(weight=0.2)[0], model.link.condition(weight=0.9)[0]
    necks = [
        measured(model, "neck circumference", [model.mean + np.tensordot(z, model.identity_basis, axes=1)])[0]
        for z in (thin, heavy)
    ]
    assert necks[1] - necks[0] > 40


def test_frame_and_residual(model):
    at = dict(zip(model.point_set("iso").names, model.points(None, "iso"), strict=True))
    middle = (at["t_l"] + at["t_r"]) / 2
    np.testing.assert_allclose(middle, 0, atol=0.3)
    assert abs(at["or_l"][1]) < 0.3
    assert at["prn"][2] > 90
    assert model.residual_mm.min() >= 0.69
    assert model.residual_mm.mean() < 1.2
