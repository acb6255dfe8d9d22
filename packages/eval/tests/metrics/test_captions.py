"""Caption metrics against values worked out by hand, and against a slow independent implementation."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qa_eval.metrics.captions import (
    bleu_scores,
    caption_scores,
    cider_scores,
    longest_common,
    rouge_l,
    tokens,
)

WORDS = st.lists(st.sampled_from(["red", "chair", "by", "the", "door"]), max_size=6)
ROWS = st.lists(st.tuples(WORDS, st.lists(WORDS, min_size=1, max_size=3)), min_size=1, max_size=5)

# As the Java tokenizer of coco-caption splits these texts, its list of punctuation taken away.
TOKENS = {
    "The chair is L-shaped, isn't it?": "the chair is l-shaped is n't it",
    "it\u2019s on the left; don't go (really).": "it 's on the left do n't go -lrb- really -rrb-",
    "\"brown\" 'wooden' table's leg": "brown wooden table 's leg",
    "and/or 1/2 3.5 1,234 $5 50% #3 & @": "and/or 1/2 3.5 1,234 $ 5 50 % # 3 & @",
    "cannot gonna wanna gotta 5'4\" 10cm": "can not gon na wan na got ta 5 4 10cm",
    "T.V. tv. U.S. mr. smith etc. e.g. no. 5": "t.v. tv u.s. mr. smith etc. e.g. no. 5",
    "hello...world -- yes - no": "hello world yes no",
    "o'clock the tables' legs": "o'clock the tables legs",
    "a_b c+d=e * [x] {y}": "a_b c + d = e * -lsb- x -rsb- -lcb- y -rcb-",
    "see me@x.com or http://a.b/c": "see me@x.com or http://a.b/c",
    "12:30 pm, 3rd t-shirt one.two": "12:30 pm 3rd t-shirt one.two",
    "caf\u00e9 \u6c99\u53d1": "caf\u00e9 \u6c99\u53d1",
    "": "",
}


@pytest.mark.parametrize(("text", "expected"), TOKENS.items())
def test_tokens(text, expected):
    assert list(tokens(text)) == expected.split()


def test_bleu_by_hand():
    """The classic clipped count: "the" occurs twice in the reference, so 2 of 7 are right; no bigram is."""
    answer, reference = ["the"] * 7, ["the", "cat", "is", "on", "the", "mat"]
    scores = bleu_scores([answer], [[reference]])
    assert scores[0] == pytest.approx(2 / 7)
    assert scores[1] == pytest.approx(0, abs=1e-6)


def test_bleu_pays_for_brevity_and_counts_all_rows_together():
    # 2 of 2 and 1 of 2 words are right; the closest references have 4 and 2 words: brevity exp(1 - 6 / 4).
    answers = [["a", "b"], ["c", "x"]]
    references = [[["a", "b", "d", "e"]], [["c", "d"], ["c"] * 9]]
    scores = bleu_scores(answers, references)
    assert scores[0] == pytest.approx(3 / 4 * math.exp(1 - 6 / 4))
    assert scores[1] == pytest.approx(math.sqrt(3 / 4 * 1 / 2) * math.exp(1 - 6 / 4))


def test_the_shorter_of_equally_near_references_counts():
    assert bleu_scores([["a", "b", "c"]], [[["a"] * 4, ["a", "b"]]])[0] == pytest.approx(2 / 3)


def test_rouge_by_hand():
    # The longest common subsequence is "the red chair": precision 3/4 of the first, recall 3/3 of the second.
    answer, references = ["the", "big", "red", "chair"], [["chair"], ["the", "red", "chair"]]
    precision, recall = 3 / 4, 1.0
    expected = (1 + 1.44) * precision * recall / (recall + 1.44 * precision)
    assert rouge_l([answer], [references]).tolist() == pytest.approx([expected])
    assert rouge_l([["left"], []], [[["right"]], [["right"]]]).tolist() == [0, 0]


def test_cider_by_hand():
    """Three rows of one word each; an answer that is right has a cosine of 1 for unigrams and 0 for longer n-grams."""
    references = [[["sofa"]], [["bed"]], [["bed"]]]
    assert cider_scores([["sofa"], ["bed"], ["sofa"]], references).tolist() == pytest.approx([2.5, 2.5, 0])
    # The weight of a word that all rows hold is log(3 / 3) = 0.
    assert cider_scores([["a"]] * 3, [[["a"]]] * 3).tolist() == [0, 0, 0]


def slow_cider(answers, references):
    """CIDEr-D as coco-caption defines it, n by n, with vectors over the whole vocabulary."""
    grams = lambda text, n: [tuple(text[i : i + n]) for i in range(len(text) - n + 1)]  # noqa: E731
    scores = np.zeros(len(answers))
    for n in range(1, 5):
        vocabulary = sorted({g for texts in [*references, answers] for text in texts for g in grams(text, n)})
        holds = [[any(g in grams(text, n) for text in texts) for g in vocabulary] for texts in references]
        idf = np.log(len(references)) - np.log(np.maximum(1, np.sum(holds, axis=0)))
        vector = lambda text: np.array([grams(text, n).count(g) for g in vocabulary]) * idf  # noqa: B023, E731
        for i, (answer, texts) in enumerate(zip(answers, references, strict=True)):
            for text in texts:
                a, b = vector(answer), vector(text)
                size = np.linalg.norm(a) * np.linalg.norm(b)
                delta = len(grams(answer, 2)) - len(grams(text, 2))
                cosine = (np.minimum(a, b) * b).sum() / size if size else 0
                scores[i] += 10 / 4 / len(texts) * cosine * np.exp(-(delta**2) / 72)
    return scores


@given(ROWS)
def test_cider_equals_a_slow_implementation(rows):
    answers, references = [answer for answer, _ in rows], [texts for _, texts in rows]
    assert cider_scores(answers, references) == pytest.approx(slow_cider(answers, references), abs=1e-9)


@given(ROWS)
def test_bleu_equals_a_slow_implementation(rows):
    total = 1.0
    length = sum(len(answer) for answer, _ in rows)
    near = sum(min((abs(len(t) - len(answer)), len(t)) for t in texts)[1] for answer, texts in rows)
    for n in range(1, 5):
        right = guessed = 0
        for answer, texts in rows:
            own = Counter(zip(*(answer[i:] for i in range(n)), strict=False))
            other = [Counter(zip(*(text[i:] for i in range(n)), strict=False)) for text in texts]
            right += sum(min(count, max(o[g] for o in other)) for g, count in own.items())
            guessed += sum(own.values())
        total *= (right + 1e-15) / (guessed + 1e-9)
        ratio = (length + 1e-15) / (near + 1e-9)
        expected = total ** (1 / n) * (math.exp(1 - 1 / ratio) if ratio < 1 else 1)
        assert bleu_scores(*zip(*rows, strict=True))[n - 1] == pytest.approx(expected)


@given(WORDS, WORDS)
def test_the_longest_common_subsequence_is_the_longest(a, b):
    common = set(itertools.chain.from_iterable(itertools.combinations(a, n) for n in range(len(a) + 1)))
    common &= set(itertools.chain.from_iterable(itertools.combinations(b, n) for n in range(len(b) + 1)))
    assert longest_common(a, b) == longest_common(b, a) == max(map(len, common))


GOLDEN = {
    "BLEU-1": 49.99999999375001,
    "BLEU-2": 44.72135954272859,
    "BLEU-3": 40.54801329492466,
    "BLEU-4": 0.009036020032352269,
    "ROUGE-L": 47.64524139524139,
    "CIDEr": 153.24420541207743,
}
"""What pycocoevalcap 1.2 with its Java tokenizer gives for the texts below."""


def test_scores_of_texts():
    answers = ["The brown, wooden chair", "it's two", "left"]
    references = [["a brown wooden chair", "brown chair"], ["two"], ["on the right side", "right"]]
    assert caption_scores(answers, references) == pytest.approx(GOLDEN, abs=1e-9)
    assert caption_scores([], []) == {}
