"""Read a file of questions with the frames that they were made for, and tell which can be exported."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from qa_contract.errors import FileError
from qa_contract.files import path_inside
from qa_contract.frame_lists import read_frame_sets, read_marks
from qa_contract.prompts import PROMPTS
from qa_contract.remote import fetch_all
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, QUESTIONS

from qa_engine.exports.reasons import ExportReason, rejected
from qa_engine.exports.rows import Selection
from qa_engine.scenes.store import SCENES_PER_STRIP

_IMAGES = {
    "scene_name": pl.String,
    "frame_set_id": pl.String,
    "images": pl.List(pl.String),
    "frame_ids": pl.List(pl.String),
    "problem": pl.String,
}
_COLUMNS = [
    *("question_id", "scene_name", "question_type", "question", "options", "ground_truth"),
    *("signature", "frame_set_id", "prompt_id", "program", "profile", "answer_type", "unit", "operands"),
]


def read_asked(questions: Path, store: Path) -> pl.DataFrame:
    """Read questions and join them with the frames that they were made for.

    Parameters
    ----------
    questions : Path
        A file of the table `questions`.
    store : Path
        Folder with `frames` and `frame_sets` (read when a question has a frame set) and the images.

    Returns
    -------
    DataFrame
        Columns of `questions`, `images`, `frame_ids` and `marks` as in `Selection`, and `reason`, an `ExportReason` or
        null.

    Raises
    ------
    TableError
        A table is missing or lacks a column.
    """
    asked = read_table(questions, "questions", QUESTIONS, columns=_COLUMNS)
    shows = asked["frame_set_id"].is_not_null().any()
    images = _images_of_sets(asked, store) if shows else pl.DataFrame(schema=_IMAGES)
    joined = asked.join(images, on=["scene_name", "frame_set_id"], how="left", maintain_order="left")
    needs = pl.col("frame_set_id").is_not_null()
    empty = pl.any_horizontal(
        pl.col(name).fill_null("").str.strip_chars() == "" for name in ("question_id", "question", "ground_truth")
    )
    unknown = ~pl.col("prompt_id").is_in(list(PROMPTS)).fill_null(False)
    reason = pl.coalesce(
        pl.when(empty).then(pl.lit(ExportReason.NO_ANSWER.value)),
        pl.when(unknown).then(pl.lit(ExportReason.UNKNOWN_PROMPT.value)),
        pl.when(needs & pl.col("images").is_null()).then(pl.lit(ExportReason.MISSING_FRAME_SET.value)),
        "problem",
    )
    return (
        joined.with_columns(reason=reason, images=pl.col("images").fill_null([]))
        .drop("problem")
        .join(read_marks(questions), on="question_id", how="left", maintain_order="left")
    )


def select(asked: pl.DataFrame, store: Path) -> Selection:
    """Take the questions that can be exported from rows of `read_asked`; the others are rejects."""
    refused = asked.filter(pl.col("reason").is_not_null())
    rejects = rejected(refused, pl.col("frame_set_id").fill_null(""))
    return Selection(asked.filter(pl.col("reason").is_null()).drop("reason"), rejects, store)


def _images_of_sets(asked: pl.DataFrame, store: Path) -> pl.DataFrame:
    """Give the image paths of every frame set in use, and the reason against it where one of them cannot be used."""
    sets = read_frame_sets(store, asked)
    shown = (
        sets.explode("frame_ids")
        .join(
            _paths(store, sets),
            left_on=["scene_name", "frame_ids"],
            right_on=["scene_name", "frame_id"],
            how="left",
            maintain_order="left",
        )
        # A path that no file has stands for a frame that the table lacks.
        .with_columns(pl.col("image_path").fill_null(""))
    )
    root = store.resolve()
    fetch_all(root / path for path in shown["image_path"].unique() if path)
    found = {path: _problem(root, path) for path in shown["image_path"].unique()}
    problems = pl.DataFrame(
        {"image_path": list(found), "problem": list(found.values())},
        schema={"image_path": pl.String, "problem": pl.String},
    )
    of_set = (
        shown.join(problems, on="image_path", how="left", maintain_order="left")
        .group_by("scene_name", "frame_set_id", maintain_order=True)
        .agg(images="image_path", frame_ids="frame_ids", problem=pl.col("problem").drop_nulls().first())
    )
    return of_set.select(*_IMAGES)


def _paths(store: Path, sets: pl.DataFrame) -> pl.DataFrame:
    """Read the paths of the frames of sets, a strip of scenes at a time: most frames of a scene are in no set."""
    columns = ["scene_name", "frame_id", "image_path"]
    names = sets["scene_name"].unique().sort()
    used = sets.select("scene_name", frame_id="frame_ids").explode("frame_id").unique()
    strips = [
        read_table(store, "frames", FRAMES, columns=columns, scenes=strip["scene_name"].to_list()).join(
            used, on=columns[:2], how="semi"
        )
        for strip in names.to_frame().iter_slices(SCENES_PER_STRIP)
    ]
    return pl.concat(strips) if strips else pl.DataFrame(schema={name: FRAMES[name] for name in columns})


def _problem(root: Path, path: str) -> str | None:
    """Say what is wrong with the path of an image."""
    if not path:
        return ExportReason.MISSING_FRAME.value
    try:
        return None if path_inside(root, path).is_file() else ExportReason.MISSING_FRAME.value
    except FileError:
        return ExportReason.OUTSIDE_STORE.value
