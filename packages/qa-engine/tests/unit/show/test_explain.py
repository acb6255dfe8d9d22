"""Explained questions, as pages and as pictures."""

import json
from html import unescape

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.facts.scene import Facts
from qa_engine.scenes.store import Store
from qa_engine.show.explain_picture import MARGIN, WIDTH, explain_picture, wrap
from qa_engine.show.explanation import explanation_of

SHOWN = "!document.getElementById('tip').hidden && document.getElementById('tip').textContent"
BED_TO_TV = (
    "Measuring from the closest point of each object, what is the distance between the bed and the tv (in meters)?"
)


@pytest.fixture
def questions(store, tmp_path, call):
    """One question of each type that a room without frames has."""
    assert call("generate", store, "--out", tmp_path / "q") == 0
    found = {}
    for row in pl.read_parquet(tmp_path / "q/questions.parquet").iter_rows(named=True):
        found.setdefault(row["question_type"], row)
    assert len(found) == 8
    return found


def explain(call, store, source, question_id, out):
    assert call("explain", store, source, "--id", question_id, "--out", out) == 0
    return out


def test_every_type_is_explained(store, questions, tmp_path, call):
    for kind, row in questions.items():
        picture, page = (
            explain(call, store, tmp_path / "q", row["question_id"], tmp_path / f"{kind}{end}")
            for end in (".png", ".html")
        )
        image = Image.open(picture)
        assert image.width == 2 * WIDTH
        assert np.asarray(image).std() > 5  # not blank
        text = page.read_text()
        assert "chair <&>" not in text
        for part in (kind, row["question"].splitlines()[0], row["program"], *(row["options"] or ())):
            assert part in unescape(text).replace("\xad", "")
        assert "https:" not in text
        assert "http:" not in text


def test_what_cannot_be_explained_is_refused(store, questions, tmp_path, call, capsys):
    source = tmp_path / "q"
    assert call("explain", store, source, "--id", "nothing", "--out", tmp_path / "x.png") == 2
    assert "has no question 'nothing'" in capsys.readouterr().err
    assert call("explain", store, source, "--id", "nothing", "--out", tmp_path / "x.gif") == 2
    assert ".html or .png" in capsys.readouterr().err
    assert not list(tmp_path.glob("x.*"))


def test_questions_of_others_are_answered_first(store, tmp_path, call, capsys):
    row = {"id": 5, "scene_name": "s", "question_type": "object_abs_distance", "question": BED_TO_TV, "options": None}
    source, out = tmp_path / "q.jsonl", tmp_path / "x.html"
    source.write_text(json.dumps(row | {"ground_truth": "9.9"}))
    explain(call, store, source, "5", out)
    page = out.read_text()
    assert "2.750 m" in page
    assert "<dt>the file says</dt><dd>9.9</dd>" in page
    assert call("explain", store, source, "--id", "5", "--out", out) == 2  # exists
    source.write_text(json.dumps(row | {"question": "How far?"}))
    assert call("explain", store, source, "--id", "5", "--out", tmp_path / "y.html") == 2
    assert "not_parsed" in capsys.readouterr().err


def test_the_answer_its_interval_and_its_margin_are_told(store):
    row = {
        "question_id": "q1",
        "question_type": "object_rel_direction_easy",
        "scene_name": "s",
        "question": "Which side?\nA hint.",
        "options": ["A. left", "B. right"],
        "ground_truth": "B",
        "answer_value": 2.0,
        "answer_low": 1.5,
        "answer_high": 2.25,
        "unit": "objects",
        "margin": 12.3456,
        "margin_unit": "deg",
        "program": "direction_side(4, 2, 5)",
        "evidence": "points",
    }
    told = explanation_of(row, Facts(Store(store).load_scene("s")))
    assert told.answer == "B. right"
    assert told.is_answer == (False, True)
    facts = dict(told.facts)
    assert facts["value"] == "2 objects, within noise 1.5 to 2.25"
    assert facts["margin"] == "12.346 deg to the next answer"
    assert "the lines join boxes" in facts["evidence"]
    assert [one.label for one in told.operands] == ["standing: tv", "facing: sofa", "target: lamp"]


def test_labels_of_a_picture_cover_neither_each_other_nor_its_edge(store, questions):
    facts = Facts(Store(store).load_scene("s"))
    for row in questions.values():
        picture = explain_picture(explanation_of(row, facts))
        boxes = []
        for shape in picture.shapes:
            if shape.kind != "text":
                continue
            x, y = shape.points[0]
            # A letter is at least 0.4 of its size wide, and stands 0.7 of it above the base line.
            wide = 0.4 * shape.size * len(shape.text)
            left = x - {"start": 0, "middle": wide / 2, "end": wide}[shape.align]
            boxes.append((left, y - 0.7 * shape.size, left + wide, y, shape.text))
        for i, (left, top, right, bottom, text) in enumerate(boxes):
            assert left >= MARGIN / 2
            assert right <= WIDTH
            assert bottom <= picture.height
            for other in boxes[:i]:
                apart = left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]
                assert apart, (text, other[4])


def test_long_words_are_cut_and_texts_wrap():
    assert wrap("", 12, 50) == [""]
    assert wrap("a" * 100, 12, 60)[0].endswith("…")
    lines = wrap("one two three four five", 12, 70)
    assert " ".join(lines) == "one two three four five"
    assert len(lines) > 1


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_pages_fit_the_window(open_page, store, questions, tmp_path, call, width, dark):
    for kind in ("object_rel_direction_hard", "object_rel_distance"):
        out = explain(call, store, tmp_path / "q", questions[kind]["question_id"], tmp_path / f"{kind}.html")
        open_page(out, width=width, dark=dark).check()


def test_operands_light_up_by_pointer_and_keys(open_page, store, questions, tmp_path, call):
    row = questions["object_abs_distance"]
    page = open_page(explain(call, store, tmp_path / "q", row["question_id"], tmp_path / "x.html"))
    page.hover("tbody tr")
    number = page.js("document.querySelector('tbody tr').dataset.ids")
    lit = "[...document.querySelectorAll('svg.plan.dim .object.on')].map(o => o.dataset.id)"
    assert page.js(lit) == [number, number]  # from above and from the side
    page.js("document.querySelector('svg.plan .mark').focus({focusVisible: true})")
    page.press("ArrowRight")
    assert " m" in page.js(SHOWN)
    page.check()
