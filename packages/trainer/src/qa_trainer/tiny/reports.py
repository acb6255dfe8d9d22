"""Dense targets: everything that a set of frames shows, asked for in one line and answered in one line.

A spatial question asks for one fact; a report asks for the size of the room and for every category at once, so that
one picture gives many targets. It is the small stand-in for what pre-training gives a real model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ABSENT_CATEGORIES = 2
"""Categories in a report that the room lacks, so that the model must look before it answers."""
MOST_ITEMS = 6
"""A report asks for at most so many things, which keeps the rows of a batch about equally long."""


@dataclass(frozen=True)
class RoomFacts:
    """What a report is made from.

    Attributes
    ----------
    area_m2 : float
    categories : tuple of str
        One per object.
    longest_cm : (n,) int64
        Longest side of each object.
    position_m : (n, 2) float64
        Centre on the floor plan as the first camera sees it: metres to the right of it and ahead of it.
    """

    area_m2: float
    categories: tuple[str, ...]
    longest_cm: np.ndarray
    position_m: np.ndarray


def report(
    facts: RoomFacts, vocabulary: tuple[str, ...], rng: np.random.Generator, *, mirrored: bool
) -> tuple[str, str]:
    """Write a request and its answer.

    Categories come in random order. Half of the answers repeat the names ("Report"), half give the values alone
    ("Values"), which makes the model find the name in the request.

    Parameters
    ----------
    facts : RoomFacts
    vocabulary : tuple of str
        All categories there are.
    rng : numpy.random.Generator
    mirrored : bool
        The frames are flipped left to right, so right becomes left.

    Examples
    --------
    >>> places = np.array([[0.0, 1.0], [1.0, 2.0], [-1.0, 3.0]])
    >>> facts = RoomFacts(12.34, ("chair", "chair", "sofa"), np.array([90, 95, 210]), places)
    >>> request, answer = report(facts, ("bed", "chair", "sofa"), np.random.default_rng(1), mirrored=False)
    >>> request
    'Values chair, sofa, room, bed'
    >>> answer
    '2;1,210,-1.0,3.0;12.3;none'
    """
    names = sorted(set(facts.categories))
    others = [name for name in vocabulary if name not in names]
    absent = rng.permutation(len(others))[:ABSENT_CATEGORIES]
    items = [*names, *(others[i] for i in absent), "room"]
    items = [items[i] for i in rng.permutation(len(items))[:MOST_ITEMS]]
    named = bool(rng.random() < 0.5)
    values = []
    for item in items:
        value = f"{facts.area_m2:.1f}" if item == "room" else _object_value(facts, item, mirrored=mirrored)
        values.append(f"{item} {value}" if named else value)
    return f"{'Report' if named else 'Values'} {', '.join(items)}", ";".join(values)


def _object_value(facts: RoomFacts, category: str, *, mirrored: bool) -> str:
    """Count of a category; of a single object also its longest side in centimetres and its place in metres."""
    rows = [i for i, name in enumerate(facts.categories) if name == category]
    if not rows:
        return "none"
    if len(rows) > 1:
        return str(len(rows))
    right, ahead = facts.position_m[rows[0]]
    return f"1,{facts.longest_cm[rows[0]]},{-right if mirrored else right:.1f},{ahead:.1f}"
