"""A checkpoint in the layout of the released Spatial-MLLM, from its files to answers."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import os
import sys
from pathlib import Path

import pytest
import torch

TINY_VGGT = {"type": "vggt", "image_size": 28, "dim": 16, "depth": 2, "heads": 2, "dino_depth": 1, "dino_heads": 2}
DATA = os.environ.get("SPATIAL_QA_DATA")
NAMES = Path(DATA or ".") / "vggt_golden" / "spatial_mllm_3b_state_dict.tsv"
BACK = {
    "model.visual.": "visual.",
    "model.language_model.": "model.",
    "model.spatial_encoder.": "spatial_encoder.",
    "model.connector.": "connector.",
}


@pytest.fixture(scope="module")
def dual(qwen2_5_model):
    """A dual encoder of this package, and its processor."""
    from qa_trainer.models.spatial_mllm.assemble import assemble

    model, processor = assemble(
        qwen2_5_model, geometry=TINY_VGGT, connector={"type": "mlp_add", "zero_init": False}, seed=1
    )
    return model.to(torch.bfloat16).eval(), processor


@pytest.fixture(scope="module")
def release(dual, tmp_path_factory):
    """The same model as transformers 4.51 would have written it."""
    from safetensors.torch import save_file

    folder, (model, processor) = tmp_path_factory.mktemp("release"), dual
    weights = {
        next(new + name.removeprefix(old) for old, new in BACK.items() if name.startswith(old)): value.clone()
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"
    }
    # All heads of VGGT are in the released files.
    weights["spatial_encoder.vggt_model.depth_head.norm.weight"] = torch.zeros(3)
    save_file(weights, folder / "model.safetensors")
    processor.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    text, vision = model.config.text_config.to_dict(), model.config.vision_config.to_dict()
    rope = text.pop("rope_parameters")
    sizes = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    config = {name: text[name] for name in (*sizes, "vocab_size", "rms_norm_eps", "hidden_act")}
    config |= {"model_type": "spatial-mllm", "architectures": ["SpatialMLLMForConditionalGeneration"]}
    config |= {"torch_dtype": "bfloat16", "tie_word_embeddings": True, "rope_theta": rope["rope_theta"]}
    config |= {"rope_scaling": {"type": "default", "rope_type": "default", "mrope_section": rope["mrope_section"]}}
    config |= {name: getattr(model.config, name) for name in ("image_token_id", "video_token_id")}
    config |= {name: getattr(model.config, name) for name in ("vision_start_token_id", "vision_end_token_id")}
    config |= {"vision_config": vision}
    config |= {"spatial_config": {"img_size": 28, "patch_size": 14, "embed_dim": 16}}
    config |= {"connector_config": {"connector_type": "mlp_add", "spatial_embeds_layer_idx": -1}}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def converted(release, tmp_path_factory):
    from qa_trainer.models.spatial_mllm.convert import convert_release

    folder = tmp_path_factory.mktemp("converted")
    model, processor = convert_release(release)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def test_a_converted_release_is_the_model_that_it_was(dual, converted):
    from qa_trainer.models.loading import load_model

    (model, _), (loaded, processor) = dual, load_model(converted)
    same = model.float().state_dict()
    assert all(same[name].equal(value) for name, value in loaded.state_dict().items())
    assert loaded.config.geometry_config == model.config.geometry_config | {"patch_size": 14}
    ids = processor(text=["How many chairs?"], return_tensors="pt")
    with torch.no_grad():
        found, wanted = loaded(**ids).logits, model(**ids).logits
    # The frequencies of the positions were rounded when the model went to bfloat16.
    assert torch.allclose(found, wanted, atol=1e-2)


def test_the_command_refuses_what_is_no_release(command, release, tiny_model, tmp_path):
    ended = command("convert-spatial", tiny_model, "--out", tmp_path / "out")
    assert ended.code == 2
    assert "a model of type 'qwen3_vl', expected a released Spatial-MLLM" in ended.stderr
    assert not (tmp_path / "out").exists()
    for wrong, message in (
        ({"connector_type": "mlp_cat2"}, "unknown connector 'mlp_cat2'"),
        ({"spatial_embeds_layer_idx": 3}, "only the last one (-1)"),
    ):
        other = tmp_path / "wrong"
        other.mkdir(exist_ok=True)
        for path in release.iterdir():
            (other / path.name).write_bytes(path.read_bytes())
        values = json.loads((other / "config.json").read_text())
        values["connector_config"] |= wrong
        (other / "config.json").write_text(json.dumps(values))
        ended = command("convert-spatial", other, "--out", tmp_path / "out")
        assert ended.code == 2
        assert message in ended.stderr


def test_the_command_writes_a_model_that_other_commands_load(command, make, release, store, questions, tmp_path):
    ended = command("convert-spatial", release, "--out", tmp_path / "model")
    assert ended.code == 0, ended.stderr
    options = {"store": store, "model": tmp_path / "model", "device": "cpu", "sample": 2, "out": tmp_path / "answers"}
    assert command("score", questions, *make.flags(options)).code == 0


@pytest.mark.skipif(importlib.util.find_spec("qa_eval") is None, reason="needs the evaluator")
@pytest.mark.parametrize("frame_input", ["images", "video"])
def test_the_evaluator_asks_it_with_images_and_video(converted, store, make, frame_input, monkeypatch, tmp_path):
    import shutil

    import polars as pl
    from qa_eval.cli import main

    store = shutil.copytree(store, tmp_path / "store")
    frames = pl.read_parquet(store / "frames.parquet")
    times = 1.0 - pl.col("frame_id").str.slice(1).cast(pl.Float64)  # in the order of the frame set
    make.write(frames.with_columns(time_s=times).to_dicts(), store, "frames")

    asked = make.write([make.question(1), make.question(3)], tmp_path, "questions")
    words = ["run", asked, "--store", store, "--model", converted, "--device", "cpu", "--trust-remote-code"]
    words += ["--frame-input", frame_input, "--max-new-tokens", 4, "--out", tmp_path / "out"]
    monkeypatch.setattr(sys, "argv", ["qa-eval", *map(str, words)])
    with contextlib.suppress(SystemExit):
        main()
    rows = pl.read_parquet(tmp_path / "out/predictions.parquet")
    assert rows["frame_input"].to_list() == [frame_input] * 2
    assert rows["token_ids"].list.len().min() > 0


@pytest.mark.skipif(not NAMES.is_file(), reason="needs vggt_golden in the folder that SPATIAL_QA_DATA names")
def test_every_name_and_shape_of_the_released_model_has_its_place():
    from qa_trainer.models.spatial_mllm.convert import _check_names, _vggt_sizes
    from qa_trainer.models.spatial_mllm.modeling_spatial_mllm import (
        SpatialMLLMQwen2_5_VLConfig,
        SpatialMLLMQwen2_5_VLForConditionalGeneration,
        released_names,
    )

    with NAMES.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    with torch.device("meta"):
        weights = {row["name"]: torch.empty(tuple(int(n) for n in row["shape"].split("x"))) for row in rows}
        named = released_names(weights)
        sizes = _vggt_sizes(Path("release"), {"embed_dim": 1024, "patch_size": 14}, named)
        text = {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "vocab_size": 151936}
        text |= {"num_attention_heads": 16, "num_key_value_heads": 2, "tie_word_embeddings": True}
        vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048}
        config = SpatialMLLMQwen2_5_VLConfig(
            text_config=text, vision_config=vision, geometry_config={"type": "vggt", **sizes}, tie_word_embeddings=True
        )
        model = SpatialMLLMQwen2_5_VLForConditionalGeneration(config)
    assert sizes["depth"] == sizes["dino_depth"] == 24
    assert sizes["image_size"] == 518
    _check_names(Path("release"), model, named)
