"""Caption metrics of coco-caption: BLEU, ROUGE-L and CIDEr of answers against all their references.

METEOR is not here: it needs the paraphrase tables and the stemmers of a Java program.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_N = 4
"""Longest n-grams."""

LCS_BETA = 1.2
"""Weight of recall in ROUGE-L."""

LENGTH_SIGMA = 6.0
"""Width of CIDEr's penalty on a difference of length."""

SMALL, TINY = 1e-9, 1e-15
"""What coco-caption adds to the denominators and numerators of BLEU."""

TOKEN = re.compile(
    r"""
    (?:https?://|www\.)\S+ | [\w.+-]+@[\w-]+(?:\.[\w-]+)+   # addresses
    | (?:[^\W\d_]\.){2,} | (?:mr|mrs|ms|dr|st|jr|sr|vs|etc|no(?=\.\s*\d))\.   # abbreviations keep their dots
    | o'clock | \w+(?=n't\b) | n't\b | '(?:s|m|d|re|ve|ll)\b
    | can(?=not\b) | (?<=can)not\b | (?:gon|wan)(?=na\b) | (?<=gon|wan)na\b | got(?=ta\b) | (?<=got)ta\b
    | \w+(?:[-/.]\w+ | (?<=\d)[,:](?=\d)\w+)*
    | [^\w\s]
    """,
    re.VERBOSE,
)
BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}
DROPPED = frozenset("'`\".?!,:;-\u2018\u2019\u201c\u201d\u2013\u2014\u2026")

Words = Sequence[str]
Ngrams = Counter[tuple[str, ...]]


@functools.lru_cache(maxsize=100_000)
def tokens(text: str) -> tuple[str, ...]:
    """Split a text as the tokenizer of coco-caption does: lower case, contractions apart, no punctuation.

    Examples
    --------
    >>> tokens("The L-shaped desk isn't Ann's.")
    ('the', 'l-shaped', 'desk', 'is', "n't", 'ann', "'s")
    """
    found: list[str] = TOKEN.findall(text.lower().replace("\u2019", "'"))
    return tuple(BRACKETS.get(token, token) for token in found if token not in DROPPED)


def caption_scores(answers: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Score answers by all caption metrics, in percent as the field reports them (CIDEr times 100 as well).

    Parameters
    ----------
    answers : sequence of str, length n
    references : sequence of (sequence of str), length n
        All right answers; at least one each.

    Returns
    -------
    dict
        ``BLEU-1`` to ``BLEU-4``, ``ROUGE-L``, ``CIDEr``; empty without rows.

    Examples
    --------
    >>> scores = caption_scores(["a brown chair", "two"], [["a brown chair"], ["three", "two"]])
    >>> round(scores["BLEU-1"], 6), round(scores["ROUGE-L"], 6)
    (100.0, 100.0)
    """
    if not answers:
        return {}
    given = [tokens(text) for text in answers]
    right = [[tokens(text) for text in texts] for texts in references]
    bleu = {f"BLEU-{n}": value for n, value in enumerate(bleu_scores(given, right), start=1)}
    rouge, cider = float(rouge_l(given, right).mean()), float(cider_scores(given, right).mean())
    return {name: 100 * value for name, value in {**bleu, "ROUGE-L": rouge, "CIDEr": cider}.items()}


def bleu_scores(answers: Sequence[Words], references: Sequence[Sequence[Words]]) -> list[float]:
    """BLEU-1 to BLEU-4 of all answers together; the reference length of each is the closest one, then the shortest.

    Examples
    --------
    >>> [round(score, 4) for score in bleu_scores([["a", "b"]], [[["a", "c"], ["a", "b", "d"]]])][:2]
    [1.0, 1.0]
    """
    correct, guessed = np.zeros(MAX_N), np.zeros(MAX_N)
    length = expected = 0
    for answer, right in zip(answers, references, strict=True):
        most = functools.reduce(Counter.__or__, (ngrams(text) for text in right))
        for gram, count in (ngrams(answer) & most).items():
            correct[len(gram) - 1] += count
        guessed += [max(0, len(answer) - n) for n in range(MAX_N)]
        length += len(answer)
        expected += min((abs(len(text) - len(answer)), len(text)) for text in right)[1]
    precision = np.cumprod((correct + TINY) / (guessed + SMALL)) ** (1 / np.arange(1, MAX_N + 1))
    ratio = (length + TINY) / (expected + SMALL)
    return (precision * (math.exp(1 - 1 / ratio) if ratio < 1 else 1.0)).tolist()


def rouge_l(answers: Sequence[Words], references: Sequence[Sequence[Words]]) -> NDArray[np.float64]:
    """ROUGE-L per answer: F of the best precision and the best recall, which may come from different references.

    An empty text counts as one empty token, as in coco-caption.
    """

    def one(answer: Words, right: Sequence[Words]) -> float:
        shared = [(longest_common(text or ("",), answer or ("",)), len(text or ("",))) for text in right]
        precision = max(n for n, _ in shared) / len(answer or ("",))
        recall = max(n / length for n, length in shared)
        if precision == 0 or recall == 0:
            return 0.0
        return (1 + LCS_BETA**2) * precision * recall / (recall + LCS_BETA**2 * precision)

    return np.array([one(answer, right) for answer, right in zip(answers, references, strict=True)])


def cider_scores(answers: Sequence[Words], references: Sequence[Sequence[Words]]) -> NDArray[np.float64]:
    """CIDEr per answer, as coco-caption defines it: clipped counts and a penalty on length (CIDEr-D), times 10.

    Notes
    -----
    The weight of an n-gram is its count times ``log(rows / rows whose references hold it)``, so the score of one row
    depends on all rows: subsets are not comparable with the whole. The length is that in bigrams.
    """
    right = [[ngrams(text) for text in texts] for texts in references]
    rows = Counter(gram for texts in right for gram in set().union(*texts))
    total = math.log(len(right))

    def weigh(grams: Ngrams) -> tuple[list[dict[tuple[str, ...], float]], list[float]]:
        parts: list[dict[tuple[str, ...], float]] = [{} for _ in range(MAX_N)]
        for gram, count in grams.items():
            parts[len(gram) - 1][gram] = count * (total - math.log(max(1, rows[gram])))
        return parts, [math.sqrt(math.fsum(value**2 for value in part.values())) for part in parts]

    def one(answer: Words, texts: Sequence[Ngrams]) -> float:
        mine, norms = weigh(ngrams(answer))
        found = 0.0
        for text in texts:
            theirs, their_norms = weigh(text)
            delta = max(0, len(answer) - 1) - sum(count for gram, count in text.items() if len(gram) == 2)
            alike = (
                sum(min(value, b.get(gram, 0.0)) * b.get(gram, 0.0) for gram, value in a.items()) / (norm * their_norm)
                for a, b, norm, their_norm in zip(mine, theirs, norms, their_norms, strict=True)
                if norm and their_norm
            )
            found += sum(alike) * math.exp(-(delta**2) / (2 * LENGTH_SIGMA**2))
        return 10 * found / MAX_N / len(texts)

    return np.array([one(answer, texts) for answer, texts in zip(answers, right, strict=True)])


def ngrams(words: Words) -> Ngrams:
    """Count all n-grams of one to four words.

    Examples
    --------
    >>> sorted(ngrams(["a", "b", "a"]).items())[:3]
    [(('a',), 2), (('a', 'b'), 1), (('a', 'b', 'a'), 1)]
    """
    return Counter(tuple(words[i : i + n]) for n in range(1, MAX_N + 1) for i in range(len(words) - n + 1))


def longest_common(a: Words, b: Words) -> int:
    """Length of the longest common subsequence.

    Examples
    --------
    >>> longest_common("the red chair".split(), "the chair".split())
    2
    """
    row = [0] * (len(b) + 1)
    for word in a:
        above = row
        row = [0]
        for j, other in enumerate(b):
            row.append(above[j] + 1 if word == other else max(row[j], above[j + 1]))
    return row[-1]
