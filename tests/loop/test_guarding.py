"""The guard's questions are read before the first stage starts."""

from __future__ import annotations

import json

import pytest

from qa_loop.config import load_config, parse_config
from qa_loop.errors import QALoopError, StageError
from qa_loop.guarding import check_guard, guard_questions
from qa_loop.run import run_loop
from qa_loop.stages import plan

RAW = {
    "run": {"name": "x", "rounds": 1},
    "scenes": {"dataset": "rooms"},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1},
    "eval": {"per_scene": 2},
}
TURNS = [{"role": "user", "content": "Which?\nA. left\nB. right"}, {"role": "assistant", "content": "B"}]
PAIR = {"prompt": "How many legs has a spider?", "completion": "8"}


def guarded(path, rows, **more):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return parse_config({**RAW, "guard": {"questions": str(path), **more}}, source="x")


def test_conversations_become_rows_that_the_evaluator_scores(tmp_path):
    spoken = {"messages": [{"role": "system", "content": "Be brief."}, *TURNS]}
    config = guarded(tmp_path / "g.jsonl", [spoken, PAIR], form="trl")
    (path, text), *_ = guard_questions(config).items()
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["ground_truth"] for row in rows] == ["B", "8"]
    assert (rows[0]["question"], rows[0]["options"]) == ("Which?", ["A. left", "B. right"])
    stages = {stage.name: stage for stage in plan(config)}
    assert stages["round_01-eval-guard"].argv[2] == path
    check_guard(config)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"messages": TURNS}, {"text": "x"}], "row 2: 'has text'"),
        ([{"messages": [*TURNS, *TURNS]}], "row 1: has the turns user, assistant, user, assistant"),
        ([{**PAIR, "images": ["a.png"]}], "row 1: has images"),
        ([{"messages": [{**TURNS[0], "content": [{"type": "image"}]}, TURNS[1]]}], "parts of type image"),
        ([{**PAIR, "completion": " "}], "an empty question or answer"),
        (["x"], "row 1: is no object"),
        ([], "it has no rows"),
    ],
)
def test_what_is_no_question_is_named_by_its_row(tmp_path, rows, message):
    with pytest.raises(QALoopError) as error:
        guard_questions(guarded(tmp_path / "g.jsonl", rows, form="trl"))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("rows", "form", "message"),
    [
        ([{**PAIR, "completion": "Eight, of course."}, PAIR], "trl", r"cannot be scored: .*1 of 2 rows"),
        ([PAIR], "questions", r"expected id, .*found prompt, completion.* set form = 'trl'"),
    ],
)
def test_what_the_evaluator_cannot_score_is_refused_beforehand(tmp_path, rows, form, message):
    with pytest.raises(QALoopError, match=message):
        check_guard(guarded(tmp_path / "g.jsonl", rows, form=form))


def test_letters_alone_are_warned_of_at_the_start(fakes, capfd):
    fakes.change("[frames]", '[generate]\ntasks = ["letters"]\n[frames]')
    fakes.fault("store", "exit 2")
    with pytest.raises(StageError):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert "warning: Every target of every round is a letter" in capfd.readouterr().err
