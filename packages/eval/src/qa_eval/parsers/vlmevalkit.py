"""The parser of VLMEvalKit's spatial benchmarks: a cascade of patterns for choices, the last number for numbers."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Sequence

from qa_eval.parsers.base import Parser
from qa_eval.parsers.lmms_eval import WORD_VALUE

TAIL_LINES = 6
TAIL_CHARACTERS = 800

ZERO_WIDTH = re.compile("[\u200b\u200c\u200d\ufeff]")
THINK_END = re.compile(r"</\s*think\s*>", re.IGNORECASE)
THINK_START = re.compile(r"<\s*think\s*>", re.IGNORECASE)

_OPEN, _CLOSE = r"[(\[{（【]?\s*", r"\s*[)\]}）】]?"
_ANSWER_OPEN, _ANSWER_CLOSE = r"<\s*answer\b[^>]*>\s*", r"<\s*/\s*answer\s*>"

ANSWER_BLOCK = re.compile(
    _ANSWER_OPEN + r"([A-J])(?:\s*[.．:：)\]】、])?.*?" + _ANSWER_CLOSE, re.IGNORECASE | re.DOTALL
)
BEFORE_CLOSING_TAG = tuple(
    re.compile(rf"(?<![A-Za-z]){_OPEN}([A-F]){_CLOSE}\s*</\s*{tag}\s*>", re.IGNORECASE) for tag in ("answer", "think")
)
OPTION_HEADING = re.compile(r"^[*_>\-\s]*(?:option|选项)\s+[A-J]\s*[:：]", re.IGNORECASE)
WHOLE_LINE = re.compile(r"\s*[*_`>（）\[\]【】()]*\s*([A-F])\s*[*_`（）\[\]【】()]*\s*", re.IGNORECASE)
LINE_LABEL = re.compile(r"\s*([A-F])\s*[.．:：)\]】、-]\s+", re.IGNORECASE)
CAPITAL_IN_LINE = re.compile(
    r"(?<![A-Za-z])[*_`（\[{(]*\s*([A-F])\s*[*_`）\]})]*(?=$|[\s.,:;!?)\]】》」』，。；、：）])"
)
CONCLUSION = re.compile(
    r"(?:final\s*answer|the\s*answer\s*is|answer(?:\s*is)?|correct\s*answer"
    r"|答案|最终答案|结论|所以|因此|我选(?:择)?|选择|选)"
    rf"\s*[:：>＝=]?\s*{_OPEN}([A-F]){_CLOSE}(?:\b|[.)、。])",
    re.IGNORECASE,
)
CAPITAL_ANYWHERE = re.compile(rf"(?<![A-Za-z]){_OPEN}([A-F]){_CLOSE}(?![A-Za-z])")

_NUMBER = r"[-+]?(?:\d*\.\d+|\d+)(?:[eE][-+]?\d+)?"
NUMBER = re.compile(_NUMBER)
ANSWER_NUMBER = re.compile(_ANSWER_OPEN + rf"({_NUMBER})(?:[^\d<][^<]*)?" + _ANSWER_CLOSE, re.IGNORECASE | re.DOTALL)
WORDS = [word for word, value in WORD_VALUE.items() if value <= 20]
NUMBER_WORD = re.compile(rf"\b({'|'.join(WORDS)})\b", re.IGNORECASE)


def cascade_letter(completion: str) -> str | None:
    """Find the option letter by the first of six patterns that applies.

    Notes
    -----
    In order: an answer block; a letter right before a closing answer or think tag; the last six lines after the
    reasoning (a line that is one letter, that starts with a label, or that holds one distinct capital A to F); the
    last six lines of the last 800 characters; a phrase such as "the answer is B"; one distinct capital in the text.

    Examples
    --------
    >>> [cascade_letter(t) for t in ("<think>C or D</think><answer>(b)</answer>", "**C**", "the answer is d", "sofa")]
    ['B', 'C', 'D', None]
    """
    text = ZERO_WIDTH.sub("", completion.strip())
    tail = text[-TAIL_CHARACTERS:]
    found = ANSWER_BLOCK.search(text) or next((m for p in BEFORE_CLOSING_TAG if (m := p.search(tail))), None)
    if found:
        return found.group(1).upper()
    letter = _letter_in_lines(_after_think(text)) or _letter_in_lines(tail)
    if letter:
        return letter
    if found := CONCLUSION.search(text):
        return found.group(1).upper()
    rest = "\n".join(line for line in text.splitlines() if not OPTION_HEADING.search(line))
    return _only_one(CAPITAL_ANYWHERE.findall(rest))


def last_number(completion: str) -> float | None:
    """Read the number of an answer block, else the last number after the reasoning, else the last of all.

    Notes
    -----
    Words from zero to twenty become digits first, so "twenty-one" reads as "20-1", which is -1. A text in square
    brackets is read as a Python list whose first element counts.

    Examples
    --------
    >>> [last_number(t) for t in ("<answer>3 chairs</answer>", "<think>5</think> two", "1,234", "3-4", "[7, 8]")]
    [3.0, 2.0, 234.0, -4.0, 7.0]
    """
    stripped = completion.strip()
    if stripped.startswith("[") and stripped.endswith("]"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                values = ast.literal_eval(completion)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
        completion = str(values[0]) if isinstance(values, list) and values else completion
    text = ZERO_WIDTH.sub("", completion.strip())
    text = NUMBER_WORD.sub(lambda match: str(WORDS.index(match.group(1).lower())), text)
    if found := ANSWER_NUMBER.search(text):
        return float(found.group(1))
    numbers = NUMBER.findall(_after_think(text)) or NUMBER.findall(text)
    return float(numbers[-1]) if numbers else None


def _after_think(text: str) -> str:
    """Text after the last closing think tag, else after the last opening one, else all of it."""
    for tag in (THINK_END, THINK_START):
        ends = [match.end() for match in tag.finditer(text)]
        if ends:
            return text[ends[-1] :].strip()
    return text


def _letter_in_lines(text: str) -> str | None:
    """Search the last lines from the bottom up."""
    for line in reversed([line.strip() for line in text.splitlines()[-TAIL_LINES:]]):
        if not line or OPTION_HEADING.search(line):
            continue
        if found := WHOLE_LINE.fullmatch(line) or LINE_LABEL.match(line):
            return found.group(1).upper()
        if letter := _only_one(CAPITAL_IN_LINE.findall(line)):
            return letter
    return None


def _only_one(letters: Sequence[str]) -> str | None:
    """Return the letter where all are the same one."""
    return letters[0] if len(set(letters)) == 1 else None


VLMEVALKIT = Parser(
    name="vlmevalkit",
    choice=cascade_letter,
    number=last_number,
    source="open-compass/VLMEvalKit @ e8e78f0, vlmeval/dataset/utils/spatial_bench, pattern matching without a judge",
    is_harness=True,
    zero_is_absolute=True,
)
