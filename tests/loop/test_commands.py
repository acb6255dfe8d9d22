"""The stages' command lines against the packages' real ones, and what the packages say that they offer."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa_loop.config import parse_config
from qa_loop.errors import QALoopError
from qa_loop.offers import check_scenes, engine_datasets, shipped_models, with_folder
from qa_loop.sections import SCENE_FLAGS, ScenesSection
from qa_loop.stages import plan

VALUES = {"annotations": "a", "frames_dir": "f", "scenes": 3, "frames": 2, "size": 32, "first_scene": 5}


@pytest.fixture(scope="module")
def datasets():
    return engine_datasets()


def scenes_of(dataset: dict) -> dict:
    """Every key and setting that a data set has."""
    keys = {key: VALUES[key] for key, flag in SCENE_FLAGS.items() if flag in dataset["options"]}
    chosen = [f"{name}={values[-1]}" for name, values in dataset["settings"].items()]
    return {"dataset": dataset["name"], "root": "r", "only": ["x", "y"], "options": {"set": chosen}, **keys}


def test_every_flag_of_the_stages_is_known_to_its_command(cli_commands, datasets):
    unknown = []
    for dataset in datasets.values():
        raw = {
            "run": {"name": "x", "profile": "paper"},
            "scenes": {**scenes_of(dataset), "split": "train=0.5,test=0.5"},
            "generate": {"tasks": ["object_counting"]},
            "train": {"model": "tiny"},
            "eval": {"count": 2, "runners": ["blind", "majority", "oracle"], "blind_every_round": True},
        }
        for stage in plan(parse_config(raw, source="x")):
            program, command, *rest = stage.command
            flags = cli_commands[program][command]
            unknown += [(stage.name, word) for word in rest if word.startswith("--") and word not in flags]
    assert not unknown


def test_every_data_set_of_the_engine_can_be_named_and_lacks_the_keys_of_the_others(datasets):
    assert len(datasets) >= 13
    assert {flag for dataset in datasets.values() for flag in dataset["options"]} == {*SCENE_FLAGS.values()}
    for name, dataset in datasets.items():
        raw = scenes_of(dataset)
        check_scenes(ScenesSection(**raw), datasets)
        for key in VALUES.keys() - raw.keys():
            with pytest.raises(QALoopError, match=rf"scenes\.{key}: data set '{name}' has no such key"):
                check_scenes(ScenesSection(**raw, **{key: VALUES[key]}), datasets)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dataset": "scanet"}, "Did you mean 'scannet'?"),
        ({"dataset": "scannet", "options": {"set": ["lables=raw"]}}, "Did you mean 'labels'?"),
        ({"dataset": "scannet", "options": {"set": "labels=rwa"}}, "Did you mean 'raw'?"),
        ({"dataset": "rooms", "annotations": "a"}, "It has: scenes, frames, size, first_scene."),
    ],
)
def test_what_the_engine_does_not_have_is_named(datasets, values, message):
    with pytest.raises(QALoopError) as error:
        check_scenes(ScenesSection(**values), datasets)
    assert message in str(error.value)


def test_nothing_is_started_for_an_unknown_data_set(fakes):
    fakes.change('dataset = "rooms"', 'dataset = "room"')
    process = fakes.run("run", fakes.config, "--out", fakes.folder / "out")
    assert process.returncode == 2
    assert "Did you mean 'rooms'?" in process.stderr
    assert not (fakes.folder / "out").exists()


def test_evaluator_gets_the_folder_of_a_shipped_model():
    shipped_models.cache_clear()
    for line, served in (
        (("qa-eval", "run", "q", "--model", "tiny"), False),
        (("qa-engine", "propose", "s", "--local-model", "tiny"), False),
        (("qa-engine", "propose", "s", "--model", "tiny"), True),
    ):
        assert (Path(with_folder(line, served=served)[-1]) / "config.json").is_file()
    for line in (
        ("qa-eval", "run", "--model", "Qwen/Q"),
        ("qa-trainer", "sft", "--model", "tiny"),
        ("qa-eval", "run"),
        ("qa-engine", "propose", "s", "--model", "tiny"),  # a name on a server
    ):
        assert with_folder(line) == list(line)
