"""Reward for agreeing answers to two questions with one answer: an inverse, or the same thing from other frames."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qa_trainer.rewards.answers import Completion, first_number, first_token, relative_accuracy, text_of


def consistency(
    completions: Sequence[Completion],
    question_id: Sequence[str],
    pair_id: Sequence[str | None],
    options: Sequence[Sequence[str] | None],
    **columns: Any,
) -> list[float | None]:
    """Mean agreement with the completions of the partner questions in the batch; right or wrong does not matter.

    Parameters
    ----------
    completions : list
    question_id : list of str
    pair_id : list of (str or None)
        Questions of one `pair_id` have the same answer.
    options : list of (list of str or None)
        Letters are compared by the text that they stand for.

    Returns
    -------
    list of (float or None)
        For numbers the mean relative accuracy of the two, the smaller of both directions; for choices 1 or 0. None
        without a partner in the batch; 0 for an answer that cannot be read.

    Examples
    --------
    >>> consistency(["2", "2.0", "4"], ["a", "b", "c"], ["p", "p", None], [None, None, None])
    [1.0, 1.0, None]
    """
    answers = [_answer(text_of(completion), listed) for completion, listed in zip(completions, options, strict=True)]
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


def _answer(text: str, listed: Sequence[str] | None) -> float | str | None:
    """Read a number, or the text of the chosen option."""
    if not listed:
        return first_number(text)
    letter = first_token(text).lower()
    return next((option.split(" ", 1)[-1] for option in listed if first_token(option).lower() == letter), None)


def _agreement(one: float | str | None, two: float | str | None) -> float:
    if one is None or two is None:
        return 0.0
    if isinstance(one, str) or isinstance(two, str):
        return float(one == two)
    if one == 0 or two == 0:
        return float(one == two)
    return min(relative_accuracy(one, two), relative_accuracy(two, one))
