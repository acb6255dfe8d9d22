"""Where questions come from: a proposer writes a question and the program that answers it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qa_engine.errors import unknown_name

if TYPE_CHECKING:
    from qa_engine.generate.llm.proposer import LLMProposer
    from qa_engine.generate.template import TemplateProposer

PROPOSERS = {
    "template": "qa_engine.generate.template.TemplateProposer",
    "llm": "qa_engine.generate.llm.proposer.LLMProposer",
}
"""Proposer name to class; it is loaded when asked for, as a model's takes longer to load than templates to write."""


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
    module, _, proposer = PROPOSERS[name].rpartition(".")
    return getattr(import_module(module), proposer)


__all__ = ["PROPOSERS", "get_proposer"]
