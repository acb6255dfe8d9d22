"""What a predictor can know without looking: properties of the wording and of the options."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from qa_engine.arrays import Array
from qa_engine.audit.questions import AuditItem

MOST_WORDS = 64
"""Words that get a feature of their own: the most frequent of those that not every question has."""

PRIOR = 2.0
"""Pseudo-observations of the overall mean in a mean per word or option."""

OPTION_FEATURES = (
    "place",
    "options",
    "in the order of the question",
    "inversions",
    "rank of mention",
    "characters",
    "agreement with the others",
    "rank of agreement",
    "repeated parts",
    "how often right",
)


def vocabulary(items: Sequence[AuditItem]) -> list[str]:
    """Words that tell questions apart: in at least two, and not in nearly all.

    Examples
    --------
    >>> rows = [AuditItem(str(i), "s", "t", f"How many {name}s?", (), -1, 2.0) for i, name in enumerate("aabbc")]
    >>> vocabulary(rows)
    ['as', 'bs']
    """
    counts = Counter(word for item in items for word in item.words)
    kept = [(-n, word) for word, n in counts.items() if 2 <= n <= 0.95 * len(items)]
    return [word for _, word in sorted(kept)[:MOST_WORDS]]


def word_features(items: Sequence[AuditItem], words: Sequence[str]) -> Array:
    """Which words each question has, (n, words)."""
    return np.array([[word in item.words for word in words] for item in items], dtype=np.float64).reshape(
        len(items), -1
    )


def subjects(items: Sequence[AuditItem]) -> list[frozenset[str]]:
    """Find what each question is about: its words that not all questions have."""
    counts = Counter(word for item in items for word in item.words)
    common = {word for word, n in counts.items() if n > 0.95 * len(items)}
    return [item.words - common for item in items]


def means_by_word(about: Sequence[frozenset[str]], values: Array) -> tuple[dict[str, float], float]:
    """Mean of `values` per word, drawn towards the overall mean, and that mean."""
    overall = float(values.mean()) if len(values) else 0.0
    sums: dict[str, list[float]] = defaultdict(lambda: [PRIOR * overall, PRIOR])
    for words, value in zip(about, values.tolist(), strict=True):
        for word in words:
            sums[word][0] += value
            sums[word][1] += 1
    return {word: total / n for word, (total, n) in sums.items()}, overall


def apply_means(about: Sequence[frozenset[str]], means: dict[str, float], overall: float) -> Array:
    """Smallest, middle and largest of the means of each question's words, (n, 3)."""
    rows = [[means.get(word, overall) for word in sorted(words)] or [overall] for words in about]
    return np.array([[min(row), float(np.mean(row)), max(row)] for row in rows]).reshape(len(rows), 3)


def option_features(item: AuditItem) -> Array:
    """Properties of each option of a question, (options, len(OPTION_FEATURES) - 1); the last one needs a training set.

    An option with several parts ("chair, table") is in the order of the question if the question names the parts in
    this order. Agreement is the share of parts that other options have in the same place: distractors that are made
    from the right answer agree with it more than with each other.
    """
    question = item.question.lower()
    parts = [[part.strip().lower() for part in option.split(",")] for option in item.options]
    k = len(parts)
    mention = [question.find(option.lower()) for option in item.options]
    agreement = [
        float(np.mean([_agreement(own, other) for j, other in enumerate(parts) if j != i])) if k > 1 else 0.0
        for i, own in enumerate(parts)
    ]
    rank = np.argsort(np.argsort(agreement, kind="stable"), kind="stable")
    rows = []
    for i, own in enumerate(parts):
        inversions = _inversions([question.find(part) for part in own])
        named = len(own) > 1 and all(part in question for part in own)
        rows.append(
            (
                i,
                k,
                float(named and inversions == 0),
                inversions if named else -1,
                sum(0 <= other < mention[i] for other in mention) if mention[i] >= 0 else -1,
                len(item.options[i]),
                agreement[i],
                rank[i],
                len(own) - len(set(own)),
            )
        )
    return np.array(rows, dtype=np.float64)


def _inversions(places: list[int]) -> int:
    return sum(a > b for i, a in enumerate(places) for b in places[i + 1 :])


def _agreement(own: list[str], other: list[str]) -> float:
    return sum(a == b for a, b in zip(own, other, strict=False)) / max(len(own), len(other))
