"""The Python of the evaluator's pages runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from qa_eval.benchmarks import BENCHMARKS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["add_a_benchmark.md"])
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known = dict(BENCHMARKS)
    examples = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    assert examples
    try:
        exec(compile("\n".join(examples), page, "exec"), {"__name__": "page"})
    finally:
        BENCHMARKS.clear()
        BENCHMARKS.update(known)
