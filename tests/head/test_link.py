"""The link between what is known of a person and the identity: Gaussian conditioning, and how the young differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.head.link import Growth, LinearLink, features


@pytest.fixture
def link() -> LinearLink:
    """z = (growth, s, a) / norms with s the sex, a the age; boys of 3 years are 8 units away, girls 6."""
    return LinearLink(
        names=("ageing", "sex"),
        mean=np.array([2.0, 0.0]),
        covariance=np.diag([4.0, 1.0]),
        cross=np.array([[0.0, 0.0], [0.0, 0.5], [1.2, 0.0]]),
        growth=Growth(
            ages=np.array([3.0, 11.0, 19.0]),
            way=np.array([[[6.0], [8.0]], [[3.0], [5.0]], [[0.0], [0.0]]]),
            variety=np.array([1.0, 0.8, 0.6]),
            tempo=0.1,
        ),
    )


def test_nothing_known_gives_the_prior_of_adults(link):
    mean, factor = link.condition()
    np.testing.assert_array_equal(mean, np.zeros(3))
    np.testing.assert_array_equal(factor, np.eye(3))


def test_adults_are_conditioned_as_gaussians(link):
    mean, factor = link.condition(age=40, sex="male")
    np.testing.assert_allclose(mean, [0.0, 0.5, 0.0], atol=1e-12)
    np.testing.assert_allclose(factor @ factor.T, np.diag([1.0, 0.75, 1 - 1.2**2 / 4]), atol=1e-9)
    np.testing.assert_allclose(link.condition(sex="female")[0], [0.0, -0.5, 0.0], atol=1e-12)


def test_the_young_are_on_their_way_and_less_varied(link):
    mean, factor = link.condition(age=11, sex="male")
    grown, spread = link.condition(age=20, sex="male")
    variety = np.array([1.0, 0.9, 0.8])
    np.testing.assert_allclose(mean, variety * grown + [5.0, 0.0, 0.0], atol=1e-12)
    expected = np.diag(variety) @ spread @ spread.T @ np.diag(variety)
    per_year = (3.0 / 8 + 5.0 / 8) / 2  # half a year on and half a year back
    expected[0, 0] += (per_year * 0.1 * 11) ** 2
    np.testing.assert_allclose(factor @ factor.T, expected, atol=1e-9)


def test_of_unknown_sex_children_are_both(link):
    mean, factor = link.condition(age=3)
    assert mean[0] == pytest.approx(7.0)
    boys, girls = (link.condition(age=3, sex=sex) for sex in ("male", "female"))
    assert (factor @ factor.T)[0, 0] == pytest.approx(
        ((boys[1] @ boys[1].T)[0, 0] + (girls[1] @ girls[1].T)[0, 0]) / 2 + 1.0, rel=0.01
    )


def test_ages_go_over_without_a_step(link):
    ages = np.linspace(3, 20.5, 351)
    means = np.array([link.condition(age=float(age), sex="male")[0] for age in ages])
    assert np.abs(np.diff(means, axis=0)).max() < 0.05
    assert (np.diff(means[:, 0]) <= 0).all()
    grown = replace(link, growth=None)
    np.testing.assert_array_equal(link.condition(age=19.0)[0], grown.condition(age=19.0)[0])


def test_children_of_unknown_age_are_of_any(link):
    """Mean and covariance are those of children of all ages drawn together."""
    mean, factor = link.condition_young(sex="female")
    rng = np.random.default_rng(0)
    each = [link.condition(age=age, sex="female") for age in (3.0, 11.0)]
    drawn = np.concatenate([m + rng.standard_normal((40000, 3)) @ f.T for m, f in each])
    np.testing.assert_allclose(mean, drawn.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(factor @ factor.T, np.cov(drawn.T), atol=0.08)
    with pytest.raises(InputError, match="no age"):
        link.condition_young(age=5.0)
    with pytest.raises(InputError, match="model of children"):
        replace(link, growth=None).condition_young()


def test_a_grown_person_made_younger_follows_the_same_law(link):
    rng = np.random.default_rng(1)
    mean, factor = link.condition(age=20.0, sex="male")
    drawn = np.array(
        [link.younger(mean + factor @ rng.standard_normal(3), age=7.0, sex="male", rng=rng) for _ in range(20000)]
    )
    expected, spread = link.condition(age=7.0, sex="male")
    np.testing.assert_allclose(drawn.mean(axis=0), expected, atol=0.04)
    np.testing.assert_allclose(np.cov(drawn.T), spread @ spread.T, atol=0.05)
    np.testing.assert_array_equal(link.younger(mean, age=30.0, sex="male", rng=rng), mean)


def test_arrays_round_trip(link):
    read = LinearLink.from_arrays(link.arrays())
    for known in ({}, {"age": 7.0}, {"age": 50.0, "sex": "female"}):
        for a, b in zip(read.condition(**known), link.condition(**known), strict=True):
            np.testing.assert_allclose(a @ a.T if a.ndim == 2 else a, b @ b.T if b.ndim == 2 else b, atol=1e-5)
    old = {key: value for key, value in link.arrays().items() if not key.startswith("link_growth")}
    assert LinearLink.from_arrays(old).growth is None


def test_features_are_checked():
    assert features(age=45)["ageing"] == 2.5
    assert features(age=9)["ageing"] == 0.0
    with pytest.raises(InputError, match="3 to 90"):
        features(age=2)
