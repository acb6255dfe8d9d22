"""Errors of the loop."""

from __future__ import annotations

from functools import partial

from qa_contract import errors
from qa_contract.errors import UserError


class QALoopError(UserError):
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


unknown_name = partial(errors.unknown_name, error=QALoopError)
"""Build the error for a name that does not exist, with the closest one that does."""
