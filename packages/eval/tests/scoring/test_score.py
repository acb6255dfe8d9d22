import numpy as np
import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import REASONS, QAEvalError
from qa_eval.metrics.aggregate import aggregate
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers
from qa_eval.scoring.summary import summarise

VSI, OPEN, OFFICIAL = find_benchmark("vsi-bench"), find_benchmark("questions"), find_parser("official")


def score(question_type, ground_truth, prediction, *, options=None, benchmark=VSI):
    rows = Answers([0], [question_type], [ground_truth], [prediction], [options])
    return score_answers(rows, benchmark, OFFICIAL)


@pytest.mark.parametrize("text", ["B", "b", "B.", "B. sofa", "B\n", "B..", "b\t"])
def test_official_accepts(text):
    assert score("route_planning", "B", text).score[0] == 1


@pytest.mark.parametrize("text", ["(B)", "B)", " B", "**B**", "The answer is B", "B, because", "B.\n", ""])
def test_official_refuses(text):
    result = score("route_planning", "B", text)
    assert result.score[0] == 0
    assert result.parse_failed[0]
    assert result.parsed[0] is None


@pytest.mark.parametrize(
    ("text", "value"), [("190 cm", "190"), ("1.5", "1.5"), ("1e2", "100"), ("2.", "2"), ("1_0", "10")]
)
def test_official_numbers(text, value):
    result = score("object_size_estimation", value, text)
    assert (result.score[0], result.parsed[0], result.parse_failed[0]) == (1, value, False)


@pytest.mark.parametrize("text", ["190cm", "about 3", "1,234", "three", "nan", "inf", "", " 4"])
def test_official_non_numbers(text):
    result = score("object_counting", "4", text)
    assert result.score[0] == 0
    assert result.parse_failed[0]


@pytest.mark.parametrize(
    ("kind", "truth", "text", "reason"),
    [
        ("object_counting", "4", None, "no_prediction"),
        ("object_counting", None, "4", "no_ground_truth"),
        ("object_counting", "many", "4", "no_ground_truth"),
        ("object_counting", "0", "4", "zero_ground_truth"),
        ("object_sorting", "4", "4", "unknown_question_type"),
    ],
)
def test_rows_without_score_say_why(kind, truth, text, reason):
    result = score(kind, truth, text)
    assert np.isnan(result.score[0])
    assert result.reason == {0: reason}
    assert reason in REASONS


def test_open_types_are_choices_by_options_or_letter():
    assert score("mirror_side", "B", "b", options=["A. x", "B. y"], benchmark=OPEN).score[0] == 1
    assert score("mirror_side", "left", "Left", options=["left", "right"], benchmark=OPEN).score[0] == 1
    assert score("walk_length", "10", "9", benchmark=OPEN).score[0] == 0.9


def test_direction_is_the_mean_of_its_levels_and_unscored_rows_count_nowhere():
    types = ["object_rel_direction_easy"] * 3 + ["object_rel_direction_hard", "object_counting", "object_counting"]
    result = aggregate(np.array([1, 1, 0, 0, 0.5, np.nan]), types, VSI.tasks)
    assert result.tasks == {"object_counting": 0.5, "object_rel_direction": (2 / 3 + 0) / 2}
    assert result.overall == (0.5 + 1 / 3) / 2
    assert result.micro == 0.5
    assert result.counts["object_counting"] == 1


def test_unknown_names_suggest():
    with pytest.raises(QAEvalError, match="Did you mean 'official'"):
        find_parser("oficial")
    with pytest.raises(QAEvalError, match="Did you mean 'vsi-bench'"):
        find_benchmark("vsibench")


def test_frames_that_a_question_lists_are_no_budget():
    benchmark = find_benchmark("questions")
    shown = ["uniform-8", "uniform-16", "frames/00003", "frames/00004"]
    rows = Answers(range(4), ["side"] * 4, ["A"] * 4, ["A"] * 4, frames=shown)
    scored = score_answers(rows, benchmark, find_parser("official"))
    assert list(summarise(scored, benchmark).frame_budgets) == ["uniform-8", "uniform-16"]
