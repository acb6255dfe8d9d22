"""Rounds that keep their weights, and runs that need removed ones again."""

from __future__ import annotations

import json

import pytest

from qa_loop import keeping
from qa_loop.config import load_config, parse_config
from qa_loop.manifest import Record, load_manifest
from qa_loop.pairs import compared
from qa_loop.report import write_report
from qa_loop.run import run_loop
from qa_loop.stages import plan
from qa_loop.status import run_status

RAW = {
    "run": {"name": "x", "rounds": 4},
    "scenes": {"dataset": "rooms", "split": "train=0.6,val=0.2,test=0.2"},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1},
    "eval": [{"per_scene": 2}, {"name": "val", "split": "val", "count": 4}],
    "stop": {"on": "val"},
}


def held(out):
    """Rounds whose weights are there, whose state is there, and whose tables are."""
    names = ("model", "state", "predictions.parquet")
    return ["".join(p.name[-1] for p in sorted(out.glob("round_*")) if (p / "train" / name).exists()) for name in names]


def traces(out):
    return {str(path.relative_to(out)): path.read_text() for path in sorted(out.rglob("trace.txt"))}


def attempts(out):
    return {name: record.attempts for name, record in load_manifest(out).stages.items()}


@pytest.fixture
def three(fakes):
    """Three rounds without frames and comparisons."""
    fakes.change('rounds = 2\nkeep = "all"', "rounds = 3")
    fakes.change("[frames]\nframes = 2\n", "")
    fakes.change("per_scene = 3", "per_scene = 3\nrunners = []")
    return fakes


def test_weights_that_nobody_reads_go_and_come_back_where_they_are_needed(three):
    out, config = three.folder / "out", load_config(three.config)
    run_loop(config, out)
    assert held(out) == ["3", "3", "123"]
    before, undisturbed = attempts(out), traces(out)
    assert run_status(out, check=True).damage == []
    assert compared(out, out)
    assert "tiny on rooms: 3 rounds" in write_report(out, others=False).read_text()
    run_loop(config, out)
    assert attempts(out) == before, "a second start does nothing"
    # What reads round 2 is to be made again: its weights are made again from those of round 1, and nothing else is.
    (out / "round_02/eval/scores.parquet").unlink()
    run_loop(config, out)
    again = {name for name, n in attempts(out).items() if n > before[name]}
    logs = {p.stem: p.read_text().count("wrote") for p in (out / "logs").glob("*.log")}
    assert {name for name, n in logs.items() if n > 1} == {
        *("round_01-train", "round_02-train", "round_02-eval", "round_02-eval-confidence")
    }
    assert again == {"round_01-train", "round_02-train", "round_02-eval"}
    assert traces(out) == undisturbed
    assert held(out) == ["3", "3", "123"]
    assert run_status(out).pruned == ["round_01-train", "round_02-train"]


@pytest.mark.parametrize(
    ("keep", "scores", "whole", "kept"),
    [
        ("best", [0.3, 0.6, 0.4, 0.5, 0.5], 4, "14"),
        ("best", [0.9, 0.1, 0.1, 0.1, 0.1], 4, "4"),
        ("best", [0.3, 0.6, 0.4, 0.5, 0.5], 3, "134"),  # the last round is being trained on the one before
        (2, [0.3, 0.6, 0.4, 0.5, 0.5], 4, "134"),
        ("all", [0.3, 0.6, 0.4, 0.5, 0.5], 4, "1234"),
    ],
)
def test_the_best_and_the_last_rounds_keep_their_weights(tmp_path, keep, scores, whole, kept):
    config = parse_config({**RAW, "run": {**RAW["run"], "keep": keep}}, source="x")
    records = {}
    for stage in plan(config):
        for name in stage.files:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).mkdir() if name.endswith(("model", "state")) else (tmp_path / name).touch()
        finished = stage.round is None or stage.round <= whole
        records[stage.name] = Record(stage.name, stage.out, [], [], "done" if finished else "running", "")
    for t, mean in enumerate(scores[: whole + 1]):
        (tmp_path / f"round_{t:02d}/eval_val/summary.json").write_text(json.dumps({"overall": {"mean": mean}}))
    keeping.prune(config, tmp_path, plan(config), records, last=4)
    assert held(tmp_path) == [kept, kept, "1234"]


def test_killed_while_weights_are_removed_ends_as_undisturbed(tmp_path, monkeypatch):
    for name in keeping.WEIGHTS[::2]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").write_bytes(b"0")

    def kill(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("qa_loop.keeping.shutil.rmtree", kill)
        with pytest.raises(KeyboardInterrupt):
            keeping.remove_weights(tmp_path)
    keeping.remove_weights(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pruned.json"]
    assert json.loads((tmp_path / "pruned.json").read_text()) == {"removed": ["model", "state"]}
