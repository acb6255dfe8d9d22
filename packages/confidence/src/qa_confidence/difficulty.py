"""Difficulty labels from confidence: easy, frontier, hard, suspect."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qa_confidence.arrays import Floats, Labels, Ranks, check_rows, check_unit, labels_of
from qa_confidence.errors import InputError
from qa_confidence.metrics.cells import rank_cells, sums

LABELS = ("easy", "frontier", "hard", "suspect")
"""The closed list of labels."""

PROFILES = ("paper", "calibrated", "calibrated-paper", "quantile", "risk-control")

PAPER_EASY = 0.9
PAPER_HARD = 0.1
"""Cuts of the published recipe: above the first easy, below the second hard, both borders frontier."""

QUANTILE_EASY = 0.75
QUANTILE_HARD = 0.25
"""Profile quantile: the most confident quarter of each group is easy, the least confident quarter hard."""

THRESHOLDS = (0.99, 0.98, 0.97, 0.96, 0.95, 0.925, 0.9, 0.875, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
"""Candidates of profile risk-control, fixed in advance; for hard 1 minus them, below one half."""

STARTS = 4
"""Fixed-sequence tests that share the error probability, started at every fourth candidate."""

SUSPECT_CONFIDENCE = 0.9
WRONG_BELOW = 0.5
"""A suspect answer scores below the second at a calibrated confidence of at least the first."""


def threshold_labels(confidence: ArrayLike, *, easy: float = PAPER_EASY, hard: float = PAPER_HARD) -> NDArray[np.str_]:
    """Cut confidence at two thresholds: above `easy`, below `hard`, frontier between and on the borders.

    Parameters
    ----------
    confidence : (n,) array_like
        Values in [0, 1].

    Raises
    ------
    InputError
        A value is NaN or outside [0, 1].

    Examples
    --------
    >>> threshold_labels([0.95, 0.9, 0.1, 0.05]).tolist()
    ['easy', 'frontier', 'frontier', 'hard']
    """
    values = check_unit("confidence", confidence)
    return np.where(values > easy, "easy", np.where(values < hard, "hard", "frontier"))


def quantile_labels(
    confidence: ArrayLike, *, group: ArrayLike | Labels, easy: float = QUANTILE_EASY, hard: float = QUANTILE_HARD
) -> NDArray[np.str_]:
    """Label by rank within a group: easy above the `easy` quantile, hard below the `hard` one.

    Rows of equal confidence get one label, that of their mean rank; so a group whose confidences are all equal is
    frontier.

    Examples
    --------
    >>> quantile_labels([0.1, 0.2, 0.3, 0.4], group=["a"] * 4).tolist()
    ['hard', 'frontier', 'frontier', 'easy']
    """
    values = check_unit("confidence", confidence)
    groups = labels_of(group, len(values), name="group").code
    labels = np.full(len(values), "frontier")
    for code in range(int(groups.max(initial=-1)) + 1):
        rows = np.flatnonzero(groups == code)
        rank, n = rank_cells(Ranks.of(values[rows]), np.ones(len(rows)))
        mass = sums(rank, np.ones(len(rows)), n)
        share = ((np.cumsum(mass) - mass / 2) / len(rows))[rank]
        labels[rows] = np.where(share > easy, "easy", np.where(share < hard, "hard", "frontier"))
    return labels


@dataclass(frozen=True)
class Certificate:
    """Thresholds with a guarantee, or None where no candidate could be certified.

    Attributes
    ----------
    easy : float or None
        Smallest threshold t such that, with probability at least 1 - delta over the rows it was chosen on, answers of
        confidence >= t lose at most `alpha` of the score on average.
    hard : float or None
        Largest threshold t such that, likewise, answers of confidence <= t score at most `beta` on average.
    alpha, beta, delta : float
    n : int
        Rows that the thresholds were tested on.
    n_easy, n_hard : int
        Rows beyond each threshold.
    unit : str
        "row" or "scene": what counts as one independent observation.
    """

    easy: float | None
    hard: float | None
    alpha: float
    beta: float
    delta: float
    n: int
    n_easy: int
    n_hard: int
    unit: str

    def labels(self, confidence: ArrayLike) -> NDArray[np.str_]:
        """Label by the certified thresholds; what is not certified is frontier."""
        values = check_unit("confidence", confidence)
        easy = values >= (math.inf if self.easy is None else self.easy)
        hard = values <= (-math.inf if self.hard is None else self.hard)
        return np.where(easy, "easy", np.where(hard, "hard", "frontier"))

    def describe(self) -> str:
        """Say in a sentence what is certified."""
        parts = []
        for name, threshold, sign, bound, n in (
            ("easy", self.easy, ">=", f"mean loss at most {self.alpha:g}", self.n_easy),
            ("hard", self.hard, "<=", f"mean score at most {self.beta:g}", self.n_hard),
        ):
            if threshold is None:
                parts.append(f"no threshold certifies '{name}' ({bound})")
            else:
                parts.append(f"{name} is confidence {sign} {threshold:g} ({n} rows, {bound})")
        return f"{'; '.join(parts)}; each with probability {1 - self.delta:g}, tested on {self.n} {self.unit}s"


def certify(
    confidence: ArrayLike,
    score: ArrayLike,
    *,
    alpha: float = 0.1,
    beta: float = 0.3,
    delta: float = 0.1,
    cluster: ArrayLike | Labels | None = None,
) -> Certificate:
    """Choose difficulty thresholds by Learn-then-Test with the Hoeffding-Bentkus p-value.

    The candidates are fixed in advance. Four fixed-sequence tests, each with delta / 4, go down (easy) or up (hard)
    from evenly spaced candidates until one fails; everything passed is certified at once. The loss 1 - score may be
    any number in [0, 1]. Easy and hard each have their own delta.

    The guarantee needs rows like those the thresholds are used on: it holds within a round, not across rounds. It
    takes rows as independent; with `cluster` scenes are (each weighs the same, and a row that is not selected counts
    as exactly on target), which needs far more scenes before anything certifies.

    Parameters
    ----------
    confidence, score : (n,) array_like
        Rows that neither the calibrator nor anything else was fitted on.
    alpha, beta, delta : float
        Bounds on the mean loss of easy and the mean score of hard answers; error probability.
    cluster : (n,) array_like, optional

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan, Lei (2021), Learn then Test, arXiv 2110.01052.

    Examples
    --------
    >>> found = certify([0.99] * 300 + [0.3] * 300, [1.0] * 300 + [0.0] * 300)
    >>> found.easy, found.hard
    (0.5, 0.45)
    """
    for name, value in (("alpha", alpha), ("beta", beta), ("delta", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} must lie between 0 and 1, found {value}.")
    rows = check_rows(confidence, score)
    scene = None if cluster is None else labels_of(cluster, len(rows.score), name="cluster").code
    loss = 1 - rows.score
    easy = _search([rows.confidence >= t for t in THRESHOLDS], loss, scene, alpha, delta)
    hard_candidates = [round(1 - t, 6) for t in THRESHOLDS if t > 0.5]
    hard = _search([rows.confidence <= t for t in hard_candidates], rows.score, scene, beta, delta)
    easy_at = None if easy is None else THRESHOLDS[easy]
    hard_at = None if hard is None else hard_candidates[hard]
    return Certificate(
        easy=easy_at,
        hard=hard_at,
        alpha=alpha,
        beta=beta,
        delta=delta,
        n=len(loss) if scene is None else int(scene.max()) + 1,
        n_easy=0 if easy_at is None else int((rows.confidence >= easy_at).sum()),
        n_hard=0 if hard_at is None else int((rows.confidence <= hard_at).sum()),
        unit="row" if scene is None else "scene",
    )


def hoeffding_bentkus(mean: float, n: int, bound: float) -> float:
    """p-value of "the expected loss is above `bound`" for n independent losses in [0, 1] with this mean.

    Examples
    --------
    >>> hoeffding_bentkus(0.0, 44, 0.1) < 0.01 < hoeffding_bentkus(0.0, 43, 0.1)
    True
    """
    if n == 0 or mean >= bound:
        return 1.0
    divergence = mean * math.log(mean / bound) if mean > 0 else 0.0
    divergence += (1 - mean) * math.log((1 - mean) / (1 - bound))
    hoeffding = math.exp(-n * divergence)
    k = np.arange(math.ceil(n * mean - 1e-9) + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_pmf = log_factorial[n] - log_factorial[k] - log_factorial[n - k] + k * math.log(bound)
    log_pmf = log_pmf + (n - k) * math.log1p(-bound)
    return min(hoeffding, math.e * float(np.exp(log_pmf).sum()), 1.0)


def _search(
    selected: list[NDArray[np.bool_]], loss: Floats, scene: NDArray[np.int64] | None, bound: float, delta: float
) -> int | None:
    """Index of the last candidate that a fixed-sequence test certifies, or None."""
    passed: set[int] = set()
    for start in range(0, len(selected), len(selected) // STARTS):
        for i in range(start, len(selected)):
            if i not in passed and _p_value(selected[i], loss, scene, bound) > delta / STARTS:
                break
            passed.add(i)
    return max(passed, default=None)


def _p_value(selected: NDArray[np.bool_], loss: Floats, scene: NDArray[np.int64] | None, bound: float) -> float:
    """p-value of "the selected rows lose more than the bound"."""
    if scene is None:
        n = int(selected.sum())
        return hoeffding_bentkus(float(loss[selected].mean()) if n else 1.0, n, bound)
    per_row = np.where(selected, loss, bound)
    n = int(scene.max()) + 1
    per_scene = sums(scene, per_row, n) / sums(scene, np.ones(len(loss)), n)
    return hoeffding_bentkus(float(per_scene.mean()), n, bound)
