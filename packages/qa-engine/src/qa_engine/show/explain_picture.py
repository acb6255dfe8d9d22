"""One explained question as a picture: question above, plan to the left, answer, figures and side view beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from qa_contract.pages import Drawing
from qa_contract.pages.labels import shorten, text_width

from qa_engine.show.explanation import Explanation

WIDTH, MARGIN, GAP = 900.0, 24.0, 28.0
PLAN_PX = 470.0
QUESTION_PX, ANSWER_PX, TEXT_PX, SMALL_PX = 18.0, 17.0, 13.0, 12.0
LINE = 1.4
"""Height of a line, in sizes of its text."""
BESIDE_PX = WIDTH - 2 * MARGIN - PLAN_PX - GAP


def explain_picture(told: Explanation) -> Drawing:
    """Lay an explanation out as a picture of `WIDTH` pixels.

    Texts wrap, so that the picture is as high as they and the plan need.
    """
    sheet = Drawing(WIDTH, 0.0, title=told.question, css="plan")
    head = _Column(sheet, MARGIN, MARGIN, WIDTH - 2 * MARGIN)
    head.write(f"{told.question_type} in {told.scene_name}", SMALL_PX, "soft")
    asked, *hints = told.question.splitlines() or [""]
    head.write(asked, QUESTION_PX)
    for hint in hints:
        head.write(hint, TEXT_PX, "soft")
    top = head.y + 12
    plan = told.above(PLAN_PX)
    _put(sheet, plan, MARGIN, top)
    beside = _Column(sheet, MARGIN + PLAN_PX + GAP, top, BESIDE_PX)
    for option, right in zip(told.options, told.is_answer, strict=True):
        beside.write(option, TEXT_PX, "good" if right else "ink", marked=right)
    beside.skip(10 if told.options else 0)
    beside.write("answer", SMALL_PX, "soft")
    beside.write(told.answer, ANSWER_PX, "good")
    for name, text in told.facts:
        beside.skip(6)
        beside.write(name, SMALL_PX, "soft")
        beside.write(text, TEXT_PX)
    beside.skip(6)
    beside.write("program", SMALL_PX, "soft")
    beside.write(told.program, TEXT_PX)
    beside.skip(14)
    beside.write("seen from the side", SMALL_PX, "soft")
    side = told.side(BESIDE_PX)
    _put(sheet, side, beside.x, beside.y)
    sheet.height = max(top + plan.height, beside.y + side.height) + MARGIN / 2
    return sheet


class _Column:
    """Writes texts below each other."""

    def __init__(self, sheet: Drawing, x: float, y: float, width: float) -> None:
        self.sheet, self.x, self.y, self.width = sheet, x, y, width

    def write(self, text: str, size: float, tone: str = "ink", *, marked: bool = False) -> None:
        """Write a text, wrapped to the width; `marked` puts a bar before it."""
        top = self.y
        for line in text.splitlines():
            for part in wrap(line, size, self.width):
                self.y += size * LINE
                self.sheet.text((self.x, self.y - 0.3 * size), part, tone, size=size)
        if marked:
            self.sheet.rectangle(self.x - 10, top + 2, 4, self.y - top - 2, tone)

    def skip(self, height: float) -> None:
        """Leave room."""
        self.y += height


def wrap(text: str, size: float, width: float) -> list[str]:
    """Cut a text into lines of at most `width` pixels, at spaces; a word that is longer is shortened.

    Examples
    --------
    >>> wrap("the sofa and the table", 12, 80)
    ['the sofa and', 'the table']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(shorten(word, size, width))
        else:
            lines[-1] = shorten(longer, size, width)
    return lines


def _put(sheet: Drawing, part: Drawing, x: float, y: float) -> None:
    """Put a drawing on the sheet."""
    sheet.shapes += [replace(shape, points=shape.points + np.array([x, y])) for shape in part.shapes]
