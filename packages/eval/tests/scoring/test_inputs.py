"""Stored predictions: rows that stand there twice."""

import json

import pytest
from qa_eval.errors import QAEvalError
from qa_eval.scoring.inputs import read_answers


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows_of(*answers):
    kind = {"question_type": "object_counting", "ground_truth": "4"}
    return [{"id": number, "prediction": text, **kind} for number, text in answers]


@pytest.mark.parametrize("with_questions", [True, False])
def test_equal_rows_count_once_and_are_counted(tmp_path, with_questions):
    rows = rows_of((1, "4"), (2, "3"))
    predictions = write(tmp_path / "p.jsonl", rows + rows)
    questions = write(tmp_path / "q.jsonl", rows) if with_questions else None
    stored = read_answers(predictions, questions)
    assert stored.answers.frame["prediction"].to_list() == ["4", "3"]
    assert stored.doubled == 2
    assert read_answers(write(tmp_path / "one.jsonl", rows)).doubled == 0


def test_two_answers_to_one_question_are_refused(tmp_path):
    predictions = write(tmp_path / "p.jsonl", rows_of((1, "4"), (1, "5")))
    with pytest.raises(QAEvalError, match="id '1' has two answers, '4' and '5'"):
        read_answers(predictions)


def test_an_id_may_stand_once_per_frame_budget(tmp_path):
    rows = [rows_of((1, "4"))[0] | {"num_frames": 16}, rows_of((1, "5"))[0] | {"num_frames": 32}]
    stored = read_answers(write(tmp_path / "p.jsonl", rows))
    assert (len(stored.answers.frame), stored.doubled) == (2, 0)
