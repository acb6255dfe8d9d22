"""Stands in for qa-trainer and qa-eval: a model is the number of samples that it was trained on."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import polars as pl
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import PREDICTIONS, QUESTIONS, SCORES


def option(name: str, default: str = "") -> str:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else default


def write(out: Path, name: str, rows: pl.DataFrame, schema: dict) -> None:
    write_table(with_every_column(rows, schema), out / f"{name}.parquet", schema, table_metadata(name, "made", {}, 0))


def answered(skill: float, phase: str) -> tuple[Path, pl.DataFrame]:
    """Answer questions right with a chance of `skill`, by a hash of their ids."""
    out, asked = Path(option("--out")), read_table(Path(sys.argv[3]), "questions", QUESTIONS)
    luck = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 16**8 for name in asked["question_id"]]
    right = pl.Series(luck) < skill
    sure = pl.Series([[-0.2 if good else -1.2] for good in right], dtype=pl.List(pl.Float32))
    columns = ("question_id", "scene_name", "question_type", "ground_truth", "options", "prompt_id")
    rows = asked.select(columns).with_columns(
        pl.lit("r").alias("run_id"), pl.lit("m").alias("model_id"), pl.lit(option("--runner", "model")).alias("runner"),
        pl.lit(int(option("--round", "0"))).alias("round"), pl.lit(phase).alias("phase"),
        pl.lit("questions").alias("benchmark"), pl.lit("official").alias("parser"),
        completion=pl.when(right).then("ground_truth").otherwise(pl.lit("0")), token_logprobs=sure,
        token_mask=pl.lit([True]), token_ids=pl.lit([1]), score=right.cast(pl.Float64),
    )  # fmt: skip
    return out, rows.with_columns(parsed="completion")


def main() -> None:
    program, command = sys.argv[1:3]
    if "--describe" in sys.argv:
        raise SystemExit(1)
    if command == "plan":
        seen = int(option("--frames")) > 0
        told = {"flops": 3e9 * (2 if seen else 1), "seconds": 1, "total_bytes": 1, "available_bytes": 1}
        sys.stdout.write(json.dumps({**told, "weights_bytes": 1, "optimizer_bytes": 1}))
        return
    model = Path(option("--model")) if option("--model") else None
    known = json.loads((model / "model.json").read_text()) if model else 0
    skill = 0.0 if option("--runner") in ("blind", "majority") else 1 - 0.9 * (known / 16 + 1) ** -0.5
    out, rows = answered(skill, "train" if program == "qa-trainer" else "eval")
    write(out, "predictions", rows, PREDICTIONS)
    if program == "qa-trainer":
        (out / "model").mkdir(exist_ok=True)
        (out / "model/model.json").write_text(str(known + int(option("--steps")) * int(option("--batch-size"))))
    else:
        write(out, "scores", rows, SCORES)


main()
