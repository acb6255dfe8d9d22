"""Questions and frames of a store as items that a runner answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from qa_eval.errors import QAEvalError
from qa_eval.models.base import Item
from qa_eval.prompts import PROMPTS, format_prompt
from qa_eval.tableio import read_table
from qa_eval.tables import FRAME_SETS, FRAMES, QUESTIONS

QUESTION_COLUMNS = (
    *("question_id", "scene_name", "question_type", "question", "options", "ground_truth"),
    *("frame_set_id", "prompt_id", "signature"),
)


@dataclass(frozen=True)
class Problem:
    """Why a question cannot be put to a runner: a reason code and what was looked for."""

    reason: str
    detail: str


def read_questions(source: Path) -> pl.DataFrame:
    """Read the columns of a questions table that a run needs.

    Raises
    ------
    QAEvalError
        The table is empty, ids repeat, or a prompt_id is unknown.
    TableError
        The table is missing or lacks columns.
    """
    frame = read_table(source, "questions", QUESTIONS, columns=QUESTION_COLUMNS)
    if frame.is_empty():
        raise QAEvalError(f"{source}: the questions table has no rows.")
    repeated = frame.filter(pl.col("question_id").is_duplicated())["question_id"]
    if len(repeated):
        raise QAEvalError(f"{source}: question_id {repeated[0]} occurs more than once; ids must be unique.")
    unknown = set(frame["prompt_id"].unique().to_list()) - set(PROMPTS)
    if unknown:
        raise QAEvalError(f"{source}: unknown prompt_id {sorted(map(str, unknown))}. Valid: {', '.join(PROMPTS)}.")
    return frame


def frame_paths(questions: pl.DataFrame, store: Path) -> dict[tuple[str, str], tuple[Path, ...] | Problem]:
    """Look up the image files of every (scene_name, frame_set_id) that the questions use.

    Raises
    ------
    TableError
        The store lacks `frame_sets` or `frames`.
    """
    store = Path(store)
    keys = ["scene_name", "frame_set_id"]
    used = questions.select(keys).unique().drop_nulls()
    sets = read_table(store, "frame_sets", FRAME_SETS, columns=[*keys, "frame_ids"])
    images = read_table(store, "frames", FRAMES, columns=["scene_name", "frame_id", "image_path"])
    listed = (
        used.join(sets, on=keys, how="left")
        .explode("frame_ids", empty_as_null=True)
        .rename({"frame_ids": "frame_id"})
        .join(images, on=["scene_name", "frame_id"], how="left", maintain_order="left")
    )
    found: dict[tuple[str, str], tuple[Path, ...] | Problem] = {}
    for (scene, set_id), group in listed.group_by(keys, maintain_order=True):
        rows = list(zip(group["frame_id"], group["image_path"], strict=True))
        key = (str(scene), str(set_id))
        missing = next((frame_id for frame_id, path in rows if path is None), None)
        if rows[0][0] is None:
            found[key] = Problem("missing_frame_set", f"{store}: no frames for set {set_id} of scene {scene}")
        elif missing is not None:
            found[key] = Problem("missing_frame", f"{store}: frames has no row {missing} of scene {scene}")
        else:
            found[key] = tuple(store / path for _, path in rows)
    return found


def depth_paths(store: Path) -> dict[Path, Path]:
    """Map image files of a store to their depth maps, where there are any."""
    columns = ["image_path", "depth_path"]
    table = read_table(Path(store), "frames", FRAMES, columns=columns).drop_nulls()
    return {Path(store) / image: Path(store) / depth for image, depth in table.iter_rows()}


def build_items(
    questions: pl.DataFrame, frames: dict[tuple[str, str], tuple[Path, ...] | Problem], *, shown: str = "all"
) -> list[Item]:
    """Turn questions into items; questions whose frames have a problem get no frames here and a reject row later.

    `shown` is all, middle (the frame in the middle alone) or none.
    """
    keys = zip(questions["scene_name"], questions["frame_set_id"], strict=True)
    found = [frames.get(key, ()) for key in keys]
    sets = [() if isinstance(paths, Problem) or shown == "none" else paths for paths in found]
    if shown == "middle":
        sets = [paths[len(paths) // 2 : len(paths) // 2 + 1] for paths in sets]
    return [_item(row, paths) for row, paths in zip(questions.to_dicts(), sets, strict=True)]


def _item(row: dict[str, Any], frames: tuple[Path, ...]) -> Item:
    options: Sequence[str] = row["options"] or ()
    return Item(
        question_id=row["question_id"],
        question_type=row["question_type"],
        scene_name=row["scene_name"],
        prompt=format_prompt(row["question"], options, row["prompt_id"]),
        ground_truth=row["ground_truth"],
        options=tuple(options),
        frames=frames,
    )
