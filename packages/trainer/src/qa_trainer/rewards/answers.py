"""Rewards for the answer itself, scored as the evaluator's official parser and VSI-Bench's metrics score it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

# The floats of the thresholds decide the scores on the edges, so they are never written as literals.
_MAX_ERRORS = (1 - np.linspace(0.5, 0.95, 10))[::-1]
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


def first_token(text: str) -> str:
    r"""Text before the first space, without final dots, then without white space.

    Examples
    --------
    >>> first_token("B. sofa"), first_token(" B"), first_token("B.\n")
    ('B', '', 'B.')
    """
    return text.split(" ", 1)[0].rstrip(".").strip()


def first_number(text: str) -> float | None:
    """Read the first token as a Python float.

    Examples
    --------
    >>> first_number("190 cm"), first_number("190cm")
    (190.0, None)
    """
    try:
        return float(first_token(text))
    except ValueError:
        return None


def relative_accuracy(predicted: float, truth: float) -> float:
    """Give the share of the ten thresholds t for which ``|predicted - truth| / truth <= 1 - t``; 0 if not finite.

    Examples
    --------
    >>> relative_accuracy(9.0, 10.0), relative_accuracy(8.0, 10.0), relative_accuracy(float("nan"), 1.0)
    (0.9, 0.6, 0.0)
    """
    error = abs(predicted - truth) / truth
    passed = len(_MAX_ERRORS) - int(np.searchsorted(_MAX_ERRORS, error, side="left"))
    return passed / float(len(_MAX_ERRORS))


def mra(
    completions: Sequence[Completion],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    **columns: Any,
) -> list[float | None]:
    """Mean relative accuracy of a number; None for a choice, and where the truth is 0 or no number.

    Examples
    --------
    >>> mra(["9", "about 10", "B"], ["10", "10", "B"], [None, None, ["A. sofa", "B. bed"]])
    [0.9, 0.0, None]
    """
    found: list[float | None] = []
    for completion, truth, listed in zip(completions, ground_truth, options, strict=True):
        value = None if listed else _number(truth)
        if not value:
            found.append(None)
            continue
        predicted = first_number(text_of(completion))
        found.append(0.0 if predicted is None else relative_accuracy(predicted, value))
    return found


def choice(
    completions: Sequence[Completion],
    ground_truth: Sequence[str],
    options: Sequence[Sequence[str] | None],
    **columns: Any,
) -> list[float | None]:
    """1 for the right letter, regardless of case, else 0; None for a question without options.

    Examples
    --------
    >>> choice(["b. bed", "sofa", "3"], ["B", "A", "3"], [["A. sofa", "B. bed"], ["A. sofa", "B. bed"], None])
    [1.0, 0.0, None]
    """
    return [
        float(first_token(text_of(completion)).lower() == truth.lower()) if listed else None
        for completion, truth, listed in zip(completions, ground_truth, options, strict=True)
    ]


def form(
    completions: Sequence[Completion], options: Sequence[Sequence[str] | None], **columns: Any
) -> list[float | None]:
    """1 where the completion holds an answer of the asked kind, right or wrong: a listed letter, or a finite number.

    Examples
    --------
    >>> form(["A", "E", "3.5", "many"], [["A. sofa"], ["A. sofa"], None, None])
    [1.0, 0.0, 1.0, 0.0]
    """
    found: list[float | None] = []
    for completion, listed in zip(completions, options, strict=True):
        text = text_of(completion)
        if listed:
            fits = first_token(text).lower() in {first_token(option).lower() for option in listed}
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
