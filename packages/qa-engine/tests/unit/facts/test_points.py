"""Answers from the scanned points of objects, where a store has a cloud."""

import json

import numpy as np
import polars as pl
import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.facts.batch import Batch
from qa_engine.facts.points import MIN_POINTS, use_points
from qa_engine.facts.scene import Facts
from qa_engine.ingestion.run import ingest
from qa_engine.replay.answer import answer_questions
from qa_engine.scenes.store import Store
from scipy.spatial.distance import cdist

DISTANCE = (
    "Measuring from the closest point of each object, what is the distance between the {} and the {} (in meters)?"
)
NEAREST = "Measuring from the closest point of each object, which of these objects ({}) is the closest to the {}?"
SIZE = "What is the length of the longest dimension (length, width, or height) of the {}, measured in centimeters?"

NAMES = {3: "sofa", 5: "table", 8: "lamp", 9: "bed", 11: "tv", 12: "rug"}


def cloud():
    """A sofa around the corner of a table: their boxes overlap, their points are 0.7 m apart; a lamp of few points."""
    rng = np.random.default_rng(0)

    def slab(low, high, n):
        return rng.uniform(low, high, (n, 3))

    sofa = np.concatenate([slab([0, 0, 0], [3, 0.8, 0.8], 2000), slab([0, 0, 0], [0.8, 3, 0.8], 2000)])
    parts = {
        3: sofa, 5: slab([1.5, 1.5, 0], [2.5, 2.5, 0.7], 2000), 8: slab([4, 4, 0], [4.3, 4.3, 1.5], MIN_POINTS - 1),
        9: slab([5, 0, 0], [6, 2, 0.5], 1500), 11: slab([0, 5, 0], [1, 5.2, 0.8], 1500),
        12: slab([3, 3, 0], [3.5, 3.5, 0.05], 1500),
    }  # fmt: skip
    return np.concatenate(list(parts.values())), np.repeat(list(parts), [len(part) for part in parts.values()])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    scan = folder / "raw" / "flat"
    scan.mkdir(parents=True)
    xyz, instance = cloud()
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(xyz)}"]
    header += [f"property float {axis}" for axis in "xyz"] + ["property int instance", "end_header", ""]
    rows = np.zeros(len(xyz), [("xyz", "<f4", 3), ("instance", "<i4")])
    rows["xyz"], rows["instance"] = xyz, instance
    (scan / "cloud.ply").write_bytes("\n".join(header).encode() + rows.tobytes())
    (scan / "labels.json").write_text(json.dumps({str(number): name for number, name in NAMES.items()}))
    ingest(get_dataset("generic"), scan.parent, out=folder / "store", options=IngestOptions())
    return Store(folder / "store")


def ask(store, question_type, question, options=None, **choice):
    row = {"id": 1, "scene_name": "flat", "question_type": question_type, "question": question, "options": options}
    table = pl.DataFrame([row], schema_overrides={"options": pl.List(pl.String)})
    return answer_questions(store, table, **choice).row(0, named=True)


def points_of(number):
    xyz, instance = cloud()
    return xyz.astype(np.float32)[instance == number]


def test_distance_is_between_points_where_both_have_them(store):
    got = ask(store, "object_abs_distance", DISTANCE.format("sofa", "table"))
    expected = cdist(points_of(3), points_of(5)).min()
    assert got["value"] == pytest.approx(expected, abs=1e-6)
    assert (got["evidence"], got["prediction"]) == ("points", f"{expected:.1f}")
    boxes = ask(store, "object_abs_distance", DISTANCE.format("sofa", "table"), points=False)
    assert (boxes["value"], boxes["evidence"]) == (0.0, "boxes")
    sampled = ask(store, "object_abs_distance", DISTANCE.format("sofa", "table"), profile="vsi-bench")
    assert sampled["evidence"] == "boxes"


def test_few_points_leave_it_to_the_box(store):
    got = ask(store, "object_abs_distance", DISTANCE.format("lamp", "table"))
    assert got["evidence"] == "boxes"
    options = [f"{letter}. {name}" for letter, name in zip("ABCD", ("lamp", "table", "bed", "tv"), strict=True)]
    got = ask(store, "object_rel_distance", NEAREST.format("lamp, table, bed, tv", "sofa"), options)
    assert (got["evidence"], got["prediction"]) == ("points and boxes", "B")
    options[0] = "A. rug"
    got = ask(store, "object_rel_distance", NEAREST.format("rug, table, bed, tv", "sofa"), options)
    assert got["evidence"] == "points"


def test_other_answers_say_what_they_rest_on(store):
    assert ask(store, "object_size_estimation", SIZE.format("bed"))["evidence"] == "boxes"
    assert ask(store, "object_counting", "How many sofa(s) are in this room?")["evidence"] == "counts"
    assert ask(store, "object_counting", "How many sofas?")["evidence"] is None


def test_distances_by_points_against_all_pairs(store):
    batch = Batch([Facts(store.load_scene("flat"))])
    first, second = np.triu_indices(len(batch.code), k=1)
    measured = use_points(store, batch, second, first)
    ids = batch.instance_id
    assert measured.tolist() == [8 not in (ids[i], ids[j]) for i, j in zip(first, second, strict=True)]
    for i, j in zip(first[measured].tolist(), second[measured].tolist(), strict=True):
        expected = cdist(points_of(ids[i]), points_of(ids[j])).min()
        assert batch.distance(np.array([i]), np.array([j]))[0] == pytest.approx(expected, abs=1e-6)


def test_without_a_cloud_boxes_it_is(write_vsi, vsi_entry, tmp_path):
    ingest(get_dataset("vsi-bench"), write_vsi({"s": vsi_entry}), out=tmp_path / "s", options=IngestOptions(seed=0))
    store = Store(tmp_path / "s")
    batch = Batch([Facts(store.load_scene("s"))])
    assert use_points(store, batch, np.array([0]), np.array([1])).tolist() == [False]
