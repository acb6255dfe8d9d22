"""What is said before a run."""

from __future__ import annotations

import json


def test_the_plan_counts_parameters_and_says_what_to_change(command, make, tiny_model):
    from transformers import AutoModelForImageTextToText

    flags = make.flags({"model": tiny_model, "batch_size": 8, "frames": 2, "frame_size": "64x32", "device": "cpu"})
    ended = command("plan", *flags, "--json")
    assert ended.code == 0, ended.stderr
    made = json.loads(ended.stdout)
    model = AutoModelForImageTextToText.from_pretrained(tiny_model)
    assert sum(made["parameters"].values()) == made["trained"] == sum(p.numel() for p in model.parameters())
    # 64x32 pixels are 4 by 8 patches of 8, eight tokens each frame.
    assert made["patches"] == 64
    assert made["tokens"] == 96 + 2 * 8
    # 3 channels, 2 frames in time, 8 x 8 pixels: float32, of all questions of a step.
    assert made["pixel_bytes"] == 8 * 64 * (3 * 2 * 8 * 8) * 4
    smaller = json.loads(command("plan", *flags, "--micro-batch-size", 4, "--freeze", "vision", "--json").stdout)
    assert 2 * smaller["activation_bytes"] < made["activation_bytes"]
    assert smaller["trained"] < made["trained"]
    assert smaller["pixel_bytes"] == made["pixel_bytes"]
    parts = ("weights", "gradient", "optimizer", "activation", "pixel")
    assert made["total_bytes"] == sum(made[f"{part}_bytes"] for part in parts)
    ended = command("plan", *flags, "--memory-gb", 0.001)
    assert ended.code == 1
    assert "does not fit; --micro-batch-size 4" in ended.stderr
    assert command("plan", *flags[:-2], "--frame-size", "64").code == 2


def test_the_plan_counts_the_trained_adapter(command, sft, make, tiny_model, tmp_path):
    from safetensors.torch import load_file

    flags = make.flags({"model": tiny_model, "frames": 2, "frame_size": "64x32", "lora_rank": 4, "device": "cpu"})
    made = json.loads(command("plan", *flags, "--json").stdout)
    assert sft(tmp_path / "out", steps=1, lora_rank=4).code == 0
    adapter = load_file(tmp_path / "out/adapter/adapter_model.safetensors")
    assert made["trained"] == sum(tensor.numel() for tensor in adapter.values())


def test_a_dry_run_prints_the_first_sample_and_writes_nothing(sft, tmp_path):
    ended = sft(tmp_path / "out", dry_run=True)
    assert ended.code == 0
    shown = json.loads(ended.stdout)
    assert shown["image_grid"] == [[1, 4, 4], [1, 4, 4]]
    assert "<|vision_start|><|image_pad|> x 4 <|vision_end|>" in shown["text"]
    assert shown["completion"] == "0.0"
    assert not (tmp_path / "out").exists()


def test_a_sample_longer_than_the_model_is_named(sft, make, tmp_path):
    model = make.save_model(tmp_path / "model", max_position_embeddings=96)
    rows = [make.question(i) for i in range(4)]
    rows[2] |= {"ground_truth": "far away " * 60}
    ended = sft(tmp_path / "out", questions=make.write(rows, tmp_path, "questions"), model=model, steps=1)
    assert ended.code == 2
    assert "Questions: q002: up to" in ended.stderr
    assert "the model has 96 positions" in ended.stderr
