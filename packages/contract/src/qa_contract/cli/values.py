"""Kinds of values that options take: how help, messages and placeholders call them."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_WORDS = {
    int: ("N", "a whole number", "whole numbers"),
    float: ("X", "a number", "numbers"),
    bool: ("", "true or false", "true or false, several"),
    Path: ("PATH", "a path", "paths"),
    str: ("TEXT", "text", "texts"),
}


@dataclass(frozen=True)
class Value:
    """What an option takes.

    Attributes
    ----------
    base : type
        Class of one value.
    choices : tuple of str
        The only values that are allowed; empty where any is.
    many : bool
        Whether there may be several.
    optional : bool
        Whether None is allowed.
    bounds : mapping of str to number
        By pydantic's names: ge, gt, le, lt.
    """

    base: type
    choices: tuple[str, ...] = ()
    many: bool = False
    optional: bool = False
    bounds: Mapping[str, float] = field(default_factory=dict)

    @property
    def placeholder(self) -> str:
        """What stands for the value in help: N, X, PATH, NAME, TEXT, or nothing for a switch."""
        return "NAME" if self.choices else _words(self.base)[0]

    @property
    def limits(self) -> str:
        """The bounds in words; empty where there are none."""
        return ", ".join(f"{_BOUNDS[name]} {bound}" for name, bound in self.bounds.items())

    @property
    def wanted(self) -> str:
        """What is valid, in words that follow 'needs'.

        Examples
        --------
        >>> value_of(int, {"ge": 1}).wanted
        'a whole number, at least 1'
        >>> value_of(tuple[Literal["a", "b"], ...]).wanted
        'any of a, b'
        """
        if self.choices:
            text = f"{'any' if self.many else 'one'} of {', '.join(self.choices)}"
        else:
            text = _words(self.base)[2 if self.many else 1]
        text += f", {self.limits}" if self.bounds else ""
        return f"{text}, or none" if self.optional else text


def value_of(annotation: Any, bounds: Mapping[str, float] | None = None) -> Value:
    """Read what an annotation allows.

    Parameters
    ----------
    annotation : type
        A class, Literal, Enum, Optional, Annotated, or a list, tuple or set of those.
    bounds : mapping of str to number, optional
        Bounds beside those that the annotation carries.

    Examples
    --------
    >>> value_of(Path | None)
    Value(base=<class 'pathlib.Path'>, choices=(), many=False, optional=True, bounds={})
    """
    given = dict(bounds or {})
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return value_of(args[0], given | bounds_in(annotation.__metadata__))
    if origin in (Union, types.UnionType):
        rest = [arg for arg in args if arg is not type(None)]
        inner = value_of(rest[0], given) if len(rest) == 1 else Value(str)
        return Value(inner.base, inner.choices, inner.many, type(None) in args, inner.bounds)
    if origin in (list, tuple, set, frozenset):
        inner = value_of(args[0], given)
        return Value(inner.base, inner.choices, True, False, inner.bounds)
    if origin is Literal:
        return Value(type(args[0]), tuple(map(str, args)))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Value(annotation, tuple(str(member.value) for member in annotation))
    return Value(annotation if isinstance(annotation, type) else str, bounds=given)


def bounds_in(metadata: Iterable[object]) -> dict[str, float]:
    """Collect the bounds among the metadata of an annotation or a pydantic field."""
    return {name: getattr(item, name) for name in _BOUNDS for item in metadata if getattr(item, name, None) is not None}


def written(value: object) -> str:
    """Write a default as it is typed on the command line.

    Examples
    --------
    >>> written(1e-6), written(("mra", "choice")), written(())
    ('1e-06', 'mra,choice', 'none')
    """
    if isinstance(value, list | tuple | set | frozenset):
        return ",".join(map(written, value)) or "none"
    if isinstance(value, Enum):
        return str(value.value)
    return "none" if value is None else str(value)


def _words(base: type) -> tuple[str, str, str]:
    return next((words for kind, words in _WORDS.items() if issubclass(base, kind)), _WORDS[str])
