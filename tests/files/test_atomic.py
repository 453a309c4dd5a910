from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cephalon.core import InputError
from cephalon.files import OutputFolder, atomic, json_bytes, write_bytes, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX permissions and signals")


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def result(out: OutputFolder, **files: bytes) -> None:
    for name, data in files.items():
        out.write(name.replace("__", "."), data)
    out.write("fit.json", json_bytes({"files": out.manifest()}))


def refuse(code: int):
    def fail(*_: object, **__: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


# ---- one file


def test_write_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    write_bytes(path, memoryview(b"new and longer"))
    assert tree(tmp_path) == {"a.bin": b"new and longer"}
    write_text(path, "é\n")
    assert path.read_bytes() == "é\n".encode()


def test_a_large_file_is_whole(tmp_path: Path) -> None:
    data = bytes(range(256)) * 200_000
    write_bytes(tmp_path / "a", data)
    assert (tmp_path / "a").read_bytes() == data


def test_partial_writes_of_the_system_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data[:7])))
    write_bytes(tmp_path / "a", b"0123456789" * 5)
    assert (tmp_path / "a").read_bytes() == b"0123456789" * 5


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "open"])
@pytest.mark.parametrize(("code", "word"), [(errno.ENOSPC, "full"), (errno.EROFS, "read-only"), (errno.EIO, "choose")])
def test_refusal_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, word: str
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(code))
        with pytest.raises(InputError, match=word) as caught:
            write_bytes(path, b"new")
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(tmp_path) == {"a.bin": b"old"}


@posix
def test_a_real_limit_on_file_size(tmp_path: Path) -> None:
    script = (
        "import resource, sys\n"
        "from cephalon.core import InputError\n"
        "from cephalon.files import OutputFolder, write_bytes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "for attempt in (lambda: write_bytes(sys.argv[1] + '/a', bytes(10**6)), lambda: folder()):\n"
        "    def folder():\n"
        "        with OutputFolder(sys.argv[1] + '/out') as out:\n"
        "            out.write('small', b'x')\n"
        "            out.write('large', bytes(10**6))\n"
        "    try:\n"
        "        attempt()\n"
        "    except InputError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.count("choose another place") == 2
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_folder_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        write_bytes(tmp_path / "no" / "a", b"")
    with pytest.raises(InputError, match="folder of that name"):
        write_bytes(tmp_path, b"")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"):
        write_bytes(tmp_path / "file" / "a", b"")


@posix
def test_links_are_followed_and_devices_stay(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_bytes(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    before = os.stat("/dev/null")
    write_bytes("/dev/null", b"gone")
    assert os.stat("/dev/null").st_rdev == before.st_rdev


@posix
def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"")
        with OutputFolder(tmp_path / "out") as out:
            out.write("b", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o750


def test_unwritable_folder(tmp_path: Path, locked) -> None:
    closed = locked(tmp_path / "closed")
    with pytest.raises(InputError, match="permission"):
        write_bytes(closed / "a", b"")
    for place in (closed, closed / "out"):
        with pytest.raises(InputError, match="permission"), OutputFolder(place, force=True):
            pass


# ---- folders


def test_a_new_folder_appears_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "out"
    with OutputFolder(path) as out:
        out.write("head.glb", b"glb")
        out.file("pictures/a.png").write_bytes(b"png")
        assert not path.exists()
        assert list(out.manifest()) == ["head.glb", "pictures/a.png"]
    assert tree(tmp_path) == {"deep/er/out/head.glb": b"glb", "deep/er/out/pictures/a.png": b"png"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("existed", [False, True])
def test_after_an_exception_nothing_is_there(tmp_path: Path, error: type[BaseException], existed: bool) -> None:
    path = tmp_path / "deep" / "out"
    if existed:
        path.mkdir(parents=True)
        (path / "fit.json").write_bytes(b"{}")
    before = tree(tmp_path)

    def fail(out: OutputFolder) -> None:
        out.write("head.glb", b"half")
        raise error

    with pytest.raises(error), OutputFolder(path) as out:
        fail(out)
    assert tree(tmp_path) == before
    assert (tmp_path / "deep").exists() == existed


@pytest.mark.parametrize("call", ["write", "fsync", "rename", "mkdir"])
def test_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def write() -> None:
        with OutputFolder(tmp_path / "out") as out:
            out.write("head.glb", b"data")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(errno.ENOSPC))
        with pytest.raises(InputError, match="disk is full"):
            write()
    assert list(tmp_path.iterdir()) == []


def test_full_disk_in_somebody_elses_writer(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="disk is full") as caught, OutputFolder(tmp_path / "out"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert "out" in str(caught.value)
    with pytest.raises(OSError, match="other"), OutputFolder(tmp_path / "out"):
        raise OSError(errno.EIO, "other")
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"not empty.*--force"), OutputFolder(tmp_path):
        pass
    with OutputFolder(tmp_path, force=True) as out:
        result(out, head__glb=b"1")
    files = tree(tmp_path)
    assert files.pop("fit.json")
    assert files == {"thesis.txt": b"mine", "head.glb": b"1"}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="is a file"), OutputFolder(tmp_path / "file"):
        pass


def test_our_earlier_result_is_replaced_and_foreign_files_stay(tmp_path: Path) -> None:
    with OutputFolder(tmp_path) as out:  # an empty folder is fine
        result(out, head__glb=b"1", overlay_1__png=b"1", overlay_2__png=b"2", report__html=b"1")
    (tmp_path / "notes.txt").write_bytes(b"mine")
    (tmp_path / "overlay_2.png").write_bytes(b"painted on")
    with OutputFolder(tmp_path) as out:
        result(out, head__glb=b"22", report__html=b"2")
    files = tree(tmp_path)
    assert json.loads(files.pop("fit.json"))["files"]["head.glb"]["bytes"] == 2
    # overlay_1 was ours and is no longer part of the result; overlay_2 was changed by the user and stays
    assert files == {
        "head.glb": b"22",
        "report.html": b"2",
        "notes.txt": b"mine",
        "overlay_2.png": b"painted on",
    }


@pytest.mark.parametrize("table", ['{"files": 3}', "[1]", "[" * 99_999, '{"files": {"../x": {"sha256": "0"}}}', "{"])
def test_a_strange_marker_removes_nothing(tmp_path: Path, table: str) -> None:
    (tmp_path / "fit.json").write_text(table)
    (tmp_path / "x").write_bytes(b"")
    with OutputFolder(tmp_path) as out:
        result(out, head__glb=b"1")
    assert set(tree(tmp_path)) == {"fit.json", "x", "head.glb"}


def test_a_failing_move_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with OutputFolder(tmp_path) as out:
        result(out, a=b"1", b=b"1", c=b"1", old=b"1")
    before = tree(tmp_path)
    real = os.replace
    for fail_at in range(1, 10):  # four files move away, four come, one is stale
        calls: list[object] = []

        def replace(source: str, target: str, calls: list[object] = calls, fail_at: int = fail_at) -> None:
            calls.append(source)
            if len(calls) == fail_at:
                raise OSError(errno.ENOSPC, "full")
            real(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            with pytest.raises(InputError, match="full"), OutputFolder(tmp_path) as out:
                result(out, a=b"2", b=b"2", c=b"2")
        assert tree(tmp_path) == before
        assert len(calls) == fail_at + (fail_at - 1)  # as many are undone as were done


def test_a_folder_in_the_way_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_bytes(b"{}")
    (tmp_path / "head.glb").mkdir()
    with pytest.raises(InputError, match="folder of that name"), OutputFolder(tmp_path) as out:
        result(out, a=b"1", head__glb=b"1")
    assert tree(tmp_path) == {"fit.json": b"{}"}


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "", "a\\b"])
def test_names_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with OutputFolder(tmp_path / "out") as out, pytest.raises(InputError, match="inside the output folder"):
        out.write(name, b"")
    with pytest.raises(InputError, match="with"):
        OutputFolder(tmp_path / "out").write("a", b"")


def test_what_a_killed_run_left_is_swept_after_a_day(tmp_path: Path) -> None:
    old, fresh = (tmp_path / f".out{atomic._PARTIAL}{x}" for x in ("old", "new"))
    for left in (old, fresh):
        left.mkdir()
        (left / "x").write_bytes(b"")
    os.utime(old, (time.time() - 3e5,) * 2)
    with OutputFolder(tmp_path / "out") as out:
        out.write("a", b"")
    assert not old.exists()
    assert fresh.exists()


@posix
def test_killed_in_the_middle(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from cephalon.files import OutputFolder\n"
        "with OutputFolder(sys.argv[1]) as out:\n"
        "    out.write('head.glb', b'half')\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
    )
    for existed in (False, True):
        path = tmp_path / f"out{existed}"
        if existed:
            path.mkdir()
            (path / "fit.json").write_bytes(b"{}")
            (path / "head.glb").write_bytes(b"old")
        with subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == b"ready\n"
            child.send_signal(signal.SIGKILL)
        if existed:
            assert (path / "head.glb").read_bytes() == b"old"
        else:
            assert not path.exists()
        with OutputFolder(path) as out:  # and the next run works
            result(out, head__glb=b"new")
        assert (path / "head.glb").read_bytes() == b"new"


@posix
def test_a_folder_below_one_that_may_not_be_written(tmp_path: Path) -> None:
    """An output folder mounted into a container: it may be written, its parent may not."""
    path = tmp_path / "out"
    path.mkdir()
    real = os.mkdir

    def mkdir(place: os.PathLike[str], *args: int) -> None:
        if Path(place).parent == tmp_path:
            raise PermissionError(errno.EACCES, "no")
        real(place, *args)

    patch = pytest.MonkeyPatch()
    patch.setattr(os, "mkdir", mkdir)
    try:
        with OutputFolder(path) as out:
            result(out, a=b"1")
        with pytest.raises(InputError, match="permission"), OutputFolder(tmp_path / "other"):
            pass
    finally:
        patch.undo()
    assert set(tree(path)) == {"fit.json", "a"}
