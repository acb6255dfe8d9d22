"""The parser of VSI-Bench's own evaluation: the first token, nothing else."""

from __future__ import annotations

from qa_eval.parsers.base import Parser


def first_token(completion: str) -> str:
    r"""Text before the first space, without final dots, then without white space.

    Notes
    -----
    The dots go before the white space: ``"B.\n"`` gives ``"B."``, which is no letter, and a leading space gives ``""``.

    Examples
    --------
    >>> first_token("B. sofa"), first_token(" B"), first_token("B.\n")
    ('B', '', 'B.')
    """
    return completion.split(" ", 1)[0].rstrip(".").strip()


def first_number(completion: str) -> float | None:
    """Read the first token as a Python float.

    Examples
    --------
    >>> first_number("190 cm"), first_number("190cm")
    (190.0, None)
    """
    try:
        return float(first_token(completion))
    except ValueError:
        return None


OFFICIAL = Parser(
    name="official",
    choice=first_token,
    number=first_number,
    source="vision-x-nyu/thinking-in-space, lmms_eval/tasks/vsibench/utils.py",
)
