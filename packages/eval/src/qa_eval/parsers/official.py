"""The parser of VSI-Bench's own evaluation: the first token, nothing else."""

from __future__ import annotations

from qa_contract.answers import first_number, first_token

from qa_eval.parsers.base import Parser

OFFICIAL = Parser(
    name="official",
    choice=first_token,
    number=first_number,
    source="vision-x-nyu/thinking-in-space, lmms_eval/tasks/vsibench/utils.py",
)
