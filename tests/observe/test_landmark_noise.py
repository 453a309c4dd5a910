"""Tables of landmark error."""

from __future__ import annotations

import json
from importlib import resources

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.observe.canonical import canonical_face
from cephalon.observe.landmark_noise import (
    LandmarkNoise,
    default_noise,
    ibug68_noise,
    mediapipe_noise,
    noise_from_record,
    rotate,
)


def sigma(covariance):
    return np.sqrt(np.trace(covariance, axis1=1, axis2=2) / 2)


@pytest.mark.parametrize("table", [default_noise, ibug68_noise, mediapipe_noise])
@pytest.mark.parametrize("yaw", [-100, -47, 0, 12, 45, 90])
def test_every_table_is_usable_at_every_yaw(table, yaw):
    covariance, bias, hidden = table().at(yaw)
    k = len(table().mirror)
    assert (covariance.shape, bias.shape, hidden.shape) == ((k, 2, 2), (k, 2), (k,))
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    assert not hidden.all()
    assert 0.002 < np.median(sigma(covariance)) < 0.3


def test_regions_differ_and_yaw_costs():
    face = canonical_face()
    frontal = sigma(default_noise().at(0)[0])
    assert (
        frontal[face.regions["eye"]].max() < frontal[face.regions["skin"]].min() < frontal[face.regions["oval"]].min()
    )
    assert (sigma(default_noise().at(50)[0]) > frontal).all()


def test_the_far_side_is_worse():
    # Turned to the own left (yaw > 0), the person's left cheek is far.
    covariance, _, hidden = default_noise().at(60)
    right, left = 234, 454
    assert canonical_face().positions[left, 0] > 0
    assert sigma(covariance)[left] > 1.5 * sigma(covariance)[right]
    assert hidden[left]
    assert not hidden[right]


def test_the_outline_slides_along_itself():
    covariance = default_noise().at(0)[0]
    cheek, chin = covariance[234], covariance[152]
    assert cheek[1, 1] > 1.5 * cheek[0, 0]
    assert chin[0, 0] > 1.5 * chin[1, 1]


@pytest.mark.parametrize("table", [default_noise, ibug68_noise])
def test_turning_the_other_way_is_the_mirror_image(table):
    noise = table()
    (a, bias_a, hidden_a), (b, bias_b, hidden_b) = noise.at(37), noise.at(-37)
    np.testing.assert_allclose(b, a[noise.mirror] * [[1, -1], [-1, 1]], atol=1e-15)
    np.testing.assert_allclose(bias_b, bias_a[noise.mirror] * [-1, 1], atol=1e-15)
    np.testing.assert_array_equal(hidden_b, hidden_a[noise.mirror])


def test_ibug_mirror():
    mirror = ibug68_noise().mirror
    assert (mirror[0], mirror[36], mirror[48], mirror[8]) == (16, 45, 54, 8)
    np.testing.assert_array_equal(mirror[mirror], np.arange(68))


def simple(**changes):
    record = {
        "format_version": 1,
        "yaw_deg": [0, 40],
        "sigma": [[0.01] * 478, [0.03] * 478],
        "bias": np.zeros((2, 478, 2)).tolist(),
    }
    return record | changes


def test_record():
    bias = np.zeros((2, 478, 2))
    bias[1, :, 0] = 0.02
    noise = noise_from_record(simple(bias=bias.tolist()))
    covariance, shift, hidden = noise.at(10)
    np.testing.assert_allclose(covariance[5], np.eye(2) * (0.75 * 0.01**2 + 0.25 * 0.03**2))
    np.testing.assert_allclose(shift[5], [0.005, 0])
    assert not hidden.any()
    np.testing.assert_allclose(noise.at(90)[0][0], np.eye(2) * 0.03**2)
    np.testing.assert_allclose(noise.at(-40)[1][0], [-0.02, 0])


def test_record_with_covariances_hidden_points_and_both_directions():
    covariance = np.tile([[4e-4, 1e-4], [1e-4, 9e-4]], (3, 478, 1, 1))
    hidden = np.zeros((3, 478), bool)
    hidden[2, 7] = True
    record = {
        "format_version": 1,
        "yaw_deg": [-30, 0, 30],
        "covariance": covariance.tolist(),
        "hidden": hidden.tolist(),
    }
    noise = noise_from_record(record)
    assert not noise.at(-30)[2].any()
    assert noise.at(20)[2][7]
    assert not noise.at(10)[2][7]
    np.testing.assert_allclose(noise.at(-20)[0][0], covariance[0, 0])


def test_bias_changes_with_pitch():
    slope = np.zeros((2, 478, 2))
    slope[..., 0], slope[..., 1] = 0.001, 0.002
    noise = noise_from_record(simple(bias_per_pitch_deg=slope.tolist()))
    np.testing.assert_allclose(noise.at(0, 10)[1][3], [0.01, 0.02])
    np.testing.assert_allclose(noise.at(-20, -10)[1][3], [0.01, -0.02])
    np.testing.assert_allclose(noise.at(0, 80)[1], noise.at(0, 30)[1])


def test_one_bin():
    assert noise_from_record(simple(yaw_deg=[0], sigma=[[0.01] * 478], bias=None)).at(70)[0].shape == (478, 2, 2)


@pytest.mark.parametrize(
    "changes",
    [
        {"format_version": 2},
        {"yaw_deg": [40, 0]},
        {"yaw_deg": []},
        {"sigma": [[0.01] * 468] * 2},
        {"sigma": [[0.0] * 478] * 2},
        {"sigma": [[float("nan")] * 478] * 2},
        {"bias": [[0, 0]]},
        {"hidden": [[True]]},
    ],
)
def test_damaged_records(changes):
    with pytest.raises(InputError):
        noise_from_record(simple(**changes))
    with pytest.raises(InputError):
        noise_from_record({"format_version": 1})


def test_packaged_calibration_is_readable():
    resource = resources.files("cephalon") / "data" / "mediapipe_noise.json"
    if not resource.is_file():
        pytest.fail("the package ships without its calibrated table")
    noise = noise_from_record(json.loads(resource.read_text(encoding="utf-8")))
    assert np.abs(noise.bias).max() < 0.5
    assert sigma(noise.at(0)[0]).max() < 0.5


def test_rotate():
    covariance = np.array([[[4.0, 0.0], [0.0, 1.0]]])
    turned, vector = rotate(covariance, np.array([[1.0, 0.0]]), 90)
    np.testing.assert_allclose(turned, [[[1, 0], [0, 4]]], atol=1e-12)
    # Clockwise in the picture: right becomes down.
    np.testing.assert_allclose(vector, [[0, 1]], atol=1e-12)


def test_covariances_must_be_positive():
    with pytest.raises(InputError, match="positive definite"):
        LandmarkNoise(
            yaw_deg=np.zeros(1),
            covariance=np.zeros((1, 2, 2, 2)),
            bias=np.zeros((1, 2, 2)),
            hidden=np.zeros((1, 2), bool),
            mirror=np.array([1, 0]),
        )
