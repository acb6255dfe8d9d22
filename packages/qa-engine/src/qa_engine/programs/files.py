"""Programs from a file, and what became of them in another: JSONL, or Parquet where the name says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import atomic_path
from qa_contract.tableio import table_metadata, write_table
from qa_contract.tables import PROGRAM_OUTCOMES

from qa_engine.errors import QAEngineError
from qa_engine.programs.language import ProgramCode
from qa_engine.programs.pool import Outcome, ProgramPool
from qa_engine.scenes.store import Store
from qa_engine.scenes.worlds import possible_worlds

SCENES_AT_ONCE = 64
"""Scenes whose boxes are in memory together."""


@dataclass(frozen=True)
class ProgramRow:
    """One program to run."""

    id: str | int
    scene_name: str
    program: str


def read_programs(path: Path) -> list[ProgramRow]:
    """Read rows with `id`, `scene_name` and `program`.

    Raises
    ------
    QAEngineError
        The file is missing, or a line is not such a row; the message names the line.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    rows.append(_row(line, f"{path}, line {number}"))
    except OSError as error:
        raise QAEngineError(f"{path}: cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise QAEngineError(f"{path}: not UTF-8 ({error}).") from error
    return rows


def _row(line: str, place: str) -> ProgramRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise QAEngineError(f"{place}: not JSON ({error}).") from error
    if not isinstance(value, dict):
        raise QAEngineError(f"{place}: expected an object with id, scene_name and program.")
    for name, kinds in (("id", (str, int)), ("scene_name", (str,)), ("program", (str,))):
        if not isinstance(value.get(name), kinds) or isinstance(value[name], bool):
            raise QAEngineError(f"{place}: expected {name} to be a text, found {value.get(name)!r:.80}.")
        if isinstance(value[name], str) and not _is_writable(value[name]):
            raise QAEngineError(f"{place}: {name} {value[name]!r:.80} holds half a character (a lone surrogate).")
    return ProgramRow(value["id"], value["scene_name"], value["program"])


def _is_writable(text: str) -> bool:
    """Whether a text has a form in UTF-8: JSON may escape half of a character, which no Parquet file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def run_rows(
    store: Store, rows: list[ProgramRow], pool: ProgramPool, *, progress: Callable[[int], None] = lambda n: None
) -> list[Outcome]:
    """Run programs, each on its scene; the outcomes stand in the order of the rows."""
    places: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        places.setdefault(row.scene_name, []).append(i)
    outcomes: list[Outcome | None] = [None] * len(rows)
    names = list(places)
    for start in range(0, len(names), SCENES_AT_ONCE):
        work, where = [], []
        for name in names[start : start + SCENES_AT_ONCE]:
            try:
                scene = store.load_scene(name)
            except QAEngineError as error:
                for i in places[name]:
                    outcomes[i] = Outcome(str(ProgramCode.UNKNOWN_SCENE), detail=str(error))
                continue
            programs = [rows[i].program for i in places[name]]
            for world in (scene, *possible_worlds(scene)):
                work.append((world, programs))
                where.append(places[name])
        for part, found in zip(where, pool.run(work, progress=progress), strict=True):
            for i, outcome in zip(part, found, strict=True):
                before = outcomes[i]
                outcomes[i] = outcome if before is None else in_both(before, outcome)
    return [outcome for outcome in outcomes if outcome is not None]


def in_both(first: Outcome, second: Outcome) -> Outcome:
    """Join the outcomes of a program in a scene and in another world that it may truly be.

    Returns
    -------
    Outcome
        The first, where numbers differ with the bounds that hold both; `scene_unsure` where anything else differs.

    Examples
    --------
    >>> low, high = Outcome("ok", 2.0, "number", "m"), Outcome("ok", 2.5, "number", "m")
    >>> in_both(low, high).detail, in_both(Outcome("ok", "left", "text"), Outcome("ok", "right", "text")).status
    ('2 to 2.5 within the errors of the scene', 'scene_unsure')
    """
    if first.status != "ok" or (second.status == "ok" and second.value == first.value):
        return first
    if second.status != "ok" or first.type not in ("number", "angle") or isinstance(first.value, int):
        there = second.value if second.status == "ok" else second.status
        detail = f"{first.value!r} in the scene as it is, {there!r} within the errors stated of it."
        return Outcome(str(ProgramCode.SCENE_UNSURE), steps=first.steps, detail=detail, seconds=first.seconds)
    low, high = first.bounds or (first.value, first.value)
    low, high = min(low, second.value), max(high, second.value)
    return replace(first, bounds=(low, high), detail=f"{low:.4g} to {high:.4g} within the errors of the scene")


def write_outcomes(rows: list[ProgramRow], outcomes: list[Outcome], path: Path, *, profile: str) -> None:
    """Write `id, status, value, type, unit, steps, detail`; the same programs give the same bytes."""
    table = [
        {
            "id": row.id,
            "status": outcome.status,
            "value": outcome.value,
            "type": outcome.type,
            "unit": outcome.unit,
            "steps": outcome.steps,
            "detail": outcome.detail,
        }
        for row, outcome in zip(rows, outcomes, strict=True)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        texts = [{**row, "id": str(row["id"]), "value": _json(row["value"])} for row in table]
        metadata = table_metadata("program_outcomes", "qa-engine run-programs", {"profile": profile}, 0)
        write_table(pl.DataFrame(texts, schema=dict(PROGRAM_OUTCOMES)), path, PROGRAM_OUTCOMES, metadata)
        return
    with atomic_path(path) as temporary:
        temporary.write_text("".join(f"{json.dumps(row)}\n" for row in table), encoding="utf-8")


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)
