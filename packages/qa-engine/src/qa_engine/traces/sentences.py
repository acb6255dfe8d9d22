"""Traces in sentences: one for each step of the program that says something, with the value that it gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qa_contract.prompts import reasoned

from qa_engine.facts.scene import Facts
from qa_engine.geometry import turn_deg
from qa_engine.geometry.routes import route_turns_deg
from qa_engine.programs import OPERATORS
from qa_engine.traces.steps import Step, Trace, trace_of
from qa_engine.traces.words import SPELLED, Words, turned

SENTENCES: dict[str, str] = {
    "count": "The room has {value} {0}(s).",
    "count_seen": "The frames show {value} {0}(s).",
    "longest_side_cm": "The longest side of {0} is {value}.",
    "shortest_side_cm": "The shortest side of {0} is {value}.",
    "height_cm": "From its lowest to its highest point {0} is {value} high.",
    "width_cm": "Seen from above, the longer side of {0} is {value}.",
    "breadth_cm": "Seen from above, the shorter side of {0} is {value}.",
    "bottom_m": "The lowest point of {0} is {value} above the floor.",
    "top_m": "The highest point of {0} is {value} above the floor.",
    "volume_m3": "The box around {0} holds {value}.",
    "volume_l": "The box around {0} holds {value}.",
    "footprint_m2": "Seen from above, {0} covers {value}.",
    "covered_m2": "Together, {0} cover {value} of the floor.",
    "room_area_m2": "The floor of the room has {value}.",
    "free_area_m2": "Nothing stands on {value} of the floor.",
    "distance_m": "From closest point to closest point, {0} and {1} are {value} apart.",
    "center_distance_m": "The centres of {0} and {1} are {value} apart.",
    "nearest_distance_m": "The closest {1} is {value} from {0}.",
    "nearest_category": "Of {1}, the closest to {0} is the {value}.",
    "nearest": "Of {1}, the closest to {0} is {value}.",
    "appearance_order": "They first appear in this order: {value}.",
    "route_turns": "So the turns are: {value}.",
    "direction_side": "That is to the {value}.",
    "direction_side_or_back": "That is: {value}.",
    "direction_quadrant": "That is {value}.",
    "direction_front_or_back": "That is: {value}.",
    "direction_clock": "On the face of a clock that is {value}.",
    "direction_compass": "With the direction that I face as north, that is {value}.",
    "path_clear": "A straight way from {0} to {1} that is wide enough: {value}.",
    "path_length_m": "The shortest way from {0} to {1} that keeps clear of the rest has {value}.",
    "frame_time_s": "{0} is taken after {value}.",
    "visible_px": "{1} shows {value} pixels of {0}.",
    "visible": "{1} shows {0}: {value}.",
    "seen_in": "{0} shows {value}.",
    "count_visible": "{1} shows {value} {0}(s).",
    "frames_with": "{0} is shown in {value}.",
    "first_frame": "{0} first appears in {value}.",
    "by_first_frame": "They first appear in this order: {value}.",
    "image_x": "In {1}, the middle of {0} is {value} pixels from the left.",
    "image_y": "In {1}, the middle of {0} is {value} pixels from the top.",
    "hidden_percent": "In {1}, other things hide {value} percent of {0}.",
    "depth_m": "In {1}, {0} is {value} ahead of the camera.",
    "camera_distance_m": "Where {1} is taken, the camera is {value} from the closest point of {0}.",
    "view_side": "Seen from where {0} is taken, {1} is {value}.",
    "moved_m": "From {0} to {1} the camera's place changes by {value}.",
    "moved_ahead_m": "From {0} to {1} the camera moves {value} ahead.",
    "moved_left_m": "From {0} to {1} the camera moves {value} to the left.",
    "moved_up_m": "From {0} to {1} the camera moves {value} up.",
    "camera_side": "Seen from where {0} is taken, {1} is taken {value}.",
    "pixels_shown": "{1} shows {value} pixels of {0}.",
    "count_shown": "{1} shows {value} {0}(s).",
    "walked_m": "From {0} to {1} the camera travels {value}.",
    "seen_so_far": "The first {1} frames show {value}.",
    "grid_map": "On a map of {0}, they are in these cells: {value}.",
    "box_from": "In {1}, with the camera held level, the box of {0} is {value}.",
    "relations_shown": "In {1}, of {0}, this holds: {value}.",
    "supports": "{1} stands on {0}: {value}.",
    "length": "{0}: that makes {value}.",
    "min": "The smallest of {0} is {value}.",
    "max": "The largest of {0} is {value}.",
    "sum": "Together, {0} are {value}.",
    "mean": "The mean of {0} is {value}.",
    "sort": "In ascending order: {value}.",
    "sort_by": "Ordered by {1}, the smallest first: {value}.",
    "reverse": "The other way round: {value}.",
    "argmin": "The smallest of {1} is that of {value}.",
    "argmax": "The largest of {1} is that of {value}.",
    "round": "Rounded, that is {value}.",
    "floor": "The whole number below is {value}.",
}
"""Operator to the sentence about a call of it; operators that only look something up have none."""

COMPARED = ("<", "<=", ">", ">=", "==", "!=", "in", "not in")
COUNTED = {"+": "and", "-": "less", "*": "times", "/": "divided by"}
ORDINALS = ("first", "second", "third", "fourth", "fifth")


def text_turns(question: Mapping[str, Any], facts: Facts) -> list[dict[str, Any]]:
    """Answer with the steps in sentences before the answer: one message of the assistant.

    Raises
    ------
    TraceError
        The program does not give the question's answer.
    """
    thought = told(question, trace_of(question, facts), facts)
    return [{"role": "assistant", "content": reasoned("\n".join(thought), question["ground_truth"])}]


def told(question: Mapping[str, Any], trace: Trace, facts: Facts) -> list[str]:
    """Tell a trace: a sentence per line, the last with the answer."""
    words = Words(question, facts)
    lines = [line for step in trace.steps for line in sentences(step, words)]
    return [*dict.fromkeys(lines), f"So the answer is {_conclusion(question, trace, words)}."]


def sentences(step: Step, words: Words) -> list[str]:
    """Tell one step: what it is made of, and what it gave."""
    if step.name in COMPARED:
        return _comparison(step, words)
    if step.name in COUNTED:
        left, right = (words.value(value) for value in step.given)
        return [_capital(f"{left} {COUNTED[step.name]} {right} is {words.value(step.value)}.")]
    if step.name in _OWN:
        return _OWN[step.name](step, words)
    if step.name not in SENTENCES:
        return []
    kinds = [kind for _, kind in OPERATORS[step.name].parameters]
    given = [words.value(value, kind) for value, kind in zip(step.given, kinds, strict=True)]
    line = SENTENCES[step.name].format(*given, value=words.value(step.value, OPERATORS[step.name].result))
    return [*_BEFORE.get(step.name, _nothing)(step, words), _capital(line)]


def _comparison(step: Step, words: Words) -> list[str]:
    """Say which of two numbers is more; of a number and zero, the sentence before has said it."""
    left, right = step.given
    if left.kind != "number" or right.kind != "number" or right.data == 0:
        return []
    sign = "more than" if left.data > right.data else "less than" if left.data < right.data else "the same as"
    return [f"{words.value(left)} is {sign} {words.value(right)}."]


def _nothing(step: Step, words: Words) -> list[str]:
    return []


def _turn(step: Step, words: Words) -> list[str]:
    """Tell by how much one who stands and faces has to turn."""
    standing, facing, target = (value.data for value in step.given[:3])
    bearing, row = words.facts.bearing, words.facts.row_of_instance
    turn = float(turn_deg(bearing[row[standing], row[facing]], bearing[row[standing], row[target]]))
    place, ahead, there = (words.object(instance) for instance in (standing, facing, target))
    return [f"Standing by {place} and facing {ahead}, I have to turn {turned(turn)} to face {there}."]


def _legs(step: Step, words: Words) -> list[str]:
    """Tell the turn before each leg of a route."""
    begin, facing, stops = step.given[0].data, step.given[1].data, [stop.data for stop in step.given[2].data]
    row = words.facts.row_of_instance
    turns = route_turns_deg(words.facts.scene.center[[row[place] for place in (begin, facing, *stops)]]).tolist()
    told = []
    for place, stop, turn in zip([begin, *stops], stops, turns, strict=False):
        if told or place != begin:
            way = ", coming from the last leg,"
        elif stop == facing:
            told.append(f"{_capital(words.object(begin))} is where I begin, and I already face {words.object(stop)}.")
            continue
        else:
            way = f", facing {words.object(facing)},"
        told.append(f"At {words.object(place)}{way} I have to turn {turned(turn)} to go to {words.object(stop)}.")
    return told


def _each_distance(step: Step, words: Words) -> list[str]:
    """Tell the distances of the closest objects of several categories."""
    facts, row = words.facts, words.facts.row_of_instance[step.given[0].data]
    told = []
    for name in step.given[1].data:
        members = facts.members[facts.code_of_category[name.data]]
        apart = float(facts.distance(members * 0 + row, members).min())
        told.append(f"The closest {name.data} is {apart:.2f} m from {words.object(step.given[0].data)}.")
    return told


def _seen(step: Step, words: Words) -> list[str]:
    """Tell which objects of a category the frames show."""
    facts = words.facts
    members = facts.members[facts.code_of_category[step.given[0].data]]
    found = facts.evidence(step.given[1].data)
    if found is None or not len(members):
        return []
    told = []
    for row in members[found.seen[members]].tolist():
        instance = int(facts.scene.instance_id[row])
        told.append(f"{_capital(words.object(instance))} is seen best in frame {int(found.best[row]) + 1}.")
    return told


_BEFORE: dict[str, Callable[[Step, Words], list[str]]] = {
    **dict.fromkeys((name for name in SENTENCES if name.startswith("direction_")), _turn),
    "route_turns": _legs,
    "nearest_category": _each_distance,
    "count_seen": _seen,
}
"""Operators that do several things at once, to the sentences about those: computed by the functions that they use."""


def _view_turn(step: Step, words: Words) -> list[str]:
    frame, target = words.frame(step.given[0].data), words.object(step.given[1].data)
    return [f"Where {frame} is taken, the camera has to turn {turned(step.value.data)} to face {target}."]


def _yaw(step: Step, words: Words) -> list[str]:
    first, second = (words.frame(value.data) for value in step.given)
    return [f"From {first} to {second} the view turns {turned(step.value.data)}."]


def _item(step: Step, words: Words) -> list[str]:
    place = int(step.given[1].data)
    which = ORDINALS[place] if place < len(ORDINALS) else f"number {place + 1}"
    return [f"The {which} of these is {words.value(step.value)}."]


_OWN: dict[str, Callable[[Step, Words], list[str]]] = {
    "turn_deg": _turn,
    "view_turn_deg": _view_turn,
    "yaw_deg": _yaw,
    "item": _item,
}
"""Operators whose sentence depends on the value."""


def _conclusion(question: Mapping[str, Any], trace: Trace, words: Words) -> str:
    """Write the answer as a person says it: the option in words, or the number as it is asked for."""
    truth = question["ground_truth"]
    if question["options"]:
        return next(option for option in question["options"] if option.startswith(f"{truth}. "))
    return f"{truth} {SPELLED[question['unit']]}" if question["unit"] in SPELLED else truth


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
