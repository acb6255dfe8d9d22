"""Questions on their way to the output: a file per batch of scenes, then shards whose rows are shuffled.

Batches and shards are written where they are made, by whichever worker, and named by numbers: no rows pass through the
process that hands out the work, so its memory does not grow with them, and it is never what the others wait for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from qa_contract.tableio import write_table
from qa_contract.tables import CHOICES, DETAILS, QUESTIONS, Schema

from qa_engine.generation.samplers.base import EXPECTED, CellChoice
from qa_engine.seeding import scene_rng

ROWS_PER_SHARD = 50_000
"""Rows of a file; questions are shuffled within it, and scenes over files."""


@dataclass(frozen=True)
class Drafts:
    """Where workers put questions, and what the files say about themselves.

    Attributes
    ----------
    folder : Path
        Seen by all workers.
    metadata : mapping of str to metadata
        By table, of those that are written: `questions`, and may be `choices` and `details`.
    """

    folder: Path
    metadata: Mapping[str, Mapping[str, str]]

    def batch(self, number: int) -> Path:
        """Name the file of a batch."""
        return self.folder / f"batch-{number:07d}.arrow"

    def part(self, table: str, index: int) -> Path:
        """Name the file of a shard."""
        return self.folder / f"{table}-part-{index}"

    def put(self, number: int, questions: pl.DataFrame) -> int:
        """Keep the questions of a batch; return how many there are."""
        if len(questions):
            questions.write_ipc(self.batch(number), compression="uncompressed")
        return len(questions)


@dataclass(frozen=True)
class Shard:
    """One file of the output: its number, and the batches whose questions it gets."""

    index: int
    batches: tuple[int, ...]


def write_shard(
    drafts: Drafts, shard: Shard, cells: Sequence[CellChoice], sampler: str, *, seed: int, round: int
) -> int:
    """Shuffle the questions of some batches and write them, and why they were chosen; return how many there are."""
    paths = [drafts.batch(number) for number in shard.batches]
    read = [pl.read_ipc(path) for path in paths]
    # Rows are gathered ten times faster from one chunk than from many.
    table = pl.concat(read, rechunk=True) if read else pl.DataFrame(schema=dict(QUESTIONS) | dict(DETAILS))
    del read
    rng = scene_rng(seed, f"shard {shard.index}", "generate/shuffle", round)
    table = table[rng.permutation(len(table))]
    parts: dict[str, tuple[Schema, Callable[[], pl.DataFrame]]] = {
        "questions": (QUESTIONS, lambda: table.select(list(QUESTIONS))),
        "choices": (CHOICES, lambda: choice_rows(table, cells, sampler)),
        "details": (DETAILS, lambda: table.select(list(DETAILS))),
    }
    for name, metadata in drafts.metadata.items():
        schema, rows = parts[name]
        write_table(rows(), drafts.part(name, shard.index), schema, metadata)
    for path in paths:
        path.unlink()
    return len(table)


def choice_rows(questions: pl.DataFrame, cells: Sequence[CellChoice], sampler: str) -> pl.DataFrame:
    """Say of every question why it was chosen: the weight of its cell and, where a model chose, what it expected.

    Parameters
    ----------
    questions : DataFrame
        Columns of `questions`, and of `EXPECTED` where the sampler chose among candidates.
    cells : sequence of CellChoice
    sampler : str

    Returns
    -------
    DataFrame with the columns of `choices`, in the order of the questions.
    """
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in EXPECTED.items() if name not in questions.columns]
    rows = pl.DataFrame(
        [(cell.question_type, cell.cell, cell.weight, cell.why) for cell in cells],
        {"question_type": pl.String, "cell": pl.String, "weight": pl.Float64, "why": pl.String},
        orient="row",
    )
    expected = pl.format("{}; {}", "why", "chosen_by")
    joined = questions.with_columns(lacking).join(rows, on=["question_type", "cell"], how="left", maintain_order="left")
    why = pl.when(pl.col("chosen_by").is_null()).then("why").otherwise(expected)
    return joined.with_columns(sampler=pl.lit(sampler), why=why).select(list(CHOICES))
