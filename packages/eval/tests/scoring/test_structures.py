"""Answers that are JSON: read by the official parser as they are, by the lenient one out of a text."""

import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.parsers import find_parser
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.score import score_answers

MAP = '{"A": [2, 7], "B": [2, 2]}'
SAID = [MAP, '```json\n{"A": [2, 6], "B": [2, 2]}\n```', f"<think>[1]</think> The map is {MAP}.", '{"A": [2', "B", None]


@pytest.mark.parametrize(
    ("parser", "scores", "failed"),
    [
        ("official", [1, 0.9, 0, 0, 0, None], [False, False, True, True, True, False]),
        ("lenient", [1, 0.9, 1, 0, 0, None], [False, False, False, True, True, False]),
    ],
)
def test_malformed_json_scores_0_and_is_a_parse_failure(parser, scores, failed):
    rows = Answers(range(6), ["cognitive_map"] * 6, [MAP] * 6, SAID)
    found = score_answers(rows, find_benchmark("questions"), find_parser(parser))
    assert found.frame["score"].to_list() == scores
    assert found.frame["parse_failed"].to_list() == failed
    assert found.parsed[:2] == [MAP, '{"A": [2, 6], "B": [2, 2]}']
    assert found.parsed[3:] == [None, None, None]
    assert found.reason == {5: "no_prediction"}
