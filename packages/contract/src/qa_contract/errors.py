"""Errors that a user can cause and repair, what a command exits with, and the nearest valid name.

The module is imported by every command line at start, so it imports nothing that is slow.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar

MAX_LISTED = 20
"""Valid names that a message lists; a store may have thousands of scenes."""


class ExitCode(IntEnum):
    """What every command of the workspace exits with."""

    DONE = 0
    LOST = 1
    """The command ended, but input was refused or rows are missing."""
    USER_ERROR = 2
    """Nothing was done; the message says what to change."""
    FAULT = 70
    """A fault of the program, with its traceback; the number is EX_SOFTWARE of sysexits.h. Python's own 1 would read as
    rows that are lost."""
    AGAIN = 75
    """Stopped by SIGUSR1 before a scheduler's time is up: start the same command again. EX_TEMPFAIL of sysexits.h."""
    INTERRUPTED = 130
    """Ctrl-C, as shells count it: 128 + SIGINT."""
    TERMINATED = 143
    """128 + SIGTERM."""


class UserError(Exception):
    """Base of all errors that come from what the user asked or gave, never from a fault of the program.

    The message says what was asked, what was found and what to do. A command line shows it without a traceback and
    exits with `exit_code`; each package derives its own base from this class.

    Attributes
    ----------
    exit_code : int
        `ExitCode.USER_ERROR`, unless a class or an instance says otherwise.

    Examples
    --------
    >>> class QAKitchenError(UserError):
    ...     '''Base of the errors of a package.'''
    >>> int(QAKitchenError("no oven").exit_code)
    2
    """

    exit_code: int = ExitCode.USER_ERROR


class FileError(UserError):
    """A file or folder cannot be read, written or replaced; the message names it."""


class TableError(FileError):
    """A table is missing, unreadable, or lacks columns; the message names the file, the expectation and the finding."""


E = TypeVar("E", bound=UserError)


def suggest(name: str, valid: Iterable[str]) -> str:
    """Give " Did you mean 'x'?" for the closest of the `valid` names regardless of case, or nothing.

    Examples
    --------
    >>> suggest("step", ["steps", "model"])
    " Did you mean 'steps'?"
    >>> suggest("zebra", ["steps", "model"])
    ''
    """
    folded = {known.casefold(): known for known in valid}
    close = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.5)
    return f" Did you mean '{folded[close[0]]}'?" if close else ""


def unknown_name(kind: str, name: str, valid: Iterable[str], hint: str = "", *, error: type[E] = UserError) -> E:
    """Build the error for a name that is not in a registry, with the closest one that is.

    A package binds its own class once: ``unknown_name = functools.partial(unknown_name, error=QAEvalError)``.

    Parameters
    ----------
    kind : str
        What the name stands for: `task`, `dataset`.
    name : str
        The name that was asked for.
    valid : iterable of str
        Names that exist; all of them are listed where they are few.
    hint : str
        Where to look, as a sentence: `See 'qa-engine tasks'.`
    error : type
        Class of the error.

    Examples
    --------
    >>> print(unknown_name("task", "obj_count", ["object_counting", "room_size"], "See 'qa-engine tasks'."))
    Unknown task 'obj_count'. Did you mean 'object_counting'? Valid: object_counting, room_size. See 'qa-engine tasks'.
    >>> print(str(unknown_name("scene", "attic", [f"room_{k:03}" for k in range(500)]))[-26:])
    room_019, ... (500 names).
    """
    names = sorted(set(valid))
    listed = ", ".join(names[:MAX_LISTED]) or "none"
    more = f", ... ({len(names)} names)" if len(names) > MAX_LISTED else ""
    tail = f" {hint}" if hint else ""
    return error(f"Unknown {kind} '{name}'.{suggest(name, names)} Valid: {listed}{more}.{tail}")
