"""The command `qa-eval`."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass

import polars as pl
import pytest
from qa_contract.tableio import read_table
from qa_contract.tables import SCORES
from qa_eval.cli import app, main
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.run import run

ROWS = [
    {"id": 1, "question_type": "object_counting", "ground_truth": "4", "prediction": "3"},
    {"id": 2, "question_type": "route_planning", "ground_truth": "B", "prediction": "(B)"},
]


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def command(monkeypatch, capsys):
    """Call the entry point as the shell would."""

    def call(*args) -> Done:
        monkeypatch.setattr(sys, "argv", ["qa-eval", *map(str, args)])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return call


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_json_is_all_that_is_on_stdout(command, tmp_path):
    done = command("score", write(tmp_path / "p.jsonl", ROWS), "--json", "--out", tmp_path / "s.jsonl")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["object_counting"] == 60
    assert summary["overall"] == summary["micro"] == 30
    assert (summary["n"], summary["parse_failures"]) == (2, 1)
    names = ("id", "question_type", "ground_truth", "prediction", "parsed", "score", "parse_failed", "parser")
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [tuple(row[name] for name in names) for row in rows] == [
        (1, "object_counting", "4", "3", "3", 0.6, False, "official"),
        (2, "route_planning", "B", "(B)", None, 0.0, True, "official"),
    ]


def test_unscored_rows_are_counted_and_exit_1(command, tmp_path):
    rows = [*ROWS, ROWS[0] | {"id": 3, "ground_truth": "many"}, ROWS[0] | {"id": 4, "question_type": "object_sorting"}]
    done = command("score", write(tmp_path / "p.jsonl", rows), "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["unscored"] == {"no_ground_truth": 1, "unknown_question_type": 1}
    assert "UNSCORED: 2 of 4" in command("score", tmp_path / "p.jsonl").stdout


def test_predictions_are_joined_to_questions(command, tmp_path):
    predictions = write(tmp_path / "p.jsonl", [{"id": "1", "prediction": "4"}, {"id": "9", "prediction": "4"}])
    done = command("score", predictions, "--questions", write(tmp_path / "q.jsonl", ROWS), "--json")
    assert done.returncode == 1
    summary = json.loads(done.stdout)
    assert summary["object_counting"] == 100
    assert summary["unscored"] == {"no_prediction": 1}
    assert summary["unknown_predictions"] == 1


def test_own_tables_give_the_scores_table(command, questions, tmp_path):
    run(questions, None, tmp_path / "run", RunOptions("majority"))
    done = command("score", tmp_path / "run", "--questions", questions, "--out", tmp_path / "s.parquet", "--json")
    assert done.returncode == 0, done.stderr
    again = read_table(tmp_path / "s.parquet", "scores", SCORES)
    first = read_table(tmp_path / "run", "scores", SCORES)
    assert again.drop("benchmark").equals(first.drop("benchmark"))


def test_parquet_interchange(command, tmp_path):
    pl.DataFrame(ROWS).write_parquet(tmp_path / "p.parquet")
    done = command("score", tmp_path / "p.parquet", "--out", tmp_path / "s.parquet")
    assert done.returncode == 0, done.stderr
    assert pl.read_parquet(tmp_path / "s.parquet")["score"].to_list() == [0.6, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"id": 1,', "line 1 is not valid JSON"),
        ('{"id": 1}', "expected prediction"),
        ('{"id": 1, "prediction": "1"}', "carry no ground_truth"),
        ('{"id": 1, "ground_truth": "1", "question_type": "x"}', "expected prediction"),
        ("[1]", "row 1 is a int"),
        ("", "no rows"),
        ('{"id": 1, "ground_truth": "1", "question_type": "x", "prediction": "1"}', "none of the 1 rows"),
    ],
)
def test_bad_input_exits_2_without_a_traceback(command, tmp_path, text, message):
    (tmp_path / "p.jsonl").write_text(text)
    done = command("score", tmp_path / "p.jsonl", "--out", tmp_path / "s.jsonl")
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "s.jsonl").exists()


def test_existing_output_and_missing_input_exit_2(command, tmp_path):
    out = write(tmp_path / "s.jsonl", [])
    assert "pass --force" in command("score", write(tmp_path / "p.jsonl", ROWS), "--out", out).stderr
    assert command("score", tmp_path / "nowhere.jsonl").returncode == 2
    assert "Traceback" in command("score", tmp_path / "nowhere.jsonl", "--debug").stderr


def test_run_from_the_command_line(command, questions, tmp_path):
    done = command("run", questions, "--runner", "oracle", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "overall" in done.stdout
    assert "Next: qa-eval report" in done.stderr
    again = command("run", questions, "--runner", "oracle", "--out", tmp_path / "out", "--json")
    assert again.returncode == 0
    assert "this run is finished" in again.stderr
    assert json.loads(again.stdout)["overall"]["mean"] == 1


def test_questions_without_an_answer_exit_1(command, questions, store, tiny_model, tmp_path):
    (store / "images/s1/0.png").unlink()
    args = ("--store", store, "--model", tiny_model, "--out", tmp_path / "out", "--device", "cpu")
    done = command("run", questions, *args, "--max-new-tokens", 2)
    assert done.returncode == 1, done.stderr
    assert "UNSCORED: 7 of 11" in done.stdout


def test_a_jsonl_file_is_scored_without_loading_a_database_or_torch(tmp_path):
    path = write(tmp_path / "p.jsonl", ROWS)
    code = (
        "import sys; from qa_eval.cli import main; sys.argv[1:] = ['score', sys.argv[1], '--json']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'duckdb', 'pyarrow', 'transformers') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert json.loads(done.stdout)["overall"] == 30
    assert done.stderr.splitlines()[-1] == "[]"


def test_start_up_imports_nothing_heavy():
    code = "import sys, qa_eval.cli; print([m for m in ('torch', 'polars', 'duckdb', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


@pytest.mark.parametrize("name", [entry.name or entry.callback.__name__ for entry in app.registered_commands])
def test_every_command_has_help_that_fits_80_columns(command, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "80")
    done = command(name, "--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Common" in done.stdout


def test_version(command):
    assert command("--version").stdout.startswith("qa-eval 0")


def test_imported_log_is_scored_as_its_tool_does(command, tmp_path):
    doc = {"id": 1, "question_type": "object_counting", "ground_truth": "4", "prediction": "x"}
    doc |= {"MRA:.5:.95:.05": 1.0}
    sample = {"target": "4", "filtered_resps": "about four", "vsibench_overall": doc}
    log = write(tmp_path / "x_samples_vsibench.jsonl", [sample])
    done = command("import-log", log, "--from", "lmms-eval", "--out", tmp_path / "p.jsonl")
    assert done.returncode == 0, done.stderr
    assert "1 rows that the log scored: 100.00; read again by lmms-eval-cli: 100.00; 0 rows differ" in done.stdout
    assert "--benchmark vsi-bench --parser lmms-eval-cli" in done.stderr
    scores = [
        json.loads(command("score", tmp_path / "p.jsonl", "--parser", parser, "--json").stdout)["overall"]
        for parser in ("official", "lmms-eval-cli")
    ]
    assert scores == [0, 100]


def test_a_subset_by_ids(command, tmp_path):
    predictions = write(tmp_path / "p.jsonl", ROWS)
    (tmp_path / "ids.txt").write_text("1\n")
    done = command("score", predictions, "--ids", tmp_path / "ids.txt", "--json")
    assert json.loads(done.stdout)["n"] == 1
    (tmp_path / "ids.json").write_text("[1, 99]")
    done = command("score", predictions, "--ids", tmp_path / "ids.json")
    assert done.returncode == 2
    assert "first: 99" in done.stderr


def test_one_budget_and_free_text_from_the_command_line(command, tmp_path):
    row = {"id": 0, "scene_id": "s", "question_type": "object_counting_single", "question": "?", "options": None}
    rows = [row | {"num_frames": budget, "ground_truth": truth} for budget, truth in (("16", "2"), ("64", "4"))]
    pl.DataFrame(rows).with_columns(pl.col("options").cast(pl.List(pl.String))).write_parquet(
        tmp_path / "mixed.parquet"
    )
    (tmp_path / "p.jsonl").write_text('{"id": 0, "prediction": "4"}\n')
    call = ("score", tmp_path / "p.jsonl", "--questions", tmp_path / "mixed.parquet", "--benchmark", "revsi", "--json")
    assert "choose one with --frames" in command(*call).stderr
    assert json.loads(command(*call, "--frames", "64").stdout)["overall"] == 100
    assert json.loads(command(*call, "--frames", "16").stdout)["overall"] == 0

    scanqa = [{"scene_id": "s", "question_id": "q", "question": "What is it?", "answers": ["a red chair"]}]
    (tmp_path / "ScanQA_v1.0_val.json").write_text(json.dumps(scanqa))
    (tmp_path / "p.jsonl").write_text('{"id": "q", "prediction": "chair"}\n')
    done = command(
        "score", tmp_path / "p.jsonl", "--questions", tmp_path / "ScanQA_v1.0_val.json", "--benchmark", "scanqa"
    )
    assert done.returncode == 0
    assert re.search(r"  EM +1 +0\.00\n  EM cleaned +1 +0\.00\n  EM-R +1 +100\.00", done.stdout)
    assert "  ROUGE-L" in done.stdout
