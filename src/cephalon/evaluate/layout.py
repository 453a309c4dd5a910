"""Finding what belongs together in folders: predictions of several methods, scans, landmarks, an image list, facts."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cephalon.core import InputError
from cephalon.evaluate.meshes import (
    LANDMARK_SUFFIXES,
    MESH_SUFFIXES,
    Shape,
    find_file,
    folder_of,
    load_landmarks,
    load_shape,
)
from cephalon.evaluate.now import with_landmarks
from cephalon.files import read_bytes

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".heic", ".tif", ".tiff")
_MAX_LIST_BYTES = 64 * 2**20
OWN_MARKER = "fit.json"

# Reads a folder that Cephalon wrote; given from above, since this room knows no head model.
OwnReader = Callable[[Path], Shape]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One prediction to be judged against one scan.

    Attributes
    ----------
    name : path of the image without its suffix, relative to the predictions ("subject/challenge/image").
    scan, scan_landmarks : files, None where there is none.
    predictions : mesh file (or folder that Cephalon wrote) by method, None where it is missing.
    """

    name: str
    scan: Path | None
    scan_landmarks: Path | None
    predictions: Mapping[str, Path | None]

    @property
    def subject(self) -> str:
        """First part of the name."""
        return self.name.split("/")[0]

    @property
    def group(self) -> str:
        """Second part of the name where it has three or more (NoW's challenge, Stirling's quality), else ''."""
        parts = self.name.split("/")
        return parts[1] if len(parts) > 2 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """Items in order, and remarks on how they were found."""

    items: tuple[Item, ...]
    notes: tuple[str, ...] = field(default=())


def collect(
    methods: Mapping[str, str | Path],
    scans: str | Path,
    landmarks: str | Path | None = None,
    listing: str | Path | None = None,
) -> Collection:
    """Match the files of several methods with scans.

    Predictions lie at `FOLDER/subject/.../image.obj` (or .ply, .glb), landmarks beside them under the same name; a folder
    that Cephalon wrote may stand in the mesh's place. The scan of `a/b/c` is the first that exists of `SCANS/a/b/c.obj`,
    `SCANS/a/b.obj`, `SCANS/a.obj`, or the only mesh in `SCANS/a/b/` or `SCANS/a/`; its landmarks likewise.

    Parameters
    ----------
    methods : name -> folder.
    listing : a text file of images, one a line; without it, the images are those that any method predicted, so that
        one which all methods miss is not noticed.

    Raises
    ------
    InputError
        If a folder is missing or holds nothing that can be judged.
    """
    roots = {name: folder_of(path, f"predictions of {name}:") for name, path in methods.items()}
    scan_root = folder_of(scans, "scans:")
    landmark_root = None if landmarks is None else folder_of(landmarks, "landmarks:")
    notes: list[str] = []
    found = {name: _predictions(root) for name, root in roots.items()}
    predicted: set[str] = set().union(*found.values())
    if listing is not None:
        names, remark = _as_predicted(_names(Path(listing)), predicted)
        notes += remark
        if predicted and not predicted & set(names):
            raise InputError(
                f"{listing}: none of its {len(names)} images (the first is {names[0]}) was predicted (the first prediction is "
                f"{min(predicted)})"
            )
    else:
        names = sorted(predicted)
        notes.append("no image list was given: images that every method misses are not counted as failures")
    if not names:
        where = ", ".join(str(root) for root in roots.values())
        raise InputError(f"no predictions in {where}: expected meshes such as subject/challenge/image.obj")
    meshes, points = _by_name(scan_root, MESH_SUFFIXES), {}
    if not meshes:
        raise InputError(f"scans: no {', '.join(MESH_SUFFIXES)} files in {scan_root}")
    if landmark_root is not None:
        points = _by_name(landmark_root, LANDMARK_SUFFIXES)
        if not points:
            raise InputError(f"landmarks: no {', '.join(LANDMARK_SUFFIXES)} files in {landmark_root}")
    items = tuple(
        Item(
            name=name,
            scan=_belonging(meshes, name),
            scan_landmarks=_belonging(points, name),
            predictions={method: files.get(name) for method, files in found.items()},
        )
        for name in names
    )
    if all(item.scan is None for item in items):
        raise InputError(
            f"no scan in {scan_root} belongs to any prediction (the first is {items[0].name}): expected for example "
            f"{items[0].subject}.obj or {items[0].subject}/scan.obj there"
        )
    strangers = sorted(predicted - set(names))
    if strangers:
        notes.append(
            f"{len(strangers)} predictions are not in the image list and were left out (first: {strangers[0]})"
        )
    return Collection(items=items, notes=tuple(notes))


def _predictions(root: Path) -> dict[str, Path]:
    """Return name -> mesh file or own folder below a root."""
    found: dict[str, Path] = {}
    own = {path.parent for path in root.rglob(OWN_MARKER)}
    for folder in sorted(own):
        if folder != root:
            found[_stem(folder.relative_to(root).as_posix())] = folder
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in MESH_SUFFIXES and path.is_file() and not any(up in own for up in path.parents):
            found.setdefault(_stem(path.relative_to(root).as_posix()), path)
    return found


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in (*MESH_SUFFIXES, *_PICTURES) else path.as_posix()


def _names(path: Path) -> list[str]:
    data = read_bytes(path, max_bytes=_MAX_LIST_BYTES, what="image list")
    if b"\0" in data:
        raise InputError(f"{path}: expected a text file with an image a line, such as subject/challenge/image.jpg")
    text = data.decode("utf-8-sig", errors="replace")
    names = [_stem(line.strip().replace("\\", "/").strip("/")) for line in text.splitlines() if line.strip()]
    if not names:
        raise InputError(f"{path}: the image list is empty")
    return list(dict.fromkeys(names))


def _as_predicted(names: list[str], predicted: set[str]) -> tuple[list[str], list[str]]:
    """Return listed names without the folders that stand before subject/challenge/image, where only so they are met."""
    short = list(dict.fromkeys("/".join(name.split("/")[-3:]) for name in names))
    if not predicted & set(names) and predicted & set(short):
        return short, ["of the paths in the image list the last three parts count, as in the official code"]
    return names, []


def _by_name(root: Path, suffixes: Sequence[str]) -> dict[str, list[Path]]:
    """Return files by their name without suffix, and by the folder they lie in."""
    found: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() in suffixes and path.is_file():
            relative = path.relative_to(root)
            found.setdefault(relative.with_suffix("").as_posix(), []).append(path)
            if relative.parent.as_posix() != ".":
                found.setdefault(relative.parent.as_posix(), []).append(path)
    return found


def _belonging(files: Mapping[str, list[Path]], name: str) -> Path | None:
    parts = name.split("/")
    for count in range(len(parts), 0, -1):
        candidates = files.get("/".join(parts[:count]), [])
        if len(candidates) == 1 or (count == len(parts) and candidates):
            return candidates[0]
        if candidates and len({path.stem for path in candidates}) == 1:  # one mesh in two formats
            return candidates[0]
    return None


def load_prediction(path: Path, *, unit: str | None, own: OwnReader | None) -> Shape:
    """Read a prediction with the landmarks beside it, or a folder that Cephalon wrote."""
    if path.is_dir():
        if own is None:
            raise InputError(f"{path}: a folder that Cephalon wrote is read by the command line only")
        return own(path)
    shape = load_shape(path, unit=unit)
    beside = find_file(path.parent, path.stem, LANDMARK_SUFFIXES)
    return shape if beside is None else with_landmarks(shape, load_landmarks(beside))


def load_scan(path: Path, landmarks: Path | None, *, unit: str | None) -> Shape:
    """Read a scan with its landmarks; in mm, unless the file or `unit` says otherwise."""
    shape = load_shape(path, unit=unit, assumed="mm", what="scan")
    return shape if landmarks is None else with_landmarks(shape, load_landmarks(landmarks))


def read_facts(path: str | Path) -> dict[str, dict[str, str]]:
    """Read a CSV table of what is known of images or subjects: column `name` (image or subject), then any others.

    Known columns make tables of the report: `yaw_deg` (in bins), `photos`, `age` (in decades), `sex`, `skin_tone`.

    Raises
    ------
    InputError
        If the file cannot be read or has no column `name`.
    """
    path = Path(path)
    text = read_bytes(path, max_bytes=_MAX_LIST_BYTES, what="CSV table").decode("utf-8-sig", errors="replace")
    try:
        rows = list(csv.DictReader(io.StringIO(text)))
    except csv.Error as error:
        raise InputError(f"{path}: not a readable CSV table ({error})") from error
    if not rows or "name" not in rows[0]:
        raise InputError(f"{path}: expected a CSV table with a column called name")
    return {
        _stem(row["name"]): {k: v for k, v in row.items() if k and k != "name" and v} for row in rows if row["name"]
    }
