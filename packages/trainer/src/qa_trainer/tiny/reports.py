"""Questions about what the frames of a room show: many small ones, so that one picture gives many targets.

They are the small stand-in for what pre-training gives a real model. No sentence is the wording of a question of the
engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from qa_contract.prompts import PROMPTS

from qa_trainer.tiny.views import Sight, distances_m
from qa_trainer.tiny.wordings import word

MARGIN_DEG = 10.0
"""Directions nearer to a border than this are not asked for."""
MARGIN_M = 0.15
"""Nor is the nearest of some things when the next one is not farther by so much."""
SENTENCES = 0.6
"""Share of the questions that come as a sentence inside the prompt of a question, the others in short form."""
IN_WORDS = 0.35
"""Share of the sentences with options that want the words of the option, the others want its letter."""
_PROMPT = PROMPTS["vsi-bench"]


@dataclass(frozen=True)
class Asked:
    """A question and its answer.

    Attributes
    ----------
    kind : str
    question, answer : str
    rows : tuple of int
        Objects of the sight that the question names, in its order; those of a category that it counts are not named.
    """

    kind: str
    question: str
    answer: str
    rows: tuple[int, ...] = ()


class Quiz:
    """Asks about one sight of a room.

    Parameters
    ----------
    seen : Sight
    vocabulary : tuple of str
        All categories there are.
    """

    def __init__(self, seen: Sight, vocabulary: tuple[str, ...]) -> None:
        self.sight = seen
        self.vocabulary = vocabulary
        self.rows = np.flatnonzero(seen.visible)
        self.counts = np.bincount(seen.category[self.rows], minlength=len(vocabulary))
        single = self.counts[seen.category[self.rows]] == 1
        self.single = self.rows[single]
        self.distance = distances_m(seen.footprint)

    def ask(self, kind: str, rng: np.random.Generator, *, sentence: bool) -> Asked | None:
        """Draw a question of a kind, or None where the room has none."""
        return KINDS[kind](self, rng, sentence)

    def name(self, row: int) -> str:
        """Category of an object."""
        return self.vocabulary[self.sight.category[row]]


def _wrap(text: str) -> str:
    return f"{_PROMPT.opening}\n{text}\n{_PROMPT.number_request}"


def _listed(text: str, options: list[str]) -> str:
    return "\n".join([text, "Options:", *(f"{chr(65 + index)}. {option}" for index, option in enumerate(options))])


def _choice(text: str, options: list[str]) -> str:
    return f"{_PROMPT.opening}\n{_listed(text, options)}\n{_PROMPT.choice_request}"


def _room(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked:
    text = _wrap(word("room", (), rng)) if sentence else "area"
    return Asked("room", text, f"{quiz.sight.area_m2:.1f}")


def _count(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked:
    several = np.flatnonzero(quiz.counts > 1)
    draw = rng.random()
    if draw < 0.6 and len(several):
        category = int(rng.choice(several))
    elif draw < 0.8 and (quiz.counts == 1).any():
        category = int(rng.choice(np.flatnonzero(quiz.counts == 1)))
    else:
        category = int(rng.integers(len(quiz.vocabulary)))
    name = quiz.vocabulary[category]
    text = _wrap(word("count", (name,), rng)) if sentence else f"count {name}"
    return Asked("count", text, str(quiz.counts[category]))


def _size(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked | None:
    if not len(quiz.single):
        return None
    row = int(rng.choice(quiz.single))
    name = quiz.name(row)
    text = _wrap(word("size", (name,), rng)) if sentence else f"longest {name}"
    return Asked("size", text, str(quiz.sight.longest_cm[row]), (row,))


def _place(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked | None:
    if not len(quiz.single):
        return None
    row = int(rng.choice(quiz.single))
    name = quiz.name(row)
    text = _wrap(word("place", (name,), rng)) if sentence else f"place {name}"
    right, ahead = quiz.sight.place[row]
    return Asked("place", text, f"{right:.1f},{ahead:.1f}", (row,))


def _distance(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked | None:
    if len(quiz.single) < 2:
        return None
    a, b = rng.permutation(quiz.single)[:2].tolist()
    names = quiz.name(a), quiz.name(b)
    text = _wrap(word("distance", names, rng)) if sentence else "distance {}, {}".format(*names)
    return Asked("distance", text, f"{quiz.distance[a, b]:.1f}", (a, b))


def _nearest(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked | None:
    if len(quiz.single) < 3:
        return None
    drawn = rng.permutation(quiz.single)[:5]
    a, others = drawn[0], drawn[1:]
    gaps = quiz.distance[a, others]
    first, second = np.argsort(gaps)[:2]
    if gaps[second] - gaps[first] < MARGIN_M:
        return None
    names = [quiz.name(row) for row in others]
    rows = tuple(drawn.tolist())
    if sentence:
        text = _choice(word("nearest", (quiz.name(a),), rng), names)
        return Asked("nearest", text, chr(65 + int(first)), rows)
    return Asked("nearest", f"nearest {quiz.name(a)}: {', '.join(names)}", names[first], rows)


SIDES: dict[str, tuple[tuple[str, ...], tuple[float, ...]]] = {
    "side": (("left", "right"), (0.0, 180.0)),
    "turn": (("left", "right", "back"), (0.0, 135.0, 225.0)),
    "quadrant": (("front-left", "front-right", "back-left", "back-right"), (0.0, 90.0, 180.0, 270.0)),
}
"""Answers to "where is a third object" and the borders between them, degrees counter-clockwise from straight ahead."""


def bearing_deg(place: np.ndarray, a: int, b: int, c: int) -> float:
    """Direction of c for somebody at a who faces b: degrees counter-clockwise, 0 to 360.

    Examples
    --------
    >>> bearing_deg(np.array([[0.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]), 0, 1, 2)
    90.0
    """
    ahead, there = place[b] - place[a], place[c] - place[a]
    angle = np.arctan2(ahead[0] * there[1] - ahead[1] * there[0], ahead @ there)
    return float(np.rad2deg(angle) % 360)


def direction(kind: str, bearing: float) -> str | None:
    """Name a bearing, or None near a border.

    Examples
    --------
    >>> direction("side", 90.0), direction("turn", 180.0), direction("quadrant", 300.0), direction("side", 355.0)
    ('left', 'back', 'front-right', None)
    """
    borders = SIDES[kind][1]
    if min(min(abs(bearing - border), 360 - abs(bearing - border)) for border in borders) < MARGIN_DEG:
        return None
    if kind == "side":
        return "left" if bearing < 180 else "right"
    if kind == "turn":
        return "left" if bearing < 135 else "back" if bearing < 225 else "right"
    return ("front-left", "back-left", "back-right", "front-right")[int(bearing // 90)]


def _direction(kind: str) -> Callable[[Quiz, np.random.Generator, bool], Asked | None]:
    def ask(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked | None:
        if len(quiz.single) < 3:
            return None
        a, b, c = rows = tuple(rng.permutation(quiz.single)[:3].tolist())
        answer = direction(kind, bearing_deg(quiz.sight.place, a, b, c))
        if answer is None:
            return None
        names = quiz.name(a), quiz.name(b), quiz.name(c)
        if not sentence:
            return Asked(kind, "{} {}, {}, {}".format(kind, *names), answer, rows)
        options = [str(option) for option in rng.permutation(SIDES[kind][0])]
        text = _choice(word("direction", names, rng), options)
        return Asked(kind, text, chr(65 + options.index(answer)), rows)

    return ask


def _letter(quiz: Quiz, rng: np.random.Generator, sentence: bool) -> Asked:
    """Ask for the letter before a word: what is left of a question with options once the answer is known."""
    sets = [list(words) for words, _ in SIDES.values()]
    sets.append([str(name) for name in rng.permutation(quiz.vocabulary)[:4]])
    options = [str(option) for option in rng.permutation(sets[int(rng.integers(len(sets)))])]
    index = int(rng.integers(len(options)))
    if sentence:
        text = _choice(word("letter", (options[index],), rng), options)
    else:
        text = _listed(f"letter {options[index]}", options)
    return Asked("letter", text, chr(65 + index))


KINDS: dict[str, Callable[[Quiz, np.random.Generator, bool], Asked | None]] = {
    "room": _room,
    "count": _count,
    "size": _size,
    "place": _place,
    "distance": _distance,
    "nearest": _nearest,
    **{kind: _direction(kind) for kind in SIDES},
    "letter": _letter,
}
"""Kinds of questions."""
SHARES: dict[str, float] = {
    "room": 1,
    "count": 3,
    "size": 1.5,
    "place": 1.5,
    "distance": 2,
    "nearest": 2,
    "side": 2.5,
    "turn": 2.5,
    "quadrant": 2.5,
    "letter": 5,
}
"""How often each is drawn, in proportion."""


def in_words(item: Asked) -> Asked:
    """Ask for the words of an option in place of its letter.

    Parameters
    ----------
    item : Asked
        With options.
    """
    words = item.question.partition(f"\n{item.answer}. ")[2].partition("\n")[0]
    question = item.question.removesuffix(_PROMPT.choice_request) + "Answer with the words of the option."
    return replace(item, question=question, answer=words)


def draw(quiz: Quiz, rng: np.random.Generator) -> Asked:
    """Draw a question of any kind.

    Parameters
    ----------
    quiz : Quiz
    rng : numpy.random.Generator
    """
    shares = np.array(list(SHARES.values()))
    kind = list(SHARES)[int(rng.choice(len(shares), p=shares / shares.sum()))]
    asked = quiz.ask(kind, rng, sentence=bool(rng.random() < SENTENCES)) or _count(quiz, rng, False)
    lettered = "\nA. " in asked.question and kind != "letter"
    return in_words(asked) if lettered and rng.random() < IN_WORDS else asked
