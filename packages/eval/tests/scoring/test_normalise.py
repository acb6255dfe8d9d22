"""Files of other people: truths and options as text, answers that are missing, lists, or numbers."""

import json

import polars as pl
import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.parsers import find_parser
from qa_eval.scoring.inputs import read_answers
from qa_eval.scoring.score import score_answers

TYPE = "route_planning"
OPTIONS = ["A. left", "B. right"]


def scored(path, rows, *, benchmark="vsi-bench", parser="official"):
    path.write_text("".join(json.dumps({"id": i, "question_type": TYPE} | row) + "\n" for i, row in enumerate(rows)))
    chosen = find_benchmark(benchmark)
    return score_answers(read_answers(path, benchmark=chosen).answers, chosen, find_parser(parser))


@pytest.mark.parametrize("benchmark", ["vsi-bench", "questions"])
@pytest.mark.parametrize("truth", ["B", "b", " B", "B. right", "(B) right", "B) right", "right", "Right."])
@pytest.mark.parametrize(
    "options", [OPTIONS, str(OPTIONS), json.dumps(OPTIONS), "A. left\nB. right", {"A": "left", "B": "right"}]
)
def test_truths_and_options_as_text(tmp_path, truth, options, benchmark):
    rows = [{"ground_truth": truth, "options": options, "prediction": text} for text in ("B", "A")]
    found = scored(tmp_path / "p.jsonl", rows, benchmark=benchmark)
    assert found.score.tolist() == [1, 0]
    assert found.frame["options"].to_list() == [OPTIONS, OPTIONS]


@pytest.mark.parametrize("options", [None, "[]", "", "nan", "not a list", float("nan")])
def test_no_options(tmp_path, options):
    row = {"ground_truth": "B. right", "options": options, "prediction": "B"}
    found = scored(tmp_path / "p.jsonl", [row])
    assert found.score.tolist() == [1]
    assert found.frame["options"].to_list() == [None]


@pytest.mark.parametrize("missing", [None, "", [], [None], float("nan")])
def test_an_answer_that_is_not_there_is_wrong_and_counted(tmp_path, missing):
    rows = [{"ground_truth": "B", "prediction": "B"}, {"ground_truth": "B", "prediction": missing}]
    found = scored(tmp_path / "p.jsonl", rows)
    assert found.score.tolist() == [1, 0]
    assert found.parse_failed.tolist() == [False, True]
    assert not found.reason


@pytest.mark.parametrize(("answer", "score"), [(["B"], 1), ([["B", "A"]], 1), (["A", "B"], 0)])
def test_the_first_of_several_answers_counts(tmp_path, answer, score):
    assert scored(tmp_path / "p.jsonl", [{"ground_truth": "B", "prediction": answer}]).score.tolist() == [score]


@pytest.mark.parametrize("kind", ["route_planning", "object_counting"])
@pytest.mark.parametrize("empty", ["", None, []])
def test_an_empty_truth_is_wrong_whatever_the_answer(tmp_path, kind, empty):
    rows = [{"question_type": kind, "ground_truth": truth, "prediction": ""} for truth in (empty, "2")]
    rows += [{"question_type": kind, "ground_truth": empty, "prediction": "2"}]
    found = scored(tmp_path / "p.jsonl", rows)
    assert found.score.tolist() == [0, 0, 0]
    # A file of nothing but empty truths is no test set: it has no scores at all.
    assert scored(tmp_path / "p.jsonl", rows[:1]).reason == {0: "no_ground_truth"}


def test_empty_references_are_not_met_by_an_empty_answer(tmp_path):
    rows = [
        {"question_id": name, "scene_id": "s", "question": "What is it?", "answers": answers}
        for name, answers in (("a", []), ("b", ["chair"]))
    ]
    (tmp_path / "ScanQA_v1.0_val.json").write_text(json.dumps(rows))
    (tmp_path / "p.jsonl").write_text('{"id": "a", "prediction": ""}\n{"id": "b", "prediction": "chair"}\n')
    benchmark = find_benchmark("scanqa")
    stored = read_answers(tmp_path / "p.jsonl", tmp_path / "ScanQA_v1.0_val.json", benchmark=benchmark)
    assert score_answers(stored.answers, benchmark, find_parser("official")).score.tolist() == [0, 1]
    assert stored.empty_truths == 1


def test_numbers_as_numbers_and_as_text_are_one(tmp_path):
    rows = [
        {"id": 0, "question_type": "object_counting", "ground_truth": 4, "prediction": 3},
        {"id": 1, "question_type": "object_counting", "ground_truth": 2, "prediction": 2},
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "p.parquet")
    benchmark = find_benchmark("vsi-bench")
    stored = read_answers(tmp_path / "p.parquet", benchmark=benchmark)
    assert score_answers(stored.answers, benchmark, find_parser("official")).score.tolist() == [0.6, 1.0]


def test_a_file_without_an_answer_column_is_refused(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"id": 1, "question_type": "x", "ground_truth": "A"}\n')
    with pytest.raises(QAEvalError, match="expected prediction"):
        read_answers(tmp_path / "p.jsonl")
