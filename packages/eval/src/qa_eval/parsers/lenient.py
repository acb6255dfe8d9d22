"""Our own parser: what a careful reader takes for the answer, and nothing where the text is ambiguous."""

from __future__ import annotations

import re
import unicodedata

from qa_eval.parsers.base import Parser
from qa_eval.parsers.free_text import clean_text, contains
from qa_eval.parsers.lmms_eval import first_number_or_words

REASONING = re.compile(r"<\s*think(?:ing)?\s*>.*?(?:<\s*/\s*think(?:ing)?\s*>|\Z)", re.IGNORECASE | re.DOTALL)
TAGGED = re.compile(r"<\s*answer\s*>(.*?)(?:<\s*/\s*answer\s*>|\Z)", re.IGNORECASE | re.DOTALL)
BOXED = re.compile(r"\\boxed\{\s*(?:\\(?:text|mathrm|mathbf)\{)?([^{}]*)\}")
PHRASE = re.compile(r"\banswer\b(\s+(?:is|was|would\s+be|should\s+be|must\s+be)\b)?\s*([:=])?\s*", re.IGNORECASE)
SPECIAL = re.compile(r"</?s>|<\|[^|<>]{1,40}\|>|<(?:bos|eos|pad|unk|end_of_turn)>|\[/?INST\]|[\u200b-\u200d\ufeff]")
DECORATION = " \t\n\r*_`\"'()[]{}$"

NUMBER = re.compile(r"[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
RANGE = re.compile(r"\d\s*(?:-|–|to)\s*\d")

LEADING_LETTER = re.compile(
    r"\s*(?:the\s+)?(?:(?:option|choice|letter)\s+)?[(\[{]?"
    r"(?:([A-HJ])(?:\.(?!\w\.)|[):\]}]|\s*(?:\n|\Z)|\s+[-–—]\s|,(?!\s*(?:(?:and|or)\s+)?[(\[]?[A-J]\b))"
    r"|(?-i:(I))(?:[.)\]}:]|\s*(?:\n|\Z)))",
    re.IGNORECASE,
)
"""A letter that opens the answer, set off from what follows; one before a comma and another letter is a list."""

NOUN = (
    r"(?:options?|choices?|letters?|points?|box(?:es)?|images?|views?|objects?|regions?|figures?|pictures?|marke[rd])"
)
VERB = (
    r"(?:is|are|was|were|has|have|had|does|do|did|can|cannot|could|will|would|should|must|may|might|looks?|seems?|appears?"
    r"|fits?|lies|sits|stands|shows?|matches|and|or|than|because|since|but|not|in|on|at|to|for|from|with|as|which|that)\b"
)
MENTION = re.compile(
    r"(\b(?:not|isn't|never|neither|nor)\s+(?:the\s+)?(?:" + NOUN + r"\s+)?)?"
    r"(?:[(\[]([A-HJ]|[a-hj])[)\]]"
    rf"|\b(?i:{NOUN})\s+([A-HJ])(?![\w'’-])"
    r"|(?<![\w°'’-])(?<!\d\s)([B-HJ])(?![\w'’-])"
    rf"|(?<![\w'’-])(A)(?=\s+{VERB}|\s*(?:[.,;:!?)\]*]|\Z))(?![\w'’-]))"
)
"""A letter that a careful reader takes for an option: in brackets, after a noun such as "point", or a bare capital.

"A" is one where no article can stand: before a verb, a conjunction, a preposition, a mark or the end.
"""


VERDICT = re.compile(
    r"(?:\A|[.!?\n]\s*|\b(?:[Ss]o|[Tt]herefore|[Tt]hus|[Hh]ence),?\s+)(?:[Tt]he\s+)?(?:(?i:" + NOUN + r")\s+)?"
    r"\(?([A-HJ])\)?\s+(?:is|are)\s+(?:the\s+)?(?!not\b|wrong\b|incorrect\b|false\b|no\b|also\b)\w+(?:\s+one)?\s*(?=[.!\n]|\Z)"
)
"""A short sentence that says of one letter what the question asks: "A is closer."."""


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
    Where several letters are mentioned, the one of which a short sentence of its own speaks is meant ("A is closer.");
    else the text is no answer: "A is closer than B" answers "which is closer" and "which is farther" with different
    letters. A letter after "not" is not meant. "I" is a letter alone or set off by
    a mark, never the word.

    Examples
    --------
    >>> [lenient_letter(t) for t in (" B", "(b) sofa", "It is option D.", "B or C", "a sofa", "<answer>A</answer>")]
    ['B', 'B', 'D', None, None, 'A']
    >>> [lenient_letter(t) for t in ("Point A is closer than point B.", "（A）", "<s> A) left", "I am not sure")]
    [None, 'A', 'A', None]
    """
    plain = unicodedata.normalize("NFKC", completion)
    text = conclusion(plain)
    if found := LEADING_LETTER.match(text):
        return (found[1] or found[2]).upper()
    letters = {letter.upper() for no, *groups in MENTION.findall(text) for letter in groups if letter and not no}
    if len(letters) > 1:
        letters = {letter.upper() for letter in VERDICT.findall(text)}
    if len(letters) == 1:
        return letters.pop()
    # "C: the answer that fits" speaks of an answer behind the letter.
    found = (
        None
        if MENTION.search(text)
        else LEADING_LETTER.match(SPECIAL.sub(" ", REASONING.sub(" ", plain)).strip(DECORATION))
    )
    return (found[1] or found[2]).upper() if found else None


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


def _after_phrase(text: str) -> str:
    """Take what follows the last "answer is" or "answer:" in its line, else the last "answer"; all where none is."""
    found = list(PHRASE.finditer(text))
    strong = [phrase for phrase in found if phrase[1] or phrase[2]]
    for phrase in reversed(strong or found):
        rest = text[phrase.end() :].split("\n", 1)[0]
        if rest.strip(DECORATION):
            return rest
    return text


LENIENT = Parser(
    name="lenient",
    choice=lenient_letter,
    number=lenient_number,
    source="qa-eval: reasoning removed, tags, boxes and decoration opened, ambiguous text is no answer; free text by "
    "the refined exact match of embodied-generalist (LEO)",
    text=lenient_text,
    same_text=contains,
)
