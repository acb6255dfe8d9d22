"""Signs that a model answers without looking: chance level, favourite letters, favourite yes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qa_eval.metrics.codes import factorize


@dataclass(frozen=True)
class PositionBias:
    """How often each option letter is asked for and given, over choices that were parsed.

    Attributes
    ----------
    letters : list of str
    truth, given : dict of str to float
        Share of the ground truths and of the answers per letter.
    accuracy : dict of str to float
        Recall per letter of the ground truth.
    distance : float
        Total variation distance of the two shares: 0 = the letters are used as often as they are right, 1 = disjoint.
    """

    letters: list[str]
    truth: dict[str, float]
    given: dict[str, float]
    accuracy: dict[str, float]
    distance: float


def chance_level(question_type: Sequence[str], n_options: Sequence[int]) -> dict[str, float]:
    """Compute the expected accuracy of a uniform guess per question type, the mean of 1 / options.

    Types without options are left out.

    Examples
    --------
    >>> chance_level(["side", "side", "size"], [2, 4, 0])
    {'side': 0.375}
    """
    names, code = factorize(question_type)
    counts = np.asarray(n_options, dtype=np.float64)
    with np.errstate(divide="ignore"):
        chance = np.where(counts > 0, 1 / counts, np.nan)
    means = {name: chance[code == i] for i, name in enumerate(names)}
    return {name: float(values.mean()) for name, values in means.items() if not np.isnan(values).any()}


def position_bias(ground_truth: Sequence[str], answer: Sequence[str | None]) -> PositionBias | None:
    """Compare the letters a model gives with those that are right; None without a parsed choice.

    Parameters
    ----------
    ground_truth : sequence of str
        Letters.
    answer : sequence of str or None
        Parsed letters; rows with None are left out.

    Examples
    --------
    >>> bias = position_bias(["A", "B", "A", "B"], ["A", "A", "a", None])
    >>> bias.given, round(bias.distance, 3), bias.accuracy
    ({'A': 1.0, 'B': 0.0}, 0.333, {'A': 1.0, 'B': 0.0})
    """
    pairs = [(g.upper(), a.upper()) for g, a in zip(ground_truth, answer, strict=True) if a is not None]
    if not pairs:
        return None
    letters = sorted({letter for pair in pairs for letter in pair})
    truth = np.array([letters.index(g) for g, _ in pairs])
    given = np.array([letters.index(a) for _, a in pairs])
    table = np.zeros((len(letters), len(letters)))
    np.add.at(table, (truth, given), 1)
    shares = [table.sum(axis=axis) / len(pairs) for axis in (1, 0)]
    with np.errstate(invalid="ignore"):
        recall = np.diag(table) / table.sum(axis=1)
    return PositionBias(
        letters=letters,
        truth=dict(zip(letters, shares[0].tolist(), strict=True)),
        given=dict(zip(letters, shares[1].tolist(), strict=True)),
        accuracy={name: float(r) for name, r in zip(letters, recall, strict=True) if not np.isnan(r)},
        distance=float(np.abs(shares[0] - shares[1]).sum() / 2),
    )


def yes_bias(ground_truth: Sequence[str], answer: Sequence[str | None]) -> float | None:
    """Share of yes among the answers minus share of yes among the ground truths; None without a yes/no question.

    Parameters
    ----------
    ground_truth, answer : sequences of str
        Texts of the right and of the given option; rows whose ground truth is neither yes nor no are left out.

    Examples
    --------
    >>> yes_bias(["yes", "no", "no", "sofa"], ["Yes", "yes", "no", "yes"])
    0.3333333333333333
    """
    words = ("yes", "no")
    pairs = [
        (g.strip().lower(), (a or "").strip().lower())
        for g, a in zip(ground_truth, answer, strict=True)
        if g.strip().lower() in words
    ]
    if not pairs:
        return None
    return sum(a == "yes" for _, a in pairs) / len(pairs) - sum(g == "yes" for g, _ in pairs) / len(pairs)
