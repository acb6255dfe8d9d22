"""Letters of options: which letter an option has, and which one an answer names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa_contract.answers import first_token

_OPTION = re.compile(r"\s*\(?([A-Z])\s*[.):]\s*")
"""A letter, and what sets it off from the text: without it "A sofa" would be option A."""
_LEADING = re.compile(r"\(?([A-Z])(?![A-Za-z0-9])")
_SINGLE = re.compile(r"[A-Za-z]")


def option_letter(option: str) -> str:
    """Letter of an option, written `A. sofa`, `A) sofa`, `(A) sofa` or `A: sofa`; the text itself where it has none.

    Examples
    --------
    >>> [option_letter(text) for text in ("A. sofa", "B) bed", "(C) tv", "D: lamp", "A sofa", "0.5 m")]
    ['A', 'B', 'C', 'D', 'A sofa', '0.5 m']
    """
    found = _OPTION.match(option)
    return found[1] if found else option.strip()


def option_text(option: str) -> str:
    """Text of an option without its letter.

    Examples
    --------
    >>> [option_text(text) for text in ("A. sofa", "B) 0.5 m", "A sofa")]
    ['sofa', '0.5 m', 'A sofa']
    """
    found = _OPTION.match(option)
    return (option[found.end() :] if found else option).strip()


def option_letters(options: Sequence[str] | None) -> list[str] | None:
    """Letters of all options, or None: without options, where one has no letter, and where two have the same.

    Examples
    --------
    >>> option_letters(["A. sofa", "B) bed"])
    ['A', 'B']
    >>> option_letters(["A. sofa", "bed"]), option_letters(["A. sofa", "A. bed"]), option_letters(None)
    (None, None, None)
    """
    found = [_OPTION.match(option) for option in options or ()]
    letters = [match[1] for match in found if match]
    return letters if letters and len(set(letters)) == len(found) else None


def chosen_option(completion: str) -> int | None:
    """Position of the option that an answer names, A first; None where it names none.

    What the official reading takes for a letter is one, in either case; so is a capital letter at the start that is
    set off from what follows.

    Examples
    --------
    >>> [chosen_option(text) for text in ("A. sofa", "b", "(C) tv", "D) lamp", "Bed", "12", "")]
    [0, 1, 2, 3, None, None, None]
    """
    text = completion.strip()
    token = first_token(text)
    found = token if _SINGLE.fullmatch(token) else (match[1] if (match := _LEADING.match(text)) else None)
    return None if found is None else ord(found.upper()) - ord("A")
