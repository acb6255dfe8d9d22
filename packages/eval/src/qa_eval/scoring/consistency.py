"""Consistency of the answers of one run, or of two runs of the same questions."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from qa_contract.errors import TableError
from qa_contract.options import option_letter, option_text
from qa_contract.tableio import read_table
from qa_contract.tables import QUESTIONS, SCORES

from qa_eval.errors import QAEvalError
from qa_eval.files import need_columns, read_columns
from qa_eval.metrics.consistency import Relation, answers_fit, consistency
from qa_eval.scoring.questions import read_questions

RIGHT = 0.5
INVERSE = re.compile(r'"([^"]+)" if (.+) > (.+) else "([^"]+)"')
"""Program of a question that asks which of two has more of something."""


class Answer(NamedTuple):
    """Text of an answer, whether it is right, and the texts that were offered."""

    text: str | None
    is_right: bool
    offered: frozenset[str]


def run_consistency(
    runs: list[Path], questions: Path, *, pairs: Path | None = None, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Compare the answers to paired questions.

    Parameters
    ----------
    runs : list of Path
        One run folder: its questions are paired by `pairs`, or those that ask for one fact: the same question over
        several frame sets, questions whose answers are computed by the same program, and its inverse.
        Two run folders: every question is paired with itself.
    questions : Path
        The questions table; it turns letters into the texts of options.
    pairs : Path, optional
        Rows with `a`, `b` (question ids) and `relation` (same or inverse), as JSONL, JSON or Parquet.

    Returns
    -------
    dict
        Per relation: the fields of `Consistency`, and `unpaired` = pairs without an answer or without an opposite.

    Raises
    ------
    QAEvalError
        There are no pairs, or a relation is unknown.
    """
    table = read_questions(questions)
    scene = dict(zip(table["question_id"], table["scene_name"], strict=True))
    answers = [_answers(folder, table) for folder in runs]
    if len(answers) == 2:
        shared = [name for name in answers[0] if name in answers[1]]
        linked: list[tuple[str, str, Relation]] = [(name, name, "same") for name in shared]
    else:
        linked = _by_fact(table, questions) if pairs is None else _read_pairs(pairs)
    if not linked:
        hint = "pass --pairs, or a second run" if pairs is None else "the file has no rows"
        raise QAEvalError(f"{runs[0]}: no two questions are paired; {hint}.")
    found: dict[str, dict[str, Any]] = {}
    relations: list[Relation] = ["same", "inverse"]
    for relation in relations:
        rows = [(answers[0].get(a), answers[-1].get(b), a) for a, b, r in linked if r == relation]
        fits = [_fit(first, second, relation) for first, second, _ in rows]
        right = [(bool(first and first.is_right), bool(second and second.is_right)) for first, second, _ in rows]
        scenes = [scene.get(a, a) for _, _, a in rows]
        if not rows:
            continue
        result = consistency(fits, right, scenes, rng=np.random.default_rng(seed))
        if result is not None:
            found[relation] = asdict(result)
    if not found:
        raise QAEvalError(f"{runs[0]}: none of the {len(linked)} pairs has two answers that can be compared.")
    return found


def _answers(folder: Path, questions: pl.DataFrame) -> dict[str, Answer]:
    """Read the answers of a run: numbers as they are, letters as the texts of the question's options."""
    scores = read_table(Path(folder), "scores", SCORES, columns=["question_id", "parsed", "score"])
    options = dict(zip(questions["question_id"], questions["options"].to_list(), strict=True))
    found: dict[str, Answer] = {}
    for name, parsed, score in scores.iter_rows():
        texts = {option_letter(option): option_text(option) for option in options.get(name) or ()}
        text = texts.get(parsed.upper()) if parsed is not None and texts else parsed
        found[name] = Answer(text, score is not None and score >= RIGHT, frozenset(texts.values()))
    return found


def _fit(a: Answer | None, b: Answer | None, relation: Relation) -> bool | None:
    if a is None or b is None or a.text is None or b.text is None:
        return None
    if relation == "inverse" and a.offered == b.offered and len(a.offered) == 2:
        return a.text != b.text
    return answers_fit(a.text, b.text, relation)


def _by_fact(table: pl.DataFrame, questions: Path) -> list[tuple[str, str, Relation]]:
    """Pair questions about one fact: the first with each further one, and the first of either with its inverse.

    A fact is a question, whatever is shown with it, and what a program computes, whatever the wording and the type.
    """
    linked: dict[tuple[str, str, Relation], None] = {}
    grouped = table.group_by("signature", maintain_order=True).agg("question_id")
    for names in grouped["question_id"].to_list():
        linked.update(dict.fromkeys((names[0], other, "same") for other in names[1:]))
    first: dict[tuple[str, str], str] = {}
    for name, scene, program in _programs(questions).iter_rows():
        known = first.setdefault((scene, program), name)
        if known != name:
            linked.setdefault((known, name, "same"))
            continue
        turned = INVERSE.sub(r'"\1" if \3 > \2 else "\4"', program)
        other = first.get((scene, turned)) if turned != program else None
        if other is not None:
            linked.setdefault((other, name, "inverse"))
    return list(linked)


def _programs(questions: Path) -> pl.DataFrame:
    """Read the programs of a questions table; none of a published file."""
    columns = ["question_id", "scene_name", "program"]
    try:
        return read_table(questions, "questions", QUESTIONS, columns=columns).drop_nulls("program")
    except TableError:
        return pl.DataFrame(schema={name: QUESTIONS[name] for name in columns})


def _read_pairs(path: Path) -> list[tuple[str, str, Relation]]:
    columns = read_columns(path, "pairs")
    need_columns(columns, ("a", "b", "relation"), path)
    unknown = next((value for value in columns["relation"] if value not in ("same", "inverse")), None)
    if unknown is not None:
        raise QAEvalError(f"{path}: relation '{unknown}' is unknown. Valid: same, inverse.")
    return [(str(a), str(b), r) for a, b, r in zip(columns["a"], columns["b"], columns["relation"], strict=True)]
