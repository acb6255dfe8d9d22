"""Answered questions as rows: what was asked, shown, said and scored, joined from a run and its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.errors import TableError, UserError
from qa_contract.remote import fetched, local
from qa_contract.tableio import read_table, with_every_column
from qa_contract.tables import FRAME_SETS, FRAMES, PREDICTIONS, QUESTIONS, Schema

from qa_eval.benchmarks import BENCHMARKS, Benchmark
from qa_eval.errors import QAEvalError
from qa_eval.pictures import Picture, PictureFolder, Unpacker
from qa_eval.scoring.questions import read_pictures, read_questions
from qa_eval.scoring.stored import Stored

TOKENS = ("frame_ids", "token_logprobs", "token_mask")
ASKED = ("question", "options", "ground_truth")
EXPLAINED = (
    *("program", "answer_value", "answer_low", "answer_high", "unit", "margin", "margin_unit", "cell"),
    *("operands", "evidence_frames", "profile"),
)
"""Columns of a questions table that say how the engine computed an answer."""


@dataclass(frozen=True)
class Sources:
    """Inputs of a run, as far as they are still where they were.

    Attributes
    ----------
    questions : DataFrame, optional
    frames : mapping of (scene_name, frame_id) to Path
    frame_sets : mapping of (scene_name, frame_set_id) to list of str
    pictures : mapping of question_id to list of Picture
        Of a published file's questions.
    """

    questions: pl.DataFrame | None = None
    frames: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    frame_sets: Mapping[tuple[str, str], list[str]] = field(default_factory=dict)
    pictures: Mapping[str, list[Picture]] = field(default_factory=dict)

    def shown(self, row: Mapping[str, Any]) -> list[tuple[str, Path]]:
        """Name and file of each frame that a row was answered from; frames that the store lacks are left out."""
        if row["question_id"] in self.pictures:
            # A run may have shown the one in the middle alone.
            shown = set(row["frame_ids"] or ())
            return [(one.name, one.path) for one in self.pictures[row["question_id"]] if one.name in shown]
        # Runs of older versions name the frame set alone.
        names = row["frame_ids"] or self.frame_sets.get((row["scene_name"], row["frame_set_id"]), [])
        files = [(name, self.frames.get((row["scene_name"], name))) for name in names]
        return [(name, fetched(path)) for name, path in files if path is not None]


def read_sources(stored: Stored, questions: Path | None = None, store: Path | None = None) -> Sources:
    """Open the questions and the store that a run's manifest names, or those that are given instead."""
    inputs = stored.manifest.get("inputs", {})
    place = store or _known(inputs, "store")
    sets, frames = _table(place, "frame_sets", FRAME_SETS), _table(place, "frames", FRAMES)
    paths = [] if frames is None else frames["scene_name", "frame_id", "image_path"].iter_rows()
    listed = [] if sets is None else sets["scene_name", "frame_set_id", "frame_ids"].iter_rows()
    return Sources(
        _questions(questions or _known(inputs, "questions"), _benchmark(stored)),
        {(scene, name): Path(str(place)) / path for scene, name, path in paths},
        {(scene, name): ids for scene, name, ids in listed},
    )


def with_pictures(
    sources: Sources, stored: Stored, ids: Iterable[str], unpacked: Path, questions: Path | None = None
) -> Sources:
    """Add the pictures of some questions, where a run showed those of a published file and they are still there.

    Pictures that the questions' file or a zip file holds are written into `unpacked`.
    """
    inputs, benchmark = stored.manifest.get("inputs", {}), _benchmark(stored)
    if "images" not in stored.manifest.get("config", {}) or benchmark is None:
        return sources
    images = inputs.get("images")
    try:
        held = read_pictures(questions or _known(inputs, "questions") or Path(inputs["questions"]), benchmark)
        folder = None if images is None else PictureFolder(Path(images))
    except (QAEvalError, TableError):
        return sources
    found = Unpacker(folder, unpacked).unpack({name: held[name] for name in ids if name in held})
    pictures = {name: pictures for name, pictures in found.items() if not isinstance(pictures, str)}
    return replace(sources, pictures=pictures)


def _known(inputs: Mapping[str, Any], name: str) -> Path | None:
    """Give an input that a manifest names, one in an object store as a copy, if it is still where it was."""
    try:
        return None if inputs.get(name) is None else local(inputs[name])
    except UserError:
        return None


def _benchmark(stored: Stored) -> Benchmark | None:
    names = stored.frame["benchmark"].drop_nulls().unique().to_list()
    return BENCHMARKS.get(names[0]) if len(names) == 1 else None


def answer_rows(stored: Stored, sources: Sources) -> pl.DataFrame:
    """Join scored answers to their tokens and questions.

    Returns
    -------
    DataFrame
        A row per scored answer: the scores table, `question`, `frame_ids`, `EXPLAINED` and `confidence`, the geometric
        mean probability of the answer's own tokens; null where nothing is known.
    """
    rows = stored.frame.join(_tokens(stored), on="question_id", how="left", maintain_order="left", suffix="_said")
    rows = rows.with_columns(
        completion=pl.coalesce("completion", "completion_said"),
        confidence=pl.Series(_confidences(rows), dtype=pl.Float64),
    ).drop("completion_said", "token_logprobs", "token_mask")
    schema: Schema = {name: QUESTIONS[name] for name in ("question_id", *ASKED, *EXPLAINED)}
    asked = pl.DataFrame(schema=schema) if sources.questions is None else with_every_column(sources.questions, schema)
    joined = rows.join(asked, on="question_id", how="left", maintain_order="left", suffix="_asked")
    filled = [pl.coalesce(name, f"{name}_asked").alias(name) for name in ("options", "ground_truth")]
    return joined.with_columns(filled).drop("options_asked", "ground_truth_asked")


def _tokens(stored: Stored) -> pl.DataFrame:
    """Read what a run's predictions say beside its scores; nothing for scored files."""
    columns = ["question_id", "completion", *TOKENS]
    if not (stored.path / "predictions.parquet").is_file():
        return pl.DataFrame(schema={name: PREDICTIONS[name] for name in columns})
    return read_table(stored.path, "predictions", PREDICTIONS, columns=columns, optional=["frame_ids"])


def _confidences(rows: pl.DataFrame) -> list[float | None]:
    """Geometric mean probability of the answer's own tokens, from the exploded token lists."""
    tokens = (
        rows.with_row_index("row")
        .select("row", "token_logprobs", "token_mask")
        .drop_nulls()
        .explode("token_logprobs", "token_mask", empty_as_null=True)
        .filter("token_mask")
        .group_by("row")
        .agg(pl.col("token_logprobs").mean().exp().alias("confidence"))
    )
    found = pl.DataFrame({"row": pl.int_range(rows.height, dtype=pl.UInt32, eager=True)})
    return found.join(tokens, on="row", how="left", maintain_order="left")["confidence"].to_list()


def _questions(source: object, benchmark: Benchmark | None) -> pl.DataFrame | None:
    """Read questions, a table or a published file, if they are still where they were."""
    table = _table(source, "questions", QUESTIONS)
    if table is not None or not isinstance(source, str | Path):
        return table
    try:
        return read_questions(Path(source), benchmark)
    except (QAEvalError, TableError):
        return None


def _table(source: object, table: str, schema: Any) -> pl.DataFrame | None:
    """Read an input of a run if it is still where it was."""
    if not isinstance(source, str | Path) or not Path(source).exists():
        return None
    try:
        return read_table(Path(source), table, schema)
    except TableError:
        return None
