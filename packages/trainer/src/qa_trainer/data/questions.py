"""Questions and frames of a store, as rows that TRL trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from qa_contract.clips import Clip, clip_of
from qa_contract.errors import TableError
from qa_contract.frame_lists import read_frame_sets, read_marks
from qa_contract.prompts import PROMPTS, format_prompt
from qa_contract.tableio import read_table, table_files
from qa_contract.tables import FRAMES, QUESTIONS, REJECTS

from qa_trainer.data.images import check_images
from qa_trainer.data.videos import Source, Video
from qa_trainer.errors import QATrainerError

_COLUMNS = [
    *("question_id", "scene_name", "question_type", "question", "options", "ground_truth"),
    *("signature", "frame_set_id", "prompt_id", "round"),
]
_FRAMES: dict[str, Any] = {
    "images": pl.List(pl.String),
    "frame_ids": pl.List(pl.String),
    "frame_width": pl.Int64,
    "frame_height": pl.Int64,
    "frame_sizes": pl.List(pl.List(pl.Int64)),
    "frame_times": pl.List(pl.Float64),
}
CONTROL_TOKEN = r"<\|\w+\|>"
"""Text that a tokenizer would read as a token of its own."""


@dataclass(frozen=True)
class Samples:
    """Questions to train on, in the order of the file, and those refused.

    Attributes
    ----------
    rows : polars.DataFrame
        The columns of `questions` that the trainer needs, and of the frames in the order in which the model sees them
        `images` (list of str, relative to `store`), `frame_ids` and `frame_sizes` (width and height, pixels on disk),
        `frame_times` (seconds, or null), all empty without a frame set, and `frame_width` and `frame_height` of the
        first (or null).
    rejects : polars.DataFrame
        Table `rejects`.
    store : Path
        Folder of the images.
    revision : str, optional
        Hash of the questions' files, written into the predictions.
    ask_steps : bool
        The prompts ask for the steps before the answer.
    as_video : bool
        The frames of a question are shown as one video.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    store: Path
    revision: str | None = None
    ask_steps: bool = False
    as_video: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def largest(self) -> tuple[int, int, int]:
        """Frames of the question with the most, and width and height of the largest frame; a frame has a pixel."""
        found = self.rows.select(
            pl.col("images").list.len().max().alias("n"), pl.col("frame_width", "frame_height").max().fill_null(1)
        ).row(0)
        return int(found[0]), int(found[1]), int(found[2])

    def examples(self, indices: list[int]) -> dict[str, list[Any]]:
        """Build TRL's prompt-completion rows.

        Parameters
        ----------
        indices : list of int
            Row numbers; they wrap around after the last row.

        Returns
        -------
        dict
            `images` (lists of paths, which the collator opens, or of one video), `prompt` and `completion`
            (conversations), one entry per index.
        """
        batch: dict[str, list[Any]] = {"images": [], "prompt": [], "completion": []}
        for row in self.rows[[index % len(self.rows) for index in indices]].iter_rows(named=True):
            paths = [str(self.store / path) for path in row["images"]]
            clip = clip_of(row["frame_times"]) if self.as_video else None
            shown: list[Source] = [*paths] if clip is None else [Video(tuple(paths), clip)]
            kind = "image" if clip is None else "video"
            text = format_prompt(row["question"], row["options"], row["prompt_id"], steps=self.ask_steps)
            content = [{"type": kind}] * len(shown) + [{"type": "text", "text": text}]
            answer = [{"type": "text", "text": row["ground_truth"]}]
            batch["images"].append(shown)
            batch["prompt"].append([{"role": "user", "content": content}])
            batch["completion"].append([{"role": "assistant", "content": answer}])
        return batch

    def clips(self) -> list[Clip | None]:
        """Give the times of every row's frames, where they are shown as a video."""
        return [clip_of(times) if self.as_video else None for times in self.rows["frame_times"].to_list()]

    def names(self, indices: list[int]) -> list[str]:
        """Name rows in a message: their question ids."""
        return self.rows["question_id"][[index % len(self.rows) for index in indices]].to_list()

    def text_bytes(self) -> NDArray[np.int64]:
        """Count the bytes of every row's prompt and answer."""
        names = self.rows["prompt_id"].unique()
        # The longer of the two requests.
        wording = {
            name: max(len(format_prompt("", options, name, steps=self.ask_steps).encode()) for options in (["-"], None))
            for name in names
        }
        own = pl.concat_str("question", pl.col("options").list.join("\n"), "ground_truth", ignore_nulls=True)
        total = own.str.len_bytes() + pl.col("prompt_id").replace_strict(wording, return_dtype=pl.Int64)
        return self.rows.select(total.cast(pl.Int64)).to_series().to_numpy()

    def refuse(self, rows: pl.DataFrame, reason: str, details: Sequence[str]) -> pl.DataFrame:
        """Write rows as rows of the table `rejects`."""
        return _reject_rows(rows.with_columns(reason=pl.lit(reason), detail=pl.Series(details, dtype=pl.String)))


def load_samples(questions: Path, store: Path, *, as_video: bool = False) -> Samples:
    """Read the questions, join them with the frames that they were made for, and refuse those that cannot be trained.

    Parameters
    ----------
    questions : Path
        Table `questions`: a file or its folder.
    store : Path
        Folder with `frames` and `frame_sets` (read when a question has a frame set) and the images.
    as_video : bool
        Show the frames of a question as one video; they need times that grow.

    Raises
    ------
    TableError
        A table is missing or lacks a column, or the store names a frame or a frame set twice.
    QATrainerError
        No question is left.
    """
    asked = read_table(questions, "questions", QUESTIONS, columns=_COLUMNS, unique=False)  # doubles are rejects
    marked = pl.col("question_id").is_in(read_marks(questions)["question_id"].implode())
    problem = pl.coalesce(_text_problem(), pl.when(marked).then(pl.lit("marks_not_drawn"))).alias("reason")
    rows = _with_images(asked.with_columns(problem), Path(store))
    if as_video:
        rows = _with_times(rows)
    refused = rows.filter(pl.col("reason").is_not_null())
    kept = rows.filter(pl.col("reason").is_null()).select(*_COLUMNS, *_FRAMES)
    samples = Samples(kept, _reject_rows(refused), Path(store), table_hash(questions, "questions"), as_video=as_video)
    if not len(samples):
        counts = ", ".join(f"{reason} {n}" for reason, n in refused["reason"].value_counts(sort=True).iter_rows())
        raise QATrainerError(f"{questions}: no question to train on ({counts or 'the table has no row'}).")
    return samples


def table_hash(source: Path, table: str, *, optional: bool = False) -> str | None:
    """Hash the files of a table; None where it is `optional` and not there.

    Raises
    ------
    TableError
        The table is missing.
    """
    try:
        files = table_files(source, table)
    except TableError:
        if optional:
            return None
        raise
    digest = hashlib.sha256()
    for path in files:
        digest.update(bytes.fromhex(file_hash(path)))
    return digest.hexdigest()[:16]


def file_hash(path: Path) -> str:
    """Hash the bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _text_problem() -> pl.Expr:
    """Give the reason code of a question whose text cannot be used, else null."""
    texts = pl.concat_str("question", pl.col("options").list.join("\n"), "ground_truth", ignore_nulls=True)

    def empty(name: str) -> pl.Expr:
        return pl.col(name).fill_null("").str.strip_chars() == ""

    return pl.coalesce(
        pl.when(empty("question_id") | empty("question")).then(pl.lit("no_question")),
        pl.when(~pl.col("question_id").is_first_distinct()).then(pl.lit("duplicate_question")),
        pl.when(empty("ground_truth")).then(pl.lit("no_ground_truth")),
        pl.when(~pl.col("prompt_id").is_in(list(PROMPTS)).fill_null(False)).then(pl.lit("unknown_prompt")),
        pl.when(texts.str.contains(CONTROL_TOKEN)).then(pl.lit("special_token")),
    ).alias("reason")


def _with_images(asked: pl.DataFrame, store: Path) -> pl.DataFrame:
    """Add `images`, `detail`, and the reason code of a question whose frames cannot be used."""
    if asked["frame_set_id"].is_null().all():
        none = {name: pl.lit([] if dtype == pl.List else None, dtype=dtype) for name, dtype in _FRAMES.items()}
        return asked.with_columns(**none, detail=pl.lit(""))
    sets = read_frame_sets(store, asked)
    frames = read_table(store, "frames", FRAMES, columns=["scene_name", "frame_id", "image_path", "time_s"])
    shown = sets.explode("frame_ids", empty_as_null=True).join(
        frames,
        left_on=["scene_name", "frame_ids"],
        right_on=["scene_name", "frame_id"],
        how="left",
        maintain_order="left",
    )
    checked = check_images(store, shown["image_path"].drop_nulls())
    checks = pl.DataFrame(
        [(path, check.width, check.height, check.reason, check.detail) for path, check in checked.items()],
        schema={
            "image_path": pl.String,
            "frame_width": pl.Int64,
            "frame_height": pl.Int64,
            "reason": pl.String,
            "detail": pl.String,
        },
        orient="row",
    )
    shown = shown.join(checks, on="image_path", how="left", maintain_order="left").with_columns(
        reason=pl.when(pl.col("image_path").is_null()).then(pl.lit("missing_frame")).otherwise("reason"),
        detail=pl.when(pl.col("image_path").is_null())
        .then(pl.format("frame '{}' is not in the table 'frames'", pl.col("frame_ids").fill_null("")))
        .otherwise("detail"),
    )
    of_set = shown.group_by("scene_name", "frame_set_id", maintain_order=True).agg(
        pl.col("frame_width", "frame_height").first(),
        frame_sizes=pl.concat_list("frame_width", "frame_height"),
        images="image_path",
        frame_ids="frame_ids",
        frame_times="time_s",
        frame_reason=pl.col("reason").drop_nulls().first(),
        detail=pl.col("detail").filter(pl.col("reason").is_not_null()).first(),
    )
    joined = asked.join(of_set, on=["scene_name", "frame_set_id"], how="left", maintain_order="left")
    absent = pl.col("frame_set_id").is_not_null() & pl.col("images").is_null()
    return joined.with_columns(
        reason=pl.coalesce("reason", pl.when(absent).then(pl.lit("missing_frame_set")), "frame_reason"),
        detail=pl.when(absent)
        .then(pl.format("frame set '{}'", "frame_set_id"))
        .otherwise(pl.col("detail"))
        .fill_null(""),
        images=pl.col("images").fill_null([]),
        frame_ids=pl.col("frame_ids").fill_null([]),
        frame_sizes=pl.col("frame_sizes").fill_null([]),
        frame_times=pl.col("frame_times").fill_null([]),
    )


def _with_times(rows: pl.DataFrame) -> pl.DataFrame:
    """Refuse frames that make no video."""
    still = [bool(times) and clip_of(times) is None for times in rows["frame_times"].to_list()]
    bad = pl.col("reason").is_null() & pl.Series(still, dtype=pl.Boolean)
    text = "a video needs two frames or more, with growing time_s"
    return rows.with_columns(
        reason=pl.when(bad).then(pl.lit("no_video")).otherwise("reason"),
        detail=pl.when(bad).then(pl.format("scene {}: {}", "scene_name", pl.lit(text))).otherwise("detail"),
    )


def _reject_rows(refused: pl.DataFrame) -> pl.DataFrame:
    """Write refused questions as rows of the table `rejects`."""
    return refused.select(
        stage=pl.lit("sft"),
        item="question_id",
        scene_name="scene_name",
        question_type="question_type",
        signature="signature",
        reason="reason",
        detail="detail",
    ).select(pl.col(name).cast(dtype) for name, dtype in REJECTS.items())
