from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cephalon.core import InputError
from cephalon.files import check_schema, json_bytes, parse_json, read_json, write_json


def test_round_trip_and_layout(tmp_path: Path) -> None:
    document = {
        "schema": "cephalon.fit",
        "format_version": 1,
        "name": "Zoë 头",
        "path": Path("a.jpg"),
        "flag": np.bool_(True),
        "count": np.int64(3),
        "z": np.array([1.5, 2.0]),
        "matrix": np.eye(3),
        "nothing": None,
        "photos": [{"name": "a", "reprojection_px": np.float32(0.1)}, {}],
        "empty": [],
    }
    write_json(tmp_path / "a.json", document)
    text = (tmp_path / "a.json").read_text("utf-8")
    assert read_json(tmp_path / "a.json") == {
        **document,
        "path": "a.jpg",
        "flag": True,
        "z": [1.5, 2.0],
        "matrix": np.eye(3).tolist(),
        "photos": [{"name": "a", "reprojection_px": 0.100000001}, {}],
    }
    assert '"Zoë 头"' in text
    assert ' "z": [1.5, 2.0],\n' in text
    assert ' "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],\n' in text
    assert text.endswith("}\n")


def test_long_matrices_have_a_row_on_each_line() -> None:
    text = json_bytes({"m": np.arange(60.0).reshape(3, 20)}).decode()
    assert text.count("\n") == 7


def test_numbers_are_rounded_and_stable() -> None:
    assert json.loads(json_bytes({"a": 0.1 + 0.2, "b": -0.0, "c": 1e-300, "d": 123456789.123}, digits=6)) == {
        "a": 0.3,
        "b": 0.0,
        "c": 1e-300,
        "d": 123457000.0,
    }
    assert b"-0.0" not in json_bytes({"a": -0.0})
    rng = np.random.default_rng(0)
    values = rng.normal(size=1000).astype(np.float32)
    back = np.array(json.loads(json_bytes({"v": values}))["v"], dtype=np.float32)
    assert (back == values).all()
    assert json_bytes({"b": 1, "a": 2}, sort_keys=True) == b'{\n "a": 2,\n "b": 1\n}\n'
    assert json_bytes({"b": 1, "a": 2}) == b'{\n "b": 1,\n "a": 2\n}\n'


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"a": {"b": [1.0, float("nan")]}}, r"a\.b\[1\].*finite"),
        ({"a": np.array([np.inf])}, r"a\[0\].*finite"),
        ({1: 2}, "names that are text"),
        ({"a": {1, 2}}, "a: JSON has no word for a set"),
        ([1], "table"),
    ],
)
def test_what_json_cannot_hold(document: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_json(tmp_path / "a.json", document)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_endless_nesting_is_refused() -> None:
    loop: dict[str, object] = {}
    loop["a"] = loop
    with pytest.raises(InputError, match="64 deep"):
        json_bytes(loop)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON.*line 1, column 1"),
        (b'{"a": 1,\n "b": }', "line 2"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": -Infinity}', "Infinity"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', "'a' appears twice"),
        (b"[1, 2]", "top level, got a list"),
        (b"null", "got a null"),
        (b"3", "got a number"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
    ],
)
def test_bad_json_is_one_sentence(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_reading_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "a.json")
    with pytest.raises(InputError, match="is a folder"):
        read_json(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_json("a\0b")
    (tmp_path / "a.json").write_bytes(b"{}" + b" " * 2**20)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_json(tmp_path / "a.json", max_bytes=2**20)


def test_a_byte_order_mark_is_accepted() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', where="x") == {"a": 1}


def test_schema() -> None:
    good = {"schema": "cephalon.fit", "format_version": 2}
    assert check_schema(good, "cephalon.fit", 2, where="f") == 2
    assert check_schema(good | {"format_version": 1}, "cephalon.fit", 2, where="f") == 1
    with pytest.raises(InputError, match="update Cephalon"):
        check_schema(good, "cephalon.fit", 1, where="f")
    with pytest.raises(InputError, match=r"expected a document of schema 'cephalon\.fit', got None"):
        check_schema({}, "cephalon.fit", 1, where="f")
    for version in (None, True, 0, "1", 1.0):
        with pytest.raises(InputError, match="format_version"):
            check_schema({"schema": "s", "format_version": version}, "s", 1, where="f")


def test_a_file_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    import tracemalloc

    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(2**33)  # holds nothing but its size
    tracemalloc.start()
    with pytest.raises(InputError, match="larger than"):
        read_json(tmp_path / "large.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20
