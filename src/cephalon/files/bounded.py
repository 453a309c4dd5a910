"""Reading whole files with a limit on their size, one sentence for everything that can be wrong."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cephalon.core import InputError

StrPath = str | os.PathLike[str]


def read_bytes(path: StrPath, *, max_bytes: int, what: str = "file") -> bytes:
    """The bytes of a regular file of at most `max_bytes`.

    Raises
    ------
    InputError
        If there is no such file, it is a folder, pipe or device, may not be read, or is larger than `max_bytes`.
    """
    shown = os.fspath(path)
    try:
        found = Path(path).stat()
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            raise InputError(f"{shown} is a folder: expected a {what}")
        if not stat.S_ISREG(mode):
            raise InputError(f"{shown} is not a regular file: expected a {what}")
        data = b""
        if found.st_size <= max_bytes:
            with open(path, "rb") as stream:  # it may have grown, and files of the system state no size
                data = stream.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise InputError(f"{shown}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{shown}: there is no permission to read this file") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{shown}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    if max(found.st_size, len(data)) > max_bytes:
        raise InputError(f"{shown} is larger than {max_bytes / 2**20:.0f} MiB, the limit for a {what}")
    return data
