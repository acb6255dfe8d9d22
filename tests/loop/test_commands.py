"""The plan's command lines against the packages' real ones."""

from __future__ import annotations

from qa_loop.config import parse_config
from qa_loop.stages import plan


def test_every_flag_of_the_plan_is_known_to_its_command(cli_commands, tmp_path):
    ways = (
        {"dataset": "rooms", "scenes": 3, "frames": 2, "size": 32, "first_scene": 5, "split": "train=0.5,test=0.5"},
        {"dataset": "arkitscenes", "root": "r", "annotations": "a", "frames_dir": "f", "only": ["x", "y"]},
        {"dataset": "vsi-bench", "root": "r"},
        {"dataset": "generic", "root": "r", "options": {"set": ["units=mm"]}},
    )
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
