"""Values of other people's files as the scorers take them: text of answers and truths, lists of options."""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Sequence
from typing import Any

from qa_contract.options import option_letter, option_letters, option_text

LISTED = re.compile(r"\s*[\[({].*[\])}]\s*", re.DOTALL)
LONGEST_LIST = 20_000
"""Characters of options that are written as text; longer ones are no options."""
ALONE = re.compile(r"\s*[(\[]?([A-Za-z])[)\].:]*\s*")
"""A letter with nothing but its marks."""
LETTERED = re.compile(r"\s*\(?([A-Z])\s*[.):]\s*\S")


def answer_text(value: object) -> str:
    """Write an answer as text: the first of several, and nothing where there is none.

    Examples
    --------
    >>> [answer_text(value) for value in ("B", ["B", "C"], [["4"]], 4, None, float("nan"), [])]
    ['B', 'B', '4', '4', '', '', '']
    """
    while isinstance(value, list | tuple):
        value = value[0] if value else None
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return json.dumps(value) if isinstance(value, dict) else str(value)


def array_text(value: object) -> str:
    """Write an answer that may be a list, such as boxes, as text.

    Examples
    --------
    >>> array_text([[0, 0, 0], [1, 1, 1]]), array_text([]), array_text("[]"), array_text(None)
    ('[[0, 0, 0], [1, 1, 1]]', '[]', '[]', '')
    """
    return json.dumps(value) if isinstance(value, list | tuple) else answer_text(value)


def option_list(value: object) -> list[str] | None:
    r"""Read options: a list, its text in Python or JSON, letters with texts, or a line per option.

    Examples
    --------
    >>> option_list("['A. left', 'B. right']"), option_list('{"A": "left", "B": "right"}')
    (['A. left', 'B. right'], ['A. left', 'B. right'])
    >>> option_list("A. left\nB. right"), option_list("[]"), option_list(float("nan"))
    (['A. left', 'B. right'], None, None)
    """
    if isinstance(value, str):
        value = _parsed(value)
    if isinstance(value, dict):
        value = [f"{letter}. {text}" for letter, text in value.items() if text is not None]
    if not isinstance(value, list | tuple):
        return None
    return [str(option) for option in value if option is not None] or None


def choice_truth(truth: str, options: Sequence[str] | None) -> str:
    """Find the letter of a ground truth that is written as an option, or as the text of one.

    Examples
    --------
    >>> options = ["A. left", "B. right"]
    >>> [choice_truth(truth, options) for truth in ("(B)", "B. right", "(B) right", "Right", "behind")]
    ['B', 'B', 'B', 'B', 'behind']
    >>> choice_truth("B. right", None), choice_truth("left", ["left", "right"])
    ('B', 'left')
    """
    text = truth.strip()
    if len(text) < 2:
        return text
    if found := ALONE.fullmatch(text):
        return found[1]
    letters = option_letters(options)
    named = option_letter(text) if LETTERED.match(text) else None
    if named is not None and (letters is None or named in letters):
        return named
    same = [letter for letter, option in zip(letters or (), options or (), strict=False) if _alike(option, text)]
    return same[0] if len(same) == 1 else truth


def _alike(option: str, text: str) -> bool:
    return option_text(option).strip().rstrip(".").casefold() == text.strip().rstrip(".").casefold()


def _parsed(text: str) -> Any:
    """Read a list or an object out of a text, else its lines where each is an option."""
    if LISTED.fullmatch(text) and len(text) <= LONGEST_LIST:
        for read in (json.loads, ast.literal_eval):
            try:
                return read(text)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                continue
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 and option_letters(lines) else None
