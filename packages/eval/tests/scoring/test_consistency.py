import json

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import read_metadata
from qa_eval.errors import QAEvalError
from qa_eval.metrics.consistency import OPPOSITE, answers_fit, consistency
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.run import run
from qa_eval.scoring.consistency import run_consistency
from qa_eval.scoring.formats import consistency_table


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def answered(questions, tmp_path):
    """Run folder in which n0 and n2 answer 2 (right), n1 answers 3, d0 answers left and d1 right."""
    rows = [
        *({"id": name, "answer": text} for name, text in (("n0", "2"), ("n1", "3"), ("n2", "2"), ("n3", "nothing"))),
        *({"id": name, "answer": text} for name, text in (("d0", "A"), ("d1", "B"), ("d2", "A"), ("d3", "B"))),
        *({"id": name, "answer": "B"} for name in ("d4", "z0", "z1")),
    ]
    answers = write(tmp_path / "a.jsonl", rows)
    run(questions, None, tmp_path / "run", RunOptions("replay"), answers=answers)
    return tmp_path / "run"


def test_pairs_within_a_run(questions, answered, tmp_path):
    pairs = [("n0", "n2", "same"), ("n0", "n1", "same"), ("n0", "n3", "same"), ("d0", "d1", "inverse")]
    path = write(tmp_path / "pairs.jsonl", [{"a": a, "b": b, "relation": r} for a, b, r in pairs])
    found = run_consistency([answered], questions, pairs=path)
    assert (found["same"]["n"], found["same"]["unread"], found["same"]["consistent"]) == (2, 1, 0.5)
    assert found["same"]["both_right"] == 1
    assert (found["inverse"]["n"], found["inverse"]["consistent"]) == (1, 1)
    assert "1 further pairs" in consistency_table(found)


def test_one_question_in_two_frame_sets_is_a_pair(questions, answered):
    path = questions / "questions.parquet"
    meta = read_metadata(path)
    same = pl.when(pl.col("question_id").is_in(["n0", "n2"])).then(pl.lit("one")).otherwise("signature")
    pl.read_parquet(path).with_columns(signature=same).write_parquet(path, metadata=meta)
    assert run_consistency([answered], questions)["same"]["n"] == 1


def test_questions_about_one_fact_are_pairs(questions, answered):
    path = questions / "questions.parquet"
    meta, table = read_metadata(path), pl.read_parquet(path)
    scene = table.filter(pl.col("question_id").is_in(["n0", "d0"]))["scene_name"][0]
    programs = {
        "n0": "height_cm(3)",
        "n1": "height_cm(3)",  # the same height, in another image
        "n2": "height_cm(4)",
        "d0": '"left" if image_x(1, 0) > image_x(2, 0) else "right"',
        "d1": '"left" if image_x(2, 0) > image_x(1, 0) else "right"',
    }
    program = pl.col("question_id").replace_strict(programs, default=None, return_dtype=pl.String)
    named = pl.when(pl.col("question_id").is_in(list(programs))).then(pl.lit(scene)).otherwise("scene_name")
    table.with_columns(program=program, scene_name=named).write_parquet(path, metadata=meta)
    found = run_consistency([answered], questions)
    assert (found["same"]["n"], found["same"]["consistent"]) == (1, 0)  # 2 and 3
    assert (found["inverse"]["n"], found["inverse"]["consistent"]) == (1, 1)  # left and right


def test_two_runs_of_the_same_questions(questions, answered, tmp_path):
    run(questions, None, tmp_path / "oracle", RunOptions("oracle"))
    found = run_consistency([answered, tmp_path / "oracle"], questions)
    assert found["same"]["n"] + found["same"]["unread"] == 11
    assert run_consistency([answered, answered], questions)["same"]["consistent"] == 1


def test_missing_pairs_are_named(questions, answered, tmp_path):
    with pytest.raises(QAEvalError, match="no two questions are paired"):
        run_consistency([answered], questions)
    path = write(tmp_path / "pairs.jsonl", [{"a": "n0", "b": "n1", "relation": "twin"}])
    with pytest.raises(QAEvalError, match="relation 'twin' is unknown"):
        run_consistency([answered], questions, pairs=path)


@pytest.mark.parametrize("word", OPPOSITE)
def test_the_opposite_of_the_opposite_is_the_word(word):
    assert OPPOSITE[OPPOSITE[word]] == word
    assert answers_fit(word, OPPOSITE[word], "inverse")
    assert answers_fit(OPPOSITE[word], word, "inverse")


def test_numbers_agree_within_a_tenth():
    assert answers_fit("10", "9", "same")
    assert not answers_fit("10", "8.9", "same")
    assert answers_fit("0", "0.0", "same")


def test_nothing_read_is_nothing_said():
    assert consistency([None], [(False, False)], ["a"], rng=np.random.default_rng(0)) is None
