"""Generation asks only what the frames of the frame set show."""

import numpy as np
import polars as pl
import pytest
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.ingestion.run import ingest
from qa_engine.programs import ProgramError, run_program
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.store import Store
from qa_engine.tasks import DEFAULT, TASKS
from qa_engine.tasks.object_counting import counting_task
from qa_engine.views.evidence import Evidence, EvidenceIndex
from qa_engine.views.frame_sets import sample_frames
from qa_engine.views.observations import observe
from qa_engine.views.sightings import Sightings

OWN_RULES = ("object_counting", "obj_appearance_order")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory):
    path = tmp_path_factory.mktemp("rooms") / "store"
    ingest(get_dataset("rooms"), None, out=path, options=IngestOptions(seed=7, scenes=12, frames=8, size=64))
    sample_frames(Store(path), n=1)
    return path


def questions(path):
    return pl.read_parquet(path / "questions.parquet")


def by_hand(table, found, instance_id):
    """The questions all operands of which are seen, with their frames, and how many are not."""
    place = {int(number): row for row, number in enumerate(instance_id)}
    kept = {}
    for row in table.iter_rows(named=True):
        best = [found.best[place[i]] for operand in row["operands"] for i in operand["instance_ids"]]
        if all(frame >= 0 for frame in best):
            frames = [found.frame_ids[frame] for frame in sorted(set(best))]
            kept[row["question_id"]] = (row["question"], row["ground_truth"], frames)
    return kept, len(table) - len(kept)


def test_screened_questions_are_those_that_the_frames_answer(rooms, tmp_path, call, capfd):
    assert call("generate", rooms, "--out", tmp_path / "blind") == 0
    assert "visibility not checked" in capfd.readouterr().err
    observe(Store(rooms), force=True)
    assert call("generate", rooms, "--out", tmp_path / "all", "--no-screen") == 0
    kinds = set(DEFAULT) - {"obj_appearance_order"}  # whose candidates come with the observations
    same = [questions(tmp_path / name).filter(pl.col("question_type").is_in(kinds)) for name in ("all", "blind")]
    assert same[0].sort("question_id").equals(same[1].sort("question_id"))
    for workers in (1, 2):
        out = tmp_path / f"seen{workers}"
        assert call("generate", rooms, "--out", out, "--workers", workers) == 0
        assert "visible in the frames of 'uniform-1'" in capfd.readouterr().err
    for name in ("questions.parquet", "rejects.parquet"):
        assert (tmp_path / "seen1" / name).read_bytes() == (tmp_path / "seen2" / name).read_bytes()
    assert call("verify", rooms, tmp_path / "seen1") == 0

    everything, seen = questions(tmp_path / "all"), questions(tmp_path / "seen1")
    store = Store(rooms)
    index = EvidenceIndex(store, "uniform-1")
    rejects = pl.read_parquet(tmp_path / "seen1" / "rejects.parquet").filter(reason="not_visible")
    n_refused = 0
    for name in store.scene_names():
        scene = store.load_scene(name)
        found = index.scene(name, scene.instance_id)
        asked = everything.filter(pl.col("scene_name") == name, ~pl.col("question_type").is_in(OWN_RULES))
        kept, refused = by_hand(asked, found, scene.instance_id)
        got = seen.filter(pl.col("scene_name") == name, ~pl.col("question_type").is_in(OWN_RULES))
        columns = ["question_id", "question", "ground_truth", "evidence_frames"]
        assert {key: tuple(rest) for key, *rest in got.select(columns).iter_rows()} == kept
        n_refused += refused
        counted = seen.filter(scene_name=name, question_type="object_counting")
        for row in counted.iter_rows(named=True):
            ids = row["operands"][0]["instance_ids"]
            rows = np.isin(scene.instance_id, ids)
            of_kind = scene.category == row["operands"][0]["category"]
            assert ids == scene.instance_id[of_kind & found.seen].tolist()
            assert row["ground_truth"] == str(len(ids))
            assert row["evidence_frames"] == [found.frame_ids[k] for k in sorted({*found.best[rows].tolist()})]
    assert n_refused > 20
    detail = rejects.filter(~pl.col("question_type").is_in(OWN_RULES))["detail"]
    assert detail.str.extract(r"(\d+) candidates").cast(pl.Int64).fill_null(1).sum() == n_refused
    fewer = everything.join(seen, on=["scene_name", "question"]).filter(question_type="object_counting")
    assert (fewer["ground_truth"].cast(int) > fewer["ground_truth_right"].cast(int)).any()
    again = ("generate", rooms, "--out", tmp_path / "next", "--exclude", tmp_path / "seen1", "--round", 1)
    assert call(*again) == 0
    assert len(questions(tmp_path / "next")) == 0


def ask(found, *, times=(0.0, 2.0, 4.0, 6.0), tasks=("obj_appearance_order",)):
    names = np.array(["bed", "lamp", "sofa", "table", "chair", "chair", "chair"])
    n = len(names)
    scene = Scene(
        scene_name="s", dataset="d", category=names, center=np.column_stack([np.arange(n) * 2.0, np.zeros((n, 2))]),
        size=np.ones((n, 3)), rotation=np.repeat(np.eye(3)[None], n, axis=0),
    )  # fmt: skip
    seen = Sightings(np.array(times), np.arange(4), np.full(4, 500))
    facts = Facts(scene, "exact", lambda _: seen, lambda *_: found)
    proposer = TemplateProposer(
        [counting_task("k") if name == "object_counting" else TASKS[name] for name in tasks],
        seed=0, round=0, frame_set_id="k",
    )  # fmt: skip
    candidates = proposer.find([facts])
    reasons = [(str(reject.reason), reject.n) for part in candidates.found for reject in part.rejects]
    return proposer.write(candidates), reasons, facts


def shown(first, best=None, n_frames=5):
    first = np.array([*first, -1, -1, -1][:7])
    return Evidence(tuple(f"f{k}" for k in range(n_frames)), first if best is None else np.array(best), first)


@pytest.mark.parametrize(
    ("first", "kept"),
    [
        ((0, 1, 2, 4), True),
        ((0, 1, 1, 4), False),  # lamp and sofa come into view in the same frame
        ((1, 0, 2, 4), False),  # the frames show the lamp first, the video the bed
        ((0, 1, 2, -1), False),  # no frame shows the table
    ],
)
def test_order_of_appearance_is_told_by_the_frames(first, kept):
    table, reasons, _ = ask(shown(first))
    assert len(table) == kept
    assert (("not_visible", 1) in reasons) == (not kept)
    if kept:
        assert table["evidence_frames"].to_list() == [["f0", "f1", "f2", "f4"]]


def test_counts_are_those_of_the_frame_budget():
    found = shown((0, 0, 0, 0, 3, -1, 1))
    table, _, facts = ask(found, tasks=("object_counting",))
    row = table.row(0, named=True)
    assert (row["program"], row["ground_truth"], row["evidence_frames"]) == (
        'count_seen("chair", "k")',
        "2",
        ["f1", "f3"],
    )
    assert row["signature"] == "s|object_counting|chair|k"
    assert row["operands"][0]["instance_ids"] == [4, 6]
    assert run_program(row["program"], facts).value == 2
    table, reasons, _ = ask(shown((0, 0, 0, 0, -1, -1, 1)), tasks=("object_counting",))
    assert len(table) == 0
    assert ("not_visible", 1) in reasons


def test_frames_that_cannot_tell_refuse_nothing():
    table, reasons, facts = ask(None, tasks=("object_counting", "object_abs_distance"))
    assert set(table["question_type"]) == {"object_counting", "object_abs_distance"}
    assert table["evidence_frames"].null_count() == len(table)
    assert "not_visible" not in dict(reasons)
    assert table.filter(question_type="object_counting")["program"].to_list() == ['count("chair")']
    with pytest.raises(ProgramError, match="nothing tells"):
        run_program('count_seen("chair", "k")', facts)


def test_all_objects_of_an_operand_have_to_be_seen():
    tasks = ("object_rel_distance", "object_size_estimation")
    whole, _, _ = ask(shown((0, 1, 2, 3, 4, 4, 4)), tasks=tasks)
    part, _, _ = ask(shown((0, 1, 2, 3, 4, 4, -1)), tasks=tasks)
    assert whole.filter(question_type="object_rel_distance").height > 0
    assert part.filter(question_type="object_rel_distance").height == 0  # the third chair may be the closest
    assert part.filter(question_type="object_size_estimation").height == 4
