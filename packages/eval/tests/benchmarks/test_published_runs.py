"""The published file of every benchmark goes from a run to a comparison and a report."""

import json

import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.report import write_report
from qa_eval.report.tables import paper_columns
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.run import run
from qa_eval.scoring.compare import compare_runs
from qa_eval.scoring.formats import run_summary
from qa_eval.scoring.questions import with_options

from .test_published_files import CASES, score_file, write_rows


@pytest.mark.parametrize("name", sorted(set(CASES) - {"scan2cap"}))  # whose captions answer no question
def test_run_compare_and_report(tmp_path, name):
    file, rows, completions, types, _ = CASES[name]
    questions = write_rows(tmp_path / file, rows)
    answers = write_rows(tmp_path / "a.jsonl", [{"id": i, "prediction": text} for i, text in completions.items()])
    replayed = run(questions, None, tmp_path / "replay", RunOptions("replay", benchmark=name), answers=answers)
    found = {kind: 100 * cell["mean"] for kind, cell in replayed.summary["types"].items()}
    assert found == pytest.approx(types)
    oracle = run(questions, None, tmp_path / "oracle", RunOptions("oracle", benchmark=name))
    # A mask is no answer, and a letter without brackets or a line "Answer:" none that the authors' code reads.
    if name not in (
        "stare",
        "ost-bench",
        "refspatial",
        "where2place",
        "robospatial",
        "blink",
        "omnispatial",
        "spatialviz",
    ):
        assert oracle.summary["overall"]["mean"] == 1
    run(questions, None, tmp_path / "majority", RunOptions("majority", benchmark=name))
    result, _ = compare_runs(tmp_path / "oracle", tmp_path / "replay")
    assert result.overall.n == len(completions)
    write_report([tmp_path / "oracle", tmp_path / "replay"], tmp_path / "report")
    assert json.loads((tmp_path / "report/report.json").read_text())


def test_options_are_listed_once():
    assert with_options("Which?", ["A. left"]) == "Which?\nA. left"
    assert with_options("Which? A. left", ["A. left"]) == "Which? A. left"


TABLES = {
    "cv-bench": ["Avg.", "2D", "Count", "Relation", "3D", "Depth", "Micro"],
    "spar-bench": ["Avg.", "Low", "Middle", "depth_prediction_oc", "depth_prediction_oc_mv", "position_matching"],
    "viewspatial": ["Avg.", "Cam. Rel. Dir.", "Camera", "Macro"],
    "mindcube": ["Avg.", "Rotation", "Among", "Around", "Macro"],
    "mmsi-bench": ["Avg.", "Mot. Cam.", "MSR", "Macro"],
    "scanqa": ["Avg.", "EM@1", "EM-R@1", "B-1", "B-2", "B-3", "B-4", "ROUGE-L", "CIDEr"],
    "scanrefer": ["Avg.", "Unique@0.25", "Unique@0.5", "Multiple@0.25", "Multiple@0.5", "Overall@0.25", "Overall@0.5"],
    "all-angles": ["Avg.", "CC", "IC", "WW", "counting", "camera_pose", "Macro"],
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_the_columns_of_the_paper(tmp_path, name):
    *_, scored, _, _, _ = score_file(tmp_path, name)
    summary = run_summary(scored, find_benchmark(name), seed=0)
    assert list(paper_columns([summary]))[: len(TABLES[name])] == TABLES[name]
