"""Answers that are JSON: maps, boxes and triplets. What form an answer has, and how two are compared.

A form is one file and one line in `FORMS`. The form of the ground truth decides; an answer in another form is none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from qa_contract.structures.boxes import box_score, read_box
from qa_contract.structures.cells import cells_score, read_cells
from qa_contract.structures.triplets import read_triplets, triplets_score


@dataclass(frozen=True)
class Form:
    """One form of answers.

    Attributes
    ----------
    read : callable
        From a JSON value to the answer, or None where the value has another form.
    score : callable
        From two answers, the given one and the truth, to 0 to 1.
    """

    read: Callable[[Any], Any | None]
    score: Callable[[Any, Any], float]


FORMS: dict[str, Form] = {
    "box": Form(read_box, box_score),
    "cells": Form(read_cells, cells_score),
    "triplets": Form(read_triplets, triplets_score),
}
"""Name to form; a value has one of them at most."""

LONGEST = 20_000
"""Characters of an answer; a longer one is none."""
_FENCED = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL)


def read_json(completion: str) -> Any | None:
    r"""Read a completion that is JSON and nothing else, but for white space and a code fence around it.

    Examples
    --------
    >>> read_json(' {"A": [2, 7]}\n'), read_json("```json\n[1]\n```"), read_json("It is [1]"), read_json("[NaN]")
    ({'A': [2, 7]}, [1], None, None)
    """
    text = completion.strip()
    if len(text) > LONGEST:
        return None
    fenced = _FENCED.fullmatch(text)
    try:
        return json.loads(fenced[1] if fenced else text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None


def form_of(truth: str) -> str | None:
    """Name the form of a ground truth; None where it is a letter, a number or a text.

    Examples
    --------
    >>> form_of('{"A": [2, 7]}'), form_of('[["A", "left of", "B"]]'), form_of("12"), form_of("[]")
    ('cells', 'triplets', None, None)
    """
    if not truth.lstrip().startswith(("{", "[")):
        return None
    value = read_json(truth)
    return next((name for name, form in FORMS.items() if form.read(value) is not None), None)


def read_structure(value: Any, truth: str) -> Any | None:
    """Read a JSON value in the form of a ground truth; None where it has another form."""
    name = form_of(truth)
    return None if name is None else FORMS[name].read(value)


def score_structure(completion: str, truth: str) -> float:
    """Score a completion against a ground truth that is JSON; 0 where it is no JSON, or of another form.

    Examples
    --------
    >>> truth = '{"A": [2, 7], "B": [2, 2]}'
    >>> score_structure(truth, truth), score_structure('{"A": [2, 6], "B": [2, 2]}', truth), score_structure("A", truth)
    (1.0, 0.9, 0.0)
    """
    return compare_structures(read_structure(read_json(completion), truth), truth)


def compare_structures(answer: Any | None, truth: str) -> float:
    """Score what `read_structure` gave."""
    name = form_of(truth)
    if name is None or answer is None:
        return 0.0
    return FORMS[name].score(answer, FORMS[name].read(read_json(truth)))


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


__all__ = ["FORMS", "Form", "compare_structures", "form_of", "read_json", "read_structure", "score_structure"]
