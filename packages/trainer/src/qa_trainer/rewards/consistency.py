"""Reward for answers that fit together: to the same question from other frames, and to its inverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from qa_contract.answers import first_number, first_token, relative_accuracy
from qa_contract.options import option_letter, option_text

from qa_trainer.rewards.answers import Completion, answers_in


@dataclass(frozen=True)
class _Answer:
    """What a completion says: a number, or the text of an option; both None where it cannot be read."""

    number: float | None
    text: str | None
    right: bool
    texts: frozenset[str]


def consistency(
    completions: Sequence[Completion],
    question_id: Sequence[str],
    pair_id: Sequence[str | None],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
    **columns: Any,
) -> list[float | None]:
    """Mean agreement with the completions of the partner questions in the batch; right or wrong does not matter.

    Parameters
    ----------
    completions : list
    question_id : list of str
    pair_id : list of (str or None)
        Questions of one `pair_id` have the same answer, or the same two options, of which their truths say whether
        the answers have to be equal or opposite.
    ground_truth : list of str
    options : list of (list of str or None)
        Letters are compared by the text that they stand for.
    reasons : list of bool, optional
        Where steps were asked for before the answer.

    Returns
    -------
    list of (float or None)
        For numbers the mean relative accuracy of the two, the smaller of both directions; for choices 1 or 0. None
        without a partner in the batch; 0 for an answer that cannot be read.

    Examples
    --------
    >>> consistency(["2", "2.0", "4"], ["a", "b", "c"], ["p", "p", None], ["3", "3", "3"], [None, None, None])
    [1.0, 1.0, None]

    Left of the sofa, seen from the one side, is right of it, seen from the other; both answers are wrong and fit:

    >>> sides = ["A. left", "B. right"]
    >>> consistency(["B", "A"], ["a", "b"], ["p", "p"], ["A", "B"], [sides, sides])
    [1.0, 1.0]
    """
    answers = [
        _answer(text, truth, listed)
        for text, truth, listed in zip(answers_in(completions, reasons), ground_truth, options, strict=True)
    ]
    members: dict[str, list[int]] = {}
    for row, pair in enumerate(pair_id):
        if pair is not None:
            members.setdefault(pair, []).append(row)
    found: list[float | None] = []
    for row, pair in enumerate(pair_id):
        partners = [i for i in members.get(pair or "", []) if question_id[i] != question_id[row]]
        scores = [_agreement(answers[row], answers[i]) for i in partners]
        found.append(sum(scores) / len(scores) if scores else None)
    return found


def option_texts(listed: Sequence[str]) -> dict[str, str]:
    """Map the letters of options to their texts.

    Examples
    --------
    >>> option_texts(["A. sofa", "B) tv stand"])
    {'a': 'sofa', 'b': 'tv stand'}
    """
    return {option_letter(option).lower(): option_text(option) for option in listed}


def _answer(text: str, truth: str, listed: Sequence[str] | None) -> _Answer:
    if not listed:
        return _Answer(first_number(text), None, False, frozenset())
    texts = option_texts(listed)
    letter = first_token(text).lower()
    return _Answer(None, texts.get(letter), letter == truth.lower(), frozenset(texts.values()))


def _agreement(one: _Answer, two: _Answer) -> float:
    if one.text is not None and two.text is not None:
        if len(one.texts) == 2 and one.texts == two.texts:
            # Of two options the wrong one is the opposite of the right one.
            return float(one.right == two.right)
        return float(one.text == two.text)
    if one.number is None or two.number is None:
        return 0.0
    if one.number == 0 or two.number == 0:
        return float(one.number == two.number)
    return min(relative_accuracy(one.number, two.number), relative_accuracy(two.number, one.number))
