"""Show how one question is answered: plan and side view, operands, what is measured, margin."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.tableio import table_files
from qa_contract.tables import QUESTIONS

from qa_engine.arrays import Array
from qa_engine.errors import QAEngineError
from qa_engine.facts.scene import Facts
from qa_engine.geometry import box_corners
from qa_engine.replay.answer import answer_questions
from qa_engine.replay.external import read_external_questions
from qa_engine.scenes.store import Store
from qa_engine.show.drawing import Shape, line, polygon, text, to_svg, write_png
from qa_engine.show.marks import Marks, marks_of
from qa_engine.tasks import TASKS
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.sightings import SightingIndex

WIDTH, PANEL_HEIGHT, SIDE_HEIGHT, TEXT_LINE = 900, 560, 240, 18
GREY = "#c8c8c8"


def load_question(store: Store, source: Path, question_id: str) -> dict[str, Any]:
    """Get one question with its program, from our table or from a file in VSI-Bench's schema.

    Raises
    ------
    QAEngineError
        There is no such id, or the question cannot be answered.
    """
    files = table_files(source, "questions")
    known = list(pl.read_parquet_schema(files[0])) if files[0].suffix == ".parquet" else []
    if "program" in known and "question_id" in known:
        table = pl.scan_parquet(files).filter(pl.col("question_id") == question_id).collect()
        if len(table) == 0:
            raise QAEngineError(f"{source} has no question {question_id!r}. Ids are in its column question_id.")
        return table.select(name for name in QUESTIONS if name in known).row(0, named=True)
    questions = read_external_questions(source, with_truth=True)
    chosen = questions.filter(pl.col("id").cast(pl.String) == question_id)
    if len(chosen) == 0:
        raise QAEngineError(f"{source} has no question with the id {question_id!r}.")
    answer = answer_questions(store, chosen).row(0, named=True)
    if answer["status"] != "answered":
        raise QAEngineError(f"Question {question_id} cannot be answered: {answer['reason']}.")
    question = chosen.row(0, named=True) | answer | {"answer_value": answer["value"]}
    return question | {"margin_unit": TASKS[question["question_type"]].margin_unit}


@dataclass(frozen=True)
class _View:
    """A panel: two directions of the world, and where they lie on the page."""

    across: Array
    up: Array
    origin: tuple[float, float]
    low: Array
    scale: float
    height: float

    def place(self, points: Array) -> list[tuple[float, float]]:
        flat = np.atleast_2d(points)
        x = (flat @ self.across - self.low[0]) * self.scale + self.origin[0]
        y = self.origin[1] + self.height - (flat @ self.up - self.low[1]) * self.scale
        return list(zip(x.tolist(), y.tolist(), strict=True))


def _view(points: Array, across: Array, up: Array, top: float, height: float) -> _View:
    """Fit points into a panel across the page."""
    flat = np.stack([points @ across, points @ up], axis=1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    space = np.array([WIDTH - 60, height - 40])
    scale = float((space / np.maximum(high - low, 0.5)).min())
    left = 30 + (space[0] - (high - low)[0] * scale) / 2
    return _View(across, up, (left, top + 20), low, scale, (high - low)[1] * scale)


def draw(question: dict[str, Any], facts: Facts) -> tuple[list[Shape], int, int]:
    """Draw a question: shapes, and the width and height of the page."""
    marks = marks_of(question["program"], facts)
    scene = facts.scene
    corners = box_corners(scene.center, scene.size, scene.rotation)
    floor = scene.floor_polygon
    outline = np.zeros((0, 3)) if floor is None else np.column_stack([floor, np.zeros(len(floor))])
    points = np.concatenate([corners.reshape(-1, 3), outline]) if len(scene) or len(outline) else np.zeros((1, 3))
    axes = np.eye(3)
    shapes = [text((20, 24), "Seen from above", size=15)]
    plan = _view(points, axes[0], axes[1], 20, PANEL_HEIGHT)
    if len(outline):
        shapes.append(polygon(plan.place(outline), fill="#fafaf5", stroke="#909090", width=2))
    if marks.sector is not None:
        shapes.append(polygon(plan.place(_wedge(*marks.sector)), fill="#2ca02c22"))
    shapes += _panel(plan, corners, marks)
    shapes += _scale_bar(plan)
    along = _side_direction(facts, marks)
    top = 30 + PANEL_HEIGHT
    shapes.append(text((20, top + 4), "Seen from the side", size=15))
    shapes += _panel(
        _view(corners.reshape(-1, 3) if len(scene) else points, along, axes[2], top, SIDE_HEIGHT), corners, marks
    )
    words = describe(question, facts, marks)
    y = top + SIDE_HEIGHT + 24
    shapes += [text((20, y + TEXT_LINE * i), row, size=14) for i, row in enumerate(words)]
    return shapes, WIDTH, int(y + TEXT_LINE * len(words) + 6)


def _wedge(center: Array, low_deg: float, high_deg: float, radius: float = 1.2) -> Array:
    angle = np.radians(np.linspace(low_deg, high_deg, 40))
    rim = np.stack([np.cos(angle), np.sin(angle), np.zeros(40)], axis=1) * radius
    return np.concatenate([center[None], center + rim])


def _side_direction(facts: Facts, marks: Marks) -> Array:
    """Look across the line that is measured, so that it is seen in full length."""
    ends = [(a, b) for a, b, *_ in [*marks.segments, *marks.arrows]]
    if ends:
        way = ends[0][1] - ends[0][0]
        if np.hypot(way[0], way[1]) > 1e-6:
            return np.array([way[0], way[1], 0.0]) / np.hypot(way[0], way[1])
    return np.array([1.0, 0.0, 0.0])


def _panel(view: _View, corners: Array, marks: Marks) -> list[Shape]:
    """Boxes, measured lines and names of one view."""
    shapes = [_box(view, box, "#eeeeee88", GREY, 1.0) for row, box in enumerate(corners) if row not in marks.objects]
    for row, (colour, _) in marks.objects.items():
        shapes.append(_box(view, corners[row], f"{colour}44", colour, 2.0))
    for a, b, label, colour in marks.segments:
        ends = view.place(np.stack([a, b]))
        shapes.append(line(ends, colour, width=3))
        middle = ((ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2 - 5)
        shapes.append(text(middle, label, fill=colour, size=14, anchor="middle"))
    for a, b, colour in marks.arrows:
        shapes += _arrow(view.place(np.stack([a, b])), colour)
    for row, (_, label) in marks.objects.items():
        x, y = view.place(corners[row].mean(axis=0))[0]
        shapes.append(text((x, y + 4), label, size=13, anchor="middle"))
    return shapes


def _box(view: _View, corners: Array, fill: str, stroke: str, width: float) -> Shape:
    """Outline of a box: the convex hull of its corners on the page."""
    points = sorted(set(view.place(corners)))
    if len(points) < 3:
        return line(points * 2, stroke, width=width)
    lower, upper = _chain(points), _chain(points[::-1])
    return polygon([*lower[:-1], *upper[:-1]], fill=fill, stroke=stroke, width=width)


def _chain(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Half of the convex hull of sorted points."""
    chain: list[tuple[float, float]] = []
    for x, y in points:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                break
            chain.pop()
        chain.append((x, y))
    return chain


def _arrow(ends: Sequence[tuple[float, float]], colour: str) -> list[Shape]:
    (x0, y0), (x1, y1) = ends
    length = max(np.hypot(x1 - x0, y1 - y0), 1e-6)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    back = (x1 - 12 * ux, y1 - 12 * uy)
    head = [(x1, y1), (back[0] - 5 * uy, back[1] + 5 * ux), (back[0] + 5 * uy, back[1] - 5 * ux)]
    return [line([(x0, y0), back], colour, width=2.5), polygon(head, fill=colour)]


def _scale_bar(view: _View) -> list[Shape]:
    """One metre, in the lower left corner of the plan."""
    y = float(PANEL_HEIGHT + 14)
    ends = [(30.0, y), (30.0 + view.scale, y)]
    return [line(ends, "#505050", width=3), text((30 + view.scale + 6, y + 4), "1 m", fill="#505050")]


def describe(question: dict[str, Any], facts: Facts, marks: Marks) -> list[str]:
    """Put the question and its figures into words, line by line."""
    rows = [f"{question['question_type']} in {question['scene_name']}", *question["question"].splitlines()]
    rows += question["options"] or []
    truth = question.get("ground_truth")
    computed = question.get("prediction", truth)
    answer = f"answer: {computed}"
    if truth is not None and truth != computed:
        answer += f" (the file says {truth})"
    value = question.get("answer_value")
    if value is not None:
        answer += f"    value {value:.4f}, within noise {question['answer_low']:.3f} to {question['answer_high']:.3f}"
    margin = question.get("margin")
    if margin is not None:
        answer += f"    margin {margin:.3f} {question.get('margin_unit') or ''} to the next answer"
    rows += [answer, f"program: {question['program']}", *marks.notes]
    if "points" in (question.get("evidence") or ""):
        rows.append(f"measured between {question['evidence']} of the scan; the lines join boxes")
    return [part for row in rows for part in textwrap.wrap(row, 118) or [""]]


def explain(store: Store, source: Path, question_id: str, out: Path) -> dict[str, Any]:
    """Draw one question into a file and return it.

    Parameters
    ----------
    store : Store
    source : Path
        Our table `questions`, or a file in VSI-Bench's schema, whose questions are answered first.
    question_id : str
    out : Path
        Ends with .png or .html.

    Raises
    ------
    QAEngineError
        The ending is another, or there is no such question.
    """
    if out.suffix not in (".png", ".html"):
        raise QAEngineError(f"{out}: --out has to end with .png or .html.")
    question = load_question(store, source, question_id)
    profile = question.get("profile") or "exact"
    facts = Facts(store.load_scene(question["scene_name"]), profile, SightingIndex(store).of, FrameEvidence(store).of)
    shapes, width, height = draw(question, facts)
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".png":
        write_png(shapes, width, height, out)
    else:
        title = escape(f"{question['question_type']} {question_id}")
        page = f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n<body>\n'
        out.write_text(f"{page}{to_svg(shapes, width, height)}\n</body></html>\n", encoding="utf-8")
    return question
