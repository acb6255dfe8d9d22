"""Answers to questions that ask for yes or no."""

from __future__ import annotations

import re
from dataclasses import replace

from qa_eval.parsers.lenient import LENIENT

WORD = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)
MEANING = {"true": "yes", "false": "no", "1": "yes", "0": "no"}


def yes_or_no(completion: str) -> str | None:
    """Take the first of the words yes, no, true and false, or a label that is the whole answer.

    Examples
    --------
    >>> [yes_or_no(text) for text in ("True.", "No, it is not true", "1", "it is left", "nothing")]
    ['yes', 'no', 'yes', None, None]
    """
    found = WORD.search(completion)
    word = found[1].lower() if found else completion.strip()
    word = MEANING.get(word, word)
    return word if word in MEANING.values() else None


LENIENT_YES_NO = replace(LENIENT, choice=yes_or_no)
"""What ``lenient`` is for such questions: letters are no answers to them."""
