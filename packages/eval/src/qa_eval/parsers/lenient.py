"""Our own parser: what a careful reader takes for the answer, and nothing where the text is ambiguous."""

from __future__ import annotations

import re

from qa_eval.parsers.base import Parser
from qa_eval.parsers.free_text import clean_text, contains
from qa_eval.parsers.lmms_eval import first_number_or_words

REASONING = re.compile(r"<\s*think(?:ing)?\s*>.*?(?:<\s*/\s*think(?:ing)?\s*>|\Z)", re.IGNORECASE | re.DOTALL)
TAGGED = re.compile(r"<\s*answer\s*>(.*?)(?:<\s*/\s*answer\s*>|\Z)", re.IGNORECASE | re.DOTALL)
BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
CONCLUSION = re.compile(r"\banswer(?:\s+is)?\s*[:=]?\s*(.+)", re.IGNORECASE)
DECORATION = " \t\n\r*_`\"'()[]{}$"

LEADING_LETTER = re.compile(r"^(?:option\s+)?([A-Za-z])(?:[.):,\]]|\s*$|\s+[-—])", re.IGNORECASE)
MARKED_LETTER = re.compile(r"\(([A-J])\)|\boption\s+([A-J])\b|\b([B-HJ])\b(?!')", re.IGNORECASE)
NUMBER = re.compile(r"[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
RANGE = re.compile(r"\d\s*(?:-|–|to)\s*\d")


def conclusion(completion: str) -> str:
    r"""Part of a completion that holds its answer: without reasoning, inside answer tags or ``\boxed``.

    Examples
    --------
    >>> conclusion("<think>B? no</think> The answer is **C**.")
    'C**.'
    """
    text = REASONING.sub(" ", completion)
    for pattern in (TAGGED, BOXED, CONCLUSION):
        found = pattern.findall(text)
        if found:
            text = found[-1]
    return text.strip(DECORATION)


def lenient_letter(completion: str) -> str | None:
    """Read an option letter: at the start of the conclusion, or the only one that is marked as an option.

    Examples
    --------
    >>> [lenient_letter(t) for t in (" B", "(b) sofa", "It is option D.", "B or C", "a sofa", "<answer>A</answer>")]
    ['B', 'B', 'D', None, None, 'A']
    """
    text = conclusion(completion)
    if found := LEADING_LETTER.match(text):
        return found.group(1).upper()
    letters = {letter.upper() for groups in MARKED_LETTER.findall(text) for letter in groups if letter}
    return letters.pop() if len(letters) == 1 else None


def lenient_number(completion: str) -> float | None:
    """Read the only number of the conclusion: digits with thousands separators and exponents, or number words.

    Notes
    -----
    A range or several different numbers are ambiguous: no answer. Infinity and NaN are none either.

    Examples
    --------
    >>> [lenient_number(t) for t in ("1,234 cm", "about 3.5m", "twenty-one", "3-4", "1e2", "it is 2 or 3", "-2")]
    [1234.0, 3.5, 21.0, None, 100.0, None, -2.0]
    """
    text = conclusion(completion)
    if RANGE.search(text):
        return None
    numbers = {float(found.replace(",", "")) for found in NUMBER.findall(text) if found}
    if len(numbers) == 1:
        return numbers.pop()
    return None if numbers else first_number_or_words(text)


def lenient_text(completion: str) -> str:
    """Clean the conclusion of a completion, for free text.

    Examples
    --------
    >>> lenient_text("<think>a bed?</think>The answer is: the sofa.")
    'sofa'
    """
    return clean_text(conclusion(completion))


LENIENT = Parser(
    name="lenient",
    choice=lenient_letter,
    number=lenient_number,
    source="qa-eval: reasoning removed, tags, boxes and decoration opened, ambiguous text is no answer; free text by "
    "the refined exact match of embodied-generalist (LEO)",
    text=lenient_text,
    same_text=contains,
)
