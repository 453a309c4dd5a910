"""Datasets on disk: the same bytes for any workers, resumed without loss, read back."""

from __future__ import annotations

import gc
import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from cephalon.cli import main
from cephalon.core import InputError
from cephalon.synth.open_benchmark import VIEWS, write_benchmark
from cephalon.synth.options import SampleOptions
from cephalon.synth.sample import iterate
from cephalon.synth.shards import read_records, read_shard, write_dataset


def hashes(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("*.tar"))}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set") / "one"
    options = SampleOptions(size=64)
    paths = write_dataset(folder, options, count=5, seed=4, workers=1, per_shard=2)
    return folder, options, paths


def test_workers_and_resuming_change_nothing(dataset, tmp_path):
    folder, options, paths = dataset
    assert [p.name for p in paths] == ["shard-000000.tar", "shard-000001.tar", "shard-000002.tar"]
    other = tmp_path / "two"
    write_dataset(other, options, count=5, seed=4, workers=2, per_shard=2)
    assert hashes(other) == hashes(folder)
    # a run that was killed: a shard is missing, another is half written
    (other / "shard-000001.tar").unlink()
    (other / "shard-000001.partial").write_bytes(b"half")
    kept = (other / "shard-000000.tar").stat().st_mtime_ns
    seen = []
    write_dataset(
        other, options, count=5, seed=4, workers=1, per_shard=2, progress=lambda done, of: seen.append((done, of))
    )
    assert hashes(other) == hashes(folder)
    assert (other / "shard-000000.tar").stat().st_mtime_ns == kept
    assert seen == [(3, 5), (5, 5)]
    assert not list(other.glob("*.partial"))
    keys = [r["key"] for r in read_records(sorted(other.glob("*.tar")))]
    assert keys == [f"0004_{k:08d}" for k in range(5)]


def test_a_shard_is_what_the_iterator_yields(dataset, library):
    _, options, paths = dataset
    stored = list(read_shard(paths[1]))
    made = list(iterate(options, 4, library=library, start=2, stop=4))
    assert [s.key for s in stored] == [s.key for s in made]
    for a, b in zip(stored, made, strict=True):
        assert a.jpeg == b.jpeg
        assert np.array_equal(a.arrays["label"], b.arrays["label"])
        assert a.record == b.record


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_webdataset_reads_the_shards(dataset):
    webdataset = pytest.importorskip("webdataset", reason="the package webdataset is not installed")
    _, _, paths = dataset
    urls = [str(path) for path in paths]
    read = list(webdataset.WebDataset(urls, shardshuffle=False, empty_check=False).decode("rgb8"))
    assert [sample["__key__"] for sample in read] == [r["key"] for r in read_records(paths)]
    for sample, own in zip(read, (s for path in paths for s in read_shard(path)), strict=True):
        assert np.array_equal(sample["jpg"], own.image)
        assert np.array_equal(sample["npz"]["label"], own.arrays["label"])
        np.testing.assert_allclose(sample["npz"]["normals"] / 32767, own.arrays["normals"], atol=1e-4)
        assert sample["json"]["heads"] == own.record["heads"]
    gc.collect()  # the package leaves its files to the collector, which warns: here, not in a later test


def test_other_datasets_are_not_mixed(dataset, tmp_path):
    folder, options, _ = dataset
    with pytest.raises(InputError, match=r"another dataset.*seed"):
        write_dataset(folder, options, count=5, seed=5, per_shard=2)
    with pytest.raises(InputError, match=r"another dataset.*options"):
        write_dataset(folder, replace(options, occluder=0.5), count=5, seed=4, per_shard=2)
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(InputError, match="something else"):
        write_dataset(tmp_path, options, count=1, seed=1)
    with pytest.raises(InputError, match="not a shard"):
        list(read_shard(tmp_path / "x.tar"))
    with pytest.raises(InputError):
        write_dataset(tmp_path / "n", options, count=0, seed=1)


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("CEPHALON_SYNTH_DATA", raising=False)
    monkeypatch.delenv("CEPHALON_TEST_DATA", raising=False)
    folder = tmp_path / "data"
    assert main(["synth", "-n", "3", "-S", "64", "--seed", "7", "-o", str(folder), "--workers", "1", "--sheet"]) == 0
    text = capsys.readouterr().out
    assert "3 pictures, 3 heads" in text
    assert "made up" in text
    assert len(list(folder.glob("*.tar"))) == 1
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.size == (512, 64)
    with Image.open(folder / "truth.png") as truth:
        assert truth.size[1] == 3 * 64
    assert main(["synth", "-n", "4", "-S", "64", "--seed", "7", "-o", str(folder), "--workers", "1"]) == 2
    assert "another dataset" in capsys.readouterr().err
    assert main(["synth", "-n", "1", "-S", "64", "--data", str(tmp_path / "none"), "-o", str(tmp_path / "b")]) == 2


def test_open_benchmark(tmp_path, library):
    for name in ("a", "b"):
        write_benchmark(tmp_path / name, library, people=1, seed=2, size=96)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*") if p.is_file())
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    from cephalon.files.obj import read_obj

    mesh = read_obj(tmp_path / "a" / "heads" / "person_000.obj").mesh
    facts = json.loads((tmp_path / "a" / "heads" / "person_000.json").read_text())
    model = library.model
    wanted = model.vertices(model.code(identity=np.array(facts["identity"])))
    assert np.abs(mesh.vertices - wanted).max() < 1e-2
    for view, yaw, moved in VIEWS:
        truth = json.loads((tmp_path / "a" / "truth" / "person_000" / f"{view}.json").read_text())
        head = truth["heads"][0]
        assert abs(abs(head["yaw_pitch_roll_deg"][0]) - abs(yaw)) < 25
        assert head["identity"] == pytest.approx(facts["identity"], abs=1e-5)
        assert (sum(head["expression"]) > 0.3) or not moved
        with Image.open(tmp_path / "a" / "photos" / "person_000" / f"{view}.jpg") as photo:
            assert photo.size == (96, 96)


def repacked(path, place, change):
    """A copy of a shard at `place`: `change` of name and bytes gives the tar member and bytes, or None."""
    with tarfile.open(path) as old, tarfile.open(place, "w") as new:
        for member in old:
            stream = old.extractfile(member)
            assert stream is not None
            changed = change(member.name, stream.read())
            if changed is not None:
                info, data = changed
                info.size = len(data)
                new.addfile(info, io.BytesIO(data))
    return place


def broken_archive(data):
    return data.replace(b"label.npy", b"lapel.npy", 1)


@pytest.mark.parametrize(
    ("ending", "data", "match"),
    [
        (".npz", None, "lacks its npz"),
        (".npz", lambda d: b"PK" + d[2:900], "arrays"),
        (".npz", broken_archive, "arrays"),
        (".jpg", lambda d: d[:200], "damaged"),
        (".jpg", lambda _: b"", "damaged"),
        (".json", lambda _: b'{"a":' * 100_000, "nested too deeply"),
        (".json", lambda _: b"[1]", "JSON object"),
        (".json", lambda _: b"{}", "without its key"),
    ],
)
def test_a_damaged_member_is_one_sentence(dataset, tmp_path, ending, data, match):
    def change(name, own):
        if not name.endswith(ending):
            return tarfile.TarInfo(name), own
        return None if data is None else (tarfile.TarInfo(name), data(own))

    place = repacked(dataset[2][0], tmp_path / "s.tar", change)
    with pytest.raises(InputError, match=match) as caught:
        list(read_shard(place))
    assert str(place) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_shard_cut_at_a_member_is_not_taken_for_a_shorter_one(dataset, tmp_path):
    path = dataset[2][0]
    with tarfile.open(path) as archive:
        members = archive.getmembers()
    for cut in (members[3].offset, members[3].offset + 100, members[4].offset_data + 10):
        (tmp_path / "s.tar").write_bytes(path.read_bytes()[:cut])
        with pytest.raises(InputError, match=r"cut short|unexpected end"):
            list(read_shard(tmp_path / "s.tar"))
    damaged = bytearray(path.read_bytes())
    damaged[members[3].offset + 150] ^= 0xFF  # within the checksum of a member's head
    (tmp_path / "s.tar").write_bytes(damaged)
    with pytest.raises(InputError, match="cut short or damaged"):
        list(read_records([tmp_path / "s.tar"]))


def test_links_and_pipes_are_not_followed(dataset, tmp_path):
    def change(name, own):
        info = tarfile.TarInfo(name)
        if name.endswith(".json"):
            info.type, info.linkname, own = tarfile.SYMTYPE, name, b""
        return info, own

    with pytest.raises(InputError, match="no member of a shard"):
        list(read_shard(repacked(dataset[2][0], tmp_path / "s.tar", change)))
    for path in (tmp_path, tmp_path / "none.tar"):
        with pytest.raises(InputError, match="not a regular file"):
            list(read_shard(path))
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.tar")
        with pytest.raises(InputError, match="not a regular file"):
            list(read_records([tmp_path / "pipe.tar"]))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"{", b"[" * 100_000, b"{}", None])
def test_the_command_says_what_is_wrong_with_options(tmp_path, capsys, content):
    path = tmp_path / "o.json"
    path.write_bytes(content) if content is not None else path.mkdir()
    assert main(["synth", "-n", "1", "--options", str(path), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith(f"cephalon: {path}")
    assert "\n" not in said
    assert not (tmp_path / "out").exists()
