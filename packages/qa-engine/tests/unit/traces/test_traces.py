"""Traces: every step comes from the program as it ran, and what it says is what the scene gives."""

import json
import re

import numpy as np
import pytest
from posed_room import facts_of, pose, scene_with
from qa_engine.programs import OPERATORS, run_program
from qa_engine.programs.lists import LIST_OPERATORS
from qa_engine.traces import TOOLS, TRACES, TraceError, replay_calls, trace_of
from qa_engine.traces.maps import cognitive_map
from qa_engine.traces.sentences import _OWN, SENTENCES

BED, SOFA, LAMP, CHAIR, OTHER = range(10, 15)


@pytest.fixture(scope="module")
def facts():
    """A bed at (0, 2), a sofa at (3, 2), a lamp at (0, 5), chairs at (-2, 2) and (-2, 4); two cameras look north."""
    boxes = [
        ("bed", (0, 2, 0.25), (1, 1, 0.5)),
        ("sofa", (3, 2, 0.4), (1, 1, 0.8)),
        ("lamp", (0, 5, 0.9), (0.4, 0.4, 1.8)),
        ("chair", (-2, 2, 0.5), (0.5, 0.5, 1)),
        ("chair", (-2, 4, 0.4), (0.5, 0.5, 0.8)),
    ]
    return facts_of(scene_with(boxes, [pose((0, -3, 1.5), (0, 1)), pose((1, -3, 1.5), (-1, 1))]))


def question(program, truth, *, options=None, text="?", unit="", answer_type="choice", operands=(), frames=()):
    return {
        "question": text,
        "options": options,
        "ground_truth": truth,
        "unit": unit,
        "answer_type": answer_type if options or answer_type != "choice" else "number",
        "program": program,
        "operands": operands,
        "frame_set_id": None,
        "frame_ids": list(frames),
    }


def thought(turns):
    found = re.fullmatch(r"<think>\n(.*)\n</think>\n<answer>(.*)</answer>", turns[-1]["content"], re.DOTALL)
    return found[1].splitlines(), found[2]


def test_the_steps_of_a_choice_are_told_with_their_values(facts):
    program = f'argmin(["sofa", "lamp"], [distance_m({BED}, {SOFA}), distance_m({BED}, {LAMP})])'
    asked = question(program, "A", options=["A. sofa", "B. lamp"], text="Which is closest to the bed: sofa, lamp?")
    lines, answer = thought(TRACES["text"](asked, facts))
    assert lines == [
        "From closest point to closest point, the bed and the sofa are 2.00 m apart.",
        "From closest point to closest point, the bed and the lamp are 2.30 m apart.",
        "The smallest of 2.00 m and 2.30 m is that of sofa.",
        "So the answer is A. sofa.",
    ]
    assert answer == "A"


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (f"direction_side({BED}, {SOFA}, {LAMP})", "Standing by the bed and facing the sofa, I have to turn 90 degrees "
         "to the left to face the lamp."),
        (f'"taller" if height_cm({BED}) > height_cm({SOFA}) else "shorter"', "50 cm is less than 80 cm."),
        ('count("chair") - 1', "2 less 1 is 1."),
        (f'length([x for x in instances("chair") if distance_m({BED}, x) < m(1.5)])', "Chair 1 of 2: that makes 1."),
        ("yaw_deg(0, 1)", "From the first image to the second image the view turns 45 degrees to the left."),
        (f"route_turns({BED}, {SOFA}, [{LAMP}])", "At the bed, facing the sofa, I have to turn 90 degrees to the left "
         "to go to the lamp."),
        (f'nearest_category({SOFA}, ["lamp", "chair"])', "The closest chair is 4.25 m from the sofa."),
    ],
)  # fmt: skip
def test_what_an_operator_does_inside_is_told_too(facts, program, line):
    result = run_program(program, facts)
    texts = {str(result.value), "other"}
    choice = result.kind != "number"
    options = [f"{letter}. {text}" for letter, text in zip("AB", sorted(texts), strict=True)] if choice else None
    truth = "AB"[sorted(texts).index(str(result.value))] if choice else str(round(result.value))
    kind = "choice" if choice else "integer"
    asked = question(program, truth, options=options, answer_type=kind, unit=result.unit, frames=["f0", "f1"])
    if not choice and result.unit:
        asked |= {"answer_type": "number", "ground_truth": "45.0"}
    assert line in thought(TRACES["text"](asked, facts))[0]


def test_tool_calls_are_what_the_program_asked_and_replay(facts):
    program = f"abs(camera_distance_m({LAMP}, 0) - distance_m({BED}, {LAMP}))"
    value = run_program(program, facts).value
    asked = question(program, f"{value:.1f}", unit="m", answer_type="number", frames=["f0"])
    turns = TRACES["tools"](asked, facts)
    assert turns[0]["role"] == "system"
    assert turns[0]["content"].endswith("The frames shown are 0.")
    called = [turn["tool_calls"][0]["function"] for turn in turns if "tool_calls" in turn]
    assert [call["name"] for call in called] == ["instances", "instances", "camera_distance_m", "distance_m"]
    assert json.loads(called[-1]["arguments"]) == {"a": BED, "b": LAMP}
    assert json.loads(turns[2]["content"]) == {"value": [LAMP]}
    for call in called:
        names = TOOLS[call["name"]]["function"]["parameters"]["required"]
        assert list(json.loads(call["arguments"])) == names
    assert replay_calls(turns, facts) == []
    lines, _ = thought(turns)
    assert lines[0] == "7.80 m less 2.30 m is 5.50 m."
    turns[-2]["content"] = json.dumps({"value": 9.9, "unit": "m"})
    assert replay_calls(turns, facts) == ["distance_m(10, 12) gives 2.3, the trace says {'value': 9.9, 'unit': 'm'}"]


def test_a_map_holds_every_object_with_the_first_view_upwards(facts):
    north = cognitive_map(facts, frame_id="f0")
    assert north.from_camera
    assert north.cells == {"bed": [[4, 2]], "chair": [[0, 2], [0, 5]], "lamp": [[4, 7]], "sofa": [[9, 2]]}
    turned = cognitive_map(facts, frame_id="f1")  # looks north-west, so that the sofa is to the right and below
    (sofa,), (bed,) = turned.cells["sofa"], turned.cells["bed"]
    assert sofa[0] > bed[0]
    assert sofa[1] < bed[1]
    assert not cognitive_map(facts).from_camera
    asked = question('count("chair")', "2", answer_type="integer", frames=["f0"])
    lines, answer = thought(TRACES["map"](asked, facts))
    assert json.loads(lines[1]) == north.cells
    assert answer == "2"


def test_an_answer_that_the_program_does_not_give_has_no_trace(facts):
    with pytest.raises(TraceError, match="gives '2', the question says '3'"):
        trace_of(question('count("chair")', "3", answer_type="integer"), facts)
    with pytest.raises(TraceError, match="unknown_category"):
        trace_of(question('count("boat")', "0", answer_type="integer"), facts)


def test_every_operator_that_decides_something_is_told():
    silent = {"frames", "objects", "instances", "categories", "category", "item", "join", "unique", "any", "all", "abs"}
    units = {"m", "cm", "m2", "m3", "deg", "s"}
    assert set(OPERATORS) == set(SENTENCES) | set(_OWN) | silent | units | {"bearing_deg", "heading_deg"}
    assert set(TOOLS) == set(OPERATORS) - set(LIST_OPERATORS)
    assert np.all([TOOLS[name]["function"]["name"] == name for name in TOOLS])
