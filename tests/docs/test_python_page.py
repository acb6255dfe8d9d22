"""The page on Python runs from top to bottom, as a notebook would; what reads a finished demo is left out."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "python.md"


def test_the_page_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    runnable = [block for block in blocks if "runs/demo" not in block]
    assert len(runnable) == len(blocks) - 1
    exec(compile("\n".join(runnable), "python.md", "exec"), {"__name__": "page"})
    assert (tmp_path / "run" / "predictions.parquet").is_file()
    assert capsys.readouterr().out
