"""How one question is answered, as a page or as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import atomic_path
from qa_contract.tableio import table_files
from qa_contract.tables import QUESTIONS

from qa_engine.errors import QAEngineError
from qa_engine.facts.scene import Facts
from qa_engine.replay.answer import answer_questions
from qa_engine.replay.external import read_external_questions
from qa_engine.scenes.store import Store
from qa_engine.show.explain_page import explain_page
from qa_engine.show.explain_picture import explain_picture
from qa_engine.show.explanation import explanation_of
from qa_engine.tasks import TASKS
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex

ENDINGS = (".html", ".png")


def explain(store: Store, source: Path, question_id: str, out: Path) -> dict[str, Any]:
    """Explain one question in a file and return it.

    Parameters
    ----------
    store : Store
    source : Path
        Our table `questions`, or a file in VSI-Bench's schema, whose questions are answered first.
    question_id : str
    out : Path
        Ends with .html (a page that opens offline) or .png (a picture, drawn without a browser).

    Raises
    ------
    QAEngineError
        The ending is another, or there is no such question.
    """
    if out.suffix not in ENDINGS:
        raise QAEngineError(f"--out {out} ends with {out.suffix or 'nothing'!r}. Name a file {' or '.join(ENDINGS)}.")
    question = load_question(store, source, question_id)
    profile = question.get("profile") or "exact"
    looks = SightingIndex(store).of, FrameEvidence(store).of, RecordingIndex(store).of
    facts = Facts(store.load_scene(question["scene_name"]), profile, *looks)
    explanation = explanation_of(question, facts)
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        if out.suffix == ".png":
            explain_picture(explanation).png(temporary)
        else:
            temporary.write_text(explain_page(explanation).html(), encoding="utf-8")
    return question


def load_question(store: Store, source: Path, question_id: str) -> dict[str, Any]:
    """Get one question with its program, from our table or from a file in VSI-Bench's schema.

    Raises
    ------
    QAEngineError
        There is no such id, or the question cannot be answered.
    """
    files = table_files(source, "questions")
    known = list(pl.read_parquet_schema(files[0])) if files[0].suffix == ".parquet" else []
    if "program" in known and "question_id" in known:
        table = pl.scan_parquet(files).filter(pl.col("question_id") == question_id).collect()
        if len(table) == 0:
            raise QAEngineError(f"{source} has no question {question_id!r}. Ids are in its column question_id.")
        return table.select(name for name in QUESTIONS if name in known).row(0, named=True)
    questions = read_external_questions(source, with_truth=True)
    chosen = questions.filter(pl.col("id").cast(pl.String) == question_id)
    if len(chosen) == 0:
        raise QAEngineError(f"{source} has no question with the id {question_id!r}. Ids are in its column id.")
    answer = answer_questions(store, chosen).row(0, named=True)
    if answer["status"] != "answered":
        raise QAEngineError(f"Question {question_id} cannot be answered: {answer['reason']}.")
    question = chosen.row(0, named=True) | answer | {"answer_value": answer["value"], "question_id": question_id}
    task = TASKS[question["question_type"]]
    return question | {"unit": task.unit, "margin_unit": task.margin_unit}
