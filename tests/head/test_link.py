"""The link between what is known of a person and the identity: Gaussian conditioning, and the branch for the young."""

from __future__ import annotations

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.head.link import LinearLink, features


@pytest.fixture
def link() -> LinearLink:
    """z = (s, a, e) / norms with s the sex, a the age; children are small along the first coordinate."""
    young = LinearLink(
        names=("growth", "sex"),
        mean=np.array([0.5, 0.0]),
        covariance=np.diag([0.04, 1.0]),
        cross=np.array([[0.2, 0.0], [0.0, 0.1], [0.0, 0.0]]),
        centre=np.array([-5.0, 0.0, 0.0]),
        spread=np.diag([1.5, 0.5, 0.5]),
    )
    return LinearLink(
        names=("ageing", "sex"),
        mean=np.array([2.0, 0.0]),
        covariance=np.diag([4.0, 1.0]),
        cross=np.array([[0.0, 0.5], [1.2, 0.0], [0.0, 0.0]]),
        centre=np.zeros(3),
        spread=np.eye(3),
        young=young,
    )


def test_nothing_known_gives_the_prior_of_adults(link):
    mean, factor = link.condition()
    np.testing.assert_array_equal(mean, np.zeros(3))
    np.testing.assert_array_equal(factor, np.eye(3))


def test_adults_are_conditioned_as_gaussians(link):
    mean, factor = link.condition(age=40, sex="male")
    np.testing.assert_allclose(mean, [0.5, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(factor @ factor.T, np.diag([0.75, 1 - 1.2**2 / 4, 1.0]), atol=1e-9)
    np.testing.assert_allclose(link.condition(sex="female")[0], [-0.5, 0.0, 0.0], atol=1e-12)


def test_the_young_have_their_own_gaussian(link):
    mean, factor = link.condition(age=9)
    np.testing.assert_allclose(mean, [-5.0, 0.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(factor @ factor.T, np.diag([0.5, 0.5, 0.5]), atol=1e-9)


def test_ages_blend_without_a_step(link):
    ages = np.linspace(15.5, 20.5, 101)
    means = np.array([link.condition(age=float(age), sex="male")[0] for age in ages])
    assert np.abs(np.diff(means, axis=0)).max() < 0.1
    without = LinearLink(**{name: getattr(link, name) for name in LinearLink.__slots__ if name != "young"})
    np.testing.assert_array_equal(link.condition(age=20.0)[0], without.condition(age=20.0)[0])


def test_arrays_round_trip(link):
    read = LinearLink.from_arrays(link.arrays())
    for known in ({}, {"age": 7.0}, {"age": 50.0, "sex": "female"}):
        for a, b in zip(read.condition(**known), link.condition(**known), strict=True):
            np.testing.assert_allclose(a @ a.T if a.ndim == 2 else a, b @ b.T if b.ndim == 2 else b, atol=1e-6)
    old = {key: value for key, value in link.arrays().items() if not key.startswith("link_young")}
    assert LinearLink.from_arrays(old).young is None


def test_features_are_checked():
    assert features(age=9)["growth_squared"] == 0.25
    with pytest.raises(InputError, match="3 to 90"):
        features(age=2)
