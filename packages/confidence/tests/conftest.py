"""Small tables that the tests of the package share, and its command line."""

import sys
from types import SimpleNamespace

import polars as pl
import pytest
from page_browser import browser, open_page  # noqa: F401
from qa_confidence import cli
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import PREDICTIONS, QUESTIONS, SCORES, TABLES


def prediction(question_id, logprobs, mask=None, **other):
    n = len(logprobs or [])
    row = {
        "question_id": question_id,
        "scene_name": "scene0",
        "question_type": "object_counting",
        "run_id": "run",
        "model_id": "model",
        "runner": "trainer",
        "round": 1,
        "step": 0,
        "phase": "train",
        "completion": "4",
        "token_ids": list(range(n)),
        "token_logprobs": logprobs,
        "token_mask": [True] * n if mask is None else mask,
        "token_is_top1": [True] * n,
        "token_entropy": [0.0] * n,
        "option_logprobs": None,
        "frame_set_id": None,
        "prompt_id": "vsi-bench",
    }
    return {**row, **other}


def predictions(*rows):
    return pl.DataFrame(list(rows), schema=dict(PREDICTIONS))


def questions(*rows):
    return pl.DataFrame([{**dict.fromkeys(QUESTIONS), **row} for row in rows], schema=dict(QUESTIONS))


def scores(*rows):
    base = {**dict.fromkeys(SCORES), "run_id": "run", "model_id": "model", "round": 1, "benchmark": "b", "parser": "p"}
    return pl.DataFrame([{**base, **row} for row in rows], schema=dict(SCORES))


@pytest.fixture
def make():
    """Builders of table rows."""

    class Make:
        prediction = staticmethod(prediction)
        predictions = staticmethod(predictions)
        questions = staticmethod(questions)
        scores = staticmethod(scores)

        @staticmethod
        def write(frame, folder, table):
            return write_table(frame, folder / f"{table}.parquet", TABLES[table], table_metadata(table, "test", {}, 0))

    return Make


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line inside this process."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["qa-confidence", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=stopped.value.code or 0, stdout=out, stderr=err)

    return run
