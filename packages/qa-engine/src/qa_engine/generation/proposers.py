"""Proposers: who writes a question and the program that answers it; one file and one line each."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from qa_engine.errors import unknown_name

if TYPE_CHECKING:
    import polars as pl

Scene = TypeVar("Scene", contravariant=True)
Found = TypeVar("Found")
Quota = TypeVar("Quota", contravariant=True)


class Proposer(Protocol[Scene, Found, Quota]):
    """Three steps from scenes to questions; what stands between them is the proposer's own.

    Finding and writing are apart because finding is cheap for one proposer and dear for the other: templates list a
    hundred times more candidates than are asked and word only those chosen; a model writes what it is asked for.
    """

    def find(self, scenes: Sequence[Scene]) -> Found:
        """Find what can be asked about some scenes, and why the rest cannot."""
        ...

    def choose(self, found: Found, quota: Quota) -> Found:
        """Keep what is wanted."""
        ...

    def write(self, found: Found) -> pl.DataFrame:
        """Write what is kept as rows of `questions`."""
        ...


PROPOSERS: dict[str, str] = {
    "template": "qa_engine.generation.template.TemplateProposer",
    "llm": "qa_engine.generation.llm.proposer.LLMProposer",
}
"""Proposer name to class; it is loaded when asked for, as a model's takes longer to load than templates to write."""


def get_proposer(name: str) -> type[Proposer[Any, Any, Any]]:
    """Look up a proposer.

    Raises
    ------
    QAEngineError
        There is none of that name; the message suggests the closest.

    Examples
    --------
    >>> get_proposer("llm").__name__
    'LLMProposer'
    """
    if name not in PROPOSERS:
        raise unknown_name("proposer", name, PROPOSERS, "'generate' asks by template, 'propose' asks a model.")
    module, _, proposer = PROPOSERS[name].rpartition(".")
    return getattr(import_module(module), proposer)


__all__ = ["PROPOSERS", "Proposer", "get_proposer"]
