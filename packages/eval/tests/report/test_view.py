"""The page of every answer, in a real browser."""

import json

import polars as pl
import pytest
from qa_contract.tableio import read_metadata
from qa_eval.benchmarks import find_benchmark
from qa_eval.errors import QAEvalError
from qa_eval.parsers import find_parser
from qa_eval.report.view import write_view
from qa_eval.runs.inputs import RunOptions
from qa_eval.runs.run import run
from qa_eval.scoring.answers import Answers
from qa_eval.scoring.outputs import write_scores
from qa_eval.scoring.score import score_answers

COUNT = "document.querySelector('.browse-filters output').textContent"
SELECTED = "document.querySelector('.row[aria-selected=true] .ask').textContent"
PANE = "document.querySelector('.pane').innerText"
DRAWN = "[...document.querySelectorAll('.row')].filter(row => !row.hidden).length"


def choose(page, name, value):
    page.js(
        f"(() => {{ const form = document.querySelector('.browse-filters'); form.elements.{name}.value = '{value}';"
        "form.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )


@pytest.fixture
def two(questions, store, tmp_path):
    """A page of two baselines, the first right throughout; one question's text carries markup and has a program."""
    path = questions / "questions.parquet"
    meta = read_metadata(path)
    first = pl.col("question_id") == "n0"
    frame = pl.read_parquet(path).with_columns(
        question=pl.when(first).then(pl.lit("<script>document.title = 'ran'</script> How many?")).otherwise("question"),
        program=pl.when(first).then(pl.lit("count(chair)")),
        frame_set_id=pl.col("frame_set_id"),
    )
    frame.write_parquet(path, metadata=meta)
    for name in ("oracle", "majority"):
        run(questions, None, tmp_path / name, RunOptions(name))
    out = tmp_path / "pages/view.html"
    write_view([tmp_path / "oracle", tmp_path / "majority"], ["oracle", "majority"], out, store=store)
    return out


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_opens_filters_and_searches(open_page, two, width, dark):
    page = open_page(two, width=width, dark=dark)
    assert page.js(COUNT) == "11 shown"
    assert page.js("document.title") == "Every answer"
    choose(page, "type", "=object_counting")
    assert page.js(COUNT) == "4 of 11 shown"
    choose(page, "change", "worse")
    assert page.js(COUNT) == "2 of 11 shown"
    choose(page, "change", "better")
    assert page.js(COUNT) == "0 of 11 shown"
    assert "No question" in page.js(PANE)
    choose(page, "change", "")
    choose(page, "type", "")
    choose(page, "search", "WARDROBE")
    assert page.js(COUNT) == "1 of 11 shown"
    assert "wardrobe" in page.js(SELECTED)
    page.check()


def test_a_question_shows_all_that_is_known(open_page, two):
    page = open_page(two)
    text = page.js(PANE)
    for part in ("<script>", "oracle\nright", "count(chair)", "read as", "truth", "--id n0 --out explained.html"):
        assert part.replace("\n", " ") in text.replace("\n", " "), part
    page.js("Promise.all([...document.images].map(i => i.complete || new Promise(d => { i.onload = i.onerror = d; })))")
    assert page.js("[...document.querySelectorAll('.pane img')].map(i => i.naturalWidth)") == [64, 64]
    page.click(".pane button.enlarge")
    assert page.js("document.querySelector('dialog').open")
    page.press("Escape")
    page.check()


def test_the_keyboard_goes_through_the_questions_and_the_address_names_them(open_page, two):
    page = open_page(two)
    first = page.js(SELECTED)
    page.press("j")
    second = page.js(SELECTED)
    assert second != first
    address = page.js("location.href")
    page.press("k")
    assert page.js(SELECTED) == first
    page.press("/")
    page.type("jk")
    assert page.js("document.querySelector('input[name=search]').value") == "jk"
    page.press("Escape")
    assert page.js(COUNT) == "11 shown"
    page.goto("about:blank")
    page.goto(address)
    assert page.js(SELECTED) == second


def test_a_finger_goes_through_the_questions(open_page, two):
    page = open_page(two, width=390)
    first = page.js(SELECTED)
    assert page.js("document.querySelector('.steps button').disabled")
    page.tap(".steps button:last-child")
    assert page.js(SELECTED) != first
    assert page.js("document.querySelector('.steps small').textContent") == "2 of 11"
    page.tap(".steps button:first-child")
    assert page.js(SELECTED) == first
    page.check()


def test_thousands_of_scored_answers_scroll_and_filter_at_once(open_page, tmp_path):
    n = 6000
    kinds, letters = ["object_counting", "route_planning"], ["A", "B", "not a letter"]
    answers = Answers(
        list(range(n)),
        [kinds[i % 2] for i in range(n)],
        ["4" if i % 2 == 0 else "A" for i in range(n)],
        ["5" if i % 2 == 0 else letters[i % 3] for i in range(n)],
    )
    scored = score_answers(answers, find_benchmark("vsi-bench"), find_parser("official"))
    write_scores(tmp_path / "scores.jsonl", scored, is_table=False, benchmark="vsi-bench", parser="official")
    assert write_view([tmp_path / "scores.jsonl"], ["scores"], tmp_path / "view.html") == n
    page = open_page(tmp_path / "view.html")
    assert page.js(DRAWN) < 60  # only what is in sight exists
    choose(page, "answer", "unreadable")
    assert page.js(COUNT) == "1000 of 6000 shown"
    choose(page, "answer", "")
    took = page.js(
        "(async () => { const list = document.querySelector('.list'), start = performance.now();"
        "for (let i = 0; i < 20; i++) { list.scrollTop = i * 15000; await new Promise(requestAnimationFrame); }"
        "return [performance.now() - start, document.querySelectorAll('.row').length]; })()"
    )
    assert took[1] < 60
    page.js("document.querySelector('.list').focus()")
    page.press("End")
    assert page.js("location.hash") == f"#q={n - 1}"
    page.check()


def test_runs_that_share_nothing_and_files_without_scores_are_refused(two, tmp_path):
    for name, ids in (("a", [1]), ("b", [2])):
        row = {"id": ids[0], "question_type": "route_planning", "score": 1.0, "benchmark": "vsi-bench"}
        row |= {"parser": "official", "ground_truth": "A", "prediction": "A"}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(QAEvalError, match="share no question"):
        write_view([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], ["a", "b"], tmp_path / "v.html")
    (tmp_path / "c.jsonl").write_text('{"id": 1, "prediction": "A"}\n')
    with pytest.raises(QAEvalError, match="question_type, score"):
        write_view([tmp_path / "c.jsonl"], ["c"], tmp_path / "v.html")
