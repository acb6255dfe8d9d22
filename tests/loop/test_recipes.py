"""What published recipes need: said by a key and planned, or refused before anything starts, with what to do."""

from __future__ import annotations

import tomllib

import pytest
from qa_contract.errors import UserError

from qa_loop.config import load_config, parse_config
from qa_loop.errors import QALoopError
from qa_loop.mixtures import mixtures
from qa_loop.sections import LoopConfig
from qa_loop.stage import Stage
from qa_loop.stages import plan

SMALL = {
    "run": {"name": "x", "rounds": 3, "seed": 4},
    "scenes": {"dataset": "rooms", "scenes": 3, "frames": 2, "size": 32, "split": "train=0.6,val=0.2,test=0.2"},
    "frames": {"frames": 2},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1},
    "eval": {"per_scene": 2},
}


def parsed(**sections: object) -> LoopConfig:
    raw = {**SMALL}
    for name, values in sections.items():
        raw[name] = {**SMALL.get(name, {}), **values} if isinstance(values, dict) else values
    return parse_config(raw, source="x")


def planned(**sections: object) -> dict[str, Stage]:
    return {stage.name: stage for stage in plan(parsed(**sections))}


def values(stage: Stage, flag: str) -> list[str]:
    return [stage.argv[i + 1] for i, word in enumerate(stage.argv) if word == flag]


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"confidence": {"clean_pass": 500}}, "profile = 'calibrated'; panel and sample are their sizes"),
        ({"grpo": {"steps": 2}}, "[[train.stage]] with method = 'grpo'"),
        ({"score": {"sample": 100}}, "confidence.sample is their size"),
        ({"run": {"stop_gain": 0.1}}, "[stop] min_gain"),
        ({"run": {"keep": "worst"}}, "run.keep: must be 'all', 'best', or a number"),
        ({"train": {"processes": 8}}, "train.launch = 'accelerate launch --num_processes 8'"),
        ({"scenes": {"datasets": ["scannet", "rooms"]}}, "Write [[scenes]] with a dataset and a share for each"),
        ({"train": {"stage": [{"method": "dpo"}]}}, "train.stage.0.method: Input should be 'sft' or 'grpo'"),
        (
            {"train": {"stage": [{"method": "sft", "stepz": 3}]}},
            "unknown key 'train.stage.stepz'. Did you mean 'steps'?",
        ),
        ({"train": {"method": "grpo"}}, "set confidence.profile = 'calibrated'"),
        ({"train": {"replay": 0.6, "general": [{"name": "g", "share": 0.5, "data": "d"}]}}, "add up to 1.1"),
        ({"train": {"method": "grpo", "replay": 0.5}}, "replay and general are for method sft"),
        ({"confidence": {"panel": 10}}, "panel is for profile = 'calibrated'"),
        ({"gates": {}}, "gates.use has 'suspect', which judges by clean passes"),
        ({"gates": {"use": ["nois"]}}, "gates.use.0: Input should be 'duplicate'"),
        (
            {"eval": {"questions": "vsi.parquet", "count": 3, "per_scene": None}},
            "count is for questions that are drawn",
        ),
        ({"eval": {"options": {"runner": "openai"}}}, "a server in place of 'transformers' is the section [serve]"),
        ({"serve": {"command": "vllm serve"}}, "must say where {port} goes"),
        ({"serve": {"command": "vllm 'serve {port}"}}, "cannot be split into words"),
        ({"serve": {"command": "s {port}", "use": ["train"]}}, "serve.use.0: Input should be 'eval', 'passes'"),
        ({"generate": {"options": {"proposer": "llm"}}}, "[[generate.proposer]] with a name and a share"),
        ({"generate": {"proposers": []}}, "Write [[generate.proposer]]"),
        ({"generate": {"proposer": [{"name": "template", "share": 0.5}]}}, "must add up to 1, found 0.5 = 0.5"),
        (
            {"generate": {"proposer": [{"name": "templat", "share": 1}]}},
            "generate.proposer.0.name: Input should be 'template' or 'llm'",
        ),
        ({"generate": {"proposer": [{"name": "template", "share": 0.5}] * 2}}, "'template' stands there twice"),
        ({"generate": {"proposer": [{"name": "llm", "share": 1}]}}, "'llm' needs a model: 'base', 'current'"),
        (
            {"generate": {"proposer": [{"name": "llm", "share": 1, "model": "base", "served_as": "m"}]}},
            "write the server's address as model",
        ),
        (
            {"generate": {"proposer": [{"name": "llm", "share": 1, "model": "base"}]}, "gates": {"use": ["duplicate"]}},
            "models alone write them: set offer = 1",
        ),
        ({"eval": [{"count": 3}, {"count": 4}]}, "every [[eval]] needs a name of its own"),
        ({"eval": [{"count": 3}, {"name": "v", "count": 4, "splt": "val"}]}, "unknown key 'eval.splt'"),
        ({"stop": {"on": "eval"}}, "a round chosen by it could not be scored on it"),
        ({"stop": {"on": "vall", "samples": 3}}, "which is no [[eval]]; valid: eval"),
        ({"stop": {"patience": 3}}, "give on = the name"),
    ],
)
def test_what_cannot_be_said_so_is_refused_with_what_to_do(sections, message):
    with pytest.raises(QALoopError) as error:
        parsed(**sections)
    assert message in str(error.value)


def test_files_of_evaluations_and_guards_are_looked_for_before_anything_starts(tmp_path):
    text = """
[run]
name = "x"
rounds = 1
[scenes]
dataset = "rooms"
[train]
model = "tiny"
steps = 1
batch_size = 1
learning_rate = 0.1
launch = "accelerate launch --config_file ddp.yaml"
[[eval]]
count = 4
[[eval]]
name = "vsi"
questions = "vsi.parquet"
benchmark = "vsi-bench"
options = { videos = "videos" }
"""
    (tmp_path / "loop.toml").write_text(text)
    with pytest.raises(QALoopError, match=r"eval\.questions: .*vsi\.parquet does not exist"):
        load_config(tmp_path / "loop.toml")
    (tmp_path / "vsi.parquet").touch()
    (tmp_path / "videos").mkdir()
    (tmp_path / "ddp.yaml").touch()
    config = load_config(tmp_path / "loop.toml")
    stages = {stage.name: stage for stage in plan(config)}
    last = stages["round_01-eval-vsi"]
    assert last.argv[:3] == ("qa-eval", "run", str(tmp_path / "vsi.parquet"))
    assert values(last, "--videos") == [str(tmp_path / "videos")]
    assert "--store" not in last.argv
    assert values(last, "--benchmark") == ["vsi-bench"]
    train = stages["round_01-train"]
    assert train.argv[:7] == (
        "accelerate",
        "launch",
        "--config_file",
        str(tmp_path / "ddp.yaml"),
        "-m",
        "qa_trainer",
        "sft",
    )
    assert train.called[:2] == ("qa-trainer", "sft")
    assert LoopConfig.model_validate(config.model_dump(mode="json")) == config


def test_model_of_a_proposer_is_looked_at_before_anything_starts(tmp_path):
    text = """
[run]
name = "x"
rounds = 1
[scenes]
dataset = "rooms"
[train]
model = "tiny"
steps = 1
batch_size = 1
learning_rate = 0.1
[eval]
count = 4
[[generate.proposer]]
name = "llm"
share = 1
model = "./model"
"""
    (tmp_path / "loop.toml").write_text(text)
    with pytest.raises(QALoopError, match=r"generate\.proposer\.model: .*model does not exist"):
        load_config(tmp_path / "loop.toml")
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.json").touch()
    with pytest.raises(QALoopError, match=r"holds no model that transformers loads \(expected config\.json and"):
        load_config(tmp_path / "loop.toml")
    (tmp_path / "model/model.safetensors").touch()
    asked = {stage.name: stage for stage in plan(load_config(tmp_path / "loop.toml"))}["round_01-questions"]
    assert values(asked, "--local-model") == [str(tmp_path / "model")]
    (tmp_path / "model/model.safetensors").rename(tmp_path / "model/model.gguf")
    (tmp_path / "loop.toml").write_text(
        text + '[serve]\ncommand = "llama-server -m {model}/model.gguf --port {port}"\n'
    )
    asked = {stage.name: stage for stage in plan(load_config(tmp_path / "loop.toml"))}["round_01-questions"]
    assert asked.serves == str(tmp_path / "model")
    (tmp_path / "loop.toml").write_text(text.replace("./model", "http://me:secret@host/v1"))
    with pytest.raises(UserError, match=r"generate\.proposer\.model: expected an address without user"):
        load_config(tmp_path / "loop.toml")


def test_calibrated_round_asks_passes_gates_and_trains():
    found = planned(confidence={"profile": "calibrated", "panel": 8, "sample": 6}, gates={"offer": 1.5})
    assert values(found["panel"], "--count") == ["8"]
    second = [name.removeprefix("round_02-") for name in found if name.startswith("round_02")]
    assert second == [
        *("panel-pass", "panel-blind", "panel-signal", "feedback", "candidates", "drawn", "clean-pass", "clean-blind"),
        *("signal", "questions", "train", "confidence", "eval", "eval-confidence"),
    ]
    asked = found["round_02-candidates"]
    assert values(asked, "--count") == ["30"]
    assert values(asked, "--sampler") == ["learnability"]
    assert values(asked, "--exclude") == ["panel", "round_01/questions"]
    assert values(asked, "--feedback") == ["round_02/feedback"]
    assert values(found["round_02-clean-pass"], "--model") == ["round_01/train/model"]
    assert values(found["round_02-questions"], "--count") == ["20"]
    assert values(found["round_02-questions"], "--evidence") == ["round_01/signal", "round_02/signal"]
    assert values(found["round_02-confidence"], "--signal") == ["round_02/signal"]
    blind = planned(confidence={"profile": "calibrated", "blind": False})
    assert not [name for name in blind if name.startswith("round_01") and "blind" in name]


@pytest.mark.parametrize("sections", [{}, {"confidence": {"profile": "calibrated"}}, {"guard": {"questions": "/g"}}])
def test_every_input_is_written_before_it_is_read(sections):
    written: set[str] = set()
    stages = {"stage": [{"method": "sft"}, {"method": "grpo", "batch_size": 8}], "replay": 0.25}
    more = [{"count": 3}, {"name": "val", "split": "val", "count": 3, "every": 2}]
    for stage in planned(train=stages, eval=more, **sections).values():
        assert set(stage.inputs) <= written, stage.name
        assert stage.out not in written, "two stages write one place"
        written.add(stage.out)


def test_training_stages_run_in_order_and_the_last_gives_the_model():
    stages = [{"method": "sft", "options": {"freeze": ["vision"]}}, {"method": "grpo", "steps": 2, "batch_size": 16}]
    found = planned(train={"stage": stages}, confidence={"profile": "calibrated"})
    sft, grpo = found["round_02-train-1-sft"], found["round_02-train-2-grpo"]
    assert values(sft, "--model") == ["round_01/train_2_grpo/model"]
    assert values(sft, "--freeze") == ["vision"]
    assert values(grpo, "--model") == ["round_02/train_1_sft/model"]
    assert (values(grpo, "--steps"), values(grpo, "--batch-size")) == (["2"], ["16"])
    assert "--state-from" not in (*sft.argv, *grpo.argv)
    assert "--round" not in grpo.argv
    assert values(found["round_02-eval"], "--model") == ["round_02/train_2_grpo/model"]
    assert found["round_02-confidence"].argv[2] == "round_02/train_1_sft"
    assert values(found["round_01-candidates"], "--count") == ["40"]  # 32 for grpo, a quarter more on offer


def test_reinforcement_alone_lives_on_the_clean_pass():
    found = planned(train={"method": "grpo"}, confidence={"profile": "calibrated"})
    assert "round_01-confidence" not in found
    assert found["round_02-feedback"].argv[2] == "round_01/signal"
    assert values(found["round_02-feedback"], "--questions") == ["round_01/drawn", "panel"]


def test_schedule_spans_all_rounds_and_replay_comes_from_a_mixture():
    sections = {"train": {"schedule": "cosine", "replay": 0.5}}
    found = planned(**sections)
    assert values(found["round_02-train"], "--schedule-steps") == ["15"]
    assert "--mixture" not in found["round_01-train"].argv
    assert values(found["round_03-train"], "--mixture") == ["mixtures/round_03.toml"]
    assert {"round_01/questions", "round_02/questions"} <= {*found["round_03-train"].inputs}
    assert values(found["round_01-questions"], "--count") == ["10"]
    files = mixtures(parsed(**sections))
    assert list(files) == ["mixtures/round_02.toml", "mixtures/round_03.toml"]
    last = tomllib.loads(files["mixtures/round_03.toml"])
    assert [(source["name"], source["share"]) for source in last["source"]] == [
        *(("new", 0.5), ("replay_1", 0.25), ("replay_2", 0.25)),
    ]
    assert sum(source["share"] for source in last["source"]) == pytest.approx(1)


def test_stopped_run_has_the_last_rounds_stages():
    config = parsed(eval={"per_scene": 2, "runners": ["blind"]})
    names = [stage.name for stage in plan(config, rounds=2)]
    assert "round_02-blind" in names
    assert not [name for name in names if name.startswith("round_03")]
