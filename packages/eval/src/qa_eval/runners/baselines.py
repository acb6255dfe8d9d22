"""Runners without a model."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from qa_contract.answers import mean_relative_accuracy
from qa_contract.options import option_letter, option_text

from qa_eval.runners.base import Answer, Item, RunnerConfig

MAX_CANDIDATES = 20_000
"""Constants that are tried per question type; a finer grid than the ground truths' own digits gains nothing."""


class OracleRunner:
    """Answers with the ground truth: a check of frames, prompts, parser and metric, not of a model."""

    facts: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, config: RunnerConfig) -> None:
        self.config = config

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """All items are alike."""
        return (0, 0, "", 0)

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Repeat the ground truths."""
        return [Answer(item.ground_truth) for item in items]


class MajorityRunner:
    """Answers every question of a type alike: the best a model can do that looks at nothing.

    Numbers get the constant with the highest mean relative accuracy on the reference questions. Choices get the
    most frequent option text where all reference questions of the type have the same options, else the most frequent
    letter.
    """

    facts: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, config: RunnerConfig) -> None:
        by_type: dict[str, list[Item]] = {}
        for item in config.reference:
            by_type.setdefault(item.question_type, []).append(item)
        self.constant = {name: majority_answer(items) for name, items in by_type.items()}

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """All items are alike."""
        return (0, 0, "", 0)

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Give each item the constant of its type; an option text becomes the letter it has in this question."""
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Answer:
        if item.question_type not in self.constant:
            return Answer(error="no_baseline", detail=f"no reference question of type {item.question_type}")
        text = self.constant[item.question_type]
        letters = {option_text(option): option_letter(option) for option in item.options}
        return Answer(letters.get(text, text))


class RandomRunner:
    """Answers with a uniform guess: one of the options, or the ground truth of a reference question of the type."""

    facts: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, config: RunnerConfig) -> None:
        self.seed = config.seed
        self.numbers: dict[str, list[str]] = {}
        for item in config.reference:
            self.numbers.setdefault(item.question_type, []).append(item.ground_truth)

    def batch_key(self, item: Item) -> tuple[int, int, str, int]:
        """All items are alike."""
        return (0, 0, "", 0)

    def answer(self, items: Sequence[Item]) -> list[Answer]:
        """Guess for each item with a generator seeded by the run and the question, whatever the order."""
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Answer:
        choices = [option_letter(o) for o in item.options] or sorted(self.numbers.get(item.question_type, []))
        if not choices:
            return Answer(error="no_baseline", detail=f"no reference question of type {item.question_type}")
        digest = hashlib.sha256(f"{self.seed}|{item.question_id}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        return Answer(choices[int(rng.integers(len(choices)))])


def majority_answer(items: Sequence[Item]) -> str:
    """Find the constant answer that does best on questions of one type.

    Examples
    --------
    >>> majority_answer([Item("1", "count", "", "2"), Item("2", "count", "", "2"), Item("3", "count", "", "9")])
    '2'
    >>> left = Item("1", "side", "", "A", options=("A. left", "B. right"))
    >>> majority_answer([left, Item("2", "side", "", "B", options=("A. right", "B. left"))])
    'left'
    """
    if not items[0].options and all(is_number(item.ground_truth) for item in items):
        return best_constant([item.ground_truth for item in items])
    texts = {frozenset(option_text(option) for option in item.options) for item in items}
    answers = [item.ground_truth for item in items]
    if len(texts) == 1 and items[0].options:
        lookup = [{option_letter(option): option_text(option) for option in item.options} for item in items]
        answers = [table.get(answer, answer) for table, answer in zip(lookup, answers, strict=True)]
    # The first of equally frequent answers in sorted order, so that the order of the rows does not matter.
    return min(Counter(answers).items(), key=lambda pair: (-pair[1], pair[0]))[0]


def is_number(text: str) -> bool:
    """Whether a ground truth is a number that can be averaged.

    Examples
    --------
    >>> is_number("2.5"), is_number("brown"), is_number("inf")
    (True, False, False)
    """
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def best_constant(ground_truth: Sequence[str]) -> str:
    """Find the number with the highest mean relative accuracy, with as many decimals as the ground truths.

    Notes
    -----
    All multiples of the last decimal between the extremes are tried (the ground truths themselves where that would be
    more than `MAX_CANDIDATES`); the smallest of equals wins.

    Examples
    --------
    >>> best_constant(["10", "11", "12", "40"])
    '11'
    """
    decimals = max(len(text.partition(".")[2]) for text in ground_truth)
    truth, weight = np.unique(np.array(ground_truth, dtype=np.float64), return_counts=True)
    steps = np.round(truth[[0, -1]] * 10**decimals).astype(np.int64)
    grid = np.arange(steps[0], min(steps[1], steps[0] + MAX_CANDIDATES) + 1) / 10**decimals
    candidates = grid if len(grid) <= MAX_CANDIDATES else truth
    rows = max(1, 4_000_000 // len(truth))
    means = np.concatenate(
        [
            np.nan_to_num(mean_relative_accuracy(candidates[i : i + rows, None], truth[None, :])) @ weight
            for i in range(0, len(candidates), rows)
        ]
    )
    return f"{candidates[int(np.argmax(means))]:.{decimals}f}"
