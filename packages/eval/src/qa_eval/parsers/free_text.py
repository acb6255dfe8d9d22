"""Free text that is compared with references: as it is, cleaned, or by containment."""

from __future__ import annotations

import re

from qa_eval.parsers.base import Parser
from qa_eval.parsers.lmms_eval import WORD_VALUE

WORDS = {
    **{"letf": "left", "let": "left", "tehre": "there", "rigth": "right", "rght": "right", "behine": "behind"},
    **{"tv": "TV", "chai": "chair", "wasing": "washing", "waslked": "walked", "oclock": "o'clock"},
}
"""Misspellings of the annotations."""

NUMBER_WORDS = {
    **{"none": "zero", "23": "twenty-three"},
    **{str(value): word for word, value in WORD_VALUE.items() if value <= 20},
}

FOREIGN = re.compile(r"[^a-zA-Z0-9,'\s\-:]+")
BLANKS = re.compile(r" {2,}")
CLOCK = re.compile(r"\bo'[ ]+clock\b")
NUMBERED = re.compile(r"\b([a-zA-Z]+)[0-9]\b")


def as_it_is(completion: str) -> str:
    """Return the text itself: only the reference letter by letter is right."""
    return completion


def clean_text(completion: str) -> str:
    """Clean an answer as SQA3D does: case, punctuation, known misspellings, numbers as words, no articles.

    Examples
    --------
    >>> clean_text(" The 2 chairs."), clean_text("an Oclock"), clean_text("table3 letf")
    ('two chairs', "o'clock", 'table left')
    """
    text = BLANKS.sub(" ", completion.lower().strip(" "))
    text = FOREIGN.sub("", text)
    text = CLOCK.sub("o'clock", _replace_words(text, WORDS))
    text = NUMBERED.sub(r"\1", _replace_words(text, NUMBER_WORDS))
    for article in ("a", "an", "the"):
        text = re.sub(rf"\b{article}\b ([a-zA-Z]+)", r"\1", text)
    return re.sub(r"\bbackwards\b", "backward", text)


LEO = Parser(
    name="leo",
    choice=lambda _: None,
    number=lambda _: None,
    source="embodied-generalist (LEO), also VLM-3R and Video-3D-LLM: exact match of text, both sides cleaned",
    is_harness=True,
    text=clean_text,
)


def contains(answer: str, reference: str) -> bool:
    """Whether one text is inside the other, white space left out; nothing is inside an empty one.

    Examples
    --------
    >>> contains("brown chair", "chair"), contains("two", "twenty-two"), contains("", "chair"), contains("sofa", "bed")
    (True, True, False, False)
    """
    short, long = sorted(("".join(answer.split()), "".join(reference.split())), key=len)
    return bool(answer) and short in long


def _replace_words(text: str, table: dict[str, str]) -> str:
    return re.sub(rf"\b(?:{'|'.join(table)})\b", lambda found: table[found.group()], text)
