"""How well each question type is answered without looking, as measured on procedural rooms."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files

ALLOWED = 0.02
"""A type whose blind score is above chance by more than this is a shortcut; see `qa-engine audit`."""


@dataclass(frozen=True)
class Blind:
    """What `qa-engine audit` found for one type.

    Attributes
    ----------
    n : int
        Questions that it was measured with.
    chance : float
        1 / options; of a number, the score of the best constant.
    score : float
        Of the better of two predictors that see the text only: the forest, and the answer most frequent for its words.
    """

    n: int
    chance: float
    score: float

    @property
    def is_shortcut(self) -> bool:
        """Whether the text alone gives away more than it may."""
        return self.score > self.chance + ALLOWED


BLIND: dict[str, Blind] = {
    name: Blind(**row)
    for name, row in json.loads(files("qa_engine.tasks").joinpath("blind_scores.json").read_text())["types"].items()
}
"""Question type to its measurement; types whose answer is JSON, or that no room has an example of, have none."""
