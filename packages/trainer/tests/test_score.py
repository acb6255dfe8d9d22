"""A clean pass, from the command line to the files."""

from __future__ import annotations

import polars as pl
import pytest


def test_a_clean_pass_writes_the_answers_of_one_model(command, make, sft, questions, store, tiny_model, tmp_path):
    import torch
    from qa_trainer.data.questions import load_samples
    from qa_trainer.models.loading import load_model
    from qa_trainer.score.run import answer

    assert sft(tmp_path / "run", steps=1).code == 0
    model = tmp_path / "run" / "model"
    options = {"store": store, "model": model, "device": "cpu", "sample": 10, "max_new_tokens": 4, "round": 2}
    outs = []
    for name, batch_size in (("a", 4), ("b", 3)):
        ended = command("score", questions, "--out", tmp_path / name, *make.flags(options | {"batch_size": batch_size}))
        assert ended.code == 0, ended.stderr
        outs.append(pl.read_parquet(tmp_path / name / "predictions.parquet"))
    one, two = outs
    assert len(one) == 10
    assert one["question_id"].equals(two["question_id"])
    assert one["completion"].equals(two["completion"])
    assert set(one["phase"]) == {"score"}
    assert set(one["round"]) == {2}
    assert set(one["step"]) == {1}
    trained = pl.read_parquet(tmp_path / "run/predictions.parquet")
    assert set(one["model_id"]) == set(trained["model_id"])
    assert set(one["decoding"]) == {"greedy, 4 new tokens"}
    assert set(one["frame_input"]) == {"images"}
    assert one["frame_ids"][0].to_list() == ["f1", "f0"]
    shared = one.join(trained, on="question_id", suffix="_trained")
    assert shared["dataset_revision"].equals(shared["dataset_revision_trained"].alias("dataset_revision"))
    # Each option's letter as the first token; the others' are those of the same distribution.
    choices = one.filter(pl.col("question_type") == "object_rel_distance")
    assert choices["option_logprobs"].list.len().to_list() == [4] * len(choices)
    assert (choices["option_logprobs"].list.eval(pl.element().exp()).list.sum() <= 1).all()
    assert one["option_logprobs"].null_count() == 10 - len(choices) > 0
    # The log-probabilities are those of a teacher-forced pass over the same tokens.
    samples = load_samples(questions, store)
    network, processor = load_model(model)
    network.eval()
    asked_first = one.filter(pl.col("option_logprobs").is_not_null())
    row = samples.rows["question_id"].to_list().index(asked_first["question_id"][0])
    alone = next(iter(answer(network, processor, samples, [row], max_new_tokens=4)))
    assert alone["completion"] == asked_first["completion"][0]
    assert alone["token_logprobs"] == pytest.approx(asked_first["token_logprobs"][0].to_list(), abs=1e-4)
    from PIL import Image

    example = samples.examples([row])
    text = processor.apply_chat_template(example["prompt"][0], tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[text], images=[[Image.open(p) for p in example["images"][0]]], return_tensors="pt")
    ids = torch.tensor([alone["token_ids"]])
    length = inputs["input_ids"].shape[1]
    inputs["input_ids"] = torch.cat([inputs["input_ids"], ids], dim=1)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    inputs["mm_token_type_ids"] = torch.cat([inputs["mm_token_type_ids"], torch.zeros_like(ids)], dim=1)
    with torch.no_grad():
        logits = network(**inputs).logits[0, length - 1 : -1]
    forced = logits.log_softmax(-1).gather(1, ids.T)[:, 0]
    assert alone["token_logprobs"] == pytest.approx(forced.tolist(), abs=1e-4)
    letters = [processor.tokenizer.convert_tokens_to_ids(letter) for letter in "ABCD"]
    expected = logits[0].log_softmax(-1)[letters].tolist()
    assert asked_first["option_logprobs"][0].to_list() == pytest.approx(expected, abs=1e-4)


def test_a_refused_question_is_a_loss_and_a_full_folder_is_left_alone(command, make, store, tiny_model, tmp_path):
    rows = [make.question(0), make.question(1, frame_set_id="uniform-9")]
    questions = make.write(rows, tmp_path, "questions")
    flags = make.flags({"store": store, "model": tiny_model, "device": "cpu"})
    assert command("score", questions, "--out", tmp_path / "out", *flags).code == 1
    assert pl.read_parquet(tmp_path / "out/rejects.parquet")["reason"].to_list() == ["missing_frame_set"]
    again = command("score", questions, "--out", tmp_path / "out", *flags)
    assert again.code == 2
    assert "Traceback" not in again.stderr


def test_greedy_knows_no_penalty_of_the_saved_configuration(command, make, questions, store, tiny_model, tmp_path):
    import json
    import shutil

    folder = shutil.copytree(tiny_model, tmp_path / "model")
    path = folder / "generation_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"repetition_penalty": 9.0, "no_repeat_ngram_size": 1}))
    found = []
    for name, model in (("plain", tiny_model), ("penalised", folder)):
        options = {"store": store, "model": model, "device": "cpu", "sample": 4, "max_new_tokens": 6}
        assert command("score", questions, "--out", tmp_path / name, *make.flags(options)).code == 0
        found.append(pl.read_parquet(tmp_path / name / "predictions.parquet")["token_ids"])
    assert found[0].equals(found[1])
    # Some token comes twice, which the penalties would have prevented.
    assert any(len(set(ids)) < len(ids) for ids in found[0])


def test_a_question_without_frames_is_answered_among_others(command, make, store, llava_model, tmp_path):
    rows = [make.question(0, frame_set_id=None), make.question(1), make.question(2)]
    asked = make.write(rows, tmp_path, "questions")
    ended = command(
        "score", asked, "--store", store, "--model", llava_model, "--device", "cpu", "--out", tmp_path / "o"
    )
    assert ended.code == 0, ended.stderr
    assert len(pl.read_parquet(tmp_path / "o/predictions.parquet")) == 3
