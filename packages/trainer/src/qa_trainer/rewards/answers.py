"""Rewards for the answer itself, scored as the evaluator's official parser and VSI-Bench's metrics score it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qa_contract.answers import first_number, first_token, score_choice, score_number
from qa_contract.options import option_letter
from qa_contract.prompts import read_reasoned

Completion = str | Sequence[dict[str, Any]]


def text_of(completion: Completion) -> str:
    """Take the text out of a completion.

    Examples
    --------
    >>> text_of([{"role": "assistant", "content": "B"}])
    'B'
    """
    if isinstance(completion, str):
        return completion
    content = completion[-1]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def answers_in(completions: Sequence[Completion], reasons: Sequence[bool] | None) -> list[str]:
    """Give what counts as the answer of every completion.

    Where steps were asked for (`reasons`), it is what stands between `<answer>` and `</answer>`, and nothing where the
    completion has not that form; else it is the whole text, as the evaluator's official parser reads it.

    Examples
    --------
    >>> answers_in(["<think>2 + 2</think><answer>4</answer>", "4"], [True, True])
    ['4', '']
    >>> answers_in(["4"], None)
    ['4']
    """
    texts = [text_of(completion) for completion in completions]
    if reasons is None:
        return texts
    found = [read_reasoned(text) for text in texts]
    return [
        text if not asked else (read[1] if read else "")
        for text, asked, read in zip(texts, reasons, found, strict=True)
    ]


def mra(
    completions: Sequence[Completion],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
    **columns: Any,
) -> list[float | None]:
    """Mean relative accuracy of a number; None for a choice, and where the truth is 0 or no number.

    Examples
    --------
    >>> mra(["9", "about 10", "B"], ["10", "10", "B"], [None, None, ["A. sofa", "B. bed"]])
    [0.9, 0.0, None]
    """
    found: list[float | None] = []
    for text, truth, listed in zip(answers_in(completions, reasons), ground_truth, options, strict=True):
        value = None if listed else _number(truth)
        found.append(score_number(text, value) if value else None)
    return found


def choice(
    completions: Sequence[Completion],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
    **columns: Any,
) -> list[float | None]:
    """1 for the right letter, regardless of case, else 0; None for a question without options.

    Examples
    --------
    >>> choice(["b. bed", "sofa", "3"], ["B", "A", "3"], [["A. sofa", "B. bed"], ["A. sofa", "B. bed"], None])
    [1.0, 0.0, None]
    """
    return [
        score_choice(text, truth) if listed else None
        for text, truth, listed in zip(answers_in(completions, reasons), ground_truth, options, strict=True)
    ]


def scores(
    completions: Sequence[Completion],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
) -> list[float | None]:
    """Score each answer by the one of `mra` and `choice` that applies; None where neither does.

    Examples
    --------
    >>> scores(["9", "b. bed", "3"], ["10", "B", "0"], [None, ["A. sofa", "B. bed"], None])
    [0.9, 1.0, None]
    """
    numbers = mra(completions, ground_truth, options, reasons)
    letters = choice(completions, ground_truth, options, reasons)
    return [letter if number is None else number for number, letter in zip(numbers, letters, strict=True)]


def form(
    completions: Sequence[Completion],
    options: Sequence[Sequence[str] | None],
    reasons: Sequence[bool] | None = None,
    **columns: Any,
) -> list[float | None]:
    """1 where the completion holds an answer of the asked kind, right or wrong: a listed letter, or a finite number.

    Examples
    --------
    >>> form(["A", "E", "b", "3.5", "many"], [["A. sofa"], ["A. sofa"], ["(A) sofa", "(B) bed"], None, None])
    [1.0, 0.0, 1.0, 1.0, 0.0]
    """
    found: list[float | None] = []
    for text, listed in zip(answers_in(completions, reasons), options, strict=True):
        if listed:
            fits = first_token(text).lower() in {option_letter(option).lower() for option in listed}
        else:
            number = first_number(text)
            fits = number is not None and math.isfinite(number)
        found.append(float(fits))
    return found


def _number(truth: str) -> float | None:
    try:
        return float(truth)
    except ValueError:
        return None
