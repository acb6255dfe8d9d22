"""What a parser is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from qa_contract.structures import read_json


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
    is_harness : bool
        Whether it stands for a public harness, which reads each benchmark by code of its own.
    zero_is_absolute : bool
        Whether a ground truth of 0 is scored by the absolute error; otherwise such a row has no score.
    structure : callable
        Completion to a JSON value, or None.
    text : callable, optional
        Completion, or reference, to the text that is compared; None where the parser reads no free text.
    same_text : callable
        Whether the text of a completion answers as that of a reference does.
    """

    name: str
    choice: Callable[[str], str | None]
    number: Callable[[str], float | None]
    source: str
    is_harness: bool = False
    zero_is_absolute: bool = False
    structure: Callable[[str], Any | None] = read_json
    text: Callable[[str], str] | None = None
    same_text: Callable[[str, str], bool] = str.__eq__

    def stripped(self, name: str) -> Parser:
        """Read completions without the white space around them, under another name."""
        return replace(
            self,
            name=name,
            choice=lambda completion: self.choice(completion.strip()),
            number=lambda completion: self.number(completion.strip()),
        )


def letters_only(name: str, choice: Callable[[str], str | None], source: str) -> Parser:
    """Build the parser of a benchmark that asks for letters alone."""
    return Parser(name, choice, lambda _: None, source)
