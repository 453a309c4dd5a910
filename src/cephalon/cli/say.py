"""Where words go: results to stdout, everything else to stderr."""

from __future__ import annotations

import logging
import sys


def say(text: str) -> None:
    """Print a line of progress or of trouble on stderr."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


def out(text: str) -> None:
    """Print a line of the result on stdout."""
    print(text)  # noqa: T201


def log_to_stderr() -> None:
    """Log to stderr what the library says while it works (for example that it compiles once)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("cephalon")
    if not logger.handlers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
