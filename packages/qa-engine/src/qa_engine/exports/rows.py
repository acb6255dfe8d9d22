"""What is exported: questions with their prompt, their answer and the frames that belong to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.errors import FileError
from qa_contract.files import path_inside
from qa_contract.frame_lists import read_frame_sets, read_marks
from qa_contract.options import option_letters
from qa_contract.prompts import PROMPTS, format_prompt
from qa_contract.remote import fetch_all
from qa_contract.scoring import score_answer
from qa_contract.tableio import read_table
from qa_contract.tables import FRAMES, QUESTIONS, REJECTS

from qa_engine.errors import QAEngineError
from qa_engine.exports.marks import DRAWN, write_marked
from qa_engine.facts.scene import Facts
from qa_engine.scenes.store import Store
from qa_engine.traces import TRACES
from qa_engine.views.evidence import FrameEvidence
from qa_engine.views.recording import RecordingIndex
from qa_engine.views.sightings import SightingIndex

Row = dict[str, Any]
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


class ExportReason(StrEnum):
    """Why a question is not exported: the closed list behind `rejects.reason` of stage `export`."""

    NO_ANSWER = "no_answer"
    """There is no question, or no answer to train on."""
    UNKNOWN_PROMPT = "unknown_prompt"
    """`prompt_id` names no known prompt."""
    MISSING_FRAME_SET = "missing_frame_set"
    """The store has no frame set of that id for the scene."""
    MISSING_FRAME = "missing_frame"
    """A frame of the set is not in the store, or its file is not there."""
    OUTSIDE_STORE = "outside_store"
    """The path of a frame leads out of the store."""
    NO_TRACE = "no_trace"
    """The program of the question does not run or gives another answer, or its scene cannot be read."""
    NO_SCORE = "no_score"
    """The ground truth itself does not score 1: a number of 0 has no relative error, an option no letter."""


@dataclass(frozen=True)
class Selection:
    """The questions that can be exported, in the order of their file.

    Attributes
    ----------
    table : polars.DataFrame
        Columns of `questions`, and `images`: paths relative to the store, in the order in which a model sees them, with
        `frame_ids`; `marks` are what has to be drawn on them.
    rejects : polars.DataFrame
        Table `rejects`.
    store : Path
    drawn : Path, optional
        Folder of the frames that marks were drawn on.
    traces : list of list of dict, optional
        Messages that answer each question step by step.
    """

    table: pl.DataFrame
    rejects: pl.DataFrame
    store: Path
    drawn: Path | None = None
    traces: list[list[Row]] | None = None

    def file(self, path: str) -> Path:
        """Give the file of an image: of the store, or as it was drawn on."""
        own = None if self.drawn is None else self.drawn / path
        return own if own is not None and own.is_file() else self.store / path

    def with_marks(self, folder: Path) -> Selection:
        """Draw the marks of all questions on copies of their frames, in a folder."""
        images = self.table["images"].to_list()
        for place, row in enumerate(self.table.select("question_id", "frame_ids", "marks").iter_rows(named=True)):
            marks = row["marks"] or []
            for k, frame_id in enumerate(row["frame_ids"] or []):
                own = [mark for mark in marks if mark["frame_id"] == frame_id]
                if own:
                    path = f"{DRAWN}/{row['question_id']}/{k:03d}.png"
                    write_marked(self.store / images[place][k], own, folder / path)
                    images[place][k] = path
        table = self.table.with_columns(images=pl.Series(images, dtype=pl.List(pl.String)))
        return replace(self, table=table, drawn=folder)

    def with_traces(self, name: str) -> Selection:
        """Answer the questions step by step, see `TRACES`; those that have no trace are rejects.

        Raises
        ------
        QAEngineError
            No question has one.
        """
        store = Store(self.store)
        looks = SightingIndex(store).of, FrameEvidence(store).of, RecordingIndex(store).of
        made: list[list[Row] | None] = [None] * len(self.table)
        problems: list[str] = [""] * len(self.table)
        groups = self.table.with_row_index("row").group_by("scene_name", "profile", maintain_order=True)
        for (scene_name, profile), part in groups:
            try:
                facts = Facts(store.load_scene(str(scene_name)), str(profile), *looks)
            except QAEngineError as error:
                for place in part["row"]:
                    problems[place] = str(error)
                continue
            for row in part.iter_rows(named=True):
                try:
                    made[row["row"]] = TRACES[name](row, facts)
                except QAEngineError as error:
                    problems[row["row"]] = str(error)
        kept = pl.Series([trace is not None for trace in made])
        refused = self.table.with_columns(reason=pl.lit(ExportReason.NO_TRACE.value), detail=pl.Series(problems))
        rejects = pl.concat([self.rejects, _rejected(refused.filter(~kept), pl.col("detail"))])
        if not kept.any():
            raise QAEngineError(f"No question has a trace; the first says: {problems[0]}.")
        traces = [trace for trace in made if trace is not None]
        return replace(self, table=self.table.filter(kept), rejects=rejects, traces=traces)

    def with_scores(self) -> Selection:
        """Keep the questions whose own ground truth is a right answer; the others are rejects.

        Raises
        ------
        QAEngineError
            No question has one.
        """
        own = self.table.select("ground_truth", "options").iter_rows()
        kept = pl.Series([_is_right(truth, options) for truth, options in own], dtype=pl.Boolean)
        refused = self.table.filter(~kept).with_columns(reason=pl.lit(ExportReason.NO_SCORE.value))
        if not kept.any():
            raise QAEngineError(
                f"No question has a ground truth that scores; the first is '{refused['ground_truth'][0]}'."
            )
        rejects = pl.concat([self.rejects, _rejected(refused, pl.col("ground_truth"))])
        return replace(self, table=self.table.filter(kept), rejects=rejects)

    def __len__(self) -> int:
        return len(self.table)

    def images(self) -> list[str]:
        """List every image once."""
        return self.table["images"].explode().drop_nulls().unique(maintain_order=True).to_list()

    def rows(self) -> Iterator[Row]:
        """Give every question with its answer.

        `id`, `scene_name`, `question_type`, `images`, `text` and `options` are of the question. `turns` are the
        messages that answer, `before` those that come before the question, and `answer` is the text of the last one.
        """
        steps = self.traces is not None
        for place, row in enumerate(self.table.iter_rows(named=True)):
            turns = self.traces[place] if self.traces else [{"role": "assistant", "content": row["ground_truth"]}]
            yield {
                "id": row["question_id"],
                "scene_name": row["scene_name"],
                "question_type": row["question_type"],
                "images": row["images"],
                "text": format_prompt(row["question"], row["options"], row["prompt_id"], steps=steps),
                "options": row["options"] or [],
                "answer": turns[-1]["content"],
                "before": [turn for turn in turns if turn["role"] == "system"],
                "turns": [turn for turn in turns if turn["role"] != "system"],
            }


def select(questions: Path, store: Path) -> Selection:
    """Read questions and join them with the frames that they were made for.

    Parameters
    ----------
    questions : Path
        Table `questions`: a file or its folder.
    store : Path
        Folder with `frames` and `frame_sets` (read when a question has a frame set) and the images.

    Raises
    ------
    TableError
        A table is missing or lacks a column.
    QAEngineError
        No question is left.
    """
    asked = read_table(questions, "questions", QUESTIONS, columns=_COLUMNS)
    shows = asked["frame_set_id"].is_not_null().any()
    images = _images_of_sets(asked, store) if shows else pl.DataFrame(schema=_IMAGES)
    joined = asked.join(images, on=["scene_name", "frame_set_id"], how="left", maintain_order="left")
    needs = pl.col("frame_set_id").is_not_null()
    empty = pl.any_horizontal(
        pl.col(name).fill_null("").str.strip_chars() == "" for name in ("question_id", "question", "ground_truth")
    )
    joined = joined.with_columns(
        reason=pl.coalesce(
            pl.when(empty).then(pl.lit(ExportReason.NO_ANSWER.value)),
            pl.when(~pl.col("prompt_id").is_in(list(PROMPTS)).fill_null(False)).then(
                pl.lit(ExportReason.UNKNOWN_PROMPT.value)
            ),
            pl.when(needs & pl.col("images").is_null()).then(pl.lit(ExportReason.MISSING_FRAME_SET.value)),
            "problem",
        ),
        images=pl.col("images").fill_null([]),
    ).join(read_marks(questions), on="question_id", how="left", maintain_order="left")
    kept = joined.filter(pl.col("reason").is_null())
    refused = joined.filter(pl.col("reason").is_not_null())
    if not len(kept):
        counts = ", ".join(f"{reason} {n}" for reason, n in refused["reason"].value_counts(sort=True).iter_rows())
        raise QAEngineError(f"{questions}: no question to export ({counts or 'the table has no row'}).")
    rejects = _rejected(refused, pl.col("frame_set_id").fill_null(""))
    return Selection(kept.drop("reason", "problem"), rejects, store)


def _is_right(truth: str, options: list[str] | None) -> bool:
    """Whether a ground truth is an answer that scores 1."""
    return score_answer(truth, truth, options) > 1 - 1e-9 and (not options or truth in (option_letters(options) or ()))


def _rejected(refused: pl.DataFrame, detail: pl.Expr) -> pl.DataFrame:
    """Make rows of `rejects` of questions with a reason."""
    names = ("scene_name", "question_type", "signature", "reason")
    return refused.select(*names, stage=pl.lit("export"), item="question_id", detail=detail).select(*REJECTS)


def _images_of_sets(asked: pl.DataFrame, store: Path) -> pl.DataFrame:
    """Give the image paths of every frame set in use, and the reason against it where one of them cannot be used."""
    sets = read_frame_sets(store, asked)
    frames = read_table(store, "frames", FRAMES, columns=["scene_name", "frame_id", "image_path"])
    shown = (
        sets.explode("frame_ids")
        .join(
            frames,
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


def _problem(root: Path, path: str) -> str | None:
    """Say what is wrong with the path of an image."""
    if not path:
        return ExportReason.MISSING_FRAME.value
    try:
        return None if path_inside(root, path).is_file() else ExportReason.MISSING_FRAME.value
    except FileError:
        return ExportReason.OUTSIDE_STORE.value
