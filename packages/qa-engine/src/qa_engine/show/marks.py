"""What a program measures, as marks on a plan: coloured objects, distances, arrows, a sector, a walk, notes."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from qa_contract.pages import Arrow, Distance, Route, Sector, series_tone
from qa_contract.pages.plan_marks import Mark
from scipy.optimize import lsq_linear

from qa_engine.arrays import Array
from qa_engine.facts.scene import Facts
from qa_engine.geometry import HALVES, QUADRANTS, THIRDS, Sectors, turn_deg
from qa_engine.geometry.routes import route_turns_deg
from qa_engine.programs import parse_program

_SECTORS: dict[str, Sectors] = {
    "direction_side": HALVES,
    "direction_side_or_back": THIRDS,
    "direction_quadrant": QUADRANTS,
}


@dataclass(frozen=True)
class Operand:
    """An object that the question is about.

    Attributes
    ----------
    tone : str
        Of the palette of the pages.
    label : str
        Its role and category, as written beside it.
    """

    tone: str
    label: str


@dataclass
class Marks:
    """What is drawn besides the boxes.

    Attributes
    ----------
    operands : dict of int to Operand
        By object row.
    drawn : list of Mark
        Metres, world frame.
    notes : list of str
        What was measured, in words.
    way : (3,) float64, optional
        Direction that is measured, metres: from the side it is seen in full length.
    """

    operands: dict[int, Operand] = field(default_factory=dict)
    drawn: list[Mark] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    way: Array | None = None

    def add(self, facts: Facts, row: int, role: str = "", measured: str = "") -> str:
        """Colour an object, write its role before its category and a figure behind it, and return its tone."""
        tone = series_tone(len(self.operands))
        self.operands.setdefault(row, Operand(tone, f"{role}{facts.scene.category[row]}{measured}"))
        return self.operands[row].tone

    def measure(self, start: Array, end: Array, label: str = "", tone: str = "ink") -> None:
        """Draw a measured line; the first one is the way that the side view shows."""
        self.drawn.append(Distance(start, end, label, tone))
        self.way = end - start if self.way is None else self.way


def marks_of(program: str, facts: Facts) -> Marks:
    """Find what a program measures; a program that is not that of a built-in type has its instances coloured."""
    node, marks = parse_program(program), Marks()
    name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
    arguments = [_plain(argument) for argument in node.args] if isinstance(node, ast.Call) else []
    if name in _MARKS:
        _MARKS[name](facts, marks, arguments)
    elif name in _SECTORS:
        _direction(facts, marks, arguments, _SECTORS[name])
    else:
        for part in ast.walk(node):
            value = part.value if isinstance(part, ast.Constant) else None
            if isinstance(value, int) and value in facts.row_of_instance:
                marks.add(facts, facts.row_of_instance[value], f"{value}: ")
    return marks


def closest_points(facts: Facts, a: int, b: int) -> tuple[Array, Array]:
    """Points of the boxes of rows `a` and `b` that are the closest to each other, (3,) and (3,) metres."""
    scene = facts.scene
    matrix = np.hstack([scene.rotation[a].T, -scene.rotation[b].T])
    half = np.concatenate([scene.size[a], scene.size[b]]) / 2
    fit = lsq_linear(matrix, scene.center[b] - scene.center[a], (-half - 1e-12, half), method="bvls", tol=1e-14)
    return scene.center[a] + fit.x[:3] @ scene.rotation[a], scene.center[b] + fit.x[3:] @ scene.rotation[b]


def _plain(node: ast.expr) -> Any:
    if isinstance(node, ast.List):
        return [_plain(item) for item in node.elts]
    return node.value if isinstance(node, ast.Constant) else None


def _distance(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    a, b = (facts.row_of_instance[i] for i in arguments)
    for row in (a, b):
        marks.add(facts, row)
    distance = float(facts.distance(np.array([a]), np.array([b]))[0])
    marks.measure(*closest_points(facts, a, b), f"{distance:.3f} m")


def _nearest(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    primary = facts.row_of_instance[arguments[0]]
    marks.add(facts, primary, "closest to: ")
    for name in arguments[1]:
        members = facts.members[facts.code_of_category[name]]
        distance = facts.distance(np.full(len(members), primary), members)
        row = int(members[np.argmin(distance)])
        # Beside the object: on lines that leave one point together a figure could belong to any.
        tone = marks.add(facts, row, measured=f": {distance.min():.2f} m")
        marks.measure(*closest_points(facts, primary, row), tone=tone)


def _direction(facts: Facts, marks: Marks, arguments: list[Any], sectors: Sectors) -> None:
    rows = [facts.row_of_instance[i] for i in arguments]
    _, ahead_tone, target_tone = (
        marks.add(facts, row, role) for row, role in zip(rows, ("standing: ", "facing: ", "target: "), strict=True)
    )
    standing, facing, target = facts.scene.center[rows]
    ahead = float(facts.bearing[rows[0], rows[1]])
    turn = float(turn_deg(ahead, facts.bearing[rows[0], rows[2]]))
    place = int(sectors.index(turn))
    low, high = [*sectors.borders, 360.0][place : place + 2]
    marks.drawn += [
        Sector(standing, ahead + low, ahead + high, label=sectors.names[place], tone=target_tone),
        Arrow(standing, facing, tone=ahead_tone),
        Arrow(standing, target, _turn(turn), target_tone),
    ]
    marks.way = facing - standing
    marks.notes.append(f"turn {turn:.1f} deg counter-clockwise: {sectors.names[place]} (the shaded sector)")


def _turn(turn: float) -> str:
    """Write a turn in [0, 360) as a person makes it."""
    return f"{turn:.1f}° left" if turn <= 180 else f"{360 - turn:.1f}° right"


def _count(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    code = facts.code_of_category[arguments[0]]
    _number(marks, facts.members[code].tolist())
    marks.notes.append(f"published count {facts.counts[code]}, boxes {facts.boxes[code]}")


def _count_seen(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    members = facts.members[facts.code_of_category[arguments[0]]]
    found = facts.evidence(arguments[1])
    seen = members if found is None else members[found.seen[members]]
    _number(marks, seen.tolist())
    marks.notes.append(f"{len(seen)} of {len(members)} are recognised in the frames of {arguments[1]!r}")


def _number(marks: Marks, rows: list[int]) -> None:
    """Colour objects alike and number them."""
    marks.operands |= {row: Operand(series_tone(0), str(number)) for number, row in enumerate(rows, start=1)}


def _size(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    row = facts.row_of_instance[arguments[0]]
    marks.add(facts, row)
    axis = int(np.argmax(facts.scene.size[row]))
    half = facts.scene.rotation[row, axis] * facts.scene.size[row, axis] / 2
    center = facts.scene.center[row]
    marks.measure(center - half, center + half, f"{facts.longest_side_m[row] * 100:.1f} cm")


def _room(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    size = facts.scene.room_size_m2
    marks.notes.append(f"scenes.room_size_m2 = {'none' if size is None else f'{size:.4f}'}")


def _appearance(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    if facts.sightings is None:
        return
    frame = facts.sightings.first_frame(facts.scene.instance_id, arguments[1])
    first = np.append(facts.sightings.frame_time_s, np.inf)[frame]
    rows = []
    for name in arguments[0]:
        members = facts.members[facts.code_of_category[name]]
        rows.append(int(members[np.argmin(frame[members])]))
    for row in sorted(rows, key=lambda row: int(frame[row])):
        marks.add(facts, row, f"{first[row]:.1f} s ")
    marks.notes.append(f"first frame with at least {arguments[1]} pixels of the category")


def _route(facts: Facts, marks: Marks, arguments: list[Any]) -> None:
    begin, faced, stops = arguments
    forward = bool(stops) and faced == stops[0]
    rows = [facts.row_of_instance[i] for i in (begin, faced, *stops)]
    roles = ["begin: ", "facing, stop: " if forward else "facing: ", *["stop: "] * (len(rows) - 3), "goal: "]
    for row, role in zip(rows, roles, strict=True):
        marks.add(facts, row, role)
    center = facts.scene.center[rows]
    marks.drawn += [Arrow(center[0], center[1], tone="muted"), Route([center[0], *center[2:]])]
    marks.way = center[1] - center[0]
    turns = ", ".join(f"{angle:.1f}" for angle in route_turns_deg(center)[int(forward) :])
    marks.notes.append(f"turns of {turns} deg counter-clockwise before the legs{', none before the first' * forward}")


_MARKS: dict[str, Callable[[Facts, Marks, list[Any]], None]] = {
    "distance_m": _distance,
    "nearest_category": _nearest,
    "count": _count,
    "count_seen": _count_seen,
    "longest_side_cm": _size,
    "room_area_m2": _room,
    "appearance_order": _appearance,
    "route_turns": _route,
}
