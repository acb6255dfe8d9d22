import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from qa_contract.answers import (
    choice_accuracy,
    first_number,
    first_token,
    fold_codes,
    mean_relative_accuracy,
    relative_accuracy,
    score_choice,
    score_number,
)
from qa_contract.options import chosen_option, option_letter, option_letters, option_text

any_float = st.floats(allow_nan=True, allow_infinity=True)
truths = st.floats(-1e6, 1e6).filter(lambda value: value != 0)
texts = st.text(alphabet="ABCDabcd0123456789.,-e_ ()\n\tinfa", max_size=10)


def loop(prediction: float, truth: float) -> float:
    """The benchmark's own definition."""
    passed = [abs(prediction - truth) / truth <= 1 - t for t in np.linspace(0.5, 0.95, 10)]
    return float(np.array(passed).mean())


@given(
    st.lists(
        st.tuples(st.integers(-50, 4000).map(lambda v: v / 10), st.integers(1, 2000).map(lambda v: v / 10)),
        min_size=1,
        max_size=30,
    )
)
def test_both_forms_equal_the_definition_bit_for_bit(pairs):
    prediction, truth = np.array(pairs).T
    expected = [loop(p, t) for p, t in pairs]
    assert mean_relative_accuracy(prediction, truth).tolist() == expected
    assert [relative_accuracy(p, t) for p, t in pairs] == expected


@given(any_float, any_float)
def test_one_number_scores_as_an_array_does(predicted, truth):
    np.testing.assert_equal(relative_accuracy(predicted, truth), mean_relative_accuracy(predicted, truth).item())


@given(truths.map(abs), st.floats(0, 2), st.floats(0, 2))
def test_a_larger_error_never_scores_more(truth, a, b):
    small, large = sorted([a, b])
    near, far = mean_relative_accuracy([truth * (1 + small), truth * (1 + large)], truth)
    assert 0 <= far <= near <= 1


@given(st.integers(-1000, 1000), st.integers(1, 1000), st.integers(-20, 20))
def test_the_unit_does_not_matter(predicted, truth, power):
    scale = 2.0**power  # a power of two changes no digit
    assert relative_accuracy(predicted * scale, truth * scale) == relative_accuracy(predicted, truth)


@given(texts)
def test_reading_is_stable(text):
    token = first_token(text)
    assert token == token.strip()
    assert " " not in token
    number = first_number(text)
    assert number is None or math.isnan(number) or number == float(token)


@given(texts, st.sampled_from("ABCD"))
def test_a_choice_scores_alike_alone_and_among_others(text, truth):
    assert score_choice(text, truth) == choice_accuracy([first_token(text)], [truth]).item()
    assert score_choice(text, truth) == score_choice(text, truth.lower())


@given(texts, truths)
def test_a_score_is_one_of_eleven(text, truth):
    assert score_number(text, truth) in {step / 10 for step in range(11)}


@given(st.lists(st.one_of(st.none(), texts), max_size=10))
def test_codes_are_equal_where_texts_are(values):
    codes = fold_codes(values, {}).tolist()
    for a, x in zip(values, codes, strict=True):
        for b, y in zip(values, codes, strict=True):
            assert (x == y) == ((a is None and b is None) or (None not in (a, b) and a.lower() == b.lower()))


@given(texts, st.sampled_from("ABCD"))
def test_an_answer_that_scores_names_its_option(text, truth):
    if score_choice(text.strip(), truth) == 1:
        assert chosen_option(text) == ord(truth) - ord("A")


@given(
    st.lists(st.text(alphabet="abc .)(", max_size=6), min_size=1, max_size=6),
    st.sampled_from(["{}. {}", "{}) {}", "({}) {}"]),
)
def test_letters_and_texts_of_lettered_options_come_back(names, form):
    options = [form.format(chr(ord("A") + k), name) for k, name in enumerate(names)]
    assert option_letters(options) == [option_letter(option) for option in options]
    assert [option_text(option) for option in options] == [name.strip() for name in names]
