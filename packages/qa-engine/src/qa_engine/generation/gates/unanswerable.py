"""Gate `unanswerable`: what the frames shown do not tell."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl

from qa_engine.errors import QAEngineError
from qa_engine.generation.gates.base import Gate, Known, Verdicts
from qa_engine.scenes.store import Store
from qa_engine.views.evidence import EvidenceIndex


class Unanswerable(Gate):
    """Refuses what the frames of the question do not show.

    A question about objects that was screened when it was made lists its evidence frames; an empty list is refused. Of
    others every object has to be recognised in a frame, as `generate` has it. What cannot be told, without frames,
    observations or objects, is not judged.
    """

    about: ClassVar[str] = "the frames do not show what it asks about"

    def judge(self, questions: pl.DataFrame, known: Known) -> Verdicts:
        """Judge by the evidence frames, or by the observations of the store."""
        # The size of a room is about no object, so no frame is listed for it.
        about_objects = pl.col("operands").list.len().fill_null(0) > 0
        screened = pl.col("evidence_frames").is_not_null() & about_objects
        empty = screened & (pl.col("evidence_frames").list.len() == 0)
        open_ = questions.filter(~screened & pl.col("frame_set_id").is_not_null())
        hidden = _hidden(open_, known.store) if known.store is not None and len(open_) else None
        frame = questions.select("question_id", "evidence_frames", "operands", "frame_set_id")
        found = pl.DataFrame(schema={"question_id": pl.String, "hidden": pl.Int64}) if hidden is None else hidden
        joined = frame.join(found, on="question_id", how="left", maintain_order="left")
        return Verdicts.of(
            joined,
            refused=empty | (pl.col("hidden") > 0),
            judged=screened | pl.col("hidden").is_not_null(),
            detail=pl.when(empty)
            .then(pl.lit("no frame shows it"))
            .otherwise(pl.format("{} of its objects are in none of the frames", "hidden")),
        )


def _hidden(questions: pl.DataFrame, store: Store) -> pl.DataFrame:
    """Count the objects of each question that its frames do not show: question_id, hidden; those that can be told."""
    rows = (
        questions.select("question_id", "scene_name", "frame_set_id", "operands")
        .explode("operands")
        .with_columns(instance_id=pl.col("operands").struct.field("instance_ids"))
        .explode("instance_id")
        .drop_nulls("instance_id")
        .select("question_id", "scene_name", "frame_set_id", "instance_id")
        .unique(maintain_order=True)
        .sort("scene_name", maintain_order=True)  # what frames show is read for scenes that follow each other
    )
    parts = [pl.DataFrame(schema={"question_id": pl.String, "hidden": pl.Int64})]
    indexes: dict[str, EvidenceIndex | None] = {}
    for (frame_set, scene_name), part in rows.partition_by("frame_set_id", "scene_name", as_dict=True).items():
        if frame_set not in indexes:
            indexes[frame_set] = _index(store, frame_set)
        index = indexes[frame_set]
        ids = np.unique(part["instance_id"].to_numpy())
        evidence = None if index is None else index.scene(scene_name, ids)
        if evidence is None:
            continue
        seen = pl.DataFrame({"instance_id": ids, "seen": evidence.seen})
        counted = part.join(seen, on="instance_id").group_by("question_id", maintain_order=True)
        parts.append(counted.agg(hidden=(~pl.col("seen")).sum().cast(pl.Int64)))
    return pl.concat(parts)


def _index(store: Store, frame_set_id: str) -> EvidenceIndex | None:
    """Read what a frame set shows; None where that is not known."""
    try:
        return EvidenceIndex(store, frame_set_id)
    except QAEngineError:
        return None
