"""Our own parser: what a careful reader takes for the answer, and nothing where the text is ambiguous."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from qa_contract.structures import read_json

from qa_eval.parsers.base import Parser
from qa_eval.parsers.free_text import clean_text, contains
from qa_eval.parsers.lmms_eval import first_number_or_words
from qa_eval.parsers.verdict import decided_letter, mentioned

REASONING = re.compile(r"<\s*think(?:ing)?\s*>.*?(?:<\s*/\s*think(?:ing)?\s*>|\Z)", re.IGNORECASE | re.DOTALL)
TAGGED = re.compile(r"<\s*answer\s*>(.*?)(?:<\s*/\s*answer\s*>|\Z)", re.IGNORECASE | re.DOTALL)
BOXED = re.compile(r"\\boxed\{\s*(?:\\(?:text|mathrm|mathbf)\{)?([^{}]*)\}")
PHRASE = re.compile(
    r"(?:\banswer\b|答案|정답|答え)(\s+(?:is|was|(?:would|should|must|has\s+to)\s+be)\b|\s*[是为は은])?['\"]?\s*([:=])?\s*",
    re.IGNORECASE,
)
BARE = re.compile(r"[(\[*]*(?:[A-HJ](?![\w'’]|\s+[a-z])|\d)")
"""What "answer" without a verb is followed by where it names one: a letter on its own, or a number."""
SPECIAL = re.compile(
    r"</?s>|<\|[^|<>]{1,40}\|>|<(?:bos|eos|pad|unk|end_of_turn)>|\[/?INST\]|\b[Nn]/[Aa]\b|[\u200b-\u200d\ufeff]"
)
MARKS = str.maketrans({"。": ".", "、": ",", "和": " and ", "与": " and ", "或": " or "})
BESIDE_HAN = re.compile(r"(?<=[A-Ja-j])(?=[\u3000-\u9fff\uac00-\ud7af])|(?<=[\u3000-\u9fff\uac00-\ud7af])(?=[A-Ja-j])")
"""Between a letter and a script without blanks."""
FENCE = re.compile(r"```(?:json)?\s*.*?```", re.DOTALL)
DECORATION = " \t\n\r*_`\"'()[]{}$"

NUMBER = re.compile(r"[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
UNIT_POWER = re.compile(r"(?<![A-Za-z])([cdk]?m|ft|in|met(?:er|re)s?|feet)\^?\{?[23]\}?(?!\w|\.\d)", re.IGNORECASE)
"""The exponent of a unit is no number."""
RANGE = re.compile(r"\d\s*(?:-|–|to)\s*\d")

LEADING = re.compile(
    r"\s*(?:it['’]?s\s+|it\s+is\s+)?(?:the\s+)?(?:(?:option|choice|letter)\s+)?[(\[{]?"
    r"(?:([A-HJ])(?=\.(?!\w\.)|[):\]},/&]|\s*(?:\n|\Z)|\s+(?:[-–—&]|(?:or|and|since|because)\b))|(?-i:(I))(?=\.(?!\w)|[)\]}:]|\s*(?:\n|\Z)))",
    re.IGNORECASE,
)
"""A letter that opens the answer, set off from what follows."""
ANOTHER = re.compile(
    r"[)\]]?(?:\s*[,/&]|\s+(?:and|or)\b|(?=\s*[(\[]))\s*(?:(?:and|or|maybe|perhaps)\s+)*[(\[]?[A-J]\b(?!['’])"
)
LISTING = re.compile(r"[\s*_`(]*A(?:[).:\]]\s[^\n]*?\s[\s*_`]*\(?B[).:\]]\s|\s*\n\s*B\s*\n)")
"""Options in their order, as the question lists them."""
QUESTION_AND_ANSWER = re.compile(r"\bA:(?=\s*\(?[A-J]\)?\.?\s*\Z)")


def conclusion(completion: str) -> str:
    r"""Part of a completion that holds its answer: without reasoning, inside answer tags or ``\boxed``.

    Examples
    --------
    >>> conclusion("<think>B? no</think> The answer is **C**.")
    'C**.'
    >>> conclusion("C: All the above answers are wrong.")
    'C: All the above answers are wrong.'
    """
    text = SPECIAL.sub(" ", REASONING.sub(" ", completion))
    for pattern in (TAGGED, BOXED):
        if found := pattern.findall(text):
            text = found[-1]
    return _after_phrase(text).strip(DECORATION)


def lenient_letter(completion: str) -> str | None:
    """Read an option letter: at the start of the conclusion, or the only one that is mentioned as an option.

    Notes
    -----
    Where several letters are mentioned, `decided_letter` finds the one that is meant. A letter after "not" is not
    meant. "I" is a letter alone or set off by a mark, never the word.

    Examples
    --------
    >>> [lenient_letter(t) for t in (" B", "(b) sofa", "It is option D.", "B or C", "a sofa", "<answer>A</answer>")]
    ['B', 'B', 'D', None, None, 'A']
    >>> [lenient_letter(t) for t in ("Point A is closer than point B.", "（A）", "<s> A) left", "I am not sure")]
    [None, 'A', 'A', None]
    """
    plain = QUESTION_AND_ANSWER.sub("", BESIDE_HAN.sub(" ", unicodedata.normalize("NFKC", completion).translate(MARKS)))
    text = conclusion(plain)
    whole = SPECIAL.sub(" ", REASONING.sub(" ", plain)).strip(DECORATION)
    for part in dict.fromkeys((text, whole)):
        if letter := _leading(part):
            return letter
        if letters := mentioned(part):
            return letters.pop() if len(letters) == 1 else decided_letter(part)
    return None


def _leading(text: str) -> str | None:
    found = LEADING.match(text)
    if found is None or ANOTHER.match(text, found.end()) or LISTING.match(text):
        return None
    return (found[1] or found[2]).upper()


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
    text = conclusion(UNIT_POWER.sub(r"\1", unicodedata.normalize("NFKC", completion)))
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


def lenient_json(completion: str) -> Any | None:
    """Read JSON: the whole conclusion, the only code fence, or the only object or list that a text holds.

    Examples
    --------
    >>> lenient_json('<think>[0]</think><answer>{"A": [2, 7]}</answer>'), lenient_json('The map: {"A": [2, 7]}.')
    ({'A': [2, 7]}, {'A': [2, 7]})
    >>> lenient_json("[1] or [2]"), lenient_json("none")
    (None, None)
    """
    text = REASONING.sub(" ", completion)
    if tagged := TAGGED.findall(text):
        text = tagged[-1]
    if len(fences := FENCE.findall(text)) == 1:
        text = fences[0]
    whole = read_json(text)
    first, last = re.search(r"[\[{]", text), max(text.rfind("]"), text.rfind("}"))
    return read_json(text[first.start() : last + 1]) if whole is None and first else whole


def _after_phrase(text: str) -> str:
    """Take what follows the last "answer is" or "answer:" in its line, else a bare "answer" before an answer."""
    found = list(PHRASE.finditer(text))
    strong = [phrase for phrase in found if phrase[1] or phrase[2]]
    bare = [
        phrase for phrase in found if BARE.match(text, phrase.end()) or not text[: phrase.start()].strip(DECORATION)
    ]
    for phrase in reversed(strong or bare):
        rest = text[phrase.end() :].split("\n", 1)[0]
        if rest.strip(DECORATION) and not LISTING.match(text, phrase.end()):
            return rest
    return text


LENIENT = Parser(
    name="lenient",
    choice=lenient_letter,
    number=lenient_number,
    source="qa-eval: reasoning removed, tags, boxes and decoration opened, ambiguous text is no answer; free text by "
    "the refined exact match of embodied-generalist (LEO)",
    structure=lenient_json,
    text=lenient_text,
    same_text=contains,
)
