"""Exports: every question with its prompt, answer and frames; what cannot be exported is said."""

import base64
import io
import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_contract.prompts import format_prompt
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import FRAME_SETS, FRAMES, QUESTIONS
from qa_engine.exports import FORMATS

CHOICE = ["A. sofa", "B. bed"]


def write(rows, folder, table, schema):
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)
    return write_table(frame, folder / f"{table}.parquet", schema, table_metadata(table, "test", {}, 0))


def question(index, **changes):
    row = {
        "question_id": f"q{index}",
        "scene_name": "kitchen",
        "question_type": "object_counting",
        "question": "How many beds?",
        "ground_truth": "2",
        "frame_set_id": "uniform-2",
        "prompt_id": "vsi-bench",
        "signature": f"s{index}",
    }
    return row | changes


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    (folder / "images/kitchen").mkdir(parents=True)
    frames = []
    for index in range(2):
        path = f"images/kitchen/{index}.png"
        Image.fromarray(np.full((8, 12, 3), 100 * index, np.uint8)).save(folder / path)
        frames.append({"scene_name": "kitchen", "frame_id": f"f{index}", "image_path": path})
    frames.append({"scene_name": "kitchen", "frame_id": "out", "image_path": "../secret.png"})
    (tmp_path / "secret.png").write_bytes(b"secret")
    sets = {"uniform-2": ["f1", "f0"], "absent": ["f0", "f9"], "outside": ["out"]}
    rows = [{"scene_name": "kitchen", "frame_set_id": name, "n": 2, "frame_ids": ids} for name, ids in sets.items()]
    write(frames, folder, "frames", FRAMES)
    write(rows, folder, "frame_sets", FRAME_SETS)
    return folder


@pytest.fixture
def export(call, store, tmp_path):
    def run(rows, name, *words, out="out"):
        questions = write(rows, tmp_path, "questions", QUESTIONS)
        code = call("export", questions, "--store", store, "--format", name, "--out", tmp_path / out, *words)
        return code, tmp_path / out

    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_format_has_the_prompt_the_answer_and_the_frames_in_order(export, store):
    rows = [
        question(0),
        question(1, question="Which is closest?", options=CHOICE, ground_truth="B", frame_set_id=None),
    ]
    texts = [format_prompt(row["question"], row.get("options"), "vsi-bench") for row in rows]
    shown = ["images/images/kitchen/1.png", "images/images/kitchen/0.png"]
    outs = {}
    for name in FORMATS:
        code, outs[name] = export(rows, name, out=name)
        assert code == 0, name
        inside = outs[name] / "spatial_questions" if name == "verifiers" else outs[name]
        beside = {path.relative_to(inside).as_posix() for path in inside.rglob("*.png")}
        assert beside == (set() if FORMATS[name].embeds else set(shown)), name
    trl = lines(outs["trl"] / "train.jsonl")
    assert [row["images"] for row in trl] == [shown, []]
    assert [row["prompt"][0]["content"] for row in trl] == texts
    assert [row["completion"][0]["content"] for row in trl] == ["2", "B"]
    llava, qwen = json.loads((outs["llava"] / "train.json").read_text()), lines(outs["qwen"] / "train.jsonl")
    assert llava == qwen
    assert llava[0]["image"] == shown
    assert llava[0]["conversations"][0]["value"] == "<image>\n<image>\n" + texts[0]
    assert "image" not in llava[1]
    openai = lines(outs["openai"] / "train.jsonl")[0]["messages"]
    url = openai[0]["content"][0]["image_url"]["url"]
    picture = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    assert np.asarray(picture).max() == 100
    assert openai[0]["content"][-1] == {"type": "text", "text": texts[0]}
    assert openai[1] == {"role": "assistant", "content": "2"}
    table = pl.read_parquet(outs["hf"] / "train.parquet")
    assert table["text"].to_list() == texts
    assert table["options"].to_list() == [[], CHOICE]
    assert table["images"].list.len().to_list() == [2, 0]
    assert table["images"][0][0]["bytes"] == (store / "images/kitchen/1.png").read_bytes()


def test_what_cannot_be_exported_is_a_reject_and_exit_1(export):
    rows = [
        question(0),
        question(1, frame_set_id="uniform-9"),
        question(2, frame_set_id="absent"),
        question(3, frame_set_id="outside"),
        question(4, ground_truth=" "),
        question(5, prompt_id="other"),
    ]
    code, out = export(rows, "trl")
    assert code == 1
    assert len(lines(out / "train.jsonl")) == 1
    rejects = pl.read_parquet(out / "rejects.parquet")
    reasons = ["missing_frame_set", "missing_frame", "outside_store", "no_answer", "unknown_prompt"]
    assert rejects["reason"].to_list() == reasons
    assert rejects["item"].to_list() == ["q1", "q2", "q3", "q4", "q5"]
    assert b"secret" not in b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert export(rows, "trl")[0] == 2
    assert export(rows, "trl", "--force")[0] == 1


def test_an_environment_has_the_questions_that_can_be_scored(export, capsys):
    rows = [
        question(0),
        question(1, ground_truth="0"),
        question(2, options=CHOICE, ground_truth="bed"),
        question(3, options=CHOICE, ground_truth="B", frame_set_id=None),
    ]
    code, out = export(rows, "verl")
    assert code == 1
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects.select("item", "reason", "detail").rows() == [("q1", "no_score", "0"), ("q2", "no_score", "bed")]
    counted, chosen = pl.read_parquet(out / "train.parquet").to_dicts()
    assert counted["prompt"][0]["content"].startswith("<image><image>These are frames")
    assert [len(row["images"]) for row in (counted, chosen)] == [2, 0]
    assert [row["ability"] for row in (counted, chosen)] == ["measurement"] * 2
    assert chosen["extra_info"]["options"] == CHOICE
    reward = runpy.run_path(str(out / "reward.py"))["compute_score"]
    scores = [
        reward(row["data_source"], said, row["reward_model"]["ground_truth"], row["extra_info"])
        for row, said in ((counted, "2 beds"), (counted, "3"), (chosen, "b."), (chosen, "A"))
    ]
    assert scores == [1, 0.1, 1, 0]
    for name in ("verl", "verifiers", "reasoning-gym"):
        assert export(rows, name, "--trace", "text", out="other")[0] == 2
        assert f"--format {name} has no place for the steps" in capsys.readouterr().err


def test_without_a_trace_a_question_is_a_reject_and_the_others_are_written(call, tmp_path):
    store, asked = tmp_path / "rooms", tmp_path / "asked"
    assert call("ingest", "rooms", "--scenes", 1, "--frames", 0, "--out", store) == 0
    assert call("generate", store, "--count", 3, "--tasks", "object_size_estimation", "--out", asked) == 0
    rows = pl.read_parquet(asked / "questions.parquet").to_dicts()
    assert len(rows) == 3
    rows[0]["scene_name"] = "elsewhere"
    rows[1]["ground_truth"] = "-1"
    questions = write(rows, tmp_path, "questions", QUESTIONS)
    out = tmp_path / "out"
    assert call("export", questions, "--store", store, "--format", "trl", "--trace", "text", "--out", out) == 1
    assert len(lines(out / "train.jsonl")) == 1
    rejects = pl.read_parquet(out / "rejects.parquet")
    assert rejects["reason"].to_list() == ["no_trace"] * 2
    assert rejects["detail"][0].startswith("Unknown scene 'elsewhere'")
    assert rejects["detail"][1].endswith("the question says '-1'")


def test_user_errors(export, capsys):
    code, out = export([question(0)], "lava")
    assert code == 2
    assert "Unknown format 'lava'. Did you mean 'llava'?" in capsys.readouterr().err
    assert export([question(0, prompt_id="other")], "trl")[0] == 2
    assert "no question to export (unknown_prompt 1)" in capsys.readouterr().err
    assert not out.exists()


def test_scenes_of_benchmarks_are_for_evaluation_only(export, capsys):
    rows = [question(0, scene_name="41069025", frame_set_id=None), question(1)]
    code, out = export(rows, "hf")
    assert code == 2
    assert "the first is '41069025' (vsi-bench)" in capsys.readouterr().err
    assert not out.exists()
    assert export(rows, "hf", "--allow-benchmark-scenes")[0] == 0
    assert export(rows, "lmms-eval", out="task")[0] == 0


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def sharded(store, tmp_path):
    """Questions in two files, of which every fourth has a frame set that is not there."""
    folder = tmp_path / "asked"
    rows = [question(k, frame_set_id="uniform-9" if k % 4 == 3 else "uniform-2") for k in range(11)]
    for k, part in enumerate((rows[:6], rows[6:])):
        path = write(part, folder, "questions", QUESTIONS)
        path.rename(folder / f"questions-{k:05d}-of-00002.parquet")
    return folder


def test_parts_are_put_together_in_the_order_of_the_table(call, sharded, store, tmp_path, monkeypatch):
    for name in ("trl", "llava", "hf"):  # one of each way of putting together
        out = tmp_path / name
        words = ("export", sharded, "--store", store, "--format", name, "--force", "--out", out)
        assert call(*words) == 1
        expected = contents(out)
        monkeypatch.setitem(FORMATS, name, replace(FORMATS[name], rows_per_part=2))
        assert call(*words) == 1
        found = contents(out)
        if name == "hf":
            names = [f"train-{k:05d}-of-{n:05d}.parquet" for n in (2, 6) for k in range(n)]
            before, after = (
                pl.concat(pl.read_parquet(files.pop(Path(path))) for path in names if Path(path) in files)
                for files in (expected, found)
            )
            assert before.equals(after)
        assert found == expected, name
        rejects = pl.read_parquet(out / "rejects.parquet")
        assert rejects["item"].to_list() == ["q3", "q7"], name


def test_two_workers_write_the_same_bytes(call, sharded, store, tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, "trl", replace(FORMATS["trl"], rows_per_part=1))
    for workers in (1, 2):
        out = tmp_path / str(workers)
        assert call("export", sharded, "--store", store, "--format", "trl", "--workers", workers, "--out", out) == 1
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_an_id_that_two_files_have_is_refused(call, sharded, store, tmp_path, capsys):
    path = sharded / "questions-00001-of-00002.parquet"
    table = pl.read_parquet(path).with_columns(question_id=pl.col("question_id").replace("q8", "q2"))
    write_table(table, path, QUESTIONS, table_metadata("questions", "test", {}, 0))
    assert call("export", sharded, "--store", store, "--format", "trl", "--out", tmp_path / "out") == 2
    assert "question_id 'q2' stands in 2 rows" in capsys.readouterr().err
