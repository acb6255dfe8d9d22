"""What rewards are told about a question besides its answer: its partners, and the true map of its scene."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import OBJECTS, QUESTIONS

from qa_trainer.data.questions import Samples
from qa_trainer.rewards.cognitive_map import GRID
from qa_trainer.rewards.consistency import option_texts


def partners(samples: Samples, questions: Path) -> pl.DataFrame:
    """Find questions whose answers have to fit together: columns `group`, and `pair_id` where it is shared.

    They are of one type, about the same objects of one scene, and have the same answer (two views of one thing) or the
    same two options (a question and its inverse).
    """
    asked = read_table(questions, "questions", QUESTIONS, columns=["question_id", "operands"])
    objects = pl.col("operands").list.eval(pl.element().struct.field("instance_ids").list.first()).list.sort()
    asked = asked.select("question_id", objects=objects.cast(pl.List(pl.String)).list.join(","))
    options = samples.rows["options"].to_list()
    answers = [
        truth if listed is None else _meaning(truth, option_texts(listed))
        for truth, listed in zip(samples.rows["ground_truth"], options, strict=True)
    ]
    keyed = samples.rows.with_columns(answer=pl.Series(answers)).join(
        asked, on="question_id", how="left", maintain_order="left"
    )
    key = pl.concat_str("scene_name", "question_type", "objects", "answer", separator="|")
    keyed = keyed.select(group=pl.coalesce(key, "question_id"))
    return keyed.with_columns(pair_id=pl.when(pl.len().over("group") > 1).then("group"))


def _meaning(truth: str, texts: Mapping[str, str]) -> str:
    """Say what the answer to a choice has in common with those that it has to fit."""
    return " or ".join(sorted(texts.values())) if len(texts) == 2 else texts.get(truth.lower(), truth)


def true_maps(samples: Samples, store: Path) -> list[str | None]:
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
