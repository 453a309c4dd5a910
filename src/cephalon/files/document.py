"""JSON documents: one text for one value, numbers rounded sensibly, no NaN, and a schema name with a version."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from cephalon.core import InputError
from cephalon.files.atomic import write_bytes
from cephalon.files.bounded import StrPath, read_bytes

MAX_JSON_BYTES = 256 * 2**20
_DEEPEST = 64
_WIDTH = 120


def json_bytes(document: Mapping[str, Any], *, digits: int = 9, sort_keys: bool = False) -> bytes:
    """The document as UTF-8 JSON, the same bytes for the same value.

    Keys keep their order (or are sorted); floating-point numbers are rounded to `digits` significant digits (9 hold a
    float32 exactly); NumPy numbers and arrays, tuples and paths are accepted. Objects are indented, lists of plain
    values and the rows of matrices stay on one line.

    Raises
    ------
    InputError
        For NaN or infinity, keys that are not text, values JSON has no word for, and nesting deeper than 64; the
        message names the place in the document.
    """
    plain = _plain(document, "", digits, sort_keys, 0)
    if not isinstance(plain, dict):
        raise InputError(f"a document is a table of names and values, got {type(document).__name__}")
    return (_text(plain, 0) + "\n").encode("utf-8")


def write_json(path: StrPath, document: Mapping[str, Any], *, digits: int = 9, sort_keys: bool = False) -> None:
    """Write `json_bytes(document)` in one step.

    Raises
    ------
    InputError
        As `json_bytes` and `atomic.write_bytes`.
    """
    write_bytes(path, json_bytes(document, digits=digits, sort_keys=sort_keys))


def read_json(path: StrPath, *, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON file whose top level is an object.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, is not JSON (the message gives line and column), holds NaN or
        infinity, a key twice, or something else than an object at its top level.
    """
    return parse_json(read_bytes(path, max_bytes=max_bytes, what="JSON file"), where=os.fspath(path))


def parse_json(data: bytes, *, where: str) -> dict[str, Any]:
    """`read_json` for bytes at hand; `where` names them in messages."""
    try:
        document = json.loads(
            data.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_unique
        )
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{where} is not valid JSON: it is not UTF-8 text") from error
    except RecursionError as error:
        raise InputError(f"{where} is not valid JSON: it is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{where} is not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise InputError(f"{where}: expected a JSON object at the top level, got a {_json_type(document)}")
    return document


def check_schema(document: Mapping[str, Any], schema: str, newest: int, *, where: str) -> int:
    """The `format_version` of a document that says `"schema": schema`, 1 to `newest`.

    Raises
    ------
    InputError
        If the document is of another kind, gives no version, or was written by a newer program.
    """
    kind = document.get("schema")
    if kind != schema:
        raise InputError(f"{where}: expected a document of schema {schema!r}, got {kind!r:.60}")
    version = document.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{where}: expected a format_version from 1 to {newest}, got {version!r:.60}")
    if version > newest:
        raise InputError(
            f"{where} has format_version {version}, this program reads up to {newest}: update Cephalon to read it"
        )
    return version


def _plain(value: Any, place: str, digits: int, sort_keys: bool, depth: int) -> Any:
    if depth > _DEEPEST:
        raise InputError(f"{place}: a document may be nested {_DEEPEST} deep at most")
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"{place or 'document'}: expected a finite number, got {value}")
        return float(f"{value:.{digits}g}") + 0.0
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{place or 'document'}: expected names that are text, got {key!r:.60}")
        keys = sorted(value) if sort_keys else list(value)
        return {k: _plain(value[k], f"{place}.{k}" if place else k, digits, sort_keys, depth + 1) for k in keys}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}[{i}]", digits, sort_keys, depth + 1) for i, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    raise InputError(f"{place or 'document'}: JSON has no word for a {type(value).__name__}")


def _text(value: Any, depth: int) -> str:
    """JSON text of a plain value: what fits in one line or is a list of plain values stays in one line."""
    pad, end = " " * (depth + 1), "\n" + " " * depth
    if isinstance(value, dict) and value:
        items = [f"{pad}{_scalar(key)}: {_text(item, depth + 1)}" for key, item in value.items()]
        return "{\n" + ",\n".join(items) + end + "}"
    if isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        one_line = _scalar(value)
        if len(one_line) + depth <= _WIDTH and not any(isinstance(item, dict) for item in value):
            return one_line
        return "[\n" + ",\n".join(pad + _text(item, depth + 1) for item in value) + end + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text[:40]} is too large")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ValueError(f"the name {twice[:60]!r} appears twice in one object")
    return table


def _json_type(value: Any) -> str:
    return {list: "list", str: "text", bool: "truth value", type(None): "null"}.get(type(value), "number")
