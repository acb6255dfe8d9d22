"""Options of every stage are checked against its command before the first one starts."""

from __future__ import annotations

import json

import pytest

from qa_loop.config import load_config, parse_config
from qa_loop.errors import QALoopError
from qa_loop.options import check_options, problems
from qa_loop.run import run_loop
from qa_loop.stages import plan

BASE = {
    "run": {"name": "x", "rounds": 2},
    "scenes": {"dataset": "rooms", "scenes": 3},
    "frames": {"frames": 2},
    "train": {"model": "tiny", "steps": 5, "batch_size": 4, "learning_rate": 0.1},
    "eval": {"count": 2},
}


def option(kind="text", **more):
    return {"choices": [], "min": None, "max": None, "open": [], "many": False, "none": False, "kind": kind} | more


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("--rank", "4"), []),
        (("--rank", "0"), ["rank = 0: needs a whole number, at least 1"]),
        (("--rank", "4.5"), ["rank = 4.5: needs a whole number, at least 1"]),
        (("--rate", "0"), ["rate = 0: needs a number, above 0, below 1"]),
        (("--rate", "none"), []),
        (("--parts", "a,b"), []),
        (("--parts", "a,x"), ["parts = a,x: needs any of a, b"]),
        (("--lora", "--rank", "4"), []),
        (("--lora", "yes"), ["lora = yes: is a switch; write true or false"]),
        (
            ("--rnak", "4", "--rank", "0"),
            ["'rnak' is no option of 'p c'. Did you mean 'rank'?", "rank = 0: needs a whole number, at least 1"],
        ),
        (("FILE", "--zzz"), ["'zzz' is no option of 'p c'. See p c --help."]),
    ],
)
def test_words_against_a_description(words, found):
    known = {
        "--rank": option("integer", min=1),
        "--rate": option("number", min=0, max=1, open=["gt", "lt"], none=True),
        "--parts": option(choices=["a", "b"], many=True),
        "--lora": option("switch"),
    }
    assert problems(("p", "c", words), known) == found


@pytest.mark.parametrize(
    ("section", "options", "message"),
    [
        ("train", {"lerning_rat": 3}, "train.options: 'lerning_rat' is no option of 'qa-trainer sft'"),
        ("train", {"launcher": "accelerate"}, "Write the whole launcher: train.launch = 'accelerate launch"),
        ("train", {"lora_rank": 0}, "train.options: lora_rank = 0: needs a whole number, at least 1"),
        ("train", {"freeze": ["visoin"]}, "freeze = visoin: needs any of vision, connector, geometry, audio, language"),
        ("eval", {"max_new_tokens": "many"}, "eval.options: max_new_tokens = many: needs a whole number"),
        ("generate", {"sampels": 3}, "generate.options: 'sampels' is no option of 'qa-engine generate'"),
    ],
)
def test_real_commands_refuse_before_the_first_stage(section, options, message):
    config = parse_config({**BASE, section: {**BASE.get(section, {}), "options": options}}, source="x")
    with pytest.raises(QALoopError) as error:
        check_options(plan(config))
    assert message in str(error.value)
    assert str(error.value).count(message) == 1  # not once per round


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        ("generate", {"sampler": "lernability"}, "sampler = lernability: needs one of baseline, learning"),
        ("generate", {"tasks": ["room_sise"]}, "tasks = room_sise: needs any of object_counting"),
        ("frames", {"method": "covrage"}, "method = covrage: needs one of uniform, coverage, query"),
        ("eval", {"benchmark": "vsibench"}, "benchmark = vsibench: needs one of vsi-bench"),
        ("eval", {"parser": "mine"}, "parser = mine: needs one of official"),
        ("confidence", {"profile": "papper"}, "profile = papper: needs one of paper, calibrated"),
    ],
)
def test_names_are_checked_before_the_first_stage(section, keys, message):
    config = parse_config({**BASE, section: {**BASE.get(section, {}), **keys}}, source="x")
    with pytest.raises(QALoopError) as error:
        check_options(plan(config))
    assert message in str(error.value)


def test_every_stage_of_a_full_plan_passes():
    train = {**BASE["train"], "stage": [{"method": "sft"}, {"method": "grpo", "batch_size": 8}], "replay": 0.2}
    raw = {**BASE, "train": train, "confidence": {"profile": "calibrated"}, "guard": {"questions": "/x"}}
    raw["generate"] = {"sampler": "progress", "explore": 0.3}
    check_options(plan(parse_config(raw, source="x")))
    models = [{"name": "llm", "share": 0.2, "model": name} for name in ("base", "current", "http://h/v1")]
    models[0]["options"] = {"guide": "json-schema", "recheck": True}
    raw["generate"]["proposer"] = [*models, {"name": "template", "share": 0.4}]
    check_options(plan(parse_config(raw, source="x")))
    check_options(plan(parse_config({**raw, "serve": {"command": "vllm serve {model} --port {port}"}}, source="x")))


def test_a_wrong_option_of_a_proposer_is_found_before_anything_starts():
    model = {"name": "llm", "share": 1, "model": "base", "options": {"guide": "ebnf"}}
    with pytest.raises(QALoopError, match="guide = ebnf: needs one of none, json-schema, gbnf, lark"):
        check_options(plan(parse_config({**BASE, "generate": {"proposer": [model]}}, source="x")))


def test_nothing_is_written_where_an_option_is_wrong(fakes, monkeypatch):
    monkeypatch.setenv("FAKE_OPTIONS", json.dumps([option("text", flags=["--out"])]))
    with pytest.raises(QALoopError, match="is no option of 'qa-engine ingest'"):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert not (fakes.folder / "out").exists()
