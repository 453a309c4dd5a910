"""The job behind `cephalon synth`: shards with a progress bar, statistics, sheets, or the open benchmark."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cephalon.core import InputError
from cephalon.files import read_bytes
from cephalon.files.png import write_png
from cephalon.synth.options import SampleOptions, family_options
from cephalon.synth.sample import decode, encode, make_samples, texture_size
from cephalon.synth.stock import data_folder, load_library

_LOGGER = logging.getLogger("cephalon")
_MOST_OPTIONS_BYTES = 2**20


def run(options: argparse.Namespace, *, out: Callable[[str], None]) -> int:
    """Do what the parsed arguments ask for; lines of the result go to `out`."""
    from tqdm import tqdm

    data = data_folder(options.data)
    if options.open_benchmark:
        from cephalon.synth.open_benchmark import benchmark_options, write_benchmark

        library = load_library(data, texture_size(benchmark_options(options.size)))
        with tqdm(total=options.count, unit="person", disable=None, file=sys.stderr) as bar:

            def step(done: int, _: int) -> None:
                bar.update(done - bar.n)

            write_benchmark(
                options.output,
                library,
                people=options.count,
                seed=options.seed,
                size=options.size,
                force=options.force,
                progress=step,
            )
        out(f"wrote the open benchmark: {options.count} people, 5 photos each, in {options.output}")
        return 0
    settings = _settings(options)
    from cephalon.synth.shards import PER_SHARD, read_records, write_dataset
    from cephalon.synth.statistics import describe, population

    _LOGGER.info(
        "drawing people, a shard of %d at a time (the first time loops are compiled, about half a minute)", PER_SHARD
    )
    start = time.perf_counter()
    with tqdm(total=options.count, unit="img", disable=None, file=sys.stderr) as bar:
        seen: list[int] = []

        def progress(done: int, _: int) -> None:
            if not seen:
                bar.initial = done
            seen.append(done)
            bar.update(done - bar.n)

        workers = options.workers if options.workers is not None else os.cpu_count() or 1
        paths = write_dataset(
            options.output,
            settings,
            count=options.count,
            seed=options.seed,
            workers=workers,
            data=data,
            on=options.on,
            progress=progress,
        )
    seconds = time.perf_counter() - start
    made = options.count - seen[0]
    for line in describe(population(read_records(paths))):
        out(line)
    rate = f", {made} of them now, {made / seconds:.1f} a second" if made else ""
    out(f"wrote {options.count} samples in {len(paths)} shards to {options.output}{rate}")
    if data is None:
        out("no data folder: skins, hair, light and backgrounds are made up; --data or CEPHALON_SYNTH_DATA names one")
    if options.sheet:
        _sheets(options.output, settings, options.seed, min(64, options.count), data)
        out(f"look at {options.output / 'sheet.png'} and {options.output / 'truth.png'}")
    return 0


def _settings(options: argparse.Namespace) -> SampleOptions:
    if options.options is None:
        return family_options(options.family, options.size)
    try:
        text = read_bytes(options.options, max_bytes=_MOST_OPTIONS_BYTES, what="record of sample options").decode(
            "utf-8"
        )
        return SampleOptions.from_json(text).with_size(options.size)
    except UnicodeDecodeError as error:
        raise InputError(f"{options.options}: expected a record of sample options (JSON), this is no text") from error
    except InputError as error:
        named = str(options.options) in str(error)
        raise error if named else InputError(f"{options.options}: {error}") from error


def _sheets(folder: Path, settings: SampleOptions, seed: int, count: int, data: Path | None) -> None:
    """Write a sheet of the first pictures, and one of a few with their truth as read back from bytes."""
    from cephalon.synth.sheet import contact_sheet, truth_row

    library = load_library(data, texture_size(settings))
    samples = [sample for index in range(count) for sample in make_samples(library, settings, seed, index)][:64]
    write_png(folder / "sheet.png", contact_sheet([sample.image for sample in samples]))
    rows = [truth_row(decode(encode(sample))) for sample in samples[:10]] if settings.layers else []
    if rows:
        most = max(len(row) for row in rows)
        blank = rows[0][0] * 0
        write_png(
            folder / "truth.png", contact_sheet([p for row in rows for p in row + [blank] * (most - len(row))], most)
        )
