"""Gates: what each refuses and what it leaves alone, its yield, and the command."""

import json

import numpy as np
import polars as pl
import pytest
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import CONFIDENCE, QUESTIONS, REJECTS
from qa_engine.errors import QAEngineError
from qa_engine.generation.draw import closer_look, doubted, draw
from qa_engine.generation.gates import GATES, Known, select_gates
from qa_engine.generation.gates.base import EVIDENCE
from qa_engine.generation.gates.run import pass_gates
from qa_engine.generation.inputs import read_asked


def question(name, *objects, scene="s", kind="object_abs_distance", truth="2.0", options=None, **more):
    operands = [{"role": f"r{i}", "category": "c", "instance_ids": list(ids)} for i, ids in enumerate(objects)]
    row = {"question_id": name, "scene_name": scene, "question_type": kind, "ground_truth": truth, "options": options}
    row |= {"question": f"question {name}?", "operands": operands or None, "signature": f"{scene}|{name}", "cell": "c"}
    return row | more


def table(*rows):
    return with_every_column(pl.DataFrame(list(rows), infer_schema_length=None), QUESTIONS)


def evidence(*rows):
    frame = with_every_column(pl.DataFrame(list(rows), infer_schema_length=None), CONFIDENCE)
    return frame.select(EVIDENCE)


def refused(name, questions, **known):
    passed = pass_gates(questions, select_gates([name]), Known(**known))
    assert set(passed.rejects["reason"]) <= {name}
    assert len(passed.questions) + len(passed.rejects) == len(questions)
    return passed.rejects["item"].to_list()


def test_trivial_is_easy_and_right_without_frames():
    rows = table(*[question(f"q{i}", [i]) for i in range(5)])
    seen = evidence(
        {"question_id": "q0", "label": "easy", "blind_score": 1.0, "corrected": 0.95},
        {"question_id": "q1", "label": "easy", "blind_score": 0.0, "corrected": 0.95},
        {"question_id": "q2", "label": "frontier", "blind_score": 1.0, "corrected": 0.5},
        {"question_id": "q3", "label": "easy", "corrected": 0.95},
    )
    assert refused("trivial", rows, evidence=seen) == ["q0"]
    one = pass_gates(rows, select_gates(["trivial"]), Known(evidence=seen)).yields[0]
    assert (one.seen, one.judged, one.refused) == (5, 3, 1)


def test_blind_is_about_the_expected_score_and_not_about_the_answer_at_hand():
    rows = table(*[question(f"q{i}", [i]) for i in range(4)])
    seen = evidence(
        {"question_id": "q0", "blind_confidence": 0.9, "chance": 0.25, "blind_score": 0.0},
        {"question_id": "q1", "blind_confidence": 0.8, "chance": 0.5, "blind_score": 1.0},  # 0.6 above chance
        {"question_id": "q2", "blind_confidence": 0.8, "chance": 0.0, "blind_score": 1.0},
    )
    assert refused("blind", rows, evidence=seen) == ["q0", "q2"]


def test_duplicate_is_one_fact_in_another_order():
    rows = table(
        question("far", [1], [2]),
        question("far again", [2], [1]),
        question("other answer", [1], [2], truth="3.0"),
        question("other scene", [1], [2], scene="t"),
        question("left", [1], [2], [3], kind="turn", truth="A", options=["A. left", "B. right"]),
        question("left in another order", [2], [1], [3], kind="turn", truth="B", options=["A. right", "B. left"]),
        question("right", [2], [1], [3], kind="turn", truth="A", options=["A. right", "B. left"]),
        question("size"),
        question("size of the text alone"),
    )
    assert refused("duplicate", rows) == ["far again", "left in another order"]
    earlier = table(question("asked before", [2], [1], scene="t"))
    assert refused("duplicate", rows, earlier=earlier) == ["far again", "other scene", "left in another order"]
    passed = pass_gates(rows, select_gates(["duplicate"]), Known(earlier=earlier))
    assert dict(passed.rejects.select("item", "detail").iter_rows())["other scene"] == (
        "the same fact as question asked before"
    )


def test_suspect_takes_the_objects_of_the_question_with_it():
    panel = table(question("p0", [7], [8]), question("p1", kind="room_size_estimation", scene="t"))
    rows = table(
        question("touches", [8], [9]),
        question("same number elsewhere", [8], [9], scene="t"),
        question("far from it", [1], [2]),
        question("room", kind="room_size_estimation", scene="t"),
        question("another room", kind="room_size_estimation", scene="s"),
        question("itself", [3]),
    )
    seen = evidence(
        *[{"question_id": name, "label": "suspect"} for name in ("p0", "p1", "itself")],
        {"question_id": "far from it", "label": "easy"},
    )
    assert refused("suspect", rows, evidence=seen, asked_about=panel) == ["touches", "room", "itself"]
    assert refused("suspect", rows, evidence=seen.clear(), asked_about=panel) == []


def test_suspect_takes_the_whole_of_a_suspect_scene_by_its_newest_verdict():
    rows = table(question("here", [1]), question("there", [1], scene="t"), question("cleared", [1], scene="u"))
    seen = evidence(
        {"question_id": "p0", "scene_name": "s", "round": 2, "scene_suspect": True},
        {"question_id": "p1", "scene_name": "t", "round": 2, "scene_suspect": False},
        {"question_id": "p2", "scene_name": "u", "round": 2, "scene_suspect": True},
        {"question_id": "p3", "scene_name": "u", "round": 3, "scene_suspect": False},
    )
    assert refused("suspect", rows, evidence=seen) == ["here"]


def test_a_closer_look_takes_open_scenes_the_most_doubtful_first():
    rows = table(*[question(f"{scene}{i}", scene=scene) for scene in "abcd" for i in range(3)])
    doubts = {"a": (0.9, True), "b": (0.3, False), "c": (0.6, False), "d": (0.01, False)}
    told = pl.DataFrame([{"scene_name": s, "scene_doubt": d, "scene_suspect": n} for s, (d, n) in doubts.items()])
    looked = closer_look(rows, told, 4, seed=1)
    assert looked["scene_name"].sort().to_list() == ["b", "c", "c", "c"]
    assert closer_look(rows, told, 9, seed=1)["scene_name"].unique().sort().to_list() == ["b", "c"]
    unknown = told.with_columns(scene_doubt=pl.lit(None, pl.Float64), scene_suspect=pl.lit(None, pl.Boolean))
    assert closer_look(rows, unknown, 4, seed=1).is_empty()


def test_unanswerable_reads_what_the_frames_show(tmp_path, call):
    store = tmp_path / "store"
    rooms = ("--scenes", 6, "--frames-per-scene", 3, "--size", 64, "--seed", 1, "--split", "train=1,val=0,test=0")
    assert call("ingest", "rooms", "--out", store, *rooms) == 0
    assert call("observe", store) == 0
    assert call("sample-frames", store, "--frames", 1) == 0
    assert call("generate", store, "--out", tmp_path / "q", "--no-screen", "--tasks", "object_abs_distance") == 0
    assert call("generate", store, "--out", tmp_path / "screened", "--tasks", "object_abs_distance") == 0
    words = ("--gates", "unanswerable", "--store", store)
    assert call("gate", tmp_path / "q", "--out", tmp_path / "g", *words) == 0
    passed = read_table(tmp_path / "g", "questions", QUESTIONS)
    screened = read_table(tmp_path / "screened", "questions", QUESTIONS)
    assert 0 < len(passed) < len(read_table(tmp_path / "q", "questions", QUESTIONS))
    assert set(passed["signature"]) == set(screened["signature"])  # the rule is that of `generate --screen`
    assert call("gate", tmp_path / "screened", "--out", tmp_path / "h", *words) == 0
    told = json.loads((tmp_path / "h/manifest.json").read_text())
    assert told["gates"] == [{"gate": "unanswerable", "seen": len(screened), "judged": len(screened), "refused": 0}]


def test_a_room_has_no_objects_that_a_frame_could_hide():
    rows = table(
        question("room", kind="room_size_estimation", evidence_frames=[], frame_set_id="f"),
        question("hidden", [1], evidence_frames=[], frame_set_id="f"),
        question("seen", [1], evidence_frames=["f0"], frame_set_id="f"),
    )
    assert refused("unanswerable", rows) == ["hidden"]
    one = pass_gates(rows, select_gates(["unanswerable"]), Known()).yields[0]
    assert (one.judged, one.refused) == (2, 1)


def test_gates_apply_one_after_the_other_and_are_named():
    rows = table(question("a", [1], [2]), question("b", [2], [1]))
    passed = pass_gates(rows, select_gates(), Known())
    assert [one.gate for one in passed.yields] == list(GATES)
    assert [one.seen for one in passed.yields] == [2, 1, 1, 1, 1, 1]
    assert all(gate.about for gate in GATES.values())
    with pytest.raises(QAEngineError, match="Did you mean 'blind'"):
        select_gates(["blnd"])


@pytest.fixture
def asked(tmp_path):
    rows = table(*[question(f"q{i}", [i // 2], [99]) for i in range(20)])
    metadata = table_metadata("questions", "test", {}, 0)
    write_table(rows, tmp_path / "asked/questions.parquet", QUESTIONS, metadata)
    return tmp_path / "asked"


def test_command_keeps_so_many_and_says_what_is_missing(asked, tmp_path, call, capsys):
    assert call("gate", asked, "--out", tmp_path / "g", "--count", 8) == 0
    kept = read_table(tmp_path / "g", "questions", QUESTIONS)
    assert kept["question_id"].to_list() == [f"q{2 * i}" for i in range(8)]
    refused_rows = read_table(tmp_path / "g", "rejects", REJECTS)
    assert refused_rows["reason"].to_list() == ["duplicate"] * 10
    assert set(read_asked([tmp_path / "g"])["signature"]) == {*kept["signature"], *refused_rows["signature"]}
    assert call("gate", asked, "--out", tmp_path / "h", "--count", 12) == 1
    assert "2 of 12 questions are missing" in capsys.readouterr().err
    assert call("gate", asked, "--out", tmp_path / "i", "--gates", "blnd") == 2
    assert call("gate", asked, "--out", tmp_path / "j", "--gates", ",") == 2


def test_once_suspect_always_suspect(asked, tmp_path, call):
    for number, label in ((1, "suspect"), (2, "hard")):
        rows = with_every_column(
            pl.DataFrame([{"question_id": "q0", "label": label, "round": number, "phase": "eval"}]), CONFIDENCE
        )
        metadata = table_metadata("confidence", "test", {}, 0)
        write_table(rows, tmp_path / f"signal{number}/confidence.parquet", CONFIDENCE, metadata)
    signals = [word for n in (1, 2) for word in ("--evidence", tmp_path / f"signal{n}")]
    assert call("gate", asked, "--out", tmp_path / "g", "--gates", "suspect", *signals) == 0
    refused_rows = read_table(tmp_path / "g", "rejects", REJECTS)
    assert "q0" in refused_rows["item"].to_list()
    assert len(refused_rows) == 20  # object 99 is in all of them


def test_draw_is_even_over_types_and_cells_and_stable():
    rng = np.random.default_rng(0)
    kinds = rng.choice(["a", "b", "c"], 3000, p=[0.9, 0.08, 0.02]).tolist()
    cells = rng.choice(["x", "y"], 3000, p=[0.95, 0.05]).tolist()
    rows = pl.DataFrame({"question_id": [f"q{i}" for i in range(3000)], "question_type": kinds, "cell": cells})
    chosen = draw(rows, 90, seed=4)
    assert chosen["question_type"].value_counts()["count"].to_list() == [30, 30, 30]
    counts = chosen.group_by("question_type", "cell").len()
    assert counts.filter(question_type="a")["len"].to_list() == [15, 15]
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=1)
    assert set(draw(shuffled, 90, seed=4)["question_id"]) == set(chosen["question_id"])
    assert set(draw(rows, 90, seed=5)["question_id"]) != set(chosen["question_id"])
    assert len(draw(rows, 9999, seed=0)) == 3000


def test_draw_takes_the_panel_whole_and_doubts_again(asked, tmp_path, call):
    panel = table(*[question(f"p{i}", [i]) for i in range(3)])
    metadata = table_metadata("questions", "test", {}, 0)
    write_table(panel, tmp_path / "panel/questions.parquet", QUESTIONS, metadata)
    rows = with_every_column(
        pl.DataFrame(
            [
                {"question_id": "q1", "confidence": 0.95, "score": 0.0},
                {"question_id": "q2", "confidence": 0.95, "score": 1.0},
                {"question_id": "q3", "confidence": 0.5, "score": 0.0},
            ]
        ),
        CONFIDENCE,
    )
    write_table(rows, tmp_path / "signal/confidence.parquet", CONFIDENCE, table_metadata("confidence", "test", {}, 0))
    assert doubted(read_table(asked, "questions", QUESTIONS), rows)["question_id"].to_list() == ["q1"]
    words = ("--whole", tmp_path / "panel", "--again", asked, "--doubts", tmp_path / "signal")
    assert call("draw", asked, "--out", tmp_path / "d", "--count", 0, *words) == 0
    assert read_table(tmp_path / "d", "questions", QUESTIONS)["question_id"].to_list() == ["p0", "p1", "p2", "q1"]
    assert call("draw", asked, "--out", tmp_path / "e", "--count", 5, "--again", asked) == 2


def test_shortcut_refuses_what_an_audit_dropped_and_judges_nothing_without_one():
    rows = table(*[question(f"q{i}", [i]) for i in range(3)])
    told = pl.DataFrame({"question_id": ["q0", "q1"], "bias": [0.9, 0.4], "chance": [0.25] * 2, "dropped_in": [2, 0]})
    assert refused("shortcut", rows, bias=told) == ["q0"]
    passed = pass_gates(rows, select_gates(["shortcut"]), Known(bias=told))
    assert (passed.yields[0].judged, passed.yields[0].refused) == (2, 1)
    assert pass_gates(rows, select_gates(["shortcut"]), Known()).yields[0].judged == 0
