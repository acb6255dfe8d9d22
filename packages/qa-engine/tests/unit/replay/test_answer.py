import json
import sys

import numpy as np
import polars as pl
import pytest
from qa_engine.cli import main
from qa_engine.datasets import get_dataset
from qa_engine.datasets.base import IngestOptions
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.ingestion.run import ingest
from qa_engine.replay.answer import ANSWERS, AnswerReason, answer_questions
from qa_engine.scenes.store import Store
from qa_engine.tasks import TASKS, select_tasks
from qa_engine.tasks.grammar import parse_questions

SIZE = "What is the length of the longest dimension (length, width, or height) of the {}, measured in centimeters?"
NEAREST = "Measuring from the closest point of each object, which of these objects ({}) is the closest to the {}?"
EASY = "If I am standing by the {} and facing the {}, is the {} to the left or the right of the {}?"


@pytest.fixture
def store(write_vsi, make_box, tmp_path):
    boxes = {
        "chair": [make_box(), make_box((3, 0, 0.5))],
        "sofa": [make_box((0, 4, 0.5))],
        "coat hanger": [make_box((5, 5, 1), (0.2, 0.2, 2))],
        "bed": [make_box((-4, 1, 0.25), (2, 2, 0.5))],
        "tv": [make_box((-4, -4, 1), (1, 0.1, 0.6))],
    }
    counts = {name: len(rows) for name, rows in boxes.items()} | {"stove": 1}
    scene = {"dataset": "scannet", "room_size": None, "object_counts": counts, "object_bbox": boxes}
    folder = tmp_path / "store"
    ingest(get_dataset("vsi-bench"), write_vsi({"s": scene}), out=folder, options=IngestOptions(seed=0))
    return folder


def ask(store, question_type, question, options=None, *, scene="s"):
    row = {"id": 7, "scene_name": scene, "question_type": question_type, "question": question, "options": options}
    table = pl.DataFrame([row], schema_overrides={"options": pl.List(pl.String)})
    (answer,) = answer_questions(Store(store), table).to_dicts()
    return answer


def test_answers_with_proof(store):
    got = ask(store, "object_size_estimation", SIZE.format("sofa"))
    assert got == {
        "id": 7,
        "prediction": "200",
        "value": 200.0,
        "program": "longest_side_cm(2)",
        "margin": 0.5,
        "answer_low": 190.0,
        "answer_high": 210.0,
        "evidence": "boxes",
        "status": "answered",
        "reason": None,
    }
    options = ["A. bed", "B. coat rack", "C. chair", "D. tv"]
    got = ask(store, "object_rel_distance", NEAREST.format("bed, coat rack, chair, tv", "sofa"), options)
    # Sofa to chair: 2 m between their sides; bed 2 m along x ... and 1 m along y.
    assert got["prediction"] == "C"
    assert got["program"].startswith("nearest_category(2, [")
    assert '"coat hanger"' in got["program"]


@pytest.mark.parametrize(
    ("question_type", "question", "options", "reason"),
    [
        ("object_colour", "Which colour?", None, AnswerReason.UNKNOWN_QUESTION_TYPE),
        ("object_counting", "How many chairs do you see?", None, AnswerReason.NOT_PARSED),
        ("object_counting", SIZE.format("sofa"), None, AnswerReason.NOT_PARSED),
        ("object_rel_direction_easy", EASY.format("sofa", "bed", "tv", "tv"), ["A. left"], AnswerReason.NOT_PARSED),
        ("object_rel_direction_easy", EASY.format("sofa", "bed", "bed", "bed"), ["A. left"], AnswerReason.SAME_OBJECT),
        ("object_rel_direction_easy", EASY.format("sofa", "bed", "tv", "bed"), None, AnswerReason.NO_OPTIONS),
        ("object_rel_direction_easy", EASY.format("sofa", "bed", "tv", "bed"), ["A. up"], AnswerReason.NOT_AN_OPTION),
        ("object_size_estimation", SIZE.format("piano"), None, AnswerReason.UNKNOWN_CATEGORY),
        ("object_size_estimation", SIZE.format("chair"), None, AnswerReason.NOT_UNIQUE),
        ("object_size_estimation", SIZE.format("stove"), None, AnswerReason.NO_BOX),
    ],
)  # fmt: skip
def test_what_cannot_be_answered_says_why(store, question_type, question, options, reason):
    got = ask(store, question_type, question, options)
    assert (got["status"], got["reason"]) == ("not_answerable", reason)
    assert got["prediction"] is got["program"] is got["value"] is got["margin"] is None


def test_unknown_scene_and_missing_room_size(store):
    question = TASKS["room_size_estimation"].question
    assert ask(store, "object_counting", "How many chair(s) are in this room?", scene="x")["reason"] == "unknown_scene"
    assert ask(store, "room_size_estimation", question)["reason"] == "no_room_size"


def test_every_wording_reads_back(store):
    facts = Facts(Store(store).load_scene("s"))
    proposer = TemplateProposer(select_tasks(), seed=0, round=0)
    table = proposer.write(proposer.find([facts]))
    for (kind,), rows in table.group_by("question_type"):
        task = TASKS[kind]
        parsed = parse_questions(task, rows["question"])
        assert parsed["parsed"].all(), kind
        for k, role in enumerate(task.roles):
            asked = [operands[k]["category"] for operands in rows["operands"].to_list()]
            if k not in task.listed:
                assert parsed[role].to_list() == asked


def test_command_writes_parquet_and_jsonl(store, tmp_path, monkeypatch, capfd):
    questions = tmp_path / "q.jsonl"
    rows = [
        {"id": i, "scene_name": "s", "question_type": "object_counting", "question": text, "options": None}
        for i, text in enumerate(["How many chair(s) are in this room?", "How many seats?"])
    ]
    questions.write_text("\n".join(map(json.dumps, rows)))
    out, lines = tmp_path / "a.parquet", tmp_path / "a.jsonl"

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["qa-engine", "answer", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            main()
        return stop.value.code or 0

    assert run(store, questions, "--out", out, "--jsonl", lines) == 0
    assert "2 questions (1 answered; not_parsed 1) in" in capfd.readouterr().err
    assert pl.read_parquet(out).columns == ["id", *ANSWERS]
    assert [json.loads(line)["prediction"] for line in lines.read_text().splitlines()] == ["2", None]
    assert run(store, questions, "--out", out) == 2
    assert run(store, tmp_path / "none.jsonl", "--out", tmp_path / "b.parquet") == 2
    (tmp_path / "bad.jsonl").write_text('{"id": 1}')
    assert run(store, tmp_path / "bad.jsonl", "--out", tmp_path / "b.parquet") == 2
    assert "lacks scene_name" in capfd.readouterr().err
    assert not (tmp_path / "b.parquet").exists()


def test_no_questions_no_answers(store):
    schema = {"id": pl.Int64, "scene_name": pl.String, "question_type": pl.String, "question": pl.String,
              "options": pl.List(pl.String)}  # fmt: skip
    answers = answer_questions(Store(store), pl.DataFrame(schema=schema))
    assert len(answers) == 0
    assert answers.columns == ["id", *ANSWERS]
    assert np.array(answers["value"]).dtype == np.float64


def test_every_type_is_answered_as_it_was_asked_or_said_to_depend_on_more_than_its_text(store):
    facts = Facts(Store(store).load_scene("s"))
    proposer = TemplateProposer(select_tasks(["every"]), seed=0, round=0)
    asked = proposer.write(proposer.find([facts])).rename({"question_id": "id"})
    answered = answer_questions(Store(store), asked)
    assert (answered["prediction"].fill_null("") == asked["ground_truth"]).equals(answered["status"] == "answered")
    assert answered.filter(pl.col("status") != "answered")["reason"].unique().to_list() == [AnswerReason.NOT_IN_TEXT]
    assert asked.filter(answered["status"] == "answered")["question_type"].n_unique() >= 20
    other = ask(store, "image_count", "How many chair(s) does this image show?")
    assert other["reason"] == AnswerReason.NOT_IN_TEXT
