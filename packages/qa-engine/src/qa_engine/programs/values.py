"""Values of programs: a kind, plain data, and a unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qa_engine.programs.language import ProgramCode, ProgramError


@dataclass(frozen=True, slots=True)
class Value:
    """One value.

    Attributes
    ----------
    kind : str
        `number`, `text`, `bool`, `instance`, or `list`.
    data : float, int, str, bool or tuple of Value
    unit : str
        Of a number: `m`, `cm`, `m2`, `m3`, `deg`; empty for a plain number, which fits no other unit but scales all.
    """

    kind: str
    data: Any
    unit: str = ""


POWERS = {"": 0, "m": 1, "m2": 2, "m3": 3}
UNIT_OF_POWER = {power: unit for unit, power in POWERS.items()}
"""Units that multiply and divide: the powers of a metre."""


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
    if value.kind == "text":
        return f"the text {value.data!r}"
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
        raise ProgramError(ProgramCode.WRONG_UNIT, message, column=column)
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
