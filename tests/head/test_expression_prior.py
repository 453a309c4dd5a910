"""The expression prior: faces within bounds and rules, sides together, and a summary that matches its samples."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon import InputError
from cephalon.head import HeadModel, expression_prior, sample_expressions
from cephalon.head.expression_prior import ARKIT_NAMES, EXCLUSIONS, INDEX, LARGEST_BOTH, ORDERED, PAIRS, SHARES


def both(faces: np.ndarray, name: str) -> np.ndarray:
    return faces[:, [INDEX[f"{name}Left"], INDEX[f"{name}Right"]]]


@pytest.mark.parametrize("kind", [None, *SHARES])
def test_every_face_keeps_bounds_exclusions_and_order(kind):
    faces = sample_expressions(rng=np.random.default_rng(1), count=3000, kind=kind)
    assert faces.shape == (3000, 52)
    assert faces.min() >= 0
    assert faces.max() <= 1
    for first, second in EXCLUSIONS:
        assert (faces[:, INDEX[first]] * faces[:, INDEX[second]]).max() <= LARGEST_BOTH + 1e-12, (first, second)
    for lower, upper in ORDERED:
        assert (faces[:, INDEX[lower]] <= faces[:, INDEX[upper]]).all()


def test_the_same_seed_gives_the_same_faces():
    one, two = (sample_expressions(rng=np.random.default_rng(5), count=50) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_sides_go_together_and_no_pair_is_forgotten():
    prior = expression_prior()
    sd = np.sqrt(np.diag(prior.cov))
    for left, right in prior.pairs:
        assert prior.cov[left, right] > 0.4 * sd[left] * sd[right], prior.names[left]
    paired = {name for pair in PAIRS for name in pair}
    sided = {n for n in ARKIT_NAMES if n.endswith(("Left", "Right"))}
    assert sided - paired == {"jawLeft", "jawRight", "mouthLeft", "mouthRight"}


def test_kinds_look_like_their_names():
    def draw(kind: str) -> np.ndarray:
        return sample_expressions(rng=np.random.default_rng(2), count=2000, kind=kind)

    rest, smile, strong = draw("neutral"), draw("smile"), draw("strong")
    assert np.median(both(smile, "mouthSmile")) > 0.3 > 5 * np.median(both(rest, "mouthSmile"))
    assert strong.sum(axis=1).mean() > 2 * rest.sum(axis=1).mean()
    blinks = both(draw("wink"), "eyeBlink")
    assert (blinks.max(axis=1) > 0.7).all()
    assert (blinks.min(axis=1) < 0.3).all()
    lids = both(draw("lids"), "eyeBlink")
    assert np.abs(lids[:, 0] - lids[:, 1]).max() < 0.2
    mouths = both(draw("asymmetric"), "mouthSmile")
    acting = mouths[mouths.max(axis=1) > 0.2]
    assert np.median(acting.min(axis=1) / acting.max(axis=1)) < 0.3
    level = both(smile, "mouthSmile")[both(smile, "mouthSmile").max(axis=1) > 0.2]
    assert np.median(level.min(axis=1) / level.max(axis=1)) > 0.85
    speech = draw("speech")
    assert np.quantile(speech[:, INDEX["jawOpen"]], 0.9) > 0.2
    assert speech[:, INDEX["eyeWideLeft"]].max() == 0


def test_the_summary_is_that_of_fresh_samples():
    prior = expression_prior()
    fresh = sample_expressions(rng=np.random.default_rng(99), count=20_000)
    assert np.abs(fresh.mean(axis=0) - prior.mean).max() < 0.01
    assert np.abs(np.cov(fresh, rowvar=False) - prior.cov).max() < 0.006
    assert np.linalg.eigvalsh(prior.cov).min() > 1e-3


def test_taking_some_coefficients_keeps_their_statistics():
    prior = expression_prior()
    names = ("mouthPucker", "mouthSmileRight", "mouthSmileLeft", "jawOpen")
    some = prior.take(names)
    rows = [INDEX[name] for name in names]
    np.testing.assert_array_equal(some.mean, prior.mean[rows])
    np.testing.assert_array_equal(some.cov, prior.cov[np.ix_(rows, rows)])
    assert [tuple(pair) for pair in some.pairs] == [(2, 1)]
    assert {tuple(pair) for pair in some.exclusions} == {(2, 0), (1, 0)}
    with pytest.raises(InputError, match="'grin'"):
        prior.take(("grin",))


def test_unknown_kinds_are_refused():
    with pytest.raises(InputError, match="'happy'"):
        sample_expressions(rng=np.random.default_rng(0), kind="happy")


def test_the_model_has_the_same_names():
    assert HeadModel.load().expression_names == ARKIT_NAMES
