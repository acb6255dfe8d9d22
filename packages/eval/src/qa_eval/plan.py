"""What a run is made of before it starts: questions, frames, and the configuration that names it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.errors import QAEvalError, unknown_name
from qa_eval.fingerprint import model_id, package_version, tables_hash
from qa_eval.items import (
    Problem,
    build_items,
    depth_paths,
    frame_paths,
    questions_revision,
    read_questions,
    shown_frames,
)
from qa_eval.models import Item, RunnerKind
from qa_eval.tableio import read_table, table_files, table_metadata
from qa_eval.tables import FRAME_SETS

PRODUCER = "qa-eval run"


@dataclass(frozen=True)
class RunOptions:
    """Options of a run that decide its content."""

    runner: str = "transformers"
    model: str | None = None
    batch_size: int = 8
    max_new_tokens: int = 16
    round: int | None = None
    seed: int = 0
    device: str = "auto"
    benchmark: str = "questions"
    parser: str = "official"
    degrade: str | None = None
    frame_set: str | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run left behind; `already` = nothing was to be done."""

    summary: dict[str, Any]
    n_questions: int
    n_rejected: int
    n_resumed: int
    already: bool


@dataclass(frozen=True)
class Plan:
    """All that a run needs before it starts.

    Attributes
    ----------
    questions : DataFrame
    items : list of Item
    problems : dict of int to Problem
        Row to why it cannot be asked.
    reference : tuple of Item
        Questions that baselines are fitted on.
    answers : Path, optional
        Stored answers.
    depths : dict of Path to Path
        Frame to depth map.
    shown : dict
        What the frames are: sets, number, size, rate.
    revision : dict
        What identifies the questions.
    config, metadata : dict
    """

    questions: pl.DataFrame
    items: list[Item]
    problems: dict[int, Problem]
    reference: tuple[Item, ...]
    answers: Path | None
    depths: dict[Path, Path]
    shown: dict[str, Any]
    revision: dict[str, str]
    config: dict[str, Any]
    metadata: dict[str, str]


def make_plan(
    questions: Path,
    store: Path | None,
    options: RunOptions,
    kind: RunnerKind,
    *,
    majority_from: Path | None,
    answers: Path | None,
) -> Plan:
    """Read the questions, find their frames, and fix the configuration that names the run."""
    table = read_questions(questions)
    if options.frame_set is not None:
        if kind.frames == "none":
            raise QAEvalError(f"Runner '{options.runner}' shows no frames; --frame-set has no effect.")
        table = table.with_columns(frame_set_id=pl.lit(options.frame_set))
    if kind.is_model and options.model is None:
        raise QAEvalError(f"Runner '{options.runner}' needs --model (a folder, a hub id, or a name at the server).")
    if options.runner == "replay" and answers is None:
        raise QAEvalError("Runner 'replay' needs --answers (predictions that carry ids and completions).")
    if answers is not None and not kind.reads_answers:
        raise QAEvalError(f"Runner '{options.runner}' does not read --answers; 'replay' and 'oracle' do.")
    if options.degrade and kind.frames == "none":
        raise QAEvalError(f"Runner '{options.runner}' shows no frames; there is nothing to degrade.")
    with_frames = kind.frames != "none" and table["frame_set_id"].null_count() < table.height
    if with_frames and store is None:
        raise QAEvalError(f"{questions}: the questions refer to frames; pass the store with --store.")
    config: dict[str, Any] = asdict(options) | {"questions": tables_hash(table_files(Path(questions), "questions"))}
    del config["model"]
    if options.frame_set is None:
        del config["frame_set"]
    config["model_id"] = options.runner
    if kind.is_model:
        config["model_id"] = model_id(str(options.model)) if kind.is_local else f"{options.runner}:{options.model}"
    frames: dict[tuple[str, str], tuple[Path, ...] | Problem] = {}
    shown: dict[str, Any] = {"input": "text only"}
    if with_frames and store is not None:
        if options.frame_set is not None:
            known = read_table(Path(store), "frame_sets", FRAME_SETS, columns=["frame_set_id"])["frame_set_id"].unique()
            if options.frame_set not in known:
                raise unknown_name("frame set", options.frame_set, known.to_list())
        frames = frame_paths(table, store)
        shown = shown_frames(table, store, shown=kind.frames)
        config["frames"] = {name: tables_hash(table_files(Path(store), name)) for name in ("frame_sets", "frames")}
    if kind.is_local:
        config["versions"] = {name: package_version(name) for name in ("torch", "transformers")}
    reference: tuple[Item, ...] = ()
    if kind.is_fitted:
        source = Path(majority_from or questions)
        reference = tuple(build_items(read_questions(source), {}))
        config["majority_from"] = tables_hash(table_files(source, "questions"))
    if answers is not None:
        config["answers"] = tables_hash(table_files(Path(answers), "predictions"))
    keys = zip(table["scene_name"], table["frame_set_id"], strict=True)
    problems = {i: p for i, key in enumerate(keys) if isinstance(p := frames.get(key), Problem)}
    metadata = table_metadata("predictions", PRODUCER, config, options.seed)
    items = build_items(table, frames, shown=kind.frames)
    depths = depth_paths(store) if options.degrade and with_frames and store is not None else {}
    revision = questions_revision(questions) | {"sha256": config["questions"]}
    return Plan(table, items, problems, reference, answers, depths, shown, revision, config, metadata)
