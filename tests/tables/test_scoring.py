"""The rewards of the trainer and the scores of the evaluator are one scoring, written twice: one table for both."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from qa_eval.benchmarks import find_benchmark
from qa_eval.parsers import find_parser
from qa_eval.scoring.score import Answers, score_answers
from qa_trainer.rewards import REWARDS

# Rows of VSI-Bench's own scorer: answers of many forms, and errors on the edges of the thresholds.
TABLE = Path(__file__).parent / "answer_scores.jsonl"
NUMBER, CHOICE = "object_abs_distance", "object_rel_distance"
OPTIONS = ["A. sofa", "B. bed", "C. tv", "D. lamp"]


def rewarded(truths: list[str], predictions: list[str]) -> list[float | None]:
    options = [OPTIONS if truth in "ABCD" else None for truth in truths]
    numbers = REWARDS["mra"](predictions, ground_truth=truths, options=options)
    letters = REWARDS["choice"](predictions, ground_truth=truths, options=options)
    return [letter if number is None else number for number, letter in zip(numbers, letters, strict=True)]


def evaluated(types: list[str], truths: list[str], predictions: list[str]) -> list[float]:
    answers = Answers(list(range(len(truths))), types, list(truths), list(predictions))
    return score_answers(answers, find_benchmark("vsi-bench"), find_parser("official")).score.tolist()


def test_both_packages_give_the_scores_of_the_table():
    rows = [json.loads(line) for line in TABLE.read_text().splitlines()]
    types, truths, predictions = (
        [row[name] for row in rows] for name in ("question_type", "ground_truth", "prediction")
    )
    scores = [row["score"] for row in rows]
    assert rewarded(truths, predictions) == scores
    assert evaluated(types, truths, predictions) == scores
    assert set(scores) == {step / 10 for step in range(11)}


@given(st.text(alphabet="ABCD0123456789.,-e \n\tcminfa", max_size=8), st.sampled_from(["A", "D", "3", "0.4", "120.0"]))
def test_both_packages_agree_on_any_answer(prediction, truth):
    kind = CHOICE if truth in "ABCD" else NUMBER
    assert rewarded([truth], [prediction]) == evaluated([kind], [truth], [prediction])
