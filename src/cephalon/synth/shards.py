"""Datasets of synthetic people on disk: WebDataset shards, written in parallel, resumable, the same bytes for any workers."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cephalon.core import InputError, MissingExtraError
from cephalon.files.document import parse_json, read_json
from cephalon.synth.options import SampleOptions
from cephalon.synth.sample import FORMAT_VERSION, Sample, decode, encode, make_samples, texture_size

MANIFEST = "dataset.json"
PER_SHARD = 50
"""Samples in a shard."""
_MOST_MEMBER_BYTES = 256 * 2**20
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Progress = Callable[[int, int], None]
"""Called with the number of indices done and of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardTask:
    """One shard: indices start to stop (not included) of a seed, into one file."""

    folder: str
    number: int
    start: int
    stop: int
    seed: int
    options: str
    data: str | None

    @property
    def path(self) -> Path:
        """Where the finished shard lies."""
        return Path(self.folder) / f"shard-{self.number:06d}.tar"


def write_dataset(
    folder: Path,
    options: SampleOptions,
    *,
    count: int,
    seed: int,
    workers: int = 1,
    data: Path | None = None,
    per_shard: int = PER_SHARD,
    on: str = "processes",
    progress: Progress | None = None,
) -> list[Path]:
    """Write `count` indices of a seed as shards; what a killed run left is kept or made anew, never twice.

    A shard appears under its name only when whole; a run that finds it there skips it.

    Parameters
    ----------
    data : folder with skins, hair and light; None for made-up ones.
    per_shard : indices in a shard.
    on : "processes" of this machine, or "ray" (extra `ray`).

    Raises
    ------
    InputError
        If the folder holds another dataset or cannot be written.
    """
    if count < 1 or per_shard < 1 or workers < 1:
        raise InputError("synth: expected at least one sample, one sample in a shard and one worker")
    manifest = {
        "format_version": FORMAT_VERSION, "count": count, "seed": seed, "per_shard": per_shard, "options": json.loads(options.to_json()),
        "head_model_sha256": _model_hash(), "data": data is not None,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    _check_manifest(folder / MANIFEST, manifest)
    tasks = [
        ShardTask(
            folder=str(folder), number=number, start=start, stop=min(start + per_shard, count), seed=seed, options=options.to_json(),
            data=None if data is None else str(data),
        )
        for number, start in enumerate(range(0, count, per_shard))
    ]  # fmt: skip
    for left in folder.glob("*.partial"):
        left.unlink()
    done = sum(t.stop - t.start for t in tasks if t.path.is_file())
    open_tasks = [t for t in tasks if not t.path.is_file()]
    if progress:
        progress(done, count)
    run = _on_ray if on == "ray" else _on_processes
    if on not in ("ray", "processes"):
        raise InputError(f"--on: expected processes or ray, got {on!r}")
    for task in run(open_tasks, workers):
        done += task.stop - task.start
        if progress:
            progress(done, count)
    return [t.path for t in tasks]


def _model_hash() -> str:
    from cephalon.head import HeadModel

    return HeadModel.load().sha256


def _check_manifest(path: Path, manifest: dict[str, Any]) -> None:
    from cephalon.files.atomic import write_text

    text = json.dumps(manifest, indent=1, sort_keys=True)
    if path.is_file():
        try:
            found = read_json(path)
        except InputError as error:
            raise InputError(f"{path}: is damaged; remove the folder and begin anew ({error})") from error
        if found != json.loads(text):
            differs = sorted(k for k in manifest if found.get(k) != json.loads(text)[k])
            raise InputError(
                f"{path.parent}: holds another dataset (they differ in {', '.join(differs)}); "
                "choose another folder, or the same options to go on"
            )
        return
    if any(path.parent.glob("*.tar")):
        raise InputError(f"{path.parent}: holds .tar files of something else; choose another folder")
    write_text(path, text)


def write_shard(task: ShardTask) -> ShardTask:
    """Make and write one shard; runs in a worker."""
    from cephalon.synth.stock import load_library

    options = SampleOptions.from_json(task.options)
    library = load_library(None if task.data is None else Path(task.data), texture_size(options))
    partial = task.path.with_suffix(".partial")
    with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
        for index in range(task.start, task.stop):
            for sample in make_samples(library, options, task.seed, index):
                for extension, data in encode(sample).items():
                    member = tarfile.TarInfo(f"{sample.key}.{extension}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))
    partial.replace(task.path)
    return task


def _on_processes(tasks: list[ShardTask], workers: int) -> Iterator[ShardTask]:
    """Fresh processes with one thread each, also for one worker: sums then come out the same for any number."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed

    if not tasks:
        return
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context) as pool:
            futures = [pool.submit(write_shard, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    yield future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _on_ray(tasks: list[ShardTask], workers: int) -> Iterator[ShardTask]:
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--on ray", "ray") from error
    if not tasks:
        return
    if not ray.is_initialized():
        ray.init(
            num_cpus=workers if not os.environ.get("RAY_ADDRESS") else None,
            include_dashboard=False,
            log_to_driver=False,
        )
    remote = ray.remote(num_cpus=1, runtime_env={"env_vars": dict.fromkeys(_THREADS, "1")})(write_shard)
    waiting = [remote.remote(task) for task in tasks]
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        yield from ray.get(ready)


def read_shard(path: Path) -> Iterator[Sample]:
    """Yield the samples of a shard.

    Raises
    ------
    InputError
        If the file is no such shard, is cut short, or a member is damaged or larger than a sample needs.
    """
    members: dict[str, bytes] = {}
    key = None
    for name, data in _members(path):
        stem, _, extension = name.partition(".")
        if key is not None and stem != key:
            yield _decoded(path, key, members)
            members = {}
        key = stem
        members[extension] = data
    if key is not None:
        yield _decoded(path, key, members)


def read_records(paths: list[Path]) -> Iterator[dict[str, Any]]:
    """Yield the records alone of all samples in shards; raises as `read_shard`."""
    for path in paths:
        for name, data in _members(path, ".json"):
            yield parse_json(data, where=f"{path}: {name[:80]}")


def _members(path: Path, ending: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield names and bytes of an archive's files, those alone whose name ends so; each is bounded, no link is followed."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise InputError(f"{path}: not a regular file; expected a shard of synthetic people (.tar)")
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            for member in archive:
                if not member.isreg() or member.size > _MOST_MEMBER_BYTES:
                    raise InputError(f"{path}: {member.name[:80]!r} is no member of a shard of synthetic people")
                if member.name.endswith(ending):
                    inner = archive.extractfile(member)
                    data = b"" if inner is None else inner.read()
                    yield member.name, data
            stream.seek(archive.offset)
            if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):  # tarfile takes damage for the end
                raise InputError(f"{path}: the shard is cut short or damaged; get or make it anew")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a shard of synthetic people ({error}); get or make it anew") from error


def _decoded(path: Path, key: str, members: dict[str, bytes]) -> Sample:
    try:
        return decode(members)
    except InputError as error:
        raise InputError(f"{path}: sample {key[:80]!r} {error}") from error


def rate(start: float, done: int) -> float:
    """Images per second since a `time.perf_counter()`."""
    return done / max(time.perf_counter() - start, 1e-9)
