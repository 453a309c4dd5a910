"""MATLAB 5 files: what scipy writes comes back; damage is one sentence and never a crash."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from scipy.io import savemat

from cephalon.core import InputError
from cephalon.head.foreign.mat5 import read_mat5

MATRICES = {
    "a": np.arange(12.0).reshape(3, 4),
    "single": np.linspace(0, 1, 7, dtype=np.float32)[:, None],
    "whole": np.array([[1, -2], [300, 70000]], dtype=np.int32),
    "small": np.array([[7]], dtype=np.uint8),
    "cube": np.arange(24, dtype=np.int16).reshape(2, 3, 4),
}


def written(*, compressed: bool) -> bytes:
    memory = io.BytesIO()
    others = {"text": "hello", "cells": np.array([{"x": 1}], dtype=object), "complex": np.array([[1j]])}
    savemat(memory, {**others, **MATRICES}, do_compression=compressed)
    return memory.getvalue()


@pytest.mark.parametrize("compressed", [False, True])
def test_numbers_come_back(compressed):
    found = read_mat5(written(compressed=compressed), [*MATRICES, "text", "cells", "complex"], most_numbers=100)
    assert set(found) == set(MATRICES)
    for name, matrix in MATRICES.items():
        np.testing.assert_array_equal(found[name], matrix)


@pytest.mark.parametrize("compressed", [False, True])
def test_more_numbers_than_allowed_are_refused(compressed):
    assert "whole" in read_mat5(written(compressed=compressed), ["whole"], most_numbers=4)
    with pytest.raises(InputError, match="2 x 3 x 4"):
        read_mat5(written(compressed=compressed), ["cube"], most_numbers=23)


@pytest.mark.parametrize("compressed", [False, True])
def test_damage_is_one_sentence(compressed):
    data, rng = written(compressed=compressed), np.random.default_rng(0)
    for round_number in range(1500):
        damaged = bytearray(data)
        for place in rng.integers(len(damaged), size=1 + round_number % 3):
            damaged[place] = rng.integers(256)
        if round_number % 5 == 0:
            damaged = damaged[: rng.integers(len(damaged))]
        try:
            found = read_mat5(bytes(damaged), list(MATRICES), most_numbers=1000)
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert all(matrix.size <= 1000 for matrix in found.values())


def test_a_small_matrix_does_not_unpack_to_more_than_it_states():
    memory = io.BytesIO()
    savemat(memory, {"a": np.zeros((1, 1))})
    plain = memory.getvalue()
    bomb = zlib.compress(plain[128:] + bytes(200 * 2**20))
    tracemalloc.start()
    found = read_mat5(plain[:128] + struct.pack("<2I", 15, len(bomb)) + bomb, ["a"], most_numbers=100_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found["a"].shape == (1, 1)
    assert peak < 2**20
