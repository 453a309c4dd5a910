"""Errors and array checks that every room shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


class CephalonError(Exception):
    """Anything Cephalon says no to. `exit_code` is what the command line ends with."""

    exit_code = 1


class InputError(CephalonError):
    """Wrong use, or an input that cannot be read: a file, a number, an asset, a folder."""

    exit_code = 2


class NoHeadError(CephalonError):
    """The input is readable, yet no head (or not the wanted one) was found in it."""

    exit_code = 3


class MissingExtraError(InputError):
    """An optional package is needed; the message names the extra that brings it."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: type  pip install 'cephalon[{extra}]'")
        self.extra = extra


def as_array(
    name: str,
    value: npt.ArrayLike,
    shape: Sequence[int | None],
    dtype: npt.DTypeLike = np.float64,
    *,
    finite: bool = True,
) -> npt.NDArray[Any]:
    """Return `value` as a read-only array of the given shape and dtype, or say what was wrong.

    Parameters
    ----------
    name : what the array is called in the error message.
    shape : expected shape; `None` leaves an axis free. Leading `...` is not supported.
    finite : demand finite numbers (floating dtypes only).

    Raises
    ------
    InputError
        If the value is no array of numbers, has another shape, or holds NaN or infinity.
    """
    try:
        array = np.array(value, dtype=dtype, copy=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name}: expected numbers of type {np.dtype(dtype)}, got {value!r:.60}") from error
    if array.dtype.kind in "iub":  # numpy cuts 1.5 to 1, wraps 2**32 to 0 and takes any text for True
        given = np.asarray(value)
        if given.dtype != array.dtype and not (given.dtype.kind in "fiub" and np.array_equal(given, array)):
            raise InputError(
                f"{name}: expected numbers of type {array.dtype}, got others (fractions, too large, or text)"
            )
    wanted = tuple(shape)
    if array.ndim != len(wanted) or any(w is not None and w != s for w, s in zip(wanted, array.shape, strict=True)):
        text = "(" + ", ".join("any" if w is None else str(w) for w in wanted) + ")"
        raise InputError(f"{name}: expected shape {text}, got {array.shape}")
    if finite and np.issubdtype(array.dtype, np.inexact) and not np.isfinite(array).all():
        bad = int(np.argmin(np.isfinite(array).reshape(-1)))
        raise InputError(f"{name}: expected finite numbers, got NaN or infinity (first at flat index {bad})")
    array.flags.writeable = False
    return array
