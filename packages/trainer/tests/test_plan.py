"""What is said before a run."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

CONFIGS = Path(__file__).parents[3] / "configs"
TEXT = {"vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36}
TEXT |= {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "tie_word_embeddings": True}
VISION = {"depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 2560}
VISION |= {"patch_size": 16, "num_position_embeddings": 2304, "deepstack_visual_indexes": [5, 11, 17]}
TEXT_3B = {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36}
TEXT_3B |= {"num_attention_heads": 16, "num_key_value_heads": 2, "tie_word_embeddings": True}
VISION_3B = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048}


def save_config(folder, kind, *, patch, limit, **values):
    """Save the configuration of a real size and a processor; no weights."""
    from qa_trainer.tiny.model import build_processor

    processor = build_processor()
    processor.image_processor.patch_size = patch
    processor.image_processor.size = {"shortest_edge": 4096, "longest_edge": limit}
    tokens = {"image_token_id": processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")}
    kind(**values, **tokens, tie_word_embeddings=True).save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def qwen3_vl_4b(tmp_path_factory):
    from transformers import Qwen3VLConfig

    folder = tmp_path_factory.mktemp("4b")
    return save_config(folder, Qwen3VLConfig, patch=16, limit=2**24, text_config=TEXT, vision_config=VISION)


@pytest.fixture(scope="module")
def spatial_mllm_3b(tmp_path_factory):
    from qa_trainer.models.spatial_mllm.configuration_spatial_mllm import SpatialMLLMQwen2_5_VLConfig

    folder, kind = tmp_path_factory.mktemp("spatial"), SpatialMLLMQwen2_5_VLConfig
    return save_config(folder, kind, patch=14, limit=324576, text_config=TEXT_3B, vision_config=VISION_3B)


@pytest.fixture
def plan(command, make):
    def run(model, *words, code=0, **options):
        ended = command("plan", "--model", model, *words, "--json", *make.flags({"device": "cpu"} | options))
        assert ended.code == code, ended.stderr
        return json.loads(ended.stdout)

    return run


def test_the_plan_counts_parameters_and_says_what_to_change(command, make, tiny_model):
    from transformers import AutoModelForImageTextToText

    flags = make.flags({"model": tiny_model, "batch_size": 8, "frames": 2, "frame_size": "64x32", "device": "cpu"})
    ended = command("plan", *flags, "--json")
    assert ended.code == 0, ended.stderr
    made = json.loads(ended.stdout)
    model = AutoModelForImageTextToText.from_pretrained(tiny_model)
    assert sum(made["parameters"].values()) == made["trained"] == sum(p.numel() for p in model.parameters())
    # 64x32 pixels are 4 by 8 patches of 8, eight tokens each frame between two that mark it.
    assert made["patches"] == 64
    assert made["image_tokens"] == 2 * 10
    assert made["tokens"] == 96 + 2 * 10
    # 3 channels, 2 frames in time, 8 x 8 pixels in float32, and the size of a frame; this micro-batch and the next.
    assert made["pixel_bytes"] == 2 * 8 * (64 * (3 * 2 * 8 * 8) * 4 + 2 * 3 * 8)
    smaller = json.loads(command("plan", *flags, "--micro-batch-size", 4, "--freeze", "vision", "--json").stdout)
    assert 2 * smaller["activation_bytes"] < made["activation_bytes"]
    assert smaller["trained"] < made["trained"]
    assert 2 * smaller["pixel_bytes"] == made["pixel_bytes"]
    parts = ("weights", "gradient", "optimizer", "activation", "pixel", "reference")
    assert made["total_bytes"] == sum(made[f"{part}_bytes"] for part in parts)
    ended = command("plan", *flags, "--memory-gb", 0.001)
    assert ended.code == 1
    assert "does not fit; --micro-batch-size 4" in ended.stderr
    assert command("plan", *flags[:-2], "--frame-size", "64").code == 2


def test_a_configuration_without_weights_is_enough(plan, qwen3_vl_4b):
    card = plan(qwen3_vl_4b, devices="H100-80G", code=1)
    assert sum(card["parameters"].values()) == 4_437_815_808
    # 640 x 480 are 30 by 40 patches: 300 tokens and two that mark the frame.
    assert card["image_tokens"] == 32 * 302
    assert card["patches"] == 32 * 1200
    # float32 weights, gradients, and two moments; recomputed, one question at a time.
    assert card["weights_bytes"] + card["gradient_bytes"] + card["optimizer_bytes"] == 16 * card["trained"]
    assert card["activation_checkpointing"]
    assert card["micro_batch"] == 1
    assert 80e9 < card["total_bytes"] < 100e9
    several = plan(qwen3_vl_4b, devices="8xH100-80G")
    assert several["sharded"]
    assert several["total_bytes"] < 40e9
    assert several["total_seconds"] == pytest.approx(card["total_seconds"] / 8, rel=0.01)
    adapted = plan(qwen3_vl_4b, devices="RTX4090-24G", lora_rank=16)
    # What stays as it is is held in half.
    assert adapted["weights_bytes"] == 2 * 4_437_815_808 + 4 * adapted["trained"]
    assert adapted["total_bytes"] < 24e9


def test_every_command_has_a_plan(plan, command, qwen3_vl_4b):
    trained = plan(qwen3_vl_4b, devices="H200-141G")
    reinforced = plan(qwen3_vl_4b, "--for", "grpo", devices="H200-141G", batch_size=1, group_size=2)
    assert reinforced["reference_bytes"] == trained["weights_bytes"]
    assert plan(qwen3_vl_4b, "--for", "grpo", devices="H200-141G", beta=0)["reference_bytes"] == 0
    answers = [plan(qwen3_vl_4b, "--for", name, devices="H200-141G", batch_size=2) for name in ("score", "eval")]
    assert answers[0] == answers[1]
    assert answers[0]["weights_bytes"] == trained["weights_bytes"] / 2
    assert answers[0]["optimizer_bytes"] == 0
    assert answers[0]["total_seconds"] is None
    longer = plan(qwen3_vl_4b, "--for", "score", devices="H200-141G", batch_size=2, max_new_tokens=1000)
    assert longer["activation_bytes"] > answers[0]["activation_bytes"]
    ended = command("plan", "--model", qwen3_vl_4b, "--for", "score", "--lora-rank", 4)
    assert ended.code == 2
    assert "lora_rank: no setting of 'score'" in ended.stderr
    ended = command("plan", "--model", qwen3_vl_4b, "--devices", "8xZ80-64K")
    assert ended.code == 2
    assert "for example 8xH100-80G" in ended.stderr


@pytest.mark.skipif(not CONFIGS.is_dir(), reason="needs the workspace's configs")
@pytest.mark.parametrize("name", ["trainer_paper", "trainer_grpo", "trainer_spatial_mllm", "paper"])
def test_the_shipped_configurations_fit_the_hardware_that_they_name(name, plan, qwen3_vl_4b, spatial_mllm_3b, tmp_path):
    path = CONFIGS / f"{name}.toml"
    values = tomllib.loads(path.read_text())
    if "train" in values:
        given = values["train"]
        given = {key: given[key] for key in ("steps", "batch_size", "learning_rate")} | given["options"]
        path = tmp_path / "train.toml"
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in given.items()))
    model = spatial_mllm_3b if "spatial" in name else qwen3_vl_4b
    made = plan(
        model, "--for", "grpo" if "grpo" in name else "sft", config=path, frames=16 if "spatial" in name else 32
    )
    assert made["total_bytes"] <= made["available_bytes"]
    assert made["devices"]["gpu"]


def test_what_cannot_fit_is_refused_before_the_model_is_loaded(sft, command, make, qwen3_vl_4b, monkeypatch, tmp_path):
    from qa_trainer.estimate import advice

    monkeypatch.setattr(advice, "local_bytes", lambda *, gpu: 10**6)
    ended = sft(tmp_path / "out", steps=1)
    assert ended.code == 2
    assert "This run needs about" in ended.stderr
    assert "--micro-batch-size 2: the same training" in ended.stderr
    assert not (tmp_path / "out/run.json").exists()
    assert sft(tmp_path / "out", "--no-check-memory", steps=1).code == 0


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
