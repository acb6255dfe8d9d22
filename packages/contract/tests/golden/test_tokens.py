"""Which tokens count, and which token is an option's letter, for tokenizers of three shapes."""

import numpy as np
import pytest
from qa_contract.options import chosen_option, option_letter, option_letters, option_text
from qa_contract.tokens import counts, letter_logprobs, letter_tokens, text_counts

BYTE = 2  # id of the byte 0 in the byte-level tokenizer


@pytest.mark.parametrize(
    ("option", "letter", "text"),
    [
        ("A. sofa", "A", "sofa"),
        ("A) sofa", "A", "sofa"),
        ("(A) sofa", "A", "sofa"),
        ("A: sofa", "A", "sofa"),
        (" B.bed", "B", "bed"),
        ("C. 0.5 m", "C", "0.5 m"),
        ("D.", "D", ""),
        ("A sofa", "A sofa", "A sofa"),  # an article
        ("TV. on the wall", "TV. on the wall", "TV. on the wall"),
        ("0.5 m", "0.5 m", "0.5 m"),
        ("a. sofa", "a. sofa", "a. sofa"),
    ],
)
def test_letter_and_text_of_an_option(option, letter, text):
    assert (option_letter(option), option_text(option)) == (letter, text)


@pytest.mark.parametrize(
    ("options", "letters"),
    [
        (["A. sofa", "B. bed"], ["A", "B"]),
        (["A) sofa", "B) bed", "C) tv"], ["A", "B", "C"]),
        (["A. sofa", "(B) bed"], ["A", "B"]),
        (["B. sofa", "A. bed"], ["B", "A"]),
        (["A. sofa", "bed"], None),
        (["A. sofa", "A. bed"], None),
        (["yes", "no"], None),
        ([], None),
        (None, None),
    ],
)
def test_letters_of_a_question(options, letters):
    assert option_letters(options) == letters


@pytest.mark.parametrize(
    ("completion", "option"),
    [
        ("A", 0),
        ("b", 1),
        ("C.", 2),
        ("D. lamp", 3),
        ("A) sofa", 0),
        ("(B) bed", 1),
        (" C\n", 2),
        ("A\nsofa", 0),
        ("Apple", None),
        ("12", None),
        ("the sofa", None),
        ("", None),
    ],
)
def test_the_option_that_an_answer_names(completion, option):
    assert chosen_option(completion) == option


def test_a_letter_is_one_token_of_a_byte_level_tokenizer(byte_tokenizer):
    expected = [BYTE + ord("A"), BYTE + ord("B")]
    assert letter_tokens(["A. sofa", "B. bed"], byte_tokenizer) == expected
    assert letter_tokens(["A) sofa", "B) bed"], byte_tokenizer) == expected
    assert letter_tokens(["A. sofa", "bed"], byte_tokenizer) is None
    assert letter_tokens(None, byte_tokenizer) is None


def test_a_letter_of_several_tokens_is_known_by_its_first(nibble_tokenizer):
    assert letter_tokens(["A. sofa", "B. bed"], nibble_tokenizer) == [BYTE + 1, BYTE + 2]


def test_letters_that_begin_alike_have_no_token(prefix_tokenizer, nibble_tokenizer):
    assert letter_tokens(["A. sofa", "B. bed"], prefix_tokenizer) is None
    assert letter_tokens(["A. sofa", "Q. bed"], nibble_tokenizer) is None  # 0x41 and 0x51


def test_special_tokens_ends_and_white_space_do_not_count(byte_tokenizer):
    ids = [*byte_tokenizer.encode("B  sofa\n\n1é", add_special_tokens=False), 1, 0]
    mask = counts(ids, byte_tokenizer)
    kept = [byte_tokenizer.decode([token]) for token in np.array(ids)[mask].tolist()]
    assert kept == ["B", "sofa", "1", "\ufffd", "\ufffd"]  # a part of a character is a part of the answer
    without_b = counts(ids, byte_tokenizer, ends=[BYTE + ord("B")])
    assert without_b.tolist() == [False, *mask.tolist()[1:]]


def test_an_empty_answer_has_no_tokens(byte_tokenizer):
    found = counts(np.array([], dtype=np.int64), byte_tokenizer)
    assert (found.shape, found.dtype) == ((0,), bool)


def test_texts_of_tokens_follow_the_same_rule(byte_tokenizer):
    ids = [*byte_tokenizer.encode("B  sofa\n\n12 A", add_special_tokens=False), 0, 1]
    texts = [byte_tokenizer.decode([token]) for token in ids]
    assert [text_counts(text) for text in texts] == counts(ids, byte_tokenizer).tolist()


def test_letters_of_a_server_are_complete_or_nothing():
    first = {"A": -0.2, "B": -2.0, " A": -3.0}
    assert letter_logprobs(first, ["B) bed", "A) sofa"]) == [-2.0, -0.2]
    assert letter_logprobs(first, ["A. sofa", "C. tv"]) is None
    assert letter_logprobs(first, None) is None
