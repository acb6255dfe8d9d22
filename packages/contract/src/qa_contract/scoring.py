"""The score of one answer to one question of a table, whatever kind of answer it asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from qa_contract.answers import score_choice, score_number
from qa_contract.structures import form_of, score_structure


def is_letter(text: str | None) -> bool:
    """Whether a text is one option letter.

    Examples
    --------
    >>> is_letter("b"), is_letter("é"), is_letter(None)
    (True, False, False)
    """
    return text is not None and len(text) == 1 and text.isascii() and text.isalpha()


def metric_of(truth: str | None, options: Sequence[str] | None) -> Literal["choice", "json", "mra"]:
    """Name what scores an answer: options or a letter as ground truth make a choice, JSON a structure, else a number.

    Examples
    --------
    >>> metric_of("B", None), metric_of("2.5", []), metric_of('[["A", "left of", "B"]]', None)
    ('choice', 'mra', 'json')
    """
    if options or is_letter(truth):
        return "choice"
    return "json" if truth is not None and form_of(truth) is not None else "mra"


def score_answer(completion: str, truth: str, options: Sequence[str] | None = None) -> float:
    """Score one completion as ``qa-eval score --parser official`` does.

    Parameters
    ----------
    completion : str
    truth : str
        A letter, a number as text, or JSON in one of the forms of `qa_contract.structures`.
    options : sequence of str, optional
        ``"A. text"`` per option; None or empty where the answer is no choice.

    Returns
    -------
    float
        0 to 1; NaN where the truth is nothing that can be scored, or is the number 0.

    Examples
    --------
    >>> score_answer("b. bed", "B", ["A. sofa", "B. bed"]), score_answer("9", "10"), score_answer("3", "0")
    (1.0, 0.9, nan)
    >>> score_answer('{"A": [2, 6]}', '{"A": [2, 7]}')
    0.8
    """
    metric = metric_of(truth, options)
    if metric == "choice":
        return score_choice(completion, truth)
    if metric == "json":
        return score_structure(completion, truth)
    try:
        return score_number(completion, float(truth))
    except ValueError:
        return math.nan
