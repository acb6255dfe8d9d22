"""Question types about the scene beside VSI-Bench's, on a scene whose answers are worked out by hand.

Seen from above (metres; boxes are along the axes and stand on the floor, the lamp excepted, which stands on the table):

    table  centre (0, 0), 2.0 x 1.0, height 0.8          sofa   centre (4, 0), 1.0 x 2.0, height 1.0
    bed    centre (0, 4), 2.0 x 2.0, height 0.6          shelf  centre (-3, -1), 0.4 x 1.2, height 2.0
    lamp   centre (0.5, 0), 0.2 x 0.2, height 0.5, from 0.8 on
    chairs centres (2, 3), (-2, 3), (3, -3), all 0.5 x 0.5, height 1.0
    stools centres (-4, 4), (-4, 5.5), 0.4 x 0.4, height 0.5
"""

import numpy as np
import pytest
from posed_room import facts_of, pose, scene_with
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.replay.verify import compare
from qa_engine.scenes.scene import Scene
from qa_engine.tasks import TASKS, select_tasks
from qa_engine.tasks.base import Conditions

OBJECTS = [
    ("table", (0, 0, 0.4), (2, 1, 0.8)),
    ("sofa", (4, 0, 0.5), (1, 2, 1)),
    ("bed", (0, 4, 0.3), (2, 2, 0.6)),
    ("shelf", (-3, -1, 1.0), (0.4, 1.2, 2.0)),
    ("lamp", (0.5, 0, 1.05), (0.2, 0.2, 0.5)),
    ("chair", (2, 3, 0.5), (0.5, 0.5, 1)),
    ("chair", (-2, 3, 0.5), (0.5, 0.5, 1)),
    ("chair", (3, -3, 0.5), (0.5, 0.5, 1)),
    ("stool", (-4, 4, 0.25), (0.4, 0.4, 0.5)),
    ("stool", (-4, 5.5, 0.25), (0.4, 0.4, 0.5)),
]
FLOOR = np.array([[-5, -5], [6.1, -5], [6.1, 7.2], [-5, 7.2]])


def room():
    return Scene(
        scene_name="room",
        dataset="hand",
        instance_id=np.arange(10, 10 + len(OBJECTS)),
        category=np.array([name for name, _, _ in OBJECTS]),
        center=np.array([center for _, center, _ in OBJECTS], dtype=float),
        size=np.array([size for _, _, size in OBJECTS], dtype=float),
        rotation=np.repeat(np.eye(3)[None], len(OBJECTS), axis=0),
        room_size_m2=132.0,
        floor_polygon=FLOOR,
    )


@pytest.fixture(scope="module")
def facts():
    return Facts(room())


@pytest.fixture(scope="module")
def asked(facts):
    proposer = TemplateProposer(
        select_tasks(["sizes", "distances", "directions", "counts", "planning"]), seed=0, round=0
    )
    return proposer.write(proposer.find([facts])).to_dicts()


def answers(asked, kind):
    """Answers of one type by the categories of the operands in their roles; options are written out."""
    found = {}
    for row in asked:
        if row["question_type"] == kind:
            chosen = [option[3:] for option in row["options"] or () if option.startswith(row["ground_truth"] + ". ")]
            key = tuple(operand["category"] for operand in row["operands"])
            found[key] = chosen[0] if chosen else row["ground_truth"]
    return found


GOLDEN = {
    "object_height": {("shelf",): "200", ("bed",): "60", ("lamp",): "50"},
    "object_width": {("table",): "200", ("shelf",): "120", ("sofa",): "200"},
    # litres: 2 x 1 x 0.8 m; 0.4 x 1.2 x 2.0 m; 0.2 x 0.2 x 0.5 m
    "object_volume": {("table",): "1600", ("shelf",): "960", ("lamp",): "20"},
    "object_tallest": {("bed", "sofa", "table", "shelf"): "shelf"},
    "object_shortest": {("bed", "sofa", "shelf"): "bed"},
    "object_largest": {("bed", "lamp", "shelf", "table"): "bed"},  # 2.4 m3 before 1.6 m3
    "object_smallest": {("shelf", "sofa", "lamp"): "lamp"},
    "object_taller_or_shorter": {("shelf", "bed"): "taller", ("bed", "shelf"): "shorter"},
    "object_top_higher_or_lower": {("lamp", "sofa"): "higher", ("sofa", "lamp"): "lower"},  # 1.3 m and 1.0 m
    "object_height_order": {("bed", "lamp", "shelf"): "lamp, bed, shelf", ("bed", "shelf", "sofa"): "bed, sofa, shelf"},
    "object_volume_order": {("bed", "lamp", "shelf"): "lamp, shelf, bed"},
    # From the sofa (x from 3.5): table 2.5; bed hypot(2.5, 2) = 3.20; shelf 6.3 (x to -2.8); lamp 2.9 (x to 0.6).
    "object_closest_of_two": {("sofa", "bed", "table"): "table", ("sofa", "lamp", "table"): "table"},
    "object_closest_of_three": {("sofa", "bed", "shelf", "table"): "table"},
    "object_farthest_of_two": {("sofa", "bed", "shelf"): "shelf"},
    "object_farthest_of_three": {("sofa", "bed", "shelf", "table"): "shelf"},
    "object_farthest_of_four": {("sofa", "bed", "lamp", "shelf", "table"): "shelf"},
    "object_distance_order": {("sofa", "bed", "shelf", "table"): "table, bed, shelf"},
    # Only the lamp is small; it stands on the table, at no distance, which no option may have less than 0.15 m from.
    "object_nearest_reference": {("lamp", "bed", "shelf", "sofa", "table"): "table"},
    # Chairs from the bed (x -1 to 1, y 3 to 5): 0.75, 0.75 and hypot(1.75, 5.75); from the sofa: hypot(1.25, 1.75) =
    # 2.15, 6.5 or so, and (3, -3): x overlaps from 3.25 to 3.5: 0.25; y -2.75 to -1: 1.75: hypot(0.25, 1.75) = 1.77.
    "object_count_within": {("bed", "chair"): "2", ("sofa", "chair"): "2"},
    # At the table, facing the sofa (east): the bed is at 90 degrees to the left.
    "object_clock_direction": {("table", "sofa", "bed"): "9 o'clock", ("table", "bed", "sofa"): "3 o'clock"},
    "object_compass_direction": {("table", "sofa", "bed"): "west", ("table", "bed", "sofa"): "east"},
    # At the table, facing the bed (north), the shelf at (-3, -1) is at 90 + atan(1 / 3) degrees; at the bed, facing the
    # table (south), it lies at (-3, -5) from there: atan(3 / 5).
    "object_turn_angle": {
        ("table", "sofa", "bed"): "90",
        ("table", "bed", "shelf"): "108",
        ("bed", "table", "shelf"): "31",
    },
    "object_front_or_back": {("table", "bed", "shelf"): "back", ("bed", "table", "shelf"): "front"},
    "count_together": {("chair", "stool"): "5", ("bed", "chair"): "4"},
    "count_difference": {("stool", "lamp"): "1", ("chair", "bed"): "2"},
    "count_most": {("bed", "chair", "stool"): "chair"},
    "object_closest_after_removal": {("sofa", "bed", "shelf", "table"): "bed"},
    "count_after_removal": {("stool",): "1"},
    "question_answerable": {("chair",): "no, there are several", ("stool",): "no, there are several"},
    "support_surface": {("lamp", "bed", "shelf", "sofa", "table"): "table"},
    "stacked_height": {
        ("bed", "lamp"): "110",
        ("table", "shelf"): "280",
        ("lamp", "shelf"): None,
    },  # no shelf on a lamp
    "fits_through_door": {("lamp",): "yes", ("table",): "no", ("shelf",): None},  # exactly 2 m high
    # 11.1 x 12.2 m, less table 2, sofa 2, bed 4, shelf 0.48, chairs 0.75, stools 0.32; the lamp stands on the table.
    "free_floor_area": {(): "125.9"},
    # The lamp stands in the way from the middle of the table to the sofa.
    "straight_way_free": {("bed", "table"): "yes", ("sofa", "table"): "no"},
}


def sorted_list(kind, key):
    """Put what the question lists in one order."""
    n_before = len(key) - len(TASKS[kind].listed)
    return (*key[:n_before], *sorted(key[n_before:]))


@pytest.mark.parametrize("kind", GOLDEN)
def test_answers_are_those_worked_out_by_hand(asked, kind):
    found = {sorted_list(kind, key): answer for key, answer in answers(asked, kind).items()}
    if kind == "straight_way_free":
        found = {tuple(sorted(key)): answer for key, answer in found.items()}
    for key, expected in GOLDEN[kind].items():
        assert found.get(sorted_list(kind, key)) == expected, (key, list(found))


def test_every_program_gives_the_answer(asked, facts):
    assert [difference for row in asked for difference in compare(row, facts)] == []


def test_what_the_video_has_shown_so_far():
    # One stool ahead, one to the right, two to the left, one behind; the camera turns on the spot.
    stools = [(0, 3), (3, 0), (-3, 0.6), (-3, -0.6), (0, -3)]
    boxes = [("stool", (x, y, 0.4), (0.6, 0.6, 0.8)) for x, y in stools]
    facts = facts_of(scene_with(boxes, [pose((0, 0, 1), ahead) for ahead in ((0, 1), (1, 0), (-1, 0), (0, -1))]))
    task = select_tasks(["count_so_far"])[0].under(Conditions(screened_by="all"))
    proposer = TemplateProposer([task], seed=0, round=0, frame_set_id="all")
    asked = proposer.write(proposer.find([facts]))
    # Frame 1 is the first and frame 4 the last, of which plain counting is the answer.
    found = {row["question"][-2]: row["ground_truth"] for row in asked.to_dicts()}
    assert found == {"2": "2", "3": "4"}
    assert [difference for row in asked.to_dicts() for difference in compare(row, facts)] == []
