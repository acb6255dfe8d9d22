"""Errors of qa_confidence; each message says what was asked, what was found, and what to do."""

from __future__ import annotations

from functools import partial

from qa_contract import errors
from qa_contract.errors import UserError


class QAConfidenceError(UserError):
    """Base of every error that a user of the package can cause and repair."""


class InputError(QAConfidenceError, ValueError):
    """An array or a table holds values that the computation is not defined for."""


unknown_name = partial(errors.unknown_name, error=QAConfidenceError)
"""Build the error for a name that is not in a registry, with the closest one that is."""
