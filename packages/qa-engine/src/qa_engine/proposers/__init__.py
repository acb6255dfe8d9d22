"""Where questions come from: a proposer writes a question and the program that answers it."""

from __future__ import annotations

from qa_engine.proposers.template import TemplateProposer

PROPOSERS = {"template": TemplateProposer}
"""Proposer name to class."""

__all__ = ["PROPOSERS", "TemplateProposer"]
