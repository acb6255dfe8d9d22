"""Parsers: how an answer is read out of a completion. The name is recorded in every score row."""

from __future__ import annotations

from qa_eval.errors import unknown_name
from qa_eval.parsers.base import Parser
from qa_eval.parsers.free_text import LEO
from qa_eval.parsers.lenient import LENIENT
from qa_eval.parsers.lmms_eval import LMMS_EVAL, LMMS_EVAL_CLI
from qa_eval.parsers.official import OFFICIAL
from qa_eval.parsers.vlmevalkit import VLMEVALKIT

PARSERS: dict[str, Parser] = {
    parser.name: parser for parser in (OFFICIAL, LMMS_EVAL, LMMS_EVAL_CLI, VLMEVALKIT, LEO, LENIENT)
}
"""Name to parser; add one's own with ``PARSERS[name] = Parser(...)``."""


def find_parser(name: str) -> Parser:
    """Look up a parser.

    Raises
    ------
    QAEvalError
        The name is unknown; the message suggests the nearest one.

    Examples
    --------
    >>> find_parser("official").number("3.5 meters")
    3.5
    """
    if name not in PARSERS:
        raise unknown_name("parser", name, PARSERS)
    return PARSERS[name]


__all__ = ["PARSERS", "Parser", "find_parser"]
