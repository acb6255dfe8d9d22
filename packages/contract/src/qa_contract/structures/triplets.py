"""Relations as triplets: a graph of a scene."""

from __future__ import annotations

from typing import Any

Triplets = frozenset[tuple[str, str, str]]


def read_triplets(value: Any) -> Triplets | None:
    """Read a list of [subject, relation, object]; case and white space do not count.

    Examples
    --------
    >>> sorted(read_triplets([["A", "Left of", "B"], ["a", "left  of", "b"]]))
    [('a', 'left of', 'b')]
    >>> read_triplets([["A", "left of"]]), read_triplets([])
    (None, None)
    """
    if not isinstance(value, list) or not value:
        return None
    found: set[tuple[str, str, str]] = set()
    for item in value:
        if not isinstance(item, list) or len(item) != 3 or not all(isinstance(part, str) for part in item):
            return None
        one, relation, other = (" ".join(part.lower().split()) for part in item)
        found.add((one, relation, other))
    return frozenset(found)


def triplets_score(answer: Triplets, truth: Triplets) -> float:
    """F1 of the triplets that are given: their share that holds, and the share of those that hold that is given.

    Examples
    --------
    >>> truth = read_triplets([["A", "left of", "B"], ["B", "nearer than", "A"]])
    >>> triplets_score(truth, truth), triplets_score(read_triplets([["A", "left of", "B"]]), truth)
    (1.0, 0.6666666666666666)
    """
    return 2 * len(answer & truth) / (len(answer) + len(truth))
