"""The operators of the language that do not look at the scene: lists, numbers, units, texts."""

from __future__ import annotations

import math
from collections.abc import Callable

from qa_engine.facts.scene import Facts
from qa_engine.programs.language import ProgramCode, ProgramError
from qa_engine.programs.operators import Operator
from qa_engine.programs.values import TEXTS, UNITS, Items, Value, describe, number

_CENTIMETRES = 100.0


def _extreme(pick: Callable[[list[float]], float]) -> Callable[[Facts, list[float]], float]:
    def function(facts: Facts, values: list[float]) -> float:
        return pick(_some(values))

    return function


def _some(values: list[float]) -> list[float]:
    """Refuse an empty list."""
    if not values:
        raise ProgramError(ProgramCode.NO_VALUE, "the list is empty.")
    return values


def _mean(facts: Facts, values: list[float]) -> float:
    return math.fsum(_some(values)) / len(values)


def _sum(facts: Facts, values: list[float]) -> float:
    return sum(values) if all(isinstance(value, int) for value in values) else math.fsum(values)


def _by(pick: Callable[..., int]) -> Callable[[Facts, Value, list[float]], Value]:
    """Make argmin or argmax from `min` or `max`: the item with that key, the first of equals."""

    def function(facts: Facts, items: Value, keys: list[float]) -> Value:
        _same_length(items, keys)
        return items.data[pick(range(len(_some(keys))), key=keys.__getitem__)]

    return function


def _same_length(items: Value, keys: list[float]) -> None:
    if len(items.data) != len(keys):
        message = f"{len(items.data)} items and {len(keys)} keys; each item needs one key."
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, message)


def _sort_by(facts: Facts, items: Value, keys: list[float]) -> Value:
    _same_length(items, keys)
    return Value("list", Items(items.data[i] for i in sorted(range(len(keys)), key=keys.__getitem__)))


def _sort(facts: Facts, items: Value) -> Value:
    kinds, units = {item.kind for item in items.data}, {item.unit for item in items.data}
    if kinds - {"number"} and not kinds <= set(TEXTS):
        raise ProgramError(ProgramCode.WRONG_TYPE, "sort needs numbers, or texts; use sort_by(items, keys) else.")
    if len(units) > 1:
        raise ProgramError(ProgramCode.WRONG_UNIT, "the list mixes units.")
    return Value("list", Items(sorted(items.data, key=lambda item: item.data)))


def _reverse(facts: Facts, items: Value) -> Value:
    return Value("list", Items(items.data[::-1]))


def _unique(facts: Facts, items: Value) -> Value:
    seen: dict[tuple[str, str, object], Value] = {}
    for item in items.data:
        seen.setdefault(("text" if item.kind in TEXTS else item.kind, item.unit, item.data), item)
    return Value("list", Items(seen.values()))


def _item(facts: Facts, items: Value, index: float) -> Value:
    if not isinstance(index, int) or not 0 <= index < len(items.data):
        message = f"no item {index!r}; the list has {len(items.data)}, counted from 0."
        raise ProgramError(ProgramCode.NO_VALUE, message)
    return items.data[index]


def _rounded(facts: Facts, value: Value, digits: float) -> Value:
    if not isinstance(digits, int) or not 0 <= digits <= 6:
        raise ProgramError(ProgramCode.WRONG_ARGUMENTS, "digits is a whole number from 0 to 6.")
    return number(round(value.data, digits) if digits else round(value.data), value.unit)


def _floor(facts: Facts, value: Value) -> Value:
    return number(math.floor(value.data), value.unit)


def _to_unit(unit: str) -> Callable[[Facts, Value], Value]:
    """Make the operator that gives a plain number its unit, or converts centimetres and metres."""

    def function(facts: Facts, value: Value) -> Value:
        if value.unit in ("", unit):
            return number(value.data, unit)
        if (value.unit, unit) == ("m", "cm"):
            return number(value.data * _CENTIMETRES, unit)
        if (value.unit, unit) == ("cm", "m"):
            return number(value.data / _CENTIMETRES, unit)
        raise ProgramError(ProgramCode.WRONG_UNIT, f"{describe(value)} cannot become {unit}.")

    return function


def _join(facts: Facts, texts: list[str], separator: str) -> str:
    return separator.join(texts)


_NUMBERS = (("values", "numbers"),)
_ITEMS = (("items", "list"),)
_KEYED = (("items", "list"), ("keys", "numbers"))

LIST_OPERATORS: dict[str, Operator] = {
    "length": Operator(_ITEMS, "number", "", "Number of items of a list.", lambda facts, items: len(items.data)),
    "item": Operator((*_ITEMS, ("index", "plain")), "value", "", "One item of a list, counted from 0.", _item),
    "min": Operator(_NUMBERS, "number", "same", "Smallest of a list of numbers.", _extreme(min)),
    "max": Operator(_NUMBERS, "number", "same", "Largest of a list of numbers.", _extreme(max)),
    "sum": Operator(_NUMBERS, "number", "same", "Sum of a list of numbers.", _sum),
    "mean": Operator(_NUMBERS, "number", "same", "Mean of a list of numbers.", _mean),
    "argmin": Operator(_KEYED, "value", "", "The item with the smallest key.", _by(min)),
    "argmax": Operator(_KEYED, "value", "", "The item with the largest key.", _by(max)),
    "sort": Operator(_ITEMS, "value", "", "Numbers or texts in ascending order.", _sort),
    "sort_by": Operator(_KEYED, "value", "", "Items in ascending order of their keys.", _sort_by),
    "reverse": Operator(_ITEMS, "value", "", "A list backwards.", _reverse),
    "unique": Operator(_ITEMS, "value", "", "A list without repeats, in order of first appearance.", _unique),
    "any": Operator((("values", "bools"),), "bool", "", "True if one of a list is.", lambda facts, x: any(x)),
    "all": Operator((("values", "bools"),), "bool", "", "True if all of a list are.", lambda facts, x: all(x)),
    "abs": Operator(
        (("value", "number"),), "value", "", "Absolute value.", lambda facts, x: number(abs(x.data), x.unit)
    ),
    "floor": Operator((("value", "number"),), "value", "", "Largest whole number below.", _floor),
    "round": Operator(
        (("value", "number"), ("digits", "plain")), "value", "", "Rounded to some decimals, halves to even.", _rounded
    ),
    "join": Operator((("texts", "texts"), ("separator", "text")), "text", "", "Texts joined to one.", _join),
    **{
        unit: Operator((("value", "number"),), "value", "", f"A plain number as {unit}.", _to_unit(unit))
        for unit in UNITS
    },
}
"""Operators on lists, numbers and texts. `m` and `cm` also convert into each other."""
