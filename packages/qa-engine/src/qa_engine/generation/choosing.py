"""Choose from a table of questions that exists: as the table has them, by shares of types, or by a sampler."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from qa_contract.files import output_folder, write_json
from qa_contract.tableio import read_table, table_metadata, write_table
from qa_contract.tables import QUESTIONS

from qa_engine.arrays import Array
from qa_engine.errors import QAEngineError
from qa_engine.generation.inputs import STATE_FILE, read_past, table_digest
from qa_engine.generation.samplers import Cells, get_sampler
from qa_engine.generation.samplers.base import explain_cells
from qa_engine.generation.samplers.quota import allot
from qa_engine.seeding import scene_rng

_CELL = ["question_type", "cell"]


def place(ids: pl.Series, seed: int) -> pl.Series:
    """Give every question its place in a draw, which depends on the seed and its id alone: texts to sort by."""
    keys = [hashlib.sha256(f"{seed}\x1f{name}".encode()).hexdigest() for name in ids.to_list()]
    return pl.Series("key", keys, dtype=pl.String)


def as_it_is(questions: pl.DataFrame, count: int, *, seed: int) -> pl.DataFrame:
    """Draw all questions alike, so that types and cells come as often as the table has them.

    Examples
    --------
    >>> table = pl.DataFrame({"question_id": ["a", "b", "c"]})
    >>> few, more = (set(as_it_is(table, n, seed=1)["question_id"]) for n in (1, 2))
    >>> few < more
    True
    """
    return questions.with_columns(place(questions["question_id"], seed)).sort("key").head(count).drop("key")


def cells_of(questions: pl.DataFrame) -> Cells:
    """List the question types and cells of a table; a question without a cell is in the cell ''.

    Examples
    --------
    >>> rows = pl.DataFrame({"question_type": ["b", "a", "b"], "cell": ["y", None, "x"]})
    >>> cells_of(rows).names
    (('a', ''), ('b', 'x'), ('b', 'y'))
    """
    found = questions.select("question_type", pl.col("cell").fill_null("")).unique().sort(_CELL)
    types = found["question_type"].rle_id().to_numpy().astype(np.int64)
    return Cells(tuple((kind, cell) for kind, cell in found.iter_rows()), types)


def by_weight(questions: pl.DataFrame, cells: Cells, weights: Array, count: int, *, seed: int) -> pl.DataFrame:
    """Draw so that every cell has its weight; what a cell lacks goes to those of its type, then to other types.

    Parameters
    ----------
    questions : DataFrame
        question_id, question_type, cell.
    cells : Cells
        Of `cells_of`.
    weights : (k,) float64
    count : int
    seed : int

    Returns
    -------
    DataFrame
        In an order drawn by the seed, types and cells mixed.
    """
    named = pl.DataFrame(cells.names, schema=dict.fromkeys(_CELL, pl.String), orient="row").with_row_index("number")
    rows = questions.with_row_index("row").with_columns(place(questions["question_id"], seed))
    rows = rows.with_columns(pl.col("cell").fill_null("")).join(named, on=_CELL, how="left").sort("key")
    supply = np.bincount(rows["number"].to_numpy(), minlength=len(cells))[None, :].astype(np.int64)
    quota = allot(supply, weights, cells.types, count, scene_rng(seed, "", "draw"))[0]
    wanted = pl.Series(quota)[rows["number"]]
    kept = rows.filter(pl.int_range(pl.len()).over("number") < wanted)
    return questions[kept["row"]]


def by_mix(questions: pl.DataFrame, mix: Mapping[str, float], count: int, *, seed: int) -> pl.DataFrame:
    """Draw question types by their shares; within a type all questions alike. Types without a share are left out.

    Raises
    ------
    QAEngineError
        The table has none of the types.

    Examples
    --------
    >>> rows = pl.DataFrame({"question_id": list("abcdef"), "question_type": ["x"] * 3 + ["y"] * 3, "cell": ["1"] * 6})
    >>> sorted(by_mix(rows, {"x": 2, "y": 1}, 3, seed=0)["question_type"])
    ['x', 'x', 'y']
    """
    kept = questions.filter(pl.col("question_type").is_in(list(mix)))
    if kept.is_empty():
        there = ", ".join(questions["question_type"].unique().sort()) or "none"
        raise QAEngineError(f"The questions have none of the types of the mix: {', '.join(mix)}. Types there: {there}.")
    whole = kept.with_columns(cell=pl.lit(""))
    cells = cells_of(whole)
    weights = np.array([mix[kind] for kind, _ in cells.names], dtype=np.float64)
    drawn = by_weight(whole, cells, weights / weights.sum(), count, seed=seed)
    return drawn.select("question_id").join(kept, on="question_id", maintain_order="left").select(questions.columns)


def read_mix(text: str) -> dict[str, float]:
    """Read shares of question types, written as `TYPE=SHARE,...`.

    Raises
    ------
    QAEngineError

    Examples
    --------
    >>> read_mix("object_counting=5.5, room_size_estimation=8")
    {'object_counting': 5.5, 'room_size_estimation': 8.0}
    """
    try:
        found = {kind.strip(): float(share) for kind, share in (part.split("=") for part in text.split(","))}
    except ValueError:
        found = {}
    if not found or not all(np.isfinite(share) and share > 0 for share in found.values()):
        raise QAEngineError(f"--mix '{text}': write TYPE=SHARE,TYPE=SHARE with shares above 0.")
    return found


def write_chosen(
    source: Path,
    out: Path,
    count: int,
    *,
    mix: str | None = None,
    sampler: str | None = None,
    feedback: Path | None = None,
    explore: float | None = None,
    shuffled_of: str | None = None,
    state: Path | None = None,
    exclude: Sequence[Path] = (),
    seed: int = 0,
    force: bool = False,
) -> tuple[int, list[str]]:
    """Choose questions of a table into a folder: `questions`, and with a sampler `sampler.json`.

    Parameters
    ----------
    source, out : Path
    count : int
    mix : str, optional
        Of `read_mix`.
    sampler : str, optional
        A name in `SAMPLERS`; its weights are over the types and cells of the table.
    feedback, explore, shuffled_of, state
        As `qa-engine generate` has them.
    exclude : sequence of Path
        Questions that are not chosen, by their id.
    seed : int
    force : bool

    Returns
    -------
    (int, list of str)
        Questions chosen, and what the sampler or the mix could not do.

    Raises
    ------
    QAEngineError
        Both `mix` and `sampler` are given, or what belongs to a sampler without one.
    """
    if mix is not None and sampler is not None:
        raise QAEngineError("--mix and --sampler are two ways to choose: give one of them, or neither.")
    if sampler is None and any(value is not None for value in (feedback, explore, shuffled_of, state)):
        raise QAEngineError("--feedback, --explore, --shuffled-of and --sampler-state are for --sampler: name one.")
    table = read_table(source, "questions", QUESTIONS)
    asked = [read_table(path, "questions", QUESTIONS, columns=["question_id"]) for path in exclude]
    left = table.join(pl.concat(asked), on="question_id", how="anti", maintain_order="left") if asked else table
    config: dict[str, Any] = {"count": count, "mix": mix, "sampler": sampler, "explore": explore, "of": shuffled_of}
    config |= {"questions": table_digest(left)}
    notes: list[str] = []
    told: dict[str, Any] | None = None
    if sampler is not None:
        past = read_past(sampler, feedback=feedback, state=state)
        cells = cells_of(table)
        rule = get_sampler(sampler)(cells, past, seed=seed, explore=explore, of=shuffled_of)
        config["feedback"] = None if past.feedback is None else table_digest(past.feedback)
        notes = rule.notes
        told = {"sampler": sampler, "state": rule.state(), "cells": [asdict(cell) for cell in explain_cells(rule)]}
        chosen = by_weight(left, cells, rule.weights(), count, seed=seed)
    elif mix is not None:
        shares = read_mix(mix)
        chosen = by_mix(left, shares, count, seed=seed)
        if lacking := sorted(shares.keys() - {*left["question_type"]}):
            notes = [f"--mix: no question is of type {', '.join(lacking)}; the share goes to the other types."]
    else:
        chosen = as_it_is(left, count, seed=seed)
    with output_folder(out, force=force) as folder:
        metadata = table_metadata("questions", "qa-engine choose", config, seed)
        write_table(chosen, folder / "questions.parquet", QUESTIONS, metadata)
        if told is not None:
            write_json(folder / STATE_FILE, told)
    return len(chosen), notes
