"""The report: what is on the page, that nothing of the data becomes markup, and that it needs no network."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import polars as pl
import pytest

from qa_loop.report import write_report
from qa_loop.report.charts import Point, Series, histogram, line_chart, stacked_bars
from qa_loop.report.data import confidence_bins, label_counts, load_run, question_counts
from qa_loop.report.gallery import evaluated_cards, render_cards, training_cards
from qa_loop.report.page import IN_SAMPLE
from qa_loop.report.plan import Box, footprint, top_down

VOID = {"meta", "img", "br", "circle", "line", "path", "polygon", "polyline", "rect"}


class Page(HTMLParser):
    """Collects tags and text, and checks that they nest."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(finished_run, tmp_path_factory) -> Page:
    return Page(write_report(finished_run).read_text())


def test_text_of_the_data_is_no_markup(page):
    assert not [tag for tag, _ in page.tags if tag == "script"]
    said = "".join(page.text)
    assert "<script>alert('scene')</script>" in said, "the name itself is shown"
    assert "fake & small" in said
    values = [value for _, attributes in page.tags for value in attributes.values() if value]
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert any("<script>" in value for value in values), "names in attributes stay text too"


def test_page_needs_nothing_from_outside(page, finished_run):
    text = (finished_run / "report.html").read_text()
    addresses = [a.get("src") or a.get("href") or "" for _, a in page.tags]
    assert all(address.startswith(("data:", "#")) for address in addresses if address)
    assert "@import" not in text
    assert "url(" not in text
    assert "http" not in re.sub(r"data:[^\"]*", "", text)


def test_page_holds_every_section(page):
    said = " ".join("".join(page.text).split())
    for heading in ("Scores", "Confidence", "Questions", "wins and losses", "Training questions by label", "Run"):
        assert heading in said
    assert "After round 2 the model scores" in said
    assert "round_02-train" in said
    assert "qa-trainer sft round_02/questions" in said
    tags = dict(page.tags)
    assert tags["meta"] == {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    charts = [a for tag, a in page.tags if tag == "svg" and a.get("class") == "chart"]
    assert len(charts) == 4 + 2 + 1, "overall and three types, two histograms, one bar chart"
    assert all(a["role"] == "img" and a["aria-label"] for a in charts)


def test_scores_on_the_page_are_those_of_the_summaries(page, finished_run):
    run = load_run(finished_run)
    assert run.comparison is not None
    row = next(row for row in run.comparison.rows if row.name == "object_counting")
    assert row.model is not None
    assert f"{100 * row.model.mean:.1f}" in page.text
    assert row.clear == (row.model.above(row.blind) and row.model.above(row.majority))


def test_gallery_shows_wins_losses_frames_and_plans(page, finished_run):
    run = load_run(finished_run)
    cards = evaluated_cards(run)
    assert {card.mark for card in cards} == {"win", "loss"}
    assert {card.mark for card in training_cards(run)} == {"easy", "frontier", "hard"}
    images = [a for tag, a in page.tags if tag == "img"]
    assert images
    assert all((a["src"] or "").startswith("data:image/png;base64,") for a in images)
    plans = [a for tag, a in page.tags if tag == "svg" and a.get("class") == "plan"]
    assert len(plans) == len(cards) + len(training_cards(run))
    assert any("operand" in (a.get("class") or "") for tag, a in page.tags if tag == "polygon")


def test_image_outside_the_store_is_not_embedded(finished_run, tmp_path):
    import shutil

    run = shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "private.png").write_bytes(b"secret")
    frames = pl.read_parquet(run / "store/frames.parquet")
    frames = frames.with_columns(image_path=pl.lit("../../private.png"))
    frames.write_parquet(run / "store/frames.parquet")
    html = render_cards(evaluated_cards(load_run(run)), run)
    assert "base64" not in html
    assert "no image" in html


def test_unfinished_run_has_a_report(fakes):
    from qa_loop.config import load_config
    from qa_loop.errors import StageError
    from qa_loop.run import run_loop

    fakes.fault("eval_questions", "exit 2")
    with pytest.raises(StageError):
        run_loop(load_config(fakes.config), fakes.folder / "out")
    assert "Nothing has been evaluated yet." in write_report(fakes.folder / "out").read_text()


def test_in_sample_is_said_at_the_top(fakes, finished_run):
    from qa_loop.config import load_config
    from qa_loop.run import run_loop

    fakes.change("per_scene = 3", "per_scene = 3\nin_sample = true\nrunners = []")
    fakes.change("rounds = 2", "rounds = 1")
    run_loop(load_config(fakes.config), fakes.folder / "out")
    text = write_report(fakes.folder / "out").read_text()
    body = text[text.index("<body>") :]
    assert body.index(IN_SAMPLE) < body.index("<h1>")
    assert IN_SAMPLE not in write_report(finished_run).read_text()


def test_confidence_bins_count_every_row_and_put_one_in_the_last_bin():
    rows = pl.DataFrame({"round": [1, 1, 1, 2], "gold_confidence": [0.0, 0.1, 1.0, 0.9], "label": ["hard"] * 4})
    bins = confidence_bins(rows)
    assert bins[1].sum() == 3
    assert (bins[1][0], bins[1][2], bins[1][-1]) == (1, 1, 1)
    assert bins[2][18] == 1
    assert label_counts(rows)[1] == {"hard": 3, "frontier": 0, "easy": 0, "suspect": 0}


def test_question_counts_keep_a_missing_cell():
    rows = pl.DataFrame({"question_type": ["a", "a", "b"], "cell": ["x", None, None], "round": [1, 2, 2]})
    assert question_counts(rows, ["question_type", "cell"]) == [
        (("a", "-"), {2: 1}),
        (("a", "x"), {1: 1}),
        (("b", "-"), {2: 1}),
    ]


def test_charts_place_values_on_their_scale():
    low = line_chart([Series("m", "model", [Point(0, 0.0), Point(1, 1.0)])], rounds=[0, 1], name="n")
    places = [float(y) for y in re.findall(r'cy="([\d.]+)"', low)]
    assert places == [154.0, 10.0]
    bars = histogram(np.array([4, 0, 2, 0]), cuts=(0.25, 0.75), name="n")
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"><title>', bars)]
    assert heights == [144.0, 0.0, 72.0, 0.0]
    assert bars.count("bar hard") == bars.count("bar easy") == 1
    shares = stacked_bars({"r": {"hard": 1, "easy": 3}}, styles=("hard", "easy"), name="n")
    assert "25%" in shares
    assert "75%" in shares


def test_footprint_of_a_turned_and_of_a_tilted_box():
    turn = np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1]])
    outline = footprint(Box(0, "x", [0, 0, 0], [2, 1, 1], turn.ravel().tolist()))
    assert len(outline) == 4
    edges = np.linalg.norm(outline - np.roll(outline, 1, axis=0), axis=1)
    assert sorted(edges.round(9).tolist()) == [1, 1, 2, 2]
    tilt = np.array([[1, 0, 0], [0, 0.6, 0.8], [0, -0.8, 0.6]])
    outline = footprint(Box(0, "x", [0, 0, 0], [1, 1, 1], tilt.ravel().tolist()))
    assert np.ptp(outline[:, 1]) == pytest.approx(1.4)


def test_plan_survives_degenerate_scenes():
    assert top_down([], roles={}, floor=None, cameras=[], name="n") == ""
    point = Box(0, "x", [1, 1, 1], [0, 0, 0], np.eye(3).ravel().tolist())
    assert "<svg" in top_down([point], roles={0: 0}, floor=None, cameras=[np.eye(4)], name="n")
