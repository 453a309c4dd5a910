"""Python pickles read as data: numbers, text, lists, dictionaries, numpy arrays. Nothing in the file is ever run.

A pickle is a small program that may name any function and have it called. This reader interprets the program itself:
names stay names, a call is understood only where it means one of the shapes below, and anything else is refused.

- numpy arrays and scalars (`_reconstruct` + state, `dtype`, `scalar`, `_frombuffer` is refused);
- scipy's sparse matrices and chumpy's objects: `Record`s that hold their state and can do nothing;
- `collections.OrderedDict`, and bytes written through `_codecs.encode`.
"""

from __future__ import annotations

import pickletools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from cephalon.core import InputError

MAX_PICKLE_BYTES = 512 * 2**20
_MOST_OPERATIONS = 5_000_000

_RECORDS = re.compile(r"(scipy\.sparse(\.\w+)*\.cs[cr]_(matrix|array)|chumpy(\.\w+)*\.\w+)")
_NUMPY = re.compile(r"numpy(\._?core)?(\.(multiarray|_multiarray_umath|numeric))?\.(_reconstruct|ndarray|dtype|scalar)")
_PLAIN = ("collections.OrderedDict", "_codecs.encode", "copy_reg._reconstructor", "copyreg._reconstructor")
_OBJECTS = ("__builtin__.object", "builtins.object")
_DTYPE = re.compile(r"[|<>=]?[biufS?]\d{0,3}")


@dataclass(slots=True)
class _Name:
    """A name that the pickle wants to import; it is never imported."""

    name: str


@dataclass(slots=True)
class Record:
    """An object of a known harmless class, as its name and its state alone."""

    name: str
    state: Any = None


@dataclass(slots=True)
class _Array:
    """An array or dtype that waits for its state."""

    value: Any = None


class _Mark:
    pass


_MARK = _Mark()


def read_pickle(data: bytes, where: str) -> Any:
    """Return what a pickle holds: dict, list, tuple, str, bytes, numbers, numpy arrays, and `Record`s.

    Raises
    ------
    InputError
        If it names anything beside the harmless classes (the message says what), is damaged, or is too large.
    """
    if len(data) > MAX_PICKLE_BYTES:
        raise InputError(f"{where}: larger than {MAX_PICKLE_BYTES // 2**20} MiB, the limit for a pickled model")
    try:
        return _plain(_Machine(where).run(data))
    except InputError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{where}: not a readable pickle ({type(error).__name__}: {error})") from error


class _Machine:
    """The pickle's stack and memo, with calls replaced by the few meanings above."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._made = 0

    def run(self, data: bytes) -> Any:
        constants = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
        for count, (operation, argument, _) in enumerate(pickletools.genops(data)):
            name = operation.name
            if count > _MOST_OPERATIONS:
                raise InputError(f"{self._where}: a pickle of more than {_MOST_OPERATIONS} steps is no head model")
            if name in ("PROTO", "FRAME"):
                continue
            if name == "STOP":
                return self._stack.pop()
            if name in constants:
                self._stack.append(constants[name])
            elif name.startswith(("BIN", "SHORT_BIN", "LONG", "INT", "FLOAT", "UNICODE", "STRING")) and (
                name not in ("BINGET", "LONG_BINGET", "BINPUT", "LONG_BINPUT", "BINPERSID")
            ):
                self._stack.append(argument)
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                self._stack.append(self._memo[int(str(argument))])
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                self._memo[int(str(argument))] = self._stack[-1]
            elif name == "MEMOIZE":
                self._memo[len(self._memo)] = self._stack[-1]
            elif name in ("GLOBAL", "STACK_GLOBAL"):
                self._stack.append(self._named(name, argument))
            else:
                self._step(name)
        raise InputError(f"{self._where}: the pickle ends too early")

    def _named(self, operation: str, argument: Any) -> _Name:
        if operation == "GLOBAL":
            found = str(argument).replace(" ", ".", 1)
        else:
            last = self._stack.pop()
            found = f"{self._stack.pop()}.{last}"
        allowed = _RECORDS.fullmatch(found) or _NUMPY.fullmatch(found) or found in (*_PLAIN, *_OBJECTS)
        if not allowed:
            raise InputError(
                f"{self._where}: this pickle wants to run {found[:80]!r}; only arrays are read from pickles, nothing is run"
            )
        return _Name(found)

    def _step(self, name: str) -> None:
        stack = self._stack
        if name == "MARK":
            stack.append(_MARK)
        elif name == "POP":
            stack.pop()
        elif name == "POP_MARK":
            self._above()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif name == "TUPLE":
            stack.append(tuple(self._above()))
        elif name == "LIST":
            stack.append(self._above())
        elif name == "DICT":
            items = self._above()
            stack.append(self._filled({}, items))
        elif name == "APPEND":
            value = stack.pop()
            stack[-1].append(value)
        elif name == "APPENDS":
            values = self._above()
            stack[-1].extend(values)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            self._filled(stack[-1], [key, value])
        elif name == "SETITEMS":
            items = self._above()
            self._filled(stack[-1], items)
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, called = stack.pop(), stack.pop()
            stack.append(self._called(called, arguments))
        elif name == "BUILD":
            state, built = stack.pop(), stack[-1]
            self._build(built, state)
        else:
            raise InputError(f"{self._where}: the pickle uses {name}, which no file of arrays needs")

    def _above(self) -> list[Any]:
        at = len(self._stack) - 1  # from the top: what is passed over is taken off, so all steps together stay linear
        while self._stack[at] is not _MARK:
            at -= 1
            if at < 0:
                raise InputError(f"{self._where}: the pickle closes what it never opened")
        values = self._stack[at + 1 :]
        del self._stack[at:]
        return values

    def _filled(self, table: Any, items: list[Any]) -> Any:
        """Put keys and values, one after the other, into a dictionary; keys are text, bytes or whole numbers alone."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, (str, bytes, int)):  # the hash of nested tuples may take for ever
                raise InputError(f"{self._where}: a dictionary with keys of type {type(key).__name__} is not read")
            table[key] = value
        return table

    def _counted(self, made: bytes) -> bytes:
        """Pass on bytes that a step may have copied, as long as all of them together stay within the bound."""
        self._made += len(made)
        if self._made > 2 * MAX_PICKLE_BYTES:
            raise InputError(f"{self._where}: its arrays take more than {2 * MAX_PICKLE_BYTES // 2**20} MiB")
        return made

    def _called(self, called: Any, arguments: Any) -> Any:
        if not isinstance(called, _Name) or not isinstance(arguments, tuple):
            raise InputError(f"{self._where}: the pickle calls something that is not a known class")
        name, last = called.name, called.name.rsplit(".", 1)[-1]
        if name.endswith("_reconstructor"):
            if isinstance(arguments[0], _Name) and _RECORDS.fullmatch(arguments[0].name):
                return Record(arguments[0].name)
            raise InputError(f"{self._where}: the pickle builds an object that is not a known class")
        if _RECORDS.fullmatch(name):
            return Record(name)
        if last == "OrderedDict":
            pairs = arguments[0] if arguments else []
            return self._filled({}, [item for pair in pairs for item in pair])
        if last == "encode":
            return self._counted(arguments[0].encode("latin-1"))
        if last == "dtype":
            return _Array(_dtype(arguments[0], self._where))
        if last == "scalar":
            kind = arguments[0].value
            return np.frombuffer(_raw(arguments[1]), dtype=kind, count=1)[0]
        if last in ("_reconstruct", "ndarray"):
            return _Array()
        raise InputError(f"{self._where}: the pickle calls {name!r} where no array needs it")

    def _build(self, built: Any, state: Any) -> None:
        if isinstance(built, Record):
            built.state = state
        elif isinstance(built, _Array) and isinstance(built.value, np.dtype):
            order = state[1]
            if order in ("<", ">"):
                built.value = built.value.newbyteorder(order)
        elif isinstance(built, _Array):
            _, shape, kind, fortran, raw = state
            if isinstance(raw, list):
                raise InputError(f"{self._where}: an array of objects is not read")
            count = int(np.prod([int(size) for size in shape], dtype=object)) if shape else 1
            flat = np.frombuffer(self._counted(_raw(raw)), dtype=kind.value)
            if count != len(flat):
                raise InputError(f"{self._where}: an array of shape {shape} holds {len(flat)} numbers")
            built.value = flat.reshape(shape, order="F" if fortran else "C")
        elif isinstance(built, dict) and isinstance(state, dict):
            built.update(state)
        else:
            raise InputError(f"{self._where}: the pickle gives a state to something that has none")


def _dtype(text: Any, where: str) -> np.dtype[Any]:
    text = text.decode("ascii") if isinstance(text, bytes) else str(text)
    if _DTYPE.fullmatch(text) is None:
        raise InputError(f"{where}: arrays of type {text[:20]!r} are not read")
    return np.dtype(text)


def _raw(value: Any) -> bytes:
    return value.encode("latin-1") if isinstance(value, str) else bytes(value)


def _plain(value: Any, open_: tuple[int, ...] = (), done: dict[int, Any] | None = None) -> Any:
    """Replace what waited for its state by its value, throughout; each object once, however often it is named."""
    done = {} if done is None else done
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, _Name):
        return value.name
    if not isinstance(value, (dict, list, tuple, Record)):
        return value
    if id(value) in done:
        return done[id(value)]
    if id(value) in open_ or len(open_) > 60:
        raise InputError("the pickle holds itself, or is nested too deeply: no head model does")
    open_ = (*open_, id(value))
    if isinstance(value, dict):
        result: Any = {
            (k.decode("latin-1") if isinstance(k, bytes) else k): _plain(v, open_, done) for k, v in value.items()
        }
    elif isinstance(value, Record):
        result = Record(value.name, _plain(value.state, open_, done))
    else:
        result = type(value)(_plain(v, open_, done) for v in value)
    done[id(value)] = result
    return result
