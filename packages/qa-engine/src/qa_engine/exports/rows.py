"""What is exported: questions with their prompt, their answer and the frames that belong to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
from qa_contract.options import option_letters
from qa_contract.prompts import format_prompt
from qa_contract.scoring import score_answer

from qa_engine.exports.marks import DRAWN, write_marked
from qa_engine.exports.reasons import ExportReason, rejected

Row = dict[str, Any]


@dataclass(frozen=True)
class Selection:
    """Questions that can be exported, in the order of their file.

    Attributes
    ----------
    table : polars.DataFrame
        Columns of `questions`, their place in the table as `index`, and `images`: paths relative to the store, in the
        order in which a model sees them, with `frame_ids`; `marks` are what has to be drawn on them.
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

    def with_traces(self, traces: Sequence[list[Row] | None], problems: Sequence[str]) -> Selection:
        """Answer the questions step by step; those that have no trace, but a problem, are rejects."""
        kept = pl.Series([trace is not None for trace in traces], dtype=pl.Boolean)
        why = {"reason": pl.lit(ExportReason.NO_TRACE.value), "detail": pl.Series(problems, dtype=pl.String)}
        refused = self.table.with_columns(**why).filter(~kept)
        rejects = pl.concat([self.rejects, rejected(refused, pl.col("detail"))])
        made = [trace for trace in traces if trace is not None]
        return replace(self, table=self.table.filter(kept), rejects=rejects, traces=made)

    def with_scores(self) -> Selection:
        """Keep the questions whose own ground truth is a right answer; the others are rejects."""
        own = self.table.select("ground_truth", "options").iter_rows()
        kept = pl.Series([_is_right(truth, options) for truth, options in own], dtype=pl.Boolean)
        refused = self.table.filter(~kept).with_columns(reason=pl.lit(ExportReason.NO_SCORE.value))
        rejects = pl.concat([self.rejects, rejected(refused, pl.col("ground_truth"))])
        return replace(self, table=self.table.filter(kept), rejects=rejects)

    def __len__(self) -> int:
        return len(self.table)

    def images(self) -> list[str]:
        """List every image once."""
        return self.table["images"].explode().drop_nulls().unique(maintain_order=True).to_list()

    def rows(self) -> Iterator[Row]:
        """Give every question with its answer.

        `id`, `scene_name`, `question_type`, `images`, `text` and `options` are of the question, `index` is its place in
        the table. `turns` are the messages that answer, `before` those that come before the question, and `answer` is
        the text of the last one.
        """
        steps = self.traces is not None
        for place, row in enumerate(self.table.iter_rows(named=True)):
            turns = self.traces[place] if self.traces else [{"role": "assistant", "content": row["ground_truth"]}]
            yield {
                "index": row["index"],
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


def _is_right(truth: str, options: list[str] | None) -> bool:
    """Whether a ground truth is an answer that scores 1."""
    return score_answer(truth, truth, options) > 1 - 1e-9 and (not options or truth in (option_letters(options) or ()))
