import re
from pathlib import Path

import pytest
from qa_engine.programs import OPERATORS, ProgramCode
from qa_engine.programs.language import DEFAULT_BUDGET

PAGE = Path(__file__).parents[5] / "docs" / "programs.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="the package is alone, without the workspace's docs")


def test_the_page_lists_every_operator_code_and_limit():
    text = PAGE.read_text()
    calls = re.findall(r"^\| `(\w+\([^`]*\))` \|", text, re.M)
    assert calls == [operator.signature(name).split(" -> ")[0] for name, operator in OPERATORS.items()]
    assert not [code for code in ProgramCode if f"`{code}`" not in text]
    for limit in ("characters", "steps", "nodes"):
        assert f"{getattr(DEFAULT_BUDGET, limit):,}" in text
