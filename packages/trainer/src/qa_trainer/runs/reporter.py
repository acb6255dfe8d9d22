"""Where a run says how far it is: the progress of the command line, or nothing."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """What takes progress; `qa_contract.cli.Progress` does, and so does `Silent`."""

    def __call__(self, stage: str, done: int, of: int | None = None, note: str = "") -> None:
        """Take how far a stage is, and a figure of the moment."""
        ...

    def say(self, text: str) -> None:
        """Take a line that stays."""
        ...


class Silent:
    """Takes progress and says nothing: for runs from Python, and for processes that only help the main one.

    Examples
    --------
    >>> Silent()("train", 1, 100)
    """

    def __call__(self, stage: str, done: int, of: int | None = None, note: str = "") -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""
