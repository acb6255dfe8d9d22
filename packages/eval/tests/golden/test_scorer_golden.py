import json

import numpy as np
import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.metrics.aggregate import aggregate
from qa_eval.parsers import find_parser
from qa_eval.scoring.score import Answers, score_answers

COLUMNS = {"official": "score_tis", "lmms-eval": "score_lmms_eval", "vlmevalkit": "score_vlmevalkit"}


def scored(rows, parser):
    columns = ("id", "question_type", "ground_truth", "prediction")
    answers = Answers(*([row[name] for row in rows] for name in columns))
    return answers, score_answers(answers, find_benchmark("vsi-bench"), find_parser(parser))


@pytest.mark.parametrize("parser", COLUMNS)
def test_every_row_scores_as_the_public_scorer(golden, parser):
    _, result = scored(golden, parser)
    expected = np.array([row[COLUMNS[parser]] for row in golden])
    assert (result.score == expected).all()
    assert not result.reason


@pytest.mark.parametrize("parser", COLUMNS)
def test_aggregates_are_equal_to_the_last_digit(golden, data_dir, parser):
    answers, result = scored(golden, parser)
    expected = json.loads((data_dir / "vsi_bench/scorer_golden.aggregate.json").read_text())[parser.replace("-", "_")]
    means = aggregate(result.score, answers.question_type, find_benchmark("vsi-bench").tasks)
    assert {name: mean * 100 for name, mean in {**means.tasks, "overall": means.overall}.items()} == expected


def test_vlmevalkit_extracts_the_same_answers(golden):
    _, result = scored(golden, "vlmevalkit")
    for row, parsed in zip(golden, result.parsed, strict=True):
        expected = row["vlmevalkit_extracted"]
        if expected in (None, False) and not isinstance(expected, float):
            assert parsed is None
        else:
            assert parsed == expected if isinstance(expected, str) else float(parsed) == expected


def test_command_line_of_lmms_eval(golden):
    answers, result = scored(golden, "lmms-eval-cli")
    overall = aggregate(result.score, answers.question_type, find_benchmark("vsi-bench").tasks).overall
    stripped = [{**row, "prediction": row["prediction"].strip()} for row in golden]
    assert (scored(stripped, "lmms-eval")[1].score == result.score).all()
    assert overall > 0.275  # 27.0 with the functions called directly
