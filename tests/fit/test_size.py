"""The size of heads is not biased: the mode of shape and size is mended towards the marginal of the size."""

import numpy as np
import pytest

from cephalon.fit import Cues, FitOptions, fit
from cephalon.head import HeadModel
from tests.fit.synthetic import pose, see


def mean_log_size(people: int, seed: int) -> tuple[float, float]:
    """Mean of log(size found / true size) over people, and its standard error; the noise is what the fit assumes."""
    model = HeadModel.load()
    rng = np.random.default_rng(seed)
    options = FitOptions(residual_scale=0.0, claim_tempering=1.0)
    found = []
    for _ in range(people):
        z = rng.standard_normal(model.identity_count)
        place = pose(rng.uniform(-30, 30), rng.uniform(-10, 10), 0.0, 900.0)
        seen = see(model, z, rng=rng, place=place, focal_known=True)
        posterior = fit([seen.observation], model, options, Cues(iris_mm=None))
        sizes = [
            np.linalg.norm(points - points.mean(0))
            for points in (
                model.points(model.code(identity=identity), "mediapipe478") for identity in (posterior.identity, z)
            )
        ]
        found.append(np.log(sizes[0] / sizes[1]))
    return float(np.mean(found)), float(np.std(found) / np.sqrt(people))


def test_size_is_not_biased():
    mean, error = mean_log_size(24, seed=4)
    # without the term it is -0.029 +- 0.003
    assert abs(mean) < 0.009 + 2 * error


@pytest.mark.slow
def test_size_is_not_biased_over_many():
    mean, error = mean_log_size(150, seed=5)
    assert abs(mean) < 0.007 + 2 * error
