import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from qa_contract.answers import mean_relative_accuracy
from qa_eval.runners.base import Item, RunnerConfig
from qa_eval.runners.baselines import MajorityRunner, RandomRunner, best_constant


@given(st.lists(st.integers(1, 60), min_size=1, max_size=12))
def test_no_constant_beats_the_best_one(truths):
    def mean(constant):
        return mean_relative_accuracy(constant, np.array(truths, dtype=float)).mean()

    best = mean(float(best_constant([str(t) for t in truths])))
    assert best >= max(mean(float(c)) for c in range(1, 90)) - 1e-12


def test_decimals_of_the_ground_truth_are_kept():
    assert best_constant(["1.5", "1.5", "9.0"]) == "1.5"


def test_option_text_is_turned_into_the_letter_of_each_question():
    reference = (
        Item("1", "side", "", "B", options=("A. left", "B. right")),
        Item("2", "side", "", "A", options=("A. right", "B. left")),
        Item("3", "near", "", "B", options=("A. bed", "B. sofa")),
        Item("4", "near", "", "B", options=("A. tv", "B. sink")),
    )
    runner = MajorityRunner(RunnerConfig(reference=reference))
    asked = [
        Item("a", "side", "", options=("A. right", "B. left")),
        Item("b", "side", "", options=("A. left", "B. right")),
        Item("c", "near", "", options=("A. x", "B. y")),
        Item("d", "size", ""),
    ]
    answers = runner.answer(asked)
    assert [answer.completion for answer in answers[:3]] == ["A", "B", "B"]
    assert answers[3].error == "no_baseline"


def test_random_guesses_are_uniform_seeded_and_independent_of_order():
    options = ("A. x", "B. y", "C. z", "D. w")
    items = [Item(str(i), "side", "", options=options) for i in range(2000)]
    runner = RandomRunner(RunnerConfig(seed=1))
    first = [answer.completion for answer in runner.answer(items)]
    assert [answer.completion for answer in runner.answer(items[::-1])] == first[::-1]
    shares = np.array([first.count(letter) for letter in "ABCD"]) / 2000
    assert np.abs(shares - 0.25).max() < 0.04
    assert first != [answer.completion for answer in RandomRunner(RunnerConfig(seed=2)).answer(items)]


def test_random_numbers_come_from_the_reference():
    runner = RandomRunner(RunnerConfig(reference=(Item("r", "size", "", "7"),)))
    assert runner.answer([Item("a", "size", "")])[0].completion == "7"
    assert runner.answer([Item("a", "area", "")])[0].error == "no_baseline"
