"""The command line: exit codes, messages, JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import polars as pl
import pytest
from typer.testing import CliRunner

from qa_loop import doctor
from qa_loop.cli import app
from qa_loop.results import Comparison, Row, Score, comparison, format_comparison
from qa_loop.status import run_status

runner = CliRunner()


def test_run_prints_the_table_and_says_what_next(fakes, finished_run):
    out = fakes.adopt(finished_run)
    process = fakes.run("run", fakes.config, "--out", out)
    assert process.returncode == 0, process.stderr
    lines = process.stdout.splitlines()
    assert lines[0].split()[:4] == ["question", "type", "n", "round"]
    assert any(line.startswith("overall") for line in lines)
    assert process.stderr.splitlines()[-1].startswith(f"Wrote {out}/report.html: 9 scored answers (2 rounds of 12 ")
    assert process.stderr.splitlines()[-1].endswith(f"Next: qa-loop status {out}")
    assert (out / "report.html").exists()


def test_lost_rows_end_with_exit_1(fakes, finished_run):
    out = fakes.adopt(finished_run)
    shutil.rmtree(out / "round_02/blind")
    fakes.fault("round_02_blind", "exit 1")
    process = fakes.run("run", fakes.config, "--out", out)
    assert process.returncode == 1
    assert "rows are missing in round_02-blind" in process.stderr
    assert "question type" in process.stdout, "the table is printed all the same"
    result = runner.invoke(app, ["run", str(fakes.config), "--out", str(out), "--json"])
    assert result.exit_code == 1
    value = json.loads(result.stdout)
    assert value["lossy"] == ["round_02-blind"]
    assert value["rows"][-1]["model"]["n"] == 9


def test_user_error_of_a_stage_becomes_exit_2(fakes):
    fakes.fault("store", "exit 2")
    process = fakes.run("run", fakes.config, "--out", fakes.folder / "out")
    assert process.returncode == 2
    assert "ingest failed with exit code 2" in process.stderr
    assert "Traceback" not in process.stderr
    assert "When it is fixed: qa-loop run" in process.stderr


def test_bad_configuration_writes_nothing(fakes):
    fakes.change("steps = 2", "stepz = 2")
    process = fakes.run("run", fakes.config, "--out", fakes.folder / "out")
    assert process.returncode == 2
    assert process.stderr.startswith("error: ")
    assert "Did you mean 'steps'?" in process.stderr
    assert not (fakes.folder / "out").exists()
    assert "Traceback" in runner.invoke(app, ["--debug", "run", str(fakes.config), "--out", "out"]).stderr


def test_status_shows_every_stage(finished_run):
    result = runner.invoke(app, ["status", str(finished_run), "--json"])
    assert result.exit_code == 0
    value = json.loads(result.stdout)
    assert value["done"]
    assert len(value["stages"]) == 21
    assert {stage["state"] for stage in value["stages"]} == {"done"}
    assert "round_02-train" in runner.invoke(app, ["status", str(finished_run)]).stdout


def test_status_tells_interrupted_from_failed_and_waiting(fakes, finished_run):
    out = fakes.adopt(finished_run)
    path = out / "manifest.json"
    value = json.loads(path.read_text())
    value["stages"][-2]["state"] = "failed"
    value["stages"][-3]["state"] = "running"
    value["stages"].pop()
    path.write_text(json.dumps(value))
    found = run_status(out)
    assert [stage.state for stage in found.stages[-3:]] == ["interrupted", "failed", "waiting"]
    assert "round_02-eval-confidence.log" in found.next


def test_folder_without_a_run_is_a_user_error(tmp_path):
    for command in ("status", "report"):
        result = runner.invoke(app, [command, str(tmp_path)])
        assert result.exit_code == 2
        assert "no run of qa-loop is here" in result.stderr


def test_demo_prints_its_configuration_and_stops():
    result = runner.invoke(app, ["demo", "--print-config"])
    assert result.exit_code == 0
    assert 'dataset = "rooms"' in result.stdout


def test_demo_takes_another_seed(fakes):
    fakes.fault("store", "exit 2")
    out = fakes.folder / "out"
    process = fakes.run("demo", "--out", out, "--seed", 123)
    assert process.returncode == 2
    assert json.loads((out / "config.resolved.json").read_text())["run"]["seed"] == 123
    assert f"qa-loop demo --out {out} --seed 123" in process.stderr


def test_doctor_names_what_to_fix_first(monkeypatch, tmp_path):
    monkeypatch.setenv("SPATIAL_QA_DATA", str(tmp_path / "absent"))
    result = runner.invoke(app, ["doctor", "--json", "--out", str(tmp_path)])
    assert result.exit_code == 2
    value = json.loads(result.stdout)
    assert value["first"] == "correct or unset SPATIAL_QA_DATA"
    monkeypatch.delenv("SPATIAL_QA_DATA")
    states = {check.name: check.state for check in doctor.examine(tmp_path / "not" / "yet")}
    assert states["SPATIAL_QA_DATA"] == "note"
    assert states["python"] == states["packages"] == "ok"


def test_help_of_every_command_is_light_and_fits():
    code = """
import sys
from typer.testing import CliRunner
from qa_loop.cli import app
for command in ("run", "demo", "status", "report", "sql", "doctor"):
    result = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "80"})
    assert result.exit_code == 0 and max(map(len, result.stdout.splitlines())) <= 80, command
print(sorted({"polars", "duckdb", "pydantic", "torch", "rich"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("model", "blind", "clear"),
    [
        (Score(0.8, 0.7, 0.9, 9), Score(0.5, 0.4, 0.6, 9), True),
        (Score(0.8, 0.6, 0.9, 9), Score(0.5, 0.4, 0.6, 9), False),
        (Score(0.8, None, None, 9), Score(0.1, 0.0, 0.2, 9), False),
        (Score(0.8, 0.7, 0.9, 9), None, False),
    ],
)
def test_clear_means_that_intervals_do_not_touch(model, blind, clear):
    row = Row("size", model, None, blind, Score(0.1, 0.05, 0.2, 9))
    assert row.clear == clear
    assert ("*" in format_comparison(Comparison(1, 1, False, [row])).splitlines()[1]) == clear


def test_comparison_uses_the_trained_model_without_frames(finished_run):
    found = comparison(finished_run)
    assert (found.last_round, found.blind_round) == (2, 2)
    assert found.rows[-1].name == "overall"


def test_plan_says_what_runs_out_and_starts_nothing(fakes, tables):
    store = fakes.folder / "store"
    store.mkdir()
    scenes = pl.read_parquet(tables / "scenes.parquet").with_columns(split=pl.lit("train"))
    scenes.write_parquet(store / "scenes.parquet")
    fakes.change("rounds = 2", "rounds = 9")
    done = fakes.run("plan", fakes.config, "--store", store)
    assert done.returncode == 0, done.stderr
    assert "9 rounds of 12 questions" in done.stdout
    assert "it lasts 0 rounds, then other cells take its share" in done.stderr
    assert "rounds will be smaller" in done.stderr
    assert "A question costs 1.67e+05 FLOPs" in done.stdout
    told = json.loads(fakes.run("plan", fakes.config, "--store", store, "--json").stdout)
    assert sum(item["available"] for item in told["supply"]) == 9
    assert told["steps"] == 18
    both = '[[generate.proposer]]\nname = "{}"\nshare = 0.5\n'
    more = both.format("template") + both.format("llm") + 'model = "base"\n'
    fakes.config.write_text(fakes.config.read_text() + more)
    told = json.loads(fakes.run("plan", fakes.config, "--store", store, "--json").stdout)
    assert told["stages"]["asked-2-llm"] == 9
    assert "Models are asked for 50% of the 12 questions of a round; templates fill up" in " ".join(told["notes"])
    assert not (fakes.folder / "out").exists()


def test_compare_pairs_two_runs_round_by_round(fakes, finished_run):
    done = fakes.run("compare", finished_run, finished_run, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(row["name"], row["round"]) for row in rows] == [(n, t) for t in range(3) for n in ("count", "overall")]
    assert [row["clear"] for row in rows[:2]] == [True, False]
    shown = fakes.run("compare", finished_run, finished_run).stdout
    assert "+10.0 [+5.0, +15.0] *" in shown
    assert fakes.run("compare", finished_run, fakes.folder).returncode == 2
