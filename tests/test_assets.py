"""Assets: records agree with files, downloads are checked, nothing half-written, clear words offline."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from cephalon import assets
from cephalon.assets.radiance import CELLS, TOLERANCE, cell_radiance, light_difference, read_hdr
from cephalon.core import InputError

CONTENT = bytes(range(256)) * 1000


def record(url: str, content: bytes = CONTENT, **changes) -> assets.FetchableAsset:
    fields = {
        "name": "thing", "file": "thing.bin", "what": "a thing", "licence": "CC0-1.0", "source": "test", "url": url,
        "sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content),
    }  # fmt: skip
    return assets.FetchableAsset(**(fields | changes))


@pytest.fixture
def server():
    """A web server on this machine; `answers` maps a path to what it sends."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body, stated = self.server.answers.get(self.path, (404, b"no", None))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if stated is None else stated))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.answers = {"/good": (200, CONTENT, None)}
    web.url = f"http://127.0.0.1:{web.server_address[1]}"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield web
    web.shutdown()
    thread.join()
    web.server_close()


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test sees the user's own files."""
    monkeypatch.setenv(assets.DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(assets.TASK_VARIABLE, raising=False)
    monkeypatch.setattr(assets, "_beside_checkout", list)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# -- the registry -----------------------------------------------------------------------------------------------------


def test_packaged_files_are_what_the_registry_says():
    assert assets.verify() == []


def test_every_file_of_the_data_folder_has_a_record():
    data = Path(assets.__file__).parents[1] / "data"
    files = {
        p.relative_to(data).as_posix() for p in data.rglob("*") if p.is_file() and not p.name.startswith((".", "_"))
    }
    assert files - {"registry.json"} == {asset.file for asset in assets.registry().packaged}


def test_sizes_and_words():
    for asset in assets.registry().packaged:
        assert len(asset.read_bytes()) == asset.size_bytes
        assert asset.licence
        assert asset.source
        assert asset.command
    assert sum(asset.size_bytes for asset in assets.registry().packaged) < 40e6


def test_a_changed_or_missing_file_is_named(monkeypatch):
    known = assets.registry()
    one = known.packaged[0]
    changed = assets.PackagedAsset(**{f: getattr(one, f) for f in one.__slots__} | {"sha256": "0" * 64})
    missing = assets.PackagedAsset(**{f: getattr(one, f) for f in one.__slots__} | {"file": "no/such.file"})
    broken = assets.Registry(packaged=(changed, missing), fetchable=(), third_party=())
    monkeypatch.setattr(assets, "registry", lambda: broken)
    first, second = assets.verify()
    assert one.file in first
    assert "sha256" in first
    assert "no/such.file" in second


def test_licences_name_everything():
    rows = assets.licence_table()
    assert len({(row.name, row.where) for row in rows}) == len(rows)
    assert {"cephalon", "head model", "demo portrait", "mediapipe", "numpy"} <= {row.name for row in rows}
    assert all(row.licence and row.what and row.source and row.where for row in rows)
    text = "\n".join(assets.licenses())
    assert all(row.name in text and row.licence in text for row in rows)


def test_notices_of_what_the_package_contains_are_printed_in_full():
    text = "\n".join(assets.licenses())
    assert "Copyright (c) 2020 USC Institute for Creative Technologies\n\nPermission is hereby granted" in text
    assert text.count("THE SOFTWARE IS PROVIDED") == 2  # ICT-FaceKit, three.js
    head_model = next(row for row in assets.licence_table() if row.name == "head model")
    assert all(name in head_model.source for name in ("MakeHuman", "ICT-FaceKit"))
    assert "MIT" in head_model.licence


def test_licences_name_every_dependency():
    tomllib = pytest.importorskip("tomllib")
    path = Path(__file__).parents[1] / "pyproject.toml"
    project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
    extras = [line for name, lines in project["optional-dependencies"].items() if name != "dev" for line in lines]
    needed = {_package(line) for line in (*project["dependencies"], *extras)}
    named = {part.strip() for row in assets.licence_table() for part in row.name.split(",")}
    assert needed <= named


def _package(requirement: str) -> str:
    return re.split(r"[=<>!\[; ]", requirement, maxsplit=1)[0]


def test_registry_command_finds_nothing_to_do():
    root = Path(__file__).parents[1]
    if not (root / "builders" / "registry.py").is_file():
        pytest.skip("not a checkout")
    done = subprocess.run(
        [sys.executable, "-m", "builders.registry", "--check"], cwd=root, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_registry_command_refreshes(tmp_path, monkeypatch):
    registry = pytest.importorskip("builders.registry")
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "stray.txt").write_text("x")
    entry = {"name": "a", "file": "a.json", "command": "make a", "sha256": "", "size_bytes": 0}
    gone = {"name": "b", "file": "b.json", "command": "make b", "sha256": "", "size_bytes": 0}
    path = tmp_path / "registry.json"
    path.write_text(json.dumps({"format_version": 1, "packaged": [entry, gone]}))
    monkeypatch.setattr(registry, "DATA", tmp_path)
    monkeypatch.setattr(registry, "REGISTRY", path)
    new, problems = registry.refreshed(json.loads(path.read_text()))
    assert new["packaged"][0]["sha256"] == hashlib.sha256(b"{}").hexdigest()
    assert new["packaged"][0]["size_bytes"] == 2
    assert [p.split(":")[0] for p in problems] == ["b.json", "stray.txt"]


# -- fetching ---------------------------------------------------------------------------------------------------------


def test_the_official_landmarker_is_recorded():
    asset = assets.fetchable()["mediapipe"]
    assert asset.size_bytes == 3_758_596
    assert asset.url.startswith("https://storage.googleapis.com/mediapipe-models/face_landmarker/")
    assert asset.sha256 == "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"


def test_get(server, tmp_path):
    said = []
    asset = record(server.url + "/good")
    path = assets.get(asset, progress=said.append)
    assert path == tmp_path / "data" / "thing" / "thing.bin"
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["thing.bin"]
    assert "downloading" in said[0]
    assert said[-1] == "thing: 100 %"
    server.answers.clear()
    assert assets.get(asset, progress=said.append) == path
    assert "there already" in said[-1]


def test_get_replaces_a_damaged_file(server, tmp_path):
    (tmp_path / "thing.bin").write_bytes(b"half")
    assert assets.get(record(server.url + "/good"), folder=tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("answer", "match"),
    [
        ((404, b"no", None), "404"),
        ((500, b"", None), "500"),
        ((200, CONTENT[:-1] + b"\0", None), "sha256"),
        ((200, CONTENT[:1000], None), "1000 of 256000 bytes"),
        ((200, CONTENT[:1000], len(CONTENT)), "broke off|1000 of 256000 bytes"),
        ((200, CONTENT + b"more", None), "more than the 256000 bytes"),
    ],
)
def test_what_comes_is_checked(server, tmp_path, answer, match):
    server.answers["/bad"] = answer
    with pytest.raises(InputError, match=match) as caught:
        assets.get(record(server.url + "/bad"), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_survives_a_failed_download(server, tmp_path):
    (tmp_path / "thing.bin").write_bytes(b"old")
    with pytest.raises(InputError):
        assets.get(record(server.url + "/none"), folder=tmp_path)
    assert (tmp_path / "thing.bin").read_bytes() == b"old"


def test_offline(tmp_path):
    with pytest.raises(InputError, match=r"cannot be downloaded .*check the network, or get http://127\.0\.0\.1:9/x"):
        assets.get(record("http://127.0.0.1:9/x"), folder=tmp_path)


def test_other_schemes_are_refused(tmp_path):
    with pytest.raises(InputError, match="not one of the web"):
        assets.get(record((tmp_path / "x").as_uri()), folder=tmp_path)


def test_unwritable_folder(server, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="cannot write here"):
        assets.get(record(server.url + "/good"), folder=tmp_path / "file" / "below")


def group(server, *names: str) -> assets.Collection:
    for name in names:
        server.answers["/" + name] = (200, CONTENT + name.encode(), None)
    files = tuple(record(f"{server.url}/{name}", CONTENT + name.encode(), file=name) for name in names)
    return assets.Collection(name="set", folder="a_set", what="things", licence="CC0-1.0", source="test", files=files)


def test_get_a_collection(server, tmp_path):
    things = group(server, "one.bin", "below/two.bin")
    folder = assets.get(things)
    assert folder == tmp_path / "data" / "synth" / "a_set"
    assert (folder / "below" / "two.bin").read_bytes() == CONTENT + b"below/two.bin"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "below/two.bin",
        "one.bin",
    ]


def test_an_interrupted_collection_goes_on_where_it_stopped(server, tmp_path):
    things = group(server, "one.bin", "two.bin")
    server.answers["/two.bin"] = (404, b"no", None)
    with pytest.raises(InputError, match=r"two\.bin.*404"):
        assets.get(things)
    server.answers["/two.bin"] = (200, CONTENT + b"two.bin", None)
    del server.answers["/one.bin"]
    assert (assets.get(things) / "two.bin").is_file()


def test_collections_are_recorded_with_address_hash_and_licence():
    for things in assets.collections().values():
        assert things.licence == "CC0-1.0"
        assert len({file.file for file in things.files}) == len(things.files)
        for file in things.files:
            assert file.url.startswith("https://")
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256) or file.radiance
            assert not file.mirror or file.mirror.startswith("https://")
            assert file.size_bytes > 1000
            assert not Path(file.file).is_absolute()
            assert ".." not in Path(file.file).parts
    assert any(row.name == "makehuman" and row.where == "fetched on request" for row in assets.licence_table())


def test_what_was_fetched_is_found_by_synthetic_people(server, tmp_path, monkeypatch):
    from cephalon.synth import data_folder

    monkeypatch.delenv("CEPHALON_SYNTH_DATA", raising=False)
    monkeypatch.delenv("CEPHALON_TEST_DATA", raising=False)
    assert data_folder() is None
    assets.get(group(server, "one.bin"))
    assert data_folder() == tmp_path / "data" / "synth"


# -- panoramas, known by their light ----------------------------------------------------------------------------------


def hdr_bytes(rgb: np.ndarray) -> bytes:
    """A Radiance picture, flat."""
    most = rgb.max(-1)
    exponent = np.where(most > 0, np.floor(np.log2(np.maximum(most, 1e-30))) + 1, -136)
    mantissa = np.clip(rgb / np.ldexp(1.0, (exponent - 8).astype(int))[..., None], 0, 255)
    pixels = np.concatenate([mantissa, (exponent + 128)[..., None].clip(0, 255)], axis=-1).astype(np.uint8)
    return f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {rgb.shape[0]} +X {rgb.shape[1]}\n".encode() + pixels.tobytes()


@pytest.fixture
def sky() -> np.ndarray:
    """A bright upper and a dark lower half, and a sun."""
    rgb = np.exp(np.random.default_rng(3).normal(0, 0.4, (128, 256, 3))) * [0.8, 1.0, 1.3]
    rgb[64:] *= 0.03
    rgb[20:24, 80:84] = 4000.0
    return rgb


def panorama(server, rgb: np.ndarray, **changes) -> assets.FetchableAsset:
    light = " ".join(f"{value:.4g}" for value in cell_radiance(rgb).ravel())
    return record(f"{server.url}/sky", file="sky.hdr", sha256="", radiance=light, size_bytes=200_000, **changes)


def test_a_panorama_is_known_by_its_light(server, sky, tmp_path):
    server.answers["/sky"] = (200, hdr_bytes(sky), None)
    # the record was made of a picture of half the size in half precision
    half = sky.reshape(64, 2, 128, 2, 3).mean(axis=(1, 3)).astype(np.float16)
    said = []
    path = assets.get(panorama(server, half), folder=tmp_path, progress=said.append)
    assert "downloading at most 0.2 MB" in said[0]
    assert light_difference(cell_radiance(read_hdr(path)), cell_radiance(sky)) < 0.25 * TOLERANCE
    server.answers.clear()
    assert assets.get(panorama(server, half), folder=tmp_path, progress=said.append) == path
    assert "there already" in said[-1]


def brighter_cell(rgb):
    out = rgb.copy()
    out[-32:, :32] *= 1 + 1.5 * TOLERANCE
    return out


@pytest.mark.parametrize(
    "other",
    [
        lambda rgb: rgb * (1 + 1.5 * TOLERANCE),
        brighter_cell,
        lambda rgb: rgb[:, ::-1],
        lambda rgb: rgb[::-1],
        lambda rgb: np.roll(rgb, 8, axis=1),
        lambda rgb: rgb[..., ::-1],
        np.zeros_like,
    ],
)
def test_another_panorama_is_refused(server, sky, tmp_path, other):
    server.answers["/sky"] = (200, hdr_bytes(other(sky)), None)
    with pytest.raises(
        InputError, match=r"another picture \(its light differs by up to \d+% in a cell; 2% are allowed"
    ) as caught:
        assets.get(panorama(server, sky), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_whole_panorama_is_refused(server, sky, tmp_path):
    whole = hdr_bytes(sky)
    for body, match in (
        (whole[:-100], "cut off"),
        (b"<html>not here</html>", "not a Radiance picture"),
        (hdr_bytes(sky[:, :255]), "multiples of 4 and 8"),
        (whole + bytes(100_000), "more than the 200000 bytes"),
    ):
        server.answers["/sky"] = (200, body, None)
        with pytest.raises(InputError, match=match):
            assets.get(panorama(server, sky), folder=tmp_path)
        assert list(tmp_path.iterdir()) == []


def test_a_mirror_helps_out(server, sky, tmp_path):
    server.answers["/mirror"] = (200, hdr_bytes(sky), None)
    said = []
    asset = panorama(server, sky, mirror=f"{server.url}/mirror")
    assert assets.get(asset, folder=tmp_path, progress=said.append).is_file()
    assert any("404" in line for line in said)
    server.answers.clear()
    with pytest.raises(InputError, match="404"):
        assets.get(asset, folder=tmp_path / "elsewhere")


def test_a_record_names_one_way_to_check():
    with pytest.raises(InputError, match="either a sha256 or a radiance"):
        record("https://a", radiance="1")
    with pytest.raises(InputError, match="either a sha256 or a radiance"):
        record("https://a", sha256="")


def test_recorded_panoramas():
    files = assets.collections()["hdri"].files
    lights = [np.array(file.radiance.split(), dtype=float).reshape(*CELLS, 3) for file in files]
    assert len(files) == 12
    for file in files:
        assert re.search(r"/[0-9a-f]{40}/hdri/" + file.file.replace(".hdr", "_1k.hdr") + "$", file.url)
        assert file.size_bytes < 3e6
    assert all((light >= 0).all() and light.max() > 0 for light in lights)
    # no panorama passes for another
    pairs = [light_difference(a, b) for i, a in enumerate(lights) for j, b in enumerate(lights) if i != j]
    assert min(pairs) > 20 * TOLERANCE


def test_recorded_panoramas_are_those_of_the_data_folder():
    builder = pytest.importorskip("builders.panoramas")
    folder = Path(os.environ.get("CEPHALON_TEST_DATA", "")) / "hdri"
    if not os.environ.get("CEPHALON_TEST_DATA") or not folder.is_dir():
        pytest.skip("CEPHALON_TEST_DATA names no folder with panoramas")
    stored = json.loads((Path(assets.__file__).parents[1] / "data" / "registry.json").read_text(encoding="utf-8"))
    assert builder.collection(folder) in stored["collections"]


def test_fetched_panoramas_light_synthetic_people(server, sky, monkeypatch):
    from cephalon.synth import data_folder, load_library

    monkeypatch.delenv("CEPHALON_SYNTH_DATA", raising=False)
    monkeypatch.delenv("CEPHALON_TEST_DATA", raising=False)
    server.answers["/sky"] = (200, hdr_bytes(sky), None)
    folder = assets.get(
        assets.Collection(
            name="hdri", folder="hdri", what="light", licence="CC0-1.0", source="test", files=(panorama(server, sky),)
        )
    )
    assert data_folder() == folder.parent
    assert [panorama.name for panorama in load_library(data_folder(), 256).panoramas] == ["sky"]


def test_unknown_asset():
    with pytest.raises(InputError, match=r"'moon' is unknown; fetchable are: hdri, makehuman, mediapipe"):
        assets.get("moon")


def test_listing(tmp_path):
    text = "\n".join(assets.listing())
    assert "cephalon assets get mediapipe" in text
    assert "head model" in text
    place = tmp_path / "data" / "mediapipe"
    place.mkdir(parents=True)
    (place / "face_landmarker.task").write_bytes(b"x")
    assert "cephalon assets get mediapipe" not in "\n".join(assets.listing())
    assert "files not fetched; type  cephalon assets get makehuman" in text
    assert "hdri: 12 of 12 files not fetched; type  cephalon assets get hdri, at most 30.0 MB, CC0-1.0" in text


# -- finding ----------------------------------------------------------------------------------------------------------


def test_where_the_landmarker_is_looked_for(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="cephalon assets get mediapipe"):
        assets.find_mediapipe_task()

    def place(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "face_landmarker.task"
        path.write_bytes(b"x")
        return path

    beside = place(tmp_path / "beside" / "mediapipe")
    monkeypatch.setattr(assets, "_beside_checkout", lambda: [tmp_path / "beside"])
    assert assets.find_mediapipe_task() == beside
    user = place(tmp_path / "data" / "mediapipe")
    assert assets.find_mediapipe_task() == user
    variable = place(tmp_path / "variable")
    monkeypatch.setenv(assets.TASK_VARIABLE, str(variable))
    assert assets.find_mediapipe_task() == variable
    argument = place(tmp_path / "argument")
    assert assets.find_mediapipe_task(argument) == argument


def test_a_named_landmarker_must_exist(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="given path"):
        assets.find_mediapipe_task(tmp_path / "no.task")
    monkeypatch.setenv(assets.TASK_VARIABLE, str(tmp_path / "no.task"))
    with pytest.raises(InputError, match=f"environment variable {assets.TASK_VARIABLE}"):
        assets.find_mediapipe_task()


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [
        ("linux", "XDG_DATA_HOME", ("cephalon",)),
        ("win32", "LOCALAPPDATA", ("cephalon",)),
        ("linux", None, (".local", "share", "cephalon")),
        ("darwin", None, ("Library", "Application Support", "cephalon")),
    ],
)
def test_user_data_dir(tmp_path, monkeypatch, platform, variable, tail):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in (assets.DATA_VARIABLE, "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
    assert assets.user_data_dir() == tmp_path.joinpath(*tail)


@pytest.mark.net
def test_the_real_download(tmp_path):
    path = assets.get("mediapipe", folder=tmp_path)
    assert path.stat().st_size == 3_758_596
