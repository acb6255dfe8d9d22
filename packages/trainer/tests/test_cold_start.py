"""A cold start: chains of a model that seldom reasons, of which the good ones are trained on."""

from __future__ import annotations

import json

import polars as pl
import pytest

CHAINS = [
    *("<think>near</think><answer>A</answer>", "A", "<think>far</think><answer>B</answer>"),
    *("<think>2 m</think><answer>2.0</answer>", "<think>2 m, nearly</think><answer>2.1</answer>", "2.0"),
    *("3", "<think></think><answer>3</answer>", "<think>no</think><answer>9</answer>"),
]
"""Three for each of three questions whose answers are A, 2.0 and 3."""


@pytest.fixture
def scripted(monkeypatch):
    """Let the model say `CHAINS`; give what it was asked."""
    import qa_trainer.score.cold_start as module

    real, asked = module.answer, []

    def answer(model, processor, samples, rows, **options):
        asked.append((samples.examples(rows[:1])["prompt"][0][0]["content"][-1]["text"], options["temperature"]))
        found = list(real(model, processor, samples, rows, **options | {"max_new_tokens": 2}))
        start = 3 * (len(asked) - 1)
        return [row | {"completion": text} for row, text in zip(found, CHAINS[start : start + 3], strict=True)]

    monkeypatch.setattr(module, "answer", answer)
    return asked


def test_the_best_right_chain_of_each_question_is_trained_on(
    libraries, command, make, store, tiny_model, scripted, tmp_path
):
    rows = [
        make.question(1, ground_truth="A"),
        make.question(0, ground_truth="2.0"),
        make.question(2, ground_truth="3"),
    ]
    asked = make.write(rows, tmp_path, "questions")
    out = tmp_path / "chains"
    options = make.flags({"store": store, "model": tiny_model, "device": "cpu"})
    ended = command("cold-start", asked, "--out", out, *options, "--json")
    assert ended.code == 0, ended.stderr
    assert "between <think> and </think>" in scripted[0][0]
    assert scripted[0][1] == 1.0
    summary = json.loads(ended.stdout)
    assert (summary["questions"], summary["chains"], summary["kept"]) == (3, 9, 2)
    kept = [json.loads(line) for line in (out / "chains.jsonl").read_text().splitlines()]
    assert [row["completion"][0]["content"] for row in kept] == [CHAINS[0], CHAINS[3]]
    assert kept[0]["images"] == ["images/room_1/1.png", "images/room_1/0.png"]
    predictions = pl.read_parquet(out / "predictions.parquet")
    assert predictions["completion"].to_list() == CHAINS
    assert set(predictions["decoding"]) == {"sampled, temperature 1, 768 new tokens"}
    # What it leaves is what sft reads.
    words = make.flags({"model": tiny_model, "device": "cpu", "steps": 1, "batch_size": 2})
    ended = command("sft", "--mixture", out / "mixture.toml", "--out", tmp_path / "trained", *words)
    assert ended.code == 0, ended.stderr


def test_without_a_good_chain_nothing_is_left(command, make, store, tiny_model, tmp_path):
    asked = make.write([make.question(1)], tmp_path, "questions")
    options = {"store": store, "model": tiny_model, "device": "cpu", "max_new_tokens": 2}
    ended = command("cold-start", asked, "--out", tmp_path / "out", *make.flags(options))
    assert ended.code == 2
    assert "None of 3 chains" in ended.stderr
    assert not (tmp_path / "out").exists()


def test_chains_depend_on_their_question_and_the_seed_alone(libraries, make, store, tiny_model, tmp_path, monkeypatch):
    import qa_trainer.score.cold_start as module
    from qa_trainer.errors import QATrainerError
    from qa_trainer.settings.cold_start import ColdStartSettings

    found = []
    monkeypatch.setattr(
        module, "chain_rewards", lambda completions, rows: found.append(completions) or [0.0] * len(rows)
    )
    both = make.write([make.question(1), make.question(3)], tmp_path / "both", "questions")
    one = make.write([make.question(3)], tmp_path / "one", "questions")
    for questions, seed in ((both, 0), (one, 0), (one, 1)):
        settings = ColdStartSettings(chains=2, max_new_tokens=6, seed=seed, device="cpu")
        with pytest.raises(QATrainerError):
            module.cold_start(questions, store, str(tiny_model), settings, tmp_path)
    assert found[0][2:] == found[1]
    assert found[1] != found[2]
    assert found[1][0] != found[1][1]
