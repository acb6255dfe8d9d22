import numpy as np
import polars as pl
import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views import evidence as check
from qa_engine.views.evidence import EvidenceIndex, FrameEvidence, evidence
from qa_engine.views.frame_sets import sample_frames
from qa_engine.views.observations import observe
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex


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


def test_an_index_of_a_frame_set_is_as_a_look_at_each_scene(tmp_path, monkeypatch):
    path = tmp_path / "store"
    ingest(get_dataset("rooms"), None, out=path, options=IngestOptions(seed=7, scenes=2, frames=6, size=64))
    with pytest.raises(QAEngineError, match="Unknown frame set"):
        EvidenceIndex(Store(path), "uniform-2")
    sample_frames(Store(path), n=2)
    with pytest.raises(QAEngineError, match="qa-engine observe"):
        EvidenceIndex(Store(path), "uniform-2")
    assert FrameEvidence(Store(path)).of(Store(path).load_scene(Store(path).scene_names()[0]), "uniform-2") is None
    observe(Store(path))
    store = Store(path)
    index = EvidenceIndex(store, "uniform-2")
    observations = pl.read_parquet(path / "observations.parquet")
    sets = dict(store.frame_sets.select("scene_name", "frame_ids").iter_rows())
    for name in store.scene_names():
        ids = store.load_scene(name).instance_id
        expected = evidence(observations.filter(scene_name=name), ids, sets[name], [64 * 64] * 2)
        found = index.scene(name, ids)
        assert (found.frame_ids, found.best.tolist(), found.first.tolist()) == (
            expected.frame_ids, expected.best.tolist(), expected.first.tolist(),
        )  # fmt: skip
        assert 0 < found.seen.sum() <= len(ids)
        assert not index.scene(name, ids + 1000).seen.any()
        alone = Store(path)
        assert set(alone.together(name)) == set(store.scene_names())
        monkeypatch.setattr("qa_engine.scenes.store.VIEWS_TOGETHER", 0)
        alone = Store(path)
        alone.expect([name])
        assert alone.together(name) == (name,)
        monkeypatch.undo()
        assert EvidenceIndex(alone, "uniform-2").scene(name, ids).best.tolist() == found.best.tolist()
        one, all_ = (SightingIndex(each).of(name) for each in (alone, store))
        assert (one.time_s.tolist(), one.frame.tolist()) == (all_.time_s.tolist(), all_.frame.tolist())
        seen, whole = (RecordingIndex(each).of(store.load_scene(name)) for each in (alone, store))
        assert np.array_equal(seen.box_2d, whole.box_2d, equal_nan=True)
    assert index.scene("nowhere", ids) is None
