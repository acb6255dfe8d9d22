"""What is told of an answered question: its words, its figures, its operands and what is drawn of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from qa_contract.pages import Drawing, PlanObject, Room

from qa_engine.arrays import Array
from qa_engine.facts.scene import Facts
from qa_engine.scenes.worlds import errors_in_words
from qa_engine.show.marks import Marks, marks_of
from qa_engine.show.plans import plan_objects
from qa_engine.show.selection import answer_text


@dataclass(frozen=True)
class Explanation:
    """One answered question.

    Attributes
    ----------
    question_id, question_type, scene_name : str
    question : str
    options : tuple of str
        `A. text`; none where the answer is a number.
    answer : str
        The option in full, or the number with its unit.
    is_answer : tuple of bool
        One per option.
    facts : tuple of (str, str)
        Value with its interval, margin, what was measured; each with its name.
    program : str
    operands : tuple of PlanObject
        What the question is about, in its order, with tones and labels.
    room : Room
        With marks of what is measured.
    way : (3,) float64
        Direction from left to right of the view from the side, metres.
    """

    question_id: str
    question_type: str
    scene_name: str
    question: str
    options: tuple[str, ...]
    answer: str
    is_answer: tuple[bool, ...]
    facts: tuple[tuple[str, str], ...]
    program: str
    operands: tuple[PlanObject, ...]
    room: Room
    way: Array

    def above(self, width: float) -> Drawing:
        """Draw the room from above."""
        return self.room.above(title="Seen from above", width=width, labels="all")

    def side(self, width: float) -> Drawing:
        """Draw the room from the side."""
        return self.room.side(self.way, title="Seen from the side", width=width)


def explanation_of(question: Mapping[str, Any], facts: Facts) -> Explanation:
    """Gather what is told of a question.

    Parameters
    ----------
    question : mapping
        Row of the table `questions`; `prediction` stands for the answer where `ground_truth` is that of another source.
    facts : Facts
        Of its scene.
    """
    marks = marks_of(question["program"], facts)
    objects = plan_objects(facts.scene)
    for row, operand in marks.operands.items():
        objects[row] = replace(objects[row], tone=operand.tone, label=operand.label, asked=True)
    truth = question.get("ground_truth")
    computed = question.get("prediction") or truth
    options = tuple(question["options"] or ())
    answer = answer_text({"ground_truth": computed, "options": options, "unit": question.get("unit")})
    return Explanation(
        question_id=str(question.get("question_id") or question.get("id") or ""),
        question_type=question["question_type"],
        scene_name=question["scene_name"],
        question=question["question"],
        options=options,
        answer=answer,
        is_answer=tuple(option == answer for option in options),
        facts=(*_facts(question, marks), *_errors(facts)),
        program=question["program"],
        operands=tuple(objects[row] for row in marks.operands),
        room=Room(objects, facts.scene.floor_polygon, marks=marks.drawn),
        way=np.array([1.0, 0.0, 0.0]) if marks.way is None else marks.way,
    )


def _facts(question: Mapping[str, Any], marks: Marks) -> list[tuple[str, str]]:
    """Put the figures into words."""
    found = []
    truth, computed = question.get("ground_truth"), question.get("prediction")
    if None not in (truth, computed) and truth != computed:
        found.append(("the file says", truth))
    if question.get("answer_value") is not None:
        value = f"{_number(question['answer_value'], 4)} {question.get('unit') or ''}".strip()
        low, high = question.get("answer_low"), question.get("answer_high")
        if low is not None and high is not None:
            value += f", within noise {_number(low, 3)} to {_number(high, 3)}"
        found.append(("value", value))
    if question.get("margin") is not None:
        margin = _number(question["margin"], 3)
        found.append(("margin", f"{margin} {question.get('margin_unit') or ''} to the next answer"))
    found += [("measured", note) for note in marks.notes]
    if "points" in (question.get("evidence") or ""):
        found.append(("evidence", f"measured between {question['evidence']} of the scan; the lines join boxes"))
    return found


def _errors(facts: Facts) -> list[tuple[str, str]]:
    """Say how far the scene as a whole may be off, where that is stated."""
    words = errors_in_words(facts.scene)
    return [("its scene", f"{words}; the bounds hold that, and the answer does not flip within it")] if words else []


def _number(value: float, digits: int) -> str:
    """Write a number with at most so many decimals."""
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
