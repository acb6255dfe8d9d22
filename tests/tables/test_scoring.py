"""A reward of the trainer, or of an exported environment, is the score that the evaluator gives to the same answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from qa_contract.scoring import score_answer
from qa_eval.benchmarks import find_benchmark
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers
from qa_trainer.rewards import REWARDS

NUMBER, CHOICE = "object_abs_distance", "object_rel_distance"
OPTIONS = ["A. sofa", "B. bed", "C. tv", "D. lamp"]


@given(st.text(alphabet="ABCD0123456789.,-e \n\tcminfa", max_size=8), st.sampled_from(["A", "D", "3", "0.4", "120.0"]))
def test_reward_and_score_agree_on_any_answer(prediction, truth):
    is_choice = truth in "ABCD"
    name, kind = ("choice", CHOICE) if is_choice else ("mra", NUMBER)
    reward = REWARDS[name]([prediction], ground_truth=[truth], options=[OPTIONS if is_choice else None])
    answers = Answers([0], [kind], [truth], [prediction])
    score = score_answers(answers, find_benchmark("vsi-bench"), find_parser("official")).score.tolist()
    assert reward == score == [score_answer(prediction, truth, OPTIONS if is_choice else None)]
