"""Reports and comparisons of answers that were scored from a file, and tables for papers."""

import csv
import io
import json

import pytest
from qa_eval.cli import app
from qa_eval.report.collect import read_run
from qa_eval.report.tables import paper_tables
from qa_eval.scoring.compare import compare_runs
from typer.testing import CliRunner

ROWS = [
    ("1", "object_counting", "4", "4"),
    ("2", "object_counting", "4", "3"),
    ("3", "object_rel_direction_easy", "A", "B"),
    ("4", "route_planning", "A", "A"),
]


@pytest.fixture
def scored(tmp_path):
    """Rows as 'score --out' writes them: of the answers above, and of one where the last is wrong."""
    paths = []
    for name, last in (("good", "A"), ("bad", "what?")):
        source = tmp_path / f"{name}-predictions.jsonl"
        lines = [
            {"id": i, "question_type": kind, "ground_truth": truth, "prediction": last if i == "4" else said}
            for i, kind, truth, said in ROWS
        ]
        source.write_text("".join(json.dumps(line) + "\n" for line in lines))
        paths.append(tmp_path / f"{name}.jsonl")
        result = CliRunner().invoke(app, ["score", str(source), "--out", str(paths[-1])])
        assert result.exit_code == 0, result.output
    return paths


def test_rows_carry_prediction_and_truth(scored):
    rows = [json.loads(line) for line in scored[1].read_text().splitlines()]
    assert [row["prediction"] for row in rows] == ["4", "3", "B", "what?"]
    assert [row["ground_truth"] for row in rows] == ["4", "4", "A", "A"]
    assert [row["parser"] for row in rows] == ["official"] * 4


def test_a_report_of_scored_files_has_the_numbers_of_the_command(scored, tmp_path):
    found = read_run(scored[0], "good", tmp_path).summary
    assert found["overall"]["mean"] == pytest.approx((0.8 + 0 + 1) / 3)
    assert found["parse_failures"] == 0
    result = CliRunner().invoke(app, ["report", *map(str, scored), "--out", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "report/report.html").is_file()


def test_tables_have_the_columns_of_the_paper_in_its_order(scored, tmp_path):
    runs = [read_run(path, path.stem, tmp_path) for path in scored]
    tables = paper_tables(runs)
    head, good, bad = csv.reader(io.StringIO(tables["table.csv"]))
    assert head == ["model", "Avg.", "Obj. Count", "Rel. Dir.", "Route Plan", "Micro"]
    assert good == ["good", "60.0", "80.0", "0.0", "100.0", "65.0"]
    assert bad[-2] == "0.0"
    assert "Avg.: mean of 3 tasks, as of the authors, lmms-eval and vlmevalkit. Micro" in tables["table.md"]
    assert r"good & \textbf{60.0} & \textbf{80.0}" in tables["table.tex"]
    assert "| good | 60.0 | 80.0 | 0.0 | 100.0 | 65.0 |" in tables["table.md"]


def test_compare_lists_the_questions_that_changed(scored):
    result, facts = compare_runs(*scored)
    assert result.losses == 1
    (row,) = facts["changed"]
    assert row["question_id"] == "4"
    assert [row[f"{what}_{run}"] for what in ("completion", "score") for run in "ab"] == ["A", "what?", 1.0, 0.0]
    printed = CliRunner().invoke(app, ["compare", *map(str, scored)]).output
    assert "A -> what?" in printed
