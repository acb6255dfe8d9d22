"""Shared by the tests of the whole workspace."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAMS = {
    "qa-loop": "qa_loop",
    "qa-engine": "qa_engine",
    "qa-trainer": "qa_trainer",
    "qa-confidence": "qa_confidence",
    "qa-eval": "qa_eval",
}
_LIST_COMMANDS = """
import importlib, json, sys, typer
found = {}
for name, package in json.loads(sys.argv[1]).items():
    group = typer.main.get_command(importlib.import_module(f"{package}.cli").app)
    found[name] = {
        command: [
            flag
            for parameter in entry.get_params(typer.Context(entry))
            for flag in [*parameter.opts, *parameter.secondary_opts]
        ]
        for command, entry in group.commands.items()
    }
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def cli_commands() -> dict[str, dict[str, list[str]]]:
    """Every command of every package, with its flags; read in a process of its own."""
    result = subprocess.run(
        [sys.executable, "-c", _LIST_COMMANDS, json.dumps(PROGRAMS)], capture_output=True, text=True, check=True
    )
    return json.loads(result.stdout)
