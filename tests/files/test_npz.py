"""NumPy archives: what numpy wrote comes back; what claims more than it holds, or needs a pickle, does not."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files.npz import npz_names, read_npy, read_npz


def archive(**arrays) -> bytes:
    memory = io.BytesIO()
    np.savez_compressed(memory, **arrays)
    return memory.getvalue()


def entry(header: str, body: bytes) -> bytes:
    """An archive of one array whose header says what it likes."""
    text = header.encode().ljust(117) + b"\n"
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)
    return memory.getvalue()


def test_round_trip_without_what_needs_a_pickle():
    arrays = {
        "a": np.arange(12.0).reshape(3, 4),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "text": np.array(["one", "two"]),
        "empty": np.zeros((0, 3), np.float32),
        "number": np.array(5),
    }
    data = archive(**arrays, objects=np.array([{}], dtype=object))
    found = read_npz(data, where="x")
    assert set(found) == set(arrays)
    assert npz_names(data, where="x") == set(arrays) | {"objects"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(4294967296, 4294967296)", "(-1,)", "(2,)"])
def test_claims_are_checked_before_memory_is_taken(shape):
    with pytest.raises(InputError):
        read_npz(entry("{'descr': '<f8', 'fortran_order': False, 'shape': " + shape + "}", bytes(8)), where="x")


def test_what_unpacks_to_too_much_is_refused():
    with pytest.raises(InputError, match="unpacks to more"):
        read_npz(archive(a=np.zeros(2**20, np.uint8)), where="x", max_unpacked=2**19)


def test_any_damage_is_one_sentence():
    data = archive(a=np.random.default_rng(0).normal(size=400), b=np.array(["x" * 9]))
    rng = np.random.default_rng(1)
    for round_number in range(400):
        damaged = bytearray(data)
        if round_number % 2:
            damaged = damaged[: rng.integers(len(damaged))]
        else:
            for place in rng.integers(len(damaged), size=4):
                damaged[place] = rng.integers(256)
        try:
            read_npz(bytes(damaged), where="x")
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
            assert len(str(error)) < 300  # noqa: PT017


def npy(array) -> bytes:
    memory = io.BytesIO()
    np.save(memory, array)
    return memory.getvalue()


def test_a_single_array_comes_back():
    array = np.arange(21.0).reshape(7, 3)
    np.testing.assert_array_equal(read_npy(npy(array), where="x"), array)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        npy(np.zeros(3))[:-1],
        npy(np.array([{"a": 1}], dtype=object)),
        npy(np.array(["text"])),
        npy(np.zeros(3)).replace(b"}", b"(", 1),  # the header ends within a bracket
        npy(np.zeros(3)).replace(b"(3,)", b"(9,)"),
    ],
)
def test_a_damaged_single_array_is_one_sentence(data):
    with pytest.raises(InputError) as caught:
        read_npy(data, where="x")
    assert "\n" not in str(caught.value)
