"""Functions compiled by numba when first called, and kept on disk.

Importing this module, or a module with such functions, does not import numba.
"""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_LOGGER = logging.getLogger("cephalon")
_LOCK = threading.RLock()


class Kernel:
    """A plain function that turns into its compiled form at the first call.

    Arithmetic is that of NumPy: no reordering ("fastmath"), and a division by zero gives infinity or NaN.
    The compiled code comes from numba's cache on disk if it is there. If it has to be compiled, the logger
    "cephalon" says so once at level INFO. With NUMBA_DISABLE_JIT=1 the plain function runs as it is.

    Parameters
    ----------
    function : the function, in the part of Python that numba compiles.
    signature : given the module `numba.types`, returns the types of the arguments. Read-only and writable arrays
        are different types; an argument declared read-only accepts both.
    label : what is being compiled, for the message.
    seconds : how long that takes about, for the message.
    """

    def __init__(self, function: Callable[..., Any], signature: Callable[[Any], Any], label: str, seconds: int) -> None:
        self.function = function
        self._signature = signature
        self._label = label
        self._seconds = seconds
        self._compiled: Callable[..., Any] | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Run the compiled function."""
        if self._compiled is None:
            self.compile()
        assert self._compiled is not None
        return self._compiled(*arguments)

    def compile(self) -> None:
        """Load the compiled code from disk, or compile and keep it; nothing if that is done."""
        with _LOCK:
            if self._compiled is None:
                self._compiled = self._load()

    def _load(self) -> Callable[..., Any]:
        import numba
        from numba.core import event

        signature = self._signature(numba.types)
        options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
        with event.install_listener("numba:compile", _announcer(self._label, self._seconds)):
            try:
                try:
                    return numba.njit(signature, cache=True, **options)(self.function)
                except RuntimeError as error:
                    if "no locator available" not in str(error):
                        raise
                # Neither the package's folder nor the user's cache can be written to.
                with _cache_in_temporary_folder():
                    return numba.njit(signature, cache=True, **options)(self.function)
            except Exception as error:  # no folder, a full disk, a damaged cache: their errors are of every kind
                _LOGGER.debug("compiled code is not kept on disk: %s", error)
            # A mistake in the function itself comes up again here.
            return numba.njit(signature, **options)(self.function)


def kernel(signature: Callable[[Any], Any], *, label: str, seconds: int) -> Callable[[Callable[..., Any]], Kernel]:
    """Decorate a function so that it is compiled at its first call; see `Kernel`."""
    return lambda function: Kernel(function, signature, label, seconds)


_NUMBERS = {"f4": "float32", "f8": "float64", "i1": "int8", "i4": "int32", "i8": "int64", "b1": "boolean"}


def typed(words: str, returns: str = "void") -> Callable[[Any], Any]:
    """Return a kernel's signature from one word for each argument.

    "f8" is a number; "f8:2" a C-ordered array of two dimensions that is only read, "f8:2w" one that is written. Numbers
    are f4, f8, i1, i4, i8 and b1; `returns` is one of them or "void".
    """

    def signature(types: Any) -> Any:
        found = []
        for word in words.split():
            name, _, shape = word.partition(":")
            dtype = getattr(types, _NUMBERS[name])
            dimensions = int(shape.removesuffix("w") or 0)
            found.append(types.Array(dtype, dimensions, "C", readonly="w" not in shape) if dimensions else dtype)
        return getattr(types, _NUMBERS.get(returns, returns))(*found)

    return signature


def _announcer(label: str, seconds: int) -> Any:
    """Return a numba listener that logs one line at the first real compilation (not at a load from disk)."""
    from numba.core import event

    class Announcer(event.Listener):
        said = False

        def on_start(self, event: Any) -> None:
            if not self.said:
                self.said = True
                _LOGGER.info("compiling the %s (once, about %d s)", label, seconds)

        def on_end(self, event: Any) -> None:
            pass

    return Announcer()


@contextmanager
def _cache_in_temporary_folder() -> Iterator[None]:
    """Let numba keep its cache among the temporary files, in a folder that nobody else can write to.

    Raises
    ------
    OSError
        If there is no such folder. A cache holds code, so a folder that another user could have filled is refused.
    """
    import numba

    user = os.getuid() if hasattr(os, "getuid") else None
    folder = Path(tempfile.gettempdir()) / f"cephalon-numba-{'user' if user is None else user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    facts = folder.lstat()
    private = user is None or (facts.st_uid == user and not facts.st_mode & 0o077)
    if not stat.S_ISDIR(facts.st_mode) or not private:
        raise OSError(f"{folder} is not a private folder")
    earlier = numba.config.CACHE_DIR  # pyright: ignore
    numba.config.CACHE_DIR = str(folder)  # pyright: ignore
    try:
        yield
    finally:
        numba.config.CACHE_DIR = earlier  # pyright: ignore
