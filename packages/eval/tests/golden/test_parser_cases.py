"""Texts that the public scorers were executed on: lmms-eval 0.7.3 and VLMEvalKit (package ms-vlmeval 0.0.20)."""

import json
from pathlib import Path

import pytest
from qa_eval.parsers import find_parser

CASES = [json.loads(line) for line in (Path(__file__).parent / "parser_cases.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("column", "parser", "function"),
    [
        ("first_token", "official", "choice"),
        ("official_number", "official", "number"),
        ("first_token", "lmms-eval", "choice"),
        ("lmms_eval_number", "lmms-eval", "number"),
        ("vlmevalkit_letter", "vlmevalkit", "choice"),
        ("vlmevalkit_number", "vlmevalkit", "number"),
    ],
)
def test_reads_what_the_public_code_reads(column, parser, function):
    read = getattr(find_parser(parser), function)
    different = [
        (case["text"], case[column], got) for case in CASES if repr(got := read(case["text"])) != repr(case[column])
    ]
    assert different == []


def test_a_hostile_list_is_no_answer():
    assert find_parser("vlmevalkit").number("[" * 5000 + "]" * 5000) is None
