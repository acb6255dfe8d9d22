"""Question types about images and the camera's motion, on a room whose answers are worked out by hand.

Seen from above (metres; boxes along the axes, on the floor):

    table centre (0, 0), 2.0 x 1.0, height 0.8       sofa  centre (4, 0), 1.0 x 2.0, height 1.0
    shelf centre (-3, -0.5), 0.4 x 1.0, height 2.0   bed   centre (0, 4), 2.0 x 2.0, height 0.6
    stools centres (1.8, -1.5), (2.6, -1.5), 0.4 x 0.4, height 0.5

    frame 1 at (0, -4, 1.5), looking north (+y)      frame 2 at (2, -4, 1.5), looking north
    frame 3 at (0, -4, 1.9), looking west (-x)       frame 4 at (0, -1, 1.5), looking north
"""

import numpy as np
import pytest
from posed_room import facts_of, pose, scene_with
from qa_engine.generation.template import TemplateProposer
from qa_engine.replay.verify import compare
from qa_engine.tasks import select_tasks

BOXES = [
    ("table", (0, 0, 0.4), (2, 1, 0.8)),
    ("sofa", (4, 0, 0.5), (1, 2, 1)),
    ("shelf", (-3, -0.5, 1.0), (0.4, 1, 2)),
    ("bed", (0, 4, 0.3), (2, 2, 0.6)),
    ("stool", (1.8, -1.5, 0.25), (0.4, 0.4, 0.5)),
    ("stool", (2.6, -1.5, 0.25), (0.4, 0.4, 0.5)),
]
POSES = [
    pose((0, -4, 1.5), (0, 1)),
    pose((2, -4, 1.5), (0, 1)),
    pose((0, -4, 1.9), (-1, 0)),
    pose((0, -1, 1.5), (0, 1)),
]


@pytest.fixture(scope="module")
def facts():
    return facts_of(scene_with(BOXES, POSES))


@pytest.fixture(scope="module")
def asked(facts):
    proposer = TemplateProposer(select_tasks(["images", "motion", "pairs"]), seed=0, round=0, frame_set_id="all")
    return proposer.write(proposer.find([facts])).to_dicts()


def answer(row):
    chosen = [option[3:] for option in row["options"] or () if option.startswith(row["ground_truth"] + ". ")]
    return chosen[0] if chosen else row["ground_truth"]


def find(asked, kind, *words):
    """The one question of a type whose text, frames and program hold these words."""
    rows = [
        row
        for row in asked
        if row["question_type"] == kind
        and all(word in f"{row['question']} {row['frame_set_id']} {row['program']}" for word in words)
    ]
    assert len(rows) == 1, (kind, words, [(row["question"], row["frame_set_id"]) for row in rows])
    return rows[0]


GOLDEN = [
    # From (0, -4, 1.5): the table's closest point is (0, -0.5, 0.8): hypot(3.5, 0.7) = 3.57; the sofa's (3.5, -1, 1):
    # sqrt(3.5^2 + 3^2 + 0.5^2) = 4.64; the shelf's (-2.8, -1, 1.5): hypot(2.8, 3) = 4.10; the bed's (0, 3, 0.6):
    # hypot(7, 0.9) = 7.06.
    ("image_camera_distance", ("table", "frames/f0"), "3.6"),
    ("image_camera_distance", ("sofa", "frames/f0"), "4.6"),
    ("image_nearer_or_farther", ("Is the table", "than the shelf", "frames/f0"), "nearer"),
    ("image_nearer_or_farther", ("Is the bed", "than the sofa", "frames/f0"), "farther"),
    ("image_nearest", ("bed", "shelf", "table", "frames/f0"), "table"),
    ("image_farthest", ("bed", "shelf", "sofa", "frames/f0"), "bed"),
    ("image_second_nearest", ("bed", "shelf", "table", "sofa", "frames/f0"), "shelf"),
    ("image_depth_order", ("bed", "shelf", "table", "frames/f0"), "table, shelf, bed"),
    ("image_left_or_right", ("is the shelf", "of the table", "frames/f0"), "left"),
    ("image_left_or_right", ("is the sofa", "of the table", "frames/f0"), "right"),
    ("image_leftmost", ("shelf", "sofa", "table", "frames/f0"), "shelf"),
    ("image_left_to_right", ("shelf", "sofa", "table", "frames/f0"), "shelf, table, sofa"),
    # From (0, -1, 1.5) the table begins at 0.5 m, below; the bed at 4 m, farther up.
    ("image_above_or_below", ("does the bed", "the table?", "frames/f3"), "above"),
    ("image_object_height", ("sofa", "frames/f0"), "100"),
    ("image_object_width", ("sofa", "frames/f0"), "200"),
    ("image_taller_or_shorter", ("the shelf in this image", "than the sofa", "frames/f0"), "taller"),
    ("image_closest_object", ("to the table", "bed", "shelf", "sofa", "frames/f0"), "shelf"),  # 1.8; 2.5 both others
    ("image_object_distance", ("table", "sofa", "frames/f0"), "2.5"),
    ("image_count", ("stool", "frames/f0"), "2"),
    ("pair_camera_distance", ("frames/f0/f1",), "2.0"),
    ("pair_camera_distance", ("frames/f0/f3",), "3.0"),
    ("pair_camera_turn", ("frames/f0/f2",), "90"),
    ("pair_camera_turn_side", ("frames/f0/f2",), "left"),
    ("pair_camera_turn_side", ("frames/f2/f0",), "right"),
    ("pair_camera_rise", ("frames/f0/f2",), "higher"),
    ("pair_camera_rise", ("frames/f2/f1",), "lower"),
    ("pair_camera_direction", ("frames/f0/f1",), "to the right"),
    ("pair_camera_direction", ("frames/f1/f0",), "to the left"),
    ("pair_camera_direction", ("frames/f0/f3",), "in front"),
    ("pair_camera_direction", ("frames/f3/f0",), "behind"),
    ("video_camera_distance", ("frame 2 ", "frame 1,"), "2.0"),
    ("video_camera_turn", ("frame 1 ", "frame 3"), "90"),
    ("video_camera_turn_side", ("frame 1,", "frame 3"), "left"),
    ("video_camera_rise", ("frame 1?", "frame 3"), "higher"),
    ("video_camera_direction", ("frame 1 ", "frame 2:"), "to the right"),
    ("video_camera_object_distance", ("frame 4,", "table"), "0.9"),  # hypot(0.5, 0.7)
    ("video_nearest_to_camera", ("frame 1,", "bed", "shelf", "table"), "table"),
    ("video_closer_or_farther", ("the table at frame 4", "frame 1,"), "closer"),
    ("pair_nearer_in", ("table", "frames/f0/f3"), "second"),
    ("pair_only_in_second", ("shelf", "bed", "table", "frames/f3/f0"), "shelf"),
    # From (0, -1), looking north, the shelf lies at (-3, 0.5), the sofa at (4, 1).
    ("pair_side_of_second", ("shelf", "frames/f0/f3"), "to the left"),
    ("pair_side_of_second", ("sofa", "frames/f0/f3"), "to the right"),
    ("pair_object_distance", ("table", "shelf", "frames/f3/f2"), "1.8"),
    # (0, -4) to (2, -4), back and up by 0.4, on by 3 m and down by 0.4.
    ("video_camera_path", ("frame 1 ", "frame 4"), f"{2 + np.hypot(2, 0.4) + np.hypot(3, 0.4):.1f}"),
]


@pytest.mark.parametrize(
    ("kind", "words", "expected"), GOLDEN, ids=[f"{kind}-{n}" for n, (kind, _, _) in enumerate(GOLDEN)]
)
def test_answers_are_those_worked_out_by_hand(asked, kind, words, expected):
    assert answer(find(asked, kind, *words)) == expected


def test_every_program_gives_the_answer(asked, facts):
    assert len(asked) > 100
    assert [difference for row in asked for difference in compare(row, facts)] == []


def test_what_is_hidden_is_counted_in_pixels(asked, facts):
    for row in asked:
        if row["question_type"] == "image_hidden_share":
            (operand,) = row["operands"]
            place, own = int(row["frame_set_id"][-1]), operand["instance_ids"][0] - 10
            assert row["answer_value"] == pytest.approx(100 * (1 - facts.recording.share[place, own]))


def test_images_carry_a_prompt_for_images(asked):
    prompts = {(row["question_type"].partition("_")[0], row["prompt_id"]) for row in asked}
    assert prompts == {("image", "image"), ("pair", "images"), ("video", "vsi-bench")}
