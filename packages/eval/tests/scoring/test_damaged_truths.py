"""A ground truth that a benchmark's own scorer cannot read costs its row, and says so."""

import json

import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers


@pytest.mark.parametrize("truth", ["not json", "[1, 2]", "{}", "7"])
def test_a_damaged_truth_leaves_its_row_without_a_score(truth):
    benchmark = find_benchmark("ost-bench")
    kind = next(name for name, score in benchmark.special.items() if score.__name__ == "judgement")
    good = json.dumps({"answer": "yes", "options": ["yes", "no"]})
    rows = Answers([1, 2], [kind] * 2, [good, truth], ["yes", "yes"])
    found = score_answers(rows, benchmark, find_parser("official"))
    assert found.frame["score"].to_list() == [1.0, None]
    assert found.reason == {1: "no_ground_truth"}


def test_options_that_are_no_list_are_named(tmp_path):
    row = {"id": 4, "question_type": "camera_obj_rel_dist_v1", "question": "Which?", "ground_truth": "A"}
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{**row, "mc_answer": "A", "scene_name": "s", "options": 5}]))
    with pytest.raises(QAEvalError, match=r"not readable as vsti-bench: .*the options of 4 are 5, not a list"):
        find_benchmark("vsti-bench").published(path)
