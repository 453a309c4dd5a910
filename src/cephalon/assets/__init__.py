"""What Cephalon is made of: packaged assets, assets to fetch, other people's parts, and their licences.

The records are in data/registry.json. This is the only module that may use the network, and only when it is asked to.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from cephalon.core import InputError

TASK_VARIABLE = "CEPHALON_MEDIAPIPE_TASK"
DATA_VARIABLE = "CEPHALON_DATA"

Progress = Callable[[str], None]
"""Called with one line of text as the work goes on."""

_TIMEOUT_S = 30.0
_BLOCK = 1 << 16
_REGISTRY_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedAsset:
    """A file inside the package.

    Attributes
    ----------
    file : path below cephalon/data.
    licence : SPDX name or words.
    source : where its content comes from.
    command : the line that builds it anew from a checkout.
    seed : of the random numbers in that build; None if there are none.
    figures : measured facts about it, by name.
    """

    name: str
    file: str
    what: str
    licence: str
    source: str
    sha256: str
    size_bytes: int
    command: str
    seed: int | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)

    def read_bytes(self) -> bytes:
        """Return the file's content.

        Raises
        ------
        InputError
            If the file is not in the package.
        """
        try:
            return _data_file(self.file).read_bytes()
        except OSError as error:
            raise InputError(f"{self.file}: is missing from this installation; install cephalon anew") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchableAsset:
    """A file that `get` can download: checked by what it holds, never fetched without being asked.

    Attributes
    ----------
    url, mirror : its address, and another one to try ("" for none).
    sha256 : of the file; "" if nobody recorded it.
    radiance : in its place, of a panorama (.hdr), the mean light of its cells (see `radiance.cell_radiance`) as numbers
        with blanks between, row by row.
    size_bytes : of the file; without a sha256, the most it may have.
    """

    name: str
    file: str
    what: str
    licence: str
    source: str
    url: str
    size_bytes: int
    sha256: str = ""
    radiance: str = ""
    mirror: str = ""

    def __post_init__(self) -> None:
        if bool(self.sha256) == bool(self.radiance):
            raise InputError(f"{self.name}: expected either a sha256 or a radiance in its record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Files that belong together, which `get` downloads into one folder of `synth_data_dir`.

    Attributes
    ----------
    folder : its name below that folder.
    files : the files, each named by its path below the collection's folder.
    """

    name: str
    folder: str
    what: str
    licence: str
    source: str
    files: tuple[FetchableAsset, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes of all files; the most they may have if one has no sha256."""
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceRow:
    """One work with its licence, and `where` it lies: in the package, or installed by which extra."""

    name: str
    what: str
    licence: str
    source: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """All records."""

    packaged: tuple[PackagedAsset, ...]
    fetchable: tuple[FetchableAsset, ...]
    third_party: tuple[LicenceRow, ...]
    collections: tuple[Collection, ...] = ()


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Read the registry of the package."""
    record = json.loads(_data_file("registry.json").read_text(encoding="utf-8"))
    if record.get("format_version") != _REGISTRY_FORMAT:
        raise InputError(f"registry.json: format {record.get('format_version')!r} is unknown; install cephalon anew")
    return Registry(
        packaged=tuple(PackagedAsset(**entry) for entry in record["packaged"]),
        fetchable=tuple(FetchableAsset(**entry) for entry in record["fetchable"]),
        third_party=tuple(LicenceRow(**entry) for entry in record["third_party"]),
        collections=tuple(_collection(entry) for entry in record["collections"]),
    )


def _collection(entry: Mapping[str, Any]) -> Collection:
    shared = {key: entry[key] for key in ("name", "what", "licence", "source")}
    return Collection(
        **shared, folder=entry["folder"], files=tuple(FetchableAsset(**shared, **f) for f in entry["files"])
    )


def verify() -> list[str]:
    """Compare every packaged file with its record; return one sentence for each that differs (none is well)."""
    problems = []
    for asset in registry().packaged:
        try:
            data = asset.read_bytes()
        except InputError as error:
            problems.append(str(error))
            continue
        if hashlib.sha256(data).hexdigest() != asset.sha256:
            problems.append(f"{asset.file}: its sha256 is not the recorded one; type  python -m builders.registry")
    return problems


# -- licences ---------------------------------------------------------------------------------------------------------


def licence_table() -> list[LicenceRow]:
    """Return what Cephalon consists of and under which licences: the program, its assets, other people's parts."""
    known = registry()
    rows = [
        LicenceRow(name="cephalon", what="this program", licence="Apache-2.0", source="this project", where="package")
    ]
    for assets, where in ((known.packaged, "package"), ((*known.fetchable, *known.collections), "fetched on request")):
        rows += [LicenceRow(name=a.name, what=a.what, licence=a.licence, source=a.source, where=where) for a in assets]
    return [*rows, *known.third_party]


def licenses() -> list[str]:
    """Return the licence table as lines of text, one part after the other by where it lies, then the notices."""
    rows = licence_table()
    lines = []
    for where in dict.fromkeys(row.where for row in rows):
        part = [row for row in rows if row.where == where]
        widths = max(len(row.name) for row in part), max(len(row.licence) for row in part)
        lines.append(f"{where}:")
        lines += [
            f"  {row.name:{widths[0]}}  {row.licence:{widths[1]}}  {row.what} ({row.source})".rstrip() for row in part
        ]
    return [*lines, "", *notices().splitlines()]


def notices() -> str:
    """Return the licence texts and notices of other people's work inside the package."""
    return _data_file("notices.txt").read_text(encoding="utf-8")


def listing() -> list[str]:
    """Return one line for every asset: packaged ones, and fetchable ones with whether they are there."""
    known = registry()
    lines = [f"{a.name}: in the package, {_size(a.size_bytes)}, {a.licence}: {a.what}" for a in known.packaged]
    for asset in known.fetchable:
        there = _place(asset).is_file()
        state = f"in {_place(asset)}" if there else f"not fetched; type  cephalon assets get {asset.name}"
        lines.append(f"{asset.name}: {state}, {_amount(asset)}, {asset.licence}: {asset.what}")
    for group in known.collections:
        folder = synth_data_dir() / group.folder
        missing = sum(not (folder / file.file).is_file() for file in group.files)
        state = (
            f"in {folder}"
            if not missing
            else f"{missing} of {len(group.files)} files not fetched; type  cephalon assets get {group.name}"
        )
        lines.append(f"{group.name}: {state}, {_amount(group)}, {group.licence}: {group.what}")
    return lines


def _amount(asset: FetchableAsset | Collection) -> str:
    exact = all(file.sha256 for file in asset.files) if isinstance(asset, Collection) else bool(asset.sha256)
    return ("" if exact else "at most ") + _size(asset.size_bytes)


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 1e5 else f"{size_bytes / 1e3:.1f} kB"


# -- folders ----------------------------------------------------------------------------------------------------------


def user_data_dir() -> Path:
    """Return the folder for fetched assets: CEPHALON_DATA if set, else the platform's place for a user's data."""
    chosen = os.environ.get(DATA_VARIABLE)
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Application Support")
    else:
        base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "cephalon"


def synth_data_dir() -> Path:
    """Return the folder in which `get` puts collections for synthetic people, and where those look for them."""
    return user_data_dir() / "synth"


def find_mediapipe_task(path: str | os.PathLike[str] | None = None) -> Path:
    """Return MediaPipe's face landmarker file.

    Looked for in this order: the argument, the environment variable CEPHALON_MEDIAPIPE_TASK, the user data folder
    (where `get` puts it), and, in a checkout, the data folder beside it.

    Raises
    ------
    InputError
        If it is nowhere; the message names the line to type.
    """
    named = ((path, "the given path"), (os.environ.get(TASK_VARIABLE), f"the environment variable {TASK_VARIABLE}"))
    for value, origin in named:
        if value:
            if not Path(value).is_file():
                raise InputError(
                    f"{value}: no such landmarker file (named by {origin}); correct it, or type  "
                    "cephalon assets get mediapipe"
                )
            return Path(value)
    asset = fetchable()["mediapipe"]
    for folder in (user_data_dir(), *_beside_checkout()):
        for candidate in (folder / "mediapipe" / asset.file, folder / asset.file):
            if candidate.is_file():
                return candidate
    raise InputError("MediaPipe's face landmarker file is not there yet; type  cephalon assets get mediapipe")


def _beside_checkout() -> list[Path]:
    root = Path(__file__).resolve().parents[3]
    return [root.parent / "shared" / "data"] if (root / "builders").is_dir() else []


def _data_file(name: str) -> Any:
    return resources.files("cephalon").joinpath("data", *name.split("/"))


# -- the network ------------------------------------------------------------------------------------------------------


def fetchable() -> dict[str, FetchableAsset]:
    """Return the records of the assets that `get` can fetch, by name."""
    return {asset.name: asset for asset in registry().fetchable}


def collections() -> dict[str, Collection]:
    """Return the records of the collections that `get` can fetch, by name."""
    return {record.name: record for record in registry().collections}


def get(
    asset: FetchableAsset | Collection | str,
    *,
    folder: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Path:
    """Download an asset to the user data folder (or `folder`) and return its path; at once if it is there already.

    A file appears under its name only when its size and sha256, or a panorama's light, are right. Of a collection the files that
    are there stay, so an interrupted download goes on where it stopped.

    Raises
    ------
    InputError
        If the name is unknown, the server cannot be reached or sends something else, or the folder cannot be written.
    """
    import tempfile

    if isinstance(asset, str):
        known: dict[str, FetchableAsset | Collection] = {**fetchable(), **collections()}
        if asset not in known:
            raise InputError(f"asset {asset!r} is unknown; fetchable are: {', '.join(sorted(known))}")
        asset = known[asset]
    say = progress or (lambda _: None)
    if isinstance(asset, Collection):
        place = synth_data_dir() / asset.folder if folder is None else Path(folder)
        for part in asset.files:
            one = replace(part, name=f"{asset.name} {part.file}", file=Path(part.file).name)
            get(one, folder=(place / part.file).parent, progress=say)
        return place
    target = Path(folder) / asset.file if folder is not None else _place(asset)
    temporary = None
    try:
        if target.is_file() and not _refusal(asset, target):
            say(f"{asset.name}: is there already")
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{asset.file}.")
        os.close(descriptor)
        _fetch(asset, Path(temporary), say)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
        temporary = None
    except OSError as error:
        raise InputError(
            f"{target.parent}: cannot write here ({error.strerror or error}); free some space, or set {DATA_VARIABLE} "
            "to another folder"
        ) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                Path(temporary).unlink()
    return target


def _place(asset: FetchableAsset) -> Path:
    return user_data_dir() / asset.name / asset.file


def _fetch(asset: FetchableAsset, path: Path, say: Progress) -> None:
    """Fill the file at `path` from the asset's address, or else its mirror."""
    if asset.mirror:
        try:
            _download(asset, asset.url, path, say)
            return
        except InputError as error:
            say(str(error))
    _download(asset, asset.mirror or asset.url, path, say)


def _download(asset: FetchableAsset, url: str, path: Path, say: Progress) -> None:
    """Write the bytes of an address, at most the asset's size, and check them."""
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    by_hand = f"check the network, or get {url} by other means"
    if asset.name == "mediapipe":
        by_hand += f" and set {TASK_VARIABLE} to the file"
    if not url.startswith(("https://", "http://")):
        raise InputError(f"{asset.name}: its address {url!r} is not one of the web")
    done = 0
    tenth = 0
    say(f"{asset.name}: downloading {_amount(asset)} from {url}")
    request = urllib.request.Request(url, headers={"User-Agent": "cephalon"})
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except (OSError, HTTPException, ValueError) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
            reason = error
        else:
            reason = getattr(error, "reason", error)
        raise InputError(f"{asset.name}: cannot be downloaded ({reason}); {by_hand}") from error
    with response, path.open("wb") as file:
        if url.startswith("https://") and not response.url.startswith("https://"):
            raise InputError(f"{asset.name}: {url} leads to {response.url}, which is not secure; {by_hand}")
        while True:
            try:
                block = response.read(min(_BLOCK, asset.size_bytes + 1 - done))
            except (OSError, HTTPException) as error:
                raise InputError(f"{asset.name}: the download broke off ({error}); {by_hand}") from error
            if not block:
                break
            done += len(block)
            if done > asset.size_bytes:
                raise InputError(
                    f"{asset.name}: the server sends more than the {asset.size_bytes} bytes expected; {by_hand}"
                )
            file.write(block)
            if (now := 10 * done // asset.size_bytes) > tenth:
                tenth = now
                say(f"{asset.name}: {10 * tenth} %")
    if reason := _refusal(asset, path):
        raise InputError(f"{asset.name}: {reason}; {by_hand}")


def _refusal(asset: FetchableAsset, path: Path) -> str:
    """Return why a file is not the asset's, "" if it is."""
    size = path.stat().st_size
    if asset.sha256:
        with path.open("rb") as file:
            same = size == asset.size_bytes and hashlib.file_digest(file, "sha256").hexdigest() == asset.sha256
        return "" if same else f"{size} of {asset.size_bytes} bytes came, or others than expected (sha256)"
    import numpy as np

    from cephalon.assets.radiance import CELLS, TOLERANCE, cell_radiance, decode_hdr, light_difference

    if size > asset.size_bytes:
        return f"the file has {size} bytes, more than the {asset.size_bytes} expected"
    try:
        found = cell_radiance(decode_hdr(path.read_bytes(), "what came"))
    except InputError as error:
        return str(error)
    expected = np.array(asset.radiance.split(), dtype=np.float64).reshape(*CELLS, 3)
    off = light_difference(found, expected)
    if off <= TOLERANCE:
        return ""
    return f"what came is another picture (its light differs by up to {off:.0%} in a cell; {TOLERANCE:.0%} are allowed)"
