"""Scores of VSI-Bench's own scorer: answers of many forms, and errors on the edges of the thresholds."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from qa_contract.answers import (
    CONFIDENCE_THRESHOLDS,
    choice_accuracy,
    first_number,
    first_token,
    mean_relative_accuracy,
    score_choice,
    score_number,
)

ROWS = [json.loads(line) for line in (Path(__file__).parent / "answer_scores.jsonl").read_text().splitlines()]
CHOICES = [row for row in ROWS if row["ground_truth"] in "ABCD"]
NUMBERS = [row for row in ROWS if row["ground_truth"] not in "ABCD"]


def test_the_table_has_both_kinds_and_every_score():
    assert (len(CHOICES), len(NUMBERS)) == (127, 42)
    assert {row["score"] for row in NUMBERS} == {step / 10 for step in range(11)}


def test_one_answer_at_a_time():
    assert [score_choice(row["prediction"], row["ground_truth"]) for row in CHOICES] == [r["score"] for r in CHOICES]
    assert [score_number(row["prediction"], float(row["ground_truth"])) for row in NUMBERS] == [
        row["score"] for row in NUMBERS
    ]


def test_all_answers_at_once():
    read = [first_token(row["prediction"]) for row in CHOICES]
    assert choice_accuracy(read, [row["ground_truth"] for row in CHOICES]).tolist() == [r["score"] for r in CHOICES]
    numbers = [first_number(row["prediction"]) for row in NUMBERS]
    values = [math.nan if number is None else number for number in numbers]
    truths = [float(row["ground_truth"]) for row in NUMBERS]
    assert mean_relative_accuracy(values, truths).tolist() == [row["score"] for row in NUMBERS]


@pytest.mark.parametrize(
    ("prediction", "truth", "expected"),
    [
        (9, 10, 0.9),
        (110, 100, 0.9),
        (115, 100, 0.8),
        (120, 100, 0.6),
        (125, 100, 0.6),
        (145, 100, 0.1),
        (150, 100, 0.1),
        (0, 2, 0.0),
        (math.nan, 2, 0.0),
        (math.inf, 2, 0.0),
    ],
)
def test_edges(prediction, truth, expected):
    assert mean_relative_accuracy(prediction, truth) == expected


def test_the_thresholds_are_the_floats_of_numpy():
    assert CONFIDENCE_THRESHOLDS.tolist() == np.linspace(0.5, 0.95, 10).tolist()
    assert 1 - CONFIDENCE_THRESHOLDS[6] < 0.2  # so that an error of 0.20 fails


def test_zero_ground_truth_is_undefined_unless_asked_for():
    assert np.isnan(mean_relative_accuracy([0.0, 5.0], [0.0, 0.0])).all()
    assert math.isnan(score_number("0", 0.0))
    assert mean_relative_accuracy([0.0, 0.3, 5.0], [0.0] * 3, zero_is_absolute=True).tolist() == [1.0, 0.5, 0.0]
