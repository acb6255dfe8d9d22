"""A run as a log of inspect_ai, so that `inspect view` and its data frames open it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.files import atomic_path
from qa_contract.prompts import PROMPTS, format_prompt

from qa_eval.scoring.rows import answer_rows, read_sources
from qa_eval.scoring.stored import Stored, read_stored

LOG_VERSION = 2
"""Of inspect_ai's log format; see `EvalLog` in its module `inspect_ai.log`."""
SCORER = "qa_eval"
UNKNOWN_TIME = "1970-01-01T00:00:00+00:00"
"""Of answers that were scored from a file, which say no time; the format wants one."""


def write_inspect_log(source: Path, out: Path, *, questions: Path | None = None, store: Path | None = None) -> int:
    """Write scored answers as a JSON log of inspect_ai.

    Parameters
    ----------
    source : Path
        Run folder, scores table, or rows of `score --out`.
    out : Path
        File that ends in `.json`; inspect_ai looks for logs by this ending.
    questions, store : Path, optional
        Where they are not where the run found them.

    Returns
    -------
    int
        Samples in the log.

    Raises
    ------
    QAEvalError
        There are no scored answers.
    """
    stored = read_stored(source)
    log = inspect_log(stored, answer_rows(stored, read_sources(stored, questions, store)))
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(out) as temporary:
        temporary.write_text(json.dumps(log, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return len(log["samples"])


def inspect_log(stored: Stored, rows: pl.DataFrame) -> dict[str, Any]:
    """Build the log as an object: settings, metrics, and a sample per question."""
    first, manifest = stored.frame.row(0, named=True), stored.manifest
    started = manifest.get("started") or UNKNOWN_TIME
    ended = manifest.get("finished") or started
    samples = [_sample(row, str(first["model_id"])) for row in rows.iter_rows(named=True)]
    scored = rows["score"].drop_nulls().len()
    spec = {
        "eval_id": str(first["run_id"]),
        "run_id": str(first["run_id"]),
        "created": datetime.fromisoformat(started).astimezone(UTC).isoformat(),
        "task": str(first["benchmark"]),
        "task_id": str(first["run_id"]),
        "dataset": {
            "name": str(first["benchmark"]),
            "samples": rows.height,
            "sample_ids": rows["question_id"].to_list(),
        },
        "model": str(first["model_id"]),
        "config": {"epochs": 1},
        "packages": manifest.get("packages", {}),
        "metadata": {"parser": first["parser"], "runner": first["runner"], "settings": stored.settings},
    }
    return {
        "version": LOG_VERSION,
        "status": "success",
        "eval": spec,
        "plan": {"name": "plan", "steps": [], "config": {}},
        "results": {
            "total_samples": rows.height,
            "completed_samples": scored,
            "scores": [
                {
                    "name": SCORER,
                    "scorer": SCORER,
                    "params": {"parser": first["parser"]},
                    "scored_samples": scored,
                    "unscored_samples": rows.height - scored,
                    "metrics": _metrics(stored, rows),
                }
            ],
        },
        "stats": {"started_at": started, "completed_at": ended},
        "samples": samples,
    }


def _metrics(stored: Stored, rows: pl.DataFrame) -> dict[str, Any]:
    """Give the benchmark's overall score where a run made it, the mean of the rows, and that of each question type."""
    found = {"micro": rows["score"].mean()}
    if stored.summary is not None:
        found = {"overall": stored.summary["overall"]["mean"]} | found
    types = rows.group_by("question_type", maintain_order=True).agg(pl.col("score").mean())
    found |= dict(types.iter_rows())
    return {name: {"name": name, "value": value} for name, value in found.items() if value is not None}


def _sample(row: dict[str, Any], model: str) -> dict[str, Any]:
    """Write one question with its answer and score; frames are named, not copied."""
    prompt_id = row["prompt_id"] if row["prompt_id"] in PROMPTS else None
    text = row["question"] or ""
    asked = format_prompt(text, row["options"] or (), prompt_id) if prompt_id and text else text
    said = row["completion"] or ""
    reply = {"role": "assistant", "content": said, "source": "generate", "model": model}
    sample: dict[str, Any] = {
        "id": row["question_id"],
        "epoch": 1,
        "input": asked,
        "choices": row["options"],
        "target": row["ground_truth"] or "",
        "messages": [{"role": "user", "content": asked, "source": "input"}, reply],
        "output": {
            "model": model,
            "choices": [{"message": reply, "stop_reason": "stop"}],
            "completion": said,
        },
        "metadata": {
            "scene_name": row["scene_name"],
            "question_type": row["question_type"],
            "frame_set_id": row["frame_set_id"],
            "frame_ids": row["frame_ids"],
            "confidence": row["confidence"],
            "program": row["program"],
        },
    }
    if row["score"] is not None:
        why = "could not be read" if row["parse_failed"] else None
        sample["scores"] = {SCORER: {"value": row["score"], "answer": row["parsed"], "explanation": why}}
    return sample
