"""Questions shared out over collections."""

from collections import Counter

import pytest
from qa_contract.tableio import read_table
from qa_contract.tables import CHOICES, QUESTIONS
from qa_engine.api import make_request
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.errors import QAEngineError
from qa_engine.generation.files import write_generation
from qa_engine.generation.samplers import Past
from qa_engine.generation.shares import read_shares
from qa_engine.ingestion.run import ingest
from qa_engine.scenes.store import Store

TASKS = ["object_counting", "object_abs_distance"]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Five rooms of one collection, two of another, two of none."""
    out = tmp_path_factory.mktemp("shared") / "store"
    for first, n, name in ((0, 5, "many"), (20, 2, "few"), (40, 2, None)):
        options = IngestOptions(seed=5, scenes=n, frames=0, first_scene=first)
        split = {"train": 1.0, "val": 0.0, "test": 0.0}
        ingest(get_dataset("rooms"), None, out=out, options=options, split=split, add=first > 0, collection=name)
    return Store(out)


def asked(store, out, count, shares, exclude=None, **what):
    request = make_request(store, TASKS, count=count, split="train", collections=read_shares(shares), **what)
    run = write_generation(store, request, out, Past(asked=exclude))
    questions = read_table(out, "questions", QUESTIONS)
    return run, questions, Counter(store.collections[name] for name in questions["scene_name"])


def test_every_collection_has_its_share_and_others_are_left_out(store, tmp_path):
    run, questions, found = asked(store, tmp_path / "q", 23, "many=0.75,few=0.25")
    assert found == {"many": 17, "few": 6}
    assert run.of_collections == {"many": (17, 17), "few": (6, 6)}
    assert Counter(questions["question_type"]).most_common()[-1][1] >= 8
    why = read_table(tmp_path / "q", "choices", CHOICES)
    told = dict(why.select("scene_name", "why").iter_rows())
    assert {text.rpartition("; ")[2] for name, text in told.items() if store.collections[name] == "few"} == {
        "collection 'few' has 0.25 of all questions"
    }
    assert all(text.startswith("no feedback: ") for text in told.values())


def test_what_a_collection_lacks_no_other_fills_up_and_a_dry_one_is_an_error(store, tmp_path):
    everything = asked(store, tmp_path / "all", None, "few=1")[1]
    assert {store.collections[name] for name in everything["scene_name"]} == {"few"}
    left = everything.height - 3
    run, _, found = asked(
        store, tmp_path / "short", 400, "many=0.5,few=0.5", everything.head(left).select("scene_name", "signature")
    )
    assert found["few"] == 3
    assert run.of_collections["few"] == (200, 3)
    with pytest.raises(QAEngineError, match="Collection 'few' has run dry: its 2 scenes hold no question"):
        asked(store, tmp_path / "dry", 40, "many=0.5,few=0.5", everything.select("scene_name", "signature"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("many", "write NAME=SHARE"),
        ("many=0.5,many=0.5", "each name once"),
        ("many=0.5,few=0.4", "add up to 0.9, not to 1"),
        ("many=0.5,fewer=0.5", "Did you mean 'few'"),
    ],
)
def test_wrong_shares_are_refused(store, tmp_path, text, message):
    with pytest.raises(QAEngineError, match=message):
        asked(store, tmp_path / "q", 4, text)


def test_shares_need_scenes_in_the_split(store):
    request = make_request(store, TASKS, count=4, split="val", collections=read_shares("few=1"))
    with pytest.raises(QAEngineError, match="no scenes in split 'val'"):
        write_generation(store, request, store.path.parent / "none")
