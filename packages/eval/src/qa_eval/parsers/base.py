"""What a parser is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Parser:
    """Functions that read an answer out of a completion.

    Attributes
    ----------
    name : str
        Recorded in every score row.
    choice : callable
        Completion to the answer that is compared with the ground truth regardless of case, or None.
    number : callable
        Completion to a number, or None.
    source : str
        The public code that the parser reproduces.
    zero_is_absolute : bool
        Whether a ground truth of 0 is scored by the absolute error; otherwise such a row has no score.
    text : callable, optional
        Completion, or reference, to the text that is compared; None where the parser reads no free text.
    same_text : callable
        Whether the text of a completion answers as that of a reference does.
    """

    name: str
    choice: Callable[[str], str | None]
    number: Callable[[str], float | None]
    source: str
    zero_is_absolute: bool = False
    text: Callable[[str], str] | None = None
    same_text: Callable[[str, str], bool] = str.__eq__
