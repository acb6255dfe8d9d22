import numpy as np
import pytest
from qa_confidence.errors import InputError
from qa_confidence.scores import (
    SCORES,
    Tokens,
    choice_softmax,
    first_token,
    geometric_mean,
    leading_digits,
    min_token,
    self_consistency,
    sequence_probability,
)

LOG = np.log
THREE = Tokens.from_lists(
    [[LOG(0.5), LOG(0.125), LOG(0.001)], [LOG(0.9)], [LOG(0.2), LOG(0.3)]],
    [[True, True, False], [True], [False, False]],
)


def test_geometric_mean_counts_masked_tokens_only():
    np.testing.assert_allclose(geometric_mean(THREE), [0.25, 0.9, np.nan])


def test_sequence_probability_is_the_product():
    np.testing.assert_allclose(sequence_probability(THREE), [0.0625, 0.9, np.nan])


def test_min_and_first_token():
    np.testing.assert_allclose(min_token(THREE), [0.125, 0.9, np.nan])
    np.testing.assert_allclose(first_token(THREE), [0.5, 0.9, np.nan])
    leading_space = Tokens.from_lists([[LOG(0.1), LOG(0.7), LOG(0.2)]], [[False, True, True]])
    np.testing.assert_allclose(first_token(leading_space), [0.7])


def of_a_number(logprobs):
    flat = np.array(logprobs)
    none = np.full((1, 2), np.nan)
    return Tokens(flat, np.ones(len(flat), dtype=bool), np.array([len(flat)]), ["12"], none)


def test_impossible_token_gives_zero():
    tokens = of_a_number([-np.inf, 0.0])
    for name, function in SCORES.items():
        assert function(tokens)[0] == 0.0, name


def test_rounding_above_zero_does_not_exceed_one():
    tokens = of_a_number([1e-7, 1e-7])
    for name, function in SCORES.items():
        assert function(tokens)[0] == 1.0, name


def test_leading_digits_ignores_trailing_ones():
    sure, unsure = LOG(1.0), LOG(0.25)
    tokens = Tokens.from_lists(
        [[unsure, unsure, sure, sure], [sure, sure, unsure, unsure], [unsure], [unsure, sure]],
        completion=["1234", "0.35", "B", "1234"],
    )
    np.testing.assert_allclose(leading_digits(tokens), [0.25, 0.5, 0.25, np.nan])
    np.testing.assert_allclose(leading_digits(tokens, digits=1)[:2], [0.25, 0.25 ** (1 / 3)])


def test_leading_digits_needs_the_text():
    with pytest.raises(InputError, match="completion"):
        leading_digits(THREE)


def test_choice_softmax_renormalises_over_the_options():
    np.testing.assert_allclose(
        choice_softmax([[LOG(0.1), LOG(0.3)], [-1000.0, -1001.0]], [1, 0]), [0.75, 1 / (1 + np.exp(-1))]
    )
    with pytest.raises(InputError):
        choice_softmax([0.1, 0.2], [0])


def test_self_consistency_agrees_by_text_or_by_relative_accuracy():
    value = self_consistency(["a", "b", "a", "b", "c", "a"], ["A", "10", "B", "9", "A", "A"])
    # 9 for truth 10 has accuracy 0.9; 10 for truth 9 is off by 1/9, accuracy 0.8
    np.testing.assert_allclose(value, [0.5, 0.85, 0.0, 0.85, np.nan, 0.5])


def test_mask_of_another_length_is_refused():
    with pytest.raises(InputError, match=r"\[1\]"):
        Tokens.from_lists([[0.0], [0.0, 0.0]], [[True], [True]])
