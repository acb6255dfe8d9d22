"""Question types whose answer is JSON, on a room whose answers are worked out by hand.

Seen from above (metres; boxes along the axes, on the floor):

    table centre (0, 0), 2.0 x 1.0, height 0.8       sofa  centre (4, 0), 1.0 x 2.0, height 1.0
    shelf centre (-3, -0.5), 0.4 x 1.0, height 2.0   bed   centre (0, 4), 2.0 x 2.0, height 0.6

    frame 0 at (0, -4, 1.5), looking north (+y)      frame 1 at (3, 0, 1.5), looking west (-x)
"""

import json
import re

import numpy as np
import pytest
from posed_room import facts_of, pose, scene_with
from qa_contract.scoring import score_answer
from qa_engine.generation.template import TemplateProposer
from qa_engine.programs import ProgramError, run_program
from qa_engine.replay.verify import compare
from qa_engine.tasks import select_tasks

BOXES = [
    ("table", (0, 0, 0.4), (2, 1, 0.8)),
    ("sofa", (4, 0, 0.5), (1, 2, 1)),
    ("shelf", (-3, -0.5, 1.0), (0.4, 1, 2)),
    ("bed", (0, 4, 0.3), (2, 2, 0.6)),
]
TABLE, SOFA, SHELF, BED = range(10, 14)  # instance ids
POSES = [pose((0, -4, 1.5), (0, 1)), pose((3, 0, 1.5), (-1, 0))]


@pytest.fixture(scope="module")
def facts():
    return facts_of(scene_with(BOXES, POSES))


@pytest.fixture(scope="module")
def asked(facts):
    proposer = TemplateProposer(select_tasks(["structures"]), seed=0, round=0, frame_set_id="all")
    return proposer.write(proposer.find([facts])).to_dicts()


def test_answers_worked_out_by_hand(facts):
    # Up is +y. The centres span 7 m: a cell is 7 / 9 m, and the square reaches from (-3.39, -2.14).
    program = f"grid_map([{TABLE}, {BED}, {SOFA}, {SHELF}])"
    assert run_program(program, facts).value == '{"A": [4, 2], "B": [4, 7], "C": [9, 2], "D": [0, 2]}'
    # Up is +x, from the table to the sofa: the map is turned a quarter, and right is -y.
    program = f"grid_map([{TABLE}, {SOFA}, {BED}, {SHELF}])"
    assert run_program(program, facts).value == '{"A": [7, 4], "B": [7, 9], "C": [2, 4], "D": [7, 0]}'
    # North of the camera: right is +x, and the sofa's longer side runs ahead. 90 degrees are written -90.
    sofa = '{"center": [4.0, 4.0, -1.0], "size": [2.0, 1.0, 1.0], "yaw": -90}'
    assert run_program(f"box_from({SOFA}, 0)", facts).value == sofa
    # Looking west, right is +y: the shelf stands 6 m ahead, half a metre to the left, its longer side across.
    shelf = '{"center": [-0.5, 6.0, -0.5], "size": [1.0, 0.4, 2.0], "yaw": 0}'
    assert run_program(f"box_from({SHELF}, 1)", facts).value == shelf
    # Closest points from frame 0: the table's 3.57 m, the shelf's 4.10 m, the sofa's 4.64 m.
    program = f"relations_shown([{TABLE}, {SHELF}, {SOFA}], 0)"
    assert json.loads(run_program(program, facts).value) == [
        ["B", "left of", "A"],
        ["A", "left of", "C"],
        ["B", "left of", "C"],
        ["A", "nearer than", "B"],
        ["A", "nearer than", "C"],
        ["B", "nearer than", "C"],
    ]


def test_questions_hold_and_their_own_answer_scores_1(facts, asked):
    kinds = [row["question_type"] for row in asked]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {
        "cognitive_map": 1,
        "image_object_box": 7,
        "image_scene_graph": 2,
    }
    for row in asked:
        assert list(compare(row, facts)) == [], row
        (found,) = compare(row | {"ground_truth": "[]"}, facts)
        assert found.problem == "ground_truth"
        assert score_answer(row["ground_truth"], row["ground_truth"]) == pytest.approx(1)
        assert (row["answer_type"], row["options"], row["answer_value"], row["margin"]) == ("json", None, None, None)
    (drawn,) = (row for row in asked if row["question_type"] == "cognitive_map")
    names = re.findall(r"[ABCD] (?:is )?the (\w+)", drawn["question"])
    ids = ", ".join(str(TABLE + [name for name, *_ in BOXES].index(name)) for name in names)
    assert drawn["program"] == f"grid_map([{ids}])"


def test_a_box_that_leans_and_a_camera_that_looks_down_are_not_asked(facts):
    lean = np.radians(10)
    tilted = np.array([[np.cos(lean), 0, np.sin(lean)], [0, 1, 0], [-np.sin(lean), 0, np.cos(lean)]])
    down = pose((0, 0.1, 4), (0, 1))
    down[:3, 1], down[:3, 2] = (0, -1, 0), (0, 0, -1)
    room = facts_of(scene_with(BOXES[:1], [POSES[0], down], rotation=tilted[None]))
    upright = facts_of(scene_with(BOXES[:1], [POSES[0], down]))
    proposer = TemplateProposer(select_tasks(["image_object_box"]), seed=0, round=0, frame_set_id="all")
    assert len(proposer.write(proposer.find([room]))) == 0
    assert len(proposer.write(proposer.find([upright]))) == 1


@pytest.mark.parametrize("program", ["grid_map([10])", "grid_map([10, 10])", "relations_shown([10, 13, 13], 0)"])
def test_what_has_no_answer(facts, program):
    with pytest.raises(ProgramError, match="different instances"):
        run_program(program, facts)
