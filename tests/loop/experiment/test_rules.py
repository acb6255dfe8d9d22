"""What a file may say, what its arms are, and which units follow."""

from __future__ import annotations

from itertools import pairwise

import pytest
from made_experiment import changed

from qa_loop.errors import QALoopError
from qa_loop.experiment.arms import ARMS
from qa_loop.experiment.config import load_experiment, parse_experiment
from qa_loop.experiment.plan import plan
from qa_loop.experiment.run import check_commands, chosen_arms, chosen_seeds
from qa_loop.experiment.sections import Arm


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"rules": {"final": [2, 3]}}, "seeds [2] are for tuning and final"),
        ({"rules": {"budgets": [64, 100]}}, "[100] are no multiples of train.batch_size = 16"),
        ({"rules": {"budgets": [128, 64]}}, "ascending order"),
        ({"rules": {"best": "bets"}}, "rules.best: no arm 'bets'"),
        ({"rules": {"constant": ["best"]}}, "rules.constant"),
        ({"warmup": {"samples": 20}}, "no multiple of train.batch_size"),
        ({"pool": {"waste": [1.0]}}, "shares from 0 to below 1"),
        ({"pool": {"kinds": {"dull": 1}}}, "unknown ['dull']; valid: duplicate, trivial, blind"),
        ({"arms": {"best": {"pool": "all", "gates": ["blind"]}}}, "gates are for pool = 'gated'"),
        ({"arms": {"best": {"sampler": "headroom", "mix": {"a": 1.0}}}}, "three ways to choose"),
        ({"arms": {"best": {"smapler": "headroom"}}}, "unknown key 'arms.best.smapler'. Did you mean 'sampler'?"),
        ({"arms": {"mine": {"sampler": "shuffled"}}}, "of names what sampler 'shuffled'"),
        ({"test": {"count": 4}}, "give per_scene or count"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_key(sections, said):
    with pytest.raises(QALoopError) as error:
        parse_experiment(changed(**sections), source="e.toml")
    assert said in str(error.value)
    assert str(error.value).startswith("e.toml: ")


def test_every_arm_of_the_protocol_is_whole_and_a_file_may_change_its_keys():
    assert all(Arm.model_validate(keys).about for keys in ARMS.values())
    config = parse_experiment(changed(arms={"gates_headroom": {"explore": 0.5}}), source="made")
    arm = config.arms["gates_headroom"]
    assert (arm.pool, arm.sampler, arm.explore, arm.looks_blind) == ("gated", "headroom", 0.5, True)
    assert config.arms["gates"].needs_gates == ["duplicate", "shortcut", "unanswerable"]
    assert parse_experiment(config.model_dump(mode="json"), source="again") == config


def test_the_commands_of_every_arm_are_checked_under_its_name(monkeypatch):
    """Two arms with the same options and other values: both are looked at."""
    checked = []
    monkeypatch.setattr("qa_loop.experiment.run.check_options", checked.extend)
    config = parse_experiment(
        changed(arms={"mine": {"pool": "gated", "sampler": "shuffled", "of": "headrom"}}), source="e"
    )
    check_commands(plan(config, seeds=[11]))
    told = {(stage.name, word) for stage in checked for flag, word in pairwise(stage.argv) if flag == "--shuffled-of"}
    assert told == {("arms.shuffled", "headroom"), ("arms.mine", "headrom")}
    assert {"ingest", "train", "eval_test", "gate"} <= {stage.name for stage in checked}


def test_seeds_and_arms_of_the_command_line():
    config = parse_experiment(changed(), source="made")
    assert chosen_seeds(config, None) == [11, 12, 13]
    assert chosen_seeds(config, "tuning") == [1, 2]
    assert chosen_seeds(config, "12, 1") == [12, 1]
    with pytest.raises(QALoopError, match="give final, tuning, all"):
        chosen_seeds(config, "99")
    assert chosen_arms(config, "static,best") == ["static", "best"]
    with pytest.raises(QALoopError, match="no arm 'bets'"):
        chosen_arms(config, "bets")


def test_a_unit_is_the_same_whichever_others_are_asked_for():
    config = parse_experiment(changed(), source="made")
    whole, part = plan(config, seeds=[11, 12]), plan(config, seeds=[11], arms=["best"])
    known = {unit.name: whole.identity(unit) for unit in whole.units}
    assert {unit.name for unit in part.units} < set(known)
    assert all(known[unit.name] == part.identity(unit) for unit in part.units)
    done: set[str] = set()
    for unit in whole.units:  # every unit comes after those that it needs
        assert done.issuperset(unit.needs)
        done.add(unit.name)
    assert len([unit for unit in whole.units if unit.key]) == 4 * 4 * 2


def test_budgets_are_runs_of_their_own_whose_schedule_falls_over_all_rounds():
    config = parse_experiment(changed(), source="made")
    unit = next(
        u for u in plan(config, seeds=[11]).units if u.key and u.key["arm"] == "best" and u.key["budget"] == 128
    )
    trained = [step.argv for step in unit.steps if step.argv[:2] == ("qa-trainer", "sft")]
    words = [dict(pairwise(argv)) for argv in trained]
    assert [w["--steps"] for w in words] == ["4", "4"]
    assert {w["--schedule-steps"] for w in words} == {"8"}
    assert "warmup/seed-11/train/model" in trained[0]
    assert words[1]["--state-from"].endswith("round_01/train")
    chosen = [step.argv for step in unit.steps if step.argv[:2] == ("qa-engine", "choose")]
    assert [argv.count("--exclude") for argv in chosen] == [0, 1]
    assert chosen[1][chosen[1].index("--feedback") + 1].startswith(unit.name)


@pytest.mark.parametrize("name", ["micro", "rooms", "gpu"])
def test_shipped_files_are_whole(name, request):
    config = load_experiment(request.config.rootpath / f"configs/experiment_{name}.toml")
    assert plan(config, seeds=config.rules.final[:1]).units
    assert config.rules.best
    assert config.rules.shuffled
