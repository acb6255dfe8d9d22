"""The parser of lmms-eval: choices by the first token, numbers as digits or English words anywhere in the text."""

from __future__ import annotations

import re
from dataclasses import replace

from qa_contract.answers import first_token

from qa_eval.parsers.base import Parser

DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
LETTERS = re.compile(r"[a-z]+")
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
WORD_VALUE: dict[str, int] = {
    **{word: value for value, word in enumerate([*ONES.split(), "eighteen", "nineteen"])},
    **{word: 10 * value for value, word in enumerate(TENS.split(), start=2)},
    "hundred": 100,
    "thousand": 1000,
}


def first_number_or_words(completion: str) -> float | None:
    """Read the number that begins first: a group of digits, or a run of number words.

    Notes
    -----
    ``"1,234"`` is 1 and ``"1e2"`` is 1: only digits with one decimal point are a group. A reasoning block is not
    skipped. Inside a run "and" is ignored; any other word ends it.

    Examples
    --------
    >>> [first_number_or_words(t) for t in ("about 3.5 m", "twenty-one", "three hundred and two", "one of 2", "none")]
    [3.5, 21.0, 302.0, 1.0, None]
    """
    text = completion.strip().lower()
    digits = DIGITS.search(text)
    start, words = _word_run(text)
    if digits is not None and (start is None or digits.start() < start):
        return float(digits.group())
    return None if start is None else _words_value(words)


def _word_run(text: str) -> tuple[int | None, list[str]]:
    """Position and words of the first run of number words; the position is None without one."""
    start: int | None = None
    words: list[str] = []
    for match in LETTERS.finditer(text):
        word = match.group()
        if word in WORD_VALUE:
            start = match.start() if start is None else start
            words.append(word)
        elif start is not None and word != "and":
            break
    return start, words


def _words_value(words: list[str]) -> float:
    """Value of a run: thousands, plus hundreds, plus the rest."""
    thousands, rest = 0, 0
    for word in words:
        if word == "thousand":
            thousands, rest = thousands + max(rest, 1) * 1000, 0
        elif word == "hundred":
            rest = max(rest, 1) * 100
        else:
            rest += WORD_VALUE[word]
    return float(thousands + rest)


LMMS_EVAL = Parser(
    name="lmms-eval",
    choice=first_token,
    number=first_number_or_words,
    source="EvolvingLMMs-Lab/lmms-eval @ 75571cf, lmms_eval/tasks, its functions called directly (text: VSI-Bench's)",
    is_harness=True,
)

LMMS_EVAL_CLI = replace(
    LMMS_EVAL.stripped("lmms-eval-cli"),
    source="the same behind the command line of lmms-eval, which strips white space off completions first",
)


def lmms_eval(parser: Parser) -> dict[str, Parser]:
    """Name a parser as lmms-eval's code for a benchmark, called directly and behind its command line."""
    return {"lmms-eval": parser, "lmms-eval-cli": parser.stripped("lmms-eval-cli")}
