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
    "generate", [{"sampler": "predicted"}, {"proposer": [{"name": "llm", "share": 1, "model": "http://h/v1"}]}]
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


def test_a_model_behind_a_server_is_asked_by_a_command_of_its_own():
    model = {"name": "llm", "share": 1, "model": "http://h/v1", "served_as": "m", "options": {"guide": "gbnf"}}
    third = stages(generate={"proposer": [model], "options": {"profile": "vsi-bench", "points": True}})[
        "round_03-questions"
    ]
    assert third.argv[1] == "propose"
    assert not {"--tasks", "--points"}.intersection(third.argv)
    told = {"--base-url": "http://h/v1", "--model": "m", "--guide": "gbnf", "--feedback": "round_02/feedback"}
    assert {name: value(third, name) for name in told} == told
    assert value(third, "--profile") == "vsi-bench"


def test_proposers_ask_their_shares_and_templates_fill_up():
    base, current = ({"name": "llm", "share": 0.3, "model": name} for name in ("base", "current"))
    template = {"name": "template", "share": 0.4, "options": {"all_rejects": True}}
    found = stages(generate={"proposer": [base, template, current], "sampler": "progress"})
    third = [name.removeprefix("round_03-") for name in found if name.startswith("round_03")][:4]
    assert third == ["asked-1-llm", "asked-2-template", "asked-3-llm", "questions"]
    assert [value(found[f"round_03-{name}"], "--count") for name in third[:3]] == ["6", "20", "6"]
    models = [value(found[f"round_03-asked-{k}-llm"], "--local-model") for k in (1, 3)]
    assert models == ["tiny", "round_02/train/model"]
    assert "round_02/train" not in found["round_03-asked-1-llm"].inputs
    assert "round_02/train" in found["round_03-asked-3-llm"].inputs
    assert value(found["round_01-asked-3-llm"], "--local-model") == "tiny"
    by_template = found["round_03-asked-2-template"]
    assert "--all-rejects" in by_template.argv
    assert value(by_template, "--sampler-state") == "round_02/asked_2_template"
    mixed = found["round_03-questions"]
    outs = ["round_03/asked_1_llm", "round_03/asked_2_template", "round_03/asked_3_llm"]
    assert list(mixed.argv[2:5]) == outs
    assert [mixed.argv[i + 1] for i, word in enumerate(mixed.argv) if word == "--take"] == ["6", "8", "6"]
    assert {*outs, "round_01/questions", "round_02/questions"} == {*mixed.inputs}


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
    raw |= {"eval": [{"per_scene": 2}, {"name": "vsi", "questions": "/q"}], "confidence": {"profile": "calibrated"}}
    found = {stage.name: stage for stage in plan(parse_config(raw, source="x"))}
    assert not {"sample-frames", "observe"} & {*found}
    asked = ("round_00-eval", "round_01-panel-pass", "round_00-eval-vsi")
    assert [value(found[name], "--runner") for name in asked] == ["blind", "blind", "transformers"]


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
