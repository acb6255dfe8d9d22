"""The configuration: what is refused, and how it is said."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

import qa_loop
from qa_loop.config import load_config, parse_config
from qa_loop.errors import QALoopError
from qa_loop.sections import LoopConfig

ROOT = Path(__file__).parents[2]
SMALL = {
    "run": {"name": "x", "rounds": 1},
    "scenes": {"dataset": "rooms", "scenes": 3, "frames": 2, "size": 32},
    "train": {"model": "tiny", "steps": 2, "batch_size": 3, "learning_rate": 0.1},
    "eval": {"per_scene": 2},
}


def changed(section: str, **values: object) -> dict:
    return {**SMALL, section: {**SMALL.get(section, {}), **values}}


def test_defaults_are_filled_in_and_read_back():
    config = parse_config(SMALL, source="x.toml")
    assert config.eval_split == "test"
    assert config.questions_per_round == 6
    assert LoopConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (changed("train", stepz=3), "x.toml: unknown key 'train.stepz'. Did you mean 'steps'?"),
        ({**SMALL, "trian": {}}, "unknown section [trian]. Did you mean 'train'?"),
        ({**SMALL, "train": 3}, "'train' must be a section"),
        (changed("train", steps=0), "train.steps: Input should be greater than or equal to 1 (found 0)."),
        (changed("train", steps="many"), "train.steps: Input should be a valid integer"),
        ({k: v for k, v in SMALL.items() if k != "train"}, "train is missing."),
        (changed("train", learning_rate=float("inf")), "train.learning_rate: Input should be a finite number"),
        (changed("train", options={"weight_decay": float("nan")}), "'weight_decay' must be a finite number, found nan"),
        (changed("scenes", split="train=nan,test=0.5"), "add up to 1, found nan"),
        (changed("run", profile="papers"), "run.profile: Input should be 'paper' (found 'papers')."),
        (changed("scenes", size=8), "scenes.size: Input should be greater than or equal to 16 (found 8)."),
        (changed("scenes", split="train=0.5,test=0.4"), "add up to 1, found 0.9"),
        (changed("scenes", split="train=0.5,tset=0.5"), "unknown split ['tset']"),
        (changed("scenes", split="train"), 'write it as "train=0.6,val=0.1,test=0.3"'),
        (changed("eval", count=3), "give per_scene or count"),
        (changed("eval", split="train"), "scores would not be held out"),
        (changed("eval", in_sample=True, split="test"), "asks about the training split 'train'"),
        (changed("eval", runners=["blind", "coin"]), "eval.runners.1"),
        (changed("train", options={"state_from": "x"}), "'state_from' is set by the loop"),
        (changed("train", options={"batch-size": 3}), "'batch-size' is set by the loop"),
    ],
)
def test_mistakes_are_named(raw, message):
    with pytest.raises(QALoopError) as error:
        parse_config(raw, source="x.toml")
    assert message in str(error.value)


def test_in_sample_asks_about_the_training_split():
    config = parse_config(changed("eval", in_sample=True), source="x.toml")
    assert config.eval_split == config.generate.split == "train"
    assert LoopConfig.model_validate(config.model_dump(mode="json")) == config


def test_profile_paper_fills_in_the_published_recipe_and_gives_way_to_the_file():
    raw = {**SMALL, "run": {"name": "x", "profile": "paper"}, "train": {"model": "m", "steps": 7}}
    config = parse_config(raw, source="x.toml")
    assert (config.run.rounds, config.train.batch_size, config.train.learning_rate) == (4, 64, 1e-6)
    assert config.frames is not None
    assert config.frames.frames == 32
    assert config.train.steps == 7


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "loop.toml"
    path.write_text(text)
    return path


VSI = """
[run]
name = "x"
rounds = 1
[scenes]
dataset = "vsi-bench"
root = "{root}"
[train]
model = "{model}"
steps = 1
batch_size = 1
learning_rate = 1.0
[eval]
count = 1
"""


def test_unset_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("SOME_DATA", raising=False)
    with pytest.raises(QALoopError, match=r"scenes\.root is '\$\{SOME_DATA\}/x', but .* SOME_DATA is not set"):
        load_config(write(tmp_path, VSI.format(root="${SOME_DATA}/x", model="tiny")))


def test_missing_path_is_named_after_expansion(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_DATA", str(tmp_path))
    with pytest.raises(QALoopError, match=rf"scenes\.root: {tmp_path}/absent does not exist"):
        load_config(write(tmp_path, VSI.format(root="${SOME_DATA}/absent", model="tiny")))


def test_paths_are_relative_to_the_file_and_hub_names_are_no_paths(tmp_path):
    (tmp_path / "meta.json").write_text("{}")
    (tmp_path / "model").mkdir()
    config = load_config(write(tmp_path, VSI.format(root="meta.json", model="./model")))
    assert config.scenes[0].root == str(tmp_path / "meta.json")
    assert config.train.model == str(tmp_path / "model")
    assert load_config(write(tmp_path, VSI.format(root="meta.json", model="Qwen/Q"))).train.model == "Qwen/Q"


@pytest.mark.parametrize("content", [b"[run", b"\xff\xfe", None])
def test_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "loop.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(QALoopError, match=str(path)):
        load_config(path)


@pytest.mark.parametrize("path", [*sorted((ROOT / "configs").glob("*.toml")), ROOT / "src/qa_loop/configs/demo.toml"])
def test_shipped_configurations_are_valid(path):
    raw = tomllib.loads(path.read_text())
    if "run" in raw and "rules" not in raw:  # one with rules is an experiment's
        parse_config(raw, source=path.name)


def test_paper_configuration_is_the_recipe():
    config = parse_config(tomllib.loads((ROOT / "configs/paper.toml").read_text()), source="paper.toml")
    assert config.run.rounds * config.questions_per_round == 25_600
    assert config.run.profile == "paper"


def test_demo_is_where_the_wheel_carries_it():
    assert (Path(qa_loop.__file__).parent / "configs" / "demo.toml").is_file()
    assert not (ROOT / "configs" / "demo.toml").exists()
