"""What the report shows, read from the tables of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from qa_contract.tableio import read_table
from qa_contract.tables import CONFIDENCE, FRAME_SETS, FRAMES, OBJECTS, PREDICTIONS, QUESTIONS, SCENES, SCORES, Schema

from qa_loop.config import LoopConfig
from qa_loop.manifest import Manifest, load_manifest
from qa_loop.results import Comparison, Scores, comparison, finished, read_scores
from qa_loop.stages import EVAL_QUESTIONS, STORE, Stage
from qa_loop.status import resolved_config

HARD_BELOW, EASY_ABOVE = 0.1, 0.9
"""Cuts of the published labels on the confidence in the ground truth."""
BINS = 20
LABELS = ("hard", "frontier", "easy", "suspect")

_QUESTION = (
    "question_id",
    "scene_name",
    "question_type",
    "question",
    "options",
    "ground_truth",
    "program",
    "operands",
    "cell",
    "frame_set_id",
    "round",
)
_CONFIDENCE = ("question_id", "question_type", "round", "gold_confidence", "raw_confidence", "label")


@dataclass(frozen=True)
class RunData:
    """A run, finished or not.

    Attributes
    ----------
    comparison : Comparison or None
        None before the first evaluation.
    scores : dict of (kind, round) to Scores
    questions : DataFrame
        Training questions of all rounds; column round.
    confidence : DataFrame
        Training predictions of all rounds: gold_confidence, label.
    eval_questions : DataFrame
    answers : DataFrame
        One row per evaluated question and (kind, round): completion, parsed, score.
    own_confidence : DataFrame
        Of the model's own answers: raw_confidence, label, round.
    """

    folder: Path
    config: LoopConfig
    manifest: Manifest
    comparison: Comparison | None
    scores: dict[tuple[str, int], Scores]
    questions: pl.DataFrame
    confidence: pl.DataFrame
    eval_questions: pl.DataFrame
    answers: pl.DataFrame
    own_confidence: pl.DataFrame
    training: pl.DataFrame


@dataclass(frozen=True)
class StoreData:
    """The tables of a run's scenes, restricted to some of them."""

    folder: Path
    scenes: pl.DataFrame
    objects: pl.DataFrame
    frames: pl.DataFrame
    frame_sets: pl.DataFrame


def load_run(folder: Path) -> RunData:
    """Read everything but the scenes."""
    folder = Path(folder)
    stages = finished(folder)
    scores = read_scores(folder)

    def of(kind: str, table: str, schema: Schema, columns: Sequence[str]) -> pl.DataFrame:
        return _concat(folder, [s for s in stages if s.kind == kind], table, schema, columns)

    answered = [_answers(folder, stage) for stage in stages if stage.kind in ("eval", "blind", "majority")]
    has_questions = any(stage.out == EVAL_QUESTIONS for stage in stages)
    asked = (
        read_table(folder / EVAL_QUESTIONS, "questions", QUESTIONS, columns=_QUESTION)
        if has_questions
        else pl.DataFrame(schema={name: QUESTIONS[name] for name in _QUESTION})
    )
    return RunData(
        folder=folder,
        config=resolved_config(folder),
        manifest=load_manifest(folder),
        comparison=comparison(folder) if any(kind == "eval" for kind, _ in scores) else None,
        scores=scores,
        questions=of("questions", "questions", QUESTIONS, _QUESTION),
        confidence=of("confidence", "confidence", CONFIDENCE, _CONFIDENCE),
        eval_questions=asked,
        answers=pl.concat(answered) if answered else pl.DataFrame(schema=_ANSWER),
        own_confidence=of("eval-confidence", "confidence", CONFIDENCE, _CONFIDENCE),
        training=of("train", "predictions", PREDICTIONS, ("question_id", "round", "token_mask", "token_is_top1")),
    )


def load_store(folder: Path, scenes: Sequence[str]) -> StoreData:
    """Read the tables of `scenes` from the run's store."""
    store = Path(folder) / STORE

    def some(table: str, schema: Schema) -> pl.DataFrame:
        return read_table(store, table, schema).filter(pl.col("scene_name").is_in(list(scenes)))

    has_sets = (store / "frame_sets.parquet").exists()
    return StoreData(
        folder=store,
        scenes=some("scenes", SCENES),
        objects=some("objects", OBJECTS),
        frames=some("frames", FRAMES),
        frame_sets=some("frame_sets", FRAME_SETS) if has_sets else pl.DataFrame(schema=dict(FRAME_SETS)),
    )


def confidence_bins(confidence: pl.DataFrame) -> dict[int, np.ndarray]:
    """Count training questions per round and bin of gold confidence : round to (BINS,) int.

    Bins are [0, 0.05), ..., [0.95, 1].
    """
    found: dict[int, np.ndarray] = {}
    for number in _rounds(confidence):
        values = confidence.filter(pl.col("round") == number)["gold_confidence"].drop_nulls().to_numpy()
        found[number] = np.histogram(values, bins=BINS, range=(0, 1))[0]
    return found


def label_counts(confidence: pl.DataFrame) -> dict[int, dict[str, int]]:
    """Count the labels of each round."""
    counted = confidence.group_by("round", "label").len()
    return {
        number: {
            label: int(counted.filter((pl.col("round") == number) & (pl.col("label") == label))["len"].sum())
            for label in LABELS
        }
        for number in _rounds(confidence)
    }


def question_counts(questions: pl.DataFrame, by: Sequence[str]) -> list[tuple[tuple[str, ...], dict[int, int]]]:
    """Count training questions per group of the columns `by`, and round."""
    counted = questions.with_columns(pl.col(name).fill_null("-") for name in by).group_by(*by, "round").len()
    found: dict[tuple[str, ...], dict[int, int]] = {}
    for *group, number, count in counted.sort(*by, "round").iter_rows():
        found.setdefault(tuple(group), {})[number] = count
    return list(found.items())


_ANSWER = {
    "question_id": pl.String,
    "kind": pl.String,
    "round": pl.Int32,
    "completion": pl.String,
    "parsed": pl.String,
    "score": pl.Float64,
}


def _answers(folder: Path, stage: Stage) -> pl.DataFrame:
    """Join one evaluation's completions and scores."""
    source = folder / stage.out
    said = read_table(source, "predictions", PREDICTIONS, columns=["question_id", "completion"])
    scored = read_table(source, "scores", SCORES, columns=["question_id", "parsed", "score"])
    joined = said.join(scored, on="question_id", how="left")
    joined = joined.with_columns(kind=pl.lit(stage.kind), round=pl.lit(stage.round))
    return joined.select(pl.col(name).cast(dtype) for name, dtype in _ANSWER.items())


def _concat(folder: Path, stages: Sequence[Stage], table: str, schema: Schema, columns: Sequence[str]) -> pl.DataFrame:
    """Read one table of every round; the round is the stage's."""
    frames = [
        read_table(folder / stage.out, table, schema, columns=columns).with_columns(
            round=pl.lit(stage.round, dtype=pl.Int32)
        )
        for stage in stages
    ]
    return pl.concat(frames) if frames else pl.DataFrame(schema={name: schema[name] for name in columns})


def _rounds(frame: pl.DataFrame) -> list[int]:
    return frame["round"].unique().sort().to_list()
