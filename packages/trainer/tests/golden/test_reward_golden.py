"""The rewards score as VSI-Bench does: the golden table that the evaluator's scorer is held to."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from qa_trainer.rewards import REWARDS

DATA = os.environ.get("SPATIAL_QA_DATA")
TABLE = Path(DATA or ".") / "vsi_bench" / "scorer_golden.jsonl"


@pytest.mark.skipif(DATA is None or not TABLE.is_file(), reason="needs the folder that SPATIAL_QA_DATA names")
def test_every_row_is_rewarded_with_the_score_of_the_public_scorer():
    rows = [json.loads(line) for line in TABLE.read_text().splitlines()]
    texts = [row["prediction"] for row in rows]
    truths = [row["ground_truth"] for row in rows]
    options = [["A. x", "B. y", "C. z", "D. w"] if truth in "ABCD" else None for truth in truths]
    numbers = REWARDS["mra"](texts, ground_truth=truths, options=options)
    letters = REWARDS["choice"](texts, ground_truth=truths, options=options)
    found = [letter if number is None else number for number, letter in zip(numbers, letters, strict=True)]
    assert found == [row["score_tis"] for row in rows]
    assert any(math.isclose(value, 0.5) for value in found)
