"""Answers that the public scorers were executed on, by benchmark: lmms-eval and VLMEvalKit.

`benchmarks/eval_public_scorers.py` does the same for as many rows as one likes.
"""

import json
from pathlib import Path

import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.parsers import find_parser
from qa_eval.scoring.score import Answers, score_answers

FILE = Path(__file__).parent / "benchmark_cases.jsonl"
CASES = [json.loads(line) for line in FILE.read_text(encoding="utf-8").split("\n") if line]
GROUPS = sorted({(case["benchmark"], case["parser"]) for case in CASES})


@pytest.mark.parametrize(("benchmark", "parser"), GROUPS)
def test_every_row_scores_as_the_public_code(benchmark, parser):
    rows = [case for case in CASES if (case["benchmark"], case["parser"]) == (benchmark, parser)]
    columns = ([row[name] for row in rows] for name in ("question_type", "ground_truth", "prediction"))
    answers = Answers(list(range(len(rows))), *columns)
    scores = score_answers(answers, find_benchmark(benchmark), find_parser(parser)).score
    different = [(row, got) for row, got in zip(rows, scores.tolist(), strict=True) if row["score"] != got]
    assert different == []
