"""The review page: decided by keys in a browser, and what the other commands make of it."""

import http.client
import json
import threading
from urllib.parse import urlsplit

import numpy as np
import polars as pl
import pytest
from qa_contract.errors import FileError
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.review.doubts import Item, find_items
from qa_engine.review.run import prepare_review
from qa_engine.review.server import Decisions
from qa_engine.scenes.reviews import read_reviews
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store

ITEMS = [Item("object", "s", "0", "chair"), Item("question", "s", "q1", "object_counting", row={"signature": "sig"})]


def scan(folder, **boxes):
    """Write an own scan with these boxes: label to centre and size."""
    folder.mkdir(parents=True)
    rows = [{"label": name.rstrip("0123456789"), "center": c, "size": s} for name, (c, s) in boxes.items()]
    (folder / "boxes.json").write_text(json.dumps(rows))


@pytest.fixture
def scans(tmp_path):
    """A room in which a chair stands twice, and its store."""
    scan(
        tmp_path / "scans" / "room",
        chair=([0, 0, 0.5], [0.5, 0.5, 1]),
        chair2=([0.05, 0, 0.5], [0.5, 0.5, 1]),
        tabel=([2, 0, 0.4], [1.6, 0.8, 0.8]),
        bed=([0, 3, 0.25], [2, 1.6, 0.5]),
    )
    ingest(get_dataset("generic"), tmp_path / "scans", out=tmp_path / "store", options=IngestOptions())
    return tmp_path


def serve(ready):
    threading.Thread(target=ready.server.serve_forever, daemon=True).start()
    return ready.server.url


def ask(url, method="GET", body=None, host=None):
    """Status and body of one request."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    headers = {"Host": host or parts.netloc, "Content-Type": "application/json"}
    connection.request(method, parts.path, body=None if body is None else json.dumps(body), headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_doubled_boxes_come_first_and_all_are_shown_on_demand(scans):
    store = Store(scans / "store")
    doubtful = find_items(store, None, None, limit=10, only_doubtful=True)
    assert [(item.title, item.item) for item in doubtful] == [("chair", "0"), ("chair", "1")]
    assert "of the smaller box with another chair" in doubtful[0].doubts[0][1]
    assert len(find_items(store, None, None, limit=10, only_doubtful=False)) == 4


def test_decisions_by_keys_are_stored_and_heeded(scans, open_page):
    ready = prepare_review(Store(scans / "store"), scans / "review", everything=True)
    page = open_page(serve(ready), width=1200)
    shown = "document.querySelector('.review:not([hidden]) h3').textContent"
    until = "new Promise(done => { const t = setInterval(() => { if (%s) { clearInterval(t); done(true); } }, 20); })"
    page.js(until % "document.getElementById('review-bar').textContent.startsWith('1 of 4, 0')")
    assert "chair" in page.js(shown)
    page.press("a")
    page.js(until % "document.getElementById('review-bar').textContent.includes('1 decided')")
    page.press("r")
    page.js(until % "document.getElementById('review-bar').textContent.includes('2 decided')")
    while "tabel" not in page.js(shown):
        page.press("j")
    page.press("f")
    page.js("document.querySelector('.review:not([hidden]) [name=category]').value = 'table'")
    page.js("document.querySelector('.review:not([hidden]) [name=size_z]').value = '0.75'")
    page.press("Enter")
    page.js(until % "document.getElementById('review-bar').textContent.includes('3 decided')")
    ready.server.shutdown()
    table = pl.read_parquet(scans / "review" / "reviews.parquet")
    assert table.select("item", "verdict").rows() == [("0", "accept"), ("1", "reject"), ("2", "fix")]
    assert table["size"][2].to_list() == [1.6, 0.8, 0.75]

    ingest(
        get_dataset("generic"),
        scans / "scans",
        out=scans / "corrected",
        options=IngestOptions(),
        reviews=scans / "review",
    )
    scene = Store(scans / "corrected").load_scene("room")
    assert scene.category.tolist() == ["chair", "table", "bed"]
    assert scene.category_counts == {"chair": 1, "table": 1, "bed": 1}
    assert scene.size[1].tolist() == [1.6, 0.8, 0.75]
    assert scene.instance_id.tolist() == [0, 2, 3]


def test_a_page_goes_on_with_what_was_decided(scans):
    store = Store(scans / "store")
    first = prepare_review(store, scans / "review")
    first.decisions.decide({"scene_name": "room", "kind": "object", "item": "0", "verdict": "accept"})
    first.server.server_close()
    again = prepare_review(store, scans / "review")
    assert [row["verdict"] for row in again.decisions.known()] == ["accept"]
    again.decisions.decide({"scene_name": "room", "kind": "object", "item": "0", "verdict": None})
    again.server.server_close()
    assert read_reviews(scans / "review").by_scene == {}


def test_other_hosts_and_other_paths_get_nothing(scans):
    ready = prepare_review(Store(scans / "store"), scans / "review")
    ready.decisions.decide({"scene_name": "room", "kind": "object", "item": "0", "verdict": "accept"})
    url = serve(ready)
    base = url.rpartition("/")[0]
    assert ask(url)[0] == 200
    assert ask(url, host="evil.example")[0] == 403
    assert ask(url.replace(ready.server.token, "guess"))[0] == 403
    assert ask(f"{base}/../../etc/passwd")[0] in (403, 404)
    assert ask(f"{base}/%2e%2e/store/objects.parquet")[0] == 404
    assert ask(f"{base}/reviews.parquet")[0] == 404
    said = {"scene_name": "room", "kind": "object", "item": "0", "verdict": "reject"}
    assert ask(f"{base}/reviews.json", "POST", said, host="evil.example:80")[0] == 403
    assert ask(f"{base}/index.html", "POST", said)[0] == 400
    assert ask(f"{base}/reviews.json", "POST", ["no", "object"])[0] == 400
    assert [row["verdict"] for row in ready.decisions.known()] == ["accept"]
    ready.server.shutdown()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"kind": "object", "item": "9", "verdict": "accept"}, "not on this page"),
        ({"kind": "object", "item": "0", "verdict": "maybe"}, "none of accept"),
        ({"kind": "question", "item": "q1", "verdict": "fix", "category": "x"}, "questions are not fixed"),
        ({"kind": "object", "item": "0", "verdict": "fix"}, "changes the label"),
        ({"kind": "object", "item": "0", "verdict": "fix", "size": [1, 0, 1]}, "above 0"),
        ({"kind": "object", "item": "0", "verdict": "fix", "size": [1, 1]}, "numbers in metres"),
        ({"kind": "object", "item": "0", "verdict": "fix", "center": [1, float("nan"), 1]}, "numbers in metres"),
        ({"kind": "object", "item": "0", "verdict": "fix", "yaw_deg": "x"}, "numbers in metres"),
        ({"kind": "object", "item": "0", "verdict": "accept", "note": "a\x00b"}, "a text of"),
        ({"kind": "object", "item": 0, "verdict": "accept"}, "a text of"),
    ],
)
def test_what_is_no_decision_is_refused(tmp_path, said, message):
    decisions = Decisions(tmp_path, ITEMS)
    with pytest.raises(QAEngineError, match=message):
        decisions.decide({"scene_name": "s", **said})
    assert decisions.known() == []


def test_a_rejected_question_is_not_asked_again(tmp_path):
    decisions = Decisions(tmp_path, ITEMS)
    decisions.decide({"scene_name": "s", "kind": "question", "item": "q1", "verdict": "reject", "note": "odd"})
    assert read_reviews(tmp_path).rejected.rows() == [("s", "sig")]


def test_reviews_of_another_store_are_noted_and_a_turned_box_has_the_usual_error(tmp_path):
    items = [Item("object", "s", number, "chair") for number in ("0", "7")]
    decisions = Decisions(tmp_path, items)
    decisions.decide({"scene_name": "s", "kind": "object", "item": "0", "verdict": "fix", "yaw_deg": 90})
    decisions.decide({"scene_name": "s", "kind": "object", "item": "7", "verdict": "reject"})
    scene = Scene(
        scene_name="s",
        dataset="d",
        category=np.array(["chair"]),
        center=np.array([[0, 0, 0.5]]),
        size=np.ones((1, 3)),
        rotation=np.eye(3)[None],
        face_error_m=np.array([0.4]),
    )
    changed = read_reviews(tmp_path).apply(scene)
    assert [error.reason for error in changed.refused] == ["review_unknown"]
    assert np.isnan(changed.face_error_m).all()
    np.testing.assert_allclose(changed.rotation[0], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], atol=1e-12)


def test_a_folder_of_something_else_is_refused(scans):
    (scans / "other").mkdir()
    (scans / "other" / "thesis.txt").write_text("mine")
    with pytest.raises(FileError, match="something else"):
        prepare_review(Store(scans / "store"), scans / "other")
