"""Answers in the style of public logs, each labelled by reading it: what a careful reader takes for the answer.

A label of `-` marks a text that holds no answer, or several. Texts are written with ``\\n``, ``\\t`` and a doubled
backslash.
"""

from pathlib import Path

from qa_eval.parsers.lenient import lenient_letter, lenient_number

DATA = Path(__file__).parents[1] / "data"


def labelled(name):
    lines = (DATA / name).read_text(encoding="utf-8").splitlines()[1:]
    pairs = [line.split("\t", 1) for line in lines]
    return [(None if answer == "-" else answer, unescaped(text)) for answer, text in pairs]


def unescaped(text):
    return "\\".join(part.replace("\\n", "\n").replace("\\t", "\t") for part in text.split("\\\\"))


def counts(rows, read):
    """Answers, and how many of them are read right, read otherwise and not read; texts without one that are read."""
    answers = [(answer, read(text)) for answer, text in rows]
    held = [(answer, got) for answer, got in answers if answer is not None]
    right, missed = sum(a == g for a, g in held), sum(g is None for _, g in held)
    return len(held), right, len(held) - right - missed, missed, sum(a is None and g is not None for a, g in answers)


def test_letters():
    rows = labelled("choice_answers.tsv")
    assert len(rows) == 1131
    # As stated in docs/evaluation.md.
    assert counts(rows, lenient_letter) == (871, 861, 0, 10, 4)


def test_numbers():
    rows = [(None if answer is None else float(answer), text) for answer, text in labelled("number_answers.tsv")]
    assert len(rows) == 335
    assert counts(rows, lenient_number) == (269, 266, 0, 3, 0)
