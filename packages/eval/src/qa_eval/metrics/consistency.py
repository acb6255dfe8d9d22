"""Do answers fit together: the same question from two views, or a question and its inverse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qa_eval.metrics.bootstrap import Interval, cluster_bootstrap

Relation = Literal["same", "inverse"]

NUMBER_TOLERANCE = 0.1
"""Two numbers agree where they differ by at most this share of the larger one: the step of relative accuracy."""

OPPOSITES = (
    *(("left", "right"), ("front", "back"), ("above", "below"), ("up", "down"), ("yes", "no"), ("closer", "farther")),
    *(("closest", "farthest"), ("larger", "smaller"), ("taller", "shorter"), ("first", "last"), ("before", "after")),
    *(("over", "under"), ("forward", "backward"), ("near", "far")),
)
OPPOSITE = {word: other for pair in OPPOSITES for word, other in (pair, pair[::-1])}


@dataclass(frozen=True)
class Consistency:
    """Shares of pairs, fractions of 1.

    Attributes
    ----------
    n : int
        Pairs whose two answers could be read.
    unread : int
        Pairs with an answer that could not be read.
    consistent : float
        Share whose answers fit together, right or wrong; `interval` is its 95% interval by a bootstrap over scenes.
    both_right, one_right : float
        A score of at least 0.5 counts as right.
    consistent_but_wrong : float
    """

    n: int
    unread: int
    consistent: float
    interval: Interval
    both_right: float
    one_right: float
    consistent_but_wrong: float


def answers_fit(a: str, b: str, relation: Relation) -> bool | None:
    """Tell whether two answers fit together; None where a text has no known opposite.

    Parameters
    ----------
    a, b : str
        Numbers, or texts of options.
    relation : str
        ``same`` = both questions have one answer; ``inverse`` = one has the opposite of the other.

    Examples
    --------
    >>> answers_fit("2.0", "2.1", "same"), answers_fit("Left", "right", "same")
    (True, False)
    >>> answers_fit("front-left", "back-right", "inverse"), answers_fit("sofa", "bed", "inverse")
    (True, None)
    """
    try:
        x, y = float(a), float(b)
    except ValueError:
        x, y = None, None
    if x is not None and y is not None and relation == "same":
        return abs(x - y) <= NUMBER_TOLERANCE * max(abs(x), abs(y))
    left, right = a.strip().lower(), b.strip().lower()
    if relation == "same":
        return left == right
    turned = opposite(left)
    return None if turned is None else turned == right


def opposite(text: str) -> str | None:
    """Turn every word of a text into its opposite, None where one has none.

    Examples
    --------
    >>> opposite("front-left"), opposite("chair")
    ('back-right', None)
    """
    words = text.split("-")
    return "-".join(OPPOSITE[word] for word in words) if all(word in OPPOSITE for word in words) else None


def consistency(
    fits: Sequence[bool | None],
    right: Sequence[tuple[bool, bool]],
    scene: Sequence[str],
    *,
    rng: np.random.Generator,
) -> Consistency | None:
    """Summarise pairs; None without one that could be read.

    Parameters
    ----------
    fits : sequence of bool or None
        As `answers_fit` gives it; None = not read.
    right : sequence of (bool, bool)
        Whether each of the two answers is right.
    scene : sequence of str

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> right = [(True, True), (True, False), (False, False)]
    >>> found = consistency([True, False, None], right, ["a", "b", "c"], rng=rng)
    >>> found.n, found.consistent, found.both_right, found.one_right
    (2, 0.5, 0.5, 0.5)
    """
    rows = [(float(fit), pair, place) for fit, pair, place in zip(fits, right, scene, strict=True) if fit is not None]
    if not rows:
        return None
    values = np.array([fit for fit, _, _ in rows])
    count = np.array([sum(pair) for _, pair, _ in rows])
    interval = cluster_bootstrap(values, ["pair"] * len(rows), [place for _, _, place in rows], {}, rng=rng).micro
    return Consistency(
        n=len(rows),
        unread=len(fits) - len(rows),
        consistent=float(values.mean()),
        interval=interval,
        both_right=float((count == 2).mean()),
        one_right=float((count == 1).mean()),
        consistent_but_wrong=float((values.astype(bool) & (count == 0)).mean()),
    )
