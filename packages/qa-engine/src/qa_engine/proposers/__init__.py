"""Where questions come from: a proposer writes a question and the program that answers it."""

from __future__ import annotations

from qa_engine.errors import unknown_name
from qa_engine.proposers.llm import LLMProposer
from qa_engine.proposers.template import TemplateProposer

PROPOSERS: dict[str, type[TemplateProposer] | type[LLMProposer]] = {"template": TemplateProposer, "llm": LLMProposer}
"""Proposer name to class."""


def get_proposer(name: str) -> type[TemplateProposer] | type[LLMProposer]:
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
        raise unknown_name("proposer", name, PROPOSERS, "See 'qa-engine generate --help'.")
    return PROPOSERS[name]


__all__ = ["PROPOSERS", "LLMProposer", "TemplateProposer", "get_proposer"]
