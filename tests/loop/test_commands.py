"""The plan's command lines against the packages' real ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

from qa_loop.config import Dataset, parse_config
from qa_loop.stages import plan


def test_every_flag_of_the_plan_is_known_to_its_command(cli_commands, tmp_path):
    ways = (
        {"dataset": "rooms", "scenes": 3, "frames": 2, "size": 32, "first_scene": 5, "split": "train=0.5,test=0.5"},
        {"dataset": "arkitscenes", "root": "r", "annotations": "a", "frames_dir": "f", "only": ["x", "y"]},
        {"dataset": "vsi-bench", "root": "r"},
    )
    assert {way["dataset"] for way in ways} == set(get_args(Dataset))
    unknown = []
    for scenes in ways:
        raw = {
            "run": {"name": "x", "profile": "paper"},
            "scenes": scenes,
            "generate": {"tasks": ["object_counting"]},
            "train": {"model": "tiny"},
            "eval": {"count": 2, "runners": ["blind", "majority", "oracle"], "blind_every_round": True},
        }
        for stage in plan(parse_config(raw, source="x")):
            program, command, *rest = stage.command
            flags = cli_commands[program][command]
            unknown += [(stage.name, word) for word in rest if word.startswith("--") and word not in flags]
    assert not unknown


def test_datasets_of_the_configuration_are_those_of_the_engine():
    program = Path(sys.executable).with_name("qa-engine")
    result = subprocess.run([program, "datasets", "--json"], capture_output=True, text=True, check=True)
    assert {row["name"] for row in json.loads(result.stdout)} >= set(get_args(Dataset))
