"""Adapters: trained, merged, resumed, continued."""

from __future__ import annotations

import sys

import pytest


def weights(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


def test_the_merged_model_is_the_model_with_its_adapter(sft, tiny_model, tmp_path):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForImageTextToText

    out = tmp_path / "out"
    ended = sft(out, steps=3, lora_rank=4, freeze="vision")
    assert ended.code == 0, ended.stderr
    before, after = weights(tiny_model), weights(out / "model")
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert all("language_model" in name or "merger" in name for name in changed)
    assert not any("embed_tokens" in name or "norm" in name for name in changed)
    adapter = weights_of_adapter(out)
    assert {tensor.shape[0] for name, tensor in adapter.items() if "lora_A" in name} == {4}
    merged = AutoModelForImageTextToText.from_pretrained(out / "model").eval()
    base = AutoModelForImageTextToText.from_pretrained(tiny_model, dtype=torch.float32)
    with_adapter = PeftModel.from_pretrained(base, out / "adapter").eval()
    ids = torch.tensor([[1, 40, 50, 60]])
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, with_adapter(ids).logits, atol=1e-4)


def weights_of_adapter(out):
    from safetensors.torch import load_file

    return load_file(out / "adapter" / "adapter_model.safetensors")


def test_two_runs_of_two_steps_equal_one_of_four(sft, make, tmp_path):
    rows = [make.question(i) for i in range(16)]
    both = make.write(rows, tmp_path / "both", "questions")
    second = make.write(rows[8:], tmp_path / "second", "questions")
    assert sft(tmp_path / "four", questions=both, steps=4, lora_rank=4).code == 0
    assert sft(tmp_path / "two", questions=both, steps=2, lora_rank=4).code == 0
    ended = sft(tmp_path / "next", questions=second, steps=2, lora_rank=4, state_from=tmp_path / "two")
    assert ended.code == 0, ended.stderr
    one, two = weights_of_adapter(tmp_path / "four"), weights_of_adapter(tmp_path / "next")
    assert all(one[name].equal(two[name]) for name in one)
    other = sft(tmp_path / "other", questions=second, steps=2, state_from=tmp_path / "two")
    assert other.code == 2
    assert "lora_rank 4, asked for None" in other.stderr


def test_without_peft_the_error_says_what_to_install(sft, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    ended = sft(tmp_path / "out", steps=1, lora_rank=4)
    assert ended.code == 2
    assert "pip install 'qa-trainer[lora]'" in ended.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_adapters_of_other_families_are_merged(sft, questions, store, qwen2_5_model, llava_model, tmp_path, family):
    import torch
    from peft import PeftModel
    from qa_trainer.data.collator import sft_collator
    from qa_trainer.data.feed import single
    from qa_trainer.data.questions import load_samples
    from qa_trainer.models.loading import load_model

    folder, out = qwen2_5_model if family == "qwen2_5_vl" else llava_model, tmp_path / "out"
    assert sft(out, model=folder, steps=2, lora_rank=4, learning_rate=1e-2).code == 0
    base, processor = load_model(folder)
    feed = single("questions", load_samples(questions, store), first=0, count=2)
    examples = feed.examples([0, 1])
    rows = [{"row": i, **{name: values[i] for name, values in examples.items()}} for i in (0, 1)]
    batch = sft_collator(processor, image_cache_bytes=0)(rows)
    inputs = {name: value for name, value in batch.items() if name not in ("row", "labels")}
    with torch.no_grad():
        before = base.eval()(**inputs).logits
        adapted = PeftModel.from_pretrained(base, out / "adapter").eval()(**inputs).logits
        merged = load_model(out / "model")[0].eval()(**inputs).logits
    assert torch.allclose(merged, adapted, atol=1e-3)
    assert not torch.allclose(merged, before, atol=1e-2)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_other_families_overfit_save_and_reload(sft, make, qwen2_5_model, llava_model, tmp_path, family):
    import json

    folder = qwen2_5_model if family == "qwen2_5_vl" else llava_model
    questions = make.write([make.question(i) for i in range(4)], tmp_path, "questions")
    options = {"model": folder, "learning_rate": 5e-3, "save_steps": 99}
    ended = sft(tmp_path / "out", questions=questions, steps=30, **options)
    assert ended.code == 0, ended.stderr
    loss = json.loads((tmp_path / "out/manifest.json").read_text())["loss"]
    assert loss[-1] < 0.3 * loss[0]
    # The saved model starts where training ended: its first loss is one of a fitted model.
    options["model"] = tmp_path / "out" / "model"
    assert sft(tmp_path / "again", questions=questions, steps=1, **options).code == 0
    assert json.loads((tmp_path / "again/manifest.json").read_text())["loss"][0] < 0.5 * loss[0]


def test_a_processor_of_another_model_is_refused(sft, tiny_model, qwen2_5_model, tmp_path):
    import shutil

    shutil.copytree(tiny_model, tmp_path / "model")
    shutil.copy(qwen2_5_model / "processor_config.json", tmp_path / "model")
    ended = sft(tmp_path / "out", model=tmp_path / "model", steps=1)
    assert ended.code == 2
    assert "the processor is another model's (it has patch size 14, the model 8)" in ended.stderr
