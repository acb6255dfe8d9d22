"""Section on who wrote the questions: what each proposer was asked for, gave, and why the rest was refused."""

from __future__ import annotations

import json

import polars as pl
from qa_contract.pages import Cell, Column, Heading, Note, Section, Table
from qa_contract.pages.parts import Part

from qa_loop.report.run import Run
from qa_loop.report.sections import heat_table
from qa_loop.report.tables import RunTables
from qa_loop.results import finished
from qa_loop.stage import Stage, round_folder


def proposers_sections(run: Run, tables: RunTables) -> list[Section]:
    """Count per proposer and round; nothing where templates alone ask, as in a file that names no proposer."""
    if not run.config.generate.proposer:
        return []
    stages = [s for s in finished(run.folder) if s.round and s.called[:2] in (_TEMPLATES, _MODELS)]
    if not stages:
        return []
    columns = [Column("proposer", "text"), "round", "asked for", "wrote", "taken", Column("refused", "text")]
    note = (
        "Templates fill up what models leave open, so that they write more than their share; taken is what became "
        "candidates of the round. A refusal is a row of the stage's rejects."
    )
    parts: list[Part | str] = [Note(note), Table(columns, [_row(run, stage) for stage in stages])]
    if counted := tables.question_counts(["proposer"]):
        parts += [Heading("Trained on"), heat_table(counted, ["proposer"])]
    return [Section("Proposers", parts)]


_TEMPLATES, _MODELS = ("qa-engine", "generate"), ("qa-engine", "propose")


def _row(run: Run, stage: Stage) -> list[Cell | str | int | None]:
    place, record = stage.out.rpartition("/")[2], run.manifest.stages[stage.name]
    words = stage.called[2]
    mixed = _mixed(run, stage).get(place)
    wanted = mixed["share"] if mixed else int(words[words.index("--count") + 1])
    refused = ""
    if stage.called[:2] == _MODELS:
        reasons = pl.read_parquet(run.folder / stage.out / "rejects.parquet", columns=["reason"])
        counts = reasons.group_by("reason").len().sort("len", "reason", descending=[True, False])
        refused = ", ".join(f"{reason} {n}" for reason, n in counts.iter_rows())
    return [
        place.replace("_", " "),
        stage.round,
        wanted,
        record.rows,
        mixed["taken"] if mixed else record.rows,
        refused,
    ]


def _mixed(run: Run, stage: Stage) -> dict[str, dict[str, int]]:
    """Read how the round's shares were put together; empty where one proposer wrote all."""
    name = "candidates" if run.config.gating else "questions"
    path = run.folder / round_folder(stage.round or 0) / name / "manifest.json"
    try:
        return {source["source"]: source for source in json.loads(path.read_text(encoding="utf-8"))["sources"]}
    except (OSError, ValueError, KeyError):
        return {}
