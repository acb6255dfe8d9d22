"""Rules that anybody could follow without looking, and how often each is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from qa_engine.arrays import Array
from qa_engine.audit.features import option_features
from qa_engine.audit.questions import AuditItem

NOTABLE = 4.0
"""Standard deviations from chance beyond which a rule is called an artefact: one in 16,000 by accident."""

_ORDER, _MENTION, _LENGTH, _AGREEMENT = 2, 4, 5, 6

RULES: dict[str, Callable[[Array], Array]] = {
    "first option": lambda x: x[:, 0] == 0,
    "last option": lambda x: x[:, 0] == len(x) - 1,
    "order in which the question lists the categories": lambda x: x[:, _ORDER] == 1,
    "named first in the question": lambda x: (x[:, _MENTION] == 0) & (x[:, _MENTION].max() > 0),
    "named last in the question": lambda x: (x[:, _MENTION] == x[:, _MENTION].max()) & (x[:, _MENTION].max() > 0),
    "longest option": lambda x: _only(x[:, _LENGTH]),
    "shortest option": lambda x: _only(-x[:, _LENGTH]),
    "most like the other options": lambda x: _only(x[:, _AGREEMENT]),
    "least like the other options": lambda x: _only(-x[:, _AGREEMENT]),
}
"""Rule to function: from the features of the options to those that the rule points at."""


@dataclass(frozen=True)
class Artefact:
    """One rule on one question type.

    Attributes
    ----------
    question_type, rule : str
    n : int
        Questions in which the rule points at an option.
    right : int
        How often that option is right.
    expected : float
        How often it would be by chance.
    z : float
        Difference in standard deviations.
    """

    question_type: str
    rule: str
    n: int
    right: int
    expected: float
    z: float


def find_artefacts(items: Sequence[AuditItem]) -> list[Artefact]:
    """Try every rule on every question type; the strongest first."""
    tally: dict[tuple[str, str], list[float]] = {}
    for item in items:
        if not item.options:
            continue
        features = option_features(item)
        for name, rule in RULES.items():
            chosen = rule(features)
            if chosen.any():
                share = float(chosen.mean())
                row = tally.setdefault((item.question_type, name), [0.0, 0.0, 0.0, 0.0])
                row[0] += 1
                row[1] += float(chosen[item.right])
                row[2] += share
                row[3] += share * (1 - share)
    found = [
        Artefact(kind, rule, int(n), int(right), expected, (right - expected) / np.sqrt(variance) if variance else 0.0)
        for (kind, rule), (n, right, expected, variance) in tally.items()
    ]
    return sorted(found, key=lambda row: (-abs(row.z), row.question_type, row.rule))


def _only(values: Array) -> Array:
    """Point at the largest, where it is alone."""
    best = values == values.max()
    return best if best.sum() == 1 else np.zeros(len(values), dtype=bool)
