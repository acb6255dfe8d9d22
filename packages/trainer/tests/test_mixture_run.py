"""Training on a mixture, from the command line to the files."""

from __future__ import annotations

import json

import polars as pl
import pytest


@pytest.fixture
def mixture(tmp_path, store):
    """A mixture of the run's questions and seven conversations, of which one is refused."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Name number {i}."},
                {"role": "assistant", "content": ["one", "two", "three", "four", "five", "six", " "][i]},
            ],
            "images": ["room_0/0.png"] if i % 2 else [],
        }
        for i in range(7)
    ]
    (tmp_path / "general.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "mixture.toml"
    path.write_text(
        'version = 1\n[[source]]\nname = "spatial"\nshare = 0.75\n'
        f'[[source]]\nname = "general"\nshare = 0.25\ndata = "general.jsonl"\nimages = "{store}/images"\n'
    )
    return path


def test_a_mixture_is_trained_on_recorded_and_resumed(sft, mixture, tmp_path, monkeypatch):
    import torch
    from safetensors.torch import load_file

    options = {"mixture": mixture, "steps": 4, "save_steps": 2}
    ended = sft(tmp_path / "whole", **options)
    assert ended.code == 1, ended.stderr
    assert "1 questions refused: no_ground_truth" in ended.stderr
    assert "4 steps of 4 use the first 12 of 160 spatial" in ended.stderr
    assert "4 steps of 4 use 4 of 6 general" in ended.stderr
    manifest = json.loads((tmp_path / "whole/manifest.json").read_text())
    assert manifest["sources"] == {"spatial": {"rows": 160, "used": 12}, "general": {"rows": 6, "used": 4}}
    (spatial, general) = manifest["hashes"]["mixture"]
    assert (spatial["share"], general["share"], len(general["data"])) == (0.75, 0.25, 16)
    # Predictions are about questions only; the loss of a step is that of all its rows.
    recorded = pl.read_parquet(tmp_path / "whole/predictions.parquet")
    assert recorded["question_id"].to_list() == [f"q{i:03d}" for i in range(12)]
    assert recorded["step"].to_list() == [step for step in (1, 2, 3, 4) for _ in range(3)]
    metrics = pl.read_parquet(tmp_path / "whole/metrics.parquet")
    assert metrics["rows"].to_list() == [4] * 4
    assert metrics["answer_tokens"].sum() > recorded["token_ids"].list.len().sum()
    rejects = pl.read_parquet(tmp_path / "whole/rejects.parquet")
    assert rejects.select("item", "reason").rows() == [("general:6", "no_ground_truth")]

    # A run whose second checkpoint cannot be written goes on from the first, to the same end.
    real_save, out = torch.save, tmp_path / "stopped"

    def full(value, path, *args, **kwargs):
        if "checkpoint-4" in str(path):
            raise RuntimeError("no space left")
        real_save(value, path, *args, **kwargs)

    monkeypatch.setattr(torch, "save", full)
    assert sft(out, **options).code == 2
    monkeypatch.setattr(torch, "save", real_save)
    again = sft(out, **options)
    assert again.code == 1
    assert "going on from step 2 of 4" in again.stderr
    assert (out / "predictions.parquet").read_bytes() == (tmp_path / "whole/predictions.parquet").read_bytes()
    one, two = (load_file(folder / "model/model.safetensors") for folder in (out, tmp_path / "whole"))
    assert all(one[name].equal(two[name]) for name in one)

    # Another share is another run.
    mixture.write_text(mixture.read_text().replace("0.75", "0.5").replace("0.25", "0.5"))
    other = sft(out, **options)
    assert other.code == 2
    assert "holds a run of another configuration:\n  inputs.mixture: " in other.stderr


def test_what_a_mixture_needs_is_said(command, sft, mixture, tiny_model, questions, store, tmp_path):
    common = ["--model", tiny_model, "--out", tmp_path / "out", "--device", "cpu"]
    ended = command("sft", *common)
    assert (ended.code, "sft needs QUESTIONS and --store" in ended.stderr) == (2, True)
    ended = command("sft", *common, "--mixture", mixture)
    assert ended.code == 2
    assert "a source without paths needs QUESTIONS and --store" in ended.stderr
    mixture.write_text(mixture.read_text().replace("0.75\n", f'0.75\nquestions = "{questions}"\nstore = "{store}"\n'))
    ended = sft(tmp_path / "out", mixture=mixture)
    assert ended.code == 2
    assert "every source has paths of its own" in ended.stderr
    ended = command("sft", *common, "--mixture", mixture, "--dry-run")
    assert ended.code == 0
    assert json.loads(ended.stdout)["completion"]
    assert not (tmp_path / "out").exists()
