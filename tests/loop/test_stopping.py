"""When a run ends early, which round is best, and what the guard says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qa_loop.config import load_config, parse_config
from qa_loop.errors import QALoopError
from qa_loop.manifest import Manifest, Record, load_manifest
from qa_loop.run import run_loop
from qa_loop.stages import plan
from qa_loop.status import run_status
from qa_loop.stopping import best_round, ended, guard_drops

RAW = {
    "run": {"name": "x", "rounds": 4},
    "scenes": {"dataset": "rooms", "split": "train=0.6,val=0.2,test=0.2"},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1},
    "eval": [{"per_scene": 2}, {"name": "val", "split": "val", "count": 4}],
}


def folder_with(path: Path, scores: dict[str, list[float]]) -> Path:
    """Summaries of evaluations by folder name and round, with an interval of 0.02 either way."""
    for name, values in scores.items():
        for number, mean in enumerate(values):
            here = path / f"round_{number:02d}" / name
            here.mkdir(parents=True)
            whole = {"mean": mean, "ci_low": mean - 0.02, "ci_high": mean + 0.02}
            (here / "summary.json").write_text(json.dumps({"overall": whole}))
    return path


def done(config, rounds: int, seconds: float = 1.0) -> Manifest:
    manifest = Manifest()
    for stage in plan(config):
        if stage.round is None or stage.round <= rounds:
            manifest.stages[stage.name] = Record(stage.name, stage.out, [], [], "done", "", seconds=seconds)
    return manifest


@pytest.mark.parametrize(
    ("values", "patience", "after"),
    [
        ([0.3, 0.4, 0.4, 0.5, 0.6], 1, 2),
        ([0.3, 0.4, 0.4, 0.5, 0.6], 2, None),
        ([0.3, 0.4, 0.39, 0.38, 0.9], 2, 3),
        ([0.3, 0.4, 0.5, 0.6, 0.6], 1, None),  # the last round ends the run anyway
    ],
)
def test_patience_counts_rounds_without_a_gain(tmp_path, values, patience, after):
    config = parse_config({**RAW, "stop": {"on": "val", "patience": patience, "min_gain": 0.01}}, source="x")
    here = folder_with(tmp_path, {"eval_val": values})
    found = ended(config, here, manifest=done(config, 4))
    assert (found.round if found else None) == after
    if found:
        assert "without a gain of 1 points on 'val'" in found.reason


def test_a_round_that_is_not_done_decides_nothing(tmp_path):
    config = parse_config({**RAW, "stop": {"on": "val"}}, source="x")
    here = folder_with(tmp_path, {"eval_val": [0.5, 0.5, 0.5]})
    assert ended(config, here, manifest=done(config, 0)) is None
    assert ended(config, here, manifest=done(config, 1)).round == 1
    assert ended(config, tmp_path / "nothing") is None


def test_budgets(tmp_path):
    samples = parse_config({**RAW, "stop": {"samples": 40}}, source="x")
    assert ended(samples, tmp_path, manifest=done(samples, 4)).round == 2
    hours = parse_config({**RAW, "stop": {"hours": 1}}, source="x")
    assert "hours are spent" in ended(hours, tmp_path, manifest=done(hours, 4, seconds=600)).reason


def test_a_budget_of_operations_counts_training_and_every_pass(fakes):
    """By the fakes' estimate a question costs 1.67e5 operations, thrice in training; round 0 answers twice nine."""
    fakes.change("rounds = 2", "rounds = 3")
    fakes.config.write_text(fakes.config.read_text() + "[stop]\nflops = 7e6\n")
    out = fakes.folder / "out"
    outcome = run_loop(load_config(fakes.config), out)
    records = load_manifest(out).stages
    counted = {name: record.flops for name, record in records.items() if record.flops is not None}
    assert {name.partition("-")[2] for name in counted} == {"train", "eval", "blind"}
    per_question = 3e6 / 3 / 6
    assert counted["round_01-train"] == pytest.approx(3 * 9 * per_question)
    assert outcome.ended.round == 1
    assert "of 7e+06 FLOPs are spent" in outcome.ended.reason
    assert run_status(out).done


def test_a_budget_of_operations_needs_a_model_that_can_be_estimated(fakes, monkeypatch):
    fakes.config.write_text(fakes.config.read_text() + "[stop]\nflops = 7e6\n")
    monkeypatch.setattr("qa_loop.run.estimated", lambda config: None)
    with pytest.raises(QALoopError, match=r"stop.flops needs an estimate"):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert not (fakes.folder / "out").exists()


def test_best_round_is_that_of_the_validation_split(tmp_path):
    config = parse_config({**RAW, "stop": {"on": "val"}}, source="x")
    here = folder_with(tmp_path, {"eval_val": [0.3, 0.6, 0.6], "eval": [0.3, 0.4, 0.9]})
    assert best_round(config, here) == (1, 0.6)
    assert best_round(parse_config(RAW, source="x"), here) is None


def test_guard_speaks_where_intervals_do_not_touch(tmp_path):
    raw = {**RAW, "guard": {"questions": "/general.jsonl", "stop": True}}
    config = parse_config(raw, source="x")
    here = folder_with(tmp_path, {"eval_guard": [0.8, 0.77, 0.7]})
    assert [drop.round for drop in guard_drops(config, here)] == [2]
    found = ended(config, here, manifest=done(config, 2))
    assert (found.round, found.reason) == (2, "the guard fell from 80.0 to 70.0")
    quiet = parse_config({**raw, "guard": {"questions": "/general.jsonl"}}, source="x")
    assert ended(quiet, here, manifest=done(quiet, 2)) is None


def test_run_stops_goes_on_as_stopped_and_ends_with_the_blind_model(fakes):
    fakes.change("rounds = 2", "rounds = 3")
    fakes.config.write_text(fakes.config.read_text() + "[stop]\nsamples = 24\n")
    out = fakes.folder / "out"
    outcome = run_loop(load_config(fakes.config), out)
    assert outcome.ended.round == 2
    records = load_manifest(out).stages
    assert "round_02-blind" in records
    assert not [name for name in records if name.startswith("round_03")]
    assert run_status(out).done
    again = run_loop(load_config(fakes.config), out)
    assert again.ended == outcome.ended
    assert all(record.attempts == 1 for record in load_manifest(out).stages.values())
    fakes.change("samples = 24", "samples = 36")
    longer = run_loop(load_config(fakes.config), out, force=True)
    assert longer.ended is None
    assert "round_03-eval" in load_manifest(out).stages
