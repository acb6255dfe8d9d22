"""The report in a real browser."""

import pytest
from qa_eval.report import write_report
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.run import run

ROWS = "[...document.querySelectorAll('#scores-table tbody tr')]"
SHOWN = "[...document.querySelectorAll('.card')].filter(card => card.checkVisibility()).length"


@pytest.fixture
def page(questions, store, tmp_path):
    """A report of two baselines, one of them always right."""
    for name in ("oracle", "majority"):
        run(questions, store, tmp_path / name, RunOptions(name))
    write_report([tmp_path / "majority", tmp_path / "oracle"], tmp_path / "report")
    return tmp_path / "report/report.html"


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_loads_sorts_and_filters_without_an_error(open_page, page, width, dark):
    opened = open_page(page, width=width, dark=dark)
    opened.check()
    opened.click("#scores-table th:nth-child(4) button")
    scores = opened.js(f"{ROWS}.map(row => Number(row.cells[3].dataset.v))")
    assert scores == sorted(scores, reverse=True)
    before = opened.js(SHOWN)
    opened.js(
        "(() => { const choice = document.querySelector('select[name=answer]'); choice.value = '=right';"
        "choice.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert 0 < opened.js(SHOWN) < before
    opened.check()
