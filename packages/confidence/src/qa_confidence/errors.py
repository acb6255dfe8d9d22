"""Errors of qa_confidence; each message says what was asked, what was found, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class QAConfidenceError(Exception):
    """Base of every error that a user of the package can cause and repair."""


class InputError(QAConfidenceError, ValueError):
    """An array or a table holds values that the computation is not defined for."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> QAConfidenceError:
    """Build the error for a name that is not in a registry, with the nearest one that is.

    Examples
    --------
    >>> str(unknown_name("profile", "papper", ["paper", "quantile"]))
    "Unknown profile 'papper'. Did you mean 'paper'? Choose from: paper, quantile."
    """
    known = list(choices)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return QAConfidenceError(f"Unknown {kind} '{name}'.{hint} Choose from: {', '.join(known)}.")
