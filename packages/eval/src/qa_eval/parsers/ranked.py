"""Letters as lmms-eval's shared extraction ranks them: by the form in which a letter stands, then by its place."""

from __future__ import annotations

from collections.abc import Sequence

MARKS = ",.!?;:'\""
"""Stripped off both ends, one mark after the other in this order."""

PHRASES = (
    *("the answer is", "answer is", "the correct answer is", "correct answer is", "the best answer is"),
    *("best answer is", "the correct option is", "correct option is", "the best option is", "best option is"),
    *("the choice is", "choice is", "the correct choice is", "correct choice is", "i choose", "i select", "i pick"),
    *("my answer is", "my choice is", "옵션", "정답은", "답은", "답:", "答案是", "答案为", "选", "答えは"),
)

START, END, PHRASE, IN_BRACKETS, BEFORE_DOT, BEFORE_COLON, BEFORE_BRACKET, BEFORE_BLANK, ANYWHERE = (
    *(10, 9, 7, 6, 5),
    *(4, 3, 2, 0),
)
"""Ranks of the forms."""


def ranked_letter(completion: str, letters: Sequence[str] = ("A", "B", "C", "D")) -> str | None:
    """Take the letter in the form of the highest rank, the last one of equals.

    Notes
    -----
    Capitals alone count. Every letter behind a phrase such as "answer is" counts, also inside a word, and the last one
    wins.

    Examples
    --------
    >>> [ranked_letter(t) for t in ("(A) or (B)", "B. left", "The answer is C", "<answer>A</answer>", "x")]
    ['B', 'B', 'C', 'A', None]
    """
    text = completion.strip()
    for mark in MARKS:
        text = text.strip(mark)
    bare = text.strip()
    text = f" {text} "
    if not completion.strip():
        return None
    found = [
        (rank, text.rfind(form.format(letter)), letter)
        for form, rank in (
            ("({})", IN_BRACKETS),
            ("{}.", BEFORE_DOT),
            ("{}:", BEFORE_COLON),
            ("{})", BEFORE_BRACKET),
            ("{} ", BEFORE_BLANK),
        )
        for letter in letters
        if form.format(letter) in text
    ]
    lower = text.lower()
    for phrase in PHRASES:
        place = lower.find(phrase)
        behind = [(text.find(letter, place + len(phrase)), letter) for letter in letters] if place >= 0 else []
        found += [(PHRASE, at, letter) for at, letter in behind if at >= 0]
    for letter in letters:
        if bare.startswith(letter) and not bare[1:2].isalpha():
            found.append((START, 0, letter))
        if bare.endswith(letter) and not bare[-2:-1].isalpha():
            found.append((END, len(text) - 1, letter))
    found = found or [(ANYWHERE, text.rfind(letter), letter) for letter in letters if letter in text]
    return max(found, key=lambda candidate: candidate[:2])[2] if found else None
