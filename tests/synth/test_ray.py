"""Shards made on a local Ray cluster are the shards made by processes (extra `ray`)."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from cephalon.core import MissingExtraError
from cephalon.synth.options import SampleOptions
from cephalon.synth.shards import write_dataset


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="the extra ray is not installed")
@pytest.mark.filterwarnings("ignore")
def test_ray_makes_the_same_bytes(tmp_path):
    import ray

    options = SampleOptions(size=64)
    ours = write_dataset(tmp_path / "a", options, count=4, seed=4, workers=1, per_shard=2)
    try:
        theirs = write_dataset(tmp_path / "b", options, count=4, seed=4, workers=2, per_shard=2, on="ray")
    finally:
        ray.shutdown()
    assert [p.read_bytes() for p in ours] == [p.read_bytes() for p in theirs]


def test_without_ray_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="ray"):
        write_dataset(tmp_path, SampleOptions(size=64), count=1, seed=1, on="ray")
