"""What rewards are told about a question besides its answer."""

from __future__ import annotations

from qa_trainer.data.questions import load_samples
from qa_trainer.grpo.columns import partners
from qa_trainer.rewards import REWARDS

SIDES = ["A. left", "B. right"]


def test_partners_are_questions_about_the_same_objects_whose_answers_have_to_fit(make, store, tmp_path):
    def people(*ids):
        return [{"role": str(i), "category": "bed", "instance_ids": [number]} for i, number in enumerate(ids)]

    side = {"question_type": "object_rel_direction_easy", "options": SIDES, "scene_name": "room_0"}
    four = ["A. sofa", "B. chair", "C. lamp", "D. bed"]
    rows = [
        # A distance and its inverse.
        make.question(0, operands=people(1, 2), ground_truth="2.5", scene_name="room_0"),
        make.question(2, operands=people(2, 1), ground_truth="2.5", scene_name="room_0"),
        # Left from one side, right from the other.
        make.question(1, operands=people(1, 2, 3), ground_truth="A", **side),
        make.question(3, operands=people(2, 1, 3), ground_truth="B", **side),
        # Four options: another answer is another question.
        make.question(5, operands=people(1, 2), ground_truth="A", options=four, scene_name="room_0"),
        make.question(7, operands=people(1, 2), ground_truth="B", options=four, scene_name="room_0"),
        # Another scene.
        make.question(4, operands=people(1, 2), ground_truth="2.5", scene_name="room_1"),
    ]
    questions = make.write(rows, tmp_path, "questions")
    pairs = partners(load_samples(questions, store), questions)["pair_id"].to_list()
    assert pairs[0] == pairs[1] is not None
    assert pairs[2] == pairs[3] is not None
    assert pairs[4:] == [None, None, None]
    truths = [str(row["ground_truth"]) for row in rows]
    options = [row.get("options") for row in rows]
    ids = [str(row["question_id"]) for row in rows]
    found = REWARDS["consistency"](
        ["3", "3", "A", "B", "A", "B", "2.5"], question_id=ids, pair_id=pairs, ground_truth=truths, options=options
    )
    assert found == [1, 1, 1, 1, None, None, None]
    wrong = REWARDS["consistency"](
        ["3", "6", "A", "A", "A", "B", "2.5"], question_id=ids, pair_id=pairs, ground_truth=truths, options=options
    )
    assert wrong == [0, 0, 0, 0, None, None, None]
