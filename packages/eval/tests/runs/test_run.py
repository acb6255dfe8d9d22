"""The command `run`, in this process."""

import json
import shutil
from dataclasses import replace

import polars as pl
import pytest
import qa_eval.runs.run as run_module
from qa_contract.tableio import read_metadata, read_table
from qa_contract.tables import PREDICTIONS, REJECTS, SCORES
from qa_eval.errors import QAEvalError
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.outputs import degradation_curves
from qa_eval.runs.run import make_batches, run

TABLES = ("predictions.parquet", "scores.parquet", "rejects.parquet", "summary.json")


@pytest.fixture
def options(tiny_model):
    return RunOptions(model=str(tiny_model), batch_size=3, max_new_tokens=6, device="cpu", round=2)


def test_oracle_scores_everything_and_needs_no_store(questions, tmp_path):
    result = run(questions, None, tmp_path / "out", RunOptions("oracle"))
    assert result.summary["overall"]["mean"] == 1
    scores = read_table(tmp_path / "out", "scores", SCORES)
    assert scores["score"].to_list() == [1.0] * 11
    assert scores["question_id"].to_list() == pl.read_parquet(questions / "questions.parquet")["question_id"].to_list()


def test_predictions_carry_what_confidence_needs(questions, store, tmp_path, options):
    run(questions, store, tmp_path / "out", options)
    rows = read_table(tmp_path / "out", "predictions", PREDICTIONS)
    assert rows.height == 11
    for name in ("token_logprobs", "token_mask", "token_is_top1", "token_entropy"):
        assert rows[name].list.len().to_list() == rows["token_ids"].list.len().to_list()
    assert set(rows["phase"]) == {"eval"}
    assert set(rows["round"]) == {2}
    assert rows["run_id"][0] == read_metadata(tmp_path / "out/predictions.parquet")["run_id"]
    assert rows["model_id"][0].startswith("qwen3_vl@")
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["rows"] == {"questions": 11, "predictions": 11, "rejects": 0}
    assert not (tmp_path / "out/work").exists()


def test_a_stopped_run_continues_and_ends_with_the_same_bytes(questions, store, tmp_path, options, monkeypatch):
    run(questions, store, tmp_path / "whole", options)
    calls = 0
    write = run_module.write_table

    def stop_after_two(*args):
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return write(*args)

    monkeypatch.setattr(run_module, "write_table", stop_after_two)
    with pytest.raises(KeyboardInterrupt):
        run(questions, store, tmp_path / "parts", options)
    assert not (tmp_path / "parts/predictions.parquet").exists()
    monkeypatch.undo()
    result = run(questions, store, tmp_path / "parts", options)
    assert 0 < result.n_resumed < 11
    for name in TABLES:
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_finished_run_is_left_alone_and_another_configuration_refused(questions, tmp_path):
    out = tmp_path / "out"
    run(questions, None, out, RunOptions("oracle"))
    before = (out / "manifest.json").read_bytes()
    assert run(questions, None, out, RunOptions("oracle")).already
    assert (out / "manifest.json").read_bytes() == before
    with pytest.raises(QAEvalError, match="model_id: oracle -> majority\n  runner: oracle -> majority"):
        run(questions, None, out, RunOptions("majority"))
    assert not run(questions, None, out, RunOptions("majority"), force=True).already


def test_foreign_folder_is_refused(questions, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    with pytest.raises(QAEvalError, match="holds no run"):
        run(questions, None, tmp_path / "out", RunOptions("oracle"))


def test_a_model_that_cannot_be_loaded_leaves_nothing(questions, store, tmp_path, options):
    for model, message in ((tmp_path / "absent", "no such folder"), (tmp_path, "expected config.json")):
        with pytest.raises(QAEvalError, match=message):
            run(questions, store, tmp_path / "out", replace(options, model=str(model)))
    broken = shutil.copytree(str(options.model), tmp_path / "broken")
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(QAEvalError, match="broken"):
        run(questions, store, tmp_path / "out", replace(options, model=str(broken)))
    assert not (tmp_path / "out").exists()


def test_frames_that_a_link_or_a_path_leads_out_of_the_store_are_not_shown(questions, store, tmp_path, options):
    secret = tmp_path / "secret.png"
    shutil.copy(store / "images/s1/0.png", secret)
    (store / "images/s1/0.png").unlink()
    (store / "images/s1/0.png").symlink_to(secret)
    frames = store / "frames.parquet"
    outside = pl.when(scene_name="s2").then(pl.lit(str(secret))).otherwise("image_path")
    rows, meta = pl.read_parquet(frames), read_metadata(frames)
    rows.with_columns(image_path=outside).write_parquet(frames, metadata=meta)
    result = run(questions, store, tmp_path / "out", options)
    assert set(read_table(tmp_path / "out", "rejects", REJECTS)["reason"]) == {"frame_outside_store"}
    assert result.summary["n_scored"] == 0


def test_questions_without_frames_are_rejects(questions, store, tmp_path, options):
    (store / "images/s1/0.png").unlink()
    sets = pl.read_parquet(store / "frame_sets.parquet")
    meta = read_metadata(store / "frame_sets.parquet")
    sets.filter(scene_name="s1").write_parquet(store / "frame_sets.parquet", metadata=meta)
    result = run(questions, store, tmp_path / "out", options)
    rejects = read_table(tmp_path / "out", "rejects", REJECTS)
    assert result.n_rejected == 11
    assert set(rejects["reason"]) == {"missing_frame", "missing_frame_set"}
    assert result.summary["n_scored"] == 0
    assert result.summary["unscored"] == {"missing_frame": 7, "missing_frame_set": 4}
    assert read_table(tmp_path / "out", "predictions", PREDICTIONS).is_empty()
    assert read_table(tmp_path / "out", "scores", SCORES)["score"].null_count() == 11


def test_majority_learns_from_other_questions(questions, tmp_path):
    source = pl.read_parquet(questions / "questions.parquet").filter(pl.col("question_type") == "object_counting")
    (tmp_path / "reference").mkdir()
    source.write_parquet(
        tmp_path / "reference/questions.parquet", metadata=read_metadata(questions / "questions.parquet")
    )
    result = run(questions, None, tmp_path / "out", RunOptions("majority"), majority_from=tmp_path / "reference")
    assert result.summary["unscored"] == {"no_baseline": 7}
    assert set(read_table(tmp_path / "out", "predictions", PREDICTIONS)["completion"]) == {"2"}


def test_missing_options_are_named(questions, tmp_path):
    with pytest.raises(QAEvalError, match="needs --model"):
        run(questions, None, tmp_path / "out", RunOptions())
    with pytest.raises(QAEvalError, match="--store"):
        run(questions, None, tmp_path / "out", RunOptions(model="some/hub-id"))
    with pytest.raises(QAEvalError, match="Did you mean 'oracle'"):
        run(questions, None, tmp_path / "out", RunOptions("orakel"))


def test_batches_do_not_mix_frame_counts():
    class Sorter:
        def batch_key(self, item):
            return (item, 0, "", 0)

    batches = make_batches([2, 0, 2, 2, 0], range(5), Sorter(), 2)
    assert batches == [[1, 4], [0, 2], [3]]


def test_replay_scores_stored_answers_again(questions, store, tmp_path, options):
    run(questions, store, tmp_path / "model", options)
    replay = RunOptions("replay", parser="lenient")
    result = run(questions, None, tmp_path / "out", replay, answers=tmp_path / "model")
    first = read_table(tmp_path / "model", "predictions", PREDICTIONS)["completion"]
    assert read_table(tmp_path / "out", "predictions", PREDICTIONS)["completion"].to_list() == first.to_list()
    assert result.summary["parser"] == "lenient"


def test_an_answers_file_that_lacks_a_question_leaves_it_unscored(questions, tmp_path):
    (tmp_path / "answers.jsonl").write_text('{"id": "n0", "answer": 2}\n')
    result = run(questions, None, tmp_path / "out", RunOptions("oracle"), answers=tmp_path / "answers.jsonl")
    assert result.summary["unscored"] == {"missing_answer": 10}
    assert result.summary["overall"]["mean"] == 1
    with pytest.raises(QAEvalError, match="needs --answers"):
        run(questions, None, tmp_path / "other", RunOptions("replay"))


def test_single_frame_and_blind_show_less(questions, store, tmp_path, tiny_model):
    found = {}
    for name in ("transformers", "single-frame", "blind"):
        shown = RunOptions(name, str(tiny_model), max_new_tokens=2, device="cpu")
        run(questions, store, tmp_path / name, shown)
        found[name] = read_table(tmp_path / name, "predictions", PREDICTIONS)["token_logprobs"].to_list()
    assert found["transformers"] != found["single-frame"] != found["blind"]


def test_degraded_frames_change_the_answers_and_give_a_curve(questions, store, tmp_path, options):
    clean = run(questions, store, tmp_path / "out", options)
    damaged = {
        name: run(questions, store, tmp_path / name.replace(":", "-"), replace(options, degrade=name))
        for name in ("occlusion:1", "occlusion:5")
    }
    rows = [read_table(tmp_path / name, "predictions", PREDICTIONS) for name in ("out", "occlusion-1", "occlusion-5")]
    assert len({str(table["token_logprobs"][0].to_list()) for table in rows}) == 3
    value = degradation_curves(tmp_path / "out", damaged, clean)
    assert list(value["curves"]["occlusion"]["levels"]) == ["1", "5"]
    assert json.loads((tmp_path / "out/curves.json").read_text()) == value
    with pytest.raises(QAEvalError, match="nothing to degrade"):
        run(questions, None, tmp_path / "x", RunOptions("oracle", degrade="blur:1"))


def test_the_manifest_says_what_the_model_saw(questions, store, tmp_path, options):
    run(questions, store, tmp_path / "out", options)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    shown = manifest["frames"]
    assert shown["input"] == "image list"
    assert shown["frame_sets"] == {"uniform-2": 11}
    assert shown["frames_per_question"] == {"2": 11}
    assert shown["pixels"] == {"64x64": 4}
    assert manifest["model"]["decoding"].startswith("greedy, 6 new tokens")
    assert manifest["model"]["image_processor"]["size"]["longest_edge"] == 64 * 64
    assert manifest["prompt_ids"] == ["vsi-bench"]
    assert len(manifest["dataset_revision"]["sha256"]) == 16
    assert {"torch", "transformers", "qa-eval"} <= set(manifest["packages"])


def test_another_frame_set_is_shown_and_recorded(questions, store, tmp_path, options):
    sets = pl.read_parquet(store / "frame_sets.parquet")
    given = sets.with_columns(frame_set_id=pl.lit("given-1"), n=pl.lit(1, pl.Int64), frame_ids=pl.lit(["1"]))
    meta = read_metadata(store / "frame_sets.parquet")
    pl.concat([sets, given]).write_parquet(store / "frame_sets.parquet", metadata=meta)
    run(questions, store, tmp_path / "own", options)
    run(questions, store, tmp_path / "given", replace(options, frame_set="given-1"))
    own, other = (read_table(tmp_path / name, "predictions", PREDICTIONS) for name in ("own", "given"))
    assert set(other["frame_set_id"]) == {"given-1"}
    assert own["token_logprobs"].to_list() != other["token_logprobs"].to_list()
    with pytest.raises(QAEvalError, match="Did you mean 'given-1'"):
        run(questions, store, tmp_path / "other", replace(options, frame_set="given"))
    with pytest.raises(QAEvalError, match="--frame-set has no effect"):
        run(questions, store, tmp_path / "blind", replace(options, runner="blind", frame_set="given-1"))


def test_questions_in_the_names_of_vsi_bench(tmp_path):
    rows = [
        {"id": 0, "scene_name": "s", "question_type": "object_counting", "question": "How many?", "ground_truth": "4"},
        {"id": 1, "scene_name": "s", "question_type": "route_planning", "question": "Where?", "ground_truth": "B"},
    ]
    rows[1]["options"] = ["A. left", "B. right"]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run(tmp_path / "q.jsonl", None, tmp_path / "out", RunOptions("frequency", benchmark="vsi-bench"))
    assert result.summary["overall"]["mean"] == 1
    (tmp_path / "bad.jsonl").write_text('{"id": 0, "scene_name": "s"}\n')
    with pytest.raises(QAEvalError, match="expected question_type, question, ground_truth"):
        run(tmp_path / "bad.jsonl", None, tmp_path / "bad", RunOptions("frequency"))


@pytest.mark.parametrize("frameless", ["n0", "all"])
@pytest.mark.parametrize("extra", [{}, {"degrade": "blur:1"}, {"runner": "openai", "model": "m"}])
def test_a_model_that_would_see_no_frame_of_a_question_is_refused(
    questions, store, tmp_path, options, extra, frameless
):
    path = questions / "questions.parquet"
    named = pl.when((pl.col("question_id") != frameless) & (frameless != "all")).then("frame_set_id")
    bare = pl.read_parquet(path).with_columns(frame_set_id=named)
    bare.write_parquet(path, metadata=read_metadata(path))
    with pytest.raises(QAEvalError, match=r"frame set, so.*--runner blind"):
        run(questions, store, tmp_path / "out", replace(options, **extra))
    assert not (tmp_path / "out").exists()
    shown = run(questions, store, tmp_path / "shown", replace(options, frame_set="uniform-2", max_new_tokens=1))
    assert shown.summary["n_scored"] == 11


def test_without_frames_on_purpose(questions, tmp_path, options):
    run(questions, None, tmp_path / "out", replace(options, runner="blind", max_new_tokens=1))
    assert set(read_table(tmp_path / "out", "predictions", PREDICTIONS)["frame_input"]) == {"none"}
