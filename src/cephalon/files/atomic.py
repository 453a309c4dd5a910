"""Writing files so that nothing half-written is ever seen: write beside, fsync, rename.

`write_bytes` does it for one file, `OutputFolder` for a folder of results. Whatever the operating system refuses (full
disk, no permission, a folder in the way) becomes one `InputError` that says what to do.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Self

from cephalon.core import InputError
from cephalon.files.bounded import StrPath

_PARTIAL = ".cephalon-partial-"
_STALE_AFTER_S = 24 * 3600.0
_REASONS = {
    errno.ENOSPC: "the disk is full: free some space or choose another place",
    errno.EDQUOT: "your disk quota is used up: free some space or choose another place",
    errno.EFBIG: "the file would be larger than this disk or account allows: choose another place",
    errno.EACCES: "there is no permission to write there: choose another place or change its permissions",
    errno.EPERM: "there is no permission to write there: choose another place or change its permissions",
    errno.EROFS: "that disk is read-only: choose another place",
    errno.ENOTDIR: "a part of that path is a file, not a folder: choose another place",
    errno.EISDIR: "a folder of that name is in the way: choose another name",
    errno.ENAMETOOLONG: "that name is too long for this disk: choose a shorter one",
    errno.ENOENT: "that folder does not exist: create it or choose another place",
    errno.EEXIST: "something of that name is in the way: choose another name",
}


def as_input_error(error: OSError, path: StrPath) -> InputError:
    """The sentence for an `OSError` met while writing `path`: what was written, why it failed, what to do."""
    reason = _REASONS.get(error.errno or 0)
    if reason is None:
        reason = f"{error.strerror or error}: choose another place"
    return InputError(f"cannot write {os.fspath(path)}: {reason}")


@contextlib.contextmanager
def _refusals(path: StrPath) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise as_input_error(error, path) from error
    except ValueError as error:  # a name that no system takes
        raise InputError(f"cannot write {os.fspath(path)!r}: {error}") from error


def write_bytes(path: StrPath, data: bytes | bytearray | memoryview) -> None:
    """Write `data` to `path` in one step: a reader sees the old file or the whole new one, never a part.

    The bytes go to a temporary file beside, are flushed to the disk, and take the name by a rename. A symbolic link is
    followed; a device or pipe (`/dev/stdout`) is written directly. The folder has to exist.

    Raises
    ------
    InputError
        If the place cannot be written or the disk is full. The old file, if there was one, is untouched.
    """
    write_files({path: data})


def write_files(files: Mapping[StrPath, bytes | bytearray | memoryview]) -> None:
    """Write several files that belong together: all are written beside their places before the first takes its name.

    Raises
    ------
    InputError
        As `write_bytes`; then none of the files has changed (unless a rename itself is refused).
    """
    staged: list[tuple[StrPath, Path, Path]] = []
    try:
        for path, data in files.items():
            with _refusals(path):
                found = _staged(path, data)
                if found is not None:
                    staged.append((path, *found))
        for path, partial, target in staged:
            with _refusals(path):
                os.replace(partial, target)
                _fsync_folder(target.parent)
    except BaseException:
        for _, partial, _ in staged:
            with contextlib.suppress(OSError):
                os.unlink(partial)
        raise


def _staged(path: StrPath, data: bytes | bytearray | memoryview) -> tuple[Path, Path] | None:
    """Write to a temporary file; return it and the name that it shall take (None: a device, which has it already)."""
    target = Path(os.path.realpath(path))
    with contextlib.suppress(FileNotFoundError):
        mode = target.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a folder")
        if not stat.S_ISREG(mode):
            with open(target, "wb", buffering=0) as device:
                _write_all(device.fileno(), data)
            return None
    partial = target.with_name(f".{target.name[:80]}{_PARTIAL}{secrets.token_hex(4)}")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise
    return partial, target


def write_text(path: StrPath, text: str) -> None:
    """Write `text` as UTF-8 with the newlines it has; see `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


class OutputFolder:
    """A folder of results that appears whole or not at all.

    Inside the `with` block files are written below `staging` (by `write`, or by anyone at the path that `file`
    returns). On a clean exit they move into place, `marker` last; after an exception (also Ctrl-C, also a full disk)
    the staging folder is removed and `path` is as it was. A folder that did not exist appears by one rename.

    What may be replaced: an empty folder, or one that holds `marker`, our own earlier result; then file by file,
    everything else in it stays. Of the earlier result's files those are removed that this run did not write again,
    that the marker's `"files"` table (see `manifest`) names, and that still have the sha256 given there. Any other
    non-empty folder needs `force`, which replaces files of the same name.

    Parameters
    ----------
    path : the folder; missing parents are created.
    force : write into a folder that holds other things.
    marker : file name by which an earlier result is known.

    Raises
    ------
    InputError
        On entry if `path` is a file, is not empty and not ours, or cannot be written; on exit if the disk is full or
        a folder has the name of a file to be written.

    Examples
    --------
    >>> with OutputFolder("out") as out:                      # doctest: +SKIP
    ...     out.write("albedo.png", png_bytes(albedo))
    ...     out.write("fit.json", json_bytes({"files": out.manifest()}))
    """

    def __init__(self, path: StrPath, *, force: bool = False, marker: str = "fit.json") -> None:
        with _refusals(path):
            self.path = Path(os.path.realpath(path))
        self._shown = os.fspath(path)
        self._force = force
        self._marker = marker
        self._existed = False
        self._created_parents: list[Path] = []
        self._work: Path | None = None

    @property
    def staging(self) -> Path:
        """The folder that stands for `path` inside the `with` block."""
        if self._work is None:
            raise InputError("an OutputFolder is written inside its `with` block")
        return self._work / "new"

    def file(self, name: str) -> Path:
        """Path at which to write what shall be `path / name`; its sub-folder exists. `name` uses `/` and no `..`."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or not relative.parts or ".." in relative.parts or "\\" in name:
            raise InputError(f"{name!r}: expected a file name inside the output folder")
        path = self.staging.joinpath(*relative.parts)
        with _refusals(self.path / name):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """Write one file of the result."""
        path = self.file(name)
        with _refusals(Path(self._shown) / name):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
            try:
                _write_all(handle, data)
            finally:
                os.close(handle)

    def manifest(self) -> dict[str, dict[str, Any]]:
        """Name -> `{"bytes", "sha256"}` of every file written so far, sorted: for the marker's `"files"` entry."""
        table: dict[str, dict[str, Any]] = {}
        for name in _names_below(self.staging):
            path = self.staging / name
            table[name] = {"bytes": path.stat().st_size, "sha256": _sha256(path)}
        return table

    def __enter__(self) -> Self:
        with _refusals(self._shown):
            self._existed = self.path.exists()
            if self._existed and not self.path.is_dir():
                raise InputError(f"{self._shown} is a file: choose a folder to write into")
            home = self.path if self._existed else self.path.parent
            _sweep(home, self.path.name)
            if self._existed and not self._force and not (self.path / self._marker).is_file():
                if any(_PARTIAL not in entry.name for entry in self.path.iterdir()):
                    raise InputError(
                        f"{self._shown} is not empty and holds no earlier result ({self._marker}): choose another "
                        "folder, or say --force to write into this one"
                    )
            try:
                if not self._existed:
                    self._create_parents()
                work = home / f".{self.path.name[:80]}{_PARTIAL}{secrets.token_hex(4)}"
                os.mkdir(work)
                self._work = work
                os.mkdir(work / "new")
            except BaseException:
                self._clean(failed=True)
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._clean(failed=True)
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
                raise as_input_error(error, self._shown) from error
            return
        done = False
        try:
            with _refusals(self._shown):
                self._commit()
            done = True
        finally:
            self._clean(failed=not done)

    def _create_parents(self) -> None:
        missing = [parent for parent in self.path.parents if not parent.exists()]
        for parent in reversed(missing):
            os.mkdir(parent)
            self._created_parents.append(parent)

    def _clean(self, *, failed: bool) -> None:
        if self._work is not None:
            shutil.rmtree(self._work, ignore_errors=True)
            self._work = None
        if failed:
            for parent in reversed(self._created_parents):
                with contextlib.suppress(OSError):
                    os.rmdir(parent)

    def _commit(self) -> None:
        staging = self.staging
        names = _names_below(staging)
        for name in names:
            _fsync_file(staging / name)
        if not self._existed:
            os.rename(staging, self.path)
            _fsync_folder(self.path.parent)
            return
        names.sort(key=lambda name: (name == self._marker, name))
        for name in names:
            if (self.path / name).is_dir():
                raise InputError(f"cannot write {self.path / name}: a folder of that name is in the way")
        stale = self._stale(set(names))
        backup = staging.parent / "old"
        undo: list[tuple[Path, Path]] = []
        try:
            for name in names:
                target = self.path / name
                target.parent.mkdir(parents=True, exist_ok=True)
                if os.path.lexists(target):
                    self._move(target, backup / name, undo)
                self._move(staging / name, target, undo)
            for name in stale:
                self._move(self.path / name, backup / name, undo)
        except BaseException:
            for source, destination in reversed(undo):
                with contextlib.suppress(OSError):
                    os.replace(destination, source)
            raise
        _fsync_folder(self.path)

    @staticmethod
    def _move(source: Path, destination: Path, undo: list[tuple[Path, Path]]) -> None:
        destination.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, destination)
        undo.append((source, destination))

    def _stale(self, fresh: set[str]) -> list[str]:
        """Files of the earlier result, still ours byte for byte, that this result no longer has."""
        marker = self.path / self._marker
        try:
            if marker.stat().st_size > 64 * 2**20:
                return []
            table = json.loads(marker.read_bytes())["files"]
            claims = {str(name): str(entry["sha256"]) for name, entry in table.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return []
        stale = []
        for name, sha256 in sorted(claims.items()):
            parts = PurePosixPath(name).parts
            if not parts or name in fresh or ".." in parts or PurePosixPath(name).is_absolute() or "\\" in name:
                continue
            path = self.path / name
            if path.is_file() and not path.is_symlink() and _sha256(path) == sha256:
                stale.append(name)
        return stale


def _write_all(handle: int, data: bytes | bytearray | memoryview) -> None:
    view = memoryview(data).cast("B")
    while view:
        view = view[os.write(handle, view[: 2**24]) :]


def _names_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fsync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _fsync_folder(path: Path) -> None:
    """Make a rename durable where the system can (Windows cannot)."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sweep(home: Path, name: str) -> None:
    """Remove what a run that was killed (not one that failed) left behind more than a day ago."""
    prefix = f".{name[:80]}{_PARTIAL}"
    with contextlib.suppress(OSError):
        for entry in os.scandir(home):
            if entry.name.startswith(prefix) and entry.is_dir(follow_symlinks=False):
                if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE_AFTER_S:
                    shutil.rmtree(entry.path, ignore_errors=True)
