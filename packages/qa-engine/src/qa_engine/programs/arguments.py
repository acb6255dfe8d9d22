"""Convert the values of a program to what an operator's function takes, or say what is wrong with them."""

from __future__ import annotations

import difflib
from typing import Any

from qa_engine.facts.scene import Facts
from qa_engine.programs.language import ProgramCode, ProgramError, printable
from qa_engine.programs.recording import shown
from qa_engine.programs.values import TEXTS, Value, describe

_NEEDS = {
    "instance": "an instance id (a whole number)",
    "instances": "a list of instances",
    "frame": "a frame (its place in the recording, from 0)",
    "frames": "a list of frames",
    "category": "a category name (a text in quotes)",
    "categories": "a list of category names",
    "number": "a number",
    "numbers": "a list of numbers",
    "plain": "a number without unit",
    "list": "a list",
    "bools": "a list of comparisons",
    "text": "a text in quotes",
    "texts": "a list of texts",
}


def convert(facts: Facts, value: Value, parameter: str, kind: str, name: str) -> Any:
    """Convert one argument; see `Operator.parameters`.

    Raises
    ------
    ProgramError
        The value is of another type, or names what the scene does not have.
    """
    if kind == "list" and value.kind == "list":
        return value
    if kind in _LISTS and value.kind == "list":
        single = _LISTS[kind]
        if kind == "numbers" and len({item.unit for item in value.data}) > 1:
            raise ProgramError(ProgramCode.WRONG_UNIT, f"{parameter!r} mixes units.")
        return [_single(facts, item, parameter, single, kind) for item in value.data]
    if kind == "number" and value.kind == "number":
        return value
    return _single(facts, value, parameter, kind, kind)


_LISTS = {
    "instances": "instance",
    "frames": "frame",
    "categories": "category",
    "numbers": "float",
    "bools": "bool",
    "texts": "text",
}
"""List types and the type of their items."""


def _single(facts: Facts, value: Value, parameter: str, kind: str, wanted: str) -> Any:
    if kind in _BY_NUMBER and (
        value.kind == kind or (value.kind == "number" and not value.unit and isinstance(value.data, int))
    ):
        return _BY_NUMBER[kind](facts, value.data)
    if kind == "category" and value.kind in TEXTS:
        return _code(facts, value.data)
    fits = {
        "float": value.kind == "number",
        "plain": value.kind == "number" and not value.unit,
        "bool": value.kind == "bool",
        "text": value.kind in TEXTS,
    }
    if fits.get(kind, False):
        return value.data
    raise ProgramError(ProgramCode.WRONG_TYPE, f"{parameter!r} needs {_NEEDS[wanted]}, found {describe(value)}.")


def _row(facts: Facts, instance: int) -> int:
    row = facts.row_of_instance.get(instance)
    if row is None:
        message = f"no instance {instance}; the scene has {len(facts.scene)}: {_few(facts)}."
        raise ProgramError(ProgramCode.UNKNOWN_INSTANCE, message)
    return row


def _frame(facts: Facts, place: int) -> int:
    n = len(shown(facts).time_s if facts.recording is None else facts.recording)
    if not 0 <= place < n:
        raise ProgramError(ProgramCode.NO_VALUE, f"no frame {place}; the recording has {n}, counted from 0.")
    return place


_BY_NUMBER = {"instance": _row, "frame": _frame}
"""Types that a whole number may stand for."""


def _code(facts: Facts, name: str) -> int:
    code = facts.code_of_category.get(name)
    if code is None:
        close = difflib.get_close_matches(name, facts.categories, n=1, cutoff=0.5)
        advice = f"Did you mean {close[0]!r}?" if close else f"It has: {', '.join(facts.categories)}."
        message = f"the scene has no category {printable(name, 40)!r}. {advice}"
        raise ProgramError(ProgramCode.UNKNOWN_CATEGORY, message)
    return code


def _few(facts: Facts) -> str:
    """Name some instances, for an error message."""
    rows = list(zip(facts.scene.instance_id.tolist(), facts.scene.category.tolist(), strict=True))
    text = ", ".join(f"{instance} {category}" for instance, category in rows[:12])
    return text if len(rows) <= 12 else f"{text}, ..."
