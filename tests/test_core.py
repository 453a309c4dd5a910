"""Arrays from outside: what would be bent to fit is refused."""

import numpy as np
import pytest

from cephalon.core import InputError, as_array


@pytest.mark.parametrize("value", [[0.0, 1.0, 2.0], np.array([0, 1, 2], np.uint64), np.array([0, 1, 2], np.int32)])
def test_whole_numbers_of_any_type_are_taken(value):
    np.testing.assert_array_equal(as_array("x", value, (3,), np.int32), [0, 1, 2])


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        (np.array([0.0, 1.5]), np.int32),
        (np.array([0, 2**32 + 5]), np.int32),
        (np.array([0, 2**64 - 1], np.uint64), np.int64),
        (np.array([0.0, np.inf]), np.int32),
        ([0, 2**40], np.int32),
        ([0.0, 10**400], np.float64),
        (["no", "yes"], bool),
        ([0.0, 0.5], bool),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_numbers_that_would_be_bent_are_refused(value, dtype):
    with pytest.raises(InputError, match="expected numbers"):
        as_array("x", value, (2,), dtype)
