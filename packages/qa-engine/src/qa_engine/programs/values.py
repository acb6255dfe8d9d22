"""Values of programs: a kind, plain data, and a unit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from qa_engine.programs.language import ProgramCode, ProgramError, printable


class Value(NamedTuple):
    """One value.

    Attributes
    ----------
    kind : str
        `number`, `text`, `category`, `bool`, `instance`, `frame` or `list`. A category is a text that names one; an
        angle is a number in `deg`.
    data : float, int, str, bool or Items
        Of an instance its id, of a frame its place in the recording, counted from 0 in order of time.
    unit : str
        Of a number: `m`, `cm`, `m2`, `m3`, `deg`, `s`; empty for a plain number, which fits no other unit but scales
        all.
    """

    kind: str
    data: Any
    unit: str = ""


UNITS = ("m", "cm", "m2", "m3", "deg", "s")
"""Units of the language; each is also the operator that gives it to a plain number."""

POWERS = {"": 0, "m": 1, "m2": 2, "m3": 3}
UNIT_OF_POWER = {power: unit for unit, power in POWERS.items()}
"""Units that multiply and divide: the powers of a metre."""

TEXTS = ("text", "category")
"""Kinds whose data is a text; they compare with each other."""


class Items(tuple[Value, ...]):
    """The items of a list, with what they come to where the list is written out.

    One list may stand in another many times, and that one in a third: without these numbers, to count a value would
    take as long as to write it.

    Attributes
    ----------
    size : int
        Items that are no lists, with those of the lists within; at least 1.
    characters : int
        Length of all texts.

    Examples
    --------
    >>> row = Value("list", Items([Value("text", "ab")] * 3))
    >>> (table := Items([row] * 2)).size, table.characters
    (6, 12)
    """

    size: int
    characters: int

    def __new__(cls, items: Iterable[Value]) -> Items:
        """Make the tuple and measure it once."""
        made = super().__new__(cls, items)
        parts = [_extent(item) for item in made]
        made.size = max(1, sum(size for size, _ in parts))
        made.characters = sum(characters for _, characters in parts)
        return made


def _extent(value: Value) -> tuple[int, int]:
    """Items and characters of a value."""
    if value.kind != "list":
        return 1, len(value.data) if value.kind in TEXTS else 0
    return value.data.size, value.data.characters


def number(data: float, unit: str = "") -> Value:
    """Make a number."""
    return Value("number", data, unit)


def describe(value: Value) -> str:
    """Say what a value is, for an error message.

    Examples
    --------
    >>> describe(number(2.0, "m"))
    'a number in m'
    >>> describe(Value("text", "chair"))
    "the text 'chair'"
    """
    if value.kind == "number":
        return f"a number in {value.unit}" if value.unit else f"the plain number {value.data!r}"
    if value.kind in TEXTS:
        return f"the {value.kind} {printable(value.data, 40)!r}"
    if value.kind == "list":
        return f"a list of {len(value.data)}"
    return f"a value of type {value.kind}"


def combine_units(symbol: str, left: Value, right: Value, *, column: int) -> str:
    """Find the unit of `left symbol right` for two numbers.

    Raises
    ------
    ProgramError
        The units do not fit: metres are not added to degrees, and m3 is the highest power.
    """
    if symbol in ("+", "-"):
        if left.unit == right.unit:
            return left.unit
        message = f"'{symbol}' needs one unit on both sides, found {describe(left)} and {describe(right)}."
        raise ProgramError(ProgramCode.WRONG_UNIT, message + unit_advice(left, right), column=column)
    if right.unit == "":
        return left.unit
    if left.unit == "" and symbol == "*":
        return right.unit
    if left.unit == right.unit and symbol == "/":
        return ""
    if left.unit in POWERS and right.unit in POWERS:
        power = POWERS[left.unit] + (1 if symbol == "*" else -1) * POWERS[right.unit]
        if power in UNIT_OF_POWER:
            return UNIT_OF_POWER[power]
    message = f"'{symbol}' has no unit for {describe(left)} and {describe(right)}."
    raise ProgramError(ProgramCode.WRONG_UNIT, message, column=column)


def unit_advice(left: Value, right: Value) -> str:
    """Say how to bring two numbers to one unit, for an error message.

    Examples
    --------
    >>> unit_advice(number(2.0, "m"), number(1))
    ' Write m(1).'
    """
    plain, other = (left, right) if left.unit == "" else (right, left)
    if plain.unit == "" and other.unit:
        return f" Write {other.unit}({plain.data!r})."
    if {left.unit, right.unit} == {"m", "cm"}:
        return " Convert one by m(...) or cm(...)."
    return ""
