"""One `qa-trainer grpo` run: check the inputs, train, and write the outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from qa_trainer.config import GRPOSettings
from qa_trainer.data import Samples, load_samples
from qa_trainer.loading import model_hash, resolve_model
from qa_trainer.rewards.cognitive_map import GRID
from qa_trainer.tableio import read_table, table_metadata, write_json, write_table
from qa_trainer.tables import OBJECTS, QUESTIONS, REJECTS

PRODUCER = "qa-trainer grpo"


@dataclass(frozen=True)
class GRPOSummary:
    """The outcome: identity, questions used and refused, mean reward of the first and the last tenth, seconds."""

    run_id: str
    questions: int
    rejects: int
    reward_first: float
    reward_last: float
    seconds: float


def run_grpo(
    questions: Path, store: Path, model_name: str, settings: GRPOSettings, out: Path, *, report: Callable[[str], None]
) -> GRPOSummary:
    """Train and write `model/`, `rewards.json`, `rejects.parquet` and `manifest.json` to `out`.

    Raises
    ------
    QATrainerError, TableError
        The inputs cannot be used, or training failed.
    """
    from qa_trainer.quiet import quiet_libraries

    quiet_libraries()
    from qa_trainer.grpo import check_rewards, train

    check_rewards(settings.rewards)
    folder = resolve_model(model_name)
    samples = load_samples(questions, store)
    pairs = _pairs(samples, questions)
    if "consistency" in settings.rewards:
        order = pairs.with_row_index("row").sort(pl.col("row").min().over("group"), "row")["row"]
        samples, pairs = Samples(samples.rows[order], samples.rejects, samples.store), pairs[order]
    cells = _cells(samples, store) if "cognitive_map" in settings.rewards else [None] * len(samples)
    extra = pairs.select("pair_id").with_columns(cells=pl.Series(cells, dtype=pl.String))
    config = {"settings": settings.model_dump(mode="json"), "model": model_hash(folder)}
    metadata = table_metadata("rejects", PRODUCER, config, settings.seed)
    result = train(samples, extra, folder, settings, out / "model", report=report)
    write_table(samples.rejects.with_columns(stage=pl.lit("grpo")), out / "rejects.parquet", REJECTS, metadata)
    write_json(out / "rewards.json", {"steps": result.rewards})
    rewards = np.array([step["reward"] for step in result.rewards])
    tenth = max(1, len(rewards) // 10)
    summary = GRPOSummary(
        run_id=metadata["run_id"],
        questions=len(samples),
        rejects=len(samples.rejects),
        reward_first=round(float(rewards[:tenth].mean()), 4),
        reward_last=round(float(rewards[-tenth:].mean()), 4),
        seconds=result.seconds,
    )
    write_json(out / "manifest.json", {"producer": PRODUCER, "model": str(folder), **config, **vars(summary)})
    return summary


def _pairs(samples: Samples, questions: Path) -> pl.DataFrame:
    """Find the questions about the same objects with the same answer: columns `group`, and `pair_id` where shared."""
    asked = read_table(questions, "questions", QUESTIONS, columns=["question_id", "operands"])
    objects = pl.col("operands").list.eval(pl.element().struct.field("instance_ids").list.first()).list.sort()
    asked = asked.select("question_id", objects=objects.cast(pl.List(pl.String)).list.join(","))
    options = samples.rows["options"].to_list()
    answers = [
        truth if listed is None else next((o.split(" ", 1)[-1] for o in listed if o.startswith(f"{truth}.")), truth)
        for truth, listed in zip(samples.rows["ground_truth"], options, strict=True)
    ]
    keyed = samples.rows.with_columns(answer=pl.Series(answers)).join(
        asked, on="question_id", how="left", maintain_order="left"
    )
    key = pl.concat_str("scene_name", "question_type", "objects", "answer", separator="|")
    keyed = keyed.select(group=pl.coalesce(key, "question_id"))
    return keyed.with_columns(pair_id=pl.when(pl.len().over("group") > 1).then("group"))


def _cells(samples: Samples, store: Path) -> list[str | None]:
    """Draw the true map of every question's scene: JSON of category to cells, as `cognitive_map` reads it."""
    objects = read_table(store, "objects", OBJECTS, columns=["scene_name", "category", "center"])
    maps: dict[str, str] = {}
    for (scene,), group in objects.group_by("scene_name"):
        places = np.array(group["center"].to_list())[:, :2]
        low, span = places.min(axis=0), np.ptp(places, axis=0).max()
        grid = np.floor((places - low) / (span or 1.0) * (GRID - 1) + 0.5).astype(int)
        drawn: dict[str, list[list[int]]] = {}
        for category, cell in zip(group["category"], grid.tolist(), strict=True):
            drawn.setdefault(category, []).append(cell)
        maps[str(scene)] = json.dumps(drawn, sort_keys=True)
    return [maps.get(scene) for scene in samples.rows["scene_name"]]
