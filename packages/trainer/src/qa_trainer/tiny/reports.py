"""Dense targets: everything that a set of frames shows, asked for in one line and answered in one line.

A spatial question asks for one fact; a report asks for the size of the room and for every category at once, so that
one picture gives many targets. It is the small stand-in for what pre-training gives a real model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from qa_contract.prompts import PROMPTS

ABSENT_CATEGORIES = 2
"""Categories in a report that the room lacks, so that the model must look before it answers."""
FORMS = ("Report", "Values", "Find", "Ask", "Ask")
"""Forms of a report, one of them drawn for each."""
MOST_ITEMS = 6
"""Half of the reports ask for so many things, the others for fewer."""
WORDS = ("size of the room", "many {}", "longest dimension of the {}", "place of the {}")
"""How "Find" names the area of the room, the count of a category, the longest side of an object and its place."""
SENTENCES = (
    "What is the area of the room in square meters?",
    "How many {}(s) can you see in the video?",
    "What is the longest dimension of the {} in centimeters?",
    "What is the place of the {} (in meters)?",
)
"""The same for "Ask"."""
_PROMPT = PROMPTS["vsi-bench"]


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

    One to `MOST_ITEMS` things come in random order, and in one of these forms: "Report" repeats their names in the
    answer; "Values" gives the values alone, which makes the model find the name in the request; "Find" asks for one
    property of each; "Ask" asks for a property of one thing in a sentence of its own, inside the prompt of a question
    (no sentence is the wording of a question of the engine).

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
    >>> report(facts, ("bed", "chair", "sofa"), np.random.default_rng(8), mirrored=False)
    ('Values chair, room, bed, sofa', '2;12.3;none;1,210,-1.0,3.0')
    >>> report(facts, ("bed", "chair", "sofa"), np.random.default_rng(10), mirrored=False)
    ('Find size of the room, many chair', '12.3;2')
    """
    names = sorted(set(facts.categories))
    others = [name for name in vocabulary if name not in names]
    absent = rng.permutation(len(others))[:ABSENT_CATEGORIES]
    items = [*names, *(others[i] for i in absent), "room"]
    most = MOST_ITEMS if rng.random() < 0.5 else int(rng.integers(1, MOST_ITEMS))
    items = [items[i] for i in rng.permutation(len(items))[:most]]
    form = FORMS[int(rng.integers(len(FORMS)))]
    if form == "Ask":
        asked, value = _property(facts, items[0], rng, SENTENCES, mirrored=mirrored)
        return f"{_PROMPT.opening}\n{asked}\n{_PROMPT.number_request}", value
    if form == "Find":
        pairs = [_property(facts, item, rng, WORDS, mirrored=mirrored) for item in items]
        return f"Find {', '.join(asked for asked, _ in pairs)}", ";".join(value for _, value in pairs)
    values = []
    for item in items:
        value = f"{facts.area_m2:.1f}" if item == "room" else _object_value(facts, item, mirrored=mirrored)
        values.append(f"{item} {value}" if form == "Report" else value)
    return f"{form} {', '.join(items)}", ";".join(values)


def _object_value(facts: RoomFacts, category: str, *, mirrored: bool) -> str:
    """Count of a category; of a single object also its longest side in centimetres and its place in metres."""
    rows = [i for i, name in enumerate(facts.categories) if name == category]
    if not rows:
        return "none"
    if len(rows) > 1:
        return str(len(rows))
    return f"1,{facts.longest_cm[rows[0]]},{_place(facts, rows[0], mirrored=mirrored)}"


def _property(
    facts: RoomFacts, item: str, rng: np.random.Generator, wording: tuple[str, str, str, str], *, mirrored: bool
) -> tuple[str, str]:
    """One property of a thing: what is asked, and its value."""
    area, count, longest, place = (text.format(item) for text in wording)
    if item == "room":
        return area, f"{facts.area_m2:.1f}"
    rows = [i for i, name in enumerate(facts.categories) if name == item]
    kind = int(rng.integers(3)) if len(rows) == 1 else 0
    if kind == 1:
        return longest, str(facts.longest_cm[rows[0]])
    if kind == 2:
        return place, _place(facts, rows[0], mirrored=mirrored)
    return count, str(len(rows))


def _place(facts: RoomFacts, row: int, *, mirrored: bool) -> str:
    """Metres to the right of the first camera and ahead of it."""
    right, ahead = facts.position_m[row]
    return f"{-right if mirrored else right:.1f},{ahead:.1f}"
