"""Features of sampled frames in place of the geometry encoder: the same figures, and no others' features."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image

SIZES = {"image_size": 28, "dim": 16, "depth": 4, "heads": 2, "dino_depth": 1, "dino_heads": 2, "camera_depth": 1}
SIZES |= {"camera_heads": 2, "head_layers": [0, 1, 2, 3], "head_features": 8, "head_channels": [4, 4, 8, 8]}
SIZES |= {"built_heads": ["camera", "depth"]}


@pytest.fixture(scope="module")
def sampled(qwen2_5_model, tmp_path_factory):
    """A dual encoder, and a store whose features its VGGT has made of all frames together, in their own size."""
    import torch
    from qa_trainer.frames.sample import sample_frames
    from qa_trainer.frames.settings import SamplingSettings
    from qa_trainer.models.spatial_mllm.assemble import assemble
    from qa_trainer.models.spatial_mllm.vggt import VGGT, VGGTConfig
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("sampled")
    vggt = VGGT(VGGTConfig.from_dict(SIZES))
    for parameter in vggt.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    (folder / "vggt").mkdir()
    save_file(vggt.state_dict(), folder / "vggt/model.safetensors")
    (folder / "vggt/config.json").write_text(json.dumps(SIZES))
    rng = np.random.default_rng(0)
    for scene in ("hall", "office"):
        (folder / scene).mkdir()
        for number in range(3):
            pixels = np.kron(rng.integers(0, 256, (2, 4, 3)), np.ones((14, 14, 1))).astype(np.uint8)
            Image.fromarray(pixels).save(folder / scene / f"{number}.png")
    settings = SamplingSettings(frames=3, candidates=3, longest_side=56, device="cpu")
    videos = [folder / "hall", folder / "office"]
    (folder / "store").mkdir()
    sample_frames(videos, settings, folder / "store", geometry=str(folder / "vggt"), features=True)
    model, processor = assemble(
        qwen2_5_model,
        geometry={"type": "vggt", **{name: value for name, value in SIZES.items() if "head" not in name}, "heads": 2},
        connector={"type": "mlp_add", "zero_init": False},
        geometry_weights=folder / "vggt/model.safetensors",
    )
    for part in (model, processor):
        part.save_pretrained(folder / "dual")
    return folder


@pytest.fixture
def ask(make, tmp_path):
    """Write questions about the scenes of the store."""

    def write(*scenes, frame_set="space-aware-3"):
        rows = [make.question(i, scene_name=name, frame_set_id=frame_set) for i, name in enumerate(scenes)]
        return make.write(rows, tmp_path, "questions")

    return write


@pytest.fixture
def no_encoder(monkeypatch):
    """Fail where the geometry encoder runs."""
    from qa_trainer.models.spatial_mllm.geometry_encoder import VGGTEncoder

    def stop():
        def fail(*_):
            raise AssertionError("the geometry encoder ran")

        monkeypatch.setattr(VGGTEncoder, "forward", fail)

    return stop


@pytest.mark.parametrize("kind", ["sft", "score", pytest.param("grpo", marks=pytest.mark.slow)])
def test_the_commands_read_features_and_get_the_same_figures(
    libraries, command, make, sampled, ask, no_encoder, tmp_path, kind
):
    asked = ask("hall", "office", "hall", "office")
    options = {"store": sampled / "store", "model": sampled / "dual", "device": "cpu"}
    if kind == "score":
        options |= {"max_new_tokens": 3}
    else:
        options |= {"steps": 1, "batch_size": 2, "learning_rate": 1e-3, "freeze": "geometry"}
    if kind == "grpo":
        # As many at once as a group has: with features, groups are asked one by one, and draw other random numbers.
        options |= {"group_size": 2, "micro_batch_size": 2, "max_completion_length": 4, "beta": 0.1}
    found = {}
    for name, more in {"without": {}, "with": {"features": sampled / "store/features"}}.items():
        if more:
            no_encoder()
        ended = command(kind, asked, "--out", tmp_path / name, *make.flags(options | more))
        assert ended.code == 0, ended.stderr
        table = pl.read_parquet(tmp_path / name / "predictions.parquet")
        found[name] = table["token_ids"].to_list(), table["token_logprobs"].explode().to_list()
    assert found["with"][0] == found["without"][0]
    assert found["with"][1] == pytest.approx(found["without"][1], rel=1e-4)


@pytest.mark.skipif(importlib.util.find_spec("qa_eval") is None, reason="needs the evaluator")
def test_the_evaluator_reads_features(sampled, ask, monkeypatch, tmp_path):
    from qa_eval.cli import main

    found = {}
    for name, words in {"without": [], "with": ["--features", sampled / "store/features"]}.items():
        call = ["run", ask("hall", "office"), "--store", sampled / "store", "--model", sampled / "dual", *words]
        call += ["--device", "cpu", "--trust-remote-code", "--max-new-tokens", 3, "--out", tmp_path / name]
        monkeypatch.setattr(sys, "argv", ["qa-eval", *map(str, call)])
        with contextlib.suppress(SystemExit):
            main()
        table = pl.read_parquet(tmp_path / name / "predictions.parquet")
        found[name] = table["token_ids"].to_list(), table["token_logprobs"].explode().to_list()
    assert found["with"][0] == found["without"][0]
    assert found["with"][1] == pytest.approx(found["without"][1], abs=1e-4)


def test_features_of_other_frames_images_and_scenes_are_rejects(command, make, sampled, ask, tmp_path):
    store = shutil.copytree(sampled / "store", tmp_path / "store")
    sets = pl.read_parquet(store / "frame_sets.parquet")
    reverse = sets.with_columns(pl.col("frame_ids").list.reverse(), frame_set_id=pl.lit("reversed"))
    make.write(pl.concat([sets, reverse]).to_dicts(), store, "frame_sets")
    rows = [("hall", "space-aware-3"), ("hall", "reversed"), ("office", "space-aware-3")]
    rows = [make.question(i, scene_name=name, frame_set_id=ids) for i, (name, ids) in enumerate(rows)]
    asked = make.write(rows, tmp_path, "questions")
    Image.new("RGB", (56, 28)).save(next((store / "images/office").iterdir()))
    options = {"store": store, "model": sampled / "dual", "features": store / "features", "device": "cpu"}
    ended = command("score", asked, "--out", tmp_path / "out", *make.flags(options))
    assert ended.code == 1, ended.stderr
    rejects = pl.read_parquet(tmp_path / "out/rejects.parquet")
    assert rejects["item"].to_list() == ["q001", "q002"]
    assert set(rejects["reason"]) == {"other_features"}
    assert "the question shows" in rejects["detail"][0]
    assert "the images have changed" in rejects["detail"][1]
    (store / "features/hall.safetensors").unlink()
    ended = command("score", asked, "--out", tmp_path / "none", *make.flags(options))
    assert ended.code == 2
    assert "none fit a question; the first:" in ended.stderr


def test_features_of_another_encoder_and_trained_encoders_are_refused(command, make, sampled, ask, tmp_path):
    import torch
    from safetensors.torch import load_file, save_file

    asked = ask("hall")
    options = {"store": sampled / "store", "features": sampled / "store/features", "device": "cpu", "steps": 1}
    options |= {"batch_size": 1}
    other = shutil.copytree(sampled / "dual", tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    name = "model.spatial_encoder.vggt_model.aggregator.camera_token"
    save_file(weights | {name: weights[name] + torch.tensor(0.1)}, other / "model.safetensors", {"format": "pt"})
    for model, words, message in (
        (other, ["--freeze", "geometry"], "was made by the geometry encoder"),
        (sampled / "dual", [], "so it cannot be trained with them. Pass --freeze geometry"),
    ):
        chosen = make.flags(options | {"model": model, "force": True})
        ended = command("sft", asked, "--out", tmp_path / "out", *chosen, *words)
        assert ended.code == 2
        assert message in ended.stderr
    cut = shutil.copytree(sampled / "store", tmp_path / "store")
    path = cut / "features/hall.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    options |= {"store": cut, "features": cut / "features", "model": sampled / "dual"}
    ended = command("sft", asked, "--out", tmp_path / "cut", *make.flags(options), "--freeze", "geometry")
    assert ended.code == 2
    assert "the tokens are not those of its header" in ended.stderr
