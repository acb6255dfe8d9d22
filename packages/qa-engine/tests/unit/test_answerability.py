import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qa_engine import answerability as check
from qa_engine.answerability import Evidence, EvidenceIndex, answerable, evidence, evidence_frames, screen
from qa_engine.cli import app
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.frame_sampling import sample_frames
from qa_engine.ingest import ingest
from qa_engine.observations import observe
from qa_engine.store import Store
from typer.testing import CliRunner


def table(rows):
    names = ("frame_id", "instance_id", "visible_px", "visible_fraction")
    schema = dict(zip(names, (pl.String, pl.Int64, pl.Int64, pl.Float64), strict=True))
    return pl.DataFrame(rows, schema=schema, orient="row")


PX = 640 * 480


@pytest.mark.parametrize(
    ("px", "fraction", "image", "seen"),
    [
        (check.MIN_RECOGNISED_PX, 1.0, 1000, True),
        (check.MIN_RECOGNISED_PX - 1, 1.0, 1000, False),
        (154, 1.0, PX, True),
        (153, 1.0, PX, False),
        (9999, check.MIN_VISIBLE_FRACTION, PX, True),
        (9999, check.MIN_VISIBLE_FRACTION - 0.01, PX, False),
        (9999, None, PX, True),
    ],
)
def test_what_counts_as_seen(px, fraction, image, seen):
    found = evidence(table([("a", 4, px, fraction)]), np.array([4]), ["a"], [image])
    assert found.seen.tolist() == [seen]


def test_frames_that_were_not_chosen_show_nothing():
    rows = table([("a", 1, 500, 1.0), ("c", 1, 300, 1.0), ("b", 2, 900, 1.0)])
    found = evidence(rows, np.array([1, 2]), ["c"], [PX])
    assert (found.best.tolist(), found.first.tolist()) == ([0, -1], [0, -1])


def test_of_equal_views_the_first_frame_is_the_evidence():
    found = evidence(table([("b", 1, 500, 1.0), ("a", 1, 500, 1.0)]), np.array([1]), ["a", "b"], [PX, PX])
    assert found.best.tolist() == [0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_against_loops(seed):
    rng = np.random.default_rng(seed)
    n, n_frames, n_questions = 6, 4, 7
    best = rng.integers(-1, n_frames, n)
    found = Evidence(tuple("abcd"), best, best)
    rows, question = rng.integers(0, n, 15), rng.integers(0, n_questions, 15)
    ok = answerable(found, rows, question, n_questions)
    frames = evidence_frames(found, rows, question, n_questions)
    for i in range(n_questions):
        own = [best[row] for row, q in zip(rows, question, strict=True) if q == i]
        assert ok[i] == all(place >= 0 for place in own)
        assert frames[i] == [found.frame_ids[p] for p in sorted(set(own)) if p >= 0]


def test_questions_of_a_store_keep_only_those_that_the_frames_answer(tmp_path):
    path = tmp_path / "store"
    ingest(get_dataset("rooms"), None, out=path, options=IngestOptions(seed=7, scenes=1, frames=6, size=64))
    with pytest.raises(QAEngineError, match="Unknown frame set"):
        EvidenceIndex(Store(path), "uniform-1")
    sample_frames(Store(path), n=1)
    with pytest.raises(QAEngineError, match="qa-engine observe"):
        EvidenceIndex(Store(path), "uniform-1")
    observe(Store(path))
    store = Store(path)
    scene = store.load_scene(store.scene_names()[0])
    out = str(tmp_path / "questions")
    assert (
        CliRunner().invoke(app, ["generate", str(path), "--out", out, "--per-scene", "40", "--no-screen"]).exit_code
        == 0
    )
    questions = pl.read_parquet(tmp_path / "questions" / "questions.parquet")
    index = EvidenceIndex(store, "uniform-1")
    found = index.scene(scene.scene_name, scene.instance_id)
    assert 0 < found.seen.sum() < len(scene), "some objects are in view and some are not"
    kept, refused = screen(questions, found, scene.instance_id)
    assert kept.height + refused.height == questions.height
    assert kept.height > 0 < refused.height
    seen = set(scene.instance_id[found.seen].tolist())
    for table, all_seen in ((kept, True), (refused, False)):
        for row in table.iter_rows(named=True):
            ids = {number for operand in row["operands"] for number in operand["instance_ids"]}
            assert (ids <= seen) == all_seen
            if all_seen and ids:
                assert row["evidence_frames"] == list(found.frame_ids)
    assert index.scene("nowhere", scene.instance_id) is None
    with pytest.raises(QAEngineError, match="different stores"):
        screen(questions, found, scene.instance_id + 1000)
