"""Stores to show, and the browser of the page kit's tests."""

import sys
from pathlib import Path

import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store
from qa_engine.views.frame_sets import sample_frames
from qa_engine.views.observations import observe

sys.path.insert(0, str(Path(__file__).parents[4] / "contract/tests/pages"))

from page_browser import browser, open_page  # noqa: F401

CHAIR = 'chair <&> "b" \''


@pytest.fixture(scope="session")
def rooms(tmp_path_factory):
    """Three rooms with frames that were looked at."""
    out = tmp_path_factory.mktemp("shown") / "store"
    ingest(get_dataset("rooms"), None, out=out, options=IngestOptions(seed=4, scenes=3, frames=4, size=48))
    observe(Store(out))
    sample_frames(Store(out), n=2)
    return out


@pytest.fixture(scope="session")
def room_questions(rooms, tmp_path_factory, call):
    """Five questions about each room."""
    out = tmp_path_factory.mktemp("shown") / "questions"
    assert call("generate", rooms, "--out", out, "--per-scene", 5) == 0
    return out


@pytest.fixture
def store(write_vsi, make_box, tmp_path):
    """A room of boxes without frames."""
    boxes = {
        CHAIR: [make_box((0, 0, 0.45), (0.5, 0.5, 0.9)), make_box((3, 0, 0.45), (0.5, 0.5, 0.9))],
        "sofa": [make_box((0.4, 3.5, 0.5), (1.8, 0.8, 0.8))],
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
