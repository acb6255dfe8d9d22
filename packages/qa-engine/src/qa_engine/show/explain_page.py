"""The page of one explained question."""

from __future__ import annotations

import numpy as np
from qa_contract.pages import Column, Columns, Facts, Figure, Items, Page, Part, Pre, Row, Section, Table

from qa_engine.show.explanation import Explanation

PLAN_PX = 460.0


def explain_page(told: Explanation) -> Page:
    """Lay an explanation out as a page."""
    asked: list[Part | str] = list(told.question.splitlines())
    if told.options:
        asked.append(Items([(text, "good") if right else text for text, right in _options(told)]))
    above, side = told.above(PLAN_PX), told.side(PLAN_PX)
    views = [Figure(above.svg(), "Seen from above"), Figure(side.svg(), "Seen from the side")]
    answered: list[Part | str] = [Facts([("answer", told.answer), *told.facts]), Columns(views, "wide")]
    if told.operands:
        answered.append(_operands(told))
    answered.append(Pre(told.program))
    head = (("scene", told.scene_name), ("question", told.question_id))
    sections = [Section("Question", asked), Section("Answer", answered)]
    return Page(told.question_type, sections, facts=[pair for pair in head if pair[1]])


def _options(told: Explanation) -> list[tuple[str, bool]]:
    return [(f"{text} ✓" if right else text, right) for text, right in zip(told.options, told.is_answer, strict=True)]


def _operands(told: Explanation) -> Table:
    """List the objects that the question is about; a row lights its object up."""
    columns = [
        Column("object", "text"),
        Column("instance"),
        Column("size, m", "text", "Extents of the box along its own axes."),
        Column("centre, m", "text", "x, y and z in the world, z up."),
    ]
    rows = []
    for one in told.operands:
        label = one.category if one.label is None else one.label
        rows.append(
            Row([label, one.instance_id, _metres(one.size, " × "), _metres(one.center, ", ")], [one.instance_id])
        )
    return Table(columns, rows)


def _metres(values: object, between: str) -> str:
    return between.join(f"{value:.2f}" for value in np.asarray(values, dtype=np.float64).tolist())
