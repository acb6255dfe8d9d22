import json
import sys

import numpy as np
import polars as pl
import pytest
from PIL import Image
from qa_engine.cli import main
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.facts.scene import Facts
from qa_engine.geometry import box_distance
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.show.drawing import line, polygon, text, to_svg, write_png
from qa_engine.show.marks import closest_points, marks_of
from qa_engine.views.evidence import Evidence


@pytest.fixture
def store(write_vsi, make_box, tmp_path):
    boxes = {
        "chair": [make_box((0, 0, 0.45), (0.5, 0.5, 0.9)), make_box((3, 0, 0.45), (0.5, 0.5, 0.9))],
        "sofa <&>": [make_box((0.4, 3.5, 0.5), (1.8, 0.8, 0.8))],
        "bed": [make_box((-2.5, 1, 0.25), (1.9, 1.4, 0.5))],
        "tv": [make_box((-1.5, -2.5, 0.3), (1, 0.1, 0.6))],
        "lamp": [make_box((2.2, -1.5, 1), (0.3, 0.3, 1.6))],
    }
    scene = {
        "dataset": "scannet",
        "room_size": 30.0,
        "object_counts": {name: len(rows) for name, rows in boxes.items()},
        "object_bbox": boxes,
    }
    ingest(get_dataset("vsi-bench"), write_vsi({"s": scene}), out=tmp_path / "store", options=IngestOptions(seed=0))
    return tmp_path / "store"


def call(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["qa-engine", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


def test_every_type_is_drawn(store, tmp_path, monkeypatch, capfd):
    questions = tmp_path / "q"
    assert call(monkeypatch, "generate", store, "--out", questions) == 0
    table = pl.read_parquet(questions / "questions.parquet")
    seen = {}
    for row in table.iter_rows(named=True):
        seen.setdefault(row["question_type"], row)
    assert len(seen) == 8
    for kind, row in seen.items():
        for suffix in (".png", ".html"):
            out = tmp_path / f"{kind}{suffix}"
            assert call(monkeypatch, "explain", store, questions, "--id", row["question_id"], "--out", out) == 0
        assert np.asarray(Image.open(tmp_path / f"{kind}.png")).std() > 5  # not blank
        page = (tmp_path / f"{kind}.html").read_text()
        assert kind in page
        assert "sofa <&>" not in page
        assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert call(monkeypatch, "explain", store, questions, "--id", "nothing", "--out", tmp_path / "x.png") == 2
    assert "has no question 'nothing'" in capfd.readouterr().err
    assert call(monkeypatch, "explain", store, questions, "--id", "nothing", "--out", tmp_path / "x.gif") == 2


def test_questions_of_others_are_answered_first(store, tmp_path, monkeypatch, capfd):
    question = (
        "Measuring from the closest point of each object, what is the distance between the bed and the tv (in meters)?"
    )
    row = {"id": 5, "scene_name": "s", "question_type": "object_abs_distance", "question": question, "options": None}
    source, out = tmp_path / "q.jsonl", tmp_path / "x.html"
    source.write_text(json.dumps(row | {"ground_truth": "9.9"}))
    assert call(monkeypatch, "explain", store, source, "--id", "5", "--out", out) == 0
    page = out.read_text()
    # The bed begins at y = 0.3, the tv ends at y = -2.45; both span x = -2.
    assert "2.750 m" in page
    assert "the file says 9.9" in page
    assert call(monkeypatch, "explain", store, source, "--id", "5", "--out", out) == 2  # exists
    source.write_text(json.dumps(row | {"question": "How far?"}))
    assert call(monkeypatch, "explain", store, source, "--id", "5", "--out", tmp_path / "y.html") == 2
    assert "not_parsed" in capfd.readouterr().err


def test_closest_points_have_the_distance_of_the_boxes(store):
    facts = Facts(Store(store).load_scene("s"))
    scene = facts.scene
    for a in range(len(scene)):
        for b in range(a + 1, len(scene)):
            p, q = closest_points(facts, a, b)
            pair = [x[[row]] for row in (a, b) for x in (scene.center, scene.size, scene.rotation)]
            assert np.linalg.norm(p - q) == pytest.approx(float(box_distance(*pair)[0]), abs=1e-9)


def test_programs_of_others_have_their_instances_marked(store):
    facts = Facts(Store(store).load_scene("s"))
    marks = marks_of("volume_m3(3) / volume_m3(4)", facts)
    assert [label for _, label in marks.objects.values()] == ["3: bed", "4: tv"]


def test_counts_in_frames_and_routes_are_marked(store):
    scene = Store(store).load_scene("s")
    chairs = np.flatnonzero(scene.category == "chair")
    best = np.full(len(scene), -1)
    best[chairs[0]] = 0
    facts = Facts(scene, evidence=lambda *_: Evidence(("f",), best, best))
    marks = marks_of('count_seen("chair", "uniform-1")', facts)
    assert list(marks.objects) == [chairs[0]]
    assert marks.notes == [f"1 of {len(chairs)} are recognised in the frames of 'uniform-1'"]
    marks = marks_of("route_turns(3, 4, [4, 2])", facts)
    assert [label.split(":")[0] for _, label in marks.objects.values()] == ["begin", "facing, stop", "goal"]
    assert "none before the first" in marks.notes[0]
    assert "none before" not in marks_of("route_turns(3, 4, [2, 4])", facts).notes[0]


def test_shapes_in_both_formats(tmp_path):
    shapes = [polygon([(1, 1), (9, 1), (9, 9)], fill="#ff000080", stroke="#000000"), line([(0, 0), (5, 5)], "#00ff00")]
    svg = to_svg([*shapes, text((2, 2), "a & b")], 10, 10)
    assert 'fill="#ff0000" fill-opacity="0.50"' in svg
    assert "a &amp; b" in svg
    write_png([polygon([(0, 0), (20, 0), (20, 20), (0, 20)], fill="#ff0000")], 20, 20, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").getpixel((10, 10)) == (255, 0, 0)
