import json
import re
import xml.etree.ElementTree as ET

import polars as pl
import pytest
from qa_contract.errors import FileError
from qa_contract.tableio import read_metadata
from qa_eval.errors import QAEvalError
from qa_eval.report import write_report
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.outputs import degradation_curves
from qa_eval.runs.run import run


@pytest.fixture
def runs(questions, store, tmp_path, tiny_model):
    """A model run over frames with a curve, and a baseline whose questions carry markup."""
    path = questions / "questions.parquet"
    meta = read_metadata(path)
    hostile = pl.lit('<script>alert("x")</script> | How many?')
    frame = pl.read_parquet(path).with_columns(
        question=pl.when(pl.col("question_id") == "n0").then(hostile).otherwise("question")
    )
    frame.write_parquet(path, metadata=meta)
    options = RunOptions("transformers", str(tiny_model), max_new_tokens=3, device="cpu")
    clean = run(questions, store, tmp_path / "model", options)
    degradation_curves(tmp_path / "model", {"blur:3": clean}, clean)
    run(questions, store, tmp_path / "majority", RunOptions("majority"))
    return [tmp_path / "model", tmp_path / "majority"]


def test_page_is_self_contained_escaped_and_complete(runs, tmp_path):
    write_report(runs, tmp_path / "report", title="<Title>")
    page = (tmp_path / "report/report.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    for part in ("Scores in percent", "Confidence and score", "Degraded frames", "Option letters", "data:image/"):
        assert part in page
    for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL):
        ET.fromstring(svg)
    stored = json.loads((tmp_path / "report/report.json").read_text())
    assert stored["model"]["summary"]["n"] == 11
    assert r"| object\_counting |" in (tmp_path / "report/report.md").read_text()
    card = (tmp_path / "report/model_card.md").read_text()
    assert "parser `official`" in card


def test_runs_without_their_inputs_still_give_a_report(runs, questions, tmp_path):
    (questions / "questions.parquet").unlink()
    write_report(runs[1:], tmp_path / "report")
    assert "Examples</h2>" not in (tmp_path / "report/report.html").read_text()


def test_unfinished_runs_and_existing_output_are_refused(runs, tmp_path):
    with pytest.raises(QAEvalError, match="no finished run"):
        write_report([tmp_path], tmp_path / "report")
    assert not (tmp_path / "report").exists()
    with pytest.raises(FileError, match="not empty"):
        write_report(runs, runs[0])
    with pytest.raises(QAEvalError, match="twice"):
        write_report([runs[0], runs[0]], tmp_path / "report")
