"""Errors of the loop."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QALoopError(Exception):
    """The loop cannot go on; the message says what was found and what to do."""


class StageError(QALoopError):
    """A stage ended without its output.

    Attributes
    ----------
    exit_code : int
        What the loop exits with: 2 where the stage named a user error, 1 otherwise.
    """

    def __init__(self, message: str, *, exit_code: int):
        super().__init__(message)
        self.exit_code = exit_code


def suggest(name: str, valid: Iterable[str]) -> str:
    """Give " Did you mean 'x'?" for the closest of the `valid` names, or nothing.

    Examples
    --------
    >>> suggest("step", ["steps", "model"])
    " Did you mean 'steps'?"
    >>> suggest("zebra", ["steps", "model"])
    ''
    """
    close = difflib.get_close_matches(name, list(valid), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
