"""Read data from a pickle without running anything in it.

A pickle is a program for a small stack machine. This one knows the instructions that build plain values, and of all
names that a pickle may ask for only those that rebuild numpy arrays and numbers, which it decodes itself.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.scenes.fields import shorten

PLAIN = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})
VALUES = frozenset(
    {
        "INT",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG",
        "LONG1",
        "LONG4",
        "FLOAT",
        "BINFLOAT",
        "STRING",
        "BINSTRING",
        "SHORT_BINSTRING",
        "UNICODE",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE8",
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
    }
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
KEYS = (str, bytes, int, float, type(None))
"""Types of the keys of a dict; hashing nested tuples could take forever."""

NUMPY = re.compile(r"numpy(?:\._?core)?\.(?:multiarray|numeric)")


class PickledArray:
    """An array of a pickle; `values` is set when its data has been read."""

    values: NDArray[Any] | None = None


@dataclass
class _Dtype:
    """Type of an array: kind and bytes per value, byte order."""

    code: str
    order: str = "<"


@dataclass(frozen=True)
class _Name:
    """A function of numpy that this reader stands in for."""

    name: str


_MARK = object()


def load_plain(data: bytes, name: str) -> Any:
    """Read a pickle of dicts, lists, tuples, texts, numbers and numpy arrays.

    Parameters
    ----------
    data : bytes
    name : str
        File name for messages.

    Returns
    -------
    Any
        Arrays are `PickledArray`, numpy's numbers are Python's.

    Raises
    ------
    SceneError
        The pickle is damaged, asks for any other function or class, or holds arrays of objects.

    Examples
    --------
    >>> import pickle
    >>> load_plain(pickle.dumps({"a": [1, (2.5, None)]}), "a.pkl")
    {'a': [1, (2.5, None)]}
    """
    machine = _Machine(name)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.stack.pop()
            machine.step(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, struct.error) as error:
        raise SceneError(name, f"no whole pickle ({error})", reason=IngestReason.BAD_FORMAT) from None
    except (RecursionError, MemoryError):
        raise SceneError(name, "no pickle of plain data", reason=IngestReason.BAD_FORMAT) from None
    raise SceneError(name, "cut off", reason=IngestReason.BAD_FORMAT)


class _Machine:
    """The stack and the memo."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self._steps: dict[str, Callable[[Any], object]] = {
            "MARK": lambda _: self.stack.append(_MARK),
            "EMPTY_DICT": lambda _: self.stack.append({}),
            "EMPTY_LIST": lambda _: self.stack.append([]),
            "EMPTY_TUPLE": lambda _: self.stack.append(()),
            "TUPLE": lambda _: self.stack.append(tuple(self._to_mark())),
            "LIST": lambda _: self.stack.append(self._to_mark()),
            "DICT": lambda _: self.stack.append(self._pairs(self._to_mark(), {})),
            "POP": lambda _: self.stack.pop(),
            "POP_MARK": lambda _: self._to_mark(),
            "DUP": lambda _: self.stack.append(self.stack[-1]),
            "MEMOIZE": lambda _: self.memo.__setitem__(len(self.memo), self.stack[-1]),
            "APPEND": lambda _: self._extend([self.stack.pop()]),
            "APPENDS": lambda _: self._extend(self._to_mark()),
            "SETITEM": lambda _: self._update([self.stack.pop(-2), self.stack.pop()]),
            "SETITEMS": lambda _: self._update(self._to_mark()),
            "GLOBAL": lambda words: self._global(*words.split(" ", 1)),
            "STACK_GLOBAL": lambda _: self._global(self.stack.pop(-2), self.stack.pop()),
            "REDUCE": lambda _: self._reduce(),
            "BUILD": lambda _: self._build(),
        }

    def step(self, opcode: str, argument: Any) -> None:
        """Carry out one instruction."""
        if opcode in ("PROTO", "FRAME"):
            return
        if opcode in VALUES:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in TUPLES:
            n = TUPLES[opcode]
            if len(self.stack) < n:
                raise ValueError("the stack is empty")
            self.stack[-n:] = [tuple(self.stack[-n:])]
        elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif opcode in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif opcode in self._steps:
            self._steps[opcode](argument)
        else:
            raise SceneError(self.name, f"instruction {opcode} builds no data", reason=IngestReason.UNSAFE_FILE)

    def _to_mark(self) -> list[Any]:
        """Take everything above the last mark."""
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("no mark")
        items = self.stack[place + 1 :]
        del self.stack[place:]
        return items

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("appends to something that is no list")
        self.stack[-1].extend(items)

    def _update(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not dict:
            raise ValueError("sets items of something that is no dict")
        self._pairs(items, self.stack[-1])

    def _pairs(self, items: list[Any], target: dict[Any, Any]) -> dict[Any, Any]:
        """Add keys and values, which alternate, to a dict."""
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, KEYS):
                raise ValueError(f"{shorten(type(key).__name__)} as a key")
            target[key] = value
        return target

    def _global(self, module: str, name: str) -> None:
        """Accept the names that rebuild arrays and numbers, and no other."""
        known = {"_reconstruct", "scalar", "_frombuffer"} if NUMPY.fullmatch(str(module)) else set[str]()
        known |= {"ndarray", "dtype"} if module == "numpy" else set()
        known |= {"encode"} if module == "_codecs" else set()
        if name not in known:
            problem = f"asks for {shorten(module)}.{shorten(name)}, which is no data"
            raise SceneError(self.name, problem, reason=IngestReason.UNSAFE_FILE)
        self.stack.append(_Name(name))

    def _reduce(self) -> None:
        """Stand in for a call."""
        arguments, function = self.stack.pop(), self.stack.pop()
        match function, arguments:
            case _Name("_reconstruct"), (_Name("ndarray"), *_):
                self.stack.append(PickledArray())
            case _Name("dtype"), (str(code), *_) if code in PLAIN:
                self.stack.append(_Dtype(code))
            case _Name("scalar"), (_Dtype() as dtype, bytes(data)):
                self.stack.append(_values(data, dtype, (), fortran=False).item())
            case _Name("_frombuffer"), (bytes(data) | bytearray(data), _Dtype() as dtype, tuple(shape), str(order)):
                array = PickledArray()
                array.values = _values(bytes(data), dtype, shape, fortran=order == "F")
                self.stack.append(array)
            case _Name("encode"), (str(text), "latin1" | "latin-1"):
                self.stack.append(text.encode("latin-1"))
            case _:
                problem = f"calls {shorten(getattr(function, 'name', function))} with something that is no data"
                raise SceneError(self.name, problem, reason=IngestReason.UNSAFE_FILE)

    def _build(self) -> None:
        """Give an array or a type its state."""
        state, target = self.stack.pop(), self.stack[-1]
        match target, state:
            case PickledArray(), (_, tuple(shape), _Dtype() as dtype, fortran, bytes(data)):
                target.values = _values(data, dtype, shape, fortran=bool(fortran))
            case _Dtype(), (_, "<" | ">" | "|" | "=" as order, *_):
                target.order = order
            case _:
                raise SceneError(self.name, "sets the state of no array", reason=IngestReason.UNSAFE_FILE)


def _values(data: bytes, dtype: _Dtype, shape: tuple[Any, ...], *, fortran: bool) -> NDArray[Any]:
    """Decode the values of an array."""
    kind = np.dtype(dtype.order.replace("|", "=") + dtype.code)
    if len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an array of no shape")
    if math.prod(shape) * kind.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes for an array of shape {shorten(shape)}")
    return np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")
