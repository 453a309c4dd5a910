"""Pickles are read as data: what would run code in Python is refused, and nothing of it runs."""

from __future__ import annotations

import collections
import os
import pickle  # noqa: TID251  (to write what our reader must read or refuse)
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from cephalon.core import InputError
from cephalon.head.foreign import pickled
from cephalon.head.foreign.flame import dense
from cephalon.head.foreign.pickled import read_pickle


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_plain_values_and_arrays_come_back(protocol: int) -> None:
    value = {
        "a": np.arange(12, dtype=np.float64).reshape(3, 4),
        "b": np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        "c": [1, 2.5, "text", None, True, (1, 2)],
        "d": np.float32(2.5),
        "e": collections.OrderedDict(x=1),
        "f": np.arange(4, dtype=">i2"),
        "g": b"raw",
    }
    if protocol == 5:
        value = {key: item for key, item in value.items() if key not in "abf"}  # arrays go another way there
    found = read_pickle(pickle.dumps(value, protocol=protocol), "here")
    for key in value:
        np.testing.assert_equal(found[key], value[key])


@pytest.mark.parametrize("kind", [sparse.csc_matrix, sparse.csr_matrix])
def test_sparse_matrices_come_back(kind) -> None:
    full = np.zeros((5, 40))
    full[[0, 1, 4, 4], [3, 9, 0, 39]] = [0.5, 0.25, 1, -2]
    found = read_pickle(pickle.dumps({"J": kind(full)}, protocol=2), "here")["J"]
    np.testing.assert_array_equal(dense(found), full)


class _Harm:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_and_never_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "harm"
    data = pickle.dumps({"v_template": _Harm(mark)}, protocol=protocol)
    with pytest.raises(InputError, match=r"wants to run '(posix|nt)\.system'"):
        read_pickle(data, "model.pkl")
    assert not mark.exists()


@pytest.mark.parametrize(
    "name", ["builtins.eval", "numpy.load", "numpy.core.multiarray.fromstring", "chumpy.ch; os.system"]
)
def test_only_known_names_pass(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    data = f"c{module}\n{attribute}\n.".encode()
    with pytest.raises(InputError, match="nothing is run"):
        read_pickle(data, "x")


def test_arrays_of_objects_and_false_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="not read"):
        read_pickle(pickle.dumps(np.array([{}, []], dtype=object), protocol=2), "x")
    data = pickle.dumps(np.arange(4, dtype=np.int64), protocol=2).replace(b"K\x04\x85", b"K\x07\x85", 1)
    with pytest.raises(InputError):
        read_pickle(data, "x")


def test_any_truncation_gives_a_sentence() -> None:
    data = pickle.dumps({"a": np.arange(30.0), "b": [1, 2, {"c": "d"}]}, protocol=2)
    for stop in range(0, len(data) - 1, 7):
        with pytest.raises(InputError):
            read_pickle(data[:stop], "x")


def test_a_pickle_that_holds_itself_many_times_is_refused_at_once() -> None:
    loop: list[object] = []
    loop += [loop, loop, loop]
    with pytest.raises(InputError, match="holds itself"):
        read_pickle(pickle.dumps({"a": loop}, protocol=2), "x")
    shared: list[object] = [1.0]
    for _ in range(40):  # 2^40 paths, 40 objects
        shared = [shared, shared]
    found = read_pickle(pickle.dumps(shared, protocol=2), "x")
    while isinstance(found[0], list):
        found = found[0]
    assert found == [1.0]


class _Call:
    """Any function with any arguments, as `__reduce__` writes them."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "harm",
    [
        _Call(eval, "1 + 1"),
        _Call(getattr, "text", "upper"),
        _Call(np.zeros, 10**12),
        _Call(np.frombuffer, b"12345678"),
        _Call(np.dtype, "O"),
        _Call(np.dtype, "V9"),
        _Call(bytearray, 10**12),
        _Call(collections.OrderedDict.fromkeys, [1]),
        {1, 2},
        {(1, 2): 3},
        {frozenset(): 1},
    ],
    ids=lambda harm: getattr(getattr(harm, "call", [harm])[0], "__name__", str(harm)),
)
def test_nothing_but_plain_data_and_arrays_passes(harm: object) -> None:
    with pytest.raises(InputError):
        read_pickle(pickle.dumps({"v_template": harm}, protocol=2), "x")


def test_keys_that_take_for_ever_to_hash_are_refused_at_once() -> None:
    key = b")" + b"q\x00h\x00\x86" * 60  # a tuple of twice the last tuple, 60 times: 2^60 hashes
    with pytest.raises(InputError, match="keys of type tuple"):
        read_pickle(b"\x80\x02}" + key + b"K\x01s.", "x")


def test_many_marks_cost_little() -> None:
    """Each step looks for its mark from the top: 400,000 of them above 200,000 values take seconds, not hours."""
    data = b"\x80\x02(" + b"K\x01" * 200_000 + b"(t0" * 200_000 + b"l."
    found = read_pickle(data, "x")
    assert found == [1] * 200_000


def test_copies_are_counted(monkeypatch) -> None:
    monkeypatch.setattr(pickled, "MAX_PICKLE_BYTES", 2**20)
    text = b"X" + (2**19).to_bytes(4, "little") + b"a" * 2**19
    data = b"\x80\x02" + text + b"q\x00" + b"c_codecs\nencode\nh\x00\x85R" * 8 + b"."
    with pytest.raises(InputError, match="take more than"):
        read_pickle(data, "x")


def test_an_array_cannot_claim_more_than_it_brings() -> None:
    for claim in (10**15, 2**62, -4):
        state = (1, (claim,), np.dtype("<f8"), False, b"12345678")
        with pytest.raises(InputError):
            read_pickle(pickle.dumps(_Stated(state), protocol=2), "x")


class _Stated:
    """An array with a state of its own."""

    def __init__(self, state) -> None:
        self.state = state

    def __reduce__(self):
        return np.ndarray, ((0,),), self.state
