"""Reward for answers that are as sure as they are right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qa_contract.answers import first_token

from qa_trainer.rewards.answers import Completion, answers_in, scores


def confidence(
    completions: Sequence[Completion],
    question_id: Sequence[str],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
    **columns: Any,
) -> list[float | None]:
    """One minus the squared gap between a completion's score and the share of its group that gives the same answer.

    Notes
    -----
    The share of equal answers among the completions to one question estimates the model's confidence in it. A wrong
    answer that all completions give is rewarded with 0, a right one with 1, and a rare wrong one with nearly 1: the
    model is pushed away from being sure of what is wrong.

    Examples
    --------
    >>> [round(r, 2) for r in confidence(["A", "A", "A", "B"], ["q"] * 4, ["B"] * 4, [["A. bed", "B. tv"]] * 4)]
    [0.44, 0.44, 0.44, 0.44]
    >>> [round(r, 2) for r in confidence(["A", "B", "B", "B"], ["q"] * 4, ["B"] * 4, [["A. bed", "B. tv"]] * 4)]
    [0.94, 0.94, 0.94, 0.94]
    """
    right = scores(completions, ground_truth, options, reasons)
    answers = [first_token(text).lower() for text in answers_in(completions, reasons)]
    groups: dict[str, list[str]] = {}
    for question, answer in zip(question_id, answers, strict=True):
        groups.setdefault(question, []).append(answer)
    found: list[float | None] = []
    for question, answer, score in zip(question_id, answers, right, strict=True):
        share = groups[question].count(answer) / len(groups[question])
        found.append(None if score is None else 1 - (share - score) ** 2)
    return found
