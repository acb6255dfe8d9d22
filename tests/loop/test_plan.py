"""The plan: order, command lines, and who reads what."""

from __future__ import annotations

import tomllib

import pytest

from qa_loop.config import parse_config
from qa_loop.stage import Stage, dependents
from qa_loop.stages import plan

BASE = {
    "run": {"name": "x", "rounds": 3, "seed": 11},
    "scenes": {"dataset": "rooms", "scenes": 3, "frames": 2, "size": 32},
    "frames": {"frames": 2},
    "generate": {"tasks": ["object_counting", "object_abs_distance"], "options": {"profile": "exact"}},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1, "options": {"lora": True}},
    "eval": {"per_scene": 2, "seed": 3},
}


def stages(**sections: dict) -> dict[str, Stage]:
    raw = {**BASE, **{name: {**BASE.get(name, {}), **values} for name, values in sections.items()}}
    return {stage.name: stage for stage in plan(parse_config(raw, source="x"))}


def value(stage: Stage, flag: str) -> str:
    return stage.argv[stage.argv.index(flag) + 1]


def test_every_input_is_written_by_an_earlier_stage():
    written: set[str] = set()
    for stage in stages().values():
        assert set(stage.inputs) <= written, stage.name
        assert stage.out not in written, "two stages write one place"
        written.add(stage.out)


def test_questions_of_a_round_follow_feedback_and_repeat_nothing():
    found = stages()
    assert "--feedback" not in found["round_01-questions"].argv
    third = found["round_03-questions"]
    assert value(third, "--feedback") == "round_02/feedback"
    excluded = [third.argv[i + 1] for i, word in enumerate(third.argv) if word == "--exclude"]
    assert excluded == ["round_01/questions", "round_02/questions"]
    assert (value(third, "--count"), value(third, "--round"), value(third, "--seed")) == ("20", "3", "11")
    assert value(third, "--tasks") == "object_counting,object_abs_distance"


@pytest.mark.parametrize(
    "generate", [{"sampler": "predicted"}, {"options": {"proposer": "llm", "base_url": "u", "model": "m"}}]
)
def test_labels_of_all_earlier_rounds_go_where_single_questions_are_read(generate):
    found = stages(generate=generate, run={"rounds": 3})
    third = found["round_03-questions"]
    given = [third.argv[i + 1] for i, word in enumerate(third.argv) if word == "--confidence"]
    assert given == ["round_01/confidence", "round_02/confidence"]
    assert {*given} <= {*third.inputs}
    assert "--confidence" not in stages(run={"rounds": 3})["round_03-questions"].argv
    drawn = found["eval-questions"].argv
    assert drawn[1] == "generate"
    assert not {"--sampler", "--proposer", "--base-url", "--model"}.intersection(drawn)


def test_a_model_is_asked_by_a_command_of_its_own():
    third = stages(generate={"options": {"proposer": "llm", "base_url": "u"}})["round_03-questions"]
    assert third.argv[1] == "propose"
    assert not {"--proposer", "--tasks", "--feedback"}.intersection(third.argv)
    assert value(third, "--base-url") == "u"


def test_evaluation_asks_the_same_kind_of_question():
    found = stages(generate={"sampler": "learning", "options": {"profile": "vsi-bench"}})
    assert value(found["eval-questions"], "--profile") == "vsi-bench"


def test_training_goes_on_from_the_round_before():
    found = stages()
    first, second = found["round_01-train"], found["round_02-train"]
    assert value(first, "--model") == "tiny"
    assert "--state-from" not in first.argv
    assert value(second, "--model") == "round_01/train/model"
    assert value(second, "--state-from").startswith("round_01/train")
    assert "--lora" in first.argv


@pytest.mark.parametrize("name", ["lora_rank", "lora-rank"])
def test_adapters_go_on_from_the_state_on_the_same_weights(name):
    found = stages(train={"options": {name: 8}})
    for number in (1, 2, 3):
        trained = found[f"round_{number:02d}-train"]
        assert value(trained, "--model") == "tiny"
        assert value(trained, "--lora-rank") == "8"
    assert "--state-from" not in found["round_01-train"].argv
    assert value(found["round_03-train"], "--state-from") == "round_02/train"
    assert value(found["round_03-eval"], "--model") == "round_03/train/model"


def test_evaluation_is_fixed_before_round_1_with_its_own_seed():
    names = list(stages())
    assert names.index("eval-questions") < names.index("round_01-questions")
    drawn = stages()["eval-questions"]
    assert (value(drawn, "--split"), value(drawn, "--seed"), value(drawn, "--round")) == ("test", "3", "0")
    other_seed = stages(run={"seed": 12})["eval-questions"]
    assert other_seed.argv == drawn.argv


def test_in_sample_evaluation_is_drawn_from_the_training_split():
    assert value(stages(eval={"in_sample": True})["eval-questions"], "--split") == "train"


def test_blind_runs_before_and_after_training_and_in_between_when_asked():
    blind = [name for name in stages() if name.endswith("-blind")]
    assert blind == ["round_00-blind", "round_03-blind"]
    every = [name for name in stages(eval={"blind_every_round": True}) if name.endswith("-blind")]
    assert len(every) == 4
    assert not [name for name in stages(eval={"runners": ["majority"]}) if name.endswith("-blind")]
    assert value(stages()["round_03-blind"], "--model") == "round_03/train/model"


def test_without_frames_no_frames_are_sampled():
    raw = {name: values for name, values in BASE.items() if name != "frames"}
    names = [stage.name for stage in plan(parse_config(raw, source="x"))]
    assert "sample-frames" not in names
    assert "observe" not in names


def test_what_frames_show_is_known_before_questions_are_asked():
    found = stages()
    assert list(found).index("ingest") < list(found).index("observe") < list(found).index("eval-questions")
    assert {"eval-questions", "round_01-questions", "round_01-train"} <= dependents(found.values(), found["observe"])
    blind = {"method": "uniform", "frames": 2, "observe": False}
    assert "observe" not in stages(frames=blind)


def test_worker_count_is_no_part_of_what_decides_the_output():
    one, two = stages(), stages(generate={"workers": 2})
    assert [stage.argv for stage in one.values()] == [stage.argv for stage in two.values()]
    assert two["round_01-questions"].command[-2:] == ("--workers", "2")


@pytest.mark.parametrize(
    ("changed", "touched", "untouched"),
    [
        ("ingest", {"observe", "sample-frames", "round_03-blind"}, set()),
        ("round_02-train", {"round_02-eval", "round_03-questions", "round_03-train"}, {"round_01-eval"}),
        ("round_02-eval", {"round_02-eval-confidence"}, {"round_03-questions", "round_03-eval"}),
    ],
)
def test_dependents_are_those_that_read_what_changed(changed, touched, untouched):
    found = stages()
    names = dependents(found.values(), found[changed])
    assert touched <= names
    assert not untouched & names


def test_arkitscenes_command_line(tmp_path):
    text = f"""
    dataset = "arkitscenes"
    root = "{tmp_path}"
    annotations = "{tmp_path}/a"
    frames_dir = "{tmp_path}/f"
    only = ["47334096", "2"]
    """
    raw = {**BASE, "scenes": tomllib.loads(text)}
    ingest = plan(parse_config(raw, source="x"))[0]
    assert ingest.argv[:4] == ("qa-engine", "ingest", "arkitscenes", str(tmp_path))
    assert value(ingest, "--annotations") == f"{tmp_path}/a"
    assert ingest.argv.count("--only") == 2
