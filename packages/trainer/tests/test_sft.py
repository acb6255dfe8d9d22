"""What a training run writes, from the command line to the files."""

from __future__ import annotations

import json
import os
import signal
import time

import polars as pl
import pytest

TOKENS = ["token_ids", "token_logprobs", "token_mask", "token_is_top1", "token_entropy"]


def predictions(out) -> pl.DataFrame:
    return pl.read_parquet(out / "predictions.parquet")


def weights(out):
    from safetensors.torch import load_file

    return load_file(out / "model" / "model.safetensors")


def same_weights(one, two) -> bool:
    return one.keys() == two.keys() and all(one[name].equal(two[name]) for name in one)


def recompute(folder, store, rows):
    """Score the answers again, one question at a time, from the full logits."""
    import torch
    from PIL import Image
    from qa_contract.prompts import format_prompt
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()
    for row in rows:
        images = [Image.open(store / f"images/{row['scene_name']}/{i}.png") for i in (1, 0)]
        text = format_prompt(row["question"], row["options"], "vsi-bench")
        content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": text}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=[prompt + row["ground_truth"] + "<|im_end|>\n"], images=images, return_tensors="pt")
        length = processor(text=[prompt], images=images, return_tensors="pt")["input_ids"].shape[1]
        with torch.no_grad():
            logits = model(**inputs).logits[0, length - 1 : -1]
        ids = inputs["input_ids"][0, length:]
        logprobs = logits.log_softmax(-1)
        yield {
            "token_ids": ids.tolist(),
            "token_logprobs": logprobs.gather(1, ids[:, None])[:, 0].tolist(),
            "token_mask": [True] * (len(ids) - 2) + [False, False],
            "token_is_top1": (logits.argmax(-1) == ids).tolist(),
            "token_entropy": (-(logprobs.exp() * logprobs).sum(-1)).tolist(),
        }


@pytest.mark.parametrize("micro_batch_size", [4, 2])
def test_recorded_confidence_equals_an_independent_recompute(
    sft, store, questions, tiny_model, tmp_path, micro_batch_size
):
    asked = pl.read_parquet(questions)
    options = {"micro_batch_size": micro_batch_size, "save_steps": 1}
    assert sft(tmp_path / "one", steps=1, **options).code == 0
    assert sft(tmp_path / "two", steps=2, **options).code == 0
    recorded = predictions(tmp_path / "two")
    assert recorded["step"].to_list() == [1] * 4 + [2] * 4
    assert recorded["completion"].equals(asked["ground_truth"][:8].alias("completion"))
    # Step 2 is measured with the weights after step 1.
    for step, model in ((1, tiny_model), (2, tmp_path / "one" / "model")):
        rows = recorded.filter(step=step)
        expected = recompute(
            model, store, asked.join(rows, on="question_id", how="semi", maintain_order="left").to_dicts()
        )
        for row, wanted in zip(rows.to_dicts(), expected, strict=True):
            for column in ("token_ids", "token_mask", "token_is_top1"):
                assert row[column] == wanted[column]
            assert row["token_logprobs"] == pytest.approx(wanted["token_logprobs"], abs=2e-5)
            assert row["token_entropy"] == pytest.approx(wanted["token_entropy"], abs=2e-5)


def test_a_run_writes_everything_that_the_next_stage_needs(sft, questions, tmp_path):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    out = tmp_path / "out"
    ended = sft(out, steps=3, round=7, json=True)
    assert ended.code == 0
    assert "Next: qa-confidence label" in ended.stderr
    summary = json.loads(ended.stdout)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["loss"] == summary["loss"]
    rows = predictions(out)
    assert set(rows["round"]) == {7}
    assert set(rows["runner"]) == {"trainer"}
    assert set(rows["phase"]) == {"train"}
    assert set(rows["run_id"]) == {summary["run_id"]}
    assert rows["question_id"].to_list() == [f"q{i:03d}" for i in range(12)]
    # What was shown and how: the frames of the set in order, their pixels after resizing (one scene's are wider).
    assert rows["frame_ids"].to_list() == [["f1", "f0"]] * 12
    assert rows["frame_pixels"].to_list() == [32 * 32, 32 * 32, 64 * 32] * 4
    assert set(rows["frame_input"]) == {"images"}
    assert set(rows["decoding"]) == {"teacher-forced"}
    assert set(rows["dataset_revision"]) == {manifest["hashes"]["questions"]}
    assert rows["versions"][0].startswith("torch ")
    assert rows["option_logprobs"].null_count() == rows["frame_fps"].null_count() == 12
    steps = pl.read_parquet(out / "metrics.parquet")
    assert steps["step"].to_list() == [1, 2, 3]
    assert set(steps["round"]) == {7}
    assert set(steps["learning_rate"]) == {1e-3}
    assert steps["answer_tokens"].sum() == rows["token_ids"].list.len().sum()
    assert (steps["recorder_seconds"] < steps["step_seconds"]).all()
    assert (steps["grad_norm"] > 0).all()
    assert (steps["tokens"] > steps["answer_tokens"]).all()
    by_step = rows.explode("token_logprobs").group_by("step", maintain_order=True).agg(-pl.col("token_logprobs").mean())
    assert by_step["token_logprobs"].to_list() == pytest.approx(summary["loss"], abs=1e-5)
    assert json.loads((out / "state/state.json").read_text())["global_step"] == 3
    assert sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) == [
        "config.toml",
        "manifest.json",
        "metrics.parquet",
        "model",
        "predictions.parquet",
        "rejects.parquet",
        "run.json",
        "state",
    ]
    model = AutoModelForImageTextToText.from_pretrained(out / "model")
    assert str(model.dtype) == "torch.float32"
    assert AutoProcessor.from_pretrained(out / "model").chat_template
    for path in (out / "model").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes(), path


def test_one_seed_gives_the_same_bytes_and_speed_options_change_nothing(sft, tmp_path):
    assert sft(tmp_path / "a", steps=4).code == 0
    assert sft(tmp_path / "b", steps=4, save_steps=1, image_cache_mb=0).code == 0
    for name in ("predictions.parquet", "model/model.safetensors", "state/optimizer.pt", "state/rng_state.pth"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_gradient_accumulation_gives_the_gradient_of_the_whole_batch(sft, tmp_path):
    import torch

    # Answers of different lengths: the mean is over the tokens of the batch, not over micro-batches. Without clipping,
    # Adam's first moment after one step is a tenth of the gradient.
    moments = []
    for micro_batch_size in (4, 1):
        out = tmp_path / str(micro_batch_size)
        assert sft(out, steps=1, micro_batch_size=micro_batch_size, max_grad_norm=0).code == 0
        state = torch.load(out / "state/optimizer.pt", weights_only=True)["state"]
        moments.append(torch.cat([entry["exp_avg"].flatten() for entry in state.values()]))
    whole, parts = moments
    assert torch.allclose(whole, parts, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


def test_two_processes_of_20_steps_equal_one_of_40(sft, start, make, store, dropout_model, tmp_path):
    # The model draws random numbers in every forward pass, so that their state has to travel too.
    rows = [make.question(i) for i in range(80)]
    both = make.write(rows, tmp_path / "both", "questions")
    first = make.write(rows[:40], tmp_path / "first", "questions")
    second = make.write(rows[40:], tmp_path / "second", "questions")
    options = {"model": dropout_model, "batch_size": 2, "weight_decay": 0.01}
    assert sft(tmp_path / "40", questions=both, steps=40, **options).code == 0
    assert sft(tmp_path / "20", questions=first, steps=20, **options).code == 0
    options |= {"model": tmp_path / "20" / "model", "state_from": tmp_path / "20", "store": store, "steps": 20}
    options |= {"device": "cpu", "learning_rate": 1e-3}
    process = start("sft", second, "--out", tmp_path / "20+20", *make.flags(options))
    process.join(timeout=240)
    assert process.exitcode == 0
    assert same_weights(weights(tmp_path / "40"), weights(tmp_path / "20+20"))
    assert (tmp_path / "40/state/optimizer.pt").read_bytes() == (tmp_path / "20+20/state/optimizer.pt").read_bytes()
    assert (tmp_path / "40/state/rng_state.pth").read_bytes() == (tmp_path / "20+20/state/rng_state.pth").read_bytes()
    columns = ["question_id", "step", *TOKENS]
    parts = pl.concat([predictions(tmp_path / "20"), predictions(tmp_path / "20+20")])
    assert parts.select(columns).equals(predictions(tmp_path / "40").select(columns))
    assert parts["step"].to_list() == [step for step in range(1, 41) for _ in range(2)]


def test_a_killed_run_goes_on_with_the_same_weights_and_rows(
    sft, start, questions, store, make, dropout_model, tmp_path
):
    options = {"model": dropout_model, "batch_size": 2, "steps": 12, "save_steps": 4, "micro_batch_size": 1}
    assert sft(tmp_path / "whole", **options).code == 0
    out = tmp_path / "killed"
    more = {"store": store, "device": "cpu", "learning_rate": 1e-3}
    process = start("sft", questions, "--out", out, *make.flags(options | more))
    deadline = time.monotonic() + 240
    while not list(out.glob("checkpoints/checkpoint-*/complete.json")):
        assert time.monotonic() < deadline
        assert process.is_alive()
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (out / "manifest.json").exists()
    ended = sft(out, **options)
    assert ended.code == 0
    assert "going on from step" in ended.stderr
    assert json.loads((out / "manifest.json").read_text())["resumed_at"] in (4, 8)
    assert same_weights(weights(tmp_path / "whole"), weights(out))
    for name in ("predictions.parquet", "state/optimizer.pt", "state/rng_state.pth"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_full_disk_keeps_the_last_checkpoint_and_the_run_goes_on_afterwards(sft, tmp_path, monkeypatch):
    import torch

    options = {"steps": 4, "save_steps": 2}
    assert sft(tmp_path / "whole", **options).code == 0
    out, real_save = tmp_path / "out", torch.save

    def full(value, path, *args, **kwargs):
        if "checkpoint-4" in str(path):
            raise RuntimeError("unexpected pos 4082240 vs 4082128")
        real_save(value, path, *args, **kwargs)

    monkeypatch.setattr(torch, "save", full)
    ended = sft(out, **options)
    assert ended.code == 2
    assert "a file could not be read or written (unexpected pos" in ended.stderr
    assert [path.parent.name for path in out.glob("checkpoints/*/complete.json")] == ["checkpoint-2"]
    monkeypatch.setattr(torch, "save", real_save)
    assert sft(out, **options).code == 0
    assert (out / "predictions.parquet").read_bytes() == (tmp_path / "whole/predictions.parquet").read_bytes()
    assert same_weights(weights(out), weights(tmp_path / "whole"))


def test_a_complete_run_is_left_alone_and_another_configuration_refused(sft, tmp_path):
    out = tmp_path / "out"
    assert sft(out, steps=1).code == 0
    written = (out / "manifest.json").stat().st_mtime_ns
    again = sft(out, steps=1)
    assert (again.code, "already complete" in again.stderr) == (0, True)
    assert (out / "manifest.json").stat().st_mtime_ns == written
    other = sft(out, steps=2)
    assert other.code == 2
    assert "settings.steps: 1 -> 2" in other.stderr
    assert len(predictions(out)) == 4
    forced = sft(out, steps=2, force=True)
    assert forced.code == 0
    assert len(predictions(out)) == 8


def test_a_few_samples_are_memorised(sft, make, store, tmp_path):
    import torch
    from PIL import Image
    from qa_contract.prompts import format_prompt
    from transformers import AutoModelForImageTextToText, AutoProcessor

    rows = [make.question(i) for i in range(4)]
    questions = make.write(rows, tmp_path, "questions")
    ended = sft(tmp_path / "out", questions=questions, steps=60, learning_rate=5e-3, save_steps=60)
    assert "need 240 questions: the 4 repeat" in ended.stderr
    assert len(ended.stderr.splitlines()) < 30
    summary = json.loads((tmp_path / "out/manifest.json").read_text())
    assert summary["loss"][-1] < 0.02 < summary["loss"][0]
    assert predictions(tmp_path / "out").filter(step=60)["token_is_top1"].explode().all()
    processor = AutoProcessor.from_pretrained(tmp_path / "out/model")
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "out/model")
    for row in rows:
        images = [Image.open(store / f"images/{row['scene_name']}/{i}.png") for i in (1, 0)]
        text = format_prompt(row["question"], row.get("options"), "vsi-bench")
        content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": text}]
        prompt = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
        inputs = processor(text=[prompt], images=images, return_tensors="pt")
        with torch.no_grad():
            answer = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
        assert processor.decode(answer, skip_special_tokens=True).strip() == row["ground_truth"]


def test_the_shipped_base_is_trained_in_float32(sft, tmp_path):
    import torch

    assert sft(tmp_path / "out", model="tiny", steps=1).code == 0
    assert {tensor.dtype for tensor in weights(tmp_path / "out").values()} == {torch.float32}


def test_refused_questions_are_listed_and_the_exit_code_says_so(sft, make, tmp_path):
    rows = [make.question(i) for i in range(9)]
    rows[1] |= {"ground_truth": None}
    rows[2] |= {"frame_set_id": "uniform-9"}
    questions = make.write(rows, tmp_path, "questions")
    ended = sft(tmp_path / "out", questions=questions, steps=1)
    assert ended.code == 1
    assert "1 questions refused: no_ground_truth" in ended.stderr
    assert "1 steps of 4 use the first 4 of 7 questions" in ended.stderr
    assert predictions(tmp_path / "out")["question_id"].to_list() == ["q000", "q003", "q004", "q005"]
    rejects = pl.read_parquet(tmp_path / "out/rejects.parquet")
    assert rejects.select("item", "reason").rows() == [("q001", "no_ground_truth"), ("q002", "missing_frame_set")]
    assert sft(tmp_path / "out", questions=questions, steps=1).code == 1


def test_questions_with_and_without_frames_train_together(sft, make, tmp_path):
    rows = [make.question(i, frame_set_id=None if i in (1, 4, 5, 6, 7) else "uniform-2") for i in range(8)]
    questions = make.write(rows, tmp_path, "questions")
    assert sft(tmp_path / "out", questions=questions, steps=2).code == 0
    recorded = predictions(tmp_path / "out")
    assert recorded["frame_set_id"].null_count() == recorded["frame_pixels"].null_count() == 5
    assert (recorded["frame_input"] == "none").sum() == 5


def test_a_diverging_run_stops_and_names_the_questions(sft, tmp_path):
    out = tmp_path / "out"
    ended = sft(out, steps=6, learning_rate=1e30, save_steps=1)
    assert ended.code == 2
    assert "Step 2: the" in ended.stderr
    assert "is not finite. Questions: q004, q005, q006, q007." in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (out / "checkpoints/checkpoint-1/complete.json").exists()


def test_frozen_parts_stay_as_they_are(sft, tiny_model, tmp_path):
    from safetensors.torch import load_file

    assert sft(tmp_path / "out", steps=1, freeze="vision").code == 0
    before, after = load_file(tiny_model / "model.safetensors"), weights(tmp_path / "out")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert not any("visual" in name and "merger" not in name for name in changed)
    assert any("merger" in name for name in changed)
    assert any("language_model" in name for name in changed)


def test_state_of_other_weights_or_another_optimizer_is_refused(sft, tiny_model, tmp_path):
    assert sft(tmp_path / "one", steps=1).code == 0
    continued = {"state_from": tmp_path / "one", "steps": 1}
    ended = sft(tmp_path / "two", **continued)
    assert ended.code == 2
    assert f"Pass --model {tmp_path / 'one' / 'model'}" in ended.stderr
    ended = sft(tmp_path / "two", **continued, model=tmp_path / "one" / "model", learning_rate=1e-2)
    assert ended.code == 2
    assert "its optimizer runs with learning_rate 0.001, asked for 0.01" in ended.stderr
    ended = sft(tmp_path / "two", state_from=tmp_path / "absent", steps=1)
    assert ended.code == 2
    assert "no state/state.json" in ended.stderr
    assert not (tmp_path / "two").exists()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
def test_a_schedule_goes_on_over_a_process_boundary(sft, make, tmp_path, schedule):
    rows = [make.question(i) for i in range(16)]
    both = make.write(rows, tmp_path / "both", "questions")
    second = make.write(rows[8:], tmp_path / "second", "questions")
    options = {"schedule": schedule, "warmup_steps": 3, "batch_size": 2}
    assert sft(tmp_path / "8", questions=both, steps=8, **options).code == 0
    options |= {"steps": 4, "schedule_steps": 8}
    assert sft(tmp_path / "4", questions=both, **options).code == 0
    options |= {"model": tmp_path / "4" / "model", "state_from": tmp_path / "4"}
    assert sft(tmp_path / "4+4", questions=second, **options).code == 0
    rates = [
        rate for name in ("4", "4+4") for rate in pl.read_parquet(tmp_path / name / "metrics.parquet")["learning_rate"]
    ]
    assert rates == pl.read_parquet(tmp_path / "8/metrics.parquet")["learning_rate"].to_list()
    assert rates[:4] == pytest.approx([0, 1e-3 / 3, 2e-3 / 3, 1e-3])
    assert (rates[-1] < 3e-4) == (schedule != "constant")
    assert same_weights(weights(tmp_path / "8"), weights(tmp_path / "4+4"))
    if schedule == "linear":
        ended = sft(tmp_path / "other", questions=second, **(options | {"schedule_steps": 9}))
        assert ended.code == 2
        assert "its linear schedule runs over 8 steps, asked for 9" in ended.stderr
        ended = sft(tmp_path / "other", questions=second, **(options | {"schedule_steps": 7}))
        assert ended.code == 2
        ended = sft(tmp_path / "other", questions=both, steps=8, schedule="linear", schedule_steps=7)
        assert "The linear schedule ends at step 7 and the run at step 8" in ended.stderr


def test_a_pass_over_the_questions_with_a_share_of_warmup_and_a_rate_of_its_own_for_a_part(sft, make, tmp_path):
    import torch

    asked = make.write([make.question(i) for i in range(5)], tmp_path / "asked", "questions")
    options = {"questions": asked, "batch_size": 2, "epochs": 1, "schedule": "linear", "warmup_share": 0.4}
    out = tmp_path / "out"
    assert sft(out, part_learning_rate="connector=1e-4", **options).code == 0
    rows = predictions(out)
    # The third step is filled up from the start.
    assert rows["question_id"].to_list() == ["q000", "q001", "q002", "q003", "q004", "q000"]
    assert pl.read_parquet(out / "metrics.parquet")["learning_rate"].to_list() == pytest.approx([0, 5e-4, 1e-3])
    groups = torch.load(out / "state/optimizer.pt", weights_only=True)["param_groups"]
    assert [group["initial_lr"] for group in groups] == [1e-3, 1e-3, 1e-4, 1e-4]
    more = options | {"model": out / "model", "state_from": out, "schedule_steps": 3}
    ended = sft(tmp_path / "more", part_learning_rate="connector=2e-4", **more)
    assert ended.code == 2
    assert "its optimizer runs with part_learning_rate ['connector=1e-4'], asked for ['connector=2e-4']" in ended.stderr


def test_every_step_is_reported_where_the_user_asks(sft, tmp_path, monkeypatch):
    from transformers import TrainerCallback
    from transformers.integrations import integration_utils

    logged = []

    class Reporter(TrainerCallback):
        def on_log(self, args, state, control, logs=None, **kwargs):
            logged.append((state.global_step, logs))

    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "trackio", Reporter)
    assert sft(tmp_path / "out", steps=2, report_to="trackio").code == 0
    steps = {step: logs for step, logs in logged if "loss" in logs}
    assert sorted(steps) == [1, 2]
    assert steps[1]["learning_rate"] == 1e-3
    loss = json.loads((tmp_path / "out/manifest.json").read_text())["loss"]
    assert [steps[1]["loss"], steps[2]["loss"]] == pytest.approx(loss, abs=1e-4)
    ended = sft(tmp_path / "other", steps=1, report_to="trackyo")
    assert ended.code == 2
    assert "--report-to trackyo: trackyo is not supported, only" in ended.stderr
    assert not (tmp_path / "other" / "run.json").exists()


def test_micro_batches_are_made_when_they_are_needed(sft, monkeypatch, tmp_path):
    from qa_trainer.data.collator import SFTCollator
    from qa_trainer.sft.trainer import RecordingSFTTrainer

    made, most = [], []
    collate, loss = SFTCollator.torch_call, RecordingSFTTrainer.compute_loss

    def torch_call(self, examples):
        made.append(len(examples))
        return collate(self, examples)

    def compute_loss(self, *args, **kwargs):
        most.append(len(made) - len(most))
        return loss(self, *args, **kwargs)

    monkeypatch.setattr(SFTCollator, "torch_call", torch_call)
    monkeypatch.setattr(RecordingSFTTrainer, "compute_loss", compute_loss)
    assert sft(tmp_path / "out", steps=2, batch_size=6, micro_batch_size=1).code == 0
    assert made == [1] * 12
    # The one in work and the next.
    assert max(most) == 2


def test_the_parts_of_a_step_are_timed(sft, tmp_path):
    assert sft(tmp_path / "out", steps=2, micro_batch_size=2).code == 0
    rows = pl.read_parquet(tmp_path / "out/metrics.parquet")
    parts = ["data_seconds", "forward_seconds", "backward_seconds", "optimizer_seconds"]
    assert all(rows[part].min() > 0 for part in parts)
    assert (rows.select(pl.sum_horizontal(parts)).to_series() < rows["step_seconds"]).all()
    assert rows["wait_seconds"].to_list() == [0.0, 0.0]


@pytest.mark.slow
def test_loader_processes_change_nothing(sft, tmp_path):
    for name, count in (("none", 0), ("two", 2)):
        assert sft(tmp_path / name, steps=3, micro_batch_size=2, loader_processes=count).code == 0
    one, two = (pl.read_parquet(tmp_path / name / "predictions.parquet") for name in ("none", "two"))
    assert one["token_logprobs"].equals(two["token_logprobs"])
    assert one["question_id"].equals(two["question_id"])


def test_a_question_longer_than_the_model_is_a_reject_and_the_others_are_trained_on(sft, make, tmp_path):
    model = make.save_model(tmp_path / "model", max_position_embeddings=96)
    rows = [make.question(i) for i in range(4)]
    rows[2] |= {"ground_truth": "far away " * 60}
    ended = sft(tmp_path / "out", questions=make.write(rows, tmp_path, "questions"), model=model, steps=1, batch_size=3)
    assert ended.code == 1
    refused = pl.read_parquet(tmp_path / "out/rejects.parquet")
    assert refused.select("item", "reason").rows() == [("q002", "too_long")]
    assert refused["detail"][0].endswith("the model has 96 positions")
    assert pl.read_parquet(tmp_path / "out/predictions.parquet")["question_id"].to_list() == ["q000", "q001", "q003"]
