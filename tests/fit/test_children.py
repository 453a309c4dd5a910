"""Photos of children whose age nobody states: taken for children where they show it, and no adult is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cephalon.fit import Cues, FitOptions, fit
from cephalon.head import HeadModel
from tests.fit.synthetic import pose, see

OPTIONS = FitOptions(residual_scale=0.0, expression_residual=0.0)


def photograph(model: HeadModel, rng: np.random.Generator, **known):
    """A person of whom this is known, seen from somewhere near the front: the observation and the true identity."""
    identity = model.sample(rng=rng, **known).identity
    place = pose(rng.normal(0, 12), rng.normal(0, 5), distance_mm=900.0)
    return see(model, identity, rng=rng, place=place, sigma_mm=1.2, iris_mm=11.7).observation, identity


def taken_for_a_child(posterior) -> bool:
    return "youth" in next(cue.name for cue in posterior.cues if cue.name.startswith("identity prior"))


@pytest.mark.parametrize("age", [3.0, 6.0, 9.0])
def test_children_are_found_without_their_age(model, age):
    """Their faces are as short as they are, where a fit that knows adults alone draws them out."""
    rng = np.random.default_rng(int(age))
    grown_only = replace(model, link=replace(model.link, growth=None))
    errors = []
    for sex in ("male", "female"):
        observation, identity = photograph(model, rng, age=age, sex=sex)
        posterior = fit([observation], model, OPTIONS)
        assert taken_for_a_child(posterior)
        truth = model.measure(model.vertices(model.code(identity=identity)))["menton-sellion length"]
        found = [
            model.measure(model.vertices(model.code(identity=p.identity)))["menton-sellion length"]
            for p in (posterior, fit([observation], grown_only, OPTIONS))
        ]
        errors.append(np.array(found) / truth - 1)
    assert np.abs(np.array(errors)[:, 0]).max() < 0.08
    assert np.mean(errors, axis=0)[1] > np.mean(errors, axis=0)[0] + 0.02


def test_adults_are_not_taken_for_children(model):
    rng = np.random.default_rng(1)
    for known in (*({} for _ in range(6)), {"age": 22, "sex": "female"}, {"age": 80}):
        observation, _ = photograph(model, rng, **known)
        posterior = fit([observation], model, OPTIONS)
        growth = posterior.identity[: model.link.growth.count]
        shape = np.linalg.norm(np.tensordot(growth, model.identity_basis[: len(growth)], axes=1), axis=1)
        if taken_for_a_child(posterior):  # of young women's faces some could be of sixteen
            assert shape[model.regions["face"] > 0.5].mean() < 1.5
        else:
            assert shape[model.regions["face"] > 0.5].mean() < 0.8


def test_a_stated_age_is_believed(model):
    observation, _ = photograph(model, np.random.default_rng(2), age=30)
    posterior = fit([observation], model, OPTIONS, Cues(age_years=30.0))
    assert not taken_for_a_child(posterior)
    child = fit([observation], model, OPTIONS, Cues(age_years=5.0))
    assert child.energy > posterior.energy + 10
