"""Token log-probabilities to one confidence per answer.

Only tokens whose mask is true count: end tokens, white space and unit tokens say nothing about the answer. Every
function returns NaN for an answer without a counted token, so that the caller decides what to do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from qa_contract.answers import mean_relative_accuracy
from qa_contract.options import chosen_option

from qa_confidence.errors import InputError

Floats = NDArray[np.float64]

POSITIVE_TOLERANCE = 1e-6
"""A float32 log-softmax may exceed 0 by rounding; up to here it counts as 0."""


@dataclass(frozen=True)
class Tokens:
    """The answer tokens of n predictions, one after another.

    Attributes
    ----------
    logprobs : (t,) float64
        Natural logarithms of the token probabilities.
    mask : (t,) bool
        True where the token counts.
    lengths : (n,) int64
        Tokens per prediction; they sum to t.
    completion : sequence of str, optional
        The answers as text, needed by `leading_digits` and `letter_softmax` only.
    options : (n, k) float64, optional
        Log-probability of each option's letter in place of the answer, needed by `letter_softmax` only: -inf beyond
        the options of a question, NaN throughout where none are stored.
    """

    logprobs: Floats
    mask: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    completion: Sequence[str] | None = None
    options: Floats | None = None

    @classmethod
    def from_lists(
        cls,
        logprobs: Sequence[Sequence[float]],
        mask: Sequence[Sequence[bool]] | None = None,
        *,
        completion: Sequence[str] | None = None,
    ) -> Tokens:
        """Build from one list per prediction; without a mask every token counts.

        Raises
        ------
        InputError
            A mask is not as long as its log-probabilities.
        """
        lengths = np.array([len(row) for row in logprobs], dtype=np.int64)
        if mask is not None:
            wrong = [i for i, row in enumerate(mask) if len(row) != lengths[i]]
            if len(mask) != len(lengths) or wrong:
                raise InputError(f"The mask differs in length from the log-probabilities in rows {wrong[:5]}.")
        flat = np.array([value for row in logprobs for value in row], dtype=np.float64)
        counted = np.ones(len(flat), dtype=bool)
        if mask is not None:
            counted = np.array([bool(value) for row in mask for value in row], dtype=bool)
        return cls(flat, counted, lengths, completion)

    @property
    def row(self) -> NDArray[np.int64]:
        """Index of the prediction of every token, (t,) int64."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def counted(self) -> NDArray[np.int64]:
        """Count the tokens that the mask keeps, (n,) int64."""
        return np.bincount(self.row[self.mask], minlength=len(self.lengths))


def geometric_mean(tokens: Tokens) -> Floats:
    """Geometric mean of the counted token probabilities: exp(mean log p). The published recipe's choice.

    Trailing digits are easy to predict and lift this value for long numbers; compare answers of one type only, or use
    `leading_digits`.

    Examples
    --------
    >>> tokens = Tokens.from_lists([[np.log(0.5), np.log(0.125)], [np.log(0.5), -9.0]], [[True, True], [True, False]])
    >>> geometric_mean(tokens).round(6).tolist()
    [0.25, 0.5]
    """
    return np.exp(_mean(tokens, tokens.mask))


def sequence_probability(tokens: Tokens) -> Floats:
    """Probability of the whole answer: the product of the counted token probabilities.

    Examples
    --------
    >>> sequence_probability(Tokens.from_lists([[np.log(0.5), np.log(0.125)]])).round(6).tolist()
    [0.0625]
    """
    return np.exp(_mean(tokens, tokens.mask) * tokens.counted())


def min_token(tokens: Tokens) -> Floats:
    """Probability of the least likely counted token.

    Examples
    --------
    >>> min_token(Tokens.from_lists([[np.log(0.5), np.log(0.125)]])).round(6).tolist()
    [0.125]
    """
    lowest = np.full(len(tokens.lengths), np.inf)
    np.minimum.at(lowest, tokens.row[tokens.mask], _clipped(tokens)[tokens.mask])
    return np.where(np.isinf(lowest) & (lowest > 0), np.nan, np.exp(np.minimum(lowest, 0.0)))


def first_token(tokens: Tokens) -> Floats:
    """Probability of the first counted token.

    Examples
    --------
    >>> first_token(Tokens.from_lists([[-9.0, np.log(0.5), -1.0]], [[False, True, True]])).round(6).tolist()
    [0.5]
    """
    first = np.full(len(tokens.lengths), np.nan)
    row, logprobs = tokens.row[tokens.mask], _clipped(tokens)[tokens.mask]
    first[row[::-1]] = logprobs[::-1]  # the last assignment to a row is its first token
    return np.exp(first)


def leading_digits(tokens: Tokens, *, digits: int = 2) -> Floats:
    """Geometric mean up to the `digits`-th significant digit of a number; the whole answer where it is no number.

    The text is matched to the tokens one character per counted token, as tokenizers that split numbers into digits
    write it. A number for which that does not hold is NaN.

    Examples
    --------
    >>> tokens = Tokens.from_lists([[np.log(0.5)] * 2 + [0.0] * 2, [np.log(0.9)]], completion=["12.5", "B"])
    >>> leading_digits(tokens).round(6).tolist()
    [0.5, 0.9]
    """
    if tokens.completion is None:
        raise InputError("leading_digits needs the completions; pass Tokens(..., completion=...).")
    keep = tokens.mask.copy()
    undefined = np.zeros(len(tokens.lengths), dtype=bool)
    ends = np.cumsum(tokens.lengths)
    for i, text in enumerate(tokens.completion):
        compact = "".join((text or "").split())
        if not _is_number(compact):
            continue
        positions = np.flatnonzero(tokens.mask[ends[i] - tokens.lengths[i] : ends[i]]) + ends[i] - tokens.lengths[i]
        if len(positions) != len(compact):
            undefined[i] = True
            continue
        keep[positions[_leading(compact, digits) :]] = False
    return np.where(undefined, np.nan, np.exp(_mean(tokens, keep)))


def choice_softmax(option_logprobs: ArrayLike, chosen: ArrayLike) -> Floats:
    """Probability of the chosen option letter among the option letters only.

    Parameters
    ----------
    option_logprobs : (n, k) array_like
        Log-probability of each option letter; -inf where a question has fewer options.
    chosen : (n,) array_like of int
        Column of the model's answer.

    Examples
    --------
    >>> choice_softmax([[np.log(0.3), np.log(0.1), -np.inf]], [0]).round(6).tolist()
    [0.75]
    """
    logprobs = np.asarray(option_logprobs, dtype=np.float64)
    column = np.asarray(chosen, dtype=np.int64)
    if logprobs.ndim != 2 or column.shape != logprobs.shape[:1]:
        raise InputError(f"Expected (n, k) option log-probs and (n,) choices, found {logprobs.shape}, {column.shape}.")
    shifted = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))
    return shifted[np.arange(len(column)), column] / shifted.sum(axis=1)


def letter_softmax(tokens: Tokens) -> Floats:
    """`choice_softmax` of the option that the completion names; the geometric mean where the answer is a number.

    NaN where a completion names no option of its question, or where the letter's options are not stored.

    Examples
    --------
    >>> logprobs, mask, lengths = np.log([0.3, 0.5]), np.array([True, True]), np.array([1, 1])
    >>> options = np.log([[0.3, 0.1], [np.nan, np.nan]])
    >>> letter_softmax(Tokens(logprobs, mask, lengths, ["A. sofa", "12"], options)).round(6).tolist()
    [0.75, 0.5]
    """
    if tokens.completion is None or tokens.options is None:
        raise InputError("letter_softmax needs the completions and the options; pass Tokens(..., options=...).")
    texts = [(text or "").strip() for text in tokens.completion]
    letter = np.array([-1 if (found := chosen_option(text)) is None else found for text in texts], dtype=int)
    row = np.flatnonzero((letter >= 0) & (letter < tokens.options.shape[1]))
    row = row[np.isfinite(tokens.options[row, letter[row]])]
    value = np.full(len(texts), np.nan)
    value[row] = choice_softmax(tokens.options[row], letter[row])
    is_number = np.array([_is_number(text) for text in texts], dtype=bool)
    return np.where(is_number, geometric_mean(tokens), value)


def self_consistency(question: Sequence[str], answer: Sequence[str]) -> Floats:
    """Agreement of each sampled answer with the other samples of its question.

    Two answers that are numbers agree by their mean relative accuracy, taken both ways and averaged; other answers
    agree when the text is equal (case and outer space ignored). A question with one sample is NaN.

    Parameters
    ----------
    question, answer : (n,) sequences of str
        Question id and answer text of every sample.

    Examples
    --------
    >>> self_consistency(["q"] * 3, ["A", "a ", "B"]).tolist()
    [0.5, 0.5, 0.0]
    """
    agreement = np.full(len(question), np.nan)
    order = np.argsort(np.asarray(question, dtype=object), kind="stable")
    names = [question[i] for i in order]
    starts = [i for i in range(len(names)) if i == 0 or names[i] != names[i - 1]]
    for start, end in zip(starts, [*starts[1:], len(names)], strict=True):
        rows = order[start:end]
        if len(rows) < 2:
            continue
        texts = [answer[int(i)].strip().lower() for i in rows]
        equal = np.array([[a == b for b in texts] for a in texts], dtype=np.float64)
        if all(_is_number(text) for text in texts):
            values = np.array([float(text) for text in texts])
            accuracy = mean_relative_accuracy(values[:, None], values[None, :], zero_is_absolute=True)
            equal = (accuracy + accuracy.T) / 2
        agreement[rows] = (equal.sum(axis=1) - np.diag(equal)) / (len(rows) - 1)
    return agreement


SCORES: dict[str, Callable[[Tokens], Floats]] = {
    "geometric_mean": geometric_mean,
    "sequence_probability": sequence_probability,
    "min_token": min_token,
    "first_token": first_token,
    "leading_digits": leading_digits,
    "choice_softmax": letter_softmax,
}
"""Name to function, for scores that what is stored of one answer decides."""


def _clipped(tokens: Tokens) -> Floats:
    """Log-probabilities with rounding above 0 removed."""
    return np.minimum(tokens.logprobs, 0.0)


def _mean(tokens: Tokens, keep: NDArray[np.bool_]) -> Floats:
    """Mean log-probability of the kept tokens of each prediction; NaN without any."""
    row = tokens.row[keep]
    count = np.bincount(row, minlength=len(tokens.lengths))
    total = np.bincount(row, weights=_clipped(tokens)[keep], minlength=len(tokens.lengths))
    return np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)


def _is_number(text: str) -> bool:
    """Say whether the text is a plain decimal number, which float() reads too generously."""
    body = text.removeprefix("-")
    return body.isascii() and body.replace(".", "", 1).isdigit()


def _leading(text: str, digits: int) -> int:
    """Length of the prefix of a number's text that ends with its `digits`-th significant digit."""
    seen = 0
    for i, character in enumerate(text):
        if character.isdigit() and (seen or character != "0"):
            seen += 1
            if seen == digits:
                return i + 1
    return len(text)
