"""Rows of the table `predictions`: what was shown, and what was read or generated."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

import numpy as np
import polars as pl
from qa_contract.tableio import with_every_column
from qa_contract.tables import PREDICTIONS

from qa_trainer.data.feed import Feed
from qa_trainer.data.images import seen_pixels
from qa_trainer.data.inputs import seen_video_pixels
from qa_trainer.data.questions import Samples


def trained_rows(
    recorded: pl.DataFrame, feed: Feed, *, run_id: str, round_number: int | None, processor: Any
) -> pl.DataFrame:
    """Join what the recorder heard with the questions; general data has no rows here.

    Parameters
    ----------
    recorded : polars.DataFrame
        Columns of `callbacks.confidence_recorder.RECORD`; `row` is the number of the item.
    feed : Feed
    run_id : str
    round_number : int, optional
        Default: the round of each question.
    processor : ProcessorMixin
        Of the model.
    """
    items = recorded["row"].to_numpy() - feed.first
    keyed = recorded.with_columns(source=pl.Series(feed.source[items]), row=pl.Series(feed.row[items]))
    asked = [
        _asked(source, processor).with_columns(source=pl.lit(number, dtype=pl.Int64))
        for number, source in enumerate(feed.sources)
        if isinstance(source, Samples)
    ]
    if not asked:
        return pl.DataFrame(schema=PREDICTIONS)
    rows = pl.concat(asked)
    joined = keyed.join(rows, on=["source", "row"], how="inner", maintain_order="left")
    table = joined.with_columns(
        run_id=pl.lit(run_id),
        model_id=pl.lit(run_id),
        runner=pl.lit("trainer"),
        phase=pl.lit("train"),
        completion=pl.col("ground_truth"),
        round=pl.col("round").fill_null(0) if round_number is None else pl.lit(round_number),
        decoding=pl.lit("teacher-forced"),
        versions=pl.lit(versions("torch", "transformers", "trl")),
    )
    return with_every_column(table, PREDICTIONS)


def rollout_rows(
    recorded: pl.DataFrame, samples: Samples, settings: Any, *, run_id: str, processor: Any
) -> pl.DataFrame:
    """Join completions of reinforcement with their questions.

    Parameters
    ----------
    recorded : polars.DataFrame
        Columns of `callbacks.rollouts.ROLLOUT`.
    samples : Samples
    settings : GRPOSettings
    run_id : str
    processor : ProcessorMixin
        Of the model.
    """
    joined = recorded.join(_asked(samples, processor), on="row", how="left", maintain_order="left")
    sampled = f"sampled, temperature {settings.temperature:g}, {settings.max_completion_length} new tokens"
    table = joined.with_columns(
        run_id=pl.lit(run_id),
        model_id=pl.lit(run_id),
        runner=pl.lit("trainer"),
        phase=pl.lit("score"),
        round=pl.col("round").fill_null(0) if settings.round is None else pl.lit(settings.round),
        decoding=pl.lit(sampled),
        versions=pl.lit(versions("torch", "transformers", "trl")),
    )
    return with_every_column(table, PREDICTIONS)


def shown_frames(samples: Samples, processor: Any) -> pl.DataFrame:
    """Say what the model sees of every question.

    The columns are frame_ids, frame_input, frame_fps, frame_pixels and dataset_revision. `frame_pixels` is the size of
    the first frame after the processor's resizing, which of a video depends on the number of its frames; a question
    without frames has none.
    """
    rows = samples.rows.with_columns(n=pl.col("frame_ids").list.len() if samples.as_video else pl.lit(1))
    keys = ["n", "frame_width", "frame_height"]
    sizes = rows.select(keys).unique().drop_nulls()
    seen = [
        seen_video_pixels(processor, *size) if samples.as_video else seen_pixels(processor.image_processor, *size[1:])
        for size in sizes.iter_rows()
    ]
    rows = rows.join(
        sizes.with_columns(frame_pixels=pl.Series(seen, dtype=pl.Int64)), on=keys, how="left", maintain_order="left"
    )
    some = pl.col("frame_ids").list.len() > 0
    rates = [clip.rate if clip else None for clip in samples.clips()]
    return rows.select(
        frame_ids="frame_ids",
        frame_input=pl.when(some).then(pl.lit("video" if samples.as_video else "images")).otherwise(pl.lit("none")),
        frame_fps=pl.Series(rates, dtype=pl.Float64),
        frame_pixels="frame_pixels",
        dataset_revision=pl.lit(samples.revision, dtype=pl.String),
    )


def versions(*packages: str) -> str:
    """Write the versions of packages.

    Examples
    --------
    >>> versions("polars").startswith("polars ")
    True
    """
    return ", ".join(f"{name} {version(name)}" for name in packages)


def _asked(samples: Samples, processor: Any) -> pl.DataFrame:
    """Give the questions of a source, with what is shown, by row number."""
    rows = samples.rows.drop("frame_ids", "images")
    shown = shown_frames(samples, processor)
    return rows.hstack(shown).with_columns(row=pl.Series(np.arange(len(rows)), dtype=pl.Int64))
