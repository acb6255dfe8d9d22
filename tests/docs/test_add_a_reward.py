"""The reward of `docs/add_a_reward.md` works as the page says."""

from __future__ import annotations

import doctest
import re
import sys
import types
from pathlib import Path

import pytest
from qa_trainer.grpo.train import _COLUMNS, check_rewards
from qa_trainer.rewards import REWARDS
from qa_trainer.settings.grpo import GRPOSettings

PAGE = (Path(__file__).parents[2] / "docs/add_a_reward.md").read_text()


@pytest.fixture
def ratio(monkeypatch):
    """The page's file, as a module, registered by the page's line."""
    source, line = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
    module = types.ModuleType("ratio_of_the_page")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(source, module.__name__, "exec"), module.__dict__)
    monkeypatch.setattr("qa_trainer.rewards.REWARDS", dict(REWARDS))
    monkeypatch.setattr("qa_trainer.grpo.train.REWARDS", dict(REWARDS))
    exec(line, {"REWARDS": sys.modules["qa_trainer.grpo.train"].REWARDS, "ratio": module.ratio})
    return module


def test_its_examples_hold_and_its_name_is_accepted(ratio):
    assert doctest.testmod(ratio) == (0, 1)
    check_rewards(GRPOSettings(rewards=("ratio", "format")).rewards)


def test_it_takes_the_columns_that_the_page_lists(ratio):
    named = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.M) for name in re.findall(r"`(\w+)`", row)}
    assert named == {"completions", "completion_ids", *_COLUMNS}
    columns = {name: [None, None] for name in named} | {
        "completions": ["3", [{"role": "assistant", "content": "A"}]],
        "ground_truth": ["4", "A"],
        "options": [None, ["A. bed", "B. sofa"]],
    }
    assert ratio.ratio(**columns) == [0.75, None]
