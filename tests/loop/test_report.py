"""The page of a run: what is on it, that nothing of the data becomes markup, links, a browser."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest
from qa_contract.errors import TableError
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CONFIDENCE, QUESTIONS

from qa_loop.config import load_config
from qa_loop.errors import QALoopError, StageError
from qa_loop.report import write_report
from qa_loop.report.others import other_pages
from qa_loop.report.page import IN_SAMPLE
from qa_loop.report.run import Run
from qa_loop.report.tables import RunTables
from qa_loop.report.truth import suspects_found
from qa_loop.results import finished
from qa_loop.run import run_loop


class Page(HTMLParser):
    """Collects tags and text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)

    def having(self, tag: str, css: str) -> list[dict[str, str | None]]:
        return [a for name, a in self.tags if name == tag and css in (a.get("class") or "").split()]

    @property
    def said(self) -> str:
        return " ".join("".join(self.text).split())


@pytest.fixture(scope="module")
def reported(finished_run, tmp_path_factory) -> Path:
    """A copy of the finished run with its page, without those of the other packages."""
    folder = Path(shutil.copytree(finished_run, tmp_path_factory.mktemp("report") / "run"))
    write_report(folder, others=False)
    return folder


@pytest.fixture(scope="module")
def page(reported) -> Page:
    return Page((reported / "report.html").read_text())


@pytest.fixture
def opened(reported):
    found = RunTables(reported)
    yield found
    found.close()


def test_text_of_the_data_is_no_markup(page):
    scripts = [a for tag, a in page.tags if tag == "script"]
    assert len(scripts) == 2, "those of the kit"
    assert "<script>alert('scene')</script>" in page.said, "the name itself is shown"
    assert "fake & small" in page.said
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_page_needs_nothing_from_outside(page):
    addresses = [a.get("src") or a.get("href") or "" for _, a in page.tags]
    assert all(address.startswith(("data:", "#")) for address in addresses if address)


def test_page_holds_every_section(page):
    for heading in ("Scores", "Confidence", "Questions", "wins and losses", "Training questions by label", "Run"):
        assert heading in page.said
    assert "After round 2 the model scores" in page.said
    assert "round_02-train" in page.said
    assert "qa-trainer sft round_02/questions" in page.said
    assert len(page.having("svg", "chart")) == 4 + 2 + 1 + 3, (
        "overall and three types, two histograms, shares, weights per type"
    )


def test_scores_on_the_page_are_those_of_the_summaries(page, reported):
    table = Run.load(reported).comparison
    assert table is not None
    row = next(row for row in table.rows if row.name == "object_counting")
    summary = json.loads((reported / "round_02/eval/summary.json").read_text())["types"]["object_counting"]
    assert row.model is not None
    assert row.model.mean == summary["mean"]
    assert f"{100 * row.model.mean:.1f}" in page.text
    assert row.clear == (row.model.above(row.blind) and row.model.above(row.majority))


def test_cards_show_wins_losses_frames_and_plans(page, opened):
    answered, trained = opened.evaluated(last=2, blind=2), opened.trained()
    assert {row["won"] for row in answered} == {True, False}
    assert {row["label"] for row in trained} == {"easy", "frontier", "hard"}
    assert {row["top1"] for row in trained} == {True}, "the token that does not count is not asked"
    assert len(page.having("article", "card")) == len(answered) + len(trained)
    images = [a for tag, a in page.tags if tag == "img"]
    assert images
    assert all((a["src"] or "").startswith("data:image/png;base64,") for a in images)
    assert len(page.having("svg", "plan")) == len(answered) + len(trained)


def test_cards_are_the_gains_first_and_then_the_surest_mistakes(reported, opened):
    scores = pl.read_parquet(reported / "round_02/eval/scores.parquet")
    wins = scores.filter(pl.col("score") >= 0.5)
    for kind, rows in wins.group_by("question_type"):
        expected = sorted(rows["question_id"])[:2]  # all gained as much
        found = [row for row in opened.evaluated(last=2, blind=2) if row["question_type"] == kind[0] and row["won"]]
        assert [row["question_id"] for row in found] == expected


def test_image_outside_the_store_is_not_embedded(reported, tmp_path):
    run = Path(shutil.copytree(reported, tmp_path / "run"))
    shutil.copy(run / "store/images/0_0.png", tmp_path / "private.png")
    path = run / "store/frames.parquet"
    metadata = {k: v for k, v in pl.read_parquet_metadata(path).items() if k != "ARROW:schema"}
    frames = pl.read_parquet(path).with_columns(image_path=pl.lit("../../private.png"))
    frames.write_parquet(path, metadata=metadata)
    html = write_report(run, others=False).read_text()
    assert "base64," not in html.split("<body>")[1]
    assert "no image" in html


def test_pages_of_the_other_packages_are_made_and_linked(fakes, finished_run):
    out = fakes.adopt(finished_run)
    scores, confidence = other_pages(finished(out))
    assert scores.command[2:7] == (
        "round_02/eval", "round_00/eval", "round_02/blind", "round_00/blind", "round_00/majority"
    )  # fmt: skip
    assert "round_01/eval_confidence" in confidence.command
    page = Page(write_report(out).read_text())
    links = [a["href"] for tag, a in page.tags if tag == "a" and (a["href"] or "").startswith("pages/")]
    assert links == ["pages/scores/report.html", "pages/confidence/report.html"]
    assert all((out / link).is_file() for link in links)


def test_page_of_another_package_that_fails_is_named_and_nothing_else_is_lost(fakes, finished_run):
    out = fakes.adopt(finished_run)
    fakes.fault("pages_scores", "exit 2")
    page = Page(write_report(out).read_text())
    assert "Scores in full is missing: fault: exit 2" in page.said
    assert "After round 2 the model scores" in page.said
    assert "pages/confidence/report.html" in [a.get("href") for _, a in page.tags]


def test_unfinished_run_has_a_report(fakes):
    fakes.fault("eval_questions", "exit 2")
    with pytest.raises(StageError):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert "Nothing has been evaluated yet." in write_report(fakes.folder / "out").read_text()
    with pytest.raises(QALoopError, match="profile 'paper', which finds no suspects to compare"):
        write_report(fakes.folder / "out", truth=fakes.folder / "truth")


def test_what_an_unfinished_stage_wrote_is_left_out(fakes, finished_run):
    out = fakes.adopt(finished_run)
    path = out / "manifest.json"
    value = json.loads(path.read_text())
    for record in value["stages"]:
        if record["name"] == "round_02-confidence":
            record["state"] = "failed"
    path.write_text(json.dumps(value))
    tables = RunTables(out)
    assert list(tables.confidence_bins()) == [1]
    tables.close()


def test_damaged_table_is_named_and_the_page_stays(reported, tmp_path):
    run = Path(shutil.copytree(reported, tmp_path / "run"))
    (run / "round_02/eval/scores.parquet").write_bytes(b"PAR1 and no more")
    before = (run / "report.html").read_bytes()
    with pytest.raises(TableError, match=r"round_02/eval/scores\.parquet"):
        write_report(run, others=False)
    assert (run / "report.html").read_bytes() == before


def test_in_sample_is_said_at_the_top(fakes, reported):
    fakes.change("per_scene = 3", "per_scene = 3\nin_sample = true\nrunners = []")
    fakes.change("rounds = 2", "rounds = 1")
    run_loop(load_config(fakes.config), fakes.folder / "out")
    text = write_report(fakes.folder / "out").read_text()
    assert text.index(IN_SAMPLE) < text.index("<h2")
    assert IN_SAMPLE not in (reported / "report.html").read_text()


def test_confidence_bins_and_labels_count_every_row(opened):
    bins = opened.confidence_bins()
    assert {number: counts.sum() for number, counts in bins.items()} == {1: 9, 2: 9}
    assert [int(i) for i in bins[1].nonzero()[0]] == [1, 10, 19], "0.05, 0.5 and 0.95"
    assert opened.label_counts()[1] == {"hard": 3, "frontier": 3, "easy": 3, "suspect": 0}


def test_question_counts_are_per_round_and_group(opened):
    by_type = dict(opened.question_counts(["question_type"]))
    assert by_type[("object_counting",)] == {1: 3, 2: 3}
    assert len(opened.question_counts(["question_type", "cell"])) == 3


@pytest.mark.parametrize(("width", "dark"), [(1400, False), (390, True)])
def test_page_opens_filters_and_tells_numbers(reported, open_page, width, dark):
    page = open_page(reported / "report.html", width=width, dark=dark)
    page.click("#scores thead th:nth-child(3) button")
    assert page.js("document.querySelector('#scores thead th:nth-child(3)').ariaSort") == "descending"
    everything = page.js("document.querySelectorAll('#answers article.card:not([hidden])').length")
    page.js(
        "(() => { const s = document.querySelector('#answers select[name=outcome]'); s.value = '=loss';"
        "s.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    shown = page.js("document.querySelectorAll('#answers article.card:not([hidden])').length")
    assert 0 < shown < everything
    bar = "[...document.querySelectorAll('#confidence svg polygon')].find(r => r.textContent.startsWith('0.5 to 0.55'))"
    page.js(f"{bar}.id = 'bar'")
    page.hover("#bar")
    assert page.js("document.getElementById('tip').textContent") == "0.5 to 0.55: 3"
    page.place("#trained button.enlarge")  # cards take their height when they come into view
    page.click("#trained button.enlarge")
    assert page.js("document.getElementById('large').open")
    page.press("Escape")
    page.check()


def test_links_lead_to_the_pages(fakes, finished_run, open_page):
    out = fakes.adopt(finished_run)
    write_report(out)
    page = open_page(out / "report.html")
    page.follow("#result ul.tiles a")
    assert page.js("document.title") == "qa-eval"
    page.check()


def test_suspects_are_compared_with_true_answers(fakes, tables):
    """The first question of the round is suspect and wrong; one more is wrong and not suspect."""
    here = fakes.folder / "run/round_01"
    for name, source in (("run/panel", "questions_1"), ("run/round_01/drawn", "questions_1"), ("truth", "questions_1")):
        (fakes.folder / name).mkdir(parents=True)
        shutil.copy(tables / f"{source}.parquet", fakes.folder / name / "questions.parquet")
    asked = read_table(here / "drawn", "questions", QUESTIONS)
    first, second = asked.filter(answer_type="number")["question_id"].head(2)
    label = pl.when(pl.col("question_id") == first).then(pl.lit("suspect")).otherwise(pl.lit("easy"))
    rows = with_every_column(asked.select("question_id", "scene_name", "question_type"), CONFIDENCE)
    rows = rows.with_columns(label=label, round=pl.lit(1, pl.Int32), phase=pl.lit("eval"), model_id=pl.lit("m"))
    write_table(rows, here / "signal/confidence.parquet", CONFIDENCE, table_metadata("confidence", "test", {}, 0))
    wrong = pl.col("question_id").is_in([first, second])
    true = asked.with_columns(ground_truth=pl.when(wrong).then(pl.lit("9")).otherwise("ground_truth"))
    path = fakes.folder / "truth/questions.parquet"
    write_table(true, path, QUESTIONS, table_metadata("questions", "test", {}, 0))
    # The made questions share a signature per scene and type, with one ground truth each.
    found = suspects_found(fakes.folder / "run", 1, path)
    assert (found.suspects, found.hits, found.precision) == (1, 1, 1.0)
    assert found.recall == found.hits / found.wrong
    assert suspects_found(fakes.folder / "run", 2, path) is None
