"""Finished units into tables: scores per scene, costs, counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.tableio import read_table, table_metadata, with_every_column, write_table
from qa_contract.tables import DECLARATIONS, POOL_FLAGS, QUESTIONS, SCORES, UNIT_COSTS, UNIT_COUNTS, UNIT_SCORES

from qa_loop.costs import BACKWARD, Costs
from qa_loop.experiment.plan import BLIND, CONSTANT, DECAYED, MAJORITY, WARMUP, Cell
from qa_loop.experiment.pool import PRODUCER, USEFUL, WRONG
from qa_loop.experiment.sections import ExperimentConfig
from qa_loop.experiment.unit import Plan, Unit

LARGEST_COUNT = 9
"""Largest whole number with a row of its own in `unit_counts`."""


@dataclass(frozen=True)
class Tables:
    """What an experiment found, as the tables of the same names."""

    scores: pl.DataFrame
    costs: pl.DataFrame
    counts: pl.DataFrame


@dataclass(frozen=True)
class _Answered:
    """A folder of `qa-eval run` on one held-out set."""

    key: Mapping[str, Any]
    test: str
    folder: Path


def collect(root: Path, config: ExperimentConfig, plan: Plan, done: set[str], costs: Costs | None) -> Tables:
    """Read what the finished units hold."""
    units = [unit for unit in plan.units if unit.name in done]
    answered = [found for unit in units for found in _answered(root, config, unit)]
    scores, counts = [pl.DataFrame(schema=dict(UNIT_SCORES))], [pl.DataFrame(schema=dict(UNIT_COUNTS))]
    for one in answered:
        rows = read_table(one.folder, "scores", SCORES, unique=False).filter(pl.col("score").is_not_null())
        scores.append(_of_scenes(rows, one))
        counts.append(_of_counts(rows, one))
    spent = [pl.DataFrame(schema=dict(UNIT_COSTS))]
    spent += [_costs(root, config, unit, costs) for unit in units if unit.key]
    tables = (("unit_scores", scores), ("unit_costs", spent), ("unit_counts", counts))
    return Tables(*(pl.concat(parts).sort(DECLARATIONS[name].key) for name, parts in tables))


def write_tables(tables: Tables, out: Path, digest: str) -> None:
    """Write the tables; their metadata hold the digest of the rules."""
    for name, table, schema in (
        ("unit_scores", tables.scores, UNIT_SCORES),
        ("unit_costs", tables.costs, UNIT_COSTS),
        ("unit_counts", tables.counts, UNIT_COUNTS),
    ):
        write_table(table, out / f"{name}.parquet", schema, table_metadata(name, PRODUCER, {"rules": digest}, 0))


def _answered(root: Path, config: ExperimentConfig, unit: Unit) -> list[_Answered]:
    """List the evaluations of a unit, with the row of the tables that each belongs to."""
    key = dict(unit.key)
    if not key:
        return _common(root, config, unit)
    found = []
    for path in sorted((root / unit.name).glob("**/*_*/scores.parquet")):
        kind, _, test = path.parent.name.partition("_")
        if kind not in ("eval", "blind"):
            continue
        own = key | ({"arm": BLIND} if kind == "blind" else {})
        if key["schedule"] == CONSTANT:
            own["budget"] = int(path.parent.parent.name[1:])
        found.append(_Answered(own, test, path.parent))
    return found


def _common(root: Path, config: ExperimentConfig, unit: Unit) -> list[_Answered]:
    """List what is the same for every pool: the most frequent answers, and the model after the warm-up."""
    base: dict[str, Any] = {"schedule": DECAYED, "budget": 0, "waste": 0.0, "noise": 0.0}
    if unit.name.startswith("tests/"):
        key = {"arm": MAJORITY, "seed": 0, **base}
        return [_Answered(key, unit.name.partition("/")[2], root / unit.name / "majority")]
    if match := re.fullmatch(r"warmup/seed-(\d+)", unit.name):
        key = {"arm": WARMUP, "seed": int(match[1]), **base}
        return [_Answered(key, entry.name, root / unit.name / f"eval_{entry.name}") for entry in config.test]
    return []


def _keyed(rows: pl.DataFrame, one: _Answered, schema: Mapping[str, Any]) -> pl.DataFrame:
    values = {**one.key, "test": one.test}
    return with_every_column(rows.with_columns(pl.lit(value).alias(name) for name, value in values.items()), schema)


def _of_scenes(rows: pl.DataFrame, one: _Answered) -> pl.DataFrame:
    # In order, so that the sums are the same to the last digit.
    by_scene = rows.group_by("question_type", "scene_name", maintain_order=True)
    grouped = by_scene.agg(n=pl.len().cast(pl.Int64), score=pl.col("score").mean())
    return _keyed(grouped, one, UNIT_SCORES)


def _of_counts(rows: pl.DataFrame, one: _Answered) -> pl.DataFrame:
    """Count true and given whole numbers of the types whose true answers are all small."""
    whole = pl.col("ground_truth").str.to_integer(strict=False)
    numbers = rows.filter(pl.col("options").is_null()).with_columns(truth=whole)
    small = (pl.col("truth").is_between(0, LARGEST_COUNT)).fill_null(False).all().over("question_type")
    numbers = numbers.filter(small)
    said = pl.col("parsed").cast(pl.Float64, strict=False).round().cast(pl.Int64, strict=False)
    given = pl.when(said.is_between(0, LARGEST_COUNT)).then(said).otherwise(-1)
    grouped = numbers.with_columns(answer=given).group_by("question_type", "truth", "answer")
    counted = grouped.agg(n=pl.len().cast(pl.Int64))
    return _keyed(counted, one, UNIT_COUNTS)


def _costs(root: Path, config: ExperimentConfig, unit: Unit, costs: Costs | None) -> pl.DataFrame:
    """Say what a unit was trained on and what it took."""
    key, arm = dict(unit.key), config.arms[unit.key["arm"]]
    cell = f"{Cell(key['waste'], key['noise']).name}/seed-{key['seed']}"
    flags = read_table(root / "pools" / cell / "pool", "pool_flags", POOL_FLAGS)
    folders = sorted(path.parent for path in (root / unit.name).glob("*/questions/questions.parquet"))
    asked = pl.concat([_ids(folder) for folder in folders]).join(flags, on="question_id", how="left")
    kinds = asked["kind"].to_list()
    useful, wrong = kinds.count(USEFUL), kinds.count(WRONG)
    row = {**key, "rounds": unit.rounds, "rows": len(asked), "n_useful": useful, "n_wrong": wrong}
    row["n_waste"] = len(asked) - useful - wrong
    if costs is not None:
        judged = 0.0
        if arm.pool == "gated" and {"blind", "trivial", "suspect"} & {*arm.needs_gates}:
            passed = len(_ids(root / "gates" / cell / "-".join(arm.needs_gates) / "questions"))
            judged = min(len(flags), len(asked) * len(flags) / max(passed, 1))
        both = costs.unseen + (costs.seen if {"trivial", "suspect"} & {*arm.needs_gates} else 0)
        panel = config.pool.panel * unit.rounds * arm.listens
        row |= {"flops_train": BACKWARD * key["budget"] * costs.seen, "flops_gates": judged * both}
        row["flops_passes"] = panel * (costs.seen + costs.unseen * arm.looks_blind)
    return with_every_column(pl.DataFrame([row]), UNIT_COSTS)


def _ids(folder: Path) -> pl.DataFrame:
    return read_table(folder, "questions", QUESTIONS, columns=["question_id"])


def read_results(root: Path) -> Tables:
    """Read the tables that `write_tables` wrote."""
    folder = root / "results"
    schemas = {"unit_scores": UNIT_SCORES, "unit_costs": UNIT_COSTS, "unit_counts": UNIT_COUNTS}
    return Tables(*(read_table(folder, name, schema) for name, schema in schemas.items()))
