"""Running one function over many items, in one or several processes, with a few items in the air at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from cephalon.core import InputError

Task = TypeVar("Task")
Result = TypeVar("Result")

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def run(
    function: Callable[[Task], Result],
    tasks: Iterable[Task],
    *,
    workers: int = 1,
    prepare: Callable[[], object] | None = None,
) -> Iterator[tuple[Task, Result]]:
    """Yield (task, result) in the order of `tasks`.

    With several workers, `function` and tasks have to be picklable; each process keeps to one thread. At most three
    tasks a worker are held at a time, so memory does not grow with their number.

    Parameters
    ----------
    function, tasks : what is run on what.
    workers : processes; with 1 it all happens in this one.
    prepare : loads what `function` will need. Called here once where workers are forks of this process and have it for
        nothing; elsewhere they start afresh, a second or two each, and `prepare` is not called.

    Raises
    ------
    InputError
        If `workers` is not a number from 1, or a worker process dies (most often for want of memory).
    """
    if workers < 1:
        raise InputError(f"workers: expected a number from 1, got {workers}")
    if workers == 1:
        for task in tasks:
            yield task, function(task)
        return
    from concurrent.futures.process import BrokenProcessPool

    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # children read it when they start
    pending: dict[Future[Any], int] = {}
    done: dict[int, tuple[Task, Result]] = {}
    given: dict[int, Task] = {}
    following = 0
    source = enumerate(tasks)
    try:
        method = "fork" if _may_fork() else "spawn"
        if method == "fork" and prepare is not None:
            prepare()
        with ProcessPoolExecutor(workers, mp_context=get_context(method)) as pool:
            try:
                while True:
                    while len(pending) + len(done) < 3 * workers and (entry := next(source, None)) is not None:
                        number, task = entry
                        given[number] = task
                        pending[pool.submit(function, task)] = number
                    if not pending:
                        break
                    ready, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in ready:
                        number = pending.pop(future)
                        done[number] = (given.pop(number), future.result())
                    while following in done:
                        yield done.pop(following)
                        following += 1
            except BrokenProcessPool as error:
                raise InputError("a worker process died: is there enough memory? Try fewer --workers") from error
            finally:
                for future in pending:
                    future.cancel()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _may_fork() -> bool:
    """Tell whether this process can be forked safely: on Linux, while it has no other thread that might hold a lock."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False
