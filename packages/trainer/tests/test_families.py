"""Families of models through every command, on small checkpoints with the structure of the real ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
pytestmark = pytest.mark.skipif(
    not (BENCHMARKS / "trainer_families.py").is_file() or importlib.util.find_spec("qa_eval") is None,
    reason="needs the workspace: its benchmarks and the evaluator",
)


@pytest.fixture
def families(monkeypatch, libraries):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("trainer_families")
    yield module
    for name in ("trainer_families", "tiny_families"):
        sys.modules.pop(name)


@pytest.mark.parametrize("name", ["Gemma 3", "Kimi-K2.5"])
def test_two_families_whose_processors_are_unlike_the_others(families, name, tmp_path):
    columns = ("sft", "score", "eval", "plan")
    assert families.try_family(name, tmp_path, columns) == dict.fromkeys(columns, "yes")


@pytest.mark.slow
def test_every_family_goes_through_every_command(families, tmp_path):
    table = {name: families.try_family(name, tmp_path) for name in families.FAMILIES}
    wrong = {(name, column): cell for name, row in table.items() for column, cell in row.items() if cell != "yes"}
    assert not wrong
    assert len(table) == 15
    assert families.as_markdown(table).count("| yes") == 15 * len(families.COLUMNS)
