"""Question types one by one: how many a second, whether programs give the answers, and what blind guessing scores.

uv run python benchmarks/question_types.py STORE --out benchmarks/results/question_types.json

STORE has observations and a frame set. A type is timed in this process from stored scenes to worded questions, Parquet
not included, with the scenes already read; `--audit N` scores a forest on up to N questions of each type.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import polars as pl
from qa_engine.facts.scene import Facts
from qa_engine.generation.template import TemplateProposer
from qa_engine.replay.verify import compare
from qa_engine.scenes.store import Store
from qa_engine.tasks import Task, select_tasks
from qa_engine.tasks.base import Conditions
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex


def ask(task: Task, facts: list[Facts], frame_set: str | None) -> pl.DataFrame:
    """Ask all that a type asks about some scenes."""
    proposer = TemplateProposer([task], seed=0, round=0, frame_set_id=frame_set)
    return proposer.write(proposer.find(facts))


def measure(task: Task, store: Store, looks: tuple[Any, ...], frame_set: str | None) -> tuple[pl.DataFrame, float]:
    """Ask everything of fresh facts, whose views are stored; give the questions and the seconds."""
    facts = [Facts(scene, "exact", *looks) for scene in store.iter_scenes()]
    for part in facts:
        _ = part.recording  # visibility is stored, reading it is not what is timed
    began = time.perf_counter()
    table = ask(task, facts, frame_set)
    return table, time.perf_counter() - began


def differences(table: pl.DataFrame, store: Store, looks: tuple[Any, ...], most: int = 2000) -> int:
    """Replay up to `most` questions; count those whose program gives another answer."""
    part = table.sample(min(most, len(table)), seed=0)
    found = 0
    for (name,), rows in part.group_by("scene_name"):
        facts = Facts(store.load_scene(str(name)), "exact", *looks)
        found += sum(1 for row in rows.iter_rows(named=True) for _ in compare(row, facts))
    return found


def blind(table: pl.DataFrame, most: int) -> dict[str, float]:
    """Score a forest that reads the text alone, and chance."""
    from qa_engine.audit.blind import blind_scores
    from qa_engine.audit.questions import AuditItem

    items = []
    for row in table.sample(min(most, len(table)), seed=0).iter_rows(named=True):
        options = tuple(option[3:] for option in row["options"] or ())
        right = "ABCDEFGH".index(row["ground_truth"]) if options else -1
        value = float("nan") if options else float(row["ground_truth"])
        items.append(
            AuditItem(
                row["question_id"], row["scene_name"], row["question_type"], row["question"], options, right, value
            )
        )
    scores = blind_scores(items)
    return {"blind": float(scores.forest.mean()), "chance": float(scores.chance.mean())}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--tasks", default="every")
    parser.add_argument("--audit", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    store = Store(options.store)
    frame_set = next(iter(store.frame_set_ids()), None)
    looks = SightingIndex(store).of, FrameEvidence(store).of, RecordingIndex(store).of
    rows: dict[str, dict[str, Any]] = {}
    for task in select_tasks(options.tasks.split(",")):
        own = task.under(Conditions(screened_by=frame_set))
        table, seconds = min((measure(own, store, looks, frame_set) for _ in range(3)), key=lambda found: found[1])
        row: dict[str, Any] = {"questions": len(table), "seconds": round(seconds, 4)}
        row["per_s"] = round(len(table) / seconds) if len(table) else 0
        row["differences"] = differences(table, store, looks)
        if options.audit and table["scene_name"].n_unique() > 4:
            row |= {name: round(value, 3) for name, value in blind(table, options.audit).items()}
        rows[task.question_type] = row
        print(task.question_type, row, flush=True)
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 2)}
    if options.out:
        result = {"machine": machine, "scenes": len(store.scene_names()), "frame_set": frame_set, "types": rows}
        options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
